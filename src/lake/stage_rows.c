/* stage_rows.c - rows and whole files that a change takes away, and what must not have happened.
 *
 * Positions are united with those of the file's own live deletes at every attempt anew, so a change
 * that is staged again after somebody else's delete keeps both. What cannot be kept is refused:
 *
 *   the data file is not live any more       its rows lie elsewhere now: ERR_STALE
 *   LAKE_CHECK_ROWS_LIVE, and a position     somebody else deleted that row, and our successor of
 *   of ours is deleted already               it would bring it back: ERR_STALE
 *   LAKE_CHECK_NEW_ROWS, and a data file     a row that the statement would have met: ERR_STALE
 *   with a newer data sequence number
 *
 * Sequence numbers rather than the history of snapshots tell what is newer: a compaction keeps the
 * numbers of its inputs, so it adds no row, and it does not hide one that was added before it ran.
 * What was written in v1 has none (0). There the history tells, and a compaction is news too: it
 * may hold rows that came before it.
 */
#include "lake/scan.h"
#include "lake/stage_int.h"

struct rows {
    struct attempt *a;
    struct list_job *job;
    struct lines *lines;
    struct delete_live live;
    struct loaded loaded;
    struct target *targets; /* files of row deletes, then removed files */
    size_t target_count;
    struct cuts cuts;
    struct vec_conn *conn;
    struct vectors vectors;
    struct entries added; /* new delete files; v3: those of the vectors, in their order */
    int64_t from_sequence_number;
    int64_t *since; /* snapshots without number after the one the change was computed from */
    size_t since_count;
    struct change_totals *totals;
};

static int nomem(struct rows *r)
{
    return err_set(r->a->err, ERR_NOMEM, "deleted rows");
}

static int stale(struct rows *r, const char *path, const char *what)
{
    return err_set(r->a->err, ERR_STALE, "%s: %s", path, what);
}

/* The sequence number of the snapshot that the change was computed from, which must be in the
 * branch's line. */
static int find_from(struct rows *r)
{
    const struct lake_metadata *m = r->a->base;
    const struct lake_snapshot *at = r->a->parent;

    r->from_sequence_number = -1;
    r->since = ARENA_ARRAY(r->job->arena, int64_t, m->snapshot_count + 1);
    if (!r->since)
        return nomem(r);
    if (r->a->change->from_snapshot_id < 0)
        return 0;
    for (size_t i = 0; at && i <= m->snapshot_count; i++) {
        if (at->id == r->a->change->from_snapshot_id) {
            r->from_sequence_number = at->sequence_number;
            return 0;
        }
        if (at->sequence_number == 0)
            r->since[r->since_count++] = at->id;
        at = at->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(m, at->parent_id);
    }
    return err_set(r->a->err, ERR_STALE,
                   "snapshot %" PRId64 ", which the change was computed from, is not in the line "
                   "of branch %s",
                   r->a->change->from_snapshot_id, r->a->branch);
}

static bool is_new(const struct rows *r, int64_t sequence_number, int64_t snapshot_id)
{
    for (size_t i = 0; sequence_number == 0 && i < r->since_count; i++)
        if (r->since[i] == snapshot_id)
            return true;
    return sequence_number > r->from_sequence_number;
}

static int check_new_rows(struct rows *r)
{
    const struct lake_change *c = r->a->change;
    const struct lake_metadata *m = r->a->base;
    const struct lake_schema *schema = lake_metadata_schema(m);
    int rc = 0;

    for (size_t i = 0; i < r->lines->count && !rc; i++) {
        const struct lake_manifest_file *line = &r->lines->list[i];
        struct lake_manifest *manifest;

        if (line->content != 0 || !is_new(r, line->sequence_number, line->added_snapshot_id) ||
            (line->added_files == 0 && line->existing_files == 0) ||
            prune_manifest(m, schema, line, c->filter, c->filter_count))
            continue;
        rc = list_load(r->job, &r->loaded, line, &manifest, r->a->err);
        for (size_t k = 0; !rc && k < manifest->entry_count; k++) {
            struct lake_entry entry = manifest->entries[k];

            if (entry.status == LAKE_DELETED)
                continue;
            lake_entry_inherit(&entry, line);
            if (is_new(r, entry.sequence_number, entry.snapshot_id) &&
                !prune_file(m, schema, &entry.file, c->filter, c->filter_count))
                rc = stale(r, entry.file.path, "rows that may match were added meanwhile");
        }
    }
    return rc;
}

static int find_targets(struct rows *r)
{
    const struct lake_change *c = r->a->change;
    int rc;

    r->target_count = c->row_delete_count + c->removed_count;
    r->targets = ARENA_ARRAY(r->job->arena, struct target, r->target_count + 1);
    if (!r->targets)
        return nomem(r);
    for (size_t i = 0; i < c->row_delete_count; i++) {
        const struct lake_row_delete *d = &c->row_deletes[i];

        r->targets[i] =
            (struct target){d->path, d->spec_id, d->sequence_number, d->file_sequence_number};
    }
    for (size_t i = 0; i < c->removed_count; i++) {
        const struct lake_entry *e = &c->removed[i];

        r->targets[c->row_delete_count + i] = (struct target){
            e->file.path, e->file.spec_id, e->sequence_number, e->file_sequence_number};
    }
    rc = list_find(r->job, r->lines, r->targets, r->target_count, &r->loaded, r->a->err);
    for (size_t i = 0; i < r->target_count && !rc; i++)
        if (!r->targets[i].found)
            rc = stale(r, r->targets[i].path, "the data file is not in the table any more");
    return rc;
}

