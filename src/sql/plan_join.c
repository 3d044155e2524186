/* plan_join.c - joins of two streams, and of a stream with a table that is looked up.
 *
 * Conditions sink as deep as they may: those of one side into its SELECT, equalities between the
 * sides become keys, bounds on time make the join one by interval, the rest is a condition on
 * pairs. What may sink where is a matter of which side keeps its rows without a match.
 */
#include <stdio.h>

#include "sql/plan_int.h"

/* ---- keys ------------------------------------------------------------------------------------ */

void joining_init(struct joining *j, struct planner *p, struct sql_pos pos, enum sql_flow_join kind,
                  const struct rel *left, const struct rel *right)
{
    *j = (struct joining){.p = p, .pos = pos, .left = *left, .right = *right};
    j->out.join = kind;
    j->out.left_time = j->out.right_time = j->out.left_end = j->out.right_end = -1;
    shape_init(&j->ls, p, left);
    shape_init(&j->rs, p, right);
    shape_take(&j->ls, &j->lm);
    shape_take(&j->rs, &j->rm);
}

static void grow_keys(struct joining *j)
{
    size_t cap = j->key_cap ? j->key_cap * 2 : 4, count = j->out.key_count;
    size_t *left = BIND_ARRAY(j->p->b, size_t, cap), *right = BIND_ARRAY(j->p->b, size_t, cap);
    bool *safe = BIND_ARRAY(j->p->b, bool, cap);

    if (count) {
        memcpy(left, j->out.left_keys, count * sizeof(*left));
        memcpy(right, j->out.right_keys, count * sizeof(*right));
        memcpy(safe, j->out.null_safe, count * sizeof(*safe));
    }
    j->out.left_keys = left;
    j->out.right_keys = right;
    j->out.null_safe = safe;
    j->key_cap = cap;
}

void joining_key(struct joining *j, struct bound_expr *left, struct bound_expr *right,
                 bool null_safe)
{
    enum bound_time time = plan_time(left);
    size_t n = j->out.key_count;

    if (n == j->key_cap)
        grow_keys(j);
    j->out.left_keys[n] = shape_put(&j->ls, left);
    j->out.right_keys[n] = shape_put(&j->rs, right);
    j->out.null_safe[n] = null_safe;
    j->out.key_count++;
    if (time != plan_time(right))
        return;
    j->by_start |= bound_is_start(time);
    if (bound_is_end(time)) {
        j->out.by_clock = time == BOUND_CLOCK_END;
        j->by_end = true;
        j->out.left_end = (int)shape_put(&j->ls, plan_window_end(j->p, left));
        j->out.right_end = (int)shape_put(&j->rs, plan_window_end(j->p, right));
    }
}

void joining_cond(struct joining *j, struct bound_expr *cond)
{
    const char *name = plan_function(cond);
    bool equal = name && !strcmp(name, "=");
    bool safe = name && !strcmp(name, "IS NOT DISTINCT FROM");

    if (cond->kind == BOUND_LITERAL && cond->literal == SQL_LIT_BOOLEAN && cond->text[0] == 'T')
        return; /* ON TRUE */
    for (size_t i = 0; (equal || safe) && i < 2; i++) {
        struct bound_expr *left = cond->args[i], *right = cond->args[1 - i];

        if (!plan_within(left, &j->left) || !plan_within(right, &j->right) ||
            !plan_mentions(left, &j->left) || !plan_mentions(right, &j->right))
            continue;
        joining_key(j, left, right, safe);
        return;
    }
    j->residual = plan_and(j->p, j->residual, cond);
}

/* ---- the node -------------------------------------------------------------------------------- */

/* l0, l1, ... r0, r1, ... */
static struct rel pair_feed(struct joining *j, const struct sql_node *left,
                            const struct sql_node *right)
{
    size_t count = left->column_count + right->column_count;
    struct bound_source *feed = BIND_NEW(j->p->b, struct bound_source);
    struct sql_table *table = BIND_NEW(j->p->b, struct sql_table);

    feed->kind = SOURCE_TABLE;
    feed->number = j->p->b->next_number++;
    feed->columns = BIND_ARRAY(j->p->b, struct bound_column, count + 1);
    feed->column_count = count;
    table->name = "feed";
    feed->table = table;
    for (size_t i = 0; i < count; i++) {
        bool is_left = i < left->column_count;
        size_t at = is_left ? i : i - left->column_count;

        feed->columns[i].name = arena_printf(j->p->b->arena, "%c%zu", is_left ? 'l' : 'r', at);
        feed->columns[i].type = (is_left ? left : right)->columns[at].type;
        if (!feed->columns[i].name)
            bind_nomem(j->p->b);
    }
    return (struct rel){NULL, feed};
}

