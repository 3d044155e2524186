/* bind_query.c - SELECT, VALUES, set operations, WITH, ORDER BY, LIMIT; what GROUP BY allows. */
#include <stdio.h>

#include "sql/bound.h"

#define OUTPUTS_MAX 10000

/* ---- outputs --------------------------------------------------------------------------------- */

struct items {
    struct bound_expr **exprs;
    const char **names;
    size_t count, cap;
};

static void item_add(struct binder *b, struct items *items, struct bound_expr *expr,
                     const char *name, struct sql_pos pos)
{
    if (items->count >= OUTPUTS_MAX)
        bind_fail(b, ERR_LIMIT, pos, "more than %d columns", OUTPUTS_MAX);
    if (items->count == items->cap) {
        size_t cap = items->cap ? items->cap * 2 : 16;
        struct bound_expr **exprs = BIND_ARRAY(b, struct bound_expr *, cap);
        const char **names = BIND_ARRAY(b, const char *, cap);

        if (items->count) {
            memcpy(exprs, items->exprs, items->count * sizeof(*exprs));
            memcpy(names, items->names, items->count * sizeof(*names));
        }
        items->exprs = exprs;
        items->names = names;
        items->cap = cap;
    }
    items->exprs[items->count] = expr;
    items->names[items->count++] = name;
}

/* Two columns of one name: the second gets a number, id0, as in Flink. */
static const char *unique_name(struct binder *b, const struct sql_output *outputs, size_t count,
                               const char *name)
{
    const char *candidate = name;

    for (int number = -1;; number++) {
        bool taken = false;

        if (number >= 0)
            candidate = arena_printf(b->arena, "%s%d", name, number);
        if (!candidate)
            bind_nomem(b);
        for (size_t i = 0; i < count && !taken; i++)
            taken = !strcmp(outputs[i].name, candidate);
        if (!taken)
            return candidate;
    }
}

static void set_outputs(struct binder *b, struct sql_bound *bound, const struct items *items)
{
    bound->items = items->exprs;
    bound->output_count = items->count;
    bound->outputs = BIND_ARRAY(b, struct sql_output, items->count);
    for (size_t i = 0; i < items->count; i++) {
        bound->outputs[i].name = unique_name(b, bound->outputs, i, items->names[i]);
        bound->outputs[i].type = items->exprs[i]->type;
    }
}

/* The columns of * in order; those that USING merges come first. */
static void expand(struct binder *b, struct bound_source *source, struct sql_pos pos,
                   struct items *items)
{
    if (source->kind == SOURCE_JOIN) {
        expand(b, source->left, pos, items);
        expand(b, source->right, pos, items);
        return;
    }
    for (size_t i = 0; i < source->column_count; i++)
        if (!source->columns[i].merged)
            item_add(b, items, bound_united(b, pos, source, i), source->columns[i].name, pos);
}

static void expand_star(struct binder *b, struct scope *scope, struct bound_source *from,
                        const struct sql_expr *star, struct items *items)
{
    if (star->args.count || star->name.count > 1)
        bind_fail(b, ERR_UNSUPPORTED, star->pos, "a row's .* is not built yet");
    if (star->name.count == 0) {
        if (!from)
            bind_fail(b, ERR_INVALID, star->pos, "* needs FROM");
        expand(b, from, star->pos, items);
        return;
    }
    for (size_t i = 0; i < scope->count; i++) {
        struct bound_source *source = scope->sources[i];

        if (!source->alias || strcmp(source->alias, star->name.parts[0].text))
            continue;
        for (size_t k = 0; k < source->column_count; k++)
            item_add(b, items, bound_column(b, star->pos, source, k), source->columns[k].name,
                     star->pos);
        return;
    }
    bind_fail(b, ERR_INVALID, star->pos, "unknown table `%s`", star->name.parts[0].text);
}

/* a, a.b.c: the last part; everything else has no name of its own. */
static const char *own_name(struct binder *b, const struct sql_item *item, size_t number)
{
    const struct sql_expr *expr = item->expr;
    const char *name;

    if (item->alias.text)
        return item->alias.text;
    if (expr->kind == SQL_EXPR_COLUMN || expr->kind == SQL_EXPR_FIELD)
        return expr->name.parts[expr->name.count - 1].text;
    if (expr->kind == SQL_EXPR_CALL && expr->call->form == SQL_CALL_BARE)
        return expr->name.parts[0].text; /* CURRENT_DATE */
    name = arena_printf(b->arena, "EXPR$%zu", number);
    if (!name)
        bind_nomem(b);
    return name;
}

