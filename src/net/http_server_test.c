/* http_server_test.c - the server over real sockets, with requests written byte by byte. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http.h"

struct seen {
    _Atomic int64_t bytes; /* handlers run on threads of their own */
    _Atomic bool gone, released;
};

static void echo(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)arg;
    http_reply_text(reply, 200, "%s|%s|%s|%s|%zu", http_method(req), http_path(req),
                    http_param(req, "name") ? http_param(req, "name") : "-",
                    http_query(req, "q") ? http_query(req, "q") : "-", http_body(req).len);
}

static int count_piece(struct http_request *req, struct http_reply *reply, struct slice piece,
                       void *arg)
{
    struct seen *seen = arg;

    (void)req;
    seen->bytes += (int64_t)piece.len;
    if (seen->bytes > 30000000) {
        http_reply_text(reply, 409, "enough");
        return ERR_LIMIT;
    }
    return 0;
}

static void upload_begin(struct http_request *req, struct http_reply *reply, void *arg)
{
    if (http_header(req, "X-Refuse"))
        http_reply_text(reply, 403, "no");
    else
        http_body_to(req, count_piece, arg);
}

static void upload(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct seen *seen = arg;

    (void)req;
    http_reply_text(reply, 201, "%lld", (long long)seen->bytes);
}

static void send_range(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct file *file = NULL;

    (void)req;
    assert_int_equal(disk_open(disk_system(), &file, arg, DISK_READ, NULL), 0);
    http_reply_file(reply, "application/octet-stream", file, 3, 4);
}

static int pull_abc(void *arg, uint8_t *ptr, size_t max, size_t *got)
{
    int *left = arg;

    assert_true(max >= 3);
    *got = *left > 0 ? 3 : 0;
    (*left)--;
    memcpy(ptr, "abc", *got);
    return 0;
}

static void stream(struct http_request *req, struct http_reply *reply, void *arg)
{
    int *left = arena_alloc(http_arena(req), sizeof(*left));

    (void)arg;
    *left = 3;
    http_reply_stream(reply, "text/plain", -1, pull_abc, NULL, left);
}

static void note_release(void *state)
{
    ((struct seen *)state)->released = true;
}

static void wait_until_gone(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct seen *seen = arg;

    http_set_state(req, seen, note_release);
    for (int i = 0; i < 500 && !http_gone(req); i++)
        usleep(10000);
    seen->gone = http_gone(req);
    http_status(reply, 204);
}

static const struct http_route routes[] = {
    {"GET", "/v1/things/{name}", echo}, {"POST", "/v1/things/{name}", echo, .body_max = 1000},
    {"GET", "/v1/all/{name...}", echo}, {"PUT", "/upload", upload, upload_begin},
    {"GET", "/file", send_range},       {"GET", "/stream", stream},
};
static const struct http_route waiting[] = {{"GET", "/wait", wait_until_gone}};

struct fixture {
    struct http_server *server;
    struct seen seen;
    char path[64];
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    const struct http_options options = {.name = "test", .address = "127.0.0.1"};
    struct err err = {0};

