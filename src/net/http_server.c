/* http_server.c - the only file that knows libmicrohttpd.
 *
 * libmicrohttpd calls on_target() with the raw request target, then on_access() once with the
 * headers, once per piece of the body, and once at its end; then on_completed(). A reply may only
 * be queued at the first or the last of these, so a refusal in between throws the rest of the body
 * away first. A refusal at the headers is queued at once when the client waits for "100 Continue"
 * or the body is huge; otherwise the body is read and dropped, because closing a socket with unread
 * bytes resets it and the client would never see why.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/port.h"
#include "net/http_int.h"

#define DRAIN_MAX    ((int64_t)64 << 20) /* bytes of a refused body that are read and dropped */
#define PULL_BYTES   ((size_t)128 << 10) /* piece of a streamed reply */
#define ARENA_MAX    ((size_t)256 << 20) /* of one request: a runaway handler, not a client */
#define HEADER_MAX   ((size_t)32 << 10)
#define SPARE        64  /* connections beyond the limit, to be told so */
#define SLOW_BODY_S  60  /* after that a body must have come faster than */
#define SLOW_BYTES_S 128 /* bytes per second */
#define BODY_MAX     ((size_t)16 << 20)
#define STACK_BYTES  ((size_t)1 << 20)
#define UPLOAD_BYTES ((size_t)64 << 10)  /* read buffer beside the headers; wiped per request */
#define SMALL_FILE   ((int64_t)64 << 10) /* goes out with the headers, in one call */

struct http_server {
    const char *name;
    char *address, *cert, *key; /* owned */
    int port, connections_max, idle_timeout_s;
    size_t header_max, body_max, stack_bytes;
    http_error_fn *error;
    void *error_arg;
    struct http_table table;
    struct MHD_Daemon *daemon;
    struct http_watch *watch;
    atomic_bool stopping;
};

bool http_server_stopping(const struct http_server *server)
{
    return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

/* --- a request begins ------------------------------------------------------------------------- */

static void request_free(struct http_request *req)
{
    if (!req)
        return;
    http_reply_deinit(&req->reply);
    if (req->state_release)
        req->state_release(req->state);
    buf_deinit(&req->body);
    arena_deinit(&req->arena);
    free(req);
}

static void note_peer(struct http_request *req, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info;
    char text[INET6_ADDRSTRLEN] = "?";
    int port = 0;

    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)info->client_addr;

        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        port = ntohs(v4->sin_port);
    } else if (info && info->client_addr && info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)info->client_addr;

        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        port = ntohs(v6->sin6_port);
    }
    snprintf(req->peer, sizeof(req->peer), strchr(text, ':') ? "[%s]:%d" : "%s:%d", text, port);
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    req->fd = info ? info->connect_fd : -1;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    req->conn = info ? info->socket_context : NULL;
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http_request *req = calloc(1, sizeof(*req));

    if (!req)
        return NULL; /* on_access sees it and closes */
    req->server = arg;
    req->arena.max_bytes = ARENA_MAX;
    req->reply.arena = &req->arena;
    req->content_length = -1;
    note_peer(req, connection);
    if (http_request_target(req, target))
        req->path = NULL;
    return req;
}

struct header_walk {
    struct http_request *req;
    size_t bytes;
    bool failed;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct header_walk *walk = arg;

    (void)kind;
    value = value ? value : "";
    walk->bytes += strlen(name) + strlen(value) + 4;
    walk->failed |= walk->req->headers.count == HTTP_HEADERS_MAX ||
                    http_pairs_add(&walk->req->headers, &walk->req->arena, name, value);
    return walk->failed ? MHD_NO : MHD_YES;
}

/* An answer of the server's own, in the words of the protocol served. */
static void refuse(struct http_request *req, int status, const char *text)
{
    struct http_server *server = req->server;

    http_status(&req->reply, status);
    if (server->error)
        server->error(req, &req->reply, status, text, server->error_arg);
    else
        http_reply_text(&req->reply, status, "%s\n", text);
    req->phase = PHASE_DROP;
}

