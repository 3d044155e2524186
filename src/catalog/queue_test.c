/* queue_test.c - many writers of one table: who waits is taken along, and nobody pays for another's
 * mistake. */
#include "catalog/fixture_test.h"

#define WRITERS 8
#define COMMITS 20

struct writer {
    pthread_t thread;
    struct stack *stack;
    int number, done, refused;
};

/* Every fourth commit asks for a schema that is not there. */
static void *write_some(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; i < COMMITS; i++) {
        struct catalog_table table = {0};
        struct arena arena = {0};
        char updates[120];
        bool wrong = i % 4 == 3;
        int rc;

        snprintf(updates, sizeof(updates),
                 "[{\"action\":\"set-properties\",\"updates\":{\"w%d-%d\":\"v\"}}]", w->number, i);
        rc = commit_text(w->stack, "db", "t",
                         wrong ? "[{\"type\":\"assert-current-schema-id\","
                                 "\"current-schema-id\":7}]"
                               : "[]",
                         updates, &arena, &table, NULL);
        w->done += rc == 0;
        w->refused += rc == ERR_CONFLICT;
        if (rc == 0) {
            char key[16];

            snprintf(key, sizeof(key), "w%d-%d", w->number, i);
            w->done -= lake_metadata_property(table.metadata, key) == NULL; /* must hold its own */
        }
        catalog_table_deinit(&table);
        arena_deinit(&arena);
    }
    return NULL;
}

static void open_in(struct stack *stack, char dir[64])
{
    stack->disk = disk_system();
    stack->clock = clock_system();
    assert_int_equal(stack_open(stack, dir, false, NULL), 0);
}

static void every_writer_gets_its_own_answer(void **state)
{
    char dir[64] = "/tmp/queue_test.XXXXXX";
    struct lake_ident ident = {"db", "t"};
    struct writer writers[WRITERS];
    struct catalog_table table = {0};
    struct stack stack = {0};
    struct arena arena = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    open_in(&stack, dir);
    assert_int_equal(catalog_namespace_create(stack.catalog, "db", NULL, NULL), 0);
    assert_int_equal(make_table(&stack, "db", "t", &table, &arena, NULL), 0);
    catalog_table_deinit(&table);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.stack = &stack, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].done, COMMITS * 3 / 4);
        assert_int_equal(writers[i].refused, COMMITS / 4);
    }
    stack_close(&stack); /* and all of it is there again */
    open_in(&stack, dir);
    assert_int_equal(catalog_table_load(stack.catalog, &ident, &arena, &table, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < COMMITS; k++) {
            char key[32];

            snprintf(key, sizeof(key), "w%d-%d", i, k);
            assert_int_equal(lake_metadata_property(table.metadata, key) != NULL, k % 4 != 3);
        }
    catalog_table_deinit(&table);
    stack_close(&stack);
    arena_deinit(&arena);
    disk_remove_tree(disk_system(), dir, NULL);
}

/* The file of a swap is gone or torn, as a loss of power would leave it: the next start puts it. */
static void a_metadata_file_that_power_took_is_put_again(void **state)
{
    static const char *const damages[] = {NULL, "", "{\"format-version\":2,\"tab"};
    char dir[64] = "/tmp/queue_test.XXXXXX";
    struct lake_ident ident = {"db", "t"};
    struct catalog_table table = {0};
    struct stack stack = {0};
    struct arena arena = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    stack.disk = disk_system();
    stack.clock = clock_system();
    assert_int_equal(stack_open(&stack, dir, true, NULL), 0); /* nothing is synced behind us */
    assert_int_equal(catalog_namespace_create(stack.catalog, "db", NULL, NULL), 0);
    assert_int_equal(make_table(&stack, "db", "t", &table, &arena, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        char updates[100];

        catalog_table_deinit(&table);
        snprintf(updates, sizeof(updates),
                 "[{\"action\":\"set-properties\",\"updates\":{\"k%zu\":\"v\"}}]", i);
        assert_int_equal(commit_text(&stack, "db", "t", "[]", updates, &arena, &table, NULL), 0);
        assert_int_equal(store_remove_at(stack.store, table.location, NULL), 0);
        if (damages[i])
            assert_int_equal(store_put_at(stack.store, table.location, slice_str(damages[i]), NULL),
                             0);
        catalog_table_deinit(&table);
        stack_close(&stack);
        assert_int_equal(stack_open(&stack, dir, true, NULL), 0);
        assert_int_equal(catalog_table_load(stack.catalog, &ident, &arena, &table, NULL), 0);
        snprintf(updates, sizeof(updates), "k%zu", i);
        assert_string_equal(lake_metadata_property(table.metadata, updates), "v");
    }
    catalog_table_deinit(&table);
    stack_close(&stack);
    arena_deinit(&arena);
    disk_remove_tree(disk_system(), dir, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_writer_gets_its_own_answer),
        cmocka_unit_test(a_metadata_file_that_power_took_is_put_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
