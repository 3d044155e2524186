/* json_test.c - what goes into columns, what is refused and why, and what comes out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/json.h"
#include "format/json_int.h"

static struct vec_db *db;
static struct vec_conn *conn;

static int open_all(void **state)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};

    (void)state;
    return vec_db_new(&db, &options, NULL) || vec_conn_new(&conn, db, NULL) ? -1 : 0;
}

static int close_all(void **state)
{
    (void)state;
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}

/* A decoder for the columns of a SELECT, a chunk for its rows. */
struct rig {
    struct vec_columns columns;
    struct json_decoder *decoder;
    duckdb_data_chunk chunk;
};

static void rig_open(struct rig *rig, const char *select, struct json_decode_options options,
                     enum json_policy policy, int precision)
{
    struct json_field fields[40];
    struct vec_result *result = NULL;
    struct err err = {0};

    if (vec_query(conn, select, &result, &err))
        fail_msg("%s: %s", select, err.text);
    *rig = (struct rig){0};
    vec_columns_copy(&rig->columns, vec_result_columns(result));
    vec_result_free(result);
    for (size_t i = 0; i < rig->columns.count; i++)
        fields[i] = (struct json_field){rig->columns.list[i].name, rig->columns.list[i].type,
                                        (idx_t)i, policy, precision};
    options.fields = fields;
    options.field_count = rig->columns.count;
    if (json_decoder_new(&rig->decoder, &options, &err))
        fail_msg("%s: %s", select, err.text);
    rig->chunk = vec_chunk_new(&rig->columns);
}

static void rig_close(struct rig *rig)
{
    json_decoder_free(rig->decoder);
    duckdb_destroy_data_chunk(&rig->chunk);
    vec_columns_free(&rig->columns);
}

/* Decodes one record whose last byte is the last of a page, so that a read past it is a crash. */
static int decode_at_page_end(struct rig *rig, const char *text, struct json_fault *fault)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = strlen(text);
    size_t size = (len + page - 1) / page * page + page;
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *at = map + size - page - len;
    int rc;

    mprotect(map + size - page, page, PROT_NONE);
    memcpy(at, text, len);
    rc = json_decode_row(rig->decoder, slice_of(at, len), 0, fault);
    munmap(map, size);
    return rc;
}

static const struct json_encode_options plain = {.timestamps_iso = true, .decimals_plain = true};

struct sample {
    const char *type; /* of the column v */
    const char *in;   /* the record's value of v */
    const char *out;  /* NULL: refused */
};

