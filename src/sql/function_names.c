/* function_names.c - the names in functions.def, each once and without our own ($), for SHOW FUNCTIONS and suggestions. */
#include "sql/sql.h"

static const char *const all[] = {
#define FUNCTION(name, kind, category, arguments, result, duckdb) name,
#define MISSING(name, kind, category, arguments, result, reason)
#include "sql/functions.def"
#undef FUNCTION
#undef MISSING
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *sql_function_names(struct arena *arena, size_t *count)
{
    const char **names = ARENA_ARRAY(arena, const char *, COUNT_OF(all));
    size_t kept = 0;

    *count = 0;
    if (!names)
        return NULL;
    memcpy(names, all, sizeof(all));
    qsort(names, COUNT_OF(all), sizeof(*names), by_text);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (names[i][0] != '$' && (kept == 0 || strcmp(names[i], names[kept - 1]) != 0))
            names[kept++] = names[i];
    *count = kept;
    return names;
}
