/* bind_dml.c - statements that change a table, as one query each.
 *
 * DELETE, UPDATE and MERGE read their target with the address of each row behind its columns, which
 * the resolver does not know of and the statement cannot name. The query's outputs tell what is to
 * be done with which row:
 *
 *   DELETE   $file, $pos
 *   UPDATE   $file, $pos, the target's columns with their new values, _row_id
 *   MERGE    $file, $pos, $action, the target's columns with their new values, _row_id
 *   INSERT   the target's columns
 *
 * A merge is one outer join of source and target. Its first clause that fits a pair decides, which
 * CASE does too. Pairs that fit no clause stay, with SQL_CHANGE_NONE, so that who executes it sees
 * a target row that matches two source rows, whatever the clauses make of them.
 */
#include <stdio.h>

#include "sql/bound.h"

struct change {
    const struct sql_statement *statement;
    const struct sql_change_options *options;
    struct sql_change *out;
    /* of UPDATE, DELETE, MERGE */
    struct bound_source *target;
    size_t own_count; /* columns of the target that are its own */
    struct scope scope;
    struct sql_output *outputs;
    struct bound_expr **items;
    size_t count;
};

/* ---- the target ------------------------------------------------------------------------------ */

static void add_column(struct sql_column *column, const char *name, const struct sql_type *type)
{
    *column = (struct sql_column){.name = name, .type = type, .kind = SQL_COLUMN_PHYSICAL};
}

/* The table with the columns that tell where its rows lie. */
static const struct sql_table *addressed(struct binder *b, const struct change *c,
                                         const struct sql_table *table)
{
    struct sql_table *out = BIND_NEW(b, struct sql_table);
    struct sql_column *columns = BIND_ARRAY(b, struct sql_column, table->column_count + 4);
    size_t count = table->column_count;

    memcpy(columns, table->columns, count * sizeof(*columns));
    add_column(&columns[count++], "$file", &sql_type_bigint);
    add_column(&columns[count++], "$pos", &sql_type_bigint);
    if (c->options->lineage && c->options->lineage(c->options->arg, table))
        add_column(&columns[count++], "_row_id", &sql_type_bigint);
    *out = *table;
    out->columns = columns;
    out->column_count = count;
    return out;
}

static void bind_target(struct binder *b, struct change *c, const struct sql_name *name,
                        const struct sql_ident *alias)
{
    struct bound_source *source;
    const struct sql_table *table, *with_address;

    source = bind_table(b, name, NULL, &table);
    if (table->view)
        bind_fail(b, ERR_INVALID, name->parts[0].pos, "`%s` is a view: it holds no rows of its own",
                  table->name);
    with_address = addressed(b, c, table);
    b->tables[b->table_count - 1] = with_address; /* the resolver gives each name its own table */
    source->table = with_address;
    source->columns = BIND_ARRAY(b, struct bound_column, with_address->column_count);
    source->column_count = with_address->column_count;
    for (size_t i = 0; i < source->column_count; i++)
        source->columns[i] = (struct bound_column){.name = with_address->columns[i].name,
                                                   .type = with_address->columns[i].type};
    source->alias = alias->text ? alias->text : name->parts[name->count - 1].text;
    c->target = source;
    c->own_count = table->column_count;
    c->out->target = table;
    c->out->scanned = with_address;
    c->outputs = BIND_ARRAY(b, struct sql_output, source->column_count + 2);
    c->items = BIND_ARRAY(b, struct bound_expr *, source->column_count + 2);
}

static struct bound_expr *own_column(struct binder *b, const struct change *c, size_t column)
{
    return bound_column(b, c->statement->pos, c->target, column);
}

static void put(struct change *c, const char *name, struct bound_expr *item)
{
    c->outputs[c->count] = (struct sql_output){name, item->type};
    c->items[c->count++] = item;
}

static void put_address(struct binder *b, struct change *c)
{
    put(c, "$file", own_column(b, c, c->own_count));
    put(c, "$pos", own_column(b, c, c->own_count + 1));
}

