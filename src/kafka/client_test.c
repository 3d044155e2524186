/* client_test.c - the producer against a broker of ours: everything arrives once and in order, also
 * when its connections are cut under it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <poll.h>

#include <cmocka.h>

#include "base/port.h"
#include "kafka/client.h"
#include "kafka/kafka.h"
#include "log/batch.h"

/* Between producer and broker: cuts connections. */
struct proxy {
    int listen_fd, port, target, cut_bytes, cuts;
    bool stop;
    pthread_t thread;
};

static struct proxy proxy;
static char dir[64];
static struct workers *workers;
static struct meta *meta;
static struct broker *broker;

static int start_broker(void **state)
{
    static const struct meta_migration *const migrations[] = {broker_migrations, NULL};
    struct broker_listener listeners[2] = {{.address = "127.0.0.1"}, {.address = "127.0.0.1"}};
    char path[128];

    (void)state;
    strcpy(dir, "/tmp/client_test.XXXXXX");
    if (port_listen(&proxy.listen_fd, "127.0.0.1", 0, &proxy.port, NULL))
        return -1;
    listeners[1].advertised_port = proxy.port; /* who comes in there is sent through the proxy */
    if (!mkdtemp(dir) || workers_new(&workers, "test", 2, 64, NULL))
        return -1;
    snprintf(path, sizeof(path), "%s/meta.db", dir);
    if (meta_new(&meta,
                 &(struct meta_options){.path = path,
                                        .disk = disk_system(),
                                        .clock = clock_system(),
                                        .migrations = migrations},
                 NULL))
        return -1;
    snprintf(path, sizeof(path), "%s/kafka", dir);
    if (broker_new(&broker,
                   &(struct broker_options){.meta = meta,
                                            .disk = disk_system(),
                                            .clock = clock_system(),
                                            .workers = workers,
                                            .dir = path,
                                            .listeners = listeners,
                                            .listener_count = 2,
                                            .auto_create = true,
                                            .default_partitions = 3,
                                            .fsync = FSYNC_NEVER},
                   NULL))
        return -1;
    return broker_start(broker, NULL);
}

static int stop_broker(void **state)
{
    (void)state;
    broker_stop(broker);
    broker_free(broker);
    meta_free(meta);
    workers_free(workers);
    return disk_remove_tree(disk_system(), dir, NULL);
}

static int open_producer(struct producer **out, int port, enum codec codec, size_t batch_bytes,
                         struct err *err)
{
    char bootstrap[64];

    snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%d", port);
    return producer_new(out,
                        &(struct producer_options){.bootstrap = bootstrap,
                                                   .clock = clock_system(),
                                                   .codec = codec,
                                                   .batch_bytes = batch_bytes,
                                                   .timeout_ms = 20000},
                        err);
}

/* Reads a partition whole: values must be the numbers that `seen` counts, rising when `rising`. */
static int64_t read_partition(struct topic *topic, int32_t partition, uint8_t *seen, bool rising)
{
    struct log *log = topic_log(topic, partition);
    struct log_offsets at = log_offsets(log);
    struct buf bytes = {0}, scratch = {0};
    int64_t next = at.start, count = 0, last = -1;

    while (next < at.high_watermark) {
        struct slice rest;
        struct batch batch;
        size_t need;

        buf_clear(&bytes);
        assert_int_equal(log_read(log, next, 1 << 20, true, &bytes, NULL), 0);
        rest = buf_slice(&bytes);
        while (rest.len && !batch_next(&rest, true, &batch, &need, NULL)) {
            struct record_walk walk;
            struct record record;

            assert_int_equal(record_walk_init(&walk, &batch, &scratch, 1 << 26, NULL), 0);
            while (record_next(&walk, &record, NULL) == 1) {
                int64_t value;

                assert_int_equal(slice_to_i64(record.value, &value), 0);
                assert_true(!rising || value > last);
                last = value;
                seen[value]++;
                count++;
                next = record.offset + 1;
            }
        }
    }
    buf_deinit(&bytes);
    buf_deinit(&scratch);
    return count;
}

static void send_numbers(struct producer *p, const char *topic, int from, int to, bool keyed)
{
    for (int i = from; i < to; i++) {
        char text[16];
        int len = snprintf(text, sizeof(text), "%d", i);
        struct err err = {0};
        int rc = producer_send(p, topic, -1, 1700000000000 + i, keyed ? slice_of(text, (size_t)len)
                                                                      : (struct slice){0},
                               slice_of(text, (size_t)len), &err);

        if (rc)
            print_error("%s\n", err.text);
        assert_int_equal(rc, 0);
    }
}

