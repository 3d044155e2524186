/* txns.c - what a partition remembers of transactions (KIP-98): which producers have one open and
 * where it began, and which runs of records were aborted.
 *
 * A transaction opens with its first batch and ends with a control batch, the marker. Readers of
 * committed records stop before the first record of the oldest open one (the last stable offset)
 * and are told of the aborted ones in what they read, so that they can pass over their records.
 * Derived from the log, as the state of producers is: the file `producers` carries an image behind
 * its own entries, recovery reads on from there.
 *
 * Image, big-endian: uint32 open, uint32 aborted; per open one int64 id, int64 first offset, int64
 * segment, int64 position, int16 epoch; per aborted one int64 id, int64 first, int64 marker.
 */
#include "base/be.h"
#include "log/log_int.h"

#define OPEN_LEN     34
#define ABORTED_LEN  24
#define TXNS_MAX     (1 << 20)
#define MARKER_BYTES 4096

struct aborted {
    int64_t producer_id, first, marker;
};

struct txns {
    struct log_txn *open; /* in order of first */
    size_t open_count, open_cap;
    struct aborted *aborted; /* in order of marker */
    size_t aborted_count, aborted_cap;
};

int txns_new(struct txns **out, struct err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : err_set(err, ERR_NOMEM, "transactions");
}

void txns_clear(struct txns *txns)
{
    free(txns->open);
    free(txns->aborted);
    *txns = (struct txns){0};
}

void txns_free(struct txns *txns)
{
    if (txns)
        txns_clear(txns);
    free(txns);
}

bool txns_any(const struct txns *txns)
{
    return txns->open_count || txns->aborted_count;
}

