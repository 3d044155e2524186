/* vec_test.c - instances, feeds, fragments, copies and queries, on real DuckDB. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "vec/vec.h"

/* Shows why, where assert_int_equal would show two numbers. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct vec_db *db;
static struct vec_conn *conn;
static char file_path[64];

static int open_all(void **state)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct err err = {0};

    (void)state;
    snprintf(file_path, sizeof(file_path), "/tmp/vec_test.%d.parquet", (int)getpid());
    if (vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    unlink(file_path);
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}

/* The rows of a query as one batch with its columns. */
static void rows_of(const char *sql, struct vec_columns *columns, struct vec_batch *batch)
{
    struct vec_fragment *fragment = NULL;
    struct vec_columns none = {0};
    struct vec_batch one = {0};
    struct err err = {0};

    vec_columns_add(&none, "x", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    if (vec_fragment_new(&fragment, conn, sql, &none, &err) ||
        vec_fragment_run(fragment, &one, batch, &err))
        fail_msg("%s: %s", sql, err.text);
    assert_int_equal(vec_columns_copy(columns, vec_fragment_columns(fragment)), 0);
    vec_fragment_free(fragment);
    vec_columns_free(&none);
}

/* The first column of every row of a query, as text, one per line. */
static void text_of(const char *sql, struct buf *out)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk;
    struct err err = {0};

    buf_clear(out);
    if (vec_query(conn, sql, &result, &err))
        fail_msg("%s: %s", sql, err.text);
    while (vec_result_next(result, &chunk, &err) == 0 && chunk) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
        duckdb_string_t *values = duckdb_vector_get_data(vector);
        uint64_t *valid = duckdb_vector_get_validity(vector);

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            if (duckdb_validity_row_is_valid(valid, i))
                buf_append(out, duckdb_string_t_data(&values[i]),
                           duckdb_string_t_length(values[i]));
            else
                buf_append_str(out, "NULL");
            buf_append_u8(out, '\n');
        }
    }
    assert_int_equal(err.code, 0);
    vec_result_free(result);
    buf_cstr(out);
}

static void a_fragment_knows_the_watermark_of_its_rows(void **state)
{
    static const int64_t marks[] = {INT64_MIN, 1000, 1000, INT64_MIN, INT64_MAX, -1};
    struct vec_columns columns = {0};
    struct vec_batch rows = {0}, out = {0};
    struct vec_fragment *fragment;
    struct err err = {0};

    (void)state;
    rows_of("SELECT 1 AS x", &columns, &rows);
    assert_int_equal(
        vec_fragment_new(
            &fragment, conn,
            "SELECT CAST($watermark AS BIGINT) FROM feed WHERE x < $watermark OR x > 0", &columns,
            &err),
        0);
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        const int64_t *told;

        assert_int_equal(vec_fragment_watermark(fragment, marks[i], &err), 0);
        assert_int_equal(vec_fragment_run(fragment, &rows, &out, &err), 0);
        told = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out.chunks[0], 0));
        assert_true(told[0] == marks[i]);
        vec_batch_clear(&out);
    }
    vec_fragment_free(fragment);
    vec_batch_deinit(&out);
    vec_batch_deinit(&rows);
    vec_columns_free(&columns);
}

struct pulled {
    struct vec_batch *batch;
    size_t next;
    int fail_at; /* the call that fails, from 1; 0: none */
};

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct pulled *p = arg;

    if (p->fail_at && (int)p->next + 1 == p->fail_at)
        return err_set(err, ERR_CORRUPT, "the feed broke at chunk %zu", p->next);
    if (p->next == p->batch->count)
        duckdb_data_chunk_set_size(out, 0);
    else
        vec_chunk_refer(out, p->batch->chunks[p->next++]);
    return 0;
}

