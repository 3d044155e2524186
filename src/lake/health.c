/* health.c - counts over a table, and which actions are due. See health.h. */
#include "lake/health.h"

#include <stdio.h>

#include "lake/maintain_int.h"

#define HOUR_MS  3600000
#define PRUNE_MS 600000 /* between two looks for old metadata files */

static const char *const names[LAKE_DO_KINDS] = {
    [LAKE_DO_DELETES] = "deletes",     [LAKE_DO_MERGE] = "merge",
    [LAKE_DO_SPEC] = "partition",      [LAKE_DO_SORT] = "sort",
    [LAKE_DO_MANIFESTS] = "manifests", [LAKE_DO_EXPIRE] = "expire",
    [LAKE_DO_METADATA] = "metadata",   [LAKE_DO_ORPHANS] = "orphans",
};

const char *lake_action_name(enum lake_action_kind kind)
{
    return names[kind];
}

struct asking {
    struct lake *lake;
    const struct lake_metadata *m;
    struct arena *arena;
    struct lake_actions *out;
    struct err *err;
};

static int nomem(struct asking *a)
{
    return err_set(a->err, ERR_NOMEM, "health");
}

/* "3 d", "90 s": as coarse as people say it. */
static const char *span(struct arena *arena, int64_t ms)
{
    const char *text = ms >= 2 * 86400000LL ? arena_printf(arena, "%" PRId64 " d", ms / 86400000)
                       : ms >= 2 * HOUR_MS  ? arena_printf(arena, "%" PRId64 " h", ms / HOUR_MS)
                       : ms >= 120000       ? arena_printf(arena, "%" PRId64 " min", ms / 60000)
                                            : arena_printf(arena, "%" PRId64 " s", ms / 1000);

    return text ? text : "";
}

static const char *size(struct arena *arena, int64_t bytes)
{
    const char *text = bytes >= 1 << 20    ? arena_printf(arena, "%" PRId64 " MiB", bytes >> 20)
                       : bytes >= 10 << 10 ? arena_printf(arena, "%" PRId64 " KiB", bytes >> 10)
                                           : arena_printf(arena, "%" PRId64 " bytes", bytes);

    return text ? text : "";
}

static struct lake_action *action(struct asking *a, enum lake_action_kind kind)
{
    struct lake_action *act = &a->out->list[kind];

    *act = (struct lake_action){.kind = kind, .wait_ms = -1, .reason = ""};
    return act;
}

/* ---- rewrites ---- */

static bool can_merge(const struct lake_metadata *m, const char **why_not)
{
    *why_not = !lake_metadata_property_bool(m, "tarn.merge.enabled", true)
                   ? "tarn.merge.enabled is false"
                   : NULL;
    return !*why_not;
}

/* What the merges of one kind are about. */
struct asked {
    int64_t merges, seen, deleted, deletes;
};

static const char *why_not_rewrite(struct asking *a, enum lake_why why, const struct asked *sum)
{
    const char *moved = lake_metadata_property(a->m, "tarn.merge.old-specs");

    switch (why) {
    case LAKE_WHY_SMALL:
        return sum->seen
                   ? arena_printf(
                         a->arena, "%" PRId64 " files could grow, no class of %" PRId64 " is full",
                         sum->seen, lake_metadata_property_i64(a->m, "tarn.merge.fan-in", 8))
                   : "no file is small";
    case LAKE_WHY_DELETES:
        return "no file has many deleted rows or delete files";
    case LAKE_WHY_SPEC:
        return moved && !strcmp(moved, "none") ? "tarn.merge.old-specs is none"
               : sum->seen                     ? "one small file of an older partition spec waits "
                                                 "for another"
                                               : "no small file is of an older partition spec";
    default:
        return lake_sort_usable(a->m) ? "every large file is in order"
                                      : "the table has no sort order to write in";
    }
}

