/* value_json.c - JSON single values: what the defaults of columns are. Iceberg spec, appendix D. */
#include <math.h>

#include "lake/lake_int.h"

static int put_hex(struct buf *out, struct slice bytes)
{
    int rc = buf_append_u8(out, '"');

    for (size_t i = 0; i < bytes.len && !rc; i++)
        rc = buf_printf(out, "%02X", bytes.ptr[i]);
    return rc ? rc : buf_append_u8(out, '"');
}

int lake_value_json(const struct lake_type *type, const struct lake_value *value, struct buf *out)
{
    struct buf text = {0};
    int rc;

    if (value->null)
        return buf_append_str(out, "null");
    switch (type->kind) {
    case LAKE_BOOLEAN:
    case LAKE_INT:
    case LAKE_LONG:
        return lake_value_text(type, value, out);
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        if (!isfinite(value->d)) /* JSON has no word for it */
            return ERR_UNSUPPORTED;
        return lake_value_text(type, value, out);
    case LAKE_FIXED:
    case LAKE_BINARY:
        return put_hex(out, value->bytes);
    default:
        rc = lake_value_text(type, value, &text);
        rc = rc ? rc : json_quote(out, buf_slice(&text));
        buf_deinit(&text);
        return rc;
    }
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int from_hex(const char *text, struct arena *arena, struct lake_value *out, struct err *err)
{
    size_t len = strlen(text);
    uint8_t *bytes = arena_alloc(arena, len / 2 + 1);

    if (!bytes)
        return err_set(err, ERR_NOMEM, "default");
    for (size_t i = 0; i < len; i++) {
        int value = digit(text[i]);

        if (value < 0 || len % 2)
            return err_set(err, ERR_CORRUPT, "default '%.40s' is not hexadecimal", text);
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | value);
    }
    *out = (struct lake_value){.bytes = slice_of(bytes, len / 2)};
    return 0;
}

int lake_value_from_json(const struct lake_type *type, const char *text, struct arena *arena,
                         struct lake_value *out, struct err *err)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    const char *word = json_string_value(json), *copy;
    int rc;

    *out = (struct lake_value){.null = true};
    if (!json || !lake_type_primitive(type)) {
        json_decref(json);
        return err_set(err, ERR_CORRUPT, "default %.100s is no value of a primitive type", text);
    }
    if (json_is_null(json)) {
        json_decref(json);
        return 0;
    }
    /* Numbers and booleans are spelled in JSON as they are read. */
    copy = arena_strdup(arena, word ? word : text);
    json_decref(json);
    if (!copy)
        return err_set(err, ERR_NOMEM, "default");
    if (type->kind == LAKE_BINARY || type->kind == LAKE_FIXED)
        return from_hex(copy, arena, out, err);
    if (type->kind == LAKE_STRING) {
        *out = (struct lake_value){.bytes = slice_str(copy)};
        return 0;
    }
    rc = lake_value_parse(type, copy, arena, out, err);
    return rc ? err_wrap(err, ERR_CORRUPT, "default %.100s", text) : 0;
}

int lake_default_sql(const struct lake_type *type, const char *json, struct arena *arena,
                     struct buf *out)
{
    struct out o = {out, 0};
    struct lake_value value = {.null = true};

    if (json && lake_type_primitive(type) && lake_value_from_json(type, json, arena, &value, NULL))
        value.null = true; /* a file of others: what cannot be read is not made up */
    out_str(&o, "CAST(");
    o.rc = o.rc ? o.rc : lake_value_sql(type, &value, out);
    out_str(&o, " AS ");
    o.rc = o.rc ? o.rc : lake_duckdb_type(type, out, NULL);
    out_str(&o, ")");
    return o.rc;
}
