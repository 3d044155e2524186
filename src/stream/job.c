/* job.c - the coordinator of one job: opens its plan, times the cuts, commits, starts over.
 *
 * The coordinator's thread owns the job's life. It asks all pipelines for a cut by one flag, waits
 * until each has given its part, takes them together (so that an epoch is one consistent cut) and
 * commits while the pipelines read on. Whatever fails ends all pipelines of the job; it is opened
 * anew from what is committed, after a pause that doubles, unless the failure cannot pass.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/codec.h"
#include "stream/stream_int.h"

#define CANCEL_NS 1000000000 /* that a cancelled job has for a last commit */

int job_new(struct job **out, const struct stream_engine_options *options,
            const struct job_row *row, struct err *err)
{
    struct job *job = calloc(1, sizeof(*job));
    pthread_condattr_t attr;

    if (!job)
        return err_set(err, ERR_NOMEM, "job %s", row->name);
    pthread_mutex_init(&job->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &attr);
    pthread_condattr_destroy(&attr);
    job->options = options;
    job->state = "RUNNING";
    job->epoch = row->epoch;
    job->created_ms = row->created_ms;
    job->committed_ms = row->committed_ms;
    job->rejects = row->rejects;
    job->name = strdup(row->name);
    job->script = strdup(row->script);
    snprintf(job->id, sizeof(job->id), "%s", row->id);
    if (!job->name || !job->script) {
        job_free(job);
        return err_set(err, ERR_NOMEM, "job %s", row->name);
    }
    *out = job;
    return 0;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    job_close(job);
    arena_deinit(&job->arena);
    past_deinit(&job->past);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->mutex);
    free(job->name);
    free(job->script);
    free(job);
}

/* The source is an earlier input's. */
static bool is_shared(const struct stream_pipeline *p, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (p->inputs[i].source == p->inputs[number].source)
            return true;
    return false;
}

void stream_plan_close(struct stream_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct stream_pipeline *p = &plan->pipelines[i];

        for (size_t k = 0; k < p->input_count; k++)
            if (p->inputs[k].source && !is_shared(p, k))
                p->inputs[k].source->ops->free(p->inputs[k].source);
        if (p->sink)
            p->sink->ops->free(p->sink);
    }
    if (plan->rejects)
        plan->rejects->ops->free(plan->rejects);
    if (plan->late)
        plan->late->ops->free(plan->late);
    *plan = (struct stream_plan){0};
}

static int recover_sink(struct stream_sink *sink, struct err *err)
{
    return sink && sink->ops->recover ? sink->ops->recover(sink, err) : 0;
}

static int recover_sinks(struct job *job, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < job->plan.count && !rc; i++)
        rc = recover_sink(job->plan.pipelines[i].sink, err);
    if (!rc)
        rc = recover_sink(job->plan.rejects, err);
    return rc ? rc : recover_sink(job->plan.late, err);
}

/* What outlives the plan: the settings that are asked for when there is none. */
static int note_plan(struct job *job, struct err *err)
{
    const struct stream_plan *plan = &job->plan;
    const char *dir = plan->savepoint_dir ? plan->savepoint_dir : "";

    if (strlen(dir) >= sizeof(job->savepoint_dir))
        return err_set(err, ERR_LIMIT, "the path of savepoints is too long: %s", dir);
    pthread_mutex_lock(&job->mutex);
    job->restart = plan->restart;
    job->parallelism = stream_plan_threads(plan);
    job->interval_ms =
        plan->commit_interval_ms > 0 ? plan->commit_interval_ms : job->options->commit_interval_ms;
    job->pause_ms = plan->commit_pause_ms;
    strcpy(job->savepoint_dir, dir);
    pthread_mutex_unlock(&job->mutex);
    return 0;
}

