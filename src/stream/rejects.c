/* rejects.c - records that could not become rows, gathered in columns until the next cut.
 *
 * Their bytes are kept as they came: a person repairs the cause and `tarn dlq retry` sends them
 * again. Gathering is bounded: a pipeline cuts early when its rejects pass REJECT_BYTES_MAX. */
#include "stream/stream_int.h"

enum reject_column { /* in the order of stream_reject_columns */
                     REJECT_REASON,
                     REJECT_COLUMN,
                     REJECT_TOPIC,
                     REJECT_PARTITION,
                     REJECT_OFFSET,
                     REJECT_RECORD_TIME,
                     REJECT_REJECTED_AT,
                     REJECT_KEY,
                     REJECT_VALUE
};

static const struct {
    const char *name;
    duckdb_type type;
} reject_columns[] = {
    [REJECT_REASON] = {"reason", DUCKDB_TYPE_VARCHAR},
    [REJECT_COLUMN] = {"column", DUCKDB_TYPE_VARCHAR},
    [REJECT_TOPIC] = {"topic", DUCKDB_TYPE_VARCHAR},
    [REJECT_PARTITION] = {"partition", DUCKDB_TYPE_INTEGER},
    [REJECT_OFFSET] = {"offset", DUCKDB_TYPE_BIGINT},
    [REJECT_RECORD_TIME] = {"record_time", DUCKDB_TYPE_TIMESTAMP_TZ},
    [REJECT_REJECTED_AT] = {"rejected_at", DUCKDB_TYPE_TIMESTAMP_TZ},
    [REJECT_KEY] = {"key", DUCKDB_TYPE_BLOB},
    [REJECT_VALUE] = {"value", DUCKDB_TYPE_BLOB},
};

int stream_reject_columns(struct vec_columns *out)
{
    for (size_t i = 0; i < COUNT_OF(reject_columns); i++) {
        int rc = vec_columns_add(out, reject_columns[i].name,
                                 duckdb_create_logical_type(reject_columns[i].type));

        if (rc)
            return rc;
    }
    return 0;
}

int reject_buf_init(struct reject_buf *buf, struct clock *clock)
{
    *buf = (struct reject_buf){.clock = clock};
    return stream_reject_columns(&buf->columns);
}

void reject_buf_deinit(struct reject_buf *buf)
{
    vec_batch_deinit(&buf->batch);
    vec_columns_free(&buf->columns);
}

static void set_bytes(duckdb_data_chunk chunk, idx_t column, idx_t row, struct slice bytes)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);

    if (bytes.ptr) {
        duckdb_vector_assign_string_element_len(vector, row, (const char *)bytes.ptr, bytes.len);
        return;
    }
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static void *cell(duckdb_data_chunk chunk, idx_t column, idx_t row, size_t width)
{
    char *data = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));

    return data + row * width;
}

/* The chunk to add to: the last one while it has room, else a new one. */
static duckdb_data_chunk open_chunk(struct reject_buf *buf)
{
    duckdb_data_chunk chunk;

    if (buf->batch.count) {
        chunk = buf->batch.chunks[buf->batch.count - 1];
        if (duckdb_data_chunk_get_size(chunk) < duckdb_vector_size())
            return chunk;
    }
    chunk = vec_chunk_new(&buf->columns);
    if (chunk && vec_batch_add(&buf->batch, chunk))
        duckdb_destroy_data_chunk(&chunk);
    return chunk;
}

int reject_buf_add(struct reject_buf *buf, const struct stream_reject *reject, struct err *err)
{
    duckdb_data_chunk chunk = open_chunk(buf);
    idx_t row;

    if (!chunk)
        return err_set(err, ERR_NOMEM, "dead letter of %s", reject->topic);
    row = duckdb_data_chunk_get_size(chunk);
    set_bytes(chunk, REJECT_REASON, row, slice_str(reject->reason));
    set_bytes(chunk, REJECT_COLUMN, row, slice_str(reject->column));
    set_bytes(chunk, REJECT_TOPIC, row, slice_str(reject->topic));
    *(int32_t *)cell(chunk, REJECT_PARTITION, row, sizeof(int32_t)) = reject->partition;
    *(int64_t *)cell(chunk, REJECT_OFFSET, row, sizeof(int64_t)) = reject->offset;
    *(int64_t *)cell(chunk, REJECT_RECORD_TIME, row, sizeof(int64_t)) = reject->timestamp_ms * 1000;
    *(int64_t *)cell(chunk, REJECT_REJECTED_AT, row, sizeof(int64_t)) = clock_wall_us(buf->clock);
    set_bytes(chunk, REJECT_KEY, row, reject->key);
    set_bytes(chunk, REJECT_VALUE, row, reject->value);
    duckdb_data_chunk_set_size(chunk, row + 1);
    buf->batch.rows++;
    buf->bytes += (int64_t)(reject->key.len + reject->value.len) + 200;
    return 0;
}
