/* stage.c - one commit, written down: snapshots, expiry, metadata file. See stage.h. */
#include "lake/stage.h"

#include <stdio.h>

#include "lake/lake_int.h"

struct lake_staged {
    struct lake *lake;
    struct arena arena; /* what outlives an attempt */
    const char *ns, *name, *uuid;
    struct lines added;    /* manifests of the added files, kept over attempts */
    struct path_list kept; /* their paths */
    int64_t added_files, added_rows, added_bytes, added_partitions;
    int64_t append_id, replace_id;
    struct arena attempt;     /* the rest belongs to the last attempt */
    struct path_list written; /* lists, rewritten manifests, metadata */
    struct path_list garbage; /* to be removed once the commit is true */
    struct lake_metadata *metadata;
    struct lake_swap swap;
    size_t rewrites_kept;
    bool has_append;
};

/* What one attempt knows. */
struct attempt {
    struct lake_staged *staged;
    struct lake_metadata *base;
    const char *base_location;
    const struct lake_change *change;
    const char *branch;
    const struct lake_snapshot *parent;
    struct lines lines;      /* of the newest list so far */
    int64_t sequence_number; /* last one given */
    int64_t parent_id, now_ms, next_row_id;
    const struct lake_property *totals; /* summary of the newest snapshot so far */
    size_t total_count;
    json_t *updates;
    struct err *err;
};

static int64_t new_snapshot_id(void)
{
    uint64_t id;

    rand_secret(&id, sizeof(id));
    return (int64_t)(id & INT64_MAX) | 1;
}

static void free_attempt(struct lake_staged *s)
{
    lake_metadata_free(s->metadata);
    s->metadata = NULL;
    arena_deinit(&s->attempt);
    s->written = s->garbage = (struct path_list){0};
    memset(&s->swap, 0, sizeof(s->swap));
    s->rewrites_kept = 0;
}

void lake_staged_free(struct lake_staged *s)
{
    if (!s)
        return;
    free_attempt(s);
    arena_deinit(&s->arena);
    free(s);
}

void lake_staged_settle(struct lake_staged *s)
{
    if (s) {
        lake_remove_files(s->lake, s->garbage.list, s->garbage.count);
        cache_drop(s->lake, s->swap.base_location); /* who still wants it holds it */
    }
    lake_staged_free(s);
}

void lake_staged_abandon(struct lake_staged *s)
{
    if (s) {
        lake_remove_files(s->lake, s->written.list, s->written.count);
        lake_remove_files(s->lake, s->kept.list, s->kept.count);
    }
    lake_staged_free(s);
}

const struct lake_swap *lake_staged_swap(const struct lake_staged *s)
{
    return &s->swap;
}

struct lake_metadata *lake_staged_metadata(const struct lake_staged *s)
{
    return s->metadata;
}

size_t lake_staged_rewrites_kept(const struct lake_staged *s)
{
    return s->rewrites_kept;
}

int64_t lake_staged_snapshot_id(const struct lake_staged *s)
{
    return s->has_append ? s->append_id : -1;
}

static int staged_new(struct lake *lake, const struct lake_ident *ident,
                      const struct lake_metadata *base, struct lake_staged **out, struct err *err)
{
    struct lake_staged *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_NOMEM, "staging");
    s->lake = lake;
    s->ns = arena_strdup(&s->arena, ident->ns ? ident->ns : "");
    s->name = arena_strdup(&s->arena, ident->name ? ident->name : "");
    s->uuid = arena_strdup(&s->arena, base->uuid);
    s->append_id = new_snapshot_id();
    s->replace_id = new_snapshot_id();
    if (!s->ns || !s->name || !s->uuid) {
        lake_staged_free(s);
        return err_set(err, ERR_NOMEM, "staging");
    }
    *out = s;
    return 0;
}

static bool same_partition(const struct lake_data_file *a, const struct lake_data_file *b,
                           const struct lake_type *types)
{
    if (a->spec_id != b->spec_id)
        return false;
    for (size_t i = 0; i < a->partition_count; i++)
        if (lake_value_cmp(&types[i], &a->partition[i], &b->partition[i]) != 0)
            return false;
    return true;
}

/* For the summary: how many partitions the added files touch. Counted for the first thousand. */
static int64_t count_partitions(const struct lake_data_file *files, size_t count, int32_t spec_id,
                                const struct lake_type *types)
{
    int64_t partitions = 0;

    count = count > 1000 ? 1000 : count;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;

        if (files[i].spec_id != spec_id)
            continue;
        while (k < i && !same_partition(&files[i], &files[k], types))
            k++;
        partitions += k == i;
    }
    return partitions;
}

