/* plan_over.c - OVER: calls over the rows before each row, and what a stream can do of them.
 *
 * All calls of a SELECT are over one window, as in Flink, whose order is a time attribute's. The
 * numbers of top-N and of deduplication are plan_rank.c's: there QUALIFY says how many rows of a
 * key count.
 */
#include "sql/plan_int.h"

struct overs {
    struct planner *p;
    const struct bound_window *window;
    struct calls calls;
    bool any;
};

static bool orders_equal(const struct bound_window *a, const struct bound_window *b)
{
    if (a->order_count != b->order_count)
        return false;
    for (size_t i = 0; i < a->order_count; i++)
        if (a->order[i].descending != b->order[i].descending ||
            a->order[i].nulls_first != b->order[i].nulls_first ||
            !bound_equal(a->order[i].expr, b->order[i].expr))
            return false;
    return true;
}

bool plan_windows_equal(const struct bound_window *a, const struct bound_window *b)
{
    if (a == b)
        return true;
    if (a->partition_count != b->partition_count || !orders_equal(a, b))
        return false;
    for (size_t i = 0; i < a->partition_count; i++)
        if (!bound_equal(a->partition[i], b->partition[i]))
            return false;
    return true;
}

static bool frames_equal(const struct bound_window *a, const struct bound_window *b)
{
    return a->frame == b->frame && a->low == b->low && a->high == b->high &&
           (a->low_expr == b->low_expr ||
            (a->low_expr && b->low_expr && bound_equal(a->low_expr, b->low_expr)));
}

/* ROW_NUMBER and LAG have no frame. */
static bool is_framed(const struct bound_expr *call)
{
    return call->function->kind == FUNCTION_AGGREGATE;
}

static struct bound_expr *replace(struct overs *o, struct bound_expr *expr)
{
    if (expr->over) {
        const struct bound_window *first = o->window;

        if (first && (!plan_windows_equal(first, expr->over) ||
                      (is_framed(expr) && first->frame && !frames_equal(first, expr->over))))
            bind_fail(o->p->b, ERR_UNSUPPORTED, expr->pos,
                      "Over Agg: all aggregates must be computed on the same window");
        if (!first || (is_framed(expr) && !first->frame))
            o->window = expr->over;
        return plan_call(&o->calls, expr);
    }
    for (size_t i = 0; i < expr->arg_count; i++)
        expr->args[i] = replace(o, expr->args[i]);
    return expr;
}

/* An INTERVAL literal in ms; a number of rows. */
static int64_t distance(struct planner *p, const struct bound_expr *expr, bool rows)
{
    int64_t value = -1;
    bool interval = expr->kind == BOUND_LITERAL && expr->literal == SQL_LIT_INTERVAL &&
                    expr->type->kind == SQL_INTERVAL_DS;
    bool number = expr->kind == BOUND_LITERAL && expr->literal == SQL_LIT_EXACT;

    if (!(rows ? number : interval) || slice_to_i64(slice_str(expr->text), &value) || value < 0)
        bind_fail(p->b, ERR_INVALID, expr->pos,
                  rows ? "ROWS takes a number: ROWS BETWEEN 5 PRECEDING AND CURRENT ROW"
                       : "RANGE takes a time: RANGE BETWEEN INTERVAL '5' MINUTE PRECEDING AND "
                         "CURRENT ROW");
    return rows ? value : value / 1000;
}

static void take_frame(struct planner *p, const struct bound_window *w, struct sql_pos pos,
                       struct sql_flow_over *out)
{
    out->rows = w->frame == SQL_FRAME_ROWS;
    out->before = INT64_MAX;
    if (w->frame == SQL_FRAME_NONE)
        return; /* RANGE of all that came before */
    if (w->high != SQL_BOUND_CURRENT_ROW && w->high != SQL_BOUND_NONE)
        bind_fail(p->b, ERR_UNSUPPORTED, pos,
                  "OVER RANGE FOLLOWING windows are not supported: a frame ends at CURRENT ROW");
    if (w->low == SQL_BOUND_PRECEDING)
        out->before = distance(p, w->low_expr, out->rows);
    else if (w->low == SQL_BOUND_CURRENT_ROW)
        out->before = 0;
    else if (w->low != SQL_BOUND_UNBOUNDED_PRECEDING)
        bind_fail(p->b, ERR_UNSUPPORTED, pos, "a frame begins before the row, or at it");
}

static void take_order(struct planner *p, struct shape *shape, const struct bound_window *w,
                       struct sql_pos pos, struct sql_flow_over *out)
{
    enum bound_time time = w->order_count ? plan_time(w->order[0].expr) : BOUND_TIMELESS;

