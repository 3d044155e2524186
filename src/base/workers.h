/* workers.h - threads for what may block: fsync, compression, Parquet, queries.
 *
 * Each struct work is embedded in the caller's own struct and stays alive until `done` ran.
 * The queue is bounded; workers_submit gives ERR_LIMIT when it is full.
 * Threads: submit from any; `run` on a worker; `done` on the loop given (or on the worker: NULL).
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include "base/err.h"

struct loop;
struct workers;

struct work {
    void (*run)(struct work *work);  /* on a worker */
    void (*done)(struct work *work); /* may be NULL */
    struct loop *loop;               /* where done runs; NULL: on the worker, right after run */
    struct work *next;               /* the pool's */
};

int workers_new(struct workers **out, const char *name, int threads, int queue_max,
                struct err *err);
void workers_free(struct workers *workers); /* runs what is queued, then joins */
int workers_submit(struct workers *workers, struct work *work);

#endif
