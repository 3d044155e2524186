/* crash_test.c - commits on a disk that loses power, and on one that fails.
 *
 * A commit writes a metadata file and then swaps a pointer to it; power may go at every disk call
 * of that way. Afterwards each table must load, and hold exactly what its writers were told.
 */
#include "base/disk_sim.h"
#include "catalog/fixture_test.h"

#define COMMITS 4
#define DIR     "data"

struct plan {
    int64_t at, seen; /* the call that fails, from 1 */
    bool for_good;    /* and all after it */
    int made;         /* what the creation of the table was told */
    int told[COMMITS];
};

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct plan *plan = arg;

    (void)call, (void)path;
    plan->seen++;
    return plan->seen == plan->at || (plan->for_good && plan->seen > plan->at) ? ERR_IO : 0;
}

static void run_script(struct plan *plan, struct stack *stack)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    int rc = stack_open(stack, DIR, true, NULL);

    plan->made = ERR_CLOSED; /* nothing was tried */
    for (int i = 0; i < COMMITS; i++)
        plan->told[i] = ERR_CLOSED;
    if (!rc)
        rc = catalog_namespace_create(stack->catalog, "db", NULL, NULL);
    if (!rc)
        plan->made = make_table(stack, "db", "t", &table, &arena, NULL);
    catalog_table_deinit(&table);
    for (int i = 0; !rc && i < COMMITS; i++) {
        char updates[100];

        if (i == COMMITS - 1) /* the others' files are synced, and their bytes forgotten */
            pending_flush(stack->catalog, NULL);

        snprintf(updates, sizeof(updates),
                 "[{\"action\":\"set-properties\",\"updates\":{\"k%d\":\"v\"}}]", i);
        plan->told[i] = commit_text(stack, "db", "t", "[]", updates, &arena, &table, NULL);
        catalog_table_deinit(&table);
    }
    arena_deinit(&arena);
    stack_close(stack);
}

static void check(const struct plan *plan, struct stack *stack)
{
    struct lake_ident ident = {"db", "t"};
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct err err = {0};
    int rc;

    if (stack_open(stack, DIR, true, &err))
        fail_msg("call %" PRId64 ": %s", plan->at, err.text);
    rc = catalog_table_load(stack->catalog, &ident, &arena, &table, &err);
    if (rc && rc != ERR_NOENT)
        fail_msg("call %" PRId64 ": %s", plan->at, err.text);
    if (plan->made != ERR_UNKNOWN && (rc == 0) != (plan->made == 0))
        fail_msg("call %" PRId64 ": told %d, and the table is%s there", plan->at, plan->made,
                 rc ? " not" : "");
    for (int i = 0; !rc && i < COMMITS; i++) {
        bool there;
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        there = lake_metadata_property(table.metadata, key) != NULL;
        if (plan->told[i] != ERR_UNKNOWN && there != (plan->told[i] == 0))
            fail_msg("call %" PRId64 ": commit %d was told %d and is%s there", plan->at, i,
                     plan->told[i], there ? "" : " not");
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    stack_close(stack);
}

static bool try_plan(struct plan *plan, uint64_t seed)
{
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct stack stack = {0};

    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
    stack.disk = disk_sim_disk(sim);
    stack.clock = &clock.clock;
    plan->seen = 0;
    disk_sim_on_call(sim, on_call, plan);
    run_script(plan, &stack);
    disk_sim_on_call(sim, NULL, NULL);
    disk_sim_power_loss(sim);
    disk_sim_reboot(sim);
    check(plan, &stack);
    disk_sim_free(sim);
    return plan->seen >= plan->at;
}

static void told_is_true_after_power_loss_at_every_disk_call(void **state)
{
    struct plan plan = {.at = 1, .for_good = true};

    (void)state;
    for (; try_plan(&plan, (uint64_t)plan.at); plan.at++)
        ;
    assert_true(plan.at > 200); /* the script does reach the disk */
}

static void told_is_true_when_any_disk_call_fails(void **state)
{
    struct plan plan = {.at = 1};

    (void)state;
    for (; try_plan(&plan, (uint64_t)plan.at); plan.at++)
        ;
}

/* Hundreds of failures on purpose would say so. */
static void say_nothing(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_is_true_after_power_loss_at_every_disk_call),
        cmocka_unit_test(told_is_true_when_any_disk_call_fails),
    };

    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
