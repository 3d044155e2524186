/* messages.h - the messages of the Kafka protocol that the broker speaks, as C structs.
 *
 * Named and ordered as in Kafka's message definitions (clients/src/main/resources/common/message).
 * Requests are filled by the decoder: slices point into the frame, arrays into the arena. Fields
 * that a version does not carry have the definition's default. Elements of a request's array are
 * named after the request; those of a response end in _reply.
 */
#ifndef KAFKA_MESSAGES_H
#define KAFKA_MESSAGES_H

#include "kafka/messages_admin.h"
#include "kafka/messages_data.h"
#include "kafka/messages_group.h"

#endif
