/* join_interval.c - pairs whose times are within bounds of each other: right
 * time in [left time + low, left time + high].
 *
 * A side is a grouped table whose spaces are spans of time, a quarter of the
 * interval long: a row looks only into the spans that its bounds touch, and a
 * span goes as a whole when the watermark says that nothing can meet it any
 * more. What an outer join has then left without a match comes out, as do the
 * rows of an anti join. A row is kept as (key, time and row) -> how often,
 * matched.
 *
 * Rows come out behind the watermark by as much as they may have waited, so the
 * watermark that goes up is held back by that. A late row meets what is still
 * there, as in Flink.
 */
#include "operator/join.h"

struct kept {
    int64_t count;
    int64_t matched;
};

struct interval {
    struct join join;
    struct join_times times; /* columns -1: the graph's clock */
    int64_t passed;          /* watermark, or the clock */
    struct buf sub;          /* of the row at hand: time, row */
};

static bool tracks(const struct interval *v, int s)
{
    return v->join.side[s].outer || (s == LEFT && join_one_sided(&v->join));
}

static int64_t sub_ms(struct slice sub)
{
    int64_t ms;

    memcpy(&ms, sub.ptr, sizeof(ms));
    return ms;
}

static struct slice sub_row(struct slice sub)
{
    return slice_of(sub.ptr + sizeof(int64_t), sub.len - sizeof(int64_t));
}

/* ---- a row and what it meets ---- */

static int gather(struct interval *v, int s, idx_t i, struct err *err)
{
    struct join_side *side = &v->join.side[s], *other = &v->join.side[!s];
    struct slice key = vec_row(&side->key_bytes, i), row = vec_row(&side->row_bytes, i), sub, value;
    int64_t from, to, span;
    int rc = 0;

    join_bounds(&v->times, s, v->times.ms[i], &from, &to);
    span = join_span(&v->times, from);
    while (!rc && state_space_from(other->rows, span, &span) && span <= join_span(&v->times, to)) {
        struct state_walk walk;

        state_walk_group(&walk, other->rows, span, key);
        while (!rc && state_walk_next(&walk, NULL, &sub, &value))
            if (sub_ms(sub) >= from && sub_ms(sub) <= to)
                rc = pairs_add(&v->join.pairs, s, (uint32_t)i, row, sub_row(sub),
                               (void *)(uintptr_t)value.ptr, err);
        span++;
    }
    return rc ? rc : pairs_add(&v->join.pairs, s, (uint32_t)i, row, JOIN_NONE, NULL, err);
}

static int store(struct interval *v, int s, idx_t i, bool matched, struct err *err)
{
    struct join_side *side = &v->join.side[s];
    struct state_key key = {
        join_span(&v->times, v->times.ms[i]), vec_row(&side->key_bytes, i), {0}};
    struct kept *kept;
    void *value;
    bool fresh;
    int rc;

    buf_clear(&v->sub);
    if (buf_append(&v->sub, &v->times.ms[i], sizeof(int64_t)) ||
        buf_append_slice(&v->sub, vec_row(&side->row_bytes, i)))
        return err_set(err, ERR_NOMEM, "a join of an interval");
    key.sub = buf_slice(&v->sub);
    rc = state_edit(side->rows, &key, sizeof(*kept), &value, &fresh, err);
    if (rc)
        return rc;
    kept = value;
    kept->count++;
    kept->matched = matched;
    return 0;
}

/* The other row of pair k has found its first match. */
static int set_matched(struct interval *v, int s, size_t k, struct err *err)
{
    struct join_side *side = &v->join.side[s], *other = &v->join.side[!s];
    const struct pairs *pairs = &v->join.pairs;
    struct slice row = s == LEFT ? pairs->rights[k] : pairs->lefts[k];
    struct slice sub = slice_of(row.ptr - sizeof(int64_t), row.len + sizeof(int64_t));
    struct state_key key = {join_span(&v->times, sub_ms(sub)),
                            vec_row(&side->key_bytes, pairs->list[k].row), sub};
    void *value;
    bool fresh;
    int rc = state_edit(other->rows, &key, sizeof(struct kept), &value, &fresh, err);

    if (!rc)
        ((struct kept *)value)->matched = 1;
    return rc;
}