    if (w->order_count > 1)
        bind_fail(p->b, ERR_UNSUPPORTED, pos,
                  "Over Agg: The window can only be ordered by a "
                  "single time column");
    if (w->order_count && w->order[0].descending)
        bind_fail(p->b, ERR_UNSUPPORTED, pos,
                  "Over Agg: The window can only be ordered in ASCENDING mode");
    if (time != BOUND_ROWTIME && time != BOUND_PROCTIME)
        bind_fail(p->b, ERR_INVALID, pos,
                  "OVER windows' ordering in stream mode must be defined on a time attribute. The "
                  "first rows of a key are ROW_NUMBER() in a subquery and WHERE rn <= N above it");
    out->rowtime = time == BOUND_ROWTIME ? (int)shape_put(shape, w->order[0].expr) : -1;
    p->by_time |= time == BOUND_ROWTIME;
}

static bool any_over(const struct sql_bound *q)
{
    for (size_t i = 0; i < q->output_count; i++)
        if (plan_has_over(q->items[i]))
            return true;
    return q->qualify && plan_has_over(q->qualify);
}

/* The node's columns: those of the SELECT below, then the calls. */
static struct sql_node *over_node(struct overs *o, struct shape *shape, struct sql_pos pos,
                                  const struct sql_flow_over *over)
{
    struct sql_node *below = shape_done(shape, pos), *node;

    if (below->changes)
        bind_fail(o->p->b, ERR_UNSUPPORTED, pos,
                  "OverAggregate doesn't support consuming update changes: OVER takes rows that "
                  "are not changed later, as of a table or a window");
    node = plan_node_new(o->p, SQL_NODE_OVER, pos, below->column_count + o->calls.count);
    for (size_t i = 0; i < below->column_count; i++) {
        plan_node_column(o->p, node, below->columns[i].type, plan_node_time(below, i));
        plan_node_label(node, i, below->labels[i]);
    }
    for (size_t i = 0; i < o->calls.count; i++)
        plan_node_label(node, plan_node_column(o->p, node, o->calls.types[i], BOUND_TIMELESS),
                        plan_call_label(o->p, below, &o->calls.list[i]));
    node->over = *over;
    node->over.calls = o->calls.list;
    node->over.call_count = o->calls.count;
    plan_node_inputs(o->p, node, below, NULL);
    return node;
}

/* Calls are columns behind those of the shape, whose number is known only at the end. */
static void shift(struct bound_expr *expr, const struct bound_source *feed, size_t by)
{
    if (expr->source == feed && expr->column >= SIZE_MAX / 2)
        expr->column = expr->column - SIZE_MAX / 2 + by;
    for (size_t i = 0; i < expr->arg_count; i++)
        shift(expr->args[i], feed, by);
}

static void over_calls(struct planner *p, struct sql_bound *q, struct rel *rel)
{
    struct shape shape;
    struct moves moves;
    struct overs o = {.p = p};
    struct sql_flow_over over = {.ttl_ms = p->options->ttl_ms};
    struct bound_source *later = BIND_NEW(p->b, struct bound_source);
    struct sql_node *node;
    struct rel feed;

    shape_init(&shape, p, rel);
    shape_where(&shape, q->where);
    shape_take(&shape, &moves);
    o.calls = (struct calls){.p = p, .shape = &shape, .feed = later, .first = SIZE_MAX / 2};
    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace(&o, q->items[i]);
    if (q->qualify)
        q->qualify = replace(&o, q->qualify);
    over.keys = BIND_ARRAY(p->b, size_t, o.window->partition_count + 1);
    for (size_t i = 0; i < o.window->partition_count; i++)
        over.keys[over.key_count++] = shape_put(&shape, o.window->partition[i]);
    take_order(p, &shape, o.window, q->pos, &over);
    take_frame(p, o.window, q->pos, &over);
    node = over_node(&o, &shape, q->pos, &over);
    for (size_t i = 0; i < q->output_count; i++)
        shift(q->items[i], later, node->inputs[0]->column_count);
    if (q->qualify)
        shift(q->qualify, later, node->inputs[0]->column_count);
    feed = plan_feed(p, node);
    *later = *feed.from;
    feed.from = later;
    plan_move(p, &moves, &feed, 0);
    q->where = q->qualify;
    q->qualify = NULL;
    q->from = later;
    *rel = feed;
}

void plan_over(struct planner *p, struct sql_bound *q, struct rel *rel)
{
    if (q->qualify && plan_rank(p, q, rel))
        return;
    if (any_over(q))
        over_calls(p, q, rel);
    else if (q->qualify) {
        q->where = plan_and(p, q->where, q->qualify);
        q->qualify = NULL;
    }
}
