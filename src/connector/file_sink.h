/* file_sink.h - 'filesystem' tables as sinks: csv, json, raw, parquet.
 *
 * An interval's rows are a file, or one per partition (PARTITIONED BY: folders NAME=VALUE), that
 * appears whole when the job's commit is true. Until then it lies in the store's staging folder
 * under a name that says job, epoch and place, so that a start after a crash knows by the job's row
 * what to finish and what to throw away. With 'sink.partition-commit.policy.kind' = 'success-file'
 * each folder that got a file gets an empty _SUCCESS as well.
 */
#ifndef CONNECTOR_FILE_SINK_H
#define CONNECTOR_FILE_SINK_H

#include "connector/factory.h"

int file_sink_new(const struct sink_request *request, struct stream_sink **out, struct err *err);

#endif
