/* bound.h - the bound tree: a query whose names are resolved and whose expressions have types.
 *
 * It keeps the shape of SQL (not of relational algebra), so that each dialect's printer is a walk.
 * Every conversion is a node: an argument has exactly the type its function wants.
 */
#ifndef SQL_BOUND_H
#define SQL_BOUND_H

#include <setjmp.h>

#include "sql/sql.h"

/* ---- functions (functions.c) ----------------------------------------------------------------- */

enum sql_function_kind {
    FUNCTION_SCALAR,
    FUNCTION_AGGREGATE,
    FUNCTION_WINDOW,
    FUNCTION_GROUPING,
    FUNCTION_TABLE
};

struct sql_function {
    const char *name;
    enum sql_function_kind kind;
    const char *category;
    const char *args, *result; /* as in functions.def */
    const char *duckdb;        /* NULL: missing */
    const char *missing;       /* the reason */
};
const struct sql_function *sql_functions(size_t *count);

struct sql_casting {
    const char *from, *to;
    const char *duckdb; /* NULL: part by part */
};
/* NULL: no such cast. */
const struct sql_casting *sql_casting_find(const struct sql_type *from, const struct sql_type *to);

/* ---- expressions ----------------------------------------------------------------------------- */

enum bound_kind {
    BOUND_LITERAL,  /* literal, text */
    BOUND_COLUMN,   /* source, column */
    BOUND_CALL,     /* function, args, and for aggregates what surrounds them */
    BOUND_CAST,     /* args[0] to type */
    BOUND_CASE,     /* args: condition, value, condition, value, ... else */
    BOUND_IN,       /* args[0] in args[1..]; or args, as a row, in query */
    BOUND_EXISTS,   /* query */
    BOUND_SUBQUERY, /* query */
    BOUND_FIELD,    /* args[0], column: number of the field */
    BOUND_SYMBOL    /* text */
};

struct bound_source;

struct bound_order {
    struct bound_expr *expr;
    size_t ordinal; /* of an output, from 1; 0: expr */
    bool descending, nulls_first;
};

struct bound_window {
    struct bound_expr **partition;
    size_t partition_count;
    struct bound_order *order;
    size_t order_count;
    int frame; /* SQL_FRAME_* */
    enum sql_bound_kind low, high;
    struct bound_expr *low_expr, *high_expr;
};

struct bound_expr {
    enum bound_kind kind;
    struct sql_pos pos;
    const struct sql_type *type;
    const struct sql_function *function;
    struct bound_expr **args;
    size_t arg_count;
    enum sql_literal literal;
    const char *text;
    uint32_t text_len;
    bool negated, try_cast, implicit, distinct, ignore_nulls;
    struct bound_source *source;
    size_t column;
    struct sql_bound *query;
    struct bound_expr *filter;
    struct bound_window *over;
    struct bound_order *order; /* inside the call, and WITHIN GROUP */
    size_t order_count;
};

/* ---- sources --------------------------------------------------------------------------------- */

enum bound_source_kind {
    SOURCE_TABLE,  /* table; computed columns in `computed` */
    SOURCE_QUERY,  /* query: subquery, view, CTE, VALUES */
    SOURCE_UNNEST, /* array or multiset, a map's entries when is_map; ordinality */
    SOURCE_JOIN    /* left, right */
};

/* A windowing table function: what a stream runs in place of its query. */
enum bound_window_kind { BOUND_TUMBLE, BOUND_HOP, BOUND_CUMULATE, BOUND_SESSION };
struct bound_tvf {
    enum bound_window_kind kind;
    int64_t size_us, slide_us, offset_us; /* slide: CUMULATE's step, TUMBLE's size */
    size_t time_column;
    size_t *keys; /* SESSION: columns of PARTITION BY */
    size_t key_count;
};

/* What a column means for time, on a stream (plan_node.c). */
enum bound_time {
    BOUND_TIMELESS,
    BOUND_ROWTIME,
    BOUND_PROCTIME,
    /* Bounds of windows: of rowtimes; of rowtimes that are instants, in the session's zone; of
     * processing time, likewise. */
    BOUND_WINDOW_START,
    BOUND_WINDOW_END,
    BOUND_LOCAL_START,
    BOUND_LOCAL_END,
    BOUND_CLOCK_START,
    BOUND_CLOCK_END
};
static inline bool bound_is_start(enum bound_time time)
{
    return time == BOUND_WINDOW_START || time == BOUND_LOCAL_START || time == BOUND_CLOCK_START;
}
static inline bool bound_is_end(enum bound_time time)
{
    return time == BOUND_WINDOW_END || time == BOUND_LOCAL_END || time == BOUND_CLOCK_END;
}

