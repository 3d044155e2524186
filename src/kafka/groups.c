/* groups.c - consumer groups by the classic protocol: who is in, who leads, who gets what.
 *
 * A group goes EMPTY -> PREPARING (members join) -> COMPLETING (the leader assigns) -> STABLE, and
 * back to PREPARING whenever someone comes, goes, or changes what it can do. Joins are answered
 * together when all known members have joined, or when the longest rebalance timeout is over: those
 * missing are then dropped, static ones (KIP-345) kept. A new group waits rebalance_delay_ms first.
 * A member that is silent for its session timeout is dropped, unless it waits for an answer of ours.
 *
 * Only members live here, in memory: after a restart they are told UNKNOWN_MEMBER_ID and join anew.
 * Offsets are rows in the metadata store (group_offsets.c). A group without members is forgotten.
 *
 * Threads: everything runs on the broker's first loop; the lock is for status, which reads.
 */
#include <stdio.h>

#include "kafka/groups_int.h"

#define SESSION_MS_MIN     1000
#define SESSION_MS_MAX     1800000
#define MEMBERS_MAX        1000
#define GROUPS_MAX         10000
#define PROTOCOL_BYTES_MAX ((size_t)1 << 20)

static void advance(struct groups *groups, struct group *group);

static int64_t now_ms(const struct groups *groups)
{
    return clock_mono_ms(groups->broker->options.clock);
}

void group_reply(struct request *req)
{
    if (req->loop == &req->broker->loops[0])
        request_done(req);
    else
        request_done_from(req);
}

static char *copy_text(struct slice s)
{
    return s.ptr ? strndup((const char *)s.ptr, s.len) : NULL;
}

/* ---- the list of groups ------------------------------------------------------------------- */

static size_t place(const struct groups *groups, struct slice name, bool *found)
{
    size_t low = 0, high = groups->count;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = slice_cmp(slice_str(groups->list[mid]->name), name);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct group *group_find(struct groups *groups, struct slice name)
{
    bool found;
    size_t at = place(groups, name, &found);

    return found ? groups->list[at] : NULL;
}

static struct group *group_make(struct groups *groups, struct slice name)
{
    struct group *group;
    bool found;
    size_t at = place(groups, name, &found);

    if (found)
        return groups->list[at];
    if (groups->count >= GROUPS_MAX)
        return NULL;
    if (groups->count == groups->cap) {
        size_t cap = groups->cap ? groups->cap * 2 : 16;
        struct group **more = realloc(groups->list, cap * sizeof(struct group *));

        if (!more)
            return NULL;
        groups->list = more;
        groups->cap = cap;
    }
    group = calloc(1, sizeof(*group));
    if (!group || !(group->name = copy_text(name))) {
        free(group);
        return NULL;
    }
    memmove(groups->list + at + 1, groups->list + at,
            (groups->count - at) * sizeof(struct group *));
    groups->list[at] = group;
    groups->count++;
    return group;
}

static void member_free(struct member *member)
{
    free(member->id);
    free(member->instance);
    free(member->client_id);
    free(member->client_host);
    free(member->protocols);
    buf_deinit(&member->assignment);
    free(member);
}

static void group_free(struct group *group)
{
    struct promised *promised;

    while ((promised = group->promised)) {
        group->promised = promised->next;
        free(promised->id);
        free(promised);
    }
    free(group->name);
    free(group->protocol_type);
    free(group->protocol);
    free(group->leader);
    free(group);
}

/* A group that nobody is in, or about to be in, is only its offsets. */
static void forget_if_empty(struct groups *groups, struct group *group)
{
    bool found;
    size_t at;

    if (group->members || group->promised)
        return;
    at = place(groups, slice_str(group->name), &found);
    memmove(groups->list + at, groups->list + at + 1,
            (--groups->count - at) * sizeof(struct group *));
    group_free(group);
}

const char *group_state_name(const struct group *group)
{
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance",
                                        "Stable"};

    return group ? names[group->state] : "Dead";
}

