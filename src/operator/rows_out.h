/* rows_out.h - what operators over whole rows share: rows kept as bytes, put out by the chunk;
 * bytes that order rows; rows in order.
 */
#ifndef OPERATOR_ROWS_OUT_H
#define OPERATOR_ROWS_OUT_H

#include "operator/operator_int.h"

/* ---- rows as bytes (rows_out.c) ---- */

/* All columns of `columns` but that of kinds, and how many these are. */
int rows_codec(struct vec_codec **out, const struct vec_columns *columns, size_t *count,
               struct err *err);
/* Adds them to `to`, named c0, c1 ... by their place there (flow.h). */
int rows_columns(struct vec_columns *to, const struct vec_columns *from, struct err *err);
int rows_add_column(struct vec_columns *to, duckdb_logical_type type /* take */, struct err *err);
int rows_add_kind(struct vec_columns *to, struct err *err);
bool rows_same_type(duckdb_logical_type a, duckdb_logical_type b); /* not below lists and structs */

/* Rows that wait for a chunk to be full. The bytes given are borrowed until rows_out_flush: they
 * are decoded column by column then. Columns: the left row's, the right row's, a number, the kind;
 * what is not there has no place. */
struct rows_out {
    struct op *op;
    const struct vec_codec *left, *right; /* right: NULL, none */
    idx_t right_at, number_at;            /* columns */
    int kind_at;                          /* -1: none */
    bool numbered;
    struct slice *lefts, *rights; /* a chunk's rows; ptr NULL: all NULL. NULL: none came yet */
    int64_t *numbers;
    uint8_t *kinds;
    idx_t count;
};
/* The columns of `op` are known by now. */
void rows_out_init(struct rows_out *out, struct op *op, const struct vec_codec *left,
                   size_t left_count, const struct vec_codec *right, bool numbered);
void rows_out_rest(struct rows_out *out); /* gives all memory back; rows may come again */
int rows_out_put(struct rows_out *out, struct slice left, struct slice right, enum op_kind kind,
                 int64_t number, struct err *err);
int rows_out_flush(struct rows_out *out, struct err *err);

/* +1 or -1 for each row of a chunk, by its kind. */
void rows_signs(duckdb_data_chunk chunk, int kind_column, int8_t *out);
static inline enum op_kind rows_kind(duckdb_data_chunk chunk, int kind_column, idx_t row)
{
    const uint8_t *kinds;

    if (kind_column < 0)
        return OP_INSERT;
    kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)kind_column));
    return (enum op_kind)kinds[row];
}
/* A table of the operator's state whose entries live for ttl_ms. */
int rows_table(struct op *op, const char *name, bool grouped, int64_t ttl_ms,
               struct state_table **out, struct err *err);
/* Rowtime in ms of row i, from a vector of microseconds. */
static inline int64_t rows_ms(int64_t micros)
{
    return micros / 1000 - (micros % 1000 < 0);
}

/* A number by its name under a key of its own: what an operator has come to. */
int rows_save_i64(struct state_table *table, const char *name, int64_t value, struct err *err);
int64_t rows_saved_i64(struct state_table *table, const char *name, int64_t otherwise);

/* ---- bytes that order rows (order_key.c) ---- */

/* memcmp of two keys is the order of their rows by `order`: values of fixed width big end first,
 * text with a mark at its end, all bits turned where it is descending. A shorter key is never the
 * beginning of another one. */
struct order_keys;
int order_keys_new(struct order_keys **out, const struct vec_columns *columns,
                   const struct op_order *order, size_t count, struct err *err);
void order_keys_free(struct order_keys *keys);
int order_keys_make(const struct order_keys *keys, duckdb_data_chunk chunk, struct vec_rows *out,
                    struct err *err);
