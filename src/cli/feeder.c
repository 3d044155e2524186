/* feeder.c - runs generators against the project's own broker until it is told to stop. */
#include "cli/feeder.h"

#include <pthread.h>
#include <stdio.h>

#include "base/json.h"
#include "kafka/client.h"

#define RESERVE_US 10000000 /* of made-up time, written ahead */

struct feeder {
    struct generate_set *set;
    struct generate_run run;
    const char **names; /* NULL-ended; NULL: all */
    struct producer *producer;
    struct disk *disk;
    struct clock *clock;
    char *path, bootstrap[64];
    int64_t reserved_us, earlier_events;
    pthread_t thread;
    bool started;
    int stop;
    pthread_mutex_t mutex; /* guards error */
    char error[sizeof(((struct err *)0)->text)];
};

/* ---- how far the made-up time has come ---- */

static int save_place(struct feeder *f, int64_t us, struct err *err)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "{\"reached_us\":%lld}\n", (long long)us);

    return disk_write_file(f->disk, f->path, slice_of(text, (size_t)len), err);
}

static int load_place(struct feeder *f, struct err *err)
{
    struct buf text = {.max = 4096};
    json_t *doc = NULL;
    int rc = disk_read_file(f->disk, f->path, &text, err);

    if (!rc)
        rc = json_parse(buf_slice(&text), &doc, err);
    if (!rc)
        rc = json_get_i64(doc, "reached_us", f->path, &f->run.from_us, err);
    if (!rc && f->run.from_us < 0)
        rc = err_set(err, ERR_CORRUPT, "%s: reached_us is below 0", f->path);
    json_decref(doc);
    buf_deinit(&text);
    return rc == ERR_NOENT && !disk_exists(f->disk, f->path) ? 0 : rc;
}

/* ---- the thread ---- */

static int on_event(void *arg, const struct generate_event *event, struct err *err)
{
    struct feeder *f = arg;
    int64_t reached = __atomic_load_n(&f->run.reached_us, __ATOMIC_RELAXED);
    int rc = 0;

    if (reached >= f->reserved_us) {
        rc = save_place(f, reached + RESERVE_US, err);
        f->reserved_us = reached + RESERVE_US;
    }
    return rc ? rc : producer_send(f->producer, event->topic, -1, event->time_us / 1000, event->key,
                                   event->value, err);
}

static int on_flush(void *arg, struct err *err)
{
    return producer_push(((struct feeder *)arg)->producer, err);
}

static void set_error(struct feeder *f, const char *text)
{
    pthread_mutex_lock(&f->mutex);
    snprintf(f->error, sizeof(f->error), "%s", text);
    pthread_mutex_unlock(&f->mutex);
}

/* One life of a producer: until the end or until the broker has nothing more for us. */
static int run_once(struct feeder *f, struct err *err)
{
    int rc = producer_new(&f->producer,
                          &(struct producer_options){.bootstrap = f->bootstrap, .clock = f->clock,
                                                     .client_id = "tarn-generators"},
                          err);

    if (!rc) {
        set_error(f, "");
        rc = generate_run_wait(f->set, &f->run, err);
    }
    if (!rc)
        rc = producer_flush(f->producer, err);
    producer_free(f->producer);
    f->producer = NULL;
    __atomic_fetch_add(&f->earlier_events, f->run.events, __ATOMIC_RELAXED);
    __atomic_store_n(&f->run.events, 0, __ATOMIC_RELAXED);
    f->run.from_us = f->run.reached_us;
    return rc;
}

static void *feeder_main(void *arg)
{
    struct feeder *f = arg;
    struct err err;

    while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
        err = (struct err){0};
        __atomic_store_n(&f->run.reached_us, f->run.from_us, __ATOMIC_RELAXED);
        if (!run_once(f, &err) || __atomic_load_n(&f->stop, __ATOMIC_RELAXED))
            break;
        set_error(f, err.text);
        diag_warn("generate", "%s; trying again", err.text);
        for (int i = 0; i < 20 && !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++)
            f->clock->sleep_ns(f->clock, 50000000);
    }
    if (save_place(f, f->run.reached_us, &err))
        diag_warn("generate", "%s", err.text);
    return NULL;
}

/* ---- start and end ---- */

static bool runs_all(const struct yaml_list *names)
{
    return names->count == 1 && strcmp(names->items[0], "all") == 0;
}

static int load_set(struct feeder *f, const struct config *c, struct err *err)
{
    struct generate_options options = {.seed = (uint64_t)c->generators.seed,
                                       .rates = c->generators.rates,
                                       .rate_count = c->generators.rate_count,
                                       .faults = c->generators.faults,
                                       .fault_count = c->generators.fault_count};
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    int rc;

    if (!runs_all(&c->generators.run)) {
        f->names = calloc(c->generators.run.count + 1, sizeof(*f->names));
        if (!f->names)
            return err_set(err, ERR_NOMEM, "generators");
        memcpy(f->names, c->generators.run.items, c->generators.run.count * sizeof(*f->names));
        options.only = f->names;
    }
    rc = generate_set_load(&f->set, f->disk, c->generators.dir, &options, &problems, err);
    arena_deinit(&arena);
    return rc;
}

int feeder_new(struct feeder **out, const struct feeder_options *options, struct err *err)
{
    struct feeder *f;
    int rc;

    if (options->config->generators.run.count == 0)
        return 0;
    f = calloc(1, sizeof(*f));
    if (!f)
        return err_set(err, ERR_NOMEM, "generators");
    pthread_mutex_init(&f->mutex, NULL);
    f->disk = options->disk;
    f->clock = options->clock;
    snprintf(f->bootstrap, sizeof(f->bootstrap), "%s:%d", options->config->listen, options->port);
    if (asprintf(&f->path, "%s/generators.json", options->data_path) < 0)
        f->path = NULL;
    rc = f->path ? load_set(f, options->config, err) : err_set(err, ERR_NOMEM, "generators");
    f->run = (struct generate_run){.names = f->names, .speed = options->config->generators.speed,
                                   .start_us = -1, .count = -1, .duration_ms = -1, .stop = &f->stop,
                                   .clock = f->clock, .sink = {on_event, on_flush, f}};
    if (!rc)
        rc = load_place(f, err);
    if (!rc && pthread_create(&f->thread, NULL, feeder_main, f))
        rc = err_set(err, ERR_NOMEM, "thread of the generators");
    f->started = !rc;
    if (rc) {
        feeder_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

void feeder_free(struct feeder *f)
{
    if (!f)
        return;
    __atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
    if (f->started)
        pthread_join(f->thread, NULL);
    generate_set_free(f->set);
    pthread_mutex_destroy(&f->mutex);
    free(f->names);
    free(f->path);
    free(f);
}

int64_t feeder_events(struct feeder *f)
{
    return __atomic_load_n(&f->earlier_events, __ATOMIC_RELAXED) +
           __atomic_load_n(&f->run.events, __ATOMIC_RELAXED);
}

void feeder_error(struct feeder *f, char *out, size_t size)
{
    pthread_mutex_lock(&f->mutex);
    snprintf(out, size, "%s", f->error);
    pthread_mutex_unlock(&f->mutex);
}