static const struct sample samples[] = {
    {"VARCHAR", "\"abc\"", "\"abc\""},
    {"VARCHAR", "\"exactly12byt\"", "\"exactly12byt\""},
    {"VARCHAR", "\"thirteen byte\"", "\"thirteen byte\""},
    {"VARCHAR", "\"\"", "\"\""},
    {"VARCHAR", "\"a\\\"b\\\\c\\/d\\n\\u00e9\\ud83d\\ude00\"", "\"a\\\"b\\\\c/d\\né😀\""},
    {"VARCHAR", "\"half \\ud83d pair\"", "\"half \xef\xbf\xbd pair\""},
    {"VARCHAR", "\"nul \\u0000 in it\"", "\"nul \\u0000 in it\""},
    {"VARCHAR", "12.50", "\"12.50\""},
    {"VARCHAR", "true", "\"true\""},
    {"VARCHAR", "null", "null"},
    {"VARCHAR", "{ \"a\" : [ 1 , \"x y\" ] }", "\"{\\\"a\\\":[1,\\\"x y\\\"]}\""},
    {"VARCHAR", "\"bad \\x escape\"", NULL},
    {"VARCHAR", "\"\xff\"", NULL},
    {"VARCHAR", "\"\xed\xa0\x80\"", NULL},
    {"VARCHAR", "\"tab\there\"", NULL},
    {"VARCHAR", "tru", NULL},
    {"BLOB", "\"AAEC/w==\"", "\"AAEC/w==\""},
    {"BLOB", "\"!\"", NULL},
    {"INTEGER", "12", "12"},
    {"INTEGER", "-2147483648", "-2147483648"},
    {"INTEGER", "2147483648", NULL},
    {"INTEGER", "1.9", "1"},
    {"INTEGER", "-1.9e1", "-19"},
    {"INTEGER", "\" 42 \"", "42"},
    {"INTEGER", "\"1.5\"", NULL},
    {"INTEGER", "\"abc\"", NULL},
    {"INTEGER", "true", NULL},
    {"INTEGER", "[1]", NULL},
    {"INTEGER", "012", NULL},
    {"INTEGER", "1e3", "1000"},
    {"TINYINT", "127", "127"},
    {"TINYINT", "128", NULL},
    {"SMALLINT", "-32768", "-32768"},
    {"BIGINT", "9223372036854775807", "9223372036854775807"},
    {"BIGINT", "-9223372036854775808", "-9223372036854775808"},
    {"BIGINT", "9223372036854775808", NULL},
    {"BIGINT", "100000000000000000000", NULL},
    {"BIGINT", "123456789012345678.9999999999", "123456789012345678"},
    {"DOUBLE", "0.1", "0.1"},
    {"DOUBLE", "1e400", "\"Infinity\""},
    {"DOUBLE", "-0.0", "-0.0"},
    {"DOUBLE", "1.7976931348623157e308", "1.7976931348623157E308"},
    {"DOUBLE", "3.141592653589793238462643", "3.141592653589793"},
    {"DOUBLE", "\"NaN\"", "\"NaN\""},
    {"DOUBLE", "\"1e3\"", "1000.0"},
    {"DOUBLE", "1.", NULL},
    {"DOUBLE", ".5", NULL},
    {"FLOAT", "16777217", "1.6777216E7"},
    {"DECIMAL(10,2)", "12.345", "12.35"},
    {"DECIMAL(10,2)", "-12.345", "-12.35"},
    {"DECIMAL(10,2)", "12.344999999999999999999999999", "12.34"},
    {"DECIMAL(10,2)", "\"99999999.99\"", "99999999.99"},
    {"DECIMAL(10,2)", "99999999.995", NULL},
    {"DECIMAL(10,2)", "1e-30", "0.00"},
    {"DECIMAL(10,2)", "1.5e3", "1500.00"},
    {"DECIMAL(4,2)", "12.34", "12.34"},
    {"DECIMAL(38,10)", "1234567890123456789012345678.0123456789",
     "1234567890123456789012345678.0123456789"},
    {"DECIMAL(38,0)", "99999999999999999999999999999999999999",
     "99999999999999999999999999999999999999"},
    {"DECIMAL(38,0)", "100000000000000000000000000000000000000", NULL},
    {"DECIMAL(38,0)", "99999999999999999999999999999999999999.5", NULL},
    {"BOOLEAN", "true", "true"},
    {"BOOLEAN", "\"FALSE\"", "false"},
    {"BOOLEAN", "1", NULL},
    {"DATE", "\"2024-02-29\"", "\"2024-02-29\""},
    {"DATE", "\"2023-02-29\"", NULL},
    {"DATE", "19782", "\"2024-02-29\""},
    {"DATE", "\"2024-02-29T23:00:00-02:00\"", "\"2024-03-01\""},
    {"TIME", "\"10:11:12.123456\"", "\"10:11:12.123456\""},
    {"TIME", "\"10:11\"", "\"10:11:00\""},
    {"TIME", "\"24:00:00\"", NULL},
    {"TIMESTAMP", "\"2024-02-29T10:11:12.123456Z\"", "\"2024-02-29T10:11:12.123456\""},
    {"TIMESTAMP", "\"2024-02-29 10:11:12\"", "\"2024-02-29T10:11:12\""},
    {"TIMESTAMP", "\"2024-02-29T10:11:12+02:00\"", "\"2024-02-29T08:11:12\""},
    {"TIMESTAMP", "\"2024-02-29T10:11:12,5+0530\"", "\"2024-02-29T04:41:12.5\""},
    {"TIMESTAMP", "\"2024-02-29 10:11:12.123456789 UTC\"", "\"2024-02-29T10:11:12.123456\""},
    {"TIMESTAMP", "\"20240229T101112Z\"", "\"2024-02-29T10:11:12\""},
    {"TIMESTAMP", "\"2024-02-29\"", "\"2024-02-29T00:00:00\""},
    {"TIMESTAMP", "1709201472", "\"2024-02-29T10:11:12\""},
    {"TIMESTAMP", "1709201472987", "\"2024-02-29T10:11:12.987\""},
    {"TIMESTAMP", "1709201472987654", "\"2024-02-29T10:11:12.987654\""},
    {"TIMESTAMP", "1709201472987654321", "\"2024-02-29T10:11:12.987654\""},
    {"TIMESTAMP", "1709201472.5", "\"2024-02-29T10:11:12.5\""},
    {"TIMESTAMP", "\"1709201472987\"", "\"2024-02-29T10:11:12.987\""},
    {"TIMESTAMP", "-1.5", "\"1969-12-31T23:59:58.5\""},
    {"TIMESTAMP", "\"1969-12-31T23:59:59.999\"", "\"1969-12-31T23:59:59.999\""},
    {"TIMESTAMP", "\"not a time\"", NULL},
    {"TIMESTAMP", "\"2024-13-01T00:00:00Z\"", NULL},
    {"TIMESTAMP", "\"2024-02-29T25:00:00Z\"", NULL},
    {"TIMESTAMP", "\"\"", NULL},
    {"TIMESTAMP", "{}", NULL},
    {"TIMESTAMPTZ", "\"2024-02-29T10:11:12+02:00\"", "\"2024-02-29T08:11:12Z\""},
    {"TIMESTAMP_NS", "1709201472987654321", "\"2024-02-29T10:11:12.987654321\""},
    {"TIMESTAMP_MS", "\"2024-02-29T10:11:12.987654Z\"", "\"2024-02-29T10:11:12.987\""},
    {"UUID", "\"A5F3C9B2-1b1d-4c3e-9f7a-0123456789ab\"",
     "\"a5f3c9b2-1b1d-4c3e-9f7a-0123456789ab\""},
    {"UUID", "\"a5f3\"", NULL},
    {"INTEGER[]", "[1, null, 3]", "[1,null,3]"},
    {"INTEGER[]", "[]", "[]"},
    {"INTEGER[]", "null", "null"},
    {"INTEGER[]", "[1,]", NULL},
    {"INTEGER[]", "{\"a\":1}", NULL},
    {"VARCHAR[][]", "[[\"a\"], [], null, [\"long enough for the heap\"]]",
     "[[\"a\"],[],null,[\"long enough for the heap\"]]"},
    {"STRUCT(a INTEGER, b VARCHAR)", "{\"b\": \"x\", \"a\": 1, \"c\": [{}]}",
     "{\"a\":1,\"b\":\"x\"}"},
    {"STRUCT(a INTEGER, b VARCHAR)", "{}", "{\"a\":null,\"b\":null}"},
    {"STRUCT(a INTEGER, b VARCHAR)", "null", "null"},
    {"STRUCT(a INTEGER, b VARCHAR)", "3", NULL},
    {"STRUCT(a INTEGER, b VARCHAR)", "{\"a\":1,\"a\":2}", "{\"a\":2,\"b\":null}"},
    {"STRUCT(\"a long key of twenty\" INTEGER)[]", "[{\"a long key of twenty\": 1}, {}]",
     "[{\"a long key of twenty\":1},{\"a long key of twenty\":null}]"},
    {"MAP(VARCHAR, INTEGER)", "{\"k\": 1, \"l\": null, \"k\": 3}", "{\"k\":3,\"l\":null}"},
    {"MAP(VARCHAR, INTEGER)", "{}", "{}"},
    {"MAP(VARCHAR, STRUCT(x DOUBLE[]))", "{\"k\": {\"x\": [1.5, 2]}}", "{\"k\":{\"x\":[1.5,2.0]}}"},
    {"MAP(INTEGER, VARCHAR)", "{\"7\": \"seven\"}", "{\"7\":\"seven\"}"},
};

