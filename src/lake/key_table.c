/* key_table.c - the newest entries of a key index. See key_index_int.h. */
#include "lake/key_index_int.h"

#define TABLE_MIN  1024
#define PROBES_MAX 4096

static size_t home_of(const struct key_table *t, uint64_t hash)
{
    return (size_t)(hash >> (64 - __builtin_ctzll(t->cap)));
}

static int table_alloc(struct key_table *t, size_t cap, size_t slack)
{
    t->slots = calloc(cap + slack, sizeof(*t->slots));
    t->cap = cap;
    t->slack = slack;
    t->used = t->live = 0;
    return t->slots ? 0 : ERR_NOMEM;
}

int key_table_init(struct key_table *t, size_t expected)
{
    size_t cap = TABLE_MIN;

    while (cap < expected + expected / 3)
        cap *= 2;
    return table_alloc(t, cap, PROBES_MAX);
}

void key_table_deinit(struct key_table *t)
{
    free(t->slots);
    memset(t, 0, sizeof(*t));
}

void key_table_clear(struct key_table *t)
{
    if (t->slots)
        memset(t->slots, 0, (t->cap + t->slack) * sizeof(*t->slots));
    t->used = t->live = 0;
}

size_t key_table_bytes(const struct key_table *t)
{
    return t->slots ? (t->cap + t->slack) * sizeof(*t->slots) : 0;
}

static struct key_entry *scan_from(const struct key_table *t, size_t at, struct key_hash key)
{
    for (; at < t->cap + t->slack && t->slots[at].file; at++)
        if (t->slots[at].hash == key.hash && t->slots[at].check == key.check &&
            t->slots[at].file != KEY_DEAD)
            return &t->slots[at];
    return NULL;
}

struct key_entry *key_table_find(const struct key_table *t, struct key_hash key)
{
    return scan_from(t, home_of(t, key.hash), key);
}

struct key_entry *key_table_next(const struct key_table *t, struct key_hash key,
                                 const struct key_entry *after)
{
    return scan_from(t, (size_t)(after - t->slots) + 1, key);
}

static int grow(struct key_table *t)
{
    struct key_table old = *t;
    /* Mostly dead slots want no more room, only a fresh start. */
    int rc = table_alloc(t, old.live > old.cap / 2 ? old.cap * 2 : old.cap, PROBES_MAX);

    if (rc) {
        *t = old;
        return rc;
    }
    for (size_t i = 0; i < old.cap + old.slack && !rc; i++)
        if (old.slots[i].file && old.slots[i].file != KEY_DEAD)
            rc = key_table_insert(t, old.slots[i]);
    if (rc) {
        key_table_deinit(t);
        *t = old;
        return rc;
    }
    free(old.slots);
    return 0;
}

int key_table_insert(struct key_table *t, struct key_entry entry)
{
    size_t at;
    int rc = t->used >= t->cap / 4 * 3 ? grow(t) : 0;

    if (rc)
        return rc;
    at = home_of(t, entry.hash);
    for (size_t probes = 0; at < t->cap + t->slack && probes < PROBES_MAX; at++, probes++) {
        uint32_t file = t->slots[at].file;

        if (file && file != KEY_DEAD)
            continue;
        t->slots[at] = entry;
        t->used += !file;
        t->live++;
        return 0;
    }
    return ERR_LIMIT;
}

int key_table_put(struct key_table *t, struct key_entry entry)
{
    struct key_hash key = {entry.hash, entry.check};
    struct key_entry *slot = key_table_find(t, key);

    if (!slot)
        return key_table_insert(t, entry);
    *slot = entry;
    while ((slot = key_table_next(t, key, slot))) {
        slot->file = KEY_DEAD;
        t->live--;
    }
    return 0;
}

static bool in_order(const struct key_entry *a, const struct key_entry *b)
{
    int cmp = key_cmp(a->hash, a->check, b->hash, b->check);

    return cmp < 0 || (cmp == 0 && ((a->file & KEY_MORE) || !(b->file & KEY_MORE)));
}

size_t key_table_sort(struct key_table *t)
{
    size_t count = 0;

    for (size_t i = 0; i < t->cap + t->slack; i++) {
        struct key_entry entry = t->slots[i];
        size_t at = count;

        if (!entry.file || entry.file == KEY_DEAD)
            continue;
        for (; at && !in_order(&t->slots[at - 1], &entry); at--)
            t->slots[at] = t->slots[at - 1];
        t->slots[at] = entry;
        count++;
    }
    return count;
}

static int by_hash(const void *a, const void *b)
{
    const struct key_hash *x = a, *y = b;

    return key_cmp(x->hash, x->check, y->hash, y->check);
}

/* Callers mostly come with the order of a key_table, which an insertion sort puts right in one
 * pass; whatever else comes must not cost its square. */
void key_hash_sort(struct key_hash *keys, size_t count)
{
    size_t moves = count * 8 + 64;

    for (size_t i = 1; i < count; i++) {
        struct key_hash key = keys[i];
        size_t at = i;

        for (; at && by_hash(&keys[at - 1], &key) > 0 && moves; at--, moves--)
            keys[at] = keys[at - 1];
        keys[at] = key;
        if (!moves) {
            qsort(keys, count, sizeof(*keys), by_hash);
            return;
        }
    }
}
