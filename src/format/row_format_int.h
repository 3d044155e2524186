/* row_format_int.h - what the formats of messages share.
 *
 * One typed reader serves all: json_decode_row knows how text becomes a value of any type. The
 * other formats rewrite a message as JSON text and hand it on, which costs a copy and saves a
 * second set of conversions that would differ in the corners.
 */
#ifndef FORMAT_ROW_FORMAT_INT_H
#define FORMAT_ROW_FORMAT_INT_H

#include "format/row_format.h"

struct row_piece { /* one row of a message */
    enum row_kind kind;
    struct slice text; /* an object of JSON; in the message, or in the decoder's text */
};

struct row_decoder {
    const struct row_decoder_ops *ops;
    struct json_decoder *json;
    struct row_piece *pieces;
    size_t piece_count, piece_cap;
    struct buf text; /* pieces that were rewritten: by position until the message is read */
    bool ignore_parse_errors;
    void *state; /* the format's own */
};

struct row_decoder_ops {
    /* Fills `state`. May be NULL. */
    int (*open)(struct row_decoder *d, const struct row_decoder_options *o, struct err *err);
    /* Fills the pieces. */
    int (*split)(struct row_decoder *d, struct slice message, struct json_fault *fault);
    void (*close)(struct row_decoder *d);
    bool changes;
};

/* Adds a piece that stands in the message. */
int row_piece_add(struct row_decoder *d, enum row_kind kind, struct slice text);
/* Text of `d->text` from `from` on becomes a piece. Its slice is set when the message is split: the
 * text may still move. */
int row_piece_made(struct row_decoder *d, enum row_kind kind, size_t from);
int row_fault(struct json_fault *fault, size_t pos, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* gives ERR_INVALID */

bool row_option_true(const struct row_options *options, const char *key);
/* One character that an option gives ("\t" may be spelled as backslash and t). */
int row_option_char(const struct row_options *options, const char *key, char fallback, char *out,
                    struct err *err);

extern const struct row_decoder_ops row_csv_in, row_raw_in, row_avro_in;
extern const struct row_decoder_ops row_debezium_in, row_canal_in, row_maxwell_in;

struct row_encoder {
    const struct row_encoder_ops *ops;
    struct row_encoder_field *fields; /* names are ours */
    struct buf *members;              /* "name": as JSON, with what stands before it */
    size_t count;
    struct json_encode_options json;
    struct buf text;
    void *state;
};
struct row_encoder_ops {
    int (*open)(struct row_encoder *e, const struct row_options *options, struct err *err);
    int (*row)(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
               struct buf *out, bool *null, struct err *err);
    void (*close)(struct row_encoder *e);
};
/* The row as a JSON object. */
int row_put_object(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, struct buf *out,
                   struct err *err);
extern const struct row_encoder_ops row_csv_out, row_raw_out, row_avro_out;
extern const struct row_encoder_ops row_debezium_out, row_canal_out, row_maxwell_out;

#endif