/* The script says where a job begins that has not committed yet. */
static int begin_from_savepoint(struct job *job, struct err *err)
{
    const struct stream_engine_options *o = job->options;
    struct arena arena = {0};
    struct job_row *row;
    int rc = savepoint_restore(o, job->name, job->script, job->plan.start_from, err);

    if (!rc)
        rc = rows_find(o->meta, &arena, job->name, &row, err);
    if (!rc) {
        pthread_mutex_lock(&job->mutex);
        job->epoch = row->epoch;
        snprintf(job->id, sizeof(job->id), "%s", row->id);
        pthread_mutex_unlock(&job->mutex);
    }
    arena_deinit(&arena);
    return rc;
}

/* Plans and opens everything, from the row as it is now. */
int job_open(struct job *job, struct err *err)
{
    const struct stream_engine_options *o = job->options;
    struct pipeline *pipelines;
    struct job_row *row;
    size_t count;
    int rc = rows_claim(o->meta, job->name, err);

    if (!rc)
        rc = rows_load(o->meta, &job->arena, job->name, &row, &count, err);
    if (rc)
        return rc;
    if (count != 1)
        return err_set(err, ERR_NOENT, "job %s: its row is gone", job->name);
    pthread_mutex_lock(&job->mutex);
    job->epoch = row->epoch;
    pthread_mutex_unlock(&job->mutex);
    stream_plan_defaults(&job->plan);
    job->plan.setting = o->setting;
    job->plan.setting_arg = o->setting_arg;
    rc = o->plan(o->plan_arg, job->name, job->script, &job->arena, &job->plan, err);
    if (!rc)
        rc = note_plan(job, err);
    if (!rc && job->plan.start_from && !job->epoch)
        rc = begin_from_savepoint(job, err);
    if (!rc)
        rc = recover_sinks(job, err);
    if (rc)
        return rc;
    pipelines = calloc(job->plan.count ? job->plan.count : 1, sizeof(*pipelines));
    if (!pipelines)
        return err_set(err, ERR_NOMEM, "job %s", job->name);
    for (size_t i = 0; i < job->plan.count && !rc; i++)
        rc = pipeline_open(&pipelines[i], job, &job->plan.pipelines[i], err);
    pthread_mutex_lock(&job->mutex); /* from here on a status request may read them */
    job->pipelines = pipelines;
    job->count = job->plan.count;
    pthread_mutex_unlock(&job->mutex);
    return rc;
}

void job_close(struct job *job)
{
    struct pipeline *pipelines;
    size_t count;

    pthread_mutex_lock(&job->mutex); /* a status request may be reading them */
    pipelines = job->pipelines;
    count = job->count;
    job->pipelines = NULL;
    job->count = 0;
    pthread_mutex_unlock(&job->mutex);
    for (size_t i = 0; i < count; i++)
        if (pipelines[i].job)
            pipeline_close(&pipelines[i]);
    free(pipelines);
    copies_deinit(&job->copies);
    stream_plan_close(&job->plan);
    arena_reset(&job->arena);
}

static void set_state(struct job *job, const char *state, const char *reason)
{
    struct err err = {0};

    pthread_mutex_lock(&job->mutex);
    job->state = state;
    snprintf(job->reason, sizeof(job->reason), "%s", reason);
    pthread_mutex_unlock(&job->mutex);
    if (rows_state(job->options->meta, job->name, state, reason, &err))
        diag_error("job", "%s is %s, but that could not be written down: %s", job->name, state,
                   err.text);
}

/* Waits on `changed`, with the mutex held, until a mono time. false: the time is over. */
static bool wait_until(struct job *job, int64_t mono_ns)
{
    struct timespec until = {mono_ns / 1000000000, mono_ns % 1000000000};

    return pthread_cond_timedwait(&job->changed, &job->mutex, &until) != ETIMEDOUT;
}

static bool one_failed(struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        if (job->pipelines[i].given && job->pipelines[i].rc)
            return true;
    return false;
}

