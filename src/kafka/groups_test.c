/* groups_test.c - consumer groups, spoken to over real sockets. */
#include "kafka/broker_fixture.h"

static struct join_group_request *a_join(struct fixture *f, const char *member)
{
    static struct join_group_protocol protocols[] = {{SLICE_LIT("range"), SLICE_LIT("meta")}};
    struct join_group_request *in = NEW(f, join_group_request_schema);

    in->group_id = SLICE_LIT("g");
    in->session_timeout_ms = 5000;
    in->rebalance_timeout_ms = 5000;
    in->member_id = slice_str(member);
    in->protocol_type = SLICE_LIT("consumer");
    in->protocols.items = protocols;
    in->protocols.count = 1;
    return in;
}

/* The id that the group promises (KIP-394). */
static const char *promised(struct fixture *f, int fd)
{
    struct join_group_response *out = call(f, fd, 11, 5, a_join(f, ""));

    assert_int_equal(out->error_code, MEMBER_ID_REQUIRED);
    assert_true(out->member_id.len > 0);
    return arena_cstr(&f->arena, out->member_id);
}

static struct sync_group_request *a_sync(struct fixture *f, const char *member, int32_t generation)
{
    struct sync_group_request *in = NEW(f, sync_group_request_schema);

    in->group_id = SLICE_LIT("g");
    in->generation_id = generation;
    in->member_id = slice_str(member);
    return in;
}

static int16_t heartbeat(struct fixture *f, int fd, const char *member, int32_t generation)
{
    struct heartbeat_request *in = NEW(f, heartbeat_request_schema);

    in->group_id = SLICE_LIT("g");
    in->generation_id = generation;
    in->member_id = slice_str(member);
    return ((struct heartbeat_response *)call(f, fd, 12, 3, in))->error_code;
}

static void two_members_share_and_one_leaves(void **state)
{
    struct fixture *f = *state;
    int a = dial(f, 0), b = dial(f, 1); /* on two loops */
    struct sync_group_request *sync;
    struct join_group_response *ja, *jb;
    struct sync_group_response *sa, *sb;
    const char *ida = promised(f, a), *idb;
    struct sync_group_assignment shares[2];
    struct leave_group_request *leave = NEW(f, leave_group_request_schema);

    make_topic(f, "t", 1, false);
    ja = call(f, a, 11, 5, a_join(f, ida)); /* alone: at once */
    assert_int_equal(ja->error_code, NONE);
    assert_int_equal(ja->generation_id, 1);
    assert_int_equal(ja->members.count, 1);
    sync = a_sync(f, ida, 1);
    shares[0] = (struct sync_group_assignment){slice_str(ida), SLICE_LIT("all")};
    sync->assignments.items = shares;
    sync->assignments.count = 1;
    sa = call(f, a, 14, 3, sync);
    assert_true(slice_is(sa->assignment, "all"));
    assert_int_equal(heartbeat(f, a, ida, 1), NONE);
    assert_int_equal(heartbeat(f, a, ida, 7), ILLEGAL_GENERATION);
    assert_int_equal(heartbeat(f, a, "who", 1), UNKNOWN_MEMBER_ID);

    idb = promised(f, b);
    ask(f, b, 11, 5, 500, a_join(f, idb)); /* waits for the other */
    for (int i = 0; i < 100 && heartbeat(f, a, ida, 1) != REBALANCE_IN_PROGRESS; i++)
        usleep(10000);
    assert_int_equal(heartbeat(f, a, ida, 1), REBALANCE_IN_PROGRESS);
    ja = call(f, a, 11, 5, a_join(f, ida));
    jb = answer(f, b, 11, 5, 500);
    assert_int_equal(ja->generation_id, 2);
    assert_int_equal(jb->generation_id, 2);
    assert_true(slice_is(ja->leader, ida) && slice_is(jb->leader, ida));
    assert_int_equal(ja->members.count, 2);
    assert_int_equal(jb->members.count, 0);

    ask(f, b, 14, 3, 501, a_sync(f, idb, 2)); /* waits for the leader's word */
    sync = a_sync(f, ida, 2);
    shares[0] = (struct sync_group_assignment){slice_str(ida), SLICE_LIT("half a")};
    shares[1] = (struct sync_group_assignment){slice_str(idb), SLICE_LIT("half b")};
    sync->assignments.items = shares;
    sync->assignments.count = 2;
    sa = call(f, a, 14, 3, sync);
    sb = answer(f, b, 14, 3, 501);
    assert_true(slice_is(sa->assignment, "half a"));
    assert_true(slice_is(sb->assignment, "half b"));

    assert_int_equal(commit_offset(f, a, ida, 1, 5), ILLEGAL_GENERATION);
    assert_int_equal(commit_offset(f, a, "who", 2, 5), UNKNOWN_MEMBER_ID);
    assert_int_equal(commit_offset(f, a, "", -1, 5),
                     UNKNOWN_MEMBER_ID); /* the group is not empty */
    assert_int_equal(commit_offset(f, b, idb, 2, 17), NONE);
    assert_int_equal(committed(f, a), 17);

    leave->group_id = SLICE_LIT("g");
    leave->member_id = slice_str(ida);
    assert_int_equal(((struct leave_group_response *)call(f, a, 13, 1, leave))->error_code, NONE);
    assert_int_equal(heartbeat(f, b, idb, 2), REBALANCE_IN_PROGRESS);
    jb = call(f, b, 11, 5, a_join(f, idb));
    assert_int_equal(jb->generation_id, 3);
    assert_true(slice_is(jb->leader, idb));
    close(a);
    close(b);
}

