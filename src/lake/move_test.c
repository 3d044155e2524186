/* move_test.c - when a table's partition spec changes, what was written by the old one moves to the
 * new one, and no row is lost, doubled or brought back by it. */
#include "lake/testing_merge.h"

/* A new default spec of one field over column `id`. */
static void evolve(struct real *r, const char *name, const char *transform)
{
    apply_updates(r, json_pack("[{s:s, s:{s:i, s:[{s:i, s:s, s:s}]}}, {s:s, s:i}]", "action",
                               "add-spec", "spec", "spec-id", -1, "fields", "source-id", 1, "name",
                               name, "transform", transform, "action", "set-default-spec",
                               "spec-id", -1));
}

/* Files of the current spec, and of others. */
static void count_specs(struct real *r, size_t *current, size_t *older)
{
    struct arena arena = {0};
    struct lake_plan plan;

    *current = *older = 0;
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    for (size_t i = 0; i < plan.file_count; i++)
        ++*(plan.files[i].entry.file.spec_id == r->m->default_spec_id ? current : older);
    arena_deinit(&arena);
}

/* Each file holds rows of its own partition only: a reader of one partition of `id` finds its rows
 * and opens no more files than have them. */
static void partitions_tell_the_truth(struct real *r, int64_t id)
{
    struct lake_value value = {.i = id};
    struct lake_predicate p = {1, LAKE_OP_EQ, &value, 1};
    char what[200], want[40], *got;
    size_t files;

    snprintf(what, sizeof(what), "SELECT count(*) FROM t WHERE id = %" PRId64, id);
    snprintf(want, sizeof(want), "%s", answer(r, what, NULL, 0, NULL));
    got = answer(r, what, &p, 1, &files);
    assert_string_equal(got, want);
    assert_true(files <= 2);
}

static struct lake_action health(struct real *r, struct arena *arena)
{
    struct lake_past past = {0};
    struct lake_actions actions;

    OK(lake_actions(r->lake, r->m, &past, arena, &actions, &r->err));
    return actions.list[LAKE_DO_SPEC];
}

/* Goal: small files of an old spec, some with deleted rows, are written by the new one, and health
 * says why. Method: no partitions, then four, then forty (more than files are kept open); the same
 * rows before and after, and in v3 the same row ids. */
static void small_files_of_an_old_spec_move(void **state)
{
    static const char *const transforms[] = {"bucket[4]", "identity", "truncate[10]"};
    static const int64_t some[] = {1, 3};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(transforms) * 2; i++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct told told;
        size_t current, older;
        char *before, *lineage;

        begin(r, i & 1);
        for (int k = 0; k < 2; k++)
            insert_range(r, k * 20, 20);
        delete_rows(r, 0, some, 2);
        insert_range(r, 0, 3);
        assert_string_equal(health(r, &arena).reason,
                            "no small file is of an older partition spec");
        evolve(r, "p", transforms[i / 2]);
        insert_range(r, 36, 2);
        before = strdup(rows_of(r));
        lineage = i & 1 ? strdup(lineage_of(r)) : NULL;
        assert_true(health(r, &arena).due);
        assert_non_null(
            strstr(health(r, &arena).reason, "their rows move to partitions of spec 1"));
        upkeep(r, 1, &told);
        assert_int_equal(told.counts[LAKE_DO_SPEC], 1);
        assert_string_equal(rows_of(r), before);
        if (lineage)
            assert_string_equal(lineage_of(r), lineage);
        count_specs(r, &current, &older);
        assert_int_equal(older, 0);
        assert_true(current >= 4);
        partitions_tell_the_truth(r, 2);
        partitions_tell_the_truth(r, 37);
        assert_false(health(r, &arena).due);
        upkeep(r, 1, &told);
        assert_int_equal(told.counts[LAKE_DO_SPEC], 0);
        free(before);
        free(lineage);
        arena_deinit(&arena);
        real_deinit(r);
    }
}

/* Goal: of partitions that come together each gets few files, however many they are. Method: 3,000
 * rows of 300 partitions in two files. */
static void many_partitions_get_few_files(void **state)
{
    struct real real, *r = &real;
    struct told told;
    size_t current, older;
    char *before;

    (void)state;
    begin(r, false);
    insert_range(r, 0, 3000);
    insert_range(r, 0, 3000);
    evolve(r, "p", "truncate[10]");
    before = strdup(rows_of(r));
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SPEC], 1);
    assert_string_equal(rows_of(r), before);
    count_specs(r, &current, &older);
    assert_int_equal(older, 0);
    assert_in_range(current, 300, 310); /* a cut may fall within a partition */
    partitions_tell_the_truth(r, 2999);
    free(before);
    real_deinit(r);
}

/* Partitions of the old spec become none. */
static void partitions_become_none(void **state)
{
    struct real real, *r = &real;
    struct told told;
    size_t current, older;
    char *before;

    (void)state;
    begin(r, false);
    evolve(r, "p", "identity");
    insert_range(r, 0, 12);
    evolve(r, "q", "void");
    before = strdup(rows_of(r));
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SPEC], 1);
    assert_string_equal(rows_of(r), before);
    count_specs(r, &current, &older);
    assert_int_equal(older, 0);
    assert_int_equal(current, 1);
    free(before);
    real_deinit(r);
}

