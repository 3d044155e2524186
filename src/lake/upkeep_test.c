/* upkeep_test.c - tables that are looked after keep their rows, and only those. */
#include "lake/testing_merge.h"

/* Goal: files with many deleted rows are written without them, and the delete files go with them.
 * Method: three files, four of ten rows of one deleted; the same rows before and after. */
static void deleted_rows_are_rewritten_away(void **state)
{
    static const int64_t few[] = {2}, many[] = {0, 3, 5, 9};
    struct real real, *r = &real;
    struct told told;
    size_t deletes;
    char *before;

    (void)state;
    begin(r, false);
    for (int i = 0; i < 3; i++)
        insert_range(r, i * 10, 10);
    delete_rows(r, 0, few, 1);
    delete_rows(r, 1, many, 4);
    before = strdup(rows_of(r));
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_DELETES], 1);
    assert_int_equal(told.files[LAKE_DO_DELETES], 1);
    assert_string_equal(rows_of(r), before);
    assert_int_equal(count_files(r, &deletes), 3);
    assert_int_equal(deletes, 1); /* one row of ten: not worth it */
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_DELETES], 0);
    free(before);
    real_deinit(r);
}

/* A file all of whose rows are deleted becomes no file. */
static void a_file_of_deleted_rows_goes(void **state)
{
    static const struct lake_property eager = {"tarn.merge.delete-files", "1"};
    struct real real, *r = &real;
    struct told told;
    size_t deletes;

    (void)state;
    begin(r, false);
    set_properties(r, &eager, 1);
    insert_range(r, 5, 1);
    delete_equal(r, "SELECT 5::BIGINT AS id", "eq");
    insert_range(r, 10, 3);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_DELETES], 1);
    assert_int_equal(count_files(r, NULL), 1);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "3 33");
    upkeep(r, 1, &told);
    count_files(r, &deletes);
    assert_int_equal(deletes, 0);
    real_deinit(r);
}

/* Goal: no deleted row comes back. Method: four files are merged; before that is committed, a row
 * of one of them is deleted: the merge is void, and done anew it leaves the row out. */
static void rows_deleted_during_a_merge_stay_deleted(void **state)
{
    static const int64_t one[] = {4};

    (void)state;
    for (int merged_before = 0; merged_before < 2; merged_before++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct lake_rewrite *rewrites;
        struct told told;
        size_t count;
        char *before;

        begin(r, false);
        for (int i = 0; i < 4; i++)
            insert_range(r, i * 10, 10);
        if (merged_before) /* there were deletes already, which the merge applied */
            delete_rows(r, 1, one, 1);
        rewrites = rewrites_of(r, &arena, &count);
        assert_int_equal(count, 1);
        insert_range(r, 100, 5);   /* an append in between is no trouble ... */
        delete_rows(r, 3, one, 1); /* ... a delete is */
        before = strdup(rows_of(r));
        assert_int_equal(commit_rewrites(r, rewrites, count, NULL), 0);
        assert_string_equal(rows_of(r), before);
        upkeep(r, 1, &told);
        assert_int_equal(told.counts[LAKE_DO_MERGE], 1);
        assert_string_equal(rows_of(r), before);
        assert_int_equal(count_files(r, NULL), 1);
        free(before);
        arena_deinit(&arena);
        real_deinit(r);
    }
}

/* Goal: a merge is kept whatever is deleted beside it, no deleted row comes back and no other goes.
 * Method: rows are deleted at random before it, twice while it runs, and after it; the next merge
 * takes what the last one left. */
static void rows_deleted_during_a_merge_follow_it(void **state)
{
    (void)state;
    for (int run = 0; run < 8; run++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct rng rng;

        rng_init(&rng, (uint64_t)run + 1);
        begin(r, run & 1);
        for (int round = 0; round < 3; round++) {
            struct lake_rewrite *rewrites;
            size_t count, deletes;
            char *before;

            for (int i = 0; i < 4; i++)
                insert_range(r, round * 1000 + i * 100, 40 + 50 * i);
            if (round != 1)
                delete_at_random(r, &rng);
            rewrites = rewrites_of(r, &arena, &count);
            assert_true(count > 0);
            delete_at_random(r, &rng);
            insert_range(r, round * 1000 + 500, 60);
            delete_at_random(r, &rng);
            before = strdup(rows_of(r));
            assert_int_equal(commit_rewrites(r, rewrites, count, r->db), count);
            assert_string_equal(rows_of(r), before);
            assert_true(count_files(r, &deletes) >= deletes); /* one for each at most */
            delete_at_random(r, &rng);
            assert_true(count_files(r, &deletes) >= deletes);
            free(before);
        }
        arena_deinit(&arena);
        real_deinit(r);
    }
}

