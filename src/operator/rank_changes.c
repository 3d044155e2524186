/* rank_changes.c - top-N over rows that are taken back, or of very many rows:
 * all of a key's rows are kept, since any of them may come up when others go.
 *
 * State has the rows as they are, (key, row) -> item. Their order is in memory
 * (sorted.h) and points to them; it is made when a key is first met after a
 * start, from the rows that state has of it. The rows of a batch are folded:
 * what a key's first rows were is compared with what they are behind the batch,
 * so an item that is taken back stays until then.
 *
 * By window (a space of the state) there is no order to keep: rows are put in
 * order when the window fires.
 */
#include "operator/rank.h"

struct item {
    int64_t count; /* of equal rows; 0: taken back in this batch */
    /* Of this life and this batch; what a checkpoint has of them means nothing.
     */
    const uint8_t *row;
    uint32_t row_len;
    bool gone; /* listed as such */
    int64_t shown;
    uint8_t key[]; /* the order's bytes, then the number of arrival, big end first */
};

/* The rows of one key, in order. With a time to live keys go as a whole, the
 * one touched longest ago first: entries must not expire one by one under what
 * points to them. */
struct part {
    struct part *newer, *older;
    struct sorted rows; /* what: their items, where the keys lie too */
    int64_t total;      /* rows, equal ones counted */
    int64_t touched_ms; /* by the graph's clock */
    bool touched;       /* in this batch */
    uint32_t key_len;
    uint8_t key[];
};

struct touched_part {
    struct part *part;
    size_t before, before_count; /* in `shown`: struct item * */
};
struct gone {
    struct part *part;
    struct item *item;
};

struct changes {
    struct rank rank;
    struct state_table *rows, *progress;
    struct state *scratch;
    struct state_table *parts; /* (key) -> struct part *, in memory alone */
    struct part *newest, *oldest;
    int8_t *signs;
    int64_t next;                    /* number of arrival */
    int64_t fired;                   /* windows up to it are out */
    struct buf shown, touched, gone; /* of a batch: arrays of the structs above */
};

static uint32_t item_size(size_t order_len)
{
    return (uint32_t)(sizeof(struct item) + order_len + 8);
}

static size_t count_of(const struct buf *array, size_t size)
{
    return array->len / size;
}

/* ---- parts ---- */

static struct slice key_of(const struct part *part)
{
    return slice_of(part->key, part->key_len);
}

static void unlink_part(struct changes *c, struct part *part)
{
    *(part->newer ? &part->newer->older : &c->newest) = part->older;
    *(part->older ? &part->older->newer : &c->oldest) = part->newer;
}

static void link_part(struct changes *c, struct part *part)
{
    part->newer = NULL;
    part->older = c->newest;
    *(part->older ? &part->older->newer : &c->oldest) = part;
    c->newest = part;
    part->touched_ms = c->rank.op.graph->now_ms;
}

static void part_free(struct changes *c, struct part *part)
{
    unlink_part(c, part);
    sorted_deinit(&part->rows);
    free(part);
}

static int add_item(struct part *part, struct item *item, uint32_t size, struct slice row)
{
    item->row = row.ptr;
    item->row_len = (uint32_t)row.len;
    item->gone = false;
    return sorted_add(&part->rows, slice_of(item->key, size - sizeof(*item)), item);
}

/* What state has of the key, after a start. */
static int fill_part(struct changes *c, struct part *part, struct slice key, struct err *err)
{
    struct state_walk walk;
    struct slice row, value;

    state_walk_group(&walk, c->rows, 0, key);
    while (state_walk_next(&walk, NULL, &row, &value)) {
        struct item *item = (struct item *)(uintptr_t)value.ptr;

        if (value.len < sizeof(*item) + 8)
            return err_set(err, ERR_CORRUPT, "top-N: a row is kept in %zu bytes", value.len);
        if (add_item(part, item, (uint32_t)value.len, row))
            return err_set(err, ERR_NOMEM, "top-N");
        part->total += item->count;
    }
    return 0;
}

static int find_part(struct changes *c, struct slice key, struct part **out, struct err *err)
{
    struct part *part;
    void *value;
    bool fresh;
    int rc =
        state_edit(c->parts, &(struct state_key){.key = key}, sizeof(part), &value, &fresh, err);

    if (rc)
        return rc;
    memcpy(out, value, sizeof(part));
    if (!fresh)
        return 0;
    part = *out = calloc(1, sizeof(*part) + key.len);
    if (!part)
        return err_set(err, ERR_NOMEM, "top-N");
    part->key_len = (uint32_t)key.len;
    if (key.len)
        memcpy(part->key, key.ptr, key.len);
    link_part(c, part);
    memcpy(value, &part, sizeof(part));
    return fill_part(c, part, key, err);
}

