/* broker_test.c - the broker over real sockets: bad frames, order, long polling, what is refused,
 * what a restart, a power loss and a full disk leave. Groups are in groups_test.c; real clients are
 * driven in tests/clients/. */
#include "kafka/broker_fixture.h"

/* ---- frames ------------------------------------------------------------------------------- */

static bool is_closed(int fd)
{
    uint8_t byte;
    bool over = !pull(fd, &byte, 1);

    close(fd);
    return over;
}

static void bad_frames_close_the_connection_and_nothing_else(void **state)
{
    static const struct {
        const char *why;
        uint8_t bytes[20];
        size_t len;
    } bad[] = {
        {"claims 2 GB", {0x7f, 0xff, 0xff, 0xff, 0, 0}, 6},
        {"negative length", {0xff, 0xff, 0xff, 0xff, 0, 0}, 6},
        {"length zero", {0, 0, 0, 0, 0, 0}, 6},
        {"no room for a header", {0, 0, 0, 3, 0, 18, 0}, 7},
        {"unknown API", {0, 0, 0, 10, 9, 99, 0, 0, 0, 0, 0, 1, 255, 255}, 14},
        {"unknown version of Fetch", {0, 0, 0, 10, 0, 1, 0, 99, 0, 0, 0, 1, 255, 255}, 14},
        {"client id past the end", {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0, 99}, 14},
        {"body cut short", {0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 1, 255, 255, 0, 0}, 16},
        {"HTTP", "GET / HTTP/1.1\r\n\r\n", 18},
    };
    struct fixture *f = *state;
    int witness = dial(f, 0);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int fd = dial(f, 0);

        push(fd, bad[i].bytes, bad[i].len);
        if (!is_closed(fd))
            fail_msg("%s: still open", bad[i].why);
    }
    call(f, witness, 18, 3, NEW(f, api_versions_request_schema));
    close(witness);
}

static void half_a_frame_waits_for_the_rest(void **state)
{
    static const uint8_t frame[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 255, 255};
    struct fixture *f = *state;
    int fd = dial(f, 0);

    for (size_t i = 0; i < sizeof(frame); i++) {
        push(fd, frame + i, 1);
        usleep(1000);
    }
    answer(f, fd, 18, 0, 9);
    push(fd, frame, 7); /* and one that never comes whole */
    close(fd);
}

/* librdkafka up to 2.8 sends three bytes too many in Metadata version 12. */
static void bytes_after_a_request_are_ignored(void **state)
{
    static const uint8_t frame[] = {0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 6, 255, 255, 7};
    struct fixture *f = *state;
    int fd = dial(f, 0);

    push(fd, frame, sizeof(frame));
    answer(f, fd, 18, 0, 6);
    call(f, fd, 18, 0, NEW(f, api_versions_request_schema));
    close(fd);
}

static void an_unknown_version_of_api_versions_is_answered_in_version_0(void **state)
{
    static const uint8_t frame[] = {0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 5, 255, 255, 0, 1, 2};
    struct fixture *f = *state;
    int fd = dial(f, 0);
    struct api_versions_response *out;

    push(fd, frame, sizeof(frame));
    out = answer(f, fd, 18, 0, 5);
    assert_int_equal(out->error_code, UNSUPPORTED_VERSION);
    assert_int_equal(out->api_keys.count, api_count);
    close(fd);
}

static void answers_come_in_the_order_of_the_questions(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);
    struct fetch_response *waited;

    make_topic(f, "t", 1, false);
    ask(f, fd, 1, 11, 1, a_fetch(f, "t", 0, 1, 5000)); /* parked until the produce below */
    ask(f, fd, 18, 0, 2, NEW(f, api_versions_request_schema));
    ask(f, fd, 0, 9, 3, a_produce(f, "t", 0, 1, a_batch(f, "x", 1, -1, -1)));
    ask(f, fd, 0, 9, 4, a_produce(f, "t", 0, 0, a_batch(f, "x", 1, -1, -1))); /* acks=0: none */
    ask(f, fd, 18, 0, 5, NEW(f, api_versions_request_schema));
    waited = answer(f, fd, 1, 11, 1);
    assert_true(first_part(waited)->records.bytes.len > 0);
    answer(f, fd, 18, 0, 2);
    answer(f, fd, 0, 9, 3);
    answer(f, fd, 18, 0, 5);
    close(fd);
}

