/* store_local.h - what the files of the local store share.
 *
 * Under the folder given:
 *   objects/BUCKET/KEY     the bytes, as plain files that other programs may read
 *   attrs/BUCKET/KEY%attr  etag, content type and metadata, for objects that were given any; those
 *                          of small objects are with the file itself
 *   journal/               small changes, until the file system has them: local_journal.h
 *   attrs/BUCKET%bucket    settings of the bucket, when it has any
 *   versions/BUCKET/KEY%v/ what a bucket with versioning keeps beside the latest (local_version.c)
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
 * moment in which one is chosen. An object that takes the plain form in a folder that is there
 * chooses nothing: there `names` is held to read, and so it is where an object goes, with folders
 * that are empty then.
 */
#ifndef STORE_STORE_LOCAL_H
#define STORE_STORE_LOCAL_H

#include <pthread.h>

#include "store/store_int.h"

#define LOCAL_STRIPES   512
#define LOCAL_LEVELS    2 /* folders kept for the next page of a listing */
#define LOCAL_KEY_MAX   1024 /* bytes, as S3 */
#define LOCAL_TAGS_MAX  (20 << 10) /* as JSON */
#define LOCAL_NAME_PART 200  /* longest escaped part of a name */
#define LOCAL_SMALL     ((size_t)64 << 10) /* bytes of an object that goes through the journal */
#define LOCAL_ATTR_MAX  ((size_t)2 << 10) /* ext4 keeps an attribute of less than a block */

struct level;
struct journal;
struct workers;

struct local {
    struct store store;
    struct disk *disk;
    struct clock *clock;
    char *objects, *attrs, *versions; /* owned paths */
    pthread_rwlock_t names; /* held to write: folders appear, forms are chosen */
    pthread_mutex_t stripes[LOCAL_STRIPES]; /* one key changes at a time */
    struct journal *journal; /* owned; NULL: the file system keeps no attributes */
    int64_t last_us;                        /* time of the newest small object; atomic */
    uint64_t staged;                        /* files staged so far; atomic */
    pthread_mutex_t reaper_lock;
    struct workers *reaper;                 /* owned; NULL: nothing was reaped yet */
    uint64_t changes;                       /* raised after every change of a name; atomic */
    pthread_mutex_t levels_lock;
    struct level *levels[LOCAL_LEVELS];     /* owned; see local_level.h */
    size_t levels_next;
    pthread_rwlock_t settings_lock;
    struct json_t *settings; /* owned: bucket to name to text */
    size_t settings_count;   /* buckets that have any; atomic, so that the others ask no lock */
};

/* Which version a file is. Versions of a key are ordered by `seq`: microseconds of the wall clock,
 * moved on where needed to stay in order. */
