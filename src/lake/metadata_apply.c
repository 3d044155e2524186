/* metadata_apply.c - the REST catalog's updates and requirements, one handler per line of a table.
 *
 * Every update edits a copy of the document; the result is parsed again, so nothing that could not
 * be read back is ever handed out. Source: Iceberg's REST catalog API, "TableUpdate" and
 * "TableRequirement"; error texts are the ones that clients look for.
 */
#include "lake/draft.h"
#include "lake/lake_int.h"

struct change {
    const struct lake_metadata *base; /* what `doc` was forked from; NULL: nothing */
    json_t *doc;
    int64_t now_ms;
    struct err *err;
    struct arena arena;
    int32_t added_schema, added_spec, added_order; /* what -1 means in set-...; -1: none yet */
    int64_t updated_ms;                            /* of the newest added snapshot; 0: none */
    bool snapshots_changed;                        /* they are not those of the base any more */
};

static int nomem(struct change *c)
{
    return err_set(c->err, ERR_NOMEM, "table metadata update");
}

static json_t *list(struct change *c, const char *key)
{
    json_t *array = json_object_get(c->doc, key);

    if (json_is_array(array))
        return array;
    json_put(c->doc, key, json_array());
    return json_object_get(c->doc, key);
}

static int64_t number(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(obj, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int set_number(struct change *c, const char *key, int64_t value)
{
    return json_put(c->doc, key, json_integer(value)) ? 0 : nomem(c);
}

/* The item of a list whose `key` is `id`, with its place. */
static json_t *find(json_t *array, const char *key, int64_t id, size_t *index)
{
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item) if (number(item, key, INT64_MIN) == id)
    {
        if (index)
            *index = i;
        return item;
    }
    return NULL;
}

/* The newest are last, and it is they who are asked for. */
static json_t *find_snapshot(struct change *c, int64_t id)
{
    json_t *snapshots = list(c, "snapshots");

    for (size_t i = json_array_size(snapshots); i-- > 0;)
        if (number(json_array_get(snapshots, i), "snapshot-id", INT64_MIN) == id)
            return json_array_get(snapshots, i);
    return NULL;
}

/* As long as they are the base's, its view tells without a look at the document. */
static bool has_snapshot(struct change *c, int64_t id)
{
    return c->base && !c->snapshots_changed ? lake_metadata_snapshot_by_id(c->base, id) != NULL
                                            : find_snapshot(c, id) != NULL;
}

static int64_t highest(json_t *array, const char *key, int64_t least)
{
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item) if (number(item, key, least) > least) least =
        number(item, key, least);
    return least;
}

static int want_i64(struct change *c, const json_t *update, const char *key, int64_t *out)
{
    return json_get_i64(update, key, "update", out, c->err);
}

static int assign_uuid(struct change *c, const json_t *update)
{
    const char *uuid, *old = json_string_value(json_object_get(c->doc, "table-uuid"));
    int rc = json_get_str(update, "uuid", "assign-uuid", &uuid, c->err);

    if (rc)
        return rc;
    if (old && number(c->doc, "last-updated-ms", 0) && strcasecmp(old, uuid) != 0)
        return err_set(c->err, ERR_INVALID, "Cannot reassign uuid");
    return json_put(c->doc, "table-uuid", json_string(uuid)) ? 0 : nomem(c);
}

/* What a table of v1 has not, and has beside the lists. Snapshots that name their manifests one by
 * one stay so: readers of v2 take them. Iceberg spec, appendix E. */
static int leave_v1(struct change *c)
{
    json_t *snapshots = list(c, "snapshots"), *copy;

    json_object_del(c->doc, "schema");
    json_object_del(c->doc, "partition-spec");
    for (size_t i = 0; i < json_array_size(snapshots); i++) {
        copy = json_copy(json_array_get(snapshots, i)); /* the base's document has the other one */
        if (!copy ||
            !json_put(copy, "sequence-number", json_integer(number(copy, "sequence-number", 0))) ||
            json_array_set(snapshots, i, copy)) {
            json_decref(copy);
            return nomem(c);
        }
        json_decref(copy);
    }
    return set_number(c, "last-sequence-number", 0);
}

static int upgrade_format(struct change *c, const json_t *update)
{
    int64_t version, old = number(c->doc, "format-version", 2);
    int rc = want_i64(c, update, "format-version", &version);

    if (rc)
        return rc;
    if (version > 3)
        return err_set(c->err, ERR_UNSUPPORTED, "format version %" PRId64, version);
    if (version < old && !(version == 1 && !number(c->doc, "last-updated-ms", 0)))
        return err_set(c->err, ERR_INVALID, "Cannot downgrade v%" PRId64 " table to v%" PRId64, old,
                       version);
    if (version == 3 && !json_object_get(c->doc, "next-row-id") &&
        (rc = set_number(c, "next-row-id", 0)))
        return rc;
    if (old == 1 && version > 1 && (rc = leave_v1(c)))
        return rc;
    return set_number(c, "format-version", version < 1 ? 1 : version);
}

