/* narrow.c - which columns and fields of a table are read, and the table of those. */
#include "connector/narrow.h"

/* Formats and sources that go by names. Keys of records, changes and a topic's history have columns
 * with a meaning of their own. */
bool narrow_may(const struct sql_table *table)
{
    static const char *const apart[] = {"key.format", "key.fields", "tarn.history"};
    const char *connector = sql_option(table->options, "connector");
    const char *format = sql_option(table->options, "value.format");

    if (!connector || sql_source_changes(table->options) != SQL_SOURCE_APPENDS)
        return false;
    if (!strcmp(connector, "nexmark"))
        return true;
    for (size_t i = 0; i < COUNT_OF(apart); i++)
        if (sql_option(table->options, apart[i]))
            return false;
    if (!format)
        format = sql_option(table->options, "format");
    return !strcmp(connector, "kafka") && format && !strcmp(format, "json");
}

int narrow_init(struct narrow *n, const struct sql_table *table, struct arena *arena)
{
    size_t count = table->column_count + 1;

    *n = (struct narrow){.table = table,
                         .arena = arena,
                         .whole = ARENA_ARRAY(arena, bool, count),
                         .fields = ARENA_ARRAY(arena, bool *, count)};
    if (!n->whole || !n->fields)
        return ERR_NOMEM;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_type *type = table->columns[i].type;

        if (!type || type->kind != SQL_ROW)
            continue;
        n->fields[i] = ARENA_ARRAY(arena, bool, type->field_count + 1);
        if (!n->fields[i])
            return ERR_NOMEM;
    }
    for (size_t i = 0; i < table->primary_key_count; i++)
        for (size_t c = 0; c < table->column_count; c++)
            n->whole[c] |= !strcmp(table->columns[c].name, table->primary_key[i]);
    return 0;
}

static void read_field(struct narrow *n, size_t column, const char *field)
{
    const struct sql_type *type = n->table->columns[column].type;

    for (size_t i = 0; n->fields[column] && i < type->field_count; i++)
        if (!strcmp(type->fields[i].name, field)) {
            n->fields[column][i] = true;
            return;
        }
    n->whole[column] = true;
}

void narrow_add(struct narrow *n, const struct sql_flow_scan *scan)
{
    for (size_t i = 0; i < scan->read_count; i++) {
        const struct sql_flow_read *read = &scan->reads[i];

        for (size_t c = 0; c < n->table->column_count; c++) {
            if (strcmp(n->table->columns[c].name, read->column) != 0)
                continue;
            if (read->field)
                read_field(n, c, read->field);
            else
                n->whole[c] = true;
        }
    }
}

/* How many fields of a column are read; of one that is no ROW none. */
static size_t field_count(const struct narrow *n, size_t column)
{
    size_t count = 0;

    for (size_t i = 0; n->fields[column] && i < n->table->columns[column].type->field_count; i++)
        count += n->fields[column][i];
    return count;
}

static const struct sql_type *narrow_row(const struct narrow *n, size_t column, size_t count)
{
    const struct sql_type *type = n->table->columns[column].type;
    struct sql_type *out = ARENA_NEW(n->arena, struct sql_type);
    struct sql_field *fields = ARENA_ARRAY(n->arena, struct sql_field, count);

    if (!out || !fields)
        return NULL;
    *out = *type;
    out->fields = fields;
    out->field_count = 0;
    for (size_t i = 0; i < type->field_count; i++)
        if (n->fields[column][i])
            fields[out->field_count++] = type->fields[i];
    return out;
}

/* The column that stands for rows of which nothing is read: they are counted. */
static size_t cheapest(const struct sql_table *table)
{
    size_t found = SIZE_MAX;

    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind != SQL_COLUMN_PHYSICAL)
            continue;
        if (column->type->kind != SQL_ROW)
            return i;
        found = found == SIZE_MAX ? i : found;
    }
    return found;
}

const struct sql_table *narrow_table(const struct narrow *n)
{
    struct sql_table *out = ARENA_NEW(n->arena, struct sql_table);
    struct sql_column *columns = ARENA_ARRAY(n->arena, struct sql_column, n->table->column_count);
    bool any = false;

    if (!out || !columns)
        return NULL;
    for (size_t i = 0; i < n->table->column_count; i++)
        any |= n->table->columns[i].kind == SQL_COLUMN_PHYSICAL &&
               (n->whole[i] || field_count(n, i) > 0);
    *out = *n->table;
    out->columns = columns;
    out->column_count = 0;
    for (size_t i = 0; i < n->table->column_count; i++) {
        const struct sql_column *column = &n->table->columns[i];
        size_t fields = field_count(n, i);
        bool whole =
            n->whole[i] || column->kind == SQL_COLUMN_COMPUTED || (!any && i == cheapest(n->table));

        if (!whole && !fields)
            continue;
        columns[out->column_count] = *column;
        if (!whole)
            columns[out->column_count].type = narrow_row(n, i, fields);
        if (!columns[out->column_count++].type && !whole)
            return NULL;
    }
    return out;
}
