/* log.h - one topic partition, kept as segment files on disk.
 *
 * A log is an append-only run of record batches (magic 2, KIP-98) numbered by offset. Segments are
 * named by their first offset; a sparse offset index and a time index lie beside each and are a
 * cache: recovery rebuilds them and never trusts them.
 * Invariant: log_start_offset <= high_watermark <= log_end_offset, flushed_offset <=
 * log_end_offset. Readers see records below high_watermark. In an ordinary log it follows the end
 * (after the sync, where the policy says so); in an *owned* log (output of a job) it moves only by
 * log_set_high_watermark, when the job's commit is true, and recovery cuts what lies beyond.
 * Threads: one appends at a time (locked inside); reading, finding and log_offsets from any thread,
 * also during an append. log_flush may block: worker.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/base.h"

struct log;

struct log_options {
    const char *dir;              /* borrowed for the call */
    int64_t segment_bytes;        /* roll to a new segment at this size */
    int64_t segment_ms;           /* or at this age */
    int64_t retention_ms;         /* -1 keeps everything */
    int64_t retention_bytes;      /* -1: no limit */
    int64_t index_interval_bytes; /* one index entry per this many bytes */
    bool owned;                   /* see above */
    int64_t owned_end;            /* owned: offset up to which the commit vouches; recovery cuts */
    bool visible_unsynced;        /* the high watermark follows the end, not the flushed end */
    bool append_time;             /* records carry the time of their append, not the producer's */
    struct disk *disk;            /* borrowed for the life of the log */
    struct clock *clock;          /* likewise */
};

struct log_offsets {
    int64_t start, high_watermark, flushed, end; /* end: offset of the next record */
    int64_t bytes;                               /* on disk */
    int64_t stable; /* below it every transaction has ended; at most the high watermark */
};

/* Opens the log in `dir`, making the folder when absent. A torn tail past the last known good
 * offset is cut at the last batch that holds; damage below it is ERR_CORRUPT and nothing is
 * touched. Worker. log_free flushes, notes the end as good, and gives everything back; extents
 * still held stay readable. */
int log_new(struct log **out, const struct log_options *options, struct err *err);
void log_free(struct log *log);
void log_configure(struct log *log, const struct log_options *options); /* sizes and retention */

struct log_append_result {
    int64_t base_offset; /* of the first record */
    int64_t last_offset;
    int64_t log_append_time; /* ms; -1 when the producer's time was kept */
    bool duplicate;          /* idempotent producer: these very batches were appended before */
};

/* Appends one or more whole record batches. Their base offset and leader epoch are written into
 * `bytes` (they lie outside of the CRC). Each batch's CRC, lengths and counts are checked first:
 * ERR_CORRUPT leaves the log unchanged. Idempotent producers (KIP-98): ERR_CONFLICT for a sequence
 * out of order, ERR_DENIED for an old epoch, ERR_INVALID for more than one of their batches at a
 * time. Nothing is durable before log_flush. After a failed sync the log refuses appends with
 * ERR_IO until it is opened again, since nobody knows what the kernel still holds. */
int log_append(struct log *log, uint8_t *bytes, size_t len, struct log_append_result *out,
               struct err *err);
/* Transactions (KIP-98). One begins with its producer's first batch whose attributes say so, and
 * ends with a marker, appended here: ERR_NOENT when the producer has none open under this epoch.
 * Durable as any append is. */
int log_end_txn(struct log *log, int64_t producer_id, int16_t epoch, bool commit,
                struct log_append_result *out, struct err *err);
struct log_txn {
    int64_t producer_id;
    int16_t epoch;
    int64_t first_offset;
    int64_t segment, pos; /* its first batch, as a place */
};
int log_open_txns(struct log *log, struct arena *arena, struct log_txn **out, size_t *count);
/* What readers of committed records pass over: aborted transactions with records in [from, to). */
struct log_aborted {
    int64_t producer_id, first_offset;
};
int log_aborted(struct log *log, int64_t from, int64_t to, struct arena *arena,
                struct log_aborted **out, size_t *count);
/* Was the transactional batch of that producer at `offset`, below `stable`, aborted? */
bool log_is_aborted(struct log *log, int64_t producer_id, int64_t offset);
/* Makes everything appended before the call durable. Worker. */
int log_flush(struct log *log, struct err *err);
/* Notes how far the log is known good, so that recovery reads little: when much was appended since
 * the last note, or always when `force`. Cheap when nothing is due. A failure costs only time at
 * the next start. Worker. */
int log_checkpoint(struct log *log, bool force, struct err *err);
struct log_offsets log_offsets(struct log *log);
void log_set_high_watermark(struct log *log, int64_t offset);

/* Whole batches from the one that holds `offset`, at most max_bytes (but at least one batch when
 * at_least_one), below the high watermark, within one segment. Appends to `out`. ERR_RANGE outside
 * [start, end]. At the high watermark and beyond: 0 bytes, returns 0. */
int log_read(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one, struct buf *out,
             struct err *err);
/* The same below the last stable offset: nothing of a transaction that is still open. */
int log_read_stable(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                    struct buf *out, struct err *err);

/* The same place as an extent of a file, for sendfile. Release with log_extent_release. */
struct log_extent {
    int fd; /* -1: the disk has none, use log_extent_read */
    int64_t pos;
    size_t len;
    int64_t first_offset, end_offset; /* of its first record, and after its last */
    void *hold;                       /* NULL when len is 0 */
};
int log_locate(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
               struct log_extent *out, struct err *err);
int log_locate_stable(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                      struct log_extent *out, struct err *err);
int log_extent_read(const struct log_extent *extent, struct buf *out,
                    struct err *err); /* appends */
void log_extent_release(struct log_extent *extent);

/* First offset whose timestamp is >= time_ms; *offset -1 when there is none. The newest timestamp
 * of all: log_time_max, -1 when the log is empty. */
int64_t log_time_max(struct log *log);
int log_find_time(struct log *log, int64_t time_ms, int64_t *offset, int64_t *found_ms,
                  struct err *err);
/* Applies retention by time and size; whole segments only, none past the high watermark. Worker. */
int log_retain(struct log *log, struct err *err);
/* The log starts at `offset` from now on. ERR_RANGE beyond the high watermark. Worker. */
int log_delete_before(struct log *log, int64_t offset, struct err *err);
/* Cuts what lies at and beyond `end_offset`, a batch's first offset. Worker. */
int log_truncate(struct log *log, int64_t end_offset, struct err *err);

/* Called after the high watermark moved, on the appending or flushing thread: wake readers. fn must
 * be short and must not call into the log's watch list. Once log_off_advance returned it runs no
 * more. Several may watch. */
int log_on_advance(struct log *log, void (*fn)(void *arg, struct log *log), void *arg);
void log_off_advance(struct log *log, void (*fn)(void *arg, struct log *log), void *arg);

#endif
