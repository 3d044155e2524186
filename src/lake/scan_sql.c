/* scan_sql.c - planned files as one SELECT per footer schema, columns taken by field id.
 *
 * DuckDB reads columns by name; names change and come back with another meaning. So each group of
 * files with the same footer gets expressions made from its footer's tree and the table's: a column
 * is found by id, its children likewise, at every depth. A part that lies in the file exactly as
 * the table has it is only cast, which costs nothing when the type is the same.
 */
#include "lake/delete_int.h"

struct group {
    const struct footer *footer;
    const char *key;
    size_t *files; /* indices into the plan */
    size_t count;
    bool deletes; /* by position, joined */
    bool bits;    /* by position, a bit each */
    struct group *next;
};
struct scan {
    struct lake *lake;
    struct vec_conn *conn;
    struct footer **delete_footers; /* of equality deletes; NULL for others */
    const char **delete_paths;
    bool *bits;          /* files whose deleted rows are found by a bit each */
    bool *delete_wanted; /* not only by files that have bits */
    struct lake_plan *plan;
    struct arena *arena;
    struct out out;
    struct group *groups, **tail;
    const struct lake_metadata *m;
    const struct group *guarded; /* whose columns are put: see may_mislead; NULL: no guard */
    struct err *err;
};

static int nomem(struct scan *s)
{
    return err_set(s->err, ERR_NOMEM, "scan");
}

/* Without ids in the footer (files imported from elsewhere) names stand in for them. */
static bool footer_has_ids(const struct footer_node *node)
{
    if (node->field_id >= 0)
        return true;
    for (size_t i = 0; i < node->kid_count; i++)
        if (footer_has_ids(&node->kids[i]))
            return true;
    return false;
}

static bool copy_names(struct arena *arena, struct footer_node *node)
{
    node->name = arena_strdup(arena, node->name);
    for (size_t i = 0; i < node->kid_count; i++)
        if (!copy_names(arena, &node->kids[i]))
            return false;
    return node->name != NULL;
}

static const json_t *mapped(const json_t *mapping, const char *name)
{
    size_t i, k;
    json_t *entry, *text;

    json_array_foreach((json_t *)mapping, i, entry) json_array_foreach(
        json_object_get(entry, "names"), k,
        text) if (json_is_string(text) && !strcmp(json_string_value(text), name)) return entry;
    return NULL;
}

/* Gives ids by the table's name mapping. Parts of lists and maps have their names by place. */
static bool map_names(struct arena *arena, const struct footer_node *from, const json_t *mapping,
                      struct footer_node *out)
{
    static const char *const map_parts[] = {"key", "value"};

    *out = *from;
    out->kids = ARENA_ARRAY(arena, struct footer_node, from->kid_count + 1);
    if (!out->kids)
        return false;
    for (size_t i = 0; i < from->kid_count; i++) {
        const char *name = from->kind == LAKE_LIST           ? "element"
                           : from->kind == LAKE_MAP && i < 2 ? map_parts[i]
                                                             : from->kids[i].name;
        const json_t *entry = mapped(mapping, name);
        const json_t *id = json_object_get(entry, "field-id");

        if (!map_names(arena, &from->kids[i], json_object_get(entry, "fields"), &out->kids[i]))
            return false;
        out->kids[i].field_id = json_is_integer(id) ? (int32_t)json_integer_value(id) : -1;
    }
    return true;
}

/* Files imported from elsewhere have no ids; schema.name-mapping.default says which column of
 * theirs is which. Without it names are taken as they are now. */
static int map_footer(struct scan *s, struct footer **footer)
{
    const char *text = lake_metadata_property(s->m, "schema.name-mapping.default");
    struct footer *named;
    json_t *mapping;
    bool ok;

    if (!text || footer_has_ids(&(*footer)->root))
        return 0;
    mapping = json_loads(text, 0, NULL);
    if (!json_is_array(mapping)) {
        json_decref(mapping);
        return err_set(s->err, ERR_CORRUPT, "schema.name-mapping.default is no list");
    }
    named = calloc(1, sizeof(*named));
    ok = named && map_names(&named->arena, &(*footer)->root, mapping, &named->root) &&
         (named->signature = arena_strdup(&named->arena, (*footer)->signature));
    json_decref(mapping);
    if (!ok) {
        if (named)
            arena_deinit(&named->arena);
        free(named);
        return nomem(s);
    }
    named->refs = 1;
    /* Names of kids live in the cached footer's arena, so the plan's arena keeps copies. */
    for (size_t i = 0; i < named->root.kid_count; i++)
        if (!copy_names(s->arena, &named->root.kids[i]))
            ok = false;
    footer_free(*footer);
    *footer = named;
    return ok ? 0 : nomem(s);
}