/* Every type that an Iceberg table may hold, with NULLs, an empty list and values past 12 bytes. */
#define ALL_TYPES                                                                                  \
    "SELECT i % 3 = 0 AS b, i::INTEGER AS i, i * 1000000007 AS l, i::FLOAT / 3 AS f, i / "         \
    "7.0::DOUBLE "                                                                                 \
    "AS d, (i * 1.25)::DECIMAL(9,2) AS d9, (i * 3.5)::DECIMAL(38,10) AS d38, DATE '2024-02-29' + " \
    "i::INTEGER AS day, TIME '10:11:12.123456' AS tm, TIMESTAMP '2024-01-01 00:00:00.123456' + "   \
    "INTERVAL 1 HOUR * i AS ts, TIMESTAMPTZ '2024-01-01 00:00:00.5+00' AS tz, "                    \
    "'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS AS ns, CASE WHEN i % 5 > 0 THEN 'text ' || i "  \
    "|| "                                                                                          \
    "' longer than twelve' END AS s, 'a5f3c9b2-1b1d-4c3e-9f7a-0123456789ab'::UUID AS u, "          \
    "'\\x00\\xFF'::BLOB AS bin, CASE WHEN i % 4 > 0 THEN range(i % 4) END AS li, "                 \
    "[['a', NULL], [], NULL] AS ll, MAP {'k' || i: i, 'other': NULL} AS m, "                       \
    "{'x': i, 'y': {'z': [i, NULL]}} AS st, CASE WHEN i % 2 = 0 THEN [{'p': i, 'q': 'long text "   \
    "value number ' || i}] END AS ls FROM range(5000) t(i)"

static void columns_copy_keeps_every_type(void **state)
{
    struct vec_columns columns = {0}, copy = {0};
    struct vec_batch batch = {0};

    (void)state;
    rows_of(ALL_TYPES, &columns, &batch);
    assert_int_equal(vec_columns_copy(&copy, &columns), 0);
    assert_int_equal(copy.count, 20);
    for (size_t i = 0; i < copy.count; i++) {
        assert_string_equal(copy.list[i].name, columns.list[i].name);
        assert_int_equal(duckdb_get_type_id(copy.list[i].type),
                         duckdb_get_type_id(columns.list[i].type));
    }
    assert_int_equal(duckdb_decimal_scale(copy.list[6].type), 10);
    vec_columns_free(&columns);
    vec_columns_free(&copy);
    vec_batch_deinit(&batch);
}

/* Goal: results own their memory and every type passes a feed unharmed. Method: rows made by one
 * fragment, whose result is long gone, go through another and are hashed by both ways. */
static void a_fragment_passes_every_type_in_and_out(void **state)
{
    struct vec_columns columns = {0};
    struct vec_batch batch = {0}, hashed = {0}, again = {0};
    struct vec_fragment *fragment = NULL, *pass = NULL;
    struct err err = {0};
    struct buf expected = {0}, got = {0};

    (void)state;
    text_of("SELECT md5(string_agg(t::VARCHAR, '|')) FROM (" ALL_TYPES ") t", &expected);
    rows_of(ALL_TYPES, &columns, &batch);
    assert_int_equal(batch.rows, 5000);
    OK(vec_fragment_new(&pass, conn, "SELECT * FROM feed", &columns, &err));
    OK(vec_fragment_run(pass, &batch, &again, &err));
    vec_batch_clear(&batch);
    assert_int_equal(again.rows, 5000);
    assert_int_equal(vec_fragment_new(&fragment, conn,
                                      "SELECT md5(string_agg(feed::VARCHAR, '|')) FROM feed",
                                      &columns, &err),
                     0);
    OK(vec_fragment_run(fragment, &again, &hashed, &err));
    assert_int_equal(hashed.rows, 1);
    duckdb_string_t *text =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(hashed.chunks[0], 0));
    assert_memory_equal(duckdb_string_t_data(text), expected.ptr, 32);

    vec_fragment_free(fragment);
    vec_fragment_free(pass);
    vec_batch_deinit(&batch);
    vec_batch_deinit(&hashed);
    vec_batch_deinit(&again);
    vec_columns_free(&columns);
    buf_deinit(&expected);
    buf_deinit(&got);
}

