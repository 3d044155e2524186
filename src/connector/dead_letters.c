/* dead_letters.c - the reject sink: every rejected record as a row and as a message, in one commit.
 *
 * While the table's writer pulls the feed, each row is also built into a record batch: the
 * original key and value, and headers that say where it came from and what was wrong. Staging
 * appends the batches to the owned topic, once, and syncs it; the job's transaction moves the
 * topic's committed end together with the table's pointer; only then does its high watermark
 * follow.
 */
#include <ctype.h>
#include <stdio.h>

#include "connector/dead_letters.h"
#include "connector/own_table.h"
#include "connector/session.h"
#include "kafka/kafka.h"
#include "log/batch.h"

#define BATCH_ROWS  500
#define BATCH_BYTES ((size_t)512 << 10)

struct dead_letters {
    struct stream_sink sink; /* first */
    struct dead_letters_options options;
    char *name;                /* the job's, as a topic and a table may be called */
    struct stream_sink *table; /* made with the first reject */
    struct topic *topic;
};

struct letters_cut {
    struct stream_cut cut;    /* first */
    struct stream_cut *table; /* the table sink's part */
    struct buf batches;       /* for the topic */
    int64_t end;              /* of the topic with them */
    bool appended;
    bool queued; /* the table's part is made true by its queue */
};

static struct dead_letters *self(struct stream_sink *sink)
{
    return (struct dead_letters *)sink;
}

/* ---- table and topic ---- */

/* Columns of the reject feed as an Iceberg table's, in their order. */
static const struct own_column letter_columns[] = {
    {"reason", "why the record could not become a row", LAKE_STRING, true},
    {"column", "the column that refused it, when one did", LAKE_STRING, false},
    {"topic", "where it came from", LAKE_STRING, true},
    {"partition", NULL, LAKE_INT, true},
    {"offset", NULL, LAKE_LONG, true},
    {"record_time", "the record's own timestamp", LAKE_TIMESTAMPTZ, true},
    {"rejected_at", NULL, LAKE_TIMESTAMPTZ, true},
    {"key", "as received", LAKE_BINARY, false},
    {"value", "as received", LAKE_BINARY, false},
};

static int make_table(struct dead_letters *d, struct err *err)
{
    struct lake_ident ident = {DEAD_LETTERS_NAMESPACE, d->name};

    return own_table_make(d->options.lake_catalog, &ident, letter_columns, COUNT_OF(letter_columns),
                          err);
}

static bool was_never_written(struct topic *topic)
{
    for (int32_t p = 0; p < topic_partitions(topic); p++) {
        struct log *log = topic_log(topic, p);

        if (!log || log_offsets(log).end > 0)
            return false;
    }
    return true;
}

/* A reader that looks for dead letters before the first one makes the topic by asking for it, as
 * Kafka's console consumer does. Such a topic holds nothing: it makes room for ours. */
static int make_room(struct dead_letters *d, const char *name, struct err *err)
{
    bool empty = was_never_written(d->topic);

    topic_unref(d->topic);
    d->topic = NULL;
    if (!empty)
        return err_set(err, ERR_EXISTS,
                       "topic %s was made by somebody else: dead letters need it, rename it", name);
    return topic_delete_wait(d->options.broker, name, err);
}

static int make_topic(struct dead_letters *d, struct err *err)
{
    struct topic_options options = {.partitions = 1, .owned = true};
    char name[260];
    int rc = 0;

    snprintf(name, sizeof(name), "%s.dlq", d->name);
    options.name = name;
    d->topic = topic_find(d->options.broker, name);
    if (d->topic && topic_is_deleted(d->topic)) {
        topic_unref(d->topic);
        d->topic = NULL;
    }
    if (d->topic && !topic_is_owned(d->topic))
        rc = make_room(d, name, err);
    if (!rc && !d->topic)
        rc = topic_create_wait(d->options.broker, &options, &d->topic, err);
    return rc;
}

