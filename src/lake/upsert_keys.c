/* upsert_keys.c - the keys of data files, read from their key columns alone. See upsert_int.h.
 *
 * A scan like any other: by field id, cast to the table's types of today, so that a key hashes to
 * what it always hashed to; deleted rows left out; each row with its address. */
#include "lake/upsert_int.h"

#define FILES_AT_ONCE 256 /* in one statement */

struct reading {
    const struct key_columns *columns;
    struct key_hash *hashes;
    size_t first_file; /* of the statement, in the plan */
    upsert_keys_fn *each;
    void *arg;
};

/* Rows come file by file and in their order, but nothing promises it. */
static int give_chunk(struct reading *r, duckdb_data_chunk chunk, struct err *err)
{
    idx_t at = r->columns->count, count = duckdb_data_chunk_get_size(chunk), from = 0;
    const int64_t *files = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, at));
    const int64_t *rows = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, at + 1));
    int rc = key_columns_hash(r->columns, chunk, 0, r->hashes, err);

    while (!rc && from < count) {
        idx_t to = from + 1;

        while (to < count && files[to] == files[from] &&
               rows[to] == rows[from] + (int64_t)(to - from))
            to++;
        rc = r->each(r->arg, r->first_file + (size_t)files[from], rows[from], r->hashes + from,
                     to - from, err);
        from = to;
    }
    return rc;
}

static int read_some(struct lake *lake, struct vec_conn *conn, struct reading *r,
                     struct lake_plan *plan, struct err *err)
{
    const char *names[KEY_COLUMNS_MAX];
    struct vec_result *result = NULL;
    struct arena arena = {0};
    duckdb_data_chunk chunk;
    struct buf sql = {0};
    int rc;

    for (size_t i = 0; i < r->columns->count; i++)
        names[i] = r->columns->list[i].field->name;
    rc = buf_append_str(&sql, "FROM ") ? err_set(err, ERR_NOMEM, "keys") : 0;
    rc = rc ? rc : lake_scan_sql(lake, conn, plan, names, r->columns->count, &arena, &sql, err);
    if (!rc && !buf_cstr(&sql))
        rc = err_set(err, ERR_NOMEM, "keys");
    rc = rc ? rc : vec_query(conn, (const char *)sql.ptr, &result, err);
    while (!rc && !(rc = vec_result_next(result, &chunk, err)) && chunk)
        rc = give_chunk(r, chunk, err);
    vec_result_free(result);
    lake_plan_release(lake, plan);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return rc;
}

int upsert_read_keys(struct lake *lake, struct vec_conn *conn, const struct key_columns *columns,
                     const struct lake_plan *plan, upsert_keys_fn *each, void *arg, struct err *err)
{
    struct reading r = {columns, NULL, 0, each, arg};
    int rc = 0;

    r.hashes = malloc(vec_chunk_rows() * sizeof(*r.hashes));
    if (!r.hashes)
        return err_set(err, ERR_NOMEM, "keys");
    for (; !rc && r.first_file < plan->file_count; r.first_file += FILES_AT_ONCE) {
        struct lake_plan some = *plan;
        size_t left = plan->file_count - r.first_file;

        some.files += r.first_file;
        some.file_count = left < FILES_AT_ONCE ? left : FILES_AT_ONCE;
        some.addressed = true;
        rc = read_some(lake, conn, &r, &some, err);
    }
    free(r.hashes);
    return rc ? err_wrap(err, rc, "reading keys") : 0;
}
