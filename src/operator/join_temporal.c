/* join_temporal.c - FOR SYSTEM_TIME AS OF: each left row with the right row of
 * its key as it was at the left row's time.
 *
 * By rowtime: left rows wait until the watermark has passed them. A key's
 * versions are an ordered map by time, newest first; a new version removes
 * those that no left row behind the watermark can ask for. +I and +U are
 * versions, -D is the end of one, -U says nothing that the +U behind it does
 * not. By processing time: the newest row of the key, now.
 * Kinds of left rows go through. A left row that is late finds what is still
 * there, as in Flink.
 */
#include "operator/join.h"
#include "operator/ordered.h"

struct temporal {
    struct join join;
    bool left_outer;
    int time_column[2];
    struct waiting waiting;       /* left rows; rowtime */
    struct state_table *versions; /* rowtime: ordered maps */
    struct state_table *newest;   /* processing time: (key) -> row */
    struct ordered map;
    struct buf payload;
};

/* ---- the right side ---- */

/* Newest first, and of a time the one that came last replaces the one before.
 */
static void version_key(int64_t ms, uint8_t out[8])
{
    order_put_i64(out, ~ms);
}

/* Removes what is older than the version of the watermark. */
static int prune(struct temporal *t, struct err *err)
{
    struct ordered_walk walk;
    struct ordered_item item;
    struct buf old = {0};
    uint8_t key[8];
    int rc = 0;

    if (t->join.op.mark == OP_TIME_MIN)
        return 0;
    version_key(t->join.op.mark, key);
    ordered_from(&walk, &t->map, slice_of(key, sizeof(key)));
    if (!ordered_next(&walk, &item))
        return 0;
    while (!rc && ordered_next(&walk, &item))
        rc = buf_append_slice(&old, item.key);
    if (rc)
        rc = err_set(err, ERR_NOMEM, "versions of a row");
    for (size_t i = 0; i < old.len && !rc; i += sizeof(key))
        rc = ordered_remove(&t->map, slice_of(old.ptr + i, sizeof(key)), err);
    buf_deinit(&old);
    return rc;
}

static int add_version(struct temporal *t, idx_t i, int64_t ms, struct err *err)
{
    struct join_side *side = &t->join.side[RIGHT];
    uint8_t key[8];
    int rc = ordered_at(&t->map, t->versions, 0, vec_row(&side->key_bytes, i), 0, 0, err);

    buf_clear(&t->payload);
    if (!rc && (buf_append_u8(&t->payload, side->signs[i] > 0) ||
                buf_append_slice(&t->payload, vec_row(&side->row_bytes, i))))
        rc = err_set(err, ERR_NOMEM, "versions of a row");
    version_key(ms, key);
    if (!rc)
        rc = ordered_set(&t->map, slice_of(key, sizeof(key)), buf_slice(&t->payload), err);
    return rc ? rc : prune(t, err);
}

static int right_row(struct temporal *t, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct join_side *side = &t->join.side[RIGHT];
    struct state_key key = {.key = vec_row(&side->key_bytes, i)};
    duckdb_vector times;

    if (t->time_column[RIGHT] < 0)
        return side->signs[i] > 0 ? state_put(t->newest, &key, vec_row(&side->row_bytes, i), err)
                                  : state_drop(t->newest, &key, err);
    times = duckdb_data_chunk_get_vector(chunk, (idx_t)t->time_column[RIGHT]);
    if (!vec_is_valid(duckdb_vector_get_validity(times), i) ||
        rows_kind(chunk, side->kind_column, i) == OP_UPDATE_BEFORE)
        return 0;
    return add_version(t, i, rows_ms(((const int64_t *)duckdb_vector_get_data(times))[i]), err);
}

/* ---- the left side ---- */

static struct slice find_version(struct temporal *t, struct slice key, int64_t ms)
{
    struct ordered_walk walk;
    struct ordered_item item;
    uint8_t at[8];

