/* commit.h - the seam between a table and whoever makes its changes true.
 *
 * A change to a table is made in two steps. Staging writes data files, manifests, the manifest list
 * and the new metadata file to the store, all durable and none of them visible. Committing swaps
 * the table's metadata pointer from the base the change was staged on to the new one. `lake`
 * declares the second step here; `catalog` fills it in for our own catalog (inside a metadata
 * transaction, together with anything else that must become true at the same instant), and a REST
 * client fills it in for a foreign one.
 */
#ifndef LAKE_COMMIT_H
#define LAKE_COMMIT_H

#include "base/base.h"

struct meta_txn;

struct lake_ident {
    const char *ns;   /* levels joined by U+001F, as in the REST catalog's paths */
    const char *name;
};

/* One table's pointer swap. Everything borrowed. */
struct lake_swap {
    struct lake_ident ident;
    const char *uuid;          /* the table must still be this one */
    const char *base_location; /* metadata file the change was staged on; NULL: creates the table */
    const char *new_location;  /* metadata file to point at */
};

struct lake_catalog;
struct lake_catalog_ops {
    /* Where the table stands now: strings in the arena. ERR_NOENT. */
    int (*load)(struct lake_catalog *, const struct lake_ident *, struct arena *,
                const char **metadata_location, struct err *);
    /* Runs on the metadata writer's thread inside `txn`: swaps all or none. ERR_CONFLICT when a
     * table moved on: the caller loads, stages again on the new base and retries. */
    int (*swap_in)(struct lake_catalog *, struct meta_txn *txn, const struct lake_swap *swaps,
                   size_t count, struct err *);
    /* The same in a transaction of its own. Worker. */
    int (*swap)(struct lake_catalog *, const struct lake_swap *swaps, size_t count, struct err *);
};
struct lake_catalog {
    const struct lake_catalog_ops *ops;
    bool joins_meta; /* swap_in works: our own catalog. false: a foreign one, swap only */
};

#endif
