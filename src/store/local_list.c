/* local_list.c - a bucket's keys in bytewise order, from the folders that can hold them.
 *
 * The walk enters only folders whose keys can begin with the prefix and come after start_after, and
 * leaves a folder as soon as its common prefix is out. Folders come sorted from local_level.c.
 */
#include <stdio.h>

#include "store/local_level.h"

struct walk {
    struct local *local;
    bool names_only; /* of versions/: the entries are folders, their attributes are not asked for */
    const char *bucket;
    struct slice prefix, delimiter, start_after;
    size_t max_keys, cap;
    struct arena *arena; /* the caller's: for what is given back */
    struct store_list *out;
    struct slice skip; /* the common prefix given last, len 0: none */
    bool full;
};

static int give(struct walk *walk, struct slice key, const struct disk_stat *stat,
                const struct store_info *info)
{
    struct store_list *out = walk->out;
    struct store_entry *entry;

    if (out->count == walk->max_keys) {
        out->truncated = true;
        walk->full = true;
        return 0;
    }
    if (out->count == walk->cap) {
        size_t cap = walk->cap ? walk->cap * 2 : 64;
        struct store_entry *list = ARENA_ARRAY(walk->arena, struct store_entry, cap);

        if (!list)
            return ERR_NOMEM;
        if (out->count)
            memcpy(list, out->entries, out->count * sizeof(*list));
        out->entries = list;
        walk->cap = cap;
    }
    entry = &out->entries[out->count];
    *entry = (struct store_entry){.key = arena_cstr(walk->arena, key), .is_prefix = !stat};
    if (stat) {
        entry->size = stat->size;
        entry->mtime_us = stat->mtime_us;
        entry->etag = arena_strdup(walk->arena, info->etag);
    } else {
        walk->skip = slice_str(entry->key);
    }
    out->count++;
    return entry->key && (entry->etag || !stat) ? 0 : ERR_NOMEM;
}

static const uint8_t *find_delimiter(const struct walk *walk, struct slice key)
{
    if (walk->delimiter.len == 0 || key.len <= walk->prefix.len)
        return NULL;
    return memmem(key.ptr + walk->prefix.len, key.len - walk->prefix.len, walk->delimiter.ptr,
                  walk->delimiter.len);
}

static int give_object(struct walk *walk, const char *path, struct slice key, struct err *err)
{
    const uint8_t *mark = find_delimiter(walk, key);
    struct arena arena = {0};
    struct disk_stat stat;
    struct store_info info;
    const char *text;
    int rc;

    if (mark) {
        struct slice common = slice_of(key.ptr, (size_t)(mark - key.ptr) + walk->delimiter.len);

        return give(walk, common, NULL, NULL);
    }
    text = arena_cstr(&arena, key);
    rc = text ? disk_stat(walk->local->disk, path, &stat, err) : ERR_NOMEM;
    if (!rc && walk->names_only)
        info = (struct store_info){0};
    else if (!rc)
        rc = local_attr_get(walk->local, walk->bucket, text, &stat, &info, err);
    if (!rc)
        rc = give(walk, key, &stat, &info);
    arena_deinit(&arena);
    return rc == ERR_NOENT ? 0 : rc; /* removed since it was seen */
}

/* Can the folder whose keys begin with `head` hold a key that is wanted? */
static bool worth_entering(const struct walk *walk, struct slice head)
{
    if (walk->skip.len && slice_starts(head, walk->skip))
        return false;
    if (!slice_starts(head, walk->prefix) && !slice_starts(walk->prefix, head))
        return false;
    return slice_cmp(head, walk->start_after) > 0 || slice_starts(walk->start_after, head);
}

static bool wanted(const struct walk *walk, struct slice key)
{
    if (walk->skip.len && slice_starts(key, walk->skip))
        return false;
    return slice_starts(key, walk->prefix) && slice_cmp(key, walk->start_after) > 0;
}

/* Where in the level to begin: at the last entry that does not come after what is skipped, since a
 * folder comes before what is in it. */
