/* generator.c - walks one template's events by number, and merges several of them by time. */
#include "generate/generate_int.h"

#include <math.h>

#include "generate/emit.h"

struct generator {
    const struct template *template; /* borrowed from the set */
    uint64_t n;
    /* When the latest events were written, so that a duplicate carries its original's time. */
    int64_t times[REPEAT_WITHIN_MAX + 24];
    uint64_t first;
    struct buf key_text; /* room to write the key before its quotes are cut off */
};
#define TIMES COUNT_OF(((struct generator *)0)->times)

int generator_new(struct generator **out, const struct generate_set *set, const char *name,
                  uint64_t first, struct err *err)
{
    struct generator *g = calloc(1, sizeof(*g));

    if (!g)
        return err_set(err, ERR_NOMEM, "generator '%s'", name);
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->list[i].name, name) == 0)
            g->template = &set->list[i];
    if (!g->template) {
        free(g);
        return err_set(err, ERR_NOENT, "no generator '%s'", name);
    }
    g->n = g->first = first;
    *out = g;
    return 0;
}

void generator_free(struct generator *g)
{
    if (!g)
        return;
    buf_deinit(&g->key_text);
    free(g);
}

uint64_t generator_number(const struct generator *g) { return g->n; }

int64_t generator_due_us(const struct generator *g)
{
    return (int64_t)fmin((double)g->n * g->template->interval_us, 0x1p62);
}

static int append_key(struct generator *g, const struct place *place, struct buf *key)
{
    size_t most = g->template->key_len_max + PUT_SLACK;
    uint8_t *text, *end;
    int rc;

    buf_clear(&g->key_text);
    rc = buf_reserve(&g->key_text, most);
    if (rc)
        return rc;
    text = g->key_text.ptr;
    end = node_write(g->template->key, place, text, false); /* planted faults leave it alone */
    if (!end)
        return 0;
    if (end - text >= 2 && *text == '"') {
        text++;
        end--;
    }
    return buf_append(key, text, (size_t)(end - text));
}

static int next_nexmark(struct generator *g, int64_t time_us, struct buf *value)
{
    const struct nexmark nexmark = {g->template->seed, g->template->interval_us, 0};
    struct nexmark_event event;
    int rc = buf_reserve(value, NEXMARK_JSON_MAX);

    if (rc)
        return rc;
    nexmark_event(&nexmark, g->n++, time_us, &event);
    value->len = (size_t)(nexmark_json(&event, value->ptr + value->len) - value->ptr);
    return 0;
}

int generator_next(struct generator *g, int64_t time_us, struct buf *value, struct buf *key)
{
    const struct template *t = g->template;
    uint64_t n = template_source(t, g->n);
    struct place place = {n, n, time_us};
    int rc;

    if (t->nexmark)
        return next_nexmark(g, time_us, value);
    g->times[g->n % TIMES] = time_us;
    if (n >= g->first && g->n - n < TIMES)
        place.time_us = g->times[n % TIMES];
    rc = buf_reserve(value, t->len_max + PUT_SLACK);
    if (!rc && key && t->key)
        rc = append_key(g, &place, key);
    if (rc)
        return rc;
    value->len = (size_t)(t->root->emit(t->root, &place, value->ptr + value->len) - value->ptr);
    g->n++;
    return 0;
}

/* ---- a run: several generators, in the order of time, at a pace ---- */

struct lane {
    struct generator *generator;
    size_t name;
    int64_t due_us; /* of the next event, after event 0 */
};

struct runner {
    const struct generate_set *set;
    struct generate_run *run;
    struct lane *lanes;
    size_t count;
    struct buf value, key;
    int64_t started_ns, started_wall_us, now_ns;
};

/* Events that share the pause that rounding up to this makes: a thousand wake-ups a second are
 * plenty, and what goes out together is batched together. */
#define PAUSE_LEAST_NS 1000000
#define PAUSE_MOST_NS 50000000 /* how late a request to stop may be seen */

static bool run_wants(const struct generate_run *run, const char *name)
{
    for (size_t i = 0; run->names && run->names[i]; i++)
        if (strcmp(run->names[i], name) == 0)
            return true;
    return !run->names;
}

static int runner_open(struct runner *r, struct err *err)
{
    r->lanes = calloc(r->set->count + 1, sizeof(*r->lanes));
    if (!r->lanes)
        return err_set(err, ERR_NOMEM, "generators");
    for (size_t i = 0; i < r->set->count; i++) {
        struct lane *lane = &r->lanes[r->count];
        double interval = r->set->list[i].interval_us;
        uint64_t first = (uint64_t)((double)r->run->from_us / interval);
        int rc;

        if (!run_wants(r->run, r->set->list[i].name))
            continue;
        first += (double)first * interval < (double)r->run->from_us;
        rc = generator_new(&lane->generator, r->set, r->set->list[i].name, first, err);
        if (rc)
            return rc;
        lane->name = i;
        lane->due_us = generator_due_us(lane->generator);
        r->count++;
    }
    if (r->count == 0)
        return err_set(err, ERR_NOENT, "no generator to run");
    r->started_ns = r->now_ns = clock_mono_ns(r->run->clock);
    r->started_wall_us = clock_wall_us(r->run->clock);
    return 0;
}