static void appends_during_a_merge_stay(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_rewrite *rewrites;
    size_t count;
    char *before;

    (void)state;
    begin(r, false);
    for (int i = 0; i < 4; i++)
        insert_range(r, i * 10, 10);
    rewrites = rewrites_of(r, &arena, &count);
    insert_range(r, 100, 5);
    before = strdup(rows_of(r));
    assert_int_equal(commit_rewrites(r, rewrites, count, NULL), 1);
    assert_string_equal(rows_of(r), before);
    assert_int_equal(count_files(r, NULL), 2);
    free(before);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: deletes by equality before a merge are applied once, those during it still apply, and those
 * that apply to nothing any more leave the table. */
static void deletes_by_equality_outlive_a_merge_just_long_enough(void **state)
{
    struct real real, *r = &real;
    struct told told;
    size_t deletes;

    (void)state;
    begin(r, false);
    for (int i = 0; i < 4; i++)
        insert_range(r, i * 10, 10);
    delete_equal(r, "SELECT 7::BIGINT AS id", "eq1");
    insert(r, "SELECT 7::BIGINT AS id, 'again' AS v", 0);
    assert_string_equal(
        answer(r, "SELECT count(*) || ' ' || min(v) FROM t WHERE id = 7", NULL, 0, NULL),
        "1 again");
    upkeep(r, 1, &told); /* five small files become one, the delete applied */
    assert_int_equal(told.counts[LAKE_DO_MERGE], 1);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "40 780");
    upkeep(r, 1, &told); /* which then applies to nothing */
    assert_int_equal(told.counts[LAKE_DO_MANIFESTS], 1);
    count_files(r, &deletes);
    assert_int_equal(deletes, 0);
    delete_equal(r, "SELECT 7::BIGINT AS id", "eq2");
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "39 773");
    real_deinit(r);
}

/* Goal: rows of a v3 table keep their ids and the number of their last change through merges, and
 * deletion vectors leave with the rows they deleted. */
static void rows_keep_their_ids_when_they_are_merged(void **state)
{
    static const int64_t some[] = {1, 2, 4};
    struct real real, *r = &real;
    struct told told;
    size_t deletes;
    char *before;

    (void)state;
    begin(r, true);
    for (int i = 0; i < 4; i++)
        insert_range(r, i * 10, 5);
    delete_rows(r, 1, some, 3);
    before = strdup(lineage_of(r));
    assert_non_null(strstr(before, "0:0:1 "));
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_DELETES], 1);
    for (int i = 4; i < 8; i++) {
        char *grown;

        insert_range(r, i * 10, 5);
        free(before);
        before = strdup(lineage_of(r));
        upkeep(r, 1, &told);
        grown = lineage_of(r);
        assert_string_equal(grown, before);
    }
    free(before);
    assert_true(count_files(r, &deletes) < 6);
    assert_int_equal(deletes, 0);
    real_deinit(r);
}

