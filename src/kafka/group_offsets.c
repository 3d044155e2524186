/* group_offsets.c - committed offsets: rows in the metadata store, whose group commit makes many
 * commits durable with one sync. A commit is answered when it is durable. */
#include "kafka/groups_int.h"

#define METADATA_MAX 4096 /* as Kafka's offset.metadata.max.bytes */

/* A topic of a request, by name or from version 10 on by id. */
static struct topic *topic_asked(struct request *req, struct slice name, const struct uuid *id)
{
    return req->version >= 10 ? topic_find_id(req->broker, id)
                              : topic_find_slice(req->broker, name);
}

static int16_t topic_missing(const struct request *req)
{
    return req->version >= 10 ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
}

/* ---- commit ------------------------------------------------------------------------------- */

struct commit_row {
    const char *topic, *metadata;
    int32_t partition, leader_epoch;
    int64_t offset;
    int16_t *error;
};

struct offset_commit {
    struct request *req;
    const char *group;
    int64_t now_ms;
    struct commit_row *rows;
    size_t count;
};

static int commit_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct offset_commit *c = arg;
    int rc = 0;

    for (size_t i = 0; i < c->count && !rc; i++)
        rc = meta_exec(txn, err,
                       "INSERT INTO kafka_group_offset (group_id, topic, partition_index,"
                       " committed_offset, leader_epoch, metadata, commit_ms)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?)"
                       " ON CONFLICT (group_id, topic, partition_index) DO UPDATE SET"
                       " committed_offset = excluded.committed_offset,"
                       " leader_epoch = excluded.leader_epoch, metadata = excluded.metadata,"
                       " commit_ms = excluded.commit_ms",
                       "ssiiisi", c->group, c->rows[i].topic, (int64_t)c->rows[i].partition,
                       c->rows[i].offset, (int64_t)c->rows[i].leader_epoch, c->rows[i].metadata,
                       c->now_ms);
    return rc;
}

static void commit_done(void *arg, int rc, const struct err *err)
{
    struct offset_commit *c = arg;

    if (rc)
        diag_error("kafka", "group %s: offsets not committed: %s", c->group, err->text);
    for (size_t i = 0; rc && i < c->count; i++)
        *c->rows[i].error = COORDINATOR_NOT_AVAILABLE;
    group_reply(c->req);
    request_unref(c->req);
}

/* May this member commit now? */
static int16_t check_commit(struct groups *groups, const struct offset_commit_request *in)
{
    struct group *group = group_find(groups, in->group_id);
    int32_t generation = in->generation_id_or_member_epoch;
    struct member *member;
    int16_t error;

    if (!group || !group->members)
        return generation < 0 ? NONE : (group ? UNKNOWN_MEMBER_ID : ILLEGAL_GENERATION);
    if (generation < 0 && !in->member_id.len && !in->group_instance_id.ptr)
        return UNKNOWN_MEMBER_ID;
    error = member_check(group, in->member_id, in->group_instance_id, generation, &member);
    if (error)
        return error;
    member_alive(groups, member);
    return group->state == GROUP_COMPLETING ? REBALANCE_IN_PROGRESS : NONE;
}

static int16_t row_of(struct request *req, struct topic *topic,
                      const struct offset_commit_partition *in, struct commit_row *row)
{
    struct slice metadata = in->committed_metadata.ptr ? in->committed_metadata : SLICE_LIT("");

    if (!topic)
        return topic_missing(req);
    if (!topic_partition(topic, in->partition_index))
        return UNKNOWN_TOPIC_OR_PARTITION;
    if (metadata.len > METADATA_MAX)
        return OFFSET_METADATA_TOO_LARGE;
    *row = (struct commit_row){.topic = arena_strdup(&req->arena, topic_name(topic)),
                               .metadata = arena_cstr(&req->arena, metadata),
                               .partition = in->partition_index,
                               .leader_epoch = in->committed_leader_epoch,
                               .offset = in->committed_offset};
    return row->topic && row->metadata ? NONE : UNKNOWN_SERVER_ERROR;
}

