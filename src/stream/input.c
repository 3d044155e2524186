/* input.c - one of the sources of a pipeline: rows are polled and shaped, and say how late it is.
 *
 * A SELECT that fails on a batch is run again on halves of it until the rows that it cannot compute
 * stand alone: those go to the rejects with DuckDB's own words, all others pass. With more than one
 * thread the chunks of a poll are run in slices; what they give is taken in their order, and so are
 * the rows that fail, on the pipeline's thread.
 *
 * Each partition of a source has a watermark, the highest that its rows gave; the input's is the
 * lowest of those that are not idle. A partition that never spoke counts, until it is idle. */
#include "base/team.h"
#include "stream/stream_int.h"

#define PARTITIONS_MAX 100000

/* ---- rows that cannot be computed ---- */

struct trial {
    struct input *in;
    struct slice_run *slices; /* as many as the pipeline's team has threads */
    struct vec_batch *out;
    bool rejects; /* else a row that fails gives nothing, silently: it was rejected before */
};

/* A part of `chunk` that shares its vectors. */
static int chunk_part(const struct vec_columns *columns, duckdb_data_chunk chunk, idx_t from,
                      idx_t len, duckdb_data_chunk *out)
{
    duckdb_selection_vector sel = duckdb_create_selection_vector(len);
    sel_t *rows = sel ? duckdb_selection_vector_get_data_ptr(sel) : NULL;

    *out = sel ? vec_chunk_new(columns) : NULL;
    if (!*out) {
        if (sel)
            duckdb_destroy_selection_vector(sel);
        return ERR_NOMEM;
    }
    for (idx_t i = 0; i < len; i++)
        rows[i] = (sel_t)(from + i);
    vec_chunk_refer(*out, chunk);
    for (idx_t c = 0; c < columns->count; c++)
        duckdb_slice_vector(duckdb_data_chunk_get_vector(*out, c), sel, len);
    duckdb_data_chunk_set_size(*out, len);
    duckdb_destroy_selection_vector(sel);
    return 0;
}

/* Once, however many inputs cannot compute it. */
static int reject_row(struct input *in, int64_t row, const struct err *why, struct err *err)
{
    struct stream_reject reject = {0};
    bool *rejected = in->first->rejected;
    int rc;

    if (rejected && rejected[row])
        return 0;
    rc = in->spec->source->ops->origin(in->spec->source, row, &reject, err);
    if (rc)
        return rc;
    if (rejected)
        rejected[row] = true;
    reject.reason = why->text;
    return pipeline_reject(in->pipeline, &reject, err);
}

/* The fragment on rows [from, from + len) of a chunk. ERR_INVALID: it fails on one of them. */
static int try_part(const struct trial *t, struct vec_fragment *fragment, duckdb_data_chunk chunk,
                    idx_t from, idx_t len, struct err *err)
{
    const char *name = t->in->pipeline->spec->name;
    struct vec_batch part = {0};
    duckdb_data_chunk piece;
    int rc = chunk_part(t->in->spec->source->ops->columns(t->in->spec->source), chunk, from, len,
                        &piece);

    if (rc)
        return err_set(err, rc, "%s: part of a batch", name);
    rc = vec_batch_add(&part, piece);
    if (rc) {
        duckdb_destroy_data_chunk(&piece);
        return err_set(err, rc, "%s: part of a batch", name);
    }
    part.rows = (int64_t)len;
    rc = vec_fragment_run(fragment, &part, t->out, err);
    vec_batch_deinit(&part);
    return rc;
}

/* first_row: the chunk's in the batch. */
static int salvage(const struct trial *t, struct vec_fragment *fragment, duckdb_data_chunk chunk,
                   idx_t from, idx_t len, int64_t first_row, struct err *err)
{
    struct err why = {0};
    int rc = try_part(t, fragment, chunk, from, len, &why);

    if (rc == 0)
        return 0;
    if (rc != ERR_INVALID) {
        if (err)
            *err = why;
        return rc;
    }
    if (len == 1)
        return t->rejects ? reject_row(t->in, first_row + (int64_t)from, &why, err) : 0;
    rc = salvage(t, fragment, chunk, from, len / 2, first_row, err);
    return rc ? rc : salvage(t, fragment, chunk, from + len / 2, len - len / 2, first_row, err);
}

/* ---- a poll in slices, whole chunks each, on the pipeline's team ---- */

static int run_slice(void *arg, size_t i, struct err *err)
{
    struct slice_run *slice = &((const struct trial *)arg)->slices[i];

    (void)err; /* a slice that fails is looked at when its turn comes */
    slice->rc = vec_fragment_run(slice->fragment, &slice->in, &slice->out, &slice->err);
    return 0;
}