static void check_sample(const struct sample *sample)
{
    struct json_fault fault = {0};
    struct buf text = {0};
    char select[200], record[400];
    struct err err = {0};
    struct rig rig;
    int rc;

    snprintf(select, sizeof(select), "SELECT NULL::%s AS v", sample->type);
    snprintf(record, sizeof(record), " { \"v\" : %s }", sample->in);
    rig_open(&rig, select, (struct json_decode_options){0}, ON_FAULT_REJECT, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    rc = decode_at_page_end(&rig, record, &fault);
    json_decode_end(rig.decoder);
    if (rc && sample->out)
        fail_msg("%s from %s: %s", sample->type, sample->in, fault.reason);
    if (!rc) {
        duckdb_data_chunk_set_size(rig.chunk, 1);
        assert_int_equal(json_encode_value(rig.columns.list[0].type,
                                           duckdb_data_chunk_get_vector(rig.chunk, 0), 0, &plain,
                                           &text, &err),
                         0);
        if (!sample->out || strcmp(buf_cstr(&text), sample->out))
            fail_msg("%s from %s: got %s, not %s", sample->type, sample->in, buf_cstr(&text),
                     sample->out ? sample->out : "a refusal");
    } else {
        assert_true(fault.reason[0] != '\0');
        assert_int_equal(rc, ERR_INVALID);
    }
    buf_deinit(&text);
    rig_close(&rig);
}

static void every_type_reads_what_flink_and_people_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        check_sample(&samples[i]);
}