static const struct footer_node *node_for(const struct footer_node *parent,
                                          const struct lake_field *field, bool ids)
{
    for (size_t i = 0; i < parent->kid_count; i++)
        if (ids ? parent->kids[i].field_id == field->id
                : !strcasecmp(parent->kids[i].name, field->name))
            return &parent->kids[i];
    return NULL;
}

/* The file has this part as the table has it: same children, names and order. */
static bool same_shape(const struct lake_type *type, const struct footer_node *node, bool ids)
{
    if (lake_type_primitive(type))
        return node->kid_count == 0;
    if (type->kind != node->kind || type->field_count != node->kid_count)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct footer_node *kid = &node->kids[i];

        if (type->kind == LAKE_STRUCT && (strcmp(kid->name, type->fields[i].name) != 0 ||
                                          (ids && kid->field_id != type->fields[i].id)))
            return false;
        if (!same_shape(&type->fields[i].type, kid, ids))
            return false;
    }
    return true;
}

static void put_type(struct scan *s, const struct lake_type *type)
{
    if (!s->out.rc)
        s->out.rc = lake_duckdb_type(type, s->out.buf, s->err);
}

/* v3: rows older than a column read as its initial default. JSON single values, appendix D. */
static void put_missing(struct scan *s, const struct lake_field *field)
{
    if (!s->out.rc)
        s->out.rc = lake_default_sql(&field->type, field->initial_default, s->arena, s->out.buf);
}

static void put_value(struct scan *s, const struct lake_field *field,
                      const struct footer_node *node, const char *value, bool ids, int depth);

/* Parquet's own statistics leave NaN out, and DuckDB prunes row groups by them, also by those of a
 * part of a struct or list, although it sorts NaN above all numbers: x > 2 would lose NaN rows.
 * Where NaN may be, the value hides behind a CASE. So do bytes: DuckDB 1.5.5 looks them up in bloom
 * filters by another hash than the one they were written with, and finds none. */
static bool may_mislead(const struct scan *s, const struct lake_field *field)
{
    const struct group *g = s->guarded;

    for (size_t i = 0; i < field->type.field_count; i++)
        if (may_mislead(s, &field->type.fields[i]))
            return true;
    if (g && (field->type.kind == LAKE_BINARY || field->type.kind == LAKE_FIXED))
        return true;
    if (!g || (field->type.kind != LAKE_FLOAT && field->type.kind != LAKE_DOUBLE))
        return false;
    for (size_t i = 0; i < g->count; i++) {
        const struct lake_metric *metric =
            lake_data_file_metric(&s->plan->files[g->files[i]].entry.file, field->id);

        if (!metric || metric->nan_count != 0)
            return true;
    }
    return false;
}

static void put_child(struct scan *s, const struct lake_field *field,
                      const struct footer_node *node, const char *parent, bool ids, int depth)
{
    struct buf path = {0};
    struct out o = {&path, 0};
    const char *text;

    if (!node) {
        put_missing(s, field);
        return;
    }
    out_str(&o, "(");
    out_str(&o, parent);
    out_str(&o, ").");
    out_name(&o, node->name);
    text = o.rc ? NULL : arena_cstr(s->arena, buf_slice(&path));
    buf_deinit(&path);
    if (!text)
        s->out.rc = ERR_NOMEM;
    else
        put_value(s, field, node, text, ids, depth + 1);
}

static void put_struct(struct scan *s, const struct lake_type *type, const struct footer_node *node,
                       const char *value, bool ids, int depth)
{
    out_fmt(&s->out, "CASE WHEN (%s) IS NULL THEN NULL ELSE struct_pack(", value);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct lake_field *field = &type->fields[i];

        out_str(&s->out, i ? ", " : "");
        out_name(&s->out, field->name);
        out_str(&s->out, " := ");
        put_child(s, field, node_for(node, field, ids), value, ids, depth);
    }
    out_str(&s->out, ") END");
}

static void put_list(struct scan *s, const struct lake_type *type, const struct footer_node *node,
                     const char *value, bool ids, int depth)
{
    char name[16];

    snprintf(name, sizeof(name), "tarn_e%d", depth);
    out_fmt(&s->out, "list_transform(%s, lambda %s: ", value, name);
    put_value(s, &type->fields[0], &node->kids[0], name, ids, depth + 1);
    out_str(&s->out, ")");
}

