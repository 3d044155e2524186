/* plan_aggregate.c - GROUP BY: keys, calls and windows for an operator, the rest above it.
 *
 * Windows come in three ways. The operator makes them itself when the query reads a windowing table
 * function, or groups by a legacy TUMBLE(...), and groups by the window's start and end
 * (`own_windows`). When only columns say which window a row belongs to (of an aggregate, a join or
 * a top-N of windows below) they are attached. Else window_start is a column like any other.
 */
#include "sql/plan_int.h"

/* ---- windows that the operator makes --------------------------------------------------------- */

/* Columns of a windowing table function's source behind those of its rows. */
#define WINDOW_COLUMNS 3

/* 0: start, 1: end, 2: time; -1: no column of these windows. */
static int own_column(const struct bound_source *windows, const struct bound_expr *expr)
{
    size_t first = windows->kind == SOURCE_QUERY ? windows->column_count - WINDOW_COLUMNS : 0;

    if (expr->kind != BOUND_COLUMN || expr->source != windows || expr->column < first)
        return -1;
    return (int)(expr->column - first);
}

static bool names_window(const struct bound_source *windows, const struct bound_expr *expr)
{
    if (own_column(windows, expr) >= 0)
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (names_window(windows, expr->args[i]))
            return true;
    return expr->filter && names_window(windows, expr->filter);
}

/* Inside the aggregates of the expression. */
static bool aggregates_window(const struct bound_source *windows, const struct bound_expr *expr)
{
    bool call =
        expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE && !expr->over;

    if (call)
        return names_window(windows, expr);
    for (size_t i = 0; i < expr->arg_count; i++)
        if (aggregates_window(windows, expr->args[i]))
            return true;
    return false;
}

static bool groups_have(const struct bound_source *windows, const struct bound_group *groups,
                        size_t count, int which)
{
    for (size_t i = 0; i < count; i++) {
        if (groups[i].kind == SQL_GROUP_TUPLE &&
            groups_have(windows, groups[i].parts, groups[i].count, which))
            return true;
        if (groups[i].kind == SQL_GROUP_EXPR && own_column(windows, groups[i].expr) == which)
            return true;
    }
    return false;
}

/* May the rows below be aggregated before their windows are known? */
static bool can_own(const struct bound_source *windows, const struct sql_bound *q)
{
    if (!groups_have(windows, q->groups, q->group_count, 0) ||
        !groups_have(windows, q->groups, q->group_count, 1) ||
        (q->where && names_window(windows, q->where)))
        return false;
    for (size_t i = 0; i < q->output_count; i++)
        if (aggregates_window(windows, q->items[i]))
            return false;
    return !q->having || !aggregates_window(windows, q->having);
}

static const struct bound_source *windows_of(const struct bound_source *from)
{
    if (from->kind == SOURCE_QUERY && from->tvf)
        return from;
    if (from->kind == SOURCE_JOIN && from->right->kind == SOURCE_UNNEST && from->right->tvf)
        return from->right;
    return NULL;
}

/* The columns of the function's rows are those of its input; its windows' are no column there is,
 * so that they equal none: whoever names them is the operator's output soon. */
static void move_inner(struct planner *p, struct bound_source *outer, struct bound_source *inner)
{
    outer->moved = inner;
    outer->moved_to = BIND_ARRAY(p->b, size_t, outer->column_count + 1);
    for (size_t i = 0; i < outer->column_count; i++) {
        const struct bound_expr *item = outer->query->items[i];
        bool own = i + WINDOW_COLUMNS >= outer->column_count;

        outer->moved_to[i] = own                          ? inner->column_count + i
                             : item->kind == BOUND_COLUMN ? item->column
                                                          : 0;
    }
}

bool plan_windowed_from(struct planner *p, struct sql_bound *q, struct own_windows *windows,
                        struct rel *rel, struct conds *conds)
{
    const struct bound_source *source = windows_of(q->from);
    const struct bound_source *unnest;
    struct bound_source *join;

