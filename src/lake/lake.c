/* lake.c - the shared part of the room: its store and clock, and the cache of parsed files.
 *
 * The cache maps a path to what was parsed from it. Files never change under a path, so entries
 * never go stale; they leave when the bytes allowed are used up, least recently used first. What
 * was used within the last minute may take PEAK times as many: a table of a hundred thousand files
 * is planned from memory while it is queried, and gives the memory back when it is not.
 */
#include "lake/lake.h"

#include <pthread.h>

#include "base/codec.h"
#include "lake/lake_int.h"

#define CACHE_BUCKETS       1024
#define CACHE_BYTES_DEFAULT ((int64_t)32 << 20)
#define CACHE_PEAK          8
#define CACHE_RECENT_NS     ((int64_t)60 * 1000000000)
#define METADATA_FILE_MAX   ((size_t)512 << 20)

struct node {
    struct node *next_in_bucket;
    struct node *newer, *older; /* by use */
    enum cached kind;
    void *object; /* one reference */
    size_t bytes;
    int64_t used_ns;
    char path[];
};

struct lake {
    struct store *store;
    struct clock *clock;
    struct lake_budget *budget;
    struct inflight *inflight;
    int64_t cache_max;
    pthread_mutex_t lock; /* guards all below */
    struct node *buckets[CACHE_BUCKETS];
    struct node *newest, *oldest;
    int64_t cache_used;
};

int lake_new(struct lake **out, const struct lake_options *options, struct err *err)
{
    struct lake *lake = calloc(1, sizeof(*lake));
    int rc;

    if (!lake)
        return err_set(err, ERR_NOMEM, "lake");
    lake->store = options->store;
    lake->clock = options->clock;
    lake->cache_max = options->cache_bytes ? options->cache_bytes : CACHE_BYTES_DEFAULT;
    pthread_mutex_init(&lake->lock, NULL);
    rc = lake_budget_new(&lake->budget, options->clock, &options->budget, err);
    rc = rc ? rc : inflight_new(&lake->inflight, err);
    if (rc)
        lake_free(lake);
    else
        *out = lake;
    return rc;
}

static void object_free(enum cached kind, void *object)
{
    if (kind == CACHED_MANIFEST)
        lake_manifest_free(object);
    else if (kind == CACHED_LIST)
        lake_manifest_list_free(object);
    else if (kind == CACHED_FOOTER)
        footer_free(object);
    else if (kind == CACHED_POSITIONS)
        cached_positions_free(object);
    else
        lake_metadata_free(object);
}

static void object_ref(enum cached kind, void *object)
{
    if (kind == CACHED_MANIFEST)
        __atomic_add_fetch(&((struct lake_manifest *)object)->refs, 1, __ATOMIC_RELAXED);
    else if (kind == CACHED_LIST)
        __atomic_add_fetch(&((struct lake_manifest_list *)object)->refs, 1, __ATOMIC_RELAXED);
    else if (kind == CACHED_FOOTER)
        __atomic_add_fetch(&((struct footer *)object)->refs, 1, __ATOMIC_RELAXED);
    else if (kind == CACHED_POSITIONS)
        __atomic_add_fetch(&((struct cached_positions *)object)->refs, 1, __ATOMIC_RELAXED);
    else
        lake_metadata_ref(object);
}

static struct node **bucket_of(struct lake *lake, const char *path)
{
    return &lake->buckets[hash64(path, strlen(path), 0) % CACHE_BUCKETS];
}

static void unlink_use(struct lake *lake, struct node *node)
{
    *(node->newer ? &node->newer->older : &lake->newest) = node->older;
    *(node->older ? &node->older->newer : &lake->oldest) = node->newer;
    node->newer = node->older = NULL;
}

static void link_newest(struct lake *lake, struct node *node)
{
    node->older = lake->newest;
    node->newer = NULL;
    *(lake->newest ? &lake->newest->newer : &lake->oldest) = node;
    lake->newest = node;
}

static void evict(struct lake *lake, struct node *node)
{
    struct node **at = bucket_of(lake, node->path);

    while (*at != node)
        at = &(*at)->next_in_bucket;
    *at = node->next_in_bucket;
    unlink_use(lake, node);
    lake->cache_used -= (int64_t)node->bytes;
    object_free(node->kind, node->object);
    free(node);
}

void lake_free(struct lake *lake)
{
    if (!lake)
        return;
    while (lake->newest)
        evict(lake, lake->newest);
    lake_budget_free(lake->budget);
    inflight_free(lake->inflight);
    pthread_mutex_destroy(&lake->lock);
    free(lake);
}

static struct node *find(struct lake *lake, enum cached kind, const char *path)
{
    for (struct node *node = *bucket_of(lake, path); node; node = node->next_in_bucket)
        if (node->kind == kind && !strcmp(node->path, path))
            return node;
    return NULL;
}

/* The newest stays whatever it costs: it was just asked for. */
static void trim(struct lake *lake, int64_t now_ns)
{
    while (lake->cache_used > lake->cache_max && lake->oldest != lake->newest &&
           (lake->cache_used > lake->cache_max * CACHE_PEAK ||
            now_ns - lake->oldest->used_ns > CACHE_RECENT_NS))
        evict(lake, lake->oldest);
}

