/* secrets.c - a script as it may be shown: values of options that hold passwords are stars.
 *
 * Goes over the text, not over a tree, so that a script with a mistake hides its secrets too. */
#include "sql/sql_int.h"

#include <ctype.h>

/* Flink's list (GlobalConfiguration), and what else is met. */
static const char *const words[] = {
    "password",     "secret",      "token",       "jaas.config", "apikey",
    "api-key",      "credential",  "auth-params", "service-key", "basic-auth",
    "http-headers", "account.key", "ssl.key",     ".pem",        "keystore.key",
};

static bool is_secret(struct slice key)
{
    char name[200];
    size_t len = key.len < sizeof(name) - 1 ? key.len : sizeof(name) - 1;

    for (size_t i = 0; i < len; i++)
        name[i] = (char)tolower(key.ptr[i]);
    name[len] = '\0';
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

/* '${NAME}' says where the secret is, and not what. */
static bool is_reference(struct slice value)
{
    return value.len > 3 && value.ptr[0] == '$' && value.ptr[1] == '{' &&
           memchr(value.ptr, '}', value.len) == value.ptr + value.len - 1;
}

/* Behind the piece that begins at `at`: a comment, a string with its quotes, else one byte. */
static size_t piece_end(struct slice text, size_t at)
{
    const char *p = (const char *)text.ptr;
    size_t end = at + 1;

    if (p[at] == '-' && end < text.len && p[end] == '-') {
        while (end < text.len && p[end] != '\n')
            end++;
    } else if (p[at] == '/' && end < text.len && p[end] == '*') {
        for (end++; end < text.len && !(p[end - 1] == '*' && p[end] == '/'); end++)
            ;
        end += end < text.len;
    } else if (p[at] == '\'') {
        while (end < text.len && (p[end] != '\'' || (end + 1 < text.len && p[end + 1] == '\'')))
            end += p[end] == '\'' ? 2 : 1;
        end = end < text.len ? end + 1 : text.len;
    }
    return end;
}

int sql_hide_secrets(struct slice text, struct buf *out)
{
    struct slice key = {0}; /* the last string, while only an '=' follows */
    bool equals = false;
    int rc = 0;

    for (size_t at = 0, end; at < text.len && !rc; at = end) {
        struct slice piece;

        end = piece_end(text, at);
        piece = slice_of(text.ptr + at, end - at);
        if (piece.ptr[0] == '\'' && piece.len >= 2) {
            struct slice inside = slice_of(piece.ptr + 1, piece.len - 2);

            rc = equals && is_secret(key) && !is_reference(inside) ? buf_append_str(out, "'******'")
                                                                   : buf_append_slice(out, piece);
            key = equals ? (struct slice){0} : inside;
            equals = false;
            continue;
        }
        if (piece.ptr[0] == '=')
            equals = key.ptr != NULL;
        else if (piece.len == 1 && !isspace(piece.ptr[0]))
            key = (struct slice){0}, equals = false;
        rc = buf_append_slice(out, piece);
    }
    return rc;
}
