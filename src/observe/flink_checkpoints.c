/* flink_checkpoints.c - /jobs/ID/checkpoints and savepoints. A commit of ours is a checkpoint: each
 * one that was made is durable before it is said. */
#include <stdio.h>

#include "base/codec.h"
#include "observe/flink_int.h"

static json_t *checkpoint_json(const struct stream_checkpoint *c)
{
    int64_t now = c->trigger_ms + c->took_ms;

    return json_pack(
        "{s:s,s:I,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:i,s:i,s:s,s:{},s:s,"
        "s:b}",
        "className", "completed", "id", (json_int_t)c->id, "status", "COMPLETED", "is_savepoint",
        c->savepoint != NULL, "savepointFormat", c->savepoint ? "NATIVE" : "", "trigger_timestamp",
        (json_int_t)c->trigger_ms, "latest_ack_timestamp", (json_int_t)now, "checkpointed_size",
        (json_int_t)c->state_bytes, "state_size", (json_int_t)c->state_bytes, "end_to_end_duration",
        (json_int_t)c->took_ms, "alignment_buffered", 0, "processed_data", 0, "persisted_data", 0,
        "num_subtasks", 1, "num_acknowledged_subtasks", 1, "checkpoint_type",
        c->savepoint ? "SAVEPOINT" : "CHECKPOINT", "tasks", "external_path",
        c->savepoint ? c->savepoint
        : c->copy    ? c->copy
                     : "<checkpoint-not-externally-addressable>",
        "discarded", 0);
}

static json_t *latest(const struct stream_job_info *job, bool savepoint)
{
    for (size_t i = 0; i < job->checkpoint_count; i++)
        if ((job->checkpoints[i].savepoint != NULL) == savepoint)
            return checkpoint_json(&job->checkpoints[i]);
    return json_null();
}

static json_t *range_json(const struct stream_job_info *job, bool bytes)
{
    int64_t low = 0, high = 0, sum = 0, count = (int64_t)job->checkpoint_count;

    for (size_t i = 0; i < job->checkpoint_count; i++) {
        int64_t value = bytes ? job->checkpoints[i].state_bytes : job->checkpoints[i].took_ms;

        low = !i || value < low ? value : low;
        high = value > high ? value : high;
        sum += value;
    }
    return json_pack("{s:I,s:I,s:I}", "min", (json_int_t)low, "max", (json_int_t)high, "avg",
                     (json_int_t)(count ? sum / count : 0));
}

void flink_checkpoints(struct http_request *req, struct http_reply *reply, void *arg)
{
    const struct stream_job_info *job;
    struct job_view view;
    json_t *history;

    if (!flink_job(arg, req, reply, &view))
        return;
    job = view.job;
    history = json_array();
    for (size_t i = 0; history && i < job->checkpoint_count; i++)
        json_array_append_new(history, checkpoint_json(&job->checkpoints[i]));
    flink_reply(reply, 200,
                json_pack("{s:{s:I,s:I,s:i,s:I,s:I},s:{s:o,s:o,s:i},s:{s:o,s:o,s:n,s:n},s:o}",
                          "counts", "restored", (json_int_t)job->restarts, "total",
                          (json_int_t)(job->commits + job->commits_failed), "in_progress", 0,
                          "completed", (json_int_t)job->commits, "failed",
                          (json_int_t)job->commits_failed, "summary", "state_size",
                          range_json(job, true), "end_to_end_duration", range_json(job, false),
                          "alignment_buffered", 0, "latest", "completed", latest(job, false),
                          "savepoint", latest(job, true), "failed", "restored", "history",
                          history));
}

void flink_checkpoint_config(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct job_view view;

    if (flink_job(arg, req, reply, &view))
        flink_reply(reply, 200,
                    json_pack("{s:s,s:I,s:i,s:I,s:i,s:{s:b,s:b},s:s,s:s,s:b,s:i}", "mode",
                              "exactly_once", "interval", (json_int_t)view.job->interval_ms,
                              "timeout", 600000, "min_pause", (json_int_t)view.job->pause_ms,
                              "max_concurrent", 1, "externalization", "enabled", 0,
                              "delete_on_cancellation", 0, "state_backend", "tarn",
                              "checkpoint_storage", "tarn", "unaligned_checkpoints", 0,
                              "tolerable_failed_checkpoints", 0));
}