static bool same_schema(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "identifier-field-ids");
    const json_t *y = json_object_get(b, "identifier-field-ids");
    bool same_ids = json_array_size(x) == 0 ? json_array_size(y) == 0 : json_equal(x, y);

    return same_ids && json_equal(json_object_get(a, "fields"), json_object_get(b, "fields"));
}

/* An update's schema or spec under the id that the table gives it. */
static int append_with_id(struct change *c, const char *key, const char *id_key, int64_t id,
                          const json_t *from)
{
    json_t *copy = json_deep_copy(from);

    if (!copy || !json_put(copy, id_key, json_integer(id)) ||
        json_array_append(list(c, key), copy)) {
        json_decref(copy);
        return nomem(c);
    }
    json_decref(copy);
    return 0;
}

static int add_schema(struct change *c, const json_t *update)
{
    const json_t *json = json_object_get(update, "schema");
    json_t *schemas = list(c, "schemas"), *old;
    struct lake_schema schema;
    int64_t last = number(c->doc, "last-column-id", 0), id;
    size_t i;
    int rc = lake_schema_parse(json, &c->arena, &schema, c->err);

    if (rc)
        return rc;
    last = number(update, "last-column-id", 0) > last ? number(update, "last-column-id", 0) : last;
    last = lake_schema_max_id(&schema) > last ? lake_schema_max_id(&schema) : last;
    rc = set_number(c, "last-column-id", last);
    json_array_foreach(schemas, i, old) if (same_schema(old, json))
    {
        c->added_schema = (int32_t)number(old, "schema-id", 0);
        return rc;
    }
    id = highest(schemas, "schema-id", -1) + 1;
    c->added_schema = (int32_t)id;
    return rc ? rc : append_with_id(c, "schemas", "schema-id", id, json);
}

/* set-current-schema, set-default-spec, set-default-sort-order: -1 is what was added last. */
static int set_current(struct change *c, const json_t *update, const char *key, const char *lists,
                       const char *id_key, const char *current_key, int32_t added)
{
    int64_t id;
    int rc = want_i64(c, update, key, &id);

    if (rc)
        return rc;
    if (id == -1 && added == -1)
        return err_set(c->err, ERR_INVALID, "Cannot set last added %s: nothing has been added",
                       id_key);
    id = id == -1 ? added : id;
    if (!find(list(c, lists), id_key, id, NULL))
        return err_set(c->err, ERR_INVALID, "Cannot set current: unknown %s: %" PRId64, id_key, id);
    return set_number(c, current_key, id);
}

static int set_current_schema(struct change *c, const json_t *update)
{
    return set_current(c, update, "schema-id", "schemas", "schema-id", "current-schema-id",
                       c->added_schema);
}

static int set_default_spec(struct change *c, const json_t *update)
{
    return set_current(c, update, "spec-id", "partition-specs", "spec-id", "default-spec-id",
                       c->added_spec);
}

static int set_default_order(struct change *c, const json_t *update)
{
    return set_current(c, update, "sort-order-id", "sort-orders", "order-id",
                       "default-sort-order-id", c->added_order);
}

/* The schema that specs and orders are checked against: the current one, or the one just added. */
static int current_schema(struct change *c, struct lake_schema *out)
{
    int64_t id = number(c->doc, "current-schema-id", -1);
    json_t *json = find(list(c, "schemas"), "schema-id", id == -1 ? c->added_schema : id, NULL);

    if (!json)
        return err_set(c->err, ERR_INVALID, "the table has no schema yet");
    return lake_schema_parse(json, &c->arena, out, c->err);
}

/* A field of an older spec with the same source and transform lends its id. */
static int64_t known_field_id(struct change *c, const json_t *field)
{
    size_t i, k;
    json_t *spec, *old;

    json_array_foreach(list(c, "partition-specs"), i, spec) json_array_foreach(
        json_object_get(spec, "fields"), k,
        old) if (json_equal(json_object_get(old, "source-id"),
                            json_object_get(field, "source-id")) &&
                 json_equal(json_object_get(old, "transform"),
                            json_object_get(field, "transform"))) return number(old, "field-id",
                                                                                -1);
    return -1;
}