static void bind_items(struct binder *b, struct scope *scope, const struct sql_select *select,
                       struct bound_source *from, struct items *items)
{
    for (size_t i = 0; i < select->item_count; i++) {
        const struct sql_item *item = &select->items[i];

        if (item->expr->kind == SQL_EXPR_STAR)
            expand_star(b, scope, from, item->expr, items);
        else
            item_add(b, items, bind_expr(b, scope, item->expr), own_name(b, item, i),
                     item->expr->pos);
    }
}

/* ---- GROUP BY -------------------------------------------------------------------------------- */

static size_t count_groups(const struct bound_group *groups, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total +=
            groups[i].kind == SQL_GROUP_EXPR ? 1 : count_groups(groups[i].parts, groups[i].count);
    return total;
}

static size_t gather_groups(const struct bound_group *groups, size_t count, struct bound_expr **out)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (groups[i].kind == SQL_GROUP_EXPR)
            out[total++] = groups[i].expr;
        else
            total += gather_groups(groups[i].parts, groups[i].count, out + total);
    }
    return total;
}

static struct bound_group bind_group(struct binder *b, struct scope *scope,
                                     const struct sql_group *group)
{
    struct bound_group bound = {.kind = group->kind};

    switch (group->kind) {
    case SQL_GROUP_EXPR:
        bound.expr = bind_expr(b, scope, group->expr);
        break;
    case SQL_GROUP_TUPLE:
        bound.count = group->expr->args.count;
        bound.parts = BIND_ARRAY(b, struct bound_group, bound.count);
        for (size_t i = 0; i < bound.count; i++)
            bound.parts[i] = (struct bound_group){
                .kind = SQL_GROUP_EXPR, .expr = bind_expr(b, scope, group->expr->args.list[i])};
        break;
    default:
        bound.count = group->count;
        bound.parts = BIND_ARRAY(b, struct bound_group, group->count + 1);
        for (size_t i = 0; i < group->count; i++)
            bound.parts[i] = bind_group(b, scope, &group->parts[i]);
    }
    return bound;
}

static bool is_group(const struct scope *scope, const struct bound_expr *expr)
{
    for (size_t i = 0; i < scope->group_count; i++)
        if (bound_equal(scope->groups[i], expr))
            return true;
    return false;
}

static void check_grouped(struct binder *b, const struct scope *scope,
                          const struct bound_expr *expr, const char *where);

static void check_orders(struct binder *b, const struct scope *scope,
                         const struct bound_order *order, size_t count, const char *where)
{
    for (size_t i = 0; i < count; i++)
        if (order[i].expr)
            check_grouped(b, scope, order[i].expr, where);
}

static bool in_scope(const struct scope *scope, const struct bound_source *source)
{
    for (size_t i = 0; i < scope->count; i++)
        if (scope->sources[i] == source)
            return true;
    return false;
}

/* Outside of aggregates every column must be part of an expression of GROUP BY. */
static void check_grouped(struct binder *b, const struct scope *scope,
                          const struct bound_expr *expr, const char *where)
{
    bool aggregate = expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_AGGREGATE;

    if (is_group(scope, expr) || (aggregate && !expr->over))
        return;
    if (expr->kind == BOUND_CALL && expr->function->kind == FUNCTION_GROUPING)
        return;
    if (expr->kind == BOUND_COLUMN && in_scope(scope, expr->source))
        bind_fail(b, ERR_INVALID, expr->pos,
                  "column `%s` is neither in GROUP BY nor inside an aggregate (%s)",
                  expr->source->columns[expr->column].name, where);
    for (size_t i = 0; i < expr->arg_count; i++)
        check_grouped(b, scope, expr->args[i], where);
    if (expr->over) {
        for (size_t i = 0; i < expr->over->partition_count; i++)
            check_grouped(b, scope, expr->over->partition[i], where);
        check_orders(b, scope, expr->over->order, expr->over->order_count, where);
    }
}

