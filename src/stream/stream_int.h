/* stream_int.h - what the files of this room share: rows, pipelines, cuts, jobs. */
#ifndef STREAM_STREAM_INT_H
#define STREAM_STREAM_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "format/row_format.h"
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

/* Late rows of one pipeline in one epoch, in columns (stream_late_columns). */
struct late_writer {
    int op, input;
    char name[64];
    struct row_encoder *encoder;
};
struct late_buf {
    struct vec_columns columns;
    struct vec_batch batch;
    struct late_writer *writers; /* one for each place where rows were late */
    size_t writer_count;
    struct buf text;
    int64_t bytes;
};
int late_buf_init(struct late_buf *buf);
void late_buf_deinit(struct late_buf *buf);
/* op_graph_options.late with the pipeline as its arg. */
int late_row(void *pipeline, const struct op_late_row *late, struct err *err);

/* The end of a pipeline's part of an epoch, on its way to the commit. */
struct pipeline_cut {
    struct arena arena;                /* of the positions and the state's manifest */
    struct stream_position *positions; /* of the inputs; an empty one: nothing known yet */
    struct stream_cut *cut;            /* NULL: no rows */
    struct vec_batch rejects, late;
    int64_t state_epoch; /* of the seal; 0: the pipeline keeps no state, or it is as it was */
    const char *state;   /* then: its manifest, once it is written */
    int64_t state_bytes; /* of its files */
    bool moved;          /* a position differs from the committed one; job_commit tells */
};
void pipeline_cut_deinit(struct pipeline_cut *cut); /* the sink's part must be gone */

/* Files that are to be durable before a manifest is true. */
struct syncs {
    struct state_sync *list[STREAM_SHARDS_MAX + 1];
    size_t count;
};

/* A seal that was written, until the coordinator takes it. */
struct sealed_state {
    int64_t epoch; /* 0: none */
    char *manifest;
    int64_t bytes;
    struct syncs syncs; /* of its files */
};

/* Time of one partition of an input. */
struct mark {
    int64_t highest_ms; /* that its rows gave; OP_TIME_MIN: none */
    int64_t seen_ms;    /* the pipeline's awake_ms at the last of them, or at its first sight */
};

/* Some chunks of a poll through a SELECT, on a thread of their own. */
struct slice_run {
    struct vec_fragment *fragment;
    struct vec_batch in, out; /* in: chunks of the poll, borrowed */
    int rc;
    struct err err;
};

/* One of the sources of a pipeline, on its thread; what is _Atomic is shown to others. */
struct input {
    struct pipeline *pipeline;
    const struct stream_input *spec;
    struct slice_run *pre, *marks; /* NULL: rows pass; nothing goes by time */
    size_t slice_count;            /* of each, one a thread */
    struct vec_batch polled, shaped, marked;
    struct vec_batch *rows; /* what the last poll gave: one of the above */
    struct op *leaf;        /* NULL: without a graph */
    struct input *first;    /* of its source: the one that polls, keeps time, ends; maybe itself */
    struct input *next;     /* of the same source */
    bool *rejected;         /* of the first, when others read along: rows of the last poll */
    size_t rejected_cap;

    struct mark *partitions;
    size_t partition_count;
    struct arena scratch;
    int64_t mark;      /* told to the leaf last */
    bool ended;        /* bounded, and read */
    bool gave;         /* rows, when polled last */
    bool gone;         /* its topic is not there */
    int64_t retry_ms;  /* then: mono time of the next try */
    int passed_over;   /* turns given to others because it is ahead of them */
    _Atomic bool held; /* it waits for others of its align_group */
    _Atomic bool idle, over;
    _Atomic int64_t rows_in, mark_shown, slowest;
};

/* Where a pipeline's time goes, in ns. */
struct work {
    int64_t source, flow, sink, quiet;
};
#define OPS_SHOWN 64
struct shown {
    struct op_info ops[OPS_SHOWN];
    size_t count;
    struct work work, rate; /* rate: ns of the last second or so, per second */
    int64_t rows_in;
    double rows_in_s, in_s[OPS_SHOWN], out_s[OPS_SHOWN],
        busy[OPS_SHOWN]; /* busy: share of a second */
};

/* A pipeline that only looks at what another one's commits have written (states.c). */
enum reads { READS_NOTHING, READS_NAMES, READS_STATE };

