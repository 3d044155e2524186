/* settings.c - what a script's SETs say about how its job runs, by Flink's names. */
#include <math.h>

#include "base/codec.h"
#include "sql/sql.h"
#include "stream/stream_int.h"

static int duration(const char *key, const char *text, int64_t *ms, struct err *err)
{
    return sql_duration_ms(text, ms)
               ? err_set(err, ERR_INVALID, "SET '%s' = '%s': a time is wanted, as 10 s or 1 min",
                         key, text)
               : 0;
}

static int whole(const char *key, const char *text, int64_t *out, struct err *err)
{
    char *end;
    long long number = strtoll(text, &end, 10);

    if (end == text || *end || number < 0)
        return err_set(err, ERR_INVALID, "SET '%s' = '%s': a whole number is wanted", key, text);
    *out = number;
    return 0;
}

static int real(const char *key, const char *text, double *out, struct err *err)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end || !isfinite(number) || number < 0)
        return err_set(err, ERR_INVALID, "SET '%s' = '%s': a number is wanted", key, text);
    *out = number;
    return 0;
}

/* Flink 1.20, RestartStrategyOptions: every name of a strategy. */
static const struct {
    const char *name;
    enum stream_restart_kind kind;
} kinds[] = {{"none", STREAM_RESTART_NONE},
             {"off", STREAM_RESTART_NONE},
             {"disable", STREAM_RESTART_NONE},
             {"fixed-delay", STREAM_RESTART_FIXED},
             {"fixeddelay", STREAM_RESTART_FIXED},
             {"failure-rate", STREAM_RESTART_RATE},
             {"failurerate", STREAM_RESTART_RATE},
             {"exponential-delay", STREAM_RESTART_EXPONENTIAL},
             {"exponentialdelay", STREAM_RESTART_EXPONENTIAL}};

static int restart_kind(const char *text, enum stream_restart_kind *out, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcasecmp(text, kinds[i].name)) {
            *out = kinds[i].kind;
            return 0;
        }
    return err_set(err, ERR_INVALID,
                   "SET 'restart-strategy.type' = '%s': there are none, fixed-delay, "
                   "exponential-delay and failure-rate",
                   text);
}

enum field_kind { FIELD_DURATION, FIELD_WHOLE, FIELD_REAL, FIELD_TEXT };
#define AT(field) offsetof(struct stream_plan, field)
static const struct {
    const char *key, *old; /* old: the same in older releases; NULL: none */
    enum field_kind kind;
    size_t at;
} fields[] = {
    {"execution.checkpointing.interval", NULL, FIELD_DURATION, AT(commit_interval_ms)},
    {"execution.checkpointing.min-pause", NULL, FIELD_DURATION, AT(commit_pause_ms)},
    {"execution.state-recovery.path", "execution.savepoint.path", FIELD_TEXT, AT(start_from)},
    {"execution.checkpointing.savepoint-dir", "state.savepoints.dir", FIELD_TEXT,
     AT(savepoint_dir)},
    {"execution.checkpointing.dir", "state.checkpoints.dir", FIELD_TEXT, AT(checkpoint_dir)},
    {"table.exec.late-rows.table", NULL, FIELD_TEXT, AT(late_table)},
    {"parallelism.default", NULL, FIELD_WHOLE, AT(parallelism)},
    {"pipeline.max-parallelism", NULL, FIELD_WHOLE, AT(max_parallelism)},
    {"restart-strategy.fixed-delay.attempts", NULL, FIELD_WHOLE, AT(restart.fixed_attempts)},
    {"restart-strategy.fixed-delay.delay", NULL, FIELD_DURATION, AT(restart.fixed_delay_ms)},
    {"restart-strategy.failure-rate.delay", NULL, FIELD_DURATION, AT(restart.rate_delay_ms)},
    {"restart-strategy.failure-rate.failure-rate-interval", NULL, FIELD_DURATION,
     AT(restart.rate_interval_ms)},
    {"restart-strategy.failure-rate.max-failures-per-interval", NULL, FIELD_WHOLE,
     AT(restart.rate_failures)},
    {"restart-strategy.exponential-delay.initial-backoff", NULL, FIELD_DURATION,
     AT(restart.initial_ms)},
    {"restart-strategy.exponential-delay.max-backoff", NULL, FIELD_DURATION, AT(restart.max_ms)},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", NULL, FIELD_DURATION,
     AT(restart.reset_ms)},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", NULL, FIELD_WHOLE,
     AT(restart.exponential_attempts)},
    {"restart-strategy.exponential-delay.backoff-multiplier", NULL, FIELD_REAL,
     AT(restart.multiplier)},
    {"restart-strategy.exponential-delay.jitter-factor", NULL, FIELD_REAL, AT(restart.jitter)},
};

static int set_field(struct stream_plan *plan, size_t i, const char *text, struct arena *arena,
                     struct err *err)
{
    void *to = (uint8_t *)plan + fields[i].at;

    switch (fields[i].kind) {
    case FIELD_DURATION:
        return duration(fields[i].key, text, to, err);
    case FIELD_WHOLE:
        return whole(fields[i].key, text, to, err);
    case FIELD_REAL:
        return real(fields[i].key, text, to, err);
    case FIELD_TEXT:
        *(const char **)to = *text ? arena_strdup(arena, text) : NULL;
        return !*text || *(const char **)to ? 0 : err_set(err, ERR_NOMEM, "settings");
    }
    return 0;
}

