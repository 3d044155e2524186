/* shards_int.h - what shards are made of: rows split by their keys, changes summed up. */
#ifndef OPERATOR_SHARDS_INT_H
#define OPERATOR_SHARDS_INT_H

#include "operator/rows_out.h"
#include "operator/shards.h"

/* ---- rows by shard (split.c) ---- */

/* Where the rows of a chunk go: `rows` has their numbers, those of shard s from starts[s] to
 * starts[s + 1]. */
struct split_piece {
    struct vec_rows keys;
    uint16_t *shards; /* of each row */
    duckdb_selection_vector rows;
    idx_t *starts;
};
struct split {
    const struct vec_columns *columns;
    struct vec_codec *codec;
    size_t shards;
    const struct vec_batch *batch;
    struct split_piece *pieces; /* one a chunk */
    size_t cap;
};
int split_init(struct split *split, const struct vec_columns *columns,
               const struct op_shard_keys *keys, size_t shards, struct err *err);
void split_deinit(struct split *split);
void split_rest(struct split *split); /* between batches: gives back what the next makes again */
/* A batch, borrowed until the next: first each chunk by itself, then each shard's rows. Chunks and
 * shards are independent of each other: on any thread. */
int split_begin(struct split *split, const struct vec_batch *batch, struct err *err);
int split_chunk(struct split *split, size_t chunk, struct err *err);
int split_take(const struct split *split, size_t shard, struct vec_batch *out, struct err *err);
/* Of a row's keys, which `bytes` begin with. ERR_CORRUPT: they do not. */
int split_shard(const struct split *split, struct slice bytes, size_t *shard, struct err *err);
/* The shard of rows with these keys in an operator that is shards. */
int shards_home(const struct op *shards, struct slice bytes, size_t *shard, struct err *err);

/* ---- changes of a batch, summed up per row (settle.c) ---- */

struct settled {
    uint64_t hash;
    uint32_t chunk, row; /* one that is like it */
    int64_t times;
    uint8_t given, taken; /* the kinds that it came with last */
};
struct settle {
    const struct vec_columns *columns;
    struct vec_codec *codec;
    int kind_column;
    struct vec_rows *rows; /* of each chunk */
    size_t row_cap;
    struct settled *list; /* in the order they came */
    size_t count, cap;
    uint32_t *table; /* of list, 1 more each; 0: empty */
    size_t table_cap;
};
int settle_init(struct settle *settle, const struct vec_columns *columns, struct err *err);
void settle_deinit(struct settle *settle);
void settle_rest(struct settle *settle); /* as split_rest */
/* Empties `rows` into what is taken back and what is given. */
int settle_rows(struct settle *settle, struct vec_batch *rows, struct vec_batch *taken,
                struct vec_batch *given, struct err *err);

/* Moves all chunks behind those of `to`. */
int shards_move(struct vec_batch *to, struct vec_batch *from, struct err *err);

#endif
