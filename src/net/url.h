/* url.h - percent-encoding (RFC 3986), query strings, and the parts of a URL.
 *
 * Threads: any. Nothing here allocates except into the arena or buf given.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/base.h"

/* One header, to send or received. */
struct http_field {
    const char *name, *value;
};

/* Appends `s` with everything but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash) as %XX, upper case:
 * RFC 3986's unreserved characters, as SigV4 wants them. */
int url_encode(struct buf *out, struct slice s, bool keep_slash);

/* Is it what decoding and url_encode would make of it? */
bool url_is_encoded(struct slice s, bool keep_slash);

/* Decodes %XX (and '+' as a space when plus_is_space) into the arena, NUL-ended. ERR_INVALID: an
 * escape that is cut or not hexadecimal, or a NUL; ERR_NOMEM. */
int url_decode(struct arena *arena, struct slice s, bool plus_is_space, const char **out);

/* Walks "a=1&b&c=": each call gives the next raw pair and moves `rest` on; false at the end. */
bool url_query_next(struct slice *rest, struct slice *name, struct slice *value);

struct url {
    const char *scheme;    /* "http", "https" */
    const char *host;      /* without brackets */
    int port;              /* default of the scheme when left out */
    const char *path;      /* raw, "/" at least */
    const char *query;     /* raw, "" when there is none */
    const char *authority; /* host[:port] as it goes into a Host header */
};

/* Parts in the arena. ERR_INVALID names what is wrong. User and password are refused: they belong
 * into the configuration's own fields. */
int url_parse(struct arena *arena, const char *text, struct url *out, struct err *err);

#endif
