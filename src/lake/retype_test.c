/* retype_test.c - files of DuckDB's whose types are changed: it reads the same values from them,
 * and pages of every kind that it writes are gone through. */
#include "lake/retype.h"
#include "lake/testing_table.h"
#include "lake/thrift.h"

static const char schema_json[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"few\",\"required\":false,\"type\":\"fixed[3]\"},"
    "{\"id\":3,\"name\":\"many\",\"required\":false,\"type\":\"fixed[16]\"},"
    "{\"id\":4,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":5,"
    "\"element-required\":false,\"element\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":6,\"name\":\"f\",\"required\":false,\"type\":\"fixed[8]\"}]}}},"
    "{\"id\":7,\"name\":\"ns\",\"required\":false,\"type\":\"timestamp_ns\"},"
    "{\"id\":8,\"name\":\"s\",\"required\":false,\"type\":\"string\"}]}";

/* Few values make a dictionary, many are plain; nulls and empty lists are among all of them. */
static const char rows_sql[] =
    "SELECT i::BIGINT AS id, CASE WHEN i % 5 <> 0 THEN ('ab' || chr((97 + i % 4)::INTEGER))::BLOB "
    "END AS few, CASE WHEN i % 7 <> 0 THEN unhex(md5(i::VARCHAR)) END AS many, "
    "CASE WHEN i % 3 <> 0 THEN [{'f': md5((i + k)::VARCHAR)[1:8]::BLOB} for k in range(i % 4)] END "
    "AS l, CASE WHEN i % 2 = 0 THEN make_timestamp_ns(1704067200123456789 + i) END AS ns, "
    "'text ' || i AS s FROM range(30000) t(i)";

static const char copy_options[] = "FORMAT parquet, ROW_GROUP_SIZE 8192, FIELD_IDS {id: 1, few: 2, "
                                   "many: 3, l: {__duckdb_field_id: "
                                   "4, element: {__duckdb_field_id: 5, f: 6}}, ns: 7, s: 8}";

static void with_schema(struct real *r, struct arena *arena, struct lake_schema *schema)
{
    OK(lake_schema_parse_text(slice_str(schema_json), arena, schema, &r->err));
}

static void write_rows(struct real *r, const char *codec, char path[1100])
{
    char sql[4000];

    snprintf(path, 1100, "%s/%s.parquet", r->dir, codec);
    snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (%s, COMPRESSION %s)", rows_sql, path,
             copy_options, codec);
    OK(vec_exec(r->conn, sql, &r->err));
}

static int64_t number(struct real *r, const char *sql)
{
    struct vec_result *result;
    duckdb_data_chunk chunk;
    int64_t value;

    OK(vec_query(r->conn, sql, &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    assert_non_null(chunk);
    value = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    vec_result_free(result);
    return value;
}

/* Goal: no value, null or level changes. Method: DuckDB reads both and finds no difference. */
static void every_value_is_kept(void **state)
{
    static const char *const codecs[] = {"zstd", "snappy", "gzip", "uncompressed"};
    struct arena arena = {0};
    struct lake_schema schema;
    struct real real, *r = &real;
    struct disk_stat stat;

    (void)state;
    real_init(r);
    with_schema(r, &arena, &schema);
    assert_true(retype_needed(&schema));
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        char path[1100], sql[4000];
        int64_t size;

        assert_true(retype_reads(codecs[i]));
        write_rows(r, codecs[i], path);
        OK(retype_file(disk_system(), path, &schema, &size, &r->err));
        OK(disk_stat(disk_system(), path, &stat, &r->err));
        assert_int_equal(stat.size, size);
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM ((%s) EXCEPT ALL (FROM '%s'))", rows_sql,
                 path);
        assert_int_equal(number(r, sql), 0);
    }
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: the footer says the table's types. */
static void the_footer_says_the_types_of_the_table(void **state)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct real real, *r = &real;
    char path[1100], sql[1600];
    int64_t size;

    (void)state;
    real_init(r);
    with_schema(r, &arena, &schema);
    write_rows(r, "zstd", path);
    OK(retype_file(disk_system(), path, &schema, &size, &r->err));
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM parquet_schema('%s') WHERE type = 'FIXED_LEN_BYTE_ARRAY' AND "
             "type_length::BIGINT = CASE field_id WHEN 2 THEN 3 WHEN 3 THEN 16 WHEN 6 THEN 8 END",
             path);
    assert_int_equal(number(r, sql), 3);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: bytes of another length are no value of the column, and the file is not half changed. */
