/* plan_explain.c - a plan as text: a line for each node, its inputs below it and further right.
 *
 *     sink db.totals: who, n                                      changes
 *       select                                            line 2
 *         aggregate by c0: COUNT(*)                       line 2  changes, state grows by key ...
 *           select                                        line 2
 *             scan clicks
 */
#include "sql/flow.h"
#include "sql/sql.h"

struct explain {
    struct buf *out;
    int64_t shards;
    int rc;
};

static void put(struct explain *e, const char *text)
{
    if (!e->rc)
        e->rc = buf_append_str(e->out, text);
}

static void put_columns(struct explain *e, const struct sql_node *below, const size_t *columns,
                        size_t count)
{
    for (size_t i = 0; i < count && !e->rc; i++)
        e->rc = buf_printf(e->out, "%s%s", i ? ", " : "", below->columns[columns[i]].name);
}

static void put_column(struct explain *e, const struct sql_node *below, int column)
{
    if (column < 0)
        put(e, "processing time");
    else
        put(e, below->columns[column].name);
}

static void put_ms(struct explain *e, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;

    while (i + 1 < COUNT_OF(units) && (ms == 0 || ms % units[i].ms))
        i++;
    if (!e->rc)
        e->rc = buf_printf(e->out, "%" PRId64 " %s", ms / units[i].ms, units[i].unit);
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static const char *const call_names[] = {
    [SQL_FLOW_COUNT] = "COUNT",
    [SQL_FLOW_SUM] = "SUM",
    [SQL_FLOW_MIN] = "MIN",
    [SQL_FLOW_MAX] = "MAX",
    [SQL_FLOW_FIRST_VALUE] = "FIRST_VALUE",
    [SQL_FLOW_LAST_VALUE] = "LAST_VALUE",
    [SQL_FLOW_LISTAGG] = "LISTAGG",
    [SQL_FLOW_COLLECT] = "COLLECT",
    [SQL_FLOW_ARRAY_AGG] = "ARRAY_AGG",
    [SQL_FLOW_JSON_OBJECTAGG] = "JSON_OBJECTAGG",
    [SQL_FLOW_JSON_ARRAYAGG] = "JSON_ARRAYAGG",
    [SQL_FLOW_SINGLE_VALUE] = "SINGLE_VALUE",
    [SQL_FLOW_APPROX_COUNT_DISTINCT] = "APPROX_COUNT_DISTINCT",
    [SQL_FLOW_ROW_NUMBER] = "ROW_NUMBER",
    [SQL_FLOW_RANK] = "RANK",
    [SQL_FLOW_DENSE_RANK] = "DENSE_RANK",
    [SQL_FLOW_LAG] = "LAG",
    [SQL_FLOW_LEAD] = "LEAD",
    [SQL_FLOW_NTH_VALUE] = "NTH_VALUE",
};

const char *sql_flow_aggregate_name(enum sql_flow_aggregate what)
{
    return call_names[what];
}

static void put_calls(struct explain *e, const struct sql_node *below,
                      const struct sql_flow_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(e, i ? ", " : ": ");
        put(e, call_names[calls[i].what]);
        put(e, calls[i].distinct ? "(DISTINCT " : "(");
        put(e, calls[i].arg >= 0                 ? below->columns[calls[i].arg].name
               : calls[i].what == SQL_FLOW_COUNT ? "*"
                                                 : "");
        put(e, ")");
        if (calls[i].filter >= 0) {
            put(e, " FILTER ");
            put(e, below->columns[calls[i].filter].name);
        }
    }
}

static void put_window(struct explain *e, const struct sql_node *below,
                       const struct sql_flow_aggregation *a)
{
    static const char *const names[] = {
        [SQL_FLOW_TUMBLE] = " in windows of ",
        [SQL_FLOW_HOP] = " in windows of ",
        [SQL_FLOW_CUMULATE] = " in windows of up to ",
        [SQL_FLOW_SESSION] = " in sessions, gap ",
    };

    if (a->window == SQL_FLOW_NO_WINDOW)
        return;
    if (a->window == SQL_FLOW_ATTACHED) {
        put(e, " in windows that end at ");
        put_column(e, below, a->window_end);
        return;
    }
    put(e, names[a->window]);
    put_ms(e, a->size_ms);
    if (a->window == SQL_FLOW_HOP || a->window == SQL_FLOW_CUMULATE) {
        put(e, " every ");
        put_ms(e, a->slide_ms);
    }
    put(e, ", by ");
    put_column(e, below, a->rowtime);
}

static void put_aggregate(struct explain *e, const struct sql_node *node)
{
    const struct sql_flow_aggregation *a = &node->aggregate;
    const struct sql_node *below = node->inputs[0];

    put(e, "aggregate");
    put(e, a->key_count ? " by " : "");
    put_columns(e, below, a->keys, a->key_count);
    put_window(e, below, a);
    put_calls(e, below, a->calls, a->call_count);
}

/* ---- joins ----------------------------------------------------------------------------------- */

