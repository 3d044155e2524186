/* batch.h - record batches, magic 2 (KIP-98): walk them, read their records, build them.
 * Nothing is trusted: every length and count is checked against the bytes left.
 */
#ifndef LOG_BATCH_H
#define LOG_BATCH_H

#include "base/base.h"
#include "base/codec.h"

#define BATCH_HEADER_LEN 61

enum { BATCH_APPEND_TIME = 8, BATCH_TRANSACTIONAL = 16, BATCH_CONTROL = 32 }; /* attributes */

struct batch {
    int64_t base_offset;
    int32_t leader_epoch;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp; /* ms */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;        /* records */
    struct slice bytes;   /* the whole batch, header included */
    struct slice payload; /* records, maybe compressed */
};

static inline enum codec batch_codec(const struct batch *b)
{
    return (enum codec)(b->attributes & 7);
}
static inline bool batch_is_append_time(const struct batch *b)
{
    return b->attributes & 8;
}
static inline bool batch_is_transactional(const struct batch *b)
{
    return b->attributes & 16;
}
static inline bool batch_is_control(const struct batch *b)
{
    return b->attributes & 32;
}

/* Takes the first batch off `bytes`. ERR_AGAIN: not whole yet (then *need says how many bytes it
 * claims); ERR_CORRUPT with the reason. check_crc costs one pass over the bytes. */
int batch_next(struct slice *bytes, bool check_crc, struct batch *out, size_t *need,
               struct err *err);

/* Reads the header alone: out->bytes.len says what the batch claims, its pointers are NULL. */
int batch_peek(const uint8_t header[BATCH_HEADER_LEN], struct batch *out, struct err *err);

struct record {
    int64_t offset;
    int64_t timestamp; /* ms */
    struct slice key;  /* ptr NULL: null key */
    struct slice value;
    struct slice headers; /* raw; header_next walks them */
    int32_t header_count;
};

struct record_walk {
    struct batch batch;
    struct slice rest; /* records not yet read */
    int32_t left;
};

/* Decompresses into `scratch` (cleared) when needed; slices of the records then point into it. */
int record_walk_init(struct record_walk *walk, const struct batch *batch, struct buf *scratch,
                     size_t max_bytes, struct err *err);
/* 1: a record; 0: the end; negative: ERR_CORRUPT. */
int record_next(struct record_walk *walk, struct record *out, struct err *err);
int header_next(struct slice *headers, struct slice *key, struct slice *value, struct err *err);

struct header {
    struct slice key, value;
};

/* What the broker writes into a checked batch: its place (outside of the CRC), and with
 * message.timestamp.type=LogAppendTime the time (attribute bit 3; the CRC is made again). */
void batch_place(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
void batch_stamp(uint8_t *batch, size_t len, int64_t append_time_ms);

/* Builds one batch. add: timestamps in ms; key.ptr NULL is a null key. finish: compresses, fills
 * in lengths and CRC, appends the batch to `out` and is ready for the next. */
struct batch_builder {
    struct buf records;
    int32_t count;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    uint16_t attributes;
};
void batch_builder_init(struct batch_builder *builder);
void batch_builder_deinit(struct batch_builder *builder);
int batch_builder_add(struct batch_builder *builder, int64_t timestamp, struct slice key,
                      struct slice value, const struct header *headers, int header_count);
int batch_builder_finish(struct batch_builder *builder, enum codec codec, struct buf *out,
                         struct err *err);

#endif
