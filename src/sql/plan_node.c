/* plan_node.c - nodes, the sources over their rows, the SELECTs under operators, and what columns
 * mean for time. See plan_int.h for how they go together.
 */
#include <stdio.h>

#include "sql/plan_int.h"

#define KIND "$row_kind"

_Noreturn void plan_refuse(struct planner *p, struct sql_pos pos, const char *what)
{
    bind_fail(p->b, ERR_UNSUPPORTED, pos, "%s on a stream is not built yet", what);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct sql_node *plan_node_new(struct planner *p, enum sql_node_kind kind, struct sql_pos pos,
                               size_t column_max)
{
    struct plan_node *node = BIND_NEW(p->b, struct plan_node);

    node->node.kind = kind;
    node->node.line = pos.line;
    node->node.column = pos.column;
    node->node.columns = BIND_ARRAY(p->b, struct sql_output, column_max + 1);
    node->node.labels = BIND_ARRAY(p->b, const char *, column_max + 1);
    node->times = BIND_ARRAY(p->b, enum bound_time, column_max + 1);
    node->settled = BIND_ARRAY(p->b, bool, column_max + 1);
    node->column_max = column_max;
    return &node->node;
}

size_t plan_node_column(struct planner *p, struct sql_node *node, const struct sql_type *type,
                        enum bound_time time)
{
    struct plan_node *own = (struct plan_node *)node;
    struct sql_output *column = (struct sql_output *)&node->columns[node->column_count];

    assert(node->column_count < own->column_max);
    column->name = arena_printf(p->b->arena, "c%zu", node->column_count);
    column->type = type;
    if (!column->name)
        bind_nomem(p->b);
    own->times[node->column_count] = time;
    return node->column_count++;
}

void plan_node_label(struct sql_node *node, size_t column, const char *label)
{
    ((const char **)(uintptr_t)node->labels)[column] = label;
}

/* Of a column, or of what is one but for a conversion. */
const char *plan_label(const struct bound_expr *expr)
{
    const struct bound_source *source;
    const char *label;
    size_t column;

    while (expr->kind == BOUND_CAST)
        expr = expr->args[0];
    if (expr->kind != BOUND_COLUMN)
        return NULL;
    source = bound_at(expr, &column);
    if (column >= source->column_count)
        return NULL;
    label = source->columns[column].label;
    return !label ? source->columns[column].name : *label ? label : NULL;
}

void plan_node_inputs(struct planner *p, struct sql_node *node, struct sql_node *left,
                      struct sql_node *right)
{
    node->inputs = BIND_ARRAY(p->b, struct sql_node *, 2);
    node->inputs[0] = left;
    node->inputs[1] = right;
    node->input_count = right ? 2 : 1;
}

enum bound_time plan_node_time(const struct sql_node *node, size_t column)
{
    return ((const struct plan_node *)node)->times[column];
}

void plan_node_takes_back(struct sql_node *node)
{
    enum bound_time *times = ((struct plan_node *)node)->times;

    node->changes = true;
    for (size_t i = 0; i < node->column_count; i++)
        if (bound_is_start(times[i]) || bound_is_end(times[i]))
            times[i] = BOUND_TIMELESS;
}

/* A table of these columns: printed as `feed`. */
static void feed_table(struct planner *p, struct bound_source *feed)
{
    struct sql_table *table = BIND_NEW(p->b, struct sql_table);
    struct sql_column *columns = BIND_ARRAY(p->b, struct sql_column, feed->column_count + 1);

    for (size_t i = 0; i < feed->column_count; i++)
        columns[i] =
            (struct sql_column){.name = feed->columns[i].name, .type = feed->columns[i].type};
    table->name = "feed";
    table->columns = columns;
    table->column_count = feed->column_count;
    feed->table = table;
}

struct rel plan_feed(struct planner *p, struct sql_node *node)
{
    struct bound_source *feed = BIND_NEW(p->b, struct bound_source);
    size_t count = node->column_count;

    feed->kind = SOURCE_TABLE;
    feed->number = p->b->next_number++;
    feed->column_count = count + node->changes;
    feed->columns = BIND_ARRAY(p->b, struct bound_column, count + 1);
    for (size_t i = 0; i < count; i++)
        feed->columns[i] = (struct bound_column){.name = node->columns[i].name,
                                                 .type = node->columns[i].type,
                                                 .used = true,
                                                 .time = plan_node_time(node, i),
                                                 .settled = ((struct plan_node *)node)->settled[i],
                                                 .label = node->labels[i] ? node->labels[i] : ""};
    if (node->changes)
        feed->columns[count] = (struct bound_column){
            .name = KIND, .type = bind_nullable(p->b, &sql_type_tinyint, false)};
    feed_table(p, feed);
    return (struct rel){node, feed};
}

struct bound_expr *plan_column(struct planner *p, struct sql_pos pos, const struct rel *rel,
                               size_t column)
{
    return bound_column(p->b, pos, rel->from, column);
}

/* ---- time ------------------------------------------------------------------------------------ */

const char *plan_function(const struct bound_expr *expr)
{
    return expr->kind == BOUND_CALL ? expr->function->name : NULL;
}

static enum bound_time table_time(const struct bound_source *source, size_t column)
{
    if (source->table->rowtime && !strcmp(source->table->rowtime, source->columns[column].name))
        return BOUND_ROWTIME;
    if (source->computed && source->computed[column])
        return plan_time(source->computed[column]);
    return source->columns[column].time;
}

/* The last three columns of a windowing table function are start, end and time. */
static enum bound_time query_time(const struct bound_source *source, size_t column)
{
    const struct sql_bound *query = source->query;
    size_t last = source->column_count;

    if (source->tvf && column + 3 == last)
        return plan_window_bound(query->items[source->tvf->time_column], false);
    if (source->tvf && column + 2 == last)
        return plan_window_bound(query->items[source->tvf->time_column], true);
    if (source->tvf && column + 1 == last)
        return plan_time(query->items[source->tvf->time_column]);
    return query->kind == QUERY_SELECT ? plan_time(query->items[column]) : BOUND_TIMELESS;
}

enum bound_time plan_window_bound(const struct bound_expr *time, bool end)
{
    while (time->kind == BOUND_CAST)
        time = time->args[0];
    if (plan_time(time) == BOUND_PROCTIME)
        return end ? BOUND_CLOCK_END : BOUND_CLOCK_START;
    if (time->type->kind == SQL_TIMESTAMP_LTZ)
        return end ? BOUND_LOCAL_END : BOUND_LOCAL_START;
    return end ? BOUND_WINDOW_END : BOUND_WINDOW_START;
}

static enum bound_time window_time(enum bound_time end)
{
    if (end == BOUND_CLOCK_END)
        return BOUND_PROCTIME;
    return bound_is_end(end) ? BOUND_ROWTIME : BOUND_TIMELESS;
}

enum bound_time plan_time(const struct bound_expr *expr)
{
    const struct bound_source *source;
    const char *function = plan_function(expr);
    size_t column;

    if (function && !strcmp(function, "PROCTIME"))
        return BOUND_PROCTIME;
    if (function && !strcmp(function, "$WINDOW_TIME"))
        return window_time(plan_time(expr->args[1]));
    if (expr->kind == BOUND_CAST && expr->implicit && expr->type->kind == expr->args[0]->type->kind)
        return plan_time(expr->args[0]);
    if (expr->kind != BOUND_COLUMN)
        return BOUND_TIMELESS;
    source = bound_at(expr, &column);
    if (column >= source->column_count) /* a window that is not made yet */
        return BOUND_TIMELESS;
    if (source->kind == SOURCE_TABLE)
        return table_time(source, column);
    if (source->kind == SOURCE_QUERY)
        return query_time(source, column);
    /* The windows of a legacy group window, or of a table function seen from inside. */
    if (source->kind == SOURCE_UNNEST && source->tvf)
        return plan_window_bound(source->array->args[0], column != 0);
    return BOUND_TIMELESS;
}

bool plan_settled(const struct bound_expr *expr)
{
    const struct bound_source *source;
    size_t column;

    if (expr->kind == BOUND_CAST && expr->implicit && expr->type->kind == expr->args[0]->type->kind)
        return plan_settled(expr->args[0]);
    if (expr->kind != BOUND_COLUMN)
        return false;
    source = bound_at(expr, &column);
    if (column >= source->column_count)
        return false;
    if (source->kind == SOURCE_QUERY)
        return !source->tvf && source->query->kind == QUERY_SELECT &&
               plan_settled(source->query->items[column]);
    return source->kind == SOURCE_TABLE && source->columns[column].settled;
}

struct bound_expr *plan_window_end(struct planner *p, struct bound_expr *end)
{
    const struct sql_type *instant = sql_type_of(p->b->arena, SQL_TIMESTAMP_LTZ, 3);

    if (!instant)
        bind_nomem(p->b);
    return plan_time(end) == BOUND_WINDOW_END ? end : bind_convert(p->b, end, instant);
}

/* ---- printing -------------------------------------------------------------------------------- */

static const char *feed_name(void *arg, const struct sql_table *table)
{
    (void)arg;
    (void)table;
    return "feed";
}

static bool same_read(const struct sql_flow_read *a, const struct sql_flow_read *b)
{
    return !strcmp(a->column, b->column) && !a->field == !b->field &&
           (!a->field || !strcmp(a->field, b->field));
}

static void note_read(void *arg, const struct sql_table *table, const char *column,
                      const char *field)
{
    struct planner *p = arg;
    struct sql_flow_read read = {column, field};

    for (size_t i = 0; i < p->read_count; i++)
        if (p->reads[i].table == table && same_read(&p->reads[i].read, &read))
            return;
    if (p->read_count == p->read_max) {
        size_t max = p->read_max ? p->read_max * 2 : 32;
        struct plan_read *more = ARENA_ARRAY(p->b->arena, struct plan_read, max);

        p->nomem |= !more; /* the printer is under way, and must come to its end */
        if (!more)
            return;
        if (p->read_count)
            memcpy(more, p->reads, p->read_count * sizeof(*more));
        p->reads = more;
        p->read_max = max;
    }
    p->reads[p->read_count++] = (struct plan_read){table, read};
}

/* Rows and marks know the table by two names: with its partition and without. */
void plan_reads(struct planner *p, struct sql_flow_scan *scan, const struct sql_table *bound)
{
    struct sql_flow_read *reads = BIND_ARRAY(p->b, struct sql_flow_read, p->read_count + 1);

    scan->reads = reads;
    for (size_t i = 0; i < p->read_count; i++)
        if (p->reads[i].table == bound || p->reads[i].table == scan->table)
            reads[scan->read_count++] = p->reads[i].read;
}

const char *plan_print(struct planner *p, struct sql_bound *query)
{
    const struct sql_duckdb_options options = {.table = feed_name, .arg = p, .reads = note_read};
    struct binder *b = p->b;
    const char *text = NULL;
    struct buf out;
    int rc;

    plan_check_watermarks(p, query);
    query->time_zone = b->resolver && b->resolver->time_zone ? b->resolver->time_zone : "UTC";
    query->database = b->resolver ? b->resolver->database : NULL;
    buf_init(&out, 0);
    rc = sql_print_duckdb(query, &options, &out, b->err);
    if (!rc)
        text = arena_cstr(b->arena, buf_slice(&out));
    buf_deinit(&out);
    if (rc) {
        b->rc = rc;
        longjmp(b->fail, 1);
    }
    if (!text || p->nomem)
        bind_nomem(b);
    return text;
}

/* ---- kinds of changes ------------------------------------------------------------------------ */

/* Where rows are dropped, the two halves of an update may be parted: each then stands for itself,
 * as -D and +I. */
static bool drops_rows(const struct bound_source *from)
{
    for (; from->kind == SOURCE_JOIN; from = from->left)
        if (from->join != SQL_JOIN_LEFT)
            return true; /* UNNEST: of no elements, of others */
    return false;
}

static struct bound_expr *kind_of(struct planner *p, struct bound_source *from)
{
    struct binder *b = p->b;
    struct sql_bound *query;
    size_t n;

    while (from->kind == SOURCE_JOIN)
        from = from->left;
    if (from->kind == SOURCE_TABLE)
        return bound_column(b, from->pos, from, from->column_count - 1);
    query = from->query;
    n = query->output_count;
    if (strcmp(query->outputs[n - 1].name, KIND) != 0) {
        struct sql_output *outputs = BIND_ARRAY(b, struct sql_output, n + 1);
        struct bound_expr **items = BIND_ARRAY(b, struct bound_expr *, n + 1);
        struct bound_column *columns = BIND_ARRAY(b, struct bound_column, n + 1);

        memcpy(outputs, query->outputs, n * sizeof(*outputs));
        memcpy(items, query->items, n * sizeof(struct bound_expr *));
        memcpy(columns, from->columns, n * sizeof(*columns));
        items[n] = kind_of(p, query->from);
        if (query->where || drops_rows(query->from))
            items[n] = bind_function2(b, query->pos, "$APART", items[n], NULL);
        outputs[n] = (struct sql_output){KIND, items[n]->type};
        columns[n] = (struct bound_column){.name = KIND, .type = items[n]->type};
        query->outputs = outputs;
        query->items = items;
        query->output_count = n + 1;
        from->columns = columns;
        from->column_count = n + 1;
    }
    return bound_column(b, from->pos, from, from->column_count - 1);
}

static void carry_kind(struct planner *p, struct sql_bound *select)
{
    struct bound_expr *kind = kind_of(p, select->from);
    size_t n = select->output_count;

    if (select->where || drops_rows(select->from))
        kind = bind_function2(p->b, select->pos, "$APART", kind, NULL);
    select->items[n] = kind;
    select->outputs[n] = (struct sql_output){KIND, kind->type};
    select->output_count = n + 1;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

void shape_init(struct shape *s, struct planner *p, const struct rel *rel)
{
    *s = (struct shape){.p = p, .rel = *rel};
}

size_t shape_put(struct shape *s, struct bound_expr *item)
{
    for (size_t i = 0; i < s->count; i++)
        if (bound_equal(s->items[i], item))
            return i;
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct bound_expr **more = BIND_ARRAY(s->p->b, struct bound_expr *, cap);

        if (s->count)
            memcpy(more, s->items, s->count * sizeof(struct bound_expr *));
        s->items = more;
        s->cap = cap;
    }
    s->items[s->count] = item;
    return s->count++;
}

void shape_where(struct shape *s, struct bound_expr *condition)
{
    s->where = plan_and(s->p, s->where, condition);
}

/* The node's columns, all and in order: it needs no SELECT. */
static bool is_identity(const struct shape *s)
{
    if (s->where || s->rel.from->kind != SOURCE_TABLE || s->rel.node->kind == SQL_NODE_SCAN ||
        s->count != s->rel.node->column_count)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        size_t column;

        if (s->items[i]->kind != BOUND_COLUMN || bound_at(s->items[i], &column) != s->rel.from ||
            column != i)
            return false;
    }
    return true;
}

