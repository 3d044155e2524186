/* read.c - from an offset or a time to bytes: as an extent of a file, or copied.
 *
 * Under the lock only the index in memory is asked; batch headers are walked without it, on a
 * segment that is held, so that a slow disk under one reader does not stop appends.
 */
#include "log/log_int.h"

#define FIND_BYTES_MAX                                                                             \
    ((size_t)256 << 20) /* one batch unpacked, when a time is looked for in it                     \
                         */

/* What a reader needs to know of one segment, taken at one moment. */
struct view {
    struct segment *seg;  /* held */
    int64_t pos;          /* of a batch at or before the offset */
    int64_t limit;        /* readable bytes of the segment */
    int64_t limit_offset; /* of the record after them */
};

/* The readable end of a segment: all of it below the one with the high watermark. With the lock. */
static int64_t readable(const struct log *log, const struct segment *seg)
{
    if (seg->base_offset < log->mark_base)
        return seg->size;
    return seg->base_offset == log->mark_base ? log->mark_pos : 0;
}

static int take_view(struct log *log, int64_t offset, bool stable, struct view *view,
                     struct err *err)
{
    int64_t readable_end = 0;
    int rc = 0;

    *view = (struct view){0};
    pthread_mutex_lock(&log->lock);
    if (offset < log->start || offset > log->end) {
        rc = err_set(err, ERR_RANGE, "offset %" PRId64 " is outside of %" PRId64 " to %" PRId64,
                     offset, log->start, log->end);
    } else {
        readable_end = stable ? log_stable(log) : log->high_watermark;
    }
    if (!rc && offset < readable_end) {
        struct segment *seg = log->segments[log_segment_index(log, offset)];
        const struct log_txn *oldest = txns_oldest(log->txns);

        view->seg = segment_ref(seg);
        view->pos = segment_entry(seg, offset).pos;
        view->limit = readable(log, seg);
        view->limit_offset =
            seg->base_offset == log->mark_base ? log->high_watermark : seg->end_offset;
        if (stable && readable_end < log->high_watermark && oldest->segment == seg->base_offset) {
            view->limit = oldest->pos;
            view->limit_offset = oldest->first_offset;
        }
    }
    pthread_mutex_unlock(&log->lock);
    return rc;
}

int log_place_of(struct segment *seg, int64_t offset, int64_t *pos, struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    int rc;

    header_walk_init(&walk, seg->file, segment_entry(seg, offset).pos, seg->size);
    while ((rc = header_walk_next(&walk, &batch, err)) == 1) {
        if (batch.base_offset == offset) {
            *pos = walk.at;
            return 0;
        }
        if (batch.base_offset > offset)
            break;
    }
    return rc < 0 ? rc : err_set(err, ERR_INVALID, "no batch begins at offset %" PRId64, offset);
}

/* Ends the extent, which begins with the batch that the walk gave last, after the last whole batch
 * that fits in max_bytes. */
static int end_extent(struct log *log, const struct view *view, struct header_walk *walk,
                      const struct batch *first, size_t max_bytes, bool at_least_one,
                      struct log_extent *out, struct err *err)
{
    int64_t left = view->limit - out->pos, end = out->pos;
    int64_t stop = (uint64_t)left <= max_bytes ? view->limit : out->pos + (int64_t)max_bytes;
    struct index_entry boundary;
    struct batch batch = *first;
    int rc = 1;

    if (stop == view->limit) {
        out->len = (size_t)left;
        out->end_offset = view->limit_offset;
        return 0;
    }
    pthread_mutex_lock(&log->lock);
    boundary = segment_boundary(view->seg, stop);
    pthread_mutex_unlock(&log->lock);
    if (boundary.pos > out->pos) {
        out->len = (size_t)(boundary.pos - out->pos);
        out->end_offset = view->seg->base_offset + boundary.offset_delta;
        return 0;
    }
    while (rc == 1 && (walk->pos <= stop || (at_least_one && end == out->pos))) {
        end = walk->pos;
        out->end_offset = batch.base_offset + batch.last_offset_delta + 1;
        rc = header_walk_next(walk, &batch, err);
    }
    out->len = (size_t)(end - out->pos);
    return rc < 0 ? rc : 0;
}

static int locate(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one, bool stable,
                  struct log_extent *out, struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    struct view view;
    int rc = take_view(log, offset, stable, &view, err);

    *out = (struct log_extent){.fd = -1, .first_offset = offset, .end_offset = offset};
    if (rc || !view.seg)
        return rc;
    header_walk_init(&walk, view.seg->file, view.pos, view.limit);
    do {
        rc = header_walk_next(&walk, &batch, err);
    } while (rc == 1 && batch.base_offset + batch.last_offset_delta < offset);
    if (rc == 0 || (rc == 1 && batch.base_offset > offset)) /* the base offset has no CRC */
        rc = err_set(err, ERR_CORRUPT, "offset %" PRId64 " is in no batch", offset);
    if (rc == 1) {
        out->pos = walk.at;
        out->first_offset = out->end_offset = batch.base_offset;
        rc = end_extent(log, &view, &walk, &batch, max_bytes, at_least_one, out, err);
    }
    if (rc || !out->len) {
        segment_unref(view.seg);
        return rc;
    }
    out->fd = file_fd(view.seg->file);
    out->hold = view.seg;
    return 0;
}

