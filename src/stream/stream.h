/* stream.h - jobs: sources, fragments, sinks, and the commit that makes an interval true.
 *
 * A job is a row in the metadata store and runs until it is cancelled; it resumes by itself at the
 * next start. It has pipelines: source -> fragment -> sink. Every commit interval the job cuts:
 * each pipeline ends at an offset, each sink turns what it holds into a prepared change, and one
 * metadata transaction makes the changes of all sinks, the source offsets and the epoch true.
 *
 * Order of a cut: (1) flush the source logs to the end offsets read; (2) sinks finish, sync and
 * stage their files; (3) the metadata transaction; (4) after_commit: markers, high watermarks.
 * Invariants: a commit never names an offset past the flushed end or a file not synced; an interval
 * without rows and without offset progress makes no commit; one epoch commits once, in order.
 * Crash anywhere before (3): the files are orphans and the offsets are the old ones: read again.
 * Crash after (3): after_commit is repeated by recovery, and is idempotent.
 *
 * `stream` declares sources and sinks here; `connector` supplies them.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/base.h"
#include "meta/meta.h"
#include "vec/vec.h"

/* A place in a source: one offset per partition, in partition order. */
struct stream_position {
    int64_t *offsets; /* next offset to read */
    size_t count;
};

/* A record that could not become a row. Slices are borrowed for the call. */
struct stream_reject {
    const char *reason;   /* a sentence */
    const char *column;   /* NULL: the whole record */
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct slice key, value, headers;
};

struct stream_source;
struct stream_source_ops {
    /* Fills `out` with up to some thousand rows from the current place, and moves on. 0 rows and
     * rc 0: nothing there now. ERR_CLOSED: a bounded source has reached its end. Bad records are
     * handed to `reject` and skipped. ERR_NOENT: the topic is gone (the job waits and says so). */
    int (*poll)(struct stream_source *, struct vec_batch *out,
                int (*reject)(void *arg, const struct stream_reject *), void *arg, struct err *);
    /* Blocks until poll would give something, at most timeout_ms. */
    void (*wait)(struct stream_source *, int64_t timeout_ms);
    int (*position)(struct stream_source *, struct arena *, struct stream_position *, struct err *);
    int (*seek)(struct stream_source *, const struct stream_position *, struct err *);
    /* Durable up to the current place (step 1 of a cut). */
    int (*flush)(struct stream_source *, struct err *);
    /* Records not read yet, for lag; -1 unknown. */
    int64_t (*lag)(struct stream_source *);
    const struct vec_columns *(*columns)(struct stream_source *);
    void (*free)(struct stream_source *);
};
struct stream_source {
    const struct stream_source_ops *ops;
};

struct stream_epoch {
    const char *job;    /* name */
    const char *job_id; /* 32 hex digits */
    int64_t epoch;
    const char *offsets_json; /* {"topic":[o0,o1]} for snapshot summaries */
};

struct stream_sink;
struct stream_sink_ops {
    int (*write)(struct stream_sink *, struct vec_batch *batch /* emptied */, struct err *);
    int64_t (*held_rows)(struct stream_sink *); /* written since the last commit */
    int64_t (*held_bytes)(struct stream_sink *);
    /* Ends the open files and makes them durable; rows written from now on belong to the next
     * epoch. Then stage: prepare the change on the newest base; may be called again after
     * ERR_CONFLICT. Nothing to do: 0 and commit_in will do nothing. Worker. */
    int (*cut)(struct stream_sink *, struct err *);
    int (*stage)(struct stream_sink *, const struct stream_epoch *, struct err *);
    /* Inside the metadata transaction. May be run again: no side effect outside of txn. */
    int (*commit_in)(struct stream_sink *, struct meta_txn *, struct err *);
    /* After the transaction: ok true when it is true. Idempotent. */
    void (*after_commit)(struct stream_sink *, const struct stream_epoch *, bool ok);
    void (*free)(struct stream_sink *);
};
struct stream_sink {
    const struct stream_sink_ops *ops;
};

#endif
