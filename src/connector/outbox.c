/* outbox.c - an owned topic, and the courier that empties it. */
#include "connector/outbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define OPEN_MS       1000 /* of waiting for the transactional id, which goes on at the next call */
#define ASK_MS        5000 /* one question to the brokers */
#define COMMIT_MS     15000 /* a transaction's end, before it is looked up instead */
#define PAUSE_MS      500   /* between tries */
#define LAST_MS       20000 /* for carrying on when the job ends */
#define READ_BYTES    ((size_t)1 << 20)
#define TXN_BYTES     ((size_t)32 << 20)  /* of one transaction, about */
#define RECORDS_MAX   ((size_t)128 << 20) /* a batch after decompression */
#define FULL_BYTES    ((int64_t)2 << 30)
#define SEGMENT_BYTES "16777216" /* small: what was carried leaves the disk */

struct outbox {
    struct broker *broker;
    struct clock *clock;
    char *target, *id; /* transactional id, and the group's name */
    const struct outside_options *client;
    enum outside_partitioner partitioner;
    struct topic *topic;
    struct log *log;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping;
    int64_t until_ms;   /* stopping: mono time of the end */
    struct err refused; /* code 0: no; why the broker will not have our transactions */

    struct buf bytes_in; /* the pipeline's: the batch being appended */

    /* The courier's. */
    struct outside_producer *producer;
    bool open;    /* the transactional id is ours, and `next` is known */
    int64_t next; /* place in the log that has arrived */
    struct outside_tally tally;
    struct buf bytes, plain;
    struct header headers[256];
    bool complained;
};

/* ---- carrying ---- */

static void complain(struct outbox *o, const struct err *why)
{
    if (!o->complained)
        diag_warn("job", "rows for %s wait in topic %s: %s", o->target, topic_name(o->topic),
                  why->text);
    o->complained = true;
}

static void none(void *arg)
{
    (void)arg;
}

/* How far the group says that we are; -1: it has no say. */
static int read_place(struct outbox *o, int64_t *out, struct err *err)
{
    struct outside_property list[64];
    struct outside_options options = *o->client;
    struct outside_consumer *consumer;
    struct outside_place place = {o->target, 0, -1};
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < options.property_count && count < COUNT_OF(list) - 2; i++)
        if (strcmp(options.properties[i].name, "group.id") != 0 &&
            strcmp(options.properties[i].name, "isolation.level") != 0)
            list[count++] = options.properties[i];
    list[count++] = (struct outside_property){"group.id", o->id};
    list[count++] = (struct outside_property){"isolation.level", "read_committed"};
    options.properties = list;
    options.property_count = count;
    rc = outside_consumer_new(&consumer, &options, none, NULL, err);
    if (rc)
        return rc;
    rc = outside_offsets(consumer, &place, 1, OUTSIDE_GROUP, 0, ASK_MS, err);
    outside_consumer_free(consumer);
    *out = rc ? -1 : place.offset;
    return rc == ERR_NOENT ? 0 : rc; /* no such topic yet: nothing arrived */
}

static void find_place(struct outbox *o, int64_t place)
{
    struct log_offsets at = log_offsets(o->log);

    if (place < 0 && at.start > 0 && at.start < at.high_watermark)
        diag_warn("job",
                  "the group %s has no offset any more (offsets.retention.minutes): rows of the "
                  "last transaction to %s may be there twice",
                  o->id, o->target);
    o->next = place > at.start ? place : at.start;
    if (o->next > at.high_watermark)
        o->next = at.high_watermark;
}

static void drop_producer(struct outbox *o)
{
    outside_producer_free(o->producer);
    o->producer = NULL;
    o->open = false;
}

static int connect(struct outbox *o, struct err *err)
{
    int64_t place;
    int rc = 0;

    if (!o->producer)
        rc = outside_producer_new(&o->producer, o->client, o->partitioner, o->id, err);
    if (!rc)
        rc = outside_txn_open(o->producer, OPEN_MS, err);
    if (!rc)
        rc = read_place(o, &place, err);
    if (rc)
        return rc;
    find_place(o, place);
    o->open = true;
    return 0;
}

static int send_record(struct outbox *o, const struct record *record, struct err *err)
{
    struct outside_message m = {.topic = o->target,
                                .timestamp_ms = record->timestamp,
                                .key = record->key,
                                .value = record->value,
                                .headers = o->headers};
    struct slice rest = record->headers;

    while (m.header_count < record->header_count && (size_t)m.header_count < COUNT_OF(o->headers)) {
        struct header *h = &o->headers[m.header_count++];

        if (header_next(&rest, &h->key, &h->value, err))
            return err_wrap(err, ERR_CORRUPT, "topic %s", topic_name(o->topic));
    }
    return outside_send(o->producer, &m, &o->tally, err);
}