/* One manifest per partition spec among the added files; once, whatever conflicts follow. */
static int write_added(struct lake_staged *s, const struct lake_metadata *base,
                       const struct lake_change *change, struct err *err)
{
    struct list_job job = {s->lake, base, &s->arena, s->append_id, -1, &s->kept, NULL};
    int rc = 0;

    for (size_t k = 0; k < base->spec_count && !rc; k++) {
        struct entries entries = {0};
        struct lake_type *types;
        struct lake_manifest_file line;

        for (size_t i = 0; i < change->added_count; i++) {
            struct lake_entry entry = {.status = LAKE_ADDED,
                                       .snapshot_id = -1,
                                       .sequence_number = -1,
                                       .file_sequence_number = -1,
                                       .file = change->added[i]};

            if (entry.file.spec_id != base->specs[k].id)
                continue;
            s->added_files++;
            s->added_rows += entry.file.record_count;
            s->added_bytes += entry.file.file_bytes;
            if (entries_add(&entries, &s->arena, &entry))
                return err_set(err, ERR_NOMEM, "staging");
        }
        if (!entries.count)
            continue;
        rc = list_write_manifest(&job, base->specs[k].id, 0, entries.list, entries.count, &line,
                                 err);
        rc = rc ? rc : partition_types(base, &base->specs[k], &s->arena, &types, err);
        rc = rc ? rc : lines_add(&s->added, &s->arena, &line);
        if (!rc)
            s->added_partitions +=
                count_partitions(change->added, change->added_count, base->specs[k].id, types);
    }
    if (!rc && s->added_files != (int64_t)change->added_count)
        rc = err_set(err, ERR_INVALID, "a data file names a partition spec the table lacks");
    return rc;
}

