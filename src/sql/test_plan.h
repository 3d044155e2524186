/* test_plan.h - tables, and claims of how queries over them are planned: as EXPLAIN prints it, or
 * why they are refused. */
#ifndef SQL_TEST_PLAN_H
#define SQL_TEST_PLAN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/flow.h"
#include "sql/sql.h"

static const char schema[] =
    "CREATE TABLE orders (id STRING, who STRING, price DECIMAL(10, 2), n INT, at_ TIMESTAMP(3), "
    "tags ARRAY<STRING>, now_ AS PROCTIME(), WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND);"
    "CREATE TABLE ships (id STRING, place STRING, at_ TIMESTAMP(3), "
    "WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND);"
    "CREATE TABLE rates (cur STRING, rate DOUBLE, at_ TIMESTAMP(3), PRIMARY KEY (cur) NOT "
    "ENFORCED, WATERMARK FOR at_ AS at_);"
    "CREATE TABLE places (name STRING, city STRING);"
    "CREATE TABLE ups (id STRING, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = "
    "'upsert-kafka');"
    "CREATE TABLE duo (a STRING, b BIGINT);"
    "CREATE TABLE uno (a STRING);"
    "CREATE TABLE windows_ (a STRING, s TIMESTAMP(3), e TIMESTAMP(3), b BIGINT);";

struct world {
    struct arena arena;
    struct sql_table tables[12];
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

static bool looks_up(void *arg, const struct sql_table *table)
{
    (void)arg;
    return !strcmp(table->name, "places");
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
    add_view(world, "latest",
             "SELECT id, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY at_ "
             "DESC) AS rn FROM ships) WHERE rn = 1");
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

/* The tree of an INSERT's query, or why there is none. Freed by the caller. */
static char *planned(struct world *world, const char *into, const char *query,
                     struct sql_plan_options options)
{
    struct sql_resolver resolver = {.table = lookup, .arg = world};
    struct arena arena = {0};
    struct sql_statement *statement;
    struct sql_insert_plan plan;
    struct err err = {0};
    struct buf text = {0};
    char *insert = arena_printf(&arena, "INSERT INTO %s %s", into, query), *out;

    options.looks_up = looks_up;
    if (sql_parse_statement(slice_str(insert), &arena, &statement, &err) ||
        sql_plan_insert(statement->insert, &resolver, &options, &arena, &plan, &err))
        assert_int_equal(buf_append_str(&text, err.text), 0);
    else
        assert_int_equal(sql_plan_explain(&plan, &text), 0);
    out = strdup(strstr(buf_cstr(&text), "\n  ") ? strstr(buf_cstr(&text), "\n  ") + 1
                                                 : buf_cstr(&text));
    buf_deinit(&text);
    arena_deinit(&arena);
    return out;
}

struct claim {
    const char *into, *query, *tree;
};

static void check(struct world *world, const struct claim *claims, size_t count,
                  struct sql_plan_options options)
{
    bool failed = false;

    for (size_t i = 0; i < count; i++) {
        char *tree = planned(world, claims[i].into, claims[i].query, options);

        if (strcmp(tree, claims[i].tree) != 0) {
            print_error("%s\nis planned as\n%s\nnot as\n%s\n", claims[i].query, tree,
                        claims[i].tree);
            failed = true;
        }
        free(tree);
    }
    assert_false(failed);
}

#endif
