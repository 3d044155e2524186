/* stage_list.c - new manifests, merged manifests, rewritten manifests.
 *
 * Work is bounded by what changes: a rewrite touches the manifests that hold its files, found by
 * their range of sequence numbers; merging touches small manifests only, those of a like size, and
 * only when there are commit.manifest.min-count-to-merge of them.
 */
#include "lake/stage_int.h"

int list_put(struct lake *lake, struct lake_carrier *carrier, const char *path, struct slice bytes,
             struct err *err)
{
    return carrier ? carrier->put(carrier, path, bytes, err)
                   : store_put_at(lake_store(lake), path, bytes, err);
}

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
    rc = rc ? rc : list_put(job->lake, job->carrier, path, buf_slice(&bytes), err);
    rc = rc ? rc : path_list_add(job->written, job->arena, path);
    line->path = path;
    line->length = (int64_t)bytes.len;
    line->sequence_number = job->sequence_number;
    line->added_snapshot_id = job->snapshot_id;
    if (line->min_sequence_number < 0)
        line->min_sequence_number = job->sequence_number;
    if (!rc)
        manifest_keep(job->lake, job->metadata, line, entries, count);
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

int list_load(struct list_job *job, struct loaded *loaded, const struct lake_manifest_file *line,
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

void list_drop_loaded(struct loaded *loaded)
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
        rc = rc ? rc : list_load(job, &loaded, f, &manifest, err);
        rc = rc ? rc : keep_live(job, manifest, f, &entries, err);
        bytes += f->length;
    }
    if (!rc && entries.count) {
        rc = list_write_manifest(job, spec_id, content, entries.list, entries.count, &line, err);
        rc = rc ? rc : lines_add(out, job->arena, &line);
    }
    list_drop_loaded(&loaded);
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

