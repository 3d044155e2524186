/* local_setting.c - settings of buckets: texts by name, whose meaning the S3 server knows.
 *
 * One file per bucket that has any, attrs/BUCKET%bucket, a JSON object of strings, replaced whole.
 * All are kept in memory too: every request asks for some. Of their names only "versioning" means
 * something here.
 */
#include <stdio.h>

#include "base/json.h"
#include "store/store_local.h"

#define SUFFIX       "%bucket"
#define VERSIONING   "versioning"
#define SETTINGS_MAX ((size_t)1 << 20) /* of one bucket */

static const char *path_of(struct local *local, struct arena *arena, const char *bucket)
{
    return arena_printf(arena, "%s/%s%s", local->attrs, bucket, SUFFIX);
}

static void count_settings(struct local *local)
{
    __atomic_store_n(&local->settings_count, json_object_size(local->settings), __ATOMIC_RELEASE);
}

static int load_one(struct local *local, const char *path, const char *bucket, struct err *err)
{
    struct buf text = {.max = SETTINGS_MAX + 4096};
    json_t *settings = NULL;
    int rc = disk_read_file(local->disk, path, &text, err);

    if (!rc)
        rc = json_parse(buf_slice(&text), &settings, err);
    if (!rc && !json_is_object(settings))
        rc = err_set(err, ERR_CORRUPT, "not an object");
    if (!rc && json_object_set(local->settings, bucket, settings))
        rc = err_set(err, ERR_NOMEM, "settings");
    json_decref(settings);
    buf_deinit(&text);
    return rc ? err_wrap(err, rc, "%s", path) : 0;
}

int local_settings_load(struct local *local, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(local->disk, local->attrs, &arena, &entries, &count, err);

    local->settings = json_object();
    if (!rc && !local->settings)
        rc = err_set(err, ERR_NOMEM, "settings");
    for (size_t i = 0; !rc && i < count; i++) {
        struct slice name = slice_str(entries[i].name);
        const char *path, *bucket;

        if (entries[i].is_dir || !slice_ends(name, SLICE_LIT(SUFFIX)))
            continue;
        bucket = arena_cstr(&arena, slice_of(name.ptr, name.len - (sizeof(SUFFIX) - 1)));
        path = bucket ? path_of(local, &arena, bucket) : NULL;
        rc = path ? load_one(local, path, bucket, err) : err_set(err, ERR_NOMEM, "settings");
    }
    count_settings(local);
    arena_deinit(&arena);
    return rc;
}

/* Caller holds the lock. NULL: not set. */
static const char *find(struct local *local, const char *bucket, const char *name)
{
    return json_string_value(json_object_get(json_object_get(local->settings, bucket), name));
}

int local_setting_get(struct store *store, const char *bucket, const char *name, struct buf *out,
                      struct err *err)
{
    struct local *local = (struct local *)store;
    const char *text = NULL;
    int rc = 0;

    if (__atomic_load_n(&local->settings_count, __ATOMIC_ACQUIRE)) {
        pthread_rwlock_rdlock(&local->settings_lock);
        text = find(local, bucket, name);
        if (text)
            rc = buf_append_str(out, text);
        pthread_rwlock_unlock(&local->settings_lock);
    }
    if (!text && !rc)
        rc = ERR_NOENT;
    return rc ? err_set(err, rc, "bucket %s: no %s is set", bucket, name) : 0;
}

enum store_versioning local_versioning(struct local *local, const char *bucket)
{
    static const struct {
        const char *name;
        enum store_versioning versioning;
    } names[] = {{"Enabled", STORE_VERSIONED}, {"Suspended", STORE_SUSPENDED}};
    enum store_versioning found = STORE_UNVERSIONED;
    const char *text;

    if (!__atomic_load_n(&local->settings_count, __ATOMIC_ACQUIRE))
        return STORE_UNVERSIONED; /* asked by every call: no lock where nobody has settings */
    pthread_rwlock_rdlock(&local->settings_lock);
    text = find(local, bucket, VERSIONING);
    for (size_t i = 0; i < COUNT_OF(names) && text; i++)
        if (strcmp(text, names[i].name) == 0)
            found = names[i].versioning;
    pthread_rwlock_unlock(&local->settings_lock);
    return found;
}

/* The bucket's settings as they will be, to the disk first. Caller holds the lock for writing. */
static int replace(struct local *local, const char *bucket, json_t *settings, struct err *err)
{
    struct arena arena = {0};
    struct buf text = {.max = SETTINGS_MAX};
    const char *path = path_of(local, &arena, bucket);
    int rc = path ? json_print(settings, 0, &text, err) : ERR_NOMEM;

    if (rc == ERR_LIMIT)
        err_set(err, rc, "the settings of bucket %s are larger than 1 MiB", bucket);
    if (!rc)
        rc = disk_write_file(local->disk, path, buf_slice(&text), err);
    if (!rc && json_object_set(local->settings, bucket, settings))
        rc = err_set(err, ERR_NOMEM, "settings");
    count_settings(local);
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

int local_setting_put(struct store *store, const char *bucket, const char *name, const char *text,
                      struct err *err)
{
    struct local *local = (struct local *)store;
    json_t *old, *settings;
    int rc;

    pthread_rwlock_wrlock(&local->names); /* no bucket goes meanwhile */
    rc = local_bucket_check(local, bucket, err);
    pthread_rwlock_wrlock(&local->settings_lock);
    old = json_object_get(local->settings, bucket);
    settings = old ? json_copy(old) : json_object();
    if (!rc && (!settings || (text && json_object_set_new(settings, name, json_string(text)))))
        rc = err_set(err, ERR_INVALID, "bucket %s: %s is not UTF-8", bucket, name);
    if (!rc && !text && !json_object_get(settings, name))
        goto done; /* nothing to take away */
    if (!rc && !text)
        json_object_del(settings, name);
    if (!rc)
        rc = replace(local, bucket, settings, err);
done:
    pthread_rwlock_unlock(&local->settings_lock);
    pthread_rwlock_unlock(&local->names);
    json_decref(settings);
    return rc;
}

int local_settings_drop(struct local *local, const char *bucket, struct err *err)
{
    struct arena arena = {0};
    const char *path = path_of(local, &arena, bucket);
    int rc = path ? 0 : err_set(err, ERR_NOMEM, "settings");

    pthread_rwlock_wrlock(&local->settings_lock);
    if (!rc && disk_exists(local->disk, path)) {
        rc = disk_unlink(local->disk, path, err);
        if (!rc)
            rc = disk_sync_dir(local->disk, local->attrs, err);
    }
    if (!rc)
        json_object_del(local->settings, bucket);
    count_settings(local);
    pthread_rwlock_unlock(&local->settings_lock);
    arena_deinit(&arena);
    return rc;
}
