/* pipeline.c - one pipeline: its sources are polled in turn, their rows shaped and led through its
 * operators, its sink drains.
 *
 * The pipeline offers the sink a feed and lets it pull: rows go from the decoder into the Parquet
 * writer on one thread, chunk by chunk, and nothing queues in between. The feed ends when a cut is
 * wanted; what the sink then holds, the sources' positions and the rejects form a pipeline_cut,
 * and the thread reads on for the next epoch while the coordinator commits this one.
 *
 * Inputs take turns, a poll each. One whose time is ahead lets those behind it go first for a
 * while, since what it would give had to be remembered until they come: joins then hold little,
 * whatever the rates of their sides are. */
#include <stdio.h>

#include "base/team.h"
#include "stream/stream_int.h"

#define TOPIC_GONE_MS    500
#define REJECT_BYTES_MAX ((int64_t)32 << 20)
#define BYTES_PER_ROW    200     /* for the early cut: what a row costs is known only afterwards */
#define FLUSH_NS         1000000 /* of state that was sealed, between two polls */
#define FLUSH_QUIET_NS   5000000 /* when there are no rows */
#define PASSED_OVER_MAX  15      /* turns that an input ahead of others gives them in a row */

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

int pipeline_reject(void *pipeline, const struct stream_reject *reject, struct err *err)
{
    struct pipeline *p = pipeline;
    int rc;

    if (!p->job->plan.rejects)
        return err_set(err, ERR_INVALID, "%s[%d] offset %" PRId64 ": %s", reject->topic,
                       (int)reject->partition, reject->offset, reject->reason);
    rc = reject_buf_add(&p->rejects, reject, err);
    if (!rc)
        atomic_fetch_add(&p->rejected, 1);
    return rc;
}

/* ---- inputs in turn ---- */

static int64_t now_ns(struct pipeline *p)
{
    return clock_mono_ns(p->job->options->clock);
}
static int64_t now_ms(struct pipeline *p)
{
    return clock_mono_ms(p->job->options->clock);
}

/* Somebody behind it has rows. */
static bool is_ahead(struct pipeline *p, const struct input *in)
{
    for (size_t i = 0; i < p->count && in->marks; i++) {
        struct input *other = &p->inputs[i];

        if (other != in && other->marks && other->gave && !other->ended && other->mark < in->mark)
            return true;
    }
    return false;
}

/* One of its group, in whichever pipeline of the job, that is further behind than it may be; one
 * without a watermark is, until it is idle. Watermarks of other threads are as they were shown
 * last: an input may be held a little longer than it must. */
static bool is_behind(const struct input *other, const struct input *in)
{
    int64_t mark = atomic_load(&other->mark_shown), drift = in->spec->align_drift_ms;

    if (other == in || other->first != other || !other->marks || !other->spec->align_group ||
        strcmp(other->spec->align_group, in->spec->align_group) != 0 || atomic_load(&other->over) ||
        atomic_load(&other->idle) || in->mark == OP_TIME_MIN)
        return false;
    return mark == OP_TIME_MIN || (in->mark > mark && in->mark - mark > drift);
}

static bool must_wait(const struct pipeline *p, struct input *in)
{
    bool held = false;

    if (!in->spec->align_group || !in->marks)
        return false;
    for (size_t i = 0; i < p->job->count && !held; i++)
        for (size_t k = 0; k < p->job->pipelines[i].count && !held; k++)
            held = is_behind(&p->job->pipelines[i].inputs[k], in);
    if (!held && atomic_load(&in->held)) /* it was not its partitions that were silent */
        input_seen(in);
    atomic_store(&in->held, held);
    return held;
}

/* NULL: every one is over, gone for now, or waits for others. */
static struct input *next_input(struct pipeline *p)
{
    for (size_t tries = 0; tries < 2 * p->count; tries++) {
        struct input *in = &p->inputs[p->turn];

        p->turn = (p->turn + 1) % p->count;
        if (in->first != in || in->ended || (in->gone && now_ms(p) < in->retry_ms) ||
            must_wait(p, in))
            continue;
        if (in->passed_over < PASSED_OVER_MAX && is_ahead(p, in)) {
            in->passed_over++;
            continue;
        }
        in->passed_over = 0;
        return in;
    }
    return NULL;
}