static int send_batch(struct outbox *o, const struct batch *batch, int64_t from, struct err *err)
{
    struct record_walk walk;
    struct record record;
    int rc = record_walk_init(&walk, batch, &o->plain, RECORDS_MAX, err);

    while (!rc && (rc = record_next(&walk, &record, err)) == 1)
        rc = record.offset < from ? 0 : send_record(o, &record, err);
    return rc;
}

/* Sends from `next` on, about a transaction's worth; *end: behind the last that was sent. */
static int send_some(struct outbox *o, int64_t *end, struct err *err)
{
    int64_t high = log_offsets(o->log).high_watermark;
    size_t total = 0;
    int rc = 0;

    for (*end = o->next; *end < high && total < TXN_BYTES && !rc;) {
        struct batch batch;
        struct slice rest;
        size_t need;

        buf_clear(&o->bytes);
        rc = log_read(o->log, *end, READ_BYTES, true, &o->bytes, err);
        rest = buf_slice(&o->bytes);
        total += rest.len;
        while (!rc && rest.len && !(rc = batch_next(&rest, false, &batch, &need, err))) {
            rc = send_batch(o, &batch, *end, err);
            if (!rc)
                *end = batch.base_offset + batch.last_offset_delta + 1;
        }
        rc = rc == ERR_AGAIN ? 0 : rc; /* a batch that is not whole: the next read has it */
    }
    return rc;
}

static int carry(struct outbox *o, struct err *err)
{
    struct outside_place place = {o->target, 0, 0};
    int rc;

    o->tally = (struct outside_tally){0};
    rc = outside_txn_begin(o->producer, err);
    if (!rc)
        rc = send_some(o, &place.offset, err);
    if (!rc)
        rc = outside_txn_commit(o->producer, o->id, &place, COMMIT_MS, err);
    if (rc)
        return rc;
    o->next = place.offset;
    return log_delete_before(o->log, o->next, err);
}

static bool has_work(struct outbox *o)
{
    return !o->open || o->next < log_offsets(o->log).high_watermark;
}

/* With the mutex held. */
static void pause_for(struct outbox *o, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&o->changed, &o->mutex, &until);
}

static bool must_end(struct outbox *o, bool troubled)
{
    return o->stopping &&
           (troubled || clock_mono_ms(o->clock) > o->until_ms ||
            log_offsets(o->log).high_watermark <= (o->open ? o->next : log_offsets(o->log).start));
}

static int work(struct outbox *o, struct err *err)
{
    int rc = 0;

    if (!o->open)
        rc = connect(o, err);
    if (!rc && o->next < log_offsets(o->log).high_watermark)
        rc = carry(o, err);
    if (rc && (o->open || rc != ERR_TIMEOUT)) /* what came of it is asked when it is opened again */
        drop_producer(o);
    return rc;
}

/* Time cures a broker that is not there, and nothing else: the job is to fail and to say why. */
static void note_refusal(struct outbox *o, int rc, const struct err *why)
{
    pthread_mutex_lock(&o->mutex);
    if (!rc)
        o->refused = (struct err){0};
    else if (!o->open && rc != ERR_TIMEOUT)
        o->refused = *why;
    pthread_mutex_unlock(&o->mutex);
}

static void *courier(void *arg)
{
    struct outbox *o = arg;
    bool troubled = false;

    pthread_mutex_lock(&o->mutex);
    while (!must_end(o, troubled)) {
        struct err err = {0};
        int rc;

        if (!has_work(o)) {
            pause_for(o, PAUSE_MS);
            continue;
        }
        pthread_mutex_unlock(&o->mutex);
        rc = work(o, &err);
        troubled = rc != 0;
        note_refusal(o, rc, &err);
        if (troubled)
            complain(o, &err);
        else if (o->complained)
            diag_info("job", "rows for %s go on", o->target);
        o->complained = troubled;
        pthread_mutex_lock(&o->mutex);
        if (troubled && !o->stopping)
            pause_for(o, PAUSE_MS);
    }
    pthread_mutex_unlock(&o->mutex);
    drop_producer(o);
    return NULL;
}

/* ---- filling ---- */

static int check_refusal(struct outbox *o, struct err *err)
{
    struct err why;

    pthread_mutex_lock(&o->mutex);
    why = o->refused;
    pthread_mutex_unlock(&o->mutex);
    return why.code ? err_set(err, why.code, "exactly once is not to be had from this broker: %s",
                              why.text)
                    : 0;
}

