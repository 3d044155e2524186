/* meta.c - opening and closing, and reads.
 *
 * Readers have connections of their own: in WAL mode they see the last durable commit and never
 * wait for the writer, nor for its sync. A handful is enough, since reads are short.
 */
#include "meta/meta_int.h"

#define READERS_MAX      8
#define WRITER_CACHE_KIB 4096
#define READER_CACHE_KIB 1024

int meta_new(struct meta **out, const struct meta_options *options, struct err *err)
{
    struct meta *meta = calloc(1, sizeof(*meta));
    int rc = ERR_NOMEM;

    if (!meta)
        return err_set(err, ERR_NOMEM, "metadata store");
    meta->disk = options->disk;
    meta->clock = options->clock;
    meta->no_thread = options->no_thread;
    meta->tail = &meta->head;
    pthread_mutex_init(&meta->mutex, NULL);
    pthread_cond_init(&meta->wake, NULL);
    pthread_mutex_init(&meta->readers_mutex, NULL);
    pthread_cond_init(&meta->readers_wake, NULL);
    meta->path = strdup(options->path);
    if (meta->path)
        rc = vfs_new(&meta->vfs, options->disk, options->clock, err);
    if (!rc)
        rc = conn_new(&meta->writer, meta->vfs, meta->path, WRITER_CACHE_KIB, err);
    if (!rc)
        rc = migrate(meta, options->migrations, err);
    if (!rc)
        rc = writer_start(meta, err);
    if (rc) {
        meta_free(meta);
        return rc;
    }
    *out = meta;
    return 0;
}

void meta_free(struct meta *meta)
{
    if (!meta)
        return;
    writer_stop(meta);
    while (meta->readers) {
        struct conn *next = meta->readers->next;

        conn_free(meta->readers);
        meta->readers = next;
    }
    /* A log that still holds a commit we called failed must not be taken over on the way out. */
    if (meta->broken && meta->writer)
        sqlite3_db_config(meta->writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    conn_free(meta->writer);
    vfs_free(meta->vfs);
    free(meta->path);
    pthread_mutex_destroy(&meta->mutex);
    pthread_cond_destroy(&meta->wake);
    pthread_mutex_destroy(&meta->readers_mutex);
    pthread_cond_destroy(&meta->readers_wake);
    free(meta);
}

int64_t meta_epoch(struct meta *meta)
{
    return meta->epoch;
}

/* ---- reads ---- */

static int reader_open(struct meta *meta, struct conn **out, struct err *err)
{
    int rc = conn_new(out, meta->vfs, meta->path, READER_CACHE_KIB, err);

    if (!rc)
        rc = conn_run(*out, "PRAGMA query_only = ON", err);
    if (rc) {
        conn_free(*out);
        *out = NULL;
    }
    return rc;
}

static void reader_put(struct meta *meta, struct conn *conn)
{
    pthread_mutex_lock(&meta->readers_mutex);
    if (conn) {
        conn->next = meta->readers;
        meta->readers = conn;
    } else {
        meta->reader_count--; /* it could not be opened */
    }
    pthread_cond_signal(&meta->readers_wake);
    pthread_mutex_unlock(&meta->readers_mutex);
}

static int reader_get(struct meta *meta, struct conn **out, struct err *err)
{
    struct conn *conn;
    int rc;

    pthread_mutex_lock(&meta->readers_mutex);
    while (!meta->readers && meta->reader_count >= READERS_MAX)
        pthread_cond_wait(&meta->readers_wake, &meta->readers_mutex);
    conn = meta->readers;
    if (conn)
        meta->readers = conn->next;
    else
        meta->reader_count++;
    pthread_mutex_unlock(&meta->readers_mutex);
    *out = conn;
    if (conn)
        return 0;
    rc = reader_open(meta, out, err);
    if (rc)
        reader_put(meta, NULL);
    return rc;
}

int meta_read(struct meta *meta, meta_fn *fn, void *arg, struct err *err)
{
    struct meta_txn txn = {.meta = meta};
    int rc = reader_get(meta, &txn.conn, err);

    if (rc)
        return rc;
    rc = conn_run(txn.conn, "BEGIN", err);
    if (!rc) {
        rc = fn(&txn, arg, err);
        conn_settle(txn.conn);
        if (!sqlite3_get_autocommit(txn.conn->db))
            conn_run(txn.conn, "ROLLBACK", NULL); /* only ends the view */
    }
    reader_put(meta, txn.conn);
    return rc;
}

static int check_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "PRAGMA quick_check(1)", "");

    (void)arg;
    if (!rc && meta_next(stmt, err, &rc)) {
        const char *text = meta_text(stmt, 0);

        if (text && strcmp(text, "ok") != 0)
            rc = err_set(err, ERR_CORRUPT, "%s: %s", txn->meta->path, text);
    }
    meta_done(stmt);
    return rc;
}

int meta_check(struct meta *meta, struct err *err)
{
    return meta_read(meta, check_fn, NULL, err);
}
