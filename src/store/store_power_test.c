/* store_power_test.c - the local store on a disk that loses power and on one that fails.
 *
 * Goal: what a put or a remove answered stays true; what it did not answer is there whole or not at
 * all; attributes never describe another version. Method: a fixed series of calls, the power cut
 * before the n-th call of the disk for every n, then a restart and a look at everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "store/store.h"

#define SEEDS 12

struct run {
    struct disk_sim *sim;
    struct store *store;
    struct clock_fake clock;
    int64_t cut_at; /* the disk's call before which power is lost; -1: never */
    int64_t calls;
    int64_t journal_bytes;
    int fail_with; /* instead of the power loss */
    enum disk_call failed;
};

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct run *run = arg;

    (void)path;
    if (run->cut_at < 0 || run->calls++ != run->cut_at)
        return 0;
    run->failed = call;
    if (run->fail_with)
        return run->fail_with;
    disk_sim_power_loss(run->sim);
    return ERR_IO;
}

static int open_store(struct run *run)
{
    const struct store_local_options options = {"data", disk_sim_disk(run->sim), &run->clock.clock,
                                                run->journal_bytes};

    return store_local_new(&run->store, &options, NULL);
}

/* One step: what is done, to which key. */
struct step {
    enum { PUT, PUT_ATTR, PUT_FILE, PUT_ONCE, PUT_LARGE, PUT_LARGE_ATTR, REMOVE } kind;
    const char *key, *text;
};

static const struct step steps[] = {
    {PUT, "a", "one"},           {PUT_ATTR, "a", "two"},       {PUT, "a/b", "below"},
    {PUT_FILE, "t/data/f", "f"}, {PUT_ONCE, "t/meta/v1", "m"}, {PUT_LARGE, "a", "5th"},
    {PUT_ATTR, "a", "six"},      {REMOVE, "a/b", NULL},        {PUT_ATTR, "a/b", "again"},
    {PUT, "a", "9th"},           {REMOVE, "t/data/f", NULL},   {PUT_LARGE, "t/data/f", "12th"},
    {PUT_ATTR, "t/data/f", "g"}, {REMOVE, "a", NULL},          {PUT, "a", "15th"},
    {PUT_LARGE_ATTR, "l", "16"}, {PUT_LARGE_ATTR, "l", "17"},  {PUT_LARGE, "l", "18"},
    {PUT_LARGE_ATTR, "l", "19"}, {REMOVE, "l", NULL},          {PUT_LARGE_ATTR, "l", "21"},
};

/* The etag that goes with a text put with attributes. */
static const char *etag_of(const char *text)
{
    static char etag[33];

    snprintf(etag, sizeof(etag), "%s00000000000000000000000000000000", text);
    return etag;
}

/* The text and many zeroes. */
static struct slice large(const char *text)
{
    static char bytes[70000];

    memset(bytes, 0, sizeof(bytes));
    snprintf(bytes, sizeof(bytes), "%s", text);
    return slice_of(bytes, sizeof(bytes));
}

static int put_file(struct run *run, const struct step *step)
{
    struct disk *disk = disk_sim_disk(run->sim);
    struct file *file = NULL;
    char path[100];
    int rc;

    snprintf(path, sizeof(path), "%s/file", run->store->staging);
    rc = disk_open(disk, &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, NULL);
    if (!rc)
        rc = file_pwrite(file, step->text, strlen(step->text), 0, NULL);
    file_close(file);
    return rc ? rc
              : run->store->ops->put_file(run->store, "lake", step->key, path, NULL, NULL, NULL);
}

static int take_step(struct run *run, const struct step *step)
{
    struct store *store = run->store;
    struct store_put_options once = {.if_none_match = true};
    struct store_put_options with = {.content_type = "text/plain"};

    switch (step->kind) {
    case PUT:
        return store->ops->put(store, "lake", step->key, slice_str(step->text), NULL, NULL, NULL);
    case PUT_ATTR:
        with.etag = etag_of(step->text);
        return store->ops->put(store, "lake", step->key, slice_str(step->text), &with, NULL, NULL);
    case PUT_FILE:
        return put_file(run, step);
    case PUT_ONCE:
        return store->ops->put(store, "lake", step->key, slice_str(step->text), &once, NULL, NULL);
    case PUT_LARGE: /* does not go through the journal */
        return store->ops->put(store, "lake", step->key, large(step->text), NULL, NULL, NULL);
    case PUT_LARGE_ATTR: /* likewise */
        with.etag = etag_of(step->text);
        return store->ops->put(store, "lake", step->key, large(step->text), &with, NULL, NULL);
    case REMOVE:
        return store->ops->remove(store, "lake", step->key, NULL);
    }
    return 0;
}

/* Runs the steps; tells how many were answered with 0 before the first that was not. */
static size_t take_steps(struct run *run)
{
    size_t done = 0;

    if (open_store(run) || run->store->ops->bucket_make(run->store, "lake", NULL))
        return 0;
    while (done < COUNT_OF(steps) && take_step(run, &steps[done]) == 0)
        done++;
    return done;
}

/* What the key holds after the first `count` steps; NULL: nothing. */
static const struct step *last_step(const char *key, size_t count)
{
    const struct step *found = NULL;

    for (size_t i = 0; i < count; i++)
        if (strcmp(steps[i].key, key) == 0)
            found = &steps[i];
    return found && found->kind != REMOVE ? found : NULL;
}

