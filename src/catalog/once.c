/* once.c - changes that a client asks for twice, because it did not hear the answer.
 *
 * The client's key becomes a row in the transaction of the change it names: both are true or
 * neither is. Source: REST catalog specification, parameter "Idempotency-Key". A row lives as long
 * as the catalog tells clients that they may try again, and somewhat longer; each new one takes two
 * old ones away, so that the table is bounded by the rate of an hour.
 */
#include "catalog/catalog_int.h"

#define GRACE_MS INT64_C(600000)

static _Thread_local const struct catalog_once *current; /* the request that this thread serves */

void catalog_once_set(const struct catalog_once *once)
{
    current = once;
}

const struct catalog_once *once_current(void)
{
    return current;
}

static int once_insert(struct catalog *catalog, struct meta_txn *txn,
                       const struct catalog_once *once, int status, const json_t *body,
                       struct err *err)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int64_t now_ms = clock_wall_ms(catalog->clock);
    int rc = body && !text ? err_set(err, ERR_NOMEM, "idempotency key") : 0;

    if (!rc)
        rc = meta_exec(txn, err,
                       "INSERT OR IGNORE INTO catalog_once (key, print, status, body, made_ms)"
                       " VALUES (?, ?, ?, ?, ?)",
                       "siisi", once->key, once->print, (int64_t)status, text, now_ms);
    if (!rc && meta_changes(txn) == 0)
        rc = err_set(err, ERR_AGAIN, "Idempotency-Key %s is done", once->key);
    if (!rc)
        rc = meta_exec(txn, err,
                       "DELETE FROM catalog_once WHERE key IN (SELECT key FROM catalog_once"
                       " WHERE made_ms < ? ORDER BY made_ms LIMIT 2)",
                       "i", now_ms - ONCE_LIFE_MS - GRACE_MS);
    free(text);
    return rc;
}

int once_add(struct catalog *catalog, struct meta_txn *txn, const struct catalog_once *once,
             const json_t *body, struct err *err)
{
    return once_insert(catalog, txn, once, 0, body, err);
}

struct write_call {
    struct catalog *catalog;
    meta_fn *fn;
    void *arg;
    const struct catalog_once *once;
    json_t *const *body;
};

static int write_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct write_call *call = arg;
    int rc = call->fn(txn, call->arg, err);

    if (!rc && call->once)
        rc = once_add(call->catalog, txn, call->once, call->body ? *call->body : NULL, err);
    return rc;
}

int write_once(struct catalog *catalog, meta_fn *fn, void *arg, json_t *const *body,
               struct err *err)
{
    struct write_call call = {catalog, fn, arg, current, body};

    return meta_write_wait(catalog->meta, write_fn, &call, err);
}

/* ---- refusals, and asking ---- */

struct refused_call {
    struct catalog *catalog;
    const struct catalog_once *once;
    int status;
    const json_t *body;
};

static int refused_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct refused_call *call = arg;

    return once_insert(call->catalog, txn, call->once, call->status, call->body, err);
}

int catalog_once_refused(struct catalog *catalog, const struct catalog_once *once, int status,
                         const json_t *body, struct err *err)
{
    struct refused_call call = {catalog, once, status, body};

    return meta_write_wait(catalog->meta, refused_fn, &call, err);
}

struct find_call {
    const char *key;
    struct arena *arena;
    struct catalog_once_answer *out;
};

static int find_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct find_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc =
        meta_query(txn, &stmt, err, "SELECT print, status, body FROM catalog_once WHERE key = ?",
                   "s", call->key);

    *call->out = (struct catalog_once_answer){0};
    if (!rc && meta_next(stmt, err, &rc)) {
        call->out->found = true;
        call->out->print = meta_i64(stmt, 0);
        call->out->status = (int)meta_i64(stmt, 1);
        if (!meta_is_null(stmt, 2)) {
            call->out->body = arena_strdup(call->arena, meta_text(stmt, 2));
            if (!call->out->body)
                rc = err_set(err, ERR_NOMEM, "idempotency key");
        }
    }
    meta_done(stmt);
    return rc;
}

int catalog_once_find(struct catalog *catalog, const char *key, struct arena *arena,
                      struct catalog_once_answer *out, struct err *err)
{
    struct find_call call = {.key = key, .arena = arena, .out = out};

    return meta_read(catalog->meta, find_fn, &call, err);
}
