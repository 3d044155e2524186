/* crash_test.c - the promise of meta_write_wait under a disk that fails and loses power.
 *
 * The same script of transactions runs on a simulated disk, once per disk call that it makes. In
 * one test the power goes at that call, in another the call alone fails. What each transaction
 * was told must be what the database holds afterwards: 0 means there, a failure means not there,
 * ERR_UNKNOWN allows both; and each transaction is there whole or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "meta/meta_int.h"

#define TXNS        12
#define ROWS        3
#define PATH        "data/meta.db"
#define NOT_RUN     1
#define CHECKPOINTS 5 /* the script closes and opens the database after this many */

static const struct meta_migration steps[] = {
    {"crash", 1,
     "CREATE TABLE entry (txn INTEGER, row INTEGER, data BLOB, PRIMARY KEY (txn, row))"},
    {"crash", 2, "CREATE INDEX entry_row ON entry (row)"},
    {NULL, 0, NULL},
};
static const struct meta_migration *const lists[] = {steps, NULL};

/* ---- no memory ---- */

static sqlite3_mem_methods real_memory;
static int64_t memory_calls, memory_fails_at; /* counted from 1; 0: never */
static bool memory_ran_out;                    /* in the last script */

static void *thin_malloc(int len)
{
    return ++memory_calls == memory_fails_at ? NULL : real_memory.xMalloc(len);
}

static void *thin_realloc(void *ptr, int len)
{
    return ++memory_calls == memory_fails_at ? NULL : real_memory.xRealloc(ptr, len);
}

/* Before SQLite's first use in the program. */
static void thin_memory(void)
{
    sqlite3_mem_methods thin;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    thin = real_memory;
    thin.xMalloc = thin_malloc;
    thin.xRealloc = thin_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &thin);
}

struct plan {
    int64_t at;    /* the call that fails, counted from 1 */
    int64_t seen;
    bool for_good; /* and all after it: the power is gone */
    bool then_dark; /* the power goes right after the first transaction that was told a failure */
    int code;
    int told[TXNS];
};

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct plan *plan = arg;

    (void)call, (void)path;
    plan->seen++;
    if (plan->at && (plan->seen == plan->at || (plan->for_good && plan->seen > plan->at)))
        return plan->code;
    return 0;
}

static int open_db(struct meta **out, struct disk *disk, struct clock *clock, struct err *err)
{
    struct meta_options options = {
        .path = PATH, .disk = disk, .clock = clock, .migrations = lists, .no_thread = true};

    *out = NULL;
    return meta_new(out, &options, err);
}

static int write_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    static const uint8_t bytes[3000] = {1};
    int64_t number = *(int *)arg;
    int rc = 0;

    for (int64_t row = 0; !rc && row < ROWS; row++)
        rc = meta_exec(txn, err, "INSERT INTO entry VALUES (?, ?, ?)", "iib", number, row,
                       slice_of(bytes, sizeof(bytes)));
    return rc;
}

static void run_script(struct plan *plan, struct disk_sim *sim, struct clock *clock)
{
    struct disk *disk = disk_sim_disk(sim);
    struct meta *meta = NULL;

    for (int i = 0; i < TXNS; i++)
        plan->told[i] = NOT_RUN;
    for (int i = 0; i < TXNS; i++) {
        if (i % CHECKPOINTS == 0) { /* closing is a checkpoint, and removes the log */
            meta_free(meta);
            open_db(&meta, disk, clock, NULL);
        }
        if (!meta)
            open_db(&meta, disk, clock, NULL);
        if (meta)
            plan->told[i] = meta_write_wait(meta, write_rows, &i, NULL);
        if (plan->then_dark && meta && plan->told[i]) {
            disk_sim_power_loss(sim);
            break;
        }
    }
    meta_free(meta);
}

static int count_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    int64_t *counts = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT txn, count(*) FROM entry GROUP BY txn", "");

    while (!rc && meta_next(stmt, err, &rc))
        counts[meta_i64(stmt, 0)] = meta_i64(stmt, 1);
    meta_done(stmt);
    return rc;
}

static void check(struct meta *meta, const struct plan *plan)
{
    int64_t counts[TXNS] = {0};
    struct err err = {0};

    if (meta_check(meta, &err))
        fail_msg("call %" PRId64 ": %s", plan->at, err.text);
    assert_int_equal(meta_read(meta, count_rows, counts, NULL), 0);
    for (int i = 0; i < TXNS; i++) {
        bool there = counts[i] == ROWS;

        if (counts[i] != 0 && !there)
            fail_msg("call %" PRId64 ": transaction %d is half there", plan->at, i);
        if (plan->told[i] != ERR_UNKNOWN && there != (plan->told[i] == 0))
            fail_msg("call %" PRId64 ": transaction %d was told %d and is%s there", plan->at, i,
                     plan->told[i], there ? "" : " not");
    }
}

