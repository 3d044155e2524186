/* pending.c - metadata files that are true before they are on the disk.
 *
 * A durable file costs two syncs, its swap a third. The swap's transaction is synced anyway, and
 * together with others; so it takes the file's bytes along (packed), and the file itself is only
 * written, not synced. A thread of its own syncs the files later, many in a row, and then forgets
 * the bytes. The same thread removes the old files that a commit drops: a removal is synced too,
 * and no commit need wait for that. After a crash the files of all rows left are put again, before
 * anybody reads: a table's metadata file is whole whenever its pointer is true.
 *
 * Bounded: past PENDING_FILES or PENDING_BYTES, and for files larger than FILE_MAX, a commit writes
 * its file durable by itself, as it does on a store whose puts always are (S3).
 */
#include "base/codec.h"
#include "catalog/catalog_int.h"

#define PENDING_FILES 4096
#define PENDING_BYTES ((int64_t)64 << 20)
#define FILE_MAX      ((size_t)1 << 20)
#define BATCH         256
#define GATHER_MS     200 /* files of this time are synced together */
#define TEXT_MAX      ((size_t)512 << 20)

/* ---- writing ---- */

static bool has_room(struct catalog *catalog, size_t len)
{
    bool room;

    if (len > FILE_MAX || !lake_store(catalog->lake)->ops->sync)
        return false;
    pthread_mutex_lock(&catalog->flush_mutex);
    room = catalog->pending_files < PENDING_FILES && catalog->pending_bytes < PENDING_BYTES;
    pthread_mutex_unlock(&catalog->flush_mutex);
    return room;
}

int pending_put(struct catalog *catalog, const char *location, struct slice bytes,
                struct buf *packed, struct err *err)
{
    struct store *store = lake_store(catalog->lake);
    int rc;

    if (!has_room(catalog, bytes.len))
        return store_put_at(store, location, bytes, err);
    rc = codec_compress(CODEC_ZSTD, 1, bytes, packed, err);
    return rc ? rc : store_put_lazy_at(store, location, bytes, err);
}

int pending_add(struct catalog *catalog, struct meta_txn *txn, const char *location,
                struct slice packed, struct err *err)
{
    (void)catalog;
    return meta_exec(txn, err, "INSERT INTO catalog_pending (location, bytes) VALUES (?, ?)", "sb",
                     location, packed);
}

void pending_added(struct catalog *catalog, size_t files, size_t bytes)
{
    pthread_mutex_lock(&catalog->flush_mutex);
    if (catalog->pending_files == 0)
        pthread_cond_signal(&catalog->flush_wake);
    catalog->pending_files += (int64_t)files;
    catalog->pending_bytes += (int64_t)bytes;
    pthread_mutex_unlock(&catalog->flush_mutex);
}

/* ---- syncing ---- */

struct flush {
    struct arena *arena;
    const char *locations[BATCH];
    int64_t last; /* id of the last of them */
    size_t count;
    int64_t bytes;
};

static int batch_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct flush *flush = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT id, location, length(bytes) FROM catalog_pending"
                        " ORDER BY id LIMIT ?",
                        "i", (int64_t)BATCH);

    flush->count = 0;
    flush->bytes = 0;
    while (!rc && flush->count < BATCH && meta_next(stmt, err, &rc)) {
        flush->last = meta_i64(stmt, 0);
        flush->bytes += meta_i64(stmt, 2);
        flush->locations[flush->count] = arena_strdup(flush->arena, meta_text(stmt, 1));
        if (!flush->locations[flush->count++])
            rc = err_set(err, ERR_NOMEM, "metadata files");
    }
    meta_done(stmt);
    return rc;
}

/* Ids grow while any row is left, so nothing that came meanwhile is at or below `last`. */
static int forget_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct flush *flush = arg;

    return meta_exec(txn, err, "DELETE FROM catalog_pending WHERE id <= ?", "i", flush->last);
}

static int flush_batch(struct catalog *catalog, struct flush *flush, struct err *err)
{
    int rc = meta_read(catalog->meta, batch_fn, flush, err);

    if (!rc && flush->count)
        rc = store_sync_at(lake_store(catalog->lake), flush->locations, flush->count, err);
    if (!rc && flush->count)
        rc = meta_write_wait(catalog->meta, forget_fn, flush, err);
    if (!rc) {
        pthread_mutex_lock(&catalog->flush_mutex);
        catalog->pending_files -= (int64_t)flush->count;
        catalog->pending_bytes -= flush->bytes;
        pthread_mutex_unlock(&catalog->flush_mutex);
    }
    return rc;
}

/* One at a time: two that took the same batch would count it off twice, and ids begin anew when the
 * last row is gone. */
int pending_flush(struct catalog *catalog, struct err *err)
{
    struct arena arena = {0};
    struct flush flush = {.arena = &arena};
    int rc;

    pthread_mutex_lock(&catalog->flush_turn);
    do {
        arena_reset(&arena);
        rc = flush_batch(catalog, &flush, err);
    } while (!rc && flush.count == BATCH);
    pthread_mutex_unlock(&catalog->flush_turn);
    arena_deinit(&arena);
    return rc;
}

/* ---- removing ---- */

void pending_drop(struct catalog *catalog, const char *const *locations, size_t count)
{
    size_t taken = 0;

    pthread_mutex_lock(&catalog->flush_mutex);
    while (catalog->flusher_runs && taken < count && catalog->drop_count < PENDING_DROPS) {
        char *copy = strdup(locations[taken]);

        if (!copy)
            break;
        if (catalog->drop_count == 0)
            pthread_cond_signal(&catalog->flush_wake);
        catalog->dropped[catalog->drop_count++] = copy;
        taken++;
    }
    pthread_mutex_unlock(&catalog->flush_mutex);
    lake_remove_files(catalog->lake, locations + taken, count - taken);
}

