/* statistics_test.c - files of partition statistics: as the specification wants them, and read
 * back. */
#include "lake/statistics.h"

#include "lake/testing_upkeep.h"

#define BY_V                                                                                       \
    "{\"spec-id\":0,\"fields\":[{\"source-id\":2,\"field-id\":1000,\"name\":\"v\","                \
    "\"transform\":\"identity\"}]}"

/* Two partitions, rows deleted in one of them; then a second spec, and a file of it. */
static void init(struct real *r, int version)
{
    static const int64_t first[] = {0};

    real_init(r);
    create(r, TWO_COLUMNS, BY_V);
    insert(r, "SELECT i::BIGINT AS id, 'b' AS v FROM range(4) r(i)", 4);
    insert(r, "SELECT i::BIGINT AS id, NULL::VARCHAR AS v FROM range(2) r(i)", 4);
    if (version == 3)
        upgrade_v3(r);
    delete_rows(r, 1, first, 1);
    apply_updates(r, json_pack("[{s:s, s:{s:[{s:i, s:s, s:s}, {s:i, s:s, s:s}]}}, {s:s, s:i}]",
                               "action", "add-spec", "spec", "fields", "source-id", 2, "transform",
                               "identity", "name", "v", "source-id", 1, "transform", "bucket[4]",
                               "name", "id_bucket", "action", "set-default-spec", "spec-id", -1));
    insert(r, "SELECT 9::BIGINT AS id, 'b' AS v", 4);
}

static void analyze(struct real *r)
{
    json_t *update;

    OK(lake_partition_statistics_wait(r->lake, r->conn, r->m, &update, &r->err));
    assert_non_null(update);
    apply_updates(r, json_pack("[o]", update));
}

static const char *listed_path(struct real *r)
{
    return json_string_value(json_object_get(
        json_array_get(json_object_get(r->m->doc, "partition-statistics"), 0), "statistics-path"));
}

/* The answer of a query over the file, which is called FILE in it. */
static const char *ask(struct real *r, const char *select)
{
    static char text[4000];
    struct arena arena = {0};
    const char *bucket, *key, *local;
    struct vec_result *result;
    duckdb_data_chunk chunk;

    OK(store_split(listed_path(r), &arena, &bucket, &key, &r->err));
    OK(r->store->ops->local(r->store, bucket, key, &arena, &local, &r->err));
    OK(vec_query(r->conn, arena_printf(&arena, select, local), &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    assert_non_null(chunk);
    {
        duckdb_string_t *s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

        snprintf(text, sizeof(text), "%.*s", (int)duckdb_string_t_length(*s),
                 duckdb_string_t_data(s));
    }
    vec_result_free(result);
    r->store->ops->local_release(r->store, local);
    arena_deinit(&arena);
    return text;
}

static void a_row_per_partition_and_spec_sorted_with_the_ids_of_the_specification(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++) {
        struct real real, *r = &real;

        init(r, version);
        analyze(r);
        assert_string_equal(
            ask(r, "SELECT list(name || ' ' || field_id)::VARCHAR FROM parquet_schema('%s') "
                   "WHERE field_id IS NOT NULL"),
            version == 3
                ? "[partition 1, v 1000, id_bucket 1001, spec_id 2, data_record_count 3, "
                  "data_file_count 4, total_data_file_size_in_bytes 5, "
                  "position_delete_record_count 6, position_delete_file_count 7, dv_count 13, "
                  "equality_delete_record_count 8, equality_delete_file_count 9, "
                  "total_record_count 10, last_updated_at 11, last_updated_snapshot_id 12]"
                : "[partition 1, v 1000, id_bucket 1001, spec_id 2, data_record_count 3, "
                  "data_file_count 4, total_data_file_size_in_bytes 5, "
                  "position_delete_record_count 6, position_delete_file_count 7, "
                  "equality_delete_record_count 8, equality_delete_file_count 9, "
                  "total_record_count 10, last_updated_at 11, last_updated_snapshot_id 12]");
        assert_string_equal(
            ask(r, "SELECT string_agg(coalesce(partition.v, '-') || ' spec ' || spec_id || ': ' || "
                   "data_record_count || ' in ' || data_file_count || ', ' || "
                   "position_delete_record_count || ' in ' || position_delete_file_count, '; ') "
                   "FROM read_parquet('%s')"),
            version == 3 ? "- spec 0: 2 in 1, 0 in 0; b spec 0: 4 in 1, 1 in 0; "
                           "b spec 1: 1 in 1, 0 in 0"
                         : "- spec 0: 2 in 1, 0 in 0; b spec 0: 4 in 1, 1 in 1; "
                           "b spec 1: 1 in 1, 0 in 0");
        real_deinit(r);
    }
}

static void what_was_written_is_read_until_its_snapshot_goes(void **state)
{
    struct lake_property keep[] = {{"history.expire.max-snapshot-age-ms", "1"},
                                   {"history.expire.min-snapshots-to-keep", "1"}};
    struct lake_change tidy = {.maintain = true};
    struct lake_partition_statistics of;
    struct real real, *r = &real;
    struct arena arena = {0};
    struct buf bytes = {0};
    char path[300];

    (void)state;
    init(r, 2);
    OK(lake_partition_statistics_read(r->lake, r->conn, r->m, 9, &arena, &of, &r->err));
    assert_int_equal(of.snapshot_id, -1);
    analyze(r);
    insert(r, "SELECT 10::BIGINT AS id, 'c' AS v", 4); /* they are those of the one before now */
    OK(lake_partition_statistics_read(r->lake, r->conn, r->m, 2, &arena, &of, &r->err));
    assert_int_equal(of.snapshot_id, lake_metadata_snapshot(r->m)->parent_id);
    assert_int_equal(of.count, 3);
    assert_int_equal(of.line_count, 2);
    assert_int_equal(of.lines[1].rows, 4);
    assert_int_equal(of.lines[1].deleted, 1);
    assert_non_null(strstr(of.lines[1].partition, "b"));

    snprintf(path, sizeof(path), "%s", listed_path(r));
    clock_fake_advance(&r->clock, (int64_t)60 * 1000000000);
    set_properties(r, keep, 2);
    commit(r, &tidy);
    assert_int_equal(json_array_size(json_object_get(r->m->doc, "partition-statistics")), 0);
    assert_int_equal(store_get_at(r->store, path, &bytes, &r->err), ERR_NOENT);
    buf_deinit(&bytes);
    arena_deinit(&arena);
    real_deinit(r);
}

static void a_table_without_partitions_has_none_and_a_torn_file_is_told(void **state)
{
    struct lake_partition_statistics of;
    struct real real, *r = &real;
    struct arena arena = {0};
    json_t *update;

    (void)state;
    real_init(r);
    create(r, TWO_COLUMNS, NULL);
    insert(r, "SELECT 1::BIGINT AS id, 'b' AS v", 4);
    OK(lake_partition_statistics_wait(r->lake, r->conn, r->m, &update, &r->err));
    assert_null(update);
    real_deinit(r);

    init(r, 2);
    analyze(r);
    OK(store_put_at(r->store, listed_path(r), SLICE_LIT("PAR1 and no more"), &r->err));
    assert_int_not_equal(
        lake_partition_statistics_read(r->lake, r->conn, r->m, 2, &arena, &of, &r->err), 0);
    assert_non_null(strstr(r->err.text, "partition-stats-"));
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_per_partition_and_spec_sorted_with_the_ids_of_the_specification),
        cmocka_unit_test(what_was_written_is_read_until_its_snapshot_goes),
        cmocka_unit_test(a_table_without_partitions_has_none_and_a_torn_file_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
