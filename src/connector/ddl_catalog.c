/* ddl_catalog.c - catalogs and databases: a catalog is the Iceberg catalog under a name, or in
 * memory for the life of the session.
 */
#include <stdio.h>

#include "connector/session_int.h"

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

static bool is_in_memory(const struct sql_options *options)
{
    const char *type = sql_option(options, "type");

    return type && !strcmp(type, "generic_in_memory");
}

static int check_options(struct session *s, const char *name, const struct sql_options *options,
                         struct sql_pos pos, struct err *err)
{
    const char *uri = sql_option(options, "uri");
    int rc = sql_catalog_options_check(options, pos, err);

    if (!rc && uri && !uri_is_ours(s, uri))
        rc = err_set(err, ERR_UNSUPPORTED,
                     "catalog `%s` is at %s, which is not this tarn's catalog: jobs commit to our "
                     "own catalog only, so far",
                     name, uri);
    return rc;
}

/* ---- catalogs -------------------------------------------------------------------------------- */

int session_create_catalog(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_catalog *create = st->create_catalog;
    const char *name = create->name.parts[0].text;
    const char *database = sql_option(&create->options, "default-database");
    bool memory = is_in_memory(&create->options);
    int rc = check_options(s, name, &create->options, st->pos, err);

    if (rc)
        return rc;
    if (session_find_catalog(s, name))
        return create->if_not_exists || session_find_catalog(s, name)->lake
                   ? 0
                   : err_set(err, ERR_EXISTS, "catalog `%s` exists already", name);
    if (memory && !database)
        database = "default"; /* as Flink's GenericInMemoryCatalog */
    rc = session_add_catalog(s, name, !memory, database, err);
    if (!rc && memory)
        rc = session_add_database(s, name, database, err);
    if (!rc) {
        s->catalogs->options = create->options;
        s->catalogs->comment = create->comment;
    }
    return rc;
}

/* The old options without those that the statement names, and those that it sets. */
static int changed_options(struct session *s, const struct sql_options *old,
                           const struct sql_alter *alter, struct sql_options *out, struct err *err)
{
    const struct sql_options *given = &alter->options;

    *out = (struct sql_options){
        ARENA_ARRAY(s->arena, struct sql_option, old->count + given->count + 1), 0};
    if (!out->list)
        return session_no_memory(err);
    for (size_t i = 0; i < given->count; i++)
        if (!strcmp(given->list[i].key, "type"))
            return err_set(err, ERR_INVALID, "ALTER CATALOG %s does not support changing 'type'",
                           alter->action == SQL_ALTER_SET ? "SET" : "RESET");
    for (size_t i = 0; i < old->count; i++) {
        bool named = false;

        for (size_t k = 0; k < given->count && !named; k++)
            named = !strcmp(given->list[k].key, old->list[i].key);
        if (!named)
            out->list[out->count++] = old->list[i];
    }
    for (size_t i = 0; alter->action == SQL_ALTER_SET && i < given->count; i++)
        out->list[out->count++] = given->list[i];
    return 0;
}

int session_alter_catalog(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_alter *alter = st->alter;
    const char *name = alter->name.parts[alter->name.count - 1].text;
    struct catalog_entry *entry = session_find_catalog(s, name);
    struct sql_options options;
    const char *database;
    int rc;

    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", name);
    if (alter->action == SQL_ALTER_COMMENT) {
        entry->comment = alter->comment;
        return 0;
    }
    if (!entry->options.count)
        return err_set(err, ERR_INVALID, "catalog `%s` was not made by CREATE CATALOG", name);
    rc = changed_options(s, &entry->options, alter, &options, err);
    if (!rc)
        rc = check_options(s, name, &options, st->pos, err);
    if (rc)
        return rc;
    database = sql_option(&options, "default-database");
    entry->options = options;
    entry->default_database = database || entry->lake ? database : "default";
    return 0;
}

/* Only the name: the tables are the Iceberg catalog's and stay; those in memory go with it. */
int session_drop_catalog(struct session *s, const struct sql_drop *d, struct err *err)
{
    const char *name = d->name.parts[d->name.count - 1].text;

    for (struct catalog_entry **link = &s->catalogs; *link; link = &(*link)->next) {
        if (strcmp((*link)->name, name) != 0)
            continue;
        if (!strcmp(name, s->catalog) || !strcmp(name, MEMORY_CATALOG))
            return err_set(err, ERR_INVALID, "catalog `%s` is in use", name);
        for (struct table_entry *t = s->tables; t && !(*link)->lake; t = t->next)
            t->dropped = t->dropped || !strcmp(t->table.catalog, name);
        for (struct database_entry **at = &s->databases; *at && !(*link)->lake;)
            if (!strcmp((*at)->catalog, name))
                *at = (*at)->next;
            else
                at = &(*at)->next;
        *link = (*link)->next;
        return 0;
    }
    return d->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no catalog `%s`", name);
}

