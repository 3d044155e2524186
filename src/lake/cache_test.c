/* cache_test.c - the cache of parsed files: bounded, shared by threads, never stale. */
#include <pthread.h>

#include "lake/testing.h"

static void commit_one(struct bench *b, int n)
{
    struct arena arena = {0};
    struct lake_data_file file = bench_file(b, &arena, arena_printf(&arena, "f-%d", n), 1, 10);
    struct lake_change change = {.added = &file, .added_count = 1};
    struct lake_ident ident = {"ns", "t"};

    assert_int_equal(lake_commit_wait(b->lake, &b->catalog, &ident, &change, NULL, &b->err), 0);
    arena_deinit(&arena);
}

/* Rows of the whole table, by way of list and manifests. */
static int64_t count_rows(struct lake *lake, const struct lake_metadata *m)
{
    struct lake_manifest_list *list;
    int64_t rows = 0;

    if (lake_manifest_list_load(lake, m, lake_metadata_snapshot(m), &list, NULL))
        return -1;
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest *manifest;

        if (lake_manifest_load(lake, m, &list->files[i], &manifest, NULL))
            return -1;
        for (size_t k = 0; k < manifest->entry_count; k++)
            rows += manifest->entries[k].file.record_count;
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rows;
}

static void the_cache_keeps_to_its_bytes(void **state)
{
    struct lake_options options;
    struct lake *small;
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    for (int i = 0; i < 30; i++)
        commit_one(&b, i);
    options = (struct lake_options){b.store, &b.clock.clock, 20000};
    assert_int_equal(lake_new(&small, &options, &b.err), 0);
    for (int i = 0; i < 3; i++) {
        struct lake_metadata *m;

        assert_int_equal(lake_metadata_load(small, b.location, &m, &b.err), 0);
        assert_int_equal(count_rows(small, m), 30);
        assert_true(lake_cache_used(small) <= 20000 * 8);
        assert_true(lake_cache_used(small) > 10000);
        lake_metadata_free(m);
    }
    lake_free(small);
    bench_deinit(&b);
}

/* What is in use may take more than its share; a minute later it does not. */
static void the_cache_gives_back_what_is_not_used(void **state)
{
    struct lake_options options;
    struct lake_metadata *m;
    struct lake *small;
    struct bench b;
    struct lake_manifest_list *list;
    int64_t before;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    for (int i = 0; i < 30; i++)
        commit_one(&b, i);
    options = (struct lake_options){b.store, &b.clock.clock, 20000};
    assert_int_equal(lake_new(&small, &options, &b.err), 0);
    assert_int_equal(lake_metadata_load(small, b.location, &m, &b.err), 0);
    assert_int_equal(count_rows(small, m), 30);
    before = lake_cache_used(small);
    assert_true(before > 20000);
    clock_fake_advance(&b.clock, (int64_t)61 * 1000000000);
    assert_int_equal(lake_manifest_list_load(small, m, lake_metadata_snapshot(m), &list, &b.err),
                     0);
    lake_manifest_list_free(list);
    lake_metadata_free(m);
    assert_true(lake_cache_used(small) < before);
    assert_true(lake_cache_used(small) <= 20000);
    lake_free(small);
    bench_deinit(&b);
}

static void what_is_cached_is_read_once(void **state)
{
    struct lake_metadata *m;
    struct bench b;
    int64_t calls;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    for (int i = 0; i < 10; i++)
        commit_one(&b, i);
    assert_int_equal(lake_metadata_load(b.lake, b.location, &m, &b.err), 0);
    assert_int_equal(count_rows(b.lake, m), 10);
    calls = disk_sim_calls(b.sim);
    assert_int_equal(count_rows(b.lake, m), 10);
    assert_int_equal(disk_sim_calls(b.sim), calls);
    lake_metadata_free(m);
    bench_deinit(&b);
}

struct reader {
    pthread_t thread;
    struct bench *b;
    struct lake *lake;
    int wrong;
};

static void *read_much(void *arg)
{
    struct reader *r = arg;

    for (int i = 0; i < 200; i++) {
        struct lake_metadata *m;

        if (lake_metadata_load(r->lake, r->b->location, &m, NULL)) {
            r->wrong++;
            continue;
        }
        r->wrong += count_rows(r->lake, m) != 12;
        lake_metadata_free(m);
    }
    return NULL;
}

/* Goal: readers and evictions do not harm each other. Method: four threads read a table through a
 * cache that holds about half of it; run under the thread sanitizer too. */
static void threads_share_the_cache(void **state)
{
    struct reader readers[4];
    struct lake_options options;
    struct lake *small;
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    for (int i = 0; i < 12; i++)
        commit_one(&b, i);
    options = (struct lake_options){b.store, &b.clock.clock, 80000};
    assert_int_equal(lake_new(&small, &options, &b.err), 0);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){.b = &b, .lake = small};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_much, &readers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].wrong, 0);
    }
    lake_free(small);
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_keeps_to_its_bytes),
        cmocka_unit_test(the_cache_gives_back_what_is_not_used),
        cmocka_unit_test(what_is_cached_is_read_once),
        cmocka_unit_test(threads_share_the_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
