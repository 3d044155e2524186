/* topic.c - one topic: its name and id, its partitions and their logs, and who still holds it.
 *
 * A set of partitions never changes: a topic that grows gets a larger one, and readers of the old
 * one keep it until the topic itself is freed.
 */
#include <stdio.h>

#include "kafka/kafka_int.h"

/* ---- ids and names ------------------------------------------------------------------------ */

void uuid_text(const struct uuid *id, char out[37])
{
    char hex[33];
    static const uint8_t cuts[] = {0, 8, 12, 16, 20, 32};
    char *at = out;

    hex_encode(id->bytes, sizeof(id->bytes), hex);
    for (int i = 0; i < 5; i++) {
        if (i)
            *at++ = '-';
        memcpy(at, hex + cuts[i], (size_t)(cuts[i + 1] - cuts[i]));
        at += cuts[i + 1] - cuts[i];
    }
    *at = '\0';
}

int uuid_parse(const char *text, struct uuid *out)
{
    char hex[32];
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (len == sizeof(hex))
            return ERR_INVALID;
        hex[len++] = *text;
    }
    return len == sizeof(hex) ? hex_decode(slice_of(hex, len), out->bytes) : ERR_INVALID;
}

int topic_name_check(struct slice name, struct err *err)
{
    if (!name.len)
        return err_set(err, ERR_INVALID, "a topic needs a name");
    if (name.len > TOPIC_NAME_MAX)
        return err_set(err, ERR_INVALID, "the topic name has %zu characters, %d are allowed",
                       name.len, TOPIC_NAME_MAX);
    if (slice_is(name, ".") || slice_is(name, ".."))
        return err_set(err, ERR_INVALID, "a topic cannot be named '.' or '..'");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return err_set(err, ERR_INVALID,
                           "topic name '" SLICE_FMT "' holds a character other "
                           "than letters, digits, '.', '_' and '-'",
                           SLICE_ARG(name));
    }
    return 0;
}

/* ---- one topic ---------------------------------------------------------------------------- */

const char *topic_name(const struct topic *topic)
{
    return topic->name;
}
const char *topic_id(const struct topic *topic)
{
    return topic->id_text;
}
bool topic_is_owned(const struct topic *topic)
{
    return topic->owned;
}
bool topic_is_deleted(const struct topic *topic)
{
    return atomic_load(&topic->deleted);
}

int32_t topic_partitions(const struct topic *topic)
{
    return atomic_load(&((struct topic *)topic)->set)->count;
}

struct partition *topic_partition(struct topic *topic, int32_t index)
{
    struct partition_set *set = atomic_load(&topic->set);

    return index >= 0 && index < set->count ? set->list[index] : NULL;
}

struct log *topic_log(struct topic *topic, int32_t partition)
{
    struct partition *p = topic_partition(topic, partition);

    return p ? p->log : NULL;
}

