/* rows_out.c - rows kept as bytes, and how they leave: gathered until a chunk is full, then decoded
 * column by column. */
#include <stdio.h>

#include "operator/rows_out.h"

int rows_codec(struct vec_codec **out, const struct vec_columns *columns, size_t *count,
               struct err *err)
{
    size_t *which = calloc(columns->count + 1, sizeof(*which));
    int rc;

    *count = columns->count - (op_kind_column(columns) >= 0);
    if (!which)
        return err_set(err, ERR_NOMEM, "rows of an operator");
    for (size_t i = 0; i < *count; i++)
        which[i] = i;
    rc = vec_codec_new(out, columns, which, *count, err);
    free(which);
    return rc;
}

int rows_add_column(struct vec_columns *to, duckdb_logical_type type, struct err *err)
{
    char name[24];

    snprintf(name, sizeof(name), "c%zu", to->count);
    return vec_columns_add(to, name, type) ? err_set(err, ERR_NOMEM, "columns of an operator") : 0;
}

int rows_columns(struct vec_columns *to, const struct vec_columns *from, struct err *err)
{
    size_t count = from->count - (op_kind_column(from) >= 0);
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = rows_add_column(to, vec_type_copy(from->list[i].type), err);
    return rc;
}

bool rows_same_type(duckdb_logical_type a, duckdb_logical_type b)
{
    duckdb_type type = duckdb_get_type_id(a);

    if (type != duckdb_get_type_id(b))
        return false;
    return type != DUCKDB_TYPE_DECIMAL || (duckdb_decimal_width(a) == duckdb_decimal_width(b) &&
                                           duckdb_decimal_scale(a) == duckdb_decimal_scale(b));
}

int rows_add_kind(struct vec_columns *to, struct err *err)
{
    if (vec_columns_add(to, OP_KIND, duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)))
        return err_set(err, ERR_NOMEM, "columns of an operator");
    return 0;
}

int rows_table(struct op *op, const char *name, bool grouped, int64_t ttl_ms,
               struct state_table **out, struct err *err)
{
    return op_table_open(
        op, &(struct state_table_options){.name = name, .grouped = grouped, .ttl_ms = ttl_ms}, out,
        err);
}

int rows_save_i64(struct state_table *table, const char *name, int64_t value, struct err *err)
{
    void *at;
    bool fresh;
    int rc = state_edit(table, &(struct state_key){.key = slice_str(name)}, sizeof(value), &at,
                        &fresh, err);

    if (!rc)
        memcpy(at, &value, sizeof(value));
    return rc;
}

int64_t rows_saved_i64(struct state_table *table, const char *name, int64_t otherwise)
{
    uint32_t len = 0;
    const void *at = state_look(table, &(struct state_key){.key = slice_str(name)}, &len);
    int64_t value = otherwise;

    if (at && len == sizeof(value))
        memcpy(&value, at, sizeof(value));
    return value;
}

void rows_signs(duckdb_data_chunk chunk, int kind_column, int8_t *out)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds;

    memset(out, 1, rows);
    if (kind_column < 0)
        return;
    kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)kind_column));
    for (idx_t i = 0; i < rows; i++)
        out[i] = kinds[i] == OP_UPDATE_BEFORE || kinds[i] == OP_DELETE ? -1 : 1;
}

/* ---- out ---- */

void rows_out_init(struct rows_out *out, struct op *op, const struct vec_codec *left,
                   size_t left_count, const struct vec_codec *right, bool numbered)
{
    *out = (struct rows_out){.op = op,
                             .left = left,
                             .right = right,
                             .right_at = (idx_t)left_count,
                             .kind_at = op_kind_column(&op->columns),
                             .numbered = numbered};
    out->number_at = op->columns.count - 1 - (out->kind_at >= 0);
}

void rows_out_rest(struct rows_out *out)
{
    free(out->lefts);
    free(out->rights);
    free(out->numbers);
    free(out->kinds);
    out->lefts = out->rights = NULL;
    out->numbers = NULL;
    out->kinds = NULL;
    out->count = 0;
}

static int take_room(struct rows_out *out, struct err *err)
{
    idx_t rows = vec_chunk_rows();

    out->lefts = calloc(rows, sizeof(*out->lefts));
    out->rights = calloc(rows, sizeof(*out->rights));
    out->numbers = calloc(rows, sizeof(*out->numbers));
    out->kinds = calloc(rows, 1);
    if (out->lefts && out->rights && out->numbers && out->kinds)
        return 0;
    rows_out_rest(out);
    return err_set(err, ERR_NOMEM, "rows of an operator");
}

/* `count` of the gathered rows, from `from` on, behind the rows that `chunk` has. */
static int fill(struct rows_out *out, duckdb_data_chunk chunk, idx_t from, idx_t count,
                struct err *err)
{
    idx_t at = duckdb_data_chunk_get_size(chunk);
    int rc = vec_rows_decode(out->left, out->lefts + from, count, chunk, NULL, 0, at, err);

    if (!rc && out->right)
        rc = vec_rows_decode(out->right, out->rights + from, count, chunk, NULL, out->right_at, at,
                             err);
    if (!rc && out->numbered)
        memcpy(
            (int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, out->number_at)) +
                at,
            out->numbers + from, count * sizeof(int64_t));
    if (!rc && out->kind_at >= 0)
        memcpy((uint8_t *)duckdb_vector_get_data(
                   duckdb_data_chunk_get_vector(chunk, (idx_t)out->kind_at)) +
                   at,
               out->kinds + from, count);
    if (!rc) {
        duckdb_data_chunk_set_size(chunk, at + count);
        out->op->out.rows += (int64_t)count;
    }
    return rc;
}

int rows_out_flush(struct rows_out *out, struct err *err)
{
    struct vec_batch *batch = &out->op->out;
    idx_t done = 0;
    int rc = 0;

    while (done < out->count && !rc) {
        duckdb_data_chunk chunk = batch->count ? batch->chunks[batch->count - 1] : NULL;
        idx_t count = out->count - done, room;

        if (!chunk || duckdb_data_chunk_get_size(chunk) == vec_chunk_rows()) {
            chunk = vec_chunk_new(&out->op->columns);
            if (!chunk || vec_batch_add(batch, chunk)) {
                duckdb_destroy_data_chunk(&chunk);
                return err_set(err, ERR_NOMEM, "rows of an operator");
            }
        }
        room = vec_chunk_rows() - duckdb_data_chunk_get_size(chunk);
        count = count < room ? count : room;
        rc = fill(out, chunk, done, count, err);
        done += count;
    }
    out->count = 0;
    return rc;
}

int rows_out_put(struct rows_out *out, struct slice left, struct slice right, enum op_kind kind,
                 int64_t number, struct err *err)
{
    int rc = out->kinds ? 0 : take_room(out, err);

    if (rc)
        return rc;
    out->lefts[out->count] = left;
    out->rights[out->count] = right;
    out->numbers[out->count] = number;
    out->kinds[out->count] = (uint8_t)kind;
    return ++out->count == vec_chunk_rows() ? rows_out_flush(out, err) : 0;
}
