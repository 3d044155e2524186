/* rank_top.c - top-N over rows that stay: a key has one entry with its best
 * rows in order, and a row that is not among them is forgotten at once.
 *
 * Without a window the rows of a batch are folded: what a key's entry was
 * before the batch is compared with what it is behind it. With one (a space of
 * the state) nothing comes out until the watermark passes the window's end, and
 * what has fired is remembered, as window.c does.
 *
 * An entry: the header, then records in order, each with its order's bytes and
 * the row.
 */
#include "operator/rank.h"

struct top {
    int64_t next;         /* number of arrival */
    uint32_t count, last; /* last: where the last record is */
    uint32_t touched;     /* its place in the batch's list, if that says so too */
    uint32_t unused;
};
struct record {
    uint32_t size, order_len, row_len; /* size: of all of it, a multiple of 8 */
    uint32_t unused;
    int64_t number; /* of arrival */
                    /* the order's bytes, then the row's */
};

struct touched {
    struct slice key, before; /* before: an entry; len 0: there was none */
};

struct tops {
    struct rank rank;
    struct state_table *entries, *progress;
    int64_t fired; /* windows up to it are out */
    struct buf entry;
    struct arena arena; /* of a batch */
    struct touched *touched;
    size_t count, cap;
};

static struct slice order_of(const struct record *record)
{
    return slice_of(record + 1, record->order_len);
}

static struct slice row_of(const struct record *record)
{
    return slice_of((const uint8_t *)(record + 1) + record->order_len, record->row_len);
}

static const struct record *record_at(struct slice entry, uint32_t pos)
{
    return (const struct record *)(const void *)(entry.ptr + pos);
}

static const struct top *top_of(struct slice entry)
{
    return (const struct top *)(const void *)entry.ptr;
}

/* Does a row with this order go before the record? Ties keep the order of
 * arrival. */
static bool goes_before(const struct tops *t, struct slice order, const struct record *record)
{
    int cmp = slice_cmp(order, order_of(record));

    return cmp < 0 || (cmp == 0 && t->rank.newest);
}

/* ---- an entry with a row more ---- */

static uint32_t place_for(const struct tops *t, struct slice entry, struct slice order)
{
    uint32_t pos = sizeof(struct top);

    while (pos < entry.len && !goes_before(t, order, record_at(entry, pos)))
        pos += record_at(entry, pos)->size;
    return pos;
}

static int append_record(struct tops *t, struct slice order, struct slice row, int64_t number)
{
    struct record record = {
        .order_len = (uint32_t)order.len, .row_len = (uint32_t)row.len, .number = number};
    size_t size = (sizeof(record) + order.len + row.len + 7) / 8 * 8;
    static const uint8_t zeros[8];

    record.size = (uint32_t)size;
    if (buf_append(&t->entry, &record, sizeof(record)) || buf_append_slice(&t->entry, order) ||
        buf_append_slice(&t->entry, row))
        return ERR_NOMEM;
    return buf_append(&t->entry, zeros, size - sizeof(record) - order.len - row.len);
}

/* Where the last record begins. */
static uint32_t find_last(struct slice entry)
{
    uint32_t pos = sizeof(struct top);

    while (pos + record_at(entry, pos)->size < entry.len)
        pos += record_at(entry, pos)->size;
    return pos;
}

/* t->entry becomes `entry` with the row in it, and without its last one when it
 * is full. */
static int rebuild(struct tops *t, struct slice entry, struct slice order, struct slice row,
                   struct err *err)
{
    struct top top = {0};
    bool full;
    uint32_t pos, end;
    int rc;

    if (entry.len)
        top = *top_of(entry);
    full = top.count == t->rank.spec.to;
    end = full ? top.last : (uint32_t)entry.len;
    pos = entry.len ? place_for(t, entry, order) : sizeof(top);
    buf_clear(&t->entry);
    rc = buf_append(&t->entry, &top, sizeof(top));
    if (!rc && pos > sizeof(top))
        rc = buf_append(&t->entry, entry.ptr + sizeof(top), pos - sizeof(top));
    if (!rc)
        rc = append_record(t, order, row, top.next);
    if (!rc && pos < end)
        rc = buf_append(&t->entry, entry.ptr + pos, end - pos);
    if (rc)
        return err_set(err, rc, "top-N");
    top.next++;
    top.count += !full;
    top.last = find_last(buf_slice(&t->entry));
    memcpy(t->entry.ptr, &top, sizeof(top));
    return 0;
}

/* The batch's list says what each key's entry was when it was first changed. */
static int touch(struct tops *t, struct slice key, struct slice entry, struct err *err)
{
    struct top *top = (struct top *)(void *)t->entry.ptr;

    if (top->touched < t->count && slice_eq(t->touched[top->touched].key, key))
        return 0;
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        struct touched *more = realloc(t->touched, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "top-N");
        t->touched = more;
        t->cap = cap;
    }
    top->touched = (uint32_t)t->count;
    t->touched[t->count++] = (struct touched){arena_slice(&t->arena, key),
                                              entry.len ? arena_slice(&t->arena, entry) : entry};
    if ((key.len && !t->touched[top->touched].key.ptr) ||
        (entry.len && !t->touched[top->touched].before.ptr))
        return err_set(err, ERR_NOMEM, "top-N");
    return 0;
}

