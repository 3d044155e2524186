/* tcp.c - listeners and conns, on plain non-blocking sockets that libuv watches.
 *
 * libuv's own streams cannot mix sendfile with writes in order, so a conn keeps one queue of bytes
 * and file ranges. Whatever is queued in a turn goes out together at its end, without waiting for
 * the socket to be reported writable: many small answers become one sendmsg, and an answer's head
 * travels in one packet with the file range behind it (MSG_MORE).
 */
#include "base/loop_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/port.h"

#define IOV_MAX_BATCH  64
#define TURN_BYTES_MAX ((size_t)8 << 20) /* one conn may send so much before others get a turn */
#define READS_PER_TURN 4
#define LINGER_MS      30000 /* a closing conn whose peer takes nothing for so long is cut */

struct chunk {
    struct chunk *next;
    uint8_t *bytes;         /* owned; NULL: a file range */
    int fd;                 /* borrowed until done(arg) */
    int64_t pos;            /* of the bytes or of the file */
    size_t len;             /* bytes left */
    void (*done)(void *arg); /* may be NULL */
    void *arg;
};

struct conn {
    uv_poll_t poll;
    struct loop *loop;
    struct conn *next, **prev; /* among the loop's conns */
    struct conn *next_unsent;
    bool unsent;  /* on the loop's list */
    int fd;
    const struct conn_handler *handler;
    void *arg;
    struct chunk *first, **last;
    size_t queued;  /* bytes in the queue */
    bool paused;    /* the owner wants no bytes */
    bool blocked;   /* the socket took less than we had */
    bool finishing; /* conn_close was called, or the peer is done: send the rest, then close */
    bool dead;      /* failed, or all is sent: closing */
    char peer[64], local[64];
};

/* ---- closing ---- */

static void drop_first(struct conn *conn)
{
    struct chunk *chunk = conn->first;

    conn->first = chunk->next;
    if (!conn->first)
        conn->last = &conn->first;
    conn->queued -= chunk->len;
    if (chunk->done) {
        conn->loop->busy = true;
        chunk->done(chunk->arg);
    }
    free(chunk->bytes);
    free(chunk);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    conn->loop->busy = true;
    close(conn->fd);
    while (conn->first)
        drop_first(conn);
    if (conn->handler && conn->handler->closed)
        conn->handler->closed(conn->arg, conn);
    *conn->prev = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    free(conn);
}

static void forget_unsent(struct conn *conn)
{
    struct conn **at = &conn->loop->unsent;

    if (!conn->unsent)
        return;
    while (*at != conn)
        at = &(*at)->next_unsent;
    *at = conn->next_unsent;
    conn->unsent = false;
}

/* The owner hears of it in a callback of its own, never inside one of its calls. */
static void die(struct conn *conn)
{
    if (conn->dead)
        return;
    conn->dead = true;
    forget_unsent(conn);
    uv_close((uv_handle_t *)&conn->poll, on_closed);
}

void conns_close_all(struct loop *loop)
{
    for (struct conn *conn = loop->conns; conn; conn = conn->next)
        die(conn);
}

/* ---- watching ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct conn *conn)
{
    int events = 0;

    if (conn->dead)
        return;
    if (!conn->paused && !conn->finishing)
        events |= UV_READABLE;
    if (conn->blocked)
        events |= UV_WRITABLE;
    if (events ? uv_poll_start(&conn->poll, events, on_poll) : uv_poll_stop(&conn->poll))
        die(conn);
}

/* ---- sending ---- */

static void sent(struct conn *conn, size_t len)
{
    while (len > 0) {
        struct chunk *chunk = conn->first;
        size_t part = len < chunk->len ? len : chunk->len;

        chunk->pos += (int64_t)part;
        chunk->len -= part;
        conn->queued -= part;
        len -= part;
        if (chunk->len == 0)
            drop_first(conn);
    }
}

static ssize_t send_bytes(struct conn *conn)
{
    struct iovec parts[IOV_MAX_BATCH];
    struct msghdr message = {.msg_iov = parts};
    struct chunk *chunk = conn->first;

    for (; chunk && chunk->bytes && message.msg_iovlen < IOV_MAX_BATCH; chunk = chunk->next)
        parts[message.msg_iovlen++] = (struct iovec){chunk->bytes + chunk->pos, chunk->len};
    return sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (chunk ? MSG_MORE : 0));
}

static ssize_t send_file(struct conn *conn)
{
    off_t pos = conn->first->pos;
    ssize_t n = sendfile(conn->fd, conn->first->fd, &pos,
                         conn->first->len < TURN_BYTES_MAX ? conn->first->len : TURN_BYTES_MAX);

    if (n == 0)
        errno = ENODATA; /* the file is shorter than promised: the peer must not read on */
    return n == 0 ? -1 : n;
}

