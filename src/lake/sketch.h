/* sketch.h - how many different values a column holds, in a few kilobytes: a theta sketch.
 *
 * The K least hashes of all values are kept; the greatest of them tells how densely the values
 * fill the range of hashes, and so their number. Up to K values it is exact. The bytes are those
 * of Apache DataSketches' compact, ordered form with its default seed, which Iceberg names
 * apache-datasketches-theta-v1: other engines read them and unite them with their own.
 * Threads: a sketch belongs to one thread at a time.
 */
#ifndef LAKE_SKETCH_H
#define LAKE_SKETCH_H

#include "base/base.h"

#define SKETCH_K 4096 /* DataSketches' default: 1.6% error in 68 of 100 cases */

struct sketch {
    uint64_t *slots; /* hashes, 0 where empty; open addressing, SKETCH_K * 4 of them */
    size_t count;
    uint64_t theta; /* hashes at or above it are not kept */
};
int sketch_init(struct sketch *sketch); /* ERR_NOMEM */
void sketch_deinit(struct sketch *sketch);
void sketch_add(struct sketch *sketch, struct slice value); /* not the empty value: ignored */
double sketch_estimate(const struct sketch *sketch);
int sketch_print(const struct sketch *sketch, struct buf *out); /* ERR_NOMEM */

#endif
