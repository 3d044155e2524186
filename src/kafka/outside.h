/* outside.h - clients to other people's brokers, by librdkafka: TLS, SASL and every protocol
 * version come with it. Our own broker needs none of this: its topics are read in process
 * (kafka.h).
 *
 * Properties are those of Kafka's Java clients, as Flink's 'properties.*' name them; librdkafka's
 * own names work too. Java's are mapped by one table (outside_conf.c); what only makes sense in
 * Java is passed over, and anything of security that is not understood is refused, never ignored.
 * Values may hold ${NAME}, ${env:NAME} and ${file:/path}, looked up when a client is made; what
 * they became is in no message. A broker that is not there is waited for: librdkafka connects again
 * by itself, and the trouble is told as a sentence by outside_*_trouble. Threads: a consumer
 * belongs to one, a producer to one for send, begin and commit; commits of group offsets, lag,
 * tallies and trouble are for any.
 */
#ifndef KAFKA_OUTSIDE_H
#define KAFKA_OUTSIDE_H

#include "base/base.h"
#include "log/batch.h"

struct outside_property {
    const char *name, *value;
};
struct outside_options {
    const struct outside_property *properties; /* borrowed for the call, as all of this */
    size_t property_count;
    const char *bootstrap; /* NULL: among the properties */
};

/* ERR_INVALID, ERR_UNSUPPORTED name the property, and never its value when that is a secret. */
int outside_check(const struct outside_options *options, bool producer, struct err *err);

/* ---- reading ------------------------------------------------------------------------------- */

struct outside_consumer;

/* A partition and an offset, in lists that calls fill. */
struct outside_place {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

struct outside_record {
    const char *topic; /* these live until the next poll */
    int32_t partition;
    bool end; /* no record: the partition is read up to record.offset */
    bool append_time;
    struct record record;
};

/* `woken` runs on librdkafka's threads when there may be something to poll; keep it short.
 * Connects in the background: a broker that does not answer is no error here. */
int outside_consumer_new(struct outside_consumer **out, const struct outside_options *options,
                         void (*woken)(void *arg), void *arg, struct err *err);
void outside_consumer_free(struct outside_consumer *consumer); /* NULL is fine */

/* What the brokers have of topics that `wanted` takes: asked for by name, or of all that there are
 * (names NULL). A topic that is not there is left out. Blocks for at most timeout_ms: ERR_TIMEOUT
 * says why. */
int outside_partitions(struct outside_consumer *consumer, const char *const *names, size_t count,
                       bool (*wanted)(void *arg, const char *topic), void *arg, int timeout_ms,
                       struct arena *arena, struct outside_place **out, size_t *out_count,
                       struct err *err);

enum outside_where { OUTSIDE_START, OUTSIDE_END, OUTSIDE_TIME, OUTSIDE_GROUP };
/* Fills the offsets: first; end (with read_committed of what is stable); of the first record at or
 * after time_ms, the end where there is none; what the group committed, -1 where it did not. */
int outside_offsets(struct outside_consumer *consumer, struct outside_place *places, size_t count,
                    enum outside_where where, int64_t time_ms, int timeout_ms, struct err *err);

/* Reads on from these places, in place of what was read before. */
int outside_assign(struct outside_consumer *consumer, const struct outside_place *places,
                   size_t count, struct err *err);
/* Takes what is there, waits for nothing. ERR_NOENT: a topic is gone; ERR_DENIED. */
int outside_poll(struct outside_consumer *consumer, bool headers, struct outside_record *records,
                 size_t max, size_t *count, struct err *err);
/* Group offsets, in the background: for tools that show lag. */
void outside_offsets_commit(struct outside_consumer *consumer, const struct outside_place *places,
                            size_t count);
/* The end as the last fetch told it; -1: not known. */
int64_t outside_end(struct outside_consumer *consumer, const char *topic, int32_t partition);
/* Why nothing comes, while no broker answers; false: nothing is known to be wrong. */
bool outside_consumer_trouble(struct outside_consumer *consumer, char *text, size_t size);

/* ---- writing ------------------------------------------------------------------------------- */

struct outside_producer;

/* How the records of one interval fare. Zero it; it stays until outside_settle has returned. */
struct outside_tally {
    _Atomic int64_t sent, done;
    _Atomic int failed; /* an err code, of the first that failed */
};

enum outside_partitioner { OUTSIDE_BY_KEY, OUTSIDE_FIXED, OUTSIDE_ROUND_ROBIN };

struct outside_message {
    const char *topic;
    int64_t timestamp_ms;
    struct slice key, value; /* ptr NULL: null */
    const struct header *headers;
    int header_count;
};

/* Idempotent, acks=all, unless the properties say otherwise. By key: murmur2, as Java. */
int outside_producer_new(struct outside_producer **out, const struct outside_options *options,
                         enum outside_partitioner partitioner,
                         const char *transactional_id /* NULL: none */, struct err *err);
void outside_producer_free(struct outside_producer *producer); /* drops what is unsent */

/* Copies the message. Waits while the queue is full. */
int outside_send(struct outside_producer *producer, const struct outside_message *message,
                 struct outside_tally *tally, struct err *err);
/* Waits until every record of the tally is acknowledged, or failed: delivery.timeout.ms at most. */
int outside_settle(struct outside_producer *producer, struct outside_tally *tally, struct err *err);

/* Transactions (KIP-98). open: fences whoever had the transactional id, ends what he left open.
 * commit: all that was sent since begin, and `place` as the offset of `group`, at once, or nothing.
 * ERR_UNKNOWN: it may have been committed; ask what the group has. After any error but
 * ERR_TIMEOUT of open the producer is of no further use. */
int outside_txn_open(struct outside_producer *producer, int timeout_ms, struct err *err);
int outside_txn_begin(struct outside_producer *producer, struct err *err);
int outside_txn_commit(struct outside_producer *producer, const char *group,
                       const struct outside_place *place, int timeout_ms, struct err *err);
bool outside_producer_trouble(struct outside_producer *producer, char *text, size_t size);

#endif
