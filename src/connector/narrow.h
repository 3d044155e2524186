/* narrow.h - a table as a source has to give it: only the columns that somebody reads, and of ROWs
 * only the fields. What nobody reads is not decoded, so it makes no reject either, as in Flink,
 * which pushes projections into its sources.
 */
#ifndef CONNECTOR_NARROW_H
#define CONNECTOR_NARROW_H

#include "sql/flow.h"
#include "sql/sql.h"

/* Narrowing changes nothing but what is decoded: columns are found by name, and each row stands for
 * itself. */
bool narrow_may(const struct sql_table *table);

struct narrow {
    const struct sql_table *table;
    struct arena *arena;
    bool *whole;   /* per column: all of it */
    bool **fields; /* per column, per field of a ROW; NULL: it is none */
};
int narrow_init(struct narrow *n, const struct sql_table *table, struct arena *arena);
void narrow_add(struct narrow *n, const struct sql_flow_scan *scan);
const struct sql_table *narrow_table(const struct narrow *n); /* NULL: no memory */

#endif
