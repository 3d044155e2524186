/* partition_statistics.c - what each partition holds, as a file beside the table. See statistics.h.
 *
 * The rows are those of the metadata table "partitions" but for names and ids, and one for each
 * spec that wrote into a partition; DuckDB sorts and writes them. Iceberg spec, "Partition
 * Statistics File".
 */
#include "lake/inspect_int.h"
#include "lake/statistics.h"

struct summing {
    struct lake *lake;
    struct vec_conn *conn;
    const struct lake_metadata *m;
    const struct lake_snapshot *snapshot;
    struct lake_schema schema;
    struct arena arena;
    const char *local, *location;
    int64_t bytes;
    struct err *err;
};

static int nomem(struct summing *s)
{
    return err_set(s->err, ERR_NOMEM, "partition statistics");
}

static int name_file(struct summing *s)
{
    const char *dir = lake_metadata_property(s->m, "write.metadata.path");
    char uuid[37];

    uuid_v4(uuid);
    s->location =
        arena_printf(&s->arena, "%s%s/partition-stats-%" PRId64 "-%s.parquet",
                     dir ? dir : s->m->location, dir ? "" : "/metadata", s->snapshot->id, uuid);
    s->local = arena_printf(&s->arena, "%s/%s.parquet", lake_store(s->lake)->staging, uuid);
    return s->location && s->local ? 0 : nomem(s);
}

/* COPY (SELECT ... ORDER BY each field of the partition, as the specification wants the rows. */
static int copy_sql(struct summing *s, struct slice rows, struct slice ids, struct buf *sql)
{
    const struct lake_type *partition = &s->schema.root.fields[0].type;
    struct out o = {sql, 0};

    out_str(&o, "COPY (SELECT * FROM ");
    o.rc = o.rc ? o.rc : buf_append_slice(sql, rows);
    out_str(&o, " ORDER BY ");
    for (size_t i = 0; i < partition->field_count; i++) {
        out_str(&o, "partition.");
        out_name(&o, partition->fields[i].name);
        out_str(&o, " NULLS FIRST, ");
    }
    out_str(&o, "spec_id) TO ");
    out_text(&o, s->local);
    out_str(&o, " (FORMAT parquet, CODEC 'zstd', FIELD_IDS ");
    o.rc = o.rc ? o.rc : buf_append_slice(sql, ids);
    out_str(&o, ")");
    return o.rc || !buf_cstr(sql) ? nomem(s) : 0;
}

static int run_copy(struct summing *s, const char *sql)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    int rc = vec_query(s->conn, sql, &result, s->err);

    while (!rc) {
        rc = vec_result_next(result, &chunk, s->err);
        if (!chunk)
            break;
    }
    vec_result_free(result);
    return rc ? rc
              : store_put_file_at(lake_store(s->lake), s->location, s->local, &s->bytes, s->err);
}

static int write_file(struct summing *s)
{
    struct lake_inspect of = {LAKE_INSPECT_STATISTICS, s->m, NULL, s->snapshot->id};
    struct buf rows = {0}, ids = {0}, sql = {0};
    struct lake_plan plan = {0};
    int rc = lake_inspect_schema(&of, &s->arena, &s->schema, s->err);

    rc = rc ? rc : lake_inspect_sql(s->lake, &of, &s->arena, &plan, &rows, s->err);
    rc = rc ? rc : lake_duckdb_field_ids(&s->schema, &ids, s->err);
    rc = rc ? rc : name_file(s);
    rc = rc ? rc : copy_sql(s, buf_slice(&rows), buf_slice(&ids), &sql);
    rc = rc ? rc : run_copy(s, buf_cstr(&sql));
    lake_plan_release(s->lake, &plan);
    buf_deinit(&rows);
    buf_deinit(&ids);
    buf_deinit(&sql);
    return rc;
}

static bool is_partitioned(const struct lake_metadata *m)
{
    for (size_t i = 0; i < m->spec_count; i++)
        for (size_t k = 0; k < m->specs[i].field_count; k++)
            if (m->specs[i].fields[k].transform.kind != LAKE_VOID)
                return true;
    return false;
}

