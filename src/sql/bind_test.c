/* Names, types, plans: what binds, to what, and how the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/flow.h"
#include "sql/sql.h"

static const char schema[] =
    "CREATE TABLE charges (id STRING, amount DECIMAL(18, 2), cur STRING, n INT, b BIGINT NOT NULL, "
    "ts TIMESTAMP(3), tags ARRAY<STRING>, m MAP<STRING, INT>, r ROW<a INT, b STRING>, d DOUBLE, "
    "off BIGINT METADATA FROM 'offset' VIRTUAL, cents AS CAST(amount * 100 AS BIGINT), "
    "PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);"
    "CREATE TABLE customers (id STRING, name STRING NOT NULL);"
    "CREATE TABLE sink (id STRING, amount DECIMAL(18, 2), name STRING, total AS amount * 2);";

struct world {
    struct arena arena;
    struct sql_table tables[8];
    size_t count;
};

static int lookup(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err)
{
    struct world *world = arg;
    const char *known[8], *near;

    for (size_t i = 0; i < world->count; i++) {
        known[i] = world->tables[i].name;
        if (!strcmp(known[i], parts[count - 1])) {
            *out = &world->tables[i];
            return 0;
        }
    }
    near = sql_nearest(parts[count - 1], known, world->count);
    return err_set(err, ERR_NOENT, "unknown table `%s`%s%s%s", parts[count - 1],
                   near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

static struct sql_resolver resolver_of(struct world *world)
{
    return (struct sql_resolver){.table = lookup, .arg = world};
}

static void add_view(struct world *world, const char *name, const char *query)
{
    struct sql_table *view = &world->tables[world->count++];
    struct sql_query *parsed;

    assert_int_equal(sql_parse_query(slice_str(query), &world->arena, &parsed, NULL), 0);
    view->name = name;
    view->view = parsed;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct sql_resolver resolver = resolver_of(world);
    struct sql_script script;
    struct err err = {0};

    assert_int_equal(sql_parse_script(SLICE_LIT(schema), &world->arena, &script, &err), 0);
    for (size_t i = 0; i < script.count; i++) {
        if (sql_table_define(script.list[i]->create_table, NULL, &resolver, &world->arena,
                             &world->tables[i], &err))
            fail_msg("%s", err.text);
        world->count++;
    }
    add_view(world, "big", "SELECT * FROM charges WHERE amount > 100");
    add_view(world, "per_currency", "SELECT cur, COUNT(*) AS n FROM charges GROUP BY cur");
    add_view(world, "ids_of_currency", "SELECT cur, LISTAGG(id) AS ids FROM charges GROUP BY cur");
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    arena_deinit(&world->arena);
    free(world);
    return 0;
}

/* "name TYPE, name TYPE", or the error. */
static const char *typed(struct world *world, struct arena *arena, const char *text)
{
    struct sql_resolver resolver = resolver_of(world);
    const struct sql_output *outputs;
    struct sql_query *query;
    struct sql_bound *bound;
    struct err err = {0};
    const char *result;
    struct buf buf;
    size_t count;

    if (sql_parse_query(slice_str(text), arena, &query, &err) ||
        sql_bind_query(query, &resolver, arena, &bound, &err))
        return arena_strdup(arena, err.text);
    outputs = sql_bound_outputs(bound, &count);
    buf_init(&buf, 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&buf, "%s%s %s", i ? ", " : "", outputs[i].name,
                   sql_type_text(arena, outputs[i].type));
    result = arena_cstr(arena, buf_slice(&buf));
    buf_deinit(&buf);
    return result;
}

