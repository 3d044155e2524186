/* local_small.c - small objects: through the journal, then to plain files without a sync.
 *
 * What a put wrote is an ordinary file under its ordinary name, with its attributes in the file's
 * own attribute, so that the one rename carries both. The time of the file is ours: it is in the
 * journal too, and a put played back is the same version with the same etag. Objects of more than
 * LOCAL_SMALL bytes, of buckets with versioning and on file systems without attributes go the way
 * of store_local.c.
 */
#include <stdio.h>

#include "base/json.h"
#include "store/local_journal.h"
#include "store/store_local.h"

static const char *stage(struct local *local, struct arena *arena)
{
    return arena_printf(arena, "%s/small.%" PRIu64, store_staging(&local->store),
                        __atomic_add_fetch(&local->staged, 1, __ATOMIC_RELAXED));
}

/* --- to plain files --------------------------------------------------------------------------- */

static int write_staged(struct local *local, const char *path, const struct journal_entry *entry,
                        struct err *err)
{
    struct file *file = NULL;
    int rc = disk_open(local->disk, &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);

    if (!rc && entry->attr.len)
        rc = file_set_attr(file, entry->attr, err);
    if (!rc && entry->bytes.len)
        rc = file_pwrite(file, entry->bytes.ptr, entry->bytes.len, 0, err);
    if (!rc)
        rc = file_set_mtime(file, entry->mtime_us, err);
    file_close(file);
    return rc;
}

/* A staged file that holds the bytes already gets the rest. */
static int finish_staged(struct local *local, const char *path, const struct journal_entry *entry,
                         struct err *err)
{
    struct file *file = NULL;
    int rc = disk_open(local->disk, &file, path, DISK_WRITE, err);

    if (!rc && entry->attr.len)
        rc = file_set_attr(file, entry->attr, err);
    if (!rc)
        rc = file_set_mtime(file, entry->mtime_us, err);
    file_close(file);
    return rc;
}

/* `path`: see local_name_lazily. `from` NULL: the bytes are in the entry alone. */
static int carry_out_put(struct local *local, const struct journal_entry *entry, const char *bucket,
                         const char *key, const char *from, const char *path, bool exists,
                         struct err *err)
{
    struct arena arena = {0};
    const char *staged = from ? from : stage(local, &arena);
    int rc = !staged ? ERR_NOMEM
             : from  ? finish_staged(local, staged, entry, err)
                     : write_staged(local, staged, entry, err);

    if (!rc)
        rc = local_name_lazily(local, &arena, bucket, key, staged, path, exists, err);
    if (rc && staged && !from)
        disk_unlink(local->disk, staged, NULL);
    arena_deinit(&arena);
    return rc;
}

/* --- playing back ----------------------------------------------------------------------------- */

/* After a crash of the process alone the file is all there: nothing to write then. */
static bool is_there(struct local *local, const char *path, const struct disk_stat *stat,
                     const struct journal_entry *entry)
{
    struct buf attr = {.max = LOCAL_ATTR_MAX}, bytes = {.max = LOCAL_SMALL};
    struct file *file = NULL;
    bool same = stat->size == (int64_t)entry->bytes.len && stat->mtime_us == entry->mtime_us &&
                disk_open(local->disk, &file, path, DISK_READ, NULL) == 0;

    if (same) {
        int rc = file_get_attr(file, &attr, NULL);

        same = (rc == 0 || rc == ERR_NOENT) && slice_eq(buf_slice(&attr), entry->attr) &&
               disk_read_file(local->disk, path, &bytes, NULL) == 0 &&
               slice_eq(buf_slice(&bytes), entry->bytes);
    }
    file_close(file);
    buf_deinit(&attr);
    buf_deinit(&bytes);
    return same;
}

