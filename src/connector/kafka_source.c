/* kafka_source.c - partition logs to chunks.
 *
 * A poll takes partitions in turn, reads whole record batches of about READ_BYTES from the page
 * cache into one buffer, and decodes record by record into chunks of 2,048 rows. The buffer stays
 * until the next poll, so that origin() can show the bytes of any row again. Offsets move record
 * by record: a batch that does not fit is continued by the next poll.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/team.h"
#include "connector/kafka_rows.h"
#include "connector/kafka_source.h"
#include "connector/source_wait.h"
#include "kafka/kafka.h"
#include "log/batch.h"
#include "log/log.h"

#define READ_BYTES      ((size_t)1 << 20)
#define IDLE_BYTES      ((size_t)16 << 10)
#define BATCH_BYTES_MAX ((size_t)128 << 20) /* a record batch after decompression */
#define PLAIN_MAX       64                  /* compressed batches of one poll */

struct partition {
    struct log *log;
    _Atomic int64_t next; /* offset to read */
    int64_t until;        /* bounded: first offset that is not wanted; INT64_MAX: none */
};

struct kafka_source {
    struct stream_source source; /* first */
    struct kafka_source_config config;
    struct kafka_source_options options;
    struct kafka_rows rows;
    size_t read_bytes; /* of a poll */

    pthread_mutex_t mutex;   /* of `topic` and `partitions`, against flush and lag */
    struct source_wait wait; /* its lock is held by nobody who asks the log for anything */
    struct topic *topic;     /* NULL while it does not exist */
    struct partition *partitions;
    size_t count, turn;
    char incarnation[40];
    bool seeked; /* the start has been resolved for this incarnation */
    bool fresh;  /* start modes do not apply: the topic was made anew, read all of it */

    struct buf bytes;            /* of the last poll: whole batches */
    struct buf plain[PLAIN_MAX]; /* records of those that were compressed, one each */
    size_t plain_count;
};

static struct kafka_source *self(struct stream_source *source)
{
    return (struct kafka_source *)source;
}

/* ---- the topic ---- */

/* On the thread that appends. */
static void advanced(void *arg, struct log *log)
{
    struct kafka_source *s = arg;

    (void)log;
    source_wait_tell(&s->wait);
}

static void unwatch(struct kafka_source *s, const struct partition *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (partitions[i].log)
            log_off_advance(partitions[i].log, advanced, s);
}

static void close_topic(struct kafka_source *s)
{
    struct topic *topic = s->topic;

    unwatch(s, s->partitions, s->count);
    pthread_mutex_lock(&s->mutex);
    s->topic = NULL;
    free(s->partitions);
    s->partitions = NULL;
    s->count = 0;
    pthread_mutex_unlock(&s->mutex);
    topic_unref(topic);
}

static int open_topic(struct kafka_source *s, struct err *err)
{
    struct topic *topic = topic_find(s->options.broker, s->config.topic);
    struct partition *partitions = NULL;
    size_t count = topic ? (size_t)topic_partitions(topic) : 0;
    int rc = topic ? 0 : err_set(err, ERR_NOENT, "topic %s does not exist", s->config.topic);

    if (!rc && !(partitions = calloc(count, sizeof(*partitions))))
        rc = err_set(err, ERR_NOMEM, "topic %s", s->config.topic);
    for (size_t i = 0; i < count && !rc; i++) {
        partitions[i].log = topic_log(topic, (int32_t)i);
        partitions[i].until = INT64_MAX;
        if (!partitions[i].log)
            rc = err_set(err, ERR_IO, "%s[%zu] is offline", s->config.topic, i);
        else if (log_on_advance(partitions[i].log, advanced, s))
            rc = err_set(err, ERR_NOMEM, "topic %s", s->config.topic);
    }
    if (rc) {
        if (partitions)
            unwatch(s, partitions, count);
        free(partitions);
        topic_unref(topic);
        return rc;
    }
    s->fresh = s->incarnation[0] && strcmp(s->incarnation, topic_id(topic)) != 0;
    snprintf(s->incarnation, sizeof(s->incarnation), "%s", topic_id(topic));
    pthread_mutex_lock(&s->mutex);
    s->topic = topic;
    s->partitions = partitions;
    s->count = count;
    s->turn = 0;
    pthread_mutex_unlock(&s->mutex);
    s->seeked = false;
    return 0;
}