/* What a slice has given, or what is left of it without the rows that fail. */
static int take_slice(const struct trial *t, struct slice_run *slice, int64_t first_row,
                      struct err *err)
{
    int rc = 0;

    if (slice->rc == 0)
        return vec_batch_move(t->out, &slice->out) ? err_set(err, ERR_NOMEM, "rows of a poll") : 0;
    if (slice->rc != ERR_INVALID) {
        if (err)
            *err = slice->err;
        return slice->rc;
    }
    for (size_t i = 0; i < slice->in.count && !rc; i++) {
        idx_t rows = duckdb_data_chunk_get_size(slice->in.chunks[i]);

        rc = rows ? salvage(t, slice->fragment, slice->in.chunks[i], 0, rows, first_row, err) : 0;
        first_row += (int64_t)rows;
    }
    return rc;
}

/* All rows of the last poll through a fragment, but those that it fails on. */
static int run(const struct trial *t, struct err *err)
{
    const struct vec_batch *polled = &t->in->first->polled;
    size_t count = t->in->slice_count, from = 0;
    int64_t first_row = 0;
    int rc = 0;

    vec_batch_clear(t->out);
    if (count > polled->count)
        count = polled->count;
    for (size_t i = 0; i < count && !rc; i++) {
        struct slice_run *slice = &t->slices[i];
        size_t end = polled->count * (i + 1) / count;

        rc = vec_fragment_watermark(slice->fragment, t->in->mark, err);
        vec_batch_clear(&slice->out);
        slice->in = (struct vec_batch){.chunks = polled->chunks + from, .count = end - from};
        for (; from < end; from++)
            slice->in.rows += (int64_t)duckdb_data_chunk_get_size(polled->chunks[from]);
    }
    if (!rc)
        rc = team_run(t->in->pipeline->team, run_slice, (void *)(uintptr_t)t, count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = take_slice(t, &t->slices[i], first_row, err);
        first_row += t->slices[i].in.rows;
    }
    return rc;
}

static int open_slices(struct input *in, struct slice_run **out, const char *select,
                       struct err *err)
{
    const struct vec_columns *columns = in->spec->source->ops->columns(in->spec->source);
    int rc = 0;

    *out = calloc(in->slice_count, sizeof(**out));
    if (!*out)
        return err_set(err, ERR_NOMEM, "slices of a poll");
    for (size_t i = 0; i < in->slice_count && !rc; i++)
        rc = vec_fragment_new(&(*out)[i].fragment, in->pipeline->conns[i], select, columns, err);
    return rc;
}

static void close_slices(struct input *in, struct slice_run *slices)
{
    for (size_t i = 0; slices && i < in->slice_count; i++) {
        vec_fragment_free(slices[i].fragment);
        vec_batch_deinit(&slices[i].out);
    }
    free(slices);
}

static int forget_rejected(struct input *in, struct err *err)
{
    size_t rows = (size_t)in->polled.rows;

    if (!in->next)
        return 0;
    if (rows > in->rejected_cap) {
        bool *more = realloc(in->rejected, rows * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "%s: rows of a poll", in->spec->name);
        in->rejected = more;
        in->rejected_cap = rows;
    }
    memset(in->rejected, 0, rows * sizeof(*in->rejected));
    return 0;
}

static int shape(struct input *in, struct err *err)
{
    atomic_fetch_add(&in->rows_in, in->first->polled.rows);
    if (!in->pre)
        return 0;
    in->rows = &in->shaped;
    return run(&(struct trial){in, in->pre, &in->shaped, true}, err);
}

int input_poll(struct input *in, struct err *err)
{
    struct stream_source *source = in->spec->source;
    int rc;

    vec_batch_clear(&in->polled);
    for (struct input *each = in; each; each = each->next) {
        vec_batch_clear(&each->shaped);
        each->rows = &in->polled;
    }
    rc = source->ops->poll(source, &in->polled, pipeline_reject, in->pipeline, err);
    if (rc || !in->polled.rows)
        return rc;
    rc = forget_rejected(in, err);
    for (struct input *each = in; each && !rc; each = each->next)
        rc = shape(each, err);
    return rc;
}

/* ---- time ---- */

static int know_partitions(struct input *in, size_t count, struct err *err)
{
    struct mark *more;

    if (count <= in->partition_count)
        return 0;
    more = count <= PARTITIONS_MAX ? realloc(in->partitions, count * sizeof(*more)) : NULL;
    if (!more)
        return err_set(err, ERR_NOMEM, "watermarks of %zu partitions", count);
    in->partitions = more;
    while (in->partition_count < count)
        in->partitions[in->partition_count++] = (struct mark){OP_TIME_MIN, in->pipeline->awake_ms};
    return 0;
}

