/* bind_from.c - FROM: tables, views, WITH queries, subqueries, UNNEST and joins become sources.
 *
 * Every leaf of the tree gets a number: printed as t0, t1, ..., so that no two names collide
 * whatever the query calls them.
 */
#include <stdio.h>

#include "sql/bound.h"

void scope_add(struct binder *b, struct scope *scope, struct bound_source *source)
{
    struct bound_source **grown = BIND_ARRAY(b, struct bound_source *, scope->count + 1);

    for (size_t i = 0; i < scope->count; i++) {
        if (source->alias && scope->sources[i]->alias &&
            !strcmp(source->alias, scope->sources[i]->alias) && source->from &&
            source->from->alias.text)
            bind_fail(b, ERR_INVALID, source->pos, "two tables here are called `%s`",
                      source->alias);
        grown[i] = scope->sources[i];
    }
    grown[scope->count] = source;
    scope->sources = grown;
    scope->count++;
}

static struct bound_source *source_new(struct binder *b, enum bound_source_kind kind,
                                       struct sql_pos pos)
{
    struct bound_source *source = BIND_NEW(b, struct bound_source);

    source->kind = kind;
    source->pos = pos;
    source->number = b->next_number++;
    return source;
}

static void source_columns(struct binder *b, struct bound_source *source, size_t count)
{
    source->columns = BIND_ARRAY(b, struct bound_column, count);
    source->column_count = count;
}

/* alias (a, b): new names for all columns, in order. */
static void rename_columns(struct binder *b, struct bound_source *source,
                           const struct sql_ident *names, size_t count)
{
    if (!count)
        return;
    if (count != source->column_count)
        bind_fail(b, ERR_INVALID, names[0].pos, "%zu names for %zu columns", count,
                  source->column_count);
    for (size_t i = 0; i < count; i++)
        source->columns[i].name = names[i].text;
}

static struct bound_source *query_source(struct binder *b, struct sql_pos pos,
                                         struct sql_bound *query)
{
    struct bound_source *source = source_new(b, SOURCE_QUERY, pos);

    source->query = query;
    source_columns(b, source, query->output_count);
    for (size_t i = 0; i < query->output_count; i++) {
        source->columns[i].name = query->outputs[i].name;
        source->columns[i].type = query->outputs[i].type;
    }
    return source;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void table_seen(struct binder *b, const struct sql_table *table)
{
    for (size_t i = 0; i < b->table_count; i++)
        if (b->tables[i] == table)
            return;
    if (b->table_count == b->table_cap) {
        size_t cap = b->table_cap ? b->table_cap * 2 : 8;
        const struct sql_table **grown = BIND_ARRAY(b, const struct sql_table *, cap);

        if (b->table_count)
            memcpy(grown, b->tables, b->table_count * sizeof(*grown));
        b->tables = grown;
        b->table_cap = cap;
    }
    b->tables[b->table_count++] = table;
}

/* Computed columns see the table's other columns, and not each other. */
static void bind_computed(struct binder *b, struct bound_source *source)
{
    const struct sql_table *table = source->table;
    struct bound_source *inner = source_new(b, SOURCE_TABLE, source->pos);
    struct scope scope = {0};
    size_t count = 0;

    inner->table = table;
    source_columns(b, inner, table->column_count);
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].kind != SQL_COLUMN_COMPUTED)
            inner->columns[count++] = source->columns[i];
    inner->column_count = count;
    scope_add(b, &scope, inner);
    source->inner_number = inner->number;
    source->computed = BIND_ARRAY(b, struct bound_expr *, table->column_count);
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind != SQL_COLUMN_COMPUTED)
            continue;
        source->computed[i] = bind_expr(b, &scope, table->columns[i].expr);
        source->columns[i].type = source->computed[i]->type;
    }
}

static struct bound_source *view_source(struct binder *b, struct sql_pos pos,
                                        const struct sql_table *view)
{
    struct sql_bound *query;
    struct bound_source *source;
    const struct sql_table *around = b->inside;
    const char *where = b->aggregates_in;
    bool outermost;

    bind_enter(b, pos);
    outermost = bind_view_enter(b, view->name, pos);
    b->aggregates_in = NULL;
    b->inside = view;
    query = bind_query(b, NULL, view->view);
    b->inside = around;
    b->aggregates_in = where;
    bind_view_leave(b, outermost);
    bind_leave(b);
    source = query_source(b, pos, query);
    source->view = view->name;
    for (size_t i = 0; i < view->view_column_count && i < source->column_count; i++)
        source->columns[i].name = view->view_columns[i];
    return source;
}

