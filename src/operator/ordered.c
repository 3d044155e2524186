/* ordered.c - leaves and their directory: a search tree of two levels in a table of state.
 *
 * Both are a `node`: the places of its items, then their bytes. The root has number 0 and is a leaf
 * while it fits; a directory's items are the least key that a leaf had when it was made, and the
 * leaf's number. A leaf that has become empty
 * goes; leaves that are merely small are left alone: what is taken away from a stream is mostly
 * what came first, or comes again at once.
 */
#include "operator/ordered.h"

#define LEAF_MAX ((size_t)1024)

struct item {
    uint32_t end, key_len; /* of key and payload, from the end of the items */
};
struct node {
    uint32_t count, directory;
    uint32_t next; /* directory: number of the next leaf that is made */
    uint32_t unused;
    struct item items[];
};

void ordered_deinit(struct ordered *map)
{
    buf_deinit(&map->name);
    buf_deinit(&map->node);
    buf_deinit(&map->half);
}

int ordered_at(struct ordered *map, struct state_table *table, int64_t space, struct slice key,
               uint8_t call, uint8_t part, struct err *err)
{
    uint8_t tail[6] = {call, part};

    map->table = table;
    map->space = space;
    buf_clear(&map->name);
    if (buf_reserve(&map->name, key.len + sizeof(tail)) || buf_append_slice(&map->name, key) ||
        buf_append(&map->name, tail, sizeof(tail)))
        return err_set(err, ERR_NOMEM, "an ordered map of state");
    return 0;
}

bool ordered_is_root(struct slice name, struct slice *key)
{
    uint32_t number;

    if (name.len < 2 + sizeof(number))
        return false;
    memcpy(&number, name.ptr + name.len - sizeof(number), sizeof(number));
    *key = slice_of(name.ptr, name.len - 2 - sizeof(number));
    return number == 0;
}

/* ---- nodes ---- */

static struct state_key name_of(struct ordered *map, uint32_t number)
{
    memcpy(map->name.ptr + map->name.len - sizeof(number), &number, sizeof(number));
    return (struct state_key){map->space, buf_slice(&map->name), {0}};
}

static const struct node *look(struct ordered *map, uint32_t number)
{
    struct state_key key = name_of(map, number);
    uint32_t len;

    return state_look(map->table, &key, &len);
}

static const uint8_t *bytes_of(const struct node *node)
{
    return (const uint8_t *)(node->items + node->count);
}

static struct ordered_item item_of(const struct node *node, uint32_t i)
{
    uint32_t start = i ? node->items[i - 1].end : 0, key_len = node->items[i].key_len;
    const uint8_t *at = bytes_of(node) + start;

    return (struct ordered_item){slice_of(at, key_len),
                                 slice_of(at + key_len, node->items[i].end - start - key_len)};
}

/* The first item that is not less than `key`. */
static uint32_t lower(const struct node *node, struct slice key, bool *equal)
{
    uint32_t low = 0, high = node->count;

    *equal = false;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = slice_cmp(item_of(node, middle).key, key);

        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *equal |= order == 0;
    }
    return low;
}

/* Which of the directory's leaves `key` belongs to. */
static uint32_t leaf_index(const struct node *directory, struct slice key)
{
    bool equal;
    uint32_t at = lower(directory, key, &equal);

    return equal || !at ? at : at - 1;
}

static uint32_t leaf_number(const struct node *directory, uint32_t i)
{
    uint32_t number;

    memcpy(&number, item_of(directory, i).payload.ptr, sizeof(number));
    return number;
}

#define NOWHERE UINT32_MAX

/* Which items of a node a new one gets: [from, to) but `skip`, and `item` in front of `at`. */
struct splice {
    uint32_t from, to, skip, at;
    const struct ordered_item *item;
};

static void put_item(struct buf *out, struct item *place, size_t head, struct slice key,
                     struct slice payload)
{
    buf_append_slice(out, key);
    if (payload.len)
        buf_append_slice(out, payload);
    *place = (struct item){(uint32_t)(out->len - head), (uint32_t)key.len};
}

