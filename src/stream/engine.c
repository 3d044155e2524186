/* engine.c - all jobs of a data folder: submitted, resumed, listed, cancelled, watched.
 *
 * The watchdog: a job whose sources move while no commit follows does not run, whatever it is busy
 * with; RESTARTING and the reason say so, because silence is what users cannot act on. Nothing is
 * taken away from it: a store that was silent for minutes may answer, and with the next commit the
 * job runs again.
 */
#include <stdio.h>
#include <time.h>

#include "state/writer.h"
#include "stream/stream_int.h"

#define TRIM_S 4 /* pipelines have rested by then */

struct stream_engine {
    struct stream_engine_options options;
    struct state_writer *writer;
    pthread_mutex_t mutex; /* of the list; taken before a job's */
    struct job *jobs;
    pthread_t watchdog;
    pthread_cond_t wake; /* ends the watchdog's nap */
    bool stopping, watching;
    int64_t work; /* of all jobs, when it was looked last: the watchdog's, as is the next */
    int quiet_s;  /* since they were others */
};

static struct job *find(struct stream_engine *engine, const char *name)
{
    struct job *job = engine->jobs;

    while (job && strcmp(job->name, name) != 0)
        job = job->next;
    return job;
}

static const char stalled[] = "offsets advance but no table was committed for ";

static void watch(struct stream_engine *engine, struct job *job)
{
    int64_t limit_ms = engine->options.watchdog_ms;
    int64_t since_ms =
        (clock_mono_ns(engine->options.clock) - atomic_load(&job->progress_ns)) / 1000000;
    char reason[200] = "";
    const char *state;
    struct err err = {0};
    bool late, said;

    pthread_mutex_lock(&job->mutex);
    late = atomic_load(&job->uncommitted) && since_ms > limit_ms;
    said = !strcmp(job->state, "RESTARTING") && !strncmp(job->reason, stalled, strlen(stalled));
    if (late && !strcmp(job->state, "RUNNING")) {
        snprintf(reason, sizeof(reason), "%s%" PRId64 " s: what it waits for does not answer",
                 stalled, since_ms / 1000);
        job->state = "RESTARTING";
    } else if (said && !late) {
        job->state = "RUNNING";
    } else {
        pthread_mutex_unlock(&job->mutex);
        return;
    }
    snprintf(job->reason, sizeof(job->reason), "%s", reason);
    state = job->state;
    pthread_mutex_unlock(&job->mutex);
    if (reason[0])
        diag_error("job", "%s: %s", job->name, reason);
    else
        diag_info("job", "%s commits again", job->name);
    if (rows_state(engine->options.meta, job->name, state, reason, &err))
        diag_error("job", "%s: state not written: %s", job->name, err.text);
}

/* Rows and commits. With the engine's mutex held. */
static int64_t work_so_far(struct stream_engine *engine)
{
    int64_t work = 0;

    for (struct job *job = engine->jobs; job; job = job->next) {
        pthread_mutex_lock(&job->mutex);
        for (size_t i = 0; i < job->count; i++)
            work += atomic_load(&job->pipelines[i].rows_in);
        work += job->epoch;
        pthread_mutex_unlock(&job->mutex);
    }
    return work;
}

/* When nobody has had a row or made a commit for a while, what the allocators keep goes back, once.
 * Called every second with the engine's mutex held, which is given back meanwhile. */
static void trim_when_quiet(struct stream_engine *engine)
{
    int64_t work = work_so_far(engine);

    if (work != engine->work) {
        engine->work = work;
        engine->quiet_s = 0;
        return;
    }
    if (engine->quiet_s > TRIM_S || ++engine->quiet_s <= TRIM_S)
        return;
    pthread_mutex_unlock(&engine->mutex);
    vec_trim(engine->options.db);
    pthread_mutex_lock(&engine->mutex);
}

static void *watchdog_main(void *arg)
{
    struct stream_engine *engine = arg;

    pthread_mutex_lock(&engine->mutex);
    while (!engine->stopping) {
        struct timespec until;

        for (struct job *job = engine->jobs; job; job = job->next)
            watch(engine, job);
        trim_when_quiet(engine);
        if (engine->stopping)
            break;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&engine->wake, &engine->mutex, &until);
    }
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}

const struct stream_engine_options *stream_engine_options(struct stream_engine *engine)
{
    return &engine->options;
}

