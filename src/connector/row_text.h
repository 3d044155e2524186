/* row_text.h - rows in Flink's words: "+I[1, Alice, 2024-01-01T00:00]", as its print connector and
 * its logs show them: each value as Java's toString gives it.
 */
#ifndef CONNECTOR_ROW_TEXT_H
#define CONNECTOR_ROW_TEXT_H

#include "vec/vec.h"

/* Appends one row; $row_kind, when it is the last column, becomes the row's kind. */
int flink_row_text(const struct vec_columns *columns, duckdb_data_chunk chunk, idx_t row,
                   struct buf *out, struct err *err);

/* One value that is not NULL. */
int flink_value_text(duckdb_logical_type type, duckdb_vector vector, idx_t row, struct buf *out,
                     struct err *err);

#endif
