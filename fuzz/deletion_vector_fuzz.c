/* deletion_vector_fuzz.c - the bitmap of a deletion vector, with length and checksum made to hold
 * so that the bytes behind them are reached. Positions that come out ascend, and are not
 * negative. */
#include "base/codec.h"
#include "lake/lake_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_big(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        assert(buf_append_u8(out, (uint8_t)(value >> shift)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = (size_t)64 << 20};
    struct buf blob = {0};
    int64_t *list;
    size_t count;

    put_big(&blob, (uint32_t)size + 4);
    assert(buf_append(&blob, "\xd1\xd3\x39\x64", 4) == 0 && buf_append(&blob, data, size) == 0);
    put_big(&blob, crc32_ieee(0, blob.ptr + 4, blob.len - 4));
    if (deletion_vector_decode(buf_slice(&blob), &arena, &list, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            assert(list[i] >= 0 && (i == 0 || list[i] > list[i - 1]));
    buf_deinit(&blob);
    arena_deinit(&arena);
    return 0;
}
