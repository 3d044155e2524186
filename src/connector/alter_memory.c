/* alter_memory.c - ALTER of tables and views that a session holds in memory.
 *
 * A table is what its CREATE TABLE says. ALTER makes another such statement of it and defines the
 * table anew, so that all checks of CREATE hold again. The entry is replaced and never changed:
 * statements before it, and the jobs they have planned, mean the table as it was. What is refused,
 * and how it is said, is as in Flink 1.20.
 */
#include <stdio.h>

#include "connector/session_int.h"

struct memory_alter {
    struct session *s;
    const struct sql_alter *alter;
    const struct table_entry *entry;
    struct sql_create_table create; /* what it is to be; its lists are the session's own */
    struct partition_entry *partitions;
    struct err *err;
};

/* ---- the statement that makes the table ------------------------------------------------------ */

static struct sql_ident *idents(struct session *s, const char *const *names, size_t count)
{
    struct sql_ident *out = ARENA_ARRAY(s->arena, struct sql_ident, count + 1);

    for (size_t i = 0; out && i < count; i++)
        out[i] = (struct sql_ident){.text = names[i]};
    return out;
}

static int take_columns(struct memory_alter *a, const struct sql_table *table)
{
    struct sql_column_def *defs =
        ARENA_ARRAY(a->s->arena, struct sql_column_def, table->column_count + 1);

    if (!defs)
        return session_no_memory(a->err);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        defs[i] = (struct sql_column_def){
            .name = {.text = column->name},
            .kind = column->kind,
            .type = column->kind == SQL_COLUMN_COMPUTED ? NULL : column->type,
            .expr = (struct sql_expr *)(uintptr_t)column->expr,
            .metadata_key = column->metadata_key,
            .is_virtual = column->is_virtual,
            .comment = column->comment};
    }
    a->create.schema.columns = defs;
    a->create.schema.column_count = table->column_count;
    return 0;
}

static int take_key(struct memory_alter *a, const struct sql_table *table)
{
    struct sql_constraint *key;

    if (!table->primary_key_count)
        return 0;
    key = ARENA_NEW(a->s->arena, struct sql_constraint);
    if (!key)
        return session_no_memory(a->err);
    *key = (struct sql_constraint){.name = a->entry->key_name,
                                   .primary = true,
                                   .not_enforced = true,
                                   .columns =
                                       idents(a->s, table->primary_key, table->primary_key_count),
                                   .column_count = table->primary_key_count};
    a->create.schema.constraints = key;
    a->create.schema.constraint_count = 1;
    return key->columns ? 0 : session_no_memory(a->err);
}

static int take_watermark(struct memory_alter *a, const struct sql_table *table)
{
    struct sql_watermark *watermark;

    if (!table->rowtime)
        return 0;
    watermark = ARENA_NEW(a->s->arena, struct sql_watermark);
    if (!watermark)
        return session_no_memory(a->err);
    *watermark = (struct sql_watermark){.column = {idents(a->s, &table->rowtime, 1), 1},
                                        .expr = (struct sql_expr *)(uintptr_t)table->watermark};
    a->create.schema.watermark = watermark;
    return watermark->column.parts ? 0 : session_no_memory(a->err);
}

static int take_table(struct memory_alter *a)
{
    const struct sql_table *table = &a->entry->table;
    const char *const name[] = {table->catalog, table->database, table->name};
    int rc = take_columns(a, table);

    if (!rc)
        rc = take_key(a, table);
    if (!rc)
        rc = take_watermark(a, table);
    if (rc)
        return rc;
    a->create.has_schema = true;
    a->create.comment = a->entry->comment;
    a->create.distribution = a->entry->distribution;
    a->create.name = (struct sql_name){idents(a->s, name, COUNT_OF(name)), COUNT_OF(name)};
    a->create.partitions = idents(a->s, table->partition_keys, table->partition_key_count);
    a->create.partition_count = table->partition_key_count;
    a->create.options = *table->options;
    return a->create.name.parts && a->create.partitions ? 0 : session_no_memory(a->err);
}

/* ---- who names a column ---------------------------------------------------------------------- */

static bool names_column(const struct sql_expr *expr, const char *column)
{
    bool found = expr && expr->kind == SQL_EXPR_COLUMN && expr->name.count &&
                 !strcmp(expr->name.parts[0].text, column);

    for (size_t i = 0; expr && i < expr->args.count && !found; i++)
        found = names_column(expr->args.list[i], column);
    return found;
}

