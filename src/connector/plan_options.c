/* plan_options.c - the settings of a session that change what a stream does, by Flink's names. */
#include "connector/lookup_table.h"
#include "connector/session_int.h"

static const struct setting {
    const char *key;
    size_t at;          /* of a time in struct sql_plan_options */
    const char *enable; /* the time counts when this is 'true'; NULL: always */
} settings[] = {
    {"table.exec.state.ttl", offsetof(struct sql_plan_options, ttl_ms), NULL},
    {"table.exec.emit.early-fire.delay", offsetof(struct sql_plan_options, early_ms),
     "table.exec.emit.early-fire.enabled"},
    {"table.exec.emit.late-fire.delay", offsetof(struct sql_plan_options, late_ms),
     "table.exec.emit.late-fire.enabled"},
    {"table.exec.emit.allow-lateness", offsetof(struct sql_plan_options, lateness_ms), NULL},
};

static bool is_true(const char *value)
{
    return value && !strcasecmp(value, "true");
}

static bool looks_up(void *arg, const struct sql_table *table)
{
    (void)arg;
    return lookup_table_is(table);
}

static int read_time(struct session *session, const char *key, int64_t *ms, struct err *err)
{
    const char *value = session_setting(session, key);

    if (value && sql_duration_ms(value, ms))
        return err_set(err, ERR_INVALID, "'%s' = '%s' is no time: '1 min', '500 ms'", key, value);
    return 0;
}

int session_plan_options(struct session *session, struct sql_plan_options *out, int64_t *idle_ms,
                         struct err *err)
{
    const char *mode = session_setting(session, "execution.runtime-mode");
    int rc = 0;

    *out = (struct sql_plan_options){.looks_up = looks_up};
    out->batch = mode && !strcasecmp(mode, "batch");
    for (size_t i = 0; i < COUNT_OF(settings) && !rc; i++)
        if (!settings[i].enable || is_true(session_setting(session, settings[i].enable)))
            rc =
                read_time(session, settings[i].key, (int64_t *)((char *)out + settings[i].at), err);
    return rc ? rc : read_time(session, "table.exec.source.idle-timeout", idle_ms, err);
}

static const char *setting(void *session, const char *key)
{
    return session_setting(session, key);
}

int session_plan_shards(struct session *session, struct arena *arena, int64_t *shards,
                        struct err *err)
{
    struct stream_plan said = {0};
    int rc = stream_plan_settings(&said, arena, setting, session, err);

    if (!rc)
        *shards = stream_plan_shards(&said);
    return rc;
}