/* FOR SYSTEM_TIME AS OF a row's own time, not a moment: a temporal join. */
static bool is_as_of_row(const struct sql_from *from)
{
    const struct sql_expr *time = from->system_time;

    return time && (time->kind == SQL_EXPR_COLUMN ||
                    (time->kind == SQL_EXPR_CALL &&
                     slice_ieq(slice_str(time->name.parts[0].text), SLICE_LIT("PROCTIME"))));
}

static int resolve_full(struct binder *b, const char *const *parts, size_t count,
                        const struct sql_from *from, const struct sql_table **out, struct err *err)
{
    const struct sql_resolver *r = b->resolver;
    struct sql_table_at at = {0};

    if (from)
        at = (struct sql_table_at){is_as_of_row(from) ? NULL : from->system_time,
                                   from->system_version, &from->hints};
    if (from && r->table_at)
        return r->table_at(r->arg, parts, count, &at, out, err);
    if (at.time || at.version)
        return err_set(err, ERR_UNSUPPORTED, "an older version of a table cannot be read here");
    return r->table(r->arg, parts, count, out, err);
}

/* `from` NULL: the name stands elsewhere, in INSERT INTO or TABLE t. The engine that stored a view
 * may know the view's catalog by a name that it has nowhere else ("lake.db.t" of Trino, which
 * writes all names in full): what is not found under it is looked for beside the view. */
static int resolve(struct binder *b, const char *const *parts, size_t count,
                   const struct sql_from *from, const struct sql_table **out, struct err *err)
{
    const struct sql_table *view = b->inside && b->inside->view_database ? b->inside : NULL;
    const char *beside[3] = {0};
    int rc;

    if (view) {
        beside[0] = view->view_catalog;
        beside[1] = count > 1 ? parts[count - 2] : view->view_database;
        beside[2] = parts[count - 1];
    }
    if (view && count < 3)
        return resolve_full(b, beside, 3, from, out, err);
    rc = resolve_full(b, parts, count, from, out, err);
    if (rc == ERR_NOENT && view && strcmp(parts[0], beside[0]) != 0 &&
        resolve_full(b, beside, 3, from, out, NULL) == 0)
        rc = 0;
    return rc;
}

struct bound_source *bind_table(struct binder *b, const struct sql_name *name,
                                const struct sql_from *from, const struct sql_table **found)
{
    const char **parts = BIND_ARRAY(b, const char *, name->count);
    const struct sql_table *table = NULL;
    struct sql_pos pos = name->parts[0].pos;
    struct bound_source *source;
    struct err err = {0};
    bool computed = false;
    int rc;

    for (size_t i = 0; i < name->count; i++)
        parts[i] = name->parts[i].text;
    if (!b->resolver)
        bind_fail(b, ERR_INVALID, pos, "no tables can be read here");
    rc = resolve(b, parts, name->count, from, &table, &err);
    if (rc)
        bind_fail(b, rc, pos, "%s", err.text);
    if (found)
        *found = table;
    if (table->view)
        return view_source(b, pos, table);
    table_seen(b, table);
    source = source_new(b, SOURCE_TABLE, pos);
    source->table = table;
    source_columns(b, source, table->column_count);
    for (size_t i = 0; i < table->column_count; i++) {
        source->columns[i].name = table->columns[i].name;
        source->columns[i].type = table->columns[i].type;
        computed = computed || table->columns[i].kind == SQL_COLUMN_COMPUTED;
    }
    if (computed)
        bind_computed(b, source);
    return source;
}

static struct bound_source *cte_source(struct binder *b, struct scope *scope,
                                       const struct sql_name *name)
{
    if (name->count != 1)
        return NULL;
    for (; scope; scope = scope->outer) {
        for (struct cte *cte = scope->ctes; cte; cte = cte->next) {
            struct scope inner = {.outer = NULL, .ctes = cte->visible};
            struct bound_source *source;

            if (strcmp(cte->with->name.text, name->parts[0].text))
                continue;
            source = query_source(b, name->parts[0].pos, bind_query(b, &inner, cte->with->query));
            rename_columns(b, source, cte->with->columns, cte->with->column_count);
            return source;
        }
    }
    return NULL;
}

/* ---- UNNEST ---------------------------------------------------------------------------------- */