static void partition_free(struct partition *p)
{
    if (p->log)
        log_off_advance(p->log, partition_advanced, p);
    log_free(p->log);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void topic_free(struct topic *topic)
{
    struct broker *broker = topic->broker;
    struct partition_set *set = atomic_load(&topic->set), *older;
    char *path = NULL;

    for (int32_t i = 0; set && i < set->count; i++)
        partition_free(set->list[i]);
    for (; set; set = older) {
        older = set->older;
        free(set);
    }
    if (atomic_load(&topic->deleted) && asprintf(&path, "%s/%s", broker->dir, topic->id_text) > 0) {
        struct err err = {0};

        if (disk_remove_tree(broker->options.disk, path, &err))
            diag_warn("kafka", "topic %s: its folder stays until the next start: %s", topic->name,
                      err.text);
        free(path);
    }
    pthread_mutex_destroy(&topic->lock);
    free(topic->name);
    free(topic);
}

static void close_nothing(struct work *work)
{
    (void)work;
}

/* As `done`, after which nobody looks at the work, which is in the topic itself. */
static void close_on_worker(struct work *work)
{
    struct topic *topic = (struct topic *)(void *)((char *)work - offsetof(struct topic, closing));
    struct broker *broker = topic->broker;

    topic_free(topic);
    atomic_fetch_sub(&broker->closing_topics, 1);
}

struct topic *topic_ref(struct topic *topic)
{
    atomic_fetch_add_explicit(&topic->refs, 1, memory_order_relaxed);
    return topic;
}

/* Closing logs may block, and the last reference may go anywhere. */
void topic_unref(struct topic *topic)
{
    if (!topic || atomic_fetch_sub(&topic->refs, 1) > 1)
        return;
    topic->closing = (struct work){.run = close_nothing, .done = close_on_worker};
    atomic_fetch_add(&topic->broker->closing_topics, 1);
    if (atomic_load(&topic->broker->running) &&
        !workers_submit(topic->broker->options.workers, &topic->closing))
        return;
    close_on_worker(&topic->closing);
}

int topic_new(struct topic **out, struct broker *broker, struct slice name, const struct uuid *id,
              bool owned, struct err *err)
{
    struct topic *topic = calloc(1, sizeof(*topic));

    if (topic)
        topic->name = strndup((const char *)name.ptr, name.len);
    if (!topic || !topic->name) {
        free(topic);
        return err_set(err, ERR_NOMEM, "topic " SLICE_FMT, SLICE_ARG(name));
    }
    atomic_init(&topic->refs, 1);
    topic->broker = broker;
    topic->id = *id;
    topic->owned = owned;
    uuid_text(id, topic->id_text);
    pthread_mutex_init(&topic->lock, NULL);
    *out = topic;
    return 0;
}

/* Opens one log. One that cannot be opened leaves the partition offline. */
static int partition_new(struct partition **out, struct topic *topic, int32_t index,
                         int64_t owned_end, struct err *err)
{
    struct log_options options = config_log_options(topic->broker, &topic->config);
    struct partition *p = calloc(1, sizeof(*p));
    struct err why = {0};
    char *dir = NULL;
    int rc;

    if (!p || asprintf(&dir, "%s/%s/%d", topic->broker->dir, topic->id_text, index) < 0) {
        free(p);
        return err_set(err, ERR_NOMEM, "partition %d of %s", index, topic->name);
    }
    p->topic = topic;
    p->index = index;
    p->tickets_end = &p->tickets;
    p->flush = (struct work){.run = flush_run, .done = flush_done};
    pthread_mutex_init(&p->lock, NULL);
    options.dir = dir;
    options.owned = topic->owned;
    options.owned_end = owned_end;
    rc = log_new(&p->log, &options, &why);
    if (!rc)
        rc = log_on_advance(p->log, partition_advanced, p);
    if (rc) {
        diag_error("kafka", "%s-%d is offline: %s", topic->name, index, why.text);
        log_free(p->log);
        p->log = NULL;
    }
    free(dir);
    *out = p;
    return 0;
}

int topic_grow(struct topic *topic, int32_t count, const int64_t *owned_ends, struct err *err)
{
    struct partition_set *old = atomic_load(&topic->set);
    int32_t have = old ? old->count : 0;
    struct partition_set *set = calloc(1, sizeof(*set) + (size_t)count * sizeof(set->list[0]));
    int rc = 0;

    if (!set)
        return err_set(err, ERR_NOMEM, "%d partitions", count);
    set->older = old;
    if (have)
        memcpy(set->list, old->list, (size_t)have * sizeof(set->list[0]));
    for (set->count = have; set->count < count && !rc; set->count += !rc)
        rc = partition_new(&set->list[set->count], topic, set->count,
                           owned_ends ? owned_ends[set->count] : 0, err);
    if (rc) {
        while (set->count > have)
            partition_free(set->list[--set->count]);
        free(set);
        return rc;
    }
    atomic_store(&topic->set, set);
    return 0;
}

/* Honours a changed configuration; with topic->lock free. */
void topic_apply_config(struct topic *topic)
{
    struct partition_set *set = atomic_load(&topic->set);
    struct log_options options;

    pthread_mutex_lock(&topic->lock);
    options = config_log_options(topic->broker, &topic->config);
    atomic_store(&topic->max_message_bytes, (int)topic->config.max_message_bytes);
    pthread_mutex_unlock(&topic->lock);
    for (int32_t i = 0; set && i < set->count; i++)
        if (set->list[i]->log)
            log_configure(set->list[i]->log, &options);
}

int topic_append(struct topic *topic, int32_t partition, uint8_t *bytes, size_t len,
                 struct log_append_result *out, struct err *err)
{
    struct partition *p = topic_partition(topic, partition);
    int rc;

    if (!p)
        return err_set(err, ERR_NOENT, "%s has no partition %d", topic->name, partition);
    if (!p->log)
        return err_set(err, ERR_IO, "%s-%d is offline", topic->name, partition);
    rc = log_append(p->log, bytes, len, out, err);
    if (rc || out->duplicate)
        return rc;
    atomic_fetch_add_explicit(&p->records_in, out->last_offset - out->base_offset + 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&p->bytes_in, (long long)len, memory_order_relaxed);
    return 0;
}

int topic_commit_in(struct meta_txn *txn, const char *id, int32_t partition, int64_t end,
                    struct err *err)
{
    return meta_exec(txn, err,
                     "INSERT INTO kafka_owned_end (topic_id, partition_index, end_offset)"
                     " VALUES (?, ?, ?) ON CONFLICT (topic_id, partition_index)"
                     " DO UPDATE SET end_offset = excluded.end_offset",
                     "sii", id, (int64_t)partition, end);
}

void topic_committed(struct topic *topic, int32_t partition, int64_t end)
{
    struct log *log = topic_log(topic, partition);

    if (log)
        log_set_high_watermark(log, end);
}

struct owned_end {
    const char *id;
    int64_t partition, end;
};

static int read_owned_end(struct meta_txn *txn, void *arg, struct err *err)
{
    struct owned_end *o = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT end_offset FROM kafka_owned_end"
                        " WHERE topic_id = ? AND partition_index = ?",
                        "si", o->id, o->partition);

    o->end = 0;
    if (rc)
        return rc;
    if (meta_next(stmt, err, &rc))
        o->end = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

int topic_owned_end(struct topic *topic, int32_t partition, int64_t *end, struct err *err)
{
    struct owned_end o = {topic_id(topic), partition, 0};
    int rc = meta_read(topic->broker->options.meta, read_owned_end, &o, err);

    *end = o.end;
    return rc;
}
