/* writer_partition.c - the partition of a row: values out of vectors, transformed, looked up. */
#include "base/codec.h"
#include "lake/writer_int.h"

#define PATH_VALUE_MAX 200 /* bytes of a partition value in a path */

bool writer_row_valid(duckdb_vector vector, idx_t row)
{
    uint64_t *valid = duckdb_vector_get_validity(vector);

    return !valid || duckdb_validity_row_is_valid(valid, row);
}

static __int128 decimal_at(duckdb_vector vector, idx_t row, int32_t precision)
{
    void *data = duckdb_vector_get_data(vector);

    if (precision <= 4)
        return ((int16_t *)data)[row];
    if (precision <= 9)
        return ((int32_t *)data)[row];
    if (precision <= 18)
        return ((int64_t *)data)[row];
    return ((__int128)((duckdb_hugeint *)data)[row].upper << 64) |
           ((duckdb_hugeint *)data)[row].lower;
}

/* Bytes are borrowed from the vector; a uuid lands in `space`. */
void writer_value_at(const struct lake_type *type, duckdb_vector vector, idx_t row,
                     uint8_t space[16], struct lake_value *out)
{
    void *data = duckdb_vector_get_data(vector);

    *out = (struct lake_value){.null = !writer_row_valid(vector, row)};
    if (out->null)
        return;
    switch (type->kind) {
    case LAKE_BOOLEAN:
        out->i = ((bool *)data)[row];
        break;
    case LAKE_INT:
    case LAKE_DATE:
    case LAKE_UNKNOWN:
        out->i = ((int32_t *)data)[row];
        break;
    case LAKE_FLOAT:
        out->d = ((float *)data)[row];
        break;
    case LAKE_DOUBLE:
        out->d = ((double *)data)[row];
        break;
    case LAKE_DECIMAL:
        out->dec = decimal_at(vector, row, type->precision);
        break;
    case LAKE_STRING:
    case LAKE_BINARY:
    case LAKE_FIXED:
        out->bytes = slice_of(duckdb_string_t_data(&((duckdb_string_t *)data)[row]),
                              duckdb_string_t_length(((duckdb_string_t *)data)[row]));
        break;
    case LAKE_UUID: { /* DuckDB keeps it as a number whose top bit is flipped, to sort rightly */
        duckdb_hugeint number = ((duckdb_hugeint *)data)[row];
        uint64_t high = (uint64_t)number.upper ^ ((uint64_t)1 << 63);

        for (int i = 0; i < 8; i++) {
            space[i] = (uint8_t)(high >> (56 - 8 * i));
            space[8 + i] = (uint8_t)(number.lower >> (56 - 8 * i));
        }
        out->bytes = slice_of(space, 16);
        break;
    }
    default:
        out->i = ((int64_t *)data)[row];
    }
}

static void source_value(const struct source_path *source, duckdb_data_chunk chunk, idx_t row,
                         uint8_t space[16], struct lake_value *out)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, source->steps[0]);

    for (size_t i = 1; i < source->count; i++) {
        if (!writer_row_valid(vector, row)) {
            *out = (struct lake_value){.null = true};
            return;
        }
        vector = duckdb_struct_vector_get_child(vector, source->steps[i]);
    }
    writer_value_at(source->type, vector, row, space, out);
}

static uint64_t hash_values(const struct lake_writer *w, const struct lake_value *values)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < w->spec->field_count; i++) {
        const struct lake_value *v = &values[i];
        double real = v->d == 0 ? 0 : v->d; /* -0 and 0 are one partition */

        hash = hash64(&v->null, sizeof(v->null), hash);
        hash = hash64(&v->i, sizeof(v->i), hash);
        if (v->d == v->d)
            hash = hash64(&real, sizeof(real), hash);
        hash = hash64(&v->dec, sizeof(v->dec), hash);
        hash = v->bytes.len ? hash64(v->bytes.ptr, v->bytes.len, hash) : hash;
    }
    return hash;
}

