/* table.c - CREATE TABLE's schema as the table a resolver gives out: columns with their types. */
#include <stdio.h>

#include "sql/bound.h"

struct define {
    const struct sql_create_table *create;
    const struct sql_table *like;
    struct sql_table *out;
    struct sql_column *columns;
    size_t count;
};

static struct sql_column *column_find(struct define *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (!strcmp(d->columns[i].name, name))
            return &d->columns[i];
    return NULL;
}

static _Noreturn void no_column(struct binder *b, struct define *d, struct sql_pos pos,
                                const char *what, const char *name)
{
    const char **known = BIND_ARRAY(b, const char *, d->count + 1);
    const char *near;

    for (size_t i = 0; i < d->count; i++)
        known[i] = d->columns[i].name;
    near = sql_nearest(name, known, d->count);
    bind_fail(b, ERR_INVALID, pos, "%s: unknown column `%s`%s%s%s", what, name,
              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

/* What LIKE takes over: the last option that speaks of the feature, ALL for the others. */
static bool like_includes(const struct sql_create_table *create, int feature)
{
    bool includes = true;

    for (size_t i = 0; i < create->like_option_count; i++)
        if ((int)create->like_options[i].feature == feature ||
            create->like_options[i].feature == SQL_LIKE_ALL)
            includes = create->like_options[i].strategy != SQL_LIKE_EXCLUDING;
    return includes;
}

static void like_columns(struct define *d)
{
    for (size_t i = 0; d->like && i < d->like->column_count; i++) {
        const struct sql_column *column = &d->like->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED && !like_includes(d->create, SQL_LIKE_GENERATED))
            continue;
        if (column->kind == SQL_COLUMN_METADATA && !like_includes(d->create, SQL_LIKE_METADATA))
            continue;
        d->columns[d->count++] = *column;
    }
}

static void own_columns(struct binder *b, struct define *d)
{
    for (size_t i = 0; i < d->create->schema.column_count; i++) {
        const struct sql_column_def *def = &d->create->schema.columns[i];
        struct sql_column *column = &d->columns[d->count];

        if (column_find(d, def->name.text))
            bind_fail(b, ERR_INVALID, def->name.pos, "column `%s` stands twice", def->name.text);
        if (def->type && def->type->kind == SQL_TIMESTAMP_TZ)
            bind_fail(b, ERR_UNSUPPORTED, def->name.pos,
                      "Flink has no columns of TIMESTAMP WITH TIME ZONE: TIMESTAMP_LTZ");
        *column = (struct sql_column){.name = def->name.text,
                                      .type = def->type,
                                      .kind = def->kind,
                                      .expr = def->expr,
                                      .metadata_key = def->metadata_key,
                                      .is_virtual = def->is_virtual,
                                      .comment = def->comment};
        if (def->kind == SQL_COLUMN_METADATA && !column->metadata_key)
            column->metadata_key = column->name;
        d->count++;
    }
}

static void key_columns(struct binder *b, struct define *d, const struct sql_ident *names,
                        size_t count)
{
    const char **key = BIND_ARRAY(b, const char *, count);

    for (size_t i = 0; i < count; i++) {
        struct sql_column *column = column_find(d, names[i].text);

        if (!column)
            no_column(b, d, names[i].pos, "PRIMARY KEY", names[i].text);
        if (column->kind != SQL_COLUMN_PHYSICAL)
            bind_fail(b, ERR_INVALID, names[i].pos, "PRIMARY KEY: `%s` is no physical column",
                      names[i].text);
        column->type = bind_nullable(b, column->type, false);
        key[i] = names[i].text;
    }
    d->out->primary_key = key;
    d->out->primary_key_count = count;
}

static void define_key(struct binder *b, struct define *d)
{
    const struct sql_schema_def *schema = &d->create->schema;
    bool found = false;

    for (size_t i = 0; i < schema->constraint_count; i++) {
        const struct sql_constraint *constraint = &schema->constraints[i];

        if (!constraint->primary)
            bind_fail(b, ERR_UNSUPPORTED, constraint->pos, "UNIQUE constraints: Flink has none");
        if (found)
            bind_fail(b, ERR_INVALID, constraint->pos, "a second PRIMARY KEY");
        if (!constraint->not_enforced)
            bind_fail(b, ERR_INVALID, constraint->pos,
                      "PRIMARY KEY needs NOT ENFORCED: Flink does not own the data");
        key_columns(b, d, constraint->columns, constraint->column_count);
        found = true;
    }
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct sql_column_def *def = &schema->columns[i];

        if (!def->primary_key)
            continue;
        if (found)
            bind_fail(b, ERR_INVALID, def->name.pos, "a second PRIMARY KEY");
        if (!def->not_enforced)
            bind_fail(b, ERR_INVALID, def->name.pos,
                      "PRIMARY KEY needs NOT ENFORCED: Flink does not own the data");
        key_columns(b, d, &def->name, 1);
        found = true;
    }
    if (!found && d->like && like_includes(d->create, SQL_LIKE_CONSTRAINTS)) {
        d->out->primary_key = d->like->primary_key;
        d->out->primary_key_count = d->like->primary_key_count;
    }
}