static void set_defaults(struct stream_engine_options *o)
{
    if (!o->commit_interval_ms)
        o->commit_interval_ms = 5000;
    if (!o->commit_bytes)
        o->commit_bytes = (int64_t)256 << 20;
    if (!o->restart_min_ms)
        o->restart_min_ms = 1000;
    if (!o->restart_max_ms)
        o->restart_max_ms = 60000;
    if (!o->watchdog_ms)
        o->watchdog_ms = 60000;
}

int stream_engine_new(struct stream_engine **out, const struct stream_engine_options *options,
                      struct err *err)
{
    struct stream_engine *engine = calloc(1, sizeof(*engine));
    pthread_condattr_t attr;
    int rc;

    if (!engine)
        return err_set(err, ERR_NOMEM, "job engine");
    engine->options = *options;
    set_defaults(&engine->options);
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->wake, &attr);
    pthread_condattr_destroy(&attr);
    rc = state_writer_new(&engine->writer, err);
    if (rc) {
        stream_engine_free(engine);
        return rc;
    }
    rc = pthread_create(&engine->watchdog, NULL, watchdog_main, engine);
    if (rc) {
        stream_engine_free(engine);
        return err_errno(err, rc, "watchdog of the job engine");
    }
    engine->watching = true;
    *out = engine;
    return 0;
}

void stream_engine_free(struct stream_engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->mutex);
    engine->stopping = true;
    pthread_cond_broadcast(&engine->wake);
    for (struct job *job = engine->jobs; job; job = job->next)
        job_stop(job);
    pthread_mutex_unlock(&engine->mutex);
    if (engine->watching)
        pthread_join(engine->watchdog, NULL);
    while (engine->jobs) {
        struct job *job = engine->jobs;

        engine->jobs = job->next;
        job_join(job);
        job_free(job);
    }
    state_writer_free(engine->writer);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

/* Takes a job off the list, ended. The engine's mutex is held, and given back meanwhile. */
static void retire(struct stream_engine *engine, struct job *job)
{
    struct job **link = &engine->jobs;

    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    pthread_mutex_unlock(&engine->mutex);
    job_stop(job);
    job_join(job);
    pthread_mutex_lock(&job->mutex);
    while (job->users)
        pthread_cond_wait(&job->changed, &job->mutex);
    pthread_mutex_unlock(&job->mutex);
    job_free(job);
    pthread_mutex_lock(&engine->mutex);
}

static int start_row(struct stream_engine *engine, const struct job_row *row, struct err *err)
{
    struct job *job;
    int rc = job_new(&job, &engine->options, row, err);

    if (rc)
        return rc;
    job->writer = engine->writer;
    rc = job_start(job, err);
    if (rc) {
        job_free(job);
        return rc;
    }
    job->next = engine->jobs;
    engine->jobs = job;
    return 0;
}

static bool is_alive(struct job *job)
{
    bool alive;

    pthread_mutex_lock(&job->mutex);
    alive = !job->stop && (!strcmp(job->state, "RUNNING") || !strcmp(job->state, "RESTARTING"));
    pthread_mutex_unlock(&job->mutex);
    return alive;
}

int stream_engine_submit(struct stream_engine *engine, const char *name, const char *script,
                         struct err *err)
{
    struct arena arena = {0};
    struct job_row *row;
    struct job *job;
    size_t count;
    int rc = 0;

    pthread_mutex_lock(&engine->mutex);
    job = find(engine, name);
    if (!job || strcmp(job->script, script) != 0 || !is_alive(job)) {
        if (job)
            retire(engine, job);
        rc = rows_submit(engine->options.meta, engine->options.clock, name, script, err);
        if (!rc)
            rc = rows_load(engine->options.meta, &arena, name, &row, &count, err);
        if (!rc && count == 1)
            rc = start_row(engine, row, err);
    }
    pthread_mutex_unlock(&engine->mutex);
    arena_deinit(&arena);
    return rc;
}

int stream_engine_resume(struct stream_engine *engine, struct err *err)
{
    struct arena arena = {0};
    struct job_row *rows;
    size_t count;
    int rc;

    pthread_mutex_lock(&engine->mutex);
    if (!engine->jobs)
        savepoint_sweep(&engine->options);
    rc = rows_load(engine->options.meta, &arena, NULL, &rows, &count, err);
    for (size_t i = 0; i < count && !rc; i++)
        if ((!strcmp(rows[i].state, "RUNNING") || !strcmp(rows[i].state, "RESTARTING")) &&
            !find(engine, rows[i].name))
            rc = start_row(engine, &rows[i], err);
    pthread_mutex_unlock(&engine->mutex);
    arena_deinit(&arena);
    return rc;
}

