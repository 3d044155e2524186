/* print_flink.h - what the parts of the Flink printer share. */
#ifndef SQL_PRINT_FLINK_H
#define SQL_PRINT_FLINK_H

#include "sql/sql_int.h"

struct flink {
    struct buf *out;
    int rc;
    bool parentheses;
};

void flink_put(struct flink *f, const char *text);
void flink_fmt(struct flink *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void flink_string(struct flink *f, const char *text, size_t len);
void flink_text(struct flink *f, const char *text); /* 'text' */
void flink_ident(struct flink *f, const struct sql_ident *ident);
void flink_name(struct flink *f, const struct sql_name *name);
void flink_idents(struct flink *f, const struct sql_ident *list, size_t count); /* (a, b) */
void flink_type(struct flink *f, const struct sql_type *type);
void flink_options(struct flink *f, const struct sql_options *options);
void flink_if(struct flink *f, bool condition, const char *text);
void flink_comment(struct flink *f, const char *comment);            /* NULL: nothing */
void flink_with(struct flink *f, const struct sql_options *options); /* none: nothing */
/* print_statement.c */
void flink_statement(struct flink *f, const struct sql_statement *statement);
/* print_create.c: of names and what stands behind them. false: the statement is another one. */
bool flink_definition(struct flink *f, const struct sql_statement *statement);
const char *flink_object(enum sql_object object); /* TABLE, VIEW, ... */
void flink_schema(struct flink *f, const struct sql_schema_def *schema);
void flink_distribution(struct flink *f, const char *word,
                        const struct sql_distribution *distribution);
void flink_alter(struct flink *f, enum sql_statement_kind kind,
                 const struct sql_alter *alter); /* print_alter.c */
void flink_hints(struct flink *f, const struct sql_hints *hints);
void flink_partition(struct flink *f, const struct sql_partition *partition);
void flink_expr(struct flink *f, const struct sql_expr *expr); /* print_flink_expr.c */
void flink_expr_at(struct flink *f, const struct sql_expr *expr, int prec);
void flink_exprs(struct flink *f, const struct sql_exprs *list, const char *sep);
void flink_orders(struct flink *f, const struct sql_orders *orders);
void flink_window(struct flink *f, const struct sql_window *window);
void flink_iceberg(struct flink *f, const struct sql_alter *alter); /* print_iceberg.c */
void flink_from(struct flink *f, const struct sql_from *from);
void flink_query(struct flink *f, const struct sql_query *query); /* print_flink_query.c */

#endif
