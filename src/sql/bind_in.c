/* bind_in.c - values and rows compared with a query's: IN, ANY, ALL. */
#include "sql/bound.h"

/* The query's columns get the types that they are compared in. */
static struct sql_bound *compared_query(struct binder *b, struct sql_bound *query,
                                        const struct sql_output *outputs)
{
    bool same = true;

    for (size_t i = 0; i < query->output_count; i++)
        same = same && sql_type_same(query->outputs[i].type, outputs[i].type);
    if (same)
        return query;
    if (query->kind != QUERY_SELECT || query->distinct || query->order_count)
        return bind_outputs(b, query, NULL, outputs, query->output_count);
    for (size_t i = 0; i < query->output_count; i++) {
        query->items[i] = bind_convert(b, query->items[i], outputs[i].type);
        query->outputs[i].type = outputs[i].type;
    }
    return query;
}

/* x IN (SELECT a ...), (x, y) IN (SELECT a, b ...) */
struct bound_expr *bind_in_query(struct binder *b, struct scope *scope, const struct sql_expr *expr)
{
    const struct sql_expr *left = expr->args.list[0];
    bool many = left->kind == SQL_EXPR_ROW;
    size_t count = many ? left->args.count : 1;
    struct bound_expr *in = bound_new(b, BOUND_IN, expr->pos, &sql_type_boolean);
    struct sql_output *outputs;
    bool nullable = false;

    in->args = BIND_ARRAY(b, struct bound_expr *, count);
    in->arg_count = count;
    for (size_t i = 0; i < count; i++)
        in->args[i] = bind_expr(b, scope, many ? left->args.list[i] : left);
    in->query = bind_query(b, scope, expr->query);
    if (in->query->output_count != count)
        bind_fail(b, ERR_INVALID, expr->pos, "%zu values are compared with a query of %zu columns",
                  count, in->query->output_count);
    outputs = BIND_ARRAY(b, struct sql_output, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct sql_type *given = in->query->outputs[i].type;
        const struct sql_type *type = sql_type_common(b->arena, in->args[i]->type, given);

        if (!type)
            bind_fail(b, ERR_INVALID, expr->pos, "%s and the query's %s cannot be compared",
                      bind_type_text(b, in->args[i]->type), bind_type_text(b, given));
        nullable = nullable || in->args[i]->type->nullable || given->nullable;
        outputs[i] = (struct sql_output){in->query->outputs[i].name,
                                         bind_nullable(b, type, given->nullable)};
        in->args[i] = bind_convert(b, in->args[i], type);
    }
    in->query = compared_query(b, in->query, outputs);
    in->type = bind_nullable(b, &sql_type_boolean, nullable);
    in->negated = expr->negated;
    return in;
}

/* ---- ANY, ALL -------------------------------------------------------------------------------- */

/* x > ALL (query) hangs on little of the query: its least and its greatest value, how many rows it
 * has and how many of them are not NULL. They are fields of one row, which is a query's value like
 * any other: what the query says of the query around it is a matter of such values then. */
enum summary { LEAST, GREATEST, ROWS, VALUES };

static struct bound_expr *row_of(struct binder *b, struct bound_expr *value)
{
    struct sql_pos pos = value->pos;
    struct bound_expr **parts = BIND_ARRAY(b, struct bound_expr *, 4);

    parts[LEAST] = bind_function2(b, pos, "MIN", value, NULL);
    parts[GREATEST] = bind_function2(b, pos, "MAX", value, NULL);
    parts[ROWS] = bind_function(b, pos, "COUNT", NULL, 0);
    parts[VALUES] = bind_function2(b, pos, "COUNT", value, NULL);
    return bind_function(b, pos, "ROW", parts, 4);
}

/* Aggregates may stand in it as it is: else they stand around it. */
static bool is_simple(const struct sql_bound *q)
{
    return q->kind == QUERY_SELECT && q->from && !q->aggregated && !q->distinct && !q->limit &&
           !q->offset && !q->qualify && !q->items[0]->over &&
           (q->items[0]->kind == BOUND_COLUMN || q->items[0]->kind == BOUND_CAST);
}

static struct bound_expr *summary_of(struct binder *b, struct sql_bound *query)
{
    struct sql_bound *one = query;
    struct bound_expr *value;

    if (!is_simple(query))
        one = bind_outputs(b, query, NULL, query->outputs, 1);
    one->order_count = 0;
    one->items[0] = row_of(b, one->items[0]);
    one->outputs[0] = (struct sql_output){"$all", one->items[0]->type};
    one->aggregated = true;
    value = bound_new(b, BOUND_SUBQUERY, query->pos, bind_nullable(b, one->items[0]->type, true));
    value->query = one;
    return value;
}

static struct bound_expr *field(struct binder *b, struct bound_expr *row, enum summary which)
{
    const struct sql_field *of = &row->type->fields[which];
    struct bound_expr *expr = bound_new(b, BOUND_FIELD, row->pos, bind_nullable(b, of->type, true));

    expr->args = BIND_ARRAY(b, struct bound_expr *, 1);
    expr->args[0] = row;
    expr->arg_count = 1;
    expr->column = which;
    expr->text = of->name;
    return expr;
}

