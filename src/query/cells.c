/* cells.c - one value of a vector as text, spelled as Flink's SQL client spells it. */
#include <math.h>
#include <stdio.h>

#include "query/query_int.h"

static int print_value(const struct sql_type *type, duckdb_vector vector, idx_t row,
                       struct buf *out);

bool cell_is_null(duckdb_vector vector, idx_t row)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);

    return validity && !duckdb_validity_row_is_valid(validity, row);
}

bool cell_is_number(const struct sql_type *type)
{
    return sql_type_is_numeric(type);
}

static int print_i128(__int128 value, int scale, struct buf *out)
{
    char digits[64];
    bool negative = value < 0;
    unsigned __int128 rest = negative ? -(unsigned __int128)value : (unsigned __int128)value;
    int at = sizeof(digits), count = 0;

    do {
        if (count == scale && scale > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        count++;
    } while (rest || count <= scale);
    if (negative)
        digits[--at] = '-';
    return buf_append(out, digits + at, sizeof(digits) - (size_t)at);
}

/* A decimal's vector is as wide as its precision needs. */
static int print_decimal(const struct sql_type *type, const void *data, idx_t row, struct buf *out)
{
    __int128 value;

    if (type->precision <= 4) {
        value = ((const int16_t *)data)[row];
    } else if (type->precision <= 9) {
        value = ((const int32_t *)data)[row];
    } else if (type->precision <= 18) {
        value = ((const int64_t *)data)[row];
    } else {
        duckdb_hugeint huge = ((const duckdb_hugeint *)data)[row];

        value = ((__int128)huge.upper << 64) | huge.lower;
    }
    return print_i128(value, type->scale, out);
}

/* Java's Double.toString: the shortest digits that read back, at least one behind the point. */
static int print_double(double value, bool is_float, struct buf *out)
{
    char text[40];

    if (isnan(value))
        return buf_append_str(out, "NaN");
    if (isinf(value))
        return buf_append_str(out, value > 0 ? "Infinity" : "-Infinity");
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    if (fabs(value) >= 1e-3 && fabs(value) < 1e7) {
        int places = 1;

        for (; places < 20; places++) {
            snprintf(text, sizeof(text), "%.*f", places, value);
            if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
                break;
        }
        return buf_append_str(out, text);
    }
    if (value == 0)
        return buf_append_str(out, signbit(value) ? "-0.0" : "0.0");
    { /* 1.0E10: mantissa with a point, exponent without a plus */
        char *e = strchr(text, 'e');
        long exponent = e ? strtol(e + 1, NULL, 10) : 0;
        int len = e ? (int)(e - text) : (int)strlen(text);

        if (!e) { /* %g chose plain digits: 12345678 */
            snprintf(text, sizeof(text), "%.16e", value);
            for (int digits = 0; digits <= 16; digits++) {
                snprintf(text, sizeof(text), "%.*e", digits, value);
                if (strtod(text, NULL) == value)
                    break;
            }
            e = strchr(text, 'e');
            exponent = strtol(e + 1, NULL, 10);
            len = (int)(e - text);
        }
        return buf_printf(out, "%.*s%sE%ld", len, text, memchr(text, '.', (size_t)len) ? "" : ".0",
                          exponent);
    }
}

static int print_time(int64_t micros, int precision, struct buf *out)
{
    int64_t seconds = micros / 1000000, part = micros % 1000000;
    int rc = buf_printf(out, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                        (int)(seconds % 60));

    if (rc || precision == 0)
        return rc;
    {
        char digits[16];

        snprintf(digits, sizeof(digits), "%06d000", (int)part);
        return buf_printf(out, ".%.*s", precision > 9 ? 9 : precision, digits);
    }
}

static int print_timestamp(int64_t micros, int nanos, int precision, struct buf *out)
{
    duckdb_timestamp_struct ts = duckdb_from_timestamp((duckdb_timestamp){micros});
    char digits[16];
    int rc = buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", (int)ts.date.year, ts.date.month,
                        ts.date.day, ts.time.hour, ts.time.min, ts.time.sec);

    if (rc || precision == 0)
        return rc;
    snprintf(digits, sizeof(digits), "%06d%03d", (int)ts.time.micros, nanos);
    return buf_printf(out, ".%.*s", precision > 9 ? 9 : precision, digits);
}

/* An instant of nanoseconds comes so from a table, and in microseconds from what was computed. */
static bool in_nanos(const struct sql_type *type, duckdb_vector vector)
{
    duckdb_logical_type given;
    bool nanos;

    if (type->precision <= 6 || type->kind != SQL_TIMESTAMP_LTZ)
        return type->precision > 6;
    given = duckdb_vector_get_column_type(vector);
    nanos = duckdb_get_type_id(given) == DUCKDB_TYPE_TIMESTAMP_NS;
    duckdb_destroy_logical_type(&given);
    return nanos;
}

static int print_timestamp_cell(const struct sql_type *type, duckdb_vector vector, idx_t row,
                                struct buf *out)
{
    int64_t value = ((int64_t *)duckdb_vector_get_data(vector))[row], micros = value;
    int nanos = 0;

    if (in_nanos(type, vector)) {
        nanos = (int)(((value % 1000) + 1000) % 1000);
        micros = (value - nanos) / 1000;
    }
    return print_timestamp(micros, nanos, type->precision, out);
}

static int print_bytes(const duckdb_string_t *data, idx_t row, struct buf *out)
{
    duckdb_string_t *text = (duckdb_string_t *)data + row;
    const uint8_t *bytes = (const uint8_t *)duckdb_string_t_data(text);
    size_t len = duckdb_string_t_length(*text);
    int rc = buf_append_str(out, "x'");

    for (size_t i = 0; i < len && !rc; i++)
        rc = buf_printf(out, "%02x", bytes[i]);
    return rc ? rc : buf_append_str(out, "'");
}

