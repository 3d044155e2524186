/* stage.c - one commit, written down: snapshots, expiry, metadata file. See stage.h. */
#include "lake/stage.h"

#include "lake/stage_int.h"

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
        for (size_t i = 0; i < s->data.count; i++)
            inflight_done(lake_inflight(s->lake), s->data.list[i]);
        lake_remove_files(s->lake, s->garbage.list, s->garbage.count);
        if (s->swap.base_location)
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
    return s->has_first ? s->append_id : -1;
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
/* Until the change is true its files are in flight (inflight.h): settling ends that. */
static int note_files(struct lake_staged *s, const struct lake_change *change, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < change->added_count && !rc; i++)
        rc = path_list_add(&s->data, &s->arena, change->added[i].path);
    for (size_t i = 0; i < change->rewrite_count; i++)
        for (size_t k = 0; k < change->rewrites[i].added_count && !rc; k++)
            rc = path_list_add(&s->data, &s->arena, change->rewrites[i].added[k].path);
    return rc ? err_set(err, rc, "staging") : 0;
}

/* One manifest per partition spec among the added files; once, whatever conflicts follow. */
static int write_added(struct lake_staged *s, const struct lake_metadata *base,
                       const struct lake_change *change, struct lake_carrier *carrier,
                       struct err *err)
{
    struct list_job job = {s->lake, base, &s->arena, s->append_id, -1, &s->kept, NULL, carrier};
    size_t found = 0;
    int rc = 0;

    for (size_t k = 0; k < base->spec_count && !rc; k++) {
        struct entries entries = {0};
        struct lake_manifest_file line;

        for (size_t i = 0; i < change->added_count; i++) {
            struct lake_entry entry = {.status = LAKE_ADDED,
                                       .snapshot_id = s->append_id,
                                       .sequence_number = -1,
                                       .file_sequence_number = -1,
                                       .file = change->added[i]};

            if (entry.file.spec_id != base->specs[k].id)
                continue;
            found++;
            if (entries_add(&entries, &s->arena, &entry))
                return err_set(err, ERR_NOMEM, "staging");
        }
        if (!entries.count)
            continue;
        rc = list_write_manifest(&job, base->specs[k].id, 0, entries.list, entries.count, &line,
                                 err);
        rc = rc ? rc : lines_add(&s->added, &s->arena, &line);
    }
    if (!rc && found != change->added_count)
        rc = err_set(err, ERR_INVALID, "a data file names a partition spec the table lacks");
    return rc;
}
/* The transaction that was to carry them did not come true: the next one has to. */
static int carry_again(struct lake_staged *s, struct lake_carrier *carrier, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->kept.count && !rc; i++) {
        struct buf bytes = {0};

        rc = store_get_at(lake_store(s->lake), s->kept.list[i], &bytes, err);
        rc = rc ? rc : list_put(s->lake, carrier, s->kept.list[i], buf_slice(&bytes), err);
        buf_deinit(&bytes);
    }
    return rc;
}

/* What the caller adds, as lines of this attempt. */
static int put_added(struct attempt *a, struct lines *lines, struct change_totals *totals)
{
    struct lake_staged *s = a->staged;
    int rc = 0;

    for (size_t i = 0; i < a->change->added_count && !rc; i++)
        rc = totals_add(totals, false, &a->change->added[i], &s->attempt, a->err);
    for (size_t i = 0; i < s->added.count && !rc; i++) {
        struct lake_manifest_file line = s->added.list[i];

        line.sequence_number = a->sequence_number;
        if (line.min_sequence_number < 0)
            line.min_sequence_number = a->sequence_number;
        rc = lines_add(lines, &s->attempt, &line);
    }
    return rc;
}

/* As Iceberg's Java library names it. */
static const char *operation_of(const struct lake_change *change, const struct change_totals *t)
{
    bool takes = t->removed.files || t->added.delete_files;

    if (!takes)
        return t->removed.delete_files ? "replace" : "append";
    if (t->added.files)
        return "overwrite";
    for (size_t i = 0; i < change->row_delete_count; i++)
        if (change->row_deletes[i].position_count)
            return "delete";
    return t->removed.files ? "delete" : "replace"; /* deletes that only became one */
}

/* v1 has no numbers: all that it wrote is 0 when a table becomes v2. */
static int64_t next_number(const struct attempt *a)
{
    return a->base->format_version < 2 ? 0 : a->sequence_number + 1;
}

