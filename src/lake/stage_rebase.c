/* stage_rebase.c - deletes that a rewrite has not read follow its rows into the new files.
 *
 * A table written by key loses rows all over with every commit, so while a large merge runs its
 * inputs get deletes that it has not read. With a map of where each row went (key_index.h) they are
 * no reason to give it up: the positions are translated and become deletes of the new files, in the
 * snapshot that brings these. Rows that the merge left out have no place in the map, so a delete
 * file that repeats what was read may be read whole.
 */
#include "lake/key_index.h"
#include "lake/stage_int.h"

struct rows { /* of one new file */
    int64_t *list;
    size_t count, cap;
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "deletes of a rewrite");
}

void rebase_deinit(struct rebase *r)
{
    vectors_deinit(&r->vectors);
    vec_conn_free(r->conn);
}

static int add_row(struct rows *rows, int64_t row)
{
    if (rows->count == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : 256;
        int64_t *more = realloc(rows->list, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        rows->list = more;
        rows->cap = cap;
    }
    rows->list[rows->count++] = row;
    return 0;
}

/* Both are ascending: one walk. */
static int translate(const struct lake_row_map *map, size_t old_file, const struct positions *p,
                     struct rows *rows)
{
    size_t run = 0;

    while (run < map->run_count && map->runs[run].old_file < old_file)
        run++;
    for (size_t i = 0; i < p->count; i++) {
        const struct lake_row_run *at;

        while (run < map->run_count && map->runs[run].old_file == old_file &&
               map->runs[run].old_row + map->runs[run].count <= p->list[i])
            run++;
        if (run == map->run_count || map->runs[run].old_file != old_file)
            return 0;
        at = &map->runs[run];
        if (p->list[i] >= at->old_row &&
            add_row(&rows[at->new_file], at->new_row + (p->list[i] - at->old_row)))
            return ERR_NOMEM;
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static struct positions sorted(struct rows *rows)
{
    size_t kept = 0;

    if (rows->count)
        qsort(rows->list, rows->count, sizeof(*rows->list), by_value);
    for (size_t i = 0; i < rows->count; i++)
        if (!kept || rows->list[kept - 1] != rows->list[i])
            rows->list[kept++] = rows->list[i];
    return (struct positions){rows->list, kept};
}

static int add_delete(struct rebase *r, const struct lake_data_file *file,
                      const struct positions *p, struct err *err)
{
    struct list_job *job = r->job;
    struct lake_entry entry = {.status = LAKE_ADDED,
                               .snapshot_id = job->snapshot_id,
                               .sequence_number = -1,
                               .file_sequence_number = -1};
    struct lake_data_file *f = &entry.file;
    int rc;

    if (job->metadata->format_version >= 3) {
        rc = vectors_add(&r->vectors, file->path, p, f, err);
    } else {
        rc = delete_file_write(job->lake, job->metadata, file->path, p, job->arena, f, err);
        if (!rc && path_list_add(job->written, job->arena, f->path))
            rc = nomem(err);
    }
    f->spec_id = file->spec_id;
    f->partition = file->partition;
    f->partition_count = file->partition_count;
    if (!rc && entries_add(&r->added, job->arena, &entry))
        rc = nomem(err);
    return rc;
}

static int open_conn(struct rebase *r, struct err *err)
{
    return r->conn ? 0 : vec_conn_new(&r->conn, r->db, err);
}

int rebase_rewrite(struct rebase *r, const struct lake_rewrite *w, const struct late_delete *late,
                   size_t count, struct err *err)
{
    struct rows *rows = calloc(w->added_count + 1, sizeof(*rows));
    int rc = rows ? open_conn(r, err) : nomem(err);

    for (size_t i = 0; i < count && !rc; i++) {
        struct arena scratch = {.max_bytes = (size_t)4 << 30};
        struct positions p;

        rc = delete_file_read(r->job->lake, r->conn, &late[i].entry->file,
                              w->removed[late[i].input].file.path, &scratch, &p, err);
        if (!rc && translate(w->map, late[i].input, &p, rows))
            rc = nomem(err);
        arena_deinit(&scratch);
    }
    for (size_t i = 0; i < w->added_count && !rc; i++) {
        struct positions p = sorted(&rows[i]);

        if (p.count)
            rc = add_delete(r, &w->added[i], &p, err);
    }
    for (size_t i = 0; rows && i < w->added_count; i++)
        free(rows[i].list);
    free(rows);
    return rc;
}

static int put_vectors(struct rebase *r, struct err *err)
{
    struct list_job *job = r->job;
    const char *path;
    int rc =
        vectors_write(&r->vectors, job->lake, job->metadata, &r->added, job->arena, &path, err);

    if (!rc && path_list_add(job->written, job->arena, path))
        rc = nomem(err);
    return rc;
}

int rebase_write(struct rebase *r, struct lines *out, struct change_totals *totals, struct err *err)
{
    const struct lake_metadata *m = r->job->metadata;
    int rc = r->vectors.count ? put_vectors(r, err) : 0;

    for (size_t k = 0; k < m->spec_count && !rc; k++) {
        struct entries entries = {0};
        struct lake_manifest_file line;

        for (size_t i = 0; i < r->added.count && !rc; i++)
            if (r->added.list[i].file.spec_id == m->specs[k].id) {
                rc = totals_add(totals, false, &r->added.list[i].file, r->job->arena, err);
                if (!rc && entries_add(&entries, r->job->arena, &r->added.list[i]))
                    rc = nomem(err);
            }
        if (rc || !entries.count)
            continue;
        rc =
            list_write_manifest(r->job, m->specs[k].id, 1, entries.list, entries.count, &line, err);
        rc = rc ? rc : lines_add(out, r->job->arena, &line);
    }
    return rc;
}

bool rebase_can(const struct rebase *r, const struct lake_rewrite *w)
{
    return w->map && w->map->old_count == w->removed_count && w->map->new_count == w->added_count &&
           r->db;
}
