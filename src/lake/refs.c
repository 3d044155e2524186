/* refs.c - branches and tags: see refs.h. */
#include "lake/refs.h"

#include "lake/stage_int.h"

void lake_ref_change_free(struct lake_ref_change *change)
{
    json_decref(change->requirements);
    json_decref(change->updates);
    *change = (struct lake_ref_change){0};
}

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "branch or tag");
}

/* The table is the one that was looked at, and the ref stands where it stood (NULL: is not there).
 */
static int begin(const struct lake_metadata *m, const char *name, struct lake_ref_change *out,
                 struct err *err)
{
    const struct lake_ref *ref = lake_metadata_branch(m, name);
    json_t *uuid = json_pack("{s:s, s:s}", "type", "assert-table-uuid", "uuid", m->uuid);
    json_t *stands = json_pack("{s:s, s:s, s:o}", "type", "assert-ref-snapshot-id", "ref", name,
                               "snapshot-id", ref ? json_integer(ref->snapshot_id) : json_null());

    out->requirements = json_array();
    out->updates = json_array();
    if (out->requirements && out->updates && !json_array_append_new(out->requirements, uuid) &&
        !json_array_append_new(out->requirements, stands))
        return 0;
    lake_ref_change_free(out);
    return nomem(err);
}

static int finish(int rc, struct lake_ref_change *out, struct err *err)
{
    if (rc)
        lake_ref_change_free(out);
    return rc == ERR_NOMEM ? nomem(err) : rc;
}

static bool put_limit(json_t *update, const char *key, int64_t value)
{
    return value < 0 || json_put(update, key, json_integer(value));
}

static int add_ref(struct lake_ref_change *out, const char *name, const struct lake_ref_options *o)
{
    json_t *update =
        json_pack("{s:s, s:s, s:s, s:I}", "action", "set-snapshot-ref", "ref-name", name, "type",
                  o->is_tag ? "tag" : "branch", "snapshot-id", (json_int_t)o->snapshot_id);
    bool ok = update && put_limit(update, "max-ref-age-ms", o->max_ref_age_ms) &&
              put_limit(update, "max-snapshot-age-ms", o->max_snapshot_age_ms) &&
              put_limit(update, "min-snapshots-to-keep", o->min_snapshots_to_keep);

    if (!ok) {
        json_decref(update);
        return ERR_NOMEM;
    }
    return json_array_append_new(out->updates, update) ? ERR_NOMEM : 0;
}

/* The ref goes to another snapshot; its limits stay. */
static int move(const struct lake_metadata *m, const char *name, int64_t snapshot_id,
                struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *ref = lake_metadata_branch(m, name);
    struct lake_ref_options o = {snapshot_id, -1, -1, -1, false, true, false};
    int rc = begin(m, name, out, err);

    if (rc || (ref && ref->snapshot_id == snapshot_id))
        return rc;
    if (ref) {
        o.max_ref_age_ms = ref->max_ref_age_ms;
        o.max_snapshot_age_ms = ref->max_snapshot_age_ms;
        o.min_snapshots_to_keep = ref->min_snapshots_to_keep;
    }
    return finish(add_ref(out, name, &o), out, err);
}

static int known_snapshot(const struct lake_metadata *m, int64_t id, struct err *err)
{
    return lake_metadata_snapshot_by_id(m, id)
               ? 0
               : err_set(err, ERR_NOENT, "there is no snapshot %" PRId64, id);
}

/* The branch as a ref; main of an empty table is NULL with rc 0. */
static int branch_of(const struct lake_metadata *m, const char **name, const struct lake_ref **out,
                     struct err *err)
{
    *name = *name ? *name : "main";
    *out = lake_metadata_branch(m, *name);
    if (!*out && strcmp(*name, "main") != 0)
        return err_set(err, ERR_NOENT, "there is no branch '%s'", *name);
    if (*out && (*out)->is_tag)
        return err_set(err, ERR_INVALID, "'%s' is a tag: it does not move", *name);
    return 0;
}

static const struct lake_snapshot *parent_of(const struct lake_metadata *m,
                                             const struct lake_snapshot *s)
{
    return s->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(m, s->parent_id);
}

