/* http_plan_read.c - a scan request: which snapshots, and what of its filter can prune files.
 *
 * The filter is a tree of and, or, not and predicates. Predicates that all must hold (those reached
 * through "and" alone) prune; everything else is left to the client, which gets the whole filter
 * back as the residual of every file. A literal that we do not read for sure prunes nothing.
 */
#include "catalog/http_plan.h"

#define FILTER_DEPTH_MAX 100
#define FILTER_PARTS_MAX 200
#define IN_VALUES_MAX    200

static int read_id(const json_t *body, const char *key, const struct lake_metadata *metadata,
                   int64_t *out, struct err *err)
{
    const json_t *value = json_object_get(body, key);

    *out = -1;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value))
        return err_set(err, ERR_INVALID, "%s: not an integer", key);
    *out = json_integer_value(value);
    if (!lake_metadata_snapshot_by_id(metadata, *out))
        return err_set(err, ERR_INVALID, "Cannot find snapshot with ID %" PRId64, *out);
    return 0;
}

static int read_snapshots(const json_t *body, const struct lake_metadata *metadata,
                          struct plan_request *out, struct err *err)
{
    int64_t end;
    int rc = read_id(body, "snapshot-id", metadata, &out->snapshot_id, err);

    rc = rc ? rc : read_id(body, "start-snapshot-id", metadata, &out->start_snapshot_id, err);
    rc = rc ? rc : read_id(body, "end-snapshot-id", metadata, &end, err);
    if (rc)
        return rc;
    if (out->snapshot_id != -1 && (end != -1 || out->start_snapshot_id != -1))
        return err_set(err, ERR_INVALID,
                       "snapshot-id does not go with start-snapshot-id and end-snapshot-id");
    if ((end == -1) != (out->start_snapshot_id == -1))
        return err_set(err, ERR_INVALID, "start-snapshot-id and end-snapshot-id go together");
    if (end != -1)
        out->snapshot_id = end;
    return 0;
}

/* ---- the filter ---- */

struct filter {
    const struct lake_schema *schema;
    struct arena *arena;
    bool fold_case;
    struct plan_request *out;
    struct err *err;
};

