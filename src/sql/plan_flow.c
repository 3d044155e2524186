/* plan_flow.c - an INSERT whose rows must be remembered, as what a stream runs:
 *
 *     source -> `pre` -> aggregate -> `post` -> target
 *
 * The one aggregated SELECT of the query is cut in three. `pre` gives its keys, its arguments and
 * FILTER conditions and, with a windowing table function below, the time; the aggregate is an
 * operator's work; `post` is all that stands above it, over the operator's columns. What is
 * neither is refused by name and place. AVG is SUM and COUNT below and a division above.
 */
#include <stdio.h>

#include "sql/bound.h"

#define WINDOW_COLUMNS 3 /* start, end, time: behind the columns of a windowing table function */

struct flow {
    struct binder *b;
    struct sql_flow *out;
    struct sql_bound *query;         /* the aggregated SELECT, which becomes part of `post` */
    const struct bound_source *tvf;  /* what it reads, when that is windows; or NULL */
    struct bound_source *feed;       /* what `post` reads: the operator's output */
    struct bound_expr **items;       /* of `pre` */
    size_t item_count, item_cap;
    struct sql_column *columns;      /* of `feed` */
};

static _Noreturn void refuse(struct flow *f, struct sql_pos pos, const char *what)
{
    bind_fail(f->b, ERR_UNSUPPORTED, pos, "%s on a stream is not built yet", what);
}

/* ---- below: `pre` ---------------------------------------------------------------------------- */

static size_t inner_columns(const struct flow *f)
{
    return f->tvf->column_count - WINDOW_COLUMNS;
}

/* The expression over what the windows are of: their columns are those of the rows, as they were
 * before. */
static struct bound_expr *below(struct flow *f, const struct bound_expr *expr)
{
    struct bound_expr *copy;

    if (!f->tvf || !expr)
        return (struct bound_expr *)expr;
    if (expr->kind == BOUND_COLUMN && expr->source == f->tvf) {
        if (expr->column >= inner_columns(f))
            refuse(f, expr->pos, "a window's bound inside an aggregate");
        return f->tvf->query->items[expr->column];
    }
    copy = BIND_NEW(f->b, struct bound_expr);
    *copy = *expr;
    copy->args = BIND_ARRAY(f->b, struct bound_expr *, expr->arg_count + 1);
    for (size_t i = 0; i < expr->arg_count; i++)
        copy->args[i] = below(f, expr->args[i]);
    return copy;
}

static size_t put_item(struct flow *f, struct bound_expr *item)
{
    for (size_t i = 0; i < f->item_count; i++)
        if (bound_equal(f->items[i], item))
            return i;
    if (f->item_count == f->item_cap) {
        size_t cap = f->item_cap ? f->item_cap * 2 : 16;
        struct bound_expr **more = BIND_ARRAY(f->b, struct bound_expr *, cap);

        if (f->item_count)
            memcpy(more, f->items, f->item_count * sizeof(struct bound_expr *));
        f->items = more;
        f->item_cap = cap;
    }
    f->items[f->item_count] = item;
    return f->item_count++;
}

static size_t add_item(struct flow *f, const struct bound_expr *expr)
{
    struct bound_expr *item = below(f, expr);

    plan_check_expr(f->b, item);
    return put_item(f, item);
}

static struct sql_bound *pre_query(struct flow *f)
{
    struct sql_bound *pre = BIND_NEW(f->b, struct sql_bound);

    pre->kind = QUERY_SELECT;
    pre->pos = f->query->pos;
    pre->from = f->tvf ? f->tvf->query->from->left : f->query->from;
    pre->where = below(f, f->query->where);
    pre->items = f->items;
    pre->output_count = f->item_count;
    pre->outputs = BIND_ARRAY(f->b, struct sql_output, f->item_count + 1);
    for (size_t i = 0; i < f->item_count; i++) {
        pre->outputs[i].name = arena_printf(f->b->arena, "c%zu", i);
        pre->outputs[i].type = f->items[i]->type;
        if (!pre->outputs[i].name)
            bind_nomem(f->b);
    }
    return pre;
}

/* ---- the operator's output, `feed` ----------------------------------------------------------- */

static size_t feed_column(struct flow *f, const char *name, const struct sql_type *type)
{
    struct bound_source *feed = f->feed;
    struct sql_table *table = (struct sql_table *)feed->table;

    feed->columns[feed->column_count] = (struct bound_column){.name = name, .type = type};
    f->columns[feed->column_count] = (struct sql_column){.name = name, .type = type};
    table->column_count = feed->column_count + 1;
    return feed->column_count++;
}

