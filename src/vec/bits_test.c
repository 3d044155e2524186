/* bits_test.c - tarn_kept says of each row what the set says, in whatever order rows are asked for.
 */
#include "vec/test_db.h"

#define FILES 3
#define ROWS  5003 /* more than two chunks, and no multiple of 64 */

/* Some rows here, runs of them there; none of the file 1. The query says the same in SQL. */
static bool is_gone(int64_t file, int64_t row)
{
    return file != 1 && row >= 0 && row < ROWS && (row * 7919 % 13 < 3 || row / 100 % 9 == file);
}
#define GONE /* in a format */                                                                     \
    "(f <> 1 AND r BETWEEN 0 AND 5002 AND (r * 7919 %% 13 < 3 OR r // 100 %% 9 = f::BIGINT))"

static struct vec_bits *a_set(void)
{
    static int64_t gone[ROWS];
    struct vec_bits *bits;
    struct err err = {0};

    assert_int_equal(vec_bits_new(&bits, conn, FILES, &err), 0);
    for (size_t file = 0; file < FILES; file++) {
        size_t count = 0;

        for (int64_t row = 0; row < ROWS; row++)
            if (is_gone((int64_t)file, row))
                gone[count++] = row;
        if (count)
            assert_int_equal(vec_bits_set(bits, file, gone, count, ROWS, &err), 0);
    }
    return bits;
}

/* The first value of the query's first row; -1: it failed. */
static int64_t ask(const char *sql)
{
    struct vec_result *result;
    duckdb_data_chunk chunk;
    struct err err = {0};
    int64_t answer = -1;

    if (vec_query(conn, sql, &result, &err))
        return -1;
    if (!vec_result_next(result, &chunk, &err) && chunk)
        answer = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    vec_result_free(result);
    return answer;
}

/* Goal: rows are told by eights where they come one after the other, by themselves elsewhere, and
 * both say the same. Method: the same rows in orders that a scan gives and in orders it does not,
 * from places that are and are not multiples of eight. */
static void each_row_is_told_as_the_set_has_it(void **state)
{
    static const char *const orders[] = {
        "FROM range(-70, 5080) t(r)",
        "FROM range(3, 5003) t(r)",
        "FROM range(4990, 5003) t(r)",
        "FROM range(5002, -1, -1) t(r)",
        "FROM (FROM range(0, 5003) t(r) ORDER BY hash(r))",
        "FROM range(0, 5003) t(r) WHERE r % 11 <> 5",
        "FROM (FROM range(0, 5003) t(r) UNION ALL FROM range(2000, 3000) t(r))",
    };
    struct vec_bits *bits = a_set();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(orders); i++)
        for (int file = 0; file < FILES; file++) {
            char sql[600];

            snprintf(sql, sizeof(sql),
                     "SELECT count(*) FROM (SELECT %d::UBIGINT AS f, r %s) "
                     "WHERE tarn_kept(%d, f, r) = " GONE,
                     file, orders[i], (int)vec_bits_number(bits));
            assert_int_equal(ask(sql), 0);
        }
    vec_bits_free(bits);
}

static void files_may_take_turns_within_a_chunk(void **state)
{
    struct vec_bits *bits = a_set();
    char sql[600];

    (void)state;
    for (int turn = 1; turn < 3000; turn = turn * 3 + 1) {
        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM (SELECT (r // %d %% 3)::UBIGINT AS f, r "
                 "FROM range(0, 5003) t(r)) WHERE tarn_kept(%d, f, r) = " GONE,
                 turn, (int)vec_bits_number(bits));
        assert_int_equal(ask(sql), 0);
    }
    vec_bits_free(bits);
}

static void a_set_or_file_that_is_not_there_fails_the_statement(void **state)
{
    struct vec_bits *bits = a_set();
    char sql[200];

    (void)state;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM range(9) t(r) WHERE tarn_kept(%d, 3, r)",
             (int)vec_bits_number(bits));
    assert_int_equal(ask(sql), -1);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM range(9) t(r) WHERE tarn_kept(%d, 1, r)",
             (int)vec_bits_number(bits));
    assert_int_equal(ask(sql), 9);
    vec_bits_free(bits);
    assert_int_equal(ask(sql), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_told_as_the_set_has_it),
        cmocka_unit_test(files_may_take_turns_within_a_chunk),
        cmocka_unit_test(a_set_or_file_that_is_not_there_fails_the_statement),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