static struct sql_bound *select_new(struct binder *b, struct change *c, struct bound_source *from)
{
    struct sql_bound *bound = BIND_NEW(b, struct sql_bound);

    bound->kind = QUERY_SELECT;
    bound->pos = c->statement->pos;
    bound->from = from;
    bound->outputs = c->outputs;
    bound->items = c->items;
    bound->output_count = c->count;
    return bound;
}

/* How many conditions AND holds together: 0 without WHERE. */
static size_t count_parts(const struct bound_expr *where)
{
    size_t count = 0;

    if (!where)
        return 0;
    if (where->kind != BOUND_CALL || strcmp(where->function->name, "AND") != 0)
        return 1;
    for (size_t i = 0; i < where->arg_count; i++)
        count += count_parts(where->args[i]);
    return count;
}

static void finish(struct binder *b, struct change *c, const struct sql_expr *where)
{
    c->out->bound = select_new(b, c, c->target);
    if (where)
        c->out->bound->where = bind_condition(b, &c->scope, where, "WHERE");
    c->out->where_parts = count_parts(c->out->bound->where);
}

/* ---- values ---------------------------------------------------------------------------------- */

static size_t find_column(struct binder *b, const struct change *c, const struct sql_ident *name)
{
    const struct sql_table *table = c->out->target;
    const char **known = BIND_ARRAY(b, const char *, table->column_count + 1);
    const char *near;

    for (size_t i = 0; i < table->column_count; i++) {
        known[i] = table->columns[i].name;
        if (!strcmp(known[i], name->text))
            return i;
    }
    near = sql_nearest(name->text, known, table->column_count);
    bind_fail(b, ERR_INVALID, name->pos, "unknown column `%s`%s%s%s", name->text,
              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

/* A bound value as one of a column: its type, and an error for NULL where there must be none. */
static struct bound_expr *fit(struct binder *b, const struct change *c, size_t column,
                              struct bound_expr *value)
{
    const struct sql_column *to = &c->out->target->columns[column];

    if (!sql_type_assignable(value->type, to->type))
        bind_fail(b, ERR_INVALID, value->pos, "column `%s` of `%s` is %s, the value is %s: CAST it",
                  to->name, c->out->target->name, bind_type_text(b, to->type),
                  bind_type_text(b, value->type));
    value = bind_convert(b, value, to->type);
    return to->type->nullable || !value->type->nullable
               ? value
               : bind_not_null(b, value, to->name, c->out->target->name);
}

/* The values of SET by column; those not set are NULL pointers. */
static struct bound_expr **bind_sets(struct binder *b, struct change *c,
                                     const struct sql_assignment *sets, size_t count)
{
    struct bound_expr **values = BIND_ARRAY(b, struct bound_expr *, c->own_count + 1);

    for (size_t i = 0; i < count; i++) {
        size_t column = find_column(b, c, &sets[i].column);

        if (values[column])
            bind_fail(b, ERR_INVALID, sets[i].column.pos, "column `%s` is set twice",
                      sets[i].column.text);
        values[column] =
            fit(b, c, column,
                bind_or_default(b, &c->scope, sets[i].value, &c->out->target->columns[column]));
    }
    return values;
}

/* ---- UPDATE, DELETE -------------------------------------------------------------------------- */

static void bind_update(struct binder *b, struct change *c)
{
    const struct sql_update *update = c->statement->update;
    struct bound_expr **values;

    bind_target(b, c, &update->table, &update->alias);
    scope_add(b, &c->scope, c->target);
    values = bind_sets(b, c, update->sets, update->set_count);
    put_address(b, c);
    c->out->first_value = c->count;
    for (size_t i = 0; i < c->own_count; i++)
        put(c, c->out->target->columns[i].name, values[i] ? values[i] : own_column(b, c, i));
    for (size_t i = c->own_count + 2; i < c->target->column_count; i++)
        put(c, c->target->columns[i].name, own_column(b, c, i));
    finish(b, c, update->where);
}

static void bind_delete(struct binder *b, struct change *c)
{
    const struct sql_delete *from = c->statement->delete_from;

    bind_target(b, c, &from->table, &from->alias);
    scope_add(b, &c->scope, c->target);
    put_address(b, c);
    c->out->first_value = c->count;
    finish(b, c, from->where);
}

/* ---- MERGE ----------------------------------------------------------------------------------- */

struct merge {
    struct change *c;
    const struct sql_merge *syntax;
    struct bound_source *source; /* with a mark behind its columns */
    struct bound_expr **when;    /* per clause */
    struct bound_expr ***values; /* per clause, per column of the target */
};

static struct bound_expr *number(struct binder *b, struct sql_pos pos, const char *digits)
{
    struct bound_expr *expr =
        bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, &sql_type_int, false));

    expr->literal = SQL_LIT_EXACT;
    expr->text = digits;
    expr->text_len = (uint32_t)strlen(digits);
    return expr;
}

