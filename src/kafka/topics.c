/* topics.c - the topics: rows in the metadata store, logs in folders named by topic id.
 *
 * Creation writes the row first, then opens the logs, then shows the topic; deletion removes the
 * row first, hides the topic, and removes the folder when the last reference goes. A crash in
 * between leaves a row without a folder (opened empty at the next start) or a folder without a row
 * (removed at the next start): never records under the wrong topic.
 */
#include <stdio.h>

#include "kafka/kafka_int.h"

/* ---- the two lists ------------------------------------------------------------------------ */

/* Where `name` is, or should be. With the lock. */
static size_t place_by_name(const struct broker *broker, struct slice name, bool *found)
{
    size_t low = 0, high = broker->topic_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = slice_cmp(slice_str(broker->by_name[mid]->name), name);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

static size_t place_by_id(const struct broker *broker, const struct uuid *id, bool *found)
{
    size_t low = 0, high = broker->topic_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = memcmp(&broker->by_id[mid]->id, id, sizeof(*id));

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

static void insert_at(struct topic **list, size_t count, size_t at, struct topic *topic)
{
    memmove(list + at + 1, list + at, (count - at) * sizeof(struct topic *));
    list[at] = topic;
}

static void remove_at(struct topic **list, size_t count, size_t at)
{
    memmove(list + at, list + at + 1, (count - at - 1) * sizeof(struct topic *));
}

static int list_reserve(struct broker *broker)
{
    size_t cap = broker->topic_cap ? broker->topic_cap * 2 : 64;
    struct topic **more;

    if (broker->topic_count < broker->topic_cap)
        return 0;
    more = realloc(broker->by_name, cap * sizeof(struct topic *));
    if (!more)
        return ERR_NOMEM;
    broker->by_name = more;
    more = realloc(broker->by_id, cap * sizeof(struct topic *));
    if (!more)
        return ERR_NOMEM;
    broker->by_id = more;
    broker->topic_cap = cap;
    return 0;
}

/* Takes the reference. */
static int list_add(struct broker *broker, struct topic *topic)
{
    bool found;
    int rc;

    pthread_rwlock_wrlock(&broker->lock);
    rc = list_reserve(broker);
    if (!rc) {
        insert_at(broker->by_name, broker->topic_count,
                  place_by_name(broker, slice_str(topic->name), &found), topic);
        insert_at(broker->by_id, broker->topic_count, place_by_id(broker, &topic->id, &found),
                  topic);
        broker->topic_count++;
    }
    pthread_rwlock_unlock(&broker->lock);
    return rc;
}

/* Gives the reference back to the caller. */
static struct topic *list_remove(struct broker *broker, struct slice name)
{
    struct topic *topic = NULL;
    bool found;
    size_t at;

    pthread_rwlock_wrlock(&broker->lock);
    at = place_by_name(broker, name, &found);
    if (found) {
        topic = broker->by_name[at];
        remove_at(broker->by_name, broker->topic_count, at);
        at = place_by_id(broker, &topic->id, &found);
        remove_at(broker->by_id, broker->topic_count, at);
        broker->topic_count--;
    }
    pthread_rwlock_unlock(&broker->lock);
    return topic;
}

struct topic *topic_find_slice(struct broker *broker, struct slice name)
{
    struct topic *topic = NULL;
    bool found;
    size_t at;

    pthread_rwlock_rdlock(&broker->lock);
    at = place_by_name(broker, name, &found);
    if (found)
        topic = topic_ref(broker->by_name[at]);
    pthread_rwlock_unlock(&broker->lock);
    return topic;
}

struct topic *topic_find(struct broker *broker, const char *name)
{
    return topic_find_slice(broker, slice_str(name));
}

struct topic *topic_find_id(struct broker *broker, const struct uuid *id)
{
    struct topic *topic = NULL;
    bool found;
    size_t at;

    pthread_rwlock_rdlock(&broker->lock);
    at = place_by_id(broker, id, &found);
    if (found)
        topic = topic_ref(broker->by_id[at]);
    pthread_rwlock_unlock(&broker->lock);
    return topic;
}

int topics_list(struct broker *broker, struct arena *arena, struct topic ***out, size_t *count)
{
    pthread_rwlock_rdlock(&broker->lock);
    *count = broker->topic_count;
    *out = ARENA_ARRAY(arena, struct topic *, *count);
    for (size_t i = 0; *out && i < *count; i++)
        (*out)[i] = topic_ref(broker->by_name[i]);
    pthread_rwlock_unlock(&broker->lock);
    return *out ? 0 : ERR_NOMEM;
}

/* ---- watchers ----------------------------------------------------------------------------- */

int broker_watch(struct broker *broker, void (*fn)(void *arg, const char *name, bool created),
                 void *arg)
{
    struct broker_watcher *more;

    pthread_mutex_lock(&broker->watch_lock);
    more = realloc(broker->watchers, (broker->watcher_count + 1) * sizeof(*more));
    if (more) {
        broker->watchers = more;
        more[broker->watcher_count++] = (struct broker_watcher){fn, arg};
    }
    pthread_mutex_unlock(&broker->watch_lock);
    return more ? 0 : ERR_NOMEM;
}

void broker_unwatch(struct broker *broker, void (*fn)(void *arg, const char *name, bool created),
                    void *arg)
{
    pthread_mutex_lock(&broker->watch_lock);
    for (size_t i = 0; i < broker->watcher_count; i++)
        if (broker->watchers[i].fn == fn && broker->watchers[i].arg == arg) {
            broker->watchers[i] = broker->watchers[--broker->watcher_count];
            break;
        }
    pthread_mutex_unlock(&broker->watch_lock);
}

static void tell(struct broker *broker, const char *name, bool created)
{
    pthread_mutex_lock(&broker->watch_lock);
    for (size_t i = 0; i < broker->watcher_count; i++)
        broker->watchers[i].fn(broker->watchers[i].arg, name, created);
    pthread_mutex_unlock(&broker->watch_lock);
}

/* ---- creation and deletion ---------------------------------------------------------------- */

struct creation {
    struct broker *broker;
    const struct topic_options *options;
    int32_t partitions;
    struct uuid id;
    char id_text[37];
    struct topic_config config;
};

static int create_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct creation *c = arg;
    int rc = meta_exec(txn, err,
                       "INSERT INTO kafka_topic (name, id, partitions, owned, created_ms)"
                       " VALUES (?, ?, ?, ?, ?)",
                       "ssiii", c->options->name, c->id_text, (int64_t)c->partitions,
                       (int64_t)c->options->owned, clock_wall_ms(c->broker->options.clock));

    for (size_t i = 0; i < c->options->config_count && !rc; i++)
        rc =
            meta_exec(txn, err,
                      "INSERT INTO kafka_topic_config (topic_id, name, value) VALUES (?, ?, ?)"
                      " ON CONFLICT (topic_id, name) DO UPDATE SET value = excluded.value",
                      "sss", c->id_text, c->options->configs[i].name, c->options->configs[i].value);
    return rc ? rc : config_load(txn, c->broker, &c->id, &c->config, err);
}

static int create_checked(struct broker *broker, struct creation *c, struct topic **out,
                          struct err *err)
{
    struct slice name = slice_str(c->options->name);
    struct topic *topic = topic_find_slice(broker, name);
    int rc;

    if (topic) {
        topic_unref(topic);
        return err_set(err, ERR_EXISTS, "Topic '%s' already exists.", c->options->name);
    }
    uuid_v4(c->id_text);
    if (uuid_parse(c->id_text, &c->id))
        return err_set(err, ERR_INTERNAL, "topic id");
    rc = topic_new(&topic, broker, name, &c->id, c->options->owned, err);
    if (rc)
        return rc;
    rc = meta_write_wait(broker->options.meta, create_in, c, err);
    if (rc) {
        topic_free(topic);
        return rc;
    }
    topic->config = c->config;
    atomic_store(&topic->max_message_bytes, (int)c->config.max_message_bytes);
    rc = topic_grow(topic, c->partitions, NULL, err);
    if (!rc)
        rc = list_add(broker, topic);
    if (rc) { /* the row stands: the topic appears at the next start */
        topic_free(topic);
        return err_wrap(err, rc, "topic %s", c->options->name);
    }
    if (out)
        *out = topic_ref(topic);
    return 0;
}

int topic_create_wait(struct broker *broker, const struct topic_options *options,
                      struct topic **out, struct err *err)
{
    struct creation creation = {.broker = broker, .options = options};
    int rc = topic_name_check(slice_str(options->name), err);

    creation.partitions =
        options->partitions == -1 ? broker->options.default_partitions : options->partitions;
    if (!rc && (creation.partitions < 1 || creation.partitions > PARTITIONS_MAX))
        rc = err_set(err, ERR_INVALID, "Number of partitions is %d, but must be from 1 to %d",
                     creation.partitions, PARTITIONS_MAX);
    for (size_t i = 0; i < options->config_count && !rc; i++)
        rc = config_check(slice_str(options->configs[i].name), slice_str(options->configs[i].value),
                          err);
    if (rc)
        return rc;
    pthread_mutex_lock(&broker->create_lock);
    rc = create_checked(broker, &creation, out, err);
    pthread_mutex_unlock(&broker->create_lock);
    if (!rc)
        tell(broker, options->name, true);
    return rc;
}

static int delete_in(struct meta_txn *txn, void *arg, struct err *err)
{
    static const char *const steps[] = {
        "DELETE FROM kafka_group_offset WHERE topic = (SELECT name FROM kafka_topic WHERE id = ?)",
        "DELETE FROM kafka_topic_config WHERE topic_id = ?",
        "DELETE FROM kafka_owned_end WHERE topic_id = ?",
        "DELETE FROM kafka_topic WHERE id = ?",
    };
    struct topic *topic = arg;
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(steps) && !rc; i++)
        rc = meta_exec(txn, err, steps[i], "s", topic->id_text);
    return rc;
}

