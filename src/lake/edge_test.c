/* edge_test.c - values and files at the edge of what a table may hold. */
#include <math.h>

#include "lake/testing_table.h"

/* Goal: floating point is told apart as SQL does it: -0.0 is 0, NaN is NaN, NULL is neither. */
static void zeros_and_nans_are_one_partition_each(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_value zero = {.d = 0};
    struct lake_predicate p = {1, LAKE_OP_EQ, &zero, 1};
    size_t files;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
           "{\"id\":1,\"name\":\"d\",\"required\":false,\"type\":\"double\"}]}",
           "{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"name\":\"d\","
           "\"transform\":\"identity\"}]}");
    insert(r,
           "SELECT d::DOUBLE AS d FROM (VALUES ('-0.0'), ('0.0'), ('nan'), ('nan'), (NULL), "
           "('1.5'), ('-0.0')) t(d)",
           0);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    assert_int_equal(plan.file_count, 4);
    for (size_t i = 0; i < plan.file_count; i++) {
        const struct lake_value *value = &plan.files[i].entry.file.partition[0];

        assert_true(value->null || value->d != 0 || !signbit(value->d));
    }
    assert_string_equal(
        answer(r, "SELECT count(*) || ' ' || count(d) FROM t WHERE d = 0", &p, 1, &files), "3 3");
    assert_int_equal(files, 1);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || count(d) FROM t", NULL, 0, NULL),
                        "7 6");
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: what is encrypted is refused by name, not read as if it were torn. Method: a data file with
 * key metadata, then a snapshot with a key. */
static void encrypted_files_are_refused_by_name(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1};
    struct lake_metadata *next;
    json_t *updates;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
           "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}",
           NULL);
    insert(r, "SELECT 1::BIGINT AS id", 0);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    file = plan.files[0].entry.file;
    file.path = "s3://w/t/data/sealed.parquet";
    file.key_metadata = SLICE_LIT("key 7");
    commit(r, &change);
    assert_int_equal(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(r->err.text, "sealed.parquet is encrypted"));
    updates = json_pack("[{s:s, s:{s:I, s:I, s:I, s:I, s:s, s:s, s:{s:s}}}, {s:s, s:s, s:s, s:I}]",
                        "action", "add-snapshot", "snapshot", "snapshot-id", (json_int_t)77,
                        "parent-snapshot-id", (json_int_t)r->m->current_snapshot_id,
                        "sequence-number", (json_int_t)r->m->last_sequence_number + 1,
                        "timestamp-ms", (json_int_t)r->m->last_updated_ms + 1, "manifest-list",
                        "s3://w/t/metadata/sealed.avro", "key-id", "k1", "summary", "operation",
                        "append", "action", "set-snapshot-ref", "ref-name", "main", "type",
                        "branch", "snapshot-id", (json_int_t)77);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    assert_int_equal(lake_plan(r->lake, next, -1, NULL, NULL, 0, &arena, &plan, &r->err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(r->err.text, "key k1"));
    lake_metadata_free(next);
    json_decref(updates);
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_and_nans_are_one_partition_each),
        cmocka_unit_test(encrypted_files_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
