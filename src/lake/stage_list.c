/* stage_list.c - new manifests, merged manifests, rewritten manifests.
 *
 * Work is bounded by what changes: a rewrite touches the manifests that hold its files, found by
 * their range of sequence numbers; merging touches small manifests only, and only when there are
 * commit.manifest.min-count-to-merge of them.
 */
#include "lake/lake_int.h"

int list_write_manifest(struct list_job *job, int32_t spec_id, int32_t content,
                        const struct lake_entry *entries, size_t count,
                        struct lake_manifest_file *line, struct err *err)
{
    const char *dir = lake_metadata_property(job->metadata, "write.metadata.path");
    struct buf bytes;
    char uuid[37];
    const char *path;
    int rc;

    uuid_v4(uuid);
    path = arena_printf(job->arena, "%s%s/%s-m0.avro", dir ? dir : job->metadata->location,
                        dir ? "" : "/metadata", uuid);
    if (!path)
        return err_set(err, ERR_NOMEM, "manifest");
    buf_init(&bytes, 0);
    rc = lake_manifest_print(job->metadata, spec_id, content, entries, count, job->arena, &bytes,
                             line, err);
    rc = rc ? rc : store_put_at(lake_store(job->lake), path, buf_slice(&bytes), err);
    rc = rc ? rc : path_list_add(job->written, job->arena, path);
    line->path = path;
    line->length = (int64_t)bytes.len;
    line->sequence_number = job->sequence_number;
    line->added_snapshot_id = job->snapshot_id;
    if (line->min_sequence_number < 0)
        line->min_sequence_number = job->sequence_number;
    buf_deinit(&bytes);
    return rc;
}

/* The live entries of a manifest, as entries of a new one. */
static int keep_live(struct list_job *job, const struct lake_manifest *manifest,
                     const struct lake_manifest_file *line, struct entries *out, struct err *err)
{
    for (size_t i = 0; i < manifest->entry_count; i++) {
        struct lake_entry entry = manifest->entries[i];

        if (entry.status == LAKE_DELETED)
            continue;
        lake_entry_inherit(&entry, line);
        if (entry.status != LAKE_ADDED || entry.snapshot_id != job->snapshot_id)
            entry.status = LAKE_EXISTING;
        if (entries_add(out, job->arena, &entry))
            return err_set(err, ERR_NOMEM, "manifest");
    }
    return 0;
}

/* Manifests read while entries borrow from them; dropped together. */
struct loaded {
    struct lake_manifest **list;
    size_t count, cap;
};

static int load(struct list_job *job, struct loaded *loaded, const struct lake_manifest_file *line,
                struct lake_manifest **out, struct err *err)
{
    int rc;

    if (loaded->count == loaded->cap) {
        size_t cap = loaded->cap ? loaded->cap * 2 : 16;
        struct lake_manifest **more = realloc(loaded->list, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "manifest");
        loaded->list = more;
        loaded->cap = cap;
    }
    rc = lake_manifest_load(job->lake, job->metadata, line, out, err);
    if (!rc)
        loaded->list[loaded->count++] = *out;
    return rc;
}

static void drop_loaded(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        lake_manifest_free(loaded->list[i]);
    free(loaded->list);
}

/* Marked lines become one manifest, or as many as the target size asks for. */
static int merge_run(struct list_job *job, const struct lines *from, const bool *taken,
                     int32_t spec_id, int32_t content, int64_t target, struct lines *out,
                     struct err *err)
{
    struct loaded loaded = {0};
    struct entries entries = {0};
    struct lake_manifest_file line;
    struct lake_manifest *manifest;
    int64_t bytes = 0;
    int rc = 0;

    for (size_t i = 0; i < from->count && !rc; i++) {
        const struct lake_manifest_file *f = &from->list[i];

        if (!taken[i] || f->spec_id != spec_id || f->content != content)
            continue;
        if (entries.count && bytes + f->length > target) {
            rc =
                list_write_manifest(job, spec_id, content, entries.list, entries.count, &line, err);
            rc = rc ? rc : lines_add(out, job->arena, &line);
            entries.count = 0;
            bytes = 0;
        }
        rc = rc ? rc : load(job, &loaded, f, &manifest, err);
        rc = rc ? rc : keep_live(job, manifest, f, &entries, err);
        bytes += f->length;
    }
    if (!rc && entries.count) {
        rc = list_write_manifest(job, spec_id, content, entries.list, entries.count, &line, err);
        rc = rc ? rc : lines_add(out, job->arena, &line);
    }
    drop_loaded(&loaded);
    return rc;
}