struct pipeline {
    struct job *job;
    enum reads reads; /* NOTHING: it runs */
    const struct stream_pipeline *spec;
    struct input *inputs;
    size_t count, turn; /* turn: the input that is asked next */
    struct vec_conn *conn;
    struct team *team;       /* NULL: the pipeline's thread does all */
    struct vec_conn **conns; /* one for each thread of the team; the first is `conn` */
    struct flow *flow;       /* NULL: every row stands alone */
    struct vec_feed feed;
    struct vec_batch *ready; /* the one that the feed serves; NULL: none */
    size_t next_chunk;
    struct reject_buf rejects;
    struct late_buf late;
    int64_t ticked_ms, awake_ms; /* mono time of the last tick; time but for long waits: a sink that
                                    stalls makes no partition idle */
    int64_t rows_ns;             /* mono time of the last rows */
    int64_t work_ns;             /* likewise, or of the end of an epoch that had some */
    struct nap *nap;             /* NULL: without threads */
    int64_t bytes_in_epoch;
    int64_t polls_left; /* step mode: polls until the feed ends; -1: no limit (threads) */
    _Atomic bool ended; /* its sources are bounded and read */
    bool over;          /* the coordinator's: ended, and its last part was taken */
    bool stirred;       /* rows came, or went, since the last cut */
    struct err err;     /* why the epoch failed */

    struct arena arena; /* of `committed`, which is the coordinator's */
    struct stream_position *committed;

    /* Under the job's mutex. */
    pthread_t thread;
    bool started, given, done; /* given: `cut` waits for the coordinator; done: thread over */
    int rc;
    struct pipeline_cut cut;
    char waiting[200];             /* why it waits; "" when it does not */
    struct sealed_state sealed[2]; /* by the epoch's parity: the next may be there already */

    /* What it does, copied for others twice a second; under the job's mutex but for `work`. */
    struct work work; /* so far; the pipeline's thread alone */
    struct shown shown;
    int64_t shown_ns;        /* mono time of the last copy */
    _Atomic int64_t left_ns; /* since when the sink has the rows, or its commit is waited for; 0: it
                                does not */

    _Atomic int64_t pause_ns; /* longest that a seal took */
    _Atomic int64_t rows_in, rows_out, rejected, rows_committed;
};

/* What the restart strategy remembers. */
struct restarts {
    int64_t count, attempts, last_ms, pause_ms;
    int64_t at_ms[64]; /* of the last failures, by count */
};
bool restart_after(const struct stream_restart *restart, struct restarts *past, int64_t now_ms,
                   int64_t *pause_ms); /* false: no more */

/* Somebody waits for a savepoint; on his stack, under the job's mutex. */
struct savepoint_request {
    const char *dir;
    bool stop, done;
    char path[1024];
    int rc;
    struct err err;
};

/* What savepoint_copy has put where, as long as the job is open. */
struct copy {
    char *path;
    int64_t round; /* that named it last */
};
struct copies {
    struct copy *list;
    size_t count, cap;
    int64_t round;
    char last[1024]; /* the copy made last; "": none */
};

/* What is shown of the past; all under the job's mutex. */
#define CHECKPOINTS_SHOWN 10
#define FAILURES_SHOWN    16
struct past {
    struct {
        int64_t id, trigger_ms, took_ms, state_bytes, rows;
        char *savepoint; /* NULL: a commit */
        char *copy;      /* NULL: none */
    } checkpoints[CHECKPOINTS_SHOWN];
    struct {
        int64_t time_ms;
        char *text;
    } failures[FAILURES_SHOWN];
    int64_t checkpoint_count, failure_count, commits, commits_failed;
};

struct job {
    struct job *next; /* the engine's list */
    const struct stream_engine_options *options;
    struct state_writer *writer; /* the engine's; NULL: none */
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
    const char *state;    /* a literal */
    char reason[500];     /* as long as that of an error */
    bool stop, cut_early; /* stop: what `stopping` says, for those that wait */
    bool ending;          /* the part that each pipeline gives next is its last */
    int64_t cuts_done;    /* the number of the last cut whose commit is over */
    int64_t restarts, rejects, created_ms, started_ms, committed_ms, commit_took_ms;
    int64_t epoch;                       /* last committed */
    struct savepoint_request *savepoint; /* NULL: nobody waits for one */
    bool saved;                          /* it ended with a savepoint */
    bool over;                           /* its thread answers nobody any more */
    int users;                           /* callers that wait for this job: it may not be freed */
    struct past past;
    struct stream_restart restart; /* of the last plan */
    int64_t interval_ms, pause_ms, parallelism;
    char savepoint_dir[1024];      /* likewise; "": none */
    struct restarts restarts_past; /* the coordinator's alone, as are the next two */
    struct copies copies;
    bool copy_failed;   /* said once */
    char repaired[300]; /* what was fetched when its state was opened; "": nothing */

    _Atomic int64_t progress_ns; /* mono time of the last commit, or of the first row after it */
    _Atomic bool uncommitted;    /* rows or rejects came since the last cut that committed */
    _Atomic bool stopping;       /* stop, or a pipeline failed: feeds end for good */
    _Atomic bool cut_signal;     /* pipelines end their feeds */
    _Atomic int64_t given_up_ns; /* mono time from which nobody waits for its state; 0: it was not
                                    cancelled */
};

