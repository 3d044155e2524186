/* plan_join_time.c - joins that go by time: by an interval between two rows' times, and with a
 * table as it was at a row's time.
 *
 * An interval join is seen by its conditions: both l.t - r.t and r.t - l.t are bounded by
 * constants, where l.t and r.t are rowtimes (or both processing time). Neither side may change its
 * rows.
 */
#include "sql/plan_int.h"

/* A column and a distance from it. */
struct moment {
    struct bound_expr *time;
    int64_t ms;
};

static bool interval_ms(const struct bound_expr *expr, int64_t *ms)
{
    int64_t micros;

    if (expr->kind != BOUND_LITERAL || expr->literal != SQL_LIT_INTERVAL ||
        expr->type->kind != SQL_INTERVAL_DS || slice_to_i64(slice_str(expr->text), &micros) ||
        micros % 1000)
        return false;
    *ms = micros / 1000;
    return true;
}

static bool read_moment(struct bound_expr *expr, struct moment *out)
{
    const char *name = plan_function(expr);
    int64_t ms;

    while (expr->kind == BOUND_CAST && expr->implicit)
        expr = expr->args[0];
    if (expr->kind == BOUND_COLUMN) {
        *out = (struct moment){expr, 0};
        return true;
    }
    if (!name || expr->arg_count != 2 || (strcmp(name, "+") != 0 && strcmp(name, "-") != 0))
        return false;
    for (size_t i = 0; i < (*name == '+' ? 2u : 1u); i++) {
        if (!interval_ms(expr->args[1 - i], &ms) || !read_moment(expr->args[i], out))
            continue;
        out->ms += *name == '+' ? ms : -ms;
        return true;
    }
    return false;
}

struct interval {
    struct bound_expr *left, *right; /* the times */
    int64_t low, high;               /* of right - left */
    bool has_low, has_high;
};

static void bound_above(struct interval *in, int64_t high)
{
    in->high = in->has_high && in->high < high ? in->high : high;
    in->has_high = true;
}

static void bound_below(struct interval *in, int64_t low)
{
    in->low = in->has_low && in->low > low ? in->low : low;
    in->has_low = true;
}

static bool same_times(const struct interval *in, const struct bound_expr *left,
                       const struct bound_expr *right)
{
    return !in->left || (bound_equal(in->left, left) && bound_equal(in->right, right));
}

static bool are_attributes(const struct bound_expr *left, const struct bound_expr *right)
{
    enum bound_time time = plan_time(left);

    return (time == BOUND_ROWTIME || time == BOUND_PROCTIME) && time == plan_time(right);
}

/* a op b, one of the left and one of the right, both of which `may` be compared: a bound on right -
 * left. */
typedef bool may_compare(const struct bound_expr *left, const struct bound_expr *right);
static bool read_cond(const struct joining *j, const struct bound_expr *cond, may_compare *may,
                      struct interval *in)
{
    static const struct {
        const char *op;
        bool below, above, strict; /* of a - b: a < b bounds it above */
    } ops[] = {{"<", false, true, true},
               {"<=", false, true, false},
               {">", true, false, true},
               {">=", true, false, false},
               {"=", true, true, false}};
    const char *name = plan_function(cond);
    struct moment a, b;
    bool left_first;
    int64_t gap;
    size_t op = 0;

    while (name && op < COUNT_OF(ops) && strcmp(ops[op].op, name) != 0)
        op++;
    if (!name || op == COUNT_OF(ops) || !read_moment(cond->args[0], &a) ||
        !read_moment(cond->args[1], &b))
        return false;
    left_first = plan_within(a.time, &j->left) && plan_within(b.time, &j->right);
    if ((!left_first && !(plan_within(b.time, &j->left) && plan_within(a.time, &j->right))) ||
        !may(left_first ? a.time : b.time, left_first ? b.time : a.time) ||
        !same_times(in, left_first ? a.time : b.time, left_first ? b.time : a.time))
        return false;
    in->left = left_first ? a.time : b.time;
    in->right = left_first ? b.time : a.time;
    /* a.time + a.ms op b.time + b.ms */
    gap = b.ms - a.ms; /* a.time - b.time op gap */
    if (left_first ? ops[op].above : ops[op].below)
        left_first ? bound_below(in, -gap + ops[op].strict) : bound_below(in, gap + ops[op].strict);
    if (left_first ? ops[op].below : ops[op].above)
        left_first ? bound_above(in, -gap - ops[op].strict) : bound_above(in, gap - ops[op].strict);
    return true;
}

