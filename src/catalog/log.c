/* log.c - the catalog's rows, the pointer swap, and the commit log.
 *
 * A swap is a compare and set: the row must still hold the uuid and the metadata file that the
 * change was made on. All rows of one commit change inside one metadata transaction, together with
 * the entry in the log. The log is bounded: an entry past the newest LOG_ROWS_MAX is forgotten as
 * new ones come, one by one, so that no commit pays for a thousand.
 */
#include "catalog/catalog_int.h"

const struct meta_migration catalog_migrations[] = {
    {"catalog", 1,
     "CREATE TABLE catalog_namespace ("
     " ns TEXT PRIMARY KEY,"      /* levels joined by U+001F */
     " parent TEXT NOT NULL,"     /* '' on the first level */
     " properties TEXT NOT NULL," /* JSON object of strings */
     " created_ms INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE INDEX catalog_namespace_parent ON catalog_namespace (parent, ns);"
     "CREATE TABLE catalog_table ("
     " ns TEXT NOT NULL REFERENCES catalog_namespace (ns),"
     " name TEXT NOT NULL,"
     " uuid TEXT NOT NULL,"
     " metadata_location TEXT NOT NULL,"
     " previous_location TEXT,"
     " updated_ms INTEGER NOT NULL,"
     " PRIMARY KEY (ns, name)) WITHOUT ROWID;"
     "CREATE INDEX catalog_table_uuid ON catalog_table (uuid);"
     "CREATE TABLE catalog_commit ("
     " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " ref TEXT NOT NULL DEFAULT 'main',"
     " time_ms INTEGER NOT NULL,"
     " who TEXT NOT NULL,"
     " changes TEXT NOT NULL);"     /* JSON array of {op, key, uuid, from, to} */
     "CREATE TABLE catalog_purge (" /* dropped tables whose files are still to be removed */
     " metadata_location TEXT PRIMARY KEY,"
     " uuid TEXT NOT NULL,"
     " added_ms INTEGER NOT NULL) WITHOUT ROWID;"},
    {"catalog", 2,
     "ALTER TABLE catalog_table ADD COLUMN place TEXT;" /* its location; NULL: not looked up yet */
     "CREATE INDEX catalog_table_place ON catalog_table (place);"
     "CREATE TABLE catalog_pending (" /* metadata files that are not synced: pending.c */
     " id INTEGER PRIMARY KEY,"
     " location TEXT NOT NULL,"
     " bytes BLOB NOT NULL);"      /* zstd */
     "CREATE TABLE catalog_once (" /* Idempotency-Key: once.c */
     " key TEXT PRIMARY KEY,"
     " print INTEGER NOT NULL,"  /* of the request */
     " status INTEGER NOT NULL," /* of the answer; 0: it succeeded */
     " body TEXT,"               /* JSON; NULL: what the catalog holds */
     " made_ms INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE INDEX catalog_once_made ON catalog_once (made_ms);"
     "CREATE TABLE catalog_view ("
     " ns TEXT NOT NULL REFERENCES catalog_namespace (ns),"
     " name TEXT NOT NULL,"
     " uuid TEXT NOT NULL,"
     " metadata_location TEXT NOT NULL,"
     " updated_ms INTEGER NOT NULL,"
     " PRIMARY KEY (ns, name)) WITHOUT ROWID;"},
    {"catalog", 3, /* tables that are gone: what was kept beside them goes too, purge.c */
     "CREATE TABLE catalog_dropped (uuid TEXT PRIMARY KEY) WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

int ns_require(struct meta_txn *txn, const char *ns, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT 1 FROM catalog_namespace WHERE ns = ?", "s", ns);

    if (!rc && !meta_next(stmt, err, &rc) && !rc)
        rc = no_namespace(err, ns);
    meta_done(stmt);
    return rc;
}

int row_find(struct meta_txn *txn, const struct lake_ident *ident, struct arena *arena,
             struct row *out, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc =
        meta_query(txn, &stmt, err,
                   "SELECT uuid, metadata_location FROM catalog_table WHERE ns = ? AND name = ?",
                   "ss", ident->ns, ident->name);

    if (!rc && meta_next(stmt, err, &rc)) {
        out->uuid = arena_strdup(arena, meta_text(stmt, 0));
        out->location = arena_strdup(arena, meta_text(stmt, 1));
        if (!out->uuid || !out->location)
            rc = err_set(err, ERR_NOMEM, "table %s", show_table(ident).text);
    } else if (!rc) {
        rc = no_table(err, ident);
    }
    meta_done(stmt);
    return rc;
}

static int is_there(struct meta_txn *txn, const char *sql, const struct lake_ident *ident,
                    bool *there, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, sql, "ss", ident->ns, ident->name);

    *there = !rc && meta_next(stmt, err, &rc);
    meta_done(stmt);
    return rc;
}

int name_vacant(struct meta_txn *txn, const struct lake_ident *ident, int of, struct err *err)
{
    bool there = false;
    int rc = 0;

    if (of & NAME_OF_TABLE)
        rc = is_there(txn, "SELECT 1 FROM catalog_table WHERE ns = ? AND name = ?", ident, &there,
                      err);
    if (!rc && there)
        return of & NAME_OF_VIEW
                   ? have_table(err, ident)
                   : err_set(err, ERR_EXISTS, "Table with same name already exists: %s",
                             show_table(ident).text);
    if (!rc && (of & NAME_OF_VIEW))
        rc = is_there(txn, "SELECT 1 FROM catalog_view WHERE ns = ? AND name = ?", ident, &there,
                      err);
    if (!rc && there)
        return err_set(err, ERR_EXISTS, "View with same name already exists: %s",
                       show_table(ident).text);
    return rc;
}

json_t *log_change(const char *op, const struct lake_ident *ident, const char *uuid,
                   const char *from, const char *to)
{
    struct shown key = ident->name ? show_table(ident) : show_ns(ident->ns);

    return json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "op", op, "key", key.text, "uuid", uuid,
                     "from", from, "to", to);
}

