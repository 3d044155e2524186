/* generate_cmd.c - `tarn generate`: made-up events to stdout or to a broker, at a pace or flat out.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "generate/generate.h"
#include "kafka/client.h"

struct generate_args {
    const char *project, *templates, *to, *start_time, *topic;
    double rate;
    const char *speed;
    int64_t count, seed, duration_ms, batch_bytes;
    int codec; /* enum codec: the names in the same order */
    struct option_list faults;
    bool quiet;
};

static const char *const codec_names[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};

#define AT(field) offsetof(struct generate_args, field)
static const struct option options[] = {
    {"project", 'p', OPT_STR, AT(project), "DIR",
     "the project whose generators/ to use (default: .)"},
    {"templates", 0, OPT_STR, AT(templates), "DIR", "a folder of templates instead"},
    {"to", 't', OPT_STR, AT(to), "WHERE", "stdout (default), kafka or kafka=HOST:PORT"},
    {"topic", 0, OPT_STR, AT(topic), "NAME",
     "one topic for all events instead of the templates' own"},
    {"batch", 0, OPT_COUNT, AT(batch_bytes), "BYTES", "kafka: size of a batch (default: 512k)"},
    {"compression", 'z', OPT_ENUM, AT(codec), "CODEC", "kafka: none, gzip, snappy, lz4 or zstd",
     codec_names},
    {"rate", 'r', OPT_REAL, AT(rate), "N",
     "events per second in all, in the templates' proportions"},
    {"speed", 0, OPT_STR, AT(speed), "X", "times the pace; max: as fast as it can (default: 1)"},
    {"count", 'n', OPT_COUNT, AT(count), "N", "stop after so many events"},
    {"duration", 'd', OPT_DURATION, AT(duration_ms), "TIME", "stop after 10s, 5m, ..."},
    {"seed", 's', OPT_INT, AT(seed), "N", "same seed, same events (default: 1)"},
    {"start-time", 0, OPT_STR, AT(start_time), "TIME",
     "time of the first event, 2025-01-01T00:00:00Z: bytes repeat exactly; default: now"},
    {"fault", 'f', OPT_LIST, AT(faults), "NAME=RATE",
     "rate of a planted fault, 0.2 or 20%; again for more"},
    {"quiet", 'q', OPT_FLAG, AT(quiet), NULL, "no figures at the end"},
    {NULL}};

static const struct generate_args defaults = {.project = ".", .to = "stdout", .speed = "1",
                                              .count = -1, .duration_ms = -1, .seed = 1,
                                              .batch_bytes = 512000};

static int stop_requested; /* set by a signal; read by the run */

static void on_signal(int number)
{
    (void)number;
    __atomic_store_n(&stop_requested, 1, __ATOMIC_RELAXED);
}

/* ---- stdout: lines of JSON, written in large pieces ---- */

#define OUT_BYTES (256 << 10)

static int out_flush(void *arg, struct err *err)
{
    struct buf *out = arg;
    size_t done = 0;

    while (done < out->len) {
        ssize_t n = write(STDOUT_FILENO, out->ptr + done, out->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return err_set(err, ERR_CLOSED, "stdout"); /* `tarn generate | head`: enough was read */
        if (n < 0)
            return err_errno(err, errno, "write to stdout");
        done += (size_t)n;
    }
    buf_clear(out);
    return 0;
}

static int out_event(void *arg, const struct generate_event *event, struct err *err)
{
    struct buf *out = arg;
    int rc = buf_append_slice(out, event->value);

    if (!rc)
        rc = buf_append_u8(out, '\n');
    if (rc)
        return err_set(err, rc, "output buffer");
    return out->len >= OUT_BYTES ? out_flush(out, err) : 0;
}

/* ---- kafka ---- */

struct kafka_sink {
    struct producer *producer;
    const char *topic; /* NULL: each event's own */
};

static int kafka_event(void *arg, const struct generate_event *event, struct err *err)
{
    struct kafka_sink *sink = arg;

    return producer_send(sink->producer, sink->topic ? sink->topic : event->topic, -1,
                         event->time_us / 1000, event->key, event->value, err);
}

static int kafka_flush(void *arg, struct err *err)
{
    return producer_push(((struct kafka_sink *)arg)->producer, err);
}

/* "kafka" or "kafka=HOST:PORT". */
static const char *kafka_address(const char *to)
{
    if (strcmp(to, "kafka") == 0)
        return "localhost:9092";
    return strncmp(to, "kafka=", 6) == 0 && to[6] ? to + 6 : NULL;
}

/* ---- the command ---- */

static int parse_start_time(const char *text, int64_t *us)
{
    struct tm tm = {0};
    const char *end;

    *us = -1;
    if (!text)
        return 0;
    end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end)
        end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || (strcmp(end, "") != 0 && strcmp(end, "Z") != 0))
        return ERR_INVALID;
    *us = (int64_t)timegm(&tm) * 1000000;
    return *us < 0 ? ERR_INVALID : 0;
}

static int parse_faults(const struct option_list *list, struct arena *arena,
                        struct generate_override *out, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        char *end = NULL;

        if (!equals || equals == list->items[i])
            return err_set(err, ERR_INVALID, "--fault: '%s' is not NAME=RATE", list->items[i]);
        out[i].name =
            arena_cstr(arena, slice_of(list->items[i], (size_t)(equals - list->items[i])));
        out[i].value = strtod(equals + 1, &end);
        if (!out[i].name)
            return err_set(err, ERR_NOMEM, "--fault");
        if (end > equals + 1 && strcmp(end, "%") == 0) {
            out[i].value /= 100;
            end++;
        }
        if (end == equals + 1 || *end)
            return err_set(err, ERR_INVALID, "--fault: '%s' is not a share such as 0.2 or 20%%",
                           equals + 1);
    }
    return 0;
}

