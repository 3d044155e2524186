/* read.c - what operators remember, as rows: SELECT ... FROM state.JOB.OPERATOR.
 *
 * An operator says which tables it has and walks them; the rows are decoded here into chunks and
 * handed on when there are some. Where a table is what the operator would put out (aggregates), its
 * own way out is used. Nothing of the state changes.
 */
#include <stdio.h>

#include "operator/operator_int.h"

#define ROWS_AT_ONCE 4096

struct op_reader {
    struct vec_columns columns;
    size_t own; /* of them, before the extras */
    struct vec_batch rows;
    op_view_fn *fn;
    void *arg;
};

static bool is_leaf(const struct op *op)
{
    return !op->in[0].from;
}

/* Leaves of shards are the operators below, for all who look. */
static struct op *find_among(const struct op_graph *graph, int number, bool leaves)
{
    struct op *op = graph->last;

    while (op && (op->number != number || op->ops->inner || (!leaves && is_leaf(op))))
        op = op->next;
    return op;
}

/* In shards: the i-th of them; elsewhere there is one. NULL: there is none. */
static struct op *find(const struct op_graph *graph, int number, size_t i)
{
    struct op *found = i ? NULL : find_among(graph, number, true);

    for (const struct op *op = graph->last; op && !found; op = op->next)
        if (op->ops->inner && op->ops->inner(op, i))
            found = find_among(op->ops->inner(op, i), number, false);
    return found;
}

/* The input of shards that one of their leaves is. */
static const struct op *outside(const struct op *shards, const struct op *leaf)
{
    const struct op *first = leaf;

    while (first->next)
        first = first->next;
    return shards->in[leaf->number - first->number].from;
}

static size_t plain_count(const struct vec_columns *columns)
{
    return columns->count - (op_kind_column(columns) >= 0);
}

/* "window aggregate" of number 4: window_aggregate_4. */
static void name_view(const struct op *op, const char *part, struct op_view *view)
{
    snprintf(view->name, sizeof(view->name), "%s_%d%s%s", op->ops->name, op->number,
             part ? "_" : "", part ? part : "");
    for (char *c = view->name; *c; c++)
        *c = (char)(*c == ' ' ? '_' : *c);
}

static bool view_of(const struct op *shards, const struct op *op, int table, struct op_view *view)
{
    const char *part = NULL;

    *view = (struct op_view){.op = op->number, .table = table, .of = -1};
    if (!op->ops->view || !op->ops->view(op, table, view, &part))
        return false;
    if (view->of >= 0) {
        const struct op *below = op->in[view->of].from;

        view->of = shards && is_leaf(below) ? outside(shards, below)->number : below->number;
        if (!view->which)
            view->count = plain_count(&below->columns);
    } else {
        view->of = op->number;
        if (!view->which)
            view->count = plain_count(&op->columns);
    }
    name_view(op, part, view);
    return true;
}

static size_t views_of(const struct op *shards, const struct op_graph *graph, struct op_view *out,
                       size_t max)
{
    size_t count = 0;

    for (const struct op *op = graph->last; op; op = op->next) {
        if (op->ops->inner)
            count += views_of(op, op->ops->inner(op, 0), out + count, max - count);
        for (int table = 0; count < max && view_of(shards, op, table, &out[count]); table++)
            count++;
    }
    return count;
}

size_t op_graph_views(const struct op_graph *graph, struct op_view *out, size_t max)
{
    return views_of(NULL, graph, out, max);
}

/* Names of the operator's own may meet those of what is known beside. */
static const char *numbered(struct vec_columns *columns, char name[24])
{
    snprintf(name, 24, "v%zu", columns->count);
    return name;
}

int op_view_columns(const struct op_graph *graph, const struct op_view *view,
                    struct vec_columns *out, struct err *err)
{
    const struct op *of = find(graph, view->of, 0);
    char name[24];
    int rc = 0;

    for (size_t i = 0; i < view->count && !rc; i++) {
        const struct vec_column *column = &of->columns.list[view->which ? view->which[i] : i];

        rc = vec_columns_add(out, numbered(out, name), vec_type_copy(column->type));
    }
    for (size_t i = 0; i < view->extra_count && !rc; i++)
        rc = vec_columns_add(out, numbered(out, name),
                             duckdb_create_logical_type(view->extras[i].time ? DUCKDB_TYPE_TIMESTAMP
                                                                             : DUCKDB_TYPE_BIGINT));
    return rc ? err_set(err, ERR_NOMEM, "columns of %s", view->name) : 0;
}

/* ---- rows ---- */

