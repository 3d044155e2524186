/* doctor.c - `tarn doctor`: names the first thing that stands in the way, and what to do about it.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/port.h"
#include "cli/cli_int.h"
#include "cli/control.h"
#include "cli/data_dir.h"

struct doctor_args {
    const char *data;
};
static const struct option options[] = {
    {"data", 0, OPT_STR, offsetof(struct doctor_args, data), "DIR",
     "its data folder, when it is elsewhere"},
    {NULL}};

struct doctor {
    const struct config *config;
    const char *data;
    int pid; /* of the instance that runs; 0: none */
    json_t *status;
    int bad;
};

static void good(const char *what, const char *detail)
{
    printf("ok    %-12s %s\n", what, detail);
}

static void bad(struct doctor *d, const char *what, const char *detail, const char *cure)
{
    printf("BAD   %-12s %s\n      %-12s -> %s\n", what, detail, "", cure);
    d->bad++;
}

/* ---- what can be seen from outside ---- */

/* A script with a mistake is left out by 'tarn up', and its tables stay empty. */
static void check_project(struct doctor *d, const char *dir)
{
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct err err = {0};
    char said[700];
    int rc = cli_check(dir, &problems, said, sizeof(said), &err);

    if (rc)
        snprintf(said, sizeof(said), "%s:%d: %s", problems.count ? problems.list[0].file : dir,
                 problems.count ? problems.list[0].line : 1,
                 problems.count ? problems.list[0].text : err.text);
    if (rc)
        bad(d, "project", said, "'tarn check' tells every mistake with its place");
    else
        good("project", said);
    arena_deinit(&arena);
}

static void check_folder(struct doctor *d)
{
    struct disk *disk = disk_system();
    int64_t bytes = 0;
    struct err err = {0};
    char text[200];

    if (disk_mkdirs(disk, d->data, &err)) {
        bad(d, "data folder", err.text, "make it writable, or choose another with --data DIR");
        return;
    }
    snprintf(text, sizeof(text), "%s/.probe", d->data);
    if (disk_write_file(disk, text, SLICE_LIT("x"), &err)) {
        bad(d, "data folder", err.text, "make it writable, or choose another with --data DIR");
        return;
    }
    disk_unlink(disk, text, NULL);
    if (data_dir_check(disk, d->data, &err)) {
        bad(d, "data folder", err.text, "the folder stays as it is; 'tarn up' will refuse it");
        return;
    }
    disk_free_bytes(disk, d->data, &bytes, NULL);
    snprintf(text, sizeof(text), "%s, %.1f GB free", d->data, (double)bytes / 1e9);
    if (bytes < INT64_C(1) << 30)
        bad(d, "data folder", text, "free some space: below 1 GB retention may not keep up");
    else
        good("data folder", text);
}

static void check_files(struct doctor *d)
{
    struct rlimit limit = {0};
    char text[100];

    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(text, sizeof(text), "%llu open files allowed", (unsigned long long)limit.rlim_cur);
    if (limit.rlim_cur < 1024)
        bad(d, "limits", text, "ulimit -n 65536");
    else
        good("limits", text);
}

static void check_port(struct doctor *d, const char *part, bool on, int64_t port)
{
    char text[200], holder[100];
    struct err err = {0};
    int fd, bound, rc;

    if (!on)
        return;
    rc = port_listen(&fd, d->config->listen, (int)port, &bound, &err);
    if (!rc) {
        close(fd);
        snprintf(text, sizeof(text), "%lld is free", (long long)port);
        if (d->pid)
            bad(d, part, text, "the running tarn should hold it: look into 'tarn logs'");
        else
            good(part, text);
        return;
    }
    snprintf(text, sizeof(text), "%lld is held by %s", (long long)port,
             port_holder((int)port, holder, sizeof(holder)));
    if (d->pid)
        good(part, text);
    else
        bad(d, part, text, "stop that process, or choose another port in tarn.yaml");
}

/* ---- what the running instance says ---- */

