/* vec.h - rows in columns, and DuckDB behind one small API: fragments, feeds, copies, queries.
 *
 * The one header that includes duckdb.h: rooms above may read and fill vectors through its C API,
 * and leave instances, connections, statements and threads to this room.
 *
 * A chunk is a duckdb_data_chunk of at most vec_chunk_rows() rows; a batch is a list of chunks with
 * the same columns. A feed is a table function over a C callback: the way rows enter DuckDB. A
 * fragment is a SELECT over one feed, prepared once and executed per batch. A copy is a running
 * COPY ... TO a Parquet file fed by a feed.
 * Two instances exist: one for streams (threads = 1: it runs on our threads), one for queries.
 * Threads: an instance is shared; a connection, fragment or copy belongs to one thread at a time.
 */
#ifndef VEC_VEC_H
#define VEC_VEC_H

#include <duckdb.h>

#include "base/base.h"

struct vec_db;
struct vec_conn;

struct vec_options {
    int threads;
    int64_t memory_bytes;
    const char *temp_dir; /* spills; borrowed for the call */
};

int vec_db_new(struct vec_db **out, const struct vec_options *options, struct err *err);
void vec_db_free(struct vec_db *db);
int vec_conn_new(struct vec_conn **out, struct vec_db *db, struct err *err);
void vec_conn_free(struct vec_conn *conn);
duckdb_connection vec_conn_raw(struct vec_conn *conn);
int vec_exec(struct vec_conn *conn, const char *sql, struct err *err); /* no result wanted */
void vec_interrupt(struct vec_conn *conn);                             /* any thread */
void vec_rest(
    void); /* likewise, of what this thread has worked with: when it will not for a while */
void vec_trim(struct vec_db *db); /* gives allocator memory back to the system after work */

/* Columns of a batch, a feed or a result. Types are owned by the struct; vec_columns_free. */
struct vec_column {
    char *name;
    duckdb_logical_type type;
};
struct vec_columns {
    struct vec_column *list;
    size_t count;
};
int vec_columns_add(struct vec_columns *columns, const char *name,
                    duckdb_logical_type type /* take */);
int vec_columns_copy(struct vec_columns *out, const struct vec_columns *from);
void vec_columns_free(struct vec_columns *columns);
duckdb_logical_type vec_type_copy(duckdb_logical_type type); /* NULL: out of memory */

/* Of a flat vector: `validity` is what duckdb_vector_get_validity gives, NULL when none is null. */
static inline bool vec_is_valid(const uint64_t *validity, idx_t row)
{
    return !validity || (validity[row / 64] >> (row % 64) & 1);
}
void vec_set_null(duckdb_vector vector, idx_t row);

idx_t vec_chunk_rows(void);

struct vec_batch {
    duckdb_data_chunk *chunks; /* owned */
    size_t count, cap;
    int64_t rows;
};
int vec_batch_add(struct vec_batch *batch, duckdb_data_chunk chunk /* take */);
/* All chunks of `from` behind those of `to`. ERR_NOMEM: some are still in `from`. */
int vec_batch_move(struct vec_batch *to, struct vec_batch *from);
void vec_batch_clear(struct vec_batch *batch); /* frees the chunks */
void vec_batch_deinit(struct vec_batch *batch);
duckdb_data_chunk vec_chunk_new(const struct vec_columns *columns); /* NULL: out of memory */

/* Rows enter DuckDB: `pull` fills `out` (whose columns are the feed's) and its size; size 0 ends
 * the scan. Fill in place, or make its vectors refer to another chunk's (vec_chunk_refer). */
struct vec_feed {
    const struct vec_columns *columns; /* borrowed while the feed is in use */
    int (*pull)(void *arg, duckdb_data_chunk out, struct err *err);
    void *arg;
};
/* Pulls the feed to its end: `take` gets each chunk that has rows, borrowed for the call. */
int vec_feed_each(const struct vec_feed *feed,
                  int (*take)(void *arg, duckdb_data_chunk chunk, struct err *err), void *arg,
                  struct err *err);
/* Makes out's vectors refer to chunk's without a copy; both have the same types. The chunk stays
 * alive until the next pull. */
void vec_chunk_refer(duckdb_data_chunk out, duckdb_data_chunk chunk);

/* Rows to leave out of each file that a read_parquet lists, for the SQL function
 * tarn_kept(NUMBER, file_index, file_row_number): false for those in it. Freed when no statement
 * that names it runs any more. */
struct vec_bits;
int vec_bits_new(struct vec_bits **out, struct vec_conn *conn, size_t file_count, struct err *err);
/* Once per file, before the number is told to anybody; a file without loses no row. */
int vec_bits_set(struct vec_bits *bits, size_t file, const int64_t *rows, size_t count,
                 int64_t row_count, struct err *err);
uint64_t vec_bits_number(const struct vec_bits *bits);
void vec_bits_free(struct vec_bits *bits); /* NULL is fine */

/* `sql` reads the feed as the table `feed`: "SELECT a + 1 FROM feed". Prepared once. */
struct vec_fragment;
int vec_fragment_new(struct vec_fragment **out, struct vec_conn *conn, const char *sql,
                     const struct vec_columns *input, struct err *err);