static int number_fields(struct change *c, json_t *fields)
{
    int64_t last = number(c->doc, "last-partition-id", 999), id;
    size_t i;
    json_t *field;

    json_array_foreach(fields, i, field)
    {
        id = number(field, "field-id", -1);
        if (id <= 0 && number(c->doc, "format-version", 2) > 1)
            id = known_field_id(c, field);
        if (id <= 0)
            id = last + 1;
        if (!json_put(field, "field-id", json_integer(id)))
            return nomem(c);
        last = id > last ? id : last;
    }
    return set_number(c, "last-partition-id", last);
}

static int check_spec(struct change *c, const json_t *json)
{
    struct lake_schema schema;
    struct lake_partition_spec spec;
    struct lake_type type;
    int rc = lake_spec_parse(json, &c->arena, &spec, c->err);

    rc = rc ? rc : current_schema(c, &schema);
    for (size_t i = 0; i < spec.field_count && !rc; i++) {
        const struct lake_partition_field *f = &spec.fields[i];
        const struct lake_field *source = lake_schema_by_id(&schema, f->source_id);

        if (!source && f->transform.kind != LAKE_VOID)
            rc = err_set(c->err, ERR_INVALID,
                         "Cannot find source column for partition field %s: "
                         "id %" PRId32,
                         f->name, f->source_id);
        else if (source)
            rc = lake_transform_type(&f->transform, &source->type, &type, c->err);
        for (size_t k = 0; k < i && !rc; k++)
            if (!strcmp(spec.fields[k].name, f->name))
                rc = err_set(c->err, ERR_INVALID, "two partition fields are named %s", f->name);
    }
    return rc;
}

static bool same_spec(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "fields"), *y = json_object_get(b, "fields");
    static const char *const keys[] = {"source-id", "transform", "name"};

    if (json_array_size(x) != json_array_size(y))
        return false;
    for (size_t i = 0; i < json_array_size(x); i++)
        for (size_t k = 0; k < COUNT_OF(keys); k++)
            if (!json_equal(json_object_get(json_array_get(x, i), keys[k]),
                            json_object_get(json_array_get(y, i), keys[k])))
                return false;
    return true;
}

/* v1 tells the values of a partition by their place alone. */
static int check_in_order(struct change *c, const json_t *fields)
{
    for (size_t i = 0; i < json_array_size(fields); i++)
        if (number(json_array_get(fields, i), "field-id", -1) != 1000 + (int64_t)i)
            return err_set(c->err, ERR_INVALID,
                           "Spec does not use sequential IDs that are required in v1: field %zu is "
                           "%" PRId64,
                           i, number(json_array_get(fields, i), "field-id", -1));
    return 0;
}

static int add_spec(struct change *c, const json_t *update)
{
    json_t *spec, *old;
    size_t i;
    int64_t id;
    int rc = check_spec(c, json_object_get(update, "spec"));

    if (rc)
        return rc;
    json_array_foreach(list(c, "partition-specs"), i,
                       old) if (same_spec(old, json_object_get(update, "spec")))
    {
        c->added_spec = (int32_t)number(old, "spec-id", 0);
        return 0;
    }
    spec = json_deep_copy(json_object_get(update, "spec"));
    id = highest(list(c, "partition-specs"), "spec-id", -1) + 1;
    c->added_spec = (int32_t)id;
    rc = spec ? number_fields(c, json_object_get(spec, "fields")) : nomem(c);
    if (!rc && number(c->doc, "format-version", 2) < 2)
        rc = check_in_order(c, json_object_get(spec, "fields"));
    rc = rc ? rc : append_with_id(c, "partition-specs", "spec-id", id, spec);
    json_decref(spec);
    return rc;
}

static int add_order(struct change *c, const json_t *update)
{
    const json_t *json = json_object_get(update, "sort-order");
    const json_t *fields = json_object_get(json, "fields");
    struct lake_sort_order order;
    struct lake_schema schema;
    json_t *old;
    size_t i;
    int64_t id;
    int rc = lake_order_parse(json, &c->arena, &order, c->err);

    rc = rc ? rc : order.field_count ? current_schema(c, &schema) : 0;
    for (i = 0; i < order.field_count && !rc; i++)
        if (!lake_schema_by_id(&schema, order.fields[i].source_id))
            rc = err_set(c->err, ERR_INVALID,
                         "Cannot find source column for sort field: id %" PRId32,
                         order.fields[i].source_id);
    if (rc)
        return rc;
    json_array_foreach(list(c, "sort-orders"), i,
                       old) if (json_equal(json_object_get(old, "fields"), fields))
    {
        c->added_order = (int32_t)number(old, "order-id", 0);
        return 0;
    }
    id = order.field_count ? highest(list(c, "sort-orders"), "order-id", 0) + 1 : 0;
    c->added_order = (int32_t)id;
    return append_with_id(c, "sort-orders", "order-id", id, json);
}

