/* graph.c - operators wired together, and what goes up through them: rows, watermarks. */
#include <stdio.h>

#include "operator/operator_int.h"

int op_graph_new(struct op_graph **out, const struct op_graph_options *options, struct err *err)
{
    struct op_graph *graph = *out = calloc(1, sizeof(*graph));

    if (!graph)
        return err_set(err, ERR_NOMEM, "a graph of operators");
    graph->options = *options;
    graph->now_ms = OP_TIME_MIN;
    if (!options->shard_count)
        return 0;
    graph->shards = calloc(options->shard_count, sizeof(*graph->shards));
    if (!graph->shards) {
        op_graph_free(graph);
        *out = NULL;
        return err_set(err, ERR_NOMEM, "a graph of operators");
    }
    memcpy(graph->shards, options->shards, options->shard_count * sizeof(*graph->shards));
    graph->options.shards = graph->shards;
    return 0;
}

static void free_op(struct op *op)
{
    vec_columns_free(&op->columns);
    vec_batch_deinit(&op->out);
    free(op->in);
    op->ops->free(op);
}

void op_graph_free(struct op_graph *graph)
{
    if (!graph)
        return;
    while (graph->last) {
        struct op *op = graph->last;

        graph->last = op->next;
        free_op(op);
    }
    free(graph->shards);
    free(graph);
}

int op_add(struct op *op, struct op_graph *graph, struct op *const *below, int count,
           const struct op_ops *ops, struct err *err)
{
    op->inputs = count ? count : 1;
    op->in = calloc((size_t)op->inputs, sizeof(*op->in));
    if (!op->in)
        return err_set(err, ERR_NOMEM, "inputs of an operator");
    op->mark = OP_TIME_MIN;
    for (int i = 0; i < op->inputs; i++)
        op->in[i] = (struct op_input){.to = op, .mark = OP_TIME_MIN};
    op->ops = ops;
    op->graph = graph;
    op->number = graph->count++;
    op->next = graph->last;
    graph->last = op;
    for (int i = 0; i < count; i++) {
        struct op_input **end = &below[i]->above;

        while (*end)
            end = &(*end)->also;
        *end = &op->in[i];
        op->in[i].from = below[i];
    }
    return 0;
}

int op_table_open(struct op *op, const struct state_table_options *options,
                  struct state_table **out, struct err *err)
{
    struct state_table_options full = *options;
    char name[64];

    snprintf(name, sizeof(name), "%d.%s", op->number, options->name);
    full.name = name;
    return state_table_open(op->graph->options.state, &full, out, err);
}

int op_table(struct op *op, const char *name, bool grouped, struct state_table **out,
             struct err *err)
{
    return op_table_open(op, &(struct state_table_options){.name = name, .grouped = grouped}, out,
                         err);
}

int op_kind_column(const struct vec_columns *columns)
{
    return columns->count && !strcmp(columns->list[columns->count - 1].name, OP_KIND)
               ? (int)columns->count - 1
               : -1;
}

duckdb_data_chunk op_out_rows(struct op *op, idx_t *count, idx_t *row)
{
    duckdb_data_chunk chunk = op->out.count ? op->out.chunks[op->out.count - 1] : NULL;

    *row = chunk ? duckdb_data_chunk_get_size(chunk) : 0;
    if (!chunk || *row == vec_chunk_rows()) {
        chunk = vec_chunk_new(&op->columns);
        if (!chunk)
            return NULL;
        if (vec_batch_add(&op->out, chunk)) {
            duckdb_destroy_data_chunk(&chunk);
            return NULL;
        }
        *row = 0;
    }
    if (*count > vec_chunk_rows() - *row)
        *count = vec_chunk_rows() - *row;
    duckdb_data_chunk_set_size(chunk, *row + *count);
    op->out.rows += (int64_t)*count;
    return chunk;
}

duckdb_data_chunk op_out_row(struct op *op, idx_t *row)
{
    idx_t one = 1;

    return op_out_rows(op, &one, row);
}

int op_late(struct op *op, int input, duckdb_data_chunk chunk, idx_t row, struct err *err)
{
    const struct op_graph_options *options = &op->graph->options;

    op->late++;
    if (!options->late || !op->in[input].from)
        return 0;
    return options->late(options->late_arg,
                         &(struct op_late_row){.op = op->number,
                                               .input = input,
                                               .name = op->ops->name,
                                               .watermark_ms = op->mark,
                                               .columns = &op->in[input].from->columns,
                                               .chunk = chunk,
                                               .row = row},
                         err);
}

int op_graph_load(struct op_graph *graph, struct err *err)
{
    int rc = 0;

    for (struct op *op = graph->last; op && !rc; op = op->next)
        if (op->ops->load)
            rc = op->ops->load(op, err);
    return rc;
}

/* ---- what goes up ---- */

static int give(struct op_input *in, const struct vec_batch *rows, struct err *err);

/* Hands what an operator has put out to those above. `before`: rows of the root that were there
 * already and are counted. */
