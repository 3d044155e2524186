/* http_request.c - what a handler asks of a request. Knows nothing of libmicrohttpd. */
#include <strings.h>
#include <sys/socket.h>

#include "net/http_int.h"
#include "net/url.h"

int http_pairs_add(struct http_pairs *pairs, struct arena *arena, const char *name,
                   const char *value)
{
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap ? pairs->cap * 2 : 8;
        struct http_pair *list = ARENA_ARRAY(arena, struct http_pair, cap);

        if (!list)
            return ERR_NOMEM;
        if (pairs->count)
            memcpy(list, pairs->list, pairs->count * sizeof(*list));
        pairs->list = list;
        pairs->cap = cap;
    }
    pairs->list[pairs->count++] = (struct http_pair){name, value};
    return 0;
}

int http_request_target(struct http_request *req, const char *target)
{
    const char *mark;
    struct slice rest, name, value;

    /* RFC 9112, section 3.2.2: proxies send the absolute form. */
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        target = strchr(strchr(target, '/') + 2, '/');
        target = target ? target : "/";
    }
    mark = target + strcspn(target, "?");
    req->path = arena_cstr(&req->arena, slice_of(target, (size_t)(mark - target)));
    req->query = arena_strdup(&req->arena, *mark ? mark + 1 : "");
    if (!req->path || !req->query)
        return ERR_NOMEM;
    rest = slice_str(req->query);
    while (url_query_next(&rest, &name, &value)) {
        const char *left, *right;
        int rc = url_decode(&req->arena, name, true, &left);

        if (!rc)
            rc = url_decode(&req->arena, value, true, &right);
        if (rc == ERR_INVALID || req->pairs.count == HTTP_QUERY_MAX) {
            req->pairs_bad = true;
            return 0;
        }
        if (rc || http_pairs_add(&req->pairs, &req->arena, left, right))
            return ERR_NOMEM;
    }
    return 0;
}

const char *http_method(const struct http_request *req)
{
    return req->method;
}
const char *http_path(const struct http_request *req)
{
    return req->path;
}
const char *http_raw_query(const struct http_request *req)
{
    return req->query;
}
const char *http_peer(const struct http_request *req)
{
    return req->peer;
}
struct arena *http_arena(struct http_request *req)
{
    return &req->arena;
}
struct slice http_body(const struct http_request *req)
{
    return buf_slice(&req->body);
}
int64_t http_content_length(const struct http_request *req)
{
    return req->content_length;
}
bool http_chunked(const struct http_request *req)
{
    return req->chunked;
}
void *http_state(const struct http_request *req)
{
    return req->state;
}

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->headers.count; i++)
        if (strcasecmp(req->headers.list[i].name, name) == 0)
            return req->headers.list[i].value;
    return NULL;
}

static const char *find(const struct http_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->list[i].name, name) == 0)
            return pairs->list[i].value;
    return NULL;
}

static bool at(const struct http_pairs *pairs, size_t index, const char **name, const char **value)
{
    if (index >= pairs->count)
        return false;
    *name = pairs->list[index].name;
    *value = pairs->list[index].value;
    return true;
}

const char *http_param(const struct http_request *req, const char *name)
{
    return find(&req->params, name);
}

const char *http_query(const struct http_request *req, const char *name)
{
    return find(&req->pairs, name);
}

bool http_header_at(const struct http_request *req, size_t index, const char **name,
                    const char **value)
{
    return at(&req->headers, index, name, value);
}

bool http_query_at(const struct http_request *req, size_t index, const char **name,
                   const char **value)
{
    return at(&req->pairs, index, name, value);
}

bool http_gone(const struct http_request *req)
{
    uint8_t byte;

    if (http_server_stopping(req->server))
        return true;
    return req->fd >= 0 && recv(req->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void http_set_state(struct http_request *req, void *state, void (*release)(void *state))
{
    req->state = state;
    req->state_release = release;
}

void http_body_to(struct http_request *req, http_body_fn *on_body, void *arg)
{
    req->on_body = on_body;
    req->on_body_arg = arg;
}
