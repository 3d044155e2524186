/* conn.c - frames in, answers out, in order.
 *
 * A frame is a 4-byte length and a request: header (key, version, correlation id, client id, and in
 * flexible versions tagged fields), then the body by the table of its API. Requests of a connection
 * are worked on side by side and answered in the order they came. What cannot be understood closes
 * the connection, as the protocol has no way to say it; one exception: an ApiVersions of an unknown
 * version is answered in version 0 with UNSUPPORTED_VERSION and the versions that are known, so
 * that newer clients step back.
 *
 * Back-pressure: a connection whose requests in work hold more than conn_bytes_max, or number more
 * than IN_FLIGHT_MAX, is not read from until some are answered. When all connections together hold
 * more than memory_bytes_max, those with requests in work are not read from: their own answers wake
 * them.
 */
#include <stdio.h>

#include "base/be.h"
#include "kafka/kafka_int.h"

#define IN_FLIGHT_MAX 1024
#define QUEUED_MAX    ((size_t)32 << 20) /* bytes of answers a slow reader may leave unsent */

static void pump(struct kafka_conn *kc);

/* ---- life of connections and requests ----------------------------------------------------- */

/* Only frames of this size are kept; smaller ones malloc reuses well by itself. */
#define FRAME_LEAST ((size_t)64 << 10)
#define FRAME_MOST  ((size_t)2 << 20)

static uint8_t *frame_take(struct frame_pool *pool, size_t len, size_t *cap)
{
    uint8_t *frame = NULL;

    *cap = len;
    if (len < FRAME_LEAST || len > FRAME_MOST)
        return malloc(len);
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count && !frame; i++)
        if (pool->caps[i] >= len) {
            frame = pool->list[i];
            *cap = pool->caps[i];
            pool->list[i] = pool->list[--pool->count];
            pool->caps[i] = pool->caps[pool->count];
        }
    pool->used = true;
    pthread_mutex_unlock(&pool->lock);
    if (frame)
        return frame;
    *cap = (len + (FRAME_LEAST << 2) - 1) & ~((FRAME_LEAST << 2) - 1); /* so that others fit too */
    return malloc(*cap);
}