/* input.c: rows of one source, shaped, and their time. What polls or asks for time is called with
 * the first input of a source, and does its work for those that read along. */
int input_open(struct input *in, struct pipeline *p, const struct stream_input *spec,
               struct err *err);
void input_close(struct input *in);
const struct vec_columns *input_columns(const struct input *in); /* of what `pre` gives */
/* 0 with in->rows filled (maybe with none), ERR_CLOSED at the end of a bounded source, ERR_NOENT
 * when its topic is not there. */
int input_poll(struct input *in, struct err *err);
/* Takes the marks of the rows of the last poll; then, and when only time went by, input_time says
 * whether the watermark is another one and whether nobody has spoken for too long. */
int input_marks(struct input *in, struct err *err);
int input_time(struct input *in, bool *rose, bool *idle, struct err *err);

/* flow_state.c: the states of a flow, its own and one for each shard of its operators. On the
 * pipeline's thread; what takes long is shared out among its team. */
struct flow_state {
    struct state **states;   /* the flow's own; of shard n behind it at n */
    struct op_shard *shards; /* with them; `shard_count` */
    size_t shard_count;      /* 0: the operators are not split */
    struct team *team;
};
int flow_state_shards(const char *manifest, size_t *shards, struct err *err); /* NULL: 0 */
int flow_state_open(struct flow_state *s, struct pipeline *p, size_t shards, struct err *err);
void flow_state_close(struct flow_state *s);
int flow_state_load(struct flow_state *s, const char *manifest, struct err *err);
/* Of a manifest with another number of shards: each entry goes where it belongs now, and the next
 * epoch holds all of it. What the manifest names stays until that is true. */
int flow_state_move(struct flow_state *s, struct pipeline *p, const char *manifest,
                    struct op_graph *graph, struct err *err);
/* Once what was loaded needs no others: folders of shards that there were before. */
void flow_state_sweep(const struct flow_state *s, const struct pipeline *p);
int flow_state_seal(struct flow_state *s, int64_t epoch, struct err *err);
int flow_state_flush(struct flow_state *s, int64_t budget_ns, bool *done, struct err *err);
int flow_state_manifest(struct flow_state *s, int64_t epoch, struct arena *arena, const char **json,
                        struct err *err);
void flow_state_committed(struct flow_state *s);
bool flow_state_is_busy(const struct flow_state *s);
int64_t flow_state_disk_bytes(const struct flow_state *s);
void flow_state_take_syncs(struct flow_state *s, struct syncs *out);
int syncs_wait(struct syncs *syncs, struct err *err); /* any thread; empties it */
void syncs_free(struct syncs *syncs);                 /* without */

void input_rest(struct input *in); /* between polls: the last one's rows and all for them goes */
void input_seen(struct input *in); /* none of its partitions was silent up to now */

/* flow.c: what a pipeline remembers. All calls on its thread but flow_is_true. */
struct flow;
int flow_open(struct flow **out, struct pipeline *p, const char *manifest, struct err *err);
void flow_close(struct flow *flow); /* accepts NULL */
const struct vec_columns *flow_columns(const struct flow *flow);
/* What follows from the rows of an input's poll, from its end, and from time that goes by: in
 * flow_out until the next call. */
int flow_rows(struct flow *flow, struct input *in, struct err *err);
int flow_end(struct flow *flow, struct input *in, struct err *err);
int flow_tick(struct flow *flow, struct err *err);
struct vec_batch *flow_out(struct flow *flow);
/* Ends an epoch of the state, which takes no time. flow_flush then writes it down beside the rows
 * that follow; then p->sealed has the manifest for the epoch's transaction. */
int flow_seal(struct flow *flow, struct pipeline_cut *cut, struct err *err);
int flow_flush(struct flow *flow, int64_t budget_ns, struct err *err);
int flow_finish(struct flow *flow, struct err *err); /* until it is written */
struct op_graph *flow_graph(struct flow *flow);
size_t flow_info(const struct flow *flow, struct op_info *out, size_t max);
bool flow_is_sealed(const struct flow *flow);        /* and not written */
bool flow_is_busy(const struct flow *flow);          /* flush has something to do */
void flow_is_true(struct flow *flow, int64_t epoch); /* that was made. Any thread */

/* rows.c: jobs in the metadata store. */
struct job_row {
    const char *name, *id, *script, *state, *reason;
    int64_t epoch, created_ms, committed_ms, rejects;
};
int rows_submit(struct meta *meta, struct clock *clock, const char *name, const char *script,
                struct err *err);
int rows_load(struct meta *meta, struct arena *arena, const char *name /* NULL: all */,
              struct job_row **out, size_t *count, struct err *err);
