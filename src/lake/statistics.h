/* statistics.h - numbers of distinct values, and what partitions hold: counted on demand and kept
 * beside a table.
 *
 * One theta sketch (sketch.h) per column over the rows of one snapshot, in a Puffin file that the
 * table's metadata names under "statistics": Spark, Trino and others plan joins by them. The
 * metadata carries each column's estimate as the blob's property "ndv" too.
 * Specification: Iceberg table spec, "Table Statistics"; Puffin spec,
 * "apache-datasketches-theta-v1".
 */
#ifndef LAKE_STATISTICS_H
#define LAKE_STATISTICS_H

#include "lake/scan.h"

/* Counts the columns named (NULL: all that are not nested in lists and maps), writes the Puffin
 * file (durable) and gives the update set-statistics for catalog_commit; the caller decrefs. An
 * older file's columns that are not counted now are not kept. ERR_INVALID: no snapshot, or no such
 * column. Worker. */
int lake_statistics_wait(struct lake *lake, struct vec_conn *conn, const struct lake_metadata *m,
                         const char *const *columns, size_t column_count, json_t **update,
                         struct err *err);

/* What each partition holds: rows, files, bytes, deletes, and when it changed last, in a Parquet
 * file that the metadata names under "partition-statistics" (spec: "Partition Statistics"; Spark
 * and Flink plan by it). As above; *update NULL: the table has no partitions, or no snapshot.
 * Worker. */
int lake_partition_statistics_wait(struct lake *lake, struct vec_conn *conn,
                                   const struct lake_metadata *m, json_t **update, struct err *err);

struct lake_partition_line {
    const char *partition; /* {'day': 2024-01-01, 'name': a} */
    int64_t rows, files, bytes, deleted; /* deleted: rows named by deletes of any kind */
};
struct lake_partition_statistics {
    int64_t snapshot_id; /* whose they are: the current one, or the newest before it; -1: none */
    int64_t count;       /* of partitions */
    struct lake_partition_line *lines; /* the first ones, strings in the arena */
    size_t line_count;
};
/* Reads such a file, whoever wrote it, and gives at most `limit` lines. ERR_CORRUPT, ERR_NOENT. */
int lake_partition_statistics_read(struct lake *lake, struct vec_conn *conn,
                                   const struct lake_metadata *m, size_t limit,
                                   struct arena *arena, struct lake_partition_statistics *out,
                                   struct err *err);

#endif
