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

#include "connector/kafka_options.h"
#include "connector/kafka_source.h"
#include "kafka/kafka.h"
#include "log/batch.h"
#include "log/log.h"

#define READ_BYTES      ((size_t)1 << 20)
#define BATCH_BYTES_MAX ((size_t)128 << 20) /* a record batch after decompression */
#define ROWS_MAX        8192                /* of one poll */
#define PLAIN_MAX       64                  /* compressed batches of one poll */

/* Where a row came from: for rejects found after decoding. */
struct row_origin {
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct slice key, value; /* in `bytes` or one of `plain` */
};

struct partition {
    struct log *log;
    _Atomic int64_t next; /* offset to read */
    int64_t until;        /* bounded: first offset that is not wanted; INT64_MAX: none */
};

struct kafka_source {
    struct stream_source source; /* first */
    struct kafka_source_config config;
    struct kafka_source_options options;
    struct vec_columns columns;

    pthread_mutex_t mutex; /* of `topic` and `partitions`, against flush and lag */
    pthread_cond_t changed;
    bool woken;
    struct topic *topic; /* NULL while it does not exist */
    struct partition *partitions;
    size_t count, turn;
    char incarnation[40];
    bool seeked; /* the start has been resolved for this incarnation */
    bool fresh;  /* start modes do not apply: the topic was made anew, read all of it */

    struct buf bytes;            /* of the last poll: whole batches */
    struct buf plain[PLAIN_MAX]; /* records of those that were compressed, one each */
    size_t plain_count;
    struct row_origin *origins;
    size_t origin_count;
};

static struct kafka_source *self(struct stream_source *source)
{
    return (struct kafka_source *)source;
}

/* ---- the topic ---- */

