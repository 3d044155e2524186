/* verbs_dlq.c - dead letters: what was rejected and why, and sending it again.
 *
 * They are read from the job's own topic, JOB.dlq. `retry` writes the original key and value to the
 * topic they came from; how far it has come is kept in DATA/dlq.json after the records are on disk,
 * so a crash in between sends some again rather than none.
 */
#include <stdio.h>

#include "cli/verbs.h"
#include "log/batch.h"

#define READ_BYTES (1 << 20)

struct letter {
    struct slice reason, column, topic, partition, offset;
    struct record record;
};

/* Sets what the header is called to its value. */
static void read_headers(const struct record *record, struct letter *out)
{
    const struct {
        const char *name;
        struct slice *to;
    } names[] = {{"tarn.reason", &out->reason}, {"tarn.column", &out->column},
                 {"tarn.topic", &out->topic},   {"tarn.partition", &out->partition},
                 {"tarn.offset", &out->offset}};
    struct slice rest = record->headers, key, value;

    for (int32_t i = 0; i < record->header_count; i++) {
        if (header_next(&rest, &key, &value, NULL) < 0)
            return;
        for (size_t n = 0; n < COUNT_OF(names); n++)
            if (slice_is(key, names[n].name))
                *names[n].to = value;
    }
}

typedef int letter_fn(void *arg, const struct letter *letter, struct err *err);

static int walk_batches(struct slice bytes, int64_t from, struct buf *scratch, int64_t *next,
                        letter_fn *fn, void *arg, struct err *err)
{
    struct batch batch;
    size_t need;
    int rc;

    while (bytes.len > 0 && !(rc = batch_next(&bytes, false, &batch, &need, err))) {
        struct record_walk walk;
        struct letter letter = {0};

        *next = batch.base_offset + batch.last_offset_delta + 1;
        if (batch_is_control(&batch))
            continue;
        rc = record_walk_init(&walk, &batch, scratch, 64 << 20, err);
        while (!rc && (rc = record_next(&walk, &letter.record, err)) == 1) {
            rc = 0;
            read_headers(&letter.record, &letter);
            if (letter.record.offset >= from)
                rc = fn(arg, &letter, err);
            letter = (struct letter){0};
        }
        if (rc)
            return rc;
    }
    return 0;
}

/* Every dead letter of a job from offset `from` on. *end: the offset behind the last one. */
static int walk(struct instance *in, const char *job, int64_t from, int64_t *end, letter_fn *fn,
                void *arg, struct err *err)
{
    struct buf bytes = {0}, scratch = {0};
    struct log_offsets at;
    struct topic *topic;
    struct log *log;
    char name[300];
    int64_t next;
    int rc = 0;

    snprintf(name, sizeof(name), "%s.dlq", job);
    topic = topic_find(in->broker, name);
    log = topic ? topic_log(topic, 0) : NULL;
    if (!log) {
        topic_unref(topic);
        return err_set(err, ERR_NOENT,
                       "no dead letters of a job '%s': they come with its next commit; "
                       "'tarn dlq list' shows what is there",
                       job);
    }
    at = log_offsets(log);
    next = from < at.start ? at.start : from;
    while (!rc && next < at.high_watermark) {
        int64_t before = next;

        buf_clear(&bytes);
        rc = log_read(log, next, READ_BYTES, true, &bytes, err);
        if (!rc)
            rc = walk_batches(buf_slice(&bytes), next, &scratch, &next, fn, arg, err);
        if (!rc && next == before)
            rc = err_set(err, ERR_CORRUPT, "%s: nothing to read at offset %lld", name,
                         (long long)next);
    }
    *end = next;
    topic_unref(topic);
    buf_deinit(&bytes);
    buf_deinit(&scratch);
    return rc;
}

/* ---- list and show ---- */

static json_t *text_json(struct slice s)
{
    json_t *text = s.ptr ? json_stringn((const char *)s.ptr, s.len) : json_null();

    return text ? text : json_string("(not text)");
}

static json_t *number_json(struct slice s)
{
    int64_t value;

    return s.ptr && !slice_to_i64(s, &value) ? json_integer(value) : json_null();
}

int verb_dlq_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct topic_info *topics = NULL;
    size_t count = 0;
    int rc = broker_topics(in->broker, &arena, &topics, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s]", "job", "dead letters", "bytes", "table"), err);
    for (size_t i = 0; i < count && !rc; i++) {
        size_t len = strlen(topics[i].name);
        char table[300];

        if (!topics[i].owned || len < 5 || strcmp(topics[i].name + len - 4, ".dlq") != 0)
            continue;
        snprintf(table, sizeof(table), "dlq.%.*s", (int)(len - 4), topics[i].name);
        rc = rows_add(reply, json_pack("[s,I,I,s]", table + 4, (json_int_t)topics[i].records,
                                       (json_int_t)topics[i].bytes, table), err);
    }
    arena_deinit(&arena);
    return rc;
}

