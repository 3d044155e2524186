/* refs_test.c - one snapshot's change put on a branch that went on: what may be, and what may not.
 */
#include "lake/refs.h"

#include "lake/testing_upkeep.h"

#define BY_V                                                                                       \
    "{\"spec-id\":0,\"fields\":[{\"source-id\":2,\"field-id\":1000,\"name\":\"v\","                \
    "\"transform\":\"identity\"}]}"

static const struct lake_ident ident = {"ns", "t"};

static void init(struct real *r)
{
    real_init(r);
    create(r, TWO_COLUMNS, BY_V);
    /* a, b, c */
    insert(r, "SELECT i::BIGINT AS id, chr(97 + i::INTEGER) AS v FROM range(3) r(i)", 4);
}

/* The ids that are there and the partitions they are in. */
static const char *rows(struct real *r)
{
    return answer(r, "SELECT list(v || id ORDER BY v, id) FROM t", NULL, 0, NULL);
}

/* Rows of partition a are replaced by one row, in branch dev: INSERT OVERWRITE. */
static int64_t overwrite_a(struct real *r, const char *word)
{
    const struct lake_property replaces = {"replace-partitions", word};
    struct lake_value a = {.bytes = SLICE_LIT("a")};
    struct lake_predicate only = {2, LAKE_OP_EQ, &a, 1};
    struct vec_columns columns = {0};
    struct vec_batch batch;
    struct lake_writer *writer;
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_data_file *files;
    struct lake_entry *removed;
    struct lake_change change = {.branch = "dev", .summary = &replaces, .summary_count = 1};
    int64_t id;

    query_batch(r, "SELECT 100::BIGINT AS id, 'a' AS v", &batch, &columns);
    OK(lake_writer_new(
        &writer,
        &(struct lake_writer_options){
            .lake = r->lake, .db = r->db, .metadata = r->m, .columns = &columns, .open_max = 4},
        &r->err));
    OK(lake_writer_write(writer, &batch, &r->err));
    OK(lake_writer_cut(writer, &arena, &files, &change.added_count, &r->err));
    OK(lake_plan(r->lake, r->m, -1, NULL, &only, 1, &arena, &plan, &r->err));
    removed = ARENA_ARRAY(&arena, struct lake_entry, plan.file_count + 1);
    for (size_t i = 0; i < plan.file_count; i++)
        removed[i] = plan.files[i].entry;
    change.added = files;
    change.removed = removed;
    change.removed_count = plan.file_count;
    commit(r, &change);
    id = lake_metadata_branch(r->m, "dev")->snapshot_id;
    lake_plan_release(r->lake, &plan);
    lake_writer_free(writer);
    vec_batch_deinit(&batch);
    vec_columns_free(&columns);
    arena_deinit(&arena);
    return id;
}

static int pick(struct real *r, const struct lake_metadata *m, int64_t id)
{
    struct one_table one = {{&one_ops, false}, r};
    struct lake_ref_change made;
    int64_t snapshot;
    int rc;

    r->err = (struct err){0};
    rc = lake_cherry_pick_wait(r->lake, &one.catalog, &ident, m, NULL, id, &made, &snapshot,
                               &r->err);
    if (!rc)
        assert_int_equal(json_array_size(made.updates), 0);
    lake_ref_change_free(&made);
    return rc;
}

static void an_overwrite_of_partitions_is_picked_while_they_are_as_they_were(void **state)
{
    struct real real, *r = &real;
    char source[32];
    int64_t id;

    (void)state;
    init(r);
    id = overwrite_a(r, "true");
    insert(r, "SELECT 7::BIGINT AS id, 'b' AS v", 4);
    assert_string_equal(rows(r), "[a0, b1, b7, c2]");
    OK(pick(r, r->m, id));
    assert_string_equal(rows(r), "[a100, b1, b7, c2]");
    snprintf(source, sizeof(source), "%" PRId64, id);
    assert_string_equal(lake_summary(lake_metadata_snapshot(r->m), "source-snapshot-id"), source);
    assert_string_equal(lake_metadata_snapshot(r->m)->operation, "overwrite");
    assert_string_equal(lake_summary(lake_metadata_snapshot(r->m), "deleted-data-files"), "1");
    assert_int_equal(pick(r, r->m, id), ERR_INVALID); /* once is enough */
    assert_non_null(strstr(r->err.text, "already picked"));
    real_deinit(r);
}

