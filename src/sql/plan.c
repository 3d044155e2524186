/* plan.c - INSERT INTO ... SELECT as what a stream job runs: a tree of nodes (flow.h).
 *
 * The query gets the target's columns; then it is planned from its tables up (plan_int.h). When all
 * is known, tables whose time somebody goes by get their marks.
 */
#include <stdio.h>

#include "sql/plan_int.h"

#define CONSTANT (SIZE_MAX - 1) /* in place of an output: PARTITION (column = value) gives it */

struct plan {
    const struct sql_insert *insert;
    const struct sql_plan_options *options;
    struct sql_insert_plan *out;
    struct sql_bound *bound;
    size_t *from, given; /* by column of the target: an output of the query, of so many */
};

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
static void map_columns(struct binder *b, struct plan *plan, const struct sql_table *table)
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
    plan->from = from;
    plan->given = next;
}

/* The query, in which DEFAULT among VALUES is that of the column it is for. */
static void bind_source(struct binder *b, struct plan *plan, const struct sql_table *table)
{
    const struct sql_column **columns;

    map_columns(b, plan, table);
    columns = BIND_ARRAY(b, const struct sql_column *, plan->given + 1);
    for (size_t i = 0; i < table->column_count; i++)
        if (plan->from[i] < CONSTANT)
            columns[plan->from[i]] = &table->columns[i];
    b->defaults = columns;
    b->default_count = plan->insert->query->body->kind == SQL_BODY_VALUES ? plan->given : 0;
    plan->bound = bind_query(b, NULL, plan->insert->query);
    if (plan->given != plan->bound->output_count)
        bind_fail(b, ERR_INVALID, plan->insert->query->pos,
                  "the query has %zu columns, `%s` takes %zu", plan->bound->output_count,
                  table->name, plan->given);
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

/* What a value becomes for a column: lengths of texts are not enforced, so that nothing is cut off
 * ('table.exec.sink.type-length-enforcer' is IGNORE, as by default in Flink). */
static const struct sql_type *written_type(struct binder *b, const struct sql_type *type)
{
    const struct sql_type *whole = type->kind == SQL_CHAR || type->kind == SQL_VARCHAR
                                       ? &sql_type_string
                                   : type->kind == SQL_VARBINARY ? &sql_type_bytes
                                                                 : NULL;

    return whole ? bind_nullable(b, whole, type->nullable) : type;
}

/* The query's columns in the target's order, converted to its types. */
static void fit_target(struct binder *b, struct plan *plan, const struct sql_table *table)
{
    size_t *from = plan->from, count = 0;
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
        } else if (from[i] == SIZE_MAX && column->given) {
            constants[count] = bind_default(b, plan->insert->query->pos, column);
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
        outputs[count].type = written_type(b, column->type);
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
    bind_source(b, &plan, *target);
    fit_target(b, &plan, *target);
    return plan.bound;
}

/* ---- watermarks ------------------------------------------------------------------------------ */

/* The table with its partitions' numbers in a last column. */
static struct bound_source *with_partition(struct binder *b, const struct bound_source *leaf)
{
    struct bound_source *source = BIND_NEW(b, struct bound_source);
    struct sql_table *table = BIND_NEW(b, struct sql_table);
    size_t n = leaf->table->column_count;
    struct sql_column *columns = BIND_ARRAY(b, struct sql_column, n + 1);
    const struct sql_type *type = bind_nullable(b, &sql_type_int, false);

    *source = *leaf;
    *table = *leaf->table;
    memcpy(columns, table->columns, n * sizeof(*columns));
    columns[n] = (struct sql_column){.name = SQL_FLOW_PARTITION,
                                     .type = type,
                                     .is_virtual = true,
                                     .kind = SQL_COLUMN_METADATA,
                                     .metadata_key = "partition"};
    table->columns = columns;
    table->column_count = n + 1;
    source->moved = NULL;
    source->table = table;
    source->columns = BIND_ARRAY(b, struct bound_column, n + 1);
    memcpy(source->columns, leaf->columns, n * sizeof(*source->columns));
    source->columns[n] = (struct bound_column){.name = SQL_FLOW_PARTITION, .type = type};
    source->column_count = n + 1;
    if (leaf->computed) {
        source->computed = BIND_ARRAY(b, struct bound_expr *, n + 1);
        memcpy(source->computed, leaf->computed, n * sizeof(struct bound_expr *));
    }
    return source;
}

/* Each row's: whoever reads them takes the highest of a partition in a loop, which costs less than
 * the hash table that DuckDB makes for each batch. */
static void add_marks(struct planner *p, struct plan_node *scan)
{
    struct binder *b = p->b;
    const struct sql_table *table = scan->node.scan.table;
    struct sql_bound *marks = BIND_NEW(b, struct sql_bound);
    struct scope scope = {0};

    if (!table->watermark)
        return;
    marks->kind = QUERY_SELECT;
    marks->from = with_partition(b, scan->leaf);
    scan->node.scan.table = marks->from->table;
    scope_add(b, &scope, marks->from);
    marks->output_count = 2;
    marks->outputs = BIND_ARRAY(b, struct sql_output, 2);
    marks->items = BIND_ARRAY(b, struct bound_expr *, 2);
    marks->items[0] = bound_column(b, scan->leaf->pos, marks->from, table->column_count);
    marks->items[1] = bind_expr(b, &scope, table->watermark);
    p->in_marks = true;
    marks->outputs[0] = (struct sql_output){"p", marks->items[0]->type};
    marks->outputs[1] = (struct sql_output){"m", marks->items[1]->type};
    scan->node.scan.marks =
        arena_printf(b->arena, "SELECT p, epoch_ms(m) FROM (%s) AS f(p, m) WHERE m IS NOT NULL",
                     plan_print(p, marks));
    if (!scan->node.scan.marks)
        bind_nomem(b);
    p->in_marks = false;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The sink of a bounded run gets what is left of changes; `bound` is a SELECT of that then. */
static void plan_ended(struct planner *p, struct sql_bound *bound, struct rel *rel)
{
    struct sql_node *node = plan_materialize(p, bound, rel, false);

    *rel = plan_feed(p, plan_final(p, bound->pos, node));
    plan_become(p, bound, rel);
}

static struct sql_node *plan_root(struct planner *p, struct sql_bound *bound)
{
    struct rel rel;
    struct sql_node *root;

    plan_use(p, bound);
    rel.node = plan_query(p, bound);
    rel.from = bound->from;
    if (p->options->batch && rel.node->changes)
        plan_ended(p, bound, &rel);
    root = rel.node->kind == SQL_NODE_SCAN && bound_passes(bound, rel.node->scan.table)
               ? rel.node
               : plan_materialize(p, bound, &rel, true);
    plan_share(p, root);
    for (size_t i = 0; p->by_time && i < p->scan_count; i++)
        add_marks(p, p->scans[i]);
    for (size_t i = 0; i < p->scan_count; i++)
        plan_reads(p, &p->scans[i]->node.scan, p->scans[i]->leaf->table);
    return root;
}

static void plan_step(struct binder *b, void *arg)
{
    static const struct sql_plan_options usual = {0};
    struct plan *plan = arg;
    struct planner p = {.b = b, .options = plan->options ? plan->options : &usual};
    const struct sql_table *table;

    b->streams = true;
    bind_table(b, &plan->insert->table, NULL, &table);
    if (plan->insert->partition.count)
        bind_fail(b, ERR_UNSUPPORTED, plan->insert->partition.columns[0].pos,
                  "INSERT ... PARTITION (...) from a stream is not built yet");
    if (table->view)
        bind_fail(b, ERR_INVALID, plan->insert->table.parts[0].pos,
                  "`%s` is a view: nothing can be inserted", table->name);
    bind_source(b, plan, table);
    plan->out->target = table;
    plan->out->overwrite = plan->insert->overwrite;
    fit_target(b, plan, table);
    plan->out->root = plan_root(&p, plan->bound);
}

int sql_plan_insert(const struct sql_insert *insert, const struct sql_resolver *resolver,
                    const struct sql_plan_options *options, struct arena *arena,
                    struct sql_insert_plan *out, struct err *err)
{
    struct plan plan = {.insert = insert, .options = options, .out = out};

    memset(out, 0, sizeof(*out));
    return bind_run(resolver, arena, err, plan_step, &plan);
}
