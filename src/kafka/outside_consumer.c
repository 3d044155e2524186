/* outside_consumer.c - partitions of other brokers, read from places that the caller keeps.
 *
 * No group is joined: partitions are assigned by us, so that offsets are the job's and two jobs of
 * one group id do not share a topic between them. Records stay in librdkafka's buffers until the
 * next poll. */
#include <stdio.h>

#include "kafka/outside_int.h"

#define MESSAGES_MAX 8192

struct outside_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t **messages; /* of the last poll */
    size_t count;
    struct arena arena; /* headers of the last poll */
    struct outside_trouble trouble;
    void (*woken)(void *arg);
    void *arg;
};

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct outside_consumer *c = opaque;

    (void)rk;
    outside_trouble_note(&c->trouble, (rd_kafka_resp_err_t)code, text);
}

static void on_event(rd_kafka_t *rk, void *opaque)
{
    struct outside_consumer *c = opaque;

    (void)rk;
    c->woken(c->arg);
}

int outside_consumer_new(struct outside_consumer **out, const struct outside_options *options,
                         void (*woken)(void *arg), void *arg, struct err *err)
{
    static const struct outside_property ours[] = {{"enable.auto.commit", "false"},
                                                   {"enable.auto.offset.store", "false"},
                                                   {"enable.partition.eof", "true"},
                                                   {"auto.offset.reset", "earliest"}};
    struct outside_consumer *c = calloc(1, sizeof(*c));
    rd_kafka_conf_t *conf = NULL;
    char text[256];
    int rc;

    if (!c || !(c->messages = calloc(MESSAGES_MAX, sizeof(*c->messages)))) {
        free(c);
        return err_set(err, ERR_NOMEM, "consumer");
    }
    outside_trouble_init(&c->trouble);
    c->woken = woken;
    c->arg = arg;
    rc = outside_conf_new(&conf, options, false, err);
    for (size_t i = 0; i < COUNT_OF(ours) && !rc; i++)
        rc = outside_conf_set(conf, ours[i].name, ours[i].value, err);
    if (!rc) {
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_opaque(conf, c);
        c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
        if (c->rk)
            conf = NULL; /* taken */
        else
            rc = err_set(err, ERR_INVALID, "%s", text);
    }
    if (conf)
        rd_kafka_conf_destroy(conf);
    if (rc) {
        outside_consumer_free(c);
        return rc;
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    rd_kafka_queue_cb_event_enable(c->queue, on_event, c);
    *out = c;
    return 0;
}

static void drop_messages(struct outside_consumer *c)
{
    for (size_t i = 0; i < c->count; i++)
        rd_kafka_message_destroy(c->messages[i]);
    c->count = 0;
    arena_reset(&c->arena);
}

void outside_consumer_free(struct outside_consumer *c)
{
    if (!c)
        return;
    drop_messages(c);
    if (c->queue) {
        rd_kafka_queue_cb_event_enable(c->queue, NULL, NULL);
        rd_kafka_queue_destroy(c->queue);
    }
    if (c->rk)
        rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    outside_trouble_deinit(&c->trouble);
    arena_deinit(&c->arena);
    free(c->messages);
    free(c);
}

bool outside_consumer_trouble(struct outside_consumer *c, char *text, size_t size)
{
    return outside_trouble_show(&c->trouble, text, size);
}

/* ---- which partitions there are ---- */

struct found {
    struct arena *arena;
    struct outside_place *list;
    size_t count, cap;
};

static int add_partitions(struct found *f, const rd_kafka_metadata_topic_t *topic, struct err *err)
{
    size_t need = f->count + (size_t)topic->partition_cnt;
    const char *name = arena_strdup(f->arena, topic->topic);

    if (need > f->cap) {
        struct outside_place *more = ARENA_ARRAY(f->arena, struct outside_place, 2 * need);

        if (more && f->count)
            memcpy(more, f->list, f->count * sizeof(*more));
        f->list = more;
        f->cap = 2 * need;
    }
    if (!name || (need && !f->list))
        return err_set(err, ERR_NOMEM, "partitions");
    for (int i = 0; i < topic->partition_cnt; i++) /* they are 0 .. n-1, in any order */
        f->list[f->count++] = (struct outside_place){name, i, -1};
    return 0;
}

/* Asks for one topic, or for all (name NULL). */
static int ask(struct outside_consumer *c, const char *name, int timeout_ms,
               const struct rd_kafka_metadata **out, struct err *err)
{
    rd_kafka_topic_t *topic = name ? rd_kafka_topic_new(c->rk, name, NULL) : NULL;
    rd_kafka_resp_err_t code;
    char text[300];

    if (name && !topic)
        return err_set(err, ERR_INVALID, "topic %s: %s", name,
                       rd_kafka_err2str(rd_kafka_last_error()));
    code = rd_kafka_metadata(c->rk, name == NULL, topic, out, timeout_ms);
    if (topic)
        rd_kafka_topic_destroy(topic);
    if (!code) {
        outside_trouble_clear(&c->trouble);
        return 0;
    }
    rd_kafka_poll(c->rk, 0); /* errors that say more */
    outside_trouble_show(&c->trouble, text, sizeof(text));
    return err_set(err, outside_code(code), "%s", text[0] ? text : rd_kafka_err2str(code));
}

int outside_partitions(struct outside_consumer *c, const char *const *names, size_t count,
                       bool (*wanted)(void *arg, const char *topic), void *arg, int timeout_ms,
                       struct arena *arena, struct outside_place **out, size_t *out_count,
                       struct err *err)
{
    struct found f = {.arena = arena};
    int rc = 0;

    for (size_t n = 0; n < (names ? count : 1) && !rc; n++) {
        const struct rd_kafka_metadata *metadata;

        rc = ask(c, names ? names[n] : NULL, timeout_ms, &metadata, err);
        if (rc)
            break;
        for (int i = 0; i < metadata->topic_cnt && !rc; i++) {
            const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];

            if (outside_code(topic->err) == ERR_DENIED && names)
                rc = err_set(err, ERR_DENIED, "topic %s: %s", topic->topic,
                             rd_kafka_err2str(topic->err));
            else if (topic->partition_cnt > 0 && wanted(arg, topic->topic))
                rc = add_partitions(&f, topic, err);
        }
        rd_kafka_metadata_destroy(metadata);
    }
    *out = f.list;
    *out_count = f.count;
    return rc;
}

