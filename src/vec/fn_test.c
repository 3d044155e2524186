/* fn_test.c - Flink's functions in DuckDB: what the recorded vectors cannot say (seeds, limits,
 * many rows at once, types of results). The vectors themselves are in tests/vectors. */
#include "vec/test_db.h"
#include "vec/zone.h"

/* One value as text; an error as "!..." */
static void ask(const char *expression, char *out, size_t size)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    struct err err = {0};
    char sql[4096];

    snprintf(sql, sizeof(sql), "SELECT CAST(%s AS VARCHAR)", expression);
    if (vec_query(conn, sql, &result, &err) || vec_result_next(result, &chunk, &err)) {
        snprintf(out, size, "!%s", err.text);
    } else {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
        duckdb_string_t *text = duckdb_vector_get_data(vector);

        if (duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), 0))
            snprintf(out, size, "%.*s", (int)duckdb_string_t_length(*text),
                     duckdb_string_t_data(text));
        else
            snprintf(out, size, "NULL");
    }
    vec_result_free(result);
}

struct sample {
    const char *in, *out; /* "!" in front: an error that holds the rest */
};

static void check(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char got[1000];

        ask(samples[i].in, got, sizeof(got));
        if (samples[i].out[0] == '!' ? got[0] != '!' || !strstr(got, samples[i].out + 1)
                                     : strcmp(got, samples[i].out) != 0)
            fail_msg("%s: got %s, not %s", samples[i].in, got, samples[i].out);
    }
}