static int play_back(void *arg, const struct journal_entry *entry, struct err *err)
{
    struct local *local = arg;
    struct arena arena = {0};
    struct disk_stat stat;
    const char *bucket = arena_cstr(&arena, entry->bucket), *key = arena_cstr(&arena, entry->key);
    const char *path;
    int rc = bucket && key ? local_bucket_check(local, bucket, err) : ERR_NOMEM;

    if (rc == ERR_NOENT) { /* only an empty bucket goes: the key had been removed before */
        arena_deinit(&arena);
        return 0;
    }
    if (!rc) {
        rc = local_find(local, &arena, bucket, key, &path, &stat, err);
        if (entry->kind == JOURNAL_REMOVE)
            rc = rc ? rc : local_unname_lazily(local, bucket, key, err);
        else if (rc == ERR_NOENT)
            rc = local_guess(local, &arena, bucket, key, &path, err);
        else if (!rc && is_there(local, path, &stat, entry))
            path = NULL;
        if (!rc && path && entry->kind == JOURNAL_PUT)
            rc = carry_out_put(local, entry, bucket, key, NULL, path, false, err);
        if (rc == ERR_NOENT)
            rc = 0;
    }
    arena_deinit(&arena);
    return rc;
}

/* Does the file system keep attributes? */
static int probe(struct local *local, struct err *err)
{
    struct arena arena = {0};
    struct file *file = NULL;
    const char *path = stage(local, &arena);
    int rc = path ? disk_open(local->disk, &file, path, DISK_WRITE | DISK_CREATE, err) : ERR_NOMEM;

    if (!rc)
        rc = file_set_attr(file, SLICE_LIT("{}"), err);
    file_close(file);
    if (path)
        disk_unlink(local->disk, path, NULL);
    arena_deinit(&arena);
    return rc;
}

int local_small_open(struct local *local, const char *dir, int64_t journal_bytes, struct err *err)
{
    int rc = probe(local, err);

    if (rc == ERR_UNSUPPORTED && !disk_exists(local->disk, dir))
        return 0; /* and no journal */
    if (!rc)
        rc = journal_new(&local->journal, local->disk, dir, journal_bytes, err);
    if (!rc)
        rc = journal_replay(local->journal, play_back, local, err);
    return rc;
}

void local_small_close(struct local *local)
{
    struct err err = {0};

    if (local->journal && journal_checkpoint(local->journal, &err))
        diag(DIAG_DEBUG, "store", "the journal is played back at the next start: %s", err.text);
    journal_free(local->journal);
}

/* --- put -------------------------------------------------------------------------------------- */

