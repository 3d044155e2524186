/* maintain.c - which data files should become one. See maintain.h for the idea.
 *
 * Class 0 holds files below tarn.merge.small-bytes (1 MiB): their cost is their number, not their
 * size, and rewriting a megabyte every few commits is nothing. From there each class is fan-in
 * times larger, up to the target. A row is rewritten about once per class.
 *
 * A file with many deleted rows is rewritten without them, whatever its size, and so is one that
 * many delete files apply to: each of them is read with it. The rewritten rows are as old as the
 * newest of the files they came from, so that nobody takes them for new ones; where deletes by
 * equality were applied, as old as the snapshot that was read. So one that came in meanwhile still
 * applies to them, and one that was applied never again; a delete by position that came in
 * meanwhile follows its rows, or makes the rewrite void (stage.h).
 */
#include "lake/maintain.h"

#include "lake/key_index.h"
#include "lake/maintain_int.h"

#define ENTRIES_SEEN_MAX  4096
#define ENTRIES_WHOLE_MAX 65536 /* of a table whose old files may want rewriting */
#define MERGES_MAX        16
#define CLASSES_MAX       24

struct candidate {
    struct lake_entry entry; /* inherited, copied */
    const struct live_delete **deletes;
    size_t delete_count, delete_cap;
    int64_t deleted;
};
struct group { /* files of one partition that want the same */
    struct candidate *files;
    size_t count, cap;
    enum lake_why why;
    int class;
    bool moves; /* of older specs, whatever their partitions */
    struct group *next;
};
struct picker {
    struct lake *lake;
    const struct lake_metadata *m;
    struct arena *arena;
    struct err *err;
    struct delete_live deletes;
    bool any_deletes;
    struct candidate now;    /* the file that is looked at */
    struct lake_type *types; /* of the default spec's fields */
    struct group *groups;
    int64_t fan_in, target, small, delete_percent, delete_files;
    int64_t *by_why;
    int32_t spec_id, order_id; /* order_id 0: rows are in no order */
    bool move_small, move_all; /* files of older specs */
};

static int nomem(struct picker *p)
{
    return err_set(p->err, ERR_NOMEM, "picking files to merge");
}

/* -1: large enough as it is (three quarters of the target, as Iceberg's own rewrite has it). */
static int class_of(const struct picker *p, int64_t bytes)
{
    int64_t limit = p->small;
    int class = 0;

    if (bytes >= p->target / 4 * 3)
        return -1;
    for (; bytes >= limit && class < CLASSES_MAX; class ++)
        limit = limit > p->target / p->fan_in ? p->target : limit * p->fan_in;
    return class;
}

/* Called with each delete that applies to p->now. */
static int note_delete(void *arg, const struct live_delete *del, bool own)
{
    struct picker *p = arg;
    struct candidate *c = &p->now;

    if (c->delete_count == c->delete_cap) {
        size_t cap = c->delete_cap ? c->delete_cap * 2 : 4;
        const struct live_delete **more = ARENA_ARRAY(p->arena, const struct live_delete *, cap);

        if (!more)
            return nomem(p);
        if (c->delete_count)
            memcpy(more, c->deletes, c->delete_count * sizeof(*more));
        c->deletes = more;
        c->delete_cap = cap;
    }
    c->deletes[c->delete_count++] = del;
    if (own)
        c->deleted += del->entry->file.record_count;
    return 0;
}

/* Why this file should be rewritten; false: it is fine. */
static bool wants(const struct picker *p, const struct candidate *c, enum lake_why *why, int *class)
{
    const struct lake_data_file *file = &c->entry.file;

    *class = class_of(p, file->file_bytes);
    if (c->delete_count && (c->delete_count >= (size_t)p->delete_files ||
                            c->deleted * 100 >= file->record_count * p->delete_percent))
        *why = LAKE_WHY_DELETES;
    else if (file->spec_id != p->spec_id && (*class >= 0 || p->move_all))
        *why = LAKE_WHY_SPEC;
    else if (*class >= 0)
        *why = LAKE_WHY_SMALL;
    else if (p->order_id && file->sort_order_id != p->order_id && file->spec_id == p->spec_id)
        *why = LAKE_WHY_SORT;
    else
        return false;
    *class = *why == LAKE_WHY_SMALL ? *class : 0;
    return true;
}

