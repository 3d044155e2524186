/* batch.c - record batches, magic 2 (KIP-98): one walk for batches, one for records, one builder.
 *
 * The header is 61 bytes, big-endian. The CRC-32C covers everything from the attributes on, so
 * base offset, length and leader epoch can be rewritten by the broker without touching it. Records
 * hold varints (zigzag) and may be compressed as one block.
 */
#include "log/batch.h"

#include "base/be.h"

#define POS_LENGTH         8
#define POS_LEADER_EPOCH   12
#define POS_MAGIC          16
#define POS_CRC            17
#define POS_ATTRIBUTES     21
#define POS_LAST_DELTA     23
#define POS_BASE_TIMESTAMP 27
#define POS_MAX_TIMESTAMP  35
#define POS_PRODUCER_ID    43
#define POS_PRODUCER_EPOCH 51
#define POS_BASE_SEQUENCE  53
#define POS_COUNT          57
#define LENGTH_OVERHEAD    12 /* base offset and the length itself are not counted in it */
#define BATCH_BYTES_MAX    (INT32_MAX - 4096)

static int check_length(const uint8_t *p, size_t *total, struct err *err)
{
    int32_t length = (int32_t)be32_get(p + POS_LENGTH);

    if (length < BATCH_HEADER_LEN - LENGTH_OVERHEAD || length > BATCH_BYTES_MAX)
        return err_set(err, ERR_CORRUPT, "batch claims a length of %" PRId32 " bytes", length);
    *total = (size_t)length + LENGTH_OVERHEAD;
    return 0;
}

int batch_peek(const uint8_t header[BATCH_HEADER_LEN], struct batch *out, struct err *err)
{
    const uint8_t *p = header;
    size_t total = 0;
    int rc = check_length(p, &total, err);

    if (rc)
        return rc;
    if (p[POS_MAGIC] != 2)
        return err_set(err, ERR_CORRUPT, "batch of magic %u, only 2 is known", p[POS_MAGIC]);
    *out = (struct batch){
        .base_offset = (int64_t)be64_get(p),
        .leader_epoch = (int32_t)be32_get(p + POS_LEADER_EPOCH),
        .attributes = be16_get(p + POS_ATTRIBUTES),
        .last_offset_delta = (int32_t)be32_get(p + POS_LAST_DELTA),
        .base_timestamp = (int64_t)be64_get(p + POS_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)be64_get(p + POS_MAX_TIMESTAMP),
        .producer_id = (int64_t)be64_get(p + POS_PRODUCER_ID),
        .producer_epoch = (int16_t)be16_get(p + POS_PRODUCER_EPOCH),
        .base_sequence = (int32_t)be32_get(p + POS_BASE_SEQUENCE),
        .count = (int32_t)be32_get(p + POS_COUNT),
        .bytes = {NULL, total},
        .payload = {NULL, total - BATCH_HEADER_LEN},
    };
    if (out->base_offset < 0 || out->last_offset_delta < 0 ||
        out->base_offset > INT64_MAX - out->last_offset_delta - 1)
        return err_set(err, ERR_CORRUPT, "batch with offset %" PRId64 " and last delta %" PRId32,
                       out->base_offset, out->last_offset_delta);
    if (out->count < 0)
        return err_set(err, ERR_CORRUPT, "batch claims %" PRId32 " records", out->count);
    return 0;
}

int batch_next(struct slice *bytes, bool check_crc, struct batch *out, size_t *need,
               struct err *err)
{
    const uint8_t *p = bytes->ptr;
    size_t total = 0;
    int rc;

    if (need)
        *need = BATCH_HEADER_LEN;
    if (bytes->len < LENGTH_OVERHEAD)
        return err_set(err, ERR_AGAIN, "a batch needs %d bytes, %zu are there", BATCH_HEADER_LEN,
                       bytes->len);
    rc = check_length(p, &total, err);
    if (rc)
        return rc;
    if (need)
        *need = total;
    if (bytes->len < total)
        return err_set(err, ERR_AGAIN, "batch of %zu bytes, %zu are there", total, bytes->len);
    rc = batch_peek(p, out, err);
    if (rc)
        return rc;
    if (check_crc) {
        uint32_t want = be32_get(p + POS_CRC);
        uint32_t have = crc32c(0, p + POS_ATTRIBUTES, total - POS_ATTRIBUTES);

        if (want != have)
            return err_set(err, ERR_CORRUPT, "batch CRC is %08x, its bytes give %08x", want, have);
    }
    out->bytes.ptr = p;
    out->payload.ptr = p + BATCH_HEADER_LEN;
    bytes->ptr += total;
    bytes->len -= total;
    return 0;
}

