/* alter.c - ALTER TABLE of an Iceberg table: every clause becomes updates of the catalog's own
 * kind, with the requirements that make them a conflict when the table changed meanwhile.
 *
 * Columns are changed by edits (lake/types.h), which keep ids; partition fields and orders are
 * added as new specs and orders, so that files written before stay readable under theirs. */
#include <stdio.h>

#include "connector/alter_int.h"

int alter_add(struct alter *a, json_t *update)
{
    return update && json_array_append_new(a->updates, update) == 0 ? 0 : session_no_memory(a->err);
}

int alter_require(struct alter *a, const char *type, const char *key, int64_t value)
{
    json_t *obj = json_pack("{s:s, s:I}", "type", type, key, (json_int_t)value);

    return obj && json_array_append_new(a->requirements, obj) == 0 ? 0 : session_no_memory(a->err);
}

/* "a.b.c" of the parts of a name. */
const char *alter_path(struct alter *a, const struct sql_name *name)
{
    const char *path = "";

    for (size_t i = 0; i < name->count && path; i++)
        path = arena_printf(a->arena, "%s%s%s", path, i ? "." : "", name->parts[i].text);
    return path;
}

const struct lake_field *alter_field(struct alter *a, const struct sql_name *name)
{
    const char *path = alter_path(a, name);

    return path ? lake_schema_by_name(lake_metadata_schema(a->m), path) : NULL;
}

/* ---- columns ---- */

struct edits {
    struct lake_edit *list;
    size_t count, cap;
};

static int add_edit(struct alter *a, struct edits *edits, struct lake_edit edit)
{
    if (edits->count == edits->cap) {
        size_t cap = edits->cap ? edits->cap * 2 : 8;
        struct lake_edit *more = ARENA_ARRAY(a->arena, struct lake_edit, cap);

        if (!more)
            return session_no_memory(a->err);
        if (edits->count)
            memcpy(more, edits->list, edits->count * sizeof(*more));
        edits->list = more;
        edits->cap = cap;
    }
    edits->list[edits->count++] = edit;
    return 0;
}

/* The new schema becomes the current one, when the edits make another of it. */
static int use_schema(struct alter *a, struct lake_schema *schema, int32_t last_id)
{
    int rc =
        alter_require(a, "assert-current-schema-id", "current-schema-id", a->m->current_schema_id);

    rc = rc ? rc
            : alter_require(a, "assert-last-assigned-field-id", "last-assigned-field-id",
                            a->m->last_column_id);
    rc = rc ? rc
            : alter_add(a, json_pack("{s:s, s:o, s:i}", "action", "add-schema", "schema",
                                     lake_schema_json(schema), "last-column-id", (int)last_id));
    return rc ? rc
              : alter_add(a,
                          json_pack("{s:s, s:i}", "action", "set-current-schema", "schema-id", -1));
}

static int apply_edits(struct alter *a, const struct edits *edits)
{
    struct lake_schema schema;
    int32_t last_id = a->m->last_column_id;
    int rc = edits->count
                 ? lake_schema_edit(lake_metadata_schema(a->m), edits->list, edits->count,
                                    a->m->format_version, &last_id, a->arena, &schema, a->err)
                 : 0;

    return rc || !edits->count ? rc : use_schema(a, &schema, last_id);
}

static int place(struct alter *a, struct edits *edits, const struct sql_column_def *def,
                 const char *path)
{
    if (def->position == SQL_POSITION_FIRST)
        return add_edit(a, edits, (struct lake_edit){.kind = LAKE_MOVE_FIRST, .column = path});
    if (def->position == SQL_POSITION_AFTER)
        return add_edit(
            a, edits,
            (struct lake_edit){.kind = LAKE_MOVE_AFTER, .column = path, .other = def->after.text});
    return 0;
}

