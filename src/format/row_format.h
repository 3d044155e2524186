/* row_format.h - messages to rows and rows to messages, by the name of the format: json, csv, raw,
 * avro, debezium-json, canal-json, maxwell-json, as Flink 1.20 has them.
 *
 * A decoder reads one message into rows of a chunk, an encoder makes one message of a row. A format
 * of changes (row_format_changes) has more than one row in some messages, and each row has a kind:
 * the numbers are those of Flink's RowKind, 0 +I, 1 -U, 2 +U, 3 -D.
 * Options are asked for by their name behind the format's ("ignore-parse-errors"); NULL is unset.
 * Bytes from outside are bounded: ERR_INVALID with a fault that says place and reason.
 * Threads: a decoder or encoder belongs to one thread at a time.
 */
#ifndef FORMAT_ROW_FORMAT_H
#define FORMAT_ROW_FORMAT_H

#include "format/json.h"

struct row_options {
    const char *(*get)(void *arg, const char *key);
    void *arg;
};

bool row_format_known(const char *format); /* is it one of those above? */
bool row_format_changes(const char *format);

enum row_kind { ROW_INSERT, ROW_UPDATE_BEFORE, ROW_UPDATE_AFTER, ROW_DELETE };

/* ---- messages to rows ---- */

#define ROWS_OF_MESSAGE_MAX 1024 /* canal-json's data */

struct row_decoder;
struct row_decoder_options {
    const struct json_field *fields; /* borrowed for the call, in the order of the columns */
    size_t field_count;
    struct row_options options; /* borrowed for the call */
    bool ignore_parse_errors;   /* every field is ON_FAULT_NULL */
};
int row_decoder_new(struct row_decoder **out, const char *format,
                    const struct row_decoder_options *options, struct err *err);
void row_decoder_free(struct row_decoder *decoder); /* accepts NULL */

/* What a message says: *rows of them, to be read one by one with row_decode, before the next
 * message. The bytes stay until then. 0 rows: it says nothing (a debezium heartbeat, DDL). */
int row_decode_message(struct row_decoder *decoder, struct slice message, size_t *rows,
                       struct json_fault *fault);
void row_decode_begin(struct row_decoder *decoder, duckdb_data_chunk chunk);
/* Row `nth` of the message into row `row` of the chunk. ERR_INVALID: the row may be used again. */
int row_decode(struct row_decoder *decoder, size_t nth, idx_t row, enum row_kind *kind,
               struct json_fault *fault);
/* A row out of an object of JSON, whatever the format is. */
int row_decode_json(struct row_decoder *decoder, struct slice text, idx_t row,
                    struct json_fault *fault);
void row_decode_end(struct row_decoder *decoder);

/* ---- rows to messages ---- */

struct row_encoder;
struct row_encoder_field {
    const char *name;         /* in the message; copied */
    duckdb_logical_type type; /* borrowed for the encoder's life */
    idx_t column;             /* of the chunk */
};
int row_encoder_new(struct row_encoder **out, const char *format,
                    const struct row_encoder_field *fields, size_t count,
                    const struct row_options *options, struct err *err);
void row_encoder_free(struct row_encoder *encoder);
/* Appends a message. *null: it is none (raw of a NULL). Formats without changes take any kind and
 * do not say it. */
int row_encode(struct row_encoder *encoder, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
               struct buf *out, bool *null, struct err *err);

/* Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8: ERR_INVALID. */
int row_put_string(struct buf *out, struct slice text);

#endif
