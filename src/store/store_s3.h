/* store_s3.h - what the files of the S3 store share. */
#ifndef STORE_STORE_S3_H
#define STORE_STORE_S3_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/http_client.h"
#include "net/xml.h"
#include "store/store_cache.h"
#include "store/store_int.h"

#define REMOTE_XML_MAX    ((size_t)16 << 20) /* an answer in XML */
#define REMOTE_HEADERS    80                 /* of a request: those of the object among them */
#define REMOTE_TOKENS     500                /* of trying again, for the store as a whole */
#define REMOTE_RETRY_COST 5
#define REMOTE_HURRY_MS   5000 /* of trying again and of silence, when the process ends */
/* Tells our conditional put from another one of the same bytes, when its answer was lost. */
#define REMOTE_PUT_ID "x-amz-meta-tarn-put"

struct remote {
    struct store store;
    struct disk *disk;
    struct clock *clock;
    struct http_client *client;
    struct store_cache *cache;
    struct url url;         /* of the endpoint, in `texts` */
    struct sigv4_keys keys; /* likewise */
    struct arena texts;
    bool path_style;
    pthread_mutex_t lock;
    struct rng rng; /* jitter, under `lock` */
    int tokens;     /* likewise */
    _Atomic int64_t hurry_ms; /* mono time after which nothing is tried again; 0: none */
};

static inline struct remote *remote_of(struct store *store) { return (struct remote *)store; }

/* One request, tried as often as makes sense. */
struct request {
    const char *method, *bucket, *key; /* key "" for the bucket, bucket "" for the service */
    const char *query;                 /* raw, NULL: none */
    struct http_field headers[REMOTE_HEADERS];
    struct slice body;
    struct file *file; /* or a part of a file */
    int64_t pos, len;
    const char *payload;
    int64_t idle_timeout_ms; /* 0: the client's */
    struct buf *into;
    http_take_fn *take; /* with `restart` before every try, which may change the headers */
    void (*restart)(void *arg, struct request *request);
    void *take_arg;
    struct http_answer answer; /* of the last try */
    bool maybe_done;           /* by an earlier try whose answer was lost */
    const char *put_id;        /* of a conditional put: what REMOTE_PUT_ID says */
};

/* 0 when the last answer is a 2xx. Otherwise our code for it, with the server's words and what to
 * do (store_s3_try.c). */
int remote_run(struct remote *remote, struct request *request, struct arena *arena,
               struct err *err);
/* After a write: what failed for want of an answer may have happened: ERR_UNKNOWN. */
int remote_settle(const struct request *request, int rc, struct err *err);

void remote_read_info(const struct http_answer *answer, struct store_info *out);
void remote_copy_etag(char out[48], const char *etag); /* without quotes */
int64_t remote_parse_date(const char *text);           /* both spellings; 0: neither */

/* Operations, in store_s3_put.c and store_s3_list.c. */
int remote_head(struct store *store, const char *bucket, const char *key, struct store_info *out,
                struct err *err);
int remote_put(struct store *store, const char *bucket, const char *key, struct slice bytes,
               const struct store_put_options *options, struct store_info *out, struct err *err);
int remote_put_file(struct store *store, const char *bucket, const char *key, const char *path,
                    const struct store_put_options *options, struct store_info *out,
                    struct err *err);
int remote_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
                const char *start_after, size_t max_keys, struct arena *arena,
                struct store_list *out, struct err *err);
int remote_bucket_make(struct store *store, const char *bucket, struct err *err);
int remote_bucket_check(struct store *store, const char *bucket, struct err *err);
int remote_bucket_remove(struct store *store, const char *bucket, struct err *err);
int remote_bucket_list(struct store *store, struct arena *arena, struct store_entry **out,
                       size_t *count, struct err *err);

#endif