static inline void order_put_i64(uint8_t out[8], int64_t value)
{
    uint64_t bits = __builtin_bswap64((uint64_t)value ^ (1ULL << 63));

    memcpy(out, &bits, 8);
}
static inline int64_t order_get_i64(const uint8_t in[8])
{
    uint64_t bits;

    memcpy(&bits, in, 8);
    return (int64_t)(__builtin_bswap64(bits) ^ (1ULL << 63));
}

/* ---- things in order (sorted.c) ---- */

/* Leaves of up to 128 items, and a list of the leaves: to add or remove one is two searches and a
 * short move, to walk from the start is an array. Keys are borrowed for as long as their item is
 * there, and no two are the same. */
struct sorted_item {
    uint64_t prefix; /* the first 8 bytes of the key, as a number that orders */
    const uint8_t *key;
    uint32_t len;
    void *what;
};
struct sorted_leaf {
    uint32_t count, cap;
    struct sorted_item items[];
};
struct sorted {
    struct sorted_leaf **leaves; /* none is empty */
    size_t leaf_count, leaf_cap, count;
};
void sorted_deinit(struct sorted *sorted);
int sorted_add(struct sorted *sorted, struct slice key, void *what); /* ERR_NOMEM */
void *sorted_remove(struct sorted *sorted, struct slice key);        /* NULL: not there */
const struct sorted_item *sorted_first(const struct sorted *sorted); /* NULL: none */
/* The last one at or before the key. */
const struct sorted_item *sorted_until(const struct sorted *sorted, struct slice key);
void sorted_drop_first(struct sorted *sorted);

/* Walks forward; nothing is added or removed meanwhile. */
struct sorted_walk {
    const struct sorted *sorted;
    size_t leaf, at;
};
static inline const struct sorted_item *sorted_next(struct sorted_walk *walk)
{
    const struct sorted_leaf *leaf;

    if (walk->leaf >= walk->sorted->leaf_count)
        return NULL;
    leaf = walk->sorted->leaves[walk->leaf];
    if (walk->at + 1 < leaf->count)
        return &leaf->items[walk->at++];
    walk->leaf++;
    const struct sorted_item *item = &leaf->items[walk->at];

    walk->at = 0;
    return item;
}

/* ---- rows that wait for the watermark (waiting.c) ---- */

/* Kept in state and, in the order of time, then of `order`, then of arrival, in memory. */
struct waiting_row {
    int64_t ms, number; /* number: of arrival, and its name in state */
    uint32_t order_len, key_len, row_len;
    enum op_kind kind;
    uint8_t bytes[]; /* time, order, number; then key, row */
};
struct waiting {
    struct state_table *table;
    struct sorted sorted;
    struct waiting_row **taken; /* since the last release */
    size_t taken_count, taken_cap;
    int64_t next; /* number */
};
void waiting_deinit(struct waiting *waiting);
int waiting_open(struct waiting *waiting, struct op *op, const char *name, struct err *err);
int waiting_load(struct waiting *waiting, struct err *err);
int waiting_add(struct waiting *waiting, int64_t ms, struct slice order, struct slice key,
                struct slice row, enum op_kind kind, struct err *err);
/* The first one, if its time is at or before until_ms: it no longer waits, and stays where it is
 * until the release. *out NULL: none. */
int waiting_take(struct waiting *waiting, int64_t until_ms, const struct waiting_row **out,
                 struct err *err);
int waiting_release(struct waiting *waiting, struct err *err);
/* For who reads the state: each row with its time. `headed`: before the row there is something else
 * of the operator's, and its length in front of that. */
int waiting_read(const struct waiting *waiting, const struct vec_codec *codec, bool headed,
                 struct op_reader *to, struct err *err);
void waiting_renumber(struct waiting_row *row, int64_t number); /* the caller names it */
static inline struct slice waiting_key(const struct waiting_row *row)
{
    return slice_of(row->bytes + 16 + row->order_len, row->key_len);
}
static inline struct slice waiting_bytes(const struct waiting_row *row)
{
    return slice_of(row->bytes + 16 + row->order_len + row->key_len, row->row_len);
}

#endif
