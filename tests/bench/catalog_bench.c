/* catalog_bench.c - table commits and loads per second of an Iceberg REST catalog.
 *
 *     catalog_bench PORT [SECONDS] [CASE]      one line per case
 *     catalog_bench sync FOLDER                what a sync costs there: the ground of all figures
 * The client is bare sockets with kept connections, so that the server is what
 * is measured; requests are what Iceberg's own clients send: an append is add-snapshot and
 * set-snapshot-ref under assert-ref-snapshot-id, and forgets the snapshot of ten commits before, as
 * a stream's table does. The server is another process: its processor time can be read beside.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/hist.h"

#define TABLES_MAX    100
#define LANES_MAX     64
#define SNAPSHOTS     10 /* kept by the appends */
#define ANSWER_MAX    ((size_t)64 << 20)
#define REQUEST_BYTES 8192

enum kind { APPEND, PROPERTIES, LOAD, LOAD_KNOWN };

static const struct bench_case {
    const char *name;
    enum kind kind;
    int lanes, tables;
} cases[] = {
    {"append, 1 client, 1 table", APPEND, 1, 1},
    {"append, 1 client, 100 tables", APPEND, 1, 100},
    {"append, 16 clients, 100 tables", APPEND, 16, 100},
    {"properties, 1 client, 1 table", PROPERTIES, 1, 1},
    {"properties, 16 clients, 1 table", PROPERTIES, 16, 1},
    {"properties, 16 clients, 100 tables", PROPERTIES, 16, 100},
    {"load, 1 client, 1 table", LOAD, 1, 1},
    {"load, 16 clients, 100 tables", LOAD, 16, 100},
    {"load unchanged (304), 1 client, 1 table", LOAD_KNOWN, 1, 1},
};

struct table { /* what an append must know; one lane's alone */
    int64_t sequence, head, kept[SNAPSHOTS];
};

struct lane {
    const struct bench_case *bench;
    struct table *tables;
    int port, number, fd;
    int64_t until_ns, round;
    struct hist hist;
    struct buf answer;
    char etag[100];
    char failed[300];
};

/* ---- HTTP, as little of it as will do ---- */

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *ptr, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, ptr, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        ptr += sent;
        len -= (size_t)sent;
    }
    return true;
}

static const char *find_header(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);

    return at ? at + strlen(name) : NULL;
}

/* The status, or -1. The head is NUL-ended in `answer`; the body is read and dropped. */
static int receive(struct lane *lane)
{
    size_t head = 0, wanted = 0;

    buf_clear(&lane->answer);
    while (!head || lane->answer.len < wanted) {
        ssize_t got;

        if (buf_reserve(&lane->answer, 65536 + 1))
            return -1;
        got = recv(lane->fd, lane->answer.ptr + lane->answer.len, 65536, 0);
        if (got <= 0)
            return -1;
        lane->answer.len += (size_t)got;
        lane->answer.ptr[lane->answer.len] = '\0';
        if (!head) {
            char *text = (char *)lane->answer.ptr, *end = strstr(text, "\r\n\r\n");
            const char *length;

            if (!end)
                continue;
            head = (size_t)(end + 4 - text);
            length = find_header(text, "\r\ncontent-length:");
            wanted = head + (length ? strtoul(length, NULL, 10) : 0);
        }
    }
    return atoi((char *)lane->answer.ptr + strlen("HTTP/1.1 "));
}

static int call(struct lane *lane, const char *method, const char *path, const char *body)
{
    char text[REQUEST_BYTES];
    int len = snprintf(text, sizeof(text),
                       "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "%s%s%sContent-Length: %zu\r\n\r\n%s",
                       method, path, *lane->etag ? "If-None-Match: " : "", lane->etag,
                       *lane->etag ? "\r\n" : "", strlen(body), body);
    int status;

    if (!send_all(lane->fd, text, (size_t)len))
        return -1;
    status = receive(lane);
    if (status >= 400)
        snprintf(lane->failed, sizeof(lane->failed), "%.280s", (char *)lane->answer.ptr);
    return status;
}

/* ---- the requests ---- */

