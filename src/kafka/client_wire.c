/* client_wire.c - the producer's fields, frames, connections, and the errors it meets. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kafka/client_int.h"

enum { ANSWER_BYTES_MAX = 16 << 20 };

/* ---- writing and reading fields ---- */

int client_put16(struct buf *b, int16_t v)
{
    uint8_t raw[2];

    be16_put(raw, (uint16_t)v);
    return buf_append(b, raw, sizeof(raw));
}

int client_put32(struct buf *b, int32_t v)
{
    uint8_t raw[4];

    be32_put(raw, (uint32_t)v);
    return buf_append(b, raw, sizeof(raw));
}

int client_put_text(struct buf *b, const char *text)
{
    int rc = client_put16(b, text ? (int16_t)strlen(text) : -1);

    return rc || !text ? rc : buf_append_str(b, text);
}

const uint8_t *client_take(struct client_reader *r, size_t len)
{
    static const uint8_t zeroes[8];
    const uint8_t *at = r->at;

    if ((size_t)(r->end - r->at) < len) {
        r->short_ = true;
        r->at = r->end;
        return len <= sizeof(zeroes) ? zeroes : NULL;
    }
    r->at += len;
    return at;
}

struct slice client_get_text(struct client_reader *r)
{
    int16_t len = client_get16(r);
    const uint8_t *at = len > 0 ? client_take(r, (size_t)len) : NULL;

    return slice_of(at, at ? (size_t)len : 0);
}

int32_t client_get_count(struct client_reader *r, size_t least)
{
    int32_t count = client_get32(r);

    if (count > 0 && (size_t)count > (size_t)(r->end - r->at) / least) {
        r->short_ = true;
        return 0;
    }
    return count;
}

/* ---- error codes of the protocol that a producer meets ---- */

static const struct {
    int16_t code;
    int ours;
    bool again; /* cured by asking for the leaders anew */
    const char *text;
} errors[] = {
    {2, ERR_CORRUPT, false, "the broker found the batch corrupt"},
    {3, ERR_NOENT, true, "no such topic or partition"},
    {5, ERR_IO, true, "the partition has no leader"},
    {6, ERR_IO, true, "that broker does not lead the partition"},
    {7, ERR_TIMEOUT, true, "the broker timed out"},
    {10, ERR_LIMIT, false, "the batch is larger than the broker takes"},
    {14, ERR_IO, true, "the broker's coordinator is starting"},
    {15, ERR_IO, true, "the broker has no coordinator yet"},
    {17, ERR_INVALID, false, "not a topic's name"},
    {19, ERR_IO, true, "not enough replicas"},
    {20, ERR_IO, true, "not enough replicas after the append"},
    {29, ERR_DENIED, false, "not allowed to write to the topic"},
    {31, ERR_DENIED, false, "not allowed to write to the cluster"},
    {45, ERR_CONFLICT, false, "records out of sequence"},
    {47, ERR_DENIED, false, "another producer took over"},
    {56, ERR_IO, true, "the broker's disk failed"},
    {59, ERR_CONFLICT, false, "the broker forgot this producer"},
};

int client_error(int16_t code, const char *where, bool *again, struct err *err)
{
    *again = false;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (errors[i].code == code) {
            *again = errors[i].again;
            return err_set(err, errors[i].ours, "%s: %s", where, errors[i].text);
        }
    }
    return err_set(err, ERR_IO, "%s: error %d of the broker", where, code);
}

/* ---- connections ---- */

int client_wait(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n == 0 ? ERR_TIMEOUT : ERR_IO;
}

static int connect_one(const struct addrinfo *at, int *out)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, bad = 0;
    socklen_t len = sizeof(bad);

    if (fd < 0)
        return ERR_IO;
    if (connect(fd, at->ai_addr, at->ai_addrlen) && errno != EINPROGRESS)
        goto fail;
    if (client_wait(fd, POLLOUT, CLIENT_IO_TIMEOUT_MS) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &len) || bad)
        goto fail;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){CLIENT_IO_TIMEOUT_MS / 1000, 0},
               sizeof(struct timeval));
    *out = fd;
    return 0;
fail:
    close(fd);
    return ERR_IO;
}

int client_node_connect(struct client_node *node, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[16];
    int rc = ERR_IO;

    if (node->fd >= 0)
        return 0;
    snprintf(port, sizeof(port), "%d", node->port);
    if (getaddrinfo(node->host, port, &hints, &list))
        return err_set(err, ERR_IO, "no address for broker %s", node->host);
    for (struct addrinfo *at = list; at && rc; at = at->ai_next)
        rc = connect_one(at, &node->fd);
    freeaddrinfo(list);
    return rc ? err_set(err, rc, "no broker answers on %s:%d", node->host, node->port) : 0;
}

void client_disconnect(struct producer *p)
{
    for (size_t i = 0; i < p->node_count; i++) {
        if (p->nodes[i].fd >= 0)
            close(p->nodes[i].fd);
        p->nodes[i].fd = -1;
    }
    for (int i = 0; i < p->count; i++)
        p->queue[(p->first + i) % CLIENT_IN_FLIGHT_MAX].fd = -1;
}

int client_send(int fd, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_IO, "the broker closed the connection");
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static int recv_all(int fd, uint8_t *ptr, size_t len, int timeout_ms, struct err *err)
{
    while (len > 0) {
        ssize_t n;

        if (client_wait(fd, POLLIN, timeout_ms))
            return err_set(err, ERR_TIMEOUT, "the broker does not answer");
        n = recv(fd, ptr, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_IO, "the broker closed the connection");
        ptr += n;
        len -= (size_t)n;
    }
    return 0;
}

int client_receive(struct producer *p, int fd, int32_t correlation, struct client_reader *r,
                   struct err *err)
{
    uint8_t head[8];
    int timeout = (int)(p->timeout_ms < INT32_MAX ? p->timeout_ms : INT32_MAX);
    int rc = recv_all(fd, head, sizeof(head), timeout, err);
    int32_t len = (int32_t)be32_get(head) - 4;

    if (rc)
        return rc;
    if (len < 0 || len > ANSWER_BYTES_MAX || (int32_t)be32_get(head + 4) != correlation)
        return err_set(err, ERR_IO, "not the answer of a Kafka broker");
    buf_clear(&p->answer);
    rc = buf_reserve(&p->answer, (size_t)len + 1);
    if (rc)
        return err_set(err, rc, "answer of %d bytes", len);
    rc = recv_all(fd, p->answer.ptr, (size_t)len, timeout, err);
    *r = (struct client_reader){p->answer.ptr, p->answer.ptr + len, false};
    return rc;
}

int client_frame_begin(struct producer *p, struct buf *frame, int16_t api, int16_t version,
                       int32_t *correlation)
{
    int rc = client_put32(frame, 0);

    *correlation = ++p->correlation;
    rc = rc ? rc : client_put16(frame, api);
    rc = rc ? rc : client_put16(frame, version);
    rc = rc ? rc : client_put32(frame, *correlation);
    return rc ? rc : client_put_text(frame, p->client_id);
}

void client_frame_end(struct buf *frame)
{
    be32_put(frame->ptr, (uint32_t)(frame->len - 4));
}
