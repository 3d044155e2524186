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
#include <poll.h>

#include "kafka/client_int.h"

enum { API_PRODUCE = 0 };

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

static int learn_topic(struct producer *p, struct client_route *route, struct err *err)
{
    struct patience patience = patience_new(p);
    bool again;
    int rc;

    for (;;) {
        rc = client_ask_metadata(p, route, &again, err);
        for (int32_t i = 0; !rc && i < route->count; i++)
            if (!client_find_node(p, route->lanes[i].leader))
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
        rc = client_ask_producer_id(p, &again, err);
    } while (rc && again && be_patient(p, &patience));
    return rc;
}

/* ---- requests ---- */

static int transmit(struct producer *p, struct client_request *request, struct err *err)
{
    struct client_node *node =
        client_find_node(p, request->route->lanes[request->partition].leader);
    int rc = node ? client_node_connect(node, err) : err_set(err, ERR_IO, "no leader");

    if (rc)
        return rc;
    rc = client_send(node->fd, buf_slice(&request->frame), err);
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
        client_disconnect(p);
        rc = 0;
        for (int i = 0; i < p->count && !rc; i++) {
            struct client_request *request = &p->queue[(p->first + i) % CLIENT_IN_FLIGHT_MAX];

            rc = learn_topic(p, request->route, err);
        }
        /* Asking and sending share connections: first all questions, then all requests. */
        for (int i = 0; i < p->count && !rc; i++) {
            rc = transmit(p, &p->queue[(p->first + i) % CLIENT_IN_FLIGHT_MAX], err);
            p->stats.retries++;
        }
        if (rc == ERR_NOMEM || rc == ERR_DENIED)
            break;
    } while (rc && be_patient(p, &patience));
    return rc ? (p->broken = err_wrap(err, ERR_TIMEOUT, "records may not have arrived")) : 0;
}

static int read_produce(struct client_request *request, struct client_reader *r, bool *again,
                        struct err *err)
{
    int16_t code = 0;

    *again = false;
    if (client_get_count(r, 6) == 1) {
        (void)client_get_text(r);
        if (client_get_count(r, 30) == 1) {
            (void)client_get32(r); /* partition */
            code = client_get16(r);
            (void)client_get64(r); /* base offset */
            (void)client_get64(r); /* append time */
            (void)client_get64(r); /* log start */
            if (r->short_)
                return *again = true, err_set(err, ERR_IO, "the answer ends early");
            if (code == 0 || code == CLIENT_DUPLICATE_SEQUENCE)
                return 0;
            return client_error(code, request->route->name, again, err);
        }
    }
    return *again = true, err_set(err, ERR_IO, "the answer is not one to Produce");
}

/* Takes the oldest request's answer; blocks until it is there. */
static int settle_one(struct producer *p, struct err *err)
{
    struct client_request *request = &p->queue[p->first];
    struct patience patience = patience_new(p);
    struct client_reader r;
    bool again = true;
    int rc;

    for (;;) {
        rc = request->fd < 0 ? ERR_IO
                             : client_receive(p, request->fd, request->correlation, &r, err);
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
    p->first = (p->first + 1) % CLIENT_IN_FLIGHT_MAX;
    p->count--;
    return 0;
}

/* Answers that are there already. */
static int settle_ready(struct producer *p, struct err *err)
{
    while (p->count > 0) {
        struct client_request *request = &p->queue[p->first];
        int rc;

        if (request->fd >= 0 && client_wait(request->fd, POLLIN, 0) == ERR_TIMEOUT)
            return 0;
        rc = settle_one(p, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* The frame of a Produce 7 with one batch in it. */
static int frame_batch(struct producer *p, struct client_request *request, struct client_lane *lane,
                       struct err *err)
{
    struct buf *f = &request->frame;
    size_t records_at;
    int rc = client_frame_begin(p, f, API_PRODUCE, 7, &request->correlation);

    rc = rc ? rc : client_put_text(f, NULL); /* transactional id */
    rc = rc ? rc : client_put16(f, -1);      /* acks: all */
    rc = rc ? rc : client_put32(f, CLIENT_IO_TIMEOUT_MS);
    rc = rc ? rc : client_put32(f, 1);
    rc = rc ? rc : client_put_text(f, request->route->name);
    rc = rc ? rc : client_put32(f, 1);
    rc = rc ? rc : client_put32(f, lane->partition);
    records_at = f->len;
    rc = rc ? rc : client_put32(f, 0);
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
    client_frame_end(f);
    /* Sequences wrap after 2^31 - 1 to 0 (KIP-98). */
    lane->sequence = (int32_t)(((int64_t)lane->sequence + request->records) & INT32_MAX);
    return 0;
}

static int send_batch(struct producer *p, struct client_route *route, struct client_lane *lane,
                      struct err *err)
{
    struct client_request *request;
    int rc = settle_ready(p, err);

    while (!rc && p->count >= p->in_flight_max)
        rc = settle_one(p, err);
    if (rc)
        return rc;
    request = &p->queue[(p->first + p->count) % CLIENT_IN_FLIGHT_MAX];
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

static int find_route(struct producer *p, const char *topic, struct client_route **out,
                      struct err *err)
{
    struct client_route *route, **wider;
    int rc = 0;

    for (size_t i = 0; i < p->route_count; i++)
        if (strcmp(p->routes[i]->name, topic) == 0)
            return *out = p->routes[i], 0;
    while (!rc && p->count > 0) /* questions need quiet connections */
        rc = settle_one(p, err);
    if (rc)
        return rc;
    wider = realloc(p->routes, (p->route_count + 1) * sizeof(struct client_route *));
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

static struct client_lane *pick_lane(struct client_route *route, int32_t partition,
                                     struct slice key)
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
    struct client_route *route = p->last;
    struct client_lane *lane;
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
            struct client_lane *lane = &p->routes[i]->lanes[l];

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
    p->in_flight_max = options->in_flight > 0 && options->in_flight < CLIENT_IN_FLIGHT_MAX
                           ? options->in_flight
                           : CLIENT_IN_FLIGHT_MAX;
    p->bootstrap = strdup(options->bootstrap);
    p->client_id = strdup(options->client_id ? options->client_id : "tarn");
    rc = p->bootstrap && p->client_id ? client_add_bootstrap(p, err)
                                      : err_set(err, ERR_NOMEM, "producer");
    if (!rc)
        rc = client_ask_metadata(p, NULL, &again, err);
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
    client_disconnect(p);
    for (size_t i = 0; i < p->route_count; i++) {
        for (int32_t l = 0; l < p->routes[i]->count; l++)
            batch_builder_deinit(&p->routes[i]->lanes[l].builder);
        free(p->routes[i]->lanes);
        free(p->routes[i]->name);
        free(p->routes[i]);
    }
    for (int i = 0; i < CLIENT_IN_FLIGHT_MAX; i++)
        buf_deinit(&p->queue[i].frame);
    buf_deinit(&p->spare);
    buf_deinit(&p->answer);
    free(p->routes);
    free(p->bootstrap);
    free(p->client_id);
    free(p);
}

struct producer_stats producer_stats(const struct producer *p)
{
    return p->stats;
}
