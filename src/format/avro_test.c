/* avro_test.c - container files out and in again, other writers' schemas, and bad bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "format/avro_file.h"

struct point {
    int32_t x;
    int64_t y;
};
struct thing {
    const char *name;
    struct slice blob;
    int64_t maybe; /* absent -1 */
    bool flag;
    double real;
    struct point at;
    struct point *points;
    size_t point_count;
    int64_t *numbers;
    size_t number_count;
    struct avro_datum any;
};

static const struct avro_field point_fields[] = {
    {.name = "x", .id = 10, .kind = AK_INT, .at = offsetof(struct point, x)},
    {.name = "y", .id = 11, .kind = AK_LONG, .at = offsetof(struct point, y)},
};
static const struct avro_shape point_shape = {"point", sizeof(struct point), point_fields, 2};
static const struct avro_field number_item = {.name = "n", .id = 12, .kind = AK_LONG};
static const struct avro_datum_type any_type = {.type = AVRO_FIXED, .size = 3};
#define T(field_name, field_id, field_kind, member)                                                \
    .name = field_name, .id = field_id, .kind = field_kind, .at = offsetof(struct thing, member)
static const struct avro_field thing_fields[] = {
    {T("name", 1, AK_STRING, name), .needed = true},
    {T("blob", 2, AK_BYTES, blob), .optional = true},
    {T("maybe", 3, AK_LONG, maybe), .optional = true, .absent = -1},
    {T("flag", 4, AK_BOOL, flag)},
    {T("real", 5, AK_DOUBLE, real)},
    {T("at", 6, AK_RECORD, at),
     .shape = &(const struct avro_shape){"spot", sizeof(struct point), point_fields, 2}},
    {T("points", 7, AK_MAP, points), .optional = true, .shape = &point_shape,
     .at_count = offsetof(struct thing, point_count)},
    {T("numbers", 8, AK_ARRAY, numbers), .optional = true, .item = &number_item,
     .at_count = offsetof(struct thing, number_count)},
    {T("any", 9, AK_DATUM, any), .optional = true, .datum = &any_type},
};
static const struct avro_shape thing_shape = {"thing", sizeof(struct thing), thing_fields,
                                              COUNT_OF(thing_fields)};

static struct point two_points[] = {{1, -1}, {INT32_MIN, INT64_MAX}};
static int64_t three_numbers[] = {0, -64, INT64_MIN};
static const struct thing things[] = {
    {"first",
     {(const uint8_t *)"\0\1", 2},
     7,
     true,
     -0.5,
     {3, 4},
     two_points,
     2,
     three_numbers,
     3,
     {.bytes = {(const uint8_t *)"abc", 3}}},
    {"", {0}, -1, false, 1e300, {0, 0}, NULL, 0, NULL, 0, {.null = true}},
};

static void write_things(const char *codec, struct buf *out)
{
    const struct avro_meta meta[] = {{"key", SLICE_LIT("value")}, {"empty", SLICE_LIT("")}};

    assert_int_equal(avro_file_write(&thing_shape, things, 2, meta, 2, codec, out, NULL), 0);
}

static void check_things(const struct thing *list, size_t count)
{
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "first");
    assert_true(slice_eq(list[0].blob, things[0].blob));
    assert_int_equal(list[0].maybe, 7);
    assert_true(list[0].flag);
    assert_true(list[0].real == -0.5);
    assert_int_equal(list[0].at.y, 4);
    assert_int_equal(list[0].point_count, 2);
    assert_int_equal(list[0].points[1].x, INT32_MIN);
    assert_int_equal(list[0].points[1].y, INT64_MAX);
    assert_int_equal(list[0].number_count, 3);
    assert_int_equal(list[0].numbers[2], INT64_MIN);
    assert_true(slice_is(list[0].any.bytes, "abc"));
    assert_string_equal(list[1].name, "");
    assert_null(list[1].blob.ptr);
    assert_int_equal(list[1].maybe, -1);
    assert_null(list[1].points);
    assert_true(list[1].any.null);
}

static void records_come_back_through_every_codec(void **state)
{
    static const char *const codecs[] = {"null", "deflate", "snappy", "zstandard"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct arena arena = {0};
        struct avro_file file;
        struct buf bytes = {0};
        void *records;
        size_t count;

        write_things(codecs[i], &bytes);
        assert_int_equal(avro_file_open(buf_slice(&bytes), &arena, &file, NULL), 0);
        assert_string_equal(file.codec, codecs[i]);
        assert_true(slice_is(avro_file_meta(&file, "key"), "value"));
        assert_non_null(avro_file_meta(&file, "empty").ptr);
        assert_null(avro_file_meta(&file, "other").ptr);
        assert_int_equal(
            avro_file_read(&file, &thing_shape, AVRO_BLOCK_MAX, &arena, &records, &count, NULL), 0);
        check_things(records, count);
        buf_deinit(&bytes);
        arena_deinit(&arena);
    }
}

static void the_schema_carries_ids_at_every_depth(void **state)
{
    struct buf schema = {0};

    (void)state;
    assert_int_equal(avro_shape_schema(&thing_shape, &schema), 0);
    assert_non_null(strstr(buf_cstr(&schema), "\"element-id\":12"));
    assert_non_null(strstr(buf_cstr(&schema), "\"logicalType\":\"map\""));
    assert_non_null(strstr(buf_cstr(&schema), "{\"name\":\"x\",\"type\":\"int\",\"field-id\":10}"));
    assert_non_null(strstr(buf_cstr(&schema), "\"name\":\"maybe\",\"type\":[\"null\",\"long\"],"
                                              "\"default\":null,\"field-id\":3"));
    buf_deinit(&schema);
}

