/* s3_int.h - what the files of the S3 server share. */
#ifndef S3_S3_INT_H
#define S3_S3_INT_H

#include <pthread.h>

#include "base/codec.h"
#include "net/http.h"
#include "net/sigv4.h"
#include "net/xml.h"
#include "s3/s3.h"
#include "s3/s3_hasher.h"
#include "s3/s3_pipe.h"
#include "s3/s3_policy.h"

#define S3_OBJECT_MAX ((int64_t)5 << 30)  /* of one PUT; larger ones come in parts */
#define S3_XML_MAX    ((size_t)2 << 20)   /* of a request in XML */
#define S3_PART_MIN   ((int64_t)5 << 20)  /* of every part but the last */
#define S3_PARTS_MAX  10000
#define S3_KEYS_MAX   1000
#define S3_KEY_MAX    1024
#define S3_COMPLETING 16
#define S3_SMALL_BODY ((size_t)64 << 10)  /* stays in memory */

struct s3_server {
    struct store *store;
    struct meta *meta;
    struct clock *clock;
    char *region, *domain;
    struct s3_credential *credentials; /* owned, texts too */
    size_t credential_count;
    bool anonymous_read;
    struct http_server *http;
    struct s3_hasher *hasher; /* owned */
    uint64_t requests; /* atomic: request ids, staged files */
    char boot[17];     /* random: request ids of one process differ from the last one's */
    pthread_t keeper;  /* runs lifecycle rules */
    pthread_mutex_t keeper_lock;
    pthread_cond_t keeper_wake;
    bool keeper_runs, stopping;
    pthread_mutex_t completing[S3_COMPLETING]; /* an upload is completed once, by its id */
    pthread_mutex_t claims_lock;
    struct s3_claim *claims; /* s3_place.c */
};

/* --- errors (s3_error.c) ---------------------------------------------------------------------- */

/* The error codes of the S3 API, as in its "Error responses" table. */
enum s3_code {
    S3_ACCESS_DENIED,
    S3_AUTH_HEADER_MALFORMED,
    S3_AUTH_QUERY_MALFORMED,
    S3_BAD_REQUEST,
    S3_BAD_DIGEST,
    S3_BUCKET_EXISTS,
    S3_BUCKET_NOT_EMPTY,
    S3_ACCESS_FORBIDDEN,
    S3_ACL_NOT_SUPPORTED,
    S3_BUCKET_ACL_OWNERSHIP,
    S3_CONTENT_SHA256_MISMATCH,
    S3_ENTITY_TOO_LARGE,
    S3_ENTITY_TOO_SMALL,
    S3_EXPIRED_TOKEN,
    S3_INCOMPLETE_BODY,
    S3_INTERNAL_ERROR,
    S3_INVALID_ACCESS_KEY,
    S3_INVALID_ARGUMENT,
    S3_INVALID_BUCKET_NAME,
    S3_INVALID_BUCKET_STATE,
    S3_INVALID_CHUNK_SIZE,
    S3_INVALID_DIGEST,
    S3_INVALID_PART,
    S3_INVALID_PART_NUMBER,
    S3_INVALID_PART_ORDER,
    S3_INVALID_POLICY_DOCUMENT,
    S3_INVALID_RANGE,
    S3_INVALID_REDIRECT,
    S3_INVALID_REQUEST,
    S3_INVALID_STORAGE_CLASS,
    S3_INVALID_TAG,
    S3_INVALID_TOKEN,
    S3_INVALID_URI,
    S3_KEY_TOO_LONG,
    S3_MALFORMED_ACL,
    S3_MALFORMED_POLICY,
    S3_MALFORMED_POST,
    S3_MALFORMED_TRAILER,
    S3_MALFORMED_XML,
    S3_METADATA_TOO_LARGE,
    S3_METHOD_NOT_ALLOWED,
    S3_MISSING_LENGTH,
    S3_MISSING_BODY,
    S3_NO_SUCH_BUCKET,
    S3_NO_SUCH_CONFIGURATION, /* its code comes from the operation's row */
    S3_NO_SUCH_KEY,
    S3_NO_SUCH_UPLOAD,
    S3_NO_SUCH_VERSION,
    S3_NOT_IMPLEMENTED,
    S3_POST_TOO_LONG,
    S3_PRECONDITION_FAILED,
    S3_REQUEST_EXPIRED,
    S3_SIGNATURE_MISMATCH,
    S3_SLOW_DOWN,
    S3_STORAGE_FULL,
    S3_TIME_SKEWED,
};

