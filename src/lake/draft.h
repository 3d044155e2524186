/* draft.h - the next metadata file of a table, made but not yet written.
 *
 * For who decides how it becomes durable: lake_metadata_store (lake.h) writes it with two syncs;
 * the catalog keeps its bytes in the transaction that makes it true and lets the file follow.
 */
#ifndef LAKE_DRAFT_H
#define LAKE_DRAFT_H

#include "lake/lake.h"

struct lake_draft {
    const char *location;           /* where the file goes; in the arena of the call */
    struct lake_metadata *metadata; /* with the base logged; a reference */
    struct buf bytes;               /* of the file, gzip'd when the table asks for it */
    size_t text_len;                /* of the JSON in it */
    const char **dropped;           /* files that fell off the metadata log, as in metadata.h */
    size_t drop_count;
};

/* base NULL: the table's first file. Release with lake_draft_deinit, also after a failure. */
int lake_draft_init(struct lake_draft *out, struct lake_metadata *metadata,
                    const struct lake_metadata *base, const char *base_location,
                    struct arena *arena, struct err *err);
void lake_draft_deinit(struct lake_draft *draft);

/* A document that may be changed at its top and in the lists and objects right below it; what lies
 * deeper is shared with the original and must be replaced, never changed. Copying a table's whole
 * history for every commit was most of a commit's processor time. */
json_t *lake_doc_fork(const json_t *doc);

/* The file is there: whoever loads it next is spared reading and parsing. */
void lake_draft_keep(struct lake *lake, const struct lake_draft *draft);

#endif
