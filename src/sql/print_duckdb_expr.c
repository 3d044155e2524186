/* print_duckdb_expr.c - expressions in DuckDB's SQL: literals, windows, and what joins them. */
#include <stdio.h>

#include "sql/print_duckdb_int.h"

/* ---- literals -------------------------------------------------------------------------------- */

/* DuckDB's string literals cannot hold a zero byte: chr(0) between pieces. */
static void print_text(struct duck_printer *p, const char *text, uint32_t len)
{
    const char *zero = memchr(text, 0, len);

    if (!zero) {
        duck_put_quoted(p, text, len, '\'');
        return;
    }
    duck_put(p, "concat(");
    for (;;) {
        duck_put_quoted(p, text, (size_t)(zero - text), '\'');
        duck_put(p, ", chr(0), ");
        len -= (uint32_t)(zero - text) + 1;
        text = zero + 1;
        zero = memchr(text, 0, len);
        if (!zero)
            break;
    }
    duck_put_quoted(p, text, len, '\'');
    duck_put(p, ")");
}

static void print_literal(struct duck_printer *p, const struct bound_expr *expr)
{
    switch (expr->literal) {
    case SQL_LIT_NULL:
        if (expr->type->kind == SQL_NULL) {
            duck_put(p, "NULL");
            return;
        }
        duck_put(p, "CAST(NULL AS ");
        duck_put_type(p, expr->type);
        duck_put(p, ")");
        return;
    case SQL_LIT_BOOLEAN:
    case SQL_LIT_GIVEN:
        duck_put(p, expr->text);
        return;
    case SQL_LIT_EXACT:
    case SQL_LIT_APPROX:
        duck_put(p, "CAST(");
        if (expr->type->kind == SQL_DECIMAL || expr->literal == SQL_LIT_APPROX)
            duck_put_string(p, expr->text);
        else
            duck_put(p, expr->text);
        duck_put(p, " AS ");
        duck_put_type(p, expr->type);
        duck_put(p, ")");
        return;
    case SQL_LIT_STRING:
        print_text(p, expr->text, expr->text_len);
        return;
    case SQL_LIT_BINARY:
        duck_put(p, "CAST('");
        for (const char *c = expr->text; c[0] && c[1]; c += 2) {
            duck_put(p, "\\x");
            duck_put_len(p, c, 2);
        }
        duck_put(p, "' AS BLOB)");
        return;
    case SQL_LIT_INTERVAL:
        duck_put(p,
                 expr->type->kind == SQL_INTERVAL_YM ? "to_months(CAST(" : "to_microseconds(CAST(");
        duck_put(p, expr->text);
        duck_put(p, expr->type->kind == SQL_INTERVAL_YM ? " AS INTEGER))" : " AS BIGINT))");
        return;
    default:
        duck_put(p, "CAST(");
        duck_put_string(p, expr->text);
        duck_put(p, " AS ");
        duck_put_type(p, expr->type);
        duck_put(p, ")");
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

void duck_orders(struct duck_printer *p, const struct bound_order *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        duck_put(p, i ? ", " : "");
        if (order[i].ordinal)
            duck_put_number(p, (long long)order[i].ordinal);
        else
            duck_expr(p, order[i].expr);
        duck_put(p, order[i].descending ? " DESC" : " ASC");
        duck_put(p, order[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

static void print_bound(struct duck_printer *p, enum sql_bound_kind kind,
                        const struct bound_expr *expr)
{
    static const char *const texts[] = {
        [SQL_BOUND_NONE] = "CURRENT ROW",
        [SQL_BOUND_UNBOUNDED_PRECEDING] = "UNBOUNDED PRECEDING",
        [SQL_BOUND_PRECEDING] = " PRECEDING",
        [SQL_BOUND_CURRENT_ROW] = "CURRENT ROW",
        [SQL_BOUND_FOLLOWING] = " FOLLOWING",
        [SQL_BOUND_UNBOUNDED_FOLLOWING] = "UNBOUNDED FOLLOWING",
    };

    if (expr)
        duck_expr(p, expr);
    duck_put(p, texts[kind]);
}

static void print_over(struct duck_printer *p, const struct bound_window *over)
{
    duck_put(p, " OVER (");
    for (size_t i = 0; i < over->partition_count; i++) {
        duck_put(p, i ? ", " : "PARTITION BY ");
        duck_expr(p, over->partition[i]);
    }
    if (over->order_count) {
        duck_put(p, over->partition_count ? " ORDER BY " : "ORDER BY ");
        duck_orders(p, over->order, over->order_count);
    }
    if (over->frame != SQL_FRAME_NONE) {
        duck_put(p, over->frame == SQL_FRAME_ROWS ? " ROWS BETWEEN " : " RANGE BETWEEN ");
        print_bound(p, over->low, over->low_expr);
        duck_put(p, " AND ");
        print_bound(p, over->high, over->high_expr);
    }
    duck_put(p, ")");
}

void duck_filter(struct duck_printer *p, const struct bound_expr *call, bool not_null)
{
    not_null = not_null && !call->over;
    if (call->filter || not_null) {
        duck_put(p, " FILTER (WHERE ");
        if (call->filter)
            duck_expr(p, call->filter);
        if (call->filter && not_null)
            duck_put(p, " AND ");
        if (not_null) {
            duck_expr(p, call->args[0]);
            duck_put(p, " IS NOT NULL");
        }
        duck_put(p, ")");
    }
    if (call->over)
        print_over(p, call->over);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void print_case(struct duck_printer *p, const struct bound_expr *expr)
{
    duck_put(p, "CASE");
    for (size_t i = 0; i + 1 < expr->arg_count; i += 2) {
        duck_put(p, " WHEN ");
        duck_expr(p, expr->args[i]);
        duck_put(p, " THEN ");
        duck_expr(p, expr->args[i + 1]);
    }
    duck_put(p, " ELSE ");
    duck_expr(p, expr->args[expr->arg_count - 1]);
    duck_put(p, " END");
}

/* (a, b) IN (query). DuckDB takes a row with a NULL in it for unknown even where another column
 * differs. */
static void print_in_rows(struct duck_printer *p, const struct bound_expr *expr)
{
    int number = p->lambda++;

    duck_put(p, expr->negated ? "(NOT " : "(");
    duck_put(p,
             "(SELECT CASE WHEN bool_or(m) THEN TRUE WHEN count(*) > count(m) THEN NULL ELSE FALSE "
             "END FROM (SELECT ");
    for (size_t i = 0; i < expr->arg_count; i++) {
        duck_put(p, i ? " AND (" : "(");
        duck_expr(p, expr->args[i]);
        if (!p->rc)
            p->rc = buf_printf(p->out, " = q%d.c%zu)", number, i);
    }
    duck_put(p, " AS m FROM (");
    duck_query(p, expr->query, false);
    if (!p->rc)
        p->rc = buf_printf(p->out, ") AS q%d(", number);
    for (size_t i = 0; i < expr->arg_count && !p->rc; i++)
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
    duck_put(p, "))))");
}

static void print_in(struct duck_printer *p, const struct bound_expr *expr)
{
    if (expr->query && expr->arg_count > 1) {
        print_in_rows(p, expr);
        return;
    }
    duck_put(p, "(");
    duck_expr(p, expr->args[0]);
    duck_put(p, expr->negated ? " NOT IN (" : " IN (");
    if (expr->query)
        duck_query(p, expr->query, false);
    for (size_t i = 1; i < expr->arg_count; i++) {
        duck_put(p, i > 1 ? ", " : "");
        duck_expr(p, expr->args[i]);
    }
    duck_put(p, "))");
}

static void print_column(struct duck_printer *p, const struct bound_expr *expr)
{
    size_t column;
    const struct bound_source *source = bound_at(expr, &column);

    if (source->kind == SOURCE_TABLE && p->options->reads)
        p->options->reads(p->options->arg, source->table, source->columns[column].name, p->field);
    p->field = NULL;
    if (!p->rc)
        p->rc = buf_printf(p->out, "t%d.", source->number);
    if (source->kind == SOURCE_TABLE)
        duck_put_name(p, source->columns[column].name);
    else if (!p->rc)
        p->rc = buf_printf(p->out, "c%zu", column);
}

void duck_expr(struct duck_printer *p, const struct bound_expr *expr)
{
    if (p->rc)
        return;
    switch (expr->kind) {
    case BOUND_LITERAL:
        print_literal(p, expr);
        break;
    case BOUND_COLUMN:
        print_column(p, expr);
        break;
    case BOUND_CALL:
        duck_call(p, expr);
        break;
    case BOUND_CAST:
        duck_conversion(p, expr);
        break;
    case BOUND_CASE:
        print_case(p, expr);
        break;
    case BOUND_IN:
        print_in(p, expr);
        break;
    case BOUND_EXISTS:
        duck_put(p, "EXISTS (");
        duck_query(p, expr->query, false);
        duck_put(p, ")");
        break;
    case BOUND_SUBQUERY:
        duck_put(p, "(");
        duck_query(p, expr->query, false);
        duck_put(p, ")");
        break;
    case BOUND_FIELD:
        duck_put(p, "struct_extract(");
        p->field = expr->args[0]->kind == BOUND_COLUMN ? expr->text : NULL;
        duck_expr(p, expr->args[0]);
        duck_put(p, ", ");
        duck_put_string(p, expr->text);
        duck_put(p, ")");
        break;
    case BOUND_SYMBOL:
        duck_put_string(p, expr->text);
        break;
    }
}