static void a_fault_names_its_place(void **state)
{
    static const struct {
        const char *text, *path, *reason;
        size_t pos;
    } faults[] = {
        {"", "", "the record ends where an object should be", 0},
        {"[1]", "", "'[' at byte 0, where an object should be", 0},
        {"{\"id\":\"x\"}", "id", "'x' is not a number for INT", 6},
        {"{\"id\":1", "", "the record ends where a comma or '}' should be", 7},
        {"{\"id\":1} {\"id\":2}", "", "'{' at byte 9, where the end of the record should be", 9},
        {"{\"items\":[{\"price\":1},{\"price\":\"y\"}]}", "items[1].price",
         "'y' is not a number for DOUBLE", 31},
        {"{\"id\":nul}", "id", "'n' at byte 6, where a value should be", 6},
        {"{id:1}", "", "'i' at byte 1, where a key should be", 1},
    };
    struct json_fault fault;
    struct rig rig;

    (void)state;
    rig_open(&rig, "SELECT 1 AS id, [{'price': 1.5::DOUBLE}] AS items",
             (struct json_decode_options){0}, ON_FAULT_REJECT, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        memset(&fault, 0, sizeof(fault));
        assert_int_equal(decode_at_page_end(&rig, faults[i].text, &fault), ERR_INVALID);
        assert_string_equal(fault.path, faults[i].path);
        assert_string_equal(fault.reason, faults[i].reason);
        assert_int_equal(fault.pos, faults[i].pos);
        assert_false(fault.fatal);
    }
    json_decode_end(rig.decoder);
    rig_close(&rig);
}

/* Goal: no half row stays. Method: good records between bad ones that fail late, in lists that
 * grow far past a vector's first size; what comes out is exactly the good ones. */
