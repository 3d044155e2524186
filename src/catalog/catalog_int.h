/* catalog_int.h - what the files of this room share. */
#ifndef CATALOG_CATALOG_INT_H
#define CATALOG_CATALOG_INT_H

#include <pthread.h>
#include <semaphore.h>

#include "catalog/catalog.h"

#define LEVEL_SEPARATOR '\x1f'
#define LEVELS_MAX      16
#define NAME_MAX_BYTES  255
#define LOG_ROWS_MAX    20000 /* of the commit log: more than a day of a 5 s job, some 10 MB */

struct text_cache;
struct table_queue;

#define QUEUE_SLOTS 64

struct queue_slot {
    pthread_mutex_t mutex;
    struct table_queue *queues; /* one per table with work */
};

struct bucket_maker {
    bool ready, runs, unwatched; /* unwatched: the start did not wait for the end */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done, stopping; /* under the mutex, as the next */
    int rc;
    struct err err;
};

#define PENDING_DROPS 1024

struct catalog {
    struct lake_catalog seam; /* first: catalog_lake() hands out its address */
    struct meta *meta;
    struct lake *lake;
    struct clock *clock;
    char *name, *warehouse;
    struct text_cache *texts;
    struct queue_slot slots[QUEUE_SLOTS]; /* queue.c; which slot is a hash of the table's name */

    /* purge.c */
    bool no_thread, purger_runs, purge_wanted, stopping;
    pthread_t purger;
    pthread_mutex_t purge_mutex;
    pthread_cond_t purge_wake;

    /* pending.c */
    bool flusher_runs, flush_stopping;
    pthread_t flusher;
    pthread_mutex_t flush_turn; /* held by who syncs */
    pthread_mutex_t flush_mutex;
    pthread_cond_t flush_wake;
    int64_t pending_files, pending_bytes; /* rows whose files are not synced yet */
    char *dropped[PENDING_DROPS];         /* owned: files to be removed in the next round */
    size_t drop_count;

    struct bucket_maker bucket; /* bucket.c */
};

/* ---- names.c ---- */

struct shown {
    char text[(LEVELS_MAX + 1) * (NAME_MAX_BYTES + 1) +
              1]; /* cut when longer: never, once checked */
};
struct shown show_ns(const char *ns); /* levels joined by dots, as people write them */
struct shown show_table(const struct lake_ident *ident);
int check_ns(const char *ns, struct err *err);
int check_ident(const struct lake_ident *ident, struct err *err);
int no_namespace(struct err *err, const char *ns);
int no_table(struct err *err, const struct lake_ident *ident);
int have_table(struct err *err, const struct lake_ident *ident);
int cannot_rename(struct err *err, const struct lake_ident *from, const struct lake_ident *to,
                  const char *kind);
int no_view(struct err *err, const struct lake_ident *ident);
int have_view(struct err *err, const struct lake_ident *ident);
/* <base>/<level>/.../<table> in the arena; *odd: a name had bytes that do not belong in a path. */
const char *path_below(struct arena *arena, const char *base, const char *ns, const char *table,
                       bool *odd);

/* ---- log.c: inside a metadata transaction ---- */

struct row {                     /* of catalog_table */
    const char *uuid, *location; /* in the arena */
};
int row_find(struct meta_txn *txn, const struct lake_ident *ident, struct arena *arena,
             struct row *out, struct err *err); /* ERR_NOENT: no_table */
int ns_require(struct meta_txn *txn, const char *ns, struct err *err);
/* ERR_EXISTS when a table or a view has the name, in the words that clients look for. */
enum name_of { NAME_OF_TABLE = 1, NAME_OF_VIEW = 2 };
int name_vacant(struct meta_txn *txn, const struct lake_ident *ident, int of, struct err *err);
/* One entry of the commit log. `changes` is taken. */
int catalog_log_append(struct catalog *catalog, struct meta_txn *txn, const char *who,
                       json_t *changes, struct err *err);
json_t *log_change(const char *op, const struct lake_ident *ident, const char *uuid,
                   const char *from, const char *to);
/* A file that is written and not synced: its bytes as pending_add wants them. */
struct ride {
    const char *location;
    struct slice packed;
};
#define PLACE_PROPERTIES 3
struct places {
    const char *list[PLACE_PROPERTIES];
    size_t count;
};
/* A swap with what must become true beside it. Everything borrowed. */
struct swap {
    struct lake_swap lake;
    const char *place;    /* the table's location, when it is new or moves; NULL: as it was */
    struct places others; /* that its properties name since this change */
    const struct ride *rides;
    size_t ride_count;
};
/* What else belongs to the transaction. */
struct swap_also {
    const struct catalog_once *once; /* or NULL */
    meta_fn *fn;                     /* or NULL */
    void *arg;
};
int swap_in(struct catalog *catalog, struct meta_txn *txn, const char *who,
            const struct swap *swaps, size_t count, struct err *err);
/* The same in a transaction of its own, together with what `also` names. A key that is there
 * already: ERR_AGAIN, and *again_at (may be NULL) tells which. Worker. */
int swap_write(struct catalog *catalog, const char *who, const struct swap *swaps, size_t count,
               const struct swap_also *also, size_t also_count, size_t *again_at, struct err *err);

/* ---- place.c: where tables are ---- */

