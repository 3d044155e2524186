/* err.h - what went wrong, as a code and a sentence a person can act on.
 *
 * Functions return 0 or one of the negative codes below and fill a struct err passed last (NULL is
 * allowed: then only the code travels). The text lives inside the struct, so running out of memory
 * can be reported too. Each protocol room has one table from these codes to its own.
 * Threads: a struct err belongs to its caller.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum err_code {
    ERR_NOMEM = -1,        /* an allocation failed */
    ERR_INVALID = -2,      /* the caller or the user asked for something that makes no sense */
    ERR_CORRUPT = -3,      /* bytes that break their format: a CRC, a length, a magic */
    ERR_IO = -4,           /* the disk or a peer failed */
    ERR_NOSPC = -5,        /* the disk is full */
    ERR_NOENT = -6,        /* no such file, topic, table, ... */
    ERR_EXISTS = -7,       /* it is there already */
    ERR_CONFLICT = -8,     /* a precondition no longer holds: load again and retry */
    ERR_UNSUPPORTED = -9,  /* well formed, and not something we do */
    ERR_LIMIT = -10,       /* past a stated limit */
    ERR_CLOSED = -11,      /* the thing was closed or is stopping */
    ERR_TIMEOUT = -12,     /* nothing came in time */
    ERR_DENIED = -13,      /* not allowed: credentials or permissions */
    ERR_UNKNOWN = -14,     /* a remote call may or may not have happened: delete nothing */
    ERR_CANCELLED = -15,   /* the caller asked to stop */
    ERR_BUSY = -16,        /* in use by somebody else */
    ERR_AGAIN = -17,       /* nothing to do right now */
    ERR_RANGE = -18,       /* an offset or position outside of what exists */
    ERR_READONLY = -19,    /* the file system refuses writes */
    ERR_INTERNAL = -20,    /* a library failed in a way it should not have */
    ERR_STALE = -21        /* what it was computed from has changed: compute it anew */
};

struct err {
    int code;       /* 0 when nothing went wrong */
    char text[500]; /* NUL-ended, cut when too long */
};

/* Replaces what `err` holds. Returns `code`, so that `return err_set(...)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_setv(struct err *err, int code, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Puts context in front of the text: "segment 00042: no space left". Returns `code`. */
int err_wrap(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* From errno; `what` is the call and the path: "open data/meta.db". Returns our code. */
int err_errno(struct err *err, int number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

const char *err_name(int code); /* "NOMEM", "CONFLICT", ... for traces */

#endif