/* Runs the script on a disk of its own with the plan's failure, then loses power, then looks. */
static bool try_plan(struct plan *plan, uint64_t seed)
{
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct meta *meta = NULL;
    struct err err = {0};
    struct disk *disk;

    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
    disk = disk_sim_disk(sim);
    assert_int_equal(disk_mkdirs(disk, "data", NULL), 0);
    plan->seen = 0;
    disk_sim_on_call(sim, on_call, plan);
    run_script(plan, sim, &clock.clock);
    disk_sim_on_call(sim, NULL, NULL);
    memory_ran_out = memory_fails_at && memory_calls >= memory_fails_at;
    memory_fails_at = 0;
    if (!plan->for_good && !plan->then_dark) { /* the live database agrees too */
        assert_int_equal(open_db(&meta, disk, &clock.clock, &err), 0);
        check(meta, plan);
        meta_free(meta);
    }
    disk_sim_power_loss(sim);
    disk_sim_reboot(sim);
    if (open_db(&meta, disk, &clock.clock, &err))
        fail_msg("call %" PRId64 ", seed %" PRIu64 ": %s", plan->at, seed, err.text);
    check(meta, plan);
    meta_free(meta);
    disk_sim_free(sim);
    return plan->seen >= plan->at;
}

static void told_is_true_after_power_loss_at_every_disk_call(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct plan plan = {.at = 1, .for_good = true, .code = ERR_IO};

        for (; try_plan(&plan, seed * 1000 + (uint64_t)plan.at); plan.at++)
            ;
        assert_true(plan.at > 200); /* the script does reach the disk */
    }
}

static void told_is_true_when_any_disk_call_fails(void **state)
{
    static const int codes[] = {ERR_IO, ERR_NOSPC};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct plan plan = {.at = 1, .code = codes[i]};

        for (; try_plan(&plan, (uint64_t)plan.at); plan.at++)
            ;
    }
}

/* A commit whose sync failed is whole in the log: it must not be found there afterwards. */
static void a_failed_commit_does_not_come_back_after_power_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct plan plan = {.at = 1, .then_dark = true, .code = ERR_IO};

        for (; try_plan(&plan, seed * 1000 + (uint64_t)plan.at); plan.at++)
            ;
    }
}

/* ---- a full disk ---- */

static int add_blob(struct meta_txn *txn, void *arg, struct err *err)
{
    static uint8_t bytes[50000];
    int64_t *number = arg;

    return meta_exec(txn, err, "INSERT INTO entry VALUES (?, 0, ?)", "ib", *number,
                     slice_of(bytes, sizeof(bytes)));
}

static void a_full_disk_is_told_and_writes_go_on_when_space_is_back(void **state)
{
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct meta *meta = NULL;
    struct disk *disk;
    int64_t number = 0;
    int rc = 0;

    (void)state;
    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk = disk_sim_disk(sim);
    assert_int_equal(disk_mkdirs(disk, "data", NULL), 0);
    assert_int_equal(open_db(&meta, disk, &clock.clock, NULL), 0);
    disk_sim_capacity(sim, 1 << 20);
    while (rc == 0 && number < 1000)
        rc = meta_write_wait(meta, add_blob, (number++, &number), NULL);
    assert_int_equal(rc, ERR_NOSPC);
    assert_true(number > 5);
    assert_int_equal(meta_write_wait(meta, add_blob, &number, NULL), ERR_NOSPC); /* still lives */
    disk_sim_capacity(sim, -1);
    assert_int_equal(meta_write_wait(meta, add_blob, &number, NULL), 0);
    assert_int_equal(meta_check(meta, NULL), 0);
    meta_free(meta);
    disk_sim_free(sim);
}

static void told_is_true_when_any_allocation_of_sqlite_fails(void **state)
{
    (void)state;
    memory_ran_out = true;
    for (int64_t at = 1; memory_ran_out; at += 1 + at / 50) { /* the first, then samples */
        struct plan plan = {.at = 0};

        memory_calls = 0;
        memory_fails_at = at;
        try_plan(&plan, 1);
    }
}

/* Thousands of failures on purpose would say so. */
static void say_nothing(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_is_true_after_power_loss_at_every_disk_call),
        cmocka_unit_test(told_is_true_when_any_disk_call_fails),
        cmocka_unit_test(a_failed_commit_does_not_come_back_after_power_loss),
        cmocka_unit_test(told_is_true_when_any_allocation_of_sqlite_fails),
        cmocka_unit_test(a_full_disk_is_told_and_writes_go_on_when_space_is_back),
    };

    thin_memory();
    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
