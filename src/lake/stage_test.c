/* stage_test.c - commits: staged, swapped, retried, kept small. */
#include "lake/testing.h"

static void append(struct bench *b, const char *name, int64_t rows, int64_t bytes, bool maintain)
{
    struct arena arena = {0};
    struct lake_data_file file = bench_file(b, &arena, name, rows, bytes);
    struct lake_property extra = {"tarn.epoch", name};
    struct lake_change change = {.added = &file,
                                 .added_count = 1,
                                 .maintain = maintain,
                                 .summary = &extra,
                                 .summary_count = 1};
    struct lake_ident ident = {"ns", "t"};

    if (lake_commit_wait(b->lake, &b->catalog, &ident, &change, NULL, &b->err))
        fail_msg("%s", b->err.text);
    arena_deinit(&arena);
}

static size_t live_files(struct bench *b, const struct lake_metadata *m, int64_t *rows)
{
    struct lake_manifest_list *list;
    size_t count = 0;

    *rows = 0;
    assert_int_equal(lake_manifest_list_load(b->lake, m, lake_metadata_snapshot(m), &list, &b->err),
                     0);
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest *manifest;

        if (lake_manifest_load(b->lake, m, &list->files[i], &manifest, &b->err))
            fail_msg("%s", b->err.text);
        for (size_t k = 0; k < manifest->entry_count; k++)
            if (manifest->entries[k].status != LAKE_DELETED) {
                struct store_info info;
                const char *key = manifest->entries[k].file.path + strlen("s3://w/");

                count++;
                *rows += manifest->entries[k].file.record_count;
                if (b->store->ops->head(b->store, "w", key, &info, &b->err))
                    fail_msg("a live file is gone: %s", b->err.text);
            }
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return count;
}

/* Objects below a prefix, and their bytes. */
static size_t stored(struct bench *b, const char *prefix, int64_t *bytes)
{
    struct arena arena = {0};
    struct store_list list;

    *bytes = 0;
    assert_int_equal(
        b->store->ops->list(b->store, "w", prefix, NULL, NULL, 100000, &arena, &list, &b->err), 0);
    for (size_t i = 0; i < list.count; i++)
        *bytes += list.entries[i].size;
    arena_deinit(&arena);
    return list.count;
}

static void an_append_is_a_snapshot_with_totals(void **state)
{
    struct bench b;
    struct lake_metadata *m;
    int64_t rows;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    append(&b, "a", 10, 100, false);
    append(&b, "b", 5, 50, false);
    m = bench_metadata(&b);
    assert_int_equal(m->snapshot_count, 2);
    assert_int_equal(m->last_sequence_number, 2);
    assert_int_equal(m->metadata_log_count, 2);
    assert_string_equal(lake_summary(lake_metadata_snapshot(m), "total-records"), "15");
    assert_string_equal(lake_summary(lake_metadata_snapshot(m), "total-files-size"), "150");
    assert_string_equal(lake_summary(lake_metadata_snapshot(m), "added-data-files"), "1");
    assert_string_equal(lake_summary(lake_metadata_snapshot(m), "tarn.epoch"), "b");
    assert_int_equal(live_files(&b, m, &rows), 2);
    assert_int_equal(rows, 15);
    lake_metadata_free(m);
    bench_deinit(&b);
}

static void an_empty_change_commits_nothing(void **state)
{
    struct bench b;
    struct lake_change change = {.maintain = true};
    struct lake_ident ident = {"ns", "t"};

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, true);
    assert_int_equal(lake_commit_wait(b.lake, &b.catalog, &ident, &change, NULL, &b.err),
                     ERR_AGAIN);
    assert_int_equal(b.swaps, 0);
    bench_deinit(&b);
}

