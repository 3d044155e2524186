/* Statements that change a table: the query they become, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/sql.h"

static const char schema[] = "CREATE TABLE t (id BIGINT NOT NULL, name STRING, n INT);"
                             "CREATE TABLE s (id BIGINT, name STRING, n BIGINT NOT NULL);"
                             "CREATE TABLE z (ts TIMESTAMP_LTZ(6));";

struct world {
    struct arena arena;
    struct sql_table tables[3];
    bool lineage;
    const char *zone;
};

static int lookup(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err)
{
    struct world *world = arg;

    *out = &world->tables[parts[count - 1][0] == 's' ? 1 : parts[count - 1][0] == 'z' ? 2 : 0];
    return parts[count - 1][1] ? err_set(err, ERR_NOENT, "there is no table `%s`", parts[count - 1])
                               : 0;
}

static bool lineage(void *arg, const struct sql_table *table)
{
    (void)table;
    return ((struct world *)arg)->lineage;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct sql_resolver resolver = {.table = lookup, .arg = world};
    struct sql_script script;
    struct err err = {0};

    assert_int_equal(sql_parse_script(SLICE_LIT(schema), &world->arena, &script, &err), 0);
    for (size_t i = 0; i < script.count; i++) {
        if (sql_table_define(script.list[i]->create_table, NULL, &resolver, &world->arena,
                             &world->tables[i], &err))
            fail_msg("%s", err.text);
        world->tables[i].name = i == 2 ? "z" : i ? "s" : "t";
    }
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&((struct world *)*state)->arena);
    free(*state);
    return 0;
}

static const char *name_of(void *arg, const struct sql_table *table)
{
    (void)arg;
    return table->column_count > 3 ? "scanned" : table->name;
}

/* The statement as DuckDB would run it, or the error. */
static const char *spelled(struct world *world, const char *text, struct sql_change *change)
{
    struct sql_resolver resolver = {.table = lookup, .arg = world, .time_zone = world->zone};
    struct sql_change_options options = {.lineage = lineage, .arg = world};
    struct sql_duckdb_options duckdb = {.table = name_of};
    struct sql_statement *st;
    struct buf out = {0};
    struct err err = {0};
    const char *said;
    int rc = sql_parse_statement(slice_str(text), &world->arena, &st, &err);

    rc = rc ? rc : sql_bind_change(st, &resolver, &options, &world->arena, change, &err);
    rc = rc ? rc : sql_print_duckdb(change->bound, &duckdb, &out, &err);
    said = rc ? arena_strdup(&world->arena, err.text) : arena_cstr(&world->arena, buf_slice(&out));
    buf_deinit(&out);
    return said;
}

static const struct {
    const char *text, *becomes;
} changes[] = {
    {"DELETE FROM t WHERE n = 1", "SELECT t0.\"$file\" AS \"$file\", t0.\"$pos\" AS \"$pos\" FROM "
                                  "scanned AS t0 WHERE (t0.\"n\" = CAST(1 AS INTEGER))"},
    {"DELETE FROM t",
     "SELECT t0.\"$file\" AS \"$file\", t0.\"$pos\" AS \"$pos\" FROM scanned AS t0"},
    {"UPDATE t AS a SET n = a.n + 1 WHERE a.id < 5",
     "SELECT t0.\"$file\" AS \"$file\", t0.\"$pos\" AS \"$pos\", t0.\"id\" AS \"id\", t0.\"name\" "
     "AS "
     "\"name\", "},
    {"INSERT INTO t (name, id) SELECT name, n FROM s",
     "SELECT t2.c1 AS \"id\", t2.c0 AS \"name\", CAST(NULL AS INTEGER) AS \"n\" FROM ("},
    {"INSERT OVERWRITE t PARTITION (name = 'x') SELECT n, 1 FROM s",
     "SELECT t2.c0 AS \"id\", 'x' AS \"name\", t2.c1 AS \"n\" FROM ("},
    {"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", " JOIN scanned AS t0 ON "},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.n)",
     " LEFT JOIN scanned AS t0 ON "},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
     " RIGHT JOIN scanned AS t0 ON "},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE "
     "WHEN NOT MATCHED THEN INSERT VALUES (s.n, s.name, 0)",
     " FULL JOIN scanned AS t0 ON "},
    /* refused */
    {"UPDATE t SET nam = 'x'", "line 1, column 14: unknown column `nam`; did you mean `name`?"},
    {"UPDATE t SET n = 'x'",
     "line 1, column 18: column `n` of `t` is INT, the value is CHAR(1) NOT "
     "NULL: CAST it"},
    {"UPDATE t SET n = 1, n = 2", "line 1, column 21: column `n` is set twice"},
    {"UPDATE t SET `$pos` = 1", "line 1, column 14: unknown column `$pos`"},
    {"DELETE FROM t WHERE n", "line 1, column 21: WHERE takes a condition, not INT"},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (name) VALUES ('x')",
     "line 1, column 37: column `id` is NOT NULL and gets no value"},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (1)",
     "line 1, column 37: 1 values, and `t` has 3 columns"},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (t.id, 'x', 1)",
     "line 1, column 74: unknown table or column `t`"},
    {"MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = s.n",
     "line 1, column 84: unknown table or column `s`"},
    {"MERGE INTO t USING (SELECT id FROM s) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *",
     "line 1, column 59: * takes columns by name, and the source has no `name`"},
    {"MERGE INTO t USING s ON id = 1 WHEN MATCHED THEN DELETE", "`id` "},
};

