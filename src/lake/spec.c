/* spec.c - partition specs and sort orders to and from JSON. Iceberg spec, appendix C. */
#include "lake/lake_int.h"

static int get_i32(const json_t *obj, const char *key, const char *where, int32_t *out,
                   struct err *err)
{
    int64_t value;
    int rc = json_get_i64(obj, key, where, &value, err);

    if (!rc && (value < INT32_MIN || value > INT32_MAX))
        rc = err_set(err, ERR_CORRUPT, "%s.%s: out of range", where, key);
    *out = rc ? 0 : (int32_t)value;
    return rc;
}

/* v3: source-ids for a transform of several columns. None is defined yet: such a one is kept as it
 * is written, and nothing is pruned by it. */
static int get_source(const json_t *obj, const char *where, struct arena *arena, int32_t *out,
                      const char **several, struct err *err)
{
    const json_t *ids = json_object_get(obj, "source-ids");
    char *text;

    *several = NULL;
    if (!json_array_size(ids))
        return get_i32(obj, "source-id", where, out, err);
    *out = (int32_t)json_integer_value(json_array_get(ids, 0));
    if (json_array_size(ids) == 1)
        return 0;
    text = json_dumps(ids, JSON_COMPACT);
    *several = text ? arena_strdup(arena, text) : NULL;
    free(text);
    return *several ? 0 : err_set(err, ERR_NOMEM, "%s", where);
}

/* Where the column or columns of a transform are written. */
static bool put_source(json_t *obj, int32_t id, const char *several)
{
    return several ? json_put(obj, "source-ids", json_loads(several, 0, NULL))
                   : json_put(obj, "source-id", json_integer(id));
}

static int get_transform(const json_t *obj, const char *where, struct arena *arena,
                         struct lake_transform *out, struct err *err)
{
    const char *text;
    int rc = json_get_str(obj, "transform", where, &text, err);

    return rc ? rc : lake_transform_parse(text, arena, out, err);
}

/* bucket[16] of two columns is not bucket[16] of one. */
static int keep_as_text(const json_t *obj, struct arena *arena, struct lake_transform *out,
                        struct err *err)
{
    *out = (struct lake_transform){.kind = LAKE_UNKNOWN_TRANSFORM};
    out->text = arena_strdup(arena, json_string_value(json_object_get(obj, "transform")));
    return out->text ? 0 : err_set(err, ERR_NOMEM, "transform");
}

int lake_spec_parse(const json_t *json, struct arena *arena, struct lake_partition_spec *out,
                    struct err *err)
{
    const json_t *fields = json_is_array(json) ? json : json_object_get(json, "fields");
    const json_t *id = json_object_get(json, "spec-id");
    int rc = 0;

    memset(out, 0, sizeof(*out));
    out->id = json_is_integer(id) ? (int32_t)json_integer_value(id) : 0;
    if (!json_is_array(fields))
        return err_set(err, ERR_CORRUPT, "partition spec: fields are missing");
    out->field_count = json_array_size(fields);
    out->fields = ARENA_ARRAY(arena, struct lake_partition_field, out->field_count + 1);
    if (!out->fields || out->field_count > 1000)
        return err_set(err, out->fields ? ERR_LIMIT : ERR_NOMEM, "partition spec");
    for (size_t i = 0; i < out->field_count && !rc; i++) {
        const json_t *obj = json_array_get(fields, i);
        struct lake_partition_field *f = &out->fields[i];
        const char *name;

        rc = json_get_str(obj, "name", "partition field", &name, err);
        rc = rc ? rc : get_source(obj, "partition field", arena, &f->source_id, &f->sources, err);
        rc = rc ? rc : get_transform(obj, "partition field", arena, &f->transform, err);
        if (!rc && f->sources)
            rc = keep_as_text(obj, arena, &f->transform, err);
        f->field_id = 1000 + (int32_t)i; /* v1 without ids: counted from 1000 */
        if (!rc && json_object_get(obj, "field-id"))
            rc = get_i32(obj, "field-id", "partition field", &f->field_id, err);
        f->name = rc ? NULL : arena_strdup(arena, name);
        if (!rc && !f->name)
            rc = err_set(err, ERR_NOMEM, "partition spec");
    }
    return rc;
}

