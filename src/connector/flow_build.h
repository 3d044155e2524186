/* flow_build.h - a plan's tree of nodes (sql/flow.h) as a pipeline: its inputs, and the operators
 * that a stream makes above them. Planning names no operator, operators know no SQL: here they
 * meet.
 */
#ifndef CONNECTOR_FLOW_BUILD_H
#define CONNECTOR_FLOW_BUILD_H

#include "sql/flow.h"
#include "sql/sql.h"
#include "stream/job.h"

/* How a flow reaches its tables. It lives, as the tree does, as long as the pipeline. */
struct flow_tables {
    /* Opens the source of a table; *topic is what screens call it. */
    int (*open)(void *arg, const struct sql_table *table, struct arena *arena,
                struct stream_source **source, const char **topic, struct err *err);
    /* A table that is looked up, whose rows are what `select` makes of them. */
    int (*look)(void *arg, const struct sql_flow_looking *looking, struct op_lookup_table **out,
                struct err *err);
    void *arg;
    /* May its source be opened with fewer columns, and fewer fields of ROWs, than the table has?
     * NULL: none may. */
    bool (*narrows)(void *arg, const struct sql_table *table);
    /* A setting for all tables that do not say it themselves; NULL: not set. */
    const char *(*setting)(void *arg, const char *key);
    void *setting_arg; /* while the flow is built */
};

/* Fills inputs and graph of `out`; all in the arena. What was opened stays in `out` on errors. */
int flow_build(const struct sql_node *root, int64_t idle_ms, struct arena *arena,
               const struct flow_tables *tables, struct stream_pipeline *out, struct err *err);

#endif
