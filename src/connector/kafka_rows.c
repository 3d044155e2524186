/* kafka_rows.c - values and keys of records into chunks of 2,048 rows. */
#include "connector/kafka_rows.h"

#include "connector/kafka_slices.h"

/* ---- the chunk being filled ---- */

static int begin_chunk(struct kafka_rows *r, struct err *err)
{
    r->chunk = vec_chunk_new(&r->columns);
    r->rows = 0;
    if (!r->chunk)
        return err_set(err, ERR_NOMEM, "rows of %s", r->config->topic);
    row_decode_begin(r->config->value, r->chunk);
    if (r->config->key)
        row_decode_begin(r->config->key, r->chunk);
    return 0;
}

static int end_chunk(struct kafka_rows *r, struct err *err)
{
    int rc = 0;

    if (!r->chunk)
        return 0;
    row_decode_end(r->config->value);
    if (r->config->key)
        row_decode_end(r->config->key);
    duckdb_data_chunk_set_size(r->chunk, r->rows);
    if (r->rows)
        rc = vec_batch_add(r->out, r->chunk);
    if (rc || !r->rows)
        duckdb_destroy_data_chunk(&r->chunk);
    r->chunk = NULL;
    return rc ? err_set(err, rc, "rows of %s", r->config->topic) : 0;
}

static int reject_record(struct kafka_rows *r, const struct kafka_origin *at,
                         const struct record *record, const struct json_fault *fault,
                         struct err *err)
{
    struct stream_reject reject = {.reason = fault->reason,
                                   .column = fault->path[0] ? fault->path : NULL,
                                   .topic = at->topic,
                                   .partition = at->partition,
                                   .offset = record->offset,
                                   .timestamp_ms = record->timestamp,
                                   .key = record->key,
                                   .value = record->value};

    if (fault->fatal)
        return err_set(err, ERR_CORRUPT, "%s[%d] offset %" PRId64 ", column %s: %s", at->topic,
                       (int)at->partition, record->offset, fault->path, fault->reason);
    if (r->config->ignore_parse_errors)
        return 0;
    return r->reject(r->arg, &reject, err);
}

/* ---- rows ---- */

/* The key's columns of a row whose others are filled. */
static int decode_key(struct kafka_rows *r, const struct record *record, idx_t row,
                      struct json_fault *fault)
{
    struct kafka_source_config *config = r->config;
    enum row_kind kind;
    size_t rows = 0;
    int rc;

    if (!record->key.ptr)
        rc = row_decode_json(config->key, SLICE_LIT("{}"), row, fault);
    else
        rc = row_decode_message(config->key, record->key, &rows, fault);
    if (!rc && rows)
        rc = row_decode(config->key, 0, row, &kind, fault);
    if (rc || record->value.ptr)
        return rc;
    /* The value's reader has set them to NULL; this one does not know. */
    for (size_t i = 0; i < config->key_column_count && record->key.ptr; i++) {
        uint64_t *validity = duckdb_vector_get_validity(
            duckdb_data_chunk_get_vector(r->chunk, config->key_columns[i]));

        if (validity)
            duckdb_validity_set_row_valid(validity, row);
    }
    return 0;
}

/* Row `nth` of a record into the chunk, behind those that are in it. */
static int decode_row(struct kafka_rows *r, const struct record *record, size_t nth, idx_t row,
                      struct json_fault *fault)
{
    struct kafka_source_config *config = r->config;
    enum row_kind kind = ROW_DELETE;
    int rc;

    if (record->value.ptr)
        rc = row_decode(config->value, nth, row, &kind, fault);
    else
        rc = row_decode_json(config->value, buf_slice(&config->no_value), row, fault);
    if (!rc && config->key && (record->value.ptr == NULL || !config->upsert || config->key_apart))
        rc = decode_key(r, record, row, fault);
    if (rc || !config->changes)
        return rc;
    if (config->upsert && kind == ROW_INSERT)
        kind = ROW_UPDATE_AFTER;
    ((uint8_t *)duckdb_vector_get_data(
        duckdb_data_chunk_get_vector(r->chunk, r->columns.count - 1)))[row] = (uint8_t)kind;
    return 0;
}

static int fill_rows(struct kafka_rows *r, const struct kafka_origin *at,
                     const struct record *record, size_t rows, struct json_fault *fault,
                     struct err *err)
{
    int rc = 0;

    if (r->chunk && r->rows + rows > duckdb_vector_size()) /* a record's rows come or go as one */
        rc = end_chunk(r, err);
    if (!rc && !r->chunk)
        rc = begin_chunk(r, err);
    for (size_t i = 0; i < rows && !rc; i++) {
        rc = decode_row(r, record, i, r->rows + i, fault);
        if (rc == ERR_INVALID)
            return rc;
        if (!rc)
            rc = kafka_metadata_fill(r->config, r->chunk, r->rows + i, at, record);
        if (rc)
            err_set(err, rc, "rows of %s", r->config->topic);
    }
    return rc;
}