static void find_route(struct http_request *req)
{
    struct buf allow = {.max = 1024};
    int rc = http_table_find(&req->server->table, req->method, req->path, &req->arena, &req->route,
                             &req->params, &allow);

    if (rc == ERR_UNSUPPORTED) {
        const char *methods = buf_cstr(&allow);

        http_set_header(&req->reply, "Allow", methods ? methods : "");
        refuse(req, 405, "method not allowed here");
    } else if (rc == ERR_INVALID) {
        refuse(req, 400, "bad percent-encoding in the path");
    } else if (rc == ERR_NOENT) {
        refuse(req, 404, "no such path");
    } else if (rc) {
        refuse(req, 500, "out of memory");
    }
    buf_deinit(&allow);
}

static size_t count_headers(const struct http_request *req, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < req->headers.count; i++)
        count += strcasecmp(req->headers.list[i].name, name) == 0;
    return count;
}

static void read_headers(struct http_request *req, struct MHD_Connection *connection)
{
    struct header_walk walk = {.req = req, .bytes = strlen(req->path) + strlen(req->query)};
    const char *value;

    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &walk);
    if (walk.failed || walk.bytes > req->server->header_max) {
        refuse(req, 431, "the headers are too large");
        return;
    }
    if (count_headers(req, "Content-Length") > 1 ||
        (http_header(req, "Content-Length") && http_header(req, "Transfer-Encoding"))) {
        refuse(req, 400, "the length of the body is told in two ways"); /* RFC 9112, section 6.3 */
        return;
    }
    value = http_header(req, "Content-Length");
    if (value && (slice_to_i64(slice_str(value), &req->content_length) || req->content_length < 0))
        refuse(req, 400, "bad Content-Length");
    value = http_header(req, "Transfer-Encoding");
    req->chunked = value && strcasecmp(value, "chunked") == 0;
    value = http_header(req, "Expect");
    req->expects = value && strcasecmp(value, "100-continue") == 0;
}

static void begin(struct http_request *req, const char *method, struct MHD_Connection *connection)
{
    const struct http_route *route;

    req->phase = PHASE_BODY;
    req->method = arena_strdup(&req->arena, method);
    http_watch_busy(req->conn, true);
    read_headers(req, connection);
    if (req->phase == PHASE_BODY && req->conn && req->conn->over) {
        http_set_header(&req->reply, "Connection", "close");
        refuse(req, 503, "too many connections: close some, or come back later");
    }
    if (req->phase == PHASE_BODY && req->pairs_bad)
        refuse(req, 400, "bad or too many query parameters");
    if (req->phase == PHASE_BODY)
        find_route(req);
    if (req->phase != PHASE_BODY)
        return;
    route = req->route->route;
    req->body_max = route->body_max ? route->body_max : req->server->body_max;
    req->body.max = req->body_max;
    if (route->begin)
        route->begin(req, &req->reply, req->route->arg);
    if (http_is_set(&req->reply))
        req->phase = PHASE_DROP;
    else if (!req->on_body && req->content_length > (int64_t)req->body_max)
        refuse(req, 413, "the body is larger than this request may carry");
}

/* --- its body --------------------------------------------------------------------------------- */

/* Who sends a byte now and then would hold a place for ever. */
static bool is_too_slow(struct http_request *req, size_t len)
{
    int64_t now = clock_mono_ns(clock_system()), seconds;

    if (!req->body_since_ns)
        req->body_since_ns = now;
    seconds = (now - req->body_since_ns) / 1000000000;
    req->body_bytes += (int64_t)len;
    return seconds > SLOW_BODY_S && req->body_bytes < seconds * SLOW_BYTES_S;
}

static void take_piece(struct http_request *req, struct slice piece)
{
    int rc;

    if (req->phase != PHASE_BODY) {
        req->dropped += (int64_t)piece.len;
        return;
    }
    if (is_too_slow(req, piece.len)) {
        http_set_header(&req->reply, "Connection", "close");
        refuse(req, 408, "the body comes too slowly");
        return;
    }
    if (!req->on_body) {
        rc = buf_append_slice(&req->body, piece);
        if (rc == ERR_LIMIT)
            refuse(req, 413, "the body is larger than this request may carry");
        else if (rc)
            refuse(req, 500, "out of memory");
        return;
    }
    rc = req->on_body(req, &req->reply, piece, req->on_body_arg);
    if (rc && !http_is_set(&req->reply))
        refuse(req, http_status_of(rc), "the body was refused");
    if (rc)
        req->phase = PHASE_DROP;
}

/* --- its reply -------------------------------------------------------------------------------- */