int catalog_log_append(struct catalog *catalog, struct meta_txn *txn, const char *who,
                       json_t *changes, struct err *err)
{
    char *text = changes ? json_dumps(changes, JSON_COMPACT) : NULL;
    int rc;

    json_decref(changes);
    if (!text)
        return err_set(err, ERR_NOMEM, "catalog commit");
    rc = meta_exec(txn, err, "INSERT INTO catalog_commit (time_ms, who, changes) VALUES (?, ?, ?)",
                   "iss", clock_wall_ms(catalog->clock), who ? who : "", text);
    free(text);
    if (!rc)
        rc = meta_exec(txn, err,
                       "DELETE FROM catalog_commit WHERE seq <="
                       " (SELECT max(seq) FROM catalog_commit) - ?",
                       "i", (int64_t)LOG_ROWS_MAX);
    return rc;
}

/* ---- the swap ---- */

static int swap_new(struct catalog *catalog, struct meta_txn *txn, const struct lake_swap *swap,
                    struct err *err)
{
    int rc = ns_require(txn, swap->ident.ns, err);

    if (!rc)
        rc = name_vacant(txn, &swap->ident, NAME_OF_VIEW, err);
    if (rc)
        return rc;
    rc = meta_exec(txn, err,
                   "INSERT INTO catalog_table (ns, name, uuid, metadata_location, updated_ms)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "ssssi", swap->ident.ns, swap->ident.name, swap->uuid, swap->new_location,
                   clock_wall_ms(catalog->clock));
    if (rc == ERR_EXISTS)
        rc = have_table(err, &swap->ident);
    return rc;
}

static int swap_base(struct catalog *catalog, struct meta_txn *txn, const struct lake_swap *swap,
                     struct err *err)
{
    struct arena arena = {0};
    struct row row;
    int rc = meta_exec(
        txn, err,
        "UPDATE catalog_table SET metadata_location = ?, previous_location = ?, updated_ms = ?"
        " WHERE ns = ? AND name = ? AND uuid = ? AND metadata_location = ?",
        "ssissss", swap->new_location, swap->base_location, clock_wall_ms(catalog->clock),
        swap->ident.ns, swap->ident.name, swap->uuid, swap->base_location);

    if (rc || meta_changes(txn) == 1)
        return rc;
    rc = row_find(txn, &swap->ident, &arena, &row, err);
    if (!rc)
        rc = err_set(err, ERR_CONFLICT, "Table %s %s", show_table(&swap->ident).text,
                     strcmp(row.uuid, swap->uuid) != 0 ? "was replaced by another of its name"
                                                       : "was changed meanwhile");
    arena_deinit(&arena);
    return rc;
}

