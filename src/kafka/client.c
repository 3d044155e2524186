/* client.c - the producer: batches per partition, a queue of unanswered requests, and starting
 * over.
 *
 * All unanswered requests stand in one queue in the order of their making. Whatever goes wrong on
 * the way (a connection, a leader that moved, a time-out) is cured in one way: close all
 * connections, ask for the leaders anew, send the whole queue again. Sequence numbers make that
 * safe. There is one request per batch, so an answer is one error code.
 *
 * Versions: Metadata 4, InitProducerId 0, Produce 7 — the newest without tagged fields, spoken by
 * every broker from Kafka 2.1 to 4.
 */
#include "kafka/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/be.h"
#include "log/batch.h"

enum { API_PRODUCE = 0, API_METADATA = 3, API_INIT_PRODUCER_ID = 22 };
enum { IN_FLIGHT_MAX = 5, NODES_MAX = 64, ANSWER_BYTES_MAX = 16 << 20, IO_TIMEOUT_MS = 10000 };

struct node { /* a broker */
    int32_t id;
    char host[256];
    int port, fd; /* fd -1: not connected */
};

struct lane { /* one partition */
    struct batch_builder builder;
    int32_t partition, leader;
    int32_t sequence; /* of the next record */
    int64_t began_ms; /* when the batch got its first record */
};

struct route { /* one topic */
    char *name;
    struct lane *lanes;
    int32_t count, sticky;
};

struct request { /* a batch without an answer */
    struct buf frame;
    struct route *route;
    int32_t partition, correlation, records;
    int fd; /* where it went; -1: nowhere yet */
};

struct producer {
    struct clock *clock;
    char *bootstrap, *client_id;
    enum codec codec;
    size_t batch_bytes;
    int64_t linger_ms, timeout_ms;
    int in_flight_max;

    struct node nodes[NODES_MAX];
    size_t node_count;
    struct route **routes;
    size_t route_count;
    struct route *last; /* of the latest record */
    int64_t producer_id;
    int16_t producer_epoch;

    struct request queue[IN_FLIGHT_MAX]; /* a ring */
    int first, count;
    int32_t correlation;
    struct buf spare; /* memory of an answered frame, for the next */
    struct buf answer;
    struct producer_stats stats;
    int broken; /* a code: nothing more can be sent */
};

/* ---- writing and reading fields ---- */

static int put16(struct buf *b, int16_t v)
{
    uint8_t raw[2];

    be16_put(raw, (uint16_t)v);
    return buf_append(b, raw, sizeof(raw));
}

static int put32(struct buf *b, int32_t v)
{
    uint8_t raw[4];

    be32_put(raw, (uint32_t)v);
    return buf_append(b, raw, sizeof(raw));
}

static int put_text(struct buf *b, const char *text)
{
    int rc = put16(b, text ? (int16_t)strlen(text) : -1);

    return rc || !text ? rc : buf_append_str(b, text);
}

/* Reads past the end give zeroes and set `short_`: one check at the end of a message. */
struct reader {
    const uint8_t *at, *end;
    bool short_;
};

static const uint8_t *take(struct reader *r, size_t len)
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

static int16_t get16(struct reader *r) { return (int16_t)be16_get(take(r, 2)); }
static int32_t get32(struct reader *r) { return (int32_t)be32_get(take(r, 4)); }
static int64_t get64(struct reader *r) { return (int64_t)be64_get(take(r, 8)); }

static struct slice get_text(struct reader *r)
{
    int16_t len = get16(r);
    const uint8_t *at = len > 0 ? take(r, (size_t)len) : NULL;

    return slice_of(at, at ? (size_t)len : 0);
}

/* Elements to come; each takes at least `least` bytes, so a lie is found before the loop. */
static int32_t get_count(struct reader *r, size_t least)
{
    int32_t count = get32(r);

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
#define DUPLICATE_SEQUENCE 46 /* taken the first time: that answer was lost */

static int protocol_error(int16_t code, const char *where, bool *again, struct err *err)
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

static int wait_fd(int fd, short events, int timeout_ms)
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
    if (wait_fd(fd, POLLOUT, IO_TIMEOUT_MS) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &len) ||
        bad)
        goto fail;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){IO_TIMEOUT_MS / 1000, 0},
               sizeof(struct timeval));
    *out = fd;
    return 0;