/* Until the interval is over, or something wants a cut earlier. */
static void wait_for_cut_time(struct job *job, int64_t deadline_ns)
{
    pthread_mutex_lock(&job->mutex);
    while (!job->stop && !job->cut_early && !job->savepoint && !one_failed(job) &&
           wait_until(job, deadline_ns))
        ;
    job->cut_early = false;
    pthread_mutex_unlock(&job->mutex);
}

static bool all_given(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct pipeline *p = &job->pipelines[i];

        if (p->started && !p->done && !p->given)
            return false;
    }
    return true;
}

/* Takes every pipeline's part of the epoch. Returns the first pipeline's error, if any. */
static int collect(struct job *job, struct pipeline_cut *cuts, struct err *err)
{
    int rc = 0;

    atomic_store(&job->cut_signal, true);
    for (size_t i = 0; i < job->count; i++)
        pipeline_wake(&job->pipelines[i]);
    pthread_mutex_lock(&job->mutex);
    while (!all_given(job))
        pthread_cond_wait(&job->changed, &job->mutex);
    atomic_store(&job->cut_signal, false);
    for (size_t i = 0; i < job->count; i++) {
        struct pipeline *p = &job->pipelines[i];

        cuts[i] = (struct pipeline_cut){0};
        if (!p->given) { /* its source ended before: it stays where it is */
            cuts[i].positions = p->committed;
            continue;
        }
        cuts[i] = p->cut;
        p->cut = (struct pipeline_cut){0};
        if (p->rc && !rc) {
            rc = p->rc;
            if (err)
                *err = p->err;
            err_wrap(err, rc, "%s", p->spec->name);
        }
        p->over = p->ended; /* ended before it was given: nothing comes after it */
        p->given = false;
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return rc;
}

/* Lets go of cuts that will not be committed. */
static void discard(struct job *job, struct pipeline_cut *cuts)
{
    for (size_t i = 0; i < job->count; i++) {
        struct stream_sink *sink = job->pipelines[i].spec->sink;

        if (cuts[i].cut)
            sink->ops->after_commit(sink, cuts[i].cut, STREAM_REFUSED);
        cuts[i].cut = NULL;
        pipeline_cut_deinit(&cuts[i]);
    }
}

static int await_states(struct job *job, struct pipeline_cut *cuts, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < job->count && !rc; i++)
        if (cuts[i].state_epoch)
            rc = pipeline_await_state(&job->pipelines[i], &cuts[i], err);
    return rc;
}

static int cut_and_commit(struct job *job, struct pipeline_cut *cuts, struct err *err)
{
    struct clock *clock = job->options->clock;
    int64_t began = clock_mono_ms(clock), trigger_ms = clock_wall_ms(clock);
    int64_t rejects = 0, rows = 0, state_bytes = 0;
    bool committed = false;
    int rc;

    atomic_store(&job->uncommitted, false);
    rc = collect(job, cuts, err);
    if (!rc)
        rc = await_states(job, cuts, err);
    for (size_t i = 0; i < job->count; i++) {
        rejects += cuts[i].rejects.rows;
        rows += cuts[i].cut ? cuts[i].cut->rows : 0;
        state_bytes += cuts[i].state_bytes;
    }
    if (!rc)
        rc = job_commit(job, cuts, &committed, err);
    discard(job, cuts);
    if (rc) {
        pthread_mutex_lock(&job->mutex);
        job->past.commits_failed++;
        pthread_mutex_unlock(&job->mutex);
        return rc;
    }
    atomic_store(&job->progress_ns, clock_mono_ns(clock));
    pthread_mutex_lock(&job->mutex);
    job->cuts_done++;
    if (committed) {
        job->epoch++;
        job->rejects += rejects;
        job->committed_ms = clock_wall_ms(clock);
        job->commit_took_ms = clock_mono_ms(clock) - began;
        past_commit(job, trigger_ms, job->commit_took_ms, state_bytes, rows, NULL);
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return 0;
}

static int start_pipelines(struct job *job, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < job->count && !rc; i++) {
        struct pipeline *p = &job->pipelines[i];

        p->polls_left = -1;
        p->started = true;
        rc = pthread_create(&p->thread, NULL, pipeline_main, p);
        if (rc) {
            p->started = false;
            rc = err_errno(err, rc, "thread of %s", p->spec->name);
        }
    }
    return rc;
}

