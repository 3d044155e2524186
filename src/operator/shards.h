/* shards.h - operators that go by keys, in shards: each has the operators once more, with state and
 * a connection of its own, and gets the rows whose keys' values are its.
 *
 * To the graph it stands in, op_shards_new is one operator. A batch that comes in is split by a
 * hash of its rows' keys, the shards run on the graph's team, and what they give is put out in
 * their order: so all rows of a key pass one shard, in the order they came, and the call returns
 * when all is done, as of any operator. Watermarks, idle inputs and the clock go to every shard.
 * The hash is of the values' bytes (vec/rows.h): equal keys of two inputs meet, NULLs of a type are
 * one value, and a key stays in its shard over restarts as long as there are as many shards.
 *
 * Changes whose row moves from one shard to another (a -U of the old key, a +U of the new) come out
 * of two shards, and one of them has to be first. Where an input has changes, so that this may be,
 * each shard gives the sum of a batch's changes per row, and all that is taken back by any comes
 * before all that is given: a sink that goes by a key of its own ends with the row that is there.
 *
 * What goes by no key stays outside. There is nothing here for a graph without shards.
 */
#ifndef OPERATOR_SHARDS_H
#define OPERATOR_SHARDS_H

#include "operator/operator.h"

/* The keys of one input; `columns` NULL: its first `count` columns. */
struct op_shard_keys {
    const size_t *columns;
    size_t count;
};

/* Makes the operators of one shard above its leaves, which have the columns of `below`; the one
 * made last gives what comes out. Called for each shard in turn: always the same operators. */
typedef int op_shard_make_fn(void *arg, struct op_graph *graph, struct op *const *leaves,
                             struct err *err);

/* As many shards as the graph of `below` was given. `keys` of the inputs are of the same types. */
int op_shards_new(struct op **out, struct op *const *below, const struct op_shard_keys *keys,
                  size_t input_count, op_shard_make_fn *make, void *arg, struct err *err);

size_t op_graph_shards(const struct op_graph *graph); /* 0: operators are not split */

#endif
