/* rows.h - rows of chunks as bytes, and back: what state keeps, and what it is found by.
 *
 * Some columns of a chunk become one string of bytes a row: a bit per column for NULL, then the
 * values that are not NULL one after another, lists and structs with such a head of their own. Two
 * rows have the same bytes when their values are the same; so NULL is the same as NULL, as in GROUP
 * BY, every NaN is one, and -0.0 is not 0.0 (Flink groups by bits). The bytes are for this machine
 * and for files of ours that say their version; they have no order.
 * Chunks must be flat, as fragments and sources give them.
 * Threads: a codec is not changed by its use; a vec_rows belongs to one thread.
 */
#ifndef VEC_ROWS_H
#define VEC_ROWS_H

#include "vec/vec.h"

struct vec_codec;
/* Of the columns numbered `which`, in that order. ERR_UNSUPPORTED names a column whose type rows
 * cannot keep. */
int vec_codec_new(struct vec_codec **out, const struct vec_columns *columns, const size_t *which,
                  size_t count, struct err *err);
void vec_codec_free(struct vec_codec *codec);

/* Encoded rows: row i is bytes [at[i], at[i + 1]). */
struct vec_rows {
    struct buf bytes;
    uint32_t *at;
    idx_t count, cap;
};
static inline struct slice vec_row(const struct vec_rows *rows, idx_t i)
{
    return slice_of(rows->bytes.ptr + rows->at[i], rows->at[i + 1] - rows->at[i]);
}
void vec_rows_deinit(struct vec_rows *rows);

/* All rows of the chunk; replaces what `out` held. */
int vec_rows_encode(const struct vec_codec *codec, duckdb_data_chunk chunk, struct vec_rows *out,
                    struct err *err);
/* One row into row `row` of a chunk, its first value into column `first` and so on. Rows are filled
 * in order: lists grow. ERR_CORRUPT when the bytes are none of this codec's. */
int vec_row_decode(const struct vec_codec *codec, struct slice bytes, duckdb_data_chunk chunk,
                   idx_t first, idx_t row, struct err *err);
/* The row that `bytes` begin with; the rest is not looked at. ERR_CORRUPT: they are too few. */
int vec_row_first(const struct vec_codec *codec, struct slice bytes, struct slice *row);
/* Many rows into rows `at` and following. `to`: the chunk's column of each of the codec's, -1 not
 * wanted; NULL: `first` and those behind it. A row whose ptr is NULL is all NULL. */
int vec_rows_decode(const struct vec_codec *codec, const struct slice *rows, idx_t count,
                    duckdb_data_chunk chunk, const int *to, idx_t first, idx_t at, struct err *err);

#endif
