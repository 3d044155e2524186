/* kafka_source.h - topics of our own log as a source of rows: CREATE TABLE ... ('connector' =
 * 'kafka').
 *
 * Reads the partition logs in process, without a socket, and decodes each value by the table's
 * format straight into columns. A topic that does not exist is waited for; one that was deleted
 * and made again is read from its start (its incarnation differs).
 */
#ifndef CONNECTOR_KAFKA_SOURCE_H
#define CONNECTOR_KAFKA_SOURCE_H

#include "sql/sql.h"
#include "stream/stream.h"

struct broker;

struct kafka_source_options {
    struct broker *broker; /* borrowed for the source's life, as are the next two */
    struct vec_db *db;
    struct clock *clock;
    const struct sql_table *table; /* borrowed for the call: columns and options */
    const int *ports;              /* of our own broker, 0 ends; NULL: every one is */
    const char *time_zone;         /* of the session; NULL: UTC */
    int threads;                   /* that may be asked to decode its records (share); 0: one */
};
/* ERR_INVALID, ERR_UNSUPPORTED name the option. */
int kafka_source_new(struct stream_source **out, const struct kafka_source_options *options,
                     struct err *err);

#endif
