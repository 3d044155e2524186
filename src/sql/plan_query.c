/* plan_query.c - SELECT, set operations, VALUES, DISTINCT, ORDER BY and LIMIT.
 *
 * plan_query leaves behind a SELECT that does row by row what no operator does, and gives the node
 * whose rows it reads.
 */
#include "sql/plan_int.h"

/* ---- ORDER BY, LIMIT ------------------------------------------------------------------------- */

static int64_t count_of(struct planner *p, const struct bound_expr *expr, int64_t absent)
{
    int64_t count;

    if (!expr)
        return absent;
    if (expr->kind != BOUND_LITERAL || slice_to_i64(slice_str(expr->text), &count) || count < 0)
        bind_fail(p->b, ERR_INVALID, expr->pos, "LIMIT and OFFSET of a stream are numbers");
    return count;
}

struct ordering {
    struct sql_flow_order *list;
    size_t count;
    enum bound_time first; /* what the first one is, ascending */
    struct bound_expr *time;
};

static void take_orders(struct planner *p, const struct sql_bound *q, struct shape *shape,
                        struct ordering *out)
{
    out->list = BIND_ARRAY(p->b, struct sql_flow_order, q->order_count + 1);
    for (size_t i = 0; i < q->order_count; i++) {
        const struct bound_order *order = &q->order[i];
        struct bound_expr *expr = order->ordinal ? q->items[order->ordinal - 1] : order->expr;

        if (i == 0 && !order->descending) {
            out->first = plan_time(expr);
            out->time = expr;
        }
        out->list[out->count++] =
            (struct sql_flow_order){shape_put(shape, expr), order->descending, order->nulls_first};
    }
}

/* The node's columns, as they are, through another one. */
static struct sql_node *node_over(struct planner *p, enum sql_node_kind kind, struct sql_pos pos,
                                  struct sql_node *below)
{
    struct sql_node *node = plan_node_new(p, kind, pos, below->column_count + 1);

    for (size_t i = 0; i < below->column_count; i++) {
        plan_node_column(p, node, below->columns[i].type, plan_node_time(below, i));
        plan_node_label(node, i, below->labels[i]);
    }
    plan_node_inputs(p, node, below, NULL);
    node->changes = below->changes;
    return node;
}

struct sql_node *plan_final(struct planner *p, struct sql_pos pos, struct sql_node *below)
{
    struct sql_node *node = below;

    if (p->options->batch && below->changes) {
        node = node_over(p, SQL_NODE_FINAL, pos, below);
        node->changes = false;
    }
    return node;
}

static struct sql_node *sort_node(struct planner *p, const struct sql_bound *q,
                                  struct sql_node *below, const struct ordering *o, int time)
{
    struct sql_pos pos = q->syntax ? q->syntax->order_pos : q->pos;
    bool by_time = o->first == BOUND_ROWTIME && !p->options->batch;
    struct sql_node *node;

    if (!by_time && o->first != BOUND_PROCTIME && !p->options->batch)
        bind_fail(p->b, ERR_INVALID, pos,
                  "Sort on a non-time-attribute field is not supported: a stream has no end. ORDER "
                  "BY a rowtime first, add a LIMIT, or SET 'execution.runtime-mode' = 'batch'");
    if (o->first == BOUND_PROCTIME && o->count == 1 && !p->options->batch)
        return below; /* they come in this order */
    node = node_over(p, SQL_NODE_SORT, pos, plan_final(p, pos, below));
    node->sort.rowtime = by_time ? time : -1;
    node->sort.order = o->list + by_time;
    node->sort.order_count = o->count - by_time;
    p->by_time |= by_time;
    return node;
}

static struct sql_node *limit_node(struct planner *p, const struct sql_bound *q,
                                   struct sql_node *below, const struct ordering *o)
{
    struct sql_pos pos = q->syntax ? q->syntax->limit_pos : q->pos;
    struct sql_node *node = node_over(p, SQL_NODE_RANK, pos, below);
    int64_t skip = count_of(p, q->offset, 0), count = count_of(p, q->limit, INT64_MAX);

    node->rank.order = o->list;
    node->rank.order_count = o->count;
    node->rank.from = skip + 1;
    node->rank.to = count > INT64_MAX - skip ? INT64_MAX : skip + count;
    node->rank.window_end = -1;
    node->rank.order_time = o->count == 1 && o->first == BOUND_ROWTIME;
    if (below->changes || o->count)
        plan_node_takes_back(node);
    return node;
}

