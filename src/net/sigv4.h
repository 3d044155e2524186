/* sigv4.h - AWS Signature Version 4: one signer for the S3 server (verify) and the client (sign).
 *
 * "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference: signatures in the
 * Authorization header, in the query (presigned URLs), and per chunk of a streamed body.
 * Threads: any. What a call gives back lives in the arena or the struct of the caller.
 */
#ifndef NET_SIGV4_H
#define NET_SIGV4_H

#include "base/base.h"
#include "net/url.h"

#define SIGV4_UNSIGNED           "UNSIGNED-PAYLOAD"
#define SIGV4_STREAMING          "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define SIGV4_STREAMING_TRAILER  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
#define SIGV4_UNSIGNED_TRAILER   "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#define SIGV4_EMPTY_SHA256       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_HEADERS_MAX        100

struct sigv4_request { /* borrowed for the call */
    const char *method;
    const char *path;  /* raw, as on the wire */
    const char *query; /* raw, without '?' */
    const struct http_field *headers;
    size_t header_count;
};

/* What a request says about its signature. */
struct sigv4_auth {
    const char *access_key;
    const char *date;           /* "20130524T000000Z" */
    const char *day;            /* "20130524", of the credential scope */
    const char *region, *service;
    const char *signed_headers; /* "host;x-amz-date" */
    const char *signature;      /* 64 hex digits */
    const char *payload;        /* hash of the body or one of the words above */
    const char *token;          /* x-amz-security-token, or NULL */
    int64_t time_us;            /* of `date` */
    int64_t expires_s;          /* presigned; else -1 */
};

/* ERR_NOENT: not signed at all; ERR_UNSUPPORTED: signature version 2 (or another scheme), said so;
 * ERR_INVALID: malformed; ERR_DENIED: no date, or a header that must be signed is not. The texts
 * are those that AWS gives. */
int sigv4_parse(struct arena *arena, const struct sigv4_request *request, struct sigv4_auth *out,
                struct err *err);
/* ERR_DENIED: the signature is not what the secret gives. */
int sigv4_verify(struct arena *arena, const struct sigv4_request *request,
                 const struct sigv4_auth *auth, const char *secret, struct err *err);
/* ERR_RANGE: the clocks are more than 15 minutes apart; ERR_TIMEOUT: the URL has expired. */
int sigv4_check_time(const struct sigv4_auth *auth, int64_t now_us, struct err *err);

struct sigv4_keys {
    const char *access_key, *secret_key;
    const char *session_token;    /* NULL: none */
    const char *region, *service; /* "us-east-1", "s3" */
};

/* Signs every header given; the caller has put Host and whatever x-amz-* it wants into them. Gives
 * the headers to add: X-Amz-Date, X-Amz-Content-Sha256, Authorization, and the session token.
 * `payload` is the hash in hex or one of the words above. */
int sigv4_sign(struct arena *arena, const struct sigv4_request *request,
               const struct sigv4_keys *keys, const char *payload, int64_t now_us,
               struct http_field added[4], size_t *added_count, struct err *err);
/* The query of a presigned URL, raw. Headers given are signed and must be sent: Host at least. */
int sigv4_presign(struct arena *arena, const struct sigv4_request *request,
                  const struct sigv4_keys *keys, int64_t expires_s, int64_t now_us,
                  const char **query, struct err *err);

/* A streamed body: every chunk's signature signs the one before it, the first the request's. */
struct sigv4_chain {
    uint8_t key[32];
    char date[17], scope[160];
    char last[65]; /* signature before */
};
int sigv4_chain_init(struct sigv4_chain *chain, const struct sigv4_auth *auth, const char *secret);
/* Gives the signature of the next chunk, from the SHA-256 of its bytes, and moves on. */
void sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t hash[32], char out[65]);
/* The same for the trailing headers: "name:value\n" lines. */
void sigv4_chain_trailer(struct sigv4_chain *chain, struct slice trailer, char out[65]);

/* The pieces, for tests. */
int sigv4_canonical(struct arena *arena, const struct sigv4_request *request,
                    const struct sigv4_auth *auth, bool raw_path, const char **out);
void sigv4_key(const char *secret, const char *day, const char *region, const char *service,
               uint8_t out[32]);
/* "20130524T000000Z" to and from microseconds; ERR_INVALID. */
int sigv4_time(const char *date, int64_t *out_us);
void sigv4_date(int64_t time_us, char out[17]);

#endif
