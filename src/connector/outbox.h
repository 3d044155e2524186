/* outbox.h - rows on their way to another broker, exactly once.
 *
 * Two commits have to be one: the job's metadata transaction here and a transaction of Kafka there.
 * A prepared transaction that waits for our commit is not to be had: Kafka gives nobody a
 * producer's transaction back after a crash (KIP-939 is to change that). So the metadata
 * transaction decides alone, and what it decided is carried over afterwards:
 *
 *   1. While an interval runs, its records go into an owned topic of our own, the outbox, behind
 * its committed end: nobody sees them, and a crash cuts them off.
 *   2. The metadata transaction moves that end. From here on the rows are true, whatever happens.
 *   3. A courier sends what lies below the end in transactions of Kafka, each of which also sets
 * the offset of the consumer group TRANSACTIONAL-ID to the place in the outbox that it reached.
 *      Records and place become true together, so the place says at any time what has arrived.
 *   4. What arrived is deleted here.
 *
 * After a crash, or a commit of which nobody knows how it ended, the courier opens the
 * transactional id again, which ends what was open (KIP-98), reads the place and goes on from
 * there. A broker that is gone holds up nothing but the courier, until the outbox is full. The
 * transactional id holds the outbox topic's id, so no two outboxes have one. Kafka forgets offsets
 * of groups that are silent for offsets.retention.minutes, a week: an outbox that was left alone
 * for so long with its last transaction unconfirmed may repeat that one, and says so. Threads: a
 * courier of its own; append is the pipeline's, the rest the job's.
 */
#ifndef CONNECTOR_OUTBOX_H
#define CONNECTOR_OUTBOX_H

#include "kafka/kafka.h"
#include "kafka/outside.h"

struct outbox;

struct outbox_options {
    struct broker *broker; /* borrowed for life, as is the clock */
    struct clock *clock;
    const char *name;                     /* of the topic of ours; copied, as are the next two */
    const char *target;                   /* topic there */
    const char *prefix;                   /* of the transactional id */
    const struct outside_options *client; /* borrowed for life */
    enum outside_partitioner partitioner;
};

/* Opens it, made when absent, cuts off what no commit vouches for, starts the courier. */
int outbox_new(struct outbox **out, const struct outbox_options *options, struct err *err);
/* Gives the courier some time to carry what is committed; the rest stays for the next start. */
void outbox_free(struct outbox *outbox); /* NULL is fine */

/* The builder's records, which is empty afterwards. ERR_LIMIT: full, since nothing is carried. */
int outbox_append(struct outbox *outbox, struct batch_builder *builder, struct err *err);
int64_t outbox_end(struct outbox *outbox); /* behind what was appended */
int outbox_flush(struct outbox *outbox, struct err *err);
int outbox_commit_in(struct outbox *outbox, int64_t end, struct meta_txn *txn, struct err *err);
void outbox_committed(struct outbox *outbox, int64_t end);

#endif
