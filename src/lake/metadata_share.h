/* metadata_share.h - what a version of a table has in common with the one it was made from.
 *
 * A commit changes a line or two of a document that may name a thousand snapshots. What is seen of
 * a snapshot, and how it is printed, belongs to the JSON object that both documents share: it is
 * worked out once and counted by reference, as are schemas, specs and orders. So a new version
 * costs a pointer for each snapshot that it keeps, and to print it is to copy bytes.
 * Invariant: JSON below the top of a document never changes (lake_doc_fork), so that the same
 * object means the same text. Threads: as lake_metadata.
 */
#ifndef LAKE_METADATA_SHARE_H
#define LAKE_METADATA_SHARE_H

#include "lake/lake_int.h"

/* The lists of schemas, partition specs and sort orders. */
enum shape_list { SHAPE_SCHEMAS, SHAPE_SPECS, SHAPE_ORDERS, SHAPE_LISTS };
extern const char *const shape_keys[SHAPE_LISTS];
struct metadata_shape {
    int refs; /* atomic */
    struct arena arena;
    json_t *json[SHAPE_LISTS]; /* references: what the views borrow their texts from */
    void *items[SHAPE_LISTS];
    size_t counts[SHAPE_LISTS];
    struct printed *texts[SHAPE_LISTS]; /* NULL until asked for; atomic */
};

/* A new one, without views; or that of `base` when the document's lists are the same objects
 * (*made false). m->shape holds the reference. */
int share_shape(struct lake_metadata *m, const struct lake_metadata *base, bool *made,
                struct err *err);
/* m->snapshots and m->snapshot_log, from m->doc; `base` may be NULL. */
int share_snapshots(struct lake_metadata *m, const struct lake_metadata *base, struct err *err);
int share_snapshot_log(struct lake_metadata *m, const struct lake_metadata *base, struct err *err);
void share_release(struct lake_metadata *m); /* copes with a half-built one */

#endif