/* ---- databases ------------------------------------------------------------------------------- */

int session_create_database(struct session *s, const struct sql_statement *st, struct err *err)
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
    if (session_has_database(s, catalog, name))
        return create->if_not_exists
                   ? 0
                   : err_set(err, ERR_EXISTS, "database `%s` exists already", name);
    return session_add_database(s, catalog, name, err);
}

/* With CASCADE its tables go with it; Flink refuses to drop one that has some otherwise. */
static int drop_in_memory(struct session *s, const struct sql_drop *d, const char *catalog,
                          struct err *err)
{
    const char *name = d->name.parts[d->name.count - 1].text;
    struct database_entry **link = &s->databases;

    while (*link && (strcmp((*link)->name, name) != 0 || strcmp((*link)->catalog, catalog) != 0))
        link = &(*link)->next;
    if (!*link)
        return d->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no database `%s`", name);
    if (!strcmp(name, MEMORY_DATABASE) && !strcmp(catalog, MEMORY_CATALOG))
        return err_set(err, ERR_INVALID, "database `%s` is always there", name);
    for (struct table_entry *t = s->tables; t; t = t->next) {
        if (t->dropped || strcmp(t->table.database, name) != 0 ||
            strcmp(t->table.catalog, catalog) != 0)
            continue;
        if (!d->cascade)
            return err_set(err, ERR_INVALID,
                           "database `%s` is not empty: DROP DATABASE ... CASCADE", name);
        t->dropped = true;
    }
    *link = (*link)->next;
    return 0;
}

int session_drop_database(struct session *s, const struct sql_drop *d, struct err *err)
{
    const char *catalog = d->name.count > 1 ? d->name.parts[0].text : s->catalog;
    struct catalog_entry *entry = session_find_catalog(s, catalog);
    int rc;

    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
    if (!entry->lake)
        return drop_in_memory(s, d, catalog, err);
    if (s->replays)
        return 0;
    rc = catalog_namespace_drop(s->lake_catalog, d->name.parts[d->name.count - 1].text, err);
    return rc == ERR_NOENT && d->if_exists ? 0 : rc;
}

/* In memory there is nothing that shows what was set: neither is there in Flink 1.20. */
int session_alter_database(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_alter *alter = st->alter;
    const char *name = alter->name.parts[alter->name.count - 1].text;
    const char *catalog = alter->name.count > 1 ? alter->name.parts[0].text : s->catalog;
    struct catalog_entry *entry = session_find_catalog(s, catalog);
    json_t *updates, *result = NULL;
    int rc = 0;

    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", catalog);
    if (!entry->lake)
        return session_has_database(s, catalog, name)
                   ? 0
                   : err_set(err, ERR_NOENT, "there is no database `%s`", name);
    if (s->replays)
        return 0;
    updates = json_object();
    for (size_t i = 0; i < alter->options.count && !rc; i++)
        rc = json_object_set_new(updates, alter->options.list[i].key,
                                 json_string(alter->options.list[i].value))
                 ? session_no_memory(err)
                 : 0;
    if (!rc)
        rc = catalog_namespace_update(s->lake_catalog, name, NULL, updates, &result, err);
    json_decref(updates);
    json_decref(result);
    return rc;
}

/* ---- what is said of them -------------------------------------------------------------------- */

int session_catalog_options(struct session *s, const char *name, const struct sql_options **options,
                            const char **comment, struct err *err)
{
    static struct sql_option memory_type[] = {{.key = "type", .value = "generic_in_memory"}};
    static struct sql_option lake_type[] = {{.key = "type", .value = "iceberg"}};
    static const struct sql_options memory = {memory_type, 1}, lake = {lake_type, 1};
    const struct catalog_entry *entry = session_find_catalog(s, name);

    if (!entry)
        return err_set(err, ERR_NOENT, "there is no catalog `%s`", name);
    *comment = entry->comment;
    *options = entry->options.count ? &entry->options : entry->lake ? &lake : &memory;
    return 0;
}
