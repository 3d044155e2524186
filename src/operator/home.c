/* home.c - entries of state by shard, for a graph with another number of them. */
#include "operator/home.h"

#include <stdio.h>

#include "operator/rows_out.h"
#include "operator/shards_int.h"

static bool is_leaf(const struct op *op)
{
    return !op->in[0].from;
}

/* The operator of that number, and the shards that it is in; *around NULL: none. */
static const struct op *find_op(const struct op_graph *graph, int number, const struct op **around)
{
    const struct op *found = NULL;

    for (const struct op *op = graph->last; op && !found; op = op->next) {
        const struct op *ignored;

        if (op->ops->inner)
            found = find_op(op->ops->inner(op, 0), number, &ignored);
        else if (op->number == number && !is_leaf(op))
            return op;
        if (found)
            *around = op;
    }
    return found;
}

static bool waits(const struct op *op, const char *name)
{
    for (const char *const *each = op->ops->waiting; each && *each; each++)
        if (!strcmp(*each, name))
            return true;
    return false;
}

/* The bytes of the keys within a waiting row, whose number becomes one of all shards'. */
static int rename_waiting(struct op_moving *m, struct slice *keys, struct err *err)
{
    const struct waiting_row *row = (const void *)m->value.ptr;
    struct waiting_row *renamed;

    if (m->value.len < sizeof(*row) ||
        m->value.len != sizeof(*row) + 16 + (uint64_t)row->order_len + row->key_len + row->row_len)
        return err_set(err, ERR_CORRUPT, "a row that waits is kept in %zu bytes", m->value.len);
    buf_clear(&m->renamed);
    if (buf_append_slice(&m->renamed, m->value))
        return err_set(err, ERR_NOMEM, "a row that waits");
    renamed = (struct waiting_row *)(void *)m->renamed.ptr;
    if (m->of > 1)
        waiting_renumber(renamed, row->number * (int64_t)m->of + (int64_t)m->from);
    m->number = renamed->number;
    m->key.key = slice_of(&m->number, sizeof(m->number));
    m->value = buf_slice(&m->renamed);
    *keys = waiting_key(renamed);
    return 0;
}

int op_graph_home(struct op_graph *graph, struct op_moving *m, struct err *err)
{
    const struct op *around = NULL, *op;
    struct slice keys = m->key.key;
    const char *name = strchr(m->table, '.');
    int number, rc = 0;

    op = name && sscanf(m->table, "%d.", &number) == 1 ? find_op(graph, number, &around) : NULL;
    if (!op)
        return err_set(err, ERR_CORRUPT, "no operator has a table %s", m->table);
    name++;
    m->home = around ? OP_HOME_ALL : OP_HOME_GRAPH;
    if (waits(op, name))
        rc = rename_waiting(m, &keys, err);
    else if (!strcmp(name, "lags") && keys.len)
        keys = slice_of(keys.ptr + 1, keys.len - 1);
    if (rc || !around || !strcmp(name, "progress"))
        return rc;
    rc = shards_home(around, keys, &m->home, err);
    return rc ? err_wrap(err, rc, "table %s", m->table) : 0;
}
