/* upkeep.c - whose turn it is. See upkeep.h.
 *
 * The list of tables is rebuilt from the catalog's rows when the commit log tells of one that is
 * not on it. All times are wall times of the clock that was passed in; the thread only wakes every
 * few seconds to look at it.
 */
#include "catalog/upkeep.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "base/json.h"

#define TURN_S         2
#define INTERVAL_MS    60000
#define FAR_MS         3600000 /* every table is looked at so often, whatever happens */
#define AFTER_ERROR_MS 600000
#define LOG_PAGE       1000
#define PATIENCE       10    /* intervals that rewrites wait at most for a table to be quiet */
#define ACTIONS_MAX    10000 /* of the log */

const struct meta_migration upkeep_migrations[] = {
    {"upkeep", 1,
     "CREATE TABLE upkeep_action ("
     " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
     " time_ms INTEGER NOT NULL,"
     " ns TEXT NOT NULL,"
     " name TEXT NOT NULL,"
     " uuid TEXT NOT NULL,"
     " action TEXT NOT NULL,"
     " reason TEXT NOT NULL,"
     " did TEXT NOT NULL,"
     " code INTEGER NOT NULL,"
     " files INTEGER NOT NULL,"
     " bytes INTEGER NOT NULL);"
     "CREATE INDEX upkeep_action_uuid ON upkeep_action (uuid, seq);"
     "CREATE TABLE upkeep_table ("
     " uuid TEXT PRIMARY KEY,"
     " swept_ms INTEGER NOT NULL) WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

struct watched {
    struct watched *next;
    char *ns, *name;
    char uuid[64];
    bool dirty, listed;
    int64_t looked_ms, next_ms, pruned_ms;
    int64_t busy_ms; /* since when its rewrites wait for it to be quiet; 0: they do not */
    struct lake_budget *budget; /* of its own, or NULL */
};
struct upkeep {
    struct upkeep_options o;
    pthread_t thread;
    bool runs;
    _Atomic bool stopping;
    pthread_mutex_t mutex; /* guards the wait */
    pthread_cond_t wake;
    pthread_mutex_t turn; /* held while tables are looked at, and guards what follows */
    struct watched *tables;
    int64_t seq; /* of the commit log, followed up to here; -1: not yet */
    bool stale;  /* the list of tables */
    bool listed; /* once: a table that comes now is a new one */
};

/* ---- which tables there are ---- */

static int64_t interval_ms(const struct upkeep *u)
{
    return u->o.interval_ms > 0 ? u->o.interval_ms : INTERVAL_MS;
}

static void watched_free(struct watched *w)
{
    lake_budget_free(w->budget);
    free(w->ns);
    free(w->name);
    free(w);
}

static struct watched *find(struct upkeep *u, const char *uuid)
{
    struct watched *w = u->tables;

    while (w && strcmp(w->uuid, uuid) != 0)
        w = w->next;
    return w;
}

static int watch(struct upkeep *u, const char *ns, const char *name, const char *uuid)
{
    struct watched *w = find(u, uuid);

    if (!w) {
        w = calloc(1, sizeof(*w));
        if (!w)
            return ERR_NOMEM;
        snprintf(w->uuid, sizeof(w->uuid), "%s", uuid);
        if (u->listed) { /* whoever made it is about to fill it */
            w->looked_ms = clock_wall_ms(u->o.clock);
            w->next_ms = w->looked_ms + interval_ms(u);
        }
        w->next = u->tables;
        u->tables = w;
    } else if (!strcmp(w->ns, ns) && !strcmp(w->name, name)) {
        w->listed = true;
        return 0;
    }
    free(w->ns);
    free(w->name);
    w->ns = strdup(ns);
    w->name = strdup(name);
    w->listed = w->ns && w->name;
    return w->listed ? 0 : ERR_NOMEM;
}

static int list_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct upkeep *u = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT ns, name, uuid FROM catalog_table", "");

    for (struct watched *w = u->tables; w; w = w->next)
        w->listed = false;
    while (!rc && meta_next(stmt, err, &rc))
        if (watch(u, meta_text(stmt, 0), meta_text(stmt, 1), meta_text(stmt, 2)))
            rc = err_set(err, ERR_NOMEM, "upkeep");
    meta_done(stmt);
    return rc;
}

static int list_tables(struct upkeep *u, struct err *err)
{
    int rc = meta_read(u->o.meta, list_fn, u, err);

    for (struct watched **at = &u->tables; *at;) {
        struct watched *w = *at;

        if (w->listed && !rc) {
            at = &w->next;
        } else if (!rc || !w->ns || !w->name) {
            *at = w->next;
            watched_free(w);
        } else {
            at = &w->next;
        }
    }
    u->stale = rc != 0;
    u->listed = u->listed || !rc;
    return rc;
}

/* ---- the commit log ---- */

static void follow_changes(struct upkeep *u, const char *text)
{
    json_t *changes = json_loads(text ? text : "[]", 0, NULL), *change;
    size_t i;

    json_array_foreach(changes, i, change)
    {
        const char *uuid = json_string_value(json_object_get(change, "uuid"));
        const char *op = json_string_value(json_object_get(change, "op"));
        struct watched *w = uuid ? find(u, uuid) : NULL;

        if (w)
            w->dirty = true;
        if (!w || !op || strcmp(op, "commit") != 0)
            u->stale = true;
    }
    json_decref(changes);
}

static int log_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct upkeep *u = arg;
    struct meta_stmt *stmt = NULL;
    int rc;

    if (u->seq < 0) { /* a start: every table is looked at soon anyhow */
        rc = meta_query(txn, &stmt, err, "SELECT coalesce(max(seq), 0) FROM catalog_commit", "");
        if (!rc && meta_next(stmt, err, &rc))
            u->seq = meta_i64(stmt, 0);
        u->stale = true;
        meta_done(stmt);
        return rc;
    }
    rc = meta_query(txn, &stmt, err,
                    "SELECT seq, changes FROM catalog_commit WHERE seq > ? ORDER BY seq LIMIT ?",
                    "ii", u->seq, (int64_t)LOG_PAGE);
    while (!rc && meta_next(stmt, err, &rc)) {
        u->seq = meta_i64(stmt, 0);
        follow_changes(u, meta_text(stmt, 1));
    }
    meta_done(stmt);
    return rc;
}

