/* waiting.c - rows that wait until the watermark has passed their time, in the order they will go.
 */
#include "operator/rows_out.h"

static struct slice place_of(const struct waiting_row *row)
{
    return slice_of(row->bytes, 16 + row->order_len);
}

static struct state_key name_of(const int64_t *number)
{
    return (struct state_key){.key = slice_of(number, sizeof(*number))};
}

void waiting_deinit(struct waiting *w)
{
    sorted_deinit(&w->sorted);
    free(w->taken);
}

int waiting_open(struct waiting *w, struct op *op, const char *name, struct err *err)
{
    return op_table(op, name, false, &w->table, err);
}

int waiting_load(struct waiting *w, struct err *err)
{
    struct state_walk walk;
    struct slice value;

    state_walk_space(&walk, w->table, 0);
    while (state_walk_next(&walk, NULL, NULL, &value)) {
        struct waiting_row *row = (struct waiting_row *)(uintptr_t)value.ptr;

        if (value.len < sizeof(*row) ||
            value.len != sizeof(*row) + 16 + (uint64_t)row->order_len + row->key_len + row->row_len)
            return err_set(err, ERR_CORRUPT, "a row that waits is kept in %zu bytes", value.len);
        if (sorted_add(&w->sorted, place_of(row), row))
            return err_set(err, ERR_NOMEM, "rows that wait");
        if (row->number >= w->next)
            w->next = row->number + 1;
    }
    return 0;
}

int waiting_add(struct waiting *w, int64_t ms, struct slice order, struct slice key,
                struct slice bytes, enum op_kind kind, struct err *err)
{
    int64_t number = w->next++;
    struct state_key name = name_of(&number);
    struct waiting_row *row;
    uint8_t *to;
    void *value;
    bool fresh;
    int rc =
        state_edit(w->table, &name, (uint32_t)(sizeof(*row) + 16 + order.len + key.len + bytes.len),
                   &value, &fresh, err);

    if (rc)
        return rc;
    row = value;
    *row = (struct waiting_row){.ms = ms,
                                .number = number,
                                .order_len = (uint32_t)order.len,
                                .key_len = (uint32_t)key.len,
                                .row_len = (uint32_t)bytes.len,
                                .kind = kind};
    to = row->bytes;
    order_put_i64(to, ms);
    if (order.len)
        memcpy(to + 8, order.ptr, order.len);
    order_put_i64(to + 8 + order.len, number);
    to += 16 + order.len;
    if (key.len)
        memcpy(to, key.ptr, key.len);
    memcpy(to + key.len, bytes.ptr, bytes.len);
    return sorted_add(&w->sorted, place_of(row), row) ? err_set(err, ERR_NOMEM, "rows that wait")
                                                      : 0;
}

void waiting_renumber(struct waiting_row *row, int64_t number)
{
    row->number = number;
    order_put_i64(row->bytes + 8 + row->order_len, number);
}

int waiting_take(struct waiting *w, int64_t until_ms, const struct waiting_row **out,
                 struct err *err)
{
    const struct sorted_item *first = sorted_first(&w->sorted);

    *out = NULL;
    if (!first || ((const struct waiting_row *)first->what)->ms > until_ms)
        return 0;
    if (w->taken_count == w->taken_cap) {
        size_t cap = w->taken_cap ? w->taken_cap * 2 : 256;
        struct waiting_row **more = realloc(w->taken, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "rows that wait");
        w->taken = more;
        w->taken_cap = cap;
    }
    *out = w->taken[w->taken_count++] = first->what;
    sorted_drop_first(&w->sorted);
    return 0;
}

int waiting_release(struct waiting *w, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < w->taken_count && !rc; i++) {
        int64_t number = w->taken[i]->number;
        struct state_key name = name_of(&number);

        rc = state_drop(w->table, &name, err);
    }
    w->taken_count = 0;
    return rc;
}

int waiting_read(const struct waiting *w, const struct vec_codec *codec, bool headed,
                 struct op_reader *to, struct err *err)
{
    struct state_walk walk;
    struct slice value;
    int rc = 0;

    state_walk_space(&walk, w->table, 0);
    while (!rc && state_walk_next(&walk, NULL, NULL, &value)) {
        const struct waiting_row *row = (const struct waiting_row *)(const void *)value.ptr;
        struct slice bytes = waiting_bytes(row);
        uint32_t head = 0;

        if (headed) {
            memcpy(&head, bytes.ptr, sizeof(head));
            head += sizeof(head);
        }
        rc = op_read_row(to, codec, slice_of(bytes.ptr + head, bytes.len - head), &row->ms, err);
    }
    return rc;
}
