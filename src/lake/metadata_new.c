/* metadata_new.c - tables as they are born, and the log of their metadata files. */
#include <stdio.h>

#include "lake/draft.h"
#include "lake/lake_int.h"

/* Explicit properties of a table that is committed to every few seconds: any engine that keeps
 * Iceberg's rules then keeps it small, not only we. See maintain.h. */
static const struct lake_property streaming_defaults[] = {
    {"write.parquet.compression-codec", "zstd"},
    {"write.metadata.delete-after-commit.enabled", "true"},
    {"write.metadata.previous-versions-max", "5"},
    {"history.expire.max-snapshot-age-ms", "180000"},
    {"history.expire.min-snapshots-to-keep", "10"},
    {"commit.manifest.min-count-to-merge", "10"},
};

/* The new id of what was field `id` in a tree of the same shape. */
static int32_t id_in(const struct lake_type *old, const struct lake_type *now, int32_t id)
{
    for (size_t i = 0; i < old->field_count; i++) {
        int32_t inner;

        if (old->fields[i].id == id)
            return now->fields[i].id;
        inner = id_in(&old->fields[i].type, &now->fields[i].type, id);
        if (inner)
            return inner;
    }
    return 0;
}

static json_t *action(const char *name, const char *key, json_t *value /* take */)
{
    json_t *obj = json_object();

    if (json_put(obj, "action", json_string(name)) && json_put(obj, key, value))
        return obj;
    json_decref(obj);
    return NULL;
}

static json_t *property_object(const struct lake_table_options *o)
{
    json_t *obj = json_object();
    bool ok = obj != NULL;

    for (size_t i = 0; i < COUNT_OF(streaming_defaults) && o->streaming && ok; i++)
        ok = json_put(obj, streaming_defaults[i].key, json_string(streaming_defaults[i].value));
    for (size_t i = 0; i < o->property_count && ok; i++)
        ok = json_put(obj, o->properties[i].key, json_string(o->properties[i].value));
    if (ok)
        return obj;
    json_decref(obj);
    return NULL;
}

static int renumber(const struct lake_table_options *o, struct arena *arena,
                    struct lake_schema *schema, struct lake_partition_spec *spec,
                    struct lake_sort_order *order, struct err *err)
{
    json_t *json = lake_schema_json(o->schema);
    int32_t last = 0;
    int rc = json ? lake_schema_parse(json, arena, schema, err) : err_set(err, ERR_NOMEM, "table");

    json_decref(json);
    if (rc)
        return rc;
    lake_schema_number(schema, &last);
    spec->field_count = o->spec ? o->spec->field_count : 0;
    order->field_count = o->order ? o->order->field_count : 0;
    spec->fields = ARENA_ARRAY(arena, struct lake_partition_field, spec->field_count + 1);
    order->fields = ARENA_ARRAY(arena, struct lake_sort_field, order->field_count + 1);
    if (!spec->fields || !order->fields)
        return err_set(err, ERR_NOMEM, "table");
    for (size_t i = 0; i < spec->field_count; i++) {
        spec->fields[i] = o->spec->fields[i];
        spec->fields[i].field_id = 1000 + (int32_t)i;
        spec->fields[i].source_id =
            id_in(&o->schema->root, &schema->root, o->spec->fields[i].source_id);
    }
    for (size_t i = 0; i < order->field_count; i++) {
        order->fields[i] = o->order->fields[i];
        order->fields[i].source_id =
            id_in(&o->schema->root, &schema->root, o->order->fields[i].source_id);
    }
    order->id = order->field_count ? 1 : 0;
    return 0;
}