json_t *lake_spec_fields_json(const struct lake_partition_spec *spec)
{
    json_t *list = json_array();
    struct arena arena = {0};

    for (size_t i = 0; i < spec->field_count && list; i++) {
        const struct lake_partition_field *f = &spec->fields[i];
        const char *transform = lake_transform_text(&f->transform, &arena);
        json_t *obj = json_object();
        bool ok = obj && transform && put_source(obj, f->source_id, f->sources) &&
                  json_put(obj, "field-id", json_integer(f->field_id)) &&
                  json_put(obj, "transform", json_string(transform)) &&
                  json_put(obj, "name", json_string(f->name));

        if (!ok || json_array_append(list, obj)) {
            json_decref(list);
            list = NULL;
        }
        json_decref(obj);
    }
    arena_deinit(&arena);
    return list;
}

json_t *lake_spec_json(const struct lake_partition_spec *spec)
{
    json_t *obj = json_object();

    if (json_put(obj, "spec-id", json_integer(spec->id)) &&
        json_put(obj, "fields", lake_spec_fields_json(spec)))
        return obj;
    json_decref(obj);
    return NULL;
}

int lake_order_parse(const json_t *json, struct arena *arena, struct lake_sort_order *out,
                     struct err *err)
{
    json_t *fields;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = get_i32(json, "order-id", "sort order", &out->id, err);
    rc = rc ? rc : json_get_arr(json, "fields", "sort order", &fields, err);
    if (rc)
        return rc;
    out->field_count = json_array_size(fields);
    out->fields = ARENA_ARRAY(arena, struct lake_sort_field, out->field_count + 1);
    if (!out->fields || out->field_count > 1000)
        return err_set(err, out->fields ? ERR_LIMIT : ERR_NOMEM, "sort order");
    for (size_t i = 0; i < out->field_count && !rc; i++) {
        const json_t *obj = json_array_get(fields, i);
        struct lake_sort_field *f = &out->fields[i];
        const char *direction = json_string_value(json_object_get(obj, "direction"));
        const char *nulls = json_string_value(json_object_get(obj, "null-order"));

        rc = get_source(obj, "sort field", arena, &f->source_id, &f->sources, err);
        rc = rc ? rc : get_transform(obj, "sort field", arena, &f->transform, err);
        if (!rc && f->sources)
            rc = keep_as_text(obj, arena, &f->transform, err);
        f->descending = direction && !strcmp(direction, "desc");
        f->nulls_last = nulls && !strcmp(nulls, "nulls-last");
    }
    return rc;
}

json_t *lake_order_json(const struct lake_sort_order *order)
{
    json_t *obj = json_object(), *list = json_array();
    struct arena arena = {0};
    bool ok = obj && list && json_put(obj, "order-id", json_integer(order->id));

    for (size_t i = 0; i < order->field_count && ok; i++) {
        const struct lake_sort_field *f = &order->fields[i];
        const char *transform = lake_transform_text(&f->transform, &arena);
        json_t *item = json_object();

        ok = item && transform && json_put(item, "transform", json_string(transform)) &&
             put_source(item, f->source_id, f->sources) &&
             json_put(item, "direction", json_string(f->descending ? "desc" : "asc")) &&
             json_put(item, "null-order",
                      json_string(f->nulls_last ? "nulls-last" : "nulls-first")) &&
             json_array_append(list, item) == 0;
        json_decref(item);
    }
    ok = ok && json_object_set(obj, "fields", list) == 0;
    json_decref(list);
    arena_deinit(&arena);
    if (ok)
        return obj;
    json_decref(obj);
    return NULL;
}

int lake_spec_types(const struct lake_partition_spec *spec, const struct lake_schema *schema,
                    struct arena *arena, struct lake_type **out, struct err *err)
{
    struct lake_type *types = ARENA_ARRAY(arena, struct lake_type, spec->field_count + 1);

    if (!types)
        return err_set(err, ERR_NOMEM, "partition types");
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct lake_partition_field *f = &spec->fields[i];
        const struct lake_field *source = lake_schema_by_id(schema, f->source_id);
        int rc = 0;

        if (source)
            rc = lake_transform_type(&f->transform, &source->type, &types[i], err);
        else if (f->transform.kind == LAKE_DAY)
            types[i].kind = LAKE_DATE;
        else if (f->transform.kind >= LAKE_YEAR && f->transform.kind <= LAKE_HOUR)
            types[i].kind = LAKE_INT;
        else
            types[i].kind = f->transform.kind == LAKE_BUCKET ? LAKE_INT : LAKE_UNKNOWN;
        if (rc)
            return err_wrap(err, rc, "partition field %s", f->name);
    }
    *out = types;
    return 0;
}
