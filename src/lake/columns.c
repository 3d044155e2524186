/* columns.c - a table's columns as DuckDB's: types built, and compared with those of a feed. */
#include "lake/lake_int.h"

static int plain_type(const struct lake_type *type, duckdb_logical_type *out)
{
    static const duckdb_type ids[] = {
        [LAKE_BOOLEAN] = DUCKDB_TYPE_BOOLEAN,
        [LAKE_INT] = DUCKDB_TYPE_INTEGER,
        [LAKE_LONG] = DUCKDB_TYPE_BIGINT,
        [LAKE_FLOAT] = DUCKDB_TYPE_FLOAT,
        [LAKE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [LAKE_DATE] = DUCKDB_TYPE_DATE,
        [LAKE_TIME] = DUCKDB_TYPE_TIME,
        [LAKE_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
        [LAKE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [LAKE_TIMESTAMP_NS] = DUCKDB_TYPE_TIMESTAMP_NS,
        [LAKE_TIMESTAMPTZ_NS] = DUCKDB_TYPE_TIMESTAMP_NS,
        [LAKE_STRING] = DUCKDB_TYPE_VARCHAR,
        [LAKE_UUID] = DUCKDB_TYPE_UUID,
        [LAKE_FIXED] = DUCKDB_TYPE_BLOB,
        [LAKE_BINARY] = DUCKDB_TYPE_BLOB,
        [LAKE_UNKNOWN] = DUCKDB_TYPE_INTEGER,
    };

    *out = type->kind == LAKE_DECIMAL
               ? duckdb_create_decimal_type((uint8_t)type->precision, (uint8_t)type->scale)
               : duckdb_create_logical_type(ids[type->kind]);
    return *out ? 0 : ERR_NOMEM;
}

static int duck_type(const struct lake_type *type, duckdb_logical_type *out)
{
    duckdb_logical_type *kids;
    const char **names;
    int rc = 0;

    if (lake_type_primitive(type))
        return plain_type(type, out);
    kids = calloc(type->field_count + 1, sizeof(*kids));
    names = calloc(type->field_count + 1, sizeof(*names));
    if (!kids || !names)
        rc = ERR_NOMEM;
    for (size_t i = 0; i < type->field_count && !rc; i++) {
        names[i] = type->fields[i].name;
        rc = duck_type(&type->fields[i].type, &kids[i]);
    }
    if (!rc) {
        *out = type->kind == LAKE_LIST  ? duckdb_create_list_type(kids[0])
               : type->kind == LAKE_MAP ? duckdb_create_map_type(kids[0], kids[1])
                                        : duckdb_create_struct_type(kids, names, type->field_count);
        rc = *out ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; kids && i < type->field_count; i++)
        if (kids[i])
            duckdb_destroy_logical_type(&kids[i]);
    free(kids);
    free(names);
    return rc;
}

int lake_columns(const struct lake_schema *schema, struct vec_columns *out, struct err *err)
{
    int rc = 0;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < schema->root.field_count && !rc; i++) {
        duckdb_logical_type type;

        rc = duck_type(&schema->root.fields[i].type, &type);
        rc = rc ? rc : vec_columns_add(out, schema->root.fields[i].name, type);
    }
    if (!rc)
        return 0;
    vec_columns_free(out);
    return err_set(err, rc, "columns of a table");
}

static bool same_type(duckdb_logical_type a, duckdb_logical_type b)
{
    duckdb_type id = duckdb_get_type_id(a);
    duckdb_logical_type x, y;
    bool same = id == duckdb_get_type_id(b);
    idx_t count;

    if (!same)
        return false;
    if (id == DUCKDB_TYPE_DECIMAL)
        return duckdb_decimal_width(a) == duckdb_decimal_width(b) &&
               duckdb_decimal_scale(a) == duckdb_decimal_scale(b);
    count = id == DUCKDB_TYPE_STRUCT ? duckdb_struct_type_child_count(a)
            : id == DUCKDB_TYPE_LIST ? 1
            : id == DUCKDB_TYPE_MAP  ? 2
                                     : 0;
    if (id == DUCKDB_TYPE_STRUCT && count != duckdb_struct_type_child_count(b))
        return false;
    for (idx_t i = 0; i < count && same; i++) {
        if (id == DUCKDB_TYPE_STRUCT) {
            char *m = duckdb_struct_type_child_name(a, i), *n = duckdb_struct_type_child_name(b, i);

            same = m && n && !strcmp(m, n);
            duckdb_free(m);
            duckdb_free(n);
        }
        x = id == DUCKDB_TYPE_STRUCT ? duckdb_struct_type_child_type(a, i)
            : id == DUCKDB_TYPE_LIST ? duckdb_list_type_child_type(a)
            : i == 0                 ? duckdb_map_type_key_type(a)
                                     : duckdb_map_type_value_type(a);
        y = id == DUCKDB_TYPE_STRUCT ? duckdb_struct_type_child_type(b, i)
            : id == DUCKDB_TYPE_LIST ? duckdb_list_type_child_type(b)
            : i == 0                 ? duckdb_map_type_key_type(b)
                                     : duckdb_map_type_value_type(b);
        same = same && same_type(x, y);
        duckdb_destroy_logical_type(&x);
        duckdb_destroy_logical_type(&y);
    }
    return same;
}

bool columns_same(const struct vec_columns *a, const struct vec_columns *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->list[i].name, b->list[i].name) ||
            !same_type(a->list[i].type, b->list[i].type))
            return false;
    return true;
}