static const char *why_rewrite(struct asking *a, enum lake_why why, const struct lake_action *act,
                               const struct asked *sum)
{
    const char *bytes = size(a->arena, act->bytes);
    int64_t small = lake_metadata_property_i64(a->m, "tarn.merge.small-bytes", 1 << 20);

    switch (why) {
    case LAKE_WHY_SMALL:
        return arena_printf(a->arena,
                            "%" PRId64 " files of %s (small: below %s) fill %" PRId64
                            " classes: each becomes one file",
                            act->count, bytes, size(a->arena, small), sum->merges);
    case LAKE_WHY_DELETES:
        return arena_printf(a->arena,
                            "%" PRId64 " files of %s carry %" PRId64 " deleted rows in %" PRId64
                            " delete files",
                            act->count, bytes, sum->deleted, sum->deletes);
    case LAKE_WHY_SPEC:
        return arena_printf(a->arena,
                            "%" PRId64 " of %" PRId64 " files (%s) of older partition specs: "
                            "their rows move to partitions of spec %" PRId32,
                            act->count, sum->seen, bytes, a->m->default_spec_id);
    default:
        return arena_printf(
            a->arena, "%" PRId64 " of %" PRId64 " files (%s) that are not in sort order %" PRId32,
            act->count, sum->seen, bytes, a->m->default_order_id);
    }
}

static int ask_rewrite(struct asking *a, enum lake_action_kind kind, enum lake_why why)
{
    struct lake_action *act = action(a, kind);
    struct asked sum = {.seen = a->out->merges.by_why[why]};
    const char *why_not;

    for (size_t i = 0; i < a->out->merges.count; i++) {
        const struct lake_merge *merge = &a->out->merges.list[i];

        if (merge->why != why)
            continue;
        sum.merges++;
        act->count += (int64_t)merge->file_count;
        act->bytes += merge->bytes;
        sum.deleted += merge->deleted_rows;
        sum.deletes += (int64_t)merge->delete_count;
    }
    act->due = sum.merges > 0;
    act->reason = !can_merge(a->m, &why_not) ? why_not
                  : act->due                 ? why_rewrite(a, why, act, &sum)
                                             : why_not_rewrite(a, why, &sum);
    return act->reason ? 0 : nomem(a);
}

/* ---- manifests ---- */

static int count_manifests(struct asking *a, int64_t *small, int64_t *all, int64_t *small_bytes)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(a->m);
    int64_t target = lake_metadata_property_i64(a->m, "commit.manifest.target-size-bytes", 8 << 20);
    struct lake_manifest_list *list;
    int rc;

    *small = *all = *small_bytes = 0;
    if (!snapshot)
        return 0;
    rc = lake_manifest_list_load(a->lake, a->m, snapshot, &list, a->err);
    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count; i++) {
        ++*all;
        if (list->files[i].length >= target / 2)
            continue;
        ++*small;
        *small_bytes += list->files[i].length;
    }
    lake_manifest_list_free(list);
    return 0;
}

static int ask_manifests(struct asking *a)
{
    struct lake_action *act = action(a, LAKE_DO_MANIFESTS);
    int64_t most = lake_metadata_property_i64(a->m, "commit.manifest.min-count-to-merge", 100);
    int64_t small, all;
    size_t dangling = 0;
    int rc = count_manifests(a, &small, &all, &act->bytes);

    rc = rc ? rc : lake_dangling(a->lake, a->m, a->arena, &dangling, a->err);
    if (rc)
        return rc;
    most = most < 2 ? 2 : most;
    act->count = small;
    act->due = small > most || dangling > 0;
    if (!lake_metadata_property_bool(a->m, "commit.manifest-merge.enabled", true)) {
        act->due = false;
        act->reason = "commit.manifest-merge.enabled is false";
    } else if (dangling) {
        act->reason = arena_printf(a->arena,
                                   "%zu delete files apply to no data file any more; %" PRId64
                                   " of %" PRId64 " manifests are small",
                                   dangling, small, all);
    } else if (act->due) {
        act->reason = arena_printf(a->arena,
                                   "%" PRId64 " of %" PRId64 " manifests are small, more than "
                                   "%" PRId64 ": they are written anew by partition",
                                   small, all, most);
    } else {
        act->reason =
            arena_printf(a->arena, "%" PRId64 " small manifests, %" PRId64 " may be", small, most);
    }
    return act->reason ? 0 : nomem(a);
}

/* ---- snapshots ---- */

/* When the next snapshot of main goes: the oldest, once it is past its age, if more are there than
 * must be kept. */
static int64_t next_expiry_ms(const struct lake_metadata *m, int64_t now_ms)
{
    int64_t age = lake_metadata_property_i64(m, "history.expire.max-snapshot-age-ms", 432000000);
    int64_t min = lake_metadata_property_i64(m, "history.expire.min-snapshots-to-keep", 1);
    int64_t oldest = INT64_MAX;

    if ((int64_t)m->snapshot_count <= (min > 1 ? min : 1))
        return -1;
    for (size_t i = 0; i < m->snapshot_count; i++)
        if (m->snapshots[i].timestamp_ms < oldest)
            oldest = m->snapshots[i].timestamp_ms;
    return oldest + age - now_ms > 0 ? oldest + age - now_ms : -1;
}

