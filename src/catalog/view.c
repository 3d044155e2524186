/* view.c - views: rows of their own beside the tables, swapped in the same way.
 *
 * A view's metadata file is small and loaded seldom; its text is cached like a table's (text.c) and
 * parsed on each load. Commits to one view are few: whoever finds that it moved on starts again.
 */
#include <stdio.h>

#include "catalog/catalog_int.h"

#define ROUNDS_MAX 20
#define TEXT_MAX   ((size_t)16 << 20)

void catalog_view_deinit(struct catalog_view *view)
{
    lake_view_free(view->view);
    *view = (struct catalog_view){0};
}

/* ---- load ---- */

struct view_call {
    struct catalog *catalog;
    const struct lake_ident *ident, *to;
    struct arena *arena;
    const char *uuid, *location; /* found, or to be set */
    const char *base;            /* the file that the change was made on; NULL: a new view */
    struct slice packed;
    const char *op, *who;
};

static int find_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT uuid, metadata_location FROM catalog_view"
                        " WHERE ns = ? AND name = ?",
                        "ss", call->ident->ns, call->ident->name);

    if (!rc && meta_next(stmt, err, &rc)) {
        call->uuid = arena_strdup(call->arena, meta_text(stmt, 0));
        call->location = arena_strdup(call->arena, meta_text(stmt, 1));
        if (!call->uuid || !call->location)
            rc = err_set(err, ERR_NOMEM, "view");
    } else if (!rc) {
        rc = no_view(err, call->ident);
    }
    meta_done(stmt);
    return rc;
}

static int read_view(struct catalog *catalog, const char *location, struct lake_view **out,
                     struct err *err)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, TEXT_MAX);
    if (!text_cache_get(catalog->texts, location, location, &text, &rc)) {
        rc = store_get_at(lake_store(catalog->lake), location, &text, err);
        if (!rc)
            text_cache_put(catalog->texts, location, location, buf_slice(&text));
    }
    if (!rc)
        rc = lake_view_parse(buf_slice(&text), out, err);
    buf_deinit(&text);
    return rc ? err_wrap(err, rc, "%s", location) : 0;
}

int catalog_view_load(struct catalog *catalog, const struct lake_ident *ident, struct arena *arena,
                      struct catalog_view *out, struct err *err)
{
    struct view_call call = {.catalog = catalog, .ident = ident, .arena = arena};
    int rc = meta_read(catalog->meta, find_fn, &call, err);

    *out = (struct catalog_view){0};
    if (rc)
        return rc;
    out->location = call.location;
    rc = read_view(catalog, call.location, &out->view, err);
    if (rc == ERR_NOENT)
        return err_set(err, ERR_CORRUPT, "Location does not exist: %s", call.location);
    return rc;
}

int catalog_view_exists(struct catalog *catalog, const struct lake_ident *ident, struct err *err)
{
    struct arena arena = {0};
    struct view_call call = {.catalog = catalog, .ident = ident, .arena = &arena};
    int rc = meta_read(catalog->meta, find_fn, &call, err);

    arena_deinit(&arena);
    return rc;
}

/* ---- create, commit, register ---- */

static int write_row(struct view_call *call, struct meta_txn *txn, struct err *err)
{
    int64_t now_ms = clock_wall_ms(call->catalog->clock);
    int rc;

    if (call->base) {
        rc = meta_exec(txn, err,
                       "UPDATE catalog_view SET metadata_location = ?, updated_ms = ?"
                       " WHERE ns = ? AND name = ? AND metadata_location = ?",
                       "sisss", call->location, now_ms, call->ident->ns, call->ident->name,
                       call->base);
        if (!rc && meta_changes(txn) != 1)
            rc = err_set(err, ERR_CONFLICT, "View %s was changed meanwhile",
                         show_table(call->ident).text);
        return rc;
    }
    rc = ns_require(txn, call->ident->ns, err);
    if (!rc)
        rc = name_vacant(txn, call->ident, NAME_OF_TABLE, err);
    if (!rc) {
        rc = meta_exec(txn, err, "INSERT INTO catalog_view VALUES (?, ?, ?, ?, ?)", "ssssi",
                       call->ident->ns, call->ident->name, call->uuid, call->location, now_ms);
        if (rc == ERR_EXISTS)
            rc = have_view(err, call->ident);
    }
    return rc;
}

