/* stmt.c - connections to the database, and the statements that each keeps prepared.
 *
 * A room writes its SQL as literals; preparing costs more than running, so a connection keeps the
 * last STMTS_MAX statements by their text. The list is ordered by last use: a lookup walks a few
 * entries, and the one to drop is at its end. A statement that is being walked is taken out of
 * reach, so that a room may run the same text inside of its own walk.
 */
#include <stdio.h>

#include "meta/meta_int.h"

#define STMTS_MAX 128

struct meta_stmt {
    sqlite3_stmt *raw;
    struct conn *conn; /* whose cache it is in */
    struct meta_stmt *next;
    const char *sql; /* raw's own copy */
    size_t sql_len;
    bool busy; /* between meta_query and meta_done */
};

/* ---- errors ---- */

static int code_of(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return ERR_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ERR_CONFLICT;
    case SQLITE_IOERR_NOMEM:
        return ERR_NOMEM;
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_FULL:
        return ERR_NOSPC;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_READONLY:
        return ERR_READONLY;
    case SQLITE_CONSTRAINT:
        return ERR_INVALID;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    default:
        return ERR_INTERNAL; /* our SQL is wrong */
    }
}

int conn_error(struct conn *conn, int rc, struct err *err, const char *what)
{
    struct err *disk = vfs_disk_error();
    int primary = rc & 0xff;
    int code = code_of(rc);

    if (disk->code && (primary == SQLITE_IOERR || primary == SQLITE_FULL ||
                       primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY)) {
        code = err_set(err, disk->code, "metadata: %s", disk->text);
        disk->code = 0;
        return code;
    }
    return err_set(err, code, "metadata: %s: %.300s", conn->db ? sqlite3_errmsg(conn->db) : "open",
                   what);
}

/* ---- connections ---- */

static int set_up(struct conn *conn, int cache_kib, struct err *err)
{
    char sql[400];
    int rc;

    /* FULL: a COMMIT has been synced when it returns. No automatic checkpoint: the writer makes
     * them when nobody waits. The limit shrinks a log that a burst has blown up. */
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
             "PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -%d;",
             cache_kib);
    sqlite3_busy_timeout(conn->db, 10000);
    rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : conn_error(conn, rc, err, "open");
}

int conn_new(struct conn **out, struct vfs *vfs, const char *path, int cache_kib, struct err *err)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    int rc;

    if (!conn)
        return err_set(err, ERR_NOMEM, "metadata connection");
    vfs_disk_error()->code = 0;
    rc = sqlite3_open_v2(path, &conn->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                             SQLITE_OPEN_EXRESCODE,
                         vfs_name(vfs));
    if (rc != SQLITE_OK)
        rc = conn_error(conn, rc, err, path);
    else
        rc = set_up(conn, cache_kib, err);
    if (rc) {
        conn_free(conn);
        return rc;
    }
    *out = conn;
    return 0;
}

static void stmt_free(struct meta_stmt *stmt)
{
    sqlite3_finalize(stmt->raw);
    free(stmt);
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    while (conn->stmts) {
        struct meta_stmt *next = conn->stmts->next;

        stmt_free(conn->stmts);
        conn->stmts = next;
    }
    sqlite3_close(conn->db);
    free(conn);
}

/* ---- the cache ---- */

static struct meta_stmt *cache_find(struct conn *conn, const char *sql, size_t len)
{
    struct meta_stmt **at = &conn->stmts;

    for (; *at; at = &(*at)->next) {
        struct meta_stmt *stmt = *at;

        if (stmt->busy || stmt->sql_len != len || memcmp(stmt->sql, sql, len) != 0)
            continue;
        *at = stmt->next; /* to the front */
        stmt->next = conn->stmts;
        conn->stmts = stmt;
        return stmt;
    }
    return NULL;
}

static void cache_trim(struct conn *conn)
{
    struct meta_stmt **last = NULL;

    for (struct meta_stmt **at = &conn->stmts; *at; at = &(*at)->next)
        if (!(*at)->busy)
            last = at;
    if (last) {
        struct meta_stmt *stmt = *last;

        *last = stmt->next;
        conn->stmt_count--;
        stmt_free(stmt);
    }
}

static int stmt_get(struct conn *conn, struct meta_stmt **out, const char *sql, struct err *err)
{
    size_t len = strlen(sql);
    struct meta_stmt *stmt = cache_find(conn, sql, len);
    int rc;

    vfs_disk_error()->code = 0;
    if (!stmt) {
        if (conn->stmt_count >= STMTS_MAX)
            cache_trim(conn);
        stmt = calloc(1, sizeof(*stmt));
        if (!stmt)
            return err_set(err, ERR_NOMEM, "metadata: %.300s", sql);
        rc = sqlite3_prepare_v3(conn->db, sql, (int)len + 1, SQLITE_PREPARE_PERSISTENT, &stmt->raw,
                                NULL);
        if (rc != SQLITE_OK) {
            free(stmt);
            return conn_error(conn, rc, err, sql);
        }
        stmt->sql = sqlite3_sql(stmt->raw);
        stmt->sql_len = len;
        stmt->conn = conn;
        stmt->next = conn->stmts;
        conn->stmts = stmt;
        conn->stmt_count++;
    }
    stmt->busy = true;
    *out = stmt;
    return 0;
}

