/* parquet.h - rows in columns become a Parquet file, written here.
 *
 * Takes DuckDB's chunks of a table's columns and gives the bytes of one file, front to back, to
 * whoever puts them somewhere. Nested columns are taken apart into leaves with definition and
 * repetition levels; each leaf gathers pages; what a row group's pages come to in bytes is held in
 * memory until the group ends, its rows are not. A leaf begins with a dictionary and goes on in
 * PLAIN once that does not pay. Other encodings are left out on purpose: they save little behind
 * zstd, and the vectorised readers of Iceberg's Spark runtimes up to 1.8 refuse them.
 *
 * Invariants: rows never cross a page; the first page of a chunk is its dictionary, if it has one;
 * a bound that is written encloses every value, and says whether it is one of them; a chunk that
 * holds NaN has no bounds, since engines order NaN differently; REQUIRED is what the schema says
 * and no NULL gets in. What a file's columns are known by (counts, bounds, sizes) is gathered as
 * rows pass, for the manifest.
 * Threads: one at a time (worker). Specification: apache/parquet-format.
 */
#ifndef LAKE_PARQUET_H
#define LAKE_PARQUET_H

#include "base/codec.h"
#include "lake/lake_int.h"

struct parquet_leaf_options {
    bool stats;       /* bounds and counts in the file */
    bool bloom;       /* a bloom filter per row group */
    double bloom_fpp; /* rate of false positives wanted, 0..1 */
};
struct parquet_options {
    enum codec codec;
    int level;                 /* of the codec; 0: its own default */
    int64_t page_bytes;        /* of values before compression */
    int64_t page_rows;         /* at most */
    int64_t group_bytes;       /* of pages, compressed; 0: by rows alone */
    int64_t group_rows;        /* at most, up to a chunk more */
    int64_t dictionary_bytes;  /* a leaf with more has none */
    int64_t dictionary_values; /* likewise */
    int64_t bloom_bytes;       /* of one filter, at most */
    /* Asked once per leaf by its dotted name: "a", "s.x", "l.element", "m.value". `out` holds
     * defaults. NULL: those are what is wanted. */
    void (*leaf)(const void *arg, const char *path, struct parquet_leaf_options *out);
    const void *leaf_arg;
};
/* Iceberg's defaults of write.parquet.*; row groups of as many rows as DuckDB's, which it scans on
 * as many threads. */
void parquet_options_init(struct parquet_options *options);

/* Takes the file's next bytes. */
typedef int parquet_put_fn(void *arg, struct slice bytes, struct err *err);

struct parquet_writer;
/* The schema is borrowed for the writer's life. ERR_UNSUPPORTED: it has no columns. */
int parquet_new(struct parquet_writer **out, const struct lake_schema *schema,
                const struct parquet_options *options, parquet_put_fn *put, void *put_arg,
                struct err *err);
void parquet_free(struct parquet_writer *writer); /* NULL is fine */

/* The chunk's columns are the schema's, in its order, of the types that lake_columns() names, and
 * flat: not a selection of other vectors. Borrowed for the call. ERR_INVALID: a NULL that the
 * schema forbids, or a value of a fixed column with another length; the file is lost then, as
 * after any error. */
int parquet_push(struct parquet_writer *writer, duckdb_data_chunk chunk, struct err *err);
/* What the file has come to: given away, and waiting in pages. */
int64_t parquet_bytes(const struct parquet_writer *writer);

/* What is known of a leaf, over all rows. */
struct parquet_stat {
    const struct lake_field *field; /* borrowed from the schema */
    const char *path;               /* dotted, as above; in the arena */
    bool repeated;                  /* inside of a list or a map */
    int64_t values, nulls, nans;    /* values: NULL and NaN too, and what stands for no element */
    int64_t bytes;                  /* in the file */
    struct lake_value min, max;     /* null: there is no value but NULL and NaN */
};
struct parquet_result {
    int64_t rows;
    struct parquet_stat *stats; /* one per leaf, in the schema's order */
    size_t stat_count;
    int64_t *split_offsets; /* where row groups begin */
    size_t split_count;
};
/* The last row group, indexes and footer; `out` is in the arena. The writer takes no more rows. */
int parquet_finish(struct parquet_writer *writer, struct arena *arena, struct parquet_result *out,
                   struct err *err);

#endif
