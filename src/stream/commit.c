/* commit.c - an epoch becomes true: flush the logs, stage the sinks, one metadata transaction.
 *
 * The order is the promise (stream.h). Everything before the transaction may be lost in a crash and
 * leaves only files that nobody points at; everything after it is repeated by recovery. A sink
 * whose table somebody else committed to in between answers ERR_CONFLICT: all stage again on the
 * new base, which costs manifests and metadata, never data files. Cuts whose sinks have a queue
 * wait there for their turn instead, all of them together, and stage themselves when it comes; what
 * the other sinks staged becomes true in the queue's transaction.
 */
#include <stdio.h>

#include "stream/stream_int.h"

#define STAGE_TRIES 50

/* What a job writes beside its pipelines' targets: gathered in the cuts of all of them. */
enum { REJECTS, LATE };
struct side {
    struct stream_sink *sink; /* NULL: there is none, and no rows */
    struct stream_cut *cut;   /* NULL: none */
    int64_t rows;
};

struct epoch_commit {
    struct job *job;
    struct pipeline_cut *cuts;
    struct side sides[2];      /* dead letters; late rows */
    struct stream_turn *turns; /* what goes through the queue, all of it */
    size_t turn_count;
    struct stream_epoch epoch;
};

static bool position_moved(const struct stream_position *a, const struct stream_position *b)
{
    if (a->count != b->count || !a->incarnation != !b->incarnation)
        return true;
    if (a->incarnation && strcmp(a->incarnation, b->incarnation) != 0)
        return true;
    return a->count && memcmp(a->offsets, b->offsets, a->count * sizeof(a->offsets[0])) != 0;
}

static bool has_moved(const struct pipeline *p, const struct pipeline_cut *cut)
{
    bool moved = false;

    for (size_t i = 0; i < p->count; i++)
        moved |= position_moved(&cut->positions[i], &p->committed[i]);
    return moved;
}

static bool is_queued(const struct epoch_commit *c, const struct stream_cut *cut)
{
    for (size_t i = 0; i < c->turn_count; i++)
        if (c->turns[i].cut == cut)
            return true;
    return false;
}

/* A sink leaves out what it has nothing to do for; a cut is NULL when no row came. */
static int stage_cut(struct epoch_commit *c, struct stream_sink *sink, struct stream_cut *cut,
                     struct err *err)
{
    return cut && sink->ops->stage && !is_queued(c, cut)
               ? sink->ops->stage(sink, cut, &c->epoch, err)
               : 0;
}

static int commit_cut(struct epoch_commit *c, struct stream_sink *sink, struct stream_cut *cut,
                      struct meta_txn *txn, struct err *err)
{
    return cut && sink->ops->commit_in && !is_queued(c, cut)
               ? sink->ops->commit_in(sink, cut, txn, err)
               : 0;
}

static int commit_pipeline(struct epoch_commit *c, size_t number, struct meta_txn *txn,
                           struct err *err)
{
    struct pipeline *p = &c->job->pipelines[number];
    struct pipeline_cut *cut = &c->cuts[number];
    const struct stream_pipeline *spec = p->spec;
    const char *job = p->job->name;
    int rc = 0;

    rc = commit_cut(c, spec->sink, cut->cut, txn, err);
    for (size_t i = 0; i < p->count && cut->moved && !rc; i++)
        rc = rows_commit_position(txn, job, spec->name, spec->inputs[i].name, &cut->positions[i],
                                  err);
    if (!rc && (cut->moved || cut->cut))
        rc = rows_commit_pipeline(txn, job, spec->name, cut->cut ? cut->cut->rows : 0, cut->state,
                                  err);
    return rc;
}

static int commit_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct epoch_commit *c = arg;
    struct job *job = c->job;
    int rc = rows_commit_epoch(txn, job, c->epoch.epoch, c->sides[REJECTS].rows,
                               meta_epoch(job->options->meta), err);

    for (size_t i = 0; i < job->count && !rc; i++)
        rc = commit_pipeline(c, i, txn, err);
    for (size_t i = 0; i < COUNT_OF(c->sides) && !rc; i++)
        rc = commit_cut(c, c->sides[i].sink, c->sides[i].cut, txn, err);
    return rc;
}

/* All turns are in one queue, the first that is met. */
static void add_turn(struct epoch_commit *c, struct stream_sink *sink, struct stream_cut *cut)
{
    if (!cut || !sink->queue || (c->turn_count && c->turns[0].sink->queue != sink->queue))
        return;
    c->turns[c->turn_count++] =
        sink->ops->behind ? sink->ops->behind(sink, cut) : (struct stream_turn){sink, cut};
}

