/* passes.c - does a plan only hand the source's columns on? Then a job needs no fragment at all.
 *
 * True when output i is column i of the feed, under the same name and with the same representation
 * in DuckDB, and no row is filtered. The commonest INSERT, SELECT * into a table of the same
 * columns, is such a one: its rows go from the decoder into the file untouched. */
#include "sql/bound.h"

/* A conversion that changes no value: the target holds all that the source can. */
static bool widens(const struct sql_type *from, const struct sql_type *to)
{
    struct buf a = {0}, b = {0};
    bool same = !sql_type_print_duckdb(from, &a) && !sql_type_print_duckdb(to, &b) &&
                slice_eq(buf_slice(&a), buf_slice(&b));

    buf_deinit(&a);
    buf_deinit(&b);
    return same && from->kind == to->kind && from->length <= to->length &&
           from->precision <= to->precision && from->scale == to->scale;
}

/* Which column of the feed the expression is; -1: none, or not as it is. */
static long feed_column(const struct bound_expr *expr)
{
    while (expr->kind == BOUND_CAST && expr->implicit && widens(expr->args[0]->type, expr->type))
        expr = expr->args[0];
    if (expr->kind != BOUND_COLUMN)
        return -1;
    if (expr->source->kind == SOURCE_TABLE) {
        const struct sql_table *table = expr->source->table;
        long place = 0;

        if (expr->source->computed && expr->source->computed[expr->column])
            return -1;
        for (size_t i = 0; i < expr->column; i++) /* computed columns are not in the feed */
            place += table->columns[i].kind != SQL_COLUMN_COMPUTED;
        return place;
    }
    if (expr->source->kind == SOURCE_QUERY && expr->source->query->kind == QUERY_SELECT &&
        expr->column < expr->source->query->output_count)
        return feed_column(expr->source->query->items[expr->column]);
    return -1;
}

static bool plain(const struct sql_bound *query)
{
    const struct bound_source *from = query->from;

    if (query->kind != QUERY_SELECT || query->where || query->distinct || query->aggregated ||
        query->having || query->qualify || query->limit || query->offset || !from)
        return false;
    return from->kind == SOURCE_TABLE || (from->kind == SOURCE_QUERY && plain(from->query));
}

bool bound_passes(const struct sql_bound *query, const struct sql_table *source)
{
    size_t fed = 0;

    if (!plain(query))
        return false;
    for (size_t i = 0; i < source->column_count; i++) {
        if (source->columns[i].kind == SQL_COLUMN_COMPUTED)
            continue;
        if (fed >= query->output_count || feed_column(query->items[fed]) != (long)fed ||
            strcmp(query->outputs[fed].name, source->columns[i].name) != 0)
            return false;
        fed++;
    }
    return fed == query->output_count;
}
