/* final.c - what is left of changes when the input is over: the rows that were not taken back, each
 * as often as it is there. For bounded runs, whose sinks take rows that stay.
 *
 * State: (row) -> how often.
 */
#include "operator/rows_out.h"

struct final {
    struct op op;
    int kind_column;
    int8_t *signs;
    struct vec_codec *codec;
    struct vec_rows rows;
    struct rows_out out;
    struct state_table *left;
};

static int final_row(struct final *f, idx_t i, struct err *err)
{
    struct state_key key = {.key = vec_row(&f->rows, i)};
    void *value;
    bool fresh;
    int rc = state_edit(f->left, &key, sizeof(int64_t), &value, &fresh, err);

    if (rc)
        return rc;
    *(int64_t *)value += f->signs[i];
    return *(int64_t *)value ? 0 : state_drop(f->left, &key, err);
}

static int final_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct final *f = (struct final *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = vec_rows_encode(f->codec, rows->chunks[c], &f->rows, err);
        rows_signs(rows->chunks[c], f->kind_column, f->signs);
        for (idx_t i = 0; i < f->rows.count && !rc; i++)
            rc = final_row(f, i, err);
    }
    return rc;
}

static int final_mark(struct op *op, int64_t mark, struct err *err)
{
    struct final *f = (struct final *)op;
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    if (mark != OP_TIME_MAX)
        return 0;
    state_walk_space(&walk, f->left, 0);
    while (!rc && state_walk_next(&walk, &row, NULL, &value))
        for (int64_t n = *(const int64_t *)(const void *)value.ptr; n > 0 && !rc; n--)
            rc = rows_out_put(&f->out, row, slice_of(NULL, 0), OP_INSERT, 0, err);
    if (!rc)
        rc = rows_out_flush(&f->out, err);
    return rc ? rc : state_drop_space(f->left, 0, err);
}

static void final_free(struct op *op)
{
    struct final *f = (struct final *)op;

    vec_codec_free(f->codec);
    vec_rows_deinit(&f->rows);
    rows_out_rest(&f->out);
    free(f->signs);
    free(f);
}

static bool final_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    (void)op, (void)part;
    out->extras[out->extra_count++] = (struct op_view_extra){"times", false};
    return table == 0;
}

static int final_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct final *f = (struct final *)op;
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, f->left, 0);
    while (!rc && state_walk_next(&walk, &row, NULL, &value))
        rc = op_read_row(to, f->codec, row, (const int64_t *)(const void *)value.ptr, err);
    return rc;
}

static const struct op_ops final_ops = {.name = "last rows",
                                        .rows = final_rows,
                                        .mark = final_mark,
                                        .view = final_view,
                                        .read = final_read,
                                        .free = final_free};

int op_final_new(struct op **out, struct op *below, struct err *err)
{
    struct final *f = calloc(1, sizeof(*f));
    size_t count = 0;
    int rc;

    if (!f)
        return err_set(err, ERR_NOMEM, "last rows");
    f->kind_column = op_kind_column(&below->columns);
    f->signs = calloc(vec_chunk_rows(), 1);
    rc = f->signs ? 0 : err_set(err, ERR_NOMEM, "last rows");
    if (!rc)
        rc = rows_codec(&f->codec, &below->columns, &count, err);
    if (!rc)
        rc = rows_columns(&f->op.columns, &below->columns, err);
    if (!rc)
        rows_out_init(&f->out, &f->op, f->codec, count, NULL, false);
    if (!rc)
        rc = op_add(&f->op, below->graph, &below, 1, &final_ops, err);
    if (rc) {
        vec_columns_free(&f->op.columns);
        final_free(&f->op);
        return rc;
    }
    *out = &f->op;
    return op_table(*out, "left", false, &f->left, err);
}