static int ensure_topic(struct kafka_source *s, struct err *err)
{
    if (s->topic && topic_is_deleted(s->topic))
        close_topic(s);
    return s->topic ? 0 : open_topic(s, err);
}

/* ---- where to start and to end ---- */

/* What the group has committed for a partition; -1: nothing. */
static int group_offset(struct kafka_source *s, int32_t partition, int64_t *out, struct err *err)
{
    struct arena arena = {0};
    struct group_info *groups;
    size_t count;
    int rc = broker_groups(s->options.broker, &arena, &groups, &count, err);

    *out = -1;
    for (size_t g = 0; !rc && g < count; g++)
        for (size_t i = 0; !strcmp(groups[g].name, s->config.group) && i < groups[g].lag_count; i++)
            if (groups[g].lags[i].partition == partition &&
                !strcmp(groups[g].lags[i].topic, s->config.topic))
                *out = groups[g].lags[i].offset;
    arena_deinit(&arena);
    return rc;
}

static int64_t readable_end(struct kafka_source *s, size_t i)
{
    struct log_offsets at = log_offsets(s->partitions[i].log);

    return s->config.uncommitted ? at.high_watermark : at.stable;
}

static int offset_for(struct kafka_source *s, size_t i, const struct kafka_place *place,
                      int64_t *out, struct err *err)
{
    struct log *log = s->partitions[i].log;
    struct log_offsets at = log_offsets(log);
    int64_t found_ms;
    int rc = 0;

    switch (place->kind) {
    case KAFKA_EARLIEST:
        *out = at.start;
        break;
    case KAFKA_LATEST:
        *out = readable_end(s, i);
        break;
    case KAFKA_TIMESTAMP:
        rc = log_find_time(log, place->timestamp_ms, out, &found_ms, err);
        if (!rc && *out < 0)
            *out = readable_end(s, i);
        break;
    case KAFKA_OFFSETS:
        *out = i < place->offset_count && place->offsets[i] >= 0 ? place->offsets[i] : at.start;
        break;
    case KAFKA_GROUP:
        rc = group_offset(s, (int32_t)i, out, err);
        if (!rc && *out < 0) /* none committed: auto.offset.reset */
            return offset_for(s, i, &s->config.reset, out, err);
        break;
    case KAFKA_UNBOUNDED:
        *out = INT64_MAX;
        break;
    }
    return rc;
}

static int resolve_places(struct kafka_source *s, const struct stream_position *from,
                          struct err *err)
{
    static const struct kafka_place earliest = {.kind = KAFKA_EARLIEST};
    bool same = from && from->incarnation && !strcmp(from->incarnation, s->incarnation);
    int rc = 0;

    for (size_t i = 0; i < s->count && !rc; i++) {
        struct log_offsets at = log_offsets(s->partitions[i].log);
        const struct kafka_place *place = &s->config.startup;
        int64_t next = 0;

        if (same && i < from->count)
            next = from->offsets[i];
        else /* a new topic, or partitions added to one that is known: all of it */
            rc = offset_for(s, i, from || s->fresh ? &earliest : place, &next, err);
        if (!rc)
            rc = offset_for(s, i, &s->config.bounded, &s->partitions[i].until, err);
        if (rc)
            break;
        if (next < at.start) {
            diag_warn("job",
                      "%s[%zu]: offsets %" PRId64 " to %" PRId64
                      " were deleted by retention before they were read",
                      s->config.topic, i, next, at.start);
            next = at.start;
        }
        if (next > at.end) {
            diag_warn("job",
                      "%s[%zu]: offset %" PRId64 " is beyond the end %" PRId64
                      ": reading on from there",
                      s->config.topic, i, next, at.end);
            next = at.end;
        }
        atomic_store(&s->partitions[i].next, next);
    }
    s->seeked = rc == 0;
    return rc;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct kafka_source *s = self(source);
    int rc;