static int keep(void *arg, const json_t *answer, struct err *err)
{
    (void)err;
    json_decref(*(json_t **)arg);
    *(json_t **)arg = json_deep_copy(answer);
    return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void check_instance(struct doctor *d)
{
    json_t *request = json_pack("{s:s}", "verb", "status");
    struct err err = {0};
    char text[200];

    d->pid = data_dir_owner(disk_system(), d->data);
    if (!d->pid) {
        good("instance", "nothing runs on that folder; 'tarn up' starts it");
    } else if (control_call(d->data, request, keep, &d->status, &err)) {
        bad(d, "instance", err.text, "'tarn down', then 'tarn up'; 'tarn logs' says more");
    } else {
        snprintf(text, sizeof(text), "runs as pid %d", d->pid);
        good("instance", text);
    }
    json_decref(request);
}

/* From the source to the table: the first link that does not move. */
static void check_jobs(struct doctor *d)
{
    const json_t *jobs = json_object_get(d->status, "jobs");
    char text[700];

    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i), *pipelines = json_object_get(job, "pipelines");
        bool running = strcmp(text_of(job, "state"), "RUNNING") == 0;

        snprintf(text, sizeof(text), "%s is %s%s%s", text_of(job, "name"), text_of(job, "state"),
                 text_of(job, "reason")[0] ? ": " : "", text_of(job, "reason"));
        if (running)
            good("job", text);
        else if (strcmp(text_of(job, "state"), "CANCELED") != 0)
            bad(d, "job", text, "cure the reason; the job goes on by itself, or submit it again");
        for (size_t p = 0; running && p < json_array_size(pipelines); p++) {
            const json_t *one = json_array_get(pipelines, p);

            snprintf(text, sizeof(text), "%s: %s", text_of(one, "name"), text_of(one, "waiting"));
            if (text_of(one, "waiting")[0])
                bad(d, "job", text, "is anything produced into the topic?");
        }
    }
}

/* Nothing stands in the way of anything: it is told and does not count. */
static void check_lost(struct doctor *d)
{
    json_t *request = json_pack("{s:s}", "verb", "table.lost"), *answer = NULL, *one;
    struct err err = {0};
    size_t i;

    if (!d->status || !d->config->catalog.enabled) {
        json_decref(request);
        return;
    }
    if (control_call(d->data, request, keep, &answer, &err))
        bad(d, "tables", err.text, "'tarn logs' says more");
    json_array_foreach(json_object_get(answer, "lost"), i, one)
        printf("note  %-12s %s is on storage and not in the catalog\n      %-12s -> tarn table "
               "register NAMESPACE.TABLE %s\n",
               "tables", text_of(one, "place"), "", text_of(one, "metadata"));
    json_decref(answer);
    json_decref(request);
}

static int run_doctor(const struct cli_call *call)
{
    const struct doctor_args *a = call->options;
    struct config *config = NULL;
    struct doctor d = {0};
    const char *dir = call->args->count ? call->args->items[0] : ".";
    int code = cli_project(dir, &config);

    if (code)
        return code;
    d.config = config;
    d.data = a->data ? a->data : config->data;
    check_project(&d, dir);
    check_folder(&d);
    check_files(&d);
    check_instance(&d);
    for (size_t i = 0; i < config->kafka.listener_count; i++)
        check_port(&d, "kafka port", config->kafka.enabled, config->kafka.listeners[i].port);
    check_port(&d, "s3 port", config->s3.enabled, config->s3.port);
    check_port(&d, "catalog port", config->catalog.enabled, config->catalog.port);
    check_port(&d, "flink port", config->flink.port > 0, config->flink.port);
    check_jobs(&d);
    check_lost(&d);
    json_decref(d.status);
    config_free(config);
    return d.bad ? CLI_FAILED : CLI_OK;
}

const struct cli_command command_doctor = {
    .name = "doctor", .args = "[DIR]",
    .summary = "why does it not run? names the first broken link",
    .examples = "  tarn doctor\n",
    .options = options, .options_size = sizeof(struct doctor_args), .run = run_doctor};
