/* join_not_in.c - x NOT IN (SELECT y ...): an anti join in which NULL is not known to differ.
 *
 * A left row comes out while the right has no row like it and no NULL; one whose x is NULL only
 * while the right is empty. So three numbers say it: right rows with the key, with NULL, and all.
 */
#include "operator/join.h"

struct not_in {
    struct join join;
    struct state_table *rights; /* (key) -> how many right rows */
    struct state_table *totals;
    int64_t all, nulls; /* right rows */
};

struct numbers {
    int64_t like, nulls, all;
};

static const uint8_t null_key[] = {1}; /* of one column (vec/rows.h) */

static bool is_null(struct slice key)
{
    return key.ptr[0] & 1;
}

static bool comes_out(bool null, const struct numbers *n)
{
    return null ? n->all == 0 : n->like == 0 && n->nulls == 0;
}

static int64_t count_like(struct not_in *j, struct slice key)
{
    uint32_t len;
    const int64_t *count = state_look(j->rights, &(struct state_key){.key = key}, &len);

    return count && len == sizeof(*count) ? *count : 0;
}

/* ---- left rows ---- */

static int left_row(struct not_in *j, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct join_side *side = &j->join.side[LEFT];
    struct state_key key = {0, vec_row(&side->key_bytes, i), vec_row(&side->row_bytes, i)};
    struct numbers n = {count_like(j, key.key), j->nulls, j->all};
    void *value;
    bool fresh;
    int rc = 0;

    if (comes_out(is_null(key.key), &n))
        rc = join_put(&j->join, LEFT, key.sub, JOIN_NONE, rows_kind(chunk, side->kind_column, i),
                      err);
    if (!rc)
        rc = state_edit(side->rows, &key, sizeof(int64_t), &value, &fresh, err);
    if (rc)
        return rc;
    *(int64_t *)value += side->signs[i];
    return *(int64_t *)value > 0 ? 0 : state_drop(side->rows, &key, err);
}

/* ---- right rows: what they change for left rows ---- */

static int put_group(struct not_in *j, struct slice key, enum op_kind kind, struct err *err)
{
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    state_walk_group(&walk, j->join.side[LEFT].rows, 0, key);
    while (!rc && state_walk_next(&walk, NULL, &row, &value))
        rc = join_put_times(&j->join, LEFT, row, JOIN_NONE, kind,
                            *(const int64_t *)(const void *)value.ptr, err);
    return rc;
}

/* The first NULL takes back all that is out; the last one that goes brings it again. */
static int put_all(struct not_in *j, enum op_kind kind, struct err *err)
{
    struct state_walk walk;
    struct slice key, row, value;
    int rc = 0;

    state_walk_space(&walk, j->join.side[LEFT].rows, 0);
    while (!rc && state_walk_next(&walk, &key, &row, &value))
        if (!is_null(key) && !count_like(j, key))
            rc = join_put_times(&j->join, LEFT, row, JOIN_NONE, kind,
                                *(const int64_t *)(const void *)value.ptr, err);
    return rc;
}

static int put_changes(struct not_in *j, struct slice key, const struct numbers *before,
                       const struct numbers *after, struct err *err)
{
    bool null = is_null(key);
    int rc = 0;

    if (comes_out(true, before) != comes_out(true, after))
        rc = put_group(j, slice_of(null_key, sizeof(null_key)),
                       comes_out(true, after) ? OP_INSERT : OP_DELETE, err);
    if (!rc && !null && comes_out(false, before) != comes_out(false, after))
        rc = put_group(j, key, comes_out(false, after) ? OP_INSERT : OP_DELETE, err);
    if (!rc && null && (before->nulls == 0) != (after->nulls == 0))
        rc = put_all(j, after->nulls == 0 ? OP_INSERT : OP_DELETE, err);
    return rc;
}

