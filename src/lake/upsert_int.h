/* upsert_int.h - what the files of upserts share. */
#ifndef LAKE_UPSERT_INT_H
#define LAKE_UPSERT_INT_H

#include "lake/key_columns.h"
#include "lake/key_index_int.h"
#include "lake/lake_int.h"
#include "lake/upsert.h"

struct lake_upsert {
    struct lake *lake;
    struct vec_db *db;
    struct vec_conn *conn; /* of the job's thread */
    struct key_index *index;
    uint64_t seeds[2];
    char *key_name;
    char *dir;                      /* of the index, claimed while this lives */
    int64_t saved_ns, save_cost_ns; /* mono time */
    int64_t rebuilds, files_read;
};

/* `file` of an entry of `keys` is the place among the epoch's files, from 1, or KEY_TOMB. */
struct lake_upsert_cut {
    struct key_table keys;
    char *key_name;
    int64_t rows;
};

/* upsert_keys.c: calls `each` with the keys of rows first .. first + count of the plan's file. The
 * plan's files have their deletes with them. */
typedef int upsert_keys_fn(void *arg, size_t file, int64_t first_row, const struct key_hash *keys,
                           size_t count, struct err *err);
int upsert_read_keys(struct lake *lake, struct vec_conn *conn, const struct key_columns *columns,
                     const struct lake_plan *plan, upsert_keys_fn *each, void *arg,
                     struct err *err);

/* upsert_follow.c: the index belongs to the table's current snapshot, or an error. `same_files`:
 * one that belongs to it already knows its files. */
int upsert_follow(struct lake_upsert *u, const struct lake_metadata *m, bool same_files,
                  const struct lake_row_map *maps, size_t map_count, struct err *err);

#endif