static void statements_become_queries_or_are_refused_by_place(void **state)
{
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct sql_change change;
        const char *said = spelled(*state, changes[i].text, &change);

        if (!strstr(said, changes[i].becomes))
            fail_msg("%s\nbecame %s\nand not %s", changes[i].text, said, changes[i].becomes);
    }
}

static void the_plan_tells_where_values_begin_and_what_the_condition_holds(void **state)
{
    struct world *world = *state;
    struct sql_change change;
    const struct sql_output *outputs;
    size_t count;

    spelled(world, "UPDATE t SET n = 1 WHERE id = 1 AND name = 'x' AND n > 2", &change);
    assert_int_equal(change.where_parts, 3);
    assert_int_equal(change.first_value, 2);
    assert_ptr_equal(change.target, &world->tables[0]);
    assert_int_equal(change.scanned->column_count, 5);
    spelled(world, "DELETE FROM t", &change);
    assert_int_equal(change.where_parts, 0);
    spelled(world, "INSERT INTO t VALUES (1, 'x', 2)", &change);
    assert_null(change.scanned);
    world->lineage = true;
    spelled(world, "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 1",
            &change);
    outputs = sql_bound_outputs(change.bound, &count);
    assert_int_equal(change.first_value, 3);
    assert_int_equal(count, 7);
    assert_string_equal(outputs[2].name, "$action");
    assert_string_equal(outputs[6].name, "_row_id");
}

/* Goal: a table is pruned only by what its own query says of it. Method: the same comparison, in
 * the WHERE of the query, and in that of a subquery that rows must not meet. */
static void only_what_is_said_of_a_table_itself_prunes_it(void **state)
{
    static const struct {
        const char *text;
        size_t count; /* conditions on the target */
        const char *zone;
    } cases[] = {
        {"DELETE FROM z WHERE ts < TIMESTAMP '2024-01-01 00:00:00'", 1, "UTC"},
        {"DELETE FROM z WHERE ts < TIMESTAMP '2024-01-01 00:00:00'", 0, "Europe/Zurich"},
        {"DELETE FROM t WHERE n = 1", 1},
        {"DELETE FROM t WHERE n = 1 AND name IN ('a', 'b')", 2},
        {"DELETE FROM t WHERE EXISTS (SELECT 1 FROM s WHERE t.n = 1 AND s.id = t.id)", 0},
        {"DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE t.n = 1 AND s.id = t.id)", 0},
        {"DELETE FROM t WHERE id NOT IN (SELECT id FROM s WHERE t.name IN ('x'))", 0},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sql_condition *list;
        struct sql_change change;
        size_t count, found = 0;

        world->zone = cases[i].zone;
        spelled(world, cases[i].text, &change);
        assert_int_equal(sql_bound_conditions(change.bound, &world->arena, &list, &count, NULL), 0);
        for (size_t k = 0; k < count; k++)
            found += list[k].table == change.scanned;
        if (found != cases[i].count)
            fail_msg("%s: %zu", cases[i].text, found);
    }
}

static void a_failed_allocation_is_an_error_and_no_crash(void **state)
{
    struct world *world = *state;
    struct sql_resolver resolver = {.table = lookup, .arg = world};
    struct sql_change_options options = {0};
    struct sql_statement *st;
    int rc = ERR_NOMEM;

    assert_int_equal(sql_parse_statement(slice_str(changes[8].text), &world->arena, &st, NULL), 0);
    for (int nth = 1; rc; nth++) {
        struct arena arena = {.fail_at = nth};
        struct sql_change change;

        rc = sql_bind_change(st, &resolver, &options, &arena, &change, NULL);
        arena_deinit(&arena);
        assert_true(nth < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(statements_become_queries_or_are_refused_by_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_plan_tells_where_values_begin_and_what_the_condition_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_said_of_a_table_itself_prunes_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failed_allocation_is_an_error_and_no_crash, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
