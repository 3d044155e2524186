/* upsert.c - the life of a table's upserts: the index opened, asked, and told what became true. See
 * upsert.h. */
#include <pthread.h>
#include <stdio.h>

#include "base/codec.h"
#include "lake/upsert_int.h"

#define MEMORY_DEFAULT ((int64_t)256 << 20)
#define SAVE_EVERY_NS  ((int64_t)30 * 1000000000)
#define SAVE_SHARE     20 /* saving takes one part of so many of the time at most */

bool lake_upsert_wanted(const struct lake_metadata *m)
{
    return lake_metadata_schema(m)->identifier_count &&
           (lake_metadata_property_bool(m, "write.upsert.enabled", false) ||
            lake_metadata_property_bool(m, "upsert-enabled", false));
}

/* ---- folders of indexes ----
 *
 * Two jobs may write to one table. Each has an index of its own, and so a folder: which of them
 * opens which is all the same, since an index is a function of the table alone. */
#define CLAIMS_MAX 4096

static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *claims[CLAIMS_MAX];

static bool claim(const char *dir)
{
    size_t free_at = CLAIMS_MAX;
    bool taken = false;

    pthread_mutex_lock(&claims_lock);
    for (size_t i = 0; i < CLAIMS_MAX && !taken; i++)
        if (claims[i])
            taken = !strcmp(claims[i], dir);
        else if (free_at == CLAIMS_MAX)
            free_at = i;
    taken |= free_at == CLAIMS_MAX;
    if (!taken)
        claims[free_at] = dir;
    pthread_mutex_unlock(&claims_lock);
    return !taken;
}

static void unclaim(const char *dir)
{
    pthread_mutex_lock(&claims_lock);
    for (size_t i = 0; i < CLAIMS_MAX; i++)
        if (claims[i] == dir)
            claims[i] = NULL;
    pthread_mutex_unlock(&claims_lock);
}

/* The uuid is whatever the table's creator liked: only its hash becomes part of a path. */
#define DIR_NAME "%016" PRIx64 "-"

static uint64_t dir_hash(const char *uuid)
{
    return hash64(uuid, strlen(uuid), 0);
}

static int claim_dir(struct lake_upsert *u, const char *uuid, struct err *err)
{
    const char *staging = lake_store(u->lake)->staging;

    for (int i = 0; i < CLAIMS_MAX; i++) {
        if (asprintf(&u->dir, "%s/key-index/" DIR_NAME "%d", staging, dir_hash(uuid), i) < 0) {
            u->dir = NULL;
            return err_set(err, ERR_NOMEM, "upserts");
        }
        if (claim(u->dir))
            return 0;
        free(u->dir);
        u->dir = NULL;
    }
    return err_set(err, ERR_LIMIT, "more than %d jobs write by key", CLAIMS_MAX);
}

int lake_upsert_forget(struct lake *lake, const char *uuid, struct err *err)
{
    struct store *store = lake_store(lake);
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    const char *parent = arena_printf(&arena, "%s/key-index", store->staging);
    const char *prefix = arena_printf(&arena, DIR_NAME, dir_hash(uuid));
    size_t count = 0;
    bool busy = false, gone = false;
    int rc = parent && prefix ? disk_list(store->disk, parent, &arena, &entries, &count, err)
                              : err_set(err, ERR_NOMEM, "key index");

    if (rc == ERR_NOENT) /* nobody here writes by key */
        rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        const char *dir;

        if (strncmp(entries[i].name, prefix, strlen(prefix)) != 0)
            continue;
        dir = arena_printf(&arena, "%s/%s", parent, entries[i].name);
        if (!dir) {
            rc = err_set(err, ERR_NOMEM, "key index");
        } else if (claim(dir)) {
            rc = disk_remove_tree(store->disk, dir, err);
            gone = true;
            unclaim(dir);
        } else {
            busy = true;
        }
    }
    if (!rc && gone)
        rc = disk_sync_dir(store->disk, parent, err);
    arena_deinit(&arena);
    return rc || !busy ? rc : err_set(err, ERR_BUSY, "a key index is in use");
}

/* ---- life ---- */

static int open_index(struct lake_upsert *u, const struct lake_upsert_options *o, struct err *err)
{
    struct key_index_options index = {
        .disk = lake_store(o->lake)->disk,
        .dir = u->dir,
        .table = u->key_name,
        .memory_bytes = lake_metadata_property_i64(o->metadata, "tarn.upsert.index-memory-bytes",
                                                   MEMORY_DEFAULT),
    };
    struct err lost = {0};
    int rc = key_index_new(&u->index, &index, &lost, err);

    if (!rc && lost.code)
        diag_warn("lake", "the key index of %s is built anew: %s", o->metadata->location,
                  lost.text);
    return rc;
}

