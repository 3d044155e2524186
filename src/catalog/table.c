/* table.c - tables as a whole: create, load, drop, rename, register. Their changes are in commit.c.
 */
#include <stdio.h>

#include "catalog/catalog_int.h"
#include "lake/draft.h"

void catalog_table_deinit(struct catalog_table *table)
{
    lake_metadata_free(table->metadata);
    *table = (struct catalog_table){0};
}

/* ---- load ---- */

int catalog_table_load(struct catalog *catalog, const struct lake_ident *ident, struct arena *arena,
                       struct catalog_table *out, struct err *err)
{
    struct lake_catalog *seam = &catalog->seam;
    int rc;

    *out = (struct catalog_table){0};
    /* Between the two steps the file may be replaced and, in a table that says so, removed. */
    for (int tries = 0; tries < 5; tries++) {
        rc = seam->ops->load(seam, ident, arena, &out->location, err);
        if (rc)
            return rc;
        rc = lake_metadata_load(catalog->lake, out->location, &out->metadata, err);
        if (rc != ERR_NOENT)
            break;
    }
    if (rc == ERR_NOENT) /* the table exists; its file does not: not what NOENT means here */
        return err_set(err, ERR_CORRUPT, "Location does not exist: %s", out->location);
    return rc ? err_wrap(err, rc, "Table %s", show_table(ident).text) : 0;
}

struct exists_call {
    const struct lake_ident *ident;
};

static int exists_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct exists_call *call = arg;
    struct arena arena = {0};
    struct row row;
    int rc = row_find(txn, call->ident, &arena, &row, err);

    arena_deinit(&arena);
    return rc;
}

int catalog_table_exists(struct catalog *catalog, const struct lake_ident *ident, struct err *err)
{
    struct exists_call call = {ident};

    return meta_read(catalog->meta, exists_fn, &call, err);
}

/* ---- create ---- */

static const char *with_ending(struct arena *arena, const char *path)
{
    char uuid[37];

    uuid_v4(uuid);
    return path ? arena_printf(arena, "%s-%.8s", path, uuid) : NULL;
}

#define MARKERS_MAX 16

/* Files of a dropped table, or of one that was renamed, may lie there still. Empty objects that end
 * in a slash are how some clients (pyarrow) make folders, and are nobody's. */
static int is_empty(struct catalog *catalog, const char *location, struct arena *arena, bool *empty,
                    struct err *err)
{
    struct store *store = lake_store(catalog->lake);
    const char *bucket, *key, *prefix;
    struct store_list list = {0};
    int rc = store_split(location, arena, &bucket, &key, err);

    if (rc)
        return rc;
    prefix = arena_printf(arena, "%s/", key);
    if (!prefix)
        return err_set(err, ERR_NOMEM, "table location");
    rc = store->ops->list(store, bucket, prefix, NULL, NULL, MARKERS_MAX, arena, &list, err);
    *empty = !list.truncated;
    for (size_t i = 0; i < list.count; i++)
        *empty &=
            list.entries[i].size == 0 && slice_ends(slice_str(list.entries[i].key), SLICE_LIT("/"));
    return rc;
}

const char *table_default_location(struct catalog *catalog, const struct lake_ident *ident,
                                   struct arena *arena, struct err *err)
{
    json_t *properties = NULL;
    const char *base, *location = NULL;
    bool odd = false, empty = false;
    int rc = catalog_namespace_load(catalog, ident->ns, &properties, err);

    if (rc)
        return NULL;
    base = json_string_value(json_object_get(properties, "location"));
    if (base) {
        struct slice plain = slice_str(base);

        while (plain.len && plain.ptr[plain.len - 1] == '/')
            plain.len--;
        base = arena_cstr(arena, plain);
    }
    /* The namespace's own levels are part of its location already. */
    if (base)
        location = path_below(arena, base, ident->name, NULL, &odd);
    json_decref(properties);
    if (location && !odd && is_empty(catalog, location, arena, &empty, err))
        return NULL;
    if (!empty)
        location = with_ending(arena, location);
    if (!location)
        err_set(err, ERR_NOMEM, "table location");
    return location;
}

static int create_metadata(struct catalog *catalog, const struct lake_ident *ident,
                           const struct lake_table_options *given, struct arena *arena,
                           struct lake_metadata **out, struct err *err)
{
    struct lake_table_options options = *given;

    if (!options.location) {
        options.location = table_default_location(catalog, ident, arena, err);
        if (!options.location)
            return err->code ? err->code : err_set(err, ERR_NOMEM, "location of a table");
    }
    if (!options.now_ms)
        options.now_ms = clock_wall_ms(catalog->clock);
    return lake_metadata_new(out, &options, err);
}

struct vacant_call {
    const struct lake_ident *ident;
};

/* Asked before anything is written, so that the usual refusals leave no file behind. */
static int vacant_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct vacant_call *call = arg;
    int rc = ns_require(txn, call->ident->ns, err);

    if (!rc)
        rc = name_vacant(txn, call->ident, NAME_OF_TABLE | NAME_OF_VIEW, err);
    return rc;
}