static int cut_target(struct rows *r, const struct target *t)
{
    size_t entries = (size_t)r->lines->list[t->line].added_files +
                     (size_t)r->lines->list[t->line].existing_files +
                     (size_t)r->lines->list[t->line].deleted_files;

    return cuts_add(&r->cuts, t->line, t->index, entries, r->job->arena, r->a->err);
}

static int cut_delete(struct rows *r, const struct live_delete *d)
{
    return cuts_add(&r->cuts, d->line, d->index, r->live.loaded[d->line]->entry_count,
                    r->job->arena, r->a->err);
}

static bool newer(const struct rows *r, const struct live_delete *d)
{
    return (r->a->change->checks & LAKE_CHECK_ROWS_LIVE) &&
           d->entry->sequence_number > r->from_sequence_number;
}

/* A removed file takes its own deletes along. */
static int leave_with_file(void *arg, const struct live_delete *d, bool own)
{
    struct rows *r = arg;

    if (newer(r, d))
        return stale(r, d->entry->file.path,
                     "rows of a file that is replaced were deleted "
                     "meanwhile");
    return own ? cut_delete(r, d) : 0;
}

static int remove_files(struct rows *r)
{
    int rc = 0;

    for (size_t i = r->a->change->row_delete_count; i < r->target_count && !rc; i++) {
        rc = cut_target(r, &r->targets[i]);
        rc =
            rc ? rc : delete_live_of(&r->live, &r->targets[i].entry, leave_with_file, r, r->a->err);
    }
    return rc;
}

/* The deletes of one data file while its rows are deleted. */
struct gathering {
    struct rows *r;
    const struct target *target;
    struct arena scratch;
    struct positions before;       /* of deletes read so far */
    size_t own_count, taken_count; /* deletes of the file alone; others taken into its vector */
};

static int gather(void *arg, const struct live_delete *d, bool own)
{
    struct gathering *g = arg;
    struct rows *r = g->r;
    bool v3 = r->a->base->format_version >= 3, check = newer(r, d);
    struct positions more;
    size_t fresh;
    int rc;

    if (d->entry->file.content == LAKE_EQUALITY_DELETES)
        return check ? stale(r, d->entry->file.path, "rows were deleted by equality meanwhile") : 0;
    g->own_count += own;
    g->taken_count += !own && v3;
    if (!own && !v3 && !check) /* stays live beside ours */
        return 0;
    rc = delete_file_read(r->a->staged->lake, r->conn, &d->entry->file, g->target->path,
                          &g->scratch, &more, r->a->err);
    rc = rc ? rc : positions_unite(&g->before, &more, &g->scratch, &g->before, &fresh, r->a->err);
    return rc;
}

static int cut_own(void *arg, const struct live_delete *d, bool own)
{
    return own ? cut_delete(arg, d) : 0;
}

/* The new delete as an entry; the file of vectors is named and written when all are known. */
static int write_delete(struct rows *r, const struct target *t, const struct positions *all)
{
    struct lake *lake = r->a->staged->lake;
    struct arena *arena = r->job->arena;
    /* The id is written out although it could be inherited: pyiceberg 0.10 loses an entry's status,
     * and with it the sequence number, when it fills an id in. Then no delete applies. */
    struct lake_entry entry = {.status = LAKE_ADDED,
                               .snapshot_id = r->job->snapshot_id,
                               .sequence_number = -1,
                               .file_sequence_number = -1};
    struct lake_data_file *f = &entry.file;
    int rc;

    if (r->a->base->format_version < 2)
        return err_set(r->a->err, ERR_UNSUPPORTED,
                       "a table of format version 1 has no delete files: write what stays of %s "
                       "anew, or upgrade the table ('format-version' = '2')",
                       t->path);
    if (r->a->base->format_version >= 3) {
        const char *path = arena_strdup(arena, t->path);

        rc = path ? vectors_add(&r->vectors, path, all, f, r->a->err) : nomem(r);
    } else {
        rc = r->conn ? delete_file_write(lake, r->a->base, t->path, all, arena, f, r->a->err)
                     : err_set(r->a->err, ERR_INVALID, "nothing here writes Parquet");
        rc = rc ? rc : path_list_add(&r->a->staged->written, arena, f->path);
    }
    f->spec_id = t->entry.file.spec_id;
    f->partition = t->entry.file.partition;
    f->partition_count = t->entry.file.partition_count;
    if (!rc && entries_add(&r->added, arena, &entry))
        rc = nomem(r);
    return rc;
}

