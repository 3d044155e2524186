/* plan_int.h - what the files of the planner share.
 *
 * Planning walks the bound query from its tables up and changes it in place. At each step it holds
 * a `rel`: a node, and a tree of sources over that node's rows which only does what can be done row
 * by row (subqueries that project and filter, UNNEST). What needs an operator first makes a SELECT
 * node of the rel, through a `shape`: the columns that it and everything above it need. Then the
 * operator's own node stands on top, and the sources below are *moved*: whoever names their columns
 * from now on means columns of the new node's output (bound_at follows). So no expression is
 * rewritten because of a join, and a SELECT's text is printed when its node is made, before its
 * sources move.
 *
 *   plan.c            INSERT: the target's columns; all of it
 *   plan_use.c        which columns are read by anybody; filters on row numbers go to their SELECT
 *   plan_node.c       nodes, feeds, shapes, time attributes
 *   plan_from.c       FROM: tables, subqueries, UNNEST
 *   plan_query.c      SELECT, set operations, VALUES, DISTINCT, ORDER BY, LIMIT
 *   plan_join.c       joins of two streams; plan_join_time.c: those that go by time
 *   plan_subquery.c   IN, EXISTS, scalar subqueries; plan_mark.c: those that are values
 *   plan_walk.c       all expressions of a query
 *   plan_aggregate.c  GROUP BY and windows; plan_call.c: the calls; plan_sets.c: GROUPING SETS
 *   plan_rank.c       ROW_NUMBER of top-N; plan_over.c: OVER
 *   plan_share.c      what is asked for twice is made once
 *   plan_explain.c    the tree as text
 */
#ifndef SQL_PLAN_INT_H
#define SQL_PLAN_INT_H

#include "sql/bound.h"
#include "sql/flow.h"

struct plan_node {
    struct sql_node node;   /* first */
    enum bound_time *times; /* per column */
    bool *settled;          /* likewise: plan_settled */
    size_t column_max;
    const struct bound_source *leaf; /* SCAN: as it is bound */
};

struct plan_read {
    const struct sql_table *table;
    struct sql_flow_read read;
};

struct planner {
    struct binder *b;
    struct plan_read *reads; /* columns that texts name, each once; also those of feeds */
    size_t read_count, read_max;
    bool nomem; /* for those, while a text was printed */
    const struct sql_plan_options *options;
    struct plan_node **scans;
    size_t scan_count, scan_max;
    bool by_time;                  /* some node goes by watermarks */
    bool in_marks;                 /* what is printed says what a watermark is */
    const struct sql_hints *hints; /* of the SELECT under way; or NULL */
};

struct rel {
    struct sql_node *node;
    struct bound_source *from; /* over the node's rows */
};

/* A condition of an AND; `done`: somebody below sees to it. */
struct cond {
    struct bound_expr *expr;
    bool done;
};
struct conds {
    struct cond *list;
    size_t count;
};

_Noreturn void plan_refuse(struct planner *p, struct sql_pos pos, const char *what);

/* ---- nodes (plan_node.c) --------------------------------------------------------------------- */

struct sql_node *plan_node_new(struct planner *p, enum sql_node_kind kind, struct sql_pos pos,
                               size_t column_max);
size_t plan_node_column(struct planner *p, struct sql_node *node, const struct sql_type *type,
                        enum bound_time time);
/* What people call it; NULL: nothing. */
void plan_node_label(struct sql_node *node, size_t column, const char *label);
const char *plan_label(const struct bound_expr *expr);
void plan_node_inputs(struct planner *p, struct sql_node *node, struct sql_node *left,
                      struct sql_node *right);
enum bound_time plan_node_time(const struct sql_node *node, size_t column);
/* The node, whose columns are there, takes rows back at any time: a window that has ended may still
 * lose some, so the bounds of windows are columns like any other from here on. */
