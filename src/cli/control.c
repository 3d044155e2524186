/* control.c - JSON lines over a unix socket, both ends. */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control_reply {
    int fd;
    size_t unread; /* bytes of later requests that were read already */
    void *session;
    void (*release)(void *session);
};

struct client {
    struct control *control;
    int fd; /* -1: the slot is free */
    pthread_t thread;
    bool done; /* the thread has ended and waits to be joined */
};

struct control {
    const struct control_verb *verbs;
    void *arg;
    char *path;
    int fd, wake[2]; /* wake: a byte ends the accepting thread */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* guards clients */
    struct client clients[CONTROL_CLIENTS_MAX];
};

/* ---- addresses ---- */

/* sun_path holds 107 bytes. A longer folder is reached through a descriptor of it. */
static int address_of(const char *data_path, struct sockaddr_un *out, int *dir_fd, struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    *dir_fd = -1;
    if (snprintf(out->sun_path, sizeof(out->sun_path), "%s/control.sock", data_path) <
        (int)sizeof(out->sun_path))
        return 0;
    *dir_fd = open(data_path, O_PATH | O_DIRECTORY | O_CLOEXEC); /* a name for it, no data */
    if (*dir_fd < 0)
        return err_errno(err, errno, "%s", data_path);
    snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/control.sock", *dir_fd);
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* ---- lines ---- */

static int send_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_CLOSED;
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static int send_json(int fd, const json_t *json, struct err *err)
{
    struct buf text = {0};
    int rc = json_print(json, 0, &text, err);

    if (!rc)
        rc = buf_append_u8(&text, '\n');
    if (!rc && (rc = send_all(fd, buf_slice(&text))))
        err_set(err, rc, "the other end of the control socket is gone");
    buf_deinit(&text);
    return rc;
}

/* Takes the first line off `in`, reading more as needed. 1: a line in *out; 0: the end. */
static int read_line(int fd, struct buf *in, json_t **out, struct err *err)
{
    for (size_t seen = 0;;) {
        uint8_t *newline = in->len > seen ? memchr(in->ptr + seen, '\n', in->len - seen) : NULL;
        ssize_t n;
        int rc;

        if (newline) {
            size_t len = (size_t)(newline - in->ptr);

            rc = json_parse(slice_of(in->ptr, len), out, err);
            buf_consume(in, len + 1);
            return rc ? rc : 1;
        }
        seen = in->len;
        rc = buf_reserve(in, 64 << 10);
        if (rc)
            return err_set(err, rc, "a line longer than %d bytes", CONTROL_LINE_MAX);
        n = recv(fd, in->ptr + in->len, in->cap - in->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        in->len += (size_t)n;
    }
}

int control_send(struct control_reply *reply, json_t *line, struct err *err)
{
    int rc = line ? send_json(reply->fd, line, err) : err_set(err, ERR_NOMEM, "answer");

    json_decref(line);
    return rc;
}

bool control_interrupted(struct control_reply *reply)
{
    struct pollfd poll_fd = {.fd = reply->fd, .events = POLLIN | POLLRDHUP};

    return reply->unread > 0 || poll(&poll_fd, 1, 0) > 0;
}

void *control_session(struct control_reply *reply) { return reply->session; }

void control_session_set(struct control_reply *reply, void *session, void (*release)(void *))
{
    reply->session = session;
    reply->release = release;
}

/* ---- the server ---- */

static int dispatch(struct control *control, const json_t *request, struct control_reply *reply,
                    struct err *err)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));

    for (const struct control_verb *v = control->verbs; verb && v->name; v++)
        if (strcmp(v->name, verb) == 0)
            return v->handle(control->arg, request, reply, err);
    return err_set(err, ERR_UNSUPPORTED, "the running tarn does not know the request '%s'",
                   verb ? verb : "");
}

static int answer_one(struct control *control, const json_t *request, struct control_reply *reply)
{
    struct err err = {0};
    json_t *last;
    int rc = dispatch(control, request, reply, &err);

    if (rc)
        last = json_pack("{s:b,s:s,s:i}", "end", 1, "error", err.text, "code", rc);
    else
        last = json_pack("{s:b}", "end", 1);
    rc = last ? send_json(reply->fd, last, NULL) : ERR_NOMEM;
    json_decref(last);
    return rc;
}