static int add_column(struct alter *a, struct edits *edits, const struct sql_column_def *def)
{
    struct lake_type *type = ARENA_NEW(a->arena, struct lake_type);
    const char *path = alter_path(a, &def->path), *value = NULL;
    int rc = path && type ? 0 : session_no_memory(a->err);

    if (!rc && a->alter->if_not_exists && alter_field(a, &def->path))
        return 0;
    rc = rc ? rc : type_to_lake(a->arena, def->type, type, a->err);
    if (!rc)
        type_for_format(type, a->m->format_version);
    if (!rc && def->default_value)
        rc = session_default(a->s, def->default_value, path, type, a->m->format_version, &value,
                             a->err);
    rc = rc ? rc
            : add_edit(a, edits,
                       (struct lake_edit){.kind = LAKE_ADD,
                                          .column = path,
                                          .type = type,
                                          .required = !def->type->nullable,
                                          .value = value});
    if (!rc && def->comment)
        rc = add_edit(
            a, edits,
            (struct lake_edit){.kind = LAKE_SET_DOC, .column = path, .other = def->comment});
    return rc ? rc : place(a, edits, def, path);
}

/* The type of a column that is there: the same, or one it can be promoted to. */
static int change_type(struct alter *a, struct edits *edits, const struct lake_field *field,
                       const char *path, const struct sql_type *to)
{
    struct lake_type *type = ARENA_NEW(a->arena, struct lake_type);
    int rc = type ? type_to_lake(a->arena, to, type, a->err) : session_no_memory(a->err);

    if (rc)
        return rc;
    type_for_format(type, a->m->format_version);
    if (!lake_type_primitive(&field->type))
        return err_set(a->err, ERR_UNSUPPORTED,
                       "`%s` is nested: its parts are changed one by one, as `%s`.`part`", path,
                       path);
    if (field->type.kind == LAKE_UUID && type->kind == LAKE_STRING)
        return 0; /* how a uuid reads here */
    return lake_type_equal(&field->type, type)
               ? 0
               : add_edit(a, edits,
                          (struct lake_edit){.kind = LAKE_PROMOTE, .column = path, .type = type});
}

static int modify_column(struct alter *a, struct edits *edits, const struct sql_column_def *def)
{
    const struct lake_field *field = alter_field(a, &def->path);
    const char *path = alter_path(a, &def->path);
    int rc;

    if (!path)
        return session_no_memory(a->err);
    if (!field)
        return err_set(a->err, ERR_NOENT, "there is no column `%s`", path);
    if (!field->required && !def->type->nullable)
        return err_set(a->err, ERR_INVALID,
                       "`%s` may hold NULL already: a column cannot become NOT NULL", path);
    rc = change_type(a, edits, field, path, def->type);
    if (!rc && field->required && def->type->nullable)
        rc = add_edit(a, edits, (struct lake_edit){.kind = LAKE_MAKE_OPTIONAL, .column = path});
    if (!rc && def->comment)
        rc = add_edit(
            a, edits,
            (struct lake_edit){.kind = LAKE_SET_DOC, .column = path, .other = def->comment});
    return rc ? rc : place(a, edits, def, path);
}

/* ids of the columns, in a schema that is otherwise as it is now */
static int set_identifier(struct alter *a, const struct sql_name *columns, size_t count, bool drop)
{
    struct lake_schema schema = *lake_metadata_schema(a->m);
    int32_t *ids = ARENA_ARRAY(a->arena, int32_t, count + schema.identifier_count + 1);
    size_t kept = 0;

    if (!ids)
        return session_no_memory(a->err);
    if (drop && schema.identifier_count) {
        memcpy(ids, schema.identifier_ids, schema.identifier_count * sizeof(*ids));
        kept = schema.identifier_count;
    }
    for (size_t i = 0; i < count; i++) {
        const struct lake_field *field = alter_field(a, &columns[i]);
        size_t at = 0;

        if (!field)
            return err_set(a->err, ERR_NOENT, "there is no column `%s`",
                           alter_path(a, &columns[i]));
        while (at < kept && ids[at] != field->id)
            at++;
        if (drop && at == kept)
            return err_set(a->err, ERR_NOENT, "`%s` is no identifier field", field->name);
        if (drop)
            ids[at] = ids[--kept];
        else if (!field->required || !lake_type_primitive(&field->type) ||
                 field->type.kind == LAKE_FLOAT || field->type.kind == LAKE_DOUBLE)
            return err_set(a->err, ERR_INVALID,
                           "`%s` cannot be part of a key: key columns are NOT NULL, and neither "
                           "nested nor of floating point",
                           field->name);
        else if (at == kept)
            ids[kept++] = field->id;
    }
    schema.identifier_ids = ids;
    schema.identifier_count = kept;
    return use_schema(a, &schema, a->m->last_column_id);
}