/* Another writer: other names and order, an unknown recursive field, the union the other way
 * round, an int for a long, an array in two blocks one of which tells its size. */
static void fields_are_found_by_id_whatever_their_name(void **state)
{
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
        "{\"name\":\"tree\",\"type\":{\"type\":\"record\",\"name\":\"node\",\"fields\":["
        "{\"name\":\"kid\",\"type\":[\"null\",\"node\"]}]},\"field-id\":77},"
        "{\"name\":\"q\",\"type\":[\"int\",\"null\"],\"field-id\":3},"
        "{\"name\":\"title\",\"type\":\"string\",\"field-id\":1},"
        "{\"name\":\"ns\",\"type\":{\"type\":\"array\",\"items\":\"int\",\"element-id\":12},"
        "\"field-id\":8}]}";
    static const uint8_t record[] = {2, 2,   0,   /* node > node > null */
                                     0, 18,       /* int branch, 9 */
                                     4, 'h', 'i', /* "hi" */
                                     1, 2,   6,   /* one item in 1 byte (count -1): 3 */
                                     2, 8,   0};  /* one item: 4; end */
    struct arena arena = {0};
    struct avro_file file;
    struct buf bytes = {0};
    struct thing *list;
    void *records;
    size_t count;
    uint8_t sync[16] = {9};

    (void)state;
    buf_append(&bytes, "Obj\1", 4);
    avro_put_long(&bytes, 1);
    avro_put_bytes(&bytes, SLICE_LIT("avro.schema"));
    avro_put_bytes(&bytes, SLICE_LIT(schema));
    avro_put_long(&bytes, 0);
    buf_append(&bytes, sync, 16);
    for (int i = 0; i < 2; i++) { /* two blocks */
        avro_put_long(&bytes, 1);
        avro_put_bytes(&bytes, slice_of(record, sizeof(record)));
        buf_append(&bytes, sync, 16);
    }
    assert_int_equal(avro_file_open(buf_slice(&bytes), &arena, &file, NULL), 0);
    assert_int_equal(
        avro_file_read(&file, &thing_shape, AVRO_BLOCK_MAX, &arena, &records, &count, NULL), 0);
    list = records;
    assert_int_equal(count, 2);
    assert_string_equal(list[1].name, "hi");
    assert_int_equal(list[1].maybe, 9);
    assert_int_equal(list[1].number_count, 2);
    assert_int_equal(list[1].numbers[1], 4);
    assert_null(list[1].points);
    assert_true(list[1].any.null);
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

/* Whatever is read without an error must have been safe to read: run under the sanitizers. */
static int read_bytes(struct slice bytes, struct err *err)
{
    struct arena arena = {.max_bytes = 16 << 20};
    struct avro_file file;
    void *records;
    size_t count;
    int rc = avro_file_open(bytes, &arena, &file, err);

    rc = rc ? rc : avro_file_read(&file, &thing_shape, 1 << 20, &arena, &records, &count, err);
    arena_deinit(&arena);
    return rc;
}

static void every_truncation_is_refused(void **state)
{
    struct buf bytes = {0};

    (void)state;
    write_things("null", &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = malloc(len + 1); /* its own block: reading past it is seen */
        struct err err = {0};
        size_t header = bytes.len;

        memcpy(copy, bytes.ptr, len);
        /* Cut right behind the header a file is whole, and empty. */
        for (size_t i = 16; i + 16 < bytes.len; i++)
            if (!memcmp(bytes.ptr + i, bytes.ptr + bytes.len - 16, 16)) {
                header = i + 16;
                break;
            }
        if (len != header)
            assert_int_not_equal(read_bytes(slice_of(copy, len), &err), 0);
        free(copy);
    }
    buf_deinit(&bytes);
}

static void flipped_bytes_never_harm(void **state)
{
    struct buf bytes = {0};

    (void)state;
    write_things("deflate", &bytes);
    for (size_t i = 0; i < bytes.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct err err = {0};

            bytes.ptr[i] ^= (uint8_t)(1 << bit);
            read_bytes(buf_slice(&bytes), &err);
            bytes.ptr[i] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(read_bytes(buf_slice(&bytes), NULL), 0);
    buf_deinit(&bytes);
}

static void claims_beyond_the_bytes_are_refused(void **state)
{
    static const uint8_t huge[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct avro_cursor c = {huge, huge + sizeof(huge)};
    struct slice bytes;
    int64_t count;
    struct err err = {0};

    (void)state;
    assert_int_equal(avro_get_bytes(&c, &bytes, &err), ERR_CORRUPT);
    c.at = huge;
    assert_int_equal(avro_get_count(&c, &count, &err), ERR_CORRUPT);
}

static void survives_each_failed_allocation(void **state)
{
    struct buf bytes = {0};
    int rc = ERR_NOMEM;

    (void)state;
    write_things("null", &bytes);
    for (int nth = 1; rc == ERR_NOMEM; nth++) {
        struct arena arena = {.fail_at = nth};
        struct avro_file file;
        struct err err = {0};
        void *records;
        size_t count;

        rc = avro_file_open(buf_slice(&bytes), &arena, &file, &err);
        rc = rc ? rc : avro_file_read(&file, &thing_shape, 1 << 20, &arena, &records, &count, &err);
        arena_deinit(&arena);
    }
    assert_int_equal(rc, 0);
    buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_through_every_codec),
        cmocka_unit_test(the_schema_carries_ids_at_every_depth),
        cmocka_unit_test(fields_are_found_by_id_whatever_their_name),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(flipped_bytes_never_harm),
        cmocka_unit_test(claims_beyond_the_bytes_are_refused),
        cmocka_unit_test(survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
