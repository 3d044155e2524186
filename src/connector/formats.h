/* formats.h - the format of a table: what 'format', 'value.format' or 'key.format' names, with its
 * options ('json.…', 'value.json.…', 'key.json.…').
 */
#ifndef CONNECTOR_FORMATS_H
#define CONNECTOR_FORMATS_H

#include "format/row_format.h"
#include "sql/sql.h"

struct table_format {
    const struct sql_options *options; /* borrowed */
    const char *name;                  /* "json" */
    const char *prefix;                /* "value." or "key.": what may stand before its options */
    const char *schema;                /* avro: of its columns; else NULL */
};
/* 'format' or 'value.format'; `fallback` when neither is there. */
struct table_format table_format_value(const struct sql_table *table, const char *fallback);
struct table_format table_format_key(const struct sql_table *table); /* name NULL: none */
/* row_options.get, with a struct table_format as its arg. */
const char *table_format_option(void *arg, const char *key);
bool table_format_true(const struct table_format *format, const char *key);

/* avro_types.c: format->schema of a format that wants one, in `out`, which stays as long as the
 * format. ERR_UNSUPPORTED: a type that Avro has not. */
struct table_field {
    const char *name;
    const struct sql_type *type;
};
int table_format_schema(struct table_format *format, const struct table_field *fields, size_t count,
                        struct buf *out, struct err *err);

/* 'tarn.on-error' and 'tarn.on-error.COLUMN': what a value that its column cannot hold does. */
int table_column_policy(const struct sql_table *table, const char *column, enum json_policy *out,
                        struct err *err);
/* Digits of a second that a column of time keeps. */
int table_second_digits(const struct sql_type *type);

/* The columns of a table as a sink takes them, or as its source gives them. */
static inline bool table_column_stored(const struct sql_column *column)
{
    return column->kind != SQL_COLUMN_COMPUTED &&
           !(column->kind == SQL_COLUMN_METADATA && column->is_virtual);
}

#endif