/* Format 1 has no sequence numbers; writers that know only later ones (DuckDB) name one all the
 * same, and the Java library takes it. */
static int keep_snapshot(struct change *c, const json_t *snapshot, bool v1)
{
    json_t *kept = json_deep_copy(snapshot);

    c->snapshots_changed = true;
    if (kept && v1)
        json_object_del(kept, "sequence-number");
    return json_array_append_new(list(c, "snapshots"), kept) ? nomem(c) : 0;
}

static int add_snapshot(struct change *c, const json_t *update)
{
    const json_t *snapshot = json_object_get(update, "snapshot");
    int64_t id, seq, stamp, last = number(c->doc, "last-sequence-number", 0);
    int64_t rows = number(c->doc, "next-row-id", 0);
    bool v1 = number(c->doc, "format-version", 2) < 2;
    int rc = json_get_i64(snapshot, "snapshot-id", "snapshot", &id, c->err);

    rc = rc ? rc : json_get_i64(snapshot, "timestamp-ms", "snapshot", &stamp, c->err);
    if (rc)
        return rc;
    seq = number(snapshot, "sequence-number", 0);
    if (has_snapshot(c, id))
        return err_set(c->err, ERR_INVALID, "Snapshot already exists for id: %" PRId64, id);
    if (!v1 && seq <= last && json_is_integer(json_object_get(snapshot, "parent-snapshot-id")))
        return err_set(c->err, ERR_INVALID,
                       "Cannot add snapshot with sequence number %" PRId64
                       " older than last sequence number %" PRId64,
                       seq, last);
    if (number(c->doc, "format-version", 2) >= 3) {
        if (number(snapshot, "first-row-id", -1) < rows)
            return err_set(c->err, ERR_INVALID,
                           "Cannot add a snapshot, first-row-id is behind "
                           "table next-row-id: %" PRId64 " < %" PRId64,
                           number(snapshot, "first-row-id", -1), rows);
        rc = set_number(c, "next-row-id", rows + number(snapshot, "added-rows", 0));
    }
    c->updated_ms = stamp > c->updated_ms ? stamp : c->updated_ms;
    if (!rc && !v1)
        rc = set_number(c, "last-sequence-number", seq > last ? seq : last);
    return rc ? rc : keep_snapshot(c, snapshot, v1);
}

static json_t *refs(struct change *c)
{
    json_t *obj = json_object_get(c->doc, "refs");
    int64_t current = number(c->doc, "current-snapshot-id", -1);

    if (!json_is_object(obj)) {
        json_put(c->doc, "refs", json_object());
        obj = json_object_get(c->doc, "refs");
    }
    if (current != -1 && !json_object_get(obj, "main")) {
        json_t *ref = json_object();

        json_put(ref, "snapshot-id", json_integer(current));
        json_put(ref, "type", json_string("branch"));
        json_put(obj, "main", ref);
    }
    return obj;
}

static int log_snapshot(struct change *c, int64_t id, int64_t stamp)
{
    json_t *entry = json_object();

    json_put(entry, "timestamp-ms", json_integer(stamp));
    json_put(entry, "snapshot-id", json_integer(id));
    return json_array_append_new(list(c, "snapshot-log"), entry) ? nomem(c) : 0;
}

static int set_ref(struct change *c, const json_t *update)
{
    static const char *const keys[] = {"snapshot-id", "type", "max-ref-age-ms",
                                       "max-snapshot-age-ms", "min-snapshots-to-keep"};
    const char *name, *type;
    json_t *ref, *snapshot;
    int64_t id, stamp;
    int rc = json_get_str(update, "ref-name", "set-snapshot-ref", &name, c->err);

    rc = rc ? rc : json_get_str(update, "type", "set-snapshot-ref", &type, c->err);
    rc = rc ? rc : want_i64(c, update, "snapshot-id", &id);
    if (rc)
        return rc;
    snapshot = find_snapshot(c, id);
    if (!snapshot)
        return err_set(c->err, ERR_INVALID, "Cannot set %s to unknown snapshot: %" PRId64, name,
                       id);
    if (strcmp(type, "branch") != 0 && (strcmp(type, "tag") != 0 || !strcmp(name, "main")))
        return err_set(c->err, ERR_INVALID, "Cannot set %s to a %s", name, type);
    ref = json_object();
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        json_t *value = json_object_get(update, keys[i]);

        if (value && !json_is_null(value))
            rc |= json_object_set(ref, keys[i], value);
    }
    rc |= json_object_set(refs(c), name, ref);
    json_decref(ref);
    if (rc)
        return nomem(c);
    if (strcmp(name, "main") != 0 || number(c->doc, "current-snapshot-id", -1) == id)
        return 0;
    stamp = number(snapshot, "timestamp-ms", c->now_ms);
    rc = log_snapshot(c, id, c->updated_ms >= stamp ? stamp : c->now_ms);
    return rc ? rc : set_number(c, "current-snapshot-id", id);
}