static struct sql_node *plan_order(struct planner *p, struct sql_bound *q, struct rel *rel)
{
    bool limited = q->limit || q->offset;
    struct shape shape;
    struct ordering o = {0};
    size_t *at = BIND_ARRAY(p->b, size_t, q->output_count + 1);
    struct sql_node *node;
    struct rel feed;
    int time = -1;

    if (!q->order_count && !limited)
        return rel->node;
    shape_init(&shape, p, rel);
    shape_where(&shape, q->where);
    for (size_t i = 0; i < q->output_count; i++)
        at[i] = shape_put(&shape, q->items[i]);
    take_orders(p, q, &shape, &o);
    if (o.first == BOUND_ROWTIME && !limited)
        time = (int)shape_put(&shape, o.time);
    node = shape_done(&shape, q->pos);
    if (o.count && (!limited || p->options->batch)) {
        node = sort_node(p, q, node, &o, time);
        o.count = 0;
    }
    if (limited)
        node = limit_node(p, q, node, &o);
    feed = plan_feed(p, node);
    plan_become(p, q, &feed);
    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = plan_column(p, q->pos, &feed, at[i]);
    return node;
}

/* ---- set operations -------------------------------------------------------------------------- */

static struct sql_node *side(struct planner *p, struct sql_bound *q)
{
    struct rel rel = {.node = plan_query(p, q)};

    rel.from = q->from;
    return plan_materialize(p, q, &rel, false);
}

static size_t count_inputs(const struct sql_bound *q)
{
    bool flat = q->kind == QUERY_SET && q->op == SQL_SET_UNION && q->all && !q->order_count &&
                !q->limit && !q->offset;

    return flat ? count_inputs(q->left) + count_inputs(q->right) : 1;
}

static void union_inputs(struct planner *p, struct sql_bound *q, struct sql_node *node)
{
    if (count_inputs(q) == 1) {
        node->inputs[node->input_count++] = side(p, q);
        return;
    }
    union_inputs(p, q->left, node);
    union_inputs(p, q->right, node);
}

static struct sql_node *union_node(struct planner *p, struct sql_bound *q)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_UNION, q->pos, q->output_count);
    size_t count = count_inputs(q->left) + count_inputs(q->right);

    node->inputs = BIND_ARRAY(p->b, struct sql_node *, count);
    union_inputs(p, q->left, node);
    union_inputs(p, q->right, node);
    for (size_t i = 0; i < q->output_count; i++) {
        enum bound_time time = plan_node_time(node->inputs[0], i);

        for (size_t k = 1; k < count; k++)
            if (plan_node_time(node->inputs[k], i) != time)
                time = BOUND_TIMELESS;
        plan_node_column(p, node, q->outputs[i].type, time);
        plan_node_label(node, i, q->outputs[i].name);
    }
    for (size_t k = 0; k < count; k++)
        node->changes |= node->inputs[k]->changes;
    return node;
}

static struct sql_node *sets_node(struct planner *p, struct sql_bound *q)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_SETS, q->pos, q->output_count);

    plan_node_inputs(p, node, side(p, q->left), side(p, q->right));
    for (size_t i = 0; i < q->output_count; i++) {
        plan_node_column(p, node, q->outputs[i].type, BOUND_TIMELESS);
        plan_node_label(node, i, q->outputs[i].name);
    }
    node->sets.except = q->op == SQL_SET_EXCEPT;
    node->sets.all = q->all;
    node->changes = true;
    return node;
}

static struct sql_node *plan_set(struct planner *p, struct sql_bound *q)
{
    struct sql_node *node = q->op == SQL_SET_UNION ? union_node(p, q) : sets_node(p, q);

    return q->op == SQL_SET_UNION && !q->all ? plan_distinct(p, node, q->pos) : node;
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

/* Rows that are made of nothing: VALUES, SELECT without FROM. */
static struct sql_node *values_node(struct planner *p, struct sql_bound *q)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_VALUES, q->pos, q->output_count);
    struct sql_bound rows = *q;

    rows.outputs = BIND_ARRAY(p->b, struct sql_output, q->output_count + 1);
    for (size_t i = 0; i < q->output_count; i++) {
        plan_node_column(p, node, q->outputs[i].type, BOUND_TIMELESS);
        rows.outputs[i] = node->columns[i];
    }
    rows.order_count = 0;
    rows.limit = rows.offset = NULL;
    node->select = plan_print(p, &rows);
    return node;
}

