/* avro_rows.c - between Avro's binary encoding and rows. Sources: Avro 1.11, "Binary Encoding" and
 * "Logical Types"; Flink 1.20, "Avro Format". */
#include "format/avro_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "format/row_format_int.h"

#define TEXT_MAX   ((size_t)256 << 20)
#define DIGITS_MAX 48 /* of a 16-byte integer */

/* ---- Avro to JSON ---- */

struct to_json {
    struct avro_cursor *c;
    struct buf *out;
    struct err *err;
};

static int corrupt(struct to_json *j, const char *what)
{
    return err_set(j->err, ERR_CORRUPT, "avro: %s", what);
}

static bool is_logical(const struct avro_schema *schema, const char *name)
{
    return schema->logical && !strcmp(schema->logical, name);
}

/* Days since 1970 to a date of the proleptic Gregorian calendar (H. Hinnant's algorithm). */
static bool civil(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
    return *year >= 1 && *year <= 9999;
}

static int put_date(struct to_json *j, int64_t days)
{
    int64_t year;
    int month, day;

    if (days < -1000000 || days > 10000000 || !civil(days, &year, &month, &day))
        return corrupt(j, "a date outside of the years 1 to 9999");
    return buf_printf(j->out, "\"%04d-%02d-%02d\"", (int)year, month, day);
}

static int put_clock(struct to_json *j, int64_t micros)
{
    if (micros < 0 || micros >= INT64_C(86400000000))
        return corrupt(j, "a time outside of the day");
    return buf_printf(j->out, "\"%02d:%02d:%02d.%06d\"", (int)(micros / 3600000000),
                      (int)(micros / 60000000 % 60), (int)(micros / 1000000 % 60),
                      (int)(micros % 1000000));
}

static int put_instant(struct to_json *j, int64_t value, int64_t per_second)
{
    int64_t second = value / per_second, part = value % per_second, days, year;
    int month, day;

    if (part < 0) {
        part += per_second;
        second--;
    }
    days = second / 86400 - (second % 86400 < 0);
    second -= days * 86400;
    if (days < -1000000 || days > 10000000 || !civil(days, &year, &month, &day))
        return corrupt(j, "a time outside of the years 1 to 9999");
    return buf_printf(j->out, "\"%04d-%02d-%02d %02d:%02d:%02d.%09" PRId64 "\"", (int)year, month,
                      day, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60),
                      part * (1000000000 / per_second));
}

static int put_int(struct to_json *j, const struct avro_schema *schema)
{
    int64_t v;
    int rc = avro_get_long(j->c, &v, j->err);

    if (rc)
        return rc;
    if (schema->type == AVRO_INT && (v < INT32_MIN || v > INT32_MAX))
        return corrupt(j, "an int of more than 32 bits");
    if (is_logical(schema, "date"))
        return put_date(j, v);
    if (is_logical(schema, "time-millis"))
        return v < 0 || v >= 86400000 ? corrupt(j, "a time outside of the day")
                                      : put_clock(j, v * 1000);
    if (is_logical(schema, "time-micros"))
        return put_clock(j, v);
    if (is_logical(schema, "timestamp-millis") || is_logical(schema, "local-timestamp-millis"))
        return put_instant(j, v, 1000);
    if (is_logical(schema, "timestamp-micros") || is_logical(schema, "local-timestamp-micros"))
        return put_instant(j, v, 1000000);
    if (is_logical(schema, "timestamp-nanos") || is_logical(schema, "local-timestamp-nanos"))
        return put_instant(j, v, 1000000000);
    return buf_printf(j->out, "%" PRId64, v);
}

