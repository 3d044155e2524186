/* print_duckdb_int.h - what the parts of the printer of DuckDB's SQL share. Each appends; the first
 * failure stays in `rc`, and nothing is written after it.
 */
#ifndef TARN_SQL_PRINT_DUCKDB_INT_H
#define TARN_SQL_PRINT_DUCKDB_INT_H

#include "sql/bound.h"

struct duck_printer {
    struct buf *out;
    int rc;
    const struct sql_duckdb_options *options;
    const char *time_zone, *database;
    int lambda;        /* numbers the variables of list_transform */
    const char *field; /* of the column that is printed next: all that is read of it; or NULL */
};
/* ---- print_duckdb.c ---- */

void duck_put(struct duck_printer *p, const char *text);
void duck_put_len(struct duck_printer *p, const char *text, size_t len);
void duck_put_number(struct duck_printer *p, long long number);
void duck_put_quoted(struct duck_printer *p, const char *text, size_t len, char quote);
void duck_put_name(struct duck_printer *p, const char *name);
void duck_put_string(struct duck_printer *p, const char *text);
void duck_put_type(struct duck_printer *p, const struct sql_type *type);
void duck_put_flink_type(struct duck_printer *p, const struct sql_type *type); /* as a string */
/* `named`: columns have the query's own names, not c0, c1, ... */
void duck_query(struct duck_printer *p, const struct sql_bound *query, bool named);

/* ---- print_duckdb_expr.c ---- */

void duck_expr(struct duck_printer *p, const struct bound_expr *expr);
void duck_orders(struct duck_printer *p, const struct bound_order *order, size_t count);
/* FILTER of an aggregate; `not_null`: and its first argument is there. */
void duck_filter(struct duck_printer *p, const struct bound_expr *call, bool not_null);

/* ---- print_duckdb_call.c ---- */

void duck_call(struct duck_printer *p, const struct bound_expr *expr);
/* A cast. One that the binder added and that loses nothing is not spelled out. */
void duck_conversion(struct duck_printer *p, const struct bound_expr *expr);
#endif
