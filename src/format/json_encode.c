/* json_encode.c - rows of a chunk as JSON objects: Flink's json format, the writing half. */
#include <math.h>
#include <stdio.h>

#include "base/codec.h"
#include "format/json.h"

struct encoder {
    const struct json_encode_options *options;
    struct buf *out;
    struct err *err;
    int depth;
};

static int put(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row);

static bool is_null(duckdb_vector vector, idx_t row)
{
    return !duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row);
}

/* Quoted, with the escapes that RFC 8259 asks for; text in vectors is UTF-8 already. */
static int put_text(struct buf *out, const char *text, size_t len)
{
    static const char named[] = "\b\t\n\f\r\"\\", letter[] = "btnfr\"\\";
    const char *plain = text, *end = text + len;
    int rc = buf_append_u8(out, '"');

    for (const char *p = text; !rc && p < end; p++) {
        const char *which;

        if ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
            continue;
        rc = buf_append(out, plain, (size_t)(p - plain));
        which = *p ? strchr(named, *p) : NULL;
        if (!rc && which)
            rc = buf_printf(out, "\\%c", letter[which - named]);
        else if (!rc)
            rc = buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*p);
        plain = p + 1;
    }
    rc = rc ? rc : buf_append(out, plain, (size_t)(end - plain));
    return rc ? rc : buf_append_u8(out, '"');
}

static int put_blob(struct buf *out, const char *bytes, size_t len)
{
    int rc = buf_append_u8(out, '"');

    rc = rc ? rc : base64_encode(slice_of(bytes, len), out);
    return rc ? rc : buf_append_u8(out, '"');
}

/* JSON has no NaN or Infinity: Jackson writes them as strings. */
static int put_double(struct buf *out, double value, bool is_float)
{
    char text[32];
    size_t len = is_float ? vec_text_float((float)value, text) : vec_text_double(value, text);

    return isfinite(value) ? buf_append(out, text, len) : put_text(out, text, len);
}

static int put_decimal(struct encoder *e, __int128 value, int scale)
{
    char text[56];
    size_t len = e->options->decimals_plain ? vec_text_decimal(value, scale, text)
                                            : vec_text_big_decimal(value, scale, text);

    return buf_append(e->out, text, len);
}

static int put_hugeint(struct buf *out, const duckdb_hugeint *value)
{
    char text[48];
    __int128 wide;

    memcpy(&wide, value, sizeof(wide));
    return buf_append(out, text, vec_text_decimal(wide, 0, text));
}

static int put_uuid(struct buf *out, duckdb_hugeint value)
{
    uint64_t upper = (uint64_t)value.upper ^ ((uint64_t)1 << 63);

    return buf_printf(out, "\"%08x-%04x-%04x-%04x-%012" PRIx64 "\"", (unsigned)(upper >> 32),
                      (unsigned)(upper >> 16 & 0xffff), (unsigned)(upper & 0xffff),
                      (unsigned)(value.lower >> 48), value.lower & 0xffffffffffff);
}

static int put_timestamp(struct encoder *e, int64_t value, int64_t units, bool zone)
{
    int64_t per_day = 86400 * units, days = value / per_day, rest = value % per_day;
    char date[24], clock[24];

    if (rest < 0) {
        rest += per_day;
        days--;
    }
    vec_text_date(days, date);
    vec_text_time(rest * (1000000000 / units), -1, clock);
    return buf_printf(e->out, "\"%s%c%s%s\"", date, e->options->timestamps_iso ? 'T' : ' ', clock,
                      zone ? "Z" : "");
}

static int put_list(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_logical_type item = duckdb_list_type_child_type(type);
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    int rc = buf_append_u8(e->out, '[');

    for (idx_t i = 0; !rc && i < entry.length; i++) {
        if (i)
            rc = buf_append_u8(e->out, ',');
        rc = rc ? rc : put(e, item, child, entry.offset + i);
    }
    duckdb_destroy_logical_type(&item);
    return rc ? rc : buf_append_u8(e->out, ']');
}

/* A key as a JSON string: text as it is, other types by their JSON text. 1: the entry is dropped.
 */