static void a_conflict_is_staged_again_on_the_newer_base(void **state)
{
    struct bench b;
    struct arena arena = {0};
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1};
    struct lake_metadata *base, *m;
    char old[300];
    int64_t rows, bytes;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    file = bench_file(&b, &arena, "mine", 7, 70);
    base = bench_metadata(&b);
    snprintf(old, sizeof(old), "%s", b.location);
    assert_int_equal(lake_stage(b.lake, &ident, base, old, &change, &staged, &b.err), 0);
    append(&b, "other", 1, 10, false);
    assert_int_equal(b.catalog.ops->swap(&b.catalog, lake_staged_swap(staged), 1, &b.err),
                     ERR_CONFLICT);
    lake_metadata_free(base);
    base = bench_metadata(&b);
    snprintf(old, sizeof(old), "%s", b.location);
    assert_int_equal(lake_stage(b.lake, &ident, base, old, &change, &staged, &b.err), 0);
    assert_int_equal(b.catalog.ops->swap(&b.catalog, lake_staged_swap(staged), 1, &b.err), 0);
    lake_staged_settle(staged);
    lake_metadata_free(base);
    m = bench_metadata(&b);
    assert_int_equal(live_files(&b, m, &rows), 2);
    assert_int_equal(rows, 8);
    /* 3 metadata files, 2 lists, 2 manifests: the refused attempt left nothing behind. */
    assert_int_equal(stored(&b, "t/metadata/", &bytes), 7);
    lake_metadata_free(m);
    arena_deinit(&arena);
    bench_deinit(&b);
}

static void an_abandoned_change_leaves_no_file(void **state)
{
    struct bench b;
    struct arena arena = {0};
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1};
    struct lake_metadata *base;
    int64_t bytes;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    file = bench_file(&b, &arena, "mine", 7, 70);
    base = bench_metadata(&b);
    assert_int_equal(lake_stage(b.lake, &ident, base, b.location, &change, &staged, &b.err), 0);
    lake_staged_abandon(staged);
    assert_int_equal(stored(&b, "t/metadata/", &bytes), 1);
    lake_metadata_free(base);
    arena_deinit(&arena);
    bench_deinit(&b);
}

static int fake_merge(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                      const struct lake_merge *merge, struct arena *arena,
                      struct lake_data_file **files, size_t *count, struct err *err)
{
    static int serial;
    struct bench *b = arg;
    char name[40];

    (void)lake;
    (void)err;
    (void)metadata;
    snprintf(name, sizeof(name), "merged-%d", serial++);
    *files = ARENA_NEW(arena, struct lake_data_file);
    **files = bench_file(b, arena, name, merge->rows, merge->bytes);
    (*files)->partition = merge->files[0].file.partition;
    (*files)->partition_count = merge->files[0].file.partition_count;
    *count = 1;
    return 0;
}

static int fake_merge_or_fail(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                              const struct lake_merge *merge, struct arena *arena,
                              struct lake_data_file **files, size_t *count, struct err *err)
{
    struct bench *b = arg;

    (void)lake;
    (void)metadata;
    *files = ARENA_NEW(arena, struct lake_data_file);
    *count = 1;
    return put_file(b, arena, "merged-late", merge->rows, merge->bytes, *files)
               ? err_set(err, ERR_IO, "merging")
               : 0;
}

/* One cut of a job: an append that carries the merges found on the same base. */
static void cut(struct bench *b, int n, int64_t rows, int64_t bytes)
{
    struct arena arena = {0};
    struct lake_rewriter rewriter = {fake_merge, b, NULL};
    struct lake_metadata *base = bench_metadata(b);
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_rewrite *rewrites;
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1, .maintain = true};
    char name[40], old[300];

    snprintf(name, sizeof(name), "f-%d", n);
    file = bench_file(b, &arena, name, rows, bytes);
    if (lake_maintain_run(b->lake, base, &rewriter, &arena, &rewrites, &change.rewrite_count,
                          &b->err))
        fail_msg("%s", b->err.text);
    change.rewrites = rewrites;
    snprintf(old, sizeof(old), "%s", b->location);
    if (lake_stage(b->lake, &ident, base, old, &change, &staged, &b->err))
        fail_msg("%s", b->err.text);
    assert_int_equal(lake_staged_rewrites_kept(staged), change.rewrite_count);
    assert_int_equal(b->catalog.ops->swap(&b->catalog, lake_staged_swap(staged), 1, &b->err), 0);
    lake_staged_settle(staged);
    lake_metadata_free(base);
    arena_deinit(&arena);
    clock_fake_advance(&b->clock, 5000000000);
}

