/* sorted.c - things in the order of their keys: short leaves, found through a list of them.
 *
 * Chosen over a balanced tree: a leaf is one line of memory after another, a million things are
 * 12,000 leaves, and the move that a split costs in their list comes once in 64 additions.
 */
#include "operator/rows_out.h"

#define LEAF_MAX 128

static uint64_t prefix_of(struct slice key)
{
    uint64_t prefix = 0;

    memcpy(&prefix, key.ptr, key.len < 8 ? key.len : 8);
    return __builtin_bswap64(prefix);
}

static int compare(const struct sorted_item *item, uint64_t prefix, struct slice key)
{
    if (item->prefix != prefix)
        return item->prefix < prefix ? -1 : 1;
    return slice_cmp(slice_of(item->key, item->len), key);
}

void sorted_deinit(struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->leaf_count; i++)
        free(sorted->leaves[i]);
    free(sorted->leaves);
    *sorted = (struct sorted){0};
}

/* The last leaf whose first key is at or before the one looked for; else the first. */
static size_t leaf_for(const struct sorted *sorted, uint64_t prefix, struct slice key)
{
    size_t low = 0, high = sorted->leaf_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare(&sorted->leaves[middle]->items[0], prefix, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}

/* How many of a leaf's items are before the key. */
static uint32_t place_in(const struct sorted_leaf *leaf, uint64_t prefix, struct slice key)
{
    uint32_t low = 0, high = leaf->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (compare(&leaf->items[middle], prefix, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct sorted_leaf *leaf_sized(struct sorted_leaf *leaf, uint32_t cap)
{
    struct sorted_leaf *sized = realloc(leaf, sizeof(*leaf) + cap * sizeof(leaf->items[0]));

    if (!sized)
        return NULL;
    if (!leaf)
        sized->count = 0;
    sized->cap = cap;
    return sized;
}

static int insert_leaf(struct sorted *sorted, size_t at, struct sorted_leaf *leaf)
{
    if (sorted->leaf_count == sorted->leaf_cap) {
        size_t cap = sorted->leaf_cap ? sorted->leaf_cap * 2 : 1;
        struct sorted_leaf **more = realloc(sorted->leaves, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        sorted->leaves = more;
        sorted->leaf_cap = cap;
    }
    memmove(sorted->leaves + at + 1, sorted->leaves + at,
            (sorted->leaf_count - at) * sizeof(sorted->leaves[0]));
    sorted->leaves[at] = leaf;
    sorted->leaf_count++;
    return 0;
}

/* At the end of all a leaf stays full: things often come in order. */
static int split(struct sorted *sorted, size_t at)
{
    struct sorted_leaf *leaf = sorted->leaves[at], *right = leaf_sized(NULL, LEAF_MAX);
    uint32_t keep = at + 1 == sorted->leaf_count ? LEAF_MAX - 8 : LEAF_MAX / 2;

    if (!right || insert_leaf(sorted, at + 1, right)) {
        free(right);
        return ERR_NOMEM;
    }
    right->count = leaf->count - keep;
    memcpy(right->items, leaf->items + keep, right->count * sizeof(right->items[0]));
    leaf->count = keep;
    return 0;
}

int sorted_add(struct sorted *sorted, struct slice key, void *what)
{
    uint64_t prefix = prefix_of(key);
    size_t at = leaf_for(sorted, prefix, key);
    struct sorted_leaf *leaf;
    uint32_t place;

    if (!sorted->leaf_count) {
        leaf = leaf_sized(NULL, 4);
        if (!leaf || insert_leaf(sorted, 0, leaf)) {
            free(leaf);
            return ERR_NOMEM;
        }
    } else if (sorted->leaves[at]->count == LEAF_MAX) {
        if (split(sorted, at))
            return ERR_NOMEM;
        at = leaf_for(sorted, prefix, key);
    }
    leaf = sorted->leaves[at];
    if (leaf->count == leaf->cap) {
        leaf = leaf_sized(leaf, leaf->cap * 2 < LEAF_MAX ? leaf->cap * 2 : LEAF_MAX);
        if (!leaf)
            return ERR_NOMEM;
        sorted->leaves[at] = leaf;
    }
    place = place_in(leaf, prefix, key);
    memmove(leaf->items + place + 1, leaf->items + place,
            (leaf->count - place) * sizeof(leaf->items[0]));
    leaf->items[place] = (struct sorted_item){prefix, key.ptr, (uint32_t)key.len, what};
    leaf->count++;
    sorted->count++;
    return 0;
}

static void remove_at(struct sorted *sorted, size_t at, uint32_t place)
{
    struct sorted_leaf *leaf = sorted->leaves[at];

    leaf->count--;
    memmove(leaf->items + place, leaf->items + place + 1,
            (leaf->count - place) * sizeof(leaf->items[0]));
    sorted->count--;
    if (leaf->count)
        return;
    free(leaf);
    sorted->leaf_count--;
    memmove(sorted->leaves + at, sorted->leaves + at + 1,
            (sorted->leaf_count - at) * sizeof(sorted->leaves[0]));
}

void *sorted_remove(struct sorted *sorted, struct slice key)
{
    uint64_t prefix = prefix_of(key);
    size_t at = leaf_for(sorted, prefix, key);
    struct sorted_leaf *leaf = sorted->leaf_count ? sorted->leaves[at] : NULL;
    uint32_t place = leaf ? place_in(leaf, prefix, key) : 0;
    void *what;

    if (!leaf || place == leaf->count || compare(&leaf->items[place], prefix, key) != 0)
        return NULL;
    what = leaf->items[place].what;
    remove_at(sorted, at, place);
    return what;
}

const struct sorted_item *sorted_first(const struct sorted *sorted)
{
    return sorted->leaf_count ? &sorted->leaves[0]->items[0] : NULL;
}

const struct sorted_item *sorted_until(const struct sorted *sorted, struct slice key)
{
    uint64_t prefix = prefix_of(key);
    const struct sorted_leaf *leaf;
    uint32_t place;

    if (!sorted->leaf_count)
        return NULL;
    leaf = sorted->leaves[leaf_for(sorted, prefix, key)];
    place = place_in(leaf, prefix, key);
    if (place < leaf->count && compare(&leaf->items[place], prefix, key) == 0)
        return &leaf->items[place];
    return place ? &leaf->items[place - 1] : NULL; /* only the first leaf has none before */
}

void sorted_drop_first(struct sorted *sorted)
{
    remove_at(sorted, 0, 0);
}
