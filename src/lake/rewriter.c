/* rewriter.c - merging data files through DuckDB: read by field id, written by the writer.
 *
 * The scan's result is the feed of the copy, chunk by chunk, so memory stays at a few chunks per
 * row group whatever the size of the files.
 */
#include "lake/maintain_int.h"

struct source {
    struct vec_result *result;
};

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct source *source = arg;
    duckdb_data_chunk chunk;
    int rc = vec_result_next(source->result, &chunk, err);

    if (rc)
        return rc;
    if (chunk)
        vec_chunk_refer(out, chunk);
    else
        duckdb_data_chunk_set_size(out, 0);
    return 0;
}

/* A plan of just the merge's files and their deletes. */
static void plan_merge(const struct lake_metadata *m, const struct lake_merge *merge,
                       struct lake_plan *out)
{
    memset(out, 0, sizeof(*out));
    out->snapshot_id = merge->snapshot_id;
    out->metadata = m;
    out->schema = lake_metadata_schema(m);
    out->files = merge->scans;
    out->file_count = merge->file_count;
    out->deletes = merge->deletes;
    out->delete_count = merge->delete_count;
}

static int write_file(struct lake *lake, struct vec_db *db, struct lake_metadata *m,
                      const struct lake_merge *merge, struct vec_result *result,
                      struct arena *arena, struct lake_data_file *out, struct err *err)
{
    struct source source = {result};
    struct vec_feed feed = {vec_result_columns(result), pull, &source};
    struct vec_conn *conn = NULL;
    int rc = vec_conn_new(&conn, db, err);

    rc = rc ? rc
            : writer_one_file(lake, db, m, conn, &feed, merge->files[0].file.partition, arena, out,
                              err);
    vec_conn_free(conn);
    return rc;
}

/* A row lost or doubled is a fault of ours: the rewrite is given up. Deletes by equality, and
 * position delete files that may name a row twice, only say how many rows there are at most. */
static int check_rows(struct lake *lake, const struct lake_merge *merge,
                      const struct lake_data_file *file, struct err *err)
{
    int64_t most = merge->rows, rows = file->path ? file->record_count : 0;

    if (merge->deletes_counted)
        most -= merge->deleted_rows;
    if (rows <= most && (rows == most || !merge->deletes_counted))
        return 0;
    if (file->path)
        lake_remove_files(lake, (const char *const *)&file->path, 1);
    return err_set(err, ERR_INTERNAL,
                   "merging %zu files gave %" PRId64 " rows, expected were %s%" PRId64,
                   merge->file_count, rows, merge->deletes_counted ? "" : "at most ", most);
}

static int run(void *arg, struct lake *lake, const struct lake_metadata *metadata,
               const struct lake_merge *merge, struct arena *arena, struct lake_data_file **files,
               size_t *count, struct err *err)
{
    struct vec_db *db = arg;
    struct lake_metadata *m = (struct lake_metadata *)metadata; /* only its count changes */
    struct vec_conn *conn = NULL;
    struct vec_result *result = NULL;
    struct lake_plan plan;
    struct buf sql = {0};
    bool sorted = lake_sort_usable(metadata);
    int rc = 0;

    plan_merge(metadata, merge, &plan);
    *count = 0;
    *files = ARENA_NEW(arena, struct lake_data_file);
    if (!*files)
        rc = err_set(err, ERR_NOMEM, "merging");
    rc = rc ? rc : vec_conn_new(&conn, db, err);
    rc = rc ? rc : buf_append_str(&sql, "FROM ");
    rc = rc ? rc : lake_scan_sql(lake, conn, &plan, NULL, 0, arena, &sql, err);
    if (!rc && sorted)
        rc = lake_sort_sql(metadata, &sql, err);
    if (!rc && !buf_cstr(&sql))
        rc = err_set(err, ERR_NOMEM, "merging");
    rc = rc ? rc : vec_query(conn, (const char *)sql.ptr, &result, err);
    rc = rc ? rc : write_file(lake, db, m, merge, result, arena, *files, err);
    rc = rc ? rc : check_rows(lake, merge, *files, err);
    if (!rc && sorted)
        (*files)->sort_order_id = metadata->default_order_id;
    *count = !rc && (*files)->path;
    vec_result_free(result);
    vec_conn_free(conn);
    lake_plan_release(lake, &plan);
    buf_deinit(&sql);
    return rc;
}

struct lake_rewriter lake_rewriter_duckdb(struct vec_db *db)
{
    return (struct lake_rewriter){run, db};
}