struct sized {
    size_t line;
    int64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;

    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The smallest ones, and larger ones as long as each is no more than twice as large as what goes
 * into the same manifest already: so an entry is written again once for every doubling, whatever
 * the number of commits, and a few sizes are left. False: there are less than `min`. */
static bool pick_small(struct list_job *job, const struct lines *lines, int32_t spec_id,
                       int32_t content, int64_t target, size_t min, struct sized *list, bool *taken)
{
    size_t count = 0, used = 0;
    int64_t total = 0;

    for (size_t i = 0; i < lines->count; i++)
        if (mergeable(job, &lines->list[i], spec_id, content, target))
            list[count++] = (struct sized){i, lines->list[i].length};
    if (count < min)
        return false;
    qsort(list, count, sizeof(*list), by_bytes);
    for (; used < count && (used < 2 || list[used].bytes <= 2 * total); used++) {
        taken[list[used].line] = true;
        total += list[used].bytes;
    }
    return true;
}

int list_merge(struct list_job *job, struct lines *lines, struct err *err)
{
    const struct lake_metadata *m = job->metadata;
    int64_t target = lake_metadata_property_i64(m, "commit.manifest.target-size-bytes", 8 << 20);
    int64_t min = lake_metadata_property_i64(m, "commit.manifest.min-count-to-merge", 100);
    bool *taken = ARENA_ARRAY(job->arena, bool, lines->count + 1);
    struct sized *list = ARENA_ARRAY(job->arena, struct sized, lines->count + 1);
    struct lines out = {0};
    int rc = 0;

    if (!taken || !list)
        return err_set(err, ERR_NOMEM, "manifest list");
    if (!lake_metadata_property_bool(m, "commit.manifest-merge.enabled", true))
        return 0;
    for (size_t s = 0; s < m->spec_count; s++)
        for (int32_t content = 0; content < 2 && !rc; content++)
            if (pick_small(job, lines, m->specs[s].id, content, target, (size_t)(min > 2 ? min : 2),
                           list, taken))
                rc = merge_run(job, lines, taken, m->specs[s].id, content, target, &out, err);
    if (rc || !out.count)
        return rc;
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (!taken[i] && lines_add(&out, job->arena, &lines->list[i]))
            rc = err_set(err, ERR_NOMEM, "manifest list");
    *lines = out;
    return rc;
}

/* ---- files replaced by files with the same rows ---- */

struct replacing {
    struct list_job *job;
    struct delete_live live;
    struct loaded loaded;
    struct cuts cuts;
    const struct lake_rewrite *rewrite; /* the one at hand */
    bool unread;  /* a delete applies that was not there when it was read, and cannot follow */
    size_t input; /* of the file at hand */
    struct late_delete *late; /* that follow */
    size_t late_count, late_cap;
    struct rebase rebase;
};

static int keep_late(struct replacing *x, const struct live_delete *d)
{
    if (x->late_count == x->late_cap) {
        size_t cap = x->late_cap ? x->late_cap * 2 : 16;
        struct late_delete *more = ARENA_ARRAY(x->job->arena, struct late_delete, cap);

        if (!more)
            return ERR_NOMEM;
        if (x->late_count)
            memcpy(more, x->late, x->late_count * sizeof(*more));
        x->late = more;
        x->late_cap = cap;
    }
    x->late[x->late_count++] = (struct late_delete){x->input, d->entry};
    return 0;
}

/* A delete that the rewrite did not apply: its rows would come back. One by equality that is newer
 * than what was read applies to the new files too. */
static int compare_delete(void *arg, const struct live_delete *d, bool own)
{
    struct replacing *x = arg;
    const struct lake_data_file *f = &d->entry->file;

    (void)own;
    if (f->content == LAKE_EQUALITY_DELETES &&
        d->entry->sequence_number > x->rewrite->base_sequence_number)
        return 0;
    for (size_t i = 0; i < x->rewrite->delete_count; i++) {
        const struct lake_data_file *seen = &x->rewrite->deletes[i].file;

        if (!strcmp(seen->path, f->path) && seen->content_pos == f->content_pos)
            return 0;
    }
    if (f->content == LAKE_POSITION_DELETES && rebase_can(&x->rebase, x->rewrite))
        return keep_late(x, d);
    x->unread = true;
    return 0;
}

/* New files lie in partitions of another spec than those they replace. */
static bool moves(const struct lake_rewrite *w)
{
    for (size_t i = 0; i < w->removed_count; i++)
        for (size_t k = 0; k < w->added_count; k++)
            if (w->removed[i].file.spec_id != w->added[k].spec_id)
                return true;
    return false;
}

/* A delete by equality in one partition is about files of its own spec: of one that came since the
 * rows were read, it may have meant a row that has moved out of its reach, and it may reach a row
 * that it did not mean. */
static bool moved_past_deletes(const struct replacing *x)
{
    if (!moves(x->rewrite))
        return false;
    for (const struct live_delete *d = x->live.equality; d; d = d->next) {
        const struct lake_partition_spec *spec =
            lake_metadata_spec_by_id(x->job->metadata, d->entry->file.spec_id);

        if (d->entry->sequence_number > x->rewrite->base_sequence_number &&
            (!spec || spec->field_count))
            return true;
    }
    return false;
}

/* Finds the files of the rewrite at hand; *fits when all are live with the deletes it read. */
static int find_inputs(struct replacing *x, const struct lines *lines, struct target *targets,
                       bool *fits, struct err *err)
{
    const struct lake_rewrite *w = x->rewrite;
    int rc;

    for (size_t i = 0; i < w->removed_count; i++) {
        const struct lake_entry *e = &w->removed[i];

        targets[i] = (struct target){e->file.path, e->file.spec_id, e->sequence_number,
                                     e->file_sequence_number};
    }
    rc = list_find(x->job, lines, targets, w->removed_count, &x->loaded, err);
    *fits = !moved_past_deletes(x);
    x->late_count = 0;
    for (size_t i = 0; i < w->removed_count && !rc && *fits; i++) {
        *fits = targets[i].found;
        x->unread = false;
        x->input = i;
        if (*fits)
            rc = delete_live_of(&x->live, &targets[i].entry, compare_delete, x, err);
        *fits &= !x->unread;
    }
    return rc;
}

static int cut_own(void *arg, const struct live_delete *d, bool own)
{
    struct replacing *x = arg;

    return own ? cuts_add(&x->cuts, d->line, d->index, x->live.loaded[d->line]->entry_count,
                          x->job->arena, NULL)
               : 0;
}

/* Takes a rewrite's files out, or leaves the rewrite out. */
static int replace_one(struct replacing *x, const struct lines *lines, bool *fits, struct err *err)
{
    const struct lake_rewrite *w = x->rewrite;
    struct target *targets = ARENA_ARRAY(x->job->arena, struct target, w->removed_count + 1);
    int rc =
        targets ? find_inputs(x, lines, targets, fits, err) : err_set(err, ERR_NOMEM, "rewrite");

    if (!rc && *fits && x->late_count)
        rc = rebase_rewrite(&x->rebase, w, x->late, x->late_count, err);
    for (size_t i = 0; i < w->removed_count && !rc && *fits; i++) {
        const struct lake_manifest_file *line = &lines->list[targets[i].line];
        bool *taken = x->cuts.taken[targets[i].line];

        if (taken && taken[targets[i].index]) /* by a rewrite before this one */
            return err_set(err, ERR_INVALID, "%s is rewritten twice", targets[i].path);
        rc = cuts_add(&x->cuts, targets[i].line, targets[i].index,
                      (size_t)(line->added_files + line->existing_files + line->deleted_files),
                      x->job->arena, err);
        rc = rc ? rc : delete_live_of(&x->live, &targets[i].entry, cut_own, x, err);
    }
    for (size_t k = 0; k < w->added_count && !*fits && !rc; k++)
        rc = path_list_add(x->job->dropped, x->job->arena, w->added[k].path);
    return rc;
}

/* Rows keep the age that the rewrite says: deletes that were newer stay newer. */
static int add_outputs(struct list_job *job, const struct lake_rewrite *rewrite, int32_t spec_id,
                       struct entries *out, struct change_totals *totals, struct err *err)
{
    for (size_t i = 0; i < rewrite->added_count; i++) {
        struct lake_entry entry = {.status = LAKE_ADDED,
                                   .snapshot_id = job->snapshot_id,
                                   .sequence_number = rewrite->base_sequence_number,
                                   .file_sequence_number = -1,
                                   .file = rewrite->added[i]};

        if (entry.file.spec_id != spec_id)
            continue;
        if (totals_add(totals, false, &entry.file, job->arena, err) ||
            entries_add(out, job->arena, &entry))
            return err_set(err, ERR_NOMEM, "rewrite");
    }
    return 0;
}

static int write_outputs(struct list_job *job, const struct lake_rewrite *rewrites,
                         const bool *keep, size_t count, struct lines *out,
                         struct change_totals *totals, struct err *err)
{
    int rc = 0;