/* The first snapshot: what the change adds and takes away. */
static int stage_first(struct attempt *a, bool merge)
{
    struct lake_staged *s = a->staged;
    struct list_job job = {s->lake,        a->base,     &s->attempt, s->append_id,
                           next_number(a), &s->written, NULL,        a->carrier};
    struct change_totals totals = {0};
    struct lines lines = {0};
    int64_t before = a->sequence_number;
    int rc;

    a->sequence_number = job.sequence_number;
    list_drop_dead(&a->lines);
    rc = put_added(a, &lines, &totals);
    rc = rc ? rc : stage_rows(a, &job, &a->lines, &lines, &totals);
    if (!rc && !lines.count && !totals.removed.files && !totals.removed.delete_files &&
        !a->change->allow_empty) {
        a->sequence_number = before; /* every row to be deleted was gone already */
        return 0;
    }
    for (size_t i = 0; i < a->lines.count && !rc; i++)
        rc = lines_add(&lines, &s->attempt, &a->lines.list[i]);
    if (!rc && merge)
        rc = list_merge(&job, &lines, a->err);
    if (rc)
        return a->err && a->err->code ? rc : err_set(a->err, rc, "snapshot");
    a->lines = lines;
    s->has_first = true;
    return stage_snapshot(a, s->append_id, operation_of(a->change, &totals), &totals);
}

static int stage_replace(struct attempt *a)
{
    struct lake_staged *s = a->staged;
    struct list_job job = {s->lake,        a->base,     &s->attempt, s->replace_id,
                           next_number(a), &s->written, &s->garbage, a->carrier};
    struct change_totals totals = {0};
    bool tidied = false;
    int rc = list_replace(&job, &a->lines, a->change->rewrites, a->change->rewrite_count,
                          a->change->db, &totals, &s->rewrites_kept, a->err);

    if (!rc && a->change->tidy)
        rc = list_tidy(&job, &a->lines, &totals, &tidied, a->err);
    if (rc || (!s->rewrites_kept && !tidied))
        return rc;
    a->sequence_number = job.sequence_number;
    if (a->change->maintain)
        rc = list_merge(&job, &a->lines, a->err);
    return rc ? rc : stage_snapshot(a, s->replace_id, "replace", &totals);
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
        struct lake_manifest_file line;

        /* Borrowed from the list, which is dropped below: copied. */
        if (line_copy(&a->staged->attempt, &line, &list->files[i]))
            rc = err_set(a->err, ERR_NOMEM, "manifest list");
        rc = rc ? rc : count_line(a, &line);
        rc = rc ? rc : lines_add(&a->lines, &a->staged->attempt, &line);
    }
    lake_manifest_list_free(list);
    return rc;
}

/* The metadata file, where nobody else writes one. */
static int write_metadata(struct attempt *a)
{
    struct lake_staged *s = a->staged;
    const char **dropped = NULL;
    size_t drop_count = 0;
    int rc = lake_metadata_store(s->lake, s->metadata, a->base, a->base_location, &s->attempt,
                                 &s->swap.new_location, &dropped, &drop_count, a->err);

    rc = rc ? rc : path_list_add(&s->written, &s->attempt, s->swap.new_location);
    for (size_t i = 0; i < drop_count && !rc; i++)
        rc = path_list_add(&s->garbage, &s->attempt, dropped[i]);
    return rc;
}

static int run_attempt(struct attempt *a)
{
    struct lake_staged *s = a->staged;
    const struct lake_change *change = a->change;
    bool first = change->added_count || change->allow_empty || change->row_delete_count ||
                 change->removed_count;
    int64_t before = a->parent_id;
    int rc = load_lines(a);

    if (!rc && first)
        rc = stage_first(a, change->maintain && !change->rewrite_count);
    if (!rc && (change->rewrite_count || change->tidy))
        rc = stage_replace(a);
    if (!rc && a->parent_id != before && !change->staged)
        rc = update_branch(a);
    if (!rc && change->maintain &&
        lake_metadata_property_bool(a->base, "tarn.expire.enabled", true) &&
        lake_metadata_property_bool(a->base, "gc.enabled", true))
        rc = update_expiry(a, (s->has_first ? 1 : 0) + (s->rewrites_kept || change->tidy ? 1 : 0));
    rc = rc ? rc : update_properties(a);
    if (rc)
        return rc;
    if (json_array_size(a->updates) == 0)
        return err_set(a->err, ERR_AGAIN, "nothing to commit");
    rc = lake_metadata_apply(a->base, NULL, a->updates, a->now_ms, &s->metadata, a->err);
    return rc || !a->base_location ? rc : write_metadata(a);
}

