/* ordered.h - a map in the order of its keys' bytes, kept in a table of state.
 *
 * Items lie in leaves of about a kilobyte, each an entry of the table; one leaf is enough for a
 * small map, and a directory finds the leaf in a large one. So a map of n small items costs their
 * bytes and 8 more each, changes touch one leaf, and nothing has to be made again after a load.
 * Finding, adding and removing take O(log n); a directory is copied when a leaf is split.
 * A handle is pointed at one map at a time. The table is not grouped and used for maps alone.
 */
#ifndef OPERATOR_ORDERED_H
#define OPERATOR_ORDERED_H

#include "state/state.h"

struct ordered {
    struct state_table *table;
    int64_t space;
    struct buf name, node, half; /* name: the map's, then room for the number of a leaf */
};
struct ordered_item {
    struct slice key, payload; /* borrowed until the next change of the table */
};

void ordered_deinit(struct ordered *map);
/* Points at the map `part` of `key`. ERR_NOMEM */
int ordered_at(struct ordered *map, struct state_table *table, int64_t space, struct slice key,
               uint8_t call, uint8_t part, struct err *err);

/* The payload that is there; ptr NULL: none. */
struct slice ordered_get(struct ordered *map, struct slice key);
int ordered_set(struct ordered *map, struct slice key, struct slice payload, struct err *err);
int ordered_remove(struct ordered *map, struct slice key, struct err *err);
/* A payload that is a number: `by` is added, an item at 0 is removed. */
int ordered_count(struct ordered *map, struct slice key, int64_t by, struct err *err);
int ordered_drop(struct ordered *map, struct err *err); /* all of it */

/* Is this the name of a map in its table, of its leaves the first? Then of which key. */
bool ordered_is_root(struct slice name, struct slice *key);

/* Walks in order, forward or backward; the map is not changed meanwhile. */
struct ordered_walk {
    struct ordered *map;
    const void *directory, *leaf;
    uint32_t at, leaf_at; /* behind (before, when backward) the item given next */
    bool back;
};
void ordered_first(struct ordered_walk *walk, struct ordered *map);
void ordered_last(struct ordered_walk *walk, struct ordered *map);
/* Forward from the first key that is not less than `key`. */
void ordered_from(struct ordered_walk *walk, struct ordered *map, struct slice key);
bool ordered_next(struct ordered_walk *walk, struct ordered_item *item);

#endif