static int alter_constraint(struct alter *a, const struct sql_schema_def *schema)
{
    const struct sql_constraint *key = &schema->constraints[0];
    struct sql_name *names = ARENA_ARRAY(a->arena, struct sql_name, key->column_count + 1);

    if (schema->constraint_count != 1 || schema->column_count || !key->primary)
        return err_set(a->err, ERR_UNSUPPORTED,
                       "a key is added by itself: ADD PRIMARY KEY (a) NOT ENFORCED");
    if (!names)
        return session_no_memory(a->err);
    for (size_t i = 0; i < key->column_count; i++)
        names[i] = (struct sql_name){&key->columns[i], 1};
    return set_identifier(a, names, key->column_count, false);
}

static int alter_schema(struct alter *a)
{
    const struct sql_schema_def *schema = &a->alter->schema;
    bool add = a->alter->action == SQL_ALTER_ADD;
    struct edits edits = {0};
    int rc = 0;

    if (schema->watermark)
        return err_set(a->err, ERR_UNSUPPORTED, "an Iceberg table has no watermark");
    if (schema->constraint_count)
        return alter_constraint(a, schema);
    for (size_t i = 0; i < schema->column_count && !rc; i++) {
        const struct sql_column_def *def = &schema->columns[i];

        if (def->kind != SQL_COLUMN_PHYSICAL)
            return err_set(a->err, ERR_UNSUPPORTED,
                           "an Iceberg table has no computed or metadata columns: `%s`",
                           def->name.text);
        rc = add ? add_column(a, &edits, def) : modify_column(a, &edits, def);
    }
    return rc ? rc : apply_edits(a, &edits);
}

static int drop_columns(struct alter *a)
{
    struct edits edits = {0};
    int rc = 0;

    for (size_t i = 0; i < a->alter->column_count && !rc; i++) {
        const struct sql_name *name = &a->alter->columns[i];

        if (a->alter->part_if_exists && !alter_field(a, name))
            continue;
        rc = add_edit(a, &edits,
                      (struct lake_edit){.kind = LAKE_DROP, .column = alter_path(a, name)});
    }
    return rc ? rc : apply_edits(a, &edits);
}

static int rename_column(struct alter *a)
{
    const struct sql_name *to = &a->alter->new_column;
    struct edits edits = {0};
    int rc = add_edit(a, &edits,
                      (struct lake_edit){.kind = LAKE_RENAME,
                                         .column = alter_path(a, &a->alter->column),
                                         .other = to->parts[to->count - 1].text});

    return rc ? rc : apply_edits(a, &edits);
}

static int alter_column(struct alter *a)
{
    const struct sql_iceberg *i = a->alter->iceberg;
    const struct lake_field *field = alter_field(a, &a->alter->column);
    const char *path = alter_path(a, &a->alter->column);
    static const enum lake_edit_kind kinds[] = {[SQL_COLUMN_TYPE] = LAKE_PROMOTE,
                                                [SQL_COLUMN_COMMENT] = LAKE_SET_DOC,
                                                [SQL_COLUMN_FIRST] = LAKE_MOVE_FIRST,
                                                [SQL_COLUMN_AFTER] = LAKE_MOVE_AFTER,
                                                [SQL_COLUMN_DROP_NOT_NULL] = LAKE_MAKE_OPTIONAL,
                                                [SQL_COLUMN_SET_DEFAULT] = LAKE_SET_DEFAULT,
                                                [SQL_COLUMN_DROP_DEFAULT] = LAKE_SET_DEFAULT};
    struct lake_edit edit = {.kind = kinds[i->change], .column = path};
    struct edits edits = {0};
    int rc = 0;

    if (!path)
        return session_no_memory(a->err);
    if (!field)
        return err_set(a->err, ERR_NOENT, "there is no column `%s`", path);
    if (i->change == SQL_COLUMN_TYPE) {
        rc = change_type(a, &edits, field, path, i->type);
    } else {
        edit.other = i->change == SQL_COLUMN_COMMENT ? a->alter->comment : i->after.text;
        if (i->change == SQL_COLUMN_SET_DEFAULT)
            rc = session_default(a->s, i->value, path, &field->type, a->m->format_version,
                                 &edit.value, a->err);
        rc = rc ? rc : add_edit(a, &edits, edit);
    }
    return rc ? rc : apply_edits(a, &edits);
}

