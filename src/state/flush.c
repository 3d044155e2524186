/* flush.c - sealing an epoch, and writing down what is sealed beside the work that goes on. */
#include <stdio.h>

#include "state/state_int.h"

#define SLICE   64      /* entries between two looks at the clock */
#define STEP    4       /* likewise, where each may be a wait for the spill's disk */
#define WAIT_NS 3000000 /* of a budget: who has less has other work than to wait for the disk */

static bool base_needs(const struct space *space, const struct entry *entry)
{
    return entry->at >= space->base_pos && entry->at < space->base_end;
}

static void swap(struct space *space, uint32_t a, uint32_t b)
{
    struct entry *entry = space->all.list[a];

    space->all.list[a] = space->all.list[b];
    space->all.list[a]->at = a;
    space->all.list[b] = entry;
    entry->at = b;
}

static int write_base(struct state_table *table, struct space *space, struct entry *entry,
                      struct err *err)
{
    int rc = run_entry(table->state, &table->state->base, table, space->number, entry, err);

    if (!rc)
        swap(space, entry->at, space->base_pos++);
    return rc;
}

static int write_sealed(struct state_table *table, struct space *space, struct entry *entry,
                        struct err *err)
{
    int rc = run_entry(table->state, &table->state->run, table, space->number, entry, err);

    entry->flags &= (uint8_t)~sealed_flag(table->state);
    if (entry->flags & GONE)
        entry_release(table, space, entry);
    return rc;
}

/* Called before the first byte changes and before a drop. */
int before_change(struct state_table *table, struct space *space, struct entry *entry,
                  struct err *err)
{
    int rc = 0;

    if (!table->state->dir)
        return 0;
    if (entry->flags & sealed_flag(table->state))
        rc = write_sealed(table, space, entry, err);
    if (!rc && base_needs(space, entry))
        rc = write_base(table, space, entry, err);
    if (rc || entry->flags & table->state->changed)
        return rc;
    entry->flags |= table->state->changed;
    return entry_list_add(space, &space->changed, entry)
               ? err_set(err, ERR_NOMEM, "state %s", table->name)
               : 0;
}

/* `all` is [written for the base | to be written | made since]: the hole is filled from the end of
 * its part, and so on to the end of the list. before_change has seen the entry. */
void base_forget(struct space *space, struct entry *entry)
{
    uint32_t hole = entry->at, *ends[] = {&space->base_pos, &space->base_end, &space->all.count};

    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        uint32_t last = *ends[i] - 1;

        if (hole >= *ends[i])
            continue;
        if (hole != last) {
            space->all.list[hole] = space->all.list[last];
            space->all.list[hole]->at = hole;
        }
        (*ends[i])--;
        hole = last;
    }
}

/* Entries that lie in the spill's file are read side by side. How large they are is not known
 * before they are there. */
static void read_ahead(const struct state_table *table, const struct entries *entries, uint32_t at,
                       uint32_t end)
{
    struct spill *spill = table->state->spill;

    if (!spill || !spill->base || at % SLICE)
        return;
    spill_breathe(spill, SLICE);
    for (uint32_t i = at; i < at + SLICE && i < end; i++)
        spill_soon(spill, entries->list[i], 2 * sizeof(struct entry));
}

/* Entries that were written out of turn are passed over. */
static int write_next_sealed(struct state_table *table, struct space *space, struct err *err)
{
    struct entry *entry;

    read_ahead(table, &space->sealed, space->sealed_pos, space->sealed.count);
    entry = space->sealed.list[space->sealed_pos++];
    return entry->flags & sealed_flag(table->state) ? write_sealed(table, space, entry, err) : 0;
}

static int write_space(struct state_table *table, struct space *space, struct err *err)
{
    int rc = 0;

    while (space->sealed_pos < space->sealed.count && !rc)
        rc = write_next_sealed(table, space, err);
    while (space->base_pos < space->base_end && !rc)
        rc = write_base(table, space, space->all.list[space->base_pos], err);
    return rc;
}

int before_drop_space(struct state_table *table, struct space *space, struct err *err)
{
    int rc = table->state->dir ? write_space(table, space, err) : 0;

    if (rc || !table->state->dir)
        return rc;
    if (table->dropped_count == table->dropped_cap) {
        size_t cap = table->dropped_cap ? table->dropped_cap * 2 : 8;
        int64_t *more = realloc(table->dropped, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "state %s", table->name);
        table->dropped = more;
        table->dropped_cap = cap;
    }
    table->dropped[table->dropped_count++] = space->number;
    return 0;
}

/* ---- the seal ---- */

static void seal_space(struct space *space)
{
    struct entries written = space->sealed;

    space->sealed = space->changed;
    space->sealed_pos = 0;
    space->changed = written;
    space->changed.count = 0;
}

static bool is_spent(const struct space *space)
{
    return space->number && !space->entries.used && !space->changed.count &&
           space->sealed_pos == space->sealed.count;
}

static void drop_spent_spaces(struct state_table *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->space_count; i++)
        if (is_spent(table->spaces[i]))
            space_free(table->spaces[i]);
        else
            table->spaces[kept++] = table->spaces[i];
    table->space_count = kept;
    table->last = NULL;
}

static int seal_table(struct state_table *table, bool base, struct err *err)
{
    struct state *state = table->state;
    int rc = 0;

    for (size_t i = 0; i < table->dropped_count && !rc; i++)
        rc = run_drop_space(state, &state->run, table, table->dropped[i], err);
    table->dropped_count = 0;
    drop_spent_spaces(table);
    for (size_t i = 0; i < table->space_count; i++) {
        seal_space(table->spaces[i]);
        if (base) {
            table->spaces[i]->base_pos = 0;
            table->spaces[i]->base_end = table->spaces[i]->all.count;
        }
    }
    return rc;
}

