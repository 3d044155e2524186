/* store_s3_test.c - the S3 client against an endpoint that fails, lies, throttles and hangs up.
 *
 * The endpoint is a server of ours that does what a script says: one line per request, the last for
 * all that follow. The clock is a fake one, so that waiting takes no time and can be measured.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http.h"
#include "store/store.h"

#define SIZE 300000 /* of the object that is read */

/* How one request is answered. */
struct answer {
    int status;
    const char *code;  /* of the error, or NULL */
    int64_t cut_after; /* bytes of the body, then the connection breaks; 0: whole */
    const char *after; /* Retry-After */
    bool done;         /* a put: it was done all the same */
};

struct endpoint {
    struct http_server *server;
    struct store *store;
    struct clock_fake clock;
    char dir[64];
    const struct answer *script;
    size_t steps, requests;
    char last_range[64], last_match[64]; /* of the newest request */
    char stored_id[64];                  /* x-amz-meta-tarn-put of the put that was done */
    const char *etag;
    pthread_mutex_t lock;
};

static uint8_t object_byte(int64_t pos)
{
    return (uint8_t)(pos * 31 >> 3);
}

struct sending {
    int64_t pos, end, cut;
};

static int pull(void *arg, uint8_t *ptr, size_t max, size_t *got)
{
    struct sending *sending = arg;
    int64_t stop = sending->cut ? sending->cut : sending->end;

    if (sending->cut && sending->pos >= sending->cut)
        return ERR_IO; /* cuts the connection */
    for (*got = 0; *got < max && sending->pos < stop; (*got)++)
        ptr[*got] = object_byte(sending->pos++);
    return 0;
}

static void copy_header(struct http_request *req, const char *name, char out[64])
{
    const char *value = http_header(req, name);

    snprintf(out, 64, "%s", value ? value : "");
}

static void reply_error(struct http_reply *reply, const struct answer *answer)
{
    char text[300];

    snprintf(text, sizeof(text), "<Error><Code>%s</Code><Message>No.</Message></Error>",
             answer->code ? answer->code : "InternalError");
    http_status(reply, answer->status);
    if (answer->after)
        http_set_header(reply, "Retry-After", answer->after);
    http_reply_bytes(reply, "application/xml", slice_str(text));
}

static void reply_object(struct endpoint *endpoint, struct http_request *req,
                         struct http_reply *reply, const struct answer *answer)
{
    struct sending *sending = ARENA_NEW(http_arena(req), struct sending);
    long long from = 0, to = SIZE - 1;
    bool range = sscanf(endpoint->last_range, "bytes=%lld-%lld", &from, &to) >= 1;
    char text[64];

    *sending = (struct sending){from, to + 1, answer->cut_after ? from + answer->cut_after : 0};
    http_status(reply, range ? 206 : 200);
    snprintf(text, sizeof(text), "\"%s\"", endpoint->etag);
    http_set_header(reply, "ETag", text);
    http_reply_stream(reply, NULL, to + 1 - from, pull, NULL, sending);
}

static void handle(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct endpoint *endpoint = arg;
    const char *method = http_method(req);
    const struct answer *answer;
    char text[64];

    pthread_mutex_lock(&endpoint->lock);
    if (strcmp(method, "HEAD") == 0) { /* not of the script */
        http_status(reply, 200);
        snprintf(text, sizeof(text), "\"%s\"", endpoint->etag);
        http_set_header(reply, "ETag", text);
        if (endpoint->stored_id[0])
            http_set_header(reply, "x-amz-meta-tarn-put", endpoint->stored_id);
        http_reply_length(reply, NULL, SIZE);
        pthread_mutex_unlock(&endpoint->lock);
        return;
    }
    answer = &endpoint->script[endpoint->requests < endpoint->steps ? endpoint->requests
                                                                    : endpoint->steps - 1];
    endpoint->requests++;
    copy_header(req, "range", endpoint->last_range);
    copy_header(req, "if-match", endpoint->last_match);
    if (strcmp(method, "PUT") == 0 && answer->done)
        copy_header(req, "x-amz-meta-tarn-put", endpoint->stored_id);
    if (answer->status >= 300)
        reply_error(reply, answer);
    else if (strcmp(method, "GET") == 0)
        reply_object(endpoint, req, reply, answer);
    else
        http_status(reply, answer->status);
    pthread_mutex_unlock(&endpoint->lock);
}

