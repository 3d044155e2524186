/* store_local.c - objects as plain files in a local folder.
 *
 * A put stages the bytes, syncs them, writes attributes when there are any, renames into place and
 * syncs the folder, in this order; it is durable when it returns. A lazy put leaves the two syncs
 * to a later call. Readers never lock: a name leads to the old version or to the new one, whole.
 * Small objects go through a journal instead (local_small.c).
 */
#include "store/local_level.h"

#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/workers.h"

#define SPREAD_FOLDERS 64 /* for staged files, see disk_spread */
#define SYNC_ALL_FILES 32

static struct local *local_of(struct store *store)
{
    return (struct local *)store;
}

pthread_mutex_t *local_stripe(struct local *local, const char *bucket, const char *key)
{
    uint64_t hash = hash64(key, strlen(key), hash64(bucket, strlen(bucket), 0));

    return &local->stripes[hash % LOCAL_STRIPES];
}

/* --- put -------------------------------------------------------------------------------------- */

/* Versions of a key differ in size or time, because etags and attributes go by them. The kernel's
 * file time moves in steps of milliseconds: when the new file cannot be told from the one it
 * replaces, it is made younger, by as much as its file system can express. */
int local_tell_apart(struct local *local, const char *path, const struct disk_stat *now,
                     struct disk_stat *next, struct err *err)
{
    static const int64_t steps_us[] = {1, 1000, 1000000, 2000000};
    struct file *file = NULL;
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(steps_us) && !rc && next->size == now->size &&
                       next->mtime_us == now->mtime_us;
         i++) {
        rc = disk_open(local->disk, &file, path, DISK_WRITE, err);
        if (!rc)
            rc = file_set_mtime(file, now->mtime_us + steps_us[i], err);
        if (!rc)
            rc = file_sync(file, err);
        file_close(file);
        file = NULL;
        if (!rc)
            rc = disk_stat(local->disk, path, next, err);
    }
    return rc;
}

static int check_conditions(const struct store_put_options *options, const char *key, bool exists,
                            const struct store_info *now, struct err *err)
{
    if (options->if_none_match && exists)
        return err_set(err, ERR_EXISTS, "object %s: exists already", key);
    if (options->if_match && !exists)
        return err_set(err, ERR_NOENT, "object %s: no such object", key);
    if (options->if_match && strcmp(options->if_match, "*") && strcmp(options->if_match, now->etag))
        return err_set(err, ERR_CONFLICT, "object %s: is %s, not %s", key, now->etag,
                       options->if_match);
    return 0;
}

/* Gives the staged file its name, in a folder that is there. One that replaces another is swapped
 * in: a rename would wait for ext4 to write the one and remove the other, and everybody else for
 * that. */
static int name_it(struct local *local, const char *from, const char *path, bool exclusive,
                   struct err *err)
{
    const struct disk_ops *ops = local->disk->ops;
    struct disk_stat old;

    if (exclusive)
        return disk_link(local->disk, from, path, err);
    if (!ops->swap || disk_stat(local->disk, path, &old, NULL) ||
        ops->swap(local->disk, from, path, NULL))
        return disk_rename(local->disk, from, path, err);
    local_reap(local, from, old.size);
    return 0;
}

/* A link instead of a rename, where nothing may be replaced. */
int local_name_it(struct local *local, struct arena *arena, const char *bucket, const char *key,
                  const char *from, bool exclusive, struct err *err)
{
    const char *path, *slash;
    int rc = local_settle(local, bucket, key, err);

    if (rc)
        return rc;
    pthread_rwlock_wrlock(&local->names);
    rc = local_make(local, arena, bucket, key, &path, err);
    if (!rc)
        rc = name_it(local, from, path, exclusive, err);
    local_changed(local); /* folders may have been made even when it failed */
    pthread_rwlock_unlock(&local->names);
    if (rc)
        return rc;
    slash = strrchr(path, '/');
    path = arena_cstr(arena, slice_of(path, (size_t)(slash - path)));
    rc = path ? disk_sync_dir(local->disk, path, err) : ERR_NOMEM;
    if (!rc && exclusive)
        rc = disk_unlink(local->disk, from, err);
    return rc;
}