static void a_bad_record_leaves_nothing_behind(void **state)
{
    char good[2200], bad[2300];
    struct json_fault fault;
    struct buf text = {0};
    struct err err = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig, "SELECT 1 AS id, [{'s': 'x', 'n': [1]}] AS l, MAP {'k': 'v'} AS m",
             (struct json_decode_options){0}, ON_FAULT_REJECT, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    for (int row = 0; row < 1000; row++) {
        int n = snprintf(good, sizeof(good),
                         "{\"id\":%d,\"m\":{\"key\":\"value number %d\"},\"l\":[", row, row);

        for (int i = 0; i < row % 20; i++)
            n += snprintf(good + n, sizeof(good) - (size_t)n, "%s{\"s\":%s,\"n\":[%d,null,%d]}",
                          i ? "," : "", i % 3 ? "\"a string past twelve bytes\"" : "null", i, row);
        snprintf(bad, sizeof(bad), "%s,{\"s\":null,\"n\":[null,\"x\"]}]}",
                 row % 20 ? good : "{\"l\":[1");
        snprintf(good + n, sizeof(good) - (size_t)n, "]}");
        assert_int_equal(json_decode_row(rig.decoder, slice_str(bad), (idx_t)row, &fault),
                         ERR_INVALID);
        assert_int_equal(json_decode_row(rig.decoder, slice_str(good), (idx_t)row, &fault), 0);
    }
    json_decode_end(rig.decoder);
    duckdb_data_chunk_set_size(rig.chunk, 1000);
    for (int row = 0; row < 1000; row++) {
        buf_clear(&text);
        assert_int_equal(json_encode_row(&rig.columns, rig.chunk, (idx_t)row, &plain, &text, &err),
                         0);
        if (row == 7) {
            buf_cstr(&text);
            assert_memory_equal(text.ptr,
                                "{\"id\":7,\"l\":[{\"s\":null,\"n\":[0,null,7]},{\"s\":\"a "
                                "string past twelve bytes\",\"n\":[1,null,7]}",
                                86);
        }
        if (row % 20 == 0) {
            snprintf(good, sizeof(good), "{\"id\":%d,\"l\":[],\"m\":{\"key\":\"value number %d\"}}",
                     row, row);
            assert_string_equal(buf_cstr(&text), good);
        }
    }
    buf_deinit(&text);
    rig_close(&rig);
}

static void a_chunk_from_the_decoder_is_sound_to_duckdb(void **state)
{
    struct vec_fragment *fragment = NULL;
    struct vec_batch in = {0}, out = {0};
    struct json_fault fault;
    struct err err = {0};
    struct rig rig;
    duckdb_string_t *got;

    (void)state;
    rig_open(&rig, "SELECT 1 AS id, [{'s': 'x', 'n': [1]}] AS l, MAP {'k': 'v'} AS m, 's' AS s",
             (struct json_decode_options){0}, ON_FAULT_REJECT, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    for (int row = 0; row < 2048; row++) {
        char text[400];

        snprintf(
            text, sizeof(text),
            "{\"id\":%d,\"s\":\"%s %d\",\"l\":[{\"s\":\"text %d, long enough\",\"n\":[%d,%d,null]},"
            "null],\"m\":{\"a\":\"%d\"}}",
            row, row % 2 ? "a string that is not short" : "b", row, row, row, row + 1, row);
        assert_int_equal(json_decode_row(rig.decoder, slice_str(text), (idx_t)row, &fault), 0);
    }
    json_decode_end(rig.decoder);
    duckdb_data_chunk_set_size(rig.chunk, 2048);
    vec_batch_add(&in, rig.chunk);
    rig.chunk = NULL;
    if (vec_fragment_new(&fragment, conn,
                         "SELECT concat_ws('|', sum(id), sum(len(l)), sum(list_sum(l[1].n)), "
                         "count(l[2]), sum(m['a']::INTEGER), max(l[1].s), count(DISTINCT s), "
                         "sum(length(s))) FROM feed",
                         &rig.columns, &err) ||
        vec_fragment_run(fragment, &in, &out, &err))
        fail_msg("%s", err.text);
    got = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out.chunks[0], 0));
    assert_int_equal(duckdb_string_t_length(*got),
                     strlen("2096128|4096|4194304|0|2096128|text 999, "
                            "long enough|2048|38799"));
    assert_memory_equal(duckdb_string_t_data(got),
                        "2096128|4096|4194304|0|2096128|text 999, long enough|2048|", 58);
    vec_fragment_free(fragment);
    vec_batch_deinit(&in);
    vec_batch_deinit(&out);
    rig_close(&rig);
}

