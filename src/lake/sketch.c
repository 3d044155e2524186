/* sketch.c - theta sketches. Formats: DataSketches' theta sketch (compact, serial version 3) and
 * MurmurHash3 x64 128, both from their public descriptions. */
#include "lake/sketch.h"

#include <stdlib.h>

#define SLOTS     ((size_t)SKETCH_K * 4)
#define SEED      9001
#define SEED_HASH 0x93cc /* of the seed itself: readers compare it */
#define THETA_MAX ((uint64_t)INT64_MAX)
#define FAMILY    3 /* compact */
#define READ_ONLY 2
#define EMPTY     4
#define COMPACT   8
#define ORDERED   16

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t load(const uint8_t *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

/* The first half of MurmurHash3 x64 128. */
static uint64_t murmur(struct slice s)
{
    const uint64_t c1 = 0x87c37b91114253d5ULL, c2 = 0x4cf5ad432745937fULL;
    uint64_t h1 = SEED, h2 = SEED;
    size_t at = 0, rest;

    for (; at + 16 <= s.len; at += 16) {
        h1 ^= rotl(load(s.ptr + at, 8) * c1, 31) * c2;
        h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotl(load(s.ptr + at + 8, 8) * c2, 33) * c1;
        h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    rest = s.len - at;
    if (rest > 8)
        h2 ^= rotl(load(s.ptr + at + 8, rest - 8) * c2, 33) * c1;
    if (rest)
        h1 ^= rotl(load(s.ptr + at, rest < 8 ? rest : 8) * c1, 31) * c2;
    h1 ^= s.len;
    h2 ^= s.len;
    h1 += h2;
    h2 += h1;
    return mix(h1) + mix(h2);
}

int sketch_init(struct sketch *sketch)
{
    *sketch = (struct sketch){.slots = calloc(SLOTS, sizeof(uint64_t)), .theta = THETA_MAX};
    return sketch->slots ? 0 : ERR_NOMEM;
}

void sketch_deinit(struct sketch *sketch)
{
    free(sketch->slots);
    sketch->slots = NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void insert(struct sketch *sketch, uint64_t hash)
{
    size_t at = hash % SLOTS;

    while (sketch->slots[at] && sketch->slots[at] != hash)
        at = (at + 1) % SLOTS;
    if (sketch->slots[at])
        return;
    sketch->slots[at] = hash;
    sketch->count++;
}

/* The hashes to the front, ascending; the rest zero. */
static void sort(struct sketch *sketch)
{
    size_t count = 0;

    for (size_t i = 0; i < SLOTS; i++)
        if (sketch->slots[i]) {
            uint64_t hash = sketch->slots[i];

            sketch->slots[i] = 0;
            sketch->slots[count++] = hash;
        }
    qsort(sketch->slots, count, sizeof(uint64_t), by_value);
}

/* Keeps the K least: the next one becomes theta. */
static void shrink(struct sketch *sketch)
{
    uint64_t kept[SKETCH_K];

    sort(sketch);
    memcpy(kept, sketch->slots, sizeof(kept));
    sketch->theta = sketch->slots[SKETCH_K];
    memset(sketch->slots, 0, SLOTS * sizeof(uint64_t));
    sketch->count = 0;
    for (size_t i = 0; i < SKETCH_K; i++)
        insert(sketch, kept[i]);
}

void sketch_add(struct sketch *sketch, struct slice value)
{
    uint64_t hash;

    if (!value.len) /* DataSketches ignores it too */
        return;
    hash = murmur(value) >> 1;
    if (hash == 0 || hash >= sketch->theta)
        return;
    insert(sketch, hash);
    if (sketch->count >= SLOTS / 2)
        shrink(sketch);
}

double sketch_estimate(const struct sketch *sketch)
{
    return (double)sketch->count / ((double)sketch->theta / (double)THETA_MAX);
}

static void put(uint8_t *at, uint64_t value, int len)
{
    for (int i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

int sketch_print(const struct sketch *sketch, struct buf *out)
{
    struct sketch copy = *sketch;
    bool exact = sketch->theta == THETA_MAX, single = exact && sketch->count == 1;
    int longs = sketch->count == 0 && exact ? 1 : single ? 1 : exact ? 2 : 3;
    uint8_t head[24] = {0};
    int rc;

    head[0] = (uint8_t)longs;
    head[1] = 3;
    head[2] = FAMILY;
    head[5] = READ_ONLY | COMPACT | ORDERED | (sketch->count == 0 && exact ? EMPTY : 0);
    put(head + 6, SEED_HASH, 2);
    put(head + 8, sketch->count, 4);
    put(head + 12, 0x3f800000, 4); /* sampling probability 1.0 */
    put(head + 16, sketch->theta, 8);
    copy.slots = malloc(SLOTS * sizeof(uint64_t));
    if (!copy.slots)
        return ERR_NOMEM;
    memcpy(copy.slots, sketch->slots, SLOTS * sizeof(uint64_t));
    sort(&copy);
    rc = buf_append(out, head, (size_t)longs * 8);
    for (size_t i = 0; i < copy.count && !rc; i++) {
        uint8_t hash[8];

        put(hash, copy.slots[i], 8);
        rc = buf_append(out, hash, sizeof(hash));
    }
    free(copy.slots);
    return rc;
}
