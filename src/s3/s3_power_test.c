/* s3_power_test.c - a multipart upload on a disk that loses power.
 *
 * Goal: the object is the old one or the whole new one; a part that was answered is there after the
 * crash, and the upload can be completed with it; nothing of an upload is left behind it. Method:
 * the real server over the simulated disk, the power cut before the n-th call of the disk for n
 * after n, then a restart and a look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "net/http_client.h"
#include "s3/s3.h"

#define FIRST  ((size_t)5 << 20) /* the least of a part that is not the last */
#define SECOND ((size_t)100 << 10)

struct run {
    struct disk_sim *sim;
    struct store *store;
    struct s3_server *server;
    struct http_client *client;
    struct clock_fake clock;
    _Atomic int64_t calls;
    int64_t cut_at; /* the call before which the power goes; -1: never */
};

/* What was answered before the power went. */
struct answered {
    char upload[80], etags[2][40]; /* "" : not */
    bool completed;
};

static uint8_t bytes[FIRST + SECOND];

static void no_sink(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg;
    (void)level;
    (void)part;
    (void)line;
}

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct run *run = arg;

    (void)call;
    (void)path;
    if (run->cut_at < 0 || run->calls++ != run->cut_at)
        return 0;
    disk_sim_power_loss(run->sim);
    return ERR_IO;
}

/* The status; 0: no answer. The body's text goes to `out`. */
static int ask(struct run *run, const char *method, const char *rest, struct slice body,
               struct buf *out, char etag[40])
{
    const struct sigv4_keys keys = {
        .access_key = "admin", .secret_key = "password", .region = "us-east-1", .service = "s3"};
    struct arena arena = {0};
    struct http_answer answer = {0};
    char url[300];
    struct http_call call = {.method = method,
                             .url = url,
                             .body = body,
                             .keys = &keys,
                             .clock = clock_system(),
                             .into = out};
    const char *tag;
    int rc;

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/lake/%s", s3_server_port(run->server), rest);
    buf_clear(out);
    rc = http_client_call(run->client, &call, &arena, &answer, NULL);
    tag = rc ? NULL : http_answer_header(&answer, "etag");
    if (etag && answer.status == 200)
        snprintf(etag, 40, "%s", tag ? tag : "");
    arena_deinit(&arena);
    return rc ? 0 : answer.status;
}

static int open_run(struct run *run)
{
    const struct store_local_options local = {"data", disk_sim_disk(run->sim), &run->clock.clock,
                                              0};
    const struct s3_credential credential = {"admin", "password"};
    struct s3_options options = {
        .clock = clock_system(), .credentials = &credential, .credential_count = 1};
    int rc = store_local_new(&run->store, &local, NULL);

    options.store = run->store;
    if (!rc)
        rc = s3_server_new(&run->server, &options, NULL);
    return rc ? rc : http_client_new(&run->client, &(struct http_client_options){0}, NULL);
}

static void close_run(struct run *run)
{
    http_client_free(run->client);
    s3_server_free(run->server);
    store_free(run->store);
    run->client = NULL;
    run->server = NULL;
    run->store = NULL;
}

static int send_part(struct run *run, struct answered *done, int number)
{
    struct slice part = number == 1 ? slice_of(bytes, FIRST) : slice_of(bytes + FIRST, SECOND);
    struct buf text = {0};
    char rest[200];
    int status;

    snprintf(rest, sizeof(rest), "k?partNumber=%d&uploadId=%s", number, done->upload);
    status = ask(run, "PUT", rest, part, &text, done->etags[number - 1]);
    buf_deinit(&text);
    return status;
}

static int complete(struct run *run, const struct answered *done)
{
    struct buf text = {0};
    char rest[200], xml[500];
    int status, len;

    snprintf(rest, sizeof(rest), "k?uploadId=%s", done->upload);
    len = snprintf(xml, sizeof(xml),
                   "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
                   "<Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part>"
                   "</CompleteMultipartUpload>",
                   done->etags[0], done->etags[1]);
    status = ask(run, "POST", rest, slice_of(xml, (size_t)len), &text, NULL);
    if (status == 200 && strstr(buf_cstr(&text), "<Error>")) /* S3 may say 200 before it knows */
        status = 500;
    buf_deinit(&text);
    return status;
}