static void flush(struct conn *conn)
{
    size_t total = 0;

    conn->blocked = false;
    while (conn->first && total < TURN_BYTES_MAX) {
        ssize_t n = conn->first->bytes ? send_bytes(conn) : send_file(conn);

        if (n > 0) {
            total += (size_t)n;
            sent(conn, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                die(conn);
                return;
            }
            break;
        }
    }
    conn->blocked = conn->first != NULL;
    if (!conn->first && conn->finishing) {
        shutdown(conn->fd, SHUT_WR);
        die(conn);
        return;
    }
    watch(conn);
}

void conns_flush(struct loop *loop)
{
    struct conn *conn;

    while ((conn = loop->unsent)) {
        loop->unsent = conn->next_unsent;
        conn->unsent = false;
        flush(conn);
    }
}

/* A conn that waits for its socket is sent to from on_poll; any other at the end of the turn. */
static void send_later(struct conn *conn)
{
    if (conn->unsent || conn->blocked || conn->dead)
        return;
    conn->unsent = true;
    conn->next_unsent = conn->loop->unsent;
    conn->loop->unsent = conn;
}

static int enqueue(struct conn *conn, struct chunk chunk)
{
    struct chunk *copy;

    if (conn->dead || conn->finishing)
        return ERR_CLOSED;
    copy = malloc(sizeof(*copy));
    if (!copy)
        return ERR_NOMEM;
    *copy = chunk;
    *conn->last = copy;
    conn->last = &copy->next;
    conn->queued += copy->len;
    send_later(conn);
    return 0;
}

int conn_write(struct conn *conn, struct buf *buf)
{
    struct chunk chunk = {.bytes = buf->ptr, .len = buf->len, .fd = -1};
    int rc = chunk.len ? enqueue(conn, chunk) : 0;

    if (rc || chunk.len == 0)
        free(chunk.bytes);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
    return rc;
}

int conn_send_file(struct conn *conn, int fd, int64_t pos, size_t len, void (*done)(void *arg),
                   void *arg)
{
    if (len == 0) {
        if (conn->dead || conn->finishing)
            return ERR_CLOSED;
        if (done)
            done(arg);
        return 0;
    }
    return enqueue(conn,
                   (struct chunk){.fd = fd, .pos = pos, .len = len, .done = done, .arg = arg});
}

size_t conn_queued(struct conn *conn) { return conn->queued; }

/* ---- receiving ---- */

static void finish(struct conn *conn)
{
    int linger_ms = LINGER_MS;

    if (conn->finishing || conn->dead)
        return;
    conn->finishing = true;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &linger_ms, sizeof(linger_ms));
    if (conn->blocked)
        watch(conn); /* no more reading */
    else
        send_later(conn);
}

void conn_close(struct conn *conn) { finish(conn); }

static void receive(struct conn *conn)
{
    struct loop *loop = conn->loop;

    for (int i = 0; i < READS_PER_TURN && !conn->dead && !conn->paused && !conn->finishing; i++) {
        ssize_t n = recv(conn->fd, loop->read_bytes, READ_BYTES, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            die(conn);
            return;
        }
        if (n == 0 || !conn->handler) {
            finish(conn);
            return;
        }
        conn->handler->data(conn->arg, conn, slice_of(loop->read_bytes, (size_t)n));
        if ((size_t)n < READ_BYTES)
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;

    conn->loop->busy = true;
    if (status < 0) { /* the socket failed: a reset, or the linger time is over */
        die(conn);
        return;
    }
    if (events & UV_WRITABLE)
        flush(conn);
    if (events & UV_READABLE)
        receive(conn);
}

void conn_read_pause(struct conn *conn, bool on)
{
    if (conn->paused == on)
        return;
    conn->paused = on;
    watch(conn);
}

void conn_handle(struct conn *conn, const struct conn_handler *handler, void *arg)
{
    conn->handler = handler;
    conn->arg = arg;
}

const char *conn_peer(struct conn *conn) { return conn->peer; }
const char *conn_local(struct conn *conn) { return conn->local; }
struct loop *conn_loop(struct conn *conn) { return conn->loop; }

/* ---- addresses ---- */

static void address_text(const struct sockaddr_storage *address, char *out, size_t len)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
        snprintf(out, len, "[%s]:%d", host, ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;

        inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
        snprintf(out, len, "%s:%d", host, ntohs(four->sin_port));
    }
}

