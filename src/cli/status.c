/* status.c - what an instance says about itself, and the commands that show it. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "cli/instance.h"
#include "cli/screen.h"
#include "cli/verbs.h"

/* ---- in the instance ---- */

static int add_port(const struct config *config, json_t *ports, const char *name, bool on,
                    int64_t port, const char *scheme)
{
    char address[300];

    if (!on)
        return 0;
    snprintf(address, sizeof(address), "%s%s:%lld", scheme, config->listen, (long long)port);
    return json_array_append_new(ports, json_pack("{s:s,s:s}", "name", name, "address", address));
}

static json_t *status_ports(const struct config *config)
{
    json_t *ports = json_array();

    if (ports && (add_port(config, ports, "kafka", config->kafka.enabled, config->kafka.port, "") ||
                  add_port(config, ports, "s3", config->s3.enabled, config->s3.port, "http://") ||
                  add_port(config, ports, "catalog", config->catalog.enabled, config->catalog.port,
                           "http://") ||
                  add_port(config, ports, "flink", config->flink.port > 0, config->flink.port,
                           "http://"))) {
        json_decref(ports);
        ports = NULL;
    }
    return ports;
}

static json_t *status_messages(struct instance *in)
{
    char lines[LOGFILE_RECENT][256];
    int count = in->logfile ? logfile_recent(in->logfile, lines) : 0;
    json_t *list = json_array();

    for (int i = 0; list && i < count; i++)
        json_array_append_new(list, json_string(lines[i]));
    return list;
}

static json_t *status_topics(struct instance *in)
{
    struct arena arena = {0};
    struct topic_info *topics = NULL;
    json_t *list = json_array();
    size_t count = 0;

    if (in->broker && broker_topics(in->broker, &arena, &topics, &count, NULL))
        count = 0;
    for (size_t i = 0; list && i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:i,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "name", topics[i].name,
                            "partitions", (int)topics[i].partitions, "owned", topics[i].owned,
                            "records", (json_int_t)topics[i].records, "bytes",
                            (json_int_t)topics[i].bytes, "records_in",
                            (json_int_t)topics[i].records_in, "bytes_in",
                            (json_int_t)topics[i].bytes_in, "records_out",
                            (json_int_t)topics[i].records_out, "bytes_out",
                            (json_int_t)topics[i].bytes_out));
    arena_deinit(&arena);
    return list;
}

static json_t *pipeline_json(const struct stream_pipeline_info *p)
{
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:s}", "name", p->name, "topic",
                     p->topic ? p->topic : "", "target", p->target, "rows_in",
                     (json_int_t)p->rows_in, "rows_out", (json_int_t)p->rows_out, "rejects",
                     (json_int_t)p->rejects, "rows_committed", (json_int_t)p->rows_committed, "lag",
                     (json_int_t)p->lag, "waiting", p->waiting ? p->waiting : "");
}

static json_t *status_jobs(struct instance *in)
{
    struct arena arena = {0};
    struct stream_job_info *jobs = NULL;
    json_t *list = json_array();
    size_t count = 0;

    if (in->engine && stream_engine_list(in->engine, &arena, &jobs, &count, NULL))
        count = 0;
    for (size_t i = 0; list && i < count; i++) {
        json_t *pipelines = json_array();

        for (size_t p = 0; pipelines && p < jobs[i].count; p++)
            json_array_append_new(pipelines, pipeline_json(&jobs[i].pipelines[p]));
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o}", "name", jobs[i].name, "id",
                            jobs[i].id, "state", jobs[i].state, "reason",
                            jobs[i].reason ? jobs[i].reason : "", "epoch",
                            (json_int_t)jobs[i].epoch, "committed_ms",
                            (json_int_t)jobs[i].committed_ms, "commit_took_ms",
                            (json_int_t)jobs[i].commit_took_ms, "restarts",
                            (json_int_t)jobs[i].restarts, "rejects", (json_int_t)jobs[i].rejects,
                            "pipelines", pipelines));
    }
    arena_deinit(&arena);
    return list;
}

static json_t *status_generators(struct instance *in)
{
    char error[500];

    feeder_error(in->feeder, error, sizeof(error));
    return json_pack("{s:I,s:s}", "events", (json_int_t)feeder_events(in->feeder), "error", error);
}

json_t *instance_status(struct instance *in)
{
    json_t *status = json_pack(
        "{s:s,s:s,s:i,s:s,s:I,s:I,s:I,s:I}", "name", in->config->name, "version", TARN_VERSION,
        "pid", (int)getpid(), "data", in->data_path, "uptime_ms",
        (json_int_t)((clock_mono_ns(in->clock) - in->started_ns) / 1000000), "now_ms",
        (json_int_t)clock_wall_ms(in->clock), "memory_bytes", (json_int_t)memory_resident_bytes(),
        "cpu_ns", (json_int_t)cpu_process_ns());

    if (!status || json_object_set_new(status, "ports", status_ports(in->config)) ||
        json_object_set_new(status, "topics", status_topics(in)) ||
        json_object_set_new(status, "jobs", status_jobs(in)) ||
        (in->feeder && json_object_set_new(status, "generators", status_generators(in))) ||
        json_object_set_new(status, "messages", status_messages(in))) {
        json_decref(status);
        return NULL;
    }
    return status;
}

