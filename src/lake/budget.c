/* budget.c - a bucket of processor time and one of bytes, filled by the clock. See budget.h. */
#include "lake/budget.h"

#include <pthread.h>

#define ROW_NS     1000                 /* what rewriting a row costs, about */
#define FREE_NS    ((int64_t)200000000) /* work that costs less never waits */
#define FREE_BYTES ((int64_t)16 << 20)
#define HELD_S     3600 /* the account holds so many seconds' worth */

struct lake_budget {
    pthread_mutex_t lock;
    struct clock *clock;
    int64_t cpu_percent, bytes_per_second;
    int64_t at_ns;        /* mono time of the last filling */
    double cpu_ns, bytes; /* what is there; below 0 after free work */
    int64_t cpu_spent, bytes_spent;
};

void lake_budget_set(struct lake_budget *b, const struct lake_budget_limits *limits)
{
    pthread_mutex_lock(&b->lock);
    b->cpu_percent = limits && limits->cpu_percent > 0 ? limits->cpu_percent : 10;
    b->bytes_per_second =
        limits && limits->bytes_per_second > 0 ? limits->bytes_per_second : (int64_t)64 << 20;
    pthread_mutex_unlock(&b->lock);
}

int lake_budget_new(struct lake_budget **out, struct clock *clock,
                    const struct lake_budget_limits *limits, struct err *err)
{
    struct lake_budget *b = calloc(1, sizeof(*b));

    if (!b)
        return err_set(err, ERR_NOMEM, "budget");
    pthread_mutex_init(&b->lock, NULL);
    b->clock = clock;
    b->at_ns = clock_mono_ns(clock);
    lake_budget_set(b, limits);
    *out = b;
    return 0;
}

void lake_budget_free(struct lake_budget *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* What a full second of wall time adds. */
static double cpu_rate(const struct lake_budget *b)
{
    return (double)b->cpu_percent * 1e7;
}

static void fill(struct lake_budget *b)
{
    int64_t now_ns = clock_mono_ns(b->clock);
    double seconds = (double)(now_ns - b->at_ns) / 1e9;
    double cpu_max = cpu_rate(b) * HELD_S, bytes_max = (double)b->bytes_per_second * HELD_S;

    b->at_ns = now_ns;
    b->cpu_ns += seconds * cpu_rate(b);
    b->bytes += seconds * (double)b->bytes_per_second;
    b->cpu_ns = b->cpu_ns > cpu_max ? cpu_max : b->cpu_ns;
    b->bytes = b->bytes > bytes_max ? bytes_max : b->bytes;
}

/* Seconds until `have`, growing by `rate` and never past HELD_S of it, covers `cost`. */
static double seconds_to(double have, double cost, double rate)
{
    double wanted = cost > rate * HELD_S ? rate * HELD_S : cost;

    return have >= wanted ? 0 : (wanted - have) / rate;
}

int64_t lake_budget_wait_ms(struct lake_budget *b, int64_t rows, int64_t bytes)
{
    double cost_ns = (double)rows * ROW_NS, cpu = 0, io = 0;

    pthread_mutex_lock(&b->lock);
    fill(b);
    if (cost_ns >= FREE_NS)
        cpu = seconds_to(b->cpu_ns, cost_ns, cpu_rate(b));
    if (bytes >= FREE_BYTES)
        io = seconds_to(b->bytes, (double)bytes, (double)b->bytes_per_second);
    pthread_mutex_unlock(&b->lock);
    cpu = cpu > io ? cpu : io;
    return cpu > 0 ? (int64_t)(cpu * 1000) + 1 : 0;
}

bool lake_budget_may(struct lake_budget *b, int64_t rows, int64_t bytes)
{
    return lake_budget_wait_ms(b, rows, bytes) == 0;
}

void lake_budget_spend(struct lake_budget *b, int64_t cpu_ns, int64_t bytes)
{
    pthread_mutex_lock(&b->lock);
    fill(b);
    b->cpu_ns -= (double)cpu_ns;
    b->bytes -= (double)bytes;
    b->cpu_spent += cpu_ns;
    b->bytes_spent += bytes;
    pthread_mutex_unlock(&b->lock);
}

void lake_budget_spent(struct lake_budget *b, int64_t *cpu_ns, int64_t *bytes)
{
    pthread_mutex_lock(&b->lock);
    *cpu_ns = b->cpu_spent;
    *bytes = b->bytes_spent;
    pthread_mutex_unlock(&b->lock);
}
