/* logs.c - `tarn logs`: the operator's messages, all or of one part, and those still to come. */
#include <signal.h>
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/config.h"

struct logs_args {
    const char *project, *data;
    bool follow;
    int64_t tail;
};
static const struct option options[] = {
    {"project", 'p', OPT_STR, offsetof(struct logs_args, project), "DIR",
     "the project (default: .)"},
    {"data", 0, OPT_STR, offsetof(struct logs_args, data), "DIR",
     "its data folder, when it is elsewhere"},
    {"follow", 'f', OPT_FLAG, offsetof(struct logs_args, follow), NULL,
     "go on with new lines until Ctrl-C"},
    {"tail", 'n', OPT_COUNT, offsetof(struct logs_args, tail), "N",
     "the last N lines (default: all)"},
    {NULL}};
static const struct logs_args defaults = {.project = ".", .tail = -1};

/* A line is TIME LEVEL PART TEXT, as base/diag.c writes it. */
static bool is_of_part(struct slice line, const char *part)
{
    size_t at = 0, len = part ? strlen(part) : 0;

    if (!part)
        return true;
    for (int field = 0; field < 2; field++) {
        while (at < line.len && line.ptr[at] != ' ')
            at++;
        while (at < line.len && line.ptr[at] == ' ')
            at++;
    }
    return line.len - at >= len && memcmp(line.ptr + at, part, len) == 0 &&
           (line.len - at == len || line.ptr[at + len] == ' ');
}

/* Prints the whole lines of `text` that are wanted; what is left over stays for the next time. */
static void print_lines(struct buf *text, const char *part, int64_t tail)
{
    int64_t wanted = 0;
    size_t at = 0;
    uint8_t *end;

    for (size_t p = 0;
         tail >= 0 && p < text->len && (end = memchr(text->ptr + p, '\n', text->len - p));
         p = (size_t)(end + 1 - text->ptr))
        wanted += is_of_part(slice_of(text->ptr + p, (size_t)(end - text->ptr) - p), part);
    while (at < text->len && (end = memchr(text->ptr + at, '\n', text->len - at))) {
        struct slice line = slice_of(text->ptr + at, (size_t)(end - text->ptr) - at);

        at += line.len + 1;
        if (is_of_part(line, part) && (tail < 0 || wanted-- <= tail))
            printf(SLICE_FMT "\n", SLICE_ARG(line));
    }
    buf_consume(text, at);
    fflush(stdout);
}

static int read_on(struct file *file, int64_t *pos, struct buf *text, struct err *err)
{
    size_t got = 1;

    while (got > 0) {
        int rc = buf_reserve(text, 64 << 10);

        rc = rc ? rc : file_pread(file, text->ptr + text->len, 64 << 10, *pos, &got, err);
        if (rc)
            return rc;
        text->len += got;
        *pos += (int64_t)got;
    }
    return 0;
}

/* The file may be renewed under us: a file that is shorter than what was read is another one. */
static int show(const char *path, const char *part, const struct logs_args *a, struct err *err)
{
    struct disk *disk = disk_system();
    struct file *file = NULL;
    struct buf text = {0};
    struct disk_stat stat;
    int64_t pos = 0, tail = a->tail;
    int rc = disk_open(disk, &file, path, DISK_READ, err);

    while (!rc) {
        rc = read_on(file, &pos, &text, err);
        print_lines(&text, part, tail);
        tail = -1;
        if (rc || !a->follow)
            break;
        clock_system()->sleep_ns(clock_system(), 200000000);
        if (!disk_stat(disk, path, &stat, NULL) && stat.size < pos) {
            file_close(file);
            file = NULL;
            pos = 0;
            rc = disk_open(disk, &file, path, DISK_READ, err);
        }
    }
    file_close(file);
    buf_deinit(&text);
    return rc;
}

static int run_logs(const struct cli_call *call)
{
    const struct logs_args *a = call->options;
    const char *part = call->args->count ? call->args->items[0] : NULL;
    char *data = NULL, *path = NULL;
    struct err err = {0};
    int code = cli_data_path(a->project, a->data, &data), rc;

    if (code)
        return code;
    if (asprintf(&path, "%s/logs/tarn.log", data) < 0) {
        free(data);
        return cli_fail(CLI_FAILED, "out of memory");
    }
    rc = show(path, part, a, &err);
    if (rc)
        code = cli_fail(rc == ERR_NOENT ? CLI_NOT_RUNNING : CLI_FAILED, "%s",
                        rc == ERR_NOENT ? "no log yet: nothing has run on that data folder"
                                        : err.text);
    free(path);
    free(data);
    return code;
}

const struct cli_command command_logs = {
    .name = "logs", .args = "[PART]", .summary = "messages of all parts or of one",
    .examples = "  tarn logs -f            all, and what comes\n"
                "  tarn logs kafka -n 20   the broker's last twenty\n",
    .options = options, .options_size = sizeof(struct logs_args), .defaults = &defaults,
    .run = run_logs};
