/* batch_test.c - record batches: what is built is read back, what is broken is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "log/batch.h"

static const struct header headers[] = {
    {{(const uint8_t *)"h1", 2}, {(const uint8_t *)"x", 1}},
    {{(const uint8_t *)"h2", 2}, {NULL, 0}},
};

static void build(enum codec codec, int count, struct buf *out)
{
    struct batch_builder builder;
    struct err err = {0};

    batch_builder_init(&builder);
    for (int i = 0; i < count; i++) {
        char key[16], value[64];

        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "value %d of some length", i);
        assert_int_equal(batch_builder_add(&builder, 1000 + i * 7,
                                           i % 3 ? slice_str(key) : (struct slice){NULL, 0},
                                           i % 5 ? slice_str(value) : (struct slice){NULL, 0},
                                           headers, i % 3),
                         0);
    }
    if (batch_builder_finish(&builder, codec, out, &err))
        fail_msg("%s: %s", codec_name(codec), err.text);
    batch_builder_deinit(&builder);
}

static void check_records(const struct batch *batch, int count)
{
    struct buf scratch = {0};
    struct record_walk walk;
    struct record record;
    struct err err = {0};

    assert_int_equal(record_walk_init(&walk, batch, &scratch, 1 << 20, &err), 0);
    for (int i = 0; i < count; i++) {
        char key[16], value[64];
        struct slice rest, name, data;
        int seen = 0;

        assert_int_equal(record_next(&walk, &record, &err), 1);
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "value %d of some length", i);
        assert_int_equal(record.offset, i);
        assert_int_equal(record.timestamp, 1000 + i * 7);
        assert_true(i % 3 ? slice_is(record.key, key) : !record.key.ptr);
        assert_true(i % 5 ? slice_is(record.value, value) : !record.value.ptr);
        assert_int_equal(record.header_count, i % 3);
        rest = record.headers;
        while (header_next(&rest, &name, &data, &err) == 1) {
            assert_true(slice_eq(name, headers[seen].key));
            assert_true(slice_eq(data, headers[seen].value));
            assert_true(!data.ptr == !headers[seen].value.ptr);
            seen++;
        }
        assert_int_equal(seen, i % 3);
    }
    assert_int_equal(record_next(&walk, &record, &err), 0);
    buf_deinit(&scratch);
}

static void reads_what_it_built_with_every_codec(void **state)
{
    (void)state;
    for (enum codec codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++)
        for (int count = 1; count < 300; count = count * 3 + 1) {
            struct buf bytes = {0};
            struct slice rest;
            struct batch batch;
            size_t need;

            build(codec, count, &bytes);
            rest = buf_slice(&bytes);
            assert_int_equal(batch_next(&rest, true, &batch, &need, NULL), 0);
            assert_int_equal(need, bytes.len);
            assert_int_equal(rest.len, 0);
            assert_int_equal(batch_codec(&batch), codec);
            assert_int_equal(batch.count, count);
            assert_int_equal(batch.last_offset_delta, count - 1);
            assert_int_equal(batch.base_timestamp, 1000);
            assert_int_equal(batch.max_timestamp, 1000 + (count - 1) * 7);
            assert_int_equal(batch.producer_id, -1);
            check_records(&batch, count);
            buf_deinit(&bytes);
        }
}

/* Bytes of a batch with one record (key "k", value "v", time 1700000000000), written out by hand
 * from KIP-98; kcat and the Java tools check the CRC. */
static void matches_the_specification_byte_for_byte(void **state)
{
    static const uint8_t expected[] = {
        0,   0,   0,   0,    0,    0,    0,    0,   /* base offset */
        0,   0,   0,   58,                          /* length of what follows */
        0,   0,   0,   0,                           /* leader epoch */
        2,                                          /* magic */
        0,   0,   0,   0,                           /* CRC, compared apart */
        0,   0,                                     /* attributes */
        0,   0,   0,   0,                           /* last offset delta */
        0,   0,   1,   0x8b, 0xcf, 0xe5, 0x68, 0,   /* base timestamp */
        0,   0,   1,   0x8b, 0xcf, 0xe5, 0x68, 0,   /* max timestamp */
        255, 255, 255, 255,  255,  255,  255,  255, /* producer id */
        255, 255,                                   /* producer epoch */
        255, 255, 255, 255,                         /* base sequence */
        0,   0,   0,   1,                           /* count */
        16,  0,   0,   0,    2,    'k',  2,    'v',
        0, /* length 8, attributes, deltas, key, value, headers */
    };
    struct batch_builder builder;
    struct buf bytes = {0};

    (void)state;
    batch_builder_init(&builder);
    assert_int_equal(
        batch_builder_add(&builder, 1700000000000, SLICE_LIT("k"), SLICE_LIT("v"), NULL, 0), 0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL), 0);
    assert_int_equal(bytes.len, sizeof(expected));
    memset(bytes.ptr + 17, 0, 4);
    assert_memory_equal(bytes.ptr, expected, sizeof(expected));
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
}

