/* Types print as Flink prints them and read back; the rules between two types are Flink's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/types.h"

static const struct sql_type *parse(struct arena *arena, const char *text)
{
    const struct sql_type *type;
    struct err err = {0};

    if (sql_type_parse(text, arena, &type, &err))
        fail_msg("%s: %s", text, err.text);
    return type;
}

static const struct {
    const char *written, *printed, *duckdb;
} spellings[] = {
    {"STRING", "STRING", "VARCHAR"},
    {"VARCHAR(2147483647)", "STRING", "VARCHAR"},
    {"VARCHAR", "VARCHAR(1)", "VARCHAR"},
    {"CHARACTER VARYING(3)", "VARCHAR(3)", "VARCHAR"},
    {"CHAR(5) NOT NULL", "CHAR(5) NOT NULL", "VARCHAR"},
    {"BYTES", "BYTES", "BLOB"},
    {"NUMERIC(4, 1)", "DECIMAL(4, 1)", "DECIMAL(4,1)"},
    {"DEC", "DECIMAL(10, 0)", "DECIMAL(10,0)"},
    {"INTEGER", "INT", "INTEGER"},
    {"REAL", "FLOAT", "FLOAT"},
    {"DOUBLE PRECISION", "DOUBLE", "DOUBLE"},
    {"TIMESTAMP", "TIMESTAMP(6)", "TIMESTAMP"},
    {"TIMESTAMP(9) WITHOUT TIME ZONE", "TIMESTAMP(9)", "TIMESTAMP_NS"},
    {"TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)", "TIMESTAMP WITH TIME ZONE"},
    {"INT ARRAY NOT NULL", "ARRAY<INT> NOT NULL", "INTEGER[]"},
    {"ARRAY<ROW<a INT NOT NULL, `b c` MAP<STRING, BIGINT>>>",
     "ARRAY<ROW<`a` INT NOT NULL, `b c` MAP<STRING, BIGINT>>>",
     "STRUCT(\"a\" INTEGER, \"b c\" MAP(VARCHAR, BIGINT))[]"},
    {"MULTISET<STRING>", "MULTISET<STRING>", "MAP(VARCHAR, INTEGER)"},
    {"ROW(a INT)", "ROW<`a` INT>", "STRUCT(\"a\" INTEGER)"},
    {"INTERVAL DAY(3) TO SECOND(6)", "INTERVAL DAY(3) TO SECOND(6)", "INTERVAL"},
    {"INTERVAL YEAR TO MONTH", "INTERVAL YEAR TO MONTH", "INTERVAL"},
};

static void types_print_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        struct arena arena = {0};
        const struct sql_type *type = parse(&arena, spellings[i].written);
        const char *text = sql_type_text(&arena, type);
        struct buf duckdb;

        assert_string_equal(text, spellings[i].printed);
        assert_true(sql_type_eq(parse(&arena, text), type));
        buf_init(&duckdb, 0);
        assert_int_equal(sql_type_print_duckdb(type, &duckdb), 0);
        assert_string_equal(buf_cstr(&duckdb), spellings[i].duckdb);
        buf_deinit(&duckdb);
        arena_deinit(&arena);
    }
}

static const struct {
    const char *a, *b, *common; /* NULL: none */
} commons[] = {
    {"INT", "BIGINT NOT NULL", "BIGINT"},
    {"INT NOT NULL", "BIGINT NOT NULL", "BIGINT NOT NULL"},
    {"INT", "DECIMAL(10, 2)", "DECIMAL(12, 2)"},
    {"DECIMAL(10, 2)", "DECIMAL(20, 10)", "DECIMAL(20, 10)"},
    {"DECIMAL(38, 0)", "DECIMAL(38, 38)", "DECIMAL(38, 0)"},
    {"FLOAT", "INT", "FLOAT"},
    {"FLOAT", "DECIMAL(5, 1)", "DOUBLE"},
    {"CHAR(1)", "CHAR(3)", "VARCHAR(3)"},
    {"CHAR(3)", "STRING", "STRING"},
    {"NULL", "INT NOT NULL", "INT"},
    {"DATE", "TIMESTAMP(3)", "TIMESTAMP(3)"},
    {"TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(6)"},
    {"ARRAY<INT>", "ARRAY<BIGINT>", "ARRAY<BIGINT>"},
    {"ROW<a INT>", "ROW<b DOUBLE>", "ROW<`a` DOUBLE>"},
    {"INT", "STRING", NULL},
    {"TIME", "DATE", NULL},
    {"ROW<a INT>", "ROW<a INT, b INT>", NULL},
    {"ARRAY<INT>", "ARRAY<STRING>", NULL},
};

