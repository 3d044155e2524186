/* plan_sets.c - GROUPING SETS, CUBE and ROLLUP: each row once for each set of keys.
 *
 *     SELECT CASE WHEN s IN (0, 2) THEN a END, ..., s FROM rows CROSS JOIN UNNEST(ARRAY[0, 1, 2])
 *
 * The set's number is the last key, so that a key that is NULL and one that is left out stay apart.
 */
#include "sql/plan_int.h"

#define SETS_MAX   1024
#define GROUPS_MAX 64

struct set_list {
    uint64_t *list;
    size_t count, cap;
};

static size_t group_bit(struct grouping *g, struct bound_expr *expr)
{
    for (size_t i = 0; i < g->group_count; i++)
        if (bound_equal(g->groups[i], expr))
            return i;
    if (g->group_count == GROUPS_MAX)
        bind_fail(g->p->b, ERR_LIMIT, expr->pos, "more than %d expressions in GROUP BY",
                  GROUPS_MAX);
    g->groups[g->group_count] = expr;
    return g->group_count++;
}

static void put_set(struct grouping *g, struct set_list *out, uint64_t set)
{
    if (out->count == SETS_MAX)
        bind_fail(g->p->b, ERR_LIMIT, g->query->pos, "more than %d grouping sets", SETS_MAX);
    if (out->count == out->cap) {
        size_t cap = out->cap ? out->cap * 4 : 4;
        uint64_t *list = BIND_ARRAY(g->p->b, uint64_t, cap);

        if (out->count)
            memcpy(list, out->list, out->count * sizeof(*list));
        out->list = list;
        out->cap = cap;
    }
    out->list[out->count++] = set;
}

/* All groups named in an element, as one set. */
static uint64_t whole(struct grouping *g, const struct bound_group *group)
{
    uint64_t set = 0;

    if (group->kind == SQL_GROUP_EXPR)
        return (uint64_t)1 << group_bit(g, group->expr);
    for (size_t i = 0; i < group->count; i++)
        set |= whole(g, &group->parts[i]);
    return set;
}

static struct set_list element_sets(struct grouping *g, const struct bound_group *group)
{
    struct set_list out = {0};

    switch (group->kind) {
    case SQL_GROUP_EXPR:
    case SQL_GROUP_TUPLE:
    case SQL_GROUP_EMPTY:
        put_set(g, &out, whole(g, group));
        break;
    case SQL_GROUP_ROLLUP:
        for (size_t n = group->count + 1; n-- > 0;) {
            uint64_t set = 0;

            for (size_t i = 0; i < n; i++)
                set |= whole(g, &group->parts[i]);
            put_set(g, &out, set);
        }
        break;
    case SQL_GROUP_CUBE:
        if (group->count > 10)
            bind_fail(g->p->b, ERR_LIMIT, g->query->pos, "more than %d grouping sets", SETS_MAX);
        for (size_t n = (size_t)1 << group->count; n-- > 0;) {
            uint64_t set = 0;

            for (size_t i = 0; i < group->count; i++)
                if (n >> (group->count - 1 - i) & 1)
                    set |= whole(g, &group->parts[i]);
            put_set(g, &out, set);
        }
        break;
    case SQL_GROUP_SETS:
        for (size_t i = 0; i < group->count; i++) {
            struct set_list part = element_sets(g, &group->parts[i]);

            for (size_t k = 0; k < part.count; k++)
                put_set(g, &out, part.list[k]);
        }
        break;
    }
    return out;
}

static size_t count_exprs(const struct bound_group *groups, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total +=
            groups[i].kind == SQL_GROUP_EXPR ? 1 : count_exprs(groups[i].parts, groups[i].count);
    return total;
}

void plan_sets(struct grouping *g)
{
    const struct sql_bound *q = g->query;
    struct set_list all = {0};

    g->groups =
        BIND_ARRAY(g->p->b, struct bound_expr *, count_exprs(q->groups, q->group_count) + 1);
    put_set(g, &all, 0);
    for (size_t i = 0; i < q->group_count; i++) {
        struct set_list element = element_sets(g, &q->groups[i]), both = {0};

        for (size_t a = 0; a < all.count; a++)
            for (size_t e = 0; e < element.count; e++)
                put_set(g, &both, all.list[a] | element.list[e]);
        all = both;
    }
    g->sets = all.list;
    g->set_count = all.count;
}