/* Before the sync, which then has less to do: many of them were never synced. */
static void remove_dropped(struct catalog *catalog)
{
    char *batch[BATCH];
    size_t count;

    do {
        pthread_mutex_lock(&catalog->flush_mutex);
        count = catalog->drop_count < BATCH ? catalog->drop_count : BATCH;
        catalog->drop_count -= count;
        memcpy(batch, catalog->dropped + catalog->drop_count, count * sizeof(*batch));
        pthread_mutex_unlock(&catalog->flush_mutex);
        lake_remove_files(catalog->lake, (const char *const *)batch, count);
        for (size_t i = 0; i < count; i++)
            free(batch[i]);
    } while (count);
}

/* ---- the thread ---- */

static void wait_ms(struct catalog *catalog, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&catalog->flush_wake, &catalog->flush_mutex, &until);
}

static void *flusher_main(void *arg)
{
    struct catalog *catalog = arg;

    pthread_mutex_lock(&catalog->flush_mutex);
    while (!catalog->flush_stopping) {
        struct err err = {0};
        int rc;

        if (catalog->pending_files <= 0 && catalog->drop_count == 0) {
            pthread_cond_wait(&catalog->flush_wake, &catalog->flush_mutex);
            continue;
        }
        wait_ms(catalog, GATHER_MS);
        pthread_mutex_unlock(&catalog->flush_mutex);
        remove_dropped(catalog);
        rc = pending_flush(catalog, &err);
        if (rc)
            diag_warn("catalog", "metadata files are not synced yet: %s", err.text);
        pthread_mutex_lock(&catalog->flush_mutex);
        if (rc && !catalog->flush_stopping)
            wait_ms(catalog, 1000);
    }
    pthread_mutex_unlock(&catalog->flush_mutex);
    return NULL;
}

/* ---- after a crash ---- */

struct replay {
    struct arena *arena;
    int64_t after;        /* the last id looked at */
    const char *location; /* NULL: none is left */
    struct slice packed;
};

static int replay_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct replay *replay = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT id, location, bytes FROM catalog_pending WHERE id > ?"
                        " ORDER BY id LIMIT 1",
                        "i", replay->after);

    replay->location = NULL;
    if (!rc && meta_next(stmt, err, &rc)) {
        replay->after = meta_i64(stmt, 0);
        replay->location = arena_strdup(replay->arena, meta_text(stmt, 1));
        replay->packed = arena_slice(replay->arena, meta_blob(stmt, 2));
        if (!replay->location || !replay->packed.ptr)
            rc = err_set(err, ERR_NOMEM, "metadata files");
    }
    meta_done(stmt);
    return rc;
}

/* The same bytes are there already unless power was lost: then nothing is written, only synced. */
static int put_again(struct catalog *catalog, const struct replay *replay, struct err *err)
{
    struct store *store = lake_store(catalog->lake);
    struct buf bytes, there;
    int rc;

    buf_init(&bytes, TEXT_MAX);
    buf_init(&there, TEXT_MAX);
    rc = codec_decompress(CODEC_ZSTD, replay->packed, TEXT_MAX, &bytes, err);
    if (!rc && store_get_at(store, replay->location, &there, NULL) == 0 &&
        slice_eq(buf_slice(&bytes), buf_slice(&there)))
        rc = store_sync_at(store, &replay->location, 1, err);
    else if (!rc)
        rc = store_put_at(store, replay->location, buf_slice(&bytes), err);
    buf_deinit(&bytes);
    buf_deinit(&there);
    return rc;
}

static int all_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    (void)arg;
    return meta_exec(txn, err, "DELETE FROM catalog_pending", "");
}

static int replay_all(struct catalog *catalog, struct err *err)
{
    struct arena arena = {0};
    struct replay replay = {.arena = &arena};
    int64_t count = 0;
    int rc;

    for (;; count++) {
        rc = meta_read(catalog->meta, replay_fn, &replay, err);
        if (rc || !replay.location)
            break;
        rc = put_again(catalog, &replay, err);
        if (rc)
            break;
        arena_reset(&arena);
    }
    if (!rc && count)
        rc = meta_write_wait(catalog->meta, all_fn, NULL, err);
    arena_deinit(&arena);
    return rc ? err_wrap(err, rc, "metadata files of the last run") : 0;
}

/* ---- life ---- */

int pending_start(struct catalog *catalog, struct err *err)
{
    int rc = replay_all(catalog, err);

    if (rc || catalog->no_thread)
        return rc;
    if (pthread_create(&catalog->flusher, NULL, flusher_main, catalog))
        return err_set(err, ERR_NOMEM, "metadata files: no thread");
    pthread_setname_np(catalog->flusher, "metadata-sync");
    catalog->flusher_runs = true;
    return 0;
}

void pending_stop(struct catalog *catalog)
{
    if (!catalog->flusher_runs)
        return;
    pthread_mutex_lock(&catalog->flush_mutex);
    catalog->flush_stopping = true;
    pthread_cond_signal(&catalog->flush_wake);
    pthread_mutex_unlock(&catalog->flush_mutex);
    pthread_join(catalog->flusher, NULL);
    catalog->flusher_runs = false;
    remove_dropped(catalog);
    pending_flush(catalog, NULL); /* what fails is put again at the next start */
}
