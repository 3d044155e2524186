/* row_text.c - values as Java prints them: Row.toString with the toString of each field's class
 * (LocalDateTime, Instant, BigDecimal, maps as {a=b}, bytes as numbers). */
#include <stdio.h>

#include "connector/row_text.h"
#include "operator/operator.h"

#define DEPTH_MAX 64

struct texter {
    struct buf *out;
    struct err *err;
    int depth;
};

static int put(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row);

/* LocalTime.toString: seconds and their fraction only when they are not zero, the fraction in 3, 6
 * or 9 digits. Instant.toString always has seconds. */
static int put_clock(struct buf *out, int64_t nanos, bool seconds)
{
    int64_t whole = nanos / 1000000000, rest = nanos % 1000000000;
    int rc = buf_printf(out, "%02d:%02d", (int)(whole / 3600), (int)(whole / 60 % 60));

    if (!rc && (seconds || whole % 60 || rest))
        rc = buf_printf(out, ":%02d", (int)(whole % 60));
    if (rc || !rest)
        return rc;
    if (rest % 1000000 == 0)
        return buf_printf(out, ".%03d", (int)(rest / 1000000));
    if (rest % 1000 == 0)
        return buf_printf(out, ".%06d", (int)(rest / 1000));
    return buf_printf(out, ".%09d", (int)rest);
}

static int put_timestamp(struct buf *out, int64_t value, int64_t units, bool zone)
{
    int64_t per_day = 86400 * units, days = value / per_day, rest = value % per_day;
    char date[24];
    int rc;

    if (rest < 0) {
        rest += per_day;
        days--;
    }
    rc = buf_append(out, date, vec_text_date(days, date));
    rc = rc ? rc : buf_append_u8(out, 'T');
    rc = rc ? rc : put_clock(out, rest * (1000000000 / units), zone);
    return rc || !zone ? rc : buf_append_u8(out, 'Z');
}

static int put_bytes(struct buf *out, const char *bytes, size_t len)
{
    int rc = buf_append_u8(out, '[');

    for (size_t i = 0; i < len && !rc; i++)
        rc = buf_printf(out, "%s%d", i ? ", " : "", (int)(int8_t)bytes[i]);
    return rc ? rc : buf_append_u8(out, ']');
}

static int put_list(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_logical_type item = duckdb_list_type_child_type(type);
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    int rc = buf_append_u8(t->out, '[');

    for (idx_t i = 0; i < entry.length && !rc; i++) {
        if (i)
            rc = buf_append_str(t->out, ", ");
        rc = rc ? rc : put(t, item, child, entry.offset + i);
    }
    duckdb_destroy_logical_type(&item);
    return rc ? rc : buf_append_u8(t->out, ']');
}

static int put_map(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector);
    duckdb_logical_type key = duckdb_map_type_key_type(type);
    duckdb_logical_type value = duckdb_map_type_value_type(type);
    int rc = buf_append_u8(t->out, '{');

    for (idx_t i = 0; i < entry.length && !rc; i++) {
        if (i)
            rc = buf_append_str(t->out, ", ");
        rc = rc ? rc : put(t, key, duckdb_struct_vector_get_child(entries, 0), entry.offset + i);
        rc = rc ? rc : buf_append_u8(t->out, '=');
        rc = rc ? rc : put(t, value, duckdb_struct_vector_get_child(entries, 1), entry.offset + i);
    }
    duckdb_destroy_logical_type(&key);
    duckdb_destroy_logical_type(&value);
    return rc ? rc : buf_append_u8(t->out, '}');
}

static int put_struct(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    idx_t count = duckdb_struct_type_child_count(type);
    int rc = buf_append_str(t->out, "+I[");

    for (idx_t i = 0; i < count && !rc; i++) {
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

        if (i)
            rc = buf_append_str(t->out, ", ");
        rc = rc ? rc : put(t, child, duckdb_struct_vector_get_child(vector, i), row);
        duckdb_destroy_logical_type(&child);
    }
    return rc ? rc : buf_append_u8(t->out, ']');
}

