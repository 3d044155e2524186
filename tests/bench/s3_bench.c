/* s3_bench.c - objects per second and bytes per second of an S3 endpoint, or of any HTTP server.
 *
 *     s3_bench URL ACCESS SECRET BUCKET get|put SIZE CONNECTIONS SECONDS [plain|url|body] [KEYS]
 *
 * A client that must not be the bottleneck: one blocking socket and one thread per connection,
 * every request made and signed before the clock starts, bodies of answers thrown away by the
 * kernel (MSG_TRUNC). `plain` does not sign (nginx), `url` is presigned, `body` signs in the
 * header, with the SHA-256 of what is sent. Prints one JSON object. An answer other than 200 ends
 * it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/codec.h"
#include "net/sigv4.h"

#define LANES_MAX 64

struct bench {
    struct url url;
    struct sockaddr_in address;
    struct sigv4_keys keys;
    const char *bucket, *sign;
    bool put;
    int64_t size, connections, seconds, key_count;
    uint8_t *body;
    char body_sha256[65];
    pthread_barrier_t ready;
    int64_t begin_ns, until_ns;
};

struct lane {
    struct bench *bench;
    int number, fd;
    struct arena arena;
    struct slice *requests; /* one per key */
    int64_t count, slowest_ns;
    uint32_t buckets[4000]; /* latencies in steps of a twentieth */
    char failed[200];
};

static int64_t now_ns(void)
{
    return clock_mono_ns(clock_system());
}

/* --- requests, made beforehand ---------------------------------------------------------------- */

static int make_request(struct lane *lane, int64_t key, struct slice *out)
{
    struct bench *bench = lane->bench;
    bool by_body = strcmp(bench->sign, "body") == 0;
    const char *path = arena_printf(&lane->arena, "/%s/%" PRId64 "/%d/%" PRId64, bench->bucket,
                                    bench->size, lane->number, key);
    const struct http_field host = {"Host", bench->url.authority};
    struct sigv4_request request = {bench->put ? "PUT" : "GET", path, "", &host, 1};
    struct http_field added[4];
    const char *query = NULL;
    struct buf text = {0};
    size_t count = 0;
    int rc = path ? 0 : ERR_NOMEM;
    int64_t time_us = clock_wall_us(clock_system());

    if (!rc && strcmp(bench->sign, "url") == 0)
        rc = sigv4_presign(&lane->arena, &request, &bench->keys, 3600, time_us, &query, NULL);
    if (!rc && by_body)
        rc = sigv4_sign(&lane->arena, &request, &bench->keys,
                        bench->put ? bench->body_sha256 : SIGV4_EMPTY_SHA256, time_us, added,
                        &count, NULL);
    buf_printf(&text, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n", request.method, path, query ? "?" : "",
               query ? query : "", bench->url.authority);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s: %s\r\n", added[i].name, added[i].value);
    if (bench->put)
        buf_printf(&text, "Content-Length: %" PRId64 "\r\n", bench->size);
    buf_append_str(&text, "\r\n");
    if (bench->put && bench->size <= 65536) /* one call for both */
        buf_append(&text, bench->body, (size_t)bench->size);
    *out = arena_slice(&lane->arena, buf_slice(&text));
    buf_deinit(&text);
    return rc || !out->ptr ? ERR_NOMEM : 0;
}

static int prepare(struct lane *lane)
{
    int one = 1;

    lane->requests = calloc((size_t)lane->bench->key_count, sizeof(*lane->requests));
    lane->arena.max_bytes = (size_t)4 << 30;
    for (int64_t i = 0; lane->requests && i < lane->bench->key_count; i++)
        if (make_request(lane, i, &lane->requests[i]))
            return ERR_NOMEM;
    lane->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(lane->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!lane->requests ||
        connect(lane->fd, (struct sockaddr *)&lane->bench->address, sizeof(lane->bench->address))) {
        snprintf(lane->failed, sizeof(lane->failed), "connect: %s", strerror(errno));
        return ERR_IO;
    }
    return 0;
}

/* --- the load --------------------------------------------------------------------------------- */

static bool fail(struct lane *lane, const char *what, const char *detail)
{
    snprintf(lane->failed, sizeof(lane->failed), "%s: %.150s", what, detail);
    return false;
}

