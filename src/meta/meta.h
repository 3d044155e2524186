/* meta.h - the metadata store: what is true about topics, groups, tables, jobs.
 *
 * SQLite on a VFS over our disk, in WAL mode with synchronous=FULL. One writer thread with group
 * commit: it takes every transaction that waits, runs each inside a savepoint, and commits them
 * together with one sync; a transaction that fails is rolled back alone. A transaction is a
 * function, so that rooms can join: the stream's commit moves tables, offsets and state at once.
 * Invariant: when meta_write_wait returned 0 the change survives kill -9 and power loss.
 * Threads: any may read and write; functions given to meta_write run on the writer thread and must
 * neither block on other work nor call meta_write again.
 */
#ifndef META_META_H
#define META_META_H

#include "base/base.h"
#include "base/loop.h"

struct meta;
struct meta_txn;  /* inside a write transaction or a read */
struct meta_stmt; /* a row walk */

/* One step of a room's schema. Steps run in order, once; a data folder made by a newer program,
 * which has steps this one does not know, is refused. */
struct meta_migration {
    const char *room; /* "kafka" */
    int version;      /* from 1, no gaps */
    const char *sql;
};

struct meta_options {
    const char *path; /* of the database file; borrowed for the call */
    struct disk *disk;
    struct clock *clock;
    const struct meta_migration *const *migrations; /* NULL-ended list of arrays, each ended by a
                                                       NULL room */
    bool no_thread; /* simulator: meta_write_wait runs on the caller's thread */
};

int meta_new(struct meta **out, const struct meta_options *options, struct err *err);
void meta_free(struct meta *meta);

typedef int meta_fn(struct meta_txn *txn, void *arg, struct err *err);

/* Runs fn in a write transaction and returns once it is durable. fn may be run again when the
 * group it was in failed for another's fault, so it must not have side effects before success.
 * Returns what fn returned, or ERR_IO, ERR_NOSPC: then nothing of it happened. ERR_UNKNOWN: the
 * disk failed twice, in the commit and in undoing it: only the next start tells. Worker. */
int meta_write_wait(struct meta *meta, meta_fn *fn, void *arg, struct err *err);
/* The same from a loop: `done` runs on `loop` with the result (loop NULL: on the writer thread).
 * ERR_LIMIT: too many wait already. */
int meta_write(struct meta *meta, meta_fn *fn, void *arg, struct loop *loop,
               void (*done)(void *arg, int rc, const struct err *err), void *done_arg);
/* A consistent read at one point in time, beside the writer. Any thread; short. */
int meta_read(struct meta *meta, meta_fn *fn, void *arg, struct err *err);

/* Statements are prepared once per connection and cached by their text. `types` has one letter per
 * parameter: i int64_t, s const char * (NULL allowed), b struct slice, d double, n (no
 * argument). */
int meta_exec(struct meta_txn *txn, struct err *err, const char *sql, const char *types, ...);
int64_t meta_changes(struct meta_txn *txn); /* rows touched by the last meta_exec */
int meta_query(struct meta_txn *txn, struct meta_stmt **out, struct err *err, const char *sql,
               const char *types, ...);
bool meta_next(struct meta_stmt *stmt, struct err *err, int *rc); /* false at the end, rc tells */
int64_t meta_i64(struct meta_stmt *stmt, int column);
const char *meta_text(struct meta_stmt *stmt, int column); /* borrowed until meta_next; or NULL */
struct slice meta_blob(struct meta_stmt *stmt, int column);
double meta_double(struct meta_stmt *stmt, int column);
bool meta_is_null(struct meta_stmt *stmt, int column);
void meta_done(struct meta_stmt *stmt); /* NULL is fine; always call */

/* Monotonic per data folder; every transaction of a job or a log checks it (zombie writers). */
int64_t meta_epoch(struct meta *meta);

/* Walks the whole database: ERR_CORRUPT with what is wrong. Seconds on a large one; on demand. */
int meta_check(struct meta *meta, struct err *err);

#endif
