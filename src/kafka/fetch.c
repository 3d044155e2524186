/* fetch.c - records out: found in the logs, sent from their files, waited for when there are none.
 *
 * A fetch is looked at as soon as it arrives. When it would answer less than min_bytes it is
 * parked: it watches its partitions, and is looked at again whenever a high watermark moves, until
 * max_wait is over. Sessions (KIP-227) are declined by answering session 0, so every request names
 * all it wants.
 */
#include "kafka/kafka_int.h"

#define FETCH_BYTES_MAX                                                                            \
    ((int32_t)55 << 20) /* whatever the client allows, as Kafka's fetch.max.bytes */
#define COPY_BYTES_MAX ((size_t)8 << 10) /* up to here a copy is cheaper than a sendfile */

struct fetch_part {
    const struct fetch_partition *in;
    struct fetch_partition_reply *out;
    struct topic *topic; /* held; NULL: there is none */
    struct partition *partition;
    struct waiter waiter;
    struct buf bytes; /* records that were copied */
};

struct fetch {
    struct request *req;
    int64_t deadline_ms;
    atomic_bool woken; /* a look is posted already */
    size_t count;
    struct fetch_part parts[];
};

void fetch_free(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        log_extent_release(&fetch->parts[i].out->records.extent); /* unless it was sent */
        topic_unref(fetch->parts[i].topic);
        buf_deinit(&fetch->parts[i].bytes);
    }
}

/* ---- one look ----------------------------------------------------------------------------- */

static void forget_records(struct fetch_part *part)
{
    log_extent_release(&part->out->records.extent);
    buf_clear(&part->bytes);
    part->out->records.bytes = SLICE_LIT("");
}

static int16_t check_part(const struct request *req, const struct fetch_part *part)
{
    if (!part->topic)
        return req->version >= 13 ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
    if (!part->partition)
        return UNKNOWN_TOPIC_OR_PARTITION;
    if (topic_is_deleted(part->topic))
        return req->version >= 13 ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION;
    if (part->in->current_leader_epoch > LEADER_EPOCH)
        return UNKNOWN_LEADER_EPOCH;
    return part->partition->log ? NONE : KAFKA_STORAGE_ERROR;
}

/* Where there is little to send, or no descriptor to send it from. */
static int copy_records(struct fetch_part *part)
{
    struct kafka_records *records = &part->out->records;
    int rc = 0;

    if (!records->extent.len || (records->extent.fd >= 0 && records->extent.len > COPY_BYTES_MAX))
        return 0;
    rc = log_extent_read(&records->extent, &part->bytes, NULL);
    log_extent_release(&records->extent);
    if (!rc)
        records->bytes = buf_slice(&part->bytes);
    return rc;
}

static bool is_committed_only(const struct request *req)
{
    return ((const struct fetch_request *)req->in)->isolation_level == 1;
}

/* Fills one answer; returns its bytes. */
static size_t look_at_part(struct request *req, struct fetch_part *part, size_t max_bytes,
                           bool at_least_one)
{
    struct fetch_partition_reply *out = part->out;
    struct log_offsets at;
    size_t len;
    int rc;

    forget_records(part);
    out->error_code = check_part(req, part);
    out->high_watermark = out->last_stable_offset = out->log_start_offset = -1;
    if (out->error_code)
        return 0;
    if (part->in->partition_max_bytes >= 0 && (size_t)part->in->partition_max_bytes < max_bytes)
        max_bytes = (size_t)part->in->partition_max_bytes;
    rc = (is_committed_only(req) ? log_locate_stable
                                 : log_locate)(part->partition->log, part->in->fetch_offset,
                                               max_bytes, at_least_one, &out->records.extent, NULL);
    at = log_offsets(part->partition->log);
    out->high_watermark = at.high_watermark;
    out->last_stable_offset = at.stable;
    out->log_start_offset = at.start;
    len = out->records.extent.len;
    if (!rc)
        rc = copy_records(part);
    if (rc)
        out->error_code = rc == ERR_CORRUPT ? KAFKA_STORAGE_ERROR : kafka_error(rc);
    return rc ? 0 : len;
}

