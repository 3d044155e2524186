/* plan_from.c - FROM: tables become leaves of the tree, subqueries and UNNEST stay what they are,
 * row by row; joins of two streams are plan_join.c's.
 */
#include "sql/plan_int.h"

/* ---- tables ---------------------------------------------------------------------------------- */

static void remember_scan(struct planner *p, struct plan_node *scan)
{
    if (p->scan_count == p->scan_max) {
        size_t max = p->scan_max ? p->scan_max * 2 : 8;
        struct plan_node **more = BIND_ARRAY(p->b, struct plan_node *, max);

        if (p->scan_count)
            memcpy(more, p->scans, p->scan_count * sizeof(*more));
        p->scans = more;
        p->scan_max = max;
    }
    p->scans[p->scan_count++] = scan;
}

/* Rows that are changes have their kind in a last column, which no query names. */
static void with_kind(struct planner *p, struct bound_source *source)
{
    size_t n = source->column_count;
    struct bound_column *columns = BIND_ARRAY(p->b, struct bound_column, n + 1);

    memcpy(columns, source->columns, n * sizeof(*columns));
    columns[n] = (struct bound_column){.name = "$row_kind",
                                       .type = bind_nullable(p->b, &sql_type_tinyint, false)};
    source->columns = columns;
    source->column_count = n + 1;
    if (source->computed) {
        struct bound_expr **computed = BIND_ARRAY(p->b, struct bound_expr *, n + 1);

        memcpy(computed, source->computed, n * sizeof(struct bound_expr *));
        source->computed = computed;
    }
}

/* A bounded run gives its results at the end of its inputs: they need to have one. */
static void check_bounded(struct planner *p, const struct bound_source *source)
{
    const struct sql_table *table = source->table;

    if (p->options->batch && !sql_source_bounded(table->options))
        bind_fail(
            p->b, ERR_INVALID, source->pos,
            "Querying an unbounded table '%s%s%s%s%s' in batch mode is not allowed. The table "
            "source is unbounded.",
            table->catalog ? table->catalog : "", table->catalog ? "." : "",
            table->database ? table->database : "", table->database ? "." : "", table->name);
}

struct rel plan_scan(struct planner *p, struct bound_source *source)
{
    const struct sql_table *table = source->table;
    struct sql_node *node = plan_node_new(p, SQL_NODE_SCAN, source->pos, table->column_count);
    struct plan_node *scan = (struct plan_node *)node;
    struct sql_output *columns = (struct sql_output *)node->columns;

    check_bounded(p, source);
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind == SQL_COLUMN_COMPUTED)
            continue;
        plan_node_label(node, node->column_count, table->columns[i].name);
        columns[node->column_count++] =
            (struct sql_output){table->columns[i].name, table->columns[i].type};
    }
    scan->leaf = source;
    node->scan.table = table;
    node->changes = sql_source_changes(table->options) != SQL_SOURCE_APPENDS;
    if (node->changes)
        with_kind(p, source);
    remember_scan(p, scan);
    return (struct rel){node, source};
}

static size_t column_of(struct planner *p, const struct bound_source *source, const char *name)
{
    for (size_t i = 0; i < source->column_count; i++)
        if (!strcmp(source->columns[i].name, name))
            return i;
    bind_fail(p->b, ERR_INVALID, source->pos, "unknown column `%s` in the key", name);
}

/* A table of upserts, whose rows say only what is new: the last row of each key. */
static struct rel plan_normalized(struct planner *p, struct bound_source *source)
{
    const struct sql_table *table = source->table;
    struct rel rel = plan_scan(p, source), feed;
    struct sql_flow_normalizing *out;
    struct sql_node *below, *node;
    struct shape shape;
    struct moves moves;
    size_t *keys = BIND_ARRAY(p->b, size_t, table->primary_key_count + 1);