int topic_delete_wait(struct broker *broker, const char *name, struct err *err)
{
    struct topic *topic;
    int rc = 0;

    pthread_mutex_lock(&broker->create_lock);
    topic = topic_find(broker, name);
    if (!topic)
        rc = err_set(err, ERR_NOENT, "there is no topic '%s'", name);
    else
        rc = meta_write_wait(broker->options.meta, delete_in, topic, err);
    if (!rc) {
        atomic_store(&topic->deleted, true);
        topic_unref(list_remove(broker, slice_str(name)));
    }
    pthread_mutex_unlock(&broker->create_lock);
    if (!rc) {
        struct partition_set *set = atomic_load(&topic->set);

        tell(broker, name, false);
        for (int32_t i = 0; i < set->count; i++) /* fetches that wait learn that it is gone */
            partition_advanced(set->list[i], NULL);
    }
    topic_unref(topic);
    return rc;
}

struct growth {
    struct topic *topic;
    int32_t count;
};

static int grow_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct growth *g = arg;

    return meta_exec(txn, err, "UPDATE kafka_topic SET partitions = ? WHERE id = ?", "is",
                     (int64_t)g->count, g->topic->id_text);
}

int topic_grow_wait(struct broker *broker, struct slice name, int32_t count, struct err *err)
{
    struct growth growth = {.count = count};
    int rc = 0;

    pthread_mutex_lock(&broker->create_lock);
    growth.topic = topic_find_slice(broker, name);
    if (!growth.topic)
        rc = err_set(err, ERR_NOENT, "there is no topic '" SLICE_FMT "'", SLICE_ARG(name));
    else if (count <= topic_partitions(growth.topic))
        rc = err_set(err, ERR_INVALID,
                     "The topic '%s' currently has %d partition(s); %d would not "
                     "be an increase.",
                     growth.topic->name, topic_partitions(growth.topic), count);
    else if (count > PARTITIONS_MAX)
        rc = err_set(err, ERR_INVALID, "Number of partitions is %d, but at most %d are allowed",
                     count, PARTITIONS_MAX);
    if (!rc)
        rc = meta_write_wait(broker->options.meta, grow_in, &growth, err);
    if (!rc)
        rc = topic_grow(growth.topic, count, NULL, err);
    pthread_mutex_unlock(&broker->create_lock);
    topic_unref(growth.topic);
    return rc;
}

