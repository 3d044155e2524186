/* statistics.c - see statistics.h. */
#include "lake/statistics.h"

#include <math.h>

#include "lake/delete_int.h"
#include "lake/lake.h"
#include "lake/sketch.h"
#include "lake/writer_int.h"

#define BLOB_TYPE "apache-datasketches-theta-v1"

struct counting {
    struct lake *lake;
    struct vec_conn *conn;
    const struct lake_metadata *m;
    const struct lake_snapshot *snapshot;
    struct lake_plan plan;
    struct arena arena;
    struct buf scan; /* SQL of the snapshot's rows */
    struct puffin puffin;
    json_t *blobs; /* as the metadata lists them */
    struct err *err;
};

static int nomem(struct counting *c)
{
    return err_set(c->err, ERR_NOMEM, "statistics");
}

static int add_chunk(struct counting *c, const struct lake_type *type, duckdb_data_chunk chunk,
                     struct sketch *sketch)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    struct arena arena = {0};
    int rc = 0;

    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk) && !rc; row++) {
        struct lake_value value;
        uint8_t space[16];
        struct slice bytes;

        writer_value_at(type, vector, row, space, &value);
        if (value.null)
            continue;
        rc = lake_value_encode(type, &value, &arena, &bytes) ? nomem(c) : 0;
        if (!rc)
            sketch_add(sketch, bytes);
    }
    arena_deinit(&arena);
    return rc;
}

/* "a"."b" for a.b: a column or a part of a struct. */
static int count_column(struct counting *c, const struct lake_type *type, const char *expr,
                        struct sketch *sketch)
{
    struct vec_result *result = NULL;
    struct buf sql = {0};
    duckdb_data_chunk chunk;
    int rc = buf_printf(&sql, "SELECT DISTINCT %s FROM ", expr);

    rc = rc ? rc : buf_append_slice(&sql, buf_slice(&c->scan));
    rc = rc || !buf_cstr(&sql) ? nomem(c) : vec_query(c->conn, buf_cstr(&sql), &result, c->err);
    while (!rc) {
        rc = vec_result_next(result, &chunk, c->err);
        if (rc || !chunk)
            break;
        rc = add_chunk(c, type, chunk, sketch);
    }
    vec_result_free(result);
    buf_deinit(&sql);
    return rc;
}

static int put_blob(struct counting *c, int32_t field_id, const struct sketch *sketch)
{
    int64_t at, len;
    char ndv[32];
    json_t *blob, *listed;
    int rc = c->puffin.bytes.len ? 0 : buf_append_str(&c->puffin.bytes, "PFA1");

    if (!c->puffin.blobs)
        c->puffin.blobs = json_array();
    at = (int64_t)c->puffin.bytes.len;
    rc = rc ? rc : sketch_print(sketch, &c->puffin.bytes);
    len = (int64_t)c->puffin.bytes.len - at;
    snprintf(ndv, sizeof(ndv), "%.0f", round(sketch_estimate(sketch)));
    listed = json_pack("{s:s, s:I, s:I, s:[i], s:{s:s}}", "type", BLOB_TYPE, "snapshot-id",
                       (json_int_t)c->snapshot->id, "sequence-number",
                       (json_int_t)c->snapshot->sequence_number, "fields", (int)field_id,
                       "properties", "ndv", ndv);
    blob = json_copy(listed);
    if (rc || !json_put(blob, "offset", json_integer(at)) ||
        !json_put(blob, "length", json_integer(len)) ||
        json_array_append_new(c->puffin.blobs, blob) || json_array_append_new(c->blobs, listed))
        return nomem(c);
    return 0;
}

