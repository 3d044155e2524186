/* store_local.h - what the files of the local store share.
 *
 * Under the folder given:
 *   objects/BUCKET/KEY     the bytes, as plain files that other programs may read
 *   attrs/BUCKET/KEY%attr  etag, content type and metadata, for objects that were given any
 *   staging/               files on their way in
 *
 * Names (local_path.c). An ordinary key is its own path. What a file system cannot hold is escaped
 * with '%', which itself becomes %25, so that every other use of '%' is ours:
 *   %XX      a control character, '%', or a segment that is "." or ".."
 *   %nil     an empty segment ("a//b", "a/")
 *   NAME%+/  a folder: the segment goes on inside, because it is longer than NAME_MAX allows
 *   NAME%dir a folder NAME/, made while an object NAME existed
 *   NAME%obj an object NAME, made while a folder NAME existed
 * The last two are found by looking: at most one form of each exists, and `names` guards the
 * moment in which one is chosen.
 */
#ifndef STORE_STORE_LOCAL_H
#define STORE_STORE_LOCAL_H

#include <pthread.h>

#include "store/store_int.h"

#define LOCAL_STRIPES   64
#define LOCAL_LEVELS    2 /* folders kept for the next page of a listing */
#define LOCAL_KEY_MAX   1024 /* bytes, as S3 */
#define LOCAL_NAME_PART 200  /* longest escaped part of a name */

struct level;

struct local {
    struct store store;
    struct disk *disk;
    struct clock *clock;
    char *objects, *attrs; /* owned paths */
    pthread_mutex_t names;                  /* folders appear and vanish, forms are chosen */
    pthread_mutex_t stripes[LOCAL_STRIPES]; /* one key changes at a time */
    uint64_t staged;                        /* files staged so far; atomic */
    uint64_t changes;                       /* raised after every change of a name; atomic */
    pthread_mutex_t levels_lock;
    struct level *levels[LOCAL_LEVELS];     /* owned; see local_level.h */
    size_t levels_next;
};

/* The parts of a key's path, in the arena. All but the last are folders. */
struct local_part {
    const char *name; /* plain form */
    bool goes_on;     /* NAME%+: has no other form */
};
struct local_parts {
    struct local_part *list;
    size_t count;
};

/* ERR_INVALID: an empty key or bucket, or a bucket that is not a name; ERR_LIMIT: too long. */
int local_check(const char *bucket, const char *key, struct err *err);
/* `key` may end with '/' (then the last part is "%nil"). */
int local_parts(struct arena *arena, struct slice key, struct local_parts *out);
/* Undoes the escapes of one name from a folder, without its suffix. ERR_CORRUPT: not ours. */
int local_unescape(struct arena *arena, const char *name, size_t len, struct slice *out);

/* The path of an existing object, in the arena. ERR_NOENT: no such object or bucket. */
int local_find(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct disk_stat *stat, struct err *err);
/* The path for an object to be put, its folders made and synced. Caller holds `names`. */
int local_make(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct err *err);
/* The folder that holds the keys beginning with `prefix`, which ends with '/' or is empty. */
int local_find_dir(struct local *local, struct arena *arena, const char *bucket,
                   struct slice prefix, const char **path, struct err *err);
int local_bucket_check(struct local *local, const char *bucket, struct err *err); /* ERR_NOENT */

/* Attributes (local_attr.c). A record describes the version with the size and time it names, and no
 * other; two records are kept while one version replaces another. */
int local_attr_put(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *now /* NULL: none */, const struct disk_stat *next,
                   const struct store_put_options *options, struct err *err);
/* Fills etag, content type and metadata; the default etag when there is no record. */
int local_attr_get(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *stat, struct store_info *out, struct err *err);
void local_attr_remove(struct local *local, const char *bucket, const char *key);

/* After a name has changed, before it is answered. */
static inline void local_changed(struct local *local)
{
    __atomic_add_fetch(&local->changes, 1, __ATOMIC_RELEASE);
}

int local_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
               const char *start_after, size_t max_keys, struct arena *arena,
               struct store_list *out, struct err *err);

#endif
