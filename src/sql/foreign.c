/* foreign.c - other dialects' quotes. See foreign.h. */
#include "sql/foreign.h"

static const struct dialect {
    const char *name;
    char becomes;   /* what a double quote is written as */
    bool backslash; /* \' and \" stand for the quote inside of strings */
} dialects[] = {
    {"trino", '`', false},
    {"duckdb", '`', false},
    {"spark", '\'', true},
};

/* Bytes of the comment at `at`, or 0. */
static size_t comment_len(const char *at)
{
    const char *end;

    if (at[0] == '-' && at[1] == '-')
        return strcspn(at, "\n");
    if (at[0] != '/' || at[1] != '*')
        return 0;
    end = strstr(at + 2, "*/");
    return end ? (size_t)(end - at) + 2 : strlen(at);
}

/* Copies what stands between quotes, the first of which is at `at`, with `becomes` in their place.
 * Gives the bytes read; `out` moves on. It at most doubles in length. */
static size_t copy_quoted(const char *at, char becomes, bool backslash, char **out)
{
    char quote = *at, *to = *out;
    const char *from = at + 1;

    *to++ = becomes;
    while (*from && !(*from == quote && from[1] != quote)) {
        char c = *from++;

        if (c == quote)
            from++; /* two of them are one */
        else if (c == '\\' && backslash && (*from == '\'' || *from == '"' || *from == '\\'))
            c = *from++;
        *to++ = c;
        if (c == becomes)
            *to++ = c;
    }
    if (*from) {
        *to++ = becomes;
        from++;
    }
    *out = to;
    return (size_t)(from - at);
}

const char *sql_foreign_quotes(const char *text, const char *dialect, struct arena *arena)
{
    const struct dialect *d = NULL;
    char *out, *to;

    for (size_t i = 0; i < COUNT_OF(dialects); i++)
        if (!strcmp(dialects[i].name, dialect))
            d = &dialects[i];
    if (!d)
        return text;
    out = to = arena_alloc(arena, 2 * strlen(text) + 3);
    if (!out)
        return NULL;
    while (*text) {
        size_t len = comment_len(text);

        if (len) {
            memcpy(to, text, len);
            to += len;
        } else if (*text == '"') {
            len = copy_quoted(text, d->becomes, d->backslash, &to);
        } else if (*text == '\'' || *text == '`') {
            len = copy_quoted(text, *text, d->backslash && *text == '\'', &to);
        } else {
            *to++ = *text;
            len = 1;
        }
        text += len;
    }
    *to = '\0';
    return out;
}
