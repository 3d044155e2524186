/* http_int.h - what the files of the HTTP server share. */
#ifndef NET_HTTP_INT_H
#define NET_HTTP_INT_H

#include "net/http.h"

#define HTTP_SEGMENTS_MAX 32  /* of a pattern */
#define HTTP_PARAMS_MAX   8   /* {names} of a pattern */
#define HTTP_HEADERS_MAX  200 /* of a request */
#define HTTP_QUERY_MAX    500 /* pairs of a request */

struct http_pair {
    const char *name, *value;
};

struct http_pairs {
    struct http_pair *list;
    size_t count, cap;
};

/* Adds to a list that lives in the arena. Text is borrowed. */
int http_pairs_add(struct http_pairs *pairs, struct arena *arena, const char *name,
                   const char *value);

/* A pattern cut into segments: literal text, or a {name}. */
struct http_segment {
    struct slice text;
    bool is_param, is_rest;
};

struct http_compiled {
    const struct http_route *route;
    void *arg;
    struct http_segment segments[HTTP_SEGMENTS_MAX];
    size_t count;
};

struct http_table {
    struct http_compiled *list;
    size_t count, cap;
    struct arena arena; /* the patterns with their prefixes */
};

int http_table_add(struct http_table *table, const char *prefix, const struct http_route *route,
                   void *arg, struct err *err);
void http_table_deinit(struct http_table *table);
/* Finds the route and decodes its parameters into the arena. 0; ERR_NOENT: no such path;
 * ERR_UNSUPPORTED: the path exists with other methods, which `allow` lists; ERR_INVALID: a bad
 * escape; ERR_NOMEM. */
int http_table_find(const struct http_table *table, const char *method, const char *path,
                    struct arena *arena, const struct http_compiled **out,
                    struct http_pairs *params, struct buf *allow);

enum reply_kind { REPLY_EMPTY, REPLY_BYTES, REPLY_FILE, REPLY_STREAM, REPLY_LENGTH };

struct http_reply {
    struct arena *arena; /* the request's */
    int status;          /* 0: not set */
    bool failed;         /* memory ran out while it was filled */
    enum reply_kind kind;
    struct http_pairs headers;
    struct slice bytes; /* BYTES: in the arena or in `owned` */
    struct buf owned;
    struct file *file; /* FILE: owned */
    int64_t pos, len;
    http_pull_fn *pull; /* STREAM */
    void (*release)(void *arg);
    void *pull_arg;
};

/* A connection, for the watch over those that take a place and ask nothing (http_watch.c). */
struct http_conn {
    struct http_conn *next, **prev;
    int fd; /* borrowed */
    bool is_tls;
    bool over;        /* one too many: refused, whatever it asks */
    bool busy;        /* a request's headers are there, its answer is not out yet; atomic */
    bool shut;        /* by the watch */
    int64_t since_ns; /* of `busy`; atomic */
};

struct http_watch;
/* Connections that wait longer than `wait_s` for a whole request get 408 and are closed; where most
 * of `max` places are taken, sooner. */
int http_watch_new(struct http_watch **out, int max, int wait_s);
void http_watch_free(struct http_watch *watch); /* NULL is fine */
struct http_conn *http_watch_add(struct http_watch *watch, int fd, bool is_tls);
void http_watch_remove(struct http_watch *watch, struct http_conn *conn); /* NULL is fine */
void http_watch_busy(struct http_conn *conn, bool busy); /* likewise; takes no lock */

enum http_phase {
    PHASE_NEW,    /* nothing but the request line */
    PHASE_BODY,   /* the body is collected or handed on */
    PHASE_DROP,   /* the reply is settled; what is left of the body is thrown away */
    PHASE_QUEUED, /* the reply is with libmicrohttpd */
};

struct http_request {
    struct http_server *server; /* borrowed */
    struct http_conn *conn;     /* borrowed; NULL: not watched */
    int64_t body_since_ns;      /* the first piece of the body came */
    int64_t body_bytes;
    struct arena arena;
    enum http_phase phase;
    const char *method, *path, *query; /* in the arena */
    char peer[64];
    int fd; /* of the connection; borrowed, for http_gone */
    int64_t content_length, dropped;
    bool chunked, expects; /* Transfer-Encoding: chunked; Expect: 100-continue */
    bool silent;           /* the connection's idle timeout is off for the reply */
    struct http_pairs headers, params, pairs;
    bool pairs_bad; /* the query has a bad escape */
    const struct http_compiled *route;
    struct buf body;
    size_t body_max;
    http_body_fn *on_body;
    void *on_body_arg;
    void *state;
    void (*state_release)(void *state);
    struct http_reply reply;
};

/* Splits a raw request target into path and query, and the query into decoded pairs. */
int http_request_target(struct http_request *req, const char *target);
void http_reply_deinit(struct http_reply *reply);
bool http_server_stopping(const struct http_server *server);

#endif
