/* rows_test.c - rows to bytes and back, over every type that a stream may keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "vec/rows.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

#define TYPES                                                                                      \
    "SELECT CASE WHEN i % 3 > 0 THEN i % 2 = 0 END AS b, (i % 99)::TINYINT AS i1, "                \
    "i::INTEGER AS i4, CASE WHEN i % 7 > 0 THEN i * 1000000007 END AS i8, i::HUGEINT << 70 AS h, " \
    "CASE i % 4 WHEN 0 THEN 'NaN'::FLOAT WHEN 1 THEN -0.0::FLOAT ELSE i / 3 END AS f, "            \
    "CASE i % 4 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN NULL ELSE i / 7.0 END AS d, "                \
    "(i % 99 * 0.5)::DECIMAL(4,1) AS d4, (i * 1.25)::DECIMAL(9,2) AS d9, "                         \
    "i::DECIMAL(18,0) AS d18, "                                                                    \
    "(i * 3.5)::DECIMAL(38,10) AS d38, DATE '2024-02-29' + i::INTEGER AS day, "                    \
    "TIME '10:11:12.123456' AS tm, TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * i AS ts, "           \
    "TIMESTAMPTZ '2024-01-01 00:00:00.5+00' AS tz, INTERVAL 1 MONTH * i AS iv, uuid() AS u, "      \
    "CASE WHEN i % 5 > 0 THEN 'text ' || repeat('x', i % 40) END AS s, encode('b' || i) AS bl, "   \
    "CASE i % 3 WHEN 0 THEN [] WHEN 1 THEN [1, NULL, i] END AS li, "                               \
    "CASE WHEN i % 4 > 0 THEN [['a', NULL], NULL, [repeat('y', i % 30)]] END AS ll, "              \
    "CASE WHEN i % 6 > 0 THEN {'x': i, 'y': CASE WHEN i % 2 = 0 THEN ['p', 'q'] END, "             \
    "'z': {'w': NULL::INTEGER}} END AS st, MAP {'k' || i: i, 'n': NULL} AS m "                     \
    "FROM range(3000) t(i)"

struct rows_world {
    struct vec_db *db;
    struct vec_conn *conn;
    struct vec_columns columns;
    struct vec_batch batch;
};

static void query(struct rows_world *w, const char *sql)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct vec_fragment *fragment = NULL;
    struct vec_columns none = {0};
    struct vec_batch empty = {0};
    struct err err = {0};

    *w = (struct rows_world){0};
    OK(vec_db_new(&w->db, &options, &err));
    OK(vec_conn_new(&w->conn, w->db, &err));
    vec_columns_add(&none, "x", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    OK(vec_fragment_new(&fragment, w->conn, sql, &none, &err));
    OK(vec_fragment_run(fragment, &empty, &w->batch, &err));
    assert_int_equal(vec_columns_copy(&w->columns, vec_fragment_columns(fragment)), 0);
    vec_fragment_free(fragment);
    vec_columns_free(&none);
}

static void end(struct rows_world *w)
{
    vec_batch_deinit(&w->batch);
    vec_columns_free(&w->columns);
    vec_conn_free(w->conn);
    vec_db_free(w->db);
}

/* Each row as DuckDB writes it, one per line. */
static void text_of(struct rows_world *w, const struct vec_batch *batch, struct buf *out)
{
    struct vec_fragment *fragment = NULL;
    struct vec_batch text = {0};
    struct err err = {0};

    OK(vec_fragment_new(&fragment, w->conn, "SELECT CAST(feed AS VARCHAR) FROM feed", &w->columns,
                        &err));
    OK(vec_fragment_run(fragment, batch, &text, &err));
    for (size_t c = 0; c < text.count; c++) {
        duckdb_string_t *values =
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(text.chunks[c], 0));

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(text.chunks[c]); i++) {
            buf_append(out, duckdb_string_t_data(&values[i]), duckdb_string_t_length(values[i]));
            buf_append_u8(out, '\n');
        }
    }
    vec_batch_deinit(&text);
    vec_fragment_free(fragment);
    buf_cstr(out);
}

static void all_columns(size_t which[64], size_t count)
{
    for (size_t i = 0; i < count; i++)
        which[i] = i;
}

static void rows_come_back_as_they_were(void **state)
{
    struct vec_batch back = {0};
    struct vec_rows rows = {0}, again = {0};
    struct buf before = {0}, after = {0};
    struct vec_codec *codec;
    struct rows_world w;
    size_t which[64];
    struct err err = {0};

    (void)state;
    query(&w, TYPES);
    all_columns(which, w.columns.count);
    OK(vec_codec_new(&codec, &w.columns, which, w.columns.count, &err));
    for (size_t c = 0; c < w.batch.count; c++) {
        duckdb_data_chunk chunk = vec_chunk_new(&w.columns);

        OK(vec_rows_encode(codec, w.batch.chunks[c], &rows, &err));
        for (idx_t i = 0; i < rows.count; i++)
            OK(vec_row_decode(codec, vec_row(&rows, i), chunk, 0, i, &err));
        duckdb_data_chunk_set_size(chunk, rows.count);
        OK(vec_rows_encode(codec, chunk, &again, &err));
        assert_int_equal(rows.bytes.len, again.bytes.len);
        assert_memory_equal(rows.bytes.ptr, again.bytes.ptr, rows.bytes.len);
        assert_int_equal(vec_batch_add(&back, chunk), 0);
    }
    text_of(&w, &w.batch, &before);
    text_of(&w, &back, &after);
    assert_true(before.len > 100000);
    assert_string_equal((const char *)before.ptr, (const char *)after.ptr);
    buf_deinit(&before);
    buf_deinit(&after);
    vec_rows_deinit(&rows);
    vec_rows_deinit(&again);
    vec_batch_deinit(&back);
    vec_codec_free(codec);
    end(&w);
}