static struct bound_expr *call1(struct binder *b, const char *name, struct bound_expr *arg)
{
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 1);

    args[0] = arg;
    return bind_function(b, arg->pos, name, args, 1);
}

/* The source as a subquery whose last column is never NULL: an outer join makes it so. */
static void bind_source(struct binder *b, struct merge *m)
{
    struct scope scope = {0};
    struct bound_source *leaf = bind_from(b, &scope, m->syntax->source);
    struct sql_bound *query = BIND_NEW(b, struct sql_bound);
    size_t count = leaf->column_count;

    if (leaf->kind == SOURCE_JOIN)
        bind_fail(b, ERR_INVALID, m->syntax->source->pos, "USING takes one table or subquery");
    query->kind = QUERY_SELECT;
    query->pos = leaf->pos;
    query->from = leaf;
    query->output_count = count + 1;
    query->outputs = BIND_ARRAY(b, struct sql_output, count + 1);
    query->items = BIND_ARRAY(b, struct bound_expr *, count + 1);
    for (size_t i = 0; i < count; i++) {
        query->outputs[i] = (struct sql_output){leaf->columns[i].name, leaf->columns[i].type};
        query->items[i] = bound_column(b, leaf->pos, leaf, i);
    }
    query->items[count] = number(b, leaf->pos, "1");
    query->outputs[count] = (struct sql_output){"$source", query->items[count]->type};
    m->source = bind_around(b, query);
    m->source->alias = leaf->alias;
    m->source->from = leaf->from;
}

static struct bound_expr *source_column(struct binder *b, const struct merge *m,
                                        const struct sql_merge_clause *clause, const char *name)
{
    for (size_t i = 0; i + 1 < m->source->column_count; i++)
        if (!strcmp(m->source->columns[i].name, name))
            return bound_column(b, clause->pos, m->source, i);
    bind_fail(b, ERR_INVALID, clause->pos, "* takes columns by name, and the source has no `%s`",
              name);
}

/* Which rows a clause is for: both sides there, or one of them. */
static struct bound_expr *fits(struct binder *b, const struct merge *m, enum sql_merge_when when)
{
    struct sql_pos pos = m->syntax->on->pos;
    struct bound_expr *target = own_column(b, m->c, m->c->own_count + 1);
    struct bound_expr *source = bound_column(b, pos, m->source, m->source->column_count - 1);
    bool target_there = when != SQL_MERGE_NOT_MATCHED;
    bool source_there = when != SQL_MERGE_NOT_MATCHED_BY_SOURCE;

    return bind_function2(b, pos, "AND", call1(b, target_there ? "IS NOT NULL" : "IS NULL", target),
                          call1(b, source_there ? "IS NOT NULL" : "IS NULL", source));
}

