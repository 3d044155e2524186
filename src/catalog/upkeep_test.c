/* upkeep_test.c - whose turn it is: the service follows the commit log, on a clock moved by hand.
 */
#include "catalog/upkeep.h"

#include "base/disk_sim.h"
#include "catalog/fixture_test.h"

struct bench {
    struct stack stack;
    struct disk_sim *sim;
    struct clock_fake clock;
    struct upkeep *upkeep;
    struct err err;
    int serial, rewrites;
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, b->err.text);                                                \
    } while (0)

static const struct lake_ident ident = {"db", "t"};

static int fake_rewrite(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_merge *merge, struct arena *arena,
                        struct lake_data_file **files, size_t *count, struct err *err)
{
    struct bench *b = arg;

    *files = ARENA_NEW(arena, struct lake_data_file);
    **files = (struct lake_data_file){
        .path = arena_printf(arena, "%s/data/merged-%d.parquet", metadata->location, b->serial++),
        .format = "PARQUET",
        .record_count = merge->rows,
        .file_bytes = 9,
        .sort_order_id = -1,
        .first_row_id = -1,
        .content_pos = -1,
        .content_bytes = -1};
    *count = 1;
    b->rewrites++;
    return store_put_at(lake_store(lake), (*files)->path, SLICE_LIT("nine byte"), err);
}

static void begin(struct bench *b)
{
    static const struct meta_migration *const migrations[] = {catalog_migrations, upkeep_migrations,
                                                              NULL};
    struct stack *s = &b->stack;
    struct arena arena = {0};
    struct catalog_table table;

    memset(b, 0, sizeof(*b));
    clock_fake_init(&b->clock, 1700000000000000);
    OK(disk_sim_new(&b->sim, 1, &b->err));
    s->disk = disk_sim_disk(b->sim);
    s->clock = &b->clock.clock;
    OK(disk_mkdirs(s->disk, "/d", &b->err));
    OK(meta_new(&s->meta,
                &(struct meta_options){.path = "/d/meta.db",
                                       .disk = s->disk,
                                       .clock = s->clock,
                                       .migrations = migrations,
                                       .no_thread = true},
                &b->err));
    OK(store_local_new(&s->store, &(struct store_local_options){"/d/store", s->disk, s->clock},
                       &b->err));
    OK(lake_new(&s->lake, &(struct lake_options){.store = s->store, .clock = s->clock}, &b->err));
    OK(catalog_new(&s->catalog,
                   &(struct catalog_options){.meta = s->meta,
                                             .lake = s->lake,
                                             .clock = s->clock,
                                             .name = "c",
                                             .warehouse = "s3://w/c",
                                             .no_thread = true},
                   &b->err));
    OK(upkeep_new(&b->upkeep,
                  &(struct upkeep_options){.catalog = s->catalog,
                                           .lake = s->lake,
                                           .meta = s->meta,
                                           .clock = s->clock,
                                           .rewriter = {fake_rewrite, b},
                                           .interval_ms = 60000,
                                           .no_thread = true},
                  &b->err));
    OK(catalog_namespace_create(s->catalog, "db", NULL, &b->err));
    OK(make_table(s, "db", "t", &table, &arena, &b->err));
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

static void end(struct bench *b)
{
    upkeep_free(b->upkeep);
    stack_close(&b->stack);
    disk_sim_free(b->sim);
}

/* Small files, as a foreign client adds them. */
static void append(struct bench *b, int times)
{
    for (int i = 0; i < times; i++) {
        struct arena arena = {0};
        struct lake_data_file file = {
            .path = arena_printf(&arena, "s3://w/c/db/t/data/f-%d", b->serial++),
            .format = "PARQUET",
            .record_count = 1,
            .file_bytes = 3,
            .sort_order_id = -1,
            .first_row_id = -1,
            .content_pos = -1,
            .content_bytes = -1};
        struct lake_change change = {.added = &file, .added_count = 1};

        OK(store_put_at(b->stack.store, file.path, SLICE_LIT("abc"), &b->err));
        OK(lake_commit_wait(b->stack.lake, catalog_lake(b->stack.catalog), &ident, &change, NULL,
                            &b->err));
        arena_deinit(&arena);
    }
}

static size_t step(struct bench *b, int seconds)
{
    size_t looked;

    clock_fake_advance(&b->clock, (int64_t)seconds * 1000000000);
    OK(upkeep_step(b->upkeep, &looked, &b->err));
    return looked;
}

static void set_property(struct bench *b, const char *key, const char *value)
{
    struct lake_property property = {key, value};
    struct lake_change change = {.properties = &property, .property_count = 1};

    OK(lake_commit_wait(b->stack.lake, catalog_lake(b->stack.catalog), &ident, &change, NULL,
                        &b->err));
}

static void commits_give_a_table_its_turn(void **state)
{
    struct bench bench, *b = &bench;

    (void)state;
    begin(b);
    assert_int_equal(step(b, 1), 1); /* a start: every table */
    assert_int_equal(step(b, 30), 0);
    append(b, 8);
    assert_int_equal(step(b, 1), 0); /* not before the interval is over */
    assert_int_equal(step(b, 30), 1);
    assert_int_equal(b->rewrites, 1);
    assert_int_equal(step(b, 61), 1); /* its own commit: nothing is left to do */
    assert_int_equal(step(b, 61), 0);
    assert_int_equal(b->rewrites, 1);
    assert_int_equal(step(b, 3601), 1); /* and once an hour, whatever happens */
    end(b);
}

static void what_was_done_is_in_the_log_with_its_reason(void **state)
{
    struct bench bench, *b = &bench;
    struct arena arena = {0};
    struct upkeep_row *rows;
    size_t count;

    (void)state;
    begin(b);
    append(b, 8);
    step(b, 1);
    OK(upkeep_log(b->upkeep, NULL, 10, &arena, &rows, &count, &b->err));
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].name, "t");
    assert_string_equal(rows[0].action, "merge");
    assert_int_equal(rows[0].files, 8);
    assert_int_equal(rows[0].code, 0);
    assert_non_null(strstr(rows[0].reason, "8 files of 24 bytes"));
    OK(upkeep_log(b->upkeep, "another table", 10, &arena, &rows, &count, &b->err));
    assert_int_equal(count, 0);
    arena_deinit(&arena);
    end(b);
}