static void put_map(struct scan *s, const struct lake_type *type, const struct footer_node *node,
                    const char *value, bool ids, int depth)
{
    char name[16], part[32];

    snprintf(name, sizeof(name), "tarn_e%d", depth);
    out_fmt(&s->out,
            "CASE WHEN (%s) IS NULL THEN NULL ELSE map_from_entries(list_transform("
            "map_entries(%s), lambda %s: struct_pack(k := ",
            value, value, name);
    snprintf(part, sizeof(part), "%s.key", name);
    put_value(s, &type->fields[0], &node->kids[0], part, ids, depth + 1);
    out_str(&s->out, ", v := ");
    snprintf(part, sizeof(part), "%s.value", name);
    put_value(s, &type->fields[1], &node->kids[1], part, ids, depth + 1);
    out_str(&s->out, "))) END");
}

static void put_value(struct scan *s, const struct lake_field *field,
                      const struct footer_node *node, const char *value, bool ids, int depth)
{
    const struct lake_type *type = &field->type;
    bool nested = !lake_type_primitive(type), guard = may_mislead(s, field);

    if (s->out.rc)
        return;
    if (nested && (type->kind != node->kind || (type->kind == LAKE_LIST && node->kid_count != 1) ||
                   (type->kind == LAKE_MAP && node->kid_count != 2))) {
        s->out.rc = err_set(s->err, ERR_CORRUPT,
                            "column %s of a data file is not of the table's "
                            "type",
                            node->name);
        return;
    }
    out_str(&s->out, "CAST(");
    if (!nested && guard && (type->kind == LAKE_BINARY || type->kind == LAKE_FIXED))
        out_fmt(&s->out, "CASE WHEN octet_length(%s) < 0 THEN NULL ELSE %s END", value, value);
    else if (!nested && guard)
        out_fmt(&s->out, "CASE WHEN isnan(%s) THEN 'nan' ELSE %s END", value, value);
    else if (!nested || (same_shape(type, node, ids) && !guard))
        out_str(&s->out, value);
    else if (type->kind == LAKE_STRUCT)
        put_struct(s, type, node, value, ids, depth);
    else if (type->kind == LAKE_LIST)
        put_list(s, type, node, value, ids, depth);
    else
        put_map(s, type, node, value, ids, depth);
    out_str(&s->out, " AS ");
    put_type(s, type);
    out_str(&s->out, ")");
}

static const struct lake_value *identity_value(const struct scan *s,
                                               const struct lake_data_file *file, int32_t id)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(s->m, file->spec_id);

    for (size_t i = 0; spec && i < spec->field_count && i < file->partition_count; i++)
        if (spec->fields[i].source_id == id && spec->fields[i].transform.kind == LAKE_IDENTITY)
            return &file->partition[i];
    return NULL;
}

static void put_file_column(struct scan *s, const char *table, const struct lake_field *field,
                            const struct footer_node *node, bool ids)
{
    struct buf name = {0};
    const char *text;

    s->out.rc = s->out.rc ? s->out.rc : buf_append_str(&name, table);
    s->out.rc = s->out.rc ? s->out.rc : lake_sql_name(&name, node->name);
    text = s->out.rc ? NULL : arena_cstr(s->arena, buf_slice(&name));
    buf_deinit(&name);
    if (text)
        put_value(s, field, node, text, ids, 0);
    else
        s->out.rc = ERR_NOMEM;
}

/* Spec, "Column Projection": a column the file lacks is its identity partition value, else its
 * initial default, else NULL. */
static void put_column(struct scan *s, const struct group *g, const struct lake_field *field)
{
    bool ids = footer_has_ids(&g->footer->root);
    const struct footer_node *node = node_for(&g->footer->root, field, ids);
    const struct lake_data_file *first = &s->plan->files[g->files[0]].entry.file;
    const struct lake_value *constant = node ? NULL : identity_value(s, first, field->id);

    if (constant) {
        out_str(&s->out, "CAST(");
        s->out.rc = s->out.rc ? s->out.rc : lake_value_sql(&field->type, constant, s->out.buf);
        out_str(&s->out, " AS ");
        put_type(s, &field->type);
        out_str(&s->out, ")");
    } else if (!node) {
        put_missing(s, field);
    } else {
        s->guarded = g;
        put_file_column(s, "tarn_f.", field, node, ids);
        s->guarded = NULL;
    }
}

static bool is_equality(const struct scan *s, size_t index)
{
    return s->plan->deletes[index].file.content == LAKE_EQUALITY_DELETES;
}