static void put_keys(struct explain *e, const struct sql_node *left, const size_t *left_keys,
                     const struct sql_node *right, const size_t *right_keys, size_t count)
{
    for (size_t i = 0; i < count && !e->rc; i++)
        e->rc = buf_printf(e->out, "%sleft.%s = right.%s", i ? " and " : " on ",
                           left->columns[left_keys[i]].name,
                           right ? right->columns[right_keys[i]].name : "");
}

static void put_join(struct explain *e, const struct sql_node *node)
{
    static const char *const kinds[] = {
        [SQL_FLOW_INNER] = "inner", [SQL_FLOW_LEFT] = "left", [SQL_FLOW_RIGHT] = "right",
        [SQL_FLOW_FULL] = "full",   [SQL_FLOW_SEMI] = "semi", [SQL_FLOW_ANTI] = "anti",
        [SQL_FLOW_MARK] = "mark",
    };
    static const char *const times[] = {
        [SQL_FLOW_REGULAR] = " join",
        [SQL_FLOW_INTERVAL] = " interval join",
        [SQL_FLOW_TEMPORAL] = " temporal join",
        [SQL_FLOW_WINDOWED] = " window join",
    };
    const struct sql_flow_joining *j = &node->join;

    put(e, kinds[j->join]);
    put(e, times[j->time]);
    put_keys(e, node->inputs[0], j->left_keys, node->inputs[1], j->right_keys, j->key_count);
    if (j->time == SQL_FLOW_INTERVAL) {
        put(e, ", right.");
        put_column(e, node->inputs[1], j->right_time);
        put(e, " from ");
        put_ms(e, j->low_ms);
        put(e, " to ");
        put_ms(e, j->high_ms);
        put(e, " after left.");
        put_column(e, node->inputs[0], j->left_time);
    }
    if (j->time == SQL_FLOW_TEMPORAL) {
        put(e, " as of left.");
        put_column(e, node->inputs[0], j->left_time);
    }
    put(e, j->condition ? ", with a condition" : "");
    for (size_t s = 0; s < 2; s++) {
        if (!(s ? j->right_forgets : j->left_forgets))
            continue;
        put(e, s ? ", right rows kept until left." : ", left rows kept until right.");
        put_column(e, node->inputs[!s], s ? j->left_time : j->right_time);
        put(e, " is ");
        put_ms(e, s ? -j->low_ms : j->high_ms);
        put(e, " ahead");
    }
}

static void put_lookup(struct explain *e, const struct sql_node *node)
{
    put(e, node->lookup.left ? "left lookup join with " : "lookup join with ");
    put(e, node->lookup.table->name);
    for (size_t i = 0; i < node->lookup.key_count && !e->rc; i++)
        e->rc = buf_printf(e->out, "%s%s", i ? ", " : " by ",
                           node->inputs[0]->columns[node->lookup.left_keys[i]].name);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void put_orders(struct explain *e, const struct sql_node *below,
                       const struct sql_flow_order *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(e, i ? ", " : " order by ");
        put(e, below->columns[order[i].column].name);
        put(e, order[i].descending ? " desc" : "");
    }
}

static void put_rank(struct explain *e, const struct sql_node *node)
{
    const struct sql_flow_ranking *r = &node->rank;

    put(e, "rows ");
    if (!e->rc)
        e->rc = r->to == INT64_MAX ? buf_printf(e->out, "from %" PRId64, r->from)
                                   : buf_printf(e->out, "%" PRId64 " to %" PRId64, r->from, r->to);
    put(e, r->key_count ? " of " : "");
    put_columns(e, node->inputs[0], r->keys, r->key_count);
    put_orders(e, node->inputs[0], r->order, r->order_count);
    put(e, r->window_end >= 0 ? ", once per window" : "");
}