static void stmt_rest(struct meta_stmt *stmt)
{
    sqlite3_reset(stmt->raw);
    sqlite3_clear_bindings(stmt->raw);
    stmt->busy = false;
}

void conn_settle(struct conn *conn)
{
    for (struct meta_stmt *stmt = conn->stmts; stmt; stmt = stmt->next)
        if (stmt->busy)
            stmt_rest(stmt);
}

/* `keep`: SQLITE_TRANSIENT when the values must outlive the call. */
static int bind(struct meta_stmt *stmt, sqlite3_destructor_type keep, const char *types,
                va_list args)
{
    int rc = SQLITE_OK;

    for (int at = 1; types && *types && rc == SQLITE_OK; types++, at++) {
        switch (*types) {
        case 'i':
            rc = sqlite3_bind_int64(stmt->raw, at, va_arg(args, int64_t));
            break;
        case 's':
            rc = sqlite3_bind_text(stmt->raw, at, va_arg(args, const char *), -1, keep);
            break;
        case 'b': {
            struct slice bytes = va_arg(args, struct slice);

            /* A NULL pointer would bind NULL; an empty slice is an empty blob. */
            rc = sqlite3_bind_blob64(stmt->raw, at, bytes.len ? (const void *)bytes.ptr : "",
                                     bytes.len, keep);
            break;
        }
        case 'd':
            rc = sqlite3_bind_double(stmt->raw, at, va_arg(args, double));
            break;
        case 'n':
            rc = sqlite3_bind_null(stmt->raw, at);
            break;
        default:
            assert(!"types of a metadata statement");
        }
    }
    return rc;
}

int conn_run(struct conn *conn, const char *sql, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = stmt_get(conn, &stmt, sql, err);

    if (rc)
        return rc;
    rc = sqlite3_step(stmt->raw);
    rc = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : conn_error(conn, rc, err, sql);
    stmt_rest(stmt);
    return rc;
}

/* ---- what rooms call ---- */

int meta_exec(struct meta_txn *txn, struct err *err, const char *sql, const char *types, ...)
{
    struct meta_stmt *stmt = NULL;
    va_list args;
    int rc = stmt_get(txn->conn, &stmt, sql, err);

    if (rc)
        return rc;
    va_start(args, types);
    rc = bind(stmt, SQLITE_STATIC, types, args);
    va_end(args);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(stmt->raw)) == SQLITE_ROW)
            ;
    rc = rc == SQLITE_DONE ? 0 : conn_error(txn->conn, rc, err, sql);
    stmt_rest(stmt);
    return rc;
}

int64_t meta_changes(struct meta_txn *txn)
{
    return sqlite3_changes64(txn->conn->db);
}

int meta_query(struct meta_txn *txn, struct meta_stmt **out, struct err *err, const char *sql,
               const char *types, ...)
{
    struct meta_stmt *stmt = NULL;
    va_list args;
    int rc;

    *out = NULL;
    rc = stmt_get(txn->conn, &stmt, sql, err);
    if (rc)
        return rc;
    va_start(args, types);
    rc = bind(stmt, SQLITE_TRANSIENT, types, args);
    va_end(args);
    if (rc != SQLITE_OK) {
        rc = conn_error(txn->conn, rc, err, sql);
        stmt_rest(stmt);
        return rc;
    }
    *out = stmt;
    return 0;
}

bool meta_next(struct meta_stmt *stmt, struct err *err, int *rc)
{
    int step = sqlite3_step(stmt->raw);

    *rc = 0;
    if (step == SQLITE_ROW)
        return true;
    if (step != SQLITE_DONE)
        *rc = conn_error(stmt->conn, step, err, stmt->sql);
    return false;
}

int64_t meta_i64(struct meta_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->raw, column);
}

const char *meta_text(struct meta_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->raw, column);
}

struct slice meta_blob(struct meta_stmt *stmt, int column)
{
    const void *ptr = sqlite3_column_blob(stmt->raw, column);

    return slice_of(ptr, (size_t)sqlite3_column_bytes(stmt->raw, column));
}

double meta_double(struct meta_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt->raw, column);
}

bool meta_is_null(struct meta_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->raw, column) == SQLITE_NULL;
}

void meta_done(struct meta_stmt *stmt)
{
    if (stmt)
        stmt_rest(stmt);
}
