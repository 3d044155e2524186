/* err.c - one error: a code, and a sentence that grows context in front as it travels up. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_setv(struct err *err, int code, const char *fmt, va_list args)
{
    if (!err)
        return code;
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_setv(err, code, fmt, args);
    va_end(args);
    return code;
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
    char inner[sizeof(err->text)];
    va_list args;
    size_t len;

    if (!err)
        return code;
    memcpy(inner, err->text, sizeof(inner));
    inner[sizeof(inner) - 1] = '\0';
    va_start(args, fmt);
    err_setv(err, code, fmt, args);
    va_end(args);
    len = strlen(err->text);
    if (inner[0])
        snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
    return code;
}

int err_errno(struct err *err, int number, const char *fmt, ...)
{
    static const struct {
        int number, code;
    } map[] = {
        {ENOMEM, ERR_NOMEM},    {ENOSPC, ERR_NOSPC},  {EDQUOT, ERR_NOSPC},
        {ENOENT, ERR_NOENT},    {ENOTDIR, ERR_NOENT}, {EEXIST, ERR_EXISTS},
        {EACCES, ERR_DENIED},   {EPERM, ERR_DENIED},  {EROFS, ERR_READONLY},
        {EADDRINUSE, ERR_BUSY}, {EBUSY, ERR_BUSY},    {ETIMEDOUT, ERR_TIMEOUT},
        {EINVAL, ERR_INVALID},  {EFBIG, ERR_NOSPC}, /* a limit on files, as RLIMIT_FSIZE */
    };
    int code = ERR_IO;
    va_list args;
    size_t len;

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (map[i].number == number)
            code = map[i].code;
    if (!err)
        return code;
    va_start(args, fmt);
    err_setv(err, code, fmt, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(number));
    return code;
}

const char *err_name(int code)
{
    static const char *const names[] = {
        "OK",      "NOMEM",    "INVALID",  "CORRUPT",     "IO",    "NOSPC",
        "NOENT",   "EXISTS",   "CONFLICT", "UNSUPPORTED", "LIMIT", "CLOSED",
        "TIMEOUT", "DENIED",   "UNKNOWN",  "CANCELLED",   "BUSY",  "AGAIN",
        "RANGE",   "READONLY", "INTERNAL", "STALE",
    };
    int index = -code;

    return index >= 0 && index < (int)(sizeof(names) / sizeof(names[0])) ? names[index] : "?";
}