fail:
    close(fd);
    return ERR_IO;
}

static int node_connect(struct node *node, struct err *err)
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

static void disconnect_all(struct producer *p)
{
    for (size_t i = 0; i < p->node_count; i++) {
        if (p->nodes[i].fd >= 0)
            close(p->nodes[i].fd);
        p->nodes[i].fd = -1;
    }
    for (int i = 0; i < p->count; i++)
        p->queue[(p->first + i) % IN_FLIGHT_MAX].fd = -1;
}

static int send_all(int fd, struct slice bytes, struct err *err)
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

        if (wait_fd(fd, POLLIN, timeout_ms))
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

/* One answer into p->answer; `r` walks it behind the correlation id. */
static int recv_answer(struct producer *p, int fd, int32_t correlation, struct reader *r,
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
    *r = (struct reader){p->answer.ptr, p->answer.ptr + len, false};
    return rc;
}

/* Request header version 1, with room for the frame's length in front. */
static int begin(struct producer *p, struct buf *frame, int16_t api, int16_t version,
                 int32_t *correlation)
{
    int rc = put32(frame, 0);

    *correlation = ++p->correlation;
    rc = rc ? rc : put16(frame, api);
    rc = rc ? rc : put16(frame, version);
    rc = rc ? rc : put32(frame, *correlation);
    return rc ? rc : put_text(frame, p->client_id);
}

static void end(struct buf *frame)
{
    be32_put(frame->ptr, (uint32_t)(frame->len - 4));
}

/* ---- who leads what ---- */

static void learn_node(struct producer *p, int32_t id, struct slice host, int port)
{
    struct node *node = NULL;

    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].id == id)
            node = &p->nodes[i];
    if (!node && p->node_count == NODES_MAX)
        return; /* its partitions will have no leader that we know */
    if (!node) {
        node = &p->nodes[p->node_count++];
        *node = (struct node){.id = id, .fd = -1};
    }
    if (node->fd >= 0 && (node->port != port || !slice_is(host, node->host))) {
        close(node->fd);
        node->fd = -1;
    }
    node->port = port;
    snprintf(node->host, sizeof(node->host), "%.*s", SLICE_ARG(host));
}

static int learn_partitions(struct producer *p, struct route *route, struct reader *r,
                            struct err *err)
{
    int32_t count = get_count(r, 18);

    if (count <= 0)
        return err_set(err, ERR_IO, "topic '%s' has no partitions", route->name);
    if (count > route->count) {
        struct lane *wider = realloc(route->lanes, (size_t)count * sizeof(*wider));

        if (!wider)
            return err_set(err, ERR_NOMEM, "topic '%s'", route->name);
        route->lanes = wider;
        for (; route->count < count; route->count++) {
            struct lane *lane = &wider[route->count];

            *lane = (struct lane){.partition = route->count, .leader = -1};
            batch_builder_init(&lane->builder);
        }
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t partition, leader;

        (void)get16(r); /* its error shows in the leader: -1 */
        partition = get32(r);
        leader = get32(r);
        for (int list = 0; list < 2; list++) /* replicas, those in sync */
            for (int32_t n = get_count(r, 4); n > 0; n--)
                (void)get32(r);
        if (partition >= 0 && partition < route->count)
            route->lanes[partition].leader = leader;
    }
    (void)p;
    return 0;
}

static int read_metadata(struct producer *p, struct route *route, struct reader *r, bool *again,
                         struct err *err)
{
    int32_t count;
    int16_t code;
    int rc = 0;

    *again = false;
    (void)get32(r); /* throttle */
    for (count = get_count(r, 12); count > 0; count--) {
        int32_t id = get32(r);
        struct slice host = get_text(r);
        int port = get32(r);

        (void)get_text(r); /* rack */
        learn_node(p, id, host, port);
    }
    (void)get_text(r); /* cluster */
    (void)get32(r);    /* controller */
    for (count = get_count(r, 9); count > 0 && !rc; count--) {
        code = get16(r);
        (void)get_text(r);
        (void)take(r, 1); /* internal */
        if (!route)
            break;
        if (code) {
            rc = protocol_error(code, route->name, again, err);
            break;
        }
        rc = learn_partitions(p, route, r, err);
    }
    if (!rc && r->short_)
        rc = err_set(err, ERR_IO, "metadata of the broker ends early");
    return rc;
}

