/* kafka_slices.c - noted records in as many runs as there are threads, each into chunks of its own.
 *
 * A record that cannot be decoded is held with its reason until all have been looked at: rejects
 * are the pipeline's, on its thread, and in the order of their records. */
#include "connector/kafka_slices.h"

#include "base/team.h"

#define RECORDS_MIN 128 /* of a slice: fewer are not worth waking a thread for */

struct noted {
    struct kafka_origin at;
    struct record record;
};

struct held {
    struct stream_reject reject;
    char *reason, *column; /* owned; column NULL: none */
};

struct slice_of_records {
    struct kafka_source_config config;
    struct kafka_rows rows;
    struct vec_batch out;
    struct held *held;
    size_t held_count, held_cap;
    size_t from, end; /* of the noted */
};

struct kafka_slices {
    struct noted *noted;
    size_t noted_count, noted_cap;
    size_t count;
    struct slice_of_records list[];
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "records of a poll");
}

int kafka_slices_new(struct kafka_slices **out, const struct kafka_source_options *options,
                     struct err *err)
{
    size_t count = (size_t)options->threads;
    struct kafka_slices *s = calloc(1, sizeof(*s) + count * sizeof(s->list[0]));
    struct kafka_source_options alone = *options;
    int rc = s ? 0 : no_memory(err);

    alone.threads = 1;
    for (; !rc && s->count < count;) {
        struct slice_of_records *slice = &s->list[s->count++];

        rc = kafka_source_config_init(&slice->config, &alone, err);
        if (!rc)
            rc = kafka_rows_init(&slice->rows, &slice->config, &alone, err);
    }
    if (rc)
        kafka_slices_free(s);
    else
        *out = s;
    return rc;
}

static void forget_held(struct slice_of_records *slice)
{
    for (size_t i = 0; i < slice->held_count; i++) {
        free(slice->held[i].reason);
        free(slice->held[i].column);
    }
    slice->held_count = 0;
}

void kafka_slices_free(struct kafka_slices *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct slice_of_records *slice = &s->list[i];

        forget_held(slice);
        free(slice->held);
        vec_batch_deinit(&slice->out);
        kafka_rows_deinit(&slice->rows);
        kafka_source_config_deinit(&slice->config);
    }
    free(s->noted);
    free(s);
}

size_t kafka_slices_count(const struct kafka_slices *s)
{
    return s ? s->count : 1;
}

/* ---- noted ---- */

void kafka_slices_begin(struct kafka_slices *s)
{
    s->noted_count = 0;
}

int kafka_slices_note(struct kafka_slices *s, const struct kafka_origin *at,
                      const struct record *record, struct err *err)
{
    if (s->noted_count == s->noted_cap) {
        size_t cap = s->noted_cap ? s->noted_cap * 2 : 256;
        struct noted *more = realloc(s->noted, cap * sizeof(*more));

        if (!more)
            return no_memory(err);
        s->noted = more;
        s->noted_cap = cap;
    }
    s->noted[s->noted_count++] = (struct noted){*at, *record};
    return 0;
}

/* ---- decoded ---- */

static int hold(void *arg, const struct stream_reject *reject, struct err *err)
{
    struct slice_of_records *slice = arg;
    struct held *held;

    if (slice->held_count == slice->held_cap) {
        size_t cap = slice->held_cap ? slice->held_cap * 2 : 16;
        struct held *more = realloc(slice->held, cap * sizeof(*more));

        if (!more)
            return no_memory(err);
        slice->held = more;
        slice->held_cap = cap;
    }
    held = &slice->held[slice->held_count++];
    *held = (struct held){.reject = *reject, .reason = strdup(reject->reason)};
    if (reject->column)
        held->column = strdup(reject->column);
    held->reject.reason = held->reason;
    held->reject.column = held->column;
    return held->reason && !held->column == !reject->column ? 0 : no_memory(err);
}

static int decode_slice(void *arg, size_t i, struct err *err)
{
    struct kafka_slices *s = arg;
    struct slice_of_records *slice = &s->list[i];
    struct err second = {0};
    int rc = 0;

    kafka_rows_begin(&slice->rows, &slice->out, hold, slice);
    for (size_t k = slice->from; k < slice->end && !rc; k++)
        rc = kafka_rows_add(&slice->rows, &s->noted[k].at, &s->noted[k].record, err);
    if (rc)
        kafka_rows_end(&slice->rows, &second);
    else
        rc = kafka_rows_end(&slice->rows, err);
    return rc;
}

static int take_slice(struct slice_of_records *slice, struct kafka_rows *rows, struct err *err)
{
    int rc = vec_batch_move(rows->out, &slice->out) ? no_memory(err) : 0;

    if (!rc)
        rc = kafka_rows_take_origins(rows, &slice->rows, err);
    for (size_t i = 0; i < slice->held_count && !rc; i++)
        rc = rows->reject(rows->arg, &slice->held[i].reject, err);
    return rc;
}

int kafka_slices_decode(struct kafka_slices *s, struct team *team, struct kafka_rows *rows,
                        struct err *err)
{
    size_t count = s->noted_count / RECORDS_MIN;
    int rc;

    count = count < 1 ? 1 : count < s->count ? count : s->count;
    for (size_t i = 0; i < count; i++) {
        s->list[i].from = s->noted_count * i / count;
        s->list[i].end = s->noted_count * (i + 1) / count;
    }
    rc = team_run(team, decode_slice, s, count, err);
    rows->count = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = take_slice(&s->list[i], rows, err);
    for (size_t i = 0; i < count; i++) {
        vec_batch_clear(&s->list[i].out);
        forget_held(&s->list[i]);
    }
    s->noted_count = 0;
    return rc;
}
