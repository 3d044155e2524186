/* normalize.c - a stream in which the last row per key counts (upsert-kafka) as whole changes: what
 * a row replaces is taken back as it was.
 *
 * State: (key) -> row. A row like the one that is there gives nothing; a key taken back that is not
 * there gives nothing either.
 */
#include "operator/rows_out.h"

struct normalize {
    struct op op;
    int kind_column;
    int8_t *signs;
    struct vec_codec *key_codec, *codec;
    struct vec_rows keys, rows;
    struct rows_out out;
    struct state_table *last;
    struct arena arena; /* rows that were replaced, until they have left */
};

static int normalize_row(struct normalize *n, idx_t i, struct err *err)
{
    struct state_key key = {.key = vec_row(&n->keys, i)};
    struct slice row = vec_row(&n->rows, i), was = {0};
    uint32_t len = 0;
    int rc = 0;

    was.ptr = state_look(n->last, &key, &len);
    was.len = len;
    if (n->signs[i] < 0 ? !was.ptr : was.ptr && slice_eq(was, row))
        return 0;
    if (was.ptr) {
        was = arena_slice(&n->arena, was);
        if (!was.ptr)
            return err_set(err, ERR_NOMEM, "last rows by key");
        rc = rows_out_put(&n->out, was, slice_of(NULL, 0),
                          n->signs[i] < 0 ? OP_DELETE : OP_UPDATE_BEFORE, 0, err);
    }
    if (n->signs[i] < 0)
        return rc ? rc : state_drop(n->last, &key, err);
    if (!rc)
        rc = rows_out_put(&n->out, row, slice_of(NULL, 0), was.ptr ? OP_UPDATE_AFTER : OP_INSERT, 0,
                          err);
    return rc ? rc : state_put(n->last, &key, row, err);
}

static int normalize_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct normalize *n = (struct normalize *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = vec_rows_encode(n->key_codec, rows->chunks[c], &n->keys, err);
        if (!rc)
            rc = vec_rows_encode(n->codec, rows->chunks[c], &n->rows, err);
        rows_signs(rows->chunks[c], n->kind_column, n->signs);
        for (idx_t i = 0; i < n->rows.count && !rc; i++)
            rc = normalize_row(n, i, err);
        if (!rc)
            rc = rows_out_flush(&n->out, err);
        arena_reset(&n->arena);
    }
    return rc;
}

static void normalize_free(struct op *op)
{
    struct normalize *n = (struct normalize *)op;

    vec_codec_free(n->key_codec);
    vec_codec_free(n->codec);
    vec_rows_deinit(&n->keys);
    vec_rows_deinit(&n->rows);
    rows_out_rest(&n->out);
    arena_deinit(&n->arena);
    free(n->signs);
    free(n);
}

static bool normalize_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    (void)op, (void)out, (void)part;
    return table == 0;
}

static int normalize_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct normalize *n = (struct normalize *)op;
    struct state_walk walk;
    struct slice value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, n->last, 0);
    while (!rc && state_walk_next(&walk, NULL, NULL, &value))
        rc = op_read_row(to, n->codec, value, NULL, err);
    return rc;
}

static const struct op_ops normalize_ops = {.name = "last rows by key",
                                            .rows = normalize_rows,
                                            .view = normalize_view,
                                            .read = normalize_read,
                                            .free = normalize_free};

int op_normalize_new(struct op **out, struct op *below, const struct op_normalize_spec *spec,
                     struct err *err)
{
    struct normalize *n = calloc(1, sizeof(*n));
    size_t count = 0;
    int rc;

    if (!n)
        return err_set(err, ERR_NOMEM, "last rows by key");
    n->kind_column = op_kind_column(&below->columns);
    n->signs = calloc(vec_chunk_rows(), 1);
    rc = n->signs ? 0 : err_set(err, ERR_NOMEM, "last rows by key");
    if (!rc)
        rc = vec_codec_new(&n->key_codec, &below->columns, spec->keys, spec->key_count, err);
    if (!rc)
        rc = rows_codec(&n->codec, &below->columns, &count, err);
    if (!rc)
        rc = rows_columns(&n->op.columns, &below->columns, err);
    if (!rc)
        rc = rows_add_kind(&n->op.columns, err);
    if (!rc)
        rows_out_init(&n->out, &n->op, n->codec, count, NULL, false);
    if (!rc)
        rc = op_add(&n->op, below->graph, &below, 1, &normalize_ops, err);
    if (rc) {
        vec_columns_free(&n->op.columns);
        normalize_free(&n->op);
        return rc;
    }
    *out = &n->op;
    return rows_table(*out, "last", false, spec->ttl_ms, &n->last, err);
}
