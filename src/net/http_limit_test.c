/* http_limit_test.c - requests and connections beyond every limit: told so in the words of the
 * protocol served, and the server goes on. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http.h"

#define PLACES 4

static void hello(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)req;
    (void)arg;
    http_reply_text(reply, 200, "hello\n");
}

/* The words of a protocol. */
static void refusal(struct http_request *req, struct http_reply *reply, int status,
                    const char *text, void *arg)
{
    (void)req;
    (void)arg;
    http_reply_text(reply, status, "<Error>%s</Error>", text);
}

static const struct http_route routes[] = {{"GET", "/hello", hello},
                                           {"PUT", "/hello", hello, .body_max = 1000}};

static int set_up(void **state)
{
    const struct http_options options = {
        .name = "test", .connections_max = PLACES, .idle_timeout_s = 2, .error = refusal};
    struct http_server *server;

    assert_int_equal(http_server_new(&server, &options, NULL), 0);
    assert_int_equal(http_server_routes(server, "", routes, COUNT_OF(routes), NULL, NULL), 0);
    assert_int_equal(http_server_start(server, NULL), 0);
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    http_server_free(*state);
    return 0;
}

static int dial(struct http_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(server)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* All that comes until the peer closes, or until `until`. */
static const char *hear(int fd, const char *until)
{
    static char answer[65536];
    size_t len = 0;
    ssize_t got;

    answer[0] = '\0';
    while (!(until && strstr(answer, until)) &&
           (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0) {
        len += (size_t)got;
        answer[len] = '\0';
    }
    return answer;
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static const char *ask(struct http_server *server, const char *request)
{
    int fd = dial(server);
    const char *answer;

    say(fd, request);
    answer = hear(fd, NULL);
    close(fd);
    return answer;
}

static void expect(struct http_server *server, const char *request, const char *status, bool worded)
{
    const char *answer = ask(server, request);

    if (!strstr(answer, status) || (worded && !strstr(answer, "<Error>")))
        fail_msg("not %s but: %.300s", status, answer);
    assert_non_null(strstr(ask(server, HELLO), "hello"));
}

/* A request line, headers, and more of them than there may be. Beyond what libmicrohttpd takes into
 * its memory the status is right and the words are its own. */
static void refuses_headers_beyond_size_and_count(void **state)
{
    static const struct {
        size_t count, size;
        const char *status;
        bool worded;
    } cases[] = {{250, 4, " 431 ", true},
                 {1, 40000, " 431 ", true},
                 {1, 300000, " 431 ", false},
                 {20000, 4, " 431 ", false}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf text = {0};

        buf_append_str(&text, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (size_t k = 0; k < cases[i].count; k++) {
            buf_printf(&text, "X-%zu: ", k);
            for (size_t c = 0; c < cases[i].size; c++)
                buf_append_str(&text, "a");
            buf_append_str(&text, "\r\n");
        }
        buf_append_str(&text, "\r\n");
        expect(*state, buf_cstr(&text), cases[i].status, cases[i].worded);
        buf_deinit(&text);
    }
}

static void refuses_a_target_that_is_too_long(void **state)
{
    struct buf text = {0};

    buf_append_str(&text, "GET /");
    for (int i = 0; i < 200000; i++)
        buf_append_str(&text, "a");
    buf_append_str(&text, " HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(*state, buf_cstr(&text), " 414 ", false);
    buf_deinit(&text);
}

/* RFC 9112, section 6.3: what two servers could read in two ways is no request. */
static void refuses_a_length_told_in_two_ways(void **state)
{
    expect(*state,
           "PUT /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
           "Content-Length: 6\r\n\r\nhello",
           " 400 ", true);
    expect(*state,
           "PUT /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
           "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
           " 400 ", true);
    expect(*state, "PUT /hello HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", " 400 ", false);
    expect(*state, "PUT /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5e3\r\n\r\n", " 400 ", false);
}

static void refuses_a_body_beyond_its_limit(void **state)
{
    struct buf text = {0};

    buf_printf(&text,
               "PUT /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n"
               "%2000d",
               1);
    expect(*state, buf_cstr(&text), " 413 ", true);
    buf_deinit(&text);
}

/* Fewer bytes than were told, then the client hangs up: no handler runs. */
static void drops_a_body_that_ends_early(void **state)
{
    int fd = dial(*state);

    say(fd, "PUT /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    assert_null(strstr(hear(fd, NULL), " 200 "));
    close(fd);
    assert_non_null(strstr(ask(*state, HELLO), "hello"));
}

static void tells_one_connection_too_many(void **state)
{
    int fds[PLACES], fd;

    for (int i = 0; i < PLACES; i++) { /* at home, and asking now and then */
        fds[i] = dial(*state);
        say(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_non_null(strstr(hear(fds[i], "hello\n"), " 200 "));
    }
    fd = dial(*state);
    say(fd, HELLO);
    assert_non_null(strstr(hear(fd, NULL), " 503 "));
    close(fd);
    say(fds[0], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(hear(fds[0], "hello\n"), " 200 "));
    for (int i = 0; i < PLACES; i++)
        close(fds[i]);
}

/* Goal: who sends a byte of a header now and then (a slow loris) keeps nobody out for long. Method:
 * all places taken like that, each fed a byte every 0.3 s, with a limit of 2 s. */
static void frees_the_places_of_those_who_dribble(void **state)
{
    bool answered = false;
    int fds[PLACES];

    for (int i = 0; i < PLACES; i++) {
        fds[i] = dial(*state);
        say(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    }
    for (int round = 0; round < 30 && !answered; round++) {
        usleep(300000);
        for (int i = 0; i < PLACES; i++)
            say(fds[i], "a");
        answered = strstr(ask(*state, HELLO), " 200 ") != NULL;
    }
    assert_true(answered);
    assert_non_null(strstr(hear(fds[0], NULL), " 408 "));
    for (int i = 0; i < PLACES; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_headers_beyond_size_and_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_target_that_is_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_length_told_in_two_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_body_beyond_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drops_a_body_that_ends_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_one_connection_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frees_the_places_of_those_who_dribble, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
