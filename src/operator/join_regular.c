/* join_regular.c - joins whose two sides are remembered for good, or for their
 * time to live; rows of either side come and are taken back, and so do pairs.
 *
 * A side is a grouped table (key, row) -> how often the row is there. A row of
 * one side walks the rows of the other side that have its key. What an outer,
 * semi or anti join must know beside is whether a row has a match: without a
 * condition that is one number for all rows of a key (`keys`, rows of each
 * side), so that a hot key costs nothing but its pairs; with a condition each
 * row counts its own matches. As in Flink, inner joins pass on the kind of the
 * row that came (+U stays +U), outer ones give +I and -D.
 *
 * Semi, anti and mark joins against rows that are only added forget a left row when its first match
 * comes: nothing can follow.
 *
 * Forgetting by time. Where the condition bounds the times of both sides, and the other side gives
 * rows in the order of its watermarks and takes none back, a side's rows lie in spaces that are
 * spans of time (join.h), and a span goes when the other side's watermark is behind all that its
 * rows could meet. Nothing that comes out is another for it: what is gone could have changed it
 * only by a pair with a row of the other side, that comes (there is none: its time would be at or
 * before the watermark) or is taken back (none is). A row of the side itself, a late one or one
 * that is taken back, walks the other side's rows, which are all there. What the condition says
 * of times is still asked of every pair: spans only leave out pairs that it would refuse.
 *
 * With a time to live each row counts its own matches too, as in Flink: a row that is gone leaves
 * what it matched as it was.
 */
#include "operator/join.h"

struct row_state {
    int64_t count;   /* of equal rows */
    int64_t matches; /* with a condition: rows of the other side */
};
struct key_state {
    int64_t rows[2];
};

struct regular {
    struct join join;
    struct state_table *keys; /* (key) -> key_state; NULL: not needed */
    bool tracked[2];          /* rows count their matches */
    bool stored[2];
    bool by_row; /* pairs are gathered and rows count their matches */
    bool once;   /* a match is for ever */
    bool forgets[2];
    struct join_times times; /* if a side forgets */
    /* Groups of left rows to be forgotten, by row of the chunk. */
    uint32_t *forget;
    size_t forget_count;
};

/* ---- a side's own rows ---- */

/* The watermark of what side s meets is behind all that row i could. */
static bool is_over(const struct regular *r, int s, idx_t i)
{
    int64_t from, to;

    join_bounds(&r->times, s, r->times.ms[i], &from, &to);
    return r->join.op.in[!s].mark >= to;
}

static int forget_spans(struct regular *r, struct err *err)
{
    int rc = 0;

    for (int s = LEFT; s <= RIGHT; s++) {
        struct state_table *rows = r->join.side[s].rows;
        int64_t span;

        while (!rc && r->forgets[s] &&
               join_span_over(&r->times, s, rows, r->join.op.in[!s].mark, &span))
            rc = state_drop_space(rows, span, err);
    }
    return rc;
}

/* *known: it counts, which a row taken back that was never there does not. */
static int store_row(struct regular *r, int s, idx_t i, int64_t matches, bool *known,
                     struct err *err)
{
    struct join_side *side = &r->join.side[s];
    struct state_key key = {0, vec_row(&side->key_bytes, i), vec_row(&side->row_bytes, i)};
    struct row_state *row;
    void *value;
    bool fresh;
    int rc;

    *known = true;
    if (!r->stored[s] || (r->forgets[s] && is_over(r, s, i)))
        return 0;
    if (r->forgets[s])
        key.space = join_span(&r->times, r->times.ms[i]);
    rc = state_edit(side->rows, &key, sizeof(*row), &value, &fresh, err);
    if (rc)
        return rc;
    row = value;
    *known = !fresh || side->signs[i] > 0;
    row->count += side->signs[i];
    row->matches = matches;
    return row->count > 0 ? 0 : state_drop(side->rows, &key, err);
}

static enum op_kind out_kind(const struct regular *r, int s, duckdb_data_chunk chunk, idx_t i)
{
    const struct join_side *side = &r->join.side[s];

    if (r->join.kind == OP_INNER || join_one_sided(&r->join))
        return rows_kind(chunk, side->kind_column, i);
    return side->signs[i] > 0 ? OP_INSERT : OP_DELETE;
}

/* ---- semi, anti and mark joins: what a left row's having a match means ---- */