void plan_node_takes_back(struct sql_node *node);
/* The node's rows as a source: c0, c1, ... and $row_kind. */
struct rel plan_feed(struct planner *p, struct sql_node *node);
struct bound_expr *plan_column(struct planner *p, struct sql_pos pos, const struct rel *rel,
                               size_t column);

/* What the value means for time. */
enum bound_time plan_time(const struct bound_expr *expr);
/* A time that watermarks bind: no row that comes behind a watermark has one at or before it. That
 * is more than a rowtime says, whose rows may be late: an operator that drops late rows gave it. */
bool plan_settled(const struct bound_expr *expr);
/* What a window's start or end means for time, if the windows are of this time. */
enum bound_time plan_window_bound(const struct bound_expr *time, bool end);
/* A window's end, which is local time, on the scale of watermarks. */
struct bound_expr *plan_window_end(struct planner *p, struct bound_expr *end);

/* The SELECT under an operator. */
struct shape {
    struct planner *p;
    struct rel rel;
    struct bound_expr **items;
    size_t count, cap;
    struct bound_expr *where;
};
void shape_init(struct shape *s, struct planner *p, const struct rel *rel);
size_t shape_put(struct shape *s, struct bound_expr *item); /* its column; the same one again */
void shape_where(struct shape *s, struct bound_expr *condition); /* NULL: none */
struct sql_node *shape_done(struct shape *s, struct sql_pos pos);

/* Where the columns of the leaves of a rel go. */
struct moves {
    struct bound_source **leaves;
    size_t **to;
    size_t count;
};
/* All used columns of the leaves below the shape's rel become columns of it. */
void shape_take(struct shape *s, struct moves *moves);
/* And are those of `feed` from now on, `offset` further right. Again: of another feed. */
void plan_move(struct planner *p, const struct moves *moves, const struct rel *feed, size_t offset);

size_t plan_leaves(struct planner *p, struct bound_source *from, struct bound_source ***out);
/* Does the expression name a column of the rel, in all (any) of its columns? */
bool plan_within(const struct bound_expr *expr, const struct rel *rel);
bool plan_mentions(const struct bound_expr *expr, const struct rel *rel);
bool plan_has_query(const struct bound_expr *expr);
bool plan_has_over(const struct bound_expr *expr);

/* `query`, which is a SELECT over `rel` row by row, as a node: its outputs are the columns. */
struct sql_node *plan_materialize(struct planner *p, struct sql_bound *query, const struct rel *rel,
                                  bool named);
const char *plan_print(struct planner *p, struct sql_bound *query);
/* When all is printed: what is read of a table. */
void plan_reads(struct planner *p, struct sql_flow_scan *scan, const struct sql_table *bound);

struct bound_expr *plan_and(struct planner *p, struct bound_expr *left, struct bound_expr *right);
void plan_split(struct planner *p, struct bound_expr *where, struct conds *out);
struct bound_expr *plan_rest(struct planner *p, const struct conds *conds); /* NULL: all done */
/* The function's name; NULL: it is none. */
const char *plan_function(const struct bound_expr *expr);

struct own_windows;

/* ---- clauses --------------------------------------------------------------------------------- */

/* Marks columns; moves conditions on ROW_NUMBER() into the SELECT that has it, as its QUALIFY. */
void plan_use(struct planner *p, struct sql_bound *query);

struct rel plan_from(struct planner *p, struct bound_source *source, struct conds *conds);
struct rel plan_scan(struct planner *p, struct bound_source *source);
/* The SELECT's FROM and its WHERE, of which what is left stays in query->where. */
struct rel plan_select_from(struct planner *p, struct sql_bound *query,
                            struct own_windows *windows);
struct rel plan_join(struct planner *p, struct bound_source *join, struct conds *conds);
/* `query` becomes a SELECT that does row by row what is left to do; gives the node below it. */
struct sql_node *plan_query(struct planner *p, struct sql_bound *query);
/* In a bounded run: of changes what is left of them at the end. */
struct sql_node *plan_final(struct planner *p, struct sql_pos pos, struct sql_node *below);
/* `query`, planned with `rel` below, becomes SELECT * over `feed`, whose columns are its outputs.
 */