static bool is_among(const json_t *ids, int64_t id)
{
    size_t i;
    json_t *item;

    json_array_foreach(ids, i, item)
    {
        if (json_integer_value(item) == id)
            return true;
    }
    return false;
}

/* Entries before a snapshot that is gone would claim a history that has a hole. */
static void prune_snapshot_log(struct change *c, const json_t *gone)
{
    json_t *log = list(c, "snapshot-log");

    for (size_t i = json_array_size(log); i-- > 0;)
        if (is_among(gone, number(json_array_get(log, i), "snapshot-id", -1))) {
            for (size_t k = 0; k <= i; k++)
                json_array_remove(log, 0);
            return;
        }
}

static void remove_where(struct change *c, const char *key, const char *id_key, int64_t id)
{
    json_t *array = json_object_get(c->doc, key);
    size_t i;

    while (find(array, id_key, id, &i))
        json_array_remove(array, i);
}

static int remove_ref_of(struct change *c, int64_t snapshot_id)
{
    const char *name;
    json_t *ref;
    void *tmp;

    json_object_foreach_safe(refs(c), tmp, name, ref)
    {
        if (number(ref, "snapshot-id", -1) != snapshot_id)
            continue;
        if (!strcmp(name, "main")) {
            int rc = set_number(c, "current-snapshot-id", -1);

            if (rc)
                return rc;
        }
        json_object_del(refs(c), name);
    }
    return 0;
}

static int remove_snapshots(struct change *c, const json_t *update)
{
    json_t *ids, *id;
    size_t i;
    int rc = json_get_arr(update, "snapshot-ids", "remove-snapshots", &ids, c->err);

    if (rc)
        return rc;
    c->snapshots_changed = true;
    json_array_foreach(ids, i, id)
    {
        int64_t snapshot_id = json_integer_value(id);

        rc = remove_ref_of(c, snapshot_id);
        if (rc)
            return rc;
        remove_where(c, "snapshots", "snapshot-id", snapshot_id);
        remove_where(c, "statistics", "snapshot-id", snapshot_id);
        remove_where(c, "partition-statistics", "snapshot-id", snapshot_id);
    }
    prune_snapshot_log(c, ids);
    return 0;
}

static int remove_ref(struct change *c, const json_t *update)
{
    const char *name;
    int rc = json_get_str(update, "ref-name", "remove-snapshot-ref", &name, c->err);

    if (rc)
        return rc;
    json_object_del(refs(c), name);
    return strcmp(name, "main") ? 0 : set_number(c, "current-snapshot-id", -1);
}

static int set_location(struct change *c, const json_t *update)
{
    const char *location;
    int rc = json_get_str(update, "location", "set-location", &location, c->err);
    size_t len = rc ? 0 : strlen(location);

    while (len > 1 && location[len - 1] == '/')
        len--;
    if (!rc && len == 0)
        return err_set(c->err, ERR_INVALID, "set-location: empty");
    if (rc)
        return rc;
    return json_put(c->doc, "location", json_stringn(location, len)) ? 0 : nomem(c);
}

static json_t *properties(struct change *c)
{
    if (!json_is_object(json_object_get(c->doc, "properties")))
        json_put(c->doc, "properties", json_object());
    return json_object_get(c->doc, "properties");
}

static int set_properties(struct change *c, const json_t *update)
{
    json_t *updates = json_object_get(update, "updates"), *value;
    const char *key;

    if (!updates) /* older clients */
        updates = json_object_get(update, "updated");
    if (!json_is_object(updates))
        return err_set(c->err, ERR_INVALID, "set-properties: no updates");
    json_object_foreach(updates, key, value)
    {
        if (!json_is_string(value))
            return err_set(c->err, ERR_INVALID, "set-properties: %.100s is not text", key);
        if (json_object_set(properties(c), key, value))
            return nomem(c);
    }
    return 0;
}

static int remove_properties(struct change *c, const json_t *update)
{
    json_t *removals = json_object_get(update, "removals"), *key;
    size_t i;

    if (!removals)
        removals = json_object_get(update, "removed");
    if (!json_is_array(removals))
        return err_set(c->err, ERR_INVALID, "remove-properties: no removals");
    json_array_foreach(removals, i, key) if (json_is_string(key))
        json_object_del(properties(c), json_string_value(key));
    return 0;
}

