/* log.c - the life of a partition log: opening, appending, flushing, telling who watches.
 *
 * An append checks its batches without any lock, then under the lock gives them their offsets and
 * makes one pwrite. A flush takes note of the end, syncs what was written up to it without the
 * lock, and then moves `flushed` and with it the high watermark: so appends go on during a sync,
 * and one sync serves all appends before it.
 */
#include <stdio.h>

#include "log/log_int.h"

#define CHECKPOINT_BYTES ((int64_t)64 << 20) /* recovery reads at most about this much */

int log_new(struct log **out, const struct log_options *options, struct err *err)
{
    struct log *log = calloc(1, sizeof(*log));
    int rc = ERR_NOMEM;

    if (!log)
        return err_set(err, ERR_NOMEM, "log %s", options->dir);
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->flush_lock, NULL);
    pthread_mutex_init(&log->watch_lock, NULL);
    log->dir = strdup(options->dir);
    if (!log->dir) {
        err_set(err, rc, "no memory");
        goto fail;
    }
    log->options = *options;
    log->options.dir = log->dir;
    log->options.index_interval_bytes =
        options->index_interval_bytes > 0 ? options->index_interval_bytes : 64 << 10;
    rc = producers_new(&log->producers, err);
    if (!rc)
        rc = txns_new(&log->txns, err);
    if (rc)
        goto fail;
    rc = log_recover(log, err);
    if (rc)
        goto fail;
    *out = log;
    return 0;

fail:
    log->failed = rc; /* nothing may be written by the release */
    log_free(log);
    return err_wrap(err, rc, "log %s", options->dir);
}

