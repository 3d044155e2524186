/* plan_subquery.c - IN, EXISTS and queries used as values, as joins.
 *
 * [NOT] IN and [NOT] EXISTS that AND holds together with the rest of a condition are semi and anti
 * joins. Anywhere else they are values: a join marks the row (plan_mark.c). A query used as a value
 * is a left join with the one row there is. What a subquery says of the query around it becomes the
 * join's condition: its equalities are keys. An aggregate that is asked for each outer row is
 * computed per key, once.
 */
#include "sql/plan_int.h"

/* ---- what the subquery says of the query around it ------------------------------------------- */

_Noreturn static void refuse_outer(struct planner *p, const struct bound_expr *outer)
{
    const struct bound_source *source = outer->source;

    bind_fail(p->b, ERR_UNSUPPORTED, outer->pos,
              "`%s` is a column of the query around: on a stream a subquery compares such columns "
              "in its WHERE, under AND alone",
              outer->column < source->column_count ? source->columns[outer->column].name : "?");
}

/* Takes the conditions that name outer columns out of the subquery's WHERE. */
static void lift(struct planner *p, struct sql_bound *query, const struct plan_inside *in,
                 struct conds *lifted)
{
    struct conds all;

    *lifted = (struct conds){0};
    if (query->kind != QUERY_SELECT || !query->from)
        return;
    plan_split(p, query->where, &all);
    lifted->list = BIND_ARRAY(p->b, struct cond, all.count + 1);
    for (size_t i = 0; i < all.count; i++) {
        const struct bound_expr *outer = plan_outer(in, all.list[i].expr);

        if (!outer)
            continue;
        if (plan_has_query(all.list[i].expr))
            refuse_outer(p, outer);
        lifted->list[lifted->count++].expr = all.list[i].expr;
        all.list[i].done = true;
    }
    if (lifted->count)
        query->where = plan_rest(p, &all);
}

static bool has_over(const struct sql_bound *q)
{
    for (size_t i = 0; i < q->output_count; i++)
        if (plan_has_over(q->items[i]))
            return true;
    return q->qualify != NULL;
}

