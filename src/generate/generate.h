/* generate.h - made-up events that look real: four lines of JSON become a million events a second.
 *
 * A template (docs/generators.md) names a topic, a rate, fields and planted faults. A set holds the
 * templates of one project, compiled. Event number n of a template is a pure function of (seed, n):
 * nothing is drawn from a running state. So the same seed gives the same bytes, an event can point
 * at another template's event without asking it ("the currency of charge 4711"), and a run can go
 * on where the last one stopped by knowing one number.
 * Threads: a set is read-only once loaded and may be shared; a generator and a run belong to one
 * thread.
 */
#ifndef GENERATE_GENERATE_H
#define GENERATE_GENERATE_H

#include "base/base.h"
#include "base/yaml.h"

struct generate_set;
struct generator;

/* A rate put in place of the template's. */
struct generate_override {
    const char *name; /* generator for rates; "fault" or "generator.fault" for faults */
    double value;     /* events per second; 0..1 of the events */
};

struct generate_options {
    uint64_t seed;
    /* Events per second over all of `only` (all when NULL), in the templates' own proportions:
     * the times between events shrink, and with them the times in the events. 0: as written. */
    double rate;
    const char *const *only; /* names, NULL-ended; NULL: all */
    const struct generate_override *rates;
    size_t rate_count;
    const struct generate_override *faults;
    size_t fault_count;
};

/* Reads every *.json and *.yaml in `dir`. Mistakes go to `problems` with file, line and column;
 * then ERR_INVALID. Unknown names in the options are ERR_INVALID with a suggestion. Caller owns
 * *out. */
int generate_set_load(struct generate_set **out, struct disk *disk, const char *dir,
                      const struct generate_options *options, struct yaml_problems *problems,
                      struct err *err);
void generate_set_free(struct generate_set *set); /* NULL is fine */
size_t generate_set_count(const struct generate_set *set);
const char *generate_set_name(const struct generate_set *set, size_t index); /* borrowed from set */
const char *generate_set_topic(const struct generate_set *set, size_t index);
double generate_set_rate(const struct generate_set *set, size_t index); /* events per second */
/* "500ms" (between two events) or "2/s" as microseconds between two. ERR_INVALID. */
int generate_parse_interval(const char *text, double *us);
/* The JSON Schema of a template file, made from the tables that read one. */
int generate_schema(struct buf *out, struct err *err);

/* One template's events in order, from number `first`. The set must outlive it. */
int generator_new(struct generator **out, const struct generate_set *set, const char *name,
                  uint64_t first, struct err *err);
void generator_free(struct generator *generator);
/* Appends the next event's JSON to `value` and its key, when the template names one, to `key`
 * (which may be NULL). `time_us` is the event's own time since 1970. ERR_NOMEM, ERR_LIMIT. */
int generator_next(struct generator *generator, int64_t time_us, struct buf *value,
                   struct buf *key);
uint64_t generator_number(const struct generator *generator); /* of the event that comes next */
/* When that event is due, in microseconds after event 0 of all generators. */
int64_t generator_due_us(const struct generator *generator);

struct generate_event {
    size_t generator; /* index into the run's names */
    const char *topic;
    struct slice key; /* ptr NULL: none */
    struct slice value;
    int64_t time_us;
};

/* Where events go. flush: the run is about to wait, pass on what you hold. A code other than 0 ends
 * the run and is what generate_run returns. */
struct generate_sink {
    int (*event)(void *arg, const struct generate_event *event, struct err *err);
    int (*flush)(void *arg, struct err *err);
    void *arg;
};

struct generate_run {
    const char *const *names; /* NULL-ended; NULL: all of the set */
    double speed;             /* 1: as in the templates; 10: ten times; 0: as fast as it can */
    int64_t start_us;         /* time of the first event; -1: now, by the clock */
    int64_t from_us;          /* go on at this place, in microseconds after event 0 */
    int64_t count;            /* events in all; -1: no end */
    int64_t duration_ms;      /* -1: no end */
    const int *stop;          /* set to end the run, from any thread or a signal; may be NULL */
    struct clock *clock;
    struct generate_sink sink;
    /* Results, readable from other threads while it runs. */
    int64_t events, bytes, reached_us; /* reached_us: `from_us` of a run that goes on from here */
};

/* Merges the generators by time and paces them. Blocks until the end: worker. */
int generate_run_wait(const struct generate_set *set, struct generate_run *run, struct err *err);

#endif
