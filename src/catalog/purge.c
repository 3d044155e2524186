/* purge.c - removing the files of dropped tables, in the background.
 *
 * A drop with purge leaves a row behind in the transaction that drops the table. A thread of its
 * own removes the files and then the row, so a crash in between only means that it is done again;
 * what failed is tried again with the next drop and at the next start.
 * A table that lives again under another name (registered from its metadata file) is left alone.
 * Metadata files that are not synced yet are first: a start after a crash would put them again.
 *
 * Every drop leaves a row of a second kind, for the key index of the table: a cache of ours that is
 * worth nothing without it.
 */
#include "catalog/catalog_int.h"
#include "lake/upsert.h"

struct purge_call {
    struct arena *arena;
    const char *after;           /* the last one looked at; "" at first */
    const char *location, *uuid; /* NULL: none is left */
    bool alive;                  /* a table of this uuid exists */
};

static int next_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct purge_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(
        txn, &stmt, err,
        "SELECT metadata_location, uuid,"
        " EXISTS (SELECT 1 FROM catalog_table t WHERE t.uuid = p.uuid)"
        " FROM catalog_purge p WHERE metadata_location > ? ORDER BY metadata_location LIMIT 1",
        "s", call->after);

    call->location = NULL;
    if (!rc && meta_next(stmt, err, &rc)) {
        call->location = arena_strdup(call->arena, meta_text(stmt, 0));
        call->uuid = arena_strdup(call->arena, meta_text(stmt, 1));
        call->alive = meta_i64(stmt, 2) != 0;
        if (!call->location || !call->uuid)
            rc = err_set(err, ERR_NOMEM, "purge");
    }
    meta_done(stmt);
    return rc;
}

static int forget_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct purge_call *call = arg;

    return meta_exec(txn, err, "DELETE FROM catalog_purge WHERE metadata_location = ?", "s",
                     call->location);
}

static bool is_stopping(struct catalog *catalog)
{
    bool stopping;

    pthread_mutex_lock(&catalog->purge_mutex);
    stopping = catalog->stopping;
    pthread_mutex_unlock(&catalog->purge_mutex);
    return stopping;
}

/* One failure does not keep the others waiting; the first one is reported. */
static void note_failure(int rc, const struct err *why, const char *what, int *first,
                         struct err *err)
{
    diag_warn("catalog", "purge of %s: %s", what, why->text);
    if (!*first)
        *first = err_set(err, rc, "%s", why->text);
}

static int purge_files(struct catalog *catalog, struct arena *arena, int *first, struct err *err)
{
    struct purge_call call = {.arena = arena, .after = ""};
    int rc = 0;

    while (!is_stopping(catalog)) {
        struct err why = {0};

        rc = meta_read(catalog->meta, next_fn, &call, err);
        if (rc || !call.location)
            break;
        if (!call.alive)
            rc = pending_flush(catalog, &why);
        if (!call.alive && !rc)
            rc = lake_purge(catalog->lake, call.location, &why);
        if (rc == 0 || rc == ERR_NOENT)
            rc = meta_write_wait(catalog->meta, forget_fn, &call, &why);
        if (rc)
            note_failure(rc, &why, call.location, first, err);
        call.after = call.location;
    }
    return rc;
}

/* ---- what is kept beside a table ---- */

static int next_gone_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct purge_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT uuid, EXISTS (SELECT 1 FROM catalog_table t WHERE t.uuid = d.uuid)"
                        " FROM catalog_dropped d WHERE uuid > ? ORDER BY uuid LIMIT 1",
                        "s", call->after);

    call->uuid = NULL;
    if (!rc && meta_next(stmt, err, &rc)) {
        call->uuid = arena_strdup(call->arena, meta_text(stmt, 0));
        call->alive = meta_i64(stmt, 1) != 0;
        if (!call->uuid)
            rc = err_set(err, ERR_NOMEM, "purge");
    }
    meta_done(stmt);
    return rc;
}

static int forget_gone_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct purge_call *call = arg;

    return meta_exec(txn, err, "DELETE FROM catalog_dropped WHERE uuid = ?", "s", call->uuid);
}

/* ERR_BUSY: a job still writes to the table; it will be told, and the index goes another time. */
static int purge_indexes(struct catalog *catalog, struct arena *arena, int *first, struct err *err)
{
    struct purge_call call = {.arena = arena, .after = ""};
    int rc = 0;

    while (!is_stopping(catalog)) {
        struct err why = {0};

        rc = meta_read(catalog->meta, next_gone_fn, &call, err);
        if (rc || !call.uuid)
            break;
        rc = call.alive ? 0 : lake_upsert_forget(catalog->lake, call.uuid, &why);
        if (rc == 0)
            rc = meta_write_wait(catalog->meta, forget_gone_fn, &call, &why);
        if (rc && rc != ERR_BUSY)
            note_failure(rc, &why, call.uuid, first, err);
        rc = 0;
        call.after = call.uuid;
    }
    return rc;
}

int catalog_purge_wait(struct catalog *catalog, struct err *err)
{
    struct arena arena = {0};
    int first = 0, rc = purge_files(catalog, &arena, &first, err);

    rc = rc ? rc : purge_indexes(catalog, &arena, &first, err);
    arena_deinit(&arena);
    return first ? first : rc;
}

static void *purger_main(void *arg)
{
    struct catalog *catalog = arg;

    pthread_mutex_lock(&catalog->purge_mutex);
    while (!catalog->stopping) {
        if (!catalog->purge_wanted) {
            pthread_cond_wait(&catalog->purge_wake, &catalog->purge_mutex);
            continue;
        }
        catalog->purge_wanted = false;
        pthread_mutex_unlock(&catalog->purge_mutex);
        catalog_purge_wait(catalog, NULL);
        pthread_mutex_lock(&catalog->purge_mutex);
    }
    pthread_mutex_unlock(&catalog->purge_mutex);
    return NULL;
}

int purge_start(struct catalog *catalog, struct err *err)
{
    catalog->purge_wanted = true; /* what the last run left over */
    if (catalog->no_thread)
        return 0;
    if (pthread_create(&catalog->purger, NULL, purger_main, catalog))
        return err_set(err, ERR_NOMEM, "purge: no thread");
    pthread_setname_np(catalog->purger, "purge");
    catalog->purger_runs = true;
    return 0;
}

void purge_wake(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->purge_mutex);
    catalog->purge_wanted = true;
    pthread_cond_signal(&catalog->purge_wake);
    pthread_mutex_unlock(&catalog->purge_mutex);
}

void purge_stop(struct catalog *catalog)
{
    if (!catalog->purger_runs)
        return;
    pthread_mutex_lock(&catalog->purge_mutex);
    catalog->stopping = true;
    pthread_cond_signal(&catalog->purge_wake);
    pthread_mutex_unlock(&catalog->purge_mutex);
    pthread_join(catalog->purger, NULL);
    catalog->purger_runs = false;
}
