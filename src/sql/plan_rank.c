/* plan_rank.c - the first rows of a key: ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...) with a
 * condition on the number, which plan_use.c has brought here as QUALIFY.
 */
#include "sql/plan_int.h"

struct top {
    struct bound_expr *call;
    int64_t from, to;
};

static bool narrows(struct top *top, const char *op, int64_t n)
{
    int64_t from = top->from, to = top->to;

    if (!strcmp(op, "="))
        from = to = n;
    else if (!strcmp(op, "<="))
        to = n;
    else if (!strcmp(op, "<"))
        to = n - 1;
    else if (!strcmp(op, ">="))
        from = n;
    else if (!strcmp(op, ">"))
        from = n + 1;
    else
        return false;
    top->from = from > top->from ? from : top->from;
    top->to = to < top->to ? to : top->to;
    return true;
}

static const char *flipped(const char *op)
{
    static const char *const pairs[][2] = {{"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}};

    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (!strcmp(pairs[i][0], op))
            return pairs[i][1];
    return op;
}

static bool same_call(const struct bound_expr *a, const struct bound_expr *b)
{
    return a == b || (a->function == b->function && plan_windows_equal(a->over, b->over));
}

/* Is the condition `call op number`? Then it narrows `top`. */
static bool take_cond(struct top *top, const struct bound_expr *cond)
{
    const char *op = plan_function(cond);

    if (!op || cond->arg_count != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        struct bound_expr *call = cond->args[i];
        const struct bound_expr *limit = cond->args[1 - i];
        int64_t n;

        if (!call->over || limit->kind != BOUND_LITERAL || limit->literal != SQL_LIT_EXACT ||
            slice_to_i64(slice_str(limit->text), &n) || (top->call && !same_call(top->call, call)))
            continue;
        if (!narrows(top, i ? flipped(op) : op, n))
            return false;
        top->call = call;
        return true;
    }
    return false;
}

static void check_top(struct planner *p, const struct top *top)
{
    const char *name = top->call->function->name;
    struct sql_pos pos = top->call->pos;

    if (strcmp(name, "ROW_NUMBER") != 0)
        bind_fail(p->b, ERR_UNSUPPORTED, pos,
                  "%s() on streaming table is not supported: ROW_NUMBER() is", name);
    if (!top->call->over->order_count)
        bind_fail(p->b, ERR_INVALID, pos, "ROW_NUMBER() takes ORDER BY: which rows are the first?");
    if (top->to == INT64_MAX)
        bind_fail(p->b, ERR_UNSUPPORTED, pos,
                  "Rank end is not specified. Currently rank only support TopN, which means the "
                  "rank end must be specified: WHERE rn <= N");
}

/* PARTITION BY that names a window's start and end: the rows come once, when it ends. */
static void take_keys(struct planner *p, struct shape *shape, const struct bound_window *w,
                      struct sql_flow_ranking *out)
{
    bool start = false;
    struct bound_expr *end = NULL;

    out->keys = BIND_ARRAY(p->b, size_t, w->partition_count + 1);
    for (size_t i = 0; i < w->partition_count; i++) {
        enum bound_time time = plan_time(w->partition[i]);

        out->keys[out->key_count++] = shape_put(shape, w->partition[i]);
        start |= bound_is_start(time);
        end = bound_is_end(time) ? w->partition[i] : end;
    }
    out->window_end = -1;
    if (start && end) {
        out->window_end = (int)shape_put(shape, plan_window_end(p, end));
        out->by_clock = plan_time(end) == BOUND_CLOCK_END;
        p->by_time |= !out->by_clock;
    }
}

static void take_order(struct planner *p, struct shape *shape, const struct bound_window *w,
                       struct sql_flow_ranking *out)
{
    enum bound_time first = plan_time(w->order[0].expr);

    out->order = BIND_ARRAY(p->b, struct sql_flow_order, w->order_count);
    out->order_time = w->order_count == 1 && (first == BOUND_ROWTIME || first == BOUND_PROCTIME);
    for (size_t i = 0; i < w->order_count; i++)
        out->order[out->order_count++] = (struct sql_flow_order){
            shape_put(shape, w->order[i].expr), w->order[i].descending, w->order[i].nulls_first};
}

static bool mentions_call(const struct bound_expr *expr, const struct bound_expr *call)
{
    if (expr->over && same_call(expr, call))
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (mentions_call(expr->args[i], call))
            return true;
    return false;
}

static struct bound_expr *replace(struct bound_expr *expr, const struct bound_expr *call,
                                  struct bound_expr *number)
{
    if (expr->over && same_call(expr, call))
        return number;
    for (size_t i = 0; i < expr->arg_count; i++)
        expr->args[i] = replace(expr->args[i], call, number);
    return expr;
}

static struct sql_node *rank_node(struct planner *p, struct sql_node *below, struct sql_pos pos,
                                  const struct sql_flow_ranking *rank)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_RANK, pos, below->column_count + 1);

    node->rank = *rank;
    for (size_t i = 0; i < below->column_count; i++) {
        plan_node_column(p, node, below->columns[i].type, plan_node_time(below, i));
        plan_node_label(node, i, below->labels[i]);
    }
    if (rank->with_number)
        plan_node_column(p, node, bind_nullable(p->b, &sql_type_bigint, false), BOUND_TIMELESS);
    if (rank->window_end < 0)
        plan_node_takes_back(node);
    plan_node_inputs(p, node, below, NULL);
    return node;
}

