/* commit.h - the seam between a table and whoever makes its changes true.
 *
 * A change to a table is made in two steps. Staging writes data files, manifests, the manifest list
 * and the new metadata file to the store, all durable and none of them visible. Committing swaps
 * the table's metadata pointer from the base the change was staged on to the new one. `lake`
 * declares the second step here; `catalog` fills it in for our own catalog (inside a metadata
 * transaction, together with anything else that must become true at the same instant), and a REST
 * client fills it in for a foreign one.
 *
 * A catalog may have a queue (`commit`). Changes to one table that wait for it together are then
 * staged one upon the other, those that only add files as one snapshot, and become true with one
 * metadata file and one transaction, as if they had come one by one. Their small files need no sync
 * of their own: the bytes travel in the transaction that makes them true, and a crash before the
 * files are synced puts them again. Changes that belong together, to one table or to several, wait
 * for all of their tables and become true at once.
 */
#ifndef LAKE_COMMIT_H
#define LAKE_COMMIT_H

#include "base/base.h"

struct meta_txn;

struct lake_ident {
    const char *ns; /* levels joined by U+001F, as in the REST catalog's paths */
    const char *name;
};

/* One table's pointer swap. Everything borrowed. */
struct lake_swap {
    struct lake_ident ident;
    const char *uuid;          /* the table must still be this one */
    const char *base_location; /* metadata file the change was staged on; NULL: creates the table */
    const char *new_location;  /* metadata file to point at */
};

/* Where the manifests and lists of a staged change go: whole and readable when put returns 0,
 * durable when the change is true. */
struct lake_carrier {
    int (*put)(struct lake_carrier *, const char *location, struct slice bytes, struct err *);
};

struct lake_metadata;

/* A change to one table, for a catalog with a queue. */
struct lake_part {
    struct lake_ident ident;
    /* Stages it on `base`, a state that another change may have made and that has no file yet, and
     * gives what the table is then: a reference that the catalog releases; one to `base` itself
     * says that there was nothing to do. Called again when the table moved on: the last call
     * counts. Runs on the thread of any of those who wait, while the owner waits too. What it
     * returns but 0 is what `commit` returns. */
    int (*stage)(void *arg, struct lake_metadata *base, struct lake_carrier *carrier,
                 struct lake_metadata **next, struct err *err);
    /* The same for parts of one table that wait together and name the same function: what they do
     * becomes one snapshot, by the `arg` of each. 0: all of them are staged; otherwise none is, and
     * `stage` is asked for each. NULL: this one stands by itself. */
    int (*stage_together)(void *const *args, size_t count, struct lake_metadata *base,
                          struct lake_carrier *carrier, struct lake_metadata **next,
                          struct err *err);
    void *arg;
    /* What must become true with it, in the same transaction; NULL: nothing. As a meta_fn: on the
     * metadata writer's thread, maybe more than once, without side effects outside of txn. */
    int (*also)(struct meta_txn *txn, void *arg, struct err *err);
    void *also_arg;
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
    /* Through the queue, as often as it takes, all parts in one transaction: true and durable on 0;
     * ERR_UNKNOWN; otherwise nothing of any of them happened. Parts of one table are staged one
     * upon the other, in their order. NULL: there is no queue. Worker. */
    int (*commit)(struct lake_catalog *, const struct lake_part *parts, size_t count, struct err *);
};
struct lake_catalog {
    const struct lake_catalog_ops *ops;
    bool joins_meta; /* swap_in works: our own catalog. false: a foreign one, swap only */
};

#endif
