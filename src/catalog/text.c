/* text.c - metadata files as text, ready to be sent: the newest of each table.
 *
 * A metadata file never changes under its location, so nothing here can be stale. Of a table there
 * is one text, the one that was asked for last: older versions are asked for by nobody, and a table
 * that is committed to and loaded every second would fill the cache with them. It is bounded in
 * bytes as well, and drops what was used longest ago. Printing a document costs a hundred times as
 * much as copying it, and clients load the same table again and again.
 */
#include "base/codec.h"
#include "catalog/catalog_int.h"
#include "lake/draft.h"

#define BUCKETS 1024

struct text_entry {
    struct text_entry *chain; /* same bucket */
    struct text_entry *newer, *older;
    uint64_t hash;
    char *owner, *key; /* uuid of the table, location of the metadata file */
    uint8_t *text;
    size_t len;
};

struct text_cache {
    pthread_mutex_t mutex;
    struct text_entry *buckets[BUCKETS];
    struct text_entry *newest, *oldest;
    size_t bytes, bytes_max;
};

int text_cache_new(struct text_cache **out, int64_t bytes_max)
{
    struct text_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return ERR_NOMEM;
    pthread_mutex_init(&cache->mutex, NULL);
    cache->bytes_max = (size_t)bytes_max;
    *out = cache;
    return 0;
}

static size_t entry_bytes(const struct text_entry *entry)
{
    return sizeof(*entry) + strlen(entry->owner) + strlen(entry->key) + 2 + entry->len;
}

static void unlink_entry(struct text_cache *cache, struct text_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct text_cache *cache, struct text_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void entry_free(struct text_entry *entry)
{
    if (!entry)
        return;
    free(entry->owner);
    free(entry->key);
    free(entry->text);
    free(entry);
}

static void drop(struct text_cache *cache, struct text_entry *entry)
{
    struct text_entry **at = &cache->buckets[entry->hash % BUCKETS];

    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    unlink_entry(cache, entry);
    cache->bytes -= entry_bytes(entry);
    entry_free(entry);
}

void text_cache_free(struct text_cache *cache)
{
    if (!cache)
        return;
    while (cache->oldest)
        drop(cache, cache->oldest);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static struct text_entry *find(struct text_cache *cache, uint64_t hash, const char *owner)
{
    struct text_entry *entry = cache->buckets[hash % BUCKETS];

    while (entry && (entry->hash != hash || strcmp(entry->owner, owner) != 0))
        entry = entry->chain;
    return entry;
}

bool text_cache_get(struct text_cache *cache, const char *owner, const char *key, struct buf *out,
                    int *rc)
{
    uint64_t hash = hash64(owner, strlen(owner), 0);
    struct text_entry *entry;

    *rc = 0;
    pthread_mutex_lock(&cache->mutex);
    entry = find(cache, hash, owner);
    if (entry && strcmp(entry->key, key) != 0)
        entry = NULL;
    if (entry) {
        unlink_entry(cache, entry);
        link_newest(cache, entry);
        *rc = buf_append(out, entry->text, entry->len);
    }
    pthread_mutex_unlock(&cache->mutex);
    return entry != NULL;
}

/* Best effort: without memory there is no entry. */
void text_cache_put(struct text_cache *cache, const char *owner, const char *key, struct slice text)
{
    struct text_entry *entry = calloc(1, sizeof(*entry)), *other;

    if (!entry)
        return;
    entry->hash = hash64(owner, strlen(owner), 0);
    entry->owner = strdup(owner);
    entry->key = strdup(key);
    entry->text = malloc(text.len ? text.len : 1);
    entry->len = text.len;
    if (!entry->owner || !entry->key || !entry->text || entry_bytes(entry) > cache->bytes_max / 4) {
        entry_free(entry);
        return;
    }
    memcpy(entry->text, text.ptr, text.len);
    pthread_mutex_lock(&cache->mutex);
    other = find(cache, entry->hash, owner);
    if (other)
        drop(cache, other);
    entry->chain = cache->buckets[entry->hash % BUCKETS];
    cache->buckets[entry->hash % BUCKETS] = entry;
    link_newest(cache, entry);
    cache->bytes += entry_bytes(entry);
    while (cache->bytes > cache->bytes_max)
        drop(cache, cache->oldest);
    pthread_mutex_unlock(&cache->mutex);
}

void text_keep(struct catalog *catalog, const struct lake_draft *draft)
{
    if (draft->bytes.ptr[0] == '{') /* not packed */
        text_cache_put(catalog->texts, draft->metadata->uuid, draft->location,
                       buf_slice(&draft->bytes));
}

/* A shallow copy of the document whose snapshots are only those that a branch or tag names. */
static json_t *with_named_snapshots(const struct lake_metadata *metadata)
{
    json_t *doc = json_copy(metadata->doc), *kept = json_array(), *snapshot;
    size_t at;

    json_array_foreach(json_object_get(metadata->doc, "snapshots"), at, snapshot)
    {
        int64_t id = json_integer_value(json_object_get(snapshot, "snapshot-id"));

        for (size_t i = 0; i < metadata->branch_count; i++) {
            if (metadata->branches[i].snapshot_id == id) {
                json_array_append(kept, snapshot);
                break;
            }
        }
    }
    if (!doc || !kept || json_object_set(doc, "snapshots", kept)) {
        json_decref(doc);
        doc = NULL;
    }
    json_decref(kept);
    return doc;
}

static int print_named(const struct lake_metadata *metadata, struct buf *out, struct err *err)
{
    json_t *doc = with_named_snapshots(metadata);
    int rc = doc ? json_print(doc, 0, out, err) : err_set(err, ERR_NOMEM, "table metadata");

    json_decref(doc);
    return rc;
}

int catalog_metadata_text(struct catalog *catalog, const struct catalog_table *table,
                          bool refs_only, struct buf *out, struct err *err)
{
    size_t start = out->len;
    int rc;

    if (refs_only && table->metadata->snapshot_count > table->metadata->branch_count)
        return print_named(table->metadata, out, err);
    if (table->location &&
        text_cache_get(catalog->texts, table->metadata->uuid, table->location, out, &rc))
        return rc ? err_set(err, rc, "table metadata") : 0;
    rc = lake_metadata_print(table->metadata, out, err);
    if (!rc && table->location)
        text_cache_put(catalog->texts, table->metadata->uuid, table->location,
                       slice_of(out->ptr + start, out->len - start));
    return rc;
}
