/* part_test.c - commits of our own through the queue: a group of them is true as a whole, on a disk
 * that loses power too, and each has what must be true beside it.
 *
 * A group is made on purpose: the test holds the table until all writers wait for it.
 */
#include <unistd.h>

#include "catalog/power_test.h"

#define WRITERS 3
#define ROUNDS  2

static const struct lake_ident table_ident = {"db", "t"}, other_ident = {"db", "a"};

/* One commit of one file, with a row in the metadata beside it. */
struct writer {
    pthread_t thread;
    struct stack *stack;
    struct lake_ident table;
    struct arena arena;
    struct lake_data_file file;
    struct lake_property who;
    struct lake_staged *staged;
    struct lake_metadata *base;
    char name[16];
    int number, rc;
    bool plain; /* adds its file and says nothing else */
};

static int note(struct meta_txn *txn, void *arg, struct err *err)
{
    struct writer *w = arg;

    return meta_exec(txn, err, "INSERT INTO beside (who) VALUES (?)", "s", w->name);
}

static const struct meta_migration beside_migrations[] = {
    {"beside", 1, "CREATE TABLE beside (who TEXT PRIMARY KEY) WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

static int stage(void *arg, struct lake_metadata *base, struct lake_carrier *carrier,
                 struct lake_metadata **next, struct err *err)
{
    struct writer *w = arg;
    struct lake_change change = {.added = &w->file,
                                 .added_count = 1,
                                 .summary = &w->who,
                                 .summary_count = 1,
                                 .maintain = true};
    struct lake_metadata *before = w->base;
    int rc;

    w->base = lake_metadata_ref(base);
    rc = lake_stage_part(w->stack->lake, &w->table, base, &change, carrier, &w->staged, next, err);
    lake_metadata_free(before);
    return rc;
}

static struct lake_part part_of(struct writer *w)
{
    return (struct lake_part){
        .ident = w->table, .stage = stage, .arg = w, .also = note, .also_arg = w};
}

static void finish(struct writer *w)
{
    if (w->rc == 0)
        lake_staged_settle(w->staged);
    else if (w->rc == ERR_UNKNOWN)
        lake_staged_free(w->staged);
    else
        lake_staged_abandon(w->staged);
    lake_metadata_free(w->base);
    w->staged = NULL;
    w->base = NULL;
}

static void *commit(void *arg)
{
    struct writer *w = arg;
    struct lake_part part = part_of(w);
    struct lake_catalog *catalog = catalog_lake(w->stack->catalog);
    struct lake_change change = {.added = &w->file, .added_count = 1, .maintain = true};

    if (w->plain) {
        w->rc = lake_commit_wait(w->stack->lake, catalog, &w->table, &change, NULL, NULL);
        return NULL;
    }
    w->rc = catalog->ops->commit(catalog, &part, 1, NULL);
    finish(w);
    return NULL;
}

/* The file has no bytes that anybody reads here: what is tested is what points at it. */
static void init_writer(struct writer *w, struct stack *stack, int number)
{
    *w = (struct writer){.stack = stack, .table = table_ident, .number = number, .rc = ERR_CLOSED};
    snprintf(w->name, sizeof(w->name), "w%d", number);
    w->who = (struct lake_property){"who", w->name};
    w->file = (struct lake_data_file){.path = arena_printf(&w->arena, "s3://warehouse/f%d", number),
                                      .format = "PARQUET",
                                      .record_count = 1,
                                      .file_bytes = 10,
                                      .sort_order_id = -1,
                                      .first_row_id = -1,
                                      .content_pos = -1,
                                      .content_bytes = -1};
}

/* All of them wait, then the first leads the others. */
static void commit_together(struct stack *stack, struct writer *writers)
{
    struct ticket alone = {0};
    int rc;

    assert_true(queue_enter(stack->catalog, &table_ident, &alone, &rc));
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, commit, &writers[i]), 0);
    while (queue_length(stack->catalog, &table_ident) < WRITERS)
        usleep(50);
    queue_leave(stack->catalog, &table_ident);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
}

/* ---- a disk that loses power ---- */

struct plan {
    struct power power;
    bool plain;
    struct writer writers[WRITERS * ROUNDS];
};

static int open_stack(struct stack *stack, bool no_thread, struct err *err)
{
    static const struct meta_migration *const migrations[] = {catalog_migrations, beside_migrations,
                                                              NULL};

    return stack_open_with(stack, DIR, migrations, no_thread, err);
}

static void run_script(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct arena arena = {0};
    struct catalog_table table = {0};
    int rc = open_stack(stack, true, NULL);

    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        init_writer(&plan->writers[i], stack, i);
        plan->writers[i].plain = plan->plain;
    }
    rc = rc ? rc : catalog_namespace_create(stack->catalog, "db", NULL, NULL);
    rc = rc ? rc : make_table(stack, "db", "t", &table, &arena, NULL);
    catalog_table_deinit(&table);
    for (int round = 0; !rc && round < ROUNDS; round++) {
        if (round)
            pending_flush(stack->catalog, NULL);
        commit_together(stack, &plan->writers[round * WRITERS]);
    }
    arena_deinit(&arena);
    stack_close(stack);
}

