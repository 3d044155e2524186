/* retain.c - the log gets shorter: at its start by retention and deletion, at its end by
 * truncation.
 *
 * In both cases the decision is written down before the first file goes, so that a crash in between
 * leaves either the old log or the new one. Readers that hold a segment keep its file open.
 */
#include <stdio.h>

#include "log/log_int.h"

#define PRODUCER_SILENCE_MS ((int64_t)24 * 3600 * 1000) /* as Kafka's producer.id.expiration.ms */

/* ---- at the start ------------------------------------------------------------------------- */

/* Takes the oldest segments that end at or below `start` out of the list; the active one stays.
 * The caller owns the array and what is in it. */
static int detach(struct log *log, int64_t start, struct segment ***out, size_t *count)
{
    size_t n = 0;

    pthread_mutex_lock(&log->lock);
    while (n + 1 < log->segment_count && log->segments[n]->end_offset <= start)
        n++;
    *count = n;
    *out = calloc(n + 1, sizeof(struct segment *));
    if (*out) {
        memcpy(*out, log->segments, n * sizeof(struct segment *));
        for (size_t i = 0; i < n; i++)
            log->bytes -= log->segments[i]->size;
        log->segment_count -= n;
        memmove(log->segments, log->segments + n, log->segment_count * sizeof(struct segment *));
    }
    pthread_mutex_unlock(&log->lock);
    return *out ? 0 : ERR_NOMEM;
}

/* With flush_lock held. */
static int move_start(struct log *log, int64_t start, struct err *err)
{
    struct segment **gone;
    size_t count;
    int rc = log_note_write(log, start, log->good > start ? log->good : start, err);

    if (rc)
        return rc;
    pthread_mutex_lock(&log->lock);
    log->start = start;
    pthread_mutex_unlock(&log->lock);
    if (detach(log, start, &gone, &count))
        return err_set(err, ERR_NOMEM, "segment list");
    for (size_t i = 0; i < count; i++) {
        /* A file that cannot be removed now is removed at the next opening. */
        int step = log_unlink(log, gone[i]->base_offset, ".log", rc ? NULL : err);

        if (!step)
            step = log_unlink(log, gone[i]->base_offset, ".index", rc ? NULL : err);
        rc = rc ? rc : step;
        segment_unref(gone[i]);
    }
    free(gone);
    return rc;
}

/* The offset at which the log should start by its retention; the lock is held. */
static int64_t retention_start(const struct log *log, int64_t now_ms)
{
    const struct log_options *o = &log->options;
    int64_t bytes = log->bytes, start = log->start;

    for (size_t i = 0; i < log->segment_count; i++) {
        const struct segment *seg = log->segments[i];
        bool old = o->retention_ms >= 0 && seg->max_timestamp != NO_TIME &&
                   seg->max_timestamp < now_ms - o->retention_ms;
        bool excess = o->retention_bytes >= 0 && i + 1 < log->segment_count &&
                      bytes - seg->size >= o->retention_bytes;

        if ((!old && !excess) || seg->end_offset > log->high_watermark || !seg->size)
            break;
        bytes -= seg->size;
        start = seg->end_offset;
    }
    return start;
}

