/* info.c - what parts of a state take, for whoever shows it. */
#include "state/state_int.h"

int64_t state_bytes_of(const struct state *state, const char *prefix)
{
    int64_t bytes = 0;

    for (struct state_table *t = state ? state->tables : NULL; t; t = t->next)
        for (size_t i = 0; i < t->space_count && !strncmp(t->name, prefix, strlen(prefix)); i++)
            bytes += (int64_t)t->spaces[i]->pool.bytes;
    return bytes;
}
