/* kafka_rows.h - records to rows: what the sources of topics share, wherever the records come from.
 *
 * A poll is kafka_rows_begin, kafka_rows_add for each record, kafka_rows_end; then
 * kafka_rows_origin says where each row came from. The bytes of the records are the caller's and
 * stay until his next poll. Where a team shares the work (kafka_rows_share), records are decoded
 * by kafka_rows_end, and so are all rejects and faults.
 * Threads: belongs to the pipeline's.
 */
#ifndef CONNECTOR_KAFKA_ROWS_H
#define CONNECTOR_KAFKA_ROWS_H

#include "connector/kafka_options.h"

#define KAFKA_ROWS_MAX 8192 /* of one poll and thread; those of one record may come on top */

struct kafka_slices;
struct team;

/* Where a record stands. */
struct kafka_origin {
    const char *topic; /* borrowed until the next poll */
    int32_t partition; /* of the topic */
    int32_t ordinal;   /* among all partitions of the source: whose watermark it moves */
    int32_t leader_epoch;
    bool append_time; /* its timestamp is the broker's */
};

struct kafka_row_origin { /* for rejects found after decoding */
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct slice key, value;
};

struct kafka_rows {
    struct kafka_source_config *config; /* borrowed for life */
    struct vec_columns columns;
    struct kafka_row_origin *origins;
    size_t origin_cap, count; /* count: of the poll */
    /* The chunk being filled. */
    struct vec_batch *out;
    duckdb_data_chunk chunk;
    idx_t rows;
    stream_reject_fn *reject;
    void *arg;
    /* Decoding that is shared out (kafka_slices.h). */
    struct kafka_slices *slices; /* NULL: options asked for one thread */
    struct team *team;           /* NULL: records are decoded as they are added */
    size_t max;                  /* rows, or records that are noted, of one poll */
};

/* config is initialised and outlives the rows; its decoders are made here. */
int kafka_rows_init(struct kafka_rows *rows, struct kafka_source_config *config,
                    const struct kafka_source_options *options, struct err *err);
void kafka_rows_deinit(struct kafka_rows *rows);
/* As of a source's `share`: `team` is borrowed as long as polls come. Nothing happens without the
 * decoders for it, which options' `threads` asks for. */
void kafka_rows_share(struct kafka_rows *rows, struct team *team);

void kafka_rows_begin(struct kafka_rows *rows, struct vec_batch *out, stream_reject_fn *reject,
                      void *arg);
static inline bool kafka_rows_full(const struct kafka_rows *rows)
{
    return rows->count >= rows->max;
}
int kafka_rows_add(struct kafka_rows *rows, const struct kafka_origin *at,
                   const struct record *record, struct err *err);
int kafka_rows_end(struct kafka_rows *rows, struct err *err); /* also after an error */
int kafka_rows_origin(const struct kafka_rows *rows, int64_t row, struct stream_reject *out,
                      struct err *err);
void kafka_rows_rest(struct kafka_rows *rows); /* between polls: the last one's origins go */
/* Those of `from` behind the others. */
int kafka_rows_take_origins(struct kafka_rows *rows, const struct kafka_rows *from,
                            struct err *err);

#endif
