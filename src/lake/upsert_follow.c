/* upsert_follow.c - the index is brought to a snapshot it has not seen. See upsert.h.
 *
 * The index has a place for every live row of the snapshot it belongs to, so its list of files and
 * the list of live files say all that a descendant changed: rows never come back to life in a file
 * that stayed. History that ran backwards is the exception, so the way from the one snapshot to the
 * other is followed first. */
#include "lake/upsert_int.h"

struct follow {
    struct lake_upsert *u;
    const struct lake_metadata *m;
    struct key_columns key;
    struct arena arena;
    struct key_file *fresh; /* live data files that the index does not know */
    size_t fresh_count, fresh_cap;
    uint8_t *seen; /* by ordinal, up to `last`: live still */
    uint32_t last;
    struct err *err;
};

static int nomem(struct follow *f)
{
    return err_set(f->err, ERR_NOMEM, "key index");
}

static bool is_ancestor(const struct lake_metadata *m, const struct lake_snapshot *at, int64_t id)
{
    if (id == -1) /* an empty table precedes all */
        return true;
    for (size_t i = 0; at && i <= m->snapshot_count; i++) {
        if (at->id == id)
            return true;
        if (at->parent_id == id) /* it was forgotten, and yet it was the parent */
            return true;
        at = at->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(m, at->parent_id);
    }
    return false;
}

static int keep_fresh(struct follow *f, const struct lake_entry *entry)
{
    struct key_file *file;

    if (f->fresh_count == f->fresh_cap) {
        size_t cap = f->fresh_cap ? f->fresh_cap * 2 : 16;
        struct key_file *more = ARENA_ARRAY(&f->arena, struct key_file, cap);

        if (!more)
            return nomem(f);
        if (f->fresh_count)
            memcpy(more, f->fresh, f->fresh_count * sizeof(*more));
        f->fresh = more;
        f->fresh_cap = cap;
    }
    file = &f->fresh[f->fresh_count++];
    *file =
        (struct key_file){arena_strdup(&f->arena, entry->file.path), entry->file.record_count,
                          entry->file.spec_id, entry->sequence_number, entry->file_sequence_number};
    return file->path ? 0 : nomem(f);
}

static int look_at(struct follow *f, const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest = NULL;
    int rc = lake_manifest_load(f->u->lake, f->m, line, &manifest, f->err);

    for (size_t i = 0; !rc && i < manifest->entry_count; i++) {
        struct lake_entry entry = manifest->entries[i];
        uint32_t ordinal;

        if (entry.status == LAKE_DELETED || entry.file.content != LAKE_DATA)
            continue;
        if (key_index_file_find(f->u->index, entry.file.path, &ordinal)) {
            f->seen[ordinal] = 1;
            continue;
        }
        lake_entry_inherit(&entry, line);
        rc = keep_fresh(f, &entry);
    }
    lake_manifest_free(manifest);
    return rc;
}

static int compare(struct follow *f, const struct lake_snapshot *snapshot)
{
    struct lake_manifest_list *list = NULL;
    uint32_t at = 0, ordinal = 0;
    int rc = lake_manifest_list_load(f->u->lake, f->m, snapshot, &list, f->err);

    while (key_index_file_next(f->u->index, &at, &ordinal))
        f->last = ordinal;
    f->seen = arena_alloc(&f->arena, (size_t)f->last + 1);
    if (!rc && !f->seen)
        rc = nomem(f);
    for (size_t i = 0; !rc && i < list->file_count; i++)
        if (list->files[i].content == 0 &&
            (list->files[i].added_files != 0 || list->files[i].existing_files != 0))
            rc = look_at(f, &list->files[i]);
    lake_manifest_list_free(list);
    return rc;
}

static const struct key_file *fresh_file(const struct follow *f, const char *path)
{
    for (size_t i = 0; i < f->fresh_count; i++)
        if (!strcmp(f->fresh[i].path, path))
            return &f->fresh[i];
    return NULL;
}

/* A map holds when exactly its files left and came. */
static bool map_holds(const struct follow *f, const struct lake_row_map *map)
{
    uint32_t ordinal;

    for (size_t i = 0; i < map->old_count; i++)
        if (!key_index_file_find(f->u->index, map->old_files[i], &ordinal) || f->seen[ordinal])
            return false;
    for (size_t i = 0; i < map->new_count; i++)
        if (!fresh_file(f, map->new_files[i]))
            return false;
    return map->old_count > 0;
}

