/* url.c - percent-encoding, query strings, URL parts. RFC 3986. */
#include "net/url.h"

static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int url_encode(struct buf *out, struct slice s, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    int rc = 0;

    for (size_t i = 0; i < s.len && !rc; i++) {
        uint8_t c = s.ptr[i];

        if (unreserved(c) || (keep_slash && c == '/'))
            rc = buf_append_u8(out, c);
        else
            rc = buf_append(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
    return rc;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_is_encoded(struct slice s, bool keep_slash)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        int high, low;

        if (unreserved(c) || (keep_slash && c == '/'))
            continue;
        if (c != '%' || s.len - i < 3)
            return false;
        high = hex_digit(s.ptr[i + 1]);
        low = hex_digit(s.ptr[i + 2]);
        if (high < 0 || low < 0)
            return false;
        c = (uint8_t)(high << 4 | low);
        if (!c || unreserved(c) || (keep_slash && c == '/') || s.ptr[i + 1] >= 'a' ||
            s.ptr[i + 2] >= 'a')
            return false;
        i += 2;
    }
    return true;
}

int url_decode(struct arena *arena, struct slice s, bool plus_is_space, const char **out)
{
    char *text = arena_alloc(arena, s.len + 1);
    size_t len = 0;

    if (!text)
        return ERR_NOMEM;
    for (size_t i = 0; i < s.len; i++) {
        int c = s.ptr[i];

        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = s.len - i > 2 ? hex_digit(s.ptr[i + 1]) : -1;
            int low = s.len - i > 2 ? hex_digit(s.ptr[i + 2]) : -1;

            if (high < 0 || low < 0)
                return ERR_INVALID;
            c = high << 4 | low;
            i += 2;
        }
        if (c == 0)
            return ERR_INVALID;
        text[len++] = (char)c;
    }
    text[len] = '\0';
    *out = text;
    return 0;
}

bool url_query_next(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len) {
        const uint8_t *end = memchr(rest->ptr, '&', rest->len);
        struct slice pair = slice_of(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
        const uint8_t *sign = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;

        rest->ptr += pair.len + (end != NULL);
        rest->len -= pair.len + (end != NULL);
        if (pair.len == 0)
            continue; /* "a=1&&b=2" */
        *name = slice_of(pair.ptr, sign ? (size_t)(sign - pair.ptr) : pair.len);
        *value = sign ? slice_of(sign + 1, pair.len - name->len - 1) : slice_of(NULL, 0);
        return true;
    }
    return false;
}

/* "host", "host:9000", "[::1]:9000". */
static int parse_authority(struct arena *arena, struct slice text, struct url *out)
{
    const uint8_t *close = NULL, *colon;
    struct slice host = text;
    int64_t port = 0;

    if (text.len && text.ptr[0] == '[') {
        close = memchr(text.ptr, ']', text.len);
        if (!close)
            return ERR_INVALID;
        host = slice_of(text.ptr + 1, (size_t)(close - text.ptr) - 1);
        colon = close + 1 < text.ptr + text.len ? close + 1 : NULL;
        if (colon && *colon != ':')
            return ERR_INVALID;
    } else {
        colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
        if (colon)
            host.len = (size_t)(colon - text.ptr);
    }
    if (colon) {
        struct slice digits = slice_of(colon + 1, (size_t)(text.ptr + text.len - colon) - 1);

        if (slice_to_i64(digits, &port) || port < 1 || port > 65535)
            return ERR_INVALID;
        out->port = (int)port;
    }
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] <= ' ' || host.ptr[i] == '@' || host.ptr[i] >= 0x7f)
            return ERR_INVALID;
    out->host = arena_cstr(arena, host);
    out->authority = arena_cstr(arena, text);
    return host.len ? 0 : ERR_INVALID;
}

int url_parse(struct arena *arena, const char *text, struct url *out, struct err *err)
{
    const char *start = strstr(text, "://"), *end, *query;

    *out = (struct url){0};
    if (!start)
        return err_set(err, ERR_INVALID, "url \"%.200s\": no scheme; write http://HOST:PORT", text);
    out->scheme = arena_cstr(arena, slice_of(text, (size_t)(start - text)));
    if (!out->scheme)
        return err_set(err, ERR_NOMEM, "url");
    if (strcmp(out->scheme, "http") && strcmp(out->scheme, "https"))
        return err_set(err, ERR_INVALID, "url \"%.200s\": scheme is not http or https", text);
    out->port = strcmp(out->scheme, "https") ? 80 : 443;
    start += 3;
    end = start + strcspn(start, "/?#");
    if (parse_authority(arena, slice_of(start, (size_t)(end - start)), out))
        return err_set(err, ERR_INVALID, "url \"%.200s\": bad host or port", text);
    query = end + strcspn(end, "?#");
    out->path = query > end ? arena_cstr(arena, slice_of(end, (size_t)(query - end))) : "/";
    out->query =
        *query == '?' ? arena_cstr(arena, slice_of(query + 1, strcspn(query + 1, "#"))) : "";
    if (!out->host || !out->authority || !out->path || !out->query)
        return err_set(err, ERR_NOMEM, "url");
    return 0;
}