void vec_fragment_free(struct vec_fragment *fragment);
const struct vec_columns *vec_fragment_columns(struct vec_fragment *fragment);
/* The parameter $watermark of `sql`, where it has one, in milliseconds; INT64_MIN at first. */
int vec_fragment_watermark(struct vec_fragment *fragment, int64_t ms, struct err *err);
/* Appends result chunks to `out` (caller clears). An error in an expression fails the whole call:
 * ERR_INVALID with DuckDB's text; the caller bisects. */
int vec_fragment_run(struct vec_fragment *fragment, const struct vec_batch *in,
                     struct vec_batch *out, struct err *err);

/* Statistics that COPY gives back for one leaf column, as text (RETURN_STATS). */
struct vec_stat {
    const char *path;   /* "a", "s.x", "l.element", "m.key": the parts joined by dots */
    const char **parts; /* the names one by one, since a name may hold dots and quotes */
    size_t part_count;
    const char *min, *max; /* NULL when unknown */
    int64_t null_count;    /* -1 unknown */
    int64_t value_count;   /* -1 unknown */
    int64_t size_bytes;    /* -1 unknown */
    bool has_nan;          /* true is sure; false only for a file of one row group: DuckDB 1.5.5
                              keeps the last group's. Bounds leave NaN out */
};
struct vec_copy_result {
    int64_t rows, file_bytes, footer_bytes;
    struct vec_stat *stats; /* in the arena given */
    size_t stat_count;
};
struct vec_copy_options {
    const char *path;      /* local file; not synced by the copy */
    const char *select;    /* "*" or a SELECT list over `feed` */
    const char *field_ids; /* DuckDB's FIELD_IDS struct text, children too */
    const char *codec;     /* "zstd" */
    int level;             /* 0: default */
    int dictionary_values; /* a column with more has no dictionary; 0: a fifth of the group's rows
                            */
    int64_t row_group_rows;
    int64_t dictionary_bytes; /* of a dictionary of strings; 0: DuckDB's own */
    enum { VEC_BLOOM_DEFAULT, VEC_BLOOM_ON, VEC_BLOOM_OFF } bloom; /* columns with dictionaries */
    double bloom_fpp; /* rate of false positives; 0: DuckDB's own */
};
/* Pull form: runs the COPY on the calling thread until the feed ends. Worker. */
int vec_copy_run(struct vec_conn *conn, const struct vec_feed *feed,
                 const struct vec_copy_options *options, struct arena *arena,
                 struct vec_copy_result *out, struct err *err);
/* Push form: a thread of its own runs the COPY, fed by a bounded queue. push takes the batch's
 * chunks and may block while the queue is full. */
struct vec_copy;
int vec_copy_new(struct vec_copy **out, struct vec_db *db, const struct vec_columns *columns,
                 const struct vec_copy_options *options, struct err *err);
int vec_copy_push(struct vec_copy *copy, struct vec_batch *batch, struct err *err);
int64_t vec_copy_bytes(struct vec_copy *copy); /* estimate of what was written so far */
int vec_copy_finish(struct vec_copy *copy, struct arena *arena, struct vec_copy_result *out,
                    struct err *err);
void vec_copy_free(struct vec_copy *copy); /* unfinished: cancels and removes the file */

/* A query whose result is walked chunk by chunk. A connection has one such result at a time: the
 * next statement on it ends the one before. */
struct vec_result;
int vec_query(struct vec_conn *conn, const char *sql, struct vec_result **out, struct err *err);
/* The same of a query over `feed`, which is pulled while chunks are taken, once and on whichever
 * thread DuckDB runs the query. What a pull fails with is what vec_result_next fails with. */
int vec_query_feed(struct vec_conn *conn, const struct vec_feed *feed, const char *sql,
                   struct vec_result **out, struct err *err);
const struct vec_columns *vec_result_columns(struct vec_result *result);
int vec_result_next(struct vec_result *result, duckdb_data_chunk *out /* borrowed; NULL: end */,
                    struct err *err);
double vec_query_progress(struct vec_conn *conn); /* 0..1, -1 unknown; any thread */
void vec_result_free(struct vec_result *result);

/* ---- values as text, the way Java and Flink spell them; each gives the bytes written ---- */

size_t vec_text_double(double value, char out[32]); /* 1.0, 1.0E10, NaN, Infinity; shortest */
size_t vec_text_float(float value, char out[32]);
size_t vec_text_decimal(__int128 unscaled, int scale, char out[48]); /* plain */
/* As BigDecimal.toString: 1.5E-7 below 10^-6. */
size_t vec_text_big_decimal(__int128 unscaled, int scale, char out[56]);
__int128 vec_decimal_at(duckdb_logical_type type, const void *data, idx_t row); /* unscaled */
size_t vec_text_date(int64_t days, char out[24]);                               /* 2024-02-29 */
/* Nanoseconds of a day as 10:11:12.123: `digits` of the fraction, -1: as many as are not zero. */
size_t vec_text_time(int64_t nanos, int digits, char out[24]);
void vec_civil(int64_t days, int64_t *year, int *month, int *day);
int64_t vec_days(int64_t year, int month, int day); /* since 1970-01-01, proleptic Gregorian */

/* The functions flink_* of functions.def, in the connection's instance. Once per instance. */
int vec_functions_register(struct vec_conn *conn, struct err *err);

#endif
