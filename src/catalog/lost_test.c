/* lost_test.c - tables on storage that the catalog does not have. */
#include "catalog/lost.h"

#include "base/disk_sim.h"
#include "catalog/fixture_test.h"

struct bench {
    struct stack stack;
    struct disk_sim *sim;
    struct clock_fake clock;
    struct arena arena;
    struct catalog_lost found[8];
    size_t count;
    struct err err;
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, b->err.text);                                                \
    } while (0)

static void begin(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    clock_fake_init(&b->clock, 1700000000000000);
    OK(disk_sim_new(&b->sim, 1, &b->err));
    b->stack.disk = disk_sim_disk(b->sim);
    b->stack.clock = &b->clock.clock;
    OK(stack_open(&b->stack, "/d", true, &b->err));
}

static void end(struct bench *b)
{
    stack_close(&b->stack);
    disk_sim_free(b->sim);
    arena_deinit(&b->arena);
}

static void make(struct bench *b, const char *ns, const char *name)
{
    struct catalog_table table;

    clock_fake_advance(&b->clock, 1000000000);
    OK(make_table(&b->stack, ns, name, &table, &b->arena, &b->err));
    catalog_table_deinit(&table);
}

static void find(struct bench *b, size_t max)
{
    OK(catalog_lost_find(b->stack.catalog, max, &b->arena, b->found, &b->count, &b->err));
}

static void a_dropped_table_is_lost_until_it_is_registered(void **state)
{
    struct bench bench, *b = &bench;
    const struct lake_ident ident = {"db\x1finner", "t"};
    struct catalog_table table;
    const char *location;

    (void)state;
    begin(b);
    OK(catalog_namespace_create(b->stack.catalog, "db", NULL, &b->err));
    OK(catalog_namespace_create(b->stack.catalog, "db\x1finner", NULL, &b->err));
    make(b, "db", "kept");
    make(b, ident.ns, ident.name);
    clock_fake_advance(&b->clock, 1000000000);
    OK(commit_text(&b->stack, ident.ns, ident.name, "[]",
                   "[{\"action\":\"set-properties\",\"updates\":{\"a\":\"b\"}}]", &b->arena, &table,
                   &b->err));
    location = table.location;
    catalog_table_deinit(&table);
    find(b, 8);
    assert_int_equal(b->count, 0);
    OK(catalog_table_drop(b->stack.catalog, &ident, false, &b->err));
    find(b, 8);
    assert_int_equal(b->count, 1);
    assert_string_equal(b->found[0].place, "s3://warehouse/polariscatalog/db/inner/t");
    assert_string_equal(b->found[0].metadata, location); /* the newest of the two */
    OK(catalog_table_register(b->stack.catalog, &ident, b->found[0].metadata, false, &b->arena,
                              &table, &b->err));
    catalog_table_deinit(&table);
    find(b, 8);
    assert_int_equal(b->count, 0);
    end(b);
}

static void what_is_being_removed_is_not_lost(void **state)
{
    struct bench bench, *b = &bench;
    const struct lake_ident ident = {"db", "t"};

    (void)state;
    begin(b);
    OK(catalog_namespace_create(b->stack.catalog, "db", NULL, &b->err));
    make(b, ident.ns, ident.name);
    OK(catalog_table_drop(b->stack.catalog, &ident, true, &b->err));
    find(b, 8);
    assert_int_equal(b->count, 0);
    OK(catalog_purge_wait(b->stack.catalog, &b->err));
    find(b, 8);
    assert_int_equal(b->count, 0);
    end(b);
}

static void no_more_are_found_than_asked_for(void **state)
{
    struct bench bench, *b = &bench;

    (void)state;
    begin(b);
    OK(catalog_namespace_create(b->stack.catalog, "db", NULL, &b->err));
    for (int i = 0; i < 5; i++) {
        const struct lake_ident ident = {"db", arena_printf(&b->arena, "t%d", i)};

        make(b, ident.ns, ident.name);
        OK(catalog_table_drop(b->stack.catalog, &ident, false, &b->err));
    }
    find(b, 3);
    assert_int_equal(b->count, 3);
    assert_string_equal(b->found[2].place, "s3://warehouse/polariscatalog/db/t2");
    find(b, 8);
    assert_int_equal(b->count, 5);
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dropped_table_is_lost_until_it_is_registered),
        cmocka_unit_test(what_is_being_removed_is_not_lost),
        cmocka_unit_test(no_more_are_found_than_asked_for),
    };

    diag_set_level(DIAG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
