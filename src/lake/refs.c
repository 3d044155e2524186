/* refs.c - branches and tags: see refs.h. */
#include "lake/refs.h"

#include "lake/lake_int.h"

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

/* The data files that the snapshot itself added. */
static int added_files(struct lake *lake, const struct lake_metadata *m,
                       const struct lake_snapshot *snapshot, struct arena *arena,
                       struct entries *out, struct err *err)
{
    struct lake_manifest_list *list;
    int rc = lake_manifest_list_load(lake, m, snapshot, &list, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        struct lake_manifest *manifest;

        if (list->files[i].added_snapshot_id != snapshot->id)
            continue;
        if (list->files[i].content != 0)
            rc = err_set(err, ERR_INVALID,
                         "Cannot cherry pick snapshot %" PRId64 ": it deletes rows", snapshot->id);
        rc = rc ? rc : lake_manifest_load(lake, m, &list->files[i], &manifest, err);
        if (rc)
            break;
        for (size_t k = 0; k < manifest->entry_count && !rc; k++) {
            struct lake_entry entry = manifest->entries[k];

            lake_entry_inherit(&entry, &list->files[i]);
            if (entry.status != LAKE_ADDED || entry.snapshot_id != snapshot->id)
                continue;
            rc = lake_data_file_copy(arena, &entry.file, &manifest->entries[k].file);
            entry.file.first_row_id = -1; /* rows that are new to the branch */
            rc = rc ? rc : entries_add(out, arena, &entry);
            rc = rc ? nomem(err) : 0;
        }
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rc;
}

static int append_again(struct lake *lake, struct lake_catalog *catalog,
                        const struct lake_ident *ident, const struct lake_metadata *m,
                        const char *branch, const struct lake_snapshot *picked, int64_t *made,
                        struct err *err)
{
    struct arena arena = {0};
    struct entries entries = {0};
    const char *wap = lake_summary(picked, "wap.id");
    struct lake_property summary[] = {{"source-snapshot-id", NULL}, {"published-wap-id", wap}};
    struct lake_change change = {
        .summary = summary, .summary_count = wap ? 2 : 1, .branch = branch, .allow_empty = true};
    struct lake_data_file *files;
    int rc = added_files(lake, m, picked, &arena, &entries, err);

    files = ARENA_ARRAY(&arena, struct lake_data_file, entries.count + 1);
    summary[0].value = arena_printf(&arena, "%" PRId64, picked->id);
    if (!rc && (!files || !summary[0].value))
        rc = nomem(err);
    for (size_t i = 0; i < entries.count && !rc; i++)
        files[i] = entries.list[i].file;
    change.added = files;
    change.added_count = entries.count;
    rc = rc ? rc : lake_commit_wait(lake, catalog, ident, &change, made, err);
    arena_deinit(&arena);
    return rc;
}

int lake_cherry_pick_wait(struct lake *lake, struct lake_catalog *catalog,
                          const struct lake_ident *ident, const struct lake_metadata *m,
                          const char *branch, int64_t snapshot_id, struct lake_ref_change *out,
                          int64_t *made, struct err *err)
{
    const struct lake_snapshot *picked = lake_metadata_snapshot_by_id(m, snapshot_id);
    const struct lake_ref *ref;
    int rc = branch_of(m, &branch, &ref, err);

    *out = (struct lake_ref_change){0};
    *made = snapshot_id;
    rc = rc ? rc : known_snapshot(m, snapshot_id, err);
    rc = rc ? rc : check_not_picked(m, ref, picked, err);
    if (rc)
        return rc;
    if (picked->parent_id == (ref ? ref->snapshot_id : -1))
        return move(m, branch, snapshot_id, out, err);
    if (strcmp(picked->operation, "append") != 0)
        return err_set(err, ERR_INVALID,
                       "Cannot cherry pick snapshot %" PRId64
                       ": not append, dynamic overwrite, or fast-forward",
                       snapshot_id);
    return append_again(lake, catalog, ident, m, branch, picked, made, err);
}