/* The rows numbered 1 to `to`, as many times as they are there. */
static int list_shown(struct changes *c, const struct part *part, size_t *count, struct err *err)
{
    struct sorted_walk walk = {&part->rows, 0, 0};
    const struct sorted_item *at;
    int64_t number = 0;

    *count = 0;
    while (number < c->rank.spec.to && (at = sorted_next(&walk))) {
        const struct item *item = at->what;

        for (int64_t k = 0; k < item->count && number < c->rank.spec.to; k++, number++) {
            if (buf_append(&c->shown, &item, sizeof(item)))
                return err_set(err, ERR_NOMEM, "top-N");
            ++*count;
        }
    }
    return 0;
}

static int touch(struct changes *c, struct part *part, struct err *err)
{
    struct touched_part t = {.part = part};
    int rc;

    if (part->touched)
        return 0;
    part->touched = true;
    unlink_part(c, part);
    link_part(c, part);
    t.before = count_of(&c->shown, sizeof(struct item *));
    rc = list_shown(c, part, &t.before_count, err);
    if (!rc && buf_append(&c->touched, &t, sizeof(t)))
        rc = err_set(err, ERR_NOMEM, "top-N");
    return rc;
}

/* ---- rows in ---- */

static int add_row(struct changes *c, struct part *part, const struct state_key *key,
                   struct slice order, struct err *err)
{
    uint32_t size = item_size(order.len);
    struct item *item;
    struct slice row;
    void *value;
    bool fresh, gone;
    int rc = state_edit_sub(c->rows, key, size, &value, &row, &fresh, err);

    if (rc)
        return rc;
    item = value;
    if (!item->count) { /* new, or taken back before in this batch */
        if (order.len)
            memcpy(item->key, order.ptr, order.len);
        order_put_i64(item->key + order.len, c->rank.newest ? ~c->next : c->next);
        c->next++;
        gone = !fresh && item->gone;
        if (add_item(part, item, size, row))
            return err_set(err, ERR_NOMEM, "top-N");
        item->gone = gone;
    }
    item->count++;
    part->total++;
    return 0;
}

/* It leaves the order now, and state when the batch is over. */
static int remove_item(struct changes *c, struct part *part, struct item *item, uint32_t size,
                       struct err *err)
{
    struct gone gone = {part, item};

    sorted_remove(&part->rows, slice_of(item->key, size - sizeof(*item)));
    if (item->gone)
        return 0;
    item->gone = true;
    if (buf_append(&c->gone, &gone, sizeof(gone)))
        return err_set(err, ERR_NOMEM, "top-N");
    return 0;
}

static int remove_row(struct changes *c, struct part *part, const struct state_key *key,
                      struct slice order, struct err *err)
{
    uint32_t size = item_size(order.len);
    struct item *item;
    void *value;
    bool fresh;
    int rc = state_edit(c->rows, key, size, &value, &fresh, err);

    if (rc)
        return rc;
    if (fresh) /* never given, or its time was over */
        return state_drop(c->rows, key, err);
    item = value;
    if (!item->count)
        return 0;
    part->total--;
    return --item->count ? 0 : remove_item(c, part, item, size, err);
}

/* Rows that stay: what is behind the last number wanted can never come up. Its entry says first
 * that it changes: a sealed epoch may still have to write it as it was. */
static int prune(struct changes *c, struct part *part, struct err *err)
{
    const struct sorted_leaf *leaf;
    struct state_key key = {.key = key_of(part)};
    struct item *item;
    uint32_t size;
    void *value;
    bool fresh;
    int rc;

    if (c->rank.kind_column >= 0 || part->total <= c->rank.spec.to)
        return 0;
    leaf = part->rows.leaves[part->rows.leaf_count - 1];
    item = leaf->items[leaf->count - 1].what;
    size = (uint32_t)sizeof(*item) + leaf->items[leaf->count - 1].len;
    if (part->total - item->count < c->rank.spec.to)
        return 0;
    key.sub = slice_of(item->row, item->row_len);
    rc = state_edit(c->rows, &key, size, &value, &fresh, err);
    if (rc)
        return rc;
    part->total -= item->count;
    item->count = 0;
    return remove_item(c, part, item, size, err);
}