static ssize_t on_pull(void *arg, uint64_t pos, char *ptr, size_t max)
{
    struct http_reply *reply = arg;
    size_t got = 0;
    int rc;

    if (reply->kind == REPLY_FILE) {
        if ((int64_t)pos >= reply->len)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if ((int64_t)max > reply->len - (int64_t)pos)
            max = (size_t)(reply->len - (int64_t)pos);
        rc = file_pread(reply->file, ptr, max, reply->pos + (int64_t)pos, &got, NULL);
    } else {
        rc = reply->pull(reply->pull_arg, (uint8_t *)ptr, max, &got);
    }
    if (rc)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return got ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

/* Only the length matters: libmicrohttpd sends no body for HEAD and never asks. */
static ssize_t on_pull_nothing(void *arg, uint64_t pos, char *ptr, size_t max)
{
    (void)arg;
    (void)pos;
    (void)ptr;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Opening, sending and closing cost more than the copy. NULL: it was not to be read like that. */
static struct MHD_Response *small_response(struct http_reply *reply)
{
    uint8_t *bytes = arena_alloc(reply->arena, (size_t)reply->len);

    if (!bytes || file_read_all(reply->file, bytes, (size_t)reply->len, reply->pos, NULL))
        return NULL;
    return MHD_create_response_from_buffer((size_t)reply->len, bytes, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *file_response(struct http_reply *reply)
{
    struct MHD_Response *response;
    int fd = file_fd(reply->file);

    if (reply->len == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    response = reply->len <= SMALL_FILE ? small_response(reply) : NULL;
    if (response)
        return response;
    fd = fd < 0 ? -1 : dup(fd); /* libmicrohttpd closes its own */
    if (fd < 0)
        return MHD_create_response_from_callback((uint64_t)reply->len, PULL_BYTES, on_pull, reply,
                                                 NULL);
    return MHD_create_response_from_fd_at_offset64((uint64_t)reply->len, fd, (uint64_t)reply->pos);
}

static struct MHD_Response *response_new(struct http_reply *reply)
{
    uint64_t len = reply->len < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)reply->len;

    switch (reply->kind) {
    case REPLY_BYTES:
        return MHD_create_response_from_buffer(reply->bytes.len, (void *)reply->bytes.ptr,
                                               MHD_RESPMEM_PERSISTENT);
    case REPLY_FILE:
        return file_response(reply);
    case REPLY_STREAM:
        return MHD_create_response_from_callback(len, PULL_BYTES, on_pull, reply, NULL);
    case REPLY_LENGTH:
        return MHD_create_response_from_callback(len, 1, on_pull_nothing, NULL, NULL);
    case REPLY_EMPTY:
        break;
    }
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

/* A streamed reply may have nothing to send for longer than a connection may be idle: a query that
 * computes, a tail that waits. The kernel then watches whether the peer takes what is sent. */
static void allow_silence(struct http_request *req, struct MHD_Connection *connection)
{
    unsigned limit_ms = (unsigned)req->server->idle_timeout_s * 1000;

    req->silent = true;
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    setsockopt(req->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
}

static enum MHD_Result queue(struct http_request *req, struct MHD_Connection *connection)
{
    struct http_reply *reply = &req->reply;
    struct MHD_Response *response;
    enum MHD_Result ok = MHD_YES;

    req->phase = PHASE_QUEUED;
    if (reply->failed) {
        http_reply_clear(reply);
        http_status(reply, 500);
    }
    if (!reply->status)
        reply->status = reply->kind == REPLY_EMPTY ? 204 : 200;
    if (reply->kind == REPLY_STREAM)
        allow_silence(req, connection);
    response = response_new(reply);
    if (!response)
        return MHD_NO;
    for (size_t i = 0; i < reply->headers.count && ok == MHD_YES; i++)
        ok = MHD_add_response_header(response, reply->headers.list[i].name,
                                     reply->headers.list[i].value);
    if (ok == MHD_YES)
        ok = MHD_queue_response(connection, (unsigned)reply->status, response);
    else
        diag_warn(req->server->name, "%s %s: a header of the reply is not valid", req->method,
                  req->path);
    MHD_destroy_response(response); /* the connection holds its own reference */
    return ok;
}

/* --- libmicrohttpd's callbacks ---------------------------------------------------------------- */

/* True when the refusal must go out before the body is read. */
static bool queue_at_once(const struct http_request *req)
{
    return req->phase == PHASE_DROP && (req->expects || req->content_length > DRAIN_MAX);
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *piece,
                                 size_t *piece_len, void **slot)
{
    struct http_request *req = *slot;

    (void)arg;
    (void)path;
    (void)version;
    if (!req || !req->path)
        return MHD_NO; /* no memory for the request itself */
    if (req->phase == PHASE_NEW) {
        begin(req, method, connection);
        return queue_at_once(req) ? queue(req, connection) : MHD_YES;
    }
    if (*piece_len) {
        take_piece(req, slice_of(piece, *piece_len));
        *piece_len = 0;
        return req->dropped > DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    if (req->phase == PHASE_BODY)
        req->route->route->handle(req, &req->reply, req->route->arg);
    return req->phase == PHASE_QUEUED ? MHD_YES : queue(req, connection);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
    struct http_request *req = *slot;

    (void)arg;
    (void)why;
    if (req)
        http_watch_busy(req->conn, false);
    if (req && req->silent)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)req->server->idle_timeout_s);
    request_free(req);
    *slot = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    const union MHD_ConnectionInfo *info;
    struct http_server *server = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        http_watch_remove(server->watch, *slot);
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *slot =
        http_watch_add(server->watch, info ? info->connect_fd : -1, server->cert && server->key);
}

/* Raw path and query: nothing is decoded behind our back. */
static size_t no_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static void on_log(void *arg, const char *fmt, va_list args)
{
    struct http_server *server = arg;
    char line[400];
    int len = vsnprintf(line, sizeof(line), fmt, args);

    if (len > 0)
        line[strcspn(line, "\n")] = '\0';
    diag(DIAG_DEBUG, server->name, "http: %s", line);
}

/* --- the server ------------------------------------------------------------------------------- */

static size_t or_default(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

int http_server_new(struct http_server **out, const struct http_options *options, struct err *err)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (!server)
        return err_set(err, ERR_NOMEM, "http server");
    server->name = options->name ? options->name : "http";
    server->port = options->port;
    server->connections_max = (int)or_default((size_t)options->connections_max, 512);
    server->idle_timeout_s = (int)or_default((size_t)options->idle_timeout_s, 120);
    server->header_max = or_default(options->header_max, HEADER_MAX);
    server->body_max = or_default(options->body_max, BODY_MAX);
    server->stack_bytes = or_default(options->stack_bytes, STACK_BYTES);
    server->error = options->error;
    server->error_arg = options->error_arg;
    server->address = strdup(options->address ? options->address : "127.0.0.1");
    server->cert = options->tls_cert_pem ? strdup(options->tls_cert_pem) : NULL;
    server->key = options->tls_key_pem ? strdup(options->tls_key_pem) : NULL;
    if (!server->address || (options->tls_cert_pem && !server->cert) ||
        (options->tls_key_pem && !server->key)) {
        http_server_free(server);
        return err_set(err, ERR_NOMEM, "http server");
    }
    *out = server;
    return 0;
}

int http_server_routes(struct http_server *server, const char *prefix,
                       const struct http_route *routes, size_t count, void *arg, struct err *err)
{
    int rc = 0;

    assert(!server->daemon); /* the table is read without a lock once the server runs */
    for (size_t i = 0; i < count && !rc; i++)
        rc = http_table_add(&server->table, prefix, &routes[i], arg, err);
    return rc;
}

int http_server_start(struct http_server *server, struct err *err)
{
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC |
                     (server->cert && server->key ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_END, 0, NULL},
    };
    int fd = -1, rc = port_listen(&fd, server->address, server->port, &server->port, err);

    if (rc)
        return err_wrap(err, rc, "%s", server->name);
    if (http_watch_new(&server->watch, server->connections_max, server->idle_timeout_s)) {
        close(fd);
        return err_set(err, ERR_NOMEM, "%s", server->name);
    }
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(server->connections_max + SPARE), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)server->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->header_max + UPLOAD_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        server->header_max, MHD_OPTION_THREAD_STACK_SIZE, server->stack_bytes, MHD_OPTION_ARRAY,
        server->cert && server->key ? tls : &tls[COUNT_OF(tls) - 1], MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        return err_set(err, ERR_INTERNAL, "%s: the HTTP server did not start at %s port %d%s",
                       server->name, server->address, server->port,
                       server->cert ? " (is the certificate valid?)" : "");
    }
    return 0;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    http_watch_free(server->watch);
    http_table_deinit(&server->table);
    free(server->address);
    free(server->cert);
    free(server->key);
    free(server);
}