struct s3_call;

/* Answers with the error as XML. `fmt` NULL: the code's own sentence. */
void s3_error(struct s3_call *call, enum s3_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An element more of the error that follows; the texts are borrowed until then. */
void s3_error_detail(struct s3_call *call, const char *name, const char *value);
/* InvalidArgument, with the argument's name and what it was. */
void s3_argument(struct s3_call *call, const char *name, const char *value, const char *text);
/* Does a header ask for what is not done here? Answers itself. */
int s3_check_headers(struct s3_call *call);
/* The same from one of our codes, in the light of the call's bucket and key. */
void s3_fail(struct s3_call *call, int rc, const struct err *err);
/* XML for the Error element's code, for lists of errors (DeleteObjects). */
const char *s3_code_name(enum s3_code code);
enum s3_code s3_code_of(struct s3_call *call, int rc);

/* --- bodies (s3_body.c, s3_checksum.c) -------------------------------------------------------- */

/* Kept as a digit in the names of uploaded parts: new ones come last. */
enum s3_sum { S3_SUM_CRC32, S3_SUM_CRC32C, S3_SUM_CRC64NVME, S3_SUM_SHA1, S3_SUM_SHA256,
              S3_SUM_SHA512, S3_SUM_MD5, S3_SUM_XXHASH64, S3_SUM_XXHASH3, S3_SUM_XXHASH128,
              S3_SUM_COUNT };
#define S3_SUM_TEXT 96 /* room for a sum in base64 */
#define S3_SUM_UNKNOWN                                                                             \
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "   \
    "[CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]"

struct s3_checksum {
    enum s3_sum kind;
    uint64_t crc;
    struct digest *digest; /* owned */
};
const char *s3_sum_header(enum s3_sum kind); /* "x-amz-checksum-crc32" */
bool s3_sum_find(const char *header, enum s3_sum *out); /* by that name, case folded */
const char *s3_sum_name(enum s3_sum kind);              /* "CRC32" */
const char *s3_sum_word(enum s3_sum kind);              /* "crc32" */
bool s3_sum_named(const char *name, enum s3_sum *out);  /* by that, case folded */
void s3_put_sum(struct s3_call *call, struct buf *xml, const char *name, const char *value);
const char *s3_sum_type(const char *value); /* by the "-PARTS" at its end */
bool s3_sum_is_crc(enum s3_sum kind); /* can be of a whole object, whatever its parts */
/* Base64 of as many bytes as the kind has? */
bool s3_sum_valid(enum s3_sum kind, const char *text);
int s3_checksum_new(struct s3_checksum *sum, enum s3_sum kind);
void s3_checksum_update(struct s3_checksum *sum, struct slice bytes);
void s3_checksum_final(struct s3_checksum *sum, char out[S3_SUM_TEXT]); /* base64 */
/* As if the `len` bytes whose checksum is given had been added; of a CRC alone. ERR_INVALID. */
int s3_checksum_append(struct s3_checksum *sum, const char *base64, int64_t len);
void s3_checksum_deinit(struct s3_checksum *sum);

enum s3_framing { S3_PLAIN, S3_CHUNKS_UNSIGNED, S3_CHUNKS_SIGNED };

/* A request's body on its way: unframed, checked against everything the client said of it, and put
 * into a staged file or into memory. */
struct s3_body {
    bool used;
    enum s3_framing framing;
    bool trailer;                  /* headers follow the last chunk */
    struct sigv4_chain chain;      /* CHUNKS_SIGNED */
    int64_t size, size_expected;   /* decoded bytes; -1: not told */
    int64_t size_max;
    struct digest *sha256;         /* owned; when its value was told, or of a chunk */
    const char *md5_expected;      /* base64, NULL: not told */
    const char *sha256_expected;   /* hex, NULL: not told */
    bool has_sum;
    struct s3_checksum sum;
    const char *sum_expected;      /* base64; NULL: comes in the trailer */
    char sum_found[S3_SUM_TEXT], md5_hex[33];
    uint8_t md5_raw[16];
    bool to_file;                  /* what does not stay small goes to a file */
    struct file *file;             /* owned; NULL: all of it is in `text` */
    struct s3_pipe *pipe;          /* owned; on the way to the file */
    const char *path;              /* of the staged file; removed at the end unless it moved on */
    bool placed;                   /* the file is the upload's, the body begins at `base` in it */
    int64_t base;
    struct s3_claim *claim;        /* owned: of that place */
    struct buf text;
    /* The chunk reader's place. */
    int state;
    int64_t chunk_left;
    char chunk_signature[65];
    struct buf line, trailers;
    bool trailer_signed;
};

/* Reads the headers and starts; `to_file` picks the sink. Answers the call itself and returns an
 * error when the headers make no sense. */
int s3_body_begin(struct s3_call *call, bool to_file, int64_t size_max);
/* The same of a file within a form: as long as it gets, named by the form's fields. */
int s3_body_begin_form(struct s3_call *call, int64_t size_max);
int s3_body_piece(struct s3_call *call, struct slice piece); /* the same */
/* All checks, then body->md5_hex and ->size hold. */
int s3_body_end(struct s3_call *call);
/* After that: what stayed small goes to a staged file too. Answers itself. */
int s3_body_to_file(struct s3_call *call);
/* After the request's own body, an empty one, has ended: the staged file is filled by ourselves,
 * and s3_body_end is called again. `kind`: of the checksum to compute of them; NULL: none. Answers
 * itself. */
int s3_body_restart(struct s3_call *call, const enum s3_sum *kind);
void s3_body_deinit(struct s3_body *body, struct disk *disk);
/* A fresh path in the staging folder, in the arena. */
const char *s3_staged_path(struct s3_server *server, struct arena *arena);

/* --- one request ------------------------------------------------------------------------------ */

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };
enum s3_sink { S3_NO_BODY, S3_TO_TEXT, S3_TO_FILE };