static void rows_are_equal_when_group_by_says_so(void **state)
{
    struct rows_world w;
    struct vec_codec *codec;
    struct vec_rows rows = {0};
    struct err err = {0};

    (void)state;
    query(&w, "SELECT * FROM (VALUES (NULL, 'NaN'::DOUBLE, 'a', 1), "
              "(NULL, -('NaN'::DOUBLE), 'a', 2), (0, 'NaN'::DOUBLE, 'a', 3), "
              "(NULL, 'NaN'::DOUBLE, '', 4), (NULL, 'NaN'::DOUBLE, NULL, 5)) t(x, y, z, n)");
    OK(vec_codec_new(&codec, &w.columns, (size_t[]){0, 1, 2}, 3, &err));
    OK(vec_rows_encode(codec, w.batch.chunks[0], &rows, &err));
    assert_int_equal(rows.count, 5);
    assert_true(slice_eq(vec_row(&rows, 0), vec_row(&rows, 1)));
    for (idx_t i = 1; i < 5; i++)
        for (idx_t k = i + 1; k < 5; k++)
            assert_false(slice_eq(vec_row(&rows, i), vec_row(&rows, k)));
    vec_rows_deinit(&rows);
    vec_codec_free(codec);
    end(&w);
}

static void bytes_that_are_cut_are_refused(void **state)
{
    struct rows_world w;
    struct vec_codec *codec;
    struct vec_rows rows = {0};
    size_t which[64];
    struct err err = {0};

    (void)state;
    query(&w, TYPES);
    all_columns(which, w.columns.count);
    OK(vec_codec_new(&codec, &w.columns, which, w.columns.count, &err));
    OK(vec_rows_encode(codec, w.batch.chunks[0], &rows, &err));
    for (idx_t i = 0; i < 40; i++) {
        struct slice row = vec_row(&rows, i);

        for (size_t len = 0; len < row.len; len++) {
            duckdb_data_chunk chunk = vec_chunk_new(&w.columns);

            assert_int_equal(vec_row_decode(codec, slice_of(row.ptr, len), chunk, 0, 0, NULL),
                             ERR_CORRUPT);
            duckdb_destroy_data_chunk(&chunk);
        }
    }
    vec_rows_deinit(&rows);
    vec_codec_free(codec);
    end(&w);
}

/* Goal: many rows at once are what one by one gives. Method: the odd columns only, in two parts, a
 * row of nothing between them. */
static void many_rows_are_decoded_by_column(void **state)
{
    struct vec_rows rows = {0}, part = {0}, again = {0};
    struct vec_codec *codec, *odd;
    struct slice slices[2048];
    struct rows_world w;
    size_t which[64], odds[32];
    int to[64];
    struct err err = {0};
    duckdb_data_chunk chunk;

    (void)state;
    query(&w, TYPES);
    all_columns(which, w.columns.count);
    for (size_t i = 0; i < w.columns.count; i++) {
        to[i] = i % 2 ? (int)i : -1;
        if (i % 2)
            odds[i / 2] = i;
    }
    OK(vec_codec_new(&codec, &w.columns, which, w.columns.count, &err));
    OK(vec_codec_new(&odd, &w.columns, odds, w.columns.count / 2, &err));
    chunk = vec_chunk_new(&w.columns);
    OK(vec_rows_encode(codec, w.batch.chunks[0], &rows, &err));
    OK(vec_rows_encode(odd, w.batch.chunks[0], &part, &err));
    for (idx_t i = 0; i < rows.count; i++)
        slices[i] = i == 700 ? slice_of(NULL, 0) : vec_row(&rows, i);
    OK(vec_rows_decode(codec, slices, 700, chunk, to, 0, 0, &err));
    OK(vec_rows_decode(codec, slices + 700, rows.count - 700, chunk, to, 0, 700, &err));
    duckdb_data_chunk_set_size(chunk, rows.count);
    OK(vec_rows_encode(odd, chunk, &again, &err));
    for (idx_t i = 0; i < rows.count; i++)
        if (i != 700)
            assert_true(slice_eq(vec_row(&part, i), vec_row(&again, i)));
    assert_int_equal(vec_row(&again, 700).len, (w.columns.count / 2 + 7) / 8);
    slices[3].len--;
    assert_int_equal(vec_rows_decode(codec, slices, 9, chunk, NULL, 0, 0, &err), ERR_CORRUPT);
    duckdb_destroy_data_chunk(&chunk);
    vec_rows_deinit(&rows);
    vec_rows_deinit(&part);
    vec_rows_deinit(&again);
    vec_codec_free(codec);
    vec_codec_free(odd);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were),
        cmocka_unit_test(rows_are_equal_when_group_by_says_so),
        cmocka_unit_test(bytes_that_are_cut_are_refused),
        cmocka_unit_test(many_rows_are_decoded_by_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
