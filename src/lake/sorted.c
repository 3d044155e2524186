/* sorted.c - an epoch's rows in the table's sort order.
 *
 * Rows are ordered before they are written, by a query of DuckDB's over the feed: it spills beyond
 * its memory, and a file is one run whatever its size. Of a table without a sort order nothing here
 * runs, and rows go from the decoder to the file as they come.
 */
#include "lake/writer_int.h"

static int print_query(const struct lake_writer *w, const struct vec_columns *input,
                       struct buf *sql, struct err *err)
{
    struct out o = {sql, 0};
    int rc;

    out_str(&o, "SELECT * FROM (SELECT ");
    rc = lake_select_columns(w->schema, input, &o, err);
    out_str(&o, " FROM feed) AS tarn_rows");
    rc = rc ? rc : lake_sort_sql(w->metadata, sql, err);
    return rc ? rc : !o.rc && buf_cstr(sql) ? 0 : writer_nomem(err);
}

/* The result as a feed. */
static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    duckdb_data_chunk chunk;
    int rc = vec_result_next(arg, &chunk, err);

    if (rc || !chunk)
        duckdb_data_chunk_set_size(out, 0);
    else
        vec_chunk_refer(out, chunk);
    return rc;
}

static int write_one(struct lake_writer *w, const struct vec_feed *feed, struct arena *arena,
                     struct lake_data_file **files, size_t *count, struct err *err)
{
    struct vec_conn *conn = NULL;
    int rc;

    *files = ARENA_NEW(arena, struct lake_data_file);
    rc = *files ? vec_conn_new(&conn, w->db, err) : writer_nomem(err);
    rc = rc ? rc : lake_writer_pull(w, conn, feed, arena, *files, err);
    *count = !rc && (*files)->path;
    vec_conn_free(conn);
    return rc;
}

static int write_parts(struct lake_writer *w, struct vec_result *result, struct err *err)
{
    for (;;) {
        struct vec_batch batch = {0};
        duckdb_data_chunk chunk, copy;
        int rc = vec_result_next(result, &chunk, err);

        if (rc || !chunk)
            return rc;
        copy = vec_chunk_new(vec_result_columns(result));
        if (!copy)
            return writer_nomem(err);
        vec_chunk_refer(copy, chunk);
        if (vec_batch_add(&batch, copy)) {
            duckdb_destroy_data_chunk(&copy);
            return writer_nomem(err);
        }
        rc = lake_writer_write(w, &batch, err);
        vec_batch_deinit(&batch);
        if (rc)
            return rc;
    }
}

int lake_writer_sort(struct lake_writer *w, const struct vec_feed *feed, struct arena *arena,
                     struct lake_data_file **files, size_t *count, struct err *err)
{
    struct vec_conn *conn = NULL;
    struct vec_result *result = NULL;
    struct buf sql = {0};
    int rc = vec_conn_new(&conn, w->db, err);

    *count = 0;
    rc = rc ? rc : print_query(w, feed->columns, &sql, err);
    rc = rc ? rc : vec_query_feed(conn, feed, (const char *)sql.ptr, &result, err);
    if (!rc && lake_writer_can_pull(w)) {
        struct vec_feed rows = {vec_result_columns(result), pull, result};

        rc = write_one(w, &rows, arena, files, count, err);
    } else if (!rc) {
        rc = write_parts(w, result, err);
        rc = rc ? rc : lake_writer_cut(w, arena, files, count, err);
    }
    vec_result_free(result);
    vec_conn_free(conn);
    buf_deinit(&sql);
    return rc;
}