static int time_column(struct joining *j, struct shape *shape, struct bound_expr *time)
{
    if (plan_time(time) == BOUND_PROCTIME)
        return -1;
    j->p->by_time = true;
    return (int)shape_put(shape, time);
}

void joining_interval(struct joining *j, struct conds *conds)
{
    struct interval in = {0};
    bool *found;

    if (j->left.node->changes || j->right.node->changes || j->out.time != SQL_FLOW_REGULAR)
        return;
    found = BIND_ARRAY(j->p->b, bool, conds->count + 1);
    for (size_t i = 0; i < conds->count; i++)
        found[i] = !conds->list[i].done && read_cond(j, conds->list[i].expr, are_attributes, &in);
    if (!in.has_low || !in.has_high)
        return;
    for (size_t i = 0; i < conds->count; i++)
        conds->list[i].done |= found[i];
    j->out.time = SQL_FLOW_INTERVAL;
    j->out.low_ms = in.low;
    j->out.high_ms = in.high;
    j->out.left_time = time_column(j, &j->ls, in.left);
    j->out.right_time = time_column(j, &j->rs, in.right);
}

/* ---- what a regular join may forget ---- */

/* A time near the watermarks of its side, so that rows of few spans are there at once. Operators
 * compare them as microseconds. */
static bool goes_with_time(const struct bound_expr *expr)
{
    enum bound_time time = plan_time(expr);

    return expr->type->kind == SQL_TIMESTAMP && expr->type->precision <= 6 &&
           (time == BOUND_ROWTIME || time == BOUND_WINDOW_START || time == BOUND_WINDOW_END);
}

static bool may_forget(const struct bound_expr *left, const struct bound_expr *right)
{
    return goes_with_time(left) && goes_with_time(right) &&
           (plan_settled(left) || plan_settled(right));
}

/* Rows of a side can meet nothing more when what is settled on the other has passed them. This is
 * no join by interval: late rows of the side still meet what came before them, and what is settled
 * need be no rowtime. */
void joining_forgets(struct joining *j)
{
    struct interval in = {0};
    struct conds conds;

    if (j->out.time != SQL_FLOW_REGULAR || j->out.null_aware || !j->residual ||
        j->out.left_ttl_ms || j->out.right_ttl_ms)
        return;
    plan_split(j->p, j->residual, &conds);
    for (size_t i = 0; i < conds.count; i++)
        read_cond(j, conds.list[i].expr, may_forget, &in);
    if (!in.has_low || !in.has_high || in.low > in.high)
        return;
    j->out.left_forgets = plan_settled(in.right);
    j->out.right_forgets = plan_settled(in.left);
    j->out.low_ms = in.low;
    j->out.high_ms = in.high;
    j->out.left_time = (int)shape_put(&j->ls, in.left);
    j->out.right_time = (int)shape_put(&j->rs, in.right);
}

/* The column by which the versions of the right side are told apart. */
static struct bound_expr *version_time(struct joining *j, struct bound_source *right)
{
    for (size_t i = 0; i < right->column_count; i++) {
        struct bound_expr *column = bound_column(j->p->b, j->pos, right, i);

        if (plan_time(column) == BOUND_ROWTIME)
            return column;
    }
    return NULL;
}

void joining_temporal(struct joining *j, const struct bound_source *right)
{
    struct planner *p = j->p;
    struct bound_expr *as_of = right->as_of, *versions;
    enum bound_time time = plan_time(as_of);

    if (time != BOUND_ROWTIME && time != BOUND_PROCTIME)
        bind_fail(p->b, ERR_INVALID, as_of->pos,
                  "Temporal table join currently only supports 'FOR SYSTEM_TIME AS OF' left "
                  "table's time attribute field");
    if (j->out.join != SQL_FLOW_INNER && j->out.join != SQL_FLOW_LEFT)
        bind_fail(p->b, ERR_UNSUPPORTED, j->pos,
                  "a temporal join is an [INNER] JOIN or a LEFT JOIN");
    j->out.time = SQL_FLOW_TEMPORAL;
    if (time == BOUND_PROCTIME)
        return;
    versions = version_time(j, (struct bound_source *)right);
    if (!versions)
        bind_fail(p->b, ERR_INVALID, j->pos,
                  "Event-Time Temporal Table Join requires both primary key and row time attribute "
                  "in versioned table, but no row time attribute can be found: WATERMARK FOR");
    j->out.left_time = time_column(j, &j->ls, as_of);
    j->out.right_time = time_column(j, &j->rs, versions);
}
