/* avro_types.c - the Avro schema of a table's columns, as Flink 1.20 derives it ("Avro Format",
 * "Data Type Mapping"): a nullable type is a union with null, a row a record named after its place.
 */
#include <ctype.h>

#include "connector/formats.h"

struct deriving {
    struct buf *out;
    struct err *err;
    bool legacy; /* avro.timestamp_mapping.legacy: both kinds of TIMESTAMP are timestamp-millis */
};

static int put_type(struct deriving *d, const struct sql_type *type, const char *name, int depth);

static int unsupported(struct deriving *d, const struct sql_type *type, const char *why)
{
    struct buf text = {0};
    int rc = sql_type_print(type, &text);

    rc = err_set(d->err, ERR_UNSUPPORTED, "format 'avro' has no type for %s%s",
                 rc || !buf_cstr(&text) ? "" : buf_cstr(&text), why);
    buf_deinit(&text);
    return rc;
}

static int put_logical(struct deriving *d, const char *type, const char *logical)
{
    return buf_printf(d->out, "{\"type\":\"%s\",\"logicalType\":\"%s\"}", type, logical);
}

static int put_timestamp(struct deriving *d, const struct sql_type *type)
{
    bool instant = type->kind == SQL_TIMESTAMP_LTZ;

    if (d->legacy && instant)
        return unsupported(d, type, ": set 'avro.timestamp_mapping.legacy' = 'false'");
    if (type->precision > (d->legacy ? 3 : 6))
        return unsupported(d, type,
                           d->legacy ? ": TIMESTAMP(3) is the finest, or set "
                                       "'avro.timestamp_mapping.legacy' = 'false'"
                                     : ": its precision is 6 at most");
    if (d->legacy)
        return put_logical(d, "long", "timestamp-millis");
    if (type->precision > 3)
        return put_logical(d, "long", instant ? "timestamp-micros" : "local-timestamp-micros");
    return put_logical(d, "long", instant ? "timestamp-millis" : "local-timestamp-millis");
}

static int check_name(struct deriving *d, const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalpha((unsigned char)*c) && *c != '_' && (c == name || !isdigit((unsigned char)*c)))
            return err_set(d->err, ERR_INVALID, "format 'avro': `%s` is no name of a field there",
                           name);
    return *name ? 0 : err_set(d->err, ERR_INVALID, "format 'avro': a field without a name");
}

static int put_field(struct deriving *d, const char *name, const struct sql_type *type,
                     const char *record, bool first, int depth)
{
    struct buf nested = {0};
    int rc = check_name(d, name);

    rc = rc ? rc : buf_printf(d->out, "%s{\"name\":\"%s\",\"type\":", first ? "" : ",", name);
    rc = rc ? rc : buf_printf(&nested, "%s_%s", record, name);
    rc = rc || buf_cstr(&nested) ? rc : ERR_NOMEM;
    rc = rc ? rc : put_type(d, type, buf_cstr(&nested), depth + 1);
    buf_deinit(&nested);
    if (!rc && type->nullable)
        rc = buf_append_str(d->out, ",\"default\":null");
    return rc ? rc : buf_append_u8(d->out, '}');
}

static int begin_record(struct deriving *d, const char *name)
{
    return buf_printf(d->out,
                      "{\"type\":\"record\",\"name\":\"%s\","
                      "\"namespace\":\"org.apache.flink.avro.generated\",\"fields\":[",
                      name);
}

static int put_row(struct deriving *d, const struct sql_type *type, const char *name, int depth)
{
    int rc = begin_record(d, name);

    for (size_t i = 0; i < type->field_count && !rc; i++)
        rc = put_field(d, type->fields[i].name, type->fields[i].type, name, i == 0, depth);
    return rc ? rc : buf_append_str(d->out, "]}");
}

static int put_items(struct deriving *d, const struct sql_type *type, const char *name, int depth)
{
    static const struct sql_type count = {.kind = SQL_INT};
    bool list = type->kind == SQL_ARRAY, set = type->kind == SQL_MULTISET;
    const struct sql_type *key = set ? type->item : type->key;
    int rc;

    if (!list && key->kind != SQL_VARCHAR && key->kind != SQL_CHAR)
        return unsupported(d, type, ": keys of maps are strings");
    rc = buf_append_str(d->out,
                        list ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
    rc = rc ? rc : put_type(d, set ? &count : type->item, name, depth + 1);
    return rc ? rc : buf_append_u8(d->out, '}');
}

static int put_bare(struct deriving *d, const struct sql_type *type, const char *name, int depth)
{
    switch (type->kind) {
    case SQL_BOOLEAN:
        return buf_append_str(d->out, "\"boolean\"");
    case SQL_TINYINT:
    case SQL_SMALLINT:
    case SQL_INT:
        return buf_append_str(d->out, "\"int\"");
    case SQL_BIGINT:
        return buf_append_str(d->out, "\"long\"");
    case SQL_FLOAT:
        return buf_append_str(d->out, "\"float\"");
    case SQL_DOUBLE:
        return buf_append_str(d->out, "\"double\"");
    case SQL_CHAR:
    case SQL_VARCHAR:
        return buf_append_str(d->out, "\"string\"");
    case SQL_BINARY:
    case SQL_VARBINARY:
        return buf_append_str(d->out, "\"bytes\"");
    case SQL_DECIMAL:
        return buf_printf(d->out,
                          "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%d,"
                          "\"scale\":%d}",
                          type->precision, type->scale);
    case SQL_DATE:
        return put_logical(d, "int", "date");
    case SQL_TIME:
        return type->precision > 3 ? unsupported(d, type, ": TIME(3) is the finest")
                                   : put_logical(d, "int", "time-millis");
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        return put_timestamp(d, type);
    case SQL_ARRAY:
    case SQL_MAP:
    case SQL_MULTISET:
        return put_items(d, type, name, depth);
    case SQL_ROW:
        return put_row(d, type, name, depth);
    default:
        return unsupported(d, type, "");
    }
}

static int put_type(struct deriving *d, const struct sql_type *type, const char *name, int depth)
{
    int rc;

    if (depth > 30)
        return unsupported(d, type, ": nested too deep");
    rc = type->nullable ? buf_append_str(d->out, "[\"null\",") : 0;
    rc = rc ? rc : put_bare(d, type, name, depth);
    return rc || !type->nullable ? rc : buf_append_u8(d->out, ']');
}

int table_format_schema(struct table_format *format, const struct table_field *fields, size_t count,
                        struct buf *out, struct err *err)
{
    struct err why = {0};
    struct deriving d = {out, &why, true};
    const char *legacy;
    int rc;

    if (!format->name || strcmp(format->name, "avro") != 0)
        return 0;
    legacy = table_format_option(format, "timestamp_mapping.legacy");
    d.legacy = !legacy || table_format_true(format, "timestamp_mapping.legacy");
    rc = begin_record(&d, "record");
    for (size_t i = 0; i < count && !rc; i++)
        rc = put_field(&d, fields[i].name, fields[i].type, "record", i == 0, 0);
    rc = rc ? rc : buf_append_str(out, "]}");
    format->schema = rc ? NULL : buf_cstr(out);
    if (!rc && !format->schema)
        rc = ERR_NOMEM;
    if (rc && !why.code)
        err_set(&why, rc, "format 'avro'");
    if (rc && err)
        *err = why;
    return rc;
}
