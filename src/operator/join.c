/* join.c - what all kinds of joins are made of. */
#include "operator/join.h"

static int init_side(struct join_side *side, const struct vec_columns *columns, const size_t *keys,
                     size_t key_count, struct err *err)
{
    idx_t rows = vec_chunk_rows();
    int rc;

    side->kind_column = op_kind_column(columns);
    side->keys = calloc(key_count + 1, sizeof(*side->keys));
    side->signs = calloc(rows, 1);
    side->keyless = calloc(rows, sizeof(*side->keyless));
    if (!side->keys || !side->signs || !side->keyless)
        return err_set(err, ERR_NOMEM, "a join");
    if (key_count)
        memcpy(side->keys, keys, key_count * sizeof(*keys));
    rc = vec_codec_new(&side->key_codec, columns, keys, key_count, err);
    return rc ? rc : rows_codec(&side->codec, columns, &side->column_count, err);
}

static int check_keys(const struct vec_columns *left, const struct vec_columns *right,
                      const struct op_join_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->key_count; i++) {
        const struct vec_column *l = &left->list[spec->left_keys[i]];
        const struct vec_column *r = &right->list[spec->right_keys[i]];

        if (!rows_same_type(l->type, r->type))
            return err_set(err, ERR_INVALID, "a join's keys `%s` and `%s` are of different types",
                           l->name, r->name);
    }
    return 0;
}

/* FALSE and TRUE as rows of one column: what a MARK join puts where others put the right's row. */
static int init_marks(struct join *j, struct err *err)
{
    struct vec_columns columns = {0};
    duckdb_data_chunk chunk = NULL;
    int rc = rows_add_column(&columns, duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN), err);

    if (!rc)
        rc = vec_codec_new(&j->mark_codec, &columns, (size_t[]){0}, 1, err);
    if (!rc && !(chunk = vec_chunk_new(&columns)))
        rc = err_set(err, ERR_NOMEM, "a join");
    if (!rc) {
        bool *values = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

        values[0] = false;
        values[1] = true;
        duckdb_data_chunk_set_size(chunk, 2);
        rc = vec_rows_encode(j->mark_codec, chunk, &j->marks, err);
    }
    duckdb_destroy_data_chunk(&chunk);
    vec_columns_free(&columns);
    return rc;
}

int join_init(struct join *j, struct op_graph *graph, const struct vec_columns *left,
              const struct vec_columns *right, const struct op_join_spec *spec, bool changes,
              struct err *err)
{
    bool one_side = spec->kind >= OP_SEMI, marks = spec->kind == OP_MARK;
    int rc = check_keys(left, right, spec, err);

    j->kind = spec->kind;
    j->key_count = spec->key_count;
    j->ttl_ms[LEFT] = spec->left_ttl_ms;
    j->ttl_ms[RIGHT] = spec->right_ttl_ms;
    j->side[LEFT].outer = spec->kind == OP_LEFT || spec->kind == OP_FULL;
    j->side[RIGHT].outer = spec->kind == OP_RIGHT || spec->kind == OP_FULL;
    j->null_safe = calloc(spec->key_count + 1, sizeof(*j->null_safe));
    if (!rc && !j->null_safe)
        rc = err_set(err, ERR_NOMEM, "a join");
    for (size_t i = 0; !rc && spec->null_safe && i < spec->key_count; i++)
        j->null_safe[i] = spec->null_safe[i];
    if (!rc)
        rc = init_side(&j->side[LEFT], left, spec->left_keys, spec->key_count, err);
    if (!rc)
        rc = init_side(&j->side[RIGHT], right, spec->right_keys, spec->key_count, err);
    if (!rc)
        rc = condition_init(&j->condition, graph, spec->condition, left, right, err);
    if (!rc)
        rc = rows_columns(&j->op.columns, left, err);
    if (!rc && !one_side)
        rc = rows_columns(&j->op.columns, right, err);
    if (!rc && marks)
        rc = rows_add_column(&j->op.columns, duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN), err);
    if (!rc && marks)
        rc = init_marks(j, err);
    if (!rc && changes)
        rc = rows_add_kind(&j->op.columns, err);
    if (!rc)
        rows_out_init(&j->out, &j->op, j->side[LEFT].codec, j->side[LEFT].column_count,
                      marks      ? j->mark_codec
                      : one_side ? NULL
                                 : j->side[RIGHT].codec,
                      false);
    return rc;
}