struct sql_node *shape_done(struct shape *s, struct sql_pos pos)
{
    struct planner *p = s->p;
    struct sql_bound *select = BIND_NEW(p->b, struct sql_bound);
    struct sql_node *node;

    if (!s->count) /* COUNT(*) needs no column, a SELECT does */
        shape_put(s, bound_int(p->b, pos, 1));
    if (is_identity(s))
        return s->rel.node;
    node = plan_node_new(p, SQL_NODE_SELECT, pos, s->count);
    select->kind = QUERY_SELECT;
    select->pos = pos;
    select->from = s->rel.from;
    select->where = s->where;
    select->output_count = s->count;
    select->outputs = BIND_ARRAY(p->b, struct sql_output, s->count + 1);
    select->items = BIND_ARRAY(p->b, struct bound_expr *, s->count + 1);
    for (size_t i = 0; i < s->count; i++) {
        plan_node_column(p, node, s->items[i]->type, plan_time(s->items[i]));
        ((struct plan_node *)node)->settled[i] = plan_settled(s->items[i]);
        plan_node_label(node, i, plan_label(s->items[i]));
        select->items[i] = s->items[i];
        select->outputs[i] = node->columns[i];
    }
    node->changes = s->rel.node->changes;
    if (node->changes)
        carry_kind(p, select);
    plan_node_inputs(p, node, s->rel.node, NULL);
    node->select = plan_print(p, select);
    return node;
}