static bool has_position_deletes(const struct scan *s, const struct lake_scan_file *file)
{
    for (size_t d = 0; d < file->delete_count; d++)
        if (!is_equality(s, file->deletes[d]))
            return true;
    return false;
}

/* Files that one SELECT can read: same footer, same values for columns that only the partition
 * has, the same deletes by equality, and deletes by position found alike, or none. */
static const char *group_key(struct scan *s, const struct lake_scan_file *file,
                             const struct footer *footer)
{
    bool ids = footer_has_ids(&footer->root);
    struct buf key = {0};
    const char *text;
    int rc = buf_append_str(&key, s->bits[file - s->plan->files]  ? "b"
                                  : has_position_deletes(s, file) ? "d"
                                                                  : "n");

    if (!rc && s->plan->addressed && footer->lineage)
        rc = buf_append_str(&key, "l");
    for (size_t d = 0; d < file->delete_count && !rc; d++)
        if (is_equality(s, file->deletes[d]))
            rc = buf_printf(&key, "%zu,", file->deletes[d]);

    for (size_t i = 0; i < s->plan->schema->root.field_count && !rc; i++) {
        const struct lake_field *field = &s->plan->schema->root.fields[i];
        const struct lake_value *value = node_for(&footer->root, field, ids)
                                             ? NULL
                                             : identity_value(s, &file->entry.file, field->id);

        if (value) {
            rc = buf_printf(&key, "%" PRId32 "=", field->id);
            rc = rc ? rc : lake_value_sql(&field->type, value, &key);
        }
    }
    rc = rc ? rc : buf_append_str(&key, "|");
    rc = rc ? rc : buf_append_str(&key, footer->signature);
    text = rc ? NULL : arena_cstr(s->arena, buf_slice(&key));
    buf_deinit(&key);
    return text;
}

static int group_file(struct scan *s, size_t index, const struct footer *footer)
{
    const struct lake_scan_file *file = &s->plan->files[index];
    const char *key = group_key(s, file, footer);
    struct group *g = s->groups;

    if (!key)
        return nomem(s);
    while (g && strcmp(g->key, key) != 0)
        g = g->next;
    if (!g) {
        g = ARENA_NEW(s->arena, struct group);
        if (!g)
            return nomem(s);
        g->files = ARENA_ARRAY(s->arena, size_t, s->plan->file_count);
        if (!g->files)
            return nomem(s);
        g->footer = footer;
        g->key = key;
        g->bits = s->bits[index];
        g->deletes = !g->bits && has_position_deletes(s, file);
        *s->tail = g;
        s->tail = &g->next;
    }
    g->files[g->count++] = index;
    if (g->footer->lineage && !footer->lineage) { /* DuckDB wants the first one's columns of all */
        g->files[g->count - 1] = g->files[0];
        g->files[0] = index;
        g->footer = footer;
    }
    return 0;
}

static int lend(struct scan *s, const char *location, const char **path)
{
    struct store *store = lake_store(s->lake);
    const char *bucket, *key;
    int rc = store_split(location, s->arena, &bucket, &key, s->err);

    rc = rc ? rc : store->ops->local(store, bucket, key, s->arena, path, s->err);
    if (!rc)
        s->plan->local[s->plan->local_count++] = *path;
    return rc ? err_wrap(s->err, rc, "%s", location) : 0;
}

static void put_paths(struct scan *s, const char *const *paths, const size_t *which, size_t count)
{
    out_str(&s->out, "[");
    for (size_t i = 0; i < count; i++) {
        out_str(&s->out, i ? ", " : "");
        out_text(&s->out, paths[which[i]]);
    }
    out_str(&s->out, "]");
}

#define VECTORS_ON ") tarn_d ON tarn_f.filename = tarn_d.f AND tarn_f.file_row_number = tarn_d.p"

static bool is_vector(const struct scan *s, size_t index)
{
    return !strcasecmp(s->plan->deletes[index].file.format, "puffin");
}

/* Deletion vectors were written out as Parquet of one column: see lend_vector. */
static void put_vectors(struct scan *s, const struct lake_scan_file *file, const char *path,
                        size_t *count)
{
    for (size_t d = 0; d < file->delete_count; d++) {
        if (!is_vector(s, file->deletes[d]))
            continue;
        out_str(&s->out, (*count)++ ? " UNION ALL SELECT " : "SELECT ");
        out_text(&s->out, path);
        out_str(&s->out, " AS f, pos AS p FROM read_parquet(");
        out_text(&s->out, s->delete_paths[file->deletes[d]]);
        out_str(&s->out, ")");
    }
}

