/* broker.c - the broker as a whole: its tables, its loops and listeners, its housekeeping. */
#include <stdio.h>

#include "kafka/kafka_int.h"

#define HOUSEKEEPING_MS    1000
#define RETENTION_EVERY_MS 60000
#define STOP_PATIENCE_MS   10000
#define SYNC_THREADS       4
#define SYNC_QUEUE_MAX     4096

const struct meta_migration broker_migrations[] = {
    {"kafka", 1,
     "CREATE TABLE kafka_cluster ("
     " one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, next_producer_id BIGINT NOT "
     "NULL);"
     "CREATE TABLE kafka_topic ("
     " name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,"
     " owned INTEGER NOT NULL, created_ms BIGINT NOT NULL);"
     "CREATE TABLE kafka_topic_config ("
     " topic_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
     " PRIMARY KEY (topic_id, name));"
     "CREATE TABLE kafka_owned_end ("
     " topic_id TEXT NOT NULL, partition_index INTEGER NOT NULL, end_offset BIGINT NOT NULL,"
     " PRIMARY KEY (topic_id, partition_index));"
     "CREATE TABLE kafka_group_offset ("
     " group_id TEXT NOT NULL, topic TEXT NOT NULL, partition_index INTEGER NOT NULL,"
     " committed_offset BIGINT NOT NULL, leader_epoch INTEGER NOT NULL, metadata TEXT NOT NULL,"
     " commit_ms BIGINT NOT NULL, PRIMARY KEY (group_id, topic, partition_index));"},
    {"kafka", 2,
     "CREATE TABLE kafka_txn ("
     " producer_id BIGINT PRIMARY KEY, producer_epoch INTEGER NOT NULL);"},
    {NULL, 0, NULL},
};

/* ---- making and freeing ------------------------------------------------------------------- */

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if (!(field))                                                                              \
            (field) = (value);                                                                     \
    } while (0)

static void fill_defaults(struct broker_options *o)
{
    DEFAULT(o->threads, 1);
    DEFAULT(o->node_id, 1);
    DEFAULT(o->default_partitions, 1);
    DEFAULT(o->fsync_interval_ms, 1000);
    DEFAULT(o->segment_bytes, (int64_t)1 << 30);
    DEFAULT(o->segment_ms, (int64_t)7 * 24 * 3600 * 1000);
    DEFAULT(o->retention_ms, (int64_t)7 * 24 * 3600 * 1000);
    DEFAULT(o->retention_bytes, -1);
    DEFAULT(o->message_bytes_max, (1 << 20) + 12);
    DEFAULT(o->frame_bytes_max, (size_t)100 << 20);
    DEFAULT(o->conn_bytes_max, (size_t)32 << 20);
    DEFAULT(o->memory_bytes_max, (size_t)256 << 20);
}

static int copy_listeners(struct broker *broker, struct err *err)
{
    const struct broker_options *o = &broker->options;

    broker->listener_count = o->listener_count;
    broker->listeners = calloc(o->listener_count + 1, sizeof(*broker->listeners));
    broker->bound = calloc(o->listener_count + 1, sizeof(struct listener *));
    broker->ports = calloc(o->listener_count + 1, sizeof(*broker->ports));
    broker->accepting = calloc(o->listener_count + 1, sizeof(*broker->accepting));
    if (!broker->listeners || !broker->bound || !broker->ports || !broker->accepting)
        return err_set(err, ERR_NOMEM, "broker");
    for (size_t i = 0; i < o->listener_count; i++) {
        const struct broker_listener *from = &o->listeners[i];
        struct broker_listener *to = &broker->listeners[i];

        *to = *from;
        to->address = strdup(from->address);
        to->advertised_host = strdup(from->advertised_host ? from->advertised_host : from->address);
        if (!to->address || !to->advertised_host)
            return err_set(err, ERR_NOMEM, "broker");
    }
    broker->options.listeners = broker->listeners;
    return 0;
}

