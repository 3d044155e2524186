/* txns.c - transactions of jobs: output of this process that readers of committed records see when
 * the job's commit is true.
 *
 * A job's interval is one transaction: its records are appended with a producer id of ours and the
 * transactional flag, at once, for readers who do not wait. The metadata transaction that makes
 * the interval true also notes "this id, this epoch: committed" (kafka_txn), and that row alone
 * decides; the markers follow. A crash in between leaves open transactions in the logs: the next
 * start ends each as its row says, and as aborted where there is none, before anybody reads.
 * Ids are used again, each time with the next epoch, so that partitions remember few producers.
 */
#include "kafka/kafka_int.h"

struct txn_part {
    struct topic *topic; /* held */
    int32_t partition;
    int32_t sequence; /* of the next batch */
};

struct broker_txn {
    struct broker *broker;
    int64_t id;
    int16_t epoch;
    struct txn_part *parts;
    size_t count;
    struct buf bytes;
};

/* ---- one transaction ------------------------------------------------------------------------ */

int broker_txn_new(struct broker_txn **out, struct broker *broker, struct err *err)
{
    struct broker_txn *txn = calloc(1, sizeof(*txn));
    int rc = txn ? 0 : err_set(err, ERR_NOMEM, "transaction");

    if (rc)
        return rc;
    txn->broker = broker;
    txn->bytes.max = SIZE_MAX;
    pthread_mutex_lock(&broker->producer_lock);
    if (broker->idle_count) {
        txn->id = broker->idle[--broker->idle_count].id;
        txn->epoch = broker->idle[broker->idle_count].epoch;
    } else {
        txn->id = -1;
    }
    pthread_mutex_unlock(&broker->producer_lock);
    if (txn->id < 0)
        rc = producer_id_next(broker, &txn->id);
    if (rc) {
        free(txn);
        return err_set(err, rc, "a producer id");
    }
    *out = txn;
    return 0;
}

static struct txn_part *part_of(struct broker_txn *txn, struct topic *topic, int32_t partition)
{
    struct txn_part *more;

    for (size_t i = 0; i < txn->count; i++)
        if (txn->parts[i].topic == topic && txn->parts[i].partition == partition)
            return &txn->parts[i];
    more = realloc(txn->parts, (txn->count + 1) * sizeof(*more));
    if (!more)
        return NULL;
    txn->parts = more;
    more[txn->count] = (struct txn_part){.topic = topic_ref(topic), .partition = partition};
    return &more[txn->count++];
}

int broker_txn_append(struct broker_txn *txn, struct topic *topic, int32_t partition,
                      struct batch_builder *builder, enum codec codec, struct err *err)
{
    struct txn_part *part = part_of(txn, topic, partition);
    struct log_append_result at;
    int rc;

    if (!part)
        return err_set(err, ERR_NOMEM, "transaction");
    builder->producer_id = txn->id;
    builder->producer_epoch = txn->epoch;
    builder->base_sequence = part->sequence;
    builder->attributes = BATCH_TRANSACTIONAL;
    buf_clear(&txn->bytes);
    rc = batch_builder_finish(builder, codec, &txn->bytes, err);
    if (!rc)
        rc = topic_append(topic, partition, txn->bytes.ptr, txn->bytes.len, &at, err);
    if (rc)
        return rc;
    part->sequence = builder->base_sequence;
    topic_flush_soon(topic, partition);
    return 0;
}

int broker_txn_flush(struct broker_txn *txn, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < txn->count && !rc; i++) {
        struct txn_part *part = &txn->parts[i];

        rc = log_flush(topic_log(part->topic, part->partition), err);
        if (rc)
            err_wrap(err, rc, "%s-%d", topic_name(part->topic), part->partition);
    }
    return rc;
}

int broker_txn_commit_in(struct broker_txn *txn, struct meta_txn *in, struct err *err)
{
    return meta_exec(in, err,
                     "INSERT INTO kafka_txn (producer_id, producer_epoch) VALUES (?, ?)"
                     " ON CONFLICT (producer_id) DO UPDATE SET producer_epoch ="
                     " excluded.producer_epoch",
                     "ii", txn->id, (int64_t)txn->epoch);
}

static void txn_free(struct broker_txn *txn)
{
    for (size_t i = 0; i < txn->count; i++)
        topic_unref(txn->parts[i].topic);
    free(txn->parts);
    buf_deinit(&txn->bytes);
    free(txn);
}