static int find_turns(struct epoch_commit *c, struct arena *arena, struct err *err)
{
    c->turns = ARENA_ARRAY(arena, struct stream_turn, c->job->count + COUNT_OF(c->sides));
    if (!c->turns)
        return err_set(err, ERR_NOMEM, "job %s: turns", c->job->name);
    for (size_t i = 0; i < c->job->count; i++)
        add_turn(c, c->job->pipelines[i].spec->sink, c->cuts[i].cut);
    for (size_t i = 0; i < COUNT_OF(c->sides); i++)
        add_turn(c, c->sides[i].sink, c->sides[i].cut);
    return 0;
}

/* The batches of all pipelines, one after another, as a feed. */
struct side_feed {
    struct epoch_commit *commit;
    int side;
    size_t pipeline, chunk;
};

static struct vec_batch *side_rows(struct pipeline_cut *cut, int side)
{
    return side == LATE ? &cut->late : &cut->rejects;
}

static int pull_side(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct side_feed *f = arg;

    (void)err;
    for (; f->pipeline < f->commit->job->count; f->pipeline++, f->chunk = 0) {
        struct vec_batch *batch = side_rows(&f->commit->cuts[f->pipeline], f->side);

        if (f->chunk < batch->count) {
            vec_chunk_refer(out, batch->chunks[f->chunk++]);
            return 0;
        }
    }
    duckdb_data_chunk_set_size(out, 0);
    return 0;
}

static int drain_side(struct epoch_commit *c, int side, struct err *err)
{
    struct stream_sink *sink = c->sides[side].sink;
    struct side_feed pulled = {c, side, 0, 0};
    struct vec_columns columns = {0};
    struct vec_feed feed = {&columns, pull_side, &pulled};
    int rc = 0;

    if (!c->sides[side].rows)
        return 0;
    rc = side == LATE ? stream_late_columns(&columns) : stream_reject_columns(&columns);
    if (!rc)
        rc = sink->ops->drain(sink, &feed, &c->sides[side].cut, err);
    vec_columns_free(&columns);
    return rc ? err_wrap(err, rc, "%s of job %s", side == LATE ? "late rows" : "dead letters",
                         c->job->name)
              : 0;
}

/* {"payment_charges":[120,98]}: one member per input's topic; also of those that stood still. */
static int add_offsets(struct buf *text, const struct pipeline *p, const struct pipeline_cut *cut)
{
    int rc = 0;

    for (size_t i = 0; i < p->count && !rc; i++) {
        const struct stream_position *at = &cut->positions[i];

        if (p->inputs[i].first != &p->inputs[i])
            continue;
        rc = buf_printf(text, "%s\"%s\":[", text->len > 1 ? "," : "", p->spec->inputs[i].topic);
        for (size_t n = 0; n < at->count && !rc; n++)
            rc = buf_printf(text, "%s%" PRId64, n ? "," : "", at->offsets[n]);
        if (!rc)
            rc = buf_append_str(text, "]");
    }
    return rc;
}

static char *offsets_json(struct epoch_commit *c, struct arena *arena)
{
    struct buf text = {0};
    char *out = NULL;
    int rc = buf_append_str(&text, "{");

    for (size_t i = 0; i < c->job->count && !rc; i++)
        rc = add_offsets(&text, &c->job->pipelines[i], &c->cuts[i]);
    if (!rc)
        rc = buf_append_str(&text, "}");
    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

static int stage_all(struct epoch_commit *c, struct err *err)
{
    struct job *job = c->job;
    int rc = 0;

    for (size_t i = 0; i < job->count && !rc; i++)
        rc = stage_cut(c, job->pipelines[i].spec->sink, c->cuts[i].cut, err);
    for (size_t i = 0; i < COUNT_OF(c->sides) && !rc; i++)
        rc = stage_cut(c, c->sides[i].sink, c->sides[i].cut, err);
    return rc;
}

static int flush_sources(struct epoch_commit *c, struct err *err)
{
    for (size_t i = 0; i < c->job->count; i++) {
        const struct pipeline *p = &c->job->pipelines[i];
        const struct stream_pipeline *spec = p->spec;

        for (size_t k = 0; k < spec->input_count && c->cuts[i].moved; k++) {
            struct stream_source *source = spec->inputs[k].source;
            bool first = p->inputs[k].first == &p->inputs[k];
            int rc = first ? source->ops->flush(source, err) : 0;

            if (rc)
                return err_wrap(err, rc, "%s: flush of the log", spec->name);
        }
    }
    return 0;
}

static int make_true(struct epoch_commit *c, struct err *err)
{
    struct job *job = c->job;
    int rc = ERR_CONFLICT;

    for (int tries = 0; rc == ERR_CONFLICT && tries < STAGE_TRIES; tries++) {
        if (tries && job->threads)
            job->options->clock->sleep_ns(job->options->clock, (int64_t)tries * 2000000);
        rc = stage_all(c, err);
        if (!rc && c->turn_count)
            rc = c->turns[0].sink->ops->commit(c->turns, c->turn_count, &c->epoch, commit_in, c,
                                               err);
        else if (!rc)
            rc = meta_write_wait(job->options->meta, commit_in, c, err);
    }
    return rc;
}

static void tell_sources(const struct pipeline *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct stream_source *source = p->spec->inputs[i].source;

        if (source->ops->committed && p->inputs[i].first == &p->inputs[i])
            source->ops->committed(source, &p->committed[i]);
    }
}