static bool is_ancestor(const struct lake_metadata *m, int64_t of, int64_t id)
{
    const struct lake_snapshot *at = lake_metadata_snapshot_by_id(m, of);

    for (size_t steps = 0; at && steps <= m->snapshot_count; steps++, at = parent_of(m, at))
        if (at->id == id)
            return true;
    return false;
}

int lake_ref_create(const struct lake_metadata *m, const char *name,
                    const struct lake_ref_options *options, struct lake_ref_change *out,
                    struct err *err)
{
    const struct lake_ref *old = lake_metadata_branch(m, name);
    struct lake_ref_options o = *options;
    int rc;

    *out = (struct lake_ref_change){0};
    if (!*name || !strcmp(name, "main"))
        return err_set(err, ERR_INVALID, "'%s' cannot be made: every table has its main", name);
    if (o.is_tag && (o.min_snapshots_to_keep >= 0 || o.max_snapshot_age_ms >= 0))
        return err_set(err, ERR_INVALID, "a tag keeps one snapshot: it has no limits for more");
    if (o.min_snapshots_to_keep == 0 || o.max_snapshot_age_ms == 0 || o.max_ref_age_ms == 0)
        return err_set(err, ERR_INVALID, "limits of a branch or tag are greater than 0");
    if (old && old->is_tag != o.is_tag)
        return err_set(err, ERR_EXISTS, "'%s' is a %s already", name,
                       old->is_tag ? "tag" : "branch");
    if (old && !o.replace && !o.if_absent)
        return err_set(err, ERR_EXISTS, "'%s' is there already", name);
    if (o.snapshot_id == -1)
        o.snapshot_id = m->current_snapshot_id;
    if (o.snapshot_id == -1)
        return err_set(err, ERR_INVALID, "the table has no snapshot yet");
    rc = known_snapshot(m, o.snapshot_id, err);
    rc = rc ? rc : begin(m, name, out, err);
    if (rc || (old && o.if_absent && !o.replace))
        return rc;
    return finish(add_ref(out, name, &o), out, err);
}

int lake_ref_drop(const struct lake_metadata *m, const char *name, bool is_tag,
                  struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *ref = lake_metadata_branch(m, name);
    int rc;

    *out = (struct lake_ref_change){0};
    if (!strcmp(name, "main"))
        return err_set(err, ERR_INVALID, "main cannot be dropped");
    if (!ref)
        return err_set(err, ERR_NOENT, "there is no %s '%s'", is_tag ? "tag" : "branch", name);
    if (ref->is_tag != is_tag)
        return err_set(err, ERR_INVALID, "'%s' is a %s", name, ref->is_tag ? "tag" : "branch");
    rc = begin(m, name, out, err);
    if (!rc &&
        json_array_append_new(out->updates, json_pack("{s:s, s:s}", "action", "remove-snapshot-ref",
                                                      "ref-name", name)))
        rc = ERR_NOMEM;
    return finish(rc, out, err);
}

int lake_rollback(const struct lake_metadata *m, const char *branch, int64_t snapshot_id,
                  struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *ref;
    int rc = branch_of(m, &branch, &ref, err);

    *out = (struct lake_ref_change){0};
    rc = rc ? rc : known_snapshot(m, snapshot_id, err);
    if (!rc && (!ref || !is_ancestor(m, ref->snapshot_id, snapshot_id)))
        rc = err_set(err, ERR_INVALID,
                     "Cannot roll back to snapshot, not an ancestor of the current state: %" PRId64,
                     snapshot_id);
    return rc ? rc : move(m, branch, snapshot_id, out, err);
}

int lake_rollback_to_time(const struct lake_metadata *m, const char *branch, int64_t ms,
                          struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *ref;
    const struct lake_snapshot *at;
    int rc = branch_of(m, &branch, &ref, err);

    *out = (struct lake_ref_change){0};
    at = rc || !ref ? NULL : lake_metadata_snapshot_by_id(m, ref->snapshot_id);
    for (size_t steps = 0; at && at->timestamp_ms >= ms; at = parent_of(m, at))
        if (steps++ > m->snapshot_count)
            at = NULL;
    if (!rc && !at)
        rc =
            err_set(err, ERR_NOENT, "Cannot roll back, no valid snapshot older than: %" PRId64, ms);
    return rc ? rc : move(m, branch, at->id, out, err);
}

