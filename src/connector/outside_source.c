/* outside_source.c - topics by librdkafka to rows.
 *
 * A place of the source is a list of partitions with their offsets. Partitions are numbered as they
 * were found and keep their number; which they are is written into the place's incarnation:
 * "orders:3;clicks:2;orders:1" are partitions 0 to 2 of orders, 0 and 1 of clicks, then 3 of
 * orders. What is found later is read from its start, as in Flink, since nothing of it was seen. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "connector/kafka_rows.h"
#include "connector/outside.h"
#include "connector/source_wait.h"
#include "kafka/kafka.h"

#define ASK_MS         2000 /* one question to the brokers, on the pipeline's thread */
#define PING_MS        500
#define DISCOVER_MS    300000 /* Flink's default */
#define PARTITIONS_MAX 100000
#define RECORDS        4096 /* of one poll */

struct partition {
    char *topic; /* owned */
    int32_t number;
    _Atomic int64_t next; /* offset to read */
    int64_t until;        /* bounded: first offset that is not wanted; INT64_MAX: none */
};

struct outside_source {
    struct stream_source source; /* first */
    struct kafka_source_config config;
    struct kafka_rows rows;
    struct broker *broker; /* of topics that are ours after all; else NULL */
    struct clock *clock;
    struct arena arena; /* of `client` and `names` */
    struct outside_options client;
    const char **names; /* of the topics; NULL: by pattern */
    size_t name_count;
    pcre2_code *pattern;
    pcre2_match_data *match;
    bool headers, group;                /* asked for; named */
    int64_t discover_ms, discovered_ms; /* <= 0: never; mono time of the last */

    struct outside_consumer *consumer; /* NULL until first needed */
    pthread_mutex_t mutex;             /* of what others look at: partitions, consumer */
    struct source_wait wait;
    struct partition *partitions;
    size_t count, cap, last; /* last: the one found last */
    bool known;              /* the place came with the job: what is not in it is new */
    bool resolved;

    struct outside_record *records; /* of the last poll of the consumer */
    size_t record_count, record_at;
};

static struct outside_source *self(struct stream_source *source)
{
    return (struct outside_source *)source;
}

/* ---- partitions, by their number ---- */

static int add_partition(struct outside_source *s, const char *topic, int32_t number, int64_t next,
                         struct err *err)
{
    char *name = strdup(topic);
    int rc = name ? 0 : ERR_NOMEM;

    pthread_mutex_lock(&s->mutex);
    if (!rc && s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct partition *more =
            cap <= PARTITIONS_MAX ? realloc(s->partitions, cap * sizeof(*more)) : NULL;

        rc = more ? 0 : ERR_NOMEM;
        if (more) {
            s->partitions = more;
            s->cap = cap;
        }
    }
    if (!rc) {
        struct partition *p = &s->partitions[s->count++];

        *p = (struct partition){.topic = name, .number = number, .until = INT64_MAX};
        atomic_init(&p->next, next);
    }
    pthread_mutex_unlock(&s->mutex);
    if (rc)
        free(name);
    return rc ? err_set(err, rc, "%zu partitions", s->count) : 0;
}

static struct partition *find(struct outside_source *s, const char *topic, int32_t number)
{
    for (size_t i = 0; i < s->count; i++) { /* records come in runs: mostly it is the last one */
        size_t at = (s->last + i) % s->count;
        struct partition *p = &s->partitions[at];

        if (p->number == number && !strcmp(p->topic, topic)) {
            s->last = at;
            return p;
        }
    }
    return NULL;
}

static int32_t partitions_of(const struct outside_source *s, const char *topic)
{
    int32_t count = 0;

    for (size_t i = 0; i < s->count; i++)
        count += !strcmp(s->partitions[i].topic, topic);
    return count;
}

static int put_incarnation(const struct outside_source *s, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < s->count && !rc;) {
        size_t run = i;

        while (run < s->count && !strcmp(s->partitions[run].topic, s->partitions[i].topic))
            run++;
        rc = buf_printf(out, "%s%s:%zu", i ? ";" : "", s->partitions[i].topic, run - i);
        i = run;
    }
    return rc;
}

