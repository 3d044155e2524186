/* fragment.c - a SELECT over one feed, prepared once and executed per batch.
 *
 * The input chunks are lent to the scan without a copy. Results are streamed: DuckDB copies each
 * result chunk once into a chunk that we then own, where a materialised result would copy twice.
 */
#include "vec/vec_int.h"

struct vec_fragment {
    struct vec_db *db;
    struct vec_slot *slot;
    duckdb_prepared_statement statement;
    struct vec_columns columns;
    idx_t watermark_at; /* number of the parameter; 0: it has none */
    int64_t watermark_ms;
};

static int columns_read(struct vec_fragment *f, struct err *err)
{
    idx_t count = duckdb_prepared_statement_column_count(f->statement);

    for (idx_t i = 0; i < count; i++) {
        const char *name = duckdb_prepared_statement_column_name(f->statement, i);
        int rc = vec_columns_add(&f->columns, name ? name : "",
                                 duckdb_prepared_statement_column_logical_type(f->statement, i));

        duckdb_free((void *)(uintptr_t)name);
        if (rc)
            return err_set(err, rc, "columns of a fragment");
    }
    return 0;
}

/* Looks for $watermark, and gives it a value: a statement does not run while one is missing. */
static int find_watermark(struct vec_fragment *f, struct err *err)
{
    if (!duckdb_nparams(f->statement))
        return 0;
    if (duckdb_bind_parameter_index(f->statement, &f->watermark_at, "watermark") != DuckDBSuccess ||
        duckdb_bind_int64(f->statement, f->watermark_at, INT64_MIN) != DuckDBSuccess)
        return err_set(err, ERR_INTERNAL, "a fragment with a parameter other than $watermark");
    f->watermark_ms = INT64_MIN;
    return 0;
}

int vec_fragment_new(struct vec_fragment **out, struct vec_conn *conn, const char *sql,
                     const struct vec_columns *input, struct err *err)
{
    struct vec_fragment *f = calloc(1, sizeof(*f));
    struct buf text = {0};
    const char *full;
    int rc;

    if (!f)
        return err_set(err, ERR_NOMEM, "fragment");
    f->db = conn->db;
    rc = vec_slot_new(&f->slot, f->db, input, err);
    if (!rc)
        rc = vec_feed_sql(f->slot, sql, &text, err);
    if (rc)
        goto fail;
    full = buf_cstr(&text);
    if (!full) {
        rc = err_set(err, ERR_NOMEM, "fragment");
        goto fail;
    }
    if (duckdb_prepare(conn->raw, full, &f->statement) != DuckDBSuccess) {
        rc = vec_fail(err, DUCKDB_ERROR_BINDER, duckdb_prepare_error(f->statement), NULL);
        goto fail;
    }
    rc = find_watermark(f, err);
    if (!rc)
        rc = columns_read(f, err);
    if (rc)
        goto fail;
    buf_deinit(&text);
    *out = f;
    return 0;

fail:
    buf_deinit(&text);
    vec_fragment_free(f);
    return rc;
}

void vec_fragment_free(struct vec_fragment *f)
{
    if (!f)
        return;
    duckdb_destroy_prepare(&f->statement);
    vec_slot_free(f->db, f->slot);
    vec_columns_free(&f->columns);
    free(f);
}

const struct vec_columns *vec_fragment_columns(struct vec_fragment *f)
{
    return &f->columns;
}

int vec_fragment_watermark(struct vec_fragment *f, int64_t ms, struct err *err)
{
    if (!f->watermark_at || f->watermark_ms == ms)
        return 0;
    if (duckdb_bind_int64(f->statement, f->watermark_at, ms) != DuckDBSuccess)
        return err_set(err, ERR_INTERNAL, "the watermark of a fragment");
    f->watermark_ms = ms;
    return 0;
}

static int fetch_all(struct vec_fragment *f, duckdb_result *result, struct vec_batch *out,
                     struct err *err)
{
    duckdb_data_chunk chunk;

    while ((chunk = duckdb_fetch_chunk(*result))) {
        if (duckdb_data_chunk_get_size(chunk) == 0) {
            duckdb_destroy_data_chunk(&chunk);
            continue;
        }
        if (vec_batch_add(out, chunk)) {
            duckdb_destroy_data_chunk(&chunk);
            return err_set(err, ERR_NOMEM, "result of a fragment");
        }
    }
    /* A streaming result fails while it is fetched. */
    if (duckdb_result_error(result))
        return vec_fail_result(err, result, f->slot);
    return 0;
}

int vec_fragment_run(struct vec_fragment *f, const struct vec_batch *in, struct vec_batch *out,
                     struct err *err)
{
    size_t had = out->count;
    int64_t had_rows = out->rows;
    duckdb_result result;
    int rc;

    f->slot->batch = in;
    f->slot->err = (struct err){0};
    if (duckdb_execute_prepared_streaming(f->statement, &result) != DuckDBSuccess)
        rc = vec_fail_result(err, &result, f->slot);
    else
        rc = fetch_all(f, &result, out, err);
    duckdb_destroy_result(&result);
    f->slot->batch = NULL;
    if (rc) {
        while (out->count > had)
            duckdb_destroy_data_chunk(&out->chunks[--out->count]);
        out->rows = had_rows;
    }
    return rc;
}