/* ---- records ------------------------------------------------------------------------------ */

static void gives_back_what_was_produced_after_a_restart_too(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);

    make_topic(f, "t", 3, false);
    for (int i = 0; i < 20; i++) {
        struct produce_partition_reply *p = produce(f, fd, "t", 2, a_batch(f, "hello", 3, -1, -1));

        assert_int_equal(p->error_code, NONE);
        assert_int_equal(p->base_offset, i * 3);
    }
    close(fd);
    for (int pass = 0; pass < 2; pass++) {
        struct fetch_request *in = a_fetch(f, "t", 30, 1, 1000);
        struct fetch_partition_reply *p;
        struct slice rest;
        int64_t offset = 30;

        fd = dial(f, 1);
        in->topics.items[0].partitions.items[0].partition = 2;
        p = first_part(call(f, fd, 1, 11, in));
        assert_int_equal(p->error_code, NONE);
        assert_int_equal(p->high_watermark, 60);
        rest = p->records.bytes;
        while (rest.len) {
            struct batch batch;

            assert_int_equal(batch_next(&rest, true, &batch, NULL, NULL), 0);
            assert_int_equal(batch.base_offset, offset);
            offset += batch.count;
        }
        assert_int_equal(offset, 60);
        close(fd);
        down(f);
        up(f);
    }
}

/* Large answers go by sendfile, small ones by copy: both must be the same bytes. */
static void large_and_small_answers_hold_the_same_records(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);
    char *text = arena_alloc(&f->arena, 3001);
    int64_t offset = 0, batches = 0;

    memset(text, 'y', 3000);
    make_topic(f, "t", 1, false);
    for (int i = 0; i < 100; i++)
        produce(f, fd, "t", 0, a_batch(f, text, 1 + i % 4, -1, -1));
    for (int32_t max = 1; offset < 250; max = max * 5 % 300007) {
        struct fetch_request *in = a_fetch(f, "t", offset, 1, 1000);
        struct fetch_partition_reply *p;
        struct slice rest;

        in->topics.items[0].partitions.items[0].partition_max_bytes = max;
        p = first_part(call(f, fd, 1, 12, in));
        assert_int_equal(p->error_code, NONE);
        rest = p->records.bytes;
        assert_true(rest.len > 0);
        while (rest.len) {
            struct batch batch;

            assert_int_equal(batch_next(&rest, true, &batch, NULL, NULL), 0);
            assert_int_equal(batch.base_offset, offset);
            offset += batch.count;
            batches++;
        }
    }
    assert_int_equal(batches, 100);
    close(fd);
}