static void integers_wrap_and_divide_as_java_does(void **state)
{
    static const struct sample samples[] = {
        {"flink_add(127::TINYINT, 1::TINYINT)", "-128"},
        {"typeof(flink_add(127::TINYINT, 1::TINYINT))", "TINYINT"},
        {"flink_multiply(9223372036854775807, 2::BIGINT)", "-2"},
        {"flink_divide((-2147483648)::INTEGER, -1)", "-2147483648"},
        {"flink_divide(7, 0)", "!division by zero"},
        {"flink_divide(7.0::DOUBLE, 0::DOUBLE)", "inf"},
        {"typeof(flink_mod(10::BIGINT, 3::TINYINT))", "TINYINT"},
        {"flink_eq('nan'::DOUBLE, 'nan'::DOUBLE)", "false"},
        {"flink_round(2.675::DOUBLE, 2)", "2.68"},
        {"flink_round(-1.005::DOUBLE, 2)", "-1.01"},
        {"flink_round(12355, -1)", "12360"},
        {"flink_rand(1)", "0.7308781907032909"},
        {"flink_rand_integer(42, 1000000)", "431130"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

static void decimals_are_exact_in_any_width(void **state)
{
    static const struct sample samples[] = {
        {"flink_dec_add_2(1.5::DECIMAL(3,1), 2.25::DECIMAL(38,2), 38)", "3.75"},
        {"flink_dec_sub_0(99999999999999999999999999999999999999::DECIMAL(38,0), -1, 38)", "NULL"},
        {"flink_dec_mul_6(12345678901234567890.123456789::DECIMAL(38,18), "
         "0.0000000001::DECIMAL(38,18), 38)",
         "1234567890.123457"},
        {"flink_dec_div_6(1.5::DECIMAL(2,1), -7.25::DECIMAL(3,2), 9)", "-0.206897"},
        {"flink_dec_div_6(1::DECIMAL(5,2), 0, 9)", "!division by zero"},
        {"flink_dec_mod_2(-1.5::DECIMAL(2,1), -7.25::DECIMAL(3,2), 3)", "-1.50"},
        {"flink_dec_round_0(2.5::DECIMAL(2,1))", "3"},
        {"flink_dec_round_0(-2.5::DECIMAL(2,1), -1)", "0"},
        {"flink_dec_truncate_1(2.59::DECIMAL(3,2), 1)", "2.5"},
        {"flink_dec_ceil_0(-1.55::DECIMAL(3,2), 3)", "-1"},
        {"flink_dec_floor_0(-1.55::DECIMAL(3,2), 3)", "-2"},
        {"flink_to_dec_2('1.005', 5)", "1.01"},
        {"flink_to_dec_2('99999', 5)", "!does not fit"},
        {"flink_try_to_dec_2('abc', 5)", "NULL"},
        {"flink_to_dec_2(1.005::DOUBLE, 5)", "1.01"},
        {"flink_to_dec_10('1e-10', 38)", "0.0000000001"},
        {"typeof(flink_to_dec_2(7, 5))", "DECIMAL(38,2)"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

static void text_counts_code_points(void **state)
{
    static const struct sample samples[] = {
        {"flink_substring('😀ab', 2)", "ab"},
        {"flink_substring('hello', -3, 2)", "ll"},
        {"flink_upper('straße')", "STRASSE"},
        {"flink_lower('ΣΑΣ')", "σας"},
        {"flink_initcap('hello wORLD')", "Hello World"},
        {"flink_lpad('hi', 5, '語')", "語語語hi"},
        {"flink_like('a_c', 'a!_c', '!')", "true"},
        {"flink_regexp_extract('foobar', '(?<=foo)bar', 0)", "bar"},
        {"flink_regexp_replace('a1b2', '([a-z])([0-9])', '$2$1')", "$2$1$2$1"},
        {"flink_regexp('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '^(a+)+$')", "!takes too long"},
        {"flink_repeat('x', 2147483647)", "!past"},
        {"flink_str_to_map('k1=v1,k2=v2')['k2']", "v2"},
        {"flink_split('a,b,', ',')", "[a, b, '']"},
        {"flink_parse_url('http://h/p?a=1&b=2', 'QUERY', 'b')", "2"},
        {"flink_decode(flink_encode('é', 'UTF-16'), 'UTF-16')", "é"},
        {"flink_sha2('test', 224)", "90a3ed9e32b2aaf4c61c410eb925426119e1a9dc53d4286ade99a809"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

static void zones_follow_the_tz_database(void **state)
{
    static const struct sample samples[] = {
        {"flink_ts_to_ltz(TIMESTAMP '2024-03-10 02:30:00', 'America/New_York')",
         "2024-03-10 07:30:00+00"},
        {"flink_ts_to_ltz(TIMESTAMP '2024-11-03 01:30:00', 'America/New_York')",
         "2024-11-03 05:30:00+00"},
        {"flink_ts_to_ltz(TIMESTAMP '2100-07-01 00:00:00', 'America/New_York')",
         "2100-07-01 04:00:00+00"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '2100-01-01 00:00:00+00', 'Australia/Sydney')",
         "2100-01-01 11:00:00"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '1883-01-01 12:00:00+00', 'America/New_York')",
         "1883-01-01 07:03:58"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '2024-01-01 00:00:00+00', 'GMT+8')", "2024-01-01 08:00:00"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '2024-01-01 00:00:00+00', '-05:30')", "2023-12-31 18:30:00"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '2024-01-01 00:00:00+00', 'Nope/Zone')",
         "!unknown time zone"},
        {"flink_ltz_to_ts(TIMESTAMPTZ '2024-01-01 00:00:00+00', '../../etc/passwd')",
         "!unknown time zone"},
        {"flink_date_format(TIMESTAMP '2024-02-29 14:05:06.789', 'EEEE, d. MMMM yyyy h:mm a', "
         "'UTC')",
         "Thursday, 29. February 2024 2:05 PM"},
        {"flink_to_timestamp('29/02/2024 10:11', 'dd/MM/yyyy HH:mm')", "2024-02-29 10:11:00"},
        {"flink_unix_timestamp('2024-02-29 10:11:12', 'Asia/Shanghai')", "1709172672"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

static void json_paths_find_values(void **state)
{
    static const struct sample samples[] = {
        {"flink_json_value('{\"o\": {\"x\": [10, 20]}}', '$.o.x[-1]', 'NULL', NULL, 'NULL', NULL)",
         "20"},
        {"flink_json_value('{}', 'lax $.x', 'DEFAULT', 5, 'NULL', NULL)", "5"},
        {"flink_json_query('{\"l\": [1, \"x\", null]}', '$.l', 'WITHOUT', 'NULL', 'NULL')",
         "[1,\"x\",null]"},
        {"flink_json_string({'a': 1, 'b': [1.50, NULL]}, 'UTC')", "{\"a\":1,\"b\":[1.5,null]}"},
        {"flink_json_object('NULL', 'z', '1', 'a', NULL)", "{\"a\":null,\"z\":1}"},
        {"flink_nested_to_string([1, NULL], '', 'UTC')", "[1, NULL]"},
        {"flink_is_json('[1', 'VALUE')", "false"},
        {"flink_json_value(repeat('[', 100000), '$', 'NULL', NULL, 'NULL', NULL)", "NULL"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

static void collections_keep_nulls_and_order(void **state)
{
    static const struct sample samples[] = {
        {"flink_array_distinct([3, 1, NULL, 1, NULL])", "[3, 1, NULL]"},
        {"flink_array_union([1, 2, NULL], [2, 3])", "[1, 2, NULL, 3]"},
        {"flink_array_intersect([1, 2, 2, NULL], [NULL, 1])", "[1, NULL]"},
        {"flink_array_except([1, 2, NULL], [2, 3])", "[1, NULL]"},
        {"flink_array_sort([3, NULL, 1], false)", "[3, 1, NULL]"},
        {"flink_array_slice(['a', 'b', 'c', 'd', 'e'], -3, -2)", "[c, d]"},
        {"flink_array_slice(['a', 'b', 'c'], 6, 7)", "[]"},
        {"flink_array_join(['a', NULL, 'b'], '-', 'N')", "a-N-b"},
        {"flink_element([1, 2])", "!more than one"},
        {"flink_map_from_arrays(['a', 'a'], [1, 2])", "{a=2}"},
        {"flink_map_union(MAP {'a': 1, 'b': 2}, MAP {'b': 3})", "{a=1, b=3}"},
        {"flink_multiset_of_list(['x', 'y', 'x'])", "{x=2, y=1}"},
        {"flink_greatest(1, NULL, 3)", "NULL"},
        {"flink_least('b', 'a', 'c')", "a"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

/* Goal: rows do not mix. Method: 10,000 rows, some NULL, through functions with scratch memory. */
static void many_rows_and_nulls_in_one_call(void **state)
{
    static const struct sample samples[] = {
        {"(SELECT concat_ws('|', count(u), sum(length(u)), count(DISTINCT u)) FROM (SELECT "
         "flink_upper(CASE WHEN i % 3 = 0 THEN NULL ELSE 'row number ' || i END) u FROM "
         "range(10000) "
         "t(i)))",
         "6666|99252|6666"},
        {"(SELECT count(DISTINCT flink_rand(7)) FROM range(10000))", "10000"},
        {"(SELECT sum(cardinality(flink_str_to_map('a=' || i || ',b=' || i))) FROM range(5000) "
         "t(i))",
         "10000"},
        {"(SELECT sum(CAST(flink_str_to_map('a=' || i || ',b=1')['a'] AS BIGINT)) FROM range(5000) "
         "t(i))",
         "12497500"},
    };

    (void)state;
    check(samples, COUNT_OF(samples));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_wrap_and_divide_as_java_does),
        cmocka_unit_test(decimals_are_exact_in_any_width),
        cmocka_unit_test(text_counts_code_points),
        cmocka_unit_test(zones_follow_the_tz_database),
        cmocka_unit_test(json_paths_find_values),
        cmocka_unit_test(collections_keep_nulls_and_order),
        cmocka_unit_test(many_rows_and_nulls_in_one_call),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
