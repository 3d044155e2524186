/* sort.c - ORDER BY: by time as the watermark passes rows, or of all rows of a
 * bounded input.
 *
 * Rows at or before what the watermark had passed already are late: they are
 * dropped and counted, as are rows without a time.
 */
#include "operator/rows_out.h"

struct sort {
    struct op op;
    int rowtime; /* -1: all rows wait for the end */
    struct order_keys *order_keys;
    struct vec_codec *codec;
    struct vec_rows rows, orders;
    struct rows_out out;
    struct waiting waiting;
    struct state_table *progress;
    int64_t passed;
};

static int sort_chunk(struct sort *s, duckdb_data_chunk chunk, struct err *err)
{
    const int64_t *times = NULL;
    const uint64_t *validity = NULL;
    int rc = vec_rows_encode(s->codec, chunk, &s->rows, err);

    if (!rc)
        rc = order_keys_make(s->order_keys, chunk, &s->orders, err);
    if (s->rowtime >= 0) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)s->rowtime);

        times = duckdb_vector_get_data(vector);
        validity = duckdb_vector_get_validity(vector);
    }
    for (idx_t i = 0; i < s->rows.count && !rc; i++) {
        if (times && (!vec_is_valid(validity, i) || rows_ms(times[i]) <= s->passed))
            rc = op_late(&s->op, 0, chunk, i, err);
        else
            rc = waiting_add(&s->waiting, times ? rows_ms(times[i]) : OP_TIME_MAX,
                             vec_row(&s->orders, i), slice_of(NULL, 0), vec_row(&s->rows, i),
                             OP_INSERT, err);
    }
    return rc;
}

static int sort_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++)
        rc = sort_chunk((struct sort *)op, rows->chunks[c], err);
    return rc;
}

static int sort_mark(struct op *op, int64_t mark, struct err *err)
{
    struct sort *s = (struct sort *)op;
    const struct waiting_row *row;
    int rc;

    if (mark <= s->passed)
        return 0;
    s->passed = mark;
    while (!(rc = waiting_take(&s->waiting, mark, &row, err)) && row && !rc)
        rc = rows_out_put(&s->out, waiting_bytes(row), slice_of(NULL, 0), OP_INSERT, 0, err);
    if (!rc)
        rc = rows_out_flush(&s->out, err);
    if (!rc)
        rc = waiting_release(&s->waiting, err);
    return rc ? rc : rows_save_i64(s->progress, "passed", mark, err);
}

static int sort_load(struct op *op, struct err *err)
{
    struct sort *s = (struct sort *)op;

    s->passed = rows_saved_i64(s->progress, "passed", OP_TIME_MIN);
    return waiting_load(&s->waiting, err);
}

static void sort_free(struct op *op)
{
    struct sort *s = (struct sort *)op;

    order_keys_free(s->order_keys);
    vec_codec_free(s->codec);
    vec_rows_deinit(&s->rows);
    vec_rows_deinit(&s->orders);
    rows_out_rest(&s->out);
    waiting_deinit(&s->waiting);
    free(s);
}

static bool sort_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    (void)op, (void)part;
    out->extras[out->extra_count++] = (struct op_view_extra){"waits_until", true};
    return table == 0;
}

static int sort_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    const struct sort *s = (const struct sort *)op;

    (void)table;
    return waiting_read(&s->waiting, s->codec, false, to, err);
}

static const struct op_ops sort_ops = {.name = "sort",
                                       .rows = sort_rows,
                                       .mark = sort_mark,
                                       .load = sort_load,
                                       .view = sort_view,
                                       .read = sort_read,
                                       .free = sort_free};

int op_sort_new(struct op **out, struct op *below, const struct op_sort_spec *spec, struct err *err)
{
    struct sort *s = calloc(1, sizeof(*s));
    size_t count = 0;
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "ORDER BY");
    s->rowtime = spec->rowtime;
    s->passed = OP_TIME_MIN;
    rc = op_kind_column(&below->columns) < 0
             ? 0
             : err_set(err, ERR_UNSUPPORTED, "ORDER BY over rows that are taken back");
    if (!rc)
        rc = order_keys_new(&s->order_keys, &below->columns, spec->order, spec->order_count, err);
    if (!rc)
        rc = rows_codec(&s->codec, &below->columns, &count, err);
    if (!rc)
        rc = rows_columns(&s->op.columns, &below->columns, err);
    if (!rc)
        rows_out_init(&s->out, &s->op, s->codec, count, NULL, false);
    if (!rc)
        rc = op_add(&s->op, below->graph, &below, 1, &sort_ops, err);
    if (rc) {
        vec_columns_free(&s->op.columns);
        sort_free(&s->op);
        return rc;
    }
    *out = &s->op;
    rc = waiting_open(&s->waiting, *out, "rows", err);
    return rc ? rc : op_table(*out, "progress", false, &s->progress, err);
}
