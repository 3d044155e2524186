/* over_special.c - calls of OVER that number rows or look back: ROW_NUMBER, RANK, DENSE_RANK, LAG.
 * They go by the rows of the partition that came before, whatever the frame is.
 */
#include <stdio.h>

#include "operator/over.h"

bool over_is_special(enum op_aggregate what)
{
    return what >= OP_ROW_NUMBER;
}

static int lag_init(struct over_special *special, const struct vec_columns *args,
                    struct vec_columns *columns, struct err *err)
{
    const struct op_call *call = &special->spec;
    size_t at = columns->count;
    int rc = 0;

    if (call->arg < 0 || call->number < 0 || call->number > 1000000)
        return err_set(err, ERR_INVALID, "LAG needs a value and an offset from 0 to 1,000,000");
    if (call->arg2 >= 0 && !rows_same_type(args->list[call->arg].type, args->list[call->arg2].type))
        return err_set(err, ERR_INVALID, "LAG: the default is of another type than the value");
    rc = rows_add_column(columns, vec_type_copy(args->list[call->arg].type), err);
    if (!rc)
        rc = vec_codec_new(&special->codec, args, (size_t[]){(size_t)call->arg}, 1, err);
    if (!rc && call->arg2 >= 0)
        rc = vec_codec_new(&special->otherwise, args, (size_t[]){(size_t)call->arg2}, 1, err);
    return rc ? rc : vec_codec_new(&special->result, columns, &at, 1, err);
}

int over_specials_add(struct over_specials *s, const struct op_call *call, size_t column,
                      const struct vec_columns *args, struct err *err)
{
    struct over_special *more = realloc(s->list, (s->count + 1) * sizeof(*more)), *special;

    if (!more)
        return err_set(err, ERR_NOMEM, "OVER");
    s->list = more;
    special = &s->list[s->count++];
    *special = (struct over_special){.spec = *call, .column = column};
    switch (call->what) {
    case OP_ROW_NUMBER:
    case OP_RANK:
    case OP_DENSE_RANK:
        return rows_add_column(&s->columns, duckdb_create_logical_type(DUCKDB_TYPE_BIGINT), err);
    case OP_LAG:
        return lag_init(special, args, &s->columns, err);
    default:
        return err_set(err, ERR_UNSUPPORTED,
                       "%s on a stream: the rows behind are not known yet, as in Flink",
                       call->what == OP_LEAD ? "LEAD" : "NTH_VALUE");
    }
}

void over_specials_deinit(struct over_specials *s)
{
    for (size_t i = 0; i < s->count; i++) {
        vec_codec_free(s->list[i].codec);
        vec_codec_free(s->list[i].otherwise);
        vec_codec_free(s->list[i].result);
        vec_rows_deinit(&s->list[i].seen);
        vec_rows_deinit(&s->list[i].seen_otherwise);
    }
    free(s->list);
    vec_columns_free(&s->columns);
    vec_batch_deinit(&s->out);
    buf_deinit(&s->name);
    buf_deinit(&s->values);
}

int over_specials_read(struct over_specials *s, duckdb_data_chunk args, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->count && !rc; i++) {
        struct over_special *special = &s->list[i];

        if (special->codec)
            rc = vec_rows_encode(special->codec, args, &special->seen, err);
        if (!rc && special->otherwise)
            rc = vec_rows_encode(special->otherwise, args, &special->seen_otherwise, err);
    }
    return rc;
}

/* ---- LAG: under (number of the call, partition) the last values, each with its length ---- */

static int name_lag(struct over_specials *s, size_t i, struct slice key, struct err *err)
{
    buf_clear(&s->name);
    return buf_append_u8(&s->name, (uint8_t)i) || buf_append_slice(&s->name, key)
               ? err_set(err, ERR_NOMEM, "OVER")
               : 0;
}

static uint32_t len_at(const uint8_t *at)
{
    uint32_t len;

    memcpy(&len, at, sizeof(len));
    return len;
}

/* s->values becomes what was kept and the value; *oldest is the one `number` rows back, if there
 * are as many, and leaves. The first 8 bytes count. */
