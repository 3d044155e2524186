/* kafka_sink.c - chunks to record batches of partitions. */
#include <stdio.h>
#include <strings.h>

#include "connector/kafka_options.h"
#include "connector/kafka_sink.h"
#include "connector/kafka_sink_int.h"
#include "kafka/kafka.h"
#include "operator/operator.h"

#define BATCH_BYTES ((size_t)512 << 10)
#define TOPIC_TRIES 3

struct kafka_cut {
    struct stream_cut cut;  /* first */
    struct broker_txn *txn; /* NULL: plain records */
    struct topic *topic;    /* held: the sink may have another by the time of the commit */
};

struct kafka_sink {
    struct stream_sink sink; /* first */
    struct kafka_sink_config config;
    struct broker *broker;
    struct clock *clock;
    struct vec_columns columns;
    struct topic *topic;
    struct batch_builder *builders; /* one per partition */
    int32_t partitions, turn;
    struct buf key, value, bytes;
};

static struct kafka_sink *self(struct stream_sink *sink)
{
    return (struct kafka_sink *)sink;
}

/* ---- the topic ---- */

static void close_topic(struct kafka_sink *s)
{
    for (int32_t i = 0; i < s->partitions; i++)
        batch_builder_deinit(&s->builders[i]);
    free(s->builders);
    s->builders = NULL;
    s->partitions = 0;
    topic_unref(s->topic);
    s->topic = NULL;
}

static int find_topic(struct kafka_sink *s, struct err *err)
{
    struct topic_options options = {.name = s->config.topic, .partitions = -1};
    int rc = 0;

    s->topic = topic_find(s->broker, s->config.topic);
    for (int tries = 0; !s->topic && tries < TOPIC_TRIES; tries++) {
        rc = topic_create_wait(s->broker, &options, &s->topic, err);
        if (rc && rc != ERR_EXISTS)
            return rc;
        if (rc)
            s->topic = topic_find(s->broker, s->config.topic);
    }
    if (!s->topic)
        return err_set(err, ERR_NOENT, "topic %s does not exist", s->config.topic);
    if (topic_is_owned(s->topic))
        return err_set(err, ERR_DENIED, "topic %s is of dead letters: it takes no other records",
                       s->config.topic);
    return 0;
}

/* Again when it was made anew, or has more partitions now. */
static int ensure_topic(struct kafka_sink *s, struct err *err)
{
    int rc;

    if (s->topic && !topic_is_deleted(s->topic) && topic_partitions(s->topic) == s->partitions)
        return 0;
    close_topic(s);
    rc = find_topic(s, err);
    if (rc)
        return rc;
    s->partitions = topic_partitions(s->topic);
    s->builders = calloc((size_t)s->partitions, sizeof(*s->builders));
    if (!s->builders) {
        s->partitions = 0;
        return err_set(err, ERR_NOMEM, "topic %s", s->config.topic);
    }
    for (int32_t i = 0; i < s->partitions; i++) {
        batch_builder_init(&s->builders[i]);
        s->builders[i].producer_id = -1;
    }
    return 0;
}

/* ---- rows to records ---- */

static int send_batch(struct kafka_sink *s, struct kafka_cut *cut, int32_t partition,
                      struct err *err)
{
    struct batch_builder *b = &s->builders[partition];
    struct log_append_result at;
    int rc;

    if (!b->count)
        return 0;
    if (cut->txn)
        return broker_txn_append(cut->txn, s->topic, partition, b, s->config.codec, err);
    b->producer_id = b->producer_epoch = -1;
    b->base_sequence = -1;
    b->attributes = 0;
    buf_clear(&s->bytes);
    rc = batch_builder_finish(b, s->config.codec, &s->bytes, err);
    if (!rc)
        rc = topic_append(s->topic, partition, s->bytes.ptr, s->bytes.len, &at, err);
    if (rc)
        return rc;
    topic_flush_soon(s->topic, partition);
    return 0;
}

static int32_t partition_of(struct kafka_sink *s, struct slice key)
{
    switch (s->config.partitioner) {
    case KAFKA_FIXED: /* as Flink's with one subtask */
        return 0;
    case KAFKA_ROUND_ROBIN:
        return s->turn++ % s->partitions;
    case KAFKA_BY_KEY:
        break;
    }
    return key.ptr ? (int32_t)(kafka_murmur2(key) & INT32_MAX) % s->partitions
                   : s->turn % s->partitions;
}

/* The kind says what becomes of a row; false: nothing. */
static bool takes(const struct kafka_sink *s, enum row_kind kind)
{
    return !s->config.upsert || kind != ROW_UPDATE_BEFORE;
}

static int add_row(struct kafka_sink *s, struct kafka_cut *cut, duckdb_data_chunk chunk, idx_t row,
                   enum row_kind kind, struct err *err)
{
    struct kafka_sink_record r;
    int32_t partition;
    int rc = kafka_sink_record(&s->config, chunk, row, kind, &s->key, &s->value,
                               clock_wall_ms(s->clock), &r, err);