static void set_ending(struct job *job)
{
    pthread_mutex_lock(&job->mutex);
    job->ending = true;
    pthread_mutex_unlock(&job->mutex);
}

static bool all_over(struct job *job)
{
    bool over = true;

    for (size_t i = 0; i < job->count; i++)
        over &= job->pipelines[i].over;
    return over;
}

/* With the mutex held. */
static void answer_savepoint(struct job *job, int rc)
{
    job->savepoint->rc = rc;
    job->savepoint->done = true;
    job->savepoint = NULL;
    pthread_cond_broadcast(&job->changed);
}

/* A copy is a second place for what is durable already: a job does not fail for it. */
static void copy_checkpoint(struct job *job)
{
    struct err err = {0};
    int rc;

    if (!job->plan.checkpoint_dir)
        return;
    rc = savepoint_copy(job->options, job->name, job->plan.checkpoint_dir, &job->copies, &err);
    if (rc && !job->copy_failed)
        diag_warn("job", "%s: %s", job->name, err.text);
    if (!rc && job->copy_failed)
        diag_info("job", "%s: checkpoints are copied again", job->name);
    job->copy_failed = rc != 0;
    pthread_mutex_lock(&job->mutex);
    if (!rc)
        past_copy(job, job->copies.last);
    pthread_mutex_unlock(&job->mutex);
}

/* What was just committed is kept for whoever waits for it. An error when the job was to end with
 * that: it goes on. */
static int serve_savepoint(struct job *job, bool last, int64_t trigger_ms, struct err *err)
{
    int64_t began = clock_mono_ms(job->options->clock);
    struct savepoint_request *wanted;
    struct err why = {0};
    char path[1024] = "";
    bool stop;
    int rc;

    pthread_mutex_lock(&job->mutex);
    wanted = job->savepoint;
    stop = wanted && wanted->stop;
    pthread_mutex_unlock(&job->mutex);
    if (!wanted || (stop && !last)) /* it came behind that cut: the next one is the last */
        return 0;
    rc = savepoint_write(job->options, job->name,
                         wanted->dir             ? wanted->dir
                         : job->savepoint_dir[0] ? job->savepoint_dir
                                                 : NULL,
                         path, sizeof(path), &why);
    pthread_mutex_lock(&job->mutex);
    snprintf(wanted->path, sizeof(wanted->path), "%s", path);
    wanted->err = why;
    if (!rc)
        past_commit(job, trigger_ms, clock_mono_ms(job->options->clock) - began, 0, 0, path);
    job->saved = stop && !rc;
    answer_savepoint(job, rc);
    pthread_mutex_unlock(&job->mutex);
    if (!rc || !stop)
        return 0;
    atomic_store(&job->stopping, false);
    return err_set(err, ERR_IO, "%s", why.text); /* whatever it was, the job can go on */
}

/* The next cut is the last one: the job was stopped, or is to end with a savepoint. */
static bool is_last_cut(struct job *job)
{
    pthread_mutex_lock(&job->mutex);
    if (job->savepoint && job->savepoint->stop)
        atomic_store(&job->stopping, true);
    pthread_mutex_unlock(&job->mutex);
    return atomic_load(&job->stopping);
}

/* An interval behind the beginning of the last one, and as long behind its end as was asked for. A
 * commit that takes longer than the interval is followed by a pause of a tenth of that. */
