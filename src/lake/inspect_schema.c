/* inspect_schema.c - the columns of metadata tables, as the Java library has them (1.10). */
#include <stdlib.h>

#include "lake/inspect_int.h"

static const char *const names[LAKE_INSPECT_KINDS] = {
    [LAKE_INSPECT_HISTORY] = "history",
    [LAKE_INSPECT_SNAPSHOTS] = "snapshots",
    [LAKE_INSPECT_METADATA_LOG] = "metadata_log_entries",
    [LAKE_INSPECT_REFS] = "refs",
    [LAKE_INSPECT_MANIFESTS] = "manifests",
    [LAKE_INSPECT_ALL_MANIFESTS] = "all_manifests",
    [LAKE_INSPECT_FILES] = "files",
    [LAKE_INSPECT_DATA_FILES] = "data_files",
    [LAKE_INSPECT_DELETE_FILES] = "delete_files",
    [LAKE_INSPECT_ALL_FILES] = "all_files",
    [LAKE_INSPECT_ALL_DATA_FILES] = "all_data_files",
    [LAKE_INSPECT_ALL_DELETE_FILES] = "all_delete_files",
    [LAKE_INSPECT_ENTRIES] = "entries",
    [LAKE_INSPECT_ALL_ENTRIES] = "all_entries",
    [LAKE_INSPECT_PARTITIONS] = "partitions",
    [LAKE_INSPECT_POSITION_DELETES] = "position_deletes",
    [LAKE_INSPECT_STATISTICS] = "partition statistics",
};

int lake_inspect_find(const char *name)
{
    for (int i = 0; i < LAKE_INSPECT_STATISTICS; i++)
        if (!strcasecmp(names[i], name))
            return i;
    return -1;
}

const char *lake_inspect_name(enum lake_inspect_kind kind)
{
    return names[kind];
}

/* One column per line: id, name, type as text ("map<int,long>" and the like by letter below). */
struct column {
    int32_t id;
    const char *name;
    char type; /* see type_of */
    bool required;
};

static const struct column history[] = {{1, "made_current_at", 't', true},
                                        {2, "snapshot_id", 'l', true},
                                        {3, "parent_id", 'l', false},
                                        {4, "is_current_ancestor", 'b', true},
                                        {0}};
static const struct column snapshots[] = {{1, "committed_at", 't', true},
                                          {2, "snapshot_id", 'l', true},
                                          {3, "parent_id", 'l', false},
                                          {4, "operation", 's', false},
                                          {5, "manifest_list", 's', false},
                                          {6, "summary", 'S', false},
                                          {0}};
static const struct column metadata_log[] = {{1, "timestamp", 't', true},
                                             {2, "file", 's', true},
                                             {3, "latest_snapshot_id", 'l', false},
                                             {4, "latest_schema_id", 'i', false},
                                             {5, "latest_sequence_number", 'l', false},
                                             {0}};
static const struct column references[] = {{1, "name", 's', true},
                                           {2, "type", 's', true},
                                           {3, "snapshot_id", 'l', true},
                                           {4, "max_reference_age_in_ms", 'l', false},
                                           {5, "min_snapshots_to_keep", 'i', false},
                                           {6, "max_snapshot_age_in_ms", 'l', false},
                                           {0}};
static const struct column manifests[] = {
    {14, "content", 'i', true},
    {1, "path", 's', true},
    {2, "length", 'l', true},
    {3, "partition_spec_id", 'i', false},
    {4, "added_snapshot_id", 'l', false},
    {5, "added_data_files_count", 'i', false},
    {6, "existing_data_files_count", 'i', false},
    {7, "deleted_data_files_count", 'i', false},
    {15, "added_delete_files_count", 'i', true},
    {16, "existing_delete_files_count", 'i', true},
    {17, "deleted_delete_files_count", 'i', true},
    {8, "partition_summaries", 'U', false},
    {18, "reference_snapshot_id", 'l', true}, /* all_manifests alone */
    {19, "key_metadata", 'x', false},
    {0}};
static const struct column files[] = {{134, "content", 'i', false},
                                      {100, "file_path", 's', true},
                                      {101, "file_format", 's', true},
                                      {141, "spec_id", 'i', false},
                                      {102, "partition", 'P', true},
                                      {103, "record_count", 'l', true},
                                      {104, "file_size_in_bytes", 'l', true},
                                      {108, "column_sizes", 'L', false},
                                      {109, "value_counts", 'L', false},
                                      {110, "null_value_counts", 'L', false},
                                      {137, "nan_value_counts", 'L', false},
                                      {125, "lower_bounds", 'X', false},
                                      {128, "upper_bounds", 'X', false},
                                      {131, "key_metadata", 'x', false},
                                      {132, "split_offsets", 'o', false},
                                      {135, "equality_ids", 'e', false},
                                      {140, "sort_order_id", 'i', false},
                                      {142, "first_row_id", 'l', false},
                                      {143, "referenced_data_file", 's', false},
                                      {144, "content_offset", 'l', false},
                                      {145, "content_size_in_bytes", 'l', false},
                                      {0}};
