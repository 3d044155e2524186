/* aggregate.h - what aggregates with and without windows share: groups of slots found by key. */
#ifndef OPERATOR_AGGREGATE_H
#define OPERATOR_AGGREGATE_H

#include "operator/operator_int.h"

/* Under each key: the header, then a slot per call. */
struct agg_group {
    int64_t rows;     /* +I and +U less -U and -D */
    uint64_t touched; /* where it is in the batch's list; means nothing behind the batch */
    struct slot slots[];
};

struct agg {
    struct op op;
    struct op_call *calls;
    struct accumulator *accs;
    size_t key_count, call_count;
    int kind_column;              /* of the input; -1 */
    struct vec_codec *key_codec;  /* of the input's rows */
    struct vec_codec *out_codec;  /* of the keys in the output */
    struct state_table *groups;   /* (space, key) -> agg_group */
    struct state_table *distinct; /* (space, key, call and value) -> how often; NULL: none */
    struct vec_codec **values;    /* per call: of its argument; NULL unless distinct */
    struct vec_rows keys;
    struct vec_rows *seen;        /* per distinct call: its values of the chunk */
    /* Of one chunk. */
    uint8_t **at;     /* group of each row; NULL: the row is not counted */
    int64_t *spaces;  /* space of each row */
    int8_t *signs;    /* of a call */
    int8_t *changes;  /* +1, -1 of each row */
    uint8_t *widened; /* values of a call, 16 bytes each */
};

uint32_t agg_group_size(const struct agg *agg);
/* What both kinds need, with the output's columns: keys, calls. On an error `agg_deinit` frees what
 * was made. */
int agg_init(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
             struct err *err);
int agg_open(struct agg *agg, struct err *err); /* its tables, once it is in the graph */
void agg_deinit(struct agg *agg);

/* Keys and directions of a chunk's rows. */
int agg_read_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err);
/* Adds the chunk's rows to the groups in agg->at. */
int agg_add_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err);
/* Key and results into a row of the output. */
int agg_put_row(struct agg *agg, duckdb_data_chunk out, idx_t row, struct slice key,
                const struct agg_group *group, struct err *err);

int window_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
               struct err *err);

#endif
