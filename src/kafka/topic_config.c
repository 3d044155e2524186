/* topic_config.c - the configuration of topics as a table: what may be set, to what, and where it
 * goes. Rows in the metadata store hold what was set; all else is the broker's default. */
#include <stdio.h>

#include "kafka/kafka_int.h"

#define CONFIG_NONE SIZE_MAX

/* Types as DescribeConfigs numbers them. */
enum { TYPE_STRING = 2, TYPE_INT = 3, TYPE_LONG = 5, TYPE_LIST = 7 };

struct config {
    const char *name;
    int8_t type;
    size_t at;              /* numbers: in struct topic_config; CONFIG_NONE: only checked */
    int64_t min, max;
    const char *fixed;      /* words: those allowed, separated by '|', the default first */
    const char *refusal;    /* what to say of words that Kafka knows and we do not do */
    const char *help;
};

#define AT(member) offsetof(struct topic_config, member)

static const struct config configs[] = {
    {"cleanup.policy", TYPE_LIST, CONFIG_NONE, 0, 0, "delete",
     "compaction is not built yet: only delete is kept",
     "How old records go: by deletion of whole segments."},
    {"compression.type", TYPE_STRING, CONFIG_NONE, 0, 0, "producer",
     "batches are kept as the producer sent them: only producer is kept",
     "Batches are kept as the producer compressed them."},
    {"max.message.bytes", TYPE_INT, AT(max_message_bytes), 0, INT32_MAX - 4096, NULL, NULL,
     "The largest record batch that is taken, in bytes."},
    {"message.timestamp.type", TYPE_STRING, CONFIG_NONE, 0, 0, "CreateTime|LogAppendTime", NULL,
     "Whose time a record carries: the producer's or that of its append."},
    {"min.insync.replicas", TYPE_INT, CONFIG_NONE, 1, 1, NULL, NULL,
     "Always 1: there is one broker."},
    {"retention.bytes", TYPE_LONG, AT(retention_bytes), -1, INT64_MAX, NULL, NULL,
     "A partition keeps about this much; -1 has no limit."},
    {"retention.ms", TYPE_LONG, AT(retention_ms), -1, INT64_MAX, NULL, NULL,
     "Records older than this go; -1 keeps them for ever."},
    {"segment.bytes", TYPE_INT, AT(segment_bytes), 1024, INT32_MAX, NULL, NULL,
     "A segment file ends at this size."},
    {"segment.ms", TYPE_LONG, AT(segment_ms), 1, INT64_MAX, NULL, NULL,
     "A segment file ends at this age."},
};

static const struct config *find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(configs); i++)
        if (slice_is(name, configs[i].name))
            return &configs[i];
    return NULL;
}

bool config_known(struct slice name) { return find(name) != NULL; }

/* Is `value` one of the words in "a|b|c"? */
static bool one_of(const char *words, struct slice value)
{
    while (*words) {
        size_t len = strcspn(words, "|");

        if (slice_eq(slice_of(words, len), value))
            return true;
        words += len + (words[len] == '|');
    }
    return false;
}

int config_check(struct slice name, struct slice value, struct err *err)
{
    const struct config *config = find(name);
    int64_t number;

    if (!config)
        return err_set(err, ERR_INVALID, "Unknown topic config name: " SLICE_FMT, SLICE_ARG(name));
    if (!value.ptr)
        return err_set(err, ERR_INVALID, "Config %s needs a value", config->name);
    if (config->fixed) {
        if (one_of(config->fixed, value))
            return 0;
        return err_set(err, ERR_INVALID, "Config %s cannot be " SLICE_FMT ": %s%s", config->name,
                       SLICE_ARG(value), config->refusal ? config->refusal : "it is one of ",
                       config->refusal ? "" : config->fixed);
    }
    if (slice_to_i64(value, &number))
        return err_set(err, ERR_INVALID, "Config %s is a number, not '" SLICE_FMT "'", config->name,
                       SLICE_ARG(value));
    if (number < config->min || number > config->max)
        return err_set(err, ERR_INVALID, "Config %s is %" PRId64 ", but must be from %" PRId64
                       " to %" PRId64, config->name, number, config->min, config->max);
    return 0;
}

