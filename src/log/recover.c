/* recover.c - what a log knows when it is opened.
 *
 * The file `recovery` is text, four lines, replaced as a whole:
 *
 *   tarn-log 1
 *   start OFFSET     records before it were deleted
 *   good OFFSET      all before it was synced, and is trusted without a CRC
 *   crc HEX          CRC-32C of the lines above
 *
 * Below `good` the log must be whole: a gap there is damage, not a torn write, and opening fails
 * with ERR_CORRUPT without touching anything. Beyond it a power loss may have left anything:
 * batches are read by CRC, and the first that does not hold is cut off together with all that
 * follows. Invariant: `good` is never past what a sync has confirmed, so no acknowledged record is
 * cut.
 */
#include <stdio.h>

#include "log/log_int.h"

#define NOTE_LEN_MAX 256

struct note {
    int64_t start, good;
};

int log_note_write(struct log *log, int64_t start, int64_t good, struct err *err)
{
    char text[NOTE_LEN_MAX], *path = NULL;
    int len = snprintf(text, sizeof(text), "tarn-log 1\nstart %" PRId64 "\ngood %" PRId64 "\n",
                       start, good);
    int rc;

    len += snprintf(text + len, sizeof(text) - (size_t)len, "crc %08x\n",
                    crc32c(0, text, (size_t)len));
    if (asprintf(&path, "%s/recovery", log->dir) < 0)
        return err_set(err, ERR_NOMEM, "recovery file");
    rc = disk_write_file(log->options.disk, path, slice_of(text, (size_t)len), err);
    free(path);
    if (!rc)
        log->good = good;
    return rc;
}

/* Absent or broken: nothing is trusted, everything is checked. */
static int note_read(struct log *log, struct note *note, struct err *err)
{
    struct buf text = {.max = NOTE_LEN_MAX};
    unsigned version = 0, crc = 0;
    char *path = NULL;
    int rc, upto = 0;

    *note = (struct note){0};
    if (asprintf(&path, "%s/recovery", log->dir) < 0)
        return err_set(err, ERR_NOMEM, "recovery file");
    rc = disk_read_file(log->options.disk, path, &text, err);
    free(path);
    if (rc == ERR_NOENT)
        rc = 0;
    else if (!rc && buf_cstr(&text)) {
        struct note found;
        int got = sscanf((const char *)text.ptr,
                         "tarn-log %u start %" SCNd64 " good %" SCNd64 "\n%ncrc %x", &version,
                         &found.start, &found.good, &upto, &crc);

        if (got == 4 && upto > 0 && (size_t)upto <= text.len &&
            crc == crc32c(0, text.ptr, (size_t)upto) && found.start >= 0 && found.good >= 0)
            *note = found;
        else
            diag_warn("log", "%s/recovery does not hold: the whole log is checked", log->dir);
        if (got == 4 && version > 1)
            rc = err_set(err, ERR_UNSUPPORTED, "made by a newer program (version %u)", version);
    } else if (rc == ERR_LIMIT) {
        diag_warn("log", "%s/recovery is too long: the whole log is checked", log->dir);
        rc = 0;
    }
    buf_deinit(&text);
    return rc;
}

