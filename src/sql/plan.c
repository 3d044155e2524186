/* plan.c - INSERT INTO ... SELECT as what a stream job runs: one source, one SELECT over `feed`.
 *
 * The bound tree is searched for state: anything that must remember rows is refused by its name
 * and place. What is left is one statement that treats every row on its own.
 */
#include <stdio.h>

#include "sql/bound.h"

#define CONSTANT (SIZE_MAX - 1) /* in place of an output: PARTITION (column = value) gives it */

struct plan {
    const struct sql_insert *insert;
    struct sql_insert_plan *out;
    struct sql_bound *bound;
    const struct bound_source *source; /* the leaf that is a table */
    struct flow_queries queries;       /* of a plan that remembers rows */
};

static _Noreturn void refuse(struct binder *b, struct sql_pos pos, const char *what)
{
    bind_fail(b, ERR_UNSUPPORTED, pos, "%s on a stream is not built yet", what);
}

/* ---- is it stateless? ------------------------------------------------------------------------ */

void plan_check_expr(struct binder *b, const struct bound_expr *expr)
{
    if (expr->query)
        refuse(b, expr->pos,
               expr->kind == BOUND_IN       ? "IN (query)"
               : expr->kind == BOUND_EXISTS ? "EXISTS"
                                            : "a subquery");
    if (expr->over)
        refuse(b, expr->pos, "OVER");
    for (size_t i = 0; i < expr->arg_count; i++)
        plan_check_expr(b, expr->args[i]);
}

static void check_source(struct binder *b, const struct bound_source **leaf,
                         const struct bound_source *source)
{
    switch (source->kind) {
    case SOURCE_TABLE:
        if (*leaf)
            refuse(b, source->pos, "a join");
        *leaf = source;
        for (size_t i = 0; source->computed && i < source->column_count; i++)
            if (source->computed[i])
                plan_check_expr(b, source->computed[i]);
        return;
    case SOURCE_QUERY: {
        bool outermost = bind_view_enter(b, source->view, source->pos);

        plan_check_query(b, leaf, source->query);
        bind_view_leave(b, outermost);
        return;
    }
    case SOURCE_UNNEST:
        plan_check_expr(b, source->array);
        return;
    case SOURCE_JOIN:
        if (source->right->kind != SOURCE_UNNEST || source->right->ordinality)
            refuse(b, source->pos,
                   source->right->kind == SOURCE_UNNEST ? "WITH ORDINALITY" : "a join");
        check_source(b, leaf, source->left);
        check_source(b, leaf, source->right);
        if (source->on)
            plan_check_expr(b, source->on);
        return;
    }
}

static void check_order(struct binder *b, const struct sql_bound *query)
{
    struct sql_pos pos = query->pos;

    if (query->order_count)
        refuse(b, query->syntax ? query->syntax->order_pos : pos, "ORDER BY");
    if (query->limit || query->offset)
        refuse(b, query->syntax ? query->syntax->limit_pos : pos, "LIMIT");
}

void plan_check_query(struct binder *b, const struct bound_source **leaf,
                      const struct sql_bound *query)
{
    static const char *const sets[] = {"UNION", "INTERSECT", "EXCEPT"};

    if (query->kind == QUERY_VALUES && query->from == NULL)
        return;
    if (query->kind == QUERY_SET)
        refuse(b, query->pos, sets[query->op]);
    if (query->select && query->select->has_group)
        refuse(b, query->select->group_pos, "GROUP BY");
    if (query->distinct)
        refuse(b, query->pos, "DISTINCT");
    if (query->aggregated)
        refuse(b, query->pos, "an aggregate");
    if (query->qualify)
        refuse(b, query->qualify->pos, "QUALIFY");
    check_order(b, query);
    if (query->from)
        check_source(b, leaf, query->from);
    if (query->where)
        plan_check_expr(b, query->where);
    for (size_t i = 0; i < query->output_count; i++)
        plan_check_expr(b, query->items[i]);
}

/* ---- the target ------------------------------------------------------------------------------ */

static bool is_written(const struct sql_column *column)
{
    return column->kind == SQL_COLUMN_PHYSICAL ||
           (column->kind == SQL_COLUMN_METADATA && !column->is_virtual);
}

