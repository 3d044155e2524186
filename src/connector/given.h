/* given.h - rows in place of tables' sources, and a list in place of their sinks: what tests of SQL
 * run a script against, on a clock of their own.
 *
 * Every table that a job reads is fed by given_row, every table that it writes ends in a list of
 * changes in Flink's words, +I[1, Alice]. Tables are known by their last name. Nothing is durable.
 * Threads: one.
 */
#ifndef CONNECTOR_GIVEN_H
#define CONNECTOR_GIVEN_H

#include "connector/connector.h"
#include "connector/factory.h"

struct given;
int given_new(struct given **out, struct err *err);
void given_free(struct given *given); /* after the job; accepts NULL */

/* One row of `table`, as a JSON object of its columns (metadata columns too); "$row_kind" may say
 * "+I", "-U", "+U" or "-D". Read by the job's next step. */
int given_row(struct given *given, const char *table, struct slice json, struct err *err);
void given_end(struct given *given); /* every source is over */
/* A table that got rows and that no job reads; NULL: none. */
const char *given_unread(const struct given *given);

/* Changes of `table` since the last given_clear, one per line; NULL: no job writes it. Good until
 * the next step of the job. */
const struct buf *given_taken(struct given *given, const char *table);
void given_clear(struct given *given, const char *table); /* what was taken of it */

/* connector_stand_ins with a given as its arg. */
int given_source(void *arg, const struct source_request *request, struct stream_source **out,
                 struct err *err);
int given_sink(void *arg, const struct sink_request *request, struct stream_sink **out,
               struct err *err);

#endif
