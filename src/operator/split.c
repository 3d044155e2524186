/* split.c - the rows of a batch by shard: keys as bytes, their hash, and the rows of a shard copied
 * out of all chunks into full ones. */
#include "base/codec.h"
#include "operator/shards_int.h"

/* Other hashes of the same bytes find entries in a shard's state: with the same seed those of one
 * shard would be alike there. */
#define SEED 0x5a4d

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "rows by shard");
}

int split_init(struct split *split, const struct vec_columns *columns,
               const struct op_shard_keys *keys, size_t shards, struct err *err)
{
    size_t *first = calloc(keys->count + 1, sizeof(*first));
    int rc = first ? 0 : no_memory(err);

    for (size_t i = 0; first && i < keys->count; i++)
        first[i] = i;
    split->columns = columns;
    split->shards = shards;
    if (!rc)
        rc = vec_codec_new(&split->codec, columns, keys->columns ? keys->columns : first,
                           keys->count, err);
    free(first);
    return rc;
}

void split_rest(struct split *split)
{
    for (size_t i = 0; i < split->cap; i++) {
        vec_rows_deinit(&split->pieces[i].keys);
        free(split->pieces[i].shards);
        free(split->pieces[i].starts);
        if (split->pieces[i].rows)
            duckdb_destroy_selection_vector(split->pieces[i].rows);
    }
    free(split->pieces);
    split->pieces = NULL;
    split->cap = 0;
}

void split_deinit(struct split *split)
{
    split_rest(split);
    vec_codec_free(split->codec);
}

static bool make_piece(struct split *split, struct split_piece *piece)
{
    piece->shards = calloc(vec_chunk_rows(), sizeof(*piece->shards));
    piece->starts = calloc(split->shards + 2, sizeof(*piece->starts));
    piece->rows = duckdb_create_selection_vector(vec_chunk_rows());
    return piece->shards && piece->starts && piece->rows;
}

int split_begin(struct split *split, const struct vec_batch *batch, struct err *err)
{
    split->batch = batch;
    if (batch->count > split->cap) {
        struct split_piece *more = realloc(split->pieces, batch->count * sizeof(*more));

        if (!more)
            return no_memory(err);
        split->pieces = more;
        while (split->cap < batch->count) {
            struct split_piece *piece = &split->pieces[split->cap++];

            memset(piece, 0, sizeof(*piece));
            if (!make_piece(split, piece))
                return no_memory(err);
        }
    }
    return 0;
}

/* Rows in the order of their shards; within one, in theirs. */
static void sort_rows(const struct split *split, struct split_piece *piece, idx_t count)
{
    sel_t *rows = duckdb_selection_vector_get_data_ptr(piece->rows);
    idx_t *starts = piece->starts; /* starts[s + 1] moves from the first row of s to the end */

    memset(starts, 0, (split->shards + 2) * sizeof(*starts));
    for (idx_t i = 0; i < count; i++)
        starts[piece->shards[i] + 2]++;
    for (size_t s = 2; s < split->shards + 2; s++)
        starts[s] += starts[s - 1];
    for (idx_t i = 0; i < count; i++)
        rows[starts[piece->shards[i] + 1]++] = (sel_t)i;
}

static uint16_t shard_of(struct slice key, size_t shards)
{
    return (uint16_t)((hash64(key.ptr, key.len, SEED) >> 32) * shards >> 32);
}

int split_shard(const struct split *split, struct slice bytes, size_t *shard, struct err *err)
{
    struct slice key;

    if (vec_row_first(split->codec, bytes, &key))
        return err_set(err, ERR_CORRUPT, "an entry of state has other keys than the rows");
    *shard = shard_of(key, split->shards);
    return 0;
}

int split_chunk(struct split *split, size_t chunk, struct err *err)
{
    struct split_piece *piece = &split->pieces[chunk];
    int rc = vec_rows_encode(split->codec, split->batch->chunks[chunk], &piece->keys, err);

    if (rc)
        return rc;
    for (idx_t i = 0; i < piece->keys.count; i++)
        piece->shards[i] = shard_of(vec_row(&piece->keys, i), split->shards);
    sort_rows(split, piece, piece->keys.count);
    return 0;
}

/* The chunk that rows are added to; a new one when it is full. */
static duckdb_data_chunk open_chunk(const struct split *split, struct vec_batch *out)
{
    duckdb_data_chunk chunk = out->count ? out->chunks[out->count - 1] : NULL;

    if (chunk && duckdb_data_chunk_get_size(chunk) < vec_chunk_rows())
        return chunk;
    chunk = vec_chunk_new(split->columns);
    if (chunk && vec_batch_add(out, chunk)) {
        duckdb_destroy_data_chunk(&chunk);
        chunk = NULL;
    }
    return chunk;
}

static void copy_rows(duckdb_data_chunk to, idx_t at, duckdb_data_chunk from,
                      duckdb_selection_vector rows, idx_t first, idx_t end)
{
    for (idx_t c = 0; c < duckdb_data_chunk_get_column_count(from); c++)
        duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(from, c),
                               duckdb_data_chunk_get_vector(to, c), rows, end, first, at);
    duckdb_data_chunk_set_size(to, at + end - first);
}

int split_take(const struct split *split, size_t shard, struct vec_batch *out, struct err *err)
{
    for (size_t c = 0; c < split->batch->count; c++) {
        const struct split_piece *piece = &split->pieces[c];
        idx_t first = piece->starts[shard], end = piece->starts[shard + 1];

        while (first < end) {
            duckdb_data_chunk chunk = open_chunk(split, out);
            idx_t at, room;

            if (!chunk)
                return no_memory(err);
            at = duckdb_data_chunk_get_size(chunk);
            room = vec_chunk_rows() - at;
            if (room > end - first)
                room = end - first;
            copy_rows(chunk, at, split->batch->chunks[c], piece->rows, first, first + room);
            out->rows += (int64_t)room;
            first += room;
        }
    }
    return 0;
}