static int put_statistics(struct change *c, const char *key, const json_t *stats)
{
    int64_t id;
    int rc = json_get_i64(stats, "snapshot-id", key, &id, c->err);

    if (rc)
        return rc;
    remove_where(c, key, "snapshot-id", id);
    return json_array_append_new(list(c, key), json_deep_copy(stats)) ? nomem(c) : 0;
}

static int set_statistics(struct change *c, const json_t *update)
{
    return put_statistics(c, "statistics", json_object_get(update, "statistics"));
}

static int set_partition_statistics(struct change *c, const json_t *update)
{
    return put_statistics(c, "partition-statistics",
                          json_object_get(update, "partition-statistics"));
}

static int drop_statistics(struct change *c, const json_t *update, const char *key)
{
    int64_t id;
    int rc = want_i64(c, update, "snapshot-id", &id);

    if (!rc)
        remove_where(c, key, "snapshot-id", id);
    return rc;
}

static int remove_statistics(struct change *c, const json_t *update)
{
    return drop_statistics(c, update, "statistics");
}

static int remove_partition_statistics(struct change *c, const json_t *update)
{
    return drop_statistics(c, update, "partition-statistics");
}

static int remove_ids(struct change *c, const json_t *update, const char *ids_key,
                      const char *lists, const char *id_key, const char *current_key)
{
    json_t *ids, *id;
    size_t i;
    int rc = json_get_arr(update, ids_key, "update", &ids, c->err);

    if (rc)
        return rc;
    json_array_foreach(ids, i, id)
    {
        if (json_integer_value(id) == number(c->doc, current_key, -1))
            return err_set(c->err, ERR_INVALID, "Cannot remove the current %s: %" PRId64, id_key,
                           (int64_t)json_integer_value(id));
        remove_where(c, lists, id_key, json_integer_value(id));
    }
    return 0;
}

static int remove_specs(struct change *c, const json_t *update)
{
    return remove_ids(c, update, "spec-ids", "partition-specs", "spec-id", "default-spec-id");
}

static int remove_schemas(struct change *c, const json_t *update)
{
    return remove_ids(c, update, "schema-ids", "schemas", "schema-id", "current-schema-id");
}

static const struct {
    const char *action;
    int (*apply)(struct change *, const json_t *update);
} updates_known[] = {
    {"assign-uuid", assign_uuid},
    {"upgrade-format-version", upgrade_format},
    {"add-schema", add_schema},
    {"set-current-schema", set_current_schema},
    {"add-spec", add_spec},
    {"set-default-spec", set_default_spec},
    {"add-sort-order", add_order},
    {"set-default-sort-order", set_default_order},
    {"add-snapshot", add_snapshot},
    {"set-snapshot-ref", set_ref},
    {"remove-snapshots", remove_snapshots},
    {"remove-snapshot-ref", remove_ref},
    {"set-location", set_location},
    {"set-properties", set_properties},
    {"remove-properties", remove_properties},
    {"set-statistics", set_statistics},
    {"remove-statistics", remove_statistics},
    {"set-partition-statistics", set_partition_statistics},
    {"remove-partition-statistics", remove_partition_statistics},
    {"remove-partition-specs", remove_specs},
    {"remove-schemas", remove_schemas},
};

static int check_ref(const struct lake_metadata *base, const json_t *req, struct err *err)
{
    const char *name = json_string_value(json_object_get(req, "ref"));
    const json_t *want = json_object_get(req, "snapshot-id");
    const struct lake_ref *ref = name ? lake_metadata_branch(base, name) : NULL;
    const char *kind = ref && ref->is_tag ? "tag" : "branch";

    if (!name)
        return err_set(err, ERR_INVALID, "assert-ref-snapshot-id: no ref");
    if (!json_is_integer(want))
        return ref ? err_set(err, ERR_CONFLICT,
                             "Requirement failed: %s %s was created "
                             "concurrently",
                             kind, name)
                   : 0;
    if (!ref)
        return err_set(err, ERR_CONFLICT,
                       "Requirement failed: branch or tag %s is missing, "
                       "expected %" PRId64,
                       name, (int64_t)json_integer_value(want));
    if (ref->snapshot_id != json_integer_value(want))
        return err_set(err, ERR_CONFLICT,
                       "Requirement failed: %s %s has changed: expected id %" PRId64 " != %" PRId64,
                       kind, name, (int64_t)json_integer_value(want), ref->snapshot_id);
    return 0;
}

static int check_uuid(const struct lake_metadata *base, const json_t *req, struct err *err)
{
    const char *uuid = json_string_value(json_object_get(req, "uuid"));

    if (uuid && !strcasecmp(uuid, base->uuid))
        return 0;
    return err_set(err, ERR_CONFLICT, "Requirement failed: UUID does not match: expected %s != %s",
                   base->uuid, uuid ? uuid : "none");
}