static int compare_bases(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

/* Base offsets of the .log files, sorted. Left-over temporary files are removed. */
static int list_bases(struct log *log, struct arena *arena, int64_t **out, size_t *count,
                      struct err *err)
{
    struct disk_entry *entries;
    size_t entry_count;
    int rc = disk_list(log->options.disk, log->dir, arena, &entries, &entry_count, err);

    if (rc)
        return rc;
    *out = ARENA_ARRAY(arena, int64_t, entry_count + 1);
    *count = 0;
    if (!*out)
        return err_set(err, ERR_NOMEM, "list of segments");
    for (size_t i = 0; i < entry_count; i++) {
        struct slice name = slice_str(entries[i].name);
        int64_t base;

        if (slice_ends(name, SLICE_LIT(".tmp"))) {
            char *path = arena_printf(arena, "%s/%s", log->dir, entries[i].name);

            if (path)
                disk_unlink(log->options.disk, path, NULL);
            continue;
        }
        if (name.len != 24 || !slice_ends(name, SLICE_LIT(".log")) ||
            slice_to_i64(slice_of(name.ptr, 20), &base) || base < 0)
            continue;
        (*out)[(*count)++] = base;
    }
    qsort(*out, *count, sizeof(**out), compare_bases);
    return 0;
}

/* Reads one segment as far as it holds. */
static int load_segment(struct log *log, int64_t base, int64_t good, bool *torn, struct err *err)
{
    struct segment *seg;
    struct err why = {0};
    int64_t known;
    int rc = log_segment_add(log, base, &seg, err);

    if (rc)
        return rc;
    rc = segment_index_load(seg, log->options.disk, log->dir, good, &why);
    if (rc == ERR_NOMEM || rc == ERR_IO)
        return err_set(err, rc, "%s", why.text);
    known = seg->size;
    rc = segment_scan(seg, good, log->options.index_interval_bytes, torn, err);
    if (rc)
        return rc;
    log->unnoted += seg->size - known;
    seg->synced = seg->end_offset <= good ? seg->size : known;
    return 0;
}

/* Removes the segments from `from` on: they lie beyond a torn write. */
static int drop_segments(struct log *log, const int64_t *bases, size_t from, size_t count,
                         struct err *err)
{
    int rc = 0;

    for (size_t i = count; i-- > from && !rc;) {
        rc = log_unlink(log, bases[i], ".index", err);
        if (!rc)
            rc = log_unlink(log, bases[i], ".log", err);
    }
    return rc;
}

/* What a torn write left is cut off for good before anything new is written in its place. */
static int cut_tail(struct log *log, const int64_t *bases, size_t kept, size_t count,
                    struct err *err)
{
    struct segment *seg = log_active(log);
    int64_t file_len;
    int rc = file_size(seg->file, &file_len, err);

    if (rc)
        return rc;
    diag_warn("log", "%s: %" PRId64 " bytes%s behind offset %" PRId64 " were torn: cut off",
              log->dir, file_len - seg->size, kept < count ? " and whole segments" : "",
              seg->end_offset);
    rc = drop_segments(log, bases, kept, count, err);
    if (!rc)
        rc = file_truncate(seg->file, seg->size, err);
    if (!rc)
        rc = file_sync(seg->file, err);
    if (!rc)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    return rc;
}

static int load_segments(struct log *log, const struct note *note, struct err *err)
{
    struct arena arena = {0};
    int64_t *bases = NULL;
    size_t count = 0, i;
    bool torn = false;
    int rc = list_bases(log, &arena, &bases, &count, err);

    for (i = 0; i < count && !rc && !torn; i++) {
        if (i && bases[i] != log_active(log)->end_offset)
            break; /* a gap */
        rc = load_segment(log, bases[i], note->good, &torn, err);
    }
    if (!rc && i) {
        int64_t end = log_active(log)->end_offset;

        if (end < note->good)
            rc = err_set(err, ERR_CORRUPT,
                         "damaged: its records end at offset %" PRId64
                         ", but were whole up to %" PRId64,
                         end, note->good);
        else if (torn || i < count)
            rc = cut_tail(log, bases, i, count, err);
    } else if (!rc && note->good > note->start) {
        rc = err_set(err, ERR_CORRUPT, "damaged: no segment is left of records up to %" PRId64,
                     note->good);
    }
    arena_deinit(&arena);
    return rc;
}

/* After a crash the page cache may hold what the disk does not: synced before it counts. */
static int sync_loaded(struct log *log, struct err *err)
{
    bool any = false;
    int rc = 0;

    for (size_t i = 0; i < log->segment_count && !rc; i++) {
        struct segment *seg = log->segments[i];

        if (seg->synced == seg->size)
            continue;
        rc = file_sync(seg->file, err);
        seg->synced = seg->size;
        any = true;
    }
    if (!rc && any)
        rc = disk_sync_dir(log->options.disk, log->dir, err);
    return rc;
}

int log_producers_rebuild(struct log *log, int64_t from, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < log->segment_count && rc >= 0; i++) {
        struct segment *seg = log->segments[i];
        struct header_walk walk;
        struct batch batch;

        if (seg->end_offset <= from)
            continue;
        header_walk_init(&walk, seg->file, segment_entry(seg, from).pos, seg->size);
        while ((rc = header_walk_next(&walk, &batch, err)) == 1) {
            if (batch.base_offset < from || batch.producer_id < 0)
                continue;
            if (producers_reserve(log->producers) || txns_reserve(log->txns))
                return err_set(err, ERR_NOMEM, "producer state");
            if (batch_is_control(&batch)) {
                bool commit;

                rc = txn_marker_load(seg->file, walk.at, batch.bytes.len, &commit, err);
                if (rc)
                    return rc;
                txns_note_marker(log->txns, &batch, commit);
                continue;
            }
            producers_note(log->producers, &batch, batch.max_timestamp);
            txns_note(log->txns, &batch, seg->base_offset, walk.at);
        }
    }
    return rc < 0 ? rc : 0;
}

