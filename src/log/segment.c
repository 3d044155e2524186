/* segment.c - one file of record batches with its sparse index in memory, and the index file.
 *
 * The folder of a log, all numbers big-endian:
 *
 *   BASE.log     record batches (magic 2), one after another, exactly as served to consumers. BASE
 * is the offset of the first record, 20 decimal digits. No header, no padding. BASE.index   a cache
 * of places in BASE.log, written at checkpoints, replaced as a whole: 8 bytes magic "TARNIDX1"
 *                  int64 base offset, int64 end offset, int64 bytes of BASE.log covered,
 *                  int64 largest timestamp (ms; INT64_MIN: none), uint32 number of entries,
 *                  uint32 CRC-32C of the whole file with these four bytes zero
 *                  then per entry: uint32 offset - BASE, uint32 place in BASE.log, both of one
 *                  batch's start, int64 largest timestamp of all batches before it.
 *                It serves offsets and times alike: the timestamps only grow from entry to entry.
 *   producers    what is known of idempotent producers at some offset (producers.c); a cache.
 *   recovery     text: how far the log was known good and where it starts (recover.c).
 *
 * A consumer's position is found by the entry before it and a walk over batch headers. The index
 * may vanish at any time; a wrong one is told by its CRC and its bounds, and rebuilt from the .log
 * file.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/be.h"
#include "log/log_int.h"

#define INDEX_MAGIC      "TARNIDX1"
#define INDEX_HEADER_LEN 48
#define INDEX_ENTRY_LEN  16
#define SCAN_WINDOW      ((size_t)1 << 20)

char *segment_path(const char *dir, int64_t base_offset, const char *suffix)
{
    char *path = NULL;

    return asprintf(&path, "%s/%020" PRId64 "%s", dir, base_offset, suffix) < 0 ? NULL : path;
}

int segment_new(struct segment **out, struct disk *disk, const char *dir, int64_t base_offset,
                struct err *err)
{
    struct segment *seg = calloc(1, sizeof(*seg));
    char *path = segment_path(dir, base_offset, ".log");
    int rc = ERR_NOMEM;

    if (!seg || !path)
        goto fail;
    atomic_init(&seg->refs, 1);
    seg->base_offset = seg->end_offset = base_offset;
    seg->max_timestamp = NO_TIME;
    seg->last_entry_pos = -1;
    rc = disk_open(disk, &seg->file, path, DISK_WRITE | DISK_CREATE, err);
    if (rc)
        goto fail;
    free(path);
    *out = seg;
    return 0;

fail:
    free(path);
    segment_unref(seg);
    return err_wrap(err, rc, "segment %020" PRId64, base_offset);
}

struct segment *segment_ref(struct segment *seg)
{
    atomic_fetch_add_explicit(&seg->refs, 1, memory_order_relaxed);
    return seg;
}

void segment_unref(struct segment *seg)
{
    if (!seg || atomic_fetch_sub_explicit(&seg->refs, 1, memory_order_acq_rel) > 1)
        return;
    file_close(seg->file);
    free(seg->entries);
    free(seg);
}

int segment_reserve(struct segment *seg, size_t more)
{
    size_t cap = seg->entry_cap ? seg->entry_cap : 16;
    struct index_entry *entries;

    if (more <= seg->entry_cap - seg->entry_count)
        return 0;
    while (cap - seg->entry_count < more)
        cap *= 2;
    entries = realloc(seg->entries, cap * sizeof(*entries));
    if (!entries)
        return ERR_NOMEM;
    seg->entries = entries;
    seg->entry_cap = cap;
    return 0;
}

void segment_note(struct segment *seg, const struct batch *batch, int64_t interval)
{
    if (seg->last_entry_pos < 0 || seg->size - seg->last_entry_pos >= interval) {
        assert(seg->entry_count < seg->entry_cap);
        seg->entries[seg->entry_count++] =
            (struct index_entry){(uint32_t)(batch->base_offset - seg->base_offset),
                                 (uint32_t)seg->size, seg->max_timestamp};
        seg->last_entry_pos = seg->size;
    }
    if (batch->max_timestamp > seg->max_timestamp)
        seg->max_timestamp = batch->max_timestamp;
    seg->size += (int64_t)batch->bytes.len;
    seg->end_offset = batch->base_offset + batch->last_offset_delta + 1;
}

/* ---- finding ------------------------------------------------------------------------------ */

/* The last entry for which `before` holds; entries for which it holds come first. */
#define LAST_ENTRY(seg, condition, result)                                                         \
    do {                                                                                           \
        size_t low = 0, high = (seg)->entry_count;                                                 \
        while (low < high) {                                                                       \
            size_t mid = low + (high - low) / 2;                                                   \
            const struct index_entry *e = &(seg)->entries[mid];                                    \
            if (condition)                                                                         \
                low = mid + 1;                                                                     \
            else                                                                                   \
                high = mid;                                                                        \
        }                                                                                          \
        if (low)                                                                                   \
            (result) = (seg)->entries[low - 1];                                                    \
    } while (0)