/* What the attempt starts from. */
static int begin_attempt(struct attempt *a, struct err *err)
{
    struct lake_metadata *base = a->base;
    const struct lake_ref *ref;

    a->branch = a->change->branch ? a->change->branch : "main";
    ref = lake_metadata_branch(base, a->branch);
    /* A branch that is not there yet starts where main stands. */
    a->parent =
        ref ? lake_metadata_snapshot_by_id(base, ref->snapshot_id) : lake_metadata_snapshot(base);
    a->parent_id = a->parent ? a->parent->id : -1;
    a->totals = a->parent ? a->parent->summary : NULL;
    a->total_count = a->parent ? a->parent->summary_count : 0;
    a->sequence_number = base->last_sequence_number;
    a->next_row_id = base->next_row_id;
    /* A clock that jumped back must not make history run backwards. */
    a->now_ms = clock_wall_ms(lake_clock(a->staged->lake));
    if (a->now_ms <= base->last_updated_ms)
        a->now_ms = base->last_updated_ms + 1;
    a->updates = json_array();
    return ref && ref->is_tag
               ? err_set(err, ERR_INVALID, "%s is a tag: it cannot be written to", a->branch)
               : 0;
}

static int stage_with(struct attempt *a, struct lake *lake, const struct lake_ident *ident,
                      struct lake_staged **staged, struct err *err)
{
    bool fresh = !*staged;
    struct lake_staged *s;
    int rc = fresh ? staged_new(lake, ident, a->base, staged, err) : 0;

    if (rc)
        return rc;
    s = *staged;
    if (strcmp(s->uuid, a->base->uuid) != 0)
        return err_set(err, ERR_INVALID,
                       "table %s is another one now: it was dropped and made "
                       "again",
                       s->name);
    if (!fresh) /* the last attempt was refused for certain: its files are nobody's */
        lake_remove_files(lake, s->written.list, s->written.count);
    free_attempt(s);
    if (fresh)
        rc = write_added(s, a->base, a->change, a->carrier, err);
    else if (a->carrier)
        rc = carry_again(s, a->carrier, err);
    rc = rc ? rc : note_files(s, a->change, err);
    a->staged = s;
    rc = rc ? rc : begin_attempt(a, err);
    rc = rc ? rc : run_attempt(a);
    json_decref(a->updates);
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
    if (!a->base_location)
        return 0;
    s->swap.ident = (struct lake_ident){s->ns, s->name};
    s->swap.uuid = s->uuid;
    s->swap.base_location = arena_strdup(&s->attempt, a->base_location);
    return s->swap.base_location ? 0 : err_set(err, ERR_NOMEM, "staging");
}

int lake_stage(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
               const char *base_location, const struct lake_change *change,
               struct lake_staged **staged, struct err *err)
{
    struct attempt a = {.base = base, .base_location = base_location, .change = change, .err = err};

    return stage_with(&a, lake, ident, staged, err);
}

int lake_stage_part(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
                    const struct lake_change *change, struct lake_carrier *carrier,
                    struct lake_staged **staged, struct lake_metadata **next, struct err *err)
{
    struct attempt a = {.base = base, .change = change, .carrier = carrier, .err = err};
    int rc = stage_with(&a, lake, ident, staged, err);

    if (!rc)
        *next = lake_metadata_ref((*staged)->metadata);
    return rc;
}

/* ---- committing ---- */

void stage_end(struct lake_staged *staged, int rc)
{
    if (!rc)
        lake_staged_settle(staged);
    else if (rc == ERR_UNKNOWN)
        lake_staged_free(staged);
    else
        lake_staged_abandon(staged);
}

int lake_commit_wait(struct lake *lake, struct lake_catalog *catalog,
                     const struct lake_ident *ident, const struct lake_change *change,
                     struct lake_committed *out, struct err *err)
{
    struct lake_staged *staged = NULL;
    int64_t retries = 20;
    int rc = ERR_CONFLICT;

    if (catalog->ops->commit)
        return stage_through_queue(lake, catalog, ident, change, out, err);
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
        if (!rc && out)
            *out = (struct lake_committed){lake_staged_snapshot_id(staged), staged->rewrites_kept};
        lake_metadata_free(base);
        arena_deinit(&arena);
    }
    stage_end(staged, rc);
    return rc;
}