/* The left column was typed by Flink 1.20.0 as the right one says. */
static const struct {
    const char *query, *types;
} typings[] = {
    {"SELECT COUNT(*), SUM(amount), AVG(amount), AVG(n), MAX(d) FROM charges",
     "EXPR$0 BIGINT NOT NULL, EXPR$1 DECIMAL(38, 2), EXPR$2 DECIMAL(38, 6), EXPR$3 INT, "
     "EXPR$4 DOUBLE"},
    {"SELECT cur, MAX(b) AS x FROM charges GROUP BY cur", "cur STRING, x BIGINT NOT NULL"},
    {"SELECT b FROM charges GROUP BY ROLLUP (b)", "b BIGINT"},
    {"SELECT n + b, amount * 1.5, amount / n, 1 / 2, n / d FROM charges",
     "EXPR$0 BIGINT, EXPR$1 DECIMAL(21, 3), EXPR$2 DECIMAL(29, 13), EXPR$3 INT NOT NULL, "
     "EXPR$4 DOUBLE"},
    {"SELECT CASE WHEN n > 1 THEN 'a' ELSE 'bcd' END, COALESCE(n, b), 'a' || 'bc' FROM charges",
     "EXPR$0 VARCHAR(3) NOT NULL, EXPR$1 BIGINT NOT NULL, EXPR$2 CHAR(3) NOT NULL"},
    {"SELECT c.id, k.id, k.name FROM charges AS c LEFT JOIN customers AS k ON c.id = k.id",
     "id STRING NOT NULL, id0 STRING, name STRING"},
    {"SELECT id, a.id AS first_id FROM customers AS a FULL JOIN customers AS b USING (id)",
     "id STRING, first_id STRING"},
    {"SELECT * FROM customers AS a JOIN customers AS b USING (id)",
     "id STRING, name STRING NOT NULL, name0 STRING NOT NULL"},
    {"SELECT c.n, t.tag FROM charges AS c CROSS JOIN UNNEST(tags) AS t (tag)", "n INT, tag STRING"},
    {"SELECT 1 AS x UNION ALL SELECT 2.5", "x DECIMAL(11, 1) NOT NULL"},
    {"SELECT r.a, m['k'], tags[1], ROW(1, 'x') FROM charges",
     "a INT, EXPR$1 INT, EXPR$2 STRING, EXPR$3 ROW<`EXPR$0` INT NOT NULL, `EXPR$1` CHAR(1) NOT "
     "NULL> NOT NULL"},
    {"SELECT ROW_NUMBER() OVER (PARTITION BY cur ORDER BY ts) AS rn, LAG(n) OVER (ORDER BY ts) "
     "FROM charges",
     "rn BIGINT NOT NULL, EXPR$1 INT"},
    {"WITH w AS (SELECT id FROM big) SELECT id FROM w WHERE ts_ IS NULL",
     "line 1, column 55: unknown column `ts_`"},
    {"SELECT ts > '2020-01-01 00:00:00', n > '5', CURRENT_DATE FROM charges",
     "EXPR$0 BOOLEAN, EXPR$1 BOOLEAN, CURRENT_DATE DATE NOT NULL"},
    {"VALUES (1, 'x'), (2, 'yyy')", "EXPR$0 INT NOT NULL, EXPR$1 VARCHAR(3) NOT NULL"},
    /* and what is refused */
    {"SELECT amuont FROM charges",
     "line 1, column 8: unknown column `amuont`; did you mean `amount`?"},
    {"SELECT c.amuont FROM charges c",
     "line 1, column 10: unknown column `amuont` in `c`; did you mean `amount`?"},
    {"SELECT 1 FROM chrges", "line 1, column 15: unknown table `chrges`; did you mean `charges`?"},
    {"SELECT UPER(cur) FROM charges",
     "line 1, column 8: unknown function UPER; did you mean UPPER?"},
    {"SELECT r.c FROM charges", "line 1, column 10: unknown field `c`"},
    {"SELECT id FROM charges, customers",
     "line 1, column 8: column `id` is ambiguous: more than one table here has it"},
    {"SELECT cur, n FROM charges GROUP BY cur",
     "line 1, column 13: column `n` is neither in GROUP BY nor inside an aggregate (SELECT)"},
    {"SELECT SUM(COUNT(*)) FROM charges",
     "line 1, column 12: an aggregate inside an aggregate: COUNT"},
    {"SELECT n FROM charges WHERE COUNT(*) > 1",
     "line 1, column 29: WHERE takes no aggregate: COUNT"},
    {"SELECT n FROM charges WHERE n", "line 1, column 29: WHERE takes a condition, not INT"},
    {"SELECT CASE WHEN TRUE THEN 1 ELSE 'a' END",
     "line 1, column 35: the results of this CASE have no common type: CHAR(1) NOT NULL"},
    {"SELECT CAST(tags AS INT) FROM charges",
     "line 1, column 8: ARRAY<STRING> cannot be cast to INT"},
    {"SELECT n FROM charges ORDER BY 2", "line 1, column 32: ORDER BY 2: there are 1 columns"},
    {"SELECT 1 UNION SELECT 1, 2", "line 1, column 10: UNION of 1 and 2 columns"},
    {"SELECT ROW_NUMBER() FROM charges", "line 1, column 8: ROW_NUMBER needs OVER (...)"},
    {"SELECT DATE '2021-02-29'", "line 1, column 8: '2021-02-29' is no date: yyyy-MM-dd"},
    {"SELECT INTERVAL '1:2' DAY", "line 1, column 8: '1:2' is no value of INTERVAL DAY NOT NULL"},
    {"SELECT CURRENT_WATERMARK(ts) FROM charges",
     "line 1, column 26: The argument of CURRENT_WATERMARK() must be a rowtime attribute: tables "
     "at rest have none"},
    {"SELECT * FROM charges FOR SYSTEM_TIME AS OF PROCTIME() AS c",
     "line 1, column 45: a table as it was at each row's time: only a stream has that, "
     "INSERT INTO"},
    {"SELECT * FROM charges FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' AS c",
     "line 1, column 15: an older version of a table cannot be read here"},
    {"SELECT * FROM (SELECT 1) FOR SYSTEM_VERSION AS OF 1",
     "line 1, column 15: only a table has older versions"},
};

