/* rows_test.c - small parts of connectors: Kafka's hash, patterns of faker, rows in Flink's words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "connector/faker.h"
#include "connector/kafka_sink_int.h"
#include "connector/row_text.h"

/* Values of Kafka's own client. */
static void keys_find_the_partition_that_kafka_gives_them(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } cases[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal((int32_t)kafka_murmur2(slice_str(cases[i].key)), cases[i].hash);
}

static void patterns_make_what_they_match(void **state)
{
    static const char *const wrong[] = {"(a", "[a", "a{2", "*", "a)", "[z-a]", "a{3,2}", "a\\"};
    struct faker_draw draw = {.state = 1};
    struct buf out = {0};
    struct err err = {0};
    bool seen[3] = {false};

    (void)state;
    for (int i = 0; i < 200; i++) {
        const char *text;

        buf_clear(&out);
        assert_int_equal(faker_regexify("(ab|c){2}-\\d[x-z]?", &draw, &out, &err), 0);
        text = buf_cstr(&out);
        assert_non_null(strchr(text, '-'));
        seen[0] |= !strncmp(text, "abab", 4);
        seen[1] |= !strncmp(text, "cc", 2);
        seen[2] |= text[out.len - 1] == 'y';
        for (const char *c = text; *c; c++)
            assert_non_null(strchr("abc-0123456789xyz", *c));
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(faker_regexify(wrong[i], &draw, &out, &err), ERR_INVALID);
    buf_deinit(&out);
}

static void rows_are_spelled_as_flink_prints_them(void **state)
{
    static const duckdb_type types[] = {DUCKDB_TYPE_VARCHAR,      DUCKDB_TYPE_DOUBLE,
                                        DUCKDB_TYPE_BLOB,         DUCKDB_TYPE_TIMESTAMP,
                                        DUCKDB_TYPE_TIMESTAMP_TZ, DUCKDB_TYPE_TIME};
    struct vec_columns columns = {0};
    struct buf out = {0};
    duckdb_data_chunk chunk;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        assert_int_equal(vec_columns_add(&columns, "c", duckdb_create_logical_type(types[i])), 0);
    assert_int_equal(vec_columns_add(&columns, "d", duckdb_create_decimal_type(10, 8)), 0);
    assert_int_equal(
        vec_columns_add(&columns, "$row_kind", duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)),
        0);
    chunk = vec_chunk_new(&columns);
    duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 0), 0, "a, b");
    ((double *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[0] = 1e10;
    duckdb_vector_assign_string_element_len(duckdb_data_chunk_get_vector(chunk, 2), 0, "\xff\x01",
                                            2);
    for (idx_t c = 3; c < 5; c++)
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, c)))[0] =
            c == 3 ? 1704067200000000 : 1704067201500000;
    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 5)))[0] = 3600000000;
    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 6)))[0] = 12;
    ((uint8_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 7)))[0] = 2;
    assert_int_equal(flink_row_text(&columns, chunk, 0, &out, NULL), 0);
    assert_string_equal(buf_cstr(&out), "+U[a, b, 1.0E10, [-1, 1], 2024-01-01T00:00, "
                                        "2024-01-01T00:00:01.500Z, 01:00, 1.2E-7]");
    vec_set_null(duckdb_data_chunk_get_vector(chunk, 0), 0);
    buf_clear(&out);
    assert_int_equal(flink_row_text(&columns, chunk, 0, &out, NULL), 0);
    assert_true(!strncmp(buf_cstr(&out), "+U[null, ", 9));
    buf_deinit(&out);
    duckdb_destroy_data_chunk(&chunk);
    vec_columns_free(&columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_find_the_partition_that_kafka_gives_them),
        cmocka_unit_test(patterns_make_what_they_match),
        cmocka_unit_test(rows_are_spelled_as_flink_prints_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
