/* secret.h - values of options that say where a secret is, and not what: `${NAME}` and
 * `${env:NAME}` are a variable of the environment, `${file:/path}` a file without its last line
 * end.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/slice.h"

struct err;

#define SECRET_MAX ((size_t)64 << 10)

/* Appends `value` with each ${...} replaced, then a NUL. `option` is for messages, which hold no
 * value. ERR_INVALID: the environment has no such variable; ERR_NOENT: no such file; ERR_LIMIT. */
int secret_expand(const char *option, const char *value, struct buf *out, struct err *err);

#endif