static int put_left(struct regular *r, struct slice row, bool matched, enum op_kind kind,
                    int64_t times, struct err *err)
{
    if (r->join.kind == OP_MARK)
        return join_put_times(&r->join, LEFT, row, vec_row(&r->join.marks, matched), kind, times,
                              err);
    if (matched != (r->join.kind == OP_SEMI))
        return 0;
    return join_put_times(&r->join, LEFT, row, JOIN_NONE, kind, times, err);
}

/* It gets its first match, or loses its last one. */
static int put_turned(struct regular *r, struct slice row, bool matched, int64_t times,
                      struct err *err)
{
    int rc = put_left(r, row, !matched, OP_DELETE, times, err);

    return rc ? rc : put_left(r, row, matched, OP_INSERT, times, err);
}

/* ---- without a condition ---- */

/* Pairs with all rows of the other side; `alone`: their rows without a match
 * begin or cease to be so, which goes before the pairs that come and behind
 * those that go. */
static int put_group(struct regular *r, int s, idx_t i, enum op_kind kind, bool alone,
                     struct err *err)
{
    struct join_side *side = &r->join.side[s], *other = &r->join.side[!s];
    struct slice row = vec_row(&side->row_bytes, i), match, value;
    bool more = side->signs[i] > 0;
    struct state_walk walk;
    int rc = 0;

    state_walk_group(&walk, other->rows, 0, vec_row(&side->key_bytes, i));
    while (!rc && state_walk_next(&walk, NULL, &match, &value)) {
        int64_t times = ((const struct row_state *)(const void *)value.ptr)->count;

        if (alone && more)
            rc = join_put_times(&r->join, !s, match, JOIN_NONE, OP_DELETE, times, err);
        if (!rc)
            rc = join_put_times(&r->join, s, row, match, kind, times, err);
        if (!rc && alone && !more)
            rc = join_put_times(&r->join, !s, match, JOIN_NONE, OP_INSERT, times, err);
    }
    return rc;
}

static int edit_key(struct regular *r, struct slice key, struct key_state **out, struct err *err)
{
    void *value;
    bool fresh;
    int rc =
        state_edit(r->keys, &(struct state_key){.key = key}, sizeof(**out), &value, &fresh, err);

    *out = value;
    return rc;
}

static int count_key(struct regular *r, int s, idx_t i, struct key_state *key, struct err *err)
{
    struct join_side *side = &r->join.side[s];

    key->rows[s] += side->signs[i];
    if (key->rows[s] < 0)
        key->rows[s] = 0;
    if (key->rows[LEFT] || key->rows[RIGHT])
        return 0;
    return state_drop(r->keys, &(struct state_key){.key = vec_row(&side->key_bytes, i)}, err);
}

static int inner_row(struct regular *r, int s, idx_t i, enum op_kind kind, struct err *err)
{
    bool known;
    int rc = store_row(r, s, i, 0, &known, err);

    return rc ? rc : put_group(r, s, i, kind, false, err);
}

static int outer_row(struct regular *r, int s, idx_t i, enum op_kind kind, struct err *err)
{
    struct join_side *side = &r->join.side[s];
    struct key_state *key;
    int64_t own;
    bool known;
    int rc = edit_key(r, vec_row(&side->key_bytes, i), &key, err);

    if (rc)
        return rc;
    own = key->rows[s] + (side->signs[i] < 0 ? -1 : 0); /* without this row */
    if (key->rows[!s])
        rc = put_group(r, s, i, kind, r->join.side[!s].outer && own <= 0, err);
    else if (side->outer)
        rc = join_put(&r->join, s, vec_row(&side->row_bytes, i), JOIN_NONE, kind, err);
    if (!rc)
        rc = store_row(r, s, i, 0, &known, err);
    return rc || !known ? rc : count_key(r, s, i, key, err);
}

/* All left rows of the key of right row i begin or cease to have a match. */
static int put_matched(struct regular *r, idx_t i, bool matched, struct err *err)
{
    struct join_side *left = &r->join.side[LEFT], *right = &r->join.side[RIGHT];
    struct state_walk walk;
    struct slice row, value;
    int rc = 0;

    state_walk_group(&walk, left->rows, 0, vec_row(&right->key_bytes, i));
    while (!rc && state_walk_next(&walk, NULL, &row, &value))
        rc = put_turned(r, row, matched, ((const struct row_state *)(const void *)value.ptr)->count,
                        err);
    if (r->once && matched)
        r->forget[r->forget_count++] = (uint32_t)i;
    return rc;
}