static int follow_log(struct upkeep *u, struct err *err)
{
    int64_t before;
    int rc;

    do {
        before = u->seq;
        rc = meta_read(u->o.meta, log_fn, u, err);
    } while (!rc && before >= 0 && u->seq - before >= LOG_PAGE);
    return rc || !u->stale ? rc : list_tables(u, err);
}

/* ---- what is kept of it ---- */

struct keep_call {
    struct upkeep *u;
    const char *ns, *name, *uuid;
    const struct lake_action *action; /* NULL: only the sweep's time */
    int code;
    const char *did;
    int64_t files, bytes, now_ms, swept_ms;
};

static int keep_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    const struct keep_call *c = arg;
    int rc = 0;

    if (c->action)
        rc = meta_exec(txn, err,
                       "INSERT INTO upkeep_action (time_ms, ns, name, uuid, action, reason, did,"
                       " code, files, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       "issssssiii", c->now_ms, c->ns, c->name, c->uuid,
                       lake_action_name(c->action->kind), c->action->reason, c->did,
                       (int64_t)c->code, c->files, c->bytes);
    if (!rc && c->action)
        rc = meta_exec(txn, err,
                       "DELETE FROM upkeep_action WHERE seq <="
                       " (SELECT max(seq) FROM upkeep_action) - ?",
                       "i", (int64_t)ACTIONS_MAX);
    if (!rc && c->swept_ms)
        rc = meta_exec(txn, err,
                       "INSERT INTO upkeep_table (uuid, swept_ms) VALUES (?, ?)"
                       " ON CONFLICT (uuid) DO UPDATE SET swept_ms = excluded.swept_ms",
                       "si", c->uuid, c->swept_ms);
    if (!rc && c->swept_ms) /* of tables that are gone */
        rc = meta_exec(txn, err,
                       "DELETE FROM upkeep_table WHERE uuid NOT IN"
                       " (SELECT uuid FROM catalog_table)",
                       "");
    return rc;
}