static int64_t first_i64(const struct vec_batch *batch)
{
    return *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(batch->chunks[0], 0));
}

static void a_fragment_runs_again_with_other_rows_and_with_none(void **state)
{
    struct vec_columns columns = {0};
    struct vec_batch batch = {0}, out = {0};
    struct vec_fragment *fragment = NULL;
    struct err err = {0};

    (void)state;
    rows_of("SELECT i FROM range(3000) t(i)", &columns, &batch);
    assert_int_equal(vec_fragment_new(&fragment, conn,
                                      "-- totals\nWITH a AS (SELECT i FROM feed WHERE i >= 2000), "
                                      "b AS (SELECT i FROM feed WHERE i < 10) SELECT (SELECT "
                                      "count(*) FROM a) * 100 + (SELECT count(*) FROM b)",
                                      &columns, &err),
                     0);
    OK(vec_fragment_run(fragment, &batch, &out, &err));
    assert_int_equal(first_i64(&out), 100010); /* the feed was read twice, from its start */
    /* A changed catalog makes DuckDB bind the statement again. */
    OK(vec_exec(conn, "CREATE TABLE noise (x INTEGER)", &err));
    vec_batch_clear(&batch);
    vec_batch_clear(&out);
    OK(vec_fragment_run(fragment, &batch, &out, &err));
    assert_int_equal(first_i64(&out), 0);
    OK(vec_exec(conn, "DROP TABLE noise", &err));

    vec_fragment_free(fragment);
    vec_batch_deinit(&batch);
    vec_batch_deinit(&out);
    vec_columns_free(&columns);
}

static void a_bad_value_fails_the_run_and_leaves_out_as_it_was(void **state)
{
    struct vec_columns columns = {0};
    struct vec_batch batch = {0}, out = {0};
    struct vec_fragment *fragment = NULL;
    struct err err = {0};

    (void)state;
    rows_of("SELECT CASE WHEN i = 9000 THEN 'bad' ELSE i::VARCHAR END s FROM range(10000) t(i)",
            &columns, &batch);
    OK(vec_fragment_new(&fragment, conn, "SELECT s::INTEGER FROM feed", &columns, &err));
    assert_int_equal(vec_fragment_run(fragment, &batch, &out, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "bad"));
    assert_int_equal(out.count, 0);
    assert_int_equal(out.rows, 0);
    vec_fragment_free(fragment);
    fragment = NULL;
    assert_int_equal(vec_fragment_new(&fragment, conn, "SELECT nothing FROM feed", &columns, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "nothing"));
    vec_batch_deinit(&batch);
    vec_batch_deinit(&out);
    vec_columns_free(&columns);
}

static const char ids[] =
    "{s: 1, \"a.b\"\"c\": 2, l: {__duckdb_field_id: 3, element: 4}, m: {__duckdb_field_id: 5, key: "
    "6, value: 7}, st: {__duckdb_field_id: 8, x: 9}, f: 10}";

static const struct vec_stat *stat_at(const struct vec_copy_result *result, const char *path)
{
    for (size_t i = 0; i < result->stat_count; i++)
        if (!strcmp(result->stats[i].path, path))
            return &result->stats[i];
    fail_msg("no statistics for %s", path);
    return NULL;
}

#define COPIED                                                                                     \
    "SELECT 'v' || i AS s, i AS \"a.b\"\"c\", [i, NULL] AS l, MAP {'k': i} AS m, {'x': i} AS st, " \
    "CASE WHEN i = 7 THEN 'nan'::DOUBLE ELSE i END AS f FROM range(10000) t(i)"

