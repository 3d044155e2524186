/* ddl.c - statements that make, change and forget names: one function each, found by one table. */
#include <stdio.h>

#include "connector/flink_settings.h"
#include "connector/session_int.h"

int session_complete(struct session *s, const struct sql_name *name, struct full_name *out,
                     struct err *err)
{
    const struct sql_ident *parts = name->parts;
    size_t count = name->count;

    if (count == 0 || count > 3)
        return err_set(err, ERR_INVALID, "a table's name has one to three parts");
    out->name = parts[count - 1].text;
    out->database = count > 1 ? parts[count - 2].text : s->database;
    out->catalog = count > 2 ? parts[0].text : s->catalog;
    out->entry = session_find_catalog(s, out->catalog);
    if (!out->entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", out->catalog);
    return 0;
}

/* 'connector' = 'iceberg': a name for a table of the lake, which is made when it is absent. */
static int alias_lake_table(struct session *s, const struct sql_create_table *create,
                            struct table_entry *entry, struct err *err)
{
    const char *database = sql_option(&create->options, "catalog-database");
    const char *name = sql_option(&create->options, "catalog-table");
    struct lake_ident ident = {database ? database : entry->table.database,
                               name ? name : entry->table.name};
    struct sql_create_table quiet = *create;
    struct sql_option *kept = ARENA_ARRAY(s->arena, struct sql_option, create->options.count + 1);
    int rc = catalog_namespace_create(s->lake_catalog, ident.ns, NULL, err);

    if (!kept)
        return session_no_memory(err);
    quiet.if_not_exists = true;
    quiet.options = (struct sql_options){kept, 0};
    for (size_t i = 0; i < create->options.count;
         i++) { /* those of the catalog are not the table's */
        const char *key = create->options.list[i].key;

        if (strncmp(key, "catalog-", 8) != 0 && strcmp(key, "connector") != 0 &&
            strcmp(key, "uri") != 0 && strcmp(key, "warehouse") != 0)
            kept[quiet.options.count++] = create->options.list[i];
    }
    if (rc == 0 || rc == ERR_EXISTS)
        rc = lake_table_create(s, &ident, &quiet, &entry->table, err);
    entry->alias = ident;
    return rc;
}

/* Its columns, with those of LIKE; where it lies is not asked. */
static int define(struct session *s, const struct sql_create_table *create, struct sql_table *out,
                  struct err *err)
{
    const struct sql_table *like = NULL;
    int rc = 0;

    if (create->has_like) {
        const char *parts[3];

        for (size_t i = 0; i < create->like.count && i < 3; i++)
            parts[i] = create->like.parts[i].text;
        rc = session_resolver(s)->table(s, parts, create->like.count, &like, err);
    }
    return rc ? rc : sql_table_define(create, like, session_resolver(s), s->arena, out, err);
}

/* What sql_table does not keep of the statement and ALTER TABLE wants to. */
static void remember(struct table_entry *entry, const struct sql_create_table *create)
{
    const struct sql_schema_def *schema = &create->schema;

    entry->comment = create->comment;
    entry->distribution = create->distribution;
    for (size_t i = 0; i < schema->constraint_count; i++)
        if (schema->constraints[i].primary)
            entry->key_name = schema->constraints[i].name;
    for (size_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].primary_key)
            entry->key_name = schema->columns[i].constraint_name;
}

static int check_connector(const struct sql_statement *st, const struct sql_table *table,
                           struct err *err)
{
    const struct sql_schema_def *schema = &st->create_table->schema;
    const char *connector = sql_option(table->options, "connector");

    if (!connector)
        return err_set(
            err, ERR_INVALID,
            "line %u, column %u: table `%s` needs the option 'connector': only tables of "
            "an Iceberg catalog do without",
            st->pos.line, st->pos.column, table->name);
    for (size_t i = 0; i < schema->column_count && strcmp(connector, "iceberg") != 0; i++)
        if (schema->columns[i].default_value)
            return err_set(err, ERR_UNSUPPORTED,
                           "line %u, column %u: column `%s`: only Iceberg tables have DEFAULT",
                           schema->columns[i].name.pos.line, schema->columns[i].name.pos.column,
                           schema->columns[i].name.text);
    return 0;
}

static void put_entry(struct session *s, struct table_entry *entry, struct table_entry *old)
{
    if (old)
        old->dropped = true;
    entry->next = s->tables;
    s->tables = entry;
}

int session_define_table(struct session *s, const struct sql_statement *st, struct table_entry *old,
                         struct err *err)
{
    const struct sql_create_table *create = st->create_table;
    struct table_entry *entry = ARENA_NEW(s->arena, struct table_entry);
    struct full_name name;
    int rc = entry ? session_complete(s, &create->name, &name, err) : session_no_memory(err);