int lake_upsert_new(struct lake_upsert **out, const struct lake_upsert_options *o, struct err *err)
{
    struct lake_upsert *u;
    struct arena arena = {0};
    struct key_columns key;
    const char *name;
    int rc;

    if (o->metadata->format_version < 2)
        return err_set(err, ERR_UNSUPPORTED,
                       "a table of format version 1 has no delete files, so it is not written by "
                       "key: upgrade it with ALTER TABLE ... SET ('format-version' = '2')");
    u = calloc(1, sizeof(*u));
    if (!u)
        return err_set(err, ERR_NOMEM, "upserts");
    u->lake = o->lake;
    u->db = o->db;
    u->saved_ns = clock_mono_ns(lake_clock(o->lake));
    rc = key_columns_init(&key, lake_metadata_schema(o->metadata), u->seeds, err);
    name = rc ? NULL : key_columns_name(&key, o->metadata->uuid, &arena);
    u->key_name = name ? strdup(name) : NULL;
    if (!rc && !u->key_name)
        rc = err_set(err, ERR_NOMEM, "upserts");
    rc = rc ? rc : claim_dir(u, o->metadata->uuid, err);
    rc = rc ? rc : open_index(u, o, err);
    arena_deinit(&arena);
    if (rc) {
        lake_upsert_free(u);
        return rc;
    }
    key_index_seeds(u->index, u->seeds);
    *out = u;
    return 0;
}

static void save(struct lake_upsert *u)
{
    struct err err = {0};

    if (key_index_save(u->index, &err))
        diag_warn("lake", "a key index is not saved: %s", err.text);
}

void lake_upsert_free(struct lake_upsert *u)
{
    if (!u)
        return;
    if (u->index)
        save(u);
    key_index_free(u->index);
    vec_conn_free(u->conn);
    if (u->dir)
        unclaim(u->dir);
    free(u->dir);
    free(u->key_name);
    free(u);
}

/* ---- an epoch's rows in the table ---- */

struct places {
    struct key_place *list;
    size_t count, cap;
};

