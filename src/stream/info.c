/* info.c - what a job shows of itself, and of its past. */
#include <stdio.h>

#include "stream/stream_int.h"

/* ---- work ---- */

#define SHOW_NS 500000000

static int64_t per_second(int64_t now, int64_t before, int64_t took_ns)
{
    return (int64_t)((double)(now - before) * 1e9 / (double)took_ns);
}

void show_work(struct pipeline *p)
{
    int64_t now = clock_mono_ns(p->job->options->clock), took = now - p->shown_ns;
    struct shown *old = &p->shown;
    struct op_info ops[OPS_SHOWN];
    size_t count;

    if (took < SHOW_NS)
        return;
    count = p->flow ? flow_info(p->flow, ops, OPS_SHOWN) : 0;
    pthread_mutex_lock(&p->job->mutex);
    for (size_t i = 0; i < count && old->count; i++) {
        old->in_s[i] = (double)per_second(ops[i].rows_in, old->ops[i].rows_in, took);
        old->out_s[i] = (double)per_second(ops[i].rows_out, old->ops[i].rows_out, took);
        old->busy[i] = (double)(ops[i].busy_ns - old->ops[i].busy_ns) / (double)took;
    }
    old->rate = (struct work){per_second(p->work.source, old->work.source, took),
                              per_second(p->work.flow, old->work.flow, took),
                              per_second(p->work.sink, old->work.sink, took),
                              per_second(p->work.quiet, old->work.quiet, took)};
    old->rows_in_s =
        (double)per_second(atomic_load(&p->rows_in), old->rows_in, p->shown_ns ? took : INT64_MAX);
    old->rows_in = atomic_load(&p->rows_in);
    old->work = p->work;
    old->count = count;
    memcpy(old->ops, ops, count * sizeof(*ops));
    p->shown_ns = now;
    pthread_mutex_unlock(&p->job->mutex);
}

static double share(int64_t ns)
{
    return ns < 0 ? 0 : ns > 1000000000 ? 1 : (double)ns / 1e9;
}

/* A thread that a sink holds shows nothing: what was shown before it came to a stand is not what
 * happens now. true with the time it has stood since then. */
static bool stands(const struct pipeline *p, int64_t *took_ns, int64_t *stood_ns)
{
    int64_t left = atomic_load(&p->left_ns), now = clock_mono_ns(p->job->options->clock);

    *took_ns = now - p->shown_ns;
    *stood_ns = now - (left > p->shown_ns ? left : p->shown_ns);
    return left && p->shown_ns && *stood_ns >= SHOW_NS;
}

/* As it would be shown by the thread itself, whose operators do nothing. */
static void standing_info(const struct pipeline *p, int64_t took_ns, int64_t stood_ns,
                          struct stream_pipeline_info *out)
{
    int64_t rows = atomic_load(&p->rows_in);

    out->rows_in_s = (double)per_second(rows, p->shown.rows_in, took_ns);
    out->busy = out->source_busy = 0;
    out->backpressured = share(per_second(stood_ns, 0, took_ns));
    out->backpressured_ms += stood_ns / 1000000;
    for (size_t i = 0; i < out->op_count; i++)
        out->ops[i].in_s = out->ops[i].out_s = out->ops[i].busy = 0;
}

static void work_info(const struct pipeline *p, struct arena *arena,
                      struct stream_pipeline_info *out)
{
    const struct shown *shown = &p->shown;
    int64_t took_ns, stood_ns;

    out->rows_in_s = shown->rows_in_s;
    out->busy = share(shown->rate.source + shown->rate.flow);
    out->backpressured = share(shown->rate.sink);
    out->busy_ms = (shown->work.source + shown->work.flow) / 1000000;
    out->backpressured_ms = shown->work.sink / 1000000;
    out->idle_ms = shown->work.quiet / 1000000;
    out->source_busy = share(shown->rate.source);
    out->ops = ARENA_ARRAY(arena, struct stream_op_info, shown->count ? shown->count : 1);
    for (size_t i = 0; out->ops && i < shown->count; i++)
        out->ops[out->op_count++] =
            (struct stream_op_info){shown->ops[i], shown->in_s[i], shown->out_s[i],
                                    shown->busy[i] < 0   ? 0
                                    : shown->busy[i] > 1 ? 1
                                                         : shown->busy[i]};
    if (stands(p, &took_ns, &stood_ns))
        standing_info(p, took_ns, stood_ns, out);
}

/* ---- one by one ---- */

static void input_info(struct input *in, struct arena *arena, struct stream_input_info *out)
{
    out->name = arena_strdup(arena, in->spec->name);
    out->topic = arena_strdup(arena, in->spec->topic);
    out->rows = atomic_load(&in->rows_in);
    out->lag = in->spec->source->ops->lag(in->spec->source);
    out->timed = in->first->marks != NULL;
    out->idle = atomic_load(&in->idle);
    out->ended = atomic_load(&in->over);
    out->held = atomic_load(&in->held);
    out->watermark_ms = atomic_load(&in->mark_shown);
    out->slowest = atomic_load(&in->first->slowest);
}