struct sql_node *plan_materialize(struct planner *p, struct sql_bound *query, const struct rel *rel,
                                  bool named)
{
    struct sql_node *node = plan_node_new(p, SQL_NODE_SELECT, query->pos, query->output_count);
    struct sql_bound *select = BIND_NEW(p->b, struct sql_bound);
    struct sql_output *outputs = BIND_ARRAY(p->b, struct sql_output, query->output_count + 1);

    *select = *query;
    select->items = BIND_ARRAY(p->b, struct bound_expr *, query->output_count + 1);
    select->outputs = outputs;
    for (size_t i = 0; i < query->output_count; i++) {
        plan_node_column(p, node, query->outputs[i].type, plan_time(query->items[i]));
        ((struct plan_node *)node)->settled[i] = plan_settled(query->items[i]);
        plan_node_label(node, i, query->outputs[i].name);
        select->items[i] = query->items[i];
        outputs[i] = named ? query->outputs[i] : node->columns[i];
    }
    node->changes = rel->node->changes;
    if (node->changes)
        carry_kind(p, select);
    plan_node_inputs(p, node, rel->node, NULL);
    node->select = plan_print(p, select);
    return node;
}

/* ---- leaves and moves ------------------------------------------------------------------------ */

static size_t count_leaves(const struct bound_source *from)
{
    return from->kind == SOURCE_JOIN ? count_leaves(from->left) + count_leaves(from->right) : 1;
}

