/* s3_bench.c - objects per second and bytes per second of an S3 endpoint.
 *
 *     s3_bench http://127.0.0.1:9000 ACCESS_KEY SECRET_KEY BUCKET [CONNECTIONS] [SECONDS]
 *
 * One line per case. The server is another process, so its processor time can be read beside.
 */
#include <pthread.h>
#include <stdio.h>

#include "net/http_client.h"

struct bench {
    struct http_client *client;
    const char *endpoint, *bucket;
    struct sigv4_keys keys;
    int64_t until_ns;
    size_t size;
    bool put;
};

struct lane {
    struct bench *bench;
    int number;
    int64_t count, bytes;
    const char *failed;
    char detail[200];
};

static int count_bytes(void *arg, struct slice bytes)
{
    *(int64_t *)arg += (int64_t)bytes.len;
    return 0;
}

static bool once(struct lane *lane, struct arena *arena, const uint8_t *bytes)
{
    struct bench *bench = lane->bench;
    struct buf text = {0};
    struct http_answer answer;
    struct err err = {0};
    char url[300];
    struct http_call call = {.method = bench->put ? "PUT" : "GET",
                             .url = url,
                             .keys = &bench->keys,
                             .clock = clock_system(),
                             .into = &text,
                             .payload = SIGV4_UNSIGNED,
                             .take = count_bytes,
                             .take_arg = &lane->bytes};
    int rc;

    snprintf(url, sizeof(url), "%s/%s/bench/%zu/%d/%d", bench->endpoint, bench->bucket, bench->size,
             lane->number, bench->put ? (int)(lane->count % 100) : 0);
    if (bench->put) {
        call.body = slice_of(bytes, bench->size);
        lane->bytes += (int64_t)bench->size;
    }
    rc = http_client_call(bench->client, &call, arena, &answer, &err);
    if (rc || answer.status != 200) {
        snprintf(lane->detail, sizeof(lane->detail), "%.150s (HTTP %d)", err.text, answer.status);
        lane->failed = lane->detail;
    }
    buf_deinit(&text);
    return !lane->failed;
}

static void *lane_run(void *arg)
{
    struct lane *lane = arg;
    uint8_t *bytes = calloc(1, lane->bench->size);
    struct arena arena = {0};

    while (bytes && clock_mono_ns(clock_system()) < lane->bench->until_ns &&
           once(lane, &arena, bytes)) {
        lane->count++;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    free(bytes);
    return NULL;
}

static int run(struct bench *bench, int connections, int64_t seconds)
{
    pthread_t threads[64];
    struct lane lanes[64] = {{0}};
    int64_t begin = clock_mono_ns(clock_system()), count = 0, bytes = 0;
    double took;

    bench->until_ns = begin + seconds * 1000000000;
    for (int i = 0; i < connections; i++) {
        lanes[i] = (struct lane){.bench = bench, .number = i};
        pthread_create(&threads[i], NULL, lane_run, &lanes[i]);
    }
    for (int i = 0; i < connections; i++) {
        pthread_join(threads[i], NULL);
        count += lanes[i].count;
        bytes += lanes[i].bytes;
        if (lanes[i].failed) {
            fprintf(stderr, "%s\n", lanes[i].failed);
            return 1;
        }
    }
    took = (double)(clock_mono_ns(clock_system()) - begin) / 1e9;
    printf("%s %zu bytes, %d connections: %.0f per second, %.3f GB/s\n", bench->put ? "PUT" : "GET",
           bench->size, connections, (double)count / took, (double)bytes / took / 1e9);
    return 0;
}

int main(int argc, char **argv)
{
    const struct http_client_options options = {.kept_max = 64};
    struct bench bench = {0};
    int64_t connections = 8, seconds = 3;
    int rc = 0;

    if (argc < 5 || (argc > 5 && slice_to_i64(slice_str(argv[5]), &connections)) ||
        (argc > 6 && slice_to_i64(slice_str(argv[6]), &seconds)) || connections < 1 ||
        connections > 64) {
        fprintf(stderr, "usage: s3_bench ENDPOINT ACCESS SECRET BUCKET [CONNECTIONS] [SECONDS]\n");
        return 2;
    }
    bench.endpoint = argv[1];
    bench.keys = (struct sigv4_keys){argv[2], argv[3], NULL, "us-east-1", "s3"};
    bench.bucket = argv[4];
    if (http_client_new(&bench.client, &options, NULL))
        return 1;
    for (int i = 0; i < 4 && !rc; i++) {
        bench.size = i < 2 ? 4096 : 64 << 20;
        bench.put = i % 2 == 0;
        rc = run(&bench, i < 2 ? (int)connections : 1, seconds);
    }
    http_client_free(bench.client);
    return rc;
}