    if (rc)
        return rc;
    partition = partition_of(s, r.key);
    rc = batch_builder_add(&s->builders[partition], r.extra.timestamp_ms, r.key, r.value,
                           r.extra.headers, r.extra.header_count);
    if (rc)
        return err_set(err, rc, "a record of %zu bytes", r.key.len + r.value.len);
    return s->builders[partition].records.len >= BATCH_BYTES ? send_batch(s, cut, partition, err)
                                                             : 0;
}

static int add_chunk(struct kafka_sink *s, struct kafka_cut *cut, duckdb_data_chunk chunk,
                     struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds = NULL;
    int rc = 0;

    if (s->config.changes)
        kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, s->columns.count - 1));
    for (idx_t row = 0; row < rows && !rc; row++) {
        enum row_kind kind = kinds ? (enum row_kind)(kinds[row] & 3) : ROW_INSERT;

        if (!takes(s, kind))
            continue;
        rc = add_row(s, cut, chunk, row, kind, err);
        cut->cut.rows++;
    }
    for (int32_t i = 0; i < s->partitions && !rc; i++) /* shown now, not with the next chunk */
        rc = send_batch(s, cut, i, err);
    if (s->config.partitioner == KAFKA_BY_KEY)
        s->turn = (s->turn + 1) & INT32_MAX; /* records without a key: a partition per batch */
    return rc;
}

static void drop_batches(struct kafka_sink *s)
{
    for (int32_t i = 0; i < s->partitions; i++) {
        batch_builder_deinit(&s->builders[i]);
        batch_builder_init(&s->builders[i]);
        s->builders[i].producer_id = -1;
    }
}

struct draining {
    struct kafka_sink *sink;
    struct kafka_cut *cut;
};

static int take_chunk(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    const struct draining *d = arg;

    return add_chunk(d->sink, d->cut, chunk, err);
}

static int drain_all(struct kafka_sink *s, struct kafka_cut *cut, const struct vec_feed *feed,
                     struct err *err)
{
    struct draining draining = {s, cut};

    return vec_feed_each(feed, take_chunk, &draining, err);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct kafka_sink *s = self(sink);
    struct kafka_cut *cut = calloc(1, sizeof(*cut));
    int rc = cut ? ensure_topic(s, err) : err_set(err, ERR_NOMEM, "topic %s", s->config.topic);

    *out = NULL;
    if (!rc && s->config.transactional)
        rc = broker_txn_new(&cut->txn, s->broker, err);
    if (!rc) {
        cut->topic = topic_ref(s->topic);
        rc = drain_all(s, cut, feed, err);
    }
    if (rc || !cut->cut.rows) {
        if (rc)
            drop_batches(s);
        if (cut) {
            broker_txn_end(cut->txn, false);
            topic_unref(cut->topic);
        }
        free(cut);
        return rc ? err_wrap(err, rc, "topic %s", s->config.topic) : 0;
    }
    *out = &cut->cut;
    return 0;
}

/* ---- making it true ---- */

static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct kafka_sink *s = self(sink);
    struct kafka_cut *cut = (struct kafka_cut *)base;
    int rc = 0;

    (void)epoch;
    if (cut->txn)
        return broker_txn_flush(cut->txn, err);
    for (int32_t i = 0; i < topic_partitions(cut->topic) && !rc; i++)
        rc = topic_log(cut->topic, i) ? log_flush(topic_log(cut->topic, i), err) : 0;
    return rc ? err_wrap(err, rc, "topic %s", s->config.topic) : 0;
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct kafka_cut *cut = (struct kafka_cut *)base;

    (void)sink;
    return cut->txn ? broker_txn_commit_in(cut->txn, txn, err) : 0;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct kafka_cut *cut = (struct kafka_cut *)base;

    (void)sink;
    if (outcome == STREAM_UNKNOWN)
        broker_txn_leave(cut->txn);
    else
        broker_txn_end(cut->txn, outcome == STREAM_COMMITTED);
    topic_unref(cut->topic);
    free(cut);
}

static void sink_free(struct stream_sink *sink)
{
    struct kafka_sink *s = self(sink);

    if (!s)
        return;
    close_topic(s);
    kafka_sink_config_deinit(&s->config);
    vec_columns_free(&s->columns);
    buf_deinit(&s->key);
    buf_deinit(&s->value);
    buf_deinit(&s->bytes);
    free(s);
}

static const struct stream_sink_ops ops = {
    .drain = drain,
    .stage = stage,
    .commit_in = commit_in,
    .after_commit = after_commit,
    /* recover: the broker ended what a crash left open before anybody could read (kafka/txns.c). */
    .free = sink_free,
};

int kafka_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    struct kafka_sink *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    s->sink.ops = &ops;
    s->broker = r->connector->broker;
    s->clock = r->connector->clock;
    s->key.max = s->value.max = s->bytes.max = (size_t)256 << 20;
    rc = vec_columns_copy(&s->columns, r->columns);
    if (rc)
        err_set(err, rc, "sink `%s`", r->table->name);
    if (!rc)
        rc = kafka_sink_config_init(&s->config, r, &s->columns, err);
    if (rc) {
        sink_free(&s->sink);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->sink;
    return 0;
}
