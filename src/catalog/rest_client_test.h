/* rest_client_test.h - the REST face over a catalog of its own, and a client in a few lines. */
#ifndef CATALOG_REST_CLIENT_TEST_H
#define CATALOG_REST_CLIENT_TEST_H

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "catalog/fixture_test.h"
#include "catalog/http.h"

struct fixture {
    struct stack stack;
    struct catalog_http *http;
    struct clock_fake clock;
    char dir[64];
    char token[200]; /* sent as a bearer when not empty */
};

static inline int open_http(struct fixture *f, bool login, bool loopback_open)
{
    struct catalog_http_options options = {.catalog = f->stack.catalog,
                                           .clock = &f->clock.clock,
                                           .address = "127.0.0.1",
                                           .client_id = "root",
                                           .client_secret = "secret",
                                           .login = login,
                                           .loopback_open = loopback_open,
                                           .s3_endpoint = "http://{host}:9000",
                                           .s3_region = "us-east-1",
                                           .s3_access_key = "admin",
                                           .s3_secret_key = "password"};

    catalog_http_free(f->http);
    f->http = NULL;
    return catalog_http_new(&f->http, &options, NULL);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/rest_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    clock_fake_init(&f->clock, 1700000000000000);
    f->stack.disk = disk_system();
    f->stack.clock = &f->clock.clock;
    assert_int_equal(stack_open(&f->stack, f->dir, false, NULL), 0);
    assert_int_equal(open_http(f, false, false), 0);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    catalog_http_free(f->http);
    stack_close(&f->stack);
    disk_remove_tree(disk_system(), f->dir, NULL);
    free(f);
    return 0;
}

/* ---- a client in a few lines ---- */

struct answer {
    int status;
    json_t *json;    /* NULL: no body, or none that is JSON */
    char head[2000]; /* status line and headers */
};

static inline void send_all(int fd, const void *ptr, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, ptr, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* refused early: the answer says why */
        ptr = (const char *)ptr + sent;
        len -= (size_t)sent;
    }
}

static inline struct answer ask_with(struct fixture *f, const char *method, const char *path,
                                     const char *type, const char *extra, struct slice body)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)catalog_http_port(f->http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct answer answer = {0};
    struct buf out = {0}, in = {0};
    char piece[4096];
    ssize_t got;
    char *end;

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    buf_printf(&out, "%s %s HTTP/1.1\r\nHost: lake.test:8181\r\nConnection: close\r\n", method,
               path);
    if (f->token[0])
        buf_printf(&out, "Authorization: Bearer %s\r\n", f->token);
    if (body.ptr)
        buf_printf(&out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body.len);
    buf_printf(&out, "%s\r\n", extra);
    buf_append_slice(&out, body);
    send_all(fd, out.ptr, out.len);
    while ((got = recv(fd, piece, sizeof(piece), 0)) > 0)
        buf_append(&in, piece, (size_t)got);
    close(fd);
    end = strstr(buf_cstr(&in), "\r\n\r\n");
    assert_non_null(end);
    snprintf(answer.head, sizeof(answer.head), "%.*s", (int)(end - (char *)in.ptr), (char *)in.ptr);
    answer.status = atoi((char *)in.ptr + strlen("HTTP/1.1 "));
    json_parse(slice_str(end + 4), &answer.json, NULL);
    buf_deinit(&out);
    buf_deinit(&in);
    return answer;
}

static inline struct answer ask(struct fixture *f, const char *method, const char *path,
                                const char *body)
{
    return ask_with(f, method, path, "application/json", "", slice_str(body));
}

/* Asks, checks the status, and gives the JSON. */
static inline json_t *want(struct fixture *f, int status, const char *method, const char *path,
                           const char *body)
{
    struct answer answer = ask(f, method, path, body);

    if (answer.status != status) {
        char *text = answer.json ? json_dumps(answer.json, 0) : NULL;

        fail_msg("%s %s: %d instead of %d: %s", method, path, answer.status, status, text);
    }
    return answer.json;
}

static inline void quiet(struct fixture *f, int status, const char *method, const char *path,
                         const char *body)
{
    json_decref(want(f, status, method, path, body));
}

static inline const char *at(const json_t *json, const char *a, const char *b)
{
    json = json_object_get(json, a);
    return json_string_value(b ? json_object_get(json, b) : json);
}

static const char create_table[] __attribute__((unused)) =
    "{\"name\":\"t\",\"schema\":{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"at\",\"required\":false,\"type\":\"timestamptz\"}]},"
    "\"partition-spec\":{\"spec-id\":0,\"fields\":[{\"source-id\":2,\"field-id\":1000,"
    "\"name\":\"day\",\"transform\":\"day\"}]},\"properties\":{\"a\":\"b\"}}";

/* The server says of each 5xx why; here all are wanted. */
static inline void say_nothing(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

#endif
