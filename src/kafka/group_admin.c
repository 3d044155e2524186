/* group_admin.c - groups as others see them: described, listed, deleted, and for status with lag.
 *
 * A group is known by its members in memory or by its offsets in the metadata store; one that has
 * only offsets is Empty. */
#include "kafka/groups_int.h"

/* ---- groups by their offsets -------------------------------------------------------------- */

struct names {
    struct arena *arena;
    const char **list; /* sorted */
    size_t count, cap;
};

static int names_add(struct names *names, const char *name)
{
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 32;
        const char **more = ARENA_ARRAY(names->arena, const char *, cap);

        if (!more)
            return ERR_NOMEM;
        if (names->count)
            memcpy(more, names->list, names->count * sizeof(*more));
        names->list = more;
        names->cap = cap;
    }
    names->list[names->count] = arena_strdup(names->arena, name);
    return names->list[names->count++] ? 0 : ERR_NOMEM;
}

static int read_names(struct meta_txn *txn, void *arg, struct err *err)
{
    struct names *names = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT DISTINCT group_id FROM kafka_group_offset ORDER BY group_id", "");

    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc))
        if (names_add(names, meta_text(stmt, 0))) {
            rc = err_set(err, ERR_NOMEM, "groups");
            break;
        }
    meta_done(stmt);
    return rc;
}

struct existence {
    const char *group;
    bool found;
};

static int read_existence(struct meta_txn *txn, void *arg, struct err *err)
{
    struct existence *e = arg;
    struct meta_stmt *stmt;
    int rc =
        meta_query(txn, &stmt, err, "SELECT 1 FROM kafka_group_offset WHERE group_id = ? LIMIT 1",
                   "s", e->group);

    if (rc)
        return rc;
    e->found = meta_next(stmt, err, &rc);
    meta_done(stmt);
    return rc;
}

static bool has_offsets(struct request *req, struct slice name)
{
    struct existence e = {.group = arena_cstr(&req->arena, name)};

    return e.group && !meta_read(req->broker->options.meta, read_existence, &e, NULL) && e.found;
}

/* ---- describe ----------------------------------------------------------------------------- */

static struct slice keep(struct request *req, struct slice s)
{
    return s.ptr ? arena_slice(&req->arena, s) : s;
}

static void describe_members(struct request *req, const struct group *group,
                             struct describe_groups_group_reply *out)
{
    int32_t i = 0;

    if (!REPLY_ARRAY(req, out->members, describe_groups_member_reply_schema, group->member_count))
        return;
    for (const struct member *m = group->members; m; m = m->next, i++) {
        struct describe_groups_member_reply *reply = &out->members.items[i];

        reply->member_id = keep(req, slice_str(m->id));
        if (m->instance)
            reply->group_instance_id = keep(req, slice_str(m->instance));
        reply->client_id = keep(req, slice_str(m->client_id));
        reply->client_host = keep(req, slice_of(m->client_host, strcspn(m->client_host, ":")));
        if (group->state != GROUP_STABLE)
            continue;
        for (int32_t p = 0; p < m->protocol_count; p++)
            if (group->protocol && slice_is(m->protocols[p].name, group->protocol))
                reply->member_metadata = keep(req, m->protocols[p].metadata);
        reply->member_assignment = keep(req, buf_slice(&m->assignment));
    }
}

static void describe(struct request *req, struct slice name,
                     struct describe_groups_group_reply *out)
{
    struct group *group = group_find(req->broker->groups, name);

    out->group_id = name;
    out->protocol_type = out->protocol_data = SLICE_LIT("");
    if (group) {
        out->group_state = slice_str(group_state_name(group));
        if (group->protocol_type)
            out->protocol_type = keep(req, slice_str(group->protocol_type));
        if (group->state == GROUP_STABLE && group->protocol)
            out->protocol_data = keep(req, slice_str(group->protocol));
        describe_members(req, group, out);
    } else if (has_offsets(req, name)) {
        out->group_state = SLICE_LIT("Empty");
        out->protocol_type = SLICE_LIT("consumer");
    } else {
        out->group_state = SLICE_LIT("Dead");
        if (req->version >= 6) {
            out->error_code = GROUP_ID_NOT_FOUND;
            out->error_message = SLICE_LIT("There is no such group.");
        }
    }
}

