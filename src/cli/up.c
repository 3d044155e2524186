/* up.c - `tarn up`: the whole instance, in the foreground with a screen or detached with a log. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "cli/demo.h"
#include "cli/instance.h"
#include "cli/screen.h"

struct up_args {
    const char *data;
    bool detach, plain, demo;
};
static const struct option options[] = {
    {"detach", 'd', OPT_FLAG, offsetof(struct up_args, detach), NULL,
     "return once it answers; 'tarn down' stops it"},
    {"data", 0, OPT_STR, offsetof(struct up_args, data), "DIR",
     "folder for all state (default: .tarn in the project)"},
    {"plain", 0, OPT_FLAG, offsetof(struct up_args, plain), NULL,
     "log lines instead of the screen, as when the output is no terminal"},
    {"demo", 0, OPT_FLAG, offsetof(struct up_args, demo), NULL,
     "after 30 s answer queries/*.sql; without a terminal end then"},
    {NULL}};

/* How an instance is shown, and to whom. */
struct view {
    bool screen, to_stderr, demo;
    int ready_fd; /* told when the instance answers; -1: nobody waits */
};

/* Every thread inherits the mask, so that signals wait for the main thread to fetch them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error as a full disk is */
}

static int64_t sum_of(const json_t *list, const char *key)
{
    int64_t sum = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        sum += json_integer_value(json_object_get(json_array_get(list, i), key));
    return sum;
}

/* One line where there is no screen to see it on. */
static void say_progress(struct instance *in)
{
    json_t *status = instance_status(in);
    const json_t *jobs = json_object_get(status, "jobs");
    int64_t rows = 0;

    for (size_t i = 0; i < json_array_size(jobs); i++)
        rows += sum_of(json_object_get(json_array_get(jobs, i), "pipelines"), "rows_committed");
    diag_info("tarn", "%lld records in topics, %lld rows in tables, %lld dead letters, %lld MB",
              (long long)sum_of(json_object_get(status, "topics"), "records"), (long long)rows,
              (long long)sum_of(jobs, "rejects"),
              (long long)json_integer_value(json_object_get(status, "memory_bytes")) / 1000000);
    json_decref(status);
}

/* Until SIGINT or SIGTERM, or a terminal that is gone. */
static int wait_for_end(struct instance *in, const sigset_t *set, const struct view *view,
                        struct err *err)
{
    struct screen *screen = view->screen ? screen_new(in->config->name) : NULL;
    int64_t told_ns = in->started_ns;
    bool shown = !view->demo;
    int rc = 0;

    for (;;) {
        struct timespec pause = {screen || !shown ? 0 : 3600, screen || !shown ? 500000000 : 0};
        int number = sigtimedwait(set, NULL, &pause);

        if (number == SIGINT || number == SIGTERM || (number == SIGHUP && screen))
            break;
        if (!shown &&
            clock_mono_ns(in->clock) - in->started_ns >= DEMO_AFTER_MS * INT64_C(1000000)) {
            shown = true;
            screen_pause(screen);
            rc = demo_show(in, err);
            if (rc || !screen)
                break;
        }
        if (screen) {
            screen_draw(screen, in);
        } else if (!shown && clock_mono_ns(in->clock) - told_ns >= INT64_C(5000000000)) {
            say_progress(in);
            told_ns = clock_mono_ns(in->clock);
        }
    }
    screen_free(screen);
    return rc;
}

static void say_ports(const struct config *config)
{
    struct {
        const char *part;
        bool on;
        int64_t port;
    } ports[] = {{"kafka", config->kafka.enabled, config->kafka.port},
                 {"s3", config->s3.enabled, config->s3.port},
                 {"catalog", config->catalog.enabled, config->catalog.port},
                 {"flink", config->flink.port > 0, config->flink.port}};

    for (size_t i = 0; i < COUNT_OF(ports); i++)
        if (ports[i].on)
            diag_info("tarn", "%s answers on %s:%lld", ports[i].part, config->listen,
                      (long long)ports[i].port);
}

/* Runs one instance from lock to unlock. */
static int run_instance(struct config *config, const char *data_path, const struct view *view,
                        struct err *err)
{
    struct instance in = {.config = config, .disk = disk_system(), .clock = clock_system(),
                          .data_path = data_path};
    sigset_t set;
    int rc;

