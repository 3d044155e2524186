/* day_test.c - a day of commits every second by a writer that does no housekeeping, and a service
 * that looks after the table once a minute: files, metadata, memory and the cost of a plan stay
 * where they were.
 *
 * A twentieth of a day by default (72 minutes, 4,320 commits); TARN_TEST_FULL_DAY=1: 86,400.
 * docs/operations.md states the bounds that are asserted here.
 */
#include <malloc.h>

#include "lake/health.h"
#include "lake/testing.h"

#define LIVE_FILES_MAX   100
#define STORED_FILES_MAX 1500
#define METADATA_MAX     ((int64_t)4 << 20) /* bytes of manifests, lists and metadata files */

static int fake_rewrite(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_merge *merge, struct arena *arena,
                        struct lake_data_file **files, size_t *count, struct err *err)
{
    static int serial;
    struct bench *b = arg;

    (void)lake, (void)metadata, (void)err;
    *files = ARENA_NEW(arena, struct lake_data_file);
    **files =
        bench_file(b, arena, arena_printf(arena, "merged-%d", serial++), merge->rows, merge->bytes);
    *count = 1;
    return 0;
}

static void append_one(struct bench *b, int n)
{
    struct arena arena = {0};
    struct lake_ident ident = {"ns", "t"};
    struct lake_data_file file = bench_file(b, &arena, arena_printf(&arena, "f-%d", n), 10, 4000);
    struct lake_change change = {.added = &file, .added_count = 1};

    if (lake_commit_wait(b->lake, &b->catalog, &ident, &change, NULL, &b->err))
        fail_msg("%s", b->err.text);
    arena_deinit(&arena);
}

static void look_after(struct bench *b, struct lake_past *past)
{
    struct lake_upkeep done;
    struct lake_upkeep_options o = {.catalog = &b->catalog,
                                    .ident = {"ns", "t"},
                                    .rewriter = {fake_rewrite, b},
                                    .past = *past,
                                    .budget = lake_budget(b->lake)};

    if (lake_upkeep(b->lake, &o, &done, &b->err))
        fail_msg("%s", b->err.text);
    past->swept_ms = done.swept ? clock_wall_ms(&b->clock.clock) : past->swept_ms;
    past->pruned_ms = done.pruned ? clock_wall_ms(&b->clock.clock) : past->pruned_ms;
}

struct measure {
    size_t live, stored;
    int64_t metadata_bytes, rows, plan_calls, heap;
};

static size_t listed(struct bench *b, const char *prefix, int64_t *bytes)
{
    struct arena arena = {0};
    struct store_list list = {.truncated = true};
    const char *after = NULL;
    size_t count = 0;

    *bytes = 0;
    while (list.truncated) {
        assert_int_equal(
            b->store->ops->list(b->store, "w", prefix, NULL, after, 1000, &arena, &list, &b->err),
            0);
        for (size_t i = 0; i < list.count; i++)
            *bytes += list.entries[i].size;
        count += list.count;
        after = list.count ? list.entries[list.count - 1].key : NULL;
    }
    arena_deinit(&arena);
    return count;
}

/* What a reader pays who has nothing cached, and what lies in the store. */
static struct measure look(struct bench *b)
{
    struct measure m = {0};
    struct arena arena = {0};
    struct lake_metadata *metadata;
    struct lake *cold;
    struct lake_plan plan;
    int64_t before, bytes;

    m.stored = listed(b, "t/data/", &bytes);
    m.stored += listed(b, "t/metadata/", &m.metadata_bytes);
    m.heap = (int64_t)mallinfo2().uordblks; /* the simulated disk's bytes with it */
    assert_int_equal(lake_new(&cold, &(struct lake_options){b->store, &b->clock.clock}, &b->err),
                     0);
    before = disk_sim_calls(b->sim);
    if (lake_metadata_load(cold, b->location, &metadata, &b->err) ||
        lake_plan(cold, metadata, -1, NULL, NULL, 0, &arena, &plan, &b->err))
        fail_msg("%s", b->err.text);
    m.plan_calls = disk_sim_calls(b->sim) - before;
    m.live = plan.file_count;
    m.rows = plan.rows;
    lake_metadata_free(metadata);
    lake_free(cold);
    arena_deinit(&arena);
    return m;
}

static void tell(const char *when, const struct measure *m)
{
    print_message("%s: %zu live data files, %zu objects, metadata of %" PRId64 " bytes, %" PRId64
                  " disk calls for a cold plan, heap %" PRId64 " KB\n",
                  when, m->live, m->stored, m->metadata_bytes, m->plan_calls, m->heap / 1024);
}

static void a_day_of_commits_every_second_leaves_a_small_table(void **state)
{
    int seconds = getenv("TARN_TEST_FULL_DAY") ? 86400 : 4320;
    struct lake_past past = {0};
    struct measure early, late;
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, true);
    for (int i = 0; i < seconds; i++) {
        append_one(&b, i);
        clock_fake_advance(&b.clock, 1000000000);
        if (i % 60 == 59)
            look_after(&b, &past);
        if (i == 1199)
            early = look(&b);
    }
    late = look(&b);
    tell("after 20 minutes", &early);
    tell("at the end", &late);
    assert_int_equal(late.rows, seconds * 10);
    assert_true(late.live <= LIVE_FILES_MAX);
    assert_true(late.stored <= STORED_FILES_MAX);
    assert_true(late.metadata_bytes <= METADATA_MAX);
    assert_true(late.plan_calls <= early.plan_calls * 3 / 2 + 20);
    assert_true(late.heap <= early.heap * 5 / 4 + (4 << 20));
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_of_commits_every_second_leaves_a_small_table),
    };

    diag_set_level(DIAG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