static void bind_group_by(struct binder *b, struct scope *scope, const struct sql_select *select,
                          struct sql_bound *bound)
{
    b->aggregates_in = "GROUP BY";
    bound->groups = BIND_ARRAY(b, struct bound_group, select->group_count + 2);
    for (size_t i = 0; i < select->group_count; i++) {
        const struct sql_group *group = &select->groups[i];
        struct group_window *window = group->kind == SQL_GROUP_EXPR
                                          ? bind_group_window(b, scope, group->expr, &bound->from)
                                          : NULL;

        if (!window) {
            bound->groups[bound->group_count++] = bind_group(b, scope, group);
            continue;
        }
        if (scope->window)
            bind_fail(b, ERR_INVALID, group->expr->pos, "a second window in GROUP BY");
        scope->window = window;
        for (size_t k = 0; k < 2; k++)
            bound->groups[bound->group_count++] = (struct bound_group){
                .kind = SQL_GROUP_EXPR, .expr = group_window_bound(b, group->expr->pos, window, k)};
    }
    b->aggregates_in = NULL;
    scope->groups =
        BIND_ARRAY(b, struct bound_expr *, count_groups(bound->groups, bound->group_count) + 1);
    scope->group_count = gather_groups(bound->groups, bound->group_count, scope->groups);
}

/* In ROLLUP, CUBE and GROUPING SETS a column that a set leaves out is null. */
static void grouping_sets_give_null(struct binder *b, const struct scope *scope,
                                    struct sql_bound *bound)
{
    bool sets = false;

    for (size_t i = 0; i < bound->group_count; i++)
        sets = sets || bound->groups[i].kind == SQL_GROUP_ROLLUP ||
               bound->groups[i].kind == SQL_GROUP_CUBE || bound->groups[i].kind == SQL_GROUP_SETS;
    for (size_t i = 0; sets && i < bound->output_count; i++)
        if (is_group(scope, bound->items[i]))
            bound->outputs[i].type = bind_nullable(b, bound->outputs[i].type, true);
}

/* ---- ORDER BY -------------------------------------------------------------------------------- */

static void order_flags(const struct sql_order *syntax, struct bound_order *order)
{
    order->descending = syntax->descending;
    /* Flink: NULL is the least value. */
    order->nulls_first = syntax->nulls == SQL_NULLS_FIRST ||
                         (syntax->nulls == SQL_NULLS_DEFAULT && !syntax->descending);
}

struct bound_order *bind_orders(struct binder *b, struct scope *scope,
                                const struct sql_orders *orders)
{
    struct bound_order *bound = BIND_ARRAY(b, struct bound_order, orders->count);

    for (size_t i = 0; i < orders->count; i++) {
        bound[i].expr = bind_expr(b, scope, orders->list[i].expr);
        order_flags(&orders->list[i], &bound[i]);
    }
    return bound;
}

/* ORDER BY 2, ORDER BY alias: the number of an output; 0: an expression. */
static size_t order_ordinal(struct binder *b, const struct sql_expr *expr,
                            const struct sql_bound *bound)
{
    int64_t number;

    if (expr->kind == SQL_EXPR_LITERAL && expr->literal == SQL_LIT_EXACT &&
        slice_to_i64(slice_str(expr->text), &number) == 0) {
        if (number < 1 || (uint64_t)number > bound->output_count)
            bind_fail(b, ERR_INVALID, expr->pos, "ORDER BY %s: there are %zu columns", expr->text,
                      bound->output_count);
        return (size_t)number;
    }
    if (expr->kind != SQL_EXPR_COLUMN || expr->name.count != 1)
        return 0;
    for (size_t i = 0; i < bound->output_count; i++)
        if (!strcmp(bound->outputs[i].name, expr->name.parts[0].text))
            return i + 1;
    return 0;
}