static void waits_for_the_whole_batch(void **state)
{
    struct buf bytes = {0};
    struct batch batch;
    size_t need;

    (void)state;
    build(CODEC_NONE, 5, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        struct slice rest = slice_of(bytes.ptr, len);

        assert_int_equal(batch_next(&rest, true, &batch, &need, NULL), ERR_AGAIN);
        assert_int_equal(rest.len, len);
        assert_int_equal(need, len < 12 ? BATCH_HEADER_LEN : bytes.len);
    }
    buf_deinit(&bytes);
}

static void refuses_every_flipped_bit_under_the_crc(void **state)
{
    struct buf bytes = {0};
    struct err err = {0};
    struct batch batch;

    (void)state;
    build(CODEC_LZ4, 20, &bytes);
    for (size_t i = 16; i < bytes.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct slice rest = buf_slice(&bytes);

            bytes.ptr[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(batch_next(&rest, true, &batch, NULL, &err), ERR_CORRUPT);
            assert_true(err.text[0] != '\0');
            bytes.ptr[i] ^= (uint8_t)(1 << bit);
        }
    buf_deinit(&bytes);
}

/* Records behind a good CRC may still be nonsense: whatever they are, the walk ends. */
static void the_walk_of_broken_records_stays_inside(void **state)
{
    struct buf bytes = {0}, scratch = {0};

    (void)state;
    build(CODEC_NONE, 4, &bytes);
    for (size_t i = BATCH_HEADER_LEN; i < bytes.len; i++)
        for (int value = 0; value < 256; value++) {
            struct slice rest = buf_slice(&bytes);
            uint8_t was = bytes.ptr[i];
            struct record_walk walk;
            struct record record;
            struct batch batch;
            int rc, count = 0;

            bytes.ptr[i] = (uint8_t)value;
            assert_int_equal(batch_next(&rest, false, &batch, NULL, NULL), 0);
            assert_int_equal(record_walk_init(&walk, &batch, &scratch, 1 << 20, NULL), 0);
            while ((rc = record_next(&walk, &record, NULL)) == 1) {
                struct slice left = record.headers, name, data;

                count++;
                while (header_next(&left, &name, &data, NULL) == 1)
                    ;
                assert_true(record.value.len < bytes.len && record.key.len < bytes.len);
            }
            assert_true(count <= 4);
            assert_true(rc == 0 || rc == ERR_CORRUPT);
            bytes.ptr[i] = was;
        }
    buf_deinit(&bytes);
    buf_deinit(&scratch);
}

static void refuses_to_unpack_more_than_it_was_told(void **state)
{
    struct batch_builder builder;
    struct buf bytes = {0}, scratch = {0};
    static const uint8_t zeros[100000];
    struct record_walk walk;
    struct batch batch;
    struct slice rest;

    (void)state;
    batch_builder_init(&builder);
    assert_int_equal(
        batch_builder_add(&builder, 1, (struct slice){0}, slice_of(zeros, sizeof(zeros)), NULL, 0),
        0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_ZSTD, &bytes, NULL), 0);
    assert_true(bytes.len < 1000);
    rest = buf_slice(&bytes);
    assert_int_equal(batch_next(&rest, true, &batch, NULL, NULL), 0);
    assert_int_equal(record_walk_init(&walk, &batch, &scratch, 50000, NULL), ERR_LIMIT);
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
    buf_deinit(&scratch);
}

static void sequences_run_on_and_wrap(void **state)
{
    struct batch_builder builder;
    struct buf bytes = {0};

    (void)state;
    batch_builder_init(&builder);
    builder.base_sequence = INT32_MAX - 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(batch_builder_add(&builder, 1, (struct slice){0}, SLICE_LIT("v"), NULL, 0),
                         0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL), 0);
    assert_int_equal(builder.base_sequence, 1);
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_built_with_every_codec),
        cmocka_unit_test(matches_the_specification_byte_for_byte),
        cmocka_unit_test(waits_for_the_whole_batch),
        cmocka_unit_test(refuses_every_flipped_bit_under_the_crc),
        cmocka_unit_test(the_walk_of_broken_records_stays_inside),
        cmocka_unit_test(refuses_to_unpack_more_than_it_was_told),
        cmocka_unit_test(sequences_run_on_and_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