static size_t gather_leaves(struct bound_source *from, struct bound_source **out)
{
    size_t count;

    if (from->kind != SOURCE_JOIN) {
        out[0] = from;
        return 1;
    }
    count = gather_leaves(from->left, out);
    return count + gather_leaves(from->right, out + count);
}

size_t plan_leaves(struct planner *p, struct bound_source *from, struct bound_source ***out)
{
    *out = BIND_ARRAY(p->b, struct bound_source *, count_leaves(from));
    return gather_leaves(from, *out);
}

void shape_take(struct shape *s, struct moves *moves)
{
    struct binder *b = s->p->b;

    moves->count = plan_leaves(s->p, s->rel.from, &moves->leaves);
    moves->to = BIND_ARRAY(b, size_t *, moves->count + 1);
    for (size_t i = 0; i < moves->count; i++) {
        struct bound_source *leaf = moves->leaves[i];

        moves->to[i] = BIND_ARRAY(b, size_t, leaf->column_count + 1);
        for (size_t c = 0; c < leaf->column_count; c++) {
            bool kind = !strcmp(leaf->columns[c].name, KIND);

            moves->to[i][c] = leaf->columns[c].used && !kind
                                  ? shape_put(s, bound_column(b, leaf->pos, leaf, c))
                                  : SIZE_MAX;
        }
    }
}

