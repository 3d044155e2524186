/* store.h - objects by bucket and key; a local folder or an S3 endpoint behind one table.
 *
 * Locations are s3://BUCKET/KEY whatever holds the bytes (s3a and s3n are read as s3). An object
 * appears whole or not at all, and is durable when the call that made it returned 0.
 * A put over the network ends done, refused, or ERR_UNKNOWN: after that delete nothing.
 * Threads: any; calls may block (worker), except where a header says otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/base.h"

struct store;

struct store_info {
    int64_t size;
    int64_t mtime_us;
    char etag[48];            /* without quotes; MD5 in hex, or md5-parts, or size and time */
    char content_type[96];    /* "" when none was given */
    char metadata[4096];      /* what put was given as user_metadata, or "" */
    char version[40];         /* "": the bucket never had versions; "null", or an id */
    int tag_count;
    bool is_marker;           /* a delete marker: a version without bytes */
};

struct store_entry {
    const char *key; /* in the arena; a common prefix ends with the delimiter */
    int64_t size;
    int64_t mtime_us;
    const char *etag;
    bool is_prefix;
};

struct store_list {
    struct store_entry *entries; /* sorted bytewise by key */
    size_t count;
    bool truncated; /* continue after the last key */
};

struct store_put_options {
    const char *content_type;   /* NULL allowed */
    const char *etag;           /* known MD5 hex; NULL: the store makes one up */
    const char *user_metadata;  /* JSON object text of less than 4 KiB, or NULL */
    bool if_none_match;         /* ERR_EXISTS when the key is there */
    const char *if_match;       /* ERR_CONFLICT when the etag differs; NULL: no check */
    bool lazy; /* put alone: whole and readable at once, but durable only after `sync`. For who
                  keeps the bytes elsewhere until then, and puts them again after a power loss */
    const char *tags;           /* JSON object of strings as text, or NULL */
};

/* What S3 calls versioning. A bucket begins as UNVERSIONED and can never be so again. */
enum store_versioning { STORE_UNVERSIONED, STORE_VERSIONED, STORE_SUSPENDED };

struct store_version {
    const char *key; /* in the arena; a common prefix ends with the delimiter */
    const char *id;  /* "null" for what was put without versioning */
    int64_t size;
    int64_t mtime_us;
    int64_t replaced_us; /* when a newer one took its place; 0: it is the latest */
    const char *etag;
    const char *metadata; /* as of store_info */
    bool is_latest, is_marker, is_prefix;
};

struct store_version_list {
    struct store_version *entries; /* by key, then the newest first */
    size_t count;
    bool truncated; /* continue after the last one's key and id */
};

struct store_removed {
    char version[40]; /* of what was removed, or of the marker that was made; "" none */
    bool is_marker;   /* that version is a delete marker */
};

/* Versions, tags and settings of buckets: what a local store keeps for the S3 server. Crash-safe as
 * everything here: a version is durable before the answer, and one that was not answered is there
 * whole or not at all. `version` NULL is the latest. */
struct store_version_ops {
    /* A setting of a bucket, as text: "policy", "cors", ... ERR_NOENT: it has none of that name. */
    int (*setting_get)(struct store *, const char *bucket, const char *name, struct buf *out,
                       struct err *);
    int (*setting_put)(struct store *, const char *bucket, const char *name,
                       const char *text /* NULL: no more */, struct err *);
    enum store_versioning (*versioning)(struct store *, const char *bucket);
    int (*versioning_put)(struct store *, const char *bucket, enum store_versioning, struct err *);
    /* A marker has no bytes: *out is NULL and info->is_marker set. ERR_NOENT: no such version. */
    int (*open)(struct store *, const char *bucket, const char *key, const char *version,
                struct store_info *, struct file **out, struct err *);
    int (*head)(struct store *, const char *bucket, const char *key, const char *version,
                struct store_info *, struct err *);
    /* Without a version: leaves a marker where the bucket keeps versions. Absent: 0. */
    int (*remove)(struct store *, const char *bucket, const char *key, const char *version,
                  struct store_removed *out, struct err *);
    /* The same without a version, if the latest is still the one of that time. ERR_CONFLICT. */
    int (*expire)(struct store *, const char *bucket, const char *key, int64_t mtime_us,
                  struct err *);
    /* Versions of keys after `start_after`; or, with `start_version`, also those of that key which
     * come behind it. */
    int (*list)(struct store *, const char *bucket, const char *prefix, const char *delimiter,
                const char *start_after, const char *start_version, size_t max,
                struct arena *, struct store_version_list *, struct err *);
    /* A JSON object of strings as text; appends nothing where there are none. */
    int (*tags_get)(struct store *, const char *bucket, const char *key, const char *version,
                    struct store_info *, struct buf *out, struct err *);
    int (*tags_put)(struct store *, const char *bucket, const char *key, const char *version,
                    const char *tags /* NULL: none */, struct store_info *, struct err *);
};