/* All of them. *failed: one has an error, which is told at once. */
static size_t look(struct fetch *fetch, bool *failed)
{
    const struct fetch_request *in = fetch->req->in;
    int32_t max = in->max_bytes > FETCH_BYTES_MAX ? FETCH_BYTES_MAX : in->max_bytes;
    size_t left = max > 0 ? (size_t)max : 0, sum = 0;

    *failed = false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        /* The first batch found goes out however large it is, or a reader would be stuck (KIP-74).
         */
        size_t len = look_at_part(fetch->req, part, left, sum == 0);

        *failed |= part->out->error_code != NONE;
        sum += len;
        left -= len < left ? len : left;
    }
    return sum;
}

static void count_out(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        const struct log_extent *extent = &part->out->records.extent;

        if (part->out->error_code || !extent->len)
            continue;
        atomic_fetch_add_explicit(&part->partition->bytes_out, (long long)extent->len,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&part->partition->records_out,
                                  extent->end_offset - part->in->fetch_offset,
                                  memory_order_relaxed);
    }
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void watch(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        struct partition *p = fetch->parts[i].partition;
        struct waiter *waiter = &fetch->parts[i].waiter;

        if (!p)
            continue;
        pthread_mutex_lock(&p->lock);
        waiter->req = fetch->req;
        waiter->next = p->waiters;
        waiter->prev = &p->waiters;
        if (waiter->next)
            waiter->next->prev = &waiter->next;
        p->waiters = waiter;
        pthread_mutex_unlock(&p->lock);
    }
}

static void unwatch(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        struct partition *p = fetch->parts[i].partition;
        struct waiter *waiter = &fetch->parts[i].waiter;

        if (!p)
            continue;
        pthread_mutex_lock(&p->lock);
        if (waiter->prev) {
            *waiter->prev = waiter->next;
            if (waiter->next)
                waiter->next->prev = waiter->prev;
            waiter->prev = NULL;
        }
        pthread_mutex_unlock(&p->lock);
    }
}

static void arm_tick(struct broker_loop *loop)
{
    int64_t earliest = INT64_MAX, left;

    for (struct request *req = loop->parked; req; req = req->parked_next)
        if (req->fetch->deadline_ms < earliest)
            earliest = req->fetch->deadline_ms;
    if (earliest == INT64_MAX) {
        timer_stop(loop->tick);
        return;
    }
    left = earliest - clock_mono_ms(loop->broker->options.clock);
    timer_start(loop->tick, left > 0 ? left : 0, 0);
}

static void park(struct request *req)
{
    struct broker_loop *loop = req->loop;
    bool earliest = true;

    for (struct request *other = loop->parked; other && earliest; other = other->parked_next)
        earliest = req->fetch->deadline_ms < other->fetch->deadline_ms;
    req->parked_next = loop->parked;
    req->parked_prev = &loop->parked;
    if (req->parked_next)
        req->parked_next->parked_prev = &req->parked_next;
    loop->parked = req;
    if (earliest)
        arm_tick(loop);
}

/* Readers of committed records are told which of those sent they pass over (KIP-98). */
static void tell_aborted(struct request *req)
{
    for (size_t i = 0; i < req->fetch->count; i++) {
        struct fetch_part *part = &req->fetch->parts[i];
        const struct log_extent *extent = &part->out->records.extent;
        struct log_aborted *list;
        size_t count;

        if (part->out->error_code || !extent->len)
            continue;
        if (log_aborted(part->partition->log, extent->first_offset, extent->end_offset, &req->arena,
                        &list, &count) ||
            (count && !REPLY_ARRAY(req, part->out->aborted_transactions,
                                   fetch_aborted_transaction_reply_schema, count))) {
            forget_records(part);
            part->out->error_code = UNKNOWN_SERVER_ERROR;
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            part->out->aborted_transactions.items[k].producer_id = list[k].producer_id;
            part->out->aborted_transactions.items[k].first_offset = list[k].first_offset;
        }
    }
}

static void finish(struct request *req)
{
    if (req->parked_prev) {
        *req->parked_prev = req->parked_next;
        if (req->parked_next)
            req->parked_next->parked_prev = req->parked_prev;
        req->parked_prev = NULL;
        unwatch(req->fetch);
    }
    if (is_committed_only(req) && !req->done)
        tell_aborted(req);
    count_out(req->fetch);
    request_done(req);
}

