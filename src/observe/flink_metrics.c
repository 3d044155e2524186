/* flink_metrics.c - metrics by Flink's names: a table of what a vertex, a job, the process has. */
#include <math.h>
#include <stdio.h>

#include "observe/flink_int.h"

json_t *vertex_metrics_json(const struct vertex *v)
{
    int64_t in = v->source ? 0 : v->rows_in, out = v->sink ? 0 : v->rows_out;

    /* A source reads from nobody, a sink gives to nobody: Flink counts what passes between. */
    return json_pack("{s:i,s:b,s:i,s:b,s:I,s:b,s:I,s:b,s:I,s:I,s:f}", "read-bytes", 0,
                     "read-bytes-complete", 0, "write-bytes", 0, "write-bytes-complete", 0,
                     "read-records", (json_int_t)in, "read-records-complete", 1, "write-records",
                     (json_int_t)out, "write-records-complete", 1, "accumulated-backpressured-time",
                     (json_int_t)v->pipeline->backpressured_ms, "accumulated-idle-time",
                     (json_int_t)v->pipeline->idle_ms, "accumulated-busy-time", (double)v->busy_ms);
}

/* A metric: its name, and its value as of a thing. NAN: it has none. */
struct metric {
    const char *name;
    double (*value)(const void *of);
};

#define OF_VERTEX(name_, expression)                                                               \
    static double name_(const void *of)                                                            \
    {                                                                                              \
        const struct vertex *v = of;                                                               \
                                                                                                   \
        return (double)(expression);                                                               \
    }
OF_VERTEX(rows_in, v->rows_in)
OF_VERTEX(rows_out, v->rows_out)
OF_VERTEX(in_rate, v->in_s)
OF_VERTEX(out_rate, v->out_s)
OF_VERTEX(busy, v->busy * 1000)
OF_VERTEX(backpressured, v->backpressured * 1000)
OF_VERTEX(idle, v->idle * 1000)
OF_VERTEX(is_backpressured, v->backpressured > 0.5)
OF_VERTEX(watermark, v->timed ? (double)v->watermark_ms : (double)OP_TIME_MIN)
OF_VERTEX(late, v->input ? NAN : (double)v->late)
OF_VERTEX(state_bytes, v->input ? NAN : (double)v->state_bytes)
OF_VERTEX(pending, v->input && v->lag >= 0 ? (double)v->lag : NAN)
OF_VERTEX(rejects, v->source ? (double)v->pipeline->rejects : NAN)

static const struct metric vertex_metrics[] = {
    {"numRecordsIn", rows_in},
    {"numRecordsOut", rows_out},
    {"numRecordsInPerSecond", in_rate},
    {"numRecordsOutPerSecond", out_rate},
    {"busyTimeMsPerSecond", busy},
    {"backPressuredTimeMsPerSecond", backpressured},
    {"idleTimeMsPerSecond", idle},
    {"isBackPressured", is_backpressured},
    {"currentInputWatermark", watermark},
    {"currentOutputWatermark", watermark},
    {"numLateRecordsDropped", late},
    {"stateSizeBytes", state_bytes},
    {"pendingRecords", pending},
    {"numRecordsInErrors", rejects},
};

#define OF_JOB(name_, expression)                                                                  \
    static double name_(const void *of)                                                            \
    {                                                                                              \
        const struct stream_job_info *job = of;                                                    \
                                                                                                   \
        return (double)(expression);                                                               \
    }
OF_JOB(restarts, job->restarts)
OF_JOB(commits, job->commits)
OF_JOB(commits_failed, job->commits_failed)
OF_JOB(last_commit_ms, job->commit_took_ms)
OF_JOB(last_state, job->checkpoint_count ? job->checkpoints[0].state_bytes : 0)
OF_JOB(job_commits, job->commits + job->commits_failed)

