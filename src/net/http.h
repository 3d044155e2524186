/* http.h - an HTTP/1.1 server: one address and port, a table of routes, handlers that may block.
 *
 * Wraps libmicrohttpd. Each connection has a thread of its own (small stack, bounded number), so a
 * handler may wait for a commit, a disk or a query without holding anybody else up, and bodies
 * stream both ways with the peer's own back-pressure. Rejected: one epoll thread with suspended
 * requests, because every room would have to cut its handlers into pieces for a number of clients
 * that a single machine never sees.
 *
 * The path and the query arrive raw (SigV4 signs the raw path) and are decoded on demand. All
 * decoded text is NUL-ended and holds no NUL: "%00" is refused with 400.
 *
 * The life of a request: the route is found by method and path; `begin` (optional) sees the headers
 * and may refuse or ask for the body in pieces; the body arrives, collected or in pieces; `handle`
 * fills the reply. What a handler gets from a request is borrowed and lives until the reply is out.
 * Threads: handlers run on many threads at once; one request and its reply belong to one thread.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/base.h"

struct http_server;
struct http_request;
struct http_reply;
struct json_t;

typedef void http_fn(struct http_request *req, struct http_reply *reply, void *arg);

struct http_route {
    const char *method;  /* "GET"; "*" is any; HEAD falls back to GET's route */
    const char *pattern; /* "/v1/namespaces/{ns}/tables/{table}"; "{path...}" takes what is left,
                            slashes included. One slash at the end of a request is ignored */
    http_fn *handle;     /* the body is there */
    http_fn *begin;      /* NULL, or: the headers are there. Setting a status here refuses */
    size_t body_max;     /* collected body, bytes; 0: the server's body_max */
};

/* Writes the body of an answer that the server makes itself (404, 405, 413, ...), in the words of
 * the protocol served. NULL in the options: plain text. */
typedef void http_error_fn(struct http_request *req, struct http_reply *reply, int status,
                           const char *text, void *arg);

struct http_options {         /* borrowed for the call unless said otherwise; 0 picks the default */
    const char *name;         /* of the part, for messages: "catalog". Borrowed for life */
    const char *address;      /* "127.0.0.1", "::1", "0.0.0.0" */
    int port;                 /* 0 picks one: http_server_port tells */
    int connections_max;      /* 512; further ones are answered with 503 */
    int idle_timeout_s;       /* 120; a connection without progress, or without a whole request */
    size_t header_max;        /* 32 KiB: request line and headers */
    size_t body_max;          /* 16 MiB: collected bodies */
    size_t stack_bytes;       /* 1 MiB per connection, touched as needed */
    http_error_fn *error;     /* see above */
    void *error_arg;
    const char *tls_cert_pem; /* both: HTTPS. Text of the files */
    const char *tls_key_pem;
};

/* Three steps: new, routes as often as wanted, start. The list is borrowed for the server's life;
 * `prefix` goes in front of every pattern ("" or "/api/catalog") and is copied. The first route
 * that matches wins. */
int http_server_new(struct http_server **out, const struct http_options *options, struct err *err);
int http_server_routes(struct http_server *server, const char *prefix,
                       const struct http_route *routes, size_t count, void *arg, struct err *err);
/* ERR_BUSY when the port is taken; the text names the process that holds it when /proc tells. */
int http_server_start(struct http_server *server, struct err *err);
int http_server_port(const struct http_server *server);
/* Stops accepting, makes http_gone() true, waits for the handlers. NULL is fine. */
void http_server_free(struct http_server *server);

/* --- the request ------------------------------------------------------------------------------ */

const char *http_method(const struct http_request *req);
const char *http_path(const struct http_request *req);      /* raw, without the query */
const char *http_raw_query(const struct http_request *req); /* after '?', or "" */
const char *http_peer(const struct http_request *req);      /* "127.0.0.1:51234" */
struct arena *http_arena(struct http_request *req);         /* for whatever the handler needs */
const char *http_header(const struct http_request *req, const char *name); /* NULL: absent */
/* The index-th header in the order of arrival; false past the last. */
bool http_header_at(const struct http_request *req, size_t index, const char **name,
                    const char **value);
/* A {name} of the route's pattern, decoded; NULL when the pattern has none of that name. */
const char *http_param(const struct http_request *req, const char *name);
/* First value of a query parameter, decoded ('+' is a space); "" for "?name"; NULL: absent. */
const char *http_query(const struct http_request *req, const char *name);
bool http_query_at(const struct http_request *req, size_t index, const char **name,
                   const char **value);
struct slice http_body(const struct http_request *req); /* collected body */
int64_t http_content_length(const struct http_request *req); /* -1: not told */
bool http_chunked(const struct http_request *req);           /* Transfer-Encoding: chunked */
/* True when the client hung up or the server is stopping: a long handler asks now and then. */
bool http_gone(const struct http_request *req);
/* State of the handler between begin and handle; `release` runs once the reply is out, or when the
 * connection died before. */
void http_set_state(struct http_request *req, void *state, void (*release)(void *state));
void *http_state(const struct http_request *req);

/* In `begin`: the body goes to `on_body` piece by piece and is not collected. A code other than 0
 * ends it: the rest is dropped, and unless on_body filled the reply the code's status is answered,
 * without `handle`. */
typedef int http_body_fn(struct http_request *req, struct http_reply *reply, struct slice piece,
                         void *arg);
void http_body_to(struct http_request *req, http_body_fn *on_body, void *arg);

/* --- the reply -------------------------------------------------------------------------------- */

/* Failures to allocate are remembered and answered with 500, so these return nothing. Without a
 * status the reply is 200 when it has a body, 204 otherwise. */
void http_status(struct http_reply *reply, int status);
void http_set_header(struct http_reply *reply, const char *name, const char *value); /* replaces */
void http_add_header(struct http_reply *reply, const char *name, const char *value); /* copied */
bool http_is_set(const struct http_reply *reply); /* has a status or a body */
/* Takes back body and headers, to answer something else. */
void http_reply_clear(struct http_reply *reply);

/* The body. `type` is the Content-Type; NULL leaves it out. */
void http_reply_bytes(struct http_reply *reply, const char *type, struct slice bytes); /* copied */
void http_reply_buf(struct http_reply *reply, const char *type, struct buf *buf); /* takes bytes */
void http_reply_text(struct http_reply *reply, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void http_reply_json(struct http_reply *reply, int status, const struct json_t *json);
/* Takes the file and sends [pos, pos+len) of it with sendfile. */
void http_reply_file(struct http_reply *reply, const char *type, struct file *file, int64_t pos,
                     int64_t len);
/* The body is pulled: fill up to `max` bytes and tell how many; 0 bytes end it; an error cuts the
 * connection. len -1: unknown, sent in chunks. May block, for longer than the idle timeout too.
 * `release` (or NULL) runs once. */
typedef int http_pull_fn(void *arg, uint8_t *ptr, size_t max, size_t *got);
void http_reply_stream(struct http_reply *reply, const char *type, int64_t len, http_pull_fn *pull,
                       void (*release)(void *arg), void *arg);
/* Answers a HEAD: Content-Length without a body. */
void http_reply_length(struct http_reply *reply, const char *type, int64_t len);

/* The status that stands for one of our codes: ERR_NOENT 404, ERR_CONFLICT 409, ... */
int http_status_of(int code);

#endif