/* ---- properties ---- */

static int set_one(struct alter *a, const struct sql_option *o, json_t *plain)
{
    int64_t number;
    bool is_number = slice_to_i64(slice_str(o->value), &number) == 0;

    if (!strcmp(o->key, "format-version") && is_number)
        return alter_add(a, json_pack("{s:s, s:I}", "action", "upgrade-format-version",
                                      "format-version", (json_int_t)number));
    if (!strcmp(o->key, "location"))
        return alter_add(a,
                         json_pack("{s:s, s:s}", "action", "set-location", "location", o->value));
    if (!strcmp(o->key, "current-snapshot-id") && is_number)
        return alter_take(a, lake_set_current(a->m, NULL, number, &a->ref, a->err));
    if (!strcmp(o->key, "cherry-pick-snapshot-id") && is_number)
        return alter_pick(a, number);
    if (!strcmp(o->key, "uuid") || !strcmp(o->key, "snapshot-count") ||
        !strcmp(o->key, "current-schema") || !strcmp(o->key, "default-partition-spec") ||
        !strcmp(o->key, "default-sort-order") || !strcmp(o->key, "format-version") ||
        !strcmp(o->key, "current-snapshot-id") || !strcmp(o->key, "cherry-pick-snapshot-id"))
        return err_set(a->err, ERR_INVALID, "the property '%s' cannot be set to '%s'", o->key,
                       o->value);
    return json_object_set_new(plain, o->key, json_string(o->value)) ? session_no_memory(a->err)
                                                                     : 0;
}

static int set_properties(struct alter *a)
{
    json_t *plain = json_object();
    int rc = plain ? 0 : session_no_memory(a->err);

    for (size_t i = 0; i < a->alter->options.count && !rc; i++)
        rc = set_one(a, &a->alter->options.list[i], plain);
    if (!rc && json_object_size(plain))
        rc = alter_add(a, json_pack("{s:s, s:O}", "action", "set-properties", "updates", plain));
    json_decref(plain);
    return rc;
}

static int reset_properties(struct alter *a)
{
    json_t *keys = json_array();
    int rc = keys ? 0 : session_no_memory(a->err);

    for (size_t i = 0; i < a->alter->options.count && !rc; i++)
        if (json_array_append_new(keys, json_string(a->alter->options.list[i].key)))
            rc = session_no_memory(a->err);
    if (!rc)
        rc = alter_add(a, json_pack("{s:s, s:O}", "action", "remove-properties", "removals", keys));
    json_decref(keys);
    return rc;
}

/* ---- the statement ---- */

static int drop_key(struct alter *a)
{
    return set_identifier(a, NULL, 0, false);
}

static int set_key(struct alter *a)
{
    return set_identifier(a, a->alter->columns, a->alter->column_count,
                          a->alter->action == SQL_ALTER_DROP_IDENTIFIER);
}

static const struct {
    enum sql_alter_action action;
    int (*run)(struct alter *);
} clauses[] = {
    {SQL_ALTER_ADD, alter_schema},
    {SQL_ALTER_MODIFY, alter_schema},
    {SQL_ALTER_DROP_COLUMNS, drop_columns},
    {SQL_ALTER_RENAME_COLUMN, rename_column},
    {SQL_ALTER_COLUMN, alter_column},
    {SQL_ALTER_SET, set_properties},
    {SQL_ALTER_RESET, reset_properties},
    {SQL_ALTER_DROP_PRIMARY_KEY, drop_key},
    {SQL_ALTER_SET_IDENTIFIER, set_key},
    {SQL_ALTER_DROP_IDENTIFIER, set_key},
    {SQL_ALTER_ADD_FIELD, alter_partition},
    {SQL_ALTER_DROP_FIELD, alter_partition},
    {SQL_ALTER_REPLACE_FIELD, alter_partition},
    {SQL_ALTER_WRITE_ORDER, alter_order},
    {SQL_ALTER_CREATE_REF, alter_ref},
    {SQL_ALTER_DROP_REF, alter_ref},
};