static int changes_row(struct changes *c, idx_t i, struct err *err)
{
    struct rank *r = &c->rank;
    struct state_key key = {0, vec_row(&r->keys, i), vec_row(&r->rows, i)};
    struct part *part;
    int rc = find_part(c, key.key, &part, err);

    if (!rc)
        rc = touch(c, part, err);
    if (rc)
        return rc;
    if (c->signs[i] < 0)
        return remove_row(c, part, &key, vec_row(&r->orders, i), err);
    rc = add_row(c, part, &key, vec_row(&r->orders, i), err);
    return rc ? rc : prune(c, part, err);
}

/* ---- what has changed ---- */

static int put(struct changes *c, const struct item *item, enum op_kind kind, int64_t number,
               struct err *err)
{
    return rows_out_put(&c->rank.out, slice_of(item->row, item->row_len), slice_of(NULL, 0), kind,
                        number, err);
}

static int put_numbers(struct changes *c, struct item *const *before, size_t before_count,
                       struct item *const *after, size_t after_count, struct err *err)
{
    int rc = 0;

    for (size_t n = (size_t)c->rank.spec.from; n <= before_count || n <= after_count; n++) {
        const struct item *was = n <= before_count ? before[n - 1] : NULL;
        const struct item *is = n <= after_count ? after[n - 1] : NULL;

        if (was == is)
            continue;
        if (was)
            rc = put(c, was, is ? OP_UPDATE_BEFORE : OP_DELETE, (int64_t)n, err);
        if (!rc && is)
            rc = put(c, is, was ? OP_UPDATE_AFTER : OP_INSERT, (int64_t)n, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* Each row's times before and behind, as one difference: what is short of it
 * goes, what is over it comes. */
static int put_rows(struct changes *c, struct item *const *before, size_t before_count,
                    struct item *const *after, size_t after_count, struct err *err)
{
    size_t from = (size_t)c->rank.spec.from - 1;
    int rc = 0;

    for (size_t i = from; i < before_count; i++)
        before[i]->shown = 0;
    for (size_t i = from; i < after_count; i++)
        after[i]->shown = 0;
    for (size_t i = from; i < after_count; i++)
        after[i]->shown++;
    for (size_t i = from; i < before_count && !rc; i++)
        if (before[i]->shown-- <= 0)
            rc = put(c, before[i], OP_DELETE, 0, err);
    for (size_t i = from; i < after_count && !rc; i++)
        if (after[i]->shown-- > 0)
            rc = put(c, after[i], OP_INSERT, 0, err);
    return rc;
}

static int put_part(struct changes *c, const struct touched_part *t, struct err *err)
{
    size_t first = count_of(&c->shown, sizeof(struct item *)), count;
    int rc = list_shown(c, t->part, &count, err);
    struct item *const *all = (struct item *const *)(const void *)c->shown.ptr;

    t->part->touched = false;
    if (rc || !all)
        return rc;
    if (c->rank.spec.with_number || c->rank.spec.to == 1)
        return put_numbers(c, all + t->before, t->before_count, all + first, count, err);
    return put_rows(c, all + t->before, t->before_count, all + first, count, err);
}

static int drop_item(struct changes *c, const struct part *part, const struct item *item,
                     struct err *err)
{
    return state_drop(
        c->rows, &(struct state_key){0, key_of(part), slice_of(item->row, item->row_len)}, err);
}

static int drop_part(struct changes *c, struct part *part, struct err *err)
{
    int rc = state_drop(c->parts, &(struct state_key){.key = key_of(part)}, err);

    part_free(c, part);
    return rc;
}

static int drop_gone(struct changes *c, struct err *err)
{
    const struct gone *gone = (const struct gone *)(const void *)c->gone.ptr;
    int rc = 0;

    for (size_t i = 0; i < count_of(&c->gone, sizeof(*gone)) && !rc; i++) {
        struct item *item = gone[i].item;

        item->gone = false;
        if (!item->count) /* it has not come back */
            rc = drop_item(c, gone[i].part, item, err);
    }
    return rc;
}

static int drop_empty(struct changes *c, struct err *err)
{
    const struct touched_part *t = (const struct touched_part *)(const void *)c->touched.ptr;
    int rc = 0;

    for (size_t i = 0; i < count_of(&c->touched, sizeof(*t)) && !rc; i++)
        if (!t[i].part->rows.count)
            rc = drop_part(c, t[i].part, err);
    return rc;
}

/* Keys whose time is over; what they had put out stays, as in Flink. Those that a checkpoint
 * brought are as old as the clock. */
static int expire(struct changes *c, struct err *err)
{
    int64_t now = c->rank.op.graph->now_ms, ttl = c->rank.spec.ttl_ms;
    int rc = 0;

    if (!ttl || now == OP_TIME_MIN)
        return 0;
    for (struct part *part = c->oldest; part && part->touched_ms == OP_TIME_MIN; part = part->newer)
        part->touched_ms = now;
    while (!rc && c->oldest && c->oldest->touched_ms <= now - ttl) {
        struct sorted_walk walk = {&c->oldest->rows, 0, 0};
        const struct sorted_item *at;

        while (!rc && (at = sorted_next(&walk)))
            rc = drop_item(c, c->oldest, at->what, err);
        if (!rc)
            rc = drop_part(c, c->oldest, err);
    }
    return rc;
}

static int fold(struct changes *c, struct err *err)
{
    const struct touched_part *t = (const struct touched_part *)(const void *)c->touched.ptr;
    int rc = 0;

    for (size_t i = 0; i < count_of(&c->touched, sizeof(*t)) && !rc; i++)
        rc = put_part(c, &t[i], err);
    if (!rc)
        rc = rows_out_flush(&c->rank.out, err);
    if (!rc)
        rc = drop_gone(c, err);
    if (!rc)
        rc = drop_empty(c, err);
    buf_clear(&c->shown);
    buf_clear(&c->touched);
    buf_clear(&c->gone);
    return rc ? rc : rows_save_i64(c->progress, "next", c->next, err);
}

/* ---- by window ---- */

static int window_row(struct changes *c, duckdb_data_chunk chunk, idx_t i, struct err *err)
{
    struct rank *r = &c->rank;
    struct slice order = vec_row(&r->orders, i);
    struct state_key key = {0, vec_row(&r->keys, i), vec_row(&r->rows, i)};
    duckdb_vector ends = duckdb_data_chunk_get_vector(chunk, (idx_t)r->spec.window_end);
    struct item *item;
    void *value;
    bool fresh;
    int rc;

    if (vec_is_valid(duckdb_vector_get_validity(ends), i))
        key.space = rows_ms(((const int64_t *)duckdb_vector_get_data(ends))[i]);
    if (!vec_is_valid(duckdb_vector_get_validity(ends), i) || key.space - 1 <= c->fired)
        return op_late(&r->op, 0, chunk, i, err);
    rc = state_edit(c->rows, &key, item_size(order.len), &value, &fresh, err);
    if (rc)
        return rc;
    item = value;
    if (fresh) {
        if (order.len)
            memcpy(item->key, order.ptr, order.len);
        order_put_i64(item->key + order.len, c->next++);
    }
    item->count += c->signs[i];
    return item->count > 0 ? 0 : state_drop(c->rows, &key, err);
}

struct listed {
    struct slice key, order, row;
    int64_t count;
};

static int compare_listed(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int cmp = slice_cmp(x->key, y->key);

    return cmp ? cmp : slice_cmp(x->order, y->order);
}

static int put_listed(struct changes *c, const struct listed *list, size_t count, struct err *err)
{
    int64_t number = 0;
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        if (i && !slice_eq(list[i].key, list[i - 1].key))
            number = 0;
        for (int64_t k = 0; k < list[i].count && !rc; k++)
            if (++number >= c->rank.spec.from && number <= c->rank.spec.to)
                rc = rows_out_put(&c->rank.out, list[i].row, slice_of(NULL, 0), OP_INSERT, number,
                                  err);
    }
    return rc;
}

static int fire(struct changes *c, int64_t end, struct err *err)
{
    struct state_walk walk;
    struct listed one;
    struct slice value;
    int rc = 0;

    buf_clear(&c->shown);
    state_walk_space(&walk, c->rows, end);
    while (!rc && state_walk_next(&walk, &one.key, &one.row, &value)) {
        const struct item *item = (const struct item *)(const void *)value.ptr;

        one.order = slice_of(item->key, value.len - sizeof(*item));
        one.count = item->count;
        if (buf_append(&c->shown, &one, sizeof(one)))
            rc = err_set(err, ERR_NOMEM, "top-N");
    }
    if (!rc && c->shown.len)
        qsort(c->shown.ptr, count_of(&c->shown, sizeof(one)), sizeof(one), compare_listed);
    if (!rc)
        rc = put_listed(c, (const struct listed *)(const void *)c->shown.ptr,
                        count_of(&c->shown, sizeof(one)), err);
    if (!rc)
        rc = rows_out_flush(&c->rank.out, err);
    buf_clear(&c->shown);
    return rc ? rc : state_drop_space(c->rows, end, err);
}

static int changes_until(struct op *op, int64_t mark, struct err *err)
{
    struct changes *c = (struct changes *)op;
    int64_t end;
    int rc = 0;

    if (c->rank.spec.window_end < 0 || mark <= c->fired)
        return 0;
    while (!rc && state_space_from(c->rows, INT64_MIN, &end) && end - 1 <= mark)
        rc = fire(c, end, err);
    c->fired = mark;
    return rc ? rc : rows_save_i64(c->progress, "fired", mark, err);
}

/* Windows of processing time that are open when the input ends are put out too. */
static int changes_mark(struct op *op, int64_t mark, struct err *err)
{
    const struct changes *c = (const struct changes *)op;

    return c->rank.spec.by_clock && mark != OP_TIME_MAX ? 0 : changes_until(op, mark, err);
}

static int changes_tick(struct op *op, struct err *err)
{
    struct changes *c = (struct changes *)op;

    if (c->rank.spec.window_end < 0)
        return expire(c, err);
    return c->rank.spec.by_clock ? changes_until(op, op->graph->now_ms - 1, err) : 0;
}

/* ---- all ---- */

static int changes_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct changes *c = (struct changes *)op;
    struct rank *r = &c->rank;
    bool window = r->spec.window_end >= 0;
    int rc = 0;

    (void)input;
    for (size_t k = 0; k < rows->count && !rc; k++) {
        duckdb_data_chunk chunk = rows->chunks[k];

        rc = rank_read(r, chunk, err);
        rows_signs(chunk, r->kind_column, c->signs);
        for (idx_t i = 0; i < r->rows.count && !rc; i++)
            rc = window ? window_row(c, chunk, i, err) : changes_row(c, i, err);
    }
    if (rc || !window)
        return rc ? rc : fold(c, err);
    return rows_save_i64(c->progress, "next", c->next, err);
}

static int changes_load(struct op *op, struct err *err)
{
    struct changes *c = (struct changes *)op;

    struct state_walk walk;
    struct slice key;
    int rc = 0;

    c->next = rows_saved_i64(c->progress, "next", 0);
    c->fired = rows_saved_i64(c->progress, "fired", OP_TIME_MIN);
    if (!c->rank.spec.ttl_ms || c->rank.spec.window_end >= 0)
        return 0;
    /* Keys that nobody touches again must be known to expire. */
    state_walk_space(&walk, c->rows, 0);
    while (!rc && state_walk_next(&walk, &key, NULL, NULL))
        rc = find_part(c, key, &(struct part *){NULL}, err);
    return rc;
}

static bool changes_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct changes *c = (const struct changes *)op;

