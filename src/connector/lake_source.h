/* lake_source.h - rows of an Iceberg table as a stream: INSERT ... SELECT from a table of the lake.
 *
 * Without further words the table as it is when the job starts is read, and the job ends. With the
 * hint OPTIONS('streaming' = 'true') rows that are appended later follow, snapshot by snapshot:
 *   'monitor-interval' = '10 s'       how often the table is looked at
 *   'starting-strategy'               TABLE_SCAN_THEN_INCREMENTAL, INCREMENTAL_FROM_LATEST_SNAPSHOT
 *                                     (the default, as in Iceberg's Flink source),
 *                                     INCREMENTAL_FROM_EARLIEST_SNAPSHOT,
 *                                     INCREMENTAL_FROM_SNAPSHOT_ID with 'start-snapshot-id',
 *                                     INCREMENTAL_FROM_SNAPSHOT_TIMESTAMP with
 *                                     'start-snapshot-timestamp'
 * Snapshots that replace files say nothing new; those that overwrite or delete rows are passed over
 * with a warning. The place is a snapshot, a file of it and a row of that, so nothing is read
 * twice. Source: Iceberg, "Flink Queries".
 */
#ifndef CONNECTOR_LAKE_SOURCE_H
#define CONNECTOR_LAKE_SOURCE_H

#include "connector/factory.h"

int lake_source_new(const struct source_request *request, struct stream_source **out,
                    struct err *err);

/* For history before a topic: at the end, what the snapshot that was read says of a key in its
 * summary, or the nearest of its ancestors that says something; in the source's memory. */
const char *lake_source_summary(struct stream_source *source, const char *key);

#endif
