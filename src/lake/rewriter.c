/* rewriter.c - merging data files through DuckDB: read by field id, written by the writer.
 *
 * The scan's result is the feed of the copy, chunk by chunk, so memory stays at a few chunks per
 * row group whatever the size of the files. Rows of v3 tables keep their ids and the sequence
 * number of their last change, as columns of the new file.
 */
#include "lake/key_index.h"
#include "lake/maintain_int.h"

#define MAP_RUNS_MAX ((size_t)4 << 20) /* 128 MB: beyond it a map is given up */

struct source {
    struct vec_result *result;
    struct vec_columns columns; /* of the new file: the table's, and in v3 the rows' lineage */
    idx_t address;              /* the column of the first of the two parts of a row's address */
    struct arena *arena;
    struct lake_row_map *map;      /* or NULL */
    struct lake_row_run **by_file; /* runs of each old file, as the rows came */
    size_t *run_counts, *run_caps;
    size_t runs;
    int64_t row; /* of the new file */
};

static int note_run(struct source *s, size_t file, int64_t old_row)
{
    struct lake_row_run *list = s->by_file[file];
    size_t count = s->run_counts[file];

    if (count && list[count - 1].old_row + list[count - 1].count == old_row &&
        list[count - 1].new_row + list[count - 1].count == s->row) {
        list[count - 1].count++;
        return 0;
    }
    if (count == s->run_caps[file]) {
        size_t cap = count ? count * 2 : 16;

        list = realloc(list, cap * sizeof(*list));
        if (!list)
            return ERR_NOMEM;
        s->by_file[file] = list;
        s->run_caps[file] = cap;
    }
    list[count] = (struct lake_row_run){(uint32_t)file, 0, old_row, s->row, 1};
    s->run_counts[file]++;
    s->runs++;
    return 0;
}

static int note_rows(struct source *s, duckdb_data_chunk chunk, struct err *err)
{
    idx_t count = duckdb_data_chunk_get_size(chunk), at = s->address;
    const int64_t *files = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, at));
    const int64_t *rows = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, at + 1));

    for (idx_t i = 0; i < count && s->runs < MAP_RUNS_MAX; i++, s->row++)
        if (note_run(s, (size_t)files[i], rows[i]))
            return err_set(err, ERR_NOMEM, "merging");
    return 0;
}

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct source *s = arg;
    duckdb_data_chunk chunk;
    int rc = vec_result_next(s->result, &chunk, err);

    if (rc)
        return rc;
    if (!chunk) {
        duckdb_data_chunk_set_size(out, 0);
        return 0;
    }
    for (idx_t i = 0; i < s->columns.count; i++)
        duckdb_vector_reference_vector(
            duckdb_data_chunk_get_vector(out, i),
            duckdb_data_chunk_get_vector(chunk, i < s->address ? i : i + 2));
    duckdb_data_chunk_set_size(out, duckdb_data_chunk_get_size(chunk));
    return s->map ? note_rows(s, chunk, err) : 0;
}

/* An addressed scan has the table's columns, two of the address, and in v3 two of the lineage. */
int rewriter_columns(const struct vec_columns *from, size_t table_columns, struct arena *arena,
                     struct vec_columns *out, idx_t *address, struct err *err)
{
    *out = *from;
    *address = from->count;
    if (from->count < table_columns + 2)
        return 0;
    *address = table_columns;
    out->count = from->count - 2;
    out->list = ARENA_ARRAY(arena, struct vec_column, from->count);
    if (!out->list)
        return err_set(err, ERR_NOMEM, "merging");
    for (size_t i = 0; i < out->count; i++)
        out->list[i] = from->list[i < table_columns ? i : i + 2];
    return 0;
}

static int source_init(struct source *s, struct vec_result *result, const struct lake_merge *merge,
                       size_t column_count, struct arena *arena, struct err *err)
{
    int rc;

    *s = (struct source){.result = result, .arena = arena, .map = merge->map};
    rc = rewriter_columns(vec_result_columns(result), column_count, arena, &s->columns, &s->address,
                          err);
    if (rc || !s->map)
        return rc;
    s->by_file = calloc(merge->file_count + 1, sizeof(*s->by_file));
    s->run_counts = calloc(merge->file_count + 1, sizeof(*s->run_counts));
    s->run_caps = calloc(merge->file_count + 1, sizeof(*s->run_caps));
    return s->by_file && s->run_counts && s->run_caps ? 0 : err_set(err, ERR_NOMEM, "merging");
}

static void source_deinit(struct source *s, size_t file_count)
{
    for (size_t i = 0; s->by_file && i < file_count; i++)
        free(s->by_file[i]);
    free(s->by_file);
    free(s->run_counts);
    free(s->run_caps);
}

static int by_old_row(const void *a, const void *b)
{
    const struct lake_row_run *x = a, *y = b;

    return x->old_row < y->old_row ? -1 : x->old_row > y->old_row;
}

/* The map of a finished merge; one with too many runs stays empty, which says that there is none.
 */
