/* duckdb_types.c - Iceberg types in DuckDB's SQL, and quoting. */
#include <stdarg.h>
#include <stdio.h>

#include "lake/lake_int.h"

void out_str(struct out *out, const char *text)
{
    if (!out->rc)
        out->rc = buf_append_str(out->buf, text);
}

void out_fmt(struct out *out, const char *fmt, ...)
{
    char small[512];
    va_list args;
    int len;

    if (out->rc)
        return;
    va_start(args, fmt);
    len = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(small)) {
        out->rc = buf_append(out->buf, small, (size_t)len);
        return;
    }
    out->rc = buf_reserve(out->buf, (size_t)len + 1);
    if (out->rc)
        return;
    va_start(args, fmt);
    vsnprintf((char *)out->buf->ptr + out->buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    out->buf->len += (size_t)len;
}

static void out_quoted(struct out *out, const char *text, char quote)
{
    char twice[3] = {quote, quote, 0}, once[2] = {quote, 0};

    out_str(out, once);
    for (const char *next; *text; text = next) {
        size_t run = strcspn(text, once);

        if (!out->rc)
            out->rc = buf_append(out->buf, text, run);
        next = text + run;
        if (*next) {
            out_str(out, twice);
            next++;
        }
    }
    out_str(out, once);
}

void out_name(struct out *out, const char *name)
{
    out_quoted(out, name, '"');
}

void out_text(struct out *out, const char *text)
{
    out_quoted(out, text, '\'');
}

int lake_sql_name(struct buf *buf, const char *name)
{
    struct out o = {buf, 0};

    out_name(&o, name);
    return o.rc;
}

int lake_sql_text(struct buf *buf, const char *text)
{
    struct out o = {buf, 0};

    out_text(&o, text);
    return o.rc;
}

static void put_type(struct out *o, const struct lake_type *type)
{
    static const char *const names[] = {
        [LAKE_BOOLEAN] = "BOOLEAN",
        [LAKE_INT] = "INTEGER",
        [LAKE_LONG] = "BIGINT",
        [LAKE_FLOAT] = "FLOAT",
        [LAKE_DOUBLE] = "DOUBLE",
        [LAKE_DATE] = "DATE",
        [LAKE_TIME] = "TIME",
        [LAKE_TIMESTAMP] = "TIMESTAMP",
        [LAKE_TIMESTAMPTZ] = "TIMESTAMPTZ",
        [LAKE_TIMESTAMP_NS] = "TIMESTAMP_NS",
        [LAKE_TIMESTAMPTZ_NS] = "TIMESTAMP_NS", /* DuckDB has no zoned nanoseconds: UTC */
        [LAKE_STRING] = "VARCHAR",
        [LAKE_UUID] = "UUID",
        [LAKE_FIXED] = "BLOB",
        [LAKE_BINARY] = "BLOB",
        [LAKE_UNKNOWN] = "INTEGER", /* always NULL */
    };

    switch (type->kind) {
    case LAKE_DECIMAL:
        out_fmt(o, "DECIMAL(%" PRId32 ",%" PRId32 ")", type->precision, type->scale);
        break;
    case LAKE_LIST:
        put_type(o, &type->fields[0].type);
        out_str(o, "[]");
        break;
    case LAKE_MAP:
        out_str(o, "MAP(");
        put_type(o, &type->fields[0].type);
        out_str(o, ", ");
        put_type(o, &type->fields[1].type);
        out_str(o, ")");
        break;
    case LAKE_STRUCT:
        out_str(o, "STRUCT(");
        for (size_t i = 0; i < type->field_count; i++) {
            out_str(o, i ? ", " : "");
            out_name(o, type->fields[i].name);
            out_str(o, " ");
            put_type(o, &type->fields[i].type);
        }
        out_str(o, ")");
        break;
    default:
        out_str(o, names[type->kind]);
    }
}

int lake_duckdb_type(const struct lake_type *type, struct buf *buf, struct err *err)
{
    struct out o = {buf, 0};

    put_type(&o, type);
    return o.rc ? err_set(err, o.rc, "type") : 0;
}

/* Children of lists and maps have ids too: without them evolved nested columns cannot be found. */
static void put_field_ids(struct out *o, const struct lake_field *field)
{
    const struct lake_type *type = &field->type;

    if (lake_type_primitive(type)) {
        out_fmt(o, "%" PRId32, field->id);
        return;
    }
    out_fmt(o, "{__duckdb_field_id: %" PRId32, field->id);
    for (size_t i = 0; i < type->field_count; i++) {
        out_str(o, ", ");
        out_name(o, type->fields[i].name);
        out_str(o, ": ");
        put_field_ids(o, &type->fields[i]);
    }
    out_str(o, "}");
}

int lake_duckdb_field_ids(const struct lake_schema *schema, struct buf *buf, struct err *err)
{
    struct out o = {buf, 0};

    out_str(&o, "{");
    for (size_t i = 0; i < schema->root.field_count; i++) {
        out_str(&o, i ? ", " : "");
        out_name(&o, schema->root.fields[i].name);
        out_str(&o, ": ");
        put_field_ids(&o, &schema->root.fields[i]);
    }
    out_str(&o, "}");
    return o.rc ? err_set(err, o.rc, "field ids") : 0;
}