static struct bound_expr *small_int(struct planner *p, struct sql_pos pos, size_t value)
{
    struct bound_expr *expr = bound_int(p->b, pos, (int64_t)value);

    expr->type = bind_nullable(p->b, &sql_type_int, false);
    return expr;
}

void plan_sets_expand(struct grouping *g)
{
    struct binder *b = g->p->b;
    struct bound_source *unnest = BIND_NEW(b, struct bound_source);
    struct bound_source *join = BIND_NEW(b, struct bound_source);
    struct bound_expr **numbers = BIND_ARRAY(b, struct bound_expr *, g->set_count);
    struct sql_pos pos = g->query->pos;

    for (size_t i = 0; i < g->set_count; i++)
        numbers[i] = small_int(g->p, pos, i);
    unnest->kind = SOURCE_UNNEST;
    unnest->pos = join->pos = pos;
    unnest->number = b->next_number++;
    unnest->lateral = true;
    unnest->array = bind_function(b, pos, "ARRAY", numbers, g->set_count);
    unnest->column_count = 1;
    unnest->columns = BIND_NEW(b, struct bound_column);
    unnest->columns[0] = (struct bound_column){
        .name = "$set", .type = bind_nullable(b, &sql_type_int, false), .used = true};
    join->kind = SOURCE_JOIN;
    join->join = SQL_JOIN_CROSS;
    join->left = g->shape.rel.from;
    join->right = unnest;
    g->shape.rel.from = join;
    g->set = bound_column(b, pos, unnest, 0);
}

/* set IN (those that satisfy) */
static struct bound_expr *set_in(struct grouping *g, struct bound_expr *set, uint64_t wanted,
                                 uint64_t value)
{
    struct binder *b = g->p->b;
    struct bound_expr *in =
        bound_new(b, BOUND_IN, set->pos, bind_nullable(b, &sql_type_boolean, false));

    in->args = BIND_ARRAY(b, struct bound_expr *, g->set_count + 1);
    in->args[in->arg_count++] = set;
    for (size_t i = 0; i < g->set_count; i++)
        if ((g->sets[i] & wanted) == value)
            in->args[in->arg_count++] = small_int(g->p, set->pos, i);
    return in->arg_count > 1 ? in : NULL;
}

struct bound_expr *plan_sets_key(struct grouping *g, size_t group)
{
    struct bound_expr *expr = g->groups[group], *key;
    uint64_t bit = (uint64_t)1 << group;
    struct binder *b = g->p->b;

    if (g->set_count == 1 || !set_in(g, g->set, bit, 0))
        return expr;
    key = bound_new(b, BOUND_CASE, expr->pos, bind_nullable(b, expr->type, true));
    key->args = BIND_ARRAY(b, struct bound_expr *, 3);
    key->args[0] = set_in(g, g->set, bit, bit);
    key->args[1] = expr;
    key->args[2] = bound_null(b, expr->pos, expr->type);
    key->arg_count = 3;
    return key;
}

static size_t known_bit(struct grouping *g, const struct bound_expr *expr)
{
    for (size_t i = 0; i < g->group_count; i++)
        if (bound_equal(g->groups[i], expr))
            return i;
    bind_fail(g->p->b, ERR_INVALID, expr->pos, "GROUPING takes expressions of GROUP BY");
}

/* The bits of GROUPING(a, b): 1 where the set leaves the expression out. */
struct bound_expr *plan_sets_grouping(struct grouping *g, const struct bound_expr *call,
                                      struct bound_expr *set)
{
    struct binder *b = g->p->b;
    struct bound_expr *out = bound_new(b, BOUND_CASE, call->pos, call->type);

    out->args = BIND_ARRAY(b, struct bound_expr *, 2 * g->set_count + 1);
    for (size_t i = 0; i < g->set_count; i++) {
        int64_t value = 0;

        for (size_t k = 0; k < call->arg_count; k++)
            value = value << 1 | !(g->sets[i] >> known_bit(g, call->args[k]) & 1);
        if (g->set_count == 1)
            return bound_int(g->p->b, call->pos, value);
        if (i + 1 < g->set_count)
            out->args[out->arg_count++] =
                bind_function2(b, call->pos, "=", set, small_int(g->p, call->pos, i));
        out->args[out->arg_count++] = bound_int(g->p->b, call->pos, value);
    }
    return out;
}
