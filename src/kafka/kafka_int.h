/* kafka_int.h - what the files of the broker share: requests, connections, topics.
 *
 * A connection lives on one loop. Its requests are worked on as they arrive and answered in order:
 * a handler fills `out` and calls request_done, at once or later, on the connection's loop. Where a
 * handler runs is said in the table of apis.c.
 */
#ifndef KAFKA_KAFKA_INT_H
#define KAFKA_KAFKA_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/codec.h"
#include "base/loop.h"
#include "kafka/errors.h"
#include "kafka/kafka.h"
#include "kafka/messages.h"
#include "log/batch.h"

#define TOPIC_NAME_MAX  249
#define PARTITIONS_MAX  10000
#define LEADER_EPOCH    0                  /* one broker: leadership never changes */
#define ARENA_BYTES_MAX ((size_t)64 << 20) /* of one request's decoded form and answer */

struct request;
struct kafka_conn;
struct frame_pool;

/* ---- the API table (apis.c) ---------------------------------------------------------------- */

enum where {
    ON_LOOP,   /* the connection's loop */
    ON_WORKER, /* may block; answered when it returns */
    ON_GROUPS  /* the loop that owns the groups */
};

struct api {
    int16_t key;
    const char *name;
    int16_t min, max;
    int16_t flexible; /* from this version on; INT16_MAX: never */
    const struct schema *request, *response;
    void (*handle)(struct request *req);
    enum where where;
};

extern const struct api apis[];
extern const size_t api_count;
const struct api *api_find(int16_t key);

/* ---- connections and requests (conn.c) ------------------------------------------------------ */

struct broker_loop {
    struct broker *broker;
    struct loop *loop;
    struct kafka_conn *conns;
    struct timer *tick;       /* the earliest end of a parked fetch */
    struct request *parked;   /* fetches that wait for records */
    struct partition **dirty; /* appended to in this turn */
    size_t dirty_count, dirty_cap;
    bool stopping;
};

struct request {
    struct kafka_conn *conn;
    struct broker *broker;
    struct broker_loop *loop;
    struct request *next; /* in the connection's queue */
    atomic_int refs;
    const struct api *api;
    int16_t version;
    int32_t correlation;
    struct slice client_id;
    uint8_t *frame; /* owned; slices of `in` point into it */
    size_t frame_len, frame_cap;
    struct arena arena;
    void *in, *out;        /* by the tables of `api` */
    bool done, silent;     /* silent: no answer is sent (acks=0) */
    atomic_bool cancelled; /* the connection is gone */

    atomic_int pending;  /* produce: partitions not flushed yet */
    struct fetch *fetch; /* fetch: what it looks at, for as long as the request lives */
    struct request *parked_next, **parked_prev; /* prev is NULL while it is not parked */
};

struct kafka_conn {
    struct broker_loop *loop;
    struct conn *conn; /* NULL once closed */
    size_t listener;
    char peer[64]; /* "127.0.0.1:51234" */
    int refs;      /* itself while open, and its requests */
    struct kafka_conn *next, **prev;
    uint8_t header[4];
    size_t header_len;
    uint8_t *frame; /* of the request that is arriving */
    size_t frame_len, frame_cap, frame_got;
    struct request *head, *tail;
    size_t in_work; /* bytes of frames not yet answered */
    bool paused, refused;
};

/* On the connection's loop: the answer stands in `out`. */
void request_done(struct request *req);
/* The same from any thread. */
void request_done_from(struct request *req);
/* Runs `step` on a worker, then answers. */
void request_offload(struct request *req, void (*step)(struct request *req));
struct request *request_ref(struct request *req);
void request_unref(struct request *req);
int conn_accept(struct broker_loop *loop, size_t listener, struct conn *conn);
void conns_close(struct broker_loop *loop);
void conns_resume(struct broker_loop *loop);
void frames_idle(struct frame_pool *pool); /* gives the memory back when nobody used it lately */
void frames_clear(struct frame_pool *pool);

/* ---- topics (topic.c, topics.c, topic_config.c) --------------------------------------------- */