int input_marks(struct input *in, struct err *err)
{
    int rc = run(&(struct trial){in, in->marks, &in->marked, false}, err);

    for (size_t c = 0; c < in->marked.count && !rc; c++) {
        duckdb_data_chunk chunk = in->marked.chunks[c];
        const int32_t *partitions = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const int64_t *marks = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk) && !rc; i++) {
            rc = partitions[i] < 0 ? err_set(err, ERR_CORRUPT, "partition %d", (int)partitions[i])
                                   : know_partitions(in, (size_t)partitions[i] + 1, err);
            if (rc)
                break;
            in->partitions[partitions[i]].seen_ms = in->pipeline->awake_ms;
            if (marks[i] > in->partitions[partitions[i]].highest_ms)
                in->partitions[partitions[i]].highest_ms = marks[i];
        }
    }
    return rc;
}

static bool is_idle(const struct input *in, int64_t seen_ms)
{
    return in->spec->idle_ms > 0 && !atomic_load(&in->held) &&
           in->pipeline->awake_ms - seen_ms >= in->spec->idle_ms;
}

void input_seen(struct input *in)
{
    for (size_t i = 0; i < in->partition_count; i++)
        in->partitions[i].seen_ms = in->pipeline->awake_ms;
}

/* The source knows how many partitions there are; those that never spoke count too. */
int input_time(struct input *in, bool *rose, bool *idle, struct err *err)
{
    struct stream_position position = {0};
    int64_t low = OP_TIME_MAX, slowest = -1;
    int rc;

    arena_reset(&in->scratch);
    rc = in->spec->source->ops->position(in->spec->source, &in->scratch, &position, err);
    if (!rc)
        rc = know_partitions(in, position.count, err);
    *idle = !in->partition_count ? is_idle(in, 0) : true;
    for (size_t i = 0; i < in->partition_count && !rc; i++) {
        if (is_idle(in, in->partitions[i].seen_ms))
            continue;
        *idle = false;
        if (slowest < 0 || in->partitions[i].highest_ms < low) {
            low = in->partitions[i].highest_ms;
            slowest = (int64_t)i;
        }
    }
    *rose = !rc && slowest >= 0 && low > in->mark;
    if (*rose)
        in->mark = low;
    atomic_store(&in->mark_shown, in->mark);
    atomic_store(&in->slowest, slowest);
    return rc;
}

/* ---- */

const struct vec_columns *input_columns(const struct input *in)
{
    return in->pre ? vec_fragment_columns(in->pre[0].fragment)
                   : in->spec->source->ops->columns(in->spec->source);
}

/* Others may read the same source. */
static void join_first(struct input *in, struct pipeline *p)
{
    struct input *last;

    in->first = in;
    for (size_t i = 0; i < p->count; i++)
        if (p->inputs[i].first == &p->inputs[i] && p->inputs[i].spec->source == in->spec->source)
            in->first = &p->inputs[i];
    if (in->first == in)
        return;
    for (last = in->first; last->next; last = last->next)
        ;
    last->next = in;
    in->rows = &in->first->polled;
}

int input_open(struct input *in, struct pipeline *p, const struct stream_input *spec,
               struct err *err)
{
    int rc = 0;

    *in = (struct input){.pipeline = p, .spec = spec, .mark = OP_TIME_MIN};
    in->slice_count = (size_t)team_threads(p->team);
    atomic_store(&in->mark_shown, OP_TIME_MIN);
    atomic_store(&in->slowest, -1);
    in->rows = &in->polled;
    join_first(in, p);
    if (p->team && in->first == in && spec->source->ops->share)
        spec->source->ops->share(spec->source, p->team);
    if (spec->pre)
        rc = open_slices(in, &in->pre, spec->pre, err);
    if (!rc && spec->marks && in->first == in)
        rc = open_slices(in, &in->marks, spec->marks, err);
    return rc ? err_wrap(err, rc, "%s", spec->name) : 0;
}

void input_rest(struct input *in)
{
    vec_batch_deinit(&in->polled);
    vec_batch_deinit(&in->shaped);
    vec_batch_deinit(&in->marked);
    if (in->first == in && in->spec->source->ops->rest)
        in->spec->source->ops->rest(in->spec->source);
}

void input_close(struct input *in)
{
    vec_batch_deinit(&in->polled);
    vec_batch_deinit(&in->shaped);
    vec_batch_deinit(&in->marked);
    close_slices(in, in->pre);
    close_slices(in, in->marks);
    arena_deinit(&in->scratch);
    free(in->partitions);
    free(in->rejected);
}
