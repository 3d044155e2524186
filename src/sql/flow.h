/* flow.h - what a stream runs for an INSERT: its query as a tree of nodes.
 *
 * The bound query (bound.h) keeps the shape of SQL; a flow has the shape of the work. Leaves are
 * the tables read. A SELECT node treats every row on its own and is DuckDB's; every other node
 * remembers rows and is an operator (operator/operator.h has one for each; `connector` makes them).
 *
 * Columns. A node gives `columns`, in order, under these names: c0, c1, ... in all nodes but a
 * SCAN, whose columns are its table's. Nodes with `changes` give one more, last: $row_kind. Every
 * number of a column below counts the columns of the node's input (of the left or the right one,
 * where it says so).
 * Changes are whole: an update is a -U of the row as it was and a +U. So every node takes back
 * exactly the rows it gave, whoever reads.
 * Time. A column is a rowtime when a watermark goes before it: the watermark's column of a SCAN,
 * window_time of a windowed aggregate, and what passes these on unchanged. Planning checks that
 * whoever needs one has one. -1 in place of a rowtime's number: processing time.
 */
#ifndef SQL_FLOW_H
#define SQL_FLOW_H

#include "sql/types.h"

struct sql_table;
struct sql_output;

enum sql_node_kind {
    SQL_NODE_SCAN,   /* leaf */
    SQL_NODE_VALUES, /* leaf: `select`, without FROM, once */
    SQL_NODE_SELECT,
    SQL_NODE_UNION, /* ALL rows of its inputs, whose columns are of the same types */
    SQL_NODE_AGGREGATE,
    SQL_NODE_JOIN,
    SQL_NODE_LOOKUP,
    SQL_NODE_RANK,
    SQL_NODE_OVER,
    SQL_NODE_SORT,
    SQL_NODE_SETS, /* INTERSECT, EXCEPT */
    SQL_NODE_NORMALIZE,
    SQL_NODE_FINAL /* bounded: of changes what is left, when the input is over */
};

struct sql_flow_read {
    const char *column, *field; /* field of a ROW; NULL: all of the column */
};
struct sql_flow_scan {
    const struct sql_table *table;
    const struct sql_flow_read *reads; /* what `marks` and SELECTs right above this table name */
    size_t read_count;
    const char *marks; /* over the source's rows: partition, watermark in ms of each; NULL: none */
                       /* with them the table has one more column, SQL_FLOW_PARTITION */
};

/* ---- aggregates: keys, calls, and with a window window_start and window_end ---- */

enum sql_flow_aggregate {
    SQL_FLOW_COUNT,
    SQL_FLOW_SUM,
    SQL_FLOW_MIN,
    SQL_FLOW_MAX,
    SQL_FLOW_FIRST_VALUE,
    SQL_FLOW_LAST_VALUE,
    SQL_FLOW_LISTAGG,
    SQL_FLOW_COLLECT,
    SQL_FLOW_ARRAY_AGG,
    SQL_FLOW_JSON_OBJECTAGG,
    SQL_FLOW_JSON_ARRAYAGG,
    SQL_FLOW_SINGLE_VALUE,
    SQL_FLOW_APPROX_COUNT_DISTINCT,
    /* only of OVER */
    SQL_FLOW_ROW_NUMBER,
    SQL_FLOW_RANK,
    SQL_FLOW_DENSE_RANK,
    SQL_FLOW_LAG,
    SQL_FLOW_LEAD,
    SQL_FLOW_NTH_VALUE
};
struct sql_flow_call {
    enum sql_flow_aggregate what;
    int arg, arg2, filter; /* columns; -1: none. arg2: JSON_OBJECTAGG's value, LAG's default */
    bool distinct, keep_nulls;
    int64_t number;        /* LAG, LEAD: offset; NTH_VALUE: which */
    const char *separator; /* LISTAGG */
};

enum sql_flow_window {
    SQL_FLOW_NO_WINDOW,
    SQL_FLOW_TUMBLE,
    SQL_FLOW_HOP,
    SQL_FLOW_CUMULATE,
    SQL_FLOW_SESSION, /* size_ms: the gap; per key */
    SQL_FLOW_ATTACHED /* the rows carry their window's start and end */
};
struct sql_flow_aggregation {
    size_t *keys;
    size_t key_count;
    struct sql_flow_call *calls;
    size_t call_count;
    enum sql_flow_window window;
    int64_t size_ms, slide_ms, offset_ms;
    int rowtime;                  /* with a window; -1: processing time */
    int window_start, window_end; /* ATTACHED: columns */
    int64_t early_ms, late_ms;    /* table.exec.emit.*: results before the end, and for each late
                                     row; 0: none */
    int64_t allowed_lateness_ms;
    const char *zone; /* whose local time windows are of, when times are instants; NULL: UTC */
    int64_t ttl_ms;   /* of keys, without a window; 0: never */
    bool at_end;      /* bounded: only the last results, when the input is over */
};

/* ---- joins: columns of the left, then of the right; SEMI and ANTI: of the left; MARK: of the
 * left, and whether the row has a match ---- */

