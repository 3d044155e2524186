/* crash_test.c - commits on a disk that loses power, and on one that fails.
 *
 * A commit writes a metadata file and then swaps a pointer to it; power may go at every disk call
 * of that way. Afterwards each table must load, and hold exactly what its writers were told.
 */
#include "catalog/power_test.h"

#define COMMITS 4

struct plan {
    struct power power;
    int made; /* what the creation of the table was told */
    int told[COMMITS];
};

static void run_script(void *arg, struct stack *stack)
{
    struct plan *plan = arg;
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

static void check(void *arg, struct stack *stack)
{
    const struct plan *plan = arg;
    struct lake_ident ident = {"db", "t"};
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct err err = {0};
    int rc;

    if (stack_open(stack, DIR, true, &err))
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    rc = catalog_table_load(stack->catalog, &ident, &arena, &table, &err);
    if (rc && rc != ERR_NOENT)
        fail_msg("call %" PRId64 ": %s", plan->power.at, err.text);
    if (plan->made != ERR_UNKNOWN && (rc == 0) != (plan->made == 0))
        fail_msg("call %" PRId64 ": told %d, and the table is%s there", plan->power.at, plan->made,
                 rc ? " not" : "");
    for (int i = 0; !rc && i < COMMITS; i++) {
        bool there;
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        there = lake_metadata_property(table.metadata, key) != NULL;
        if (plan->told[i] != ERR_UNKNOWN && there != (plan->told[i] == 0))
            fail_msg("call %" PRId64 ": commit %d was told %d and is%s there", plan->power.at, i,
                     plan->told[i], there ? "" : " not");
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    stack_close(stack);
}

static int64_t try_everywhere(bool for_good)
{
    struct plan plan = {.power = {.script = run_script, .check = check}};

    plan.power.arg = &plan;
    return power_everywhere(&plan.power, for_good, 1);
}

static void told_is_true_after_power_loss_at_every_disk_call(void **state)
{
    (void)state;
    assert_true(try_everywhere(true) > 200); /* the script does reach the disk */
}

static void told_is_true_when_any_disk_call_fails(void **state)
{
    (void)state;
    try_everywhere(false);
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