static int hand_on(struct op_reader *to, struct err *err)
{
    int rc = to->rows.rows ? to->fn(to->arg, &to->rows, err) : 0;

    vec_batch_clear(&to->rows);
    return rc;
}

/* A chunk with room for a row more. */
static duckdb_data_chunk room(struct op_reader *to, idx_t *row)
{
    duckdb_data_chunk chunk = to->rows.count ? to->rows.chunks[to->rows.count - 1] : NULL;

    *row = chunk ? duckdb_data_chunk_get_size(chunk) : 0;
    if (chunk && *row < vec_chunk_rows())
        return chunk;
    chunk = vec_chunk_new(&to->columns);
    *row = 0;
    if (chunk && vec_batch_add(&to->rows, chunk))
        duckdb_destroy_data_chunk(&chunk); /* NULL then */
    return chunk;
}

int op_read_row(struct op_reader *to, const struct vec_codec *codec, struct slice bytes,
                const int64_t *extras, struct err *err)
{
    int rc = to->rows.rows >= ROWS_AT_ONCE ? hand_on(to, err) : 0;
    duckdb_data_chunk chunk;
    idx_t row;

    if (rc)
        return rc;
    chunk = room(to, &row);
    if (!chunk)
        return err_set(err, ERR_NOMEM, "rows of state");
    rc = vec_rows_decode(codec, &bytes, 1, chunk, NULL, 0, row, err);
    for (size_t i = to->own; i < to->columns.count && !rc; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)i);
        int64_t value = extras[i - to->own];
        bool time = duckdb_get_type_id(to->columns.list[i].type) == DUCKDB_TYPE_TIMESTAMP;

        if (time && (value == OP_TIME_MIN || value == OP_TIME_MAX))
            vec_set_null(vector, row);
        else
            ((int64_t *)duckdb_vector_get_data(vector))[row] = time ? value * 1000 : value;
    }
    duckdb_data_chunk_set_size(chunk, row + 1);
    to->rows.rows++;
    return rc;
}

duckdb_data_chunk op_read_last(struct op_reader *to, idx_t *row)
{
    duckdb_data_chunk chunk = to->rows.count ? to->rows.chunks[to->rows.count - 1] : NULL;

    *row = chunk ? duckdb_data_chunk_get_size(chunk) - 1 : 0;
    return chunk;
}

/* Without the column of kinds. */
int op_read_out(struct op_reader *to, struct op *op, struct err *err)
{
    int rc = hand_on(to, err);

    for (size_t i = 0; i < op->out.count && !rc; i++) {
        duckdb_data_chunk chunk = vec_chunk_new(&to->columns), from = op->out.chunks[i];

        if (!chunk || vec_batch_add(&to->rows, chunk))
            return err_set(err, ERR_NOMEM, "rows of state");
        for (idx_t c = 0; c < to->columns.count; c++)
            duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(chunk, c),
                                           duckdb_data_chunk_get_vector(from, c));
        duckdb_data_chunk_set_size(chunk, duckdb_data_chunk_get_size(from));
    }
    to->rows.rows = op->out.rows;
    if (!rc)
        rc = hand_on(to, err);
    vec_batch_clear(&op->out);
    return rc;
}

int op_read_counted(struct op_reader *to, struct state_table *table, const struct vec_codec *codec,
                    struct err *err)
{
    int64_t space = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(table, space, &space)) {
        struct state_walk walk;
        struct slice row, value;

        state_walk_space(&walk, table, space);
        while (!rc && state_walk_next(&walk, NULL, &row, &value)) {
            int64_t times;

            if (value.len < sizeof(times))
                return err_set(err, ERR_CORRUPT, "a row of state is kept in %zu bytes", value.len);
            memcpy(&times, value.ptr, sizeof(times));
            rc = op_read_row(to, codec, row, (int64_t[]){times, space}, err);
        }
        if (space++ == INT64_MAX)
            break;
    }
    return rc;
}

int op_graph_read(struct op_graph *graph, const struct op_view *view, op_view_fn *fn, void *arg,
                  struct err *err)
{
    struct op_reader to = {.own = view->count, .fn = fn, .arg = arg};
    int rc = op_view_columns(graph, view, &to.columns, err);
    struct op *op;

    for (size_t i = 0; !rc && (op = find(graph, view->op, i)); i++)
        rc = op->ops->read(op, view->table, &to, err);
    if (!rc)
        rc = hand_on(&to, err);
    vec_batch_deinit(&to.rows);
    vec_columns_free(&to.columns);
    return rc;
}
