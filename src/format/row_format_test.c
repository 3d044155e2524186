/* row_format_test.c - messages of every format to rows and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/row_format.h"

struct options {
    const char *list[12]; /* key, value, ... */
};

static const char *get(void *arg, const char *key)
{
    const struct options *o = arg;

    for (size_t i = 0; o->list[i]; i += 2)
        if (!strcmp(o->list[i], key))
            return o->list[i + 1];
    return NULL;
}

/* a VARCHAR, b INTEGER, c DOUBLE, d TIMESTAMP, e INTEGER[], f STRUCT(x INTEGER, y VARCHAR) */
struct table {
    struct vec_columns columns;
    struct json_field fields[8];
    struct row_encoder_field out[8];
    duckdb_data_chunk chunk;
};

static void make_table(struct table *t, size_t count)
{
    duckdb_logical_type parts[2] = {duckdb_create_logical_type(DUCKDB_TYPE_INTEGER),
                                    duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR)};
    const char *names[] = {"x", "y"};
    duckdb_logical_type types[] = {
        duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
        duckdb_create_logical_type(DUCKDB_TYPE_INTEGER),
        duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE),
        duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP),
        duckdb_create_list_type(parts[0]),
        duckdb_create_struct_type(parts, names, 2),
    };

    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        char name[2] = {(char)('a' + i), '\0'};

        if (i < count)
            assert_int_equal(vec_columns_add(&t->columns, name, types[i]), 0);
        else
            duckdb_destroy_logical_type(&types[i]);
    }
    for (size_t i = 0; i < count; i++) {
        t->fields[i] = (struct json_field){
            .name = t->columns.list[i].name, .type = t->columns.list[i].type, .column = i};
        t->out[i] = (struct row_encoder_field){t->columns.list[i].name, t->columns.list[i].type, i};
    }
    t->chunk = vec_chunk_new(&t->columns);
    duckdb_destroy_logical_type(&parts[0]);
    duckdb_destroy_logical_type(&parts[1]);
}

static void free_table(struct table *t)
{
    duckdb_destroy_data_chunk(&t->chunk);
    vec_columns_free(&t->columns);
}

/* What a message becomes: "+I{...}-U{...}", as JSON; or "! reason". */
static void decoded(struct table *t, const char *format, struct options *o, const char *message,
                    char *out, size_t size)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    static const struct json_encode_options plain;
    struct row_decoder_options options = {
        .fields = t->fields, .field_count = t->columns.count, .options = {get, o}};
    struct buf text = {.max = SIZE_MAX};
    struct json_fault fault = {0};
    struct row_decoder *d;
    struct err err = {0};
    size_t rows = 0;
    int rc;

    if (row_decoder_new(&d, format, &options, &err))
        fail_msg("%s: %s", format, err.text);
    row_decode_begin(d, t->chunk);
    rc = row_decode_message(d, slice_str(message), &rows, &fault);
    for (size_t i = 0; i < rows && !rc; i++) {
        enum row_kind kind;

        rc = row_decode(d, i, i, &kind, &fault);
        if (rc)
            break;
        assert_int_equal(buf_append_str(&text, kinds[kind]), 0);
        assert_int_equal(json_encode_row(&t->columns, t->chunk, i, &plain, &text, NULL), 0);
    }
    row_decode_end(d);
    row_decoder_free(d);
    if (rc)
        snprintf(out, size, "! %s", fault.reason);
    else
        snprintf(out, size, "%.*s", (int)text.len, (const char *)text.ptr);
    buf_deinit(&text);
}

#define CHECK_IN(t, format, o, message, wanted)                                                    \
    do {                                                                                           \
        char got[1000];                                                                            \
        decoded(t, format, o, message, got, sizeof(got));                                          \
        assert_string_equal(got, wanted);                                                          \
    } while (0)