static void types_and_refusals_are_flinks(void **state)
{
    for (size_t i = 0; i < COUNT_OF(typings); i++) {
        struct arena arena = {0};

        assert_string_equal(typed(*state, &arena, typings[i].query), typings[i].types);
        arena_deinit(&arena);
    }
}

static const struct {
    const char *insert, *plan; /* DuckDB's text, or the error */
} plans[] = {
    {"INSERT INTO customers SELECT id, UPPER(cur) FROM charges WHERE n = 1",
     "SELECT t3.c0 AS \"id\", CASE WHEN t3.c1 IS NULL THEN error('column `name` of `customers` is "
     "NOT NULL') ELSE t3.c1 END AS \"name\" FROM (SELECT t1.\"id\", flink_upper(t1.\"cur\") FROM "
     "(SELECT *, flink_to_bigint(CAST(flink_dec_mul_2(t2.\"amount\", CAST(100 AS INTEGER), 29) AS "
     "DECIMAL(29,2))) AS \"cents\" FROM feed AS t2) AS t1 WHERE (t1.\"n\" = CAST(1 AS INTEGER))) "
     "AS "
     "t3(c0, c1)"},
    {"INSERT INTO sink (name, id) SELECT name, id FROM customers",
     "SELECT t3.c1 AS \"id\", CAST(NULL AS DECIMAL(18,2)) AS \"amount\", t3.c0 AS \"name\" "
     "FROM (SELECT t2.\"name\", t2.\"id\" FROM feed AS t2) AS t3(c0, c1)"},
    {"INSERT INTO sink SELECT id, amount FROM charges",
     "line 1, column 18: the query has 2 columns, `sink` takes 3"},
    {"INSERT INTO sink SELECT id, cur, cur FROM charges",
     "line 1, column 18: column `amount` of `sink` is DECIMAL(18, 2), the query gives STRING: CAST "
     "it"},
    {"INSERT INTO sink (id, totl) SELECT id, cur FROM charges",
     "line 1, column 23: unknown column `totl`; did you mean `total`?"},
    {"INSERT INTO sink (id, total) SELECT id, amount FROM charges",
     "line 1, column 23: column `total` is computed: it takes no value"},
    {"INSERT INTO customers (id) SELECT id FROM charges",
     "line 1, column 28: column `name` is NOT NULL and gets no value"},
    {"INSERT INTO big SELECT 1", "line 1, column 13: `big` is a view: nothing can be inserted"},
};