static int load_cluster(struct meta_txn *txn, void *arg, struct err *err)
{
    struct broker *broker = arg;
    struct meta_stmt *rows;
    bool found = false;
    int rc = meta_query(txn, &rows, err, "SELECT id FROM kafka_cluster", "");

    if (rc)
        return rc;
    if (meta_next(rows, err, &rc)) {
        snprintf(broker->cluster_id, sizeof(broker->cluster_id), "%s", meta_text(rows, 0));
        found = true;
    }
    meta_done(rows);
    if (rc || found)
        return rc;
    return meta_exec(txn, err,
                     "INSERT INTO kafka_cluster (one, id, next_producer_id)"
                     " VALUES (1, ?, 1000)",
                     "s", broker->cluster_id);
}

/* A random id in Kafka's form: 16 bytes as 22 characters of URL-safe base64. */
static void new_cluster_id(char out[23])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[22];

    rand_secret(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        out[i] = letters[bytes[i] & 63];
    out[0] = letters[bytes[0] & 31]; /* never a leading '-', which shells take for an option */
    out[22] = '\0';
}

static int make_loops(struct broker *broker, struct err *err)
{
    size_t count = (size_t)broker->options.threads;

    broker->loops = calloc(count, sizeof(*broker->loops));
    if (!broker->loops)
        return err_set(err, ERR_NOMEM, "broker");
    for (broker->loop_count = 0; broker->loop_count < count; broker->loop_count++) {
        struct broker_loop *loop = &broker->loops[broker->loop_count];
        int rc;

        loop->broker = broker;
        rc = loop_new(&loop->loop, err);
        if (rc)
            return rc;
    }
    return 0;
}

int broker_new(struct broker **out, const struct broker_options *options, struct err *err)
{
    struct broker *broker = calloc(1, sizeof(*broker));
    int rc;

    if (!broker)
        return err_set(err, ERR_NOMEM, "broker");
    pthread_rwlock_init(&broker->lock, NULL);
    pthread_mutex_init(&broker->create_lock, NULL);
    pthread_mutex_init(&broker->watch_lock, NULL);
    pthread_mutex_init(&broker->producer_lock, NULL);
    pthread_mutex_init(&broker->frames.lock, NULL);
    broker->options = *options;
    fill_defaults(&broker->options);
    broker->dir = strdup(options->dir);
    rc = broker->dir ? copy_listeners(broker, err) : err_set(err, ERR_NOMEM, "broker");
    if (!rc)
        rc = disk_mkdirs(options->disk, broker->dir, err);
    new_cluster_id(broker->cluster_id);
    if (!rc)
        rc = meta_write_wait(options->meta, load_cluster, broker, err);
    if (!rc)
        rc = topics_load(broker, err);
    if (!rc)
        rc = txns_resolve(broker, err);
    if (!rc)
        rc = make_loops(broker, err);
    if (!rc)
        rc = workers_new(&broker->syncers, "kafka-sync", SYNC_THREADS, SYNC_QUEUE_MAX, err);
    if (!rc)
        rc = groups_new(&broker->groups, broker, err);
    if (rc) {
        broker_free(broker);
        return err_wrap(err, rc, "kafka");
    }
    *out = broker;
    return 0;
}

void broker_free(struct broker *broker)
{
    if (!broker)
        return;
    workers_free(broker->syncers);
    groups_free(broker->groups);
    topics_close(broker);
    while (atomic_load(&broker->closing_topics))
        broker->options.clock->sleep_ns(broker->options.clock, 1000000);
    for (size_t i = 0; i < broker->loop_count; i++) {
        loop_free(broker->loops[i].loop);
        free(broker->loops[i].dirty);
    }
    free(broker->loops);
    for (size_t i = 0; broker->listeners && i < broker->listener_count; i++) {
        free((char *)broker->listeners[i].address);
        free((char *)broker->listeners[i].advertised_host);
    }
    free(broker->listeners);
    free(broker->bound);
    free(broker->ports);
    free(broker->accepting);
    free(broker->watchers);
    free(broker->dir);
    frames_clear(&broker->frames);
    pthread_mutex_destroy(&broker->frames.lock);
    pthread_mutex_destroy(&broker->producer_lock);
    pthread_mutex_destroy(&broker->watch_lock);
    pthread_mutex_destroy(&broker->create_lock);
    pthread_rwlock_destroy(&broker->lock);
    free(broker);
}

