/* outside_sink.c - rows to topics of other brokers.
 *
 * At least once (Flink's default, and ours here): records go out as rows come, and an interval's
 * commit waits until the broker has acknowledged them all; what was sent and not committed is sent
 * again after a failure. Exactly once: by the outbox. */
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/codec.h"
#include "connector/kafka_sink_int.h"
#include "connector/outbox.h"
#include "connector/outside.h"

#define BATCH_BYTES ((size_t)512 << 10)

struct outside_cut {
    struct stream_cut cut;      /* first */
    struct outside_cut *next;   /* of the sink's list */
    struct outside_tally tally; /* at least once */
    int64_t end;                /* exactly once: of the outbox */
};

struct outside_sink {
    struct stream_sink sink; /* first */
    struct kafka_sink_config config;
    struct broker *broker;
    struct clock *clock;
    struct arena arena; /* of `client` */
    struct outside_options client;
    struct vec_columns columns;
    char name[250], *prefix; /* exactly once: the outbox's topic */
    struct outbox *outbox;   /* NULL until the job runs */
    struct batch_builder builder;
    struct outside_producer *producer;
    pthread_mutex_t mutex;     /* of `spent` */
    struct outside_cut *spent; /* whose tallies librdkafka may still name */
    atomic_bool failed;        /* nothing more is taken: the job opens a new sink */
    struct buf key, value;
};

static struct outside_sink *self(struct stream_sink *sink)
{
    return (struct outside_sink *)sink;
}

/* ---- rows to records ---- */

static enum outside_partitioner partitioner(const struct outside_sink *s)
{
    static const enum outside_partitioner by[] = {[KAFKA_BY_KEY] = OUTSIDE_BY_KEY,
                                                  [KAFKA_FIXED] = OUTSIDE_FIXED,
                                                  [KAFKA_ROUND_ROBIN] = OUTSIDE_ROUND_ROBIN};

    return by[s->config.partitioner];
}

static int open_outbox(struct outside_sink *s, struct err *err)
{
    struct outbox_options options = {.broker = s->broker,
                                     .clock = s->clock,
                                     .name = s->name,
                                     .target = s->config.topic,
                                     .prefix = s->prefix,
                                     .client = &s->client,
                                     .partitioner = partitioner(s)};

    return s->outbox ? 0 : outbox_new(&s->outbox, &options, err);
}

static int ensure_open(struct outside_sink *s, struct err *err)
{
    if (atomic_load(&s->failed))
        return err_set(err, ERR_CLOSED, "topic %s: the sink has failed", s->config.topic);
    if (s->config.transactional)
        return open_outbox(s, err);
    return s->producer ? 0
                       : outside_producer_new(&s->producer, &s->client, partitioner(s), NULL, err);
}

static int send_builder(struct outside_sink *s, struct err *err)
{
    return s->builder.count ? outbox_append(s->outbox, &s->builder, err) : 0;
}

static int add_row(struct outside_sink *s, struct outside_cut *cut, duckdb_data_chunk chunk,
                   idx_t row, enum row_kind kind, struct err *err)
{
    struct kafka_sink_record r;
    int rc = kafka_sink_record(&s->config, chunk, row, kind, &s->key, &s->value,
                               clock_wall_ms(s->clock), &r, err);

    if (rc)
        return rc;
    if (!s->outbox) {
        struct outside_message m = {s->config.topic, r.extra.timestamp_ms, r.key,
                                    r.value,         r.extra.headers,      r.extra.header_count};

        return outside_send(s->producer, &m, &cut->tally, err);
    }
    rc = batch_builder_add(&s->builder, r.extra.timestamp_ms, r.key, r.value, r.extra.headers,
                           r.extra.header_count);
    if (rc)
        return err_set(err, rc, "a record of %zu bytes", r.key.len + r.value.len);
    return s->builder.records.len >= BATCH_BYTES ? send_builder(s, err) : 0;
}

static int add_chunk(struct outside_sink *s, struct outside_cut *cut, duckdb_data_chunk chunk,
                     struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds = NULL;
    int rc = 0;

    if (s->config.changes)
        kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, s->columns.count - 1));
    for (idx_t row = 0; row < rows && !rc; row++) {
        enum row_kind kind = kinds ? (enum row_kind)(kinds[row] & 3) : ROW_INSERT;

        if (s->config.upsert && kind == ROW_UPDATE_BEFORE)
            continue;
        rc = add_row(s, cut, chunk, row, kind, err);
        cut->cut.rows++;
    }
    return rc;
}

struct draining {
    struct outside_sink *sink;
    struct outside_cut *cut;
};

static int take_chunk(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    const struct draining *d = arg;

    return add_chunk(d->sink, d->cut, chunk, err);
}

static int drain_all(struct outside_sink *s, struct outside_cut *cut, const struct vec_feed *feed,
                     struct err *err)
{
    struct draining draining = {s, cut};
    int rc = vec_feed_each(feed, take_chunk, &draining, err);

    return rc || !s->outbox ? rc : send_builder(s, err);
}

