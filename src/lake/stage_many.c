/* stage_many.c - changes of several tables that become true together, or not at all. */
#include "lake/lake.h"

#define ATTEMPTS_MAX 20

/* One table of the commit, on the state that was loaded for this attempt. */
struct one {
    struct lake_staged *staged;
    struct lake_metadata *base;
    bool idle; /* the table is as the change would have it */
};

struct many {
    struct lake *lake;
    struct lake_catalog *catalog;
    const struct lake_table_change *list;
    size_t count;
    struct one *ones;
    struct err *err;
};

/* Staged borrows from its base until it is staged again. */
static int stage_one(struct many *m, size_t i, struct arena *arena)
{
    const struct lake_table_change *c = &m->list[i];
    struct lake_metadata *before = m->ones[i].base;
    const char *location;
    int rc = m->catalog->ops->load(m->catalog, &c->ident, arena, &location, m->err);

    m->ones[i].base = NULL;
    rc = rc ? rc : lake_metadata_load(m->lake, location, &m->ones[i].base, m->err);
    if (!rc)
        rc = lake_stage(m->lake, &c->ident, m->ones[i].base, location, c->change,
                        &m->ones[i].staged, m->err);
    lake_metadata_free(before);
    m->ones[i].idle = rc == ERR_AGAIN;
    return rc == ERR_AGAIN ? 0 : rc;
}

static int attempt(struct many *m, struct lake_swap *swaps)
{
    struct arena arena = {0};
    size_t count = 0;
    int rc = 0;

    for (size_t i = 0; i < m->count && !rc; i++) {
        rc = stage_one(m, i, &arena);
        if (!rc && !m->ones[i].idle)
            swaps[count++] = *lake_staged_swap(m->ones[i].staged);
    }
    if (!rc && count)
        rc = m->catalog->ops->swap(m->catalog, swaps, count, m->err);
    arena_deinit(&arena);
    return rc;
}

static void finish(struct many *m, int rc)
{
    for (size_t i = 0; m->ones && i < m->count; i++) {
        struct one *one = &m->ones[i];

        if (one->staged && !rc && !one->idle)
            lake_staged_settle(one->staged);
        else if (one->staged && rc == ERR_UNKNOWN)
            lake_staged_free(one->staged);
        else if (one->staged)
            lake_staged_abandon(one->staged);
        lake_metadata_free(one->base);
    }
    free(m->ones);
}

/* ---- through the catalog's queue ---- */

struct waiting {
    struct many *many;
    size_t at;
};

/* A change that finds nothing to do gives the table back as it was. */
static int stage_waiting(void *arg, struct lake_metadata *base, struct lake_carrier *carrier,
                         struct lake_metadata **next, struct err *err)
{
    const struct waiting *w = arg;
    const struct lake_table_change *c = &w->many->list[w->at];
    struct one *one = &w->many->ones[w->at];
    struct lake_metadata *before = one->base;
    int rc;

    one->base = lake_metadata_ref(base);
    rc = lake_stage_part(w->many->lake, &c->ident, base, c->change, carrier, &one->staged, next,
                         err);
    lake_metadata_free(before);
    one->idle = rc == ERR_AGAIN;
    if (one->idle)
        *next = lake_metadata_ref(base);
    return one->idle ? 0 : rc;
}

static int commit_queued(struct many *m)
{
    struct lake_part *parts = calloc(m->count + 1, sizeof(*parts));
    struct waiting *waiting = calloc(m->count + 1, sizeof(*waiting));
    int rc = parts && waiting ? 0 : err_set(m->err, ERR_NOMEM, "commit");

    for (size_t i = 0; i < m->count && !rc; i++) {
        waiting[i] = (struct waiting){m, i};
        parts[i] = (struct lake_part){
            .ident = m->list[i].ident, .stage = stage_waiting, .arg = &waiting[i]};
    }
    if (!rc && m->count)
        rc = m->catalog->ops->commit(m->catalog, parts, m->count, m->err);
    free(parts);
    free(waiting);
    return rc;
}

int lake_commit_many_wait(struct lake *lake, struct lake_catalog *catalog,
                          const struct lake_table_change *list, size_t count, struct err *err)
{
    struct many m = {lake, catalog, list, count, calloc(count + 1, sizeof(*m.ones)), err};
    struct lake_swap *swaps = calloc(count + 1, sizeof(*swaps));
    int rc = m.ones && swaps ? ERR_CONFLICT : err_set(err, ERR_NOMEM, "commit");

    if (rc == ERR_CONFLICT && catalog->ops->commit)
        rc = commit_queued(&m);
    for (int i = 0; i < ATTEMPTS_MAX && rc == ERR_CONFLICT && !catalog->ops->commit; i++) {
        if (err)
            *err = (struct err){0};
        rc = attempt(&m, swaps);
    }
    finish(&m, rc);
    free(swaps);
    return rc;
}
