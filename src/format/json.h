/* json.h - event JSON to columns and back: Flink's json format.
 *
 * A decoder is made once for the fields of a table. It writes records straight into the vectors of
 * a chunk, at a row and in columns that the caller names, so a connector can fill further columns
 * (topic, partition, offset, ...) of the same chunk itself. What Flink's json format coerces is
 * coerced likewise: numbers into strings as their text, text into numbers, containers into strings
 * as compact JSON, base64 into bytes. Unknown keys are skipped, of a key given twice the last value
 * counts, a missing key is NULL.
 * Beyond Flink: a timestamp is read in every form people send, whatever
 * json.timestamp-format.standard says: ISO 8601 with any offset or none, in its short spelling too,
 * with a blank for the T, a date alone, and the epoch in s, ms, us or ns (told by magnitude) as a
 * number or as digits. Without an offset it is UTC; TIMESTAMP columns hold the UTC clock. And what
 * a column cannot hold is a fault by default, never a silent NULL. Threads: a decoder or encoder
 * belongs to one thread at a time.
 */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include "vec/vec.h"

#define JSON_DEPTH_MAX 128 /* nesting of a record's text */

/* What a value that its column cannot hold does. */
/* Named so as not to meet jansson's ON_FAULT_NULL. */
enum json_policy {
    ON_FAULT_REJECT, /* the record is a dead letter */
    ON_FAULT_NULL,   /* the column is NULL */
    ON_FAULT_FAIL    /* the job stops: fault.fatal */
};

struct json_field {
    const char *name;         /* key in the record, case and all; copied */
    duckdb_logical_type type; /* borrowed for the call */
    idx_t column;             /* which column of the chunk */
    enum json_policy policy;
    int precision; /* digits of a second kept (TIME and TIMESTAMP columns); 0: all of them */
};

struct json_decode_options {
    const struct json_field *fields; /* borrowed for the call */
    size_t field_count;
    bool fail_on_missing_field; /* json.fail-on-missing-field */
    bool ignore_parse_errors; /* json.ignore-parse-errors: every field is ON_FAULT_NULL; the caller
                                 passes over records that still fail */
};

/* Why a record is refused. */
struct json_fault {
    char reason[200]; /* a sentence: "'abc' is not a number for INT" */
    char path[120];   /* "items[2].price"; empty when the record itself is broken */
    size_t pos;       /* bytes into the record */
    bool fatal;       /* the column's policy is ON_FAULT_FAIL */
};

struct json_decoder;
/* ERR_UNSUPPORTED: a type that JSON cannot fill; the text names the field. */
int json_decoder_new(struct json_decoder **out, const struct json_decode_options *options,
                     struct err *err);
void json_decoder_free(struct json_decoder *decoder);

/* One chunk: begin, any number of rows, end. The caller sets the chunk's size. */
void json_decode_begin(struct json_decoder *decoder, duckdb_data_chunk chunk);
/* Decodes one object into `row` (below vec_chunk_rows()). ERR_INVALID with `fault` filled: the row
 * may be used again for the next record. ERR_NOMEM. The text is borrowed for the call. */
int json_decode_row(struct json_decoder *decoder, struct slice text, idx_t row,
                    struct json_fault *fault);
void json_decode_end(struct json_decoder *decoder);

/* ---- rows to text ---- */

enum json_null_key { JSON_NULL_KEY_FAIL, JSON_NULL_KEY_DROP, JSON_NULL_KEY_LITERAL };

struct json_encode_options {
    bool timestamps_iso;         /* json.timestamp-format.standard: ISO-8601; else SQL */
    enum json_null_key null_key; /* json.map-null-key.mode */
    const char *null_key_text;   /* json.map-null-key.literal; NULL: "null" */
    bool decimals_plain;         /* json.encode.decimal-as-plain-number */
    bool skip_nulls;             /* json.encode.ignore-null-fields */
};

/* Appends one row of a chunk whose columns are `columns` as an object, without a line end. On
 * failure the buf holds part of it. */
int json_encode_row(const struct vec_columns *columns, duckdb_data_chunk chunk, idx_t row,
                    const struct json_encode_options *options, struct buf *out, struct err *err);
/* One value of a vector as JSON. */
int json_encode_value(duckdb_logical_type type, duckdb_vector vector, idx_t row,
                      const struct json_encode_options *options, struct buf *out, struct err *err);

#endif
