/* flink.c - the server: its routes, the cluster's own pages, and how jobs are found. */
#include <stdarg.h>
#include <stdio.h>

#include "observe/flink_int.h"

/* ---- replies ---- */

/* {"errors":["..."]}: Flink's shape for all that fails. */
void flink_error(struct http_reply *reply, int status, const char *fmt, ...)
{
    char text[800];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    flink_reply(reply, status, json_pack("{s:[s]}", "errors", text));
}

void flink_reply(struct http_reply *reply, int status, json_t *json)
{
    http_set_header(reply, "Access-Control-Allow-Origin", "*");
    if (json)
        http_reply_json(reply, status, json);
    else
        http_reply_text(reply, 500, "out of memory");
    json_decref(json);
}

static void on_error(struct http_request *req, struct http_reply *reply, int status,
                     const char *text, void *arg)
{
    (void)arg;
    flink_error(reply, status, "%s: %s", status == 404 ? "Not found" : text,
                status == 404 ? http_path(req) : "");
}

/* ---- jobs ---- */

const char *flink_state(const struct stream_job_info *job)
{
    return job->state;
}

bool flink_is_over(const struct stream_job_info *job)
{
    return strcmp(job->state, "RUNNING") != 0 && strcmp(job->state, "RESTARTING") != 0;
}

bool flink_jobs(struct flink *flink, struct http_request *req, struct http_reply *reply,
                struct stream_job_info **out, size_t *count)
{
    struct err err = {0};

    if (!stream_engine_list(flink->options.engine, http_arena(req), out, count, &err))
        return true;
    flink_error(reply, http_status_of(err.code), "%s", err.text);
    return false;
}

bool flink_job(struct flink *flink, struct http_request *req, struct http_reply *reply,
               struct job_view *out)
{
    const char *id = http_param(req, "job");
    struct stream_job_info *jobs;
    size_t count;

