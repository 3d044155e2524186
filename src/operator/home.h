/* home.h - which shard an entry of an operator's state belongs to, when there are others than it
 * was made with.
 *
 * Tables of operators that go by keys are found by those keys' bytes, as rows are split by them
 * (shards.h): an entry's key begins with them. What begins otherwise is told by the table's name,
 * here or in the operator's ops:
 * - "progress": how far time or numbers have come, the same in every shard but for numbers, of
 *   which the largest counts;
 * - "lags": a byte before the keys;
 * - tables of rows that wait (waiting.c): the keys are in the value, and the name is a number that
 *   is given once in a table. Rows of several shards that come together get other numbers, in their
 *   order.
 */
#ifndef OPERATOR_HOME_H
#define OPERATOR_HOME_H

#include "operator/operator.h"
#include "state/state.h"

#define OP_HOME_ALL   SIZE_MAX
#define OP_HOME_GRAPH (SIZE_MAX - 1) /* the operator is not in shards: the graph's own state */

struct op_moving {
    size_t from, of; /* it was in shard `from` of so many; of 0: there were none */
    const char *table;
    struct state_key key;
    struct slice value;
    /* Filled; key and value may be others then, in `number` and `renamed`. */
    size_t home;
    int64_t number;
    struct buf renamed;
};

/* ERR_CORRUPT: its bytes are none of this plan's. */
int op_graph_home(struct op_graph *graph, struct op_moving *moving, struct err *err);

#endif
