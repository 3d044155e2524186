/* writer.h - rows become data files: routed by partition, cut by size, with metrics.
 *
 * Two forms. The pull form writes one unpartitioned file from a feed on the calling thread: decoder
 * to Parquet with no copy between. The push form takes batches, routes rows by partition value and
 * keeps one open file per partition, at most `open_max`; rows of further partitions are
 * kept, sorted by partition, and written in turn at the cut (or earlier, when very many wait).
 * Files land in the store (synced) as they are closed: <location>/data/<partition path>/NAME where
 * NAME is 00000-0-<uuid>.parquet (write.data.path is honoured). Nothing is visible before a commit;
 * an unfinished writer's files are removed by lake_writer_free.
 * Metrics come from the rows as they pass; write.metadata.metrics.default and
 * .column.NAME (none, counts, truncate(N), full; truncate(16) by default) decide what is kept.
 * Threads: one thread at a time (worker).
 */
#ifndef LAKE_WRITER_H
#define LAKE_WRITER_H

#include "lake/manifest.h"
#include "vec/vec.h"

struct lake_writer;
struct lake_writer_options {
    struct lake *lake;
    struct vec_db *db;
    struct lake_metadata *metadata;    /* current schema, default spec, properties; a reference is
                                          kept */
    const struct vec_columns *columns; /* of the batches, matched by name to the schema's columns
                                          and cast when the type differs; missing ones take their
                                          write default, else NULL. Copied. NULL: the schema's */
    bool lineage;                      /* v3: files get _row_id and _last_updated_sequence_number,
                                          from columns of these names; NULL: inherited */
    bool sorted;                       /* rows come in the table's sort order: files say so */
    int open_max;                      /* 0: 16 */
    int64_t target_bytes;              /* 0: write.target-file-size-bytes */
};
int lake_writer_new(struct lake_writer **out, const struct lake_writer_options *options,
                    struct err *err);
void lake_writer_free(struct lake_writer *writer);

/* True while `metadata` asks for the same files as the one the writer was made with: schema, spec,
 * location and properties. Then the writer can go on though the table was committed to. */
bool lake_writer_fits(const struct lake_writer *writer, const struct lake_metadata *metadata);

/* Push form; takes the batch's chunks. A NULL in a required column: ERR_INVALID, file unharmed:
 * nothing of the batch was written. */
int lake_writer_write(struct lake_writer *writer, struct vec_batch *batch, struct err *err);
int64_t lake_writer_rows(const struct lake_writer *writer);  /* since the last cut */
int64_t lake_writer_bytes(const struct lake_writer *writer); /* estimate, likewise */
/* Closes every open file and gives all files since the last cut, in the arena; they now belong to
 * the caller (lake_remove_files when the commit is given up). The writer goes on. */
int lake_writer_cut(struct lake_writer *writer, struct arena *arena, struct lake_data_file **files,
                    size_t *count, struct err *err);

/* Pull form, unpartitioned tables only: one file until the feed ends. 0 rows: file->path NULL. */
int lake_writer_pull(struct lake_writer *writer, struct vec_conn *conn, const struct vec_feed *feed,
                     struct arena *arena, struct lake_data_file *file, struct err *err);
/* True when pull can be used: unpartitioned. */
bool lake_writer_can_pull(const struct lake_writer *writer);

/* sorted.c: all rows of the feed as files in the table's sort order, for a writer made with
 * `sorted` and no columns of its own: casts and orders them by DuckDB, whose memory is bounded, and
 * cuts. The files are the caller's. */
int lake_writer_sort(struct lake_writer *writer, const struct vec_feed *feed, struct arena *arena,
                     struct lake_data_file **files, size_t *count, struct err *err);

/* sort_sql.c: the table has a sort order, may be sorted, and DuckDB can compute its transforms. */
bool lake_sort_usable(const struct lake_metadata *m);
/* Appends "ORDER BY ..." of the table's sort order. */
int lake_sort_sql(const struct lake_metadata *m, struct buf *sql, struct err *err);

/* The DuckDB columns a table takes: names and types of its current schema. Caller frees. */
int lake_columns(const struct lake_schema *schema, struct vec_columns *out, struct err *err);

#endif