void *cache_get(struct lake *lake, enum cached kind, const char *path)
{
    struct node *node;
    void *object = NULL;

    pthread_mutex_lock(&lake->lock);
    node = find(lake, kind, path);
    if (node) {
        unlink_use(lake, node);
        link_newest(lake, node);
        node->used_ns = clock_mono_ns(lake->clock);
        object = node->object;
        object_ref(kind, object);
        trim(lake, node->used_ns);
    }
    pthread_mutex_unlock(&lake->lock);
    return object;
}

void cache_put(struct lake *lake, enum cached kind, const char *path, void *object, size_t bytes)
{
    struct node *node;

    bytes += sizeof(*node) + strlen(path);
    if ((int64_t)bytes > lake->cache_max * CACHE_PEAK / 4)
        return; /* one giant would push out all that is useful */
    node = calloc(1, sizeof(*node) + strlen(path) + 1);
    if (!node)
        return; /* a cache may forget */
    node->kind = kind;
    node->object = object;
    node->bytes = bytes;
    strcpy(node->path, path);
    pthread_mutex_lock(&lake->lock);
    if (find(lake, kind, path)) {
        free(node);
    } else {
        object_ref(kind, object);
        node->next_in_bucket = *bucket_of(lake, path);
        *bucket_of(lake, path) = node;
        link_newest(lake, node);
        lake->cache_used += (int64_t)bytes;
        node->used_ns = clock_mono_ns(lake->clock);
        trim(lake, node->used_ns);
    }
    pthread_mutex_unlock(&lake->lock);
}

void cache_drop(struct lake *lake, const char *path)
{
    pthread_mutex_lock(&lake->lock);
    for (int kind = CACHED_MANIFEST; kind <= CACHED_POSITIONS; kind++) {
        struct node *node = find(lake, (enum cached)kind, path);

        if (node)
            evict(lake, node);
    }
    pthread_mutex_unlock(&lake->lock);
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->used_bytes + 256;
}

struct store *lake_store(struct lake *lake)
{
    return lake->store;
}

struct clock *lake_clock(struct lake *lake)
{
    return lake->clock;
}

struct lake_budget *lake_budget(struct lake *lake)
{
    return lake->budget;
}

struct inflight *lake_inflight(struct lake *lake)
{
    return lake->inflight;
}

void lake_keep(struct lake *lake, const char *uuid)
{
    inflight_keep(lake->inflight, uuid, clock_mono_ms(lake->clock));
}

int64_t lake_cache_used(struct lake *lake)
{
    int64_t used;

    pthread_mutex_lock(&lake->lock);
    used = lake->cache_used;
    pthread_mutex_unlock(&lake->lock);
    return used;
}

int lake_metadata_load(struct lake *lake, const char *location, struct lake_metadata **out,
                       struct err *err)
{
    struct buf bytes;
    int rc;

    *out = cache_get(lake, CACHED_METADATA, location);
    if (*out)
        return 0;
    buf_init(&bytes, METADATA_FILE_MAX);
    rc = store_get_at(lake->store, location, &bytes, err);
    rc = rc ? rc : lake_metadata_parse(buf_slice(&bytes), out, err);
    if (!rc) /* the JSON tree costs about three times its text */
        cache_put(lake, CACHED_METADATA, location, *out,
                  arena_bytes(&(*out)->arena) + bytes.len * 3);
    buf_deinit(&bytes);
    return rc ? err_wrap(err, rc, "%s", location) : 0;
}

static int put_metadata(struct lake *lake, const struct lake_metadata *metadata,
                        const char *location, struct slice text, struct err *err)
{
    struct buf packed;
    int rc;

    if (!metadata_wants_gzip(metadata))
        return store_put_at(lake->store, location, text, err);
    buf_init(&packed, METADATA_FILE_MAX);
    rc = codec_compress(CODEC_GZIP, 0, text, &packed, err);
    rc = rc ? rc : store_put_at(lake->store, location, buf_slice(&packed), err);
    buf_deinit(&packed);
    return rc;
}

int lake_metadata_store(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_metadata *base, const char *base_location,
                        struct arena *arena, const char **location, const char ***dropped,
                        size_t *drop_count, struct err *err)
{
    struct lake_metadata *logged = NULL;
    struct buf text;
    int rc = 0;

    buf_init(&text, METADATA_FILE_MAX);
    if (dropped)
        *drop_count = 0;
    if (base)
        rc = lake_metadata_log_base(metadata, base, base_location, arena, &logged, dropped,
                                    drop_count, err);
    *location = lake_metadata_next_location(metadata, base_location, arena);
    if (!rc && !*location)
        rc = err_set(err, ERR_NOMEM, "metadata location");
    rc = rc ? rc : lake_metadata_print(logged ? logged : metadata, &text, err);
    rc = rc ? rc : put_metadata(lake, metadata, *location, buf_slice(&text), err);
    if (!rc && logged)
        cache_put(lake, CACHED_METADATA, *location, logged,
                  arena_bytes(&logged->arena) + text.len * 3);
    buf_deinit(&text);
    lake_metadata_free(logged);
    return rc ? err_wrap(err, rc, "writing table metadata") : 0;
}

void lake_remove_files(struct lake *lake, const char *const *locations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};

        cache_drop(lake, locations[i]);
        if (store_remove_at(lake->store, locations[i], &err))
            diag_warn("lake", "%s stays behind: %s", locations[i], err.text);
        inflight_done(lake->inflight, locations[i]);
    }
}
