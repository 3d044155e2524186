/* flink_vertex.c - a job's pipelines as the vertices of Flink's job graph. */
#include <stdio.h>

#include "base/codec.h"
#include "observe/flink_int.h"

#define OP_SHOWN_MAX 256

static void set_id(struct vertex *v, const struct stream_job_info *job, const char *what,
                   int number)
{
    char place[64];
    uint64_t halves[2];

    snprintf(place, sizeof(place), "%s %d", what, number);
    halves[0] = hash64(v->pipeline->name, strlen(v->pipeline->name), 1);
    halves[1] = hash64(place, strlen(place), hash64(job->name, strlen(job->name), halves[0]));
    snprintf(v->id, sizeof(v->id), "%016" PRIx64 "%016" PRIx64, halves[0], halves[1]);
}

static double rest(double busy, double backpressured)
{
    double idle = 1 - busy - backpressured;

    return idle < 0 ? 0 : idle;
}

/* Source, fragment and sink in one: rows that stand alone. */
#define MAX_PARALLELISM 128 /* of what keeps no state: Flink's default */

static int threads_of(const struct stream_job_info *job)
{
    return job->parallelism > 1 ? (int)job->parallelism : 1;
}

static void chained(struct vertex *v, const struct stream_job_info *job, struct arena *arena)
{
    const struct stream_pipeline_info *p = v->pipeline;

    v->input = p->input_count ? &p->inputs[0] : NULL;
    v->name = arena_printf(arena, "Source: %s -> Sink: %s", v->input ? v->input->name : p->name,
                           p->target);
    v->source = v->sink = true;
    v->ended = v->input && v->input->ended;
    v->timed = v->input && v->input->timed;
    v->watermark_ms = v->input ? v->input->watermark_ms : OP_TIME_MIN;
    v->rows_in = p->rows_in;
    v->rows_out = p->rows_out;
    v->lag = p->lag;
    v->in_s = v->out_s = p->rows_in_s;
    v->busy = p->busy;
    v->busy_ms = p->busy_ms;
    v->backpressured = p->backpressured;
    v->idle = rest(v->busy, v->backpressured);
    v->parallelism = threads_of(job);
    v->max_parallelism = MAX_PARALLELISM;
    set_id(v, job, "chain", 0);
}

static void source(struct vertex *v, const struct stream_job_info *job, size_t number,
                   struct arena *arena)
{
    const struct stream_input_info *in = &v->pipeline->inputs[number];

    v->input = in;
    v->name = arena_printf(arena, "Source: %s", in->name);
    v->source = true;
    v->timed = in->timed;
    v->ended = in->ended;
    v->watermark_ms = in->watermark_ms;
    v->rows_in = v->rows_out = in->rows;
    v->lag = in->lag;
    v->in_s = v->out_s = v->pipeline->rows_in_s / (double)v->pipeline->input_count;
    v->busy = v->pipeline->source_busy / (double)v->pipeline->input_count;
    v->backpressured = v->pipeline->backpressured;
    v->idle = rest(v->busy, v->backpressured);
    v->parallelism = threads_of(job);
    v->max_parallelism = MAX_PARALLELISM;
    set_id(v, job, "source", (int)number);
}

static const struct stream_op_info *find_op(const struct stream_pipeline_info *p, int number)
{
    for (size_t i = 0; i < p->op_count; i++)
        if (p->ops[i].so_far.number == number)
            return &p->ops[i];
    return NULL;
}

static void operator_vertex(struct vertex *v, const struct stream_job_info *job,
                            const struct stream_op_info *op, struct arena *arena)
{
    const struct stream_pipeline_info *p = v->pipeline;

    v->sink = op->so_far.above < 0;
    v->name = v->sink ? arena_printf(arena, "%s -> Sink: %s", op->so_far.name, p->target)
                      : arena_strdup(arena, op->so_far.name);
    v->timed = op->so_far.watermark_ms != OP_TIME_MIN;
    v->watermark_ms = op->so_far.watermark_ms;
    v->rows_in = op->so_far.rows_in;
    v->rows_out = op->so_far.rows_out;
    v->late = op->so_far.late;
    v->state_bytes = op->so_far.state_bytes;
    v->in_s = op->in_s;
    v->out_s = op->out_s;
    v->busy = op->busy;
    v->busy_ms = op->so_far.busy_ns / 1000000;
    v->backpressured = p->backpressured;
    v->idle = rest(v->busy, v->backpressured);
    v->ended = p->input_count && v->watermark_ms == OP_TIME_MAX;
    v->parallelism = op->so_far.shards < threads_of(job) ? op->so_far.shards : threads_of(job);
    v->max_parallelism = op->so_far.shards;
    set_id(v, job, "operator", op->so_far.number);
}

/* Operators are listed from the root down; the first made are the leaves, one an input. */
static void add_pipeline(struct vertex *list, size_t *count, const struct stream_job_info *job,
                         const struct stream_pipeline_info *p, struct arena *arena)
{
    size_t of[OP_SHOWN_MAX] = {0};

    if (!p->op_count) {
        list[*count].pipeline = p;
        chained(&list[(*count)++], job, arena);
        return;
    }
    for (size_t i = p->op_count; i-- > 0;) {
        const struct stream_op_info *op = &p->ops[i];
        struct vertex *v = &list[*count];
        size_t number = (size_t)op->so_far.number;

        v->pipeline = p;
        if (number < p->input_count)
            source(v, job, number, arena);
        else
            operator_vertex(v, job, op, arena);
        of[number % OP_SHOWN_MAX] = *count;
        ++*count;
    }
    for (size_t i = 0; i < p->op_count; i++) {
        const struct op_info *op = &p->ops[i].so_far;
        struct vertex *above;

        if (op->above < 0 || !find_op(p, op->above))
            continue;
        above = &list[of[(size_t)op->above % OP_SHOWN_MAX]];
        if (above->input_count < COUNT_OF(above->inputs))
            above->inputs[above->input_count++] = of[(size_t)op->number % OP_SHOWN_MAX];
    }
}

int vertices_of(const struct stream_job_info *job, struct arena *arena, struct vertex **out,
                size_t *count)
{
    size_t most = 1;

    for (size_t i = 0; i < job->count; i++)
        most += job->pipelines[i].op_count + 1;
    *count = 0;
    *out = ARENA_ARRAY(arena, struct vertex, most);
    if (!*out)
        return ERR_NOMEM;
    memset(*out, 0, most * sizeof(**out));
    for (size_t i = 0; i < job->count; i++)
        add_pipeline(*out, count, job, &job->pipelines[i], arena);
    for (size_t i = 0; i < *count; i++)
        if (!(*out)[i].name)
            return ERR_NOMEM;
    return 0;
}

const struct vertex *vertex_find(const struct vertex *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].id, id))
            return &list[i];
    return NULL;
}
