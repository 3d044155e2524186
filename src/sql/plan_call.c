/* plan_call.c - an aggregate's call as what an operator computes and what is left to do above it.
 *
 * AVG is SUM and COUNT, variances are of the sums of x and x * x: operators keep sums, which can be
 * taken back, and DuckDB does the arithmetic.
 */
#include "sql/plan_int.h"

enum reading { PLAIN, AVERAGE, VARIANCE, DEVIATION };

static const struct known {
    const char *name;
    enum sql_flow_aggregate what;
    enum reading reading;
    bool sample; /* VARIANCE, DEVIATION: of a sample, not of all */
} known[] = {
    {"COUNT", SQL_FLOW_COUNT, PLAIN, false},
    {"SUM", SQL_FLOW_SUM, PLAIN, false},
    {"MIN", SQL_FLOW_MIN, PLAIN, false},
    {"MAX", SQL_FLOW_MAX, PLAIN, false},
    {"AVG", SQL_FLOW_SUM, AVERAGE, false},
    {"VAR_POP", SQL_FLOW_SUM, VARIANCE, false},
    {"VAR_SAMP", SQL_FLOW_SUM, VARIANCE, true},
    {"VARIANCE", SQL_FLOW_SUM, VARIANCE, true},
    {"STDDEV_POP", SQL_FLOW_SUM, DEVIATION, false},
    {"STDDEV_SAMP", SQL_FLOW_SUM, DEVIATION, true},
    {"STDDEV", SQL_FLOW_SUM, DEVIATION, true},
    {"FIRST_VALUE", SQL_FLOW_FIRST_VALUE, PLAIN, false},
    {"LAST_VALUE", SQL_FLOW_LAST_VALUE, PLAIN, false},
    {"LISTAGG", SQL_FLOW_LISTAGG, PLAIN, false},
    {"COLLECT", SQL_FLOW_COLLECT, PLAIN, false},
    {"ARRAY_AGG", SQL_FLOW_ARRAY_AGG, PLAIN, false},
    {"JSON_OBJECTAGG", SQL_FLOW_JSON_OBJECTAGG, PLAIN, false},
    {"JSON_ARRAYAGG", SQL_FLOW_JSON_ARRAYAGG, PLAIN, false},
    {"SINGLE_VALUE", SQL_FLOW_SINGLE_VALUE, PLAIN, false},
    {"APPROX_COUNT_DISTINCT", SQL_FLOW_APPROX_COUNT_DISTINCT, PLAIN, false},
    {"ROW_NUMBER", SQL_FLOW_ROW_NUMBER, PLAIN, false},
    {"RANK", SQL_FLOW_RANK, PLAIN, false},
    {"DENSE_RANK", SQL_FLOW_DENSE_RANK, PLAIN, false},
    {"LAG", SQL_FLOW_LAG, PLAIN, false},
    {"LEAD", SQL_FLOW_LEAD, PLAIN, false},
};

static const struct known *find(struct planner *p, const struct bound_expr *call)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (!strcmp(known[i].name, call->function->name))
            return &known[i];
    plan_refuse(p, call->pos, call->function->name);
}

/* What the operator gives: BIGINT for whole numbers, DOUBLE for floats. */
static const struct sql_type *sum_type(struct planner *p, const struct sql_type *arg)
{
    const struct sql_type *type =
        arg->kind == SQL_FLOAT || arg->kind == SQL_DOUBLE ? &sql_type_double
        : arg->kind == SQL_DECIMAL ? sql_type_decimal(p->b->arena, 38, arg->scale)
                                   : &sql_type_bigint;

    if (!type)
        bind_nomem(p->b);
    return bind_nullable(p->b, type, true);
}