static bool same_partition(const struct picker *p, const struct lake_data_file *a,
                           const struct lake_data_file *b)
{
    for (size_t i = 0; i < a->partition_count; i++)
        if (lake_value_cmp(&p->types[i], &a->partition[i], &b->partition[i]) != 0)
            return false;
    return true;
}

static int add_file(struct picker *p, enum lake_why why, int class)
{
    bool moves = p->now.entry.file.spec_id != p->spec_id;
    struct group *g = p->groups;

    while (g && (g->why != why || g->class != class || g->moves != moves ||
                 (!moves && !same_partition(p, &g->files[0].entry.file, &p->now.entry.file))))
        g = g->next;
    if (!g) {
        g = ARENA_NEW(p->arena, struct group);
        if (!g)
            return nomem(p);
        g->why = why;
        g->class = class;
        g->moves = moves;
        g->next = p->groups;
        p->groups = g;
    }
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct candidate *more = ARENA_ARRAY(p->arena, struct candidate, cap);

        if (!more)
            return nomem(p);
        if (g->count)
            memcpy(more, g->files, g->count * sizeof(*more));
        g->files = more;
        g->cap = cap;
    }
    g->files[g->count] = p->now;
    if (lake_data_file_copy(p->arena, &g->files[g->count].entry.file, &p->now.entry.file))
        return nomem(p);
    g->count++;
    p->by_why[why]++;
    return 0;
}

static int look_at(struct picker *p, const struct lake_manifest_file *line, size_t *seen)
{
    struct lake_manifest *manifest;
    int rc = lake_manifest_load(p->lake, p->m, line, &manifest, p->err);

    if (rc)
        return rc;
    for (size_t i = 0; i < manifest->entry_count && !rc; i++) {
        enum lake_why why;
        int class;

        ++*seen;
        p->now = (struct candidate){.entry = manifest->entries[i]};
        if (p->now.entry.status == LAKE_DELETED || p->now.entry.file.content != LAKE_DATA ||
            strcasecmp(p->now.entry.file.format, "parquet") != 0 ||
            p->now.entry.file.key_metadata.len) /* nobody here can read it */
            continue;
        if (p->m->format_version >= 3 && p->now.entry.file.first_row_id < 0)
            continue; /* its rows have no ids yet: they get them with the next commit */
        lake_entry_inherit(&p->now.entry, line);
        if (p->any_deletes)
            rc = delete_live_of(&p->deletes, &p->now.entry, note_delete, p, p->err);
        if (!rc && wants(p, &p->now, &why, &class))
            rc = add_file(p, why, class);
    }
    lake_manifest_free(manifest);
    return rc;
}

/* Oldest rows first, so that a merged file stays near the order of arrival. */
static int by_age(const void *a, const void *b)
{
    const struct lake_entry *x = &((const struct candidate *)a)->entry,
                            *y = &((const struct candidate *)b)->entry;

    if (x->sequence_number != y->sequence_number)
        return x->sequence_number < y->sequence_number ? -1 : 1;
    return strcmp(x->file.path, y->file.path);
}

/* The file's deletes as indices into the merge's, which takes those it has not met. */
static int take_deletes(struct picker *p, const struct candidate *c, struct lake_merge *merge,
                        size_t delete_max)
{
    struct lake_scan_file *scan = &merge->scans[merge->file_count];

    scan->entry = c->entry;
    scan->deletes = ARENA_ARRAY(p->arena, size_t, c->delete_count + 1);
    if (!scan->deletes)
        return nomem(p);
    for (size_t i = 0; i < c->delete_count; i++) {
        const struct lake_data_file *del = &c->deletes[i]->entry->file;
        size_t at = 0;

        while (at < merge->delete_count &&
               (merge->deletes[at].file.content_pos != del->content_pos ||
                strcmp(merge->deletes[at].file.path, del->path) != 0))
            at++;
        assert(at < delete_max);
        if (at == merge->delete_count) {
            merge->deletes[at] = *c->deletes[i]->entry;
            if (lake_data_file_copy(p->arena, &merge->deletes[at].file, del))
                return nomem(p);
            merge->delete_count++;
        }
        scan->deletes[scan->delete_count++] = at;
        merge->deletes_counted &= del->content_pos >= 0;
    }
    return 0;
}

static int take(struct picker *p, struct group *g, const struct lake_snapshot *snapshot,
                struct lake_merge *merge)
{
    size_t delete_max = 0;

