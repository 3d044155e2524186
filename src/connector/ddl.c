/* ddl.c - statements that make, change and forget names: one function each, found by one table. */
#include <stdio.h>

#include "connector/flink_settings.h"
#include "connector/session_int.h"

/* A name of one to three parts, completed with what is current. */
struct full_name {
    const char *catalog, *database, *name;
    struct catalog_entry *entry;
};

static int complete(struct session *s, const struct sql_name *name, struct full_name *out,
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

static int create_table(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_table *create = st->create_table;
    const struct sql_table *like = NULL;
    struct table_entry *entry = ARENA_NEW(s->arena, struct table_entry);
    struct full_name name;
    const char *connector;
    int rc = entry ? complete(s, &create->name, &name, err) : session_no_memory(err);

    if (!rc && create->has_like) {
        const char *parts[3];

        for (size_t i = 0; i < create->like.count && i < 3; i++)
            parts[i] = create->like.parts[i].text;
        rc = session_resolver(s)->table(s, parts, create->like.count, &like, err);
    }
    if (!rc)
        rc = sql_table_define(create, like, session_resolver(s), s->arena, &entry->table, err);
    if (rc)
        return rc;
    if (name.entry->lake) {
        struct lake_ident ident = {name.database, name.name};

        return lake_table_create(s, &ident, create, &entry->table, err);
    }
    if (!session_has_database(s, name.database))
        return err_set(err, ERR_NOENT, "there is no database `%s`", name.database);
    if (session_find_table(s, name.database, name.name) && !create->or_replace)
        return create->if_not_exists
                   ? 0
                   : err_set(err, ERR_EXISTS, "table `%s` exists already", name.name);
    rc = sql_options_modernize(&entry->table.options, s->arena, err);
    if (!rc)
        rc = sql_options_check(entry->table.options, st->pos, err);
    if (rc)
        return rc;
    entry->table.catalog = name.catalog;
    entry->table.database = name.database;
    entry->table.name = name.name;
    entry->handle = (struct session_table){.kind = SESSION_CONNECTOR};
    entry->handle.text = arena_cstr(s->arena, st->text);
    entry->table.handle = &entry->handle;
    connector = sql_option(entry->table.options, "connector");
    if (!connector)
        return err_set(
            err, ERR_INVALID,
            "line %u, column %u: table `%s` needs the option 'connector': only tables of "
            "an Iceberg catalog do without",
            st->pos.line, st->pos.column, name.name);
    for (size_t i = 0; i < create->schema.column_count && strcmp(connector, "iceberg") != 0; i++)
        if (create->schema.columns[i].default_value)
            return err_set(err, ERR_UNSUPPORTED,
                           "line %u, column %u: column `%s`: only Iceberg tables have DEFAULT",
                           create->schema.columns[i].name.pos.line,
                           create->schema.columns[i].name.pos.column,
                           create->schema.columns[i].name.text);
    if (!strcmp(connector, "iceberg"))
        rc = alias_lake_table(s, create, entry, err);
    if (rc)
        return rc;
    entry->next = s->tables;
    s->tables = entry;
    return 0;
}

static int create_view(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_view *create = st->create_view;
    struct table_entry *entry = ARENA_NEW(s->arena, struct table_entry);
    struct sql_bound *bound;
    struct full_name name;
    int rc = entry ? complete(s, &create->name, &name, err) : session_no_memory(err);

    if (rc)
        return rc;
    if (name.entry->lake)
        return err_set(err, ERR_UNSUPPORTED,
                       "views in an Iceberg catalog are not built yet: "
                       "create it in " MEMORY_CATALOG "." MEMORY_DATABASE);
    if (session_find_table(s, name.database, name.name) && !create->or_replace)
        return create->if_not_exists ? 0
                                     : err_set(err, ERR_EXISTS, "`%s` exists already", name.name);
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
    entry->next = s->tables;
    s->tables = entry;
    return 0;
}

/* Is the catalog behind this address ours? Host names of one machine are many, ports are few: what
 * counts is the port. */
static bool uri_is_ours(struct session *s, const char *uri)
{
    const int *ports = connector_catalog_ports(s->connector);
    const char *host = strstr(uri, "://");
    const char *colon = strchr(host ? host + 3 : uri, ':');
    int port = colon ? atoi(colon + 1) : 80;

    for (; ports && *ports; ports++)
        if (*ports == port)
            return true;
    return false;
}

static int create_catalog(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_catalog *create = st->create_catalog;
    const char *name = create->name.parts[0].text;
    const char *type = sql_option(&create->options, "type");
    const char *uri;
    int rc = sql_catalog_options_check(&create->options, st->pos, err);

    if (rc)
        return rc;
    if (session_find_catalog(s, name))
        return create->if_not_exists || session_find_catalog(s, name)->lake
                   ? 0
                   : err_set(err, ERR_EXISTS, "catalog `%s` exists already", name);
    if (type && !strcmp(type, "generic_in_memory"))
        return err_set(err, ERR_UNSUPPORTED,
                       "a second in-memory catalog is not built: use " MEMORY_CATALOG);
    uri = sql_option(&create->options, "uri");
    if (uri && !uri_is_ours(s, uri))
        return err_set(
            err, ERR_UNSUPPORTED,
            "catalog `%s` is at %s, which is not this tarn's catalog: jobs commit to our "
            "own catalog only, so far",
            name, uri);
    return session_add_catalog(s, name, true, sql_option(&create->options, "default-database"),
                               err);
}

static int create_database(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_database *create = st->create_database;
    const char *name = create->name.parts[create->name.count - 1].text;
    const char *catalog = create->name.count > 1 ? create->name.parts[0].text : s->catalog;
    struct catalog_entry *entry = session_find_catalog(s, catalog);
    int rc;

    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
    if (entry->lake) {
        rc = catalog_namespace_create(s->lake_catalog, name, NULL, err);
        return rc == ERR_EXISTS && (create->if_not_exists || s->replays) ? 0 : rc;
    }
    if (session_has_database(s, name))
        return create->if_not_exists
                   ? 0
                   : err_set(err, ERR_EXISTS, "database `%s` exists already", name);
    return session_add_database(s, name, err);
}

/* Only the name: the tables are the Iceberg catalog's and stay. */
static int drop_catalog(struct session *s, const struct sql_drop *d, struct err *err)
{
    const char *name = d->name.parts[d->name.count - 1].text;

    for (struct catalog_entry **link = &s->catalogs; *link; link = &(*link)->next) {
        if (strcmp((*link)->name, name) != 0)
            continue;
        if (!strcmp(name, s->catalog) || !strcmp(name, MEMORY_CATALOG))
            return err_set(err, ERR_INVALID, "catalog `%s` is in use", name);
        *link = (*link)->next;
        return 0;
    }
    return d->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no catalog `%s`", name);
}

/* With CASCADE its tables go with it; Flink refuses to drop one that has some otherwise. */
static int drop_memory_database(struct session *s, const struct sql_drop *d, struct err *err)
{
    const char *name = d->name.parts[d->name.count - 1].text;
    struct database_entry **link = &s->databases;

    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    if (!*link)
        return d->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no database `%s`", name);
    if (!strcmp(name, MEMORY_DATABASE))
        return err_set(err, ERR_INVALID, "database `%s` is always there", name);
    for (struct table_entry *t = s->tables; t; t = t->next) {
        if (t->dropped || strcmp(t->table.database, name) != 0)
            continue;
        if (!d->cascade)
            return err_set(err, ERR_INVALID,
                           "database `%s` is not empty: DROP DATABASE ... CASCADE", name);
        t->dropped = true;
    }
    *link = (*link)->next;
    return 0;
}

static int drop(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_drop *d = st->drop;
    struct table_entry *table;
    struct full_name name;
    int rc;

    if (d->object == SQL_OBJECT_DATABASE) {
        const char *catalog = d->name.count > 1 ? d->name.parts[0].text : s->catalog;
        struct catalog_entry *entry = session_find_catalog(s, catalog);

        if (!entry)
            return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
        if (!entry->lake)
            return drop_memory_database(s, d, err);
        if (s->replays)
            return 0;
        rc = catalog_namespace_drop(s->lake_catalog, d->name.parts[d->name.count - 1].text, err);
        return rc == ERR_NOENT && d->if_exists ? 0 : rc;
    }
    if (d->object == SQL_OBJECT_FUNCTION)
        return session_drop_function(s, d, err);
    if (d->object == SQL_OBJECT_CATALOG)
        return drop_catalog(s, d, err);
    if (d->object != SQL_OBJECT_TABLE && d->object != SQL_OBJECT_VIEW)
        return err_set(err, ERR_UNSUPPORTED,
                       "DROP of a materialized table: there are none, tables are filled by INSERT");
    rc = complete(s, &d->name, &name, err);
    if (rc)
        return rc;
    if (name.entry->lake && s->replays)
        return 0;
    if (name.entry->lake) {
        struct lake_ident ident = {name.database, name.name};

        rc = catalog_table_drop(s->lake_catalog, &ident, false, err);
        return rc == ERR_NOENT && d->if_exists ? 0 : rc;
    }
    table = session_find_table(s, name.database, name.name);
    if (!table)
        return d->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no table `%s`", name.name);
    table->dropped = true;
    return 0;
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
    else if (!session_has_database(s, last))
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
    {SQL_STMT_CREATE_CATALOG, create_catalog},
    {SQL_STMT_CREATE_DATABASE, create_database},
    {SQL_STMT_CREATE_FUNCTION, session_create_function},
    {SQL_STMT_JAR, session_pass_over},
    {SQL_STMT_MODULE, session_pass_over},
    {SQL_STMT_DROP, drop},
    {SQL_STMT_ALTER_TABLE, session_alter_table},
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
