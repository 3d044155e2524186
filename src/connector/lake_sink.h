/* lake_sink.h - a job's rows become an Iceberg table's files.
 *
 * Each epoch is one append (stream.h says when it is true). Small files are merged beside the job,
 * on one worker for all sinks: a finished merge rides in the next commit of its table, so it can
 * never conflict with the writer (lake/stage.h). The snapshot summary carries job, epoch and
 * offsets.
 *
 * A table with a key is written by key (lake/upsert.h) when its property write.upsert.enabled or
 * upsert-enabled is true, when `upsert` says so, or when the feed is a change stream: its last
 * column is $row_kind. Each epoch then is one overwrite: the rows that keys have now, and the
 * positions of those they had.
 */
#ifndef CONNECTOR_LAKE_SINK_H
#define CONNECTOR_LAKE_SINK_H

#include "base/workers.h"
#include "lake/lake.h"
#include "stream/stream.h"

/* Writes a feed's rows as data files of a table: what lake_writer does, for a simulator that owns
 * the disk and cannot have DuckDB write beside it. */
typedef int lake_sink_write_fn(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                               const struct vec_feed *feed, struct arena *arena,
                               struct lake_data_file **files, size_t *count, struct err *err);

struct lake_sink_options {
    struct lake *lake; /* all borrowed for the sink's life */
    struct lake_catalog *catalog;
    struct vec_db *db;
    struct workers *merges;            /* NULL: no merging (simulator) */
    struct lake_ident ident;           /* strings are copied */
    bool upsert;                       /* rows replace those of the same key */
    const struct vec_columns *columns; /* of the feed; copied; NULL: exactly the table's */
    lake_sink_write_fn *write;         /* NULL: Parquet by lake_writer */
    void *write_arg;
};
int lake_sink_new(struct stream_sink **out, const struct lake_sink_options *options,
                  struct err *err);

#endif
