/* sql_cmd.c - `tarn sql`: statements to the running instance, or to a data folder nobody uses.
 *
 * One statement (-e), a file (-f), standard input, or a prompt with history and line editing.
 * Ctrl-C cancels what runs; at the prompt it drops the line.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <editline/readline.h>

#include "base/term.h"
#include "cli/cli_int.h"
#include "cli/instance.h"
#include "query/query.h"
#include "sql/sql.h"

struct sql_args {
    const char *project, *data, *execute, *file;
    int format; /* enum query_format: the names in the same order */
};
static const char *const formats[] = {"table", "csv", "json", NULL};
#define AT(field) offsetof(struct sql_args, field)
static const struct option options[] = {
    {"execute", 'e', OPT_STR, AT(execute), "SQL", "run these statements and end"},
    {"file", 'f', OPT_STR, AT(file), "FILE", "run a script and end"},
    {"format", 0, OPT_ENUM, AT(format), "FORMAT", "table, csv or json (default: table)", formats},
    {"project", 'p', OPT_STR, AT(project), "DIR", "the project (default: .)"},
    {"data", 0, OPT_STR, AT(data), "DIR", "a data folder; opened here when nothing runs on it"},
    {NULL}};
static const struct sql_args defaults = {.project = "."};

/* Where statements run: over the socket, or in this process. */
struct place {
    struct control_link *link;
    struct instance in;
    struct query_session *session;
    int format;
    bool progress_shown;
};

static struct place *running; /* what Ctrl-C cancels; NULL between statements */
static int interrupts[2] = {-1, -1}; /* a pipe: what Ctrl-C says to the prompt */

static void on_interrupt(int number)
{
    int saved = errno;

    (void)number;
    if (interrupts[1] >= 0 && write(interrupts[1], "", 1) < 0)
        errno = saved; /* full: it has been told already */
    if (running && running->link)
        control_cancel(running->link);
    else if (running && running->session)
        query_cancel(running->session);
    errno = saved;
}

/* ---- what comes back ---- */

static void clear_progress(struct place *place)
{
    if (place->progress_shown)
        fputs("\r\x1b[K", stderr);
    place->progress_shown = false;
}

static void draw_progress(void *arg, double done)
{
    struct place *place = arg;
    char bar[31];
    int full = (int)(done * 30);

    if (done < 0 || !isatty(STDERR_FILENO))
        return;
    for (int i = 0; i < 30; i++)
        bar[i] = i < full ? '#' : '.';
    bar[30] = '\0';
    fprintf(stderr, "\r[%s] %3.0f%%", bar, done * 100);
    place->progress_shown = true;
}

static int print_text(void *arg, struct slice text)
{
    clear_progress(arg);
    return fwrite(text.ptr, 1, text.len, stdout) == text.len ? 0 : ERR_CLOSED;
}

static int on_line(void *arg, const json_t *answer, struct err *err)
{
    const json_t *text = json_object_get(answer, "text"),
                 *done = json_object_get(answer, "progress");

    if (done)
        draw_progress(arg, json_number_value(done));
    if (text && print_text(arg, slice_of(json_string_value(text), json_string_length(text))))
        return err_set(err, ERR_CLOSED, "nobody reads the output");
    return 0;
}

static int run_text(struct place *place, struct slice text, struct err *err)
{
    int width = isatty(STDOUT_FILENO) ? term_width(STDOUT_FILENO) : 0, rc;
    struct query_out out = {print_text, draw_progress, place, (enum query_format)place->format,
                            width};
    json_t *request;

    running = place;
    if (place->session) {
        rc = query_run(place->session, text, &out, err);
    } else {
        request = json_pack("{s:s,s:o,s:i,s:i}", "verb", "sql", "text",
                            json_stringn((const char *)text.ptr, text.len), "format", place->format,
                            "width", width);
        rc = request ? control_ask(place->link, request, on_line, place, err)
                     : err_set(err, ERR_INVALID, "the statement is not valid UTF-8");
        json_decref(request);
    }
    running = NULL;
    clear_progress(place);
    fflush(stdout);
    return rc;
}

