/* read.c - from an offset or a time to bytes: as an extent of a file, or copied.
 *
 * Under the lock only the index in memory is asked; batch headers are walked without it, on a segment
 * that is held, so that a slow disk under one reader does not stop appends.
 */
#include "log/log_int.h"

#define FIND_BYTES_MAX ((size_t)256 << 20) /* one batch unpacked, when a time is looked for in it */

/* What a reader needs to know of one segment, taken at one moment. */
struct view {
    struct segment *seg; /* held */
    int64_t pos;         /* of a batch at or before the offset */
    int64_t limit;       /* readable bytes of the segment */
};

/* The readable end of a segment: all of it below the one with the high watermark. With the lock. */
static int64_t readable(const struct log *log, const struct segment *seg)
{
    if (seg->base_offset < log->mark_base)
        return seg->size;
    return seg->base_offset == log->mark_base ? log->mark_pos : 0;
}

static int take_view(struct log *log, int64_t offset, struct view *view, struct err *err)
{
    int rc = 0;

    *view = (struct view){0};
    pthread_mutex_lock(&log->lock);
    if (offset < log->start || offset > log->end) {
        rc = err_set(err, ERR_RANGE, "offset %" PRId64 " is outside of %" PRId64 " to %" PRId64,
                     offset, log->start, log->end);
    } else if (offset < log->high_watermark) {
        struct segment *seg = log->segments[log_segment_index(log, offset)];

        view->seg = segment_ref(seg);
        view->pos = segment_entry(seg, offset).pos;
        view->limit = readable(log, seg);
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
    return rc < 0 ? rc
                  : err_set(err, ERR_INVALID, "no batch begins at offset %" PRId64, offset);
}

/* Where the last whole batch ends that fits in max_bytes from `pos`. */
static int extent_end(struct log *log, const struct view *view, struct header_walk *walk,
                      int64_t pos, size_t first_len, size_t max_bytes, bool at_least_one,
                      int64_t *end, struct err *err)
{
    int64_t stop = (int64_t)max_bytes < view->limit - pos ? pos + (int64_t)max_bytes : view->limit;
    struct batch batch;
    int64_t boundary;
    int rc;

    if (stop == view->limit) {
        *end = stop;
        return 0;
    }
    pthread_mutex_lock(&log->lock);
    boundary = segment_boundary(view->seg, stop);
    pthread_mutex_unlock(&log->lock);
    if (boundary > pos) {
        *end = boundary;
        return 0;
    }
    if ((int64_t)first_len > stop - pos) {
        *end = at_least_one ? pos + (int64_t)first_len : pos;
        return 0;
    }
    *end = walk->pos; /* after the first */
    while ((rc = header_walk_next(walk, &batch, err)) == 1 && walk->pos <= stop)
        *end = walk->pos;
    return rc < 0 ? rc : 0;
}

/* The extent of whole batches at `offset`; the view holds the segment, or none at the end. */
static int locate(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                  struct view *view, int64_t *pos, size_t *len, struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    int64_t end;
    int rc = take_view(log, offset, view, err);

    *pos = 0;
    *len = 0;
    if (rc || !view->seg)
        return rc;
    header_walk_init(&walk, view->seg->file, view->pos, view->limit);
    do {
        rc = header_walk_next(&walk, &batch, err);
    } while (rc == 1 && batch.base_offset + batch.last_offset_delta < offset);
    if (rc == 0)
        return err_set(err, ERR_CORRUPT, "offset %" PRId64 " is in no batch", offset);
    if (rc < 0)
        return rc;
    *pos = end = walk.at;
    rc = extent_end(log, view, &walk, *pos, batch.bytes.len, max_bytes, at_least_one, &end, err);
    *len = (size_t)(end - *pos);
    return rc;
}

int log_locate(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one,
               struct log_extent *out, struct err *err)
{
    struct view view;
    int64_t pos;
    size_t len;
    int rc = locate(log, offset, max_bytes, at_least_one, &view, &pos, &len, err);

    *out = (struct log_extent){.fd = -1};
    if (rc || !len) {
        segment_unref(view.seg);
        return rc;
    }
    *out = (struct log_extent){file_fd(view.seg->file), pos, len, view.seg};
    return 0;
}

void log_extent_release(struct log_extent *extent)
{
    segment_unref(extent->hold);
    extent->hold = NULL;
}

int log_read(struct log *log, int64_t offset, size_t max_bytes, bool at_least_one, struct buf *out,
             struct err *err)
{
    struct view view;
    int64_t pos;
    size_t len;
    int rc = locate(log, offset, max_bytes, at_least_one, &view, &pos, &len, err);

    if (!rc && len) {
        rc = buf_reserve(out, len);
        if (rc)
            err_set(err, rc, "read of %zu bytes", len);
        else
            rc = file_read_all(view.seg->file, out->ptr + out->len, len, pos, err);
        if (!rc)
            out->len += len;
    }
    segment_unref(view.seg);
    return rc;
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