/* `scope` is the SELECT's, or NULL where only outputs can be named. */
static void bind_order_by(struct binder *b, struct scope *scope, const struct sql_orders *orders,
                          struct sql_bound *bound)
{
    bound->order_count = orders->count;
    bound->order = BIND_ARRAY(b, struct bound_order, orders->count + 1);
    for (size_t i = 0; i < orders->count; i++) {
        struct bound_order *order = &bound->order[i];
        const struct sql_expr *expr = orders->list[i].expr;

        order_flags(&orders->list[i], order);
        order->ordinal = order_ordinal(b, expr, bound);
        if (order->ordinal)
            continue;
        if (!scope)
            bind_fail(b, ERR_INVALID, expr->pos,
                      "ORDER BY here takes a column of the result, by name or number");
        order->expr = bind_expr(b, scope, expr);
        if (bound->aggregated)
            check_grouped(b, scope, order->expr, "ORDER BY");
        if (bound->distinct) {
            for (size_t k = 0; k < bound->output_count && !order->ordinal; k++)
                if (bound_equal(bound->items[k], order->expr))
                    order->ordinal = k + 1;
            if (!order->ordinal)
                bind_fail(b, ERR_INVALID, expr->pos,
                          "with DISTINCT, ORDER BY takes columns of the result");
        }
    }
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static struct sql_bound *bound_query_new(struct binder *b, enum bound_query_kind kind,
                                         struct sql_pos pos)
{
    struct sql_bound *bound = BIND_NEW(b, struct sql_bound);

    bound->kind = kind;
    bound->pos = pos;
    return bound;
}

static struct sql_bound *bind_select(struct binder *b, struct scope *outer,
                                     const struct sql_select *select,
                                     const struct sql_orders *orders)
{
    struct sql_bound *bound = bound_query_new(b, QUERY_SELECT, select->pos);
    struct scope scope = {.outer = outer, .select = select};
    bool saw_aggregate = b->saw_aggregate, in_aggregate = b->in_aggregate;
    const char *aggregates_in = b->aggregates_in;
    struct items items = {0};

    b->saw_aggregate = b->in_aggregate = false;
    b->aggregates_in = NULL;
    bound->distinct = select->distinct;
    bound->select = select;
    if (select->from) {
        b->aggregates_in = "FROM";
        bound->from = bind_from(b, &scope, select->from);
    }
    b->aggregates_in = "WHERE";
    if (select->where)
        bound->where = bind_condition(b, &scope, select->where, "WHERE");
    b->aggregates_in = NULL;
    if (select->has_group)
        bind_group_by(b, &scope, select, bound);
    bind_items(b, &scope, select, bound->from, &items);
    set_outputs(b, bound, &items);
    if (select->having)
        bound->having = bind_condition(b, &scope, select->having, "HAVING");
    if (select->qualify)
        bound->qualify = bind_condition(b, &scope, select->qualify, "QUALIFY");
    bound->aggregated = select->has_group || select->having || b->saw_aggregate;
    if (orders)
        bind_order_by(b, &scope, orders, bound);
    bound->aggregated = bound->aggregated || b->saw_aggregate;
    if (bound->aggregated) {
        grouping_sets_give_null(b, &scope, bound);
        for (size_t i = 0; i < bound->output_count; i++)
            check_grouped(b, &scope, bound->items[i], "SELECT");
        if (bound->having)
            check_grouped(b, &scope, bound->having, "HAVING");
    }
    b->saw_aggregate = saw_aggregate;
    b->in_aggregate = in_aggregate;
    b->aggregates_in = aggregates_in;
    return bound;
}

/* The columns of VALUES are EXPR$0, EXPR$1 and have the common types of their rows. */
static struct sql_bound *bind_values(struct binder *b, struct scope *outer,
                                     const struct sql_body *body)
{
    struct sql_bound *bound = bound_query_new(b, QUERY_VALUES, body->pos);
    const struct sql_column *const *defaults = b->defaults;
    size_t default_count = b->default_count;

    b->default_count = 0; /* VALUES inside of these are no target's rows */
    bound->row_count = body->rows.count;
    bound->rows = BIND_ARRAY(b, struct bound_expr **, bound->row_count);
    for (size_t i = 0; i < bound->row_count; i++) {
        const struct sql_expr *row = body->rows.list[i];
        bool many = row->kind == SQL_EXPR_ROW;
        size_t width = many ? row->args.count : 1;

        if (i == 0) {
            bound->output_count = width;
            bound->outputs = BIND_ARRAY(b, struct sql_output, width + 1);
        }
        if (width != bound->output_count)
            bind_fail(b, ERR_INVALID, row->pos, "this row has %zu values, the first has %zu", width,
                      bound->output_count);
        bound->rows[i] = BIND_ARRAY(b, struct bound_expr *, width + 1);
        for (size_t k = 0; k < width; k++) {
            struct bound_expr *value = bind_or_default(b, outer, many ? row->args.list[k] : row,
                                                       k < default_count ? defaults[k] : NULL);
            struct sql_output *output = &bound->outputs[k];

            bound->rows[i][k] = value;
            output->type = i ? sql_type_common(b->arena, output->type, value->type) : value->type;
            if (!output->type)
                bind_fail(b, ERR_INVALID, value->pos,
                          "this value's type %s does not go with the rows before",
                          bind_type_text(b, value->type));
        }
    }
    for (size_t k = 0; k < bound->output_count; k++) {
        bound->outputs[k].name = arena_printf(b->arena, "EXPR$%zu", k);
        if (!bound->outputs[k].name)
            bind_nomem(b);
        for (size_t i = 0; i < bound->row_count; i++)
            bound->rows[i][k] = bind_convert(b, bound->rows[i][k], bound->outputs[k].type);
    }
    return bound;
}

static struct sql_bound *bind_body(struct binder *b, struct scope *outer,
                                   const struct sql_body *body, const struct sql_orders *orders);

struct bound_source *bind_around(struct binder *b, struct sql_bound *query)
{
    struct bound_source *source = BIND_NEW(b, struct bound_source);

