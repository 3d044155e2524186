/* flink_jobs.c - /jobs: lists, one job with its plan and vertices, its failures, its end. */
#include <stdio.h>

#include "observe/flink_int.h"

/* ---- lists ---- */

void flink_jobs_list(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct stream_job_info *jobs;
    json_t *list = json_array();
    size_t count;

    if (!flink_jobs(arg, req, reply, &jobs, &count)) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; list && i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:s}", "id", jobs[i].id, "status", flink_state(&jobs[i])));
    flink_reply(reply, 200, list ? json_pack("{s:o}", "jobs", list) : NULL);
}

/* Of Flink's states of a task, those that ours can be in. */
static const char *vertex_state(const struct stream_job_info *job, const struct vertex *v)
{
    if (!strcmp(job->state, "RESTARTING"))
        return "SCHEDULED";
    return !strcmp(job->state, "RUNNING") && v->ended ? "FINISHED" : job->state;
}

static json_t *state_counts(const struct stream_job_info *job, const struct vertex *list,
                            size_t count, bool upper)
{
    static const char *const states[] = {"CREATED", "SCHEDULED",  "DEPLOYING", "INITIALIZING",
                                         "RUNNING", "FINISHED",   "CANCELING", "CANCELED",
                                         "FAILED",  "RECONCILING"};
    json_t *out = json_object();

    for (size_t s = 0; out && s < COUNT_OF(states); s++) {
        char key[32];
        int found = 0;

        for (size_t i = 0; i < count; i++)
            found += !strcmp(vertex_state(job, &list[i]), states[s]);
        for (size_t c = 0; c < sizeof(key); c++) {
            key[c] = states[s][c];
            if (!upper && key[c] >= 'A' && key[c] <= 'Z')
                key[c] = (char)(key[c] - 'A' + 'a');
            if (!key[c])
                break;
        }
        json_object_set_new(out, key, json_integer(found));
    }
    return out;
}

static int64_t began(const struct stream_job_info *job)
{
    return job->started_ms ? job->started_ms : job->created_ms;
}

static int64_t ended(const struct stream_job_info *job)
{
    return flink_is_over(job) ? job->committed_ms > began(job) ? job->committed_ms : began(job)
                              : -1;
}

static int64_t duration(struct flink *flink, const struct stream_job_info *job)
{
    return (flink_is_over(job) ? ended(job) : clock_wall_ms(flink->options.clock)) - began(job);
}

void flink_jobs_overview(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    struct stream_job_info *jobs;
    json_t *list = json_array();
    size_t count;

    if (!flink_jobs(flink, req, reply, &jobs, &count)) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; list && i < count; i++) {
        struct vertex *vertices;
        size_t vertex_count;
        json_t *tasks = NULL;

        if (!vertices_of(&jobs[i], http_arena(req), &vertices, &vertex_count))
            tasks = state_counts(&jobs[i], vertices, vertex_count, false);
        if (tasks)
            json_object_set_new(tasks, "total", json_integer((json_int_t)vertex_count));
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:o,s:i}", "jid", jobs[i].id, "name",
                      jobs[i].name, "state", flink_state(&jobs[i]), "start-time",
                      (json_int_t)began(&jobs[i]), "end-time", (json_int_t)ended(&jobs[i]),
                      "duration", (json_int_t)duration(flink, &jobs[i]), "last-modification",
                      (json_int_t)(jobs[i].committed_ms > began(&jobs[i]) ? jobs[i].committed_ms
                                                                          : began(&jobs[i])),
                      "tasks", tasks ? tasks : json_object(), "pending-operators", 0));
    }
    flink_reply(reply, 200, list ? json_pack("{s:o}", "jobs", list) : NULL);
}

/* ---- one job ---- */

/* A fragment in shards is above an operator in them, and gets its rows. */
static bool is_split(const struct vertex *v)
{
    return !v->source && v->max_parallelism > 1 && strncmp(v->name, "fragment", 8) != 0;
}