static void inserts_without_state_are_planned_and_others_refused_by_name(void **state)
{
    struct sql_resolver resolver = resolver_of(*state);

    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct arena arena = {0};
        struct sql_statement *statement;
        struct sql_insert_plan plan;
        struct err err = {0};

        assert_int_equal(sql_parse_statement(slice_str(plans[i].insert), &arena, &statement, &err),
                         0);
        if (sql_plan_insert(statement->insert, &resolver, NULL, &arena, &plan, &err))
            assert_string_equal(err.text, plans[i].plan);
        else
            assert_string_equal(plan.root->select, plans[i].plan);
        arena_deinit(&arena);
    }
}

static void the_payments_insert_passes_through_its_view(void **state)
{
    struct sql_resolver resolver = resolver_of(*state);
    struct arena arena = {0};
    struct sql_statement *statement;
    struct sql_insert_plan plan;

    assert_int_equal(
        sql_parse_statement(SLICE_LIT("INSERT INTO sink SELECT id, amount, cur FROM big"), &arena,
                            &statement, NULL),
        0);
    assert_int_equal(sql_plan_insert(statement->insert, &resolver, NULL, &arena, &plan, NULL), 0);
    assert_string_equal(plan.root->inputs[0]->scan.table->name, "charges");
    assert_string_equal(plan.target->name, "sink");
    assert_int_equal(plan.output_count, 3);
    assert_string_equal(plan.outputs[1].name, "amount");
    assert_non_null(strstr(plan.root->select, "FROM feed AS"));
    assert_non_null(strstr(plan.root->select, "> CAST('100' AS DECIMAL(18,2))"));
    arena_deinit(&arena);
}

static const struct {
    const char *create, *error;
} bad_tables[] = {
    {"CREATE TABLE t (a INT, a STRING)", "line 1, column 24: column `a` stands twice"},
    {"CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED)",
     "line 1, column 37: PRIMARY KEY: unknown column `b`"},
    {"CREATE TABLE t (a INT, PRIMARY KEY (a))",
     "line 1, column 24: PRIMARY KEY needs NOT ENFORCED: Flink does not own the data"},
    {"CREATE TABLE t (ts TIMESTAMP(6), WATERMARK FOR ts AS ts)",
     "line 1, column 48: WATERMARK FOR `ts`: needs TIMESTAMP or TIMESTAMP_LTZ of precision 0 to 3, "
     "not TIMESTAMP(6)"},
    {"CREATE TABLE t (created STRING, WATERMARK FOR craeted AS craeted)",
     "line 1, column 47: WATERMARK: unknown column `craeted`; did you mean `created`?"},
    {"CREATE TABLE t (a INT, b AS c + 1)", "line 1, column 29: unknown column `c`"},
    {"CREATE TABLE t (a INT, b AS a + 1, c AS b + 1)", "line 1, column 41: unknown column `b`"},
    {"CREATE TABLE t (a INT) PARTITIONED BY (b)",
     "line 1, column 40: PARTITIONED BY: unknown column `b`"},
};

static void tables_that_make_no_sense_are_refused(void **state)
{
    struct sql_resolver resolver = resolver_of(*state);

    for (size_t i = 0; i < COUNT_OF(bad_tables); i++) {
        struct arena arena = {0};
        struct sql_statement *statement;
        struct sql_table table;
        struct err err = {0};

        assert_int_equal(
            sql_parse_statement(slice_str(bad_tables[i].create), &arena, &statement, &err), 0);
        assert_int_not_equal(
            sql_table_define(statement->create_table, NULL, &resolver, &arena, &table, &err), 0);
        assert_string_equal(err.text, bad_tables[i].error);
        arena_deinit(&arena);
    }
}

static void a_table_has_its_key_watermark_and_metadata(void **state)
{
    struct world *world = *state;
    const struct sql_table *charges = &world->tables[0];

    assert_int_equal(charges->column_count, 12);
    assert_int_equal(charges->primary_key_count, 1);
    assert_false(charges->columns[0].type->nullable);
    assert_string_equal(charges->rowtime, "ts");
    assert_string_equal(charges->columns[10].metadata_key, "offset");
    assert_true(charges->columns[10].is_virtual);
    assert_int_equal(charges->columns[11].kind, SQL_COLUMN_COMPUTED);
    assert_int_equal(charges->columns[11].type->kind, SQL_BIGINT);
}

