/* small_parquet_test.c - files of a few rows: DuckDB reads what was written, and the metrics are
 * those that a file of DuckDB's own would have had. */
#include "lake/small_parquet.h"
#include "lake/testing_table.h"

static const char all_types[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"boolean\"},"
    "{\"id\":3,\"name\":\"i\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":4,\"name\":\"f\",\"required\":false,\"type\":\"float\"},"
    "{\"id\":5,\"name\":\"d\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":6,\"name\":\"s\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":7,\"name\":\"day\",\"required\":false,\"type\":\"date\"},"
    "{\"id\":8,\"name\":\"ts\",\"required\":false,\"type\":\"timestamp\"},"
    "{\"id\":9,\"name\":\"tz\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":10,\"name\":\"m\",\"required\":false,\"type\":\"decimal(9,2)\"},"
    "{\"id\":11,\"name\":\"n\",\"required\":false,\"type\":\"decimal(18,4)\"},"
    "{\"id\":12,\"name\":\"nothing\",\"required\":false,\"type\":\"string\"}]}";

/* Every third value of a column is NULL, in turn; the rest goes up and down. */
static const char rows_sql[] =
    "SELECT i::BIGINT AS id, CASE WHEN i %% 3 <> 0 THEN i %% 2 = 0 END AS b,"
    " CASE WHEN i %% 3 <> 1 THEN (i * 37 %% 101 - 50)::INTEGER END AS i,"
    " CASE WHEN i %% 3 <> 2 THEN (i * 7 %% 13 - 6)::FLOAT / 4 END AS f,"
    " CASE WHEN i %% 3 <> 0 THEN (i * 11 %% 17 - 8)::DOUBLE / 3 END AS d,"
    " CASE WHEN i %% 3 <> 1 THEN 'a rather long text \xc3\xa9 ' || (i * 5 %% 7) END AS s,"
    " CASE WHEN i %% 3 <> 2 THEN DATE '1969-12-30' + (i %% 9)::INTEGER END AS day,"
    " CASE WHEN i %% 3 <> 0 THEN TIMESTAMP '1969-12-31 23:59:59.5' + INTERVAL (i) SECOND END AS ts,"
    " CASE WHEN i %% 3 <> 1 THEN TIMESTAMPTZ '2024-02-29 01:02:03.000004+00' + INTERVAL (i) HOUR "
    "END"
    " AS tz,"
    " CASE WHEN i %% 3 <> 2 THEN (i * 19 %% 23 - 11)::DECIMAL(9,2) / 4 END::DECIMAL(9,2) AS m,"
    " CASE WHEN i %% 3 <> 0 THEN ((i - 5) * 1000003)::DECIMAL(18,4) END AS n, NULL::VARCHAR AS "
    "nothing"
    " FROM range(%d) t(i)";

struct given {
    struct vec_batch *batch;
    size_t at;
};

static int give(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct given *given = arg;

    (void)err;
    if (given->at < given->batch->count)
        vec_chunk_refer(out, given->batch->chunks[given->at++]);
    else
        duckdb_data_chunk_set_size(out, 0);
    return 0;
}

/* Pulled into one file and committed; `codec` NULL: the table's. */
static struct lake_data_file pull_rows(struct real *r, const char *sql, struct arena *arena)
{
    struct vec_columns columns = {0};
    struct vec_batch batch;
    struct given given = {&batch, 0};
    struct vec_feed feed = {&columns, give, &given};
    struct lake_writer_options options = {
        .lake = r->lake, .db = r->db, .metadata = r->m, .columns = &columns};
    struct lake_writer *writer;
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1};

    query_batch(r, sql, &batch, &columns);
    OK(lake_writer_new(&writer, &options, &r->err));
    OK(lake_writer_pull(writer, r->conn, &feed, arena, &file, &r->err));
    if (file.path)
        commit(r, &change);
    lake_writer_free(writer);
    vec_batch_deinit(&batch);
    vec_columns_free(&columns);
    return file;
}

static void set_codec(struct real *r, const char *codec)
{
    json_t *updates = json_pack("[{s:s, s:{s:s}}]", "action", "set-properties", "updates",
                                "write.parquet.compression-codec", codec);
    struct lake_metadata *next;

    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
}

