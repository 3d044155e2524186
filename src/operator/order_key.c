/* order_key.c - the columns of an ORDER BY as bytes whose memcmp is the order.
 *
 * Per column: a byte that puts NULL before or behind, then, unless it is NULL, the value. Whole
 * numbers are big end first with the sign turned; floats likewise, with all bits turned when
 * negative, so that -0.0 is before 0.0 and NaN behind all, as Java compares. In text a zero byte is
 * written as 00 FF and the end as 00 00: no text's key is the beginning of another's.
 */
#include <math.h>

#include "operator/rows_out.h"

enum form { FORM_SIGNED, FORM_UNSIGNED, FORM_FLOAT, FORM_TEXT };
struct order_field {
    enum form form;
    uint32_t width; /* of a value; TEXT: 0 */
    size_t column;
    uint8_t null, turn; /* the byte of a NULL: 0 or 2, 1 is a value; turn: 255 when descending */
};
struct order_keys {
    struct order_field *fields;
    size_t count;
};

static const struct {
    duckdb_type type;
    enum form form;
    uint32_t width;
} forms[] = {
    {DUCKDB_TYPE_BOOLEAN, FORM_UNSIGNED, 1},    {DUCKDB_TYPE_TINYINT, FORM_SIGNED, 1},
    {DUCKDB_TYPE_SMALLINT, FORM_SIGNED, 2},     {DUCKDB_TYPE_INTEGER, FORM_SIGNED, 4},
    {DUCKDB_TYPE_BIGINT, FORM_SIGNED, 8},       {DUCKDB_TYPE_UTINYINT, FORM_UNSIGNED, 1},
    {DUCKDB_TYPE_USMALLINT, FORM_UNSIGNED, 2},  {DUCKDB_TYPE_UINTEGER, FORM_UNSIGNED, 4},
    {DUCKDB_TYPE_UBIGINT, FORM_UNSIGNED, 8},    {DUCKDB_TYPE_DATE, FORM_SIGNED, 4},
    {DUCKDB_TYPE_TIME, FORM_SIGNED, 8},         {DUCKDB_TYPE_TIMESTAMP, FORM_SIGNED, 8},
    {DUCKDB_TYPE_TIMESTAMP_S, FORM_SIGNED, 8},  {DUCKDB_TYPE_TIMESTAMP_MS, FORM_SIGNED, 8},
    {DUCKDB_TYPE_TIMESTAMP_NS, FORM_SIGNED, 8}, {DUCKDB_TYPE_TIMESTAMP_TZ, FORM_SIGNED, 8},
    {DUCKDB_TYPE_HUGEINT, FORM_SIGNED, 16},     {DUCKDB_TYPE_UUID, FORM_SIGNED, 16},
    {DUCKDB_TYPE_FLOAT, FORM_FLOAT, 4},         {DUCKDB_TYPE_DOUBLE, FORM_FLOAT, 8},
    {DUCKDB_TYPE_VARCHAR, FORM_TEXT, 0},        {DUCKDB_TYPE_BLOB, FORM_TEXT, 0},
};

static int field_init(struct order_field *field, const struct vec_column *column,
                      const struct op_order *order, struct err *err)
{
    duckdb_type type = duckdb_get_type_id(column->type);

    if (type == DUCKDB_TYPE_DECIMAL)
        type = duckdb_decimal_internal_type(column->type);
    field->column = order->column;
    field->null = order->nulls_first ? 0 : 2;
    field->turn = order->descending ? 255 : 0;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (forms[i].type != type)
            continue;
        field->form = forms[i].form;
        field->width = forms[i].width;
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "ORDER BY column `%s`: values of its type have no order",
                   column->name);
}

int order_keys_new(struct order_keys **out, const struct vec_columns *columns,
                   const struct op_order *order, size_t count, struct err *err)
{
    struct order_keys *keys = *out = calloc(1, sizeof(*keys));
    int rc = 0;

    if (keys)
        keys->fields = calloc(count + 1, sizeof(*keys->fields));
    if (!keys || !keys->fields)
        rc = err_set(err, ERR_NOMEM, "an order of rows");
    for (size_t i = 0; i < count && !rc; i++)
        rc = field_init(&keys->fields[i], &columns->list[order[i].column], &order[i], err);
    if (rc) {
        order_keys_free(keys);
        *out = NULL;
        return rc;
    }
    keys->count = count;
    return 0;
}

void order_keys_free(struct order_keys *keys)
{
    if (keys)
        free(keys->fields);
    free(keys);
}

static struct slice text_of(const duckdb_string_t *text)
{
    return slice_of(duckdb_string_is_inlined(*text) ? text->value.inlined.inlined
                                                    : text->value.pointer.ptr,
                    text->value.inlined.length);
}