static int on_place(void *arg, size_t at, struct key_place place)
{
    struct places *p = arg;

    (void)at;
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 1024;
        struct key_place *more = realloc(p->list, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        p->list = more;
        p->cap = cap;
    }
    p->list[p->count++] = place;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct key_place *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int find_places(struct lake_upsert *u, const struct lake_upsert_cut *cut,
                       struct places *places, struct err *err)
{
    const struct key_table *t = &cut->keys;
    struct key_hash *keys = malloc((t->live + 1) * sizeof(*keys));
    size_t count = 0;
    int rc = keys ? 0 : err_set(err, ERR_NOMEM, "keys of a commit");

    for (size_t i = 0; !rc && i < t->cap + t->slack; i++)
        if (t->slots[i].file)
            keys[count++] = (struct key_hash){t->slots[i].hash, t->slots[i].check};
    rc = rc ? rc : key_index_find(u->index, keys, count, on_place, places, err);
    free(keys);
    if (!rc && places->count)
        qsort(places->list, places->count, sizeof(*places->list), by_place);
    return rc;
}

/* Sorted places become one list of positions per file. */
static int make_deletes(struct lake_upsert *u, const struct places *places, struct arena *arena,
                        struct lake_row_delete **out, size_t *count, struct err *err)
{
    size_t files = 0;
    int64_t *positions;

    for (size_t i = 0; i < places->count; i++)
        files += !i || places->list[i].file != places->list[i - 1].file;
    *out = ARENA_ARRAY(arena, struct lake_row_delete, files + 1);
    positions = ARENA_ARRAY(arena, int64_t, places->count + 1);
    if (!*out || !positions)
        return err_set(err, ERR_NOMEM, "replaced rows");
    *count = 0;
    for (size_t i = 0; i < places->count; i++) {
        struct key_place at = places->list[i];
        struct lake_row_delete *d = *count ? &(*out)[*count - 1] : NULL;

        if (i && at.file == places->list[i - 1].file && at.row == places->list[i - 1].row)
            continue;
        if (!i || at.file != places->list[i - 1].file) {
            const struct key_file *file = key_index_file(u->index, at.file);

            d = &(*out)[(*count)++];
            *d = (struct lake_row_delete){.path = arena_strdup(arena, file->path),
                                          .spec_id = file->spec_id,
                                          .sequence_number = file->sequence_number,
                                          .file_sequence_number = file->file_sequence_number,
                                          .positions = positions};
            if (!d->path)
                return err_set(err, ERR_NOMEM, "replaced rows");
        }
        *positions++ = at.row;
        d->position_count++;
    }
    return 0;
}

/* Somebody may change the key of a table that is written to. Rows hashed by the old one are read
 * again by a job that starts anew. */
static int check_key(const struct lake_upsert_cut *cut, const struct lake_metadata *m,
                     const uint64_t seeds[2], struct err *err)
{
    struct arena arena = {0};
    struct key_columns key;
    const char *name;
    int rc = key_columns_init(&key, lake_metadata_schema(m), seeds, err);

    name = rc ? NULL : key_columns_name(&key, m->uuid, &arena);
    if (!rc && (!name || strcmp(name, cut->key_name) != 0))
        rc = err_set(err, ERR_INVALID, "the table's key was changed while rows were on their way");
    arena_deinit(&arena);
    return rc;
}

int lake_upsert_stage(struct lake_upsert *u, struct lake_upsert_cut *cut,
                      const struct lake_metadata *base, struct arena *arena,
                      struct lake_row_delete **out, size_t *count, struct err *err)
{
    struct places places = {0};
    int rc = check_key(cut, base, u->seeds, err);

    *count = 0;
    for (int attempt = 0; !rc && attempt < 2; attempt++) {
        rc = upsert_follow(u, base, true, NULL, 0, err);
        places.count = 0;
        rc = rc ? rc : find_places(u, cut, &places, err);
        if (!rc || key_index_snapshot(u->index) != KEY_INDEX_NONE)
            break;
        diag_warn("lake", "a key index is built anew: %s", err ? err->text : "");
        rc = 0; /* what lies on disk does not hold: the table does */
    }
    rc = rc ? rc : make_deletes(u, &places, arena, out, count, err);
    free(places.list);
    return rc;
}

/* ---- an epoch that is true ---- */

static int apply_cut(struct lake_upsert *u, const struct lake_upsert_cut *cut,
                     const struct lake_data_file *files, size_t count,
                     const struct lake_snapshot *snapshot, struct err *err)
{
    const struct key_table *t = &cut->keys;
    uint32_t *ordinals = malloc((count + 1) * sizeof(*ordinals));
    int rc = ordinals ? 0 : err_set(err, ERR_NOMEM, "key index");

    key_index_begin(u->index);
    for (size_t i = 0; i < count && !rc; i++) {
        struct key_file file = {files[i].path, files[i].record_count, files[i].spec_id,
                                snapshot->sequence_number, snapshot->sequence_number};

        rc = key_index_file_add(u->index, &file, &ordinals[i], err);
    }
    for (size_t i = 0; !rc && i < t->cap + t->slack; i++) {
        const struct key_entry *e = &t->slots[i];
        struct key_hash key = {e->hash, e->check};

        if (!e->file)
            continue;
        rc = e->file == KEY_TOMB
                 ? key_index_remove(u->index, key, err)
                 : key_index_put(u->index, key, (struct key_place){ordinals[e->file - 1], e->row},
                                 err);
    }
    free(ordinals);
    return rc ? rc : key_index_end(u->index, snapshot->id, snapshot->sequence_number, err);
}

/* Files left with the epoch's own snapshot, since none of their rows did not. */
static bool lost_files(const struct lake_snapshot *snapshot)
{
    const char *deleted = lake_summary(snapshot, "deleted-data-files");

    return deleted && strcmp(deleted, "0") != 0;
}

static void save_now_and_then(struct lake_upsert *u)
{
    struct clock *clock = lake_clock(u->lake);
    int64_t now = clock_mono_ns(clock), since = now - u->saved_ns;

    if (since < SAVE_EVERY_NS || since < u->save_cost_ns * SAVE_SHARE)
        return;
    save(u);
    u->saved_ns = clock_mono_ns(clock);
    u->save_cost_ns = u->saved_ns - now;
}

void lake_upsert_committed(struct lake_upsert *u, const struct lake_upsert_cut *cut,
                           const struct lake_data_file *files, size_t count, int64_t snapshot_id,
                           const struct lake_metadata *now, const struct lake_row_map *maps,
                           size_t map_count)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot_by_id(now, snapshot_id);
    struct err err = {0};
    int rc = 0;

    /* The index stands at the base that was staged last, and the snapshot is that base's child. */
    if (snapshot && snapshot->parent_id == key_index_snapshot(u->index))
        rc = apply_cut(u, cut, files, count, snapshot, &err);
    if (!rc)
        rc = upsert_follow(u, now, !snapshot || !lost_files(snapshot), maps, map_count, &err);
    if (rc)
        diag_warn("lake", "a key index falls behind: %s", err.text);
    save_now_and_then(u);
}

void lake_upsert_stats(const struct lake_upsert *u, struct lake_upsert_stats *out)
{
    *out = (struct lake_upsert_stats){.rebuilds = u->rebuilds, .files_read = u->files_read};
    key_index_stats(u->index, &out->index);
}
