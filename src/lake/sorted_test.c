/* sorted_test.c - files say that they are in the table's sort order exactly when they are. */
#include "lake/testing_merge.h"

/* A new default sort order of one field. */
static void order_by(struct real *r, int field_id, const char *transform, bool descending)
{
    apply_updates(r, json_pack("[{s:s, s:{s:i, s:[{s:s, s:i, s:s, s:s}]}}, {s:s, s:i}]", "action",
                               "add-sort-order", "sort-order", "order-id", 1, "fields", "transform",
                               transform, "source-id", field_id, "direction",
                               descending ? "desc" : "asc", "null-order", "nulls-last", "action",
                               "set-default-sort-order", "sort-order-id", -1));
}

static void partition_by(struct real *r, const char *transform)
{
    apply_updates(r, json_pack("[{s:s, s:{s:i, s:[{s:i, s:s, s:s}]}}, {s:s, s:i}]", "action",
                               "add-spec", "spec", "spec-id", -1, "fields", "source-id", 1, "name",
                               "part", "transform", transform, "action", "set-default-spec",
                               "spec-id", -1));
}

/* Rows of one file that come before one that they should follow, by an expression that ascends. */
static int64_t out_of_order(struct real *r, struct lake_plan *plan, size_t file, const char *by)
{
    struct lake_plan one = *plan;
    struct arena arena = {0};
    struct vec_result *result;
    duckdb_data_chunk chunk;
    struct buf sql = {0};
    int64_t count;

    one.files = &plan->files[file];
    one.file_count = 1;
    one.local_count = 0;
    one.local = NULL;
    OK(buf_printf(&sql, "SELECT count(*) FROM (SELECT %s AS k, lag(k) OVER () AS p FROM ", by));
    OK(lake_scan_sql(r->lake, r->conn, &one, NULL, 0, &arena, &sql, &r->err));
    OK(buf_append_str(&sql, ") WHERE p > k"));
    OK(vec_query(r->conn, buf_cstr(&sql), &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    count = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    vec_result_free(result);
    lake_plan_release(r->lake, &one);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return count;
}

/* All files are in the default order; how many there are. */
static size_t all_in_order(struct real *r, const char *by)
{
    struct arena arena = {0};
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    for (size_t i = 0; i < plan.file_count; i++) {
        assert_int_equal(plan.files[i].entry.file.sort_order_id, r->m->default_order_id);
        assert_int_equal(out_of_order(r, &plan, i, by), 0);
    }
    arena_deinit(&arena);
    return plan.file_count;
}

/* As a job does it. */
static void insert_sorted(struct real *r, struct vec_db *db, const char *sql)
{
    struct vec_columns columns = {0};
    struct batch_feed from = {0};
    struct vec_feed feed = {&columns, pull_batch, &from};
    struct lake_writer_options o = {
        .lake = r->lake, .db = db, .metadata = r->m, .sorted = lake_sort_usable(r->m)};
    struct lake_writer *writer;
    struct arena arena = {0};
    struct lake_data_file *files;
    struct lake_change change = {0};

    assert_true(o.sorted);
    query_batch(r, sql, &from.batch, &columns);
    OK(lake_writer_new(&writer, &o, &r->err));
    OK(lake_writer_sort(writer, &feed, &arena, &files, &change.added_count, &r->err));
    change.added = files;
    commit(r, &change);
    lake_writer_free(writer);
    vec_batch_deinit(&from.batch);
    vec_columns_free(&columns);
    arena_deinit(&arena);
}

/* Goal: what a job writes is in order, with partitions and without, also when its columns come with
 * other types and in another order. */
static void what_a_job_writes_is_in_order(void **state)
{
    (void)state;
    for (size_t parts = 0; parts < 2; parts++) {
        struct real real, *r = &real;

        begin(r, false);
        order_by(r, 2, "identity", false);
        if (parts)
            partition_by(r, "bucket[30]");
        insert_sorted(r, r->db,
                      "SELECT ((i * 7919) % 5000)::VARCHAR AS v, i::INTEGER AS id "
                      "FROM range(5000) r(i)");
        assert_true(all_in_order(r, "v") > parts);
        real_deinit(r);
    }
}

/* Goal: memory is bounded by DuckDB's, not by the epoch. Method: 150 MB of rows in 128 MB. */
static void an_epoch_larger_than_memory_is_sorted(void **state)
{
    struct real real, *r = &real;
    struct vec_options options = {.threads = 1, .memory_bytes = 128 << 20};
    struct vec_db *small;

    (void)state;
    begin(r, false);
    order_by(r, 1, "identity", false);
    options.temp_dir = r->dir;
    OK(vec_db_new(&small, &options, &r->err));
    insert_sorted(r, small,
                  "SELECT (i * 7919) % 600011 AS id, repeat(md5(i::VARCHAR), 8) AS v "
                  "FROM range(600000) r(i)");
    assert_int_equal(all_in_order(r, "id"), 1);
    vec_db_free(small);
    real_deinit(r);
}

/* Goal: when the order changes, files of the old one no longer count as sorted, and maintenance
 * writes large ones in the new. Method: there and back; small files wait to be merged. */
static void files_follow_a_changed_order(void **state)
{
    static const struct lake_property large = {"write.target-file-size-bytes", "1000"};
    struct real real, *r = &real;
    struct told told;
    char *before;

    (void)state;
    begin(r, true);
    order_by(r, 1, "identity", false);
    set_properties(r, &large, 1);
    for (int i = 0; i < 2; i++)
        insert_sorted(r, r->db,
                      "SELECT (i * 77) % 500 AS id, ((i * 31) % 500)::VARCHAR AS v "
                      "FROM range(500) r(i)");
    assert_int_equal(all_in_order(r, "id"), 2);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SORT], 0);
    before = strdup(lineage_of(r));
    order_by(r, 2, "truncate[2]", true);
    upkeep(r, 1, &told);
    assert_int_equal(told.counts[LAKE_DO_SORT], 1);
    upkeep(r, 1, &told); /* one at a time */
    all_in_order(r, "-ascii(v) * 1000 - coalesce(ascii(v[2:2]), 0)");
    assert_string_equal(lineage_of(r), before);
    order_by(r, 1, "identity", false);
    upkeep(r, 1, &told);
    upkeep(r, 1, &told);
    all_in_order(r, "id");
    assert_string_equal(lineage_of(r), before);
    free(before);
    real_deinit(r);
}

/* What cannot be ordered by DuckDB is written as it comes, and says so. */
static void an_order_that_is_not_kept_is_not_claimed(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;

    (void)state;
    begin(r, false);
    order_by(r, 1, "bucket[4]", false);
    assert_false(lake_sort_usable(r->m));
    insert_range(r, 0, 10);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    assert_int_equal(plan.files[0].entry.file.sort_order_id, -1);
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_job_writes_is_in_order),
        cmocka_unit_test(an_epoch_larger_than_memory_is_sorted),
        cmocka_unit_test(files_follow_a_changed_order),
        cmocka_unit_test(an_order_that_is_not_kept_is_not_claimed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
