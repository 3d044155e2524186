/* stream.h - what a job is made of: sources, sinks, and the cut that makes an interval true.
 *
 * A job has pipelines: source -> fragment -> sink. Every commit interval the job cuts: each
 * pipeline ends its part of the feed at an offset, each sink turns what it drained into a prepared
 * change, and one metadata transaction makes the changes of all sinks, the source offsets and the
 * epoch true.
 *
 * Order of a cut: (1) pipelines end their feeds, sinks finish their files; (2) the source logs are
 * flushed; (3) sinks stage: everything durable, nothing visible; (4) the metadata transaction;
 * (5) after_commit: high watermarks, caches. Pipelines read on for the next epoch meanwhile.
 * Steps 3 and 4 are one call where an epoch has a single cut and its sink a queue.
 * Invariants: a commit never names an offset past the flushed end or a file not synced; an interval
 * without rows, rejects or offset progress makes no commit, and one without rows no snapshot; an
 * epoch commits once, in order, by the owner of the data folder's epoch.
 * Crash anywhere before (4): the files are orphans and the offsets are the old ones: read again.
 * Crash after (4): `recover` repeats (5), which is idempotent.
 *
 * `stream` declares sources and sinks here; `connector` supplies them.
 * Threads: a source and drain belong to the pipeline's thread; flush, lag, stage, commit_in and
 * after_commit run on the job's (commit_in on the metadata writer's), beside the next drain.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/base.h"
#include "meta/meta.h"
#include "vec/vec.h"

/* A place in a source: the next offset to read of each partition, in partition order. */
struct stream_position {
    const char *incarnation; /* id of the topic: one deleted and made again starts anew */
    int64_t *offsets;
    size_t count;
};

/* A record that could not become a row. Slices are borrowed for the call. */
struct stream_reject {
    const char *reason; /* a sentence */
    const char *column; /* NULL: the whole record */
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct slice key, value; /* as received; key.ptr NULL: null */
};
typedef int stream_reject_fn(void *arg, const struct stream_reject *reject, struct err *err);

struct team;
struct stream_source;
struct stream_source_ops {
    /* Appends up to some thousand rows from the current place to `out` and moves on. 0 rows and
     * rc 0: nothing more now. ERR_CLOSED: a bounded source has reached its end. Bad records are
     * handed to `reject` and skipped. ERR_NOENT: the topic is gone: the job waits and says so. */
    int (*poll)(struct stream_source *, struct vec_batch *out, stream_reject_fn *reject, void *arg,
                struct err *);
    /* The record behind row `row` of the batch that poll gave last, for a fragment that fails on
     * it: fills all but reason and column. Good until the next poll. */
    int (*origin)(struct stream_source *, int64_t row, struct stream_reject *out, struct err *);
    /* Blocks until poll may give something, at most timeout_ms. */
    void (*wait)(struct stream_source *, int64_t timeout_ms);
    void (*wake)(struct stream_source *); /* ends a wait early; any thread */
    int (*position)(struct stream_source *, struct arena *, struct stream_position *, struct err *);
    /* `from` NULL: where the table's options say. */
    int (*seek)(struct stream_source *, const struct stream_position *from, struct err *);
    /* Makes durable every record that poll has given. Any thread. */
    int (*flush)(struct stream_source *, struct err *);
    int64_t (*lag)(struct stream_source *); /* records not read yet; -1 unknown. Any thread */
    const struct vec_columns *(*columns)(struct stream_source *);
    void (*free)(struct stream_source *);
    /* From now on fn is called, on any thread, whenever poll may give more than it gave last: who
     * listens need not ask in vain. fn must be short and call nothing of the source. NULL: no
     * more; none runs when it returns. A source without it is polled again and again. */
    void (*listen)(struct stream_source *, void (*fn)(void *arg), void *arg);
    /* A commit has made this place true: somebody outside may want to know. Any thread; may be
     * NULL. */
    void (*committed)(struct stream_source *, const struct stream_position *);
    /* Polls may share their work out among the team from now on. NULL: they do not. */
    void (*share)(struct stream_source *, struct team *);
    /* Polls have given nothing for a while: memory that only rows need goes. NULL: there is none.
     */
    void (*rest)(struct stream_source *);
};
struct stream_source {
    const struct stream_source_ops *ops;
};

struct stream_epoch {
    const char *job;    /* name */
    const char *job_id; /* 32 hex digits */
    int64_t epoch;
    const char *offsets_json; /* {"payment_charges":[120,98]}: for snapshot summaries */
};

/* What one epoch left in a sink. Sinks embed it first in a struct of their own. */
struct stream_cut {
    int64_t rows, bytes;
};

/* How a commit ended. After UNKNOWN nothing may be deleted: it may be true. */
enum stream_outcome { STREAM_COMMITTED, STREAM_REFUSED, STREAM_UNKNOWN };

struct stream_sink;
struct stream_turn {
    struct stream_sink *sink;
    struct stream_cut *cut;
};

/* stage, commit_in and recover may be NULL: there is nothing to do then. */
struct stream_sink_ops {
    /* Pulls the feed until it ends and keeps what came as a cut, its files finished. *out NULL
     * when no row came. On an error everything drained is dropped. */
    int (*drain)(struct stream_sink *, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *);
    /* Prepares the change on the newest base: durable, not visible. Again after ERR_CONFLICT. */
    int (*stage)(struct stream_sink *, struct stream_cut *, const struct stream_epoch *,
                 struct err *);
    /* Inside the metadata transaction, maybe more than once: no side effect outside of txn.
     * ERR_CONFLICT: somebody else's commit came between; the job stages again. */
    int (*commit_in)(struct stream_sink *, struct stream_cut *, struct meta_txn *, struct err *);
    /* What became of the cut. Frees it, and on REFUSED removes what it left behind. */
    void (*after_commit)(struct stream_sink *, struct stream_cut *, enum stream_outcome);
    /* At the start of a job: repeats what after_commit does for the last committed epoch. */
    int (*recover)(struct stream_sink *, struct err *);
    void (*free)(struct stream_sink *);
    /* Stages cuts of sinks with the same `queue` and makes them true with `also` in one
     * transaction, in turn with others who write to the same places and together with those who
     * wait. Instead of stage and commit_in; after_commit follows. `also` as a meta_fn of
     * commit_in's kind. Called on the first of the turns. NULL: the sink has no queue, or only
     * hands its rows on. */
    int (*commit)(const struct stream_turn *turns, size_t count, const struct stream_epoch *,
                  meta_fn *also, void *also_arg, struct err *);
    /* The sink and cut that this one's rows went on to: theirs is the turn, and this sink's own
     * stage and commit_in leave them out from now on. NULL: the turn is its own. */
    struct stream_turn (*behind)(struct stream_sink *, struct stream_cut *);
};
struct stream_sink {
    const struct stream_sink_ops *ops;
    const void *queue; /* where its cuts can wait for their turn; NULL: there is none */
};

/* Columns of the feed that a job's reject sink drains, in this order:
 * reason VARCHAR, column VARCHAR, topic VARCHAR, partition INTEGER, offset BIGINT,
 * record_time TIMESTAMP_LTZ, rejected_at TIMESTAMP_LTZ, key BLOB, value BLOB. */
int stream_reject_columns(struct vec_columns *out);
/* Of the feed that a job's sink of late rows drains: pipeline VARCHAR, operator VARCHAR, watermark
 * TIMESTAMP_LTZ, late_at TIMESTAMP_LTZ, row_kind VARCHAR, row VARCHAR (JSON). */
int stream_late_columns(struct vec_columns *out);

#endif