static void close_topic(struct kafka_source *s)
{
    struct topic *topic = s->topic;

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
    }
    if (rc) {
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

/* ---- decoding ---- */

struct filling { /* the chunk being filled */
    struct vec_batch *out;
    duckdb_data_chunk chunk;
    idx_t rows;
    size_t partition;
    stream_reject_fn *reject;
    void *arg;
};

static int begin_chunk(struct kafka_source *s, struct filling *f, struct err *err)
{
    f->chunk = vec_chunk_new(&s->columns);
    f->rows = 0;
    if (!f->chunk)
        return err_set(err, ERR_NOMEM, "rows of %s", s->config.topic);
    row_decode_begin(s->config.value, f->chunk);
    if (s->config.key)
        row_decode_begin(s->config.key, f->chunk);
    return 0;
}

static int end_chunk(struct kafka_source *s, struct filling *f, struct err *err)
{
    int rc = 0;

    if (!f->chunk)
        return 0;
    row_decode_end(s->config.value);
    if (s->config.key)
        row_decode_end(s->config.key);
    duckdb_data_chunk_set_size(f->chunk, f->rows);
    if (f->rows)
        rc = vec_batch_add(f->out, f->chunk);
    if (rc || !f->rows)
        duckdb_destroy_data_chunk(&f->chunk);
    f->chunk = NULL;
    return rc ? err_set(err, rc, "rows of %s", s->config.topic) : 0;
}

static int reject_record(struct kafka_source *s, const struct filling *f,
                         const struct record *record, const struct json_fault *fault,
                         struct err *err)
{
    struct stream_reject r = {.reason = fault->reason,
                              .column = fault->path[0] ? fault->path : NULL,
                              .topic = s->config.topic,
                              .partition = (int32_t)f->partition,
                              .offset = record->offset,
                              .timestamp_ms = record->timestamp,
                              .key = record->key,
                              .value = record->value};

    if (fault->fatal)
        return err_set(err, ERR_CORRUPT, "%s[%zu] offset %" PRId64 ", column %s: %s",
                       s->config.topic, f->partition, record->offset, fault->path, fault->reason);
    if (s->config.ignore_parse_errors)
        return 0;
    return f->reject(f->arg, &r, err);
}

/* The key's columns of a row whose others are filled. */
static int decode_key(struct kafka_source *s, struct filling *f, const struct record *record,
                      idx_t row, struct json_fault *fault)
{
    enum row_kind kind;
    size_t rows = 0;
    int rc;

    if (!record->key.ptr)
        rc = row_decode_json(s->config.key, SLICE_LIT("{}"), row, fault);
    else
        rc = row_decode_message(s->config.key, record->key, &rows, fault);
    if (!rc && rows)
        rc = row_decode(s->config.key, 0, row, &kind, fault);
    if (rc || record->value.ptr)
        return rc;
    /* The value's reader has set them to NULL; this one does not know. */
    for (size_t i = 0; i < s->config.key_column_count && record->key.ptr; i++) {
        uint64_t *validity = duckdb_vector_get_validity(
            duckdb_data_chunk_get_vector(f->chunk, s->config.key_columns[i]));

        if (validity)
            duckdb_validity_set_row_valid(validity, row);
    }
    return 0;
}

/* Row `nth` of a record into the chunk, behind those that are in it. */
static int decode_row(struct kafka_source *s, struct filling *f, const struct record *record,
                      size_t nth, idx_t row, struct json_fault *fault)
{
    enum row_kind kind = ROW_DELETE;
    int rc;

    if (record->value.ptr)
        rc = row_decode(s->config.value, nth, row, &kind, fault);
    else
        rc = row_decode_json(s->config.value, buf_slice(&s->config.no_value), row, fault);
    if (!rc && s->config.key &&
        (record->value.ptr == NULL || !s->config.upsert || s->config.key_apart))
        rc = decode_key(s, f, record, row, fault);
    if (rc || !s->config.changes)
        return rc;
    if (s->config.upsert && kind == ROW_INSERT)
        kind = ROW_UPDATE_AFTER;
    ((uint8_t *)duckdb_vector_get_data(
        duckdb_data_chunk_get_vector(f->chunk, s->columns.count - 1)))[row] = (uint8_t)kind;
    return 0;
}

static int fill_rows(struct kafka_source *s, struct filling *f, const struct batch *batch,
                     const struct record *record, size_t rows, struct json_fault *fault,
                     struct err *err)
{
    int rc = 0;

    if (f->chunk && f->rows + rows > duckdb_vector_size()) /* a record's rows come or go as one */
        rc = end_chunk(s, f, err);
    if (!rc && !f->chunk)
        rc = begin_chunk(s, f, err);
    for (size_t i = 0; i < rows && !rc; i++) {
        rc = decode_row(s, f, record, i, f->rows + i, fault);
        if (rc == ERR_INVALID)
            return rc;
        if (!rc)
            rc = kafka_metadata_fill(&s->config, f->chunk, f->rows + i, (int32_t)f->partition,
                                     batch, record);
        if (rc)
            err_set(err, rc, "rows of %s", s->config.topic);
    }
    return rc;
}

static int add_record(struct kafka_source *s, struct filling *f, const struct batch *batch,
                      const struct record *record, struct err *err)
{
    struct json_fault fault = {0};
    size_t rows = 1;
    int rc = 0;

    if (!record->value.ptr && !s->config.upsert)
        return 0; /* a tombstone says nothing to other tables, as in Flink */
    if (record->value.ptr)
        rc = row_decode_message(s->config.value, record->value, &rows, &fault);
    if (!rc)
        rc = fill_rows(s, f, batch, record, rows, &fault, err);
    if (rc == ERR_INVALID && fault.reason[0])
        return reject_record(s, f, record, &fault, err);
    if (rc)
        return err && err->code == rc ? rc : err_set(err, rc, "rows of %s", s->config.topic);
    for (size_t i = 0; i < rows; i++)
        s->origins[s->origin_count++] = (struct row_origin){
            (int32_t)f->partition, record->offset, record->timestamp, record->key, record->value};
    f->rows += rows;
    if (f->rows == duckdb_vector_size())
        return end_chunk(s, f, err);
    return 0;
}

static bool is_full(struct kafka_source *s)
{
    return s->origin_count >= ROWS_MAX;
}

/* The records of one batch from the partition's place on. The place moves past each. */
static int add_batch(struct kafka_source *s, struct filling *f, const struct batch *batch,
                     struct err *err)
{
    size_t i = f->partition;
    struct partition *p = &s->partitions[i];
    struct record_walk walk;
    struct record record;
    int64_t next = atomic_load(&p->next);
    int rc = record_walk_init(&walk, batch, &s->plain[s->plain_count], BATCH_BYTES_MAX, err);

    if (rc)
        return err_wrap(err, rc, "%s[%zu]", s->config.topic, i);
    if (batch_codec(batch) != CODEC_NONE)
        s->plain_count++;
    while (!is_full(s) && (rc = record_next(&walk, &record, err)) == 1) {
        if (record.offset < next)
            continue;
        if (record.offset >= p->until) {
            next = p->until;
            break;
        }
        rc = add_record(s, f, batch, &record, err);
        if (rc)
            return rc;
        next = record.offset + 1;
    }
    if (rc < 0)
        return err_wrap(err, rc, "%s[%zu]", s->config.topic, i);
    if (!is_full(s) && next < p->until) /* also past records that compaction or control took */
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

static int poll_partition(struct kafka_source *s, size_t i, struct filling *f, struct err *err)
{
    struct partition *p = &s->partitions[i];
    int64_t next = atomic_load(&p->next);
    struct batch batch;
    struct slice rest;
    size_t need;
    int rc;

    if (next >= p->until || next >= readable_end(s, i))
        return 0;
    f->partition = i;
    buf_clear(&s->bytes);
    rc = (s->config.uncommitted ? log_read : log_read_stable)(p->log, next, READ_BYTES, true,
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
    while (!rc && rest.len && !is_full(s)) {
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
            rc = add_batch(s, f, &batch, err);
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
    struct filling f = {.out = out, .reject = reject, .arg = arg};
    struct err second = {0};
    int rc = ensure_topic(s, err);

    if (!rc && !s->seeked)
        rc = resolve_places(s, NULL, err);
    if (rc)
        return rc;
    if (at_end(s))
        return err_set(err, ERR_CLOSED, "%s: the end that was asked for", s->config.topic);
    s->origin_count = s->plain_count = 0;
    /* One partition a poll: its bytes must stay until the next. */
    for (size_t tried = 0; tried < s->count && !rc && s->origin_count == 0; tried++)
        rc = poll_partition(s, s->turn++ % s->count, &f, err);
    if (rc)
        end_chunk(s, &f, &second);
    else
        rc = end_chunk(s, &f, err);
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct kafka_source *s = self(source);
    const struct row_origin *o;

    if (row < 0 || (size_t)row >= s->origin_count)
        return err_set(err, ERR_RANGE, "%s: row %" PRId64 " of a poll of %zu", s->config.topic, row,
                       s->origin_count);
    o = &s->origins[row];
    *out = (struct stream_reject){.topic = s->config.topic,
                                  .partition = o->partition,
                                  .offset = o->offset,
                                  .timestamp_ms = o->timestamp_ms,
                                  .key = o->key,
                                  .value = o->value};
    return 0;
}

/* ---- the rest of the table ---- */

static void wait(struct stream_source *source, int64_t timeout_ms)
{
    struct kafka_source *s = self(source);
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->mutex);
    if (!s->woken)
        pthread_cond_timedwait(&s->changed, &s->mutex, &until);
    s->woken = false;
    pthread_mutex_unlock(&s->mutex);
}

static void wake(struct stream_source *source)
{
    struct kafka_source *s = self(source);

    pthread_mutex_lock(&s->mutex);
    s->woken = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
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
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct kafka_source *s = self(source);

    if (!s)
        return;
    close_topic(s);
    kafka_source_config_deinit(&s->config);
    vec_columns_free(&s->columns);
    buf_deinit(&s->bytes);
    for (size_t i = 0; i < PLAIN_MAX; i++)
        buf_deinit(&s->plain[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s->origins);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait, wake, position, seek, flush, lag, columns, source_free,
};

int kafka_source_new(struct stream_source **out, const struct kafka_source_options *options,
                     struct err *err)
{
    struct kafka_source *s = calloc(1, sizeof(*s));
    pthread_condattr_t attr;
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "source %s", options->table->name);
    s->source.ops = &ops;
    s->options = *options;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    s->origins = calloc(ROWS_MAX + ROWS_OF_MESSAGE_MAX, sizeof(*s->origins));
    rc = s->origins ? kafka_source_config_init(&s->config, options, err)
                    : err_set(err, ERR_NOMEM, "source %s", options->table->name);
    if (!rc)
        rc = kafka_source_columns(&s->config, options, &s->columns, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", options->table->name);
    }
    s->options.table = NULL; /* was borrowed for the call */
    *out = &s->source;
    return 0;
}
