/* project.c - what most commands begin with: which project, which data folder. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "cli/data_dir.h"

int cli_project(const char *dir, struct config **out)
{
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct err err = {0};
    int rc = config_read(out, disk_system(), dir, &problems, &err), code = CLI_OK;

    if (rc) {
        cli_print_problems(&problems);
        code = rc == ERR_INVALID || rc == ERR_NOENT ? CLI_USAGE : CLI_FAILED;
        if (problems.count == 0)
            cli_fail(code, "%s", err.text);
    }
    arena_deinit(&arena);
    return code;
}

bool cli_has_project(const char *dir)
{
    char path[4200];

    snprintf(path, sizeof(path), "%s/tarn.yaml", dir);
    return disk_exists(disk_system(), path);
}

int cli_data_path(const char *project, const char *data, char **out)
{
    struct config *config = NULL;
    int code = CLI_OK;

    if (data) {
        *out = strdup(data);
    } else {
        code = cli_project(project, &config);
        *out = code ? NULL : strdup(config->data);
        config_free(config);
    }
    return code ? code : *out ? CLI_OK : cli_fail(CLI_FAILED, "out of memory");
}

/* ---- down ---- */

struct down_args {
    const char *project, *data;
    int64_t timeout_ms;
};
static const struct option options[] = {
    {"project", 'p', OPT_STR, offsetof(struct down_args, project), "DIR",
     "the project (default: .)"},
    {"data", 0, OPT_STR, offsetof(struct down_args, data), "DIR",
     "its data folder, when it is elsewhere"},
    {"timeout", 0, OPT_DURATION, offsetof(struct down_args, timeout_ms), "TIME",
     "how long to wait for it to end (default: 30s)"},
    {NULL}};
static const struct down_args defaults = {.project = ".", .timeout_ms = 30000};

static int run_down(const struct cli_call *call)
{
    const struct down_args *a = call->options;
    struct clock *clock = clock_system();
    int64_t until = clock_mono_ms(clock) + a->timeout_ms;
    char *data = NULL;
    int code = cli_data_path(call->args->count ? call->args->items[0] : a->project, a->data, &data);
    int pid;

    if (code)
        return code;
    pid = data_dir_owner(disk_system(), data);
    if (pid <= 0)
        code = cli_fail(CLI_NOT_RUNNING, "nothing runs on %s", data);
    else if (kill(pid, SIGTERM))
        code = cli_fail(CLI_FAILED, "cannot stop pid %d: it belongs to somebody else", pid);
    while (!code && data_dir_owner(disk_system(), data) == pid) {
        if (clock_mono_ms(clock) > until)
            code = cli_fail(CLI_FAILED, "pid %d has not ended yet; it was told to", pid);
        else
            clock->sleep_ns(clock, 20000000);
    }
    if (!code)
        printf("stopped\n");
    free(data);
    return code;
}

const struct cli_command command_down = {
    .name = "down", .args = "[DIR]", .summary = "stop what 'tarn up -d' started",
    .options = options, .options_size = sizeof(struct down_args), .defaults = &defaults,
    .run = run_down};
