/* verbs_job.c - jobs, asked from the command line. */
#include <stdio.h>

#include "cli/verbs.h"

static const char *name_of(const json_t *request)
{
    const char *name = verb_text(request, "name");

    return name ? name : "";
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
                       json_pack("[s,s,s,s,s,s,s]", "job", "state", "pipelines", "checkpoint",
                                 "rows", "dead letters", "reason"),
                       err);
    for (size_t i = 0; i < count && !rc; i++) {
        int64_t rows = 0;

        for (size_t p = 0; p < jobs[i].count; p++)
            rows += jobs[i].pipelines[p].rows_committed;
        rc = rows_add(reply,
                      json_pack("[s,s,i,I,I,I,s]", jobs[i].name, jobs[i].state, (int)jobs[i].count,
                                (json_int_t)jobs[i].epoch, (json_int_t)rows,
                                (json_int_t)jobs[i].rejects, jobs[i].reason ? jobs[i].reason : ""),
                      err);
    }
    arena_deinit(&arena);
    return rc;
}

/* "payments: FAILED after 3 restarts: why" */
static int send_state(struct control_reply *reply, const struct stream_job_info *job,
                      struct err *err)
{
    const char *reason = job->reason ? job->reason : "";
    char restarts[48] = "";

    if (job->restarts)
        snprintf(restarts, sizeof(restarts), " after %lld restart%s", (long long)job->restarts,
                 job->restarts == 1 ? "" : "s");
    return control_send(reply,
                        json_pack("{s:o}", "text",
                                  json_sprintf("%s: %s%s%s%s", job->name, job->state, restarts,
                                               reason[0] ? ": " : "", reason)),
                        err);
}

int verb_job_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct stream_job_info *jobs = NULL;
    const struct stream_job_info *job = NULL;
    size_t count = 0;
    int rc = stream_engine_list(in->engine, &arena, &jobs, &count, err);

    for (size_t i = 0; i < count; i++)
        if (!strcmp(jobs[i].name, name_of(request)) || !strcmp(jobs[i].id, name_of(request)))
            job = &jobs[i];
    if (!rc && !job)
        rc = err_set(err, ERR_NOENT, "no job '%s'; 'tarn job list' shows them", name_of(request));
    if (!rc)
        rc = control_send(reply, json_pack("{s:s}", "text", job->script), err);
    if (!rc)
        rc = send_state(reply, job, err);
    if (!rc)
        rc = rows_head(reply,
                       json_pack("[s,s,s,s,s,s]", "pipeline", "read", "written", "committed",
                                 "dead letters", "lag"),
                       err);
    for (size_t i = 0; !rc && i < job->count; i++) {
        const struct stream_pipeline_info *p = &job->pipelines[i];

        rc = rows_add(reply,
                      json_pack("[s,I,I,I,I,I]", p->name, (json_int_t)p->rows_in,
                                (json_int_t)p->rows_out, (json_int_t)p->rows_committed,
                                (json_int_t)p->rejects, (json_int_t)p->lag),
                      err);
    }
    arena_deinit(&arena);
    return rc;
}

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