static void one_whose_partition_got_rows_is_refused_by_its_name(void **state)
{
    struct real real, *r = &real;
    int64_t id;

    (void)state;
    init(r);
    id = overwrite_a(r, "true");
    insert(r, "SELECT 7::BIGINT AS id, 'a' AS v", 4);
    assert_int_equal(pick(r, r->m, id), ERR_INVALID);
    assert_string_equal(r->err.text,
                        "Cannot cherry-pick replace partitions with changed partition: v=a");
    assert_string_equal(rows(r), "[a0, a7, b1, c2]");
    real_deinit(r);
}

static void what_it_took_out_must_still_be_there(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_change all = {0};
    struct lake_entry *removed;
    int64_t id;

    (void)state;
    init(r);
    id = overwrite_a(r, "true");
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    removed = ARENA_ARRAY(&arena, struct lake_entry, plan.file_count + 1);
    for (size_t i = 0; i < plan.file_count; i++)
        removed[i] = plan.files[i].entry;
    all.removed = removed;
    all.removed_count = plan.file_count;
    commit(r, &all);
    assert_int_equal(pick(r, r->m, id), ERR_INVALID);
    assert_non_null(strstr(r->err.text, "Missing required files to delete: s3://"));
    lake_plan_release(r->lake, &plan);
    arena_deinit(&arena);
    real_deinit(r);
}

static void what_is_neither_goes_only_where_it_was_made(void **state)
{
    static const int64_t first[] = {0};
    struct real real, *r = &real;
    struct lake_ref_change made;
    struct one_table one = {{&one_ops, false}, r};
    int64_t id, snapshot, rolled;
    json_t *updates;
    struct lake_metadata *next;

    (void)state;
    init(r);
    id = overwrite_a(r, "false"); /* by a filter, say */
    OK(lake_cherry_pick_wait(r->lake, &one.catalog, &ident, r->m, NULL, id, &made, &snapshot,
                             &r->err));
    assert_int_equal(json_array_size(made.updates), 1); /* its parent is the head */
    lake_ref_change_free(&made);
    insert(r, "SELECT 7::BIGINT AS id, 'b' AS v", 4);
    assert_int_equal(pick(r, r->m, id), ERR_INVALID);
    assert_non_null(strstr(r->err.text, "not append, dynamic overwrite, or fast-forward"));

    rolled = r->m->current_snapshot_id; /* a delete that was rolled back */
    insert(r, "SELECT i::BIGINT AS id, 'd' AS v FROM range(3) r(i)", 4);
    delete_rows(r, 0, first, 1);
    id = r->m->current_snapshot_id;
    updates = json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", "main",
                        "type", "branch", "snapshot-id", (json_int_t)rolled);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    assert_int_equal(pick(r, next, id), ERR_INVALID);
    assert_non_null(strstr(r->err.text, "not append, dynamic overwrite, or fast-forward"));
    lake_metadata_free(next);
    real_deinit(r);
}

/* Goal: what was checked is what is committed. Method: a row lands between the two. */
static void a_branch_that_moves_meanwhile_is_a_conflict(void **state)
{
    struct real real, *r = &real;
    struct lake_metadata *seen;
    int64_t id;

    (void)state;
    init(r);
    id = overwrite_a(r, "true");
    insert(r, "SELECT 7::BIGINT AS id, 'b' AS v", 4);
    seen = lake_metadata_ref(r->m);
    insert(r, "SELECT 8::BIGINT AS id, 'a' AS v", 4);
    assert_int_equal(pick(r, seen, id), ERR_CONFLICT);
    assert_string_equal(rows(r), "[a0, a8, b1, b7, c2]");
    lake_metadata_free(seen);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overwrite_of_partitions_is_picked_while_they_are_as_they_were),
        cmocka_unit_test(one_whose_partition_got_rows_is_refused_by_its_name),
        cmocka_unit_test(what_it_took_out_must_still_be_there),
        cmocka_unit_test(what_is_neither_goes_only_where_it_was_made),
        cmocka_unit_test(a_branch_that_moves_meanwhile_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
