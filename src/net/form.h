/* form.h - multipart/form-data (RFC 7578) as it arrives: what browsers send for a form with a file.
 *
 * The bytes come in pieces of any size; parts are told as they are met, without being collected, so
 * a file of any length takes no memory. Only the headers of a part are held, up to a limit.
 * Threads: any; a form belongs to one at a time.
 */
#ifndef NET_FORM_H
#define NET_FORM_H

#include "base/base.h"

#define FORM_BOUNDARY_MAX 70 /* RFC 2046, section 5.1.1 */
#define FORM_HEADERS_MAX  4096

/* What is told of a part. A code other than 0 ends form_feed with it. The texts are borrowed for
 * the call. `filename` is NULL where the part has none. */
struct form_events {
    int (*part)(void *arg, const char *name, const char *filename);
    int (*data)(void *arg, struct slice bytes);
    int (*end)(void *arg);
};

enum form_state { FORM_DATA, FORM_AFTER_BOUNDARY, FORM_HEADERS, FORM_END };

struct form { /* filled by form_init; nothing of it is to be released */
    const struct form_events *events;
    void *arg;
    enum form_state state;
    bool in_part; /* false: before the first boundary, whose bytes nobody wants */
    char delimiter[4 + FORM_BOUNDARY_MAX + 1]; /* CRLF, two dashes, the boundary */
    size_t delimiter_len, matched;
    char tail[2]; /* behind a boundary */
    size_t tail_len;
    char headers[FORM_HEADERS_MAX];
    size_t header_len;
};

/* ERR_UNSUPPORTED: the Content-Type (NULL is fine) is of something else; ERR_INVALID: it names no
 * boundary, or no possible one. `events` is borrowed for the form's life. */
int form_init(struct form *form, const char *content_type, const struct form_events *events,
              void *arg);
/* ERR_CORRUPT: not such a form. What follows its end is passed over. */
int form_feed(struct form *form, struct slice piece);
bool form_ended(const struct form *form); /* the last boundary has been there */

#endif