static int set_up(void **state)
{
    static const struct http_route routes[] = {{"*", "/{path...}", handle}};
    const struct http_options http = {.name = "endpoint"};
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    struct store_s3_options options = {
        .access_key = "key", .secret_key = "secret", .path_style = true, .cache_bytes = 1 << 20};
    char url[64];
    struct err err = {0};

    pthread_mutex_init(&endpoint->lock, NULL);
    endpoint->etag = "0123456789abcdef0123456789abcdef";
    clock_fake_init(&endpoint->clock, 1700000000000000);
    snprintf(endpoint->dir, sizeof(endpoint->dir), "/tmp/store_s3_test.%d", (int)getpid());
    if (http_server_new(&endpoint->server, &http, &err) ||
        http_server_routes(endpoint->server, "", routes, COUNT_OF(routes), endpoint, &err) ||
        http_server_start(endpoint->server, &err))
        fail_msg("%s", err.text);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(endpoint->server));
    options.endpoint = url;
    options.dir = endpoint->dir;
    options.disk = disk_system();
    options.clock = &endpoint->clock.clock;
    if (store_s3_new(&endpoint->store, &options, &err))
        fail_msg("%s", err.text);
    *state = endpoint;
    return 0;
}

static int tear_down(void **state)
{
    struct endpoint *endpoint = *state;

    store_free(endpoint->store);
    http_server_free(endpoint->server);
    disk_remove_tree(disk_system(), endpoint->dir, NULL);
    free(endpoint);
    return 0;
}

#define SCRIPT(endpoint, ...)                                                                      \
    static const struct answer script_[] = {__VA_ARGS__};                                          \
    (endpoint)->script = script_;                                                                  \
    (endpoint)->steps = COUNT_OF(script_)

static int get(struct endpoint *endpoint, int64_t pos, int64_t len, struct err *err)
{
    struct buf out = {0};
    int rc = endpoint->store->ops->get(endpoint->store, "lake", "k", pos, len, &out, err);

    if (!rc) {
        assert_int_equal(out.len, len < 0 ? SIZE - pos : len);
        for (size_t i = 0; i < out.len; i++)
            if (out.ptr[i] != object_byte(pos + (int64_t)i))
                fail_msg("byte %zu is wrong", i);
    }
    buf_deinit(&out);
    return rc;
}

static int put(struct endpoint *endpoint, const struct store_put_options *options, struct err *err)
{
    return endpoint->store->ops->put(endpoint->store, "lake", "k", SLICE_LIT("bytes"), options,
                                     NULL, err);
}

/* Goal: what came is kept, what is missing is asked for, of the same version. */
static void goes_on_where_a_read_broke_off(void **state)
{
    struct endpoint *endpoint = *state;
    SCRIPT(endpoint, {200, .cut_after = 200000}, {206, .cut_after = 50000}, {206});

    assert_int_equal(get(endpoint, 0, -1, NULL), 0);
    assert_int_equal(endpoint->requests, 3);
    assert_string_equal(endpoint->last_match, "\"0123456789abcdef0123456789abcdef\"");
    assert_true(atoi(endpoint->last_range + 6) > 0);
    endpoint->requests = 0;
    assert_int_equal(get(endpoint, 1000, 260000, NULL), 0);
    assert_non_null(strstr(endpoint->last_range, "-260999"));
}

/* The same on the way into the cache. */
static void fills_the_cache_through_broken_reads(void **state)
{
    struct endpoint *endpoint = *state;
    struct store_info info;
    struct file *file = NULL;
    uint8_t last = 0;
    SCRIPT(endpoint, {200, .cut_after = 120000}, {503, "SlowDown"}, {206, .cut_after = 100000},
           {206});

    assert_int_equal(endpoint->store->ops->open(endpoint->store, "lake", "k", &info, &file, NULL),
                     0);
    assert_int_equal(file_read_all(file, &last, 1, SIZE - 1, NULL), 0);
    assert_int_equal(last, object_byte(SIZE - 1));
    file_close(file);
    assert_int_equal(endpoint->requests, 4);
}

static void reads_anew_what_changed_meanwhile(void **state)
{
    struct endpoint *endpoint = *state;
    SCRIPT(endpoint, {200, .cut_after = 120000}, {412, "PreconditionFailed"}, {200});

    assert_int_equal(get(endpoint, 0, -1, NULL), 0);
    assert_string_equal(endpoint->last_range, "");
}