static const char *condition_text(struct joining *j, const struct sql_node *left,
                                  const struct sql_node *right)
{
    struct sql_bound *select = BIND_NEW(j->p->b, struct sql_bound);
    struct sql_output *output = BIND_NEW(j->p->b, struct sql_output);
    struct rel pairs;

    if (!j->residual)
        return NULL;
    pairs = pair_feed(j, left, right);
    plan_move(j->p, &j->lm, &pairs, 0);
    plan_move(j->p, &j->rm, &pairs, left->column_count);
    *output = (struct sql_output){"c0", &sql_type_boolean};
    select->kind = QUERY_SELECT;
    select->pos = j->pos;
    select->from = pairs.from;
    select->items = &j->residual;
    select->outputs = output;
    select->output_count = 1;
    return plan_print(j->p, select);
}

/* May rows of this side come without one of the other? Then the other's columns may be NULL. */
static bool keeps_left(enum sql_flow_join kind)
{
    return kind == SQL_FLOW_LEFT || kind == SQL_FLOW_FULL;
}

static bool keeps_right(enum sql_flow_join kind)
{
    return kind == SQL_FLOW_RIGHT || kind == SQL_FLOW_FULL;
}

static bool one_side_out(enum sql_flow_join kind)
{
    return kind >= SQL_FLOW_SEMI;
}

static void side_columns(struct joining *j, struct sql_node *node, const struct sql_node *side,
                         bool may_miss)
{
    bool keeps_time = j->out.time != SQL_FLOW_REGULAR && !may_miss;

    for (size_t i = 0; i < side->column_count; i++)
        plan_node_label(node,
                        plan_node_column(j->p, node,
                                         bind_nullable(j->p->b, side->columns[i].type,
                                                       may_miss || side->columns[i].type->nullable),
                                         keeps_time ? plan_node_time(side, i) : BOUND_TIMELESS),
                        side->labels[i]);
}

static bool gives_changes(const struct sql_node *node, const struct sql_flow_joining *join)
{
    bool left = node->inputs[0]->changes, right = node->inputs[1]->changes;

    switch (join->time) {
    case SQL_FLOW_INTERVAL:
    case SQL_FLOW_WINDOWED:
        return false;
    case SQL_FLOW_TEMPORAL:
        return left;
    default:
        return left || right || (join->join != SQL_FLOW_INNER && join->join != SQL_FLOW_SEMI);
    }
}

/* STATE_TTL('alias' = '1 d') of the SELECT's hints. */
static int64_t ttl_of(const struct joining *j, const struct moves *side)
{
    const struct sql_hints *hints = j->p->hints;
    int64_t ttl = j->p->options->ttl_ms;

    for (size_t h = 0; hints && h < hints->count; h++) {
        const struct sql_options *options = &hints->list[h].options;

        if (strcasecmp(hints->list[h].name.text, "STATE_TTL") != 0)
            continue;
        for (size_t i = 0; i < side->count; i++) {
            const char *alias = side->leaves[i]->alias;
            const char *text = alias ? sql_option(options, alias) : NULL;

            if (text && sql_duration_ms(text, &ttl))
                bind_fail(j->p->b, ERR_INVALID, j->pos, "STATE_TTL: '%s' is no time: '1 d'", text);
        }
    }
    return ttl;
}

static void check_windowed(struct joining *j)
{
    if (j->out.time == SQL_FLOW_REGULAR && j->by_start && j->by_end &&
        j->out.join != SQL_FLOW_MARK) {
        j->out.time = SQL_FLOW_WINDOWED;
        j->p->by_time |= !j->out.by_clock;
    }
    if (j->out.time != SQL_FLOW_WINDOWED)
        j->out.left_end = j->out.right_end = -1;
}

struct rel joining_done(struct joining *j)
{
    struct planner *p = j->p;
    struct sql_node *left, *right, *node;
    struct rel feed;