/* The columns that computed columns and the watermark may read. */
static struct scope *scope_of(struct binder *b, struct define *d, bool computed)
{
    struct bound_source *source = BIND_NEW(b, struct bound_source);
    struct scope *scope = BIND_NEW(b, struct scope);

    source->kind = SOURCE_TABLE;
    source->columns = BIND_ARRAY(b, struct bound_column, d->count + 1);
    for (size_t i = 0; i < d->count; i++) {
        if (d->columns[i].kind == SQL_COLUMN_COMPUTED && !computed)
            continue;
        source->columns[source->column_count].name = d->columns[i].name;
        source->columns[source->column_count++].type = d->columns[i].type;
    }
    scope_add(b, scope, source);
    return scope;
}

static void define_computed(struct binder *b, struct define *d)
{
    struct scope *scope = scope_of(b, d, false);

    b->aggregates_in = "a computed column";
    for (size_t i = 0; i < d->count; i++)
        if (d->columns[i].kind == SQL_COLUMN_COMPUTED)
            d->columns[i].type = bind_expr(b, scope, d->columns[i].expr)->type;
    b->aggregates_in = NULL;
}

static void define_watermark(struct binder *b, struct define *d)
{
    const struct sql_watermark *watermark = d->create->schema.watermark;
    struct sql_column *column;
    struct bound_expr *expr;

    if (!watermark) {
        if (d->like && like_includes(d->create, SQL_LIKE_WATERMARKS)) {
            d->out->rowtime = d->like->rowtime;
            d->out->watermark = d->like->watermark;
        }
        return;
    }
    if (watermark->column.count != 1)
        bind_fail(b, ERR_UNSUPPORTED, watermark->pos, "WATERMARK on a nested field is not built");
    column = column_find(d, watermark->column.parts[0].text);
    if (!column)
        no_column(b, d, watermark->column.parts[0].pos, "WATERMARK",
                  watermark->column.parts[0].text);
    if ((column->type->kind != SQL_TIMESTAMP && column->type->kind != SQL_TIMESTAMP_LTZ) ||
        column->type->precision > 3)
        bind_fail(
            b, ERR_INVALID, watermark->column.parts[0].pos,
            "WATERMARK FOR `%s`: needs TIMESTAMP or TIMESTAMP_LTZ of precision 0 to 3, not %s",
            column->name, bind_type_text(b, column->type));
    b->aggregates_in = "WATERMARK";
    expr = bind_expr(b, scope_of(b, d, true), watermark->expr);
    b->aggregates_in = NULL;
    if (expr->type->kind != column->type->kind)
        bind_fail(b, ERR_INVALID, watermark->expr->pos, "the watermark is %s, the column %s",
                  bind_type_text(b, expr->type), bind_type_text(b, column->type));
    d->out->rowtime = column->name;
    d->out->watermark = watermark->expr;
}

