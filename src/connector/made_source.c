/* made_source.c - the pace and the place of rows that are made up. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "connector/made_source.h"
#include "connector/session_int.h"

#define ROWS_MAX ((int64_t)8192) /* of one poll */

/* ---- columns ---- */

bool source_is_partition(const struct sql_column *column)
{
    const char *key = column->metadata_key ? column->metadata_key : column->name;

    return column->kind == SQL_COLUMN_METADATA && !strcmp(key, "partition");
}

int source_columns(const struct source_request *r, struct vec_columns *out, struct err *err)
{
    const struct sql_table *table = r->table;
    struct sql_output *outputs = calloc(table->column_count + 1, sizeof(*outputs));
    size_t count = 0;
    int rc = outputs ? 0 : err_set(err, ERR_NOMEM, "columns");

    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        if (column->kind == SQL_COLUMN_METADATA && !r->any_metadata && !source_is_partition(column))
            rc = err_set(err, ERR_INVALID, "column `%s`: the connector '%s' has no metadata",
                         column->name, sql_option(table->options, "connector"));
        outputs[count++] = (struct sql_output){column->name, column->type};
    }
    if (!rc)
        rc = connector_columns(r->connector->db, outputs, count, out, err);
    free(outputs);
    return rc;
}

int64_t source_duration_ms(const char *text)
{
    static const struct {
        const char *names;
        int64_t ms;
    } units[] = {{"ms|milli|millis|millisecond|milliseconds|", 1},
                 {"s|sec|secs|second|seconds|", 1000},
                 {"m|min|minute|minutes|", 60000},
                 {"h|hour|hours|", 3600000},
                 {"d|day|days|", 86400000}};
    char *unit;
    long long number = strtoll(text, &unit, 10);
    size_t len;

    if (unit == text || number < 0)
        return 0;
    while (*unit == ' ')
        unit++;
    len = strlen(unit);
    if (!len)
        return number;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        for (const char *at = units[i].names; *at; at = strchr(at, '|') + 1)
            if (strcspn(at, "|") == len && !strncasecmp(at, unit, len))
                return number * units[i].ms;
    return 0;
}

/* ---- the source ---- */

struct made_source {
    struct stream_source source; /* first */
    struct made_options options;
    struct clock *clock;
    char *name;
    struct vec_columns columns;
    int partition_column; /* -1: none */
    struct source_wait wait;
    uint64_t seed;
    char incarnation[24];
    _Atomic int64_t next;  /* row */
    int64_t rate;          /* per second */
    int64_t from, from_ns; /* row `from` was due then */
    int64_t polled;        /* first row of the last poll */
};

static struct made_source *self(struct stream_source *source)
{
    return (struct made_source *)source;
}

uint64_t made_random(uint64_t seed, int64_t n, uint64_t field)
{
    uint64_t x = seed + (uint64_t)n * 0x9E3779B97F4A7C15u + field * 0xD1B54A32D192ED03u;

    x ^= x >> 30; /* splitmix64's mixing, twice: n and field lie close together */
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    x ^= x >> 31;
    x *= 0xBF58476D1CE4E5B9u;
    return x ^ x >> 29;
}

/* Rows that are due by now. */
static int64_t due(struct made_source *s)
{
    int64_t now = clock_mono_ns(s->clock), left = now - s->from_ns, ready;

    if (!s->from_ns) {
        s->from_ns = now;
        s->from = atomic_load(&s->next);
        left = 0;
    }
    ready = s->from + 1 + left / 1000000000 * s->rate + left % 1000000000 * s->rate / 1000000000;
    if (s->options.rows_max >= 0 && ready > s->options.rows_max)
        ready = s->options.rows_max;
    return ready - atomic_load(&s->next);
}