static void append_body(char *out, size_t size, int table, struct table *t)
{
    int64_t id = (int64_t)(table + 1) << 40 | (t->sequence + 1);
    int64_t old = t->kept[t->sequence % SNAPSHOTS];
    int len = snprintf(out, size,
                       "{\"requirements\":[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\","
                       "\"snapshot-id\":");

    len += t->head ? snprintf(out + len, size - (size_t)len, "%" PRId64, t->head)
                   : snprintf(out + len, size - (size_t)len, "null");
    len += snprintf(
        out + len, size - (size_t)len,
        "}],\"updates\":[{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":%" PRId64
        "%s%.0" PRId64 ",\"sequence-number\":%" PRId64 ",\"timestamp-ms\":%" PRId64
        ",\"manifest-list\":\"s3://warehouse/bench/t%d/metadata/snap-%" PRId64 "-1-list.avro\","
        "\"summary\":{\"operation\":\"append\",\"added-data-files\":\"1\","
        "\"added-records\":\"10\",\"added-files-size\":\"1234\",\"total-records\":\"%" PRId64
        "\",\"total-data-files\":\"%" PRId64 "\"},\"schema-id\":0}},"
        "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\","
        "\"snapshot-id\":%" PRId64 "}",
        id, t->head ? ",\"parent-snapshot-id\":" : "", t->head, t->sequence + 1,
        clock_wall_ms(clock_system()), table, id, 10 * (t->sequence + 1), t->sequence + 1, id);
    if (old)
        len += snprintf(out + len, size - (size_t)len,
                        ",{\"action\":\"remove-snapshots\",\"snapshot-ids\":[%" PRId64 "]}", old);
    snprintf(out + len, size - (size_t)len, "]}");
    t->kept[t->sequence % SNAPSHOTS] = id;
    t->sequence++;
    t->head = id;
}

static int one(struct lane *lane, int table)
{
    char path[200], body[4096] = "";

    snprintf(path, sizeof(path), "/v1/namespaces/bench/tables/t%d", table);
    if (lane->bench->kind == LOAD || lane->bench->kind == LOAD_KNOWN)
        return call(lane, "GET", path, "");
    if (lane->bench->kind == APPEND)
        append_body(body, sizeof(body), table, &lane->tables[table]);
    else
        snprintf(body, sizeof(body),
                 "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\",\"updates\":"
                 "{\"bench.lane%d\":\"%" PRId64 "\"}}]}",
                 lane->number, lane->round);
    return call(lane, "POST", path, body);
}

static void remember_etag(struct lane *lane)
{
    const char *etag = find_header((char *)lane->answer.ptr, "\r\netag: ");

    if (etag)
        snprintf(lane->etag, sizeof(lane->etag), "%.*s", (int)strcspn(etag, "\r"), etag);
}

static void *lane_run(void *arg)
{
    struct lane *lane = arg;
    int per_lane = lane->bench->tables / lane->bench->lanes;
    struct clock *clock = clock_system();

    per_lane = per_lane > 0 ? per_lane : 1;
    lane->fd = dial(lane->port);
    if (lane->fd < 0)
        snprintf(lane->failed, sizeof(lane->failed), "no connection");
    while (!*lane->failed && clock_mono_ns(clock) < lane->until_ns) {
        int table =
            lane->bench->tables == 1 ? 0 : lane->number * per_lane + (int)(lane->round % per_lane);
        int64_t start = clock_mono_ns(clock);
        int status = one(lane, table);

        if (status < 0 && !*lane->failed)
            snprintf(lane->failed, sizeof(lane->failed), "the connection broke");
        if (status < 400 && status > 0)
            hist_record(&lane->hist, clock_mono_ns(clock) - start);
        if (lane->bench->kind == LOAD_KNOWN && lane->round == 0)
            remember_etag(lane);
        lane->round++;
    }
    if (lane->fd >= 0)
        close(lane->fd);
    buf_deinit(&lane->answer);
    return NULL;
}

/* ---- the cases ---- */

/* Fresh tables for each case, so that no case pays for the one before. */
static int make_tables(int port, int count)
{
    struct lane lane = {.port = port, .fd = dial(port)};

    buf_init(&lane.answer, ANSWER_MAX);
    if (lane.fd < 0) {
        fprintf(stderr, "catalog_bench: nothing answers on port %d\n", port);
        return 1;
    }
    call(&lane, "POST", "/v1/namespaces", "{\"namespace\":[\"bench\"]}"); /* 409 from the 2nd on */
    *lane.failed = '\0';
    for (int i = 0; i < count && !*lane.failed; i++) {
        char path[100], body[600];

        snprintf(path, sizeof(path), "/v1/namespaces/bench/tables/t%d", i);
        call(&lane, "DELETE", path, ""); /* 404 the first time */
        *lane.failed = '\0';
        snprintf(body, sizeof(body),
                 "{\"name\":\"t%d\",\"schema\":{\"type\":\"struct\",\"fields\":["
                 "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
                 "{\"id\":2,\"name\":\"ts\",\"required\":false,\"type\":\"timestamptz\"},"
                 "{\"id\":3,\"name\":\"amount\",\"required\":false,\"type\":\"decimal(18,2)\"},"
                 "{\"id\":4,\"name\":\"note\",\"required\":false,\"type\":\"string\"}]}}",
                 i);
        call(&lane, "POST", "/v1/namespaces/bench/tables", body);
    }
    if (*lane.failed)
        fprintf(stderr, "catalog_bench: %s\n", lane.failed);
    close(lane.fd);
    buf_deinit(&lane.answer);
    return *lane.failed != '\0';
}