static bool is_among(const struct sql_ident *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].text, name))
            return true;
    return false;
}

static struct sql_column_def *find(struct memory_alter *a, const char *name)
{
    struct sql_schema_def *schema = &a->create.schema;

    for (size_t i = 0; i < schema->column_count; i++)
        if (!strcmp(schema->columns[i].name.text, name))
            return &schema->columns[i];
    return NULL;
}

/* `gone`: it is dropped, and so are the columns of the statement; else it gets another name. */
static int check_references(struct memory_alter *a, const char *name, bool gone)
{
    const struct sql_schema_def *schema = &a->create.schema;
    const struct sql_watermark *watermark = schema->watermark;

    for (size_t i = 0; i < schema->column_count; i++)
        if (names_column(schema->columns[i].expr, name))
            return err_set(a->err, ERR_INVALID,
                           "The column `%s` is referenced by computed column `%s`.", name,
                           schema->columns[i].name.text);
    if (is_among(a->create.partitions, a->create.partition_count, name))
        return err_set(a->err, ERR_INVALID, "The column `%s` is used as the partition keys.", name);
    if (watermark &&
        (!strcmp(watermark->column.parts[0].text, name) || names_column(watermark->expr, name)))
        return err_set(a->err, ERR_INVALID,
                       "The column `%s` is referenced by watermark expression.", name);
    if (is_among(a->create.distribution.columns, a->create.distribution.column_count, name))
        return err_set(a->err, ERR_INVALID, "The column `%s` is used as a distribution key.", name);
    if (gone && schema->constraint_count &&
        is_among(schema->constraints[0].columns, schema->constraints[0].column_count, name))
        return err_set(a->err, ERR_INVALID, "The column `%s` is used as the primary key.", name);
    return 0;
}

/* ---- ADD, MODIFY ----------------------------------------------------------------------------- */

static size_t index_of(struct memory_alter *a, const struct sql_column_def *def)
{
    return (size_t)(def - a->create.schema.columns);
}

static void take_out(struct memory_alter *a, size_t at)
{
    struct sql_schema_def *schema = &a->create.schema;

    schema->column_count--;
    memmove(schema->columns + at, schema->columns + at + 1,
            (schema->column_count - at) * sizeof(*schema->columns));
}

/* There is room: `put_columns` has made it. */
static int put_in(struct memory_alter *a, const struct sql_column_def *def, size_t at)
{
    struct sql_schema_def *schema = &a->create.schema;
    const struct sql_column_def *after;

    if (def->position == SQL_POSITION_FIRST)
        at = 0;
    if (def->position == SQL_POSITION_AFTER) {
        after = find(a, def->after.text);
        if (!after)
            return err_set(a->err, ERR_INVALID,
                           "Referenced column `%s` by 'AFTER' does not exist in the table.",
                           def->after.text);
        at = index_of(a, after) + 1;
    }
    memmove(schema->columns + at + 1, schema->columns + at,
            (schema->column_count - at) * sizeof(*schema->columns));
    schema->columns[at] = *def;
    schema->columns[at].position = SQL_POSITION_UNSET;
    schema->column_count++;
    return 0;
}

static int put_column(struct memory_alter *a, const struct sql_column_def *def)
{
    bool add = a->alter->action == SQL_ALTER_ADD;
    const struct sql_column_def *there = find(a, def->name.text);
    size_t at = a->create.schema.column_count;

    if (def->path.count > 1)
        return err_set(a->err, ERR_UNSUPPORTED, "Alter nested row type is not supported yet.");
    if (add && there)
        return err_set(a->err, ERR_INVALID,
                       "Try to add a column `%s` which already exists in the table.",
                       def->name.text);
    if (!add && !there)
        return err_set(a->err, ERR_INVALID,
                       "Try to modify a column `%s` which does not exist in the table.",
                       def->name.text);
    if (there) {
        at = index_of(a, there);
        take_out(a, at);
    }
    return put_in(a, def, at);
}

static int put_columns(struct memory_alter *a)
{
    const struct sql_schema_def *more = &a->alter->schema;
    struct sql_schema_def *schema = &a->create.schema;
    struct sql_column_def *room = ARENA_ARRAY(a->s->arena, struct sql_column_def,
                                              schema->column_count + more->column_count + 1);
    int rc = room ? 0 : session_no_memory(a->err);

    if (rc)
        return rc;
    memcpy(room, schema->columns, schema->column_count * sizeof(*room));
    schema->columns = room;
    for (size_t i = 0; i < more->column_count && !rc; i++)
        rc = put_column(a, &more->columns[i]);
    return rc;
}