static void csv_goes_by_position_and_quotes(void **state)
{
    struct options none = {{NULL}};
    struct options pipes = {{"field-delimiter", "|", "null-literal", "n/a", "quote-character", "'",
                             "array-element-delimiter", "/", "escape-character", "\\"}};
    struct table t;

    (void)state;
    make_table(&t, 6);
    CHECK_IN(&t, "csv", &none, "x,1,2.5,2024-01-01 00:00:01,1;2,7;seven\r\n",
             "+I{\"a\":\"x\",\"b\":1,\"c\":2.5,\"d\":\"2024-01-01 00:00:01\",\"e\":[1,2],"
             "\"f\":{\"x\":7,\"y\":\"seven\"}}");
    CHECK_IN(
        &t, "csv", &none, "\"a \"\"b\"\", c\", 1 ,2e1,2024-01-01T00:00:01Z,,1;",
        "+I{\"a\":\"a \\\"b\\\", c\",\"b\":1,\"c\":20.0,\"d\":\"2024-01-01 00:00:01\",\"e\":[],"
        "\"f\":{\"x\":1,\"y\":\"\"}}");
    CHECK_IN(&t, "csv", &pipes, "'it\\'s|'|n/a|n/a|n/a|1/2|n/a",
             "+I{\"a\":\"it's|\",\"b\":null,\"c\":null,\"d\":null,\"e\":[1,2],\"f\":null}");
    CHECK_IN(&t, "csv", &none, "x,1", "! 2 values, where the table has 6 columns");
    CHECK_IN(&t, "csv", &none, "x,y,1,,,", "! 'y' is not a number for INT");
    CHECK_IN(&t, "csv", &none, "\"x", "! the quote at byte 0 has no end");
    CHECK_IN(&t, "csv", &none, "\"x\"y,", "! byte 3 follows a quoted value: expected ','");
    free_table(&t);
}

static void debezium_tells_of_changes(void **state)
{
    struct options none = {{NULL}}, schema = {{"schema-include", "true"}};
    struct table t;

    (void)state;
    make_table(&t, 2);
    CHECK_IN(&t, "debezium-json", &none,
             "{\"before\":null,\"after\":{\"a\":\"x\",\"b\":1},\"source\":{\"op\":\"d\"},"
             "\"op\":\"c\",\"ts_ms\":1}",
             "+I{\"a\":\"x\",\"b\":1}");
    CHECK_IN(&t, "debezium-json", &none,
             "{\"op\":\"u\",\"before\":{\"a\":\"x\",\"b\":1},\"after\":{\"a\":\"x\",\"b\":2}}",
             "-U{\"a\":\"x\",\"b\":1}+U{\"a\":\"x\",\"b\":2}");
    CHECK_IN(&t, "debezium-json", &schema,
             "{\"schema\":{},\"payload\":{\"op\":\"d\",\"before\":{\"a\":\"x\",\"b\":1}}}",
             "-D{\"a\":\"x\",\"b\":1}");
    CHECK_IN(
        &t, "debezium-json", &none, "{\"op\":\"u\",\"before\":null,\"after\":{}}",
        "! an update without 'before' or 'after': if it comes from PostgreSQL, set the table's "
        "REPLICA IDENTITY to FULL");
    CHECK_IN(&t, "debezium-json", &none, "{\"payload\":{}}",
             "! 'op' is missing: c, r, u and d are known (with the schema inside, set "
             "schema-include)");
    CHECK_IN(&t, "debezium-json", &none, "{\"op\":\"c\"", "! the message is no JSON object");
    free_table(&t);
}

static void canal_and_maxwell_give_what_was_before(void **state)
{
    struct options none = {{NULL}}, mine = {{"database.include", "my.*", "table.include", "t"}};
    struct table t;

    (void)state;
    make_table(&t, 2);
    CHECK_IN(&t, "canal-json", &none,
             "{\"data\":[{\"a\":\"x\",\"b\":\"1\"},{\"a\":\"y\",\"b\":\"2\"}],\"type\":\"INSERT\"}",
             "+I{\"a\":\"x\",\"b\":1}+I{\"a\":\"y\",\"b\":2}");
    CHECK_IN(
        &t, "canal-json", &none,
        "{\"data\":[{\"a\":\"x\",\"b\":\"1\"},{\"a\":\"y\",\"b\":\"2\"}],\"old\":[{\"b\":\"0\"},"
        "{\"a\":null}],\"type\":\"UPDATE\"}",
        "-U{\"a\":\"x\",\"b\":0}+U{\"a\":\"x\",\"b\":1}-U{\"a\":null,\"b\":2}+U{\"a\":\"y\","
        "\"b\":2}");
    CHECK_IN(&t, "canal-json", &mine,
             "{\"data\":[{\"a\":\"x\"}],\"type\":\"DELETE\",\"database\":\"mydb\",\"table\":\"t\"}",
             "-D{\"a\":\"x\",\"b\":null}");
    CHECK_IN(
        &t, "canal-json", &mine,
        "{\"data\":[{\"a\":\"x\"}],\"type\":\"DELETE\",\"database\":\"mydb\",\"table\":\"t2\"}",
        "");
    CHECK_IN(&t, "canal-json", &none, "{\"isDdl\":true,\"type\":\"ALTER\",\"data\":null}", "");
    CHECK_IN(&t, "maxwell-json", &none,
             "{\"data\":{\"a\":\"x\",\"b\":1},\"old\":{ \"a\" : \"w\"},\"type\":\"update\"}",
             "-U{\"a\":\"w\",\"b\":1}+U{\"a\":\"x\",\"b\":1}");
    CHECK_IN(&t, "maxwell-json", &none, "{\"data\":{},\"old\":{},\"type\":\"update\"}",
             "-U{\"a\":null,\"b\":null}+U{\"a\":null,\"b\":null}");
    CHECK_IN(&t, "maxwell-json", &none, "{\"data\":{\"a\":1},\"type\":\"delete\"}",
             "-D{\"a\":\"1\",\"b\":null}");
    CHECK_IN(&t, "maxwell-json", &none, "{\"data\":{\"a\":1},\"type\":\"update\"}",
             "! an update without 'old'");
    free_table(&t);
}

