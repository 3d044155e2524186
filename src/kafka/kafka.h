/* kafka.h - the broker: topics and their logs, the Kafka protocol on one or more listeners, and the
 * same topics in process for the rooms above.
 *
 * Topics, their configuration, group offsets and producer ids are rows in the metadata store; what
 * a row says is true. The logs of a topic lie in DIR/<topic id>/<partition>, so a topic deleted and
 * made again never meets its old records; folders without a row are removed. A partition of an
 * owned topic is written by a job alone: clients may read it, and its high watermark moves when the
 * job's commit is true. Threads: the broker runs its own loops; the functions here may be called
 * from any thread. Those that end in _wait block on the metadata store: worker.
 */
#ifndef KAFKA_KAFKA_H
#define KAFKA_KAFKA_H

#include "base/base.h"
#include "base/workers.h"
#include "log/batch.h"
#include "log/log.h"
#include "meta/meta.h"

struct broker;
struct topic; /* a counted reference: the logs stay readable while it is held, deleted or not */

struct broker_listener {
    const char *address;         /* "127.0.0.1" */
    int port;                    /* 0 picks one */
    const char *advertised_host; /* what clients that came in here are told; NULL: address */
    int advertised_port;         /* 0: the port */
};

enum broker_fsync {
    FSYNC_BATCH,    /* a produce is answered, and visible, once it is on disk; one sync serves all
                       that wait for it */
    FSYNC_INTERVAL, /* answered at once, synced every fsync_interval_ms */
    FSYNC_NEVER     /* the kernel decides */
};

struct broker_options {
    struct meta *meta; /* these five are borrowed for the life of the broker */
    struct disk *disk;
    struct clock *clock;
    struct workers *workers;
    const char *dir; /* copied, as are the listeners */
    const struct broker_listener *listeners;
    size_t listener_count;
    int threads;                /* loops; listener i is on loop i modulo this; 0: 1 */
    int32_t node_id;            /* 0: 1 */
    bool auto_create;           /* a topic asked for by a client is made */
    int32_t default_partitions; /* 0: 1 */
    enum broker_fsync fsync;
    int64_t fsync_interval_ms;  /* 0: 1000 */
    int64_t segment_bytes;      /* defaults of topics: 0: 1 GiB */
    int64_t segment_ms;         /* 0: 7 days */
    int64_t retention_ms;       /* 0: 7 days; -1: for ever */
    int64_t retention_bytes;    /* 0 or -1: no limit */
    int32_t message_bytes_max;  /* 0: 1 MiB + 12, as Kafka */
    size_t frame_bytes_max;     /* 0: 100 MiB; larger requests are refused */
    size_t conn_bytes_max;      /* 0: 32 MiB; a connection with more in work is not read from */
    size_t memory_bytes_max;    /* 0: 256 MiB; requests in work of all connections together */
    int64_t rebalance_delay_ms; /* a new group waits so long for more members; 0: none */
};

/* The room's tables, for meta_options. */
extern const struct meta_migration broker_migrations[];

/* Opens all logs. Worker. A log that cannot be opened leaves its partition offline, and says so. */
int broker_new(struct broker **out, const struct broker_options *options, struct err *err);
/* Listens, on loops of its own. ERR_BUSY when a port is taken. */
int broker_start(struct broker *broker, struct err *err);
int broker_port(const struct broker *broker, size_t listener); /* the one really bound */
/* Ends the listeners and connections, answers what is in work, ends the loops. */
void broker_stop(struct broker *broker);
/* Flushes and closes the logs. All references to topics must have been given back. */
void broker_free(struct broker *broker);

/* ---- topics ------------------------------------------------------------------------------- */

struct broker_config {
    const char *name, *value; /* "retention.ms", "60000" */
};

struct topic_options {
    const char *name;
    int32_t partitions; /* -1: the default */
    bool owned;
    const struct broker_config *configs;
    size_t config_count;
};

/* ERR_EXISTS, ERR_INVALID (name, number of partitions, configuration). *out (may be NULL) is a
 * reference. */
int topic_create_wait(struct broker *broker, const struct topic_options *options,
                      struct topic **out, struct err *err);
