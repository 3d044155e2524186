/* conditions.c - what a query's WHERE says about single columns of the tables it reads.
 *
 * A condition is taken from the conjunction below WHERE (of the query and of the subqueries in
 * FROM), when it compares a column as it is with a literal. The column must be one of that query's
 * own: what a subquery in an expression says of a column of the query around it, as in NOT EXISTS
 * (... WHERE outer.x = 1), says nothing of the rows that are wanted. Such a comparison is false for
 * NULL, so a row that an outer join made up of NULLs meets none of them, and it is safe to leave
 * out the table's rows that do not meet it on whichever side of a join the table stands. A table
 * that is read twice gives none: the conditions of one place do not hold in the other.
 */
#include "sql/bound.h"

struct finding {
    struct arena *arena;
    struct sql_condition *list;
    size_t count, cap;
    const struct sql_table **seen; /* base tables met, with repetitions */
    size_t seen_count, seen_cap;
    bool no_memory;
    bool utc; /* the session's time zone */
};

static const struct {
    const char *name;
    enum sql_condition_op op, flipped; /* flipped: literal on the left */
} operators[] = {
    {"=", SQL_COND_EQ, SQL_COND_EQ}, {"<>", SQL_COND_NE, SQL_COND_NE},
    {"<", SQL_COND_LT, SQL_COND_GT}, {"<=", SQL_COND_LE, SQL_COND_GE},
    {">", SQL_COND_GT, SQL_COND_LT}, {">=", SQL_COND_GE, SQL_COND_LE},
};

static void *grow(struct finding *f, void *list, size_t count, size_t *cap, size_t size)
{
    void *more;

    if (count < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 8;
    more = arena_array(f->arena, *cap, size);
    if (more && count)
        memcpy(more, list, count * size);
    f->no_memory |= !more;
    return more;
}

static bool has_window(const struct bound_expr *expr)
{
    if (expr->over)
        return true;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (has_window(expr->args[i]))
            return true;
    return false;
}

/* May rows be taken away below this query without changing those that are left? Not where rows look
 * at each other. */
static bool rows_stand_alone(const struct sql_bound *query)
{
    if (query->kind != QUERY_SELECT || query->aggregated || query->limit || query->offset ||
        query->qualify)
        return false;
    for (size_t i = 0; i < query->output_count; i++)
        if (has_window(query->items[i]))
            return false;
    return true;
}

/* The column of a base table behind names of subqueries; NULL: it is computed, or something else.
 */
static const struct bound_expr *base_column(const struct bound_expr *expr)
{
    while (expr->kind == BOUND_COLUMN) {
        const struct bound_source *source = expr->source;

        if (source->kind == SOURCE_TABLE)
            return source->computed && source->computed[expr->column] ? NULL : expr;
        if (source->kind != SOURCE_QUERY || !rows_stand_alone(source->query) ||
            expr->column >= source->query->output_count)
            return NULL;
        expr = source->query->items[expr->column];
    }
    return NULL;
}

/* The text of a literal that `column` is compared with, through conversions that keep it readable;
 * NULL: none. A time without zone is one in UTC by the session's zone, which the text does not
 * know. */
static const char *literal_text(const struct finding *f, const struct bound_expr *column,
                                const struct bound_expr *expr)
{
    if (column->type->kind == SQL_TIMESTAMP_LTZ && !f->utc)
        return NULL;
    while (expr->kind == BOUND_CAST && expr->implicit)
        expr = expr->args[0];
    if (expr->kind != BOUND_LITERAL || expr->negated)
        return NULL;
    switch (expr->literal) {
    case SQL_LIT_EXACT:
    case SQL_LIT_STRING:
    case SQL_LIT_DATE:
    case SQL_LIT_TIMESTAMP:
    case SQL_LIT_BOOLEAN:
        return expr->text;
    default:
        return NULL;
    }
}

static void add(struct finding *f, const struct bound_expr *column, enum sql_condition_op op,
                const char **values, size_t count)
{
    f->list = grow(f, f->list, f->count, &f->cap, sizeof(*f->list));
    if (f->list)
        f->list[f->count++] =
            (struct sql_condition){column->source->table, column->column, op, values, count};
}

/* Is the column one of a table that this very query reads? */
static bool is_own(const struct bound_source *from, const struct bound_expr *column)
{
    if (!from)
        return false;
    if (from->kind == SOURCE_JOIN)
        return is_own(from->left, column) || is_own(from->right, column);
    return from == column->source;
}

static void comparison(struct finding *f, const struct bound_source *from,
                       const struct bound_expr *expr)
{
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        const struct bound_expr *left, *right;
        const char **value;

        if (strcmp(operators[i].name, expr->function->name) != 0 || expr->arg_count != 2)
            continue;
        left = is_own(from, expr->args[0]) ? base_column(expr->args[0]) : NULL;
        right = is_own(from, expr->args[1]) ? base_column(expr->args[1]) : NULL;
        value = ARENA_NEW(f->arena, const char *);
        f->no_memory |= !value;
        if (!value)
            return;
        if (left && (*value = literal_text(f, left, expr->args[1])))
            add(f, left, operators[i].op, value, 1);
        else if (right && (*value = literal_text(f, right, expr->args[0])))
            add(f, right, operators[i].flipped, value, 1);
        return;
    }
}

