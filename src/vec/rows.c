/* rows.c - the codec of rows: a tree of fields, walked column by column so that the common types
 * are tight loops. */
#include <math.h>

#include "vec/rows_int.h"

/* ---- the tree ---- */

static uint32_t decimal_width(duckdb_logical_type type)
{
    switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT: return 2;
    case DUCKDB_TYPE_INTEGER: return 4;
    case DUCKDB_TYPE_BIGINT: return 8;
    default: return 16;
    }
}

static uint32_t fixed_width(duckdb_logical_type type)
{
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_UTINYINT: return 1;
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_USMALLINT: return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_DATE: return 4;
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return 8;
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_UUID:
    case DUCKDB_TYPE_INTERVAL: return 16;
    case DUCKDB_TYPE_DECIMAL: return decimal_width(type);
    default: return 0;
    }
}

static int field_init(struct field *field, duckdb_logical_type type);

static int list_init(struct field *field, duckdb_logical_type type)
{
    duckdb_logical_type child = duckdb_list_type_child_type(type);
    int rc;

    field->kind = FIELD_LIST;
    field->children = calloc(1, sizeof(*field->children));
    field->count = 1;
    rc = field->children ? field_init(field->children, child) : ERR_NOMEM;
    duckdb_destroy_logical_type(&child);
    return rc;
}

/* A map is a list of pairs. */
static int map_init(struct field *field, duckdb_logical_type type)
{
    duckdb_logical_type sides[] = {duckdb_map_type_key_type(type),
                                   duckdb_map_type_value_type(type)};
    struct field *pair = calloc(1, sizeof(*pair));
    int rc = pair ? 0 : ERR_NOMEM;

    field->kind = FIELD_LIST;
    field->children = pair;
    field->count = pair ? 1 : 0;
    if (!rc) {
        pair->kind = FIELD_STRUCT;
        pair->children = calloc(2, sizeof(*pair->children));
        pair->count = pair->children ? 2 : 0;
        rc = pair->children ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; i < 2; i++) {
        if (!rc)
            rc = field_init(&pair->children[i], sides[i]);
        duckdb_destroy_logical_type(&sides[i]);
    }
    return rc;
}

static int struct_init(struct field *field, duckdb_logical_type type)
{
    idx_t count = duckdb_struct_type_child_count(type);
    int rc = 0;

    field->kind = FIELD_STRUCT;
    field->children = calloc(count + 1, sizeof(*field->children));
    if (!field->children)
        return ERR_NOMEM;
    field->count = count;
    for (idx_t i = 0; i < count && !rc; i++) {
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

        rc = field_init(&field->children[i], child);
        duckdb_destroy_logical_type(&child);
    }
    return rc;
}

static int field_init(struct field *field, duckdb_logical_type type)
{
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_FLOAT: *field = (struct field){FIELD_FLOAT, 4, NULL, 0}; return 0;
    case DUCKDB_TYPE_DOUBLE: *field = (struct field){FIELD_DOUBLE, 8, NULL, 0}; return 0;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB: field->kind = FIELD_TEXT; return 0;
    case DUCKDB_TYPE_LIST: return list_init(field, type);
    case DUCKDB_TYPE_MAP: return map_init(field, type);
    case DUCKDB_TYPE_STRUCT: return struct_init(field, type);
    default:
        *field = (struct field){FIELD_FIXED, fixed_width(type), NULL, 0};
        return field->width ? 0 : ERR_UNSUPPORTED;
    }
}

static void field_deinit(struct field *field)
{
    for (size_t i = 0; i < field->count; i++)
        field_deinit(&field->children[i]);
    free(field->children);
}

int vec_codec_new(struct vec_codec **out, const struct vec_columns *columns, const size_t *which,
                  size_t count, struct err *err)
{
    struct vec_codec *codec = *out = calloc(1, sizeof(*codec));
    int rc = 0;

    if (codec) {
        codec->root.kind = FIELD_STRUCT;
        codec->root.children = calloc(count + 1, sizeof(struct field));
        codec->which = calloc(count + 1, sizeof(size_t));
    }
    if (!codec || !codec->root.children || !codec->which) {
        vec_codec_free(codec);
        *out = NULL;
        return err_set(err, ERR_NOMEM, "a codec of rows");
    }
    codec->root.count = count;
    for (size_t i = 0; i < count && !rc; i++) {
        codec->which[i] = which[i];
        rc = field_init(&codec->root.children[i], columns->list[which[i]].type);
        if (rc)
            rc = err_set(err, rc, "column `%s` has a type that cannot be kept in state",
                         columns->list[which[i]].name);
    }
    if (rc) {
        vec_codec_free(codec);
        *out = NULL;
    }
    return rc;
}

