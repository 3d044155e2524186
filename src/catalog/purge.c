/* purge.c - removing the files of dropped tables, in the background.
 *
 * A drop with purge leaves a row behind in the transaction that drops the table. A thread of its
 * own removes the files and then the row, so a crash in between only means that it is done again;
 * what failed is tried again with the next drop and at the next start.
 * A table that lives again under another name (registered from its metadata file) is left alone.
 */
#include "catalog/catalog_int.h"

struct purge_call {
    struct arena *arena;
    const char *after;               /* the last one looked at; "" at first */
    const char *location, *uuid;     /* NULL: none is left */
    bool alive;                      /* a table of this uuid exists */
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
int catalog_purge_wait(struct catalog *catalog, struct err *err)
{
    struct arena arena = {0};
    struct purge_call call = {.arena = &arena, .after = ""};
    int first = 0, rc = 0;

    while (!is_stopping(catalog)) {
        struct err why = {0};

        rc = meta_read(catalog->meta, next_fn, &call, err);
        if (rc || !call.location)
            break;
        if (!call.alive)
            rc = lake_purge(catalog->lake, call.location, &why);
        if (rc == 0 || rc == ERR_NOENT)
            rc = meta_write_wait(catalog->meta, forget_fn, &call, &why);
        if (rc) {
            diag_warn("catalog", "purge of %s: %s", call.location, why.text);
            if (!first)
                first = err_set(err, rc, "%s", why.text);
        }
        call.after = call.location;
    }
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