void log_free(struct log *log)
{
    if (!log)
        return;
    if (!log->failed && log->segment_count) {
        struct err err = {0};

        if (log_flush(log, &err) || log_checkpoint(log, true, &err))
            diag_warn("log", "%s: closing: %s", log->dir, err.text);
    }
    for (size_t i = 0; i < log->segment_count; i++)
        segment_unref(log->segments[i]);
    free(log->segments);
    producers_free(log->producers);
    txns_free(log->txns);
    free(log->watches);
    free(log->dir);
    pthread_mutex_destroy(&log->watch_lock);
    pthread_mutex_destroy(&log->flush_lock);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_configure(struct log *log, const struct log_options *options)
{
    pthread_mutex_lock(&log->lock);
    log->options.segment_bytes = options->segment_bytes;
    log->options.segment_ms = options->segment_ms;
    log->options.retention_ms = options->retention_ms;
    log->options.retention_bytes = options->retention_bytes;
    log->options.append_time = options->append_time;
    pthread_mutex_unlock(&log->lock);
}

int64_t log_stable(const struct log *log)
{
    const struct log_txn *oldest = txns_oldest(log->txns);

    return oldest && oldest->first_offset < log->high_watermark ? oldest->first_offset
                                                                : log->high_watermark;
}

struct log_offsets log_offsets(struct log *log)
{
    struct log_offsets out;

    pthread_mutex_lock(&log->lock);
    out = (struct log_offsets){log->start, log->high_watermark, log->flushed,
                               log->end,   log->bytes,          log_stable(log)};
    pthread_mutex_unlock(&log->lock);
    return out;
}

/* ---- segments ----------------------------------------------------------------------------- */

struct segment *log_active(const struct log *log)
{
    return log->segment_count ? log->segments[log->segment_count - 1] : NULL;
}

int log_segment_add(struct log *log, int64_t base_offset, struct segment **out, struct err *err)
{
    int rc;

    if (log->segment_count == log->segment_cap) {
        size_t cap = log->segment_cap ? log->segment_cap * 2 : 4;
        struct segment **more = realloc(log->segments, cap * sizeof(struct segment *));

        if (!more)
            return err_set(err, ERR_NOMEM, "segment list");
        log->segments = more;
        log->segment_cap = cap;
    }
    rc = segment_new(out, log->options.disk, log->dir, base_offset, err);
    if (rc)
        return rc;
    (*out)->created_ms = clock_wall_ms(log->options.clock);
    log->segments[log->segment_count++] = *out;
    return 0;
}

size_t log_segment_index(const struct log *log, int64_t offset)
{
    size_t low = 0, high = log->segment_count;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (log->segments[mid]->base_offset <= offset)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int log_unlink(struct log *log, int64_t base_offset, const char *suffix, struct err *err)
{
    char *path = segment_path(log->dir, base_offset, suffix);
    int rc = path ? disk_unlink(log->options.disk, path, err) : err_set(err, ERR_NOMEM, "unlink");

    free(path);
    return rc == ERR_NOENT ? 0 : rc;
}

/* ---- appending ---------------------------------------------------------------------------- */

struct incoming {
    uint8_t *bytes;
    size_t len, batches;
    int64_t records;
    bool control;
    struct batch first;
};

/* Everything that can be told without knowing the log. */
static int check_incoming(struct incoming *in, struct err *err)
{
    struct slice rest = slice_of(in->bytes, in->len);
    bool idempotent = false;

    while (rest.len) {
        struct batch batch;
        int rc;

        if (rest.len >= BATCH_HEADER_LEN) /* what the producer wrote there means nothing */
            batch_place(in->bytes + (in->len - rest.len), 0, 0);
        rc = batch_next(&rest, true, &batch, NULL, err);
        if (rc == ERR_AGAIN)
            return err_set(err, ERR_CORRUPT, "the last batch is cut short");
        if (rc)
            return rc;
        if (batch.count < 1 || batch.last_offset_delta != batch.count - 1)
            return err_set(err, ERR_CORRUPT,
                           "batch of %" PRId32 " records spans %" PRId32 " offsets", batch.count,
                           batch.last_offset_delta + 1);
        if (!in->batches++)
            in->first = batch;
        in->records += batch.count;
        idempotent |= batch.producer_id >= 0;
        in->control |= batch_is_control(&batch);
    }
    if (!in->batches)
        return err_set(err, ERR_INVALID, "nothing to append");
    if (idempotent && in->batches > 1)
        return err_set(err, ERR_INVALID, "an idempotent producer appends one batch at a time");
    return 0;
}

static bool must_roll(const struct log *log, const struct segment *seg, const struct incoming *in,
                      int64_t now_ms)
{
    const struct log_options *o = &log->options;

    if (!seg)
        return true;
    if (!seg->size)
        return false;
    return seg->size + (int64_t)in->len > o->segment_bytes ||
           seg->size + (int64_t)in->len > SEGMENT_LEN_MAX ||
           log->end + in->records - seg->base_offset > UINT32_MAX ||
           (o->segment_ms > 0 && now_ms - seg->created_ms >= o->segment_ms);
}

/* The segment to write to, with room in its index and a clean end. */
static int ready_segment(struct log *log, const struct incoming *in, int64_t now_ms,
                         struct segment **out, struct err *err)
{
    struct segment *seg = log_active(log);
    int rc = 0;

    if (log->tail_dirty) {
        rc = file_truncate(seg->file, seg->size, err);
        if (rc)
            return rc;
        log->tail_dirty = false;
    }
    if (must_roll(log, seg, in, now_ms)) {
        rc = log_segment_add(log, log->end, &seg, err);
        if (rc)
            return rc;
        log->names_dirty = true;
    }
    if (!seg->size)
        seg->created_ms = now_ms;
    if (segment_reserve(seg, in->batches))
        return err_set(err, ERR_NOMEM, "index entries");
    *out = seg;
    return 0;
}

/* Gives the batches their offsets in the bytes, and the time where the broker's counts. */
static void place_batches(struct incoming *in, int64_t offset, int64_t append_time)
{
    struct slice rest = slice_of(in->bytes, in->len);
    struct batch batch;

    while (rest.len && batch_next(&rest, false, &batch, NULL, NULL) == 0) {
        uint8_t *p = in->bytes + (batch.bytes.ptr - in->bytes);

        batch_place(p, offset, 0);
        if (append_time >= 0)
            batch_stamp(p, batch.bytes.len, append_time);
        offset += batch.count;
    }
}

static int append_locked(struct log *log, struct incoming *in, struct log_append_result *out,
                         struct err *err)
{
    int64_t now_ms = clock_wall_ms(log->options.clock);
    bool idempotent = in->first.producer_id >= 0;
    struct segment *seg = NULL;
    struct producer_hit hit;
    struct slice rest;
    struct batch batch;
    int rc;

    if (log->failed)
        return err_set(err, log->failed, "the log failed before: %s", log->failed_text);
    if (log->end > INT64_MAX - in->records)
        return err_set(err, ERR_LIMIT, "offsets ran out");
    if (txns_reserve(log->txns))
        return err_set(err, ERR_NOMEM, "transactions");
    if (idempotent && !batch_is_control(&in->first)) {
        rc = producers_check(log->producers, &in->first, &hit, err);
        if (rc)
            return rc;
        if (hit.duplicate) {
            *out = (struct log_append_result){hit.base_offset, hit.last_offset, -1, true};
            return 0;
        }
        if (producers_reserve(log->producers))
            return err_set(err, ERR_NOMEM, "producer state");
    }
    rc = ready_segment(log, in, now_ms, &seg, err);
    if (rc)
        return rc;
    *out = (struct log_append_result){log->end, log->end + in->records - 1,
                                      log->options.append_time ? now_ms : -1, false};
    place_batches(in, log->end, out->log_append_time);
    rc = file_pwrite(seg->file, in->bytes, in->len, seg->size, err);
    if (rc) {
        /* Whole batches may lie there now: cut them, or a later crash could bring them back. */
        log->tail_dirty = file_truncate(seg->file, seg->size, NULL) != 0;
        return rc;
    }
    rest = slice_of(in->bytes, in->len);
    while (rest.len && batch_next(&rest, false, &batch, NULL, NULL) == 0) {
        int64_t pos = seg->size;

        segment_note(seg, &batch, log->options.index_interval_bytes);
        if (batch_is_control(&batch) || batch.producer_id < 0)
            continue; /* log_end_txn notes its marker */
        producers_note(log->producers, &batch, now_ms);
        txns_note(log->txns, &batch, seg->base_offset, pos);
    }
    log->end += in->records;
    log->bytes += (int64_t)in->len;
    log->unnoted += (int64_t)in->len;
    if (log->options.visible_unsynced && !log->options.owned) {
        log->high_watermark = log->end;
        log->mark_base = seg->base_offset;
        log->mark_pos = seg->size;
    }
    return 0;
}

int log_append(struct log *log, uint8_t *bytes, size_t len, struct log_append_result *out,
               struct err *err)
{
    struct incoming in = {.bytes = bytes, .len = len};
    int rc = check_incoming(&in, err);

    if (!rc && in.control)
        rc = err_set(err, ERR_INVALID, "control batches are the log's own: log_end_txn");
    if (rc)
        return rc;
    pthread_mutex_lock(&log->lock);
    rc = append_locked(log, &in, out, err);
    pthread_mutex_unlock(&log->lock);
    if (!rc && log->options.visible_unsynced && !out->duplicate)
        log_wake(log);
    return rc;
}

int log_end_txn(struct log *log, int64_t producer_id, int16_t epoch, bool commit,
                struct log_append_result *out, struct err *err)
{
    struct buf marker = {0};
    struct incoming in = {0};
    const struct log_txn *open;
    int rc = txn_marker_build(producer_id, epoch, commit, clock_wall_ms(log->options.clock),
                              &marker, err);

    if (!rc) {
        in = (struct incoming){.bytes = marker.ptr, .len = marker.len};
        rc = check_incoming(&in, err);
    }
    if (!rc) {
        pthread_mutex_lock(&log->lock);
        open = txns_find(log->txns, producer_id);
        if (!open || open->epoch != epoch)
            rc = err_set(err, ERR_NOENT, "producer %" PRId64 " has no transaction open",
                         producer_id);
        if (!rc)
            rc = append_locked(log, &in, out, err);
        if (!rc) {
            in.first.base_offset = out->base_offset;
            txns_note_marker(log->txns, &in.first, commit);
        }
        pthread_mutex_unlock(&log->lock);
    }
    buf_deinit(&marker);
    if (!rc && log->options.visible_unsynced)
        log_wake(log);
    return rc;
}

int log_open_txns(struct log *log, struct arena *arena, struct log_txn **out, size_t *count)
{
    const struct log_txn *open;
    int rc = 0;

    pthread_mutex_lock(&log->lock);
    *count = txns_open(log->txns, &open);
    *out = ARENA_ARRAY(arena, struct log_txn, *count + 1);
    if (!*out)
        rc = ERR_NOMEM;
    else if (*count)
        memcpy(*out, open, *count * sizeof(**out));
    pthread_mutex_unlock(&log->lock);
    return rc;
}

int log_aborted(struct log *log, int64_t from, int64_t to, struct arena *arena,
                struct log_aborted **out, size_t *count)
{
    int rc = 0;

    pthread_mutex_lock(&log->lock);
    *count = txns_aborted(log->txns, from, to, NULL, 0);
    *out = *count ? ARENA_ARRAY(arena, struct log_aborted, *count) : NULL;
    if (*count && !*out)
        rc = ERR_NOMEM;
    else
        txns_aborted(log->txns, from, to, *out, *count);
    pthread_mutex_unlock(&log->lock);
    return rc;
}

bool log_is_aborted(struct log *log, int64_t producer_id, int64_t offset)
{
    bool yes;

    pthread_mutex_lock(&log->lock);
    yes = txns_is_aborted(log->txns, producer_id, offset);
    pthread_mutex_unlock(&log->lock);
    return yes;
}

/* ---- flushing ----------------------------------------------------------------------------- */

struct flush_part {
    struct segment *seg;
    int64_t size; /* to be durable */
};

struct flush {
    struct flush_part *parts; /* oldest first */
    size_t count;
    int64_t end;
    int64_t base, pos; /* end as a place */
    bool names;
};

/* Takes note of what is to be synced. With the lock. */
static int flush_plan(struct log *log, struct flush *flush)
{
    size_t first = log->segment_count;

    /* Synced segments come first; an empty one (a write failed after the roll) may end the list. */
    while (first && (log->segments[first - 1]->synced < log->segments[first - 1]->size ||
                     !log->segments[first - 1]->size))
        first--;
    *flush = (struct flush){.end = log->end, .names = log->names_dirty};
    flush->parts = calloc(log->segment_count - first + 1, sizeof(*flush->parts));
    if (!flush->parts)
        return ERR_NOMEM;
    for (size_t i = first; i < log->segment_count; i++)
        flush->parts[flush->count++] =
            (struct flush_part){segment_ref(log->segments[i]), log->segments[i]->size};
    if (log->segment_count) {
        flush->base = log_active(log)->base_offset;
        flush->pos = log_active(log)->size;
    }
    return 0;
}

static void fail_log(struct log *log, int rc, const struct err *err)
{
    log->failed = rc;
    snprintf(log->failed_text, sizeof(log->failed_text), "%s", err ? err->text : err_name(rc));
    diag_error("log", "%s: %s: no more appends until it is opened again", log->dir,
               log->failed_text);
}

static int flush_held(struct log *log, bool *moved, struct err *err)
{
    struct flush flush = {0};
    int rc = 0;

    pthread_mutex_lock(&log->lock);
    if (log->failed)
        rc = err_set(err, log->failed, "the log failed before: %s", log->failed_text);
    else if (log->flushed == log->end && !log->names_dirty)
        rc = 1; /* nothing to do */
    else if (flush_plan(log, &flush))
        rc = err_set(err, ERR_NOMEM, "flush");
    pthread_mutex_unlock(&log->lock);
    if (rc)
        return rc < 0 ? rc : 0;
    for (size_t i = 0; i < flush.count && !rc; i++)
        rc = file_sync(flush.parts[i].seg->file, err);
    if (!rc && flush.names)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    pthread_mutex_lock(&log->lock);
    if (rc) {
        fail_log(log, rc, err);
    } else {
        for (size_t i = 0; i < flush.count; i++)
            flush.parts[i].seg->synced = flush.parts[i].size;
        /* A segment may have been made during the sync: its name waits for the next flush. */
        if (flush.names && (!log_active(log) || log_active(log)->base_offset == flush.base))
            log->names_dirty = false;
        log->flushed = flush.end;
        if (!log->options.owned && log->high_watermark < flush.end) {
            log->high_watermark = flush.end;
            log->mark_base = flush.base;
            log->mark_pos = flush.pos;
            *moved = true;
        }
    }
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < flush.count; i++)
        segment_unref(flush.parts[i].seg);
    free(flush.parts);
    return rc;
}

int log_flush(struct log *log, struct err *err)
{
    bool moved = false;
    int rc;

    pthread_mutex_lock(&log->flush_lock);
    rc = flush_held(log, &moved, err);
    pthread_mutex_unlock(&log->flush_lock);
    if (moved)
        log_wake(log);
    return rc;
}

/* ---- checkpoints -------------------------------------------------------------------------- */

struct image {
    int64_t base, size;
    struct buf bytes;
};

/* Pictures of all that changed, of one moment. With the lock. */
static int take_images(struct log *log, struct image **out, size_t *count, struct buf *producers)
{
    struct image *images = calloc(log->segment_count + 1, sizeof(*images));
    int rc = images ? producers_image(log->producers, log->txns, log->end, producers) : ERR_NOMEM;

    *out = images;
    *count = 0;
    for (size_t i = 0; i < log->segment_count && !rc; i++) {
        struct segment *seg = log->segments[i];

        if (seg->indexed == seg->size)
            continue;
        images[*count] = (struct image){seg->base_offset, seg->size, {.max = SIZE_MAX}};
        rc = segment_index_image(seg, &images[(*count)++].bytes);
    }
    return rc;
}

static int write_images(struct log *log, struct image *images, size_t count,
                        const struct buf *producers, struct err *err)
{
    char *path = NULL;
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        path = segment_path(log->dir, images[i].base, ".index");
        rc = path ? disk_write_file(log->options.disk, path, buf_slice(&images[i].bytes), err)
                  : ERR_NOMEM;
        free(path);
    }
    if (rc)
        return rc;
    if (asprintf(&path, "%s/producers", log->dir) < 0)
        return err_set(err, ERR_NOMEM, "checkpoint");
    rc = disk_write_file(log->options.disk, path, buf_slice(producers), err);
    free(path);
    return rc;
}

