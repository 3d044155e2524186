/* committed.c - how far a job has come, for sinks that finish outside of the metadata store. */
#include "stream/job.h"

struct question {
    const char *id;
    int64_t epoch;
};

static int ask(struct meta_txn *txn, void *arg, struct err *err)
{
    struct question *q = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err, "SELECT epoch FROM jobs WHERE id = ?1", "s", q->id);

    if (rc)
        return rc;
    q->epoch = -1;
    if (meta_next(stmt, err, &rc))
        q->epoch = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

int stream_committed_epoch(struct meta *meta, const char *job_id, int64_t *epoch, struct err *err)
{
    struct question q = {job_id, -1};
    int rc = meta_read(meta, ask, &q, err);

    *epoch = q.epoch;
    return rc;
}