static const struct column entries[] = {
    {0, "status", 'i', true},           {1, "snapshot_id", 'l', false},
    {3, "sequence_number", 'l', false}, {4, "file_sequence_number", 'l', false},
    {2, "data_file", 'F', true},        {0}};
static const struct column partitions[] = {{1, "partition", 'P', true},
                                           {4, "spec_id", 'i', true},
                                           {2, "record_count", 'l', true},
                                           {3, "file_count", 'i', true},
                                           {11, "total_data_file_size_in_bytes", 'l', true},
                                           {5, "position_delete_record_count", 'l', true},
                                           {6, "position_delete_file_count", 'i', true},
                                           {7, "equality_delete_record_count", 'l', true},
                                           {8, "equality_delete_file_count", 'i', true},
                                           {9, "last_updated_at", 't', false},
                                           {10, "last_updated_snapshot_id", 'l', false},
                                           {0}};
static const struct column position_deletes[] = {{2147483546, "file_path", 's', true},
                                                 {2147483545, "pos", 'l', true},
                                                 {2147483544, "row", 'R', false},
                                                 {2147483642, "partition", 'P', true},
                                                 {2147483641, "spec_id", 'i', true},
                                                 {2147483640, "delete_file_path", 's', true},
                                                 {0}};

/* Iceberg spec, "Partition Statistics File". */
static const struct column statistics[] = {{1, "partition", 'P', true},
                                           {2, "spec_id", 'i', true},
                                           {3, "data_record_count", 'l', true},
                                           {4, "data_file_count", 'i', true},
                                           {5, "total_data_file_size_in_bytes", 'l', true},
                                           {6, "position_delete_record_count", 'l', false},
                                           {7, "position_delete_file_count", 'i', false},
                                           {13, "dv_count", 'i', false}, /* v3 */
                                           {8, "equality_delete_record_count", 'l', false},
                                           {9, "equality_delete_file_count", 'i', false},
                                           {10, "total_record_count", 'l', false},
                                           {11, "last_updated_at", 'l', false},
                                           {12, "last_updated_snapshot_id", 'l', false},
                                           {0}};

static const struct column *const columns_of[LAKE_INSPECT_KINDS] = {
    [LAKE_INSPECT_HISTORY] = history,
    [LAKE_INSPECT_SNAPSHOTS] = snapshots,
    [LAKE_INSPECT_METADATA_LOG] = metadata_log,
    [LAKE_INSPECT_REFS] = references,
    [LAKE_INSPECT_MANIFESTS] = manifests,
    [LAKE_INSPECT_ALL_MANIFESTS] = manifests,
    [LAKE_INSPECT_FILES] = files,
    [LAKE_INSPECT_DATA_FILES] = files,
    [LAKE_INSPECT_DELETE_FILES] = files,
    [LAKE_INSPECT_ALL_FILES] = files,
    [LAKE_INSPECT_ALL_DATA_FILES] = files,
    [LAKE_INSPECT_ALL_DELETE_FILES] = files,
    [LAKE_INSPECT_ENTRIES] = entries,
    [LAKE_INSPECT_ALL_ENTRIES] = entries,
    [LAKE_INSPECT_PARTITIONS] = partitions,
    [LAKE_INSPECT_POSITION_DELETES] = position_deletes,
    [LAKE_INSPECT_STATISTICS] = statistics,
};

struct maker {
    const struct lake_inspect *of;
    struct arena *arena;
    struct lake_type partition;
    struct err *err;
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "metadata table");
}

static int make_fields(struct maker *m, const struct column *columns, struct lake_type *out);

static struct lake_type *children(struct maker *m, struct lake_type *out, enum lake_kind kind,
                                  size_t count)
{
    out->kind = kind;
    out->field_count = count;
    out->fields = ARENA_ARRAY(m->arena, struct lake_field, count + 1);
    return out->fields ? out : NULL;
}

static struct lake_field simple(int32_t id, const char *name, enum lake_kind kind, bool required)
{
    return (struct lake_field){.id = id, .name = name, .required = required, .type.kind = kind};
}

static int make_map(struct maker *m, struct lake_type *out, int32_t id, enum lake_kind key,
                    enum lake_kind value)
{
    if (!children(m, out, LAKE_MAP, 2))
        return nomem(m->err);
    out->fields[0] = simple(id * 10 + 1, "key", key, true);
    out->fields[1] = simple(id * 10 + 2, "value", value, true);
    return 0;
}

