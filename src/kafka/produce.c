/* produce.c - records in: checked, appended, synced, answered.
 *
 * A handler appends at once, on the connection's loop, and puts a ticket on every partition it
 * wrote to. At the end of the turn each of these partitions gets one sync on a thread, which serves
 * all tickets that came before it; those that came during a sync share the next one. The answer
 * goes out when the last ticket of the request is through. With fsync interval or never there are
 * no tickets.
 */
#include "kafka/kafka_int.h"

/* ---- syncs -------------------------------------------------------------------------------- */

static void ticket_done(struct ticket *ticket, int rc)
{
    struct request *req = ticket->req;

    if (rc) {
        ticket->reply->error_code = kafka_error(rc);
        ticket->reply->base_offset = -1;
    }
    if (atomic_fetch_sub(&req->pending, 1) == 1)
        request_done_from(req);
    request_unref(req);
}

/* Takes the tickets that a sync up to `flushed` has served; all of them when it failed. */
static struct ticket *take_tickets(struct partition *p, int64_t flushed, bool all)
{
    struct ticket *taken = NULL, **end = &taken, **at = &p->tickets, *ticket;

    while ((ticket = *at)) {
        if (!all && ticket->end > flushed) {
            at = &ticket->next;
            continue;
        }
        *at = ticket->next;
        ticket->next = NULL;
        *end = ticket;
        end = &ticket->next;
    }
    p->tickets_end = at;
    return taken;
}

static struct partition *partition_of(struct work *work)
{
    return (struct partition *)(void *)((char *)work - offsetof(struct partition, flush));
}

/* Worker: one sync, for all that wait. */
void flush_run(struct work *work)
{
    struct partition *p = partition_of(work);
    struct err err = {0};
    int rc = log_flush(p->log, &err);
    int64_t flushed = log_offsets(p->log).flushed;
    struct ticket *taken, *next;

    if (rc)
        diag_error("kafka", "%s-%d: sync: %s", p->topic->name, p->index, err.text);
    pthread_mutex_lock(&p->lock);
    taken = take_tickets(p, flushed, rc != 0);
    pthread_mutex_unlock(&p->lock);
    for (; taken; taken = next) {
        next = taken->next;
        ticket_done(taken, rc);
    }
    if (!rc && log_checkpoint(p->log, false, &err))
        diag_warn("kafka", "%s-%d: %s", p->topic->name, p->index, err.text);
}

/* Again when others came meanwhile. The last reference to the topic may go here. */
void flush_done(struct work *work)
{
    struct partition *p = partition_of(work);
    struct workers *syncers = p->topic->broker->syncers;

    for (;;) {
        bool more;

        pthread_mutex_lock(&p->lock);
        more = p->tickets != NULL || p->again;
        p->flushing = more;
        p->again = false;
        pthread_mutex_unlock(&p->lock);
        if (!more)
            break;
        if (!workers_submit(syncers, work))
            return;
        flush_run(work);
    }
    topic_unref(p->topic);
}

void topic_flush_soon(struct topic *topic, int32_t partition)
{
    struct partition *p = topic_partition(topic, partition);
    bool start;

    if (!p || !p->log)
        return;
    pthread_mutex_lock(&p->lock);
    start = !p->flushing;
    p->again = p->flushing;
    p->flushing = true;
    pthread_mutex_unlock(&p->lock);
    if (!start)
        return;
    topic_ref(topic);
    if (workers_submit(topic->broker->syncers, &p->flush)) {
        flush_run(&p->flush); /* the workers are full: pay for it here */
        flush_done(&p->flush);
    }
}

void flush_dirty(struct broker_loop *loop)
{
    for (size_t i = 0; i < loop->dirty_count; i++) {
        struct partition *p = loop->dirty[i];
        bool start;

        pthread_mutex_lock(&p->lock);
        p->queued = false;
        start = !p->flushing && p->tickets;
        p->flushing |= start;
        pthread_mutex_unlock(&p->lock);
        if (!start) {
            topic_unref(p->topic);
        } else if (workers_submit(loop->broker->syncers, &p->flush)) {
            flush_run(&p->flush); /* the workers are full: pay for it here */
            flush_done(&p->flush);
        }
    }
    loop->dirty_count = 0;
}

static int mark_dirty(struct broker_loop *loop, struct partition *p, struct ticket *ticket)
{
    bool queue;

    if (loop->dirty_count == loop->dirty_cap) {
        size_t cap = loop->dirty_cap ? loop->dirty_cap * 2 : 64;
        struct partition **more = realloc(loop->dirty, cap * sizeof(struct partition *));

        if (!more)
            return ERR_NOMEM;
        loop->dirty = more;
        loop->dirty_cap = cap;
    }
    pthread_mutex_lock(&p->lock);
    *p->tickets_end = ticket;
    p->tickets_end = &ticket->next;
    queue = !p->queued;
    p->queued = true;
    pthread_mutex_unlock(&p->lock);
    if (queue) {
        topic_ref(p->topic);
        loop->dirty[loop->dirty_count++] = p;
    }
    return 0;
}

/* ---- checks ------------------------------------------------------------------------------- */

static int16_t fail(struct produce_partition_reply *reply, int16_t code, const char *why)
{
    reply->error_code = code;
    reply->base_offset = -1;
    reply->error_message = slice_str(why);
    return code;
}