static const char *who_wrote(struct real *r, const char *location)
{
    struct arena arena = {0};
    const char *bucket, *key, *path;
    struct vec_result *result;
    duckdb_data_chunk chunk;
    static char text[200];
    char sql[900];

    OK(store_split(location, &arena, &bucket, &key, &r->err));
    OK(r->store->ops->local(r->store, bucket, key, &arena, &path, &r->err));
    snprintf(sql, sizeof(sql), "SELECT created_by FROM parquet_file_metadata('%s')", path);
    OK(vec_query(r->conn, sql, &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    duckdb_string_t *s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    snprintf(text, sizeof(text), "%.*s", (int)duckdb_string_t_length(*s), duckdb_string_t_data(s));
    vec_result_free(result);
    arena_deinit(&arena);
    return text;
}

/* Goal: the same rows by both ways. Method: what each wrote, hashed by DuckDB. */
static void duckdb_reads_what_was_written(void **state)
{
    static const char *const codecs[] = {"zstd", "uncompressed", "gzip"};
    static const int counts[] = {1, 7, 8, 9, 64, 200, SMALL_PARQUET_ROWS};
    static const char sum[] = "string_agg(t::VARCHAR, ';' ORDER BY id)";

    (void)state;
    for (size_t c = 0; c < COUNT_OF(codecs); c++)
        for (size_t n = 0; n < COUNT_OF(counts); n++) {
            struct real here, *r = &here;
            struct arena arena = {0};
            struct lake_data_file file;
            struct vec_result *result;
            duckdb_data_chunk chunk;
            char sql[2500], wanted[2600];

            real_init(r);
            create(r, all_types, NULL);
            set_codec(r, codecs[c]);
            snprintf(sql, sizeof(sql), rows_sql, counts[n]);
            file = pull_rows(r, sql, &arena);
            assert_int_equal(file.record_count, counts[n]);
            assert_int_equal(strcmp(who_wrote(r, file.path), "tarn") == 0, c != 2);
            snprintf(wanted, sizeof(wanted), "SELECT md5(%s) FROM (%s) t", sum, sql);
            OK(vec_query(r->conn, wanted, &result, &r->err));
            OK(vec_result_next(result, &chunk, &r->err));
            duckdb_string_t *s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
            snprintf(wanted, sizeof(wanted), "%.*s\n", (int)duckdb_string_t_length(*s),
                     duckdb_string_t_data(s));
            vec_result_free(result);
            snprintf(sql, sizeof(sql), "(SELECT md5(%s) FROM t)", sum);
            assert_string_equal(strtok(answer(r, sql, NULL, 0, NULL), "\n"), strtok(wanted, "\n"));
            arena_deinit(&arena);
            real_deinit(r);
        }
}

static void assert_same_bytes(struct slice a, struct slice b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

/* Goal: planning cannot tell who wrote a file. Method: DuckDB writes the same rows as gzip. */
static void metrics_are_those_of_duckdb(void **state)
{
    struct real small, large, *r = &small;
    struct arena arena = {0};
    struct lake_data_file ours, theirs;
    char sql[2500];

    (void)state;
    snprintf(sql, sizeof(sql), rows_sql, 100);
    real_init(r);
    create(r, all_types, NULL);
    ours = pull_rows(r, sql, &arena);
    r = &large;
    real_init(r);
    create(r, all_types, NULL);
    set_codec(r, "gzip");
    theirs = pull_rows(r, sql, &arena);
    assert_int_equal(ours.metric_count, theirs.metric_count);
    for (size_t i = 0; i < ours.metric_count; i++) {
        const struct lake_metric *a = &ours.metrics[i], *b = &theirs.metrics[i];

        assert_int_equal(a->field_id, b->field_id);
        assert_int_equal(a->value_count, b->value_count);
        assert_int_equal(a->null_count, b->null_count);
        assert_int_equal(a->nan_count, b->nan_count);
        assert_same_bytes(a->lower, b->lower);
        assert_same_bytes(a->upper, b->upper);
    }
    real_deinit(&small);
    real_deinit(&large);
    arena_deinit(&arena);
}

static void nan_is_counted_and_bounds_nothing(void **state)
{
    struct real here, *r = &here;
    struct arena arena = {0};
    struct lake_data_file file;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"d\","
           "\"required\":false,\"type\":\"double\"}]}",
           NULL);
    file = pull_rows(r, "SELECT unnest(['nan', '2', '-3', NULL, 'nan'])::DOUBLE AS d", &arena);
    assert_int_equal(file.metrics[0].nan_count, 2);
    assert_int_equal(file.metrics[0].null_count, 1);
    assert_int_equal(file.metrics[0].lower.len, 8);
    assert_string_equal(
        answer(r, "(SELECT count(*) FILTER (isnan(d)) || ' ' || min(d) FROM t)", NULL, 0, NULL),
        "2 -3.0");
    arena_deinit(&arena);
    real_deinit(r);
}

static void no_rows_are_no_file(void **state)
{
    struct real here, *r = &here;
    struct arena arena = {0};
    char sql[2500];

    (void)state;
    real_init(r);
    create(r, all_types, NULL);
    snprintf(sql, sizeof(sql), rows_sql, 0);
    assert_null(pull_rows(r, sql, &arena).path);
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duckdb_reads_what_was_written),
        cmocka_unit_test(metrics_are_those_of_duckdb),
        cmocka_unit_test(nan_is_counted_and_bounds_nothing),
        cmocka_unit_test(no_rows_are_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