static int build(struct buf *out, const struct node *node, const struct splice *s)
{
    bool skips = s->skip >= s->from && s->skip < s->to;
    struct node head = {s->to - s->from + (s->item ? 1 : 0) - (skips ? 1 : 0),
                        node ? node->directory : 0, node ? node->next : 0, 0};
    size_t size = sizeof(head) + head.count * sizeof(struct item), bytes = 0;
    uint32_t put = 0;

    buf_clear(out);
    if (s->to > s->from)
        bytes = node->items[s->to - 1].end - (s->from ? node->items[s->from - 1].end : 0);
    if (s->item)
        bytes += s->item->key.len + s->item->payload.len;
    if (size + bytes > UINT32_MAX || buf_reserve(out, size + bytes))
        return ERR_NOMEM;
    memcpy(out->ptr, &head, sizeof(head));
    out->len = size;
    for (uint32_t i = s->from; i < s->to || (s->item && i == s->at); i++) {
        struct item *places = (struct item *)(void *)(out->ptr + sizeof(head));

        if (s->item && i == s->at)
            put_item(out, &places[put++], size, s->item->key, s->item->payload);
        if (i < s->to && i != s->skip) {
            struct ordered_item next = item_of(node, i);

            put_item(out, &places[put++], size, next.key, next.payload);
        }
    }
    return 0;
}

static uint32_t count_of(const struct node *node)
{
    return node ? node->count : 0;
}

static int build_with(struct buf *out, const struct node *node, uint32_t at,
                      const struct ordered_item *item)
{
    return build(out, node, &(struct splice){0, count_of(node), NOWHERE, at, item});
}

static int build_without(struct buf *out, const struct node *node, uint32_t skip)
{
    return build(out, node, &(struct splice){0, node->count, skip, NOWHERE, NULL});
}

static int build_part(struct buf *out, const struct node *node, uint32_t from, uint32_t to)
{
    return build(out, node, &(struct splice){from, to, NOWHERE, NOWHERE, NULL});
}

static int write(struct ordered *map, uint32_t number, const struct buf *node, struct err *err)
{
    struct state_key key = name_of(map, number);

    return state_put(map->table, &key, buf_slice(node), err);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "an ordered map of state");
}

/* ---- splitting ---- */

/* Where a leaf in map->node is cut: in the middle, or before the item that was put last at its end,
 * so that keys that come in order fill their leaves. */
static uint32_t cut_of(const struct node *node, uint32_t put)
{
    uint32_t cut = 1, total = node->items[node->count - 1].end;

    if (put + 1 == node->count)
        return put;
    while (cut + 1 < node->count && node->items[cut - 1].end < total / 2)
        cut++;
    return cut;
}

/* The leaf in map->node goes down: the left part as `left`, the right one as `right`, which the
 * directory in map->half gets to know at `at`. */
static int write_halves(struct ordered *map, uint32_t put, uint32_t left, uint32_t right,
                        struct err *err)
{
    const struct node *full = (const void *)map->node.ptr;
    uint32_t cut = cut_of(full, put);
    int rc = build_part(&map->half, full, 0, cut) ? no_memory(err) : 0;

    if (!rc)
        rc = write(map, left, &map->half, err);
    if (!rc && build_part(&map->half, full, cut, full->count))
        rc = no_memory(err);
    return rc ? rc : write(map, right, &map->half, err);
}

/* Puts the leaf `number` into the directory, which has it at `at`. */
static int enter(struct ordered *map, const struct node *directory, uint32_t at, uint32_t number,
                 struct err *err)
{
    const struct node *right = (const void *)map->half.ptr;
    struct ordered_item item = {item_of(right, 0).key, slice_of(&number, sizeof(number))};
    struct node *made;

    if (build_with(&map->node, directory, at, &item))
        return no_memory(err);
    made = (void *)map->node.ptr;
    made->directory = 1;
    made->next = number + 1;
    return write(map, 0, &map->node, err);
}