static void bind_insert_values(struct binder *b, struct merge *m,
                               const struct sql_merge_clause *clause, struct bound_expr **values)
{
    struct change *c = m->c;

    if (clause->positional && clause->set_count != c->own_count)
        bind_fail(b, ERR_INVALID, clause->pos, "%zu values, and `%s` has %zu columns",
                  clause->set_count, c->out->target->name, c->own_count);
    for (size_t i = 0; i < clause->set_count; i++) {
        size_t column = clause->positional ? i : find_column(b, c, &clause->sets[i].column);

        if (values[column])
            bind_fail(b, ERR_INVALID, clause->sets[i].column.pos, "column `%s` stands twice",
                      c->out->target->columns[column].name);
        values[column] = fit(
            b, c, column,
            bind_or_default(b, &c->scope, clause->sets[i].value, &c->out->target->columns[column]));
    }
}

/* A clause may only look at the side that is there. */
static struct scope side_of(struct binder *b, const struct merge *m, enum sql_merge_when when)
{
    struct scope scope = {0};

    if (when != SQL_MERGE_NOT_MATCHED_BY_SOURCE)
        scope_add(b, &scope, m->source);
    if (when != SQL_MERGE_NOT_MATCHED)
        scope_add(b, &scope, m->c->target);
    return scope;
}

static void bind_clause(struct binder *b, struct merge *m, size_t at)
{
    const struct sql_merge_clause *clause = &m->syntax->clauses[at];
    struct change *c = m->c;
    struct bound_expr **values = BIND_ARRAY(b, struct bound_expr *, c->own_count + 1);

    c->scope = side_of(b, m, clause->when);
    m->when[at] = fits(b, m, clause->when);
    if (clause->condition)
        m->when[at] = bind_function2(b, clause->pos, "AND", m->when[at],
                                     bind_condition(b, &c->scope, clause->condition, "WHEN"));
    if (clause->action == SQL_MERGE_INSERT && !clause->star)
        bind_insert_values(b, m, clause, values);
    else if (clause->action == SQL_MERGE_UPDATE && !clause->star)
        values = bind_sets(b, c, clause->sets, clause->set_count);
    for (size_t i = 0; i < c->own_count && clause->action != SQL_MERGE_DELETE; i++) {
        const struct sql_column *column = &c->out->target->columns[i];

        if (clause->star)
            values[i] = fit(b, c, i, source_column(b, m, clause, column->name));
        else if (!values[i] && clause->action == SQL_MERGE_UPDATE)
            values[i] = own_column(b, c, i);
        else if (!values[i] && column->given)
            values[i] = bind_default(b, clause->pos, column);
        else if (!values[i] && !column->type->nullable)
            bind_fail(b, ERR_INVALID, clause->pos, "column `%s` is NOT NULL and gets no value",
                      column->name);
    }
    m->values[at] = values;
}

/* CASE WHEN <first clause> THEN ... ELSE otherwise END; `value` NULL: the clauses' actions. */
static struct bound_expr *by_clause(struct binder *b, const struct merge *m, size_t column,
                                    const struct sql_type *type, struct bound_expr *otherwise)
{
    static const char *const actions[] = {
        [SQL_MERGE_UPDATE] = "1", [SQL_MERGE_DELETE] = "2", [SQL_MERGE_INSERT] = "3"};
    struct sql_pos pos = m->c->statement->pos;
    struct bound_expr *expr = bound_new(b, BOUND_CASE, pos, bind_nullable(b, type, true));
    size_t count = m->syntax->clause_count;

    expr->arg_count = count * 2 + 1;
    expr->args = BIND_ARRAY(b, struct bound_expr *, expr->arg_count);
    for (size_t i = 0; i < count; i++) {
        struct bound_expr *value = column == SIZE_MAX
                                       ? number(b, pos, actions[m->syntax->clauses[i].action])
                                       : m->values[i][column];

        expr->args[i * 2] = m->when[i];
        expr->args[i * 2 + 1] = value ? value : bound_null(b, pos, type);
    }
    expr->args[count * 2] = otherwise;
    return expr;
}

/* Matched pairs that no clause takes have action 0, all other rows that none takes have NULL. */
static struct bound_expr *action(struct binder *b, const struct merge *m)
{
    struct sql_pos pos = m->c->statement->pos;
    struct bound_expr *none = bound_new(b, BOUND_CASE, pos, &sql_type_int);

