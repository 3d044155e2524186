/* group_members.c - what members ask of their group: to join, to be given their share, to be
 * counted as alive, to leave. What follows from it for the group is in groups.c. */
#include <stdio.h>

#include "kafka/groups_int.h"

#define SESSION_MS_MIN     1000
#define SESSION_MS_MAX     1800000
#define MEMBERS_MAX        1000
#define PROTOCOL_BYTES_MAX ((size_t)1 << 20)

/* ---- joining ------------------------------------------------------------------------------ */

/* One allocation for names, metadata and the array. */
static struct protocol *copy_protocols(const struct join_group_request *in)
{
    size_t len = (size_t)in->protocols.count * sizeof(struct protocol);
    struct protocol *copy;
    uint8_t *at;

    for (int32_t i = 0; i < in->protocols.count; i++)
        len += in->protocols.items[i].name.len + in->protocols.items[i].metadata.len;
    if (len > PROTOCOL_BYTES_MAX)
        return NULL;
    copy = malloc(len + 1);
    if (!copy)
        return NULL;
    at = (uint8_t *)(copy + in->protocols.count);
    for (int32_t i = 0; i < in->protocols.count; i++) {
        struct slice name = in->protocols.items[i].name, data = in->protocols.items[i].metadata;

        memcpy(at, name.ptr, name.len);
        copy[i].name = slice_of(at, name.len);
        at += name.len;
        memcpy(at, data.ptr, data.len);
        copy[i].metadata = slice_of(at, data.len);
        at += data.len;
    }
    return copy;
}

static bool same_protocols(const struct member *member, const struct join_group_request *in)
{
    if (member->protocol_count != in->protocols.count)
        return false;
    for (int32_t i = 0; i < in->protocols.count; i++)
        if (!slice_eq(member->protocols[i].name, in->protocols.items[i].name) ||
            !slice_eq(member->protocols[i].metadata, in->protocols.items[i].metadata))
            return false;
    return true;
}

static int take_terms(struct member *member, const struct join_group_request *in)
{
    struct protocol *protocols = copy_protocols(in);

    if (!protocols)
        return ERR_NOMEM;
    free(member->protocols);
    member->protocols = protocols;
    member->protocol_count = in->protocols.count;
    member->session_ms = in->session_timeout_ms;
    member->rebalance_ms =
        in->rebalance_timeout_ms > 0 ? in->rebalance_timeout_ms : in->session_timeout_ms;
    return 0;
}

/* "CLIENT-UUID", as Kafka's own. */
static char *new_member_id(const struct request *req, struct slice instance)
{
    struct slice prefix = instance.ptr ? instance : req->client_id;
    char uuid[37], *id = NULL;

    uuid_v4(uuid);
    if (asprintf(&id, SLICE_FMT "-%s", SLICE_ARG(prefix), uuid) < 0)
        return NULL;
    return id;
}

static struct member *add_member(struct group *group, struct request *req, char *id)
{
    const struct join_group_request *in = req->in;
    struct member *member = calloc(1, sizeof(*member)), **at = &group->members;
    bool have_type = group->protocol_type && group->members;

    if (!member || !id) {
        free(member);
        free(id);
        return NULL;
    }
    member->id = id;
    member->instance = group_copy(in->group_instance_id);
    member->client_id = group_copy(req->client_id.ptr ? req->client_id : SLICE_LIT(""));
    member->client_host = strdup(req->conn ? req->conn->peer : "");
    if (!have_type) {
        free(group->protocol_type);
        group->protocol_type = group_copy(in->protocol_type);
    }
    if (!member->client_id || !member->client_host || !group->protocol_type ||
        (in->group_instance_id.ptr && !member->instance) || take_terms(member, in)) {
        member_free(member);
        return NULL;
    }
    while (*at)
        at = &(*at)->next;
    *at = member;
    group->member_count++;
    return member;
}

static void wait_for_joins(struct groups *groups, struct group *group, struct member *member,
                           struct request *req)
{
    member_end_join(member, UNKNOWN_MEMBER_ID); /* a join sent twice: the newer one counts */
    member->join = request_ref(req);
    group_rebalance(groups, group);
}