    check_windowed(j);
    if (j->out.time == SQL_FLOW_REGULAR) {
        j->out.left_ttl_ms = ttl_of(j, &j->lm);
        j->out.right_ttl_ms = ttl_of(j, &j->rm);
    }
    joining_forgets(j);
    left = shape_done(&j->ls, j->pos);
    right = shape_done(&j->rs, j->pos);
    node = plan_node_new(p, SQL_NODE_JOIN, j->pos, left->column_count + right->column_count + 1);
    j->out.condition = condition_text(j, left, right);
    node->join = j->out;
    plan_node_inputs(p, node, left, right);
    side_columns(j, node, left, keeps_right(j->out.join));
    if (!one_side_out(j->out.join))
        side_columns(j, node, right, keeps_left(j->out.join));
    if (j->out.join == SQL_FLOW_MARK)
        plan_node_column(p, node, bind_nullable(p->b, &sql_type_boolean, false), BOUND_TIMELESS);
    node->changes = gives_changes(node, &j->out);
    feed = plan_feed(p, node);
    plan_move(p, &j->lm, &feed, 0);
    if (!one_side_out(j->out.join))
        plan_move(p, &j->rm, &feed, left->column_count);
    return feed;
}

/* ---- conditions to where they belong --------------------------------------------------------- */

static enum sql_flow_join kind_of(struct planner *p, const struct bound_source *join)
{
    switch (join->join) {
    case SQL_JOIN_COMMA:
    case SQL_JOIN_CROSS:
    case SQL_JOIN_INNER:
        return SQL_FLOW_INNER;
    case SQL_JOIN_LEFT:
        return SQL_FLOW_LEFT;
    case SQL_JOIN_RIGHT:
        return SQL_FLOW_RIGHT;
    case SQL_JOIN_FULL:
        return SQL_FLOW_FULL;
    case SQL_JOIN_LEFT_SEMI:
        return SQL_FLOW_SEMI;
    case SQL_JOIN_LEFT_ANTI:
        return SQL_FLOW_ANTI;
    default:
        plan_refuse(p, join->pos, "this join");
    }
}

/* Conditions of one side alone go below: those of ON into the side that may miss, those of WHERE
 * into the one that may not. */
static void sink(struct shape *shape, struct conds *conds, const struct rel *side)
{
    for (size_t i = 0; conds && i < conds->count; i++) {
        struct cond *cond = &conds->list[i];

        if (cond->done || !plan_within(cond->expr, side) || !plan_mentions(cond->expr, side) ||
            plan_asks_watermark(cond->expr))
            continue;
        shape_where(shape, cond->expr);
        cond->done = true;
    }
}

static void sink_all(struct joining *j, struct conds *on, struct conds *where)
{
    enum sql_flow_join kind = j->out.join;

    if (!keeps_left(kind)) {
        sink(&j->ls, on, &j->left);
        if (kind == SQL_FLOW_INNER)
            sink(&j->ls, where, &j->left);
    } else if (kind == SQL_FLOW_LEFT) {
        sink(&j->ls, where, &j->left);
    }
    if (!keeps_right(kind)) {
        if (kind != SQL_FLOW_ANTI || !j->out.null_aware)
            sink(&j->rs, on, &j->right);
        if (kind == SQL_FLOW_INNER)
            sink(&j->rs, where, &j->right);
    } else if (kind == SQL_FLOW_RIGHT) {
        sink(&j->rs, where, &j->right);
    }
}

static void take_conds(struct joining *j, struct conds *on, struct conds *where,
                       const struct rel *both)
{
    sink_all(j, on, where);
    if (j->out.join != SQL_FLOW_INNER)
        where = NULL;
    for (size_t i = 0; i < on->count; i++) {
        if (!on->list[i].done)
            joining_cond(j, on->list[i].expr);
        on->list[i].done = true;
    }
    for (size_t i = 0; where && i < where->count; i++) {
        struct cond *cond = &where->list[i];

        if (cond->done || !plan_within(cond->expr, both) || !plan_mentions(cond->expr, both) ||
            plan_asks_watermark(cond->expr))
            continue;
        joining_cond(j, cond->expr);
        cond->done = true;
    }
}

/* ---- tables that are looked up --------------------------------------------------------------- */

static bool is_lookup(struct planner *p, const struct bound_source *right)
{
    const struct sql_plan_options *o = p->options;

    return right->kind == SOURCE_TABLE && right->as_of &&
           plan_time(right->as_of) == BOUND_PROCTIME && o->looks_up &&
           o->looks_up(o->arg, right->table);
}

