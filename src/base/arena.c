/* arena.c - blocks that double up to 1 MiB; a reset keeps the largest, so that a steady stream of
 * requests allocates nothing after its first few. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_LAST  ((size_t)1 << 20)
#define ALIGN       ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t cap, used; /* bytes after this header */
};

static uint8_t *block_bytes(struct arena_block *block)
{
    return (uint8_t *)block + ((sizeof(*block) + ALIGN - 1) & ~(ALIGN - 1));
}

static struct arena_block *block_new(struct arena *arena, size_t len)
{
    size_t header = (sizeof(struct arena_block) + ALIGN - 1) & ~(ALIGN - 1);
    size_t cap = arena->blocks ? arena->blocks->cap * 2 : BLOCK_FIRST;
    struct arena_block *block;

    if (cap > BLOCK_LAST)
        cap = BLOCK_LAST;
    if (cap < len)
        cap = len;
    block = malloc(header + cap);
    if (!block)
        return NULL;
    block->cap = cap;
    block->used = 0;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t len)
{
    struct arena_block *block = arena->blocks;
    void *ptr;

    if (arena->fail_at && ++arena->count == arena->fail_at)
        return NULL;
    if (len > SIZE_MAX / 2)
        return NULL;
    len = (len + ALIGN - 1) & ~(ALIGN - 1);
    if (len == 0)
        len = ALIGN;
    if (arena->max_bytes && (len > arena->max_bytes || arena->used_bytes > arena->max_bytes - len))
        return NULL;
    if (!block || block->cap - block->used < len)
        block = block_new(arena, len);
    if (!block)
        return NULL;
    ptr = block_bytes(block) + block->used;
    block->used += len;
    arena->used_bytes += len;
    return memset(ptr, 0, len);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    return arena_alloc(arena, count * size);
}

char *arena_cstr(struct arena *arena, struct slice s)
{
    char *copy = s.len < SIZE_MAX ? arena_alloc(arena, s.len + 1) : NULL;

    if (copy && s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_cstr(arena, slice_str(text));
}

struct slice arena_slice(struct arena *arena, struct slice s)
{
    return slice_of(arena_cstr(arena, s), s.len);
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return NULL;
    text = arena_alloc(arena, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks, *block = arena->blocks;

    for (; block; block = block->next)
        if (block->cap > keep->cap)
            keep = block;
    while ((block = arena->blocks)) {
        arena->blocks = block->next;
        if (block != keep)
            free(block);
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
        arena->blocks = keep;
    }
    arena->used_bytes = 0;
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block;

    while ((block = arena->blocks)) {
        arena->blocks = block->next;
        free(block);
    }
    arena->used_bytes = 0;
}
