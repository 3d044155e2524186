/* tidy.c - manifests written anew: clustered by partition, few and full, and without the delete
 * files that apply to nothing any more.
 *
 * Appends leave one manifest each, in the order of arrival, so that every manifest may hold every
 * partition and none can be skipped by a reader who asks for one. Here the live entries of all
 * manifests of one spec and content that are small, or that lie across others, are sorted by
 * partition and written as manifests of commit.manifest.target-size-bytes.
 *
 * A delete file is dangling when no live data file is left that it applies to: its rows were
 * rewritten without it, or removed. Nobody need read it; it leaves the table here.
 */
#include "lake/maintain_int.h"
#include "lake/stage_int.h"

#define ENTRIES_MAX 262144 /* of one spec and content; a table of more is left as it is */

/* ---- what is dangling ---- */

struct marks {
    bool **used; /* per line NULL, or a flag per entry */
};

static int mark(void *arg, const struct live_delete *d, bool own)
{
    struct marks *marks = arg;

    (void)own;
    marks->used[d->line][d->index] = true;
    return 0;
}

static int mark_manifest(struct lake *lake, const struct lake_metadata *m,
                         const struct delete_live *live, const struct lake_manifest_file *line,
                         struct marks *marks, struct err *err)
{
    struct lake_manifest *manifest;
    int rc = lake_manifest_load(lake, m, line, &manifest, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < manifest->entry_count && !rc; i++) {
        struct lake_entry entry = manifest->entries[i];

        if (entry.status == LAKE_DELETED)
            continue;
        lake_entry_inherit(&entry, line);
        rc = delete_live_of(live, &entry, mark, marks, err);
    }
    lake_manifest_free(manifest);
    return rc;
}

/* Live delete entries that apply to nothing, as cuts. */
static int find_dangling(struct lake *lake, const struct lake_metadata *m,
                         const struct lines *lines, struct arena *arena, struct cuts *cuts,
                         size_t *count, struct err *err)
{
    struct delete_live live = {0};
    struct marks marks = {ARENA_ARRAY(arena, bool *, lines->count + 1)};
    int rc = marks.used ? 0 : err_set(err, ERR_NOMEM, "deletes");

    *count = 0;
    rc = rc ? rc : delete_live_init(&live, lake, m, lines, arena, err);
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (live.loaded[i] &&
            !(marks.used[i] = ARENA_ARRAY(arena, bool, live.loaded[i]->entry_count + 1)))
            rc = err_set(err, ERR_NOMEM, "deletes");
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (lines->list[i].content == 0)
            rc = mark_manifest(lake, m, &live, &lines->list[i], &marks, err);
    for (size_t i = 0; i < lines->count && !rc; i++)
        for (size_t k = 0; live.loaded[i] && k < live.loaded[i]->entry_count && !rc; k++) {
            if (marks.used[i][k] || live.loaded[i]->entries[k].status == LAKE_DELETED)
                continue;
            ++*count;
            if (cuts)
                rc = cuts_add(cuts, i, k, live.loaded[i]->entry_count, arena, err);
        }
    delete_live_deinit(&live);
    return rc;
}

static bool has_deletes(const struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        if (lines->list[i].content == 1 &&
            (lines->list[i].added_files != 0 || lines->list[i].existing_files != 0))
            return true;
    return false;
}

int lake_dangling(struct lake *lake, const struct lake_metadata *m, struct arena *arena,
                  size_t *count, struct err *err)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot(m);
    struct lake_manifest_list *list;
    struct lines lines;
    int rc;

    *count = 0;
    if (!snapshot)
        return 0;
    rc = lake_manifest_list_load(lake, m, snapshot, &list, err);
    if (rc)
        return rc;
    lines = (struct lines){list->files, list->file_count, list->file_count};
    if (has_deletes(&lines))
        rc = find_dangling(lake, m, &lines, arena, NULL, count, err);
    lake_manifest_list_free(list);
    return rc;
}

/* ---- manifests by partition ---- */

struct sorting {
    const struct lake_type *types;
    size_t field_count;
};
static _Thread_local struct sorting sorting; /* qsort takes no argument of ours */

static int by_partition(const void *a, const void *b)
{
    const struct lake_entry *x = a, *y = b;

    for (size_t i = 0; i < sorting.field_count; i++) {
        int order = lake_value_cmp(&sorting.types[i], &x->file.partition[i], &y->file.partition[i]);

        if (order)
            return order;
    }
    if (x->sequence_number != y->sequence_number)
        return x->sequence_number < y->sequence_number ? -1 : 1;
    return strcmp(x->file.path, y->file.path);
}

/* v3: a manifest whose rows have no ids yet gets them with its list; it is left for later. */
static bool may_cluster(const struct list_job *job, const struct lake_manifest_file *line,
                        int32_t spec_id, int32_t content)
{
    return line->spec_id == spec_id && line->content == content &&
           line->added_snapshot_id != job->snapshot_id &&
           (job->metadata->format_version < 3 || content == 1 || line->first_row_id >= 0);
}

