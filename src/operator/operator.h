/* operator.h - what happens to rows between a source and a sink when rows must be remembered: a
 * graph of operators over changes and time.
 *
 * A graph is a tree of operators, but that several may be above one: all of them take its rows, in
 * the order they were made in. Leaves are fed by sources, the root's output feeds a sink. Rows go
 * up in batches of DuckDB chunks, on the pipeline's thread: an operator takes a batch on one of its
 * inputs and puts what follows from it into its output, which is handed on when the call returns.
 * Nothing queues between operators: memory is bounded by a batch a level plus state, and
 * backpressure is the sink not pulling.
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
/* Column of kinds in the rows of `columns`; -1: all +I. */
int op_kind_column(const struct vec_columns *columns);

#define OP_TIME_MIN INT64_MIN
#define OP_TIME_MAX INT64_MAX

struct op;
struct op_graph;

/* A row that came too late; all borrowed for the call. */
struct op_late_row {
    int op, input;        /* op_info's number; which of its inputs */
    const char *name;     /* op_info's */
    int64_t watermark_ms; /* that it came behind; OP_TIME_MIN: told before a restart */
    const struct vec_columns *columns;
    duckdb_data_chunk chunk;
    idx_t row;
};
struct team;

/* What operators that go by keys are made with once for each shard (shards.h). */
struct op_shard {
    struct vec_conn *conn;
    struct state *state;
};

