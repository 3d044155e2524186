/* result.c - queries whose results are walked chunk by chunk, as they are made. */
#include "vec/vec_int.h"

struct vec_result {
    struct vec_db *db;
    struct vec_slot *slot; /* of a feed; NULL: it reads none */
    duckdb_result raw;
    struct vec_columns columns;
    duckdb_data_chunk chunk; /* the one lent out */
};

int vec_result_columns_read(duckdb_result *result, struct vec_columns *out)
{
    idx_t count = duckdb_column_count(result);

    for (idx_t i = 0; i < count; i++) {
        int rc = vec_columns_add(out, duckdb_column_name(result, i),
                                 duckdb_column_logical_type(result, i));

        if (rc)
            return rc;
    }
    return 0;
}

static int execute(struct vec_result *result, struct vec_conn *conn, const char *sql,
                   struct err *err)
{
    duckdb_prepared_statement statement = NULL;
    int rc = 0;

    if (duckdb_prepare(conn->raw, sql, &statement) != DuckDBSuccess)
        rc = vec_fail(err, DUCKDB_ERROR_BINDER, duckdb_prepare_error(statement), NULL);
    else if (duckdb_execute_prepared_streaming(statement, &result->raw) != DuckDBSuccess)
        rc = vec_fail_result(err, &result->raw, result->slot);
    else if (vec_result_columns_read(&result->raw, &result->columns))
        rc = err_set(err, ERR_NOMEM, "columns of a query");
    duckdb_destroy_prepare(&statement);
    return rc;
}

int vec_query(struct vec_conn *conn, const char *sql, struct vec_result **out, struct err *err)
{
    struct vec_result *result = calloc(1, sizeof(*result));
    int rc = result ? execute(result, conn, sql, err) : err_set(err, ERR_NOMEM, "query result");

    if (rc) {
        vec_result_free(result);
        return rc;
    }
    *out = result;
    return 0;
}

int vec_query_feed(struct vec_conn *conn, const struct vec_feed *feed, const char *sql,
                   struct vec_result **out, struct err *err)
{
    struct vec_result *result = calloc(1, sizeof(*result));
    struct buf text = {0};
    int rc;

    if (!result)
        return err_set(err, ERR_NOMEM, "query result");
    result->db = conn->db;
    rc = vec_slot_new(&result->slot, conn->db, feed->columns, err);
    if (!rc)
        result->slot->feed = *feed;
    rc = rc ? rc : vec_feed_sql(result->slot, sql, &text, err);
    if (!rc && !buf_cstr(&text))
        rc = err_set(err, ERR_NOMEM, "query result");
    rc = rc ? rc : execute(result, conn, (const char *)text.ptr, err);
    buf_deinit(&text);
    if (rc) {
        vec_result_free(result);
        return rc;
    }
    *out = result;
    return 0;
}

const struct vec_columns *vec_result_columns(struct vec_result *result) { return &result->columns; }

int vec_result_next(struct vec_result *result, duckdb_data_chunk *out, struct err *err)
{
    do {
        duckdb_destroy_data_chunk(&result->chunk);
        result->chunk = duckdb_fetch_chunk(result->raw);
    } while (result->chunk && duckdb_data_chunk_get_size(result->chunk) == 0);
    *out = result->chunk;
    if (!result->chunk && duckdb_result_error(&result->raw))
        return vec_fail_result(err, &result->raw, result->slot);
    return 0;
}

void vec_result_free(struct vec_result *result)
{
    if (!result)
        return;
    duckdb_destroy_data_chunk(&result->chunk);
    duckdb_destroy_result(&result->raw);
    if (result->slot)
        vec_slot_free(result->db, result->slot);
    vec_columns_free(&result->columns);
    free(result);
}
