/* groups.c - consumer groups by the classic protocol: who is in, who leads, who gets what.
 *
 * A group goes EMPTY -> PREPARING (members join) -> COMPLETING (the leader assigns) -> STABLE, and
 * back to PREPARING whenever someone comes, goes, or changes what it can do. Joins are answered
 * together when all known members have joined, or when the longest rebalance timeout is over: those
 * missing are then dropped, static ones (KIP-345) kept. A new group waits rebalance_delay_ms first.
 * A member that is silent for its session timeout is dropped, unless it waits for an answer of
 * ours.
 *
 * Only members live here, in memory: after a restart they are told UNKNOWN_MEMBER_ID and join anew.
 * Offsets are rows in the metadata store (group_offsets.c). A group without members is forgotten.
 *
 * Threads: everything runs on the broker's first loop; the lock is for status, which reads.
 */
#include <stdio.h>

#include "kafka/groups_int.h"

#define GROUPS_MAX 10000

int64_t group_now_ms(const struct groups *groups)
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

char *group_copy(struct slice s)
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

struct group *group_make(struct groups *groups, struct slice name)
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
    if (!group || !(group->name = group_copy(name))) {
        free(group);
        return NULL;
    }
    memmove(groups->list + at + 1, groups->list + at,
            (groups->count - at) * sizeof(struct group *));
    groups->list[at] = group;
    groups->count++;
    return group;
}

void member_free(struct member *member)
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
void group_forget_if_empty(struct groups *groups, struct group *group)
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

int16_t member_check(struct group *group, struct slice id, struct slice instance,
                     int32_t generation, struct member **out)
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

void groups_arm(struct groups *groups, int64_t at_ms)
{
    int64_t left = at_ms - group_now_ms(groups);

    if (at_ms >= groups->armed_ms || !groups->timer)
        return;
    groups->armed_ms = at_ms;
    timer_start(groups->timer, left > 0 ? left : 0, 0);
}

void member_alive(struct groups *groups, struct member *member)
{
    member->alive_until_ms = group_now_ms(groups) + member->session_ms;
    groups_arm(groups, member->alive_until_ms);
}

void group_answer_join_error(struct request *req, int16_t error, struct slice member_id)
{
    struct join_group_response *out = req->out;

    out->error_code = error;
    out->generation_id = -1;
    out->member_id = arena_slice(&req->arena, member_id);
    out->protocol_name = req->version >= 7 ? (struct slice){NULL, 0} : SLICE_LIT("");
    out->leader = SLICE_LIT("");
    group_reply(req);
}

void member_end_join(struct member *member, int16_t error)
{
    struct request *req = member->join;

    if (!req)
        return;
    member->join = NULL;
    group_answer_join_error(req, error, slice_str(member->id));
    request_unref(req);
}

void member_end_sync(struct member *member, int16_t error)
{
    struct request *req = member->sync;

    if (!req)
        return;
    member->sync = NULL;
    ((struct sync_group_response *)req->out)->error_code = error;
    group_reply(req);
    request_unref(req);
}

void member_remove(struct group *group, struct member *member, int16_t error)
{
    struct member **at = &group->members;

    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    group->member_count--;
    member_end_join(member, error);
    member_end_sync(member, error);
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
        member_end_sync(m, REBALANCE_IN_PROGRESS);
    }
    group->state = GROUP_PREPARING;
    group->deadline_ms = group_now_ms(groups) + (group->fresh ? delay : longest_rebalance(group));
    groups_arm(groups, group->deadline_ms);
}

static bool can_do(const struct member *member, struct slice name)
{
    for (int32_t i = 0; i < member->protocol_count; i++)
        if (slice_eq(member->protocols[i].name, name))
            return true;
    return false;
}

bool group_all_can_do(const struct group *group, struct slice name, const struct member *but)
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

            if (!group_all_can_do(group, name, NULL))
                continue;
            for (const struct member *voter = group->members; voter; voter = voter->next)
                for (int32_t v = 0; v < voter->protocol_count; v++)
                    if (group_all_can_do(group, voter->protocols[v].name, NULL)) {
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
void group_answer_join(struct request *req, const struct group *group, const struct member *member,
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
        group_answer_join_error(req, COORDINATOR_NOT_AVAILABLE, slice_str(member->id));
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
            member_end_join(m, UNKNOWN_MEMBER_ID);
        if (!m->join && !m->instance)
            member_remove(group, m, UNKNOWN_MEMBER_ID);
    }
    group->fresh = false;
    if (group->members && !elect(group)) { /* only static members, none of them here yet */
        group->deadline_ms = group_now_ms(groups) + longest_rebalance(group);
        groups_arm(groups, group->deadline_ms);
        return;
    }
    group->generation++;
    if (!group->members) {
        group->state = GROUP_EMPTY;
        return;
    }
    protocol = choose_protocol(group);
    chosen = group_copy(protocol.ptr ? protocol : SLICE_LIT(""));
    free(group->protocol);
    group->protocol = chosen;
    group->state = GROUP_COMPLETING;
    group->deadline_ms = group_now_ms(groups) + longest_rebalance(group);
    groups_arm(groups, group->deadline_ms);
    for (struct member *m = group->members; m; m = m->next) {
        struct request *req = m->join;

        member_alive(groups, m);
        if (!req)
            continue;
        m->join = NULL;
        if (chosen && group->leader)
            group_answer_join(req, group, m, group->leader, false);
        else
            group_answer_join_error(req, COORDINATOR_NOT_AVAILABLE, slice_str(m->id));
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
void group_advance(struct groups *groups, struct group *group)
{
    if (group->state == GROUP_PREPARING &&
        (!group->members || (!group->fresh && all_joined(group)) ||
         group_now_ms(groups) >= group->deadline_ms))
        complete_joins(groups, group);
    group_forget_if_empty(groups, group);
}

/* Someone came, went or changed. */
void group_rebalance(struct groups *groups, struct group *group)
{
    if (group->state != GROUP_PREPARING)
        prepare(groups, group);
    group_advance(groups, group);
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
        member_remove(group, m, UNKNOWN_MEMBER_ID);
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
    int64_t now = group_now_ms(groups), next = INT64_MAX;

    pthread_mutex_lock(&groups->lock);
    groups->armed_ms = INT64_MAX;
    for (size_t i = groups->count; i-- > 0;) { /* downwards: a group may be forgotten */
        struct group *group = groups->list[i];

        drop_promises(group, now);
        if (drop_silent(group, now))
            group_rebalance(groups, group);
        else
            group_advance(groups, group);
    }
    for (size_t i = 0; i < groups->count; i++) {
        int64_t at = next_deadline(groups->list[i]);

        next = at < next ? at : next;
    }
    if (next != INT64_MAX)
        groups_arm(groups, next > now ? next : now + 10);
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
            member_remove(group, group->members, NOT_COORDINATOR);
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