/* The comparison that decides for a value which of the query's it meets last. */
static const struct quantified {
    enum sql_op op;
    const char *name;
    enum summary any, all; /* what is compared with */
} quantified[] = {
    {SQL_OP_LT, "<", GREATEST, LEAST}, {SQL_OP_LE, "<=", GREATEST, LEAST},
    {SQL_OP_GT, ">", LEAST, GREATEST}, {SQL_OP_GE, ">=", LEAST, GREATEST},
    {SQL_OP_EQ, "=", LEAST, GREATEST}, {SQL_OP_NE, "<>", LEAST, GREATEST},
};

static const struct quantified *quantified_of(struct binder *b, const struct sql_expr *expr)
{
    for (size_t i = 0; i < COUNT_OF(quantified); i++)
        if (quantified[i].op == expr->op)
            return &quantified[i];
    bind_fail(b, ERR_INVALID, expr->pos, "SOME, ANY and ALL stand behind =, <>, <, <=, >, >=");
}

struct deciding {
    struct binder *b;
    struct scope *scope;
    const struct sql_expr *left;
    struct bound_expr *row;
};

/* The left side, anew for each place that it stands in. */
static struct bound_expr *compare(const struct deciding *d, const char *op, enum summary with)
{
    struct bound_expr *left = bind_expr(d->b, d->scope, d->left);

    return bind_function2(d->b, left->pos, op, left, field(d->b, d->row, with));
}

/* Is there a row that settles it? ANY: one for which the comparison is true; ALL: one for which it
 * is false. x <> ANY and x = ALL: one that is different. */
static struct bound_expr *settled(const struct deciding *d, const struct quantified *q, bool all)
{
    bool different = q->op == SQL_OP_EQ || q->op == SQL_OP_NE;

    if (different)
        return bind_function2(d->b, d->left->pos, "OR", compare(d, "<>", LEAST),
                              compare(d, "<>", GREATEST));
    return all ? bind_function2(d->b, d->left->pos, "NOT", compare(d, q->name, q->all), NULL)
               : compare(d, q->name, q->any);
}

/* CASE WHEN there are no rows THEN all WHEN one settles it THEN NOT all WHEN one is not known THEN
 * NULL ELSE all END */
static struct bound_expr *decide(const struct deciding *d, const struct quantified *q, bool all)
{
    struct binder *b = d->b;
    struct sql_pos pos = d->left->pos;
    struct bound_expr *either = bound_new(b, BOUND_CASE, pos, &sql_type_boolean);
    struct bound_expr *missing =
        bind_function2(b, pos, "<", field(b, d->row, VALUES), field(b, d->row, ROWS));
    struct bound_expr *none = bind_expr(b, d->scope, d->left);

    either->args = BIND_ARRAY(b, struct bound_expr *, 7);
    either->args[either->arg_count++] =
        bind_function2(b, pos, "=", field(b, d->row, ROWS), bound_int(b, pos, 0));
    either->args[either->arg_count++] = bound_truth(b, pos, all);
    either->args[either->arg_count++] = settled(d, q, all);
    either->args[either->arg_count++] = bound_truth(b, pos, !all);
    either->args[either->arg_count++] =
        bind_function2(b, pos, "OR", bind_function2(b, pos, "IS NULL", none, NULL), missing);
    either->args[either->arg_count++] = bound_null(b, pos, &sql_type_boolean);
    either->args[either->arg_count++] = bound_truth(b, pos, all);
    return either;
}

/* x > ANY (1, 2, 3) */
static struct bound_expr *listed(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                                 const struct quantified *q)
{
    struct bound_expr *out = NULL;

    for (size_t i = 1; i < expr->args.count; i++) {
        struct bound_expr *one =
            bind_function2(b, expr->pos, q->name, bind_expr(b, scope, expr->args.list[0]),
                           bind_expr(b, scope, expr->args.list[i]));

        out = out ? bind_function2(b, expr->pos, expr->all ? "AND" : "OR", out, one) : one;
    }
    return out;
}

/* x = ANY (query) is x IN (query), x <> ALL (query) is x NOT IN (query). */
struct bound_expr *bind_quantified(struct binder *b, struct scope *scope,
                                   const struct sql_expr *expr)
{
    const struct quantified *q = quantified_of(b, expr);
    struct deciding deciding = {b, scope, expr->args.list[0], NULL};
    struct sql_expr in = *expr;
    struct sql_bound *query;

    if (!expr->query)
        return listed(b, scope, expr, q);
    if (expr->op == (expr->all ? SQL_OP_NE : SQL_OP_EQ)) {
        in.kind = SQL_EXPR_IN;
        in.negated = expr->all;
        return bind_in_query(b, scope, &in);
    }
    query = bind_query(b, scope, expr->query);
    if (query->output_count != 1 || deciding.left->kind == SQL_EXPR_ROW)
        bind_fail(b, ERR_INVALID, expr->pos,
                  "%s compares one value with a query of one column, but for = ANY and <> ALL",
                  expr->all ? "ALL" : "ANY");
    deciding.row = summary_of(b, query);
    return decide(&deciding, q, expr->all);
}
