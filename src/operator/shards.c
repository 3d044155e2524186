/* shards.c - one operator that is many: rows split by their keys, fed to graphs of operators that
 * run on the graph's team, and put together again. */
#include "operator/shards_int.h"

#include <pthread.h>

#include "base/team.h"

#define ROWS_ALONE 256 /* fewer are not worth waking anybody for */
#define TICK_MS    10  /* the clock of shards that get no rows goes on so often */

struct shard {
    struct shards *shards;
    struct op_graph *graph;
    struct op **leaves;
    struct vec_batch in, taken, given;
    struct settle settle;
};

struct shards {
    struct op op;
    struct split *splits; /* one an input */
    struct shard *list;
    size_t count;
    bool settles; /* changes come in: they go out summed up */
    int input;    /* that is given rows */
    int64_t ticked_ms;
    pthread_mutex_t late; /* one row at a time is handed to whoever keeps those */
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "shards of operators");
}

static struct team *team_for(const struct shards *s, int64_t rows)
{
    return rows < ROWS_ALONE ? NULL : s->op.graph->options.team;
}

/* ---- what the shards gave ---- */

static int settle_shard(struct shard *shard, struct err *err)
{
    return settle_rows(&shard->settle, op_graph_out(shard->graph), &shard->taken, &shard->given,
                       err);
}

static int collect(struct shards *s, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->count && !rc; i++)
        rc = shards_move(&s->op.out,
                         s->settles ? &s->list[i].taken : op_graph_out(s->list[i].graph), err);
    for (size_t i = 0; i < s->count && s->settles && !rc; i++)
        rc = shards_move(&s->op.out, &s->list[i].given, err);
    return rc;
}

/* ---- what the shards are told ---- */

static int split_one(void *arg, size_t chunk, struct err *err)
{
    struct shards *s = arg;

    return split_chunk(&s->splits[s->input], chunk, err);
}

static int feed_shard(void *arg, size_t i, struct err *err)
{
    struct shards *s = arg;
    struct shard *shard = &s->list[i];
    int rc = op_graph_clock(shard->graph, s->op.graph->now_ms, err);

    if (!rc)
        rc = split_take(&s->splits[s->input], i, &shard->in, err);
    if (!rc && shard->in.rows)
        rc = op_graph_rows(shard->leaves[s->input], &shard->in, err);
    vec_batch_clear(&shard->in);
    return rc || !s->settles ? rc : settle_shard(shard, err);
}

static int shards_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct shards *s = (struct shards *)op;
    struct team *team = team_for(s, rows->rows);
    int rc = split_begin(&s->splits[input], rows, err);

    s->input = input;
    if (!rc)
        rc = team_run(team, split_one, s, rows->count, err);
    if (!rc)
        rc = team_run(team, feed_shard, s, s->count, err);
    s->ticked_ms = op->graph->now_ms;
    return rc ? rc : collect(s, err);
}

/* Each input's own: what is lowest is the shards' to say, and they say the same. */
static int mark_shard(void *arg, size_t i, struct err *err)
{
    struct shards *s = arg;
    struct shard *shard = &s->list[i];
    int rc = op_graph_clock(shard->graph, s->op.graph->now_ms, err);

    for (int n = 0; n < s->op.inputs && !rc; n++) {
        const struct op_input *in = &s->op.in[n];

        rc = op_graph_mark(shard->leaves[n], in->mark, err);
        if (!rc && in->idle)
            rc = op_graph_idle(shard->leaves[n], true, err);
    }
    return rc || !s->settles ? rc : settle_shard(shard, err);
}

static int shards_mark(struct op *op, int64_t mark, struct err *err)
{
    struct shards *s = (struct shards *)op;
    const struct op *root = s->list[0].graph->last;
    int rc = team_run(op->graph->options.team, mark_shard, s, s->count, err);

    /* What goes up is what would without shards: the last operator's, less what its rows may be
     * behind it. */
    if (mark != OP_TIME_MAX && mark != OP_TIME_MIN)
        op->delay_ms = mark - root->mark + root->delay_ms;
    return rc ? rc : collect(s, err);
}