static int write_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_call *call = arg;
    int rc = write_row(call, txn, err);

    if (!rc && call->packed.ptr)
        rc = pending_add(call->catalog, txn, call->location, call->packed, err);
    if (!rc)
        rc = catalog_log_append(call->catalog, txn, call->who,
                                json_pack("[o]", log_change(call->op, call->ident, call->uuid,
                                                            call->base, call->location)),
                                err);
    return rc;
}

/* ".../00012-<uuid>.metadata.json": one past the base's number. */
static const char *next_location(struct arena *arena, const struct lake_view *view,
                                 const char *base)
{
    const char *name = base ? strrchr(base, '/') : NULL;
    const char *path = json_string_value(
        json_object_get(json_object_get(view->doc, "properties"), "write.metadata.path"));
    int version = name ? atoi(name + 1) + 1 : 0;
    char uuid[37];

    uuid_v4(uuid);
    return arena_printf(arena, "%s%s/%05d-%s.metadata.json", path ? path : view->location,
                        path ? "" : "/metadata", version > 0 ? version : 0, uuid);
}

/* Writes the file and makes it true. */
static int make_true(struct view_call *call, struct lake_view *view, struct err *err)
{
    struct catalog *catalog = call->catalog;
    struct buf text, packed = {0};
    int rc;

    buf_init(&text, TEXT_MAX);
    call->uuid = view->uuid;
    call->location = next_location(call->arena, view, call->base);
    rc = call->location ? lake_view_print(view, &text, err) : err_set(err, ERR_NOMEM, "view");
    if (!rc)
        rc = pending_put(catalog, call->location, buf_slice(&text), &packed, err);
    if (!rc) {
        call->packed = packed.len ? buf_slice(&packed) : (struct slice){0};
        rc = write_once(catalog, write_fn, call, NULL, err);
        if (rc && rc != ERR_UNKNOWN)
            lake_remove_files(catalog->lake, &call->location, 1);
    }
    if (!rc && packed.len)
        pending_added(catalog, 1, packed.len);
    if (!rc)
        text_cache_put(catalog->texts, call->location, call->location, buf_slice(&text));
    buf_deinit(&text);
    buf_deinit(&packed);
    return rc;
}

static bool has_location(const json_t *updates)
{
    size_t at;
    json_t *update;

    json_array_foreach(updates, at, update)
    {
        const char *action = json_string_value(json_object_get(update, "action"));

        if (action && strcmp(action, "set-location") == 0)
            return true;
    }
    return false;
}

static int vacant_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_call *call = arg;
    int rc = ns_require(txn, call->ident->ns, err);

    if (!rc)
        rc = name_vacant(txn, call->ident, NAME_OF_TABLE, err);
    if (!rc && find_fn(txn, arg, NULL) == 0)
        rc = have_view(err, call->ident);
    return rc;
}

int catalog_view_create(struct catalog *catalog, const struct lake_ident *ident,
                        const json_t *updates, const char *who, struct arena *arena,
                        struct catalog_view *out, struct err *err)
{
    struct view_call call = {
        .catalog = catalog, .ident = ident, .arena = arena, .op = "create-view", .who = who};
    struct err local = {0};
    json_t *all = json_copy((json_t *)updates);
    const char *location;
    int rc = check_ident(ident, &local);

    *out = (struct catalog_view){0};
    if (!rc)
        rc = meta_read(catalog->meta, vacant_fn, &call, &local);
    if (!rc && !has_location(updates)) {
        location = table_default_location(catalog, ident, arena, &local);
        if (!location ||
            json_array_append_new(
                all, json_pack("{s:s, s:s}", "action", "set-location", "location", location)))
            rc = local.code ? local.code : err_set(&local, ERR_NOMEM, "view");
    }
    if (!rc)
        rc = lake_view_apply(NULL, NULL, all, clock_wall_ms(catalog->clock), &out->view, &local);
    if (!rc)
        rc = make_true(&call, out->view, &local);
    json_decref(all);
    out->location = call.location;
    if (rc) {
        catalog_view_deinit(out);
        if (err)
            *err = local;
    }
    return rc;
}

static int commit_round(struct view_call *call, const json_t *requirements, const json_t *updates,
                        struct catalog_view *out, struct err *err)
{
    struct catalog *catalog = call->catalog;
    struct catalog_view base;
    int rc = catalog_view_load(catalog, call->ident, call->arena, &base, err);

    if (!rc)
        rc = lake_view_apply(base.view, requirements, updates, clock_wall_ms(catalog->clock),
                             &out->view, err);
    call->base = base.location;
    if (!rc && json_equal(base.view->doc, out->view->doc))
        call->location = base.location; /* nothing to write */
    else if (!rc)
        rc = make_true(call, out->view, err);
    out->location = call->location;
    catalog_view_deinit(&base);
    return rc;
}