int local_name_lazily(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      const char *from, const char *path, bool exists, struct err *err)
{
    int rc;

    pthread_rwlock_rdlock(&local->names);
    rc = exists ? disk_replace(local->disk, from, path, NULL)
                : disk_rename(local->disk, from, path, NULL);
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
    if (!rc)
        return 0;
    pthread_rwlock_wrlock(&local->names);
    rc = local_make(local, arena, bucket, key, &path, err);
    if (!rc)
        rc = disk_rename(local->disk, from, path, err);
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
    return rc;
}

/* Past the journal; `path` NULL: there is no such object. */
static int name_lazy_put(struct local *local, struct arena *arena, const char *bucket,
                         const char *key, const char *from, const char *path, struct err *err)
{
    int rc = local_settle(local, bucket, key, err);

    if (!rc && !path)
        rc = local_guess(local, arena, bucket, key, &path, err);
    return rc ? rc : local_name_lazily(local, arena, bucket, key, from, path, false, err);
}

int local_check_put(struct local *local, struct arena *arena, const char *bucket, const char *key,
                    const struct store_put_options *options, const char **path,
                    struct disk_stat *now, struct err *err)
{
    struct store_info info = {.etag = ""};
    int rc = local_find(local, arena, bucket, key, path, now, err);

    if (rc == ERR_NOENT) {
        rc = *path ? 0 : local_bucket_check(local, bucket, err);
        *path = NULL;
    }
    if (!rc && *path && options->if_match)
        rc = local_attr_get(local, bucket, key, now, &info, err);
    return rc ? rc : check_conditions(options, key, *path != NULL, &info, err);
}

/* Puts the attributes into the file itself, to go with its next sync: a record beside it costs two
 * syncs more. *own: they are there, and whoever reads finds them first. In a bucket with versioning
 * they say more than is known yet, and of a lazy put nobody syncs what is set of the file. */
static int attr_own(struct local *local, const char *bucket, struct file *file,
                    const struct store_put_options *options, bool *own, struct err *err)
{
    struct buf text = {0};
    int rc;

    *own = false;
    if (!local->journal || !options || options->lazy ||
        local_versioning(local, bucket) != STORE_UNVERSIONED)
        return 0; /* without a journal the file system keeps none */
    rc = local_attr_text(options, &text, err);
    if (!rc && text.len && text.len <= LOCAL_ATTR_MAX) {
        rc = file_set_attr(file, buf_slice(&text), err);
        *own = !rc;
    }
    buf_deinit(&text);
    return rc;
}

/* Caller holds the key's stripe. The staged file is synced, unless the put is lazy. `own`: it has
 * its attributes. */
static int put_staged(struct local *local, const char *bucket, const char *key, const char *from,
                      const struct store_put_options *options, bool own, struct store_info *out,
                      struct err *err)
{
    bool versioned = local_versioning(local, bucket) != STORE_UNVERSIONED;
    bool has_attr = options->etag || options->content_type || options->user_metadata ||
                    options->tags || versioned;
    struct local_version version;
    struct arena arena = {0};
    struct disk_stat now, next;
    const char *path;
    bool exists;
    int rc = local_check_put(local, &arena, bucket, key, options, &path, &now, err);

    exists = !rc && path;
    if (!rc && own && versioned) { /* since it was looked at */
        rc = local_attr_empty(local, from, err);
        own = false;
    }
    if (!rc)
        rc = disk_stat(local->disk, from, &next, err);
    if (!rc && exists)
        rc = local_tell_apart(local, from, &now, &next, err);
    if (!rc && versioned)
        rc = local_version_before_put(local, bucket, key, from, &next, &version, err);
    if (!rc && has_attr && !own)
        rc = local_attr_put(local, bucket, key, exists ? &now : NULL, &next, options,
                            versioned ? &version : NULL, err);
    if (!rc)
        rc = options->lazy
                 ? name_lazy_put(local, &arena, bucket, key, from, path, err)
                 : local_name_it(local, &arena, bucket, key, from, options->if_none_match, err);
    if (!rc && exists && (own || !has_attr))
        local_attr_remove(local, bucket, key);
    if (!rc && versioned)
        rc = local_version_after_put(local, bucket, key, err);
    if (!rc && out && own)
        local_attr_describe(options, &next, out);
    else if (!rc && out)
        rc = local_attr_get(local, bucket, key, &next, out, err);
    arena_deinit(&arena);
    return rc;
}

