/* slice.c - views of bytes, and the buffer that owns, grows and refuses to pass its maximum. */
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_of(s.ptr, prefix.len), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           slice_eq(slice_of(s.ptr + s.len - suffix.len, suffix.len), suffix);
}

int slice_to_i64(struct slice s, int64_t *out)
{
    bool negative = false;
    uint64_t value = 0, limit = INT64_MAX;
    size_t i = 0;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        negative = s.ptr[0] == '-';
        limit += negative;
        i = 1;
    }
    if (i == s.len)
        return ERR_INVALID;
    for (; i < s.len; i++) {
        uint8_t digit = (uint8_t)(s.ptr[i] - '0');

        if (digit > 9)
            return ERR_INVALID;
        if (value > (limit - digit) / 10)
            return ERR_RANGE;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_deinit(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->ptr);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

int buf_reserve(struct buf *buf, size_t more)
{
    size_t max = buf->max ? buf->max : BUF_MAX_DEFAULT;
    size_t cap = buf->cap ? buf->cap : 64;
    uint8_t *ptr;

    if (more <= buf->cap - buf->len && buf->ptr)
        return 0;
    if (more > max || buf->len > max - more)
        return ERR_LIMIT;
    while (cap < buf->len + more)
        cap += cap / 2;
    if (cap > max)
        cap = max;
    ptr = realloc(buf->ptr, cap ? cap : 1);
    if (!ptr)
        return ERR_NOMEM;
    buf->ptr = ptr;
    buf->cap = cap;
    return 0;
}

int buf_append(struct buf *buf, const void *ptr, size_t len)
{
    int rc = buf_reserve(buf, len);

    if (rc)
        return rc;
    if (len)
        memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
    return 0;
}

int buf_append_slice(struct buf *buf, struct slice s) { return buf_append(buf, s.ptr, s.len); }
int buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}
int buf_append_u8(struct buf *buf, uint8_t byte) { return buf_append(buf, &byte, 1); }

int buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    int len, rc;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return ERR_INVALID;
    rc = buf_reserve(buf, (size_t)len + 1);
    if (rc)
        return rc;
    va_start(args, fmt);
    vsnprintf((char *)buf->ptr + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
    return 0;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
}

const char *buf_cstr(struct buf *buf)
{
    if (buf_reserve(buf, 1))
        return NULL;
    buf->ptr[buf->len] = '\0';
    return (const char *)buf->ptr;
}
