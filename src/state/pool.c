/* pool.c - memory of one space: cut from blocks, reused by size, given back as a whole. */
#include <stdlib.h>
#include <sys/mman.h>

#include "state/state_int.h"

#define BLOCK_FIRST 1024
#define HUGE        ((size_t)2 << 20)
#define BLOCK_MAX   HUGE

/* In front of a piece that is too large for the lists. */
struct big {
    struct big *next, **link;
    size_t size;
    uint64_t unused; /* what follows is aligned to 16 */
};

static size_t class_of(size_t size)
{
    return (size + 15) / 16;
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

/* What a search jumps about in: by pages of 4 KiB it would wait for the tables of pages as often as
 * for the memory. A kernel that has no huge ones gives it all the same. */
void *huge_alloc(size_t size)
{
    void *memory;

    if (size < HUGE)
        return malloc(size);
    memory = aligned_alloc(HUGE, (size + HUGE - 1) / HUGE * HUGE);
    if (memory)
        (void)madvise(memory, size / HUGE * HUGE, MADV_HUGEPAGE);
    return memory;
}

static int add_block(struct pool *pool)
{
    size_t size = pool->block ? pool->block : BLOCK_FIRST;
    void **block = huge_alloc(size);

    if (!block)
        return ERR_NOMEM;
    *block = pool->blocks;
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
    while (pool->left < class * 16)
        if (add_block(pool))
            return NULL;
    piece = pool->next;
    pool->next += class * 16;
    pool->left -= class * 16;
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

static void free_chain(void *first)
{
    while (first) {
        void *next = *(void **)first;

        free(first);
        first = next;
    }
}

void pool_deinit(struct pool *pool)
{
    free_chain(pool->blocks);
    free_chain(pool->bigs);
    *pool = (struct pool){0};
}