static bool drop_promise(struct group *group, struct slice id)
{
    for (struct promised **at = &group->promised; *at; at = &(*at)->next)
        if (slice_is(id, (*at)->id)) {
            struct promised *gone = *at;

            *at = gone->next;
            free(gone->id);
            free(gone);
            return true;
        }
    return false;
}

/* KIP-394: tells the id, and waits for the member to come back with it. */
static int16_t promise_id(struct groups *groups, struct group *group, struct request *req)
{
    const struct join_group_request *in = req->in;
    struct promised *promised = calloc(1, sizeof(*promised));
    char *id = new_member_id(req, (struct slice){NULL, 0});

    if (!promised || !id) {
        free(promised);
        free(id);
        return COORDINATOR_NOT_AVAILABLE;
    }
    *promised =
        (struct promised){group->promised, id, group_now_ms(groups) + in->session_timeout_ms};
    group->promised = promised;
    groups_arm(groups, promised->until_ms);
    group_answer_join_error(req, MEMBER_ID_REQUIRED, slice_str(id));
    return NONE;
}

/* A static member came back under a new id: it takes the old one's place, without a rebalance when
 * the group is stable and nothing else changed (KIP-345, KIP-814). */
static int16_t replace_static(struct groups *groups, struct group *group, struct member *member,
                              struct request *req)
{
    const struct join_group_request *in = req->in;
    bool same = same_protocols(member, in);
    bool led = group->leader && !strcmp(group->leader, member->id);
    char *id = new_member_id(req, in->group_instance_id), *old = member->id;

    if (!id || take_terms(member, in)) {
        free(id);
        return COORDINATOR_NOT_AVAILABLE;
    }
    member_end_join(member, FENCED_INSTANCE_ID);
    member_end_sync(member, FENCED_INSTANCE_ID);
    member->id = id;
    if (led) {
        free(group->leader);
        group->leader = strdup(id);
    }
    member_alive(groups, member);
    if (group->state == GROUP_STABLE && same && group->leader) {
        /* Before version 9 a leader could not be told to leave the assignment alone. */
        bool hide = led && req->version < 9;

        group_answer_join(req, group, member, hide ? old : group->leader, led && !hide);
        free(old);
        return NONE;
    }
    free(old);
    wait_for_joins(groups, group, member, req);
    return NONE;
}

static int16_t join_new(struct groups *groups, struct group *group, struct request *req)
{
    const struct join_group_request *in = req->in;
    struct member *member = member_of_instance(group, in->group_instance_id);

    if (member)
        return replace_static(groups, group, member, req);
    if (group->member_count >= MEMBERS_MAX)
        return GROUP_MAX_SIZE_REACHED;
    if (!in->group_instance_id.ptr && req->version >= 4)
        return promise_id(groups, group, req);
    member = add_member(group, req, new_member_id(req, in->group_instance_id));
    if (!member)
        return COORDINATOR_NOT_AVAILABLE;
    wait_for_joins(groups, group, member, req);
    return NONE;
}

static int16_t join_known(struct groups *groups, struct group *group, struct request *req)
{
    const struct join_group_request *in = req->in;
    struct member *member = member_of_instance(group, in->group_instance_id);
    bool same;

    if (member && !slice_is(in->member_id, member->id))
        return FENCED_INSTANCE_ID;
    if (!member)
        member = member_find(group, in->member_id);
    if (!member && drop_promise(group, in->member_id)) {
        if (group->member_count >= MEMBERS_MAX)
            return GROUP_MAX_SIZE_REACHED;
        member = add_member(group, req, group_copy(in->member_id));
        if (!member)
            return COORDINATOR_NOT_AVAILABLE;
        wait_for_joins(groups, group, member, req);
        return NONE;
    }
    if (!member)
        return UNKNOWN_MEMBER_ID;
    same = same_protocols(member, in);
    if (take_terms(member, in))
        return COORDINATOR_NOT_AVAILABLE;
    member_alive(groups, member);
    /* Nothing new: a lost answer is given again. A leader that joins a stable group wants to assign
     * anew. */
    if (same && group->leader &&
        (group->state == GROUP_COMPLETING ||
         (group->state == GROUP_STABLE && strcmp(group->leader, member->id) != 0))) {
        group_answer_join(req, group, member, group->leader, false);
        return NONE;
    }
    wait_for_joins(groups, group, member, req);
    return NONE;
}