int table_vacant(struct catalog *catalog, const struct lake_ident *ident, struct err *err)
{
    struct vacant_call call = {ident};

    return meta_read(catalog->meta, vacant_fn, &call, err);
}

/* Writes the first metadata file and makes it true. */
static int create_true(struct catalog *catalog, const struct lake_ident *ident, struct arena *arena,
                       struct catalog_table *out, struct err *err)
{
    const struct swap_also also = {.once = once_current()};
    struct swap swap = {.place = place_of(arena, out->metadata->location)};
    struct buf packed = {0};
    struct ride ride;
    struct lake_draft draft;
    int rc = lake_draft_init(&draft, out->metadata, NULL, NULL, arena, err);

    if (!rc)
        rc = place_others(arena, NULL, out->metadata, &swap.others, err);
    if (!rc && !swap.place)
        rc = err_set(err, ERR_NOMEM, "table location");
    if (!rc)
        rc = pending_put(catalog, draft.location, buf_slice(&draft.bytes), &packed, err);
    if (!rc) {
        swap.lake = (struct lake_swap){
            .ident = *ident, .uuid = out->metadata->uuid, .new_location = draft.location};
        ride = (struct ride){draft.location, buf_slice(&packed)};
        swap.rides = &ride;
        swap.ride_count = packed.len != 0;
        rc = swap_write(catalog, "tarn", &swap, 1, &also, 1, NULL, err);
        if (rc && rc != ERR_UNKNOWN)
            lake_remove_files(catalog->lake, &draft.location, 1);
    }
    if (!rc)
        out->location = draft.location;
    lake_draft_deinit(&draft);
    buf_deinit(&packed);
    return rc;
}

int catalog_table_create(struct catalog *catalog, const struct lake_ident *ident,
                         const struct lake_table_options *options, bool stage, struct arena *arena,
                         struct catalog_table *out, struct err *err)
{
    struct err local = {0}; /* codes are read from it */
    int rc = check_ident(ident, &local);

    *out = (struct catalog_table){0};
    if (!rc)
        rc = table_vacant(catalog, ident, &local);
    if (!rc)
        rc = create_metadata(catalog, ident, options, arena, &out->metadata, &local);
    if (!rc && !stage)
        rc = create_true(catalog, ident, arena, out, &local);
    if (rc) {
        catalog_table_deinit(out);
        if (err)
            *err = local;
    }
    return rc;
}

/* ---- drop, rename, register ---- */

struct table_call {
    struct catalog *catalog;
    const struct lake_ident *ident, *to;
    const char *uuid, *location, *place;
    struct places others;
    bool purge, overwrite;
};

static int log_one(struct table_call *call, struct meta_txn *txn, const char *op, const char *uuid,
                   const char *from, const char *to, struct err *err)
{
    json_t *changes = json_pack("[o]", log_change(op, call->ident, uuid, from, to));

    if (changes && call->to &&
        json_object_set_new(json_array_get(changes, 0), "new-key",
                            json_string(show_table(call->to).text))) {
        json_decref(changes);
        changes = NULL;
    }
    return catalog_log_append(call->catalog, txn, "tarn", changes, err);
}

/* Caches of a table that is not there any more go: purge.c. */
static int note_gone(struct meta_txn *txn, const char *uuid, struct err *err)
{
    return meta_exec(txn, err, "INSERT OR REPLACE INTO catalog_dropped VALUES (?)", "s", uuid);
}

static int drop_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct table_call *call = arg;
    struct arena arena = {0};
    struct row row = {0};
    int rc = row_find(txn, call->ident, &arena, &row, err);

    if (!rc)
        rc = meta_exec(txn, err, "DELETE FROM catalog_table WHERE ns = ? AND name = ?", "ss",
                       call->ident->ns, call->ident->name);
    if (!rc && call->purge)
        rc = meta_exec(txn, err, "INSERT OR REPLACE INTO catalog_purge VALUES (?, ?, ?)", "ssi",
                       row.location, row.uuid, clock_wall_ms(call->catalog->clock));
    rc = rc ? rc : note_gone(txn, row.uuid, err);
    if (!rc)
        rc = log_one(call, txn, call->purge ? "purge" : "drop", row.uuid, row.location, NULL, err);
    arena_deinit(&arena);
    return rc;
}

int catalog_table_drop(struct catalog *catalog, const struct lake_ident *ident, bool purge,
                       struct err *err)
{
    struct table_call call = {.catalog = catalog, .ident = ident, .purge = purge};
    int rc = write_once(catalog, drop_fn, &call, NULL, err);

    if (!rc)
        purge_wake(catalog);
    return rc;
}

struct unregister_call {
    struct table_call drop;
    struct arena *arena;
    const char *location;
};

