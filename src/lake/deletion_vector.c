/* deletion_vector.c - positions of deleted rows out of a Puffin blob.
 *
 * Puffin spec, "deletion-vector-v1": length and CRC-32 in big endian around a magic number and a
 * 64-bit Roaring bitmap; that is a count, and per key (the upper 32 bits) a bitmap in Roaring's
 * portable format. Decoded here rather than by libroaring, whose version in Debian 12 cannot tell
 * a broken bitmap from a whole one.
 */
#include "base/codec.h"
#include "lake/lake_int.h"

#define COOKIE_PLAIN  12346
#define COOKIE_RUNS   12347
#define OFFSETS_FROM  4    /* with runs, smaller bitmaps have no offsets */
#define ARRAY_MAX     4096 /* more values than that are a bitmap container */
#define POSITIONS_MAX ((size_t)64 << 20)

struct reader {
    const uint8_t *at, *end;
    struct arena *arena;
    int64_t *list;
    size_t count, cap;
    struct err *err;
};

static int corrupt(struct reader *r)
{
    return err_set(r->err, ERR_CORRUPT, "a deletion vector is cut off or broken");
}

static int take(struct reader *r, size_t len, const uint8_t **out)
{
    if ((size_t)(r->end - r->at) < len)
        return corrupt(r);
    *out = r->at;
    r->at += len;
    return 0;
}

static uint32_t u16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static uint32_t u32_big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int add(struct reader *r, int64_t position)
{
    if (r->count && position <= r->list[r->count - 1])
        return corrupt(r); /* values ascend: what does not would delete a row twice */
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 1024;
        int64_t *more;

        if (cap > POSITIONS_MAX)
            return err_set(r->err, ERR_LIMIT, "a deletion vector of more than %zu rows",
                           POSITIONS_MAX);
        more = ARENA_ARRAY(r->arena, int64_t, cap);
        if (!more)
            return err_set(r->err, ERR_NOMEM, "deletion vector");
        if (r->count)
            memcpy(more, r->list, r->count * sizeof(*more));
        r->list = more;
        r->cap = cap;
    }
    r->list[r->count++] = position;
    return 0;
}

static int read_runs(struct reader *r, int64_t base)
{
    const uint8_t *p = NULL;
    uint32_t runs;
    int rc = take(r, 2, &p);

    runs = rc ? 0 : u16(p);
    for (uint32_t i = 0; i < runs && !rc; i++) {
        rc = take(r, 4, &p);
        if (!rc && u16(p) + u16(p + 2) > 0xffff)
            rc = corrupt(r);
        for (uint32_t k = 0; !rc && k <= u16(p + 2); k++)
            rc = add(r, base + u16(p) + k);
    }
    return rc;
}

static int read_container(struct reader *r, int64_t base, uint32_t cardinality, bool runs)
{
    const uint8_t *p = NULL;
    int rc;

    if (runs)
        return read_runs(r, base);
    rc = take(r, cardinality <= ARRAY_MAX ? cardinality * 2 : 8192, &p);
    if (!rc && cardinality <= ARRAY_MAX)
        for (uint32_t i = 0; i < cardinality && !rc; i++)
            rc = add(r, base + u16(p + i * 2));
    else
        for (uint32_t i = 0; i < 65536 && !rc; i++)
            if (p[i / 8] >> (i % 8) & 1)
                rc = add(r, base + i);
    return rc;
}

/* Roaring's portable format: cookie, which containers are runs, keys and sizes, offsets (which we
 * need not, reading in order), containers. */
static int read_bitmap(struct reader *r, int64_t base)
{
    const uint8_t *p = NULL, *headers = NULL, *flags = NULL, *skip;
    uint32_t cookie, count;
    int rc = take(r, 4, &p);

    if (rc)
        return rc;
    cookie = u32(p);
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        count = (cookie >> 16) + 1;
        rc = take(r, (count + 7) / 8, &flags);
    } else {
        rc = cookie == COOKIE_PLAIN ? take(r, 4, &p) : corrupt(r);
        count = rc ? 0 : u32(p);
    }
    if (!rc && count > 65536)
        rc = corrupt(r);
    rc = rc ? rc : take(r, (size_t)count * 4, &headers);
    if (!rc && (!flags || count >= OFFSETS_FROM))
        rc = take(r, (size_t)count * 4, &skip);
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = read_container(r, base + ((int64_t)u16(headers + i * 4) << 16),
                            u16(headers + i * 4 + 2) + 1, flags && flags[i / 8] >> (i % 8) & 1);
    return rc;
}

int deletion_vector_decode(struct slice blob, struct arena *arena, int64_t **positions,
                           size_t *count, struct err *err)
{
    static const uint8_t magic[] = {0xd1, 0xd3, 0x39, 0x64};
    struct reader r = {.arena = arena, .err = err};
    uint64_t bitmaps = 0;
    const uint8_t *p = NULL;
    int rc = 0;

    if (blob.len < 20 || u32_big(blob.ptr) != blob.len - 8 || memcmp(blob.ptr + 4, magic, 4) != 0)
        return corrupt(&r);
    if (crc32_ieee(0, blob.ptr + 4, blob.len - 8) != u32_big(blob.ptr + blob.len - 4))
        return err_set(err, ERR_CORRUPT, "a deletion vector's checksum does not hold");
    r.at = blob.ptr + 8;
    r.end = blob.ptr + blob.len - 4;
    rc = take(&r, 8, &p);
    bitmaps = rc ? 0 : u32(p) | (uint64_t)u32(p + 4) << 32;
    for (uint64_t i = 0; i < bitmaps && !rc; i++) {
        rc = take(&r, 4, &p);
        if (!rc && u32(p) > INT32_MAX)
            rc = corrupt(&r);
        rc = rc ? rc : read_bitmap(&r, (int64_t)u32(p) << 32);
    }
    if (!rc && r.at != r.end)
        rc = corrupt(&r);
    *positions = r.list;
    *count = rc ? 0 : r.count;
    return rc;
}
