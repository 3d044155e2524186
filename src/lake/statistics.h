/* statistics.h - numbers of distinct values, counted on demand and kept beside a table.
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

#endif