/* (file, position) of every deleted row of the group, in the names that read_parquet reports. */
static int put_deletes(struct scan *s, const struct group *g, const char *const *paths)
{
    bool *used = ARENA_ARRAY(s->arena, bool, s->plan->delete_count + 1);
    size_t *which = ARENA_ARRAY(s->arena, size_t, s->plan->delete_count + 1), count = 0;
    size_t vectors = 0;

    if (!used || !which)
        return nomem(s);
    for (size_t i = 0; i < g->count; i++) {
        const struct lake_scan_file *file = &s->plan->files[g->files[i]];

        for (size_t d = 0; d < file->delete_count; d++)
            used[file->deletes[d]] = true;
    }
    for (size_t d = 0; d < s->plan->delete_count; d++)
        if (used[d] && !is_equality(s, d) && !is_vector(s, d))
            which[count++] = d;
    out_str(&s->out, " ANTI JOIN (");
    for (size_t i = 0; i < g->count; i++)
        put_vectors(s, &s->plan->files[g->files[i]], paths[g->files[i]], &vectors);
    if (!count) {
        out_str(&s->out, VECTORS_ON);
        return s->out.rc;
    }
    out_str(&s->out, vectors ? " UNION ALL " : "");
    out_str(&s->out, "SELECT m.l AS f, d.pos AS p FROM read_parquet(");
    put_paths(s, s->delete_paths, which, count);
    out_str(&s->out, ", hive_partitioning = false, union_by_name = true) d JOIN (VALUES ");
    for (size_t i = 0; i < g->count; i++) {
        out_str(&s->out, i ? ", (" : "(");
        out_text(&s->out, s->plan->files[g->files[i]].entry.file.path);
        out_str(&s->out, ", ");
        out_text(&s->out, paths[g->files[i]]);
        out_str(&s->out, ")");
    }
    out_str(&s->out, ") m(r, l) ON d.file_path = m.r" VECTORS_ON);
    return s->out.rc;
}

/* An anti join per delete file: its rows name values, NULL equal to NULL, of the columns whose ids
 * it lists. Both sides are of the table's current types. */
static int put_equality(struct scan *s, const struct group *g, size_t index)
{
    const struct lake_data_file *d = &s->plan->deletes[index].file;
    const struct footer *footer = s->delete_footers[index];
    bool ids = footer_has_ids(&footer->root);
    const struct lake_field *field;

    out_str(&s->out, " ANTI JOIN (SELECT ");
    for (size_t i = 0; i < d->equality_count; i++) {
        const struct footer_node *node;

        field = lake_schema_by_id(s->plan->schema, d->equality_ids[i]);
        node = field ? node_for(&footer->root, field, ids) : NULL;
        if (!node || !lake_type_primitive(&field->type))
            return err_set(s->err, ERR_UNSUPPORTED,
                           "%s deletes rows by a column (id %" PRId32
                           ") that the table no longer has",
                           d->path, d->equality_ids[i]);
        out_str(&s->out, i ? ", " : "");
        put_file_column(s, "d.", field, node, ids);
        out_fmt(&s->out, " AS k%zu", i);
    }
    out_str(&s->out, " FROM read_parquet(");
    put_paths(s, s->delete_paths, &index, 1);
    out_fmt(&s->out, ", hive_partitioning = false) d) tarn_q%zu ON ", index);
    for (size_t i = 0; i < d->equality_count; i++) {
        field = lake_schema_by_id(s->plan->schema, d->equality_ids[i]);
        out_str(&s->out, i ? " AND " : "");
        put_column(s, g, field);
        out_fmt(&s->out, " IS NOT DISTINCT FROM tarn_q%zu.k%zu", index, i);
    }
    return s->out.rc;
}

static bool wanted(const char *name, const char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(columns[i], name))
            return true;
    return !columns;
}

static void put_columns(struct scan *s, const struct group *g, const char *const *columns,
                        size_t column_count)
{
    size_t put = 0;

    for (size_t i = 0; i < s->plan->schema->root.field_count; i++) {
        const struct lake_field *field = &s->plan->schema->root.fields[i];

        if (!wanted(field->name, columns, column_count))
            continue;
        out_str(&s->out, put++ ? ", " : "");
        if (g) {
            put_column(s, g, field);
            out_str(&s->out, " AS ");
            out_name(&s->out, field->name);
        } else {
            out_str(&s->out, "CAST(NULL AS ");
            put_type(s, &field->type);
            out_str(&s->out, ") AS ");
            out_name(&s->out, field->name);
        }
    }
    if (!put) /* count(*) wants rows and no column */
        out_str(&s->out, "1 AS tarn_row");
}