static void a_fetch_waits_no_longer_than_it_said(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_mono_ms(clock_system());
    int fd = dial(f, 0);
    struct fetch_partition_reply *p;

    make_topic(f, "t", 1, false);
    p = first_part(call(f, fd, 1, 11, a_fetch(f, "t", 0, 1, 150)));
    assert_int_equal(p->error_code, NONE);
    assert_int_equal(p->records.bytes.len, 0);
    assert_true(clock_mono_ms(clock_system()) - before >= 149);
    p = first_part(call(f, fd, 1, 11, a_fetch(f, "t", 1, 1, 5000))); /* an error does not wait */
    assert_int_equal(p->error_code, OFFSET_OUT_OF_RANGE);
    p = first_part(call(f, fd, 1, 11, a_fetch(f, "nothing", 0, 1, 5000)));
    assert_int_equal(p->error_code, UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(clock_mono_ms(clock_system()) - before < 4000);
    close(fd);
}

static void a_waiting_fetch_learns_that_its_topic_is_gone(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    ask(f, fd, 1, 11, 1, a_fetch(f, "t", 0, 1, 8000));
    usleep(50000);
    assert_int_equal(topic_delete_wait(f->broker, "t", NULL), 0);
    assert_int_equal(first_part(answer(f, fd, 1, 11, 1))->error_code, UNKNOWN_TOPIC_OR_PARTITION);
    close(fd);
}

static void refuses_what_must_not_be_written(void **state)
{
    struct fixture *f = *state;
    struct produce_request *in;
    struct slice batch, big;
    uint8_t *bytes;
    char *text = arena_alloc(&f->arena, 1100001);
    int fd = dial(f, 0);

    memset(text, 'z', 1100000);
    make_topic(f, "t", 1, false);
    make_topic(f, "dlq", 1, true);
    batch = a_batch(f, "x", 2, -1, -1);
    assert_int_equal(produce(f, fd, "nothing", 0, batch)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produce(f, fd, "t", 1, batch)->error_code, UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produce(f, fd, "dlq", 0, batch)->error_code, TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(produce(f, fd, "t", 0, SLICE_LIT(""))->error_code, INVALID_RECORD);
    big = a_batch(f, text, 1, -1, -1);
    assert_int_equal(produce(f, fd, "t", 0, big)->error_code, MESSAGE_TOO_LARGE);
    bytes = (uint8_t *)batch.ptr;
    bytes[70] ^= 1; /* a wrong CRC */
    assert_int_equal(produce(f, fd, "t", 0, batch)->error_code, CORRUPT_MESSAGE);
    bytes[70] ^= 1;
    bytes[16] = 1; /* magic 1 */
    assert_int_equal(produce(f, fd, "t", 0, batch)->error_code, UNSUPPORTED_FOR_MESSAGE_FORMAT);
    bytes[16] = 2;
    in = a_produce(f, "t", 0, 2, batch);
    assert_int_equal(((struct produce_response *)call(f, fd, 0, 9, in))
                         ->responses.items[0]
                         .partition_responses.items[0]
                         .error_code,
                     INVALID_REQUIRED_ACKS);
    in = a_produce(f, "t", 0, -1, batch);
    in->transactional_id = SLICE_LIT("tx");
    assert_int_equal(((struct produce_response *)call(f, fd, 0, 9, in))
                         ->responses.items[0]
                         .partition_responses.items[0]
                         .error_code,
                     TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(produce(f, fd, "t", 0, batch)->base_offset, 0); /* nothing was written */
    close(fd);
}

static void an_idempotent_batch_sent_again_is_kept_once(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(produce(f, fd, "t", 0, a_batch(f, "x", 2, 77, 0))->base_offset, 0);
    assert_int_equal(produce(f, fd, "t", 0, a_batch(f, "x", 2, 77, 2))->base_offset, 2);
    assert_int_equal(produce(f, fd, "t", 0, a_batch(f, "x", 2, 77, 9))->error_code,
                     OUT_OF_ORDER_SEQUENCE_NUMBER);
    close(fd);
}

/* Reads the first partition from the start: how many records there are. */
static int64_t count_records(struct fixture *f, int fd, const char *topic)
{
    int64_t offset = 0;

    for (;;) {
        struct fetch_partition_reply *p =
            first_part(call(f, fd, 1, 11, a_fetch(f, topic, offset, 1, 10)));
        struct slice rest = p->records.bytes;
        struct batch batch;

        assert_int_equal(p->error_code, NONE);
        if (!rest.len)
            return offset;
        while (rest.len) {
            assert_int_equal(batch_next(&rest, true, &batch, NULL, NULL), 0);
            assert_int_equal(batch.base_offset, offset);
            offset += batch.count;
        }
    }
}

static void what_was_acknowledged_survives_a_power_loss(void **state)
{
    struct fixture *f = *state;
    int64_t acknowledged = 0;

    make_topic(f, "t", 1, false);
    for (int round = 0; round < 5; round++) {
        int fd = dial(f, 0);

        for (int i = 0; i < 10; i++) {
            struct produce_partition_reply *p =
                produce(f, fd, "t", 0, a_batch(f, "text", 2, -1, -1));

            assert_int_equal(p->error_code, NONE);
            acknowledged = p->base_offset + 2;
        }
        assert_int_equal(commit_offset(f, fd, "", -1, acknowledged), NONE);
        disk_sim_power_loss(f->sim);
        close(fd);
        down(f);
        disk_sim_reboot(f->sim);
        up(f);
        fd = dial(f, 0);
        assert_int_equal(count_records(f, fd, "t"), acknowledged);
        assert_int_equal(committed(f, fd), acknowledged);
        close(fd);
    }
}

static void a_full_disk_is_told_and_the_broker_lives_on(void **state)
{
    struct fixture *f = *state;
    struct produce_partition_reply *p;
    int64_t acknowledged = 0;
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    disk_sim_capacity(f->sim, 300000);
    do {
        p = produce(f, fd, "t", 0, a_batch(f, "some text that fills the disk", 100, -1, -1));
        if (!p->error_code)
            acknowledged = p->base_offset + 100;
    } while (!p->error_code);
    assert_int_equal(p->error_code, KAFKA_STORAGE_ERROR);
    assert_true(acknowledged > 0);
    assert_int_equal(count_records(f, fd, "t"), acknowledged);
    disk_sim_capacity(f->sim, -1);
    p = produce(f, fd, "t", 0, a_batch(f, "there is room again", 1, -1, -1));
    assert_int_equal(p->error_code, NONE);
    assert_int_equal(count_records(f, fd, "t"), acknowledged + 1);
    close(fd);
}

/* ---- topics ------------------------------------------------------------------------------- */

static struct metadata_response *metadata(struct fixture *f, int fd, const char *topic)
{
    struct metadata_request *in = NEW(f, metadata_request_schema);
    struct metadata_topic *t = ARENA_NEW(&f->arena, struct metadata_topic);

    in->topics.items = t;
    in->topics.count = topic ? 1 : -1;
    in->allow_auto_topic_creation = true;
    t->name = slice_str(topic);
    return call(f, fd, 3, 12, in);
}

static void each_listener_advertises_its_own_address(void **state)
{
    struct fixture *f = *state;
    int inside = dial(f, 0), outside = dial(f, 1);
    struct metadata_response *out = metadata(f, inside, NULL);

    assert_true(slice_is(out->brokers.items[0].host, "127.0.0.1"));
    assert_int_equal(out->brokers.items[0].port, broker_port(f->broker, 0));
    out = metadata(f, outside, NULL);
    assert_true(slice_is(out->brokers.items[0].host, "outside"));
    assert_int_equal(out->brokers.items[0].port, 4711);
    close(inside);
    close(outside);
}

static void topics_are_made_on_demand_only_when_told_so(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f, 0);

    assert_int_equal(metadata(f, fd, "new")->topics.items[0].error_code,
                     UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(metadata(f, fd, "a/b")->topics.items[0].error_code, INVALID_TOPIC_EXCEPTION);
    close(fd);
    down(f);
    f->options.auto_create = true;
    f->options.default_partitions = 5;
    up(f);
    fd = dial(f, 0);
    assert_int_equal(metadata(f, fd, "new")->topics.items[0].error_code, NONE);
    assert_int_equal(metadata(f, fd, "new")->topics.items[0].partitions.count, 5);
    assert_int_equal(metadata(f, fd, "a/b")->topics.items[0].error_code, INVALID_TOPIC_EXCEPTION);
    close(fd);
}

static void a_topic_made_again_does_not_meet_its_old_records(void **state)
{
    struct fixture *f = *state;
    struct topic *old;
    struct buf bytes = {0};
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    produce(f, fd, "t", 0, a_batch(f, "old", 3, -1, -1));
    old = topic_find(f->broker, "t");
    assert_int_equal(topic_delete_wait(f->broker, "t", NULL), 0);
    assert_null(topic_find(f->broker, "t"));
    make_topic(f, "t", 1, false);
    assert_int_equal(produce(f, fd, "t", 0, a_batch(f, "new", 1, -1, -1))->base_offset, 0);
    assert_true(topic_is_deleted(old)); /* who still holds it can still read it */
    assert_int_equal(log_read(topic_log(old, 0), 0, 1000, true, &bytes, NULL), 0);
    assert_true(bytes.len > 0);
    topic_unref(old);
    buf_deinit(&bytes);
    close(fd);
    down(f);
    up(f);
    old = topic_find(f->broker, "t");
    assert_int_equal(log_offsets(topic_log(old, 0)).end, 1);
    topic_unref(old);
}

static void wrong_names_and_settings_are_refused_with_a_reason(void **state)
{
    static const struct broker_config compact = {"cleanup.policy", "compact"},
                                      soon = {"retention.ms", "soon"}, unknown = {"no.such", "1"};
    static const struct {
        struct topic_options options;
        int code;
    } bad[] = {
        {{.name = "", .partitions = 1}, ERR_INVALID},
        {{.name = ".", .partitions = 1}, ERR_INVALID},
        {{.name = "..", .partitions = 1}, ERR_INVALID},
        {{.name = "a/b", .partitions = 1}, ERR_INVALID},
        {{.name = "a b", .partitions = 1}, ERR_INVALID},
        {{.name = "p", .partitions = 0}, ERR_INVALID},
        {{.name = "p", .partitions = 1000000}, ERR_INVALID},
        {{.name = "c", .partitions = 1, .config_count = 1, .configs = &compact}, ERR_INVALID},
        {{.name = "c", .partitions = 1, .config_count = 1, .configs = &soon}, ERR_INVALID},
        {{.name = "c", .partitions = 1, .config_count = 1, .configs = &unknown}, ERR_INVALID},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};

        assert_int_equal(topic_create_wait(f->broker, &bad[i].options, NULL, &err), bad[i].code);
        assert_true(err.text[0] != '\0');
    }
    make_topic(f, "t", 1, false);
    assert_int_equal(topic_create_wait(f->broker,
                                       &(struct topic_options){.name = "t", .partitions = 1}, NULL,
                                       NULL),
                     ERR_EXISTS);
    assert_int_equal(topic_delete_wait(f->broker, "none", NULL), ERR_NOENT);
}

struct owned_commit {
    const char *id;
    int64_t end;
};

static int commit_owned(struct meta_txn *txn, void *arg, struct err *err)
{
    struct owned_commit *c = arg;

    return topic_commit_in(txn, c->id, 0, c->end, err);
}

static void an_owned_topic_shows_what_its_job_has_committed(void **state)
{
    struct fixture *f = *state;
    struct log_append_result result;
    struct topic *topic;
    struct owned_commit commit;

    make_topic(f, "out", 1, true);
    topic = topic_find(f->broker, "out");
    for (int i = 0; i < 4; i++) {
        struct slice batch = a_batch(f, "x", 5, -1, -1);

        assert_int_equal(topic_append(topic, 0, (uint8_t *)batch.ptr, batch.len, &result, NULL), 0);
    }
    assert_int_equal(log_flush(topic_log(topic, 0), NULL), 0);
    commit = (struct owned_commit){topic_id(topic), 10};
    assert_int_equal(meta_write_wait(f->meta, commit_owned, &commit, NULL), 0);
    assert_int_equal(log_offsets(topic_log(topic, 0)).high_watermark, 0);
    topic_committed(topic, 0, 10);
    assert_int_equal(log_offsets(topic_log(topic, 0)).high_watermark, 10);
    topic_unref(topic);
    down(f);
    up(f);
    topic = topic_find(f->broker, "out");
    assert_int_equal(log_offsets(topic_log(topic, 0)).end, 10);
    assert_int_equal(log_offsets(topic_log(topic, 0)).high_watermark, 10);
    topic_unref(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bad_frames_close_the_connection_and_nothing_else),
        CASE(half_a_frame_waits_for_the_rest),
        CASE(bytes_after_a_request_are_ignored),
        CASE(an_unknown_version_of_api_versions_is_answered_in_version_0),
        CASE(answers_come_in_the_order_of_the_questions),
        CASE(gives_back_what_was_produced_after_a_restart_too),
        CASE(large_and_small_answers_hold_the_same_records),
        CASE(a_fetch_waits_no_longer_than_it_said),
        CASE(a_waiting_fetch_learns_that_its_topic_is_gone),
        CASE(refuses_what_must_not_be_written),
        CASE(an_idempotent_batch_sent_again_is_kept_once),
        CASE(each_listener_advertises_its_own_address),
        CASE(topics_are_made_on_demand_only_when_told_so),
        CASE(a_topic_made_again_does_not_meet_its_old_records),
        CASE(wrong_names_and_settings_are_refused_with_a_reason),
        CASE(an_owned_topic_shows_what_its_job_has_committed),
        CASE_SIM(large_and_small_answers_hold_the_same_records),
        CASE_SIM(gives_back_what_was_produced_after_a_restart_too),
        CASE_SIM(what_was_acknowledged_survives_a_power_loss),
        CASE_SIM(a_full_disk_is_told_and_the_broker_lives_on),
    };

    diag_set_sink(quiet, NULL); /* it warns of each refusal */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
