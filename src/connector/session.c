/* session.c - the names of one script or user.
 *
 * Lists are short (a script defines some tens of tables), so they are searched from the newest. A
 * table of the lake is loaded when it is named and kept for the session's life of that statement's
 * arena: two statements may see two versions, one statement sees one.
 */
#include <stdio.h>

#include "connector/session_int.h"
#include "sql/foreign.h"

int session_no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "session");
}

int session_add_catalog(struct session *s, const char *name, bool lake, const char *database,
                        struct err *err)
{
    struct catalog_entry *entry = ARENA_NEW(s->arena, struct catalog_entry);

    if (!entry)
        return session_no_memory(err);
    entry->name = arena_strdup(s->arena, name);
    entry->lake = lake;
    entry->default_database = database ? arena_strdup(s->arena, database) : NULL;
    if (!entry->name)
        return session_no_memory(err);
    entry->next = s->catalogs;
    s->catalogs = entry;
    return 0;
}

int session_add_database(struct session *s, const char *catalog, const char *name, struct err *err)
{
    struct database_entry *entry = ARENA_NEW(s->arena, struct database_entry);

    if (!entry || !(entry->name = arena_strdup(s->arena, name)) ||
        !(entry->catalog = arena_strdup(s->arena, catalog)))
        return session_no_memory(err);
    entry->next = s->databases;
    s->databases = entry;
    return 0;
}

struct catalog_entry *session_find_catalog(struct session *s, const char *name)
{
    struct catalog_entry *entry = s->catalogs;

    while (entry && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry;
}

bool session_has_database(struct session *s, const char *catalog, const char *name)
{
    struct database_entry *entry = s->databases;

    while (entry && (strcmp(entry->name, name) != 0 || strcmp(entry->catalog, catalog) != 0))
        entry = entry->next;
    return entry != NULL;
}

struct table_entry *session_find_table(struct session *s, const char *catalog, const char *database,
                                       const char *name)
{
    struct table_entry *entry = s->tables;

    while (entry &&
           (entry->dropped || strcmp(entry->table.catalog, catalog) != 0 ||
            strcmp(entry->table.database, database) != 0 || strcmp(entry->table.name, name) != 0))
        entry = entry->next;
    return entry;
}

int session_new(struct session **out, struct connector *connector, struct arena *arena,
                struct err *err)
{
    struct session *s = ARENA_NEW(arena, struct session);
    int rc;

    if (!s)
        return session_no_memory(err);
    s->connector = connector;
    s->arena = arena;
    s->lake_catalog = connector_lake_catalog(connector);
    s->catalog = MEMORY_CATALOG;
    s->database = MEMORY_DATABASE;
    s->resolver = (struct sql_resolver){.table = session_table,
                                        .table_at = session_table_at,
                                        .function = session_function,
                                        .arg = s,
                                        .database = s->database};
    rc = session_add_catalog(s, catalog_name(s->lake_catalog), true, NULL, err);
    if (!rc)
        rc = session_add_catalog(s, MEMORY_CATALOG, false, MEMORY_DATABASE, err);
    if (!rc)
        rc = session_add_database(s, MEMORY_CATALOG, MEMORY_DATABASE, err);
    if (!rc)
        *out = s;
    return rc;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    for (struct loaded *l = s->loaded; l; l = l->next)
        lake_metadata_free(l->handle.metadata);
    s->loaded = NULL;
}

const struct sql_resolver *session_resolver(struct session *s)
{
    s->resolver.time_zone = session_setting(s, "table.local-time-zone");
    s->resolver.database = s->database;
    return &s->resolver;
}

void session_evaluate_with(struct session *s, struct session_evaluator evaluator)
{
    s->evaluator = evaluator;
}

bool session_table_ends(const struct sql_table *table)
{
    const struct session_table *handle = table->handle;

    return handle->kind == SESSION_LAKE || handle->kind == SESSION_STATE;
}

void session_states_with(struct session *s, struct session_states states)
{
    s->states = states;
}

static bool is_states(struct session *s, const char *catalog)
{
    return s->states.table && !strcmp(catalog, SESSION_STATES) && !session_find_catalog(s, catalog);
}

const char *session_catalog(struct session *s)
{
    return s->catalog;
}
const char *session_database(struct session *s)
{
    return s->database;
}

/* ---- looking names up ---- */

int session_lake_columns(struct session *s, const struct lake_schema *schema, struct sql_table *out,
                         struct err *err)
{
    struct sql_column *columns = ARENA_ARRAY(s->arena, struct sql_column, schema->root.field_count);
    int rc;

