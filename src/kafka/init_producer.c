/* init_producer.c - producer ids for idempotent producers (KIP-98).
 *
 * Ids are taken from the metadata store in blocks, so that most producers start without a write;
 * ids of a block that a crash cut short are never given out again. Transactions are refused by
 * name. */
#include "kafka/kafka_int.h"

#define BLOCK 1000

static int take_block(struct meta_txn *txn, void *arg, struct err *err)
{
    int64_t *first = arg;
    struct meta_stmt *rows;
    int rc = meta_exec(txn, err, "UPDATE kafka_cluster SET next_producer_id = next_producer_id + ?",
                       "i", (int64_t)BLOCK);

    if (!rc)
        rc = meta_query(txn, &rows, err, "SELECT next_producer_id FROM kafka_cluster", "");
    if (rc)
        return rc;
    if (meta_next(rows, err, &rc))
        *first = meta_i64(rows, 0) - BLOCK;
    meta_done(rows);
    return rc;
}

int producer_id_next(struct broker *broker, int64_t *out)
{
    int rc = 0;

    pthread_mutex_lock(&broker->producer_lock);
    if (broker->next_producer_id == broker->last_producer_id) {
        int64_t first = 0;

        rc = meta_write_wait(broker->options.meta, take_block, &first, NULL);
        if (!rc) {
            broker->next_producer_id = first;
            broker->last_producer_id = first + BLOCK;
        }
    }
    if (!rc)
        *out = broker->next_producer_id++;
    pthread_mutex_unlock(&broker->producer_lock);
    return rc;
}

void handle_init_producer_id(struct request *req)
{
    const struct init_producer_id_request *in = req->in;
    struct init_producer_id_response *out = req->out;
    int64_t id = -1;

    out->producer_id = -1;
    out->producer_epoch = -1;
    if (in->transactional_id.ptr) {
        out->error_code = TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return;
    }
    /* KIP-360: a producer that lost track asks for its next epoch; a new id does as well. */
    out->error_code = kafka_error(producer_id_next(req->broker, &id));
    if (out->error_code)
        return;
    out->producer_id = id;
    out->producer_epoch = 0;
}
