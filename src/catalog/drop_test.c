/* drop_test.c - a table is dropped while the power goes, at every disk call of it: afterwards
 * either the table is whole, or nothing of it is left, neither files nor the key index beside the
 * store.
 */
#include "catalog/power_test.h"
#include "lake/fsck.h"
#include "lake/upsert.h"

#define FILES 3

static const struct lake_ident table_ident = {"db", "t"};

struct plan {
    struct power power;
    bool purge;
    int told; /* of the drop */
    char location[300];
};

static int make_keyed(struct stack *stack, struct arena *arena, struct catalog_table *table)
{
    static const char schema_text[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"identifier-field-ids\":[1],\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}";
    struct lake_schema schema;
    struct lake_table_options options = {.schema = &schema};
    int rc = lake_schema_parse_text(slice_str(schema_text), arena, &schema, NULL);

    return rc ? rc
              : catalog_table_create(stack->catalog, &table_ident, &options, false, arena, table,
                                     NULL);
}

static int add_file(struct stack *stack, const char *location, int number)
{
    struct arena arena = {0};
    struct lake_data_file file = {.path =
                                      arena_printf(&arena, "%s/data/f%d.parquet", location, number),
                                  .format = "PARQUET",
                                  .record_count = 1,
                                  .file_bytes = 4,
                                  .sort_order_id = -1,
                                  .first_row_id = -1,
                                  .content_pos = -1,
                                  .content_bytes = -1};
    struct lake_change change = {.added = &file, .added_count = 1};
    int rc = store_put_at(stack->store, file.path, SLICE_LIT("PAR1"), NULL);

    rc = rc ? rc
            : lake_commit_wait(stack->lake, catalog_lake(stack->catalog), &table_ident, &change,
                               NULL, NULL);
    arena_deinit(&arena);
    return rc;
}

static int make_index(struct stack *stack, struct lake_metadata *m)
{
    struct lake_upsert_options options = {.lake = stack->lake, .metadata = m};
    struct lake_upsert *upsert;
    int rc = lake_upsert_new(&upsert, &options, NULL);

    if (!rc)
        lake_upsert_free(upsert); /* which saves it */
    return rc;
}

/* Until the drop nothing fails. The last commits' small files are not synced then. */
static void set_up(struct plan *plan, struct stack *stack)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    int rc = stack_open(stack, DIR, true, NULL);

    rc = rc ? rc : catalog_namespace_create(stack->catalog, "db", NULL, NULL);
    rc = rc ? rc : make_keyed(stack, &arena, &table);
    rc = rc ? rc : make_index(stack, table.metadata);
    if (!rc)
        snprintf(plan->location, sizeof(plan->location), "%s", table.metadata->location);
    for (int i = 0; i < FILES && !rc; i++) {
        rc = add_file(stack, plan->location, i);
        if (i == 0 && !rc)
            rc = pending_flush(stack->catalog, NULL);
    }
    assert_int_equal(rc, 0);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

static void run_script(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    int64_t at = plan->power.at;

    plan->power.at = INT64_MAX;
    set_up(plan, stack);
    plan->power.seen = 0;
    plan->power.at = at;
    plan->told = catalog_table_drop(stack->catalog, &table_ident, plan->purge, NULL);
    if (plan->told == 0)
        catalog_purge_wait(stack->catalog, NULL);
    stack_close(stack);
}

static size_t count_files(struct plan *plan, struct stack *stack)
{
    struct arena arena = {0};
    struct store_list list;
    const char *bucket, *key;
    size_t count;

    assert_int_equal(store_split(plan->location, &arena, &bucket, &key, NULL), 0);
    assert_int_equal(
        stack->store->ops->list(stack->store, bucket, key, NULL, NULL, 1000, &arena, &list, NULL),
        0);
    count = list.count;
    for (size_t i = 0; i < list.count && getenv("TARN_TEST_SAY"); i++)
        print_message("%s\n", list.entries[i].key);
    arena_deinit(&arena);
    return count;
}

static size_t count_indexes(struct stack *stack)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count = 0;

    disk_list(stack->disk, arena_printf(&arena, "%s/key-index", stack->store->staging), &arena,
              &entries, &count, NULL);
    arena_deinit(&arena);
    return count;
}

static int count_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT (SELECT count(*) FROM catalog_purge)"
                        " + (SELECT count(*) FROM catalog_dropped)",
                        "");

    if (!rc && meta_next(stmt, err, &rc))
        *(int64_t *)arg = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static void check_whole(struct plan *plan, struct stack *stack, const char *location)
{
    struct lake_fsck_options options = {.young_ms = INT64_MAX / 2000};
    struct lake_fsck out;
    struct err err = {0};

    if (lake_fsck(stack->lake, location, &options, &out, &err) || out.damages ||
        out.data_files != FILES)
        fail_msg("call %" PRId64 ": %" PRId64 " damages, %" PRId64 " files %s", plan->power.at,
                 out.damages, out.data_files, err.text);
}

static void check(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct err err = {0};
    int64_t left = -1;
    int rc;

    if (stack_open(stack, DIR, true, &err) || catalog_purge_wait(stack->catalog, &err))
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    rc = catalog_table_load(stack->catalog, &table_ident, &arena, &table, &err);
    if (rc && rc != ERR_NOENT)
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    if (plan->told != ERR_UNKNOWN && (plan->told == 0) != (rc == ERR_NOENT))
        fail_msg("call %" PRId64 ": told %d, and the table is%s there", plan->power.at, plan->told,
                 rc ? " not" : "");
    if (!rc)
        check_whole(plan, stack, table.location);
    else if (plan->purge && count_files(plan, stack))
        fail_msg("call %" PRId64 ": %zu files are left", plan->power.at, count_files(plan, stack));
    if (rc && count_indexes(stack))
        fail_msg("call %" PRId64 ": a key index is left", plan->power.at);
    assert_int_equal(meta_read(stack->meta, count_rows, &left, NULL), 0);
    assert_int_equal(left, 0);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    stack_close(stack);
}

static void try_everywhere(bool purge, bool for_good)
{
    struct plan plan = {.power = {.script = run_script, .check = check}, .purge = purge};

    plan.power.arg = &plan;
    assert_true(power_everywhere(&plan.power, for_good, 1) > (purge ? 40 : 5));
}

static void a_purge_that_loses_power_anywhere_leaves_nothing(void **state)
{
    (void)state;
    try_everywhere(true, true);
}

static void a_purge_that_fails_anywhere_is_done_again(void **state)
{
    (void)state;
    try_everywhere(true, false);
}

static void a_drop_leaves_the_files_and_no_key_index(void **state)
{
    (void)state;
    try_everywhere(false, true);
    try_everywhere(false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_purge_that_loses_power_anywhere_leaves_nothing),
        cmocka_unit_test(a_purge_that_fails_anywhere_is_done_again),
        cmocka_unit_test(a_drop_leaves_the_files_and_no_key_index),
    };

    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
