/* lost.c - see lost.h. */
#include "catalog/lost.h"

#include "catalog/catalog_int.h"

#define PAGE      1000
#define DEPTH_MAX 16 /* levels of namespaces are folders */

struct walk {
    struct catalog *catalog;
    struct store *store;
    const char *bucket;
    struct arena *arena; /* the caller's */
    struct catalog_lost *out;
    size_t count, max;
};

/* ---- what the catalog knows ---- */

struct known_call {
    const char *place, *from, *to;
    bool known;
};

static int known_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct known_call *call = arg;
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT 1 FROM catalog_table WHERE place = ?"
                        " UNION ALL SELECT 1 FROM catalog_view"
                        " WHERE metadata_location >= ? AND metadata_location < ?"
                        " UNION ALL SELECT 1 FROM catalog_purge"
                        " WHERE metadata_location >= ? AND metadata_location < ? LIMIT 1",
                        "sssss", call->place, call->from, call->to, call->from, call->to);

    call->known = !rc && meta_next(stmt, err, &rc);
    meta_done(stmt);
    return rc;
}

/* ---- what lies there ---- */

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);

    return len >= tail && strcmp(text + len - tail, end) == 0;
}

/* One page of a folder; *after becomes where the next begins, NULL at the end. */
static int list_page(struct walk *w, const char *prefix, struct arena *arena, const char **after,
                     struct store_list *page, struct err *err)
{
    int rc = w->store->ops->list(w->store, w->bucket, prefix, "/", *after, PAGE, arena, page, err);

    *after = !rc && page->truncated && page->count ? page->entries[page->count - 1].key : NULL;
    return rc;
}

/* The newest metadata file below `folder` ("db/t/metadata/"), in the arena; NULL: there is none. */
static int newest(struct walk *w, const char *folder, struct arena *arena, const char **key,
                  struct err *err)
{
    int64_t mtime_us = INT64_MIN;
    const char *after = NULL;
    struct store_list page;
    int rc;

    *key = NULL;
    do {
        rc = list_page(w, folder, arena, &after, &page, err);
        for (size_t i = 0; !rc && i < page.count; i++) {
            const struct store_entry *e = &page.entries[i];

            if (e->is_prefix || !ends_in(e->key, ".metadata.json") || e->mtime_us < mtime_us)
                continue;
            mtime_us = e->mtime_us;
            *key = e->key;
        }
    } while (!rc && after);
    return rc;
}

static int look_at_table(struct walk *w, const char *prefix, const char *folder,
                         struct arena *arena, struct err *err)
{
    const char *from = arena_printf(arena, "s3://%s/%s", w->bucket, prefix), *key = NULL;
    struct known_call call = {.from = from};
    int rc;

    if (!from)
        return err_set(err, ERR_NOMEM, "lost tables");
    call.place = arena_cstr(arena, slice_of(from, strlen(from) - 1));
    call.to = call.place ? arena_printf(arena, "%s0", call.place) : NULL; /* '0' is behind '/' */
    if (!call.to)
        return err_set(err, ERR_NOMEM, "lost tables");
    rc = meta_read(w->catalog->meta, known_fn, &call, err);
    if (!rc && !call.known)
        rc = newest(w, folder, arena, &key, err);
    if (rc || call.known || !key)
        return rc;
    w->out[w->count].place = arena_strdup(w->arena, call.place);
    w->out[w->count].metadata = arena_printf(w->arena, "s3://%s/%s", w->bucket, key);
    if (!w->out[w->count].place || !w->out[w->count].metadata)
        return err_set(err, ERR_NOMEM, "lost tables");
    w->count++;
    return 0;
}

/* A folder with a folder "metadata" in it is a table's; others may hold tables further down. */
static int walk_folder(struct walk *w, const char *prefix, int depth, struct err *err)
{
    struct arena arena = {0};
    const char *folder = arena_printf(&arena, "%smetadata/", prefix), *after = NULL;
    struct store_list page = {0};
    bool is_table = false;
    int rc =
        folder ? w->store->ops->list(w->store, w->bucket, folder, NULL, NULL, 1, &arena, &page, err)
               : err_set(err, ERR_NOMEM, "lost tables");

    is_table = !rc && page.count && *prefix;
    if (is_table)
        rc = look_at_table(w, prefix, folder, &arena, err);
    while (!rc && !is_table && depth < DEPTH_MAX) {
        rc = list_page(w, prefix, &arena, &after, &page, err);
        for (size_t i = 0; !rc && i < page.count && w->count < w->max; i++)
            if (page.entries[i].is_prefix)
                rc = walk_folder(w, page.entries[i].key, depth + 1, err);
        if (!after || w->count == w->max)
            break;
    }
    arena_deinit(&arena);
    return rc;
}

int catalog_lost_find(struct catalog *catalog, size_t max, struct arena *arena,
                      struct catalog_lost *out, size_t *count, struct err *err)
{
    struct walk w = {.catalog = catalog,
                     .store = lake_store(catalog->lake),
                     .arena = arena,
                     .out = out,
                     .max = max};
    const char *place = place_of(arena, catalog_warehouse(catalog)), *key, *prefix;
    int rc = place ? store_split(place, arena, &w.bucket, &key, err)
                   : err_set(err, ERR_NOMEM, "lost tables");

    *count = 0;
    if (rc)
        return rc;
    prefix = *key ? arena_printf(arena, "%s/", key) : "";
    rc = prefix ? walk_folder(&w, prefix, 0, err) : err_set(err, ERR_NOMEM, "lost tables");
    *count = w.count;
    return rc;
}
