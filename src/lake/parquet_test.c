/* parquet_test.c - files of our own Parquet writer: DuckDB reads what was written, cell for cell,
 * and what the file says of itself is true. */
#include "lake/parquet.h"
#include "lake/testing_table.h"

struct written {
    char path[80];
    struct buf bytes;
    struct arena arena;
    struct lake_schema schema;
    struct parquet_result result;
};

static int keep(void *arg, struct slice bytes, struct err *err)
{
    (void)err;
    return buf_append_slice(arg, bytes);
}

/* What the query gives, cast to the schema's types, as a file. */
static void write_file(struct real *r, struct written *f, const char *schema,
                       const struct parquet_options *options, const char *sql)
{
    struct vec_columns columns = {0};
    struct parquet_writer *w;
    struct vec_result *result;
    duckdb_data_chunk chunk;

    memset(f, 0, sizeof(*f));
    OK(lake_schema_parse_text(slice_str(schema), &f->arena, &f->schema, &r->err));
    OK(lake_columns(&f->schema, &columns, &r->err));
    OK(parquet_new(&w, &f->schema, options, keep, &f->bytes, &r->err));
    OK(vec_query(r->conn, sql, &result, &r->err));
    assert_true(columns_same(&columns, vec_result_columns(result)));
    for (;;) {
        OK(vec_result_next(result, &chunk, &r->err));
        if (!chunk)
            break;
        OK(parquet_push(w, chunk, &r->err));
    }
    vec_result_free(result);
    OK(parquet_finish(w, &f->arena, &f->result, &r->err));
    parquet_free(w);
    vec_columns_free(&columns);
    snprintf(f->path, sizeof(f->path), "%s/f.parquet", r->dir);
    OK(disk_write_file(disk_scratch(), f->path, buf_slice(&f->bytes), &r->err));
}

static void written_deinit(struct written *f)
{
    buf_deinit(&f->bytes);
    arena_deinit(&f->arena);
}

