/* footer.c - the schema in a Parquet file's footer, as DuckDB's parquet_schema tells it.
 *
 * parquet_schema gives the tree flattened, parents before children. Lists have a repeated level in
 * between, maps a key_value level; both disappear here, so that the tree has Iceberg's shape.
 */
#include "lake/lake_int.h"

struct flat {
    const char *name, *text; /* text: all that tells types apart, for the signature */
    int64_t kids;            /* -1: a leaf */
    int32_t field_id;
    bool repeated;
    enum lake_kind kind; /* LIST and MAP by annotation; else STRUCT or UNKNOWN (a leaf) */
};

void footer_free(struct footer *footer)
{
    if (!footer || __atomic_sub_fetch(&footer->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_deinit(&footer->arena);
    free(footer);
}

static struct slice text_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    duckdb_string_t *data = duckdb_vector_get_data(vector);

    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return (struct slice){0};
    return slice_of(duckdb_string_t_data(&data[row]), duckdb_string_t_length(data[row]));
}

static int64_t number_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);

    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return -1;
    return ((int64_t *)duckdb_vector_get_data(vector))[row];
}

static int flat_row(duckdb_data_chunk chunk, idx_t row, struct arena *arena, struct flat *out)
{
    struct slice converted = text_at(chunk, 2, row), logical = text_at(chunk, 3, row);

    out->name = arena_cstr(arena, text_at(chunk, 0, row));
    out->text = arena_cstr(arena, text_at(chunk, 1, row));
    out->kids = number_at(chunk, 4, row);
    out->field_id = (int32_t)number_at(chunk, 5, row);
    out->repeated = slice_is(text_at(chunk, 6, row), "REPEATED");
    out->kind = slice_is(converted, "LIST") || slice_starts(logical, SLICE_LIT("ListType"))
                    ? LAKE_LIST
                : slice_is(converted, "MAP") || slice_is(converted, "MAP_KEY_VALUE") ||
                        slice_starts(logical, SLICE_LIT("MapType"))
                    ? LAKE_MAP
                : out->kids > 0 ? LAKE_STRUCT
                                : LAKE_UNKNOWN;
    return out->name && out->text ? 0 : ERR_NOMEM;
}

static int read_flat(struct vec_conn *conn, const char *path, struct arena *arena,
                     struct flat **out, size_t *count, struct err *err)
{
    struct buf sql = {0};
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk;
    size_t cap = 0;
    int rc = buf_append_str(
        &sql,
        "SELECT name, concat_ws(' ', type, type_length, converted_type, scale, \"precision\", "
        "logical_type, repetition_type), converted_type::VARCHAR, logical_type::VARCHAR, "
        "num_children::BIGINT, field_id::BIGINT, repetition_type::VARCHAR "
        "FROM parquet_schema(");

    rc = rc ? rc : lake_sql_text(&sql, path);
    rc = rc ? rc : buf_append_str(&sql, ")");
    if (rc || !buf_cstr(&sql))
        rc = err_set(err, ERR_NOMEM, "footer");
    rc = rc ? rc : vec_query(conn, (const char *)sql.ptr, &result, err);
    while (!rc && !(rc = vec_result_next(result, &chunk, err)) && chunk) {
        idx_t rows = duckdb_data_chunk_get_size(chunk);

        if (*count + rows > cap) {
            struct flat *more;

            cap = (*count + rows) * 2;
            more = ARENA_ARRAY(arena, struct flat, cap);
            if (!more) {
                rc = err_set(err, ERR_NOMEM, "footer");
                break;
            }
            if (*count)
                memcpy(more, *out, *count * sizeof(*more));
            *out = more;
        }
        for (idx_t i = 0; i < rows && !rc; i++, ++*count)
            if (flat_row(chunk, i, arena, &(*out)[*count]))
                rc = err_set(err, ERR_NOMEM, "footer");
    }
    vec_result_free(result);
    buf_deinit(&sql);
    return rc;
}

struct builder {
    const struct flat *flat;
    size_t count, at;
    struct arena *arena;
};

