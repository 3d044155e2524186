/* result.c - queries whose results are walked chunk by chunk, as they are made. */
#include "vec/vec_int.h"

struct vec_result {
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

int vec_query(struct vec_conn *conn, const char *sql, struct vec_result **out, struct err *err)
{
    struct vec_result *result = calloc(1, sizeof(*result));
    duckdb_prepared_statement statement = NULL;
    int rc = 0;

    if (!result)
        return err_set(err, ERR_NOMEM, "query result");
    if (duckdb_prepare(conn->raw, sql, &statement) != DuckDBSuccess)
        rc = vec_fail(err, DUCKDB_ERROR_BINDER, duckdb_prepare_error(statement), NULL);
    else if (duckdb_execute_prepared_streaming(statement, &result->raw) != DuckDBSuccess)
        rc = vec_fail_result(err, &result->raw, NULL);
    else if (vec_result_columns_read(&result->raw, &result->columns))
        rc = err_set(err, ERR_NOMEM, "columns of a query");
    duckdb_destroy_prepare(&statement);
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
        return vec_fail_result(err, &result->raw, NULL);
    return 0;
}

void vec_result_free(struct vec_result *result)
{
    if (!result)
        return;
    duckdb_destroy_data_chunk(&result->chunk);
    duckdb_destroy_result(&result->raw);
    vec_columns_free(&result->columns);
    free(result);
}