/* Zigzag varint of at most 10 bytes. Returns false when it does not fit in what is left. */
static bool varint(struct slice *in, int64_t *out)
{
    uint64_t raw = 0;

    for (int shift = 0; shift < 70; shift += 7) {
        uint8_t byte;

        if (!in->len)
            return false;
        byte = *in->ptr++;
        in->len--;
        if (shift == 63 && byte > 1)
            return false;
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return true;
        }
    }
    return false;
}

/* Length-prefixed bytes; -1 is null, told by ptr NULL. */
static bool var_bytes(struct slice *in, struct slice *out)
{
    static const uint8_t nothing;
    int64_t len;

    if (!varint(in, &len) || len < -1 || (len > 0 && (uint64_t)len > in->len))
        return false;
    if (len < 0) {
        *out = (struct slice){NULL, 0};
        return true;
    }
    *out = slice_of(len ? in->ptr : &nothing, (size_t)len);
    in->ptr += len;
    in->len -= (size_t)len;
    return true;
}

int record_walk_init(struct record_walk *walk, const struct batch *batch, struct buf *scratch,
                     size_t max_bytes, struct err *err)
{
    enum codec codec = batch_codec(batch);
    int rc;

    walk->batch = *batch;
    walk->left = batch->count;
    walk->rest = batch->payload;
    if (codec == CODEC_NONE)
        return 0;
    if (codec > CODEC_ZSTD)
        return err_set(err, ERR_CORRUPT, "batch with unknown compression %d", (int)codec);
    buf_clear(scratch);
    rc = codec_decompress(codec, batch->payload, max_bytes, scratch, err);
    if (rc)
        return err_wrap(err, rc, "batch at offset %" PRId64, batch->base_offset);
    walk->rest = buf_slice(scratch);
    return 0;
}

static int bad_record(const struct record_walk *walk, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "record %" PRId32 " of the batch at offset %" PRId64 ": %s",
                   walk->batch.count - walk->left, walk->batch.base_offset, what);
}

int record_next(struct record_walk *walk, struct record *out, struct err *err)
{
    int64_t len, timestamp_delta, offset_delta, headers;
    struct slice body;

    if (walk->left <= 0) {
        if (walk->rest.len)
            return bad_record(walk, "bytes follow the last record", err);
        return 0;
    }
    if (!varint(&walk->rest, &len) || len < 0 || (uint64_t)len > walk->rest.len)
        return bad_record(walk, "its length is past the end of the batch", err);
    body = slice_of(walk->rest.ptr, (size_t)len);
    if (!body.len)
        return bad_record(walk, "empty", err);
    body.ptr++, body.len--; /* attributes: unused in magic 2 */
    if (!varint(&body, &timestamp_delta) || !varint(&body, &offset_delta))
        return bad_record(walk, "bad deltas", err);
    if (offset_delta < 0 || offset_delta > walk->batch.last_offset_delta)
        return bad_record(walk, "offset outside of its batch", err);
    if (!var_bytes(&body, &out->key) || !var_bytes(&body, &out->value))
        return bad_record(walk, "key or value is past its end", err);
    /* A header takes two bytes at least. */
    if (!varint(&body, &headers) || headers < 0 || (uint64_t)headers > body.len / 2)
        return bad_record(walk, "bad header count", err);
    out->offset = walk->batch.base_offset + offset_delta;
    out->timestamp =
        batch_is_append_time(&walk->batch)
            ? walk->batch.max_timestamp
            : (int64_t)((uint64_t)walk->batch.base_timestamp + (uint64_t)timestamp_delta);
    out->headers = body;
    out->header_count = (int32_t)headers;
    walk->rest.ptr += len;
    walk->rest.len -= (size_t)len;
    walk->left--;
    return 1;
}

int header_next(struct slice *headers, struct slice *key, struct slice *value, struct err *err)
{
    if (!headers->len)
        return 0;
    if (!var_bytes(headers, key) || !key->ptr || !var_bytes(headers, value))
        return err_set(err, ERR_CORRUPT, "record header is past the end of its record");
    return 1;
}

/* ---- building ---------------------------------------------------------------------------- */