int txns_reserve(struct txns *txns)
{
    if (txns->open_count == txns->open_cap) {
        size_t cap = txns->open_cap ? txns->open_cap * 2 : 8;
        struct log_txn *more = cap > TXNS_MAX ? NULL : realloc(txns->open, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        txns->open = more;
        txns->open_cap = cap;
    }
    if (txns->aborted_count == txns->aborted_cap) {
        size_t cap = txns->aborted_cap ? txns->aborted_cap * 2 : 8;
        struct aborted *more = cap > TXNS_MAX ? NULL : realloc(txns->aborted, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        txns->aborted = more;
        txns->aborted_cap = cap;
    }
    return 0;
}

const struct log_txn *txns_find(const struct txns *txns, int64_t producer_id)
{
    for (size_t i = 0; i < txns->open_count; i++)
        if (txns->open[i].producer_id == producer_id)
            return &txns->open[i];
    return NULL;
}

void txns_note(struct txns *txns, const struct batch *batch, int64_t segment, int64_t pos)
{
    if (!batch_is_transactional(batch) || txns_find(txns, batch->producer_id))
        return;
    txns->open[txns->open_count++] = (struct log_txn){batch->producer_id, batch->producer_epoch,
                                                      batch->base_offset, segment, pos};
}

void txns_note_marker(struct txns *txns, const struct batch *batch, bool commit)
{
    const struct log_txn *found = txns_find(txns, batch->producer_id);
    size_t at = found ? (size_t)(found - txns->open) : 0;

    if (!found)
        return;
    if (!commit)
        txns->aborted[txns->aborted_count++] =
            (struct aborted){found->producer_id, found->first_offset, batch->base_offset};
    memmove(txns->open + at, txns->open + at + 1,
            (--txns->open_count - at) * sizeof(txns->open[0]));
}

void txns_expire(struct txns *txns, int64_t start)
{
    size_t gone = 0;

    while (gone < txns->aborted_count && txns->aborted[gone].marker < start)
        gone++;
    if (gone)
        memmove(txns->aborted, txns->aborted + gone,
                (txns->aborted_count -= gone) * sizeof(txns->aborted[0]));
}

const struct log_txn *txns_oldest(const struct txns *txns)
{
    return txns->open_count ? txns->open : NULL;
}

size_t txns_open(const struct txns *txns, const struct log_txn **out)
{
    *out = txns->open;
    return txns->open_count;
}

/* The first aborted one whose marker is at or behind `offset`. */
static size_t aborted_from(const struct txns *txns, int64_t offset)
{
    size_t low = 0, high = txns->aborted_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (txns->aborted[mid].marker < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t txns_aborted(const struct txns *txns, int64_t from, int64_t to, struct log_aborted *out,
                    size_t max)
{
    size_t count = 0;

    for (size_t i = aborted_from(txns, from); i < txns->aborted_count; i++) {
        if (txns->aborted[i].first >= to)
            continue;
        if (count < max)
            out[count] = (struct log_aborted){txns->aborted[i].producer_id, txns->aborted[i].first};
        count++;
    }
    return count;
}

bool txns_is_aborted(const struct txns *txns, int64_t producer_id, int64_t offset)
{
    for (size_t i = aborted_from(txns, offset); i < txns->aborted_count; i++)
        if (txns->aborted[i].producer_id == producer_id)
            return txns->aborted[i].first <= offset;
    return false;
}

/* ---- markers ------------------------------------------------------------------------------- */

/* Control record (KIP-98): key int16 version, int16 type (0 abort, 1 commit); value int16 version,
 * int32 epoch of the coordinator. */
int txn_marker_build(int64_t producer_id, int16_t epoch, bool commit, int64_t now_ms,
                     struct buf *out, struct err *err)
{
    static const uint8_t value[6] = {0};
    uint8_t key[4] = {0, 0, 0, commit};
    struct batch_builder builder;
    int rc;

    batch_builder_init(&builder);
    builder.producer_id = producer_id;
    builder.producer_epoch = epoch;
    builder.base_sequence = -1;
    builder.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    rc = batch_builder_add(&builder, now_ms, slice_of(key, sizeof(key)),
                           slice_of(value, sizeof(value)), NULL, 0);
    rc = rc ? err_set(err, rc, "marker") : batch_builder_finish(&builder, CODEC_NONE, out, err);
    batch_builder_deinit(&builder);
    return rc;
}

int txn_marker_read(const struct batch *batch, bool *commit, struct err *err)
{
    struct record_walk walk;
    struct record record;
    int rc = record_walk_init(&walk, batch, NULL, MARKER_BYTES, err);

    if (!rc)
        rc = record_next(&walk, &record, err);
    if (rc < 0)
        return rc;
    if (rc != 1 || record.key.len < 4 || be16_get(record.key.ptr + 2) > 1)
        return err_set(err, ERR_CORRUPT, "control batch at offset %" PRId64 " is no marker",
                       batch->base_offset);
    *commit = be16_get(record.key.ptr + 2) == 1;
    return 0;
}

int txn_marker_load(struct file *file, int64_t pos, size_t len, bool *commit, struct err *err)
{
    uint8_t bytes[MARKER_BYTES];
    struct slice rest = slice_of(bytes, len);
    struct batch batch;
    int rc;

    if (len > sizeof(bytes))
        return err_set(err, ERR_CORRUPT, "control batch of %zu bytes", len);
    rc = file_read_all(file, bytes, len, pos, err);
    if (!rc)
        rc = batch_next(&rest, false, &batch, NULL, err);
    return rc ? rc : txn_marker_read(&batch, commit, err);
}

/* ---- the image ----------------------------------------------------------------------------- */

int txns_image(const struct txns *txns, struct buf *out)
{
    size_t len = 8 + txns->open_count * OPEN_LEN + txns->aborted_count * ABORTED_LEN;
    uint8_t *at;

    if (buf_reserve(out, len))
        return ERR_NOMEM;
    at = out->ptr + out->len;
    be32_put(at, (uint32_t)txns->open_count);
    be32_put(at + 4, (uint32_t)txns->aborted_count);
    at += 8;
    for (size_t i = 0; i < txns->open_count; i++, at += OPEN_LEN) {
        const struct log_txn *t = &txns->open[i];

        be64_put(at, (uint64_t)t->producer_id);
        be64_put(at + 8, (uint64_t)t->first_offset);
        be64_put(at + 16, (uint64_t)t->segment);
        be64_put(at + 24, (uint64_t)t->pos);
        be16_put(at + 32, (uint16_t)t->epoch);
    }
    for (size_t i = 0; i < txns->aborted_count; i++, at += ABORTED_LEN) {
        be64_put(at, (uint64_t)txns->aborted[i].producer_id);
        be64_put(at + 8, (uint64_t)txns->aborted[i].first);
        be64_put(at + 16, (uint64_t)txns->aborted[i].marker);
    }
    out->len += len;
    return 0;
}

int txns_load(struct txns *txns, struct slice image, struct err *err)
{
    size_t open, aborted;
    const uint8_t *at = image.ptr + 8;

    txns_clear(txns);
    if (!image.len)
        return 0; /* made before there were any */
    open = image.len < 8 ? 0 : be32_get(image.ptr);
    aborted = image.len < 8 ? 0 : be32_get(image.ptr + 4);
    if (image.len < 8 || open > TXNS_MAX || aborted > TXNS_MAX ||
        image.len != 8 + open * OPEN_LEN + aborted * ABORTED_LEN)
        return err_set(err, ERR_CORRUPT, "producers: %zu and %zu transactions in %zu bytes", open,
                       aborted, image.len);
    for (; open; open--, at += OPEN_LEN) {
        if (txns_reserve(txns))
            return err_set(err, ERR_NOMEM, "transactions");
        txns->open[txns->open_count++] = (struct log_txn){
            (int64_t)be64_get(at), (int16_t)be16_get(at + 32), (int64_t)be64_get(at + 8),
            (int64_t)be64_get(at + 16), (int64_t)be64_get(at + 24)};
    }
    for (; aborted; aborted--, at += ABORTED_LEN) {
        if (txns_reserve(txns))
            return err_set(err, ERR_NOMEM, "transactions");
        txns->aborted[txns->aborted_count++] = (struct aborted){
            (int64_t)be64_get(at), (int64_t)be64_get(at + 8), (int64_t)be64_get(at + 16)};
    }
    return 0;
}
