/* rank.h - what the kinds of top-N share: keys, rows and orders of a chunk as bytes. */
#ifndef OPERATOR_RANK_H
#define OPERATOR_RANK_H

#include "operator/rows_out.h"

struct rank {
    struct op op;
    struct op_rank_spec spec; /* its arrays are not kept, but for: */
    size_t *keys_of;
    bool newest;     /* of rows with equal orders the last one is first */
    int kind_column; /* of the input */
    struct vec_codec *key_codec, *codec;
    struct order_keys *order_keys;
    struct rows_out out;
    struct vec_rows keys, rows, orders; /* of the chunk at hand */
};
int rank_init(struct rank *rank, struct op *below, const struct op_rank_spec *spec, bool changes,
              struct err *err);
void rank_deinit(struct rank *rank);
void rank_rest(struct op *rank); /* op_ops.rest of all kinds */
int rank_read(struct rank *rank, duckdb_data_chunk chunk, struct err *err);
/* Adds it to the graph; on an error frees it. */
int rank_add(struct rank *rank, struct op *below, const struct op_ops *ops, int rc,
             struct err *err);

/* The first rows that come (rank.c), the best of rows that stay (rank_top.c), of rows that are
 * taken back (rank_changes.c). */
#define RANK_TOP_MAX 128 /* rows that an entry of rank_top.c may hold, unless it is a window's */
int rank_first_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                   struct err *err);
int rank_top_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                 struct err *err);
int rank_changes_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                     struct err *err);

#endif