    in.started_ns = clock_mono_ns(in.clock);
    block_signals(&set);
    diag_set_level((enum diag_level)config->log.level);
    rc = data_dir_open(&in.data, in.disk, data_path, err);
    if (!rc)
        rc = logfile_new(&in.logfile,
                         &(struct logfile_options){.disk = in.disk, .data_path = data_path,
                                                   .file_bytes = config->log.file_bytes,
                                                   .files = (int)config->log.files,
                                                   .to_stderr = view->to_stderr},
                         err);
    if (!rc)
        rc = instance_start(&in, cli_rooms, err);
    if (!rc) {
        say_ports(config);
        diag_info("tarn", "%s is up after %.0f ms, data in %s", config->name,
                  (double)(clock_mono_ns(in.clock) - in.started_ns) / 1e6, data_path);
        if (view->ready_fd >= 0 && write(view->ready_fd, "", 1) != 1)
            diag_warn("tarn", "the command that started this is gone");
        rc = wait_for_end(&in, &set, view, err);
        diag_info("tarn", "stopping");
        instance_stop(&in, cli_rooms);
        diag_info("tarn", "stopped");
    } else if (in.logfile && !view->to_stderr) { /* else the command says it */
        diag_error("tarn", "%s", err->text);
    }
    logfile_free(in.logfile);
    data_dir_close(in.data);
    return rc;
}

/* ---- detached ---- */

/* The child: a session of its own, output into the log folder, the outcome through the pipe. */
static int child_main(struct config *config, const char *data_path, int fd)
{
    struct err err = {0};
    int null_fd = open("/dev/null", O_RDWR), rc;

    setsid();
    dup2(null_fd, STDIN_FILENO);
    dup2(null_fd, STDOUT_FILENO);
    dup2(null_fd, STDERR_FILENO);
    close(null_fd);
    rc = run_instance(config, data_path, &(struct view){.ready_fd = fd}, &err);
    if (rc && write(fd, err.text, strlen(err.text)) < 0)
        return CLI_FAILED;
    return rc ? CLI_FAILED : CLI_OK;
}

static int keep(void *arg, const json_t *answer, struct err *err)
{
    (void)err;
    json_decref(*(json_t **)arg);
    *(json_t **)arg = json_deep_copy(answer);
    return 0;
}

/* It is up, yet a script may have been left out: nobody looks into the log unless told to. */
static void say_messages(const char *data_path)
{
    json_t *request = json_pack("{s:s}", "verb", "status"), *status = NULL;
    const json_t *messages;

    if (request && !control_call(data_path, request, keep, &status, NULL)) {
        messages = json_object_get(status, "messages");
        for (size_t i = 0; i < json_array_size(messages); i++)
            fprintf(stderr, "%s\n", json_string_value(json_array_get(messages, i)));
    }
    json_decref(status);
    json_decref(request);
}

/* One NUL byte says that all ports answer; anything else is why it does not run. */
static int wait_for_child(int fd, int pid, const struct config *config, const char *data_path)
{
    char text[sizeof(((struct err *)0)->text)];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        len += (size_t)n;
        if (text[0] == '\0') {
            printf("%s is up (pid %d), data in %s\n", config->name, pid, data_path);
            fflush(stdout);
            say_messages(data_path);
            return CLI_OK;
        }
    }
    text[len] = '\0';
    waitpid(pid, NULL, 0);
    return cli_fail(CLI_FAILED, "%s", len ? text : "it ended before it answered");
}

static int run_detached(struct config *config, const char *data_path)
{
    int fds[2], pid;

    if (pipe2(fds, O_CLOEXEC))
        return cli_fail(CLI_FAILED, "pipe: %s", strerror(errno));
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        return cli_fail(CLI_FAILED, "fork: %s", strerror(errno));
    if (pid == 0) {
        close(fds[0]);
        _exit(child_main(config, data_path, fds[1]));
    }
    close(fds[1]);
    pid = wait_for_child(fds[0], pid, config, data_path);
    close(fds[0]);
    return pid;
}

static int run_up(const struct cli_call *call)
{
    const struct up_args *a = call->options;
    const char *dir = call->args->count ? call->args->items[0] : ".", *data;
    struct config *config = NULL;
    struct err err = {0};
    int code = cli_project(dir, &config), rc;

    if (code)
        return code;
    data = a->data ? a->data : config->data;
    if (a->detach) {
        code = run_detached(config, data);
    } else {
        bool screen = !a->plain && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);

        rc = run_instance(config, data,
                          &(struct view){.screen = screen, .to_stderr = !screen, .demo = a->demo,
                                         .ready_fd = -1},
                          &err);
        code = rc ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_OK;
    }
    config_free(config);
    return code;
}

const struct cli_command command_up = {
    .name = "up", .args = "[DIR]", .summary = "run a project: broker, object store, catalog, jobs",
    .examples = "  tarn up                      the project in this folder, with a live screen\n"
                "  tarn up examples/payments    another one\n"
                "  tarn up -d                   in the background; 'tarn status', 'tarn down'\n"
                "  tarn up --data /srv/tarn     keep all state elsewhere\n",
    .options = options, .options_size = sizeof(struct up_args), .run = run_up};