static int64_t next_cut_ns(const struct job *job, int64_t began_ns)
{
    int64_t interval_ms = job->plan.commit_interval_ms, pause_ms = job->plan.commit_pause_ms;
    int64_t now_ns = clock_mono_ns(job->options->clock), next_ns;

    if (interval_ms <= 0)
        interval_ms = job->options->commit_interval_ms;
    if (pause_ms < interval_ms / 10)
        pause_ms = interval_ms / 10;
    next_ns = began_ns + interval_ms * 1000000;
    return next_ns > now_ns + pause_ms * 1000000 ? next_ns : now_ns + pause_ms * 1000000;
}

/* Cuts until the job is stopped (0), all its sources have ended (0) or something failed. */
static int run_cuts(struct job *job, struct pipeline_cut *cuts, struct err *err)
{
    struct clock *clock = job->options->clock;
    int64_t began_ns = clock_mono_ns(clock), trigger_ms, epoch;
    bool stop = false;
    int rc = 0;

    while (!rc && !stop && !all_over(job)) {
        codec_rest(); /* commits are seldom, and there may be a thousand of these threads */
        memory_stack_rest();
        wait_for_cut_time(job, next_cut_ns(job, began_ns));
        began_ns = clock_mono_ns(clock);
        stop = is_last_cut(job);
        if (stop)
            set_ending(job);
        trigger_ms = clock_wall_ms(clock);
        epoch = job->epoch;
        rc = cut_and_commit(job, cuts, err);
        if (!rc && job->epoch > epoch)
            copy_checkpoint(job);
        if (!rc)
            rc = serve_savepoint(job, stop, trigger_ms, err);
    }
    return rc;
}

static int job_run(struct job *job, struct err *err)
{
    struct pipeline_cut *cuts = calloc(job->count ? job->count : 1, sizeof(*cuts));
    int rc = cuts ? 0 : err_set(err, ERR_NOMEM, "job %s", job->name);

    job->ending = false;
    if (!rc)
        rc = start_pipelines(job, err);
    vec_rest(); /* planning is over, and what is left to do needs little */
    if (!rc)
        rc = run_cuts(job, cuts, err);
    set_ending(job);
    if (cuts) {
        collect(job, cuts, NULL);
        discard(job, cuts);
    }
    for (size_t i = 0; i < job->count; i++)
        if (job->pipelines[i].started)
            pthread_join(job->pipelines[i].thread, NULL);
    free(cuts);
    return rc;
}

/* Failures that another try cannot cure: the script or what it names is wrong. */
static bool is_final(int rc)
{
    return rc == ERR_INVALID || rc == ERR_UNSUPPORTED || rc == ERR_DENIED;
}

static void pause_before_restart(struct job *job, int64_t pause_ms)
{
    int64_t until = clock_mono_ns(job->options->clock) + pause_ms * 1000000;

    pthread_mutex_lock(&job->mutex);
    while (!job->stop && wait_until(job, until))
        ;
    pthread_mutex_unlock(&job->mutex);
}

/* Has what failed to be tried again, and after which pause? */
static bool tries_again(struct job *job, bool got_somewhere, int64_t *pause_ms)
{
    const struct stream_engine_options *o = job->options;

    if (job->restart.kind != STREAM_RESTART_DEFAULT)
        return restart_after(&job->restart, &job->restarts_past, clock_mono_ms(o->clock), pause_ms);
    if (got_somewhere || !*pause_ms) /* be quick again */
        *pause_ms = o->restart_min_ms;
    else
        *pause_ms = *pause_ms * 2 < o->restart_max_ms ? *pause_ms * 2 : o->restart_max_ms;
    return true;
}

static void set_failed(struct job *job, const char *why)
{
    diag_error("job", "%s failed: %s", job->name, why);
    set_state(job, "FAILED", why);
}

static void note_failure(struct job *job, const char *why)
{
    pthread_mutex_lock(&job->mutex);
    past_failure(job, why);
    pthread_mutex_unlock(&job->mutex);
}