/* ---- at the start ------------------------------------------------------------------------- */

struct row {
    struct row *next;
    const char *name;
    struct uuid id;
    int32_t partitions;
    bool owned;
    struct topic_config config;
    int64_t *owned_ends;
};

struct loading {
    struct broker *broker;
    struct arena arena;
    struct row *rows;
};

static int load_owned_ends(struct meta_txn *txn, struct loading *l, struct row *row,
                           struct err *err)
{
    struct meta_stmt *stmt;
    char text[37];
    int rc;

    row->owned_ends = ARENA_ARRAY(&l->arena, int64_t, (size_t)row->partitions);
    if (!row->owned_ends)
        return err_set(err, ERR_NOMEM, "topics");
    uuid_text(&row->id, text);
    rc = meta_query(txn, &stmt, err,
                    "SELECT partition_index, end_offset FROM kafka_owned_end WHERE topic_id = ?",
                    "s", text);
    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc)) {
        int64_t index = meta_i64(stmt, 0);

        if (index >= 0 && index < row->partitions)
            row->owned_ends[index] = meta_i64(stmt, 1);
    }
    meta_done(stmt);
    return rc;
}

static int load_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    struct loading *l = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err, "SELECT name, id, partitions, owned FROM kafka_topic", "");

    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc)) {
        struct row *row = ARENA_NEW(&l->arena, struct row);

        if (!row || !(row->name = arena_strdup(&l->arena, meta_text(stmt, 0)))) {
            rc = err_set(err, ERR_NOMEM, "topics");
            break;
        }
        if (uuid_parse(meta_text(stmt, 1), &row->id)) {
            rc = err_set(err, ERR_CORRUPT, "topic %s has the id '%s'", row->name,
                         meta_text(stmt, 1));
            break;
        }
        row->partitions = (int32_t)meta_i64(stmt, 2);
        row->owned = meta_i64(stmt, 3) != 0;
        row->next = l->rows;
        l->rows = row;
    }
    meta_done(stmt);
    for (struct row *row = l->rows; row && !rc; row = row->next) {
        rc = config_load(txn, l->broker, &row->id, &row->config, err);
        if (!rc && row->owned)
            rc = load_owned_ends(txn, l, row, err);
    }
    return rc;
}

