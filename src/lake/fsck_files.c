/* fsck_files.c - what is inside of data files, delete files and deletion vectors. See fsck.h. */
#include "lake/fsck_int.h"

struct lent {
    struct store *store;
    const char *path; /* local; NULL: not lent */
};

static int lend(struct fsck *f, const char *location, struct arena *arena, struct lent *out,
                struct err *why)
{
    const char *bucket, *key;
    int rc = store_split(location, arena, &bucket, &key, why);

    out->store = lake_store(f->lake);
    out->path = NULL;
    return rc ? rc : out->store->ops->local(out->store, bucket, key, arena, &out->path, why);
}

static void give_back(struct lent *lent)
{
    if (lent->path)
        lent->store->ops->local_release(lent->store, lent->path);
}

/* "<before>'<path>'<after>" run; the caller frees *result. */
static int query_file(struct fsck *f, const char *before, const char *path, const char *after,
                      struct vec_result **result, struct err *why)
{
    struct buf sql = {0};
    int rc = buf_append_str(&sql, before);

    rc = rc ? rc : lake_sql_text(&sql, path);
    rc = rc ? rc : buf_append_str(&sql, after);
    if (rc || !buf_cstr(&sql))
        rc = err_set(why, ERR_NOMEM, "fsck");
    rc = rc ? rc : vec_query(f->conn, (const char *)sql.ptr, result, why);
    buf_deinit(&sql);
    return rc;
}

/* The footer's own count of rows. */
static int footer_rows(struct fsck *f, const char *path, int64_t *rows, struct err *why)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    int rc = query_file(f, "SELECT num_rows::BIGINT FROM parquet_file_metadata(", path, ")",
                        &result, why);

    rc = rc ? rc : vec_result_next(result, &chunk, why);
    if (!rc && (!chunk || duckdb_data_chunk_get_size(chunk) != 1))
        rc = err_set(why, ERR_CORRUPT, "no footer");
    if (!rc)
        *rows = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    vec_result_free(result);
    return rc;
}

/* One row of `positions`: a data file's name, and what is said of it. */
static int check_target(struct fsck *f, const char *deletes, const char *target, const int64_t n[4])
{
    const struct fsck_file *data = fsck_find(f, target);

    if (!data)
        return fsck_say(f, false, deletes, "deletes rows of %s, which is not in the table", target);
    if (data->file.content != LAKE_DATA)
        return fsck_say(f, true, deletes, "deletes rows of %s, which is a delete file itself",
                        target);
    if (n[0] < 0 || n[1] >= data->rows)
        return fsck_say(f, true, deletes,
                        "deletes positions %" PRId64 " to %" PRId64 " of %s, which has %" PRId64
                        " rows",
                        n[0], n[1], target, data->rows);
    return 0;
}

static int check_positions(struct fsck *f, const struct fsck_file *file, const char *path)
{
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk = NULL;
    struct err why = {0};
    int rc = query_file(f,
                        "SELECT file_path::VARCHAR, coalesce(min(pos), -1)::BIGINT, "
                        "coalesce(max(pos), -1)::BIGINT, count(*)::BIGINT, "
                        "count(DISTINCT pos)::BIGINT FROM read_parquet(",
                        path, ", hive_partitioning = false) GROUP BY ALL", &result, &why);

    while (!rc && !(rc = vec_result_next(result, &chunk, &why)) && chunk)
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            duckdb_string_t *text =
                (duckdb_string_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)) +
                i;
            char *target = arena_cstr(
                &f->arena, slice_of(duckdb_string_t_data(text), duckdb_string_t_length(*text)));
            int64_t n[4];
            int said;

            for (idx_t c = 0; c < 4; c++)
                n[c] = ((int64_t *)duckdb_vector_get_data(
                    duckdb_data_chunk_get_vector(chunk, c + 1)))[i];
            said = target ? check_target(f, file->file.path, target, n) : fsck_nomem(f);
            if (said) {
                vec_result_free(result);
                return said;
            }
        }
    vec_result_free(result);
    return rc ? fsck_say(f, true, file->file.path, "is no position delete file: %s", why.text) : 0;
}