static int unregister_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct unregister_call *call = arg;
    struct row row;
    int rc = row_find(txn, call->drop.ident, call->arena, &row, err);

    if (!rc)
        rc = drop_fn(txn, &call->drop, err);
    call->location = rc ? NULL : row.location;
    return rc;
}

int catalog_table_unregister(struct catalog *catalog, const struct lake_ident *ident,
                             struct arena *arena, struct catalog_table *out, struct err *err)
{
    struct unregister_call call = {.drop = {.catalog = catalog, .ident = ident}, .arena = arena};
    int rc =
        catalog_table_load(catalog, ident, arena, out, err); /* one that cannot be read stays */

    catalog_table_deinit(out);
    if (!rc)
        rc = write_once(catalog, unregister_fn, &call, NULL, err);
    if (!rc) {
        out->location = call.location;
        rc = lake_metadata_load(catalog->lake, call.location, &out->metadata, err);
    }
    return rc;
}

static int rename_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct table_call *call = arg;
    struct arena arena = {0};
    struct row row = {0};
    int rc = row_find(txn, call->ident, &arena, &row, err);

    if (!rc)
        rc = ns_require(txn, call->to->ns, err);
    if (!rc)
        rc = name_vacant(txn, call->to, NAME_OF_VIEW, err);
    if (rc == ERR_EXISTS)
        rc = cannot_rename(err, call->ident, call->to, "View");
    if (!rc)
        rc = meta_exec(txn, err,
                       "UPDATE catalog_table SET ns = ?, name = ? WHERE ns = ? AND name = ?",
                       "ssss", call->to->ns, call->to->name, call->ident->ns, call->ident->name);
    if (rc == ERR_EXISTS && err && strncmp(err->text, "Cannot", 6) != 0)
        rc = cannot_rename(err, call->ident, call->to, "Table");
    if (!rc)
        rc = log_one(call, txn, "rename", row.uuid, row.location, NULL, err);
    arena_deinit(&arena);
    return rc;
}

int catalog_table_rename(struct catalog *catalog, const struct lake_ident *from,
                         const struct lake_ident *to, struct err *err)
{
    struct table_call call = {.catalog = catalog, .ident = from, .to = to};
    int rc = check_ident(to, err);

    return rc ? rc : write_once(catalog, rename_fn, &call, NULL, err);
}

static int register_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct table_call *call = arg;
    struct arena arena = {0};
    struct row old = {0};
    int rc = ns_require(txn, call->ident->ns, err);

    if (!rc) {
        rc = row_find(txn, call->ident, &arena, &old, NULL);
        rc = rc == ERR_NOENT ? 0 : rc ? rc : call->overwrite ? 0 : have_table(err, call->ident);
    }
    if (!rc)
        rc = name_vacant(txn, call->ident, NAME_OF_VIEW, err);
    if (!rc)
        rc = meta_exec(txn, err,
                       "INSERT OR REPLACE INTO catalog_table (ns, name, uuid, metadata_location,"
                       " previous_location, updated_ms) VALUES (?, ?, ?, ?, ?, ?)",
                       "sssssi", call->ident->ns, call->ident->name, call->uuid, call->location,
                       old.location, clock_wall_ms(call->catalog->clock));
    if (!rc)
        rc = place_claim(txn, call->ident, call->place, err);
    for (size_t i = 0; !rc && i < call->others.count; i++)
        rc = place_check(txn, call->ident, call->others.list[i], err);
    if (!rc) /* it lives again */
        rc = meta_exec(txn, err, "DELETE FROM catalog_purge WHERE uuid = ?", "s", call->uuid);
    if (!rc && old.uuid && strcmp(old.uuid, call->uuid) != 0)
        rc = note_gone(txn, old.uuid, err);
    if (!rc)
        rc = log_one(call, txn, "register", call->uuid, old.location, call->location, err);
    arena_deinit(&arena);
    return rc;
}

int catalog_table_register(struct catalog *catalog, const struct lake_ident *ident,
                           const char *metadata_location, bool overwrite, struct arena *arena,
                           struct catalog_table *out, struct err *err)
{
    struct table_call call = {.catalog = catalog, .ident = ident, .overwrite = overwrite};
    int rc = check_ident(ident, err);

    *out = (struct catalog_table){0};
    if (!rc)
        rc = lake_metadata_load(catalog->lake, metadata_location, &out->metadata, err);
    if (rc == ERR_NOENT)
        return err_set(err, ERR_INVALID, "There is no metadata file %.300s", metadata_location);
    if (!rc) {
        out->location = call.location = place_of(arena, metadata_location); /* s3a is s3 */
        call.uuid = out->metadata->uuid;
        call.place = place_of(arena, out->metadata->location);
        rc = call.location && call.place
                 ? place_others(arena, NULL, out->metadata, &call.others, err)
                 : err_set(err, ERR_NOMEM, "register");
        rc = rc ? rc : write_once(catalog, register_fn, &call, NULL, err);
    }
    if (rc)
        catalog_table_deinit(out);
    return rc;
}
