/* s3.h - the S3 API over a store: what boto3, mc, pyarrow, Spark and DuckDB speak.
 *
 * Path style (http://HOST:PORT/BUCKET/KEY), and host style under `domain`. Requests are signed with
 * AWS Signature Version 4: header, presigned URL, or per chunk. An answer to a put means durable.
 * Objects stream both ways; memory per connection is bounded whatever their size.
 * Threads: the server has its own; new and free are called by the owner.
 */
#ifndef S3_S3_H
#define S3_S3_H

#include "base/base.h"
#include "store/store.h"

struct s3_server;
struct meta;

struct s3_credential {
    const char *access_key, *secret_key;
};

struct s3_options {            /* borrowed for the call, but store, meta and clock for life */
    struct store *store;
    struct meta *meta;         /* NULL: nothing that needs it is served */
    struct clock *clock;
    const char *address;       /* NULL: 127.0.0.1 */
    int port;                  /* 0 picks one */
    const char *region;        /* told to who asks; requests may name any. NULL: us-east-1 */
    const char *domain;        /* NULL, or: BUCKET.domain in the Host header is host style */
    const struct s3_credential *credentials;
    size_t credential_count;
    bool anonymous_read;       /* unsigned GET and HEAD are answered */
    int connections_max;       /* 0: the HTTP server's default */
};

/* Listens when it returns 0. ERR_BUSY: the port is taken, by whom is in the text. */
int s3_server_new(struct s3_server **out, const struct s3_options *options, struct err *err);
int s3_server_port(const struct s3_server *server);
void s3_server_free(struct s3_server *server); /* NULL is fine */

#endif
