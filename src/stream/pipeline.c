/* pipeline.c - one pipeline: its source is polled, its fragment shapes the rows, its sink drains.
 *
 * The pipeline offers the sink a feed and lets it pull: rows go from the decoder into the Parquet
 * writer on one thread, chunk by chunk, and nothing queues in between. The feed ends when a cut is
 * wanted; what the sink then holds, the source's position and the rejects form a pipeline_cut,
 * and the thread reads on for the next epoch while the coordinator commits this one.
 *
 * A fragment that fails on a batch is run again on halves of it until the rows that cannot be
 * computed stand alone: those go to the rejects with DuckDB's own words, all others pass.
 */
#include <stdio.h>

#include "stream/stream_int.h"

#define WAIT_MS           50
#define TOPIC_GONE_MS     500
#define REJECT_BYTES_MAX  ((int64_t)32 << 20)
#define BYTES_PER_ROW     200 /* for the early cut: what a row costs is known only afterwards */

static bool cut_wanted(struct pipeline *p)
{
    struct job *job = p->job;

    if (!job->threads)
        return p->polls_left <= 0;
    return atomic_load(&job->stopping) || atomic_load(&job->cut_signal);
}

/* Asks the coordinator for a cut before the interval is over. */
static void want_cut(struct pipeline *p)
{
    struct job *job = p->job;

    if (!job->threads) {
        p->polls_left = 0;
        return;
    }
    pthread_mutex_lock(&job->mutex);
    job->cut_early = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
}

static void set_waiting(struct pipeline *p, const char *why)
{
    pthread_mutex_lock(&p->job->mutex);
    if (why[0] && !p->waiting[0])
        diag_warn("job", "%s: %s waits: %s", p->job->name, p->spec->name, why);
    if (!why[0] && p->waiting[0])
        diag_info("job", "%s: %s goes on", p->job->name, p->spec->name);
    snprintf(p->waiting, sizeof(p->waiting), "%s", why);
    pthread_mutex_unlock(&p->job->mutex);
}

static int on_reject(void *arg, const struct stream_reject *reject, struct err *err)
{
    struct pipeline *p = arg;
    int rc;

    if (!p->job->plan.rejects)
        return err_set(err, ERR_INVALID, "%s[%d] offset %" PRId64 ": %s", reject->topic,
                       (int)reject->partition, reject->offset, reject->reason);
    rc = reject_buf_add(&p->rejects, reject, err);
    if (!rc)
        atomic_fetch_add(&p->rejected, 1);
    return rc;
}

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

static int reject_row(struct pipeline *p, int64_t row, const struct err *why, struct err *err)
{
    struct stream_reject reject = {0};
    int rc = p->spec->source->ops->origin(p->spec->source, row, &reject, err);

    if (rc)
        return rc;
    reject.reason = why->text;
    return on_reject(p, &reject, err);
}

/* Runs the fragment on rows [from, from + len) of a chunk; first_row is the chunk's in the
 * batch. */
static int salvage(struct pipeline *p, duckdb_data_chunk chunk, idx_t from, idx_t len,
                   int64_t first_row, struct err *err)
{
    const struct vec_columns *columns = p->spec->source->ops->columns(p->spec->source);
    struct vec_batch part = {0};
    duckdb_data_chunk piece;
    struct err why = {0};
    int rc = chunk_part(columns, chunk, from, len, &piece);

    if (rc)
        return err_set(err, rc, "%s: part of a batch", p->spec->name);
    rc = vec_batch_add(&part, piece);
    if (rc) {
        duckdb_destroy_data_chunk(&piece);
        return err_set(err, rc, "%s: part of a batch", p->spec->name);
    }
    part.rows = (int64_t)len;
    rc = vec_fragment_run(p->fragment, &part, &p->shaped, &why);
    vec_batch_deinit(&part);
    if (rc == 0)
        return 0;
    if (rc != ERR_INVALID) {
        if (err)
            *err = why;
        return rc;
    }
    if (len == 1)
        return reject_row(p, first_row + (int64_t)from, &why, err);
    rc = salvage(p, chunk, from, len / 2, first_row, err);
    return rc ? rc : salvage(p, chunk, from + len / 2, len - len / 2, first_row, err);
}

