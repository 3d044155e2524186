/* over.h - what the two files of OVER share: partitions, rows that fire, calls that are no
 * aggregates.
 */
#ifndef OPERATOR_OVER_H
#define OPERATOR_OVER_H

#include "operator/aggregate.h"
#include "operator/rows_out.h"

/* Under each partition's key. */
struct over_part {
    int64_t rows, rank, dense; /* numbers of the last row */
    int64_t last_ms;
    int64_t in_frame;
    uint32_t timer; /* waits: the partition is forgotten when its frame is empty */
    /* Of a batch. */
    uint32_t round;
    int64_t round_ms;
};

/* A row that fires; bytes borrowed until all have. */
struct over_row {
    int64_t ms, number;
    struct slice key, args, row;
    struct over_part *part;
    struct agg_group *group;
    uint32_t round;
};

/* ROW_NUMBER, RANK, DENSE_RANK, LAG: of the rows before it and not of a frame. */
struct over_special {
    struct op_call spec;
    size_t column;               /* of the output */
    struct vec_codec *codec;     /* LAG: of the argument, in a chunk of arguments */
    struct vec_codec *otherwise; /* LAG: of the default; NULL: none */
    struct vec_codec *result;    /* of the column of the special results */
    struct vec_rows seen, seen_otherwise;
};

struct over_specials {
    struct over_special *list;
    size_t count;
    struct vec_columns columns; /* of their results */
    struct vec_batch out;       /* as many rows as the aggregates have put out */
    struct state_table *lags;   /* (call and partition) -> the last values; NULL: not needed */
    struct buf name, values;
};
bool over_is_special(enum op_aggregate what);
int over_specials_add(struct over_specials *s, const struct op_call *call, size_t column,
                      const struct vec_columns *args, struct err *err);
void over_specials_deinit(struct over_specials *s);
/* Values of a chunk of arguments, which the rows that fire are then numbers of. */
int over_specials_read(struct over_specials *s, duckdb_data_chunk args, struct err *err);
/* The results of the next row; `at` is its place in what was read. */
int over_specials_put(struct over_specials *s, const struct over_row *row, idx_t at,
                      struct err *err);
int over_specials_drop(struct over_specials *s, struct slice key, struct err *err);

#endif
