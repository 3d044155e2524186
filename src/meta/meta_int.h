/* meta_int.h - what the files of this room share. */
#ifndef META_META_INT_H
#define META_META_INT_H

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>

#include "meta/meta.h"

/* ---- vfs.c and lock.c: SQLite's files on our disk ---- */

struct vfs;

int vfs_new(struct vfs **out, struct disk *disk, struct clock *clock, struct err *err);
void vfs_free(struct vfs *vfs); /* after the last connection was closed */
const char *vfs_name(struct vfs *vfs);

/* The write-ahead log between two commits. mark: what is written from now on is not yet promised.
 * cut: throws away what was written since the mark, durably, so that a commit whose sync failed
 * cannot come back after a power loss. Only the writer calls these. */
void vfs_wal_mark(struct vfs *vfs);
bool vfs_wal_touched(struct vfs *vfs);
int vfs_wal_cut(struct vfs *vfs, struct err *err);

/* What the disk said last on this thread; SQLite's own codes are too coarse. code 0: nothing. */
struct err *vfs_disk_error(void);

#define SHM_LOCKS 8 /* SQLITE_SHM_NLOCK */

/* The locks between the connections of this process, and the memory they share: SQLite's file locks
 * and its -shm file without a file. The mutex belongs to the struct. */
struct lock_space {
    pthread_mutex_t mutex;
    int shared;              /* connections at SHARED or above */
    const void *reserved;    /* who holds RESERVED or above; NULL: nobody */
    const void *pending;     /* who waits for, or has, EXCLUSIVE */
    int shm_shared[SHM_LOCKS];
    const void *shm_exclusive[SHM_LOCKS];
    void **regions;          /* of the wal-index; they never move */
    int region_count;
    int users;               /* connections that have mapped the wal-index */
};

struct lock_holder { /* one connection's part; its address is its name */
    int level;       /* SQLITE_LOCK_NONE ... SQLITE_LOCK_EXCLUSIVE */
    unsigned shm_shared, shm_exclusive; /* bit per slot */
    bool mapped;
};

int lock_space_init(struct lock_space *space);
void lock_space_deinit(struct lock_space *space);
int lock_raise(struct lock_space *space, struct lock_holder *holder, int level);
int lock_lower(struct lock_space *space, struct lock_holder *holder, int level);
bool lock_is_reserved(struct lock_space *space);
int shm_map(struct lock_space *space, struct lock_holder *holder, int region, int size, bool extend,
            void volatile **out);
int shm_lock(struct lock_space *space, struct lock_holder *holder, int first, int count, int flags);
void shm_barrier(struct lock_space *space);
void shm_unmap(struct lock_space *space, struct lock_holder *holder);

/* ---- stmt.c: connections and their statements ---- */

struct conn {
    sqlite3 *db;
    struct meta_stmt *stmts; /* the cache, last used first */
    int stmt_count;
    struct conn *next;       /* among idle readers */
};

struct meta_txn {
    struct conn *conn;
    struct meta *meta;
};

int conn_new(struct conn **out, struct vfs *vfs, const char *path, int cache_kib, struct err *err);
void conn_free(struct conn *conn);
int conn_run(struct conn *conn, const char *sql, struct err *err); /* cached, no rows, no values */
void conn_settle(struct conn *conn); /* ends the walks that a transaction left open */
/* From SQLite's code and what the disk said. Returns our code. */
int conn_error(struct conn *conn, int rc, struct err *err, const char *what);

/* ---- meta.c, migrate.c, writer.c ---- */

struct request {
    meta_fn *fn;
    void *arg;
    int rc;
    struct err err;
    sem_t *wake; /* a waiting thread; or: */
    struct loop *loop;
    void (*done)(void *arg, int rc, const struct err *err);
    void *done_arg;
    struct request *next;
};

struct meta {
    struct vfs *vfs;
    struct disk *disk;   /* borrowed */
    struct clock *clock; /* borrowed */
    char *path;
    int64_t epoch;

    /* writer.c */
    struct conn *writer;
    int wal_pages;     /* in the write-ahead log after the last commit */
    int64_t retry_ms;  /* no checkpoint before this time: the last one failed */
    bool broken;       /* a failed commit could not be cut off yet */
    bool no_thread, running, stopping;
    pthread_t thread;
    pthread_mutex_t mutex; /* the queue; with no_thread: the whole writer */
    pthread_cond_t wake;
    struct request *head, **tail;
    int queued;

    /* meta.c: idle readers */
    pthread_mutex_t readers_mutex;
    pthread_cond_t readers_wake;
    struct conn *readers;
    int reader_count; /* idle or not */
};

int migrate(struct meta *meta, const struct meta_migration *const *lists, struct err *err);
int writer_start(struct meta *meta, struct err *err);
void writer_stop(struct meta *meta); /* runs what is queued first */

#endif