static int put_key(struct encoder *e, duckdb_logical_type type, duckdb_vector keys, idx_t row)
{
    struct buf text = {0};
    struct buf *out = e->out;
    const char *literal = e->options->null_key_text ? e->options->null_key_text : "null";
    int rc;

    if (is_null(keys, row)) {
        if (e->options->null_key == JSON_NULL_KEY_DROP)
            return 1;
        if (e->options->null_key == JSON_NULL_KEY_LITERAL)
            return put_text(out, literal, strlen(literal));
        return err_set(e->err, ERR_INVALID,
                       "a map with a null key: JSON has none (json.map-null-key.mode)");
    }
    e->out = &text;
    rc = put(e, type, keys, row);
    e->out = out;
    if (!rc && text.len && text.ptr[0] == '"')
        rc = buf_append_slice(out, buf_slice(&text));
    else if (!rc)
        rc = put_text(out, (const char *)text.ptr, text.len);
    buf_deinit(&text);
    return rc;
}

static int put_map(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector);
    duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
    duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
    duckdb_logical_type key = duckdb_map_type_key_type(type);
    duckdb_logical_type value = duckdb_map_type_value_type(type);
    int rc = buf_append_u8(e->out, '{');
    bool first = true;

    for (idx_t i = entry.offset; !rc && i < entry.offset + entry.length; i++) {
        size_t before = e->out->len;

        if (!first)
            rc = buf_append_u8(e->out, ',');
        rc = rc ? rc : put_key(e, key, keys, i);
        if (rc == 1) {
            e->out->len = before;
            rc = 0;
            continue;
        }
        first = false;
        rc = rc ? rc : buf_append_u8(e->out, ':');
        rc = rc ? rc : put(e, value, values, i);
    }
    duckdb_destroy_logical_type(&key);
    duckdb_destroy_logical_type(&value);
    return rc ? rc : buf_append_u8(e->out, '}');
}

/* `first` tells whether a comma is due. */
static int put_member(struct encoder *e, const char *name, duckdb_logical_type type,
                      duckdb_vector vector, idx_t row, bool *first)
{
    int rc = 0;

    if (e->options->skip_nulls && is_null(vector, row))
        return 0;
    if (!*first)
        rc = buf_append_u8(e->out, ',');
    *first = false;
    rc = rc ? rc : put_text(e->out, name, strlen(name));
    rc = rc ? rc : buf_append_u8(e->out, ':');
    return rc ? rc : put(e, type, vector, row);
}

static int put_struct(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    idx_t count = duckdb_struct_type_child_count(type);
    int rc = buf_append_u8(e->out, '{');
    bool first = true;

    for (idx_t i = 0; !rc && i < count; i++) {
        char *name = duckdb_struct_type_child_name(type, i);
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

        rc = put_member(e, name, child, duckdb_struct_vector_get_child(vector, i), row, &first);
        duckdb_destroy_logical_type(&child);
        duckdb_free(name);
    }
    return rc ? rc : buf_append_u8(e->out, '}');
}

static int put_clock(struct buf *out, int64_t nanos)
{
    char text[24];

    return put_text(out, text, vec_text_time(nanos, -1, text));
}