struct index_entry segment_entry(const struct segment *seg, int64_t offset)
{
    struct index_entry found = {0, 0, NO_TIME};

    LAST_ENTRY(seg, seg->base_offset + e->offset_delta <= offset, found);
    return found;
}

struct index_entry segment_boundary(const struct segment *seg, int64_t pos)
{
    struct index_entry found = {0, 0, NO_TIME};

    LAST_ENTRY(seg, e->pos <= pos, found);
    return found;
}

struct index_entry segment_entry_by_time(const struct segment *seg, int64_t time_ms)
{
    struct index_entry found = {0, 0, NO_TIME};

    LAST_ENTRY(seg, e->time_before < time_ms, found);
    return found;
}

void header_walk_init(struct header_walk *walk, struct file *file, int64_t pos, int64_t limit)
{
    walk->file = file;
    walk->pos = walk->at = pos;
    walk->limit = limit;
    walk->window_pos = 0;
    walk->window_len = 0;
}

int header_walk_next(struct header_walk *walk, struct batch *out, struct err *err)
{
    int64_t left = walk->limit - walk->pos;
    int rc;

    if (left <= 0)
        return 0;
    if (left < BATCH_HEADER_LEN)
        return err_set(err, ERR_CORRUPT, "%" PRId64 " bytes at %" PRId64 " are no batch", left,
                       walk->pos);
    if (walk->pos < walk->window_pos ||
        walk->pos + BATCH_HEADER_LEN > walk->window_pos + (int64_t)walk->window_len) {
        size_t want = left < (int64_t)sizeof(walk->window) ? (size_t)left : sizeof(walk->window);

        walk->window_len = 0;
        rc = file_read_all(walk->file, walk->window, want, walk->pos, err);
        if (rc)
            return rc;
        walk->window_pos = walk->pos;
        walk->window_len = want;
    }
    rc = batch_peek(walk->window + (walk->pos - walk->window_pos), out, err);
    if (!rc && (int64_t)out->bytes.len > left)
        rc = err_set(err, ERR_CORRUPT, "batch of %zu bytes where %" PRId64 " are left",
                     out->bytes.len, left);
    if (rc)
        return err_wrap(err, rc, "at %" PRId64, walk->pos);
    walk->at = walk->pos;
    walk->pos += (int64_t)out->bytes.len;
    return 1;
}

/* ---- recovery ----------------------------------------------------------------------------- */

static int scan_note(struct segment *seg, const struct batch *batch, int64_t interval,
                     struct err *err)
{
    int rc;

    if (batch->base_offset != seg->end_offset)
        return err_set(err, ERR_CORRUPT,
                       "batch at %" PRId64 " has offset %" PRId64 ", expected %" PRId64, seg->size,
                       batch->base_offset, seg->end_offset);
    if (batch->base_offset - seg->base_offset > UINT32_MAX || seg->size > SEGMENT_LEN_MAX)
        return err_set(err, ERR_CORRUPT, "batch at %" PRId64 " is out of the segment's bounds",
                       seg->size);
    rc = segment_reserve(seg, 1);
    if (rc)
        return err_set(err, rc, "index entry");
    segment_note(seg, batch, interval);
    return 0;
}

/* What recovery knows to be good is walked by headers; only reading errors and damage stop it. */
static int scan_trusted(struct segment *seg, int64_t trusted, int64_t file_len, int64_t interval,
                        struct err *err)
{
    struct header_walk walk;
    struct batch batch;
    int rc = 1;

    header_walk_init(&walk, seg->file, seg->size, file_len);
    while (seg->end_offset < trusted && rc == 1) {
        rc = header_walk_next(&walk, &batch, err);
        if (rc == 1)
            rc = scan_note(seg, &batch, interval, err) ?: 1;
    }
    return rc < 0 ? rc : 0;
}

/* Beyond, whole batches are read and their CRC decides. */
static int scan_checked(struct segment *seg, int64_t file_len, int64_t interval, bool *torn,
                        struct err *err)
{
    struct buf window = {.max = SIZE_MAX};
    size_t want = SCAN_WINDOW, used = 0;
    int64_t pos = seg->size;
    struct err why = {0};
    int rc = 0;

    while (seg->size < file_len && !*torn) {
        struct slice bytes = slice_of(window.ptr + used, window.len - used);
        struct batch batch;
        size_t need = 0, got;

        rc = window.len ? batch_next(&bytes, true, &batch, &need, &why) : ERR_AGAIN;
        if (rc == 0) {
            rc = scan_note(seg, &batch, interval, &why);
            used += batch.bytes.len;
        } else if (rc == ERR_AGAIN && pos < file_len) {
            buf_consume(&window, used);
            used = 0;
            want = need > window.len + SCAN_WINDOW ? need - window.len : SCAN_WINDOW;
            if ((int64_t)want > file_len - pos) /* a torn header may claim anything */
                want = (size_t)(file_len - pos);
            if (buf_reserve(&window, want)) {
                rc = err_set(err, ERR_NOMEM, "batch of %zu bytes", need);
                break;
            }
            rc = file_pread(seg->file, window.ptr + window.len, want, pos, &got, err);
            if (rc)
                break;
            if (!got)
                file_len = pos; /* shorter than its size said */
            window.len += got;
            pos += (int64_t)got;
            continue;
        }
        if (rc == ERR_CORRUPT || rc == ERR_AGAIN) {
            *torn = true;
            rc = 0;
        }
        if (rc) {
            if (err)
                *err = why;
            break;
        }
    }
    buf_deinit(&window);
    return rc;
}