/* [a, b, c][which of the group's files the row is from]; the lists are in the group's order. It is
 * computed once per chunk: a chunk is of one file. */
static void put_by_file(struct scan *s, const struct group *g,
                        int64_t (*value)(const struct scan *s, size_t file))
{
    out_str(&s->out, "[");
    for (size_t i = 0; i < g->count; i++) {
        int64_t v = value(s, g->files[i]);

        out_fmt(&s->out, v < 0 ? "%sNULL" : "%s%" PRId64, i ? ", " : "", v);
    }
    out_str(&s->out, "][tarn_f.file_index::BIGINT + 1]::BIGINT");
}

static int64_t file_index(const struct scan *s, size_t file)
{
    (void)s;
    return (int64_t)file;
}

static int64_t first_row_id(const struct scan *s, size_t file)
{
    return s->plan->files[file].entry.file.first_row_id;
}

static int64_t sequence_number(const struct scan *s, size_t file)
{
    return s->plan->files[file].entry.sequence_number;
}

/* Spec, "Row Lineage": what the file itself says of a row, else what it inherits. */
static void put_lineage(struct scan *s, const struct group *g)
{
    static const struct {
        int32_t id;
        const char *name;
        int64_t (*inherited)(const struct scan *s, size_t file);
        bool counts;
    } columns[] = {
        {LAKE_ROW_ID, "_row_id", first_row_id, true},
        {LAKE_LAST_UPDATED_ID, "_last_updated_sequence_number", sequence_number, false},
    };

    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        const struct footer_node *node = NULL;

        for (size_t k = 0; g && k < g->footer->root.kid_count && !node; k++)
            if (g->footer->root.kids[k].field_id == columns[i].id)
                node = &g->footer->root.kids[k];
        out_str(&s->out, ", coalesce(");
        if (node) {
            out_str(&s->out, "tarn_f.");
            out_name(&s->out, node->name);
            out_str(&s->out, "::BIGINT, ");
        }
        if (g)
            put_by_file(s, g, columns[i].inherited);
        out_str(&s->out, !g                  ? "NULL::BIGINT"
                         : columns[i].counts ? " + tarn_f.file_row_number"
                                             : "");
        out_fmt(&s->out, ") AS \"%s\"", columns[i].name);
    }
}

static void put_address(struct scan *s, const struct group *g)
{
    out_str(&s->out, ", ");
    if (g)
        put_by_file(s, g, file_index);
    out_str(&s->out, g ? " AS \"$file\", tarn_f.file_row_number AS \"$pos\""
                       : "NULL::BIGINT AS \"$file\", NULL::BIGINT AS \"$pos\"");
    if (s->m->format_version >= 3)
        put_lineage(s, g);
}

/* Deletes of small files are joined with them: reading a position delete file by itself costs more.
 * A vector is read by itself either way. */
#define BITS_ROWS_MIN  16384
#define BITS_BYTES_MAX ((int64_t)1 << 30)

static bool wants_bits(const struct scan *s, const struct lake_scan_file *file)
{
    bool any = false;

    for (size_t d = 0; d < file->delete_count; d++) {
        const struct lake_data_file *f = &s->plan->deletes[file->deletes[d]].file;

        if (f->content != LAKE_POSITION_DELETES)
            continue;
        if (!is_vector(s, file->deletes[d]) &&
            (file->entry.file.record_count < BITS_ROWS_MIN || !delete_target(f, s->arena)))
            return false; /* or it is about many files */
        any = true;
    }
    return any;
}

/* Where most rows are of files with such deletes, the others come along: a look at a bit for their
 * rows costs less than a SELECT of their own, whose results the query has to bring together. */
static void choose_bits(struct scan *s)
{
    int64_t bytes = 0, with = 0, all = 0;

    for (size_t i = 0; i < s->plan->file_count; i++) {
        const struct lake_scan_file *file = &s->plan->files[i];
        int64_t more = file->entry.file.record_count / 8;

        s->bits[i] = more <= BITS_BYTES_MAX - bytes && wants_bits(s, file);
        bytes += s->bits[i] ? more : 0;
        with += s->bits[i] ? file->entry.file.record_count : 0;
        all += file->entry.file.record_count;
        for (size_t d = 0; d < file->delete_count; d++)
            s->delete_wanted[file->deletes[d]] |= !s->bits[i] || is_equality(s, file->deletes[d]);
    }
    for (size_t i = 0; i < s->plan->file_count && with > all / 2; i++)
        s->bits[i] |= !has_position_deletes(s, &s->plan->files[i]);
}

