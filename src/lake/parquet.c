/* parquet.c - the life of a Parquet file being written: chunks in, row groups, the end. */
#include "lake/parquet_int.h"

void parquet_options_init(struct parquet_options *o)
{
    *o =
        (struct parquet_options){.codec = CODEC_ZSTD,
                                 .page_bytes = 1 << 20,
                                 .page_rows = 20480, /* ten of DuckDB's vectors: none lies in two */
                                 .group_rows = 122880,
                                 .dictionary_bytes = 2 << 20,
                                 .dictionary_values = 32768,
                                 .bloom_bytes = 1 << 20};
}

int parquet_put(struct parquet_writer *w, struct slice bytes, struct err *err)
{
    w->pos += (int64_t)bytes.len;
    return bytes.len ? w->put(w->put_arg, bytes, err) : 0;
}

int parquet_new(struct parquet_writer **out, const struct lake_schema *schema,
                const struct parquet_options *options, parquet_put_fn *put, void *put_arg,
                struct err *err)
{
    struct parquet_writer *w = calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return parquet_nomem(err);
    w->schema = schema;
    w->options = *options;
    w->put = put;
    w->put_arg = put_arg;
    w->groups_end = &w->groups;
    rc = parquet_tree_new(w, err);
    for (size_t i = 0; i < w->leaf_count && !rc; i++)
        parquet_leaf_begin(&w->leaves[i]);
    rc = rc ? rc : parquet_put(w, SLICE_LIT("PAR1"), err);
    if (rc) {
        parquet_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void parquet_free(struct parquet_writer *w)
{
    if (!w)
        return;
    parquet_tree_free(w);
    buf_deinit(&w->values);
    buf_deinit(&w->body);
    buf_deinit(&w->packed);
    buf_deinit(&w->header);
    arena_deinit(&w->arena);
    free(w);
}

/* Filters stand behind the group that they are about: its columns stay next to each other. */
static int put_filters(struct parquet_writer *w, struct parquet_group *group, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < w->leaf_count && !rc; i++) {
        buf_clear(&w->header);
        if (parquet_bloom_end(w, &w->leaves[i], &w->header))
            return parquet_nomem(err);
        group->chunks[i].bloom_pos = w->pos;
        group->chunks[i].bloom_size = (int64_t)w->header.len;
        rc = parquet_put(w, buf_slice(&w->header), err);
    }
    return rc;
}

static int group_end(struct parquet_writer *w, struct err *err)
{
    struct parquet_group *group = ARENA_NEW(&w->arena, struct parquet_group);
    int rc = 0;

    if (group)
        group->chunks = ARENA_ARRAY(&w->arena, struct parquet_chunk, w->leaf_count);
    if (!group || !group->chunks)
        return parquet_nomem(err);
    group->rows = w->group_rows;
    group->pos = w->pos;
    for (size_t i = 0; i < w->leaf_count && !rc; i++) {
        rc = parquet_leaf_end(w, &w->leaves[i], &group->chunks[i], err);
        group->plain_size += group->chunks[i].plain_size;
        parquet_leaf_begin(&w->leaves[i]);
    }
    group->size = w->pos - group->pos;
    rc = rc ? rc : put_filters(w, group, err);
    *w->groups_end = group;
    w->groups_end = &group->next;
    w->group_count++;
    w->group_rows = 0;
    return rc;
}

static int64_t waiting_bytes(const struct parquet_writer *w)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < w->leaf_count; i++)
        bytes += parquet_leaf_bytes(&w->leaves[i]);
    return bytes;
}

static bool group_is_full(const struct parquet_writer *w)
{
    return w->group_rows >= w->options.group_rows ||
           (w->options.group_bytes && waiting_bytes(w) >= w->options.group_bytes);
}

int parquet_push(struct parquet_writer *w, duckdb_data_chunk chunk, struct err *err)
{
    size_t rows = duckdb_data_chunk_get_size(chunk);
    struct parquet_slots slots = {.count = rows};

    if (w->rc)
        return err_set(err, w->rc, "a Parquet file that could not be written before");
    for (size_t i = 0; i < w->schema->root.field_count && rows && !w->rc; i++)
        w->rc = parquet_shred(w, &w->nodes[i], duckdb_data_chunk_get_vector(chunk, i), &slots, err);
    w->rows += (int64_t)rows;
    w->group_rows += (int64_t)rows;
    if (!w->rc && rows && group_is_full(w))
        w->rc = group_end(w, err);
    return w->rc;
}

int64_t parquet_bytes(const struct parquet_writer *w)
{
    return w->pos + waiting_bytes(w);
}

static int put_result(const struct parquet_writer *w, struct arena *arena,
                      struct parquet_result *out, struct err *err)
{
    size_t i = 0;

    *out = (struct parquet_result){.rows = w->rows, .stat_count = w->leaf_count};
    out->stats = ARENA_ARRAY(arena, struct parquet_stat, w->leaf_count);
    out->split_offsets = ARENA_ARRAY(arena, int64_t, w->group_count + 1);
    if (!out->stats || !out->split_offsets)
        return parquet_nomem(err);
    for (const struct parquet_group *g = w->groups; g; g = g->next)
        out->split_offsets[out->split_count++] = g->pos;
    for (; i < w->leaf_count; i++) {
        const struct parquet_leaf *leaf = &w->leaves[i];
        struct parquet_stat *stat = &out->stats[i];

        *stat = (struct parquet_stat){.field = leaf->field,
                                      .path = arena_strdup(arena, leaf->path),
                                      .repeated = leaf->rep_max > 0,
                                      .values = leaf->all_values,
                                      .nulls = leaf->all_nulls,
                                      .nans = leaf->extent.nans,
                                      .bytes = leaf->all_bytes};
        if (!stat->path || parquet_extent_value(&leaf->extent, leaf, false, arena, &stat->min) ||
            parquet_extent_value(&leaf->extent, leaf, true, arena, &stat->max))
            return parquet_nomem(err);
    }
    return 0;
}

int parquet_finish(struct parquet_writer *w, struct arena *arena, struct parquet_result *out,
                   struct err *err)
{
    if (w->rc)
        return err_set(err, w->rc, "a Parquet file that could not be written before");
    if (w->group_rows)
        w->rc = group_end(w, err);
    w->rc = w->rc ? w->rc : parquet_indexes_put(w, err);
    w->rc = w->rc ? w->rc : parquet_footer_put(w, err);
    w->rc = w->rc ? w->rc : put_result(w, arena, out, err);
    return w->rc;
}