static int print_item(const struct sql_type *type, duckdb_vector vector, idx_t row, struct buf *out)
{
    return cell_is_null(vector, row) ? buf_append_str(out, "NULL")
                                     : print_value(type, vector, row, out);
}

static int print_array(const struct sql_type *type, duckdb_vector vector, idx_t row,
                       struct buf *out)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector items = duckdb_list_vector_get_child(vector);
    int rc = buf_append_str(out, "[");

    for (uint64_t i = 0; i < entry.length && !rc; i++) {
        if (i)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_item(type->item, items, entry.offset + i, out);
    }
    return rc ? rc : buf_append_str(out, "]");
}

static int print_map(const struct sql_type *type, duckdb_vector vector, idx_t row, struct buf *out)
{
    bool multiset = type->kind == SQL_MULTISET;
    const struct sql_type *key = multiset ? type->item : type->key;
    const struct sql_type *value = multiset ? &sql_type_int : type->item;
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector pairs = duckdb_list_vector_get_child(vector);
    int rc = buf_append_str(out, "{");

    for (uint64_t i = 0; i < entry.length && !rc; i++) {
        if (i)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_item(key, duckdb_struct_vector_get_child(pairs, 0), entry.offset + i, out);
        if (!rc)
            rc = buf_append_str(out, "=");
        if (!rc)
            rc = print_item(value, duckdb_struct_vector_get_child(pairs, 1), entry.offset + i, out);
    }
    return rc ? rc : buf_append_str(out, "}");
}

static int print_row(const struct sql_type *type, duckdb_vector vector, idx_t row, struct buf *out)
{
    int rc = buf_append_str(out, "(");

    for (size_t i = 0; i < type->field_count && !rc; i++) {
        if (i)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_item(type->fields[i].type, duckdb_struct_vector_get_child(vector, i), row,
                            out);
    }
    return rc ? rc : buf_append_str(out, ")");
}

/* +1-02 and +3 04:05:06.789, as Flink prints intervals. */
static int print_interval(const struct sql_type *type, const duckdb_interval *value,
                          struct buf *out)
{
    int64_t micros = value->micros + (int64_t)value->days * 86400000000;
    bool months = type->kind == SQL_INTERVAL_YM;
    bool negative = months ? value->months < 0 : micros < 0;
    int64_t n = months ? value->months : micros;

    if (negative)
        n = -n;
    if (months)
        return buf_printf(out, "%c%" PRId64 "-%02d", negative ? '-' : '+', n / 12, (int)(n % 12));
    n /= 1000;
    return buf_printf(out, "%c%" PRId64 " %02d:%02d:%02d.%03d", negative ? '-' : '+', n / 86400000,
                      (int)(n / 3600000 % 24), (int)(n / 60000 % 60), (int)(n / 1000 % 60),
                      (int)(n % 1000));
}

static int print_value(const struct sql_type *type, duckdb_vector vector, idx_t row,
                       struct buf *out)
{
    void *data = duckdb_vector_get_data(vector);

    switch (type->kind) {
    case SQL_BOOLEAN:
        return buf_append_str(out, ((bool *)data)[row] ? "TRUE" : "FALSE");
    case SQL_TINYINT:
        return buf_printf(out, "%d", ((int8_t *)data)[row]);
    case SQL_SMALLINT:
        return buf_printf(out, "%d", ((int16_t *)data)[row]);
    case SQL_INT:
        return buf_printf(out, "%" PRId32, ((int32_t *)data)[row]);
    case SQL_BIGINT:
        return buf_printf(out, "%" PRId64, ((int64_t *)data)[row]);
    case SQL_DECIMAL:
        return print_decimal(type, data, row, out);
    case SQL_FLOAT:
        return print_double((double)((float *)data)[row], true, out);
    case SQL_DOUBLE:
        return print_double(((double *)data)[row], false, out);
    case SQL_CHAR:
    case SQL_VARCHAR: {
        duckdb_string_t *text = (duckdb_string_t *)data + row;

        return buf_append(out, duckdb_string_t_data(text), duckdb_string_t_length(*text));
    }
    case SQL_BINARY:
    case SQL_VARBINARY:
        return print_bytes(data, row, out);
    case SQL_DATE: {
        duckdb_date_struct date = duckdb_from_date(((duckdb_date *)data)[row]);

        return buf_printf(out, "%04d-%02d-%02d", (int)date.year, date.month, date.day);
    }
    case SQL_TIME:
        return print_time(((int64_t *)data)[row], type->precision, out);
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        return print_timestamp_cell(type, vector, row, out);
    case SQL_INTERVAL_YM:
    case SQL_INTERVAL_DS:
        return print_interval(type, (duckdb_interval *)data + row, out);
    case SQL_ARRAY:
        return print_array(type, vector, row, out);
    case SQL_MAP:
    case SQL_MULTISET:
        return print_map(type, vector, row, out);
    case SQL_ROW:
        return print_row(type, vector, row, out);
    case SQL_NULL:
        return buf_append_str(out, "NULL");
    case SQL_TIMESTAMP_TZ:
    case SQL_RAW:
    case SQL_TYPE_KINDS:
        break;
    }
    return ERR_UNSUPPORTED;
}

int cell_print(const struct sql_type *type, duckdb_vector vector, idx_t row, struct buf *out)
{
    return print_value(type, vector, row, out);
}