static int count_field(struct counting *c, const struct lake_field *field, const char *expr)
{
    struct sketch sketch;
    int rc;

    if (!lake_type_primitive(&field->type)) {
        for (size_t i = 0; field->type.kind == LAKE_STRUCT && i < field->type.field_count; i++) {
            struct buf part = {0};

            rc = buf_printf(&part, "(%s).", expr);
            rc = rc ? rc : lake_sql_name(&part, field->type.fields[i].name);
            rc = rc || !buf_cstr(&part) ? nomem(c)
                                        : count_field(c, &field->type.fields[i], buf_cstr(&part));
            buf_deinit(&part);
            if (rc)
                return rc;
        }
        return 0;
    }
    if (field->type.kind == LAKE_UNKNOWN)
        return 0;
    rc = sketch_init(&sketch) ? nomem(c) : count_column(c, &field->type, expr, &sketch);
    rc = rc ? rc : put_blob(c, field->id, &sketch);
    sketch_deinit(&sketch);
    return rc;
}

static int count_columns(struct counting *c, const char *const *columns, size_t count)
{
    const struct lake_type *root = &lake_metadata_schema(c->m)->root;
    int rc = 0;

    for (size_t i = 0; i < root->field_count && !rc; i++) {
        struct buf name = {0};
        bool wanted = !columns;

        for (size_t k = 0; k < count; k++)
            wanted |= !strcmp(columns[k], root->fields[i].name);
        if (wanted && (lake_sql_name(&name, root->fields[i].name) || !buf_cstr(&name)))
            rc = nomem(c);
        else if (wanted)
            rc = count_field(c, &root->fields[i], buf_cstr(&name));
        buf_deinit(&name);
    }
    return rc;
}

/* The file, and the update that names it. */
static int write_file(struct counting *c, json_t **update)
{
    const char *dir = lake_metadata_property(c->m, "write.metadata.path"), *path;
    size_t footer;
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    path = arena_printf(&c->arena, "%s%s/%" PRId64 "-%s.stats", dir ? dir : c->m->location,
                        dir ? "" : "/metadata", c->snapshot->id, uuid);
    footer = c->puffin.bytes.len;
    rc = path && c->puffin.blobs ? puffin_end(&c->puffin, c->err) : nomem(c);
    rc = rc ? rc : store_put_at(lake_store(c->lake), path, buf_slice(&c->puffin.bytes), c->err);
    if (rc)
        return rc;
    *update = json_pack("{s:s, s:I, s:{s:I, s:s, s:I, s:I, s:O}}", "action", "set-statistics",
                        "snapshot-id", (json_int_t)c->snapshot->id, "statistics", "snapshot-id",
                        (json_int_t)c->snapshot->id, "statistics-path", path, "file-size-in-bytes",
                        (json_int_t)c->puffin.bytes.len, "file-footer-size-in-bytes",
                        (json_int_t)(c->puffin.bytes.len - footer), "blob-metadata", c->blobs);
    return *update ? 0 : nomem(c);
}

static int check_columns(struct counting *c, const char *const *columns, size_t count)
{
    if (!c->snapshot)
        return err_set(c->err, ERR_INVALID,
                       "the table has no snapshot yet: there is nothing to "
                       "count");
    for (size_t i = 0; i < count; i++)
        if (!lake_schema_by_name(lake_metadata_schema(c->m), columns[i]))
            return err_set(c->err, ERR_INVALID, "there is no column `%s`", columns[i]);
    return 0;
}

int lake_statistics_wait(struct lake *lake, struct vec_conn *conn, const struct lake_metadata *m,
                         const char *const *columns, size_t column_count, json_t **update,
                         struct err *err)
{
    struct counting c = {.lake = lake,
                         .conn = conn,
                         .m = m,
                         .snapshot = lake_metadata_snapshot(m),
                         .blobs = json_array(),
                         .err = err};
    int rc = c.blobs ? check_columns(&c, columns, column_count) : nomem(&c);

    *update = NULL;
    if (!rc)
        rc = lake_plan_borrowed(lake, m, -1, NULL, NULL, 0, &c.arena, &c.plan, err);
    rc = rc ? rc : lake_scan_sql(lake, conn, &c.plan, NULL, 0, &c.arena, &c.scan, err);
    rc = rc ? rc : count_columns(&c, columns, column_count);
    rc = rc ? rc : write_file(&c, update);
    lake_plan_release(lake, &c.plan);
    puffin_deinit(&c.puffin);
    buf_deinit(&c.scan);
    json_decref(c.blobs);
    arena_deinit(&c.arena);
    return rc;
}