static bool put_number(json_t *summary, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return json_put(summary, key, json_string(text));
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
static bool put_totals(const struct attempt *a, json_t *summary, int64_t rows, int64_t bytes,
                       int64_t files)
{
    const struct {
        const char *key;
        int64_t more;
    } totals[] = {
        {"total-records", rows},   {"total-files-size", bytes},   {"total-data-files", files},
        {"total-delete-files", 0}, {"total-position-deletes", 0}, {"total-equality-deletes", 0},
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

/* What the caller says of the commit; a commit that only merges keeps saying what the job last
 * said, since a job on a foreign catalog recovers by asking the newest snapshot. */
static bool put_extra(const struct attempt *a, json_t *summary)
{
    const struct lake_change *change = a->change;
    bool ok = true;

    for (size_t i = 0; i < change->summary_count; i++)
        ok &= json_put(summary, change->summary[i].key, json_string(change->summary[i].value));
    for (size_t i = 0; i < a->total_count && !change->summary_count; i++)
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
    ok = ok && json_put(obj, "sequence-number", json_integer(a->sequence_number)) &&
         json_put(obj, "timestamp-ms", json_integer(a->now_ms)) &&
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
    rc = rc ? rc : store_put_at(lake_store(s->lake), path, buf_slice(&bytes), a->err);
    rc = rc ? rc : path_list_add(&s->written, &s->attempt, path);
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

static int finish_snapshot(struct attempt *a, int64_t id, json_t *summary /* take */, bool ok)
{
    int rc;

    if (!ok) {
        json_decref(summary);
        return err_set(a->err, ERR_NOMEM, "snapshot");
    }
    rc = write_snapshot(a, id, json_incref(summary));
    rc = rc ? rc : remember_totals(a, summary);
    json_decref(summary);
    return rc;
}

static int stage_append(struct attempt *a, bool merge)
{
    struct lake_staged *s = a->staged;
    struct list_job job = {s->lake,     a->base, &s->attempt, s->append_id, ++a->sequence_number,
                           &s->written, NULL};
    struct lines lines = {0};
    json_t *summary = json_object();
    int rc = 0;
    bool ok;

    for (size_t i = 0; i < s->added.count && !rc; i++) {
        struct lake_manifest_file line = s->added.list[i];

        line.sequence_number = a->sequence_number;
        if (line.min_sequence_number < 0)
            line.min_sequence_number = a->sequence_number;
        rc = lines_add(&lines, &s->attempt, &line);
    }
    for (size_t i = 0; i < a->lines.count && !rc; i++)
        rc = lines_add(&lines, &s->attempt, &a->lines.list[i]);
    if (!rc && merge)
        rc = list_merge(&job, &lines, a->err);
    if (rc) {
        json_decref(summary);
        return a->err && a->err->code ? rc : err_set(a->err, rc, "append");
    }
    a->lines = lines;
    ok = json_put(summary, "operation", json_string("append")) && put_extra(a, summary) &&
         put_number(summary, "added-data-files", s->added_files) &&
         put_number(summary, "added-records", s->added_rows) &&
         put_number(summary, "added-files-size", s->added_bytes) &&
         put_number(summary, "changed-partition-count", s->added_partitions) &&
         put_totals(a, summary, s->added_rows, s->added_bytes, s->added_files);
    s->has_append = true;
    return finish_snapshot(a, s->append_id, summary, ok);
}

static int stage_replace(struct attempt *a)
{
    struct lake_staged *s = a->staged;
    struct list_job job = {
        s->lake,     a->base,    &s->attempt, s->replace_id, a->sequence_number + 1,
        &s->written, &s->garbage};
    struct rewrite_totals t = {0};
    json_t *summary;
    bool ok;
    int rc =
        list_rewrite(&job, &a->lines, a->change->rewrites, a->change->rewrite_count, &t, a->err);

    s->rewrites_kept = t.kept;
    if (rc || !t.kept)
        return rc;
    a->sequence_number++;
    if (a->change->maintain)
        rc = list_merge(&job, &a->lines, a->err);
    if (rc)
        return rc;
    summary = json_object();
    ok = json_put(summary, "operation", json_string("replace")) && put_extra(a, summary) &&
         put_number(summary, "added-data-files", t.added_files) &&
         put_number(summary, "deleted-data-files", t.removed_files) &&
         put_number(summary, "added-records", t.added_rows) &&
         put_number(summary, "deleted-records", t.removed_rows) &&
         put_number(summary, "added-files-size", t.added_bytes) &&
         put_number(summary, "removed-files-size", t.removed_bytes) &&
         put_totals(a, summary, t.added_rows - t.removed_rows, t.added_bytes - t.removed_bytes,
                    t.added_files - t.removed_files);
    return finish_snapshot(a, s->replace_id, summary, ok);
}

static int add_update(struct attempt *a, json_t *update /* take */)
{
    return update && json_array_append_new(a->updates, update) == 0
               ? 0
               : err_set(a->err, ERR_NOMEM, "commit");
}

/* The branch moves to its newest snapshot; limits set on it stay. */
static int update_branch(struct attempt *a)
{
    const struct lake_ref *ref = lake_metadata_branch(a->base, a->branch);
    json_t *update =
        json_pack("{s:s, s:s, s:s, s:I}", "action", "set-snapshot-ref", "ref-name", a->branch,
                  "type", "branch", "snapshot-id", (json_int_t)a->parent_id);

    if (ref && ref->max_ref_age_ms >= 0)
        json_put(update, "max-ref-age-ms", json_integer(ref->max_ref_age_ms));
    if (ref && ref->max_snapshot_age_ms >= 0)
        json_put(update, "max-snapshot-age-ms", json_integer(ref->max_snapshot_age_ms));
    if (ref && ref->min_snapshots_to_keep >= 0)
        json_put(update, "min-snapshots-to-keep", json_integer(ref->min_snapshots_to_keep));
    return add_update(a, update);
}

static int update_expiry(struct attempt *a, size_t fresh)
{
    struct lake_staged *s = a->staged;
    struct expiry expiry;
    size_t before = s->garbage.count;
    json_t *ids = json_array();
    int rc = expire_pick(a->base, a->branch, fresh, a->now_ms, &s->attempt, &expiry, a->err);

    if (!rc && expire_garbage(s->lake, a->base, &expiry, &s->attempt, &s->garbage, a->err)) {
        /* What cannot be read now is left to lake_orphans_remove: the commit matters more. */
        diag_warn("lake", "%s: expired files stay behind: %s", s->name, a->err ? a->err->text : "");
        s->garbage.count = before;
        if (a->err)
            *a->err = (struct err){0};
    }
    for (size_t i = 0; i < expiry.ref_count && !rc; i++)
        rc = add_update(a, json_pack("{s:s, s:s}", "action", "remove-snapshot-ref", "ref-name",
                                     expiry.refs[i]));
    for (size_t i = 0; i < expiry.count && !rc; i++)
        rc = json_array_append_new(ids, json_integer(expiry.ids[i]));
    if (!rc && expiry.count)
        rc = add_update(a,
                        json_pack("{s:s, s:O}", "action", "remove-snapshots", "snapshot-ids", ids));
    json_decref(ids);
    return rc;
}

static int update_properties(struct attempt *a)
{
    json_t *props = json_object();
    int rc = 0;

    for (size_t i = 0; i < a->change->property_count; i++)
        if (!json_put(props, a->change->properties[i].key,
                      json_string(a->change->properties[i].value)))
            rc = err_set(a->err, ERR_NOMEM, "properties");
    if (!rc && a->change->property_count)
        rc = add_update(a, json_pack("{s:s, s:O}", "action", "set-properties", "updates", props));
    json_decref(props);
    return rc;
}

/* v1 lists may leave counts out, which v2 wants: the manifest itself tells. */
static int count_line(struct attempt *a, struct lake_manifest_file *line)
{
    int32_t *const files[] = {&line->existing_files, &line->added_files, &line->deleted_files};
    int64_t *const rows[] = {&line->existing_rows, &line->added_rows, &line->deleted_rows};
    struct lake_manifest *manifest;
    bool known = true;
    int rc;

    for (int i = 0; i < 3; i++)
        known &= *files[i] >= 0 && *rows[i] >= 0;
    if (known)
        return 0;
    rc = lake_manifest_load(a->staged->lake, a->base, line, &manifest, a->err);
    if (rc)
        return rc;
    for (int i = 0; i < 3; i++)
        *files[i] = 0, *rows[i] = 0;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        ++*files[manifest->entries[i].status];
        *rows[manifest->entries[i].status] += manifest->entries[i].file.record_count;
    }
    lake_manifest_free(manifest);
    return 0;
}

static int load_lines(struct attempt *a)
{
    struct lake_manifest_list *list = NULL;
    int rc;

    if (!a->parent)
        return 0;
    rc = lake_manifest_list_load(a->staged->lake, a->base, a->parent, &list, a->err);
    for (size_t i = 0; !rc && i < list->file_count; i++) {
        struct lake_manifest_file line = list->files[i];

        /* Borrowed from the list, which is dropped below: copied. */
        line.path = arena_strdup(&a->staged->attempt, line.path);
        if (line.key_metadata.ptr)
            line.key_metadata = arena_slice(&a->staged->attempt, line.key_metadata);
        line.partitions =
            ARENA_ARRAY(&a->staged->attempt, struct lake_field_summary, line.partition_count + 1);
        if (!line.path || !line.partitions)
            rc = err_set(a->err, ERR_NOMEM, "manifest list");
        for (size_t k = 0; k < line.partition_count && !rc; k++) {
            struct lake_field_summary *sum = &line.partitions[k];

            *sum = list->files[i].partitions[k];
            if (sum->lower.len)
                sum->lower = arena_slice(&a->staged->attempt, sum->lower);
            if (sum->upper.len)
                sum->upper = arena_slice(&a->staged->attempt, sum->upper);
        }
        rc = rc ? rc : count_line(a, &line);
        rc = rc ? rc : lines_add(&a->lines, &a->staged->attempt, &line);
    }
    lake_manifest_list_free(list);
    return rc;
}

static int run_attempt(struct attempt *a)
{
    struct lake_staged *s = a->staged;
    const struct lake_change *change = a->change;
    const char **dropped = NULL;
    size_t drop_count = 0;
    bool append = change->added_count > 0 || change->allow_empty;
    int64_t before = a->parent_id;
    int rc = load_lines(a);

    if (!rc && append)
        rc = stage_append(a, change->maintain && !change->rewrite_count);
    if (!rc && change->rewrite_count)
        rc = stage_replace(a);
    if (!rc && a->parent_id != before)
        rc = update_branch(a);
    if (!rc && change->maintain &&
        lake_metadata_property_bool(a->base, "tarn.expire.enabled", true) &&
        lake_metadata_property_bool(a->base, "gc.enabled", true))
        rc = update_expiry(a, (s->has_append ? 1 : 0) + (s->rewrites_kept ? 1 : 0));
    rc = rc ? rc : update_properties(a);
    if (rc)
        return rc;
    if (json_array_size(a->updates) == 0)
        return err_set(a->err, ERR_AGAIN, "nothing to commit");
    rc = lake_metadata_apply(a->base, NULL, a->updates, a->now_ms, &s->metadata, a->err);
    rc = rc ? rc
            : lake_metadata_store(s->lake, s->metadata, a->base, a->base_location, &s->attempt,
                                  &s->swap.new_location, &dropped, &drop_count, a->err);
    rc = rc ? rc : path_list_add(&s->written, &s->attempt, s->swap.new_location);
    for (size_t i = 0; i < drop_count && !rc; i++)
        rc = path_list_add(&s->garbage, &s->attempt, dropped[i]);
    return rc;
}

int lake_stage(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
               const char *base_location, const struct lake_change *change,
               struct lake_staged **staged, struct err *err)
{
    struct attempt a = {.base = base, .base_location = base_location, .change = change, .err = err};
    bool fresh = !*staged;
    const struct lake_ref *ref;
    struct lake_staged *s;
    int rc = change->row_delete_count || change->removed_count || change->checks
                 ? err_set(err, ERR_UNSUPPORTED, "row deletes are not written")
                 : 0;

    rc = rc ? rc : fresh ? staged_new(lake, ident, base, staged, err) : 0;

    if (rc)
        return rc;
    s = *staged;
    if (strcmp(s->uuid, base->uuid) != 0)
        return err_set(err, ERR_INVALID,
                       "table %s is another one now: it was dropped and made "
                       "again",
                       s->name);
    if (!fresh) /* the last attempt was refused for certain: its files are nobody's */
        lake_remove_files(lake, s->written.list, s->written.count);
    free_attempt(s);
    if (fresh)
        rc = write_added(s, base, change, err);
    a.staged = s;
    a.branch = change->branch ? change->branch : "main";
    ref = lake_metadata_branch(base, a.branch);
    /* A branch that is not there yet starts where main stands. */
    a.parent =
        ref ? lake_metadata_snapshot_by_id(base, ref->snapshot_id) : lake_metadata_snapshot(base);
    a.parent_id = a.parent ? a.parent->id : -1;
    a.totals = a.parent ? a.parent->summary : NULL;
    a.total_count = a.parent ? a.parent->summary_count : 0;
    a.sequence_number = base->last_sequence_number;
    a.next_row_id = base->next_row_id;
    /* A clock that jumped back must not make history run backwards. */
    a.now_ms = clock_wall_ms(lake_clock(lake));
    if (a.now_ms <= base->last_updated_ms)
        a.now_ms = base->last_updated_ms + 1;
    a.updates = json_array();
    if (!rc && ref && ref->is_tag)
        rc = err_set(err, ERR_INVALID, "%s is a tag: it cannot be written to", a.branch);
    rc = rc ? rc : run_attempt(&a);
    json_decref(a.updates);
    if (rc) {
        if (fresh && rc != ERR_UNKNOWN) {
            lake_staged_abandon(s);
            *staged = NULL;
        } else if (fresh) {
            lake_staged_free(s);
            *staged = NULL;
        }
        return rc;
    }
    s->swap.ident = (struct lake_ident){s->ns, s->name};
    s->swap.uuid = s->uuid;
    s->swap.base_location = arena_strdup(&s->attempt, base_location);
    return s->swap.base_location ? 0 : err_set(err, ERR_NOMEM, "staging");
}

int lake_commit_wait(struct lake *lake, struct lake_catalog *catalog,
                     const struct lake_ident *ident, const struct lake_change *change,
                     int64_t *snapshot_id, struct err *err)
{
    struct lake_staged *staged = NULL;
    int64_t retries = 20;
    int rc = ERR_CONFLICT;

    for (int64_t attempt = 0; rc == ERR_CONFLICT && attempt <= retries; attempt++) {
        struct arena arena = {0};
        struct lake_metadata *base = NULL;
        const char *location;

        rc = catalog->ops->load(catalog, ident, &arena, &location, err);
        rc = rc ? rc : lake_metadata_load(lake, location, &base, err);
        if (!rc) {
            int64_t own = lake_metadata_property_i64(base, "commit.retry.num-retries", 4);

            retries = own > retries ? own : retries;
            rc = lake_stage(lake, ident, base, location, change, &staged, err);
        }
        rc = rc ? rc : catalog->ops->swap(catalog, &staged->swap, 1, err);
        if (!rc && snapshot_id)
            *snapshot_id = lake_staged_snapshot_id(staged);
        lake_metadata_free(base);
        arena_deinit(&arena);
    }
    if (!rc)
        lake_staged_settle(staged);
    else if (rc == ERR_UNKNOWN)
        lake_staged_free(staged);
    else
        lake_staged_abandon(staged);
    return rc;
}