static void heeds_retry_after(void **state)
{
    struct endpoint *endpoint = *state;
    int64_t before = clock_mono_ns(&endpoint->clock.clock), waited_ms;
    SCRIPT(endpoint, {503, "SlowDown", .after = "7"}, {429, .after = "1000000"}, {200});

    assert_int_equal(put(endpoint, NULL, NULL), 0);
    waited_ms = (clock_mono_ns(&endpoint->clock.clock) - before) / 1000000;
    assert_in_range(waited_ms, 27000, 40000); /* 7, and no more than 20, and a little */
}

/* Goal: the sentence at the end says what, how often, and what to do; a throttled put is refused,
 * not unknown. */
static void gives_up_with_a_remedy(void **state)
{
    struct endpoint *endpoint = *state;
    struct err err = {0};
    SCRIPT(endpoint, {503, "SlowDown"});

    assert_int_equal(put(endpoint, NULL, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "SlowDown"));
    assert_non_null(strstr(err.text, "tried 8 times in "));
    assert_non_null(strstr(err.text, "fewer requests"));
    assert_int_equal(endpoint->requests, 8);
}

static void names_the_setting_that_is_wrong(void **state)
{
    static const struct {
        struct answer answer;
        const char *remedy;
        int rc;
    } cases[] = {
        {{403, "InvalidAccessKeyId"}, "store.access_key", ERR_DENIED},
        {{403, "SignatureDoesNotMatch"}, "store.secret_key", ERR_DENIED},
        {{301, "PermanentRedirect"}, "store.region", ERR_INVALID},
        {{403, "RequestTimeTooSkewed"}, "clocks", ERR_DENIED},
        {{404, "NoSuchBucket"}, "make the bucket", ERR_NOENT},
    };
    struct endpoint *endpoint = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};

        endpoint->script = &cases[i].answer;
        endpoint->steps = 1;
        endpoint->requests = 0;
        assert_int_equal(put(endpoint, NULL, &err), cases[i].rc);
        assert_non_null(strstr(err.text, cases[i].remedy));
        assert_int_equal(endpoint->requests, 1); /* it cannot pass */
    }
}

/* Goal: an endpoint in trouble is not asked ever more. */
static void spends_no_more_tries_than_its_budget(void **state)
{
    struct endpoint *endpoint = *state;
    struct err err = {0};
    SCRIPT(endpoint, {500, "InternalError"});

    for (int i = 0; i < 40; i++)
        assert_int_equal(put(endpoint, NULL, &err), ERR_UNKNOWN);
    assert_in_range(endpoint->requests, 40 + 90, 40 + 100); /* 500 tokens, 5 each */
    assert_non_null(strstr(err.text, "fails too often"));
}

/* Goal: a conditional put that was done although the answer was 500 is recognised by its number;
 * one of the same bytes by somebody else is not taken for it. */
static void knows_its_own_put_again(void **state)
{
    struct endpoint *endpoint = *state;
    const struct store_put_options once = {.if_none_match = true};
    SCRIPT(endpoint, {500, "InternalError", .done = true}, {412, "PreconditionFailed"});

    assert_int_equal(put(endpoint, &once, NULL), 0);
    assert_int_equal(endpoint->requests, 2);
    assert_true(strlen(endpoint->stored_id) == 32);
    endpoint->requests = 1; /* refused at once: somebody's object is there */
    assert_int_equal(put(endpoint, &once, NULL), ERR_EXISTS);
}

static void takes_no_other_put_of_the_same_bytes_for_its_own(void **state)
{
    struct endpoint *endpoint = *state;
    const struct store_put_options once = {.if_none_match = true};
    SCRIPT(endpoint, {500, "InternalError"}, {412, "PreconditionFailed"});

    snprintf(endpoint->stored_id, sizeof(endpoint->stored_id), "somebody else's");
    assert_int_equal(put(endpoint, &once, NULL), ERR_UNKNOWN);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(goes_on_where_a_read_broke_off),
        CLAIM(fills_the_cache_through_broken_reads),
        CLAIM(reads_anew_what_changed_meanwhile),
        CLAIM(heeds_retry_after),
        CLAIM(gives_up_with_a_remedy),
        CLAIM(names_the_setting_that_is_wrong),
        CLAIM(spends_no_more_tries_than_its_budget),
        CLAIM(knows_its_own_put_again),
        CLAIM(takes_no_other_put_of_the_same_bytes_for_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
