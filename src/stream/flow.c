/* flow.c - what a pipeline remembers: its operators and their state, fed by its inputs. */
#include <stdio.h>

#include "stream/stream_int.h"

#define IDLE_CHECK_MS 10
#define FINISH_NS     10000000
#define LATE_NS       1000000000 /* of a flush: each adds its budget once more */
#define LATE_MAX      100
#define AWAKE_MS_MAX  1000 /* more between two ticks was not spent waiting for rows */

struct flow {
    struct pipeline *pipeline;
    struct flow_state state;
    struct op_graph *graph;
    int64_t checked_ms;         /* awake_ms when idle inputs were looked for last */
    int64_t epoch;              /* of the last seal */
    bool sealed;                /* and it is not written yet */
    int64_t sealed_ns;          /* mono time of it */
    _Atomic int64_t true_epoch; /* the last one whose transaction was made */
};

/* How many shards the state is to have, and whether the manifest's has as many. Who only reads
 * leaves it as it is. */
static int choose_shards(const struct pipeline *p, const char *manifest, size_t *shards,
                         bool *moves, struct err *err)
{
    size_t wanted = p->spec->graph->keyed ? (size_t)stream_plan_shards(&p->job->plan) : 0;
    int rc = flow_state_shards(manifest, shards, err);

    *moves = manifest && p->reads == READS_NOTHING && wanted != *shards;
    if (*moves || (!manifest && p->reads == READS_NOTHING))
        *shards = wanted;
    return rc;
}

static int open_graph(struct flow *flow, struct err *err)
{
    struct pipeline *p = flow->pipeline;
    struct op_graph_options options = {.conn = p->conn,
                                       .state = flow->state.states[0],
                                       .clock = p->job->options->clock,
                                       .late = p->job->plan.late ? late_row : NULL,
                                       .late_arg = p,
                                       .shards = flow->state.shards,
                                       .shard_count = flow->state.shard_count,
                                       .team = p->team};
    struct op **leaves = calloc(p->count ? p->count : 1, sizeof(struct op *));
    int rc = leaves ? op_graph_new(&flow->graph, &options, err)
                    : err_set(err, ERR_NOMEM, "%s", p->spec->name);

    for (size_t i = 0; i < p->count && !rc; i++) {
        rc = op_leaf_new(&leaves[i], flow->graph, input_columns(&p->inputs[i]), err);
        p->inputs[i].leaf = rc ? NULL : leaves[i];
    }
    if (!rc)
        rc = p->spec->graph->build(p->spec->graph->arg, flow->graph, leaves, err);
    free(leaves);
    return rc;
}

static int read_epoch(struct flow *flow, const char *manifest)
{
    return manifest && sscanf(manifest, "{\"epoch\":%" SCNd64, &flow->epoch) != 1 ? ERR_CORRUPT : 0;
}

int flow_open(struct flow **out, struct pipeline *p, const char *manifest, struct err *err)
{
    struct flow *flow = calloc(1, sizeof(*flow));
    size_t shards = 0;
    bool moves = false;
    int rc;

    if (!flow)
        return err_set(err, ERR_NOMEM, "%s", p->spec->name);
    flow->pipeline = p;
    rc = choose_shards(p, manifest, &shards, &moves, err);
    if (!rc)
        rc = flow_state_open(&flow->state, p, shards, err);
    if (!rc)
        rc = open_graph(flow, err);
    if (rc == 0 && p->reads == READS_NAMES) {
        *out = flow;
        return 0;
    }
    if (!rc)
        rc = moves ? flow_state_move(&flow->state, p, manifest, flow->graph, err)
                   : flow_state_load(&flow->state, manifest, err);
    if (!rc && !moves && p->reads == READS_NOTHING)
        flow_state_sweep(&flow->state, p);
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
    flow_state_close(&flow->state);
    free(flow);
}

const struct vec_columns *flow_columns(const struct flow *flow)
{
    return op_graph_columns(flow->graph);
}

struct vec_batch *flow_out(struct flow *flow)
{
    return op_graph_out(flow->graph);
}

/* ---- rows and time ---- */

/* What the first input of a source knows of time goes for all that read along. */
static int tell_idle(struct input *first, bool idle, struct err *err)
{
    int rc = 0;

    for (struct input *in = first; in && !rc; in = in->next)
        if (atomic_exchange(&in->idle, idle) != idle)
            rc = op_graph_idle(in->leaf, idle, err);
    return rc;
}

static int tell_mark(struct input *first, struct err *err)
{
    int rc = 0;

    for (struct input *in = first; in && !rc; in = in->next) {
        in->mark = first->mark;
        atomic_store(&in->mark_shown, in->mark);
        rc = op_graph_mark(in->leaf, in->mark, err);
    }
    return rc;
}

int flow_rows(struct flow *flow, struct input *in, struct err *err)
{
    bool rose = false, idle = false;
    int rc = 0;

    vec_batch_clear(flow_out(flow));
    if (in->polled.rows && in->marks)
        rc = tell_idle(in, false, err);
    for (struct input *each = in; each && !rc; each = each->next)
        if (each->rows->rows)
            rc = op_graph_rows(each->leaf, each->rows, err);
    if (!rc && in->marks && in->polled.rows)
        rc = input_marks(in, err);
    if (!rc && in->marks && in->marked.rows) /* else time stood still */
        rc = input_time(in, &rose, &idle, err);
    return rc || !rose ? rc : tell_mark(in, err);
}