int lake_set_current(const struct lake_metadata *m, const char *branch, int64_t snapshot_id,
                     struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *ref;
    int rc = branch_of(m, &branch, &ref, err);

    *out = (struct lake_ref_change){0};
    rc = rc ? rc : known_snapshot(m, snapshot_id, err);
    return rc ? rc : move(m, branch, snapshot_id, out, err);
}

int lake_fast_forward(const struct lake_metadata *m, const char *branch, const char *to,
                      struct lake_ref_change *out, struct err *err)
{
    const struct lake_ref *target = lake_metadata_branch(m, to);
    const struct lake_ref *ref = lake_metadata_branch(m, branch);

    *out = (struct lake_ref_change){0};
    if (!target)
        return err_set(err, ERR_NOENT, "there is no branch or tag '%s'", to);
    if (ref && ref->is_tag)
        return err_set(err, ERR_INVALID, "'%s' is a tag: it does not move", branch);
    if (ref && !is_ancestor(m, target->snapshot_id, ref->snapshot_id))
        return err_set(err, ERR_INVALID, "Cannot fast-forward: %s is not an ancestor of %s", branch,
                       to);
    return move(m, branch, target->snapshot_id, out, err);
}

/* ---- write, audit, publish ---- */

const struct lake_snapshot *lake_wap_find(const struct lake_metadata *m, const char *wap_id)
{
    for (size_t i = m->snapshot_count; i-- > 0;) {
        const char *id = lake_summary(&m->snapshots[i], "wap.id");

        if (id && !strcmp(id, wap_id))
            return &m->snapshots[i];
    }
    return NULL;
}

size_t lake_wap_count(const struct lake_metadata *m, const char *wap_id)
{
    size_t count = 0;

    for (size_t i = 0; i < m->snapshot_count; i++) {
        const char *id = lake_summary(&m->snapshots[i], "wap.id");

        count += id && !strcmp(id, wap_id);
    }
    return count;
}

/* Has the line this snapshot, or a copy of it? */
static int check_not_picked(const struct lake_metadata *m, const struct lake_ref *ref,
                            const struct lake_snapshot *picked, struct err *err)
{
    const struct lake_snapshot *at = ref ? lake_metadata_snapshot_by_id(m, ref->snapshot_id) : NULL;
    const char *wap = lake_summary(picked, "wap.id");

    for (size_t steps = 0; at && steps <= m->snapshot_count; steps++, at = parent_of(m, at)) {
        const char *source = lake_summary(at, "source-snapshot-id");
        const char *published = lake_summary(at, "published-wap-id");
        const char *own = lake_summary(at, "wap.id");
        int64_t id;

        if (at->id == picked->id)
            return err_set(err, ERR_INVALID,
                           "Cannot cherrypick snapshot %" PRId64 ": already an ancestor",
                           picked->id);
        if (source && !slice_to_i64(slice_str(source), &id) && id == picked->id)
            return err_set(err, ERR_INVALID,
                           "Cannot cherrypick snapshot %" PRId64
                           ": already picked to create ancestor %" PRId64,
                           picked->id, at->id);
        if (wap && ((published && !strcmp(published, wap)) || (own && !strcmp(own, wap))))
            return err_set(err, ERR_INVALID,
                           "Duplicate request to cherry pick wap id that was published already: %s",
                           wap);
    }
    return 0;
}

/* What one snapshot did to the data files of the table. */
struct picks {
    struct entries added, removed;
};

static int note_entry(const struct lake_snapshot *snapshot, const struct lake_manifest_file *line,
                      const struct lake_entry *from, struct arena *arena, struct picks *out,
                      struct err *err)
{
    struct lake_entry entry = *from;
    bool removed = entry.status == LAKE_DELETED;
    int rc;

    lake_entry_inherit(&entry, line);
    if (entry.status == LAKE_EXISTING || entry.snapshot_id != snapshot->id)
        return 0;
    if (entry.file.content != LAKE_DATA) /* a data file that goes takes its deletes along */
        return removed ? 0
                       : err_set(err, ERR_INVALID,
                                 "Cannot cherry pick snapshot %" PRId64 ": it deletes rows",
                                 snapshot->id);
    rc = lake_data_file_copy(arena, &entry.file, &from->file);
    if (!removed)
        entry.file.first_row_id = -1; /* rows that are new to the branch */
    rc = rc ? rc : entries_add(removed ? &out->removed : &out->added, arena, &entry);
    return rc ? nomem(err) : 0;
}