static int check_number(const struct lake_metadata *base, const json_t *req, struct err *err)
{
    const char *type = json_string_value(json_object_get(req, "type"));
    const struct {
        const char *type, *key, *words;
        int32_t have;
    } known[] = {
        {"assert-last-assigned-field-id", "last-assigned-field-id",
         "last assigned field id changed", base->last_column_id},
        {"assert-current-schema-id", "current-schema-id", "current schema changed",
         base->current_schema_id},
        {"assert-last-assigned-partition-id", "last-assigned-partition-id",
         "last assigned partition id changed", base->last_partition_id},
        {"assert-default-spec-id", "default-spec-id", "default partition spec changed",
         base->default_spec_id},
        {"assert-default-sort-order-id", "default-sort-order-id", "default sort order changed",
         base->default_order_id},
    };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        int64_t want;
        int rc;

        if (strcmp(type, known[i].type) != 0)
            continue;
        rc = json_get_i64(req, known[i].key, type, &want, err);
        if (rc || want == known[i].have)
            return rc;
        return err_set(err, ERR_CONFLICT,
                       "Requirement failed: %s: expected id %" PRId64 " != %" PRId32,
                       known[i].words, want, known[i].have);
    }
    return err_set(err, ERR_UNSUPPORTED, "unknown requirement %.100s", type);
}

static int check_requirement(const struct lake_metadata *base, const json_t *req, struct err *err)
{
    const char *type;
    int rc = json_get_str(req, "type", "requirement", &type, err);

    if (rc)
        return err_set(err, ERR_INVALID, "a requirement without a type");
    if (!strcmp(type, "assert-create"))
        return base ? err_set(err, ERR_CONFLICT, "Requirement failed: table already exists") : 0;
    if (!base)
        return err_set(err, ERR_CONFLICT, "Requirement failed: current table metadata is missing");
    if (!strcmp(type, "assert-table-uuid"))
        return check_uuid(base, req, err);
    if (!strcmp(type, "assert-ref-snapshot-id"))
        return check_ref(base, req, err);
    return check_number(base, req, err);
}

/* What a table is before its first update. last-updated-ms 0 marks it as not yet born. */
static json_t *empty_document(void)
{
    char uuid[37];

    uuid_v4(uuid);
    return json_pack("{s:i, s:s, s:s, s:i, s:i, s:i, s:[], s:i, s:[], s:i, s:i, s:[], s:i, s:{}, "
                     "s:i, s:{}, s:[], s:[], s:[], s:[], s:[]}",
                     "format-version", 2, "table-uuid", uuid, "location", "",
                     "last-sequence-number", 0, "last-updated-ms", 0, "last-column-id", 0,
                     "schemas", "current-schema-id", -1, "partition-specs", "default-spec-id", -1,
                     "last-partition-id", 999, "sort-orders", "default-sort-order-id", -1,
                     "properties", "current-snapshot-id", -1, "refs", "snapshots", "statistics",
                     "partition-statistics", "snapshot-log", "metadata-log");
}

static int apply_one(struct change *c, const json_t *update)
{
    const char *action = json_string_value(json_object_get(update, "action"));

    if (!action)
        return err_set(c->err, ERR_INVALID, "an update without an action");
    for (size_t i = 0; i < COUNT_OF(updates_known); i++)
        if (!strcmp(action, updates_known[i].action)) {
            int rc = updates_known[i].apply(c, update);

            return rc == ERR_NOENT ? err_wrap(c->err, ERR_INVALID, "%s", action) : rc;
        }
    return err_set(c->err, ERR_UNSUPPORTED, "unknown update %.100s", action);
}

/* A schema that came with these updates, against the format that the table has after them. */
static int check_added(struct change *c)
{
    json_t *json =
        c->added_schema < 0 ? NULL : find(list(c, "schemas"), "schema-id", c->added_schema, NULL);
    struct lake_schema schema;
    int rc = json ? lake_schema_parse(json, &c->arena, &schema, c->err) : 0;

    if (rc || !json)
        return rc;
    return lake_schema_check_format(&schema, (int)number(c->doc, "format-version", 2), c->err);
}

/* Readers of the Java library do not open a table whose spec or order names a column that the
 * schema has not, and nobody could write to it. Its error texts. */