static int parse_speed(const char *text, double *speed)
{
    char *end;

    if (strcmp(text, "max") == 0)
        return *speed = 0, 0;
    *speed = strtod(text, &end);
    return end != text && *end == '\0' && *speed > 0 && isfinite(*speed) ? 0 : ERR_INVALID;
}

static void print_figures(const struct generate_run *run, int64_t wall_ns, int64_t cpu_ns)
{
    double seconds = (double)wall_ns / 1e9;

    fprintf(
        stderr,
        "%lld events, %.1f MB (%.0f bytes each) in %.2f s: %.0f events/s, %.0f per CPU second\n",
        (long long)run->events, (double)run->bytes / 1e6,
        run->events ? (double)run->bytes / (double)run->events : 0, seconds,
        (double)run->events / seconds, (double)run->events * 1e9 / (double)cpu_ns);
}

static int run_to_kafka(const struct generate_args *a, struct generate_set *set,
                        struct generate_run *run, struct err *err)
{
    struct producer_options options_ = {.bootstrap = kafka_address(a->to), .clock = clock_system(),
                                        .client_id = "tarn-generate", .codec = (enum codec)a->codec,
                                        .batch_bytes = (size_t)a->batch_bytes};
    struct kafka_sink sink = {.topic = a->topic};
    int rc = producer_new(&sink.producer, &options_, err);

    if (rc)
        return rc;
    run->sink = (struct generate_sink){kafka_event, kafka_flush, &sink};
    rc = generate_run_wait(set, run, err);
    if (!rc)
        rc = producer_flush(sink.producer, err);
    producer_free(sink.producer);
    return rc;
}

static int run_to_stdout(struct generate_set *set, struct generate_run *run, struct err *err)
{
    struct buf out = {0};
    int rc;

    run->sink = (struct generate_sink){out_event, out_flush, &out};
    rc = generate_run_wait(set, run, err);
    buf_deinit(&out);
    return rc;
}

static int run_set(const struct generate_args *a, struct generate_set *set,
                   struct generate_run *run, struct err *err)
{
    int64_t wall = clock_mono_ns(clock_system()), cpu = cpu_process_ns();
    int rc = kafka_address(a->to) ? run_to_kafka(a, set, run, err) : run_to_stdout(set, run, err);

    if (!rc && !a->quiet)
        print_figures(run, clock_mono_ns(clock_system()) - wall, cpu_process_ns() - cpu);
    return rc;
}

static int run_generate(const struct cli_call *call)
{
    const struct generate_args *a = call->options;
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct generate_override faults[OPTION_LIST_MAX];
    const char *names[OPTION_LIST_MAX + 1] = {NULL}, *dir;
    struct generate_options opts = {.seed = (uint64_t)a->seed, .rate = a->rate, .faults = faults,
                                    .fault_count = a->faults.count};
    struct generate_run run = {.count = a->count, .duration_ms = a->duration_ms,
                               .stop = &stop_requested, .clock = clock_system()};
    struct generate_set *set = NULL;
    struct err err = {0};
    int rc;

    for (size_t i = 0; i < call->args->count; i++)
        names[i] = call->args->items[i];
    opts.only = run.names = call->args->count ? names : NULL;
    if (parse_start_time(a->start_time, &run.start_us))
        return cli_fail(CLI_USAGE, "--start-time: '%s' is not a time such as 2025-01-01T00:00:00Z",
                        a->start_time);
    if (parse_speed(a->speed, &run.speed))
        return cli_fail(CLI_USAGE, "--speed: '%s' is neither a number above 0 nor 'max'", a->speed);
    if (strcmp(a->to, "stdout") != 0 && !kafka_address(a->to))
        return cli_fail(CLI_USAGE, "--to: '%s' is not stdout, kafka or kafka=HOST:PORT", a->to);
    if (a->batch_bytes < 1 || a->batch_bytes > 256 << 20)
        return cli_fail(CLI_USAGE, "--batch: 1 to 256M bytes");
    dir = a->templates ? a->templates : arena_printf(&arena, "%s/generators", a->project);
    rc = dir ? parse_faults(&a->faults, &arena, faults, &err)
             : err_set(&err, ERR_NOMEM, "generators");
    if (!rc && !disk_exists(disk_system(), dir))
        rc = err_set(&err, ERR_NOENT,
                     "no folder %s: --project DIR or --templates DIR names another", dir);
    if (!rc)
        rc = generate_set_load(&set, disk_system(), dir, &opts, &problems, &err);
    if (!rc) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        signal(SIGPIPE, SIG_IGN);
        rc = run_set(a, set, &run, &err);
    }
    cli_print_problems(&problems);
    if (rc && problems.count == 0 && (rc != ERR_CLOSED || kafka_address(a->to)))
        cli_fail(CLI_FAILED, "%s", err.text);
    generate_set_free(set);
    arena_deinit(&arena);
    return rc == 0 ? CLI_OK : rc == ERR_INVALID || rc == ERR_NOENT ? CLI_USAGE : CLI_FAILED;
}

const struct cli_command command_generate = {
    .name = "generate",
    .args = "[NAME...]",
    .summary = "make up events from the templates in generators/",
    .examples =
        "  tarn generate --count 3                      three events of all generators, one per "
        "line\n"
        "  tarn generate payment_charges --rate 100     a hundred charges per second\n"
        "  tarn generate --speed max --count 1e6        a million as fast as one core makes them\n"
        "  tarn generate --to kafka --duration 30s      into the broker on localhost:9092\n"
        "  tarn generate --fault duplicates=0.2         one event in five comes twice\n",
    .options = options,
    .options_size = sizeof(struct generate_args),
    .defaults = &defaults,
    .run = run_generate};