static int put_real(struct to_json *j, const struct avro_schema *schema)
{
    const uint8_t *bytes;
    double value;
    int rc = avro_get_fixed(j->c, schema->type == AVRO_FLOAT ? 4 : 8, &bytes, j->err);

    if (rc)
        return rc;
    if (schema->type == AVRO_FLOAT) {
        float f;

        memcpy(&f, bytes, sizeof(f));
        value = f;
    } else {
        memcpy(&value, bytes, sizeof(value));
    }
    if (isnan(value))
        return buf_append_str(j->out, "\"NaN\"");
    if (isinf(value))
        return buf_append_str(j->out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return buf_printf(j->out, schema->type == AVRO_FLOAT ? "%.9g" : "%.17g", value);
}

/* Two's complement, the first byte the highest. */
static int put_decimal(struct to_json *j, struct slice bytes, int32_t scale)
{
    unsigned __int128 value = 0;
    char digits[DIGITS_MAX];
    bool negative = bytes.len && bytes.ptr[0] & 0x80;
    int at = DIGITS_MAX, rc;

    if (bytes.len > 16 || scale < 0 || scale > 38)
        return corrupt(j, "a decimal of more than 38 digits");
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | (negative ? (uint8_t)~bytes.ptr[i] : bytes.ptr[i]);
    value += negative;
    do
        digits[--at] = (char)('0' + (int)(value % 10));
    while ((value /= 10) && at > 0);
    while (DIGITS_MAX - at <= scale)
        digits[--at] = '0';
    rc = negative ? buf_append_u8(j->out, '-') : 0;
    rc = rc ? rc : buf_append(j->out, digits + at, (size_t)(DIGITS_MAX - at - scale));
    rc = rc || !scale ? rc : buf_append_u8(j->out, '.');
    return rc ? rc : buf_append(j->out, digits + DIGITS_MAX - scale, (size_t)scale);
}

static int put_octets(struct to_json *j, const struct avro_schema *schema)
{
    const uint8_t *ptr;
    struct slice bytes;
    int rc;

    if (schema->type == AVRO_FIXED) {
        rc = avro_get_fixed(j->c, (size_t)schema->size, &ptr, j->err);
        bytes = rc ? (struct slice){0} : slice_of(ptr, (size_t)schema->size);
    } else {
        rc = avro_get_bytes(j->c, &bytes, j->err);
    }
    if (rc)
        return rc;
    if (is_logical(schema, "decimal"))
        return put_decimal(j, bytes, schema->scale);
    rc = buf_append_u8(j->out, '"');
    rc = rc ? rc : base64_encode(bytes, j->out);
    return rc ? rc : buf_append_u8(j->out, '"');
}

static int put_text(struct to_json *j)
{
    struct slice text;
    int rc = avro_get_bytes(j->c, &text, j->err);

    if (rc)
        return rc;
    rc = row_put_string(j->out, text);
    return rc == ERR_INVALID ? corrupt(j, "a string that is not UTF-8") : rc;
}

static int put(struct to_json *j, const struct avro_schema *schema, int depth);

static int put_record(struct to_json *j, const struct avro_schema *schema, int depth)
{
    int rc = buf_append_u8(j->out, '{');

    for (size_t i = 0; i < schema->member_count && !rc; i++) {
        rc = i ? buf_append_u8(j->out, ',') : 0;
        rc = rc ? rc : row_put_string(j->out, slice_str(schema->members[i].name));
        rc = rc ? rc : buf_append_u8(j->out, ':');
        rc = rc ? rc : put(j, schema->members[i].schema, depth + 1);
    }
    return rc ? rc : buf_append_u8(j->out, '}');
}

/* Arrays and maps come in blocks of items. */
static int put_items(struct to_json *j, const struct avro_schema *schema, int depth)
{
    bool map = schema->type == AVRO_MAP, first = true;
    int64_t count = 0;
    int rc = buf_append_u8(j->out, map ? '{' : '[');

    while (!rc && !(rc = avro_get_count(j->c, &count, j->err)) && count)
        for (int64_t i = 0; i < count && !rc; i++) {
            rc = first ? 0 : buf_append_u8(j->out, ',');
            first = false;
            rc = rc || !map ? rc : put_text(j);
            rc = rc || !map ? rc : buf_append_u8(j->out, ':');
            rc = rc ? rc : put(j, schema->items, depth + 1);
        }
    return rc ? rc : buf_append_u8(j->out, map ? '}' : ']');
}

static int put_bool(struct to_json *j)
{
    const uint8_t *byte;
    int rc = avro_get_fixed(j->c, 1, &byte, j->err);

    if (rc)
        return rc;
    return *byte > 1 ? corrupt(j, "a boolean that is neither 0 nor 1")
                     : buf_append_str(j->out, *byte ? "true" : "false");
}

/* A branch of a union, a symbol of an enum. */
static int get_index(struct to_json *j, size_t count, size_t *out)
{
    int64_t index;
    int rc = avro_get_long(j->c, &index, j->err);

    if (rc)
        return rc;
    if (index < 0 || (uint64_t)index >= count)
        return corrupt(j, "a branch or symbol that the schema has not");
    *out = (size_t)index;
    return 0;
}

static int put(struct to_json *j, const struct avro_schema *schema, int depth)
{
    size_t index;
    int rc;

    if (depth > AVRO_DEPTH_MAX)
        return corrupt(j, "values nested too deep");
    switch (schema->type) {
    case AVRO_NULL:
        return buf_append_str(j->out, "null");
    case AVRO_BOOLEAN:
        return put_bool(j);
    case AVRO_INT:
    case AVRO_LONG:
        return put_int(j, schema);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return put_real(j, schema);
    case AVRO_BYTES:
    case AVRO_FIXED:
        return put_octets(j, schema);
    case AVRO_STRING:
        return put_text(j);
    case AVRO_ENUM:
        rc = get_index(j, schema->symbol_count, &index);
        return rc ? rc : row_put_string(j->out, slice_str(schema->symbols[index]));
    case AVRO_RECORD:
        return put_record(j, schema, depth);
    case AVRO_ARRAY:
    case AVRO_MAP:
        return put_items(j, schema, depth);
    default:
        rc = get_index(j, schema->member_count, &index);
        return rc ? rc : put(j, schema->members[index].schema, depth + 1);
    }
}

int avro_put_json(struct avro_cursor *cursor, const struct avro_schema *schema, struct buf *out,
                  struct err *err)
{
    struct err why = {0};
    struct to_json j = {cursor, out, &why};
    int rc = put(&j, schema, 0);

    if (rc && !why.code)
        err_set(&why, rc, "avro: a record of more than %zu bytes of text", out->max);
    if (rc && err)
        *err = why;
    return rc;
}

/* ---- rows to Avro ---- */

static int put_value(const struct avro_schema *schema, duckdb_logical_type type,
                     duckdb_vector vector, idx_t row, struct buf *out, struct err *err);

static int put_real_bytes(const struct avro_schema *schema, double value, struct buf *out)
{
    float narrow = (float)value;

    return schema->type == AVRO_FLOAT ? buf_append(out, &narrow, sizeof(narrow))
                                      : buf_append(out, &value, sizeof(value));
}

static int put_decimal_bytes(__int128 value, struct buf *out)
{
    uint8_t bytes[16];
    size_t len = 1;

    /* As few bytes as hold the sign too. */
    while (len < 16 && (value >> (8 * len - 1)) != 0 && (value >> (8 * len - 1)) != -1)
        len++;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    return avro_put_bytes(out, slice_of(bytes, len));
}

/* Microseconds, or nanoseconds, to what the schema counts. Rounds down, as Flink's toEpochMilli. */
static int64_t time_for(const struct avro_schema *schema, int64_t value, int64_t per_second)
{
    int64_t wanted = 1000, step;
    const char *unit = schema->logical ? strrchr(schema->logical, '-') : NULL;

    if (unit && !strcmp(unit, "-micros"))
        wanted = 1000000;
    else if (unit && !strcmp(unit, "-nanos"))
        wanted = 1000000000;
    if (wanted >= per_second)
        return value * (wanted / per_second);
    step = per_second / wanted;
    return value / step - (value % step < 0);
}

static int put_number(const struct avro_schema *schema, duckdb_logical_type type, const void *data,
                      idx_t row, struct buf *out)
{
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
        return buf_append_u8(out, ((const bool *)data)[row]);
    case DUCKDB_TYPE_TINYINT:
        return avro_put_long(out, ((const int8_t *)data)[row]);
    case DUCKDB_TYPE_SMALLINT:
        return avro_put_long(out, ((const int16_t *)data)[row]);
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
        return avro_put_long(out, ((const int32_t *)data)[row]);
    case DUCKDB_TYPE_BIGINT:
        return avro_put_long(out, ((const int64_t *)data)[row]);
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return avro_put_long(out, time_for(schema, ((const int64_t *)data)[row], 1000000));
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return avro_put_long(out, time_for(schema, ((const int64_t *)data)[row], 1000));
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return avro_put_long(out, time_for(schema, ((const int64_t *)data)[row], 1000000000));
    case DUCKDB_TYPE_FLOAT:
        return put_real_bytes(schema, (double)((const float *)data)[row], out);
    case DUCKDB_TYPE_DOUBLE:
        return put_real_bytes(schema, ((const double *)data)[row], out);
    case DUCKDB_TYPE_DECIMAL:
        return put_decimal_bytes(vec_decimal_at(type, data, row), out);
    default:
        return ERR_UNSUPPORTED;
    }
}