static size_t written_find(struct binder *b, const struct sql_table *table,
                           const struct sql_ident *name)
{
    const char **known = BIND_ARRAY(b, const char *, table->column_count + 1);
    const char *near;

    for (size_t i = 0; i < table->column_count; i++) {
        known[i] = table->columns[i].name;
        if (!strcmp(known[i], name->text)) {
            if (!is_written(&table->columns[i]))
                bind_fail(b, ERR_INVALID, name->pos, "column `%s` is computed: it takes no value",
                          name->text);
            return i;
        }
    }
    near = sql_nearest(name->text, known, table->column_count);
    bind_fail(b, ERR_INVALID, name->pos, "unknown column `%s`%s%s%s", name->text,
              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

/* Which output of the query each column of the target takes; SIZE_MAX: none. */
static size_t *map_columns(struct binder *b, struct plan *plan, const struct sql_table *table)
{
    const struct sql_insert *insert = plan->insert;
    size_t *from = BIND_ARRAY(b, size_t, table->column_count + 1), next = 0;

    for (size_t i = 0; i < table->column_count; i++)
        from[i] = SIZE_MAX;
    for (size_t i = 0; i < insert->partition.count; i++)
        if (insert->partition.values[i])
            from[written_find(b, table, &insert->partition.columns[i])] = CONSTANT;
    for (size_t i = 0; i < insert->column_count; i++) {
        size_t column;

        if (insert->columns[i].count != 1)
            bind_fail(b, ERR_UNSUPPORTED, insert->columns[i].parts[0].pos,
                      "INSERT into a nested field is not built yet");
        column = written_find(b, table, &insert->columns[i].parts[0]);
        if (from[column] != SIZE_MAX)
            bind_fail(b, ERR_INVALID, insert->columns[i].parts[0].pos, "column `%s` stands twice",
                      table->columns[column].name);
        from[column] = next++;
    }
    if (!insert->column_count)
        for (size_t i = 0; i < table->column_count; i++)
            if (is_written(&table->columns[i]) && from[i] != CONSTANT)
                from[i] = next++;
    if (next != plan->bound->output_count)
        bind_fail(b, ERR_INVALID, insert->query->pos, "the query has %zu columns, `%s` takes %zu",
                  plan->bound->output_count, table->name, next);
    return from;
}

struct bound_expr *bind_not_null(struct binder *b, struct bound_expr *value, const char *column,
                                 const char *table)
{
    const char *text = arena_printf(b->arena, "column `%s` of `%s` is NOT NULL", column, table);

    if (!text)
        bind_nomem(b);
    return bind_function2(b, value->pos, "$NOT_NULL", value, bound_text(b, value->pos, text));
}

/* What PARTITION says of a column: a constant. */
static struct bound_expr *partition_value(struct binder *b, const struct sql_insert *insert,
                                          const struct sql_column *column)
{
    size_t i = 0;

    while (strcmp(insert->partition.columns[i].text, column->name) != 0 ||
           !insert->partition.values[i])
        i++;
    return bind_expr(b, NULL, insert->partition.values[i]);
}

/* The query's columns in the target's order, converted to its types. */
static void fit_target(struct binder *b, struct plan *plan, const struct sql_table *table)
{
    size_t *from = map_columns(b, plan, table), count = 0;
    struct sql_output *outputs = BIND_ARRAY(b, struct sql_output, table->column_count + 1);
    struct bound_expr **constants = BIND_ARRAY(b, struct bound_expr *, table->column_count + 1);

    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];
        const struct sql_type *given;

        if (!is_written(column))
            continue;
        if (from[i] == CONSTANT) {
            constants[count] = partition_value(b, plan->insert, column);
            from[i] = SIZE_MAX;
        } else if (from[i] == SIZE_MAX && !column->type->nullable)
            bind_fail(b, ERR_INVALID, plan->insert->query->pos,
                      "column `%s` is NOT NULL and gets no value", column->name);
        given = constants[count]      ? constants[count]->type
                : from[i] == SIZE_MAX ? &sql_type_null
                                      : plan->bound->outputs[from[i]].type;
        if (!sql_type_assignable(given, column->type))
            bind_fail(b, ERR_INVALID, plan->insert->query->pos,
                      "column `%s` of `%s` is %s, the query gives %s: CAST it", column->name,
                      table->name, bind_type_text(b, column->type), bind_type_text(b, given));
        outputs[count].name = column->name;
        outputs[count].type = column->type;
        from[count++] = from[i];
    }
    plan->out->outputs = outputs;
    plan->out->output_count = count;
    plan->bound = bind_outputs(b, plan->bound, from, outputs, count);
    for (size_t i = 0; i < count; i++)
        if (constants[i])
            plan->bound->items[i] = bind_convert(b, constants[i], outputs[i].type);
    for (size_t i = 0; i < count; i++)
        if (!outputs[i].type->nullable && plan->bound->items[i]->type->nullable)
            plan->bound->items[i] =
                bind_not_null(b, plan->bound->items[i], outputs[i].name, table->name);
}

