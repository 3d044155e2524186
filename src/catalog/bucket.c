/* bucket.c - the warehouse's bucket, made at the start when it is not there.
 *
 * A folder of ours is asked at once. An endpoint of somebody else may be away: the start waits a
 * few seconds for what it says, so that a wrong key is told there, and then goes on without; a
 * thread asks again until it is answered. What needs the bucket meanwhile fails as it does in any
 * outage. */
#include <time.h>

#include "catalog/catalog_int.h"

#define START_WAIT_MS 3000
#define AGAIN_MS      2000

static int make_bucket(struct catalog *catalog, struct err *err)
{
    struct store *store = lake_store(catalog->lake);
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = store_split(catalog->warehouse, &arena, &bucket, &key, err);

    if (!rc)
        rc = store->ops->bucket_make(store, bucket, err);
    arena_deinit(&arena);
    return rc == ERR_EXISTS ? 0 : rc;
}

/* Another try may go better. */
static bool may_pass(int rc)
{
    return rc == ERR_IO || rc == ERR_TIMEOUT || rc == ERR_BUSY || rc == ERR_UNKNOWN;
}

/* With the mutex held. */
static void wait_ms(struct bucket_maker *maker, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&maker->changed, &maker->mutex, &until);
}

static void *maker_main(void *arg)
{
    struct catalog *catalog = arg;
    struct bucket_maker *maker = &catalog->bucket;
    bool said = false;

    pthread_mutex_lock(&maker->mutex);
    while (!maker->stopping && !maker->done) {
        struct err why = {0};
        int rc;

        pthread_mutex_unlock(&maker->mutex);
        rc = make_bucket(catalog, &why);
        pthread_mutex_lock(&maker->mutex);
        maker->rc = rc;
        maker->err = why;
        maker->done = !may_pass(rc);
        if (!maker->done) {
            if (!said)
                diag_warn("catalog", "the bucket of %s: %s; asked again until it answers",
                          catalog->warehouse, why.text);
            said = true;
            wait_ms(maker, AGAIN_MS);
        } else if (maker->unwatched && rc) {
            diag_error("catalog", "the bucket of %s: %s", catalog->warehouse, why.text);
        } else if (said) {
            diag_info("catalog", "the bucket of %s is there", catalog->warehouse);
        }
        pthread_cond_broadcast(&maker->changed);
    }
    pthread_mutex_unlock(&maker->mutex);
    return NULL;
}

static void maker_init(struct bucket_maker *maker)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&maker->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&maker->changed, &attr);
    pthread_condattr_destroy(&attr);
    maker->ready = true;
}

int bucket_start(struct catalog *catalog, struct err *err)
{
    struct bucket_maker *maker = &catalog->bucket;
    bool near = lake_store(catalog->lake)->ops->sync != NULL; /* a store of ours */
    int64_t until = clock_mono_ms(clock_system()) + START_WAIT_MS, left;
    int rc;

    if (near || catalog->no_thread)
        return make_bucket(catalog, err);
    maker_init(maker);
    if (pthread_create(&maker->thread, NULL, maker_main, catalog))
        return err_set(err, ERR_NOMEM, "bucket: no thread");
    pthread_setname_np(maker->thread, "bucket");
    maker->runs = true;
    pthread_mutex_lock(&maker->mutex);
    while (!maker->done && (left = until - clock_mono_ms(clock_system())) > 0)
        wait_ms(maker, left);
    maker->unwatched = !maker->done;
    rc = maker->done ? maker->rc : 0;
    if (rc && err)
        *err = maker->err;
    if (maker->unwatched)
        diag_warn("catalog", "no answer yet for the bucket of %s: going on without",
                  catalog->warehouse);
    pthread_mutex_unlock(&maker->mutex);
    return rc;
}

void bucket_stop(struct catalog *catalog)
{
    struct bucket_maker *maker = &catalog->bucket;

    if (!maker->ready)
        return;
    if (maker->runs) {
        pthread_mutex_lock(&maker->mutex);
        maker->stopping = true;
        pthread_cond_broadcast(&maker->changed);
        pthread_mutex_unlock(&maker->mutex);
        pthread_join(maker->thread, NULL);
    }
    pthread_cond_destroy(&maker->changed);
    pthread_mutex_destroy(&maker->mutex);
    maker->ready = maker->runs = false;
}