    none->arg_count = 3;
    none->args = BIND_ARRAY(b, struct bound_expr *, 3);
    none->args[0] = fits(b, m, SQL_MERGE_MATCHED);
    none->args[1] = number(b, pos, "0");
    none->args[2] = bound_null(b, pos, &sql_type_int);
    return by_clause(b, m, SIZE_MAX, &sql_type_int, none);
}

static struct bound_source *join_sides(struct binder *b, struct merge *m)
{
    struct bound_source *join = BIND_NEW(b, struct bound_source);
    bool source_alone = false, target_alone = false;

    for (size_t i = 0; i < m->syntax->clause_count; i++) {
        source_alone |= m->syntax->clauses[i].when == SQL_MERGE_NOT_MATCHED;
        target_alone |= m->syntax->clauses[i].when == SQL_MERGE_NOT_MATCHED_BY_SOURCE;
    }
    join->kind = SOURCE_JOIN;
    join->pos = m->syntax->on->pos;
    join->join = source_alone && target_alone ? SQL_JOIN_FULL
                 : source_alone               ? SQL_JOIN_LEFT
                 : target_alone               ? SQL_JOIN_RIGHT
                                              : SQL_JOIN_INNER;
    join->left = m->source;
    join->right = m->c->target;
    scope_add(b, &m->c->scope, m->source);
    scope_add(b, &m->c->scope, m->c->target);
    join->on = bind_condition(b, &m->c->scope, m->syntax->on, "ON");
    if (source_alone)
        bind_make_nullable(b, m->c->target);
    if (target_alone)
        bind_make_nullable(b, m->source);
    return join;
}

static void bind_merge(struct binder *b, struct change *c)
{
    struct merge m = {.c = c, .syntax = c->statement->merge};
    size_t clauses = m.syntax->clause_count;
    struct bound_source *join;

    bind_target(b, c, &m.syntax->table, &m.syntax->alias);
    bind_source(b, &m);
    join = join_sides(b, &m);
    m.when = BIND_ARRAY(b, struct bound_expr *, clauses);
    m.values = BIND_ARRAY(b, struct bound_expr **, clauses);
    for (size_t i = 0; i < clauses; i++)
        bind_clause(b, &m, i);
    put_address(b, c);
    put(c, "$action", action(b, &m));
    c->out->first_value = c->count;
    for (size_t i = 0; i < c->own_count; i++) {
        const struct sql_column *column = &c->out->target->columns[i];

        put(c, column->name,
            by_clause(b, &m, i, column->type, bound_null(b, c->statement->pos, column->type)));
    }
    for (size_t i = c->own_count + 2; i < c->target->column_count; i++)
        put(c, c->target->columns[i].name, own_column(b, c, i));
    c->out->bound = bind_outputs(b, select_new(b, c, join), NULL, c->outputs, c->count);
    c->out->bound->where =
        call1(b, "IS NOT NULL", bound_column(b, c->statement->pos, c->out->bound->from, 2));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void change_step(struct binder *b, void *arg)
{
    struct change *c = arg;
    struct sql_bound *bound;

    switch (c->statement->kind) {
    case SQL_STMT_INSERT:
        c->out->bound = bind_insert(b, c->statement->insert, &c->out->target);
        break;
    case SQL_STMT_UPDATE:
        bind_update(b, c);
        break;
    case SQL_STMT_DELETE:
        bind_delete(b, c);
        break;
    default:
        bind_merge(b, c);
        break;
    }
    bound = c->out->bound;
    bound->tables = b->tables;
    bound->table_count = b->table_count;
    bound->time_zone = b->resolver->time_zone ? b->resolver->time_zone : "UTC";
    bound->database = b->resolver->database;
}

int sql_bind_change(const struct sql_statement *statement, const struct sql_resolver *resolver,
                    const struct sql_change_options *options, struct arena *arena,
                    struct sql_change *out, struct err *err)
{
    struct change c = {.statement = statement, .options = options, .out = out};

    memset(out, 0, sizeof(*out));
    return bind_run(resolver, arena, err, change_step, &c);
}
