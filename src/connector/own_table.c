/* own_table.c - a list of columns becomes a table, once. */
#include "connector/own_table.h"

#include "catalog/catalog.h"

int own_table_make(struct catalog *catalog, const struct lake_ident *ident,
                   const struct own_column *columns, size_t count, struct err *err)
{
    struct arena arena = {0};
    struct lake_field *fields = arena_array(&arena, count, sizeof(*fields));
    struct lake_schema schema = {
        .root = {.kind = LAKE_STRUCT, .fields = fields, .field_count = count}};
    struct lake_table_options options = {.schema = &schema, .streaming = true};
    struct catalog_table made = {0};
    int32_t last_id = 0;
    int rc;

    if (!fields)
        return err_set(err, ERR_NOMEM, "table %s.%s", ident->ns, ident->name);
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct lake_field){.name = columns[i].name,
                                        .doc = columns[i].doc,
                                        .required = columns[i].required,
                                        .type = {.kind = columns[i].kind}};
    lake_schema_number(&schema, &last_id);
    rc = catalog_namespace_create(catalog, ident->ns, NULL, err);
    if (rc == 0 || rc == ERR_EXISTS)
        rc = catalog_table_create(catalog, ident, &options, false, &arena, &made, err);
    catalog_table_deinit(&made);
    arena_deinit(&arena);
    return rc == ERR_EXISTS ? 0 : rc;
}