/* ---- housekeeping: retention, and syncs by interval ---------------------------------------- */

static void keep_run(struct work *work)
{
    struct broker *broker = (struct broker *)(void *)((char *)work - offsetof(struct broker, keep));
    int64_t now_ms = clock_mono_ms(broker->options.clock);
    bool retain = now_ms - broker->retained_ms >= RETENTION_EVERY_MS;
    struct arena arena = {0};
    struct topic **topics;
    size_t count;

    if (retain)
        broker->retained_ms = now_ms;
    if (topics_list(broker, &arena, &topics, &count))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        struct partition_set *set = atomic_load(&topics[i]->set);

        for (int32_t p = 0; p < set->count; p++) {
            struct log *log = set->list[p]->log;
            struct err err = {0};

            if (log && broker->options.fsync == FSYNC_INTERVAL && log_flush(log, &err))
                diag_error("kafka", "%s-%d: %s", topics[i]->name, p, err.text);
            if (log && log_checkpoint(log, false, &err))
                diag_warn("kafka", "%s-%d: %s", topics[i]->name, p, err.text);
            if (log && retain && log_retain(log, &err))
                diag_warn("kafka", "%s-%d: retention: %s", topics[i]->name, p, err.text);
        }
        topic_unref(topics[i]);
    }
    arena_deinit(&arena);
}

static void keep_done(struct work *work)
{
    struct broker *broker = (struct broker *)(void *)((char *)work - offsetof(struct broker, keep));

    atomic_store(&broker->keeping, false);
}

static void keep_house(void *arg)
{
    struct broker *broker = arg;

    frames_idle(&broker->frames);
    if (atomic_exchange(&broker->keeping, true))
        return;
    broker->keep = (struct work){.run = keep_run, .done = keep_done};
    if (workers_submit(broker->options.workers, &broker->keep))
        atomic_store(&broker->keeping, false);
}

/* ---- starting and stopping ---------------------------------------------------------------- */

static void accepted(void *arg, struct conn *conn)
{
    struct accepting *a = arg;

    if (a->loop->stopping || conn_accept(a->loop, a->listener, conn))
        conn_close(conn);
}

static void on_turn(void *arg)
{
    struct broker_loop *loop = arg;

    flush_dirty(loop);
    conns_resume(loop);
}

static int start_loop(struct broker_loop *loop, struct err *err)
{
    loop_on_turn(loop->loop, on_turn, loop);
    return timer_new(&loop->tick, loop->loop, fetch_tick, loop, err);
}

static int bind_listener(struct broker *broker, size_t i, struct err *err)
{
    struct broker_loop *loop = &broker->loops[i % broker->loop_count];
    int rc;

    broker->accepting[i] = (struct accepting){loop, i};
    rc = listener_new(&broker->bound[i], loop->loop, broker->listeners[i].address,
                      broker->listeners[i].port, accepted, &broker->accepting[i], err);
    if (rc)
        return rc;
    broker->ports[i] = listener_port(broker->bound[i]);
    if (!broker->listeners[i].advertised_port)
        broker->listeners[i].advertised_port = broker->ports[i];
    return 0;
}

/* With the loops at rest. */
static void unbind(struct broker *broker)
{
    for (size_t i = 0; i < broker->listener_count; i++) {
        listener_free(broker->bound[i]);
        broker->bound[i] = NULL;
    }
    for (size_t i = 0; i < broker->loop_count; i++) {
        timer_free(broker->loops[i].tick);
        broker->loops[i].tick = NULL;
    }
    timer_free(broker->housekeeping);
    broker->housekeeping = NULL;
    groups_stop(broker->groups);
}