/* For the next transaction, with the next epoch. */
static void give_back(struct broker *broker, int64_t id, int16_t epoch)
{
    if (epoch >= INT16_MAX - 1)
        return;
    pthread_mutex_lock(&broker->producer_lock);
    if (broker->idle_count < COUNT_OF(broker->idle))
        broker->idle[broker->idle_count++] = (struct idle_producer){id, (int16_t)(epoch + 1)};
    pthread_mutex_unlock(&broker->producer_lock);
}

void broker_txn_end(struct broker_txn *txn, bool commit)
{
    bool ended = true;

    if (!txn)
        return;
    for (size_t i = 0; i < txn->count; i++) {
        struct txn_part *part = &txn->parts[i];
        struct log *log = topic_log(part->topic, part->partition);
        struct log_append_result at;
        struct err err = {0};

        /* ERR_NOENT: the one append of this partition failed. */
        if (log_end_txn(log, txn->id, txn->epoch, commit, &at, &err) && err.code != ERR_NOENT) {
            diag_error("kafka", "%s-%d: the marker of a transaction waits for the next start: %s",
                       topic_name(part->topic), part->partition, err.text);
            ended = false;
        } else {
            topic_flush_soon(part->topic, part->partition);
        }
    }
    if (ended)
        give_back(txn->broker, txn->id, txn->epoch);
    txn_free(txn);
}

void broker_txn_leave(struct broker_txn *txn)
{
    if (txn)
        txn_free(txn);
}

/* ---- at the start ---------------------------------------------------------------------------- */

struct decided {
    int64_t id;
    int16_t epoch;
};

struct resolving {
    struct arena arena;
    struct decided *rows;
    size_t count;
};

static int read_decided(struct meta_txn *txn, void *arg, struct err *err)
{
    struct resolving *r = arg;
    struct meta_stmt *stmt;
    size_t cap = 0;
    int rc = meta_query(txn, &stmt, err, "SELECT producer_id, producer_epoch FROM kafka_txn", "");

    r->count = 0;
    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc)) {
        if (r->count == cap) {
            struct decided *more = ARENA_ARRAY(&r->arena, struct decided, cap = cap ? cap * 2 : 64);

            if (!more) {
                rc = err_set(err, ERR_NOMEM, "transactions");
                break;
            }
            if (r->count)
                memcpy(more, r->rows, r->count * sizeof(*more));
            r->rows = more;
        }
        r->rows[r->count++] = (struct decided){meta_i64(stmt, 0), (int16_t)meta_i64(stmt, 1)};
    }
    meta_done(stmt);
    return rc;
}

static int forget_decided(struct meta_txn *txn, void *arg, struct err *err)
{
    (void)arg;
    return meta_exec(txn, err, "DELETE FROM kafka_txn", "");
}

static bool was_committed(const struct resolving *r, const struct log_txn *open)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].id == open->producer_id && r->rows[i].epoch == open->epoch)
            return true;
    return false;
}

static int resolve_log(struct resolving *r, struct log *log, struct err *err)
{
    struct log_append_result at;
    struct log_txn *open;
    size_t count;
    int rc = log_open_txns(log, &r->arena, &open, &count);

    if (rc)
        return err_set(err, rc, "transactions");
    for (size_t i = 0; i < count && !rc; i++)
        rc = log_end_txn(log, open[i].producer_id, open[i].epoch, was_committed(r, &open[i]), &at,
                         err);
    return rc || !count ? rc : log_flush(log, err);
}

int txns_resolve(struct broker *broker, struct err *err)
{
    struct resolving r = {0};
    bool whole = true;
    int rc = meta_read(broker->options.meta, read_decided, &r, err);

    for (size_t t = 0; t < broker->topic_count && !rc; t++) {
        struct partition_set *set = atomic_load(&broker->by_name[t]->set);

        for (int32_t p = 0; p < set->count && !rc; p++) {
            if (set->list[p]->log)
                rc = resolve_log(&r, set->list[p]->log, err);
            else
                whole = false; /* its transactions end when it can be opened again */
            if (rc)
                err_wrap(err, rc, "%s-%d", broker->by_name[t]->name, p);
        }
    }
    if (!rc && whole && r.count)
        rc = meta_write_wait(broker->options.meta, forget_decided, NULL, err);
    arena_deinit(&r.arena);
    return rc;
}