struct clustering {
    struct list_job *job;
    int32_t spec_id, content;
    struct loaded loaded;
    struct entries entries;
    struct lines *out;
    struct err *err;
};

static int take_line(struct clustering *c, const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest;
    int rc = list_load(c->job, &c->loaded, line, &manifest, c->err);

    for (size_t i = 0; !rc && i < manifest->entry_count; i++) {
        struct lake_entry entry = manifest->entries[i];

        if (entry.status == LAKE_DELETED)
            continue;
        lake_entry_inherit(&entry, line);
        entry.status = LAKE_EXISTING;
        if (entries_add(&c->entries, c->job->arena, &entry))
            rc = err_set(c->err, ERR_NOMEM, "manifest");
    }
    return rc;
}

/* As many entries a manifest as the target has room for, by what they took until now. */
static int write_clusters(struct clustering *c, int64_t bytes, int64_t target)
{
    size_t count = c->entries.count, files = (size_t)(bytes / target) + 1;
    size_t each = (count + files - 1) / files;
    int rc = 0;

    for (size_t at = 0; at < count && !rc; at += each) {
        struct lake_manifest_file line;

        rc = list_write_manifest(c->job, c->spec_id, c->content, c->entries.list + at,
                                 count - at < each ? count - at : each, &line, c->err);
        rc = rc ? rc : lines_add(c->out, c->job->arena, &line);
    }
    return rc;
}

/* True when so many manifests could be fewer. */
static bool worth_it(const struct list_job *job, const struct lines *lines, int32_t spec_id,
                     int32_t content, int64_t target, int64_t *bytes)
{
    int64_t entries = 0;
    size_t count = 0;

    *bytes = 0;
    for (size_t i = 0; i < lines->count; i++) {
        const struct lake_manifest_file *line = &lines->list[i];

        if (!may_cluster(job, line, spec_id, content))
            continue;
        count++;
        *bytes += line->length;
        entries += (line->added_files > 0 ? line->added_files : 0) +
                   (line->existing_files > 0 ? line->existing_files : 0);
    }
    return count >= 2 && count > (size_t)(*bytes / target) + 1 && entries <= ENTRIES_MAX;
}

static int cluster(struct list_job *job, const struct lines *lines, bool *taken,
                   const struct lake_partition_spec *spec, int32_t content, struct lines *out,
                   struct err *err)
{
    int64_t target =
        lake_metadata_property_i64(job->metadata, "commit.manifest.target-size-bytes", 8 << 20);
    struct clustering c = {
        .job = job, .spec_id = spec->id, .content = content, .out = out, .err = err};
    struct lake_type *types;
    int64_t bytes;
    int rc;

    target = target < 4096 ? 4096 : target;
    if (!worth_it(job, lines, spec->id, content, target, &bytes))
        return 0;
    rc = partition_types(job->metadata, spec, job->arena, &types, err);
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (may_cluster(job, &lines->list[i], spec->id, content)) {
            taken[i] = true;
            rc = take_line(&c, &lines->list[i]);
        }
    sorting = (struct sorting){types, spec->field_count};
    if (!rc && c.entries.count)
        qsort(c.entries.list, c.entries.count, sizeof(*c.entries.list), by_partition);
    rc = rc ? rc : write_clusters(&c, bytes, target);
    list_drop_loaded(&c.loaded);
    return rc;
}

static int cluster_all(struct list_job *job, struct lines *lines, bool *changed, struct err *err)
{
    bool *taken = ARENA_ARRAY(job->arena, bool, lines->count + 1);
    struct lines out = {0};
    int rc = taken ? 0 : err_set(err, ERR_NOMEM, "manifest list");

    for (size_t s = 0; s < job->metadata->spec_count && !rc; s++)
        for (int32_t content = 0; content < 2 && !rc; content++)
            rc = cluster(job, lines, taken, &job->metadata->specs[s], content, &out, err);
    for (size_t i = 0; i < lines->count && !rc; i++) {
        *changed |= taken[i];
        if (!taken[i] && lines_add(&out, job->arena, &lines->list[i]))
            rc = err_set(err, ERR_NOMEM, "manifest list");
    }
    if (!rc && *changed)
        *lines = out;
    return rc;
}

int list_tidy(struct list_job *job, struct lines *lines, struct change_totals *totals,
              bool *changed, struct err *err)
{
    struct cuts cuts;
    size_t dangling = 0;
    int rc = 0;

    *changed = false;
    if (!lake_metadata_property_bool(job->metadata, "commit.manifest-merge.enabled", true))
        return 0;
    if (has_deletes(lines)) {
        rc = cuts_init(&cuts, lines->count, job->arena, err);
        rc = rc ? rc
                : find_dangling(job->lake, job->metadata, lines, job->arena, &cuts, &dangling, err);
        if (!rc && dangling)
            rc = list_cut(job, lines, &cuts, totals, err);
        *changed = dangling > 0;
    }
    if (rc)
        return rc;
    /* What was cut is written already, by this snapshot: clustering leaves it for the next. */
    return cluster_all(job, lines, changed, err);
}
