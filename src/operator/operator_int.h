/* operator_int.h - what the files of this room share: operators, their wiring, accumulators. */
#ifndef OPERATOR_OPERATOR_INT_H
#define OPERATOR_OPERATOR_INT_H

#include "operator/operator.h"
#include "vec/rows.h"

struct op_reader;

/* What an operator is told; all but `rows` and `free` may be NULL. Output goes to op->out. */
struct op_ops {
    const char *name;
    int (*rows)(struct op *op, int input, const struct vec_batch *rows, struct err *err);
    /* The lowest watermark of the inputs that are not idle has risen. It goes up behind what this
     * puts out. */
    int (*mark)(struct op *op, int64_t watermark_ms, struct err *err);
    /* The graph's clock has gone on, to op->graph->now_ms. */
    int (*tick)(struct op *op, struct err *err);
    int (*load)(struct op *op, struct err *err);
    /* Of an operator that is several: all of them, as op_graph_info has them, and the number of the
     * one that takes an input. NULL: it is one. */
    size_t (*info)(const struct op *op, struct op_info *out, size_t max);
    int (*entry)(const struct op *op, int input);
    struct op_graph *(*inner)(const struct op *op, size_t i); /* and their graphs; NULL: the end */
    /* Its tables, from 0, and their rows (read.c). `view` fills which, count, extras, the part of
     * the name that tells one table from another, and `of` as the number of an input or -1: its own
     * columns. false: there is no such table. */
    bool (*view)(const struct op *op, int table, struct op_view *out, const char **part);
    int (*read)(struct op *op, int table, struct op_reader *to, struct err *err);
    const char *const *waiting; /* tables of rows that wait (waiting.c), to the NULL; NULL: none */
    /* No rows have come for a while: what the next batch makes again goes back. Between calls. */
    void (*rest)(struct op *op);
    void (*free)(struct op *op); /* what it owns beside struct op, and itself */
};

struct op_input {
    const struct op *from; /* NULL: a leaf's */
    struct op *to;         /* whose input it is */
    struct op_input *also; /* that takes the same rows, after this one; NULL: none */
    int64_t mark;
    bool idle;
};

/* Embedded first in an operator's own struct. */
struct op {
    const struct op_ops *ops;
    struct op_graph *graph;
    struct op *next;        /* made before this one */
    struct op_input *above; /* the first that takes its rows; NULL: it is the root */
    int number, inputs;
    struct op_input *in; /* `inputs` of them; a leaf has one */
    int64_t mark;        /* told last */
    bool by_rows;        /* its tick does nothing: rows and watermarks alone move it */
    int64_t delay_ms;    /* how far behind the watermark the times of its rows may be */
    struct vec_columns columns;
    struct vec_batch out;
    int64_t rows_in, rows_out, late, busy_ns;
};

struct op_graph {
    struct op_graph_options options;
    struct op_shard *shards; /* options.shards */
    struct op *last;         /* all, newest first; the newest is the root */
    int count;
    int64_t now_ms; /* processing time; OP_TIME_MIN before the first tick */
};

/* Puts `op` in the graph, which owns it from now on, above the `count` operators of `below` (0: a
 * leaf), which others may be above, too. On an error, which is out of memory, it is the caller's
 * still. */
int op_add(struct op *op, struct op_graph *graph, struct op *const *below, int count,
           const struct op_ops *ops, struct err *err);
/* Number of the operator above, as it is shown; -1: none. */
int op_above(const struct op *op);
#define OP_SHARD_OPS    16 /* in a shard, at most */
#define OP_SHARD_INPUTS 16
/* Opens a table of the operator's state: its name is the operator's number and `name`. */
int op_table(struct op *op, const char *name, bool grouped, struct state_table **out,
             struct err *err);
int op_table_open(struct op *op, const struct state_table_options *options,
                  struct state_table **out, struct err *err);

/* ---- rows going out ---- */

/* The chunk that has room for a row, and that row's number in it. NULL: out of memory. */
duckdb_data_chunk op_out_row(struct op *op, idx_t *row);
/* Likewise for up to *count rows; *count: how many it has taken. */
duckdb_data_chunk op_out_rows(struct op *op, idx_t *count, idx_t *row);
/* A row of an input that came too late for this operator: counted, and handed to whoever keeps
 * such rows. */
int op_late(struct op *op, int input, duckdb_data_chunk chunk, idx_t row, struct err *err);

/* ---- state as rows (read.c) ---- */

/* One row: bytes of a codec whose columns are those of the view; ptr NULL: all NULL. Then what is
 * known beside, times in ms. */
int op_read_row(struct op_reader *to, const struct vec_codec *codec, struct slice bytes,
                const int64_t *extras, struct err *err);
/* Where that row is, for columns of it that no codec has: all that the codec had not are behind
 * its own and before what is known beside. */
duckdb_data_chunk op_read_last(struct op_reader *to, idx_t *row);
/* What the operator has put into its output, where the view's columns are its own. */
int op_read_out(struct op_reader *to, struct op *op, struct err *err);
/* A grouped table of (key, row) -> an int64 first, how often: extra 0 of each. */
struct state_table;
int op_read_counted(struct op_reader *to, struct state_table *table, const struct vec_codec *codec,
                    struct err *err);

/* ---- accumulators (accumulate.c) ---- */

/* What a call keeps under a key, moved as bytes: as many as accumulator_size says. */
struct slot {
    int64_t n; /* values that are not NULL */
    union {
        int64_t i64;
        double f64;
        uint64_t i128[2];
    } v;
};

enum rep { REP_NONE, REP_I64, REP_I128, REP_F64 }; /* how values of a type are computed with */
struct accumulator {
    enum op_aggregate what;
    enum rep rep;
    duckdb_type type;   /* of the argument */
    duckdb_type stored; /* of a DECIMAL: what holds it; else `type` */
};
/* The accumulator of a call, and the type of its result (owned by the caller). ERR_UNSUPPORTED
 * names the column. */
int accumulator_init(struct accumulator *acc, const struct op_call *call,
                     const struct vec_columns *columns, duckdb_logical_type *result,
                     struct err *err);
/* Values as they lie in a vector as int64, __int128 or double, into `out` of 16 bytes a row. */
void accumulator_widen(const struct accumulator *acc, const void *data, idx_t rows, void *out);
/* Values of a vector as int64, __int128 or double, into `out` of 16 bytes a row. */
void accumulator_read(const struct accumulator *acc, duckdb_vector vector, idx_t rows, void *out);
/* signs[i]: 1 adds row i to *slots[i] + offset, -1 takes it back (COUNT and SUM only), 0 skips. */
void accumulator_add(const struct accumulator *acc, uint8_t *const *groups, size_t offset,
                     const int8_t *signs, const void *values, idx_t rows);
void accumulator_merge(const struct accumulator *acc, struct slot *into, const struct slot *from);
uint32_t accumulator_size(const struct accumulator *acc);
bool accumulator_same(const struct accumulator *acc, const struct slot *a, const struct slot *b);
/* Those of groups[0], ... into rows `row` and following. */
void accumulator_results(const struct accumulator *acc, const uint8_t *const *groups, size_t offset,
                         idx_t count, duckdb_vector vector, idx_t row);
void accumulator_result(const struct accumulator *acc, const struct slot *slot,
                        duckdb_vector vector, idx_t row);

#endif