static bool same_values(const struct lake_writer *w, const struct lake_value *a,
                        const struct lake_value *b)
{
    for (size_t i = 0; i < w->spec->field_count; i++)
        if (lake_value_cmp(&w->part_types[i], &a[i], &b[i]) != 0)
            return false;
    return true;
}

static int put_escaped(struct buf *out, struct slice text)
{
    int rc = 0;

    for (size_t i = 0; i < text.len && !rc; i++) {
        uint8_t c = text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.';

        rc = plain ? buf_append_u8(out, c) : buf_printf(out, "%%%02X", c);
    }
    return rc;
}

/* day=2024-01-01/name=a%20b. A value too long for a path is left out: paths are only for people. */
int writer_partition_path(struct lake_writer *w, const struct lake_value *values, char **out,
                          struct err *err)
{
    struct buf path = {0}, text = {0};
    int rc = 0;

    for (size_t i = 0; i < w->spec->field_count && !rc; i++) {
        buf_clear(&text);
        rc = lake_transform_human(&w->spec->fields[i].transform, &w->part_types[i], &values[i],
                                  &text);
        if (!rc && text.len > PATH_VALUE_MAX)
            text.len = PATH_VALUE_MAX;
        rc = rc ? rc : path.len ? buf_append_str(&path, "/") : 0;
        rc = rc ? rc : put_escaped(&path, slice_str(w->spec->fields[i].name));
        rc = rc ? rc : buf_append_str(&path, "=");
        rc = rc ? rc : put_escaped(&path, buf_slice(&text));
    }
    if (path.len > 600)
        path.len = 0;
    *out = rc ? NULL : arena_cstr(&w->part_arena, buf_slice(&path));
    buf_deinit(&path);
    buf_deinit(&text);
    return *out ? 0 : writer_nomem(err);
}

int writer_find_part(struct lake_writer *w, const struct lake_value *values, struct part **out,
                     struct err *err)
{
    uint64_t hash = hash_values(w, values);
    struct part **at = &w->parts[hash % COUNT_OF(w->parts)], *part;

    for (part = *at; part; part = part->next)
        if (part->hash == hash && same_values(w, part->values, values)) {
            *out = part;
            return 0;
        }
    part = ARENA_NEW(&w->part_arena, struct part);
    if (!part)
        return writer_nomem(err);
    part->values = ARENA_ARRAY(&w->part_arena, struct lake_value, w->spec->field_count + 1);
    if (!part->values)
        return writer_nomem(err);
    for (size_t i = 0; i < w->spec->field_count; i++) {
        part->values[i] = values[i];
        if (values[i].bytes.len) {
            part->values[i].bytes = arena_slice(&w->part_arena, values[i].bytes);
            if (!part->values[i].bytes.ptr)
                return writer_nomem(err);
        }
    }
    if (writer_partition_path(w, part->values, &part->key, err))
        return ERR_NOMEM;
    part->hash = hash;
    part->next = *at;
    *at = part;
    w->part_count++;
    *out = part;
    return 0;
}

int writer_row_part(struct lake_writer *w, duckdb_data_chunk chunk, idx_t row,
                    struct lake_value *values, struct part **out, struct err *err)
{
    uint8_t space[16][16]; /* uuids under identity transforms, one per field */
    uint8_t extra[16];

    for (size_t i = 0; i < w->spec->field_count; i++) {
        const struct lake_partition_field *f = &w->spec->fields[i];
        struct lake_value in = {.null = true};

        if (f->transform.kind != LAKE_VOID)
            source_value(&w->sources[i], chunk, row, i < 16 ? space[i] : extra, &in);
        if (lake_transform_apply(&f->transform, w->sources[i].type, &in, &values[i]))
            return err_set(err, ERR_UNSUPPORTED, "partition field %s", f->name);
        if (values[i].d == 0)
            values[i].d = 0; /* of -0.0 too: readers that ask for 0 compare bit by bit */
    }
    /* Rows come in runs: the partition of the row before is the likely one. */
    if (*out && same_values(w, (*out)->values, values))
        return 0;
    return writer_find_part(w, values, out, err);
}