/* The log is for people: losing a line of it stops nothing. */
static void keep(struct keep_call *call)
{
    struct err why = {0};

    if (meta_write_wait(call->u->o.meta, keep_fn, call, &why))
        diag_warn("upkeep", "the log of actions: %s", why.text);
}

struct state_call {
    const char *uuid;
    int64_t swept_ms;
};

static int state_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct state_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT swept_ms FROM upkeep_table WHERE uuid = ?", "s",
                        call->uuid);

    if (!rc && meta_next(stmt, err, &rc))
        call->swept_ms = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int swept_of(struct upkeep *u, const char *uuid, int64_t *swept_ms, struct err *err)
{
    struct state_call call = {uuid, 0};
    int rc = meta_read(u->o.meta, state_fn, &call, err);

    *swept_ms = call.swept_ms;
    return rc;
}

/* ---- one table ---- */

struct telling {
    struct upkeep *u;
    const struct upkeep_call *call; /* NULL: it was its turn */
    struct lake_ident ident;
    const char *uuid;
};

static void told(void *arg, const struct lake_action *action, enum err_code code, const char *did,
                 int64_t files, int64_t bytes)
{
    struct telling *t = arg;
    struct keep_call call = {
        t->u,      t->ident.ns, t->ident.name, t->uuid, action,
        (int)code, did,         files,         bytes,   clock_wall_ms(t->u->o.clock),
        0};
    bool dry = t->call && t->call->dry;

    if (t->call && t->call->tell)
        t->call->tell(t->call->arg, action, code, did, files, bytes);
    /* What was put off comes again with the next turn; a sweep that found nothing is no news. */
    if (dry || code == (enum err_code)ERR_AGAIN || code == (enum err_code)ERR_BUSY ||
        (action->kind >= LAKE_DO_METADATA && !code && !files))
        return;
    keep(&call);
    if (code)
        diag_warn("upkeep", "%s of %s: %s", lake_action_name(action->kind), t->ident.name, did);
    else
        diag_info("upkeep", "%s of %s: %s (%s)", lake_action_name(action->kind), t->ident.name, did,
                  action->reason);
}

static bool is_stopping(void *arg)
{
    struct telling *t = arg;

    return atomic_load(&t->u->stopping);
}

/* A table may have a budget of its own beside the shared one. */
static struct lake_budget *own_budget(struct upkeep *u, struct watched *w,
                                      const struct lake_metadata *m)
{
    struct lake_budget_limits limits = {
        lake_metadata_property_i64(m, "tarn.maintain.cpu-percent", 0),
        lake_metadata_property_i64(m, "tarn.maintain.bytes-per-second", 0)};

    if (limits.cpu_percent <= 0 && limits.bytes_per_second <= 0)
        return NULL;
    if (w->budget)
        lake_budget_set(w->budget, &limits);
    else if (lake_budget_new(&w->budget, u->o.clock, &limits, NULL))
        w->budget = NULL;
    return w->budget;
}

/* Somebody is at work on its rows: an engine that updates, deletes or merges fails when the files
 * that it read are gone, and does not try again by itself. Rewrites wait until a whole interval has
 * passed without such a commit, but not for ever. Rows that are only added are in nobody's way. */
static bool is_being_changed(struct upkeep *u, struct watched *w, const struct lake_metadata *m)
{
    const struct lake_snapshot *s = lake_metadata_snapshot(m);
    int64_t now_ms = clock_wall_ms(u->o.clock);
    bool changed = s && (!strcmp(s->operation, "overwrite") || !strcmp(s->operation, "delete"));

    if (!changed || s->timestamp_ms > now_ms || now_ms - s->timestamp_ms >= interval_ms(u) ||
        (w->busy_ms && now_ms - w->busy_ms >= PATIENCE * interval_ms(u))) {
        w->busy_ms = 0;
        return false;
    }
    if (!w->busy_ms)
        w->busy_ms = now_ms;
    return true;
}

