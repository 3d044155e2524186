/* parquet_dictionary.c - the distinct values of a column chunk, and which each value is.
 *
 * Values are told apart by 16 bytes: numbers by their own, texts of up to twelve bytes by length
 * and bytes, longer ones by length, four bytes and a hash, and then by what they are. A text that
 * is found needs no second look at its bytes but for that. Values that stand next to each other
 * are often the same, which is asked first.
 */
#include "lake/parquet_int.h"

#define SLOTS_FIRST 64

static inline uint64_t hash_of(struct parquet_key key)
{
    uint64_t h = key.a * 0x9e3779b97f4a7c15u ^ key.b * 0xc2b2ae3d27d4eb4fu;

    return h ^ h >> 32;
}

static inline struct parquet_key text_key(const duckdb_string_t *s)
{
    struct parquet_key key = {0};
    uint32_t len = s->value.inlined.length;
    char bytes[12] = {0};

    if (len > 12) {
        memcpy(&key.a, s, 8); /* length and first four bytes */
        key.b = hash64(s->value.pointer.ptr, len, 0);
        return key;
    }
    memcpy(bytes, s->value.inlined.inlined, len); /* what lies behind them is nobody's */
    key.a = len;
    memcpy((char *)&key.a + 4, bytes, 4);
    memcpy(&key.b, bytes + 4, 8);
    return key;
}

static inline struct parquet_key key_of(bool texts, size_t size, const void *value)
{
    struct parquet_key key = {0};

    if (texts)
        return text_key(value);
    memcpy(&key, value, size);
    return key;
}

static int slots_grow(struct parquet_dictionary *d)
{
    uint32_t size = d->mask ? (d->mask + 1) * 2 : SLOTS_FIRST;
    uint32_t *slots = calloc(size, sizeof(*slots));

    if (!slots)
        return ERR_NOMEM;
    free(d->slots);
    d->slots = slots;
    d->mask = size - 1;
    for (uint32_t id = 0; id < d->count; id++) {
        uint32_t i = (uint32_t)hash_of(d->keys[id]) & d->mask;

        while (slots[i])
            i = (i + 1) & d->mask;
        slots[i] = id + 1;
    }
    return 0;
}

