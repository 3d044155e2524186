/* writer.c - one writer, and group commit.
 *
 * A commit costs a sync, and a sync costs the same for one change as for a hundred. The writer
 * takes all transactions that wait, runs each inside a savepoint, and commits them with one sync;
 * those that arrive meanwhile are the next group. One that fails is rolled back alone. When the
 * whole group dies (SQLite gives up a transaction on a full disk or lost memory, or the sync
 * fails), each is run again by itself, so that one huge change on a nearly full disk does not take
 * the small ones with it.
 *
 * A commit whose sync failed has left a whole, valid commit in the write-ahead log, and a power
 * loss could bring it back after we said that it failed. So what it wrote is cut off again before
 * anybody is told. Should that fail too the answer is ERR_UNKNOWN, and nothing more is written
 * until the cut succeeds.
 *
 * Checkpoints (from the log into the database) run between groups, when those who waited know.
 */
#include "meta/meta_int.h"

#define QUEUE_MAX        65536
#define GROUP_MAX        512
#define CHECKPOINT_PAGES 1000
#define RETRY_MS         1000

/* ---- one group ---- */

/* False: SQLite gave up the whole transaction. */
static bool alive(struct conn *conn)
{
    return !sqlite3_get_autocommit(conn->db);
}

static bool run_one(struct meta *meta, struct request *req)
{
    struct meta_txn txn = {.conn = meta->writer, .meta = meta};

    req->err = (struct err){0};
    req->rc = conn_run(txn.conn, "SAVEPOINT one", &req->err);
    if (req->rc)
        return false;
    req->rc = req->fn(&txn, req->arg, &req->err);
    conn_settle(txn.conn);
    if (!alive(txn.conn))
        return false;
    if (req->rc && conn_run(txn.conn, "ROLLBACK TO one", NULL))
        return false;
    return conn_run(txn.conn, "RELEASE one", NULL) == 0;
}

/* Everybody whose own function succeeded gets the error of the group. */
static void fail_all(struct request *head, int rc, const struct err *err)
{
    for (struct request *req = head; req; req = req->next) {
        if (req->rc == 0) {
            req->rc = rc;
            req->err = *err;
        }
    }
}

static int repair(struct meta *meta, struct err *err)
{
    int rc = vfs_wal_cut(meta->vfs, err);

    meta->broken = rc != 0;
    return rc;
}

/* The commit failed: makes sure that it stays so. */
static int undo_commit(struct meta *meta, int rc, struct err *err)
{
    struct err why = {0};
    bool touched = vfs_wal_touched(meta->vfs);

    if (alive(meta->writer))
        conn_run(meta->writer, "ROLLBACK", NULL);
    if (touched && repair(meta, &why)) {
        diag_error("meta", "a commit failed (%s) and could not be undone (%s): writes wait",
                   err->text, why.text);
        return err_wrap(err, err->code = ERR_UNKNOWN, "it is not known whether this was saved");
    }
    return rc;
}

/* 0: every request has its own result. Else the group is dead and has to be taken apart;
 * ERR_UNKNOWN: it must not be tried again. */
static int try_group(struct meta *meta, struct request *head, struct err *err)
{
    struct conn *conn = meta->writer;
    bool any = false;
    int rc;

    if (meta->broken) {
        rc = repair(meta, err);
        if (rc)
            return err_wrap(err, rc, "an earlier failure is not repaired yet");
    }
    vfs_wal_mark(meta->vfs);
    rc = conn_run(conn, "BEGIN IMMEDIATE", err);
    for (struct request *req = head; !rc && req; req = req->next) {
        if (!run_one(meta, req)) {
            rc = req->rc ? req->rc : ERR_INTERNAL;
            *err = req->err;
            req->rc = 0; /* whose fault it was is found out alone */
        }
        any |= !rc && req->rc == 0;
    }
    if (!rc && any)
        rc = conn_run(conn, "COMMIT", err);
    else if (alive(conn))
        conn_run(conn, "ROLLBACK", NULL);
    if (rc)
        rc = undo_commit(meta, rc, err);
    return rc;
}

static void run_group(struct meta *meta, struct request *head)
{
    struct err err = {0};
    int rc = try_group(meta, head, &err);

    if (!rc)
        return;
    if (!head->next || rc == ERR_UNKNOWN || meta->broken) {
        fail_all(head, rc, &err);
        return;
    }
    for (struct request *req = head, *next; req; req = next) {
        next = req->next;
        req->next = NULL;
        req->rc = 0;
        err = (struct err){0};
        rc = try_group(meta, req, &err);
        if (rc)
            fail_all(req, rc, &err);
        req->next = next;
    }
}

static int wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct meta *meta = arg;

    (void)db, (void)name;
    meta->wal_pages = pages;
    return SQLITE_OK;
}

/* Failure loses nothing: the log keeps what the database lacks, and grows until it works again. */
static void checkpoint(struct meta *meta)
{
    int pages = 0, moved = 0, rc;
    struct err err = {0};

    if (meta->wal_pages < CHECKPOINT_PAGES || meta->broken ||
        clock_mono_ms(meta->clock) < meta->retry_ms)
        return;
    vfs_disk_error()->code = 0;
    rc = sqlite3_wal_checkpoint_v2(meta->writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                   &moved);
    if (rc == SQLITE_OK && moved == pages) {
        meta->wal_pages = 0;
        return;
    }
    /* A reader still needs the old pages, or the disk refused. */
    meta->retry_ms = clock_mono_ms(meta->clock) + (rc == SQLITE_OK ? 10 : RETRY_MS);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        conn_error(meta->writer, rc, &err, "checkpoint");
        diag_warn("meta", "%s", err.text);
    }
}

