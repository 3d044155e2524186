/* job.h - running jobs: from a row in the metadata store to threads, and back after a crash.
 *
 * A job is a row: name, script, state, epoch. The engine asks a planner (supplied by `connector`)
 * to turn the script into pipelines, at the first start and at every restart, so that a plan never
 * outlives what it was made of.
 * States: RUNNING (also while it waits for a topic), RESTARTING (failed, backing off), FAILED (will
 * not be retried; reason says why), CANCELED, FINISHED (every source was bounded and is read, or it
 * was stopped with a savepoint). All but the first two keep their place: a start goes on from
 * there.
 *
 * A savepoint is a folder that holds a job as of one commit: `_metadata` (JSON: script, places of
 * its inputs, manifests of its states) and the files of the states. It needs nothing outside of it,
 * may be moved, and stays until somebody removes it. Threads: one per job (the coordinator) and one
 * per pipeline. Calls here from any thread.
 *
 * Parallelism. A pipeline is one thread that pulls a batch, and no queue is in it: what is heavy
 * within a batch is shared out among a team of threads (base/team.h) and joined, so that order,
 * cuts and watermarks are those of one thread. Shared out are
 * - decoding a poll, and the SELECT of an input over it: in slices, put together in their order;
 * - operators that go by keys (operator/shards.h): in shards, each with operators, state and
 *   connection of its own, rows going by a hash of their keys' values.
 * What has no keys is one operator, as it would be anyway. 'parallelism.default' is the number of
 * threads. The number of shards is 'pipeline.max-parallelism', or the threads where it is not said;
 * a state that was made with another number is split anew at a start (flow_state.c).
 */
#ifndef STREAM_JOB_H
#define STREAM_JOB_H

#include "operator/operator.h"
#include "sql/sql.h"
#include "stream/stream.h"

struct stream_engine;

/* What a pipeline reads, one of them or many. Inputs with one `source` are read together: it is
 * polled once, each shapes the rows for itself, and the marks are those of the first. Places are
 * kept by the names of all of them all the same, so that plans may come to share, or stop to. */
struct stream_input {
    const char *name;             /* stable within the pipeline; positions are kept by it */
    const char *topic;            /* of the source, for summaries and screens */
    struct stream_source *source; /* own, or an earlier input's */
    const char *pre;   /* SELECT over its rows as `feed`, row by row: a row that it cannot compute
                          becomes a reject; NULL: they pass as they are */
    const char *marks; /* SELECT partition, watermark in ms over its rows (sql.h); NULL: no time */
    int64_t idle_ms;   /* without rows for so long a partition holds nothing back; 0: never */
    const char *align_group; /* inputs of the job's pipelines that wait for each other: none is read
                                further than align_drift_ms ahead of the last of them; NULL: none */
    int64_t align_drift_ms;
};

/* What stands between the inputs and the sink. `build` makes operators above the leaves, which are
 * in the order of the inputs and give what their `pre` gives; the one made last is the root. */
struct stream_graph {
    int (*build)(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err);
    void *arg;
    /* The name that people know a column by, and its type: of the operator of that number (op_info)
     * or, with input >= 0, of what that input brings it. false: it has none. NULL: no column has.
     */
    bool (*column)(void *arg, int op, int input, size_t column, struct sql_output *out);
    bool keyed; /* some operators go by keys: made in shards where the graph has those (shards.h) */
};

struct stream_pipeline {
    const char *name;            /* "payment_charges > payments_db.payment_charges": stable */
    const char *target;          /* of the sink */
    struct stream_input *inputs; /* in the planner's arena, as all text is */
    size_t input_count;
    const struct stream_graph *graph; /* NULL: the rows of the one input are the sink's */
    struct stream_sink *sink;         /* own */
};

/* What follows a failure that may pass. Flink 1.20, RestartStrategyOptions. */
enum stream_restart_kind {
    STREAM_RESTART_DEFAULT, /* for ever; the pause doubles up to the engine's longest, and is the
                               shortest again after a commit */
    STREAM_RESTART_NONE,
    STREAM_RESTART_FIXED,
    STREAM_RESTART_RATE,
    STREAM_RESTART_EXPONENTIAL
};
struct stream_restart {
    enum stream_restart_kind kind;
    int64_t fixed_attempts, fixed_delay_ms;
    int64_t rate_delay_ms, rate_interval_ms, rate_failures;
    int64_t initial_ms, max_ms, reset_ms, exponential_attempts;
    double multiplier, jitter;
};