/* The partitions of a place that was written down. */
static int read_place(struct outside_source *s, const struct stream_position *from, struct err *err)
{
    const char *at = from->incarnation;
    size_t count = 0;
    int rc = 0;

    while (!rc && at && *at) {
        char topic[256];
        int used = 0;
        unsigned run;

        if (sscanf(at, "%255[^:;]:%u%n", topic, &run, &used) != 2 || count + run > from->count)
            return err_set(err, ERR_UNSUPPORTED,
                           "the job was left in a topic of this tarn (%s), and reads others now: "
                           "start it anew under another name",
                           from->incarnation);
        for (unsigned i = 0; i < run && !rc; i++)
            rc = add_partition(s, topic, partitions_of(s, topic), from->offsets[count++], err);
        at += used;
        at += *at == ';';
    }
    if (!rc && count != from->count)
        rc = err_set(err, ERR_CORRUPT, "%zu offsets for the partitions %s", from->count,
                     from->incarnation);
    s->known = count > 0;
    return rc;
}

/* ---- the consumer ---- */

static void woken(void *source)
{
    source_wait_wake(&self(source)->wait);
}

/* What cannot be asked now can be asked later: the job waits. */
static int waits(struct outside_source *s, int rc, struct err *err)
{
    if (rc != ERR_TIMEOUT)
        return rc;
    if (err) {
        struct err why = *err;

        err_set(err, ERR_NOENT, "no broker answers for %s: %s%s", s->config.topic, why.text,
                s->broker ? ""
                          : ". If this tarn is meant, kafka: {listeners: [{port: N}]} in tarn.yaml "
                            "opens that port here");
    }
    return ERR_NOENT;
}

static int ensure_consumer(struct outside_source *s, struct err *err)
{
    struct outside_consumer *consumer;
    int rc;

    if (s->consumer)
        return 0;
    rc = outside_consumer_new(&consumer, &s->client, woken, s, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&s->mutex);
    s->consumer = consumer;
    pthread_mutex_unlock(&s->mutex);
    return 0;
}

static bool wanted(void *arg, const char *topic)
{
    struct outside_source *s = arg;

    if (!s->pattern)
        return true;
    return strncmp(topic, "__", 2) != 0 &&
           pcre2_match(s->pattern, (PCRE2_SPTR)topic, strlen(topic), 0,
                       PCRE2_ANCHORED | PCRE2_ENDANCHORED, s->match, NULL) >= 0;
}

static bool is_among(const struct outside_place *places, size_t count, const char *topic)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(places[i].topic, topic))
            return true;
    return false;
}

/* Partitions that are not known yet; with `all`, every topic that is named must be there. */
static int discover(struct outside_source *s, bool all, struct arena *arena,
                    struct outside_place **fresh, size_t *count, struct err *err)
{
    struct outside_place *found;
    size_t total;
    int rc = outside_partitions(s->consumer, s->names, s->name_count, wanted, s, ASK_MS, arena,
                                &found, &total, err);

    *count = 0;
    s->discovered_ms = clock_mono_ms(s->clock);
    for (size_t i = 0; i < s->name_count && all && !rc; i++)
        if (!is_among(found, total, s->names[i]) && !partitions_of(s, s->names[i]))
            rc = err_set(err, ERR_NOENT, "topic %s does not exist", s->names[i]);
    for (size_t i = 0; i < total && !rc; i++)
        if (!find(s, found[i].topic, found[i].partition))
            found[(*count)++] = found[i];
    *fresh = found;
    return rc;
}

/* ---- where to start and to end ---- */

static void at_given(struct outside_place *places, size_t count, const struct kafka_place *given)
{
    for (size_t i = 0; i < count; i++)
        if ((size_t)places[i].partition < given->offset_count)
            places[i].offset = given->offsets[places[i].partition];
}

