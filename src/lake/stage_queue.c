/* stage_queue.c - a change on its way through a catalog's queue (commit.h), alone or with others.
 *
 * Changes that only add files to main, and that wait for one table at the same time, become one
 * snapshot: one manifest, one list, one line of history for all of them. None of them can fail by
 * what another does, so the order among them tells nobody anything; and a table with many small
 * writers pays for a snapshot once per group. A change that says something of its own in its
 * summary (a job's epoch), takes rows away or checks what others did keeps a snapshot to itself.
 *
 * The first of a group owns what was staged for all; the others remember the snapshot's id. When
 * the whole fails each is staged by itself, and what was staged for the group is taken back by its
 * owner then, or when the owner's commit ends.
 */
#include "lake/stage_int.h"

struct queued {
    struct lake *lake;
    const struct lake_ident *ident;
    const struct lake_change *change;
    struct lake_staged *staged; /* NULL: not yet, or another's holds it */
    struct lake_metadata *base; /* staged borrows from it */
    struct lake_committed told; /* of the last time it was staged */
    bool shared;                /* staged is of a group */
};

/* The last round was refused for certain: what a group wrote is nobody's. */
static void forget_group(struct queued *q)
{
    if (!q->shared)
        return;
    lake_staged_abandon(q->staged);
    q->staged = NULL;
    q->shared = false;
}

static int stage_on(struct queued *q, const struct lake_change *change, struct lake_metadata *base,
                    struct lake_carrier *carrier, struct lake_metadata **next, struct err *err)
{
    struct lake_metadata *before = q->base;
    int rc;

    q->base = lake_metadata_ref(base);
    rc = lake_stage_part(q->lake, q->ident, base, change, carrier, &q->staged, next, err);
    lake_metadata_free(before);
    if (!rc)
        q->told =
            (struct lake_committed){lake_staged_snapshot_id(q->staged), q->staged->rewrites_kept};
    return rc;
}

static int stage_alone(void *arg, struct lake_metadata *base, struct lake_carrier *carrier,
                       struct lake_metadata **next, struct err *err)
{
    struct queued *q = arg;

    forget_group(q);
    return stage_on(q, q->change, base, carrier, next, err);
}

/* All that they add, as one change. */
static int unite(struct queued *const *list, size_t count, struct arena *arena,
                 struct lake_change *out, struct err *err)
{
    struct lake_data_file *all;
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += list[i]->change->added_count;
    all = ARENA_ARRAY(arena, struct lake_data_file, total);
    if (!all)
        return err_set(err, ERR_NOMEM, "staging");
    *out = (struct lake_change){.added = all, .added_count = total, .maintain = true};
    for (size_t i = 0; i < count; i++) {
        const struct lake_change *c = list[i]->change;

        memcpy(all, c->added, c->added_count * sizeof(*all));
        all += c->added_count;
    }
    return 0;
}

static int stage_together(void *const *args, size_t count, struct lake_metadata *base,
                          struct lake_carrier *carrier, struct lake_metadata **next,
                          struct err *err)
{
    struct queued *const *list = (struct queued *const *)args;
    struct queued *first = list[0];
    struct lake_change change;
    struct arena arena = {0};
    int rc;

    for (size_t i = 0; i < count; i++) { /* of an earlier round, alone or with others */
        list[i]->shared |= list[i]->staged != NULL;
        forget_group(list[i]);
    }
    rc = unite(list, count, &arena, &change, err);
    rc = rc ? rc : stage_on(first, &change, base, carrier, next, err);
    first->shared = first->staged != NULL;
    for (size_t i = 1; i < count && !rc; i++)
        list[i]->told = first->told;
    arena_deinit(&arena);
    return rc;
}

static bool may_share(const struct lake_change *c)
{
    return c->added_count && c->maintain && !c->tidy && !c->staged && !c->checks &&
           !c->rewrite_count && !c->row_delete_count && !c->removed_count && !c->summary_count &&
           !c->property_count && (!c->branch || !strcmp(c->branch, "main"));
}

int stage_through_queue(struct lake *lake, struct lake_catalog *catalog,
                        const struct lake_ident *ident, const struct lake_change *change,
                        struct lake_committed *out, struct err *err)
{
    struct queued q = {.lake = lake, .ident = ident, .change = change, .told = {.snapshot_id = -1}};
    struct lake_part part = {.ident = *ident,
                             .stage = stage_alone,
                             .stage_together = may_share(change) ? stage_together : NULL,
                             .arg = &q};
    int rc = catalog->ops->commit(catalog, &part, 1, err);

    if (!rc && out)
        *out = q.told;
    stage_end(q.staged, rc);
    lake_metadata_free(q.base);
    return rc;
}