/* `rows`: data files alone, whatever else the snapshot did. */
static int picks_of(struct lake *lake, const struct lake_metadata *m,
                    const struct lake_snapshot *snapshot, bool rows, struct arena *arena,
                    struct picks *out, struct err *err)
{
    struct lake_manifest_list *list;
    int rc = lake_manifest_list_load(lake, m, snapshot, &list, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        struct lake_manifest *manifest;

        if (list->files[i].added_snapshot_id != snapshot->id || (rows && list->files[i].content))
            continue;
        rc = lake_manifest_load(lake, m, &list->files[i], &manifest, err);
        if (rc)
            break;
        for (size_t k = 0; k < manifest->entry_count && !rc; k++)
            rc = note_entry(snapshot, &list->files[i], &manifest->entries[k], arena, out, err);
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rc;
}

/* A pick on its way. */
struct picking {
    struct lake *lake;
    const struct lake_metadata *m;
    const char *branch;
    const struct lake_snapshot *head, *picked; /* head NULL: of an empty table */
    struct picks picks;
    struct arena arena;
    struct err *err;
};

static bool replaces_partitions(const struct lake_snapshot *s)
{
    const char *text = lake_summary(s, "replace-partitions");

    return !strcmp(s->operation, "overwrite") && text && !strcasecmp(text, "true");
}

static const char *partition_text(struct picking *p, const struct lake_partition_spec *spec,
                                  const struct lake_type *types, const struct lake_data_file *file)
{
    struct buf text = {0};
    const char *out = NULL;
    int rc = 0;

    for (size_t i = 0; i < spec->field_count && !rc; i++) {
        rc = buf_printf(&text, "%s%s=", i ? "/" : "", spec->fields[i].name);
        rc = rc ? rc
                : lake_transform_human(&spec->fields[i].transform, &types[i], &file->partition[i],
                                       &text);
    }
    if (!rc)
        out = arena_cstr(&p->arena, buf_slice(&text));
    buf_deinit(&text);
    return out ? out : "";
}

/* Is the file in a partition that the picked overwrite replaced? */
static int check_partition(struct picking *p, const struct lake_data_file *file)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(p->m, file->spec_id);
    struct lake_type *types;
    int rc = spec ? partition_types(p->m, spec, &p->arena, &types, p->err) : 0;

    for (size_t i = 0; spec && i < p->picks.added.count && !rc; i++) {
        const struct lake_data_file *ours = &p->picks.added.list[i].file;
        bool same = ours->spec_id == file->spec_id;

        for (size_t k = 0; same && k < spec->field_count; k++)
            same = lake_value_cmp(&types[k], &ours->partition[k], &file->partition[k]) == 0;
        if (same)
            rc = err_set(p->err, ERR_INVALID,
                         "Cannot cherry-pick replace partitions with changed partition: %s",
                         partition_text(p, spec, types, file));
    }
    return rc;
}

/* What came in since the overwrite was staged must lie in other partitions. */
static int check_since(struct picking *p)
{
    const struct lake_snapshot *at = p->head;
    int rc = 0;

    for (size_t steps = 0; at && at->id != p->picked->parent_id && !rc; at = parent_of(p->m, at)) {
        struct picks since = {0};

        if (steps++ > p->m->snapshot_count)
            break;
        rc = picks_of(p->lake, p->m, at, true, &p->arena, &since, p->err);
        for (size_t i = 0; i < since.added.count && !rc; i++)
            rc = check_partition(p, &since.added.list[i].file);
    }
    if (!rc && p->picked->parent_id >= 0 && (!at || at->id != p->picked->parent_id))
        rc = err_set(p->err, ERR_INVALID,
                     "Cannot cherry-pick overwrite not based on an ancestor of the current state: "
                     "%" PRId64,
                     p->picked->id);
    return rc;
}

