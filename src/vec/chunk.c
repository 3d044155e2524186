/* chunk.c - columns, chunks and batches: the small owned lists that rows travel in. */
#include "vec/vec_int.h"

/* The C API has no copy of a logical type, but the child of a list type is one. */
duckdb_logical_type vec_type_copy(duckdb_logical_type type)
{
    duckdb_logical_type list = duckdb_create_list_type(type);
    duckdb_logical_type copy = list ? duckdb_list_type_child_type(list) : NULL;

    duckdb_destroy_logical_type(&list);
    return copy;
}

void vec_set_null(duckdb_vector vector, idx_t row)
{
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

idx_t vec_chunk_rows(void) { return duckdb_vector_size(); }

int vec_columns_add(struct vec_columns *columns, const char *name, duckdb_logical_type type)
{
    struct vec_column *list;
    char *copy = strdup(name);

    if (!copy || !type)
        goto fail;
    /* Grown in steps of eight: schemas are small, and the struct needs no capacity. */
    if (columns->count % 8 == 0) {
        list = realloc(columns->list, (columns->count + 8) * sizeof(*list));
        if (!list)
            goto fail;
        columns->list = list;
    }
    columns->list[columns->count++] = (struct vec_column){copy, type};
    return 0;

fail:
    free(copy);
    duckdb_destroy_logical_type(&type);
    return ERR_NOMEM;
}

int vec_columns_copy(struct vec_columns *out, const struct vec_columns *from)
{
    for (size_t i = 0; i < from->count; i++) {
        int rc = vec_columns_add(out, from->list[i].name, vec_type_copy(from->list[i].type));

        if (rc) {
            vec_columns_free(out);
            return rc;
        }
    }
    return 0;
}

void vec_columns_free(struct vec_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        free(columns->list[i].name);
        duckdb_destroy_logical_type(&columns->list[i].type);
    }
    free(columns->list);
    *columns = (struct vec_columns){0};
}

int vec_batch_add(struct vec_batch *batch, duckdb_data_chunk chunk)
{
    if (batch->count == batch->cap) {
        size_t cap = batch->cap ? batch->cap * 2 : 8;
        duckdb_data_chunk *chunks = realloc(batch->chunks, cap * sizeof(*chunks));

        if (!chunks)
            return ERR_NOMEM;
        batch->chunks = chunks;
        batch->cap = cap;
    }
    batch->chunks[batch->count++] = chunk;
    batch->rows += (int64_t)duckdb_data_chunk_get_size(chunk);
    return 0;
}

int vec_batch_move(struct vec_batch *to, struct vec_batch *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (vec_batch_add(to, from->chunks[i])) {
            memmove(from->chunks, from->chunks + i, (from->count - i) * sizeof(*from->chunks));
            from->count -= i;
            return ERR_NOMEM;
        }
    from->count = 0;
    from->rows = 0;
    return 0;
}

void vec_batch_clear(struct vec_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        duckdb_destroy_data_chunk(&batch->chunks[i]);
    batch->count = 0;
    batch->rows = 0;
}

void vec_batch_deinit(struct vec_batch *batch)
{
    vec_batch_clear(batch);
    free(batch->chunks);
    *batch = (struct vec_batch){0};
}

duckdb_data_chunk vec_chunk_new(const struct vec_columns *columns)
{
    duckdb_logical_type *types = calloc(columns->count + 1, sizeof(*types));
    duckdb_data_chunk chunk = NULL;

    if (!types)
        return NULL;
    for (size_t i = 0; i < columns->count; i++)
        types[i] = columns->list[i].type;
    chunk = duckdb_create_data_chunk(types, columns->count);
    free(types);
    return chunk;
}

void vec_chunk_refer(duckdb_data_chunk out, duckdb_data_chunk chunk)
{
    idx_t count = duckdb_data_chunk_get_column_count(out);

    assert(count == duckdb_data_chunk_get_column_count(chunk));
    for (idx_t i = 0; i < count; i++)
        duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, i),
                                       duckdb_data_chunk_get_vector(chunk, i));
    duckdb_data_chunk_set_size(out, duckdb_data_chunk_get_size(chunk));
}
