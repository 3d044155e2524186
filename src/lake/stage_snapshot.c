/* stage_snapshot.c - a snapshot: its summary, its manifest list, its place among the updates.
 *
 * The summary has the fields of Iceberg's Java library (SnapshotSummary), zeros left out as there.
 */
#include <stdio.h>

#include "lake/stage_int.h"

static int same_partition(const struct lake_metadata *m, const struct lake_data_file *a,
                          const struct lake_data_file *b, struct lake_type *const *types)
{
    size_t spec = 0;

    if (a->spec_id != b->spec_id)
        return false;
    while (spec < m->spec_count && m->specs[spec].id != a->spec_id)
        spec++;
    for (size_t i = 0; spec < m->spec_count && i < a->partition_count; i++)
        if (lake_value_cmp(&types[spec][i], &a->partition[i], &b->partition[i]) != 0)
            return false;
    return true;
}

/* How many partitions the change touches, among its first thousand files. */
static int count_partitions(struct attempt *a, const struct change_totals *t, int64_t *out)
{
    struct arena *arena = &a->staged->attempt;
    struct lake_type **types = ARENA_ARRAY(arena, struct lake_type *, a->base->spec_count + 1);
    int rc = types ? 0 : err_set(a->err, ERR_NOMEM, "snapshot");

    *out = 0;
    for (size_t i = 0; i < a->base->spec_count && !rc; i++)
        rc = partition_types(a->base, &a->base->specs[i], arena, &types[i], a->err);
    for (size_t i = 0; i < t->file_count && !rc; i++) {
        size_t k = 0;

        while (k < i && !same_partition(a->base, &t->files[i], &t->files[k], types))
            k++;
        *out += k == i;
    }
    return rc;
}

static bool put_number(json_t *summary, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return json_put(summary, key, json_string(text));
}

/* Pairs of a field for what was added and one for what was removed; zeros are left out. */
static bool put_changes(json_t *summary, const struct change_totals *t)
{
    const struct {
        const char *added, *removed;
        size_t at;
    } fields[] = {
        {"added-data-files", "deleted-data-files", offsetof(struct counted, files)},
        {"added-records", "deleted-records", offsetof(struct counted, rows)},
        {"added-files-size", "removed-files-size", offsetof(struct counted, bytes)},
        {"added-delete-files", "removed-delete-files", offsetof(struct counted, delete_files)},
        {"added-position-delete-files", "removed-position-delete-files",
         offsetof(struct counted, position_files)},
        {"added-dvs", "removed-dvs", offsetof(struct counted, vectors)},
        {"added-position-deletes", "removed-position-deletes", offsetof(struct counted, positions)},
        {"added-equality-delete-files", "removed-equality-delete-files",
         offsetof(struct counted, equality_files)},
        {"added-equality-deletes", "removed-equality-deletes",
         offsetof(struct counted, equality_rows)},
    };
    bool ok = true;

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        int64_t added = *(const int64_t *)((const char *)&t->added + fields[i].at);
        int64_t removed = *(const int64_t *)((const char *)&t->removed + fields[i].at);

        ok &= !added || put_number(summary, fields[i].added, added);
        ok &= !removed || put_number(summary, fields[i].removed, removed);
    }
    return ok;
}

static int64_t total_of(const struct attempt *a, const char *key, bool *known)
{
    int64_t value;

    for (size_t i = 0; i < a->total_count; i++)
        if (!strcmp(a->totals[i].key, key)) {
            *known = slice_to_i64(slice_str(a->totals[i].value), &value) == 0;
            return *known ? value : 0;
        }
    *known = a->parent_id < 0; /* a first snapshot counts from 0 */
    return 0;
}

/* Counts that go on from the parent's; unknown ones stay unknown. */
static bool put_totals(const struct attempt *a, json_t *summary, const struct change_totals *t)
{
    const struct {
        const char *key;
        int64_t more;
    } totals[] = {
        {"total-records", t->added.rows - t->removed.rows},
        {"total-files-size", t->added.bytes - t->removed.bytes},
        {"total-data-files", t->added.files - t->removed.files},
        {"total-delete-files", t->added.delete_files - t->removed.delete_files},
        {"total-position-deletes", t->added.positions - t->removed.positions},
        {"total-equality-deletes", t->added.equality_rows - t->removed.equality_rows},
    };
    bool ok = true;

    for (size_t i = 0; i < COUNT_OF(totals); i++) {
        bool known;
        int64_t before = total_of(a, totals[i].key, &known);

        if (known)
            ok &= put_number(summary, totals[i].key, before + totals[i].more);
    }
    return ok;
}

/* What the caller says of the commit. One that is no job's keeps saying what the job last said,
 * since a job on a foreign catalog recovers by asking the newest snapshot. */
static bool put_extra(const struct attempt *a, json_t *summary)
{
    const struct lake_change *change = a->change;
    bool ok = true, job = false;

    for (size_t i = 0; i < change->summary_count; i++) {
        ok &= json_put(summary, change->summary[i].key, json_string(change->summary[i].value));
        job |= !strncmp(change->summary[i].key, "tarn.", 5);
    }
    for (size_t i = 0; i < a->total_count && !job; i++)
        if (!strncmp(a->totals[i].key, "tarn.", 5))
            ok &= json_put(summary, a->totals[i].key, json_string(a->totals[i].value));
    return ok;
}