static int ask_expire(struct asking *a, int64_t now_ms)
{
    struct lake_action *act = action(a, LAKE_DO_EXPIRE);
    int64_t age = lake_metadata_property_i64(a->m, "history.expire.max-snapshot-age-ms", 432000000);
    struct expiry expiry = {0};
    int rc = 0;

    if (!lake_metadata_property_bool(a->m, "gc.enabled", true)) {
        act->reason = "gc.enabled is false";
        return 0;
    }
    if (!lake_metadata_property_bool(a->m, "tarn.expire.enabled", true)) {
        act->reason = "tarn.expire.enabled is false";
        return 0;
    }
    rc = expire_pick(a->m, "main", 0, now_ms, a->arena, &expiry, a->err);
    if (rc)
        return rc;
    act->count = (int64_t)(expiry.count + expiry.ref_count);
    act->due = act->count > 0;
    act->wait_ms = act->due ? -1 : next_expiry_ms(a->m, now_ms);
    if (act->due && expiry.ref_count)
        act->reason = arena_printf(a->arena,
                                   "%zu of %zu snapshots are past their age, and %zu branches or "
                                   "tags past theirs",
                                   expiry.count, a->m->snapshot_count, expiry.ref_count);
    else if (act->due)
        act->reason = arena_printf(
            a->arena, "%zu of %zu snapshots are older than %s or more than may be kept",
            expiry.count, a->m->snapshot_count, span(a->arena, age));
    else
        act->reason = arena_printf(a->arena,
                                   "%zu snapshots, kept for %s and by %zu branches and "
                                   "tags",
                                   a->m->snapshot_count, span(a->arena, age), a->m->branch_count);
    return act->reason ? 0 : nomem(a);
}

static int ask_metadata(struct asking *a, int64_t pruned_ms, int64_t now_ms)
{
    struct lake_action *act = action(a, LAKE_DO_METADATA);
    int64_t most = lake_metadata_property_i64(a->m, "write.metadata.previous-versions-max", 100);
    int64_t since = now_ms - pruned_ms;
    const char *after = lake_metadata_property(a->m, "write.metadata.delete-after-commit.enabled");

    if (!lake_metadata_property_bool(a->m, "gc.enabled", true)) {
        act->reason = "gc.enabled is false";
    } else if (after && !strcasecmp(after, "false")) {
        act->reason = "write.metadata.delete-after-commit.enabled is false";
    } else if (after || (int64_t)a->m->metadata_log_count < most) {
        act->reason = after ? "each commit removes its own" : "none fell off the log yet";
    } else {
        act->due = pruned_ms <= 0 || since >= PRUNE_MS;
        act->wait_ms = act->due ? -1 : PRUNE_MS - since;
        act->reason =
            arena_printf(a->arena, "the log holds %zu metadata files, older ones go after an hour",
                         a->m->metadata_log_count);
    }
    return act->reason ? 0 : nomem(a);
}

static int ask_orphans(struct asking *a, int64_t swept_ms, int64_t now_ms)
{
    struct lake_action *act = action(a, LAKE_DO_ORPHANS);
    int64_t interval = lake_metadata_property_i64(a->m, "tarn.orphans.interval-ms", 86400000);
    int64_t since = now_ms - swept_ms;

    if (!lake_metadata_property_bool(a->m, "gc.enabled", true)) {
        act->reason = "gc.enabled is false";
        return 0;
    }
    if (!lake_metadata_property_bool(a->m, "tarn.orphans.enabled", true)) {
        act->reason = "tarn.orphans.enabled is false";
        return 0;
    }
    interval = interval < 60000 ? 60000 : interval;
    act->due = swept_ms <= 0 || since >= interval;
    act->wait_ms = act->due ? -1 : interval - since;
    act->reason = act->due && swept_ms <= 0
                      ? arena_strdup(a->arena, "its folder was never looked through")
                  : act->due ? arena_printf(a->arena, "its folder was last looked through %s ago",
                                            span(a->arena, since))
                             : arena_printf(a->arena, "looked through %s ago, again in %s",
                                            span(a->arena, since), span(a->arena, act->wait_ms));
    return act->reason ? 0 : nomem(a);
}