enum sql_flow_join {
    SQL_FLOW_INNER,
    SQL_FLOW_LEFT,
    SQL_FLOW_RIGHT,
    SQL_FLOW_FULL,
    SQL_FLOW_SEMI,
    SQL_FLOW_ANTI,
    SQL_FLOW_MARK /* only REGULAR */
};
enum sql_flow_join_time {
    SQL_FLOW_REGULAR,
    SQL_FLOW_INTERVAL, /* right time in [left time + low_ms, left time + high_ms] */
    SQL_FLOW_TEMPORAL, /* the right row of the key as it was at the left row's time */
    SQL_FLOW_WINDOWED  /* rows of the same window; its start and end are among the keys */
};
struct sql_flow_joining {
    enum sql_flow_join join;
    enum sql_flow_join_time time;
    size_t *left_keys, *right_keys;
    bool *null_safe; /* per key: NULL meets NULL */
    size_t key_count;
    const char *condition;     /* SELECT of one BOOLEAN over `feed`: the left's columns, then the
                                  right's, as l0, l1, ... r0, r1, ...; NULL: the keys are all */
    bool null_aware;           /* ANTI for NOT IN: a NULL on the right leaves no row */
    int left_time, right_time; /* INTERVAL, TEMPORAL: columns; -1: processing time */
    int64_t low_ms, high_ms;
    /* REGULAR: the condition, too, says that right_time lies in [left_time + low_ms, left_time +
     * high_ms], and no row of the other side comes behind a watermark with a time at or before it:
     * rows of this side that can meet none of those are not needed any more. */
    bool left_forgets, right_forgets;
    int left_end, right_end;           /* WINDOWED: columns of the window's end */
    bool by_clock;                     /* WINDOWED: they are of processing time */
    int64_t left_ttl_ms, right_ttl_ms; /* REGULAR */
};

/* Columns of the left, then of the table's rows that match now; TABLE of Iceberg or of files. */
struct sql_flow_looking {
    const struct sql_table *table;
    const char *select; /* over the table's rows, as `feed`: the right's columns */
    bool left;          /* LEFT JOIN; else INNER */
    size_t *left_keys, *right_keys;
    size_t key_count;
    const char **key_names; /* the table's column that is the right key; NULL: it is computed */
    const char *condition;  /* as of a join */
};

/* ---- top-N, deduplication, LIMIT: the input's columns, then, if wanted, the number ---- */

struct sql_flow_order {
    size_t column;
    bool descending, nulls_first;
};
struct sql_flow_ranking {
    size_t *keys; /* PARTITION BY */
    size_t key_count;
    struct sql_flow_order *order; /* none: in the order they come */
    size_t order_count;
    int64_t from, to; /* numbers kept, from 1; to INT64_MAX: no end */
    bool with_number; /* last column: BIGINT */
    int order_time;   /* 1: the one order is by a rowtime or processing time; else 0 */
    int window_end;   /* column: once per window, all +I; -1: none */
    bool by_clock;    /* windows are of processing time */
    int64_t ttl_ms;
};

/* ---- OVER: the input's columns, then the calls ---- */

struct sql_flow_over {
    size_t *keys;
    size_t key_count;
    int rowtime;    /* the order; -1: processing time */
    bool rows;      /* ROWS; else RANGE: rows of one time come together */
    int64_t before; /* rows, or ms; INT64_MAX: all that came before */
    struct sql_flow_call *calls;
    size_t call_count;
    int64_t ttl_ms;
};

struct sql_flow_sorting {
    int rowtime; /* rows come when the watermark passes them; -1: when the input is over */
    struct sql_flow_order *order; /* among rows of one time, or all */
    size_t order_count;
};

struct sql_flow_setting {
    bool except, all; /* else INTERSECT; ALL or DISTINCT */
};

/* Rows of which the last per key counts (upsert-kafka) as whole changes. */
struct sql_flow_normalizing {
    size_t *keys;
    size_t key_count;
    int64_t ttl_ms;
};

struct sql_node {
    enum sql_node_kind kind;
    struct sql_node **inputs;
    size_t input_count;
    const struct sql_output *columns; /* without $row_kind */
    const char *const *labels; /* what people call them, as the query has it; NULL: nothing */
    size_t column_count;
    bool changes;
    /* Another node, made before this one, that gives the same rows: this one and all below it need
     * not be made. NULL: none. */
    const struct sql_node *same;
    bool shared;           /* some node's `same` */
    uint32_t line, column; /* of the clause it stands for, for EXPLAIN and errors */
    const char *select; /* SELECT, VALUES: DuckDB's text over `feed`, with $row_kind if changes */
    union {
        struct sql_flow_scan scan;
        struct sql_flow_aggregation aggregate;
        struct sql_flow_joining join;
        struct sql_flow_looking lookup;
        struct sql_flow_ranking rank;
        struct sql_flow_over over;
        struct sql_flow_sorting sort;
        struct sql_flow_setting sets;
        struct sql_flow_normalizing normalize;
    };
};

/* Columns of an input: rows that concern one another have the same values there, NULL like NULL. */
struct sql_flow_keys {
    const size_t *columns; /* NULL: the first `count` ones, which are all */
    size_t count;
};
/* false: the node has none, and its rows stay together. */
bool sql_flow_keyed(const struct sql_node *node, size_t input, struct sql_flow_keys *out);

/* "COUNT" */
const char *sql_flow_aggregate_name(enum sql_flow_aggregate what);

#endif