static int semi_row(struct regular *r, int s, idx_t i, enum op_kind kind, struct err *err)
{
    struct join_side *side = &r->join.side[s];
    struct key_state *key;
    bool known = true, matched;
    int64_t before;
    int rc = edit_key(r, vec_row(&side->key_bytes, i), &key, err);

    if (rc)
        return rc;
    before = key->rows[RIGHT];
    matched = before > 0;
    if (s == LEFT) {
        rc = put_left(r, vec_row(&side->row_bytes, i), matched, kind, 1, err);
        if (!rc && !(r->once && matched))
            rc = store_row(r, LEFT, i, 0, &known, err);
        if (rc || !known || (r->once && matched))
            return rc;
        return count_key(r, LEFT, i, key, err);
    }
    if ((before + side->signs[i] > 0) != matched)
        rc = put_matched(r, i, !matched, err);
    if (!rc && r->once && !matched)
        key->rows[LEFT] = 0;
    return rc ? rc : count_key(r, RIGHT, i, key, err);
}

/* Behind the rows of a chunk have left as bytes. */
static int forget_groups(struct regular *r, struct err *err)
{
    struct join_side *left = &r->join.side[LEFT], *right = &r->join.side[RIGHT];
    int rc = 0;

    for (size_t k = 0; k < r->forget_count && !rc; k++) {
        struct slice key = vec_row(&right->key_bytes, r->forget[k]), row;
        struct state_walk walk;

        state_walk_group(&walk, left->rows, 0, key);
        while (!rc && state_walk_next(&walk, NULL, &row, NULL))
            rc = state_drop(left->rows, &(struct state_key){0, key, row}, err);
    }
    r->forget_count = 0;
    return rc;
}

/* ---- with a condition: pairs are gathered, looked at together, then dealt
 * with in order ---- */

/* A row of the other side has one match more or less. */
static int count_match(struct regular *r, int s, struct row_state *other, struct slice row,
                       int sign, bool ends, struct err *err)
{
    enum op_kind kind;
    bool was = other->matches > 0, is = other->matches + sign > 0;

    if (was == is || (sign > 0) == ends)
        return 0;
    if (join_one_sided(&r->join))
        return put_turned(r, row, is, other->count, err);
    if (r->join.side[!s].outer)
        kind = is ? OP_DELETE : OP_INSERT;
    else
        return 0;
    return join_put_times(&r->join, !s, row, JOIN_NONE, kind, other->count, err);
}

static int deal_with_pair(struct regular *r, int s, size_t k, enum op_kind kind, struct err *err)
{
    const struct pairs *pairs = &r->join.pairs;
    struct row_state *state = pairs->list[k].other;
    int sign = r->join.side[s].signs[pairs->list[k].row];
    struct slice own = s == LEFT ? pairs->lefts[k] : pairs->rights[k];
    struct slice other = s == LEFT ? pairs->rights[k] : pairs->lefts[k];
    int rc = 0;

    if (r->tracked[!s])
        rc = count_match(r, s, state, other, sign, false, err);
    if (!rc && !join_one_sided(&r->join))
        rc = join_put_times(&r->join, s, own, other, kind, state->count, err);
    if (rc || !r->tracked[!s])
        return rc;
    rc = count_match(r, s, state, other, sign, true, err);
    state->matches += sign;
    return rc;
}

static int deal_with_end(struct regular *r, int s, idx_t i, enum op_kind kind, int64_t matches,
                         struct err *err)
{
    struct join_side *side = &r->join.side[s];
    bool known;
    int rc = 0;

    if (join_one_sided(&r->join) && s == LEFT)
        rc = put_left(r, vec_row(&side->row_bytes, i), matches > 0, kind, 1, err);
    else if (side->outer && !matches)
        rc = join_put(&r->join, s, vec_row(&side->row_bytes, i), JOIN_NONE, kind, err);
    return rc ? rc : store_row(r, s, i, matches, &known, err);
}

