/* factory.h - which connectors there are: a table of them, one line each, by the word behind
 * 'connector'. Planning (connector.c) asks here for the source or the sink of a table and knows no
 * connector by name. A table of an Iceberg catalog is read by lake_source.h; what is written to it
 * goes to lake_sink.h, which is not asked for here.
 *
 * A source gives a table's physical and metadata columns, in the table's order; when its rows are
 * changes, $row_kind (operator/operator.h) comes last: sql_source_changes (sql/sql.h) tells so
 * beforehand. A sink takes the columns of the table that are not computed nor virtual, in order,
 * and $row_kind last when the rows are changes.
 */
#ifndef CONNECTOR_FACTORY_H
#define CONNECTOR_FACTORY_H

#include "connector/connector.h"
#include "connector/session.h"

struct source_request {
    const struct connector_options *connector; /* borrowed for the source's life: what is in it */
    const struct sql_table *table;             /* borrowed for the call */
    const char *time_zone;                     /* of the session; NULL: UTC */
    int threads;       /* that may share its work (stream_source_ops.share); 0: one */
    bool any_metadata; /* columns of metadata that it has not are NULL: history of a topic */
};
struct sink_request {
    const struct connector_options *connector; /* likewise */
    const struct sql_table *table;             /* borrowed for the call */
    const struct vec_columns *columns;         /* of the feed; borrowed for the call */
    const char *time_zone;
    const char *job, *pipeline; /* names that stay over restarts; NULL: none runs */
};

/* *label (may be NULL) is what snapshot summaries and screens call the source: a topic, a folder;
 * in the arena. ERR_UNSUPPORTED, ERR_INVALID name table and option. */
int factory_source(const struct source_request *request, struct arena *arena,
                   struct stream_source **out, const char **label, struct err *err);
int factory_sink(const struct sink_request *request, struct stream_sink **out, struct err *err);

#endif