struct sql_bound *bind_insert(struct binder *b, const struct sql_insert *insert,
                              const struct sql_table **target)
{
    struct sql_insert_plan out = {0};
    struct plan plan = {.insert = insert, .out = &out};

    bind_table(b, &insert->table, NULL, target);
    if ((*target)->view)
        bind_fail(b, ERR_INVALID, insert->table.parts[0].pos,
                  "`%s` is a view: nothing can be inserted", (*target)->name);
    b->table_count--; /* it is not read */
    plan.bound = bind_query(b, NULL, insert->query);
    fit_target(b, &plan, *target);
    return plan.bound;
}

static const char *feed(void *arg, const struct sql_table *table)
{
    (void)arg;
    (void)table;
    return "feed";
}

static void set_session(struct binder *b, struct sql_bound *query)
{
    if (!query)
        return;
    query->time_zone = b->resolver->time_zone ? b->resolver->time_zone : "UTC";
    query->database = b->resolver->database;
}

static void plan_step(struct binder *b, void *arg)
{
    struct plan *plan = arg;
    const struct sql_table *table;
    bool flow;

    bind_table(b, &plan->insert->table, NULL, &table);
    if (plan->insert->partition.count)
        bind_fail(b, ERR_UNSUPPORTED, plan->insert->partition.columns[0].pos,
                  "INSERT ... PARTITION (...) from a stream is not built yet");
    if (table->view)
        bind_fail(b, ERR_INVALID, plan->insert->table.parts[0].pos,
                  "`%s` is a view: nothing can be inserted", table->name);
    plan->bound = bind_query(b, NULL, plan->insert->query);
    flow = plan_needs_flow(plan->bound);
    if (!flow)
        plan_check_query(b, &plan->source, plan->bound);
    plan->out->target = table;
    plan->out->overwrite = plan->insert->overwrite;
    fit_target(b, plan, table);
    if (flow) {
        plan->out->flow = BIND_NEW(b, struct sql_flow);
        plan_flow(b, plan->bound, &plan->queries, plan->out->flow);
    }
    plan->out->source = flow ? plan->out->flow->source : plan->source ? plan->source->table : NULL;
    plan->out->passes = !flow && plan->out->source && bound_passes(plan->bound, plan->out->source);
    set_session(b, plan->bound);
    set_session(b, plan->queries.pre);
    set_session(b, plan->queries.marks);
}

/* `around`: a text with one %s for the query's; NULL: as it is. */
static int print(const struct sql_bound *query, const char *around, struct arena *arena,
                 const char **out, struct err *err)
{
    static const struct sql_duckdb_options options = {.table = feed};
    struct buf text;
    int rc;

    buf_init(&text, 0);
    rc = sql_print_duckdb(query, &options, &text, err);
    if (!rc) {
        *out = around ? buf_cstr(&text) ? arena_printf(arena, around, (char *)text.ptr) : NULL
                      : arena_cstr(arena, buf_slice(&text));
        if (!*out)
            rc = err_set(err, ERR_NOMEM, "out of memory while planning an INSERT");
    }
    buf_deinit(&text);
    return rc;
}

int sql_plan_insert(const struct sql_insert *insert, const struct sql_resolver *resolver,
                    struct arena *arena, struct sql_insert_plan *out, struct err *err)
{
    struct plan plan = {.insert = insert, .out = out};
    int rc;

    memset(out, 0, sizeof(*out));
    rc = bind_run(resolver, arena, err, plan_step, &plan);
    if (!rc)
        rc = print(plan.bound, NULL, arena, &out->duckdb, err);
    if (!rc && out->flow)
        rc = print(plan.queries.pre, NULL, arena, &out->flow->pre, err);
    if (!rc && plan.queries.marks)
        rc = print(plan.queries.marks,
                   "SELECT p, epoch_ms(max(m)) FROM (%s) AS f(p, m) WHERE m IS NOT NULL GROUP BY p",
                   arena, &out->flow->marks, err);
    return rc;
}