/* Those that are still nowhere. */
static int fill_rest(struct outside_source *s, struct outside_place *places, size_t count,
                     const struct kafka_place *place, struct err *err)
{
    enum outside_where where = place->kind == KAFKA_LATEST ? OUTSIDE_END : OUTSIDE_START;
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        if (places[i].offset < 0)
            rc = outside_offsets(s->consumer, &places[i], 1, where, 0, ASK_MS, err);
    return rc;
}

static int places_for(struct outside_source *s, struct outside_place *places, size_t count,
                      const struct kafka_place *place, struct err *err)
{
    static const struct kafka_place start = {.kind = KAFKA_EARLIEST};
    int rc = 0;

    switch (place->kind) {
    case KAFKA_EARLIEST:
    case KAFKA_LATEST:
        return outside_offsets(s->consumer, places, count,
                               place->kind == KAFKA_LATEST ? OUTSIDE_END : OUTSIDE_START, 0, ASK_MS,
                               err);
    case KAFKA_TIMESTAMP:
        return outside_offsets(s->consumer, places, count, OUTSIDE_TIME, place->timestamp_ms,
                               ASK_MS, err);
    case KAFKA_GROUP:
        rc = s->group ? outside_offsets(s->consumer, places, count, OUTSIDE_GROUP, 0, ASK_MS, err)
                      : 0;
        return rc ? rc : fill_rest(s, places, count, &s->config.reset, err);
    case KAFKA_OFFSETS:
        at_given(places, count, place);
        return fill_rest(s, places, count, &start, err);
    case KAFKA_UNBOUNDED:
        for (size_t i = 0; i < count; i++)
            places[i].offset = INT64_MAX;
    }
    return rc;
}

static struct outside_place *places_now(struct outside_source *s, struct arena *arena,
                                        struct err *err)
{
    struct outside_place *places = ARENA_ARRAY(arena, struct outside_place, s->count + 1);

    for (size_t i = 0; places && i < s->count; i++)
        places[i] = (struct outside_place){s->partitions[i].topic, s->partitions[i].number,
                                           atomic_load(&s->partitions[i].next)};
    if (!places)
        err_set(err, ERR_NOMEM, "places of %s", s->config.topic);
    return places;
}

/* Starts reading what is known, from where it stands. */
static int assign(struct outside_source *s, struct arena *arena, struct err *err)
{
    struct outside_place *places = places_now(s, arena, err);

    s->record_at = s->record_count; /* what was polled and not taken comes again */
    return places ? outside_assign(s->consumer, places, s->count, err) : ERR_NOMEM;
}

static int add_fresh(struct outside_source *s, struct outside_place *fresh, size_t count,
                     const struct kafka_place *place, struct err *err)
{
    int rc = places_for(s, fresh, count, place, err);

    for (size_t i = 0; i < count && !rc; i++)
        rc = add_partition(s, fresh[i].topic, fresh[i].partition, fresh[i].offset, err);
    return rc;
}

static int set_ends(struct outside_source *s, struct arena *arena, struct err *err)
{
    struct outside_place *places = places_now(s, arena, err);
    int rc;

    if (!places)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->count; i++)
        places[i].offset = -1;
    rc = places_for(s, places, s->count, &s->config.bounded, err);
    for (size_t i = 0; i < s->count && !rc; i++)
        s->partitions[i].until = places[i].offset;
    return rc;
}

static int resolve(struct outside_source *s, struct err *err)
{
    static const struct kafka_place start = {.kind = KAFKA_EARLIEST};
    struct arena arena = {0};
    struct outside_place *fresh;
    size_t count;
    int rc = ensure_consumer(s, err);

    if (!rc)
        rc = discover(s, true, &arena, &fresh, &count, err);
    if (!rc)
        rc = add_fresh(s, fresh, count, s->known ? &start : &s->config.startup, err);
    if (!rc)
        rc = set_ends(s, &arena, err);
    if (!rc)
        rc = assign(s, &arena, err);
    s->resolved = rc == 0;
    arena_deinit(&arena);
    return waits(s, rc, err);
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct outside_source *s = self(source);
    int rc = from ? read_place(s, from, err) : 0;

    return rc ? rc : resolve(s, err);
}