static int put_child(const struct avro_schema *schema, duckdb_logical_type child,
                     duckdb_vector vector, idx_t row, struct buf *out, struct err *err)
{
    int rc = put_value(schema, child, vector, row, out, err);

    duckdb_destroy_logical_type(&child);
    return rc;
}

static int put_struct(const struct avro_schema *schema, duckdb_logical_type type,
                      duckdb_vector vector, idx_t row, struct buf *out, struct err *err)
{
    int rc = duckdb_struct_type_child_count(type) == schema->member_count ? 0 : ERR_UNSUPPORTED;

    for (size_t i = 0; i < schema->member_count && !rc; i++)
        rc = put_child(schema->members[i].schema, duckdb_struct_type_child_type(type, i),
                       duckdb_struct_vector_get_child(vector, i), row, out, err);
    return rc;
}

static int put_list(const struct avro_schema *schema, duckdb_logical_type type,
                    duckdb_vector vector, idx_t row, struct buf *out, struct err *err)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector items = duckdb_list_vector_get_child(vector);
    int rc = entry.length ? avro_put_long(out, (int64_t)entry.length) : 0;

    for (idx_t i = 0; i < entry.length && !rc; i++)
        rc = put_child(schema->items, duckdb_list_type_child_type(type), items, entry.offset + i,
                       out, err);
    return rc ? rc : avro_put_long(out, 0);
}

