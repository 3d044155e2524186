/* scan_plan.c - which files of a snapshot to read, and which deletes apply to them.
 * Iceberg spec, "Scan Planning". */
#include "lake/scan.h"

#include "lake/lake_int.h"

#define DELETE_PATH_ID 2147483546 /* reserved: file_path in position delete files */

struct planner {
    struct lake *lake;
    const struct lake_metadata *m;
    const struct lake_predicate *predicates;
    size_t predicate_count;
    struct arena *arena;
    struct lake_plan *plan;
    struct entries files, deletes;
    struct err *err;
};

static int nomem(struct planner *p)
{
    return err_set(p->err, ERR_NOMEM, "planning a scan");
}

static int keep(struct planner *p, const struct lake_entry *entry, struct entries *to)
{
    struct lake_entry copy = *entry;

    if (lake_data_file_copy(p->arena, &copy.file, &entry->file) || entries_add(to, p->arena, &copy))
        return nomem(p);
    return 0;
}

static int plan_manifest(struct planner *p, const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest;
    int rc = lake_manifest_load(p->lake, p->m, line, &manifest, p->err);

    if (rc)
        return rc;
    for (size_t i = 0; i < manifest->entry_count && !rc; i++) {
        struct lake_entry entry = manifest->entries[i];

        if (entry.status == LAKE_DELETED)
            continue;
        lake_entry_inherit(&entry, line);
        if (entry.file.content != LAKE_DATA)
            rc = keep(p, &entry, &p->deletes);
        else if (prune_file(p->m, p->plan->schema, &entry.file, p->predicates, p->predicate_count))
            p->plan->files_pruned++;
        else
            rc = keep(p, &entry, &p->files);
    }
    lake_manifest_free(manifest);
    return rc;
}

static bool same_partition(const struct lake_type *types, const struct lake_data_file *a,
                           const struct lake_data_file *b)
{
    if (a->spec_id != b->spec_id || a->partition_count != b->partition_count)
        return false;
    for (size_t i = 0; i < a->partition_count; i++)
        if (lake_value_cmp(&types[i], &a->partition[i], &b->partition[i]) != 0)
            return false;
    return true;
}

/* A delete file may say by name or by bounds that it is about one data file. */
static bool about(const struct lake_data_file *delete, const char *path)
{
    const struct lake_metric *m = lake_data_file_metric(delete, DELETE_PATH_ID);
    struct slice name = slice_str(path);

    if (delete->referenced_data_file)
        return !strcmp(delete->referenced_data_file, path);
    if (!m)
        return true;
    if (m->lower.ptr && slice_cmp(name, m->lower) < 0)
        return false;
    return !m->upper.ptr || slice_cmp(name, m->upper) <= 0 || slice_starts(name, m->upper);
}

static int applies(struct planner *p, const struct lake_entry *d, const struct lake_entry *file,
                   bool *out)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(p->m, d->file.spec_id);
    struct lake_type *types;
    int rc;

    *out = false;
    if (!spec)
        return err_set(p->err, ERR_CORRUPT, "%s: its partition spec is gone", d->file.path);
    if (d->file.content == LAKE_EQUALITY_DELETES) {
        /* An unpartitioned equality delete is global. */
        if (d->sequence_number <= file->sequence_number)
            return 0;
        if (spec->field_count == 0) {
            *out = true;
            return 0;
        }
    } else if (d->sequence_number < file->sequence_number || !about(&d->file, file->file.path)) {
        return 0;
    }
    if (d->file.spec_id != file->file.spec_id)
        return 0;
    rc = partition_types(p->m, spec, p->arena, &types, p->err);
    *out = !rc && same_partition(types, &d->file, &file->file);
    return rc;
}