static void a_value_of_another_length_is_refused(void **state)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct real real, *r = &real;
    char path[1100], sql[1600];
    int64_t size;

    (void)state;
    real_init(r);
    with_schema(r, &arena, &schema);
    snprintf(path, sizeof(path), "%s/short.parquet", r->dir);
    snprintf(sql, sizeof(sql),
             "COPY (SELECT 'ab'::BLOB AS few) TO '%s' (FORMAT parquet, FIELD_IDS "
             "{few: 2})",
             path);
    OK(vec_exec(r->conn, sql, &r->err));
    assert_int_equal(retype_file(disk_system(), path, &schema, &size, &r->err), ERR_INVALID);
    assert_non_null(strstr(r->err.text, "2 bytes in a column of 3 bytes"));
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM '%s'", path);
    assert_int_equal(number(r, sql), 1);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: what is no Parquet file is refused at any length, never trusted. */
static void a_file_that_breaks_off_is_refused(void **state)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct real real, *r = &real;
    struct buf whole = {0};
    char path[1100];
    int64_t size;

    (void)state;
    real_init(r);
    with_schema(r, &arena, &schema);
    write_rows(r, "zstd", path);
    OK(disk_read_file(disk_system(), path, &whole, &r->err));
    for (size_t cut = 0; cut < 40; cut++) {
        size_t len = whole.len * cut / 40;

        OK(disk_write_file(disk_system(), path, slice_of(whole.ptr, len), &r->err));
        assert_int_equal(retype_file(disk_system(), path, &schema, &size, &r->err), ERR_CORRUPT);
    }
    for (size_t at = 0; at < 200; at++) { /* any byte of the footer: refused, or harmless */
        size_t place = whole.len - 9 - at * 5;
        uint8_t old = whole.ptr[place];

        whole.ptr[place] ^= 0x5a;
        OK(disk_write_file(disk_system(), path, buf_slice(&whole), &r->err));
        retype_file(disk_system(), path, &schema, &size, &r->err);
        whole.ptr[place] = old;
    }
    buf_deinit(&whole);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: a tree that is read and written again is the same bytes; every truncation is refused. */
static void a_tree_is_written_as_it_was_read(void **state)
{
    static const uint8_t bytes[] = {0x15, 0x0e, 0x11, 0x12, 0x18, 3,    'a',  'b',  'c',
                                    0x19, 0x2c, 0x15, 2,    0,    0x15, 4,    0,    0x19,
                                    0x21, 1,    2,    0x05, 0x80, 0x08, 0x01, 0x17, 1,
                                    2,    3,    4,    5,    6,    7,    8,    0};
    struct arena arena = {0};
    struct thrift_node node;
    struct buf out = {0};
    size_t used;

    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++)
        assert_int_equal(thrift_read(slice_of(bytes, len), &arena, &node, &used, NULL),
                         ERR_CORRUPT);
    assert_int_equal(thrift_read(slice_of(bytes, sizeof(bytes)), &arena, &node, &used, NULL), 0);
    assert_int_equal(used, sizeof(bytes));
    assert_int_equal(thrift_number(&node, 1, 0), 7);
    assert_int_equal(thrift_number(&node, 512, 0), -1);
    assert_int_equal(thrift_write(&node, &out), 0);
    assert_int_equal(out.len, sizeof(bytes));
    assert_memory_equal(out.ptr, bytes, sizeof(bytes));
    assert_int_equal(
        thrift_set(&node, &arena, (struct thrift_node){.type = THRIFT_I32, .id = 6, .number = 9}),
        0);
    assert_int_equal(thrift_number(&node, 6, 0), 9);
    thrift_remove(&node, 6);
    assert_null(thrift_field(&node, 6));
    buf_deinit(&out);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_kept),
        cmocka_unit_test(the_footer_says_the_types_of_the_table),
        cmocka_unit_test(a_value_of_another_length_is_refused),
        cmocka_unit_test(a_file_that_breaks_off_is_refused),
        cmocka_unit_test(a_tree_is_written_as_it_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
