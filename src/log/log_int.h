/* log_int.h - what the files of the log room share: segments, producer state, the log's fields. */
#ifndef LOG_LOG_INT_H
#define LOG_LOG_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/batch.h"
#include "log/log.h"

/* ---- segment.c ---------------------------------------------------------------------------- */

struct index_entry {
    uint32_t offset_delta; /* of a batch's first record, from the segment's base offset */
    uint32_t pos;          /* where that batch begins */
    int64_t time_before;   /* largest timestamp of all batches before it; NO_TIME when none */
};

#define NO_TIME         INT64_MIN
#define SEGMENT_LEN_MAX ((int64_t)UINT32_MAX)

/* Fields are guarded by the log's lock; the file may be read without it while `refs` is held. */
struct segment {
    atomic_int refs;
    struct file *file;
    int64_t base_offset, end_offset; /* end: of the next record */
    int64_t size;                    /* bytes of whole batches */
    int64_t synced;                  /* bytes known durable */
    int64_t indexed;                 /* bytes covered by the index file on disk */
    int64_t max_timestamp;           /* NO_TIME when empty */
    int64_t created_ms;              /* wall time of its first append by this process */
    struct index_entry *entries;     /* owned */
    size_t entry_count, entry_cap;
    int64_t last_entry_pos; /* of the newest entry; -1: none */
};

typedef int batch_visit(void *arg, const struct batch *batch, int64_t pos, struct err *err);

/* The file is opened or made. Nothing is read. */
int segment_new(struct segment **out, struct disk *disk, const char *dir, int64_t base_offset,
                struct err *err);
struct segment *segment_ref(struct segment *seg);
void segment_unref(struct segment *seg); /* NULL is fine */
/* Room for `more` entries, so that segment_note cannot fail. ERR_NOMEM. */
int segment_reserve(struct segment *seg, size_t more);
void segment_note(struct segment *seg, const struct batch *batch, int64_t interval);
/* Reads batches from seg->size on and notes each: headers alone while they lie below `trusted`,
 * with CRC from there. *torn: bytes that are no batch follow; ERR_CORRUPT when that happens below
 * `trusted`. */
int segment_scan(struct segment *seg, int64_t trusted, int64_t interval, bool *torn,
                 struct err *err);
/* The index file. Saving takes an image made under the lock. Loading gives ERR_CORRUPT or ERR_NOENT
 * when it does not fit the segment, which is then unchanged. */
int segment_index_image(const struct segment *seg, struct buf *out);
int segment_index_load(struct segment *seg, struct disk *disk, const char *dir, int64_t trusted,
                       struct err *err);
/* The entry at or before an offset, a position, a time; 0 entries: the segment's start. */
struct index_entry segment_entry(const struct segment *seg, int64_t offset);
struct index_entry segment_boundary(const struct segment *seg, int64_t pos);
struct index_entry segment_entry_by_time(const struct segment *seg, int64_t time_ms);
/* "DIR/00000000000000000042.log"; the caller frees. NULL: no memory. */
char *segment_path(const char *dir, int64_t base_offset, const char *suffix);

/* Walks batch headers in [pos, limit) of a file through a small window. */
struct header_walk {
    struct file *file;
    int64_t pos, limit;
    int64_t at; /* of the batch last given */
    int64_t window_pos;
    size_t window_len;
    uint8_t window[4096];
};
void header_walk_init(struct header_walk *walk, struct file *file, int64_t pos, int64_t limit);
int header_walk_next(struct header_walk *walk, struct batch *out, struct err *err); /* 1, 0, < 0 */

/* ---- producers.c -------------------------------------------------------------------------- */

struct producers;
struct txns;
struct producer_hit {
    bool duplicate;
    int64_t base_offset, last_offset; /* of the first appearance */
};
int producers_new(struct producers **out, struct err *err);
void producers_free(struct producers *producers);
/* May this batch be appended next? ERR_CONFLICT, ERR_DENIED as in log_append. */
int producers_check(const struct producers *producers, const struct batch *batch,
                    struct producer_hit *hit, struct err *err);