/* The root was a leaf, whose items are in map->node now. */
static int split_root(struct ordered *map, uint32_t put, struct err *err)
{
    static const uint32_t first = 1;
    struct ordered_item item = {SLICE_LIT(""), slice_of(&first, sizeof(first))};
    struct buf directory = {0};
    int rc = build_with(&directory, NULL, 0, &item) ? no_memory(err) : 0;

    if (!rc)
        rc = write_halves(map, put, 1, 2, err);
    if (!rc)
        rc = enter(map, (const void *)directory.ptr, 1, 2, err);
    buf_deinit(&directory);
    return rc;
}

/* ---- changes ---- */

/* The leaf that has or gets `key`, and its number; NULL: the map is empty. */
static const struct node *leaf_of(struct ordered *map, struct slice key, uint32_t *number)
{
    const struct node *root = look(map, 0);

    *number = 0;
    if (!root || !root->directory)
        return root;
    *number = leaf_number(root, leaf_index(root, key));
    return look(map, *number);
}

struct slice ordered_get(struct ordered *map, struct slice key)
{
    uint32_t number;
    const struct node *leaf = leaf_of(map, key, &number);
    bool equal = false;
    uint32_t at = leaf ? lower(leaf, key, &equal) : 0;

    return equal ? item_of(leaf, at).payload : (struct slice){0};
}

static int insert(struct ordered *map, const struct node *leaf, uint32_t number, uint32_t at,
                  const struct ordered_item *item, struct err *err)
{
    const struct node *directory;
    uint32_t right;
    int rc;

    if (build_with(&map->node, leaf, at, item))
        return no_memory(err);
    if (map->node.len <= LEAF_MAX || !leaf)
        return write(map, number, &map->node, err);
    if (!number)
        return split_root(map, at, err);
    directory = look(map, 0);
    right = directory->next;
    rc = write_halves(map, at, number, right, err);
    if (rc)
        return rc;
    directory = look(map, 0);
    at = leaf_index(directory, item_of((const void *)map->half.ptr, 0).key) + 1;
    return enter(map, directory, at, right, err);
}

/* An item is changed in place when its payload keeps its size, which counts always do. */
static int replace(struct ordered *map, uint32_t number, uint32_t at, struct slice payload,
                   struct err *err)
{
    struct state_key key = name_of(map, number);
    struct ordered_item item;
    void *value;
    uint32_t len;
    int rc = state_modify(map->table, &key, &value, &len, err);

    if (rc)
        return rc;
    item = item_of(value, at);
    memcpy((uint8_t *)value + (item.payload.ptr - (const uint8_t *)value), payload.ptr,
           payload.len);
    return 0;
}

static int remove_at(struct ordered *map, const struct node *leaf, uint32_t number, uint32_t at,
                     struct slice key, struct err *err);

int ordered_set(struct ordered *map, struct slice key, struct slice payload, struct err *err)
{
    struct ordered_item item = {key, payload};
    uint32_t number;
    const struct node *leaf = leaf_of(map, key, &number);
    bool equal = false;
    uint32_t at = leaf ? lower(leaf, key, &equal) : 0;
    int rc;

    if (!equal)
        return insert(map, leaf, number, at, &item, err);
    if (item_of(leaf, at).payload.len == payload.len)
        return payload.len ? replace(map, number, at, payload, err) : 0;
    rc = remove_at(map, leaf, number, at, key, err);
    return rc ? rc : ordered_set(map, key, payload, err);
}

/* The directory without its leaf `at`. The first leaf is for all keys below the second one: its key
 * is the empty one, always. */
static int leave(struct ordered *map, const struct node *directory, uint32_t at)
{
    struct ordered_item first = {SLICE_LIT(""), {0}};

    if (at)
        return build_without(&map->node, directory, at);
    if (build_without(&map->half, directory, 0))
        return ERR_NOMEM;
    directory = (const void *)map->half.ptr;
    first.payload = item_of(directory, 0).payload;
    return build(&map->node, directory, &(struct splice){0, directory->count, 0, 0, &first});
}

