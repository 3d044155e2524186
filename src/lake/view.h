/* view.h - one version of a view's metadata file: queries by dialect, their versions, schemas.
 *
 * As with tables (metadata.h) the document is kept whole and never changes; a change makes a new
 * one. Counted by reference; any thread may read. Specification: Iceberg view spec, format version
 * 1; REST catalog spec, "ViewUpdate" and "ViewRequirement".
 */
#ifndef LAKE_VIEW_H
#define LAKE_VIEW_H

#include "base/json.h"

struct lake_view {
    json_t *doc; /* read only */
    int refs;    /* atomic */
    const char *uuid, *location; /* borrowed from the document */
    const json_t *version;       /* the current one, likewise */
};

/* The caller owns *out. ERR_CORRUPT and ERR_UNSUPPORTED name the field. */
int lake_view_parse(struct slice text, struct lake_view **out, struct err *err);
int lake_view_print(const struct lake_view *view, struct buf *out, struct err *err);
struct lake_view *lake_view_ref(struct lake_view *view);
void lake_view_free(struct lake_view *view); /* drops one reference; NULL is fine */

/* Applies requirements and updates (JSON arrays, either may be NULL) to a base; NULL: a new view.
 * ERR_CONFLICT: a requirement does not hold; ERR_INVALID: updates that make no sense;
 * ERR_UNSUPPORTED: unknown ones. */
int lake_view_apply(const struct lake_view *base, const json_t *requirements, const json_t *updates,
                    int64_t now_ms, struct lake_view **out, struct err *err);

/* The current version's query in the first of the dialects (lower case) that it has; NULL: none of
 * them. *dialect is the one found. Borrowed from the view. */
const char *lake_view_sql(const struct lake_view *view, const char *const *dialects, size_t count,
                          const char **dialect);

#endif
