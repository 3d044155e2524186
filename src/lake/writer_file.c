/* writer_file.c - one running COPY becomes an object of the store and a data file. */
#include "lake/retype.h"
#include "lake/small_parquet.h"
#include "lake/writer_int.h"

/* Fresh files are written quickly, since merging writes their rows again with DuckDB's defaults:
 * zstd at level 3, and dictionaries of up to a fifth of a row group's rows. Most of the time spent
 * on a dictionary goes into columns that turn out to have none. */
#define FRESH_LEVEL             1
#define FRESH_DICTIONARY_VALUES 4096

void writer_part_close(struct part *part)
{
    vec_copy_free(part->copy);
    part->copy = NULL;
    free(part->local);
    free(part->location);
    part->local = part->location = NULL;
}

/* 00000-0-<uuid>.parquet in the partition's place, and a staging file of the same name. */
static int name_file(struct lake_writer *w, const char *key, char **location, char **local,
                     struct err *err)
{
    struct arena arena = {0};
    const char *place = NULL, *name;
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    name = arena_printf(&arena, "%05d-0-%s.parquet", w->serial++, uuid);
    rc = name ? writer_place(w->metadata, key, name, &arena, &place, err) : writer_nomem(err);
    *location = rc ? NULL : strdup(place);
    if (asprintf(local, "%s/%s.parquet", store_staging(lake_store(w->lake)), uuid) < 0)
        *local = NULL;
    arena_deinit(&arena);
    return rc || (*location && *local) ? rc : writer_nomem(err);
}

static struct vec_copy_options copy_options(const struct lake_writer *w, const char *local,
                                            const char *select)
{
    bool fresh = !w->rewrites;
    struct vec_copy_options options = {
        .path = local,
        .select = select,
        .field_ids = w->field_ids,
        .codec = w->codec,
        .level = fresh && !w->level && !strcmp(w->codec, "zstd") ? FRESH_LEVEL : w->level,
        .dictionary_values = fresh ? FRESH_DICTIONARY_VALUES : 0,
    };

    writer_parquet(w->metadata, &options);
    return options;
}

static int begin_file(const struct lake_writer *w, const char *location,
                      const struct lake_value *values, int64_t rows, struct arena *arena,
                      struct lake_data_file *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->path = arena_strdup(arena, location);
    out->format = "PARQUET";
    out->spec_id = w->spec->id;
    out->record_count = rows;
    out->sort_order_id = w->sorted                       ? w->metadata->default_order_id
                         : w->metadata->default_order_id ? -1
                                                         : 0;
    out->first_row_id = out->content_pos = out->content_bytes = -1;
    out->partition_count = w->spec->field_count;
    out->partition = ARENA_ARRAY(arena, struct lake_value, out->partition_count + 1);
    if (!out->path || !out->partition)
        return writer_nomem(err);
    for (size_t i = 0; i < out->partition_count; i++)
        out->partition[i] = values[i];
    return 0;
}

/* The staging file becomes an object, its statistics a data file. */
static int take_file(struct lake_writer *w, const char *location, const char *local,
                     const struct lake_value *values, const struct vec_copy_result *result,
                     struct arena *arena, struct lake_data_file *out, struct err *err)
{
    int rc = begin_file(w, location, values, result->rows, arena, out, err);
    int64_t size;

    if (rc)
        return rc;
    if (retype_needed(w->schema))
        rc = retype_file(disk_system(), local, w->schema, &size, err);
    rc = rc ? rc : writer_metrics(w->metadata, w->schema, result, arena, out, err);
    rc = rc ? rc : inflight_add(lake_inflight(w->lake), location, err);
    if (rc) {
        disk_unlink(disk_system(), local, NULL);
        return rc;
    }
    return store_put_file_at(lake_store(w->lake), location, local, &out->file_bytes, err);
}

static int part_open(struct lake_writer *w, struct part *part, struct err *err)
{
    struct vec_copy_options options;
    struct buf select = {0};
    int rc = name_file(w, part->key, &part->location, &part->local, err);

    if (!rc && w->spec->field_count)
        rc = buf_append_str(&select, "*") ? writer_nomem(err) : 0;
    else if (!rc)
        rc = writer_select_list(w, &w->input, &select, err);
    if (!rc && !buf_cstr(&select))
        rc = writer_nomem(err);
    options = copy_options(w, part->local, (const char *)select.ptr);
    rc = rc ? rc
            : vec_copy_new(&part->copy, w->db, w->spec->field_count ? &w->columns : &w->input,
                           &options, err);
    buf_deinit(&select);
    if (rc)
        writer_part_close(part);
    return rc;
}