/* Segments may have gone meanwhile; those still there are looked up by their base. */
static void mark_indexed(struct log *log, const struct image *images, size_t count)
{
    for (size_t i = 0; i < count && log->segment_count; i++) {
        struct segment *seg = log->segments[log_segment_index(log, images[i].base)];

        if (seg->base_offset == images[i].base)
            seg->indexed = images[i].size;
    }
}

static int checkpoint_held(struct log *log, bool *moved, struct err *err)
{
    struct buf producers = {.max = SIZE_MAX};
    struct image *images = NULL;
    size_t count = 0;
    int64_t good, start, covered;
    int rc;

    pthread_mutex_lock(&log->lock);
    good = log->end;
    start = log->start;
    covered = log->unnoted;
    rc = take_images(log, &images, &count, &producers);
    pthread_mutex_unlock(&log->lock);
    if (rc)
        err_set(err, rc, "checkpoint");
    if (!rc)
        rc = flush_held(log, moved, err);
    if (!rc)
        rc = write_images(log, images, count, &producers, err);
    if (!rc)
        rc = log_note_write(log, start, good, err);
    if (!rc) {
        pthread_mutex_lock(&log->lock);
        mark_indexed(log, images, count);
        log->unnoted -= covered;
        pthread_mutex_unlock(&log->lock);
    }
    for (size_t i = 0; i < count; i++)
        buf_deinit(&images[i].bytes);
    free(images);
    buf_deinit(&producers);
    return rc;
}

