/* sweep.c - files that no snapshot names: orphans of crashes, and whole dropped tables.
 *
 * A file below the table's folder is an orphan when all of these hold:
 *   - no snapshot of the table as it is now names it, deleted entries included;
 *   - no snapshot of an older metadata file that the metadata log still has names it: somebody may
 *     roll back to it, or register it under another name;
 *   - no writer of this process is in the middle of it (inflight.h);
 *   - it is older than the age given, which is for writers elsewhere.
 * Names are collected before the folder is listed, and the table's pointer is looked at again after
 * that: what a commit in between made true is younger than the age by far.
 */
#include "lake/maintain_int.h"

#define LIST_PAGE 1000

/* What a file is, in the order in which a purge removes them. */
enum named_kind { DATA_FILES, MANIFESTS, LISTS, METADATA_FILES, NAMED_KINDS };

struct named {
    struct lake *lake;
    struct lake_metadata *m;
    struct arena arena;
    struct path_set set;
    bool purging; /* files may have gone already; `kinds` is filled */
    struct path_list kinds[NAMED_KINDS];
    struct err *err;
};

static int name(struct named *n, enum named_kind kind, const char *path)
{
    const char *copy;

    if (!path || path_set_has(&n->set, path))
        return 0;
    copy = arena_strdup(&n->arena, path);
    if (!copy || path_set_add(&n->set, copy) < 0 ||
        (n->purging && path_list_add(&n->kinds[kind], &n->arena, copy)))
        return err_set(n->err, ERR_NOMEM, "file names");
    return 0;
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
    rc = name(n, MANIFESTS, line->path);
    for (size_t i = 0; i < manifest->entry_count && !rc; i++)
        rc = name(n, DATA_FILES, manifest->entries[i].file.path);
    lake_manifest_free(manifest);
    return rc;
}

static int name_statistics(struct named *n, const struct lake_metadata *m, const char *key)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach(json_object_get(m->doc, key), i, item) rc =
        rc ? rc : name(n, DATA_FILES, json_string_value(json_object_get(item, "statistics-path")));
    return rc;
}

/* `old`: of a metadata file that is history; what expiry removed meanwhile is no mistake. */
static int name_snapshots(struct named *n, const struct lake_metadata *m, bool old)
{
    int rc = 0;

    for (size_t i = 0; i < m->snapshot_count && !rc; i++) {
        const char *path = m->snapshots[i].manifest_list;
        struct lake_manifest_list *list;

        if (old && path && path_set_has(&n->set, path))
            continue; /* a list never changes: it was walked */
        rc = lake_manifest_list_load(n->lake, m, &m->snapshots[i], &list, n->err);
        if (rc == ERR_NOENT && old) {
            rc = 0; /* manifests that no list names may be there one by one */
            for (size_t k = 0; k < m->snapshots[i].manifest_count && !path && !rc; k++)
                rc = name(n, MANIFESTS, m->snapshots[i].manifests[k]);
            continue;
        }
        rc = rc ? rc : name(n, LISTS, path);
        for (size_t k = 0; !rc && k < list->file_count; k++) {
            rc = name_manifest(n, &list->files[k]);
            rc = rc == ERR_NOENT && old ? name(n, MANIFESTS, list->files[k].path) : rc;
        }
        if (list)
            lake_manifest_list_free(list);
    }
    return rc;
}

/* What the older metadata files of the log still hold on to. One that is gone holds nothing. */
static int name_history(struct named *n)
{
    int rc = 0;

    for (size_t i = 0; i < n->m->metadata_log_count && !rc; i++) {
        struct lake_metadata *old = NULL;

        rc = name(n, METADATA_FILES, n->m->metadata_log[i].metadata_file);
        rc = rc ? rc
                : lake_metadata_load(n->lake, n->m->metadata_log[i].metadata_file, &old, n->err);
        if (rc == ERR_NOENT) {
            rc = 0;
            if (n->err)
                *n->err = (struct err){0};
            continue;
        }
        rc = rc ? rc : name_snapshots(n, old, true);
        rc = rc ? rc : name_statistics(n, old, "statistics");
        rc = rc ? rc : name_statistics(n, old, "partition-statistics");
        lake_metadata_free(old);
    }
    return rc;
}

