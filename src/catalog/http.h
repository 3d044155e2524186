/* http.h - the Iceberg REST catalog: specification "Apache Iceberg REST Catalog API" (rest-catalog
 * open-api, v1), under /v1, /v1/{prefix} and the same two below /api/catalog, where Polaris has it.
 *
 * Threads: handlers run on the server's threads.
 */
#ifndef CATALOG_HTTP_H
#define CATALOG_HTTP_H

#include "catalog/catalog.h"
#include "net/http.h"

struct catalog_http;

struct catalog_principal {
    const char *client_id, *client_secret;
};

/* Short-lived keys for what lies at and below `places` ("s3://bucket/path"), for `who` (may be "").
 * Texts in the arena. session_token NULL: they are no short-lived ones after all. */
struct catalog_lent {
    const char *access_key, *secret_key, *session_token;
    int64_t expires_ms;
};
typedef int catalog_lend_fn(void *arg, const char *const *places, size_t count, const char *who,
                            struct arena *arena, struct catalog_lent *out, struct err *err);

struct catalog_http_options {   /* copied */
    struct catalog *catalog;    /* borrowed for life */
    struct clock *clock;        /* likewise */
    const char *address;
    int port;                   /* 0 picks one */
    const char *client_id;      /* "root" */
    const char *client_secret;  /* "secret" */
    const struct catalog_principal *principals; /* further ones */
    size_t principal_count;
    bool login;                 /* a token is needed, save for config and tokens */
    bool loopback_open;         /* ... and not by clients on this machine */
    /* What clients are told about the object store. "{host}" in the endpoint becomes the name by
     * which the client reached us, so that one setting serves containers and the machine itself. */
    const char *s3_endpoint;    /* "http://{host}:9000"; NULL: clients are told nothing */
    const char *s3_region;      /* "us-east-1" */
    const char *s3_access_key, *s3_secret_key;
    catalog_lend_fn *lend;      /* NULL: clients are told the keys above */
    void *lend_arg;
};
int catalog_http_new(struct catalog_http **out, const struct catalog_http_options *options,
                     struct err *err);
int catalog_http_port(const struct catalog_http *http);
void catalog_http_free(struct catalog_http *http); /* NULL is fine */

#endif
