/* kafka_sink.h - rows to topics of our own: 'kafka' and 'upsert-kafka'.
 *
 * Each interval of the job is one transaction (kafka/kafka.h): its records show at once to clients
 * that read uncommitted, and to those that read committed when the job's commit is true. That is
 * the default; 'sink.delivery-guarantee' = 'at-least-once' or 'none' writes plain records, which a
 * failure may repeat. A topic that does not exist is made.
 */
#ifndef CONNECTOR_KAFKA_SINK_H
#define CONNECTOR_KAFKA_SINK_H

#include "connector/factory.h"

int kafka_sink_new(const struct sink_request *request, struct stream_sink **out, struct err *err);

#endif