static void put_over(struct explain *e, const struct sql_node *node)
{
    const struct sql_flow_over *o = &node->over;

    put(e, "over");
    put(e, o->key_count ? " by " : "");
    put_columns(e, node->inputs[0], o->keys, o->key_count);
    put(e, " order by ");
    put_column(e, node->inputs[0], o->rowtime);
    if (o->before != INT64_MAX && o->rows && !e->rc)
        e->rc = buf_printf(e->out, ", %" PRId64 " rows before", o->before);
    if (o->before != INT64_MAX && !o->rows) {
        put(e, ", ");
        put_ms(e, o->before);
        put(e, " before");
    }
    put_calls(e, node->inputs[0], o->calls, o->call_count);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void put_node(struct explain *e, const struct sql_node *node)
{
    switch (node->kind) {
    case SQL_NODE_SCAN:
        put(e, "scan ");
        put(e, node->scan.table->name);
        put(e, node->scan.marks ? ", watermark" : "");
        return;
    case SQL_NODE_VALUES:
        put(e, "values");
        return;
    case SQL_NODE_SELECT:
        put(e, "select");
        return;
    case SQL_NODE_UNION:
        put(e, "union all");
        return;
    case SQL_NODE_AGGREGATE:
        put_aggregate(e, node);
        return;
    case SQL_NODE_JOIN:
        put_join(e, node);
        return;
    case SQL_NODE_LOOKUP:
        put_lookup(e, node);
        return;
    case SQL_NODE_RANK:
        put_rank(e, node);
        return;
    case SQL_NODE_OVER:
        put_over(e, node);
        return;
    case SQL_NODE_SORT:
        put(e, "sort");
        if (node->sort.rowtime >= 0) {
            put(e, " by ");
            put_column(e, node->inputs[0], node->sort.rowtime);
        }
        put_orders(e, node->inputs[0], node->sort.order, node->sort.order_count);
        return;
    case SQL_NODE_SETS:
        put(e, node->sets.except ? "except" : "intersect");
        put(e, node->sets.all ? " all" : "");
        return;
    case SQL_NODE_NORMALIZE:
        put(e, "last row by ");
        put_columns(e, node->inputs[0], node->normalize.keys, node->normalize.key_count);
        return;
    case SQL_NODE_FINAL:
        put(e, "what is left");
        return;
    }
}

/* Does what it keeps grow with every row or key there ever was? */
static const char *growth(const struct sql_node *node)
{
    bool by_key = false, by_row = false;

    switch (node->kind) {
    case SQL_NODE_AGGREGATE:
        by_key = !node->aggregate.window && node->aggregate.key_count && !node->aggregate.ttl_ms;
        break;
    case SQL_NODE_JOIN:
        by_row = node->join.time == SQL_FLOW_REGULAR &&
                 ((!node->join.left_ttl_ms && !node->join.left_forgets) ||
                  (!node->join.right_ttl_ms && !node->join.right_forgets));
        break;
    case SQL_NODE_RANK:
        by_key = node->rank.key_count && node->rank.window_end < 0 && !node->rank.ttl_ms;
        break;
    case SQL_NODE_OVER:
        by_key = node->over.key_count && !node->over.ttl_ms;
        break;
    case SQL_NODE_SETS:
        by_row = true;
        break;
    case SQL_NODE_NORMALIZE:
        by_key = !node->normalize.ttl_ms;
        break;
    default:
        break;
    }
    return by_row   ? "state grows with every row: SET 'table.exec.state.ttl' or join by time"
           : by_key ? "state grows with every new key: SET 'table.exec.state.ttl' or use windows"
                    : NULL;
}

const char *sql_plan_changing(const struct sql_node *root, uint32_t *line)
{
    static const char *const names[] = {
        [SQL_NODE_SCAN] = "TableSourceScan",
        [SQL_NODE_VALUES] = "Values",
        [SQL_NODE_SELECT] = "Calc",
        [SQL_NODE_UNION] = "Union",
        [SQL_NODE_AGGREGATE] = "GroupAggregate",
        [SQL_NODE_JOIN] = "Join",
        [SQL_NODE_LOOKUP] = "LookupJoin",
        [SQL_NODE_RANK] = "Rank",
        [SQL_NODE_OVER] = "OverAggregate",
        [SQL_NODE_SORT] = "Sort",
        [SQL_NODE_SETS] = "GroupAggregate",
        [SQL_NODE_NORMALIZE] = "ChangelogNormalize",
        [SQL_NODE_FINAL] = "Sink",
    };

    if (!root->changes)
        return NULL;
    for (size_t i = 0; i < root->input_count; i++)
        if (root->inputs[i]->changes)
            return sql_plan_changing(root->inputs[i], line);
    *line = root->line;
    return names[root->kind];
}

static void put_notes(struct explain *e, const struct sql_node *node)
{
    const char *grows = growth(node);
    struct sql_flow_keys keys;

    if (e->rc || !node->line)
        return;
    e->rc = buf_printf(e->out, "  (line %u%s", node->line, node->changes ? ", changes" : "");
    if (!e->rc && node->same) {
        e->rc = buf_printf(e->out, ", the rows of line %u again)", node->same->line);
        return;
    }
    if (!e->rc && e->shards > 1 && sql_flow_keyed(node, 0, &keys))
        e->rc = buf_printf(e->out, ", in %" PRId64 " shards", e->shards);
    if (!e->rc)
        e->rc = buf_printf(e->out, "%s%s)", grows ? ", " : "", grows ? grows : "");
}

static void put_tree(struct explain *e, const struct sql_node *node, int depth)
{

    for (int i = 0; i < depth; i++)
        put(e, "  ");
    put_node(e, node);
    put_notes(e, node);
    put(e, "\n");
    for (size_t i = 0; i < node->input_count && !node->same; i++)
        put_tree(e, node->inputs[i], depth + 1);
}

int sql_plan_explain(const struct sql_insert_plan *plan, struct buf *out)
{
    struct explain e = {.out = out, .shards = plan->shards};

    put(&e, "sink ");
    put(&e, plan->target->database ? plan->target->database : "");
    put(&e, plan->target->database ? "." : "");
    put(&e, plan->target->name);
    for (size_t i = 0; i < plan->output_count; i++) {
        put(&e, i ? ", " : ": ");
        put(&e, plan->outputs[i].name);
    }
    put(&e, "\n");
    put_tree(&e, plan->root, 1);
    return e.rc;
}
