/* commit.c - changes that come as requirements and updates: from REST clients, and from ours.
 *
 * Each round loads the newest metadata, applies the change, writes the new metadata file (durable),
 * and swaps. A swap that finds the table moved on is followed by another round: the requirements
 * are what decides whether the change still makes sense, not the pointer. Readers of the store may
 * see a file that never became true; it is removed, unless the outcome is unknown.
 */
#include "base/codec.h"
#include "catalog/catalog_int.h"

#define ROUNDS_MAX  50
#define CHANGES_MAX 1000

struct prepared {
    const char *base_location, *location;
    struct lake_metadata *base, *next;
    const char **dropped; /* old metadata files, to be removed afterwards */
    size_t drop_count;
    bool unchanged; /* nothing to write: the base is the answer */
};

static bool asks_for(const json_t *list, const char *key, const char *word)
{
    size_t at;
    json_t *item;

    json_array_foreach(list, at, item) {
        const char *text = json_string_value(json_object_get(item, key));

        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

/* A client that creates a table without saying where gets the default place. */
static json_t *with_location(const json_t *updates, const char *location)
{
    json_t *copy = updates ? json_copy((json_t *)updates) : json_array();

    if (copy && json_array_append_new(copy, json_pack("{s:s, s:s}", "action", "set-location",
                                                      "location", location))) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

static int apply_new(struct catalog *catalog, const struct catalog_change *change,
                     struct arena *arena, struct prepared *out, struct err *err)
{
    json_t *updates = NULL;
    const char *location;
    int rc;

    if (!asks_for(change->requirements, "type", "assert-create"))
        return no_table(err, &change->ident);
    rc = catalog_namespace_load(catalog, change->ident.ns, NULL, err);
    if (rc)
        return rc;
    if (!asks_for(change->updates, "action", "set-location")) {
        location = table_default_location(catalog, &change->ident, arena, err);
        updates = location ? with_location(change->updates, location) : NULL;
        if (!updates)
            return err->code ? err->code : err_set(err, ERR_NOMEM, "table commit");
    }
    rc = lake_metadata_apply(NULL, change->requirements, updates ? updates : change->updates,
                             clock_wall_ms(catalog->clock), &out->next, err);
    json_decref(updates);
    return rc;
}

static int prepare(struct catalog *catalog, const struct catalog_change *change,
                   struct arena *arena, struct prepared *out, struct err *err)
{
    struct catalog_table table;
    int rc = catalog_table_load(catalog, &change->ident, arena, &table, err);

    *out = (struct prepared){0};
    if (rc == ERR_NOENT) {
        rc = apply_new(catalog, change, arena, out, err);
    } else if (!rc) {
        out->base = table.metadata;
        out->base_location = table.location;
        rc = lake_metadata_apply(out->base, change->requirements, change->updates,
                                 clock_wall_ms(catalog->clock), &out->next, err);
        out->unchanged = !rc && json_array_size(change->updates) == 0;
    }
    if (!rc && !out->unchanged) {
        rc = lake_metadata_store(catalog->lake, out->next, out->base, out->base_location, arena,
                                 &out->location, &out->dropped, &out->drop_count, err);
        if (rc)
            out->location = NULL; /* there is nothing to remove */
    }
    return rc;
}

static void unprepare(struct catalog *catalog, struct prepared *list, size_t count, bool remove)
{
    for (size_t i = 0; i < count; i++) {
        if (remove && list[i].location)
            lake_remove_files(catalog->lake, &list[i].location, 1);
        lake_metadata_free(list[i].base);
        lake_metadata_free(list[i].next);
        list[i] = (struct prepared){0};
    }
}

static int swap_all(struct catalog *catalog, const struct catalog_change *changes,
                    const struct prepared *list, size_t count, const char *who,
                    struct arena *arena, struct err *err)
{
    struct lake_swap *swaps = ARENA_ARRAY(arena, struct lake_swap, count);
    size_t used = 0;

    if (!swaps)
        return err_set(err, ERR_NOMEM, "table commit");
    for (size_t i = 0; i < count; i++) {
        if (list[i].unchanged)
            continue;
        swaps[used++] = (struct lake_swap){
            .ident = changes[i].ident,
            .uuid = list[i].base ? list[i].base->uuid : list[i].next->uuid,
            .base_location = list[i].base_location,
            .new_location = list[i].location,
        };
    }
    return used ? swap_tables_wait(catalog, who, swaps, used, err) : 0;
}

/* The file that was written holds the base in its metadata log, which `next` does not: what is
 * true now is read back, through the cache. */
static int result(struct catalog *catalog, struct prepared *prepared, struct catalog_table *out,
                  struct err *err)
{
    if (prepared->unchanged) {
        out->location = prepared->base_location;
        out->metadata = lake_metadata_ref(prepared->base);
        return 0;
    }
    out->location = prepared->location;
    return lake_metadata_load(catalog->lake, prepared->location, &out->metadata, err);
}

static int commit_round(struct catalog *catalog, const struct catalog_change *changes, size_t count,
                        const char *who, struct arena *arena, struct catalog_table *out,
                        bool *again, struct err *err)
{
    struct prepared *list = ARENA_ARRAY(arena, struct prepared, count);
    int rc = list ? 0 : err_set(err, ERR_NOMEM, "table commit");
    bool swapped = false;

    for (size_t i = 0; !rc && i < count; i++)
        rc = prepare(catalog, &changes[i], arena, &list[i], err);
    if (!rc) {
        rc = swap_all(catalog, changes, list, count, who, arena, err);
        *again = rc == ERR_CONFLICT || rc == ERR_EXISTS; /* the next round tells why, or succeeds */
        swapped = rc == 0;
    }
    for (size_t i = 0; swapped && i < count; i++) {
        rc = result(catalog, &list[i], &out[i], err);
        if (rc) { /* it is true all the same */
            rc = err_wrap(err, err->code = ERR_UNKNOWN, "committed, but not read back");
            break;
        }
        if (list[i].drop_count)
            lake_remove_files(catalog->lake, list[i].dropped, list[i].drop_count);
    }
    if (list)
        unprepare(catalog, list, count, rc && !swapped && rc != ERR_UNKNOWN);
    return rc;
}

/* ---- the queue in front of each table ---- */

static uint64_t locks_of(const struct catalog_change *changes, size_t count)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < count; i++) {
        const struct lake_ident *ident = &changes[i].ident;
        uint64_t hash = hash64(ident->name, strlen(ident->name),
                               hash64(ident->ns, strlen(ident->ns), 0));

        mask |= UINT64_C(1) << (hash % TABLE_LOCKS);
    }
    return mask;
}

static void lock_tables(struct catalog *catalog, uint64_t mask)
{
    for (int i = 0; i < TABLE_LOCKS; i++) /* always in this order, so no two wait in a ring */
        if (mask & (UINT64_C(1) << i))
            pthread_mutex_lock(&catalog->table_locks[i]);
}

static void unlock_tables(struct catalog *catalog, uint64_t mask)
{
    for (int i = 0; i < TABLE_LOCKS; i++)
        if (mask & (UINT64_C(1) << i))
            pthread_mutex_unlock(&catalog->table_locks[i]);
}

static int check_changes(const struct catalog_change *changes, size_t count, struct err *err)
{
    int rc = 0;

    if (count == 0 || count > CHANGES_MAX)
        return err_set(err, ERR_INVALID, "A commit is of 1 to %d tables", CHANGES_MAX);
    for (size_t i = 0; !rc && i < count; i++) {
        rc = check_ident(&changes[i].ident, err);
        for (size_t j = 0; !rc && j < i; j++)
            if (strcmp(changes[i].ident.ns, changes[j].ident.ns) == 0 &&
                strcmp(changes[i].ident.name, changes[j].ident.name) == 0)
                rc = err_set(err, ERR_INVALID, "Table %s is named twice in one commit",
                             show_table(&changes[i].ident).text);
    }
    return rc;
}

int catalog_commit(struct catalog *catalog, const struct catalog_change *changes, size_t count,
                   const char *who, struct arena *arena, struct catalog_table *out,
                   struct err *err)
{
    struct err local = {0}; /* codes are read from it */
    int rc = check_changes(changes, count, &local);
    bool again = rc == 0;
    uint64_t mask;

    memset(out, 0, count * sizeof(*out));
    mask = rc ? 0 : locks_of(changes, count);
    lock_tables(catalog, mask);
    for (int round = 0; again && round < ROUNDS_MAX; round++) {
        again = false;
        local = (struct err){0};
        rc = commit_round(catalog, changes, count, who, arena, out, &again, &local);
    }
    unlock_tables(catalog, mask);
    if (rc) {
        for (size_t i = 0; i < count; i++)
            catalog_table_deinit(&out[i]);
        if (err)
            *err = local;
    }
    return rc;
}
