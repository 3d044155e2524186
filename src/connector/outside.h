/* outside.h - kafka tables that our own log does not answer: topics of other brokers, read and
 * written by librdkafka (kafka/outside.h), and lists and patterns of topics, of ours too, which a
 * client of our own port reads.
 *
 * Reading: the places are the job's, so that each record counts once; partitions and topics that
 * come are found; the group, where one is named, is told how far the job's commits are. While no
 * broker answers the job waits and says why. Writing: at least once, or exactly once by an outbox
 * (outbox.h).
 */
#ifndef CONNECTOR_OUTSIDE_H
#define CONNECTOR_OUTSIDE_H

#include "connector/factory.h"
#include "connector/kafka_source.h"
#include "kafka/outside.h"

/* 'properties.*' of a table; in the arena. */
int outside_properties(const struct sql_table *table, struct arena *arena,
                       struct outside_options *out, struct err *err);

/* `options` as kafka_source_new has them. */
int outside_source_new(struct stream_source **out, const struct kafka_source_options *options,
                       struct err *err);
int outside_sink_new(const struct sink_request *request, struct stream_sink **out, struct err *err);

#endif