static void runner_close(struct runner *r)
{
    for (size_t i = 0; r->lanes && i < r->count; i++)
        generator_free(r->lanes[i].generator);
    free(r->lanes);
    buf_deinit(&r->value);
    buf_deinit(&r->key);
}

static struct lane *runner_next(struct runner *r)
{
    struct lane *next = &r->lanes[0];

    for (size_t i = 1; i < r->count; i++)
        if (r->lanes[i].due_us < next->due_us)
            next = &r->lanes[i];
    return next;
}

static bool stopped(const struct runner *r)
{
    return r->run->stop && __atomic_load_n(r->run->stop, __ATOMIC_RELAXED);
}

/* Waits until the lane's event is due. 1: the run is over. */
static int runner_pace(struct runner *r, const struct lane *lane, struct err *err)
{
    int64_t end_ns = r->run->duration_ms < 0 ? INT64_MAX
                                             : r->started_ns + r->run->duration_ms * 1000000;
    int64_t due_ns = r->run->speed > 0
                         ? r->started_ns + (int64_t)((double)(lane->due_us - r->run->from_us) *
                                                     1000 / r->run->speed)
                         : INT64_MIN;
    bool flushed = false;
    int rc;

    if (due_ns > r->now_ns || (r->run->events & 255) == 0)
        r->now_ns = clock_mono_ns(r->run->clock);
    while (due_ns > r->now_ns && r->now_ns < end_ns && !stopped(r)) {
        int64_t pause = (due_ns < end_ns ? due_ns : end_ns) - r->now_ns;

        rc = !flushed && r->run->sink.flush ? r->run->sink.flush(r->run->sink.arg, err) : 0;
        if (rc)
            return rc;
        flushed = true;
        pause = pause < PAUSE_LEAST_NS ? PAUSE_LEAST_NS : pause;
        r->run->clock->sleep_ns(r->run->clock, pause > PAUSE_MOST_NS ? PAUSE_MOST_NS : pause);
        r->now_ns = clock_mono_ns(r->run->clock);
    }
    return r->now_ns >= end_ns || stopped(r);
}

/* The time an event carries. With a start time: by its number alone, so that bytes repeat. By the
 * clock: when it was due, which keeps the distances even; at full speed: now. */
static int64_t event_time(const struct runner *r, const struct lane *lane)
{
    int64_t after_us = lane->due_us - r->run->from_us;

    if (r->run->start_us >= 0)
        return r->run->start_us + after_us;
    if (r->run->speed > 0)
        return r->started_wall_us + (int64_t)((double)after_us / r->run->speed);
    return r->started_wall_us + (r->now_ns - r->started_ns) / 1000;
}

static int runner_emit(struct runner *r, struct lane *lane, struct err *err)
{
    struct generate_event event = {.generator = lane->name,
                                   .topic = r->set->list[lane->name].topic,
                                   .time_us = event_time(r, lane)};
    int rc;

    buf_clear(&r->value);
    buf_clear(&r->key);
    rc = generator_next(lane->generator, event.time_us, &r->value, &r->key);
    if (rc)
        return err_set(err, rc, "event of '%s'", r->set->list[lane->name].name);
    event.value = buf_slice(&r->value);
    event.key = r->set->list[lane->name].key ? buf_slice(&r->key) : (struct slice){0};
    rc = r->run->sink.event(r->run->sink.arg, &event, err);
    if (rc)
        return rc;
    lane->due_us = generator_due_us(lane->generator);
    __atomic_store_n(&r->run->events, r->run->events + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&r->run->bytes, r->run->bytes + (int64_t)event.value.len, __ATOMIC_RELAXED);
    return 0;
}

int generate_run_wait(const struct generate_set *set, struct generate_run *run, struct err *err)
{
    struct runner r = {.set = set, .run = run};
    int rc = runner_open(&r, err), end = 0;

    __atomic_store_n(&run->events, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&run->bytes, 0, __ATOMIC_RELAXED);
    while (!rc && (run->count < 0 || run->events < run->count)) {
        struct lane *lane = runner_next(&r);

        __atomic_store_n(&run->reached_us, lane->due_us, __ATOMIC_RELAXED);
        rc = runner_pace(&r, lane, err);
        if (!rc)
            rc = runner_emit(&r, lane, err);
    }
    if (!rc && r.count)
        __atomic_store_n(&run->reached_us, runner_next(&r)->due_us, __ATOMIC_RELAXED);
    rc = rc > 0 ? 0 : rc;
    if (r.lanes && run->sink.flush)
        end = run->sink.flush(run->sink.arg, rc ? NULL : err);
    runner_close(&r);
    return rc ? rc : end;
}
