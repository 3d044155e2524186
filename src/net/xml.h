/* xml.h - XML as the S3 API uses it: small documents of nested elements with text at the leaves.
 *
 * The reader walks elements as they end and tells each one's path and text, so a caller is a loop
 * over a table of paths:
 *
 *     while (xml_next(&xml, &path, &text, &rc, err))
 *         if (strcmp(path, "Delete/Object/Key") == 0) ...
 *
 * Namespace prefixes and attributes are dropped; comments, processing instructions and CDATA are
 * understood; a DOCTYPE is refused (nothing is ever expanded or fetched). Depth, path and text are
 * bounded. Threads: a reader belongs to one thread.
 */
#ifndef NET_XML_H
#define NET_XML_H

#include "base/base.h"

#define XML_DEPTH_MAX 32
#define XML_PATH_MAX  1024

struct xml {
    struct slice text;   /* borrowed for the life of the reader */
    size_t pos;
    struct arena *arena; /* borrowed: texts are put there */
    char path[XML_PATH_MAX];
    size_t starts[XML_DEPTH_MAX]; /* where in the path each open element begins */
    struct buf texts[XML_DEPTH_MAX];
    size_t depth;
    bool closing; /* the element told last is still on the path */
    bool done;
};

void xml_init(struct xml *xml, struct arena *arena, struct slice text);
void xml_deinit(struct xml *xml);
/* The next element that ends: its path from the root ("a/b/c", valid until the next call) and its
 * own text, NUL-ended, in the arena. False at the end of the document or on an error, told by *rc:
 * ERR_CORRUPT with the position, ERR_LIMIT, ERR_NOMEM. */
bool xml_next(struct xml *xml, const char **path, const char **text, int *rc, struct err *err);

/* Writing: text with & < > " ' and control characters escaped; and one whole <name>text</name>. */
int xml_escape(struct buf *out, struct slice text);
int xml_element(struct buf *out, const char *name, const char *text);

#endif
