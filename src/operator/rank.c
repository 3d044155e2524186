/* rank.c - top-N: what its kinds share, and the simplest of them: the first rows that come. */
#include "operator/rank.h"

int rank_init(struct rank *r, struct op *below, const struct op_rank_spec *spec, bool changes,
              struct err *err)
{
    size_t count;
    int rc = 0;

    r->spec = *spec;
    r->keys_of = calloc(spec->key_count + 1, sizeof(*r->keys_of));
    if (!r->keys_of)
        return err_set(err, ERR_NOMEM, "top-N");
    if (spec->key_count)
        memcpy(r->keys_of, spec->keys, spec->key_count * sizeof(*r->keys_of));
    r->newest = spec->by_time && spec->from == 1 && spec->to == 1 && spec->order_count == 1 &&
                spec->order[0].descending;
    r->kind_column = op_kind_column(&below->columns);
    if (spec->from < 1 || spec->to < spec->from)
        return err_set(err, ERR_INVALID, "top-N: rows %" PRId64 " to %" PRId64, spec->from,
                       spec->to);
    rc = vec_codec_new(&r->key_codec, &below->columns, spec->keys, spec->key_count, err);
    if (!rc)
        rc = rows_codec(&r->codec, &below->columns, &count, err);
    if (!rc)
        rc = order_keys_new(&r->order_keys, &below->columns, spec->order, spec->order_count, err);
    if (!rc)
        rc = rows_columns(&r->op.columns, &below->columns, err);
    if (!rc && spec->with_number)
        rc = rows_add_column(&r->op.columns, duckdb_create_logical_type(DUCKDB_TYPE_BIGINT), err);
    if (!rc && changes)
        rc = rows_add_kind(&r->op.columns, err);
    if (!rc)
        rows_out_init(&r->out, &r->op, r->codec, count, NULL, spec->with_number);
    return rc;
}

void rank_rest(struct op *op)
{
    struct rank *r = (struct rank *)op;

    rows_out_rest(&r->out);
    vec_rows_deinit(&r->keys);
    vec_rows_deinit(&r->rows);
    vec_rows_deinit(&r->orders);
}

void rank_deinit(struct rank *r)
{
    free(r->keys_of);
    vec_codec_free(r->key_codec);
    vec_codec_free(r->codec);
    order_keys_free(r->order_keys);
    rank_rest(&r->op);
}

int rank_read(struct rank *r, duckdb_data_chunk chunk, struct err *err)
{
    int rc = vec_rows_encode(r->key_codec, chunk, &r->keys, err);

    if (!rc)
        rc = vec_rows_encode(r->codec, chunk, &r->rows, err);
    return rc ? rc : order_keys_make(r->order_keys, chunk, &r->orders, err);
}

int rank_add(struct rank *r, struct op *below, const struct op_ops *ops, int rc, struct err *err)
{
    if (!rc)
        rc = op_add(&r->op, below->graph, &below, 1, ops, err);
    if (rc) {
        vec_columns_free(&r->op.columns);
        ops->free(&r->op);
    }
    return rc;
}

/* ---- the first rows that come: a count per key ---- */

struct first {
    struct rank rank;
    struct state_table *counts;
};

static int first_row(struct first *f, idx_t i, struct err *err)
{
    struct rank *r = &f->rank;
    struct state_key key = {.key = vec_row(&r->keys, i)};
    uint32_t len;
    const int64_t *seen = state_look(f->counts, &key, &len);
    void *value;
    bool fresh;
    int rc;

    if (seen && len == sizeof(*seen) && *seen >= r->spec.to)
        return 0; /* the common case of a long stream changes nothing */
    rc = state_edit(f->counts, &key, sizeof(int64_t), &value, &fresh, err);
    if (rc)
        return rc;
    ++*(int64_t *)value;
    if (*(int64_t *)value < r->spec.from)
        return 0;
    return rows_out_put(&r->out, vec_row(&r->rows, i), slice_of(NULL, 0), OP_INSERT,
                        *(int64_t *)value, err);
}

static int first_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct first *f = (struct first *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = rank_read(&f->rank, rows->chunks[c], err);
        for (idx_t i = 0; i < f->rank.rows.count && !rc; i++)
            rc = first_row(f, i, err);
        if (!rc)
            rc = rows_out_flush(&f->rank.out, err);
    }
    return rc;
}

static void first_free(struct op *op)
{
    rank_deinit((struct rank *)op);
    free(op);
}

/* The rows themselves are not kept: how many of each key have come, up to the last that counts. */
static bool first_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct rank *r = (const struct rank *)op;

    (void)part;
    out->of = 0;
    out->which = r->keys_of;
    out->count = r->spec.key_count;
    out->extras[out->extra_count++] = (struct op_view_extra){"rows_seen", false};
    return table == 0;
}

static int first_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct first *f = (struct first *)op;
    struct state_walk walk;
    struct slice key, value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, f->counts, 0);
    while (!rc && state_walk_next(&walk, &key, NULL, &value))
        rc = op_read_row(to, f->rank.key_codec, key, (const int64_t *)(const void *)value.ptr, err);
    return rc;
}

static const struct op_ops first_ops = {.name = "first rows",
                                        .rows = first_rows,
                                        .view = first_view,
                                        .read = first_read,
                                        .rest = rank_rest,
                                        .free = first_free};

int rank_first_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                   struct err *err)
{
    struct first *f = calloc(1, sizeof(*f));
    int rc = f ? rank_init(&f->rank, below, spec, spec->with_number, err)
               : err_set(err, ERR_NOMEM, "top-N");

    if (!f)
        return rc;
    rc = rank_add(&f->rank, below, &first_ops, rc, err);
    if (rc)
        return rc;
    *out = &f->rank.op;
    return rows_table(*out, "counts", false, spec->ttl_ms, &f->counts, err);
}

int op_rank_new(struct op **out, struct op *below, const struct op_rank_spec *spec, struct err *err)
{
    bool changes = op_kind_column(&below->columns) >= 0;

    if (changes || (spec->window_end < 0 && spec->order_count && spec->to > RANK_TOP_MAX))
        return rank_changes_new(out, below, spec, err);
    if (!spec->order_count && spec->window_end < 0)
        return rank_first_new(out, below, spec, err);
    return rank_top_new(out, below, spec, err);
}