/* The SELECT as it now stands, through what wants whole rows of it. */
static struct sql_node *distinct_rows(struct planner *p, struct sql_bound *q, struct rel *rel)
{
    struct bound_order *order = q->order;
    struct bound_expr *limit = q->limit, *offset = q->offset;
    size_t count = q->order_count;

    q->order_count = 0;
    q->limit = q->offset = NULL;
    q->distinct = false;
    *rel = plan_feed(p, plan_distinct(p, plan_materialize(p, q, rel, false), q->pos));
    plan_become(p, q, rel);
    q->order = order; /* by number: DISTINCT orders by its own columns */
    q->order_count = count;
    q->limit = limit;
    q->offset = offset;
    return rel->node;
}

/* Joins for the subqueries of the SELECT over `rel`; what is left of its conditions. */
static void plan_where(struct planner *p, struct sql_bound *q, struct rel *rel, struct conds *conds)
{
    bool any = false;

    plan_subqueries(p, q, rel, conds);
    q->from = rel->from;
    for (size_t i = 0; i < conds->count; i++)
        any |= conds->list[i].done;
    if (any)
        q->where = plan_rest(p, conds);
}

struct rel plan_select_from(struct planner *p, struct sql_bound *q, struct own_windows *windows)
{
    struct conds conds;
    struct rel rel = {0};

    plan_split(p, q->where, &conds);
    if (!q->aggregated || !plan_windowed_from(p, q, windows, &rel, &conds))
        rel = plan_from(p, q->from, &conds);
    plan_where(p, q, &rel, &conds);
    return rel;
}

/* SELECT without FROM whose values are subqueries': over one row of nothing. */
static struct rel plan_no_from(struct planner *p, struct sql_bound *q)
{
    struct sql_bound *row = BIND_NEW(p->b, struct sql_bound);
    struct conds conds;
    struct rel rel;

    row->kind = QUERY_SELECT;
    row->pos = q->pos;
    row->output_count = 1;
    row->outputs = BIND_ARRAY(p->b, struct sql_output, 1);
    row->items = BIND_ARRAY(p->b, struct bound_expr *, 1);
    row->items[0] = bound_int(p->b, q->pos, 1);
    row->outputs[0] = (struct sql_output){"c0", row->items[0]->type};
    rel = plan_feed(p, values_node(p, row));
    plan_split(p, q->where, &conds);
    plan_where(p, q, &rel, &conds);
    return rel;
}

static bool is_constant(const struct sql_bound *q)
{
    bool constant = !q->where || !plan_has_query(q->where);

    for (size_t i = 0; i < q->output_count; i++)
        constant = constant && !plan_has_query(q->items[i]);
    return constant;
}

static struct sql_node *plan_select(struct planner *p, struct sql_bound *q)
{
    const struct sql_hints *hints = p->hints;
    struct own_windows windows = {0};
    struct conds conds;
    struct rel rel;

    if (!q->from && (q->aggregated || q->qualify))
        plan_refuse(p, q->pos, "an aggregate of no table");
    if (!q->from && is_constant(q))
        return values_node(p, q);
    if (q->select)
        p->hints = &q->select->hints;
    rel = q->from ? plan_select_from(p, q, &windows) : plan_no_from(p, q);
    p->hints = hints;
    if (q->aggregated) {
        plan_aggregate(p, q, &windows, &rel);
        plan_split(p, q->where, &conds); /* HAVING, and subqueries above the groups */
        plan_where(p, q, &rel, &conds);
    }
    plan_over(p, q, &rel);
    if (q->distinct)
        distinct_rows(p, q, &rel);
    return plan_order(p, q, &rel);
}

struct sql_node *plan_query(struct planner *p, struct sql_bound *q)
{
    struct bound_order *order = q->order;
    struct bound_expr *limit = q->limit, *offset = q->offset;
    size_t count = q->order_count;
    bool select = q->kind == QUERY_SELECT && q->from;
    struct rel rel;

    bind_enter(p->b, q->pos);
    rel.node = q->kind == QUERY_SET      ? plan_set(p, q)
               : q->kind == QUERY_SELECT ? plan_select(p, q)
                                         : values_node(p, q);
    if (!select) {
        rel = plan_feed(p, rel.node);
        plan_become(p, q, &rel);
        q->order = order;
        q->order_count = count;
        q->limit = limit;
        q->offset = offset;
        rel.node = plan_order(p, q, &rel);
    }
    bind_leave(p->b);
    return rel.node;
}