static int shape_rows(struct pipeline *p, struct err *err)
{
    struct err why = {0};
    int64_t first_row = 0;
    int rc;

    vec_batch_clear(&p->shaped);
    if (!p->fragment) {
        p->ready = &p->polled;
        return 0;
    }
    p->ready = &p->shaped;
    rc = vec_fragment_run(p->fragment, &p->polled, &p->shaped, &why);
    if (rc == 0)
        return 0;
    if (rc != ERR_INVALID) {
        if (err)
            *err = why;
        return rc;
    }
    vec_batch_clear(&p->shaped);
    for (size_t i = 0; i < p->polled.count; i++) {
        idx_t rows = duckdb_data_chunk_get_size(p->polled.chunks[i]);

        rc = rows ? salvage(p, p->polled.chunks[i], 0, rows, first_row, err) : 0;
        if (rc)
            return rc;
        first_row += (int64_t)rows;
    }
    return 0;
}

static int shape(struct pipeline *p, struct err *err)
{
    int rc = shape_rows(p, err);

    if (rc || !p->flow)
        return rc;
    rc = flow_rows(p->flow, &p->polled, p->ready, err);
    p->ready = flow_out(p->flow);
    return rc;
}

/* The source is bounded and read: what its rows still lead to is served before the feed ends. */
static int end_source(struct pipeline *p, struct err *err)
{
    int rc = p->flow ? flow_end(p->flow, err) : 0;

    p->ended = true;
    want_cut(p);
    if (rc || !p->flow)
        return rc;
    p->ready = flow_out(p->flow);
    p->next_chunk = 0;
    return p->ready->rows > 0;
}

/* 0 with p->ready filled (maybe with no rows), or an error. */
static int poll_once(struct pipeline *p, struct err *err)
{
    struct stream_source *source = p->spec->source;
    int rc;

    vec_batch_clear(&p->polled);
    p->ready = &p->polled;
    p->next_chunk = 0;
    if (!p->job->threads)
        p->polls_left--;
    rc = source->ops->poll(source, &p->polled, on_reject, p, err);
    if (rc)
        return rc;
    if (p->polled.rows == 0)
        return 0;
    p->bytes_in_epoch += p->polled.rows * BYTES_PER_ROW;
    atomic_fetch_add(&p->rows_in, p->polled.rows);
    if (!atomic_exchange(&p->job->uncommitted, true))
        atomic_store(&p->job->progress_ns, clock_mono_ns(p->job->options->clock));
    return shape(p, err);
}

/* Polls until there are rows (1), the feed is to end (0), or an error. */
static int next_rows(struct pipeline *p, struct err *err)
{
    int64_t bytes_max = p->job->options->commit_bytes;

    while (!p->ended && !cut_wanted(p)) {
        int rc = poll_once(p, err);

        if (p->bytes_in_epoch > bytes_max || p->rejects.bytes > REJECT_BYTES_MAX)
            want_cut(p);
        if (rc == 0 && p->waiting[0])
            set_waiting(p, "");
        if (rc == 0 && p->ready->rows > 0)
            return 1;
        if (rc == ERR_CLOSED) {
            return end_source(p, err);
        } else if (rc == ERR_NOENT && p->job->threads) {
            set_waiting(p, err->text);
            p->spec->source->ops->wait(p->spec->source, TOPIC_GONE_MS);
        } else if (rc) {
            return rc;
        } else if (p->polled.rows == 0 && p->job->threads) {
            p->spec->source->ops->wait(p->spec->source, WAIT_MS);
        }
    }
    return 0;
}

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct pipeline *p = arg;

    for (;;) {
        int rc;

        while (p->next_chunk < p->ready->count) {
            duckdb_data_chunk chunk = p->ready->chunks[p->next_chunk++];

            if (duckdb_data_chunk_get_size(chunk) == 0)
                continue;
            vec_chunk_refer(out, chunk);
            return 0;
        }
        rc = next_rows(p, err);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            duckdb_data_chunk_set_size(out, 0);
            return 0;
        }
    }
}