static struct bound_expr *column(struct flow *f, struct sql_pos pos, size_t at)
{
    return bound_column(f->b, pos, f->feed, at);
}

static void make_feed(struct flow *f, size_t columns)
{
    struct sql_table *table = BIND_NEW(f->b, struct sql_table);

    f->feed = BIND_NEW(f->b, struct bound_source);
    f->feed->kind = SOURCE_TABLE;
    f->feed->number = f->b->next_number++;
    f->feed->table = table;
    f->feed->columns = BIND_ARRAY(f->b, struct bound_column, columns);
    f->columns = BIND_ARRAY(f->b, struct sql_column, columns);
    table->name = "feed";
    table->columns = f->columns;
}

/* ---- keys and windows ------------------------------------------------------------------------ */

/* 0: start, 1: end, 2: time; -1: no column of a window. */
static int window_column(const struct flow *f, const struct bound_expr *expr)
{
    if (!f->tvf || expr->kind != BOUND_COLUMN || expr->source != f->tvf ||
        expr->column < inner_columns(f))
        return -1;
    return (int)(expr->column - inner_columns(f));
}

static void take_keys(struct flow *f)
{
    bool bounds[WINDOW_COLUMNS] = {0};

    f->out->keys = BIND_ARRAY(f->b, size_t, f->query->group_count + 1);
    for (size_t i = 0; i < f->query->group_count; i++) {
        const struct bound_group *group = &f->query->groups[i];

        if (group->kind != SQL_GROUP_EXPR)
            refuse(f, f->query->select->group_pos, "GROUPING SETS");
        if (window_column(f, group->expr) >= 0)
            bounds[window_column(f, group->expr)] = true;
        else
            f->out->keys[f->out->key_count++] = add_item(f, group->expr);
    }
    if (f->tvf && (!bounds[0] || !bounds[1]))
        bind_fail(f->b, ERR_INVALID, f->query->pos,
                  "windows of a stream are grouped by window_start and window_end, both");
}

/* The column of the source that a column of the windows' rows is; NULL: it is computed. */
static const struct bound_expr *origin(const struct bound_expr *expr)
{
    while (expr->kind == BOUND_COLUMN && expr->source->kind == SOURCE_QUERY &&
           expr->source->query->kind == QUERY_SELECT)
        expr = expr->source->query->items[expr->column];
    return expr->kind == BOUND_COLUMN ? expr : NULL;
}

static void take_window(struct flow *f)
{
    const struct bound_tvf *tvf = f->tvf->tvf;
    const struct bound_expr *time = f->tvf->query->items[tvf->time_column], *at = origin(time);
    const struct sql_table *table = at ? at->source->table : NULL;
    struct sql_type *local = BIND_NEW(f->b, struct sql_type);

    if (!table || !table->rowtime ||
        strcmp(table->rowtime, at->source->columns[at->column].name) != 0)
        bind_fail(f->b, ERR_INVALID, f->tvf->pos,
                  "column `%s` has no watermark, so its windows would never end: WATERMARK FOR "
                  "`%s` AS `%s` - INTERVAL '5' SECOND in its CREATE TABLE",
                  f->tvf->columns[tvf->time_column].name, f->tvf->columns[tvf->time_column].name,
                  f->tvf->columns[tvf->time_column].name);
    *local = (struct sql_type){.kind = SQL_TIMESTAMP, .nullable = true, .precision = 6};
    f->out->windowed = true;
    f->out->window = (enum sql_flow_window)tvf->kind;
    f->out->size_ms = tvf->size_us / 1000;
    f->out->slide_ms = tvf->slide_us / 1000;
    f->out->offset_ms = tvf->offset_us / 1000;
    if (tvf->size_us % 1000 || tvf->slide_us % 1000 || tvf->offset_us % 1000)
        bind_fail(f->b, ERR_UNSUPPORTED, f->tvf->pos,
                  "windows of a stream are of whole milliseconds");
    f->out->rowtime = put_item(f, bind_convert(f->b, (struct bound_expr *)time, local));
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum sql_flow_aggregate what;
    bool average;
} calls[] = {{"COUNT", SQL_FLOW_COUNT, false}, {"SUM", SQL_FLOW_SUM, false},
             {"MIN", SQL_FLOW_MIN, false},     {"MAX", SQL_FLOW_MAX, false},
             {"AVG", SQL_FLOW_SUM, true}};