/* The rows that the file's own position deletes name. */
static int read_deletes(struct scan *s, const struct lake_scan_file *file, struct arena *scratch,
                        struct positions *all)
{
    struct positions more;
    size_t fresh;
    int rc = 0;

    for (size_t d = 0; d < file->delete_count && !rc; d++) {
        const struct lake_data_file *f = &s->plan->deletes[file->deletes[d]].file;

        if (f->content != LAKE_POSITION_DELETES)
            continue;
        rc = delete_file_read(s->lake, s->conn, f, file->entry.file.path, scratch, &more, s->err);
        rc = rc ? rc : positions_unite(all, &more, scratch, all, &fresh, s->err);
    }
    return rc;
}

static int put_bits(struct scan *s, const struct group *g)
{
    struct vec_bits **bits = &s->plan->bits[s->plan->bit_count];
    int rc = vec_bits_new(bits, s->conn, g->count, s->err);

    s->plan->bit_count += rc == 0;
    for (size_t i = 0; i < g->count && !rc; i++) {
        const struct lake_scan_file *file = &s->plan->files[g->files[i]];
        struct arena scratch = {.max_bytes = (size_t)4 << 30};
        struct positions all = {0};

        rc = read_deletes(s, file, &scratch, &all);
        rc =
            rc ? rc
               : vec_bits_set(*bits, i, all.list, all.count, file->entry.file.record_count, s->err);
        arena_deinit(&scratch);
    }
    if (!rc)
        out_fmt(&s->out, " WHERE tarn_kept(%" PRIu64 ", tarn_f.file_index, tarn_f.file_row_number)",
                vec_bits_number(*bits));
    return rc;
}

static int put_group(struct scan *s, const struct group *g, const char *const *columns,
                     size_t column_count, const char *const *paths)
{
    const struct lake_scan_file *first = &s->plan->files[g->files[0]];
    int rc;

    out_str(&s->out, "SELECT ");
    put_columns(s, g, columns, column_count);
    if (s->plan->addressed)
        put_address(s, g);
    out_str(&s->out, " FROM read_parquet(");
    put_paths(s, paths, g->files, g->count);
    out_str(&s->out, ", hive_partitioning = false");
    if (g->deletes)
        out_str(&s->out, ", filename = true, file_row_number = true");
    else if (g->bits || s->plan->addressed)
        out_str(&s->out, ", file_row_number = true");
    out_str(&s->out, ") tarn_f");
    rc = g->deletes ? put_deletes(s, g, paths) : s->out.rc;
    for (size_t d = 0; d < first->delete_count && !rc; d++)
        if (is_equality(s, first->deletes[d]))
            rc = put_equality(s, g, first->deletes[d]);
    return rc || !g->bits ? rc : put_bits(s, g);
}

struct lent_positions {
    const int64_t *list;
    size_t count, at;
};

static int pull_positions(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct lent_positions *p = arg;
    int64_t *to = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 0));
    size_t room = vec_chunk_rows(), more = p->count - p->at < room ? p->count - p->at : room;

    (void)err;
    memcpy(to, p->list + p->at, more * sizeof(*to));
    p->at += more;
    duckdb_data_chunk_set_size(out, more);
    return 0;
}

static int write_positions(struct scan *s, struct lent_positions *p, const char *path)
{
    struct vec_columns columns = {0};
    struct vec_feed feed = {&columns, pull_positions, p};
    struct vec_copy_options options = {.path = path, .codec = "zstd"};
    struct vec_copy_result result;
    int rc = vec_columns_add(&columns, "pos", duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));

    rc = rc ? nomem(s) : vec_copy_run(s->conn, &feed, &options, s->arena, &result, s->err);
    vec_columns_free(&columns);
    return rc;
}

/* A vector may hold millions of positions, too many for the text of a query: they go through a
 * file of their own, which the plan removes at its end. */
static int lend_vector(struct scan *s, const struct lake_data_file *d, const char **path)
{
    struct store *store = lake_store(s->lake);
    struct arena scratch = {.max_bytes = (size_t)1 << 30};
    struct lent_positions p = {0};
    struct buf blob = {0};
    const char *bucket, *key;
    int64_t *list = NULL;
    char uuid[37];
    int rc = store_split(d->path, s->arena, &bucket, &key, s->err);

    rc = rc ? rc
            : store->ops->get(store, bucket, key, d->content_pos, d->content_bytes, &blob, s->err);
    rc = rc ? rc : deletion_vector_decode(buf_slice(&blob), &scratch, &list, &p.count, s->err);
    p.list = list;
    uuid_v4(uuid);
    *path = arena_printf(s->arena, "%s/%s.positions.parquet", store->staging, uuid);
    if (!rc && !*path)
        rc = nomem(s);
    rc = rc ? rc : write_positions(s, &p, *path);
    if (!rc)
        s->plan->made[s->plan->made_count++] = *path;
    buf_deinit(&blob);
    arena_deinit(&scratch);
    return rc ? err_wrap(s->err, rc, "%s", d->path) : 0;
}