/* With the turn. `w` NULL: a table that is not on the list yet. */
static int look_after(struct upkeep *u, const struct lake_ident *ident, struct watched *w,
                      const struct upkeep_call *call, int64_t *wait_ms, struct err *err)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_upkeep done = {.wait_ms = -1};
    struct telling telling = {u, call, *ident, NULL};
    struct lake_upkeep_options o = {.catalog = catalog_lake(u->o.catalog),
                                    .ident = *ident,
                                    .rewriter = u->o.rewriter,
                                    .budget = lake_budget(u->o.lake),
                                    .tell = told,
                                    .arg = &telling,
                                    .stop = is_stopping,
                                    .dry = call && call->dry};
    bool forced = call && call->forced, busy = false;
    int rc = catalog_table_load(u->o.catalog, ident, &arena, &table, err);

    if (!rc &&
        (forced || lake_metadata_property_bool(table.metadata, "tarn.maintain.enabled", true))) {
        telling.uuid = table.metadata->uuid;
        if (forced)
            o.budget = NULL;
        else if (w)
            o.own_budget = own_budget(u, w, table.metadata);
        rc = swept_of(u, telling.uuid, &o.past.swept_ms, err);
        o.past.pruned_ms = w ? w->pruned_ms : 0;
        busy = w && is_being_changed(u, w, table.metadata);
        if (busy)
            o.rewriter.run = NULL;
        rc = rc ? rc : lake_upkeep(u->o.lake, &o, &done, err);
        if (done.pruned && w)
            w->pruned_ms = clock_wall_ms(u->o.clock);
        if (done.swept)
            keep(&(struct keep_call){
                .u = u, .uuid = telling.uuid, .swept_ms = clock_wall_ms(u->o.clock)});
    }
    *wait_ms = busy ? 0 : done.wait_ms;
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

int upkeep_table(struct upkeep *u, const struct upkeep_call *call, struct err *err)
{
    int64_t wait_ms;
    int rc;

    pthread_mutex_lock(&u->turn);
    rc = look_after(u, &call->ident, NULL, call, &wait_ms, err);
    pthread_mutex_unlock(&u->turn);
    return rc;
}

/* ---- turns ---- */

static void take_turn(struct upkeep *u, struct watched *w)
{
    struct lake_ident ident = {w->ns, w->name};
    int64_t wait_ms = -1, least = interval_ms(u);
    struct err why = {0};
    int rc;

    w->dirty = false;
    rc = look_after(u, &ident, w, NULL, &wait_ms, &why);
    if (rc == ERR_NOENT)
        u->stale = true;
    else if (rc)
        diag_warn("upkeep", "%s: %s", w->name, why.text);
    w->looked_ms = clock_wall_ms(u->o.clock);
    wait_ms = rc ? AFTER_ERROR_MS : wait_ms < 0 || wait_ms > FAR_MS ? FAR_MS : wait_ms;
    w->next_ms = w->looked_ms + (wait_ms < least ? least : wait_ms);
}

/* A clock that was set back must not silence it for as long. */
static bool has_turn(const struct upkeep *u, const struct watched *w, int64_t now_ms)
{
    if (now_ms < w->looked_ms)
        return true;
    return now_ms >= w->next_ms || (w->dirty && now_ms - w->looked_ms >= interval_ms(u));
}

int upkeep_step(struct upkeep *u, size_t *looked, struct err *err)
{
    int rc;

    if (looked)
        *looked = 0;
    pthread_mutex_lock(&u->turn);
    rc = follow_log(u, err);
    for (struct watched *w = u->tables; w && !rc && !atomic_load(&u->stopping); w = w->next) {
        if (!has_turn(u, w, clock_wall_ms(u->o.clock)))
            continue;
        take_turn(u, w);
        if (looked)
            ++*looked;
    }
    pthread_mutex_unlock(&u->turn);
    return rc;
}

int upkeep_state(struct upkeep *u, const char *uuid, struct upkeep_state *out, struct err *err)
{
    const struct watched *w;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = swept_of(u, uuid, &out->swept_ms, err);
    if (pthread_mutex_trylock(&u->turn)) /* it is at work: what it knows comes later */
        return rc;
    w = find(u, uuid);
    if (w) {
        out->looked_ms = w->looked_ms;
        out->pruned_ms = w->pruned_ms;
        out->next_ms = w->dirty && w->looked_ms + interval_ms(u) < w->next_ms
                           ? w->looked_ms + interval_ms(u)
                           : w->next_ms;
    }
    pthread_mutex_unlock(&u->turn);
    return rc;
}