static int check_equality(struct fsck *f, const struct fsck_file *file)
{
    int rc = 0;

    if (!file->file.equality_count)
        return fsck_say(f, true, file->file.path, "deletes rows by equality of no column");
    for (size_t i = 0; i < file->file.equality_count && !rc; i++) {
        bool known = false;

        for (size_t s = 0; s < f->m->schema_count; s++)
            known |= lake_schema_by_id(&f->m->schemas[s], file->file.equality_ids[i]) != NULL;
        if (!known)
            rc = fsck_say(f, true, file->file.path,
                          "deletes rows by a column (id %" PRId32 ") that no schema has",
                          file->file.equality_ids[i]);
    }
    return rc;
}

static int check_parquet(struct fsck *f, const struct fsck_file *file)
{
    struct arena arena = {0};
    struct err why = {0};
    struct lent lent;
    int64_t rows = 0;
    int rc = lend(f, file->file.path, &arena, &lent, &why);

    rc = rc ? rc : footer_rows(f, lent.path, &rows, &why);
    if (rc)
        rc = fsck_say(f, true, file->file.path, "does not read: %s", why.text);
    else if (rows != file->file.record_count)
        rc = fsck_say(f, true, file->file.path, "holds %" PRId64 " rows, recorded are %" PRId64,
                      rows, file->file.record_count);
    else if (file->file.content == LAKE_POSITION_DELETES)
        rc = check_positions(f, file, lent.path);
    else if (file->file.content == LAKE_EQUALITY_DELETES)
        rc = check_equality(f, file);
    give_back(&lent);
    arena_deinit(&arena);
    return rc;
}

static int check_vector_range(struct fsck *f, const struct fsck_file *file,
                              const int64_t *positions, size_t count)
{
    const struct lake_data_file *d = &file->file;
    const struct fsck_file *data = fsck_find(f, d->referenced_data_file);

    if ((int64_t)count != d->record_count)
        return fsck_say(f, true, d->path,
                        "a deletion vector has %zu positions, recorded are %" PRId64, count,
                        d->record_count);
    if (!data)
        return fsck_say(f, false, d->path, "a deletion vector is of %s, which is not in the table",
                        d->referenced_data_file);
    if (count && positions[count - 1] >= data->rows)
        return fsck_say(f, true, d->path,
                        "a deletion vector deletes position %" PRId64 " of %s, which has %" PRId64
                        " rows",
                        positions[count - 1], d->referenced_data_file, data->rows);
    return 0;
}

static int check_vector(struct fsck *f, const struct fsck_file *file)
{
    const struct lake_data_file *d = &file->file;
    struct store *store = lake_store(f->lake);
    struct arena arena = {.max_bytes = (size_t)1 << 30};
    struct buf blob = {0};
    struct err why = {0};
    const char *bucket, *key;
    int64_t *positions = NULL;
    size_t count = 0;
    int rc;

    if (!d->referenced_data_file || d->content_pos < 0 || d->content_bytes < 0 ||
        d->content_pos + d->content_bytes > d->file_bytes)
        return fsck_say(f, true, d->path, "a deletion vector without file or place");
    rc = store_split(d->path, &arena, &bucket, &key, &why);
    rc = rc ? rc
            : store->ops->get(store, bucket, key, d->content_pos, d->content_bytes, &blob, &why);
    rc = rc ? rc : deletion_vector_decode(buf_slice(&blob), &arena, &positions, &count, &why);
    rc = rc ? fsck_say(f, true, d->path, "%s", why.text)
            : check_vector_range(f, file, positions, count);
    buf_deinit(&blob);
    arena_deinit(&arena);
    return rc;
}

int fsck_file_inside(struct fsck *f, struct fsck_file *file)
{
    if (!strcasecmp(file->file.format, "puffin"))
        return check_vector(f, file);
    if (strcasecmp(file->file.format, "parquet") != 0)
        return fsck_say(f, true, file->file.path, "is of format %s, which is not read here",
                        file->file.format);
    return f->conn ? check_parquet(f, file) : 0;
}