int broker_start(struct broker *broker, struct err *err)
{
    size_t started = 0;
    int rc = 0;

    for (size_t i = 0; i < broker->loop_count && !rc; i++)
        rc = start_loop(&broker->loops[i], err);
    for (size_t i = 0; i < broker->listener_count && !rc; i++)
        rc = bind_listener(broker, i, err);
    if (!rc)
        rc = timer_new(&broker->housekeeping, broker->loops[0].loop, keep_house, broker, err);
    if (!rc)
        rc = groups_start(broker->groups, err);
    if (!rc)
        timer_start(broker->housekeeping, HOUSEKEEPING_MS,
                    broker->options.fsync == FSYNC_INTERVAL ? broker->options.fsync_interval_ms
                                                            : HOUSEKEEPING_MS);
    atomic_store(&broker->running, true);
    for (; started < broker->loop_count && !rc; started += !rc)
        rc = loop_start(broker->loops[started].loop, "kafka", err);
    if (!rc)
        return 0;
    while (started)
        loop_join(broker->loops[--started].loop);
    unbind(broker);
    atomic_store(&broker->running, false);
    return err_wrap(err, rc, "kafka");
}

int broker_port(const struct broker *broker, size_t listener)
{
    return listener < broker->listener_count ? broker->ports[listener] : -1;
}

static void shut(void *arg)
{
    struct broker_loop *loop = arg;

    loop->stopping = true;
    if (loop == &loop->broker->loops[0])
        groups_stop(loop->broker->groups);
    conns_close(loop);
}

void broker_stop(struct broker *broker)
{
    struct clock *clock;
    int64_t until;

    if (!broker || !atomic_exchange(&broker->running, false))
        return;
    clock = broker->options.clock;
    until = clock_mono_ms(clock) + STOP_PATIENCE_MS;
    for (size_t i = 0; i < broker->loop_count; i++)
        loop_post(broker->loops[i].loop, shut, &broker->loops[i]);
    while ((atomic_load(&broker->requests) || atomic_load(&broker->keeping)) &&
           clock_mono_ms(clock) < until)
        clock->sleep_ns(clock, 1000000);
    for (size_t i = 0; i < broker->loop_count; i++)
        loop_join(broker->loops[i].loop);
    unbind(broker);
}

/* ---- what status shows -------------------------------------------------------------------- */

static int describe_topic(struct topic *topic, struct arena *arena, struct topic_info *out)
{
    struct partition_set *set = atomic_load(&topic->set);

    *out = (struct topic_info){.name = arena_strdup(arena, topic->name),
                               .id = arena_strdup(arena, topic->id_text),
                               .partitions = set->count,
                               .owned = topic->owned};
    for (int32_t i = 0; i < set->count; i++) {
        struct partition *p = set->list[i];

        out->records_in += atomic_load(&p->records_in);
        out->bytes_in += atomic_load(&p->bytes_in);
        out->records_out += atomic_load(&p->records_out);
        out->bytes_out += atomic_load(&p->bytes_out);
        if (p->log) {
            struct log_offsets at = log_offsets(p->log);

            out->records += at.high_watermark - at.start;
            out->bytes += at.bytes;
        }
    }
    return out->name && out->id ? 0 : ERR_NOMEM;
}

int broker_topics(struct broker *broker, struct arena *arena, struct topic_info **out,
                  size_t *count, struct err *err)
{
    struct topic **topics;
    int rc = topics_list(broker, arena, &topics, count);

    if (!rc && !(*out = ARENA_ARRAY(arena, struct topic_info, *count)))
        rc = ERR_NOMEM;
    for (size_t i = 0; topics && i < *count; i++) {
        if (!rc)
            rc = describe_topic(topics[i], arena, &(*out)[i]);
        topic_unref(topics[i]);
    }
    return rc ? err_set(err, rc, "list of topics") : 0;
}