static int put_map(const struct avro_schema *schema, duckdb_logical_type type, duckdb_vector vector,
                   idx_t row, struct buf *out, struct err *err)
{
    static const struct avro_schema text = {.type = AVRO_STRING};
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector pairs = duckdb_list_vector_get_child(vector);
    int rc = entry.length ? avro_put_long(out, (int64_t)entry.length) : 0;

    for (idx_t i = entry.offset; i < entry.offset + entry.length && !rc; i++) {
        rc = put_child(&text, duckdb_map_type_key_type(type),
                       duckdb_struct_vector_get_child(pairs, 0), i, out, err);
        rc = rc ? rc
                : put_child(schema->items, duckdb_map_type_value_type(type),
                            duckdb_struct_vector_get_child(pairs, 1), i, out, err);
    }
    return rc ? rc : avro_put_long(out, 0);
}

/* A union of null and one other, in either order. */
static int put_nullable(const struct avro_schema *schema, duckdb_logical_type type,
                        duckdb_vector vector, idx_t row, bool null, struct buf *out,
                        struct err *err)
{
    for (size_t i = 0; i < schema->member_count; i++) {
        const struct avro_schema *branch = schema->members[i].schema;

        if ((branch->type == AVRO_NULL) == null) {
            int rc = avro_put_long(out, (int64_t)i);

            return rc || null ? rc : put_value(branch, type, vector, row, out, err);
        }
    }
    return ERR_UNSUPPORTED;
}

