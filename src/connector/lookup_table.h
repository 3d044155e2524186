/* lookup_table.h - the tables of FOR SYSTEM_TIME AS OF a processing time: Iceberg tables and files,
 * read whole into the join that asks (operator.h, op_lookup_new), and again when they have changed.
 *
 * A table is read by its own source, as a stream would read it once, so every format, old schema
 * and delete file counts. It has changed when its newest snapshot is another one, or when a file
 * came, went or has another size or time. An Iceberg table is asked so once a batch, objects behind
 * s3:// at most every LOOKUP_KEYS_MS. A row that cannot be read is an error: a table with holes
 * would answer wrongly without anybody knowing ('csv.ignore-parse-errors' passes over it).
 * A file that is written in place may be read half: put a new one in its place by renaming it.
 */
#ifndef CONNECTOR_LOOKUP_TABLE_H
#define CONNECTOR_LOOKUP_TABLE_H

#include "connector/factory.h"
#include "operator/operator.h"

#define LOOKUP_KEYS_MS 1000

/* Is it there to be asked? Else it is a stream: a topic, an Iceberg table with 'streaming'. */
bool lookup_table_is(const struct sql_table *table);

/* `select` over the source's rows, as `feed`, gives the table's columns. All of the request is
 * borrowed for the table's life. */
int lookup_table_new(struct op_lookup_table **out, const struct source_request *request,
                     const char *select, struct err *err);

#endif