/* Fills the answer with `error`, or else with what is wrong with each row; collects good rows. */
static int collect(struct request *req, int16_t error, struct offset_commit *c)
{
    const struct offset_commit_request *in = req->in;
    struct offset_commit_response *out = req->out;
    size_t count = 0;

    for (int32_t t = 0; t < in->topics.count; t++)
        count += (size_t)in->topics.items[t].partitions.count;
    c->rows = ARENA_ARRAY(&req->arena, struct commit_row, count);
    if (!c->rows ||
        !REPLY_ARRAY(req, out->topics, offset_commit_topic_reply_schema, in->topics.count))
        return ERR_NOMEM;
    for (int32_t t = 0; t < in->topics.count; t++) {
        const struct offset_commit_topic *asked = &in->topics.items[t];
        struct offset_commit_topic_reply *reply = &out->topics.items[t];
        struct topic *topic = topic_asked(req, asked->name, &asked->topic_id);

        reply->name = asked->name;
        reply->topic_id = asked->topic_id;
        if (!REPLY_ARRAY(req, reply->partitions, offset_commit_partition_reply_schema,
                         asked->partitions.count))
            asked = NULL;
        for (int32_t i = 0; asked && i < asked->partitions.count; i++) {
            struct offset_commit_partition_reply *one = &reply->partitions.items[i];

            one->partition_index = asked->partitions.items[i].partition_index;
            one->error_code =
                error ? error : row_of(req, topic, &asked->partitions.items[i], &c->rows[c->count]);
            if (!one->error_code)
                c->rows[c->count++].error = &one->error_code;
        }
        topic_unref(topic);
    }
    return 0;
}

void handle_offset_commit(struct request *req)
{
    const struct offset_commit_request *in = req->in;
    struct groups *groups = req->broker->groups;
    struct offset_commit *c = ARENA_NEW(&req->arena, struct offset_commit);
    int16_t error;

    pthread_mutex_lock(&groups->lock);
    error = in->group_id.ptr ? check_commit(groups, in) : INVALID_GROUP_ID;
    pthread_mutex_unlock(&groups->lock);
    if (c) {
        c->req = req;
        c->group = arena_cstr(&req->arena, in->group_id);
        c->now_ms = clock_wall_ms(req->broker->options.clock);
    }
    if (!c || !c->group || collect(req, error, c) || !c->count) {
        group_reply(req);
        return;
    }
    request_ref(req);
    if (meta_write(req->broker->options.meta, commit_in, c, req->broker->loops[0].loop, commit_done,
                   c)) {
        struct err why = {.text = "the metadata store takes no more"};

        commit_done(c, ERR_CLOSED, &why);
    }
}

/* ---- fetch -------------------------------------------------------------------------------- */

struct offset_row {
    struct offset_row *next;
    const char *topic, *metadata;
    int32_t partition, leader_epoch;
    int64_t offset;
};

struct offset_read {
    struct arena *arena;
    const char *group;
    struct offset_row *rows; /* by topic and partition */
};

static int read_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    struct offset_read *read = arg;
    struct offset_row **end = &read->rows;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT topic, partition_index, committed_offset, leader_epoch, metadata"
                        " FROM kafka_group_offset WHERE group_id = ?"
                        " ORDER BY topic, partition_index",
                        "s", read->group);

    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc)) {
        struct offset_row *row = ARENA_NEW(read->arena, struct offset_row);

        if (!row) {
            rc = err_set(err, ERR_NOMEM, "offsets");
            break;
        }
        row->topic = arena_strdup(read->arena, meta_text(stmt, 0));
        row->partition = (int32_t)meta_i64(stmt, 1);
        row->offset = meta_i64(stmt, 2);
        row->leader_epoch = (int32_t)meta_i64(stmt, 3);
        row->metadata = arena_strdup(read->arena, meta_text(stmt, 4));
        if (!row->topic || !row->metadata) {
            rc = err_set(err, ERR_NOMEM, "offsets");
            break;
        }
        *end = row;
        end = &row->next;
    }
    meta_done(stmt);
    return rc;
}

static const struct offset_row *row_for(const struct offset_row *rows, const char *topic,
                                        int32_t partition)
{
    for (; rows; rows = rows->next)
        if (rows->partition == partition && !strcmp(rows->topic, topic))
            return rows;
    return NULL;
}

/* The two shapes of an answer (one group before version 8, many since) have the same partitions. */
_Static_assert(sizeof(struct offset_fetch_partition_reply) ==
                   sizeof(struct offset_fetch_group_partition_reply),
               "the same fields");

static void fill_partition(struct offset_fetch_group_partition_reply *out, int32_t partition,
                           const struct offset_row *row)
{
    out->partition_index = partition;
    out->committed_offset = row ? row->offset : -1;
    out->committed_leader_epoch = row ? row->leader_epoch : -1;
    out->metadata = slice_str(row ? row->metadata : "");
}

/* All that the group has committed. */
static int fill_all(struct request *req, const struct offset_row *rows,
                    struct offset_fetch_group_reply *out)
{
    const struct offset_row *row;
    int32_t topics = 0;