static void the_off_switch_stops_the_service_and_not_a_person(void **state)
{
    struct bench bench, *b = &bench;
    struct upkeep_call call = {.ident = ident, .dry = true, .forced = true};

    (void)state;
    begin(b);
    set_property(b, "tarn.maintain.enabled", "false");
    append(b, 8);
    step(b, 1);
    assert_int_equal(b->rewrites, 0);
    OK(upkeep_table(b->upkeep, &call, &b->err));
    assert_int_equal(b->rewrites, 0); /* dry */
    call.dry = false;
    OK(upkeep_table(b->upkeep, &call, &b->err));
    assert_int_equal(b->rewrites, 1);
    end(b);
}

static void tables_made_and_dropped_meanwhile_are_noticed(void **state)
{
    struct bench bench, *b = &bench;
    struct arena arena = {0};
    struct catalog_table table;

    (void)state;
    begin(b);
    assert_int_equal(step(b, 1), 1);
    OK(make_table(&b->stack, "db", "u", &table, &arena, &b->err));
    catalog_table_deinit(&table);
    assert_int_equal(step(b, 1), 0);
    assert_int_equal(step(b, 59), 0); /* the new one is about to be filled */
    assert_int_equal(step(b, 1), 1);
    OK(catalog_table_drop(b->stack.catalog, &ident, false, &b->err));
    assert_int_equal(step(b, 3700), 1);
    arena_deinit(&arena);
    end(b);
}

/* One file goes, as an engine's DELETE takes it away. */
static void take_one_file(struct bench *b)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_plan plan;

    OK(catalog_table_load(b->stack.catalog, &ident, &arena, &table, &b->err));
    OK(lake_plan(b->stack.lake, table.metadata, -1, NULL, NULL, 0, &arena, &plan, &b->err));
    {
        struct lake_change change = {.removed = &plan.files[0].entry, .removed_count = 1};

        OK(lake_commit_wait(b->stack.lake, catalog_lake(b->stack.catalog), &ident, &change, NULL,
                            &b->err));
    }
    lake_plan_release(b->stack.lake, &plan);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

/* Goal: an engine in the middle of its updates finds its files where they were. */
static void rewrites_wait_while_rows_are_taken_away(void **state)
{
    struct bench bench, *b = &bench;

    (void)state;
    begin(b);
    step(b, 1);
    append(b, 10);
    assert_int_equal(step(b, 59), 0);
    take_one_file(b);
    assert_int_equal(step(b, 1), 1); /* it is looked at, and left alone */
    assert_int_equal(b->rewrites, 0);
    assert_int_equal(step(b, 59), 0);
    assert_int_equal(step(b, 1), 1); /* quiet by now */
    assert_int_equal(b->rewrites, 1);
    end(b);
}

static void rewrites_do_not_wait_for_ever(void **state)
{
    struct bench bench, *b = &bench;
    int minutes = 0;

    (void)state;
    begin(b);
    step(b, 1);
    append(b, 40);
    while (!b->rewrites && minutes < 20) {
        step(b, 30);
        take_one_file(b);
        step(b, 30);
        minutes++;
    }
    assert_in_range(minutes, 10, 12);
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_give_a_table_its_turn),
        cmocka_unit_test(what_was_done_is_in_the_log_with_its_reason),
        cmocka_unit_test(the_off_switch_stops_the_service_and_not_a_person),
        cmocka_unit_test(rewrites_wait_while_rows_are_taken_away),
        cmocka_unit_test(rewrites_do_not_wait_for_ever),
        cmocka_unit_test(tables_made_and_dropped_meanwhile_are_noticed),
    };

    diag_set_level(DIAG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