static int put_value(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    void *data = duckdb_vector_get_data(vector);
    duckdb_string_t *strings = data;
    char text[48];

    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
        return buf_append_str(e->out, ((bool *)data)[row] ? "true" : "false");
    case DUCKDB_TYPE_TINYINT:
        return buf_printf(e->out, "%d", ((int8_t *)data)[row]);
    case DUCKDB_TYPE_SMALLINT:
        return buf_printf(e->out, "%d", ((int16_t *)data)[row]);
    case DUCKDB_TYPE_INTEGER:
        return buf_printf(e->out, "%" PRId32, ((int32_t *)data)[row]);
    case DUCKDB_TYPE_BIGINT:
        return buf_printf(e->out, "%" PRId64, ((int64_t *)data)[row]);
    case DUCKDB_TYPE_UTINYINT:
        return buf_printf(e->out, "%u", ((uint8_t *)data)[row]);
    case DUCKDB_TYPE_USMALLINT:
        return buf_printf(e->out, "%u", ((uint16_t *)data)[row]);
    case DUCKDB_TYPE_UINTEGER:
        return buf_printf(e->out, "%" PRIu32, ((uint32_t *)data)[row]);
    case DUCKDB_TYPE_UBIGINT:
        return buf_printf(e->out, "%" PRIu64, ((uint64_t *)data)[row]);
    case DUCKDB_TYPE_HUGEINT:
        return put_hugeint(e->out, (duckdb_hugeint *)data + row);
    case DUCKDB_TYPE_FLOAT:
        return put_double(e->out, (double)((float *)data)[row], true);
    case DUCKDB_TYPE_DOUBLE:
        return put_double(e->out, ((double *)data)[row], false);
    case DUCKDB_TYPE_DECIMAL:
        return put_decimal(e, vec_decimal_at(type, data, row), duckdb_decimal_scale(type));
    case DUCKDB_TYPE_VARCHAR:
        return put_text(e->out, duckdb_string_t_data(&strings[row]),
                        duckdb_string_t_length(strings[row]));
    case DUCKDB_TYPE_BLOB:
        return put_blob(e->out, duckdb_string_t_data(&strings[row]),
                        duckdb_string_t_length(strings[row]));
    case DUCKDB_TYPE_DATE:
        return put_text(e->out, text, vec_text_date(((int32_t *)data)[row], text));
    case DUCKDB_TYPE_TIME:
        return put_clock(e->out, ((int64_t *)data)[row] * 1000);
    case DUCKDB_TYPE_TIME_NS:
        return put_clock(e->out, ((int64_t *)data)[row]);
    case DUCKDB_TYPE_TIMESTAMP:
        return put_timestamp(e, ((int64_t *)data)[row], 1000000, false);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return put_timestamp(e, ((int64_t *)data)[row], 1000000, true);
    case DUCKDB_TYPE_TIMESTAMP_S:
        return put_timestamp(e, ((int64_t *)data)[row], 1, false);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return put_timestamp(e, ((int64_t *)data)[row], 1000, false);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return put_timestamp(e, ((int64_t *)data)[row], 1000000000, false);
    case DUCKDB_TYPE_UUID:
        return put_uuid(e->out, ((duckdb_hugeint *)data)[row]);
    case DUCKDB_TYPE_LIST:
        return put_list(e, type, vector, row);
    case DUCKDB_TYPE_MAP:
        return put_map(e, type, vector, row);
    case DUCKDB_TYPE_STRUCT:
        return put_struct(e, type, vector, row);
    case DUCKDB_TYPE_SQLNULL:
        return buf_append_str(e->out, "null");
    default:
        return err_set(e->err, ERR_UNSUPPORTED, "JSON has no form for DuckDB's type %d",
                       (int)duckdb_get_type_id(type));
    }
}

static int put(struct encoder *e, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    int rc;

    if (is_null(vector, row))
        return buf_append_str(e->out, "null");
    if (e->depth == JSON_DEPTH_MAX)
        return err_set(e->err, ERR_LIMIT, "a type nested more than %d deep", JSON_DEPTH_MAX);
    e->depth++;
    rc = put_value(e, type, vector, row);
    e->depth--;
    return rc;
}

/* A failure that left no text is one of the buffer's. */
static int finish(int rc, struct err *err)
{
    if ((rc == ERR_NOMEM || rc == ERR_LIMIT) && !(err && err->code == rc))
        return err_set(
            err, rc, rc == ERR_NOMEM ? "memory ran out for JSON text" : "JSON text past its limit");
    return rc;
}

int json_encode_value(duckdb_logical_type type, duckdb_vector vector, idx_t row,
                      const struct json_encode_options *options, struct buf *out, struct err *err)
{
    struct encoder e = {options, out, err, 0};

    return finish(put(&e, type, vector, row), err);
}

int json_encode_row(const struct vec_columns *columns, duckdb_data_chunk chunk, idx_t row,
                    const struct json_encode_options *options, struct buf *out, struct err *err)
{
    struct encoder e = {options, out, err, 0};
    int rc = buf_append_u8(out, '{');
    bool first = true;

    for (idx_t c = 0; !rc && c < columns->count; c++)
        rc = put_member(&e, columns->list[c].name, columns->list[c].type,
                        duckdb_data_chunk_get_vector(chunk, c), row, &first);
    rc = rc ? rc : buf_append_u8(out, '}');
    return finish(rc, err);
}