int lake_partition_statistics_wait(struct lake *lake, struct vec_conn *conn,
                                   const struct lake_metadata *m, json_t **update, struct err *err)
{
    struct summing s = {
        .lake = lake, .conn = conn, .m = m, .snapshot = lake_metadata_snapshot(m), .err = err};
    int rc;

    *update = NULL;
    if (!s.snapshot || !is_partitioned(m))
        return 0;
    rc = write_file(&s);
    if (!rc) {
        *update =
            json_pack("{s:s, s:{s:I, s:s, s:I}}", "action", "set-partition-statistics",
                      "partition-statistics", "snapshot-id", (json_int_t)s.snapshot->id,
                      "statistics-path", s.location, "file-size-in-bytes", (json_int_t)s.bytes);
        rc = *update ? 0 : nomem(&s);
    }
    arena_deinit(&s.arena);
    return rc;
}

/* ---- reading ---- */

/* The file of the current snapshot, or of the newest one before it that has one. */
static const char *find_file(const struct lake_metadata *m, int64_t *snapshot_id)
{
    const json_t *list = json_object_get(m->doc, "partition-statistics"), *item;
    const struct lake_snapshot *at = lake_metadata_snapshot(m);
    size_t i;

    for (size_t steps = 0; at && steps <= m->snapshot_count; steps++) {
        json_array_foreach((json_t *)list, i, item)
        {
            if (json_integer_value(json_object_get(item, "snapshot-id")) == at->id) {
                *snapshot_id = at->id;
                return json_string_value(json_object_get(item, "statistics-path"));
            }
        }
        at = at->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(m, at->parent_id);
    }
    return NULL;
}

static int64_t number_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    return ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column)))[row];
}

static int take_lines(struct vec_conn *conn, const char *sql, struct arena *arena,
                      struct lake_partition_statistics *out, struct err *err)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    int rc = vec_query(conn, sql, &result, err);

    while (!rc && !(rc = vec_result_next(result, &chunk, err)) && chunk) {
        duckdb_string_t *texts = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

        for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk) && !rc; row++) {
            struct lake_partition_line *line = &out->lines[out->line_count++];
            struct slice text =
                slice_of(duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row]));

            *line = (struct lake_partition_line){arena_cstr(arena, text), number_at(chunk, 1, row),
                                                 number_at(chunk, 2, row), number_at(chunk, 3, row),
                                                 number_at(chunk, 4, row)};
            out->count = number_at(chunk, 5, row);
            if (!line->partition)
                rc = err_set(err, ERR_NOMEM, "partition statistics");
        }
    }
    vec_result_free(result);
    return rc;
}

/* One SELECT; what a file lacks of the optional columns counts as nothing. */
static int read_file(struct vec_conn *conn, const char *local, size_t limit, struct arena *arena,
                     struct lake_partition_statistics *out, struct err *err)
{
    struct buf sql = {0};
    struct out o = {&sql, 0};
    int rc;

    out_str(&o, "SELECT partition::VARCHAR, coalesce(data_record_count, 0)::BIGINT, "
                "coalesce(data_file_count, 0)::BIGINT, "
                "coalesce(total_data_file_size_in_bytes, 0)::BIGINT, "
                "(coalesce(position_delete_record_count, 0) + "
                "coalesce(equality_delete_record_count, 0))::BIGINT, count(*) OVER ()::BIGINT "
                "FROM (SELECT NULL AS position_delete_record_count, "
                "NULL AS equality_delete_record_count WHERE false UNION ALL BY NAME "
                "SELECT * FROM read_parquet(");
    out_text(&o, local);
    out_fmt(&o, ")) WHERE partition IS NOT NULL LIMIT %zu", limit);
    rc = o.rc || !buf_cstr(&sql) ? err_set(err, ERR_NOMEM, "partition statistics")
                                 : take_lines(conn, buf_cstr(&sql), arena, out, err);
    buf_deinit(&sql);
    return rc;
}

int lake_partition_statistics_read(struct lake *lake, struct vec_conn *conn,
                                   const struct lake_metadata *m, size_t limit, struct arena *arena,
                                   struct lake_partition_statistics *out, struct err *err)
{
    struct store *store = lake_store(lake);
    const char *location, *bucket, *key, *local;
    int rc;

    *out = (struct lake_partition_statistics){.snapshot_id = -1};
    location = find_file(m, &out->snapshot_id);
    if (!location)
        return 0;
    out->lines = ARENA_ARRAY(arena, struct lake_partition_line, limit + 1);
    rc = out->lines ? store_split(location, arena, &bucket, &key, err)
                    : err_set(err, ERR_NOMEM, "partition statistics");
    rc = rc ? rc : store->ops->local(store, bucket, key, arena, &local, err);
    if (!rc) {
        rc = read_file(conn, local, limit, arena, out, err);
        store->ops->local_release(store, local);
    }
    return rc ? err_wrap(err, rc, "partition statistics %s", location) : 0;
}