static int put_key(struct memory_alter *a)
{
    const struct sql_schema_def *more = &a->alter->schema;
    struct sql_schema_def *schema = &a->create.schema;
    bool add = a->alter->action == SQL_ALTER_ADD, wanted = more->constraint_count > 0;

    for (size_t i = 0; i < more->column_count; i++)
        wanted = wanted || more->columns[i].primary_key;
    if (!wanted)
        return 0;
    if (add && schema->constraint_count)
        return err_set(a->err, ERR_INVALID,
                       "The base table has already defined the primary key constraint. You might "
                       "want to drop it before adding a new one.");
    if (!add && !schema->constraint_count)
        return err_set(a->err, ERR_INVALID,
                       "The base table does not define any primary key constraint. You might want "
                       "to add a new one.");
    schema->constraints = more->constraints; /* none: it stands behind a column's type */
    schema->constraint_count = more->constraint_count;
    return 0;
}

static int put_watermark(struct memory_alter *a)
{
    bool add = a->alter->action == SQL_ALTER_ADD;
    struct sql_schema_def *schema = &a->create.schema;

    if (!a->alter->schema.watermark)
        return 0;
    if (add && schema->watermark)
        return err_set(a->err, ERR_INVALID,
                       "The base table has already defined the watermark strategy. You might want "
                       "to drop it before adding a new one.");
    if (!add && !schema->watermark)
        return err_set(a->err, ERR_INVALID,
                       "The base table does not define any watermark. You might want to add a new "
                       "one.");
    schema->watermark = a->alter->schema.watermark;
    return 0;
}

static int put_schema(struct memory_alter *a)
{
    int rc = put_columns(a);

    if (!rc)
        rc = put_key(a);
    return rc ? rc : put_watermark(a);
}

static int put_distribution(struct memory_alter *a)
{
    bool add = a->alter->action == SQL_ALTER_ADD_DISTRIBUTION;

    if (add == a->create.distribution.given)
        return err_set(a->err, ERR_INVALID,
                       add ? "The base table has already defined the distribution. You can modify "
                             "it or drop it before adding a new one."
                           : "The base table does not define any distribution. You might want to "
                             "add a new one.");
    for (size_t i = 0; i < a->alter->distribution.column_count; i++)
        if (!find(a, a->alter->distribution.columns[i].text))
            return err_set(a->err, ERR_INVALID, "The column `%s` does not exist in the base table.",
                           a->alter->distribution.columns[i].text);
    a->create.distribution = a->alter->distribution;
    a->create.distribution.given = true;
    return 0;
}

/* ---- DROP, RENAME ---------------------------------------------------------------------------- */

/* All of them first: what only a column that goes too names is no reference. */
static int drop_columns(struct memory_alter *a)
{
    const struct sql_alter *alter = a->alter;
    int rc = 0;

    for (size_t i = 0; i < alter->column_count; i++) {
        const struct sql_name *name = &alter->columns[i];

        if (name->count > 1)
            return err_set(a->err, ERR_UNSUPPORTED, "Alter nested row type is not supported yet.");
        if (!find(a, name->parts[0].text))
            return err_set(a->err, ERR_INVALID, "The column `%s` does not exist in the base table.",
                           name->parts[0].text);
    }
    for (size_t i = 0; i < alter->column_count; i++)
        if (find(a, alter->columns[i].parts[0].text))
            take_out(a, index_of(a, find(a, alter->columns[i].parts[0].text)));
    for (size_t i = 0; i < alter->column_count && !rc; i++)
        rc = check_references(a, alter->columns[i].parts[0].text, true);
    return rc;
}

static int rename_column(struct memory_alter *a)
{
    const char *from = a->alter->column.parts[0].text, *to = a->alter->new_column.parts[0].text;
    struct sql_column_def *def = find(a, from);
    struct sql_schema_def *schema = &a->create.schema;
    int rc;

    if (a->alter->column.count > 1 || a->alter->new_column.count > 1)
        return err_set(a->err, ERR_UNSUPPORTED, "Alter nested row type is not supported yet.");
    if (!def)
        return err_set(a->err, ERR_INVALID, "The column `%s` does not exist in the base table.",
                       from);
    if (find(a, to))
        return err_set(a->err, ERR_INVALID, "The column `%s` already existed in table schema.", to);
    rc = check_references(a, from, false);
    if (rc)
        return rc;
    def->name.text = to;
    for (size_t i = 0; schema->constraint_count && i < schema->constraints[0].column_count; i++)
        if (!strcmp(schema->constraints[0].columns[i].text, from))
            schema->constraints[0].columns[i].text = to;
    return 0;
}

