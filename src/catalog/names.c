/* names.c - names of namespaces and tables: how they are checked, shown, and become paths. */
#include <stdio.h>

#include "catalog/catalog_int.h"

struct shown show_ns(const char *ns)
{
    struct shown shown;

    snprintf(shown.text, sizeof(shown.text), "%s", ns);
    for (char *at = shown.text; *at; at++)
        if (*at == LEVEL_SEPARATOR)
            *at = '.';
    return shown;
}

struct shown show_table(const struct lake_ident *ident)
{
    struct shown shown = show_ns(ident->ns);
    size_t len = strlen(shown.text);

    snprintf(shown.text + len, sizeof(shown.text) - len, ".%s", ident->name);
    return shown;
}

/* A name is UTF-8 (it travels in JSON) without control characters; else it is the user's choice. */
static bool is_text(const char *text, size_t len)
{
    json_t *json = json_stringn(text, len);

    json_decref(json);
    for (size_t i = 0; json && i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return json != NULL;
}

int check_ns(const char *ns, struct err *err)
{
    int levels = 0;
    const char *at = ns;

    for (;;) {
        size_t len = strcspn(at, "\x1f");

        if (len == 0)
            return err_set(err, ERR_INVALID, "A namespace has an empty level: '%s'",
                           show_ns(ns).text);
        if (len > NAME_MAX_BYTES)
            return err_set(err, ERR_INVALID, "A level of a namespace is longer than %d bytes",
                           NAME_MAX_BYTES);
        if (!is_text(at, len))
            return err_set(err, ERR_INVALID, "A namespace is not plain UTF-8 text");
        if (++levels > LEVELS_MAX)
            return err_set(err, ERR_INVALID, "A namespace has more than %d levels", LEVELS_MAX);
        if (at[len] == '\0')
            return 0;
        at += len + 1;
    }
}

int check_ident(const struct lake_ident *ident, struct err *err)
{
    size_t len = strlen(ident->name);
    int rc = check_ns(ident->ns, err);

    if (rc)
        return rc;
    if (len == 0)
        return err_set(err, ERR_INVALID, "A table needs a name");
    if (len > NAME_MAX_BYTES)
        return err_set(err, ERR_INVALID, "A table's name is longer than %d bytes", NAME_MAX_BYTES);
    if (!is_text(ident->name, len))
        return err_set(err, ERR_INVALID, "A table's name is not plain UTF-8 text");
    return 0;
}

int no_namespace(struct err *err, const char *ns)
{
    return err_set(err, ERR_NOENT, "Namespace does not exist: %s", show_ns(ns).text);
}

int no_table(struct err *err, const struct lake_ident *ident)
{
    return err_set(err, ERR_NOENT, "Table does not exist: %s", show_table(ident).text);
}

int have_table(struct err *err, const struct lake_ident *ident)
{
    return err_set(err, ERR_EXISTS, "Table already exists: %s", show_table(ident).text);
}

int cannot_rename(struct err *err, const struct lake_ident *from, const struct lake_ident *to,
                  const char *kind)
{
    return err_set(err, ERR_EXISTS, "Cannot rename %.200s to %.200s. %s already exists",
                   show_table(from).text, show_table(to).text, kind);
}

int no_view(struct err *err, const struct lake_ident *ident)
{
    return err_set(err, ERR_NOENT, "View does not exist: %s", show_table(ident).text);
}

int have_view(struct err *err, const struct lake_ident *ident)
{
    return err_set(err, ERR_EXISTS, "View already exists: %s", show_table(ident).text);
}

static int append_part(struct buf *out, const char *part, size_t len, bool *odd)
{
    int rc = buf_append_u8(out, '/');
    bool dots = true;

    for (size_t i = 0; i < len; i++)
        dots &= part[i] == '.';
    *odd |= dots; /* "." and ".." would walk out of the folder */
    for (size_t i = 0; !rc && i < len; i++) {
        unsigned char c = (unsigned char)part[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || (c == '.' && !dots);

        *odd |= !plain;
        rc = buf_append_u8(out, plain ? c : '_');
    }
    return rc;
}

const char *path_below(struct arena *arena, const char *base, const char *ns, const char *table,
                       bool *odd)
{
    struct buf out = {0};
    const char *path = NULL;
    int rc = buf_append_str(&out, base);

    for (const char *at = ns; !rc && at;) {
        size_t len = strcspn(at, "\x1f");

        rc = append_part(&out, at, len, odd);
        at = at[len] ? at + len + 1 : NULL;
    }
    if (!rc && table)
        rc = append_part(&out, table, strlen(table), odd);
    if (!rc)
        path = arena_cstr(arena, buf_slice(&out));
    buf_deinit(&out);
    return path;
}