static int check_delete(struct planner *p, const struct lake_data_file *d)
{
    if (d->content == LAKE_EQUALITY_DELETES && !d->equality_count)
        return err_set(p->err, ERR_CORRUPT, "%s deletes rows by equality of no column", d->path);
    if (!strcasecmp(d->format, "puffin")) {
        if (d->content == LAKE_POSITION_DELETES && d->referenced_data_file && d->content_pos >= 0 &&
            d->content_bytes >= 0)
            return 0;
        return err_set(p->err, ERR_CORRUPT, "%s: a deletion vector without file or place", d->path);
    }
    if (strcasecmp(d->format, "parquet") != 0)
        return err_set(p->err, ERR_UNSUPPORTED, "%s: deletes in format %s", d->path, d->format);
    return 0;
}

static int assign_deletes(struct planner *p)
{
    struct lake_plan *plan = p->plan;
    size_t *place = ARENA_ARRAY(p->arena, size_t, p->deletes.count + 1);

    plan->deletes = ARENA_ARRAY(p->arena, struct lake_entry, p->deletes.count + 1);
    if (!place || !plan->deletes)
        return nomem(p);
    for (size_t f = 0; f < p->files.count; f++) {
        struct lake_scan_file *file = &plan->files[f];

        file->entry = p->files.list[f];
        file->deletes = p->deletes.count ? ARENA_ARRAY(p->arena, size_t, p->deletes.count) : NULL;
        if (p->deletes.count && !file->deletes)
            return nomem(p);
        for (size_t d = 0; d < p->deletes.count; d++) {
            bool yes;
            int rc = applies(p, &p->deletes.list[d], &file->entry, &yes);

            rc = rc ? rc : yes ? check_delete(p, &p->deletes.list[d].file) : 0;
            if (rc)
                return rc;
            if (!yes)
                continue;
            if (!place[d]) {
                plan->deletes[plan->delete_count] = p->deletes.list[d];
                place[d] = ++plan->delete_count;
            }
            file->deletes[file->delete_count++] = place[d] - 1;
        }
        plan->rows += file->entry.file.record_count;
        plan->bytes += file->entry.file.file_bytes;
    }
    plan->file_count = p->files.count;
    return 0;
}

int lake_plan(struct lake *lake, const struct lake_metadata *m, int64_t snapshot_id,
              const struct lake_schema *schema, const struct lake_predicate *predicates,
              size_t predicate_count, struct arena *arena, struct lake_plan *out, struct err *err)
{
    struct planner p = {lake, m, predicates, predicate_count, arena, out, {0}, {0}, err};
    const struct lake_snapshot *snapshot = snapshot_id == -1
                                               ? lake_metadata_snapshot(m)
                                               : lake_metadata_snapshot_by_id(m, snapshot_id);
    struct lake_manifest_list *list;
    int rc;

    memset(out, 0, sizeof(*out));
    out->metadata = m;
    out->schema = schema ? schema : lake_metadata_schema(m);
    out->snapshot_id = snapshot ? snapshot->id : -1;
    if (!snapshot)
        return snapshot_id == -1
                   ? 0
                   : err_set(err, ERR_NOENT, "snapshot %" PRId64 " does not exist", snapshot_id);
    rc = lake_manifest_list_load(lake, m, snapshot, &list, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        const struct lake_manifest_file *line = &list->files[i];

        if (line->added_files == 0 && line->existing_files == 0)
            continue;
        if (line->content == 0 && prune_manifest(m, out->schema, line, predicates, predicate_count))
            out->manifests_pruned++;
        else
            rc = plan_manifest(&p, line);
    }
    lake_manifest_list_free(list);
    out->files = rc ? NULL : ARENA_ARRAY(arena, struct lake_scan_file, p.files.count + 1);
    if (!rc && !out->files)
        rc = nomem(&p);
    return rc ? rc : assign_deletes(&p);
}

void lake_plan_release(struct lake *lake, struct lake_plan *plan)
{
    struct store *store = lake_store(lake);

    for (size_t i = 0; i < plan->local_count; i++)
        store->ops->local_release(store, plan->local[i]);
    plan->local_count = 0;
    for (size_t i = 0; i < plan->made_count; i++)
        disk_unlink(disk_system(), plan->made[i], NULL);
    plan->made_count = 0;
}