/* ---- members ------------------------------------------------------------------------------ */

struct member *member_find(struct group *group, struct slice id)
{
    for (struct member *m = group->members; m; m = m->next)
        if (slice_is(id, m->id))
            return m;
    return NULL;
}

struct member *member_of_instance(struct group *group, struct slice instance)
{
    for (struct member *m = group->members; m && instance.ptr; m = m->next)
        if (m->instance && slice_is(instance, m->instance))
            return m;
    return NULL;
}

int16_t member_check(struct group *group, struct slice id, struct slice instance, int32_t generation,
                     struct member **out)
{
    struct member *by_instance;

    *out = NULL;
    if (!group)
        return UNKNOWN_MEMBER_ID;
    by_instance = member_of_instance(group, instance);
    if (instance.ptr && !by_instance)
        return UNKNOWN_MEMBER_ID;
    if (by_instance && !slice_is(id, by_instance->id))
        return FENCED_INSTANCE_ID;
    *out = by_instance ? by_instance : member_find(group, id);
    if (!*out)
        return UNKNOWN_MEMBER_ID;
    return generation == group->generation ? NONE : ILLEGAL_GENERATION;
}

static void arm(struct groups *groups, int64_t at_ms)
{
    int64_t left = at_ms - now_ms(groups);

    if (at_ms >= groups->armed_ms || !groups->timer)
        return;
    groups->armed_ms = at_ms;
    timer_start(groups->timer, left > 0 ? left : 0, 0);
}

void member_alive(struct groups *groups, struct member *member)
{
    member->alive_until_ms = now_ms(groups) + member->session_ms;
    arm(groups, member->alive_until_ms);
}

static void answer_join_error(struct request *req, int16_t error, struct slice member_id)
{
    struct join_group_response *out = req->out;

    out->error_code = error;
    out->generation_id = -1;
    out->member_id = arena_slice(&req->arena, member_id);
    out->protocol_name = req->version >= 7 ? (struct slice){NULL, 0} : SLICE_LIT("");
    out->leader = SLICE_LIT("");
    group_reply(req);
}

static void end_join(struct member *member, int16_t error)
{
    struct request *req = member->join;

    if (!req)
        return;
    member->join = NULL;
    answer_join_error(req, error, slice_str(member->id));
    request_unref(req);
}

static void end_sync(struct member *member, int16_t error)
{
    struct request *req = member->sync;

    if (!req)
        return;
    member->sync = NULL;
    ((struct sync_group_response *)req->out)->error_code = error;
    group_reply(req);
    request_unref(req);
}

static void remove_member(struct group *group, struct member *member, int16_t error)
{
    struct member **at = &group->members;

    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    group->member_count--;
    end_join(member, error);
    end_sync(member, error);
    if (group->leader && !strcmp(group->leader, member->id)) {
        free(group->leader);
        group->leader = NULL;
    }
    member_free(member);
}

/* ---- rebalancing -------------------------------------------------------------------------- */

static int32_t longest_rebalance(const struct group *group)
{
    int32_t longest = 0;

    for (const struct member *m = group->members; m; m = m->next)
        if (m->rebalance_ms > longest)
            longest = m->rebalance_ms;
    return longest;
}

/* Everyone has to join again. */
static void prepare(struct groups *groups, struct group *group)
{
    int64_t delay = groups->broker->options.rebalance_delay_ms;

    group->fresh = group->state == GROUP_EMPTY && delay > 0;
    for (struct member *m = group->members; m; m = m->next) {
        buf_clear(&m->assignment);
        end_sync(m, REBALANCE_IN_PROGRESS);
    }
    group->state = GROUP_PREPARING;
    group->deadline_ms = now_ms(groups) + (group->fresh ? delay : longest_rebalance(group));
    arm(groups, group->deadline_ms);
}

