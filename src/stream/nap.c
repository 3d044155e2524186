/* nap.c - a pipeline without rows sleeps until somebody has some.
 *
 * A source that can tell when rows come wakes the pipeline (`listen`); then nobody polls in vain,
 * rows are met at once and a thousand quiet jobs cost next to nothing. Where a source cannot, or an
 * operator goes by the clock, or a partition may turn out to be idle, the nap is short.
 * Whoever wakes leaves a mark that only the sleeper takes away, so that what comes between a poll
 * and the nap is not slept over.
 */
#include <time.h>

#include "base/codec.h"
#include "stream/stream_int.h"

#define WAIT_SHORT_MS                                                                              \
    5 /* between polls of a source that gave rows within BUSY_MS and cannot tell */
#define BUSY_MS   1000
#define WAIT_MS   50
#define NAP_MS    1000
#define REST_NS   2000000000 /* without rows for so long: what work has left in memory goes */
#define GATHER_NS 1000000    /* after rows: more that trickle in are taken together */

struct nap {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    _Atomic bool woken;
    bool told;      /* every source tells of rows */
    int64_t rested; /* `work_ns` when it last rested */
};

static void wake(void *arg)
{
    struct nap *nap = arg;

    if (atomic_exchange(&nap->woken, true))
        return;
    pthread_mutex_lock(&nap->mutex);
    pthread_cond_signal(&nap->wake);
    pthread_mutex_unlock(&nap->mutex);
}

static void listen(struct pipeline *p, void (*fn)(void *arg))
{
    for (size_t i = 0; i < p->count; i++) {
        struct stream_source *source = p->inputs[i].spec->source;

        if (p->inputs[i].first != &p->inputs[i])
            continue;
        if (source->ops->listen)
            source->ops->listen(source, fn, fn ? p->nap : NULL);
        else
            p->nap->told = false;
    }
}

int nap_open(struct pipeline *p, struct err *err)
{
    struct nap *nap = calloc(1, sizeof(*nap));
    pthread_condattr_t attr;

    if (!nap)
        return err_set(err, ERR_NOMEM, "%s", p->spec->name);
    pthread_mutex_init(&nap->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&nap->wake, &attr);
    pthread_condattr_destroy(&attr);
    nap->told = true;
    p->nap = nap;
    listen(p, wake);
    return 0;
}

void nap_close(struct pipeline *p)
{
    struct nap *nap = p->nap;

    if (!nap)
        return;
    listen(p, NULL);
    pthread_cond_destroy(&nap->wake);
    pthread_mutex_destroy(&nap->mutex);
    free(nap);
    p->nap = NULL;
}

void nap_end(struct pipeline *p)
{
    if (p->nap)
        wake(p->nap);
}

static void sleep_ns(struct pipeline *p, int64_t ns)
{
    struct clock *clock = p->job->options->clock;

    clock->sleep_ns(clock, ns);
}

/* Sources that cannot tell: the first that is there has a wait of its own. */
static void wait_for_source(struct pipeline *p)
{
    int64_t quiet_ms = clock_mono_ms(p->job->options->clock) - p->rows_ns / 1000000;
    int64_t ms = quiet_ms < BUSY_MS ? WAIT_SHORT_MS : WAIT_MS;

    for (size_t i = 0; i < p->count; i++) {
        const struct input *in = &p->inputs[i];
        struct stream_source *source = in->spec->source;

        if (in->first == in && !in->ended && !in->gone && !atomic_load(&in->held)) {
            source->ops->wait(source, ms);
            return;
        }
    }
    sleep_ns(p, ms * 1000000);
}

static int64_t longest_nap(const struct pipeline *p)
{
    int64_t ms = p->flow && op_graph_by_clock(flow_graph(p->flow)) ? WAIT_MS : NAP_MS;

    for (size_t i = 0; i < p->count; i++) {
        const struct input *in = &p->inputs[i];

        if (atomic_load(&in->held)) /* nobody tells that the others have come up */
            return WAIT_SHORT_MS;
        if (in->gone || (in->marks && !in->ended && !atomic_load(&in->idle) &&
                         (in->spec->idle_ms || !in->partition_count)))
            ms = WAIT_MS;
    }
    return ms;
}

/* Who has worked keeps buffers, stack and freed memory for the next time. Of a thousand that wait,
 * few will need them soon. */
static void rest(struct pipeline *p, int64_t now)
{
    if (p->nap->rested == p->work_ns + 1 || now - p->work_ns < REST_NS)
        return;
    p->nap->rested = p->work_ns + 1;
    for (size_t i = 0; i < p->count; i++)
        input_rest(&p->inputs[i]);
    if (p->flow)
        op_graph_rest(flow_graph(p->flow));
    codec_rest();
    vec_rest();
    memory_stack_rest();
}

void nap_take(struct pipeline *p)
{
    int64_t now = clock_mono_ns(p->job->options->clock), until;
    struct nap *nap = p->nap;
    struct timespec at;

    if (!nap || !nap->told) {
        wait_for_source(p);
        return;
    }
    if (now - p->rows_ns < GATHER_NS)
        sleep_ns(p, GATHER_NS - (now - p->rows_ns));
    rest(p, now);
    until = now + longest_nap(p) * 1000000;
    at = (struct timespec){until / 1000000000, until % 1000000000};
    pthread_mutex_lock(&nap->mutex);
    if (!atomic_load(&nap->woken))
        pthread_cond_timedwait(&nap->wake, &nap->mutex, &at);
    atomic_store(&nap->woken, false);
    pthread_mutex_unlock(&nap->mutex);
}