static int drop_key(struct memory_alter *a)
{
    struct sql_schema_def *schema = &a->create.schema;
    const char *wanted =
        a->alter->action == SQL_ALTER_DROP_CONSTRAINT ? a->alter->new_column.parts[0].text : NULL;
    const char *name;

    if (!schema->constraint_count)
        return err_set(a->err, ERR_INVALID, "The base table does not define any primary key.");
    name = schema->constraints[0].name.text;
    if (!name) { /* Flink names it after its columns */
        name = "PK";
        for (size_t i = 0; name && i < schema->constraints[0].column_count; i++)
            name = arena_printf(a->s->arena, "%s_%s", name, schema->constraints[0].columns[i].text);
    }
    if (!name)
        return session_no_memory(a->err);
    if (wanted && strcmp(wanted, name) != 0)
        return err_set(a->err, ERR_INVALID,
                       "The base table does not define a primary key constraint named '%s'. "
                       "Available constraint name: ['%s'].",
                       wanted, name);
    schema->constraint_count = 0;
    return 0;
}

static int drop_watermark(struct memory_alter *a)
{
    if (!a->create.schema.watermark)
        return err_set(a->err, ERR_INVALID,
                       "The base table does not define any watermark strategy.");
    a->create.schema.watermark = NULL;
    return 0;
}

static int drop_distribution(struct memory_alter *a)
{
    if (!a->create.distribution.given)
        return err_set(a->err, ERR_INVALID, "The base table does not define any distribution.");
    a->create.distribution = (struct sql_distribution){0};
    return 0;
}

/* ---- options --------------------------------------------------------------------------------- */

