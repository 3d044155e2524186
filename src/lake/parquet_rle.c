/* parquet_rle.c - levels and dictionary ids: runs where values repeat, else groups of eight
 * packed to as many bits as the greatest needs. Encodings.md, RLE = 3. */
#include "lake/parquet_int.h"

#define GROUP 8

int parquet_bit_width(uint32_t max)
{
    return max ? 32 - __builtin_clz(max) : 0;
}

static int put_varint(struct buf *out, uint64_t value)
{
    int rc = 0;

    for (; value >= 0x80 && !rc; value >>= 7)
        rc = buf_append_u8(out, (uint8_t)(value | 0x80));
    return rc ? rc : buf_append_u8(out, (uint8_t)value);
}

int parquet_rle_run(uint32_t value, size_t count, int width, struct buf *out)
{
    int rc = put_varint(out, (uint64_t)count << 1);

    for (int i = 0; i < width && !rc; i += 8)
        rc = buf_append_u8(out, (uint8_t)(value >> i));
    return rc;
}

/* Both kinds of input through one body; `size` is a constant to the compiler. */
static inline uint32_t value_at(const void *values, size_t size, size_t i)
{
    return size == 1 ? ((const uint8_t *)values)[i] : ((const uint32_t *)values)[i];
}

static inline int put_packed(const void *values, size_t size, size_t count, int width,
                             struct buf *out)
{
    size_t groups = (count + GROUP - 1) / GROUP;
    uint64_t bits = 0;
    int held = 0, rc = put_varint(out, (uint64_t)groups << 1 | 1);
    uint8_t *to;

    if (rc || (rc = buf_reserve(out, groups * (size_t)width + 8)))
        return rc;
    to = out->ptr + out->len;
    for (size_t i = 0; i < groups * GROUP; i++) {
        bits |= (uint64_t)(i < count ? value_at(values, size, i) : 0) << held;
        for (held += width; held >= 8; held -= 8, bits >>= 8)
            *to++ = (uint8_t)bits;
    }
    out->len += groups * (size_t)width;
    return 0;
}

static inline size_t run_length(const void *values, size_t size, size_t from, size_t count)
{
    uint32_t first = value_at(values, size, from);
    size_t i = from + 1;

    while (i < count && value_at(values, size, i) == first)
        i++;
    return i - from;
}

/* A run begins only where a group would: groups are whole but for the last one. */
static inline int put_hybrid(const void *values, size_t size, size_t count, int width,
                             struct buf *out)
{
    size_t packed = 0, i = 0;
    int rc = 0;

    while (i < count && !rc) {
        size_t run = run_length(values, size, i, count);

        if (run < GROUP) {
            i += count - i < GROUP ? count - i : GROUP;
            continue;
        }
        if (i > packed)
            rc = put_packed((const uint8_t *)values + packed * size, size, i - packed, width, out);
        rc = rc ? rc : parquet_rle_run(value_at(values, size, i), run, width, out);
        packed = i += run;
    }
    if (count > packed && !rc)
        rc = put_packed((const uint8_t *)values + packed * size, size, count - packed, width, out);
    return rc;
}

int parquet_rle_levels(const uint8_t *levels, size_t count, int width, struct buf *out)
{
    return put_hybrid(levels, 1, count, width, out);
}

int parquet_rle_ids(const uint32_t *ids, size_t count, int width, struct buf *out)
{
    return put_hybrid(ids, 4, count, width, out);
}