static int16_t check_join(struct group *group, const struct join_group_request *in)
{
    bool common = false;

    if (in->session_timeout_ms < SESSION_MS_MIN || in->session_timeout_ms > SESSION_MS_MAX)
        return INVALID_SESSION_TIMEOUT;
    if (!in->protocol_type.len || in->protocols.count <= 0)
        return INCONSISTENT_GROUP_PROTOCOL;
    if (!group || !group->members)
        return NONE;
    if (!slice_is(in->protocol_type, group->protocol_type))
        return INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < in->protocols.count && !common; i++) {
        const struct member *self = member_find(group, in->member_id);

        common = group_all_can_do(group, in->protocols.items[i].name,
                                  self ? self : member_of_instance(group, in->group_instance_id));
    }
    return common ? NONE : INCONSISTENT_GROUP_PROTOCOL;
}

void handle_join_group(struct request *req)
{
    const struct join_group_request *in = req->in;
    struct groups *groups = req->broker->groups;
    struct group *group;
    int16_t error;

    pthread_mutex_lock(&groups->lock);
    group = group_find(groups, in->group_id);
    error = in->group_id.len ? check_join(group, in) : INVALID_GROUP_ID;
    if (!error && !group && in->member_id.len)
        error = UNKNOWN_MEMBER_ID;
    if (!error && !group && !(group = group_make(groups, in->group_id)))
        error = COORDINATOR_NOT_AVAILABLE;
    if (!error) {
        error = in->member_id.len ? join_known(groups, group, req) : join_new(groups, group, req);
        if (error && (group = group_find(groups, in->group_id)))
            group_forget_if_empty(groups, group);
    }
    if (error)
        group_answer_join_error(req, error, in->member_id);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- assigning ---------------------------------------------------------------------------- */

static void answer_sync(struct request *req, const struct group *group, const struct member *member)
{
    struct sync_group_response *out = req->out;

    out->protocol_type = arena_slice(&req->arena, slice_str(group->protocol_type));
    out->protocol_name = arena_slice(&req->arena, slice_str(group->protocol));
    out->assignment = arena_slice(&req->arena, buf_slice(&member->assignment));
    if (!out->assignment.ptr)
        out->error_code = COORDINATOR_NOT_AVAILABLE;
    group_reply(req);
}

/* The leader's word: what each member gets; those it left out get nothing. */
static int take_assignments(struct group *group, const struct sync_group_request *in)
{
    int rc = 0;

    for (struct member *m = group->members; m; m = m->next)
        buf_clear(&m->assignment);
    for (int32_t i = 0; i < in->assignments.count && !rc; i++) {
        struct member *m = member_find(group, in->assignments.items[i].member_id);

        if (m) {
            buf_clear(&m->assignment);
            rc = buf_append_slice(&m->assignment, in->assignments.items[i].assignment);
        }
    }
    return rc;
}

static int16_t sync_member(struct groups *groups, struct group *group, struct member *member,
                           struct request *req)
{
    const struct sync_group_request *in = req->in;

    if ((in->protocol_type.ptr && !slice_is(in->protocol_type, group->protocol_type)) ||
        (in->protocol_name.ptr && group->protocol && !slice_is(in->protocol_name, group->protocol)))
        return INCONSISTENT_GROUP_PROTOCOL;
    member_alive(groups, member);
    if (group->state == GROUP_PREPARING)
        return REBALANCE_IN_PROGRESS;
    if (group->state == GROUP_STABLE) {
        answer_sync(req, group, member);
        return NONE;
    }
    member_end_sync(member, UNKNOWN_MEMBER_ID);
    member->sync = request_ref(req);
    if (!group->leader || strcmp(group->leader, member->id) != 0)
        return NONE;
    if (take_assignments(group, in)) {
        member->sync = NULL;
        request_unref(req);
        group_rebalance(groups, group);
        return COORDINATOR_NOT_AVAILABLE;
    }
    group->state = GROUP_STABLE;
    for (struct member *m = group->members; m; m = m->next) {
        struct request *waiting = m->sync;

        if (!waiting)
            continue;
        m->sync = NULL;
        member_alive(groups, m);
        answer_sync(waiting, group, m);
        request_unref(waiting);
    }
    return NONE;
}

void handle_sync_group(struct request *req)
{
    const struct sync_group_request *in = req->in;
    struct groups *groups = req->broker->groups;
    struct member *member;
    struct group *group;
    int16_t error;

    pthread_mutex_lock(&groups->lock);
    group = group_find(groups, in->group_id);
    error = in->group_id.len ? member_check(group, in->member_id, in->group_instance_id,
                                            in->generation_id, &member)
                             : INVALID_GROUP_ID;
    if (!error)
        error = sync_member(groups, group, member, req);
    if (error) {
        ((struct sync_group_response *)req->out)->error_code = error;
        group_reply(req);
    }
    pthread_mutex_unlock(&groups->lock);
}

void handle_heartbeat(struct request *req)
{
    const struct heartbeat_request *in = req->in;
    struct heartbeat_response *out = req->out;
    struct groups *groups = req->broker->groups;
    struct member *member;
    struct group *group;

    pthread_mutex_lock(&groups->lock);
    group = group_find(groups, in->group_id);
    out->error_code = in->group_id.len ? member_check(group, in->member_id, in->group_instance_id,
                                                      in->generation_id, &member)
                                       : INVALID_GROUP_ID;
    if (!out->error_code) {
        member_alive(groups, member);
        if (group->state == GROUP_PREPARING)
            out->error_code = REBALANCE_IN_PROGRESS;
    }
    group_reply(req);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- leaving ------------------------------------------------------------------------------ */

static int16_t leave(struct group *group, struct slice id, struct slice instance)
{
    struct member *member;

    if (instance.ptr) {
        member = member_of_instance(group, instance);
        if (member && id.len && !slice_is(id, member->id))
            return FENCED_INSTANCE_ID;
    } else {
        member = member_find(group, id);
    }
    if (!member)
        return drop_promise(group, id) ? NONE : UNKNOWN_MEMBER_ID;
    member_remove(group, member, UNKNOWN_MEMBER_ID);
    return NONE;
}

void handle_leave_group(struct request *req)
{
    const struct leave_group_request *in = req->in;
    struct leave_group_response *out = req->out;
    struct groups *groups = req->broker->groups;
    struct group *group;
    int32_t before = 0;

    pthread_mutex_lock(&groups->lock);
    group = group_find(groups, in->group_id);
    if (group)
        before = group->member_count;
    if (!in->group_id.len) {
        out->error_code = INVALID_GROUP_ID;
    } else if (req->version < 3) {
        out->error_code =
            group ? leave(group, in->member_id, (struct slice){NULL, 0}) : UNKNOWN_MEMBER_ID;
    } else if (REPLY_ARRAY(req, out->members, leave_group_member_reply_schema, in->members.count)) {
        for (int32_t i = 0; i < in->members.count; i++) {
            const struct leave_group_member *m = &in->members.items[i];

            out->members.items[i].member_id = m->member_id;
            out->members.items[i].group_instance_id = m->group_instance_id;
            out->members.items[i].error_code =
                group ? leave(group, m->member_id, m->group_instance_id) : UNKNOWN_MEMBER_ID;
        }
    }
    if (group && group->member_count != before)
        group_rebalance(groups, group);
    else if (group)
        group_advance(groups, group);
    group_reply(req);
    pthread_mutex_unlock(&groups->lock);
}