    for (row = rows; row; row = row->next)
        topics += !row->next || strcmp(row->topic, row->next->topic) != 0;
    if (!REPLY_ARRAY(req, out->topics, offset_fetch_group_topic_reply_schema, topics))
        return ERR_NOMEM;
    row = rows;
    for (int32_t t = 0; t < topics; t++) {
        struct offset_fetch_group_topic_reply *reply = &out->topics.items[t];
        struct topic *topic = topic_find(req->broker, row->topic);
        const struct offset_row *last = row;
        int32_t count = 1;

        for (; last->next && !strcmp(last->next->topic, row->topic); last = last->next)
            count++;
        reply->name = slice_str(row->topic);
        if (topic)
            reply->topic_id = topic->id;
        topic_unref(topic);
        if (!REPLY_ARRAY(req, reply->partitions, offset_fetch_group_partition_reply_schema, count))
            return ERR_NOMEM;
        for (int32_t i = 0; i < count; i++, row = row->next)
            fill_partition(&reply->partitions.items[i], row->partition, row);
    }
    return 0;
}

static int fill_asked(struct request *req, const struct offset_row *rows,
                      const struct offset_fetch_group *in, struct offset_fetch_group_reply *out)
{
    if (!REPLY_ARRAY(req, out->topics, offset_fetch_group_topic_reply_schema, in->topics.count))
        return ERR_NOMEM;
    for (int32_t t = 0; t < in->topics.count; t++) {
        const struct offset_fetch_group_topic *asked = &in->topics.items[t];
        struct offset_fetch_group_topic_reply *reply = &out->topics.items[t];
        struct topic *topic =
            req->version >= 10 ? topic_find_id(req->broker, &asked->topic_id) : NULL;
        const char *name = topic ? arena_strdup(&req->arena, topic_name(topic))
                                 : arena_cstr(&req->arena, asked->name);
        bool missing = req->version >= 10 && !topic;

        topic_unref(topic);
        reply->name = asked->name;
        reply->topic_id = asked->topic_id;
        if (!name || !REPLY_ARRAY(req, reply->partitions, offset_fetch_group_partition_reply_schema,
                                  asked->partition_indexes.count))
            return ERR_NOMEM;
        for (int32_t i = 0; i < asked->partition_indexes.count; i++) {
            int32_t partition = asked->partition_indexes.items[i];

            fill_partition(&reply->partitions.items[i], partition,
                           missing ? NULL : row_for(rows, name, partition));
            if (missing)
                reply->partitions.items[i].error_code = UNKNOWN_TOPIC_ID;
        }
    }
    return 0;
}

static void fetch_group(struct request *req, const struct offset_fetch_group *in,
                        struct offset_fetch_group_reply *out)
{
    struct offset_read read = {.arena = &req->arena,
                               .group = arena_cstr(&req->arena, in->group_id)};
    int rc = read.group ? meta_read(req->broker->options.meta, read_rows, &read, NULL) : ERR_NOMEM;

    out->group_id = in->group_id;
    if (!rc)
        rc = in->topics.count < 0 ? fill_all(req, read.rows, out)
                                  : fill_asked(req, read.rows, in, out);
    if (rc) {
        out->topics.count = 0;
        out->error_code = COORDINATOR_NOT_AVAILABLE;
    }
}

/* Before version 8: one group at the top level, topics of another C type but the same fields. */
static void fetch_single(struct request *req)
{
    const struct offset_fetch_request *in = req->in;
    struct offset_fetch_response *out = req->out;
    struct offset_fetch_group group = {.group_id = in->group_id};
    struct offset_fetch_group_reply reply = {0};

    group.topics.count = in->topics.count;
    group.topics.items =
        in->topics.count > 0
            ? ARENA_ARRAY(&req->arena, struct offset_fetch_group_topic, (size_t)in->topics.count)
            : NULL;
    if (in->topics.count > 0 && !group.topics.items) {
        out->error_code = COORDINATOR_NOT_AVAILABLE;
        return;
    }
    for (int32_t t = 0; t < in->topics.count; t++) {
        group.topics.items[t].name = in->topics.items[t].name;
        group.topics.items[t].partition_indexes.items = in->topics.items[t].partition_indexes.items;
        group.topics.items[t].partition_indexes.count = in->topics.items[t].partition_indexes.count;
    }
    fetch_group(req, &group, &reply);
    out->error_code = reply.error_code;
    if (!REPLY_ARRAY(req, out->topics, offset_fetch_topic_reply_schema, reply.topics.count))
        return;
    for (int32_t t = 0; t < reply.topics.count; t++) {
        out->topics.items[t].name = reply.topics.items[t].name;
        out->topics.items[t].partitions.items = (void *)reply.topics.items[t].partitions.items;
        out->topics.items[t].partitions.count = reply.topics.items[t].partitions.count;
    }
}

