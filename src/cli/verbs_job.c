/* verbs_job.c - jobs, asked from the command line. */
#include <stdio.h>
#include <time.h>

#include "base/term.h"
#include "cli/verbs.h"

static const char *name_of(const json_t *request)
{
    const char *name = verb_text(request, "name");

    return name ? name : "";
}

static const char *percent(struct arena *arena, double share)
{
    return arena_printf(arena, "%.0f%%", share * 100);
}

static json_t *list_row(const struct stream_job_info *job, struct arena *arena)
{
    double waits = 0; /* of the pipeline whose sink is the slowest */
    int64_t rows = 0;

    for (size_t p = 0; p < job->count; p++) {
        rows += job->pipelines[p].rows_committed;
        if (job->pipelines[p].backpressured > waits)
            waits = job->pipelines[p].backpressured;
    }
    return json_pack("[s,s,i,I,I,I,s,s]", job->name, job->state, (int)job->count,
                     (json_int_t)job->epoch, (json_int_t)rows, (json_int_t)job->rejects,
                     percent(arena, waits), job->reason ? job->reason : "");
}

int verb_job_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct stream_job_info *jobs = NULL;
    size_t count = 0;
    int rc = stream_engine_list(in->engine, &arena, &jobs, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply,
                       json_pack("[s,s,s,s,s,s,s,s]", "job", "state", "pipelines", "checkpoint",
                                 "rows", "dead letters", "waits for sink", "reason"),
                       err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = rows_add(reply, list_row(&jobs[i], &arena), err);
    arena_deinit(&arena);
    return rc;
}

/* "payments: FAILED after 3 restarts: why" */
static int send_state(struct control_reply *reply, const char *key,
                      const struct stream_job_info *job, struct err *err)
{
    const char *reason = job->reason ? job->reason : "";
    char restarts[48] = "";

    if (job->restarts)
        snprintf(restarts, sizeof(restarts), " after %lld restart%s", (long long)job->restarts,
                 job->restarts == 1 ? "" : "s");
    return control_send(reply,
                        json_pack("{s:o}", key,
                                  json_sprintf("%s: %s%s%s%s", job->name, job->state, restarts,
                                               reason[0] ? ": " : "", reason)),
                        err);
}

static int find_job(struct instance *in, const json_t *request, struct arena *arena,
                    const struct stream_job_info **out, struct err *err)
{
    struct stream_job_info *jobs = NULL;
    size_t count = 0;
    int rc = stream_engine_list(in->engine, arena, &jobs, &count, err);

    *out = NULL;
    for (size_t i = 0; i < count && !rc; i++)
        if (!strcmp(jobs[i].name, name_of(request)) || !strcmp(jobs[i].id, name_of(request)))
            *out = &jobs[i];
    return rc || *out ? rc
                      : err_set(err, ERR_NOENT, "no job '%s'; 'tarn job list' shows them",
                                name_of(request));
}

/* ---- the steps of a job, as a tree from the sink down ---- */

struct steps {
    struct control_reply *reply;
    struct arena *arena;
    int64_t now_ms;
};

static const char *time_text(struct arena *arena, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[40];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return arena_printf(arena, "%s.%03dZ", text, (int)(((ms % 1000) + 1000) % 1000));
}

static json_t *watermark_json(struct arena *arena, int64_t ms)
{
    return ms == OP_TIME_MIN   ? json_null()
           : ms == OP_TIME_MAX ? json_string("end")
                               : json_string(time_text(arena, ms));
}

/* Seconds between the watermark and now. */
static json_t *behind_json(const struct steps *s, int64_t ms)
{
    return ms == OP_TIME_MIN || ms == OP_TIME_MAX
               ? json_null()
               : json_integer((json_int_t)((s->now_ms - ms) / 1000));
}

static json_t *state_json(struct arena *arena, int64_t bytes)
{
    char text[TERM_TEXT];

    return bytes ? json_string(arena_strdup(arena, term_bytes(bytes, text))) : json_null();
}

static int source_row(struct steps *s, const struct stream_pipeline_info *p,
                      const struct stream_input_info *in, const char *indent, struct err *err)
{
    return rows_add(s->reply,
                    json_pack("[s,I,I,f,o,o,o,o,s,s]",
                              arena_printf(s->arena, "%s%s", indent, in->name),
                              (json_int_t)in->rows, (json_int_t)in->rows,
                              p->input_count == 1 ? p->rows_in_s : 0.0,
                              in->lag < 0 ? json_null() : json_integer((json_int_t)in->lag),
                              in->timed ? watermark_json(s->arena, in->watermark_ms) : json_null(),
                              in->timed ? behind_json(s, in->watermark_ms) : json_null(),
                              json_null(), percent(s->arena, p->source_busy),
                              in->ended  ? "ended"
                              : in->idle ? "idle"
                                         : percent(s->arena, p->backpressured)),
                    err);
}

