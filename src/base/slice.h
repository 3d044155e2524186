/* slice.h - borrowed bytes, owned bytes.
 *
 * A slice is a borrowed view: never NUL-ended, never freed. A buf owns, grows, and carries a
 * maximum that it refuses to pass. Threads: none of their own.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct slice {
    const uint8_t *ptr; /* borrowed */
    size_t len;         /* bytes */
};

#define SLICE_LIT(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
#define SLICE_FMT "%.*s" /* with SLICE_ARG: printf("%" SLICE...) */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).ptr

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){(const uint8_t *)ptr, len};
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded */
int slice_cmp(struct slice a, struct slice b);  /* bytewise, shorter first */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* Decimal with an optional sign; the whole slice must be used. ERR_INVALID, ERR_RANGE. */
int slice_to_i64(struct slice s, int64_t *out);

struct buf {
    uint8_t *ptr; /* owned; NULL while empty */
    size_t len;   /* bytes in use */
    size_t cap;   /* bytes allocated */
    size_t max;   /* refuses to grow past this; 0 means BUF_MAX_DEFAULT */
};

#define BUF_MAX_DEFAULT ((size_t)1 << 30)

void buf_init(struct buf *buf, size_t max);
void buf_deinit(struct buf *buf); /* frees the bytes; the buf is empty and usable again */
void buf_clear(struct buf *buf);  /* keeps the memory */
/* All return 0, ERR_NOMEM or ERR_LIMIT; on failure the buf is unchanged. */
int buf_reserve(struct buf *buf, size_t more); /* room for `more` bytes after len */
int buf_append(struct buf *buf, const void *ptr, size_t len);
int buf_append_slice(struct buf *buf, struct slice s);
int buf_append_str(struct buf *buf, const char *text);
int buf_append_u8(struct buf *buf, uint8_t byte);
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *buf, size_t len); /* drops the first len bytes */

static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->ptr, buf->len};
}

/* Ends the bytes with a NUL that is not counted and returns them; NULL when memory ran out. */
const char *buf_cstr(struct buf *buf);

#endif