static int make_list(struct maker *m, struct lake_type *out, int32_t id, enum lake_kind element)
{
    if (!children(m, out, LAKE_LIST, 1))
        return nomem(m->err);
    out->fields[0] = simple(id, "element", element, true);
    return 0;
}

static int make_summaries(struct maker *m, struct lake_type *out)
{
    struct lake_type *item;

    if (make_list(m, out, 9, LAKE_STRUCT))
        return ERR_NOMEM;
    item = &out->fields[0].type;
    if (!children(m, item, LAKE_STRUCT, 4))
        return nomem(m->err);
    item->fields[0] = simple(10, "contains_null", LAKE_BOOLEAN, true);
    item->fields[1] = simple(11, "contains_nan", LAKE_BOOLEAN, false);
    item->fields[2] = simple(12, "lower_bound", LAKE_STRING, false);
    item->fields[3] = simple(13, "upper_bound", LAKE_STRING, false);
    return 0;
}

static int make_type(struct maker *m, const struct column *c, struct lake_type *out)
{
    static const struct {
        char letter;
        enum lake_kind kind;
    } plain[] = {{'t', LAKE_TIMESTAMPTZ}, {'l', LAKE_LONG},   {'i', LAKE_INT},
                 {'b', LAKE_BOOLEAN},     {'s', LAKE_STRING}, {'x', LAKE_BINARY}};

    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (plain[i].letter == c->type) {
            out->kind = plain[i].kind;
            return 0;
        }
    switch (c->type) {
    case 'S':
        return make_map(m, out, c->id, LAKE_STRING, LAKE_STRING);
    case 'L':
        return make_map(m, out, c->id, LAKE_INT, LAKE_LONG);
    case 'X':
        return make_map(m, out, c->id, LAKE_INT, LAKE_BINARY);
    case 'o':
        return make_list(m, out, 133, LAKE_LONG);
    case 'e':
        return make_list(m, out, 136, LAKE_INT);
    case 'U':
        return make_summaries(m, out);
    case 'P':
        *out = m->partition;
        return 0;
    case 'R':
        *out = lake_metadata_schema(m->of->metadata)->root;
        return 0;
    default: /* 'F' */
        return make_fields(m, files, out);
    }
}

/* Fields that this table has no use for are left out, as the library does. */
static bool left_out(const struct maker *m, const struct column *c)
{
    enum lake_inspect_kind kind = m->of->kind;

    if (c->type == 'P' || (!strcmp(c->name, "spec_id") && kind == LAKE_INSPECT_PARTITIONS))
        return m->partition.field_count == 0;
    if (c->id == 18 || c->id == 19)
        return kind == LAKE_INSPECT_MANIFESTS;
    if (c->id == 13 && kind == LAKE_INSPECT_STATISTICS)
        return m->of->metadata->format_version < 3;
    return false;
}

static int make_fields(struct maker *m, const struct column *columns, struct lake_type *out)
{
    size_t count = 0;
    int rc = 0;

    while (columns[count].name)
        count++;
    if (!children(m, out, LAKE_STRUCT, count + 1))
        return nomem(m->err);
    out->field_count = 0;
    for (const struct column *c = columns; c->name && !rc; c++) {
        struct lake_field *f = &out->fields[out->field_count];

        if (left_out(m, c))
            continue;
        out->field_count++;
        f->id = c->id;
        f->name = c->name;
        f->required = c->required;
        rc = make_type(m, c, &f->type);
    }
    return rc;
}

/* ---- readable_metrics: bounds and counts by the names of columns ---- */

struct leaf {
    struct lake_field *field;
    const char *name;
};

static size_t count_leaves(const struct lake_type *type)
{
    size_t count = 0;

    for (size_t i = 0; i < type->field_count; i++)
        count +=
            lake_type_primitive(&type->fields[i].type) ? 1 : count_leaves(&type->fields[i].type);
    return count;
}

static int collect(const struct lake_type *type, const char *prefix, struct arena *arena,
                   struct leaf *out, size_t *count)
{
    for (size_t i = 0; i < type->field_count; i++) {
        struct lake_field *f = &type->fields[i];
        const char *name = *prefix ? arena_printf(arena, "%s.%s", prefix, f->name) : f->name;

        if (!name)
            return ERR_NOMEM;
        if (lake_type_primitive(&f->type))
            out[(*count)++] = (struct leaf){f, name};
        else if (collect(&f->type, name, arena, out, count))
            return ERR_NOMEM;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct leaf *)a)->name, ((const struct leaf *)b)->name);
}