    if (ordered_at(&t->map, t->versions, 0, key, 0, 0, NULL))
        return JOIN_NONE;
    version_key(ms, at);
    ordered_from(&walk, &t->map, slice_of(at, sizeof(at)));
    if (!ordered_next(&walk, &item) || !item.payload.ptr[0])
        return JOIN_NONE;
    return slice_of(item.payload.ptr + 1, item.payload.len - 1);
}

/* A pair that the condition is yet to look at; the row's kind is carried where
 * others carry its number. */
static int add_pair(struct temporal *t, struct slice own, struct slice version, enum op_kind kind,
                    struct err *err)
{
    return pairs_add(&t->join.pairs, LEFT, kind, own, version,
                     version.ptr ? (void *)(uintptr_t)version.ptr : NULL, err);
}

static int deal_with_pairs(struct temporal *t, struct err *err)
{
    struct pairs *pairs = &t->join.pairs;
    int rc = join_look(&t->join, err);

    for (size_t k = 0; k < pairs->count && !rc; k++) {
        enum op_kind kind = (enum op_kind)pairs->list[k].row;

        if (pairs->list[k].other && pairs->yes[k])
            rc = join_put(&t->join, LEFT, pairs->lefts[k], pairs->rights[k], kind, err);
        else if (t->left_outer)
            rc = join_put(&t->join, LEFT, pairs->lefts[k], JOIN_NONE, kind, err);
    }
    pairs->count = 0;
    if (!rc)
        rc = rows_out_flush(&t->join.out, err);
    return rc;
}

/* A key with a NULL that is in no row of the right: nothing is stored under it.
 */
static int left_row(struct temporal *t, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct join_side *side = &t->join.side[LEFT];
    enum op_kind kind = rows_kind(chunk, side->kind_column, i);
    struct slice row = vec_row(&side->row_bytes, i), version = JOIN_NONE;
    struct state_key key = {.key = vec_row(&side->key_bytes, i)};
    duckdb_vector times;
    uint32_t len = 0;

    if (t->time_column[LEFT] < 0) {
        if (!side->keyless[i])
            version.ptr = state_look(t->newest, &key, &len);
        version.len = len;
        return add_pair(t, row, version, kind, err);
    }
    times = duckdb_data_chunk_get_vector(chunk, (idx_t)t->time_column[LEFT]);
    if (!vec_is_valid(duckdb_vector_get_validity(times), i)) /* it would wait for ever */
        return add_pair(t, row, JOIN_NONE, kind, err);
    return waiting_add(&t->waiting, rows_ms(((const int64_t *)duckdb_vector_get_data(times))[i]),
                       slice_of(NULL, 0), key.key, row, kind, err);
}

static int temporal_rows(struct op *op, int s, const struct vec_batch *rows, struct err *err)
{
    struct temporal *t = (struct temporal *)op;
    int rc = 0;

    for (size_t c = 0; c < rows->count && !rc; c++) {
        struct join_side *side = &t->join.side[s];

        rc = join_read(&t->join, s, rows->chunks[c], err);
        for (idx_t i = 0; i < side->row_bytes.count && !rc; i++) {
            if (s == LEFT)
                rc = left_row(t, rows->chunks[c], i, err);
            else if (!side->keyless[i])
                rc = right_row(t, rows->chunks[c], i, err);
        }
        if (!rc)
            rc = deal_with_pairs(t, err);
    }
    return rc;
}

static int temporal_mark(struct op *op, int64_t mark, struct err *err)
{
    struct temporal *t = (struct temporal *)op;
    const struct waiting_row *row;
    int rc = 0;

    if (t->time_column[LEFT] < 0)
        return 0;
    while (!(rc = waiting_take(&t->waiting, mark, &row, err)) && row) {
        struct slice version = find_version(t, waiting_key(row), row->ms);

        rc = add_pair(t, waiting_bytes(row), version, row->kind, err);
        if (!rc && t->join.pairs.count >= vec_chunk_rows())
            rc = deal_with_pairs(t, err);
        if (rc)
            return rc;
    }
    if (!rc)
        rc = deal_with_pairs(t, err);
    return rc ? rc : waiting_release(&t->waiting, err);
}