static void pipeline_info(struct pipeline *p, struct arena *arena, struct stream_pipeline_info *out)
{
    out->name = arena_strdup(arena, p->spec->name);
    out->topic = arena_strdup(arena, p->spec->inputs[0].topic);
    out->target = arena_strdup(arena, p->spec->target);
    out->rows_in = atomic_load(&p->rows_in);
    out->rows_out = atomic_load(&p->rows_out);
    out->rejects = atomic_load(&p->rejected);
    out->rows_committed = atomic_load(&p->rows_committed);
    work_info(p, arena, out);
    out->waiting = p->waiting[0] ? arena_strdup(arena, p->waiting) : NULL;
    out->inputs = ARENA_ARRAY(arena, struct stream_input_info, p->count ? p->count : 1);
    for (size_t i = 0; out->inputs && i < p->count; i++) {
        input_info(&p->inputs[i], arena, &out->inputs[out->input_count++]);
        if (p->inputs[i].first != &p->inputs[i])
            continue;
        if (out->inputs[i].lag < 0 || out->lag < 0)
            out->lag = -1;
        else
            out->lag += out->inputs[i].lag;
    }
}

/* ---- the past ---- */

static const char *copy_of(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

/* Kept for show alone: without memory there is none of it. */
static void keep(char **at, const char *text)
{
    free(*at);
    *at = text ? strdup(text) : NULL;
}

void past_deinit(struct past *past)
{
    for (size_t i = 0; i < CHECKPOINTS_SHOWN; i++) {
        keep(&past->checkpoints[i].savepoint, NULL);
        keep(&past->checkpoints[i].copy, NULL);
    }
    for (size_t i = 0; i < FAILURES_SHOWN; i++)
        keep(&past->failures[i].text, NULL);
}

static void past_info(struct job *job, struct arena *arena, struct stream_job_info *out)
{
    const struct past *past = &job->past;
    int64_t checkpoints = past->checkpoint_count, failures = past->failure_count;

    out->commits = past->commits;
    out->commits_failed = past->commits_failed;
    out->checkpoints = ARENA_ARRAY(arena, struct stream_checkpoint, CHECKPOINTS_SHOWN);
    out->failures = ARENA_ARRAY(arena, struct stream_failure, FAILURES_SHOWN);
    for (int64_t i = checkpoints; i-- > 0 && i >= checkpoints - CHECKPOINTS_SHOWN;) {
        size_t at = (size_t)(i % CHECKPOINTS_SHOWN);

        if (!out->checkpoints)
            break;
        out->checkpoints[out->checkpoint_count++] =
            (struct stream_checkpoint){past->checkpoints[at].id,
                                       past->checkpoints[at].trigger_ms,
                                       past->checkpoints[at].took_ms,
                                       past->checkpoints[at].state_bytes,
                                       past->checkpoints[at].rows,
                                       copy_of(arena, past->checkpoints[at].savepoint),
                                       copy_of(arena, past->checkpoints[at].copy)};
    }
    for (int64_t i = failures; i-- > 0 && i >= failures - FAILURES_SHOWN;) {
        size_t at = (size_t)(i % FAILURES_SHOWN);

        if (!out->failures)
            break;
        out->failures[out->failure_count++] = (struct stream_failure){
            past->failures[at].time_ms,
            arena_strdup(arena, past->failures[at].text ? past->failures[at].text : "")};
    }
}

/* With the job's mutex held. */
void past_commit(struct job *job, int64_t trigger_ms, int64_t took_ms, int64_t state_bytes,
                 int64_t rows, const char *savepoint)
{
    size_t at = (size_t)(job->past.checkpoint_count++ % CHECKPOINTS_SHOWN);

    job->past.commits += !savepoint;
    job->past.checkpoints[at].id = job->epoch;
    job->past.checkpoints[at].trigger_ms = trigger_ms;
    job->past.checkpoints[at].took_ms = took_ms;
    job->past.checkpoints[at].state_bytes = state_bytes;
    job->past.checkpoints[at].rows = rows;
    keep(&job->past.checkpoints[at].copy, NULL);
    keep(&job->past.checkpoints[at].savepoint, savepoint);
}

void past_copy(struct job *job, const char *path)
{
    size_t at = (size_t)((job->past.checkpoint_count + CHECKPOINTS_SHOWN - 1) % CHECKPOINTS_SHOWN);

    keep(&job->past.checkpoints[at].copy, path);
}

void past_failure(struct job *job, const char *text)
{
    size_t at = (size_t)(job->past.failure_count++ % FAILURES_SHOWN);

    job->past.failures[at].time_ms = clock_wall_ms(job->options->clock);
    keep(&job->past.failures[at].text, text);
}

void job_info(struct job *job, struct arena *arena, struct stream_job_info *out)
{
    pthread_mutex_lock(&job->mutex);
    out->state = job->state;
    out->reason = arena_strdup(arena, job->reason);
    out->started_ms = job->started_ms;
    out->epoch = job->epoch;
    out->committed_ms = job->committed_ms;
    out->commit_took_ms = job->commit_took_ms;
    out->restarts = job->restarts;
    out->rejects = job->rejects;
    out->interval_ms = job->interval_ms;
    out->pause_ms = job->pause_ms;
    out->parallelism = job->parallelism;
    out->restart = job->restart;
    past_info(job, arena, out);
    out->pipelines = ARENA_ARRAY(arena, struct stream_pipeline_info, job->count ? job->count : 1);
    for (size_t i = 0; out->pipelines && i < job->count; i++)
        if (job->pipelines[i].job)
            pipeline_info(&job->pipelines[i], arena, &out->pipelines[out->count++]);
    pthread_mutex_unlock(&job->mutex);
}
