/* late_rows.h - rows of a job that came too late, in an Iceberg table beside its own.
 *
 * `SET 'table.exec.late-rows.table' = 'db.late'` (or below `flink: settings:` in tarn.yaml) names
 * it; several jobs may share one. The table is made with the first late row, and each row is true
 * in the epoch that read it: it counts in a result or is here.
 */
#ifndef CONNECTOR_LATE_ROWS_H
#define CONNECTOR_LATE_ROWS_H

#include "connector/lake_sink.h"

struct catalog;

struct late_rows_options {
    struct catalog *lake_catalog; /* borrowed for the sink's life */
    struct lake_sink_options sink;
    const char *job;   /* copied */
    const char *table; /* as it is set: DATABASE.TABLE, with the catalog's name before it or not */
};
/* ERR_INVALID: the name says no table of the catalog. */
int late_rows_new(struct stream_sink **out, const struct late_rows_options *options,
                  struct err *err);

#endif