static int ids_grow(struct parquet_dictionary *d)
{
    uint32_t cap = d->cap ? d->cap * 2 : SLOTS_FIRST / 2;
    struct parquet_key *keys = realloc(d->keys, cap * sizeof(*keys));
    uint32_t *at, *seen;

    if (!keys)
        return ERR_NOMEM;
    d->keys = keys;
    at = realloc(d->at, ((size_t)cap + 1) * sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    d->at = at;
    seen = realloc(d->seen, cap * sizeof(*seen));
    if (!seen)
        return ERR_NOMEM;
    d->seen = seen;
    d->cap = cap;
    return 0;
}

static int add_value(const struct parquet_writer *w, struct parquet_leaf *leaf,
                     struct parquet_key key, const void *value)
{
    struct parquet_dictionary *d = &leaf->dictionary;
    size_t before = d->plain.len;
    int rc = d->count == d->cap ? ids_grow(d) : 0;
    uint32_t len;

    if (!rc && leaf->physical == P_BYTE_ARRAY) {
        len = (uint32_t)parquet_text(value).len;
        rc = buf_append(&d->plain, &len, 4);
    }
    rc = rc ? rc : parquet_plain_value(leaf, value, &d->plain);
    if (rc)
        return rc;
    d->at[d->count] = (uint32_t)before;
    d->at[d->count + 1] = (uint32_t)d->plain.len;
    d->keys[d->count] = key;
    d->seen[d->count++] = 0;
    if (leaf->options.bloom) {
        size_t head = leaf->physical == P_BYTE_ARRAY ? 4 : 0;

        return parquet_bloom_add(
            w, leaf, slice_of(d->plain.ptr + before + head, d->plain.len - before - head));
    }
    return 0;
}

static inline bool same_text(const struct parquet_dictionary *d, uint32_t id,
                             const duckdb_string_t *s)
{
    uint32_t len = s->value.inlined.length;

    return len <= 12 || memcmp(d->plain.ptr + d->at[id + 1] - len, s->value.pointer.ptr, len) == 0;
}

/* *id is `count` where the dictionary is full. */
static inline int find(const struct parquet_writer *w, struct parquet_leaf *leaf, const void *value,
                       struct parquet_key key, uint32_t *id)
{
    struct parquet_dictionary *d = &leaf->dictionary;
    uint32_t i = (uint32_t)hash_of(key) & d->mask;

    for (; d->slots[i]; i = (i + 1) & d->mask) {
        const struct parquet_key *other = &d->keys[d->slots[i] - 1];

        if (other->a == key.a && other->b == key.b &&
            (leaf->kind != CLASS_BYTES || same_text(d, d->slots[i] - 1, value))) {
            *id = d->slots[i] - 1;
            return 0;
        }
    }
    *id = d->count;
    if (d->count >= w->options.dictionary_values ||
        (int64_t)d->plain.len >= w->options.dictionary_bytes)
        return 0;
    d->slots[i] = d->count + 1;
    return add_value(w, leaf, key, value);
}

/* Texts that the page has not had yet may be its least or its greatest. */
static int note_text(struct parquet_leaf *leaf, uint32_t id, const duckdb_string_t *value)
{
    uint32_t page = (uint32_t)leaf->page_count + 1;

    if (leaf->dictionary.seen[id] == page)
        return 0;
    leaf->dictionary.seen[id] = page;
    return parquet_extent_text(&leaf->page_extent, parquet_text(value));
}

/* `texts` and `size` are constants to the compiler: a loop per kind of value. */
static inline __attribute__((always_inline)) int add_all(const struct parquet_writer *w,
                                                         struct parquet_leaf *leaf, bool texts,
                                                         size_t size, struct parquet_values values,
                                                         uint32_t *ids, size_t *taken)
{
    struct parquet_dictionary *d = &leaf->dictionary;
    struct parquet_key last = {0};
    uint32_t id = 0;
    int64_t bytes = 0;
    size_t i = 0;
    int rc = 0;

    for (; i < values.count; i++) {
        const void *value = (const uint8_t *)values.data + i * size;
        struct parquet_key key = key_of(texts, size, value);

        if (i == 0 || key.a != last.a || key.b != last.b || (texts && !same_text(d, id, value))) {
            if (d->count * 2 >= d->mask && (rc = slots_grow(d)))
                break;
            rc = find(w, leaf, value, key, &id);
            if (rc || id == d->count)
                break;
            if (texts && (rc = note_text(leaf, id, value)))
                break;
            last = key;
        }
        ids[i] = id;
        bytes += d->at[id + 1] - d->at[id];
    }
    *taken = i;
    leaf->plain_bytes += bytes;
    leaf->text_bytes += leaf->physical == P_BYTE_ARRAY ? bytes - (int64_t)i * 4 : 0;
    return rc;
}

int parquet_dictionary_add(const struct parquet_writer *w, struct parquet_leaf *leaf,
                           struct parquet_values values, size_t *taken)
{
    int rc = buf_reserve(&leaf->plain, values.count * sizeof(uint32_t) + 1);
    uint32_t *ids;

    *taken = 0;
    if (rc)
        return rc;
    ids = (uint32_t *)(void *)(leaf->plain.ptr + leaf->plain.len);
    if (leaf->kind == CLASS_BYTES)
        rc = add_all(w, leaf, true, sizeof(duckdb_string_t), values, ids, taken);
    else if (leaf->size == 4)
        rc = add_all(w, leaf, false, 4, values, ids, taken);
    else if (leaf->size == 8)
        rc = add_all(w, leaf, false, 8, values, ids, taken);
    else
        rc = add_all(w, leaf, false, 16, values, ids, taken);
    leaf->plain.len += *taken * sizeof(*ids);
    return rc;
}

int parquet_dictionary_undo(struct parquet_leaf *leaf)
{
    const struct parquet_dictionary *d = &leaf->dictionary;
    const uint32_t *ids = (const uint32_t *)(const void *)leaf->plain.ptr;
    size_t count = leaf->plain.len / sizeof(*ids);
    struct buf plain = {0};
    int rc = buf_reserve(&plain, (size_t)leaf->plain_bytes + 1);

    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_append(&plain, d->plain.ptr + d->at[ids[i]], d->at[ids[i] + 1] - d->at[ids[i]]);
    if (rc) {
        buf_deinit(&plain);
        return rc;
    }
    buf_deinit(&leaf->plain);
    leaf->plain = plain;
    return 0;
}

void parquet_dictionary_clear(struct parquet_dictionary *d)
{
    d->count = 0;
    buf_clear(&d->plain);
    if (d->slots)
        memset(d->slots, 0, ((size_t)d->mask + 1) * sizeof(*d->slots));
}

void parquet_dictionary_deinit(struct parquet_dictionary *d)
{
    free(d->keys);
    free(d->at);
    free(d->seen);
    free(d->slots);
    buf_deinit(&d->plain);
    *d = (struct parquet_dictionary){0};
}