/* Now and then: what has come? */
static int look_for_more(struct outside_source *s, struct err *err)
{
    static const struct kafka_place start = {.kind = KAFKA_EARLIEST};
    struct arena arena = {0};
    struct outside_place *fresh;
    struct err why = {0};
    size_t count = 0;
    int rc;

    if (s->discover_ms <= 0 || s->config.bounded.kind != KAFKA_UNBOUNDED ||
        clock_mono_ms(s->clock) - s->discovered_ms < s->discover_ms)
        return 0;
    rc = discover(s, false, &arena, &fresh, &count, &why);
    if (!rc && count) {
        for (size_t i = 0; i < count; i++)
            diag_info("job", "%s[%d] is new: read from its start", fresh[i].topic,
                      (int)fresh[i].partition);
        rc = add_fresh(s, fresh, count, &start, &why);
        if (!rc)
            rc = assign(s, &arena, &why);
    }
    arena_deinit(&arena);
    if (rc == ERR_TIMEOUT)
        return 0; /* reading goes on, and tells of trouble itself */
    if (rc && err)
        *err = why;
    return rc;
}

/* ---- reading ---- */

static bool at_end(struct outside_source *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (atomic_load(&s->partitions[i].next) < s->partitions[i].until)
            return false;
    return s->config.bounded.kind != KAFKA_UNBOUNDED;
}

static int take(struct outside_source *s, const struct outside_record *r, struct err *err)
{
    struct partition *p = find(s, r->topic, r->partition);
    struct kafka_origin at = {r->topic, r->partition, 0, -1, r->append_time};
    int64_t next = p ? atomic_load(&p->next) : 0;
    int rc;

    if (!p || r->record.offset < next)
        return 0;
    if (r->end || r->record.offset >= p->until) { /* the end: past markers and what was aborted */
        atomic_store(&p->next, r->record.offset < p->until ? r->record.offset : p->until);
        return 0;
    }
    at.ordinal = (int32_t)(p - s->partitions);
    rc = kafka_rows_add(&s->rows, &at, &r->record, err);
    if (!rc)
        atomic_store(&p->next, r->record.offset + 1);
    return rc;
}

static int take_all(struct outside_source *s, struct err *err)
{
    struct err second = {0};
    int rc = 0;

    if (s->record_at == s->record_count) {
        s->record_at = s->record_count = 0;
        rc = outside_poll(s->consumer, s->headers, s->records, RECORDS, &s->record_count, err);
    }
    while (!rc && s->record_at < s->record_count && !kafka_rows_full(&s->rows))
        rc = take(s, &s->records[s->record_at++], err);
    if (rc)
        kafka_rows_end(&s->rows, &second);
    return rc ? rc : kafka_rows_end(&s->rows, err);
}

/* librdkafka tells of trouble and not of its end: who hears nothing asks. */
static int ask_after_trouble(struct outside_source *s, struct err *err)
{
    struct outside_place *none;
    struct arena arena = {0};
    char text[300];
    size_t count;
    int rc = 0;

    if (outside_consumer_trouble(s->consumer, text, sizeof(text)))
        rc = outside_partitions(s->consumer, s->names, s->names ? 1 : 0, wanted, s, PING_MS, &arena,
                                &none, &count, err);
    arena_deinit(&arena);
    return waits(s, rc, err);
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct outside_source *s = self(source);
    int rc = s->resolved ? 0 : resolve(s, err);

    if (rc)
        return rc;
    if (at_end(s))
        return err_set(err, ERR_CLOSED, "%s: the end that was asked for", s->config.topic);
    rc = look_for_more(s, err);
    kafka_rows_begin(&s->rows, out, reject, arg);
    if (!rc)
        rc = take_all(s, err);
    if (!rc && !s->rows.count && s->record_at == s->record_count && !s->record_count)
        rc = ask_after_trouble(s, err);
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    return kafka_rows_origin(&self(source)->rows, row, out, err);
}

/* ---- the rest of the table ---- */

