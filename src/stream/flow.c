/* flow.c - what a pipeline remembers: its operators, their state, and how far its time has come.
 *
 * Each partition of the source has a watermark of its own, the highest that its rows gave; the
 * pipeline's is the lowest of them. A partition that has not given a row yet holds all back, as in
 * Flink; so does one that stopped, until it goes on.
 */
#include <stdio.h>

#include "base/codec.h"
#include "stream/stream_int.h"

#define PARTITIONS_MAX 100000

struct flow {
    struct pipeline *pipeline;
    struct state *state;
    struct op_graph *graph;
    struct op *leaf;
    struct vec_fragment *marks; /* NULL: nothing goes by time */
    struct vec_batch marked;
    int64_t *highest; /* per partition */
    size_t count;
    int64_t epoch;        /* of the last seal */
    _Atomic bool is_true; /* and its transaction was made */
};

static int open_state(struct flow *flow, const struct stream_pipeline *spec, struct err *err)
{
    const struct stream_engine_options *o = flow->pipeline->job->options;
    struct state_options options = {.disk = o->disk, .clock = o->clock};
    char path[4096];

    if (!o->state_dir)
        return err_set(err, ERR_UNSUPPORTED, "there is no place for the state of %s", spec->name);
    /* A folder for each pipeline of a job; names may hold anything and be of any length. */
    snprintf(path, sizeof(path), "%s/%s/%016" PRIx64, o->state_dir, flow->pipeline->job->id,
             hash64(spec->name, strlen(spec->name), 0));
    options.dir = path;
    return state_new(&flow->state, &options, err);
}

static int open_graph(struct flow *flow, const struct stream_pipeline *spec,
                      const struct vec_columns *shaped, struct err *err)
{
    struct op_graph_options options = {flow->pipeline->conn, flow->state};
    struct op *aggregate, *post;
    int rc = op_graph_new(&flow->graph, &options, err);

    if (!rc)
        rc = op_leaf_new(&flow->leaf, flow->graph, shaped, err);
    if (!rc)
        rc = op_aggregate_new(&aggregate, flow->leaf, &spec->flow->aggregate, err);
    return rc ? rc : op_fragment_new(&post, aggregate, spec->select, err);
}

static int read_epoch(struct flow *flow, const char *manifest)
{
    return manifest && sscanf(manifest, "{\"epoch\":%" SCNd64, &flow->epoch) != 1 ? ERR_CORRUPT
                                                                                  : 0;
}

int flow_open(struct flow **out, struct pipeline *p, const struct vec_columns *source,
              const struct vec_columns *shaped, const char *manifest, struct err *err)
{
    struct flow *flow = calloc(1, sizeof(*flow));
    int rc;

    if (!flow)
        return err_set(err, ERR_NOMEM, "%s", p->spec->name);
    flow->pipeline = p;
    rc = open_state(flow, p->spec, err);
    if (!rc)
        rc = open_graph(flow, p->spec, shaped, err);
    if (!rc && p->spec->flow->marks)
        rc = vec_fragment_new(&flow->marks, p->conn, p->spec->flow->marks, source, err);
    if (!rc)
        rc = state_load(flow->state, manifest, err);
    if (!rc && read_epoch(flow, manifest))
        rc = err_set(err, ERR_CORRUPT, "%s: its state's manifest has no epoch", p->spec->name);
    if (!rc)
        rc = op_graph_load(flow->graph, err);
    if (rc)
        flow_close(flow);
    else
        *out = flow;
    return rc;
}

void flow_close(struct flow *flow)
{
    if (!flow)
        return;
    op_graph_free(flow->graph);
    state_free(flow->state);
    vec_fragment_free(flow->marks);
    vec_batch_deinit(&flow->marked);
    free(flow->highest);
    free(flow);
}

const struct vec_columns *flow_columns(const struct flow *flow)
{
    return op_graph_columns(flow->graph);
}

struct vec_batch *flow_out(struct flow *flow) { return op_graph_out(flow->graph); }

/* ---- time ---- */

static int know_partitions(struct flow *flow, size_t count, struct err *err)
{
    int64_t *more;

    if (count <= flow->count)
        return 0;
    more = count <= PARTITIONS_MAX ? realloc(flow->highest, count * sizeof(*more)) : NULL;
    if (!more)
        return err_set(err, ERR_NOMEM, "watermarks of %zu partitions", count);
    flow->highest = more;
    while (flow->count < count)
        flow->highest[flow->count++] = OP_TIME_MIN;
    return 0;
}

static int read_marks(struct flow *flow, const struct vec_batch *polled, struct err *err)
{
    int rc;

    vec_batch_clear(&flow->marked);
    rc = vec_fragment_run(flow->marks, polled, &flow->marked, err);
    for (size_t c = 0; c < flow->marked.count && !rc; c++) {
        duckdb_data_chunk chunk = flow->marked.chunks[c];
        const int32_t *partitions = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const int64_t *marks = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk) && !rc; i++) {
            rc = know_partitions(flow, (size_t)partitions[i] + 1, err);
            if (!rc && marks[i] > flow->highest[partitions[i]])
                flow->highest[partitions[i]] = marks[i];
        }
    }
    return rc;
}

/* The source knows how many partitions there are; those that never spoke count too. */
static int lowest(struct flow *flow, int64_t *mark, struct err *err)
{
    struct stream_source *source = flow->pipeline->spec->source;
    struct stream_position position = {0};
    struct arena arena = {0};
    int rc = source->ops->position(source, &arena, &position, err);

    if (!rc)
        rc = know_partitions(flow, position.count, err);
    *mark = flow->count ? OP_TIME_MAX : OP_TIME_MIN;
    for (size_t i = 0; i < flow->count; i++)
        if (flow->highest[i] < *mark)
            *mark = flow->highest[i];
    arena_deinit(&arena);
    return rc;
}

int flow_rows(struct flow *flow, const struct vec_batch *polled, const struct vec_batch *shaped,
              struct err *err)
{
    int64_t mark = OP_TIME_MIN;
    int rc;

    vec_batch_clear(flow_out(flow));
    rc = shaped->rows ? op_graph_rows(flow->leaf, shaped, err) : 0;
    if (!rc && flow->marks)
        rc = read_marks(flow, polled, err);
    if (!rc && flow->marks && flow->marked.rows) /* else time stood still */
        rc = lowest(flow, &mark, err);
    return rc || mark == OP_TIME_MIN ? rc : op_graph_mark(flow->leaf, mark, err);
}

int flow_end(struct flow *flow, struct err *err)
{
    vec_batch_clear(flow_out(flow));
    return op_graph_mark(flow->leaf, OP_TIME_MAX, err);
}

/* ---- epochs ---- */

int flow_seal(struct flow *flow, struct arena *arena, const char **manifest, struct err *err)
{
    bool done;
    int rc;

    /* Files that the last manifest does without are needed until its epoch is true. */
    if (atomic_exchange(&flow->is_true, false))
        state_committed(flow->state);
    rc = state_seal(flow->state, ++flow->epoch, err);
    if (!rc)
        rc = state_flush(flow->state, INT64_MAX, &done, err);
    return rc ? rc : state_manifest(flow->state, arena, manifest, err);
}

void flow_is_true(struct flow *flow) { atomic_store(&flow->is_true, true); }