static void a_table_with_a_sort_order_is_written_in_it(void **state)
{
    struct real real, *r = &real;
    struct told told;
    struct lake_metadata *next;
    struct arena arena = {0};
    struct lake_plan plan;
    json_t *updates = json_loads(
        "[{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":1,\"fields\":[{"
        "\"transform\":\"truncate[2]\",\"source-id\":2,\"direction\":\"desc\",\"null-order\":"
        "\"nulls-last\"},{\"transform\":\"identity\",\"source-id\":1,\"direction\":\"asc\","
        "\"null-order\":\"nulls-first\"}]}},{\"action\":\"set-default-sort-order\","
        "\"sort-order-id\":1}]",
        0, NULL);

    (void)state;
    begin(r, false);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
    for (int i = 0; i < 4; i++)
        insert(r,
               "SELECT (10 - i)::BIGINT AS id, CASE WHEN i = 4 THEN NULL WHEN i % 2 = 0 THEN "
               "'aa' || i ELSE 'bb' || i END AS v FROM range(6) r(i)",
               0);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_MERGE], 1);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    assert_int_equal(plan.file_count, 1);
    assert_int_equal(plan.files[0].entry.file.sort_order_id, r->m->default_order_id);
    assert_string_equal(answer(r,
                               "SELECT string_agg(DISTINCT left(coalesce(v, '-'), 2) || id, ',') "
                               "FROM (SELECT * FROM t LIMIT 13)",
                               NULL, 0, NULL),
                        answer(r,
                               "SELECT string_agg(DISTINCT left(coalesce(v, '-'), 2) || id, ',') "
                               "FROM (SELECT * FROM t ORDER BY left(v, 2) DESC NULLS LAST, id "
                               "LIMIT 13)",
                               NULL, 0, NULL));
    assert_string_equal(
        answer(r, "SELECT v[:2] || id FROM (SELECT * FROM t LIMIT 1)", NULL, 0, NULL), "bb5");
    arena_deinit(&arena);
    real_deinit(r);
}

/* Manifests of many partitions become few, each of a range of them, so that a reader of one
 * partition opens one. */
static void manifests_are_clustered_by_partition(void **state)
{
    static const struct lake_property list[] = {{"commit.manifest.min-count-to-merge", "5"},
                                                {"commit.manifest.target-size-bytes", "9000"},
                                                {"tarn.merge.enabled", "false"}};
    struct real real, *r = &real;
    struct lake_value seven = {.i = 7};
    struct lake_predicate p = {1, LAKE_OP_EQ, &seven, 1};
    struct arena arena = {0};
    struct lake_plan plan;
    struct told told;
    char *before;

    (void)state;
    real_init(r);
    create(r, TWO_COLUMNS,
           "{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"name\":\"id\","
           "\"transform\":\"identity\"}]}");
    for (int i = 0; i < 8; i++)
        insert(r, "SELECT i::BIGINT AS id, 'x' AS v FROM range(12) r(i)", 2);
    set_properties(r, list, 3);
    before = strdup(rows_of(r));
    OK(lake_plan(r->lake, r->m, -1, NULL, &p, 1, &arena, &plan, &r->err));
    assert_int_equal(plan.manifests_pruned, 0);
    assert_int_equal(plan.file_count, 8);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_MANIFESTS], 1);
    assert_string_equal(rows_of(r), before);
    assert_string_equal(lake_metadata_snapshot(r->m)->operation, "replace");
    OK(lake_plan(r->lake, r->m, -1, NULL, &p, 1, &arena, &plan, &r->err));
    assert_int_equal(plan.file_count, 8);
    assert_true(plan.manifests_pruned >= 2);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_MANIFESTS], 0);
    free(before);
    arena_deinit(&arena);
    real_deinit(r);
}

static bool is_there(struct real *r, const char *location)
{
    struct buf bytes = {0};
    int rc = store_get_at(r->store, location, &bytes, NULL);

    buf_deinit(&bytes);
    return rc == 0;
}

/* Goal: the sweep spares what an in-flight write made, what an older metadata file of the log
 * names, and what is young. Method: one of each, and one that nobody needs. */
static void the_sweep_takes_only_what_nobody_needs(void **state)
{
    static const char lost[] = "s3://w/t/data/lost.parquet", mine[] = "s3://w/t/data/mine.parquet";
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;
    struct told told;
    struct lake_upkeep done;
    json_t *updates;
    const char *old;

    (void)state;
    begin(r, false);
    insert_range(r, 0, 5);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    old = plan.files[0].entry.file.path;
    /* The newest metadata file forgets the snapshot; the one before it, in the log, has it. */
    updates = json_pack("[{s:s, s:s}, {s:s, s:[I]}]", "action", "remove-snapshot-ref", "ref-name",
                        "main", "action", "remove-snapshots", "snapshot-ids",
                        (json_int_t)lake_metadata_snapshot(r->m)->id);
    apply_updates(r, updates);
    OK(store_put_at(r->store, lost, SLICE_LIT("x"), &r->err));
    OK(store_put_at(r->store, mine, SLICE_LIT("x"), &r->err));
    OK(inflight_add(lake_inflight(r->lake), mine, &r->err));
    done = upkeep(r, 0, &told); /* all is younger than three days */
    assert_true(done.swept);
    assert_true(is_there(r, lost));
    clock_fake_advance(&r->clock, (int64_t)20 * 365 * 86400 * 1000000000);
    upkeep(r, 0, &told);
    assert_int_equal(told.counts[LAKE_DO_ORPHANS], 1);
    assert_false(is_there(r, lost));
    assert_true(is_there(r, mine));
    assert_true(is_there(r, old));
    inflight_done(lake_inflight(r->lake), mine);
    upkeep(r, 0, &told);
    assert_false(is_there(r, mine));
    arena_deinit(&arena);
    real_deinit(r);
}