void plan_become(struct planner *p, struct sql_bound *query, const struct rel *feed);

/* Nodes that give the same rows as one before them know it. Before watermarks are added. */
void plan_share(struct planner *p, struct sql_node *root);

/* ---- subqueries (plan_subquery.c) ------------------------------------------------------------ */

/* Joins for the subqueries in conditions and items; of an aggregated query, for those that its
 * groups are made from. */
void plan_subqueries(struct planner *p, struct sql_bound *query, struct rel *rel,
                     struct conds *conds);
struct plan_sides {
    bool left_filters, right_filters; /* rows that do not meet ON are gone */
    bool right_stays;                 /* it is a table, not a stream */
};
void plan_on_subqueries(struct planner *p, struct conds *on, struct rel *left, struct rel *right,
                        const struct plan_sides *sides);
void plan_late_conditions(struct planner *p, struct conds *late, struct rel *rel);

/* IN or EXISTS on its way to a join. */
struct member {
    struct planner *p;
    struct bound_expr *expr;
    bool plain; /* the right is the query's FROM, and `where` its WHERE; else its outputs */
    struct rel right;
    struct bound_expr *where;
    struct bound_expr **values; /* of IN: what expr->args are compared with */
    size_t value_count;
    struct conds lifted; /* what it says of the query around it */
    struct sql_node *shared;
    struct moves moves;
};
void plan_member(struct planner *p, struct bound_expr *expr, struct member *out);
bool plan_member_nullable(const struct member *member);
/* The expression becomes columns of joins (plan_mark.c). */
void plan_mark(struct member *member, bool unknown_is_false, struct rel *rel, struct conds *conds);

/* ---- all expressions (plan_walk.c) ----------------------------------------------------------- */

struct plan_walk {
    bool (*expr)(void *arg, struct bound_expr *expr);       /* false: not into it */
    void (*source)(void *arg, struct bound_source *source); /* of FROM; NULL: none */
    void *arg;
};
void plan_each_expr(struct bound_expr *expr, const struct plan_walk *walk);
void plan_each(struct sql_bound *query, const struct plan_walk *walk);
/* The sources of a query and of all in it. */
struct plan_inside {
    struct planner *p;
    struct bound_source **sources;
    size_t count, max;
};
void plan_inside(struct planner *p, struct sql_bound *query, struct plan_inside *out);
/* A column of a query around it; NULL: none. */
const struct bound_expr *plan_outer(const struct plan_inside *inside, struct bound_expr *expr);
const struct bound_expr *plan_outer_query(const struct plan_inside *inside,
                                          struct sql_bound *query);
/* Does it ask for the CURRENT_WATERMARK? Then it stays where it is written: further down the
 * watermark is another one. */
bool plan_asks_watermark(const struct bound_expr *expr);
/* All that asks for it asks of a rowtime, and those are told. */
void plan_check_watermarks(struct planner *p, struct sql_bound *query);
/* Does the expression, or a query in it, name a column of the rel? */
bool plan_names(struct bound_expr *expr, const struct rel *rel);

/* ---- OVER ------------------------------------------------------------------------------------ */

/* Windowed calls of items and QUALIFY: top-N, deduplication, OVER. */
void plan_over(struct planner *p, struct sql_bound *query, struct rel *rel);
bool plan_rank(struct planner *p, struct sql_bound *query, struct rel *rel); /* false: none */
bool plan_windows_equal(const struct bound_window *a, const struct bound_window *b);
/* ---- joins (plan_join.c) --------------------------------------------------------------------- */