static int finish_map(struct source *s, const struct lake_merge *merge,
                      const struct lake_data_file *file, struct err *err)
{
    struct lake_row_map *map = s->map;
    struct lake_row_run *runs;
    const char **paths;

    if (!map || s->runs >= MAP_RUNS_MAX)
        return 0;
    paths = ARENA_ARRAY(s->arena, const char *, merge->file_count + 2);
    runs = ARENA_ARRAY(s->arena, struct lake_row_run, s->runs + 1);
    if (!paths || !runs)
        return err_set(err, ERR_NOMEM, "merging");
    for (size_t i = 0; i < merge->file_count; i++) {
        if (s->run_counts[i]) { /* a sorted merge takes rows in another order */
            qsort(s->by_file[i], s->run_counts[i], sizeof(*runs), by_old_row);
            memcpy(runs + map->run_count, s->by_file[i], s->run_counts[i] * sizeof(*runs));
        }
        map->run_count += s->run_counts[i];
        paths[i] = merge->files[i].file.path;
    }
    paths[merge->file_count] = file->path; /* NULL: no row was left */
    map->runs = runs;
    map->old_files = paths;
    map->old_count = merge->file_count;
    map->new_files = paths + merge->file_count;
    map->new_count = file->path != NULL;
    return 0;
}

/* A plan of just the merge's files and their deletes. */
static void plan_merge(const struct lake_metadata *m, const struct lake_merge *merge,
                       struct lake_plan *out)
{
    memset(out, 0, sizeof(*out));
    out->snapshot_id = merge->snapshot_id;
    out->metadata = m;
    out->schema = lake_metadata_schema(m);
    out->files = merge->scans;
    out->file_count = merge->file_count;
    out->deletes = merge->deletes;
    out->delete_count = merge->delete_count;
}

/* One partition, one file; none when all its rows were deleted ones. */
static int write_file(struct lake *lake, struct vec_db *db, struct lake_metadata *m,
                      const struct lake_merge *merge, struct vec_result *result,
                      struct arena *arena, struct lake_data_file **files, size_t *count,
                      struct err *err)
{
    struct lake_data_file *out = ARENA_NEW(arena, struct lake_data_file);
    struct source source;
    struct vec_feed feed = {&source.columns, pull, &source};
    struct vec_conn *conn = NULL;
    int rc;

    if (!out)
        return err_set(err, ERR_NOMEM, "merging");
    rc = source_init(&source, result, merge, lake_metadata_schema(m)->root.field_count, arena, err);
    rc = rc ? rc : vec_conn_new(&conn, db, err);
    rc = rc ? rc
            : writer_one_file(lake, db, m, conn, &feed, merge->files[0].file.partition, arena, out,
                              err);
    *files = out;
    *count = !rc && out->path;
    rc = rc ? rc : finish_map(&source, merge, out, err);
    if (lake_sort_usable(m))
        out->sort_order_id = m->default_order_id;
    vec_conn_free(conn);
    source_deinit(&source, merge->file_count);
    return rc;
}

/* A row lost or doubled is a fault of ours: the rewrite is given up. Deletes by equality, and
 * position delete files that may name a row twice, only say how many rows there are at most. */
static int check_rows(const struct lake_merge *merge, const struct lake_data_file *files,
                      size_t count, struct err *err)
{
    int64_t most = merge->rows, rows = 0;

    for (size_t i = 0; i < count; i++)
        rows += files[i].record_count;
    if (merge->deletes_counted)
        most -= merge->deleted_rows;
    if (rows <= most && (rows == most || !merge->deletes_counted))
        return 0;
    return err_set(err, ERR_INTERNAL,
                   "merging %zu files gave %" PRId64 " rows, expected were %s%" PRId64,
                   merge->file_count, rows, merge->deletes_counted ? "" : "at most ", most);
}

static int run(void *arg, struct lake *lake, const struct lake_metadata *metadata,
               const struct lake_merge *merge, struct arena *arena, struct lake_data_file **files,
               size_t *count, struct err *err)
{
    struct vec_db *db = arg;
    struct lake_metadata *m = (struct lake_metadata *)metadata; /* only its count changes */
    struct vec_conn *conn = NULL;
    struct vec_result *result = NULL;
    struct lake_plan plan;
    struct buf sql = {0};
    bool together = false;
    int rc = vec_conn_new(&conn, db, err);

    plan_merge(metadata, merge, &plan);
    plan.addressed = merge->map || merge->moves || metadata->format_version >= 3;
    *count = 0;
    rc = rc ? rc : buf_append_str(&sql, "FROM ");
    rc = rc ? rc : lake_scan_sql(lake, conn, &plan, NULL, 0, arena, &sql, err);
    if (!rc && merge->moves)
        rc = lake_move_sql(metadata, &sql, &together, err);
    else if (!rc && lake_sort_usable(metadata))
        rc = lake_sort_sql(metadata, &sql, err);
    if (!rc && !buf_cstr(&sql))
        rc = err_set(err, ERR_NOMEM, "merging");
    rc = rc ? rc : vec_query(conn, (const char *)sql.ptr, &result, err);
    if (!rc && merge->moves)
        rc = rewriter_move(lake, db, m, merge, result, together, arena, files, count, err);
    else if (!rc)
        rc = write_file(lake, db, m, merge, result, arena, files, count, err);
    rc = rc ? rc : check_rows(merge, *files, *count, err);
    for (size_t i = 0; i < *count && rc; i++)
        lake_remove_files(lake, (const char *const *)&(*files)[i].path, 1);
    *count = rc ? 0 : *count;
    vec_result_free(result);
    vec_conn_free(conn);
    lake_plan_release(lake, &plan);
    buf_deinit(&sql);
    return rc;
}

struct lake_rewriter lake_rewriter_duckdb(struct vec_db *db)
{
    return (struct lake_rewriter){run, db, db};
}