    if (from && from->incarnation) /* known even while the topic is gone */
        snprintf(s->incarnation, sizeof(s->incarnation), "%s", from->incarnation);
    rc = ensure_topic(s, err);
    return rc ? rc : resolve_places(s, from, err);
}

/* ---- reading ---- */

/* The records of one batch from the partition's place on. The place moves past each. */
static int add_batch(struct kafka_source *s, size_t i, const struct batch *batch, struct err *err)
{
    struct partition *p = &s->partitions[i];
    struct kafka_origin at = {s->config.topic, (int32_t)i, (int32_t)i, batch->leader_epoch,
                              batch_is_append_time(batch)};
    struct record_walk walk;
    struct record record;
    int64_t next = atomic_load(&p->next);
    int rc = record_walk_init(&walk, batch, &s->plain[s->plain_count], BATCH_BYTES_MAX, err);

    if (rc)
        return err_wrap(err, rc, "%s[%zu]", s->config.topic, i);
    if (batch_codec(batch) != CODEC_NONE)
        s->plain_count++;
    while (!kafka_rows_full(&s->rows) && (rc = record_next(&walk, &record, err)) == 1) {
        if (record.offset < next)
            continue;
        if (record.offset >= p->until) {
            next = p->until;
            break;
        }
        rc = kafka_rows_add(&s->rows, &at, &record, err);
        if (rc)
            return rc;
        next = record.offset + 1;
    }
    if (rc < 0)
        return err_wrap(err, rc, "%s[%zu]", s->config.topic, i);
    if (!kafka_rows_full(&s->rows) &&
        next < p->until) /* also past records that compaction or control took */
        next = batch->base_offset + batch->last_offset_delta + 1;
    atomic_store(&p->next, next);
    return 0;
}

/* Is there nothing in it for us: a marker, or what was aborted? */
static bool is_void(struct kafka_source *s, struct log *log, const struct batch *batch)
{
    return batch_is_control(batch) || (!s->config.uncommitted && batch_is_transactional(batch) &&
                                       log_is_aborted(log, batch->producer_id, batch->base_offset));
}

static int poll_partition(struct kafka_source *s, size_t i, struct err *err)
{
    struct partition *p = &s->partitions[i];
    int64_t next = atomic_load(&p->next);
    struct batch batch;
    struct slice rest;
    size_t need;
    int rc;

    if (next >= p->until || next >= readable_end(s, i))
        return 0;
    buf_clear(&s->bytes);
    rc = (s->config.uncommitted ? log_read : log_read_stable)(p->log, next, s->read_bytes, true,
                                                              &s->bytes, err);
    if (rc == ERR_RANGE) { /* retention was quicker */
        int64_t start = log_offsets(p->log).start;

        diag_warn("job",
                  "%s[%zu]: offsets %" PRId64 " to %" PRId64
                  " were deleted by retention before they were read",
                  s->config.topic, i, next, start);
        atomic_store(&p->next, start);
        return 0;
    }
    rest = buf_slice(&s->bytes);
    while (!rc && rest.len && !kafka_rows_full(&s->rows)) {
        rc = batch_next(&rest, false, &batch, &need, err);
        if (rc == ERR_AGAIN)
            return 0;
        if (rc)
            return err_wrap(err, rc, "%s[%zu]", s->config.topic, i);
        if (s->plain_count == PLAIN_MAX)
            break; /* origins point into them until the next poll */
        if (is_void(s, p->log, &batch))
            atomic_store(&p->next, batch.base_offset + batch.last_offset_delta + 1);
        else
            rc = add_batch(s, i, &batch, err);
    }
    return rc;
}