static void upload(struct run *run, struct answered *done)
{
    struct buf text = {0};
    const char *id, *end;

    if (ask(run, "POST", "k?uploads", slice_of(NULL, 0), &text, NULL) == 200) {
        id = strstr(buf_cstr(&text), "<UploadId>");
        end = id ? strstr(id, "</UploadId>") : NULL;
        assert_non_null(end);
        id += strlen("<UploadId>");
        snprintf(done->upload, sizeof(done->upload), "%.*s", (int)(end - id), id);
        if (send_part(run, done, 1) == 200 && send_part(run, done, 2) == 200)
            done->completed = complete(run, done) == 200;
    }
    buf_deinit(&text);
}

static bool is_whole(const struct buf *text)
{
    return text->len == sizeof(bytes) && memcmp(text->ptr, bytes, sizeof(bytes)) == 0;
}

/* Folders of uploads that are neither done nor aborted. */
static size_t left_over(struct run *run)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count = 0;

    if (disk_list(disk_sim_disk(run->sim), "data/staging/uploads", &arena, &entries, &count, NULL))
        count = 0;
    arena_deinit(&arena);
    return count;
}

static void check(struct run *run, struct answered *done, uint64_t seed, int64_t cut_at)
{
    struct buf text = {.max = 16 << 20};
    bool is_new;

    assert_int_equal(ask(run, "GET", "k", slice_of(NULL, 0), &text, NULL), 200);
    is_new = is_whole(&text);
    if (!is_new && !slice_is(buf_slice(&text), "old"))
        fail_msg("seed %d, call %d: %zu bytes that nobody put", (int)seed, (int)cut_at, text.len);
    if (done->completed && !is_new)
        fail_msg("seed %d, call %d: completed and gone", (int)seed, (int)cut_at);
    if (done->upload[0] && !is_new) { /* what was answered counts, the rest is sent again */
        for (int number = 1; number <= 2; number++)
            if (!done->etags[number - 1][0])
                assert_int_equal(send_part(run, done, number), 200);
        if (complete(run, done) != 200)
            fail_msg("seed %d, call %d: cannot be completed", (int)seed, (int)cut_at);
        assert_int_equal(ask(run, "GET", "k", slice_of(NULL, 0), &text, NULL), 200);
        assert_true(is_whole(&text));
        assert_int_equal(left_over(run), 0);
    }
    buf_deinit(&text);
}

/* false: the cut lies behind the last call. */
static bool lose_power_at(uint64_t seed, int64_t cut_at)
{
    struct run run = {.cut_at = -1};
    struct answered done = {0};
    struct buf text = {0};
    bool reached;

    clock_fake_init(&run.clock, 1000000);
    assert_int_equal(disk_sim_new(&run.sim, seed, NULL), 0);
    disk_sim_on_call(run.sim, on_call, &run);
    assert_int_equal(open_run(&run), 0);
    assert_int_equal(run.store->ops->bucket_make(run.store, "lake", NULL), 0);
    assert_int_equal(ask(&run, "PUT", "k", SLICE_LIT("old"), &text, NULL), 200);
    run.cut_at = cut_at;
    upload(&run, &done);
    reached = run.calls > cut_at;
    run.cut_at = -1;
    disk_sim_power_loss(run.sim);
    close_run(&run);
    disk_sim_reboot(run.sim);
    assert_int_equal(open_run(&run), 0);
    check(&run, &done, seed, cut_at);
    if (!reached)
        assert_true(done.completed);
    close_run(&run);
    disk_sim_free(run.sim);
    buf_deinit(&text);
    return reached;
}

static void an_upload_survives_a_loss_of_power_at_any_call(void **state)
{
    const char *text = getenv("S3_POWER_SEEDS"); /* for longer searches */
    uint64_t seeds = text ? strtoull(text, NULL, 10) : 1;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        for (int64_t cut_at = 0; lose_power_at(seed, cut_at); cut_at++)
            ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_survives_a_loss_of_power_at_any_call),
    };

    diag_set_sink(no_sink, NULL);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