void vec_codec_free(struct vec_codec *codec)
{
    if (!codec)
        return;
    field_deinit(&codec->root);
    free(codec->which);
    free(codec);
}

/* ---- encoding: the size of each row, then the rows, column by column ---- */

static struct slice text_of(const duckdb_string_t *text)
{
    return slice_of(duckdb_string_is_inlined(*text) ? text->value.inlined.inlined
                                                    : text->value.pointer.ptr,
                    text->value.inlined.length);
}

static duckdb_vector child_of(const struct field *field, duckdb_vector vector, size_t i)
{
    return field->kind == FIELD_LIST ? duckdb_list_vector_get_child(vector)
                                     : duckdb_struct_vector_get_child(vector, (idx_t)i);
}

static size_t value_size(const struct field *field, duckdb_vector vector, idx_t row);

static size_t nested_size(const struct field *field, duckdb_vector vector, idx_t row)
{
    size_t size = (field->count + 7) / 8;

    for (size_t i = 0; i < field->count; i++)
        size += value_size(&field->children[i], child_of(field, vector, i), row);
    return size;
}

/* 0 when NULL. */
static size_t value_size(const struct field *field, duckdb_vector vector, idx_t row)
{
    const duckdb_list_entry *entry;
    size_t size;

    if (!vec_is_valid(duckdb_vector_get_validity(vector), row))
        return 0;
    switch (field->kind) {
    case FIELD_TEXT:
        return 4 + text_of((duckdb_string_t *)duckdb_vector_get_data(vector) + row).len;
    case FIELD_STRUCT: return nested_size(field, vector, row);
    case FIELD_LIST:
        entry = (duckdb_list_entry *)duckdb_vector_get_data(vector) + row;
        size = 4 + (entry->length + 7) / 8;
        for (idx_t i = 0; i < entry->length; i++)
            size += value_size(field->children, duckdb_list_vector_get_child(vector),
                               entry->offset + i);
        return size;
    default: return field->width;
    }
}

static void put_fixed(const struct field *field, const void *data, idx_t row, uint8_t *out)
{
    memcpy(out, (const uint8_t *)data + row * field->width, field->width);
    if (field->kind == FIELD_DOUBLE && isnan(((const double *)data)[row]))
        memcpy(out, &(double){NAN}, sizeof(double));
    if (field->kind == FIELD_FLOAT && isnan(((const float *)data)[row]))
        memcpy(out, &(float){NAN}, sizeof(float));
}

static uint8_t *put_text(const duckdb_string_t *text, uint8_t *out)
{
    struct slice s = text_of(text);
    uint32_t len = (uint32_t)s.len;

    memcpy(out, &len, sizeof(len));
    memcpy(out + 4, s.ptr, len);
    return out + 4 + len;
}

static uint8_t *put_value(const struct field *field, duckdb_vector vector, idx_t row, uint8_t *out);

static uint8_t *put_children(const struct field *field, duckdb_vector vector, idx_t row,
                             uint8_t *out)
{
    uint8_t *nulls = out;

    memset(nulls, 0, (field->count + 7) / 8);
    out += (field->count + 7) / 8;
    for (size_t i = 0; i < field->count; i++) {
        duckdb_vector child = child_of(field, vector, i);

        if (vec_is_valid(duckdb_vector_get_validity(child), row))
            out = put_value(&field->children[i], child, row, out);
        else
            nulls[i / 8] |= (uint8_t)(1 << i % 8);
    }
    return out;
}

static uint8_t *put_list(const struct field *field, duckdb_vector vector, idx_t row, uint8_t *out)
{
    const duckdb_list_entry *entry = (duckdb_list_entry *)duckdb_vector_get_data(vector) + row;
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    uint64_t *validity = duckdb_vector_get_validity(child);
    uint32_t len = (uint32_t)entry->length;
    uint8_t *nulls = out + 4;

    memcpy(out, &len, sizeof(len));
    memset(nulls, 0, (len + 7) / 8);
    out = nulls + (len + 7) / 8;
    for (idx_t i = 0; i < len; i++)
        if (vec_is_valid(validity, entry->offset + i))
            out = put_value(field->children, child, entry->offset + i, out);
        else
            nulls[i / 8] |= (uint8_t)(1 << i % 8);
    return out;
}