static bool holds(struct run *run, const char *key, const struct step *step)
{
    bool is_large = step && (step->kind == PUT_LARGE || step->kind == PUT_LARGE_ATTR);
    bool has_attr = step && (step->kind == PUT_ATTR || step->kind == PUT_LARGE_ATTR);
    struct store_info info;
    struct buf text = {0};
    bool right;
    int rc = run->store->ops->get(run->store, "lake", key, 0, -1, &text, NULL);

    if (!step) {
        buf_deinit(&text);
        return rc == ERR_NOENT;
    }
    right = rc == 0 &&
            slice_eq(buf_slice(&text), is_large ? large(step->text) : slice_str(step->text)) &&
            run->store->ops->head(run->store, "lake", key, &info, NULL) == 0;
    if (right && has_attr)
        right = strcmp(info.etag, etag_of(step->text)) == 0 &&
                strcmp(info.content_type, "text/plain") == 0;
    else if (right)
        right = info.content_type[0] == '\0' && strchr(info.etag, '-');
    buf_deinit(&text);
    return right;
}

/* Every key is as after `done` steps, or as after the one more that may have happened. */
static void check(struct run *run, size_t done, uint64_t seed, int64_t cut_at)
{
    struct arena arena = {0};
    struct store_list list = {0};

    if (done == 0 && run->store->ops->bucket_check(run->store, "lake", NULL))
        return; /* the bucket itself was not answered */
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        const char *key = steps[i].key;
        size_t next = done < COUNT_OF(steps) ? done + 1 : done;

        if (!holds(run, key, last_step(key, done)) && !holds(run, key, last_step(key, next)))
            fail_msg("seed %d, power lost at call %d, %zu steps answered: %s is wrong", (int)seed,
                     (int)cut_at, done, key);
    }
    assert_int_equal(
        run->store->ops->list(run->store, "lake", "", "", "", 100, &arena, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        struct buf text = {0};

        assert_int_equal(
            run->store->ops->get(run->store, "lake", list.entries[i].key, 0, -1, &text, NULL), 0);
        buf_deinit(&text);
    }
    arena_deinit(&arena);
}

static void run_init(struct run *run, uint64_t seed, int64_t cut_at, int fail_with)
{
    *run = (struct run){.cut_at = cut_at, .fail_with = fail_with};
    run->journal_bytes = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 1100 : 2100; /* full every few steps */
    clock_fake_init(&run->clock, 1000000);
    assert_int_equal(disk_sim_new(&run->sim, seed, NULL), 0);
    disk_sim_on_call(run->sim, on_call, run);
}

/* False once the cut lies behind the last call. */
static bool lose_power_at(uint64_t seed, int64_t cut_at)
{
    struct run run;
    size_t done;
    bool reached;

    run_init(&run, seed, cut_at, 0);
    done = take_steps(&run);
    reached = run.calls > cut_at;
    store_free(run.store);
    run.store = NULL;
    run.cut_at = -1;
    if (!reached)
        disk_sim_power_loss(run.sim); /* after everything was answered */
    disk_sim_reboot(run.sim);
    assert_int_equal(open_store(&run), 0);
    check(&run, done, seed, cut_at);
    store_free(run.store);
    disk_sim_free(run.sim);
    return reached;
}

static void keeps_what_it_answered_through_power_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (int64_t cut_at = 0; lose_power_at(seed, cut_at); cut_at++)
            ;
}

/* The step failed and is not to be seen: after a crash it is not either. */
static void stays_refused(struct run *run, size_t done, int64_t at)
{
    const char *key = steps[done].key;
    const struct step *before = last_step(key, done);

    if (!holds(run, key, before) || run->failed == CALL_SYNC) /* what did not sync may last */
        return;
    disk_sim_power_loss(run->sim);
    store_free(run->store);
    run->store = NULL;
    disk_sim_reboot(run->sim);
    assert_int_equal(open_store(run), 0);
    if (!holds(run, key, before))
        fail_msg("call %d failed: step %zu, refused and not seen, is there after a crash", (int)at,
                 done);
}

/* A failed call fails the step; the store goes on, and the step can be done again. */
static void lives_on_after_each_failed_call(void **state)
{
    bool reached = true;

    (void)state;
    for (int64_t at = 0; reached; at++) {
        struct run run;
        size_t done;

        run_init(&run, 7, at, ERR_NOSPC);
        done = take_steps(&run);
        reached = run.calls > at;
        run.cut_at = -1;
        if (!run.store)
            assert_int_equal(open_store(&run), 0);
        if (run.store->ops->bucket_check(run.store, "lake", NULL))
            assert_int_equal(run.store->ops->bucket_make(run.store, "lake", NULL), 0);
        check(&run, done, 7, at);
        if (done < COUNT_OF(steps))
            stays_refused(&run, done, at);
        for (; done < COUNT_OF(steps); done++) {
            int rc = take_step(&run, &steps[done]);

            /* Done before the failure was told: a removal's sync, an exclusive put's. */
            assert_true(rc == 0 || (steps[done].kind == PUT_ONCE && rc == ERR_EXISTS));
        }
        check(&run, done, 7, at);
        store_free(run.store);
        disk_sim_free(run.sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_answered_through_power_loss),
        cmocka_unit_test(lives_on_after_each_failed_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
