/* form.c - the reader of multipart/form-data: a search for the boundary, part headers in between.
 *
 * The delimiter begins with CR and holds no other, so a comparison that fails at some byte can
 * begin anew only at that byte: no table is needed, and what had matched is data of the part.
 */
#include "net/form.h"

#include <strings.h>

/* --- parameters of a header: NAME=token or NAME="quoted" ----------------------------------------
 */

/* Reads a value from *at on, quoted or not, into `out` of `max` bytes, and moves behind it. False:
 * it is too long, or its quotes stay open. */
static bool read_value(const char **at, char *out, size_t max)
{
    const char *p = *at;
    bool quoted = *p == '"';
    size_t len = 0;

    for (p += quoted; *p && *p != (quoted ? '"' : ';'); p++) {
        if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        if (len + 1 >= max)
            return false;
        out[len++] = *p;
    }
    while (!quoted && len && (out[len - 1] == ' ' || out[len - 1] == '\t'))
        len--;
    out[len] = '\0';
    *at = p + (quoted && *p == '"');
    return !quoted || *p == '"';
}

/* The parameter's value in `out` of `max` bytes; false: there is none, or it makes no sense. */
static bool parameter(const char *header, const char *name, char *out, size_t max)
{
    size_t name_len = strlen(name);
    char other[FORM_HEADERS_MAX];

    for (const char *at = strchr(header, ';'); at; at = strchr(at, ';')) {
        bool found;

        at += 1 + strspn(at + 1, " \t");
        found = strncasecmp(at, name, name_len) == 0 && at[name_len] == '=';
        at += strcspn(at, "=;");
        if (*at != '=')
            continue;
        at++;
        if (found)
            return read_value(&at, out, max);
        if (!read_value(&at, other, sizeof(other)))
            return false;
    }
    return false;
}

int form_init(struct form *form, const char *content_type, const struct form_events *events,
              void *arg)
{
    static const char kind[] = "multipart/form-data";
    char boundary[FORM_BOUNDARY_MAX + 1];
    size_t kind_len = sizeof(kind) - 1;

    if (!content_type || strncasecmp(content_type, kind, kind_len) ||
        (content_type[kind_len] && !strchr("; \t", content_type[kind_len])))
        return ERR_UNSUPPORTED;
    if (!parameter(content_type, "boundary", boundary, sizeof(boundary)) || !boundary[0] ||
        strpbrk(boundary, "\r\n"))
        return ERR_INVALID;
    *form = (struct form){.events = events, .arg = arg};
    memcpy(form->delimiter, "\r\n--", 4);
    memcpy(form->delimiter + 4, boundary, strlen(boundary) + 1);
    form->delimiter_len = 4 + strlen(boundary);
    form->matched = 2; /* the first line has no CRLF before it */
    return 0;
}

bool form_ended(const struct form *form)
{
    return form->state == FORM_END;
}

/* --- data ---------------------------------------------------------------------------------------
 */

static int give(struct form *form, const void *ptr, size_t len)
{
    return form->in_part && len ? form->events->data(form->arg, slice_of(ptr, len)) : 0;
}

static int end_part(struct form *form)
{
    int rc = form->in_part ? form->events->end(form->arg) : 0;

    form->in_part = false;
    form->matched = form->tail_len = 0;
    form->state = FORM_AFTER_BOUNDARY;
    return rc;
}

/* Up to the next boundary, or all. */
static int take_data(struct form *form, struct slice *piece)
{
    while (piece->len) {
        const uint8_t *at = piece->ptr;
        size_t run = 0;
        int rc = 0;

        if (form->matched == 0) {
            const uint8_t *cr = memchr(at, '\r', piece->len);

            run = cr ? (size_t)(cr - at) : piece->len;
            rc = give(form, at, run);
        } else if (*at != (uint8_t)form->delimiter[form->matched]) {
            size_t matched = form->matched;

            form->matched = 0;
            rc = give(form, form->delimiter, matched);
            if (rc)
                return rc;
            continue;
        }
        if (rc)
            return rc;
        if (run < piece->len) { /* this byte goes on with the delimiter */
            run++;
            form->matched++;
        }
        *piece = slice_of(at + run, piece->len - run);
        if (form->matched == form->delimiter_len)
            return end_part(form);
    }
    return 0;
}

/* --- between two parts --------------------------------------------------------------------------
 */

/* "--" ends the form, CRLF begins a part. */
static int take_tail(struct form *form, struct slice *piece)
{
    while (piece->len && form->tail_len < 2) {
        form->tail[form->tail_len++] = (char)piece->ptr[0];
        *piece = slice_of(piece->ptr + 1, piece->len - 1);
        if (form->tail_len == 1 && (form->tail[0] == ' ' || form->tail[0] == '\t'))
            form->tail_len = 0; /* padding by a transport */
    }
    if (form->tail_len < 2)
        return 0;
    if (memcmp(form->tail, "--", 2) == 0)
        form->state = FORM_END;
    else if (memcmp(form->tail, "\r\n", 2) == 0)
        form->state = FORM_HEADERS;
    else
        return ERR_CORRUPT;
    form->header_len = 0;
    return 0;
}

static int begin_part(struct form *form)
{
    static const char wanted[] = "content-disposition:";
    char name[256], filename[1024];
    bool has_filename;

    for (char *line = form->headers; line && *line;) {
        char *end = strstr(line, "\r\n");

        if (end)
            *end = '\0';
        if (strncasecmp(line, wanted, sizeof(wanted) - 1) == 0) {
            if (!parameter(line, "name", name, sizeof(name)))
                return ERR_CORRUPT;
            has_filename = parameter(line, "filename", filename, sizeof(filename));
            form->in_part = true;
            form->state = FORM_DATA;
            return form->events->part(form->arg, name, has_filename ? filename : NULL);
        }
        line = end ? end + 2 : NULL;
    }
    return ERR_CORRUPT; /* a part without a name */
}

static int take_headers(struct form *form, struct slice *piece)
{
    while (piece->len) {
        char c = (char)piece->ptr[0];

        *piece = slice_of(piece->ptr + 1, piece->len - 1);
        if (!c || form->header_len + 1 == sizeof(form->headers))
            return ERR_CORRUPT;
        form->headers[form->header_len++] = c;
        if (form->header_len >= 4 &&
            memcmp(form->headers + form->header_len - 4, "\r\n\r\n", 4) == 0) {
            form->headers[form->header_len - 2] = '\0';
            return begin_part(form);
        }
    }
    return 0;
}

int form_feed(struct form *form, struct slice piece)
{
    int rc = 0;

    while (piece.len && !rc && form->state != FORM_END)
        rc = form->state == FORM_DATA             ? take_data(form, &piece)
             : form->state == FORM_AFTER_BOUNDARY ? take_tail(form, &piece)
                                                  : take_headers(form, &piece);
    return rc;
}
