/* plan_subquery.c - IN, EXISTS and queries used as values, as joins.
 *
 * [NOT] IN and [NOT] EXISTS that AND holds together with the rest of WHERE are semi and anti joins;
 * a value is a left join with the one row there is. What a subquery says of the query around it
 * becomes the join's condition: its equalities are keys. An aggregate that is asked for each outer
 * row is computed per key, once.
 */
#include "sql/plan_int.h"

/* ---- what the subquery says of the query around it ------------------------------------------- */

static bool names_only(const struct bound_expr *expr, const struct rel *inner)
{
    if (expr->kind == BOUND_COLUMN)
        return plan_within(expr, inner);
    for (size_t i = 0; i < expr->arg_count; i++)
        if (!names_only(expr->args[i], inner))
            return false;
    return !expr->filter || names_only(expr->filter, inner);
}

/* Takes the conditions that name outer columns out of the subquery's WHERE. */
static void lift(struct planner *p, struct sql_bound *query, struct conds *lifted)
{
    struct rel inner = {NULL, query->from};
    struct conds all;

    plan_split(p, query->where, &all);
    *lifted = (struct conds){BIND_ARRAY(p->b, struct cond, all.count + 1), 0};
    for (size_t i = 0; i < all.count; i++) {
        if (!query->from || names_only(all.list[i].expr, &inner))
            continue;
        lifted->list[lifted->count++].expr = all.list[i].expr;
        all.list[i].done = true;
    }
    if (lifted->count)
        query->where = plan_rest(p, &all);
}

static bool is_plain(const struct sql_bound *q)
{
    if (q->kind != QUERY_SELECT || q->aggregated || q->distinct || q->qualify || q->limit ||
        q->offset || !q->from)
        return false;
    for (size_t i = 0; i < q->output_count; i++)
        if (plan_has_over(q->items[i]) || plan_has_query(q->items[i]))
            return false;
    return true;
}

/* The whole query as a source whose columns are its outputs. */
static struct rel whole(struct planner *p, struct sql_bound *query)
{
    struct rel rel = {.node = plan_query(p, query)};

    rel.from = bind_around(p->b, query);
    for (size_t i = 0; i < rel.from->column_count; i++)
        rel.from->columns[i].used = true;
    return rel;
}

static void refuse_lifted(struct planner *p, const struct conds *lifted)
{
    if (lifted->count)
        plan_refuse(p, lifted->list[0].expr->pos,
                    "a subquery of this kind that names columns of the query around it");
}

/* ---- IN and EXISTS --------------------------------------------------------------------------- */

/* The [NOT] IN or [NOT] EXISTS that a condition is; NULL: none. */
static struct bound_expr *membership(struct bound_expr *cond, bool *negated)
{
    const char *name = plan_function(cond);

    *negated = false;
    while (name && !strcmp(name, "NOT")) {
        *negated = !*negated;
        cond = cond->args[0];
        name = plan_function(cond);
    }
    if (!cond->query || (cond->kind != BOUND_IN && cond->kind != BOUND_EXISTS))
        return NULL;
    *negated ^= cond->negated;
    return cond;
}

static struct rel member_rows(struct planner *p, struct sql_bound *query, bool plain)
{
    struct own_windows none = {0};

    return plain ? plan_select_from(p, query, &none) : whole(p, query);
}

/* The other conditions of WHERE go below the join. */
static void sink_rest(struct joining *j, struct conds *conds)
{
    for (size_t i = 0; conds && i < conds->count; i++) {
        struct cond *cond = &conds->list[i];

        if (cond->done || !plan_within(cond->expr, &j->left))
            continue;
        shape_where(&j->ls, cond->expr);
        cond->done = true;
    }
}

static void plan_member(struct planner *p, struct bound_expr *expr, bool negated, struct rel *rel,
                        struct conds *conds)
{
    struct sql_bound *query = expr->query;
    bool plain = is_plain(query);
    struct conds lifted = {0};
    struct bound_expr *value;
    struct rel right;
    struct joining j;

    if (query->kind == QUERY_SELECT && query->from)
        lift(p, query, &lifted);
    if (!plain)
        refuse_lifted(p, &lifted);
    right = member_rows(p, query, plain);
    joining_init(&j, p, expr->pos, negated ? SQL_FLOW_ANTI : SQL_FLOW_SEMI, rel, &right);
    sink_rest(&j, conds);
    if (plain)
        shape_where(&j.rs, query->where);
    if (expr->kind == BOUND_IN) {
        value = plain ? query->items[0] : bound_column(p->b, expr->pos, right.from, 0);
        j.out.null_aware = negated && (value->type->nullable || expr->args[0]->type->nullable);
        joining_cond(&j, bind_function2(p->b, expr->pos, "=", expr->args[0], value));
    }
    for (size_t i = 0; i < lifted.count; i++)
        joining_cond(&j, lifted.list[i].expr);
    *rel = joining_done(&j);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* SINGLE_VALUE of the only column: a second row is an error. */
static struct sql_node *single_row(struct planner *p, struct sql_node *below, struct sql_pos pos)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_AGGREGATE, pos, 1);
    struct sql_flow_call *call = BIND_NEW(p->b, struct sql_flow_call);

    *call = (struct sql_flow_call){
        .what = SQL_FLOW_SINGLE_VALUE, .arg2 = -1, .filter = -1, .keep_nulls = true};
    node->aggregate.keys = BIND_ARRAY(p->b, size_t, 1);
    node->aggregate.calls = call;
    node->aggregate.call_count = 1;
    node->aggregate.rowtime = node->aggregate.window_start = node->aggregate.window_end = -1;
    node->aggregate.at_end = p->options->batch;
    node->changes = !p->options->batch;
    plan_node_column(p, node, bind_nullable(p->b, below->columns[0].type, true), BOUND_TIMELESS);
    plan_node_inputs(p, node, below, NULL);
    return node;
}

