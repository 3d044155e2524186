/* types.c - Iceberg's types as Flink's, and Flink's as Iceberg's.
 *
 * As Flink's own Iceberg connector maps them (iceberg docs, "Flink to Iceberg"), with one
 * exception: a uuid reads as text of 36 characters rather than as 16 raw bytes, because people
 * compare and print it. As UUID it can be declared too; elsewhere it is a STRING. */
#include "connector/session.h"

/* Kinds that need no more than their kind. */
static const struct {
    enum lake_kind lake;
    enum sql_type_kind sql;
    int argument; /* length or precision */
} simple[] = {
    {LAKE_BOOLEAN, SQL_BOOLEAN, 0},
    {LAKE_INT, SQL_INT, 0},
    {LAKE_LONG, SQL_BIGINT, 0},
    {LAKE_FLOAT, SQL_FLOAT, 0},
    {LAKE_DOUBLE, SQL_DOUBLE, 0},
    {LAKE_DATE, SQL_DATE, 0},
    {LAKE_TIME, SQL_TIME, 6},
    {LAKE_TIMESTAMP, SQL_TIMESTAMP, 6},
    {LAKE_TIMESTAMPTZ, SQL_TIMESTAMP_LTZ, 6},
    {LAKE_TIMESTAMP_NS, SQL_TIMESTAMP, 9},
    {LAKE_TIMESTAMPTZ_NS, SQL_TIMESTAMP_LTZ, 9},
    {LAKE_STRING, SQL_VARCHAR, SQL_LENGTH_MAX},
    {LAKE_UUID, SQL_VARCHAR, SQL_LENGTH_MAX},
    {LAKE_BINARY, SQL_VARBINARY, SQL_LENGTH_MAX},
    /* Only from Flink to Iceberg: */
    {LAKE_INT, SQL_TINYINT, 0},
    {LAKE_INT, SQL_SMALLINT, 0},
    {LAKE_STRING, SQL_CHAR, 0},
};

static const struct sql_type *row_from_lake(struct arena *arena, const struct lake_type *type)
{
    struct sql_field *fields = ARENA_ARRAY(arena, struct sql_field, type->field_count);

    if (!fields)
        return NULL;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct lake_field *field = &type->fields[i];

        fields[i].name = field->name;
        fields[i].comment = field->doc;
        fields[i].type = type_from_lake(arena, &field->type, field->required);
        if (!fields[i].type)
            return NULL;
    }
    return sql_type_row(arena, fields, type->field_count);
}

static const struct sql_type *nested_from_lake(struct arena *arena, const struct lake_type *type)
{
    const struct sql_type *item, *key;

    if (type->kind == LAKE_STRUCT)
        return row_from_lake(arena, type);
    item = type_from_lake(arena, &type->fields[type->field_count - 1].type,
                          type->fields[type->field_count - 1].required);
    if (!item || type->kind == LAKE_LIST)
        return item ? sql_type_array(arena, item) : NULL;
    key = type_from_lake(arena, &type->fields[0].type, true);
    return key ? sql_type_map(arena, key, item) : NULL;
}

static const struct sql_type *as_uuid(struct arena *arena, const struct sql_type *text)
{
    struct sql_type *out = ARENA_NEW(arena, struct sql_type);

    if (out) {
        *out = *text;
        out->uuid = true;
    }
    return out;
}

const struct sql_type *type_from_lake(struct arena *arena, const struct lake_type *type,
                                      bool required)
{
    const struct sql_type *out = NULL;

    if (!lake_type_primitive(type))
        out = nested_from_lake(arena, type);
    else if (type->kind == LAKE_DECIMAL)
        out = sql_type_decimal(arena, type->precision, type->scale);
    else if (type->kind == LAKE_FIXED)
        out = sql_type_of(arena, SQL_BINARY, type->width);
    else if (type->kind == LAKE_UNKNOWN)
        out = &sql_type_null;
    for (size_t i = 0; !out && i < COUNT_OF(simple); i++)
        if (simple[i].lake == type->kind)
            out = sql_type_of(arena, simple[i].sql, simple[i].argument);
    if (out && type->kind == LAKE_UUID)
        out = as_uuid(arena, out);
    return out ? sql_type_nullable(arena, out, !required) : NULL;
}