static int swap_one(struct catalog *catalog, struct meta_txn *txn, const struct swap *swap,
                    json_t *changes, struct err *err)
{
    const struct lake_swap *lake = &swap->lake;
    int rc = lake->base_location ? swap_base(catalog, txn, lake, err)
                                 : swap_new(catalog, txn, lake, err);

    if (!rc && swap->place)
        rc = place_claim(txn, &lake->ident, swap->place, err);
    for (size_t i = 0; !rc && i < swap->others.count; i++)
        rc = place_check(txn, &lake->ident, swap->others.list[i], err);
    for (size_t i = 0; !rc && i < swap->ride_count; i++)
        rc = pending_add(catalog, txn, swap->rides[i].location, swap->rides[i].packed, err);
    if (!rc && json_array_append_new(changes, log_change(lake->base_location ? "commit" : "create",
                                                         &lake->ident, lake->uuid,
                                                         lake->base_location, lake->new_location)))
        rc = err_set(err, ERR_NOMEM, "catalog commit");
    return rc;
}

int swap_in(struct catalog *catalog, struct meta_txn *txn, const char *who,
            const struct swap *swaps, size_t count, struct err *err)
{
    json_t *changes = json_array();
    int rc = changes ? 0 : err_set(err, ERR_NOMEM, "catalog commit");

    for (size_t i = 0; !rc && i < count; i++)
        rc = swap_one(catalog, txn, &swaps[i], changes, err);
    if (rc) {
        json_decref(changes);
        return rc;
    }
    return catalog_log_append(catalog, txn, who, changes, err);
}

struct swap_call {
    struct catalog *catalog;
    const char *who;
    const struct swap *swaps;
    size_t count;
    const struct swap_also *also;
    size_t also_count;
    size_t again_at;
};

static int swap_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct swap_call *call = arg;
    int rc = swap_in(call->catalog, txn, call->who, call->swaps, call->count, err);

    for (size_t i = 0; !rc && i < call->also_count; i++) {
        const struct swap_also *also = &call->also[i];

        call->again_at = i;
        if (also->once)
            rc = once_add(call->catalog, txn, also->once, NULL, err);
        if (!rc && also->fn)
            rc = also->fn(txn, also->arg, err);
    }
    return rc;
}

int swap_write(struct catalog *catalog, const char *who, const struct swap *swaps, size_t count,
               const struct swap_also *also, size_t also_count, size_t *again_at, struct err *err)
{
    struct swap_call call = {catalog, who, swaps, count, also, also_count, 0};
    size_t files = 0, bytes = 0;
    int rc = meta_write_wait(catalog->meta, swap_fn, &call, err);

    for (size_t i = 0; !rc && i < count; i++) {
        files += swaps[i].ride_count;
        for (size_t k = 0; k < swaps[i].ride_count; k++)
            bytes += swaps[i].rides[k].packed.len;
    }
    if (files)
        pending_added(catalog, files, bytes);
    if (again_at)
        *again_at = call.again_at;
    return rc;
}

/* ---- reading the log ---- */

struct log_call {
    int64_t before;
    size_t max;
    struct arena *arena;
    struct catalog_commit_row *rows;
    size_t count;
};

static int log_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct log_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT seq, time_ms, who, changes FROM catalog_commit"
                        " WHERE seq < ? ORDER BY seq DESC LIMIT ?",
                        "ii", call->before > 0 ? call->before : INT64_MAX, (int64_t)call->max);

    while (!rc && call->count < call->max && meta_next(stmt, err, &rc)) {
        struct catalog_commit_row *row = &call->rows[call->count++];

        row->seq = meta_i64(stmt, 0);
        row->time_ms = meta_i64(stmt, 1);
        row->who = arena_strdup(call->arena, meta_text(stmt, 2));
        row->changes = arena_strdup(call->arena, meta_text(stmt, 3));
        if (!row->who || !row->changes)
            rc = err_set(err, ERR_NOMEM, "catalog log");
    }
    meta_done(stmt);
    return rc;
}

int catalog_log(struct catalog *catalog, int64_t before, size_t max, struct arena *arena,
                struct catalog_commit_row **rows, size_t *count, struct err *err)
{
    struct log_call call = {.before = before, .max = max < 10000 ? max : 10000, .arena = arena};
    int rc;

    call.rows = ARENA_ARRAY(arena, struct catalog_commit_row, call.max);
    if (!call.rows)
        return err_set(err, ERR_NOMEM, "catalog log");
    rc = meta_read(catalog->meta, log_fn, &call, err);
    *rows = call.rows;
    *count = call.count;
    return rc;
}
