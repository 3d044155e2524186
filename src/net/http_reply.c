/* http_reply.c - a reply as plain fields; http_server.c turns it into libmicrohttpd's. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/http_int.h"

/* Gives back whatever body the reply has. */
static void drop_body(struct http_reply *reply)
{
    if (reply->release)
        reply->release(reply->pull_arg);
    file_close(reply->file);
    buf_deinit(&reply->owned);
    reply->release = NULL;
    reply->file = NULL;
    reply->bytes = slice_of(NULL, 0);
    reply->kind = REPLY_EMPTY;
}

void http_reply_deinit(struct http_reply *reply)
{
    drop_body(reply);
}

void http_reply_clear(struct http_reply *reply)
{
    drop_body(reply);
    reply->status = 0;
    reply->headers.count = 0;
}

void http_status(struct http_reply *reply, int status)
{
    reply->status = status;
}

bool http_is_set(const struct http_reply *reply)
{
    return reply->status || reply->kind != REPLY_EMPTY || reply->failed;
}

/* Values may come from the outside: a line break in one would begin a header of its own, and an
 * empty one libmicrohttpd does not take. Spaces around a value mean nothing. */
static const char *clean_value(struct http_reply *reply, const char *value)
{
    char *copy = arena_strdup(reply->arena, value[0] ? value : " ");

    for (char *c = copy; c && *c; c++)
        if (*c == '\r' || *c == '\n' || *c == '\t')
            *c = ' ';
    return copy;
}

void http_add_header(struct http_reply *reply, const char *name, const char *value)
{
    const char *name_copy = arena_strdup(reply->arena, name);
    const char *value_copy = clean_value(reply, value);

    if (!name_copy || !value_copy ||
        http_pairs_add(&reply->headers, reply->arena, name_copy, value_copy))
        reply->failed = true;
}

void http_set_header(struct http_reply *reply, const char *name, const char *value)
{
    for (size_t i = 0; i < reply->headers.count; i++) {
        if (strcasecmp(reply->headers.list[i].name, name))
            continue;
        reply->headers.list[i].value = clean_value(reply, value);
        if (!reply->headers.list[i].value)
            reply->failed = true;
        return;
    }
    http_add_header(reply, name, value);
}

static void set_body(struct http_reply *reply, enum reply_kind kind, const char *type)
{
    drop_body(reply);
    reply->kind = kind;
    if (type)
        http_set_header(reply, "Content-Type", type);
}

void http_reply_bytes(struct http_reply *reply, const char *type, struct slice bytes)
{
    struct slice copy = arena_slice(reply->arena, bytes);

    set_body(reply, REPLY_BYTES, type);
    reply->bytes = copy;
    if (!copy.ptr)
        reply->failed = true;
}

void http_reply_buf(struct http_reply *reply, const char *type, struct buf *buf)
{
    set_body(reply, REPLY_BYTES, type);
    reply->owned = *buf;
    reply->bytes = buf_slice(buf);
    *buf = (struct buf){.max = buf->max};
}

void http_reply_text(struct http_reply *reply, int status, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len >= (int)sizeof(text))
        len = (int)sizeof(text) - 1;
    http_status(reply, status);
    http_reply_bytes(reply, "text/plain; charset=utf-8", slice_of(text, len < 0 ? 0 : (size_t)len));
}

void http_reply_json(struct http_reply *reply, int status, const struct json_t *json)
{
    struct buf text = {0};

    http_status(reply, status);
    if (json_print(json, 0, &text, NULL))
        reply->failed = true;
    http_reply_buf(reply, "application/json", &text);
    buf_deinit(&text);
}

void http_reply_file(struct http_reply *reply, const char *type, struct file *file, int64_t pos,
                     int64_t len)
{
    set_body(reply, REPLY_FILE, type);
    reply->file = file;
    reply->pos = pos;
    reply->len = len;
}

void http_reply_stream(struct http_reply *reply, const char *type, int64_t len, http_pull_fn *pull,
                       void (*release)(void *arg), void *arg)
{
    set_body(reply, REPLY_STREAM, type);
    reply->len = len;
    reply->pull = pull;
    reply->release = release;
    reply->pull_arg = arg;
}

void http_reply_length(struct http_reply *reply, const char *type, int64_t len)
{
    set_body(reply, REPLY_LENGTH, type);
    reply->len = len;
}

int http_status_of(int code)
{
    static const struct {
        int code, status;
    } map[] = {
        {0, 200},         {ERR_INVALID, 400}, {ERR_CORRUPT, 400},     {ERR_DENIED, 403},
        {ERR_NOENT, 404}, {ERR_EXISTS, 409},  {ERR_CONFLICT, 409},    {ERR_LIMIT, 413},
        {ERR_RANGE, 416}, {ERR_AGAIN, 429},   {ERR_UNSUPPORTED, 501}, {ERR_CLOSED, 503},
        {ERR_BUSY, 503},  {ERR_TIMEOUT, 504}, {ERR_NOSPC, 507},
    };

    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (map[i].code == code)
            return map[i].status;
    return 500;
}