void handle_describe_groups(struct request *req)
{
    const struct describe_groups_request *in = req->in;
    struct describe_groups_response *out = req->out;
    struct groups *groups = req->broker->groups;

    pthread_mutex_lock(&groups->lock);
    if (REPLY_ARRAY(req, out->groups, describe_groups_group_reply_schema, in->groups.count))
        for (int32_t i = 0; i < in->groups.count; i++)
            describe(req, in->groups.items[i], &out->groups.items[i]);
    group_reply(req);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- list --------------------------------------------------------------------------------- */

static bool state_wanted(const struct list_groups_request *in, const char *state)
{
    for (int32_t i = 0; i < in->states_filter.count; i++)
        if (slice_ieq(in->states_filter.items[i], slice_str(state)))
            return true;
    return in->states_filter.count <= 0;
}

static bool type_wanted(const struct list_groups_request *in)
{
    for (int32_t i = 0; i < in->types_filter.count; i++)
        if (slice_ieq(in->types_filter.items[i], SLICE_LIT("classic")))
            return true;
    return in->types_filter.count <= 0;
}

static void list_one(struct request *req, const char *name, const char *state, const char *type)
{
    struct list_groups_response *out = req->out;
    struct list_groups_group_reply *reply;

    if (!state_wanted(req->in, state) || !type_wanted(req->in))
        return;
    reply = &out->groups.items[out->groups.count++];
    reply->group_id = keep(req, slice_str(name));
    reply->protocol_type = keep(req, slice_str(type));
    reply->group_state = slice_str(state);
    reply->group_type = SLICE_LIT("classic");
}

void handle_list_groups(struct request *req)
{
    struct list_groups_response *out = req->out;
    struct groups *groups = req->broker->groups;
    struct names names = {.arena = &req->arena};
    int rc = meta_read(req->broker->options.meta, read_names, &names, NULL);

    pthread_mutex_lock(&groups->lock);
    if (rc || !REPLY_ARRAY(req, out->groups, list_groups_group_reply_schema,
                           names.count + groups->count)) {
        out->error_code = COORDINATOR_NOT_AVAILABLE;
    } else {
        out->groups.count = 0;
        for (size_t i = 0; i < groups->count; i++)
            list_one(req, groups->list[i]->name, group_state_name(groups->list[i]),
                     groups->list[i]->protocol_type ? groups->list[i]->protocol_type : "");
        for (size_t i = 0; i < names.count; i++)
            if (!group_find(groups, slice_str(names.list[i])))
                list_one(req, names.list[i], "Empty", "consumer");
    }
    group_reply(req);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- delete ------------------------------------------------------------------------------- */

struct group_deletion {
    struct request *req;
    const char **names; /* NULL: not to be deleted */
};

static int delete_groups_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct group_deletion *d = arg;
    struct delete_groups_response *out = d->req->out;
    int rc = 0;

    for (int32_t i = 0; i < out->results.count && !rc; i++) {
        if (!d->names[i])
            continue;
        rc = meta_exec(txn, err, "DELETE FROM kafka_group_offset WHERE group_id = ?", "s",
                       d->names[i]);
        out->results.items[i].error_code = meta_changes(txn) ? NONE : GROUP_ID_NOT_FOUND;
    }
    return rc;
}

static void delete_groups_done(void *arg, int rc, const struct err *err)
{
    struct group_deletion *d = arg;
    struct delete_groups_response *out = d->req->out;

    (void)err;
    for (int32_t i = 0; rc && i < out->results.count; i++)
        if (d->names[i])
            out->results.items[i].error_code = COORDINATOR_NOT_AVAILABLE;
    group_reply(d->req);
    request_unref(d->req);
}

void handle_delete_groups(struct request *req)
{
    const struct delete_groups_request *in = req->in;
    struct delete_groups_response *out = req->out;
    struct groups *groups = req->broker->groups;
    struct group_deletion *d = ARENA_NEW(&req->arena, struct group_deletion);

    if (!d ||
        !(d->names = ARENA_ARRAY(&req->arena, const char *, (size_t)in->groups_names.count)) ||
        !REPLY_ARRAY(req, out->results, delete_groups_result_schema, in->groups_names.count)) {
        out->results.count = 0;
        group_reply(req);
        return;
    }
    d->req = req;
    pthread_mutex_lock(&groups->lock);
    for (int32_t i = 0; i < in->groups_names.count; i++) {
        struct group *group = group_find(groups, in->groups_names.items[i]);

        out->results.items[i].group_id = in->groups_names.items[i];
        if (group && group->members)
            out->results.items[i].error_code = NON_EMPTY_GROUP;
        else
            d->names[i] = arena_cstr(&req->arena, in->groups_names.items[i]);
    }
    pthread_mutex_unlock(&groups->lock);
    request_ref(req);
    if (meta_write(req->broker->options.meta, delete_groups_in, d, req->broker->loops[0].loop,
                   delete_groups_done, d))
        delete_groups_done(d, ERR_CLOSED, NULL);
}

/* ---- status ------------------------------------------------------------------------------- */

struct lag_read {
    struct broker *broker;
    struct arena *arena;
    struct group_info *info;
    size_t cap;
};

static int add_lag(struct lag_read *read, struct meta_stmt *row)
{
    struct group_info *info = read->info;
    struct group_lag *lag;
    struct topic *topic;
    struct log *log;

    if (info->lag_count == read->cap) {
        size_t cap = read->cap ? read->cap * 2 : 8;
        struct group_lag *more = ARENA_ARRAY(read->arena, struct group_lag, cap);

        if (!more)
            return ERR_NOMEM;
        if (info->lag_count)
            memcpy(more, info->lags, info->lag_count * sizeof(*more));
        info->lags = more;
        read->cap = cap;
    }
    lag = &info->lags[info->lag_count++];
    *lag = (struct group_lag){arena_strdup(read->arena, meta_text(row, 0)),
                              (int32_t)meta_i64(row, 1), meta_i64(row, 2), -1};
    if (!lag->topic)
        return ERR_NOMEM;
    topic = topic_find(read->broker, lag->topic);
    log = topic ? topic_log(topic, lag->partition) : NULL;
    if (log) {
        lag->end = log_offsets(log).high_watermark;
        info->lag += lag->end > lag->offset ? lag->end - lag->offset : 0;
    }
    topic_unref(topic);
    return 0;
}

static int read_lag(struct meta_txn *txn, void *arg, struct err *err)
{
    struct lag_read *read = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT topic, partition_index, committed_offset FROM kafka_group_offset"
                        " WHERE group_id = ? ORDER BY topic, partition_index",
                        "s", read->info->name);

    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc))
        if (add_lag(read, stmt)) {
            rc = err_set(err, ERR_NOMEM, "lag");
            break;
        }
    meta_done(stmt);
    return rc;
}

