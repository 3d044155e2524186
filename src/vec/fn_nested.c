/* fn_nested.c - values of any type as text: as JSON (JSON_STRING), or as CAST(... AS STRING) shows
 * a nested one.
 */
#include <math.h>
#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "vec/fn.h"
#include "vec/zone.h"

#define DEPTH_MAX 64

struct writer {
    struct buf *out;
    const struct zone *zone;
    bool json;
    const char *unknown; /* a type that has no such text */
};

static void put_value(struct writer *w, duckdb_logical_type type, duckdb_vector vector, idx_t row,
                      int depth);

static void put_list(struct writer *w, duckdb_logical_type type, duckdb_vector vector, idx_t row,
                     int depth)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_logical_type item = duckdb_list_type_child_type(type);

    buf_append_u8(w->out, '[');
    for (idx_t i = 0; i < entry.length; i++) {
        if (i)
            buf_append_str(w->out, w->json ? "," : ", ");
        put_value(w, item, duckdb_list_vector_get_child(vector), entry.offset + i, depth + 1);
    }
    buf_append_u8(w->out, ']');
    duckdb_destroy_logical_type(&item);
}

static void put_map(struct writer *w, duckdb_logical_type type, duckdb_vector vector, idx_t row,
                    int depth)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector);
    duckdb_logical_type key = duckdb_map_type_key_type(type),
                        value = duckdb_map_type_value_type(type);

    buf_append_u8(w->out, '{');
    for (idx_t i = entry.offset; i < entry.offset + entry.length; i++) {
        if (i > entry.offset)
            buf_append_str(w->out, w->json ? "," : ", ");
        put_value(w, key, duckdb_struct_vector_get_child(entries, 0), i, depth + 1);
        buf_append_u8(w->out, w->json ? ':' : '=');
        put_value(w, value, duckdb_struct_vector_get_child(entries, 1), i, depth + 1);
    }
    buf_append_u8(w->out, '}');
    duckdb_destroy_logical_type(&key);
    duckdb_destroy_logical_type(&value);
}

static void put_row(struct writer *w, duckdb_logical_type type, duckdb_vector vector, idx_t row,
                    int depth)
{
    idx_t count = duckdb_struct_type_child_count(type);

    buf_append_u8(w->out, w->json ? '{' : '(');
    for (idx_t i = 0; i < count; i++) {
        char *name = duckdb_struct_type_child_name(type, i);
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

        if (i)
            buf_append_str(w->out, w->json ? "," : ", ");
        if (w->json) {
            json_quote(w->out, slice_str(name));
            buf_append_u8(w->out, ':');
        }
        put_value(w, child, duckdb_struct_vector_get_child(vector, i), row, depth + 1);
        duckdb_destroy_logical_type(&child);
        duckdb_free(name);
    }
    buf_append_u8(w->out, w->json ? '}' : ')');
}

static void put_word(struct writer *w, const char *text, size_t len, bool quoted)
{
    if (quoted && w->json)
        json_quote(w->out, slice_of(text, len));
    else
        buf_append(w->out, text, len);
}

static void put_time(struct writer *w, int64_t nanos, bool instant)
{
    int64_t day = (int64_t)86400 * 1000000000, days = nanos / day - (nanos % day < 0);
    char date[24], clock[24], text[64];

    vec_text_date(days, date);
    vec_text_time(nanos - days * day, -1, clock);
    put_word(w, text,
             (size_t)snprintf(text, sizeof(text), "%s%c%s%s", date, w->json ? 'T' : ' ', clock,
                              instant && w->json ? "Z" : ""),
             true);
}

/* Trailing zeros go: Jackson normalises decimals. */
static size_t decimal_text(const struct writer *w, __int128 value, int scale, char out[48])
{
    while (w->json && scale > 0 && value % 10 == 0) {
        value /= 10;
        scale--;
    }
    return vec_text_decimal(value, scale, out);
}

static void put_decimal(struct writer *w, duckdb_logical_type type, const void *data, idx_t row)
{
    __int128 value = vec_decimal_at(type, data, row);
    char text[48];

    put_word(w, text, decimal_text(w, value, duckdb_decimal_scale(type), text), false);
}

static void put_bytes(struct writer *w, const char *bytes, size_t len)
{
    if (!w->json) {
        put_word(w, bytes, len, false);
        return;
    }
    buf_append_u8(w->out, '"');
    base64_encode(slice_of(bytes, len), w->out);
    buf_append_u8(w->out, '"');
}