static void set_restarting(struct job *job, const char *why, int64_t pause_ms)
{
    diag_warn("job", "%s restarts in %" PRId64 " ms: %s", job->name, pause_ms, why);
    set_state(job, "RESTARTING", why);
    pthread_mutex_lock(&job->mutex);
    job->restarts++;
    pthread_mutex_unlock(&job->mutex);
    pause_before_restart(job, pause_ms);
}

/* Nobody answers those that wait when the job is over. */
static void refuse_savepoint(struct job *job)
{
    pthread_mutex_lock(&job->mutex);
    job->over = true;
    if (job->savepoint)
        answer_savepoint(
            job, err_set(&job->savepoint->err, ERR_CLOSED, "job %s ended before", job->name));
    pthread_mutex_unlock(&job->mutex);
}

static void *job_main(void *arg)
{
    struct job *job = arg;
    int64_t pause_ms = 0;

    while (!atomic_load(&job->stopping)) {
        int64_t epoch = job->epoch;
        struct err err = {0};
        int rc;

        job->repaired[0] = '\0';
        rc = job_open(job, &err);
        if (!rc) {
            set_state(job, "RUNNING", job->repaired);
            rc = job_run(job, &err);
        }
        if (!rc && (!atomic_load(&job->stopping) || job->saved))
            set_state(job, "FINISHED", "");
        job_close(job);
        if (!rc || atomic_load(&job->given_up_ns))
            break;
        note_failure(job, err.text);
        if (is_final(rc) || !tries_again(job, job->epoch > epoch, &pause_ms)) {
            set_failed(job, err.text);
            break;
        }
        set_restarting(job, err.text, pause_ms);
    }
    refuse_savepoint(job);
    return NULL;
}

int job_start(struct job *job, struct err *err)
{
    int rc;

    job->threads = true;
    job->started_ms = clock_wall_ms(job->options->clock);
    atomic_store(&job->progress_ns, clock_mono_ns(job->options->clock));
    rc = pthread_create(&job->thread, NULL, job_main, job);
    if (rc)
        return err_errno(err, rc, "thread of job %s", job->name);
    job->joinable = true;
    return 0;
}

void job_stop(struct job *job)
{
    pthread_mutex_lock(&job->mutex);
    job->stop = true;
    atomic_store(&job->stopping, true);
    for (size_t i = 0; i < job->count; i++)
        pipeline_wake(&job->pipelines[i]);
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
}

void job_cancel(struct job *job)
{
    atomic_store(&job->given_up_ns, clock_mono_ns(job->options->clock) + CANCEL_NS);
    job_stop(job);
}

bool job_is_given_up(const struct job *job)
{
    int64_t from_ns = atomic_load(&job->given_up_ns);

    return from_ns && clock_mono_ns(job->options->clock) >= from_ns;
}

void job_join(struct job *job)
{
    if (job->joinable)
        pthread_join(job->thread, NULL);
    job->joinable = false;
}

/* One step of a job without threads: what the sources hold now becomes one epoch. */
int job_step(struct job *job, int max_polls, struct err *err)
{
    struct pipeline_cut *cuts = calloc(job->count ? job->count : 1, sizeof(*cuts));
    bool committed = false;
    int rc = cuts ? 0 : err_set(err, ERR_NOMEM, "job %s", job->name);

    for (size_t i = 0; i < job->count && !rc; i++) {
        job->pipelines[i].polls_left = (int64_t)max_polls * (int64_t)job->pipelines[i].count;
        rc = pipeline_epoch(&job->pipelines[i], &cuts[i]);
        if (rc && err)
            *err = job->pipelines[i].err;
    }
    if (!rc)
        rc = await_states(job, cuts, err);
    if (!rc)
        rc = job_commit(job, cuts, &committed, err);
    if (committed)
        job->epoch++;
    if (cuts)
        discard(job, cuts);
    free(cuts);
    return rc;
}
