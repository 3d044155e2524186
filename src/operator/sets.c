/* sets.c - INTERSECT and EXCEPT, of ALL rows or of DISTINCT ones, over rows that may be taken back:
 * how often a row is on either side says how often it comes out. NULL is like NULL. */
#include "operator/rows_out.h"

struct sets {
    struct op op;
    struct op_sets_spec spec;
    int kind_column[2];
    int8_t *signs;
    struct vec_codec *codec[2];
    struct vec_rows rows;
    struct rows_out out;
    struct state_table *counts; /* (row) -> times[2] */
};

static int64_t times_out(const struct sets *s, const int64_t times[2])
{
    int64_t left = times[0], right = times[1];

    if (!s->spec.all)
        return left > 0 && (right > 0) != s->spec.except;
    if (s->spec.except)
        return left > right ? left - right : 0;
    return left < right ? left : right;
}

static int sets_row(struct sets *s, int side, idx_t i, struct err *err)
{
    struct state_key key = {.key = vec_row(&s->rows, i)};
    int64_t *times, before, after;
    void *value;
    bool fresh;
    int rc = state_edit(s->counts, &key, 2 * sizeof(*times), &value, &fresh, err);

    if (rc)
        return rc;
    times = value;
    before = times_out(s, times);
    times[side] += s->signs[i];
    after = times_out(s, times);
    if (after != before)
        rc = rows_out_put(&s->out, key.key, slice_of(NULL, 0),
                          after > before ? OP_INSERT : OP_DELETE, 0, err);
    if (!rc && !times[0] && !times[1])
        rc = state_drop(s->counts, &key, err);
    return rc;
}

static int sets_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct sets *s = (struct sets *)op;
    int rc = 0;

    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = vec_rows_encode(s->codec[input], rows->chunks[c], &s->rows, err);
        rows_signs(rows->chunks[c], s->kind_column[input], s->signs);
        for (idx_t i = 0; i < s->rows.count && !rc; i++)
            rc = sets_row(s, input, i, err);
        if (!rc)
            rc = rows_out_flush(&s->out, err);
    }
    return rc;
}

static void sets_free(struct op *op)
{
    struct sets *s = (struct sets *)op;

    vec_codec_free(s->codec[0]);
    vec_codec_free(s->codec[1]);
    vec_rows_deinit(&s->rows);
    rows_out_rest(&s->out);
    free(s->signs);
    free(s);
}

static bool sets_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    (void)op, (void)part;
    out->extras[0] = (struct op_view_extra){"times_left", false};
    out->extras[1] = (struct op_view_extra){"times_right", false};
    out->extra_count = 2;
    return table == 0;
}

static int sets_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct sets *s = (struct sets *)op;
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, s->counts, 0);
    while (!rc && state_walk_next(&walk, &row, NULL, &value))
        rc = op_read_row(to, s->codec[0], row, (const int64_t *)(const void *)value.ptr, err);
    return rc;
}

static const struct op_ops sets_ops = {.name = "set operation",
                                       .rows = sets_rows,
                                       .view = sets_view,
                                       .read = sets_read,
                                       .free = sets_free};

int op_sets_new(struct op **out, struct op *left, struct op *right, const struct op_sets_spec *spec,
                struct err *err)
{
    struct sets *s = calloc(1, sizeof(*s));
    size_t count = 0, right_count = 0;
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "a set operation");
    s->spec = *spec;
    s->kind_column[0] = op_kind_column(&left->columns);
    s->kind_column[1] = op_kind_column(&right->columns);
    s->signs = calloc(vec_chunk_rows(), 1);
    rc = s->signs ? 0 : err_set(err, ERR_NOMEM, "a set operation");
    if (!rc)
        rc = rows_codec(&s->codec[0], &left->columns, &count, err);
    if (!rc)
        rc = rows_codec(&s->codec[1], &right->columns, &right_count, err);
    for (size_t i = 0; !rc && i < count; i++)
        if (count != right_count ||
            !rows_same_type(left->columns.list[i].type, right->columns.list[i].type))
            rc =
                err_set(err, ERR_INVALID, "the sides of a set operation are not of the same types");
    if (!rc)
        rc = rows_columns(&s->op.columns, &left->columns, err);
    if (!rc)
        rc = rows_add_kind(&s->op.columns, err);
    if (!rc)
        rows_out_init(&s->out, &s->op, s->codec[0], count, NULL, false);
    if (!rc)
        rc = op_add(&s->op, left->graph, (struct op *[]){left, right}, 2, &sets_ops, err);
    if (rc) {
        vec_columns_free(&s->op.columns);
        sets_free(&s->op);
        return rc;
    }
    *out = &s->op;
    return op_table(*out, "counts", false, &s->counts, err);
}
