/* adopt.c - a state that is made of the entries of others. */
#include "state/state_int.h"

struct state_table *state_table_find(struct state *state, const char *name)
{
    struct state_table *table = state->tables;

    while (table && strcmp(table->name, name) != 0)
        table = table->next;
    return table;
}

int state_tables_like(struct state *state, const struct state *other, struct err *err)
{
    struct state_table *made;
    int rc = 0;

    for (const struct state_table *table = other->tables; table && !rc; table = table->next)
        if (!state_table_find(state, table->name))
            rc = state_table_open(
                state,
                &(struct state_table_options){.name = table->name, .grouped = table->grouped},
                &made, err);
    return rc;
}

static int each_of_space(struct state_table *table, const struct space *space, state_entry_fn *fn,
                         void *arg, struct err *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < space->all.count && !rc; i++) {
        const struct entry *entry = space->all.list[i];
        struct state_key key = {space->number, entry_key(table, entry), entry_sub(table, entry)};

        if (!(entry->flags & GONE))
            rc = fn(arg, table->name, &key, entry->touched,
                    slice_of(entry->value, entry->value_len), err);
    }
    return rc;
}

int state_each(struct state *state, state_entry_fn *fn, void *arg, struct err *err)
{
    int rc = 0;

    for (struct state_table *table = state->tables; table && !rc; table = table->next)
        for (size_t i = 0; i < table->space_count && !rc; i++)
            rc = each_of_space(table, table->spaces[i], fn, arg, err);
    return rc;
}

/* Nothing is over while it comes: who reads it later finds that it is. */
int state_adopt(struct state_table *table, const struct state_key *key, uint32_t touched,
                struct slice value, struct err *err)
{
    int rc;

    table->state->loading = true;
    rc = load_put(table, key, touched, value, err);
    table->state->loading = false;
    return rc;
}