/* ---- the log, read ---- */

struct rows_call {
    const char *uuid;
    size_t max, count;
    struct arena *arena;
    struct upkeep_row *rows;
};

static int rows_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct rows_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT time_ms, ns, name, action, reason, did, code, files, bytes"
                        " FROM upkeep_action WHERE ? = '' OR uuid = ? ORDER BY seq DESC LIMIT ?",
                        "ssi", call->uuid, call->uuid, (int64_t)call->max);

    while (!rc && call->count < call->max && meta_next(stmt, err, &rc)) {
        struct upkeep_row *row = &call->rows[call->count++];
        const char **texts[] = {&row->ns, &row->name, &row->action, &row->reason, &row->did};

        row->time_ms = meta_i64(stmt, 0);
        for (int i = 0; i < (int)COUNT_OF(texts); i++)
            if (!(*texts[i] = arena_strdup(call->arena, meta_text(stmt, i + 1))))
                rc = err_set(err, ERR_NOMEM, "upkeep");
        row->code = (int)meta_i64(stmt, 6);
        row->files = meta_i64(stmt, 7);
        row->bytes = meta_i64(stmt, 8);
    }
    meta_done(stmt);
    return rc;
}

int upkeep_log(struct upkeep *u, const char *uuid, size_t max, struct arena *arena,
               struct upkeep_row **rows, size_t *count, struct err *err)
{
    struct rows_call call = {.uuid = uuid ? uuid : "", .max = max, .arena = arena};
    int rc;

    call.rows = ARENA_ARRAY(arena, struct upkeep_row, max + 1);
    if (!call.rows)
        return err_set(err, ERR_NOMEM, "upkeep");
    rc = meta_read(u->o.meta, rows_fn, &call, err);
    *rows = call.rows;
    *count = rc ? 0 : call.count;
    return rc;
}

/* ---- life ---- */

static void *upkeep_main(void *arg)
{
    struct upkeep *u = arg;
    struct timespec until;

    setpriority(PRIO_PROCESS, 0, 10); /* on Linux of this thread alone: streams and queries first */
    pthread_mutex_lock(&u->mutex);
    while (!atomic_load(&u->stopping)) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TURN_S;
        pthread_cond_timedwait(&u->wake, &u->mutex, &until);
        if (atomic_load(&u->stopping))
            break;
        pthread_mutex_unlock(&u->mutex);
        {
            struct err why = {0};

            if (upkeep_step(u, NULL, &why))
                diag_warn("upkeep", "%s", why.text);
        }
        pthread_mutex_lock(&u->mutex);
    }
    pthread_mutex_unlock(&u->mutex);
    return NULL;
}

int upkeep_new(struct upkeep **out, const struct upkeep_options *options, struct err *err)
{
    struct upkeep *u = calloc(1, sizeof(*u));
    pthread_condattr_t attr;

    if (!u)
        return err_set(err, ERR_NOMEM, "upkeep");
    u->o = *options;
    u->seq = -1;
    pthread_mutex_init(&u->mutex, NULL);
    pthread_mutex_init(&u->turn, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&u->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (!options->no_thread) {
        if (pthread_create(&u->thread, NULL, upkeep_main, u)) {
            upkeep_free(u);
            return err_set(err, ERR_NOMEM, "upkeep: no thread");
        }
        pthread_setname_np(u->thread, "upkeep");
        u->runs = true;
    }
    *out = u;
    return 0;
}

void upkeep_free(struct upkeep *u)
{
    if (!u)
        return;
    atomic_store(&u->stopping, true);
    if (u->runs) {
        pthread_mutex_lock(&u->mutex);
        pthread_cond_signal(&u->wake);
        pthread_mutex_unlock(&u->mutex);
        pthread_join(u->thread, NULL);
    }
    for (struct watched *w = u->tables, *next; w; w = next) {
        next = w->next;
        watched_free(w);
    }
    pthread_cond_destroy(&u->wake);
    pthread_mutex_destroy(&u->turn);
    pthread_mutex_destroy(&u->mutex);
    free(u);
}