/* Goal: a table committed to every five seconds stays small. Method: a day of commits, 40 KB each,
 * with a rewriter that only adds up; the whole day with TARN_TEST_FULL_DAY=1, else one hour, and
 * the work of the last tenth must not exceed that of the second by much. */
static void a_day_of_commits_stays_small(void **state)
{
    int commits = getenv("TARN_TEST_FULL_DAY") ? 17280 : 720;
    int64_t rows, data_bytes, metadata_bytes, early = 0, late = 0;
    size_t files, objects;
    struct lake_metadata *m;
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, true);
    for (int i = 0; i < commits; i++) {
        int64_t before = disk_sim_calls(b.sim);

        cut(&b, i, 100, 40000);
        early += i >= commits / 10 && i < commits / 5 ? disk_sim_calls(b.sim) - before : 0;
        late += i >= commits - commits / 10 ? disk_sim_calls(b.sim) - before : 0;
    }
    m = bench_metadata(&b);
    files = live_files(&b, m, &rows);
    objects = stored(&b, "t/data/", &data_bytes);
    print_message("%d commits: %zu live files, %zu data objects, %zu snapshots, ", commits, files,
                  objects, m->snapshot_count);
    print_message("%zu metadata objects", stored(&b, "t/metadata/", &metadata_bytes));
    print_message(" of %" PRId64 " bytes, %" PRId64 " then %" PRId64 " disk calls, cache %" PRId64
                  "\n",
                  metadata_bytes, early, late, lake_cache_used(b.lake));
    assert_int_equal(rows, commits * 100);
    assert_string_equal(lake_summary(lake_metadata_snapshot(m), "total-data-files"),
                        arena_printf(&m->arena, "%zu", files));
    assert_true(files < 60);
    assert_true(objects < 200);
    assert_true(metadata_bytes < 1000000);
    assert_true(late < early * 5 / 4);
    lake_metadata_free(m);
    bench_deinit(&b);
}

static void a_merge_of_files_that_are_gone_is_dropped(void **state)
{
    struct bench b;
    struct arena arena = {0};
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_data_file file, merged;
    struct lake_entry gone = {.sequence_number = 1, .file_sequence_number = 1};
    struct lake_rewrite rewrite = {&gone, 1, &merged, 1, 1};
    struct lake_change change = {
        .added = &file, .added_count = 1, .rewrites = &rewrite, .rewrite_count = 1};
    struct lake_metadata *base;
    int64_t rows;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, false);
    append(&b, "a", 3, 30, false);
    file = bench_file(&b, &arena, "b", 4, 40);
    gone.file = bench_file(&b, &arena, "never-committed", 9, 90);
    merged = bench_file(&b, &arena, "merged", 9, 90);
    base = bench_metadata(&b);
    assert_int_equal(lake_stage(b.lake, &ident, base, b.location, &change, &staged, &b.err), 0);
    assert_int_equal(lake_staged_rewrites_kept(staged), 0);
    assert_int_equal(b.catalog.ops->swap(&b.catalog, lake_staged_swap(staged), 1, &b.err), 0);
    lake_staged_settle(staged);
    lake_metadata_free(base);
    base = bench_metadata(&b);
    assert_int_equal(live_files(&b, base, &rows), 2);
    assert_int_equal(rows, 7);
    {
        struct store_info info; /* and what was made for it is gone */

        assert_int_equal(b.store->ops->head(b.store, "w", "t/data/merged", &info, &b.err),
                         ERR_NOENT);
    }
    lake_metadata_free(base);
    arena_deinit(&arena);
    bench_deinit(&b);
}

/* Goal: a tag keeps what it names. Method: tag the third commit, run until all around it has
 * expired, and read the tagged snapshot's files. */
