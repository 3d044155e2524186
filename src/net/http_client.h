/* http_client.h - HTTP requests with kept-alive connections, plain or signed. Wraps libcurl.
 *
 * One call is one attempt: whether to try again is the caller's decision, who is told whether the
 * server may have done what was asked (`maybe_done`). Redirects are not followed.
 * Threads: any; a call blocks (worker). A client is shared.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/base.h"
#include "net/sigv4.h"
#include "net/url.h"

struct http_client;

struct http_client_options {  /* borrowed for the call; 0 picks the default */
    int64_t connect_timeout_ms; /* 5000 */
    int64_t idle_timeout_ms;    /* 30000 without a byte in either direction */
    int kept_max;               /* 16 connections kept for reuse */
    const char *user_agent;     /* "tarn" */
    const char *ca_file;        /* NULL: the system's */
};

int http_client_new(struct http_client **out, const struct http_client_options *options,
                    struct err *err);
void http_client_free(struct http_client *client); /* NULL is fine */

/* Bytes of the body as they arrive; a code other than 0 cuts the transfer and is returned. */
typedef int http_take_fn(void *arg, struct slice bytes);

struct http_call { /* borrowed for the call */
    const char *method, *url;
    const struct http_field *headers;
    size_t header_count;
    struct slice body;            /* sent when body_file is NULL */
    struct file *body_file;       /* [body_pos, body_pos+body_len) of it */
    int64_t body_pos, body_len;
    const struct sigv4_keys *keys; /* NULL: not signed */
    const char *payload;          /* SHA-256 of the body in hex; NULL: computed from `body`, or
                                     UNSIGNED-PAYLOAD for a file */
    struct clock *clock;          /* for the signature */
    struct buf *into;             /* body of the answer; its maximum is a limit. Or: */
    http_take_fn *take;           /* where a 2xx answer's body goes; others go `into` */
    void *take_arg;
    int64_t total_timeout_ms;     /* 0: none */
    int64_t idle_timeout_ms;      /* 0: the client's */
};

struct http_answer {
    int status;
    bool maybe_done;             /* on an error: the request may have reached the server */
    struct http_field *headers;  /* in the arena */
    size_t header_count;
};

/* 0 whenever a whole answer came, whatever its status. ERR_TIMEOUT, ERR_IO (not reached, or broken
 * off), ERR_LIMIT (the answer is larger than `into` takes), ERR_INVALID (URL), ERR_NOMEM. */
int http_client_call(struct http_client *client, const struct http_call *call,
                     struct arena *arena, struct http_answer *answer, struct err *err);
const char *http_answer_header(const struct http_answer *answer, const char *name); /* or NULL */

#endif
