/* lake_ddl.c - CREATE TABLE in the Iceberg catalog: schema, partition spec, properties. */
#include <stdio.h>

#include "connector/session_int.h"

/* "day(created_at), bucket(16, id)" in the option 'partitioning', or PARTITIONED BY (a, b):
 * identity. Flink's DDL has no words for Iceberg's other transforms. */
static int add_partition_field(struct session *s, const struct lake_schema *schema,
                               const char *transform, const char *column,
                               struct lake_partition_spec *spec, struct err *err)
{
    struct lake_partition_field *field = &spec->fields[spec->field_count];
    const struct lake_field *source = lake_schema_by_name(schema, column);
    int rc;

    if (!source)
        return err_set(err, ERR_INVALID, "partitioning: there is no column `%s`", column);
    rc = lake_transform_parse(transform, s->arena, &field->transform, err);
    if (rc)
        return rc;
    if (field->transform.kind == LAKE_UNKNOWN_TRANSFORM)
        return err_set(err, ERR_INVALID, "partitioning: unknown transform '%s'", transform);
    field->source_id = source->id;
    field->field_id = 1000 + (int32_t)spec->field_count;
    field->name =
        field->transform.kind == LAKE_IDENTITY
            ? column
            : arena_printf(s->arena, "%s_%.*s", column,
                           field->transform.kind == LAKE_TRUNCATE ? 5 /* Java's name: c_trunc */
                                                                  : (int)strcspn(transform, "["),
                           transform);
    spec->field_count++;
    return field->name ? 0 : session_no_memory(err);
}

/* One item of 'partitioning': "day(c)", "bucket(16, c)", "c". Iceberg spells bucket[16]. */
static int add_partition_text(struct session *s, const struct lake_schema *schema, char *item,
                              struct lake_partition_spec *spec, struct err *err)
{
    char *open = strchr(item, '('), *close = strrchr(item, ')'), *comma;
    char *column = item;
    const char *transform = "identity";

    if (open && close && close > open) {
        *open = *close = '\0';
        transform = item;
        column = open + 1;
        comma = strchr(column, ',');
        if (comma) {
            *comma = '\0';
            transform = arena_printf(s->arena, "%s[%s]", item, column);
            column = comma + 1;
        }
    }
    column += strspn(column, " ");
    column[strcspn(column, " ")] = '\0';
    return transform ? add_partition_field(s, schema, transform, column, spec, err)
                     : session_no_memory(err);
}

static int partition_spec(struct session *s, const struct sql_create_table *create,
                          const struct lake_schema *schema, const char *text,
                          struct lake_partition_spec *spec, struct err *err)
{
    char *rest = text ? arena_strdup(s->arena, text) : NULL;
    size_t max = create->partition_count + (text ? strlen(text) : 0);
    int rc = 0;

    spec->fields = ARENA_ARRAY(s->arena, struct lake_partition_field, max ? max : 1);
    if (!spec->fields || (text && !rest))
        return session_no_memory(err);
    for (size_t i = 0; i < create->partition_count && !rc; i++)
        rc = add_partition_field(s, schema, "identity", create->partitions[i].text, spec, err);
    while (rest && *rest && !rc) { /* commas inside parentheses do not end an item */
        size_t len = 0;
        int depth = 0;
        char *item = rest;

        for (; rest[len] && (depth || rest[len] != ','); len++)
            depth += rest[len] == '(' ? 1 : rest[len] == ')' ? -1 : 0;
        rest += len + (rest[len] != '\0');
        item[len] = '\0';
        item += strspn(item, " ");
        if (*item)
            rc = add_partition_text(s, schema, item, spec, err);
    }
    return rc;
}

/* What CREATE TABLE says behind a column's type. The rows of a new table all have the column: so
 * it is only what is written, and no row reads as it. */
