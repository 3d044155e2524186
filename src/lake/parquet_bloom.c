/* parquet_bloom.c - split-block bloom filters (BloomFilter.md): 32 bytes to a block, a bit in each
 * of its eight words per value, XXH64 of what PLAIN writes.
 *
 * A filter is as large as the distinct values of a chunk ask for, which is known at its end: until
 * then hashes are kept, of a dictionary once per entry. Past a number of them the filter is made at
 * its greatest size and filled directly, so that memory stays bounded.
 */
#include <math.h>

#include "lake/parquet_int.h"

#define BLOCK      32
#define HASHES_MAX ((size_t)1 << 20)

static const uint32_t salts[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                  0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

static void set_bits(struct buf *filter, uint64_t hash)
{
    uint64_t blocks = filter->len / BLOCK;
    uint8_t *block = filter->ptr + ((hash >> 32) * blocks >> 32) * BLOCK;

    for (int i = 0; i < 8; i++) {
        uint32_t bit = (uint32_t)hash * salts[i] >> 27;

        block[i * 4 + bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

static int filter_new(struct parquet_leaf *leaf, size_t size)
{
    if (buf_reserve(&leaf->filter, size))
        return ERR_NOMEM;
    memset(leaf->filter.ptr, 0, size);
    leaf->filter.len = size;
    return 0;
}

/* Readers want powers of two. */
static size_t size_at_most(int64_t bytes)
{
    size_t size = BLOCK;

    while (size * 2 <= (size_t)bytes && size < ((size_t)1 << 27))
        size *= 2;
    return size;
}

/* Sets of eight bits: of m bits, n values leave one in fpp to chance at m = -8n / ln(1 - fpp^1/8).
 */
static size_t size_for(const struct parquet_writer *w, const struct parquet_leaf *leaf,
                       size_t count)
{
    double fpp = leaf->options.bloom_fpp;
    double bytes = -(double)count / log(1 - pow(fpp, 1.0 / 8));
    size_t size = BLOCK, max = size_at_most(w->options.bloom_bytes);

    while (size < max && (double)size < bytes)
        size *= 2;
    return size;
}

static void fill(struct parquet_leaf *leaf)
{
    const uint64_t *hashes = (const uint64_t *)(const void *)leaf->hashes.ptr;

    for (size_t i = 0; i < leaf->hashes.len / sizeof(*hashes); i++)
        set_bits(&leaf->filter, hashes[i]);
    buf_clear(&leaf->hashes);
}

int parquet_bloom_add(const struct parquet_writer *w, struct parquet_leaf *leaf, struct slice plain)
{
    uint64_t hash = xxh64(plain.ptr, plain.len, 0);

    if (leaf->filter.len) {
        set_bits(&leaf->filter, hash);
        return 0;
    }
    if (leaf->hashes.len < HASHES_MAX * sizeof(hash))
        return buf_append(&leaf->hashes, &hash, sizeof(hash));
    if (filter_new(leaf, size_at_most(w->options.bloom_bytes)))
        return ERR_NOMEM;
    fill(leaf);
    set_bits(&leaf->filter, hash);
    return 0;
}

static int cmp_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static size_t count_distinct(struct parquet_leaf *leaf)
{
    uint64_t *hashes = (uint64_t *)(void *)leaf->hashes.ptr;
    size_t count = leaf->hashes.len / sizeof(*hashes), distinct = 0;

    if (count)
        qsort(hashes, count, sizeof(*hashes), cmp_hash);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || hashes[i] != hashes[i - 1];
    return distinct;
}

/* parquet.thrift: BloomFilterHeader. */
static int put_header(size_t size, struct buf *out)
{
    struct thrift_out t = {.out = out};

    thrift_begin(&t);
    thrift_i32(&t, 1, (int64_t)size);
    for (int id = 2; id <= 4; id++) { /* BLOCK, XXHASH, UNCOMPRESSED: the first of each union */
        thrift_begin_field(&t, id);
        thrift_empty(&t, 1);
        thrift_end(&t);
    }
    thrift_end(&t);
    return t.rc;
}

int parquet_bloom_end(const struct parquet_writer *w, struct parquet_leaf *leaf, struct buf *out)
{
    int rc = 0;

    if (!leaf->options.bloom)
        return 0;
    if (!leaf->filter.len)
        rc = filter_new(leaf, size_for(w, leaf, count_distinct(leaf)));
    if (!rc)
        fill(leaf);
    rc = rc ? rc : put_header(leaf->filter.len, out);
    rc = rc ? rc : buf_append_slice(out, buf_slice(&leaf->filter));
    buf_clear(&leaf->filter);
    return rc;
}