static int part_finish(struct lake_writer *w, struct part *part, struct err *err)
{
    struct vec_copy_result result;
    struct lake_data_file file;
    int rc = vec_copy_finish(part->copy, &w->done_arena, &result, err);

    if (!rc)
        rc = take_file(w, part->location, part->local, part->values, &result, &w->done_arena, &file,
                       err);
    writer_part_close(part);
    if (rc)
        return rc;
    if (w->done_count == w->done_cap) {
        size_t cap = w->done_cap ? w->done_cap * 2 : 16;
        struct lake_data_file *more = ARENA_ARRAY(&w->done_arena, struct lake_data_file, cap);

        if (!more)
            return writer_nomem(err);
        if (w->done_count)
            memcpy(more, w->done, w->done_count * sizeof(*more));
        w->done = more;
        w->done_cap = cap;
    }
    w->done[w->done_count++] = file;
    w->done_bytes += file.file_bytes;
    return 0;
}

/* Full chunks go to the running copy; a file that is large enough ends. */
int writer_part_push(struct lake_writer *w, struct part *part, struct vec_batch *batch,
                     struct err *err)
{
    int rc = part->copy ? 0 : part_open(w, part, err);

    rc = rc ? rc : vec_copy_push(part->copy, batch, err);
    if (!rc && vec_copy_bytes(part->copy) >= w->target_bytes)
        rc = part_finish(w, part, err);
    return rc;
}

/* Takes the chunk. */
int writer_part_push_chunk(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                           struct err *err)
{
    struct vec_batch batch = {0};
    int rc = vec_batch_add(&batch, chunk);

    if (rc) {
        duckdb_destroy_data_chunk(&chunk);
        return writer_nomem(err);
    }
    rc = writer_part_push(w, part, &batch, err);
    vec_batch_deinit(&batch);
    return rc;
}

int writer_part_flush(struct lake_writer *w, struct part *part, struct err *err)
{
    duckdb_data_chunk chunk = part->filling;

    if (!chunk)
        return 0;
    part->filling = NULL;
    part->filled = 0;
    return writer_part_push_chunk(w, part, chunk, err);
}

/* All that the partition gathered becomes a file. */
int writer_part_end(struct lake_writer *w, struct part *part, struct err *err)
{
    int rc = writer_part_flush(w, part, err);

    return rc ? rc : part->copy ? part_finish(w, part, err) : 0;
}

/* ---- a few rows ---- */

/* The first chunks of a feed, looked at and given again. What a feed gives lives until it is asked
 * for more: so the first is copied before the second is looked at, and only when it is small. */
struct peeked {
    const struct vec_feed *feed;
    duckdb_data_chunk chunks[2]; /* owned */
    int count, given;
};

static int pull_peeked(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct peeked *p = arg;

    if (p->given == p->count)
        return p->feed->pull(p->feed->arg, out, err);
    vec_chunk_refer(out, p->chunks[p->given++]);
    return 0;
}

static int pull_next(struct peeked *p, struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(p->feed->columns);

    if (!chunk)
        return writer_nomem(err);
    p->chunks[p->count++] = chunk;
    return p->feed->pull(p->feed->arg, chunk, err);
}

static int keep_first(struct peeked *p, duckdb_selection_vector sel, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(p->chunks[0]);
    duckdb_data_chunk copy = vec_chunk_new(p->feed->columns);
    sel_t *at = duckdb_selection_vector_get_data_ptr(sel);

    if (!copy)
        return writer_nomem(err);
    for (idx_t i = 0; i < rows; i++)
        at[i] = (sel_t)i;
    for (idx_t c = 0; c < p->feed->columns->count; c++)
        duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(p->chunks[0], c),
                               duckdb_data_chunk_get_vector(copy, c), sel, rows, 0, 0);
    duckdb_data_chunk_set_size(copy, rows);
    duckdb_destroy_data_chunk(&p->chunks[0]);
    p->chunks[0] = copy;
    return 0;
}

/* *small: the first chunk is all there is. */
static int peek(struct peeked *p, duckdb_selection_vector sel, bool *small, struct err *err)
{
    int rc = pull_next(p, err);
    idx_t rows = rc ? 0 : duckdb_data_chunk_get_size(p->chunks[0]);

    *small = !rc && rows == 0;
    if (rc || rows == 0 || rows > SMALL_PARQUET_ROWS)
        return rc;
    rc = keep_first(p, sel, err);
    rc = rc ? rc : pull_next(p, err);
    *small = !rc && duckdb_data_chunk_get_size(p->chunks[1]) == 0;
    return rc;
}

static void peeked_deinit(struct peeked *p)
{
    for (int i = 0; i < p->count; i++)
        duckdb_destroy_data_chunk(&p->chunks[i]);
}

static bool takes_small(const struct lake_writer *w, const struct vec_feed *feed)
{
    struct vec_copy_options options = {0};

    writer_parquet(w->metadata, &options);
    return !w->rewrites && options.bloom != VEC_BLOOM_ON &&
           w->columns.count == w->schema->root.field_count &&
           small_parquet_takes(w->schema, w->codec) && columns_same(feed->columns, &w->columns);
}