static struct bound_source *bind_unnest(struct binder *b, struct scope *scope,
                                        const struct sql_from *from)
{
    struct bound_source *source = source_new(b, SOURCE_UNNEST, from->pos);
    const struct sql_type *type;
    size_t count = 0;

    if (from->args.count != 1)
        bind_fail(b, ERR_UNSUPPORTED, from->pos, "UNNEST of several collections is not built yet");
    source->array = bind_expr(b, scope, from->args.list[0]);
    type = source->array->type;
    source->is_map = type->kind == SQL_MAP;
    if (type->kind != SQL_ARRAY && type->kind != SQL_MULTISET && !source->is_map)
        bind_fail(b, ERR_INVALID, from->pos, "UNNEST takes an ARRAY, a MULTISET or a MAP, not %s",
                  bind_type_text(b, type));
    source->is_row = type->item->kind == SQL_ROW && !source->is_map;
    source->ordinality = from->with_ordinality;
    source->lateral = true;
    source_columns(b, source,
                   (source->is_row   ? type->item->field_count
                    : source->is_map ? 2
                                     : 1) +
                       source->ordinality);
    if (source->is_map) {
        source->columns[count++] = (struct bound_column){.name = "f0", .type = type->key};
        source->columns[count++] = (struct bound_column){.name = "f1", .type = type->item};
    } else if (source->is_row) {
        for (; count < type->item->field_count; count++) {
            source->columns[count].name = type->item->fields[count].name;
            source->columns[count].type = type->item->fields[count].type;
        }
    } else {
        source->columns[count++] = (struct bound_column){
            .name = from->alias.text ? from->alias.text : "EXPR$0", .type = type->item};
    }
    if (source->ordinality)
        source->columns[count] = (struct bound_column){
            .name = "ORDINALITY", .type = bind_nullable(b, &sql_type_int, false)};
    return source;
}

/* ---- joins ----------------------------------------------------------------------------------- */

void bind_make_nullable(struct binder *b, struct bound_source *source)
{
    if (source->kind == SOURCE_JOIN) {
        bind_make_nullable(b, source->left);
        bind_make_nullable(b, source->right);
        return;
    }
    for (size_t i = 0; i < source->column_count; i++)
        source->columns[i].type = bind_nullable(b, source->columns[i].type, true);
}

/* The leaf and column of `name` below `source`. */
static bool find_below(struct bound_source *source, const char *name, struct bound_source **leaf,
                       size_t *column)
{
    if (source->kind == SOURCE_JOIN)
        return find_below(source->left, name, leaf, column) ||
               find_below(source->right, name, leaf, column);
    for (size_t i = 0; i < source->column_count; i++) {
        if (!source->columns[i].merged && !strcmp(source->columns[i].name, name)) {
            *leaf = source;
            *column = i;
            return true;
        }
    }
    return false;
}

struct bound_expr *bound_united(struct binder *b, struct sql_pos pos, struct bound_source *source,
                                size_t column)
{
    struct bound_expr **args;
    size_t count = 0;

    for (const struct bound_column *c = &source->columns[column]; c;
         c = c->twin ? &c->twin->columns[c->twin_column] : NULL)
        count++;
    if (count == 1)
        return bound_column(b, pos, source, column);
    args = BIND_ARRAY(b, struct bound_expr *, count);
    for (size_t i = 0; i < count; i++) {
        const struct bound_column *c = &source->columns[column];

        args[i] = bound_column(b, pos, source, column);
        source = c->twin;
        column = c->twin_column;
    }
    return bind_function(b, pos, "COALESCE", args, count);
}

static void join_on_column(struct binder *b, struct bound_source *join, struct sql_pos pos,
                           const char *name)
{
    struct bound_source *left, *right, *hidden;
    size_t left_column, right_column;
    struct bound_expr *equal;
    struct bound_column *last;

    if (!find_below(join->left, name, &left, &left_column) ||
        !find_below(join->right, name, &right, &right_column))
        bind_fail(b, ERR_INVALID, pos, "column `%s` of USING is not on both sides", name);
    equal = bind_function2(b, pos, "=", bound_united(b, pos, left, left_column),
                           bound_united(b, pos, right, right_column));
    join->on = join->on ? bind_function2(b, pos, "AND", join->on, equal) : equal;
    hidden = join->join == SQL_JOIN_RIGHT ? left : right;
    hidden->columns[hidden == left ? left_column : right_column].merged = true;
    if (join->join != SQL_JOIN_FULL)
        return;
    for (last = &left->columns[left_column]; last->twin;
         last = &last->twin->columns[last->twin_column])
        ;
    last->twin = right;
    last->twin_column = right_column;
}

static void join_natural(struct binder *b, struct bound_source *join, struct sql_pos pos,
                         struct bound_source *source)
{
    struct bound_source *leaf;
    size_t column;