struct topic_config { /* one value per line of the table in topic_config.c; fixed at decoding */
    int64_t retention_ms, retention_bytes, segment_bytes, segment_ms;
    int64_t max_message_bytes;
    bool append_time;
};

struct ticket { /* a produce that waits for the sync of a partition */
    struct ticket *next;
    struct request *req;
    struct produce_partition_reply *reply;
    int64_t end;
};

struct waiter { /* a parked fetch on one of its partitions */
    struct waiter *next, **prev;
    struct request *req;
};

struct partition {
    struct topic *topic;
    int32_t index;
    struct log *log; /* NULL: offline */
    atomic_llong records_in, bytes_in, records_out, bytes_out;

    pthread_mutex_t lock; /* taken after the log's watch lock */
    struct ticket *tickets, **tickets_end;
    struct waiter *waiters;
    bool flushing, queued, again; /* again: another sync is wanted after this one */
    struct work flush;
};

struct partition_set {
    struct partition_set *older; /* still pointed to by readers; freed with the topic */
    int32_t count;
    struct partition *list[];
};

struct topic {
    atomic_int refs;
    struct broker *broker;
    char *name;
    struct uuid id;
    char id_text[37];
    bool owned;
    atomic_bool deleted;
    _Atomic(struct partition_set *) set;
    pthread_mutex_t lock;       /* config */
    struct topic_config config; /* decoded */
    atomic_int max_message_bytes;
    struct work closing;
};

struct broker_watcher {
    void (*fn)(void *arg, const char *name, bool created);
    void *arg;
};

struct groups;

struct accepting { /* what a listener's callback is given */
    struct broker_loop *loop;
    size_t listener;
};

/* Frames of large requests, kept for the next: memory fresh from the kernel costs a fault per
 * page. */
#define FRAMES_KEPT 8
struct frame_pool {
    pthread_mutex_t lock;
    uint8_t *list[FRAMES_KEPT];
    size_t caps[FRAMES_KEPT], count;
    bool used; /* since the last look of housekeeping, which empties it when idle */
};

struct broker {
    struct broker_options options;
    char *dir;
    struct broker_listener *listeners; /* strings ours */
    struct listener **bound;
    int *ports;
    struct accepting *accepting;
    size_t listener_count;
    struct broker_loop *loops;
    size_t loop_count;
    struct workers *syncers; /* for syncs alone: a produce never waits behind other work */
    char cluster_id[23];
    atomic_int requests;   /* in work */
    atomic_size_t in_work; /* bytes of their frames */
    struct frame_pool frames;
    atomic_int closing_topics; /* being closed on workers */
    atomic_bool running;

    pthread_rwlock_t lock; /* the two lists */
    struct topic **by_name, **by_id;
    size_t topic_count, topic_cap;
    pthread_mutex_t create_lock; /* one creation, deletion or growth of topics at a time */

    pthread_mutex_t watch_lock;
    struct broker_watcher *watchers;
    size_t watcher_count;

    struct groups *groups;
    struct timer *housekeeping; /* on loop 0 */
    struct work keep;
    atomic_bool keeping;
    int64_t retained_ms;

    pthread_mutex_t producer_lock;
    int64_t next_producer_id, last_producer_id; /* a block taken from the metadata store */
    struct idle_producer {
        int64_t id;
        int16_t epoch; /* the next */
    } idle[64];        /* ids of ended transactions of jobs */
    size_t idle_count;
};

int producer_id_next(struct broker *broker, int64_t *out); /* init_producer.c */
int txns_resolve(struct broker *broker, struct err *err);  /* txns.c: at the start */
struct topic *topic_find_slice(struct broker *broker, struct slice name);
struct topic *topic_find_id(struct broker *broker, const struct uuid *id);
struct partition *topic_partition(struct topic *topic, int32_t index); /* NULL: none */
/* With no partition yet, and one reference. */
int topic_new(struct topic **out, struct broker *broker, struct slice name, const struct uuid *id,
              bool owned, struct err *err);