static bool is_cancel(const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));

    return verb && strcmp(verb, "cancel") == 0; /* what it was meant for has ended */
}

static void answer_all(struct control *control, int fd)
{
    struct buf in = {.max = CONTROL_LINE_MAX};
    struct control_reply reply = {.fd = fd};
    json_t *request = NULL;
    int rc = 0;

    while (!rc && read_line(fd, &in, &request, NULL) == 1) {
        reply.unread = in.len;
        if (!is_cancel(request))
            rc = answer_one(control, request, &reply);
        json_decref(request);
        request = NULL;
    }
    if (reply.release)
        reply.release(reply.session);
    json_decref(request);
    buf_deinit(&in);
}

static void *client_main(void *arg)
{
    struct client *client = arg;

    answer_all(client->control, client->fd);
    pthread_mutex_lock(&client->control->mutex);
    close(client->fd);
    client->fd = -1;
    client->done = true;
    pthread_mutex_unlock(&client->control->mutex);
    return NULL;
}

/* With the mutex held. NULL: all slots are taken. */
static struct client *free_slot(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];

        if (client->done) {
            pthread_join(client->thread, NULL); /* it only returns now */
            client->done = false;
        }
        if (client->fd < 0)
            return client;
    }
    return NULL;
}

/* How long a connection waits for one of the others to end, and what it hears when none does. */
#define SLOT_TRIES 100
#define SLOT_PAUSE_NS 10000000
#define BUSY_ANSWER                                                                                \
    "{\"end\":true,\"code\":-16,\"error\":\"too many commands at once: try again\"}\n"
_Static_assert(ERR_BUSY == -16, "the code in BUSY_ANSWER");

static void accept_one(struct control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    struct client *client;

    if (fd < 0)
        return;
    pthread_mutex_lock(&control->mutex);
    client = free_slot(control);
    for (int i = 0; !client && i < SLOT_TRIES; i++) { /* those that leave need a moment */
        pthread_mutex_unlock(&control->mutex);
        clock_system()->sleep_ns(clock_system(), SLOT_PAUSE_NS);
        pthread_mutex_lock(&control->mutex);
        client = free_slot(control);
    }
    if (client) {
        client->control = control;
        client->fd = fd;
        if (pthread_create(&client->thread, NULL, client_main, client)) {
            client->fd = -1;
            client = NULL;
        }
    }
    pthread_mutex_unlock(&control->mutex);
    if (!client) {
        send_all(fd, SLICE_LIT(BUSY_ANSWER));
        close(fd);
    }
}

static void *server_main(void *arg)
{
    struct control *control = arg;
    struct pollfd fds[] = {{.fd = control->fd, .events = POLLIN},
                           {.fd = control->wake[0], .events = POLLIN}};

    for (;;) {
        if (poll(fds, COUNT_OF(fds), -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (fds[0].revents)
            accept_one(control);
    }
}

static int listen_on(struct control *control, const char *data_path, struct err *err)
{
    struct sockaddr_un address;
    int dir_fd, rc = address_of(data_path, &address, &dir_fd, err);
    mode_t mask;

    if (rc)
        return rc;
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(address.sun_path); /* left by a killed process: the lock says that nobody uses it */
    mask = umask(0077);
    if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&address, sizeof(address)) ||
        listen(control->fd, 16))
        rc = err_errno(err, errno, "listen on %s/control.sock", data_path);
    umask(mask);
    close_fd(dir_fd);
    return rc;
}

int control_new(struct control **out, const char *data_path, const struct control_verb *verbs,
                void *arg, struct err *err)
{
    struct control *control = calloc(1, sizeof(*control));
    int rc;

    if (!control)
        return err_set(err, ERR_NOMEM, "control socket");
    control->verbs = verbs;
    control->arg = arg;
    control->fd = control->wake[0] = control->wake[1] = -1;
    pthread_mutex_init(&control->mutex, NULL);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
    control->path = strdup(data_path);
    rc = control->path ? listen_on(control, data_path, err) : err_set(err, ERR_NOMEM, "control");
    if (!rc && pipe2(control->wake, O_CLOEXEC))
        rc = err_errno(err, errno, "pipe");
    if (!rc && pthread_create(&control->thread, NULL, server_main, control))
        rc = err_set(err, ERR_NOMEM, "thread of the control socket");
    control->started = !rc;
    if (rc) {
        control_free(control);
        return rc;
    }
    *out = control;
    return 0;
}

