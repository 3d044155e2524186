/* rows_decode.c - rows of bytes into chunks again: one, or many column by column. */
#include "vec/rows_int.h"

/* ---- a row ---- */

static bool take(struct slice *rest, void *out, size_t len)
{
    if (rest->len < len)
        return false;
    memcpy(out, rest->ptr, len);
    *rest = slice_of(rest->ptr + len, rest->len - len);
    return true;
}

static int get_value(const struct field *field, struct slice *rest, duckdb_vector vector,
                     idx_t row);

static int get_or_null(const struct field *field, const uint8_t *nulls, size_t bit,
                       struct slice *rest, duckdb_vector vector, idx_t row)
{
    if (!(nulls[bit / 8] >> bit % 8 & 1))
        return get_value(field, rest, vector, row);
    vec_set_null(vector, row);
    for (size_t i = 0; field->kind == FIELD_STRUCT && i < field->count; i++)
        vec_set_null(duckdb_struct_vector_get_child(vector, (idx_t)i), row);
    return 0;
}

static int get_list(const struct field *field, struct slice *rest, duckdb_vector vector, idx_t row)
{
    idx_t at = duckdb_list_vector_get_size(vector);
    const uint8_t *nulls;
    duckdb_vector child;
    uint32_t len;
    int rc = 0;

    if (!take(rest, &len, sizeof(len)) || rest->len < ((size_t)len + 7) / 8)
        return ERR_CORRUPT;
    nulls = rest->ptr;
    *rest = slice_of(rest->ptr + ((size_t)len + 7) / 8, rest->len - ((size_t)len + 7) / 8);
    if (duckdb_list_vector_reserve(vector, at + len) == DuckDBError ||
        duckdb_list_vector_set_size(vector, at + len) == DuckDBError)
        return ERR_NOMEM;
    child = duckdb_list_vector_get_child(vector);
    for (uint32_t i = 0; i < len && !rc; i++)
        rc = get_or_null(field->children, nulls, i, rest, child, at + i);
    ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row] = (duckdb_list_entry){at, len};
    return rc;
}

static int get_value(const struct field *field, struct slice *rest, duckdb_vector vector, idx_t row)
{
    const uint8_t *nulls = rest->ptr;
    uint32_t len;
    int rc = 0;

    switch (field->kind) {
    case FIELD_TEXT:
        if (!take(rest, &len, sizeof(len)) || rest->len < len)
            return ERR_CORRUPT;
        duckdb_vector_assign_string_element_len(vector, row, (const char *)rest->ptr, len);
        *rest = slice_of(rest->ptr + len, rest->len - len);
        return 0;
    case FIELD_LIST:
        return get_list(field, rest, vector, row);
    case FIELD_STRUCT:
        if (rest->len < (field->count + 7) / 8)
            return ERR_CORRUPT;
        *rest = slice_of(rest->ptr + (field->count + 7) / 8, rest->len - (field->count + 7) / 8);
        for (size_t i = 0; i < field->count && !rc; i++)
            rc = get_or_null(&field->children[i], nulls, i, rest,
                             duckdb_struct_vector_get_child(vector, (idx_t)i), row);
        return rc;
    default:
        return take(rest, (uint8_t *)duckdb_vector_get_data(vector) + row * field->width,
                    field->width)
                   ? 0
                   : ERR_CORRUPT;
    }
}

int vec_row_decode(const struct vec_codec *codec, struct slice bytes, duckdb_data_chunk chunk,
                   idx_t first, idx_t row, struct err *err)
{
    const struct field *root = &codec->root;
    size_t head = (root->count + 7) / 8;
    struct slice rest = slice_of(bytes.ptr + head, bytes.len - head);
    int rc = bytes.len < head ? ERR_CORRUPT : 0;

    for (size_t i = 0; i < root->count && !rc; i++)
        rc = get_or_null(&root->children[i], bytes.ptr, i, &rest,
                         duckdb_data_chunk_get_vector(chunk, first + (idx_t)i), row);
    if (!rc && rest.len)
        rc = ERR_CORRUPT;
    return rc ? err_set(err, rc, "a row of state does not fit its columns") : 0;
}

/* ---- many rows ---- */

static int skip_value(const struct field *field, struct slice *rest);

static int skip(struct slice *rest, size_t len)
{
    if (rest->len < len)
        return ERR_CORRUPT;
    *rest = slice_of(rest->ptr + len, rest->len - len);
    return 0;
}

static int skip_children(const struct field *field, size_t count, bool same, struct slice *rest)
{
    const uint8_t *nulls = rest->ptr;
    int rc = skip(rest, (count + 7) / 8);

    for (size_t i = 0; i < count && !rc; i++)
        if (!(nulls[i / 8] >> i % 8 & 1))
            rc = skip_value(&field->children[same ? 0 : i], rest);
    return rc;
}