int stream_engine_cancel(struct stream_engine *engine, const char *name, struct err *err)
{
    struct arena arena = {0};
    struct job_row *row;
    struct job *job;
    int rc;

    pthread_mutex_lock(&engine->mutex);
    rc = rows_find(engine->options.meta, &arena, name, &row, err);
    job = rc ? NULL : find(engine, row->name);
    if (job) {
        job_cancel(job);
        retire(engine, job);
    }
    if (!rc)
        rc = rows_state(engine->options.meta, row->name, "CANCELED", "", err);
    pthread_mutex_unlock(&engine->mutex);
    arena_deinit(&arena);
    return rc;
}

/* ---- savepoints ---- */

/* The job that runs under a row; ended ones leave the list. The engine's mutex is held. */
static struct job *running(struct stream_engine *engine, const struct job_row *row)
{
    struct job *job = find(engine, row->name);

    if (job && !is_alive(job)) {
        retire(engine, job);
        job = NULL;
    }
    return job;
}

/* Reads the row again: it may have changed while the mutex was given back. */
static int start_named(struct stream_engine *engine, const char *name, struct err *err)
{
    struct arena arena = {0};
    struct job_row *row;
    int rc = rows_find(engine->options.meta, &arena, name, &row, err);

    if (!rc)
        rc = start_row(engine, row, err);
    arena_deinit(&arena);
    return rc;
}

int stream_engine_start(struct stream_engine *engine, const char *name, const char *from,
                        struct err *err)
{
    struct arena arena = {0};
    struct job_row *row;
    int rc;

    pthread_mutex_lock(&engine->mutex);
    rc = rows_find(engine->options.meta, &arena, name, &row, err);
    if (!rc && running(engine, row))
        rc = err_set(err, ERR_EXISTS, "job %s runs; stop or cancel it first", row->name);
    if (!rc)
        rc = from ? savepoint_restore(&engine->options, row->name, NULL, from, err)
                  : rows_state(engine->options.meta, row->name, "RUNNING", "", err);
    if (!rc)
        rc = start_named(engine, row->name, err);
    pthread_mutex_unlock(&engine->mutex);
    arena_deinit(&arena);
    return rc;
}

int stream_engine_submit_from(struct stream_engine *engine, const char *name, const char *script,
                              const char *from, struct err *err)
{
    struct job *job;
    int rc;

    pthread_mutex_lock(&engine->mutex);
    job = find(engine, name);
    if (job)
        retire(engine, job);
    rc = savepoint_restore(&engine->options, name, script, from, err);
    if (!rc)
        rc = start_named(engine, name, err);
    pthread_mutex_unlock(&engine->mutex);
    return rc;
}

/* The coordinator makes it behind its next commit. The engine's mutex is not held. */
static int wait_for_savepoint(struct job *job, struct savepoint_request *request)
{
    pthread_mutex_lock(&job->mutex);
    while (job->savepoint && !job->over) /* one at a time */
        pthread_cond_wait(&job->changed, &job->mutex);
    if (job->over) {
        request->rc = err_set(&request->err, ERR_CLOSED, "job %s ended before", job->name);
        request->done = true;
    } else {
        job->savepoint = request;
    }
    pthread_cond_broadcast(&job->changed);
    while (!request->done)
        pthread_cond_wait(&job->changed, &job->mutex);
    job->users--;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return request->rc;
}

int stream_engine_savepoint(struct stream_engine *engine, const char *name, const char *dir,
                            bool stop, struct arena *arena, const char **path, struct err *err)
{
    struct savepoint_request request = {.dir = dir, .stop = stop};
    struct job_row *row;
    struct job *job = NULL;
    int rc;

    pthread_mutex_lock(&engine->mutex);
    rc = rows_find(engine->options.meta, arena, name, &row, err);
    if (!rc)
        job = running(engine, row);
    if (!rc && !job && stop)
        rc = err_set(err, ERR_INVALID, "job %s does not run", row->name);
    if (!rc && !job)
        rc = savepoint_write(&engine->options, row->name, dir, request.path, sizeof(request.path),
                             err);
    if (job) {
        pthread_mutex_lock(&job->mutex);
        job->users++;
        pthread_mutex_unlock(&job->mutex);
    }
    pthread_mutex_unlock(&engine->mutex);
    if (!rc && job) {
        rc = wait_for_savepoint(job, &request);
        if (rc && err)
            *err = request.err;
    }
    *path = rc ? NULL : arena_strdup(arena, request.path);
    return rc || *path ? rc : err_set(err, ERR_NOMEM, "savepoint");
}