static bool is_count(const struct bound_expr *expr)
{
    const char *name;

    while (expr->kind == BOUND_CAST && expr->implicit)
        expr = expr->args[0];
    name = plan_function(expr);
    return name && !expr->over &&
           (!strcmp(name, "COUNT") || !strcmp(name, "APPROX_COUNT_DISTINCT"));
}

static bool has_count(const struct bound_expr *expr)
{
    if (is_count(expr))
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (has_count(expr->args[i]))
            return true;
    return false;
}

/* GROUP BY the inner sides of the lifted equalities, which become outputs too. */
static void group_by_lifted(struct planner *p, struct sql_bound *q, struct conds *lifted)
{
    struct rel inner = {NULL, q->from};
    size_t n = q->output_count, count = lifted->count;
    struct bound_expr **items = BIND_ARRAY(p->b, struct bound_expr *, n + count);
    struct sql_output *outputs = BIND_ARRAY(p->b, struct sql_output, n + count);

    memcpy(items, q->items, n * sizeof(struct bound_expr *));
    memcpy(outputs, q->outputs, n * sizeof(*outputs));
    q->groups = BIND_ARRAY(p->b, struct bound_group, count);
    for (size_t i = 0; i < count; i++) {
        struct bound_expr *cond = lifted->list[i].expr;
        const char *name = plan_function(cond);
        int side = !name || strcmp(name, "=") != 0     ? -1
                   : names_only(cond->args[0], &inner) ? 0
                   : names_only(cond->args[1], &inner) ? 1
                                                       : -1;

        if (side < 0)
            plan_refuse(p, cond->pos,
                        "an aggregate that is compared with the query around it "
                        "otherwise than by equality");
        items[n + i] = cond->args[side];
        outputs[n + i] = (struct sql_output){"$key", cond->args[side]->type};
        q->groups[i] = (struct bound_group){.kind = SQL_GROUP_EXPR, .expr = cond->args[side]};
        lifted->list[i].expr = cond->args[1 - side]; /* what is left: the outer side */
    }
    q->items = items;
    q->outputs = outputs;
    q->output_count = n + count;
    q->group_count = count;
}

static void plan_value(struct planner *p, struct bound_expr *expr, struct rel *rel,
                       struct conds *conds)
{
    struct sql_bound *q = expr->query;
    bool one_row = q->kind == QUERY_SELECT && q->aggregated && !q->group_count && !q->having;
    bool counts = one_row && has_count(q->items[0]), count = one_row && is_count(q->items[0]);
    struct conds lifted = {0};
    struct bound_expr *value;
    struct rel right;
    struct joining j;

    if (q->kind == QUERY_SELECT && q->from)
        lift(p, q, &lifted);
    if (lifted.count && !one_row)
        refuse_lifted(p, &lifted);
    if (lifted.count)
        group_by_lifted(p, q, &lifted);
    if (counts && !count)
        plan_refuse(p, expr->pos, "a subquery that computes with COUNT");
    right = whole(p, q);
    if (!one_row)
        right = plan_feed(p, single_row(p, plan_materialize(p, q, &right, false), expr->pos));
    joining_init(&j, p, expr->pos, SQL_FLOW_LEFT, rel, &right);
    sink_rest(&j, conds);
    for (size_t i = 0; i < lifted.count; i++)
        joining_cond(&j, bind_function2(p->b, expr->pos, "=", lifted.list[i].expr,
                                        bound_column(p->b, expr->pos, right.from, 1 + i)));
    value = bound_column(p->b, expr->pos, right.from, 0);
    *rel = joining_done(&j);
    value->type = bind_nullable(p->b, value->type, true);
    if (count) /* of no rows: 0 */
        value = bind_function2(p->b, expr->pos, "COALESCE", value,
                               bind_convert(p->b, plan_int(p, expr->pos, 0), value->type));
    value->pos = expr->pos;
    *expr = *value;
}

/* ---- where they stand ------------------------------------------------------------------------ */

static void plan_values(struct planner *p, struct bound_expr *expr, struct rel *rel,
                        struct conds *conds)
{
    if (expr->kind == BOUND_SUBQUERY) {
        plan_value(p, expr, rel, conds);
        return;
    }
    if (expr->query)
        plan_refuse(p, expr->pos,
                    expr->kind == BOUND_IN ? "IN (query) other than in a condition of WHERE"
                                           : "EXISTS other than in a condition of WHERE");
    for (size_t i = 0; i < expr->arg_count; i++)
        plan_values(p, expr->args[i], rel, conds);
    if (expr->filter)
        plan_values(p, expr->filter, rel, conds);
}

void plan_subqueries(struct planner *p, struct sql_bound *q, struct rel *rel, struct conds *conds)
{
    bool negated;

    for (size_t i = 0; i < conds->count; i++) {
        struct bound_expr *cond = conds->list[i].expr, *member = membership(cond, &negated);

        if (conds->list[i].done || !plan_has_query(cond))
            continue;
        if (!member) {
            plan_values(p, cond, rel, conds);
            continue;
        }
        plan_member(p, member, negated, rel, conds);
        conds->list[i].done = true;
    }
    for (size_t i = 0; i < q->output_count; i++)
        plan_values(p, q->items[i], rel, conds);
    if (q->having)
        plan_values(p, q->having, rel, conds);
}