static void policies_decide_what_a_bad_value_does(void **state)
{
    static const char record[] = "{\"a\":\"x\",\"t\":\"soon\",\"l\":[1,\"y\",3]}";
    struct json_fault fault;
    struct buf text = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig, "SELECT 1 AS a, TIMESTAMP '2024-01-01' AS t, [1] AS l",
             (struct json_decode_options){0}, ON_FAULT_NULL, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    assert_int_equal(json_decode_row(rig.decoder, slice_str(record), 0, &fault), 0);
    assert_int_equal(json_decode_row(rig.decoder, SLICE_LIT("{\"a\":x}"), 1, &fault), ERR_INVALID);
    json_decode_end(rig.decoder);
    json_encode_row(&rig.columns, rig.chunk, 0, &plain, &text, NULL);
    assert_string_equal(buf_cstr(&text), "{\"a\":null,\"t\":null,\"l\":[1,null,3]}");
    rig_close(&rig);

    rig_open(&rig, "SELECT 1 AS a", (struct json_decode_options){0}, ON_FAULT_FAIL, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    assert_int_equal(json_decode_row(rig.decoder, slice_str(record), 0, &fault), ERR_INVALID);
    assert_true(fault.fatal);
    json_decode_end(rig.decoder);
    rig_close(&rig);

    rig_open(&rig, "SELECT 1 AS a, 2 AS b",
             (struct json_decode_options){.fail_on_missing_field = true}, ON_FAULT_REJECT, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    assert_int_equal(json_decode_row(rig.decoder, SLICE_LIT("{\"a\":1}"), 0, &fault), ERR_INVALID);
    assert_string_equal(fault.path, "b");
    assert_int_equal(json_decode_row(rig.decoder, SLICE_LIT("{\"b\":1,\"a\":null}"), 0, &fault), 0);
    json_decode_end(rig.decoder);
    rig_close(&rig);

    rig_open(&rig, "SELECT TIMESTAMP '2024-01-01' AS t", (struct json_decode_options){0},
             ON_FAULT_REJECT, 3);
    json_decode_begin(rig.decoder, rig.chunk);
    assert_int_equal(json_decode_row(rig.decoder,
                                     SLICE_LIT("{\"t\":\"1969-01-01 00:00:00.123999\"}"), 0,
                                     &fault),
                     0);
    json_decode_end(rig.decoder);
    buf_clear(&text);
    json_encode_row(&rig.columns, rig.chunk, 0, &plain, &text, NULL);
    assert_string_equal(buf_cstr(&text), "{\"t\":\"1969-01-01T00:00:00.123\"}");
    rig_close(&rig);
    buf_deinit(&text);
}

/* Goal: bad input is refused, never trusted. Method: cut a record of every type at every length. */
static void refuses_every_truncation(void **state)
{
    static const char record[] =
        "{\"id\":-12.5e1,\"s\":\"a \\u00e9 string "
        "é\",\"l\":[{\"s\":null,\"n\":[1,2]},{}],\"m\":{\"k\":"
        "\"v\"},\"skipped\":[true,false,null,{\"deep\":[[]]}],\"t\":\"2024-02-29T10:11:12Z\"}";
    char cut[sizeof(record)];
    struct json_fault fault;
    struct rig rig;

    (void)state;
    rig_open(&rig,
             "SELECT 1 AS id, [{'s': 'x', 'n': [1]}] AS l, MAP {'k': 'v'} AS m, 's' AS s, "
             "TIMESTAMP '2024-01-01' AS t",
             (struct json_decode_options){0}, ON_FAULT_NULL, 0);
    json_decode_begin(rig.decoder, rig.chunk);
    for (size_t len = 0; len < sizeof(record) - 1; len++) {
        memcpy(cut, record, len);
        cut[len] = '\0';
        fault.reason[0] = '\0';
        assert_int_equal(decode_at_page_end(&rig, cut, &fault), ERR_INVALID);
        assert_true(fault.reason[0] != '\0');
    }
    assert_int_equal(decode_at_page_end(&rig, record, &fault), 0);
    json_decode_end(rig.decoder);
    rig_close(&rig);
}

static void depth_is_bounded(void **state)
{
    char *text = malloc(200010);
    struct json_fault fault;
    struct rig rig;

    (void)state;
    strcpy(text, "{\"x\":");
    memset(text + 5, '[', 200000);
    text[200005] = '\0';
    rig_open(&rig, "SELECT 's' AS y, 't' AS x", (struct json_decode_options){0}, ON_FAULT_REJECT,
             0);
    json_decode_begin(rig.decoder, rig.chunk);
    assert_int_equal(json_decode_row(rig.decoder, slice_str(text), 0, &fault), ERR_INVALID);
    json_decode_end(rig.decoder);
    rig_close(&rig);
    free(text);
}

static void rows_are_written_as_flink_writes_them(void **state)
{
    static const struct {
        const char *select, *sql, *other;
    } rows[] = {
        {"SELECT TIMESTAMP '2024-01-01 10:00:00.5' AS t, TIMESTAMPTZ '2024-01-01 10:00:00+00' AS "
         "z, "
         "DATE '2024-01-01' AS d, TIME '10:11:12' AS c",
         "{\"t\":\"2024-01-01 10:00:00.5\",\"z\":\"2024-01-01 "
         "10:00:00Z\",\"d\":\"2024-01-01\",\"c\":"
         "\"10:11:12\"}",
         "{\"t\":\"2024-01-01T10:00:00.5\",\"z\":\"2024-01-01T10:00:00Z\",\"d\":\"2024-01-01\","
         "\"c\":"
         "\"10:11:12\"}"},
        {"SELECT 0.0000001234::DECIMAL(20,10) AS small, 12.50::DECIMAL(5,2) AS d, 1e10::DOUBLE AS "
         "e, "
         "NULL::INTEGER AS n, 'x'::BLOB AS b",
         "{\"small\":1.234E-7,\"d\":12.50,\"e\":1.0E10,\"n\":null,\"b\":\"eA==\"}",
         "{\"small\":0.0000001234,\"d\":12.50,\"e\":1.0E10,\"b\":\"eA==\"}"},
    };
    struct json_encode_options sql = {0};
    struct json_encode_options other = {
        .timestamps_iso = true, .decimals_plain = true, .skip_nulls = true};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct vec_result *result = NULL;
        duckdb_data_chunk chunk;
        struct buf text = {0};

        assert_int_equal(vec_query(conn, rows[i].select, &result, &err), 0);
        assert_int_equal(vec_result_next(result, &chunk, &err), 0);
        json_encode_row(vec_result_columns(result), chunk, 0, &sql, &text, &err);
        assert_string_equal(buf_cstr(&text), rows[i].sql);
        buf_clear(&text);
        json_encode_row(vec_result_columns(result), chunk, 0, &other, &text, &err);
        assert_string_equal(buf_cstr(&text), rows[i].other);
        buf_deinit(&text);
        vec_result_free(result);
    }
}

static void a_type_without_json_is_refused_by_name(void **state)
{
    duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_INTERVAL);
    struct json_field field = {.name = "gap", .type = type};
    struct json_decode_options options = {.fields = &field, .field_count = 1};
    struct json_decoder *decoder = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(json_decoder_new(&decoder, &options, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "gap"));
    duckdb_destroy_logical_type(&type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_what_flink_and_people_write),
        cmocka_unit_test(a_fault_names_its_place),
        cmocka_unit_test(a_bad_record_leaves_nothing_behind),
        cmocka_unit_test(a_chunk_from_the_decoder_is_sound_to_duckdb),
        cmocka_unit_test(policies_decide_what_a_bad_value_does),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(rows_are_written_as_flink_writes_them),
        cmocka_unit_test(a_type_without_json_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