static int deal_with_pairs(struct regular *r, int s, duckdb_data_chunk chunk, struct err *err)
{
    struct pairs *pairs = &r->join.pairs;
    int64_t matches = 0;
    int rc = join_look(&r->join, err);

    for (size_t k = 0; k < pairs->count && !rc; k++) {
        const struct candidate *c = &pairs->list[k];
        enum op_kind kind = out_kind(r, s, chunk, c->row);

        if (!c->other) {
            rc = deal_with_end(r, s, c->row, kind, matches, err);
            matches = 0;
        } else if (pairs->yes[k]) {
            matches += ((const struct row_state *)c->other)->count;
            rc = deal_with_pair(r, s, k, kind, err);
        }
    }
    pairs->count = 0;
    return rc;
}

/* Matches are counted in place, so an entry says first that it will change. */
static int gather_space(struct regular *r, int s, idx_t i, int64_t space, struct err *err)
{
    struct join_side *side = &r->join.side[s], *other = &r->join.side[!s];
    struct pairs *pairs = &r->join.pairs;
    struct state_key key = {space, vec_row(&side->key_bytes, i), {0}};
    struct slice value, own = vec_row(&side->row_bytes, i);
    size_t first = pairs->count;
    struct state_walk walk;
    bool fresh;
    int rc = 0;

    state_walk_group(&walk, other->rows, space, key.key);
    while (!rc && state_walk_next(&walk, NULL, &key.sub, &value))
        rc = pairs_add(pairs, s, (uint32_t)i, own, key.sub, (void *)(uintptr_t)value.ptr, err);
    for (size_t k = first; r->tracked[!s] && k < pairs->count && !rc; k++) {
        struct slice *row = s == LEFT ? &pairs->rights[k] : &pairs->lefts[k];
        struct row_state was = *(const struct row_state *)pairs->list[k].other;

        key.sub = *row;
        rc =
            state_edit_sub(other->rows, &key, sizeof(was), &pairs->list[k].other, row, &fresh, err);
        if (fresh && !rc) /* its time to live has ended between the walk and here:
                             it lives on */
            *(struct row_state *)pairs->list[k].other = was;
    }
    return rc;
}

static int gather(struct regular *r, int s, idx_t i, struct err *err)
{
    struct state_table *other = r->join.side[!s].rows;
    int64_t from, to, span;
    int rc = 0;

    if (!r->forgets[!s]) {
        rc = gather_space(r, s, i, 0, err);
    } else {
        join_bounds(&r->times, s, r->times.ms[i], &from, &to);
        span = join_span(&r->times, from);
        while (!rc && state_space_from(other, span, &span) && span <= join_span(&r->times, to))
            rc = gather_space(r, s, i, span++, err);
    }
    return rc ? rc
              : pairs_add(&r->join.pairs, s, (uint32_t)i, vec_row(&r->join.side[s].row_bytes, i),
                          JOIN_NONE, NULL, err);
}

/* ---- all ---- */

/* A NULL in the key: it meets nothing, and comes out where rows without a match
 * do. */
static int keyless_row(struct regular *r, int s, idx_t i, enum op_kind kind, struct err *err)
{
    const struct join_side *side = &r->join.side[s];

    if (join_one_sided(&r->join) && s == LEFT)
        return put_left(r, vec_row(&side->row_bytes, i), false, kind, 1, err);
    if (!side->outer)
        return 0;
    return join_put(&r->join, s, vec_row(&side->row_bytes, i), JOIN_NONE, kind, err);
}

static int regular_row(struct regular *r, int s, idx_t i, duckdb_data_chunk chunk, struct err *err)
{
    enum op_kind kind = out_kind(r, s, chunk, i);
    int rc;

    if (r->join.side[s].keyless[i])
        return keyless_row(r, s, i, kind, err);
    if (r->by_row) {
        rc = gather(r, s, i, err);
        return rc || r->join.pairs.count < vec_chunk_rows() ? rc
                                                            : deal_with_pairs(r, s, chunk, err);
    }
    if (r->join.kind == OP_INNER)
        return inner_row(r, s, i, kind, err);
    return join_one_sided(&r->join) ? semi_row(r, s, i, kind, err) : outer_row(r, s, i, kind, err);
}

static int regular_rows(struct op *op, int s, const struct vec_batch *rows, struct err *err)
{
    struct regular *r = (struct regular *)op;
    int rc = forget_spans(r, err);

    for (size_t c = 0; c < rows->count && !rc; c++) {
        duckdb_data_chunk chunk = rows->chunks[c];

        rc = join_read(&r->join, s, chunk, err);
        if (!rc && (r->forgets[LEFT] || r->forgets[RIGHT]))
            join_times_read(&r->times, &r->join.side[s], r->times.column[s], chunk);
        for (idx_t i = 0; i < r->join.side[s].row_bytes.count && !rc; i++)
            rc = regular_row(r, s, i, chunk, err);
        if (!rc && r->join.pairs.count)
            rc = deal_with_pairs(r, s, chunk, err);
        if (!rc)
            rc = rows_out_flush(&r->join.out, err);
        if (!rc)
            rc = forget_groups(r, err);
    }
    return rc;
}