struct op_graph_options {
    struct vec_conn *conn; /* of fragments; borrowed for life, as are the next */
    struct state *state;   /* tables are opened in it while operators are made */
    /* What is done with rows that come too late for an operator; NULL: counted only. */
    int (*late)(void *arg, const struct op_late_row *late, struct err *err);
    void *late_arg;
    struct clock *clock; /* how long operators work is measured with it; NULL: it is not */
    const struct op_shard *shards; /* copied; `conn` and `state` above are none of them */
    size_t shard_count;            /* 0: operators are not split */
    struct team *team;             /* of shards; NULL: they run one after another */
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
/* Processing time goes on: before rows are given, and now and then without any. What follows from
 * it is put out as of rows. It never goes back: an earlier time counts as the last one. */
int op_graph_clock(struct op_graph *graph, int64_t now_ms, struct err *err);
/* Something in it waits for a time of that clock. Else rows and watermarks are all that move it,
 * but for entries of state whose time is over, which may wait a second. */
bool op_graph_by_clock(const struct op_graph *graph);
struct vec_batch *op_graph_out(struct op_graph *graph);
/* Between batches, when none has come for a while: gives memory back that only a batch needs, what
 * is in op_graph_out too. State stays as it is. */
void op_graph_rest(struct op_graph *graph);
const struct vec_columns *op_graph_columns(const struct op_graph *graph); /* of the root */

/* What an operator did, for EXPLAIN and screens. Newest first: the root is the first one. */
struct op_info {
    const char *name;
    int64_t rows_in, rows_out, late, watermark_ms;
    int number, above; /* -1: the root's; of several above it, the first */
    int64_t busy_ns;   /* in the operator alone; of shards, of the time of all threads */
    int shards;        /* that it is made in; 1: it is one */
    int64_t state_bytes;
};
size_t op_graph_info(const struct op_graph *graph, struct op_info *out, size_t max);

/* ---- what operators remember, as rows for people (read.c) ---- */

/* A table of an operator. Its columns are columns of the rows of one operator, this one or one
 * below it, and behind them what is known of the row beside. */
#define OP_VIEW_EXTRAS 3
struct op_view {
    char name[64];       /* "aggregate_2", "join_3_left": stable as long as the graph is */
    int op, table;       /* numbers: of the operator, of its table */
    int of;              /* number of the operator whose columns they are */
    const size_t *which; /* `count` of them; NULL: the first ones */
    size_t count;
    struct op_view_extra {
        const char *name;
        bool time; /* TIMESTAMP; else BIGINT */
    } extras[OP_VIEW_EXTRAS];
    size_t extra_count;
};
/* In the order of op_graph_info; all that point somewhere point into the graph. */
size_t op_graph_views(const struct op_graph *graph, struct op_view *out, size_t max);
/* Of the rows of op_graph_read, named v0, v1 ...; owned by the caller. */
int op_view_columns(const struct op_graph *graph, const struct op_view *view,
                    struct vec_columns *out, struct err *err);
/* All rows, some thousand at a time, of a graph that is loaded and between two calls. The batch is
 * the reader's for the call, who may take chunks out of it. The graph's output is empty before. */
typedef int op_view_fn(void *arg, struct vec_batch *rows, struct err *err);
int op_graph_read(struct op_graph *graph, const struct op_view *view, op_view_fn *fn, void *arg,
                  struct err *err);

/* ---- operators: made from the leaves up; `below` becomes an input of the new one ---- */

/* A leaf: rows as a source gives them. */
int op_leaf_new(struct op **out, struct op_graph *graph, const struct vec_columns *columns,
                struct err *err);

/* A SELECT over `feed`, row by row: no aggregate, no join. An error in an expression is
 * ERR_INVALID. */
int op_fragment_new(struct op **out, struct op *below, const char *select, struct err *err);

/* Rows of all inputs, in the order they come. Their columns are of the same types; with a column of
 * kinds when any of them has one. */
int op_union_new(struct op **out, struct op *const *below, size_t count, struct err *err);

/* ---- aggregates (changes.c, window.c, session.c) ---- */

/* Calls that DuckDB's words can make of these are made above: AVG is SUM / COUNT, VAR_POP is of
 * SUM(x), SUM(x * x) and COUNT(x). All take changes. NULL arguments are left out unless
 * keep_nulls. */
enum op_aggregate {
    OP_COUNT, /* of rows, or of values that are not NULL: BIGINT */
    OP_SUM,   /* of integers: BIGINT, wraps; of DECIMAL(p, s): DECIMAL(38, s); else DOUBLE */
    OP_MIN,   /* of any comparable type: that type */
    OP_MAX,
    OP_FIRST_VALUE, /* of any type */
    OP_LAST_VALUE,
    OP_LISTAGG,        /* VARCHAR */
    OP_COLLECT,        /* a multiset: MAP(value, INTEGER) */
    OP_ARRAY_AGG,      /* LIST */
    OP_JSON_OBJECTAGG, /* VARCHAR, keys sorted as Flink does. Values are JSON text */
    OP_JSON_ARRAYAGG,
    OP_SINGLE_VALUE,          /* ERR_INVALID when there is a second row */
    OP_APPROX_COUNT_DISTINCT, /* BIGINT; not of changes that take back */
    /* of OVER only */
    OP_ROW_NUMBER,
    OP_RANK,
    OP_DENSE_RANK,
    OP_LAG,
    OP_LEAD,
    OP_NTH_VALUE
};
struct op_call {
    enum op_aggregate what;
    int arg;    /* column of the input; -1: COUNT(*) */
    int filter; /* BOOLEAN column; -1: none */
    bool distinct;
    bool keep_nulls;
    int arg2;              /* JSON_OBJECTAGG: the value; LAG, LEAD: the default; -1: none */
    int64_t number;        /* LAG, LEAD: offset; NTH_VALUE: which */
    const char *separator; /* LISTAGG; NULL: "," */
};

enum op_window_kind { OP_TUMBLE, OP_HOP, OP_CUMULATE, OP_SESSION, OP_ATTACHED };
/* [start, start + size) of rowtimes, starts at offset + n * slide; CUMULATE: windows of step, 2 *
 * step ... size that begin together; SESSION: size is the gap, windows grow per key; ATTACHED: rows
 * carry their window (columns `start` and `end`, TIMESTAMP). All in milliseconds.
 * Source: Flink 1.20, "Windowing TVF". */
struct op_window {
    enum op_window_kind kind;
    int64_t size, slide, offset; /* slide: HOP's slide, CUMULATE's step */
    int start, end;
    /* table.exec.emit: results before the end every `early` ms, for each late row at once within
     * `lateness`; 0: none. Then the output has kinds. */
    int64_t early, late, lateness;
    /* Of times that are instants: windows are of its local time. NULL: UTC. */
    const char *zone;
};

struct op_aggregate_spec {
    const size_t *keys;
    size_t key_count;
    const struct op_call *calls;
    size_t call_count;
    const struct op_window *window; /* NULL: none */
    int rowtime; /* with a window: the column that says the time; -1: the graph's clock */
    int64_t ttl_ms;
    bool at_end; /* without a window: results only when the input is over, all +I */
};
/* Without a window: a change stream of one row per key, its last result: rows of a batch are
 * folded, so a key changes at most once a batch. Without keys: one row, from the first input on.
 * With a window: one row per key and window when the watermark passes its end, all +I; late rows
 * are dropped and counted.
 * Columns: keys, calls, then window_start and window_end (TIMESTAMP). */
int op_aggregate_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err);

/* ---- joins (join*.c) ---- */

/* MARK, only REGULAR: every left row, and whether it has a match. */
enum op_join_kind { OP_INNER, OP_LEFT, OP_RIGHT, OP_FULL, OP_SEMI, OP_ANTI, OP_MARK };
enum op_join_time { OP_REGULAR, OP_INTERVAL, OP_TEMPORAL, OP_WINDOWED };
struct op_join_spec {
    enum op_join_kind kind;
    enum op_join_time time;
    const size_t *left_keys, *right_keys;
    const bool *null_safe; /* per key: NULL meets NULL; NULL: none is */
    size_t key_count;
    const char *condition; /* SELECT of one BOOLEAN over `feed`: l0, l1, ... r0, r1, ...; or NULL */
    bool null_aware;       /* ANTI: a NULL key on the right leaves no row */
    int left_time, right_time; /* INTERVAL, TEMPORAL; -1: the graph's clock */
    int64_t low_ms, high_ms;   /* INTERVAL: right in [left + low, left + high] */
    /* REGULAR: the condition says the same of left_time and right_time (TIMESTAMP), and the other
     * side gives no row behind a watermark with a time at or before it, and takes none back. Rows
     * of this side that can meet no row any more are forgotten. */
    bool left_forgets, right_forgets;
    int left_end, right_end; /* WINDOWED: columns of the window's end, TIMESTAMP */
    bool by_clock;           /* WINDOWED: the graph's clock ends windows, not watermarks */
    int64_t left_ttl_ms, right_ttl_ms;
};
/* Joins and what follows name their columns c0, c1 ... (flow.h).
 * Columns of the left, then of the right (SEMI, ANTI: none; MARK: BOOLEAN), without kinds, then
 * kinds if the join gives changes: REGULAR gives them when an input does or the kind is not INNER
 * (SEMI over rows that are all +I gives +I only); INTERVAL and WINDOWED never; TEMPORAL when the
 * left does. */