static bool send_all(struct lane *lane, const uint8_t *ptr, size_t len)
{
    while (len) {
        ssize_t n = send(lane->fd, ptr, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return fail(lane, "send", strerror(errno));
        ptr += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Reads the head, and drops a body of Content-Length bytes without copying it. */
static bool receive(struct lane *lane)
{
    char head[16384];
    size_t have = 0;
    const char *end = NULL, *length;
    int64_t left;

    while (!end) {
        ssize_t n = recv(lane->fd, head + have, sizeof(head) - 1 - have, 0);

        if (n <= 0)
            return fail(lane, "receive", n ? strerror(errno) : "closed");
        have += (size_t)n;
        head[have] = '\0';
        end = strstr(head, "\r\n\r\n");
        if (!end && have == sizeof(head) - 1)
            return fail(lane, "receive", "a head without end");
    }
    if (strncmp(head + 8, " 200", 4))
        return fail(lane, "answer", head);
    length = strcasestr(head, "\r\ncontent-length:");
    left = length && length < end ? atoll(length + 17) : 0;
    if (!lane->bench->put && left != lane->bench->size)
        return fail(lane, "answer of another length", head);
    left -= (int64_t)(have - (size_t)(end + 4 - head));
    while (left > 0) {
        ssize_t n = recv(lane->fd, NULL, left > (1 << 20) ? 1 << 20 : (size_t)left, MSG_TRUNC);

        if (n <= 0)
            return fail(lane, "receive", n ? strerror(errno) : "closed");
        left -= n;
    }
    return true;
}

static void note_latency(struct lane *lane, int64_t ns)
{
    size_t bucket = 0;

    for (double top = 1000; top < (double)ns && bucket + 1 < COUNT_OF(lane->buckets); top *= 1.05)
        bucket++;
    lane->buckets[bucket]++;
    lane->slowest_ns = ns > lane->slowest_ns ? ns : lane->slowest_ns;
}

static void *lane_run(void *arg)
{
    struct lane *lane = arg;
    struct bench *bench = lane->bench;
    int rc = prepare(lane);

    if (pthread_barrier_wait(&bench->ready) == PTHREAD_BARRIER_SERIAL_THREAD) {
        bench->begin_ns = now_ns();
        bench->until_ns = bench->begin_ns + bench->seconds * 1000000000;
    }
    pthread_barrier_wait(&bench->ready);
    while (!rc) {
        struct slice request = lane->requests[lane->count % bench->key_count];
        int64_t began = now_ns();

        if (began >= bench->until_ns || !send_all(lane, request.ptr, request.len) ||
            (bench->put && bench->size > 65536 &&
             !send_all(lane, bench->body, (size_t)bench->size)) ||
            !receive(lane))
            break;
        note_latency(lane, now_ns() - began);
        lane->count++;
    }
    close(lane->fd);
    return NULL;
}

static double quantile_us(const struct lane *lanes, int64_t connections, double part)
{
    int64_t total = 0, seen = 0;
    double top = 1;

    for (int64_t i = 0; i < connections; i++)
        total += lanes[i].count;
    for (size_t b = 0; b < COUNT_OF(lanes->buckets); b++, top *= 1.05) {
        for (int64_t i = 0; i < connections; i++)
            seen += lanes[i].buckets[b];
        if ((double)seen >= part * (double)total)
            break;
    }
    return top;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int run(struct bench *bench)
{
    struct lane *lanes = calloc(LANES_MAX, sizeof(*lanes));
    pthread_t threads[LANES_MAX];
    int64_t count = 0;
    double took, cpu;

    if (!lanes)
        return 1;
    pthread_barrier_init(&bench->ready, NULL, (unsigned)bench->connections + 1);
    for (int i = 0; i < bench->connections; i++) {
        lanes[i].bench = bench;
        lanes[i].number = i;
        pthread_create(&threads[i], NULL, lane_run, &lanes[i]);
    }
    if (pthread_barrier_wait(&bench->ready) == PTHREAD_BARRIER_SERIAL_THREAD) {
        bench->begin_ns = now_ns();
        bench->until_ns = bench->begin_ns + bench->seconds * 1000000000;
    }
    cpu = cpu_seconds();
    pthread_barrier_wait(&bench->ready);
    for (int i = 0; i < bench->connections; i++) {
        pthread_join(threads[i], NULL);
        count += lanes[i].count;
        if (lanes[i].failed[0]) {
            fprintf(stderr, "s3_bench: %s\n", lanes[i].failed);
            return 1;
        }
    }
    took = (double)(now_ns() - bench->begin_ns) / 1e9;
    printf(
        "{\"count\": %" PRId64 ", \"bytes\": %" PRId64 ", \"seconds\": %.3f, \"client_cpu\": %.3f, "
        "\"p50_us\": %.0f, \"p99_us\": %.0f}\n",
        count, count * bench->size, took, cpu_seconds() - cpu,
        quantile_us(lanes, bench->connections, 0.5), quantile_us(lanes, bench->connections, 0.99));
    return 0;
}

static bool read_number(const char *text, int64_t max, int64_t *out)
{
    return slice_to_i64(slice_str(text), out) == 0 && *out > 0 && *out <= max;
}

int main(int argc, char **argv)
{
    struct bench bench = {.sign = argc > 9 ? argv[9] : "body", .key_count = 16};
    struct arena arena = {0};
    uint8_t hash[32];

    if (argc < 9 || (strcmp(argv[5], "get") && strcmp(argv[5], "put")) ||
        !read_number(argv[6], (int64_t)1 << 30, &bench.size) ||
        !read_number(argv[7], LANES_MAX, &bench.connections) ||
        !read_number(argv[8], 3600, &bench.seconds) ||
        (argc > 10 && !read_number(argv[10], 1000000, &bench.key_count)) ||
        url_parse(&arena, argv[1], &bench.url, NULL)) {
        fprintf(stderr, "usage: s3_bench URL ACCESS SECRET BUCKET get|put SIZE CONNECTIONS SECONDS "
                        "[plain|url|body] [KEYS]\n");
        return 2;
    }
    bench.address.sin_family = AF_INET;
    bench.address.sin_port = htons((uint16_t)atoi(strrchr(bench.url.authority, ':') + 1));
    bench.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench.keys = (struct sigv4_keys){argv[2], argv[3], NULL, "us-east-1", "s3"};
    bench.bucket = argv[4];
    bench.put = strcmp(argv[5], "put") == 0;
    bench.body = malloc((size_t)bench.size);
    if (!bench.body)
        return 1;
    for (int64_t i = 0; i < bench.size; i++)
        bench.body[i] = (uint8_t)(i * 2654435761u >> 13);
    sha256(bench.body, (size_t)bench.size, hash);
    hex_encode(hash, 32, bench.body_sha256);
    return run(&bench);
}