/* Fills `out` with everything since the last cut. Error in p->err, and then nothing is kept. */
int pipeline_epoch(struct pipeline *p, struct pipeline_cut *out)
{
    struct err *err = &p->err;
    int rc;

    *out = (struct pipeline_cut){0};
    *err = (struct err){0};
    p->bytes_in_epoch = 0;
    p->ready = &p->polled;
    vec_batch_clear(&p->polled);
    p->next_chunk = 0;
    rc = next_rows(p, err);
    if (rc > 0)
        rc = p->spec->sink->ops->drain(p->spec->sink, &p->feed, &out->cut, err);
    if (rc == 0)
        rc = p->spec->source->ops->position(p->spec->source, &out->arena, &out->position, err);
    if (rc == 0 && p->flow)
        rc = flow_seal(p->flow, &out->arena, &out->state, err);
    if (rc) {
        if (out->cut)
            p->spec->sink->ops->after_commit(p->spec->sink, out->cut, STREAM_REFUSED);
        out->cut = NULL;
        pipeline_cut_deinit(out);
        return rc;
    }
    out->rejects = p->rejects.batch;
    p->rejects.batch = (struct vec_batch){0};
    p->rejects.bytes = 0;
    return 0;
}

void pipeline_cut_deinit(struct pipeline_cut *cut)
{
    vec_batch_deinit(&cut->rejects);
    arena_deinit(&cut->arena);
    *cut = (struct pipeline_cut){0};
}

/* The thread: epochs, one after another; each is given to the coordinator, which takes it. */
void *pipeline_main(void *arg)
{
    struct pipeline *p = arg;
    struct job *job = p->job;

    pthread_mutex_lock(&job->mutex);
    while (!p->done) {
        pthread_mutex_unlock(&job->mutex);
        p->rc = pipeline_epoch(p, &p->cut);
        pthread_mutex_lock(&job->mutex);
        p->given = true;
        pthread_cond_broadcast(&job->changed);
        while (p->given)
            pthread_cond_wait(&job->changed, &job->mutex);
        p->done = p->rc || p->ended || job->ending;
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return NULL;
}

int pipeline_open(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                  struct err *err)
{
    const struct vec_columns *columns = spec->source->ops->columns(spec->source);
    const char *select = spec->flow ? spec->flow->pre : spec->select, *state = NULL;
    int64_t committed;
    int rc;

    *p = (struct pipeline){.job = job, .spec = spec};
    rc = reject_buf_init(&p->rejects, job->options->clock);
    if (rc)
        return err_set(err, rc, "%s", spec->name);
    if (select) {
        rc = vec_conn_new(&p->conn, job->options->db, err);
        if (!rc)
            rc = vec_fragment_new(&p->fragment, p->conn, select, columns, err);
        if (rc)
            return err_wrap(err, rc, "%s", spec->name);
        columns = vec_fragment_columns(p->fragment);
    }
    rc = rows_position(job->options->meta, job->name, spec->name, &p->arena, &p->committed,
                       &committed, &state, err);
    if (!rc && spec->flow)
        rc = flow_open(&p->flow, p, spec->source->ops->columns(spec->source), columns, state, err);
    if (rc)
        return err_wrap(err, rc, "%s", spec->name);
    p->feed = (struct vec_feed){p->flow ? flow_columns(p->flow) : columns, pull, p};
    atomic_store(&p->rows_committed, committed);
    rc = spec->source->ops->seek(spec->source, p->committed.count ? &p->committed : NULL, err);
    if (rc == ERR_NOENT && job->threads) { /* the topic may come later */
        set_waiting(p, err ? err->text : "the topic does not exist");
        rc = 0;
    }
    return rc ? err_wrap(err, rc, "%s", spec->name) : 0;
}

void pipeline_close(struct pipeline *p)
{
    vec_batch_deinit(&p->polled);
    vec_batch_deinit(&p->shaped);
    reject_buf_deinit(&p->rejects);
    flow_close(p->flow);
    p->flow = NULL;
    vec_fragment_free(p->fragment);
    vec_conn_free(p->conn);
    arena_deinit(&p->arena);
    p->fragment = NULL;
    p->conn = NULL;
}