static int regular_mark(struct op *op, int64_t mark, struct err *err)
{
    (void)mark; /* each side goes by that of the other one */
    return forget_spans((struct regular *)op, err);
}

static void regular_free(struct op *op)
{
    struct regular *r = (struct regular *)op;

    join_deinit(&r->join);
    join_times_deinit(&r->times);
    free(r->forget);
    free(r);
}

static int regular_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    const struct join_side *side = &((struct regular *)op)->join.side[table];

    return side->rows ? op_read_counted(to, side->rows, side->codec, err) : 0;
}

static const struct op_ops regular_ops = {.name = "join",
                                          .rows = regular_rows,
                                          .mark = regular_mark,
                                          .view = join_view,
                                          .read = regular_read,
                                          .rest = join_rest,
                                          .free = regular_free};

static int open_tables(struct regular *r, struct err *err)
{
    /* Rows that lie in spans are not found where others are: their table has a name of its own. */
    static const char *const names[2][2] = {{"left", "right"}, {"left_spans", "right_spans"}};
    struct join *j = &r->join;
    int rc = 0;

    for (int s = LEFT; s <= RIGHT && !rc; s++)
        if (r->stored[s])
            rc = rows_table(&j->op, names[r->forgets[s]][s], true, j->ttl_ms[s], &j->side[s].rows,
                            err);
    if (!rc && j->kind != OP_INNER && !r->by_row)
        rc = op_table(&j->op, "keys", false, &r->keys, err);
    return rc;
}

/* Rows whose time to live ends leave no trace, so what had matched them must know it by itself. */
static int plan_regular(struct regular *r, const struct op_join_spec *spec, struct err *err)
{
    struct join *j = &r->join;
    bool ttl = j->ttl_ms[LEFT] || j->ttl_ms[RIGHT];

    r->forgets[LEFT] = spec->left_forgets;
    r->forgets[RIGHT] = spec->right_forgets;
    if ((spec->left_forgets && j->side[RIGHT].kind_column >= 0) ||
        (spec->right_forgets && j->side[LEFT].kind_column >= 0) ||
        ((spec->left_forgets || spec->right_forgets) && (ttl || !j->condition.fragment)))
        return err_set(err, ERR_INVALID,
                       "a join forgets rows by a condition on times, and where the other side's "
                       "rows stay");
    r->by_row = j->condition.fragment || (j->kind != OP_INNER && ttl);
    r->tracked[LEFT] = r->by_row && (j->side[LEFT].outer || join_one_sided(j));
    r->tracked[RIGHT] = r->by_row && j->side[RIGHT].outer;
    r->stored[LEFT] = true;
    r->stored[RIGHT] = !join_one_sided(j) || r->by_row;
    r->once = join_one_sided(j) && !r->by_row && j->side[RIGHT].kind_column < 0;
    r->forget = calloc(vec_chunk_rows(), sizeof(*r->forget));
    if (!r->forget)
        return err_set(err, ERR_NOMEM, "a join");
    return spec->left_forgets || spec->right_forgets ? join_times_init(&r->times, spec, err) : 0;
}

int join_regular_new(struct op **out, struct op *left, struct op *right,
                     const struct op_join_spec *spec, struct err *err)
{
    bool input_changes =
        op_kind_column(&left->columns) >= 0 || op_kind_column(&right->columns) >= 0;
    bool changes = input_changes || (spec->kind != OP_INNER && spec->kind != OP_SEMI);
    struct regular *r = calloc(1, sizeof(*r));
    int rc = r ? 0 : err_set(err, ERR_NOMEM, "a join");

    if (!r)
        return rc;
    if (!rc)
        rc = join_init(&r->join, left->graph, &left->columns, &right->columns, spec, changes, err);
    if (!rc)
        rc = plan_regular(r, spec, err);
    rc = join_add(&r->join, (struct op *[]){left, right}, 2, &regular_ops, rc, err);
    if (rc)
        return rc;
    *out = &r->join.op;
    return open_tables(r, err);
}