    if (!table->primary_key_count)
        bind_fail(p->b, ERR_INVALID, source->pos,
                  "table `%s` needs a PRIMARY KEY (...) NOT ENFORCED: its rows replace each other",
                  table->name);
    shape_init(&shape, p, &rel);
    shape_take(&shape, &moves);
    for (size_t i = 0; i < table->primary_key_count; i++)
        keys[i] = shape_put(&shape, bound_column(p->b, source->pos, source,
                                                 column_of(p, source, table->primary_key[i])));
    below = shape_done(&shape, source->pos);
    node = plan_node_new(p, SQL_NODE_NORMALIZE, source->pos, below->column_count);
    for (size_t i = 0; i < below->column_count; i++) {
        plan_node_column(p, node, below->columns[i].type, plan_node_time(below, i));
        plan_node_label(node, i, below->labels[i]);
    }
    plan_node_inputs(p, node, below, NULL);
    node->changes = true;
    out = &node->normalize;
    out->keys = keys;
    out->key_count = table->primary_key_count;
    out->ttl_ms = p->options->ttl_ms;
    feed = plan_feed(p, node);
    plan_move(p, &moves, &feed, 0);
    return feed;
}

/* ---- row by row ------------------------------------------------------------------------------ */

/* No table in it: it is made of the row on its left alone. */
static bool is_of_the_row(const struct bound_source *source)
{
    const struct sql_bound *query = source->query;

    switch (source->kind) {
    case SOURCE_TABLE:
        return false;
    case SOURCE_UNNEST:
        return true;
    case SOURCE_JOIN:
        return is_of_the_row(source->left) && is_of_the_row(source->right);
    case SOURCE_QUERY:
        break;
    }
    return source->lateral && query->kind == QUERY_SELECT && !query->aggregated &&
           !query->distinct && !query->qualify && !query->limit && !query->offset &&
           (!query->from || is_of_the_row(query->from));
}

static struct rel plan_unnested(struct planner *p, struct bound_source *join, struct conds *conds)
{
    bool outer = join->join == SQL_JOIN_LEFT;
    struct rel rel;

    if (join->join == SQL_JOIN_RIGHT || join->join == SQL_JOIN_FULL)
        bind_fail(p->b, ERR_INVALID, join->pos,
                  "UNNEST takes a row of its left side: [INNER] JOIN, CROSS JOIN or LEFT JOIN");
    if (outer && join->on && join->on->kind != BOUND_LITERAL)
        bind_fail(p->b, ERR_INVALID, join->pos, "LEFT JOIN UNNEST(...) takes ON TRUE");
    rel = plan_from(p, join->left, conds);
    join->left = rel.from;
    return (struct rel){rel.node, join};
}

struct rel plan_from(struct planner *p, struct bound_source *source, struct conds *conds)
{
    struct rel rel = {0};
    bool outermost;

    switch (source->kind) {
    case SOURCE_TABLE:
        return sql_source_changes(source->table->options) == SQL_SOURCE_UPSERTS
                   ? plan_normalized(p, source)
                   : plan_scan(p, source);
    case SOURCE_QUERY:
        if (source->tvf && source->tvf->kind == BOUND_SESSION)
            bind_fail(p->b, ERR_UNSUPPORTED, source->pos,
                      "SESSION windows stand below GROUP BY window_start, window_end");
        outermost = bind_view_enter(p->b, source->view, source->pos);
        rel = (struct rel){plan_query(p, source->query), source};
        bind_view_leave(p->b, outermost);
        return rel;
    case SOURCE_UNNEST:
        bind_fail(p->b, ERR_UNSUPPORTED, source->pos,
                  "UNNEST on its own reads no stream: it stands behind a table and a comma");
    case SOURCE_JOIN:
        break;
    }
    bind_enter(p->b, source->pos);
    rel = is_of_the_row(source->right) ? plan_unnested(p, source, conds)
                                       : plan_join(p, source, conds);
    bind_leave(p->b);
    return rel;
}
