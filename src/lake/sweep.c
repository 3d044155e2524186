/* sweep.c - files that no snapshot names: orphans of crashes, and whole dropped tables. */
#include "lake/lake_int.h"

#define LIST_PAGE 1000

struct named {
    struct lake *lake;
    struct lake_metadata *m;
    struct arena arena;
    struct path_set set;
    struct err *err;
};

static int name(struct named *n, const char *path)
{
    const char *copy;

    if (!path || path_set_has(&n->set, path))
        return 0;
    copy = arena_strdup(&n->arena, path);
    return copy && path_set_add(&n->set, copy) >= 0 ? 0 : err_set(n->err, ERR_NOMEM, "file names");
}

/* A deleted entry still counts: the snapshot before may be retained and name it. */
static int name_manifest(struct named *n, const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest;
    int rc;

    if (path_set_has(&n->set, line->path))
        return 0;
    rc = lake_manifest_load(n->lake, n->m, line, &manifest, n->err);
    if (rc)
        return rc;
    rc = name(n, line->path);
    for (size_t i = 0; i < manifest->entry_count && !rc; i++)
        rc = name(n, manifest->entries[i].file.path);
    lake_manifest_free(manifest);
    return rc;
}

static int name_statistics(struct named *n, const char *key)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach(json_object_get(n->m->doc, key), i, item) rc =
        rc ? rc : name(n, json_string_value(json_object_get(item, "statistics-path")));
    return rc;
}

static int name_all(struct named *n, const char *metadata_location)
{
    int rc = name(n, metadata_location);

    for (size_t i = 0; i < n->m->metadata_log_count && !rc; i++)
        rc = name(n, n->m->metadata_log[i].metadata_file);
    for (size_t i = 0; i < n->m->snapshot_count && !rc; i++) {
        struct lake_manifest_list *list;

        rc = lake_manifest_list_load(n->lake, n->m, &n->m->snapshots[i], &list, n->err);
        if (rc)
            break;
        rc = name(n, n->m->snapshots[i].manifest_list);
        for (size_t k = 0; k < list->file_count && !rc; k++)
            rc = name_manifest(n, &list->files[k]);
        lake_manifest_list_free(list);
    }
    rc = rc ? rc : name_statistics(n, "statistics");
    return rc ? rc : name_statistics(n, "partition-statistics");
}

static void named_deinit(struct named *n)
{
    lake_metadata_free(n->m);
    arena_deinit(&n->arena);
}

/* One page of the folder; `after` moves on, NULL at the end. */
static int sweep_page(struct named *n, const char *bucket, const char *prefix, const char **after,
                      int64_t before_us, bool dry, int64_t *removed)
{
    struct store *store = lake_store(n->lake);
    struct arena arena = {0};
    struct store_list list;
    int rc =
        store->ops->list(store, bucket, prefix, NULL, *after, LIST_PAGE, &arena, &list, n->err);

    *after = NULL;
    for (size_t i = 0; !rc && i < list.count; i++) {
        const char *location = arena_printf(&arena, "s3://%s/%s", bucket, list.entries[i].key);

        if (!location)
            rc = err_set(n->err, ERR_NOMEM, "orphans");
        else if (!path_set_has(&n->set, location) && list.entries[i].mtime_us < before_us) {
            ++*removed;
            if (!dry)
                lake_remove_files(n->lake, &location, 1);
        }
    }
    if (!rc && list.truncated && list.count) {
        *after = arena_strdup(&n->arena, list.entries[list.count - 1].key);
        rc = *after ? 0 : err_set(n->err, ERR_NOMEM, "orphans");
    }
    arena_deinit(&arena);
    return rc;
}

/* gc.enabled false: the table shares files with others, so none may be removed. */
static int check_gc(const struct lake_metadata *m, struct err *err)
{
    if (lake_metadata_property_bool(m, "gc.enabled", true))
        return 0;
    return err_set(err, ERR_INVALID,
                   "files of this table must not be removed: gc.enabled is false");
}

int lake_orphans_remove(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                        int64_t *removed, struct err *err)
{
    struct named n = {.lake = lake, .err = err};
    const char *bucket, *key, *after = NULL, *prefix;
    int64_t before_us = clock_wall_us(lake_clock(lake)) - age_ms * 1000;
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    n.set.arena = &n.arena;
    *removed = 0;
    rc = rc ? rc : check_gc(n.m, err);
    rc = rc ? rc : name_all(&n, metadata_location);
    rc = rc ? rc : store_split(n.m->location, &n.arena, &bucket, &key, err);
    /* The slash matters: below "t" lies "t2/..." too. */
    prefix = rc ? NULL : arena_printf(&n.arena, "%s/", key);
    if (!rc && (!prefix || !*key))
        rc = err_set(err, prefix ? ERR_INVALID : ERR_NOMEM, "%s is no folder of a table",
                     n.m->location);
    do
        rc = rc ? rc : sweep_page(&n, bucket, prefix, &after, before_us, dry, removed);
    while (!rc && after);
    named_deinit(&n);
    return rc;
}

int lake_purge(struct lake *lake, const char *metadata_location, struct err *err)
{
    struct named n = {.lake = lake, .err = err};
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    n.set.arena = &n.arena;
    rc = rc ? rc : check_gc(n.m, err);
    rc = rc ? rc : name_all(&n, metadata_location);
    for (size_t i = 0; i < n.set.cap && !rc; i++)
        if (n.set.slots[i])
            lake_remove_files(lake, &n.set.slots[i], 1);
    named_deinit(&n);
    return rc;
}