static int open_row(struct broker *broker, const struct row *row, struct err *err)
{
    struct topic *topic;
    int rc = topic_new(&topic, broker, slice_str(row->name), &row->id, row->owned, err);

    if (rc)
        return rc;
    topic->config = row->config;
    atomic_store(&topic->max_message_bytes, (int)row->config.max_message_bytes);
    rc = topic_grow(topic, row->partitions, row->owned_ends, err);
    if (!rc)
        rc = list_add(broker, topic);
    if (rc)
        topic_free(topic);
    return rc;
}

/* Folders that no row names belong to topics whose deletion a crash cut short. */
static void remove_orphans(struct broker *broker)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;

    if (disk_list(broker->options.disk, broker->dir, &arena, &entries, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        struct topic *topic;
        struct uuid id;
        char *path;

        if (!entries[i].is_dir || strlen(entries[i].name) != 36 || uuid_parse(entries[i].name, &id))
            continue;
        topic = topic_find_id(broker, &id);
        path = topic ? NULL : arena_printf(&arena, "%s/%s", broker->dir, entries[i].name);
        topic_unref(topic);
        if (path)
            disk_remove_tree(broker->options.disk, path, NULL);
    }
    arena_deinit(&arena);
}

int topics_load(struct broker *broker, struct err *err)
{
    struct loading loading = {.broker = broker};
    int rc = meta_read(broker->options.meta, load_rows, &loading, err);

    for (struct row *row = loading.rows; row && !rc; row = row->next)
        rc = open_row(broker, row, err);
    arena_deinit(&loading.arena);
    if (!rc)
        remove_orphans(broker);
    return rc;
}

void topics_close(struct broker *broker)
{
    for (size_t i = 0; i < broker->topic_count; i++)
        topic_unref(broker->by_name[i]);
    free(broker->by_name);
    free(broker->by_id);
    broker->by_name = broker->by_id = NULL;
    broker->topic_count = broker->topic_cap = 0;
}