static void wait(struct stream_source *source, int64_t timeout_ms)
{
    source_wait_for(&self(source)->wait, timeout_ms);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct outside_source *s = self(source);
    struct buf text = {0};
    int rc;

    *out = (struct stream_position){0};
    if (!s->count)
        return 0;
    rc = put_incarnation(s, &text);
    if (!rc)
        out->incarnation = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    out->offsets = ARENA_ARRAY(arena, int64_t, s->count);
    if (!out->incarnation || !out->offsets)
        return err_set(err, ERR_NOMEM, "offsets of %s", s->config.topic);
    for (size_t i = 0; i < s->count; i++)
        out->offsets[i] = atomic_load(&s->partitions[i].next);
    out->count = s->count;
    return 0;
}

/* What others' brokers have given is theirs to keep; a list of our own topics is read by a client,
 * but must be on the disk before the job says that it has it. */
static int flush(struct stream_source *source, struct err *err)
{
    struct outside_source *s = self(source);
    bool more = s->broker != NULL;
    int rc = 0;

    for (size_t i = 0; more && !rc; i++) {
        struct topic *topic = NULL;
        struct log *log;

        pthread_mutex_lock(&s->mutex);
        more = i < s->count;
        if (more)
            topic = topic_find(s->broker, s->partitions[i].topic);
        log = topic ? topic_log(topic, s->partitions[i].number) : NULL;
        pthread_mutex_unlock(&s->mutex);
        rc = log ? log_flush(log, err) : 0;
        topic_unref(topic);
    }
    return rc;
}

static int64_t lag(struct stream_source *source)
{
    struct outside_source *s = self(source);
    int64_t sum = 0;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->count && s->consumer; i++) {
        const struct partition *p = &s->partitions[i];
        int64_t more = outside_end(s->consumer, p->topic, p->number) - atomic_load(&p->next);

        sum += more > 0 ? more : 0;
    }
    sum = s->consumer ? sum : -1;
    pthread_mutex_unlock(&s->mutex);
    return sum;
}

/* The job's commit holds these offsets: tools that show lag may hear of them. */
static void committed(struct stream_source *source, const struct stream_position *at)
{
    struct outside_source *s = self(source);
    struct outside_place *places;
    struct arena arena = {0};

    if (!s->group)
        return;
    pthread_mutex_lock(&s->mutex);
    places = s->consumer ? ARENA_ARRAY(&arena, struct outside_place, at->count + 1) : NULL;
    for (size_t i = 0; places && i < at->count && i < s->count; i++)
        places[i] =
            (struct outside_place){s->partitions[i].topic, s->partitions[i].number, at->offsets[i]};
    if (places && at->count && at->count <= s->count)
        outside_offsets_commit(s->consumer, places, at->count);
    pthread_mutex_unlock(&s->mutex);
    arena_deinit(&arena);
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->rows.columns;
}