int topic_delete_wait(struct broker *broker, const char *name, struct err *err); /* ERR_NOENT */
/* A reference, or NULL when there is none of that name. Give back with topic_unref. */
struct topic *topic_find(struct broker *broker, const char *name);
struct topic *topic_ref(struct topic *topic);
void topic_unref(struct topic *topic); /* NULL is fine */

const char *topic_name(const struct topic *topic);
const char *topic_id(const struct topic *topic); /* 36 characters, as the folder is named */
bool topic_is_owned(const struct topic *topic);
bool topic_is_deleted(const struct topic *topic);
int32_t topic_partitions(const struct topic *topic);
/* Borrowed while the topic is held; NULL: no such partition, or offline. */
struct log *topic_log(struct topic *topic, int32_t partition);
/* For a producer in process: appends and counts. Not durable, nor with FSYNC_BATCH visible to
 * readers, before log_flush; an owned topic's records show with topic_committed. Errors as
 * log_append's, ERR_NOENT without such a partition, ERR_IO when it is offline. */
int topic_append(struct topic *topic, int32_t partition, uint8_t *bytes, size_t len,
                 struct log_append_result *out, struct err *err);
/* Owned topics. The first belongs into the transaction that commits the job's interval: `end` is
 * the offset up to which partition's records are true. The second, after it, shows them. */
int topic_commit_in(struct meta_txn *txn, const char *id, int32_t partition, int64_t end,
                    struct err *err);
void topic_committed(struct topic *topic, int32_t partition, int64_t end);
/* The end that a commit vouches for, as the metadata store has it: after a commit of which nobody
 * could tell how it ended. Worker. */
int topic_owned_end(struct topic *topic, int32_t partition, int64_t *end, struct err *err);

/* Syncs the partition on a thread of the broker: what was appended shows to readers soon. */
void topic_flush_soon(struct topic *topic, int32_t partition);

/* Output of a job to ordinary topics: one transaction per interval. Records show at once to those
 * who do not wait; to readers of committed records when the commit that broker_txn_commit_in was
 * part of is true and broker_txn_end has said so. After a crash the next broker_new ends what was
 * open, as that commit decided. One thread at a time, but commit_in on the metadata writer's. */
struct broker_txn;
int broker_txn_new(struct broker_txn **out, struct broker *broker, struct err *err); /* worker */
/* The builder's records as a batch; it is empty afterwards. */
int broker_txn_append(struct broker_txn *txn, struct topic *topic, int32_t partition,
                      struct batch_builder *builder, enum codec codec, struct err *err);
int broker_txn_flush(struct broker_txn *txn, struct err *err); /* all of it is durable; worker */
int broker_txn_commit_in(struct broker_txn *txn, struct meta_txn *in, struct err *err);
void broker_txn_end(struct broker_txn *txn, bool commit); /* frees it; accepts NULL */
void broker_txn_leave(struct broker_txn *txn); /* nobody knows: left to the next start; frees it */

/* fn runs after a topic was made or deleted, on any thread; keep it short. */
int broker_watch(struct broker *broker, void (*fn)(void *arg, const char *name, bool created),
                 void *arg);
void broker_unwatch(struct broker *broker, void (*fn)(void *arg, const char *name, bool created),
                    void *arg);

/* ---- what status shows -------------------------------------------------------------------- */

struct topic_info {
    const char *name; /* all of it in the arena */
    const char *id;
    int32_t partitions;
    bool owned;
    int64_t records_in, bytes_in, records_out, bytes_out; /* since the start; out: as fetched */
    int64_t records, bytes;                               /* kept now */
};
int broker_topics(struct broker *broker, struct arena *arena, struct topic_info **out,
                  size_t *count, struct err *err);

struct group_lag {
    const char *topic;
    int32_t partition;
    int64_t offset, end; /* committed; readable end; the lag is the difference */
};
struct group_info {
    const char *name;
    const char *state; /* "Stable", "Empty", ... */
    int32_t members;
    struct group_lag *lags;
    size_t lag_count;
    int64_t lag;
};
int broker_groups(struct broker *broker, struct arena *arena, struct group_info **out,
                  size_t *count, struct err *err);

#endif