static int load_producers(struct log *log, struct err *err)
{
    struct buf image = {.max = SIZE_MAX};
    int64_t from = 0;
    char *path = NULL;
    int rc;

    if (asprintf(&path, "%s/producers", log->dir) < 0)
        return err_set(err, ERR_NOMEM, "producer state");
    rc = disk_read_file(log->options.disk, path, &image, err);
    if (!rc)
        rc = producers_load(log->producers, log->txns, buf_slice(&image), &from, err);
    buf_deinit(&image);
    if (rc == ERR_CORRUPT || (!rc && from > log->end)) {
        rc = disk_unlink(log->options.disk, path, err); /* it tells of what was cut */
        producers_clear(log->producers);
        txns_clear(log->txns);
        from = 0;
    }
    free(path);
    if (rc && rc != ERR_NOENT)
        return rc;
    return log_producers_rebuild(log, from, err);
}

/* Segments that a deletion had decided on and a crash left behind. */
static int drop_deleted(struct log *log, struct err *err)
{
    int rc = 0;

    while (log->segment_count > 1 && log->segments[0]->end_offset <= log->start && !rc) {
        struct segment *seg = log->segments[0];

        rc = log_unlink(log, seg->base_offset, ".log", err);
        if (!rc)
            rc = log_unlink(log, seg->base_offset, ".index", err);
        if (rc)
            break;
        memmove(log->segments, log->segments + 1, --log->segment_count * sizeof(struct segment *));
        segment_unref(seg);
    }
    return rc;
}

int log_recover(struct log *log, struct err *err)
{
    struct note note;
    int rc = disk_mkdirs(log->options.disk, log->dir, err);

    if (!rc)
        rc = note_read(log, &note, err);
    if (!rc)
        rc = load_segments(log, &note, err);
    if (!rc)
        rc = sync_loaded(log, err);
    if (rc)
        return rc;
    log->good = note.good;
    log->start = log->end = note.start;
    if (log->segment_count) {
        int64_t first = log->segments[0]->base_offset;

        log->end = log_active(log)->end_offset;
        if (log->start > log->end)
            return err_set(err, ERR_CORRUPT,
                           "damaged: it ends at offset %" PRId64 ", before its start %" PRId64,
                           log->end, log->start);
        if (first > log->start)
            log->start = first;
        rc = drop_deleted(log, err);
    }
    if (!rc)
        rc = load_producers(log, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < log->segment_count; i++)
        log->bytes += log->segments[i]->size;
    log->flushed = log->high_watermark = log->end;
    if (log->options.owned) {
        if (log->options.owned_end > log->end)
            return err_set(err, ERR_CORRUPT,
                           "damaged: it ends at offset %" PRId64 ", a commit vouches for %" PRId64,
                           log->end, log->options.owned_end);
        rc = log_cut(log, log->options.owned_end > log->start ? log->options.owned_end : log->start,
                     err);
    }
    if (!rc && log->segment_count) {
        log->names_dirty = !log_active(log)->size; /* its name may not be durable yet */
        log->mark_base = log_active(log)->base_offset;
        log->mark_pos = log_active(log)->size;
    }
    return rc;
}
