/* vec_int.h - what the files of this room share: instances, connections, feed slots. */
#ifndef VEC_VEC_INT_H
#define VEC_VEC_INT_H

#include <pthread.h>

#include "vec/vec.h"

/* What the table function tarn_feed(N) reads. A slot belongs to one fragment or copy for its whole
 * life; N is its number, so that SQL never carries a pointer. Either `batch` or `feed.pull` is set
 * while the statement runs. */
struct vec_slot {
    uint64_t number;
    struct vec_columns columns;   /* owned */
    const struct vec_batch *batch; /* a fragment's input: every scan starts at its first chunk */
    struct vec_feed feed;          /* a copy's input: one scan only */
    struct err err;                /* what pull failed with: better than DuckDB's text of it */
    struct vec_slot *next;
};

struct vec_db {
    duckdb_database database;
    pthread_mutex_t lock; /* guards all below */
    struct vec_slot *slots;
    struct vec_bits *bits;
    uint64_t last_number; /* of a slot or a set of bits */
};

struct vec_conn {
    struct vec_db *db; /* borrowed */
    duckdb_connection raw;
};

int vec_feed_register(struct vec_conn *conn, struct err *err);
int vec_bits_register(struct vec_conn *conn, struct err *err);
int vec_slot_new(struct vec_slot **out, struct vec_db *db, const struct vec_columns *columns,
                 struct err *err);
void vec_slot_free(struct vec_db *db, struct vec_slot *slot);

/* Appends `sql` with the table `feed` in front, as a common table expression. A temporary view
 * would be looked up again, and found replaced, whenever DuckDB rebinds the statement. */
int vec_feed_sql(const struct vec_slot *slot, const char *sql, struct buf *out, struct err *err);

/* Turns a failed result or statement into our error. `slot` may be NULL: else what its pull said
 * wins. */
int vec_fail(struct err *err, duckdb_error_type type, const char *text, struct vec_slot *slot);
int vec_fail_result(struct err *err, duckdb_result *result, struct vec_slot *slot);

int vec_result_columns_read(duckdb_result *result, struct vec_columns *out);

#endif