static int parse_address(const char *text, int port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (port < 0 || port > 65535)
        return ERR_INVALID;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        *len = sizeof(*four);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        *len = sizeof(*six);
        return 0;
    }
    return ERR_INVALID;
}

/* ---- accepting ---- */

struct listener {
    uv_poll_t poll;
    uv_timer_t rest; /* after running out of file descriptors */
    struct loop *loop;
    int fd, port;
    int handles; /* open libuv handles: freed with the last */
    void (*accepted)(void *arg, struct conn *conn);
    void *arg;
};

static void enter_conns(struct conn *conn)
{
    struct loop *loop = conn->loop;

    conn->next = loop->conns;
    conn->prev = &loop->conns;
    if (conn->next)
        conn->next->prev = &conn->next;
    loop->conns = conn;
}

static struct conn *conn_new(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof(local);
    int on = 1;

    if (!conn || uv_poll_init(&loop->uv, &conn->poll, fd)) {
        free(conn);
        return NULL;
    }
    conn->poll.data = conn;
    conn->loop = loop;
    conn->fd = fd;
    conn->last = &conn->first;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    getsockname(fd, (struct sockaddr *)&local, &len);
    address_text(peer, conn->peer, sizeof(conn->peer));
    address_text(&local, conn->local, sizeof(conn->local));
    enter_conns(conn);
    return conn;
}

static void on_accept(uv_poll_t *poll, int status, int events);

static void after_rest(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, on_accept);
}

/* Out of descriptors or memory the pending connection stays readable: look away for a moment
 * instead of spinning. */
static void rest(struct listener *listener, int number)
{
    diag_warn("tcp", "port %d: accept: %s", listener->port, strerror(number));
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->rest, after_rest, 100, 0);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status, (void)events;
    listener->loop->busy = true;
    while (!uv_is_closing((uv_handle_t *)poll)) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *conn;

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                rest(listener, errno);
            return;
        }
        conn = conn_new(listener->loop, fd, &peer);
        if (!conn) {
            close(fd);
            continue;
        }
        listener->accepted(listener->arg, conn);
        watch(conn);
    }
}

static int open_socket(struct listener *listener, const char *address, int port, struct err *err)
{
    struct sockaddr_storage where;
    socklen_t len = sizeof(where);
    int on = 1, rc = parse_address(address, port, &where, &len);

    if (rc)
        return err_set(err, rc, "%s:%d is not an address to listen on", address, port);
    listener->fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return err_errno(err, errno, "socket for %s:%d", address, port);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (where.ss_family == AF_INET6)
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(listener->fd, (struct sockaddr *)&where, len) || listen(listener->fd, 1024)) {
        int number = errno;

        return number == EADDRINUSE ? port_taken(address, port, err)
                                    : err_errno(err, number, "listen on %s:%d", address, port);
    }
    len = sizeof(where);
    getsockname(listener->fd, (struct sockaddr *)&where, &len);
    listener->port = ntohs(where.ss_family == AF_INET6
                               ? ((struct sockaddr_in6 *)&where)->sin6_port
                               : ((struct sockaddr_in *)&where)->sin_port);
    return 0;
}

int listener_new(struct listener **out, struct loop *loop, const char *address, int port,
                 void (*accepted)(void *arg, struct conn *conn), void *arg, struct err *err)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    int rc;

    *out = NULL;
    if (!listener)
        return err_set(err, ERR_NOMEM, "listen on %s:%d", address, port);
    *listener = (struct listener){.loop = loop, .fd = -1, .accepted = accepted, .arg = arg};
    rc = open_socket(listener, address, port, err);
    if (rc)
        goto fail;
    rc = uv_poll_init(&loop->uv, &listener->poll, listener->fd);
    if (rc) {
        rc = err_errno(err, -rc, "listen on %s:%d", address, port);
        goto fail;
    }
    uv_timer_init(&loop->uv, &listener->rest);
    listener->handles = 2;
    listener->poll.data = listener->rest.data = listener;
    rc = uv_poll_start(&listener->poll, UV_READABLE, on_accept);
    if (rc) {
        rc = err_errno(err, -rc, "listen on %s:%d", address, port);
        goto fail;
    }
    *out = listener;
    return 0;

fail:
    listener_free(listener);
    return rc;
}

int listener_port(struct listener *listener) { return listener->port; }

static void listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    if (--listener->handles == 0)
        free(listener);
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    if (listener->handles > 0) {
        uv_close((uv_handle_t *)&listener->poll, listener_closed);
        uv_close((uv_handle_t *)&listener->rest, listener_closed);
    }
    if (listener->fd >= 0)
        close(listener->fd); /* now, so that the port is free at once */
    if (listener->handles == 0)
        free(listener);
}