int inspect_leaves(const struct lake_metadata *m, struct arena *arena, struct lake_field ***out,
                   const char ***leaf_names, size_t *count, struct err *err)
{
    const struct lake_type *root = &lake_metadata_schema(m)->root;
    size_t max = count_leaves(root);
    struct leaf *list = ARENA_ARRAY(arena, struct leaf, max + 1);

    *count = 0;
    *out = ARENA_ARRAY(arena, struct lake_field *, max + 1);
    *leaf_names = ARENA_ARRAY(arena, const char *, max + 1);
    if (!list || !*out || !*leaf_names || collect(root, "", arena, list, count))
        return nomem(err);
    qsort(list, *count, sizeof(*list), by_name);
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = list[i].field;
        (*leaf_names)[i] = list[i].name;
    }
    return 0;
}

static int add_metrics(struct maker *m, struct lake_type *root)
{
    static const char *const counts[] = {"column_size", "value_count", "null_value_count",
                                         "nan_value_count"};
    struct lake_field *out = &root->fields[root->field_count], **leaves;
    const char **leaf_names;
    size_t count;
    int32_t id = 1000000;
    int rc = inspect_leaves(m->of->metadata, m->arena, &leaves, &leaf_names, &count, m->err);

    if (rc || !count)
        return rc;
    *out = (struct lake_field){.id = id, .name = "readable_metrics"};
    if (!children(m, &out->type, LAKE_STRUCT, count))
        return nomem(m->err);
    for (size_t i = 0; i < count; i++) {
        struct lake_field *f = &out->type.fields[i];

        *f = (struct lake_field){.id = ++id, .name = leaf_names[i]};
        if (!children(m, &f->type, LAKE_STRUCT, 6))
            return nomem(m->err);
        for (size_t k = 0; k < 4; k++)
            f->type.fields[k] = simple(++id, counts[k], LAKE_LONG, false);
        f->type.fields[4] =
            (struct lake_field){++id, false, "lower_bound", .type = leaves[i]->type};
        f->type.fields[5] =
            (struct lake_field){++id, false, "upper_bound", .type = leaves[i]->type};
    }
    root->field_count++;
    return 0;
}

/* ---- partitions of all specs ---- */

static bool has_id(const struct lake_type *type, int32_t id)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (type->fields[i].id == id)
            return true;
    return false;
}

/* What the newest spec that has the field calls it, even one that says void. */
static const char *newest_name(const struct lake_metadata *m, const struct lake_partition_field *of)
{
    for (size_t i = m->spec_count; i-- > 0;)
        for (size_t k = 0; k < m->specs[i].field_count; k++)
            if (m->specs[i].fields[k].field_id == of->field_id)
                return m->specs[i].fields[k].name;
    return of->name;
}

static int by_id(const void *a, const void *b)
{
    int32_t x = ((const struct lake_field *)a)->id, y = ((const struct lake_field *)b)->id;

    return (x > y) - (x < y);
}

int inspect_partition_type(const struct lake_metadata *m, struct arena *arena,
                           struct lake_type *out, struct err *err)
{
    size_t max = 0;

    for (size_t i = 0; i < m->spec_count; i++)
        max += m->specs[i].field_count;
    *out = (struct lake_type){.kind = LAKE_STRUCT};
    out->fields = ARENA_ARRAY(arena, struct lake_field, max + 1);
    if (!out->fields)
        return nomem(err);
    for (size_t i = m->spec_count; i-- > 0;) {
        const struct lake_partition_spec *spec = &m->specs[i];
        struct lake_type *types;
        int rc = partition_types(m, spec, arena, &types, err);

        if (rc)
            return rc;
        for (size_t k = 0; k < spec->field_count; k++) {
            const struct lake_partition_field *f = &spec->fields[k];

            if (f->transform.kind == LAKE_VOID || has_id(out, f->field_id))
                continue; /* v1 specs say void where a field was dropped */
            out->fields[out->field_count++] =
                (struct lake_field){.id = f->field_id, .name = newest_name(m, f), .type = types[k]};
        }
    }
    if (out->field_count)
        qsort(out->fields, out->field_count, sizeof(*out->fields), by_id);
    return 0;
}

int lake_inspect_schema(const struct lake_inspect *of, struct arena *arena, struct lake_schema *out,
                        struct err *err)
{
    struct maker m = {.of = of, .arena = arena, .err = err};
    int rc = inspect_partition_type(of->metadata, arena, &m.partition, err);

    memset(out, 0, sizeof(*out));
    rc = rc ? rc : make_fields(&m, columns_of[of->kind], &out->root);
    if (!rc && (columns_of[of->kind] == files || columns_of[of->kind] == entries))
        rc = add_metrics(&m, &out->root);
    return rc;
}
