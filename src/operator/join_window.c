/* join_window.c - pairs of rows of the same window: rows wait in the space that
 * is their window's end, and all comes out when the watermark passes it. What
 * has fired is remembered, as window.c does; rows for a window that has fired
 * are late: dropped and counted.
 */
#include "operator/join.h"

struct kept {
    int64_t count;
    uint32_t matched;
    uint32_t keyless; /* meets nothing, and is there for an outer join only */
};

struct windowed {
    struct join join;
    int end_column[2];
    bool by_clock;
    int64_t fired;
    struct state_table *progress;
};

static int window_row(struct windowed *w, int s, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct join_side *side = &w->join.side[s];
    duckdb_vector ends = duckdb_data_chunk_get_vector(chunk, (idx_t)w->end_column[s]);
    struct state_key key = {0, vec_row(&side->key_bytes, i), vec_row(&side->row_bytes, i)};
    struct kept *kept;
    void *value;
    bool fresh;
    int rc;

    if (vec_is_valid(duckdb_vector_get_validity(ends), i))
        key.space = rows_ms(((const int64_t *)duckdb_vector_get_data(ends))[i]);
    if (!vec_is_valid(duckdb_vector_get_validity(ends), i) || key.space - 1 <= w->fired)
        return op_late(&w->join.op, s, chunk, i, err);
    if (side->keyless[i] && !side->outer && !(w->join.kind == OP_ANTI && s == LEFT))
        return 0;
    rc = state_edit(side->rows, &key, sizeof(*kept), &value, &fresh, err);
    if (rc)
        return rc;
    kept = value;
    kept->count++;
    kept->keyless = side->keyless[i];
    return 0;
}

static int window_rows(struct op *op, int s, const struct vec_batch *rows, struct err *err)
{
    struct windowed *w = (struct windowed *)op;
    int rc = 0;

    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = join_read(&w->join, s, rows->chunks[c], err);
        for (idx_t i = 0; i < w->join.side[s].row_bytes.count && !rc; i++)
            rc = window_row(w, s, rows->chunks[c], i, err);
    }
    return rc;
}

/* ---- a window fires ---- */

/* The end of a left row's pairs carries how often the row is there; before it,
 * what it meets. */
static int gather(struct windowed *w, int64_t end, struct slice key, struct slice row,
                  const struct kept *own, struct err *err)
{
    struct pairs *pairs = &w->join.pairs;
    struct state_walk walk;
    struct slice other, value;
    int rc = 0;

    if (!own->keyless) {
        state_walk_group(&walk, w->join.side[RIGHT].rows, end, key);
        while (!rc && state_walk_next(&walk, NULL, &other, &value))
            rc = pairs_add(pairs, LEFT, (uint32_t)own->count, row, other,
                           (void *)(uintptr_t)value.ptr, err);
    }
    return rc ? rc : pairs_add(pairs, LEFT, (uint32_t)own->count, row, JOIN_NONE, NULL, err);
}

static int deal_with_end(struct windowed *w, size_t k, bool matched, struct err *err)
{
    const struct pairs *pairs = &w->join.pairs;
    bool out = w->join.side[LEFT].outer && !matched;

    if (join_one_sided(&w->join))
        out = matched == (w->join.kind == OP_SEMI);
    return out ? join_put_times(&w->join, LEFT, pairs->lefts[k], JOIN_NONE, OP_INSERT,
                                pairs->list[k].row, err)
               : 0;
}

static int deal_with_pairs(struct windowed *w, struct err *err)
{
    struct pairs *pairs = &w->join.pairs;
    bool matched = false;
    int rc = join_look(&w->join, err);

    for (size_t k = 0; k < pairs->count && !rc; k++) {
        struct kept *other = pairs->list[k].other;

        if (!other) {
            rc = deal_with_end(w, k, matched, err);
            matched = false;
        } else if (pairs->yes[k]) {
            matched = true;
            other->matched = 1; /* the space goes at once: nobody needs to know that it changed */
            if (!join_one_sided(&w->join))
                rc = join_put_times(&w->join, LEFT, pairs->lefts[k], pairs->rights[k], OP_INSERT,
                                    pairs->list[k].row * other->count, err);
        }
    }
    pairs->count = 0;
    return rc;
}

static int put_right(struct windowed *w, int64_t end, struct err *err)
{
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    state_walk_space(&walk, w->join.side[RIGHT].rows, end);
    while (!rc && state_walk_next(&walk, NULL, &row, &value)) {
        const struct kept *kept = (const struct kept *)(const void *)value.ptr;

        if (!kept->matched)
            rc = join_put_times(&w->join, RIGHT, row, JOIN_NONE, OP_INSERT, kept->count, err);
    }
    return rc;
}

/* Marks that an earlier life has left in a checkpoint mean nothing. */
static void clear_marks(struct windowed *w, int64_t end)
{
    struct state_walk walk;
    struct slice value;

    state_walk_space(&walk, w->join.side[RIGHT].rows, end);
    while (state_walk_next(&walk, NULL, NULL, &value))
        ((struct kept *)(uintptr_t)value.ptr)->matched = 0;
}