int log_checkpoint(struct log *log, bool force, struct err *err)
{
    bool due, moved = false;
    int rc = 0;

    pthread_mutex_lock(&log->flush_lock);
    pthread_mutex_lock(&log->lock);
    due = log->unnoted >= CHECKPOINT_BYTES || (force && log->unnoted > 0);
    pthread_mutex_unlock(&log->lock);
    if (due)
        rc = checkpoint_held(log, &moved, err);
    pthread_mutex_unlock(&log->flush_lock);
    if (moved)
        log_wake(log);
    return rc;
}

/* ---- watchers ----------------------------------------------------------------------------- */

void log_set_high_watermark(struct log *log, int64_t offset)
{
    bool moved = false;
    struct err err = {0};
    struct segment *seg;
    int64_t pos = 0;

    pthread_mutex_lock(&log->lock);
    if (offset > log->high_watermark && offset <= log->end && log->segment_count) {
        seg = log->segments[log_segment_index(log, offset)];
        if (offset == seg->end_offset)
            pos = seg->size;
        else if (log_place_of(seg, offset, &pos, &err))
            pos = -1;
        if (pos >= 0) {
            log->high_watermark = offset;
            log->mark_base = seg->base_offset;
            log->mark_pos = pos;
            moved = true;
        } else {
            diag_error("log", "%s: high watermark %" PRId64 ": %s", log->dir, offset, err.text);
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (moved)
        log_wake(log);
}

void log_wake(struct log *log)
{
    pthread_mutex_lock(&log->watch_lock);
    for (size_t i = 0; i < log->watch_count; i++)
        log->watches[i].fn(log->watches[i].arg, log);
    pthread_mutex_unlock(&log->watch_lock);
}

int log_on_advance(struct log *log, void (*fn)(void *arg, struct log *log), void *arg)
{
    struct log_watch *more;
    int rc = ERR_NOMEM;

    pthread_mutex_lock(&log->watch_lock);
    more = realloc(log->watches, (log->watch_count + 1) * sizeof(*more));
    if (more) {
        log->watches = more;
        log->watches[log->watch_count++] = (struct log_watch){fn, arg};
        rc = 0;
    }
    pthread_mutex_unlock(&log->watch_lock);
    return rc;
}

void log_off_advance(struct log *log, void (*fn)(void *arg, struct log *log), void *arg)
{
    pthread_mutex_lock(&log->watch_lock);
    for (size_t i = 0; i < log->watch_count; i++)
        if (log->watches[i].fn == fn && log->watches[i].arg == arg) {
            log->watches[i] = log->watches[--log->watch_count];
            break;
        }
    pthread_mutex_unlock(&log->watch_lock);
}