    source->kind = SOURCE_QUERY;
    source->number = b->next_number++;
    source->query = query;
    source->column_count = query->output_count;
    source->columns = BIND_ARRAY(b, struct bound_column, query->output_count + 1);
    for (size_t i = 0; i < query->output_count; i++) {
        source->columns[i].name = query->outputs[i].name;
        source->columns[i].type = query->outputs[i].type;
    }
    return source;
}

struct sql_bound *bind_outputs(struct binder *b, struct sql_bound *query, const size_t *from,
                               const struct sql_output *outputs, size_t count)
{
    struct sql_bound *outer = bound_query_new(b, QUERY_SELECT, query->pos);

    outer->from = bind_around(b, query);
    outer->output_count = count;
    outer->outputs = BIND_ARRAY(b, struct sql_output, count + 1);
    outer->items = BIND_ARRAY(b, struct bound_expr *, count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t column = from ? from[i] : i;

        if (column == SIZE_MAX) /* a column the query does not give */
            outer->items[i] = bound_null(b, query->pos, outputs[i].type);
        else
            outer->items[i] =
                bind_convert(b, bound_column(b, query->pos, outer->from, column), outputs[i].type);
        outer->outputs[i] = outputs[i];
    }
    return outer;
}

/* Gives one side of a set operation the common types. */
static struct sql_bound *convert_outputs(struct binder *b, struct sql_bound *query,
                                         const struct sql_output *outputs)
{
    bool same = true;

    for (size_t i = 0; i < query->output_count; i++)
        same = same && sql_type_same(query->outputs[i].type, outputs[i].type);
    return same ? query : bind_outputs(b, query, NULL, outputs, query->output_count);
}

static struct sql_bound *bind_set(struct binder *b, struct scope *outer,
                                  const struct sql_body *body)
{
    static const char *const names[] = {"UNION", "INTERSECT", "EXCEPT"};
    struct sql_bound *bound = bound_query_new(b, QUERY_SET, body->pos);

    bound->op = body->op;
    bound->all = body->all;
    bound->left = bind_body(b, outer, body->left, NULL);
    bound->right = bind_body(b, outer, body->right, NULL);
    if (bound->left->output_count != bound->right->output_count)
        bind_fail(b, ERR_INVALID, body->pos, "%s of %zu and %zu columns", names[body->op],
                  bound->left->output_count, bound->right->output_count);
    bound->output_count = bound->left->output_count;
    bound->outputs = BIND_ARRAY(b, struct sql_output, bound->output_count);
    for (size_t i = 0; i < bound->output_count; i++) {
        const struct sql_type *left = bound->left->outputs[i].type;
        const struct sql_type *right = bound->right->outputs[i].type;

        bound->outputs[i].name = bound->left->outputs[i].name;
        bound->outputs[i].type = sql_type_common(b->arena, left, right);
        if (!bound->outputs[i].type)
            bind_fail(b, ERR_INVALID, body->pos, "column %zu of %s is %s and %s", i + 1,
                      names[body->op], bind_type_text(b, left), bind_type_text(b, right));
    }
    bound->left = convert_outputs(b, bound->left, bound->outputs);
    bound->right = convert_outputs(b, bound->right, bound->outputs);
    return bound;
}

/* TABLE t is SELECT * FROM t. */
static struct sql_bound *bind_table_body(struct binder *b, struct scope *outer,
                                         const struct sql_body *body)
{
    struct sql_from *from = BIND_NEW(b, struct sql_from);
    struct sql_select *select = BIND_NEW(b, struct sql_select);
    struct sql_expr *star = BIND_NEW(b, struct sql_expr);

    from->kind = SQL_FROM_TABLE;
    from->pos = body->pos;
    from->name = body->name;
    star->kind = SQL_EXPR_STAR;
    star->pos = body->pos;
    select->pos = body->pos;
    select->from = from;
    select->items = BIND_NEW(b, struct sql_item);
    select->items[0].expr = star;
    select->item_count = 1;
    return bind_select(b, outer, select, NULL);
}

static struct sql_bound *bind_body(struct binder *b, struct scope *outer,
                                   const struct sql_body *body, const struct sql_orders *orders)
{
    struct sql_bound *bound = NULL;

    bind_enter(b, body->pos);
    switch (body->kind) {
    case SQL_BODY_SELECT:
        bound = bind_select(b, outer, body->select, orders);
        break;
    case SQL_BODY_VALUES:
        bound = bind_values(b, outer, body);
        break;
    case SQL_BODY_TABLE:
        bound = bind_table_body(b, outer, body);
        break;
    case SQL_BODY_SET:
        bound = bind_set(b, outer, body);
        break;
    case SQL_BODY_QUERY:
        bound = bind_query(b, outer, body->query);
        break;
    }
    bind_leave(b);
    return bound;
}

/* ---- queries --------------------------------------------------------------------------------- */

static struct cte *bind_with(struct binder *b, const struct sql_query *query)
{
    struct cte *ctes = NULL;

