/* pool.c - memory of one space: cut from blocks, reused by size, given back as a whole. */
#include "state/state_int.h"

#define BLOCK_FIRST 1024
#define BLOCK_MAX   HUGE_BYTES

/* In front of a piece that is too large for the lists. */
struct big {
    struct big *next, **link;
    size_t size;
    uint64_t unused; /* what follows is aligned to 16 */
};

/* By 16 bytes up to POOL_SMALL of them, then four classes for each doubling. */
static size_t class_of(size_t size)
{
    size_t units = (size + 15) / 16, shift;

    if (units <= POOL_SMALL)
        return units;
    shift = (size_t)(63 - __builtin_clzll(units - 1)) - 2;
    return POOL_SMALL + 4 * (shift - 4) + ((units - 1) >> shift) - 4 + 1;
}

static size_t class_size(size_t class)
{
    size_t above = class - POOL_SMALL - 1;

    if (class <= POOL_SMALL)
        return class * 16;
    return 16 * ((above % 4 + 5) << (above / 4 + 4));
}

static void *take_big(struct pool *pool, size_t size)
{
    struct big *big = malloc(sizeof(*big) + size);

    if (!big)
        return NULL;
    big->size = size;
    big->next = pool->bigs;
    big->link = (struct big **)&pool->bigs;
    if (big->next)
        big->next->link = &big->next;
    pool->bigs = big;
    pool->bytes += size;
    return big + 1;
}

struct block {
    struct block *next;
    size_t size;
};

static int add_block(struct pool *pool)
{
    size_t size = pool->block ? pool->block : BLOCK_FIRST;
    struct block *block = huge_alloc(pool->spill, size, false);

    if (!block)
        return ERR_NOMEM;
    *block = (struct block){pool->blocks, size};
    pool->blocks = block;
    pool->next = (uint8_t *)block + 16;
    pool->left = size - 16;
    pool->bytes += size;
    pool->block = size < BLOCK_MAX ? size * 2 : size;
    return 0;
}

void *pool_take(struct pool *pool, size_t size)
{
    size_t class = class_of(size);
    void *piece;

    if (class > POOL_CLASSES)
        return take_big(pool, size);
    piece = pool->free[class];
    if (piece) {
        pool->free[class] = *(void **)piece;
        return piece;
    }
    size = class_size(class);
    while (pool->left < size)
        if (add_block(pool))
            return NULL;
    piece = pool->next;
    pool->next += size;
    pool->left -= size;
    return piece;
}

void pool_give(struct pool *pool, void *piece, size_t size)
{
    size_t class = class_of(size);
    struct big *big = piece;

    if (class <= POOL_CLASSES) {
        *(void **)piece = pool->free[class];
        pool->free[class] = piece;
        return;
    }
    big--;
    *big->link = big->next;
    if (big->next)
        big->next->link = big->link;
    pool->bytes -= big->size;
    free(big);
}

void pool_deinit(struct pool *pool)
{
    for (struct block *block = pool->blocks, *next; block; block = next) {
        next = block->next;
        huge_free(pool->spill, block, block->size);
    }
    for (struct big *big = pool->bigs, *next; big; big = next) {
        next = big->next;
        free(big);
    }
    *pool = (struct pool){.spill = pool->spill};
}