static void membership(struct finding *f, const struct bound_source *from,
                       const struct bound_expr *expr)
{
    const struct bound_expr *column =
        is_own(from, expr->args[0]) ? base_column(expr->args[0]) : NULL;
    const char **values;

    if (!column || expr->negated || expr->query || expr->arg_count < 2)
        return;
    values = ARENA_ARRAY(f->arena, const char *, expr->arg_count);
    f->no_memory |= !values;
    for (size_t i = 1; values && i < expr->arg_count; i++)
        if (!(values[i - 1] = literal_text(f, column, expr->args[i])))
            return;
    if (values)
        add(f, column, SQL_COND_IN, values, expr->arg_count - 1);
}

static void condition(struct finding *f, const struct bound_source *from,
                      const struct bound_expr *expr)
{
    if (expr->kind == BOUND_CALL && !strcmp(expr->function->name, "AND")) {
        for (size_t i = 0; i < expr->arg_count; i++)
            condition(f, from, expr->args[i]);
    } else if (expr->kind == BOUND_CALL) {
        comparison(f, from, expr);
    } else if (expr->kind == BOUND_IN) {
        membership(f, from, expr);
    }
}

static void walk_query(struct finding *f, const struct sql_bound *query);

/* Subqueries inside of expressions read tables too. */
static void walk_expr(struct finding *f, const struct bound_expr *expr)
{
    if (!expr)
        return;
    if (expr->query)
        walk_query(f, expr->query);
    for (size_t i = 0; i < expr->arg_count; i++)
        walk_expr(f, expr->args[i]);
}

static void walk_source(struct finding *f, const struct bound_source *source)
{
    if (!source)
        return;
    if (source->kind == SOURCE_TABLE) {
        f->seen = grow(f, f->seen, f->seen_count, &f->seen_cap, sizeof(*f->seen));
        if (f->seen)
            f->seen[f->seen_count++] = source->table;
    }
    if (source->query)
        walk_query(f, source->query);
    walk_expr(f, source->array);
    walk_expr(f, source->on);
    walk_source(f, source->left);
    walk_source(f, source->right);
}

static void walk_query(struct finding *f, const struct sql_bound *query)
{
    if (!query)
        return;
    walk_source(f, query->from);
    walk_query(f, query->left);
    walk_query(f, query->right);
    for (size_t i = 0; query->kind == QUERY_SELECT && i < query->output_count; i++)
        walk_expr(f, query->items[i]);
    for (size_t r = 0; r < query->row_count; r++)
        for (size_t i = 0; i < query->output_count; i++)
            walk_expr(f, query->rows[r][i]);
    walk_expr(f, query->where);
    walk_expr(f, query->having);
    walk_expr(f, query->qualify);
    for (size_t i = 0; i < query->order_count; i++)
        walk_expr(f, query->order[i].expr);
    if (query->where)
        condition(f, query->from, query->where);
}

static bool read_once(const struct finding *f, const struct sql_table *table)
{
    size_t times = 0;

    for (size_t i = 0; i < f->seen_count; i++)
        times += f->seen[i] == table;
    return times == 1;
}

int sql_bound_conditions(const struct sql_bound *bound, struct arena *arena,
                         struct sql_condition **out, size_t *count, struct err *err)
{
    struct finding f = {.arena = arena,
                        .utc = !bound->time_zone || !strcmp(bound->time_zone, "UTC")};
    size_t kept = 0;

    walk_query(&f, bound);
    *out = NULL;
    *count = 0;
    if (f.no_memory)
        return err_set(err, ERR_NOMEM, "conditions");
    for (size_t i = 0; i < f.count; i++)
        if (read_once(&f, f.list[i].table))
            f.list[kept++] = f.list[i];
    *out = f.list;
    *count = kept;
    return 0;
}
