/* flow_keys.c - by which columns the rows of a node's inputs may be split among several that do the
 * same: rows that must meet have the same values there. */
#include "sql/flow.h"

static struct sql_flow_keys some(const size_t *columns, size_t count)
{
    return (struct sql_flow_keys){columns, count};
}

/* A NULL on the right of NOT IN concerns every row. */
static struct sql_flow_keys join_keys(const struct sql_flow_joining *j, size_t input)
{
    return some(input ? j->right_keys : j->left_keys, j->null_aware ? 0 : j->key_count);
}

bool sql_flow_keyed(const struct sql_node *node, size_t input, struct sql_flow_keys *out)
{
    *out = (struct sql_flow_keys){0};
    switch (node->kind) {
    case SQL_NODE_AGGREGATE:
        *out = some(node->aggregate.keys, node->aggregate.key_count);
        break;
    case SQL_NODE_JOIN:
        *out = join_keys(&node->join, input);
        break;
    case SQL_NODE_RANK:
        *out = some(node->rank.keys, node->rank.key_count);
        break;
    case SQL_NODE_OVER:
        *out = some(node->over.keys, node->over.key_count);
        break;
    case SQL_NODE_NORMALIZE:
        *out = some(node->normalize.keys, node->normalize.key_count);
        break;
    case SQL_NODE_SETS:
    case SQL_NODE_FINAL:
        *out = some(NULL, node->inputs[input]->column_count);
        break;
    default:
        break;
    }
    return out->count > 0;
}