struct bound_column {
    const char *name;
    const struct sql_type *type;
    bool merged; /* the right side's twin of a USING column: hidden from * and from bare names */
    struct bound_source
        *twin;            /* of FULL JOIN USING: the bare name is COALESCE of this column and */
    size_t twin_column;   /* of that one; NULL: none */
    bool used;            /* planning: something reads it */
    enum bound_time time; /* planning, of a node's output */
    bool settled;         /* likewise: plan_settled */
    const char *label;    /* likewise: sql_node.labels; "": none. NULL: the name */
};

struct bound_source {
    enum bound_source_kind kind;
    struct sql_pos pos;
    int number;        /* printed as t<number> */
    const char *alias; /* what the query calls it; NULL: nothing */
    const char *view;  /* QUERY: the view it comes from, or NULL */
    struct bound_column *columns;
    size_t column_count;
    const struct sql_table *table;
    struct bound_expr **computed; /* per column; NULL: read from the table */
    int inner_number;             /* alias of the table below its computed columns */
    struct sql_bound *query;
    struct bound_expr *array;
    bool is_map, is_row, ordinality;
    bool lateral;
    enum sql_join_kind join;
    struct bound_source *left, *right;
    struct bound_expr *on;
    const struct sql_from *from; /* for errors */
    const struct bound_tvf *tvf; /* QUERY: it stands for this, UNNEST: it makes the windows; or
                                    NULL */
    struct bound_expr *as_of;    /* FOR SYSTEM_TIME AS OF a column: of the stream on the left */
    /* Planning: its rows come out of an operator; column i is column moved_to[i] of `moved`. */
    struct bound_source *moved;
    size_t *moved_to;
};

/* ---- queries --------------------------------------------------------------------------------- */

enum bound_query_kind { QUERY_SELECT, QUERY_VALUES, QUERY_SET };

struct bound_group { /* one element of GROUP BY */
    enum sql_group_kind kind;
    struct bound_expr *expr; /* EXPR */
    struct bound_group *parts;
    size_t count;
};

/* The source and the column that a BOUND_COLUMN is of, after all moves. */
static inline struct bound_source *bound_at(const struct bound_expr *expr, size_t *column)
{
    struct bound_source *source = expr->source;

    *column = expr->column;
    while (source->moved && *column < source->column_count) {
        *column = source->moved_to[*column];
        source = source->moved;
    }
    return source;
}

struct sql_bound {
    enum bound_query_kind kind;
    struct sql_pos pos;
    struct sql_output *outputs;
    size_t output_count;
    /* SELECT */
    bool distinct;
    struct bound_expr **items; /* one per output */
    struct bound_source *from;
    struct bound_expr *where;
    bool aggregated; /* GROUP BY or an aggregate function */
    struct bound_group *groups;
    size_t group_count;
    struct bound_expr *having, *qualify;
    /* VALUES: rows of output_count expressions */
    struct bound_expr ***rows;
    size_t row_count;
    /* SET */
    enum sql_set_op op;
    bool all;
    struct sql_bound *left, *right;
    /* all */
    struct bound_order *order;
    size_t order_count;
    struct bound_expr *limit, *offset;
    const struct sql_query *syntax;
    const struct sql_select *select; /* of SELECT */
    /* of the outermost query only */
    const struct sql_table **tables;
    size_t table_count;
    const char *time_zone, *database;
};

/* ---- the binder ------------------------------------------------------------------------------ */

/* The names one expression can see: sources of this query, then of the queries around it. */
struct scope {
    struct scope *outer;
    struct bound_source **sources; /* leaves, left to right */
    size_t count;
    struct cte *ctes;
    struct bound_expr **groups; /* set while items of an aggregated query are checked */
    size_t group_count;
    const struct sql_select *select;
    bool lateral_only;
    struct group_window *window; /* GROUP BY TUMBLE(...); NULL: none */
};