    if (source->kind == SOURCE_JOIN) {
        join_natural(b, join, pos, source->left);
        join_natural(b, join, pos, source->right);
        return;
    }
    for (size_t i = 0; i < source->column_count; i++)
        if (!source->columns[i].merged &&
            find_below(join->right, source->columns[i].name, &leaf, &column))
            join_on_column(b, join, pos, source->columns[i].name);
}

static struct bound_source *bind_join(struct binder *b, struct scope *scope,
                                      const struct sql_from *from)
{
    struct bound_source *join = source_new(b, SOURCE_JOIN, from->pos);

    join->from = from;
    join->join = from->join;
    if (from->join == SQL_JOIN_CROSS_APPLY || from->join == SQL_JOIN_OUTER_APPLY)
        bind_fail(b, ERR_UNSUPPORTED, from->pos, "APPLY is not built: CROSS JOIN LATERAL");
    join->left = bind_from(b, scope, from->left);
    join->right = bind_from(b, scope, from->right);
    if (from->on)
        join->on = bind_condition(b, scope, from->on, "ON");
    for (size_t i = 0; i < from->using_count; i++)
        join_on_column(b, join, from->using_columns[i].pos, from->using_columns[i].text);
    if (from->natural)
        join_natural(b, join, from->pos, join->left);
    if (!join->on && (from->join == SQL_JOIN_LEFT || from->join == SQL_JOIN_RIGHT ||
                      from->join == SQL_JOIN_FULL))
        bind_fail(b, ERR_INVALID, from->pos, "an outer join needs ON or USING");
    if (from->join == SQL_JOIN_LEFT || from->join == SQL_JOIN_FULL)
        bind_make_nullable(b, join->right);
    if (from->join == SQL_JOIN_RIGHT || from->join == SQL_JOIN_FULL)
        bind_make_nullable(b, join->left);
    return join;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void refuse_unbuilt(struct binder *b, const struct sql_from *from)
{
    if (is_as_of_row(from) && !b->streams)
        bind_fail(b, ERR_UNSUPPORTED, from->system_time->pos,
                  "a table as it was at each row's time: only a stream has that, INSERT INTO");
    if ((from->system_time || from->system_version) && from->kind != SQL_FROM_TABLE)
        bind_fail(b, ERR_INVALID, from->pos, "only a table has older versions");
    if (from->match)
        bind_fail(b, ERR_UNSUPPORTED, from->match->pos, "MATCH_RECOGNIZE is not built yet");
    if (from->pivot)
        bind_fail(b, ERR_UNSUPPORTED, from->pos, "PIVOT and UNPIVOT do not exist in Flink 1.20");
    if (from->sample.given)
        bind_fail(b, ERR_UNSUPPORTED, from->pos, "TABLESAMPLE is not built yet");
}

static struct bound_source *bind_leaf(struct binder *b, struct scope *scope,
                                      const struct sql_from *from)
{
    struct bound_source *source;
    struct bound_tvf *tvf;
    struct sql_bound *query;

    switch (from->kind) {
    case SQL_FROM_TABLE:
        source = cte_source(b, scope, &from->name);
        if (source && ((from->system_time && !is_as_of_row(from)) || from->system_version))
            bind_fail(b, ERR_INVALID, from->pos, "only a table has older versions");
        if (!source)
            source = bind_table(b, &from->name, from, NULL);
        source->alias = from->name.parts[from->name.count - 1].text;
        break;
    case SQL_FROM_UNNEST:
        source = bind_unnest(b, scope, from);
        break;
    case SQL_FROM_FUNCTION:
        query = bind_tvf(b, from->lateral ? scope : scope->outer, from, &tvf);
        source = query_source(b, from->pos, query);
        source->tvf = tvf;
        break;
    default:
        source = query_source(b, from->pos,
                              bind_query(b, from->lateral ? scope : scope->outer, from->query));
        source->lateral = from->lateral;
        break;
    }
    if (is_as_of_row(from))
        source->as_of = bind_expr(b, scope, from->system_time);
    if (from->alias.text)
        source->alias = from->alias.text;
    rename_columns(b, source, from->columns, from->column_count);
    source->from = from;
    return source;
}

struct bound_source *bind_from(struct binder *b, struct scope *scope, const struct sql_from *from)
{
    struct bound_source *source;

    refuse_unbuilt(b, from);
    bind_enter(b, from->pos);
    if (from->kind == SQL_FROM_JOIN) {
        source = bind_join(b, scope, from);
    } else if (from->kind == SQL_FROM_GROUP) {
        source = bind_from(b, scope, from->left);
    } else {
        source = bind_leaf(b, scope, from);
        scope_add(b, scope, source);
    }
    bind_leave(b);
    return source;
}
