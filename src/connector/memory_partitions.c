/* memory_partitions.c - partitions of tables in memory: names that a session keeps, as Flink's
 * catalog in memory does.
 */
#include "connector/session_int.h"

static const char *value_of(const struct sql_partition *spec, const char *column)
{
    for (size_t i = 0; i < spec->count; i++)
        if (!strcmp(spec->columns[i].text, column) && spec->values[i])
            return spec->values[i]->text;
    return NULL;
}

/* All keys and no others: p=1/q=a. */
static int name_of(struct session *s, const struct sql_table *table,
                   const struct sql_partition *spec, const char **out, struct err *err)
{
    const char *name = "";

    if (!table->partition_key_count)
        return err_set(err, ERR_INVALID, "Table %s.%s in catalog %s is not partitioned.",
                       table->database, table->name, table->catalog);
    for (size_t i = 0; i < table->partition_key_count && name; i++) {
        const char *value = value_of(spec, table->partition_keys[i]);

        if (!value || spec->count != table->partition_key_count)
            return err_set(err, ERR_INVALID,
                           "PARTITION (...) of table `%s` names each of its %zu partition keys "
                           "with a value",
                           table->name, table->partition_key_count);
        name = arena_printf(s->arena, "%s%s%s=%s", name, i ? "/" : "", table->partition_keys[i],
                            value);
    }
    *out = name;
    return name ? 0 : session_no_memory(err);
}

static struct partition_entry **find(struct partition_entry **list, const char *name)
{
    while (*list && strcmp((*list)->name, name) != 0)
        list = &(*list)->next;
    return list;
}

static int add(struct session *s, const char *name, bool if_not_exists,
               struct partition_entry **list, struct err *err)
{
    struct partition_entry *entry;

    if (*find(list, name))
        return if_not_exists ? 0 : err_set(err, ERR_EXISTS, "partition `%s` exists already", name);
    entry = ARENA_NEW(s->arena, struct partition_entry);
    if (!entry)
        return session_no_memory(err);
    *entry = (struct partition_entry){*list, name};
    *list = entry;
    return 0;
}

static int drop(const char *name, bool if_exists, struct partition_entry **list, struct err *err)
{
    struct partition_entry **at = find(list, name);

    if (!*at)
        return if_exists ? 0 : err_set(err, ERR_NOENT, "there is no partition `%s`", name);
    *at = (*at)->next;
    return 0;
}

/* Statements before this one mean the partitions as they were. */
static int copy(struct session *s, struct partition_entry **list, struct err *err)
{
    struct partition_entry *made = NULL;
    int rc = 0;

    for (const struct partition_entry *p = *list; p && !rc; p = p->next)
        rc = add(s, p->name, false, &made, err);
    *list = made;
    return rc;
}

int session_alter_partitions(struct session *s, const struct sql_alter *alter,
                             const struct sql_table *table, struct partition_entry **list,
                             struct err *err)
{
    int rc = copy(s, list, err);

    for (size_t i = 0; i < alter->partition_count && !rc; i++) {
        const char *name;

        rc = name_of(s, table, &alter->partitions[i], &name, err);
        if (!rc)
            rc = alter->action == SQL_ALTER_ADD_PARTITIONS
                     ? add(s, name, alter->if_not_exists, list, err)
                     : drop(name, alter->part_if_exists, list, err);
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int session_partitions(struct session *s, const struct sql_name *table, struct session_names *out,
                       struct err *err)
{
    const struct table_entry *entry;
    struct full_name name;
    size_t count = 0;
    int rc = session_complete(s, table, &name, err);

    *out = (struct session_names){0};
    if (rc)
        return rc;
    if (name.entry->lake)
        return err_set(err, ERR_UNSUPPORTED,
                       "SHOW PARTITIONS of an Iceberg table: SELECT * FROM "
                       "`%s`.partitions",
                       name.name);
    entry = session_find_table(s, name.catalog, name.database, name.name);
    if (!entry)
        return err_set(err, ERR_NOENT, "there is no table `%s`", name.name);
    if (!entry->table.partition_key_count)
        return err_set(err, ERR_INVALID, "Table %s.%s in catalog %s is not partitioned.",
                       name.database, name.name, name.catalog);
    for (const struct partition_entry *p = entry->partitions; p; p = p->next)
        count++;
    out->list = ARENA_ARRAY(s->arena, const char *, count + 1);
    if (!out->list)
        return session_no_memory(err);
    for (const struct partition_entry *p = entry->partitions; p; p = p->next)
        out->list[out->count++] = p->name;
    if (out->count)
        qsort(out->list, out->count, sizeof(out->list[0]), by_name);
    return 0;
}