static int skip_value(const struct field *field, struct slice *rest)
{
    uint32_t len;

    switch (field->kind) {
    case FIELD_TEXT:
        return take(rest, &len, sizeof(len)) ? skip(rest, len) : ERR_CORRUPT;
    case FIELD_LIST:
        return take(rest, &len, sizeof(len)) ? skip_children(field, len, true, rest) : ERR_CORRUPT;
    case FIELD_STRUCT:
        return skip_children(field, field->count, false, rest);
    default:
        return skip(rest, field->width);
    }
}

int vec_row_first(const struct vec_codec *codec, struct slice bytes, struct slice *row)
{
    struct slice rest = bytes;
    int rc =
        bytes.len < (codec->root.count + 7) / 8 ? ERR_CORRUPT : skip_value(&codec->root, &rest);

    *row = slice_of(bytes.ptr, bytes.len - rest.len);
    return rc;
}

#define COPY_ALL(width_)                                                                           \
    for (idx_t i = 0; i < count; i++) {                                                            \
        if (is_null(&rows[i], bit))                                                                \
            continue;                                                                              \
        if (rests[i].len < (width_))                                                               \
            return ERR_CORRUPT;                                                                    \
        memcpy(data + (at + i) * (width_), rests[i].ptr, width_);                                  \
        rests[i] = slice_of(rests[i].ptr + (width_), rests[i].len - (width_));                     \
    }                                                                                              \
    return 0

static inline bool is_null(const struct slice *row, size_t bit)
{
    return !row->ptr || row->ptr[bit / 8] >> bit % 8 & 1;
}

static void set_nulls(const struct field *field, size_t bit, const struct slice *rows, idx_t count,
                      duckdb_vector vector, idx_t at)
{
    for (idx_t i = 0; i < count; i++) {
        if (!is_null(&rows[i], bit))
            continue;
        vec_set_null(vector, at + i);
        for (size_t c = 0; field->kind == FIELD_STRUCT && c < field->count; c++)
            vec_set_null(duckdb_struct_vector_get_child(vector, (idx_t)c), at + i);
        if (field->kind == FIELD_LIST)
            ((duckdb_list_entry *)duckdb_vector_get_data(vector))[at + i] =
                (duckdb_list_entry){duckdb_list_vector_get_size(vector), 0};
    }
}

/* A loop for each width: a copy of a length that the compiler knows is one instruction. */
static int get_column(const struct field *field, size_t bit, const struct slice *rows,
                      struct slice *rests, idx_t count, duckdb_vector vector, idx_t at)
{
    uint8_t *data = duckdb_vector_get_data(vector);

    if (field->kind <= FIELD_DOUBLE) {
        switch (field->width) {
        case 1:
            COPY_ALL(1);
        case 2:
            COPY_ALL(2);
        case 4:
            COPY_ALL(4);
        case 8:
            COPY_ALL(8);
        default:
            COPY_ALL(16);
        }
    }
    for (idx_t i = 0; i < count; i++)
        if (!is_null(&rows[i], bit) && get_value(field, &rests[i], vector, at + i))
            return ERR_CORRUPT;
    return 0;
}

static int skip_column(const struct field *field, size_t bit, const struct slice *rows,
                       struct slice *rests, idx_t count)
{
    for (idx_t i = 0; i < count; i++)
        if (!is_null(&rows[i], bit) && skip_value(field, &rests[i]))
            return ERR_CORRUPT;
    return 0;
}

int vec_rows_decode(const struct vec_codec *codec, const struct slice *rows, idx_t count,
                    duckdb_data_chunk chunk, const int *to, idx_t first, idx_t at, struct err *err)
{
    const struct field *root = &codec->root;
    size_t head = (root->count + 7) / 8, last = root->count;
    struct slice *rests = malloc((count + 1) * sizeof(*rests));
    int rc = rests ? 0 : ERR_NOMEM;

    while (to && last && to[last - 1] < 0)
        last--;
    for (idx_t i = 0; i < count && !rc; i++) {
        if (rows[i].ptr && rows[i].len < head)
            rc = ERR_CORRUPT;
        else if (rows[i].ptr)
            rests[i] = slice_of(rows[i].ptr + head, rows[i].len - head);
    }
    for (size_t c = 0; c < last && !rc; c++) {
        const struct field *field = &root->children[c];
        duckdb_vector vector;

        if (to && to[c] < 0) {
            rc = skip_column(field, c, rows, rests, count);
            continue;
        }
        vector = duckdb_data_chunk_get_vector(chunk, to ? (idx_t)to[c] : first + (idx_t)c);
        set_nulls(field, c, rows, count, vector, at);
        rc = get_column(field, c, rows, rests, count, vector, at);
    }
    free(rests);
    return rc ? err_set(err, rc, "rows of state do not fit their columns") : 0;
}
