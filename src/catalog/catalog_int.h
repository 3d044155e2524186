/* catalog_int.h - what the files of this room share. */
#ifndef CATALOG_CATALOG_INT_H
#define CATALOG_CATALOG_INT_H

#include <pthread.h>

#include "catalog/catalog.h"

#define LEVEL_SEPARATOR '\x1f'
#define LEVELS_MAX      16
#define NAME_MAX_BYTES  255
#define TABLE_LOCKS     64
#define LOG_ROWS_MAX    20000 /* of the commit log: more than a day of a 5 s job, some 10 MB */

struct text_cache;

struct catalog {
    struct lake_catalog seam; /* first: catalog_lake() hands out its address */
    struct meta *meta;
    struct lake *lake;
    struct clock *clock;
    char *name, *warehouse;
    struct text_cache *texts;
    /* Foreign commits to one table queue up here instead of failing each other; which table a lock
     * is for is a hash of its name. Only an economy: the swap decides. */
    pthread_mutex_t table_locks[TABLE_LOCKS];

    /* purge.c */
    bool no_thread, purger_runs, purge_wanted, stopping;
    pthread_t purger;
    pthread_mutex_t purge_mutex;
    pthread_cond_t purge_wake;
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
/* <base>/<level>/.../<table> in the arena; *odd: a name had bytes that do not belong in a path. */
const char *path_below(struct arena *arena, const char *base, const char *ns, const char *table,
                       bool *odd);

/* ---- log.c: inside a metadata transaction ---- */

struct row { /* of catalog_table */
    const char *uuid, *location; /* in the arena */
};
int row_find(struct meta_txn *txn, const struct lake_ident *ident, struct arena *arena,
             struct row *out, struct err *err); /* ERR_NOENT: no_table */
int ns_require(struct meta_txn *txn, const char *ns, struct err *err);
/* One entry of the commit log. `changes` is taken. */
int catalog_log_append(struct catalog *catalog, struct meta_txn *txn, const char *who,
                       json_t *changes, struct err *err);
json_t *log_change(const char *op, const struct lake_ident *ident, const char *uuid,
                   const char *from, const char *to);
int swap_tables(struct catalog *catalog, struct meta_txn *txn, const char *who,
                const struct lake_swap *swaps, size_t count, struct err *err);
int swap_tables_wait(struct catalog *catalog, const char *who, const struct lake_swap *swaps,
                     size_t count, struct err *err);

/* ---- text.c ---- */

int text_cache_new(struct text_cache **out, int64_t bytes_max);
void text_cache_free(struct text_cache *cache);
bool text_cache_get(struct text_cache *cache, const char *key, struct buf *out, int *rc);
void text_cache_put(struct text_cache *cache, const char *key, struct slice text);

/* ---- table.c ---- */

/* A place for a new table's files. In the arena; NULL: err tells. */
const char *table_default_location(struct catalog *catalog, const struct lake_ident *ident,
                                   struct arena *arena, struct err *err);

/* ---- purge.c ---- */

int purge_start(struct catalog *catalog, struct err *err);
void purge_stop(struct catalog *catalog);
void purge_wake(struct catalog *catalog);

#endif
