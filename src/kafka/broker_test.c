/* broker_test.c - the broker over real sockets, spoken to through the same tables from the other
 * side: bad frames, order, long polling, groups, what a restart keeps. Real clients are driven in
 * tests/clients/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/be.h"
#include "base/disk_sim.h"
#include "kafka/kafka_int.h"

struct fixture {
    char dir[64], meta_path[96], log_path[96];
    struct disk_sim *sim; /* NULL: the machine's disk */
    struct meta *meta;
    struct workers *workers;
    struct broker *broker;
    struct broker_options options;
    struct broker_listener listeners[2];
    struct arena arena;
};

static void up(struct fixture *f)
{
    static const struct meta_migration *const lists[] = {broker_migrations, NULL};
    struct err err = {0};
    int rc = workers_new(&f->workers, "test", 2, 256, &err);

    if (!rc)
        rc = meta_new(&f->meta, &(struct meta_options){.path = f->meta_path,
                                                       .disk = f->options.disk,
                                                       .clock = clock_system(),
                                                       .migrations = lists}, &err);
    f->options.meta = f->meta;
    f->options.workers = f->workers;
    if (!rc)
        rc = broker_new(&f->broker, &f->options, &err);
    if (!rc)
        rc = broker_start(f->broker, &err);
    if (rc)
        fail_msg("start: %s", err.text);
}

static void down(struct fixture *f)
{
    broker_stop(f->broker);
    broker_free(f->broker);
    meta_free(f->meta);
    workers_free(f->workers);
    f->broker = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/broker_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->meta_path, sizeof(f->meta_path), "%s/meta.db", f->dir);
    snprintf(f->log_path, sizeof(f->log_path), "%s/log", f->dir);
    f->listeners[0] = (struct broker_listener){.address = "127.0.0.1"};
    f->listeners[1] = (struct broker_listener){.address = "127.0.0.1", .advertised_host = "outside",
                                               .advertised_port = 4711};
    f->options = (struct broker_options){.disk = disk_system(), .clock = clock_system(),
                                         .dir = f->log_path, .listeners = f->listeners,
                                         .listener_count = 2, .threads = 2};
    up(f);
    *state = f;
    return 0;
}

/* The same on a disk in memory, which has no file descriptors and may lose power or fill up. */
static int set_up_sim(void **state)
{
    struct fixture *f;

    if (set_up(state))
        return -1;
    f = *state;
    down(f);
    strcpy(f->meta_path, "data/meta.db");
    strcpy(f->log_path, "data/log");
    if (disk_sim_new(&f->sim, 1, NULL))
        return -1;
    f->options.disk = disk_sim_disk(f->sim);
    if (disk_mkdirs(f->options.disk, "data", NULL))
        return -1;
    up(f);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->broker)
        down(f);
    arena_deinit(&f->arena);
    disk_remove_tree(disk_system(), f->dir, NULL);
    disk_sim_free(f->sim);
    free(f);
    return 0;
}

/* ---- the other side of the wire ----------------------------------------------------------- */