static void like_takes_over_what_it_is_told(void **state)
{
    struct world *world = *state;
    struct sql_resolver resolver = resolver_of(world);
    struct arena arena = {0};
    struct sql_statement *statement;
    struct sql_table table;

    assert_int_equal(sql_parse_statement(
                         SLICE_LIT("CREATE TABLE t (extra INT) LIKE charges (EXCLUDING GENERATED "
                                   "EXCLUDING METADATA EXCLUDING CONSTRAINTS)"),
                         &arena, &statement, NULL),
                     0);
    assert_int_equal(sql_table_define(statement->create_table, &world->tables[0], &resolver, &arena,
                                      &table, NULL),
                     0);
    assert_int_equal(table.column_count, 11);
    assert_string_equal(table.columns[10].name, "extra");
    assert_int_equal(table.primary_key_count, 0);
    assert_string_equal(table.rowtime, "ts");
    arena_deinit(&arena);
}

/* "name TYPE, ..." of the table that a statement defines, or the error. */
static const char *defined(struct world *world, struct arena *arena, const char *text,
                           const struct sql_table *like, struct sql_table *table)
{
    struct sql_resolver resolver = resolver_of(world);
    struct sql_statement *statement;
    struct err err = {0};
    const char *result;
    struct buf buf;

    if (sql_parse_statement(slice_str(text), arena, &statement, &err) ||
        sql_table_define(statement->create_table, like, &resolver, arena, table, &err))
        return arena_strdup(arena, err.text);
    buf_init(&buf, 0);
    for (size_t i = 0; i < table->column_count; i++)
        buf_printf(&buf, "%s%s %s", i ? ", " : "", table->columns[i].name,
                   sql_type_text(arena, table->columns[i].type));
    result = arena_cstr(arena, buf_slice(&buf));
    buf_deinit(&buf);
    return result;
}

static void create_table_as_has_the_querys_columns(void **state)
{
    struct arena arena = {0};
    struct sql_table table;

    assert_string_equal(
        defined(*state, &arena,
                "CREATE TABLE t AS SELECT cur, COUNT(*) AS c FROM charges GROUP BY cur", NULL,
                &table),
        "cur STRING, c BIGINT NOT NULL");
    assert_string_equal(
        defined(*state, &arena, "CREATE TABLE t (b, a) AS SELECT 1 AS a, 'x' AS b", NULL, &table),
        "b CHAR(1) NOT NULL, a INT NOT NULL");
    assert_string_equal(
        defined(*state, &arena, "CREATE TABLE t (z, a) AS SELECT 1 AS a, 'x' AS b", NULL, &table),
        "line 1, column 17: the query has no column `z`");
    arena_deinit(&arena);
}

static void options_of_like_are_taken_over_and_overridden(void **state)
{
    static struct sql_option other[] = {{.key = "connector", .value = "kafka"},
                                        {.key = "topic", .value = "a"}};
    struct sql_options options = {.list = other, .count = 2};
    struct sql_table like = {.name = "o", .options = &options}, table;
    struct arena arena = {0};

    defined(*state, &arena, "CREATE TABLE t (x INT) WITH ('topic' = 'b') LIKE o", &like, &table);
    assert_int_equal(table.options->count, 2);
    assert_string_equal(sql_option(table.options, "topic"), "b");
    assert_string_equal(sql_option(table.options, "connector"), "kafka");
    defined(*state, &arena, "CREATE TABLE t (x INT) LIKE o (EXCLUDING OPTIONS)", &like, &table);
    assert_int_equal(table.options->count, 0);
    arena_deinit(&arena);
}

static void a_view_of_itself_is_refused(void **state)
{
    struct world *world = *state;
    struct arena arena = {0};

    add_view(world, "loop", "SELECT * FROM loop");
    assert_non_null(strstr(typed(world, &arena, "SELECT * FROM loop"), "nested more than"));
    world->count--;
    arena_deinit(&arena);
}