/* Two sides on their way to a JOIN or a LOOKUP. */
struct joining {
    struct planner *p;
    struct sql_pos pos;
    struct rel left, right;
    struct shape ls, rs; /* the SELECTs below */
    struct moves lm, rm;
    struct sql_flow_joining out;
    size_t key_cap;
    struct bound_expr *residual; /* what keys and times do not say */
    bool by_start, by_end;       /* keys have the window's start, its end */
};
void joining_init(struct joining *j, struct planner *p, struct sql_pos pos, enum sql_flow_join kind,
                  const struct rel *left, const struct rel *right);
/* A condition on both sides: a key if it is an equality of one side's with the other's. */
void joining_cond(struct joining *j, struct bound_expr *cond);
void joining_key(struct joining *j, struct bound_expr *left, struct bound_expr *right,
                 bool null_safe);
/* The other conditions of WHERE go below the join's left side. */
void plan_sink_rest(struct joining *j, struct conds *conds);
/* The node's rows; the leaves of both sides are moved there. */
struct rel joining_done(struct joining *j);
/* plan_join_time.c: conditions that bound the time between two rows: marked as done, if the join is
 * one by interval. */
void joining_interval(struct joining *j, struct conds *conds);
void joining_temporal(struct joining *j, const struct bound_source *right);
/* Of a regular join: rows that may be forgotten, by times that its other conditions compare. */
void joining_forgets(struct joining *j);

/* ---- aggregates ------------------------------------------------------------------------------ */

/* Windows that the aggregate's operator makes itself, of the rows of a table function's input. */
struct own_windows {
    const struct bound_source *source; /* whose window columns the query names; NULL: none */
    const struct bound_tvf *tvf;
    struct bound_expr *time;
};
/* If the aggregated query reads such windows: the rows they are of, as `rel`. */
bool plan_windowed_from(struct planner *p, struct sql_bound *query, struct own_windows *windows,
                        struct rel *rel, struct conds *conds);
void plan_aggregate(struct planner *p, struct sql_bound *query, const struct own_windows *windows,
                    struct rel *rel);
/* Rows of `node` as groups of their own: DISTINCT. */
struct sql_node *plan_distinct(struct planner *p, struct sql_node *node, struct sql_pos pos);

/* plan_call.c: calls of an operator over a shape's rows. */
struct calls {
    struct planner *p;
    struct shape *shape;
    struct bound_source *feed; /* of the operator, to be filled in */
    size_t first;              /* column of the first call */
    struct sql_flow_call *list;
    const struct sql_type **types;
    size_t count, cap;
};
/* The value of an aggregate or an OVER call, by what the operator computes. */
struct bound_expr *plan_call(struct calls *calls, const struct bound_expr *call);
/* "sum_amount", "count" */
const char *plan_call_label(struct planner *p, const struct sql_node *below,
                            const struct sql_flow_call *call);

/* An aggregated SELECT on its way to a node. */
struct grouping {
    struct planner *p;
    struct sql_bound *query;
    const struct own_windows *windows;
    struct sql_node *node; /* a draft of what it computes */
    struct shape shape;    /* below it */
    struct calls calls;
    struct bound_source *feed;  /* what stands for its output; filled in at the end */
    struct bound_expr **groups; /* all of GROUP BY, flat */
    size_t group_count;
    struct bound_expr **keys;       /* what the operator groups by, as the query names it */
    struct bound_expr *start, *end; /* the group by window, as the query names it; or NULL */
    /* GROUPING SETS: bit i of a set: it has groups[i]. One set: nothing is expanded. */
    uint64_t *sets;
    size_t set_count;
    struct bound_expr *set; /* the number of the row's set */
};
/* plan_sets.c: the sets; then, with more than one, each row once for each of them. */
void plan_sets(struct grouping *g);
void plan_sets_expand(struct grouping *g);
struct bound_expr *plan_sets_key(struct grouping *g, size_t group); /* NULL where it is left out */
struct bound_expr *plan_sets_grouping(struct grouping *g, const struct bound_expr *call,
                                      struct bound_expr *set);

#endif