static bool can_do(const struct member *member, struct slice name)
{
    for (int32_t i = 0; i < member->protocol_count; i++)
        if (slice_eq(member->protocols[i].name, name))
            return true;
    return false;
}

static bool all_can_do(const struct group *group, struct slice name, const struct member *but)
{
    for (const struct member *m = group->members; m; m = m->next)
        if (m != but && !can_do(m, name))
            return false;
    return true;
}

/* Each member votes for the first of its protocols that all can do; the most votes win. */
static struct slice choose_protocol(const struct group *group)
{
    struct slice best = {NULL, 0};
    int best_votes = 0;

    for (const struct member *m = group->members; m; m = m->next)
        for (int32_t i = 0; i < m->protocol_count; i++) {
            struct slice name = m->protocols[i].name;
            int votes = 0;

            if (!all_can_do(group, name, NULL))
                continue;
            for (const struct member *voter = group->members; voter; voter = voter->next)
                for (int32_t v = 0; v < voter->protocol_count; v++)
                    if (all_can_do(group, voter->protocols[v].name, NULL)) {
                        votes += slice_eq(voter->protocols[v].name, name);
                        break;
                    }
            if (votes > best_votes) {
                best = name;
                best_votes = votes;
            }
        }
    return best;
}

static struct slice metadata_of(const struct member *member, struct slice protocol)
{
    for (int32_t i = 0; i < member->protocol_count; i++)
        if (slice_eq(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    return SLICE_LIT("");
}

static bool fill_members(struct request *req, const struct group *group,
                         struct join_group_response *out)
{
    struct slice protocol = slice_str(group->protocol);
    int32_t i = 0;

    if (!REPLY_ARRAY(req, out->members, join_group_member_reply_schema, group->member_count))
        return false;
    for (const struct member *m = group->members; m; m = m->next, i++) {
        struct join_group_member_reply *reply = &out->members.items[i];

        reply->member_id = arena_slice(&req->arena, slice_str(m->id));
        if (m->instance)
            reply->group_instance_id = arena_slice(&req->arena, slice_str(m->instance));
        reply->metadata = arena_slice(&req->arena, metadata_of(m, protocol));
        if (!reply->member_id.ptr || !reply->metadata.ptr)
            return false;
    }
    return true;
}

/* The answer of a join as the group now stands; the leader gets all members. */
static void answer_join(struct request *req, const struct group *group, const struct member *member,
                        const char *leader, bool skip_assignment)
{
    struct join_group_response *out = req->out;
    struct arena *arena = &req->arena;
    bool whole = true;

    out->error_code = NONE;
    out->generation_id = group->generation;
    out->protocol_type = arena_slice(arena, slice_str(group->protocol_type));
    out->protocol_name = arena_slice(arena, slice_str(group->protocol));
    out->leader = arena_slice(arena, slice_str(leader));
    out->member_id = arena_slice(arena, slice_str(member->id));
    out->skip_assignment = skip_assignment;
    if (!strcmp(leader, member->id))
        whole = fill_members(req, group, out);
    if (!whole || !out->member_id.ptr || !out->leader.ptr || !out->protocol_name.ptr) {
        out->members.count = 0;
        answer_join_error(req, COORDINATOR_NOT_AVAILABLE, slice_str(member->id));
        return;
    }
    group_reply(req);
}

/* A leader that has joined: the old one, or the first. False: nobody has. */
static bool elect(struct group *group)
{
    struct member *leader = group->leader ? member_find(group, slice_str(group->leader)) : NULL;

    if (leader && leader->join)
        return true;
    for (leader = group->members; leader && !leader->join;)
        leader = leader->next;
    if (!leader)
        return false;
    free(group->leader);
    group->leader = strdup(leader->id); /* NULL is answered as COORDINATOR_NOT_AVAILABLE */
    return true;
}

/* All have joined, or the time is over. */
static void complete_joins(struct groups *groups, struct group *group)
{
    struct member *next;
    struct slice protocol;
    char *chosen;

    for (struct member *m = group->members; m; m = next) {
        next = m->next;
        if (m->join && m->join->cancelled) /* its connection is gone */
            end_join(m, UNKNOWN_MEMBER_ID);
        if (!m->join && !m->instance)
            remove_member(group, m, UNKNOWN_MEMBER_ID);
    }
    group->fresh = false;
    if (group->members && !elect(group)) { /* only static members, none of them here yet */
        group->deadline_ms = now_ms(groups) + longest_rebalance(group);
        arm(groups, group->deadline_ms);
        return;
    }
    group->generation++;
    if (!group->members) {
        group->state = GROUP_EMPTY;
        return;
    }
    protocol = choose_protocol(group);
    chosen = copy_text(protocol.ptr ? protocol : SLICE_LIT(""));
    free(group->protocol);
    group->protocol = chosen;
    group->state = GROUP_COMPLETING;
    group->deadline_ms = now_ms(groups) + longest_rebalance(group);
    arm(groups, group->deadline_ms);
    for (struct member *m = group->members; m; m = m->next) {
        struct request *req = m->join;

        member_alive(groups, m);
        if (!req)
            continue;
        m->join = NULL;
        if (chosen && group->leader)
            answer_join(req, group, m, group->leader, false);
        else
            answer_join_error(req, COORDINATOR_NOT_AVAILABLE, slice_str(m->id));
        request_unref(req);
    }
}

static bool all_joined(const struct group *group)
{
    for (const struct member *m = group->members; m; m = m->next)
        if (!m->join)
            return false;
    return !group->promised;
}

/* Does what the state of the group now allows. The group may be gone afterwards. */
static void advance(struct groups *groups, struct group *group)
{
    if (group->state == GROUP_PREPARING &&
        (!group->members || (!group->fresh && all_joined(group)) ||
         now_ms(groups) >= group->deadline_ms))
        complete_joins(groups, group);
    forget_if_empty(groups, group);
}

/* Someone came, went or changed. */
static void rebalance(struct groups *groups, struct group *group)
{
    if (group->state != GROUP_PREPARING)
        prepare(groups, group);
    advance(groups, group);
}

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
    member->instance = copy_text(in->group_instance_id);
    member->client_id = copy_text(req->client_id.ptr ? req->client_id : SLICE_LIT(""));
    member->client_host = strdup(req->conn ? req->conn->peer : "");
    if (!have_type) {
        free(group->protocol_type);
        group->protocol_type = copy_text(in->protocol_type);
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
    end_join(member, UNKNOWN_MEMBER_ID); /* a join sent twice: the newer one counts */
    member->join = request_ref(req);
    rebalance(groups, group);
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
    *promised = (struct promised){group->promised, id, now_ms(groups) + in->session_timeout_ms};
    group->promised = promised;
    arm(groups, promised->until_ms);
    answer_join_error(req, MEMBER_ID_REQUIRED, slice_str(id));
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
    end_join(member, FENCED_INSTANCE_ID);
    end_sync(member, FENCED_INSTANCE_ID);
    member->id = id;
    if (led) {
        free(group->leader);
        group->leader = strdup(id);
    }
    member_alive(groups, member);
    if (group->state == GROUP_STABLE && same && group->leader) {
        /* Before version 9 a leader could not be told to leave the assignment alone. */
        bool hide = led && req->version < 9;

        answer_join(req, group, member, hide ? old : group->leader, led && !hide);
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
        member = add_member(group, req, copy_text(in->member_id));
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
        answer_join(req, group, member, group->leader, false);
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

        common = all_can_do(group, in->protocols.items[i].name,
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
            forget_if_empty(groups, group);
    }
    if (error)
        answer_join_error(req, error, in->member_id);
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
    end_sync(member, UNKNOWN_MEMBER_ID);
    member->sync = request_ref(req);
    if (!group->leader || strcmp(group->leader, member->id) != 0)
        return NONE;
    if (take_assignments(group, in)) {
        member->sync = NULL;
        request_unref(req);
        rebalance(groups, group);
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
    remove_member(group, member, UNKNOWN_MEMBER_ID);
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
        out->error_code = group ? leave(group, in->member_id, (struct slice){NULL, 0})
                                : UNKNOWN_MEMBER_ID;
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
        rebalance(groups, group);
    else if (group)
        advance(groups, group);
    group_reply(req);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- time --------------------------------------------------------------------------------- */

static void drop_promises(struct group *group, int64_t now)
{
    for (struct promised **at = &group->promised; *at;) {
        struct promised *p = *at;

        if (p->until_ms > now) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p->id);
        free(p);
    }
}

/* Drops who is silent. True when someone went. */
static bool drop_silent(struct group *group, int64_t now)
{
    bool sync_over = group->state == GROUP_COMPLETING && now >= group->deadline_ms;
    bool any = false;
    struct member *next;

    for (struct member *m = group->members; m; m = next) {
        bool waits = (m->join && !m->join->cancelled) || (m->sync && !m->sync->cancelled);

        next = m->next;
        if ((waits || m->alive_until_ms > now) && !(sync_over && !m->sync))
            continue;
        diag_info("kafka", "group %s: member %s is gone: it was silent for its session timeout",
                  group->name, m->id);
        remove_member(group, m, UNKNOWN_MEMBER_ID);
        any = true;
    }
    return any;
}

static int64_t next_deadline(const struct group *group)
{
    int64_t next = INT64_MAX;

    if (group->state == GROUP_PREPARING || group->state == GROUP_COMPLETING)
        next = group->deadline_ms;
    for (const struct member *m = group->members; m; m = m->next)
        if (!m->join && !m->sync && m->alive_until_ms < next)
            next = m->alive_until_ms;
    for (const struct promised *p = group->promised; p; p = p->next)
        if (p->until_ms < next)
            next = p->until_ms;
    return next;
}

static void on_timer(void *arg)
{
    struct groups *groups = arg;
    int64_t now = now_ms(groups), next = INT64_MAX;

    pthread_mutex_lock(&groups->lock);
    groups->armed_ms = INT64_MAX;
    for (size_t i = groups->count; i-- > 0;) { /* downwards: a group may be forgotten */
        struct group *group = groups->list[i];

        drop_promises(group, now);
        if (drop_silent(group, now))
            rebalance(groups, group);
        else
            advance(groups, group);
    }
    for (size_t i = 0; i < groups->count; i++) {
        int64_t at = next_deadline(groups->list[i]);

        next = at < next ? at : next;
    }
    if (next != INT64_MAX)
        arm(groups, next > now ? next : now + 10);
    pthread_mutex_unlock(&groups->lock);
}

/* ---- life --------------------------------------------------------------------------------- */

int groups_new(struct groups **out, struct broker *broker, struct err *err)
{
    struct groups *groups = calloc(1, sizeof(*groups));

    if (!groups)
        return err_set(err, ERR_NOMEM, "groups");
    groups->broker = broker;
    groups->armed_ms = INT64_MAX;
    pthread_mutex_init(&groups->lock, NULL);
    *out = groups;
    return 0;
}

int groups_start(struct groups *groups, struct err *err)
{
    return timer_new(&groups->timer, groups->broker->loops[0].loop, on_timer, groups, err);
}

void groups_stop(struct groups *groups)
{
    pthread_mutex_lock(&groups->lock);
    for (size_t i = 0; i < groups->count; i++) {
        struct group *group = groups->list[i];

        while (group->members)
            remove_member(group, group->members, NOT_COORDINATOR);
        group_free(group);
    }
    groups->count = 0;
    timer_free(groups->timer);
    groups->timer = NULL;
    pthread_mutex_unlock(&groups->lock);
}

void groups_free(struct groups *groups)
{
    if (!groups)
        return;
    free(groups->list);
    pthread_mutex_destroy(&groups->lock);
    free(groups);
}