static bool same_name(const char *a, const char *b, bool fold_case)
{
    return fold_case ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

/* Of the first level, which is where predicates point; deeper ones by their dotted name. */
static const struct lake_field *find_field(const struct filter *f, const char *name)
{
    const struct lake_type *root = &f->schema->root;

    for (size_t i = 0; i < root->field_count; i++)
        if (same_name(root->fields[i].name, name, f->fold_case))
            return &root->fields[i];
    return lake_schema_by_name(f->schema, name);
}

static const struct {
    const char *name; /* with '-', as the specification spells it */
    enum lake_op op;
    int values; /* 0, 1, or 2: a list */
} ops[] = {
    {"eq", LAKE_OP_EQ, 1},
    {"lt", LAKE_OP_LT, 1},
    {"lt-eq", LAKE_OP_LE, 1},
    {"gt", LAKE_OP_GT, 1},
    {"gt-eq", LAKE_OP_GE, 1},
    {"is-null", LAKE_OP_IS_NULL, 0},
    {"not-null", LAKE_OP_NOT_NULL, 0},
    {"in", LAKE_OP_IN, 2},
    {"starts-with", LAKE_OP_STARTS_WITH, 1},
};

static bool is_number(enum lake_kind kind)
{
    return kind == LAKE_INT || kind == LAKE_LONG || kind == LAKE_FLOAT || kind == LAKE_DOUBLE ||
           kind == LAKE_DECIMAL;
}

/* False: not for sure a value of this type. */
static bool read_literal(const struct filter *f, const struct lake_type *type, const json_t *json,
                         struct lake_value *out)
{
    const char *text = json_string_value(json);
    char *dumped = NULL;
    bool ok;

    if (json_is_object(json)) /* {"type": "literal", "value": ...} */
        return read_literal(f, type, json_object_get(json, "value"), out);
    if (json_is_boolean(json))
        text = type->kind == LAKE_BOOLEAN ? (json_is_true(json) ? "true" : "false") : NULL;
    else if (json_is_number(json) && is_number(type->kind))
        text = dumped = json_dumps(json, JSON_ENCODE_ANY);
    else if (text &&
             (is_number(type->kind) ? type->kind != LAKE_DECIMAL
                                    : type->kind == LAKE_BINARY || type->kind == LAKE_FIXED ||
                                          type->kind == LAKE_BOOLEAN))
        text = NULL;
    ok = text && lake_value_parse(type, text, f->arena, out, NULL) == 0;
    free(dumped);
    return ok;
}

static void add_predicate(const struct filter *f, const json_t *json, const char *type)
{
    const json_t *term = json_object_get(json, "term"), *values = json_object_get(json, "values");
    const char *name =
        json_string_value(json_is_object(term) ? json_object_get(term, "term") : term);
    const struct lake_field *field = name ? find_field(f, name) : NULL;
    struct lake_predicate *p = &f->out->predicates[f->out->predicate_count];
    size_t count, at = 0;

    if (json_is_object(term) && json_object_get(term, "transform"))
        return; /* of a transformed value: left to the client */
    while (at < COUNT_OF(ops) && strcmp(type, ops[at].name) != 0)
        at++;
    if (!field || field->type.field_count || at == COUNT_OF(ops) ||
        f->out->predicate_count == FILTER_PARTS_MAX)
        return;
    count = ops[at].values == 2 ? json_array_size(values) : (size_t)ops[at].values;
    if (count > IN_VALUES_MAX || (ops[at].values == 2 && count == 0))
        return;
    struct lake_value *list = ARENA_ARRAY(f->arena, struct lake_value, count + 1);

    for (size_t i = 0; i < count; i++) {
        const json_t *value =
            ops[at].values == 2 ? json_array_get(values, i) : json_object_get(json, "value");

        if (!list || !read_literal(f, &field->type, value, &list[i]))
            return;
    }
    *p = (struct lake_predicate){
        .field_id = field->id, .op = ops[at].op, .values = list, .value_count = count};
    f->out->predicate_count++;
}

/* "NOT_EQ" and "not_eq" are ways to spell "not-eq" too. */
static const char *plain_type(struct arena *arena, const char *type)
{
    char *plain = arena_strdup(arena, type);

    for (char *at = plain; at && *at; at++)
        *at = *at == '_' ? '-' : *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    return plain;
}

/* Checks the whole tree, and takes predicates as long as `all` (reached through "and" alone). */
static int read_filter(const struct filter *f, const json_t *json, bool all, int depth)
{
    const char *type;
    int rc = 0;

    if (depth > FILTER_DEPTH_MAX)
        return err_set(f->err, ERR_INVALID, "filter: nested too deeply");
    if (json_is_boolean(json))
        return 0;
    if (json_get_str(json, "type", "filter", &type, f->err))
        return ERR_INVALID;
    type = plain_type(f->arena, type);
    if (!type)
        return err_set(f->err, ERR_NOMEM, "filter");
    if (strcmp(type, "and") == 0 || strcmp(type, "or") == 0) {
        all &= strcmp(type, "and") == 0;
        rc = read_filter(f, json_object_get(json, "left"), all, depth + 1);
        return rc ? rc : read_filter(f, json_object_get(json, "right"), all, depth + 1);
    }
    if (strcmp(type, "not") == 0)
        return read_filter(f, json_object_get(json, "child"), false, depth + 1);
    if (strcmp(type, "true") == 0 || strcmp(type, "false") == 0 || strcmp(type, "literal") == 0)
        return 0;
    if (!json_object_get(json, "term"))
        return err_set(f->err, ERR_INVALID, "filter: %.40s without a term", type);
    if (all)
        add_predicate(f, json, type);
    return 0;
}

static int read_stats(const struct filter *f, const json_t *names)
{
    size_t i;
    json_t *name;

    f->out->stats = ARENA_ARRAY(f->arena, int32_t, json_array_size(names) + 1);
    if (!f->out->stats)
        return err_set(f->err, ERR_NOMEM, "stats-fields");
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        const struct lake_field *field = text ? find_field(f, text) : NULL;

        if (!field)
            return err_set(f->err, ERR_INVALID, "stats-fields: Cannot find field %.100s",
                           text ? text : "that is not a name");
        f->out->stats[f->out->stats_count++] = field->id;
    }
    return 0;
}

int plan_request_read(const json_t *body, const struct lake_metadata *metadata, struct arena *arena,
                      struct plan_request *out, struct err *err)
{
    const json_t *filter = json_object_get(body, "filter");
    struct filter f = {.arena = arena, .out = out, .err = err};
    const struct lake_snapshot *snapshot;
    int rc = read_snapshots(body, metadata, out, err);