static int drop_leaf(struct ordered *map, uint32_t number, struct slice key, struct err *err)
{
    struct state_key name = name_of(map, number);
    const struct node *directory;
    int rc = state_drop(map->table, &name, err);

    if (rc || !number)
        return rc;
    directory = look(map, 0);
    if (directory->count == 1) {
        name = name_of(map, 0);
        return state_drop(map->table, &name, err);
    }
    if (leave(map, directory, leaf_index(directory, key)))
        return no_memory(err);
    return write(map, 0, &map->node, err);
}

static int remove_at(struct ordered *map, const struct node *leaf, uint32_t number, uint32_t at,
                     struct slice key, struct err *err)
{
    if (leaf->count == 1)
        return drop_leaf(map, number, key, err);
    if (build_without(&map->node, leaf, at))
        return no_memory(err);
    return write(map, number, &map->node, err);
}

int ordered_remove(struct ordered *map, struct slice key, struct err *err)
{
    uint32_t number;
    const struct node *leaf = leaf_of(map, key, &number);
    bool equal = false;
    uint32_t at = leaf ? lower(leaf, key, &equal) : 0;

    return equal ? remove_at(map, leaf, number, at, key, err) : 0;
}

int ordered_count(struct ordered *map, struct slice key, int64_t by, struct err *err)
{
    struct slice old = ordered_get(map, key);
    int64_t count = 0;

    if (old.ptr)
        memcpy(&count, old.ptr, sizeof(count));
    count += by;
    return count ? ordered_set(map, key, slice_of(&count, sizeof(count)), err)
                 : ordered_remove(map, key, err);
}

int ordered_drop(struct ordered *map, struct err *err)
{
    const struct node *root = look(map, 0);
    struct state_key name;
    int rc = 0;

    for (uint32_t i = 0; root && root->directory && i < root->count && !rc; i++) {
        name = name_of(map, leaf_number(root, i));
        rc = state_drop(map->table, &name, err);
    }
    name = name_of(map, 0);
    return rc || !root ? rc : state_drop(map->table, &name, err);
}

/* ---- walks ---- */

static void begin(struct ordered_walk *walk, struct ordered *map)
{
    const struct node *root = look(map, 0);

    *walk = (struct ordered_walk){.map = map};
    if (root && root->directory)
        walk->directory = root;
    else
        walk->leaf = root;
}

static void to_leaf(struct ordered_walk *walk, uint32_t at)
{
    walk->at = at;
    walk->leaf = look(walk->map, leaf_number(walk->directory, at));
}

void ordered_first(struct ordered_walk *walk, struct ordered *map)
{
    begin(walk, map);
    if (walk->directory)
        to_leaf(walk, 0);
}

void ordered_last(struct ordered_walk *walk, struct ordered *map)
{
    begin(walk, map);
    walk->back = true;
    if (walk->directory)
        to_leaf(walk, count_of(walk->directory) - 1);
    walk->leaf_at = count_of(walk->leaf);
}

void ordered_from(struct ordered_walk *walk, struct ordered *map, struct slice key)
{
    bool equal;

    begin(walk, map);
    if (walk->directory)
        to_leaf(walk, leaf_index(walk->directory, key));
    walk->leaf_at = walk->leaf ? lower(walk->leaf, key, &equal) : 0;
}

static bool next_forward(struct ordered_walk *walk, struct ordered_item *item)
{
    if (walk->leaf_at >= count_of(walk->leaf)) {
        if (!walk->directory || walk->at + 1 >= count_of(walk->directory))
            return false;
        to_leaf(walk, walk->at + 1);
        walk->leaf_at = 0;
    }
    *item = item_of(walk->leaf, walk->leaf_at++);
    return true;
}

bool ordered_next(struct ordered_walk *walk, struct ordered_item *item)
{
    if (!walk->leaf)
        return false;
    if (!walk->back)
        return next_forward(walk, item);
    if (!walk->leaf_at) {
        if (!walk->directory || !walk->at)
            return false;
        to_leaf(walk, walk->at - 1);
        walk->leaf_at = count_of(walk->leaf);
    }
    *item = item_of(walk->leaf, --walk->leaf_at);
    return true;
}