static struct node *find_node(struct producer *p, int32_t id)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].id == id)
            return &p->nodes[i];
    return NULL;
}

/* Bootstrap addresses are nodes with negative ids until metadata names the real ones. */
static int add_bootstrap(struct producer *p, struct err *err)
{
    const char *at = p->bootstrap;

    for (int32_t id = -1; *at; id--) {
        size_t len = strcspn(at, ",");
        struct slice one = slice_of(at, len);
        size_t colon = len;
        int64_t port = 9092;

        while (colon > 0 && at[colon - 1] != ':')
            colon--;
        if (colon > 0 && (slice_to_i64(slice_of(at + colon, len - colon), &port) || port < 1 ||
                          port > 65535))
            return err_set(err, ERR_INVALID, "'" SLICE_FMT "' is not HOST:PORT", SLICE_ARG(one));
        learn_node(p, id, slice_of(at, colon ? colon - 1 : len), (int)port);
        at += len;
        at += *at == ',';
    }
    return p->node_count ? 0 : err_set(err, ERR_INVALID, "no address of a broker");
}

/* Any node that lets us in. */
static int any_node(struct producer *p, struct node **out, struct err *err)
{
    int rc = err_set(err, ERR_IO, "no broker known");

    for (size_t i = 0; i < p->node_count && rc; i++) {
        rc = node_connect(&p->nodes[i], err);
        *out = &p->nodes[i];
    }
    return rc;
}

/* Asks one broker; the connection carries nothing else at that time. */
static int ask(struct producer *p, struct node *node, struct buf *frame, int32_t correlation,
               struct reader *r, struct err *err)
{
    int rc;

    end(frame);
    rc = send_all(node->fd, buf_slice(frame), err);
    if (!rc)
        rc = recv_answer(p, node->fd, correlation, r, err);
    if (rc) {
        close(node->fd);
        node->fd = -1;
    }
    return rc;
}

static int ask_metadata(struct producer *p, struct route *route, bool *again, struct err *err)
{
    struct buf frame = {0};
    struct node *node = NULL;
    struct reader r;
    int32_t correlation;
    int rc = any_node(p, &node, err);

    *again = true;
    if (rc)
        return rc;
    rc = begin(p, &frame, API_METADATA, 4, &correlation);
    rc = rc ? rc : put32(&frame, route ? 1 : 0);
    rc = rc || !route ? rc : put_text(&frame, route->name);
    rc = rc ? rc : buf_append_u8(&frame, 1); /* make the topic, if the broker does that */
    if (!rc)
        rc = ask(p, node, &frame, correlation, &r, err);
    if (!rc)
        rc = read_metadata(p, route, &r, again, err);
    buf_deinit(&frame);
    return rc;
}

static int ask_producer_id(struct producer *p, bool *again, struct err *err)
{
    struct buf frame = {0};
    struct node *node = NULL;
    struct reader r = {0};
    int32_t correlation;
    int rc = any_node(p, &node, err);
    int16_t code;

    *again = false;
    if (rc)
        return rc;
    rc = begin(p, &frame, API_INIT_PRODUCER_ID, 0, &correlation);
    rc = rc ? rc : put_text(&frame, NULL);
    rc = rc ? rc : put32(&frame, 60000);
    if (!rc)
        rc = ask(p, node, &frame, correlation, &r, err);
    buf_deinit(&frame);
    if (rc)
        return rc;
    (void)get32(&r);
    code = get16(&r);
    p->producer_id = get64(&r);
    p->producer_epoch = get16(&r);
    if (code)
        return protocol_error(code, "producer id", again, err);
    return r.short_ ? err_set(err, ERR_IO, "producer id: the answer ends early") : 0;
}

/* ---- trying again ---- */

struct patience {
    int64_t until_ms;
    int64_t pause_ms;
};

static struct patience patience_new(struct producer *p)
{
    return (struct patience){clock_mono_ms(p->clock) + p->timeout_ms, 20};
}

/* Sleeps a little longer each time. False: the time is over. */
static bool be_patient(struct producer *p, struct patience *patience)
{
    if (clock_mono_ms(p->clock) >= patience->until_ms)
        return false;
    p->clock->sleep_ns(p->clock, patience->pause_ms * 1000000);
    patience->pause_ms = patience->pause_ms < 500 ? patience->pause_ms * 2 : 500;
    return true;
}

