/* alter_spec.c - partition fields, write orders, branches and tags of ALTER TABLE. */
#include <stdio.h>

#include "connector/alter_int.h"

static const char *lower(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);

    for (char *c = copy; c && *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    return copy;
}

/* bucket(16, id) as Iceberg writes it: bucket[16] over the column's id. */
static int to_transform(struct alter *a, const struct sql_transform *from,
                        const struct lake_field **source, struct lake_transform *out)
{
    static const char *const plurals[][2] = {{"years", "year"}, {"months", "month"},
                                             {"days", "day"},   {"hours", "hour"},
                                             {"date", "day"},   {"date_hour", "hour"}};
    const char *name = from->name.text ? lower(a->arena, from->name.text) : "identity";
    struct lake_type result;
    int rc;

    *source = alter_field(a, &from->column);
    if (!*source)
        return err_set(a->err, ERR_NOENT, "there is no column `%s`", alter_path(a, &from->column));
    for (size_t i = 0; name && i < COUNT_OF(plurals); i++)
        if (!strcmp(name, plurals[i][0]))
            name = plurals[i][1];
    if (name && from->argument >= 0)
        name = arena_printf(a->arena, "%s[%" PRId64 "]", name, from->argument);
    if (!name)
        return session_no_memory(a->err);
    rc = lake_transform_parse(name, a->arena, out, a->err);
    if (!rc && out->kind == LAKE_UNKNOWN_TRANSFORM)
        rc = err_set(a->err, ERR_INVALID,
                     "there is no transform %s: identity, bucket(N, c), "
                     "truncate(N, c), years, months, days, hours",
                     name);
    return rc ? rc : lake_transform_type(out, &(*source)->type, &result, a->err);
}

/* As the Java library names fields that ALTER TABLE adds: id_bucket_16, name_trunc_4, ts_day. */
static const char *field_name(struct alter *a, const struct lake_field *source,
                              const struct lake_transform *t)
{
    switch (t->kind) {
    case LAKE_IDENTITY:
        return source->name;
    case LAKE_BUCKET:
        return arena_printf(a->arena, "%s_bucket_%" PRId32, source->name, t->arg);
    case LAKE_TRUNCATE:
        return arena_printf(a->arena, "%s_trunc_%" PRId32, source->name, t->arg);
    default:
        return arena_printf(a->arena, "%s_%s", source->name, lake_transform_text(t, a->arena));
    }
}

static bool same_transform(const struct lake_transform *x, const struct lake_transform *y)
{
    return x->kind == y->kind && x->arg == y->arg;
}

/* The place of a field by its name, or by what it is made of. */
static int find_field(struct alter *a, const struct lake_partition_spec *spec,
                      const struct sql_transform *wanted, size_t *at)
{
    const char *name = wanted->name.text ? NULL : alter_path(a, &wanted->column);
    const struct lake_field *source;
    struct lake_transform transform;
    int rc;

    for (*at = 0; name && *at < spec->field_count; ++*at)
        if (!strcmp(spec->fields[*at].name, name) && spec->fields[*at].transform.kind != LAKE_VOID)
            return 0;
    rc = to_transform(a, wanted, &source, &transform);
    if (rc)
        return name ? err_set(a->err, ERR_NOENT, "the table has no partition field `%s`", name)
                    : rc;
    for (*at = 0; *at < spec->field_count; ++*at)
        if (spec->fields[*at].source_id == source->id &&
            same_transform(&spec->fields[*at].transform, &transform))
            return 0;
    return err_set(a->err, ERR_NOENT, "the table has no such partition field");
}

static int check_name(struct alter *a, struct lake_partition_spec *spec,
                      const struct lake_partition_field *field)
{
    const struct lake_field *column = lake_schema_by_name(lake_metadata_schema(a->m), field->name);

    for (size_t i = 0; i < spec->field_count; i++) {
        struct lake_partition_field *old = &spec->fields[i];

        if (old->transform.kind == LAKE_VOID && !strcmp(old->name, field->name)) {
            old->name = arena_printf(a->arena, "%s_%" PRId32, old->name, old->field_id);
            if (!old->name)
                return session_no_memory(a->err);
        }
        if (!strcmp(spec->fields[i].name, field->name))
            return err_set(a->err, ERR_EXISTS, "there is a partition field `%s` already",
                           field->name);
        if (spec->fields[i].source_id == field->source_id &&
            same_transform(&spec->fields[i].transform, &field->transform))
            return err_set(a->err, ERR_EXISTS, "partition field `%s` is the same already",
                           spec->fields[i].name);
    }
    if (column && (column->id != field->source_id || field->transform.kind != LAKE_IDENTITY))
        return err_set(a->err, ERR_INVALID, "a partition field cannot be called `%s`: a column is",
                       field->name);
    return 0;
}

/* Ids of fields are given when the spec is added: one that a former spec had gets its own again. */
static int add_field(struct alter *a, struct lake_partition_spec *spec,
                     const struct sql_transform *wanted)
{
    struct lake_partition_field field = {.field_id = -1};
    const struct lake_field *source;
    int rc = to_transform(a, wanted, &source, &field.transform);

    if (rc)
        return rc;
    field.source_id = source->id;
    field.name = a->alter->iceberg->as.text ? a->alter->iceberg->as.text
                                            : field_name(a, source, &field.transform);
    if (!field.name)
        return session_no_memory(a->err);
    rc = check_name(a, spec, &field);
    if (!rc)
        spec->fields[spec->field_count++] = field;
    return rc;
}

/* The spec's JSON without the ids that are still to be given. */
static json_t *spec_json(const struct lake_partition_spec *spec)
{
    json_t *json = lake_spec_json(spec), *field;
    size_t i;

    json_array_foreach(json_object_get(json, "fields"), i, field) if (spec->fields[i].field_id < 0)
        json_object_del(field, "field-id");
    return json;
}