static int check_options(const struct store_put_options *options, struct err *err)
{
    static const struct store_info info;

    if (!options)
        return 0;
    if (options->etag && strlen(options->etag) >= sizeof(info.etag))
        return err_set(err, ERR_INVALID, "etag of %zu bytes", strlen(options->etag));
    if (options->content_type && strlen(options->content_type) >= sizeof(info.content_type))
        return err_set(err, ERR_LIMIT, "content type of %zu bytes", strlen(options->content_type));
    if (options->user_metadata && strlen(options->user_metadata) >= sizeof(info.metadata))
        return err_set(err, ERR_LIMIT, "metadata of %zu bytes", strlen(options->user_metadata));
    if (options->tags && strlen(options->tags) > LOCAL_TAGS_MAX)
        return err_set(err, ERR_LIMIT, "tags of %zu bytes", strlen(options->tags));
    return 0;
}

static int put_locked(struct local *local, const char *bucket, const char *key, const char *from,
                      const struct store_put_options *options, bool own, struct store_info *out,
                      struct err *err)
{
    static const struct store_put_options none;
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    int rc;

    pthread_mutex_lock(lock);
    rc = put_staged(local, bucket, key, from, options ? options : &none, own, out, err);
    pthread_mutex_unlock(lock);
    return rc;
}

static int put_small_file(struct local *local, const char *bucket, const char *key,
                          struct file *file, int64_t size, const char *path,
                          const struct store_put_options *options, struct store_info *out,
                          struct err *err)
{
    uint8_t *bytes = malloc((size_t)size + 1);
    int rc = bytes ? file_read_all(file, bytes, (size_t)size, 0, err)
                   : err_set(err, ERR_NOMEM, "put %s", key);

    if (!rc)
        rc = local_put_small(local, bucket, key, slice_of(bytes, (size_t)size), path, options, out,
                             err);
    free(bytes);
    return rc;
}

static int local_put_file(struct store *store, const char *bucket, const char *key,
                          const char *path, const struct store_put_options *options,
                          struct store_info *out, struct err *err)
{
    struct local *local = local_of(store);
    struct file *file = NULL;
    int64_t size = 0;
    bool own = false;
    int rc = local_check(bucket, key, err);

    if (!rc)
        rc = check_options(options, err);
    if (!rc)
        rc = disk_open(local->disk, &file, path, DISK_WRITE, err);
    if (!rc)
        rc = file_size(file, &size, err);
    if (!rc && local_is_small(local, bucket, (size_t)size, options)) {
        rc = put_small_file(local, bucket, key, file, size, path, options, out, err);
        if (rc != ERR_UNSUPPORTED) {
            file_close(file);
            return rc ? err_wrap(err, rc, "put %s/%s", bucket, key) : 0;
        }
        rc = 0;
    }
    if (!rc)
        rc = attr_own(local, bucket, file, options, &own, err);
    if (!rc)
        rc = file_sync(file, err);
    file_close(file);
    if (!rc)
        rc = put_locked(local, bucket, key, path, options, own, out, err);
    return rc ? err_wrap(err, rc, "put %s/%s", bucket, key) : 0;
}

static int local_put(struct store *store, const char *bucket, const char *key, struct slice bytes,
                     const struct store_put_options *options, struct store_info *out,
                     struct err *err)
{
    struct local *local = local_of(store);
    struct file *file = NULL;
    char path[4096];
    bool own = false;
    int rc = local_check(bucket, key, err);