void plan_move(struct planner *p, const struct moves *moves, const struct rel *feed, size_t offset)
{
    for (size_t i = 0; i < moves->count; i++) {
        struct bound_source *leaf = moves->leaves[i];

        leaf->moved = feed->from;
        leaf->moved_to = BIND_ARRAY(p->b, size_t, leaf->column_count + 1);
        for (size_t c = 0; c < leaf->column_count; c++)
            leaf->moved_to[c] = moves->to[i][c] == SIZE_MAX ? 0 : moves->to[i][c] + offset;
    }
}

static bool is_leaf(const struct bound_source *from, const struct bound_source *leaf)
{
    return from->kind == SOURCE_JOIN ? is_leaf(from->left, leaf) || is_leaf(from->right, leaf)
                                     : from == leaf;
}

/* Counts the columns the expression names, and those of the rel. */
static void count_columns(const struct bound_expr *expr, const struct rel *rel, size_t *all,
                          size_t *own)
{
    size_t column;

    if (expr->kind == BOUND_COLUMN) {
        *all += 1;
        *own += is_leaf(rel->from, bound_at(expr, &column));
    }
    for (size_t i = 0; i < expr->arg_count; i++)
        count_columns(expr->args[i], rel, all, own);
    if (expr->filter)
        count_columns(expr->filter, rel, all, own);
}