static void put_instant(struct writer *w, int64_t us)
{
    if (!w->json && w->zone)
        us += (int64_t)zone_offset(w->zone, us / 1000000 - (us % 1000000 < 0)) * 1000000;
    put_time(w, us * 1000, true);
}

/* False: it is neither a number nor a truth. */
static bool put_number(struct writer *w, duckdb_type type, const void *data, idx_t row)
{
    char text[48];

    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        if (((const bool *)data)[row])
            buf_append_str(w->out, w->json ? "true" : "TRUE");
        else
            buf_append_str(w->out, w->json ? "false" : "FALSE");
        return true;
    case DUCKDB_TYPE_TINYINT:
        buf_printf(w->out, "%d", ((const int8_t *)data)[row]);
        return true;
    case DUCKDB_TYPE_SMALLINT:
        buf_printf(w->out, "%d", ((const int16_t *)data)[row]);
        return true;
    case DUCKDB_TYPE_INTEGER:
        buf_printf(w->out, "%d", ((const int32_t *)data)[row]);
        return true;
    case DUCKDB_TYPE_BIGINT:
        buf_printf(w->out, "%" PRId64, ((const int64_t *)data)[row]);
        return true;
    case DUCKDB_TYPE_FLOAT:
        put_word(w, text, vec_text_float(((const float *)data)[row], text),
                 !isfinite(((const float *)data)[row]));
        return true;
    case DUCKDB_TYPE_DOUBLE:
        put_word(w, text, vec_text_double(((const double *)data)[row], text),
                 !isfinite(((const double *)data)[row]));
        return true;
    default:
        return false;
    }
}

static void put_value(struct writer *w, duckdb_logical_type type, duckdb_vector vector, idx_t row,
                      int depth)
{
    void *data = duckdb_vector_get_data(vector);
    duckdb_string_t *strings = data;
    char text[48];

    if (depth > DEPTH_MAX || fn_null_at(vector, row)) {
        buf_append_str(w->out, w->json ? "null" : "NULL");
        return;
    }
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_DECIMAL:
        put_decimal(w, type, data, row);
        return;
    case DUCKDB_TYPE_VARCHAR:
        put_word(w, duckdb_string_t_data(&strings[row]), duckdb_string_t_length(strings[row]),
                 true);
        return;
    case DUCKDB_TYPE_BLOB:
        put_bytes(w, duckdb_string_t_data(&strings[row]), duckdb_string_t_length(strings[row]));
        return;
    case DUCKDB_TYPE_DATE:
        put_word(w, text, vec_text_date(((int32_t *)data)[row], text), true);
        return;
    case DUCKDB_TYPE_TIME:
        put_word(w, text, vec_text_time(((int64_t *)data)[row] * 1000, -1, text), true);
        return;
    case DUCKDB_TYPE_TIMESTAMP:
        put_time(w, ((int64_t *)data)[row] * 1000, false);
        return;
    case DUCKDB_TYPE_TIMESTAMP_NS:
        put_time(w, ((int64_t *)data)[row], false);
        return;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        put_instant(w, ((int64_t *)data)[row]);
        return;
    case DUCKDB_TYPE_LIST:
        put_list(w, type, vector, row, depth);
        return;
    case DUCKDB_TYPE_MAP:
        put_map(w, type, vector, row, depth);
        return;
    case DUCKDB_TYPE_STRUCT:
        put_row(w, type, vector, row, depth);
        return;
    default:
        if (!put_number(w, duckdb_get_type_id(type), data, row))
            w->unknown = "a value of this type has no text";
    }
}

static void value_text(struct fn_call *c, bool json)
{
    struct writer w = {
        .out = &c->scratch[0], .json = json, .zone = zone_get(arg_text(c, c->count - 1))};
    duckdb_logical_type type = duckdb_vector_get_column_type(c->args[0].vector);

    buf_clear(w.out);
    put_value(&w, type, c->args[0].vector, c->row, 0);
    duckdb_destroy_logical_type(&type);
    if (w.unknown)
        call_fail(c, "%s", w.unknown);
    else
        give_buf(c, w.out);
}

static void json_text(struct fn_call *c)
{
    value_text(c, true);
}
static void nested_to_string(struct fn_call *c)
{
    value_text(c, false);
}

static const struct fn functions[] = {
    {"flink_json_string", "*s", 's', json_text},
    {"flink_nested_to_string", "*ss", 's', nested_to_string},
};

int fn_nested_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