int producers_reserve(struct producers *producers); /* so that producers_note cannot fail */
void producers_note(struct producers *producers, const struct batch *batch, int64_t now_ms);
void producers_expire(struct producers *producers, int64_t before_ms);
void producers_clear(struct producers *producers);
size_t producers_count(const struct producers *producers);
/* The file `producers`: producers and transactions as they are at `offset`. */
int producers_image(const struct producers *producers, const struct txns *txns, int64_t offset,
                    struct buf *out);
int producers_load(struct producers *producers, struct txns *txns, struct slice image,
                   int64_t *offset, struct err *err);

/* ---- txns.c ------------------------------------------------------------------------------- */

struct txns;
int txns_new(struct txns **out, struct err *err);
void txns_free(struct txns *txns);
void txns_clear(struct txns *txns);
bool txns_any(const struct txns *txns);
int txns_reserve(struct txns *txns); /* so that the next two cannot fail */
void txns_note(struct txns *txns, const struct batch *batch, int64_t segment, int64_t pos);
void txns_note_marker(struct txns *txns, const struct batch *batch, bool commit);
void txns_expire(struct txns *txns, int64_t start); /* aborted before the log's start */
const struct log_txn *txns_find(const struct txns *txns, int64_t producer_id);
const struct log_txn *txns_oldest(const struct txns *txns); /* NULL: none is open */
size_t txns_open(const struct txns *txns, const struct log_txn **out);
/* Aborted ones that have records in [from, to): how many there are; at most `max` are given. */
size_t txns_aborted(const struct txns *txns, int64_t from, int64_t to, struct log_aborted *out,
                    size_t max);
bool txns_is_aborted(const struct txns *txns, int64_t producer_id, int64_t offset);
int txns_image(const struct txns *txns, struct buf *out); /* appends */
int txns_load(struct txns *txns, struct slice image, struct err *err);
int txn_marker_build(int64_t producer_id, int16_t epoch, bool commit, int64_t now_ms,
                     struct buf *out, struct err *err);
int txn_marker_read(const struct batch *batch, bool *commit, struct err *err);
int txn_marker_load(struct file *file, int64_t pos, size_t len, bool *commit, struct err *err);

/* ---- the log ------------------------------------------------------------------------------ */

struct log_watch {
    void (*fn)(void *arg, struct log *log);
    void *arg;
};

struct log {
    struct log_options options; /* options.dir is ours */
    char *dir;

    pthread_mutex_t lock;      /* everything below, for moments */
    struct segment **segments; /* by base offset; the last one is appended to */
    size_t segment_count, segment_cap;
    int64_t start, high_watermark, flushed, end;
    int64_t bytes;               /* of all segments */
    int64_t mark_base, mark_pos; /* the high watermark as a place: segment's base, position in it */
    struct producers *producers;
    struct txns *txns;
    bool names_dirty; /* a segment was made and the folder is not synced yet */
    bool tail_dirty;  /* a failed write may have left bytes past the active segment's size */
    int64_t good;     /* as the recovery file says */
    int64_t unnoted;  /* bytes appended since it was written */
    int failed;       /* a sync failed: the code that every later append gets */
    char failed_text[500];

    pthread_mutex_t flush_lock; /* one flush, checkpoint, retention or truncation at a time; taken
                                   before `lock` */
    pthread_mutex_t watch_lock; /* held while watchers run */
    struct log_watch *watches;
    size_t watch_count;
};

/* recover.c */
int log_recover(struct log *log, struct err *err);
int log_note_write(struct log *log, int64_t start, int64_t good, struct err *err);
int log_producers_rebuild(struct log *log, int64_t from, struct err *err);

/* log.c, for the others; with the lock held unless it says otherwise. */
int64_t log_stable(const struct log *log);         /* the last stable offset */
struct segment *log_active(const struct log *log); /* NULL: no segment yet */
int log_segment_add(struct log *log, int64_t base_offset, struct segment **out, struct err *err);
size_t log_segment_index(const struct log *log, int64_t offset); /* the one that holds it */
void log_wake(struct log *log);                                  /* without the lock */
int log_unlink(struct log *log, int64_t base_offset, const char *suffix, struct err *err);

/* read.c: the place of the batch that begins at `offset`; ERR_INVALID when none does. */
int log_place_of(struct segment *seg, int64_t offset, int64_t *pos, struct err *err);

/* retain.c: with flush_lock held. */
int log_cut(struct log *log, int64_t end_offset, struct err *err);

#endif
