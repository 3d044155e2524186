/* plan_built.c - which nodes have an operator: a table with a line for each that has none. */
#include "sql/plan_int.h"

#define ANY (-1)

static const struct missing {
    enum sql_node_kind kind;
    int detail; /* JOIN: enum sql_flow_join_time; AGGREGATE: enum sql_flow_window */
    const char *what;
} missing[] = {
    {SQL_NODE_LOOKUP, ANY, "a lookup join"},
};

static int detail_of(const struct sql_node *node)
{
    return node->kind == SQL_NODE_JOIN        ? (int)node->join.time
           : node->kind == SQL_NODE_AGGREGATE ? (int)node->aggregate.window
                                              : ANY;
}

void plan_check_built(struct planner *p, const struct sql_node *node)
{
    struct sql_pos pos = {.line = node->line, .column = node->column};

    for (size_t i = 0; i < COUNT_OF(missing); i++)
        if (missing[i].kind == node->kind &&
            (missing[i].detail == ANY || missing[i].detail == detail_of(node)))
            plan_refuse(p, pos, missing[i].what);
    for (size_t i = 0; i < node->input_count; i++)
        plan_check_built(p, node->inputs[i]);
}