void handle_offset_fetch(struct request *req)
{
    const struct offset_fetch_request *in = req->in;
    struct offset_fetch_response *out = req->out;

    if (req->version < 8)
        fetch_single(req);
    else if (REPLY_ARRAY(req, out->groups, offset_fetch_group_reply_schema, in->groups.count))
        for (int32_t i = 0; i < in->groups.count; i++)
            fetch_group(req, &in->groups.items[i], &out->groups.items[i]);
}

/* ---- delete ------------------------------------------------------------------------------- */

/* Does a member's subscription (consumer protocol: version, topics, ...) name this topic? */
static bool subscribed(const struct member *member, const char *protocol, struct slice topic)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        struct slice in = member->protocols[i].metadata, name;
        int16_t version;
        int32_t count;

        if (!protocol || !slice_is(member->protocols[i].name, protocol) ||
            wire_i16(&in, &version) || wire_i32(&in, &count))
            continue;
        while (count-- > 0 && !wire_nullable_string(&in, &name))
            if (slice_eq(name, topic))
                return true;
    }
    return false;
}

static bool group_subscribed(const struct group *group, struct slice topic)
{
    for (const struct member *m = group ? group->members : NULL; m; m = m->next)
        if (subscribed(m, group->protocol, topic))
            return true;
    return false;
}

struct offset_deletion {
    struct request *req;
    const char *group;
    bool known; /* the group has offsets */
};

static int delete_rows(struct meta_txn *txn, void *arg, struct err *err)
{
    struct offset_deletion *d = arg;
    const struct offset_delete_request *in = d->req->in;
    const struct offset_delete_response *out = d->req->out;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT 1 FROM kafka_group_offset WHERE group_id = ?"
                        " LIMIT 1",
                        "s", d->group);

    if (rc)
        return rc;
    d->known = meta_next(stmt, err, &rc);
    meta_done(stmt);
    for (int32_t t = 0; t < in->topics.count && !rc; t++)
        for (int32_t i = 0; i < in->topics.items[t].partitions.count && !rc; i++)
            if (!out->topics.items[t].partitions.items[i].error_code)
                rc =
                    meta_exec(txn, err,
                              "DELETE FROM kafka_group_offset WHERE group_id = ?"
                              " AND topic = ? AND partition_index = ?",
                              "ssi", d->group, arena_cstr(&d->req->arena, in->topics.items[t].name),
                              (int64_t)in->topics.items[t].partitions.items[i].partition_index);
    return rc;
}

static void deletion_done(void *arg, int rc, const struct err *err)
{
    struct offset_deletion *d = arg;
    struct offset_delete_response *out = d->req->out;

    (void)err;
    if (rc || !d->known) {
        out->error_code = rc ? COORDINATOR_NOT_AVAILABLE : GROUP_ID_NOT_FOUND;
        out->topics.count = 0;
    }
    group_reply(d->req);
    request_unref(d->req);
}

void handle_offset_delete(struct request *req)
{
    const struct offset_delete_request *in = req->in;
    struct offset_delete_response *out = req->out;
    struct groups *groups = req->broker->groups;
    struct offset_deletion *d = ARENA_NEW(&req->arena, struct offset_deletion);
    struct group *group;
    bool whole = true;

    if (!d || !(d->group = arena_cstr(&req->arena, in->group_id)) ||
        !REPLY_ARRAY(req, out->topics, offset_delete_topic_reply_schema, in->topics.count)) {
        out->error_code = COORDINATOR_NOT_AVAILABLE;
        group_reply(req);
        return;
    }
    d->req = req;
    pthread_mutex_lock(&groups->lock);
    group = group_find(groups, in->group_id);
    for (int32_t t = 0; t < in->topics.count; t++) {
        const struct offset_delete_topic *asked = &in->topics.items[t];
        struct offset_delete_topic_reply *reply = &out->topics.items[t];
        bool used = group_subscribed(group, asked->name);

        reply->name = asked->name;
        if (!REPLY_ARRAY(req, reply->partitions, offset_delete_partition_reply_schema,
                         asked->partitions.count)) {
            whole = false;
            break;
        }
        for (int32_t i = 0; i < asked->partitions.count; i++) {
            reply->partitions.items[i].partition_index = asked->partitions.items[i].partition_index;
            reply->partitions.items[i].error_code = used ? GROUP_SUBSCRIBED_TO_TOPIC : NONE;
        }
    }
    pthread_mutex_unlock(&groups->lock);
    request_ref(req);
    if (!whole)
        deletion_done(d, ERR_NOMEM, NULL);
    else if (meta_write(req->broker->options.meta, delete_rows, d, req->broker->loops[0].loop,
                        deletion_done, d))
        deletion_done(d, ERR_CLOSED, NULL);
}