static void encoded(struct table *t, const char *format, struct options *o, idx_t row,
                    enum row_kind kind, char *out, size_t size)
{
    struct row_options options = {get, o};
    struct buf text = {.max = SIZE_MAX};
    struct row_encoder *e;
    struct err err = {0};
    bool null;

    if (row_encoder_new(&e, format, t->out, t->columns.count, &options, &err))
        fail_msg("%s: %s", format, err.text);
    assert_int_equal(row_encode(e, t->chunk, row, kind, &text, &null, &err), 0);
    row_encoder_free(e);
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.ptr);
    buf_deinit(&text);
}

#define CHECK_OUT(t, format, o, row, kind, wanted)                                                 \
    do {                                                                                           \
        char got[1000];                                                                            \
        encoded(t, format, o, row, kind, got, sizeof(got));                                        \
        assert_string_equal(got, wanted);                                                          \
    } while (0)

static void rows_become_messages(void **state)
{
    struct options none = {{NULL}}, nulls = {{"null-literal", "n/a", "field-delimiter", ";"}};
    struct table t, all;
    char row_read[1000];

    (void)state;
    make_table(&t, 2);
    decoded(&t, "json", &none, "{\"a\":\"x y\",\"b\":1}", row_read, sizeof(row_read));
    CHECK_OUT(&t, "json", &none, 0, ROW_INSERT, "{\"a\":\"x y\",\"b\":1}");
    CHECK_OUT(&t, "csv", &none, 0, ROW_INSERT, "\"x y\",1");
    CHECK_OUT(&t, "debezium-json", &none, 0, ROW_UPDATE_AFTER,
              "{\"before\":null,\"after\":{\"a\":\"x y\",\"b\":1},\"op\":\"c\"}");
    CHECK_OUT(&t, "debezium-json", &none, 0, ROW_UPDATE_BEFORE,
              "{\"before\":{\"a\":\"x y\",\"b\":1},\"after\":null,\"op\":\"d\"}");
    CHECK_OUT(&t, "canal-json", &none, 0, ROW_DELETE,
              "{\"data\":[{\"a\":\"x y\",\"b\":1}],\"type\":\"DELETE\"}");
    CHECK_OUT(&t, "maxwell-json", &none, 0, ROW_INSERT,
              "{\"data\":{\"a\":\"x y\",\"b\":1},\"type\":\"insert\"}");
    free_table(&t);
    make_table(&all, 6);
    decoded(&all, "csv", &none, "\"a \"\"b\"\"\",1,2.5,2024-01-01 00:00:01,1;2,7;s", row_read,
            sizeof(row_read));
    CHECK_OUT(&all, "csv", &none, 0, ROW_INSERT,
              "\"a \"\"b\"\"\",1,2.5,\"2024-01-01 00:00:01\",1;2,7;s");
    decoded(&all, "json", &none, "{\"e\":[1,null]}", row_read, sizeof(row_read));
    CHECK_OUT(&all, "csv", &nulls, 0, ROW_INSERT, "n/a;n/a;n/a;n/a;\"1;n/a\";n/a");
    free_table(&all);
}

