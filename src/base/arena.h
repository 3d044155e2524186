/* arena.h - memory for one request, one query, one batch: allocate freely, reset once.
 *
 * Nothing long-lived may point into an arena. A zeroed struct arena is ready for use.
 * Threads: an arena belongs to one thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset */
    size_t max_bytes;           /* 0: no limit */
    int fail_at;                /* tests: the allocation that fails, counted from 1; 0: none */
    int count;                  /* allocations so far */
};

/* Aligned for any type; zeroed. NULL when memory ran out or max_bytes would be passed. */
void *arena_alloc(struct arena *arena, size_t len);
void *arena_array(struct arena *arena, size_t count, size_t size); /* overflow checked */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_cstr(struct arena *arena, struct slice s); /* NUL-ended copy */
struct slice arena_slice(struct arena *arena, struct slice s); /* copy; ptr NULL when it failed */
char *arena_printf(struct arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void arena_reset(struct arena *arena);  /* keeps the largest block for reuse */
void arena_deinit(struct arena *arena); /* gives everything back */

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