static void check_copied(const struct vec_copy_result *result)
{
    struct buf text = {0}, expected = {0};
    char sql[256];

    assert_int_equal(result->rows, 10000);
    assert_true(result->file_bytes > 1000 && result->footer_bytes > 100);
    assert_int_equal(stat_at(result, "l.element")->null_count, 10000);
    assert_string_equal(stat_at(result, "st.x")->max, "9999");
    assert_string_equal(stat_at(result, "m.key")->min, "k");
    assert_int_equal(stat_at(result, "a.b\"c")->part_count, 1);
    assert_string_equal(stat_at(result, "a.b\"c")->parts[0], "a.b\"c");
    assert_int_equal(stat_at(result, "m.value")->part_count, 2);
    assert_string_equal(stat_at(result, "m.value")->parts[1], "value");

    text_of("SELECT md5(string_agg(t::VARCHAR, '|')) FROM (" COPIED ") t", &expected);
    snprintf(sql, sizeof(sql), "SELECT md5(string_agg(t::VARCHAR, '|')) FROM '%s' t", file_path);
    text_of(sql, &text);
    assert_string_equal((char *)text.ptr, (char *)expected.ptr);
    snprintf(
        sql, sizeof(sql),
        "SELECT string_agg(field_id::VARCHAR, ',') FROM parquet_schema('%s') WHERE field_id IS "
        "NOT NULL",
        file_path);
    text_of(sql, &text);
    assert_string_equal((char *)text.ptr, "1,2,3,4,5,6,7,8,9,10\n");
    buf_deinit(&text);
    buf_deinit(&expected);
}

static void a_pulled_copy_writes_ids_and_statistics_at_every_depth(void **state)
{
    struct vec_columns columns = {0};
    struct vec_batch batch = {0};
    struct pulled pulled = {&batch, 0, 0};
    struct vec_feed feed = {&columns, pull, &pulled};
    struct vec_copy_options options = {.path = file_path, .field_ids = ids, .codec = "zstd"};
    struct vec_copy_result result;
    struct arena arena = {0};
    struct err err = {0};

    (void)state;
    rows_of(COPIED, &columns, &batch);
    if (vec_copy_run(conn, &feed, &options, &arena, &result, &err))
        fail_msg("%s", err.text);
    check_copied(&result);
    assert_true(stat_at(&result, "f")->has_nan);
    assert_false(stat_at(&result, "s")->has_nan);

    /* A feed that breaks: its own words come back, and no half file stays. */
    pulled = (struct pulled){&batch, 0, 3};
    assert_int_equal(vec_copy_run(conn, &feed, &options, &arena, &result, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "the feed broke at chunk 2");
    assert_int_not_equal(access(file_path, F_OK), 0);

    /* No rows at all: a file with none. */
    vec_batch_clear(&batch);
    pulled = (struct pulled){&batch, 0, 0};
    OK(vec_copy_run(conn, &feed, &options, &arena, &result, &err));
    assert_int_equal(result.rows, 0);
    vec_columns_free(&columns);
    vec_batch_deinit(&batch);
    arena_deinit(&arena);
}

static void a_pushed_copy_equals_a_pulled_one(void **state)
{
    struct vec_columns columns = {0};
    struct vec_batch batch = {0};
    struct vec_copy_options options = {.path = file_path,
                                       .field_ids = ids,
                                       .codec = "zstd",
                                       .select = "s, \"a.b\"\"c\", l, m, st, f",
                                       .row_group_rows = 4096};
    struct vec_copy_result result;
    struct vec_copy *copy = NULL;
    struct arena arena = {0};
    struct err err = {0};

    (void)state;
    rows_of(COPIED, &columns, &batch);
    OK(vec_copy_new(&copy, db, &columns, &options, &err));
    OK(vec_copy_push(copy, &batch, &err));
    assert_int_equal(batch.count, 0);
    assert_true(vec_copy_bytes(copy) > 0);
    OK(vec_copy_finish(copy, &arena, &result, &err));
    check_copied(&result);
    vec_copy_free(copy);
    assert_int_equal(access(file_path, F_OK), 0);

    /* Given up: nothing stays behind. */
    vec_batch_clear(&batch);
    vec_columns_free(&columns);
    rows_of(COPIED, &columns, &batch);
    OK(vec_copy_new(&copy, db, &columns, &options, &err));
    OK(vec_copy_push(copy, &batch, &err));
    vec_copy_free(copy);
    assert_int_not_equal(access(file_path, F_OK), 0);

    /* A place that cannot be written: the push or the finish says so. */
    options.path = "/nonexistent/folder/x.parquet";
    OK(vec_copy_new(&copy, db, &columns, &options, &err));
    assert_int_equal(vec_copy_finish(copy, &arena, &result, &err), ERR_IO);
    vec_copy_free(copy);
    vec_columns_free(&columns);
    vec_batch_deinit(&batch);
    arena_deinit(&arena);
}

static double progress_seen;

static void *interrupt_soon(void *arg)
{
    usleep(100000);
    progress_seen = vec_query_progress(arg);
    vec_interrupt(arg);
    return NULL;
}

static void a_long_query_can_be_interrupted_and_the_connection_lives(void **state)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    struct err err = {0};
    struct buf text = {0};
    pthread_t thread;
    int rc;

    (void)state;
    pthread_create(&thread, NULL, interrupt_soon, conn);
    rc = vec_query(conn, "SELECT sum(a.i * b.i) FROM range(10000000) a(i), range(1000000) b(i)",
                   &result, &err);
    if (!rc)
        rc = vec_result_next(result, &chunk, &err);
    pthread_join(thread, NULL);
    assert_int_equal(rc, ERR_CANCELLED);
    assert_true(progress_seen >= -1 && progress_seen <= 1);
    vec_result_free(result);
    text_of("SELECT 'alive'", &text);
    assert_string_equal((char *)text.ptr, "alive\n");
    buf_deinit(&text);
}