static int op_rows(struct steps *s, const struct stream_pipeline_info *p, int above, int depth,
                   struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < p->op_count && !rc && depth < 60; i++) {
        const struct stream_op_info *op = &p->ops[i];
        const char *indent, *shards;

        if (op->so_far.above != above)
            continue;
        indent = arena_printf(s->arena, "%*s", depth * 2, "");
        if (op->so_far.number >= 0 && (size_t)op->so_far.number < p->input_count) {
            rc = source_row(s, p, &p->inputs[op->so_far.number], indent, err);
            continue;
        }
        shards = op->so_far.shards > 1 ? arena_printf(s->arena, " x%d", op->so_far.shards) : "";
        rc = rows_add(
            s->reply,
            json_pack("[s,I,I,f,o,o,o,o,s,s]",
                      above < 0 ? arena_printf(s->arena, "%s%s%s > %s", indent, op->so_far.name,
                                               shards, p->target)
                                : arena_printf(s->arena, "%s%s%s", indent, op->so_far.name, shards),
                      (json_int_t)op->so_far.rows_in, (json_int_t)op->so_far.rows_out, op->in_s,
                      json_null(), watermark_json(s->arena, op->so_far.watermark_ms),
                      behind_json(s, op->so_far.watermark_ms),
                      state_json(s->arena, op->so_far.state_bytes), percent(s->arena, op->busy),
                      percent(s->arena, p->backpressured)),
            err);
        if (!rc)
            rc = op_rows(s, p, op->so_far.number, depth + 1, err);
    }
    return rc;
}

static int pipeline_rows(struct steps *s, const struct stream_pipeline_info *p, struct err *err)
{
    if (p->op_count)
        return op_rows(s, p, -1, 0, err);
    return rows_add(s->reply,
                    json_pack("[s,I,I,f,o,n,n,n,s,s]", p->name, (json_int_t)p->rows_in,
                              (json_int_t)p->rows_out, p->rows_in_s,
                              p->lag < 0 ? json_null() : json_integer((json_int_t)p->lag),
                              percent(s->arena, p->busy), percent(s->arena, p->backpressured)),
                    err);
}

static int pipeline_text(struct steps *s, const struct stream_pipeline_info *p, struct err *err)
{
    return control_send(
        s->reply,
        json_pack("{s:o}", "note",
                  json_sprintf("%s: %lld read, %lld written, %lld committed over all starts, "
                               "%lld dead letters%s%s",
                               p->name, (long long)p->rows_in, (long long)p->rows_out,
                               (long long)p->rows_committed, (long long)p->rejects,
                               p->waiting ? "; waits: " : "", p->waiting ? p->waiting : "")),
        err);
}

/* As it was submitted, but for the passwords in it. */
static int send_script(struct control_reply *reply, const char *script, struct err *err)
{
    struct buf text = {0};
    int rc = sql_hide_secrets(slice_str(script), &text);

    if (rc || !buf_cstr(&text))
        rc = err_set(err, ERR_NOMEM, "the script");
    else
        rc = control_send(reply, json_pack("{s:s}", "note", buf_cstr(&text)), err);
    buf_deinit(&text);
    return rc;
}

int verb_job_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct steps s = {reply, &arena, clock_wall_ms(in->clock)};
    const struct stream_job_info *job;
    bool script = !verb_text(request, "follow");
    int rc = find_job(in, request, &arena, &job, err);

    if (!rc && script)
        rc = send_script(reply, job->script, err);
    if (!rc)
        rc = send_state(reply, "note", job, err);
    for (size_t i = 0; !rc && i < job->count; i++)
        rc = pipeline_text(&s, &job->pipelines[i], err);
    if (!rc)
        rc = rows_head(reply,
                       json_pack("[s,s,s,s,s,s,s,s,s,s]", "step", "rows in", "rows out", "in/s",
                                 "lag", "watermark", "behind s", "state", "busy", "waits for sink"),
                       err);
    for (size_t i = 0; !rc && i < job->count; i++)
        rc = pipeline_rows(&s, &job->pipelines[i], err);
    arena_deinit(&arena);
    return rc;
}

/* Which partition holds a window back, and what came too late. */
int verb_job_explain(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct buf text = {0};
    const struct stream_job_info *job;
    int rc = find_job(in, request, &arena, &job, err);

    if (!rc && (stream_why(job, clock_wall_ms(in->clock), &text) || !buf_cstr(&text)))
        rc = err_set(err, ERR_NOMEM, "job %s", job->name);
    if (!rc)
        rc = control_send(reply, json_pack("{s:s%}", "text", text.ptr, text.len - 1), err);
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

/* ---- commands ---- */

int verb_job_cancel(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    int rc = stream_engine_cancel(in->engine, name_of(request), err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "canceled"), err);
}

/* Runs a script's DDL and submits its INSERTs, as at start; harmless when it ran before. */
int verb_job_submit(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    const char *text = json_string_value(json_object_get(request, "text"));
    int rc =
        connector_submit_script(in->connector, in->engine, name_of(request), text ? text : "", err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "submitted"), err);
}

/* Stops with a savepoint, or makes one while the job runs on. */
static int savepoint(struct instance *in, const json_t *request, bool stop,
                     struct control_reply *reply, struct err *err)
{
    struct arena arena = {0};
    const char *path = NULL;
    int rc = stream_engine_savepoint(in->engine, name_of(request), verb_text(request, "to"), stop,
                                     &arena, &path, err);

    if (!rc)
        rc = control_send(reply, json_pack("{s:s}", "text", path), err);
    arena_deinit(&arena);
    return rc;
}

int verb_job_stop(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    return savepoint(arg, request, true, reply, err);
}

int verb_job_savepoint(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    return savepoint(arg, request, false, reply, err);
}

int verb_job_start(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    int rc = stream_engine_start(in->engine, name_of(request), verb_text(request, "from"), err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "started"), err);
}
