/* plan_mark.c - IN and EXISTS as values: a join says of every row whether it has a match.
 *
 * EXISTS is that mark. x IN (SELECT y ...) has three values: TRUE with a match; else NULL if there
 * are rows and x is NULL, or if some y is NULL; else FALSE. Each of these three is a mark of its
 * own, over the subquery's rows, which are planned once and read by each join; where NULL is as
 * good as FALSE, and where there are no NULLs, one is enough. Of several columns a pair of rows may
 * be unlike although one of them is NULL: there the second mark is of pairs that are not known to
 * differ.
 */
#include "sql/plan_int.h"

/* The subquery's rows as a node, for several joins. */
static void share(struct member *m)
{
    struct shape shape;

    shape_init(&shape, m->p, &m->right);
    shape_where(&shape, m->where);
    shape_take(&shape, &m->moves);
    m->shared = shape_done(&shape, m->expr->pos);
    m->where = NULL;
}

static void mark_init(struct member *m, struct joining *j, struct rel *rel, struct conds *conds)
{
    if (m->shared) {
        m->right = plan_feed(m->p, m->shared);
        plan_move(m->p, &m->moves, &m->right, 0);
    }
    joining_init(j, m->p, m->expr->pos, SQL_FLOW_MARK, rel, &m->right);
    plan_sink_rest(j, conds);
    shape_where(&j->rs, m->where);
    for (size_t i = 0; i < m->lifted.count; i++)
        joining_cond(j, m->lifted.list[i].expr);
}

static struct bound_expr *mark_done(struct joining *j, struct rel *rel)
{
    *rel = joining_done(j);
    return plan_column(j->p, j->pos, rel, rel->node->column_count - 1);
}

static struct bound_expr *equality(struct member *m, size_t i)
{
    return bind_function2(m->p->b, m->expr->pos, "=", m->expr->args[i], m->values[i]);
}

static struct bound_expr *is_null(struct member *m, struct bound_expr *expr)
{
    return bind_function2(m->p->b, m->expr->pos, "IS NULL", expr, NULL);
}

/* It has a match. */
static struct bound_expr *known(struct member *m, struct rel *rel, struct conds *conds)
{
    struct joining j;

    mark_init(m, &j, rel, conds);
    for (size_t i = 0; i < m->value_count; i++)
        joining_cond(&j, equality(m, i));
    return mark_done(&j, rel);
}

/* There is a row, and the left value is NULL. */
static struct bound_expr *left_unknown(struct member *m, struct rel *rel)
{
    struct binder *b = m->p->b;
    struct sql_pos pos = m->expr->pos;
    struct bound_expr *key =
        bound_new(b, BOUND_CASE, pos, bind_nullable(b, &sql_type_bigint, true));
    struct joining j;

    key->args = BIND_ARRAY(b, struct bound_expr *, 3);
    key->arg_count = 3;
    key->args[0] = is_null(m, m->expr->args[0]);
    key->args[1] = bound_int(m->p->b, pos, 1);
    key->args[2] = bound_null(b, pos, &sql_type_bigint);
    mark_init(m, &j, rel, NULL);
    joining_key(&j, key, bound_int(m->p->b, pos, 1), false);
    return mark_done(&j, rel);
}

/* There is a row whose value is NULL. */
static struct bound_expr *right_unknown(struct member *m, struct rel *rel)
{
    struct joining j;

    mark_init(m, &j, rel, NULL);
    shape_where(&j.rs, is_null(m, m->values[0]));
    return mark_done(&j, rel);
}

/* There is a row of which it is not known whether it is the same one. */
static struct bound_expr *pair_unknown(struct member *m, struct rel *rel)
{
    struct bound_expr *all = NULL;
    struct joining j;

    mark_init(m, &j, rel, NULL);
    for (size_t i = 0; i < m->value_count; i++) {
        if (!m->values[i]->type->nullable && !m->expr->args[i]->type->nullable)
            joining_cond(&j, equality(m, i));
        else
            all = plan_and(m->p, all, equality(m, i));
    }
    joining_cond(&j, bind_function2(m->p->b, m->expr->pos, "IS UNKNOWN", all, NULL));
    return mark_done(&j, rel);
}

static struct bound_expr *three_values(struct member *m, struct rel *rel, struct conds *conds)
{
    struct binder *b = m->p->b;
    struct sql_pos pos = m->expr->pos;
    const struct sql_type *type = bind_nullable(b, &sql_type_boolean, true);
    struct bound_expr *out = bound_new(b, BOUND_CASE, pos, type), *unknown[2];
    size_t count = 0, at = 0;

    share(m);
    out->args = BIND_ARRAY(b, struct bound_expr *, 7);
    out->args[at++] = known(m, rel, conds);
    out->args[at++] = bound_truth(m->p->b, pos, true);
    if (m->value_count > 1)
        unknown[count++] = pair_unknown(m, rel);
    if (m->value_count == 1 && m->expr->args[0]->type->nullable)
        unknown[count++] = left_unknown(m, rel);
    if (m->value_count == 1 && m->values[0]->type->nullable)
        unknown[count++] = right_unknown(m, rel);
    for (size_t i = 0; i < count; i++) {
        out->args[at++] = unknown[i];
        out->args[at++] = bound_null(b, pos, type);
    }
    out->args[at++] = bound_truth(m->p->b, pos, false);
    out->arg_count = at;
    return out;
}

void plan_mark(struct member *m, bool unknown_is_false, struct rel *rel, struct conds *conds)
{
    bool three = !unknown_is_false && plan_member_nullable(m), negated = m->expr->negated;
    struct sql_pos pos = m->expr->pos;
    struct bound_expr *value = three ? three_values(m, rel, conds) : known(m, rel, conds);

    if (negated)
        value = bind_function2(m->p->b, pos, "NOT", value, NULL);
    *m->expr = *value;
    m->expr->pos = pos;
}
