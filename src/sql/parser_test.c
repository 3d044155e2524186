/* Statements of every kind parse to the tree they should, and bad ones are refused by place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/sql.h"

static const char payments[] =
    "-- the four streams of the payments example\n"
    "SET 'execution.checkpointing.interval' = '5 s';\n"
    "CREATE CATALOG polaris_catalog WITH ('type'='iceberg','catalog-type'='rest',\n"
    "  'uri'='http://localhost:8181/api/catalog','warehouse'='polariscatalog');\n"
    "CREATE DATABASE IF NOT EXISTS polaris_catalog.payments_db;\n"
    "CREATE TABLE kafka_payment_charges (\n"
    "  charge_id STRING, amount DECIMAL(18,2), created_at TIMESTAMP(3),\n"
    "  `partition` INT METADATA VIRTUAL, `offset` BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,\n"
    "  cents AS CAST(amount * 100 AS BIGINT) COMMENT 'whole cents',\n"
    "  PRIMARY KEY (charge_id) NOT ENFORCED,\n"
    "  WATERMARK FOR created_at AS created_at - INTERVAL '5' SECOND\n"
    ") COMMENT 'charges' PARTITIONED BY (charge_id) WITH ('connector'='kafka','format'='json');\n"
    "CREATE VIEW big AS SELECT * FROM kafka_payment_charges WHERE amount > 100;\n"
    "EXECUTE STATEMENT SET BEGIN\n"
    "  INSERT INTO polaris_catalog.payments_db.payment_charges SELECT * FROM big;\n"
    "  INSERT INTO other (a, b) SELECT charge_id, amount FROM kafka_payment_charges;\n"
    "END;\n"
    "BEGIN STATEMENT SET; INSERT INTO t SELECT 1; INSERT INTO u VALUES (1, 'a'); END;\n"
    "SHOW TABLES; EXIT;\n";

static struct sql_script parse(struct arena *arena, const char *text)
{
    struct sql_script script = {0};
    struct err err = {0};

    if (sql_parse_script(slice_str(text), arena, &script, &err))
        fail_msg("%s\n%s", err.text, text);
    return script;
}

static void reads_the_payments_script(void **state)
{
    struct arena arena = {0};
    struct sql_script script = parse(&arena, payments);
    const struct sql_create_table *table;

    (void)state;
    assert_int_equal(script.count, 9);
    assert_int_equal(script.list[0]->kind, SQL_STMT_SET);
    assert_string_equal(script.list[0]->set->value, "5 s");
    assert_int_equal(script.list[1]->create_catalog->options.count, 4);
    assert_int_equal(script.list[2]->create_database->name.count, 2);
    table = script.list[3]->create_table;
    assert_int_equal(table->schema.column_count, 6);
    assert_int_equal(table->schema.columns[1].type->kind, SQL_DECIMAL);
    assert_int_equal(table->schema.columns[1].type->scale, 2);
    assert_int_equal(table->schema.columns[3].kind, SQL_COLUMN_METADATA);
    assert_true(table->schema.columns[3].is_virtual);
    assert_false(table->schema.columns[4].type->nullable);
    assert_int_equal(table->schema.columns[5].kind, SQL_COLUMN_COMPUTED);
    assert_int_equal(table->schema.constraint_count, 1);
    assert_true(table->schema.constraints[0].not_enforced);
    assert_non_null(table->schema.watermark);
    assert_int_equal(table->partition_count, 1);
    assert_int_equal(script.list[4]->kind, SQL_STMT_CREATE_VIEW);
    assert_int_equal(script.list[5]->kind, SQL_STMT_STATEMENT_SET);
    assert_int_equal(script.list[5]->set_of->count, 2);
    assert_int_equal(script.list[5]->set_of->list[1]->insert->column_count, 2);
    assert_int_equal(script.list[6]->set_of->count, 2);
    assert_int_equal(script.list[8]->kind, SQL_STMT_CLIENT);
    arena_deinit(&arena);
}

static const struct {
    const char *text, *error;
} refused[] = {
    {"SELEC 1", "line 1, column 1: found 'SELEC', expected a statement; did you mean SELECT?"},
    {"SELECT a FROM", "line 1, column 14: found the end, expected a name of a table"},
    {"SELECT 'abc", "line 1, column 8: this string has no end"},
    {"SELECT\n  a b c FROM t",
     "line 2, column 7: found 'c', expected ; or the end of the statement"},
    {"CREATE TABLE t (a STRNG)", "line 1, column 19: unknown type 'STRNG'; did you mean STRING?"},
    {"CREATE TABLE t (a TEXT)", "line 1, column 19: unknown type 'TEXT'; did you mean STRING?"},
    {"CREATE TABLE t (a DECIMAL(40, 2))",
     "line 1, column 27: the precision must be between 1 and 38"},
    {"SELECT \"a\" FROM t",
     "line 1, column 8: double quotes mean nothing in Flink SQL: 'text' or `name`"},
    {"SELECT user FROM value",
     "line 1, column 18: found 'value', expected a name of a table; a reserved word is a name only "
     "as `value`"},
    {"SELECT X'1'", "line 1, column 8: X'...' takes an even number of digits"},
    {"SELECT * FROM t /* no end", "line 1, column 17: this comment has no end"},
    {"SELECT INTERVAL 5 DAY",
     "line 1, column 17: the value of an interval stands in quotes: INTERVAL '5' ..."},
    {"SHOW TABELS", "line 1, column 6: found 'TABELS' after SHOW; did you mean TABLES?"},
    {"CREATE TABLE t (a INT,)",
     "line 1, column 23: found ')', expected a name of a column, WATERMARK or a constraint"},
};

static void refuses_by_place_and_says_what_it_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct arena arena = {0};
        struct sql_script script;
        struct err err = {0};

        assert_int_equal(sql_parse_script(slice_str(refused[i].text), &arena, &script, &err),
                         ERR_INVALID);
        assert_string_equal(err.text, refused[i].error);
        arena_deinit(&arena);
    }
}

static void note(void *arg, const struct err *err)
{
    struct buf *out = arg;

    buf_printf(out, "%s\n", err->text);
}

static void tells_every_mistake_of_a_script(void **state)
{
    static const char script[] =
        "SELEC 1;\nSELECT 2;\nCREATE TABLE t (a TEXT);\nEXECUTE STATEMENT SET BEGIN\n"
        "INSERT INTO a SELECT FROM b;\nINSERT INTO c SELECT 1;\nEND;\nSHOW TABELS";
    struct arena arena = {0};
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    assert_int_equal(sql_parse_mistakes(SLICE_LIT(script), &arena, note, &out), 4);
    assert_string_equal(
        buf_cstr(&out),
        "line 1, column 1: found 'SELEC', expected a statement; did you mean SELECT?\n"
        "line 3, column 19: unknown type 'TEXT'; did you mean STRING?\n"
        "line 5, column 22: found 'FROM', expected an expression\n"
        "line 8, column 6: found 'TABELS' after SHOW; did you mean TABLES?\n");
    assert_int_equal(sql_parse_mistakes(slice_str(payments), &arena, NULL, NULL), 0);
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void bounds_nesting(void **state)
{
    struct arena arena = {0};
    struct sql_expr *expr;
    struct err err = {0};
    char text[3000];

    (void)state;
    memset(text, '(', sizeof(text));
    assert_int_equal(sql_parse_expr(slice_of(text, sizeof(text)), &arena, &expr, &err), ERR_LIMIT);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? ' ' : '-';
    assert_int_equal(sql_parse_expr(slice_of(text, sizeof(text)), &arena, &expr, &err), ERR_LIMIT);
    arena_deinit(&arena);
}

static void precedence_is_calcites(void **state)
{
    struct arena arena = {0};
    struct sql_expr *expr;

    (void)state;
    assert_int_equal(
        sql_parse_expr(SLICE_LIT("NOT a = b + 1 IS NULL AND -x * y < 3 OR c"), &arena, &expr, NULL),
        0);
    assert_int_equal(expr->op, SQL_OP_OR);
    expr = expr->args.list[0];
    assert_int_equal(expr->op, SQL_OP_AND);
    assert_int_equal(expr->args.list[1]->op, SQL_OP_LT);
    assert_int_equal(expr->args.list[1]->args.list[0]->op, SQL_OP_TIMES);
    expr = expr->args.list[0];
    assert_int_equal(expr->op, SQL_OP_NOT);
    expr = expr->args.list[0];
    assert_int_equal(expr->kind, SQL_EXPR_IS);
    assert_int_equal(expr->args.list[0]->op, SQL_OP_EQ);
    arena_deinit(&arena);
}

static void finds_the_end_of_a_statement(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"SELECT 1; SELECT 2", 9},
        {"SELECT ';' -- ;\n", 0},
        {"SELECT `;` /* ; */ ;", 20},
        {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;", 56},
        {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", 0},
        {"SELECT CASE WHEN a THEN 1 END; x", 30},
        {"BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END; x", 49},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(sql_statement_len(slice_str(cases[i].text)), cases[i].len);
}

static void survives_each_failed_allocation(void **state)
{
    int rc = ERR_NOMEM;

    (void)state;
    for (int nth = 1; rc == ERR_NOMEM; nth++) {
        struct arena arena = {.fail_at = nth};
        struct sql_script script;
        struct err err = {0};

        rc = sql_parse_script(slice_str(payments), &arena, &script, &err);
        arena_deinit(&arena);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_payments_script),
        cmocka_unit_test(refuses_by_place_and_says_what_it_expected),
        cmocka_unit_test(tells_every_mistake_of_a_script),
        cmocka_unit_test(bounds_nesting),
        cmocka_unit_test(precedence_is_calcites),
        cmocka_unit_test(finds_the_end_of_a_statement),
        cmocka_unit_test(survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