static void expiry_spares_what_a_tag_names(void **state)
{
    struct bench b;
    struct lake_metadata *m, *tagged;
    struct arena arena = {0};
    const char *location;
    json_t *updates;
    int64_t tag;

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, true);
    for (int i = 0; i < 3; i++)
        cut(&b, i, 1, 1000);
    m = bench_metadata(&b);
    tag = m->current_snapshot_id;
    updates = json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", "keep",
                        "type", "tag", "snapshot-id", (json_int_t)tag);
    if (lake_metadata_apply(m, NULL, updates, m->last_updated_ms + 1, &tagged, &b.err))
        fail_msg("%s", b.err.text);
    assert_int_equal(
        lake_metadata_store(b.lake, tagged, m, b.location, &arena, &location, NULL, NULL, &b.err),
        0);
    snprintf(b.location, sizeof(b.location), "%s", location);
    lake_metadata_free(m);
    lake_metadata_free(tagged);
    json_decref(updates);
    for (int i = 3; i < 150; i++)
        cut(&b, i, 1, 1000);
    m = bench_metadata(&b);
    assert_true(m->snapshot_count < 90);
    assert_non_null(lake_metadata_snapshot_by_id(m, tag));
    m->current_snapshot_id = tag; /* look at the tag with the same eyes */
    {
        int64_t rows;

        assert_int_equal(live_files(&b, m, &rows), 3);
        assert_int_equal(rows, 3);
    }
    lake_metadata_free(m);
    arena_deinit(&arena);
    bench_deinit(&b);
}

/* v3: rows have ids, counted on by every append, which a merge must keep. */
static void appends_to_v3_tables_number_their_rows(void **state)
{
    struct bench b;
    struct lake_metadata *m, *next;
    struct lake_manifest_list *list;
    struct lake_merges merges;
    struct arena arena = {0};
    const char *location;
    json_t *updates =
        json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);

    (void)state;
    bench_init(&b);
    bench_table(&b, NULL, true);
    append(&b, "v2", 10, 100, true); /* rows from before the upgrade get ids with the next commit */
    m = bench_metadata(&b);
    assert_int_equal(lake_metadata_apply(m, NULL, updates, m->last_updated_ms + 1, &next, &b.err),
                     0);
    assert_int_equal(
        lake_metadata_store(b.lake, next, m, b.location, &arena, &location, NULL, NULL, &b.err), 0);
    snprintf(b.location, sizeof(b.location), "%s", location);
    lake_metadata_free(m);
    lake_metadata_free(next);
    json_decref(updates);
    for (int i = 0; i < 12; i++)
        append(&b, arena_printf(&arena, "v3-%d", i), 5, 100, true);
    m = bench_metadata(&b);
    assert_int_equal(m->format_version, 3);
    assert_int_equal(m->next_row_id, 70);
    assert_int_equal(lake_metadata_snapshot(m)->first_row_id, 65);
    assert_int_equal(lake_metadata_snapshot(m)->added_rows, 5);
    assert_int_equal(lake_manifest_list_load(b.lake, m, lake_metadata_snapshot(m), &list, &b.err),
                     0);
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest *manifest;

        assert_true(list->files[i].first_row_id >= 0);
        assert_int_equal(lake_manifest_load(b.lake, m, &list->files[i], &manifest, &b.err), 0);
        for (size_t k = 0; k < manifest->entry_count; k++)
            if (strstr(manifest->entries[k].file.path, "v2"))
                assert_int_equal(manifest->entries[k].file.first_row_id, 5);
            else
                assert_true(manifest->entries[k].file.first_row_id % 5 == 0);
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    assert_int_equal(lake_maintain_pick(b.lake, m, &arena, &merges, &b.err), 0);
    assert_int_equal(merges.count, 1); /* the row of v2 has its id by now: nobody is left out */
    assert_int_equal(merges.list[0].file_count, 13);
    lake_metadata_free(m);
    arena_deinit(&arena);
    bench_deinit(&b);
}

/* ---- disks that fail and power that goes ---- */

struct trouble {
    struct bench *b;
    int64_t left; /* calls until it strikes; -1: never */
    bool power;   /* cut the power, else fail one call */
    bool struck;
};

static int strike(void *arg, enum disk_call call, const char *path)
{
    struct trouble *t = arg;

    (void)call;
    (void)path;
    if (t->left < 0 || t->left-- > 0)
        return 0;
    t->struck = true;
    if (t->power)
        disk_sim_power_loss(t->b->sim);
    return ERR_IO;
}