static int add_chunk(struct made_source *s, int64_t first, idx_t count, struct vec_batch *out,
                     struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(&s->columns);
    int rc = chunk ? s->options.ops->fill(s->options.state, s->seed, first, count, chunk, err)
                   : err_set(err, ERR_NOMEM, "rows of %s", s->name);

    if (!rc && s->partition_column >= 0)
        memset(
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)s->partition_column)),
            0, count * sizeof(int32_t));
    if (!rc) {
        duckdb_data_chunk_set_size(chunk, count);
        rc = vec_batch_add(out, chunk);
        if (rc)
            err_set(err, rc, "rows of %s", s->name);
    }
    if (rc)
        duckdb_destroy_data_chunk(&chunk);
    return rc;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct made_source *s = self(source);
    int64_t left = due(s), next = atomic_load(&s->next);
    int rc = 0;

    (void)reject, (void)arg;
    s->polled = next;
    if (s->options.rows_max >= 0 && next >= s->options.rows_max)
        return err_set(err, ERR_CLOSED, "%s: all its rows", s->name);
    left = left > ROWS_MAX ? ROWS_MAX : left;
    while (left > 0 && !rc) {
        idx_t count = (idx_t)left < vec_chunk_rows() ? (idx_t)left : vec_chunk_rows();

        rc = add_chunk(s, next, count, out, err);
        next += (int64_t)count;
        left -= (int64_t)count;
    }
    if (!rc)
        atomic_store(&s->next, next);
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct made_source *s = self(source);

    (void)err;
    *out = (struct stream_reject){.topic = s->name,
                                  .offset = s->polled + row,
                                  .timestamp_ms = clock_wall_ms(s->clock),
                                  .value = SLICE_LIT("")};
    return 0;
}

static void wait_rows(struct stream_source *source, int64_t timeout_ms)
{
    struct made_source *s = self(source);
    int64_t pause = 1000 / s->rate;

    source_wait_for(&s->wait, pause < 1 ? 1 : pause < timeout_ms ? pause : timeout_ms);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct made_source *s = self(source);

    out->incarnation = arena_strdup(arena, s->incarnation);
    out->offsets = ARENA_ARRAY(arena, int64_t, 1);
    if (!out->incarnation || !out->offsets)
        return err_set(err, ERR_NOMEM, "place of %s", s->name);
    out->offsets[0] = atomic_load(&s->next);
    out->count = 1;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct made_source *s = self(source);

    (void)err;
    if (from && from->incarnation && from->count == 1) {
        snprintf(s->incarnation, sizeof(s->incarnation), "%s", from->incarnation);
        atomic_store(&s->next, from->offsets[0]);
    } else {
        rand_secret(&s->seed, sizeof(s->seed));
        snprintf(s->incarnation, sizeof(s->incarnation), "%016" PRIx64, s->seed);
        atomic_store(&s->next, 0);
    }
    s->seed = strtoull(s->incarnation, NULL, 16);
    s->from_ns = 0;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    (void)source, (void)err;
    return 0;
}

static int64_t lag(struct stream_source *source)
{
    struct made_source *s = self(source);

    return s->options.rows_max < 0 ? -1 : s->options.rows_max - atomic_load(&s->next);
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct made_source *s = self(source);

    if (!s)
        return;
    s->options.ops->free(s->options.state);
    vec_columns_free(&s->columns);
    source_wait_deinit(&s->wait);
    free(s->name);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait_rows, wake, position, seek, flush, lag, columns, source_free,
};

static int read_number(const struct sql_table *table, const char *key, int64_t *out,
                       struct err *err)
{
    const char *text = sql_option(table->options, key);

    if (!text)
        return 0;
    if (slice_to_i64(slice_str(text), out) || *out < 1)
        return err_set(err, ERR_INVALID, "'%s' = '%s': a number above 0", key, text);
    return 0;
}

int made_source_new(struct stream_source **out, const struct source_request *r,
                    const struct made_options *options, struct err *err)
{
    struct made_source *s = calloc(1, sizeof(*s));
    int64_t rows = INT64_MAX;
    int rc;

    if (!s || !(s->name = strdup(r->table->name))) {
        free(s);
        options->ops->free(options->state);
        return err_set(err, ERR_NOMEM, "source `%s`", r->table->name);
    }
    s->source.ops = &ops;
    s->options = *options;
    s->clock = r->connector->clock;
    s->rate = options->default_rate;
    s->partition_column = -1;
    source_wait_init(&s->wait);
    rc = read_number(r->table, "rows-per-second", &s->rate, err);
    if (!rc)
        rc = read_number(r->table, "number-of-rows", &rows, err);
    if (rows < INT64_MAX && (s->options.rows_max < 0 || rows < s->options.rows_max))
        s->options.rows_max = rows;
    if (!rc)
        rc = source_columns(r, &s->columns, err);
    for (size_t i = 0, at = 0; i < r->table->column_count; i++) {
        if (source_is_partition(&r->table->columns[i]))
            s->partition_column = (int)at;
        at += r->table->columns[i].kind != SQL_COLUMN_COMPUTED;
    }
    if (!rc)
        rc = seek(&s->source, NULL, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->source;
    return 0;
}