static int tick_shard(void *arg, size_t i, struct err *err)
{
    struct shards *s = arg;
    int rc = op_graph_clock(s->list[i].graph, s->op.graph->now_ms, err);

    return rc || !s->settles ? rc : settle_shard(&s->list[i], err);
}

static int shards_tick(struct op *op, struct err *err)
{
    struct shards *s = (struct shards *)op;
    int64_t now_ms = op->graph->now_ms;
    int rc;

    if (s->ticked_ms != OP_TIME_MIN && now_ms - s->ticked_ms < TICK_MS)
        return 0;
    s->ticked_ms = now_ms;
    rc = team_run(op->graph->options.team, tick_shard, s, s->count, err);
    return rc ? rc : collect(s, err);
}

static int load_shard(void *arg, size_t i, struct err *err)
{
    return op_graph_load(((struct shards *)arg)->list[i].graph, err);
}

static int shards_load(struct op *op, struct err *err)
{
    struct shards *s = (struct shards *)op;

    return team_run(op->graph->options.team, load_shard, s, s->count, err);
}

static int late_row(void *arg, const struct op_late_row *late, struct err *err)
{
    struct shards *s = arg;
    const struct op_graph_options *options = &s->op.graph->options;
    int rc;

    pthread_mutex_lock(&s->late);
    rc = options->late(options->late_arg, late, err);
    pthread_mutex_unlock(&s->late);
    return rc;
}

/* ---- what is shown: the operators inside, as if each were one ---- */

static size_t shards_info(const struct op *op, struct op_info *out, size_t max)
{
    const struct shards *s = (const struct shards *)op;
    size_t leaves = (size_t)op->inputs, count = 0;
    int threads = team_threads(op->graph->options.team);

    for (size_t i = 0; i < s->count; i++) {
        struct op_info one[OP_SHARD_OPS + OP_SHARD_INPUTS];
        size_t found = op_graph_info(s->list[i].graph, one, COUNT_OF(one));

        count = found > leaves ? found - leaves : 0;
        if (count > max)
            count = max;
        for (size_t k = 0; k < count; k++) {
            if (i == 0) {
                out[k] = one[k];
                continue;
            }
            out[k].rows_in += one[k].rows_in;
            out[k].rows_out += one[k].rows_out;
            out[k].late += one[k].late;
            out[k].busy_ns += one[k].busy_ns;
            out[k].state_bytes += one[k].state_bytes;
        }
    }
    for (size_t k = 0; k < count; k++) {
        out[k].busy_ns /= threads < (int)s->count ? threads : (int)s->count;
        out[k].shards = (int)s->count;
    }
    if (count)
        out[0].above = op->above ? op_above(op) : -1;
    return count;
}

static int shards_entry(const struct op *op, int input)
{
    return op_above(((const struct shards *)op)->list[0].leaves[input]);
}

static struct op_graph *shards_inner(const struct op *op, size_t i)
{
    const struct shards *s = (const struct shards *)op;

    return i < s->count ? s->list[i].graph : NULL;
}

static void shards_rest(struct op *op)
{
    struct shards *s = (struct shards *)op;

    for (size_t i = 0; i < s->count; i++) {
        struct shard *shard = &s->list[i];

        op_graph_rest(shard->graph);
        vec_batch_deinit(&shard->in);
        vec_batch_deinit(&shard->taken);
        vec_batch_deinit(&shard->given);
        settle_rest(&shard->settle);
    }
    for (int n = 0; n < op->inputs; n++)
        split_rest(&s->splits[n]);
}

/* ---- made, freed ---- */

static void shards_free(struct op *op)
{
    struct shards *s = (struct shards *)op;

    for (size_t i = 0; s->list && i < s->count; i++) {
        struct shard *shard = &s->list[i];

        op_graph_free(shard->graph);
        free(shard->leaves);
        vec_batch_deinit(&shard->in);
        vec_batch_deinit(&shard->taken);
        vec_batch_deinit(&shard->given);
        settle_deinit(&shard->settle);
    }
    for (int n = 0; s->splits && n < op->inputs; n++)
        split_deinit(&s->splits[n]);
    pthread_mutex_destroy(&s->late);
    free(s->list);
    free(s->splits);
    free(s);
}