static size_t count_calls(const struct bound_expr *expr)
{
    size_t count = 0;

    if (expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE)
        return 2; /* AVG is two */
    for (size_t i = 0; i < expr->arg_count; i++)
        count += count_calls(expr->args[i]);
    return count;
}

/* What the operator gives: BIGINT for whole numbers, DOUBLE for floats. */
static const struct sql_type *sum_type(struct flow *f, const struct sql_type *arg)
{
    const struct sql_type *type = arg->kind == SQL_FLOAT || arg->kind == SQL_DOUBLE
                                      ? &sql_type_double
                                  : arg->kind == SQL_DECIMAL
                                      ? sql_type_decimal(f->b->arena, 38, arg->scale)
                                      : &sql_type_bigint;

    return bind_nullable(f->b, type, true);
}

static size_t add_call(struct flow *f, const struct bound_expr *call, enum sql_flow_aggregate what)
{
    const struct bound_expr *arg = call->arg_count ? call->args[0] : NULL;
    struct sql_flow_call *out = &f->out->calls[f->out->call_count];
    const char *name = arena_printf(f->b->arena, "$%zu", f->out->call_count++);
    const struct sql_type *type = what == SQL_FLOW_COUNT ? bind_nullable(f->b, &sql_type_bigint,
                                                                         false)
                                  : what == SQL_FLOW_SUM ? sum_type(f, arg->type)
                                                         : bind_nullable(f->b, arg->type, true);

    if (!name)
        bind_nomem(f->b);
    *out = (struct sql_flow_call){.what = what, .arg = -1, .filter = -1,
                                  .distinct = call->distinct};
    if (arg)
        out->arg = (int)add_item(f, arg);
    if (call->filter)
        out->filter = (int)add_item(f, call->filter);
    return feed_column(f, name, type);
}

/* What the operator compares by number. */
static bool is_ordered(const struct sql_type *type)
{
    return sql_type_is_numeric(type) || sql_type_is_temporal(type) || type->kind == SQL_BOOLEAN;
}

static struct bound_expr *replace_call(struct flow *f, const struct bound_expr *call)
{
    const char *name = call->function->name;
    struct bound_expr *sum;
    size_t i = 0;

    while (i < COUNT_OF(calls) && strcmp(calls[i].name, name) != 0)
        i++;
    if (i == COUNT_OF(calls) || call->arg_count > 1 || call->order_count)
        refuse(f, call->pos, name);
    if (call->arg_count && calls[i].what >= SQL_FLOW_MIN && !is_ordered(call->args[0]->type))
        bind_fail(f->b, ERR_UNSUPPORTED, call->pos, "%s of %s on a stream is not built yet", name,
                  bind_type_text(f->b, call->args[0]->type));
    sum = column(f, call->pos, add_call(f, call, calls[i].what));
    if (calls[i].average)
        sum = bind_function2(f->b, call->pos, "$AVG", sum,
                             column(f, call->pos, add_call(f, call, SQL_FLOW_COUNT)));
    return bind_convert(f->b, sum, call->type);
}

/* ---- above: `post` --------------------------------------------------------------------------- */

static struct bound_expr *replace_window(struct flow *f, const struct bound_expr *expr, int which)
{
    size_t start = f->feed->column_count - 2;

    if (which < 2)
        return column(f, expr->pos, start + (size_t)which);
    return bind_function2(f->b, expr->pos, "$WINDOW_TIME", bound_null(f->b, expr->pos, expr->type),
                          column(f, expr->pos, start + 1));
}

static size_t key_of(struct flow *f, const struct bound_expr *expr)
{
    size_t key = 0;

    for (size_t i = 0; i < f->query->group_count; i++) {
        if (window_column(f, f->query->groups[i].expr) >= 0)
            continue;
        if (bound_equal(f->query->groups[i].expr, expr))
            return key;
        key++;
    }
    return SIZE_MAX;
}

/* First the calls, since windows stand behind them in the operator's output. */
static struct bound_expr *replace_calls(struct flow *f, struct bound_expr *expr)
{
    if (key_of(f, expr) != SIZE_MAX)
        return expr;
    if (expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE && !expr->over)
        return replace_call(f, expr);
    for (size_t i = 0; i < expr->arg_count; i++)
        expr->args[i] = replace_calls(f, expr->args[i]);
    return expr;
}