/* Not what this snapshot itself writes: it would be on disk and named by nobody. v3: a manifest
 * whose rows have no ids yet gets them with the list; merge it later. */
static bool mergeable(const struct list_job *job, const struct lake_manifest_file *line,
                      int32_t spec_id, int32_t content, int64_t target)
{
    const struct lake_metadata *m = job->metadata;

    return line->added_snapshot_id != job->snapshot_id && line->spec_id == spec_id &&
           line->content == content && line->length < target / 2 &&
           (m->format_version < 3 || content == 1 || line->first_row_id >= 0);
}

int list_merge(struct list_job *job, struct lines *lines, struct err *err)
{
    const struct lake_metadata *m = job->metadata;
    int64_t target = lake_metadata_property_i64(m, "commit.manifest.target-size-bytes", 8 << 20);
    int64_t min = lake_metadata_property_i64(m, "commit.manifest.min-count-to-merge", 100);
    bool *taken = ARENA_ARRAY(job->arena, bool, lines->count + 1);
    struct lines out = {0};
    int rc = 0;

    if (!taken)
        return err_set(err, ERR_NOMEM, "manifest list");
    if (!lake_metadata_property_bool(m, "commit.manifest-merge.enabled", true))
        return 0;
    for (size_t s = 0; s < m->spec_count; s++)
        for (int32_t content = 0; content < 2; content++) {
            size_t count = 0;

            for (size_t i = 0; i < lines->count; i++)
                count += mergeable(job, &lines->list[i], m->specs[s].id, content, target);
            for (size_t i = 0; i < lines->count && count >= (size_t)(min > 2 ? min : 2); i++)
                taken[i] |= mergeable(job, &lines->list[i], m->specs[s].id, content, target);
            if (count >= (size_t)(min > 2 ? min : 2))
                rc = rc ? rc
                        : merge_run(job, lines, taken, m->specs[s].id, content, target, &out, err);
        }
    if (rc || !out.count)
        return rc;
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (!taken[i] && lines_add(&out, job->arena, &lines->list[i]))
            rc = err_set(err, ERR_NOMEM, "manifest list");
    *lines = out;
    return rc;
}

/* Deletes that came after a rewrite read its files might apply to them. */
static bool newer_deletes(const struct lines *lines, int64_t base_sequence_number)
{
    for (size_t i = 0; i < lines->count; i++)
        if (lines->list[i].content == 1 && lines->list[i].sequence_number > base_sequence_number &&
            (lines->list[i].added_files != 0 || lines->list[i].existing_files != 0))
            return true;
    return false;
}

static bool may_hold(const struct lake_manifest_file *line, const struct lake_rewrite *rewrite)
{
    if (line->content != 0 || (line->added_files == 0 && line->existing_files == 0))
        return false;
    for (size_t i = 0; i < rewrite->removed_count; i++) {
        const struct lake_entry *e = &rewrite->removed[i];

        if (line->spec_id == e->file.spec_id && line->sequence_number >= e->file_sequence_number &&
            line->min_sequence_number <= e->sequence_number)
            return true;
    }
    return false;
}

/* Marks the lines that hold the files of `rewrite`; true when all were found live. */
static int find_files(struct list_job *job, const struct lines *lines,
                      const struct lake_rewrite *rewrite, struct loaded *loaded, bool *touched,
                      bool *all, struct err *err)
{
    struct path_set wanted = {.arena = job->arena};
    struct arena *arena = job->arena;
    bool *mine = ARENA_ARRAY(arena, bool, lines->count + 1);
    size_t missing = rewrite->removed_count;
    int rc = 0;

    *all = false;
    for (size_t i = 0; i < rewrite->removed_count; i++)
        if (path_set_add(&wanted, rewrite->removed[i].file.path) < 0)
            return err_set(err, ERR_NOMEM, "rewrite");
    if (!mine)
        return err_set(err, ERR_NOMEM, "rewrite");
    for (size_t i = 0; i < lines->count && missing && !rc; i++) {
        struct lake_manifest *manifest;

        if (!may_hold(&lines->list[i], rewrite))
            continue;
        rc = load(job, loaded, &lines->list[i], &manifest, err);
        for (size_t k = 0; !rc && k < manifest->entry_count; k++)
            if (manifest->entries[k].status != LAKE_DELETED &&
                path_set_has(&wanted, manifest->entries[k].file.path)) {
                mine[i] = true;
                missing--;
            }
    }
    *all = !rc && missing == 0;
    for (size_t i = 0; i < lines->count && *all; i++)
        touched[i] |= mine[i];
    return rc;
}

