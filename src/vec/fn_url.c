/* fn_url.c - PARSE_URL, as java.net.URL cuts one. */
#include <ctype.h>

#include "vec/fn.h"

struct url {
    struct slice protocol, authority, userinfo, host, path, query, ref;
    bool has_authority, has_userinfo, has_query, has_ref;
};

/* java.net.URL's rules, for the protocols that it knows. */
static bool url_parse(struct slice s, struct url *u)
{
    static const char *const known[] = {"http", "https", "ftp", "file", "jar", "mailto"};
    const uint8_t *p = memchr(s.ptr, ':', s.len), *end, *at;
    bool found = false;

    *u = (struct url){0};
    if (!s.len || !p)
        return false;
    u->protocol = slice_of(s.ptr, (size_t)(p - s.ptr));
    for (size_t i = 0; i < COUNT_OF(known); i++)
        found |= slice_ieq(u->protocol, slice_str(known[i]));
    if (!found)
        return false;
    s = slice_of(p + 1, s.len - (size_t)(p - s.ptr) - 1);
    if ((at = memchr(s.ptr, '#', s.len))) {
        u->has_ref = true;
        u->ref = slice_of(at + 1, s.len - (size_t)(at - s.ptr) - 1);
        s.len = (size_t)(at - s.ptr);
    }
    if ((at = memchr(s.ptr, '?', s.len))) {
        u->has_query = true;
        u->query = slice_of(at + 1, s.len - (size_t)(at - s.ptr) - 1);
        s.len = (size_t)(at - s.ptr);
    }
    if (s.len >= 2 && !memcmp(s.ptr, "//", 2)) {
        s = slice_of(s.ptr + 2, s.len - 2);
        end = memchr(s.ptr, '/', s.len);
        u->authority = slice_of(s.ptr, end ? (size_t)(end - s.ptr) : s.len);
        u->has_authority = true;
        s = slice_of(s.ptr + u->authority.len, s.len - u->authority.len);
        u->host = u->authority;
        at = memrchr(u->authority.ptr, '@', u->authority.len);
        if (at) {
            u->has_userinfo = true;
            u->userinfo = slice_of(u->authority.ptr, (size_t)(at - u->authority.ptr));
            u->host = slice_of(at + 1, u->authority.len - u->userinfo.len - 1);
        }
        at = memrchr(u->host.ptr, ':', u->host.len);
        if (at && !memchr(at, ']', u->host.len - (size_t)(at - u->host.ptr)))
            u->host.len = (size_t)(at - u->host.ptr);
    }
    u->path = s;
    return true;
}

static void give_or_null(struct fn_call *c, bool there, struct slice s)
{
    if (there)
        give_text(c, s.ptr, s.len);
    else
        give_null(c);
}

static void query_value(struct fn_call *c, struct slice query, struct slice key)
{
    while (query.len) {
        const uint8_t *end = memchr(query.ptr, '&', query.len);
        size_t len = end ? (size_t)(end - query.ptr) : query.len;

        if (len > key.len && query.ptr[key.len] == '=' && !memcmp(query.ptr, key.ptr, key.len)) {
            give_text(c, query.ptr + key.len + 1, len - key.len - 1);
            return;
        }
        len += end != NULL;
        query = slice_of(query.ptr + len, query.len - len);
    }
    give_null(c);
}

static void parse_url(struct fn_call *c)
{
    struct slice part = arg_text(c, 1);
    struct buf *out = call_buf(c, 0);
    struct url u;

    if (!url_parse(arg_text(c, 0), &u)) {
        give_null(c);
    } else if (c->count > 2) {
        if (slice_is(part, "QUERY") && u.has_query)
            query_value(c, u.query, arg_text(c, 2));
        else
            give_null(c);
    } else if (slice_is(part, "HOST")) {
        give_text(c, u.host.ptr, u.host.len);
    } else if (slice_is(part, "PATH")) {
        give_text(c, u.path.ptr, u.path.len);
    } else if (slice_is(part, "QUERY")) {
        give_or_null(c, u.has_query, u.query);
    } else if (slice_is(part, "REF")) {
        give_or_null(c, u.has_ref, u.ref);
    } else if (slice_is(part, "PROTOCOL")) {
        give_text(c, u.protocol.ptr, u.protocol.len);
    } else if (slice_is(part, "FILE")) {
        buf_append_slice(out, u.path);
        if (u.has_query)
            buf_append_u8(out, '?');
        buf_append_slice(out, u.query);
        give_buf(c, out);
    } else if (slice_is(part, "AUTHORITY")) {
        give_or_null(c, u.has_authority, u.authority);
    } else if (slice_is(part, "USERINFO")) {
        give_or_null(c, u.has_userinfo, u.userinfo);
    } else {
        give_null(c);
    }
}

static const struct fn functions[] = {
    {"flink_parse_url", "ss", 's', parse_url},
    {"flink_parse_url", "sss", 's', parse_url},
};

int fn_url_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