int outbox_append(struct outbox *o, struct batch_builder *builder, struct err *err)
{
    struct log_append_result at;
    int rc = check_refusal(o, err);

    if (rc)
        return rc;

    if (log_offsets(o->log).bytes > FULL_BYTES)
        return err_set(err, ERR_LIMIT,
                       "topic %s holds %" PRId64
                       " MB of rows that %s did not take: see the log for "
                       "why",
                       topic_name(o->topic), FULL_BYTES >> 20, o->target);
    builder->producer_id = builder->producer_epoch = -1;
    builder->base_sequence = -1;
    builder->attributes = 0;
    buf_clear(&o->bytes_in);
    rc = batch_builder_finish(builder, CODEC_LZ4, &o->bytes_in, err);
    return rc ? rc : topic_append(o->topic, 0, o->bytes_in.ptr, o->bytes_in.len, &at, err);
}

int64_t outbox_end(struct outbox *o)
{
    return log_offsets(o->log).end;
}

int outbox_flush(struct outbox *o, struct err *err)
{
    return log_flush(o->log, err);
}

int outbox_commit_in(struct outbox *o, int64_t end, struct meta_txn *txn, struct err *err)
{
    return topic_commit_in(txn, topic_id(o->topic), 0, end, err);
}

void outbox_committed(struct outbox *o, int64_t end)
{
    topic_committed(o->topic, 0, end);
    pthread_mutex_lock(&o->mutex);
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->mutex);
}

/* ---- opened and closed ---- */

/* What a job that failed left behind, with this process alive. The store says where the end is: of
 * the last commit nobody may have been told how it ended. */
static int cut_off(struct outbox *o, struct err *err)
{
    int64_t end;
    int rc = topic_owned_end(o->topic, 0, &end, err);

    if (!rc && end > log_offsets(o->log).high_watermark)
        topic_committed(o->topic, 0, end);
    return rc ? rc : log_truncate(o->log, log_offsets(o->log).high_watermark, err);
}

static int open_topic(struct outbox *o, const char *name, struct err *err)
{
    static const struct broker_config configs[] = {
        {"retention.ms", "-1"}, {"retention.bytes", "-1"}, {"segment.bytes", SEGMENT_BYTES}};
    struct topic_options options = {.name = name,
                                    .partitions = 1,
                                    .owned = true,
                                    .configs = configs,
                                    .config_count = COUNT_OF(configs)};
    int rc = 0;

    o->topic = topic_find(o->broker, name);
    if (!o->topic)
        rc = topic_create_wait(o->broker, &options, &o->topic, err);
    if (!rc && !topic_is_owned(o->topic))
        rc = err_set(err, ERR_EXISTS,
                     "topic %s was made by somebody else: the sink needs it, rename it", name);
    if (!rc && !(o->log = topic_log(o->topic, 0)))
        rc = err_set(err, ERR_IO, "topic %s is offline", name);
    return rc ? rc : cut_off(o, err);
}

int outbox_new(struct outbox **out, const struct outbox_options *options, struct err *err)
{
    struct outbox *o = calloc(1, sizeof(*o));
    struct buf id = {0};
    pthread_condattr_t attr;
    int rc;

    if (!o)
        return err_set(err, ERR_NOMEM, "outbox");
    o->broker = options->broker;
    o->clock = options->clock;
    o->client = options->client;
    o->partitioner = options->partitioner;
    o->bytes.max = o->plain.max = o->bytes_in.max = (size_t)256 << 20;
    pthread_mutex_init(&o->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &attr);
    pthread_condattr_destroy(&attr);
    rc = open_topic(o, options->name, err);
    if (!rc &&
        (buf_printf(&id, "%s-%s", options->prefix, topic_id(o->topic)) || buf_append_u8(&id, 0) ||
         !(o->id = strdup((char *)id.ptr)) || !(o->target = strdup(options->target))))
        rc = err_set(err, ERR_NOMEM, "outbox");
    buf_deinit(&id);
    if (!rc && pthread_create(&o->thread, NULL, courier, o))
        rc = err_set(err, ERR_NOMEM, "a thread for %s", options->name);
    o->started = rc == 0;
    if (rc) {
        outbox_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

static void stop(struct outbox *o)
{
    int64_t left;

    pthread_mutex_lock(&o->mutex);
    o->stopping = true;
    o->until_ms = clock_mono_ms(o->clock) + LAST_MS;
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->mutex);
    pthread_join(o->thread, NULL);
    left = log_offsets(o->log).high_watermark - log_offsets(o->log).start;
    if (left > 0)
        diag_warn("job",
                  "%" PRId64 " rows for %s stay in topic %s: they are sent when the job runs again",
                  left, o->target, topic_name(o->topic));
}

void outbox_free(struct outbox *o)
{
    if (!o)
        return;
    if (o->started)
        stop(o);
    topic_unref(o->topic);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->mutex);
    buf_deinit(&o->bytes);
    buf_deinit(&o->bytes_in);
    buf_deinit(&o->plain);
    free(o->target);
    free(o->id);
    free(o);
}