    if (!rc)
        rc = check_options(options, err);
    if (rc)
        return rc;
    if (local_is_small(local, bucket, bytes.len, options)) {
        rc = local_put_small(local, bucket, key, bytes, NULL, options, out, err);
        if (rc != ERR_UNSUPPORTED)
            return rc ? err_wrap(err, rc, "put %s/%s", bucket, key) : 0;
    }
    snprintf(path, sizeof(path), "%s/put.%" PRIu64, store_staging(store),
             __atomic_add_fetch(&local->staged, 1, __ATOMIC_RELAXED));
    rc = disk_open(local->disk, &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);
    if (!rc && bytes.len)
        rc = file_pwrite(file, bytes.ptr, bytes.len, 0, err);
    if (!rc)
        rc = attr_own(local, bucket, file, options, &own, err);
    if (!rc && !(options && options->lazy))
        rc = file_sync(file, err);
    file_close(file);
    if (!rc)
        rc = put_locked(local, bucket, key, path, options, own, out, err);
    if (rc)
        disk_unlink(local->disk, path, NULL);
    return rc ? err_wrap(err, rc, "put %s/%s", bucket, key) : 0;
}

/* --- read ------------------------------------------------------------------------------------- */

int local_head(struct store *store, const char *bucket, const char *key, struct store_info *out,
               struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    struct disk_stat stat;
    const char *path;
    int rc = local_find(local, &arena, bucket, key, &path, &stat, err);

    if (!rc)
        rc = local_attr_get(local, bucket, key, &stat, out, err);
    arena_deinit(&arena);
    return rc;
}

/* What the file says of itself once it is open is true of it, whatever its name leads to by then.
 */