static int name_all(struct named *n, const char *metadata_location)
{
    int rc = n->purging ? 0 : name(n, METADATA_FILES, metadata_location); /* a purge's very last */

    rc = rc ? rc : name_snapshots(n, n->m, n->purging);
    rc = rc ? rc : name_statistics(n, n->m, "statistics");
    return rc ? rc : name_statistics(n, n->m, "partition-statistics");
}

static void named_deinit(struct named *n)
{
    lake_metadata_free(n->m);
    arena_deinit(&n->arena);
}

struct sweeping {
    int64_t before_us; /* what is younger is somebody's */
    bool dry;
    int64_t files, bytes;          /* all below the folder */
    int64_t orphans, orphan_bytes; /* removed, or to be removed */
};

/* One page of the folder; `after` moves on, NULL at the end. */
static int sweep_page(struct named *n, const char *bucket, const char *prefix, const char **after,
                      struct sweeping *sw)
{
    struct store *store = lake_store(n->lake);
    struct arena arena = {0};
    struct store_list list;
    int rc =
        store->ops->list(store, bucket, prefix, NULL, *after, LIST_PAGE, &arena, &list, n->err);

    *after = NULL;
    for (size_t i = 0; !rc && i < list.count; i++) {
        const char *location = arena_printf(&arena, "s3://%s/%s", bucket, list.entries[i].key);

        sw->files++;
        sw->bytes += list.entries[i].size;
        if (!location)
            rc = err_set(n->err, ERR_NOMEM, "orphans");
        else if (!path_set_has(&n->set, location) && list.entries[i].mtime_us < sw->before_us &&
                 !inflight_has(lake_inflight(n->lake), location)) {
            sw->orphans++;
            sw->orphan_bytes += list.entries[i].size;
            if (!sw->dry)
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

static int sweep_folder(struct named *n, struct sweeping *sw)
{
    const char *bucket, *key, *after = NULL, *prefix;
    int rc = store_split(n->m->location, &n->arena, &bucket, &key, n->err);

    /* The slash matters: below "t" lies "t2/..." too. */
    prefix = rc ? NULL : arena_printf(&n->arena, "%s/", key);
    if (!rc && (!prefix || !*key))
        rc = err_set(n->err, prefix ? ERR_INVALID : ERR_NOMEM, "%s is no folder of a table",
                     n->m->location);
    do
        rc = rc ? rc : sweep_page(n, bucket, prefix, &after, sw);
    while (!rc && after);
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

int orphans_sweep(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                  int64_t *removed, int64_t *bytes, struct err *err)
{
    struct named n = {.lake = lake, .err = err};
    struct sweeping sw = {.before_us = clock_wall_us(lake_clock(lake)) - age_ms * 1000, .dry = dry};
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    n.set.arena = &n.arena;
    rc = rc ? rc : check_gc(n.m, err);
    rc = rc ? rc : name_all(&n, metadata_location);
    rc = rc ? rc : name_history(&n);
    rc = rc ? rc : sweep_folder(&n, &sw);
    *removed = sw.orphans;
    *bytes = sw.orphan_bytes;
    named_deinit(&n);
    return rc;
}

/* ---- metadata files ---- */

/* The version in "00012-<uuid>.metadata.json", also with .gz before or after; -1: no such name. */
static int64_t version_of(const char *location)
{
    const char *slash = strrchr(location, '/'), *name = slash ? slash + 1 : location, *at = name;
    int64_t version = 0;

    for (; *at >= '0' && *at <= '9' && at - name < 18; at++)
        version = version * 10 + (*at - '0');
    return at > name && *at == '-' && strstr(at, ".metadata.json") ? version : -1;
}

/* The least version that is still named. */
static int64_t oldest_version(const struct lake_metadata *m, const char *metadata_location)
{
    int64_t oldest = version_of(metadata_location);

    for (size_t i = 0; i < m->metadata_log_count; i++) {
        int64_t version = version_of(m->metadata_log[i].metadata_file);

        oldest = version < oldest ? version : oldest; /* -1: of a name we cannot order: none goes */
    }
    return oldest;
}

static int prune_page(struct named *n, const char *bucket, const char *prefix, const char **after,
                      int64_t oldest, struct sweeping *sw)
{
    struct store *store = lake_store(n->lake);
    struct arena arena = {0};
    struct store_list list;
    int rc =
        store->ops->list(store, bucket, prefix, NULL, *after, LIST_PAGE, &arena, &list, n->err);

    *after = NULL;
    for (size_t i = 0; !rc && i < list.count; i++) {
        const char *location = arena_printf(&arena, "s3://%s/%s", bucket, list.entries[i].key);
        int64_t version = location ? version_of(location) : -1;

        if (!location)
            rc = err_set(n->err, ERR_NOMEM, "metadata files");
        if (rc || version < 0 || version >= oldest || list.entries[i].mtime_us >= sw->before_us)
            continue;
        sw->orphans++;
        sw->orphan_bytes += list.entries[i].size;
        if (!sw->dry)
            lake_remove_files(n->lake, &location, 1);
    }
    if (!rc && list.truncated && list.count) {
        *after = arena_strdup(&n->arena, list.entries[list.count - 1].key);
        rc = *after ? 0 : err_set(n->err, ERR_NOMEM, "metadata files");
    }
    arena_deinit(&arena);
    return rc;
}

int metadata_prune(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                   int64_t *removed, int64_t *bytes, struct err *err)
{
    struct named n = {.lake = lake, .err = err};
    struct sweeping sw = {.before_us = clock_wall_us(lake_clock(lake)) - age_ms * 1000, .dry = dry};
    const char *bucket, *key, *after = NULL;
    char *prefix = NULL;
    int64_t oldest;
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    rc = rc ? rc : check_gc(n.m, err);
    oldest = rc ? -1 : oldest_version(n.m, metadata_location);
    rc = rc ? rc : store_split(metadata_location, &n.arena, &bucket, &key, err);
    if (!rc && oldest > 0) /* beside the newest, where write.metadata.path has them too */
        prefix = arena_strdup(&n.arena, key);
    if (prefix && strrchr(prefix, '/')) {
        strrchr(prefix, '/')[1] = '\0';
        do
            rc = rc ? rc : prune_page(&n, bucket, prefix, &after, oldest, &sw);
        while (!rc && after);
    }
    *removed = sw.orphans;
    *bytes = sw.orphan_bytes;
    named_deinit(&n);
    return rc;
}

int lake_orphans_remove(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                        int64_t *removed, struct err *err)
{
    int64_t bytes;

    return orphans_sweep(lake, metadata_location, age_ms, dry, removed, &bytes, err);
}

int lake_stored(struct lake *lake, const char *metadata_location, struct lake_health *out,
                struct err *err)
{
    struct named n = {.lake = lake, .err = err};
    struct sweeping sw = {.before_us = INT64_MAX, .dry = true};
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    n.set.arena = &n.arena;
    rc = rc ? rc : name_all(&n, metadata_location);
    rc = rc ? rc : name_history(&n);
    rc = rc ? rc : sweep_folder(&n, &sw);
    out->stored_files = sw.files;
    out->stored_bytes = sw.bytes;
    out->unreferenced = sw.orphans;
    out->unreferenced_bytes = sw.orphan_bytes;
    named_deinit(&n);
    return rc;
}

/* ---- dropped tables ---- */

/* All of one kind, or an error: what names them must stay then, so that they are found again. */
static int purge_kind(struct named *n, const struct path_list *files)
{
    int first = 0;

    for (size_t i = 0; i < files->count; i++) {
        struct err why = {0};
        int rc;

        cache_drop(n->lake, files->list[i]);
        rc = store_remove_at(lake_store(n->lake), files->list[i], &why);
        inflight_done(lake_inflight(n->lake), files->list[i]);
        if (rc && rc != ERR_NOENT && !first)
            first = err_set(n->err, rc, "%s stays behind: %s", files->list[i], why.text);
    }
    return first;
}

/* A purge that was cut off anywhere is done again from the metadata file, which goes last. What a
 * file names goes before it, so one that is missing names nothing that is left. */
int lake_purge(struct lake *lake, const char *metadata_location, struct err *err)
{
    struct named n = {.lake = lake, .purging = true, .err = err};
    const struct path_list last = {&metadata_location, 1, 1};
    int rc = lake_metadata_load(lake, metadata_location, &n.m, err);

    n.set.arena = &n.arena;
    rc = rc ? rc : check_gc(n.m, err);
    rc = rc ? rc : name_all(&n, metadata_location);
    rc = rc ? rc : name_history(&n);
    for (int kind = 0; kind < NAMED_KINDS && !rc; kind++)
        rc = purge_kind(&n, &n.kinds[kind]);
    rc = rc ? rc : purge_kind(&n, &last);
    named_deinit(&n);
    return rc;
}