    assert_non_null(fix);
    snprintf(fix->path, sizeof(fix->path), "/tmp/http_test.%d", (int)getpid());
    assert_int_equal(disk_write_file(disk_system(), fix->path, SLICE_LIT("0123456789"), NULL), 0);
    assert_int_equal(http_server_new(&fix->server, &options, &err), 0);
    assert_int_equal(http_server_routes(fix->server, "", routes, 4, &fix->seen, &err), 0);
    assert_int_equal(http_server_routes(fix->server, "", &routes[4], 2, fix->path, &err), 0);
    assert_int_equal(http_server_routes(fix->server, "/a/b", waiting, 1, &fix->seen, &err), 0);
    assert_int_equal(http_server_start(fix->server, &err), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    http_server_free(fix->server);
    unlink(fix->path);
    free(fix);
    return 0;
}

static int dial(struct fixture *fix)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(fix->server)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* Reads until `until` was seen or the peer closed. */
static const char *receive(int fd, const char *until)
{
    static char answer[65536];
    size_t len = 0;
    ssize_t got;

    answer[0] = '\0';
    while (!strstr(answer, until) &&
           (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0) {
        len += (size_t)got;
        answer[len] = '\0';
    }
    return answer;
}

static const char *ask(struct fixture *fix, const char *request)
{
    int fd = dial(fix);
    const char *answer;

    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    answer = receive(fd, "no such text");
    close(fd);
    return answer;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void keeps_the_path_raw_and_decodes_parameters(void **state)
{
    const char *answer = ask(*state, GET("/v1/things/a%2Fb%20c?q=1+2%26&q=3"));

    assert_non_null(strstr(answer, "GET|/v1/things/a%2Fb%20c|a/b c|1 2&|0"));
    answer = ask(*state, GET("/v1/all/x/y%2fz//"));
    assert_non_null(strstr(answer, "|x/y/z//|-|0"));
    answer = ask(*state, GET("/v1/things/a/"));
    assert_non_null(strstr(answer, "|a|-|0"));
}

static void refuses_unknown_paths_methods_and_escapes(void **state)
{
    const char *answer = ask(*state, GET("/nowhere"));

    assert_non_null(strstr(answer, "HTTP/1.1 404"));
    answer = ask(*state, "DELETE /v1/things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(answer, "HTTP/1.1 405"));
    assert_non_null(strstr(answer, "Allow: GET, POST"));
    assert_non_null(strstr(ask(*state, GET("/v1/things/a%00b")), "HTTP/1.1 400"));
    assert_non_null(strstr(ask(*state, GET("/v1/things/a%4")), "HTTP/1.1 400"));
    assert_non_null(strstr(ask(*state, GET("/v1/things/a?q=%zz")), "HTTP/1.1 400"));
}

static void collects_a_body_up_to_its_limit(void **state)
{
    char request[3000];
    const char *answer =
        ask(*state, "POST /v1/things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n");

    assert_non_null(strstr(answer, "POST|/v1/things/a|a|-|8"));
    snprintf(request, sizeof(request),
             "POST /v1/things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Content-Length: 1001\r\n\r\n%01001d",
             7);
    assert_non_null(strstr(ask(*state, request), "HTTP/1.1 413"));
    snprintf(request, sizeof(request),
             "POST /v1/things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Transfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d\r\n0\r\n\r\n",
             7);
    assert_non_null(strstr(ask(*state, request), "HTTP/1.1 413"));
}

static void refuses_headers_past_their_limit(void **state)
{
    static char request[50000];
    int len = snprintf(request, sizeof(request),
                       "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");

    for (int i = 0; i < 4; i++)
        len += snprintf(request + len, sizeof(request) - (size_t)len, "X-%d: %09000d\r\n", i, i);
    snprintf(request + len, sizeof(request) - (size_t)len, "\r\n");
    assert_non_null(strstr(ask(*state, request), "HTTP/1.1 431"));
}

static void streams_a_body_that_is_larger_than_any_limit(void **state)
{
    struct fixture *fix = *state;
    static char piece[65536];
    int fd = dial(fix);
    const char *head = "PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 20971520\r\n\r\n";

    memset(piece, 'x', sizeof(piece));
    assert_true(send(fd, head, strlen(head), 0) > 0);
    for (int i = 0; i < 320; i++)
        for (size_t sent = 0; sent < sizeof(piece);) {
            ssize_t n = send(fd, piece + sent, sizeof(piece) - sent, 0);

            assert_true(n > 0);
            sent += (size_t)n;
        }
    assert_non_null(strstr(receive(fd, "20971520"), "HTTP/1.1 201"));
    /* The connection is still good for another. */
    assert_true(send(fd, GET("/file"), strlen(GET("/file")), 0) > 0);
    assert_non_null(strstr(receive(fd, "3456"), "HTTP/1.1 200"));
    close(fd);
}

static void refuses_before_the_body_when_the_client_waits(void **state)
{
    struct fixture *fix = *state;
    const char *head = "PUT /upload HTTP/1.1\r\nHost: x\r\nX-Refuse: 1\r\nExpect: 100-continue\r\n"
                       "Content-Length: 1000000000000\r\n\r\n";
    int fd = dial(fix);
    const char *answer;

    assert_true(send(fd, head, strlen(head), 0) > 0);
    answer = receive(fd, "no such text");
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_null(strstr(answer, "100 Continue"));
    close(fd);
    head = "PUT /upload HTTP/1.1\r\nHost: x\r\nX-Refuse: 1\r\nContent-Length: 5\r\n\r\nhello"
           "GET /v1/things/after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    answer = ask(fix, head);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "|after|"));
    assert_int_equal(fix->seen.bytes, 0);
}

static void sends_a_range_of_a_file_and_answers_head(void **state)
{
    const char *answer = ask(*state, GET("/file"));

    assert_non_null(strstr(answer, "Content-Length: 4\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\n3456"));
    answer = ask(*state, "HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(answer, "Content-Length: 4\r\n"));
    assert_null(strstr(answer, "3456"));
}

static void streams_a_reply_of_unknown_length(void **state)
{
    const char *answer = ask(*state, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
                                     "GET /v1/things/after HTTP/1.1\r\nHost: x\r\n"
                                     "Connection: close\r\n\r\n");

    assert_non_null(strstr(answer, "Transfer-Encoding: chunked"));
    assert_non_null(strstr(answer, "abc"));
    assert_non_null(strstr(answer, "|after|"));
}

static int pull_slowly(void *arg, uint8_t *ptr, size_t max, size_t *got)
{
    int *left = arg;

    (void)max;
    usleep(1600000);
    *got = *left > 0;
    (*left)--;
    ptr[0] = 's';
    return 0;
}

static void stream_slowly(struct http_request *req, struct http_reply *reply, void *arg)
{
    int *left = arena_alloc(http_arena(req), sizeof(*left));

    (void)arg;
    *left = 1;
    http_reply_stream(reply, NULL, 1, pull_slowly, NULL, left);
}

static void lets_a_stream_be_silent_and_no_one_else(void **state)
{
    static const struct http_route slow[] = {{"GET", "/slow", stream_slowly}};
    const struct http_options options = {.name = "slow", .idle_timeout_s = 1};
    struct fixture fix = {0};
    int fd;

    (void)state;
    assert_int_equal(http_server_new(&fix.server, &options, NULL), 0);
    assert_int_equal(http_server_routes(fix.server, "", slow, 1, NULL, NULL), 0);
    assert_int_equal(http_server_start(fix.server, NULL), 0);
    fd = dial(&fix);
    assert_true(send(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 32, 0) > 0);
    assert_non_null(strstr(receive(fd, "\r\n\r\ns"), "\r\n\r\ns"));
    assert_string_equal(receive(fd, "never"), ""); /* idle now: closed by the server */
    close(fd);
    http_server_free(fix.server);
}

static void tells_a_waiting_handler_that_the_client_hung_up(void **state)
{
    struct fixture *fix = *state;
    int fd = dial(fix);

    assert_true(send(fd, GET("/a/b/wait"), strlen(GET("/a/b/wait")), 0) > 0);
    usleep(50000);
    close(fd);
    http_server_free(fix->server); /* waits for the handler */
    fix->server = NULL;
    assert_true(fix->seen.gone);
    assert_true(fix->seen.released);
}

static void survives_requests_cut_anywhere(void **state)
{
    const char *request = "PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n0\r\n\r\n";

    for (size_t len = 0; len < strlen(request); len += 3) {
        int fd = dial(*state);

        assert_int_equal(send(fd, request, len, 0), (ssize_t)len);
        close(fd);
    }
    assert_non_null(strstr(ask(*state, GET("/file")), "3456"));
}

static void refuses_a_taken_port_by_name(void **state)
{
    struct fixture *fix = *state;
    const struct http_options options = {
        .name = "second", .address = "127.0.0.1", .port = http_server_port(fix->server)};
    struct http_server *server = NULL;
    struct err err = {0};

    assert_int_equal(http_server_new(&server, &options, &err), 0);
    assert_int_equal(http_server_start(server, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "(process "));
    http_server_free(server);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(keeps_the_path_raw_and_decodes_parameters),
        CLAIM(refuses_unknown_paths_methods_and_escapes),
        CLAIM(collects_a_body_up_to_its_limit),
        CLAIM(refuses_headers_past_their_limit),
        CLAIM(streams_a_body_that_is_larger_than_any_limit),
        CLAIM(refuses_before_the_body_when_the_client_waits),
        CLAIM(sends_a_range_of_a_file_and_answers_head),
        CLAIM(streams_a_reply_of_unknown_length),
        cmocka_unit_test(lets_a_stream_be_silent_and_no_one_else),
        CLAIM(tells_a_waiting_handler_that_the_client_hung_up),
        CLAIM(survives_requests_cut_anywhere),
        CLAIM(refuses_a_taken_port_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