static int top_row(struct tops *t, idx_t i, int64_t space, struct err *err)
{
    struct rank *r = &t->rank;
    struct state_key key = {.space = space, .key = vec_row(&r->keys, i)};
    struct slice entry = {0};
    uint32_t len = 0;
    int rc;

    entry.ptr = state_look(t->entries, &key, &len);
    entry.len = entry.ptr ? len : 0;
    if (entry.len && top_of(entry)->count == r->spec.to &&
        !goes_before(t, vec_row(&r->orders, i), record_at(entry, top_of(entry)->last)))
        return 0;
    rc = rebuild(t, entry, vec_row(&r->orders, i), vec_row(&r->rows, i), err);
    if (!rc && r->spec.window_end < 0)
        rc = touch(t, key.key, entry, err);
    return rc ? rc : state_put(t->entries, &key, buf_slice(&t->entry), err);
}

/* ---- what has changed ---- */

/* Walks the records that are put out: those numbered from..to. */
struct cursor {
    struct slice entry;
    uint32_t pos;
    int64_t number; /* of the record at pos */
};

static struct cursor cursor_at(struct slice entry, int64_t from)
{
    struct cursor c = {entry, sizeof(struct top), 1};

    while (c.pos < entry.len && c.number < from) {
        c.pos += record_at(entry, c.pos)->size;
        c.number++;
    }
    return c;
}

static const struct record *cursor_record(const struct cursor *c)
{
    return c->pos < c->entry.len ? record_at(c->entry, c->pos) : NULL;
}

static void cursor_next(struct cursor *c)
{
    c->pos += record_at(c->entry, c->pos)->size;
    c->number++;
}

static int put(struct tops *t, const struct record *record, enum op_kind kind, int64_t number,
               struct err *err)
{
    return rows_out_put(&t->rank.out, row_of(record), slice_of(NULL, 0), kind, number, err);
}

/* Number by number; also the way of a single row, whose change is an update. */
static int put_numbers(struct tops *t, struct slice before, struct slice after, struct err *err)
{
    struct cursor old = cursor_at(before, t->rank.spec.from);
    struct cursor new = cursor_at(after, t->rank.spec.from);
    int rc = 0;

    while (!rc) {
        const struct record *was = cursor_record(&old), *is = cursor_record(&new);

        if (!is) /* rows are not taken back */
            return 0;
        if (!was)
            rc = put(t, is, OP_INSERT, new.number, err);
        else if (was->number != is->number)
            rc = put(t, was, OP_UPDATE_BEFORE, new.number, err);
        if (!rc && was && was->number != is->number)
            rc = put(t, is, OP_UPDATE_AFTER, new.number, err);
        if (was)
            cursor_next(&old);
        cursor_next(&new);
    }
    return rc;
}

static bool holds(struct slice entry, int64_t from, int64_t number)
{
    struct cursor c = cursor_at(entry, from);

    for (; cursor_record(&c); cursor_next(&c))
        if (cursor_record(&c)->number == number)
            return true;
    return false;
}

static int put_missing(struct tops *t, struct slice of, struct slice in, enum op_kind kind,
                       struct err *err)
{
    struct cursor c = cursor_at(of, t->rank.spec.from);
    int rc = 0;

    for (; cursor_record(&c) && !rc; cursor_next(&c))
        if (!holds(in, t->rank.spec.from, cursor_record(&c)->number))
            rc = put(t, cursor_record(&c), kind, 0, err);
    return rc;
}

static int put_changes(struct tops *t, const struct touched *touched, struct err *err)
{
    struct state_key key = {.key = touched->key};
    struct slice after = {0};
    uint32_t len = 0;
    int rc;

    after.ptr = state_look(t->entries, &key, &len);
    after.len = after.ptr ? len : 0;
    if (t->rank.spec.with_number || t->rank.spec.to == 1)
        return put_numbers(t, touched->before, after, err);
    rc = put_missing(t, touched->before, after, OP_DELETE, err);
    return rc ? rc : put_missing(t, after, touched->before, OP_INSERT, err);
}

/* ---- rows and watermarks ---- */

static bool window_space(struct tops *t, duckdb_vector ends, idx_t i, int64_t *space)
{
    if (!vec_is_valid(duckdb_vector_get_validity(ends), i))
        return false;
    *space = rows_ms(((const int64_t *)duckdb_vector_get_data(ends))[i]);
    return *space - 1 > t->fired;
}

static int top_chunk(struct tops *t, duckdb_data_chunk chunk, struct err *err)
{
    struct rank *r = &t->rank;
    duckdb_vector ends = NULL;
    int64_t space = 0;
    int rc = rank_read(r, chunk, err);

    if (r->spec.window_end >= 0)
        ends = duckdb_data_chunk_get_vector(chunk, (idx_t)r->spec.window_end);
    for (idx_t i = 0; i < r->rows.count && !rc; i++) {
        if (!ends || window_space(t, ends, i, &space))
            rc = top_row(t, i, space, err);
        else
            rc = op_late(&r->op, 0, chunk, i, err);
    }
    return rc;
}

