/* local_level.c - reading and sorting a folder, and keeping a few for the next page. */
#include "store/local_level.h"

#define KEPT_MIN       200                /* entries; less is read again as quickly */
#define KEPT_MAX_BYTES ((size_t)32 << 20) /* of one level: some 200,000 entries */

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

static int level_read(struct local *local, struct level *level, const char *dir, struct slice head,
                      const char *below, struct err *err);

static int level_read_on(struct local *local, struct level *level, const char *dir,
                         const char *name, const struct level_entry *entry, struct err *err)
{
    const char *inner = arena_printf(&level->arena, "%s/%s", dir, name);
    const char *below = arena_printf(&level->arena, "%s/", entry->path);

    if (!inner || !below)
        return err_set(err, ERR_NOMEM, "list");
    level->spread = true;
    return level_read(local, level, inner, entry->name, below, err);
}

/* Reads `dir`; the folders of segments that go on are read too, since their members are members of
 * this level. `head` is what stands in front of each name, `below` the path to it. */
static int level_read(struct local *local, struct level *level, const char *dir, struct slice head,
                      const char *below, struct err *err)
{
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(local->disk, dir, &level->arena, &entries, &count, err);

    if (rc == ERR_NOENT)
        return 0; /* removed since it was seen */
    for (size_t i = 0; i < count && !rc; i++) {
        struct level_entry entry = {.is_dir = entries[i].is_dir};
        const char *name = entries[i].name;
        size_t len = strlen(name);
        bool goes_on = entry.is_dir && slice_ends(slice_of(name, len), SLICE_LIT("%+"));
        bool kept = entry.is_dir && slice_ends(slice_of(name, len), SLICE_LIT("%v"));
        const char *form = entry.is_dir ? "%dir" : "%obj";
        struct slice part;

        if (kept)
            entry.is_dir = false; /* a key's versions stand for the key */
        if (goes_on || kept)
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
        rc =
            goes_on ? level_read_on(local, level, dir, name, &entry, err) : level_add(level, entry);
    }
    return rc;
}

int local_level_cmp(const struct level_entry *entry, struct slice text)
{
    size_t len = entry->name.len < text.len ? entry->name.len : text.len;
    int order = len ? memcmp(entry->name.ptr, text.ptr, len) : 0;

    if (order)
        return order;
    if (entry->name.len > text.len)
        return 1;
    if (!entry->is_dir) /* the name is the beginning of the text, or all of it */
        return entry->name.len < text.len ? -1 : 0;
    if (entry->name.len == text.len)
        return 1;
    order = '/' - text.ptr[len];
    return order ? order : entry->name.len + 1 < text.len ? -1 : 0;
}

void local_level_free(struct level *level)
{
    if (!level)
        return;
    free(level->list);
    free(level->dir);
    arena_deinit(&level->arena);
    free(level);
}

/* Takes the kept level of the folder out of its slot; NULL: none. Fresh or not. */
static struct level *take_kept(struct local *local, const char *dir)
{
    struct level *found = NULL;

    pthread_mutex_lock(&local->levels_lock);
    for (size_t i = 0; i < LOCAL_LEVELS && !found; i++)
        if (local->levels[i] && strcmp(local->levels[i]->dir, dir) == 0) {
            found = local->levels[i];
            local->levels[i] = NULL;
        }
    pthread_mutex_unlock(&local->levels_lock);
    return found;
}

/* `changes` is raised after a name has changed: a level read before that and marked with the older
 * number is not taken for fresh. The folder's time tells of changes from outside. */
int local_level_take(struct local *local, const char *dir, struct level **out, struct err *err)
{
    uint64_t changes = __atomic_load_n(&local->changes, __ATOMIC_ACQUIRE);
    struct disk_stat stat = {0};
    struct level *level;
    int rc = disk_stat(local->disk, dir, &stat, err);

    if (rc && rc != ERR_NOENT)
        return rc;
    level = take_kept(local, dir);
    if (level && level->changes == changes && level->mtime_us == stat.mtime_us && !rc) {
        *out = level;
        return 0;
    }
    local_level_free(level);
    level = calloc(1, sizeof(*level));
    if (!level)
        return err_set(err, ERR_NOMEM, "list %s", dir);
    level->changes = changes;
    level->mtime_us = stat.mtime_us;
    level->dir = strdup(dir);
    rc = level->dir ? level_read(local, level, dir, slice_of("", 0), "", err) : ERR_NOMEM;
    if (rc) {
        local_level_free(level);
        return rc;
    }
    if (level->count)
        qsort(level->list, level->count, sizeof(*level->list), by_name);
    *out = level;
    return 0;
}

void local_level_give(struct local *local, struct level *level, bool keep)
{
    struct level *old = level;

    if (keep && level->count >= KEPT_MIN && !level->spread &&
        level->arena.used_bytes <= KEPT_MAX_BYTES) {
        pthread_mutex_lock(&local->levels_lock);
        old = local->levels[local->levels_next];
        local->levels[local->levels_next] = level;
        local->levels_next = (local->levels_next + 1) % LOCAL_LEVELS;
        pthread_mutex_unlock(&local->levels_lock);
    }
    local_level_free(old);
}