static int hand_up(struct op *op, int64_t before, struct err *err)
{
    int rc = 0;

    op->rows_out += op->out.rows - before;
    if (!op->above)
        return 0;
    for (struct op_input *in = op->above; in && op->out.rows && !rc; in = in->also)
        rc = give(in, &op->out, err);
    vec_batch_clear(&op->out);
    return rc;
}

static int64_t now_ns(const struct op *op)
{
    struct clock *clock = op->graph->options.clock;

    return clock ? clock_mono_ns(clock) : 0;
}

static int give(struct op_input *in, const struct vec_batch *rows, struct err *err)
{
    struct op *op = in->to;
    int64_t began = now_ns(op), before = op->out.rows;
    int rc;

    op->rows_in += rows->rows;
    rc = op->ops->rows(op, (int)(in - op->in), rows, err);
    op->busy_ns += now_ns(op) - began;
    return rc ? rc : hand_up(op, before, err);
}

/* The lowest of the inputs that are not idle; all idle: what it was. */
static int64_t lowest(const struct op *op)
{
    int64_t low = OP_TIME_MAX;
    bool any = false;

    for (int i = 0; i < op->inputs; i++) {
        if (op->in[i].idle)
            continue;
        any = true;
        if (op->in[i].mark < low)
            low = op->in[i].mark;
    }
    return any ? low : op->mark;
}

static int mark_input(struct op_input *in, int64_t mark, bool idle, struct err *err)
{
    struct op *op = in->to;
    bool all_idle = true;
    int64_t low, before = op->out.rows;
    int rc = 0;

    if (mark > in->mark)
        in->mark = mark;
    in->idle = idle;
    low = lowest(op);
    for (int i = 0; i < op->inputs; i++)
        all_idle &= op->in[i].idle;
    if (low > op->mark) {
        op->mark = low;
        if (op->ops->mark) {
            int64_t began = now_ns(op);

            rc = op->ops->mark(op, low, err);
            op->busy_ns += now_ns(op) - began;
        }
        if (!rc)
            rc = hand_up(op, before, err);
    }
    low = op->mark;
    if (low != OP_TIME_MIN && low != OP_TIME_MAX)
        low -= op->delay_ms;
    for (struct op_input *up = op->above; up && !rc; up = up->also)
        rc = mark_input(up, low, all_idle, err);
    return rc;
}

int op_graph_rows(struct op *leaf, const struct vec_batch *rows, struct err *err)
{
    return give(&leaf->in[0], rows, err);
}

int op_graph_mark(struct op *leaf, int64_t watermark_ms, struct err *err)
{
    return mark_input(&leaf->in[0], watermark_ms, false, err);
}

int op_graph_idle(struct op *leaf, bool idle, struct err *err)
{
    return mark_input(&leaf->in[0], OP_TIME_MIN, idle, err);
}

/* Below before above: what a tick puts out is there before the one above hears of it. */
static int tick(struct op *op, struct err *err)
{
    int rc = op->next ? tick(op->next, err) : 0;
    int64_t before = op->out.rows;

    if (rc || !op->ops->tick)
        return rc;
    rc = op->ops->tick(op, err);
    return rc ? rc : hand_up(op, before, err);
}

int op_graph_clock(struct op_graph *graph, int64_t now_ms, struct err *err)
{
    int rc;

    if (now_ms <= graph->now_ms)
        return 0;
    graph->now_ms = now_ms;
    rc = state_tick(graph->options.state, now_ms, err);
    return rc ? rc : tick(graph->last, err);
}

bool op_graph_by_clock(const struct op_graph *graph)
{
    for (const struct op *op = graph->last; op; op = op->next)
        if (op->ops->tick && !op->by_rows)
            return true;
    return false;
}

void op_graph_rest(struct op_graph *graph)
{
    for (struct op *op = graph->last; op; op = op->next) {
        vec_batch_deinit(&op->out);
        if (op->ops->rest)
            op->ops->rest(op);
    }
}

struct vec_batch *op_graph_out(struct op_graph *graph)
{
    return &graph->last->out;
}

const struct vec_columns *op_graph_columns(const struct op_graph *graph)
{
    return &graph->last->columns;
}

int op_above(const struct op *op)
{
    const struct op *above = op->above ? op->above->to : NULL;

    if (!above)
        return -1;
    return above->ops->entry ? above->ops->entry(above, (int)(op->above - above->in))
                             : above->number;
}

static struct op_info info_of(const struct op_graph *graph, const struct op *op)
{
    char tables[16];

    snprintf(tables, sizeof(tables), "%d.", op->number);
    return (struct op_info){.name = op->ops->name,
                            .rows_in = op->rows_in,
                            .rows_out = op->rows_out,
                            .late = op->late,
                            .watermark_ms = op->mark,
                            .number = op->number,
                            .above = op_above(op),
                            .busy_ns = op->busy_ns,
                            .shards = 1,
                            .state_bytes = state_bytes_of(graph->options.state, tables)};
}