int local_open(struct store *store, const char *bucket, const char *key, struct store_info *info,
               struct file **out, struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    int rc = ERR_AGAIN;

    for (int try = 0; try < 100 && rc == ERR_AGAIN; try++) {
        struct disk_stat stat;
        const char *path;

        *out = NULL;
        rc = local_guess(local, &arena, bucket, key, &path, err);
        if (!rc)
            rc = disk_open(local->disk, out, path, DISK_READ, NULL);
        if (!rc)
            rc = file_stat(*out, &stat, NULL);
        if (rc || stat.is_dir) { /* there is none, or its name is not the plain one */
            file_close(*out);
            *out = NULL;
            rc = local_find(local, &arena, bucket, key, &path, &stat, err);
            if (rc)
                break;
            rc = disk_open(local->disk, out, path, DISK_READ, NULL);
            if (!rc)
                rc = file_stat(*out, &stat, NULL);
            if (rc == ERR_NOENT)
                rc = ERR_AGAIN; /* look again: it may have been replaced or removed */
        }
        if (!rc)
            rc = local_attr_get_of(local, bucket, key, *out, &stat, info, err);
        else
            err_set(err, rc, "object %s/%s: cannot be opened", bucket, key);
        if (rc) {
            file_close(*out);
            *out = NULL;
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return rc;
}

static int local_get(struct store *store, const char *bucket, const char *key, int64_t pos,
                     int64_t len, struct buf *out, struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    struct disk_stat stat;
    struct file *file = NULL;
    const char *path;
    int64_t size = 0;
    size_t got = 0;
    int rc = local_find(local, &arena, bucket, key, &path, &stat, err);

    if (!rc)
        rc = disk_open(local->disk, &file, path, DISK_READ, err);
    if (!rc)
        rc = file_size(file, &size, err);
    if (!rc && (pos < 0 || pos > size))
        rc = err_set(err, ERR_RANGE, "position %" PRId64 " of %" PRId64, pos, size);
    if (!rc && (len < 0 || len > size - pos))
        len = size - pos;
    if (!rc && buf_reserve(out, (size_t)len))
        rc = err_set(err, ERR_NOMEM, "%" PRId64 " bytes", len);
    if (!rc && len)
        rc = file_pread(file, out->ptr + out->len, (size_t)len, pos, &got, err);
    if (!rc)
        out->len += got;
    file_close(file);
    arena_deinit(&arena);
    return rc ? err_wrap(err, rc, "get %s/%s", bucket, key) : 0;
}

static int local_path(struct store *store, const char *bucket, const char *key, struct arena *arena,
                      const char **path, struct err *err)
{
    struct disk_stat stat;

    return local_find(local_of(store), arena, bucket, key, path, &stat, err);
}

static void local_release(struct store *store, const char *path)
{
    (void)store; /* the path is the object itself */
    (void)path;
}

static bool is_listed(const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

/* Adds the folder of a file, unless it is there. */
static int note_folder(struct arena *arena, const char **dirs, size_t *count, const char *path)
{
    const char *dir = arena_cstr(arena, slice_of(path, (size_t)(strrchr(path, '/') - path)));

    if (dir && !is_listed(dirs, *count, dir))
        dirs[(*count)++] = dir;
    return dir ? 0 : ERR_NOMEM;
}

/* A folder is synced once for all: while it is, nothing new may be named in it. Many files are
 * synced with their file system, which costs about as much as some of them. */
static int local_sync(struct store *store, const char *bucket, const char *const *keys,
                      size_t count, struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    const char **dirs = ARENA_ARRAY(&arena, const char *, count + 1);
    size_t dir_count = 0;
    int rc = dirs ? 0 : err_set(err, ERR_NOMEM, "sync");

    if (!rc && count >= SYNC_ALL_FILES) {
        arena_deinit(&arena);
        return disk_sync_all(local->disk, local->objects, err);
    }
    for (size_t i = 0; !rc && i < count; i++) {
        struct file *file = NULL;
        struct disk_stat stat;
        const char *path;

        rc = local_find(local, &arena, bucket, keys[i], &path, &stat, err);
        rc = rc ? rc : disk_open(local->disk, &file, path, DISK_READ, err);
        rc = rc ? rc : file_sync(file, err);
        file_close(file);
        rc = rc ? rc : note_folder(&arena, dirs, &dir_count, path);
        rc = rc == ERR_NOENT ? 0 : rc; /* it went meanwhile */
    }
    for (size_t i = 0; !rc && i < dir_count; i++) {
        rc = disk_sync_dir(local->disk, dirs[i], err);
        rc = rc == ERR_NOENT ? 0 : rc;
    }
    arena_deinit(&arena);
    return rc;
}

/* --- remove ----------------------------------------------------------------------------------- */

/* Takes away folders that have become empty, up to the bucket's; *stays is the first that is not.
 */
static int prune(struct local *local, struct arena *arena, const char *bucket, const char *path,
                 char **stays, struct err *err)
{
    size_t root = strlen(local->objects) + 1 + strlen(bucket);
    char *dir = arena_strdup(arena, path);

    *stays = dir;
    if (!dir)
        return err_set(err, ERR_NOMEM, "remove");
    do
        *strrchr(dir, '/') = '\0';
    while (strlen(dir) > root && disk_rmdir(local->disk, dir, NULL) == 0);
    return 0;
}

/* The folder that a name went from, or where somebody took that away meanwhile, the one above. */
static int sync_removed(struct local *local, char *dir, struct err *err)
{
    int rc = disk_sync_dir(local->disk, dir, err);

    while (rc == ERR_NOENT && strlen(dir) > strlen(local->objects)) {
        *strrchr(dir, '/') = '\0';
        rc = disk_sync_dir(local->disk, dir, err);
    }
    return rc;
}

/* `names` is held to read: who names an object in a folder that vanishes sees that it failed, and
 * makes the folder. The sync is everybody's wait if it is done under the lock. */
static int unname(struct local *local, const char *bucket, const char *key, bool lazy,
                  struct err *err)
{
    struct arena arena = {0};
    struct disk_stat stat;
    const char *path;
    char *dir;
    int rc;

    pthread_rwlock_rdlock(&local->names);
    rc = local_find(local, &arena, bucket, key, &path, &stat, err);
    if (!rc)
        rc = disk_unlink(local->disk, path, err);
    if (!rc)
        rc = prune(local, &arena, bucket, path, &dir, err);
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
    if (!rc && !lazy)
        rc = sync_removed(local, dir, err);
    if (!rc)
        local_attr_remove(local, bucket, key);
    arena_deinit(&arena);
    return rc;
}

/* Caller holds the key's stripe. ERR_NOENT: there was none. */
int local_unname(struct local *local, const char *bucket, const char *key, struct err *err)
{
    int rc = local_settle(local, bucket, key, err);

    return rc ? rc : unname(local, bucket, key, false, err);
}

/* What the journal has already. */
int local_unname_lazily(struct local *local, const char *bucket, const char *key, struct err *err)
{
    return unname(local, bucket, key, true, err);
}

int local_remove(struct store *store, const char *bucket, const char *key, struct err *err)
{
    struct local *local = local_of(store);
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    int rc;

    if (local_versioning(local, bucket) != STORE_UNVERSIONED)
        return local_version_ops.remove(store, bucket, key, NULL, NULL, err);
    pthread_mutex_lock(lock);
    rc = local->journal ? local_remove_journaled(local, bucket, key, err)
                        : local_unname(local, bucket, key, err);
    pthread_mutex_unlock(lock);
    if (rc == ERR_NOENT)
        rc = local_bucket_check(local, bucket, err);
    return rc ? err_wrap(err, rc, "remove %s/%s", bucket, key) : 0;
}

/* --- buckets ---------------------------------------------------------------------------------- */

static int bucket_make(struct store *store, const char *bucket, struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/%s", local->objects, bucket);
    int rc = path ? local_check(bucket, NULL, err) : ERR_NOMEM;

    pthread_rwlock_wrlock(&local->names);
    if (!rc && disk_exists(local->disk, path))
        rc = err_set(err, ERR_EXISTS, "bucket %s: exists already", bucket);
    if (!rc) /* of one of that name whose removal was cut short */
        rc = local_settings_drop(local, bucket, err);
    if (!rc)
        rc = disk_mkdir_sync(local->disk, path, err);
    pthread_rwlock_unlock(&local->names);
    arena_deinit(&arena);
    return rc;
}

static int bucket_check(struct store *store, const char *bucket, struct err *err)
{
    int rc = local_check(bucket, NULL, err);

    return rc ? rc : local_bucket_check(local_of(store), bucket, err);
}

static int bucket_remove(struct store *store, const char *bucket, struct err *err)
{
    struct local *local = local_of(store);
    struct arena arena = {0};
    struct store_version_list list = {0};
    const char *path = arena_printf(&arena, "%s/%s", local->objects, bucket);
    const char *attrs = arena_printf(&arena, "%s/%s", local->attrs, bucket);
    const char *versions = arena_printf(&arena, "%s/%s", local->versions, bucket);
    int rc;

    pthread_rwlock_wrlock(&local->names);
    rc = path && attrs && versions
             ? local_version_list(store, bucket, "", "", "", NULL, 1, &arena, &list, err)
             : ERR_NOMEM;
    if (!rc && list.count)
        rc = err_set(err, ERR_CONFLICT, "bucket %s: not empty", bucket);
    if (!rc)
        rc = disk_remove_tree(local->disk, versions, err); /* what a crash left: empty folders */
    if (!rc)
        rc = disk_remove_tree(local->disk, path, err);
    if (!rc)
        rc = disk_sync_dir(local->disk, local->objects, err);
    if (!rc)
        rc = disk_remove_tree(local->disk, attrs, err);
    if (!rc)
        rc = local_settings_drop(local, bucket, err);
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
    arena_deinit(&arena);
    return rc;
}

static int by_key(const void *left, const void *right)
{
    return strcmp(((const struct store_entry *)left)->key,
                  ((const struct store_entry *)right)->key);
}

static int bucket_list(struct store *store, struct arena *arena, struct store_entry **out,
                       size_t *count, struct err *err)
{
    struct local *local = local_of(store);
    struct disk_entry *entries;
    size_t total;
    int rc = disk_list(local->disk, local->objects, arena, &entries, &total, err);

    if (rc)
        return rc;
    *count = 0;
    *out = ARENA_ARRAY(arena, struct store_entry, total + 1);
    for (size_t i = 0; i < total && *out; i++) {
        const char *path = arena_printf(arena, "%s/%s", local->objects, entries[i].name);
        struct disk_stat stat;

        if (!entries[i].is_dir || !path || local_check(entries[i].name, NULL, NULL) ||
            disk_stat(local->disk, path, &stat, NULL))
            continue;
        (*out)[*count] = (struct store_entry){
            .key = entries[i].name, .mtime_us = stat.mtime_us, .etag = "", .is_prefix = true};
        (*count)++;
    }
    if (!*out)
        return err_set(err, ERR_NOMEM, "buckets");
    qsort(*out, *count, sizeof(**out), by_key);
    return 0;
}

/* --- the store -------------------------------------------------------------------------------- */

static void local_free(struct store *store)
{
    struct local *local = local_of(store);

    local_small_close(local);
    workers_free(local->reaper);
    pthread_mutex_destroy(&local->reaper_lock);
    for (size_t i = 0; i < LOCAL_LEVELS; i++)
        local_level_free(local->levels[i]);
    pthread_mutex_destroy(&local->levels_lock);
    pthread_rwlock_destroy(&local->names);
    pthread_rwlock_destroy(&local->settings_lock);
    json_decref(local->settings);
    for (size_t i = 0; i < LOCAL_STRIPES; i++)
        pthread_mutex_destroy(&local->stripes[i]);
    free(local->objects);
    free(local->attrs);
    free(local->versions);
    for (size_t i = 0; i < store->spread_count; i++)
        free(store->spread[i]);
    free(store->spread);
    free((char *)store->staging);
    free(local);
}

static const struct store_ops local_ops = {
    .put = local_put,
    .put_file = local_put_file,
    .get = local_get,
    .head = local_head,
    .open = local_open,
    .remove = local_remove,
    .list = local_list,
    .bucket_make = bucket_make,
    .bucket_check = bucket_check,
    .bucket_remove = bucket_remove,
    .bucket_list = bucket_list,
    .local = local_path,
    .local_release = local_release,
    .sync = local_sync,
    .free = local_free,
    .versions = &local_version_ops,
};

/* Whoever makes a folder must not wait for ever for those who only name objects. */
static void init_names(struct local *local)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&local->names, &attr);
    pthread_rwlockattr_destroy(&attr);
}

static char *below(const char *dir, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* Folders for what is staged: made once, swept at each start. */
static int spread_staging(struct store *store, struct err *err)
{
    char *parent = below(store->staging, "spread");
    int rc = parent ? disk_mkdirs(store->disk, parent, err) : ERR_NOMEM;

    if (!rc && disk_spread(store->disk, parent))
        store->spread = calloc(SPREAD_FOLDERS, sizeof(*store->spread));
    for (size_t i = 0; !rc && store->spread && i < SPREAD_FOLDERS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%zu", i);
        store->spread[i] = below(parent, name);
        store->spread_count = i + 1;
        rc = store->spread[i] ? disk_mkdir(store->disk, store->spread[i], err) : ERR_NOMEM;
        if (!rc)
            rc = store_sweep(store->disk, store->spread[i], err);
    }
    free(parent);
    return rc;
}

int store_local_new(struct store **out, const struct store_local_options *options, struct err *err)
{
    struct local *local = calloc(1, sizeof(*local));
    char *journal = below(options->dir, "journal");
    int rc;

    if (!local) {
        free(journal);
        return err_set(err, ERR_NOMEM, "store");
    }
    local->store.ops = &local_ops;
    local->store.disk = local->disk = options->disk;
    local->clock = options->clock;
    pthread_mutex_init(&local->levels_lock, NULL);
    pthread_mutex_init(&local->reaper_lock, NULL);
    init_names(local);
    pthread_rwlock_init(&local->settings_lock, NULL);
    for (size_t i = 0; i < LOCAL_STRIPES; i++)
        pthread_mutex_init(&local->stripes[i], NULL);
    local->objects = below(options->dir, "objects");
    local->attrs = below(options->dir, "attrs");
    local->versions = below(options->dir, "versions");
    local->store.staging = below(options->dir, "staging");
    rc = local->objects && local->attrs && local->versions && local->store.staging && journal
             ? 0
             : ERR_NOMEM;
    if (!rc)
        rc = disk_mkdirs(local->disk, local->objects, err);
    if (!rc)
        rc = disk_mkdirs(local->disk, local->attrs, err);
    if (!rc)
        rc = local_settings_load(local, err);
    if (!rc)
        rc = disk_mkdirs(local->disk, local->store.staging, err);
    if (!rc)
        rc = store_sweep(local->disk, local->store.staging, err);
    if (!rc && local->disk == disk_system())
        rc = spread_staging(&local->store, err);
    if (!rc)
        rc = local_small_open(local, journal, options->journal_bytes, err);
    free(journal);
    if (rc) {
        local_free(&local->store);
        return err_wrap(err, rc, "store %s", options->dir);
    }
    *out = &local->store;
    return 0;
}