static int run_case(int port, const struct bench_case *bench, double seconds)
{
    static struct lane lanes[LANES_MAX];
    static struct table tables[TABLES_MAX];
    static struct hist all;
    pthread_t threads[LANES_MAX];
    int64_t start;
    double took;

    memset(lanes, 0, sizeof(lanes));
    memset(tables, 0, sizeof(tables));
    memset(&all, 0, sizeof(all));
    if (make_tables(port, bench->tables))
        return 1;
    start = clock_mono_ns(clock_system());
    for (int i = 0; i < bench->lanes; i++) {
        lanes[i] = (struct lane){.bench = bench, .tables = tables, .port = port, .number = i};
        lanes[i].until_ns = start + (int64_t)(seconds * 1e9);
        buf_init(&lanes[i].answer, ANSWER_MAX);
        if (pthread_create(&threads[i], NULL, lane_run, &lanes[i]))
            return 1;
    }
    for (int i = 0; i < bench->lanes; i++) {
        pthread_join(threads[i], NULL);
        hist_merge(&all, &lanes[i].hist);
        if (*lanes[i].failed) {
            fprintf(stderr, "catalog_bench: %s: %s\n", bench->name, lanes[i].failed);
            return 1;
        }
    }
    took = (double)(clock_mono_ns(clock_system()) - start) / 1e9;
    printf("%-42s %8.0f/s   p50 %7.2f ms   p99 %7.2f ms   max %7.2f ms\n", bench->name,
           (double)all.count / took, (double)hist_percentile(&all, 50) / 1e6,
           (double)hist_percentile(&all, 99) / 1e6, (double)all.max / 1e6);
    fflush(stdout);
    return 0;
}

/* The median time of an fdatasync of 32 KiB that overwrite what is there, as a log's do. */
static int time_syncs(const char *dir)
{
    static struct hist hist;
    static uint8_t bytes[32 << 10];
    struct disk *disk = disk_system();
    struct file *file = NULL;
    struct err err = {0};
    char path[4096];
    int rc;

    snprintf(path, sizeof(path), "%s/sync", dir);
    rc = disk_open(disk, &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, &err);
    for (int i = 0; !rc && i < 600; i++) {
        int64_t start = clock_mono_ns(clock_system());

        rc = file_pwrite(file, bytes, sizeof(bytes), (i % 100) * (int64_t)sizeof(bytes), &err);
        rc = rc ? rc : file_sync(file, &err);
        if (i >= 100)
            hist_record(&hist, clock_mono_ns(clock_system()) - start);
    }
    file_close(file);
    disk_unlink(disk, path, NULL);
    if (rc)
        fprintf(stderr, "catalog_bench: %s\n", err.text);
    else
        printf("%-42s %8s     p50 %7.2f ms   p99 %7.2f ms\n", "a sync of 32 KiB", "",
               (double)hist_percentile(&hist, 50) / 1e6, (double)hist_percentile(&hist, 99) / 1e6);
    return rc != 0;
}

int main(int argc, char **argv)
{
    double seconds = argc > 2 ? atof(argv[2]) : 5;
    int rc = 0;

    if (argc == 3 && strcmp(argv[1], "sync") == 0)
        return time_syncs(argv[2]);
    if (argc < 2 || seconds <= 0) {
        fprintf(stderr, "usage: catalog_bench PORT [SECONDS] [CASE] | sync FOLDER\n");
        return 2;
    }
    for (size_t i = 0; !rc && i < COUNT_OF(cases); i++)
        if (argc < 4 || strstr(cases[i].name, argv[3]))
            rc = run_case(atoi(argv[1]), &cases[i], seconds);
    return rc;
}