static void end_clients(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];
        bool joinable;

        pthread_mutex_lock(&control->mutex);
        joinable = client->fd >= 0 || client->done;
        if (client->fd >= 0)
            shutdown(client->fd, SHUT_RDWR); /* its handler sees control_interrupted */
        pthread_mutex_unlock(&control->mutex);
        if (joinable)
            pthread_join(client->thread, NULL);
    }
}

void control_free(struct control *control)
{
    struct sockaddr_un address;
    int dir_fd;

    if (!control)
        return;
    if (control->started) {
        if (write(control->wake[1], "x", 1) != 1)
            abort(); /* an empty pipe of our own takes one byte */
        pthread_join(control->thread, NULL);
        end_clients(control);
        if (!address_of(control->path, &address, &dir_fd, NULL)) {
            unlink(address.sun_path);
            close_fd(dir_fd);
        }
    }
    close_fd(control->fd);
    close_fd(control->wake[0]);
    close_fd(control->wake[1]);
    pthread_mutex_destroy(&control->mutex);
    free(control->path);
    free(control);
}

/* ---- the client ---- */

static int connect_to(const char *data_path, int *fd, struct err *err)
{
    struct sockaddr_un address;
    int dir_fd, rc = address_of(data_path, &address, &dir_fd, err);

    if (rc)
        return err_set(err, ERR_CLOSED, "nothing runs on %s", data_path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        rc = err_errno(err, errno, "socket");
    else if (connect(*fd, (struct sockaddr *)&address, sizeof(address)))
        rc = err_set(err, ERR_CLOSED, "nothing runs on %s: 'tarn up' starts it", data_path);
    close_fd(dir_fd);
    if (rc)
        close_fd(*fd);
    return rc;
}

struct control_link {
    int fd;
    struct buf in;
};

int control_open(struct control_link **out, const char *data_path, struct err *err)
{
    struct control_link *link = calloc(1, sizeof(*link));
    int rc = link ? connect_to(data_path, &link->fd, err) : err_set(err, ERR_NOMEM, "control");

    if (rc) {
        free(link);
        return rc;
    }
    link->in.max = CONTROL_LINE_MAX;
    *out = link;
    return 0;
}

void control_close(struct control_link *link)
{
    if (!link)
        return;
    close(link->fd);
    buf_deinit(&link->in);
    free(link);
}

int control_ask(struct control_link *link, const json_t *request,
                int (*line)(void *arg, const json_t *answer, struct err *err), void *arg,
                struct err *err)
{
    static const char gone[] = "tarn has ended before it answered: 'tarn logs' says why, 'tarn up' "
                               "starts it";
    int rc = send_json(link->fd, request, err);
    bool ended = false;

    if (rc == ERR_CLOSED) /* which an answer may be too: QUIT */
        rc = err_set(err, ERR_IO, "%s", gone);

    while (!rc && !ended) {
        json_t *answer = NULL;
        const char *error;

        rc = read_line(link->fd, &link->in, &answer, err);
        if (rc == 0)
            rc = err_set(err, ERR_IO, "%s", gone);
        rc = rc == 1 ? 0 : rc;
        ended = !rc && json_is_true(json_object_get(answer, "end"));
        error = json_string_value(json_object_get(answer, "error"));
        if (ended && error)
            rc =
                err_set(err, (int)json_integer_value(json_object_get(answer, "code")), "%s", error);
        else if (!rc && !ended && line)
            rc = line(arg, answer, err);
        json_decref(answer);
    }
    return rc;
}

void control_cancel(struct control_link *link)
{
    static const char text[] = "{\"verb\":\"cancel\"}\n";

    if (send(link->fd, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
        return; /* it is gone: the waiting side finds out by itself */
}

int control_call(const char *data_path, const json_t *request,
                 int (*line)(void *arg, const json_t *answer, struct err *err), void *arg,
                 struct err *err)
{
    struct control_link *link = NULL;
    int rc = control_open(&link, data_path, err);

    if (!rc)
        rc = control_ask(link, request, line, arg, err);
    control_close(link);
    return rc;
}
