/* broker_fixture.h - for tests: a broker with two listeners on two loops, and a client that speaks
 * through the broker's own tables from the other side. */
#ifndef KAFKA_BROKER_FIXTURE_H
#define KAFKA_BROKER_FIXTURE_H

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

static inline void up(struct fixture *f)
{
    static const struct meta_migration *const lists[] = {broker_migrations, NULL};
    struct err err = {0};
    int rc = workers_new(&f->workers, "test", 2, 256, &err);

    if (!rc)
        rc = meta_new(&f->meta,
                      &(struct meta_options){.path = f->meta_path,
                                             .disk = f->options.disk,
                                             .clock = clock_system(),
                                             .migrations = lists},
                      &err);
    f->options.meta = f->meta;
    f->options.workers = f->workers;
    if (!rc)
        rc = broker_new(&f->broker, &f->options, &err);
    if (!rc)
        rc = broker_start(f->broker, &err);
    if (rc)
        fail_msg("start: %s", err.text);
}

static inline void down(struct fixture *f)
{
    broker_stop(f->broker);
    broker_free(f->broker);
    meta_free(f->meta);
    workers_free(f->workers);
    f->broker = NULL;
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/broker_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->meta_path, sizeof(f->meta_path), "%s/meta.db", f->dir);
    snprintf(f->log_path, sizeof(f->log_path), "%s/log", f->dir);
    f->listeners[0] = (struct broker_listener){.address = "127.0.0.1"};
    f->listeners[1] = (struct broker_listener){
        .address = "127.0.0.1", .advertised_host = "outside", .advertised_port = 4711};
    f->options = (struct broker_options){.disk = disk_system(),
                                         .clock = clock_system(),
                                         .dir = f->log_path,
                                         .listeners = f->listeners,
                                         .listener_count = 2,
                                         .threads = 2};
    up(f);
    *state = f;
    return 0;
}

/* The same on a disk in memory, which has no file descriptors and may lose power or fill up. */
static inline int set_up_sim(void **state)
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

static inline int tear_down(void **state)
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

static inline int dial(struct fixture *f, size_t listener)
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

static inline void push(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* False at the end of the connection. */
static inline bool pull(int fd, void *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (uint8_t *)bytes + got, len - got, 0);

        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static inline void ask(struct fixture *f, int fd, int16_t key, int version, int32_t correlation,
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
    assert_int_equal(
        schema_encode(api->request, version, flexible, message, &f->arena, &frame, NULL, NULL), 0);
    be32_put(frame.ptr, (uint32_t)(frame.len - 4));
    push(fd, frame.ptr, frame.len);
    buf_deinit(&frame);
}

/* The next answer, which must be the one to `correlation`. */
static inline void *answer(struct fixture *f, int fd, int16_t key, int version, int32_t correlation)
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

static inline void *call(struct fixture *f, int fd, int16_t key, int version, const void *message)
{
    static int32_t correlation;

    ask(f, fd, key, version, ++correlation, message);
    return answer(f, fd, key, version, correlation);
}

#define NEW(f, schema) new_message(f, &schema)
static inline void *new_message(struct fixture *f, const struct schema *schema)
{
    void *message = arena_alloc(&f->arena, schema->size);

    schema_defaults(schema, message);
    return message;
}

/* ---- requests ----------------------------------------------------------------------------- */

static inline struct slice a_batch(struct fixture *f, const char *text, int count, int64_t pid,
                                   int32_t sequence)
{
    struct batch_builder builder;
    struct buf bytes = {0};
    struct slice copy;

    batch_builder_init(&builder);
    builder.producer_id = pid;
    builder.producer_epoch = pid < 0 ? -1 : 0;
    builder.base_sequence = sequence;
    for (int i = 0; i < count; i++) /* of today: retention looks at a test that takes a minute */
        assert_int_equal(batch_builder_add(&builder, clock_wall_ms(clock_system()),
                                           (struct slice){0}, slice_str(text), NULL, 0),
                         0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL), 0);
    copy = arena_slice(&f->arena, buf_slice(&bytes));
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
    return copy;
}

static inline struct produce_request *a_produce(struct fixture *f, const char *topic,
                                                int32_t partition, int16_t acks,
                                                struct slice records)
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

static inline struct produce_partition_reply *produce(struct fixture *f, int fd, const char *topic,
                                                      int32_t partition, struct slice records)
{
    struct produce_response *out = call(f, fd, 0, 9, a_produce(f, topic, partition, -1, records));

    assert_int_equal(out->responses.count, 1);
    return &out->responses.items[0].partition_responses.items[0];
}

static inline struct fetch_request *a_fetch(struct fixture *f, const char *topic, int64_t offset,
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

static inline struct fetch_partition_reply *first_part(struct fetch_response *out)
{
    assert_int_equal(out->responses.count, 1);
    return &out->responses.items[0].partitions.items[0];
}

static inline void make_topic(struct fixture *f, const char *name, int32_t partitions, bool owned)
{
    struct err err = {0};

    if (topic_create_wait(
            f->broker,
            &(struct topic_options){.name = name, .partitions = partitions, .owned = owned}, NULL,
            &err))
        fail_msg("%s: %s", name, err.text);
}

static inline int16_t commit_offset(struct fixture *f, int fd, const char *member,
                                    int32_t generation, int64_t offset)
{
    struct offset_commit_request *in = NEW(f, offset_commit_request_schema);
    struct offset_commit_partition p = {.committed_offset = offset,
                                        .committed_leader_epoch = -1,
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

static inline int64_t committed(struct fixture *f, int fd)
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

static inline void quiet(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

#define CASE(name)     cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_SIM(name) cmocka_unit_test_setup_teardown(name, set_up_sim, tear_down)

#endif