static int64_t lag_of(const struct input *in)
{
    return in->spec->source->ops->lag(in->spec->source);
}

static int64_t job_lag(struct job *job)
{
    int64_t lag = 0;

    for (size_t i = 0; i < job->count; i++)
        for (size_t k = 0; k < job->pipelines[i].count; k++) {
            const struct input *in = &job->pipelines[i].inputs[k];
            int64_t more = in->first == in ? lag_of(in) : 0;

            lag += more > 0 ? more : 0;
        }
    return lag;
}

int stream_engine_catch_up(struct stream_engine *engine, const char *name, int64_t timeout_ms,
                           struct err *err)
{
    struct clock *clock = engine->options.clock;
    int64_t until = clock_mono_ms(clock) + timeout_ms;
    int64_t wanted = -1; /* the cut that covers everything read */
    int rc = ERR_AGAIN;

    while (rc == ERR_AGAIN) {
        struct job *job;

        pthread_mutex_lock(&engine->mutex);
        job = find(engine, name);
        if (!job) {
            rc = err_set(err, ERR_NOENT, "no running job named %s", name);
        } else {
            pthread_mutex_lock(&job->mutex);
            if (wanted < 0 && job->count && job_lag(job) == 0) {
                wanted = job->cuts_done + 2; /* one may be on its way without the last rows */
            } else if (wanted >= 0 && job->cuts_done >= wanted) {
                rc = 0;
            }
            if (wanted >= 0) {
                job->cut_early = true;
                pthread_cond_broadcast(&job->changed);
            }
            pthread_mutex_unlock(&job->mutex);
        }
        pthread_mutex_unlock(&engine->mutex);
        if (rc == ERR_AGAIN && clock_mono_ms(clock) > until)
            rc = err_set(err, ERR_TIMEOUT, "job %s did not catch up in %" PRId64 " ms", name,
                         timeout_ms);
        if (rc == ERR_AGAIN)
            clock->sleep_ns(clock, 5000000);
    }
    return rc;
}

int stream_engine_list(struct stream_engine *engine, struct arena *arena,
                       struct stream_job_info **out, size_t *count, struct err *err)
{
    struct job_row *rows;
    int rc;

    *count = 0;
    pthread_mutex_lock(&engine->mutex);
    rc = rows_load(engine->options.meta, arena, NULL, &rows, count, err);
    *out = rc ? NULL : ARENA_ARRAY(arena, struct stream_job_info, *count ? *count : 1);
    if (!rc && !*out)
        rc = err_set(err, ERR_NOMEM, "list of jobs");
    for (size_t i = 0; i < *count && !rc; i++) {
        struct stream_job_info *info = &(*out)[i];
        struct job *job = find(engine, rows[i].name);

        info->name = rows[i].name;
        info->id = rows[i].id;
        info->script = rows[i].script;
        info->state = rows[i].state;
        info->reason = rows[i].reason;
        info->created_ms = rows[i].created_ms;
        info->committed_ms = rows[i].committed_ms;
        info->epoch = rows[i].epoch;
        info->rejects = rows[i].rejects;
        if (job)
            job_info(job, arena, info);
    }
    pthread_mutex_unlock(&engine->mutex);
    return rc;
}

/* One job without threads. */
struct stream_job {
    struct stream_engine_options options;
    struct job *job;
};

int stream_job_new(struct stream_job **out, const struct stream_engine_options *options,
                   const char *name, const char *script, struct err *err)
{
    struct stream_job *one = calloc(1, sizeof(*one));
    struct arena arena = {0};
    struct job_row *row;
    size_t count;
    int rc = one ? 0 : err_set(err, ERR_NOMEM, "job %s", name);

    if (!rc) {
        one->options = *options;
        set_defaults(&one->options);
        rc = rows_submit(options->meta, options->clock, name, script, err);
    }
    if (!rc)
        rc = rows_load(options->meta, &arena, name, &row, &count, err);
    if (!rc)
        rc = job_new(&one->job, &one->options, row, err);
    if (!rc)
        rc = job_open(one->job, err);
    arena_deinit(&arena);
    if (rc)
        stream_job_free(one);
    else
        *out = one;
    return rc;
}

int stream_job_step(struct stream_job *job, int max_polls, struct err *err)
{
    return job_step(job->job, max_polls, err);
}

int64_t stream_job_epoch(struct stream_job *job)
{
    return job->job->epoch;
}

void stream_job_free(struct stream_job *job)
{
    if (!job)
        return;
    job_free(job->job);
    free(job);
}
