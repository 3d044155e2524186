/* writer_route.c - rows of many partitions, each to its file.
 *
 * The first partitions of an epoch, as many as may be open, gather their rows in a chunk each;
 * full chunks go to its open file. Rows of further partitions lie mixed in the overflow, which
 * costs their own bytes and no more. At the cut, or when too many wait, they are sorted by
 * partition and written in turn.
 */
#include "lake/writer_int.h"

#define OVERFLOW_MAX (1 << 18) /* rows */

/* `count` rows of `chunk`, by the selection, to the end of what the partition gathers. */
static int part_add_rows(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                         idx_t count, struct err *err)
{
    idx_t done = 0;

    while (done < count) {
        idx_t room, more;

        if (!part->filling && !(part->filling = vec_chunk_new(&w->columns)))
            return writer_nomem(err);
        room = vec_chunk_rows() - part->filled;
        more = count - done < room ? count - done : room;
        for (idx_t i = 0; i < w->columns.count; i++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, i),
                                   duckdb_data_chunk_get_vector(part->filling, i), w->sel,
                                   done + more, done, part->filled);
        part->filled += more;
        done += more;
        duckdb_data_chunk_set_size(part->filling, part->filled);
        if (part->filled == vec_chunk_rows()) {
            int rc = writer_part_flush(w, part, err);

            if (rc)
                return rc;
        }
    }
    return 0;
}

static bool part_admit(struct lake_writer *w, struct part *part)
{
    if (!part->admitted && w->admitted < w->open_max) {
        part->admitted = true;
        w->admitted++;
    }
    return part->admitted;
}

/* Room for at least one more row in the overflow's last chunk. */
static int overflow_room(struct lake_writer *w, struct err *err)
{
    struct overflow *o = &w->overflow;
    duckdb_data_chunk chunk;

    if (o->chunks.count && o->filled < vec_chunk_rows())
        return 0;
    if ((o->chunks.count + 1) * vec_chunk_rows() > o->cap) {
        size_t cap = (o->chunks.count * 2 + 8) * vec_chunk_rows();
        struct part **owners = realloc(o->owners, cap * sizeof(*owners));

        if (!owners)
            return writer_nomem(err);
        o->owners = owners;
        o->cap = cap;
    }
    chunk = vec_chunk_new(&w->columns);
    if (!chunk)
        return writer_nomem(err);
    if (vec_batch_add(&o->chunks, chunk)) {
        duckdb_destroy_data_chunk(&chunk);
        return writer_nomem(err);
    }
    o->filled = 0;
    return 0;
}

size_t writer_overflow_rows(const struct lake_writer *w)
{
    const struct overflow *o = &w->overflow;

    return o->chunks.count ? (o->chunks.count - 1) * vec_chunk_rows() + o->filled : 0;
}

/* `count` rows of `chunk`, by the selection. */
static int overflow_add(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                        idx_t count, struct err *err)
{
    struct overflow *o = &w->overflow;
    idx_t done = 0;

    while (done < count) {
        int rc = overflow_room(w, err);
        idx_t room = vec_chunk_rows() - o->filled;
        idx_t more = count - done < room ? count - done : room;
        duckdb_data_chunk last;

        if (rc)
            return rc;
        last = o->chunks.chunks[o->chunks.count - 1];
        for (idx_t i = 0; i < w->columns.count; i++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, i),
                                   duckdb_data_chunk_get_vector(last, i), w->sel, done + more, done,
                                   o->filled);
        for (idx_t i = 0; i < more; i++)
            o->owners[writer_overflow_rows(w) + i] = part;
        o->filled += more;
        duckdb_data_chunk_set_size(last, o->filled);
        done += more;
    }
    return 0;
}

/* The rows of one partition, in their order, chunk by chunk, into a file. */
static int overflow_write_part(struct lake_writer *w, struct part *part, const uint32_t *rows,
                               size_t count, struct err *err)
{
    sel_t *sel = duckdb_selection_vector_get_data_ptr(w->sel);
    idx_t per_chunk = vec_chunk_rows();
    int rc = 0;

    for (size_t i = 0; i < count && !rc;) {
        size_t chunk = rows[i] / per_chunk;
        idx_t taken = 0;

        for (; i < count && rows[i] / per_chunk == chunk; i++)
            sel[taken++] = (sel_t)(rows[i] % per_chunk);
        rc = part_add_rows(w, part, w->overflow.chunks.chunks[chunk], taken, err);
    }
    return rc ? rc : writer_part_end(w, part, err);
}

/* Counting sort by owner, in order of appearance, then one file after the other. */
int writer_overflow_write(struct lake_writer *w, struct err *err)
{
    size_t rows = writer_overflow_rows(w), parts = 0;
    uint32_t *order = calloc(rows + 1, sizeof(*order)), *ends = calloc(rows + 2, sizeof(*ends));
    struct part **list = calloc(rows + 1, sizeof(*list)), **owners = w->overflow.owners;
    int rc = order && ends && list ? 0 : writer_nomem(err);

    for (size_t i = 0; i < rows && !rc; i++) {
        if (!owners[i]->index) {
            list[parts++] = owners[i];
            owners[i]->index = (uint32_t)parts;
        }
        ends[owners[i]->index]++;
    }
    for (size_t p = 1; p <= parts; p++)
        ends[p] += ends[p - 1];
    for (size_t i = 0; i < rows && !rc; i++) /* ends[p - 1] walks from p's start to its end */
        order[ends[owners[i]->index - 1]++] = (uint32_t)i;
    for (size_t p = 0; p < parts; p++) {
        size_t start = p ? ends[p - 1] : 0;

        rc = rc ? rc : overflow_write_part(w, list[p], order + start, ends[p] - start, err);
        list[p]->index = 0;
    }
    free(order);
    free(ends);
    free(list);
    vec_batch_clear(&w->overflow.chunks);
    w->overflow.filled = 0;
    return rc;
}

/* Which partition each row belongs to; whole chunks of one partition go on without a copy. */
int writer_route(struct lake_writer *w, duckdb_data_chunk chunk /* take */, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    struct part **owner = calloc(rows + 1, sizeof(*owner)), *part = NULL;
    struct lake_value *values = calloc(w->spec->field_count + 1, sizeof(*values));
    sel_t *sel = duckdb_selection_vector_get_data_ptr(w->sel);
    bool one = true;
    int rc = owner && values ? 0 : writer_nomem(err);

    for (idx_t i = 0; i < rows && !rc; i++) {
        rc = writer_row_part(w, chunk, i, values, &part, err);
        owner[i] = part;
        one &= rc || owner[i] == owner[0];
    }
    if (!rc && rows && one && part_admit(w, owner[0]) && !owner[0]->filled) {
        rc = writer_part_push_chunk(w, owner[0], chunk, err);
        chunk = NULL;
        rows = 0;
    }
    for (idx_t i = 0; i < rows && !rc; i++) {
        idx_t count = 0;

        if (!owner[i])
            continue;
        part = owner[i];
        for (idx_t k = i; k < rows; k++)
            if (owner[k] == part) {
                sel[count++] = (sel_t)k;
                owner[k] = NULL;
            }
        rc = part_admit(w, part) ? part_add_rows(w, part, chunk, count, err)
                                 : overflow_add(w, part, chunk, count, err);
    }
    if (!rc && writer_overflow_rows(w) > OVERFLOW_MAX)
        rc = writer_overflow_write(w, err);
    if (chunk)
        duckdb_destroy_data_chunk(&chunk);
    free(owner);
    free(values);
    return rc;
}