int op_join_new(struct op **out, struct op *left, struct op *right, const struct op_join_spec *spec,
                struct err *err);

/* A table that is asked now: read whole, and again when it has changed, or by the keys of each
 * batch. Lives as long as the operator, which frees it. Calls on the graph's thread. */
struct op_lookup_table {
    const struct vec_columns *columns;
    /* By keys: all rows that may match one of `rows`, those of the left. NULL: read whole. */
    int (*find)(struct op_lookup_table *table, const struct vec_batch *rows, struct vec_batch *out,
                struct err *err);
    /* Is there something newer than what `read` gave last? Asked at most once a batch. */
    int (*changed)(struct op_lookup_table *table, bool *yes, struct err *err);
    int (*read)(struct op_lookup_table *table, struct vec_batch *out, struct err *err);
    void (*free)(struct op_lookup_table *table);
};
struct op_lookup_spec {
    struct op_lookup_table *table; /* taken, on errors too */
    const size_t *left_keys, *right_keys;
    size_t key_count;
    const char *condition;
    bool left; /* rows without a match come with NULLs */
};
/* Columns and kinds as of a join by time: kinds when the left has them. */
int op_lookup_new(struct op **out, struct op *below, const struct op_lookup_spec *spec,
                  struct err *err);

/* ---- order (rank*.c, over.c, sort.c), sets, keys ---- */

struct op_order {
    size_t column;
    bool descending, nulls_first;
};
struct op_rank_spec {
    const size_t *keys;
    size_t key_count;
    const struct op_order *order; /* none: in the order they come */
    size_t order_count;
    int64_t from, to; /* numbers kept, from 1; to INT64_MAX: no end */
    bool with_number;
    bool by_time;   /* the one order is a rowtime's: with 1 to 1, deduplication */
    int window_end; /* column; -1: none */
    bool by_clock;  /* the graph's clock ends windows, not watermarks */
    int64_t ttl_ms;
};
/* The first rows of each key: the input's columns, then BIGINT number if wanted, then kinds; but no
 * kinds when window_end says when rows come (all +I), or when rows that are all +I are taken in the
 * order they come (order_count 0) and without their number. Ties keep the order of arrival, except
 * in a deduplication (by_time, 1 to 1) by descending time, where the last one stays, as in Flink.
 * The rows of a batch are folded: a number comes again when its row is another one behind it. */
int op_rank_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                struct err *err);

struct op_over_spec {
    const size_t *keys;
    size_t key_count;
    int rowtime;    /* -1: as they come */
    bool rows;      /* else RANGE */
    int64_t before; /* rows, or ms; INT64_MAX: all that came before */
    const struct op_call *calls;
    size_t call_count;
    int64_t ttl_ms;
};
/* Each row with its calls over the rows before it and itself, once the watermark has passed it;
 * takes rows that are all +I and gives such. Late rows are dropped and counted. All aggregates,
 * ROW_NUMBER, RANK, DENSE_RANK and LAG; LEAD and NTH_VALUE are ERR_UNSUPPORTED, as in Flink. */
int op_over_new(struct op **out, struct op *below, const struct op_over_spec *spec,
                struct err *err);

struct op_sort_spec {
    int rowtime; /* -1: all, when the input is over */
    const struct op_order *order;
    size_t order_count;
};
/* Takes rows that are all +I. */
int op_sort_new(struct op **out, struct op *below, const struct op_sort_spec *spec,
                struct err *err);

struct op_sets_spec {
    bool except, all; /* else INTERSECT; ALL or DISTINCT */
};
/* The left's columns and kinds, always. */
int op_sets_new(struct op **out, struct op *left, struct op *right, const struct op_sets_spec *spec,
                struct err *err);

/* For bounded runs: what is left of changes when the input is over, all +I. */
int op_final_new(struct op **out, struct op *below, struct err *err);

struct op_normalize_spec {
    const size_t *keys;
    size_t key_count;
    int64_t ttl_ms;
};
/* Rows of which the last per key counts, as whole changes: the input's columns and kinds. A row
 * equal to the one before it gives nothing. */
int op_normalize_new(struct op **out, struct op *below, const struct op_normalize_spec *spec,
                     struct err *err);

#endif
