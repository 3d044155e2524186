/* maintain.c - which data files should become one. See maintain.h for the idea.
 *
 * Class 0 holds files below tarn.merge.small-bytes (1 MiB): their cost is their number, not their
 * size, and rewriting a megabyte every few commits is nothing. From there each class is fan-in
 * times larger, up to the target. A row is rewritten about once per class.
 */
#include "lake/maintain.h"

#include "lake/lake_int.h"

#define ENTRIES_SEEN_MAX 4096
#define MERGES_MAX       16
#define CLASSES_MAX      24

struct group { /* files of one partition and one class */
    struct lake_entry *files;
    size_t count, cap;
    int class;
    struct group *next;
};
struct picker {
    struct lake *lake;
    const struct lake_metadata *m;
    struct arena *arena;
    struct err *err;
    struct lake_type *types; /* of the default spec's fields */
    struct group *groups;
    int64_t fan_in, target, small;
    int32_t spec_id;
};

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

static bool same_partition(const struct picker *p, const struct lake_data_file *a,
                           const struct lake_data_file *b)
{
    for (size_t i = 0; i < a->partition_count; i++)
        if (lake_value_cmp(&p->types[i], &a->partition[i], &b->partition[i]) != 0)
            return false;
    return true;
}

static int add_file(struct picker *p, const struct lake_entry *entry, int class)
{
    struct group *g = p->groups;

    while (g && (g->class != class || !same_partition(p, &g->files[0].file, &entry->file)))
        g = g->next;
    if (!g) {
        g = ARENA_NEW(p->arena, struct group);
        if (!g)
            return ERR_NOMEM;
        g->class = class;
        g->next = p->groups;
        p->groups = g;
    }
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct lake_entry *more = ARENA_ARRAY(p->arena, struct lake_entry, cap);

        if (!more)
            return ERR_NOMEM;
        if (g->count)
            memcpy(more, g->files, g->count * sizeof(*more));
        g->files = more;
        g->cap = cap;
    }
    g->files[g->count] = *entry;
    if (lake_data_file_copy(p->arena, &g->files[g->count].file, &entry->file))
        return ERR_NOMEM;
    g->count++;
    return 0;
}

static int look_at(struct picker *p, const struct lake_manifest_file *line, size_t *seen)
{
    struct lake_manifest *manifest;
    int rc = lake_manifest_load(p->lake, p->m, line, &manifest, p->err);

    if (rc)
        return rc;
    for (size_t i = 0; i < manifest->entry_count && !rc; i++) {
        struct lake_entry entry = manifest->entries[i];
        int class = class_of(p, entry.file.file_bytes);

        ++*seen;
        if (entry.status == LAKE_DELETED || class < 0 || entry.file.content != LAKE_DATA ||
            strcasecmp(entry.file.format, "parquet") != 0)
            continue;
        lake_entry_inherit(&entry, line);
        if (add_file(p, &entry, class))
            rc = err_set(p->err, ERR_NOMEM, "picking files to merge");
    }
    lake_manifest_free(manifest);
    return rc;
}

/* Oldest rows first, so that a merged file stays near the order of arrival. */
static int by_age(const void *a, const void *b)
{
    const struct lake_entry *x = a, *y = b;

    if (x->sequence_number != y->sequence_number)
        return x->sequence_number < y->sequence_number ? -1 : 1;
    return strcmp(x->file.path, y->file.path);
}

static void take(struct picker *p, struct group *g, const struct lake_snapshot *snapshot,
                 struct lake_merges *out)
{
    struct lake_merge *merge = &out->list[out->count];

    qsort(g->files, g->count, sizeof(*g->files), by_age);
    *merge = (struct lake_merge){.files = g->files, .snapshot_id = snapshot->id};
    for (size_t i = 0; i < g->count; i++) {
        const struct lake_entry *e = &g->files[i];

        if (i >= 2 && merge->bytes + e->file.file_bytes > p->target)
            break;
        merge->bytes += e->file.file_bytes;
        merge->rows += e->file.record_count;
        merge->file_count++;
        if (e->sequence_number > merge->base_sequence_number)
            merge->base_sequence_number = e->sequence_number;
    }
    out->count++;
}

/* Positions in deleted rows would no longer hold in a merged file, so a table with delete files is
 * merged by nobody but an engine that rewrites both. v3 asks that rows keep their ids. */
static bool may_merge(const struct lake_metadata *m, const struct lake_manifest_list *list)
{
    if (m->format_version > 2)
        return false;
    for (size_t i = 0; i < list->file_count; i++)
        if (list->files[i].content == 1 &&
            (list->files[i].added_files != 0 || list->files[i].existing_files != 0))
            return false;
    return true;
}

int lake_maintain_pick(struct lake *lake, const struct lake_metadata *m, struct arena *arena,
                       struct lake_merges *out, struct err *err)
{
    struct picker p = {
        .lake = lake, .m = m, .arena = arena, .err = err, .spec_id = m->default_spec_id};
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(m);
    struct lake_manifest_list *list;
    size_t seen = 0;
    int rc;

    memset(out, 0, sizeof(*out));
    if (!snapshot || !lake_metadata_property_bool(m, "tarn.merge.enabled", true))
        return 0;
    p.fan_in = lake_metadata_property_i64(m, "tarn.merge.fan-in", 8);
    p.fan_in = p.fan_in < 2 ? 2 : p.fan_in;
    p.target = lake_metadata_property_i64(m, "write.target-file-size-bytes", 512 << 20);
    p.small = lake_metadata_property_i64(m, "tarn.merge.small-bytes", 1 << 20);
    p.small = p.small < 1 ? 1 : p.small > p.target ? p.target : p.small;
    rc = lake_manifest_list_load(lake, m, snapshot, &list, err);
    if (rc)
        return rc;
    rc = partition_types(m, lake_metadata_spec(m), arena, &p.types, err);
    for (size_t i = 0; i < list->file_count && seen < ENTRIES_SEEN_MAX && !rc && may_merge(m, list);
         i++)
        if (list->files[i].content == 0 && list->files[i].spec_id == p.spec_id)
            rc = look_at(&p, &list->files[i], &seen);
    lake_manifest_list_free(list);
    out->list = ARENA_ARRAY(arena, struct lake_merge, MERGES_MAX);
    if (!rc && !out->list)
        rc = err_set(err, ERR_NOMEM, "picking files to merge");
    for (struct group *g = p.groups; g && !rc && out->count < MERGES_MAX; g = g->next)
        if (g->count >= (size_t)p.fan_in)
            take(&p, g, snapshot, out);
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
        struct lake_merge *merge = &merges.list[i];
        struct lake_data_file *files = NULL;
        size_t made = 0;

        rc = rewriter->run(rewriter->arg, lake, metadata, merge, arena, &files, &made, err);
        if (!rc)
            (*rewrites)[(*count)++] = (struct lake_rewrite){merge->files, merge->file_count, files,
                                                            made, merge->base_sequence_number};
    }
    for (size_t i = 0; i < *count && rc; i++)
        for (size_t k = 0; k < (*rewrites)[i].added_count; k++)
            lake_remove_files(lake, &(*rewrites)[i].added[k].path, 1);
    *count = rc ? 0 : *count;
    return rc;
}