static void survives_each_failed_allocation(void **state)
{
    struct sql_resolver resolver = resolver_of(*state);
    int rc = ERR_NOMEM;

    for (int nth = 1; rc; nth++) {
        struct arena arena = {.fail_at = nth};
        struct sql_statement *statement;
        struct sql_insert_plan plan;

        assert_true(nth < 10000);
        rc = sql_parse_statement(
            SLICE_LIT(
                "INSERT INTO sink SELECT id, amount * 2 + n, UPPER(cur) || CASE n WHEN 1 THEN "
                "'a' ELSE 'bc' END FROM big WHERE n IN (1, 2) AND ts > TIMESTAMP '2020-01-01 "
                "00:00:00'"),
            &arena, &statement, NULL);
        if (!rc)
            rc = sql_plan_insert(statement->insert, &resolver, NULL, &arena, &plan, NULL);
        arena_deinit(&arena);
    }
    assert_int_equal(rc, 0);
}

/* What tarn.yaml would say of three functions; `broken` is of a class that it says nothing of. */
static int made_function(void *arg, const char *name, const struct sql_expr **body, struct err *err)
{
    static const struct {
        const char *name, *text;
    } made[] = {{"twice", "$1 + $1"},
                {"pick", "CASE WHEN $2 THEN twice($1) ELSE $3 END"},
                {"itself", "itself($1)"},
                {"upper", "$1"}};
    struct world *world = arg;
    struct sql_expr *expr;
    int rc;

    for (size_t i = 0; i < COUNT_OF(made); i++) {
        if (strcasecmp(made[i].name, name) != 0)
            continue;
        rc = sql_parse_expr(slice_str(made[i].text), &world->arena, &expr, err);
        *body = expr;
        return rc;
    }
    return strcmp(name, "broken") ? ERR_NOENT : err_set(err, ERR_UNSUPPORTED, "no Java here");
}

static void a_call_of_a_function_that_was_made_is_its_expression(void **state)
{
    static const struct {
        const char *query, *error; /* NULL: it is bound */
    } cases[] = {
        {"SELECT twice(n) FROM charges", NULL},
        {"SELECT SUM(Twice(n)) FROM charges GROUP BY twice(n)", NULL},
        {"SELECT pick(n, n > 1, twice(2)) FROM charges", NULL},
        {"SELECT CHAR_LENGTH(upper(cur)) FROM charges", NULL},
        {"SELECT n + $1 FROM charges", "line 1, column 12: unknown column `$1`"},
        {"SELECT pick(n, TRUE) FROM charges",
         "line 1, column 8: it takes $3 and was given 2 arguments (line 1 of the function `pick`)"},
        {"SELECT n, twice(nope) FROM charges", "line 1, column 17: unknown column `nope`"},
        {"SELECT twice(tags) FROM charges",
         "line 1, column 8: + cannot be applied to (ARRAY<STRING>, ARRAY<STRING>)"},
        {"SELECT itself(n) FROM charges", "line 1, column 8: nested more than 1000 levels deep"},
        {"SELECT broken(n) FROM charges", "line 1, column 8: no Java here"},
    };
    struct world *world = *state;
    struct sql_resolver resolver = resolver_of(world);

    resolver.function = made_function;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sql_query *query = NULL;
        struct sql_bound *bound;
        struct err err = {0};
        int rc = sql_parse_query(slice_str(cases[i].query), &world->arena, &query, &err);

        assert_int_equal(rc, 0);
        rc = sql_bind_query(query, &resolver, &world->arena, &bound, &err);
        if (cases[i].error && strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s: '%s'", cases[i].query, err.text);
        if (!cases[i].error && rc)
            fail_msg("%s: '%s'", cases[i].query, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_refusals_are_flinks),
        cmocka_unit_test(inserts_without_state_are_planned_and_others_refused_by_name),
        cmocka_unit_test(the_payments_insert_passes_through_its_view),
        cmocka_unit_test(tables_that_make_no_sense_are_refused),
        cmocka_unit_test(a_table_has_its_key_watermark_and_metadata),
        cmocka_unit_test(like_takes_over_what_it_is_told),
        cmocka_unit_test(create_table_as_has_the_querys_columns),
        cmocka_unit_test(options_of_like_are_taken_over_and_overridden),
        cmocka_unit_test(a_view_of_itself_is_refused),
        cmocka_unit_test(a_call_of_a_function_that_was_made_is_its_expression),
        cmocka_unit_test(survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
