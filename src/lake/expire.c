/* expire.c - which snapshots to forget, and which files that frees.
 *
 * A table that is only written by appends and rewrites has one line of snapshots. When the oldest
 * k of them go, the files that nobody names any more are
 *   - their manifest lists,
 *   - the manifests in one of their lists and not in its successor's,
 *   - the data files marked DELETED in a successor's own manifests: the snapshot that removed a
 *     file is the first that does not name it, and everything before it is gone now.
 * That is work in the order of what changed, whatever the size of the table. When tags or branches
 * keep other snapshots alive, or the expired ones do not form the old end of the line, everything
 * the retained ones name is collected and spared instead.
 */
#include "lake/lake_int.h"

static bool id_in(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int64_t limit(const struct lake_metadata *m, int64_t own, const char *key, int64_t fallback)
{
    return own >= 0 ? own : lake_metadata_property_i64(m, key, fallback);
}

/* Which snapshots stay, by their place in the metadata. */
struct kept {
    bool *list;
    size_t count; /* of those that do */
};

/* By its id, which a foreign file may hold twice. */
static bool is_kept(const struct lake_metadata *m, const struct lake_snapshot *s,
                    const struct kept *kept)
{
    bool found = kept->list[s - m->snapshots];

    for (size_t i = 0; i < m->snapshot_count && !found; i++)
        found = kept->list[i] && m->snapshots[i].id == s->id;
    return found;
}

static void keep(const struct lake_metadata *m, const struct lake_snapshot *s, struct kept *kept)
{
    bool *at = s ? &kept->list[s - m->snapshots] : NULL;

    if (at && !*at)
        kept->count++;
    if (at)
        *at = true;
}

/* Follows a branch back and keeps what its limits allow. */
static void keep_branch(const struct lake_metadata *m, const struct lake_ref *ref, size_t fresh,
                        int64_t now_ms, struct kept *kept)
{
    int64_t age =
        limit(m, ref->max_snapshot_age_ms, "history.expire.max-snapshot-age-ms", 432000000);
    int64_t min = limit(m, ref->min_snapshots_to_keep, "history.expire.min-snapshots-to-keep", 1);
    int64_t max = limit(m, -1, "tarn.expire.max-snapshots", 1000);
    const struct lake_snapshot *s = lake_metadata_snapshot_by_id(m, ref->snapshot_id);
    int64_t seen = (int64_t)fresh;
    size_t steps = 0; /* a foreign history may run in a ring */

    /* The head always stays, even with newer snapshots on their way: what those name is what the
     * head names and what this commit wrote, so garbage is told by the base alone. */
    for (; s && steps++ < m->snapshot_count; s = lake_metadata_parent(m, s)) {
        bool head = s->id == ref->snapshot_id;

        if (!head && seen >= (min > 1 ? min : 1) && (now_ms - s->timestamp_ms > age || seen >= max))
            return;
        keep(m, s, kept);
        seen++;
    }
}

static bool ref_expired(const struct lake_metadata *m, const struct lake_ref *ref, int64_t now_ms)
{
    const struct lake_snapshot *s = lake_metadata_snapshot_by_id(m, ref->snapshot_id);
    int64_t age = limit(m, ref->max_ref_age_ms, "history.expire.max-ref-age-ms", INT64_MAX);

    return strcmp(ref->name, "main") && s && now_ms - s->timestamp_ms > age;
}

/* Snapshots that no branch reaches (staged, or rolled back from) live until their age; those that
 * wait under a wap.id for at least as long as Iceberg keeps snapshots: whoever looks at them is a
 * person, or a job of the night. */
#define STAGED_AGE_MS 432000000

static int64_t staged_age(const struct lake_snapshot *s, int64_t age)
{
    return lake_summary(s, "wap.id") && age < STAGED_AGE_MS ? STAGED_AGE_MS : age;
}

static void keep_young(const struct lake_metadata *m, int64_t now_ms, struct kept *kept)
{
    int64_t age = limit(m, -1, "history.expire.max-snapshot-age-ms", 432000000);

    for (size_t i = 0; i < m->snapshot_count; i++) {
        const struct lake_snapshot *s = &m->snapshots[i];
        bool reached = false;

        for (size_t r = 0; r < m->branch_count && !reached; r++) {
            const struct lake_snapshot *at =
                lake_metadata_snapshot_by_id(m, m->branches[r].snapshot_id);
            size_t steps = 0;

            for (; at && !reached && steps++ <= m->snapshot_count; at = lake_metadata_parent(m, at))
                reached = at->id == s->id;
        }
        if (!reached && now_ms - s->timestamp_ms <= staged_age(s, age))
            keep(m, s, kept);
    }
}

/* Only worth asking when some snapshot is not on main's line: a plain walk tells. */
static bool all_on_main(const struct lake_metadata *m)
{
    const struct lake_snapshot *s = lake_metadata_snapshot(m);
    size_t count = 0;

    for (; s && count <= m->snapshot_count; count++)
        s = lake_metadata_parent(m, s);
    return count == m->snapshot_count;
}

int expire_pick(const struct lake_metadata *m, const char *branch, size_t fresh, int64_t now_ms,
                struct arena *arena, struct expiry *out, struct err *err)
{
    struct kept kept = {.list = ARENA_ARRAY(arena, bool, m->snapshot_count + 1)};

    memset(out, 0, sizeof(*out));
    out->refs = ARENA_ARRAY(arena, const char *, m->branch_count + 1);
    if (!kept.list || !out->refs)
        return err_set(err, ERR_NOMEM, "expiry");
    for (size_t i = 0; i < m->branch_count; i++) {
        const struct lake_ref *ref = &m->branches[i];

        if (ref_expired(m, ref, now_ms))
            out->refs[out->ref_count++] = ref->name;
        else if (ref->is_tag)
            keep(m, lake_metadata_snapshot_by_id(m, ref->snapshot_id), &kept);
        else
            keep_branch(m, ref, strcmp(ref->name, branch) ? 0 : fresh, now_ms, &kept);
    }
    if (!all_on_main(m))
        keep_young(m, now_ms, &kept);
    out->ids = ARENA_ARRAY(arena, int64_t, m->snapshot_count - kept.count + 1);
    if (!out->ids)
        return err_set(err, ERR_NOMEM, "expiry");
    for (size_t i = 0; i < m->snapshot_count; i++)
        if (!is_kept(m, &m->snapshots[i], &kept))
            out->ids[out->count++] = m->snapshots[i].id;
    return 0;
}

struct sweep {
    struct lake *lake;
    const struct lake_metadata *m;
    const struct expiry *expiry;
    struct arena *arena;
    struct path_set found; /* garbage so far */
    struct path_set spared;
    struct path_list *garbage;
    struct err *err;
};

/* `path` NULL: a snapshot of v1 has no list. */
static int condemn(struct sweep *s, const char *path)
{
    int rc;

    if (!path || path_set_has(&s->spared, path) || path_set_has(&s->found, path))
        return 0;
    rc = path_list_add(s->garbage, s->arena, path);
    rc = rc ? rc : path_set_add(&s->found, s->garbage->list[s->garbage->count - 1]);
    return rc < 0 ? err_set(s->err, ERR_NOMEM, "expiry") : 0;
}

/* Files that this snapshot removed from the table. */
static int condemn_deleted(struct sweep *s, const struct lake_snapshot *snapshot,
                           const struct lake_manifest_list *list)
{
    for (size_t i = 0; i < list->file_count; i++) {
        const struct lake_manifest_file *line = &list->files[i];
        struct lake_manifest *manifest;
        int rc;

        if (line->added_snapshot_id != snapshot->id || line->deleted_files == 0)
            continue;
        rc = lake_manifest_load(s->lake, s->m, line, &manifest, s->err);
        if (rc)
            return rc;
        for (size_t k = 0; k < manifest->entry_count && !rc; k++)
            if (manifest->entries[k].status == LAKE_DELETED &&
                (manifest->entries[k].snapshot_id == snapshot->id ||
                 manifest->entries[k].snapshot_id < 0))
                rc = condemn(s, manifest->entries[k].file.path);
        lake_manifest_free(manifest);
        if (rc)
            return rc;
    }
    return 0;
}

/* The oldest snapshot that stays on the line, given that the expired ones are its old end. NULL
 * when they are not, and when there is one without a list: v1 never said which snapshot rewrote
 * such a manifest. */
static const struct lake_snapshot *line_end(const struct sweep *s)
{
    const struct lake_snapshot *at = lake_metadata_snapshot(s->m), *oldest = NULL;
    size_t kept = 0, gone = 0;

    for (; at && kept + gone <= s->m->snapshot_count; at = lake_metadata_parent(s->m, at)) {
        if (!at->manifest_list)
            return NULL;
        if (id_in(s->expiry->ids, s->expiry->count, at->id)) {
            gone++;
        } else if (gone) {
            return NULL;
        } else {
            oldest = at;
            kept++;
        }
    }
    return gone == s->expiry->count && kept + gone == s->m->snapshot_count ? oldest : NULL;
}

static int spare(struct sweep *s, const char *path)
{
    const char *copy;

    if (!path || path_set_has(&s->spared, path))
        return 0;
    copy = arena_strdup(s->arena, path);
    return copy && path_set_add(&s->spared, copy) >= 0 ? 0 : err_set(s->err, ERR_NOMEM, "expiry");
}

/* Many deletion vectors share one file, which must live as long as one of them does. All of a file
 * came with one snapshot, so what is live at the oldest that stays is all that ever will be. */
static int spare_vectors(struct sweep *s, const struct lake_manifest_list *list)
{
    int rc = 0;

    for (size_t i = 0; i < list->file_count && !rc; i++) {
        const struct lake_manifest_file *line = &list->files[i];
        struct lake_manifest *manifest = NULL;

        if (line->content != 1 || (line->added_files == 0 && line->existing_files == 0))
            continue;
        rc = lake_manifest_load(s->lake, s->m, line, &manifest, s->err);
        for (size_t k = 0; !rc && k < manifest->entry_count; k++)
            if (manifest->entries[k].status != LAKE_DELETED &&
                !strcasecmp(manifest->entries[k].file.format, "puffin"))
                rc = spare(s, manifest->entries[k].file.path);
        lake_manifest_free(manifest);
    }
    return rc;
}

/* From the oldest that stays backwards, list by list. */
static int sweep_line(struct sweep *s, const struct lake_snapshot *oldest)
{
    const struct lake_snapshot *snapshot = oldest;
    struct lake_manifest_list *next = NULL, *list = NULL;
    int rc = lake_manifest_list_load(s->lake, s->m, oldest, &next, s->err);

    rc = rc ? rc : spare_vectors(s, next);
    while (!rc) {
        const struct lake_snapshot *before = lake_metadata_parent(s->m, snapshot);
        struct path_set held = {.arena = s->arena};

        if (!before)
            break;
        rc = condemn_deleted(s, snapshot, next);
        rc = rc ? rc : lake_manifest_list_load(s->lake, s->m, before, &list, s->err);
        if (rc)
            break;
        for (size_t i = 0; i < next->file_count && !rc; i++)
            if (path_set_add(&held, next->files[i].path) < 0)
                rc = err_set(s->err, ERR_NOMEM, "expiry");
        for (size_t i = 0; i < list->file_count && !rc; i++)
            if (!path_set_has(&held, list->files[i].path))
                rc = condemn(s, list->files[i].path);
        rc = rc ? rc : condemn(s, before->manifest_list);
        lake_manifest_list_free(next);
        next = list;
        list = NULL;
        snapshot = before;
    }
    lake_manifest_list_free(next);
    return rc;
}

/* All that one snapshot names: lists, manifests, live files; into a set (copied). */
static int collect(struct sweep *s, const struct lake_snapshot *snapshot, bool with_deleted,
                   int (*each)(struct sweep *, const char *))
{
    struct lake_manifest_list *list;
    int rc = lake_manifest_list_load(s->lake, s->m, snapshot, &list, s->err);

    if (rc)
        return rc;
    rc = each(s, snapshot->manifest_list);
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        struct lake_manifest *manifest;

        if (path_set_has(&s->spared, list->files[i].path) ||
            path_set_has(&s->found, list->files[i].path))
            continue; /* its files were seen with it */
        rc = lake_manifest_load(s->lake, s->m, &list->files[i], &manifest, s->err);
        if (rc)
            break;
        for (size_t k = 0; k < manifest->entry_count && !rc; k++)
            if (with_deleted || manifest->entries[k].status != LAKE_DELETED)
                rc = each(s, manifest->entries[k].file.path);
        rc = rc ? rc : each(s, list->files[i].path);
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rc;
}

static int sweep_all(struct sweep *s)
{
    int rc = 0;

    for (size_t i = 0; i < s->m->snapshot_count && !rc; i++)
        if (!id_in(s->expiry->ids, s->expiry->count, s->m->snapshots[i].id))
            rc = collect(s, &s->m->snapshots[i], false, spare);
    for (size_t i = 0; i < s->m->snapshot_count && !rc; i++)
        if (id_in(s->expiry->ids, s->expiry->count, s->m->snapshots[i].id))
            rc = collect(s, &s->m->snapshots[i], true, condemn);
    return rc;
}

static int sweep_statistics(struct sweep *s, const char *key)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(s->m->doc, key), i, item)
    {
        const char *path = json_string_value(json_object_get(item, "statistics-path"));
        const json_t *id = json_object_get(item, "snapshot-id");

        if (path && json_is_integer(id) &&
            id_in(s->expiry->ids, s->expiry->count, json_integer_value(id)) && condemn(s, path))
            return ERR_NOMEM;
    }
    return 0;
}

int expire_garbage(struct lake *lake, const struct lake_metadata *m, const struct expiry *expiry,
                   struct arena *arena, struct path_list *garbage, struct err *err)
{
    struct sweep s = {.lake = lake,
                      .m = m,
                      .expiry = expiry,
                      .arena = arena,
                      .garbage = garbage,
                      .err = err,
                      .found.arena = arena,
                      .spared.arena = arena};
    const struct lake_snapshot *oldest;
    int rc;

    if (!expiry->count)
        return 0;
    oldest = line_end(&s);
    rc = oldest ? sweep_line(&s, oldest) : sweep_all(&s);
    rc = rc ? rc : sweep_statistics(&s, "statistics");
    return rc ? rc : sweep_statistics(&s, "partition-statistics");
}
