/* place.c - no two tables share a folder.
 *
 * A table whose location lies in another's would have its files removed with the other's: by a
 * purge, or as orphans that no snapshot of the other names. So a location is claimed in the
 * transaction that creates, registers or moves a table, and refused when a table is there, or
 * anywhere above or below it. The folders that its properties name for its files must not lie in
 * another's either; several tables may share one that is no table's.
 */
#include "catalog/catalog_int.h"

const char *place_of(struct arena *arena, const char *location)
{
    const char *bucket, *key;
    struct slice plain;

    if (store_split(location, arena, &bucket, &key, NULL))
        return arena_strdup(arena, location); /* not ours: only ever equal to itself */
    for (plain = slice_str(key); plain.len && plain.ptr[plain.len - 1] == '/';)
        plain.len--;
    return arena_printf(arena, "s3://%s%s%.*s", bucket, plain.len ? "/" : "", SLICE_ARG(plain));
}

static int taken(struct err *err, const struct lake_ident *ident, const char *place,
                 struct meta_stmt *stmt)
{
    struct lake_ident other = {meta_text(stmt, 0), meta_text(stmt, 1)};

    if (!other.ns || !other.name)
        return err_set(err, ERR_NOMEM, "table location");
    return err_set(err, ERR_DENIED,
                   "Unable to place table %s at location '%.200s': it conflicts with table %s",
                   ident->name, place, show_table(&other).text);
}

/* Is a table other than `ident` at this very place? */
static int check_at(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                    const char *at, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT ns, name FROM catalog_table WHERE place = ?"
                        " AND NOT (ns = ? AND name = ?) LIMIT 1",
                        "sss", at, ident->ns, ident->name);

    if (!rc && meta_next(stmt, err, &rc))
        rc = taken(err, ident, place, stmt);
    meta_done(stmt);
    return rc;
}

static int check_below(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                       struct arena *arena, struct err *err)
{
    const char *from = arena_printf(arena, "%s/", place);
    const char *to = arena_printf(arena, "%s0", place); /* '0' comes after '/' */
    struct meta_stmt *stmt = NULL;
    int rc = from && to ? 0 : err_set(err, ERR_NOMEM, "table location");

    if (!rc)
        rc = meta_query(txn, &stmt, err,
                        "SELECT ns, name FROM catalog_table WHERE place >= ? AND place < ?"
                        " AND NOT (ns = ? AND name = ?) LIMIT 1",
                        "ssss", from, to, ident->ns, ident->name);
    if (!rc && meta_next(stmt, err, &rc))
        rc = taken(err, ident, place, stmt);
    meta_done(stmt);
    return rc;
}

/* "." and ".." are keys like others to the store, and a way out of the folder to many clients. */
static bool has_dots(const char *place)
{
    for (const char *at = strchr(place, '/'); at; at = strchr(at + 1, '/')) {
        size_t len = strcspn(at + 1, "/"), dots = strspn(at + 1, ".");

        if (len && len == dots && len <= 2)
            return true;
    }
    return false;
}

/* Nobody else is at this place, nor at a folder above it. */
int place_check(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                struct err *err)
{
    struct arena arena = {0};
    size_t start = strncmp(place, "s3://", 5) == 0 ? 5 : strlen(place);
    int rc = 0;

    if (has_dots(place))
        return err_set(err, ERR_INVALID,
                       "Unable to place table %s at location '%.200s': '.' and '..' are no names"
                       " of folders",
                       ident->name, place);
    rc = check_at(txn, ident, place, place, err);
    for (size_t len = strlen(place); !rc && len > start; len--) {
        const char *above;

        if (place[len - 1] != '/')
            continue;
        above = arena_cstr(&arena, slice_of(place, len - 1));
        rc = above ? check_at(txn, ident, place, above, err) : err_set(err, ERR_NOMEM, "location");
    }
    arena_deinit(&arena);
    return rc;
}

int place_claim(struct meta_txn *txn, const struct lake_ident *ident, const char *place,
                struct err *err)
{
    struct arena arena = {0};
    int rc = place_check(txn, ident, place, err);

    if (!rc)
        rc = check_below(txn, ident, place, &arena, err);
    if (!rc)
        rc = meta_exec(txn, err, "UPDATE catalog_table SET place = ? WHERE ns = ? AND name = ?",
                       "sss", place, ident->ns, ident->name);
    arena_deinit(&arena);
    return rc;
}

const char *const place_properties[PLACE_PROPERTIES] = {
    "write.data.path", "write.object-storage.path", "write.metadata.path"};

int place_others(struct arena *arena, const struct lake_metadata *base,
                 const struct lake_metadata *next, struct places *out, struct err *err)
{
    out->count = 0;
    for (size_t i = 0; i < PLACE_PROPERTIES; i++) {
        const char *is = lake_metadata_property(next, place_properties[i]);
        const char *was = base ? lake_metadata_property(base, place_properties[i]) : NULL;

        if (!is || (was && strcmp(is, was) == 0))
            continue;
        out->list[out->count] = place_of(arena, is);
        if (!out->list[out->count++])
            return err_set(err, ERR_NOMEM, "table location");
    }
    return 0;
}

/* ---- tables of before ---- */

struct fill {
    struct arena *arena;
    struct lake_ident ident; /* the next without a place; name NULL: none is left */
    const char *location, *place;
};

static int next_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct fill *fill = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT ns, name, metadata_location FROM catalog_table"
                        " WHERE place IS NULL LIMIT 1",
                        "");

    fill->ident.name = NULL;
    if (!rc && meta_next(stmt, err, &rc)) {
        fill->ident.ns = arena_strdup(fill->arena, meta_text(stmt, 0));
        fill->ident.name = arena_strdup(fill->arena, meta_text(stmt, 1));
        fill->location = arena_strdup(fill->arena, meta_text(stmt, 2));
        if (!fill->ident.ns || !fill->ident.name || !fill->location)
            rc = err_set(err, ERR_NOMEM, "table locations");
    }
    meta_done(stmt);
    return rc;
}

static int set_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct fill *fill = arg;

    return meta_exec(txn, err, "UPDATE catalog_table SET place = ? WHERE ns = ? AND name = ?",
                     "sss", fill->place, fill->ident.ns, fill->ident.name);
}

int place_fill(struct catalog *catalog, struct err *err)
{
    struct arena arena = {0};
    struct fill fill = {.arena = &arena};
    int rc;

    for (;;) {
        struct lake_metadata *metadata = NULL;

        arena_reset(&arena);
        rc = meta_read(catalog->meta, next_fn, &fill, err);
        if (rc || !fill.ident.name)
            break;
        /* A table whose metadata cannot be read has its row all the same, and no known place. */
        fill.place = "";
        if (lake_metadata_load(catalog->lake, fill.location, &metadata, NULL) == 0)
            fill.place = place_of(&arena, metadata->location);
        lake_metadata_free(metadata);
        rc = fill.place ? meta_write_wait(catalog->meta, set_fn, &fill, err)
                        : err_set(err, ERR_NOMEM, "table locations");
        if (rc)
            break;
    }
    arena_deinit(&arena);
    return rc;
}
