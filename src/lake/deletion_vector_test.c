/* deletion_vector_test.c - vectors made by libroaring, read by us; broken ones refused. */
#include <roaring/roaring.h>

#include "base/codec.h"
#include "lake/testing.h"

static void put_u32(struct buf *out, uint32_t value, bool big)
{
    for (int i = 0; i < 4; i++)
        buf_append_u8(out, (uint8_t)(value >> (big ? 24 - 8 * i : 8 * i)));
}

/* One blob of `count` bitmaps under the keys 0, 1, ... */
static void make_blob(roaring_bitmap_t *const *bitmaps, uint32_t count, struct buf *out)
{
    struct buf body = {0};

    buf_append(&body, "\xd1\xd3\x39\x64", 4);
    put_u32(&body, count, false);
    put_u32(&body, 0, false);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = roaring_bitmap_portable_size_in_bytes(bitmaps[i]);

        put_u32(&body, i, false);
        buf_reserve(&body, size);
        body.len += roaring_bitmap_portable_serialize(bitmaps[i], (char *)body.ptr + body.len);
    }
    put_u32(out, (uint32_t)body.len, true);
    buf_append_slice(out, buf_slice(&body));
    put_u32(out, crc32_ieee(0, body.ptr, body.len), true);
    buf_deinit(&body);
}

static roaring_bitmap_t *some_bitmap(int kind)
{
    roaring_bitmap_t *b = roaring_bitmap_create();

    if (kind & 1) /* arrays */
        for (uint32_t i = 0; i < 1000; i++)
            roaring_bitmap_add(b, i * 977);
    if (kind & 2) /* bitmaps */
        for (uint32_t i = 0; i < 40000; i++)
            roaring_bitmap_add(b, (1 << 24) + i * 3);
    if (kind & 4) { /* runs */
        roaring_bitmap_add_range(b, 5000000, 5200000);
        roaring_bitmap_run_optimize(b);
    }
    return b;
}

static void every_kind_of_container_is_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < 8; kind++) {
        roaring_bitmap_t *bitmaps[] = {some_bitmap(kind), some_bitmap(7 - kind)};
        uint64_t first = roaring_bitmap_get_cardinality(bitmaps[0]);
        uint64_t second = roaring_bitmap_get_cardinality(bitmaps[1]);
        struct arena arena = {0};
        struct buf blob = {0};
        struct err err = {0};
        int64_t *list;
        size_t count;

        make_blob(bitmaps, 2, &blob);
        if (deletion_vector_decode(buf_slice(&blob), &arena, &list, &count, &err))
            fail_msg("%d: %s", kind, err.text);
        assert_int_equal(count, first + second);
        for (size_t i = 0; i < count; i++)
            assert_true(roaring_bitmap_contains(bitmaps[i >= first], (uint32_t)list[i]) &&
                        list[i] >> 32 == (i >= first));
        roaring_bitmap_free(bitmaps[0]);
        roaring_bitmap_free(bitmaps[1]);
        buf_deinit(&blob);
        arena_deinit(&arena);
    }
}

static void broken_vectors_are_refused(void **state)
{
    roaring_bitmap_t *bitmap = some_bitmap(7);
    struct arena arena = {.max_bytes = 64 << 20};
    struct buf blob = {0};
    int64_t *list;
    size_t count;

    (void)state;
    make_blob(&bitmap, 1, &blob);
    for (size_t len = 0; len < blob.len; len += len < 200 ? 1 : 97)
        assert_int_not_equal(
            deletion_vector_decode(slice_of(blob.ptr, len), &arena, &list, &count, NULL), 0);
    for (size_t i = 8; i < 400; i++) { /* with a checksum that holds, whatever it covers */
        struct buf bent = {0};

        buf_append_slice(&bent, buf_slice(&blob));
        bent.ptr[i] ^= 0x55;
        bent.len -= 4;
        put_u32(&bent, crc32_ieee(0, bent.ptr + 4, bent.len - 4), true);
        deletion_vector_decode(buf_slice(&bent), &arena, &list, &count, NULL);
        arena_reset(&arena);
        buf_deinit(&bent);
    }
    blob.ptr[100] ^= 1;
    assert_int_equal(deletion_vector_decode(buf_slice(&blob), &arena, &list, &count, NULL),
                     ERR_CORRUPT);
    roaring_bitmap_free(bitmap);
    buf_deinit(&blob);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_container_is_read),
        cmocka_unit_test(broken_vectors_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