static size_t first_wanted(const struct walk *walk, const struct level *level, struct slice head)
{
    struct slice bound =
        slice_cmp(walk->start_after, walk->prefix) > 0 ? walk->start_after : walk->prefix;
    size_t low = 0, high = level->count;

    if (!slice_starts(bound, head))
        return 0;
    bound = slice_of(bound.ptr + head.len, bound.len - head.len);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (local_level_cmp(&level->list[middle], bound) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low ? low - 1 : 0;
}

static int walk_dir(struct walk *walk, const char *dir, struct slice head, struct err *err);

/* One entry of the level; `done` when nothing that follows can be wanted. */
static int walk_entry(struct walk *walk, const char *dir, struct slice head,
                      const struct level_entry *entry, bool *done, struct err *err)
{
    struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/%s", dir, entry->path);
    struct slice key;
    int rc = 0;

    key.ptr = (uint8_t *)arena_printf(&arena, "%.*s%.*s%s", SLICE_ARG(head), SLICE_ARG(entry->name),
                                      entry->is_dir ? "/" : "");
    key.len = head.len + entry->name.len + (entry->is_dir ? 1 : 0);
    if (!key.ptr || !path)
        rc = ERR_NOMEM;
    else if (slice_cmp(key, walk->prefix) > 0 && !slice_starts(key, walk->prefix))
        *done = true;
    else if (entry->is_dir && worth_entering(walk, key))
        rc = walk_dir(walk, path, key, err);
    else if (!entry->is_dir && wanted(walk, key))
        rc = give_object(walk, path, key, err);
    arena_deinit(&arena);
    return rc;
}

static int walk_dir(struct walk *walk, const char *dir, struct slice head, struct err *err)
{
    struct level *level;
    bool done = false;
    int rc = local_level_take(walk->local, dir, &level, err);

    if (rc)
        return rc;
    for (size_t i = first_wanted(walk, level, head); i < level->count && !rc; i++) {
        /* All that is left here may be under the common prefix. */
        done |= walk->full || (walk->skip.len && slice_starts(head, walk->skip));
        if (done)
            break;
        rc = walk_entry(walk, dir, head, &level->list[i], &done, err);
    }
    local_level_give(walk->local, level, walk->full); /* the next page will ask for it */
    return rc;
}

int local_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
               const char *start_after, size_t max_keys, struct arena *arena,
               struct store_list *out, struct err *err)
{
    struct local *local = (struct local *)store;

    return local_list_in(local, local->objects, bucket, prefix, delimiter, start_after, max_keys,
                         arena, out, err);
}

int local_list_in(struct local *local, const char *root, const char *bucket, const char *prefix,
                  const char *delimiter, const char *start_after, size_t max_keys,
                  struct arena *arena, struct store_list *out, struct err *err)
{
    struct walk walk = {.local = local,
                        .names_only = root == local->versions,
                        .bucket = bucket,
                        .prefix = slice_str(prefix ? prefix : ""),
                        .delimiter = slice_str(delimiter ? delimiter : ""),
                        .start_after = slice_str(start_after ? start_after : ""),
                        .max_keys = max_keys,
                        .arena = arena,
                        .out = out};
    struct arena scratch = {0};
    const uint8_t *slash = walk.prefix.len ? memrchr(walk.prefix.ptr, '/', walk.prefix.len) : NULL;
    struct slice head =
        slice_of(walk.prefix.ptr, slash ? (size_t)(slash - walk.prefix.ptr) + 1 : 0);
    const char *dir;
    int rc = local_check(bucket, NULL, err);

    *out = (struct store_list){0};
    /* Going on after a common prefix means after all that is under it. */
    if (slice_starts(walk.start_after, walk.prefix)) {
        const uint8_t *mark = find_delimiter(&walk, walk.start_after);

        if (mark && mark + walk.delimiter.len == walk.start_after.ptr + walk.start_after.len)
            walk.skip = walk.start_after;
    }
    if (!rc)
        rc = local_bucket_check(local, bucket, err);
    if (rc)
        return rc;
    rc = local_find_dir(local, &scratch, root, bucket, head, &dir, err);
    if (rc == ERR_NOENT)
        rc = 0;
    else if (!rc)
        rc = walk_dir(&walk, dir, head, err);
    arena_deinit(&scratch);
    return rc ? err_wrap(err, rc, "list %s", bucket) : 0;
}