/* When all that the active segment holds is to go, an empty one takes its place first. */
static int replace_active(struct log *log, int64_t start, struct err *err)
{
    struct segment *seg;
    int rc = 0;

    pthread_mutex_lock(&log->lock);
    if (log->segment_count && start == log->end && log_active(log)->size) {
        rc = log_segment_add(log, log->end, &seg, err);
        if (!rc) {
            log->names_dirty = true;
            log->mark_base = seg->base_offset;
            log->mark_pos = 0;
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (!rc)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    return rc;
}

int log_retain(struct log *log, struct err *err)
{
    int64_t now_ms = clock_wall_ms(log->options.clock), start;
    bool moved;
    int rc = 0;

    pthread_mutex_lock(&log->flush_lock);
    pthread_mutex_lock(&log->lock);
    producers_expire(log->producers, now_ms - PRODUCER_SILENCE_MS);
    txns_expire(log->txns, log->start);
    start = retention_start(log, now_ms);
    moved = start > log->start && start <= log->flushed;
    pthread_mutex_unlock(&log->lock);
    if (moved)
        rc = replace_active(log, start, err);
    if (moved && !rc)
        rc = move_start(log, start, err);
    pthread_mutex_unlock(&log->flush_lock);
    return rc;
}

int log_delete_before(struct log *log, int64_t offset, struct err *err)
{
    struct log_offsets now;
    int rc = 0;

    pthread_mutex_lock(&log->flush_lock);
    now = log_offsets(log);
    if (offset < 0 || offset > now.high_watermark || offset > now.flushed)
        rc = err_set(err, ERR_RANGE, "offset %" PRId64 " is beyond %" PRId64, offset,
                     now.high_watermark);
    else if (offset > now.start)
        rc = move_start(log, offset, err);
    pthread_mutex_unlock(&log->flush_lock);
    return rc;
}

/* ---- at the end --------------------------------------------------------------------------- */

/* Caches that tell of what is cut must be gone, durably, before other records take the place. */
static int drop_caches(struct log *log, int64_t end_offset, struct err *err)
{
    char *path = NULL;
    int rc;

    if (asprintf(&path, "%s/producers", log->dir) < 0)
        return err_set(err, ERR_NOMEM, "truncation");
    rc = disk_unlink(log->options.disk, path, err);
    free(path);
    if (rc == ERR_NOENT)
        rc = 0;
    for (size_t i = 0; i < log->segment_count && !rc; i++)
        if (log->segments[i]->end_offset > end_offset)
            rc = log_unlink(log, log->segments[i]->base_offset, ".index", err);
    if (!rc)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    return rc;
}

/* Shortens one segment to the batch that begins at end_offset. With the lock. */
static int cut_segment(struct segment *seg, int64_t end_offset, int64_t pos, struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    int rc;

    if (end_offset == seg->end_offset)
        return 0;
    rc = file_truncate(seg->file, pos, err);
    if (!rc)
        rc = file_sync(seg->file, err);
    if (rc)
        return rc;
    while (seg->entry_count && (int64_t)seg->entries[seg->entry_count - 1].pos >= pos)
        seg->entry_count--;
    seg->last_entry_pos = seg->entry_count ? (int64_t)seg->entries[seg->entry_count - 1].pos : -1;
    seg->max_timestamp =
        seg->entry_count ? seg->entries[seg->entry_count - 1].time_before : NO_TIME;
    header_walk_init(&walk, seg->file, seg->entry_count ? seg->last_entry_pos : 0, pos);
    while ((rc = header_walk_next(&walk, &batch, err)) == 1)
        if (batch.max_timestamp > seg->max_timestamp)
            seg->max_timestamp = batch.max_timestamp;
    seg->size = seg->synced = pos;
    seg->indexed = 0;
    seg->end_offset = end_offset;
    return rc;
}

static int cut_locked(struct log *log, int64_t end_offset, struct err *err)
{
    struct segment *last = log->segments[log_segment_index(log, end_offset)];
    int64_t pos = 0;
    int rc = 0;

    if (end_offset > last->base_offset) /* before anything is touched */
        rc = log_place_of(last, end_offset, &pos, err);
    if (!rc)
        rc = drop_caches(log, end_offset, err);

    while (!rc && log->segment_count > 1 && log_active(log)->base_offset >= end_offset) {
        struct segment *seg = log_active(log);

        rc = log_unlink(log, seg->base_offset, ".log", err);
        if (rc)
            break;
        log->segment_count--;
        log->end = log->segments[log->segment_count - 1]->end_offset;
        segment_unref(seg);
    }
    if (!rc)
        rc = cut_segment(log_active(log), end_offset,
                         log_active(log) == last ? pos : log_active(log)->size, err);
    if (!rc)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    if (rc)
        return rc;
    log->tail_dirty = false;
    log->bytes = 0;
    for (size_t i = 0; i < log->segment_count; i++)
        log->bytes += log->segments[i]->size;
    log->end = end_offset;
    if (log->flushed > end_offset)
        log->flushed = end_offset;
    if (log->high_watermark >= end_offset) {
        log->high_watermark = end_offset;
        log->mark_base = log_active(log)->base_offset;
        log->mark_pos = log_active(log)->size;
    }
    if (producers_count(log->producers) || txns_any(log->txns)) {
        producers_clear(log->producers);
        txns_clear(log->txns);
        rc = log_producers_rebuild(log, 0, err);
    }
    return rc;
}

int log_cut(struct log *log, int64_t end_offset, struct err *err)
{
    int rc = 0;

    if (end_offset < log->start)
        return err_set(err, ERR_RANGE, "cannot cut at %" PRId64 ", the log starts at %" PRId64,
                       end_offset, log->start);
    if (end_offset >= log->end || !log->segment_count)
        return 0;
    if (log->good > end_offset)
        rc = log_note_write(log, log->start, end_offset, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&log->lock);
    rc = cut_locked(log, end_offset, err);
    pthread_mutex_unlock(&log->lock);
    return rc;
}

int log_truncate(struct log *log, int64_t end_offset, struct err *err)
{
    int rc;

    pthread_mutex_lock(&log->flush_lock);
    rc = log->failed ? err_set(err, log->failed, "the log failed before: %s", log->failed_text)
                     : log_cut(log, end_offset, err);
    pthread_mutex_unlock(&log->flush_lock);
    return rc;
}