static int add_file(struct follow *f, const struct key_file *file, uint32_t *ordinal)
{
    int rc = key_index_file_add(f->u->index, file, ordinal, f->err);

    if (!rc && *ordinal <= f->last) /* an ordinal of old */
        f->seen[*ordinal] = 1;
    return rc;
}

static int take_map(struct follow *f, const struct lake_row_map *map)
{
    uint32_t ordinal;
    int rc = 0;

    for (size_t i = 0; i < map->new_count && !rc; i++)
        rc = add_file(f, fresh_file(f, map->new_files[i]), &ordinal);
    return rc ? rc : key_index_move(f->u->index, map, f->err);
}

/* The files whose keys are to be read, and their ordinals. */
struct reading {
    struct follow *f;
    struct lake_plan plan;
    uint32_t *ordinals;
};

static int add_keys(void *arg, size_t file, int64_t first_row, const struct key_hash *keys,
                    size_t count, struct err *err)
{
    struct reading *r = arg;

    return key_index_add(r->f->u->index, r->ordinals[file], (uint32_t)first_row, keys, count, err);
}

/* A plan of the whole table, of which only the unknown files stay. */
static int plan_fresh(struct follow *f, struct reading *r)
{
    struct lake_plan *plan = &r->plan;
    size_t kept = 0;
    int rc = lake_plan(f->u->lake, f->m, -1, NULL, NULL, 0, &f->arena, plan, f->err);

    r->ordinals = rc ? NULL : ARENA_ARRAY(&f->arena, uint32_t, plan->file_count + 1);
    if (!rc && !r->ordinals)
        rc = nomem(f);
    for (size_t i = 0; i < plan->file_count && !rc; i++) {
        const struct lake_entry *e = &plan->files[i].entry;
        struct key_file file = {e->file.path, e->file.record_count, e->file.spec_id,
                                e->sequence_number, e->file_sequence_number};
        uint32_t ordinal;

        if (key_index_file_find(f->u->index, file.path, &ordinal))
            continue;
        rc = add_file(f, &file, &r->ordinals[kept]);
        plan->files[kept++] = plan->files[i];
    }
    plan->file_count = kept;
    return rc;
}

static int read_fresh(struct follow *f)
{
    struct reading r = {.f = f};
    int rc = f->u->conn ? 0 : vec_conn_new(&f->u->conn, f->u->db, f->err);

    rc = rc ? rc : plan_fresh(f, &r);
    f->u->files_read += rc ? 0 : (int64_t)r.plan.file_count;
    return rc ? rc
              : upsert_read_keys(f->u->lake, f->u->conn, &f->key, &r.plan, add_keys, &r, f->err);
}

static int apply(struct follow *f, const struct lake_row_map *maps, size_t map_count)
{
    uint32_t at = 0, ordinal;
    size_t moved = 0;
    int rc = 0;

    for (size_t i = 0; i < map_count && !rc; i++)
        if (map_holds(f, &maps[i])) {
            rc = take_map(f, &maps[i]);
            moved += maps[i].new_count;
        }
    if (!rc && moved < f->fresh_count)
        rc = read_fresh(f);
    while (!rc && key_index_file_next(f->u->index, &at, &ordinal) && ordinal <= f->last)
        if (!f->seen[ordinal])
            key_index_file_drop(f->u->index, ordinal);
    return rc;
}

int upsert_follow(struct lake_upsert *u, const struct lake_metadata *m, bool same_files,
                  const struct lake_row_map *maps, size_t map_count, struct err *err)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(m);
    int64_t id = snapshot ? snapshot->id : -1, from = key_index_snapshot(u->index);
    struct follow f = {.u = u, .m = m, .err = err};
    int rc;

    if (id == from && same_files)
        return 0;
    rc = key_columns_init(&f.key, lake_metadata_schema(m), u->seeds, err);
    if (rc)
        return rc;
    if (from == KEY_INDEX_NONE || !is_ancestor(m, snapshot, from)) {
        if (from != KEY_INDEX_NONE)
            diag_info("lake",
                      "the key index of %s is built anew: its snapshot is not in the "
                      "table's history any more",
                      m->location);
        key_index_reset(u->index);
        u->rebuilds++;
    }
    key_index_begin(u->index);
    rc = snapshot ? compare(&f, snapshot) : 0;
    rc = rc || !snapshot ? rc : apply(&f, maps, map_count);
    rc = rc ? rc : key_index_end(u->index, id, snapshot ? snapshot->sequence_number : 0, err);
    arena_deinit(&f.arena);
    return rc;
}