bool plan_within(const struct bound_expr *expr, const struct rel *rel)
{
    size_t all = 0, own = 0;

    count_columns(expr, rel, &all, &own);
    return all == own && !plan_has_query(expr);
}

bool plan_mentions(const struct bound_expr *expr, const struct rel *rel)
{
    size_t all = 0, own = 0;

    count_columns(expr, rel, &all, &own);
    return own > 0;
}

bool plan_has_query(const struct bound_expr *expr)
{
    if (expr->query)
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (plan_has_query(expr->args[i]))
            return true;
    return false;
}

bool plan_has_over(const struct bound_expr *expr)
{
    if (expr->over)
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (plan_has_over(expr->args[i]))
            return true;
    return false;
}

/* ---- conditions ------------------------------------------------------------------------------ */

struct bound_expr *plan_and(struct planner *p, struct bound_expr *left, struct bound_expr *right)
{
    if (!left || !right)
        return left ? left : right;
    return bind_function2(p->b, left->pos, "AND", left, right);
}

static bool is_and(const struct bound_expr *expr)
{
    const char *name = plan_function(expr);

    return name && !strcmp(name, "AND");
}

static size_t count_parts(const struct bound_expr *expr)
{
    return is_and(expr) ? count_parts(expr->args[0]) + count_parts(expr->args[1]) : 1;
}

static void put_parts(struct bound_expr *expr, struct conds *out)
{
    if (is_and(expr)) {
        put_parts(expr->args[0], out);
        put_parts(expr->args[1], out);
    } else {
        out->list[out->count++].expr = expr;
    }
}

void plan_split(struct planner *p, struct bound_expr *where, struct conds *out)
{
    *out = (struct conds){BIND_ARRAY(p->b, struct cond, where ? count_parts(where) : 1), 0};
    if (where)
        put_parts(where, out);
}

struct bound_expr *plan_rest(struct planner *p, const struct conds *conds)
{
    struct bound_expr *rest = NULL;

    for (size_t i = 0; i < conds->count; i++)
        if (!conds->list[i].done)
            rest = plan_and(p, rest, conds->list[i].expr);
    return rest;
}

void plan_become(struct planner *p, struct sql_bound *query, const struct rel *feed)
{
    query->kind = QUERY_SELECT;
    query->from = feed->from;
    query->where = query->having = query->qualify = NULL;
    query->limit = query->offset = NULL;
    query->distinct = query->aggregated = false;
    query->group_count = query->order_count = 0;
    query->select = NULL;
    query->items = BIND_ARRAY(p->b, struct bound_expr *, query->output_count + 1);
    for (size_t i = 0; i < query->output_count; i++)
        query->items[i] = plan_column(p, query->pos, feed, i);
}