/* v3, "First Row ID Assignment": manifests without ids get them now, in the order of the list. */
static int64_t assign_row_ids(struct attempt *a)
{
    int64_t first = a->next_row_id;

    for (size_t i = 0; i < a->lines.count; i++) {
        struct lake_manifest_file *line = &a->lines.list[i];

        if (line->content != 0 || line->first_row_id >= 0)
            continue;
        line->first_row_id = a->next_row_id;
        a->next_row_id += line->added_rows + line->existing_rows - line->numbered_rows;
    }
    return first;
}

static json_t *snapshot_json(struct attempt *a, int64_t id, const char *list_path,
                             json_t *summary /* take */, int64_t first_row_id)
{
    json_t *obj = json_object();
    bool ok = json_put(obj, "snapshot-id", json_integer(id));

    if (a->parent_id >= 0)
        ok = ok && json_put(obj, "parent-snapshot-id", json_integer(a->parent_id));
    if (a->base->format_version >= 2)
        ok = ok && json_put(obj, "sequence-number", json_integer(a->sequence_number));
    ok = ok && json_put(obj, "timestamp-ms", json_integer(a->now_ms)) &&
         json_put(obj, "manifest-list", json_string(list_path)) &&
         json_put(obj, "schema-id", json_integer(a->base->current_schema_id));
    if (a->base->format_version >= 3)
        ok = ok && json_put(obj, "first-row-id", json_integer(first_row_id)) &&
             json_put(obj, "added-rows", json_integer(a->next_row_id - first_row_id));
    if (json_object_set_new(obj, "summary", summary) == 0 && ok)
        return obj;
    json_decref(obj);
    return NULL;
}

/* The list of `a->lines` as a file, and the snapshot that names it among the updates. */
static int write_snapshot(struct attempt *a, int64_t id, json_t *summary /* take */)
{
    struct lake_staged *s = a->staged;
    const char *dir = lake_metadata_property(a->base, "write.metadata.path");
    int64_t first = a->base->format_version >= 3 ? assign_row_ids(a) : 0;
    struct buf bytes;
    json_t *update = json_object();
    const char *path;
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    path = arena_printf(&s->attempt, "%s%s/snap-%" PRId64 "-1-%s.avro",
                        dir ? dir : a->base->location, dir ? "" : "/metadata", id, uuid);
    buf_init(&bytes, 0);
    rc = path ? lake_manifest_list_print(a->base->format_version, id, a->parent_id,
                                         a->sequence_number, a->lines.list, a->lines.count, &bytes,
                                         a->err)
              : err_set(a->err, ERR_NOMEM, "snapshot");
    rc = rc ? rc : list_put(s->lake, a->carrier, path, buf_slice(&bytes), a->err);
    rc = rc ? rc : path_list_add(&s->written, &s->attempt, path);
    if (!rc)
        list_keep(s->lake, a->base->format_version, path, &a->lines);
    buf_deinit(&bytes);
    if (rc) {
        json_decref(summary);
        json_decref(update);
        return rc;
    }
    json_put(update, "action", json_string("add-snapshot"));
    if (!json_put(update, "snapshot", snapshot_json(a, id, path, summary, first)) ||
        json_array_append(a->updates, update))
        rc = err_set(a->err, ERR_NOMEM, "snapshot");
    json_decref(update);
    a->parent_id = id;
    return rc;
}

/* The next snapshot's totals go on from this one's summary. */
static int remember_totals(struct attempt *a, const json_t *summary)
{
    struct arena *arena = &a->staged->attempt;
    struct lake_property *list =
        ARENA_ARRAY(arena, struct lake_property, json_object_size(summary) + 1);
    const char *key;
    json_t *value;

    a->total_count = 0;
    if (!list)
        return err_set(a->err, ERR_NOMEM, "snapshot");
    json_object_foreach((json_t *)summary, key, value)
    {
        list[a->total_count].key = arena_strdup(arena, key);
        list[a->total_count].value = arena_strdup(arena, json_string_value(value));
        if (!list[a->total_count].key || !list[a->total_count].value)
            return err_set(a->err, ERR_NOMEM, "snapshot");
        a->total_count++;
    }
    a->totals = list;
    return 0;
}

int stage_snapshot(struct attempt *a, int64_t id, const char *operation,
                   const struct change_totals *totals)
{
    json_t *summary = json_object();
    int64_t partitions = 0;
    int rc = count_partitions(a, totals, &partitions);

    if (!rc && !(json_put(summary, "operation", json_string(operation)) && put_extra(a, summary) &&
                 put_changes(summary, totals) &&
                 put_number(summary, "changed-partition-count", partitions) &&
                 put_totals(a, summary, totals)))
        rc = err_set(a->err, ERR_NOMEM, "snapshot");
    rc = rc ? rc : write_snapshot(a, id, json_incref(summary));
    rc = rc ? rc : remember_totals(a, summary);
    json_decref(summary);
    return rc;
}