/* Names of both kinds of groups, once each. */
static int all_names(struct broker *broker, struct names *names, struct err *err)
{
    struct groups *groups = broker->groups;
    int rc = meta_read(broker->options.meta, read_names, names, err);
    size_t stored = names->count;

    pthread_mutex_lock(&groups->lock);
    for (size_t i = 0; i < groups->count && !rc; i++) {
        bool known = false;

        for (size_t k = 0; k < stored && !known; k++)
            known = !strcmp(names->list[k], groups->list[i]->name);
        if (!known)
            rc = names_add(names, groups->list[i]->name);
    }
    pthread_mutex_unlock(&groups->lock);
    return rc;
}

int broker_groups(struct broker *broker, struct arena *arena, struct group_info **out,
                  size_t *count, struct err *err)
{
    struct names names = {.arena = arena};
    int rc = all_names(broker, &names, err);

    *count = 0;
    if (rc)
        return err_set(err, rc, "list of groups");
    *out = ARENA_ARRAY(arena, struct group_info, names.count);
    if (!*out)
        return err_set(err, ERR_NOMEM, "list of groups");
    for (; *count < names.count && !rc; ++*count) {
        struct group_info *info = &(*out)[*count];
        struct lag_read read = {broker, arena, info, 0};
        struct group *group;

        info->name = names.list[*count];
        pthread_mutex_lock(&broker->groups->lock);
        group = group_find(broker->groups, slice_str(info->name));
        info->state = group ? group_state_name(group) : "Empty";
        info->members = group ? group->member_count : 0;
        pthread_mutex_unlock(&broker->groups->lock);
        rc = meta_read(broker->options.meta, read_lag, &read, err);
    }
    return rc;
}