/* By which columns the table itself can be asked. */
static const char **lookup_names(const struct joining *j, const struct bound_source *table)
{
    const char **names = BIND_ARRAY(j->p->b, const char *, j->out.key_count + 1);

    for (size_t k = 0; k < j->out.key_count; k++) {
        const struct bound_expr *key = j->rs.items[j->out.right_keys[k]];

        if (key->kind == BOUND_COLUMN && key->source == table &&
            key->column < table->table->column_count &&
            table->table->columns[key->column].kind == SQL_COLUMN_PHYSICAL)
            names[k] = table->table->columns[key->column].name;
    }
    return names;
}

static struct rel lookup_done(struct joining *j, const struct bound_source *table)
{
    struct planner *p = j->p;
    struct sql_node *left, *right, *node;
    struct sql_flow_joining *out = &j->out;
    const char **names;
    struct rel feed;

    if (out->join != SQL_FLOW_INNER && out->join != SQL_FLOW_LEFT)
        bind_fail(p->b, ERR_UNSUPPORTED, j->pos,
                  "a table that is looked up is joined by [INNER] JOIN or LEFT JOIN");
    if (!out->key_count)
        bind_fail(p->b, ERR_INVALID, j->pos,
                  "a lookup join needs an equality with a column of `%s`", table->table->name);
    names = lookup_names(j, table);
    left = shape_done(&j->ls, j->pos);
    right = shape_done(&j->rs, j->pos);
    out->condition = condition_text(j, left, right);
    out->time = SQL_FLOW_TEMPORAL; /* the left row's times stay */
    node = plan_node_new(p, SQL_NODE_LOOKUP, j->pos, left->column_count + right->column_count);
    plan_node_inputs(p, node, left, NULL);
    side_columns(j, node, left, false);
    side_columns(j, node, right, out->join == SQL_FLOW_LEFT);
    node->changes = left->changes;
    node->lookup = (struct sql_flow_looking){.table = table->table,
                                             .select = right->select,
                                             .left = out->join == SQL_FLOW_LEFT,
                                             .left_keys = out->left_keys,
                                             .right_keys = out->right_keys,
                                             .key_count = out->key_count,
                                             .key_names = names,
                                             .condition = out->condition};
    feed = plan_feed(p, node);
    plan_move(p, &j->lm, &feed, 0);
    plan_move(p, &j->rm, &feed, left->column_count);
    return feed;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Subqueries that name both sides: above an inner join they are conditions of its rows. */
static struct conds late_of(struct planner *p, struct conds *on, enum sql_flow_join kind)
{
    struct conds late = {BIND_ARRAY(p->b, struct cond, on->count + 1), 0};

    for (size_t i = 0; i < on->count; i++) {
        if (on->list[i].done || !plan_has_query(on->list[i].expr))
            continue;
        if (kind != SQL_FLOW_INNER)
            bind_fail(p->b, ERR_UNSUPPORTED, on->list[i].expr->pos,
                      "a subquery in ON of an outer join names columns of one side alone");
        late.list[late.count++].expr = on->list[i].expr;
        on->list[i].done = true;
    }
    return late;
}

struct rel plan_join(struct planner *p, struct bound_source *join, struct conds *where)
{
    enum sql_flow_join kind = kind_of(p, join);
    bool lookup = is_lookup(p, join->right), temporal = join->right->as_of && !lookup;
    struct rel left = plan_from(p, join->left, keeps_right(kind) ? NULL : where), right, both;
    const struct bound_source *right_source = join->right;
    struct conds on, late;
    struct joining j;

    right = plan_from(p, join->right, keeps_left(kind) || temporal ? NULL : where);
    if (lookup)
        p->scan_count--; /* it is no input of the stream */
    plan_split(p, join->on, &on);
    plan_on_subqueries(
        p, &on, &left, &right,
        &(struct plan_sides){!keeps_left(kind), !keeps_right(kind), lookup || temporal});
    late = late_of(p, &on, kind);
    join->left = left.from;
    join->right = right.from;
    both = (struct rel){NULL, join};
    joining_init(&j, p, join->pos, kind, &left, &right);
    if (temporal)
        joining_temporal(&j, right_source);
    else if (!lookup)
        joining_interval(&j, &on);
    if (!temporal && !lookup && kind == SQL_FLOW_INNER && j.out.time == SQL_FLOW_REGULAR && where)
        joining_interval(&j, where);
    take_conds(&j, &on, where, &both);
    both = lookup ? lookup_done(&j, right_source) : joining_done(&j);
    plan_late_conditions(p, &late, &both);
    return both;
}