static int deal_with_pair(struct interval *v, int s, size_t k, struct err *err)
{
    const struct pairs *pairs = &v->join.pairs;
    struct kept *other = pairs->list[k].other;
    bool first = !other->matched;
    int rc = 0;

    if (join_one_sided(&v->join)) {
        if (s == RIGHT && first && v->join.kind == OP_SEMI)
            rc = join_put_times(&v->join, LEFT, pairs->lefts[k], JOIN_NONE, OP_INSERT, other->count,
                                err);
    } else {
        rc = join_put_times(&v->join, LEFT, pairs->lefts[k], pairs->rights[k], OP_INSERT,
                            other->count, err);
    }
    return rc || !first || !tracks(v, !s) ? rc : set_matched(v, s, k, err);
}

/* A row that nothing can meet any more is not kept. */
static int deal_with_end(struct interval *v, int s, idx_t i, bool matched, struct err *err)
{
    struct join_side *side = &v->join.side[s];
    enum op_join_kind kind = v->join.kind;
    int64_t from, to;
    int rc = 0;

    join_bounds(&v->times, s, v->times.ms[i], &from, &to);
    if (kind == OP_SEMI && s == LEFT && matched)
        return join_put(&v->join, LEFT, vec_row(&side->row_bytes, i), JOIN_NONE, OP_INSERT, err);
    if (v->passed < to && !(kind == OP_ANTI && s == LEFT && matched))
        return store(v, s, i, matched, err);
    if (!matched && (side->outer || (kind == OP_ANTI && s == LEFT)))
        rc = join_put(&v->join, s, vec_row(&side->row_bytes, i), JOIN_NONE, OP_INSERT, err);
    return rc;
}

static int deal_with_pairs(struct interval *v, int s, struct err *err)
{
    struct pairs *pairs = &v->join.pairs;
    bool matched = false;
    int rc = join_look(&v->join, err);

    for (size_t k = 0; k < pairs->count && !rc; k++) {
        if (!pairs->list[k].other) {
            rc = deal_with_end(v, s, pairs->list[k].row, matched, err);
            matched = false;
        } else if (pairs->yes[k]) {
            matched = true;
            rc = deal_with_pair(v, s, k, err);
        }
    }
    pairs->count = 0;
    return rc;
}

/* ---- rows and time ---- */

/* Times of the chunk's rows; one without a time is as one without a key. */
static void read_times(struct interval *v, int s, duckdb_data_chunk chunk)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);

    if (v->times.column[s] < 0) {
        for (idx_t i = 0; i < rows; i++)
            v->times.ms[i] = v->passed == OP_TIME_MIN ? 0 : v->passed; /* no clock: one time */
        return;
    }
    join_times_read(&v->times, &v->join.side[s], v->times.column[s], chunk);
}

static int interval_row(struct interval *v, int s, idx_t i, struct err *err)
{
    struct join_side *side = &v->join.side[s];
    int rc;

    if (side->keyless[i])
        return side->outer || (v->join.kind == OP_ANTI && s == LEFT)
                   ? join_put(&v->join, s, vec_row(&side->row_bytes, i), JOIN_NONE, OP_INSERT, err)
                   : 0;
    rc = gather(v, s, i, err);
    return rc || v->join.pairs.count < vec_chunk_rows() ? rc : deal_with_pairs(v, s, err);
}

static int interval_rows(struct op *op, int s, const struct vec_batch *rows, struct err *err)
{
    struct interval *v = (struct interval *)op;
    int rc = 0;

    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = join_read(&v->join, s, rows->chunks[c], err);
        read_times(v, s, rows->chunks[c]);
        for (idx_t i = 0; i < v->join.side[s].row_bytes.count && !rc; i++)
            rc = interval_row(v, s, i, err);
        if (!rc)
            rc = deal_with_pairs(v, s, err);
        if (!rc)
            rc = rows_out_flush(&v->join.out, err);
    }
    return rc;
}

static int put_unmatched(struct interval *v, int s, int64_t span, struct err *err)
{
    struct state_walk walk;
    struct slice sub, value;
    int rc = 0;

    state_walk_space(&walk, v->join.side[s].rows, span);
    while (!rc && state_walk_next(&walk, NULL, &sub, &value)) {
        const struct kept *kept = (const struct kept *)(const void *)value.ptr;

        if (!kept->matched)
            rc = join_put_times(&v->join, s, sub_row(sub), JOIN_NONE, OP_INSERT, kept->count, err);
    }
    return rc ? rc : rows_out_flush(&v->join.out, err);
}

