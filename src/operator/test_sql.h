/* test_sql.h - for tests: a database, queries over batches of rows, and rows as sorted text. */
#ifndef OPERATOR_TEST_SQL_H
#define OPERATOR_TEST_SQL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vec/vec.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct vec_db *db;
static struct vec_conn *conn;

static int open_all(void **state)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct err err = {0};

    (void)state;
    return vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err) ? -1 : 0;
}

static int close_all(void **state)
{
    (void)state;
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}

/* A query over `in` (NULL: over nothing). */
static void run(const char *sql, const struct vec_columns *columns, const struct vec_batch *in,
                struct vec_columns *out_columns, struct vec_batch *out)
{
    struct vec_fragment *fragment = NULL;
    struct vec_columns none = {0};
    struct vec_batch empty = {0};
    struct err err = {0};

    vec_columns_add(&none, "x", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    OK(vec_fragment_new(&fragment, conn, sql, columns ? columns : &none, &err));
    OK(vec_fragment_run(fragment, in ? in : &empty, out, &err));
    if (out_columns)
        assert_int_equal(vec_columns_copy(out_columns, vec_fragment_columns(fragment)), 0);
    vec_fragment_free(fragment);
    vec_columns_free(&none);
}

/* The rows of a query as sorted text. */
static void text_of(const char *sql, const struct vec_columns *columns, const struct vec_batch *in,
                    struct buf *out)
{
    struct vec_batch rows = {0};
    size_t room = strlen(sql) + 200;
    char *full = malloc(room);

    buf_clear(out);
    snprintf(full, room, "SELECT CAST(row(*COLUMNS(r.*)) AS VARCHAR) AS t FROM (%s) r ORDER BY t",
             sql);
    run(full, columns, in, NULL, &rows);
    free(full);
    for (size_t c = 0; c < rows.count; c++) {
        duckdb_string_t *text =
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(rows.chunks[c], 0));

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(rows.chunks[c]); i++) {
            buf_append(out, duckdb_string_t_data(&text[i]), duckdb_string_t_length(text[i]));
            buf_append_u8(out, '\n');
        }
    }
    vec_batch_deinit(&rows);
    buf_cstr(out);
}

#endif