static bool at_end(struct kafka_source *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (atomic_load(&s->partitions[i].next) < s->partitions[i].until)
            return false;
    return s->config.bounded.kind != KAFKA_UNBOUNDED;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct kafka_source *s = self(source);
    struct err second = {0};
    int rc = ensure_topic(s, err);

    if (!rc && !s->seeked)
        rc = resolve_places(s, NULL, err);
    if (rc)
        return rc;
    if (at_end(s))
        return err_set(err, ERR_CLOSED, "%s: the end that was asked for", s->config.topic);
    s->plain_count = 0;
    kafka_rows_begin(&s->rows, out, reject, arg);
    /* One partition a poll: its bytes must stay until the next. */
    for (size_t tried = 0; tried < s->count && !rc && s->rows.count == 0; tried++)
        rc = poll_partition(s, s->turn++ % s->count, err);
    if (s->rows.count == 0 && s->bytes.cap > IDLE_BYTES) /* a quiet source keeps no memory */
        buf_deinit(&s->bytes);
    if (rc)
        kafka_rows_end(&s->rows, &second);
    else
        rc = kafka_rows_end(&s->rows, err);
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    return kafka_rows_origin(&self(source)->rows, row, out, err);
}

/* ---- the rest of the table ---- */

static void wait(struct stream_source *source, int64_t timeout_ms)
{
    source_wait_for(&self(source)->wait, timeout_ms);
}

static void listen(struct stream_source *source, void (*fn)(void *arg), void *arg)
{
    source_wait_listen(&self(source)->wait, fn, arg);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct kafka_source *s = self(source);

    *out = (struct stream_position){0};
    if (!s->topic || !s->seeked)
        return 0;
    out->incarnation = arena_strdup(arena, s->incarnation);
    out->offsets = ARENA_ARRAY(arena, int64_t, s->count);
    if (!out->incarnation || !out->offsets)
        return err_set(err, ERR_NOMEM, "offsets of %s", s->config.topic);
    for (size_t i = 0; i < s->count; i++)
        out->offsets[i] = atomic_load(&s->partitions[i].next);
    out->count = s->count;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    struct kafka_source *s = self(source);
    int rc = 0;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->count && !rc; i++)
        rc = log_flush(s->partitions[i].log, err);
    pthread_mutex_unlock(&s->mutex);
    return rc;
}

static int64_t lag(struct stream_source *source)
{
    struct kafka_source *s = self(source);
    int64_t sum = 0;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->count; i++) {
        int64_t more = readable_end(s, i) - atomic_load(&s->partitions[i].next);

        sum += more > 0 ? more : 0;
    }
    pthread_mutex_unlock(&s->mutex);
    return sum;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->rows.columns;
}

static void source_free(struct stream_source *source)
{
    struct kafka_source *s = self(source);

    if (!s)
        return;
    close_topic(s);
    kafka_rows_deinit(&s->rows);
    kafka_source_config_deinit(&s->config);
    buf_deinit(&s->bytes);
    for (size_t i = 0; i < PLAIN_MAX; i++)
        buf_deinit(&s->plain[i]);
    source_wait_deinit(&s->wait);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static void share(struct stream_source *source, struct team *team)
{
    struct kafka_source *s = self(source);

    kafka_rows_share(&s->rows, team);
    s->read_bytes = READ_BYTES * (size_t)team_threads(team);
}

static void rest(struct stream_source *source)
{
    kafka_rows_rest(&self(source)->rows);
}

static const struct stream_source_ops ops = {
    poll, origin,  wait,        wake,   position,       seek,         flush,
    lag,  columns, source_free, listen, .share = share, .rest = rest,
};

int kafka_source_new(struct stream_source **out, const struct kafka_source_options *options,
                     struct err *err)
{
    struct kafka_source *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "source %s", options->table->name);
    s->source.ops = &ops;
    s->options = *options;
    s->read_bytes = READ_BYTES;
    pthread_mutex_init(&s->mutex, NULL);
    source_wait_init(&s->wait);
    rc = kafka_source_config_init(&s->config, options, err);
    if (!rc)
        rc = kafka_rows_init(&s->rows, &s->config, options, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", options->table->name);
    }
    s->options.table = NULL; /* was borrowed for the call */
    *out = &s->source;
    return 0;
}