static int push_value(struct over_specials *s, const struct state_key *key, struct slice value,
                      int64_t number, struct buf *oldest, bool *found, struct err *err)
{
    uint32_t len = 0, value_len = (uint32_t)value.len;
    const uint8_t *kept = state_look(s->lags, key, &len);
    struct slice rest = slice_of(NULL, 0);
    int64_t count = 0;

    *found = false;
    if (kept && len >= sizeof(count)) {
        memcpy(&count, kept, sizeof(count));
        rest = slice_of(kept + sizeof(count), len - sizeof(count));
    }
    if (count == number) {
        uint32_t first = len_at(rest.ptr);

        *found = true;
        buf_clear(oldest);
        if (buf_append(oldest, rest.ptr + 4, first))
            return err_set(err, ERR_NOMEM, "LAG");
        rest = slice_of(rest.ptr + 4 + first, rest.len - 4 - first);
    } else {
        count++;
    }
    buf_clear(&s->values);
    if (buf_append(&s->values, &count, sizeof(count)) || buf_append_slice(&s->values, rest) ||
        buf_append(&s->values, &value_len, sizeof(value_len)) ||
        buf_append_slice(&s->values, value))
        return err_set(err, ERR_NOMEM, "LAG");
    return state_put(s->lags, key, buf_slice(&s->values), err);
}

static int put_lag(struct over_specials *s, size_t i, const struct over_row *row, idx_t at,
                   duckdb_data_chunk chunk, idx_t to, struct err *err)
{
    struct over_special *special = &s->list[i];
    struct slice value = vec_row(&special->seen, at);
    struct buf oldest = {0};
    bool found = true;
    int rc = 0;

    if (special->spec.number > 0) {
        rc = name_lag(s, i, row->key, err);
        if (!rc)
            rc = push_value(s, &(struct state_key){.key = buf_slice(&s->name)}, value,
                            special->spec.number, &oldest, &found, err);
        value = buf_slice(&oldest);
    }
    if (!rc && !found && special->otherwise)
        value = vec_row(&special->seen_otherwise, at);
    if (!rc && !found && !special->otherwise)
        vec_set_null(duckdb_data_chunk_get_vector(chunk, (idx_t)i), to);
    else if (!rc)
        rc = vec_row_decode(special->result, value, chunk, (idx_t)i, to, err);
    buf_deinit(&oldest);
    return rc;
}

static duckdb_data_chunk out_row(struct over_specials *s, idx_t *row)
{
    duckdb_data_chunk chunk = s->out.count ? s->out.chunks[s->out.count - 1] : NULL;

    *row = chunk ? duckdb_data_chunk_get_size(chunk) : 0;
    if (!chunk || *row == vec_chunk_rows()) {
        chunk = vec_chunk_new(&s->columns);
        if (!chunk || vec_batch_add(&s->out, chunk)) {
            duckdb_destroy_data_chunk(&chunk);
            return NULL;
        }
        *row = 0;
    }
    duckdb_data_chunk_set_size(chunk, *row + 1);
    return chunk;
}

int over_specials_put(struct over_specials *s, const struct over_row *row, idx_t at,
                      struct err *err)
{
    duckdb_data_chunk chunk;
    idx_t to;
    int rc = 0;

    if (!s->count)
        return 0;
    chunk = out_row(s, &to);
    if (!chunk)
        return err_set(err, ERR_NOMEM, "OVER");
    for (size_t i = 0; i < s->count && !rc; i++) {
        const struct over_part *part = row->part;
        enum op_aggregate what = s->list[i].spec.what;

        if (what == OP_LAG) {
            rc = put_lag(s, i, row, at, chunk, to, err);
            continue;
        }
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)i)))[to] =
            what == OP_ROW_NUMBER ? part->rows
            : what == OP_RANK     ? part->rank
                                  : part->dense;
    }
    return rc;
}

int over_specials_drop(struct over_specials *s, struct slice key, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; s->lags && i < s->count && !rc; i++) {
        rc = name_lag(s, i, key, err);
        if (!rc)
            rc = state_drop(s->lags, &(struct state_key){.key = buf_slice(&s->name)}, err);
    }
    return rc;
}