static int dial(struct fixture *f, size_t listener)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)broker_port(f->broker, listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void push(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* False at the end of the connection. */
static bool pull(int fd, void *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (uint8_t *)bytes + got, len - got, 0);

        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void ask(struct fixture *f, int fd, int16_t key, int version, int32_t correlation,
                const void *message)
{
    const struct api *api = api_find(key);
    bool flexible = version >= api->flexible;
    uint8_t head[14] = {0};
    struct buf frame = {0};

    be16_put(head + 4, (uint16_t)key);
    be16_put(head + 6, (uint16_t)version);
    be32_put(head + 8, (uint32_t)correlation);
    be16_put(head + 12, 0xffff); /* no client id */
    assert_int_equal(buf_append(&frame, head, sizeof(head)), 0);
    if (flexible)
        assert_int_equal(buf_append_u8(&frame, 0), 0);
    assert_int_equal(schema_encode(api->request, version, flexible, message, &f->arena, &frame, NULL,
                                   NULL), 0);
    be32_put(frame.ptr, (uint32_t)(frame.len - 4));
    push(fd, frame.ptr, frame.len);
    buf_deinit(&frame);
}

/* The next answer, which must be the one to `correlation`. */
static void *answer(struct fixture *f, int fd, int16_t key, int version, int32_t correlation)
{
    const struct api *api = api_find(key);
    bool flexible = version >= api->flexible;
    void *message = arena_alloc(&f->arena, api->response->size);
    uint8_t head[8], *body;
    struct slice in;
    struct err err = {0};
    size_t len;

    assert_true(pull(fd, head, sizeof(head)));
    assert_int_equal(be32_get(head + 4), correlation);
    len = be32_get(head) - 4;
    body = arena_alloc(&f->arena, len + 1);
    assert_true(pull(fd, body, len));
    in = slice_of(body, len);
    if (flexible && key != 18)
        assert_int_equal(schema_skip_tags(&in, NULL), 0);
    if (schema_decode(api->response, version, flexible, &in, &f->arena, message, &err))
        fail_msg("answer to %s: %s", api->name, err.text);
    assert_int_equal(in.len, 0);
    return message;
}

static void *call(struct fixture *f, int fd, int16_t key, int version, const void *message)
{
    static int32_t correlation;

    ask(f, fd, key, version, ++correlation, message);
    return answer(f, fd, key, version, correlation);
}

#define NEW(f, schema) new_message(f, &schema)
static void *new_message(struct fixture *f, const struct schema *schema)
{
    void *message = arena_alloc(&f->arena, schema->size);

    schema_defaults(schema, message);
    return message;
}

/* ---- requests ----------------------------------------------------------------------------- */

static struct slice a_batch(struct fixture *f, const char *text, int count, int64_t pid,
                            int32_t sequence)
{
    struct batch_builder builder;
    struct buf bytes = {0};
    struct slice copy;

    batch_builder_init(&builder);
    builder.producer_id = pid;
    builder.producer_epoch = pid < 0 ? -1 : 0;
    builder.base_sequence = sequence;
    for (int i = 0; i < count; i++)
        assert_int_equal(batch_builder_add(&builder, 1000, (struct slice){0}, slice_str(text), NULL,
                                           0), 0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL), 0);
    copy = arena_slice(&f->arena, buf_slice(&bytes));
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
    return copy;
}

static struct produce_request *a_produce(struct fixture *f, const char *topic, int32_t partition,
                                         int16_t acks, struct slice records)
{
    struct produce_request *in = NEW(f, produce_request_schema);
    struct produce_topic *t = ARENA_NEW(&f->arena, struct produce_topic);
    struct produce_partition *p = ARENA_NEW(&f->arena, struct produce_partition);

    in->acks = acks;
    in->topic_data.items = t;
    in->topic_data.count = 1;
    t->name = slice_str(topic);
    t->partition_data.items = p;
    t->partition_data.count = 1;
    p->index = partition;
    p->records.bytes = records;
    return in;
}

static struct produce_partition_reply *produce(struct fixture *f, int fd, const char *topic,
                                               int32_t partition, struct slice records)
{
    struct produce_response *out =
        call(f, fd, 0, 9, a_produce(f, topic, partition, -1, records));

    assert_int_equal(out->responses.count, 1);
    return &out->responses.items[0].partition_responses.items[0];
}

static struct fetch_request *a_fetch(struct fixture *f, const char *topic, int64_t offset,
                                     int32_t min_bytes, int32_t max_wait_ms)
{
    struct fetch_request *in = NEW(f, fetch_request_schema);
    struct fetch_topic *t = ARENA_NEW(&f->arena, struct fetch_topic);
    struct fetch_partition *p = ARENA_NEW(&f->arena, struct fetch_partition);

    in->min_bytes = min_bytes;
    in->max_wait_ms = max_wait_ms;
    in->topics.items = t;
    in->topics.count = 1;
    t->topic = slice_str(topic);
    t->partitions.items = p;
    t->partitions.count = 1;
    p->current_leader_epoch = -1;
    p->fetch_offset = offset;
    p->partition_max_bytes = 1 << 20;
    return in;
}

static struct fetch_partition_reply *first_part(struct fetch_response *out)
{
    assert_int_equal(out->responses.count, 1);
    return &out->responses.items[0].partitions.items[0];
}

static void make_topic(struct fixture *f, const char *name, int32_t partitions, bool owned)
{
    struct err err = {0};

    if (topic_create_wait(f->broker, &(struct topic_options){.name = name, .partitions = partitions,
                                                             .owned = owned}, NULL, &err))
        fail_msg("%s: %s", name, err.text);
}

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
                         ->responses.items[0].partition_responses.items[0].error_code,
                     INVALID_REQUIRED_ACKS);
    in = a_produce(f, "t", 0, -1, batch);
    in->transactional_id = SLICE_LIT("tx");
    assert_int_equal(((struct produce_response *)call(f, fd, 0, 9, in))
                         ->responses.items[0].partition_responses.items[0].error_code,
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

static int16_t commit_offset(struct fixture *f, int fd, const char *member, int32_t generation,
                             int64_t offset);
static int64_t committed(struct fixture *f, int fd);

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
    assert_int_equal(topic_create_wait(f->broker, &(struct topic_options){.name = "t",
                                                                          .partitions = 1},
                                       NULL, NULL), ERR_EXISTS);
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

/* ---- groups ------------------------------------------------------------------------------- */

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

static int16_t commit_offset(struct fixture *f, int fd, const char *member, int32_t generation,
                             int64_t offset)
{
    struct offset_commit_request *in = NEW(f, offset_commit_request_schema);
    struct offset_commit_partition p = {.committed_offset = offset, .committed_leader_epoch = -1,
                                        .committed_metadata = SLICE_LIT("note")};
    struct offset_commit_topic t = {.name = SLICE_LIT("t"), .partitions = {&p, 1}};
    struct offset_commit_response *out;

    in->group_id = SLICE_LIT("g");
    in->generation_id_or_member_epoch = generation;
    in->member_id = slice_str(member);
    in->topics.items = &t;
    in->topics.count = 1;
    out = call(f, fd, 8, 8, in);
    return out->topics.items[0].partitions.items[0].error_code;
}

static int64_t committed(struct fixture *f, int fd)
{
    struct offset_fetch_request *in = NEW(f, offset_fetch_request_schema);
    int32_t zero = 0;
    struct offset_fetch_topic t = {.name = SLICE_LIT("t"), .partition_indexes = {&zero, 1}};
    struct offset_fetch_response *out;

    in->group_id = SLICE_LIT("g");
    in->topics.items = &t;
    in->topics.count = 1;
    out = call(f, fd, 9, 5, in);
    assert_int_equal(out->error_code, NONE);
    return out->topics.items[0].partitions.items[0].committed_offset;
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
    assert_int_equal(commit_offset(f, a, "", -1, 5), UNKNOWN_MEMBER_ID); /* the group is not empty */
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
    assert_true(slice_is(((struct sync_group_response *)call(f, fd, 14, 3, sync))->assignment,
                         "mine"));
    sync->member_id = slice_str(old);
    assert_int_equal(((struct sync_group_response *)call(f, fd, 14, 3, sync))->error_code,
                     FENCED_INSTANCE_ID);
    close(fd);
}

static void quiet(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

#define CASE(name)     cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_SIM(name) cmocka_unit_test_setup_teardown(name, set_up_sim, tear_down)

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
        CASE(two_members_share_and_one_leaves),
        CASE(offsets_survive_a_restart_and_go_with_their_topic),
        CASE(a_silent_member_is_dropped),
        CASE(a_static_member_comes_back_without_a_rebalance),
        CASE_SIM(large_and_small_answers_hold_the_same_records),
        CASE_SIM(gives_back_what_was_produced_after_a_restart_too),
        CASE_SIM(what_was_acknowledged_survives_a_power_loss),
        CASE_SIM(a_full_disk_is_told_and_the_broker_lives_on),
    };

    diag_set_sink(quiet, NULL); /* it warns of each refusal */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
