/* migrate.c - brings a database up to what this program knows, or refuses it.
 *
 * Each room brings its own numbered steps. All that are missing run in one transaction together
 * with the new epoch, so that a start is all or nothing. A database that holds a step unknown here
 * was made by a newer program: it is refused, unchanged.
 */
#include <stdio.h>

#include "meta/meta_int.h"

#define APPLICATION_ID 0x7461726e /* "tarn", shown by file(1) */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta_migration ("
    " room TEXT NOT NULL, version INTEGER NOT NULL, applied_ms INTEGER NOT NULL,"
    " PRIMARY KEY (room, version)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS meta_epoch ("
    " id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO meta_epoch VALUES (1, 0);"
    "PRAGMA application_id = 1952543342;";

static int run_script(struct conn *conn, const char *sql, struct err *err)
{
    int rc;

    vfs_disk_error()->code = 0;
    rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : conn_error(conn, rc, err, sql);
}

/* One number from a statement without parameters. */
static int read_i64(struct meta_txn *txn, const char *sql, int64_t *out, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, sql, "");

    *out = 0;
    if (!rc && meta_next(stmt, err, &rc))
        *out = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int room_version(struct meta_txn *txn, const char *room, int64_t *out, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT coalesce(max(version), 0) FROM meta_migration WHERE room = ?", "s",
                        room);

    *out = 0;
    if (!rc && meta_next(stmt, err, &rc))
        *out = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int64_t newest_known(const struct meta_migration *const *lists, const char *room)
{
    int64_t newest = 0;

    for (; lists && *lists; lists++)
        for (const struct meta_migration *step = *lists; step->room; step++)
            if (strcmp(step->room, room) == 0 && step->version > newest)
                newest = step->version;
    return newest;
}

static int refuse_newer(struct meta_txn *txn, const char *path,
                        const struct meta_migration *const *lists, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT room, max(version) FROM meta_migration GROUP BY room ORDER BY room",
                        "");

    while (!rc && meta_next(stmt, err, &rc)) {
        const char *room = meta_text(stmt, 0);
        int64_t version = meta_i64(stmt, 1), known = newest_known(lists, room ? room : "");

        if (version > known)
            rc = err_set(err, ERR_UNSUPPORTED,
                         "%s was written by a newer version of tarn: its part '%s' is at step "
                         "%" PRId64 " and this program knows %" PRId64
                         "; run that version, or a newer one",
                         path, room ? room : "", version, known);
    }
    meta_done(stmt);
    return rc;
}

static int run_steps(struct meta_txn *txn, const struct meta_migration *list, struct err *err)
{
    int64_t done = 0, last = 0;
    int rc = list->room ? room_version(txn, list->room, &done, err) : 0;

    for (const struct meta_migration *step = list; !rc && step->room; step++) {
        assert(step->version == ++last && strcmp(step->room, list->room) == 0);
        if (step->version <= done)
            continue;
        rc = run_script(txn->conn, step->sql, err);
        if (!rc)
            rc = meta_exec(txn, err, "INSERT INTO meta_migration VALUES (?, ?, ?)", "sii",
                           step->room, (int64_t)step->version, clock_wall_ms(txn->meta->clock));
        if (rc)
            rc = err_wrap(err, rc, "step %d of '%s'", step->version, step->room);
    }
    return rc;
}

static int migrate_in(struct meta_txn *txn, const struct meta_migration *const *lists,
                      struct err *err)
{
    int64_t application = 0, tables = 0;
    int rc = read_i64(txn, "PRAGMA application_id", &application, err);

    if (!rc)
        rc = read_i64(txn, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (rc)
        return rc;
    if (tables && application != APPLICATION_ID)
        return err_set(err, ERR_INVALID, "%s is a database of another program", txn->meta->path);
    rc = run_script(txn->conn, schema, err);
    if (!rc)
        rc = refuse_newer(txn, txn->meta->path, lists, err);
    for (; !rc && lists && *lists; lists++)
        rc = run_steps(txn, *lists, err);
    if (!rc)
        rc = meta_exec(txn, err, "UPDATE meta_epoch SET epoch = epoch + 1", "");
    if (!rc)
        rc = read_i64(txn, "SELECT epoch FROM meta_epoch", &txn->meta->epoch, err);
    return rc;
}

int migrate(struct meta *meta, const struct meta_migration *const *lists, struct err *err)
{
    struct meta_txn txn = {.conn = meta->writer, .meta = meta};
    int rc = conn_run(txn.conn, "BEGIN IMMEDIATE", err);

    if (rc)
        return rc;
    rc = migrate_in(&txn, lists, err);
    conn_settle(txn.conn);
    if (!rc)
        rc = conn_run(txn.conn, "COMMIT", err);
    if (rc && !sqlite3_get_autocommit(txn.conn->db))
        conn_run(txn.conn, "ROLLBACK", NULL);
    return rc;
}
