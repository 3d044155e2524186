/* stream_int.h - what the files of this room share: rows, pipelines, cuts, jobs. */
#ifndef STREAM_STREAM_INT_H
#define STREAM_STREAM_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "stream/job.h"

/* Rejects of one pipeline in one epoch, in columns (stream_reject_columns). */
struct reject_buf {
    struct vec_columns columns;
    struct vec_batch batch;
    struct clock *clock; /* borrowed */
    int64_t bytes;
};
int reject_buf_init(struct reject_buf *buf, struct clock *clock);
void reject_buf_deinit(struct reject_buf *buf);
int reject_buf_add(struct reject_buf *buf, const struct stream_reject *reject, struct err *err);

/* The end of a pipeline's part of an epoch, on its way to the commit. */
struct pipeline_cut {
    struct arena arena;              /* of the position */
    struct stream_position position; /* count 0: nothing known yet */
    struct stream_cut *cut;          /* NULL: no rows */
    struct vec_batch rejects;
    const char *state; /* manifest; NULL: the pipeline keeps none */
    bool moved; /* the position differs from the committed one; job_commit tells */
};
void pipeline_cut_deinit(struct pipeline_cut *cut); /* the sink's part must be gone */

struct pipeline {
    struct job *job;
    const struct stream_pipeline *spec;
    struct vec_conn *conn;
    struct vec_fragment *fragment; /* NULL: rows pass */
    struct flow *flow;             /* NULL: every row stands alone */
    struct vec_feed feed;
    struct vec_batch polled, shaped, *ready; /* ready: the one that the feed serves */
    size_t next_chunk;
    struct reject_buf rejects;
    int64_t bytes_in_epoch;
    int polls_left; /* step mode: polls until the feed ends; -1: no limit (threads) */
    _Atomic bool ended; /* its source is bounded and read */
    bool over;          /* the coordinator's: ended, and its last part was taken */
    struct err err; /* why the epoch failed */

    struct arena arena; /* of `committed`, which is the coordinator's */
    struct stream_position committed;

    /* Under the job's mutex. */
    pthread_t thread;
    bool started, given, done; /* given: `cut` waits for the coordinator; done: thread over */
    int rc;
    struct pipeline_cut cut;
    char waiting[200]; /* why it waits; "" when it does not */

    _Atomic int64_t rows_in, rows_out, rejected, rows_committed;
};

struct job {
    struct job *next; /* the engine's list */
    const struct stream_engine_options *options;
    char *name, *script;
    char id[33];
    struct arena arena; /* of the plan */
    struct stream_plan plan;
    struct pipeline *pipelines;
    size_t count;
    bool threads; /* false: step mode */

    pthread_t thread;
    bool joinable;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex. */
    const char *state; /* a literal */
    char reason[400];
    bool stop, cut_early; /* stop: what `stopping` says, for those that wait */
    bool ending; /* the part that each pipeline gives next is its last */
    int64_t cuts_done;   /* the number of the last cut whose commit is over */
    int64_t restarts, rejects, created_ms, started_ms, committed_ms, commit_took_ms;
    int64_t epoch; /* last committed */

    _Atomic int64_t progress_ns; /* mono time of the last commit, or of the first row after it */
    _Atomic bool uncommitted;    /* rows or rejects came since the last cut that committed */
    _Atomic bool stopping;        /* stop, or a pipeline failed: feeds end for good */
    _Atomic bool cut_signal;      /* pipelines end their feeds */
};

/* flow.c: what a pipeline remembers. All calls on its thread but flow_is_true. */
struct flow;
int flow_open(struct flow **out, struct pipeline *p, const struct vec_columns *source,
              const struct vec_columns *shaped, const char *manifest, struct err *err);
void flow_close(struct flow *flow); /* accepts NULL */
const struct vec_columns *flow_columns(const struct flow *flow);
/* What follows from the rows of one poll, as the source gave them and as `pre` shaped them. */
int flow_rows(struct flow *flow, const struct vec_batch *polled, const struct vec_batch *shaped,
              struct err *err);
int flow_end(struct flow *flow, struct err *err); /* the source is bounded and over */
struct vec_batch *flow_out(struct flow *flow);
/* Writes down what changed; the manifest, in the arena, goes into the epoch's transaction. */
int flow_seal(struct flow *flow, struct arena *arena, const char **manifest, struct err *err);
void flow_is_true(struct flow *flow); /* that transaction was made. Any thread */

/* rows.c: jobs in the metadata store. */
struct job_row {
    const char *name, *id, *script, *state, *reason;
    int64_t epoch, created_ms, committed_ms, rejects;
};
int rows_submit(struct meta *meta, struct clock *clock, const char *name, const char *script,
                struct err *err);
int rows_load(struct meta *meta, struct arena *arena, const char *name /* NULL: all */,
              struct job_row **out, size_t *count, struct err *err);
int rows_state(struct meta *meta, const char *name, const char *state,
               const char *reason, struct err *err);
/* Claims the job for this process (zombies of an older epoch then fail to commit). */
int rows_claim(struct meta *meta, const char *name, struct err *err);
int rows_position(struct meta *meta, const char *job, const char *pipeline, struct arena *arena,
                  struct stream_position *out, int64_t *rows_committed, const char **state,
                  struct err *err);
/* Inside the commit's transaction. */
int rows_commit_epoch(struct meta_txn *txn, struct job *job, int64_t epoch, int64_t rejects,
                      int64_t owner, struct err *err);
int rows_commit_position(struct meta_txn *txn, const char *job, const char *pipeline,
                         const struct stream_position *position, int64_t rows,
                         const char *state, struct err *err);

/* pipeline.c */
int pipeline_open(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                  struct err *err);
void pipeline_close(struct pipeline *p);
int pipeline_epoch(struct pipeline *p, struct pipeline_cut *out); /* error in p->err */
void *pipeline_main(void *pipeline);

/* commit.c */
int job_commit(struct job *job, struct pipeline_cut *cuts, bool *committed, struct err *err);

/* job.c */
int job_new(struct job **out, const struct stream_engine_options *options,
            const struct job_row *row, struct err *err);
void job_free(struct job *job);
int job_open(struct job *job, struct err *err);
void job_close(struct job *job);
int job_start(struct job *job, struct err *err); /* the coordinator's thread */
void job_stop(struct job *job); /* asks for a last commit; job_join waits */
void job_join(struct job *job);
int job_step(struct job *job, int max_polls, struct err *err);

#endif