static int learn_topic(struct producer *p, struct route *route, struct err *err)
{
    struct patience patience = patience_new(p);
    bool again;
    int rc;

    for (;;) {
        rc = ask_metadata(p, route, &again, err);
        for (int32_t i = 0; !rc && i < route->count; i++)
            if (!find_node(p, route->lanes[i].leader))
                rc = err_set(err, ERR_IO, "topic '%s': partition %d has no leader", route->name, i);
        if (!rc || !again || rc == ERR_NOMEM)
            return rc;
        /* A topic made on being asked for appears soon; one that is not never does. */
        if (rc == ERR_NOENT && patience.pause_ms > 300)
            return rc;
        if (!be_patient(p, &patience))
            return rc;
    }
}

/* A broker that has just started hands out no ids for a moment. */
static int take_producer_id(struct producer *p, struct err *err)
{
    struct patience patience = patience_new(p);
    bool again;
    int rc;

    do {
        rc = ask_producer_id(p, &again, err);
    } while (rc && again && be_patient(p, &patience));
    return rc;
}

/* ---- requests ---- */

static int transmit(struct producer *p, struct request *request, struct err *err)
{
    struct node *node = find_node(p, request->route->lanes[request->partition].leader);
    int rc = node ? node_connect(node, err) : err_set(err, ERR_IO, "no leader");

    if (rc)
        return rc;
    rc = send_all(node->fd, buf_slice(&request->frame), err);
    request->fd = rc ? -1 : node->fd;
    return rc;
}

/* Everything unanswered goes out again, in its order, to the leaders of now. */
static int start_over(struct producer *p, struct err *err)
{
    struct patience patience = patience_new(p);
    int rc;

    p->stats.reconnects++;
    do {
        disconnect_all(p);
        rc = 0;
        for (int i = 0; i < p->count && !rc; i++) {
            struct request *request = &p->queue[(p->first + i) % IN_FLIGHT_MAX];

            rc = learn_topic(p, request->route, err);
        }
        /* Asking and sending share connections: first all questions, then all requests. */
        for (int i = 0; i < p->count && !rc; i++) {
            rc = transmit(p, &p->queue[(p->first + i) % IN_FLIGHT_MAX], err);
            p->stats.retries++;
        }
        if (rc == ERR_NOMEM || rc == ERR_DENIED)
            break;
    } while (rc && be_patient(p, &patience));
    return rc ? (p->broken = err_wrap(err, ERR_TIMEOUT, "records may not have arrived")) : 0;
}

static int read_produce(struct request *request, struct reader *r, bool *again, struct err *err)
{
    int16_t code = 0;

    *again = false;
    if (get_count(r, 6) == 1) {
        (void)get_text(r);
        if (get_count(r, 30) == 1) {
            (void)get32(r); /* partition */
            code = get16(r);
            (void)get64(r); /* base offset */
            (void)get64(r); /* append time */
            (void)get64(r); /* log start */
            if (r->short_)
                return *again = true, err_set(err, ERR_IO, "the answer ends early");
            if (code == 0 || code == DUPLICATE_SEQUENCE)
                return 0;
            return protocol_error(code, request->route->name, again, err);
        }
    }
    return *again = true, err_set(err, ERR_IO, "the answer is not one to Produce");
}

/* Takes the oldest request's answer; blocks until it is there. */
static int settle_one(struct producer *p, struct err *err)
{
    struct request *request = &p->queue[p->first];
    struct patience patience = patience_new(p);
    struct reader r;
    bool again = true;
    int rc;

    for (;;) {
        rc = request->fd < 0 ? ERR_IO : recv_answer(p, request->fd, request->correlation, &r, err);
        if (!rc)
            rc = read_produce(request, &r, &again, err);
        if (!rc)
            break;
        if (!again || !be_patient(p, &patience))
            return p->broken = rc;
        rc = start_over(p, err);
        if (rc)
            return rc;
    }
    p->stats.records += request->records;
    p->stats.bytes += (int64_t)request->frame.len;
    buf_clear(&request->frame);
    if (!p->spare.ptr) {
        p->spare = request->frame;
        request->frame = (struct buf){0};
    }
    p->first = (p->first + 1) % IN_FLIGHT_MAX;
    p->count--;
    return 0;
}

