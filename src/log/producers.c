/* producers.c - what a partition remembers of idempotent producers (KIP-98): per producer id the
 * epoch and where its last five batches went, so that a batch sent again is answered with the place
 * it got the first time, and a gap is refused.
 *
 * An open-addressing table, never more than half full. The state is derived from the log: recovery
 * rebuilds it from batch headers; the file `producers` is a cache of it at some offset.
 *
 * File `producers`, big-endian: magic "TARNPRD1"; int64 offset up to which batches were counted;
 * uint32 count; uint32 CRC-32C of the whole file with these four bytes zero; then per producer:
 * int64 id, int64 last_ms, int16 epoch, uint8 kept, uint8 0, and 5 times int32 first, int32 last
 * sequence, int64 base_offset; then, where there are any, transactions (txns.c).
 */
#include "base/be.h"
#include "log/log_int.h"

#define KEPT          5 /* Kafka's clients have at most five requests in flight */
#define PRODUCERS_MAX 65536
#define MAGIC         "TARNPRD1"
#define HEADER_LEN    24
#define ENTRY_LEN     (20 + KEPT * 16)

struct sent {
    int32_t first, last; /* sequences */
    int64_t base_offset;
};

struct producer {
    int64_t id; /* -1: free slot */
    int64_t last_ms;
    int16_t epoch;
    uint8_t kept;
    struct sent sent[KEPT]; /* oldest first */
};

struct producers {
    struct producer *slots;
    size_t count, cap; /* cap is a power of two */
};

int producers_new(struct producers **out, struct err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : err_set(err, ERR_NOMEM, "producer state");
}

void producers_free(struct producers *producers)
{
    if (producers)
        free(producers->slots);
    free(producers);
}

void producers_clear(struct producers *producers)
{
    free(producers->slots);
    *producers = (struct producers){0};
}

size_t producers_count(const struct producers *producers)
{
    return producers->count;
}

static struct producer *slot_of(struct producer *slots, size_t cap, int64_t id)
{
    size_t at = ((uint64_t)id * 0x9E3779B97F4A7C15u >> 20) & (cap - 1);

    while (slots[at].id != -1 && slots[at].id != id)
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

static const struct producer *find(const struct producers *producers, int64_t id)
{
    const struct producer *slot;

    if (!producers->cap)
        return NULL;
    slot = slot_of(producers->slots, producers->cap, id);
    return slot->id == id ? slot : NULL;
}

/* Moves those newer than `before_ms` into a table of `cap` slots. */
static int rebuild(struct producers *producers, size_t cap, int64_t before_ms)
{
    struct producer *slots = malloc(cap * sizeof(*slots));
    size_t count = 0;

    if (!slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < cap; i++)
        slots[i].id = -1;
    for (size_t i = 0; i < producers->cap; i++) {
        const struct producer *old = &producers->slots[i];

        if (old->id == -1 || old->last_ms < before_ms)
            continue;
        *slot_of(slots, cap, old->id) = *old;
        count++;
    }
    free(producers->slots);
    *producers = (struct producers){slots, count, cap};
    return 0;
}

void producers_expire(struct producers *producers, int64_t before_ms)
{
    for (size_t i = 0; i < producers->cap; i++)
        if (producers->slots[i].id != -1 && producers->slots[i].last_ms < before_ms) {
            (void)rebuild(producers, producers->cap, before_ms); /* no memory: next time */
            return;
        }
}

/* Forgets the eighth of the time span that is longest silent, so that the cost is spread. */
static int make_room(struct producers *producers)
{
    int64_t oldest = INT64_MAX, newest = INT64_MIN;

    for (size_t i = 0; i < producers->cap; i++) {
        const struct producer *p = &producers->slots[i];

        if (p->id == -1)
            continue;
        oldest = p->last_ms < oldest ? p->last_ms : oldest;
        newest = p->last_ms > newest ? p->last_ms : newest;
    }
    return rebuild(producers, producers->cap, oldest + (newest - oldest) / 8 + 1);
}

int producers_reserve(struct producers *producers)
{
    if ((producers->count + 1) * 2 <= producers->cap)
        return 0;
    if (producers->count >= PRODUCERS_MAX / 2)
        return make_room(producers);
    return rebuild(producers, producers->cap ? producers->cap * 2 : 16, INT64_MIN);
}

static int32_t sequence_add(int32_t sequence, int32_t more)
{
    return (int32_t)(((int64_t)sequence + more) & INT32_MAX);
}

int producers_check(const struct producers *producers, const struct batch *batch,
                    struct producer_hit *hit, struct err *err)
{
    const struct producer *p = find(producers, batch->producer_id);
    int32_t last = sequence_add(batch->base_sequence, batch->last_offset_delta);