int lake_metadata_new(struct lake_metadata **out, const struct lake_table_options *o,
                      struct err *err)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_partition_spec spec = {0};
    struct lake_sort_order order = {0};
    json_t *updates = json_array();
    int rc = renumber(o, &arena, &schema, &spec, &order, err), bad = 0;

    if (!rc) {
        if (o->uuid)
            bad |=
                json_array_append_new(updates, action("assign-uuid", "uuid", json_string(o->uuid)));
        bad |= json_array_append_new(
            updates, action("upgrade-format-version", "format-version",
                            json_integer(o->format_version ? o->format_version : 2)));
        bad |= json_array_append_new(updates,
                                     action("add-schema", "schema", lake_schema_json(&schema)));
        bad |= json_array_append_new(updates,
                                     action("set-current-schema", "schema-id", json_integer(-1)));
        bad |= json_array_append_new(updates, action("add-spec", "spec", lake_spec_json(&spec)));
        bad |=
            json_array_append_new(updates, action("set-default-spec", "spec-id", json_integer(-1)));
        bad |= json_array_append_new(
            updates, action("add-sort-order", "sort-order", lake_order_json(&order)));
        bad |= json_array_append_new(
            updates, action("set-default-sort-order", "sort-order-id", json_integer(-1)));
        bad |= json_array_append_new(updates,
                                     action("set-location", "location", json_string(o->location)));
        bad |=
            json_array_append_new(updates, action("set-properties", "updates", property_object(o)));
        rc = bad ? err_set(err, ERR_NOMEM, "table") : 0;
    }
    rc = rc ? rc : lake_metadata_apply(NULL, NULL, updates, o->now_ms, out, err);
    json_decref(updates);
    arena_deinit(&arena);
    return rc;
}

/* "…/00012-<uuid>.metadata.json" -> 12; anything else counts as -1. */
static int64_t version_of(const char *location)
{
    const char *name = location ? strrchr(location, '/') : NULL;
    int64_t version = 0;
    int digits = 0;

    name = name ? name + 1 : location;
    if (!name)
        return -1;
    if (*name == 'v') /* Hadoop tables: v12.metadata.json */
        name++;
    for (; *name >= '0' && *name <= '9' && digits < 18; name++, digits++)
        version = version * 10 + (*name - '0');
    return digits ? version : -1;
}

bool metadata_wants_gzip(const struct lake_metadata *metadata)
{
    const char *codec = lake_metadata_property(metadata, "write.metadata.compression-codec");

    return codec && slice_ieq(slice_str(codec), SLICE_LIT("gzip"));
}

/* Java's readers know a gzip'd file by its name alone. */
const char *lake_metadata_next_location(const struct lake_metadata *metadata,
                                        const char *base_location, struct arena *arena)
{
    const char *path = lake_metadata_property(metadata, "write.metadata.path");
    char uuid[37];

    uuid_v4(uuid);
    return arena_printf(arena, "%s%s/%05" PRId64 "-%s%s.metadata.json",
                        path ? path : metadata->location, path ? "" : "/metadata",
                        version_of(base_location) + 1, uuid,
                        metadata_wants_gzip(metadata) ? ".gz" : "");
}

int lake_metadata_log_base(const struct lake_metadata *metadata, const struct lake_metadata *base,
                           const char *base_location, struct arena *arena,
                           struct lake_metadata **out, const char ***dropped, size_t *drop_count,
                           struct err *err)
{
    int64_t max = lake_metadata_property_i64(metadata, "write.metadata.previous-versions-max", 100);
    bool remove =
        lake_metadata_property_bool(metadata, "write.metadata.delete-after-commit.enabled", false);
    json_t *doc = lake_doc_fork(metadata->doc), *log, *entry;
    size_t excess;

    if (dropped)
        *drop_count = 0;
    if (!doc)
        return err_set(err, ERR_NOMEM, "metadata log");
    if (!json_is_array(json_object_get(doc, "metadata-log")))
        json_put(doc, "metadata-log", json_array());
    log = json_object_get(doc, "metadata-log");
    entry = json_object();
    json_put(entry, "timestamp-ms", json_integer(base->last_updated_ms));
    json_put(entry, "metadata-file", json_string(base_location));
    if (!log || json_array_append_new(log, entry)) {
        json_decref(doc);
        return err_set(err, ERR_NOMEM, "metadata log");
    }
    max = max < 1 ? 1 : max;
    excess = json_array_size(log) > (size_t)max ? json_array_size(log) - (size_t)max : 0;
    if (dropped)
        *dropped = ARENA_ARRAY(arena, const char *, excess + 1);
    for (size_t i = 0; i < excess; i++) {
        const char *file =
            json_string_value(json_object_get(json_array_get(log, 0), "metadata-file"));

        if (dropped && *dropped && remove && file &&
            ((*dropped)[*drop_count] = arena_strdup(arena, file)))
            ++*drop_count;
        json_array_remove(log, 0);
    }
    return lake_metadata_from_fork(doc, metadata, out, err);
}
