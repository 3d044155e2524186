/* key_columns.c - keys of rows as hashes. See key_columns.h. */
#include "lake/key_columns.h"

#include "lake/siphash.h"

/* How a value becomes bytes. */
enum shape { SHAPE_I8, SHAPE_I16, SHAPE_I32, SHAPE_I64, SHAPE_I128, SHAPE_TEXT, SHAPE_NONE };

static enum shape shape_of(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_BOOLEAN:
        return SHAPE_I8;
    case LAKE_INT:
    case LAKE_DATE:
        return SHAPE_I32;
    case LAKE_LONG:
    case LAKE_TIME:
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        return SHAPE_I64;
    case LAKE_DECIMAL:
        return type->precision <= 4    ? SHAPE_I16
               : type->precision <= 9  ? SHAPE_I32
               : type->precision <= 18 ? SHAPE_I64
                                       : SHAPE_I128;
    case LAKE_UUID:
        return SHAPE_I128;
    case LAKE_STRING:
    case LAKE_FIXED:
    case LAKE_BINARY:
        return SHAPE_TEXT;
    default:
        return SHAPE_NONE;
    }
}

int key_columns_init(struct key_columns *out, const struct lake_schema *schema,
                     const uint64_t seeds[2], struct err *err)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->seeds, seeds, sizeof(out->seeds));
    if (!schema->identifier_count)
        return err_set(err, ERR_INVALID,
                       "the table has no key: PRIMARY KEY (...) NOT ENFORCED "
                       "gives it one when it is made");
    if (schema->identifier_count > KEY_COLUMNS_MAX)
        return err_set(err, ERR_LIMIT, "a key of %zu columns", schema->identifier_count);
    /* In the order of the columns: that of the ids is whatever the writer liked. */
    for (size_t c = 0; c < schema->root.field_count; c++) {
        const struct lake_field *field = &schema->root.fields[c];
        bool key = false;

        for (size_t i = 0; i < schema->identifier_count; i++)
            key |= schema->identifier_ids[i] == field->id;
        if (!key)
            continue;
        if (shape_of(&field->type) == SHAPE_NONE)
            return err_set(err, ERR_UNSUPPORTED,
                           "column %s cannot be a key: floating point and nested types have no "
                           "equality to rely on",
                           field->name);
        out->list[out->count].field_id = field->id;
        out->list[out->count].column = c;
        out->list[out->count++].field = field;
    }
    if (out->count != schema->identifier_count)
        return err_set(err, ERR_UNSUPPORTED, "a key inside of a nested column");
    out->exact = out->count == 1 && shape_of(&out->list[0].field->type) <= SHAPE_I64;
    return 0;
}

char *key_columns_name(const struct key_columns *columns, const char *uuid, struct arena *arena)
{
    char *name = arena_printf(arena, "%s%s", uuid, columns->exact ? " exact" : " sip");

    for (size_t i = 0; i < columns->count && name; i++)
        name = arena_printf(arena, "%s %d", name, (int)columns->list[i].field_id);
    return name;
}

static int64_t number_at(enum shape shape, const void *data, idx_t row)
{
    switch (shape) {
    case SHAPE_I8:
        return ((const int8_t *)data)[row];
    case SHAPE_I16:
        return ((const int16_t *)data)[row];
    case SHAPE_I32:
        return ((const int32_t *)data)[row];
    default:
        return ((const int64_t *)data)[row];
    }
}

static struct slice text_at(const void *data, idx_t row)
{
    duckdb_string_t *s = (duckdb_string_t *)data + row;

    return slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}

/* One to one, so that no two keys meet: the finalizer of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static struct key_hash hash_bytes(const struct key_columns *c, struct slice s)
{
    uint64_t out[2];

    siphash128(s.ptr, s.len, c->seeds, out);
    return (struct key_hash){out[0], (uint32_t)out[1]};
}

/* Several columns: each as 16 bytes, or as its length and its bytes. */
static int pack_row(const enum shape *shapes, void *const *data, size_t count, idx_t row,
                    struct buf *out)
{
    int rc = 0;

    buf_clear(out);
    for (size_t i = 0; i < count && !rc; i++)
        if (shapes[i] == SHAPE_TEXT) {
            struct slice s = text_at(data[i], row);
            uint64_t len = s.len;

            rc = buf_append(out, &len, sizeof(len));
            rc = rc ? rc : buf_append_slice(out, s);
        } else if (shapes[i] == SHAPE_I128) {
            rc = buf_append(out, (const uint8_t *)data[i] + row * 16, 16);
        } else {
            __int128 v = number_at(shapes[i], data[i], row);

            rc = buf_append(out, &v, sizeof(v));
        }
    return rc;
}

static int hash_packed(const struct key_columns *c, const enum shape *shapes, void *const *data,
                       idx_t rows, struct key_hash *out)
{
    struct buf packed;
    int rc = 0;

    buf_init(&packed, 0);
    for (idx_t r = 0; r < rows && !rc; r++) {
        rc = pack_row(shapes, data, c->count, r, &packed);
        if (!rc)
            out[r] = hash_bytes(c, buf_slice(&packed));
    }
    buf_deinit(&packed);
    return rc;
}

static int refuse_nulls(const struct lake_field *field, duckdb_vector vector, idx_t rows,
                        struct err *err)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);

    for (idx_t r = 0; validity && r < rows; r++)
        if (!duckdb_validity_row_is_valid(validity, r))
            return err_set(err, ERR_INVALID, "column %s is part of the key and a value is NULL",
                           field->name);
    return 0;
}

int key_columns_hash(const struct key_columns *c, duckdb_data_chunk chunk, int from,
                     struct key_hash *out, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    enum shape shapes[KEY_COLUMNS_MAX];
    void *data[KEY_COLUMNS_MAX];
    int rc = 0;

    for (size_t i = 0; i < c->count && !rc; i++) {
        idx_t at = from < 0 ? c->list[i].column : (idx_t)from + i;
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, at);

        shapes[i] = shape_of(&c->list[i].field->type);
        data[i] = duckdb_vector_get_data(vector);
        rc = refuse_nulls(c->list[i].field, vector, rows, err);
    }
    if (rc)
        return rc;
    if (c->exact)
        for (idx_t r = 0; r < rows; r++)
            out[r] =
                (struct key_hash){mix((uint64_t)number_at(shapes[0], data[0], r) + c->seeds[0]), 0};
    else if (c->count == 1 && shapes[0] == SHAPE_TEXT)
        for (idx_t r = 0; r < rows; r++)
            out[r] = hash_bytes(c, text_at(data[0], r));
    else if (hash_packed(c, shapes, data, rows, out))
        return err_set(err, ERR_NOMEM, "keys");
    return 0;
}