    qsort(g->files, g->count, sizeof(*g->files), by_age);
    for (size_t i = 0; i < g->count; i++)
        delete_max += g->files[i].delete_count;
    *merge = (struct lake_merge){
        .why = g->why, .snapshot_id = snapshot->id, .deletes_counted = true, .moves = g->moves};
    merge->files = ARENA_ARRAY(p->arena, struct lake_entry, g->count);
    merge->scans = ARENA_ARRAY(p->arena, struct lake_scan_file, g->count);
    merge->deletes = ARENA_ARRAY(p->arena, struct lake_entry, delete_max + 1);
    if (!merge->files || !merge->scans || !merge->deletes)
        return nomem(p);
    for (size_t i = 0; i < g->count; i++) {
        const struct candidate *c = &g->files[i];

        if (i >= (g->why == LAKE_WHY_SMALL ? 2u : 1u) &&
            (merge->bytes + c->entry.file.file_bytes > p->target || g->why == LAKE_WHY_SORT))
            break;
        if (take_deletes(p, c, merge, delete_max))
            return ERR_NOMEM;
        merge->bytes += c->entry.file.file_bytes;
        merge->rows += c->entry.file.record_count;
        merge->deleted_rows += c->deleted;
        if (c->entry.sequence_number > merge->base_sequence_number)
            merge->base_sequence_number = c->entry.sequence_number;
        merge->files[merge->file_count++] = c->entry;
    }
    for (size_t i = 0; i < merge->delete_count; i++)
        if (merge->deletes[i].file.content == LAKE_EQUALITY_DELETES)
            merge->base_sequence_number = snapshot->sequence_number;
    /* Deletes by equality in the partition that a row comes to were never about it. */
    if (merge->moves && p->any_deletes && p->deletes.equality)
        merge->base_sequence_number = snapshot->sequence_number;
    return 0;
}

static void read_properties(struct picker *p)
{
    const struct lake_metadata *m = p->m;
    const char *moved = lake_metadata_property(m, "tarn.merge.old-specs");

    p->move_all = moved && !strcmp(moved, "all");
    p->move_small = !moved || strcmp(moved, "none") != 0;
    p->fan_in = lake_metadata_property_i64(m, "tarn.merge.fan-in", 8);
    p->fan_in = p->fan_in < 2 ? 2 : p->fan_in;
    p->target = lake_metadata_property_i64(m, "write.target-file-size-bytes", 512 << 20);
    p->small = lake_metadata_property_i64(m, "tarn.merge.small-bytes", 1 << 20);
    p->small = p->small < 1 ? 1 : p->small > p->target ? p->target : p->small;
    p->delete_percent = lake_metadata_property_i64(m, "tarn.merge.delete-percent", 15);
    p->delete_files = lake_metadata_property_i64(m, "tarn.merge.delete-files", 8);
    p->delete_files = p->delete_files < 1 ? 1 : p->delete_files;
    p->order_id = lake_sort_usable(m) ? m->default_order_id : 0;
}

static bool worthwhile(const struct picker *p, const struct group *g)
{
    switch (g->why) {
    case LAKE_WHY_SMALL:
        return g->count >= (size_t)p->fan_in;
    case LAKE_WHY_SPEC:
        return g->count >= 2 || p->move_all;
    default:
        return true;
    }
}

/* Groups in which something is to be gained; those with deletes first: they slow every reader. */
static int take_all(struct picker *p, struct lake_merges *out)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(p->m);
    static const enum lake_why order[] = {LAKE_WHY_DELETES, LAKE_WHY_SMALL, LAKE_WHY_SPEC,
                                          LAKE_WHY_SORT};
    int rc = 0;

    out->list = ARENA_ARRAY(p->arena, struct lake_merge, MERGES_MAX);
    if (!out->list)
        return nomem(p);
    for (size_t w = 0; w < COUNT_OF(order); w++)
        for (struct group *g = p->groups; g && !rc && out->count < MERGES_MAX; g = g->next)
            if (g->why == order[w] && worthwhile(p, g))
                rc = take(p, g, snapshot, &out->list[out->count++]);
    out->count = rc ? 0 : out->count;
    return rc;
}

/* Manifests of the current spec, or those of older ones. */
static int look_through(struct picker *p, const struct lake_manifest_list *list, bool current,
                        size_t most)
{
    size_t seen = 0;
    int rc = 0;

    for (size_t i = 0; i < list->file_count && seen < most && !rc; i++)
        if (list->files[i].content == 0 && (list->files[i].spec_id == p->spec_id) == current &&
            (list->files[i].added_files != 0 || list->files[i].existing_files != 0))
            rc = look_at(p, &list->files[i], &seen);
    return rc;
}