static const struct sql_type *result_type(struct planner *p, const struct sql_flow_call *made,
                                          const struct bound_expr *call,
                                          const struct bound_expr *arg)
{
    switch (made->what) {
    case SQL_FLOW_COUNT:
    case SQL_FLOW_APPROX_COUNT_DISTINCT:
    case SQL_FLOW_ROW_NUMBER:
    case SQL_FLOW_RANK:
    case SQL_FLOW_DENSE_RANK:
        return bind_nullable(p->b, &sql_type_bigint, false);
    case SQL_FLOW_SUM:
        return sum_type(p, arg->type);
    case SQL_FLOW_LISTAGG:
        return bind_nullable(p->b, &sql_type_string, true);
    case SQL_FLOW_COLLECT:
    case SQL_FLOW_ARRAY_AGG:
    case SQL_FLOW_JSON_OBJECTAGG:
    case SQL_FLOW_JSON_ARRAYAGG:
        return call->type;
    default:
        return bind_nullable(p->b, arg->type, true);
    }
}

static bool same_call(const struct sql_flow_call *a, const struct sql_flow_call *b)
{
    return a->what == b->what && a->arg == b->arg && a->arg2 == b->arg2 && a->filter == b->filter &&
           a->distinct == b->distinct && a->keep_nulls == b->keep_nulls && a->number == b->number &&
           (a->separator == b->separator ||
            (a->separator && b->separator && !strcmp(a->separator, b->separator)));
}

static void grow(struct calls *c)
{
    size_t cap = c->cap ? c->cap * 2 : 8;
    struct sql_flow_call *list = BIND_ARRAY(c->p->b, struct sql_flow_call, cap);
    const struct sql_type **types = BIND_ARRAY(c->p->b, const struct sql_type *, cap);

    if (c->count) {
        memcpy(list, c->list, c->count * sizeof(*list));
        memcpy(types, c->types, c->count * sizeof(*types));
    }
    c->list = list;
    c->types = types;
    c->cap = cap;
}

/* The column that the call's result will be; the same one for the same call. */
static struct bound_expr *put_call(struct calls *c, const struct sql_flow_call *made,
                                   const struct sql_type *type, struct sql_pos pos)
{
    struct bound_expr *column = bound_new(c->p->b, BOUND_COLUMN, pos, type);
    size_t at = 0;

    while (at < c->count && !same_call(&c->list[at], made))
        at++;
    if (at == c->cap)
        grow(c);
    if (at == c->count)
        c->count++;
    c->list[at] = *made;
    c->types[at] = type;
    column->source = c->feed;
    column->column = c->first + at;
    return column;
}

const char *plan_call_label(struct planner *p, const struct sql_node *below,
                            const struct sql_flow_call *call)
{
    const char *arg = call->arg >= 0 ? below->labels[call->arg] : NULL;
    const char *name = sql_flow_aggregate_name(call->what);
    size_t len = strlen(name);
    char *label = arena_printf(p->b->arena, "%s%s%s%s", name, call->distinct ? "_distinct" : "",
                               arg ? "_" : "", arg ? arg : "");

    if (!label)
        bind_nomem(p->b);
    for (size_t i = 0; i < len; i++)
        label[i] = (char)(label[i] >= 'A' && label[i] <= 'Z' ? label[i] + 32 : label[i]);
    return label;
}

static const char *text_of(struct planner *p, const struct bound_expr *expr, const char *what)
{
    if (expr->kind != BOUND_LITERAL || expr->literal != SQL_LIT_STRING ||
        strlen(expr->text) != expr->text_len)
        bind_fail(p->b, ERR_INVALID, expr->pos, "%s is a text, not an expression", what);
    return expr->text;
}

/* The arguments of calls that have more than the one. */
static struct bound_expr *take_args(struct calls *c, const struct bound_expr *call,
                                    struct sql_flow_call *made)
{
    struct bound_expr **args = call->args;
    size_t count = call->arg_count;
    bool json = made->what == SQL_FLOW_JSON_OBJECTAGG || made->what == SQL_FLOW_JSON_ARRAYAGG;
    bool near = made->what == SQL_FLOW_LAG || made->what == SQL_FLOW_LEAD;