static bool all_ended(const struct pipeline *p)
{
    bool ended = true;

    for (size_t i = 0; i < p->count; i++)
        ended &= p->inputs[i].ended;
    return ended;
}

/* A bounded source is read: what its rows still lead to is served. */
static int end_input(struct pipeline *p, struct input *in, struct err *err)
{
    int rc = p->flow ? flow_end(p->flow, in, err) : 0;

    p->stirred = true;
    in->gave = false;
    for (struct input *each = in; each; each = each->next) {
        each->ended = true;
        atomic_store(&each->over, true);
    }
    if (all_ended(p)) {
        p->ended = true;
        want_cut(p);
    }
    if (!rc && p->flow)
        p->ready = flow_out(p->flow);
    return rc;
}

static void set_gone(struct pipeline *p, struct input *in, bool gone, const char *why)
{
    in->gone = gone;
    in->retry_ms = now_ms(p) + TOPIC_GONE_MS;
    for (size_t i = 0; i < p->count; i++)
        gone |= p->inputs[i].gone;
    if (why[0] || !gone)
        set_waiting(p, why);
}

/* 0 with p->ready served next, maybe with no rows. */
static int take_rows(struct pipeline *p, struct input *in, struct err *err)
{
    p->stirred = true;
    p->rows_ns = p->work_ns = now_ns(p);
    p->bytes_in_epoch += in->polled.rows * BYTES_PER_ROW;
    atomic_fetch_add(&p->rows_in, in->polled.rows);
    if (!atomic_exchange(&p->job->uncommitted, true))
        atomic_store(&p->job->progress_ns, clock_mono_ns(p->job->options->clock));
    if (p->flow) {
        int64_t began = now_ns(p);
        int rc = flow_rows(p->flow, in, err);

        p->work.flow += now_ns(p) - began;
        p->ready = flow_out(p->flow);
        return rc;
    }
    p->ready = in->rows;
    return 0;
}

static int poll_once(struct pipeline *p, struct input *in, struct err *err)
{
    int64_t began = now_ns(p);
    int rc = input_poll(in, err);

    p->work.source += now_ns(p) - began;

    in->gave = rc == 0 && in->polled.rows > 0;
    if (in->gone && rc != ERR_NOENT)
        set_gone(p, in, false, "");
    if (rc == ERR_CLOSED)
        return end_input(p, in, err);
    if (rc == ERR_NOENT && p->job->threads) {
        set_gone(p, in, true, err->text);
        return 0;
    }
    return rc || !in->gave ? rc : take_rows(p, in, err);
}

/* Time goes by, whether rows come or not. */
static int tick(struct pipeline *p, struct err *err)
{
    int rc = p->flow ? flow_tick(p->flow, err) : 0;

    if (rc || !p->flow)
        return rc;
    p->ready = flow_out(p->flow);
    p->stirred |= p->ready->rows > 0;
    return 0;
}

/* There are no rows: sealed state is written, or the thread sleeps. */
static int pass_time(struct pipeline *p, struct err *err)
{
    int64_t began = now_ns(p);

    if (p->flow && flow_is_busy(p->flow))
        return flow_flush(p->flow, FLUSH_QUIET_NS, err);
    nap_take(p);
    p->work.quiet += now_ns(p) - began;
    return 0;
}

/* Polls until there are rows (1), the feed is to end (0), or an error. */
static int next_rows(struct pipeline *p, struct err *err)
{
    int64_t bytes_max = p->job->options->commit_bytes;
    size_t quiet = 0; /* polls without rows, in a row */

    p->next_chunk = 0;
    while (!p->ended && !cut_wanted(p)) {
        struct input *in;
        int rc;

        p->ready = NULL;
        show_work(p);
        rc = p->flow && flow_is_busy(p->flow) ? flow_flush(p->flow, FLUSH_NS, err) : 0;
        if (!rc)
            rc = tick(p, err);
        if (rc || (p->ready && p->ready->rows))
            return rc ? rc : 1;
        in = next_input(p);
        if (!p->job->threads)
            p->polls_left--;
        rc = in ? poll_once(p, in, err) : 0;
        if (p->bytes_in_epoch > bytes_max || p->rejects.bytes + p->late.bytes > REJECT_BYTES_MAX)
            want_cut(p);
        if (rc || (p->ready && p->ready->rows))
            return rc ? rc : 1;
        quiet = in && in->gave ? 0 : quiet + 1;
        if (quiet < p->count || p->ended)
            continue;
        if (!p->job->threads) { /* a step reads what is there; some sources look twice */
            p->polls_left = quiet < 4 * p->count ? p->polls_left : 0;
            continue;
        }
        rc = pass_time(p, err);
        if (rc)
            return rc;
        quiet = 0;
    }
    return 0;
}