/* Older specs get no new files, so to look through all of theirs costs no more as the table ages.
 */
static int pick_from(struct picker *p, const struct lake_manifest_list *list,
                     struct lake_merges *out)
{
    struct lines lines = {list->files, list->file_count, list->file_count};
    bool whole;
    int rc = partition_types(p->m, lake_metadata_spec(p->m), p->arena, &p->types, p->err);

    for (size_t i = 0; i < list->file_count; i++)
        p->any_deletes |= list->files[i].content == 1 &&
                          (list->files[i].added_files != 0 || list->files[i].existing_files != 0);
    if (!rc && p->any_deletes)
        rc = delete_live_init(&p->deletes, p->lake, p->m, &lines, p->arena, p->err);
    whole = p->any_deletes || p->order_id;
    rc = rc ? rc : look_through(p, list, true, whole ? ENTRIES_WHOLE_MAX : ENTRIES_SEEN_MAX);
    if (!rc && p->move_small)
        rc = look_through(p, list, false, ENTRIES_WHOLE_MAX);
    rc = rc ? rc : take_all(p, out);
    if (p->any_deletes)
        delete_live_deinit(&p->deletes);
    return rc;
}

int lake_maintain_pick(struct lake *lake, const struct lake_metadata *m, struct arena *arena,
                       struct lake_merges *out, struct err *err)
{
    struct picker p = {.lake = lake,
                       .m = m,
                       .arena = arena,
                       .err = err,
                       .spec_id = m->default_spec_id,
                       .by_why = out->by_why};
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(m);
    struct lake_manifest_list *list;
    int rc;

    memset(out, 0, sizeof(*out));
    if (!snapshot || m->format_version > 3 ||
        !lake_metadata_property_bool(m, "tarn.merge.enabled", true))
        return 0;
    read_properties(&p);
    rc = lake_manifest_list_load(lake, m, snapshot, &list, err);
    if (rc)
        return rc;
    rc = pick_from(&p, list, out);
    lake_manifest_list_free(list);
    return rc;
}

int lake_maintain_merge(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_rewriter *rewriter, const struct lake_merge *merge,
                        struct arena *arena, struct lake_rewrite *out, struct err *err)
{
    struct lake_data_file *files = NULL;
    struct lake_merge asked = *merge;
    size_t made = 0;
    int rc;

    /* Rows may go while the files are merged. A merge that sorts tears them apart, so its map is a
     * run per row: only for a table that is written by key, which loses rows all the time. */
    if (lake_metadata_schema(metadata)->identifier_count || !lake_sort_usable(metadata))
        asked.map = ARENA_NEW(arena, struct lake_row_map);
    rc = rewriter->run(rewriter->arg, lake, metadata, &asked, arena, &files, &made, err);
    *out = (struct lake_rewrite){.removed = merge->files,
                                 .removed_count = merge->file_count,
                                 .added = files,
                                 .added_count = made,
                                 .base_sequence_number = merge->base_sequence_number,
                                 .deletes = merge->deletes,
                                 .delete_count = merge->delete_count,
                                 .map = asked.map && asked.map->old_count ? asked.map : NULL};
    return rc;
}

int lake_maintain_run(struct lake *lake, const struct lake_metadata *metadata,
                      const struct lake_rewriter *rewriter, struct arena *arena,
                      struct lake_rewrite **rewrites, size_t *count, struct err *err)
{
    struct lake_merges merges;
    int rc = lake_maintain_pick(lake, metadata, arena, &merges, err);

    *count = 0;
    *rewrites = rc ? NULL : ARENA_ARRAY(arena, struct lake_rewrite, merges.count + 1);
    if (!rc && !*rewrites)
        rc = err_set(err, ERR_NOMEM, "merging");
    for (size_t i = 0; i < merges.count && !rc; i++) {
        rc = lake_maintain_merge(lake, metadata, rewriter, &merges.list[i], arena,
                                 &(*rewrites)[*count], err);
        *count += rc == 0;
    }
    for (size_t i = 0; i < *count && rc; i++)
        for (size_t k = 0; k < (*rewrites)[i].added_count; k++)
            lake_remove_files(lake, &(*rewrites)[i].added[k].path, 1);
    *count = rc ? 0 : *count;
    return rc;
}