int catalog_view_commit(struct catalog *catalog, const struct lake_ident *ident,
                        const json_t *requirements, const json_t *updates, const char *who,
                        struct arena *arena, struct catalog_view *out, struct err *err)
{
    struct err local = {0};
    int rc = ERR_CONFLICT;

    *out = (struct catalog_view){0};
    for (int round = 0; rc == ERR_CONFLICT && round < ROUNDS_MAX; round++) {
        struct view_call call = {
            .catalog = catalog, .ident = ident, .arena = arena, .op = "replace-view", .who = who};

        catalog_view_deinit(out);
        local = (struct err){0};
        rc = commit_round(&call, requirements, updates, out, &local);
        if (!out->view)
            break; /* a requirement that does not hold now will not hold later */
    }
    if (rc) {
        catalog_view_deinit(out);
        if (err)
            *err = local;
    }
    return rc;
}

int catalog_view_register(struct catalog *catalog, const struct lake_ident *ident,
                          const char *metadata_location, struct arena *arena,
                          struct catalog_view *out, struct err *err)
{
    struct view_call call = {
        .catalog = catalog, .ident = ident, .arena = arena, .op = "register-view", .who = "tarn"};
    int rc = check_ident(ident, err);

    *out = (struct catalog_view){0};
    if (!rc)
        rc = meta_read(catalog->meta, vacant_fn, &call, err);
    if (!rc) {
        rc = read_view(catalog, metadata_location, &out->view, err);
        if (rc == ERR_NOENT)
            rc = err_set(err, ERR_INVALID, "There is no metadata file %.300s", metadata_location);
    }
    if (!rc) {
        out->location = call.location = arena_strdup(arena, metadata_location);
        call.uuid = out->view->uuid;
        rc = call.location ? write_once(catalog, write_fn, &call, NULL, err)
                           : err_set(err, ERR_NOMEM, "view");
    }
    if (rc)
        catalog_view_deinit(out);
    return rc;
}

/* ---- drop, rename ---- */

static int drop_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_call *call = arg;
    struct arena arena = {0};
    int rc;

    call->arena = &arena;
    rc = find_fn(txn, call, err);
    if (!rc)
        rc = meta_exec(txn, err, "DELETE FROM catalog_view WHERE ns = ? AND name = ?", "ss",
                       call->ident->ns, call->ident->name);
    if (!rc)
        rc = catalog_log_append(call->catalog, txn, "tarn",
                                json_pack("[o]", log_change("drop-view", call->ident, call->uuid,
                                                            call->location, NULL)),
                                err);
    arena_deinit(&arena);
    return rc;
}

int catalog_view_drop(struct catalog *catalog, const struct lake_ident *ident, struct err *err)
{
    struct view_call call = {.catalog = catalog, .ident = ident};

    return write_once(catalog, drop_fn, &call, NULL, err);
}

static int rename_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_call *call = arg;
    struct arena arena = {0};
    json_t *change = NULL;
    int rc;

    call->arena = &arena;
    rc = find_fn(txn, call, err);
    if (!rc)
        rc = ns_require(txn, call->to->ns, err);
    if (!rc)
        rc = name_vacant(txn, call->to, NAME_OF_TABLE, err);
    if (rc == ERR_EXISTS)
        rc = cannot_rename(err, call->ident, call->to, "Table");
    if (!rc) {
        rc = meta_exec(txn, err,
                       "UPDATE catalog_view SET ns = ?, name = ? WHERE ns = ? AND name = ?", "ssss",
                       call->to->ns, call->to->name, call->ident->ns, call->ident->name);
        if (rc == ERR_EXISTS)
            rc = cannot_rename(err, call->ident, call->to, "View");
    }
    if (!rc) {
        change = log_change("rename-view", call->ident, call->uuid, call->location, NULL);
        json_object_set_new(change, "new-key", json_string(show_table(call->to).text));
        rc = catalog_log_append(call->catalog, txn, "tarn", json_pack("[o]", change), err);
    }
    arena_deinit(&arena);
    return rc;
}

int catalog_view_rename(struct catalog *catalog, const struct lake_ident *from,
                        const struct lake_ident *to, struct err *err)
{
    struct view_call call = {.catalog = catalog, .ident = from, .to = to};
    int rc = check_ident(to, err);

    return rc ? rc : write_once(catalog, rename_fn, &call, NULL, err);
}