    *out = (struct job_view){0};
    if (!flink_jobs(flink, req, reply, &jobs, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(jobs[i].id, id))
            out->job = &jobs[i];
    if (!out->job) {
        flink_error(reply, 404, "Job %s not found", id);
        return false;
    }
    if (vertices_of(out->job, http_arena(req), &out->vertices, &out->count)) {
        flink_error(reply, 500, "out of memory");
        return false;
    }
    return true;
}

/* ---- the cluster ---- */

static void config(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;

    (void)req;
    flink_reply(reply, 200,
                json_pack("{s:i,s:s,s:i,s:s,s:s,s:{s:b,s:b,s:b,s:b}}", "refresh-interval", 3000,
                          "timezone-name", "Coordinated Universal Time", "timezone-offset", 0,
                          "flink-version", FLINK_VERSION, "flink-revision", flink->options.version,
                          "features", "web-submit", 0, "web-cancel", 1, "web-rescale", 0,
                          "web-history", 0));
}

static int64_t managers_of(const struct flink *flink)
{
    return flink->options.managers > 0 ? flink->options.managers : 1;
}

/* A job takes a slot while it runs; there are never fewer than jobs. */
static void slots(struct flink *flink, const struct stream_job_info *jobs, size_t count,
                  int64_t *total, int64_t *taken)
{
    *taken = 0;
    for (size_t i = 0; i < count; i++)
        *taken += !flink_is_over(&jobs[i]);
    *total = flink->options.slots * managers_of(flink);
    while (*total < *taken) /* every manager has as many */
        *total += managers_of(flink);
}

static int in_state(const struct stream_job_info *jobs, size_t count, const char *state)
{
    int found = 0;

    for (size_t i = 0; i < count; i++)
        found += !strcmp(jobs[i].state, state);
    return found;
}

static void overview(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    struct stream_job_info *jobs;
    int64_t total, taken;
    size_t count;

    if (!flink_jobs(flink, req, reply, &jobs, &count))
        return;
    slots(flink, jobs, count, &total, &taken);
    flink_reply(reply, 200,
                json_pack("{s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:s,s:s}", "taskmanagers",
                          (json_int_t)managers_of(flink), "slots-total", (json_int_t)total,
                          "slots-available", (json_int_t)(total - taken), "jobs-running",
                          (json_int_t)taken, "jobs-finished", in_state(jobs, count, "FINISHED"),
                          "jobs-cancelled", in_state(jobs, count, "CANCELED"), "jobs-failed",
                          in_state(jobs, count, "FAILED"), "flink-version", FLINK_VERSION,
                          "flink-commit", flink->options.version));
}

#define MANAGER "localhost:tarn" /* the only one; else these and -1, -2, ... */

/* Manager `number`, from 0, with its part of all there is: slots are taken in turn. */
static json_t *manager_json(struct flink *flink, int64_t number, int64_t total, int64_t taken)
{
    const struct flink_options *o = &flink->options;
    int64_t count = managers_of(flink), memory = o->memory_bytes / count;
    int64_t resident = o->resident() / count, free_bytes = memory - resident;
    int64_t slots = total / count, own = taken / count + (number < taken % count);
    double cpus = (double)o->cpus / (double)count;
    char id[40] = MANAGER;

    if (count > 1)
        snprintf(id, sizeof(id), MANAGER "-%" PRId64, number + 1);
    free_bytes = free_bytes > 0 ? free_bytes : 0;
    return json_pack(
        "{s:s,s:s,s:i,s:i,s:I,s:I,s:I,s:{s:f,s:I,s:I,s:I,s:I},s:{s:f,s:I,s:I,s:I,s:I},"
        "s:{s:I,s:I,s:I,s:I},s:{s:I,s:I}}",
        "id", id, "path", "tarn://localhost", "dataPort", 0, "jmxPort", -1,
        "timeSinceLastHeartbeat", (json_int_t)clock_wall_ms(o->clock), "slotsNumber",
        (json_int_t)slots, "freeSlots", (json_int_t)(slots - own), "totalResource", "cpuCores",
        cpus, "taskHeapMemory", (json_int_t)(memory >> 20), "taskOffHeapMemory", (json_int_t)0,
        "managedMemory", (json_int_t)0, "networkMemory", (json_int_t)0, "freeResource", "cpuCores",
        slots ? cpus * (double)(slots - own) / (double)slots : 0.0, "taskHeapMemory",
        (json_int_t)(free_bytes >> 20), "taskOffHeapMemory", (json_int_t)0, "managedMemory",
        (json_int_t)0, "networkMemory", (json_int_t)0, "hardware", "cpuCores", (json_int_t)o->cpus,
        "physicalMemory", (json_int_t)memory, "freeMemory", (json_int_t)free_bytes, "managedMemory",
        (json_int_t)0, "memoryConfiguration", "totalFlinkMemory", (json_int_t)memory,
        "totalProcessMemory", (json_int_t)resident);
}

static void managers(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    struct stream_job_info *jobs;
    json_t *list = json_array();
    int64_t total, taken;
    size_t count;

    if (!flink_jobs(flink, req, reply, &jobs, &count)) {
        json_decref(list);
        return;
    }
    slots(flink, jobs, count, &total, &taken);
    for (int64_t i = 0; list && i < managers_of(flink); i++)
        json_array_append_new(list, manager_json(flink, i, total, taken));
    flink_reply(reply, 200, json_pack("{s:o}", "taskmanagers", list));
}

/* Its number; -1: there is none of that name. */
static int64_t find_manager(const struct flink *flink, const char *id)
{
    int64_t number = 1;

    if (managers_of(flink) == 1)
        return strcmp(id, MANAGER) ? -1 : 0;
    if (strncmp(id, MANAGER "-", strlen(MANAGER) + 1) != 0 ||
        slice_to_i64(slice_str(id + strlen(MANAGER) + 1), &number) || number < 1 ||
        number > managers_of(flink))
        return -1;
    return number - 1;
}

static void manager(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    int64_t total, taken, number = find_manager(flink, http_param(req, "manager"));
    struct stream_job_info *jobs;
    size_t count;

    if (number < 0) {
        flink_error(reply, 404, "TaskManager %s not found", http_param(req, "manager"));
        return;
    }
    if (!flink_jobs(flink, req, reply, &jobs, &count))
        return;
    slots(flink, jobs, count, &total, &taken);
    flink_reply(reply, 200, manager_json(flink, number, total, taken));
}

static void manager_config(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    json_t *list = json_array();

    (void)req;
    for (size_t i = 0; list && i < flink->options.setting_count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "key", flink->options.settings[i].key,
                                              "value", flink->options.settings[i].value));
    flink_reply(reply, 200, list);
}