static int check_positions(struct rows *r, const struct lake_row_delete *d, const struct target *t)
{
    for (size_t i = 0; i < d->position_count; i++)
        if (d->positions[i] < (i ? d->positions[i - 1] + 1 : 0) ||
            d->positions[i] >= t->entry.file.record_count)
            return err_set(r->a->err, ERR_INVALID, "%s has no row %" PRId64 " to delete", d->path,
                           d->positions[i]);
    return 0;
}

/* A rewrite that rides along takes even a file whose last rows go: it is gone with it. */
static bool is_rewritten(const struct rows *r, const char *path)
{
    const struct lake_change *c = r->a->change;

    for (size_t i = 0; i < c->rewrite_count; i++)
        for (size_t k = 0; c->rewrites[i].map && k < c->rewrites[i].removed_count; k++)
            if (!strcmp(c->rewrites[i].removed[k].file.path, path))
                return true;
    return false;
}

static int delete_gathered(struct rows *r, const struct lake_row_delete *d, const struct target *t,
                           struct gathering *g)
{
    const struct positions ours = {(int64_t *)d->positions, d->position_count};
    struct positions all;
    size_t fresh;
    int rc = positions_unite(&g->before, &ours, &g->scratch, &all, &fresh, r->a->err);

    if (rc)
        return rc;
    if (fresh < d->position_count && (r->a->change->checks & LAKE_CHECK_ROWS_LIVE))
        return stale(r, d->path, "a row that is changed was deleted meanwhile");
    if (!fresh && g->own_count <= 1 && !g->taken_count)
        return 0; /* all of them are gone already */
    rc = delete_live_of(&r->live, &t->entry, cut_own, r, r->a->err);
    if (rc || !all.count)
        return rc;
    return (int64_t)all.count == t->entry.file.record_count && !is_rewritten(r, t->path)
               ? cut_target(r, t)
               : write_delete(r, t, &all);
}

static int delete_rows(struct rows *r, const struct lake_row_delete *d, const struct target *t)
{
    struct gathering g = {.r = r, .target = t, .scratch.max_bytes = (size_t)4 << 30};
    int rc = check_positions(r, d, t);

    rc = rc ? rc : delete_live_of(&r->live, &t->entry, gather, &g, r->a->err);
    rc = rc ? rc : delete_gathered(r, d, t, &g);
    arena_deinit(&g.scratch);
    return rc;
}

static int put_vectors(struct rows *r)
{
    const char *path;
    int rc = vectors_write(&r->vectors, r->a->staged->lake, r->a->base, &r->added, r->job->arena,
                           &path, r->a->err);

    return rc ? rc : path_list_add(&r->a->staged->written, r->job->arena, path);
}

/* One manifest per partition spec among the new delete files. */
static int write_manifests(struct rows *r, struct lines *fresh)
{
    const struct lake_metadata *m = r->a->base;
    int rc = 0;

    for (size_t k = 0; k < m->spec_count && !rc; k++) {
        struct entries entries = {0};
        struct lake_manifest_file line;

        for (size_t i = 0; i < r->added.count && !rc; i++)
            if (r->added.list[i].file.spec_id == m->specs[k].id) {
                rc = totals_add(r->totals, false, &r->added.list[i].file, r->job->arena, r->a->err);
                rc = rc ? rc : entries_add(&entries, r->job->arena, &r->added.list[i]);
            }
        if (rc || !entries.count)
            continue;
        rc = list_write_manifest(r->job, m->specs[k].id, 1, entries.list, entries.count, &line,
                                 r->a->err);
        rc = rc ? rc : lines_add(fresh, r->job->arena, &line);
    }
    return rc;
}

static int take_away(struct rows *r, struct lines *fresh)
{
    const struct lake_change *c = r->a->change;
    struct attempt *a = r->a;
    int rc = find_targets(r);

    rc = rc ? rc
            : delete_live_init(&r->live, a->staged->lake, a->base, r->lines, r->job->arena, a->err);
    rc = rc ? rc : cuts_init(&r->cuts, r->lines->count, r->job->arena, a->err);
    if (!rc && c->db)
        rc = vec_conn_new(&r->conn, c->db, a->err);
    rc = rc ? rc : remove_files(r);
    for (size_t i = 0; i < c->row_delete_count && !rc; i++)
        rc = delete_rows(r, &c->row_deletes[i], &r->targets[i]);
    if (!rc && r->vectors.count)
        rc = put_vectors(r);
    rc = rc ? rc : write_manifests(r, fresh);
    return rc ? rc : list_cut(r->job, r->lines, &r->cuts, r->totals, a->err);
}

int stage_rows(struct attempt *a, struct list_job *job, struct lines *lines, struct lines *fresh,
               struct change_totals *totals)
{
    struct rows r = {.a = a, .job = job, .lines = lines, .totals = totals};
    const struct lake_change *c = a->change;
    int rc = c->checks ? find_from(&r) : 0;

    if (!rc && (c->checks & LAKE_CHECK_NEW_ROWS))
        rc = check_new_rows(&r);
    if (!rc && (c->row_delete_count || c->removed_count))
        rc = take_away(&r, fresh);
    vectors_deinit(&r.vectors);
    vec_conn_free(r.conn);
    delete_live_deinit(&r.live);
    list_drop_loaded(&r.loaded);
    return rc;
}