/* Remembers what is now true, and lets the sinks know. */
static void after(struct epoch_commit *c, enum stream_outcome outcome)
{
    struct job *job = c->job;
    bool ok = outcome == STREAM_COMMITTED;

    for (size_t i = 0; i < job->count; i++) {
        struct pipeline *p = &job->pipelines[i];

        if (ok && c->cuts[i].state)
            flow_is_true(p->flow, c->cuts[i].state_epoch);
        if (ok && c->cuts[i].moved) {
            struct arena old = p->arena;

            p->arena = c->cuts[i].arena; /* the positions live in it */
            p->committed = c->cuts[i].positions;
            c->cuts[i].arena = old;
            tell_sources(p);
        }
        if (!c->cuts[i].cut)
            continue;
        if (ok) {
            atomic_fetch_add(&p->rows_out, c->cuts[i].cut->rows);
            atomic_fetch_add(&p->rows_committed, c->cuts[i].cut->rows);
        }
        p->spec->sink->ops->after_commit(p->spec->sink, c->cuts[i].cut, outcome);
        c->cuts[i].cut = NULL;
    }
    for (size_t i = 0; i < COUNT_OF(c->sides); i++) {
        if (c->sides[i].cut)
            c->sides[i].sink->ops->after_commit(c->sides[i].sink, c->sides[i].cut, outcome);
        c->sides[i].cut = NULL;
    }
}

/* Takes the cuts of all pipelines; on return the sinks' parts are gone, the rest is the caller's to
 * release. *committed: an epoch was made (there was something). */
int job_commit(struct job *job, struct pipeline_cut *cuts, bool *committed, struct err *err)
{
    struct epoch_commit c = {
        .job = job, .cuts = cuts, .sides = {{job->plan.rejects}, {job->plan.late}}};
    struct arena arena = {0};
    bool moved = false, rows = false;
    int rc = 0;

    *committed = false;
    for (size_t i = 0; i < job->count; i++) {
        cuts[i].moved = has_moved(&job->pipelines[i], &cuts[i]);
        moved |= cuts[i].moved;
        rows |= cuts[i].cut != NULL;
        for (int side = REJECTS; side <= LATE; side++)
            c.sides[side].rows += side_rows(&cuts[i], side)->rows;
    }
    if (!moved && !rows && !c.sides[REJECTS].rows && !c.sides[LATE].rows)
        return 0;
    c.epoch = (struct stream_epoch){job->name, job->id, job->epoch + 1, offsets_json(&c, &arena)};
    if (!c.epoch.offsets_json)
        rc = err_set(err, ERR_NOMEM, "job %s: offsets", job->name);
    if (!rc)
        rc = flush_sources(&c, err);
    for (int side = REJECTS; side <= LATE && !rc; side++)
        rc = drain_side(&c, side, err);
    rc = rc ? rc : find_turns(&c, &arena, err);
    if (!rc)
        rc = make_true(&c, err);
    after(&c, rc == 0 ? STREAM_COMMITTED : rc == ERR_UNKNOWN ? STREAM_UNKNOWN : STREAM_REFUSED);
    arena_deinit(&arena);
    if (rc)
        return err_wrap(err, rc, "epoch %" PRId64, job->epoch + 1);
    *committed = true;
    return 0;
}