bool type_has_uuid(const struct sql_type *type)
{
    bool found = type->uuid || (type->key && type_has_uuid(type->key)) ||
                 (type->item && type_has_uuid(type->item));

    for (size_t i = 0; i < type->field_count && !found; i++)
        found = type_has_uuid(type->fields[i].type);
    return found;
}

static int fields_to_lake(struct arena *arena, struct lake_type *out, size_t count,
                          const char *const *names, const struct sql_type *const *types,
                          struct err *err)
{
    out->field_count = count;
    out->fields = ARENA_ARRAY(arena, struct lake_field, count);
    if (!out->fields)
        return err_set(err, ERR_NOMEM, "schema");
    for (size_t i = 0; i < count; i++) {
        int rc = type_to_lake(arena, types[i], &out->fields[i].type, err);

        if (rc)
            return err_wrap(err, rc, "%s", names[i]);
        out->fields[i].name = names[i];
        out->fields[i].required = !types[i]->nullable;
    }
    return 0;
}

static int row_to_lake(struct arena *arena, const struct sql_type *type, struct lake_type *out,
                       struct err *err)
{
    const char **names = ARENA_ARRAY(arena, const char *, type->field_count);
    const struct sql_type **types = ARENA_ARRAY(arena, const struct sql_type *, type->field_count);

    if (!names || !types)
        return err_set(err, ERR_NOMEM, "schema");
    for (size_t i = 0; i < type->field_count; i++) {
        names[i] = type->fields[i].name;
        types[i] = type->fields[i].type;
    }
    return fields_to_lake(arena, out, type->field_count, names, types, err);
}

/* TIMESTAMP(7..9) is of nanoseconds where the table's format has them, else of microseconds. */
void type_for_format(struct lake_type *type, int format)
{
    for (size_t i = 0; i < type->field_count; i++)
        type_for_format(&type->fields[i].type, format);
    if (format < 3 && type->kind == LAKE_TIMESTAMP_NS)
        type->kind = LAKE_TIMESTAMP;
    if (format < 3 && type->kind == LAKE_TIMESTAMPTZ_NS)
        type->kind = LAKE_TIMESTAMPTZ;
}

int type_to_lake(struct arena *arena, const struct sql_type *type, struct lake_type *out,
                 struct err *err)
{
    static const char *const element[] = {"element"}, *const entry[] = {"key", "value"};
    struct buf text = {0};

    *out = (struct lake_type){0};
    switch (type->kind) {
    case SQL_DECIMAL:
        *out = (struct lake_type){LAKE_DECIMAL, type->precision, type->scale, 0, NULL, 0};
        return 0;
    case SQL_BINARY:
        *out = (struct lake_type){.kind = LAKE_FIXED, .width = type->length};
        return 0;
    case SQL_ROW:
        out->kind = LAKE_STRUCT;
        return row_to_lake(arena, type, out, err);
    case SQL_ARRAY:
        out->kind = LAKE_LIST;
        return fields_to_lake(arena, out, 1, element, &type->item, err);
    case SQL_MAP:
    case SQL_MULTISET: {
        const struct sql_type *types[2] = {type->key, type->item};

        if (type->kind == SQL_MULTISET) { /* element -> how often */
            types[0] = type->item;
            types[1] = &sql_type_int;
        }
        types[0] = sql_type_nullable(arena, types[0], false);
        if (!types[0])
            return err_set(err, ERR_NOMEM, "schema");
        out->kind = LAKE_MAP;
        return fields_to_lake(arena, out, 2, entry, types, err);
    }
    default:
        break;
    }
    for (size_t i = 0; i < COUNT_OF(simple); i++)
        if (simple[i].sql == type->kind && type->uuid == (simple[i].lake == LAKE_UUID)) {
            out->kind = simple[i].lake;
            if (type->precision > 6 && out->kind == LAKE_TIMESTAMP)
                out->kind = LAKE_TIMESTAMP_NS;
            if (type->precision > 6 && out->kind == LAKE_TIMESTAMPTZ)
                out->kind = LAKE_TIMESTAMPTZ_NS;
            return 0;
        }
    sql_type_print(type, &text);
    err_set(err, ERR_UNSUPPORTED, "an Iceberg table has no column of type " SLICE_FMT,
            SLICE_ARG(buf_slice(&text)));
    buf_deinit(&text);
    return ERR_UNSUPPORTED;
}