    if (!rc)
        rc = define(s, create, &entry->table, err);
    if (!rc)
        rc = sql_options_modernize(&entry->table.options, s->arena, err);
    if (!rc)
        rc = sql_options_check(entry->table.options, st->pos, err);
    if (rc)
        return rc;
    remember(entry, create);
    entry->table.catalog = name.catalog;
    entry->table.database = name.database;
    entry->table.name = name.name;
    entry->handle = (struct session_table){.kind = SESSION_CONNECTOR};
    entry->handle.text = arena_cstr(s->arena, st->text);
    entry->table.handle = &entry->handle;
    rc = check_connector(st, &entry->table, err);
    if (!rc && !strcmp(sql_option(entry->table.options, "connector"), "iceberg"))
        rc = alias_lake_table(s, create, entry, err);
    if (!rc)
        put_entry(s, entry, old);
    return rc;
}

static int create_table(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_table *create = st->create_table;
    struct table_entry *old;
    struct full_name name;
    int rc = session_complete(s, &create->name, &name, err);

    if (!rc && name.entry->lake) {
        struct lake_ident ident = {name.database, name.name};
        struct sql_table table;

        rc = define(s, create, &table, err);
        return rc ? rc : lake_table_create(s, &ident, create, &table, err);
    }
    if (rc)
        return rc;
    if (!session_has_database(s, name.catalog, name.database))
        return err_set(err, ERR_NOENT, "there is no database `%s`", name.database);
    old = session_find_table(s, name.catalog, name.database, name.name);
    if (old && !create->or_replace)
        return create->if_not_exists
                   ? 0
                   : err_set(err, ERR_EXISTS, "table `%s` exists already", name.name);
    return session_define_table(s, st, old, err);
}

int session_define_view(struct session *s, const struct sql_statement *st, struct table_entry *old,
                        struct err *err)
{
    const struct sql_create_view *create = st->create_view;
    struct table_entry *entry = ARENA_NEW(s->arena, struct table_entry);
    struct sql_bound *bound;
    struct full_name name;
    int rc = entry ? session_complete(s, &create->name, &name, err) : session_no_memory(err);

    if (!rc)
        rc = sql_bind_stream_query(create->query, session_resolver(s), s->arena, &bound, err);
    if (rc)
        return rc;
    entry->table = (struct sql_table){.catalog = name.catalog,
                                      .database = name.database,
                                      .name = name.name,
                                      .view = create->query};
    if (create->column_count) {
        const char **columns = ARENA_ARRAY(s->arena, const char *, create->column_count);

        if (!columns)
            return session_no_memory(err);
        for (size_t i = 0; i < create->column_count; i++)
            columns[i] = create->columns[i].name.text;
        entry->table.view_columns = columns;
        entry->table.view_column_count = create->column_count;
    }
    entry->handle = (struct session_table){.kind = SESSION_VIEW};
    entry->handle.text = arena_cstr(s->arena, st->text);
    entry->table.handle = &entry->handle;
    put_entry(s, entry, old);
    return 0;
}

static int create_view(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_view *create = st->create_view;
    struct table_entry *old;
    struct full_name name;
    int rc = session_complete(s, &create->name, &name, err);

    if (rc)
        return rc;
    if (name.entry->lake)
        return err_set(err, ERR_UNSUPPORTED,
                       "views in an Iceberg catalog are not built yet: "
                       "create it in " MEMORY_CATALOG "." MEMORY_DATABASE);
    old = session_find_table(s, name.catalog, name.database, name.name);
    if (old && !create->or_replace)
        return create->if_not_exists ? 0
                                     : err_set(err, ERR_EXISTS, "`%s` exists already", name.name);
    return session_define_view(s, st, old, err);
}

static int drop_table(struct session *s, const struct sql_drop *d, struct err *err)
{
    enum session_table_kind kind = d->object == SQL_OBJECT_VIEW ? SESSION_VIEW : SESSION_CONNECTOR;
    struct table_entry *table;
    struct full_name name;
    int rc = session_complete(s, &d->name, &name, err);

    if (rc)
        return rc;
    if (name.entry->lake && s->replays)
        return 0;
    if (name.entry->lake) {
        struct lake_ident ident = {name.database, name.name};

        rc = catalog_table_drop(s->lake_catalog, &ident, false, err);
        return rc == ERR_NOENT && d->if_exists ? 0 : rc;
    }
    table = session_find_table(s, name.catalog, name.database, name.name);
    if (!table || table->handle.kind != kind)
        return d->if_exists ? 0
                            : err_set(err, ERR_NOENT, "there is no %s `%s`",
                                      kind == SESSION_VIEW ? "view" : "table", name.name);
    table->dropped = true;
    return 0;
}

static int drop(struct session *s, const struct sql_statement *st, struct err *err)
{
    switch (st->drop->object) {
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_VIEW:
        return drop_table(s, st->drop, err);
    case SQL_OBJECT_DATABASE:
        return session_drop_database(s, st->drop, err);
    case SQL_OBJECT_CATALOG:
        return session_drop_catalog(s, st->drop, err);
    case SQL_OBJECT_FUNCTION:
        return session_drop_function(s, st->drop, err);
    default:
        return err_set(err, ERR_UNSUPPORTED,
                       "DROP of a materialized table: there are none, tables are filled by INSERT");
    }
}