void config_defaults(const struct broker *broker, struct topic_config *out)
{
    const struct broker_options *o = &broker->options;

    *out = (struct topic_config){.retention_ms = o->retention_ms,
                                 .retention_bytes = o->retention_bytes,
                                 .segment_bytes = o->segment_bytes,
                                 .segment_ms = o->segment_ms,
                                 .max_message_bytes = o->message_bytes_max};
}

static void apply(struct topic_config *out, const char *name, const char *value)
{
    const struct config *config = find(slice_str(name));
    int64_t number;

    if (!config)
        return;
    if (config->at != CONFIG_NONE && !slice_to_i64(slice_str(value), &number))
        memcpy((uint8_t *)out + config->at, &number, sizeof(number));
    if (!strcmp(name, "message.timestamp.type"))
        out->append_time = !strcmp(value, "LogAppendTime");
}

#define CONFIG_ROWS "SELECT name, value FROM kafka_topic_config WHERE topic_id = ? ORDER BY name"

int config_load(struct meta_txn *txn, struct broker *broker, const struct uuid *id,
                struct topic_config *out, struct err *err)
{
    struct meta_stmt *rows;
    char text[37];
    int rc;

    config_defaults(broker, out);
    uuid_text(id, text);
    rc = meta_query(txn, &rows, err, CONFIG_ROWS, "s", text);
    if (rc)
        return rc;
    while (meta_next(rows, err, &rc))
        apply(out, meta_text(rows, 0), meta_text(rows, 1));
    meta_done(rows);
    return rc;
}

/* The default as text. */
static const char *default_text(const struct config *config, const struct topic_config *defaults,
                                struct arena *arena)
{
    int64_t number = config->min;

    if (config->fixed)
        return arena_cstr(arena, slice_of(config->fixed, strcspn(config->fixed, "|")));
    if (config->at != CONFIG_NONE)
        memcpy(&number, (const uint8_t *)defaults + config->at, sizeof(number));
    return arena_printf(arena, "%" PRId64, number);
}

int config_lines(struct broker *broker, struct meta_txn *txn, const struct uuid *id,
                 struct arena *arena, struct config_line **out, size_t *count, struct err *err)
{
    struct config_line *lines = ARENA_ARRAY(arena, struct config_line, COUNT_OF(configs));
    struct topic_config defaults;
    struct meta_stmt *rows;
    char text[37];
    int rc;

    if (!lines)
        return err_set(err, ERR_NOMEM, "configuration");
    config_defaults(broker, &defaults);
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        lines[i] = (struct config_line){.name = configs[i].name,
                                        .value = default_text(&configs[i], &defaults, arena),
                                        .help = configs[i].help,
                                        .type = configs[i].type};
        if (!lines[i].value)
            return err_set(err, ERR_NOMEM, "configuration");
    }
    uuid_text(id, text);
    rc = meta_query(txn, &rows, err, CONFIG_ROWS, "s", text);
    if (rc)
        return rc;
    while (meta_next(rows, err, &rc))
        for (size_t i = 0; i < COUNT_OF(configs); i++)
            if (!strcmp(meta_text(rows, 0), configs[i].name)) {
                lines[i].value = arena_strdup(arena, meta_text(rows, 1));
                lines[i].is_set = true;
            }
    meta_done(rows);
    *out = lines;
    *count = COUNT_OF(configs);
    return rc;
}

struct log_options config_log_options(const struct broker *broker, const struct topic_config *c)
{
    return (struct log_options){.segment_bytes = c->segment_bytes,
                                .segment_ms = c->segment_ms,
                                .retention_ms = c->retention_ms,
                                .retention_bytes = c->retention_bytes,
                                .append_time = c->append_time,
                                .visible_unsynced = broker->options.fsync != FSYNC_BATCH,
                                .disk = broker->options.disk,
                                .clock = broker->options.clock};
}
