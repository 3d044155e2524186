/* late.c - rows that came too late for an operator, gathered until the next cut.
 *
 * As dead letters, they are columns of their own, and true with their epoch: a row is in a result
 * or here, once, whatever dies. What the operator saw of the row is kept, as JSON by the names that
 * the script gives its columns. Gathering is bounded: a pipeline cuts early when there is much. */
#include <stdio.h>

#include "stream/stream_int.h"

enum late_column { LATE_PIPELINE, LATE_OPERATOR, LATE_WATERMARK, LATE_AT, LATE_KIND, LATE_ROW };

static const struct {
    const char *name;
    duckdb_type type;
} late_columns[] = {
    [LATE_PIPELINE] = {"pipeline", DUCKDB_TYPE_VARCHAR},
    [LATE_OPERATOR] = {"operator", DUCKDB_TYPE_VARCHAR},
    [LATE_WATERMARK] = {"watermark", DUCKDB_TYPE_TIMESTAMP_TZ},
    [LATE_AT] = {"late_at", DUCKDB_TYPE_TIMESTAMP_TZ},
    [LATE_KIND] = {"row_kind", DUCKDB_TYPE_VARCHAR},
    [LATE_ROW] = {"row", DUCKDB_TYPE_VARCHAR},
};

int stream_late_columns(struct vec_columns *out)
{
    for (size_t i = 0; i < COUNT_OF(late_columns); i++)
        if (vec_columns_add(out, late_columns[i].name,
                            duckdb_create_logical_type(late_columns[i].type)))
            return ERR_NOMEM;
    return 0;
}

int late_buf_init(struct late_buf *buf)
{
    *buf = (struct late_buf){0};
    return stream_late_columns(&buf->columns);
}

void late_buf_deinit(struct late_buf *buf)
{
    for (size_t i = 0; i < buf->writer_count; i++)
        row_encoder_free(buf->writers[i].encoder);
    free(buf->writers);
    buf_deinit(&buf->text);
    vec_batch_deinit(&buf->batch);
    vec_columns_free(&buf->columns);
}

/* ---- a row as JSON ---- */

static const char *no_option(void *arg, const char *key)
{
    (void)arg, (void)key;
    return NULL;
}

static int open_encoder(const struct pipeline *p, const struct op_late_row *late,
                        struct row_encoder **out, struct err *err)
{
    const struct stream_graph *graph = p->spec->graph;
    const struct row_options options = {no_option, NULL};
    size_t count = late->columns->count;
    struct row_encoder_field *fields = calloc(count + 1, sizeof(*fields));
    int rc;

    if (!fields)
        return err_set(err, ERR_NOMEM, "a late row");
    if (count && !strcmp(late->columns->list[count - 1].name, OP_KIND))
        count--;
    for (size_t i = 0; i < count; i++) {
        struct sql_output named = {.name = late->columns->list[i].name};

        if (graph->column)
            (void)graph->column(graph->arg, late->op, late->input, i, &named);
        fields[i] = (struct row_encoder_field){named.name, late->columns->list[i].type, i};
    }
    rc = row_encoder_new(out, "json", fields, count, &options, err);
    free(fields);
    return rc;
}

static int find_writer(struct pipeline *p, const struct op_late_row *late,
                       const struct late_writer **out, struct err *err)
{
    struct late_buf *buf = &p->late;
    struct late_writer *more, *writer;
    int rc;

    for (size_t i = 0; i < buf->writer_count; i++)
        if (buf->writers[i].op == late->op && buf->writers[i].input == late->input) {
            *out = &buf->writers[i];
            return 0;
        }
    more = realloc(buf->writers, (buf->writer_count + 1) * sizeof(*more));
    if (!more)
        return err_set(err, ERR_NOMEM, "a late row");
    buf->writers = more;
    writer = &more[buf->writer_count];
    *writer = (struct late_writer){.op = late->op, .input = late->input};
    snprintf(writer->name, sizeof(writer->name), "%s_%d", late->name, late->op);
    for (char *c = writer->name; *c; c++)
        *c = (char)(*c == ' ' ? '_' : *c);
    rc = open_encoder(p, late, &writer->encoder, err);
    if (rc)
        return rc;
    buf->writer_count++;
    *out = writer;
    return 0;
}

/* ---- rows of the side table ---- */

static duckdb_data_chunk open_chunk(struct late_buf *buf)
{
    duckdb_data_chunk chunk = buf->batch.count ? buf->batch.chunks[buf->batch.count - 1] : NULL;

    if (chunk && duckdb_data_chunk_get_size(chunk) < vec_chunk_rows())
        return chunk;
    chunk = vec_chunk_new(&buf->columns);
    if (chunk && vec_batch_add(&buf->batch, chunk))
        duckdb_destroy_data_chunk(&chunk); /* NULL then */
    return chunk;
}

static void put_text(duckdb_data_chunk chunk, enum late_column column, idx_t row, struct slice text)
{
    duckdb_vector_assign_string_element_len(duckdb_data_chunk_get_vector(chunk, column), row,
                                            (const char *)text.ptr, text.len);
}

static void put_time(duckdb_data_chunk chunk, enum late_column column, idx_t row, int64_t us)
{
    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column)))[row] = us;
}

int late_row(void *pipeline, const struct op_late_row *late, struct err *err)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    struct pipeline *p = pipeline;
    struct late_buf *buf = &p->late;
    const struct late_writer *writer = NULL;
    size_t last = late->columns->count - 1;
    uint8_t kind = OP_INSERT;
    duckdb_data_chunk chunk;
    bool null = false;
    idx_t row;
    int rc = find_writer(p, late, &writer, err);

    if (!strcmp(late->columns->list[last].name, OP_KIND))
        kind = ((const uint8_t *)duckdb_vector_get_data(
            duckdb_data_chunk_get_vector(late->chunk, last)))[late->row];
    buf_clear(&buf->text);
    if (!rc)
        rc =
            row_encode(writer->encoder, late->chunk, late->row, ROW_INSERT, &buf->text, &null, err);
    if (rc)
        return rc;
    chunk = open_chunk(buf);
    if (!chunk)
        return err_set(err, ERR_NOMEM, "a late row");
    row = duckdb_data_chunk_get_size(chunk);
    put_text(chunk, LATE_PIPELINE, row, slice_str(p->spec->name));
    put_text(chunk, LATE_OPERATOR, row, slice_str(writer->name));
    if (late->watermark_ms == OP_TIME_MIN || late->watermark_ms == OP_TIME_MAX)
        vec_set_null(duckdb_data_chunk_get_vector(chunk, LATE_WATERMARK), row);
    else
        put_time(chunk, LATE_WATERMARK, row, late->watermark_ms * 1000);
    put_time(chunk, LATE_AT, row, clock_wall_us(p->job->options->clock));
    put_text(chunk, LATE_KIND, row, slice_str(kinds[kind & 3]));
    put_text(chunk, LATE_ROW, row, buf_slice(&buf->text));
    duckdb_data_chunk_set_size(chunk, row + 1);
    buf->batch.rows++;
    buf->bytes += (int64_t)buf->text.len + 100;
    return 0;
}