static int add_defaults(struct session *s, const struct sql_schema_def *said, int format,
                        struct lake_schema *schema, struct err *err)
{
    for (size_t i = 0; i < said->column_count; i++) {
        const struct sql_column_def *def = &said->columns[i];
        struct lake_field *field = NULL;
        int rc;

        for (size_t k = 0; k < schema->root.field_count && def->default_value && !field; k++)
            if (!strcmp(schema->root.fields[k].name, def->name.text))
                field = &schema->root.fields[k];
        if (!field)
            continue;
        rc = session_default(s, def->default_value, field->name, &field->type, format,
                             &field->write_default, err);
        if (rc)
            return err_wrap(err, rc, "line %u, column %u", def->name.pos.line,
                            def->name.pos.column);
    }
    return 0;
}

static int lake_schema_of(struct session *s, const struct sql_table *table,
                          struct lake_schema *schema, struct err *err)
{
    struct lake_field *fields = ARENA_ARRAY(s->arena, struct lake_field, table->column_count);
    size_t count = 0;
    int32_t last_id = 0;

    if (!fields)
        return session_no_memory(err);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];
        int rc;

        if (column->kind != SQL_COLUMN_PHYSICAL)
            return err_set(err, ERR_UNSUPPORTED,
                           "an Iceberg table has no computed or metadata columns: `%s`",
                           column->name);
        rc = type_to_lake(s->arena, column->type, &fields[count].type, err);
        if (rc)
            return err_wrap(err, rc, "column `%s`", column->name);
        fields[count].name = column->name;
        fields[count].doc = column->comment;
        fields[count].required = !column->type->nullable;
        count++;
    }
    schema->root = (struct lake_type){.kind = LAKE_STRUCT, .fields = fields, .field_count = count};
    lake_schema_number(schema, &last_id);
    schema->identifier_ids =
        ARENA_ARRAY(s->arena, int32_t, table->primary_key_count ? table->primary_key_count : 1);
    if (!schema->identifier_ids)
        return session_no_memory(err);
    for (size_t i = 0; i < table->primary_key_count; i++) {
        const struct lake_field *key = lake_schema_by_name(schema, table->primary_key[i]);

        if (key)
            schema->identifier_ids[schema->identifier_count++] = key->id;
    }
    return 0;
}

int lake_table_create(struct session *s, const struct lake_ident *ident,
                      const struct sql_create_table *create, const struct sql_table *table,
                      struct err *err)
{
    struct lake_schema schema = {0};
    struct lake_partition_spec spec = {0};
    struct lake_table_options options = {.schema = &schema, .spec = &spec, .streaming = true};
    struct catalog_table made = {0};
    const char *partitioning = NULL;
    struct lake_property *properties;
    int rc;

    if (catalog_table_exists(s->lake_catalog, ident, NULL) == 0)
        return create->if_not_exists || s->replays
                   ? 0
                   : err_set(err, ERR_EXISTS, "table `%s`.`%s` exists already", ident->ns,
                             ident->name);
    rc = lake_schema_of(s, table, &schema, err);
    if (rc)
        return rc;
    properties = ARENA_ARRAY(s->arena, struct lake_property, create->options.count + 1);
    if (!properties)
        return session_no_memory(err);
    for (size_t i = 0; i < create->options.count; i++) {
        const struct sql_option *o = &create->options.list[i];

        if (!strcmp(o->key, "partitioning"))
            partitioning = o->value;
        else if (!strcmp(o->key, "format-version"))
            options.format_version = atoi(o->value);
        else if (!strcmp(o->key, "location"))
            options.location = o->value;
        else if (strcmp(o->key, "connector") != 0)
            properties[options.property_count++] = (struct lake_property){o->key, o->value};
    }
    options.properties = properties;
    if (!options.format_version)
        options.format_version = 2;
    type_for_format(&schema.root, options.format_version);
    rc = add_defaults(s, &create->schema, options.format_version, &schema, err);
    if (!rc)
        rc = partition_spec(s, create, &schema, partitioning, &spec, err);
    if (!rc)
        rc = catalog_table_create(s->lake_catalog, ident, &options, false, s->arena, &made, err);
    if (rc == ERR_NOENT)
        rc = err_set(err, rc, "there is no database `%s`: CREATE DATABASE makes it", ident->ns);
    catalog_table_deinit(&made);
    return rc == ERR_EXISTS && create->if_not_exists ? 0 : rc;
}