typedef const char *stream_setting_fn(void *arg, const char *key); /* NULL: not set */

#define STREAM_PARALLELISM_MAX 32768 /* that may be asked for, as in Flink */
#define STREAM_THREADS_MAX     16    /* of a pipeline; who asks for more has so many */
#define STREAM_SHARDS_MAX      16    /* likewise, of a state */
struct stream_plan {
    struct stream_pipeline *pipelines; /* in the planner's arena */
    size_t count;
    struct stream_sink *rejects; /* own; NULL: a reject fails the job */
    struct stream_sink *late;    /* own; NULL: rows that come too late are counted only */
    const char *late_table;      /* what the settings say of it; NULL: nothing */
    int64_t commit_interval_ms;  /* 0: the engine's */
    int64_t commit_pause_ms;     /* at least, between the end of one and the next */
    struct stream_restart restart;
    int64_t parallelism;        /* threads a pipeline */
    int64_t max_parallelism;    /* shards of a state; 0: as many as threads */
    const char *savepoint_dir;  /* a folder or s3://...; NULL: the engine's */
    const char *checkpoint_dir; /* every commit is copied there; NULL: nowhere */
    const char *start_from;     /* a savepoint, when the job has no place yet; NULL: none */
    stream_setting_fn *setting; /* asked where the script says nothing; filled by the engine */
    void *setting_arg;
};
/* Fills all that a script's settings say, by Flink's names. ERR_INVALID names key and value. */
int stream_plan_settings(struct stream_plan *plan, struct arena *arena, stream_setting_fn *setting,
                         void *arg, struct err *err);
void stream_plan_defaults(struct stream_plan *plan);         /* what it says without any */
int64_t stream_plan_threads(const struct stream_plan *plan); /* that a pipeline has */
int64_t stream_plan_shards(const struct stream_plan *plan);  /* of a state that is made; 0: none */

/* Fills `out` from the script; strings in the arena, which lives as long as the job runs. */
typedef int stream_plan_fn(void *arg, const char *job, const char *script, struct arena *arena,
                           struct stream_plan *out, struct err *err);
/* Closes sources and sinks of a plan; the arena stays. */
void stream_plan_close(struct stream_plan *plan);

struct stream_engine_options {
    struct meta *meta; /* borrowed for the engine's life, as are the next two */
    struct vec_db *db; /* for fragments */
    struct clock *clock;
    struct disk *disk;          /* of state, in a folder of its own; both NULL: no pipeline may */
    const char *state_dir;      /* remember rows */
    int64_t state_memory_bytes; /* of each pipeline's state; more lies on disk; 0: no limit */
    bool step_threads; /* a job in steps has its plan's threads too, and is not to be repeated */
    const char *savepoint_dir; /* where a savepoint goes that is not told where; NULL: nowhere */
    struct store *store;       /* of savepoints on s3://; NULL: there are none */
    stream_plan_fn *plan;
    void *plan_arg;
    stream_setting_fn *setting; /* Flink's settings of all jobs, under those of a script; or NULL */
    void *setting_arg;
    int64_t commit_interval_ms;             /* 5000 */
    int64_t commit_bytes;                   /* cut early at this many bytes read; 0: 256 MiB */
    int64_t restart_min_ms, restart_max_ms; /* 1000, 60000 */
    int64_t watchdog_ms; /* offsets moved and no commit for this long: failed. 0: 60000 */
};

int stream_engine_new(struct stream_engine **out, const struct stream_engine_options *options,
                      struct err *err);
/* Stops every job: a last cut, a last commit, threads joined. States stay as they are. */
void stream_engine_free(struct stream_engine *engine);

/* Makes the row when absent and starts the job. A job of this name with the same script goes on
 * where it was: submitting again is harmless. Another script replaces the old one and keeps the
 * offsets of inputs and pipelines whose names did not change. */
int stream_engine_submit(struct stream_engine *engine, const char *name, const char *script,
                         struct err *err);
/* Starts every job whose row says RUNNING or RESTARTING and that is not running yet. */
int stream_engine_resume(struct stream_engine *engine, struct err *err);
/* Jobs are called by name or id from here on. */
/* With a last commit if that is quick; else rows since the one before are read again by a start. */
int stream_engine_cancel(struct stream_engine *engine, const char *name, struct err *err);
/* A job that has ended goes on where it was, or from a savepoint: its places and states are then
 * those of the savepoint, and what came later is read again. ERR_EXISTS: it runs. */