static int add_deleted_and_kept(struct list_job *job, const struct lines *lines,
                                const bool *touched, int32_t spec_id,
                                const struct path_set *removed, struct loaded *loaded,
                                struct entries *out, struct rewrite_totals *totals, struct err *err)
{
    for (size_t i = 0; i < lines->count; i++) {
        struct lake_manifest *manifest;
        int rc;

        if (!touched[i] || lines->list[i].spec_id != spec_id)
            continue;
        rc = load(job, loaded, &lines->list[i], &manifest, err);
        if (rc)
            return rc;
        for (size_t k = 0; k < manifest->entry_count; k++) {
            struct lake_entry entry = manifest->entries[k];

            if (entry.status == LAKE_DELETED)
                continue;
            lake_entry_inherit(&entry, &lines->list[i]);
            entry.status = LAKE_EXISTING;
            if (path_set_has(removed, entry.file.path)) {
                entry.status = LAKE_DELETED;
                entry.snapshot_id = job->snapshot_id;
                totals->removed_files++;
                totals->removed_rows += entry.file.record_count;
                totals->removed_bytes += entry.file.file_bytes;
            }
            if (entries_add(out, job->arena, &entry))
                return err_set(err, ERR_NOMEM, "rewrite");
        }
    }
    return 0;
}

/* Rows keep the age of the newest file they came from: deletes that were newer stay newer. */
static int add_new(struct list_job *job, const struct lake_rewrite *rewrite, int32_t spec_id,
                   struct entries *out, struct rewrite_totals *totals, struct err *err)
{
    for (size_t i = 0; i < rewrite->added_count; i++) {
        struct lake_entry entry = {.status = LAKE_ADDED,
                                   .snapshot_id = -1,
                                   .sequence_number = rewrite->base_sequence_number,
                                   .file_sequence_number = -1,
                                   .file = rewrite->added[i]};

        if (entry.file.spec_id != spec_id)
            continue;
        totals->added_files++;
        totals->added_rows += entry.file.record_count;
        totals->added_bytes += entry.file.file_bytes;
        if (entries_add(out, job->arena, &entry))
            return err_set(err, ERR_NOMEM, "rewrite");
    }
    return 0;
}

int list_rewrite(struct list_job *job, struct lines *lines, const struct lake_rewrite *rewrites,
                 size_t count, struct rewrite_totals *totals, struct err *err)
{
    bool *touched = ARENA_ARRAY(job->arena, bool, lines->count + 1);
    bool *keep = ARENA_ARRAY(job->arena, bool, count + 1);
    struct path_set removed = {.arena = job->arena};
    struct loaded loaded = {0};
    struct lines out = {0};
    int rc = touched && keep ? 0 : err_set(err, ERR_NOMEM, "rewrite");

    for (size_t i = 0; i < count && !rc; i++) {
        if (!newer_deletes(lines, rewrites[i].base_sequence_number))
            rc = find_files(job, lines, &rewrites[i], &loaded, touched, &keep[i], err);
        for (size_t k = 0; k < rewrites[i].added_count && !keep[i] && !rc; k++)
            rc = path_list_add(job->dropped, job->arena, rewrites[i].added[k].path);
        for (size_t k = 0; k < rewrites[i].removed_count && keep[i] && !rc; k++)
            if (path_set_add(&removed, rewrites[i].removed[k].file.path) < 0)
                rc = err_set(err, ERR_NOMEM, "rewrite");
        totals->kept += keep[i];
    }
    for (size_t s = 0; s < job->metadata->spec_count && totals->kept && !rc; s++) {
        int32_t spec_id = job->metadata->specs[s].id;
        struct entries entries = {0};
        struct lake_manifest_file line;

        for (size_t i = 0; i < count && !rc; i++)
            if (keep[i])
                rc = add_new(job, &rewrites[i], spec_id, &entries, totals, err);
        rc = rc ? rc
                : add_deleted_and_kept(job, lines, touched, spec_id, &removed, &loaded, &entries,
                                       totals, err);
        if (rc || !entries.count)
            continue;
        rc = list_write_manifest(job, spec_id, 0, entries.list, entries.count, &line, err);
        rc = rc ? rc : lines_add(&out, job->arena, &line);
    }
    drop_loaded(&loaded);
    for (size_t i = 0; i < lines->count && totals->kept && !rc; i++)
        if (!touched[i] && lines_add(&out, job->arena, &lines->list[i]))
            rc = err_set(err, ERR_NOMEM, "rewrite");
    if (!rc && totals->kept)
        *lines = out;
    return rc;
}
