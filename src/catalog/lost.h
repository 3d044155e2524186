/* lost.h - tables that lie on storage and that the catalog does not have.
 *
 * A table that was dropped without its files, or that another catalog made below our warehouse: its
 * newest metadata file is all that is needed to register it.
 * Threads: worker.
 */
#ifndef CATALOG_LOST_H
#define CATALOG_LOST_H

#include "catalog/catalog.h"

struct catalog_lost {
    const char *place;    /* "s3://warehouse/db/t" */
    const char *metadata; /* the newest of its metadata files */
};
/* Walks the warehouse's folders down to those that hold a folder "metadata", and no deeper; ends
 * at `max` finds. In the arena. What a purge is about to remove is not lost. */
int catalog_lost_find(struct catalog *catalog, size_t max, struct arena *arena,
                      struct catalog_lost *out, size_t *count, struct err *err);

#endif