/* The old ones that the statement does not name, then those that it sets. */
static int change_options(struct memory_alter *a)
{
    const struct sql_options *old = &a->create.options, *given = &a->alter->options;
    bool set = a->alter->action == SQL_ALTER_SET;
    struct sql_options out = {
        ARENA_ARRAY(a->s->arena, struct sql_option, old->count + given->count + 1), 0};

    if (!out.list)
        return session_no_memory(a->err);
    if (!set && !given->count)
        return err_set(a->err, ERR_INVALID, "ALTER TABLE RESET does not support empty key");
    for (size_t i = 0; !set && i < given->count; i++)
        if (!strcmp(given->list[i].key, "connector"))
            return err_set(a->err, ERR_INVALID,
                           "ALTER TABLE RESET does not support changing 'connector'");
    for (size_t i = 0; i < old->count; i++) {
        bool named = false;

        for (size_t k = 0; k < given->count && !named; k++)
            named = !strcmp(given->list[k].key, old->list[i].key);
        if (!named)
            out.list[out.count++] = old->list[i];
    }
    for (size_t i = 0; set && i < given->count; i++)
        out.list[out.count++] = given->list[i];
    a->create.options = out;
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int rename_to(struct memory_alter *a)
{
    const struct sql_name *to = &a->alter->new_name;
    const struct sql_table *table = &a->entry->table;
    const char *name = to->parts[to->count - 1].text;

    if (session_find_table(a->s, table->catalog, table->database, name))
        return err_set(a->err, ERR_EXISTS, "table `%s` exists already", name);
    a->create.name.parts[a->create.name.count - 1].text = name;
    return 0;
}

static int change_partitions(struct memory_alter *a)
{
    return session_alter_partitions(a->s, a->alter, &a->entry->table, &a->partitions, a->err);
}

static const struct {
    enum sql_alter_action action;
    int (*run)(struct memory_alter *);
} actions[] = {
    {SQL_ALTER_RENAME, rename_to},
    {SQL_ALTER_RENAME_COLUMN, rename_column},
    {SQL_ALTER_SET, change_options},
    {SQL_ALTER_RESET, change_options},
    {SQL_ALTER_ADD, put_schema},
    {SQL_ALTER_MODIFY, put_schema},
    {SQL_ALTER_ADD_DISTRIBUTION, put_distribution},
    {SQL_ALTER_MODIFY_DISTRIBUTION, put_distribution},
    {SQL_ALTER_DROP_DISTRIBUTION, drop_distribution},
    {SQL_ALTER_DROP_COLUMNS, drop_columns},
    {SQL_ALTER_DROP_CONSTRAINT, drop_key},
    {SQL_ALTER_DROP_PRIMARY_KEY, drop_key},
    {SQL_ALTER_DROP_WATERMARK, drop_watermark},
    {SQL_ALTER_ADD_PARTITIONS, change_partitions},
    {SQL_ALTER_DROP_PARTITIONS, change_partitions},
};

static int run_action(struct memory_alter *a)
{
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (actions[i].action == a->alter->action)
            return actions[i].run(a);
    return err_set(a->err, ERR_UNSUPPORTED,
                   "this clause of ALTER TABLE is for Iceberg tables; `%s` is none",
                   a->entry->table.name);
}

/* SHOW CREATE TABLE shows what the table has become. */
static int write_statement(struct session *s, const struct sql_statement *statement,
                           const char **text, struct err *err)
{
    struct buf out = {0};
    int rc = sql_print_flink(statement, NULL, &out, err);

    *text = rc ? NULL : arena_cstr(s->arena, buf_slice(&out));
    buf_deinit(&out);
    return rc || *text ? rc : session_no_memory(err);
}

static int alter_table(struct session *s, const struct sql_statement *st, struct table_entry *entry,
                       struct err *err)
{
    struct memory_alter a = {
        .s = s, .alter = st->alter, .entry = entry, .partitions = entry->partitions, .err = err};
    struct sql_statement made = {.kind = SQL_STMT_CREATE_TABLE, .pos = st->pos};
    const char *text;
    int rc = take_table(&a);

    if (!rc)
        rc = run_action(&a);
    if (rc)
        return rc;
    made.create_table = ARENA_NEW(s->arena, struct sql_create_table);
    if (!made.create_table)
        return session_no_memory(err);
    *made.create_table = a.create;
    for (size_t i = 0; i < a.create.schema.column_count; i++)
        a.create.schema.columns[i].path = (struct sql_name){&a.create.schema.columns[i].name, 1};
    rc = write_statement(s, &made, &text, err);
    if (rc)
        return rc;
    made.text = slice_str(text);
    rc = session_define_table(s, &made, entry, err);
    if (!rc)
        s->tables->partitions = a.partitions; /* the newest is the one just defined */
    return rc;
}

static int alter_view(struct session *s, const struct sql_statement *st, struct table_entry *entry,
                      struct err *err)
{
    struct sql_create_view *create = ARENA_NEW(s->arena, struct sql_create_view);
    const struct sql_table *view = &entry->table;
    const char *const parts[] = {view->catalog, view->database,
                                 st->alter->action == SQL_ALTER_RENAME
                                     ? st->alter->new_name.parts[st->alter->new_name.count - 1].text
                                     : view->name};
    struct sql_statement made = {.kind = SQL_STMT_CREATE_VIEW, .pos = st->pos};
    bool renames = st->alter->action == SQL_ALTER_RENAME;
    const char *text;
    int rc;

    if (!create)
        return session_no_memory(err);
    if (renames && session_find_table(s, parts[0], parts[1], parts[2]))
        return err_set(err, ERR_EXISTS, "`%s` exists already", parts[2]);
    create->name = (struct sql_name){idents(s, parts, COUNT_OF(parts)), COUNT_OF(parts)};
    create->query = renames ? (struct sql_query *)(uintptr_t)view->view : st->alter->query;
    create->columns = ARENA_ARRAY(s->arena, struct sql_column_def, view->view_column_count + 1);
    if (!create->name.parts || !create->columns)
        return session_no_memory(err);
    for (size_t i = 0; renames && i < view->view_column_count; i++)
        create->columns[create->column_count++].name.text = view->view_columns[i];
    made.create_view = create;
    rc = write_statement(s, &made, &text, err);
    if (rc)
        return rc;
    made.text = slice_str(text);
    return session_define_view(s, &made, entry, err);
}

int session_alter_memory(struct session *s, const struct sql_statement *st,
                         struct table_entry *entry, struct err *err)
{
    bool is_view = entry->handle.kind == SESSION_VIEW;

    if (is_view && st->kind == SQL_STMT_ALTER_TABLE)
        return err_set(err, ERR_INVALID, "ALTER TABLE for a view is not allowed: `%s` is one",
                       entry->table.name);
    if (!is_view && st->kind == SQL_STMT_ALTER_VIEW)
        return err_set(err, ERR_INVALID, "ALTER VIEW for a table is not allowed: `%s` is one",
                       entry->table.name);
    return is_view ? alter_view(s, st, entry, err) : alter_table(s, st, entry, err);
}
