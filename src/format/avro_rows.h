/* avro_rows.h - Avro data as the JSON text that the typed reader takes, rows of a chunk as Avro
 * data, and the blocks of container files one by one.
 *
 * The format "avro" of messages (row_format.h) is this: its schema comes as the option "$schema",
 * which the connector derives from the table's types as Flink does.
 * Times and dates become text, decimals numbers, bytes base64, what json_decode_row reads. Bounded:
 * a recursive schema by depth, counts by the bytes left, text by the buf's maximum. Threads: any.
 */
#ifndef FORMAT_AVRO_ROWS_H
#define FORMAT_AVRO_ROWS_H

#include "format/avro_file.h"
#include "format/row_format.h"

/* Takes one value off the cursor. ERR_CORRUPT. */
int avro_put_json(struct avro_cursor *cursor, const struct avro_schema *schema, struct buf *out,
                  struct err *err);

/* Appends row `row` as a record of `schema`, whose members are the fields in order. */
int avro_put_row(const struct avro_schema *schema, const struct row_encoder_field *fields,
                 size_t count, duckdb_data_chunk chunk, idx_t row, struct buf *out,
                 struct err *err);
/* Of an encoder of the format "avro": what its records are of. */
struct slice row_encoder_avro_schema(const struct row_encoder *encoder);

/* The records of one block of a container file: `bytes` begins where it does. ERR_AGAIN: it is
 * longer, *need says how long at least. *used: its length. `plain` holds the records. */
int avro_block_read(const struct avro_file *file, struct slice bytes, struct buf *plain,
                    int64_t *count, size_t *used, size_t *need, struct err *err);
/* What a file begins with, and a block of it. */
int avro_header_put(struct buf *out, struct slice schema, const char *codec,
                    const uint8_t sync[16]);
int avro_block_put(struct buf *out, struct slice records, int64_t count, const char *codec,
                   const uint8_t sync[16], struct err *err);

#endif