static int check_sources(struct change *c, const json_t *before)
{
    static const char *const keys[] = {"current-schema-id", "default-spec-id",
                                       "default-sort-order-id"};
    struct lake_partition_spec spec = {0};
    struct lake_sort_order order = {0};
    struct lake_schema schema;
    const json_t *spec_json, *order_json;
    bool same = before;
    int rc;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        same = same && number(before, keys[i], -1) == number(c->doc, keys[i], -1);
    if (same)
        return 0;
    spec_json =
        find(list(c, "partition-specs"), "spec-id", number(c->doc, "default-spec-id", -1), NULL);
    order_json =
        find(list(c, "sort-orders"), "order-id", number(c->doc, "default-sort-order-id", -1), NULL);
    rc = current_schema(c, &schema);
    if (!rc && spec_json)
        rc = lake_spec_parse(spec_json, &c->arena, &spec, c->err);
    if (!rc && order_json)
        rc = lake_order_parse(order_json, &c->arena, &order, c->err);
    for (size_t i = 0; i < spec.field_count && !rc; i++)
        if (spec.fields[i].transform.kind != LAKE_VOID &&
            !lake_schema_by_id(&schema, spec.fields[i].source_id))
            rc = err_set(c->err, ERR_INVALID,
                         "Cannot find source column for partition field %s: id %" PRId32
                         " (drop the partition field first)",
                         spec.fields[i].name, spec.fields[i].source_id);
    for (size_t i = 0; i < order.field_count && !rc; i++)
        if (order.fields[i].transform.kind != LAKE_VOID &&
            !lake_schema_by_id(&schema, order.fields[i].source_id))
            rc = err_set(c->err, ERR_INVALID,
                         "Cannot find source column for sort field: id %" PRId32
                         " (change the sort order first)",
                         order.fields[i].source_id);
    return rc;
}

/* What v1 has beside the lists says what they say. */
static int mirror_v1(struct change *c)
{
    json_t *schema =
        find(list(c, "schemas"), "schema-id", number(c->doc, "current-schema-id", -1), NULL);
    json_t *spec =
        find(list(c, "partition-specs"), "spec-id", number(c->doc, "default-spec-id", -1), NULL);

    if (!schema || !spec)
        return err_set(c->err, ERR_INVALID, "the table has no current schema");
    json_object_del(c->doc, "last-sequence-number");
    return json_object_set(c->doc, "schema", schema) ||
                   json_object_set(c->doc, "partition-spec", json_object_get(spec, "fields"))
               ? nomem(c)
               : 0;
}

/* A table born without spec or order gets the empty ones. */
static int complete(struct change *c)
{
    int rc = 0;

    if (!json_string_length(json_object_get(c->doc, "location")))
        return err_set(c->err, ERR_INVALID, "the table has no location");
    if (json_array_size(list(c, "partition-specs")) == 0) {
        rc = json_array_append_new(list(c, "partition-specs"),
                                   json_pack("{s:i, s:[]}", "spec-id", 0, "fields"));
        rc = rc ? nomem(c) : set_number(c, "default-spec-id", 0);
    }
    if (!rc && json_array_size(list(c, "sort-orders")) == 0) {
        rc = json_array_append_new(list(c, "sort-orders"),
                                   json_pack("{s:i, s:[]}", "order-id", 0, "fields"));
        rc = rc ? nomem(c) : set_number(c, "default-sort-order-id", 0);
    }
    if (!rc && number(c->doc, "format-version", 2) == 1)
        rc = mirror_v1(c);
    return rc ? rc : set_number(c, "last-updated-ms", c->updated_ms ? c->updated_ms : c->now_ms);
}

int lake_metadata_apply(const struct lake_metadata *base, const json_t *requirements,
                        const json_t *updates, int64_t now_ms, struct lake_metadata **out,
                        struct err *err)
{
    struct change c = {.base = base,
                       .now_ms = now_ms,
                       .err = err,
                       .added_schema = -1,
                       .added_spec = -1,
                       .added_order = -1};
    json_t *item;
    size_t i;
    int rc = 0;

    json_array_foreach((json_t *)requirements, i,
                       item) if ((rc = check_requirement(base, item, err))) return rc;
    c.doc = base ? lake_doc_fork(base->doc) : empty_document();
    if (!c.doc)
        return nomem(&c);
    json_array_foreach((json_t *)updates, i, item) if (!rc) rc = apply_one(&c, item);
    rc = rc ? rc : check_added(&c);
    rc = rc ? rc : complete(&c);
    rc = rc ? rc : check_sources(&c, base ? base->doc : NULL);
    arena_deinit(&c.arena);
    if (rc) {
        json_decref(c.doc);
        return rc;
    }
    rc = lake_metadata_from_fork(c.doc, base, out, err);
    return rc == ERR_CORRUPT ? err_wrap(err, ERR_INVALID, "the updates make no table") : rc;
}