static int drop_spans(struct interval *v, int s, struct err *err)
{
    struct join_side *side = &v->join.side[s];
    int64_t span;
    int rc = 0;

    while (!rc && join_span_over(&v->times, s, side->rows, v->passed, &span)) {
        if (side->outer || (v->join.kind == OP_ANTI && s == LEFT))
            rc = put_unmatched(v, s, span, err);
        if (!rc)
            rc = state_drop_space(side->rows, span, err);
    }
    return rc;
}

static int interval_pass(struct interval *v, int64_t now, struct err *err)
{
    int rc;

    if (now <= v->passed)
        return 0;
    v->passed = now;
    rc = drop_spans(v, LEFT, err);
    return rc ? rc : drop_spans(v, RIGHT, err);
}

/* By the clock rows wait for no watermark; but the end of all rows is the end.
 */
static int interval_mark(struct op *op, int64_t mark, struct err *err)
{
    struct interval *v = (struct interval *)op;

    return v->times.column[LEFT] < 0 && mark != OP_TIME_MAX ? 0 : interval_pass(v, mark, err);
}

static int interval_tick(struct op *op, struct err *err)
{
    struct interval *v = (struct interval *)op;

    return v->times.column[LEFT] < 0 ? interval_pass(v, op->graph->now_ms, err) : 0;
}

static void interval_free(struct op *op)
{
    struct interval *v = (struct interval *)op;

    join_deinit(&v->join);
    buf_deinit(&v->sub);
    join_times_deinit(&v->times);
    free(v);
}

static int interval_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    const struct join_side *side = &((struct interval *)op)->join.side[table];
    int64_t span = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(side->rows, span, &span)) {
        struct state_walk walk;
        struct slice sub, value;

        state_walk_space(&walk, side->rows, span++);
        while (!rc && state_walk_next(&walk, NULL, &sub, &value))
            rc = op_read_row(to, side->codec, sub_row(sub),
                             &((const struct kept *)(const void *)value.ptr)->count, err);
    }
    return rc;
}

static const struct op_ops interval_ops = {.name = "interval join",
                                           .rows = interval_rows,
                                           .mark = interval_mark,
                                           .tick = interval_tick,
                                           .view = join_view,
                                           .read = interval_read,
                                           .rest = join_rest,
                                           .free = interval_free};

static void plan_interval(struct interval *v, const struct op_join_spec *spec)
{
    bool waits = spec->kind != OP_INNER && spec->kind != OP_SEMI;
    int64_t low = spec->low_ms, high = spec->high_ms;

    v->passed = OP_TIME_MIN;
    if (spec->left_time < 0)
        return;
    v->join.op.delay_ms = high > -low ? high : -low;
    if (v->join.op.delay_ms < 0)
        v->join.op.delay_ms = 0;
    v->join.op.delay_ms += waits ? v->times.span : 0;
}

int join_interval_new(struct op **out, struct op *left, struct op *right,
                      const struct op_join_spec *spec, struct err *err)
{
    struct interval *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return err_set(err, ERR_NOMEM, "a join of an interval");
    rc = join_times_init(&v->times, spec, err);
    if (!rc && (op_kind_column(&left->columns) >= 0 || op_kind_column(&right->columns) >= 0))
        rc = err_set(err, ERR_UNSUPPORTED,
                     "a join of an interval takes rows that stay, not changes");
    if (!rc && (spec->null_aware || (spec->left_time < 0) != (spec->right_time < 0)))
        rc = err_set(err, ERR_INVALID, "a join of an interval goes by one kind of time");
    if (!rc)
        rc = join_init(&v->join, left->graph, &left->columns, &right->columns, spec, false, err);
    plan_interval(v, spec);
    rc = join_add(&v->join, (struct op *[]){left, right}, 2, &interval_ops, rc, err);
    if (rc)
        return rc;
    *out = &v->join.op;
    (*out)->by_rows = spec->left_time >= 0;
    rc = op_table(*out, "left", true, &v->join.side[LEFT].rows, err);
    return rc ? rc : op_table(*out, "right", true, &v->join.side[RIGHT].rows, err);
}