void join_rest(struct op *op)
{
    struct join *j = (struct join *)op;

    for (int s = LEFT; s <= RIGHT; s++) {
        vec_rows_deinit(&j->side[s].key_bytes);
        vec_rows_deinit(&j->side[s].row_bytes);
    }
    rows_out_rest(&j->out);
    pairs_deinit(&j->pairs);
}

void join_deinit(struct join *j)
{
    for (int s = LEFT; s <= RIGHT; s++) {
        struct join_side *side = &j->side[s];

        vec_codec_free(side->key_codec);
        vec_codec_free(side->codec);
        free(side->keys);
        free(side->signs);
        free(side->keyless);
        vec_rows_deinit(&side->key_bytes);
        vec_rows_deinit(&side->row_bytes);
    }
    rows_out_rest(&j->out);
    condition_deinit(&j->condition);
    pairs_deinit(&j->pairs);
    vec_codec_free(j->mark_codec);
    vec_rows_deinit(&j->marks);
    free(j->null_safe);
}

int join_add(struct join *j, struct op *const *below, int count, const struct op_ops *ops, int rc,
             struct err *err)
{
    if (!rc)
        rc = op_add(&j->op, below[0]->graph, below, count, ops, err);
    if (rc) {
        vec_columns_free(&j->op.columns);
        ops->free(&j->op);
    }
    return rc;
}

static void find_keyless(const struct join *j, struct join_side *side, duckdb_data_chunk chunk)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);

    memset(side->keyless, 0, rows);
    for (size_t k = 0; k < j->key_count; k++) {
        const uint64_t *validity =
            duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, (idx_t)side->keys[k]));

        for (idx_t i = 0; validity && !j->null_safe[k] && i < rows; i++)
            side->keyless[i] |= !vec_is_valid(validity, i);
    }
}

int join_read(struct join *j, int s, duckdb_data_chunk chunk, struct err *err)
{
    struct join_side *side = &j->side[s];
    int rc = vec_rows_encode(side->key_codec, chunk, &side->key_bytes, err);

    if (!rc)
        rc = vec_rows_encode(side->codec, chunk, &side->row_bytes, err);
    rows_signs(chunk, side->kind_column, side->signs);
    find_keyless(j, side, chunk);
    return rc;
}

bool join_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    static const char *const parts[] = {"left", "right"};

    (void)op;
    if (table > RIGHT)
        return false;
    *part = parts[table];
    out->of = table;
    out->extras[out->extra_count++] = (struct op_view_extra){"times", false};
    return true;
}

int op_join_new(struct op **out, struct op *left, struct op *right, const struct op_join_spec *spec,
                struct err *err)
{
    if (spec->kind == OP_MARK && spec->time != OP_REGULAR)
        return err_set(err, ERR_INVALID, "a join by time marks no rows");
    switch (spec->time) {
    case OP_REGULAR:
        return spec->null_aware ? join_not_in_new(out, left, right, spec, err)
                                : join_regular_new(out, left, right, spec, err);
    case OP_INTERVAL:
        return join_interval_new(out, left, right, spec, err);
    case OP_TEMPORAL:
        return join_temporal_new(out, left, right, spec, err);
    case OP_WINDOWED:
        return join_window_new(out, left, right, spec, err);
    }
    return err_set(err, ERR_INVALID, "a join of no kind");
}