/* The defaults are Flink's. */
void stream_plan_defaults(struct stream_plan *plan)
{
    plan->parallelism = 1;
    plan->restart = (struct stream_restart){.kind = STREAM_RESTART_DEFAULT,
                                            .fixed_attempts = 1,
                                            .fixed_delay_ms = 1000,
                                            .rate_delay_ms = 1000,
                                            .rate_interval_ms = 60000,
                                            .rate_failures = 1,
                                            .initial_ms = 1000,
                                            .max_ms = 60000,
                                            .reset_ms = 3600000,
                                            .exponential_attempts = INT64_MAX,
                                            .multiplier = 1.5,
                                            .jitter = 0.1};
}

/* The script's, by its new name and by its old one; then the project's. */
static const char *find(const struct stream_plan *plan, stream_setting_fn *setting, void *arg,
                        const char *key, const char *old)
{
    const char *text = setting(arg, key);

    if (!text && old)
        text = setting(arg, old);
    if (!text && plan->setting)
        text = plan->setting(plan->setting_arg, key);
    return text || !old || !plan->setting ? text : plan->setting(plan->setting_arg, old);
}

int stream_plan_settings(struct stream_plan *plan, struct arena *arena, stream_setting_fn *setting,
                         void *arg, struct err *err)
{
    const char *type = find(plan, setting, arg, "restart-strategy.type", "restart-strategy");
    int rc = 0;

    stream_plan_defaults(plan);
    if (type)
        rc = restart_kind(type, &plan->restart.kind, err);
    for (size_t i = 0; i < COUNT_OF(fields) && !rc; i++) {
        const char *text = find(plan, setting, arg, fields[i].key, fields[i].old);

        if (text)
            rc = set_field(plan, i, text, arena, err);
    }
    if (!rc && plan->restart.multiplier < 1)
        rc = err_set(err, ERR_INVALID,
                     "SET 'restart-strategy.exponential-delay.backoff-multiplier': at least 1");
    if (!rc && (plan->parallelism < 1 || plan->parallelism > STREAM_PARALLELISM_MAX))
        rc = err_set(err, ERR_INVALID, "SET 'parallelism.default': from 1 to %d",
                     STREAM_PARALLELISM_MAX);
    if (!rc && plan->max_parallelism > STREAM_PARALLELISM_MAX)
        rc = err_set(err, ERR_INVALID, "SET 'pipeline.max-parallelism': from 1 to %d",
                     STREAM_PARALLELISM_MAX);
    if (!rc && plan->max_parallelism && plan->max_parallelism < plan->parallelism)
        rc = err_set(err, ERR_INVALID,
                     "SET 'pipeline.max-parallelism' = '%" PRId64 "' is less than "
                     "'parallelism.default', which is %" PRId64,
                     plan->max_parallelism, plan->parallelism);
    return rc;
}

int64_t stream_plan_shards(const struct stream_plan *plan)
{
    int64_t wanted = plan->max_parallelism ? plan->max_parallelism : plan->parallelism;

    return wanted < 2 ? 0 : wanted < STREAM_SHARDS_MAX ? wanted : STREAM_SHARDS_MAX;
}

int64_t stream_plan_threads(const struct stream_plan *plan)
{
    return plan->parallelism < STREAM_THREADS_MAX ? plan->parallelism : STREAM_THREADS_MAX;
}

/* ---- what follows a failure ---- */

static int64_t backoff(const struct stream_restart *r, struct restarts *s, int64_t now_ms)
{
    if (!s->count || now_ms - s->last_ms > r->reset_ms) {
        s->pause_ms = r->initial_ms;
        s->attempts = 0;
    } else {
        double next = (double)s->pause_ms * r->multiplier;

        s->pause_ms = next < (double)r->max_ms ? (int64_t)next : r->max_ms;
    }
    return s->pause_ms;
}

/* Jobs that fail together do not all come back together. */
static int64_t spread(const struct stream_restart *r, const struct restarts *s, int64_t pause_ms)
{
    uint64_t seed[2] = {(uint64_t)(uintptr_t)s, (uint64_t)s->count};
    double part = (double)(hash64(seed, sizeof(seed), 0) % 2001) / 1000 - 1; /* -1 to 1 */

    return pause_ms + (int64_t)((double)pause_ms * r->jitter * part);
}

/* Failures within the interval that ends now, this one counted. */
static int64_t recent(const struct stream_restart *r, const struct restarts *s, int64_t now_ms)
{
    int64_t count = 1;

    for (size_t i = 0; i < COUNT_OF(s->at_ms) && i < (size_t)s->count; i++)
        count += now_ms - s->at_ms[i] < r->rate_interval_ms;
    return count;
}

bool restart_after(const struct stream_restart *r, struct restarts *s, int64_t now_ms,
                   int64_t *pause_ms)
{
    bool again = true;

    switch (r->kind) {
    case STREAM_RESTART_NONE:
        again = false;
        break;
    case STREAM_RESTART_FIXED:
        again = s->attempts < r->fixed_attempts;
        *pause_ms = r->fixed_delay_ms;
        break;
    case STREAM_RESTART_RATE:
        again = recent(r, s, now_ms) <= r->rate_failures;
        *pause_ms = r->rate_delay_ms;
        break;
    case STREAM_RESTART_DEFAULT:
    case STREAM_RESTART_EXPONENTIAL:
        *pause_ms = spread(r, s, backoff(r, s, now_ms));
        again = s->attempts < r->exponential_attempts;
        break;
    }
    s->at_ms[s->count++ % COUNT_OF(s->at_ms)] = now_ms;
    s->last_ms = now_ms;
    s->attempts++;
    return again;
}