/* A cut whose records are still on their way: librdkafka names its tally until it is gone. */
static void abandon(struct outside_sink *s, struct outside_cut *cut)
{
    pthread_mutex_lock(&s->mutex);
    cut->next = s->spent;
    s->spent = cut;
    pthread_mutex_unlock(&s->mutex);
}

static void forget_spent(struct outside_sink *s)
{
    while (s->spent) {
        struct outside_cut *cut = s->spent;

        s->spent = cut->next;
        free(cut);
    }
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct outside_sink *s = self(sink);
    struct outside_cut *cut = calloc(1, sizeof(*cut));
    int rc = cut ? ensure_open(s, err) : err_set(err, ERR_NOMEM, "topic %s", s->config.topic);

    *out = NULL;
    if (!rc)
        rc = drain_all(s, cut, feed, err);
    if (!rc && cut->cut.rows) {
        cut->end = s->outbox ? outbox_end(s->outbox) : 0;
        *out = &cut->cut;
        return 0;
    }
    if (rc) /* what it left behind is cut off, or comes again */
        atomic_store(&s->failed, true);
    if (cut && rc)
        abandon(s, cut);
    else
        free(cut);
    return rc ? err_wrap(err, rc, "topic %s", s->config.topic) : 0;
}

/* ---- making it true ---- */

static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct outside_sink *s = self(sink);
    struct outside_cut *cut = (struct outside_cut *)base;

    (void)epoch;
    return s->outbox ? outbox_flush(s->outbox, err) : outside_settle(s->producer, &cut->tally, err);
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct outside_sink *s = self(sink);

    return s->outbox ? outbox_commit_in(s->outbox, ((struct outside_cut *)base)->end, txn, err) : 0;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct outside_sink *s = self(sink);
    struct outside_cut *cut = (struct outside_cut *)base;

    if (outcome == STREAM_COMMITTED && s->outbox)
        outbox_committed(s->outbox, cut->end);
    if (outcome != STREAM_COMMITTED)
        atomic_store(&s->failed, true);
    if (atomic_load(&cut->tally.done) >= atomic_load(&cut->tally.sent))
        free(cut);
    else
        abandon(s, cut);
}

/* What the last run of the job committed and did not send is sent though no row comes. */
static int recover(struct stream_sink *sink, struct err *err)
{
    struct outside_sink *s = self(sink);

    return s->config.transactional ? open_outbox(s, err) : 0;
}

static void sink_free(struct stream_sink *sink)
{
    struct outside_sink *s = self(sink);

    if (!s)
        return;
    outbox_free(s->outbox);
    outside_producer_free(s->producer); /* before the tallies that it names */
    forget_spent(s);
    pthread_mutex_destroy(&s->mutex);
    batch_builder_deinit(&s->builder);
    kafka_sink_config_deinit(&s->config);
    vec_columns_free(&s->columns);
    arena_deinit(&s->arena);
    buf_deinit(&s->key);
    buf_deinit(&s->value);
    free(s);
}

static const struct stream_sink_ops ops = {
    .drain = drain,
    .stage = stage,
    .commit_in = commit_in,
    .after_commit = after_commit,
    .recover = recover,
    .free = sink_free,
};

/* ---- what the table says ---- */

/* "outbox.JOB.TABLE.HASH": readable, of letters that topics may have, and one for each pipeline. */
static void name_outbox(struct outside_sink *s, const struct sink_request *r)
{
    const char *job = r->job ? r->job : "", *pipeline = r->pipeline ? r->pipeline : "";
    uint64_t hash = hash64(pipeline, strlen(pipeline), hash64(job, strlen(job), 0));

    snprintf(s->name, sizeof(s->name), "outbox.%.100s.%.100s.%08x", job, r->table->name,
             (unsigned)hash);
    for (char *c = s->name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            *c = '_';
}

static int read_table(struct outside_sink *s, const struct sink_request *r, struct err *err)
{
    const struct sql_options *options = r->table->options;
    const char *prefix = sql_option(options, "sink.transactional-id-prefix");
    int rc = kafka_sink_config_init(&s->config, r, &s->columns, err);

    if (!rc && !sql_option(options, "sink.delivery-guarantee"))
        s->config.transactional = false; /* Flink's default: another broker may not allow it */
    if (!rc)
        rc = outside_properties(r->table, &s->arena, &s->client, err);
    if (!rc)
        rc = outside_check(&s->client, true, err);
    if (!rc && !(s->prefix = arena_strdup(&s->arena, prefix ? prefix : "tarn")))
        rc = err_set(err, ERR_NOMEM, "options");
    name_outbox(s, r);
    return rc;
}

int outside_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    struct outside_sink *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    s->sink.ops = &ops;
    s->broker = r->connector->broker;
    s->clock = r->connector->clock;
    s->key.max = s->value.max = (size_t)256 << 20;
    pthread_mutex_init(&s->mutex, NULL);
    batch_builder_init(&s->builder);
    rc = vec_columns_copy(&s->columns, r->columns);
    if (rc)
        err_set(err, rc, "sink `%s`", r->table->name);
    if (!rc)
        rc = read_table(s, r, err);
    if (rc) {
        sink_free(&s->sink);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->sink;
    return 0;
}