static int put_value(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    void *data = duckdb_vector_get_data(vector);
    duckdb_string_t *text = (duckdb_string_t *)data + row;
    char digits[56];

    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
        return buf_append_str(t->out, ((bool *)data)[row] ? "true" : "false");
    case DUCKDB_TYPE_TINYINT:
        return buf_printf(t->out, "%d", ((int8_t *)data)[row]);
    case DUCKDB_TYPE_SMALLINT:
        return buf_printf(t->out, "%d", ((int16_t *)data)[row]);
    case DUCKDB_TYPE_INTEGER:
        return buf_printf(t->out, "%" PRId32, ((int32_t *)data)[row]);
    case DUCKDB_TYPE_BIGINT:
        return buf_printf(t->out, "%" PRId64, ((int64_t *)data)[row]);
    case DUCKDB_TYPE_FLOAT:
        return buf_append(t->out, digits, vec_text_float(((float *)data)[row], digits));
    case DUCKDB_TYPE_DOUBLE:
        return buf_append(t->out, digits, vec_text_double(((double *)data)[row], digits));
    case DUCKDB_TYPE_DECIMAL:
        return buf_append(t->out, digits,
                          vec_text_big_decimal(vec_decimal_at(type, data, row),
                                               duckdb_decimal_scale(type), digits));
    case DUCKDB_TYPE_VARCHAR:
        return buf_append(t->out, duckdb_string_t_data(text), duckdb_string_t_length(*text));
    case DUCKDB_TYPE_BLOB:
        return put_bytes(t->out, duckdb_string_t_data(text), duckdb_string_t_length(*text));
    case DUCKDB_TYPE_DATE:
        return buf_append(t->out, digits, vec_text_date(((int32_t *)data)[row], digits));
    case DUCKDB_TYPE_TIME:
        return put_clock(t->out, ((int64_t *)data)[row] * 1000, false);
    case DUCKDB_TYPE_TIMESTAMP:
        return put_timestamp(t->out, ((int64_t *)data)[row], 1000000, false);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return put_timestamp(t->out, ((int64_t *)data)[row], 1000000, true);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return put_timestamp(t->out, ((int64_t *)data)[row], 1000000000, false);
    case DUCKDB_TYPE_LIST:
        return put_list(t, type, vector, row);
    case DUCKDB_TYPE_MAP:
        return put_map(t, type, vector, row);
    case DUCKDB_TYPE_STRUCT:
        return put_struct(t, type, vector, row);
    case DUCKDB_TYPE_SQLNULL:
        return buf_append_str(t->out, "null");
    default:
        return err_set(t->err, ERR_UNSUPPORTED, "no text for DuckDB's type %d",
                       (int)duckdb_get_type_id(type));
    }
}

static int put(struct texter *t, duckdb_logical_type type, duckdb_vector vector, idx_t row)
{
    int rc;

    if (!vec_is_valid(duckdb_vector_get_validity(vector), row))
        return buf_append_str(t->out, "null");
    if (t->depth == DEPTH_MAX)
        return err_set(t->err, ERR_LIMIT, "a type nested more than %d deep", DEPTH_MAX);
    t->depth++;
    rc = put_value(t, type, vector, row);
    t->depth--;
    return rc;
}

int flink_row_text(const struct vec_columns *columns, duckdb_data_chunk chunk, idx_t row,
                   struct buf *out, struct err *err)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    struct texter t = {out, err, 0};
    size_t count = columns->count;
    uint8_t kind = OP_INSERT;
    int rc;

    if (count && !strcmp(columns->list[count - 1].name, OP_KIND)) {
        count--;
        kind = ((uint8_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, count)))[row];
    }
    rc = buf_printf(out, "%s[", kinds[kind & 3]);
    for (size_t c = 0; c < count && !rc; c++) {
        if (c)
            rc = buf_append_str(out, ", ");
        rc = rc ? rc : put(&t, columns->list[c].type, duckdb_data_chunk_get_vector(chunk, c), row);
    }
    rc = rc ? rc : buf_append_u8(out, ']');
    if (rc && !(err && err->code == rc))
        return err_set(err, rc, "the text of a row");
    return rc;
}

int flink_value_text(duckdb_logical_type type, duckdb_vector vector, idx_t row, struct buf *out,
                     struct err *err)
{
    struct texter t = {out, err, 0};

    return put(&t, type, vector, row);
}
