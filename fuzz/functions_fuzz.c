/* functions_fuzz.c - Flink's functions that read text: patterns, paths, expressions, casts. The
 * first byte picks the function, NULs part its arguments; whatever comes, it is a value or an
 * error. */
#include <stdio.h>
#include <stdlib.h>

#include "vec/vec.h"

static const char *const calls[] = {
    "flink_date_format($1, $2, 'Europe/Berlin')",
    "flink_to_timestamp($1, $2)",
    "flink_to_date($1, $2)",
    "flink_unix_timestamp($1, $2, 'America/New_York')",
    "flink_convert_tz($1, $2, $3)",
    "flink_json_value($1, $2, 'NULL', NULL, 'NULL', NULL)",
    "flink_json_query($1, $2, 'CONDITIONAL', 'NULL', 'EMPTY ARRAY')",
    "flink_json_exists($1, $2, 'UNKNOWN')",
    "flink_regexp_extract($1, $2, 1)",
    "flink_regexp_replace($1, $2, $3)",
    "flink_similar($1, $2)",
    "flink_like($1, $2, $3)",
    "flink_str_to_map($1, $2, $3)",
    "flink_split_index($1, $2, 1)",
    "flink_parse_url($1, $2, $3)",
    "flink_from_base64($1)",
    "flink_decode(CAST($1 AS BLOB), $2)",
    "flink_encode($1, $2)",
    "flink_try_to_dec_10($1, 38)",
    "flink_try_to_double($1)",
    "flink_try_to_bigint($1)",
    "flink_try_to_timestamp_cast($1, 6)",
    "flink_try_to_date_cast($1)",
    "flink_try_to_time_cast($1, 3)",
    "flink_upper($1) || flink_lower($2) || flink_initcap($3) || flink_reverse($1)",
    "flink_overlay($1, $2, 3, 2) || flink_substring($1, -3, 2) || flink_right($2, 2)",
    "flink_lpad($1, 20, $2) || flink_replace($1, $2, $3) || flink_trim_both($1, $2)",
    "flink_instr($1, $2, -2, 1) + flink_locate($2, $1, 2)",
};

static struct vec_db *db;
static struct vec_conn *conn;
static duckdb_prepared_statement statements[COUNT_OF(calls)];

static void start(void)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    char sql[200];

    if (vec_db_new(&db, &options, NULL) || vec_conn_new(&conn, db, NULL) ||
        vec_functions_register(conn, NULL))
        abort();
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        /* Every statement takes three arguments, so that they can be bound alike. */
        snprintf(sql, sizeof(sql), "SELECT %s, $1::VARCHAR, $2::VARCHAR, $3::VARCHAR", calls[i]);
        if (duckdb_prepare(vec_conn_raw(conn), sql, &statements[i]) != DuckDBSuccess) {
            fprintf(stderr, "%s: %s\n", sql, duckdb_prepare_error(statements[i]));
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    duckdb_prepared_statement statement;
    duckdb_result result;

    if (!db)
        start();
    if (size < 1 || size > 4096)
        return 0;
    statement = statements[data[0] % COUNT_OF(calls)];
    data++;
    size--;
    for (idx_t i = 1; i <= 3; i++) {
        const uint8_t *end = memchr(data, 0, size);
        size_t len = end && i < 3 ? (size_t)(end - data) : size;

        /* Text that is no UTF-8 does not reach a function: DuckDB refuses to bind it. */
        if (duckdb_bind_varchar_length(statement, i, (const char *)data, len) != DuckDBSuccess)
            return 0;
        data += len < size ? len + 1 : len;
        size -= len < size ? len + 1 : len;
    }
    duckdb_execute_prepared(statement, &result);
    duckdb_destroy_result(&result);
    return 0;
}