/* An operation of the API: a line in a table. The first line that fits the request is taken. */
struct s3_op {
    const char *name;   /* as in the API reference: "PutObject" */
    const char *method; /* NULL: any */
    enum s3_level level;
    const char *query;  /* a query parameter that must be there, or NULL */
    const char *header; /* a header that must be there, or NULL */
    enum s3_sink sink;
    void (*run)(struct s3_call *call);
    bool sum_elsewhere; /* x-amz-checksum-* is not of this request's body */
    const char *absent; /* the code that says there is no such configuration */
    const char *action; /* of policies; NULL: "s3:" and the name */
    const char *version_action; /* with ?versionId; NULL: the same */
    bool asks_itself;           /* what may be done depends on more than the address */
    void (*place)(struct s3_call *call); /* a body that does not stay small may go to a file that
                                            is opened here, body->placed; NULL: to a staged one */
    /* Of a request whose body is more than the object's bytes; both answer themselves. NULL: the
     * body's reader takes it. */
    int (*begin)(struct s3_call *call);
    int (*piece)(struct s3_call *call, struct slice bytes);
};

struct s3_call {
    struct s3_server *server;
    struct http_request *req;
    struct http_reply *reply;
    struct arena *arena;
    enum s3_level level;
    const char *bucket, *key; /* decoded; NULL where the level has none */
    const struct s3_op *op;
    struct sigv4_auth auth;
    const char *secret; /* NULL: not signed */
    const struct s3_credential *credential; /* whose; NULL: nobody's. Of a session, the parent */
    const char *session_policy;
    bool is_session;
    struct sigv4_request *unverified; /* until the body is there */
    struct s3_body body;
    struct s3_form *form; /* in the arena; NULL: not an upload by form */
    char request_id[17];
    struct http_field details[4]; /* of the error to come */
    size_t detail_count;
};