int log_locate(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
               struct log_extent *out, struct err *err)
{
    return locate(log, offset, max_bytes, at_least_one, false, out, err);
}

int log_locate_stable(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                      struct log_extent *out, struct err *err)
{
    return locate(log, offset, max_bytes, at_least_one, true, out, err);
}

int log_extent_read(const struct log_extent *extent, struct buf *out, struct err *err)
{
    struct segment *seg = extent->hold;
    int rc = extent->len ? buf_reserve(out, extent->len) : 0;

    if (rc)
        return err_set(err, rc, "read of %zu bytes", extent->len);
    if (extent->len)
        rc = file_read_all(seg->file, out->ptr + out->len, extent->len, extent->pos, err);
    if (!rc)
        out->len += extent->len;
    return rc;
}

void log_extent_release(struct log_extent *extent)
{
    segment_unref(extent->hold);
    extent->hold = NULL;
}

static int read_located(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                        bool stable, struct buf *out, struct err *err)
{
    struct log_extent extent;
    int rc = locate(log, offset, max_bytes, at_least_one, stable, &extent, err);

    if (!rc)
        rc = log_extent_read(&extent, out, err);
    log_extent_release(&extent);
    return rc;
}

int log_read(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one, struct buf *out,
             struct err *err)
{
    return read_located(log, offset, max_bytes, at_least_one, false, out, err);
}

int log_read_stable(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                    struct buf *out, struct err *err)
{
    return read_located(log, offset, max_bytes, at_least_one, true, out, err);
}

/* ---- by time ------------------------------------------------------------------------------ */

int64_t log_time_max(struct log *log)
{
    int64_t max = NO_TIME;

    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->segment_count; i++)
        if (log->segments[i]->max_timestamp > max)
            max = log->segments[i]->max_timestamp;
    pthread_mutex_unlock(&log->lock);
    return max == NO_TIME ? -1 : max;
}

/* The first segment from `*base` on that may hold a record of that time or later. */
static void view_by_time(struct log *log, int64_t base, int64_t time_ms, struct view *view)
{
    *view = (struct view){0};
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->segment_count && !view->seg; i++) {
        struct segment *seg = log->segments[i];

        if (seg->base_offset < base || seg->max_timestamp == NO_TIME ||
            seg->max_timestamp < time_ms || !readable(log, seg))
            continue;
        view->seg = segment_ref(seg);
        view->pos = segment_entry_by_time(seg, time_ms).pos;
        view->limit = readable(log, seg);
    }
    pthread_mutex_unlock(&log->lock);
}

/* Looks into one batch. 1: found. */
static int find_in_batch(struct file *file, int64_t pos, size_t len, int64_t from_offset,
                         int64_t time_ms, int64_t *offset, int64_t *found_ms, struct err *err)
{
    struct buf whole = {.max = SIZE_MAX}, scratch = {.max = SIZE_MAX};
    struct record_walk walk;
    struct record record;
    struct slice bytes;
    struct batch batch;
    int rc = buf_reserve(&whole, len);

    if (rc)
        err_set(err, rc, "batch of %zu bytes", len);
    else
        rc = file_read_all(file, whole.ptr, len, pos, err);
    bytes = slice_of(whole.ptr, len);
    if (!rc)
        rc = batch_next(&bytes, true, &batch, NULL, err);
    if (!rc)
        rc = record_walk_init(&walk, &batch, &scratch, FIND_BYTES_MAX, err);
    while (!rc && (rc = record_next(&walk, &record, err)) == 1) {
        rc = 0;
        if (record.timestamp < time_ms || record.offset < from_offset)
            continue;
        *offset = record.offset;
        *found_ms = record.timestamp;
        rc = 1;
        break;
    }
    buf_deinit(&whole);
    buf_deinit(&scratch);
    return rc;
}

static int find_in_segment(const struct view *view, int64_t from_offset, int64_t time_ms,
                           int64_t *offset, int64_t *found_ms, struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    int rc;

    header_walk_init(&walk, view->seg->file, view->pos, view->limit);
    while ((rc = header_walk_next(&walk, &batch, err)) == 1) {
        if (batch.max_timestamp < time_ms ||
            batch.base_offset + batch.last_offset_delta < from_offset)
            continue;
        rc = find_in_batch(view->seg->file, walk.at, batch.bytes.len, from_offset, time_ms, offset,
                           found_ms, err);
        if (rc)
            return rc;
    }
    return rc;
}

int log_find_time(struct log *log, int64_t time_ms, int64_t *offset, int64_t *found_ms,
                  struct err *err)
{
    int64_t base = 0, start = log_offsets(log).start;
    int rc = 0;

    *offset = *found_ms = -1;
    while (!rc) {
        struct view view;

        view_by_time(log, base, time_ms, &view);
        if (!view.seg)
            return 0;
        rc = find_in_segment(&view, start, time_ms, offset, found_ms, err);
        base = view.seg->base_offset + 1;
        segment_unref(view.seg);
    }
    return rc < 0 ? rc : 0;
}