static void raw_is_one_column_as_it_is(void **state)
{
    static const duckdb_type types[] = {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BIGINT,
                                        DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_SMALLINT};
    static const struct slice messages[] = {
        {(const uint8_t *)"\"q\"\n", 4},
        {(const uint8_t *)"\xff\0x", 3},
        {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xfe", 8},
        {(const uint8_t *)"\x40\x04\0\0\0\0\0\0", 8},
        {(const uint8_t *)"\x01\x02", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct options none = {{NULL}}, little = {{"endianness", "little-endian"}};
        struct vec_columns columns = {0};
        struct json_field field;
        struct row_encoder_field out;
        struct row_options options = {get, i == 4 ? &little : &none};
        struct row_decoder_options in = {.fields = &field, .field_count = 1, .options = options};
        struct json_fault fault = {0};
        struct row_decoder *d;
        struct row_encoder *e;
        duckdb_data_chunk chunk;
        struct buf text = {0};
        enum row_kind kind;
        size_t rows;
        bool null;

        assert_int_equal(vec_columns_add(&columns, "v", duckdb_create_logical_type(types[i])), 0);
        field = (struct json_field){.name = "v", .type = columns.list[0].type};
        out = (struct row_encoder_field){"v", columns.list[0].type, 0};
        chunk = vec_chunk_new(&columns);
        assert_int_equal(row_decoder_new(&d, "raw", &in, NULL), 0);
        assert_int_equal(row_encoder_new(&e, "raw", &out, 1, &options, NULL), 0);
        row_decode_begin(d, chunk);
        assert_int_equal(row_decode_message(d, messages[i], &rows, &fault), 0);
        assert_int_equal(rows, 1);
        assert_int_equal(row_decode(d, 0, 0, &kind, &fault), 0);
        row_decode_end(d);
        assert_int_equal(row_encode(e, chunk, 0, ROW_INSERT, &text, &null, NULL), 0);
        assert_true(slice_eq(buf_slice(&text), messages[i]));
        if (i >= 2)
            assert_int_equal(row_decode_message(d, messages[1], &rows, &fault), ERR_INVALID);
        buf_deinit(&text);
        row_decoder_free(d);
        row_encoder_free(e);
        duckdb_destroy_data_chunk(&chunk);
        vec_columns_free(&columns);
    }
}

/* Goal: what was read is written as the same bytes, and no part of it is a message. Method: both
 * branches of each union; cut at every length, and longer by a byte. */
static void avro_comes_back_as_it_was_and_no_shorter(void **state)
{
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\","
        "\"string\"]},{\"name\":\"b\",\"type\":\"int\"},{\"name\":\"c\",\"type\":[\"null\","
        "\"double\"]},{\"name\":\"d\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":"
        "\"timestamp-millis\"}]},{\"name\":\"e\",\"type\":{\"type\":\"array\",\"items\":[\"null\","
        "\"int\"]}},{\"name\":\"f\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"r_f\","
        "\"fields\":[{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"y\",\"type\":\"string\"}]}]}]}";
    static const uint8_t full[] = {2,    4,  'h', 'i', 1, 2, 0, 0, 0, 0, 0,   0,   0xf8, 0x3f, 2,
                                   0xd1, 15, 4,   2,   6, 0, 0, 2, 9, 6, 'x', 'y', 'z',  'w'};
    static const uint8_t empty[] = {0, 8, 0, 0, 0, 0};
    const struct slice messages[] = {slice_of(full, sizeof(full) - 1), slice_of(empty, 6)};
    struct options o = {{"$schema", schema}};
    struct row_options options = {get, &o};
    struct row_decoder_options in = {.options = options};
    struct row_decoder *d;
    struct row_encoder *e;
    struct table t;

    (void)state;
    make_table(&t, 6);
    in.fields = t.fields;
    in.field_count = 6;
    assert_int_equal(row_decoder_new(&d, "avro", &in, NULL), 0);
    assert_int_equal(row_encoder_new(&e, "avro", t.out, 6, &options, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct json_fault fault = {0};
        struct buf text = {0};
        enum row_kind kind;
        size_t rows;
        bool null;

        row_decode_begin(d, t.chunk);
        if (row_decode_message(d, messages[i], &rows, &fault))
            fail_msg("%s", fault.reason);
        assert_int_equal(rows, 1);
        if (row_decode(d, 0, 0, &kind, &fault))
            fail_msg("%s", fault.reason);
        row_decode_end(d);
        assert_int_equal(row_encode(e, t.chunk, 0, ROW_INSERT, &text, &null, NULL), 0);
        assert_int_equal(text.len, messages[i].len);
        assert_memory_equal(text.ptr, messages[i].ptr, text.len);
        for (size_t len = 0; len < messages[i].len; len++)
            assert_int_equal(row_decode_message(d, slice_of(messages[i].ptr, len), &rows, &fault),
                             ERR_INVALID);
        buf_deinit(&text);
    }
    assert_int_equal(row_decode_message(d, slice_of(full, sizeof(full)), &in.field_count,
                                        &(struct json_fault){0}),
                     ERR_INVALID);
    row_decoder_free(d);
    row_encoder_free(e);
    free_table(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_goes_by_position_and_quotes),
        cmocka_unit_test(debezium_tells_of_changes),
        cmocka_unit_test(canal_and_maxwell_give_what_was_before),
        cmocka_unit_test(rows_become_messages),
        cmocka_unit_test(raw_is_one_column_as_it_is),
        cmocka_unit_test(avro_comes_back_as_it_was_and_no_shorter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
