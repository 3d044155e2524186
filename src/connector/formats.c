/* formats.c - which format a table has and what its options are. */
#include <stdio.h>
#include <strings.h>

#include "connector/formats.h"

struct table_format table_format_value(const struct sql_table *table, const char *fallback)
{
    const char *name = sql_option(table->options, "value.format");

    if (!name)
        name = sql_option(table->options, "format");
    return (struct table_format){table->options, name ? name : fallback, "value.", NULL};
}

struct table_format table_format_key(const struct sql_table *table)
{
    return (struct table_format){table->options, sql_option(table->options, "key.format"), "key.",
                                 NULL};
}

const char *table_format_option(void *arg, const char *key)
{
    const struct table_format *f = arg;
    const char *value;
    char name[200];

    if (!strcmp(key, "$schema"))
        return f->schema;
    snprintf(name, sizeof(name), "%s%s.%s", f->prefix, f->name, key);
    value = sql_option(f->options, name);
    if (value || !strcmp(f->prefix, "key."))
        return value;
    snprintf(name, sizeof(name), "%s.%s", f->name, key);
    return sql_option(f->options, name);
}

bool table_format_true(const struct table_format *format, const char *key)
{
    const char *value = table_format_option((void *)format, key);

    return value && !strcasecmp(value, "true");
}

int table_column_policy(const struct sql_table *table, const char *column, enum json_policy *out,
                        struct err *err)
{
    static const char *const names[] = {"reject", "null", "fail"};
    char key[300];
    const char *value;

    *out = ON_FAULT_REJECT;
    snprintf(key, sizeof(key), "tarn.on-error.%s", column);
    value = sql_option(table->options, key);
    if (!value)
        value = sql_option(table->options, "tarn.on-error");
    for (size_t i = 0; value && i < COUNT_OF(names); i++)
        if (!strcmp(value, names[i])) {
            *out = (enum json_policy)i; /* in the order of the enum */
            return 0;
        }
    return value ? err_set(err, ERR_INVALID, "'tarn.on-error' = '%s': reject, null or fail", value)
                 : 0;
}

int table_second_digits(const struct sql_type *type)
{
    bool timed =
        type->kind == SQL_TIME || type->kind == SQL_TIMESTAMP || type->kind == SQL_TIMESTAMP_LTZ;

    /* 0 means all of them to the decoder; TIMESTAMP(0) is rare and keeps milliseconds. */
    return timed ? (type->precision > 0 ? type->precision : 3) : 0;
}