/* ---- ways of asking ---- */

static int run_file(struct place *place, const char *path, struct err *err)
{
    struct buf text = {.max = SQL_TEXT_MAX};
    int rc = disk_read_file(disk_system(), path, &text, err);

    if (!rc)
        rc = run_text(place, buf_slice(&text), err);
    buf_deinit(&text);
    return rc;
}

static int run_stdin(struct place *place, struct err *err)
{
    struct buf text = {.max = SQL_TEXT_MAX};
    int rc = 0;

    for (;;) {
        ssize_t n;

        rc = buf_reserve(&text, 64 << 10);
        if (rc) {
            rc = err_set(err, rc, "more than %zu bytes of SQL", SQL_TEXT_MAX);
            break;
        }
        n = read(STDIN_FILENO, text.ptr + text.len, text.cap - text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text.len += (size_t)n;
    }
    if (!rc)
        rc = run_text(place, buf_slice(&text), err);
    buf_deinit(&text);
    return rc;
}

/* Statements whole in `text` are run and taken off. `end`: QUIT, or the instance is gone. */
static int run_ready(struct place *place, struct buf *text, bool *end)
{
    size_t len;

    while ((len = sql_statement_len(buf_slice(text))) > 0) {
        struct err err = {0};
        int rc = run_text(place, slice_of(text->ptr, len), &err);

        buf_consume(text, len);
        *end = rc == ERR_CLOSED || rc == ERR_IO;
        if (*end)
            return rc == ERR_IO ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_OK;
        if (rc)
            fprintf(stderr, "%s\n", err.text);
    }
    if (strspn((const char *)buf_cstr(text), " \t\r\n") == text->len)
        buf_clear(text);
    return CLI_OK;
}

static void history_path(char *out, size_t size)
{
    const char *home = getenv("HOME");

    snprintf(out, size, "%s/.tarn_history", home ? home : ".");
}

static struct {
    char *line; /* malloc'ed; NULL: Ctrl-D */
    bool done;
} typed;

static void on_typed(char *line)
{
    typed.line = line;
    typed.done = true;
}

static bool interrupts_taken(void)
{
    char some[64];
    bool any = false;

    while (read(interrupts[0], some, sizeof(some)) > 0)
        any = true;
    return any;
}

/* The next line typed, malloc'ed; NULL at the end. *dropped: Ctrl-C came instead. The line editor
 * is asked only for what is there to read: it never blocks, so no Ctrl-C falls between its signal
 * handlers and ours. */
static char *read_typed(const char *prompt, bool *dropped)
{
    struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {interrupts[0], POLLIN, 0}};

    typed.line = NULL;
    typed.done = *dropped = false;
    rl_callback_handler_install(prompt, on_typed);
    while (!typed.done && !*dropped) {
        if (poll(fds, COUNT_OF(fds), -1) < 0 && errno != EINTR)
            break;
        *dropped = interrupts_taken();
        if (!*dropped && (fds[0].revents & (POLLHUP | POLLERR)))
            break; /* the terminal is gone */
        if (!*dropped && (fds[0].revents & POLLIN))
            rl_callback_read_char();
    }
    rl_callback_handler_remove();
    return typed.line;
}