static const struct metric job_metrics[] = {
    {"numRestarts", restarts},
    {"fullRestarts", restarts},
    {"numberOfCompletedCheckpoints", commits},
    {"numberOfFailedCheckpoints", commits_failed},
    {"totalNumberOfCheckpoints", job_commits},
    {"lastCheckpointDuration", last_commit_ms},
    {"lastCheckpointSize", last_state},
};

static double resident(const void *of)
{
    return (double)((struct flink *)of)->options.resident();
}
static double memory_max(const void *of)
{
    return (double)((struct flink *)of)->options.memory_bytes;
}
static double slots_total(const void *of)
{
    return (double)((struct flink *)of)->options.slots;
}

static const struct metric process_metrics[] = {
    {"Status.JVM.Memory.Heap.Used", resident},
    {"Status.JVM.Memory.Heap.Max", memory_max},
    {"Status.Flink.Memory.Managed.Total", memory_max},
    {"taskSlotsTotal", slots_total},
};

/* ---- ids and values ---- */

/* "numRecordsIn" of "0.numRecordsIn"; the name itself where there is no prefix. */
static const char *plain_name(const char *id, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(id, prefix, len) ? id : id + len;
}

static bool is_asked(const char *list, const char *prefix, const char *name)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        char one[256];

        if (len < sizeof(one)) {
            snprintf(one, sizeof(one), "%.*s", (int)len, list);
            if (!strcmp(plain_name(one, prefix), name))
                return true;
        }
        list += len + (list[len] == ',');
    }
    return false;
}

static const char *number_text(double value, struct arena *arena)
{
    if (value == (double)OP_TIME_MIN)
        return "-9223372036854775808";
    if (value == floor(value) && fabs(value) < 1e15)
        return arena_printf(arena, "%.0f", value);
    return arena_printf(arena, "%.3f", value);
}

/* Without ?get: the ids; with it: values of those asked for. */
static json_t *metrics_json(const struct metric *list, size_t count, const void *of,
                            const char *prefix, struct http_request *req)
{
    const char *asked = http_query(req, "get");
    json_t *out = json_array();

    for (size_t i = 0; out && i < count; i++) {
        double value = list[i].value(of);
        const char *id = arena_printf(http_arena(req), "%s%s", prefix, list[i].name);

        if (isnan(value) || !id || (asked && !is_asked(asked, prefix, list[i].name)))
            continue;
        json_array_append_new(out, asked ? json_pack("{s:s,s:s}", "id", id, "value",
                                                     number_text(value, http_arena(req)))
                                         : json_pack("{s:s}", "id", id));
    }
    return out;
}

/* ---- handlers ---- */

static const struct vertex *asked_vertex(void *flink, struct http_request *req,
                                         struct http_reply *reply)
{
    struct job_view view;
    const struct vertex *v;

    if (!flink_job(flink, req, reply, &view))
        return NULL;
    v = vertex_find(view.vertices, view.count, http_param(req, "vertex"));
    if (!v)
        flink_error(reply, 404, "Vertex %s not found", http_param(req, "vertex"));
    return v;
}

void flink_vertex_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    const struct vertex *v = asked_vertex(arg, req, reply);

    if (v)
        flink_reply(reply, 200,
                    metrics_json(vertex_metrics, COUNT_OF(vertex_metrics), v,
                                 http_param(req, "subtask") ? "" : "0.", req));
}

/* Over subtasks, of which there is one: every aggregate is its value. */
void flink_subtask_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    const struct vertex *v = asked_vertex(arg, req, reply);
    const char *asked = http_query(req, "get");
    json_t *out;

    if (!v)
        return;
    out = json_array();
    for (size_t i = 0; out && i < COUNT_OF(vertex_metrics); i++) {
        const struct metric *m = &vertex_metrics[i];
        double value = m->value(v);

        if (isnan(value) || (asked && !is_asked(asked, "0.", m->name)))
            continue;
        json_array_append_new(out, asked ? json_pack("{s:s,s:f,s:f,s:f,s:f,s:f}", "id", m->name,
                                                     "min", value, "max", value, "avg", value,
                                                     "sum", value, "skew", 0.0)
                                         : json_pack("{s:s}", "id", m->name));
    }
    flink_reply(reply, 200, out);
}

