/* plan_use.c - which columns are read, from the top down; and where filters on row numbers belong.
 *
 * What nobody reads is not computed, and is not kept in any state. An output that nobody reads
 * becomes a NULL, so that its aggregate is not counted either.
 *
 * WHERE rn <= 3 above SELECT ..., ROW_NUMBER() OVER (...) AS rn is a top-N only when both are seen
 * together: such a condition becomes part of the QUALIFY of the SELECT that has the call. It may
 * where what lies between only projects, filters and joins; it counts no rows of its own. Where an
 * outer join may leave the number NULL the condition stays above too, which takes those rows away.
 */
#include "sql/plan_int.h"

static void use_query(struct planner *p, struct sql_bound *query, const bool *needed);

/* ---- conditions on row numbers --------------------------------------------------------------- */

static bool is_plain(const struct sql_bound *query)
{
    bool plain = query->kind == QUERY_SELECT && !query->aggregated && !query->distinct &&
                 !query->limit && !query->offset && !query->order_count && !query->qualify;

    for (size_t i = 0; plain && i < query->output_count; i++)
        plain = !plan_has_over(query->items[i]);
    return plain;
}

enum place { NOT_THERE, THERE, MAY_MISS };

/* Where a FROM has the source: MAY_MISS when an outer join gives rows without one of its. */
static enum place place_of(const struct bound_source *from, const struct bound_source *source)
{
    enum place place;

    if (!from || from->as_of) /* fewer rows would be other versions */
        return NOT_THERE;
    if (from == source)
        return THERE;
    if (from->kind != SOURCE_JOIN)
        return NOT_THERE;
    place = place_of(from->left, source);
    if (place != NOT_THERE)
        return from->join == SQL_JOIN_RIGHT || from->join == SQL_JOIN_FULL ? MAY_MISS : place;
    place = place_of(from->right, source);
    if (place != NOT_THERE && (from->join == SQL_JOIN_LEFT || from->join == SQL_JOIN_FULL ||
                               from->join == SQL_JOIN_OUTER_APPLY))
        return MAY_MISS;
    return place;
}

static bool is_rank(const struct bound_expr *expr)
{
    const char *name = plan_function(expr);

    return name && expr->over &&
           (!strcmp(name, "ROW_NUMBER") || !strcmp(name, "RANK") || !strcmp(name, "DENSE_RANK"));
}

/* The call that the column of a FROM is, and its query; NULL: it is none. */
static struct bound_expr *rank_of(const struct bound_source *from, const struct bound_expr *expr,
                                  struct sql_bound **query, bool *may_miss)
{
    struct bound_expr *item;

    *may_miss = false;
    while (expr->kind == BOUND_COLUMN && expr->source->kind == SOURCE_QUERY) {
        struct sql_bound *below = expr->source->query;
        enum place place = place_of(from, expr->source);

        *may_miss |= place == MAY_MISS;
        if (place == NOT_THERE || below->kind != QUERY_SELECT ||
            expr->column >= below->output_count)
            return NULL;
        item = below->items[expr->column];
        if (is_rank(item) && !below->distinct && !below->limit && !below->offset) {
            *query = below;
            return item;
        }
        if (!is_plain(below))
            return NULL;
        expr = item;
        from = below->from;
    }
    return NULL;
}

static bool is_whole_number(const struct bound_expr *expr)
{
    return expr->kind == BOUND_LITERAL && expr->literal == SQL_LIT_EXACT &&
           sql_type_is_integer(expr->type);
}

/* true: the condition is wholly below now. */
static bool push_rank(struct planner *p, const struct bound_source *from,
                      const struct bound_expr *cond)
{
    static const char *const compares[] = {"=", "<", "<=", ">", ">="};
    const char *name = plan_function(cond);
    struct sql_bound *query;
    struct bound_expr *moved;
    bool known = false, may_miss;

    for (size_t i = 0; name && i < COUNT_OF(compares); i++)
        known = known || !strcmp(name, compares[i]);
    for (size_t i = 0; known && i < 2; i++) {
        struct bound_expr *rank = is_whole_number(cond->args[1 - i])
                                      ? rank_of(from, cond->args[i], &query, &may_miss)
                                      : NULL;

        if (!rank)
            continue;
        moved = BIND_NEW(p->b, struct bound_expr);
        *moved = *cond;
        moved->args = BIND_ARRAY(p->b, struct bound_expr *, 2);
        moved->args[i] = rank;
        moved->args[1 - i] = cond->args[1 - i];
        query->qualify = plan_and(p, query->qualify, moved);
        return !may_miss;
    }
    return false;
}