    if (json) { /* the first is ABSENT or NULL ON NULL */
        made->keep_nulls = !strcmp(args[0]->text, "NULL");
        args++;
        count--;
    }
    if (made->what == SQL_FLOW_ARRAY_AGG)
        made->keep_nulls = !call->ignore_nulls;
    if (made->what == SQL_FLOW_LISTAGG && count == 2)
        made->separator = text_of(c->p, args[1], "LISTAGG's separator");
    if (made->what == SQL_FLOW_JSON_OBJECTAGG)
        made->arg2 = (int)shape_put(c->shape, args[1]);
    if (made->what == SQL_FLOW_COUNT && count > 1) { /* rows without any NULL */
        struct bound_expr **all = BIND_ARRAY(c->p->b, struct bound_expr *, count);

        memcpy(all, args, count * sizeof(struct bound_expr *));
        return bind_function(c->p->b, call->pos, "$ROW_OR_NULL", all, count);
    }
    if (near) {
        made->number = 1;
        if (count > 1 && (args[1]->kind != BOUND_LITERAL ||
                          slice_to_i64(slice_str(args[1]->text), &made->number)))
            bind_fail(c->p->b, ERR_INVALID, args[1]->pos, "the offset of %s is a number",
                      call->function->name);
        if (count > 2)
            made->arg2 = (int)shape_put(c->shape, args[2]);
    }
    return count ? args[0] : NULL;
}

static struct bound_expr *one(struct calls *c, const struct bound_expr *call,
                              enum sql_flow_aggregate what, struct bound_expr *arg)
{
    struct sql_flow_call made = {.what = what,
                                 .arg = -1,
                                 .arg2 = -1,
                                 .filter = -1,
                                 .distinct = call->distinct && what != SQL_FLOW_MIN &&
                                             what != SQL_FLOW_MAX};

    if (!arg)
        arg = take_args(c, call, &made);
    if (arg)
        made.arg = (int)shape_put(c->shape, arg);
    if (call->filter)
        made.filter = (int)shape_put(c->shape, call->filter);
    return put_call(c, &made, result_type(c->p, &made, call, arg), call->pos);
}

static struct bound_expr *average(struct calls *c, const struct bound_expr *call)
{
    return bind_function2(c->p->b, call->pos, "$AVG", one(c, call, SQL_FLOW_SUM, call->args[0]),
                          one(c, call, SQL_FLOW_COUNT, call->args[0]));
}

/* $VARIANCE(sum of squares, sum, count, 1 of a sample): DOUBLE. */
static struct bound_expr *variance(struct calls *c, const struct known *k,
                                   const struct bound_expr *call)
{
    struct binder *b = c->p->b;
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 4);
    struct bound_expr *x = bind_convert(b, call->args[0], &sql_type_double), *out;

    if (call->distinct)
        plan_refuse(c->p, call->pos, "a variance of DISTINCT values");
    args[0] = one(c, call, SQL_FLOW_SUM, bind_function2(b, call->pos, "*", x, x));
    args[1] = one(c, call, SQL_FLOW_SUM, x);
    args[2] = one(c, call, SQL_FLOW_COUNT, x);
    args[3] = bound_int(c->p->b, call->pos, k->sample);
    out =
        bind_function(b, call->pos, k->reading == DEVIATION ? "$DEVIATION" : "$VARIANCE", args, 4);
    return out;
}

struct bound_expr *plan_call(struct calls *c, const struct bound_expr *call)
{
    const struct known *k = find(c->p, call);
    struct bound_expr *out;

    if (call->order_count)
        plan_refuse(c->p, call->pos, "ORDER BY inside an aggregate");
    switch (k->reading) {
    case AVERAGE:
        out = average(c, call);
        break;
    case VARIANCE:
    case DEVIATION:
        out = variance(c, k, call);
        break;
    default:
        out = one(c, call, k->what, NULL);
    }
    return bind_convert(c->p->b, out, call->type);
}