    (void)part;
    out->of = 0;
    out->extras[out->extra_count++] = (struct op_view_extra){"times", false};
    if (c->rank.spec.window_end >= 0)
        out->extras[out->extra_count++] = (struct op_view_extra){"waits_until", true};
    return table == 0;
}

static int changes_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct changes *c = (struct changes *)op;

    (void)table;
    return op_read_counted(to, c->rows, c->rank.codec, err);
}

static void changes_free(struct op *op)
{
    struct changes *c = (struct changes *)op;

    while (c->newest)
        part_free(c, c->newest);
    rank_deinit(&c->rank);
    state_free(c->scratch);
    buf_deinit(&c->shown);
    buf_deinit(&c->touched);
    buf_deinit(&c->gone);
    free(c->signs);
    free(c);
}

static const struct op_ops changes_ops = {.name = "top rows of changes",
                                          .rows = changes_rows,
                                          .mark = changes_mark,
                                          .tick = changes_tick,
                                          .load = changes_load,
                                          .view = changes_view,
                                          .read = changes_read,
                                          .rest = rank_rest,
                                          .free = changes_free};

int rank_changes_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                     struct err *err)
{
    struct changes *c = calloc(1, sizeof(*c));
    int rc = c ? rank_init(&c->rank, below, spec, spec->window_end < 0, err)
               : err_set(err, ERR_NOMEM, "top-N");

    if (!c)
        return rc;
    c->fired = OP_TIME_MIN;
    c->signs = calloc(vec_chunk_rows(), 1);
    if (!rc && !c->signs)
        rc = err_set(err, ERR_NOMEM, "top-N");
    if (!rc)
        rc = state_new(&c->scratch, &(struct state_options){0}, err);
    if (!rc)
        rc = state_table_open(c->scratch, &(struct state_table_options){.name = "parts"}, &c->parts,
                              err);
    rc = rank_add(&c->rank, below, &changes_ops, rc, err);
    if (rc)
        return rc;
    *out = &c->rank.op;
    rc = rows_table(*out, "rows", true, 0, &c->rows, err);
    return rc ? rc : rows_table(*out, "progress", false, 0, &c->progress, err);
}