static int ensure(struct dead_letters *d, struct err *err)
{
    struct lake_sink_options sink = d->options.sink;
    int rc = 0;

    if (d->topic && topic_is_deleted(d->topic)) {
        topic_unref(d->topic);
        d->topic = NULL;
    }
    if (!d->topic)
        rc = make_topic(d, err);
    if (rc || d->table)
        return rc;
    rc = make_table(d, err);
    sink.ident = (struct lake_ident){DEAD_LETTERS_NAMESPACE, d->name};
    sink.columns = NULL; /* the feed's are exactly the table's */
    rc = rc ? rc : lake_sink_new(&d->table, &sink, err);
    if (!rc)
        d->sink.queue = d->table->queue;
    return rc;
}

/* ---- rows to messages ---- */

static struct slice text_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *validity = duckdb_vector_get_validity(vector);
    duckdb_string_t *text = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;

    if (validity && !duckdb_validity_row_is_valid(validity, row))
        return (struct slice){0};
    return slice_of(duckdb_string_t_data(text), duckdb_string_t_length(*text));
}

static int64_t number_at(duckdb_data_chunk chunk, idx_t column, idx_t row, bool wide)
{
    void *data = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));

    return wide ? ((int64_t *)data)[row] : ((int32_t *)data)[row];
}

struct tee { /* a feed that builds batches of what passes */
    const struct vec_feed *from;
    struct dead_letters *letters;
    struct batch_builder builder;
    struct buf *batches;
};

static int add_message(struct tee *t, duckdb_data_chunk chunk, idx_t row)
{
    char partition[16], offset[24], when[24];
    struct header headers[] = {
        {SLICE_LIT("tarn.reason"), text_at(chunk, 0, row)},
        {SLICE_LIT("tarn.column"), text_at(chunk, 1, row)},
        {SLICE_LIT("tarn.topic"), text_at(chunk, 2, row)},
        {SLICE_LIT("tarn.partition"), {0}},
        {SLICE_LIT("tarn.offset"), {0}},
        {SLICE_LIT("tarn.record-time-ms"), {0}},
        {SLICE_LIT("tarn.job"), slice_str(t->letters->name)},
    };

    snprintf(partition, sizeof(partition), "%" PRId64, number_at(chunk, 3, row, false));
    snprintf(offset, sizeof(offset), "%" PRId64, number_at(chunk, 4, row, true));
    snprintf(when, sizeof(when), "%" PRId64, number_at(chunk, 5, row, true) / 1000);
    headers[3].value = slice_str(partition);
    headers[4].value = slice_str(offset);
    headers[5].value = slice_str(when);
    return batch_builder_add(&t->builder, number_at(chunk, 6, row, true) / 1000,
                             text_at(chunk, 7, row), text_at(chunk, 8, row), headers,
                             COUNT_OF(headers));
}

static int finish_batch(struct tee *t, struct err *err)
{
    return t->builder.count ? batch_builder_finish(&t->builder, CODEC_NONE, t->batches, err) : 0;
}

static int tee_pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct tee *t = arg;
    int rc = t->from->pull(t->from->arg, out, err);
    idx_t rows = rc ? 0 : duckdb_data_chunk_get_size(out);

    for (idx_t row = 0; row < rows && !rc; row++) {
        rc = add_message(t, out, row);
        if (rc)
            return err_set(err, rc, "dead letter");
        if (t->builder.count >= BATCH_ROWS || t->builder.records.len > BATCH_BYTES)
            rc = finish_batch(t, err);
    }
    return rc;
}