/* Flink 1.20, "REST API", in its order. */
static const struct http_route routes[] = {
    {"GET", "/config", config, NULL, 0},
    {"GET", "/overview", overview, NULL, 0},
    {"GET", "/jobmanager/config", manager_config, NULL, 0},
    {"GET", "/jobmanager/metrics", flink_manager_metrics, NULL, 0},
    {"GET", "/jobs", flink_jobs_list, NULL, 0},
    {"GET", "/jobs/metrics", flink_jobs_metrics, NULL, 0},
    {"GET", "/jobs/overview", flink_jobs_overview, NULL, 0},
    {"GET", "/jobs/{job}", flink_job_show, NULL, 0},
    {"PATCH", "/jobs/{job}", flink_job_cancel, NULL, 0},
    {"GET", "/jobs/{job}/status", flink_job_status, NULL, 0},
    {"GET", "/jobs/{job}/plan", flink_job_plan, NULL, 0},
    {"GET", "/jobs/{job}/config", flink_job_config, NULL, 0},
    {"GET", "/jobs/{job}/exceptions", flink_job_exceptions, NULL, 0},
    {"GET", "/jobs/{job}/metrics", flink_job_metrics, NULL, 0},
    {"GET", "/jobs/{job}/checkpoints", flink_checkpoints, NULL, 0},
    {"GET", "/jobs/{job}/checkpoints/config", flink_checkpoint_config, NULL, 0},
    {"GET", "/jobs/{job}/checkpoints/details/{checkpoint}", flink_checkpoint_show, NULL, 0},
    {"POST", "/jobs/{job}/savepoints", flink_savepoint_start, NULL, 0},
    {"GET", "/jobs/{job}/savepoints/{trigger}", flink_savepoint_show, NULL, 0},
    {"POST", "/jobs/{job}/stop", flink_savepoint_stop, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}", flink_vertex_show, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}/metrics", flink_vertex_metrics, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}/watermarks", flink_vertex_watermarks, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}/backpressure", flink_vertex_backpressure, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}/subtasks/metrics", flink_subtask_metrics, NULL, 0},
    {"GET", "/jobs/{job}/vertices/{vertex}/subtasks/{subtask}/metrics", flink_vertex_metrics, NULL,
     0},
    {"GET", "/taskmanagers", managers, NULL, 0},
    {"GET", "/taskmanagers/{manager}", manager, NULL, 0},
    {"GET", "/taskmanagers/{manager}/metrics", flink_taskmanager_metrics, NULL, 0},
};

int flink_new(struct flink **out, const struct flink_options *options, struct err *err)
{
    struct flink *flink = calloc(1, sizeof(*flink));
    int rc;

    if (!flink)
        return err_set(err, ERR_NOMEM, "Flink's REST");
    flink->options = *options;
    flink->started_ms = clock_wall_ms(options->clock);
    pthread_mutex_init(&flink->mutex, NULL);
    rc = http_server_new(&flink->server,
                         &(struct http_options){.name = "flink",
                                                .address = options->address,
                                                .port = options->port,
                                                .connections_max = 64,
                                                .body_max = 1 << 16,
                                                .error = on_error},
                         err);
    if (!rc)
        rc = http_server_routes(flink->server, "", routes, COUNT_OF(routes), flink, err);
    if (!rc) /* some tools ask below /v1 */
        rc = http_server_routes(flink->server, "/v1", routes, COUNT_OF(routes), flink, err);
    if (!rc)
        rc = http_server_start(flink->server, err);
    if (rc) {
        flink_free(flink);
        return rc;
    }
    *out = flink;
    return 0;
}

int flink_port(const struct flink *flink)
{
    return http_server_port(flink->server);
}

void flink_free(struct flink *flink)
{
    if (!flink)
        return;
    http_server_free(flink->server);
    pthread_mutex_destroy(&flink->mutex);
    free(flink);
}