static const struct op_ops shards_ops = {.name = "shards",
                                         .rows = shards_rows,
                                         .mark = shards_mark,
                                         .tick = shards_tick,
                                         .load = shards_load,
                                         .info = shards_info,
                                         .entry = shards_entry,
                                         .inner = shards_inner,
                                         .rest = shards_rest,
                                         .free = shards_free};

/* The operators inside are numbered as they would be without shards, whose number is that of the
 * last one: so their tables have the same names. Leaves inside are nobody's to see. */
static int make_shard(struct shards *s, size_t number, struct op *const *below, size_t input_count,
                      op_shard_make_fn *make, void *arg, struct err *err)
{
    const struct op_graph_options *outer = &below[0]->graph->options;
    struct shard *shard = &s->list[number];
    struct op_graph_options options = {.conn = outer->shards[number].conn,
                                       .state = outer->shards[number].state,
                                       .late = outer->late ? late_row : NULL,
                                       .late_arg = s,
                                       .clock = outer->clock};
    int rc = op_graph_new(&shard->graph, &options, err);

    shard->shards = s;
    shard->leaves = calloc(input_count, sizeof(struct op *));
    if (!rc && !shard->leaves)
        rc = no_memory(err);
    if (!rc)
        shard->graph->count = below[0]->graph->count - (int)input_count;
    for (size_t n = 0; n < input_count && !rc; n++)
        rc = op_leaf_new(&shard->leaves[n], shard->graph, &below[n]->columns, err);
    if (!rc)
        rc = make(arg, shard->graph, shard->leaves, err);
    if (!rc && shard->graph->count - below[0]->graph->count > OP_SHARD_OPS)
        rc = err_set(err, ERR_LIMIT, "more than %d operators in a shard", OP_SHARD_OPS);
    if (!rc && s->settles)
        rc = settle_init(&shard->settle, op_graph_columns(shard->graph), err);
    return rc;
}

static int make_shards(struct shards *s, struct op *const *below, const struct op_shard_keys *keys,
                       size_t input_count, op_shard_make_fn *make, void *arg, struct err *err)
{
    int rc = 0;

    for (size_t n = 0; n < input_count && !rc; n++) {
        s->settles |= op_kind_column(&below[n]->columns) >= 0;
        rc = split_init(&s->splits[n], &below[n]->columns, &keys[n], s->count, err);
    }
    for (size_t i = 0; i < s->count && !rc; i++)
        rc = make_shard(s, i, below, input_count, make, arg, err);
    return rc;
}

int op_shards_new(struct op **out, struct op *const *below, const struct op_shard_keys *keys,
                  size_t input_count, op_shard_make_fn *make, void *arg, struct err *err)
{
    struct op_graph *graph = below[0]->graph;
    struct shards *s = calloc(1, sizeof(*s));
    int rc = 0;

    if (!s)
        return no_memory(err);
    pthread_mutex_init(&s->late, NULL);
    s->ticked_ms = OP_TIME_MIN;
    s->op.inputs = (int)input_count;
    s->op.graph = graph; /* rows may be late while they are made anew */
    s->count = graph->options.shard_count;
    s->list = calloc(s->count, sizeof(*s->list));
    s->splits = calloc(input_count, sizeof(*s->splits));
    if (!s->list || !s->splits || input_count > OP_SHARD_INPUTS)
        rc = no_memory(err);
    if (!rc)
        rc = make_shards(s, below, keys, input_count, make, arg, err);
    if (!rc && vec_columns_copy(&s->op.columns, op_graph_columns(s->list[0].graph)))
        rc = no_memory(err);
    if (!rc) {
        int before = graph->count;

        s->op.by_rows = !op_graph_by_clock(s->list[0].graph);
        graph->count = s->list[0].graph->count - 1;
        rc = op_add(&s->op, graph, below, (int)input_count, &shards_ops, err);
        if (rc)
            graph->count = before;
    }
    if (rc) {
        vec_columns_free(&s->op.columns);
        shards_free(&s->op);
        return rc;
    }
    *out = &s->op;
    return 0;
}

int shards_home(const struct op *op, struct slice bytes, size_t *shard, struct err *err)
{
    return split_shard(&((const struct shards *)op)->splits[0], bytes, shard, err);
}

size_t op_graph_shards(const struct op_graph *graph)
{
    return graph->options.shard_count;
}