static int use(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_use *u = st->use;
    const char *last = u->name.count ? u->name.parts[u->name.count - 1].text : "";
    const char *catalog = u->object == SQL_OBJECT_CATALOG ? last : s->catalog;
    struct catalog_entry *entry;
    int rc = 0;

    if (u->object == SQL_OBJECT_MODULES)
        return session_pass_over(s, st, err);
    if (u->object == SQL_OBJECT_DATABASE && u->name.count > 1)
        catalog = u->name.parts[0].text;
    entry = session_find_catalog(s, catalog);
    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
    if (u->object == SQL_OBJECT_CATALOG) {
        s->catalog = entry->name;
        s->database = entry->default_database ? entry->default_database : "default";
        return 0;
    }
    if (entry->lake)
        rc = catalog_namespace_load(s->lake_catalog, last, NULL, err);
    else if (!session_has_database(s, catalog, last))
        rc = err_set(err, ERR_NOENT, "there is no database `%s`", last);
    if (!rc) {
        s->catalog = entry->name;
        s->database = last;
    }
    return rc;
}

static int set_value(struct session *s, const char *key, const char *value, struct err *err)
{
    for (size_t i = 0; i < s->setting_count; i++)
        if (!strcmp(s->settings[i].key, key)) {
            s->settings[i].value = value;
            return 0;
        }
    if (s->setting_count == s->setting_cap) {
        size_t cap = s->setting_cap ? s->setting_cap * 2 : 16;
        struct session_setting_row *more = ARENA_ARRAY(s->arena, struct session_setting_row, cap);

        if (!more)
            return session_no_memory(err);
        if (s->setting_count)
            memcpy(more, s->settings, s->setting_count * sizeof(*more));
        s->settings = more;
        s->setting_cap = cap;
    }
    s->settings[s->setting_count++] = (struct session_setting_row){key, value};
    return 0;
}

static int set(struct session *s, const struct sql_statement *st, struct err *err)
{
    const char *key = st->set->key;

    int rc;

    if (!key)
        return 0; /* SET alone lists: the query room's */
    rc = s->replays ? 0 : flink_setting_check(key, st->set->value, err);
    if (rc)
        return rc;
    return set_value(s, arena_strdup(s->arena, key), arena_strdup(s->arena, st->set->value), err);
}

static int reset(struct session *s, const struct sql_statement *st, struct err *err)
{
    (void)err;
    for (size_t i = s->setting_count; i-- > 0;)
        if (!st->set->key || !strcmp(s->settings[i].key, st->set->key))
            s->settings[i] = s->settings[--s->setting_count];
    return 0;
}

static const struct {
    enum sql_statement_kind kind;
    int (*run)(struct session *, const struct sql_statement *, struct err *);
} executors[] = {
    {SQL_STMT_CREATE_TABLE, create_table},
    {SQL_STMT_CREATE_VIEW, create_view},
    {SQL_STMT_CREATE_CATALOG, session_create_catalog},
    {SQL_STMT_CREATE_DATABASE, session_create_database},
    {SQL_STMT_CREATE_FUNCTION, session_create_function},
    {SQL_STMT_JAR, session_pass_over},
    {SQL_STMT_MODULE, session_pass_over},
    {SQL_STMT_DROP, drop},
    {SQL_STMT_ALTER_TABLE, session_alter_table},
    {SQL_STMT_ALTER_VIEW, session_alter_table},
    {SQL_STMT_ALTER_CATALOG, session_alter_catalog},
    {SQL_STMT_ALTER_DATABASE, session_alter_database},
    {SQL_STMT_ALTER_FUNCTION, session_alter_function},
    {SQL_STMT_CALL, session_call},
    {SQL_STMT_USE, use},
    {SQL_STMT_SET, set},
    {SQL_STMT_RESET, reset},
};

bool session_executes(const struct sql_statement *statement)
{
    for (size_t i = 0; i < COUNT_OF(executors); i++)
        if (executors[i].kind == statement->kind)
            return true;
    return false;
}

/* Done at once, and seen by whoever asked: not for a script that starts with the program. */
static bool is_for_prompts(enum sql_statement_kind kind)
{
    return kind == SQL_STMT_UPDATE || kind == SQL_STMT_DELETE || kind == SQL_STMT_MERGE ||
           kind == SQL_STMT_TRUNCATE || kind == SQL_STMT_ANALYZE || kind == SQL_STMT_STOP_JOB;
}

int session_execute(struct session *s, const struct sql_statement *st, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(executors); i++) {
        int rc;

        if (executors[i].kind != st->kind)
            continue;
        rc = executors[i].run(s, st, err);
        if (rc && err && strncmp(err->text, "line ", 5) != 0)
            err_wrap(err, rc, "line %u, column %u", st->pos.line, st->pos.column);
        return rc;
    }
    return err_set(err, ERR_UNSUPPORTED, "line %u, column %u: %s is not %s", st->pos.line,
                   st->pos.column, sql_statement_kind_name(st->kind),
                   is_for_prompts(st->kind) ? "for a script of jobs: `tarn sql` runs it"
                                            : "built yet");
}