/* Rises, and is later than that of the version replaced: versions differ by size or time. */
static int64_t next_time(struct local *local, int64_t replaced_us)
{
    int64_t now = clock_wall_us(local->clock), last, next;

    last = __atomic_load_n(&local->last_us, __ATOMIC_RELAXED);
    do {
        next = now > last ? now : last + 1;
        next = next > replaced_us ? next : replaced_us + 1;
    } while (!__atomic_compare_exchange_n(&local->last_us, &last, next, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return next;
}

bool local_is_small(struct local *local, const char *bucket, size_t len,
                    const struct store_put_options *options)
{
    return local->journal && len <= LOCAL_SMALL && !(options && options->lazy) &&
           local_versioning(local, bucket) == STORE_UNVERSIONED;
}

/* `from` and `path`: see carry_out_put. What cannot be carried out is refused, so the journal must
 * not bring it back after a crash. It is the last word on the key only when that is written, too:
 * where even this fails, the answer's error stands for "maybe". */
static int add_and_carry_out(struct local *local, const struct journal_entry *entry,
                             const char *bucket, const char *key, const char *from,
                             const char *path, bool exists, struct err *err)
{
    int ticket, rc = journal_add(local->journal, entry, &ticket, err);

    if (rc)
        return rc;
    rc = entry->kind == JOURNAL_PUT
             ? carry_out_put(local, entry, bucket, key, from, path, exists, err)
             : local_unname_lazily(local, bucket, key, err);
    journal_done(local->journal, ticket);
    if (rc)
        local_settle(local, bucket, key, NULL);
    return rc;
}

int local_put_small(struct local *local, const char *bucket, const char *key, struct slice bytes,
                    const char *from, const struct store_put_options *options,
                    struct store_info *out, struct err *err)
{
    static const struct store_put_options none;
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    struct journal_entry entry = {.kind = JOURNAL_PUT, .bytes = bytes};
    struct arena arena = {0};
    struct buf attr = {0};
    struct disk_stat now = {0};
    const char *path = NULL;
    bool exists = false;
    int rc;

    options = options ? options : &none;
    rc = local_attr_text(options, &attr, err);
    if (!rc && attr.len > LOCAL_ATTR_MAX) {
        buf_deinit(&attr);
        return ERR_UNSUPPORTED;
    }
    entry.bucket = slice_str(bucket);
    entry.key = slice_str(key);
    entry.attr = buf_slice(&attr);
    pthread_mutex_lock(lock);
    if (!rc)
        rc = local_check_put(local, &arena, bucket, key, options, &path, &now, err);
    exists = !rc && path;
    if (!rc && !exists)
        rc = local_guess(local, &arena, bucket, key, &path, err);
    if (!rc) {
        entry.mtime_us = next_time(local, exists ? now.mtime_us : 0);
        rc = add_and_carry_out(local, &entry, bucket, key, from, path, exists, err);
    }
    if (!rc && exists)
        local_attr_remove(local, bucket, key); /* of the version replaced */
    pthread_mutex_unlock(lock);
    if (!rc && out)
        local_attr_describe(
            options, &(struct disk_stat){.size = (int64_t)bytes.len, .mtime_us = entry.mtime_us},
            out);
    arena_deinit(&arena);
    buf_deinit(&attr);
    return rc;
}

/* --- beside the journal ----------------------------------------------------------------------- */

bool local_is_held(struct local *local, const char *bucket, const char *key)
{
    return local->journal && journal_holds(local->journal, slice_str(bucket), slice_str(key));
}

/* Caller holds the key's stripe. ERR_NOENT: there was none. */
int local_remove_journaled(struct local *local, const char *bucket, const char *key,
                           struct err *err)
{
    const struct journal_entry entry = {
        .kind = JOURNAL_REMOVE, .bucket = slice_str(bucket), .key = slice_str(key)};
    struct arena arena = {0};
    struct disk_stat stat;
    const char *path;
    int rc = local_find(local, &arena, bucket, key, &path, &stat, err);

    if (!rc)
        rc = add_and_carry_out(local, &entry, bucket, key, NULL, path, true, err);
    arena_deinit(&arena);
    return rc;
}

static int sync_folder_of(struct local *local, struct arena *arena, const char *path,
                          struct err *err)
{
    char *dir = arena_strdup(arena, path);

    if (!dir)
        return err_set(err, ERR_NOMEM, "sync");
    *strrchr(dir, '/') = '\0';
    return disk_sync_dir(local->disk, dir, err);
}

/* The file as it is, and its name or that it has gone, to the disk. What was set of it goes with
 * the sync only when it is set again here. */
static int sync_object(struct local *local, const char *bucket, const char *key, struct err *err)
{
    struct arena arena = {0};
    struct disk_stat stat;
    struct file *file = NULL;
    const char *path;
    int rc = local_find(local, &arena, bucket, key, &path, &stat, err);

    if (rc == ERR_NOENT) { /* where folders went with its name, nobody knows any more which */
        rc = path ? sync_folder_of(local, &arena, path, err)
                  : disk_sync_all(local->disk, local->objects, err);
        arena_deinit(&arena);
        return rc;
    }
    if (!rc)
        rc = disk_open(local->disk, &file, path, DISK_WRITE, err);
    if (!rc)
        rc = file_set_mtime(file, stat.mtime_us, err);
    if (!rc)
        rc = file_sync(file, err);
    file_close(file);
    if (!rc)
        rc = sync_folder_of(local, &arena, path, err);
    arena_deinit(&arena);
    return rc;
}

int local_settle(struct local *local, const char *bucket, const char *key, struct err *err)
{
    const struct journal_entry entry = {
        .kind = JOURNAL_FORGET, .bucket = slice_str(bucket), .key = slice_str(key)};
    int ticket, rc;

    if (!local_is_held(local, bucket, key))
        return 0;
    rc = sync_object(local, bucket, key, err);
    if (!rc)
        rc = journal_add(local->journal, &entry, &ticket, err);
    if (!rc)
        journal_done(local->journal, ticket);
    return rc;
}