static void a_query_walks_its_rows_and_says_its_columns(void **state)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk;
    struct err err = {0};
    int64_t rows = 0, sum = 0;

    (void)state;
    OK(vec_query(conn, "SELECT i AS number, 'x' AS word FROM range(10000) t(i)", &result, &err));
    assert_int_equal(vec_result_columns(result)->count, 2);
    assert_string_equal(vec_result_columns(result)->list[0].name, "number");
    while (vec_result_next(result, &chunk, &err) == 0 && chunk) {
        int64_t *values = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

        rows += (int64_t)duckdb_data_chunk_get_size(chunk);
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++)
            sum += values[i];
    }
    assert_int_equal(rows, 10000);
    assert_int_equal(sum, 49995000);
    vec_result_free(result);
    assert_int_equal(vec_query(conn, "SELEC 1", &result, &err), ERR_INVALID);
    assert_int_equal(vec_query(conn, "SELECT 'x'::INTEGER", &result, &err), ERR_INVALID);
}

static void a_feed_number_that_is_nobodys_is_refused(void **state)
{
    struct vec_result *result = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(vec_query(conn, "FROM tarn_feed(999999)", &result, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "no such feed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fragment_knows_the_watermark_of_its_rows),
        cmocka_unit_test(columns_copy_keeps_every_type),
        cmocka_unit_test(a_fragment_passes_every_type_in_and_out),
        cmocka_unit_test(a_fragment_runs_again_with_other_rows_and_with_none),
        cmocka_unit_test(a_bad_value_fails_the_run_and_leaves_out_as_it_was),
        cmocka_unit_test(a_pulled_copy_writes_ids_and_statistics_at_every_depth),
        cmocka_unit_test(a_pushed_copy_equals_a_pulled_one),
        cmocka_unit_test(a_long_query_can_be_interrupted_and_the_connection_lives),
        cmocka_unit_test(a_query_walks_its_rows_and_says_its_columns),
        cmocka_unit_test(a_feed_number_that_is_nobodys_is_refused),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