int flow_end(struct flow *flow, struct input *in, struct err *err)
{
    vec_batch_clear(flow_out(flow));
    in->mark = OP_TIME_MAX;
    for (struct input *each = in; each; each = each->next)
        atomic_store(&each->idle, false);
    return tell_mark(in, err);
}

/* Those that still speak go on without the idle. */
static int look_for_idle(struct flow *flow, struct err *err)
{
    struct pipeline *p = flow->pipeline;
    int rc = 0;

    for (size_t i = 0; i < p->count && !rc; i++) {
        struct input *in = &p->inputs[i];
        bool rose, idle;

        if (!in->marks || in->ended || (!in->spec->idle_ms && in->partition_count))
            continue; /* else: which partition there is to wait for is not known yet */
        rc = input_time(in, &rose, &idle, err);
        if (!rc && rose)
            rc = tell_mark(in, err);
        if (!rc && idle != atomic_load(&in->idle)) {
            p->stirred = true;
            rc = tell_idle(in, idle, err);
        }
    }
    return rc;
}

int flow_tick(struct flow *flow, struct err *err)
{
    struct pipeline *p = flow->pipeline;
    struct clock *clock = p->job->options->clock;
    int64_t now_ms = clock_mono_ms(clock), since_ms = now_ms - p->ticked_ms;
    int rc;

    vec_batch_clear(flow_out(flow));
    if (since_ms > 0) {
        p->awake_ms += since_ms < AWAKE_MS_MAX ? since_ms : AWAKE_MS_MAX;
        p->ticked_ms = now_ms;
    }
    rc = op_graph_clock(flow->graph, clock_wall_ms(clock), err);
    if (rc || p->awake_ms - flow->checked_ms < IDLE_CHECK_MS)
        return rc;
    flow->checked_ms = p->awake_ms;
    return look_for_idle(flow, err);
}

size_t flow_info(const struct flow *flow, struct op_info *out, size_t max)
{
    return op_graph_info(flow->graph, out, max);
}

/* ---- epochs ---- */

/* What was sealed is written: the coordinator may commit it. */
static int publish(struct flow *flow, struct err *err)
{
    struct pipeline *p = flow->pipeline;
    struct sealed_state *sealed = &p->sealed[flow->epoch % 2];
    struct arena arena = {0};
    const char *json;
    char *manifest = NULL;
    int rc = flow_state_manifest(&flow->state, flow->epoch, &arena, &json, err);

    if (!rc) {
        manifest = strdup(json);
        rc = manifest ? 0 : err_set(err, ERR_NOMEM, "%s: its state", p->spec->name);
    }
    arena_deinit(&arena);
    if (rc)
        return rc;
    flow->sealed = false;
    pthread_mutex_lock(&p->job->mutex);
    assert(!sealed->epoch); /* a cut is taken before the next but one begins */
    *sealed = (struct sealed_state){
        .epoch = flow->epoch, .manifest = manifest, .bytes = flow_state_disk_bytes(&flow->state)};
    flow_state_take_syncs(&flow->state, &sealed->syncs);
    pthread_cond_broadcast(&p->job->changed);
    pthread_mutex_unlock(&p->job->mutex);
    return 0;
}

bool flow_is_busy(const struct flow *flow)
{
    return flow->sealed || flow_state_is_busy(&flow->state);
}
bool flow_is_sealed(const struct flow *flow)
{
    return flow->sealed;
}

/* What was sealed long ago takes more of the thread the longer it waits: state that comes from a
 * slow disk must not be written more slowly than rows change it. */
static int64_t urgent(struct flow *flow, int64_t budget_ns)
{
    struct clock *clock = flow->pipeline->job->options->clock;
    int64_t late = flow->sealed ? (clock_mono_ns(clock) - flow->sealed_ns) / LATE_NS : 0;

    return budget_ns * (1 + (late < LATE_MAX ? late : LATE_MAX));
}

int flow_flush(struct flow *flow, int64_t budget_ns, struct err *err)
{
    bool done = false;
    int rc = flow_state_flush(&flow->state, urgent(flow, budget_ns), &done, err);

    return rc || !done || !flow->sealed ? rc : publish(flow, err);
}

int flow_finish(struct flow *flow, struct err *err)
{
    int rc = 0;

    while (flow->sealed && !rc)
        rc = job_is_given_up(flow->pipeline->job) ? err_set(err, ERR_CLOSED, "the job is cancelled")
                                                  : flow_flush(flow, FINISH_NS, err);
    return rc;
}

int flow_seal(struct flow *flow, struct pipeline_cut *cut, struct err *err)
{
    struct clock *clock = flow->pipeline->job->options->clock;
    int64_t began = clock_mono_ns(clock), took;
    int rc = flow_finish(flow, err);

    if (rc)
        return rc;
    /* Files that the last manifest does without are needed until its epoch is true. */
    if (flow->epoch && atomic_load(&flow->true_epoch) == flow->epoch)
        flow_state_committed(&flow->state);
    cut->state_epoch = ++flow->epoch;
    rc = flow_state_seal(&flow->state, flow->epoch, err);
    flow->sealed = rc == 0;
    flow->sealed_ns = clock_mono_ns(clock);
    took = clock_mono_ns(clock) - began;
    if (took > atomic_load(&flow->pipeline->pause_ns))
        atomic_store(&flow->pipeline->pause_ns, took);
    return rc;
}

struct op_graph *flow_graph(struct flow *flow)
{
    return flow->graph;
}

void flow_is_true(struct flow *flow, int64_t epoch)
{
    atomic_store(&flow->true_epoch, epoch);
}
