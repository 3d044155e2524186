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
    const char *policy; /* what the key may do, as a policy in AWS's JSON; NULL: everything */
};

/* A short-lived key, as STS AssumeRole gives it: recognised by every server that knows the secret
 * of the credential it came from, without being kept anywhere. It may do what that credential may
 * and, when a policy is given, only as much of it as the policy allows. */
struct s3_session {
    const char *access_key, *secret_key, *token; /* in the arena */
    int64_t expires_us;
};
#define S3_SESSION_MIN_S 900
#define S3_SESSION_MAX_S (7 * 24 * 3600)
/* ERR_INVALID: the duration, or a policy that AWS would refuse. Any thread. */
int s3_session_issue(struct arena *arena, const struct s3_credential *parent, const char *policy,
                     int64_t now_us, int64_t duration_s, struct s3_session *out, struct err *err);
/* A policy for the prefix of a bucket, for s3_session_issue; NULL: no memory. `write`: put and
 * delete too. */
const char *s3_policy_for_prefix(struct arena *arena, const char *bucket, const char *prefix,
                                 bool write);
/* The text of a policy that comes with the program ("readonly", "writeonly", "readwrite") for the
 * buckets named, or for all; NULL: there is none of that name. */
const char *s3_policy_canned(struct arena *arena, const char *name, const char *const *buckets,
                             size_t bucket_count);
/* The policy of a bucket that lets everybody in, as `mc anonymous set` writes it; NULL: no
 * memory. */
enum s3_public { S3_PUBLIC_READ = 1, S3_PUBLIC_WRITE = 2 };
const char *s3_policy_public(struct arena *arena, const char *bucket, bool read, bool write);
/* How a bucket's policy reads in a word: "none", "read", "write", "readwrite", "custom". */
const char *s3_policy_word(struct slice json, const char *bucket);
/* A lifecycle of one rule: objects go after so many days. In the arena; NULL: no memory. */
const char *s3_lifecycle_days(struct arena *arena, int64_t days);
/* What PutBucketLifecycleConfiguration would say, and the text to be kept, in the arena. */
int s3_lifecycle_check(struct arena *arena, struct slice xml, const char **kept, struct err *err);
/* ERR_INVALID: not a policy of a user (`bucket` NULL) or of that bucket; the sentence is AWS's. */
int s3_policy_check(struct slice json, const char *bucket, struct err *err);

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