    if (!columns)
        return session_no_memory(err);
    for (size_t i = 0; i < schema->root.field_count; i++) {
        const struct lake_field *field = &schema->root.fields[i];

        columns[i].name = field->name;
        columns[i].comment = field->doc;
        columns[i].type = type_from_lake(s->arena, &field->type, field->required);
        columns[i].kind = SQL_COLUMN_PHYSICAL;
        if (!columns[i].type)
            return session_no_memory(err);
        rc = session_given(s, field, &columns[i].given, err);
        if (rc)
            return rc;
    }
    out->columns = columns;
    out->column_count = schema->root.field_count;
    return 0;
}

static int no_such_table(struct session *s, const char *catalog, const char *database,
                         const char *name, struct err *err)
{
    struct session_names known = {0};
    const char *near = NULL;

    if (session_tables(s, catalog, database, false, &known, NULL) == 0)
        near = sql_nearest(name, known.list, known.count);
    return err_set(err, ERR_NOENT, "there is no table `%s`.`%s`.`%s`%s%s%s", catalog, database,
                   name, near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

/* A view of the catalog is its query in a dialect that our parser may read; names in it are looked
 * up where the view says, not where the statement stands. */
static int load_lake_view(struct session *s, const char *catalog, const struct lake_ident *ident,
                          struct loaded *l, struct err *err)
{
    static const char *const dialects[] = {"tarn", "flink", "spark", "trino", "duckdb"};
    struct catalog_view view;
    struct sql_query *query = NULL;
    const char *sql, *dialect = NULL, *ns;
    int rc = catalog_view_load(s->lake_catalog, ident, s->arena, &view, err);

    if (rc)
        return rc;
    sql = lake_view_sql(view.view, dialects, COUNT_OF(dialects), &dialect);
    if (sql) {
        sql = arena_strdup(s->arena, sql);
        sql = sql ? sql_foreign_quotes(sql, dialect, s->arena) : NULL;
        if (!sql) {
            catalog_view_deinit(&view);
            return session_no_memory(err);
        }
    }
    ns = json_string_value(
        json_array_get(json_object_get(view.view->version, "default-namespace"), 0));
    ns = ns ? arena_strdup(s->arena, ns) : ident->ns;
    catalog_view_deinit(&view);
    if (!sql)
        return err_set(err, ERR_UNSUPPORTED,
                       "view `%s` has no query in a dialect that can be read here", ident->name);
    rc = sql_parse_query(slice_str(sql), s->arena, &query, err);
    if (rc)
        return err_wrap(err, rc, "view `%s`, in the dialect of %s", ident->name, dialect);
    l->handle = (struct session_table){.kind = SESSION_VIEW, .ident = *ident, .text = sql};
    l->table.catalog = arena_strdup(s->arena, catalog);
    l->table.database = ident->ns;
    l->table.name = ident->name;
    l->table.handle = &l->handle;
    l->table.view = query;
    l->table.view_catalog = l->table.catalog;
    l->table.view_database = ns;
    return l->table.catalog && ns ? 0 : session_no_memory(err);
}

static int load_lake_table(struct session *s, const char *catalog, const char *database,
                           const char *name, const struct sql_table **out, struct err *err)
{
    struct loaded *l = ARENA_NEW(s->arena, struct loaded);
    struct catalog_table table = {0};
    struct lake_ident ident;
    int rc;

    if (!l)
        return session_no_memory(err);
    ident.ns = arena_strdup(s->arena, database);
    ident.name = arena_strdup(s->arena, name);
    if (!ident.ns || !ident.name)
        return session_no_memory(err);
    rc = catalog_table_load(s->lake_catalog, &ident, s->arena, &table, err);
    if (rc == ERR_NOENT && catalog_table_exists(s->lake_catalog, &ident, NULL) == ERR_NOENT) {
        rc = catalog_view_exists(s->lake_catalog, &ident, NULL)
                 ? no_such_table(s, catalog, database, name, err)
                 : load_lake_view(s, catalog, &ident, l, err);
        *out = rc ? NULL : &l->table;
        return rc;
    }
    if (rc)
        return rc;
    l->handle = (struct session_table){.kind = SESSION_LAKE, .ident = ident};
    l->handle.metadata = table.metadata; /* the session's from here on */
    l->handle.metadata_location = table.location;
    l->next = s->loaded;
    s->loaded = l;
    l->table.catalog = arena_strdup(s->arena, catalog);
    l->table.database = ident.ns;
    l->table.name = ident.name;
    l->table.handle = &l->handle;
    l->handle.snapshot_id = l->handle.inspect = -1;
    l->handle.schema = lake_metadata_schema(table.metadata);
    rc = session_lake_columns(s, l->handle.schema, &l->table, err);
    if (!rc)
        *out = &l->table;
    return rc;
}

static int state_table(struct session *s, const char *job, const char *name,
                       const struct sql_table **out, struct err *err)
{
    struct loaded *l = ARENA_NEW(s->arena, struct loaded);

    if (!l)
        return session_no_memory(err);
    l->handle = (struct session_table){.kind = SESSION_STATE, .snapshot_id = -1, .inspect = -1};
    l->table.catalog = SESSION_STATES;
    l->table.database = arena_strdup(s->arena, job);
    l->table.name = arena_strdup(s->arena, name);
    l->table.handle = &l->handle;
    *out = &l->table;
    return l->table.database && l->table.name
               ? s->states.table(s->states.arg, job, name, s->arena, &l->table, err)
               : session_no_memory(err);
}

static int look_up(struct session *s, const char *catalog, const char *database, const char *name,
                   const struct sql_table **out, struct err *err)
{
    struct catalog_entry *entry = session_find_catalog(s, catalog);
    struct table_entry *table;

    if (is_states(s, catalog))
        return state_table(s, database, name, out, err);
    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
    if (entry->lake)
        return load_lake_table(s, catalog, database, name, out, err);
    table = session_find_table(s, catalog, database, name);
    if (!table)
        return no_such_table(s, catalog, database, name, err);
    if (table->alias.name)
        return load_lake_table(s, catalog, table->alias.ns, table->alias.name, out, err);
    *out = &table->table;
    return 0;
}

int session_resolve(struct session *s, const char *const *parts, size_t count,
                    const struct sql_table **out, struct err *err)
{
    struct err second = {0};
    int rc;

    if (count == 3)
        return look_up(s, parts[0], parts[1], parts[2], out, err);
    if (count == 1)
        return look_up(s, s->catalog, s->database, parts[0], out, err);
    rc = look_up(s, s->catalog, parts[0], parts[1], out, err);
    if (rc == ERR_NOENT) {
        int other = look_up(s, catalog_name(s->lake_catalog), parts[0], parts[1], out, &second);

        if (other != ERR_NOENT) { /* found there, if only to be refused */
            if (other && err)
                *err = second;
            return other;
        }
    }
    return rc;
}

const char *session_setting(struct session *s, const char *key)
{
    for (size_t i = 0; i < s->setting_count; i++)
        if (!strcmp(s->settings[i].key, key))
            return s->settings[i].value;
    return NULL;
}

const struct session_setting_row *session_settings(struct session *s, size_t *count)
{
    *count = s->setting_count;
    return s->settings;
}

/* ---- lists ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sorted(struct session_names *names)
{
    if (names->count)
        qsort(names->list, names->count, sizeof(names->list[0]), by_name);
    return 0;
}

int session_catalogs(struct session *s, struct session_names *out, struct err *err)
{
    size_t count = 0;

    *out = (struct session_names){0};
    for (struct catalog_entry *c = s->catalogs; c; c = c->next)
        count++;
    out->list = ARENA_ARRAY(s->arena, const char *, count);
    if (!out->list)
        return session_no_memory(err);
    for (struct catalog_entry *c = s->catalogs; c; c = c->next)
        out->list[out->count++] = c->name;
    return sorted(out);
}

static int from_lake(struct catalog_names *names, struct session_names *out)
{
    out->list = names->list;
    out->count = names->count;
    return sorted(out);
}

int session_databases(struct session *s, const char *catalog, struct session_names *out,
                      struct err *err)
{
    struct catalog_entry *entry = session_find_catalog(s, catalog ? catalog : s->catalog);
    struct catalog_names names = {0};
    size_t count = 0;
    int rc;

    *out = (struct session_names){0};
    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog ? catalog : s->catalog);
    if (entry->lake) {
        rc = catalog_namespace_list(s->lake_catalog, NULL, NULL, 0, s->arena, &names, err);
        return rc ? rc : from_lake(&names, out);
    }
    for (struct database_entry *d = s->databases; d; d = d->next)
        count++;
    out->list = ARENA_ARRAY(s->arena, const char *, count);
    if (!out->list)
        return session_no_memory(err);
    for (struct database_entry *d = s->databases; d; d = d->next)
        if (!strcmp(d->catalog, entry->name))
            out->list[out->count++] = d->name;
    return sorted(out);
}

int session_tables(struct session *s, const char *catalog, const char *database, bool views_only,
                   struct session_names *out, struct err *err)
{
    struct catalog_entry *entry = session_find_catalog(s, catalog ? catalog : s->catalog);
    const char *db = database ? database : s->database;
    struct catalog_names names = {0};
    size_t count = 0;
    int rc;

    *out = (struct session_names){0};
    if (is_states(s, catalog ? catalog : s->catalog))
        return views_only ? 0 : s->states.names(s->states.arg, db, s->arena, out, err);
    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog ? catalog : s->catalog);
    if (entry->lake) {
        rc = (views_only ? catalog_view_list : catalog_table_list)(s->lake_catalog, db, NULL, 0,
                                                                   s->arena, &names, err);
        return rc ? rc : from_lake(&names, out);
    }
    for (struct table_entry *t = s->tables; t; t = t->next)
        count++;
    out->list = ARENA_ARRAY(s->arena, const char *, count ? count : 1);
    if (!out->list)
        return session_no_memory(err);
    for (struct table_entry *t = s->tables; t; t = t->next)
        if (!t->dropped && !strcmp(t->table.catalog, entry->name) &&
            !strcmp(t->table.database, db) && (!views_only || t->handle.kind == SESSION_VIEW))
            out->list[out->count++] = t->table.name;
    return sorted(out);
}