    if (!source)
        return false;
    if (!can_own(source, q)) {
        if (source->tvf->kind == BOUND_SESSION)
            bind_fail(p->b, ERR_UNSUPPORTED, source->pos,
                      "SESSION windows stand below GROUP BY window_start, window_end, and their "
                      "bounds outside of aggregates and WHERE");
        return false;
    }
    join = source->kind == SOURCE_QUERY ? source->query->from : q->from;
    unnest = join->right;
    windows->source = source;
    windows->tvf = source->tvf;
    windows->time = unnest->array->args[0];
    while (windows->time->kind == BOUND_CAST)
        windows->time = windows->time->args[0];
    *rel = plan_from(p, join->left, source->kind == SOURCE_QUERY ? NULL : conds);
    if (source->kind == SOURCE_QUERY)
        move_inner(p, (struct bound_source *)source, join->left);
    return true;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* 0: start, 1: end, 2: time of the window grouped by; -1: none of them. */
static int window_column(const struct grouping *g, const struct bound_expr *expr)
{
    if (g->windows->source)
        return own_column(g->windows->source, expr);
    if (g->start && bound_equal(g->start, expr))
        return 0;
    return g->end && bound_equal(g->end, expr) ? 1 : -1;
}

static bool in_all_sets(const struct grouping *g, size_t group)
{
    for (size_t i = 0; i < g->set_count; i++)
        if (!(g->sets[i] >> group & 1))
            return false;
    return true;
}

/* Windows that rows carry: both bounds must be grouped by, in every set. */
static void find_attached(struct grouping *g)
{
    struct bound_expr *start = NULL, *end = NULL;

    for (size_t i = 0; i < g->group_count; i++) {
        enum bound_time time = plan_time(g->groups[i]);

        if (bound_is_start(time) && in_all_sets(g, i))
            start = g->groups[i];
        if (bound_is_end(time) && in_all_sets(g, i))
            end = g->groups[i];
    }
    if (start && end) {
        g->start = start;
        g->end = end;
    }
}

static bool is_windowed(const struct grouping *g)
{
    return g->windows->source || g->start;
}

static void take_keys(struct grouping *g)
{
    struct sql_flow_aggregation *out = &g->node->aggregate;

    plan_sets(g);
    if (!g->windows->source)
        find_attached(g);
    if (g->set_count > 1)
        plan_sets_expand(g);
    out->keys = BIND_ARRAY(g->p->b, size_t, g->group_count + 2);
    g->keys = BIND_ARRAY(g->p->b, struct bound_expr *, g->group_count + 2);
    for (size_t i = 0; i < g->group_count; i++) {
        if (window_column(g, g->groups[i]) >= 0)
            continue;
        g->keys[out->key_count] = g->groups[i];
        out->keys[out->key_count++] = shape_put(&g->shape, plan_sets_key(g, i));
    }
    if (g->set) {
        g->keys[out->key_count] = g->set;
        out->keys[out->key_count++] = shape_put(&g->shape, g->set);
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

static void no_time(struct grouping *g)
{
    const struct bound_expr *time = g->windows->time;
    const char *name = time->kind == BOUND_COLUMN ? time->source->columns[time->column].name : "ts";

    bind_fail(g->p->b, ERR_INVALID, g->windows->source->pos,
              "column `%s` has no watermark, so its windows would never end: WATERMARK FOR "
              "`%s` AS `%s` - INTERVAL '5' SECOND in its CREATE TABLE",
              name, name, name);
}

static void check_session(struct grouping *g)
{
    const struct bound_tvf *tvf = g->windows->tvf;
    const struct bound_source *source = g->windows->source;
    size_t found = 0;

    if (tvf->kind != BOUND_SESSION || source->kind != SOURCE_QUERY)
        return; /* legacy ones are by the keys of GROUP BY */
    for (size_t i = 0; i < tvf->key_count; i++)
        for (size_t k = 0; k < g->node->aggregate.key_count; k++)
            found += g->keys[k]->kind == BOUND_COLUMN && g->keys[k]->source == source &&
                     g->keys[k]->column == tvf->keys[i];
    if (found != tvf->key_count || found != g->node->aggregate.key_count)
        bind_fail(g->p->b, ERR_UNSUPPORTED, source->pos,
                  "SESSION(TABLE t PARTITION BY ...) takes the columns of GROUP BY, all of them: "
                  "sessions of other keys on a stream are not built yet");
}

/* Attached bounds are as those that the rows carry. */
static enum bound_time window_bound(const struct grouping *g, bool end)
{
    return g->windows->source ? plan_window_bound(g->windows->time, end)
                              : plan_time(end ? g->end : g->start);
}

static void take_own_window(struct grouping *g)
{
    struct sql_flow_aggregation *out = &g->node->aggregate;
    const struct bound_tvf *tvf = g->windows->tvf;
    enum bound_time time = plan_time(g->windows->time);

    if (time != BOUND_ROWTIME && time != BOUND_PROCTIME)
        no_time(g);
    if (tvf->size_us % 1000 || tvf->slide_us % 1000 || tvf->offset_us % 1000)
        bind_fail(g->p->b, ERR_UNSUPPORTED, g->windows->source->pos,
                  "windows of a stream are of whole milliseconds");
    check_session(g);
    out->window = (enum sql_flow_window)(tvf->kind + SQL_FLOW_TUMBLE);
    out->size_ms = tvf->size_us / 1000;
    out->slide_ms = tvf->slide_us / 1000;
    out->offset_ms = tvf->offset_us / 1000;
    out->rowtime = time == BOUND_PROCTIME ? -1 : (int)shape_put(&g->shape, g->windows->time);
    g->p->by_time |= time == BOUND_ROWTIME;
}

static void take_window(struct grouping *g)
{
    struct sql_flow_aggregation *out = &g->node->aggregate;
    const struct sql_plan_options *o = g->p->options;

    out->rowtime = out->window_start = out->window_end = -1;
    if (g->windows->source) {
        take_own_window(g);
    } else if (g->start) {
        out->window = SQL_FLOW_ATTACHED;
        out->window_start = (int)shape_put(&g->shape, g->start);
        out->window_end = (int)shape_put(&g->shape, g->end);
        out->rowtime = window_bound(g, true) == BOUND_CLOCK_END ? -1 : out->window_end;
        g->p->by_time |= out->rowtime >= 0;
    } else {
        out->ttl_ms = o->ttl_ms;
        out->at_end = o->batch;
        return;
    }
    out->zone = window_bound(g, true) != BOUND_WINDOW_END && g->p->b->resolver
                    ? g->p->b->resolver->time_zone
                    : NULL;
    out->early_ms = o->early_ms;
    out->late_ms = o->late_ms;
    out->allowed_lateness_ms = o->lateness_ms;
}

/* ---- what stands above ----------------------------------------------------------------------- */

static size_t key_of(const struct grouping *g, const struct bound_expr *expr)
{
    for (size_t i = 0; i < g->node->aggregate.key_count; i++)
        if (bound_equal(g->keys[i], expr))
            return i;
    return SIZE_MAX;
}

static struct bound_expr *feed_column(struct grouping *g, struct sql_pos pos, size_t column,
                                      const struct sql_type *type)
{
    struct bound_expr *expr = bound_new(g->p->b, BOUND_COLUMN, pos, type);

    expr->source = g->feed;
    expr->column = column;
    return expr;
}

typedef struct bound_expr *replacing(struct grouping *g, struct bound_expr *expr);

static void replace_parts(struct grouping *g, struct bound_expr *expr, replacing *replace)
{
    for (size_t i = 0; i < expr->arg_count; i++)
        expr->args[i] = replace(g, expr->args[i]);
    if (expr->filter)
        expr->filter = replace(g, expr->filter);
    for (size_t i = 0; expr->over && i < expr->over->partition_count; i++)
        expr->over->partition[i] = replace(g, expr->over->partition[i]);
    for (size_t i = 0; expr->over && i < expr->over->order_count; i++)
        expr->over->order[i].expr = replace(g, expr->over->order[i].expr);
}

/* First the calls: windows stand behind them in the operator's output. */
static struct bound_expr *replace_calls(struct grouping *g, struct bound_expr *expr)
{
    if (expr->source == g->feed || key_of(g, expr) != SIZE_MAX)
        return expr;
    if (expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE && !expr->over)
        return plan_call(&g->calls, expr);
    replace_parts(g, expr, replace_calls);
    return expr;
}

static struct bound_expr *replace_keys(struct grouping *g, struct bound_expr *expr);

/* What a subquery above the groups names of them. */
static bool replace_outer(void *arg, struct bound_expr *expr)
{
    struct grouping *g = arg;
    const struct bound_source *source;
    size_t column;

    if (expr->source == g->feed)
        return false;
    if (key_of(g, expr) != SIZE_MAX || (is_windowed(g) && window_column(g, expr) >= 0)) {
        *expr = *replace_keys(g, expr);
        return false;
    }
    source = expr->kind == BOUND_COLUMN ? bound_at(expr, &column) : NULL;
    if (source && plan_mentions(expr, &g->shape.rel))
        bind_fail(
            g->p->b, ERR_INVALID, expr->pos,
            "column `%s` is neither in GROUP BY nor inside an aggregate (of the query around)",
            expr->source->columns[expr->column].name);
    return true;
}

/* window_time, which is no column of the operator: a millisecond before the end. */
static struct bound_expr *window_time(struct grouping *g, const struct bound_expr *expr)
{
    size_t end = g->node->aggregate.key_count + g->calls.count + 1;
    struct bound_expr *column =
        feed_column(g, expr->pos, end,
                    bind_nullable(g->p->b, sql_type_of(g->p->b->arena, SQL_TIMESTAMP, 3), false));

    return bind_function2(g->p->b, expr->pos, "$WINDOW_TIME",
                          bound_null(g->p->b, expr->pos, expr->type), column);
}

static struct bound_expr *replace_keys(struct grouping *g, struct bound_expr *expr)
{
    size_t key, calls = g->node->aggregate.key_count + g->calls.count;
    const char *function = plan_function(expr);
    int window;

    if (expr->source == g->feed)
        return expr;
    key = key_of(g, expr);
    window = is_windowed(g) ? window_column(g, expr) : -1;
    if (key != SIZE_MAX)
        return feed_column(g, expr->pos, key,
                           bind_nullable(g->p->b, expr->type, expr->type->nullable || g->set));
    if (window == 2)
        return window_time(g, expr);
    if (window >= 0)
        return feed_column(g, expr->pos, calls + (size_t)window, expr->type);
    if (function && !strcmp(function, "$WINDOW_TIME") && g->windows->source)
        return window_time(g, expr);
    if (expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_GROUPING)
        return plan_sets_grouping(
            g, expr, g->set ? feed_column(g, expr->pos, key_of(g, g->set), g->set->type) : NULL);
    replace_parts(g, expr, replace_keys);
    if (expr->query)
        plan_each(expr->query, &(struct plan_walk){replace_outer, NULL, g});
    return expr;
}

static void replace_all(struct grouping *g, replacing *replace)
{
    struct sql_bound *q = g->query;

    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace(g, q->items[i]);
    if (q->having)
        q->having = replace(g, q->having);
    if (q->qualify)
        q->qualify = replace(g, q->qualify);
    for (size_t i = 0; i < q->order_count; i++)
        if (q->order[i].expr)
            q->order[i].expr = replace(g, q->order[i].expr);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void node_columns(struct grouping *g, const struct sql_node *below)
{
    struct sql_flow_aggregation *out = &g->node->aggregate;
    const struct sql_type *bound = sql_type_of(g->p->b->arena, SQL_TIMESTAMP, 3);
    bool windowed = is_windowed(g);

    if (!bound)
        bind_nomem(g->p->b);
    bound = bind_nullable(g->p->b, bound, false);
    for (size_t i = 0; i < out->key_count; i++) {
        size_t column =
            plan_node_column(g->p, g->node, below->columns[out->keys[i]].type,
                             windowed ? plan_node_time(below, out->keys[i]) : BOUND_TIMELESS);

        plan_node_label(g->node, column, below->labels[out->keys[i]]);
    }
    for (size_t i = 0; i < g->calls.count; i++)
        plan_node_label(g->node, plan_node_column(g->p, g->node, g->calls.types[i], BOUND_TIMELESS),
                        plan_call_label(g->p, below, &g->calls.list[i]));
    if (windowed) {
        plan_node_label(g->node, plan_node_column(g->p, g->node, bound, window_bound(g, false)),
                        "window_start");
        plan_node_label(g->node, plan_node_column(g->p, g->node, bound, window_bound(g, true)),
                        "window_end");
    }
    g->node->changes =
        windowed ? out->early_ms || out->late_ms || out->allowed_lateness_ms : !out->at_end;
    /* A window comes once, when the watermark passes its end; what is late for it is dropped. */
    if (windowed && window_bound(g, true) == BOUND_WINDOW_END && !g->node->changes)
        ((struct plan_node *)g->node)->settled[g->node->column_count - 1] = true;
}

static struct sql_node *finish(struct grouping *g)
{
    size_t keys = g->node->aggregate.key_count, count = keys + g->calls.count + 2;
    struct sql_node *below = shape_done(&g->shape, g->query->pos);
    struct sql_node *node = plan_node_new(g->p, SQL_NODE_AGGREGATE, g->query->pos, count);

    node->aggregate = g->node->aggregate;
    node->aggregate.calls = g->calls.list;
    node->aggregate.call_count = g->calls.count;
    if (g->query->select && g->query->select->has_group)
        node->line = g->query->select->group_pos.line;
    g->node = node;
    node_columns(g, below);
    plan_node_inputs(g->p, node, below, NULL);
    return node;
}

void plan_aggregate(struct planner *p, struct sql_bound *q, const struct own_windows *windows,
                    struct rel *rel)
{
    struct grouping g = {.p = p, .query = q, .windows = windows};
    struct rel feed;

    g.node = plan_node_new(p, SQL_NODE_AGGREGATE, q->pos, 0);
    g.feed = BIND_NEW(p->b, struct bound_source);
    shape_init(&g.shape, p, rel);
    shape_where(&g.shape, q->where);
    take_keys(&g);
    g.calls = (struct calls){
        .p = p, .shape = &g.shape, .feed = g.feed, .first = g.node->aggregate.key_count};
    replace_all(&g, replace_calls);
    take_window(&g);
    replace_all(&g, replace_keys);
    feed = plan_feed(p, finish(&g));
    *g.feed = *feed.from;
    *rel = (struct rel){feed.node, g.feed};
    q->from = g.feed;
    q->where = q->having;
    q->having = NULL;
    q->aggregated = false;
    q->group_count = 0;
    q->select = NULL;
}

struct sql_node *plan_distinct(struct planner *p, struct sql_node *below, struct sql_pos pos)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_AGGREGATE, pos, below->column_count + 2);
    struct sql_flow_aggregation *out = &node->aggregate;

    out->keys = BIND_ARRAY(p->b, size_t, below->column_count + 1);
    out->rowtime = out->window_start = out->window_end = -1;
    for (size_t i = 0; i < below->column_count; i++) {
        out->keys[out->key_count++] = i;
        plan_node_column(p, node, below->columns[i].type, BOUND_TIMELESS);
        plan_node_label(node, i, below->labels[i]);
    }
    out->ttl_ms = p->options->ttl_ms;
    out->at_end = p->options->batch;
    node->changes = !out->at_end;
    plan_node_inputs(p, node, below, NULL);
    return node;
}