static void source_free(struct stream_source *source)
{
    struct outside_source *s = self(source);

    if (!s)
        return;
    outside_consumer_free(s->consumer);
    kafka_rows_deinit(&s->rows);
    kafka_source_config_deinit(&s->config);
    for (size_t i = 0; i < s->count; i++)
        free(s->partitions[i].topic);
    free(s->partitions);
    free(s->records);
    pcre2_match_data_free(s->match);
    pcre2_code_free(s->pattern);
    arena_deinit(&s->arena);
    source_wait_deinit(&s->wait);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static void share(struct stream_source *source, struct team *team)
{
    kafka_rows_share(&self(source)->rows, team);
}

static const struct stream_source_ops ops = {
    poll,
    origin,
    wait,
    wake,
    position,
    seek,
    flush,
    lag,
    columns,
    source_free,
    .committed = committed,
    .share = share,
};

/* ---- what the table says ---- */

int outside_properties(const struct sql_table *table, struct arena *arena,
                       struct outside_options *out, struct err *err)
{
    const struct sql_options *options = table->options;
    struct outside_property *list = ARENA_ARRAY(arena, struct outside_property, options->count + 1);

    *out = (struct outside_options){.properties = list};
    for (size_t i = 0; list && i < options->count; i++) {
        const struct sql_option *o = &options->list[i];
        struct outside_property *p = &list[out->property_count];

        if (strncmp(o->key, "properties.", 11) != 0)
            continue;
        p->name = arena_strdup(arena, o->key + 11);
        p->value = arena_strdup(arena, o->value);
        if (!p->name || !p->value)
            list = NULL;
        out->property_count++;
    }
    return list ? 0 : err_set(err, ERR_NOMEM, "properties");
}

static int split_topics(struct outside_source *s, const char *list, struct err *err)
{
    s->names = ARENA_ARRAY(&s->arena, const char *, strlen(list) + 1);
    while (s->names && *list) {
        size_t len = strcspn(list, ";");

        if (len) {
            s->names[s->name_count] = arena_cstr(&s->arena, slice_of(list, len));
            if (!s->names[s->name_count++])
                return err_set(err, ERR_NOMEM, "topics");
        }
        list += len + (list[len] == ';');
    }
    if (s->names && !s->name_count)
        return err_set(err, ERR_INVALID, "'topic' names none");
    return s->names ? 0 : err_set(err, ERR_NOMEM, "topics");
}

static int compile_pattern(struct outside_source *s, const char *text, struct err *err)
{
    PCRE2_SIZE at;
    int code;

    s->pattern =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    if (!s->pattern)
        return err_set(err, ERR_INVALID, "'topic-pattern' = '%s': wrong at character %zu", text,
                       at + 1);
    s->match = pcre2_match_data_create_from_pattern(s->pattern, NULL);
    return s->match ? 0 : err_set(err, ERR_NOMEM, "topic-pattern");
}

static int read_discovery(struct outside_source *s, const struct sql_table *table, struct err *err)
{
    static const char *const keys[] = {"scan.topic-partition-discovery.interval",
                                       "properties.partition.discovery.interval.ms"};

    s->discover_ms = DISCOVER_MS;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *value = sql_option(table->options, keys[i]);

        if (value && sql_duration_ms(value, &s->discover_ms))
            return err_set(err, ERR_INVALID, "'%s' = '%s' is no duration", keys[i], value);
        if (value)
            break;
    }
    return 0;
}

static int read_table(struct outside_source *s, const struct kafka_source_options *o,
                      struct err *err)
{
    const char *topic = sql_option(o->table->options, "topic");
    const char *pattern = sql_option(o->table->options, "topic-pattern");
    const char *bootstrap = NULL;
    int rc;

    s->group = s->config.group[0] != '\0';
    if (kafka_is_ours(o->table, o->ports)) {
        bootstrap = arena_printf(&s->arena, "127.0.0.1:%d", o->ports ? o->ports[0] : 9092);
        s->broker = o->broker;
    }
    rc = outside_properties(o->table, &s->arena, &s->client, err);
    s->client.bootstrap = bootstrap;
    if (!rc)
        rc = outside_check(&s->client, false, err);
    if (!rc)
        rc = read_discovery(s, o->table, err);
    if (!rc && topic && pattern)
        rc = err_set(err, ERR_INVALID, "'topic' and 'topic-pattern' cannot both be set");
    if (!rc)
        rc = topic ? split_topics(s, topic, err) : compile_pattern(s, pattern, err);
    for (size_t i = 0; i < s->config.metadata_count; i++)
        s->headers |= s->config.metadata[i].key == KAFKA_META_HEADERS;
    return rc;
}

int outside_source_new(struct stream_source **out, const struct kafka_source_options *o,
                       struct err *err)
{
    struct outside_source *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "source %s", o->table->name);
    s->source.ops = &ops;
    s->clock = o->clock;
    pthread_mutex_init(&s->mutex, NULL);
    source_wait_init(&s->wait);
    s->records = calloc(RECORDS, sizeof(*s->records));
    rc = s->records ? kafka_source_config_init(&s->config, o, err)
                    : err_set(err, ERR_NOMEM, "source %s", o->table->name);
    if (!rc)
        rc = kafka_rows_init(&s->rows, &s->config, o, err);
    if (!rc)
        rc = read_table(s, o, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", o->table->name);
    }
    *out = &s->source;
    return 0;
}