/* Format 1 tells the fields of a partition by their place: one that goes stays there as void. */
static void drop_field(struct alter *a, struct lake_partition_spec *spec, size_t at)
{
    struct lake_partition_field *field = &spec->fields[at];

    if (a->m->format_version < 2) {
        field->transform = (struct lake_transform){.kind = LAKE_VOID};
        return;
    }
    spec->field_count--;
    memmove(field, field + 1, (spec->field_count - at) * sizeof(*field));
}

int alter_partition(struct alter *a)
{
    const struct lake_partition_spec *old = lake_metadata_spec(a->m);
    const struct sql_iceberg *i = a->alter->iceberg;
    struct lake_partition_spec spec = {.field_count = old->field_count};
    size_t at;
    int rc = 0;

    spec.fields = ARENA_ARRAY(a->arena, struct lake_partition_field, old->field_count + 2);
    if (!spec.fields)
        return session_no_memory(a->err);
    if (old->field_count)
        memcpy(spec.fields, old->fields, old->field_count * sizeof(*spec.fields));
    if (a->alter->action != SQL_ALTER_ADD_FIELD) {
        rc = find_field(a, &spec, &i->field, &at);
        if (!rc)
            drop_field(a, &spec, at);
    }
    if (!rc && a->alter->action != SQL_ALTER_DROP_FIELD)
        rc = add_field(a, &spec, a->alter->action == SQL_ALTER_ADD_FIELD ? &i->field : &i->with);
    rc = rc ? rc
            : alter_require(a, "assert-default-spec-id", "default-spec-id", a->m->default_spec_id);
    rc = rc ? rc
            : alter_require(a, "assert-last-assigned-partition-id", "last-assigned-partition-id",
                            a->m->last_partition_id);
    rc = rc ? rc
            : alter_require(a, "assert-current-schema-id", "current-schema-id",
                            a->m->current_schema_id);
    rc = rc ? rc
            : alter_add(a, json_pack("{s:s, s:o}", "action", "add-spec", "spec", spec_json(&spec)));
    return rc ? rc
              : alter_add(a, json_pack("{s:s, s:i}", "action", "set-default-spec", "spec-id", -1));
}

/* ---- orders ---- */

static int set_mode(struct alter *a, const char *mode)
{
    return alter_add(a, json_pack("{s:s, s:{s:s}}", "action", "set-properties", "updates",
                                  "write.distribution-mode", mode));
}

/* Spark's rule: ORDERED BY asks writers for a range distribution, LOCALLY for none. */
int alter_order(struct alter *a)
{
    const struct sql_iceberg *i = a->alter->iceberg;
    struct lake_sort_order order = {.id = i->order_count ? 1 : 0, .field_count = i->order_count};
    const char *mode = i->distributed ? "hash" : i->order_count && !i->locally ? "range" : "none";
    int rc = 0;

    order.fields = ARENA_ARRAY(a->arena, struct lake_sort_field, i->order_count + 1);
    if (!order.fields)
        return session_no_memory(a->err);
    for (size_t k = 0; k < i->order_count && !rc; k++) {
        const struct sql_sort_item *item = &i->order[k];
        const struct lake_field *source;

        rc = to_transform(a, &item->by, &source, &order.fields[k].transform);
        if (rc)
            break;
        order.fields[k].source_id = source->id;
        order.fields[k].descending = item->descending;
        order.fields[k].nulls_last = item->nulls_last || (item->descending && !item->nulls_first);
    }
    rc = rc ? rc
            : alter_require(a, "assert-default-sort-order-id", "default-sort-order-id",
                            a->m->default_order_id);
    rc = rc ? rc
            : alter_add(a, json_pack("{s:s, s:o}", "action", "add-sort-order", "sort-order",
                                     lake_order_json(&order)));
    rc = rc ? rc
            : alter_add(a, json_pack("{s:s, s:i}", "action", "set-default-sort-order",
                                     "sort-order-id", -1));
    return rc ? rc : set_mode(a, mode);
}

/* ---- branches and tags ---- */

int alter_take(struct alter *a, int rc)
{
    if (!rc && (json_array_extend(a->requirements, a->ref.requirements) ||
                json_array_extend(a->updates, a->ref.updates)))
        rc = session_no_memory(a->err);
    lake_ref_change_free(&a->ref);
    return rc;
}

int alter_pick(struct alter *a, int64_t snapshot_id)
{
    int64_t made;
    int rc =
        lake_cherry_pick_wait(connector_lake(a->s->connector), catalog_lake(a->s->lake_catalog),
                              &a->ident, a->m, NULL, snapshot_id, &a->ref, &made, a->err);

    return rc || !a->ref.updates ? rc : alter_take(a, rc);
}

int alter_ref(struct alter *a)
{
    const struct sql_iceberg *i = a->alter->iceberg;
    const struct lake_ref *old = lake_metadata_branch(a->m, i->ref.text);
    struct lake_ref_options o = {
        i->version, i->retain_ms,           i->keep_ms, (int32_t)i->keep_snapshots, i->is_tag,
        i->replace, a->alter->if_not_exists};

    if (a->alter->action == SQL_ALTER_DROP_REF) {
        if (!old && a->alter->part_if_exists)
            return 0;
        return alter_take(a, lake_ref_drop(a->m, i->ref.text, i->is_tag, &a->ref, a->err));
    }
    if (!i->create && !old)
        return err_set(a->err, ERR_NOENT, "there is no %s `%s` to replace",
                       i->is_tag ? "tag" : "branch", i->ref.text);
    return alter_take(a, lake_ref_create(a->m, i->ref.text, &o, &a->ref, a->err));
}
