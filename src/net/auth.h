/* auth.h - small helpers for credentials in requests. Threads: any. */
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include "base/base.h"

/* Equal bytes? Takes the same time wherever they differ (the lengths may show). */
bool auth_equal(struct slice a, struct slice b);

/* The token of "Bearer TOKEN" (RFC 6750); len 0 when the header is NULL or something else. */
struct slice auth_bearer(const char *authorization);

/* User and password of "Basic ..." (RFC 7617), in the arena. ERR_NOENT: absent or another scheme;
 * ERR_INVALID: not base64 of "user:password". */
int auth_basic(struct arena *arena, const char *authorization, const char **user,
               const char **password);

/* A fresh token of `len` random characters out of A-Z a-z 0-9, NUL-ended: len + 1 bytes. */
void auth_token(char *out, size_t len);

#endif