static int run_prompt(struct place *place)
{
    struct buf text = {.max = SQL_TEXT_MAX};
    char path[4096];
    bool end = false, dropped;
    int code = CLI_OK;

    if (pipe2(interrupts, O_CLOEXEC | O_NONBLOCK))
        return cli_fail(CLI_FAILED, "no pipe: %s", strerror(errno));
    history_path(path, sizeof(path));
    using_history();
    read_history(path);
    rl_catch_signals = 0;
    puts("Statements end with a semicolon; QUIT; or Ctrl-D ends this.");
    while (!end) {
        char *line = read_typed(text.len ? "   ...> " : "Flink SQL> ", &dropped);

        if (dropped) { /* Ctrl-C drops what was typed */
            putchar('\n');
            buf_clear(&text);
            continue;
        }
        if (!line)
            break;
        if (line[0])
            add_history(line);
        if (buf_append_str(&text, line) || buf_append_u8(&text, '\n')) {
            fprintf(stderr, "the statement is too long\n");
            buf_clear(&text);
        }
        free(line);
        code = run_ready(place, &text, &end);
        interrupts_taken(); /* those were meant for what ran */
    }
    write_history(path);
    buf_deinit(&text);
    return code;
}

/* ---- where ---- */

static bool rooms_started;

/* Nobody runs on the folder: the rooms are started here without their doors. */
static int open_here(struct place *place, struct config *config, const char *data, struct err *err)
{
    int rc;

    place->in = (struct instance){.config = config, .disk = disk_system(), .clock = clock_system(),
                                  .data_path = data, .offline = true};
    config->kafka.enabled = config->s3.enabled = config->catalog.enabled = false;
    diag_set_level(DIAG_WARN);
    rc = data_dir_open(&place->in.data, place->in.disk, data, err);
    if (!rc)
        rc = instance_start(&place->in, cli_rooms, err);
    rooms_started = !rc;
    return rc ? rc : instance_session(&place->in, &place->session, err);
}

static void close_place(struct place *place)
{
    control_close(place->link);
    query_session_free(place->session);
    if (rooms_started)
        instance_stop(&place->in, cli_rooms);
    data_dir_close(place->in.data);
}

static int open_place(struct place *place, struct config *config, const char *data, struct err *err)
{
    int rc = control_open(&place->link, data, err);

    if (rc != ERR_CLOSED)
        return rc;
    if (!disk_exists(disk_system(), data))
        return err_set(err, ERR_CLOSED, "nothing runs on %s, and there is no such folder", data);
    *err = (struct err){0};
    return open_here(place, config, data, err);
}

static int run_place(struct place *place, const struct sql_args *a)
{
    struct err err = {0};
    int rc;

    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt, .sa_flags = SA_RESTART},
              NULL);
    signal(SIGPIPE, SIG_IGN);
    if (!a->execute && !a->file && isatty(STDIN_FILENO))
        return run_prompt(place);
    rc = a->execute ? run_text(place, slice_str(a->execute), &err)
         : a->file  ? run_file(place, a->file, &err)
                    : run_stdin(place, &err);
    if (rc && rc != ERR_CLOSED)
        return cli_fail(CLI_FAILED, "%s", err.text);
    return CLI_OK;
}

static int run_sql(const struct cli_call *call)
{
    const struct sql_args *a = call->options;
    struct place place = {.format = a->format};
    struct config *config = NULL;
    struct err err = {0};
    int code, rc;

    /* A data folder alone is enough: what tarn.yaml would say is then its default. */
    code = a->data && !cli_has_project(a->project)
               ? (config_default(&config, &err) ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_OK)
               : cli_project(a->project, &config);
    if (code)
        return code;
    rc = open_place(&place, config, a->data ? a->data : config->data, &err);
    code = rc == ERR_CLOSED ? cli_fail(CLI_NOT_RUNNING, "%s", err.text)
           : rc             ? cli_fail(CLI_FAILED, "%s", err.text)
                            : run_place(&place, a);
    close_place(&place);
    config_free(config);
    return code;
}

const struct cli_command command_sql = {
    .name = "sql", .summary = "ask the tables: a prompt, a statement or a script",
    .examples = "  tarn sql                                          a prompt\n"
                "  tarn sql -e 'SELECT count(*) FROM payments_db.payment_charges'\n"
                "  tarn sql -f queries/03_providers.sql --format csv\n",
    .options = options, .options_size = sizeof(struct sql_args), .defaults = &defaults,
    .run = run_sql};
