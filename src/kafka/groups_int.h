/* groups_int.h - what the files of the group coordinator share. */
#ifndef KAFKA_GROUPS_INT_H
#define KAFKA_GROUPS_INT_H

#include "kafka/kafka_int.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct protocol { /* one way of assigning that a member can do */
    struct slice name, metadata;
};

struct member {
    struct member *next;
    char *id;
    char *instance; /* NULL: a dynamic member */
    char *client_id, *client_host;
    int32_t session_ms, rebalance_ms;
    struct protocol *protocols; /* with their bytes, one allocation */
    int32_t protocol_count;
    struct buf assignment;
    struct request *join, *sync; /* held while they wait */
    int64_t alive_until_ms;      /* heartbeats move it */
};

struct promised { /* an id given out with MEMBER_ID_REQUIRED (KIP-394) */
    struct promised *next;
    char *id;
    int64_t until_ms;
};

struct group {
    char *name;
    enum group_state state;
    int32_t generation;
    char *protocol_type;    /* "consumer" */
    char *protocol;         /* the one chosen; NULL before */
    char *leader;           /* a member's id; NULL */
    struct member *members; /* in the order they came */
    int32_t member_count;
    struct promised *promised;
    bool fresh;          /* PREPARING for the first time: waits for the delay, then for nobody */
    int64_t deadline_ms; /* PREPARING: joins end; COMPLETING: syncs end */
};

struct groups {
    struct broker *broker;
    struct timer *timer;
    int64_t armed_ms;     /* when the timer fires; INT64_MAX: not armed */
    pthread_mutex_t lock; /* the handlers run on one loop; status looks in from elsewhere */
    struct group **list;  /* by name */
    size_t count, cap;
};

/* With the lock. */
struct group *group_find(struct groups *groups, struct slice name); /* or NULL */
struct member *member_find(struct group *group, struct slice id);
struct member *member_of_instance(struct group *group, struct slice instance);
const char *group_state_name(const struct group *group); /* NULL: "Dead" */
/* Is this the member, and of this generation? An error code of the protocol. */
int16_t member_check(struct group *group, struct slice id, struct slice instance,
                     int32_t generation, struct member **out);
void member_alive(struct groups *groups, struct member *member);

int64_t group_now_ms(const struct groups *groups);
char *group_copy(struct slice s); /* NUL-ended; NULL for null, or when memory ran out */
struct group *group_make(struct groups *groups, struct slice name); /* found or made; NULL: full */
void group_forget_if_empty(struct groups *groups, struct group *group);
void groups_arm(struct groups *groups, int64_t at_ms); /* wakes at that time, or before */
void member_free(struct member *member);
void member_remove(struct group *group, struct member *member, int16_t error);
/* Answer the join or sync that waits, if one does. */
void member_end_join(struct member *member, int16_t error);
void member_end_sync(struct member *member, int16_t error);
bool group_all_can_do(const struct group *group, struct slice protocol, const struct member *but);
void group_answer_join_error(struct request *req, int16_t error, struct slice member_id);
void group_answer_join(struct request *req, const struct group *group, const struct member *member,
                       const char *leader, bool skip_assignment);
/* Someone came, went or changed: everyone joins again. And: does what the state now allows. The
 * group may be gone after either. */
void group_rebalance(struct groups *groups, struct group *group);
void group_advance(struct groups *groups, struct group *group);

/* Answers from the groups' loop, wherever the connection lives. */
void group_reply(struct request *req);

#endif
