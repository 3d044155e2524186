/* bind_default.c - DEFAULT: what a column takes when a statement gives it no value of its own.
 *
 * The resolver says it in DuckDB's text, of the column's type: a default is a constant of the
 * table, made when the table was changed, and means the same in every session's time zone. */
#include "sql/bound.h"

struct bound_expr *bind_default(struct binder *b, struct sql_pos pos,
                                const struct sql_column *column)
{
    struct bound_expr *bound;

    if (!column->given)
        return bound_null(b, pos, column->type);
    bound = bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, column->type, false));
    bound->literal = SQL_LIT_GIVEN;
    bound->text = column->given;
    return bound;
}

struct bound_expr *bind_or_default(struct binder *b, struct scope *scope,
                                   const struct sql_expr *expr, const struct sql_column *column)
{
    if (expr->kind != SQL_EXPR_DEFAULT)
        return bind_expr(b, scope, expr);
    if (!column)
        bind_fail(b, ERR_INVALID, expr->pos,
                  "DEFAULT stands for a column's value in INSERT ... VALUES, UPDATE and MERGE");
    return bind_default(b, expr->pos, column);
}
