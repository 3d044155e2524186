/* bind_column.c - names in expressions: columns of the scope and of those around it, fields of
 * rows, and what was perhaps meant by a name that nobody has.
 */
#include "sql/bound.h"

struct found {
    struct bound_source *source;
    size_t column;
    size_t used; /* parts of the name */
    int count;
};

static void find_in_source(struct bound_source *source, const char *name, size_t used,
                           bool with_merged, struct found *found)
{
    for (size_t i = 0; i < source->column_count; i++) {
        if (strcmp(source->columns[i].name, name) || (source->columns[i].merged && !with_merged))
            continue;
        found->source = source;
        found->column = i;
        found->used = used;
        found->count++;
        return;
    }
}

/* alias.column, table.column, database.table.column, catalog.database.table.column */
static bool source_named(const struct bound_source *source, const struct sql_name *name,
                         size_t parts)
{
    const char *path[3];

    if (parts == 1 && source->alias)
        return !strcmp(source->alias, name->parts[0].text);
    if (parts > 3 || !source->table || (source->from && source->from->alias.text))
        return false;
    path[0] = source->table->catalog;
    path[1] = source->table->database;
    path[2] = source->table->name;
    for (size_t i = 0; i < parts; i++)
        if (!path[3 - parts + i] || strcmp(path[3 - parts + i], name->parts[i].text))
            return false;
    return true;
}

static struct found find_column(struct scope *scope, const struct sql_name *name)
{
    struct found found = {0};

    for (; scope && !found.count; scope = scope->outer) {
        for (size_t parts = name->count - 1; parts > 0 && !found.count; parts--)
            for (size_t i = 0; i < scope->count; i++)
                if (source_named(scope->sources[i], name, parts))
                    find_in_source(scope->sources[i], name->parts[parts].text, parts + 1, true,
                                   &found);
        if (!found.count)
            for (size_t i = 0; i < scope->count; i++)
                find_in_source(scope->sources[i], name->parts[0].text, 1, false, &found);
    }
    return found;
}

/* Columns and aliases that the user may have meant. */
static const char *nearest_column(struct binder *b, struct scope *scope, const char *name)
{
    size_t count = 0, at = 0;
    const char **known;

    for (struct scope *s = scope; s; s = s->outer)
        for (size_t i = 0; i < s->count; i++)
            count += s->sources[i]->column_count;
    known = BIND_ARRAY(b, const char *, count + 1);
    for (struct scope *s = scope; s; s = s->outer)
        for (size_t i = 0; i < s->count; i++)
            for (size_t k = 0; k < s->sources[i]->column_count; k++)
                known[at++] = s->sources[i]->columns[k].name;
    return sql_nearest(name, known, count);
}

static bool alias_exists(struct scope *scope, const struct sql_name *name)
{
    for (; scope; scope = scope->outer)
        for (size_t i = 0; i < scope->count; i++)
            if (source_named(scope->sources[i], name, 1))
                return true;
    return false;
}

static _Noreturn void no_column(struct binder *b, struct scope *scope, const struct sql_name *name)
{
    const struct sql_ident *part = &name->parts[0];
    const char *near;

    if (name->count > 1 && alias_exists(scope, name)) {
        part = &name->parts[1];
        near = nearest_column(b, scope, part->text);
        if (near)
            bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s` in `%s`; did you mean `%s`?",
                      part->text, name->parts[0].text, near);
        bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s` in `%s`", part->text,
                  name->parts[0].text);
    }
    near = nearest_column(b, scope, part->text);
    if (near)
        bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s`; did you mean `%s`?", part->text,
                  near);
    bind_fail(b, ERR_INVALID, part->pos, "unknown %s `%s`",
              name->count > 1 ? "table or column" : "column", part->text);
}

struct bound_expr *bind_field(struct binder *b, struct bound_expr *row,
                              const struct sql_ident *name)
{
    const struct sql_type *type = row->type;
    struct bound_expr *expr;
    const char **known;
    const char *near;

    if (type->kind != SQL_ROW)
        bind_fail(b, ERR_INVALID, name->pos, "`%s` is no field: the value is %s", name->text,
                  bind_type_text(b, type));
    for (size_t i = 0; i < type->field_count; i++) {
        const struct sql_type *field = type->fields[i].type;

        if (strcmp(type->fields[i].name, name->text))
            continue;
        expr =
            bound_with_args(b,
                            bound_new(b, BOUND_FIELD, name->pos,
                                      bind_nullable(b, field, field->nullable || type->nullable)),
                            1);
        expr->args[0] = row;
        expr->column = i;
        expr->text = type->fields[i].name;
        return expr;
    }
    known = BIND_ARRAY(b, const char *, type->field_count + 1);
    for (size_t i = 0; i < type->field_count; i++)
        known[i] = type->fields[i].name;
    near = sql_nearest(name->text, known, type->field_count);
    bind_fail(b, ERR_INVALID, name->pos, "unknown field `%s`%s%s%s", name->text,
              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

struct bound_expr *bind_column(struct binder *b, struct scope *scope, const struct sql_expr *expr)
{
    struct found found;
    struct bound_expr *bound = b->params ? bind_param(b, expr) : NULL;

    if (bound)
        return bound;
    found = find_column(scope, &expr->name);
    if (found.count == 0)
        no_column(b, scope, &expr->name);
    if (found.count > 1)
        bind_fail(b, ERR_INVALID, expr->pos,
                  "column `%s` is ambiguous: more than one table here has it",
                  expr->name.parts[found.used - 1].text);
    bound = found.used == 1 ? bound_united(b, expr->pos, found.source, found.column)
                            : bound_column(b, expr->pos, found.source, found.column);
    for (size_t i = found.used; i < expr->name.count; i++)
        bound = bind_field(b, bound, &expr->name.parts[i]);
    return bound;
}
