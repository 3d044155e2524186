/* screen.c - one picture: ports, topics with rates, jobs, tables, dead letters, memory. */
#include "cli/screen.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Rates are over the last ten seconds: long enough to hold a commit or two, and calm to read. */
#define HISTORY 10

struct screen {
    json_t *history[HISTORY]; /* one status per second, oldest first */
    int count;
    struct buf text;
    int lines; /* drawn last time */
};

/* ---- numbers for people ---- */

static const char *count_text(int64_t value, char out[32])
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)value), at = 0;

    for (int i = 0; i < len; i++) {
        out[at++] = digits[i];
        if ((len - 1 - i) % 3 == 0 && i + 1 < len && digits[i] != '-')
            out[at++] = ',';
    }
    out[at] = '\0';
    return out;
}

static const char *bytes_text(int64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1000 && unit + 1 < COUNT_OF(units)) {
        value /= 1000;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static const char *rate_text(double rate, char out[32])
{
    if (rate < 0)
        snprintf(out, 32, "-");
    else if (rate < 100)
        snprintf(out, 32, "%.1f/s", rate);
    else
        snprintf(out, 32, "%s/s", count_text((int64_t)(rate + 0.5), (char[32]){0}));
    return out;
}

static const char *time_text(int64_t ms, char out[32])
{
    int64_t s = ms / 1000;

    if (s < 60)
        snprintf(out, 32, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        snprintf(out, 32, "%lld min %02lld s", (long long)(s / 60), (long long)(s % 60));
    else
        snprintf(out, 32, "%lld h %02lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
    return out;
}

/* ---- parts of the status object ---- */

static int64_t integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static const json_t *named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(text(json_array_get(list, i), "name"), name) == 0)
            return json_array_get(list, i);
    return NULL;
}

/* Per second since `before`; -1 when that cannot be told. */
static double rate(const json_t *now, const json_t *old, const char *key, int64_t elapsed_ms)
{
    int64_t moved = integer(now, key) - integer(old, key);

    return old && elapsed_ms > 0 && moved >= 0 ? (double)moved * 1000 / (double)elapsed_ms : -1;
}

struct painter {
    struct buf *out;
    const json_t *status, *before;
    int64_t elapsed_ms;
    bool colour;
    int columns;
};

/* Texts of others (a reason, a name) must not move the cursor: one line each, no escapes. */
static void tame(char *line)
{
    for (char *p = line + (*line == '\n'); *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

static void heading(struct painter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void heading(struct painter *p, const char *fmt, ...)
{
    char line[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    tame(line);
    buf_printf(p->out, p->colour ? "\x1b[1m%.*s\x1b[0m\n" : "%.*s\n", p->columns, line);
}

static void row(struct painter *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row(struct painter *p, const char *fmt, ...)
{
    char line[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    tame(line);
    buf_printf(p->out, "%.*s\n", p->columns, line);
}

static void paint_head(struct painter *p)
{
    const json_t *ports = json_object_get(p->status, "ports");
    char up[32], memory[32];
    int64_t cpu = integer(p->status, "cpu_ns") - integer(p->before, "cpu_ns");

    heading(p, "%s   up %s   memory %s   cpu %.1f%%", text(p->status, "name"),
            time_text(integer(p->status, "uptime_ms"), up),
            bytes_text(integer(p->status, "memory_bytes"), memory),
            p->before && p->elapsed_ms > 0 ? (double)cpu / 1e4 / (double)p->elapsed_ms : 0.0);
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);

        row(p, "  %-10s %s", text(port, "name"), text(port, "address"));
    }
}

static void paint_topics(struct painter *p)
{
    const json_t *topics = json_object_get(p->status, "topics");
    const json_t *old = json_object_get(p->before, "topics");
    char records[32], bytes[32], in[32], out[32];

    if (json_array_size(topics) == 0)
        return;
    heading(p, "\n%-32s %14s %12s %12s %10s", "topic", "records", "in", "out", "size");
    for (size_t i = 0; i < json_array_size(topics); i++) {
        const json_t *topic = json_array_get(topics, i), *was = named(old, text(topic, "name"));

        row(p, "%-32s %14s %12s %12s %10s", text(topic, "name"),
            count_text(integer(topic, "records"), records),
            rate_text(rate(topic, was, "records_in", p->elapsed_ms), in),
            rate_text(rate(topic, was, "records_out", p->elapsed_ms), out),
            bytes_text(integer(topic, "bytes"), bytes));
    }
}

static void paint_job(struct painter *p, const json_t *job, const json_t *was)
{
    const json_t *pipelines = json_object_get(job, "pipelines");
    const json_t *old = json_object_get(was, "pipelines");
    char rows[32], speed[32], lag[32], rejects[32], ago[32], dead[32];
    int64_t committed = integer(job, "committed_ms");

    heading(p, "\njob %s: %s%s%s   checkpoint %lld%s%s   dead letters %s", text(job, "name"),
            text(job, "state"), text(job, "reason")[0] ? ", " : "", text(job, "reason"),
            (long long)integer(job, "epoch"), committed ? ", age " : "",
            committed ? time_text(integer(p->status, "now_ms") - committed, ago) : "",
            count_text(integer(job, "rejects"), dead));
    if (json_array_size(pipelines))
        row(p, "  %-42s %14s %12s %8s %13s", "table", "committed", "rate", "lag", "rejected");
    for (size_t i = 0; i < json_array_size(pipelines); i++) {
        const json_t *one = json_array_get(pipelines, i), *before = named(old, text(one, "name"));

        row(p, "  %-42s %14s %12s %8s %13s%s%s", text(one, "target"),
            count_text(integer(one, "rows_committed"), rows),
            rate_text(rate(one, before, "rows_committed", p->elapsed_ms), speed),
            integer(one, "lag") < 0 ? "-" : count_text(integer(one, "lag"), lag),
            count_text(integer(one, "rejects"), rejects),
            text(one, "waiting")[0] ? "  " : "", text(one, "waiting"));
    }
}

static void paint_jobs(struct painter *p)
{
    const json_t *jobs = json_object_get(p->status, "jobs");

    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);

        paint_job(p, job, named(json_object_get(p->before, "jobs"), text(job, "name")));
    }
}

static void paint_rest(struct painter *p)
{
    const json_t *generators = json_object_get(p->status, "generators");
    const json_t *messages = json_object_get(p->status, "messages");
    char events[32], speed[32];

    if (generators)
        row(p, "\ngenerators: %s events, %s%s%s", count_text(integer(generators, "events"), events),
            rate_text(rate(generators, json_object_get(p->before, "generators"), "events",
                           p->elapsed_ms), speed),
            text(generators, "error")[0] ? ", " : "", text(generators, "error"));
    for (size_t i = 0; i < json_array_size(messages); i++)
        row(p, "%s%s", i ? "" : "\n", json_string_value(json_array_get(messages, i)));
}

int picture_of(const json_t *status, const json_t *before, int columns, bool colour,
               struct buf *out)
{
    struct painter p = {.out = out, .status = status, .before = before, .colour = colour,
                        .columns = columns > 0 ? columns : 400};

    p.elapsed_ms = before ? integer(status, "uptime_ms") - integer(before, "uptime_ms") : 0;
    paint_head(&p);
    paint_topics(&p);
    paint_jobs(&p);
    paint_rest(&p);
    return out->ptr ? 0 : ERR_NOMEM;
}

/* ---- the terminal ---- */

struct screen *screen_new(const char *name)
{
    struct screen *screen = calloc(1, sizeof(*screen));

    if (screen)
        printf("\x1b]0;tarn %s\x07\x1b[?25l", name); /* title; no cursor */
    fflush(stdout);
    return screen;
}

void screen_free(struct screen *screen)
{
    if (!screen)
        return;
    printf("\rstopping\x1b[K\x1b[?25h\n"); /* over the ^C that the terminal echoes */
    fflush(stdout);
    for (int i = 0; i < screen->count; i++)
        json_decref(screen->history[i]);
    buf_deinit(&screen->text);
    free(screen);
}

void screen_pause(struct screen *screen)
{
    if (!screen)
        return;
    if (screen->lines)
        printf("\x1b[%dA", screen->lines);
    printf("\x1b[J");
    fflush(stdout);
    screen->lines = 0;
}

static void remember(struct screen *screen, json_t *status /* take */)
{
    const json_t *newest = screen->count ? screen->history[screen->count - 1] : NULL;

    if (newest && integer(status, "uptime_ms") - integer(newest, "uptime_ms") < 950) {
        json_decref(status);
        return;
    }
    if (screen->count == HISTORY) {
        json_decref(screen->history[0]);
        memmove(screen->history, screen->history + 1, (HISTORY - 1) * sizeof(json_t *));
        screen->count--;
    }
    screen->history[screen->count++] = status;
}

/* Goes up over the old picture and writes the new one line by line, clearing what stays behind
 * each: no flicker, and what was above on the terminal stays. */
void screen_draw(struct screen *screen, struct instance *instance)
{
    struct winsize size;
    json_t *status = instance_status(instance);
    int lines = 0;

    if (!status)
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
        size = (struct winsize){.ws_row = 24, .ws_col = 80}; /* a terminal that does not know */
    buf_clear(&screen->text);
    if (picture_of(status, screen->count ? screen->history[0] : NULL, size.ws_col - 1, true,
                   &screen->text))
        return json_decref(status);
    if (screen->lines)
        printf("\x1b[%dA", screen->lines);
    for (size_t at = 0; at < screen->text.len && lines < size.ws_row - 2; lines++) {
        const uint8_t *line = screen->text.ptr + at;
        const uint8_t *end = memchr(line, '\n', screen->text.len - at);

        printf("%.*s\x1b[K\n", (int)(end - line), line);
        at = (size_t)(end + 1 - screen->text.ptr);
    }
    printf("Ctrl-C stops it\x1b[J\r");
    fflush(stdout);
    screen->lines = lines;
    remember(screen, status);
}