/* Answers that are there already. */
static int settle_ready(struct producer *p, struct err *err)
{
    while (p->count > 0) {
        struct request *request = &p->queue[p->first];
        int rc;

        if (request->fd >= 0 && wait_fd(request->fd, POLLIN, 0) == ERR_TIMEOUT)
            return 0;
        rc = settle_one(p, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* The frame of a Produce 7 with one batch in it. */
static int frame_batch(struct producer *p, struct request *request, struct lane *lane,
                       struct err *err)
{
    struct buf *f = &request->frame;
    size_t records_at;
    int rc = begin(p, f, API_PRODUCE, 7, &request->correlation);

    rc = rc ? rc : put_text(f, NULL);   /* transactional id */
    rc = rc ? rc : put16(f, -1);        /* acks: all */
    rc = rc ? rc : put32(f, IO_TIMEOUT_MS);
    rc = rc ? rc : put32(f, 1);
    rc = rc ? rc : put_text(f, request->route->name);
    rc = rc ? rc : put32(f, 1);
    rc = rc ? rc : put32(f, lane->partition);
    records_at = f->len;
    rc = rc ? rc : put32(f, 0);
    if (rc)
        return err_set(err, rc, "request");
    lane->builder.producer_id = p->producer_id;
    lane->builder.producer_epoch = p->producer_epoch;
    lane->builder.base_sequence = lane->sequence;
    request->records = lane->builder.count;
    rc = batch_builder_finish(&lane->builder, p->codec, f, err);
    if (rc)
        return rc;
    be32_put(f->ptr + records_at, (uint32_t)(f->len - records_at - 4));
    end(f);
    /* Sequences wrap after 2^31 - 1 to 0 (KIP-98). */
    lane->sequence = (int32_t)(((int64_t)lane->sequence + request->records) & INT32_MAX);
    return 0;
}

static int send_batch(struct producer *p, struct route *route, struct lane *lane, struct err *err)
{
    struct request *request;
    int rc = settle_ready(p, err);

    while (!rc && p->count >= p->in_flight_max)
        rc = settle_one(p, err);
    if (rc)
        return rc;
    request = &p->queue[(p->first + p->count) % IN_FLIGHT_MAX];
    if (!request->frame.ptr) {
        request->frame = p->spare;
        p->spare = (struct buf){0};
    }
    buf_clear(&request->frame);
    request->route = route;
    request->partition = lane->partition;
    request->fd = -1;
    rc = frame_batch(p, request, lane, err);
    if (rc)
        return p->broken = rc;
    p->count++;
    p->stats.requests++;
    if (transmit(p, request, err))
        return start_over(p, err);
    return 0;
}

/* ---- the public side ---- */

static int find_route(struct producer *p, const char *topic, struct route **out, struct err *err)
{
    struct route *route, **wider;
    int rc = 0;

    for (size_t i = 0; i < p->route_count; i++)
        if (strcmp(p->routes[i]->name, topic) == 0)
            return *out = p->routes[i], 0;
    while (!rc && p->count > 0) /* questions need quiet connections */
        rc = settle_one(p, err);
    if (rc)
        return rc;
    wider = realloc(p->routes, (p->route_count + 1) * sizeof(struct route *));
    if (!wider)
        return err_set(err, ERR_NOMEM, "topic '%s'", topic);
    p->routes = wider;
    route = calloc(1, sizeof(*route));
    if (!route || !(route->name = strdup(topic))) {
        free(route);
        return err_set(err, ERR_NOMEM, "topic '%s'", topic);
    }
    rc = learn_topic(p, route, err);
    p->routes[p->route_count++] = route; /* freed with the producer, also when nobody knows it */
    *out = route;
    if (rc) {
        p->route_count--;
        free(route->lanes);
        free(route->name);
        free(route);
    }
    return rc;
}

static struct lane *pick_lane(struct route *route, int32_t partition, struct slice key)
{
    if (partition >= 0)
        return partition < route->count ? &route->lanes[partition] : NULL;
    if (key.ptr)
        return &route->lanes[(int32_t)(murmur2(key.ptr, key.len) & INT32_MAX) % route->count];
    return &route->lanes[route->sticky];
}

int producer_send(struct producer *p, const char *topic, int32_t partition, int64_t timestamp_ms,
                  struct slice key, struct slice value, struct err *err)
{
    struct route *route = p->last;
    struct lane *lane;
    int rc = 0;

    if (p->broken)
        return err_set(err, p->broken, "the producer gave up before");
    if (!route || strcmp(route->name, topic) != 0)
        rc = find_route(p, topic, &route, err);
    if (rc)
        return rc;
    p->last = route;
    lane = pick_lane(route, partition, key);
    if (!lane)
        return err_set(err, ERR_NOENT, "topic '%s' has no partition %d", topic, partition);
    if (lane->builder.count &&
        lane->builder.records.len + value.len + key.len + 64 > p->batch_bytes) {
        rc = send_batch(p, route, lane, err);
        if (!key.ptr && partition < 0) {
            route->sticky = (route->sticky + 1) % route->count;
            lane = &route->lanes[route->sticky];
        }
    }
    if (!rc && lane->builder.count == 0 && p->linger_ms)
        lane->began_ms = clock_mono_ms(p->clock);
    if (!rc && (rc = batch_builder_add(&lane->builder, timestamp_ms, key, value, NULL, 0)))
        err_set(err, rc, "record for '%s'", topic);
    return rc;
}

int producer_push(struct producer *p, struct err *err)
{
    int64_t now = p->linger_ms ? clock_mono_ms(p->clock) : 0;
    int rc = p->broken ? err_set(err, p->broken, "the producer gave up before") : 0;

    for (size_t i = 0; i < p->route_count; i++)
        for (int32_t l = 0; l < p->routes[i]->count && !rc; l++) {
            struct lane *lane = &p->routes[i]->lanes[l];

            if (lane->builder.count && now - lane->began_ms >= p->linger_ms)
                rc = send_batch(p, p->routes[i], lane, err);
        }
    return rc ? rc : settle_ready(p, err);
}

int producer_flush(struct producer *p, struct err *err)
{
    int rc = p->broken ? err_set(err, p->broken, "the producer gave up before") : 0;

    for (size_t i = 0; i < p->route_count; i++)
        for (int32_t l = 0; l < p->routes[i]->count && !rc; l++)
            if (p->routes[i]->lanes[l].builder.count)
                rc = send_batch(p, p->routes[i], &p->routes[i]->lanes[l], err);
    while (!rc && p->count > 0)
        rc = settle_one(p, err);
    return rc;
}

int producer_new(struct producer **out, const struct producer_options *options, struct err *err)
{
    struct producer *p = calloc(1, sizeof(*p));
    bool again;
    int rc;

    if (!p)
        return err_set(err, ERR_NOMEM, "producer");
    p->clock = options->clock;
    p->codec = options->codec;
    p->batch_bytes = options->batch_bytes ? options->batch_bytes : 512 << 10;
    p->linger_ms = options->linger_ms;
    p->timeout_ms = options->timeout_ms ? options->timeout_ms : 30000;
    p->in_flight_max = options->in_flight > 0 && options->in_flight < IN_FLIGHT_MAX
                           ? options->in_flight : IN_FLIGHT_MAX;
    p->bootstrap = strdup(options->bootstrap);
    p->client_id = strdup(options->client_id ? options->client_id : "tarn");
    rc = p->bootstrap && p->client_id ? add_bootstrap(p, err) : err_set(err, ERR_NOMEM, "producer");
    if (!rc)
        rc = ask_metadata(p, NULL, &again, err);
    if (!rc)
        rc = take_producer_id(p, err);
    if (rc) {
        producer_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void producer_free(struct producer *p)
{
    if (!p)
        return;
    disconnect_all(p);
    for (size_t i = 0; i < p->route_count; i++) {
        for (int32_t l = 0; l < p->routes[i]->count; l++)
            batch_builder_deinit(&p->routes[i]->lanes[l].builder);
        free(p->routes[i]->lanes);
        free(p->routes[i]->name);
        free(p->routes[i]);
    }
    for (int i = 0; i < IN_FLIGHT_MAX; i++)
        buf_deinit(&p->queue[i].frame);
    buf_deinit(&p->spare);
    buf_deinit(&p->answer);
    free(p->routes);
    free(p->bootstrap);
    free(p->client_id);
    free(p);
}

struct producer_stats producer_stats(const struct producer *p) { return p->stats; }