static int lend_all(struct scan *s, const char **paths, const char **locations)
{
    int rc = 0;

    for (size_t i = 0; i < s->plan->file_count && !rc; i++) {
        const struct lake_data_file *file = &s->plan->files[i].entry.file;

        if (strcasecmp(file->format, "parquet") != 0)
            return err_set(s->err, ERR_UNSUPPORTED, "%s: data in format %s", file->path,
                           file->format);
        locations[i] = file->path;
        rc = lend(s, file->path, &paths[i]);
    }
    for (size_t i = 0; i < s->plan->delete_count && !rc; i++)
        rc = !s->delete_wanted[i] ? 0
             : is_vector(s, i)    ? lend_vector(s, &s->plan->deletes[i].file, &s->delete_paths[i])
                                  : lend(s, s->plan->deletes[i].file.path, &s->delete_paths[i]);
    return rc;
}

int lake_scan_sql(struct lake *lake, struct vec_conn *conn, struct lake_plan *plan,
                  const char *const *columns, size_t column_count, struct arena *arena,
                  struct buf *sql, struct err *err)
{
    struct scan s = {.lake = lake,
                     .conn = conn,
                     .plan = plan,
                     .arena = arena,
                     .out = {sql, 0},
                     .m = plan->metadata,
                     .err = err};
    size_t total = plan->file_count + plan->delete_count;
    const char **paths = ARENA_ARRAY(arena, const char *, plan->file_count + 1);
    const char **locations = ARENA_ARRAY(arena, const char *, plan->file_count + 1);
    struct footer **footers = ARENA_ARRAY(arena, struct footer *, plan->file_count + 1);
    int rc;

    s.tail = &s.groups;
    s.delete_paths = ARENA_ARRAY(arena, const char *, plan->delete_count + 1);
    s.delete_footers = ARENA_ARRAY(arena, struct footer *, plan->delete_count + 1);
    plan->local = ARENA_ARRAY(arena, const char *, total + 1);
    plan->made = ARENA_ARRAY(arena, const char *, plan->delete_count + 1);
    plan->bits = ARENA_ARRAY(arena, struct vec_bits *, plan->file_count + 1);
    s.bits = ARENA_ARRAY(arena, bool, plan->file_count + 1);
    s.delete_wanted = ARENA_ARRAY(arena, bool, plan->delete_count + 1);
    if (!plan->bits || !s.bits || !s.delete_wanted || !paths || !locations || !footers ||
        !plan->local || !plan->made || !s.delete_paths || !s.delete_footers)
        return nomem(&s);
    choose_bits(&s);
    rc = lend_all(&s, paths, locations);
    rc = rc ? rc : footers_load(lake, conn, locations, paths, plan->file_count, footers, err);
    for (size_t i = 0; i < plan->delete_count && !rc; i++)
        if (is_equality(&s, i))
            rc = footers_load(lake, conn, &plan->deletes[i].file.path, &s.delete_paths[i], 1,
                              &s.delete_footers[i], err);
    for (size_t i = 0; i < plan->file_count && !rc; i++) {
        rc = map_footer(&s, &footers[i]);
        rc = rc ? rc : group_file(&s, i, footers[i]);
    }
    out_str(&s.out, "(");
    for (struct group *g = s.groups; g && !rc; g = g->next) {
        rc = put_group(&s, g, columns, column_count, paths);
        out_str(&s.out, g->next ? " UNION ALL " : "");
    }
    if (!rc && !s.groups) {
        out_str(&s.out, "SELECT ");
        put_columns(&s, NULL, columns, column_count);
        if (plan->addressed)
            put_address(&s, NULL);
        out_str(&s.out, " WHERE false");
    }
    out_str(&s.out, ")");
    for (size_t i = 0; i < plan->file_count; i++)
        footer_free(footers[i]);
    for (size_t i = 0; i < plan->delete_count; i++)
        footer_free(s.delete_footers[i]);
    if (!rc && s.out.rc)
        rc = err && err->code ? s.out.rc : err_set(err, s.out.rc, "scan");
    return rc;
}