static int run_clause(struct alter *a, const void *arg)
{
    a->alter = arg;
    for (size_t i = 0; i < COUNT_OF(clauses); i++)
        if (clauses[i].action == a->alter->action)
            return clauses[i].run(a);
    return err_set(a->err, ERR_UNSUPPORTED,
                   "this ALTER TABLE is not built for Iceberg tables; partitions come by PARTITION "
                   "FIELD");
}

static int commit(struct alter *a)
{
    struct catalog_change change = {a->ident, a->requirements, a->updates};
    struct catalog_table out = {0};
    int rc =
        json_array_append_new(a->requirements, json_pack("{s:s, s:s}", "type", "assert-table-uuid",
                                                         "uuid", a->m->uuid))
            ? session_no_memory(a->err)
            : 0;

    if (!rc && json_array_size(a->updates))
        rc = catalog_commit(a->s->lake_catalog, &change, 1, "sql", a->arena, &out, a->err);
    catalog_table_deinit(&out);
    return rc;
}

static int alter_once(struct session *s, const struct lake_ident *ident,
                      int (*run)(struct alter *, const void *), const void *arg, struct err *err)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct alter a = {.s = s, .ident = *ident, .arena = &arena, .err = err};
    int rc = catalog_table_load(s->lake_catalog, ident, &arena, &table, err);

    a.m = table.metadata;
    a.requirements = json_array();
    a.updates = json_array();
    if (!rc && (!a.requirements || !a.updates))
        rc = session_no_memory(err);
    rc = rc ? rc : run(&a, arg);
    rc = rc ? rc : commit(&a);
    lake_ref_change_free(&a.ref);
    json_decref(a.requirements);
    json_decref(a.updates);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

int alter_with(struct session *s, const struct lake_ident *ident,
               int (*run)(struct alter *, const void *), const void *arg, struct err *err)
{
    int rc = ERR_CONFLICT;

    for (int i = 0; i < 20 && rc == ERR_CONFLICT; i++) /* somebody else's commit came between */
        rc = alter_once(s, ident, run, arg, err);
    return rc;
}

static int rename_table(struct session *s, const struct lake_ident *ident,
                        const struct sql_name *to, struct err *err)
{
    struct lake_ident other = {to->count > 1 ? to->parts[to->count - 2].text : ident->ns,
                               to->parts[to->count - 1].text};

    return catalog_table_rename(s->lake_catalog, ident, &other, err);
}

int session_alter_table(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_alter *alter = st->alter;
    const struct sql_name *name = &alter->name;
    const struct session_table *handle;
    const struct sql_table *table;
    struct table_entry *entry;
    const char *parts[3];
    int rc;

    if (name->count > COUNT_OF(parts))
        return err_set(err, ERR_INVALID, "a table's name has one to three parts");
    for (size_t i = 0; i < name->count; i++)
        parts[i] = name->parts[i].text;
    rc = session_resolve(s, parts, name->count, &table, err);
    if (rc == ERR_NOENT && (alter->if_exists || s->replays))
        return 0;
    if (rc)
        return rc;
    handle = table->handle;
    entry = session_find_table(s, table->catalog, table->database, table->name);
    if (entry && handle == &entry->handle)
        return session_alter_memory(s, st, entry, err);
    if (!handle || handle->kind != SESSION_LAKE || st->kind == SQL_STMT_ALTER_VIEW)
        return err_set(err, ERR_UNSUPPORTED,
                       handle && handle->kind == SESSION_VIEW
                           ? "view `%s` is the Iceberg catalog's: who made it changes it, over REST"
                           : "`%s` is no table that ALTER changes",
                       table->name);
    if (s->replays) /* it was done when the job was submitted */
        return 0;
    if (alter->action == SQL_ALTER_RENAME)
        return rename_table(s, &handle->ident, &alter->new_name, err);
    return alter_with(s, &handle->ident, run_clause, alter, err);
}