static void push_ranks(struct planner *p, struct sql_bound *query)
{
    struct conds conds;
    bool any = false;

    plan_split(p, query->where, &conds);
    for (size_t i = 0; i < conds.count; i++)
        any |= conds.list[i].done = push_rank(p, query->from, conds.list[i].expr);
    if (any)
        query->where = plan_rest(p, &conds);
}

/* ---- columns --------------------------------------------------------------------------------- */

static void use_expr(struct planner *p, const struct bound_expr *expr);

static void use_orders(struct planner *p, const struct bound_order *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (order[i].expr)
            use_expr(p, order[i].expr);
}

static void use_expr(struct planner *p, const struct bound_expr *expr)
{
    if (expr->kind == BOUND_COLUMN)
        expr->source->columns[expr->column].used = true;
    for (size_t i = 0; i < expr->arg_count; i++)
        use_expr(p, expr->args[i]);
    if (expr->filter)
        use_expr(p, expr->filter);
    use_orders(p, expr->order, expr->order_count);
    for (size_t i = 0; expr->over && i < expr->over->partition_count; i++)
        use_expr(p, expr->over->partition[i]);
    if (expr->over)
        use_orders(p, expr->over->order, expr->over->order_count);
    if (expr->query) {
        bool *none = BIND_ARRAY(p->b, bool, expr->query->output_count + 1);

        use_query(p, expr->query, expr->kind == BOUND_EXISTS ? none : NULL);
    }
}

/* The time by which the versions of a table are told apart. */
static void use_rowtime(struct bound_source *source)
{
    for (size_t i = 0; source->table && source->table->rowtime && i < source->column_count; i++)
        if (!strcmp(source->columns[i].name, source->table->rowtime))
            source->columns[i].used = true;
}

/* What stands between the leaves. */
static void use_conditions(struct planner *p, struct bound_source *from)
{
    if (from->as_of) {
        use_expr(p, from->as_of);
        use_rowtime(from);
    }
    if (from->kind == SOURCE_UNNEST)
        use_expr(p, from->array);
    if (from->kind != SOURCE_JOIN)
        return;
    if (from->on)
        use_expr(p, from->on);
    use_conditions(p, from->left);
    use_conditions(p, from->right);
}

/* From right to left: a lateral subquery names columns of what stands left of it. */
static void use_leaves(struct planner *p, struct bound_source *from)
{
    bool *needed;

    if (from->kind == SOURCE_JOIN) {
        use_leaves(p, from->right);
        use_leaves(p, from->left);
    }
    if (from->kind != SOURCE_QUERY)
        return;
    needed = BIND_ARRAY(p->b, bool, from->column_count + 1);
    for (size_t i = 0; i < from->column_count; i++)
        needed[i] = from->columns[i].used || from->as_of;
    if (from->tvf)
        needed[from->tvf->time_column] = true;
    use_query(p, from->query, needed);
}

static bool item_needed(const struct sql_bound *query, const bool *needed, size_t item)
{
    for (size_t i = 0; i < query->order_count; i++)
        if (query->order[i].ordinal == item + 1)
            return true;
    return !needed || needed[item] || query->distinct;
}

static void use_groups(struct planner *p, const struct bound_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (groups[i].kind == SQL_GROUP_EXPR)
            use_expr(p, groups[i].expr);
        else
            use_groups(p, groups[i].parts, groups[i].count);
    }
}

static void use_select(struct planner *p, struct sql_bound *query, const bool *needed)
{
    push_ranks(p, query);
    for (size_t i = 0; i < query->output_count; i++) {
        if (item_needed(query, needed, i))
            use_expr(p, query->items[i]);
        else
            query->items[i] = bound_null(p->b, query->items[i]->pos, query->items[i]->type);
    }
    if (query->where)
        use_expr(p, query->where);
    use_groups(p, query->groups, query->group_count);
    if (query->having)
        use_expr(p, query->having);
    if (query->qualify)
        use_expr(p, query->qualify);
    use_orders(p, query->order, query->order_count);
    if (!query->from)
        return;
    use_conditions(p, query->from);
    use_leaves(p, query->from);
}

/* needed NULL: all outputs are. */
static void use_query(struct planner *p, struct sql_bound *query, const bool *needed)
{
    bind_enter(p->b, query->pos);
    if (query->kind == QUERY_SET) {
        if (query->op != SQL_SET_UNION || !query->all || query->order_count)
            needed = NULL;
        use_query(p, query->left, needed);
        use_query(p, query->right, needed);
    } else if (query->kind == QUERY_SELECT) {
        use_select(p, query, needed);
    }
    bind_leave(p->b);
}

void plan_use(struct planner *p, struct sql_bound *query)
{
    use_query(p, query, NULL);
}