static uint32_t text_size(struct slice s)
{
    uint32_t size = (uint32_t)s.len + 2;

    for (const uint8_t *p = s.ptr; s.len && (p = memchr(p, 0, s.len - (size_t)(p - s.ptr))); p++)
        size++;
    return size;
}

static void measure(const struct order_field *field, duckdb_vector vector, struct vec_rows *out)
{
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    const duckdb_string_t *texts = duckdb_vector_get_data(vector);

    for (idx_t row = 0; row < out->count; row++) {
        out->at[row] += 1;
        if (vec_is_valid(validity, row))
            out->at[row] += field->width ? field->width : text_size(text_of(&texts[row]));
    }
}

static void put_number(const struct order_field *field, const uint8_t *value, uint8_t *out)
{
    uint32_t width = field->width;
    uint8_t turn = field->turn;

    for (uint32_t i = 0; i < width; i++)
        out[i] = value[width - 1 - i];
    if (field->form == FORM_FLOAT && out[0] >> 7)
        turn ^= 255;
    else if (field->form != FORM_UNSIGNED)
        out[0] ^= 128;
    for (uint32_t i = 0; turn && i < width; i++)
        out[i] ^= turn;
}

/* Every NaN is one, behind all numbers. */
static void put_float(const struct order_field *field, const uint8_t *value, uint8_t *out)
{
    float f32;
    double f64;

    if (field->width == 4) {
        memcpy(&f32, value, sizeof(f32));
        f32 = isnan(f32) ? NAN : f32;
        put_number(field, (const uint8_t *)&f32, out);
    } else {
        memcpy(&f64, value, sizeof(f64));
        f64 = isnan(f64) ? NAN : f64;
        put_number(field, (const uint8_t *)&f64, out);
    }
}

static uint8_t *put_text(struct slice s, uint8_t turn, uint8_t *out)
{
    for (size_t i = 0; i < s.len; i++) {
        *out++ = s.ptr[i] ^ turn;
        if (!s.ptr[i])
            *out++ = 255 ^ turn;
    }
    *out++ = turn;
    *out++ = turn;
    return out;
}

/* While a column is written, at[i] is where the next byte of row i goes. */
static void write_column(const struct order_field *field, duckdb_vector vector,
                         struct vec_rows *out)
{
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    const uint8_t *data = duckdb_vector_get_data(vector);

    for (idx_t row = 0; row < out->count; row++) {
        uint8_t *to = out->bytes.ptr + out->at[row];

        if (!vec_is_valid(validity, row)) {
            *to++ = field->null;
        } else {
            *to++ = 1;
            if (field->form == FORM_TEXT)
                to = put_text(text_of((const duckdb_string_t *)(const void *)data + row),
                              field->turn, to);
            else if (field->form == FORM_FLOAT)
                put_float(field, data + row * field->width, to);
            else
                put_number(field, data + row * field->width, to);
            to += field->width;
        }
        out->at[row] = (uint32_t)(to - out->bytes.ptr);
    }
}

static int reserve(struct vec_rows *out, idx_t count)
{
    uint32_t *at;

    if (count < out->cap)
        return 0;
    at = realloc(out->at, (count + 1) * sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    out->at = at;
    out->cap = count + 1;
    return 0;
}

int order_keys_make(const struct order_keys *keys, duckdb_data_chunk chunk, struct vec_rows *out,
                    struct err *err)
{
    uint64_t total = 0;

    out->count = duckdb_data_chunk_get_size(chunk);
    if (reserve(out, out->count))
        return err_set(err, ERR_NOMEM, "an order of rows");
    memset(out->at, 0, (out->count + 1) * sizeof(*out->at));
    for (size_t i = 0; i < keys->count; i++)
        measure(&keys->fields[i],
                duckdb_data_chunk_get_vector(chunk, (idx_t)keys->fields[i].column), out);
    for (idx_t row = 0; row <= out->count; row++) {
        uint32_t size = out->at[row];

        out->at[row] = (uint32_t)total;
        total += size;
    }
    buf_clear(&out->bytes);
    if (total > UINT32_MAX || buf_reserve(&out->bytes, (size_t)total + 1))
        return err_set(err, ERR_LIMIT, "2,048 rows have more than %u bytes to order by",
                       UINT32_MAX);
    out->bytes.len = (size_t)total;
    for (size_t i = 0; i < keys->count; i++)
        write_column(&keys->fields[i],
                     duckdb_data_chunk_get_vector(chunk, (idx_t)keys->fields[i].column), out);
    /* Each row's end is where the next one begins. */
    memmove(out->at + 1, out->at, out->count * sizeof(*out->at));
    out->at[0] = 0;
    return 0;
}
