/* small_parquet.h - a Parquet file of a few rows, without DuckDB.
 *
 * Planning and running a COPY costs a millisecond whatever it writes, which for ten rows is most of
 * a commit. Such a file is one row group of one plain page per column, written here from a chunk.
 * What is asked for that it cannot do (nested columns, other types, codecs but zstd and none, bloom
 * filters) and whatever is larger is DuckDB's.
 * Threads: any.
 */
#ifndef LAKE_SMALL_PARQUET_H
#define LAKE_SMALL_PARQUET_H

#include "lake/lake_int.h"

#define SMALL_PARQUET_ROWS 256 /* beyond it encodings and compression are worth a COPY */

/* Can files of this schema be written so, with this codec? */
bool small_parquet_takes(const struct lake_schema *schema, const char *codec);

/* What is known of a column, for its metrics; bytes in the arena given. */
struct small_stat {
    struct lake_value min, max; /* null: there is no value but NULL and NaN */
    int64_t null_count, nan_count, size_bytes;
};
/* The chunk's columns are the schema's, in its order. `stats` gets one per column. */
int small_parquet_write(const struct lake_schema *schema, const char *codec,
                        duckdb_data_chunk chunk, struct arena *arena, struct buf *out,
                        struct small_stat *stats, struct err *err);

/* writer_metrics.c: the column metrics of such a file. A NULL in a required column: ERR_INVALID. */
int writer_small_metrics(const struct lake_metadata *metadata, const struct lake_schema *schema,
                         const struct small_stat *stats, int64_t rows, struct arena *arena,
                         struct lake_data_file *out, struct err *err);

#endif