struct found {
    bool beside[WRITERS * ROUNDS];
    int snapshots[WRITERS * ROUNDS], files[WRITERS * ROUNDS];
};

static int read_beside(struct meta_txn *txn, void *arg, struct err *err)
{
    struct found *found = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT who FROM beside", "");

    while (!rc && meta_next(stmt, err, &rc))
        found->beside[atoi(meta_text(stmt, 0) + 1)] = true;
    meta_done(stmt);
    return rc;
}

/* Every manifest that main's head names, and what it says is there. */
static void read_files(struct stack *stack, struct lake_metadata *m, struct found *found)
{
    const struct lake_snapshot *head = lake_metadata_snapshot(m);
    struct lake_manifest_list *list;
    struct err err = {0};

    if (lake_manifest_list_load(stack->lake, m, head, &list, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest *manifest;

        if (lake_manifest_load(stack->lake, m, &list->files[i], &manifest, &err))
            fail_msg("%s", err.text);
        for (size_t k = 0; k < manifest->entry_count; k++)
            found->files[atoi(strrchr(manifest->entries[k].file.path, 'f') + 1)]++;
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
}

static void check(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct found found = {0};
    struct err err = {0};

    if (open_stack(stack, true, &err) || meta_read(stack->meta, read_beside, &found, &err))
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    if (catalog_table_load(stack->catalog, &table_ident, &arena, &table, &err) == 0) {
        if (lake_metadata_snapshot(table.metadata))
            read_files(stack, table.metadata, &found);
        for (size_t i = 0; i < table.metadata->snapshot_count; i++)
            found.snapshots[atoi(lake_summary(&table.metadata->snapshots[i], "who") + 1)]++;
    }
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        int there = found.snapshots[i], told = plan->writers[i].rc;

        if (there > 1 || found.files[i] != there || found.beside[i] != (there == 1) ||
            (told != ERR_UNKNOWN && there != (told == 0)))
            fail_msg("call %" PRId64 ": commit %d was told %d; %d snapshots, %d files, %s",
                     plan->power.at, i, told, there, found.files[i],
                     found.beside[i] ? "its row" : "no row");
    }
    for (int i = 0; i < WRITERS * ROUNDS; i++)
        arena_deinit(&plan->writers[i].arena);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    stack_close(stack);
}

/* Files that share a snapshot: each is there as it was told, once. */
static void check_plain(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct found found = {0};
    struct err err = {0};

    if (open_stack(stack, true, &err))
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    if (catalog_table_load(stack->catalog, &table_ident, &arena, &table, &err) == 0 &&
        lake_metadata_snapshot(table.metadata))
        read_files(stack, table.metadata, &found);
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        int told = plan->writers[i].rc;

        if (found.files[i] > 1 || (told != ERR_UNKNOWN && found.files[i] != (told == 0)))
            fail_msg("call %" PRId64 ": commit %d was told %d; its file is there %d times",
                     plan->power.at, i, told, found.files[i]);
        arena_deinit(&plan->writers[i].arena);
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    stack_close(stack);
}

static int64_t try_everywhere(bool for_good, int64_t step)
{
    struct plan plan = {.power = {.script = run_script, .check = check}};

    plan.power.arg = &plan;
    return power_everywhere(&plan.power, for_good, step);
}

static void a_group_is_true_or_not_after_power_loss_at_every_disk_call(void **state)
{
    (void)state;
    assert_true(try_everywhere(true, 1) > 100); /* the script does reach the disk */
}

/* Every third call: a failure alone leads fewer ways than power that is gone. */
static void a_group_is_true_or_not_when_any_disk_call_fails(void **state)
{
    (void)state;
    try_everywhere(false, 3);
}

static void a_shared_snapshot_is_true_or_not_wherever_the_power_goes(void **state)
{
    struct plan plan = {.power = {.script = run_script, .check = check_plain}, .plain = true};

    (void)state;
    plan.power.arg = &plan;
    assert_true(power_everywhere(&plan.power, true, 1) > 50);
    power_everywhere(&plan.power, false, 2);
}

/* ---- parts of several tables ---- */

/* Two of one table and one of another, which comes first by its name. */
static int commit_at_once(struct stack *stack, struct writer *writers)
{
    struct lake_catalog *catalog = catalog_lake(stack->catalog);
    struct lake_part parts[WRITERS];
    int rc;

    writers[1].table = other_ident;
    for (int i = 0; i < WRITERS; i++)
        parts[i] = part_of(&writers[i]);
    rc = catalog->ops->commit(catalog, parts, WRITERS, NULL);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].rc = rc;
        finish(&writers[i]);
    }
    return rc;
}

