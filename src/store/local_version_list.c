/* local_version_list.c - a bucket's versions: keys in bytewise order, of each the newest first.
 *
 * Two sorted lists are merged, the keys that have an object and those that have a folder of
 * versions; both come from local_list.c, a page at a time. What counts of a key's versions is
 * decided in local_version.c.
 */
#include <stdio.h>

#include "base/json.h"
#include "store/store_local.h"

#define PAGE 256

/* One of the two lists. */
struct cursor {
    const char *root;
    struct store_list page;
    size_t at;
    const char *after; /* of the next page */
    bool started;
};

struct merge {
    struct local *local;
    const char *bucket, *prefix, *delimiter;
    size_t max, cap;
    struct arena *arena; /* the caller's */
    struct store_version_list *out;
};

/* The list's next entry; NULL at its end. */
static int peek(struct merge *merge, struct cursor *cursor, const struct store_entry **out,
                struct err *err)
{
    int rc = 0;

    *out = NULL;
    while (!rc && cursor->at == cursor->page.count &&
           (!cursor->started || cursor->page.truncated)) {
        if (cursor->started)
            cursor->after = cursor->page.entries[cursor->page.count - 1].key;
        cursor->started = true;
        cursor->at = 0;
        rc = local_list_in(merge->local, cursor->root, merge->bucket, merge->prefix,
                           merge->delimiter, cursor->after, PAGE, merge->arena, &cursor->page, err);
    }
    if (!rc && cursor->at < cursor->page.count)
        *out = &cursor->page.entries[cursor->at];
    return rc;
}

/* A place for one more; NULL with *rc 0: the list is full. */
static struct store_version *add(struct merge *merge, int *rc)
{
    struct store_version_list *out = merge->out;

    if (out->count == merge->max) {
        out->truncated = true;
        return NULL;
    }
    if (out->count == merge->cap) {
        size_t cap = merge->cap ? merge->cap * 2 : 64;
        struct store_version *list = ARENA_ARRAY(merge->arena, struct store_version, cap);

        if (!list) {
            *rc = ERR_NOMEM;
            return NULL;
        }
        if (out->count)
            memcpy(list, out->entries, out->count * sizeof(*list));
        out->entries = list;
        merge->cap = cap;
    }
    return &out->entries[out->count++];
}

/* How many come before what is behind the version `id`, which may be gone by now: its own time, at
 * its beginning, tells its place. */
static size_t behind(const struct local_kept *list, size_t count, const char *id)
{
    uint64_t seq = 0;
    size_t i = 0;

    while (i < count && strcmp(list[i].id, id))
        i++;
    if (i < count)
        return i + 1;
    if (sscanf(id, "%16" SCNx64, &seq) != 1)
        return count;
    for (i = 0; i < count && (uint64_t)list[i].seq >= seq; i++)
        ;
    return i;
}

/* The versions of one key behind `after`; NULL: all. */
static int add_key(struct merge *merge, const char *key, const char *after, struct err *err)
{
    struct local_kept *list;
    struct arena arena = {0};
    struct store_info info;
    int64_t newer_us = 0;
    size_t count = 0, skip = 0;
    int rc = local_version_all(merge->local, &arena, merge->bucket, key, &list, &count, err);

    if (!rc && after)
        skip = behind(list, count, after);
    for (size_t i = 0; !rc && i < count && !merge->out->truncated; i++) {
        struct store_version *entry;
        int64_t replaced_us = newer_us;

        rc = local_version_info(merge->local, &arena, merge->bucket, key, &list[i], &info, NULL);
        if (rc == ERR_NOENT) { /* it went since it was seen */
            rc = 0;
            continue;
        }
        newer_us = info.mtime_us;
        if (i < skip)
            continue;
        entry = rc ? NULL : add(merge, &rc);
        if (!entry)
            break;
        *entry = (struct store_version){.key = arena_strdup(merge->arena, key),
                                        .id = arena_strdup(merge->arena, list[i].id),
                                        .size = info.size,
                                        .mtime_us = info.mtime_us,
                                        .replaced_us = replaced_us,
                                        .etag = arena_strdup(merge->arena, info.etag),
                                        .metadata = arena_strdup(merge->arena, info.metadata),
                                        .is_latest = i == 0,
                                        .is_marker = list[i].is_marker};
        if (!entry->key || !entry->id || !entry->etag || !entry->metadata)
            rc = ERR_NOMEM;
    }
    arena_deinit(&arena);
    return rc ? err_set(err, rc, "versions of %s/%s", merge->bucket, key) : 0;
}

static int add_prefix(struct merge *merge, const struct store_entry *from)
{
    int rc = 0;
    struct store_version *entry = add(merge, &rc);

    if (entry)
        *entry = (struct store_version){.key = from->key, .is_prefix = true};
    return rc;
}

/* The smaller of the two goes out, or both when they are the same. */
static int step(struct merge *merge, struct cursor lists[2], bool *more, struct err *err)
{
    const struct store_entry *left, *right, *entry;
    int rc = peek(merge, &lists[0], &left, err);
    int order;

    if (!rc)
        rc = peek(merge, &lists[1], &right, err);
    *more = !rc && (left || right);
    if (!*more)
        return rc;
    order = !left ? 1 : !right ? -1 : strcmp(left->key, right->key);
    entry = order <= 0 ? left : right;
    lists[0].at += order <= 0;
    lists[1].at += order >= 0;
    return entry->is_prefix ? add_prefix(merge, entry) : add_key(merge, entry->key, NULL, err);
}

int local_version_list(struct store *store, const char *bucket, const char *prefix,
                       const char *delimiter, const char *start_after, const char *start_version,
                       size_t max, struct arena *arena, struct store_version_list *out,
                       struct err *err)
{
    struct local *local = (struct local *)store;
    struct merge merge = {.local = local,
                          .bucket = bucket,
                          .prefix = prefix ? prefix : "",
                          .delimiter = delimiter ? delimiter : "",
                          .max = max,
                          .arena = arena,
                          .out = out};
    struct cursor lists[2] = {{.root = local->objects, .after = start_after ? start_after : ""},
                              {.root = local->versions, .after = start_after ? start_after : ""}};
    bool more = true;
    int rc = local_check(bucket, NULL, err);

    *out = (struct store_version_list){0};
    if (!rc)
        rc = local_bucket_check(local, bucket, err);
    if (!rc && start_version && start_after && start_after[0])
        rc = add_key(&merge, start_after, start_version, err);
    while (!rc && more && !out->truncated)
        rc = step(&merge, lists, &more, err);
    return rc;
}