static void the_common_type_is_flinks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(commons); i++) {
        struct arena arena = {0};
        const struct sql_type *a = parse(&arena, commons[i].a), *b = parse(&arena, commons[i].b);
        const struct sql_type *one = sql_type_common(&arena, a, b);
        const struct sql_type *other = sql_type_common(&arena, b, a);

        if (commons[i].common) {
            assert_non_null(one);
            assert_string_equal(sql_type_text(&arena, one), commons[i].common);
            assert_non_null(other);
        } else {
            assert_null(one);
            assert_null(other);
        }
        arena_deinit(&arena);
    }
}

static const struct {
    char op;
    int p1, s1, p2, s2, precision, scale;
} decimals[] = {
    {'+', 10, 2, 20, 10, 21, 10}, {'+', 38, 10, 38, 2, 38, 6},  {'*', 10, 2, 20, 10, 31, 12},
    {'*', 38, 18, 38, 18, 38, 6}, {'/', 10, 2, 20, 10, 38, 20}, {'/', 10, 2, 10, 0, 21, 13},
    {'/', 2, 1, 10, 0, 13, 12},   {'%', 10, 2, 20, 10, 18, 10},
};

static void decimal_results_are_flinks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(decimals); i++) {
        int precision, scale;

        sql_decimal_result(decimals[i].op, decimals[i].p1, decimals[i].s1, decimals[i].p2,
                           decimals[i].s2, &precision, &scale);
        assert_int_equal(precision, decimals[i].precision);
        assert_int_equal(scale, decimals[i].scale);
    }
}

static const struct {
    const char *from, *to;
    bool assignable, castable;
} casts[] = {
    {"INT", "BIGINT", true, true},
    {"BIGINT", "INT", false, true},
    {"STRING", "INT", false, true},
    {"DOUBLE", "FLOAT", false, true},
    {"INT", "DECIMAL(10, 2)", true, true},
    {"DECIMAL(20, 2)", "DECIMAL(10, 2)", true, true},
    {"TIMESTAMP(3)", "TIMESTAMP_LTZ(3)", true, true},
    {"TIMESTAMP(3)", "DATE", true, true},
    {"INT", "DATE", false, false},
    {"BOOLEAN", "STRING", false, true},
    {"TIME", "DATE", false, false},
    {"ROW<a INT>", "ROW<b BIGINT>", true, true},
    {"ROW<a INT>", "ROW<a INT, b INT>", false, false},
    {"ARRAY<STRING>", "ARRAY<INT>", false, true},
    {"MAP<STRING, INT>", "STRING", false, true},
    {"NULL", "ROW<a INT>", true, true},
};

static void casts_exist_where_flinks_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(casts); i++) {
        struct arena arena = {0};
        const struct sql_type *from = parse(&arena, casts[i].from),
                              *to = parse(&arena, casts[i].to);

        if (sql_type_assignable(from, to) != casts[i].assignable ||
            sql_type_castable(from, to) != casts[i].castable)
            fail_msg("%s to %s", casts[i].from, casts[i].to);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_print_and_read_back),
        cmocka_unit_test(the_common_type_is_flinks),
        cmocka_unit_test(decimal_results_are_flinks),
        cmocka_unit_test(casts_exist_where_flinks_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