static void run_many(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct arena arena = {0};
    struct catalog_table table = {0};
    int rc = open_stack(stack, true, NULL);

    for (int i = 0; i < WRITERS * ROUNDS; i++)
        init_writer(&plan->writers[i], stack, i);
    rc = rc ? rc : catalog_namespace_create(stack->catalog, "db", NULL, NULL);
    for (int i = 0; i < 2 && !rc; i++) {
        rc = make_table(stack, "db", i ? "t" : "a", &table, &arena, NULL);
        catalog_table_deinit(&table);
    }
    for (int round = 0; !rc && round < ROUNDS; round++)
        rc = commit_at_once(stack, &plan->writers[round * WRITERS]);
    arena_deinit(&arena);
    stack_close(stack);
}

static void read_table(struct stack *stack, const struct lake_ident *ident, struct found *found)
{
    struct arena arena = {0};
    struct catalog_table table = {0};

    if (catalog_table_load(stack->catalog, ident, &arena, &table, NULL) == 0) {
        if (lake_metadata_snapshot(table.metadata))
            read_files(stack, table.metadata, found);
        for (size_t i = 0; i < table.metadata->snapshot_count; i++)
            found->snapshots[atoi(lake_summary(&table.metadata->snapshots[i], "who") + 1)]++;
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

/* All parts of a commit are there with their rows, each once, or none is. */
static void check_many(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
    struct found found = {0};
    struct err err = {0};

    if (open_stack(stack, true, &err) || meta_read(stack->meta, read_beside, &found, &err))
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    read_table(stack, &table_ident, &found);
    read_table(stack, &other_ident, &found);
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        int first = found.snapshots[i / WRITERS * WRITERS], told = plan->writers[i].rc;

        if (found.snapshots[i] != first || found.files[i] != first || first > 1 ||
            found.beside[i] != (first == 1) || (told != ERR_UNKNOWN && first != (told == 0)))
            fail_msg("call %" PRId64 ": part %d was told %d; %d snapshots, the first has %d",
                     plan->power.at, i, told, found.snapshots[i], first);
        arena_deinit(&plan->writers[i].arena);
    }
    stack_close(stack);
}

static void parts_of_two_tables_are_all_true_or_none_wherever_the_power_goes(void **state)
{
    struct plan plan = {.power = {.script = run_many, .check = check_many}};

    (void)state;
    plan.power.arg = &plan;
    assert_true(power_everywhere(&plan.power, true, 1) > 100);
    power_everywhere(&plan.power, false, 3);
}

static void who_waits_together_shares_one_metadata_file(void **state)
{
    struct plan plan = {0};
    struct arena arena = {0};
    struct catalog_commit_row *rows;
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct stack stack = {0};
    size_t count;

    (void)state;
    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    stack.disk = disk_sim_disk(sim);
    stack.clock = &clock.clock;
    run_script(&plan, &stack);
    check(&plan, &stack);
    assert_int_equal(open_stack(&stack, true, NULL), 0);
    assert_int_equal(catalog_log(stack.catalog, 0, 100, &arena, &rows, &count, NULL), 0);
    assert_int_equal(count, 2 + ROUNDS); /* the namespace, the table, and one for each group */
    stack_close(&stack);
    arena_deinit(&arena);
    disk_sim_free(sim);
}

/* What the script with plain changes leaves, as the table's metadata. */
static void run_plain(struct plan *plan, struct stack *stack, struct arena *arena,
                      struct catalog_table *table)
{
    plan->plain = true;
    run_script(plan, stack);
    assert_int_equal(open_stack(stack, true, NULL), 0);
    assert_int_equal(catalog_table_load(stack->catalog, &table_ident, arena, table, NULL), 0);
}

static void changes_that_only_add_files_share_a_snapshot(void **state)
{
    struct plan plan = {0};
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct stack stack = {0};
    struct found found = {0};

    (void)state;
    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    stack.disk = disk_sim_disk(sim);
    stack.clock = &clock.clock;
    run_plain(&plan, &stack, &arena, &table);
    assert_int_equal(table.metadata->snapshot_count, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        const struct lake_snapshot *s = &table.metadata->snapshots[i];

        assert_string_equal(s->operation, "append");
        assert_int_equal(atoi(lake_summary(s, "added-data-files")), WRITERS);
        assert_int_equal(atoi(lake_summary(s, "added-records")), WRITERS);
        assert_int_equal(atoi(lake_summary(s, "total-records")), WRITERS * (i + 1));
    }
    read_files(&stack, table.metadata, &found);
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        assert_int_equal(plan.writers[i].rc, 0);
        assert_int_equal(found.files[i], 1);
        arena_deinit(&plan.writers[i].arena);
    }
    catalog_table_deinit(&table);
    stack_close(&stack);
    arena_deinit(&arena);
    disk_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_that_only_add_files_share_a_snapshot),
        cmocka_unit_test(a_shared_snapshot_is_true_or_not_wherever_the_power_goes),
        cmocka_unit_test(who_waits_together_shares_one_metadata_file),
        cmocka_unit_test(parts_of_two_tables_are_all_true_or_none_wherever_the_power_goes),
        cmocka_unit_test(a_group_is_true_or_not_after_power_loss_at_every_disk_call),
        cmocka_unit_test(a_group_is_true_or_not_when_any_disk_call_fails),
    };

    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