void flink_vertex_watermarks(struct http_request *req, struct http_reply *reply, void *arg)
{
    const struct vertex *v = asked_vertex(arg, req, reply);

    if (!v)
        return;
    flink_reply(reply, 200,
                v->timed && v->watermark_ms != OP_TIME_MIN
                    ? json_pack("[{s:s,s:s}]", "id", "0.currentInputWatermark", "value",
                                arena_printf(http_arena(req), "%" PRId64, v->watermark_ms))
                    : json_array());
}

void flink_vertex_backpressure(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    const struct vertex *v = asked_vertex(arg, req, reply);
    const char *level;

    if (!v)
        return;
    level = v->backpressured > 0.5 ? "high" : v->backpressured > 0.1 ? "low" : "ok";
    flink_reply(reply, 200,
                json_pack("{s:s,s:s,s:s,s:I,s:[{s:i,s:i,s:s,s:s,s:f,s:f,s:f}]}", "status", "ok",
                          "backpressureLevel", level, "backpressure-level", level, "end-timestamp",
                          (json_int_t)clock_wall_ms(flink->options.clock), "subtasks", "subtask", 0,
                          "attempt-number", 0, "backpressureLevel", level, "backpressure-level",
                          level, "ratio", v->backpressured, "busyRatio", v->busy, "idleRatio",
                          v->idle));
}

void flink_job_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    struct job_view view;
    json_t *out;

    if (!flink_job(flink, req, reply, &view))
        return;
    out = metrics_json(job_metrics, COUNT_OF(job_metrics), view.job, "", req);
    if (out && http_query(req, "get") && is_asked(http_query(req, "get"), "", "uptime"))
        json_array_append_new(
            out, json_pack("{s:s,s:s}", "id", "uptime", "value",
                           number_text(flink_is_over(view.job)
                                           ? 0
                                           : (double)(clock_wall_ms(flink->options.clock) -
                                                      view.job->started_ms),
                                       http_arena(req))));
    else if (out && !http_query(req, "get"))
        json_array_append_new(out, json_pack("{s:s}", "id", "uptime"));
    flink_reply(reply, 200, out);
}

/* Over all jobs. */
void flink_jobs_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    const char *asked = http_query(req, "get");
    struct stream_job_info *jobs;
    size_t count;
    json_t *out;

    if (!flink_jobs(arg, req, reply, &jobs, &count))
        return;
    out = json_array();
    for (size_t i = 0; out && i < COUNT_OF(job_metrics); i++) {
        double low = INFINITY, high = -INFINITY, sum = 0;

        if (asked && !is_asked(asked, "", job_metrics[i].name))
            continue;
        for (size_t k = 0; k < count; k++) {
            double value = job_metrics[i].value(&jobs[k]);

            low = value < low ? value : low;
            high = value > high ? value : high;
            sum += value;
        }
        if (!asked)
            json_array_append_new(out, json_pack("{s:s}", "id", job_metrics[i].name));
        else if (count)
            json_array_append_new(out, json_pack("{s:s,s:f,s:f,s:f,s:f}", "id", job_metrics[i].name,
                                                 "min", low, "max", high, "avg",
                                                 sum / (double)count, "sum", sum));
    }
    flink_reply(reply, 200, out);
}

void flink_manager_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    flink_reply(reply, 200, metrics_json(process_metrics, COUNT_OF(process_metrics), arg, "", req));
}

void flink_taskmanager_metrics(struct http_request *req, struct http_reply *reply, void *arg)
{
    flink_reply(reply, 200, metrics_json(process_metrics, COUNT_OF(process_metrics), arg, "", req));
}