/* One cut that may fail anywhere; true when its swap became true. */
static bool try_cut(struct bench *b, int n)
{
    struct arena arena = {0};
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_rewriter rewriter = {fake_merge_or_fail, b, NULL};
    struct lake_rewrite *rewrites;
    struct lake_metadata *base = NULL;
    struct lake_data_file file = {0};
    struct lake_change change = {.added = &file, .added_count = 1, .maintain = true};
    char old[300];
    bool ok = false;

    snprintf(old, sizeof(old), "%s", b->location);
    if (put_file(b, &arena, arena_printf(&arena, "f-%d", n), 1, 1000, &file) == 0 &&
        lake_metadata_load(b->lake, b->location, &base, &b->err) == 0 &&
        lake_maintain_run(b->lake, base, &rewriter, &arena, &rewrites, &change.rewrite_count,
                          &b->err) == 0) {
        change.rewrites = rewrites;
        if (lake_stage(b->lake, &ident, base, old, &change, &staged, &b->err) == 0) {
            assert_int_equal(
                b->catalog.ops->swap(&b->catalog, lake_staged_swap(staged), 1, &b->err), 0);
            lake_staged_settle(staged);
            ok = true;
        }
    }
    lake_metadata_free(base);
    arena_deinit(&arena);
    return ok;
}

/* Goal: whatever disk call fails, or at whichever the power goes, the table that was true last is
 * whole: every file it names is there with its bytes, and it holds exactly the rows committed.
 * Method: eighteen commits with merging and expiry, then a nineteenth that is struck at its n-th
 * disk call, for every n. */
static void strike_everywhere(bool power)
{
    bool struck = true;
    int64_t rows;

    for (int64_t n = 0; struck; n++) {
        struct trouble t = {.left = -1, .power = power};
        struct lake_metadata *m;
        struct bench b;
        int committed = 0;

        bench_init(&b);
        bench_table(&b, NULL, true);
        for (int i = 0; i < 15; i++, committed++)
            cut(&b, i, 1, 1000);
        clock_fake_advance(&b.clock, 400000000000); /* so that the next one expires much */
        t.b = &b;
        t.left = n;
        disk_sim_on_call(b.sim, strike, &t);
        committed += try_cut(&b, 100);
        struck = t.struck;
        disk_sim_on_call(b.sim, NULL, NULL);
        if (power) {
            lake_free(b.lake);
            store_free(b.store);
            disk_sim_power_loss(b.sim);
            disk_sim_reboot(b.sim);
            bench_reopen(&b);
        }
        m = bench_metadata(&b);
        live_files(&b, m, &rows);
        assert_int_equal(rows, committed);
        lake_metadata_free(m);
        committed += try_cut(&b, 101); /* and it goes on */
        m = bench_metadata(&b);
        live_files(&b, m, &rows);
        assert_int_equal(rows, committed);
        assert_true(committed == 17 || (struck && committed == 16));
        lake_metadata_free(m);
        bench_deinit(&b);
    }
}

static void any_disk_call_may_fail(void **state)
{
    (void)state;
    strike_everywhere(false);
}

static void the_power_may_go_at_any_disk_call(void **state)
{
    (void)state;
    strike_everywhere(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_is_a_snapshot_with_totals),
        cmocka_unit_test(an_empty_change_commits_nothing),
        cmocka_unit_test(a_conflict_is_staged_again_on_the_newer_base),
        cmocka_unit_test(an_abandoned_change_leaves_no_file),
        cmocka_unit_test(a_merge_of_files_that_are_gone_is_dropped),
        cmocka_unit_test(expiry_spares_what_a_tag_names),
        cmocka_unit_test(a_day_of_commits_stays_small),
        cmocka_unit_test(appends_to_v3_tables_number_their_rows),
        cmocka_unit_test(any_disk_call_may_fail),
        cmocka_unit_test(the_power_may_go_at_any_disk_call),
    };

    diag_set_level(DIAG_ERROR); /* what stays behind on a disk that fails is not news here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
