/* sweep.c - entries whose time is over: looked for a few at a time, all of them once in a quarter
 * of their time to live.
 *
 * No list by age is kept: it would cost every change two more places in memory. What is looked at
 * here is little beside the changes, unless the time to live is short; and then there is little.
 */
#include "state/state_int.h"

#define ROUNDS    4       /* within a time to live */
#define SLICE_MAX 20000   /* entries in one call */
#define STEP_MAX  3600000 /* ms: more between two calls is a jump of the clock */

/* The space that the search is in, or the next one that has entries. */
static struct space *space_here(struct state_table *table)
{
    struct space *space = table_space(table, table->sweep_space, false);
    int64_t number;

    if (space && table->sweep_at)
        return space;
    if (table->sweep_space == INT64_MAX ||
        !state_space_from(table, table->sweep_space + 1, &number)) {
        table->sweep_round = state_count(table);
        if (!state_space_from(table, INT64_MIN, &number))
            return NULL;
    }
    space = table_space(table, number, false);
    table->sweep_space = number;
    table->sweep_at = space->all.count;
    return space;
}

static int sweep_table(struct state_table *table, int64_t passed_ms, struct err *err)
{
    int64_t left, count = state_count(table);
    struct space *space;
    int rc = 0;

    if (count < table->sweep_round) /* a round takes its time, though it leaves little */
        count = table->sweep_round;
    table->sweep_due += count * passed_ms * 1000 / (table->ttl_ms / ROUNDS + 1);
    if (table->sweep_due > count * 1000)
        table->sweep_due = count * 1000;
    left = table->sweep_due / 1000 < SLICE_MAX ? table->sweep_due / 1000 : SLICE_MAX;
    table->sweep_due -= left * 1000;
    for (; left > 0 && !rc && (space = space_here(table)); left--) {
        struct entry *entry;

        if (table->sweep_at > space->all.count)
            table->sweep_at = space->all.count;
        if (!table->sweep_at)
            continue;
        entry = space->all.list[--table->sweep_at];
        if (entry_expired(table, entry))
            rc = entry_expire(table, space, entry, err);
    }
    return rc;
}

int state_tick(struct state *state, int64_t now_ms, struct err *err)
{
    int64_t passed = now_ms - state->now_ms;
    bool first = !state->now_ms;
    int rc = 0;

    if (now_ms > 0)
        state->now_ms = now_ms;
    if (first || passed <= 0)
        return 0;
    if (passed > STEP_MAX)
        passed = STEP_MAX;
    for (struct state_table *table = state->tables; table && !rc; table = table->next)
        if (table->ttl_ms)
            rc = sweep_table(table, passed, err);
    return rc;
}