static int right_row(struct not_in *j, idx_t i, struct err *err)
{
    struct join_side *side = &j->join.side[RIGHT];
    struct state_key key = {.key = vec_row(&side->key_bytes, i)};
    struct numbers before = {0, j->nulls, j->all}, after;
    int64_t *like;
    void *value;
    bool fresh;
    int rc = state_edit(j->rights, &key, sizeof(*like), &value, &fresh, err);

    if (rc)
        return rc;
    like = value;
    before.like = *like;
    if (before.like + side->signs[i] < 0) /* taken back and never given */
        return state_drop(j->rights, &key, err);
    *like += side->signs[i];
    j->all += side->signs[i];
    j->nulls += is_null(key.key) ? side->signs[i] : 0;
    after = (struct numbers){*like, j->nulls, j->all};
    rc = put_changes(j, key.key, &before, &after, err);
    return rc || after.like ? rc : state_drop(j->rights, &key, err);
}

static int not_in_rows(struct op *op, int s, const struct vec_batch *rows, struct err *err)
{
    struct not_in *j = (struct not_in *)op;
    int rc = 0;

    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = join_read(&j->join, s, rows->chunks[c], err);
        for (idx_t i = 0; i < j->join.side[s].row_bytes.count && !rc; i++)
            rc = s == LEFT ? left_row(j, rows->chunks[c], i, err) : right_row(j, i, err);
        if (!rc)
            rc = rows_out_flush(&j->join.out, err);
    }
    if (!rc)
        rc = rows_save_i64(j->totals, "all", j->all, err);
    return rc ? rc : rows_save_i64(j->totals, "nulls", j->nulls, err);
}

static int not_in_load(struct op *op, struct err *err)
{
    struct not_in *j = (struct not_in *)op;

    (void)err;
    j->all = rows_saved_i64(j->totals, "all", 0);
    j->nulls = rows_saved_i64(j->totals, "nulls", 0);
    return 0;
}

static void not_in_free(struct op *op)
{
    join_deinit((struct join *)op);
    free(op);
}

/* Of the right only how many there are of each. */
static bool not_in_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct not_in *j = (const struct not_in *)op;

    if (!join_view(op, table, out, part))
        return false;
    if (table == RIGHT) {
        out->which = j->join.side[RIGHT].keys;
        out->count = j->join.key_count;
    }
    return true;
}

static int not_in_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct not_in *j = (struct not_in *)op;
    const struct join_side *side = &j->join.side[table];
    struct state_walk walk;
    struct slice key, value;
    int rc = 0;

    if (table == LEFT)
        return op_read_counted(to, side->rows, side->codec, err);
    state_walk_space(&walk, j->rights, 0);
    while (!rc && state_walk_next(&walk, &key, NULL, &value))
        rc = op_read_row(to, side->key_codec, key, (const int64_t *)(const void *)value.ptr, err);
    return rc;
}

static const struct op_ops not_in_ops = {.name = "join of NOT IN",
                                         .rows = not_in_rows,
                                         .load = not_in_load,
                                         .view = not_in_view,
                                         .read = not_in_read,
                                         .rest = join_rest,
                                         .free = not_in_free};

int join_not_in_new(struct op **out, struct op *left, struct op *right,
                    const struct op_join_spec *spec, struct err *err)
{
    struct not_in *j = calloc(1, sizeof(*j));
    int rc = j ? 0 : err_set(err, ERR_NOMEM, "a join");

    if (!j)
        return rc;
    if (spec->kind != OP_ANTI || spec->key_count != 1 || spec->condition ||
        (spec->null_safe && spec->null_safe[0]))
        rc =
            err_set(err, ERR_UNSUPPORTED,
                    "NOT IN of several columns, or with a condition, over values that may be NULL: "
                    "say IS NOT NULL of both");
    else if (spec->left_ttl_ms || spec->right_ttl_ms)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "NOT IN over values that may be NULL, with a time to live: say IS NOT NULL of "
                     "both");
    if (!rc)
        rc = join_init(&j->join, left->graph, &left->columns, &right->columns, spec, true, err);
    rc = join_add(&j->join, (struct op *[]){left, right}, 2, &not_in_ops, rc, err);
    if (rc)
        return rc;
    *out = &j->join.op;
    rc = op_table(*out, "left", true, &j->join.side[LEFT].rows, err);
    if (!rc)
        rc = op_table(*out, "right", false, &j->rights, err);
    return rc ? rc : op_table(*out, "totals", false, &j->totals, err);
}