/* ---- the queue ---- */

static void answer(struct request *req)
{
    if (req->wake) {
        sem_post(req->wake); /* req lives on the waiter's stack: it is gone now */
        return;
    }
    req->done(req->done_arg, req->rc, &req->err);
    free(req);
}

static void answer_on_loop(void *arg)
{
    answer(arg);
}

static void answer_all(struct meta *meta, struct request *head)
{
    for (struct request *req = head, *next; req; req = next) {
        next = req->next;
        if (!req->loop) {
            answer(req);
            continue;
        }
        /* An answer must not be lost: memory comes back. A closed loop wants none. */
        int rc;
        while ((rc = loop_post(req->loop, answer_on_loop, req)) == ERR_NOMEM)
            meta->clock->sleep_ns(meta->clock, 1000000);
        if (rc)
            free(req);
    }
}

/* Takes up to GROUP_MAX requests; the mutex is held. */
static struct request *take_group(struct meta *meta)
{
    struct request *head = meta->head, **at = &meta->head;
    int count = 0;

    while (*at && count < GROUP_MAX) {
        at = &(*at)->next;
        count++;
    }
    meta->head = *at;
    *at = NULL;
    if (!meta->head)
        meta->tail = &meta->head;
    meta->queued -= count;
    return head;
}

static void *writer_main(void *arg)
{
    struct meta *meta = arg;

    pthread_mutex_lock(&meta->mutex);
    for (;;) {
        struct request *group;

        while (!meta->head && !meta->stopping)
            pthread_cond_wait(&meta->wake, &meta->mutex);
        if (!meta->head)
            break;
        group = take_group(meta);
        pthread_mutex_unlock(&meta->mutex);
        run_group(meta, group);
        answer_all(meta, group);
        checkpoint(meta);
        pthread_mutex_lock(&meta->mutex);
    }
    pthread_mutex_unlock(&meta->mutex);
    return NULL;
}

static int enqueue(struct meta *meta, struct request *req, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&meta->mutex);
    if (meta->stopping)
        rc = err_set(err, ERR_CLOSED, "the metadata store is stopping");
    else if (meta->queued >= QUEUE_MAX)
        rc = err_set(err, ERR_LIMIT, "%d metadata transactions wait already", QUEUE_MAX);
    if (!rc) {
        *meta->tail = req;
        meta->tail = &req->next;
        if (meta->queued++ == 0)
            pthread_cond_signal(&meta->wake);
    }
    pthread_mutex_unlock(&meta->mutex);
    return rc;
}

static void run_here(struct meta *meta, struct request *req)
{
    pthread_mutex_lock(&meta->mutex);
    run_group(meta, req);
    checkpoint(meta);
    pthread_mutex_unlock(&meta->mutex);
}

int meta_write_wait(struct meta *meta, meta_fn *fn, void *arg, struct err *err)
{
    struct request req = {.fn = fn, .arg = arg};
    sem_t wake;
    int rc;

    if (meta->no_thread) {
        run_here(meta, &req);
    } else {
        assert(!pthread_equal(pthread_self(), meta->thread)); /* it would wait for itself */
        sem_init(&wake, 0, 0);
        req.wake = &wake;
        rc = enqueue(meta, &req, err);
        while (!rc && sem_wait(&wake))
            ; /* a signal */
        sem_destroy(&wake);
        if (rc)
            return rc;
    }
    if (req.rc && err)
        *err = req.err;
    return req.rc;
}

int meta_write(struct meta *meta, meta_fn *fn, void *arg, struct loop *loop,
               void (*done)(void *arg, int rc, const struct err *err), void *done_arg)
{
    struct request *req = calloc(1, sizeof(*req));
    int rc;

    if (!req)
        return ERR_NOMEM;
    *req = (struct request){
        .fn = fn, .arg = arg, .loop = loop, .done = done, .done_arg = done_arg};
    if (meta->no_thread) {
        run_here(meta, req);
        answer_all(meta, req);
        return 0;
    }
    rc = enqueue(meta, req, NULL);
    if (rc)
        free(req);
    return rc;
}

int writer_start(struct meta *meta, struct err *err)
{
    sqlite3_wal_hook(meta->writer->db, wal_hook, meta);
    meta->wal_pages = CHECKPOINT_PAGES; /* unknown: look after the first commit */
    if (meta->no_thread)
        return 0;
    if (pthread_create(&meta->thread, NULL, writer_main, meta))
        return err_set(err, ERR_NOMEM, "metadata writer: no thread");
    pthread_setname_np(meta->thread, "meta");
    meta->running = true;
    return 0;
}

void writer_stop(struct meta *meta)
{
    if (!meta->running)
        return;
    pthread_mutex_lock(&meta->mutex);
    meta->stopping = true;
    pthread_cond_signal(&meta->wake);
    pthread_mutex_unlock(&meta->mutex);
    pthread_join(meta->thread, NULL);
    meta->running = false;
}
