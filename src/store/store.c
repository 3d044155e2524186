/* store.c - what both stores share: locations, and calls by location. */
#include "store/store_int.h"

void store_free(struct store *store)
{
    if (store)
        store->ops->free(store);
}

int store_sweep(struct disk *disk, const char *dir, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(disk, dir, &arena, &entries, &count, err);

    for (size_t i = 0; !rc && i < count; i++) {
        const char *path = arena_printf(&arena, "%s/%s", dir, entries[i].name);

        if (path && !entries[i].is_dir)
            rc = disk_unlink(disk, path, err);
    }
    arena_deinit(&arena);
    return rc;
}

const char *store_staging(struct store *store)
{
    return store->spread_count
               ? store->spread[__atomic_add_fetch(&store->spread_next, 1, __ATOMIC_RELAXED) %
                               store->spread_count]
               : store->staging;
}

int store_split(const char *location, struct arena *arena, const char **bucket, const char **key,
                struct err *err)
{
    static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);
        const char *rest = location + len, *slash;

        if (strncmp(location, schemes[i], len))
            continue;
        slash = strchr(rest, '/');
        if (slash == rest || *rest == '\0')
            break;
        len = slash ? (size_t)(slash - rest) : strlen(rest);
        *bucket = arena_cstr(arena, slice_of(rest, len));
        *key = arena_strdup(arena, slash ? slash + 1 : "");
        return *bucket && *key ? 0 : err_set(err, ERR_NOMEM, "location");
    }
    return err_set(err, ERR_INVALID, "location \"%.300s\": not s3://BUCKET/KEY", location);
}

int store_put_at(struct store *store, const char *location, struct slice bytes, struct err *err)
{
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = store_split(location, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->put(store, bucket, key, bytes, NULL, NULL, err);
    arena_deinit(&arena);
    return rc;
}

int store_put_lazy_at(struct store *store, const char *location, struct slice bytes,
                      struct err *err)
{
    static const struct store_put_options lazy = {.lazy = true};
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = store_split(location, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->put(store, bucket, key, bytes, &lazy, NULL, err);
    arena_deinit(&arena);
    return rc;
}

int store_sync_at(struct store *store, const char *const *locations, size_t count, struct err *err)
{
    struct arena arena = {0};
    const char **keys = ARENA_ARRAY(&arena, const char *, count + 1);
    const char *bucket = NULL, *next;
    size_t held = 0;
    int rc = keys ? 0 : err_set(err, ERR_NOMEM, "sync");

    for (size_t i = 0; !rc && store->ops->sync && i < count; i++) {
        rc = store_split(locations[i], &arena, &next, &keys[held], err);
        if (!rc && bucket && strcmp(bucket, next) != 0) { /* those of one bucket at a time */
            const char *first = keys[held];

            rc = store->ops->sync(store, bucket, keys, held, err);
            keys[0] = first;
            held = 0;
        }
        bucket = next;
        held++;
    }
    if (!rc && held)
        rc = store->ops->sync(store, bucket, keys, held, err);
    arena_deinit(&arena);
    return rc;
}

int store_put_file_at(struct store *store, const char *location, const char *path, int64_t *size,
                      struct err *err)
{
    struct arena arena = {0};
    struct store_info info = {0};
    const char *bucket, *key;
    int rc = store_split(location, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->put_file(store, bucket, key, path, NULL, &info, err);
    if (!rc && size)
        *size = info.size;
    arena_deinit(&arena);
    return rc;
}

int store_get_at(struct store *store, const char *location, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = store_split(location, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->get(store, bucket, key, 0, -1, out, err);
    arena_deinit(&arena);
    return rc;
}

int store_remove_at(struct store *store, const char *location, struct err *err)
{
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = store_split(location, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->remove(store, bucket, key, err);
    arena_deinit(&arena);
    return rc;
}