static bool is_plain(const struct sql_bound *q)
{
    if (q->kind != QUERY_SELECT || q->aggregated || q->distinct || q->limit || q->offset ||
        !q->from || has_over(q))
        return false;
    for (size_t i = 0; i < q->output_count; i++)
        if (plan_has_query(q->items[i]))
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

/* The side of an equality that is of the query's own rows; -1: it is no such equality. */
static int inner_side(const struct plan_inside *in, const struct bound_expr *cond)
{
    const char *name = plan_function(cond);

    if (!name || strcmp(name, "=") != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (!plan_outer(in, cond->args[i]) && plan_outer(in, cond->args[1 - i]))
            return i;
    return -1;
}

static void put_output(struct planner *p, struct sql_bound *q, struct bound_expr *item)
{
    size_t n = q->output_count;
    struct bound_expr **items = BIND_ARRAY(p->b, struct bound_expr *, n + 1);
    struct sql_output *outputs = BIND_ARRAY(p->b, struct sql_output, n + 1);

    memcpy(items, q->items, n * sizeof(struct bound_expr *));
    memcpy(outputs, q->outputs, n * sizeof(*outputs));
    items[n] = item;
    outputs[n] = (struct sql_output){"$key", item->type};
    q->items = items;
    q->outputs = outputs;
    q->output_count = n + 1;
}

/* The inner sides of the lifted equalities become the query's last outputs, and groups of what it
 * groups; the outer sides are what is left of the conditions. */
static void split_by_key(struct planner *p, struct sql_bound *q, const struct plan_inside *in,
                         struct conds *lifted)
{
    struct bound_group *groups =
        BIND_ARRAY(p->b, struct bound_group, q->group_count + lifted->count);

    if (q->group_count)
        memcpy(groups, q->groups, q->group_count * sizeof(*groups));
    for (size_t i = 0; i < lifted->count; i++) {
        struct bound_expr *cond = lifted->list[i].expr;
        int side = inner_side(in, cond);

        if (side < 0)
            plan_refuse(p, cond->pos,
                        "an aggregate that is compared with the query around it otherwise than by "
                        "equality");
        if (q->limit || q->offset || has_over(q))
            plan_refuse(p, cond->pos,
                        "LIMIT or OVER in a subquery that names columns of the query around it");
        put_output(p, q, cond->args[side]);
        groups[q->group_count + i] =
            (struct bound_group){.kind = SQL_GROUP_EXPR, .expr = cond->args[side]};
        lifted->list[i].expr = cond->args[1 - side];
    }
    if (q->aggregated) {
        q->groups = groups;
        q->group_count += lifted->count;
    }
}

/* ---- simpler forms --------------------------------------------------------------------------- */

static bool at_least_one(const struct bound_expr *limit)
{
    int64_t n;

    return limit->kind == BOUND_LITERAL && !slice_to_i64(slice_str(limit->text), &n) && n > 0;
}

static bool is_one_row(const struct sql_bound *q)
{
    return q->kind == QUERY_SELECT && q->aggregated && !q->group_count && !q->having && !q->offset;
}

static struct bound_expr *value_of(struct planner *p, struct sql_pos pos, struct sql_bound *q)
{
    struct bound_expr *expr =
        bound_new(p->b, BOUND_SUBQUERY, pos, bind_nullable(p->b, q->items[0]->type, true));

    expr->query = q;
    return expr;
}

/* Of HAVING without GROUP BY: is there the one row? */
static struct bound_expr *holds(struct planner *p, struct sql_pos pos, struct sql_bound *q)
{
    q->items = BIND_ARRAY(p->b, struct bound_expr *, 1);
    q->outputs = BIND_ARRAY(p->b, struct sql_output, 1);
    q->items[0] = q->having;
    q->outputs[0] = (struct sql_output){"$holds", q->having->type};
    q->output_count = 1;
    q->having = NULL;
    return bind_function2(p->b, pos, "IS TRUE", value_of(p, pos, q), NULL);
}

static void negate_into(struct planner *p, struct bound_expr *expr, struct bound_expr *value)
{
    bool negated = expr->negated;
    struct sql_pos pos = expr->pos;

    *expr = negated ? *bind_function2(p->b, pos, "NOT", value, NULL) : *value;
    expr->pos = pos;
}

/* Whether there are rows does not hang on what they are, how many, nor in which order. */
static void simplify(struct planner *p, struct bound_expr *expr)
{
    struct sql_bound *q = expr->query;
    bool exists = expr->kind == BOUND_EXISTS;

    if (!q || q->kind != QUERY_SELECT || expr->kind == BOUND_SUBQUERY)
        return;
    if (!q->offset && (!q->limit || (exists && at_least_one(q->limit)))) {
        q->distinct = false;
        q->order_count = 0;
        q->limit = NULL;
    }
    if (is_one_row(q) && exists && !q->limit)
        negate_into(p, expr, bound_truth(p->b, expr->pos, true));
    else if (exists && q->aggregated && !q->group_count && q->having && !q->limit && !q->offset)
        negate_into(p, expr, holds(p, expr->pos, q));
    else if (is_one_row(q) && !exists && expr->arg_count == 1 && !q->limit)
        negate_into(p, expr,
                    bind_function2(p->b, expr->pos, "=", expr->args[0], value_of(p, expr->pos, q)));
}

static bool simplify_each(void *arg, struct bound_expr *expr)
{
    simplify(arg, expr);
    return true;
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

void plan_member(struct planner *p, struct bound_expr *expr, struct member *out)
{
    struct sql_bound *query = expr->query;
    struct own_windows none = {0};
    const struct bound_expr *outer;
    struct plan_inside in;
    struct sql_bound rest;
    size_t n = query->output_count;

    *out = (struct member){.p = p, .expr = expr, .plain = is_plain(query)};
    plan_inside(p, query, &in);
    lift(p, query, &in, &out->lifted);
    rest = *query;
    if (out->plain)
        rest.output_count = 0; /* its items may: they are compared pair by pair */
    outer = plan_outer_query(&in, &rest);
    if (outer)
        refuse_outer(p, outer);
    if (!out->plain && out->lifted.count)
        split_by_key(p, query, &in, &out->lifted);
    out->right = out->plain ? plan_select_from(p, query, &none) : whole(p, query);
    out->where = out->plain ? query->where : NULL;
    out->value_count = expr->kind == BOUND_IN ? n : 0;
    out->values = BIND_ARRAY(p->b, struct bound_expr *, n + 1);
    for (size_t i = 0; i < out->value_count; i++)
        out->values[i] =
            out->plain ? query->items[i] : bound_column(p->b, expr->pos, out->right.from, i);
    for (size_t i = 0; !out->plain && i < out->lifted.count; i++)
        out->lifted.list[i].expr =
            bind_function2(p->b, expr->pos, "=", out->lifted.list[i].expr,
                           bound_column(p->b, expr->pos, out->right.from, n + i));
}

bool plan_member_nullable(const struct member *m)
{
    for (size_t i = 0; i < m->value_count; i++)
        if (m->values[i]->type->nullable || m->expr->args[i]->type->nullable)
            return true;
    return false;
}

void plan_sink_rest(struct joining *j, struct conds *conds)
{
    for (size_t i = 0; conds && i < conds->count; i++) {
        struct cond *cond = &conds->list[i];

        if (cond->done || !plan_within(cond->expr, &j->left))
            continue;
        shape_where(&j->ls, cond->expr);
        cond->done = true;
    }
}

static void semi_join(struct planner *p, struct member *m, bool negated, bool null_aware,
                      struct rel *rel, struct conds *conds)
{
    struct joining j;

    joining_init(&j, p, m->expr->pos, negated ? SQL_FLOW_ANTI : SQL_FLOW_SEMI, rel, &m->right);
    j.out.null_aware = null_aware;
    plan_sink_rest(&j, conds);
    shape_where(&j.rs, m->where);
    for (size_t i = 0; i < m->value_count; i++)
        joining_cond(&j, bind_function2(p->b, m->expr->pos, "=", m->expr->args[i], m->values[i]));
    for (size_t i = 0; i < m->lifted.count; i++)
        joining_cond(&j, m->lifted.list[i].expr);
    *rel = joining_done(&j);
}

/* NOT IN over values that may be NULL: of one column, and asked once for all rows, it is a join of
 * its own; else a mark. */
static bool is_own_join(const struct planner *p, const struct member *m)
{
    return m->value_count == 1 && !m->lifted.count && !p->options->ttl_ms &&
           (!p->hints || !p->hints->count);
}

/* The condition is done, unless it is true that it has become one of single rows. */
static bool plan_semi(struct planner *p, struct bound_expr *expr, bool negated, struct rel *rel,
                      struct conds *conds)
{
    struct member m;
    bool unknown;

    plan_member(p, expr, &m);
    unknown = negated && plan_member_nullable(&m);
    if (unknown && !is_own_join(p, &m)) {
        plan_mark(&m, false, rel, conds);
        return false;
    }
    semi_join(p, &m, negated, unknown, rel, conds);
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* SINGLE_VALUE of the first column, per key, which the others are: a second row is an error. */
static struct sql_node *single_row(struct planner *p, struct sql_node *below, struct sql_pos pos)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_AGGREGATE, pos, below->column_count);
    struct sql_flow_call *call = BIND_NEW(p->b, struct sql_flow_call);
    size_t keys = below->column_count - 1;

    *call = (struct sql_flow_call){
        .what = SQL_FLOW_SINGLE_VALUE, .arg2 = -1, .filter = -1, .keep_nulls = true};
    node->aggregate.keys = BIND_ARRAY(p->b, size_t, keys + 1);
    for (size_t i = 0; i < keys; i++) {
        node->aggregate.keys[node->aggregate.key_count++] = 1 + i;
        plan_node_column(p, node, below->columns[1 + i].type, BOUND_TIMELESS);
    }
    node->aggregate.calls = call;
    node->aggregate.call_count = 1;
    node->aggregate.rowtime = node->aggregate.window_start = node->aggregate.window_end = -1;
    node->aggregate.at_end = p->options->batch;
    node->changes = !p->options->batch;
    plan_node_column(p, node, bind_nullable(p->b, below->columns[0].type, true), BOUND_TIMELESS);
    plan_node_inputs(p, node, below, NULL);
    return node;
}

static bool is_call(const struct bound_expr *expr)
{
    return expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE && !expr->over;
}

static bool is_count(const struct bound_expr *expr)
{
    return is_call(expr) && (!strcmp(expr->function->name, "COUNT") ||
                             !strcmp(expr->function->name, "APPROX_COUNT_DISTINCT"));
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

/* What it is of no rows: a count is 0, all else NULL. */
static struct bound_expr *of_no_rows(struct planner *p, struct bound_expr *expr)
{
    struct bound_expr *copy;

    if (is_count(expr))
        return bind_convert(p->b, bound_int(p->b, expr->pos, 0), expr->type);
    if (is_call(expr))
        return bound_null(p->b, expr->pos, expr->type);
    copy = BIND_NEW(p->b, struct bound_expr);
    *copy = *expr;
    copy->args = BIND_ARRAY(p->b, struct bound_expr *, expr->arg_count + 1);
    for (size_t i = 0; i < expr->arg_count; i++)
        copy->args[i] = of_no_rows(p, expr->args[i]);
    return copy;
}

struct value {
    struct bound_expr *expr;
    struct conds lifted;
    struct bound_expr *none; /* what it is where there are no rows; NULL: NULL */
    struct rel right;
    size_t at, hit,
        keys; /* columns of the right: the value; TRUE, if the value may be NULL; keys */
};

static void value_rows(struct planner *p, struct value *v)
{
    struct sql_bound *q = v->expr->query;
    bool one_row = is_one_row(q) && (!q->limit || at_least_one(q->limit));
    const struct bound_expr *outer;
    struct plan_inside in;

    if (one_row) {
        q->limit = NULL;
        q->order_count = 0;
    }
    plan_inside(p, q, &in);
    lift(p, q, &in, &v->lifted);
    outer = plan_outer_query(&in, q);
    if (outer)
        refuse_outer(p, outer);
    if (one_row && has_count(q->items[0]))
        v->none = of_no_rows(p, q->items[0]);
    if (v->none && q->items[0]->type->nullable) {
        v->hit = q->output_count;
        put_output(p, q, bound_truth(p->b, v->expr->pos, true));
    }
    v->keys = q->output_count;
    if (v->lifted.count && q->distinct && !q->limit)
        q->distinct = false;
    split_by_key(p, q, &in, &v->lifted);
    v->right = whole(p, q);
    if (one_row)
        return;
    v->right = plan_feed(p, single_row(p, plan_materialize(p, q, &v->right, false), v->expr->pos));
    v->at = v->lifted.count;
    v->keys = 0;
}

static struct bound_expr *or_none(struct planner *p, const struct value *v,
                                  struct bound_expr *value, struct bound_expr *hit)
{
    struct bound_expr *none = bind_convert(p->b, v->none, value->type);
    struct bound_expr *either = bound_new(p->b, BOUND_CASE, value->pos, value->type);

    if (!hit)
        return bind_function2(p->b, value->pos, "COALESCE", value, none);
    either->args = BIND_ARRAY(p->b, struct bound_expr *, 3);
    either->arg_count = 3;
    hit->type = bind_nullable(p->b, hit->type, true);
    either->args[0] = bind_function2(p->b, value->pos, "IS NULL", hit, NULL);
    either->args[1] = none;
    either->args[2] = value;
    return either;
}

static void plan_value(struct planner *p, struct bound_expr *expr, struct rel *rel,
                       struct conds *conds)
{
    struct value v = {.expr = expr};
    struct bound_expr *value, *hit = NULL;
    struct sql_pos pos = expr->pos;
    struct joining j;

    value_rows(p, &v);
    joining_init(&j, p, pos, SQL_FLOW_LEFT, rel, &v.right);
    plan_sink_rest(&j, conds);
    for (size_t i = 0; i < v.lifted.count; i++)
        joining_cond(&j, bind_function2(p->b, pos, "=", v.lifted.list[i].expr,
                                        bound_column(p->b, pos, v.right.from, v.keys + i)));
    value = bound_column(p->b, pos, v.right.from, v.at);
    if (v.hit)
        hit = bound_column(p->b, pos, v.right.from, v.hit);
    *rel = joining_done(&j);
    value->type = bind_nullable(p->b, value->type, true);
    if (v.none)
        value = or_none(p, &v, value, hit);
    *expr = *value;
    expr->pos = pos;
}

/* ---- where they stand ------------------------------------------------------------------------ */

/* `cond`: a value that is not known is as good as FALSE. */
static void plan_values(struct planner *p, struct bound_expr *expr, bool cond, struct rel *rel,
                        struct conds *conds)
{
    const char *name = plan_function(expr);
    bool logic = name && (!strcmp(name, "AND") || !strcmp(name, "OR"));
    bool is_true = name && (!strcmp(name, "IS TRUE") || !strcmp(name, "IS NOT TRUE"));
    struct member m;

    for (size_t i = 0; i < expr->arg_count; i++)
        plan_values(p, expr->args[i],
                    (logic && cond) || is_true ||
                        (expr->kind == BOUND_CASE && i % 2 == 0 && i + 1 < expr->arg_count),
                    rel, conds);
    if (expr->filter)
        plan_values(p, expr->filter, true, rel, conds);
    if (expr->kind == BOUND_SUBQUERY) {
        plan_value(p, expr, rel, conds);
    } else if (expr->query) {
        plan_member(p, expr, &m);
        plan_mark(&m, cond && !expr->negated, rel, conds);
    }
}

/* Of an aggregated query: those inside of aggregates; the others stand above the groups. */
static void plan_inner_values(struct planner *p, struct bound_expr *expr, struct rel *rel,
                              struct conds *conds)
{
    if (is_call(expr)) {
        plan_values(p, expr, false, rel, conds);
        return;
    }
    for (size_t i = 0; i < expr->arg_count; i++)
        plan_inner_values(p, expr->args[i], rel, conds);
}

static void plan_conditions(struct planner *p, struct rel *rel, struct conds *conds)
{
    bool negated;

    for (size_t i = 0; i < conds->count; i++) {
        struct bound_expr *cond = conds->list[i].expr, *member;

        if (conds->list[i].done || !plan_has_query(cond))
            continue;
        member = membership(cond, &negated);
        for (size_t k = 0; member && k < member->arg_count; k++)
            plan_values(p, member->args[k], false, rel, conds);
        if (!member)
            plan_values(p, cond, true, rel, conds);
        else
            conds->list[i].done = plan_semi(p, member, negated, rel, conds);
    }
}

static void refuse_groups(struct planner *p, const struct bound_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (groups[i].expr && plan_has_query(groups[i].expr))
            bind_fail(p->b, ERR_UNSUPPORTED, groups[i].expr->pos,
                      "a subquery in GROUP BY: name it in a subquery in FROM");
        refuse_groups(p, groups[i].parts, groups[i].count);
    }
}

static void plan_items(struct planner *p, struct sql_bound *q, struct rel *rel, struct conds *conds)
{
    void (*inner)(struct planner *, struct bound_expr *, struct rel *, struct conds *) =
        plan_inner_values;

    refuse_groups(p, q->groups, q->group_count);
    for (size_t i = 0; i < q->output_count; i++)
        if (q->aggregated)
            inner(p, q->items[i], rel, conds);
        else
            plan_values(p, q->items[i], false, rel, conds);
    if (q->having)
        inner(p, q->having, rel, conds);
    for (size_t i = 0; i < q->order_count; i++)
        if (q->order[i].expr && q->aggregated)
            inner(p, q->order[i].expr, rel, conds);
        else if (q->order[i].expr)
            plan_values(p, q->order[i].expr, false, rel, conds);
}

void plan_subqueries(struct planner *p, struct sql_bound *q, struct rel *rel, struct conds *conds)
{
    const struct plan_walk simpler = {simplify_each, NULL, p};
    struct sql_bound own = *q;

    own.from = NULL; /* which is planned already */
    plan_each(&own, &simpler);
    for (size_t i = 0; i < conds->count; i++)
        plan_each_expr(conds->list[i].expr, &simpler);
    plan_conditions(p, rel, conds);
    plan_items(p, q, rel, conds);
}

/* ---- ON -------------------------------------------------------------------------------------- */

/* Conditions of ON whose subqueries name one side alone: they become conditions and marks of that
 * side's rows. Left are those that name both. */
void plan_on_subqueries(struct planner *p, struct conds *on, struct rel *left, struct rel *right,
                        const struct plan_sides *sides)
{
    const struct plan_walk simpler = {simplify_each, NULL, p};

    for (size_t i = 0; i < on->count; i++) {
        struct bound_expr *cond = on->list[i].expr, *member;
        bool of_left, of_right, negated;
        struct rel *rel;

        if (!plan_has_query(cond))
            continue;
        plan_each_expr(cond, &simpler);
        of_left = plan_names(cond, left);
        of_right = plan_names(cond, right);
        if (!plan_has_query(cond) || (of_left && of_right))
            continue;
        rel = of_right ? right : left;
        if (of_right && sides->right_stays)
            plan_refuse(p, cond->pos, "a subquery about a table as of a time");
        member = membership(cond, &negated);
        if (member && (of_right ? sides->right_filters : sides->left_filters))
            on->list[i].done = plan_semi(p, member, negated, rel, NULL);
        else
            plan_values(p, cond, true, rel, NULL);
    }
}

/* What is left of them, above an inner join. */
void plan_late_conditions(struct planner *p, struct conds *late, struct rel *rel)
{
    struct bound_expr *where;
    struct shape shape;
    struct moves moves;
    struct rel feed;

    plan_conditions(p, rel, late);
    where = plan_rest(p, late);
    if (!where)
        return;
    shape_init(&shape, p, rel);
    shape_where(&shape, where);
    shape_take(&shape, &moves);
    feed = plan_feed(p, shape_done(&shape, where->pos));
    plan_move(p, &moves, &feed, 0);
    *rel = feed;
}
