/* job.h - running jobs: from a row in the metadata store to threads, and back after a crash.
 *
 * A job is a row: name, script, state, epoch. The engine asks a planner (supplied by `connector`)
 * to turn the script into pipelines, at the first start and at every restart, so that a plan never
 * outlives what it was made of.
 * States: RUNNING (also while it waits for a topic), RESTARTING (failed, backing off), FAILED (will
 * not be retried; reason says why), CANCELED, FINISHED (every source was bounded and is read).
 * Threads: one per job (the coordinator) and one per pipeline. Calls here from any thread.
 */
#ifndef STREAM_JOB_H
#define STREAM_JOB_H

#include "operator/operator.h"
#include "stream/stream.h"

struct stream_engine;

/* Rows that must be remembered: source -> pre -> operator -> select -> sink. Borrowed. */
struct stream_flow {
    const char *pre;   /* over the source's rows */
    const char *marks; /* partition and watermark over the same (sql.h); NULL: none */
    struct op_aggregate_spec aggregate; /* of pre's rows */
};

struct stream_pipeline {
    const char *name;              /* "payment_charges > payments_db.payment_charges": stable */
    const char *topic;             /* of the source, for summaries and screens */
    const char *target;            /* of the sink */
    struct stream_source *source;  /* own */
    const char *select;            /* over the table `feed`; NULL: rows pass as they are */
    const struct stream_flow *flow; /* NULL: every row stands alone; else `select` is over it */
    struct stream_sink *sink;      /* own */
};

struct stream_plan {
    struct stream_pipeline *pipelines; /* in the planner's arena */
    size_t count;
    struct stream_sink *rejects; /* own; NULL: a reject fails the job */
    int64_t commit_interval_ms;  /* 0: the engine's */
};

/* Fills `out` from the script; strings in the arena, which lives as long as the job runs. */
typedef int stream_plan_fn(void *arg, const char *job, const char *script, struct arena *arena,
                           struct stream_plan *out, struct err *err);
/* Closes sources and sinks of a plan; the arena stays. */
void stream_plan_close(struct stream_plan *plan);

struct stream_engine_options {
    struct meta *meta;   /* borrowed for the engine's life, as are the next two */
    struct vec_db *db;   /* for fragments */
    struct clock *clock;
    struct disk *disk;       /* of state, in a folder of its own; both NULL: no pipeline may */
    const char *state_dir;   /* remember rows */
    stream_plan_fn *plan;
    void *plan_arg;
    int64_t commit_interval_ms; /* 5000 */
    int64_t commit_bytes;       /* cut early at this many bytes read; 0: 256 MiB */
    int64_t restart_min_ms, restart_max_ms; /* 1000, 60000 */
    int64_t watchdog_ms; /* offsets moved and no commit for this long: failed. 0: 60000 */
};

int stream_engine_new(struct stream_engine **out, const struct stream_engine_options *options,
                      struct err *err);
/* Stops every job: a last cut, a last commit, threads joined. States stay as they are. */
void stream_engine_free(struct stream_engine *engine);

/* Makes the row when absent and starts the job. A job of this name with the same script goes on
 * where it was: submitting again is harmless. Another script replaces the old one and keeps the
 * offsets of pipelines whose names did not change. */
int stream_engine_submit(struct stream_engine *engine, const char *name, const char *script,
                         struct err *err);
/* Starts every job whose row says RUNNING or RESTARTING and that is not running yet. */
int stream_engine_resume(struct stream_engine *engine, struct err *err);
int stream_engine_cancel(struct stream_engine *engine, const char *name, struct err *err);
/* Waits until the job has committed everything its sources held at the call, at most timeout_ms. */
int stream_engine_catch_up(struct stream_engine *engine, const char *name, int64_t timeout_ms,
                           struct err *err);

struct stream_pipeline_info {
    const char *name, *topic, *target;
    int64_t rows_in, rows_out, rejects; /* since the start; rows_out committed */
    int64_t rows_committed;             /* over all starts */
    int64_t lag;                        /* -1 unknown */
    const char *waiting;                /* why it waits, or NULL */
};
struct stream_job_info {
    const char *name, *id, *state, *reason, *script;
    int64_t created_ms, started_ms;
    int64_t epoch;            /* last committed */
    int64_t committed_ms;     /* when; 0: never */
    int64_t commit_took_ms;   /* the last one, cut to true */
    int64_t restarts, rejects /* over all starts */;
    struct stream_pipeline_info *pipelines;
    size_t count;
};
/* Every job, by name. Everything in the arena. */
int stream_engine_list(struct stream_engine *engine, struct arena *arena,
                       struct stream_job_info **out, size_t *count, struct err *err);

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