static int verb_status(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    (void)request;
    return control_send(reply, instance_status(arg), err);
}

const struct control_verb instance_verbs[] = {
    {"status", verb_status},
    {"sql", verb_sql},
    {"topic.list", verb_topic_list},
    {"topic.describe", verb_topic_describe},
    {"topic.create", verb_topic_create},
    {"topic.delete", verb_topic_delete},
    {"group.list", verb_group_list},
    {"group.describe", verb_group_describe},
    {"table.list", verb_table_list},
    {"table.describe", verb_table_describe},
    {"table.history", verb_table_history},
    {"table.health", verb_table_health},
    {"maintain", verb_maintain},
    {"fsck", verb_fsck},
    {"table.show", verb_table_show},
    {"table.files", verb_table_files},
    {"table.rollback", verb_table_rollback},
    {"table.tag", verb_table_tag},
    {"table.branch", verb_table_branch},
    {"table.pick", verb_table_pick},
    {"table.register", verb_table_register},
    {"table.drop", verb_table_drop},
    {"table.lost", verb_table_lost},
    {"bucket.list", verb_bucket_list},
    {"bucket.show", verb_bucket_show},
    {"bucket.create", verb_bucket_create},
    {"bucket.remove", verb_bucket_remove},
    {"bucket.policy", verb_bucket_policy},
    {"bucket.versioning", verb_bucket_versioning},
    {"bucket.lifecycle", verb_bucket_lifecycle},
    {"job.list", verb_job_list},
    {"job.show", verb_job_show},
    {"job.cancel", verb_job_cancel},
    {"job.submit", verb_job_submit},
    {"job.stop", verb_job_stop},
    {"job.savepoint", verb_job_savepoint},
    {"job.start", verb_job_start},
    {"job.explain", verb_job_explain},
    {"dlq.list", verb_dlq_list},
    {"dlq.show", verb_dlq_show},
    {"dlq.retry", verb_dlq_retry},
    {NULL},
};

/* ---- the command ---- */

struct status_args {
    const char *project, *data;
    bool json;
};
static const struct option options[] = {
    {"project", 'p', OPT_STR, offsetof(struct status_args, project), "DIR",
     "the project (default: .)"},
    {"data", 0, OPT_STR, offsetof(struct status_args, data), "DIR",
     "its data folder, when it is elsewhere"},
    {"json", 0, OPT_FLAG, offsetof(struct status_args, json), NULL, "as JSON, for scripts"},
    {NULL}};
static const struct status_args defaults = {.project = "."};

static int keep(void *arg, const json_t *answer, struct err *err)
{
    (void)err;
    json_decref(*(json_t **)arg);
    *(json_t **)arg = json_deep_copy(answer);
    return 0;
}

static int ask(const char *data, json_t **out, struct err *err)
{
    json_t *request = json_pack("{s:s}", "verb", "status");
    int rc = request ? control_call(data, request, keep, out, err) : ERR_NOMEM;

    json_decref(request);
    return rc;
}

static int show(const json_t *now, const json_t *before, bool json)
{
    struct buf out = {0};
    int rc = json ? json_print(now, 2, &out, NULL)
                  : picture_of(now, before, 0, isatty(STDOUT_FILENO), &out);

    if (!rc)
        fwrite(out.ptr, 1, out.len, stdout);
    if (json)
        putchar('\n');
    buf_deinit(&out);
    return rc ? cli_fail(CLI_FAILED, "out of memory") : CLI_OK;
}

static int run_status(const struct cli_call *call)
{
    const struct status_args *a = call->options;
    json_t *before = NULL, *now = NULL;
    struct err err = {0};
    char *data = NULL;
    int code = cli_data_path(a->project, a->data, &data), rc;

    if (code)
        return code;
    rc = ask(data, &before, &err);
    if (!rc && !a->json)
        clock_system()->sleep_ns(clock_system(), 500000000); /* two looks make a rate */
    if (!rc)
        rc = a->json ? 0 : ask(data, &now, &err);
    if (rc)
        code = cli_fail(rc == ERR_CLOSED ? CLI_NOT_RUNNING : CLI_FAILED, "%s", err.text);
    else
        code = show(a->json ? before : now, before, a->json);
    json_decref(before);
    json_decref(now);
    free(data);
    return code;
}

const struct cli_command command_status = {
    .name = "status", .summary = "what runs: ports, topics, jobs, tables, memory",
    .examples = "  tarn status\n  tarn status --json | jq .memory_bytes\n",
    .options = options, .options_size = sizeof(struct status_args), .defaults = &defaults,
    .run = run_status};