static bool base_is_due(const struct state *state)
{
    int64_t runs = 0;

    for (const struct run *run = state->runs; run; run = run->next)
        runs += run->base ? 0 : run->bytes;
    return !state->basing && runs > state->base_min_bytes + 2 * state->base_bytes;
}

int state_seal(struct state *state, int64_t epoch, struct err *err)
{
    bool base, done;
    int rc = 0;

    if (!state->dir)
        return 0;
    while (state->sealing && !rc)
        rc = state_flush(state, INT64_MAX, &done, err);
    if (rc)
        return rc;
    base = base_is_due(state);
    state->epoch = epoch;
    state->sealing = true;
    state->changed = sealed_flag(state); /* nothing sealed was left: no entry has this one */
    rc = run_open(state, &state->run, false, epoch, err);
    if (!rc && base) {
        rc = run_open(state, &state->base, true, epoch, err);
        state->basing = true;
        state->base_epoch = epoch;
    }
    for (struct state_table *table = state->tables; table && !rc; table = table->next)
        rc = seal_table(table, base, err);
    return rc;
}

/* ---- the flush ---- */

struct slice_of_work {
    struct clock *clock;
    int64_t end_ns;
    int left, step; /* entries before the clock is looked at */
};

static bool work_on(struct slice_of_work *work)
{
    if (--work->left > 0)
        return true;
    work->left = work->step;
    return work->end_ns == INT64_MAX || clock_mono_ns(work->clock) < work->end_ns;
}

/* *done when nothing sealed is left. */
static int flush_sealed(struct state *state, struct slice_of_work *work, bool *done,
                        struct err *err)
{
    int rc = 0;

    for (struct state_table *table = state->tables; table; table = table->next)
        for (size_t i = 0; i < table->space_count; i++) {
            struct space *space = table->spaces[i];

            while (space->sealed_pos < space->sealed.count) {
                if (rc || !work_on(work))
                    return rc;
                rc = write_next_sealed(table, space, err);
            }
        }
    *done = !rc;
    return rc;
}

static int flush_base(struct state *state, struct slice_of_work *work, bool *done, struct err *err)
{
    int rc = 0;

    for (struct state_table *table = state->tables; table; table = table->next)
        for (size_t i = 0; i < table->space_count; i++) {
            struct space *space = table->spaces[i];

            while (space->base_pos < space->base_end) {
                if (rc || !work_on(work))
                    return rc;
                read_ahead(table, &space->all, space->base_pos, space->base_end);
                rc = write_base(table, space, space->all.list[space->base_pos], err);
            }
            space->base_pos = space->base_end = 0;
        }
    *done = !rc;
    return rc;
}

static int add_run(struct state *state, const struct run_writer *writer, int64_t epoch, bool base,
                   struct err *err)
{
    struct run *run = calloc(1, sizeof(*run)), **at = &state->runs;

    if (!run)
        return err_set(err, ERR_NOMEM, "state");
    *run = (struct run){.bytes = writer->pos, .epoch = epoch, .base = base};
    memcpy(run->name, writer->name, sizeof(run->name));
    while (*at && (*at)->epoch <= epoch)
        at = &(*at)->next;
    run->next = *at;
    *at = run;
    return 0;
}

/* What the base holds needs no other file. */
static void retire_older(struct state *state, int64_t epoch)
{
    struct run **at = &state->runs;

    while (*at) {
        struct run *run = *at;

        if (run->epoch > epoch) {
            at = &run->next;
            continue;
        }
        *at = run->next;
        run->next = state->obsolete;
        state->obsolete = run;
    }
}

static int finish_run(struct state *state, struct err *err)
{
    int rc = run_close(state, &state->run, err);

    if (!rc && state->run.pos)
        rc = add_run(state, &state->run, state->epoch, false, err);
    state->sealing = rc != 0;
    return rc;
}

/* A base of epoch N that is done before run N keeps that run from being added: it is in it. */
static int finish_base(struct state *state, struct err *err)
{
    int rc = run_close(state, &state->base, err);

    if (rc)
        return rc;
    retire_older(state, state->base_epoch);
    if (state->base.pos)
        rc = add_run(state, &state->base, state->base_epoch, true, err);
    state->base_bytes = state->base.pos;
    state->basing = false;
    return rc;
}

int state_flush(struct state *state, int64_t budget_ns, bool *done, struct err *err)
{
    int step = state->spill && state->spill->base ? STEP : SLICE;
    struct slice_of_work work = {state->clock, INT64_MAX, step, step};
    bool all = false;
    int rc = 0;

    *done = false;
    if (budget_ns != INT64_MAX && state_is_busy(state) &&
        state_writer_is_full(state->writer, budget_ns < WAIT_NS ? 0 : budget_ns))
        return 0;
    if (budget_ns != INT64_MAX)
        work.end_ns = clock_mono_ns(state->clock) + budget_ns;
    if (state->sealing) {
        rc = flush_sealed(state, &work, &all, err);
        if (!rc && all)
            rc = finish_run(state, err);
    }
    *done = !rc && !state->sealing;
    if (!*done || !state->basing)
        return rc;
    all = false;
    rc = flush_base(state, &work, &all, err);
    return !rc && all ? finish_base(state, err) : rc;
}