static json_t *plan_json(const struct job_view *view)
{
    json_t *nodes = json_array();

    for (size_t i = 0; nodes && i < view->count; i++) {
        const struct vertex *v = &view->vertices[i];
        json_t *inputs = json_array();
        json_t *node;

        for (size_t k = 0; inputs && k < v->input_count; k++)
            json_array_append_new(inputs,
                                  json_pack("{s:i,s:s,s:s,s:s}", "num", (int)k, "id",
                                            view->vertices[v->inputs[k]].id, "ship_strategy",
                                            is_split(v) ? "HASH" : "FORWARD", "exchange",
                                            "pipelined_bounded"));
        node = json_pack("{s:s,s:i,s:s,s:s,s:s,s:{}}", "id", v->id, "parallelism", v->parallelism,
                         "operator", "", "operator_strategy", "", "description", v->name,
                         "optimizer_properties");
        if (node && v->input_count)
            json_object_set(node, "inputs", inputs);
        json_decref(inputs);
        json_array_append_new(nodes, node);
    }
    return json_pack("{s:s,s:s,s:s,s:o}", "jid", view->job->id, "name", view->job->name, "type",
                     "STREAMING", "nodes", nodes);
}

static json_t *vertex_json(struct flink *flink, const struct job_view *view, const struct vertex *v)
{
    const struct stream_job_info *job = view->job;

    return json_pack("{s:s,s:s,s:s,s:i,s:i,s:s,s:I,s:I,s:I,s:o,s:o}", "id", v->id,
                     "slotSharingGroupId", view->vertices[0].id, "name", v->name, "maxParallelism",
                     v->max_parallelism, "parallelism", v->parallelism, "status",
                     vertex_state(job, v), "start-time", (json_int_t)began(job), "end-time",
                     (json_int_t)ended(job), "duration", (json_int_t)duration(flink, job), "tasks",
                     state_counts(job, v, 1, true), "metrics", vertex_metrics_json(v));
}

void flink_job_show(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    struct job_view view;
    json_t *vertices;

    if (!flink_job(flink, req, reply, &view))
        return;
    vertices = json_array();
    for (size_t i = 0; vertices && i < view.count; i++)
        json_array_append_new(vertices, vertex_json(flink, &view, &view.vertices[i]));
    flink_reply(reply, 200,
                json_pack("{s:s,s:s,s:b,s:s,s:I,s:I,s:I,s:i,s:I,s:{s:I,s:I},s:o,s:o,s:o,s:s,s:i}",
                          "jid", view.job->id, "name", view.job->name, "isStoppable", 1, "state",
                          flink_state(view.job), "start-time", (json_int_t)began(view.job),
                          "end-time", (json_int_t)ended(view.job), "duration",
                          (json_int_t)duration(flink, view.job), "maxParallelism", -1, "now",
                          (json_int_t)clock_wall_ms(flink->options.clock), "timestamps", "CREATED",
                          (json_int_t)view.job->created_ms, flink_state(view.job),
                          (json_int_t)(flink_is_over(view.job) ? ended(view.job) : began(view.job)),
                          "vertices", vertices, "status-counts",
                          state_counts(view.job, view.vertices, view.count, true), "plan",
                          plan_json(&view), "job-type", "STREAMING", "pending-operators", 0));
}

void flink_job_status(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct job_view view;

    if (flink_job(arg, req, reply, &view))
        flink_reply(reply, 200, json_pack("{s:s}", "status", flink_state(view.job)));
}

void flink_job_plan(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct job_view view;

    if (flink_job(arg, req, reply, &view))
        flink_reply(reply, 200, json_pack("{s:o}", "plan", plan_json(&view)));
}

static const char *strategy(const struct stream_job_info *job, struct arena *arena)
{
    const struct stream_restart *r = &job->restart;

    switch (r->kind) {
    case STREAM_RESTART_NONE:
        return "Restart deactivated.";
    case STREAM_RESTART_FIXED:
        return arena_printf(
            arena, "Restart with fixed delay (%" PRId64 " ms). #%" PRId64 " restart attempts.",
            r->fixed_delay_ms, r->fixed_attempts);
    case STREAM_RESTART_RATE:
        return arena_printf(arena,
                            "Failure rate restart with maximum of %" PRId64
                            " failures within interval %" PRId64 " ms and fixed delay %" PRId64
                            " ms.",
                            r->rate_failures, r->rate_interval_ms, r->rate_delay_ms);
    case STREAM_RESTART_DEFAULT:
    case STREAM_RESTART_EXPONENTIAL:
        break;
    }
    return "Restart with exponential delay.";
}