void batch_builder_init(struct batch_builder *builder)
{
    *builder = (struct batch_builder){.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    buf_init(&builder->records, BATCH_BYTES_MAX);
}

void batch_builder_deinit(struct batch_builder *builder)
{
    buf_deinit(&builder->records);
}

static uint8_t *put_varint(uint8_t *at, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    while (raw >= 0x80) {
        *at++ = (uint8_t)(raw | 0x80);
        raw >>= 7;
    }
    *at++ = (uint8_t)raw;
    return at;
}

static size_t varint_len(int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    return (size_t)(70 - __builtin_clzll(raw | 1)) / 7;
}

static size_t var_bytes_len(struct slice s)
{
    return s.ptr ? varint_len((int64_t)s.len) + s.len : 1;
}

static uint8_t *put_var_bytes(uint8_t *at, struct slice s)
{
    if (!s.ptr)
        return put_varint(at, -1);
    at = put_varint(at, (int64_t)s.len);
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

int batch_builder_add(struct batch_builder *builder, int64_t timestamp, struct slice key,
                      struct slice value, const struct header *headers, int header_count)
{
    int64_t first = builder->count ? builder->base_timestamp : timestamp;
    int64_t delta = (int64_t)((uint64_t)timestamp - (uint64_t)first);
    size_t len = 1 + varint_len(delta) + varint_len(builder->count) + var_bytes_len(key) +
                 var_bytes_len(value) + varint_len(header_count);
    uint8_t *at;
    int rc;

    if (builder->count == INT32_MAX || len > BATCH_BYTES_MAX)
        return ERR_LIMIT;
    for (int i = 0; i < header_count; i++)
        len += var_bytes_len(headers[i].key) + var_bytes_len(headers[i].value);
    rc = buf_reserve(&builder->records, len + 5);
    if (rc)
        return rc;
    at = put_varint(builder->records.ptr + builder->records.len, (int64_t)len);
    *at++ = 0;
    at = put_varint(at, delta);
    at = put_varint(at, builder->count);
    at = put_var_bytes(at, key);
    at = put_var_bytes(at, value);
    at = put_varint(at, header_count);
    for (int i = 0; i < header_count; i++) {
        at = put_var_bytes(at, headers[i].key);
        at = put_var_bytes(at, headers[i].value);
    }
    builder->records.len = (size_t)(at - builder->records.ptr);
    if (!builder->count || timestamp > builder->max_timestamp)
        builder->max_timestamp = timestamp;
    builder->base_timestamp = first;
    builder->count++;
    return 0;
}

int batch_builder_finish(struct batch_builder *builder, enum codec codec, struct buf *out,
                         struct err *err)
{
    size_t start = out->len, total;
    uint8_t *p;
    int rc;

    if (!builder->count)
        return err_set(err, ERR_INVALID, "a batch needs a record");
    rc = buf_reserve(out, BATCH_HEADER_LEN + (codec ? 0 : builder->records.len));
    if (rc)
        return err_set(err, rc, "batch of %" PRId32 " records", builder->count);
    out->len += BATCH_HEADER_LEN;
    if (codec == CODEC_NONE)
        rc = buf_append_slice(out, buf_slice(&builder->records));
    else
        rc = codec_compress(codec, 0, buf_slice(&builder->records), out, err);
    total = out->len - start;
    if (!rc && total > BATCH_BYTES_MAX)
        rc = err_set(err, ERR_LIMIT, "batch of %zu bytes", total);
    if (rc) {
        out->len = start;
        return rc;
    }
    p = out->ptr + start;
    memset(p, 0, BATCH_HEADER_LEN);
    be32_put(p + POS_LENGTH, (uint32_t)(total - LENGTH_OVERHEAD));
    p[POS_MAGIC] = 2;
    be16_put(p + POS_ATTRIBUTES, (uint16_t)((builder->attributes & ~7u) | codec));
    be32_put(p + POS_LAST_DELTA, (uint32_t)(builder->count - 1));
    be64_put(p + POS_BASE_TIMESTAMP, (uint64_t)builder->base_timestamp);
    be64_put(p + POS_MAX_TIMESTAMP, (uint64_t)builder->max_timestamp);
    be64_put(p + POS_PRODUCER_ID, (uint64_t)builder->producer_id);
    be16_put(p + POS_PRODUCER_EPOCH, (uint16_t)builder->producer_epoch);
    be32_put(p + POS_BASE_SEQUENCE, (uint32_t)builder->base_sequence);
    be32_put(p + POS_COUNT, (uint32_t)builder->count);
    be32_put(p + POS_CRC, crc32c(0, p + POS_ATTRIBUTES, total - POS_ATTRIBUTES));
    if (builder->base_sequence >= 0) /* sequences run on, wrapping to 0 */
        builder->base_sequence =
            (int32_t)(((int64_t)builder->base_sequence + builder->count) & INT32_MAX);
    buf_clear(&builder->records);
    builder->count = 0;
    builder->max_timestamp = 0;
    return 0;
}

void batch_place(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    be64_put(batch, (uint64_t)base_offset);
    be32_put(batch + POS_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_stamp(uint8_t *batch, size_t len, int64_t append_time_ms)
{
    be16_put(batch + POS_ATTRIBUTES, be16_get(batch + POS_ATTRIBUTES) | 8);
    be64_put(batch + POS_MAX_TIMESTAMP, (uint64_t)append_time_ms);
    be32_put(batch + POS_CRC, crc32c(0, batch + POS_ATTRIBUTES, len - POS_ATTRIBUTES));
}
