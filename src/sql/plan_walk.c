/* plan_walk.c - all expressions of a query, through its FROM and the queries in it; and which of
 * them name columns of a query around it.
 */
#include "sql/plan_int.h"

static void each_list(struct bound_expr **list, size_t count, const struct plan_walk *walk)
{
    for (size_t i = 0; i < count; i++)
        plan_each_expr(list[i], walk);
}

static void each_order(const struct bound_order *order, size_t count, const struct plan_walk *walk)
{
    for (size_t i = 0; i < count; i++)
        plan_each_expr(order[i].expr, walk);
}

void plan_each_expr(struct bound_expr *expr, const struct plan_walk *walk)
{
    if (!expr || !walk->expr(walk->arg, expr))
        return;
    each_list(expr->args, expr->arg_count, walk);
    plan_each_expr(expr->filter, walk);
    each_order(expr->order, expr->order_count, walk);
    if (expr->over) {
        each_list(expr->over->partition, expr->over->partition_count, walk);
        each_order(expr->over->order, expr->over->order_count, walk);
    }
    if (expr->query)
        plan_each(expr->query, walk);
}

static void each_group(const struct bound_group *groups, size_t count, const struct plan_walk *walk)
{
    for (size_t i = 0; i < count; i++) {
        plan_each_expr(groups[i].expr, walk);
        each_group(groups[i].parts, groups[i].count, walk);
    }
}

static void each_source(struct bound_source *source, const struct plan_walk *walk)
{
    if (!source)
        return;
    if (walk->source)
        walk->source(walk->arg, source);
    plan_each_expr(source->array, walk);
    plan_each_expr(source->on, walk);
    plan_each_expr(source->as_of, walk);
    if (source->query)
        plan_each(source->query, walk);
    each_source(source->left, walk);
    each_source(source->right, walk);
}

void plan_each(struct sql_bound *query, const struct plan_walk *walk)
{
    each_source(query->from, walk);
    if (query->kind == QUERY_SELECT)
        each_list(query->items, query->output_count, walk);
    for (size_t i = 0; i < query->row_count; i++)
        each_list(query->rows[i], query->output_count, walk);
    plan_each_expr(query->where, walk);
    each_group(query->groups, query->group_count, walk);
    plan_each_expr(query->having, walk);
    plan_each_expr(query->qualify, walk);
    each_order(query->order, query->order_count, walk);
    if (query->kind == QUERY_SET) {
        plan_each(query->left, walk);
        plan_each(query->right, walk);
    }
}

/* ---- what is inside of a query --------------------------------------------------------------- */

static void put_source(void *arg, struct bound_source *source)
{
    struct plan_inside *in = arg;

    if (in->count == in->max) {
        size_t max = in->max ? in->max * 2 : 16;
        struct bound_source **more = BIND_ARRAY(in->p->b, struct bound_source *, max);

        if (in->count)
            memcpy(more, in->sources, in->count * sizeof(struct bound_source *));
        in->sources = more;
        in->max = max;
    }
    in->sources[in->count++] = source;
}

static bool go_on(void *arg, struct bound_expr *expr)
{
    (void)arg, (void)expr;
    return true;
}

void plan_inside(struct planner *p, struct sql_bound *query, struct plan_inside *out)
{
    *out = (struct plan_inside){.p = p};
    plan_each(query, &(struct plan_walk){go_on, put_source, out});
}

struct finding {
    const struct plan_inside *in;
    const struct bound_expr *found;
};

static bool find_outer(void *arg, struct bound_expr *expr)
{
    struct finding *f = arg;
    bool own = expr->kind != BOUND_COLUMN;

    for (size_t i = 0; i < f->in->count && !own; i++)
        own = f->in->sources[i] == expr->source;
    if (!own && !f->found)
        f->found = expr;
    return !f->found;
}

const struct bound_expr *plan_outer(const struct plan_inside *in, struct bound_expr *expr)
{
    struct finding f = {in, NULL};

    plan_each_expr(expr, &(struct plan_walk){find_outer, NULL, &f});
    return f.found;
}

const struct bound_expr *plan_outer_query(const struct plan_inside *in, struct sql_bound *query)
{
    struct finding f = {in, NULL};

    plan_each(query, &(struct plan_walk){find_outer, NULL, &f});
    return f.found;
}

/* ---- CURRENT_WATERMARK ----------------------------------------------------------------------- */

static bool is_watermark(const struct bound_expr *expr)
{
    const char *name = plan_function(expr);

    return name && !strcmp(name, "CURRENT_WATERMARK");
}

bool plan_asks_watermark(const struct bound_expr *expr)
{
    bool asks = is_watermark(expr);

    for (size_t i = 0; i < expr->arg_count && !asks; i++)
        asks = plan_asks_watermark(expr->args[i]);
    return asks;
}

static bool check_watermark(void *arg, struct bound_expr *expr)
{
    struct planner *p = arg;
    enum bound_time time;

    if (!is_watermark(expr))
        return true;
    if (p->in_marks)
        bind_fail(p->b, ERR_INVALID, expr->pos,
                  "what a table's watermark is cannot be told by CURRENT_WATERMARK()");
    time = p->options->batch ? BOUND_TIMELESS : plan_time(expr->args[0]);
    if (time != BOUND_ROWTIME)
        bind_fail(p->b, ERR_INVALID, expr->pos,
                  "The argument of CURRENT_WATERMARK() must be a rowtime attribute, but was "
                  "'%s%s'%s",
                  bind_type_text(p->b, expr->args[0]->type),
                  time == BOUND_PROCTIME ? " *PROCTIME*" : "",
                  p->options->batch ? ": in batch mode there are none" : "");
    p->by_time = true;
    return true;
}

void plan_check_watermarks(struct planner *p, struct sql_bound *query)
{
    plan_each(query, &(struct plan_walk){check_watermark, NULL, p});
}

/* ---- whose columns an expression names, its queries' included -------------------------------- */

struct naming {
    const struct rel *rel;
    bool found;
};

static bool names_leaf(const struct bound_source *from, const struct bound_source *leaf)
{
    return from->kind == SOURCE_JOIN ? names_leaf(from->left, leaf) || names_leaf(from->right, leaf)
                                     : from == leaf;
}

static bool find_named(void *arg, struct bound_expr *expr)
{
    struct naming *n = arg;
    size_t column;

    if (expr->kind == BOUND_COLUMN && names_leaf(n->rel->from, bound_at(expr, &column)))
        n->found = true;
    return !n->found;
}

bool plan_names(struct bound_expr *expr, const struct rel *rel)
{
    struct naming n = {rel, false};

    plan_each_expr(expr, &(struct plan_walk){find_named, NULL, &n});
    return n.found;
}