static void frame_give(struct frame_pool *pool, uint8_t *frame, size_t cap)
{
    if (frame && cap >= FRAME_LEAST && cap <= FRAME_MOST) {
        pthread_mutex_lock(&pool->lock);
        if (pool->count < FRAMES_KEPT) {
            pool->list[pool->count] = frame;
            pool->caps[pool->count++] = cap;
            frame = NULL;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    free(frame);
}

void frames_clear(struct frame_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->count)
        free(pool->list[--pool->count]);
    pthread_mutex_unlock(&pool->lock);
}

void frames_idle(struct frame_pool *pool)
{
    bool idle;

    pthread_mutex_lock(&pool->lock);
    idle = !pool->used;
    pool->used = false;
    pthread_mutex_unlock(&pool->lock);
    if (idle)
        frames_clear(pool);
}

static void kc_unref(struct kafka_conn *kc)
{
    if (--kc->refs)
        return;
    frame_give(&kc->loop->broker->frames, kc->frame, kc->frame_cap);
    free(kc);
}

struct request *request_ref(struct request *req)
{
    atomic_fetch_add(&req->refs, 1);
    return req;
}

void request_unref(struct request *req)
{
    struct broker *broker = req->broker;

    if (atomic_fetch_sub(&req->refs, 1) > 1)
        return;
    if (req->fetch)
        fetch_free(req->fetch);
    arena_deinit(&req->arena);
    atomic_fetch_sub(&broker->in_work, req->frame_len);
    frame_give(&broker->frames, req->frame, req->frame_cap);
    free(req);
    atomic_fetch_sub(&broker->requests, 1);
}

static void release_hold(void *hold)
{
    struct log_extent extent = {.hold = hold};

    log_extent_release(&extent);
}

static void closed(void *arg, struct conn *conn)
{
    struct kafka_conn *kc = arg;

    (void)conn;
    kc->conn = NULL;
    *kc->prev = kc->next;
    if (kc->next)
        kc->next->prev = kc->prev;
    for (struct request *req = kc->head; req;) {
        req->cancelled = true;
        if (!req->fetch || req->done) {
            req = req->next;
            continue;
        }
        fetch_cancel(req); /* answers that waited for it go with it, so begin anew */
        req = kc->head;
    }
    pump(kc);
    kc_unref(kc);
}

static void refuse(struct kafka_conn *kc, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void refuse(struct kafka_conn *kc, const char *fmt, ...)
{
    struct err why = {0};
    va_list args;

    va_start(args, fmt);
    err_setv(&why, ERR_CORRUPT, fmt, args);
    va_end(args);
    diag_warn("kafka", "%s: closed: %s", kc->peer, why.text);
    kc->refused = true;
    conn_read_pause(kc->conn, true);
    conn_close(kc->conn);
}

/* ---- answers ------------------------------------------------------------------------------ */

/* Encodes the whole answer; extents are cut out. */
static int encode(struct request *req, struct buf *out, struct schema_cuts *cuts, struct err *err)
{
    bool flexible = req->version >= req->api->flexible;
    uint8_t head[9] = {0};
    /* ApiVersions never has tagged fields in its header: the client does not know yet (KIP-511). */
    size_t head_len = flexible && req->api->key != 18 ? 9 : 8;
    int rc;

    be32_put(head + 4, (uint32_t)req->correlation);
    rc = buf_append(out, head, head_len);
    if (rc)
        return err_set(err, rc, "reply");
    rc = schema_encode(req->api->response, req->version, flexible, req->out, &req->arena, out, cuts,
                       err);
    if (!rc && out->len + cuts->bytes - 4 > INT32_MAX)
        rc = err_set(err, ERR_LIMIT, "reply of %zu bytes", out->len + cuts->bytes);
    if (!rc)
        be32_put(out->ptr, (uint32_t)(out->len + cuts->bytes - 4));
    return rc;
}

static int send_parts(struct conn *conn, struct buf *out, struct schema_cuts *cuts)
{
    size_t from = 0;
    int rc = 0;

    if (!cuts->count)
        return conn_write(conn, out);
    for (size_t i = 0; i <= cuts->count && !rc; i++) {
        size_t upto = i < cuts->count ? cuts->list[i].pos : out->len;
        struct buf part = {0};

        if (upto > from) {
            rc = buf_append(&part, out->ptr + from, upto - from);
            if (!rc)
                rc = conn_write(conn, &part);
        }
        from = upto;
        if (i < cuts->count && !rc) {
            struct log_extent *extent = cuts->list[i].extent;

            rc = conn_send_file(conn, extent->fd, extent->pos, extent->len, release_hold,
                                extent->hold);
            if (!rc)
                extent->hold = NULL;
        }
    }
    buf_deinit(out);
    return rc;
}

static void send_reply(struct kafka_conn *kc, struct request *req)
{
    struct buf out = {.max = (size_t)INT32_MAX};
    struct schema_cuts cuts = {0};
    struct err err = {0};
    int rc = 0;

    if (kc->conn && !kc->refused && !req->silent) {
        rc = encode(req, &out, &cuts, &err);
        if (!rc)
            rc = send_parts(kc->conn, &out, &cuts);
        if (rc && rc != ERR_CLOSED)
            refuse(kc, "answer to %s: %s", req->api->name, err.text[0] ? err.text : err_name(rc));
    }
    for (size_t i = 0; i < cuts.count; i++)
        log_extent_release(cuts.list[i].extent);
    buf_deinit(&out);
}

static bool busy(const struct kafka_conn *kc, int in_flight)
{
    struct broker *broker = kc->loop->broker;

    return kc->in_work > broker->options.conn_bytes_max || in_flight > IN_FLIGHT_MAX ||
           conn_queued(kc->conn) > QUEUED_MAX ||
           (kc->in_work && atomic_load(&broker->in_work) > broker->options.memory_bytes_max);
}

static void set_pause(struct kafka_conn *kc)
{
    int in_flight = 0;
    bool pause;

    if (!kc->conn || kc->refused)
        return;
    for (struct request *req = kc->head; req && in_flight <= IN_FLIGHT_MAX; req = req->next)
        in_flight++;
    pause = busy(kc, in_flight);
    if (pause != kc->paused) {
        kc->paused = pause;
        conn_read_pause(kc->conn, pause);
    }
}

/* Sends what is done, as far as the order allows. */
static void pump(struct kafka_conn *kc)
{
    while (kc->head && kc->head->done) {
        struct request *req = kc->head;

        kc->head = req->next;
        if (!kc->head)
            kc->tail = NULL;
        kc->in_work -= req->frame_len;
        send_reply(kc, req);
        req->conn = NULL;
        request_unref(req);
        kc_unref(kc); /* never the last: the caller's */
    }
}

void request_done(struct request *req)
{
    struct kafka_conn *kc = req->conn;

    if (req->done || !kc)
        return;
    req->done = true;
    kc->refs++;
    pump(kc);
    if (kc->paused)
        set_pause(kc);
    kc_unref(kc);
}

static void done_here(void *arg)
{
    struct request *req = arg;

    request_done(req);
    request_unref(req);
}

void request_done_from(struct request *req)
{
    request_ref(req);
    if (loop_post(req->loop->loop, done_here, req)) {
        diag_error("kafka", "an answer to %s is lost: no memory", req->api->name);
        request_unref(req);
    }
}

struct offloaded {
    struct work work;
    struct request *req;
    void (*step)(struct request *req);
};

static void offload_run(struct work *work)
{
    struct offloaded *job = (struct offloaded *)work;

    job->step(job->req);
}

static void offload_done(struct work *work)
{
    struct offloaded *job = (struct offloaded *)work;
    struct request *req = job->req;

    request_done(req);
    request_unref(req); /* `job` is in its arena */
}

void request_offload(struct request *req, void (*step)(struct request *req))
{
    struct offloaded *job = ARENA_NEW(&req->arena, struct offloaded);

    if (job) {
        *job = (struct offloaded){
            .work = {.run = offload_run, .done = offload_done, .loop = req->loop->loop},
            .req = request_ref(req),
            .step = step};
        if (!workers_submit(req->broker->options.workers, &job->work))
            return;
        request_unref(req);
    }
    if (req->conn && req->conn->conn)
        refuse(req->conn, "%s: too much work is waiting", req->api->name);
    req->silent = true;
    request_done(req);
}

/* ---- requests ----------------------------------------------------------------------------- */

static void run_handler(void *arg)
{
    struct request *req = arg;

    req->api->handle(req);
    request_unref(req);
}

static void dispatch(struct request *req)
{
    struct broker *broker = req->broker;

    switch (req->api->where) {
    case ON_LOOP:
        req->api->handle(req);
        return;
    case ON_WORKER:
        request_offload(req, req->api->handle);
        return;
    case ON_GROUPS:
        if (req->loop == &broker->loops[0]) {
            req->api->handle(req);
        } else if (loop_post(broker->loops[0].loop, run_handler, request_ref(req))) {
            request_unref(req);
            req->silent = true;
            request_done(req);
        }
        return;
    }
}

/* Header and body. 1: answered already, by stepping back to ApiVersions 0. */
static int decode(struct request *req, struct err *err)
{
    struct slice in = slice_of(req->frame, req->frame_len);
    int16_t key, version;
    bool flexible;
    int rc;

    if (wire_i16(&in, &key) || wire_i16(&in, &version) || wire_i32(&in, &req->correlation))
        return err_set(err, ERR_CORRUPT, "a request of %zu bytes has no header", req->frame_len);
    req->api = api_find(key);
    if (!req->api)
        return err_set(err, ERR_UNSUPPORTED, "unknown API key %d (version %d)", key, version);
    req->version = version;
    if (version < req->api->min || version > req->api->max) {
        if (key != 18)
            return err_set(err, ERR_UNSUPPORTED, "%s version %d: %d to %d are known",
                           req->api->name, version, req->api->min, req->api->max);
        req->version = 0;
    }
    req->in = arena_alloc(&req->arena, req->api->request->size);
    req->out = arena_alloc(&req->arena, req->api->response->size);
    if (!req->in || !req->out)
        return err_set(err, ERR_NOMEM, "%s", req->api->name);
    schema_defaults(req->api->request, req->in);
    schema_defaults(req->api->response, req->out);
    if (req->version != version) {
        ((struct api_versions_response *)req->out)->error_code = UNSUPPORTED_VERSION;
        return 0;
    }
    flexible = version >= req->api->flexible;
    if (wire_nullable_string(&in, &req->client_id))
        return err_set(err, ERR_CORRUPT, "%s: bad client id", req->api->name);
    rc = flexible ? schema_skip_tags(&in, err) : 0;
    if (!rc)
        rc = schema_decode(req->api->request, version, flexible, &in, &req->arena, req->in, err);
    /* Bytes after the request are ignored, as Kafka does: librdkafka up to 2.8 asks for all topics
     * in Metadata version 12 with a null list of four bytes, where one is right. */
    return rc ? err_wrap(err, rc, "%s version %d", req->api->name, version) : 0;
}

/* Takes the frame. */
static void take_request(struct kafka_conn *kc, uint8_t *frame, size_t len, size_t cap)
{
    struct request *req = calloc(1, sizeof(*req));
    struct err err = {0};

    if (!req) {
        frame_give(&kc->loop->broker->frames, frame, cap);
        refuse(kc, "no memory for a request");
        return;
    }
    atomic_init(&req->refs, 1);
    atomic_fetch_add(&kc->loop->broker->requests, 1);
    atomic_fetch_add(&kc->loop->broker->in_work, len);
    req->broker = kc->loop->broker;
    req->loop = kc->loop;
    req->frame = frame;
    req->frame_len = len;
    req->frame_cap = cap;
    req->arena.max_bytes = ARENA_BYTES_MAX;
    if (decode(req, &err)) {
        refuse(kc, "%s", err.text);
        request_unref(req);
        return;
    }
    req->conn = kc;
    kc->refs++;
    kc->in_work += len;
    if (kc->tail)
        kc->tail->next = req;
    else
        kc->head = req;
    kc->tail = req;
    dispatch(req);
}

/* ---- frames ------------------------------------------------------------------------------- */

/* The length is whole: is it one we want? */
static bool begin_frame(struct kafka_conn *kc)
{
    uint32_t len = be32_get(kc->header);
    size_t max = kc->loop->broker->options.frame_bytes_max;

    kc->header_len = 0;
    if (len > max) {
        refuse(kc, "a request claims %u bytes, the limit is %zu", len, max);
        return false;
    }
    if (len < 8) {
        refuse(kc, "a request of %u bytes", len);
        return false;
    }
    /* Larger ones touch their memory only as their bytes arrive. */
    kc->frame = frame_take(&kc->loop->broker->frames, len, &kc->frame_cap);
    if (!kc->frame) {
        refuse(kc, "no memory for a request of %u bytes", len);
        return false;
    }
    kc->frame_len = len;
    kc->frame_got = 0;
    return true;
}

static void data(void *arg, struct conn *conn, struct slice bytes)
{
    struct kafka_conn *kc = arg;

    (void)conn;
    kc->refs++;
    while (bytes.len && kc->conn && !kc->refused) {
        if (!kc->frame) {
            kc->header[kc->header_len++] = *bytes.ptr++;
            bytes.len--;
            if (kc->header_len == sizeof(kc->header) && !begin_frame(kc))
                break;
            continue;
        }
        size_t take = kc->frame_len - kc->frame_got;

        if (take > bytes.len)
            take = bytes.len;
        memcpy(kc->frame + kc->frame_got, bytes.ptr, take);
        kc->frame_got += take;
        bytes.ptr += take;
        bytes.len -= take;
        if (kc->frame_got == kc->frame_len) {
            uint8_t *frame = kc->frame;

            kc->frame = NULL;
            take_request(kc, frame, kc->frame_len, kc->frame_cap);
        }
    }
    set_pause(kc);
    kc_unref(kc);
}

int conn_accept(struct broker_loop *loop, size_t listener, struct conn *conn)
{
    static const struct conn_handler handler = {data, closed};
    struct kafka_conn *kc = calloc(1, sizeof(*kc));

    if (!kc)
        return ERR_NOMEM;
    kc->loop = loop;
    kc->conn = conn;
    kc->listener = listener;
    snprintf(kc->peer, sizeof(kc->peer), "%s", conn_peer(conn));
    kc->refs = 1;
    kc->next = loop->conns;
    kc->prev = &loop->conns;
    if (kc->next)
        kc->next->prev = &kc->next;
    loop->conns = kc;
    conn_handle(conn, &handler, kc);
    return 0;
}

void conns_close(struct broker_loop *loop)
{
    for (struct kafka_conn *kc = loop->conns, *next; kc; kc = next) {
        next = kc->next;
        conn_read_pause(kc->conn, true);
        conn_close(kc->conn);
    }
}

/* At the end of a turn: answers may have left meanwhile. */
void conns_resume(struct broker_loop *loop)
{
    for (struct kafka_conn *kc = loop->conns; kc; kc = kc->next)
        if (kc->paused)
            set_pause(kc);
}