static void cut_free(struct letters_cut *cut)
{
    buf_deinit(&cut->batches);
    free(cut);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct dead_letters *d = self(sink);
    struct letters_cut *cut = calloc(1, sizeof(*cut));
    struct tee tee = {.from = feed, .letters = d};
    struct vec_feed teed = {feed->columns, tee_pull, &tee};
    int rc = cut ? ensure(d, err) : err_set(err, ERR_NOMEM, "dead letters");

    *out = NULL;
    if (rc) {
        free(cut);
        return rc;
    }
    tee.batches = &cut->batches;
    batch_builder_init(&tee.builder);
    tee.builder.producer_id = -1;
    rc = d->table->ops->drain(d->table, &teed, &cut->table, err);
    if (!rc)
        rc = finish_batch(&tee, err);
    batch_builder_deinit(&tee.builder);
    if (rc && cut->table)
        d->table->ops->after_commit(d->table, cut->table, STREAM_REFUSED);
    if (rc || !cut->table) {
        cut_free(cut);
        return rc;
    }
    cut->cut = *cut->table;
    *out = &cut->cut;
    return 0;
}

/* ---- making it true ---- */

static int append_to_topic(struct dead_letters *d, struct letters_cut *cut, struct err *err)
{
    struct log_append_result result;
    int rc = topic_append(d->topic, 0, cut->batches.ptr, cut->batches.len, &result, err);

    if (rc)
        return err_wrap(err, rc, "topic %s", topic_name(d->topic));
    cut->appended = true;
    cut->end = result.last_offset + 1;
    return log_flush(topic_log(d->topic, 0), err);
}

static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct dead_letters *d = self(sink);
    struct letters_cut *cut = (struct letters_cut *)base;
    int rc = cut->appended ? 0 : append_to_topic(d, cut, err);

    return rc || cut->queued ? rc : d->table->ops->stage(d->table, cut->table, epoch, err);
}

/* The rows wait for their turn; the topic's part is ours. */
static struct stream_turn behind(struct stream_sink *sink, struct stream_cut *base)
{
    struct letters_cut *cut = (struct letters_cut *)base;

    cut->queued = true;
    return (struct stream_turn){self(sink)->table, cut->table};
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct dead_letters *d = self(sink);
    struct letters_cut *cut = (struct letters_cut *)base;
    int rc = cut->queued ? 0 : d->table->ops->commit_in(d->table, cut->table, txn, err);

    return rc ? rc : topic_commit_in(txn, topic_id(d->topic), 0, cut->end, err);
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct dead_letters *d = self(sink);
    struct letters_cut *cut = (struct letters_cut *)base;
    struct log *log = topic_log(d->topic, 0);
    struct err err = {0};

    d->table->ops->after_commit(d->table, cut->table, outcome);
    if (outcome == STREAM_COMMITTED)
        topic_committed(d->topic, 0, cut->end);
    else if (outcome == STREAM_REFUSED && cut->appended && log &&
             log_truncate(log, log_offsets(log).high_watermark, &err))
        diag_warn("job", "topic %s: %s", topic_name(d->topic), err.text);
    cut_free(cut);
}

static void sink_free(struct stream_sink *sink)
{
    struct dead_letters *d = self(sink);

    if (!d)
        return;
    if (d->table)
        d->table->ops->free(d->table);
    topic_unref(d->topic);
    free(d->name);
    free(d);
}

static const struct stream_sink_ops ops = {
    .drain = drain,
    .stage = stage,
    .commit_in = commit_in,
    .behind = behind,
    .after_commit = after_commit,
    /* recover: the broker cuts an owned log to its committed end when it opens it. */
    .free = sink_free,
};

int dead_letters_new(struct stream_sink **out, const struct dead_letters_options *options,
                     struct err *err)
{
    struct dead_letters *d = calloc(1, sizeof(*d));

    if (!d || !(d->name = strdup(options->job))) {
        free(d);
        return err_set(err, ERR_NOMEM, "dead letters of %s", options->job);
    }
    d->sink.ops = &ops;
    d->options = *options;
    d->options.job = d->name;
    for (char *c = d->name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            *c = '_';
    *out = &d->sink;
    return 0;
}
