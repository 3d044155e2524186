/* flink_settings.c - Flink 1.20's configuration, name by name: what is honoured, what changes
 * nothing and why, what is refused. Sources: Flink's "Configuration" pages of the table API, of
 * checkpointing, state, pipelines and deployment. */
#include "connector/flink_settings.h"

/* A key, or all keys that begin so (with a dot at its end). NULL: honoured. */
static const struct {
    const char *key, *note;
} known[] = {
    /* read by stream/settings.c */
    {"execution.checkpointing.interval", NULL},
    {"execution.checkpointing.min-pause", NULL},
    {"execution.checkpointing.dir", NULL},
    {"execution.checkpointing.savepoint-dir", NULL},
    {"state.checkpoints.dir", NULL},
    {"state.savepoints.dir", NULL},
    {"execution.state-recovery.path", NULL},
    {"execution.savepoint.path", NULL},
    {"restart-strategy.", NULL},
    {"restart-strategy", NULL},
    {"parallelism.default", NULL},
    {"pipeline.max-parallelism", NULL},
    /* by plan_options.c, connector.c, the session */
    {"pipeline.name", NULL},
    {"execution.runtime-mode", NULL},
    {"table.local-time-zone", NULL},
    {"table.exec.state.ttl", NULL},
    {"table.exec.source.idle-timeout", NULL},
    {"table.exec.emit.", NULL},
    {"table.exec.late-rows.table", NULL}, /* ours */
    {"scan.watermark.alignment.", NULL},  /* ours as a setting: Flink has it as a table's option */
    {"taskmanager.numberOfTaskSlots", NULL},
    /* checkpoints and state */
    {"execution.checkpointing.mode", "every commit is exactly once"},
    {"execution.checkpointing.timeout",
     "a commit takes as long as it takes; a job that commits nothing for a minute says so"},
    {"execution.checkpointing.max-concurrent-checkpoints", "commits come one after another"},
    {"execution.checkpointing.tolerable-failed-checkpoints",
     "a commit that fails restarts the job, as restart-strategy says"},
    {"execution.checkpointing.externalized-checkpoint-retention",
     "the last commit stays whatever becomes of the job"},
    {"execution.checkpointing.unaligned.", "there are no barriers between threads to wait for"},
    {"execution.checkpointing.unaligned", "there are no barriers between threads to wait for"},
    {"execution.checkpointing.aligned-checkpoint-timeout",
     "there are no barriers between threads to wait for"},
    {"execution.checkpointing.alignment-timeout",
     "there are no barriers between threads to wait for"},
    {"execution.checkpointing.incremental", "every checkpoint is incremental"},
    {"execution.checkpointing.checkpoints-after-tasks-finish.", "always so"},
    {"execution.checkpointing.num-retained", "the last commit is kept"},
    {"execution.checkpointing.", "tarn's commits do without it"},
    {"execution.state-recovery.", "state is matched by operator, and a change that cannot be is "
                                  "refused by name"},
    {"execution.savepoint.", "state is matched by operator, and a change that cannot be is refused "
                             "by name"},
    {"state.", "state is tarn's own: in memory, and on disk beyond memory.state of tarn.yaml"},
    /* pipelines and execution */
    {"pipeline.jars", "Java does not run here: functions of classes are said in tarn.yaml"},
    {"pipeline.classpaths", "Java does not run here: functions of classes are said in tarn.yaml"},
    {"pipeline.auto-watermark-interval", "watermarks go up behind the rows of each poll"},
    {"pipeline.object-reuse", "rows are never copied between operators"},
    {"pipeline.operator-chaining", "operators of a pipeline are always chained"},
    {"pipeline.operator-chaining.", "operators of a pipeline are always chained"},
    {"pipeline.", "tarn plans without it"},
    {"execution.buffer-timeout", "there are no network buffers"},
    {"execution.buffer-timeout.", "there are no network buffers"},
    {"execution.target", "jobs run in this process"},
    {"execution.attached", "a statement comes back when its job has started"},
    {"execution.", "tarn plans without it"},
    {"parallelism.", "parallelism.default says it"},
    /* tables */
    {"table.exec.mini-batch.", "the rows of a poll are always folded before they go on"},
    {"table.exec.resource.default-parallelism", "parallelism.default says it"},
    {"table.exec.async-lookup.", "lookups are answered from memory"},
    {"table.exec.sink.not-null-enforcer", "a NULL for a column that takes none is a dead letter"},
    {"table.exec.sink.type-length-enforcer", "texts keep their length"},
    {"table.exec.legacy-cast-behaviour", "casts are those of Flink 1.20"},
    {"table.exec.source.cdc-events-duplicate", "changes are taken as they come"},
    {"table.exec.", "tarn's operators do without it"},
    {"table.optimizer.", "plans are made without it"},
    {"table.dml-sync", "a bounded INSERT into a table of the catalog is waited for, a job is not"},
    {"table.sql-dialect", "scripts are Flink SQL"},
    {"table.", "tarn plans without it"},
    {"sql-client.", "it is of Flink's own client"},
    /* the cluster */
    {"taskmanager.", "there is one process: `memory` of tarn.yaml says what it may take"},
    {"jobmanager.", "there is one process, which answers where tarn.yaml says"},
    {"rest.", "`flink: {port: ...}` of tarn.yaml says where REST answers"},
    {"high-availability", "jobs are rows in the metadata store, and start again with the process"},
    {"high-availability.", "jobs are rows in the metadata store, and start again with the process"},
    {"metrics.", "metrics are asked for by REST"},
    {"security.", "tarn.yaml says who may connect"},
    {"s3.", "the store of tarn.yaml is used"},
    {"fs.", "the store of tarn.yaml is used"},
    {"classloader.", "Java does not run here"},
    {"env.", "Java does not run here"},
    {"cluster.", "there is one process"},
    {"web.", "Flink's page is not served"},
    {"io.", "the data folder is tarn.yaml's"},
    {"blob.", "there is one process"},
    {"heartbeat.", "there is one process"},
    {"akka.", "there is one process"},
    {"pekko.", "there is one process"},
    {"kubernetes.", "there is one process"},
    {"yarn.", "there is one process"},
};

/* Values that would give other results than tarn does. */
static const struct {
    const char *key, *value, *why;
} refused[] = {
    {"table.exec.sink.not-null-enforcer", "drop",
     "a row with a NULL that its column does not take is a dead letter, not dropped in silence"},
    {"table.exec.sink.type-length-enforcer", "trim_pad", "CHAR and VARCHAR are not cut or padded"},
    {"table.exec.legacy-cast-behaviour", "enabled", "casts are those of Flink 1.20"},
    {"table.exec.source.cdc-events-duplicate", "true", "changes that come twice count twice"},
    {"table.sql-dialect", "hive", "Hive's dialect is not read"},
};

int flink_setting_check(const char *key, const char *value, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (!strcmp(refused[i].key, key) && !strcasecmp(refused[i].value, value))
            return err_set(err, ERR_UNSUPPORTED, "SET '%s' = '%s': %s", key, value, refused[i].why);
    return 0;
}

static bool is_part(const char *name, const char *key)
{
    size_t len = strlen(name);

    return name[len - 1] == '.' ? !strncmp(name, key, len) : !strcmp(name, key);
}

const char *flink_setting_note(const char *key, const char *value)
{
    if (!strcmp(key, "execution.checkpointing.mode") && !strcasecmp(value, "EXACTLY_ONCE"))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (is_part(known[i].key, key))
            return known[i].note;
    return NULL;
}