size_t op_graph_info(const struct op_graph *graph, struct op_info *out, size_t max)
{
    size_t count = 0;

    for (const struct op *op = graph->last; op && count < max; op = op->next) {
        if (op->ops->info)
            count += op->ops->info(op, out + count, max - count);
        else
            out[count++] = info_of(graph, op);
    }
    return count;
}

/* ---- the two simplest operators ---- */

static int leaf_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    (void)input;
    for (size_t i = 0; i < rows->count; i++) {
        duckdb_data_chunk chunk = vec_chunk_new(&op->columns);

        if (!chunk || vec_batch_add(&op->out, chunk))
            return err_set(err, ERR_NOMEM, "rows of a source");
        vec_chunk_refer(chunk, rows->chunks[i]);
    }
    op->out.rows = rows->rows;
    return 0;
}

static void leaf_free(struct op *op)
{
    free(op);
}

static const struct op_ops leaf_ops = {.name = "source", .rows = leaf_rows, .free = leaf_free};

int op_leaf_new(struct op **out, struct op_graph *graph, const struct vec_columns *columns,
                struct err *err)
{
    struct op *op = *out = calloc(1, sizeof(*op));

    if (!op || vec_columns_copy(&op->columns, columns)) {
        free(op);
        return err_set(err, ERR_NOMEM, "a source of a graph");
    }
    if (op_add(op, graph, NULL, 0, &leaf_ops, err)) {
        vec_columns_free(&op->columns);
        free(op);
        return ERR_NOMEM;
    }
    return 0;
}

struct fragment_op {
    struct op op;
    struct vec_fragment *fragment;
};

static int fragment_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct fragment_op *f = (struct fragment_op *)op;
    int rc = vec_fragment_watermark(f->fragment, op->mark, err);

    (void)input;
    return rc ? rc : vec_fragment_run(f->fragment, rows, &op->out, err);
}

static void fragment_free(struct op *op)
{
    vec_fragment_free(((struct fragment_op *)op)->fragment);
    free(op);
}

static const struct op_ops fragment_ops = {
    .name = "fragment", .rows = fragment_rows, .free = fragment_free};

int op_fragment_new(struct op **out, struct op *below, const char *select, struct err *err)
{
    struct fragment_op *f = calloc(1, sizeof(*f));
    int rc =
        f ? vec_fragment_new(&f->fragment, below->graph->options.conn, select, &below->columns, err)
          : err_set(err, ERR_NOMEM, "a fragment");

    if (!rc && vec_columns_copy(&f->op.columns, vec_fragment_columns(f->fragment))) {
        vec_fragment_free(f->fragment);
        rc = err_set(err, ERR_NOMEM, "a fragment");
    }
    if (!rc)
        rc = op_add(&f->op, below->graph, &below, 1, &fragment_ops, err);
    if (rc && f) {
        vec_columns_free(&f->op.columns);
        vec_fragment_free(f->fragment);
        free(f);
    }
    if (!rc)
        *out = &f->op;
    return rc;
}

/* ---- rows of several inputs ---- */

/* Vectors are shared; only a missing column of kinds is made: 0 is +I. */
static int union_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    (void)input;
    for (size_t i = 0; i < rows->count; i++) {
        duckdb_data_chunk chunk = vec_chunk_new(&op->columns), from = rows->chunks[i];

        if (!chunk || vec_batch_add(&op->out, chunk))
            return err_set(err, ERR_NOMEM, "rows of a union");
        if (duckdb_data_chunk_get_column_count(from) == op->columns.count) {
            vec_chunk_refer(chunk, from);
            continue;
        }
        for (idx_t c = 0; c + 1 < op->columns.count; c++)
            duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(chunk, c),
                                           duckdb_data_chunk_get_vector(from, c));
        memset(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, op->columns.count - 1)),
               OP_INSERT, duckdb_data_chunk_get_size(from));
        duckdb_data_chunk_set_size(chunk, duckdb_data_chunk_get_size(from));
    }
    op->out.rows += rows->rows;
    return 0;
}

static const struct op_ops union_ops = {.name = "union", .rows = union_rows, .free = leaf_free};

int op_union_new(struct op **out, struct op *const *below, size_t count, struct err *err)
{
    struct op *op = calloc(1, sizeof(*op));
    const struct vec_columns *widest = &below[0]->columns;
    int rc = 0;

    for (size_t i = 1; i < count; i++)
        if (op_kind_column(&below[i]->columns) >= 0)
            widest = &below[i]->columns;
    if (!op || vec_columns_copy(&op->columns, widest))
        rc = err_set(err, ERR_NOMEM, "a union");
    if (!rc)
        rc = op_add(op, below[0]->graph, below, (int)count, &union_ops, err);
    if (rc && op) {
        vec_columns_free(&op->columns);
        free(op);
    }
    if (!rc)
        *out = op;
    return rc;
}