static void a_writers_files_are_in_flight_until_they_are_committed(void **state)
{
    struct real real, *r = &real;

    (void)state;
    begin(r, false);
    insert_range(r, 0, 5);
    assert_int_equal(inflight_count(lake_inflight(r->lake)), 0);
    {
        struct arena arena = {0};
        size_t count;
        struct lake_rewrite *rewrites;

        for (int i = 0; i < 4; i++)
            insert_range(r, i, 5);
        rewrites = rewrites_of(r, &arena, &count);
        assert_int_equal(count, 1);
        assert_int_equal(inflight_count(lake_inflight(r->lake)), 1);
        assert_int_equal(commit_rewrites(r, rewrites, count, NULL), 1);
        assert_int_equal(inflight_count(lake_inflight(r->lake)), 0);
        arena_deinit(&arena);
    }
    real_deinit(r);
}

static void a_kept_table_is_left_to_its_writer(void **state)
{
    struct real real, *r = &real;
    struct told told;

    (void)state;
    begin(r, false);
    for (int i = 0; i < 4; i++)
        insert_range(r, i, 5);
    lake_keep(r->lake, r->m->uuid);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_MERGE], 0);
    clock_fake_advance(&r->clock, (int64_t)(LAKE_KEEP_MS + 1) * 1000000);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_MERGE], 1);
    real_deinit(r);
}

static void large_work_waits_for_its_budget(void **state)
{
    struct clock_fake clock;
    struct lake_budget *budget;
    struct lake_budget_limits limits = {10, 1 << 20};
    struct err err = {0};

    (void)state;
    clock_fake_init(&clock, 1);
    assert_int_equal(lake_budget_new(&budget, &clock.clock, &limits, &err), 0);
    assert_true(lake_budget_may(budget, 1000, 1000)); /* small: never waits */
    assert_false(lake_budget_may(budget, 2000000, 1000));
    assert_int_equal(lake_budget_wait_ms(budget, 2000000, 1000), 20001); /* 2 s at a tenth */
    assert_int_equal(lake_budget_wait_ms(budget, 1, 100 << 20), 100001);
    clock_fake_advance(&clock, 20000000000);
    assert_true(lake_budget_may(budget, 2000000, 1000));
    lake_budget_spend(budget, 2000000000, 0);
    assert_false(lake_budget_may(budget, 2000000, 1000));
    clock_fake_advance(&clock, (int64_t)86400 * 1000000000); /* the account holds an hour at most */
    assert_true(lake_budget_may(budget, 360000000, 1000));
    assert_true(lake_budget_may(budget, 3600000000, 1000)); /* more than ever fits: when full */
    lake_budget_spend(budget, 1000000000, 0);
    assert_false(lake_budget_may(budget, 360000000, 1000));
    lake_budget_free(budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deleted_rows_are_rewritten_away),
        cmocka_unit_test(a_file_of_deleted_rows_goes),
        cmocka_unit_test(rows_deleted_during_a_merge_stay_deleted),
        cmocka_unit_test(rows_deleted_during_a_merge_follow_it),
        cmocka_unit_test(appends_during_a_merge_stay),
        cmocka_unit_test(deletes_by_equality_outlive_a_merge_just_long_enough),
        cmocka_unit_test(rows_keep_their_ids_when_they_are_merged),
        cmocka_unit_test(a_table_with_a_sort_order_is_written_in_it),
        cmocka_unit_test(manifests_are_clustered_by_partition),
        cmocka_unit_test(the_sweep_takes_only_what_nobody_needs),
        cmocka_unit_test(a_writers_files_are_in_flight_until_they_are_committed),
        cmocka_unit_test(a_kept_table_is_left_to_its_writer),
        cmocka_unit_test(large_work_waits_for_its_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