int stream_engine_start(struct stream_engine *engine, const char *name,
                        const char *from /* or NULL */, struct err *err);
/* As submit, of a job that starts from a savepoint. */
int stream_engine_submit_from(struct stream_engine *engine, const char *name, const char *script,
                              const char *from, struct err *err);
/* Cuts, commits and keeps it. `dir` NULL: where the job's settings say, else the engine's. With
 * `stop` the job ends with that commit: FINISHED. The path is in the arena. Waits. */
int stream_engine_savepoint(struct stream_engine *engine, const char *name, const char *dir,
                            bool stop, struct arena *arena, const char **path, struct err *err);
/* Waits until the job has committed everything its sources held at the call, at most timeout_ms. */
int stream_engine_catch_up(struct stream_engine *engine, const char *name, int64_t timeout_ms,
                           struct err *err);

struct stream_input_info {
    const char *name, *topic;
    int64_t rows, lag;       /* polled since the start; records not read yet, -1 unknown */
    bool timed, idle, ended; /* timed: it has watermarks */
    bool held;               /* it waits for others of its align_group */
    int64_t watermark_ms;    /* OP_TIME_MIN: none yet */
    int64_t slowest;         /* the partition that holds it back; -1: none, or none looked at yet */
};
struct stream_op_info {
    struct op_info so_far;
    double in_s, out_s, busy; /* rows a second; share of the last second in it alone */
};
struct stream_pipeline_info {
    const char *name, *topic, *target;  /* topic: of the first input */
    int64_t rows_in, rows_out, rejects; /* since the start; rows_out committed */
    int64_t rows_committed;             /* over all starts */
    int64_t lag;                        /* of all inputs; -1 unknown */
    const char *waiting;                /* why it waits, or NULL */
    struct stream_input_info *inputs;
    size_t input_count;
    double rows_in_s, busy, backpressured, source_busy; /* shares of the last second: it works; it
                                                            waits for the sink; it reads */
    int64_t busy_ms, backpressured_ms, idle_ms;         /* since the start */
    struct stream_op_info *ops; /* the root first; leaves are numbered as the inputs */
    size_t op_count;
};
/* A commit that was made, or a savepoint. */
struct stream_checkpoint {
    int64_t id, trigger_ms, took_ms, state_bytes, rows;
    const char *savepoint; /* its path; NULL: a commit */
    const char *copy;      /* of a commit: where it was copied to, and is still if it is the last */
};
struct stream_failure {
    int64_t time_ms;
    const char *text;
};
struct stream_job_info {
    const char *name, *id, *state, *reason, *script;
    int64_t created_ms, started_ms;
    int64_t epoch;          /* last committed */
    int64_t committed_ms;   /* when; 0: never */
    int64_t commit_took_ms; /* the last one, cut to true */
    int64_t restarts, rejects /* over all starts */;
    struct stream_pipeline_info *pipelines;
    size_t count;
    int64_t interval_ms, pause_ms, parallelism;
    struct stream_restart restart;
    int64_t commits, commits_failed;       /* since it was started here */
    struct stream_checkpoint *checkpoints; /* the last ones, newest first */
    size_t checkpoint_count;
    struct stream_failure *failures; /* likewise */
    size_t failure_count;
};
/* Every job, by name. Everything in the arena. */
int stream_engine_list(struct stream_engine *engine, struct arena *arena,
                       struct stream_job_info **out, size_t *count, struct err *err);

/* Why nothing comes out, in lines for people: which partition holds a window back, who waits for
 * whom, what came too late. */
int stream_why(const struct stream_job_info *job, int64_t now_ms, struct buf *out);

/* The last epoch that the job of that id has committed; -1: there is no such job. Any thread. */
int stream_committed_epoch(struct meta *meta, const char *job_id, int64_t *epoch, struct err *err);

extern const struct meta_migration stream_migrations[];

/* One job without threads, for the simulator and for tests: steps run on the caller's thread. */
struct stream_job;
int stream_job_new(struct stream_job **out, const struct stream_engine_options *options,
                   const char *name, const char *script, struct err *err);
/* Reads what the sources hold now, at most max_polls polls each, cuts and commits. */
int stream_job_step(struct stream_job *job, int max_polls, struct err *err);
int64_t stream_job_epoch(struct stream_job *job);
void stream_job_free(struct stream_job *job);

#endif
