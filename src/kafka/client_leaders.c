/* client_leaders.c - who leads what: brokers and partitions by Metadata 4, and the producer's id.
 */
#include <stdio.h>
#include <unistd.h>

#include "kafka/client_int.h"

enum { API_METADATA = 3, API_INIT_PRODUCER_ID = 22 };

static void learn_node(struct producer *p, int32_t id, struct slice host, int port)
{
    struct client_node *node = NULL;

    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].id == id)
            node = &p->nodes[i];
    if (!node && p->node_count == CLIENT_NODES_MAX)
        return; /* its partitions will have no leader that we know */
    if (!node) {
        node = &p->nodes[p->node_count++];
        *node = (struct client_node){.id = id, .fd = -1};
    }
    if (node->fd >= 0 && (node->port != port || !slice_is(host, node->host))) {
        close(node->fd);
        node->fd = -1;
    }
    node->port = port;
    snprintf(node->host, sizeof(node->host), "%.*s", SLICE_ARG(host));
}

static int learn_partitions(struct client_route *route, struct client_reader *r, struct err *err)
{
    int32_t count = client_get_count(r, 18);

    if (count <= 0)
        return err_set(err, ERR_IO, "topic '%s' has no partitions", route->name);
    if (count > route->count) {
        struct client_lane *wider = realloc(route->lanes, (size_t)count * sizeof(*wider));

        if (!wider)
            return err_set(err, ERR_NOMEM, "topic '%s'", route->name);
        route->lanes = wider;
        for (; route->count < count; route->count++) {
            struct client_lane *lane = &wider[route->count];

            *lane = (struct client_lane){.partition = route->count, .leader = -1};
            batch_builder_init(&lane->builder);
        }
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t partition, leader;

        (void)client_get16(r); /* its error shows in the leader: -1 */
        partition = client_get32(r);
        leader = client_get32(r);
        for (int list = 0; list < 2; list++) /* replicas, those in sync */
            for (int32_t n = client_get_count(r, 4); n > 0; n--)
                (void)client_get32(r);
        if (partition >= 0 && partition < route->count)
            route->lanes[partition].leader = leader;
    }
    return 0;
}

static int read_metadata(struct producer *p, struct client_route *route, struct client_reader *r,
                         bool *again, struct err *err)
{
    int32_t count;
    int16_t code;
    int rc = 0;

    *again = false;
    (void)client_get32(r); /* throttle */
    for (count = client_get_count(r, 12); count > 0; count--) {
        int32_t id = client_get32(r);
        struct slice host = client_get_text(r);
        int port = client_get32(r);

        (void)client_get_text(r); /* rack */
        learn_node(p, id, host, port);
    }
    (void)client_get_text(r); /* cluster */
    (void)client_get32(r);    /* controller */
    for (count = client_get_count(r, 9); count > 0 && !rc; count--) {
        code = client_get16(r);
        (void)client_get_text(r);
        (void)client_take(r, 1); /* internal */
        if (!route)
            break;
        if (code) {
            rc = client_error(code, route->name, again, err);
            break;
        }
        rc = learn_partitions(route, r, err);
    }
    if (!rc && r->short_)
        rc = err_set(err, ERR_IO, "metadata of the broker ends early");
    return rc;
}

struct client_node *client_find_node(struct producer *p, int32_t id)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].id == id)
            return &p->nodes[i];
    return NULL;
}

int client_add_bootstrap(struct producer *p, struct err *err)
{
    const char *at = p->bootstrap;

    for (int32_t id = -1; *at; id--) {
        size_t len = strcspn(at, ",");
        struct slice one = slice_of(at, len);
        size_t colon = len;
        int64_t port = 9092;

        while (colon > 0 && at[colon - 1] != ':')
            colon--;
        if (colon > 0 &&
            (slice_to_i64(slice_of(at + colon, len - colon), &port) || port < 1 || port > 65535))
            return err_set(err, ERR_INVALID, "'" SLICE_FMT "' is not HOST:PORT", SLICE_ARG(one));
        learn_node(p, id, slice_of(at, colon ? colon - 1 : len), (int)port);
        at += len;
        at += *at == ',';
    }
    return p->node_count ? 0 : err_set(err, ERR_INVALID, "no address of a broker");
}

/* Any node that lets us in. */
static int any_node(struct producer *p, struct client_node **out, struct err *err)
{
    int rc = err_set(err, ERR_IO, "no broker known");

    for (size_t i = 0; i < p->node_count && rc; i++) {
        rc = client_node_connect(&p->nodes[i], err);
        *out = &p->nodes[i];
    }
    return rc;
}

/* Asks one broker; the connection carries nothing else at that time. */
static int ask(struct producer *p, struct client_node *node, struct buf *frame, int32_t correlation,
               struct client_reader *r, struct err *err)
{
    int rc;

    client_frame_end(frame);
    rc = client_send(node->fd, buf_slice(frame), err);
    if (!rc)
        rc = client_receive(p, node->fd, correlation, r, err);
    if (rc) {
        close(node->fd);
        node->fd = -1;
    }
    return rc;
}

int client_ask_metadata(struct producer *p, struct client_route *route, bool *again,
                        struct err *err)
{
    struct buf frame = {0};
    struct client_node *node = NULL;
    struct client_reader r;
    int32_t correlation;
    int rc = any_node(p, &node, err);

    *again = true;
    if (rc)
        return rc;
    rc = client_frame_begin(p, &frame, API_METADATA, 4, &correlation);
    rc = rc ? rc : client_put32(&frame, route ? 1 : 0);
    rc = rc || !route ? rc : client_put_text(&frame, route->name);
    rc = rc ? rc : buf_append_u8(&frame, 1); /* make the topic, if the broker does that */
    if (!rc)
        rc = ask(p, node, &frame, correlation, &r, err);
    if (!rc)
        rc = read_metadata(p, route, &r, again, err);
    buf_deinit(&frame);
    return rc;
}

int client_ask_producer_id(struct producer *p, bool *again, struct err *err)
{
    struct buf frame = {0};
    struct client_node *node = NULL;
    struct client_reader r = {0};
    int32_t correlation;
    int rc = any_node(p, &node, err);
    int16_t code;

    *again = false;
    if (rc)
        return rc;
    rc = client_frame_begin(p, &frame, API_INIT_PRODUCER_ID, 0, &correlation);
    rc = rc ? rc : client_put_text(&frame, NULL);
    rc = rc ? rc : client_put32(&frame, 60000);
    if (!rc)
        rc = ask(p, node, &frame, correlation, &r, err);
    buf_deinit(&frame);
    if (rc)
        return rc;
    (void)client_get32(&r);
    code = client_get16(&r);
    p->producer_id = client_get64(&r);
    p->producer_epoch = client_get16(&r);
    if (code)
        return client_error(code, "producer id", again, err);
    return r.short_ ? err_set(err, ERR_IO, "producer id: the answer ends early") : 0;
}