/* Who asks (s3_auth.c). Both answer themselves. */
int s3_identify(struct s3_call *call);
int s3_identify_late(struct s3_call *call); /* once the body is there */
/* The secret and the rights of the key in call->auth. Answers itself. */
int s3_find_secret(struct s3_call *call);
/* May the caller do the call's operation? Answers itself. */
int s3_authorize(struct s3_call *call);
bool s3_may(struct s3_call *call, const char *action, const char *bucket, const char *key);
bool s3_is_read(const struct s3_call *call);
const char *s3_owner(const struct s3_call *call); /* of everything: the first key */
void s3_put_owner(struct s3_call *call, struct buf *xml);

struct s3_session_found {
    const struct s3_credential *parent;
    const char *secret_key, *policy; /* in the arena; policy NULL: all that the parent may */
};
/* ERR_DENIED: not a token of ours, or of another key; ERR_TIMEOUT: it has expired. */
int s3_session_open(const struct s3_server *server, struct arena *arena, const char *token,
                    const char *access_key, int64_t now_us, struct s3_session_found *out);

/* Settings of buckets, by the names under which the store keeps them. */
#define S3_SETTING_POLICY    "policy"
#define S3_SETTING_CORS      "cors"
#define S3_SETTING_LIFECYCLE "lifecycle"
#define S3_SETTING_TAGS      "tagging"
#define S3_SETTING_OWNERSHIP "ownership"
/* The setting's text in the arena; NULL: it has none, or there is no bucket. */
const char *s3_setting(struct s3_call *call, const char *bucket, const char *name);
/* The same of the call's bucket, for an operation that is about it: answers itself when there is no
 * bucket or no such setting, and is NULL then. */
const char *s3_setting_asked(struct s3_call *call, const char *name);
/* Keeps the text (NULL: forgets it) and answers with `status`, or says why not. */
void s3_setting_change(struct s3_call *call, const char *name, const char *text, int status);
/* What the store can tell of versions; NULL after an answer that it keeps none. */
const struct store_version_ops *s3_versions(struct s3_call *call);
/* The object that path and versionId name. Answers itself, delete markers too. `file` NULL: only
 * what is said of it. */
int s3_find_object(struct s3_call *call, struct store_info *info, struct file **file);
void s3_put_version(struct s3_call *call, const char *version); /* x-amz-version-id, unless "" */
bool s3_version_plausible(const char *id);
/* x-amz-tagging as a JSON object's text in the arena, NULL: none. Answers itself. */
int s3_tags_of_header(struct s3_call *call, const char **out);
/* Cross-origin headers of an answer, when the bucket has rules and the request an origin. */
void s3_cors_headers(struct s3_call *call);
void s3_preflight(struct s3_call *call); /* answers OPTIONS */

/* Lifecycle rules, once over all buckets (s3_lifecycle.c); the server does it every hour. */
void s3_lifecycle_run(struct s3_server *server);