static void offsets_survive_a_restart_and_go_with_their_topic(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    assert_int_equal(committed(f, fd), -1);
    assert_int_equal(commit_offset(f, fd, "", -1, 42), NONE); /* no members: from outside */
    assert_int_equal(commit_offset(f, fd, "", -1, 43), NONE);
    close(fd);
    down(f);
    up(f);
    fd = dial(f, 0);
    assert_int_equal(committed(f, fd), 43);
    assert_int_equal(topic_delete_wait(f->broker, "t", NULL), 0);
    make_topic(f, "t", 1, false);
    assert_int_equal(committed(f, fd), -1);
    close(fd);
}

static void a_silent_member_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);
    struct join_group_request *in;
    struct join_group_response *out;
    const char *id = promised(f, fd);

    in = a_join(f, id);
    in->session_timeout_ms = 1000;
    out = call(f, fd, 11, 5, in);
    assert_int_equal(out->error_code, NONE);
    assert_int_equal(heartbeat(f, fd, id, 1), NONE);
    usleep(1300000);
    assert_int_equal(heartbeat(f, fd, id, 1), UNKNOWN_MEMBER_ID);
    close(fd);
}

static void a_static_member_comes_back_without_a_rebalance(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);
    struct join_group_request *in = a_join(f, "");
    struct join_group_response *first, *second;
    struct sync_group_assignment share;
    struct sync_group_request *sync;
    const char *old, *id;

    in->group_instance_id = SLICE_LIT("machine-1");
    first = call(f, fd, 11, 7, in);
    assert_int_equal(first->error_code, NONE); /* static: no promise */
    old = arena_cstr(&f->arena, first->member_id);
    sync = a_sync(f, old, 1);
    share = (struct sync_group_assignment){slice_str(old), SLICE_LIT("mine")};
    sync->assignments.items = &share;
    sync->assignments.count = 1;
    call(f, fd, 14, 3, sync);
    second = call(f, fd, 11, 9, in); /* after a restart of the client */
    assert_int_equal(second->error_code, NONE);
    assert_int_equal(second->generation_id, 1);
    assert_true(second->skip_assignment);
    assert_false(slice_is(second->member_id, old));
    id = arena_cstr(&f->arena, second->member_id);
    sync = a_sync(f, id, 1);
    sync->group_instance_id = SLICE_LIT("machine-1");
    assert_true(
        slice_is(((struct sync_group_response *)call(f, fd, 14, 3, sync))->assignment, "mine"));
    sync->member_id = slice_str(old);
    assert_int_equal(((struct sync_group_response *)call(f, fd, 14, 3, sync))->error_code,
                     FENCED_INSTANCE_ID);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_members_share_and_one_leaves),
        CASE(offsets_survive_a_restart_and_go_with_their_topic),
        CASE(a_silent_member_is_dropped),
        CASE(a_static_member_comes_back_without_a_rebalance),
    };

    diag_set_sink(quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