void topic_free(struct topic *topic);
/* Makes the set larger by opening logs; readers keep the old one. `owned_ends`: a number for each
 * partition, or NULL. */
int topic_grow(struct topic *topic, int32_t count, const int64_t *owned_ends, struct err *err);
int topics_load(struct broker *broker, struct err *err);
void topics_close(struct broker *broker);
int topic_grow_wait(struct broker *broker, struct slice name, int32_t count, struct err *err);
int topic_name_check(struct slice name, struct err *err);
/* References to all topics, in order of name; in the arena. */
int topics_list(struct broker *broker, struct arena *arena, struct topic ***out, size_t *count);
void uuid_text(const struct uuid *id, char out[37]);
int uuid_parse(const char *text, struct uuid *out);
void topic_apply_config(struct topic *topic);

enum config_source { CONFIG_TOPIC = 1, CONFIG_DEFAULT = 5 };
struct config_line { /* for DescribeConfigs */
    const char *name, *value, *help;
    int8_t type; /* as in the protocol: 1 boolean, 2 string, 3 int, 5 long, 7 list */
    bool is_set, read_only;
};
/* Checks one value. ERR_INVALID with a sentence. */
int config_check(struct slice name, struct slice value, struct err *err);
void config_defaults(const struct broker *broker, struct topic_config *out);
/* Reads the rows of a topic over the defaults. In a read or write of meta. */
int config_load(struct meta_txn *txn, struct broker *broker, const struct uuid *id,
                struct topic_config *out, struct err *err);
int config_lines(struct broker *broker, struct meta_txn *txn, const struct uuid *id,
                 struct arena *arena, struct config_line **out, size_t *count, struct err *err);
struct log_options config_log_options(const struct broker *broker, const struct topic_config *c);
bool config_known(struct slice name);

/* ---- produce.c, fetch.c --------------------------------------------------------------------- */

void flush_dirty(struct broker_loop *loop); /* at the end of a turn */
void flush_run(struct work *work);
void flush_done(struct work *work);
void partition_advanced(void *arg, struct log *log); /* wakes fetches */
void fetch_cancel(struct request *req);
void fetch_free(struct fetch *fetch);
void fetch_tick(void *arg);

/* ---- groups.c ------------------------------------------------------------------------------- */

int groups_new(struct groups **out, struct broker *broker, struct err *err);
int groups_start(struct groups *groups, struct err *err); /* on the thread that made the loop */
void groups_stop(
    struct groups *groups); /* on its loop, or with the loop at rest; may be repeated */
void groups_free(struct groups *groups);

/* ---- handlers ------------------------------------------------------------------------------- */

void handle_produce(struct request *req);
void handle_fetch(struct request *req);
void handle_list_offsets(struct request *req);
void handle_offset_for_leader_epoch(struct request *req);
void handle_delete_records(struct request *req);
void handle_metadata(struct request *req);
void handle_api_versions(struct request *req);
void handle_find_coordinator(struct request *req);
void handle_describe_cluster(struct request *req);
void handle_init_producer_id(struct request *req);
void handle_join_group(struct request *req);
void handle_sync_group(struct request *req);
void handle_heartbeat(struct request *req);
void handle_leave_group(struct request *req);
void handle_offset_commit(struct request *req);
void handle_offset_fetch(struct request *req);
void handle_describe_groups(struct request *req);
void handle_list_groups(struct request *req);
void handle_delete_groups(struct request *req);
void handle_offset_delete(struct request *req);
void handle_create_topics(struct request *req);
void handle_delete_topics(struct request *req);
void handle_create_partitions(struct request *req);
void handle_describe_configs(struct request *req);
void handle_alter_configs(struct request *req);
void handle_incremental_alter_configs(struct request *req);
void handle_describe_log_dirs(struct request *req);

/* Makes `count` default elements and sets an array of a reply to them; false: no memory. */
#define REPLY_ARRAY(req, array, schema, n)                                                         \
    ((array).items = schema_array(&(schema), &(req)->arena, (size_t)(n)),                          \
     (array).count = (array).items ? (int32_t)(n) : 0, (array).items != NULL)

#endif