static uint8_t *put_value(const struct field *field, duckdb_vector vector, idx_t row, uint8_t *out)
{
    switch (field->kind) {
    case FIELD_TEXT: return put_text((duckdb_string_t *)duckdb_vector_get_data(vector) + row, out);
    case FIELD_STRUCT: return put_children(field, vector, row, out);
    case FIELD_LIST: return put_list(field, vector, row, out);
    default:
        put_fixed(field, duckdb_vector_get_data(vector), row, out);
        return out + field->width;
    }
}

void vec_rows_deinit(struct vec_rows *rows)
{
    buf_deinit(&rows->bytes);
    free(rows->at);
    *rows = (struct vec_rows){0};
}

static int reserve_rows(struct vec_rows *rows, idx_t count)
{
    uint32_t *at;

    if (count < rows->cap)
        return 0;
    at = realloc(rows->at, (count + 1) * sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    rows->at = at;
    rows->cap = count + 1;
    return 0;
}

/* at[i] becomes the size of row i. */
static void measure(const struct vec_codec *codec, duckdb_data_chunk chunk, struct vec_rows *out)
{
    uint32_t head = (uint32_t)(codec->root.count + 7) / 8;

    for (idx_t row = 0; row < out->count; row++)
        out->at[row] = head;
    for (size_t i = 0; i < codec->root.count; i++) {
        const struct field *field = &codec->root.children[i];
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)codec->which[i]);

        if (field->kind <= FIELD_DOUBLE && !duckdb_vector_get_validity(vector))
            for (idx_t row = 0; row < out->count; row++)
                out->at[row] += field->width;
        else
            for (idx_t row = 0; row < out->count; row++)
                out->at[row] += (uint32_t)value_size(field, vector, row);
    }
}

/* While a column is written, at[i] is where the next value of row i goes. */
static void write_column(const struct field *field, duckdb_vector vector, size_t bit,
                         const uint32_t *starts, struct vec_rows *out)
{
    uint64_t *validity = duckdb_vector_get_validity(vector);
    const void *data = duckdb_vector_get_data(vector);

    for (idx_t row = 0; row < out->count; row++) {
        uint8_t *to = out->bytes.ptr + out->at[row];

        if (!vec_is_valid(validity, row)) {
            out->bytes.ptr[starts[row] + bit / 8] |= (uint8_t)(1 << bit % 8);
        } else if (field->kind <= FIELD_DOUBLE) {
            put_fixed(field, data, row, to);
            out->at[row] += field->width;
        } else {
            out->at[row] = (uint32_t)(put_value(field, vector, row, to) - out->bytes.ptr);
        }
    }
}

int vec_rows_encode(const struct vec_codec *codec, duckdb_data_chunk chunk, struct vec_rows *out,
                    struct err *err)
{
    uint32_t head = (uint32_t)(codec->root.count + 7) / 8, *starts;
    uint64_t total = 0;

    out->count = duckdb_data_chunk_get_size(chunk);
    starts = malloc((out->count + 1) * sizeof(*starts));
    if (!starts || reserve_rows(out, out->count)) {
        free(starts);
        return err_set(err, ERR_NOMEM, "rows of state");
    }
    measure(codec, chunk, out);
    for (idx_t row = 0; row < out->count; row++) {
        starts[row] = (uint32_t)total;
        total += out->at[row];
    }
    buf_clear(&out->bytes);
    if (total > UINT32_MAX || buf_reserve(&out->bytes, (size_t)total + 1)) {
        free(starts);
        return err_set(err, ERR_LIMIT, "2,048 rows are more than %u bytes of state", UINT32_MAX);
    }
    out->bytes.len = (size_t)total;
    for (idx_t row = 0; row < out->count; row++) {
        memset(out->bytes.ptr + starts[row], 0, head);
        out->at[row] = starts[row] + head;
    }
    for (size_t i = 0; i < codec->root.count; i++)
        write_column(&codec->root.children[i],
                     duckdb_data_chunk_get_vector(chunk, (idx_t)codec->which[i]), i, starts, out);
    memcpy(out->at, starts, out->count * sizeof(*starts));
    out->at[out->count] = (uint32_t)total;
    free(starts);
    return 0;
}
