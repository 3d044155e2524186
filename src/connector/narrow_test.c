/* What a source is asked for, by the queries that read its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "connector/narrow.h"

static const char schema[] =
    "CREATE TABLE events (kind INT, bid ROW<price BIGINT, url STRING, at_ TIMESTAMP(3)>, "
    "person ROW<id BIGINT, name STRING>, extra STRING, place BIGINT METADATA FROM 'offset' "
    "VIRTUAL, ts AS CASE WHEN kind = 2 THEN bid.at_ END, WATERMARK FOR ts AS ts - INTERVAL '4' "
    "SECOND) WITH ('connector' = 'kafka', 'format' = 'json');"
    "CREATE TABLE plain (a ROW<x INT>, b STRING, c INT) "
    "WITH ('connector' = 'kafka', 'format' = 'json');"
    "CREATE TABLE out_ (n BIGINT);"
    "CREATE TABLE csv (a INT, b INT) WITH ('connector' = 'kafka', 'format' = 'csv');"
    "CREATE TABLE keyed (a INT, b INT) WITH ('connector' = 'kafka', 'format' = 'json', "
    "'key.format' = 'json', 'key.fields' = 'a');"
    "CREATE TABLE changes (a INT, b INT) WITH ('connector' = 'kafka', 'format' = 'debezium-json')";

struct world {
    struct arena arena;
    struct sql_table tables[8];
    size_t count;
};

static int lookup(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err)
{
    struct world *world = arg;

    for (size_t i = 0; i < world->count; i++)
        if (!strcmp(world->tables[i].name, parts[count - 1])) {
            *out = &world->tables[i];
            return 0;
        }
    return err_set(err, ERR_NOENT, "unknown table `%s`", parts[count - 1]);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct sql_resolver resolver = {.table = lookup, .arg = world};
    struct sql_script script;
    struct err err = {0};

    if (sql_parse_script(slice_str(schema), &world->arena, &script, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < script.count; i++) {
        const struct sql_create_table *create = script.list[i]->create_table;
        struct sql_table *table = &world->tables[world->count++];

        if (sql_table_define(create, NULL, &resolver, &world->arena, table, &err))
            fail_msg("%s", err.text);
        table->name = create->name.parts[0].text;
        table->options = &create->options;
    }
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

static void add_scans(struct narrow *n, const struct sql_node *node)
{
    if (node->kind == SQL_NODE_SCAN)
        narrow_add(n, &node->scan);
    for (size_t i = 0; i < node->input_count; i++)
        add_scans(n, node->inputs[i]);
}

/* The marks of a table are of one with a column more. */
static const struct sql_table *scanned(const struct sql_node *node)
{
    while (node->kind != SQL_NODE_SCAN)
        node = node->inputs[0];
    return node->scan.table;
}

static void print_table(struct buf *text, const struct sql_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        assert_int_equal(buf_printf(text, "%s%s", text->len ? " " : "", column->name), 0);
        for (size_t f = 0; column->type->kind == SQL_ROW && f < column->type->field_count; f++)
            assert_int_equal(buf_printf(text, "%s%s", f ? "," : ".", column->type->fields[f].name),
                             0);
    }
}

static void assert_read(struct world *world, const char *query, const char *expected)
{
    struct sql_resolver resolver = {.table = lookup, .arg = world};
    struct sql_plan_options options = {0};
    struct arena arena = {0};
    struct sql_statement *statement;
    struct sql_insert_plan plan;
    struct err err = {0};
    struct buf text = {0};
    struct narrow n;
    const char *insert = arena_printf(&arena, "INSERT INTO out_ %s", query);

    if (sql_parse_statement(slice_str(insert), &arena, &statement, &err) ||
        sql_plan_insert(statement->insert, &resolver, &options, &arena, &plan, &err))
        fail_msg("%s: %s", query, err.text);
    assert_int_equal(narrow_init(&n, scanned(plan.root), &arena), 0);
    add_scans(&n, plan.root);
    print_table(&text, narrow_table(&n));
    assert_string_equal(buf_cstr(&text), expected);
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void only_columns_and_fields_that_are_named_are_read(void **state)
{
    struct world *world = *state;

    assert_read(world, "SELECT c FROM plain WHERE b = 'x'", "b c");
    assert_read(world, "SELECT a.x FROM plain", "a.x");
    assert_read(world, "SELECT bid.price FROM events WHERE extra IS NULL",
                "kind bid.price,at_ extra");
    assert_read(world, "SELECT person.id FROM (SELECT person, bid FROM events) AS e",
                "kind bid.at_ person.id,name");
    assert_read(world, "SELECT place FROM events WHERE bid IS NOT NULL",
                "kind bid.price,url,at_ place");
}

static void windows_read_their_time_and_counts_the_cheapest_column(void **state)
{
    struct world *world = *state;

    assert_read(world,
                "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
                "kind bid.at_ $partition");
    assert_read(world, "SELECT COUNT(*) FROM plain", "b");
}

static void all_readings_of_a_table_count(void **state)
{
    assert_read(*state, "SELECT l.c FROM plain AS l JOIN plain AS r ON l.c = r.a.x", "a.x c");
}

static void tables_with_meaning_in_their_columns_stay_whole(void **state)
{
    struct world *world = *state;

    assert_true(narrow_may(&world->tables[0]));
    assert_true(narrow_may(&world->tables[1]));
    for (size_t i = 2; i < 6; i++)
        assert_false(narrow_may(&world->tables[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_columns_and_fields_that_are_named_are_read),
        cmocka_unit_test(windows_read_their_time_and_counts_the_cheapest_column),
        cmocka_unit_test(all_readings_of_a_table_count),
        cmocka_unit_test(tables_with_meaning_in_their_columns_stay_whole),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
