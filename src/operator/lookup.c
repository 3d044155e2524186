/* lookup.c - rows joined with a table as it is now: all of the table by key in memory, read again
 * when it has changed, which is asked once a batch; or of a table that is asked by keys what it has
 * for those of the batch. Nothing is kept in the job's state: what a row met is in the row that
 * came out, as in Flink.
 */
#include "operator/join.h"

struct lookup {
    struct join join;
    bool left_outer;
    struct op_lookup_table *table;
    bool read;
    struct state *memory;     /* of what was read last */
    struct state_table *rows; /* (key, number) -> row */
};

/* ---- the table ---- */

static int keep_chunk(struct lookup *l, duckdb_data_chunk chunk, int64_t *number, struct err *err)
{
    struct join_side *side = &l->join.side[RIGHT];
    int rc = join_read(&l->join, RIGHT, chunk, err);

    for (idx_t i = 0; i < side->row_bytes.count && !rc; i++, ++*number) {
        struct state_key key = {0, vec_row(&side->key_bytes, i), slice_of(number, sizeof(*number))};

        if (!side->keyless[i])
            rc = state_put(l->rows, &key, vec_row(&side->row_bytes, i), err);
    }
    return rc;
}

/* The last table is there until the new one is whole: a failed read leaves it. `batch`: whose keys
 * are asked for. */
static int read_table(struct lookup *l, const struct vec_batch *batch, struct err *err)
{
    struct state *old = l->memory;
    struct vec_batch rows = {0};
    int64_t number = 0;
    int rc = state_new(&l->memory, &(struct state_options){0}, err);

    if (!rc)
        rc = state_table_open(l->memory,
                              &(struct state_table_options){.name = "table", .grouped = true},
                              &l->rows, err);
    if (!rc)
        rc = l->table->find ? l->table->find(l->table, batch, &rows, err)
                            : l->table->read(l->table, &rows, err);
    for (size_t c = 0; c < rows.count && !rc; c++)
        rc = keep_chunk(l, rows.chunks[c], &number, err);
    vec_batch_deinit(&rows);
    state_free(old);
    l->read = !rc;
    return rc ? err_wrap(err, rc, "a table that is looked up") : 0;
}

static int refresh(struct lookup *l, const struct vec_batch *batch, struct err *err)
{
    bool changed = !l->read || l->table->find;
    int rc = changed ? 0 : l->table->changed(l->table, &changed, err);

    if (rc)
        return err_wrap(err, rc, "a table that is looked up");
    return changed ? read_table(l, batch, err) : 0;
}

/* ---- rows ---- */

static int gather(struct lookup *l, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct join_side *side = &l->join.side[LEFT];
    struct slice own = vec_row(&side->row_bytes, i), value;
    uint32_t kind = rows_kind(chunk, side->kind_column, i);
    struct state_walk walk;
    int rc = 0;

    if (!side->keyless[i]) {
        state_walk_group(&walk, l->rows, 0, vec_row(&side->key_bytes, i));
        while (!rc && state_walk_next(&walk, NULL, NULL, &value))
            rc = pairs_add(&l->join.pairs, LEFT, kind, own, value, (void *)(uintptr_t)value.ptr,
                           err);
    }
    return rc ? rc : pairs_add(&l->join.pairs, LEFT, kind, own, JOIN_NONE, NULL, err);
}

static int deal_with_pairs(struct lookup *l, struct err *err)
{
    struct pairs *pairs = &l->join.pairs;
    bool matched = false;
    int rc = join_look(&l->join, err);

    for (size_t k = 0; k < pairs->count && !rc; k++) {
        enum op_kind kind = (enum op_kind)pairs->list[k].row;

        if (pairs->list[k].other && pairs->yes[k]) {
            matched = true;
            rc = join_put(&l->join, LEFT, pairs->lefts[k], pairs->rights[k], kind, err);
        } else if (!pairs->list[k].other) {
            if (!matched && l->left_outer)
                rc = join_put(&l->join, LEFT, pairs->lefts[k], JOIN_NONE, kind, err);
            matched = false;
        }
    }
    pairs->count = 0;
    return rc;
}

static int lookup_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct lookup *l = (struct lookup *)op;
    int rc = refresh(l, rows, err);

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = join_read(&l->join, LEFT, rows->chunks[c], err);
        for (idx_t i = 0; i < l->join.side[LEFT].row_bytes.count && !rc; i++) {
            rc = gather(l, rows->chunks[c], i, err);
            if (!rc && l->join.pairs.count >= vec_chunk_rows())
                rc = deal_with_pairs(l, err);
        }
        if (!rc)
            rc = deal_with_pairs(l, err);
        if (!rc)
            rc = rows_out_flush(&l->join.out, err);
    }
    return rc;
}

static void lookup_free(struct op *op)
{
    struct lookup *l = (struct lookup *)op;

    join_deinit(&l->join);
    state_free(l->memory);
    if (l->table)
        l->table->free(l->table);
    free(l);
}

static const struct op_ops lookup_ops = {
    .name = "lookup join", .rows = lookup_rows, .rest = join_rest, .free = lookup_free};

int op_lookup_new(struct op **out, struct op *below, const struct op_lookup_spec *spec,
                  struct err *err)
{
    struct op_join_spec join = {.kind = spec->left ? OP_LEFT : OP_INNER,
                                .left_keys = spec->left_keys,
                                .right_keys = spec->right_keys,
                                .key_count = spec->key_count,
                                .condition = spec->condition};
    struct lookup *l = calloc(1, sizeof(*l));
    int rc;

    if (!l) {
        spec->table->free(spec->table);
        return err_set(err, ERR_NOMEM, "a lookup join");
    }
    l->table = spec->table;
    l->left_outer = spec->left;
    rc = join_init(&l->join, below->graph, &below->columns, spec->table->columns, &join,
                   op_kind_column(&below->columns) >= 0, err);
    rc = join_add(&l->join, &below, 1, &lookup_ops, rc, err);
    if (!rc)
        *out = &l->join.op;
    return rc;
}
