/* scan_plan.c - which files of a snapshot to read, and which deletes apply to them.
 * Iceberg spec, "Scan Planning". */
#include "lake/scan.h"

#include "lake/scan_int.h"

static int nomem(struct planner *p)
{
    return err_set(p->err, ERR_NOMEM, "planning a scan");
}

/* Arrays of a plan double in the arena. */
static int room_for(struct planner *p, void **list, size_t count, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *grown;

    if (count < *cap)
        return 0;
    grown = arena_array(p->arena, more, size);
    if (!grown)
        return nomem(p);
    if (count)
        memcpy(grown, *list, count * size);
    *list = grown;
    *cap = more;
    return 0;
}

static int keep_file(struct planner *p, const struct lake_entry *entry)
{
    struct lake_plan *plan = p->plan;
    struct lake_scan_file *file;
    int rc = room_for(p, (void **)&plan->files, plan->file_count, &p->file_cap, sizeof(*file));

    if (rc)
        return rc;
    file = &plan->files[plan->file_count];
    file->entry = *entry;
    if (!p->borrow && lake_data_file_copy(p->arena, &file->entry.file, &entry->file))
        return nomem(p);
    plan->file_count++;
    plan->rows += entry->file.record_count;
    plan->bytes += entry->file.file_bytes;
    return 0;
}

static int keep_delete(struct planner *p, const struct lake_entry *entry)
{
    struct lake_entry copy = *entry;

    if ((!p->borrow && lake_data_file_copy(p->arena, &copy.file, &entry->file)) ||
        entries_add(&p->deletes, p->arena, &copy))
        return nomem(p);
    return 0;
}

/* Takes the reference. */
static int hold(struct planner *p, struct lake_manifest *manifest)
{
    struct lake_plan *plan = p->plan;
    int rc = p->borrow ? room_for(p, (void **)&plan->held, plan->held_count, &p->held_cap,
                                  sizeof(*plan->held))
                       : 0;

    if (p->borrow && !rc)
        plan->held[plan->held_count++] = manifest;
    else
        lake_manifest_free(manifest);
    return rc;
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
        if (entry.file.key_metadata.len)
            rc = err_set(p->err, ERR_UNSUPPORTED, "%s is encrypted, and this tarn has no keys",
                         entry.file.path);
        else if (entry.file.content != LAKE_DATA)
            rc = keep_delete(p, &entry);
        else if (prune_file(p->m, p->plan->schema, &entry.file, p->predicates, p->predicate_count))
            p->plan->files_pruned++;
        else
            rc = keep_file(p, &entry);
    }
    if (!rc)
        return hold(p, manifest);
    lake_manifest_free(manifest);
    return rc;
}

static int run(struct planner *p, int64_t snapshot_id)
{
    const struct lake_snapshot *snapshot = snapshot_id == -1
                                               ? lake_metadata_snapshot(p->m)
                                               : lake_metadata_snapshot_by_id(p->m, snapshot_id);
    struct lake_plan *plan = p->plan;
    struct lake_manifest_list *list;
    int rc;

    plan->snapshot_id = snapshot ? snapshot->id : -1;
    if (!snapshot)
        return snapshot_id == -1
                   ? 0
                   : err_set(p->err, ERR_NOENT, "snapshot %" PRId64 " does not exist", snapshot_id);
    rc = lake_manifest_list_load(p->lake, p->m, snapshot, &list, p->err);
    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        const struct lake_manifest_file *line = &list->files[i];

        if (line->added_files == 0 && line->existing_files == 0)
            continue;
        if (line->content == 0 &&
            prune_manifest(p->m, plan->schema, line, p->predicates, p->predicate_count))
            plan->manifests_pruned++;
        else
            rc = plan_manifest(p, line);
    }
    lake_manifest_list_free(list);
    return rc ? rc : plan_deletes(p);
}

static int plan(struct planner *p, const struct lake_schema *schema, int64_t snapshot_id,
                struct lake_plan *out)
{
    int rc;

    memset(out, 0, sizeof(*out));
    out->metadata = p->m;
    out->schema = schema ? schema : lake_metadata_schema(p->m);
    p->plan = out;
    rc = run(p, snapshot_id);
    if (rc)
        lake_plan_release(p->lake, out);
    return rc;
}

int lake_plan(struct lake *lake, const struct lake_metadata *m, int64_t snapshot_id,
              const struct lake_schema *schema, const struct lake_predicate *predicates,
              size_t predicate_count, struct arena *arena, struct lake_plan *out, struct err *err)
{
    struct planner p = {.lake = lake,
                        .m = m,
                        .predicates = predicates,
                        .predicate_count = predicate_count,
                        .arena = arena,
                        .err = err};

    return plan(&p, schema, snapshot_id, out);
}

int lake_plan_borrowed(struct lake *lake, const struct lake_metadata *m, int64_t snapshot_id,
                       const struct lake_schema *schema, const struct lake_predicate *predicates,
                       size_t predicate_count, struct arena *arena, struct lake_plan *out,
                       struct err *err)
{
    struct planner p = {.lake = lake,
                        .m = m,
                        .predicates = predicates,
                        .predicate_count = predicate_count,
                        .arena = arena,
                        .borrow = true,
                        .err = err};

    return plan(&p, schema, snapshot_id, out);
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
    for (size_t i = 0; i < plan->bit_count; i++)
        vec_bits_free(plan->bits[i]);
    plan->bit_count = 0;
    for (size_t i = 0; i < plan->held_count; i++)
        lake_manifest_free(plan->held[i]);
    plan->held_count = 0;
}