    *hit = (struct producer_hit){0};
    if (batch->producer_epoch < 0 || batch->base_sequence < 0)
        return err_set(err, ERR_INVALID, "producer %" PRId64 " with epoch %d and sequence %" PRId32,
                       batch->producer_id, batch->producer_epoch, batch->base_sequence);
    if (!p)
        return 0; /* unknown, or forgotten after a long silence: any sequence starts it */
    if (batch->producer_epoch < p->epoch)
        return err_set(err, ERR_DENIED, "producer %" PRId64 " has epoch %d, a newer one has %d",
                       batch->producer_id, batch->producer_epoch, p->epoch);
    if (batch->producer_epoch > p->epoch) {
        if (batch->base_sequence == 0)
            return 0;
        return err_set(err, ERR_CONFLICT,
                       "producer %" PRId64 " starts epoch %d at sequence %" PRId32,
                       batch->producer_id, batch->producer_epoch, batch->base_sequence);
    }
    for (int i = 0; i < p->kept; i++) {
        if (p->sent[i].first != batch->base_sequence || p->sent[i].last != last)
            continue;
        *hit = (struct producer_hit){true, p->sent[i].base_offset,
                                     p->sent[i].base_offset + batch->last_offset_delta};
        return 0;
    }
    if (p->kept && sequence_add(p->sent[p->kept - 1].last, 1) != batch->base_sequence)
        return err_set(err, ERR_CONFLICT,
                       "producer %" PRId64 " sends sequence %" PRId32 ", expected was %" PRId32,
                       batch->producer_id, batch->base_sequence,
                       sequence_add(p->sent[p->kept - 1].last, 1));
    return 0;
}

void producers_note(struct producers *producers, const struct batch *batch, int64_t now_ms)
{
    struct producer *p = slot_of(producers->slots, producers->cap, batch->producer_id);

    if (p->id == -1) {
        *p = (struct producer){.id = batch->producer_id, .epoch = batch->producer_epoch};
        producers->count++;
    }
    if (p->epoch != batch->producer_epoch) {
        p->epoch = batch->producer_epoch;
        p->kept = 0;
    }
    if (p->kept == KEPT)
        memmove(p->sent, p->sent + 1, --p->kept * sizeof(p->sent[0]));
    p->sent[p->kept++] = (struct sent){batch->base_sequence,
                                       sequence_add(batch->base_sequence, batch->last_offset_delta),
                                       batch->base_offset};
    p->last_ms = now_ms;
}

int producers_image(const struct producers *producers, const struct txns *txns, int64_t offset,
                    struct buf *out)
{
    size_t start = out->len;
    int rc = buf_reserve(out, HEADER_LEN + producers->count * ENTRY_LEN);
    uint8_t *at;

    if (rc)
        return rc;
    at = out->ptr + start;
    memcpy(at, MAGIC, 8);
    be64_put(at + 8, (uint64_t)offset);
    be32_put(at + 16, (uint32_t)producers->count);
    be32_put(at + 20, 0);
    at += HEADER_LEN;
    for (size_t i = 0; i < producers->cap; i++) {
        const struct producer *p = &producers->slots[i];

        if (p->id == -1)
            continue;
        memset(at, 0, ENTRY_LEN);
        be64_put(at, (uint64_t)p->id);
        be64_put(at + 8, (uint64_t)p->last_ms);
        be16_put(at + 16, (uint16_t)p->epoch);
        at[18] = p->kept;
        for (int k = 0; k < p->kept; k++) {
            be32_put(at + 20 + k * 16, (uint32_t)p->sent[k].first);
            be32_put(at + 24 + k * 16, (uint32_t)p->sent[k].last);
            be64_put(at + 28 + k * 16, (uint64_t)p->sent[k].base_offset);
        }
        at += ENTRY_LEN;
    }
    out->len = (size_t)(at - out->ptr);
    if (txns_any(txns) && txns_image(txns, out))
        return ERR_NOMEM;
    be32_put(out->ptr + start + 20, crc32c(0, out->ptr + start, out->len - start));
    return 0;
}

static uint32_t image_crc(struct slice image)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, image.ptr, 20);

    crc = crc32c(crc, zero, sizeof(zero));
    return crc32c(crc, image.ptr + HEADER_LEN, image.len - HEADER_LEN);
}

int producers_load(struct producers *producers, struct txns *txns, struct slice image,
                   int64_t *offset, struct err *err)
{
    size_t count;
    int rc;

    if (image.len < HEADER_LEN || memcmp(image.ptr, MAGIC, 8) != 0)
        return err_set(err, ERR_CORRUPT, "producers: not such a file");
    count = be32_get(image.ptr + 16);
    if (count > PRODUCERS_MAX || image.len < HEADER_LEN + count * ENTRY_LEN)
        return err_set(err, ERR_CORRUPT, "producers: %zu of them in %zu bytes", count, image.len);
    if (be32_get(image.ptr + 20) != image_crc(image))
        return err_set(err, ERR_CORRUPT, "producers: its CRC does not hold");
    producers_clear(producers);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = image.ptr + HEADER_LEN + i * ENTRY_LEN;
        struct producer *p;

        rc = producers_reserve(producers);
        if (rc)
            return err_set(err, rc, "producers");
        p = slot_of(producers->slots, producers->cap, (int64_t)be64_get(at));
        if (p->id == -1)
            producers->count++;
        *p = (struct producer){.id = (int64_t)be64_get(at),
                               .last_ms = (int64_t)be64_get(at + 8),
                               .epoch = (int16_t)be16_get(at + 16),
                               .kept = at[18] > KEPT ? KEPT : at[18]};
        for (int k = 0; k < p->kept; k++)
            p->sent[k] = (struct sent){(int32_t)be32_get(at + 20 + k * 16),
                                       (int32_t)be32_get(at + 24 + k * 16),
                                       (int64_t)be64_get(at + 28 + k * 16)};
    }
    *offset = (int64_t)be64_get(image.ptr + 8);
    return txns_load(txns,
                     slice_of(image.ptr + HEADER_LEN + count * ENTRY_LEN,
                              image.len - HEADER_LEN - count * ENTRY_LEN),
                     err);
}