/* ---- where to read ---- */

static rd_kafka_topic_partition_list_t *list_of(const struct outside_place *places, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, places[i].topic, places[i].partition)->offset =
            places[i].offset;
    return list;
}

static int failed(struct outside_consumer *c, rd_kafka_resp_err_t code, const char *what,
                  struct err *err)
{
    char text[300];

    rd_kafka_poll(c->rk, 0);
    outside_trouble_show(&c->trouble, text, sizeof(text));
    return err_set(err, outside_code(code), "%s: %s%s%s", what, rd_kafka_err2str(code),
                   text[0] ? ": " : "", text);
}

static int at_ends(struct outside_consumer *c, struct outside_place *places, size_t count,
                   bool start, int timeout_ms, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        int64_t low, high;
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
            c->rk, places[i].topic, places[i].partition, &low, &high, timeout_ms);

        if (code)
            return failed(c, code, places[i].topic, err);
        places[i].offset = start ? low : high;
    }
    return 0;
}

static int at_time(struct outside_consumer *c, struct outside_place *places, size_t count,
                   int64_t time_ms, int timeout_ms, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, count);
    rd_kafka_resp_err_t code;
    int rc = 0;

    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = time_ms;
    code = rd_kafka_offsets_for_times(c->rk, list, timeout_ms);
    if (code)
        rc = failed(c, code, "offsets by time", err);
    for (size_t i = 0; i < count && !rc; i++) {
        places[i].offset = list->elems[i].offset;
        if (list->elems[i].err)
            rc = failed(c, list->elems[i].err, places[i].topic, err);
        else if (places[i].offset < 0) /* none so late: behind the last */
            rc = at_ends(c, &places[i], 1, false, timeout_ms, err);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

static int at_group(struct outside_consumer *c, struct outside_place *places, size_t count,
                    int timeout_ms, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, count);
    rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, list, timeout_ms);
    int rc = code ? failed(c, code, "offsets of the group", err) : 0;

    for (size_t i = 0; i < count && !rc; i++) {
        places[i].offset = list->elems[i].offset < 0 ? -1 : list->elems[i].offset;
        if (list->elems[i].err)
            rc = failed(c, list->elems[i].err, places[i].topic, err);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

int outside_offsets(struct outside_consumer *c, struct outside_place *places, size_t count,
                    enum outside_where where, int64_t time_ms, int timeout_ms, struct err *err)
{
    if (!count)
        return 0;
    switch (where) {
    case OUTSIDE_START:
    case OUTSIDE_END:
        return at_ends(c, places, count, where == OUTSIDE_START, timeout_ms, err);
    case OUTSIDE_TIME:
        return at_time(c, places, count, time_ms, timeout_ms, err);
    default:
        return at_group(c, places, count, timeout_ms, err);
    }
}

int outside_assign(struct outside_consumer *c, const struct outside_place *places, size_t count,
                   struct err *err)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, count);
    rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, list);

    rd_kafka_topic_partition_list_destroy(list);
    return code ? failed(c, code, "partitions", err) : 0;
}