/* The files that the overwrite took out must still be there to be taken out. */
static int check_removed(struct picking *p)
{
    struct list_job job = {.lake = p->lake, .metadata = p->m, .arena = &p->arena};
    struct target *targets = ARENA_ARRAY(&p->arena, struct target, p->picks.removed.count + 1);
    struct lake_manifest_list *list = NULL;
    struct loaded loaded = {0};
    struct lines lines = {0};
    int rc = targets ? 0 : nomem(p->err);

    for (size_t i = 0; i < p->picks.removed.count && !rc; i++)
        targets[i] = (struct target){p->picks.removed.list[i].file.path, -1, -1, -1};
    if (!rc && p->head)
        rc = lake_manifest_list_load(p->lake, p->m, p->head, &list, p->err);
    for (size_t i = 0; !rc && list && i < list->file_count; i++)
        rc = lines_add(&lines, &p->arena, &list->files[i]) ? nomem(p->err) : 0;
    rc = rc ? rc : list_find(&job, &lines, targets, p->picks.removed.count, &loaded, p->err);
    for (size_t i = 0; i < p->picks.removed.count && !rc; i++)
        if (!targets[i].found)
            rc = err_set(p->err, ERR_INVALID, "Missing required files to delete: %s",
                         targets[i].path);
    list_drop_loaded(&loaded);
    lake_manifest_list_free(list);
    return rc;
}

static int commit_again(struct picking *p, struct lake_catalog *catalog,
                        const struct lake_ident *ident, int64_t *made)
{
    const char *wap = lake_summary(p->picked, "wap.id");
    struct lake_property summary[] = {{"source-snapshot-id", NULL}, {"published-wap-id", wap}};
    struct lake_change change = {.summary = summary,
                                 .summary_count = wap ? 2 : 1,
                                 .branch = p->branch,
                                 .allow_empty = true,
                                 .removed = p->picks.removed.list,
                                 .removed_count = p->picks.removed.count};
    struct lake_data_file *files =
        ARENA_ARRAY(&p->arena, struct lake_data_file, p->picks.added.count + 1);
    struct lake_committed told = {-1, 0};
    int rc;

    summary[0].value = arena_printf(&p->arena, "%" PRId64, p->picked->id);
    if (!files || !summary[0].value)
        return nomem(p->err);
    for (size_t i = 0; i < p->picks.added.count; i++)
        files[i] = p->picks.added.list[i].file;
    change.added = files;
    change.added_count = p->picks.added.count;
    if (replaces_partitions(p->picked)) { /* what was checked holds for this head alone */
        change.checks = LAKE_CHECK_NEW_ROWS;
        change.from_snapshot_id = p->head ? p->head->id : -1;
    }
    rc = lake_commit_wait(p->lake, catalog, ident, &change, &told, p->err);
    if (!rc)
        *made = told.snapshot_id;
    return rc == ERR_STALE ? err_wrap(p->err, ERR_CONFLICT, "branch %s moved meanwhile", p->branch)
                           : rc;
}

int lake_cherry_pick_wait(struct lake *lake, struct lake_catalog *catalog,
                          const struct lake_ident *ident, const struct lake_metadata *m,
                          const char *branch, int64_t snapshot_id, struct lake_ref_change *out,
                          int64_t *made, struct err *err)
{
    struct picking p = {
        .lake = lake, .m = m, .picked = lake_metadata_snapshot_by_id(m, snapshot_id), .err = err};
    const struct lake_ref *ref;
    int rc = branch_of(m, &branch, &ref, err);

    *out = (struct lake_ref_change){0};
    *made = snapshot_id;
    rc = rc ? rc : known_snapshot(m, snapshot_id, err);
    rc = rc ? rc : check_not_picked(m, ref, p.picked, err);
    if (rc)
        return rc;
    if (p.picked->parent_id == (ref ? ref->snapshot_id : -1))
        return move(m, branch, snapshot_id, out, err);
    p.branch = branch;
    p.head = ref ? lake_metadata_snapshot_by_id(m, ref->snapshot_id) : NULL;
    if (strcmp(p.picked->operation, "append") != 0 && !replaces_partitions(p.picked))
        return err_set(err, ERR_INVALID,
                       "Cannot cherry pick snapshot %" PRId64
                       ": not append, dynamic overwrite, or fast-forward",
                       snapshot_id);
    rc = picks_of(lake, m, p.picked, false, &p.arena, &p.picks, err);
    if (!rc && replaces_partitions(p.picked)) {
        rc = check_since(&p);
        rc = rc ? rc : check_removed(&p);
    }
    rc = rc ? rc : commit_again(&p, catalog, ident, made);
    arena_deinit(&p.arena);
    return rc;
}