    if (rc)
        return rc;
    f.fold_case = json_is_false(json_object_get(body, "case-sensitive"));
    out->schema = lake_metadata_schema(metadata);
    snapshot = lake_metadata_snapshot_by_id(metadata, out->snapshot_id);
    if (snapshot && json_is_true(json_object_get(body, "use-snapshot-schema")) &&
        lake_metadata_schema_by_id(metadata, snapshot->schema_id))
        out->schema = lake_metadata_schema_by_id(metadata, snapshot->schema_id);
    f.schema = out->schema;
    out->predicates = ARENA_ARRAY(arena, struct lake_predicate, FILTER_PARTS_MAX);
    if (!out->predicates || !f.schema)
        return err_set(err, ERR_NOMEM, "scan request");
    if (filter && !json_is_null(filter)) {
        char *text = json_dumps(filter, JSON_COMPACT | JSON_ENCODE_ANY);

        out->residual = text ? arena_strdup(arena, text) : NULL;
        free(text);
        rc = out->residual ? read_filter(&f, filter, true, 0) : err_set(err, ERR_NOMEM, "filter");
    }
    return rc ? rc : read_stats(&f, json_object_get(body, "stats-fields"));
}

/* ---- incremental: the files that appends between two snapshots added ---- */

static int add_manifest(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_manifest_file *line, int64_t snapshot_id,
                        struct arena *arena, size_t *cap, struct lake_plan *out, struct err *err)
{
    struct lake_manifest *manifest = NULL;
    int rc = lake_manifest_load(lake, metadata, line, &manifest, err);

    for (size_t i = 0; !rc && i < manifest->entry_count; i++) {
        struct lake_entry entry = manifest->entries[i];

        lake_entry_inherit(&entry, line);
        if (entry.status != LAKE_ADDED || entry.snapshot_id != snapshot_id)
            continue;
        if (out->file_count == *cap) {
            struct lake_scan_file *list =
                ARENA_ARRAY(arena, struct lake_scan_file, *cap = *cap ? 2 * *cap : 64);

            if (list && out->file_count)
                memcpy(list, out->files, out->file_count * sizeof(*list));
            out->files = list;
        }
        if (!out->files) {
            rc = err_set(err, ERR_NOMEM, "scan plan");
            break;
        }
        out->files[out->file_count] = (struct lake_scan_file){.entry = entry};
        rc = lake_data_file_copy(arena, &out->files[out->file_count].entry.file, &entry.file);
        out->file_count++;
    }
    lake_manifest_free(manifest);
    return rc;
}

static int add_snapshot(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_snapshot *snapshot, struct arena *arena, size_t *cap,
                        struct lake_plan *out, struct err *err)
{
    struct lake_manifest_list *list = NULL;
    int rc = lake_manifest_list_load(lake, metadata, snapshot, &list, err);

    for (size_t i = 0; !rc && i < list->file_count; i++)
        if (list->files[i].content == 0 && list->files[i].added_snapshot_id == snapshot->id)
            rc = add_manifest(lake, metadata, &list->files[i], snapshot->id, arena, cap, out, err);
    lake_manifest_list_free(list);
    return rc;
}

static int plan_appends(struct lake *lake, const struct lake_metadata *metadata,
                        const struct plan_request *request, struct arena *arena,
                        struct lake_plan *out, struct err *err)
{
    const struct lake_snapshot *at = lake_metadata_snapshot_by_id(metadata, request->snapshot_id);
    size_t cap = 0;
    int rc = 0;

    *out = (struct lake_plan){
        .snapshot_id = request->snapshot_id, .metadata = metadata, .schema = request->schema};
    while (!rc && at && at->id != request->start_snapshot_id) {
        if (strcmp(at->operation, "append") == 0)
            rc = add_snapshot(lake, metadata, at, arena, &cap, out, err);
        at = at->parent_id == -1 ? NULL : lake_metadata_snapshot_by_id(metadata, at->parent_id);
    }
    if (!rc && !at)
        rc = err_set(err, ERR_INVALID,
                     "Starting snapshot %" PRId64 " is not an ancestor of end snapshot %" PRId64,
                     request->start_snapshot_id, request->snapshot_id);
    return rc;
}

int plan_run(struct lake *lake, const struct lake_metadata *metadata,
             const struct plan_request *request, struct arena *arena, struct lake_plan *out,
             struct err *err)
{
    int rc = request->start_snapshot_id != -1
                 ? plan_appends(lake, metadata, request, arena, out, err)
                 : lake_plan(lake, metadata, request->snapshot_id, request->schema,
                             request->predicates, request->predicate_count, arena, out, err);

    /* Files of the table that are gone are our trouble, not a missing table. */
    return rc == ERR_NOENT ? err_wrap(err, ERR_CORRUPT, "planning") : rc;
}