/* "s3://bucket/path" without a slash at its end, s3a and s3n read as s3. In the arena. */
const char *place_of(struct arena *arena, const char *location);
/* Inside a transaction: the table's place becomes this one. ERR_DENIED: another table is there, or
 * above it, or below it. */
int place_claim(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                struct err *err);
/* ERR_DENIED: another table is there, or above it; ERR_INVALID: no place for files. */
int place_check(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                struct err *err);
/* Properties that name further places for a table's files, and what they name where they differ
 * from those of `base` (NULL: there is none). */
extern const char *const place_properties[PLACE_PROPERTIES];
int place_others(struct arena *arena, const struct lake_metadata *base,
                 const struct lake_metadata *next, struct places *out, struct err *err);
/* Looks up the places of tables that were made before places were kept. */
int place_fill(struct catalog *catalog, struct err *err);

/* ---- pending.c: metadata files on their way to the disk ---- */

int pending_start(struct catalog *catalog, struct err *err); /* puts again what a crash took */
void pending_stop(struct catalog *catalog);
/* Writes the file: lazily with its bytes in `packed` (to be handed to pending_add in the
 * transaction: a ride), or durable with `packed` left empty. */
int pending_put(struct catalog *catalog, const char *location, struct slice bytes,
                struct buf *packed, struct err *err);
int pending_add(struct catalog *catalog, struct meta_txn *txn, const char *location,
                struct slice packed, struct err *err);
void pending_added(struct catalog *catalog, size_t files, size_t bytes); /* it is true */
/* Removes old metadata files: behind the commit where there is a thread for it and room. A crash
 * leaves them to the sweep of orphans. */
void pending_drop(struct catalog *catalog, const char *const *locations, size_t count);
/* Syncs what waits and forgets the bytes. Worker. */
int pending_flush(struct catalog *catalog, struct err *err);

/* ---- once.c ---- */

/* What catalog_once_set told this thread; or NULL. */
const struct catalog_once *once_current(void);
/* Inside the transaction of the change. ERR_AGAIN: the key is there. body NULL: none. */
int once_add(struct catalog *catalog, struct meta_txn *txn, const struct catalog_once *once,
             const json_t *body, struct err *err);
/* All changes but commits go through here: the write together with the key that the calling
 * thread's request carries, if any. `body` (may be NULL): of the answer, read once fn succeeded. */
int write_once(struct catalog *catalog, meta_fn *fn, void *arg, json_t *const *body,
               struct err *err);

/* ---- queue.c ---- */

struct ticket {
    const struct catalog_change *change; /* a change as JSON, */
    const struct lake_part *part;        /* or one that stages itself; both NULL: wants the table to
                                            itself */
    const char *who;
    const struct catalog_once *once; /* or NULL */
    struct arena *arena;             /* of the caller, who waits: the leader may use it. NULL: it
                                        does not ask how the table stands */
    struct catalog_table out;
    int rc;
    struct err err;
    enum { TURN_ANY, TURN_ALONE, TURN_HAD } turn; /* in this round: staged with others already? */
    bool leads;
    sem_t wake;
    struct ticket *next;
};
/* Queues up for the table. True: it is the caller's until queue_leave, and its own ticket is the
 * first thing to do. False: somebody else did it, the ticket holds the result. ERR_NOMEM in *rc. */
bool queue_enter(struct catalog *catalog, const struct lake_ident *ident, struct ticket *ticket,
                 int *rc);
/* The changes that wait, at most `max`, as a list; answer each. */
struct ticket *queue_take(struct catalog *catalog, const struct lake_ident *ident, size_t max);
void queue_answer(struct ticket *ticket);
void queue_leave(struct catalog *catalog, const struct lake_ident *ident);
size_t queue_length(struct catalog *catalog, const struct lake_ident *ident); /* who waits */
void queue_init(struct catalog *catalog);
void queue_deinit(struct catalog *catalog);

/* ---- commit.c ---- */

/* lake/commit.h's. */
int commit_parts(struct catalog *catalog, const struct lake_part *parts, size_t count,
                 struct err *err);

/* ---- text.c ---- */

int text_cache_new(struct text_cache **out, int64_t bytes_max);
void text_cache_free(struct text_cache *cache);
bool text_cache_get(struct text_cache *cache, const char *owner, const char *key, struct buf *out,
                    int *rc);
void text_cache_put(struct text_cache *cache, const char *owner, const char *key,
                    struct slice text);

/* The text of a new version, before anybody asks for it. */
struct lake_draft;
void text_keep(struct catalog *catalog, const struct lake_draft *draft);

/* ---- table.c ---- */

/* The namespace is there, and the name is free. */
int table_vacant(struct catalog *catalog, const struct lake_ident *ident, struct err *err);
/* A place for a new table's files. In the arena; NULL: err tells. */
const char *table_default_location(struct catalog *catalog, const struct lake_ident *ident,
                                   struct arena *arena, struct err *err);

/* ---- bucket.c ---- */

int bucket_start(struct catalog *catalog, struct err *err);
void bucket_stop(struct catalog *catalog);

/* ---- purge.c ---- */

int purge_start(struct catalog *catalog, struct err *err);
void purge_stop(struct catalog *catalog);
void purge_wake(struct catalog *catalog);

#endif