static void look_again(void *arg)
{
    struct request *req = arg;
    const struct fetch_request *in = req->in;
    bool failed;

    if (!req->done && req->parked_prev) {
        atomic_store(&req->fetch->woken, false);
        if (look(req->fetch, &failed) >= (size_t)in->min_bytes || failed)
            finish(req);
    }
    request_unref(req);
}

/* The high watermark moved, or the topic is gone. Any thread. */
void partition_advanced(void *arg, struct log *log)
{
    struct partition *p = arg;

    (void)log;
    pthread_mutex_lock(&p->lock);
    for (struct waiter *waiter = p->waiters; waiter; waiter = waiter->next) {
        struct request *req = waiter->req;

        if (atomic_exchange(&req->fetch->woken, true))
            continue;
        request_ref(req);
        if (loop_post(req->loop->loop, look_again, req)) {
            atomic_store(&req->fetch->woken, false); /* the end of max_wait will do */
            request_unref(req);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

void fetch_tick(void *arg)
{
    struct broker_loop *loop = arg;
    int64_t now_ms = clock_mono_ms(loop->broker->options.clock);
    bool failed;

    for (struct request *req = loop->parked, *next; req; req = next) {
        next = req->parked_next;
        if (req->fetch->deadline_ms > now_ms)
            continue;
        look(req->fetch, &failed);
        finish(req);
        next = loop->parked; /* the answer may have closed its connection, and others with it */
    }
    arm_tick(loop);
}

/* The connection is gone: nothing is sent. */
void fetch_cancel(struct request *req)
{
    for (size_t i = 0; i < req->fetch->count; i++)
        forget_records(&req->fetch->parts[i]);
    finish(req);
}

/* ---- the handler -------------------------------------------------------------------------- */

static struct fetch *prepare(struct request *req)
{
    const struct fetch_request *in = req->in;
    struct fetch_response *out = req->out;
    struct fetch *fetch;
    size_t count = 0;

    for (int32_t t = 0; t < in->topics.count; t++)
        count += (size_t)in->topics.items[t].partitions.count;
    fetch = arena_alloc(&req->arena, sizeof(*fetch) + count * sizeof(fetch->parts[0]));
    if (!fetch || !REPLY_ARRAY(req, out->responses, fetch_topic_reply_schema, in->topics.count))
        return NULL;
    fetch->req = req;
    req->fetch = fetch;
    for (int32_t t = 0; t < in->topics.count; t++) {
        const struct fetch_topic *topic = &in->topics.items[t];
        struct fetch_topic_reply *reply = &out->responses.items[t];

        reply->topic = topic->topic;
        reply->topic_id = topic->topic_id;
        if (!REPLY_ARRAY(req, reply->partitions, fetch_partition_reply_schema,
                         topic->partitions.count))
            return NULL;
        for (int32_t i = 0; i < topic->partitions.count; i++) {
            struct fetch_part *part = &fetch->parts[fetch->count++];

            part->in = &topic->partitions.items[i];
            part->out = &reply->partitions.items[i];
            part->out->partition_index = part->in->partition;
            part->bytes.max = SIZE_MAX;
            part->topic = req->version >= 13 ? topic_find_id(req->broker, &topic->topic_id)
                                             : topic_find_slice(req->broker, topic->topic);
            part->partition =
                part->topic ? topic_partition(part->topic, part->in->partition) : NULL;
        }
    }
    return fetch;
}

void handle_fetch(struct request *req)
{
    const struct fetch_request *in = req->in;
    struct fetch_response *out = req->out;
    struct fetch *fetch;
    bool failed, enough;

    if (in->session_id != 0) {
        out->error_code = FETCH_SESSION_ID_NOT_FOUND;
        request_done(req);
        return;
    }
    fetch = prepare(req);
    if (!fetch) {
        out->responses.count = 0;
        out->error_code = UNKNOWN_SERVER_ERROR;
        request_done(req);
        return;
    }
    enough = look(fetch, &failed) >= (size_t)(in->min_bytes > 0 ? in->min_bytes : 0) || failed ||
             in->max_wait_ms <= 0 || !fetch->count || req->loop->stopping;
    if (!enough) {
        fetch->deadline_ms = clock_mono_ms(req->broker->options.clock) + in->max_wait_ms;
        watch(fetch);
        park(req);
        /* What came between the look and the watch would not wake us. */
        enough = look(fetch, &failed) >= (size_t)in->min_bytes || failed;
    }
    if (enough)
        finish(req);
}