static int temporal_load(struct op *op, struct err *err)
{
    struct temporal *t = (struct temporal *)op;

    return t->waiting.table ? waiting_load(&t->waiting, err) : 0;
}

static void temporal_free(struct op *op)
{
    struct temporal *t = (struct temporal *)op;

    join_deinit(&t->join);
    waiting_deinit(&t->waiting);
    ordered_deinit(&t->map);
    buf_deinit(&t->payload);
    free(t);
}

/* By rowtime, left rows that wait and the versions of right ones; else the newest right rows. */
static bool temporal_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct temporal *t = (const struct temporal *)op;

    if (table > (t->newest ? 0 : RIGHT))
        return false;
    out->of = t->newest ? RIGHT : table;
    *part = out->of == LEFT ? "left" : "right";
    if (!t->newest)
        out->extras[out->extra_count++] =
            (struct op_view_extra){out->of == LEFT ? "waits_until" : "valid_from", true};
    return true;
}

static int read_versions(struct temporal *t, struct slice key, struct op_reader *to,
                         struct err *err)
{
    struct ordered_walk walk;
    struct ordered_item item;
    int rc = ordered_at(&t->map, t->versions, 0, key, 0, 0, err);

    if (!rc)
        ordered_first(&walk, &t->map);
    while (!rc && ordered_next(&walk, &item)) {
        int64_t ms = ~order_get_i64(item.key.ptr);

        if (item.payload.ptr[0])
            rc = op_read_row(to, t->join.side[RIGHT].codec,
                             slice_of(item.payload.ptr + 1, item.payload.len - 1), &ms, err);
    }
    return rc;
}

static int temporal_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct temporal *t = (struct temporal *)op;
    struct state_walk walk;
    struct slice name, value, key;
    int rc = 0;

    if (!t->newest && table == LEFT)
        return waiting_read(&t->waiting, t->join.side[LEFT].codec, false, to, err);
    state_walk_space(&walk, t->newest ? t->newest : t->versions, 0);
    while (!rc && state_walk_next(&walk, &name, NULL, &value)) {
        if (t->newest)
            rc = op_read_row(to, t->join.side[RIGHT].codec, value, NULL, err);
        else if (ordered_is_root(name, &key))
            rc = read_versions(t, key, to, err);
    }
    return rc;
}

static const char *const temporal_waiting[] = {"left", NULL};
static const struct op_ops temporal_ops = {.name = "temporal join",
                                           .rows = temporal_rows,
                                           .mark = temporal_mark,
                                           .load = temporal_load,
                                           .view = temporal_view,
                                           .read = temporal_read,
                                           .waiting = temporal_waiting,
                                           .rest = join_rest,
                                           .free = temporal_free};

int join_temporal_new(struct op **out, struct op *left, struct op *right,
                      const struct op_join_spec *spec, struct err *err)
{
    struct temporal *t = calloc(1, sizeof(*t));
    int rc = 0;

    if (!t)
        return err_set(err, ERR_NOMEM, "a temporal join");
    t->left_outer = spec->kind == OP_LEFT;
    t->time_column[LEFT] = spec->left_time;
    t->time_column[RIGHT] = spec->right_time;
    if (spec->kind != OP_INNER && spec->kind != OP_LEFT)
        rc = err_set(err, ERR_UNSUPPORTED, "a temporal join is INNER or LEFT");
    else if ((spec->left_time < 0) != (spec->right_time < 0))
        rc = err_set(err, ERR_INVALID, "a temporal join goes by one kind of time");
    if (!rc)
        rc = join_init(&t->join, left->graph, &left->columns, &right->columns, spec,
                       op_kind_column(&left->columns) >= 0, err);
    rc = join_add(&t->join, (struct op *[]){left, right}, 2, &temporal_ops, rc, err);
    if (rc)
        return rc;
    *out = &t->join.op;
    if (spec->left_time < 0)
        return rows_table(*out, "newest", false, spec->right_ttl_ms, &t->newest, err);
    rc = waiting_open(&t->waiting, *out, "left", err);
    return rc ? rc : op_table(*out, "versions", false, &t->versions, err);
}