int rows_state(struct meta *meta, const char *name, const char *state, const char *reason,
               struct err *err);
/* Claims the job for this process (zombies of an older epoch then fail to commit). */
int rows_claim(struct meta *meta, const char *name, struct err *err);
/* Of an input; what was written down before pipelines had several is found for the only one. */
int rows_position(struct meta *meta, const char *job, const struct stream_pipeline *pipeline,
                  const char *input, struct arena *arena, struct stream_position *out,
                  struct err *err);
/* Rows committed, and the manifest of its state; NULL: none. */
int rows_pipeline(struct meta *meta, const char *job, const char *pipeline, struct arena *arena,
                  int64_t *rows_committed, const char **state, struct err *err);
/* Inside the commit's transaction. */
int rows_commit_epoch(struct meta_txn *txn, struct job *job, int64_t epoch, int64_t rejects,
                      int64_t owner, struct err *err);
int rows_commit_position(struct meta_txn *txn, const char *job, const char *pipeline,
                         const char *input, const struct stream_position *position,
                         struct err *err);
int rows_commit_pipeline(struct meta_txn *txn, const char *job, const char *pipeline, int64_t rows,
                         const char *state, struct err *err);

/* A job's row by name or id. ERR_NOENT says what to do. */
int rows_find(struct meta *meta, struct arena *arena, const char *name, struct job_row **out,
              struct err *err);

const struct stream_engine_options *stream_engine_options(struct stream_engine *engine);

/* The folder of a pipeline's state: 0, or of a shard's. */
void state_folder(const struct stream_engine_options *options, const char *job_id,
                  const char *pipeline, size_t shard, char *path, size_t size);

/* savepoint.c: of a job whose commits are the caller's or that does not run. */
int savepoint_write(const struct stream_engine_options *options, const char *job, const char *dir,
                    char *path, size_t path_size, struct err *err);
/* The job's last commit, copied to DIR/ID/chk-EPOCH as it is made: only files that are new. The
 * copy before it goes. */
int savepoint_copy(const struct stream_engine_options *options, const char *job, const char *dir,
                   struct copies *copies, struct err *err);
void copies_deinit(struct copies *copies);
/* Files are copied, then rows changed at once: the job, made when absent, has a new id. `script`
 * NULL: the savepoint's. */
int savepoint_restore(const struct stream_engine_options *options, const char *job,
                      const char *script, const char *path, struct err *err);
void savepoint_sweep(const struct stream_engine_options *options); /* folders of no job */

/* repair.c: a state was not loaded for `loaded`, and `err` says why. 0: its torn files were fetched
 * from where they were copied to, and it may be loaded again. ERR_INVALID: they were not, and `err`
 * says behind its text what can be done. */
int state_repair(struct job *job, const char *pipeline, const char *manifest, int loaded,
                 struct err *err);

/* info.c: what is shown. */
void past_commit(struct job *job, int64_t trigger_ms, int64_t took_ms, int64_t state_bytes,
                 int64_t rows, const char *savepoint);
void past_copy(struct job *job, const char *path); /* of the last commit */
void show_work(struct pipeline *p);                /* on its thread; cheap when it is too early */
void past_failure(struct job *job, const char *text);
void past_deinit(struct past *past);
void job_info(struct job *job, struct arena *arena, struct stream_job_info *out);

/* nap.c: waiting for rows. */
int nap_open(struct pipeline *p, struct err *err);
void nap_close(struct pipeline *p);
void nap_take(struct pipeline *p); /* until there may be rows, or time has to go on */
void nap_end(struct pipeline *p);  /* any thread */

/* pipeline.c */
int pipeline_open(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                  struct err *err);
/* One that never runs: its operators, with the state of `manifest` or, of its names, without. */
int pipeline_open_reader(struct pipeline *p, struct job *job, const struct stream_pipeline *spec,
                         enum reads reads, const char *manifest, struct err *err);
void pipeline_close(struct pipeline *p);
int pipeline_epoch(struct pipeline *p, struct pipeline_cut *out); /* error in p->err */
int pipeline_reject(void *pipeline, const struct stream_reject *reject, struct err *err);
/* Of a cut that sealed a state: waits until that is written, makes it durable. */
int pipeline_await_state(struct pipeline *p, struct pipeline_cut *cut, struct err *err);
void pipeline_wake(struct pipeline *p); /* ends a wait for rows. Any thread */
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
void job_stop(struct job *job);                  /* asks for a last commit; job_join waits */
/* Likewise, but a last commit that has state to write for long is not made: rows since the commit
 * before it are read again by a start. */
void job_cancel(struct job *job);
bool job_is_given_up(const struct job *job); /* it was cancelled, and that long is over */
void job_join(struct job *job);
int job_step(struct job *job, int max_polls, struct err *err);

#endif