static int put_value(const struct avro_schema *schema, duckdb_logical_type type,
                     duckdb_vector vector, idx_t row, struct buf *out, struct err *err)
{
    bool null = !vec_is_valid(duckdb_vector_get_validity(vector), row);
    duckdb_string_t *text;

    if (schema->type == AVRO_UNION)
        return put_nullable(schema, type, vector, row, null, out, err);
    if (null)
        return schema->type == AVRO_NULL
                   ? 0
                   : err_set(err, ERR_INVALID, "avro: NULL for a value that is NOT NULL");
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_STRUCT:
        return put_struct(schema, type, vector, row, out, err);
    case DUCKDB_TYPE_LIST:
        return put_list(schema, type, vector, row, out, err);
    case DUCKDB_TYPE_MAP:
        return put_map(schema, type, vector, row, out, err);
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
        text = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;
        return avro_put_bytes(out,
                              slice_of(duckdb_string_t_data(text), duckdb_string_t_length(*text)));
    default:
        return put_number(schema, type, duckdb_vector_get_data(vector), row, out);
    }
}

int avro_put_row(const struct avro_schema *schema, const struct row_encoder_field *fields,
                 size_t count, duckdb_data_chunk chunk, idx_t row, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct err why = {0};
        int rc = put_value(schema->members[i].schema, fields[i].type,
                           duckdb_data_chunk_get_vector(chunk, fields[i].column), row, out, &why);

        if (rc)
            return err_set(err, rc, "column %s: %s", fields[i].name,
                           why.code ? why.text : "its type has no Avro");
    }
    return 0;
}

/* ---- the format of messages ---- */

struct avro_state {
    struct arena arena;
    struct slice text; /* of the schema */
    const struct avro_schema *schema;
    struct err err; /* of the last message */
};

static int open_state(void **out, const struct row_options *options, size_t count, struct err *err)
{
    const char *text = options->get ? options->get(options->arg, "$schema") : NULL;
    const char *encoding = options->get ? options->get(options->arg, "encoding") : NULL;
    struct avro_state *s;
    int rc;

    if (encoding && strcasecmp(encoding, "binary") != 0)
        return err_set(err, ERR_UNSUPPORTED, "'avro.encoding' = '%s': binary is built", encoding);
    if (!text)
        return err_set(err, ERR_UNSUPPORTED, "the format 'avro' has no schema here");
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_NOMEM, "format avro");
    *out = s;
    s->text = arena_slice(&s->arena, slice_str(text));
    rc = s->text.ptr ? avro_schema_parse(s->text, &s->arena, &s->schema, err)
                     : err_set(err, ERR_NOMEM, "format avro");
    if (!rc && (s->schema->type != AVRO_RECORD || s->schema->member_count != count))
        rc = err_set(err, ERR_INTERNAL, "avro: the schema is not of these columns");
    return rc;
}

static void close_state(struct avro_state *s)
{
    if (s)
        arena_deinit(&s->arena);
    free(s);
}

static int in_open(struct row_decoder *d, const struct row_decoder_options *o, struct err *err)
{
    return open_state(&d->state, &o->options, o->field_count, err);
}

static int in_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    struct avro_state *s = d->state;
    struct avro_cursor c = {message.ptr, message.ptr + message.len};
    size_t from = d->text.len;
    int rc;

    s->err = (struct err){0};
    rc = avro_put_json(&c, s->schema, &d->text, &s->err);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc)
        return row_fault(fault, (size_t)(c.at - message.ptr), "%s", s->err.text);
    if (c.at != c.end)
        return row_fault(fault, (size_t)(c.at - message.ptr),
                         "avro: %zu bytes behind the record: it is of another schema than the "
                         "table's",
                         (size_t)(c.end - c.at));
    return row_piece_made(d, ROW_INSERT, from);
}

static void in_close(struct row_decoder *d)
{
    close_state(d->state);
}

const struct row_decoder_ops row_avro_in = {.open = in_open, .split = in_split, .close = in_close};

static int out_open(struct row_encoder *e, const struct row_options *options, struct err *err)
{
    return open_state(&e->state, options, e->count, err);
}

static int out_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
                   struct buf *out, bool *null, struct err *err)
{
    struct avro_state *s = e->state;

    (void)kind, (void)null;
    return avro_put_row(s->schema, e->fields, e->count, chunk, row, out, err);
}

static void out_close(struct row_encoder *e)
{
    close_state(e->state);
}

const struct row_encoder_ops row_avro_out = {.open = out_open, .row = out_row, .close = out_close};

struct slice row_encoder_avro_schema(const struct row_encoder *e)
{
    return ((const struct avro_state *)e->state)->text;
}