static int top_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct tops *t = (struct tops *)op;
    int rc = 0;

    (void)input;
    t->count = 0;
    for (size_t c = 0; c < rows->count && !rc; c++)
        rc = top_chunk(t, rows->chunks[c], err);
    for (size_t i = 0; i < t->count && !rc; i++)
        rc = put_changes(t, &t->touched[i], err);
    if (!rc)
        rc = rows_out_flush(&t->rank.out, err);
    arena_reset(&t->arena);
    return rc;
}

static int fire(struct tops *t, int64_t end, struct err *err)
{
    struct state_walk walk;
    struct slice entry;
    int rc = 0;

    state_walk_space(&walk, t->entries, end);
    while (!rc && state_walk_next(&walk, NULL, NULL, &entry))
        rc = put_numbers(t, slice_of(NULL, 0), entry, err);
    if (!rc)
        rc = rows_out_flush(&t->rank.out, err);
    return rc ? rc : state_drop_space(t->entries, end, err);
}

static int top_until(struct op *op, int64_t mark, struct err *err)
{
    struct tops *t = (struct tops *)op;
    int64_t end;
    int rc = 0;

    if (t->rank.spec.window_end < 0 || mark <= t->fired)
        return 0;
    while (!rc && state_space_from(t->entries, INT64_MIN, &end) && end - 1 <= mark)
        rc = fire(t, end, err);
    t->fired = mark;
    return rc ? rc : rows_save_i64(t->progress, "fired", mark, err);
}

/* Windows of processing time that are open when the input ends are put out too. */
static int top_mark(struct op *op, int64_t mark, struct err *err)
{
    const struct tops *t = (const struct tops *)op;

    return t->rank.spec.by_clock && mark != OP_TIME_MAX ? 0 : top_until(op, mark, err);
}

static int top_tick(struct op *op, struct err *err)
{
    const struct tops *t = (const struct tops *)op;

    return t->rank.spec.by_clock ? top_until(op, op->graph->now_ms - 1, err) : 0;
}

static int top_load(struct op *op, struct err *err)
{
    struct tops *t = (struct tops *)op;

    (void)err;
    if (t->progress)
        t->fired = rows_saved_i64(t->progress, "fired", OP_TIME_MIN);
    return 0;
}

static bool top_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct rank *r = (const struct rank *)op;

    (void)part;
    out->of = 0;
    out->extras[out->extra_count++] = (struct op_view_extra){"number", false};
    if (r->spec.window_end >= 0)
        out->extras[out->extra_count++] = (struct op_view_extra){"waits_until", true};
    return table == 0;
}

static int read_entry(struct tops *t, struct slice entry, int64_t space, struct op_reader *to,
                      struct err *err)
{
    struct cursor c = cursor_at(entry, 1);
    int rc = 0;

    for (; cursor_record(&c) && !rc; cursor_next(&c))
        rc = op_read_row(to, t->rank.codec, row_of(cursor_record(&c)), (int64_t[]){c.number, space},
                         err);
    return rc;
}

static int top_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct tops *t = (struct tops *)op;
    int64_t space = INT64_MIN;
    int rc = 0;

    (void)table;
    while (!rc && state_space_from(t->entries, space, &space)) {
        struct state_walk walk;
        struct slice entry;

        state_walk_space(&walk, t->entries, space);
        while (!rc && state_walk_next(&walk, NULL, NULL, &entry))
            rc = read_entry(t, entry, space, to, err);
        space++;
    }
    return rc;
}

static void top_free(struct op *op)
{
    struct tops *t = (struct tops *)op;

    rank_deinit(&t->rank);
    buf_deinit(&t->entry);
    arena_deinit(&t->arena);
    free(t->touched);
    free(t);
}

static const struct op_ops top_ops = {.name = "top rows",
                                      .rows = top_rows,
                                      .mark = top_mark,
                                      .tick = top_tick,
                                      .load = top_load,
                                      .view = top_view,
                                      .read = top_read,
                                      .rest = rank_rest,
                                      .free = top_free};

int rank_top_new(struct op **out, struct op *below, const struct op_rank_spec *spec,
                 struct err *err)
{
    struct tops *t = calloc(1, sizeof(*t));
    int rc = t ? rank_init(&t->rank, below, spec, spec->window_end < 0, err)
               : err_set(err, ERR_NOMEM, "top-N");

    if (!t)
        return rc;
    t->fired = OP_TIME_MIN;
    rc = rank_add(&t->rank, below, &top_ops, rc, err);
    if (rc)
        return rc;
    *out = &t->rank.op;
    rc = rows_table(*out, "entries", false, spec->ttl_ms, &t->entries, err);
    if (!rc && spec->window_end >= 0)
        rc = rows_table(*out, "progress", false, 0, &t->progress, err);
    return rc;
}