static struct bound_expr *replace_keys(struct flow *f, struct bound_expr *expr)
{
    size_t key = key_of(f, expr);
    int window = window_column(f, expr);

    if (key != SIZE_MAX)
        return column(f, expr->pos, key);
    if (window >= 0)
        return replace_window(f, expr, window);
    if (expr->source == f->feed)
        return expr;
    for (size_t i = 0; i < expr->arg_count; i++)
        expr->args[i] = replace_keys(f, expr->args[i]);
    return expr;
}

static void replace_all(struct flow *f)
{
    struct sql_bound *q = f->query;
    const struct sql_type *bound = NULL;

    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace_calls(f, q->items[i]);
    if (q->having)
        q->having = replace_calls(f, q->having);
    if (f->tvf) {
        bound = f->tvf->columns[inner_columns(f)].type;
        feed_column(f, "window_start", bound);
        feed_column(f, "window_end", bound);
    }
    for (size_t i = 0; i < q->output_count; i++)
        q->items[i] = replace_keys(f, q->items[i]);
    if (q->having)
        q->having = replace_keys(f, q->having);
}

/* A row's kind goes through every SELECT above as its last column. Where rows are dropped, the two
 * halves of an update may be parted: each then stands for itself, as -D and +I. */
static size_t carry_kind(struct flow *f, struct sql_bound *query)
{
    size_t n = query->output_count;
    struct sql_output *outputs = BIND_ARRAY(f->b, struct sql_output, n + 1);
    struct bound_expr **items = BIND_ARRAY(f->b, struct bound_expr *, n + 1);
    const struct sql_type *type = bind_nullable(f->b, &sql_type_tinyint, false);
    struct bound_source *from = query->from;
    size_t at;

    if (query == f->query) {
        at = feed_column(f, "$row_kind", type);
    } else {
        struct bound_column *columns;

        at = carry_kind(f, from->query);
        columns = BIND_ARRAY(f->b, struct bound_column, at + 1);
        memcpy(columns, from->columns, at * sizeof(*columns));
        columns[at] = (struct bound_column){.name = "$row_kind", .type = type};
        from->columns = columns;
        from->column_count = at + 1;
    }
    memcpy(outputs, query->outputs, n * sizeof(*outputs));
    memcpy(items, query->items, n * sizeof(struct bound_expr *));
    outputs[n] = (struct sql_output){"$row_kind", type};
    items[n] = bound_column(f->b, query->pos, from, at);
    if (query->where)
        items[n] = bind_function(f->b, query->pos, "$APART", &items[n], 1);
    query->outputs = outputs;
    query->items = items;
    query->output_count = n + 1;
    return n;
}

/* ---- watermarks ------------------------------------------------------------------------------ */

/* The source with its partitions' numbers in a last column. */
static struct bound_source *with_partition(struct flow *f, const struct bound_source *leaf)
{
    struct bound_source *source = BIND_NEW(f->b, struct bound_source);
    struct sql_table *table = BIND_NEW(f->b, struct sql_table);
    size_t n = leaf->column_count;
    struct sql_column *columns = BIND_ARRAY(f->b, struct sql_column, n + 1);
    const struct sql_type *type = bind_nullable(f->b, &sql_type_int, false);

    *source = *leaf;
    *table = *leaf->table;
    memcpy(columns, table->columns, n * sizeof(*columns));
    columns[n] = (struct sql_column){.name = SQL_FLOW_PARTITION, .type = type, .is_virtual = true,
                                     .kind = SQL_COLUMN_METADATA, .metadata_key = "partition"};
    table->columns = columns;
    table->column_count = n + 1;
    source->table = table;
    source->columns = BIND_ARRAY(f->b, struct bound_column, n + 1);
    memcpy(source->columns, leaf->columns, n * sizeof(*source->columns));
    source->columns[n] = (struct bound_column){.name = SQL_FLOW_PARTITION, .type = type};
    source->column_count = n + 1;
    if (leaf->computed) {
        source->computed = BIND_ARRAY(f->b, struct bound_expr *, n + 1);
        memcpy(source->computed, leaf->computed, n * sizeof(struct bound_expr *));
    }
    return source;
}

static struct sql_bound *marks_query(struct flow *f, const struct bound_source *leaf)
{
    struct sql_bound *marks = BIND_NEW(f->b, struct sql_bound);
    struct sql_type *local = BIND_NEW(f->b, struct sql_type);
    struct scope scope = {0};