void flink_job_config(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct job_view view;

    if (flink_job(arg, req, reply, &view))
        flink_reply(reply, 200,
                    json_pack("{s:s,s:s,s:{s:s,s:I,s:b,s:{}}}", "jid", view.job->id, "name",
                              view.job->name, "execution-config", "restart-strategy",
                              strategy(view.job, http_arena(req)), "job-parallelism",
                              (json_int_t)(view.job->parallelism ? view.job->parallelism : 1),
                              "object-reuse-mode", 0, "user-config"));
}

static json_t *failure_json(int64_t time_ms, const char *text)
{
    return json_pack("{s:s,s:s,s:I,s:{},s:n,s:n,s:n,s:[]}", "exceptionName", "tarn", "stacktrace",
                     text, "timestamp", (json_int_t)time_ms, "failureLabels", "taskName",
                     "endpoint", "taskManagerId", "concurrentExceptions");
}

void flink_job_exceptions(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct job_view view;
    const char *root = NULL;
    int64_t at = 0;
    json_t *entries, *all;

    if (!flink_job(arg, req, reply, &view))
        return;
    entries = json_array();
    all = json_array();
    for (size_t i = 0; i < view.job->failure_count; i++) {
        const struct stream_failure *f = &view.job->failures[i];

        json_array_append_new(entries, failure_json(f->time_ms, f->text));
        json_array_append_new(all, json_pack("{s:s,s:I,s:s,s:s}", "exception", f->text, "timestamp",
                                             (json_int_t)f->time_ms, "task", "", "location",
                                             "localhost"));
    }
    if (view.job->reason && view.job->reason[0]) {
        root = view.job->reason;
        at = view.job->failure_count ? view.job->failures[0].time_ms : view.job->committed_ms;
        if (!view.job->failure_count) /* of an earlier life of this process */
            json_array_append_new(entries, failure_json(at, root));
    } else if (view.job->failure_count) {
        root = view.job->failures[0].text;
        at = view.job->failures[0].time_ms;
    }
    flink_reply(reply, 200,
                json_pack("{s:s?,s:o,s:o,s:b,s:{s:o,s:b}}", "root-exception", root, "timestamp",
                          root ? json_integer((json_int_t)at) : json_null(), "all-exceptions", all,
                          "truncated", 0, "exceptionHistory", "entries", entries, "truncated", 0));
}

/* PATCH /jobs/ID?mode=cancel. Flink answers 202 and cancels afterwards; here it is done then. */
void flink_job_cancel(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    const char *mode = http_query(req, "mode");
    struct err err = {0};

    if (mode && strcmp(mode, "cancel") != 0)
        flink_error(reply, 400, "mode=%s: only cancel is known; POST /jobs/ID/stop stops", mode);
    else if (stream_engine_cancel(flink->options.engine, http_param(req, "job"), &err))
        flink_error(reply, http_status_of(err.code), "%s", err.text);
    else
        flink_reply(reply, 202, json_object());
}

void flink_vertex_show(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    const struct vertex *v;
    struct job_view view;

    if (!flink_job(flink, req, reply, &view))
        return;
    v = vertex_find(view.vertices, view.count, http_param(req, "vertex"));
    if (!v) {
        flink_error(reply, 404, "Vertex %s not found", http_param(req, "vertex"));
        return;
    }
    flink_reply(
        reply, 200,
        json_pack("{s:s,s:s,s:i,s:i,s:I,s:[{s:i,s:s,s:i,s:s,s:s,s:I,s:I,s:I,s:s,s:o,s:{}}]}", "id",
                  v->id, "name", v->name, "parallelism", v->parallelism, "maxParallelism",
                  v->max_parallelism, "now", (json_int_t)clock_wall_ms(flink->options.clock),
                  "subtasks", "subtask", 0, "status", vertex_state(view.job, v), "attempt",
                  (int)view.job->restarts, "host", "localhost", "endpoint", "localhost",
                  "start-time", (json_int_t)began(view.job), "end-time",
                  (json_int_t)ended(view.job), "duration", (json_int_t)duration(flink, view.job),
                  "taskmanager-id", "localhost:tarn", "metrics", vertex_metrics_json(v),
                  "status-duration"));
}