/* The number as the query's own expressions name it; a constant when only one row counts. */
static void take_number(struct planner *p, struct sql_bound *q, const struct top *top,
                        const struct rel *feed, bool with_number)
{
    struct bound_expr *number =
        with_number ? plan_column(p, top->call->pos, feed, feed->node->column_count - 1)
                    : bound_int(p->b, top->call->pos, top->from);

    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace(q->items[i], top->call, number);
}

/* rn > 6 AND rn <= 3: no row has such a number. */
static void take_nothing(struct planner *p, struct sql_bound *q, const struct top *top)
{
    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace(q->items[i], top->call, bound_int(p->b, top->call->pos, 0));
    q->where = plan_and(p, q->where, bound_truth(p->b, top->call->pos, false));
    q->qualify = NULL;
}

bool plan_rank(struct planner *p, struct sql_bound *q, struct rel *rel)
{
    struct top top = {.from = 1, .to = INT64_MAX};
    struct sql_flow_ranking rank = {.ttl_ms = p->options->ttl_ms};
    struct bound_expr *where = q->where;
    struct conds conds;
    struct shape shape;
    struct moves moves;
    struct rel feed;

    plan_split(p, q->qualify, &conds);
    for (size_t i = 0; i < conds.count; i++)
        conds.list[i].done = take_cond(&top, conds.list[i].expr);
    if (!top.call)
        return false;
    check_top(p, &top);
    if (top.to < top.from) {
        take_nothing(p, q, &top);
        return true;
    }
    for (size_t i = 0; i < q->output_count; i++)
        rank.with_number |= top.from != top.to && mentions_call(q->items[i], top.call);
    rank.from = top.from;
    rank.to = top.to;
    shape_init(&shape, p, rel);
    shape_where(&shape, where);
    shape_take(&shape, &moves);
    take_keys(p, &shape, top.call->over, &rank);
    take_order(p, &shape, top.call->over, &rank);
    feed = plan_feed(p, rank_node(p, shape_done(&shape, top.call->pos), top.call->pos, &rank));
    take_number(p, q, &top, &feed, rank.with_number);
    plan_move(p, &moves, &feed, 0);
    q->where = plan_rest(p, &conds);
    q->qualify = NULL;
    q->from = feed.from;
    *rel = feed;
    return true;
}