struct store_ops {
    int (*put)(struct store *, const char *bucket, const char *key, struct slice bytes,
               const struct store_put_options *, struct store_info *out, struct err *);
    /* Takes the local file at `path` (made by a writer in the staging folder): moved or uploaded,
     * and gone, at once or soon. Its bytes need not have been synced. */
    int (*put_file)(struct store *, const char *bucket, const char *key, const char *path,
                    const struct store_put_options *, struct store_info *out, struct err *);
    /* Appends [pos, pos+len) to out; len -1: to the end. ERR_NOENT, ERR_RANGE. */
    int (*get)(struct store *, const char *bucket, const char *key, int64_t pos, int64_t len,
               struct buf *out, struct err *);
    int (*head)(struct store *, const char *bucket, const char *key, struct store_info *,
                struct err *);
    /* The object as a file to read from, and what head would say of this very version, whatever
     * replaces it meanwhile. The caller closes *out. */
    int (*open)(struct store *, const char *bucket, const char *key, struct store_info *,
                struct file **out, struct err *);
    /* An absent key: 0. */
    int (*remove)(struct store *, const char *bucket, const char *key, struct err *);
    /* Keys after `start_after` (NULL: from the first) that begin with `prefix`, in bytewise order.
     * With a delimiter, keys that share the part up to its first occurrence behind the prefix are
     * one entry with is_prefix set. ERR_NOENT: no such bucket. */
    int (*list)(struct store *, const char *bucket, const char *prefix, const char *delimiter,
                const char *start_after, size_t max_keys, struct arena *, struct store_list *,
                struct err *);
    int (*bucket_make)(struct store *, const char *bucket, struct err *); /* ERR_EXISTS */
    int (*bucket_check)(struct store *, const char *bucket, struct err *); /* ERR_NOENT */
    int (*bucket_remove)(struct store *, const char *bucket, struct err *); /* ERR_CONFLICT: full */
    int (*bucket_list)(struct store *, struct arena *, struct store_entry **, size_t *count,
                       struct err *);
    /* A readable local file for an object: the file itself in a local store, a copy in a
     * byte-limited cache for a remote one. `path` in the arena. Good until store_local_release. */
    int (*local)(struct store *, const char *bucket, const char *key, struct arena *,
                 const char **path, struct err *);
    void (*local_release)(struct store *, const char *path);
    /* Makes lazy puts durable, each folder with one sync; absent keys are left out. NULL: every put
     * is durable, and `lazy` means nothing. */
    int (*sync)(struct store *, const char *bucket, const char *const *keys, size_t count,
                struct err *);
    /* The process is about to end: calls from here on, and those under way, give up soon instead of
     * trying for as long as makes sense. Any thread. NULL: they never wait. */
    void (*hurry)(struct store *);
    void (*free)(struct store *);
    const struct store_version_ops *versions; /* NULL: this store keeps none */
};

struct store {
    const struct store_ops *ops;
    const char *staging; /* folder for files on their way in, on the same file system; owned. Plain
                            files in it are swept away at the next start, folders are kept */
    struct disk *disk;   /* that holds the staging folder; borrowed */
    char **spread;       /* folders in it for files that come and go by the thousand; owned */
    size_t spread_count; /* 0: the file system needs none */
    uint64_t spread_next; /* atomic */
};
/* Where to make the next short-lived file: the staging folder, or one in it. */
const char *store_staging(struct store *store);

struct store_local_options {
    const char *dir; /* objects/BUCKET/KEY below it; staging/ too. Borrowed for the call */
    struct disk *disk;
    struct clock *clock;
    int64_t journal_bytes; /* of each of two segments; 0: 8 MiB */
};
int store_local_new(struct store **out, const struct store_local_options *options, struct err *);

struct store_s3_options {
    const char *endpoint; /* "https://..."; borrowed for the call, as are the rest */
    const char *region, *access_key, *secret_key, *session_token;
    bool path_style;
    const char *dir;          /* staging and cache */
    int64_t cache_bytes;
    struct disk *disk;
    struct clock *clock;
};
int store_s3_new(struct store **out, const struct store_s3_options *options, struct err *);
void store_free(struct store *store); /* NULL is fine */

/* For tests: asks `before` ahead of every call and `after` once it was done. A code other than 0 is
 * what the caller then gets: from `after`, although the thing was done. `under` is borrowed. */
enum store_call {
    STORE_PUT, STORE_PUT_FILE, STORE_GET, STORE_HEAD, STORE_OPEN, STORE_REMOVE, STORE_LIST,
    STORE_BUCKET, STORE_LOCAL
};
typedef int store_call_fn(void *arg, enum store_call call, const char *bucket, const char *key);
int store_fault_new(struct store **out, struct store *under, store_call_fn *before,
                    store_call_fn *after, void *arg, struct err *err);

/* Splits "s3://bucket/key" (s3a, s3n too) into the arena. ERR_INVALID names the location. */
int store_split(const char *location, struct arena *, const char **bucket, const char **key,
                struct err *);
/* By location, for callers that hold one. */
int store_put_at(struct store *, const char *location, struct slice, struct err *);
int store_put_file_at(struct store *, const char *location, const char *path, int64_t *size,
                      struct err *);
int store_get_at(struct store *, const char *location, struct buf *out, struct err *);
int store_remove_at(struct store *, const char *location, struct err *);
int store_put_lazy_at(struct store *, const char *location, struct slice, struct err *);
int store_sync_at(struct store *, const char *const *locations, size_t count,
                  struct err *); /* lazy puts */

#endif