static int build(struct builder *b, int depth, struct footer_node *out);

static int build_kids(struct builder *b, int64_t count, int depth, struct footer_node *out)
{
    if (count < 0 || (size_t)count > b->count - b->at)
        return ERR_CORRUPT;
    out->kids = ARENA_ARRAY(b->arena, struct footer_node, (size_t)count + 1);
    if (!out->kids)
        return ERR_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        int rc = build(b, depth + 1, &out->kids[i]);

        if (rc)
            return rc;
        out->kid_count++;
    }
    return 0;
}

/* The level between a list and its elements: gone when it has one child and is not one of the
 * old two-level forms (Parquet format, "Backward-compatibility rules"). */
static bool is_between(const struct footer_node *list, const struct footer_node *kid)
{
    char tuple[256];

    snprintf(tuple, sizeof(tuple), "%.200s_tuple", list->name);
    return kid->repeated && kid->kind == LAKE_STRUCT && kid->kid_count == 1 &&
           strcmp(kid->name, "array") != 0 && strcmp(kid->name, tuple) != 0;
}

static int build(struct builder *b, int depth, struct footer_node *out)
{
    const struct flat *flat;
    int rc;

    if (b->at >= b->count || depth > LAKE_SCHEMA_DEPTH_MAX * 2)
        return ERR_CORRUPT;
    flat = &b->flat[b->at++];
    *out = (struct footer_node){.name = flat->name,
                                .field_id = flat->field_id,
                                .repeated = flat->repeated,
                                .kind = flat->kind};
    if (flat->kids <= 0)
        return 0;
    rc = build_kids(b, flat->kids, depth, out);
    if (rc || out->kid_count != 1 || (out->kind != LAKE_LIST && out->kind != LAKE_MAP))
        return rc;
    if (out->kind == LAKE_LIST && is_between(out, &out->kids[0])) {
        out->kids = out->kids[0].kids;
    } else if (out->kind == LAKE_MAP && out->kids[0].kid_count == 2) {
        out->kid_count = 2;
        out->kids = out->kids[0].kids;
    }
    return 0;
}

static int make_footer(struct vec_conn *conn, const char *path, struct footer *footer,
                       struct err *err)
{
    struct flat *flat = NULL;
    struct buf signature = {0};
    size_t count = 0;
    int rc = read_flat(conn, path, &footer->arena, &flat, &count, err);

    if (!rc) {
        struct builder b = {flat, count, 0, &footer->arena};

        rc = build(&b, 0, &footer->root);
        if (!rc && b.at != count)
            rc = ERR_CORRUPT;
        if (rc)
            return err_set(err, rc, "the footer's schema");
    }
    for (size_t i = 1; i < count && !rc; i++) { /* the root's name differs by writer */
        if (flat[i].field_id == LAKE_ROW_ID || flat[i].field_id == LAKE_LAST_UPDATED_ID)
            footer->lineage = true;
        else
            rc = buf_printf(&signature, "%s:%" PRId32 ":%" PRId64 ":%s;", flat[i].name,
                            flat[i].field_id, flat[i].kids, flat[i].text);
    }
    footer->signature = rc ? NULL : arena_cstr(&footer->arena, buf_slice(&signature));
    buf_deinit(&signature);
    if (rc || footer->signature)
        return rc;
    return err_set(err, ERR_NOMEM, "footer");
}

int footers_load(struct lake *lake, struct vec_conn *conn, const char *const *locations,
                 const char *const *paths, size_t count, struct footer **out, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc;

        out[i] = cache_get(lake, CACHED_FOOTER, locations[i]);
        if (out[i])
            continue;
        out[i] = calloc(1, sizeof(**out));
        if (!out[i])
            return err_set(err, ERR_NOMEM, "footer");
        out[i]->refs = 1;
        rc = make_footer(conn, paths[i], out[i], err);
        if (rc)
            return err_wrap(err, rc, "%s", locations[i]);
        cache_put(lake, CACHED_FOOTER, locations[i], out[i], arena_bytes(&out[i]->arena));
    }
    return 0;
}
