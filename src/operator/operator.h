/* operator.h - what happens to rows between a source and a sink when rows must be remembered: a
 * graph of operators over changes and time.
 *
 * A graph is a tree of operators: leaves are fed by sources, the root's output feeds a sink. Rows
 * go up in batches of DuckDB chunks, on the pipeline's thread: an operator takes a batch on one of
 * its inputs and puts what follows from it into its output, which is handed to the next one when
 * the call returns. Nothing queues between operators: memory is bounded by a batch a level plus
 * state, and backpressure is the sink not pulling.
 *
 * Changes. Rows whose LAST column is named OP_KIND (UTINYINT) are a change stream: +I, -U, +U, -D
 * as in Flink's RowKind. Rows without it are all +I. Every operator keeps the order of the rows of
 * a key.
 *
 * Time. A watermark is a promise of an input: no row whose rowtime is at or before it will follow.
 * It is in milliseconds since 1970, OP_TIME_MIN before the first and OP_TIME_MAX behind the last
 * row of a bounded input. Rows that break the promise are late: each operator says what it does
 * with them, and counts them. A watermark goes up behind the rows that came before it; an operator
 * with two inputs goes by the lower one, and an idle input is not counted. Watermarks are not part
 * of a checkpoint: after a restart they begin anew with the next rows, as in Flink.
 * A rowtime is a TIMESTAMP or TIMESTAMPTZ in microseconds, compared by number.
 *
 * State. What an operator keeps across calls is in its tables of state/state.h, or can be made
 * again from them by `load`. A cut falls between two calls of the graph: no batch is under way
 * then.
 *
 * Threads: a graph belongs to one thread at a time. Errors leave a graph that can only be freed.
 */
#ifndef OPERATOR_OPERATOR_H
#define OPERATOR_OPERATOR_H

#include "state/state.h"
#include "vec/vec.h"

#define OP_KIND "$row_kind"
enum op_kind { OP_INSERT, OP_UPDATE_BEFORE, OP_UPDATE_AFTER, OP_DELETE };

#define OP_TIME_MIN INT64_MIN
#define OP_TIME_MAX INT64_MAX

struct op;
struct op_graph;

struct op_graph_options {
    struct vec_conn *conn; /* of fragments; borrowed for life, as are the next */
    struct state *state;   /* tables are opened in it while operators are made */
};
int op_graph_new(struct op_graph **out, const struct op_graph_options *options, struct err *err);
void op_graph_free(struct op_graph *graph); /* its operators too; accepts NULL */

/* Once all operators are made and the state is loaded. */
int op_graph_load(struct op_graph *graph, struct err *err);

/* Feeding a leaf: all that follows has happened on return, and what reached the root is in
 * op_graph_out, which the caller clears. */
int op_graph_rows(struct op *leaf, const struct vec_batch *rows, struct err *err);
int op_graph_mark(struct op *leaf, int64_t watermark_ms, struct err *err);
int op_graph_idle(struct op *leaf, bool idle, struct err *err);
struct vec_batch *op_graph_out(struct op_graph *graph);
const struct vec_columns *op_graph_columns(const struct op_graph *graph); /* of the root */

/* What an operator did, for EXPLAIN and screens. */
struct op_info {
    const char *name;
    int64_t rows_in, rows_out, late, watermark_ms;
};
size_t op_graph_info(const struct op_graph *graph, struct op_info *out, size_t max);

/* ---- operators: made from the leaves up; `below` becomes an input of the new one ---- */

/* A leaf: rows as a source gives them. */
int op_leaf_new(struct op **out, struct op_graph *graph, const struct vec_columns *columns,
                struct err *err);

/* A SELECT over `feed`, row by row: no aggregate, no join. An error in an expression is
 * ERR_INVALID. */
int op_fragment_new(struct op **out, struct op *below, const char *select, struct err *err);

/* Aggregates of rows by key. Calls that DuckDB's words can make of these are made above: AVG is
 * SUM / COUNT, VAR_POP is of SUM(x), SUM(x * x) and COUNT(x). */
enum op_aggregate {
    OP_COUNT, /* of rows, or of values that are not NULL: BIGINT */
    OP_SUM,   /* of integers: BIGINT, wraps; of DECIMAL(p, s): DECIMAL(38, s); else DOUBLE */
    OP_MIN,   /* of any comparable type but nested ones: that type */
    OP_MAX
};
struct op_call {
    enum op_aggregate what;
    int arg;      /* column of the input; -1: COUNT(*) */
    int filter;   /* BOOLEAN column; -1: none */
    bool distinct;
};

enum op_window_kind { OP_TUMBLE, OP_HOP, OP_CUMULATE };
/* [start, start + size) of rowtimes, starts at offset + n * slide; CUMULATE: windows of step, 2 *
 * step ... size that begin together. All in milliseconds. Source: Flink 1.20, "Windowing TVF". */
struct op_window {
    enum op_window_kind kind;
    int64_t size, slide, offset; /* slide: HOP's slide, CUMULATE's step */
};

struct op_aggregate_spec {
    const size_t *keys;
    size_t key_count;
    const struct op_call *calls;
    size_t call_count;
    const struct op_window *window; /* NULL: none */
    size_t rowtime;                 /* with a window: the column that says the time */
};
/* Without a window: a change stream of one row per key, its last result: rows of a batch are
 * folded, so a key changes at most once a batch. Takes changes. Without keys: one row, from the
 * first input on.
 * With a window: one row per key and window when the watermark passes its end, all +I; late rows
 * are dropped and counted. Takes rows that are all +I.
 * Columns: keys, calls, then window_start and window_end (TIMESTAMP). */
int op_aggregate_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err);

#endif
