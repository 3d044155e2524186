/* secret.c - ${...} in values. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret.h"

static int append_file(const char *option, const char *path, struct buf *out, struct err *err)
{
    int rc = disk_read_file(disk_system(), path, out, err);

    if (rc)
        return err_wrap(err, rc, "'%s'", option);
    while (out->len && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
        out->len--;
    return 0;
}

static int append_reference(const char *option, struct slice name, struct buf *out, struct err *err)
{
    char text[1024];
    const char *variable, *value;

    if (name.len >= sizeof(text))
        return err_set(err, ERR_LIMIT, "'%s': a name of %zu bytes", option, name.len);
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (!strncmp(text, "file:", 5))
        return append_file(option, text + 5, out, err);
    variable = !strncmp(text, "env:", 4) ? text + 4 : text;
    value = getenv(variable);
    if (!value)
        return err_set(
            err, ERR_INVALID,
            "'%s': the environment has no %s; ${NAME} is a variable, ${file:/path} a file", option,
            variable);
    return buf_append_str(out, value) ? err_set(err, ERR_LIMIT, "'%s'", option) : 0;
}

int secret_expand(const char *option, const char *value, struct buf *out, struct err *err)
{
    const char *at = value, *open, *close;
    int rc = 0;

    out->max = SECRET_MAX;
    while (!rc && (open = strstr(at, "${")) && (close = strchr(open, '}'))) {
        rc = buf_append(out, at, (size_t)(open - at));
        if (!rc)
            rc = append_reference(option, slice_of(open + 2, (size_t)(close - open - 2)), out, err);
        at = close + 1;
    }
    if (!rc && (rc = buf_append(out, at, strlen(at) + 1)))
        err_set(err, rc, "'%s'", option);
    return rc;
}
