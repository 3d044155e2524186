/* writer_file.c - rows of one partition become a Parquet file, an object of the store and a data
 * file with its metrics. */
#include "lake/writer_int.h"

static void open_file_close(struct open_file *f)
{
    parquet_free(f->parquet);
    writer_out_free(f->out);
    free(f->location);
    *f = (struct open_file){0};
}

void writer_part_close(struct part *part)
{
    open_file_close(&part->file);
}

/* 00000-0-<uuid>.parquet in the partition's place. */
static int name_file(struct lake_writer *w, const char *key, char **location, struct err *err)
{
    struct arena arena = {0};
    const char *place = NULL, *name;
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    name = arena_printf(&arena, "%05d-0-%s.parquet", w->serial++, uuid);
    rc = name ? writer_place(w->metadata, key, name, &arena, &place, err) : writer_nomem(err);
    *location = rc ? NULL : strdup(place);
    arena_deinit(&arena);
    return rc || *location ? rc : writer_nomem(err);
}

static int open_file(struct lake_writer *w, const char *key, struct open_file *f, struct err *err)
{
    struct parquet_options options;
    int rc = name_file(w, key, &f->location, err);

    rc = rc ? rc : writer_parquet(w->metadata, !w->rewrites, &options, err);
    rc = rc ? rc : writer_out_new(&f->out, lake_store(w->lake), err);
    rc = rc ? rc : parquet_new(&f->parquet, w->schema, &options, writer_out_put, f->out, err);
    if (rc)
        open_file_close(f);
    return rc;
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

/* The bytes become an object, what is known of them a data file. */
static int end_file(struct lake_writer *w, struct open_file *f, const struct lake_value *values,
                    struct arena *arena, struct lake_data_file *out, struct err *err)
{
    struct parquet_result result;
    int rc = parquet_finish(f->parquet, arena, &result, err);

    rc = rc ? rc : begin_file(w, f->location, values, result.rows, arena, out, err);
    rc = rc ? rc : writer_metrics(w->metadata, &result, arena, out, err);
    rc = rc ? rc : inflight_add(lake_inflight(w->lake), f->location, err);
    if (!rc) {
        out->split_offsets = result.split_offsets;
        out->split_count = result.split_count;
        rc = writer_out_finish(f->out, f->location, &out->file_bytes, err);
    }
    open_file_close(f);
    return rc;
}

static int part_finish(struct lake_writer *w, struct part *part, struct err *err)
{
    struct lake_data_file file;
    int rc = end_file(w, &part->file, part->values, &w->done_arena, &file, err);

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

int writer_part_push(struct lake_writer *w, struct part *part, struct vec_batch *batch,
                     struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < batch->count && !rc; i++) {
        if (!part->file.parquet)
            rc = open_file(w, part->key, &part->file, err);
        rc = rc ? rc : parquet_push(part->file.parquet, batch->chunks[i], err);
        if (!rc && parquet_bytes(part->file.parquet) >= w->target_bytes)
            rc = part_finish(w, part, err);
    }
    vec_batch_clear(batch);
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

    return rc ? rc : part->file.parquet ? part_finish(w, part, err) : 0;
}

/* ---- one file from a feed ---- */

/* What the feed gives, cast to the schema's columns where they differ, into the file, which is
 * opened by the first row. */
static int pull_rows(struct lake_writer *w, const struct vec_feed *feed, struct vec_fragment *cast,
                     const char *key, struct open_file *f, struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(feed->columns);
    struct vec_batch in = {.chunks = &chunk, .count = 1}, out = {0};
    int rc = chunk ? 0 : writer_nomem(err);

    while (!rc && !(rc = feed->pull(feed->arg, chunk, err)) &&
           (in.rows = (int64_t)duckdb_data_chunk_get_size(chunk)) > 0) {
        const struct vec_batch *rows = cast ? &out : &in;

        rc = f->parquet ? 0 : open_file(w, key, f, err);
        if (!rc && cast)
            rc = vec_fragment_run(cast, &in, &out, err);
        for (size_t i = 0; i < rows->count && !rc; i++)
            rc = parquet_push(f->parquet, rows->chunks[i], err);
        vec_batch_clear(&out);
        duckdb_data_chunk_reset(chunk);
    }
    duckdb_destroy_data_chunk(&chunk);
    vec_batch_deinit(&out);
    return rc;
}

static int write_one(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                     const char *key, const struct lake_value *values, struct arena *arena,
                     struct lake_data_file *file, struct err *err)
{
    struct vec_fragment *cast = NULL;
    struct open_file f = {0};
    int rc = writer_cast_new(w, conn, feed->columns, &cast, err);

    memset(file, 0, sizeof(*file));
    rc = rc ? rc : pull_rows(w, feed, cast, key, &f, err);
    if (!rc && f.parquet)
        rc = end_file(w, &f, values, arena, file, err);
    if (rc)
        file->path = NULL;
    open_file_close(&f);
    vec_fragment_free(cast);
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