    if (query->recursive)
        bind_fail(b, ERR_UNSUPPORTED, query->pos, "WITH RECURSIVE does not exist in Flink 1.20");
    for (size_t i = 0; i < query->with_count; i++) {
        struct cte *cte = BIND_NEW(b, struct cte);

        cte->with = &query->with[i];
        cte->visible = ctes; /* those before it, and not itself */
        cte->next = ctes;
        ctes = cte;
    }
    return ctes;
}

static struct bound_expr *bind_count(struct binder *b, const struct sql_expr *expr,
                                     const char *what)
{
    struct bound_expr *bound;

    if (!expr)
        return NULL;
    bound = bind_expr(b, NULL, expr);
    if (!sql_type_is_integer(bound->type))
        bind_fail(b, ERR_INVALID, expr->pos, "%s takes a whole number", what);
    return bound;
}

struct sql_bound *bind_query(struct binder *b, struct scope *outer, const struct sql_query *query)
{
    struct scope *scope = BIND_NEW(b, struct scope);
    struct sql_bound *bound;
    bool selects = query->body->kind == SQL_BODY_SELECT;

    bind_enter(b, query->pos);
    scope->outer = outer;
    scope->ctes = bind_with(b, query);
    bound = bind_body(b, scope, query->body, selects ? &query->order : NULL);
    if (query->order.count || query->limit || query->offset) {
        if (bound->order_count || bound->limit || bound->offset) {
            /* ((SELECT ... LIMIT 3) LIMIT 2): the inner one stays whole. */
            if (!selects)
                bound = bind_outputs(b, bound, NULL, bound->outputs, bound->output_count);
        }
        if (!selects && query->order.count)
            bind_order_by(b, NULL, &query->order, bound);
        bound->limit = bind_count(b, query->limit, "LIMIT");
        bound->offset = bind_count(b, query->offset, "OFFSET");
    }
    bound->syntax = query;
    bind_leave(b);
    return bound;
}
