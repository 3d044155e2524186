/* http_client_test.c - the client against our own server, and against nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/port.h"
#include "net/http.h"
#include "net/http_client.h"

struct fixture {
    struct http_server *server;
    struct http_client *client;
    struct arena arena;
    struct http_answer answer;
    struct buf body;
};

static void echo(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)arg;
    http_status(reply, 201);
    http_set_header(reply, "X-Got", http_header(req, "X-Sent") ? http_header(req, "X-Sent") : "-");
    http_reply_bytes(reply, "text/plain", http_body(req));
}

static void refuse(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)req;
    (void)arg;
    http_reply_text(reply, 503, "not now");
}

static void hang(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)arg;
    while (!http_gone(req))
        usleep(1000);
    http_status(reply, 204);
}

static const struct http_route routes[] = {
    {"*", "/echo/{rest...}", echo},
    {"GET", "/refuse", refuse},
    {"*", "/hang", hang},
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    const struct http_options server = {.name = "test"};
    const struct http_client_options client = {0};

    assert_int_equal(http_server_new(&fix->server, &server, NULL), 0);
    assert_int_equal(http_server_routes(fix->server, "", routes, COUNT_OF(routes), NULL, NULL), 0);
    assert_int_equal(http_server_start(fix->server, NULL), 0);
    assert_int_equal(http_client_new(&fix->client, &client, NULL), 0);
    fix->body.max = 1000;
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    http_client_free(fix->client);
    http_server_free(fix->server);
    buf_deinit(&fix->body);
    arena_deinit(&fix->arena);
    free(fix);
    return 0;
}

static int ask(struct fixture *fix, const char *path, struct http_call call)
{
    struct err err = {0};
    char url[200];
    int rc;

    buf_clear(&fix->body);
    arena_reset(&fix->arena);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_server_port(fix->server), path);
    call.url = url;
    call.into = &fix->body;
    rc = http_client_call(fix->client, &call, &fix->arena, &fix->answer, &err);
    assert_true(rc == 0 || err.text[0]);
    return rc;
}

static void sends_and_receives(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
    const struct http_field sent = {"X-Sent", "a b"}, empty = {"X-Sent", ""};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct http_call call = {.method = methods[i], .headers = &sent, .header_count = 1};

        if (i)
            call.body = SLICE_LIT("hello");
        assert_int_equal(ask(fix, "/echo/a/../%2e%2e/b", call), 0);
        assert_int_equal(fix->answer.status, 201);
        assert_string_equal(http_answer_header(&fix->answer, "x-got"), "a b");
        assert_string_equal(buf_cstr(&fix->body), i ? "hello" : "");
    }
    assert_int_equal(ask(fix, "/echo/", (struct http_call){.method = "HEAD"}), 0);
    assert_int_equal(fix->answer.status, 201);
    assert_int_equal(ask(fix, "/echo/",
                         (struct http_call){.method = "GET", .headers = &empty, .header_count = 1}),
                     0);
    assert_string_equal(http_answer_header(&fix->answer, "X-Got"), "");
    assert_int_equal(ask(fix, "/refuse", (struct http_call){.method = "GET"}), 0);
    assert_int_equal(fix->answer.status, 503);
    assert_string_equal(buf_cstr(&fix->body), "not now");
    assert_null(http_answer_header(&fix->answer, "x-got"));
}

static int take(void *arg, struct slice bytes)
{
    *(size_t *)arg += bytes.len;
    return *(size_t *)arg > 3000 ? ERR_CANCELLED : 0;
}

static void bounds_what_it_receives(void **state)
{
    static char text[2000];
    struct fixture *fix = *state;
    size_t taken = 0;
    struct http_call call = {.method = "POST", .body = slice_of(text, sizeof(text))};

    assert_int_equal(ask(fix, "/echo/", call), ERR_LIMIT);
    call.take = take;
    call.take_arg = &taken;
    assert_int_equal(ask(fix, "/echo/", call), 0);
    assert_int_equal(taken, 2000);
    assert_int_equal(ask(fix, "/echo/", call), ERR_CANCELLED);
}

static void tells_whether_it_may_have_been_done(void **state)
{
    struct fixture *fix = *state;
    int fd = -1, port = 0;
    char url[64];
    struct http_call call = {.method = "PUT", .url = url, .into = &fix->body};

    assert_int_equal(port_listen(&fd, "127.0.0.1", 0, &port, NULL), 0);
    close(fd); /* now surely nobody listens there */
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    assert_int_equal(http_client_call(fix->client, &call, &fix->arena, &fix->answer, NULL), ERR_IO);
    assert_false(fix->answer.maybe_done);
    call.total_timeout_ms = 100;
    call.body = SLICE_LIT("x");
    assert_int_equal(ask(fix, "/hang", call), ERR_TIMEOUT);
    assert_true(fix->answer.maybe_done);
    call = (struct http_call){.method = "GET", .url = "ftp://127.0.0.1/x"};
    assert_int_equal(http_client_call(fix->client, &call, &fix->arena, &fix->answer, NULL),
                     ERR_INVALID);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(sends_and_receives),
        CLAIM(bounds_what_it_receives),
        CLAIM(tells_whether_it_may_have_been_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