int segment_scan(struct segment *seg, int64_t trusted, int64_t interval, bool *torn,
                 struct err *err)
{
    int64_t file_len;
    int rc = file_size(seg->file, &file_len, err);

    *torn = false;
    if (!rc)
        rc = scan_trusted(seg, trusted, file_len, interval, err);
    if (!rc)
        rc = scan_checked(seg, file_len, interval, torn, err);
    if (rc)
        return err_wrap(err, rc, "segment %020" PRId64, seg->base_offset);
    return 0;
}

/* ---- the index file ----------------------------------------------------------------------- */

int segment_index_image(const struct segment *seg, struct buf *out)
{
    size_t start = out->len;
    int rc = buf_reserve(out, INDEX_HEADER_LEN + seg->entry_count * INDEX_ENTRY_LEN);
    uint8_t *at;

    if (rc)
        return rc;
    at = out->ptr + start;
    memcpy(at, INDEX_MAGIC, 8);
    be64_put(at + 8, (uint64_t)seg->base_offset);
    be64_put(at + 16, (uint64_t)seg->end_offset);
    be64_put(at + 24, (uint64_t)seg->size);
    be64_put(at + 32, (uint64_t)seg->max_timestamp);
    be32_put(at + 40, (uint32_t)seg->entry_count);
    be32_put(at + 44, 0);
    at += INDEX_HEADER_LEN;
    for (size_t i = 0; i < seg->entry_count; i++, at += INDEX_ENTRY_LEN) {
        be32_put(at, seg->entries[i].offset_delta);
        be32_put(at + 4, seg->entries[i].pos);
        be64_put(at + 8, (uint64_t)seg->entries[i].time_before);
    }
    out->len = (size_t)(at - out->ptr);
    be32_put(out->ptr + start + 44, crc32c(0, out->ptr + start, out->len - start));
    return 0;
}

/* An image holds when it is whole, about this segment, and about bytes that are there and flushed.
 */
static int index_check(const struct segment *seg, struct buf *image, int64_t trusted,
                       int64_t file_len, struct err *err)
{
    uint8_t *p = image->ptr;
    uint32_t crc;

    if (image->len < INDEX_HEADER_LEN || memcmp(p, INDEX_MAGIC, 8) != 0 ||
        image->len != INDEX_HEADER_LEN + (size_t)be32_get(p + 40) * INDEX_ENTRY_LEN)
        return err_set(err, ERR_CORRUPT, "index: not such a file");
    crc = be32_get(p + 44);
    be32_put(p + 44, 0);
    if (crc != crc32c(0, p, image->len))
        return err_set(err, ERR_CORRUPT, "index: its CRC does not hold");
    if ((int64_t)be64_get(p + 8) != seg->base_offset || (int64_t)be64_get(p + 24) > file_len ||
        (int64_t)be64_get(p + 16) > trusted)
        return err_set(err, ERR_CORRUPT, "index: about other bytes than are there");
    return 0;
}

int segment_index_load(struct segment *seg, struct disk *disk, const char *dir, int64_t trusted,
                       struct err *err)
{
    char *path = segment_path(dir, seg->base_offset, ".index");
    struct buf image = {.max = SIZE_MAX};
    int64_t file_len = 0;
    size_t count;
    int rc;

    if (!path)
        return err_set(err, ERR_NOMEM, "index");
    rc = file_size(seg->file, &file_len, err);
    if (!rc)
        rc = disk_read_file(disk, path, &image, err);
    if (!rc)
        rc = index_check(seg, &image, trusted, file_len, err);
    if (rc)
        goto out;
    count = be32_get(image.ptr + 40);
    seg->entries = count ? malloc(count * sizeof(*seg->entries)) : NULL;
    if (count && !seg->entries) {
        rc = err_set(err, ERR_NOMEM, "index of %zu entries", count);
        goto out;
    }
    seg->entry_count = seg->entry_cap = count;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = image.ptr + INDEX_HEADER_LEN + i * INDEX_ENTRY_LEN;

        seg->entries[i] =
            (struct index_entry){be32_get(at), be32_get(at + 4), (int64_t)be64_get(at + 8)};
    }
    seg->last_entry_pos = count ? (int64_t)seg->entries[count - 1].pos : -1;
    seg->end_offset = (int64_t)be64_get(image.ptr + 16);
    seg->size = seg->indexed = (int64_t)be64_get(image.ptr + 24);
    seg->max_timestamp = (int64_t)be64_get(image.ptr + 32);
out:
    buf_deinit(&image);
    free(path);
    return rc;
}