struct shown {
    struct control_reply *reply;
    int64_t skip;
};

static int show_letter(void *arg, const struct letter *l, struct err *err)
{
    struct shown *shown = arg;

    if (shown->skip-- > 0)
        return 0;
    return rows_add(shown->reply,
                    json_pack("[I,o,o,o,o,o,o]", (json_int_t)l->record.offset, text_json(l->reason),
                              text_json(l->column), text_json(l->topic), number_json(l->partition),
                              number_json(l->offset), text_json(l->record.value)),
                    err);
}

static int count_letter(void *arg, const struct letter *letter, struct err *err)
{
    (void)letter, (void)err;
    ++*(int64_t *)arg;
    return 0;
}

int verb_dlq_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    const char *job = json_string_value(json_object_get(request, "name"));
    int64_t tail = json_integer_value(json_object_get(request, "tail")), count = 0, end;
    struct shown shown = {reply, 0};
    int rc = walk(arg, job ? job : "", 0, &end, count_letter, &count, err);

    if (rc)
        return rc;
    shown.skip = tail > 0 && count > tail ? count - tail : 0;
    rc = rows_head(reply, json_pack("[s,s,s,s,s,s,s]", "letter", "reason", "column", "topic",
                                    "partition", "offset", "value"), err);
    return rc ? rc : walk(arg, job, 0, &end, show_letter, &shown, err);
}

/* ---- retry ---- */

static int load_marks(struct instance *in, const char *path, json_t **out, struct err *err)
{
    struct buf text = {.max = 1 << 20};
    int rc = disk_exists(in->disk, path) ? disk_read_file(in->disk, path, &text, err) : 0;

    *out = NULL;
    if (!rc && text.len)
        rc = json_parse(buf_slice(&text), out, err);
    buf_deinit(&text);
    if (!rc && !*out)
        *out = json_object();
    return rc ? rc : *out ? 0 : ERR_NOMEM;
}

static int save_marks(struct instance *in, const char *path, const json_t *marks, struct err *err)
{
    struct buf text = {0};
    int rc = json_print(marks, 0, &text, err);

    if (!rc)
        rc = disk_write_file(in->disk, path, buf_slice(&text), err);
    buf_deinit(&text);
    return rc;
}

struct retry {
    struct instance *in;
    int64_t sent, gone; /* gone: their topic is not there any more */
};

static int resend(void *arg, const struct letter *l, struct err *err)
{
    struct retry *retry = arg;
    struct batch_builder builder;
    struct log_append_result result;
    struct buf batch = {0};
    struct topic *topic;
    char name[300];
    int64_t partition = 0;
    int rc;

    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(l->topic));
    topic = topic_find(retry->in->broker, name);
    if (!topic || (l->partition.ptr && slice_to_i64(l->partition, &partition)) ||
        !topic_log(topic, (int32_t)partition)) {
        topic_unref(topic);
        retry->gone++;
        return 0;
    }
    batch_builder_init(&builder);
    builder.producer_id = -1;
    builder.producer_epoch = -1;
    builder.base_sequence = -1;
    rc = batch_builder_add(&builder, clock_wall_ms(retry->in->clock), l->record.key,
                           l->record.value, NULL, 0);
    if (!rc)
        rc = batch_builder_finish(&builder, CODEC_NONE, &batch, err);
    if (!rc)
        rc = topic_append(topic, (int32_t)partition, batch.ptr, batch.len, &result, err);
    if (!rc)
        rc = log_flush(topic_log(topic, (int32_t)partition), err);
    batch_builder_deinit(&builder);
    buf_deinit(&batch);
    topic_unref(topic);
    retry->sent += !rc;
    return rc;
}

int verb_dlq_retry(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    const char *job = json_string_value(json_object_get(request, "name"));
    struct retry retry = {.in = in};
    char path[4200], text[200];
    json_t *marks = NULL;
    int64_t from, end = 0;
    int rc;

    snprintf(path, sizeof(path), "%s/dlq.json", in->data_path);
    rc = load_marks(in, path, &marks, err);
    from = rc ? 0 : json_integer_value(json_object_get(marks, job ? job : ""));
    if (json_is_true(json_object_get(request, "all")))
        from = 0;
    if (!rc)
        rc = walk(in, job ? job : "", from, &end, resend, &retry, err);
    if (!rc)
        rc = json_object_set_new(marks, job, json_integer(end)) ? ERR_NOMEM : 0;
    if (!rc)
        rc = save_marks(in, path, marks, err);
    json_decref(marks);
    snprintf(text, sizeof(text), retry.gone ? "%lld sent again, %lld left: their topic is gone"
                                            : "%lld sent again",
             (long long)retry.sent, (long long)retry.gone);
    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", text), err);
}