int lake_actions(struct lake *lake, const struct lake_metadata *m, const struct lake_past *past,
                 struct arena *arena, struct lake_actions *out, struct err *err)
{
    struct asking a = {lake, m, arena, out, err};
    int64_t now_ms = clock_wall_ms(lake_clock(lake));
    int rc;

    memset(out, 0, sizeof(*out));
    rc = lake_maintain_pick(lake, m, arena, &out->merges, err);
    rc = rc ? rc : ask_rewrite(&a, LAKE_DO_DELETES, LAKE_WHY_DELETES);
    rc = rc ? rc : ask_rewrite(&a, LAKE_DO_MERGE, LAKE_WHY_SMALL);
    rc = rc ? rc : ask_rewrite(&a, LAKE_DO_SPEC, LAKE_WHY_SPEC);
    rc = rc ? rc : ask_rewrite(&a, LAKE_DO_SORT, LAKE_WHY_SORT);
    rc = rc ? rc : ask_manifests(&a);
    rc = rc ? rc : ask_expire(&a, now_ms);
    rc = rc ? rc : ask_metadata(&a, past->pruned_ms, now_ms);
    return rc ? rc : ask_orphans(&a, past->swept_ms, now_ms);
}

/* ---- counts ---- */

static int count_entries(struct lake *lake, const struct lake_metadata *m,
                         const struct lake_manifest_file *line, struct lake_health *out,
                         struct err *err)
{
    int64_t small = lake_metadata_property_i64(m, "tarn.merge.small-bytes", 1 << 20);
    struct lake_manifest *manifest;
    int rc = lake_manifest_load(lake, m, line, &manifest, err);

    for (size_t i = 0; !rc && i < manifest->entry_count; i++) {
        const struct lake_data_file *file = &manifest->entries[i].file;

        if (manifest->entries[i].status == LAKE_DELETED)
            continue;
        if (file->content == LAKE_DATA) {
            out->data_files++;
            out->data_bytes += file->file_bytes;
            out->rows += file->record_count;
            out->small_files += file->file_bytes < small;
            continue;
        }
        out->delete_files++;
        out->delete_bytes += file->content_bytes >= 0 ? file->content_bytes : file->file_bytes;
        if (file->content == LAKE_POSITION_DELETES)
            out->deleted_rows += file->record_count;
        else
            out->equality_files++;
    }
    if (!rc)
        lake_manifest_free(manifest);
    return rc;
}

static int count_snapshot(struct lake *lake, const struct lake_metadata *m, struct lake_health *out,
                          struct err *err)
{
    int64_t target = lake_metadata_property_i64(m, "commit.manifest.target-size-bytes", 8 << 20);
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(m);
    struct lake_manifest_list *list;
    struct arena arena = {0};
    size_t dangling = 0;
    int rc;

    if (!snapshot)
        return 0;
    rc = lake_manifest_list_load(lake, m, snapshot, &list, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        out->manifests++;
        out->manifest_bytes += list->files[i].length;
        out->small_manifests += list->files[i].length < target / 2;
        rc = count_entries(lake, m, &list->files[i], out, err);
    }
    lake_manifest_list_free(list);
    rc = rc ? rc : lake_dangling(lake, m, &arena, &dangling, err);
    out->dangling = (int64_t)dangling;
    arena_deinit(&arena);
    return rc;
}

int lake_health(struct lake *lake, const struct lake_metadata *m, const char *location, bool list,
                struct lake_health *out, struct err *err)
{
    struct buf text = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    out->stored_files = out->stored_bytes = -1;
    out->snapshots = (int64_t)m->snapshot_count;
    out->refs = (int64_t)m->branch_count;
    out->metadata_logged = (int64_t)m->metadata_log_count;
    for (size_t i = 0; i < m->snapshot_count; i++)
        if (!out->oldest_ms || m->snapshots[i].timestamp_ms < out->oldest_ms)
            out->oldest_ms = m->snapshots[i].timestamp_ms;
    rc = lake_metadata_print(m, &text, err);
    out->metadata_bytes = (int64_t)text.len;
    buf_deinit(&text);
    rc = rc ? rc : count_snapshot(lake, m, out, err);
    if (!rc && list)
        rc = lake_stored(lake, location, out, err);
    return rc;
}