/* With the mutex held; at most until a job that was cancelled is given up. */
static void wait_for_change(struct job *job)
{
    int64_t until_ns = atomic_load(&job->given_up_ns);
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

    if (until_ns)
        (void)pthread_cond_timedwait(&job->changed, &job->mutex, &until);
    else
        pthread_cond_wait(&job->changed, &job->mutex);
}

int pipeline_await_state(struct pipeline *p, struct pipeline_cut *cut, struct err *err)
{
    struct job *job = p->job;
    struct sealed_state *sealed = &p->sealed[cut->state_epoch % 2], taken;

    pthread_mutex_lock(&job->mutex);
    while (sealed->epoch != cut->state_epoch && !p->done && !(p->given && p->rc) &&
           !job_is_given_up(job))
        wait_for_change(job);
    taken = *sealed;
    *sealed = (struct sealed_state){0};
    if (taken.epoch != cut->state_epoch && err)
        *err = p->err;
    pthread_mutex_unlock(&job->mutex);
    if (taken.epoch != cut->state_epoch)
        return p->rc ? p->rc : err_set(err, ERR_IO, "%s: its state was not written", p->spec->name);
    cut->state = arena_strdup(&cut->arena, taken.manifest);
    cut->state_bytes = taken.bytes;
    free(taken.manifest);
    if (!cut->state) {
        syncs_free(&taken.syncs);
        return err_set(err, ERR_NOMEM, "%s: its state", p->spec->name);
    }
    return syncs_wait(&taken.syncs, err);
}

void pipeline_wake(struct pipeline *p)
{
    for (size_t i = 0; i < p->spec->input_count; i++) {
        struct stream_source *source = p->spec->inputs[i].source;

        source->ops->wake(source);
    }
    nap_end(p);
}

/* ---- the feed ---- */