    for (size_t s = 0; s < job->metadata->spec_count && !rc; s++) {
        int32_t spec_id = job->metadata->specs[s].id;
        struct entries entries = {0};
        struct lake_manifest_file line;

        for (size_t i = 0; i < count && !rc; i++)
            if (keep[i])
                rc = add_outputs(job, &rewrites[i], spec_id, &entries, totals, err);
        if (rc || !entries.count)
            continue;
        rc = list_write_manifest(job, spec_id, 0, entries.list, entries.count, &line, err);
        rc = rc ? rc : lines_add(out, job->arena, &line);
    }
    return rc;
}

int list_replace(struct list_job *job, struct lines *lines, const struct lake_rewrite *rewrites,
                 size_t count, struct vec_db *db, struct change_totals *totals, size_t *kept,
                 struct err *err)
{
    struct replacing x = {.job = job, .rebase = {.job = job, .db = db}};
    bool *keep = ARENA_ARRAY(job->arena, bool, count + 1);
    struct lines out = {0};
    int rc = keep ? 0 : err_set(err, ERR_NOMEM, "rewrite");

    *kept = 0;
    rc = rc ? rc : delete_live_init(&x.live, job->lake, job->metadata, lines, job->arena, err);
    rc = rc ? rc : cuts_init(&x.cuts, lines->count, job->arena, err);
    for (size_t i = 0; i < count && !rc; i++) {
        x.rewrite = &rewrites[i];
        rc = replace_one(&x, lines, &keep[i], err);
        *kept += !rc && keep[i];
    }
    if (!rc && *kept) {
        rc = write_outputs(job, rewrites, keep, count, &out, totals, err);
        rc = rc ? rc : rebase_write(&x.rebase, &out, totals, err);
        rc = rc ? rc : list_cut(job, lines, &x.cuts, totals, err);
        for (size_t i = 0; i < lines->count && !rc; i++)
            rc = lines_add(&out, job->arena, &lines->list[i]);
        if (!rc)
            *lines = out;
    }
    delete_live_deinit(&x.live);
    rebase_deinit(&x.rebase);
    list_drop_loaded(&x.loaded);
    return rc;
}