static int write_small(struct lake_writer *w, duckdb_data_chunk chunk, const char *location,
                       const struct lake_value *values, struct arena *arena,
                       struct lake_data_file *file, struct err *err)
{
    int64_t rows = (int64_t)duckdb_data_chunk_get_size(chunk);
    struct small_stat *stats = ARENA_ARRAY(arena, struct small_stat, w->columns.count);
    struct buf bytes = {0};
    int rc = stats ? 0 : writer_nomem(err);

    if (!rc && rows)
        rc = small_parquet_write(w->schema, w->codec, chunk, arena, &bytes, stats, err);
    if (!rc && rows)
        rc = begin_file(w, location, values, rows, arena, file, err);
    if (!rc && rows)
        rc = writer_small_metrics(w->metadata, w->schema, stats, rows, arena, file, err);
    if (!rc && rows)
        rc = inflight_add(lake_inflight(w->lake), location, err);
    if (!rc && rows)
        rc = store_put_at(lake_store(w->lake), location, buf_slice(&bytes), err);
    file->file_bytes = (int64_t)bytes.len;
    buf_deinit(&bytes);
    return rc;
}

static int write_copy(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                      const char *key, const struct lake_value *values, struct arena *arena,
                      struct lake_data_file *file, struct err *err);

/* What fits in a small file is written without a COPY. */
static int write_one(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                     const char *key, const struct lake_value *values, struct arena *arena,
                     struct lake_data_file *file, struct err *err)
{
    struct peeked peeked = {.feed = feed};
    struct vec_feed again = {feed->columns, pull_peeked, &peeked};
    char *location = NULL, *local = NULL;
    bool small = false;
    int rc;

    if (!takes_small(w, feed))
        return write_copy(w, conn, feed, key, values, arena, file, err);
    memset(file, 0, sizeof(*file));
    rc = peek(&peeked, w->sel, &small, err);
    if (!rc && !small) {
        rc = write_copy(w, conn, &again, key, values, arena, file, err);
    } else if (!rc) {
        rc = name_file(w, key, &location, &local, err);
        rc = rc ? rc : write_small(w, peeked.chunks[0], location, values, arena, file, err);
        if (rc)
            file->path = NULL;
    }
    free(location);
    free(local);
    peeked_deinit(&peeked);
    return rc;
}

static int write_copy(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                      const char *key, const struct lake_value *values, struct arena *arena,
                      struct lake_data_file *file, struct err *err)
{
    char *location = NULL, *local = NULL;
    struct vec_copy_options options;
    struct vec_copy_result result;
    struct buf select = {0};
    int rc = name_file(w, key, &location, &local, err);

    memset(file, 0, sizeof(*file));
    rc = rc ? rc : writer_select_list(w, feed->columns, &select, err);
    if (!rc && !buf_cstr(&select))
        rc = writer_nomem(err);
    options = copy_options(w, local, (const char *)select.ptr);
    rc = rc ? rc : vec_copy_run(conn, feed, &options, arena, &result, err);
    if (!rc && result.rows == 0)
        disk_unlink(disk_system(), local, NULL);
    else if (!rc)
        rc = take_file(w, location, local, values, &result, arena, file, err);
    if (rc)
        file->path = NULL;
    buf_deinit(&select);
    free(location);
    free(local);
    return rc;
}

int lake_writer_pull(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                     struct arena *arena, struct lake_data_file *file, struct err *err)
{
    if (!lake_writer_can_pull(w))
        return err_set(err, ERR_INVALID, "the table is partitioned: rows must be routed");
    return write_one(w, conn, feed, "", NULL, arena, file, err);
}

int writer_one_file(struct lake *lake, struct vec_db *db, struct lake_metadata *metadata,
                    struct vec_conn *conn, const struct vec_feed *feed,
                    const struct lake_value *partition, struct arena *arena,
                    struct lake_data_file *out, struct err *err)
{
    struct lake_writer_options options = {
        .lake = lake, .db = db, .metadata = metadata, .lineage = metadata->format_version >= 3};
    struct lake_writer *w = NULL;
    char *key = NULL;
    int rc = lake_writer_new(&w, &options, err);

    if (!rc)
        w->rewrites = true;
    rc = rc ? rc : writer_partition_path(w, partition, &key, err);
    rc = rc ? rc : write_one(w, conn, feed, key, partition, arena, out, err);
    for (size_t i = 0; i < out->partition_count && !rc; i++) /* theirs may go before ours */
        if (out->partition[i].bytes.len &&
            !(out->partition[i].bytes = arena_slice(arena, out->partition[i].bytes)).ptr)
            rc = writer_nomem(err);
    lake_writer_free(w);
    return rc;
}