struct local_version {
    char id[40]; /* "null", or seq and a random number in hex */
    int64_t seq;
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

/* The path of an existing object, in the arena. ERR_NOENT: no such object or bucket; *path is NULL,
 * unless the folder is there that the object would be in. */
int local_find(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct disk_stat *stat, struct err *err);
/* The path that an object nearly always has, unseen. */
int local_guess(struct local *local, struct arena *arena, const char *bucket, const char *key,
                const char **path, struct err *err);
/* The path for an object to be put, its folders made and synced. Caller holds `names`. */
int local_make(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct err *err);
/* The folder that holds the keys beginning with `prefix`, which ends with '/' or is empty; below
 * local->objects or local->versions. */
int local_find_dir(struct local *local, struct arena *arena, const char *root, const char *bucket,
                   struct slice prefix, const char **path, struct err *err);
int local_bucket_check(struct local *local, const char *bucket, struct err *err); /* ERR_NOENT */

/* Attributes (local_attr.c). A record describes the version with the size and time it names, and no
 * other; two records are kept while one version replaces another. */
int local_attr_put(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *now /* NULL: none */, const struct disk_stat *next,
                   const struct store_put_options *options,
                   const struct local_version *version /* NULL: none */, struct err *err);
/* The same with a record as local_attr_record gives it; its size and time are set to `next`'s. */
int local_attr_put_record(struct local *local, const char *bucket, const char *key,
                          const struct disk_stat *now, const struct disk_stat *next,
                          struct json_t *record, struct err *err);
/* A copy of the version's record, which may hold nothing but size and time. The caller owns it. */
int local_attr_record(struct local *local, const char *bucket, const char *key,
                      const struct disk_stat *stat, struct json_t **out, struct err *err);
void local_attr_fill(const struct json_t *record, struct store_info *out); /* what it says */
/* Fills etag, content type and metadata; the default etag when there is no record. */
int local_attr_get(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *stat, struct store_info *out, struct err *err);
/* The same of a file that is open, which saves looking for it; NULL: it is looked for. */
int local_attr_get_of(struct local *local, const char *bucket, const char *key, struct file *file,
                      const struct disk_stat *stat, struct store_info *out, struct err *err);
void local_attr_remove(struct local *local, const char *bucket, const char *key);
/* Empties the record that a file carries itself, durably: another one, beside it, counts. */
int local_attr_empty(struct local *local, const char *path, struct err *err);
/* What goes into the attribute of the file itself; nothing when there is nothing to say. */
int local_attr_text(const struct store_put_options *options, struct buf *out, struct err *err);
/* What local_attr_get will say of it. */
void local_attr_describe(const struct store_put_options *options, const struct disk_stat *stat,
                         struct store_info *out);

/* Small objects (local_small.c). */
int local_small_open(struct local *local, const char *dir, int64_t journal_bytes, struct err *err);
void local_small_close(struct local *local);
bool local_is_small(struct local *local, const char *bucket, size_t len,
                    const struct store_put_options *options);
/* ERR_UNSUPPORTED: its attributes are too long for this way. */
int local_put_small(struct local *local, const char *bucket, const char *key, struct slice bytes,
                    const char *from /* a staged file that holds them, to be moved; or NULL */,
                    const struct store_put_options *options, struct store_info *out,
                    struct err *err);
/* The journal may hold something of the key. */
bool local_is_held(struct local *local, const char *bucket, const char *key);
/* Removes any object, by the journal: a sync shared with others, and not the folder's. Caller holds
 * the key's stripe. ERR_NOENT: there was none. */
int local_remove_journaled(struct local *local, const char *bucket, const char *key,
                           struct err *err);
/* Before a change that does not go through the journal: makes what the journal holds of the key
 * durable, and lets the journal forget it. Caller holds the key's stripe, but not `names`. */
int local_settle(struct local *local, const char *bucket, const char *key, struct err *err);

/* Of store_local.c. */
/* Bucket, conditions, and what there is now: its path in the arena, NULL when there is nothing.
 * Caller holds the key's stripe. */
int local_check_put(struct local *local, struct arena *arena, const char *bucket, const char *key,
                    const struct store_put_options *options, const char **path,
                    struct disk_stat *now, struct err *err);
/* Gives the staged file its name, without a sync. `path` is where the object is (`exists`), or
 * where it nearly always can be when there is none: its folder may have to be made, or a folder may
 * have its name. */
int local_name_lazily(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      const char *from, const char *path, bool exists, struct err *err);
int local_unname_lazily(struct local *local, const char *bucket, const char *key, struct err *err);

/* Removes a staged file, behind the caller's back when that takes long (local_reap.c). */
void local_reap(struct local *local, const char *path, int64_t size);

/* Settings of buckets (local_setting.c). */
int local_settings_load(struct local *local, struct err *err);
int local_setting_get(struct store *store, const char *bucket, const char *name, struct buf *out,
                      struct err *err);
int local_setting_put(struct store *store, const char *bucket, const char *name, const char *text,
                      struct err *err);
int local_settings_drop(struct local *local, const char *bucket, struct err *err);
enum store_versioning local_versioning(struct local *local, const char *bucket);

/* Versions (local_version.c). The caller holds the key's stripe, but not `names`. */
extern const struct store_version_ops local_version_ops;
/* Before a put in a bucket with versioning: keeps the latest where it must be kept, tells the
 * staged file from every version, and names the version to be. */
int local_version_before_put(struct local *local, const char *bucket, const char *key,
                             const char *from, struct disk_stat *next, struct local_version *made,
                             struct err *err);
int local_version_after_put(struct local *local, const char *bucket, const char *key,
                            struct err *err);
int local_version_list(struct store *store, const char *bucket, const char *prefix,
                       const char *delimiter, const char *start_after, const char *start_version,
                       size_t max, struct arena *arena, struct store_version_list *out,
                       struct err *err);
/* Versions kept of one key, the newest first, in the arena; the latest too. */
struct local_kept {
    const char *file; /* its name in the key's folder, without a suffix; NULL: the latest object */
    const char *id;
    int64_t seq;
    bool is_marker;
};
int local_version_all(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      struct local_kept **out, size_t *count, struct err *err);
int local_version_info(struct local *local, struct arena *arena, const char *bucket,
                       const char *key, const struct local_kept *kept, struct store_info *out,
                       struct err *err);
/* Used by local_version.c, in store_local.c. */
pthread_mutex_t *local_stripe(struct local *local, const char *bucket, const char *key);
int local_tell_apart(struct local *local, const char *path, const struct disk_stat *now,
                     struct disk_stat *next, struct err *err);
int local_name_it(struct local *local, struct arena *arena, const char *bucket, const char *key,
                  const char *from, bool exclusive, struct err *err);
int local_unname(struct local *local, const char *bucket, const char *key, struct err *err);
int local_head(struct store *store, const char *bucket, const char *key, struct store_info *out,
               struct err *err);
int local_open(struct store *store, const char *bucket, const char *key, struct store_info *info,
               struct file **out, struct err *err);
int local_remove(struct store *store, const char *bucket, const char *key, struct err *err);

/* After a name has changed, before it is answered. */
static inline void local_changed(struct local *local)
{
    __atomic_add_fetch(&local->changes, 1, __ATOMIC_RELEASE);
}

/* Keys below objects/, or those with a folder below versions/, of which only the names are told. */
int local_list_in(struct local *local, const char *root, const char *bucket, const char *prefix,
                  const char *delimiter, const char *start_after, size_t max_keys,
                  struct arena *arena, struct store_list *out, struct err *err);
int local_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
               const char *start_after, size_t max_keys, struct arena *arena,
               struct store_list *out, struct err *err);

#endif
