/* store_cache.h - local copies of remote objects, limited in bytes.
 *
 * A copy is a file named by what it is a copy of (bucket, key, etag), filled beside and renamed
 * into place, so that a file in the cache is always whole. Copies in use are never taken away; of
 * the others those unused for longest go first. Nothing here is synced: a cache may be lost, and a
 * start removes what an older process left.
 * Threads: any. Two that want the same object fetch it once.
 */
#ifndef STORE_STORE_CACHE_H
#define STORE_STORE_CACHE_H

#include "base/base.h"

struct store_cache;

/* Writes the object to `path`, and tells its size. */
typedef int store_fill_fn(void *arg, const char *path, int64_t *size, struct err *err);

int store_cache_new(struct store_cache **out, const char *dir, int64_t bytes_max,
                    struct disk *disk, struct err *err);
void store_cache_free(struct store_cache *cache); /* NULL is fine */
/* The path of the copy, in the arena, held until store_cache_release. */
int store_cache_take(struct store_cache *cache, const char *bucket, const char *key,
                     const char *etag, store_fill_fn *fill, void *arg, struct arena *arena,
                     const char **path, struct err *err);
void store_cache_release(struct store_cache *cache, const char *path);
int64_t store_cache_bytes(struct store_cache *cache);

#endif
