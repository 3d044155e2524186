/* metadata.c - table metadata from JSON: v1 given the lists of v2, then viewed through structs. */
#include "lake/metadata.h"

#include <stdio.h>

#include "base/codec.h"
#include "lake/metadata_share.h"

#define METADATA_BYTES_MAX ((size_t)512 << 20)

static int set_if_absent(json_t *doc, const char *key, json_t *value /* take */)
{
    const json_t *old = json_object_get(doc, key);

    if (old && !json_is_null(old)) {
        json_decref(value);
        return 0;
    }
    return json_put(doc, key, value) ? 0 : ERR_NOMEM;
}

static json_t *list_of(json_t *item /* take */)
{
    json_t *list = json_array();

    if (list && json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* v1 keeps one schema and one spec outside of the lists, which newer writers of v1 have beside
 * them: the lists are made where they lack, and nothing is taken away. Iceberg spec, appendix E. */
static int normalise_v1(json_t *doc)
{
    json_t *schema = json_object_get(doc, "schema"), *spec = json_object_get(doc, "partition-spec");
    json_t *order = json_object();
    int rc = 0;

    if (!json_object_get(doc, "schemas") && schema) {
        rc |= set_if_absent(schema, "schema-id", json_integer(0));
        rc |= set_if_absent(doc, "schemas", list_of(json_incref(schema)));
        rc |= set_if_absent(doc, "current-schema-id",
                            json_integer(json_integer_value(json_object_get(schema, "schema-id"))));
    }
    if (!json_object_get(doc, "partition-specs")) {
        json_t *full = json_object();

        rc |= !json_put(full, "spec-id", json_integer(0));
        rc |= !json_put(full, "fields", spec ? json_deep_copy(spec) : json_array());
        rc |= set_if_absent(doc, "partition-specs", list_of(full));
    }
    rc |= !json_put(order, "order-id", json_integer(0)) || !json_put(order, "fields", json_array());
    rc |= set_if_absent(doc, "sort-orders", list_of(order));
    rc |= set_if_absent(doc, "default-spec-id", json_integer(0));
    rc |= set_if_absent(doc, "default-sort-order-id", json_integer(0));
    return rc ? ERR_NOMEM : 0;
}

/* v1 tables need not have one. It has to be the same each time the table is read: made from its
 * place, in the shape of a version 8 (RFC 9562: of one's own making). */
static int normalise_uuid(json_t *doc)
{
    const char *location = json_string_value(json_object_get(doc, "location"));
    uint64_t high, low;
    char uuid[37];

    if (json_is_string(json_object_get(doc, "table-uuid")))
        return 0;
    location = location ? location : "";
    high = hash64(location, strlen(location), 1);
    low = hash64(location, strlen(location), 2);
    snprintf(uuid, sizeof(uuid), "%08x-%04x-8%03x-%04x-%012" PRIx64, (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
             (unsigned)(low >> 48 & 0x3fff) | 0x8000, low & 0xffffffffffff);
    return json_put(doc, "table-uuid", json_string(uuid)) ? 0 : ERR_NOMEM;
}

struct view {
    struct lake_metadata *m;
    struct arena *arena;
    struct err *err;
};

static int nomem(struct view *v)
{
    return err_set(v->err, ERR_NOMEM, "table metadata");
}

/* Texts are borrowed from the document, which lives as long as the view and never changes. */
static const char *text_of(const json_t *json)
{
    return json_string_value(json);
}

static int get_i32(struct view *v, const json_t *obj, const char *key, int32_t *out)
{
    int64_t wide;
    int rc = json_get_i64(obj, key, "table metadata", &wide, v->err);

    if (!rc && (wide < INT32_MIN || wide > INT32_MAX))
        rc = err_set(v->err, ERR_CORRUPT, "table metadata.%s: out of range", key);
    *out = rc ? 0 : (int32_t)wide;
    return rc;
}

static int64_t i64_or(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(obj, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

/* Shared by the four lists: counts, allocates, parses each item. */
static int view_list(struct view *v, const char *key, size_t size, bool required,
                     int (*item)(struct view *, const json_t *, void *), void **out, size_t *count)
{
    const json_t *list = json_object_get(v->m->doc, key);
    size_t total = json_array_size(list);

    if (required && total == 0)
        return err_set(v->err, ERR_CORRUPT, "table metadata.%s: missing or empty", key);
    *out = arena_array(v->arena, total + 1, size);
    if (!*out)
        return nomem(v);
    for (size_t i = 0; i < total; i++) {
        int rc = item(v, json_array_get(list, i), (char *)*out + i * size);

        if (rc)
            return err_wrap(v->err, rc, "table metadata.%s[%zu]", key, i);
        ++*count;
    }
    return 0;
}

static int view_schema(struct view *v, const json_t *json, void *out)
{
    return lake_schema_parse(json, v->arena, out, v->err);
}

static int view_spec(struct view *v, const json_t *json, void *out)
{
    return lake_spec_parse(json, v->arena, out, v->err);
}

static int view_order(struct view *v, const json_t *json, void *out)
{
    return lake_order_parse(json, v->arena, out, v->err);
}

static int view_pairs(struct view *v, const json_t *obj, struct lake_property **out, size_t *count)
{
    const char *key;
    json_t *value;

    *out = ARENA_ARRAY(v->arena, struct lake_property, json_object_size(obj) + 1);
    if (!*out)
        return nomem(v);
    json_object_foreach((json_t *)obj, key, value)
    {
        struct lake_property *p = &(*out)[*count];

        if (!json_is_string(value))
            continue; /* not what the spec allows; kept in the document, not seen by us */
        p->key = key;
        p->value = text_of(value);
        if (!p->key || !p->value)
            return nomem(v);
        ++*count;
    }
    return 0;
}

static int view_log_entry(struct view *v, const json_t *json, void *at)
{
    struct lake_log_entry *entry = at;

    entry->timestamp_ms = i64_or(json, "timestamp-ms", 0);
    entry->snapshot_id = i64_or(json, "snapshot-id", -1);
    entry->metadata_file = text_of(json_object_get(json, "metadata-file"));
    if (!entry->metadata_file && json_object_get(json, "metadata-file"))
        return err_set(v->err, ERR_CORRUPT, "metadata-file: not text");
    return 0;
}

static int view_refs(struct view *v)
{
    struct lake_metadata *m = v->m;
    const json_t *refs = json_object_get(m->doc, "refs");
    const char *name;
    json_t *json;
    bool main_seen = false;

    m->branches = ARENA_ARRAY(v->arena, struct lake_ref, json_object_size(refs) + 2);
    if (!m->branches)
        return nomem(v);
    json_object_foreach((json_t *)refs, name, json)
    {
        struct lake_ref *ref = &m->branches[m->branch_count++];
        const char *type = json_string_value(json_object_get(json, "type"));

        ref->name = name;
        ref->is_tag = type && !strcmp(type, "tag");
        ref->snapshot_id = i64_or(json, "snapshot-id", -1);
        ref->max_ref_age_ms = i64_or(json, "max-ref-age-ms", -1);
        ref->max_snapshot_age_ms = i64_or(json, "max-snapshot-age-ms", -1);
        ref->min_snapshots_to_keep = (int32_t)i64_or(json, "min-snapshots-to-keep", -1);
        main_seen |= !strcmp(name, "main");
        if (!ref->name)
            return nomem(v);
        if (!lake_metadata_snapshot_by_id(m, ref->snapshot_id))
            return err_set(v->err, ERR_CORRUPT,
                           "table metadata.refs.%.60s: snapshot %" PRId64 " does not exist", name,
                           ref->snapshot_id);
    }
    if (!main_seen && m->current_snapshot_id != -1)
        m->branches[m->branch_count++] =
            (struct lake_ref){"main", m->current_snapshot_id, false, -1, -1, -1};
    return 0;
}

static int view_scalars(struct view *v)
{
    struct lake_metadata *m = v->m;
    const json_t *doc = m->doc;
    const char *location;
    int rc = json_get_str(doc, "location", "table metadata", &location, v->err);

    rc = rc ? rc : get_i32(v, doc, "last-column-id", &m->last_column_id);
    rc = rc ? rc : get_i32(v, doc, "current-schema-id", &m->current_schema_id);
    rc = rc ? rc : get_i32(v, doc, "default-spec-id", &m->default_spec_id);
    rc = rc ? rc : get_i32(v, doc, "default-sort-order-id", &m->default_order_id);
    rc = rc ? rc
            : json_get_i64(doc, "last-updated-ms", "table metadata", &m->last_updated_ms, v->err);
    if (!rc && m->format_version > 1) /* all of v1 is number 0 */
        rc = json_get_i64(doc, "last-sequence-number", "table metadata", &m->last_sequence_number,
                          v->err);
    if (rc)
        return rc;
    m->location = location;
    m->uuid = text_of(json_object_get(doc, "table-uuid"));
    m->next_row_id = i64_or(doc, "next-row-id", 0);
    m->current_snapshot_id = i64_or(doc, "current-snapshot-id", -1);
    m->last_partition_id = (int32_t)i64_or(doc, "last-partition-id", -1);
    return m->location && m->uuid ? 0 : nomem(v);
}

/* Schemas, specs and orders: those of the base, or seen anew. */
static int view_shape(struct view *v, const struct lake_metadata *base)
{
    static const struct {
        size_t size;
        bool required;
        int (*item)(struct view *, const json_t *, void *);
    } lists[SHAPE_LISTS] = {
        [SHAPE_SCHEMAS] = {sizeof(struct lake_schema), true, view_schema},
        [SHAPE_SPECS] = {sizeof(struct lake_partition_spec), true, view_spec},
        [SHAPE_ORDERS] = {sizeof(struct lake_sort_order), false, view_order},
    };
    struct lake_metadata *m = v->m;
    struct metadata_shape *shape;
    bool made = false;
    int rc = share_shape(m, base, &made, v->err);

    if (rc)
        return rc;
    shape = m->shape;
    v->arena = &shape->arena;
    for (int i = 0; i < SHAPE_LISTS && made && !rc; i++)
        rc = view_list(v, shape_keys[i], lists[i].size, lists[i].required, lists[i].item,
                       &shape->items[i], &shape->counts[i]);
    v->arena = &m->arena;
    m->schemas = shape->items[SHAPE_SCHEMAS];
    m->schema_count = shape->counts[SHAPE_SCHEMAS];
    m->specs = shape->items[SHAPE_SPECS];
    m->spec_count = shape->counts[SHAPE_SPECS];
    m->orders = shape->items[SHAPE_ORDERS];
    m->order_count = shape->counts[SHAPE_ORDERS];
    return rc;
}

static int view_lists(struct view *v, const struct lake_metadata *base)
{
    struct lake_metadata *m = v->m;
    int rc = view_shape(v, base);

    rc = rc ? rc : share_snapshots(m, base, v->err);
    rc = rc ? rc : share_snapshot_log(m, base, v->err);
    rc = rc ? rc
            : view_list(v, "metadata-log", sizeof(*m->metadata_log), false, view_log_entry,
                        (void **)&m->metadata_log, &m->metadata_log_count);
    return rc ? rc
              : view_pairs(v, json_object_get(m->doc, "properties"), &m->properties,
                           &m->property_count);
}

static int view_check(struct view *v)
{
    struct lake_metadata *m = v->m;

    for (size_t i = 0; i < m->spec_count; i++)
        for (size_t k = 0; k < m->specs[i].field_count; k++)
            if (m->specs[i].fields[k].field_id > m->last_partition_id)
                m->last_partition_id = m->specs[i].fields[k].field_id;
    if (m->last_partition_id < 999)
        m->last_partition_id = 999;
    if (!lake_metadata_schema(m))
        return err_set(v->err, ERR_CORRUPT,
                       "table metadata: current schema %" PRId32 " does not exist",
                       m->current_schema_id);
    if (!lake_metadata_spec(m))
        return err_set(v->err, ERR_CORRUPT,
                       "table metadata: default partition spec %" PRId32 " does not exist",
                       m->default_spec_id);
    if (m->current_snapshot_id != -1 && !lake_metadata_snapshot(m))
        return err_set(v->err, ERR_CORRUPT,
                       "table metadata: current snapshot %" PRId64 " does not exist",
                       m->current_snapshot_id);
    return 0;
}

int lake_metadata_from_fork(json_t *doc, const struct lake_metadata *base,
                            struct lake_metadata **out, struct err *err)
{
    struct lake_metadata *m = calloc(1, sizeof(*m));
    struct view v = {m, m ? &m->arena : NULL, err};
    int64_t version;
    int rc;

    if (!m) {
        json_decref(doc);
        return err_set(err, ERR_NOMEM, "table metadata");
    }
    m->refs = 1;
    m->doc = doc;
    rc = json_is_object(doc) ? 0 : err_set(err, ERR_CORRUPT, "table metadata: not an object");
    rc = rc ? rc : json_get_i64(doc, "format-version", "table metadata", &version, err);
    if (!rc && (version < 1 || version > 3))
        rc = err_set(err, ERR_UNSUPPORTED, "table metadata: format version %" PRId64, version);
    if (!rc && version == 1 && normalise_v1(doc))
        rc = nomem(&v);
    if (!rc && normalise_uuid(doc))
        rc = nomem(&v);
    m->format_version = rc ? 2 : (int)version;
    rc = rc ? rc : view_scalars(&v);
    rc = rc ? rc : view_lists(&v, base);
    rc = rc ? rc : view_refs(&v);
    rc = rc ? rc : view_check(&v);
    if (rc) {
        lake_metadata_free(m);
        return rc == ERR_NOENT || rc == ERR_INVALID ? err_wrap(err, ERR_CORRUPT, "not a table")
                                                    : rc;
    }
    *out = m;
    return 0;
}

int lake_metadata_from_json(json_t *doc, struct lake_metadata **out, struct err *err)
{
    return lake_metadata_from_fork(doc, NULL, out, err);
}

int lake_metadata_parse(struct slice text, struct lake_metadata **out, struct err *err)
{
    struct buf plain;
    json_t *doc = NULL;
    int rc = 0;

    buf_init(&plain, METADATA_BYTES_MAX);
    if (text.len > 2 && text.ptr[0] == 0x1f && text.ptr[1] == 0x8b) {
        rc = codec_decompress(CODEC_GZIP, text, METADATA_BYTES_MAX, &plain, err);
        text = buf_slice(&plain);
    }
    rc = rc ? rc : json_parse(text, &doc, err);
    buf_deinit(&plain);
    if (rc)
        return err_wrap(err, rc, "table metadata");
    return lake_metadata_from_json(doc, out, err);
}

struct lake_metadata *lake_metadata_ref(struct lake_metadata *m)
{
    if (m)
        __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void lake_metadata_free(struct lake_metadata *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    share_release(m);
    json_decref(m->doc);
    arena_deinit(&m->arena);
    free(m);
}

const struct lake_schema *lake_metadata_schema_by_id(const struct lake_metadata *m, int32_t id)
{
    for (size_t i = 0; i < m->schema_count; i++)
        if (m->schemas[i].id == id)
            return &m->schemas[i];
    return NULL;
}

const struct lake_schema *lake_metadata_schema(const struct lake_metadata *m)
{
    return lake_metadata_schema_by_id(m, m->current_schema_id);
}

const struct lake_partition_spec *lake_metadata_spec_by_id(const struct lake_metadata *m,
                                                           int32_t id)
{
    for (size_t i = 0; i < m->spec_count; i++)
        if (m->specs[i].id == id)
            return &m->specs[i];
    return NULL;
}

const struct lake_partition_spec *lake_metadata_spec(const struct lake_metadata *m)
{
    return lake_metadata_spec_by_id(m, m->default_spec_id);
}

/* Newest last: searched from the end, where the snapshots asked for are. */
const struct lake_snapshot *lake_metadata_snapshot_by_id(const struct lake_metadata *m, int64_t id)
{
    for (size_t i = m->snapshot_count; i-- > 0;)
        if (m->snapshots[i].id == id)
            return &m->snapshots[i];
    return NULL;
}

/* Mostly the one before it: so a walk along a line of snapshots is one through the list. */
const struct lake_snapshot *lake_metadata_parent(const struct lake_metadata *m,
                                                 const struct lake_snapshot *snapshot)
{
    if (snapshot->parent_id < 0)
        return NULL;
    for (size_t i = (size_t)(snapshot - m->snapshots); i-- > 0;)
        if (m->snapshots[i].id == snapshot->parent_id)
            return &m->snapshots[i];
    return lake_metadata_snapshot_by_id(m, snapshot->parent_id);
}

const struct lake_snapshot *lake_metadata_snapshot(const struct lake_metadata *m)
{
    return m->current_snapshot_id == -1 ? NULL
                                        : lake_metadata_snapshot_by_id(m, m->current_snapshot_id);
}

const struct lake_snapshot *lake_metadata_snapshot_at(const struct lake_metadata *m,
                                                      int64_t timestamp_ms)
{
    for (size_t i = m->snapshot_log_count; i-- > 0;)
        if (m->snapshot_log[i].timestamp_ms <= timestamp_ms)
            return lake_metadata_snapshot_by_id(m, m->snapshot_log[i].snapshot_id);
    return NULL;
}

const struct lake_ref *lake_metadata_branch(const struct lake_metadata *m, const char *name)
{
    for (size_t i = 0; i < m->branch_count; i++)
        if (!strcmp(m->branches[i].name, name))
            return &m->branches[i];
    return NULL;
}

const char *lake_metadata_property(const struct lake_metadata *m, const char *key)
{
    for (size_t i = 0; i < m->property_count; i++)
        if (!strcmp(m->properties[i].key, key))
            return m->properties[i].value;
    return NULL;
}

int64_t lake_metadata_property_i64(const struct lake_metadata *m, const char *key, int64_t fallback)
{
    const char *text = lake_metadata_property(m, key);
    int64_t value;

    return text && slice_to_i64(slice_str(text), &value) == 0 ? value : fallback;
}

bool lake_metadata_property_bool(const struct lake_metadata *m, const char *key, bool fallback)
{
    const char *text = lake_metadata_property(m, key);

    return text ? !strcasecmp(text, "true") : fallback;
}

const char *lake_summary(const struct lake_snapshot *snapshot, const char *key)
{
    for (size_t i = 0; i < snapshot->summary_count; i++)
        if (!strcmp(snapshot->summary[i].key, key))
            return snapshot->summary[i].value;
    return NULL;
}