static void define_partitions(struct binder *b, struct define *d)
{
    size_t count = d->create->partition_count;
    const char **keys = BIND_ARRAY(b, const char *, count);

    for (size_t i = 0; i < count; i++) {
        const struct sql_ident *name = &d->create->partitions[i];

        keys[i] = name->text;
        if (!column_find(d, name->text))
            no_column(b, d, name->pos, "PARTITIONED BY", name->text);
    }
    d->out->partition_keys = keys;
    d->out->partition_key_count = count;
    if (!count && d->like && like_includes(d->create, SQL_LIKE_PARTITIONS)) {
        d->out->partition_keys = d->like->partition_keys;
        d->out->partition_key_count = d->like->partition_key_count;
    }
}

/* LIKE ... takes the other table's options over; those written here come first and win. */
static void define_options(struct binder *b, struct define *d)
{
    const struct sql_options *own = &d->create->options, *other = d->like ? d->like->options : NULL;
    struct sql_options *merged;

    d->out->options = own;
    if (!other || !like_includes(d->create, SQL_LIKE_OPTIONS))
        return;
    merged = BIND_NEW(b, struct sql_options);
    merged->list = BIND_ARRAY(b, struct sql_option, own->count + other->count + 1);
    for (size_t i = 0; i < own->count; i++)
        merged->list[merged->count++] = own->list[i];
    for (size_t i = 0; i < other->count; i++)
        if (!sql_option(own, other->list[i].key))
            merged->list[merged->count++] = other->list[i];
    d->out->options = merged;
}

/* CREATE TABLE ... AS: the query's columns, behind those of the schema; (a, b) AS picks an order.
 */
static void query_columns(struct binder *b, struct define *d, const struct sql_bound *query)
{
    const struct sql_create_table *create = d->create;
    size_t count = create->as_column_count ? create->as_column_count : query->output_count;

    if (count != query->output_count)
        bind_fail(b, ERR_INVALID, create->as_columns[0].pos,
                  "%zu names for the query's %zu columns", count, query->output_count);
    for (size_t i = 0; i < count; i++) {
        const struct sql_output *output = NULL;

        for (size_t k = 0; k < count && !output; k++)
            if (create->as_column_count
                    ? !strcmp(query->outputs[k].name, create->as_columns[i].text)
                    : k == i)
                output = &query->outputs[k];
        if (!output)
            bind_fail(b, ERR_INVALID, create->as_columns[i].pos, "the query has no column `%s`",
                      create->as_columns[i].text);
        if (column_find(d, output->name))
            continue; /* the schema says more about it */
        d->columns[d->count++] = (struct sql_column){.name = output->name, .type = output->type};
    }
}

static void define_step(struct binder *b, void *arg)
{
    struct define *d = arg;
    size_t most = d->create->schema.column_count + (d->like ? d->like->column_count : 0);
    struct sql_bound *query;

    b->streams = true; /* where the rows come from is asked when they are read */
    query = d->create->as ? bind_query(b, NULL, d->create->as) : NULL;
    d->columns = BIND_ARRAY(b, struct sql_column, most + (query ? query->output_count : 0) + 1);
    like_columns(d);
    own_columns(b, d);
    if (query)
        query_columns(b, d, query);
    define_options(b, d);
    define_computed(b, d);
    define_key(b, d);
    define_watermark(b, d);
    define_partitions(b, d);
    d->out->columns = d->columns;
    d->out->column_count = d->count;
}

int sql_table_define(const struct sql_create_table *create, const struct sql_table *like,
                     const struct sql_resolver *resolver, struct arena *arena,
                     struct sql_table *out, struct err *err)
{
    const struct sql_name *name = &create->name;
    struct define define = {.create = create, .like = like, .out = out};

    memset(out, 0, sizeof(*out));
    out->name = name->parts[name->count - 1].text;
    out->database = name->count > 1 ? name->parts[name->count - 2].text : NULL;
    out->catalog = name->count > 2 ? name->parts[name->count - 3].text : NULL;
    return bind_run(resolver, arena, err, define_step, &define);
}