void flink_checkpoint_show(struct http_request *req, struct http_reply *reply, void *arg)
{
    const char *id = http_param(req, "checkpoint");
    struct job_view view;
    int64_t number;

    if (!flink_job(arg, req, reply, &view))
        return;
    for (size_t i = 0; !slice_to_i64(slice_str(id), &number) && i < view.job->checkpoint_count; i++)
        if (view.job->checkpoints[i].id == number) {
            flink_reply(reply, 200, checkpoint_json(&view.job->checkpoints[i]));
            return;
        }
    flink_error(reply, 404, "Could not find checkpointing statistics for checkpoint %s.", id);
}

/* ---- savepoints ---- */

static void keep_trigger(struct flink *flink, const struct trigger *trigger)
{
    pthread_mutex_lock(&flink->mutex);
    flink->triggers[flink->trigger_count++ % TRIGGERS_KEPT] = *trigger;
    pthread_mutex_unlock(&flink->mutex);
}

/* Flink answers with an id at once; here the savepoint is made first, and kept under the id. */
static void trigger(struct flink *flink, struct http_request *req, struct http_reply *reply,
                    const char *dir_key, bool stop)
{
    struct slice body = http_body(req);
    json_t *root = body.len ? json_loadb((const char *)body.ptr, body.len, 0, NULL) : json_object();
    const char *dir = json_string_value(json_object_get(root, dir_key)), *path = NULL;
    struct trigger made = {.done = true};
    struct job_view view;
    uint8_t random[16];
    struct err err = {0};

    if (!flink_job(flink, req, reply, &view)) {
        json_decref(root);
        return;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        flink_error(reply, 400, "the body is no JSON object");
        return;
    }
    if (json_is_true(json_object_get(root, "drain"))) {
        json_decref(root);
        flink_error(reply, 400, "drain: windows that are open stay open in the savepoint");
        return;
    }
    stop |= json_is_true(json_object_get(root, "cancel-job"));
    rand_secret(random, sizeof(random));
    hex_encode(random, sizeof(random), made.id);
    snprintf(made.job, sizeof(made.job), "%s", http_param(req, "job"));
    if (stream_engine_savepoint(flink->options.engine, made.job, dir, stop, http_arena(req), &path,
                                &err))
        snprintf(made.error, sizeof(made.error), "%s", err.text);
    else
        snprintf(made.location, sizeof(made.location), "%s", path);
    json_decref(root);
    keep_trigger(flink, &made);
    flink_reply(reply, 202, json_pack("{s:s}", "request-id", made.id));
}

void flink_savepoint_start(struct http_request *req, struct http_reply *reply, void *arg)
{
    trigger(arg, req, reply, "target-directory", false);
}

void flink_savepoint_stop(struct http_request *req, struct http_reply *reply, void *arg)
{
    trigger(arg, req, reply, "targetDirectory", true);
}

void flink_savepoint_show(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct flink *flink = arg;
    const char *id = http_param(req, "trigger");
    struct trigger found = {0};

    pthread_mutex_lock(&flink->mutex);
    for (size_t i = 0; i < TRIGGERS_KEPT; i++)
        if (flink->triggers[i].done && !strcmp(flink->triggers[i].id, id))
            found = flink->triggers[i];
    pthread_mutex_unlock(&flink->mutex);
    if (!found.done)
        flink_error(reply, 404, "There is no savepoint operation with triggerId=%s for job %s.", id,
                    http_param(req, "job"));
    else if (found.error[0])
        flink_reply(reply, 200,
                    json_pack("{s:{s:s},s:{s:{s:s,s:s}}}", "status", "id", "COMPLETED", "operation",
                              "failure-cause", "class", "tarn", "stack-trace", found.error));
    else
        flink_reply(reply, 200,
                    json_pack("{s:{s:s},s:{s:s}}", "status", "id", "COMPLETED", "operation",
                              "location", found.location));
}
