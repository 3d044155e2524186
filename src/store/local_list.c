/* local_list.c - a bucket's keys in bytewise order, from the folders that can hold them and no
 * more.
 *
 * Each folder is read whole and sorted as S3 sorts: a folder counts as its name with a '/' behind.
 * The walk enters only folders whose keys can begin with the prefix and come after start_after, and
 * leaves a folder as soon as its common prefix is out.
 */
#include <stdio.h>

#include "store/store_local.h"

struct level_entry {
    struct slice name; /* a segment, decoded */
    const char *path;  /* in the level's folder */
    bool is_dir;
};

struct level {
    struct arena arena;
    struct level_entry *list;
    size_t count, cap;
};

struct walk {
    struct local *local;
    const char *bucket;
    struct slice prefix, delimiter, start_after;
    size_t max_keys, cap;
    struct arena *arena; /* the caller's: for what is given back */
    struct store_list *out;
    struct slice skip; /* the common prefix given last, len 0: none */
    bool full;
};

static int level_add(struct level *level, struct level_entry entry)
{
    if (level->count == level->cap) {
        size_t cap = level->cap ? level->cap * 2 : 64;
        struct level_entry *list = realloc(level->list, cap * sizeof(*list));

        if (!list)
            return ERR_NOMEM;
        level->list = list;
        level->cap = cap;
    }
    level->list[level->count++] = entry;
    return 0;
}

/* Bytewise, a folder as if its name ended with '/'. */
static int by_name(const void *left, const void *right)
{
    const struct level_entry *a = left, *b = right;
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = len ? memcmp(a->name.ptr, b->name.ptr, len) : 0;
    int next_a, next_b;

    if (order)
        return order;
    next_a = a->name.len > len ? a->name.ptr[len] : a->is_dir ? '/' : -1;
    next_b = b->name.len > len ? b->name.ptr[len] : b->is_dir ? '/' : -1;
    return next_a - next_b;
}

static int level_read(struct walk *walk, struct level *level, const char *dir, struct slice head,
                      const char *below, struct err *err);

static int level_read_on(struct walk *walk, struct level *level, const char *dir, const char *name,
                         const struct level_entry *entry, struct err *err)
{
    const char *inner = arena_printf(&level->arena, "%s/%s", dir, name);
    const char *below = arena_printf(&level->arena, "%s/", entry->path);

    if (!inner || !below)
        return err_set(err, ERR_NOMEM, "list");
    return level_read(walk, level, inner, entry->name, below, err);
}

/* Reads `dir`; the folders of segments that go on are read too, since their members are members of
 * this level. `head` is what stands in front of each name, `below` the path to it. */
static int level_read(struct walk *walk, struct level *level, const char *dir, struct slice head,
                      const char *below, struct err *err)
{
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(walk->local->disk, dir, &level->arena, &entries, &count, err);

    if (rc == ERR_NOENT)
        return 0; /* removed since it was seen */
    for (size_t i = 0; i < count && !rc; i++) {
        struct level_entry entry = {.is_dir = entries[i].is_dir};
        const char *name = entries[i].name;
        size_t len = strlen(name);
        bool goes_on = entry.is_dir && slice_ends(slice_of(name, len), SLICE_LIT("%+"));
        const char *form = entry.is_dir ? "%dir" : "%obj";
        struct slice part;

        if (goes_on)
            len -= 2;
        else if (slice_ends(slice_of(name, len), slice_str(form)))
            len -= 4;
        rc = local_unescape(&level->arena, name, len, &part);
        if (rc == ERR_CORRUPT) {
            rc = 0;
            continue; /* not a name of ours: somebody else put it there */
        }
        entry.path = arena_printf(&level->arena, "%s%s", below, name);
        entry.name = slice_of(NULL, head.len + part.len);
        entry.name.ptr =
            (uint8_t *)arena_printf(&level->arena, "%.*s%.*s", SLICE_ARG(head), SLICE_ARG(part));
        if (rc || !entry.path || !entry.name.ptr)
            return err_set(err, ERR_NOMEM, "list");
        rc = goes_on ? level_read_on(walk, level, dir, name, &entry, err) : level_add(level, entry);
    }
    return rc;
}

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
    if (!rc)
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

static int walk_dir(struct walk *walk, const char *dir, struct slice head, struct err *err)
{
    struct level level = {0};
    int rc = level_read(walk, &level, dir, slice_of("", 0), "", err);

    if (!rc && level.count)
        qsort(level.list, level.count, sizeof(*level.list), by_name);
    for (size_t i = 0; i < level.count && !rc && !walk->full; i++) {
        const struct level_entry *entry = &level.list[i];
        struct arena arena = {0};
        const char *path;
        struct slice key;

        if (walk->skip.len && slice_starts(head, walk->skip))
            break; /* all that is left here is under the common prefix */
        key.ptr = (uint8_t *)arena_printf(&arena, "%.*s%.*s%s", SLICE_ARG(head),
                                          SLICE_ARG(entry->name), entry->is_dir ? "/" : "");
        key.len = head.len + entry->name.len + (entry->is_dir ? 1 : 0);
        path = arena_printf(&arena, "%s/%s", dir, entry->path);
        if (!key.ptr || !path)
            rc = ERR_NOMEM;
        else if (entry->is_dir && worth_entering(walk, key))
            rc = walk_dir(walk, path, key, err);
        else if (!entry->is_dir && wanted(walk, key))
            rc = give_object(walk, path, key, err);
        arena_deinit(&arena);
    }
    free(level.list);
    arena_deinit(&level.arena);
    return rc;
}

int local_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
               const char *start_after, size_t max_keys, struct arena *arena,
               struct store_list *out, struct err *err)
{
    struct local *local = (struct local *)store;
    struct walk walk = {.local = local,
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
    rc = local_find_dir(local, &scratch, bucket, head, &dir, err);
    if (rc == ERR_NOENT)
        rc = 0;
    else if (!rc)
        rc = walk_dir(&walk, dir, head, err);
    arena_deinit(&scratch);
    return rc ? err_wrap(err, rc, "list %s", bucket) : 0;
}