static int fire(struct windowed *w, int64_t end, struct err *err)
{
    struct state_walk walk;
    struct slice key, row, value;
    int rc = 0;

    if (w->join.side[RIGHT].outer)
        clear_marks(w, end);
    state_walk_space(&walk, w->join.side[LEFT].rows, end);
    while (!rc && state_walk_next(&walk, &key, &row, &value)) {
        rc = gather(w, end, key, row, (const struct kept *)(const void *)value.ptr, err);
        if (!rc && w->join.pairs.count >= vec_chunk_rows())
            rc = deal_with_pairs(w, err);
    }
    if (!rc)
        rc = deal_with_pairs(w, err);
    if (!rc && w->join.side[RIGHT].outer)
        rc = put_right(w, end, err);
    if (!rc)
        rc = rows_out_flush(&w->join.out, err);
    if (!rc)
        rc = state_drop_space(w->join.side[LEFT].rows, end, err);
    return rc ? rc : state_drop_space(w->join.side[RIGHT].rows, end, err);
}

static bool first_end(struct windowed *w, int64_t *end)
{
    int64_t left, right;
    bool has_left = state_space_from(w->join.side[LEFT].rows, INT64_MIN, &left);
    bool has_right = state_space_from(w->join.side[RIGHT].rows, INT64_MIN, &right);

    *end = !has_right || (has_left && left < right) ? left : right;
    return has_left || has_right;
}

static int window_until(struct op *op, int64_t mark, struct err *err)
{
    struct windowed *w = (struct windowed *)op;
    int64_t end;
    int rc = 0;

    if (mark <= w->fired)
        return 0;
    while (!rc && first_end(w, &end) && end - 1 <= mark)
        rc = fire(w, end, err);
    w->fired = mark;
    return rc ? rc : rows_save_i64(w->progress, "fired", mark, err);
}

/* Windows of processing time that are open when the input ends are put out too. */
static int window_mark(struct op *op, int64_t mark, struct err *err)
{
    const struct windowed *w = (const struct windowed *)op;

    return w->by_clock && mark != OP_TIME_MAX ? 0 : window_until(op, mark, err);
}

static int window_tick(struct op *op, struct err *err)
{
    const struct windowed *w = (const struct windowed *)op;

    return w->by_clock ? window_until(op, op->graph->now_ms - 1, err) : 0;
}

static int window_load(struct op *op, struct err *err)
{
    struct windowed *w = (struct windowed *)op;

    (void)err;
    w->fired = rows_saved_i64(w->progress, "fired", OP_TIME_MIN);
    return 0;
}

static void window_free(struct op *op)
{
    struct windowed *w = (struct windowed *)op;

    join_deinit(&w->join);
    free(w);
}

static bool window_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    if (!join_view(op, table, out, part))
        return false;
    out->extras[out->extra_count++] = (struct op_view_extra){"waits_until", true};
    return true;
}

static int window_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    const struct join_side *side = &((struct windowed *)op)->join.side[table];

    return op_read_counted(to, side->rows, side->codec, err);
}

static const struct op_ops window_ops = {.name = "window join",
                                         .rows = window_rows,
                                         .mark = window_mark,
                                         .tick = window_tick,
                                         .load = window_load,
                                         .view = window_view,
                                         .read = window_read,
                                         .rest = join_rest,
                                         .free = window_free};

int join_window_new(struct op **out, struct op *left, struct op *right,
                    const struct op_join_spec *spec, struct err *err)
{
    struct windowed *w = calloc(1, sizeof(*w));
    int rc = 0;

    if (!w)
        return err_set(err, ERR_NOMEM, "a join of windows");
    w->end_column[LEFT] = spec->left_end;
    w->end_column[RIGHT] = spec->right_end;
    w->by_clock = spec->by_clock;
    w->fired = OP_TIME_MIN;
    if (op_kind_column(&left->columns) >= 0 || op_kind_column(&right->columns) >= 0)
        rc = err_set(err, ERR_UNSUPPORTED, "a join of windows takes rows that stay, not changes");
    else if (spec->null_aware)
        rc = err_set(err, ERR_UNSUPPORTED, "NOT IN over the rows of a window that may be NULL");
    if (!rc)
        rc = join_init(&w->join, left->graph, &left->columns, &right->columns, spec, false, err);
    rc = join_add(&w->join, (struct op *[]){left, right}, 2, &window_ops, rc, err);
    if (rc)
        return rc;
    *out = &w->join.op;
    rc = op_table(*out, "left", true, &w->join.side[LEFT].rows, err);
    if (!rc)
        rc = op_table(*out, "right", true, &w->join.side[RIGHT].rows, err);
    return rc ? rc : op_table(*out, "progress", false, &w->progress, err);
}