/* The only cell of a query, as text. */
static const char *cell(struct real *r, const char *sql)
{
    static char text[4000];
    struct vec_result *result;
    duckdb_data_chunk chunk;
    duckdb_string_t *s;

    OK(vec_query(r->conn, sql, &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    assert_non_null(chunk);
    s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    snprintf(text, sizeof(text), "%.*s", (int)duckdb_string_t_length(*s), duckdb_string_t_data(s));
    vec_result_free(result);
    return text;
}

static void same_rows(struct real *r, const struct written *f, const char *sql)
{
    struct buf text = {0};

    OK(buf_printf(&text,
                  "SELECT (SELECT count(*) FROM (FROM (%s) EXCEPT ALL FROM '%s')) || ' ' || "
                  "(SELECT count(*) FROM (FROM '%s' EXCEPT ALL FROM (%s)))",
                  sql, f->path, f->path, sql));
    assert_string_equal(cell(r, buf_cstr(&text)), "0 0");
    buf_deinit(&text);
}

static void round_trip(struct real *r, const char *schema, const struct parquet_options *options,
                       const char *sql)
{
    struct written f;

    write_file(r, &f, schema, options, sql);
    same_rows(r, &f, sql);
    written_deinit(&f);
}

#define FIELD(id, name, type)                                                                      \
    "{\"id\":" #id ",\"name\":\"" name "\",\"required\":false,\"type\":" type "}"
#define SCHEMA(fields) "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[" fields "]}"

static const char flat_schema[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"boolean\"},"
    "{\"id\":3,\"name\":\"i\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":4,\"name\":\"f\",\"required\":false,\"type\":\"float\"},"
    "{\"id\":5,\"name\":\"d\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":6,\"name\":\"s\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":7,\"name\":\"day\",\"required\":false,\"type\":\"date\"},"
    "{\"id\":8,\"name\":\"t\",\"required\":false,\"type\":\"time\"},"
    "{\"id\":9,\"name\":\"ts\",\"required\":false,\"type\":\"timestamp\"},"
    "{\"id\":10,\"name\":\"tz\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":11,\"name\":\"ns\",\"required\":false,\"type\":\"timestamp_ns\"},"
    "{\"id\":12,\"name\":\"m4\",\"required\":false,\"type\":\"decimal(4,1)\"},"
    "{\"id\":13,\"name\":\"m9\",\"required\":false,\"type\":\"decimal(9,2)\"},"
    "{\"id\":14,\"name\":\"m18\",\"required\":false,\"type\":\"decimal(18,4)\"},"
    "{\"id\":15,\"name\":\"m38\",\"required\":false,\"type\":\"decimal(38,10)\"},"
    "{\"id\":16,\"name\":\"m20\",\"required\":false,\"type\":\"decimal(20,0)\"},"
    "{\"id\":17,\"name\":\"u\",\"required\":false,\"type\":\"uuid\"},"
    "{\"id\":18,\"name\":\"x\",\"required\":false,\"type\":\"fixed[3]\"},"
    "{\"id\":19,\"name\":\"raw\",\"required\":false,\"type\":\"binary\"},"
    "{\"id\":20,\"name\":\"one\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":21,\"name\":\"nothing\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":22,\"name\":\"many\",\"required\":false,\"type\":\"string\"}"
    "]}";

/* Every column has NULLs at places of its own; values go up and down, some few, some many. */
static const char flat_sql[] =
    "SELECT i AS id, CASE WHEN i %% 3 <> 0 THEN i %% 2 = 0 END AS b,"
    " CASE WHEN i %% 5 <> 1 THEN (i * 37 %% 101 - 50)::INTEGER END AS i,"
    " CASE WHEN i %% 7 <> 2 THEN (i * 7 %% 13 - 6)::FLOAT / 4 END AS f,"
    " CASE WHEN i %% 3 <> 0 THEN (hash(i) %% 100000)::DOUBLE / 3 END AS d,"
    " CASE WHEN i %% 4 <> 1 THEN 'a rather long text \xc3\xa9 ' || (i * 5 %% 7) END AS s,"
    " CASE WHEN i %% 3 <> 2 THEN DATE '1969-12-30' + (i %% 9)::INTEGER END AS day,"
    " CASE WHEN i %% 9 <> 2 THEN TIME '23:59:59.999999' - INTERVAL (i %% 1000) SECOND END AS t,"
    " CASE WHEN i %% 3 <> 0 THEN TIMESTAMP '1969-12-31 23:59:59.5' + INTERVAL (i) SECOND END AS ts,"
    " CASE WHEN i %% 3 <> 1 THEN TIMESTAMPTZ '2024-02-29 01:02:03.000004+00' + INTERVAL (i) HOUR"
    " END AS tz,"
    " CASE WHEN i %% 3 <> 1 THEN make_timestamp_ns(1700000000000000001 + i * 7) END AS ns,"
    " CASE WHEN i %% 3 <> 2 THEN (i %% 200 - 100)::DECIMAL(4,1) END AS m4,"
    " CASE WHEN i %% 3 <> 2 THEN ((i * 19 %% 23 - 11)::DECIMAL(9,2) / 4)::DECIMAL(9,2) END AS m9,"
    " CASE WHEN i %% 3 <> 0 THEN ((i - 5) * 1000003)::DECIMAL(18,4) END AS m18,"
    " CASE WHEN i %% 5 <> 0 THEN ((i %% 10 - 5)::DECIMAL(38,10) * 1234567890123456789)"
    "::DECIMAL(38,10) END AS m38,"
    " CASE WHEN i %% 5 <> 0 THEN ((i %% 100 - 50)::DECIMAL(20,0) * 98765432109)::DECIMAL(20,0) END"
    " AS m20,"
    " CASE WHEN i %% 4 <> 0 THEN md5(i::VARCHAR)::UUID END AS u,"
    " CASE WHEN i %% 6 <> 0 THEN unhex(lpad(to_hex(i %% 4000), 6, '0')) END AS x,"
    " CASE WHEN i %% 6 <> 1 THEN unhex(md5((i %% 50)::VARCHAR)) END AS raw,"
    " 'always' AS one, NULL::VARCHAR AS nothing, sha256(i::VARCHAR) AS many"
    " FROM range(%d) t(i)";

/* Goal: values of every type come back, with NULLs among them, from files of one and of many
 * pages and row groups. */
static void duckdb_reads_flat_columns(void **state)
{
    static const int counts[] = {0, 1, 7, 8, 9, 255, 5000, 70000};
    struct real real, *r = &real;
    struct parquet_options options;
    char sql[4000];

    (void)state;
    real_init(r);
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (int small = 0; small < 2; small++) {
            parquet_options_init(&options);
            if (small) {
                options.page_rows = 300;
                options.group_rows = 7000;
                options.dictionary_values = 40;
            }
            snprintf(sql, sizeof(sql), flat_sql, counts[i]);
            round_trip(r, flat_schema, &options, sql);
        }
    real_deinit(r);
}

/* ---- nested columns -------------------------------------------------------------------------- */

/* A random type below `depth`, as Iceberg's JSON, and an expression whose value follows from
 * `seed`, an SQL expression that is a random number. */
struct sprout {
    struct rng rng;
    struct buf *json, *sql;
    int next_id, next_name;
};

static void leaf_sprout(struct sprout *p, const char *seed)
{
    static const struct {
        const char *json, *sql;
    } kinds[] = {
        {"\"long\"", "(%s %% 1000)::BIGINT"},
        {"\"int\"", "(%s %% 5)::INTEGER"},
        {"\"string\"", "repeat('x', (%s %% 40)::INTEGER)"},
        {"\"double\"", "(%s %% 100000) / 7.0::DOUBLE"},
        {"\"boolean\"", "(%s %% 2 = 0)"},
        {"\"decimal(38,3)\"", "(%s %% 1000000)::DECIMAL(38,3)"},
        {"\"uuid\"", "md5((%s)::VARCHAR)::UUID"},
        {"\"timestamptz\"", "make_timestamptz((%s %% 1000000000000)::BIGINT)"},
    };
    size_t kind = rng_u64(&p->rng) % COUNT_OF(kinds);

    buf_printf(p->json, "%s", kinds[kind].json);
    buf_printf(p->sql, kinds[kind].sql, seed);
}

static void type_sprout(struct sprout *p, const char *seed, int depth);

static void list_sprout(struct sprout *p, const char *seed, int depth, bool map)
{
    int name = p->next_name++;
    char inner[400];

    if (map)
        buf_printf(p->sql,
                   "MAP_FROM_ENTRIES(list_transform(range((%s %% 4)::BIGINT), lambda j%d: {'k': "
                   "j%d::VARCHAR, 'v': ",
                   seed, name, name);
    else
        buf_printf(p->sql, "list_transform(range((%s %% 5)::BIGINT), lambda j%d: ", seed, name);
    snprintf(inner, sizeof(inner), "hash(%s, j%d)", seed, name);
    if (map)
        buf_printf(p->json,
                   "{\"type\":\"map\",\"key-id\":%d,\"key\":\"string\",\"value-id\":%d,"
                   "\"value-required\":false,\"value\":",
                   p->next_id, p->next_id + 1);
    else
        buf_printf(p->json,
                   "{\"type\":\"list\",\"element-id\":%d,\"element-required\":false,"
                   "\"element\":",
                   p->next_id);
    p->next_id += map ? 2 : 1;
    type_sprout(p, inner, depth - 1);
    buf_append_str(p->sql, map ? "}))" : ")");
    buf_append_str(p->json, "}");
}

static void struct_sprout(struct sprout *p, const char *seed, int depth)
{
    int count = 1 + (int)(rng_u64(&p->rng) % 3);
    char inner[400];

    buf_append_str(p->json, "{\"type\":\"struct\",\"fields\":[");
    buf_append_str(p->sql, "struct_pack(");
    for (int i = 0; i < count; i++) {
        int id = p->next_id++;

        buf_printf(p->json,
                   "%s{\"id\":%d,\"name\":\"f%d\",\"required\":false,\"type\":", i ? "," : "", id,
                   id);
        buf_printf(p->sql, "%sf%d := ", i ? ", " : "", id);
        snprintf(inner, sizeof(inner), "hash(%s, %d)", seed, id);
        type_sprout(p, inner, depth - 1);
        buf_append_str(p->json, "}");
    }
    buf_append_str(p->json, "]}");
    buf_append_str(p->sql, ")");
}

static void type_sprout(struct sprout *p, const char *seed, int depth)
{
    uint64_t kind = depth > 0 ? rng_u64(&p->rng) % 5 : 0;

    buf_printf(p->sql, "CASE WHEN hash(%s) %% 6 <> 0 THEN ", seed);
    if (kind < 1)
        leaf_sprout(p, seed);
    else if (kind < 3)
        struct_sprout(p, seed, depth);
    else
        list_sprout(p, seed, depth, kind == 3);
    buf_append_str(p->sql, " END");
}

/* A table of the expressions, cast to what the schema says. */
static void cast_to_schema(const char *json, struct buf *const *exprs, int rows, struct buf *out)
{
    struct lake_schema schema;
    struct arena arena = {0};

    assert_int_equal(lake_schema_parse_text(slice_str(json), &arena, &schema, NULL), 0);
    buf_append_str(out, "CREATE OR REPLACE TABLE given AS SELECT ");
    for (size_t i = 0; i < schema.root.field_count; i++) {
        buf_printf(out, "%sCAST(%s AS ", i ? ", " : "", buf_cstr(exprs[i]));
        assert_int_equal(lake_duckdb_type(&schema.root.fields[i].type, out, NULL), 0);
        buf_printf(out, ") AS %s", schema.root.fields[i].name);
    }
    buf_printf(out, " FROM range(%d) t(i)", rows);
    arena_deinit(&arena);
}

/* Goal: whatever is nested in whatever, NULL or empty at every depth, comes back. Method: random
 * schemas of random rows, with pages and row groups so small that all their ends are met. */
static void random_nested_columns_come_back(void **state)
{
    const char *given = getenv("TARN_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20;
    struct real real, *r = &real;

    (void)state;
    real_init(r);
    for (int round = 0; round < 12; round++) {
        struct buf json = {0}, sql = {0}, exprs[3] = {0}, *list[3] = {exprs, exprs + 1, exprs + 2};
        struct sprout p = {.json = &json, .next_id = 10};
        struct parquet_options options;
        char start[40];

        rng_init(&p.rng, seed + (uint64_t)round);
        buf_append_str(&json, "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[");
        for (int c = 0; c < 3; c++) {
            p.sql = list[c];
            buf_printf(&json,
                       "%s{\"id\":%d,\"name\":\"c%d\",\"required\":false,\"type\":", c ? "," : "",
                       c + 1, c);
            snprintf(start, sizeof(start), "hash(i, %d)", c);
            type_sprout(&p, start, 3);
            buf_append_str(&json, "}");
        }
        buf_append_str(&json, "]}");
        parquet_options_init(&options);
        options.page_rows = 1 + (int64_t)(rng_u64(&p.rng) % 500);
        options.page_bytes = 1 + (int64_t)(rng_u64(&p.rng) % 5000);
        options.group_rows = 1 + (int64_t)(rng_u64(&p.rng) % 5000);
        options.dictionary_values = 1 + (int64_t)(rng_u64(&p.rng) % 300);
        cast_to_schema(buf_cstr(&json), list, (int)(rng_u64(&p.rng) % 6000), &sql);
        if (getenv("TARN_TEST_SQL"))
            fprintf(stderr, "%d: %s\n%s;\n", round, buf_cstr(&json), buf_cstr(&sql));
        OK(vec_exec(r->conn, buf_cstr(&sql), &r->err));
        round_trip(r, buf_cstr(&json), &options, "FROM given");
        buf_deinit(&json);
        buf_deinit(&sql);
        for (int c = 0; c < 3; c++)
            buf_deinit(list[c]);
    }
    real_deinit(r);
}

/* ---- what the file says of itself ------------------------------------------------------------ */

/* Goal: bounds and counts are those of the values. Method: DuckDB is asked for each leaf. */
static void metrics_are_those_of_the_values(void **state)
{
    struct real real, *r = &real;
    struct parquet_options options;
    struct written f;
    char sql[4000];

    (void)state;
    real_init(r);
    parquet_options_init(&options);
    options.page_rows = 300;
    options.group_rows = 4000;
    snprintf(sql, sizeof(sql), flat_sql, 9000);
    write_file(r, &f, flat_schema, &options, sql);
    assert_int_equal(f.result.split_count, 3);
    for (size_t i = 0; i < f.result.stat_count; i++) {
        const struct parquet_stat *stat = &f.result.stats[i];
        const struct lake_type *type = &stat->field->type;
        struct buf text = {0};

        buf_printf(&text, "SELECT count(*) || ' ' || (count(*) - count(\"%s\"))", stat->path);
        if (!stat->min.null) {
            buf_printf(&text, " || ' ' || (min(\"%s\") = ", stat->path);
            OK(lake_value_sql(type, &stat->min, &text));
            buf_printf(&text, " AND max(\"%s\") = ", stat->path);
            OK(lake_value_sql(type, &stat->max, &text));
            buf_append_str(&text, ")::VARCHAR");
        }
        buf_printf(&text, " FROM (%s)", sql);
        snprintf(sql, sizeof(sql), "%" PRId64 " %" PRId64 "%s", stat->values, stat->nulls,
                 stat->min.null ? "" : " true");
        assert_string_equal(cell(r, buf_cstr(&text)), sql);
        buf_deinit(&text);
        snprintf(sql, sizeof(sql), flat_sql, 9000);
    }
    written_deinit(&f);
    real_deinit(r);
}

static void ask_for_filters(const void *arg, const char *path, struct parquet_leaf_options *out)
{
    out->bloom = strcmp(path, arg) != 0;
    out->stats = strcmp(path, "d") != 0;
}

/* Goal: a filter holds every value, little else, and only where it was asked for. */
static void filters_hold_what_was_written(void **state)
{
    static const char *const present[] = {"many, sha256('77')", "i, 24"};
    struct real real, *r = &real;
    struct parquet_options options;
    struct written f;
    char sql[4000];

    (void)state;
    real_init(r);
    parquet_options_init(&options);
    options.leaf = ask_for_filters;
    options.leaf_arg = "s";
    snprintf(sql, sizeof(sql), flat_sql, 9000);
    write_file(r, &f, flat_schema, &options, sql);
    snprintf(sql, sizeof(sql),
             "SELECT string_agg(path_in_schema, ',') FROM parquet_metadata('%s') "
             "WHERE bloom_filter_offset IS NULL",
             f.path);
    assert_string_equal(cell(r, sql), "s");
    snprintf(sql, sizeof(sql),
             "SELECT string_agg(path_in_schema, ',') FROM parquet_metadata('%s') "
             "WHERE stats_min_value IS NULL AND path_in_schema <> 'nothing'",
             f.path);
    assert_string_equal(cell(r, sql), "d");
    for (size_t i = 0; i < COUNT_OF(present); i++) {
        const char *comma = strchr(present[i], ',');

        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FILTER (NOT bloom_filter_excludes)::VARCHAR FROM "
                 "parquet_bloom_probe('%s', '%.*s', %s)",
                 f.path, (int)(comma - present[i]), present[i], comma + 1);
        assert_string_equal(cell(r, sql), "1");
    }
    snprintf(sql, sizeof(sql),
             "SELECT bool_and(bloom_filter_excludes)::VARCHAR FROM parquet_bloom_probe('%s', "
             "'many', 'absent')",
             f.path);
    assert_string_equal(cell(r, sql), "true");
    written_deinit(&f);
    real_deinit(r);
}

/* The error of rows that a schema forbids. */
static int refused(struct real *r, const char *schema_json, const char *sql)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct parquet_options options;
    struct parquet_writer *w;
    struct vec_result *result;
    struct buf bytes = {0};
    duckdb_data_chunk chunk;
    int rc;

    parquet_options_init(&options);
    OK(lake_schema_parse_text(slice_str(schema_json), &arena, &schema, &r->err));
    OK(parquet_new(&w, &schema, &options, keep, &bytes, &r->err));
    OK(vec_query(r->conn, sql, &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    rc = parquet_push(w, chunk, &r->err);
    vec_result_free(result);
    parquet_free(w);
    buf_deinit(&bytes);
    arena_deinit(&arena);
    return rc;
}

static void what_a_schema_forbids_is_refused(void **state)
{
    struct real real, *r = &real;

    (void)state;
    real_init(r);
    assert_int_equal(refused(r, SCHEMA(FIELD(1, "x", "\"fixed[3]\"")), "SELECT '1234'::BLOB x"),
                     ERR_INVALID);
    assert_non_null(strstr(r->err.text, "fixed[3]"));
    assert_int_equal(refused(r,
                             SCHEMA("{\"id\":1,\"name\":\"l\",\"required\":false,\"type\":{"
                                    "\"type\":\"list\",\"element-id\":2,\"element-required\":true,"
                                    "\"element\":\"int\"}}"),
                             "SELECT unnest([[1], NULL, [2, NULL]]) l"),
                     ERR_INVALID);
    assert_non_null(strstr(r->err.text, "required"));
    real_deinit(r);
}

/* Goal: no bound lies. Method: NaN among the values, of which DuckDB finds each all the same. */
static void nan_is_counted_and_bounds_nothing(void **state)
{
    static const char sql[] = "SELECT CASE WHEN i % 10 = 3 THEN 'nan'::DOUBLE ELSE i END d "
                              "FROM range(100) t(i)";
    struct real real, *r = &real;
    struct parquet_options options;
    struct written f;
    char text[300];

    (void)state;
    real_init(r);
    parquet_options_init(&options);
    options.page_rows = 10;
    write_file(r, &f, SCHEMA(FIELD(1, "d", "\"double\"")), &options, sql);
    same_rows(r, &f, sql);
    assert_int_equal(f.result.stats[0].nans, 10);
    assert_true(f.result.stats[0].min.d == 0 && f.result.stats[0].max.d == 99);
    snprintf(text, sizeof(text), "SELECT count(*)::VARCHAR FROM '%s' WHERE d > 1000", f.path);
    assert_string_equal(cell(r, text), "10");
    written_deinit(&f);
    real_deinit(r);
}

/* Goal: each codec is what its name in the footer says. */
static void every_codec_is_read(void **state)
{
    static const enum codec codecs[] = {CODEC_NONE, CODEC_SNAPPY_RAW, CODEC_GZIP, CODEC_LZ4_RAW};
    struct real real, *r = &real;
    struct parquet_options options;
    char sql[4000];

    (void)state;
    real_init(r);
    snprintf(sql, sizeof(sql), flat_sql, 3000);
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        parquet_options_init(&options);
        options.codec = codecs[i];
        round_trip(r, flat_schema, &options, sql);
    }
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duckdb_reads_flat_columns),
        cmocka_unit_test(random_nested_columns_come_back),
        cmocka_unit_test(metrics_are_those_of_the_values),
        cmocka_unit_test(filters_hold_what_was_written),
        cmocka_unit_test(what_a_schema_forbids_is_refused),
        cmocka_unit_test(nan_is_counted_and_bounds_nothing),
        cmocka_unit_test(every_codec_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
