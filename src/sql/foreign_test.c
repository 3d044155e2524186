/* foreign_test.c - quotes of other engines' views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/foreign.h"
#include "sql/sql.h"

static const struct sample {
    const char *dialect, *text, *becomes;
} samples[] = {
    {"trino", "SELECT \"a\", 'it''s \"b\"' FROM \"x\".\"y\"\"z\"",
     "SELECT `a`, 'it''s \"b\"' FROM `x`.`y\"z`"},
    {"trino", "SELECT \"a`b\" -- \"c\"\nFROM t /* \"d\" */",
     "SELECT `a``b` -- \"c\"\nFROM t /* \"d\" */"},
    {"trino", "SELECT 'a\\'", "SELECT 'a\\'"},
    {"duckdb", "SELECT \"\"\"\"", "SELECT `\"`"},
    {"spark", "SELECT `a`, \"it's\", 'q\\'s', \"\\\"\" FROM t",
     "SELECT `a`, 'it''s', 'q''s', '\"' FROM t"},
    {"flink", "SELECT \"a\"", "SELECT \"a\""},
    {"mysql", "SELECT \"a\"", "SELECT \"a\""},
    {"trino", "SELECT \"open", "SELECT `open"},
    {"trino", "SELECT 'open\"", "SELECT 'open\""},
    {"spark", "'a\\", "'a\\"},
    {"trino", "/* open \"", "/* open \""},
    {"trino", "", ""},
};

static void quotes_become_those_of_flink(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct arena arena = {0};
        const struct sample *s = &samples[i];

        assert_string_equal(sql_foreign_quotes(s->text, s->dialect, &arena), s->becomes);
        arena_deinit(&arena);
    }
}

/* What was closed stays closed: the parser takes it, and no text between quotes becomes SQL. */
static void a_quoted_text_stays_one_token(void **state)
{
    static const char *const queries[] = {
        "SELECT \"a'b\" FROM t",
        "SELECT '\"' AS \"x\"\"`\" FROM t",
        "SELECT \"`\" FROM \"--\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct arena arena = {0};
        struct sql_query *query;
        struct err err = {0};

        if (sql_parse_query(slice_str(sql_foreign_quotes(queries[i], "trino", &arena)), &arena,
                            &query, &err))
            fail_msg("%s: %s", queries[i], err.text);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_become_those_of_flink),
        cmocka_unit_test(a_quoted_text_stays_one_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