static void all_arrive_once(const char *name, int count, bool keyed)
{
    struct topic *topic = topic_find(broker, name);
    uint8_t *seen = calloc((size_t)count, 1);
    int64_t total = 0;

    assert_non_null(topic);
    for (int32_t i = 0; i < topic_partitions(topic); i++) {
        int64_t here = read_partition(topic, i, seen, keyed);

        assert_true(!keyed || here > count / 6); /* keys spread over the three partitions */
        total += here;
    }
    assert_int_equal(total, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(seen[i], 1);
    topic_unref(topic);
    free(seen);
}

static void every_record_arrives_once_in_each_codec(void **state)
{
    (void)state;
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct producer *p = NULL;
        char name[32];

        snprintf(name, sizeof(name), "codec-%d", codec);
        assert_int_equal(open_producer(&p, broker_port(broker, 0), (enum codec)codec, 4000, NULL),
                         0);
        send_numbers(p, name, 0, 5000, true);
        assert_int_equal(producer_flush(p, NULL), 0);
        assert_int_equal(producer_stats(p).records, 5000);
        producer_free(p);
        all_arrive_once(name, 5000, true);
    }
}

static void mistakes_are_told_apart(void **state)
{
    struct producer *p = NULL;
    struct err err = {0};
    char *large = calloc(1, 4 << 20);

    (void)state;
    assert_int_equal(open_producer(&p, 1, CODEC_NONE, 0, &err), ERR_IO); /* nobody listens there */
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_int_equal(producer_new(&p, &(struct producer_options){.bootstrap = "localhost:many",
                                                                 .clock = clock_system()}, &err),
                     ERR_INVALID);
    assert_int_equal(open_producer(&p, broker_port(broker, 0), CODEC_NONE, 0, &err), 0);
    assert_int_equal(producer_send(p, "no/topic", -1, 0, (struct slice){0}, SLICE_LIT("x"), &err),
                     ERR_INVALID);
    assert_int_equal(producer_send(p, "large", 7, 0, (struct slice){0}, SLICE_LIT("x"), &err),
                     ERR_NOENT);
    assert_int_equal(
        producer_send(p, "large", 0, 0, (struct slice){0}, slice_of(large, 4 << 20), &err), 0);
    assert_int_equal(producer_flush(p, &err), ERR_LIMIT);
    producer_free(p);
    free(large);
}

/* ---- a proxy that cuts connections after so many bytes ---- */

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

/* Carries bytes both ways; answers are cut as well as requests. */
static void carry(struct proxy *between, int client, int server)
{
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    int left = between->cut_bytes;
    char bytes[1000];

    while (!__atomic_load_n(&between->stop, __ATOMIC_RELAXED)) {
        if (poll(fds, 2, 50) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            ssize_t n = fds[i].revents ? recv(fds[i].fd, bytes, sizeof(bytes), 0) : 1;

            if (n <= 0)
                return;
            if (!fds[i].revents)
                continue;
            if (between->cut_bytes && (left -= (int)n) < 0) {
                __atomic_add_fetch(&between->cuts, 1, __ATOMIC_RELAXED);
                return;
            }
            if (send(fds[!i].fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
                return;
        }
    }
}

/* One connection at a time is what the producer has to one broker, besides the first question. */
static void *carry_main(void *arg)
{
    struct proxy *between = ((void **)arg)[0];
    int client = (int)(intptr_t)((void **)arg)[1], server = dial(between->target);

    if (server >= 0)
        carry(between, client, server);
    close(client);
    close(server);
    free(arg);
    return NULL;
}

static void *proxy_main(void *arg)
{
    struct proxy *between = arg;
    pthread_t threads[2000];
    int count = 0;

    while (!__atomic_load_n(&between->stop, __ATOMIC_RELAXED)) {
        struct pollfd p = {.fd = between->listen_fd, .events = POLLIN};
        void **pair;
        int fd;

        if (poll(&p, 1, 50) <= 0 || (fd = accept(between->listen_fd, NULL, NULL)) < 0)
            continue;
        assert_true(count < (int)COUNT_OF(threads));
        pair = malloc(2 * sizeof(void *));
        pair[0] = between;
        pair[1] = (void *)(intptr_t)fd;
        assert_int_equal(pthread_create(&threads[count++], NULL, carry_main, pair), 0);
    }
    while (count-- > 0)
        pthread_join(threads[count], NULL);
    return NULL;
}

/* Goal: cuts lose nothing and double nothing. Method: a proxy ends each connection after some ten
 * thousand bytes, in the middle of requests and of answers, under batches without keys and with. */
static void cut_connections_lose_and_double_nothing(void **state)
{
    struct producer *p = NULL;
    struct err err = {0};

    (void)state;
    proxy.target = broker_port(broker, 1);
    proxy.cut_bytes = 30011;
    assert_int_equal(pthread_create(&proxy.thread, NULL, proxy_main, &proxy), 0);
    assert_int_equal(open_producer(&p, proxy.port, CODEC_NONE, 2000, &err), 0);
    send_numbers(p, "cut", 0, 40000, false);
    assert_int_equal(producer_flush(p, &err), 0);
    assert_true(producer_stats(p).reconnects > 10);
    producer_free(p);
    __atomic_store_n(&proxy.stop, true, __ATOMIC_RELAXED);
    pthread_join(proxy.thread, NULL);
    close(proxy.listen_fd);
    assert_true(proxy.cuts > 10);
    all_arrive_once("cut", 40000, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_arrives_once_in_each_codec),
        cmocka_unit_test(mistakes_are_told_apart),
        cmocka_unit_test(cut_connections_lose_and_double_nothing),
    };

    return cmocka_run_group_tests_name("client", tests, start_broker, stop_broker);
}
