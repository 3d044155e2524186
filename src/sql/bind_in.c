/* bind_in.c - values and rows compared with a query's: IN, = ANY, <> ALL. */
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

/* x = ANY (query) is x IN (query), x <> ALL (query) is x NOT IN (query). */
struct bound_expr *bind_quantified(struct binder *b, struct scope *scope,
                                   const struct sql_expr *expr)
{
    struct sql_expr in = *expr;

    if (!expr->query || expr->op != (expr->all ? SQL_OP_NE : SQL_OP_EQ))
        bind_fail(b, ERR_UNSUPPORTED, expr->pos,
                  "SOME, ANY and ALL are not built yet but for = ANY (query) and <> ALL (query)");
    in.kind = SQL_EXPR_IN;
    in.negated = expr->all;
    return bind_in_query(b, scope, &in);
}