    *local = (struct sql_type){.kind = SQL_TIMESTAMP, .nullable = true, .precision = 6};
    marks->kind = QUERY_SELECT;
    marks->from = with_partition(f, leaf);
    f->out->source = marks->from->table;
    scope_add(f->b, &scope, marks->from);
    marks->output_count = 2;
    marks->outputs = BIND_ARRAY(f->b, struct sql_output, 2);
    marks->items = BIND_ARRAY(f->b, struct bound_expr *, 2);
    marks->items[0] = bound_column(f->b, leaf->pos, marks->from, leaf->column_count);
    marks->items[1] =
        bind_convert(f->b, bind_expr(f->b, &scope, leaf->table->watermark), local);
    marks->outputs[0] = (struct sql_output){"p", marks->items[0]->type};
    marks->outputs[1] = (struct sql_output){"m", local};
    return marks;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The aggregated SELECT, below SELECTs that treat every row on its own; NULL: there is none. */
static struct sql_bound *aggregated(struct sql_bound *query, const struct bound_source **view)
{
    while (query->kind == QUERY_SELECT && !query->aggregated && query->from &&
           query->from->kind == SOURCE_QUERY && !query->from->tvf) {
        if (!*view && query->from->view)
            *view = query->from;
        query = query->from->query;
    }
    return query->kind == QUERY_SELECT && query->aggregated ? query : NULL;
}

bool plan_needs_flow(struct sql_bound *query)
{
    const struct bound_source *view = NULL;

    return aggregated(query, &view) != NULL;
}

static void check_above(struct flow *f, const struct sql_bound *query)
{
    for (; query != f->query; query = query->from->query) {
        const struct bound_source *leaf = NULL;
        struct sql_bound alone = *query;

        alone.from = NULL;
        plan_check_query(f->b, &leaf, &alone);
    }
    if (f->query->distinct || f->query->qualify || f->query->order_count || f->query->limit ||
        f->query->offset)
        refuse(f, f->query->pos, "DISTINCT, QUALIFY, ORDER BY or LIMIT around GROUP BY");
}

/* The aggregated SELECT in three; the caller has entered the view it stands in. */
static void cut_query(struct flow *f, struct flow_queries *queries)
{
    struct sql_bound *query = f->query;
    struct sql_flow *out = f->out;
    size_t most = 0;

    f->tvf = query->from->kind == SOURCE_QUERY && query->from->tvf ? query->from : NULL;
    for (size_t i = 0; i < query->output_count; i++)
        most += count_calls(query->items[i]);
    most += query->having ? count_calls(query->having) : 0;
    out->calls = BIND_ARRAY(f->b, struct sql_flow_call, most + 1);
    make_feed(f, query->group_count + most + 4);
    take_keys(f);
    for (size_t i = 0; i < out->key_count; i++) {
        const char *name = arena_printf(f->b->arena, "c%zu", out->keys[i]);

        if (!name)
            bind_nomem(f->b);
        feed_column(f, name, f->items[out->keys[i]]->type);
    }
    replace_all(f);
    if (f->tvf)
        take_window(f);
    queries->pre = pre_query(f);
}

static void become_post(struct flow *f)
{
    struct sql_bound *query = f->query;

    query->from = f->feed;
    query->where = query->having;
    query->having = NULL;
    query->aggregated = false;
    query->group_count = 0;
    query->select = NULL;
}

void plan_flow(struct binder *b, struct sql_bound *top, struct flow_queries *queries,
               struct sql_flow *out)
{
    const struct bound_source *view = NULL, *leaf = NULL;
    struct flow f = {.b = b, .out = out, .query = aggregated(top, &view)};
    bool outermost;

    check_above(&f, top);
    outermost = view && bind_view_enter(b, view->view, view->pos);
    if (!f.query->from)
        refuse(&f, f.query->pos, "an aggregate of no table");
    cut_query(&f, queries);
    plan_check_query(b, &leaf, queries->pre);
    if (!leaf)
        refuse(&f, f.query->pos, "an aggregate of no table");
    out->source = leaf->table;
    queries->marks = f.tvf ? marks_query(&f, leaf) : NULL;
    bind_view_leave(b, outermost);
    become_post(&f);
    out->changes = !f.tvf;
    if (out->changes)
        carry_kind(&f, top);
}