struct cte {
    struct cte *next;
    const struct sql_with *with;
    struct cte *visible; /* the CTEs its own query sees */
};

struct binder {
    struct arena *arena;
    const struct sql_resolver *resolver;
    struct err *err;
    int rc;
    int depth;
    int next_number;
    const struct sql_table **tables;
    size_t table_count, table_cap;
    bool in_aggregate, saw_aggregate, saw_window;
    bool streams;               /* the query is a stream's: rows may be joined as of their time */
    struct bound_expr **params; /* what $1, $2, ... stand for in a function's expression */
    size_t param_count;
    const struct sql_column *const *defaults; /* what DEFAULT means in each column of VALUES */
    size_t default_count;
    const char *aggregates_in;      /* where aggregates are not allowed: "WHERE" */
    const struct sql_table *inside; /* the view whose names are looked up; or NULL */
    const char *view;               /* the outermost view whose text is being looked at; or NULL */
    struct sql_pos view_pos;        /* and where the statement names it: errors stand there */
    jmp_buf fail;
};

_Noreturn void bind_fail(struct binder *b, int code, struct sql_pos pos, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
_Noreturn void bind_nomem(struct binder *b);
void *bind_alloc(struct binder *b, size_t size);
void *bind_array(struct binder *b, size_t count, size_t size);
#define BIND_NEW(b, type)          ((type *)bind_alloc((b), sizeof(type)))
#define BIND_ARRAY(b, type, count) ((type *)bind_array((b), (count), sizeof(type)))
void bind_enter(struct binder *b, struct sql_pos pos);
void bind_leave(struct binder *b);
const char *bind_type_text(struct binder *b, const struct sql_type *type);
const struct sql_type *bind_nullable(struct binder *b, const struct sql_type *type, bool nullable);

/* bind_expr.c */
struct bound_expr *bind_expr(struct binder *b, struct scope *scope, const struct sql_expr *expr);
/* bind_call.c: $1 in the expression that stands for a function; NULL: it is no such name. */
struct bound_expr *bind_param(struct binder *b, const struct sql_expr *expr);
struct bound_expr *bind_condition(struct binder *b, struct scope *scope,
                                  const struct sql_expr *expr, const char *where);
struct bound_expr *bound_new(struct binder *b, enum bound_kind kind, struct sql_pos pos,
                             const struct sql_type *type);
struct bound_expr *bound_truth(struct binder *b, struct sql_pos pos, bool value);
struct bound_expr *bound_int(struct binder *b, struct sql_pos pos, int64_t value); /* BIGINT */
struct bound_expr *bound_text(struct binder *b, struct sql_pos pos, const char *text);
struct bound_expr *bound_null(struct binder *b, struct sql_pos pos, const struct sql_type *type);
/* The expression converted to `type`; itself when it has it. Nullability is kept. */
struct bound_expr *bind_convert(struct binder *b, struct bound_expr *expr,
                                const struct sql_type *type);
struct bound_expr *bound_column(struct binder *b, struct sql_pos pos, struct bound_source *source,
                                size_t column);
/* `expr` with room for `count` arguments. */
struct bound_expr *bound_with_args(struct binder *b, struct bound_expr *expr, size_t count);
bool bound_equal(const struct bound_expr *a, const struct bound_expr *b);
/* What the column's bare name means: itself, or with those that FULL JOIN USING unites it with. */
struct bound_expr *bound_united(struct binder *b, struct sql_pos pos, struct bound_source *source,
                                size_t column);

/* bind_column.c */
struct bound_expr *bind_column(struct binder *b, struct scope *scope, const struct sql_expr *expr);
struct bound_expr *bind_field(struct binder *b, struct bound_expr *row,
                              const struct sql_ident *name);

/* bind_literal.c */
struct bound_expr *bind_literal(struct binder *b, const struct sql_expr *expr);
/* -5 is a literal, so that -2147483648 is one too; a call of anything else. */
struct bound_expr *bind_negative(struct binder *b, struct bound_expr *arg);
/* The text as a value of `type`: a literal where it is one, else a cast. */
struct bound_expr *bind_text_as(struct binder *b, struct bound_expr *text,
                                const struct sql_type *type);
/* Flink compares text with times by reading the text, and with numbers where order is asked for;
 * it refuses `number = text`. */
struct bound_expr *bind_compare(struct binder *b, struct sql_pos pos, const char *name,
                                struct bound_expr *left, struct bound_expr *right);

/* bind_in.c: IN (query); SOME, ANY and ALL of one. */
struct bound_expr *bind_in_query(struct binder *b, struct scope *scope,
                                 const struct sql_expr *expr);
struct bound_expr *bind_quantified(struct binder *b, struct scope *scope,
                                   const struct sql_expr *expr);

/* bind_default.c: NULL where the column has none. */
struct bound_expr *bind_default(struct binder *b, struct sql_pos pos,
                                const struct sql_column *column);
/* An expression, or DEFAULT of the column; NULL: there is no column that it could mean. */
struct bound_expr *bind_or_default(struct binder *b, struct scope *scope,
                                   const struct sql_expr *expr, const struct sql_column *column);

/* bind_call.c */
struct bound_expr *bind_call(struct binder *b, struct scope *scope, const struct sql_expr *expr);
/* A function by name over bound arguments. */
struct bound_expr *bind_function(struct binder *b, struct sql_pos pos, const char *name,
                                 struct bound_expr **args, size_t count);
struct bound_expr *bind_function2(struct binder *b, struct sql_pos pos, const char *name,
                                  struct bound_expr *left, struct bound_expr *right);

/* functions.c: the first line of `name` that takes these arguments, which are converted in place;
 * the result's type. Fails with the signatures. */
const struct sql_function *function_match(struct binder *b, struct sql_pos pos, const char *name,
                                          struct bound_expr **args, size_t count,
                                          const struct sql_type **type);

/* bind_from.c */
struct bound_source *bind_from(struct binder *b, struct scope *scope, const struct sql_from *from);
struct bound_source *bind_table(struct binder *b, const struct sql_name *name,
                                const struct sql_from *from, const struct sql_table **table);
/* All leaves below become nullable: the other side of an outer join may have no match. */
void bind_make_nullable(struct binder *b, struct bound_source *source);
void scope_add(struct binder *b, struct scope *scope, struct bound_source *source);

/* bind_window.c: TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ...)) as the query it means. */
struct sql_bound *bind_tvf(struct binder *b, struct scope *outer, const struct sql_from *from,
                           struct bound_tvf **window);

/* bind_group_window.c: GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), HOP, SESSION: the legacy group
 * windows. `from` becomes its rows with the windows each lies in. NULL: the element is none. */
struct group_window;
struct group_window *bind_group_window(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr, struct bound_source **from);
/* Column 0: the window's start, 1: its end. */
struct bound_expr *group_window_bound(struct binder *b, struct sql_pos pos,
                                      const struct group_window *window, size_t column);
/* TUMBLE_START(...) and its like; NULL: the call is none of them. */
struct bound_expr *bind_group_window_call(struct binder *b, struct scope *scope,
                                          const struct sql_expr *expr, const char *name);

/* Enters the text of a view, where positions of the statement mean nothing; true: the outermost. */
bool bind_view_enter(struct binder *b, const char *view, struct sql_pos pos);
void bind_view_leave(struct binder *b, bool outermost);

/* bind_query.c */
/* SELECT over `query` that gives its columns the types and names of `outputs`. */
struct sql_bound *bind_outputs(struct binder *b, struct sql_bound *query, const size_t *from,
                               const struct sql_output *outputs, size_t count);
struct bound_source *bind_around(struct binder *b, struct sql_bound *query); /* (query) in FROM */
struct sql_bound *bind_query(struct binder *b, struct scope *outer, const struct sql_query *query);
struct bound_order *bind_orders(struct binder *b, struct scope *scope,
                                const struct sql_orders *orders);

/* plan.c */
/* The query of an INSERT with the target's columns as its outputs. */
struct sql_bound *bind_insert(struct binder *b, const struct sql_insert *insert,
                              const struct sql_table **target);
/* A value that may be null, for a column that may not: NULL is an error then. */
struct bound_expr *bind_not_null(struct binder *b, struct bound_expr *value, const char *column,
                                 const char *table);

/* passes.c */
bool bound_passes(const struct sql_bound *query, const struct sql_table *source);

/* Runs `step` with a binder that leaves here on failure. */
int bind_run(const struct sql_resolver *resolver, struct arena *arena, struct err *err,
             void (*step)(struct binder *b, void *arg), void *arg);

#endif