/* Where so many more rows come from is noted: as much as polls need, since most topics are slow. */
static int origins_grow(struct kafka_rows *r, size_t rows, struct err *err)
{
    size_t cap = r->origin_cap ? r->origin_cap : 64;
    struct kafka_row_origin *more;

    if (r->count + rows <= r->origin_cap)
        return 0;
    while (cap < r->count + rows)
        cap *= 2;
    more = realloc(r->origins, cap * sizeof(*more));
    if (!more)
        return err_set(err, ERR_NOMEM, "rows of %s", r->config->topic);
    r->origins = more;
    r->origin_cap = cap;
    return 0;
}

int kafka_rows_add(struct kafka_rows *r, const struct kafka_origin *at, const struct record *record,
                   struct err *err)
{
    struct json_fault fault = {0};
    size_t rows = 1;
    int rc = 0;

    if (!record->value.ptr && !r->config->upsert)
        return 0; /* a tombstone says nothing to other tables, as in Flink */
    if (r->team) {
        r->count++;
        return kafka_slices_note(r->slices, at, record, err);
    }
    if (record->value.ptr)
        rc = row_decode_message(r->config->value, record->value, &rows, &fault);
    if (!rc)
        rc = fill_rows(r, at, record, rows, &fault, err);
    if (rc == ERR_INVALID && fault.reason[0])
        return reject_record(r, at, record, &fault, err);
    if (rc)
        return err && err->code == rc ? rc : err_set(err, rc, "rows of %s", r->config->topic);
    rc = origins_grow(r, rows, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < rows; i++)
        r->origins[r->count++] =
            (struct kafka_row_origin){at->topic,         at->partition, record->offset,
                                      record->timestamp, record->key,   record->value};
    r->rows += rows;
    return r->rows == duckdb_vector_size() ? end_chunk(r, err) : 0;
}

int kafka_rows_end(struct kafka_rows *r, struct err *err)
{
    return r->team ? kafka_slices_decode(r->slices, r->team, r, err) : end_chunk(r, err);
}

/* ---- */

void kafka_rows_begin(struct kafka_rows *r, struct vec_batch *out, stream_reject_fn *reject,
                      void *arg)
{
    r->out = out;
    r->reject = reject;
    r->arg = arg;
    r->count = 0;
    if (r->team)
        kafka_slices_begin(r->slices);
}

void kafka_rows_share(struct kafka_rows *r, struct team *team)
{
    if (!r->slices)
        return;
    r->team = team;
    r->max = KAFKA_ROWS_MAX * kafka_slices_count(r->slices);
}

int kafka_rows_take_origins(struct kafka_rows *r, const struct kafka_rows *from, struct err *err)
{
    int rc = origins_grow(r, from->count, err);

    if (!rc && from->count)
        memcpy(r->origins + r->count, from->origins, from->count * sizeof(*r->origins));
    if (!rc)
        r->count += from->count;
    return rc;
}

int kafka_rows_origin(const struct kafka_rows *r, int64_t row, struct stream_reject *out,
                      struct err *err)
{
    const struct kafka_row_origin *o;

    if (row < 0 || (size_t)row >= r->count)
        return err_set(err, ERR_RANGE, "%s: row %" PRId64 " of a poll of %zu", r->config->topic,
                       row, r->count);
    o = &r->origins[row];
    *out = (struct stream_reject){.topic = o->topic,
                                  .partition = o->partition,
                                  .offset = o->offset,
                                  .timestamp_ms = o->timestamp_ms,
                                  .key = o->key,
                                  .value = o->value};
    return 0;
}

int kafka_rows_init(struct kafka_rows *r, struct kafka_source_config *config,
                    const struct kafka_source_options *options, struct err *err)
{
    int rc;

    *r = (struct kafka_rows){.config = config, .max = KAFKA_ROWS_MAX};
    rc = kafka_source_columns(config, options, &r->columns, err);
    return rc || options->threads < 2 ? rc : kafka_slices_new(&r->slices, options, err);
}

void kafka_rows_rest(struct kafka_rows *r)
{
    free(r->origins);
    r->origins = NULL;
    r->origin_cap = r->count = 0;
}

void kafka_rows_deinit(struct kafka_rows *r)
{
    if (r->chunk)
        duckdb_destroy_data_chunk(&r->chunk);
    kafka_slices_free(r->slices);
    vec_columns_free(&r->columns);
    free(r->origins);
    *r = (struct kafka_rows){0};
}
