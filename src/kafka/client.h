/* client.h - a producer to any Kafka broker, ours or another's, made for few threads and high
 * rates.
 *
 * Records gather in one batch per partition (log/batch.h); full or old batches go out in Produce
 * requests of one batch each, several of them on their way at a time. The producer is idempotent
 * (KIP-98) and asks for acks=all: after a lost connection or a moved leader everything unanswered
 * is sent again in its order, and the broker drops what it had already taken. So a record handed
 * over is in the topic once after producer_flush returned 0, or the call says that it may not be.
 * Plain TCP; for TLS and SASL use librdkafka's clients.
 * Threads: a producer belongs to one thread at a time. Calls may block: worker.
 */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include "base/base.h"
#include "base/codec.h"

struct producer;

struct producer_options {
    const char *bootstrap;  /* "host:port[,host:port]"; borrowed for the call */
    const char *client_id;  /* NULL: "tarn" */
    struct clock *clock;    /* borrowed for life */
    enum codec codec;
    size_t batch_bytes;     /* a batch goes out at this size; 0: 512 KiB */
    int64_t linger_ms;      /* or at this age, seen at the next call; 0: with the next flush */
    int in_flight;          /* requests without an answer, at most 5 (KIP-98); 0: 5 */
    int64_t timeout_ms;     /* of retrying before a call gives up; 0: 30 s */
};

struct producer_stats {
    int64_t records, bytes;  /* acknowledged; bytes of the batches as sent */
    int64_t requests, retries, reconnects;
};

/* Connects and takes a producer id. ERR_IO: no broker answers. */
int producer_new(struct producer **out, const struct producer_options *options, struct err *err);
void producer_free(struct producer *producer); /* unsent records are dropped; NULL is fine */

/* Hands over one record. Partition -1: by the key (murmur2, as in the Java client), without a key
 * another partition per batch. Blocks while `in_flight` requests have no answer. ERR_NOENT: no such
 * topic and none is made. ERR_LIMIT: larger than the broker takes. After ERR_TIMEOUT or ERR_IO
 * records may be lost or not: the producer is of no further use. */
int producer_send(struct producer *producer, const char *topic, int32_t partition,
                  int64_t timestamp_ms, struct slice key, struct slice value, struct err *err);
/* Starts what has gathered on its way. Takes answers that are there, waits for none. */
int producer_push(struct producer *producer, struct err *err);
/* Everything handed over is acknowledged when it returns 0. */
int producer_flush(struct producer *producer, struct err *err);
struct producer_stats producer_stats(const struct producer *producer);

#endif