static int serve(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct pipeline *p = arg;

    for (;;) {
        int rc;

        while (p->ready && p->next_chunk < p->ready->count) {
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

/* What passes between the two is the sink's. It may be long: others can see since when. */
static void leave_to_sink(struct pipeline *p)
{
    atomic_store(&p->left_ns, now_ns(p));
}
static void take_from_sink(struct pipeline *p)
{
    p->work.sink += now_ns(p) - atomic_exchange(&p->left_ns, 0);
}

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct pipeline *p = arg;
    int rc;

    take_from_sink(p);
    rc = serve(arg, out, err);
    leave_to_sink(p);
    return rc;
}

static int positions(struct pipeline *p, struct pipeline_cut *out, struct err *err)
{
    int rc = 0;

    out->positions = ARENA_ARRAY(&out->arena, struct stream_position, p->count ? p->count : 1);
    if (!out->positions)
        return err_set(err, ERR_NOMEM, "positions of %s", p->spec->name);
    for (size_t i = 0; i < p->count && !rc; i++) {
        struct stream_source *source = p->inputs[i].spec->source;

        rc = source->ops->position(source, &out->arena, &out->positions[i], err);
    }
    return rc;
}

static int drain(struct pipeline *p, struct pipeline_cut *out, struct err *err)
{
    int rc;

    leave_to_sink(p);
    rc = p->spec->sink->ops->drain(p->spec->sink, &p->feed, &out->cut, err);
    take_from_sink(p);
    return rc;
}

/* Fills `out` with everything since the last cut. Error in p->err, and then nothing is kept. */
int pipeline_epoch(struct pipeline *p, struct pipeline_cut *out)
{
    struct err *err = &p->err;
    int rc;

    *out = (struct pipeline_cut){0};
    *err = (struct err){0};
    p->bytes_in_epoch = 0;
    p->ready = NULL;
    p->stirred = false;
    rc = next_rows(p, err);
    if (rc > 0)
        rc = drain(p, out, err);
    if (rc == 0)
        rc = positions(p, out, err);
    if (rc == 0 && p->flow && p->stirred)
        rc = flow_seal(p->flow, out, err);
    if (rc == 0 && p->flow && (p->ended || !p->job->threads))
        rc = flow_finish(p->flow, err);
    if (rc) {
        if (out->cut)
            p->spec->sink->ops->after_commit(p->spec->sink, out->cut, STREAM_REFUSED);
        out->cut = NULL;
        pipeline_cut_deinit(out);
        return rc;
    }
    if (p->stirred) /* to end it has touched what was given back */
        p->work_ns = now_ns(p);
    out->rejects = p->rejects.batch;
    p->rejects.batch = (struct vec_batch){0};
    p->rejects.bytes = 0;
    out->late = p->late.batch;
    p->late.batch = (struct vec_batch){0};
    p->late.bytes = 0;
    return 0;
}

void pipeline_cut_deinit(struct pipeline_cut *cut)
{
    vec_batch_deinit(&cut->rejects);
    vec_batch_deinit(&cut->late);
    arena_deinit(&cut->arena);
    *cut = (struct pipeline_cut){0};
}

/* With the mutex held. Whoever makes the commit before it true, slowly, holds it up. The time is
 * not lost: what was sealed is written meanwhile. */
static void wait_to_be_taken(struct pipeline *p)
{
    struct job *job = p->job;
    struct err err = {0};
    int rc;

    if (p->rc || !p->flow || !flow_is_sealed(p->flow)) {
        leave_to_sink(p);
        pthread_cond_wait(&job->changed, &job->mutex);
        take_from_sink(p);
        return;
    }
    pthread_mutex_unlock(&job->mutex);
    rc = flow_flush(p->flow, FLUSH_QUIET_NS, &err);
    pthread_mutex_lock(&job->mutex);
    if (rc) {
        p->rc = rc;
        p->err = err;
    }
}

/* The last part was given: what it sealed is written before the thread ends. */
static void finish_state(struct pipeline *p)
{
    struct job *job = p->job;
    struct err err = {0};
    int rc = 0;

    pthread_mutex_unlock(&job->mutex);
    if (!p->rc && p->flow)
        rc = flow_finish(p->flow, &err);
    pthread_mutex_lock(&job->mutex);
    if (rc) {
        p->rc = rc;
        p->err = err;
    }
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
            wait_to_be_taken(p);
        if (p->rc || p->ended || job->ending) {
            finish_state(p);
            p->done = true;
        }
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return NULL;
}

/* ---- opened and closed ---- */

static bool same_place(const struct stream_position *a, const struct stream_position *b)
{
    if (!a->count || !b->count)
        return a->count == b->count;
    return a->count == b->count && !strcmp(a->incarnation, b->incarnation) &&
           !memcmp(a->offsets, b->offsets, a->count * sizeof(*a->offsets));
}

/* The place is the first one's. Jobs of a version that read one table several times over may have
 * left several behind. */
static int check_place(struct pipeline *p, size_t number, struct err *err)
{
    size_t first = (size_t)(p->inputs[number].first - p->inputs);

    if (same_place(&p->committed[first], &p->committed[number]))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s and %s are read together now, but were left at different places: start the "
                   "job anew under another name",
                   p->spec->inputs[first].name, p->spec->inputs[number].name);
}

static int seek(struct pipeline *p, size_t number, struct err *err)
{
    const struct stream_input *spec = p->inputs[number].spec;
    struct stream_position *at = &p->committed[number];
    int rc =
        rows_position(p->job->options->meta, p->job->name, p->spec, spec->name, &p->arena, at, err);

    if (!rc && p->inputs[number].first != &p->inputs[number])
        return check_place(p, number, err);
    if (!rc)
        rc = spec->source->ops->seek(spec->source, at->count ? at : NULL, err);
    if (rc == ERR_NOENT && p->job->threads) { /* the topic may come later */
        set_gone(p, &p->inputs[number], true, err ? err->text : "the topic does not exist");
        p->inputs[number].retry_ms = 0;
        rc = 0;
    }
    return rc;
}

/* In steps a run is to be repeated by its seed: all is done by the caller, in order. */
static int open_team(struct pipeline *p, struct err *err)
{
    bool alone = !p->job->threads && !p->job->options->step_threads;
    int64_t threads = alone ? 1 : stream_plan_threads(&p->job->plan);

    return threads > 1 ? team_new(&p->team, "pipeline", (int)threads, err) : 0;
}

static int open_conns(struct pipeline *p, struct err *err)
{
    int threads = team_threads(p->team), rc = 0;

    p->conns = calloc((size_t)threads, sizeof(struct vec_conn *));
    if (!p->conns)
        return err_set(err, ERR_NOMEM, "connections");
    for (int i = 0; i < threads && !rc; i++)
        rc = vec_conn_new(&p->conns[i], p->job->options->db, err);
    p->conn = p->conns[0];
    return rc;
}

static int open_inputs(struct pipeline *p, struct err *err)
{
    const struct stream_pipeline *spec = p->spec;
    int rc = open_conns(p, err);

    p->inputs = calloc(spec->input_count, sizeof(*p->inputs));
    p->committed = ARENA_ARRAY(&p->arena, struct stream_position, spec->input_count);
    if (!rc && (!p->inputs || !p->committed))
        rc = err_set(err, ERR_NOMEM, "inputs");
    while (!rc && p->count < spec->input_count) {
        rc = input_open(&p->inputs[p->count], p, &spec->inputs[p->count], err);
        p->count++; /* to be closed, half-built too */
    }
    return rc;
}

static int open_flow(struct pipeline *p, struct err *err)
{
    const char *state = NULL;
    int64_t committed = 0;
    int rc = rows_pipeline(p->job->options->meta, p->job->name, p->spec->name, &p->arena,
                           &committed, &state, err);

    atomic_store(&p->rows_committed, committed);
    if (rc || !p->spec->graph)
        return rc;
    rc = flow_open(&p->flow, p, state, err);
    if ((rc != ERR_CORRUPT && rc != ERR_NOENT) || !state)
        return rc;
    rc = state_repair(p->job, p->spec->name, state, rc, err);
    return rc ? rc : flow_open(&p->flow, p, state, err);
}

int pipeline_open(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                  struct err *err)
{
    int rc;

    *p = (struct pipeline){.job = job, .spec = spec, .ticked_ms = now_ms(&(struct pipeline){job})};
    if (!spec->input_count || (!spec->graph && spec->input_count > 1))
        return err_set(err, ERR_INVALID, "%s: %zu inputs and no operators", spec->name,
                       spec->input_count);
    rc = reject_buf_init(&p->rejects, job->options->clock);
    if (!rc)
        rc = late_buf_init(&p->late);
    if (rc)
        return err_set(err, rc, "%s", spec->name);
    rc = open_team(p, err);
    if (!rc)
        rc = open_inputs(p, err);
    if (!rc)
        rc = open_flow(p, err);
    for (size_t i = 0; i < p->count && !rc; i++)
        rc = seek(p, i, err);
    if (!rc && job->threads)
        rc = nap_open(p, err);
    if (!rc)
        p->feed = (struct vec_feed){p->flow ? flow_columns(p->flow) : input_columns(&p->inputs[0]),
                                    pull, p};
    return rc ? err_wrap(err, rc, "%s", spec->name) : 0;
}

int pipeline_open_reader(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                         enum reads reads, const char *manifest, struct err *err)
{
    int rc;

    *p = (struct pipeline){.job = job, .spec = spec, .reads = reads};
    rc = open_inputs(p, err);
    if (!rc)
        rc = flow_open(&p->flow, p, manifest, err);
    return rc ? err_wrap(err, rc, "%s", spec->name) : 0;
}

void pipeline_close(struct pipeline *p)
{
    nap_close(p);
    flow_close(p->flow);
    for (size_t i = 0; i < p->count; i++)
        input_close(&p->inputs[i]);
    free(p->inputs);
    for (size_t i = 0; i < COUNT_OF(p->sealed); i++) {
        free(p->sealed[i].manifest);
        syncs_free(&p->sealed[i].syncs);
    }
    reject_buf_deinit(&p->rejects);
    late_buf_deinit(&p->late);
    for (int i = 0; p->conns && i < team_threads(p->team); i++)
        vec_conn_free(p->conns[i]);
    free(p->conns);
    team_free(p->team);
    arena_deinit(&p->arena);
    p->flow = NULL;
    p->inputs = NULL;
    p->count = 0;
    p->conn = NULL;
    p->conns = NULL;
    p->team = NULL;
}
