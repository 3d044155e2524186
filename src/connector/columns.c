/* columns.c - Flink's types as DuckDB's, asked of DuckDB itself: it reads its own spelling best. */
#include "connector/session_int.h"

/* Columns of these names and types, as DuckDB makes them. */
int connector_columns(struct vec_db *db, const struct sql_output *outputs, size_t count,
                      struct vec_columns *out, struct err *err)
{
    struct vec_result *result = NULL;
    struct vec_conn *conn = NULL;
    struct buf sql = {0};
    int rc = buf_append_str(&sql, "SELECT ");

    for (size_t i = 0; i < count && !rc; i++) {
        rc = buf_append_str(&sql, i ? ", CAST(NULL AS " : "CAST(NULL AS ");
        if (!rc)
            rc = sql_type_print_duckdb(outputs[i].type, &sql);
        if (!rc)
            rc = buf_append_str(&sql, ") AS ");
        if (!rc)
            rc = lake_sql_name(&sql, outputs[i].name);
    }
    if (rc || !buf_cstr(&sql))
        rc = err_set(err, ERR_NOMEM, "columns");
    if (!rc)
        rc = vec_conn_new(&conn, db, err);
    if (!rc)
        rc = vec_query(conn, buf_cstr(&sql), &result, err);
    if (!rc)
        rc = vec_columns_copy(out, vec_result_columns(result));
    vec_result_free(result);
    vec_conn_free(conn);
    buf_deinit(&sql);
    return rc;
}