void outside_offsets_commit(struct outside_consumer *c, const struct outside_place *places,
                            size_t count)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, count);
    rd_kafka_resp_err_t code = rd_kafka_commit(c->rk, list, 1);

    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        diag_warn("kafka", "offsets of the group: %s", rd_kafka_err2str(code));
}

int64_t outside_end(struct outside_consumer *c, const char *topic, int32_t partition)
{
    int64_t low, high;

    return rd_kafka_get_watermark_offsets(c->rk, topic, partition, &low, &high) || high < 0 ? -1
                                                                                            : high;
}

/* ---- records ---- */

static size_t put_varint(uint8_t *out, int64_t value)
{
    uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    size_t len = 0;

    for (; rest >= 0x80; rest >>= 7)
        out[len++] = (uint8_t)(rest | 0x80);
    out[len++] = (uint8_t)rest;
    return len;
}

/* As a record batch has them, which header_next walks. */
static int copy_headers(struct outside_consumer *c, const rd_kafka_message_t *message,
                        struct record *out, struct err *err)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size, total = 0, count = 0;
    uint8_t *at;

    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (; !rd_kafka_header_get_all(headers, count, &name, &value, &size); count++)
        total += strlen(name) + size + 20;
    at = arena_alloc(&c->arena, total + 1);
    if (!at)
        return err_set(err, ERR_NOMEM, "headers");
    out->headers.ptr = at;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
        size_t len = strlen(name);

        at += put_varint(at, (int64_t)len);
        memcpy(at, name, len);
        at += len;
        at += put_varint(at, value ? (int64_t)size : -1);
        if (value)
            memcpy(at, value, size);
        at += value ? size : 0;
    }
    out->headers.len = (size_t)(at - out->headers.ptr);
    out->header_count = (int32_t)count;
    return 0;
}

static struct slice bytes_of(const void *ptr, size_t len)
{
    return ptr ? slice_of(ptr, len) : (struct slice){0};
}

static int take(struct outside_consumer *c, const rd_kafka_message_t *m, bool headers,
                struct outside_record *out, struct err *err)
{
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp = rd_kafka_message_timestamp(m, &kind);

    *out = (struct outside_record){.topic = rd_kafka_topic_name(m->rkt),
                                   .partition = m->partition,
                                   .end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF,
                                   .record = {.offset = m->offset}};
    if (out->end)
        return 0;
    out->append_time = kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    out->record.timestamp = timestamp;
    out->record.key = bytes_of(m->key, m->key_len);
    out->record.value = bytes_of(m->payload, m->len);
    return headers ? copy_headers(c, m, &out->record, err) : 0;
}

int outside_poll(struct outside_consumer *c, bool headers, struct outside_record *records,
                 size_t max, size_t *count, struct err *err)
{
    ssize_t got;
    int rc = 0;

    drop_messages(c);
    *count = 0;
    got = rd_kafka_consume_batch_queue(c->queue, 0, c->messages,
                                       max < MESSAGES_MAX ? max : MESSAGES_MAX);
    c->count = got > 0 ? (size_t)got : 0;
    for (size_t i = 0; i < c->count && !rc; i++) {
        const rd_kafka_message_t *m = c->messages[i];
        int code = outside_code(m->err);

        if (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            rc = take(c, m, headers, &records[*count], err);
            *count += rc == 0;
            outside_trouble_clear(&c->trouble);
        } else if (code == ERR_NOENT || code == ERR_DENIED) {
            rc = err_set(err, code, "%s: %s", m->rkt ? rd_kafka_topic_name(m->rkt) : "topics",
                         rd_kafka_message_errstr(m));
        } else {
            outside_trouble_note(&c->trouble, m->err, rd_kafka_message_errstr(m));
        }
    }
    return rc;
}