/* Of an upload by form, the fields stand for the headers that describe an object. */
const char *s3_header(struct s3_call *call, const char *name);
bool s3_header_at(struct s3_call *call, size_t index, const char **name, const char **value);
const char *s3_query(struct s3_call *call, const char *name);
/* Answers 200 with an XML document: the declaration is put in front. Takes the bytes. */
void s3_reply_xml(struct s3_call *call, struct buf *xml);
#define S3_XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* "2013-05-24T00:00:00.000Z"; "Fri, 24 May 2013 00:00:00 GMT" both ways (ERR_INVALID). */
void s3_iso_date(int64_t time_us, char out[32]);
void s3_http_date(int64_t time_us, char out[32]);
int s3_parse_http_date(const char *text, int64_t *out_us);
int s3_parse_iso_date(const char *text, int64_t *out_us); /* with milliseconds or without */
bool s3_is_utf8(const char *text);

/* Where a website would send readers of the object: kept and told, for there are no websites. */
#define S3_WEBSITE_REDIRECT "x-amz-website-redirect-location"
int s3_check_redirect(struct s3_call *call); /* answers itself */
/* What PutObject and CreateMultipartUpload keep of the headers; text in the arena. Answers itself
 * and returns an error when they make no sense. */
int s3_put_options(struct s3_call *call, struct store_put_options *out);
/* If-Match and If-None-Match of a write. The same. */
int s3_write_conditions(struct s3_call *call, struct store_put_options *out);
/* The staged bytes become the object. The same. */
int s3_put_staged(struct s3_call *call, const struct store_put_options *options,
                  struct store_info *info);
/* "BUCKET/KEY?versionId=ID" of x-amz-copy-source, which the caller may read. The same. */
struct s3_source {
    const char *bucket, *key, *version; /* in the arena; version NULL: the latest */
};
int s3_copy_source(struct s3_call *call, struct s3_source *out);
/* Opens it and checks its conditions. The same. */
int s3_open_source(struct s3_call *call, struct s3_source *source, struct store_info *info,
                   struct file **file);
/* The headers that tell what was put: ETag, version, checksum. */
void s3_put_answer(struct s3_call *call, const struct store_info *info);
/* Conditions of a read: answers 304 or 412 and returns false when they fail. `prefix` is "" or
 * "x-amz-copy-source-". */
bool s3_conditions(struct s3_call *call, const char *prefix, const struct store_info *info);
enum s3_range { S3_RANGE_NONE, S3_RANGE_OK, S3_RANGE_BAD };
enum s3_range s3_range(const char *text, int64_t size, int64_t *pos, int64_t *len);
/* Copies [pos, pos+len) of an open file to the call's staged body, hashing it, with a checksum of
 * `kind` (NULL: without). Answers itself. */
int s3_copy_bytes(struct s3_call *call, struct file *from, int64_t pos, int64_t len,
                  const enum s3_sum *kind);
/* "\"abc\"", with or without quotes or W/, equal to the etag or "*"? Lists by comma. */
bool s3_etag_matches(const char *list, const char *etag);

/* Sizes of an object's parts as text for its metadata, in the arena; NULL: too long to be kept. */
#define S3_PART_SIZES "part-sizes"
const char *s3_part_sizes(struct arena *arena, const int64_t *sizes, size_t count);
/* Place of part `number` (from 1), and how many there are. ERR_RANGE: there is no such part. */
int s3_part_find(const char *sizes, int64_t number, int64_t *pos, int64_t *len, int64_t *count);

/* Operations that lie in files of their own. */
void s3_copy_object(struct s3_call *call);
void s3_delete_object(struct s3_call *call);
void s3_delete_objects(struct s3_call *call);

extern const struct s3_op s3_object_ops[], s3_bucket_ops[], s3_upload_ops[], s3_other_ops[],
    s3_version_ops[], s3_tag_ops[], s3_setting_ops[], s3_cors_ops[], s3_lifecycle_ops[],
    s3_sts_ops[], s3_attribute_ops[], s3_form_ops[];
void s3_uploads_drop(struct s3_server *server, const char *bucket);
void s3_claim_release(struct s3_server *server, struct s3_claim *claim); /* NULL is fine */
void s3_uploads_sweep(struct s3_server *server); /* uploads nobody finished within a week */

#endif
