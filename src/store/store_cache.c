/* store_cache.c - a table of copies by name; a list would do, and a hash table does not cost more.
 */
#include "store/store_cache.h"

#include <pthread.h>
#include <stdio.h>

#include "base/codec.h"

#define BUCKETS 1024 /* of the hash table */

struct copy {
    struct copy *next;
    char name[65]; /* SHA-256 of bucket, key and etag, in hex */
    int64_t size;
    uint64_t used; /* tick of the last use */
    int holders;
    bool filling;
};

struct store_cache {
    struct disk *disk; /* borrowed */
    char *dir;
    int64_t bytes, bytes_max;
    uint64_t tick;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct copy *table[BUCKETS];
};

static struct copy **slot_of(struct store_cache *cache, const char *name)
{
    struct copy **slot = &cache->table[hash64(name, 64, 0) % BUCKETS];

    while (*slot && memcmp((*slot)->name, name, 64))
        slot = &(*slot)->next;
    return slot;
}

static void copy_path(const struct store_cache *cache, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", cache->dir, name);
}

/* Takes the copy out of the table; its file goes unless it never came to be. */
static void drop(struct store_cache *cache, struct copy **slot)
{
    struct copy *copy = *slot;
    char path[4096];

    *slot = copy->next;
    cache->bytes -= copy->size;
    copy_path(cache, copy->name, path, sizeof(path));
    disk_unlink(cache->disk, path, NULL);
    free(copy);
}

static struct copy **oldest(struct store_cache *cache)
{
    struct copy **found = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct copy **slot = &cache->table[i]; *slot; slot = &(*slot)->next)
            if (!(*slot)->holders && !(*slot)->filling &&
                (!found || (*slot)->used < (*found)->used))
                found = slot;
    return found;
}

static void make_room(struct store_cache *cache)
{
    struct copy **slot;

    while (cache->bytes > cache->bytes_max && (slot = oldest(cache)))
        drop(cache, slot);
}

/* Fills a new copy. Called without the lock; the copy is marked as filling. */
static int fill_copy(struct store_cache *cache, struct copy *copy, store_fill_fn *fill, void *arg,
                     struct err *err)
{
    char path[4096], part[4200];
    int64_t size = 0;
    int rc;

    copy_path(cache, copy->name, path, sizeof(path));
    snprintf(part, sizeof(part), "%s.part", path);
    rc = fill(arg, part, &size, err);
    if (!rc)
        rc = disk_rename(cache->disk, part, path, err);
    if (rc)
        disk_unlink(cache->disk, part, NULL);
    pthread_mutex_lock(&cache->lock);
    copy->filling = false;
    if (rc) {
        struct copy **slot = slot_of(cache, copy->name);

        *slot = copy->next;
        free(copy);
    } else {
        copy->size = size;
        cache->bytes += size;
        make_room(cache);
    }
    pthread_cond_broadcast(&cache->filled);
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

/* The copy held for the caller: there already, or new and to be filled by the caller. */
static struct copy *hold(struct store_cache *cache, const char *name, bool *is_new)
{
    struct copy *copy;

    pthread_mutex_lock(&cache->lock);
    while ((copy = *slot_of(cache, name)) && copy->filling)
        pthread_cond_wait(&cache->filled, &cache->lock);
    *is_new = copy == NULL;
    if (!copy) {
        copy = calloc(1, sizeof(*copy));
        if (copy) {
            memcpy(copy->name, name, 65);
            copy->filling = true;
            *slot_of(cache, name) = copy;
        }
    }
    if (copy) {
        copy->holders++;
        copy->used = ++cache->tick;
    }
    pthread_mutex_unlock(&cache->lock);
    return copy;
}

int store_cache_take(struct store_cache *cache, const char *bucket, const char *key,
                     const char *etag, store_fill_fn *fill, void *arg, struct arena *arena,
                     const char **path, struct err *err)
{
    const char *text = arena_printf(arena, "%s/%s\n%s", bucket, key, etag);
    struct copy *copy;
    uint8_t hash[32];
    char name[65];
    bool is_new;
    int rc;

    if (!text)
        return err_set(err, ERR_NOMEM, "cache");
    sha256(text, strlen(text), hash);
    hex_encode(hash, 32, name);
    *path = arena_printf(arena, "%s/%s", cache->dir, name);
    copy = *path ? hold(cache, name, &is_new) : NULL;
    if (!copy)
        return err_set(err, ERR_NOMEM, "cache");
    rc = is_new ? fill_copy(cache, copy, fill, arg, err) : 0;
    return rc;
}

void store_cache_release(struct store_cache *cache, const char *path)
{
    size_t len = strlen(path);
    struct copy *copy;

    if (len < 64)
        return;
    pthread_mutex_lock(&cache->lock);
    copy = *slot_of(cache, path + len - 64);
    if (copy && copy->holders > 0)
        copy->holders--;
    make_room(cache);
    pthread_mutex_unlock(&cache->lock);
}

int64_t store_cache_bytes(struct store_cache *cache)
{
    int64_t bytes;

    pthread_mutex_lock(&cache->lock);
    bytes = cache->bytes;
    pthread_mutex_unlock(&cache->lock);
    return bytes;
}

int store_cache_new(struct store_cache **out, const char *dir, int64_t bytes_max, struct disk *disk,
                    struct err *err)
{
    struct store_cache *cache = calloc(1, sizeof(*cache));
    int rc;

    if (!cache)
        return err_set(err, ERR_NOMEM, "cache");
    cache->disk = disk;
    cache->bytes_max = bytes_max;
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->filled, NULL);
    cache->dir = strdup(dir);
    rc = cache->dir ? disk_remove_tree(disk, dir, err) : ERR_NOMEM;
    if (!rc)
        rc = disk_mkdirs(disk, dir, err);
    if (rc) {
        store_cache_free(cache);
        return err_wrap(err, rc, "cache %s", dir);
    }
    *out = cache;
    return 0;
}

void store_cache_free(struct store_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct copy *copy = cache->table[i], *next; copy; copy = next) {
            next = copy->next;
            free(copy);
        }
    pthread_mutex_destroy(&cache->lock);
    pthread_cond_destroy(&cache->filled);
    free(cache->dir);
    free(cache);
}