/* What a client may not send, whatever its CRC says. */
static int16_t check_batches(struct request *req, struct topic *topic, struct slice records,
                             struct produce_partition_reply *reply)
{
    int max = atomic_load(&topic->max_message_bytes);
    struct slice rest = records;

    if (!records.len)
        return fail(reply, INVALID_RECORD, "There are no records.");
    if (records.len > 16 && records.ptr[16] < 2)
        return fail(reply, UNSUPPORTED_FOR_MESSAGE_FORMAT,
                    "Records of magic 0 and 1 are not taken, only batches of magic 2.");
    while (rest.len) {
        struct batch batch;

        if (batch_next(&rest, false, &batch, NULL, NULL))
            return NONE; /* the log says what is wrong with it */
        if (batch.bytes.len > (size_t)max)
            return fail(reply, MESSAGE_TOO_LARGE,
                        "The record batch is larger than the topic's max.message.bytes.");
        if (batch_is_control(&batch))
            return fail(reply, INVALID_RECORD, "Clients do not write control batches.");
        if (batch_is_transactional(&batch))
            return fail(reply, INVALID_TXN_STATE, "Transactions are not built yet.");
        if (batch_codec(&batch) > CODEC_ZSTD ||
            (batch_codec(&batch) == CODEC_ZSTD && req->version < 7))
            return fail(reply, UNSUPPORTED_COMPRESSION_TYPE, "Unknown compression.");
    }
    return NONE;
}

static int16_t append_error(int rc)
{
    return rc == ERR_INVALID ? INVALID_RECORD : kafka_error(rc);
}

static void produce_partition(struct request *req, struct topic *topic,
                              const struct produce_partition *in,
                              struct produce_partition_reply *reply)
{
    struct partition *p = topic_partition(topic, in->index);
    struct slice records = in->records.bytes;
    struct log_append_result result;
    struct ticket *ticket = NULL;
    struct err err = {0};
    int rc;

    reply->base_offset = -1;
    if (!p) {
        fail(reply, UNKNOWN_TOPIC_OR_PARTITION, "There is no such partition.");
        return;
    }
    if (topic->owned) {
        fail(reply, TOPIC_AUTHORIZATION_FAILED,
             "This topic is the output of a job, which alone writes to it.");
        return;
    }
    if (!p->log) {
        fail(reply, KAFKA_STORAGE_ERROR, "The partition is offline: its log is damaged.");
        return;
    }
    if (check_batches(req, topic, records, reply))
        return;
    if (req->broker->options.fsync == FSYNC_BATCH &&
        !(ticket = ARENA_NEW(&req->arena, struct ticket))) {
        fail(reply, UNKNOWN_SERVER_ERROR, "No memory.");
        return;
    }
    /* The frame is ours: offsets are written right into it. */
    rc = topic_append(topic, in->index, (uint8_t *)records.ptr, records.len, &result, &err);
    if (rc) {
        const char *why = arena_strdup(&req->arena, err.text);

        fail(reply, append_error(rc), why ? why : "");
        return;
    }
    reply->base_offset = result.base_offset;
    reply->log_append_time_ms = result.log_append_time;
    reply->log_start_offset = log_offsets(p->log).start;
    if (!ticket)
        return;
    *ticket =
        (struct ticket){.req = request_ref(req), .reply = reply, .end = result.last_offset + 1};
    atomic_fetch_add(&req->pending, 1);
    if (mark_dirty(req->loop, p, ticket)) {
        rc = log_flush(p->log, &err);
        ticket_done(ticket, rc);
    }
}

static void produce_topic(struct request *req, const struct produce_topic *in,
                          struct produce_topic_reply *out)
{
    const struct produce_request *all = req->in;
    bool by_id = req->version >= 13;
    struct topic *topic =
        by_id ? topic_find_id(req->broker, &in->topic_id) : topic_find_slice(req->broker, in->name);

    out->name = in->name;
    out->topic_id = in->topic_id;
    if (!REPLY_ARRAY(req, out->partition_responses, produce_partition_reply_schema,
                     in->partition_data.count))
        in = NULL;
    for (int32_t i = 0; in && i < in->partition_data.count; i++) {
        const struct produce_partition *p = &in->partition_data.items[i];
        struct produce_partition_reply *reply = &out->partition_responses.items[i];

        reply->index = p->index;
        if (all->transactional_id.ptr)
            fail(reply, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "Transactions are not built yet.");
        else if (all->acks < -1 || all->acks > 1)
            fail(reply, INVALID_REQUIRED_ACKS, "acks is 0, 1 or all.");
        else if (!topic)
            fail(reply, by_id ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION,
                 "There is no such topic.");
        else
            produce_partition(req, topic, p, reply);
    }
    topic_unref(topic);
}

void handle_produce(struct request *req)
{
    const struct produce_request *in = req->in;
    struct produce_response *out = req->out;

    req->silent = in->acks == 0;
    atomic_store(&req->pending, 1); /* this handler itself */
    if (REPLY_ARRAY(req, out->responses, produce_topic_reply_schema, in->topic_data.count))
        for (int32_t i = 0; i < in->topic_data.count; i++)
            produce_topic(req, &in->topic_data.items[i], &out->responses.items[i]);
    if (atomic_fetch_sub(&req->pending, 1) == 1)
        request_done(req);
}