/* Goal: what the property says is done. Method: one file of the old spec: alone it stays, unless
 * all are asked for; none are moved when none are wanted. */
static void the_property_says_which_files_move(void **state)
{
    static const struct lake_property all = {"tarn.merge.old-specs", "all"},
                                      none = {"tarn.merge.old-specs", "none"};
    struct real real, *r = &real;
    struct arena arena = {0};
    size_t current, older;
    struct told told;

    (void)state;
    begin(r, false);
    insert_range(r, 0, 10);
    evolve(r, "p", "bucket[2]");
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SPEC], 0);
    assert_non_null(strstr(health(r, &arena).reason, "waits for another"));
    set_properties(r, &none, 1);
    upkeep(r, 1, &told);
    assert_string_equal(health(r, &arena).reason, "tarn.merge.old-specs is none");
    set_properties(r, &all, 1);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SPEC], 1);
    count_specs(r, &current, &older);
    assert_int_equal(older, 0);
    arena_deinit(&arena);
    real_deinit(r);
}

static bool is_planned(const struct lake_plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->file_count; i++)
        if (!strcmp(plan->files[i].entry.file.path, path))
            return true;
    return false;
}

/* Rewrites of files that are all still there: one that lost its last row is gone with it. */
static size_t count_possible(struct real *r, const struct lake_rewrite *rewrites, size_t count)
{
    struct arena arena = {0};
    struct lake_plan plan;
    size_t possible = 0;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    for (size_t i = 0; i < count; i++) {
        bool all = true;

        for (size_t k = 0; k < rewrites[i].removed_count; k++)
            all = all && is_planned(&plan, rewrites[i].removed[k].file.path);
        possible += all;
    }
    arena_deinit(&arena);
    return possible;
}

/* Goal: rows deleted while others move stay deleted, and the move is kept. Method: as in
 * upkeep_test, with a new spec each round. */
static void rows_deleted_during_a_move_follow_it(void **state)
{
    static const char *const transforms[] = {"bucket[3]", "truncate[100]", "bucket[5]"};

    (void)state;
    for (int run = 0; run < 6; run++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct rng rng;

        rng_init(&rng, (uint64_t)run + 1);
        begin(r, run & 1);
        for (int round = 0; round < 3; round++) {
            char name[16], *before;
            struct lake_rewrite *rewrites;
            size_t count, possible, deletes;

            for (int i = 0; i < 2; i++)
                insert_range(r, round * 1000 + i * 100, 40 + 50 * i);
            snprintf(name, sizeof(name), "p%d", round);
            evolve(r, name, transforms[round]);
            delete_at_random(r, &rng);
            rewrites = rewrites_of(r, &arena, &count);
            assert_true(count > 0);
            delete_at_random(r, &rng);
            insert_range(r, round * 1000 + 500, 6);
            before = strdup(rows_of(r));
            possible = count_possible(r, rewrites, count);
            assert_int_equal(commit_rewrites(r, rewrites, count, r->db), possible);
            assert_string_equal(rows_of(r), before);
            assert_true(count_files(r, &deletes) >= deletes);
            free(before);
        }
        arena_deinit(&arena);
        real_deinit(r);
    }
}

/* Goal: a delete by equality means the rows of its own spec's partition, before a move and after.
 * Method: such deletes, in the new spec's partition and in the old one's, before rows move and
 * meanwhile; the rows are the same with the move as without. */
static void deletes_by_equality_mean_what_they_meant(void **state)
{
    (void)state;
    for (int when = 0; when < 4; when++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct lake_value seven = {.i = 7};
        bool old_spec = when & 1, meanwhile = when & 2;
        struct lake_rewrite *rewrites;
        struct told told;
        size_t count;
        char *before;

        begin(r, false);
        evolve(r, "p", "identity");
        insert(r, "SELECT 7::BIGINT AS id, 'v' || i AS v FROM range(3) r(i)", 0);
        insert(r, "SELECT 7::BIGINT AS id, 'w' || i AS v FROM range(3) r(i)", 0);
        evolve(r, "q", "truncate[1]");
        rewrites = meanwhile ? rewrites_of(r, &arena, &count) : NULL;
        delete_equal_in(r, "SELECT 7::BIGINT AS id", "eq", old_spec ? 1 : 2, &seven);
        before = strdup(rows_of(r));
        assert_string_equal(before + 1, old_spec ? before + 1 : strchr(before, ' '));
        assert_int_equal(before[0], old_spec ? '0' : '6');
        if (meanwhile)
            assert_int_equal(commit_rewrites(r, rewrites, count, r->db), 0);
        assert_string_equal(rows_of(r), before);
        upkeep(r, 1, &told);
        assert_string_equal(rows_of(r), before);
        free(before);
        arena_deinit(&arena);
        real_deinit(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files_of_an_old_spec_move),
        cmocka_unit_test(many_partitions_get_few_files),
        cmocka_unit_test(partitions_become_none),
        cmocka_unit_test(the_property_says_which_files_move),
        cmocka_unit_test(rows_deleted_during_a_move_follow_it),
        cmocka_unit_test(deletes_by_equality_mean_what_they_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
