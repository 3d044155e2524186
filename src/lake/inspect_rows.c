/* inspect_rows.c - rows as JSON lines, and the SQL that reads them back with their types. */
#include "lake/inspect_int.h"

#define FLUSH_BYTES ((size_t)1 << 20)

static void keep(struct rows *r, int rc)
{
    if (!r->rc && rc)
        r->rc = err_set(r->err, rc, "metadata table");
}

static void put(struct rows *r, const char *text)
{
    if (!r->rc)
        keep(r, buf_append_str(&r->buf, text));
}

static void put_byte(struct rows *r, char c)
{
    if (!r->rc)
        keep(r, buf_append_u8(&r->buf, (uint8_t)c));
}

/* A comma, unless something was just opened or named. */
static void separate(struct rows *r)
{
    char last = r->buf.len ? (char)r->buf.ptr[r->buf.len - 1] : '\n';

    if (!strchr("{[:\n", last))
        put_byte(r, ',');
}

void row_open(struct rows *r, char bracket)
{
    separate(r);
    put_byte(r, bracket);
}

void row_close(struct rows *r, char bracket)
{
    put_byte(r, bracket);
}

void row_begin(struct rows *r)
{
    put_byte(r, '{');
}

static void flush(struct rows *r)
{
    if (!r->rc && r->buf.len)
        r->rc = file_pwrite(r->file, r->buf.ptr, r->buf.len, r->at, r->err);
    r->at += (int64_t)r->buf.len;
    buf_clear(&r->buf);
}

void row_end(struct rows *r)
{
    put(r, "}\n");
    r->count++;
    if (r->buf.len > FLUSH_BYTES)
        flush(r);
}

void row_key(struct rows *r, const char *name)
{
    separate(r);
    if (!r->rc)
        keep(r, json_quote(&r->buf, slice_str(name)));
    put_byte(r, ':');
}

void row_null(struct rows *r)
{
    separate(r);
    put(r, "null");
}

void row_i64(struct rows *r, int64_t value)
{
    separate(r);
    if (!r->rc)
        keep(r, buf_printf(&r->buf, "%" PRId64, value));
}

void row_bool(struct rows *r, bool value)
{
    separate(r);
    put(r, value ? "true" : "false");
}

void row_text(struct rows *r, const char *text)
{
    if (!text) {
        row_null(r);
        return;
    }
    separate(r);
    if (!r->rc)
        keep(r, json_quote(&r->buf, slice_str(text)));
}

void row_hex(struct rows *r, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";

    if (!bytes.ptr) {
        row_null(r);
        return;
    }
    separate(r);
    put_byte(r, '"');
    if (!r->rc)
        keep(r, buf_reserve(&r->buf, bytes.len * 2));
    for (size_t i = 0; i < bytes.len && !r->rc; i++) {
        r->buf.ptr[r->buf.len++] = (uint8_t)digits[bytes.ptr[i] >> 4];
        r->buf.ptr[r->buf.len++] = (uint8_t)digits[bytes.ptr[i] & 15];
    }
    put_byte(r, '"');
}

void row_value(struct rows *r, const struct lake_type *type, const struct lake_value *value)
{
    struct buf text = {0};

    if (value->null || type->kind == LAKE_UNKNOWN) {
        row_null(r);
    } else if (type->kind == LAKE_BINARY || type->kind == LAKE_FIXED) {
        row_hex(r, value->bytes.ptr ? value->bytes : SLICE_LIT(""));
    } else if (type->kind == LAKE_STRING) {
        separate(r);
        if (!r->rc)
            keep(r, json_quote(&r->buf, value->bytes));
    } else {
        separate(r);
        keep(r, lake_value_text(type, value, &text));
        if (!r->rc)
            keep(r, json_quote(&r->buf, buf_slice(&text)));
        buf_deinit(&text);
    }
}

void row_time(struct rows *r, int64_t ms)
{
    static const struct lake_type type = {.kind = LAKE_TIMESTAMPTZ};
    struct lake_value value = {.i = ms * 1000};

    row_value(r, &type, &value);
}

/* ---- back from JSON ---- */

static bool holds_binary(const struct lake_type *type)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (holds_binary(&type->fields[i].type))
            return true;
    return type->kind == LAKE_BINARY || type->kind == LAKE_FIXED;
}

void inspect_json_type(struct out *out, const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_BINARY:
    case LAKE_FIXED:
        out_str(out, "VARCHAR");
        break;
    case LAKE_LIST:
        inspect_json_type(out, &type->fields[0].type);
        out_str(out, "[]");
        break;
    case LAKE_MAP:
        out_str(out, "MAP(");
        inspect_json_type(out, &type->fields[0].type);
        out_str(out, ", ");
        inspect_json_type(out, &type->fields[1].type);
        out_str(out, ")");
        break;
    case LAKE_STRUCT:
        out_str(out, "STRUCT(");
        for (size_t i = 0; i < type->field_count; i++) {
            out_str(out, i ? ", " : "");
            out_name(out, type->fields[i].name);
            out_str(out, " ");
            inspect_json_type(out, &type->fields[i].type);
        }
        out_str(out, ")");
        break;
    default:
        if (!out->rc)
            out->rc = lake_duckdb_type(type, out->buf, NULL);
    }
}

static void struct_from_json(struct out *out, const struct lake_type *type, const char *value,
                             int depth)
{
    out_fmt(out, "CASE WHEN (%s) IS NULL THEN NULL ELSE struct_pack(", value);
    for (size_t i = 0; i < type->field_count; i++) {
        struct buf path = {0};
        struct out o = {&path, 0};

        out_str(out, i ? ", " : "");
        out_name(out, type->fields[i].name);
        out_str(out, " := ");
        out_str(&o, "(");
        out_str(&o, value);
        out_str(&o, ").");
        out_name(&o, type->fields[i].name);
        if (o.rc || !buf_cstr(&path))
            out->rc = ERR_NOMEM;
        else
            inspect_from_json(out, &type->fields[i].type, buf_cstr(&path), depth + 1);
        buf_deinit(&path);
    }
    out_str(out, ") END");
}

void inspect_from_json(struct out *out, const struct lake_type *type, const char *value, int depth)
{
    char name[24], part[40];

    snprintf(name, sizeof(name), "tarn_j%d", depth);
    snprintf(part, sizeof(part), "%s.value", name);
    if (!holds_binary(type)) {
        out_str(out, value);
    } else if (type->kind == LAKE_LIST) {
        out_fmt(out, "list_transform(%s, lambda %s: ", value, name);
        inspect_from_json(out, &type->fields[0].type, name, depth + 1);
        out_str(out, ")");
    } else if (type->kind == LAKE_MAP) {
        out_fmt(out,
                "CASE WHEN (%s) IS NULL THEN NULL ELSE map_from_entries(list_transform("
                "map_entries(%s), lambda %s: struct_pack(k := %s.key, v := ",
                value, value, name, name);
        inspect_from_json(out, &type->fields[1].type, part, depth + 1);
        out_str(out, "))) END");
    } else if (type->kind == LAKE_STRUCT) {
        struct_from_json(out, type, value, depth);
    } else {
        out_fmt(out, "unhex(%s)", value);
    }
}
