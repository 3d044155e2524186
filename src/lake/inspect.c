/* inspect.c - rows of the metadata tables that the metadata file and manifest lists alone fill, and
 * the SELECT over whatever rows were made. */
#include "lake/inspect_int.h"

static bool on_main_line(const struct lake_metadata *m, int64_t id)
{
    const struct lake_snapshot *at = lake_metadata_snapshot(m);

    for (size_t steps = 0; at && steps <= m->snapshot_count; steps++) {
        if (at->id == id)
            return true;
        at = at->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(m, at->parent_id);
    }
    return false;
}

static int put_history(struct inspect *in)
{
    struct rows *r = &in->rows;

    for (size_t i = 0; i < in->m->snapshot_log_count; i++) {
        const struct lake_log_entry *entry = &in->m->snapshot_log[i];
        const struct lake_snapshot *s = lake_metadata_snapshot_by_id(in->m, entry->snapshot_id);

        row_begin(r);
        row_key(r, "made_current_at");
        row_time(r, entry->timestamp_ms);
        row_key(r, "snapshot_id");
        row_i64(r, entry->snapshot_id);
        if (s && s->parent_id >= 0) {
            row_key(r, "parent_id");
            row_i64(r, s->parent_id);
        }
        row_key(r, "is_current_ancestor");
        row_bool(r, on_main_line(in->m, entry->snapshot_id));
        row_end(r);
    }
    return r->rc;
}

static int put_snapshots(struct inspect *in)
{
    struct rows *r = &in->rows;

    for (size_t i = 0; i < in->m->snapshot_count; i++) {
        const struct lake_snapshot *s = &in->m->snapshots[i];

        row_begin(r);
        row_key(r, "committed_at");
        row_time(r, s->timestamp_ms);
        row_key(r, "snapshot_id");
        row_i64(r, s->id);
        if (s->parent_id >= 0) {
            row_key(r, "parent_id");
            row_i64(r, s->parent_id);
        }
        row_key(r, "operation");
        row_text(r, s->operation[0] ? s->operation : NULL);
        row_key(r, "manifest_list");
        row_text(r, s->manifest_list);
        row_key(r, "summary");
        row_open(r, '{');
        for (size_t k = 0; k < s->summary_count; k++) {
            if (!strcmp(s->summary[k].key, "operation"))
                continue; /* has a column of its own */
            row_key(r, s->summary[k].key);
            row_text(r, s->summary[k].value);
        }
        row_close(r, '}');
        row_end(r);
    }
    return r->rc;
}

static void put_log_entry(struct inspect *in, int64_t ms, const char *file)
{
    const struct lake_snapshot *s = lake_metadata_snapshot_at(in->m, ms);
    struct rows *r = &in->rows;

    row_begin(r);
    row_key(r, "timestamp");
    row_time(r, ms);
    row_key(r, "file");
    row_text(r, file);
    if (s) {
        row_key(r, "latest_snapshot_id");
        row_i64(r, s->id);
        if (s->schema_id >= 0) {
            row_key(r, "latest_schema_id");
            row_i64(r, s->schema_id);
        }
        row_key(r, "latest_sequence_number");
        row_i64(r, s->sequence_number);
    }
    row_end(r);
}

static int put_metadata_log(struct inspect *in)
{
    for (size_t i = 0; i < in->m->metadata_log_count; i++)
        put_log_entry(in, in->m->metadata_log[i].timestamp_ms,
                      in->m->metadata_log[i].metadata_file);
    if (in->of->metadata_location)
        put_log_entry(in, in->m->last_updated_ms, in->of->metadata_location);
    return in->rows.rc;
}

static int put_refs(struct inspect *in)
{
    struct rows *r = &in->rows;

    for (size_t i = 0; i < in->m->branch_count; i++) {
        const struct lake_ref *ref = &in->m->branches[i];
        const struct {
            const char *name;
            int64_t value;
        } limits[] = {{"max_reference_age_in_ms", ref->max_ref_age_ms},
                      {"min_snapshots_to_keep", ref->min_snapshots_to_keep},
                      {"max_snapshot_age_in_ms", ref->max_snapshot_age_ms}};

        row_begin(r);
        row_key(r, "name");
        row_text(r, ref->name);
        row_key(r, "type");
        row_text(r, ref->is_tag ? "TAG" : "BRANCH");
        row_key(r, "snapshot_id");
        row_i64(r, ref->snapshot_id);
        for (size_t k = 0; k < COUNT_OF(limits); k++) {
            if (limits[k].value < 0)
                continue;
            row_key(r, limits[k].name);
            row_i64(r, limits[k].value);
        }
        row_end(r);
    }
    return r->rc;
}

/* ---- manifests ---- */

static void put_human(struct inspect *in, const struct lake_partition_field *field,
                      const struct lake_type *type, const char *name, struct slice bytes)
{
    struct lake_value value;
    struct buf text = {0};

    if (!bytes.ptr || lake_value_decode(type, bytes, &value, NULL))
        return;
    if (!lake_transform_human(&field->transform, type, &value, &text) && buf_cstr(&text)) {
        row_key(&in->rows, name);
        row_text(&in->rows, buf_cstr(&text));
    }
    buf_deinit(&text);
}

static int put_summaries(struct inspect *in, const struct lake_manifest_file *line)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(in->m, line->spec_id);
    struct rows *r = &in->rows;
    struct lake_type *types;
    int rc = spec ? partition_types(in->m, spec, in->arena, &types, in->err) : 0;

    if (rc || !spec)
        return rc;
    row_key(r, "partition_summaries");
    row_open(r, '[');
    for (size_t i = 0; i < line->partition_count && i < spec->field_count; i++) {
        const struct lake_field_summary *sum = &line->partitions[i];

        row_open(r, '{');
        row_key(r, "contains_null");
        row_bool(r, sum->contains_null);
        if (sum->contains_nan >= 0) {
            row_key(r, "contains_nan");
            row_bool(r, sum->contains_nan);
        }
        put_human(in, &spec->fields[i], &types[i], "lower_bound", sum->lower);
        put_human(in, &spec->fields[i], &types[i], "upper_bound", sum->upper);
        row_close(r, '}');
    }
    row_close(r, ']');
    return 0;
}

static int put_manifest(struct inspect *in, const struct lake_snapshot *snapshot,
                        const struct lake_manifest_file *line)
{
    const struct {
        const char *data, *deletes;
        int32_t count;
    } counts[] = {
        {"added_data_files_count", "added_delete_files_count", line->added_files},
        {"existing_data_files_count", "existing_delete_files_count", line->existing_files},
        {"deleted_data_files_count", "deleted_delete_files_count", line->deleted_files}};
    struct rows *r = &in->rows;
    int rc;

    row_begin(r);
    row_key(r, "content");
    row_i64(r, line->content);
    row_key(r, "path");
    row_text(r, line->path);
    row_key(r, "length");
    row_i64(r, line->length);
    row_key(r, "partition_spec_id");
    row_i64(r, line->spec_id);
    row_key(r, "added_snapshot_id");
    row_i64(r, line->added_snapshot_id);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        int32_t known = counts[i].count < 0 ? 0 : counts[i].count;

        row_key(r, counts[i].data);
        row_i64(r, line->content == 0 ? known : 0);
        row_key(r, counts[i].deletes);
        row_i64(r, line->content == 0 ? 0 : known);
    }
    rc = put_summaries(in, line);
    row_key(r, "reference_snapshot_id");
    row_i64(r, snapshot->id);
    if (line->key_metadata.ptr) {
        row_key(r, "key_metadata");
        row_hex(r, line->key_metadata);
    }
    row_end(r);
    return rc ? rc : r->rc;
}

static int put_manifests(struct inspect *in)
{
    return inspect_manifests(in, in->of->kind == LAKE_INSPECT_ALL_MANIFESTS, put_manifest);
}

/* ---- all of them ---- */

static int (*const makers[LAKE_INSPECT_KINDS])(struct inspect *) = {
    [LAKE_INSPECT_HISTORY] = put_history,           [LAKE_INSPECT_SNAPSHOTS] = put_snapshots,
    [LAKE_INSPECT_METADATA_LOG] = put_metadata_log, [LAKE_INSPECT_REFS] = put_refs,
    [LAKE_INSPECT_MANIFESTS] = put_manifests,       [LAKE_INSPECT_ALL_MANIFESTS] = put_manifests,
    [LAKE_INSPECT_FILES] = inspect_files,           [LAKE_INSPECT_DATA_FILES] = inspect_files,
    [LAKE_INSPECT_DELETE_FILES] = inspect_files,    [LAKE_INSPECT_ALL_FILES] = inspect_files,
    [LAKE_INSPECT_ALL_DATA_FILES] = inspect_files,  [LAKE_INSPECT_ALL_DELETE_FILES] = inspect_files,
    [LAKE_INSPECT_ENTRIES] = inspect_files,         [LAKE_INSPECT_ALL_ENTRIES] = inspect_files,
    [LAKE_INSPECT_PARTITIONS] = inspect_partitions, [LAKE_INSPECT_STATISTICS] = inspect_partitions,
};

static void put_select(struct out *o, const struct lake_schema *schema, const char *path)
{
    out_str(o, "(SELECT ");
    for (size_t i = 0; i < schema->root.field_count; i++) {
        const struct lake_field *f = &schema->root.fields[i];
        char name[80];

        snprintf(name, sizeof(name), "\"%s\"", f->name); /* our own names: nothing to escape */
        out_str(o, i ? ", " : "");
        inspect_from_json(o, &f->type, name, 0);
        out_fmt(o, " AS \"%s\"", f->name);
    }
    out_str(o, " FROM read_json(");
    out_text(o, path);
    out_str(o, ", format = 'newline_delimited', columns = {");
    for (size_t i = 0; i < schema->root.field_count; i++) {
        struct buf type = {0};
        struct out t = {&type, 0};

        inspect_json_type(&t, &schema->root.fields[i].type);
        out_fmt(o, "%s\"%s\": ", i ? ", " : "", schema->root.fields[i].name);
        if (t.rc || !buf_cstr(&type))
            o->rc = ERR_NOMEM;
        else
            out_text(o, buf_cstr(&type));
        buf_deinit(&type);
    }
    out_str(o, "}))");
}

static int run(struct inspect *in, const struct lake_schema *schema, const char *path,
               struct buf *sql)
{
    struct out o = {sql, 0};
    int rc = in->of->kind == LAKE_INSPECT_POSITION_DELETES ? inspect_deletes(in, sql)
                                                           : makers[in->of->kind](in);

    if (!rc && in->rows.buf.len)
        rc = file_pwrite(in->rows.file, in->rows.buf.ptr, in->rows.buf.len, in->rows.at, in->err);
    if (rc || in->of->kind == LAKE_INSPECT_POSITION_DELETES)
        return rc;
    put_select(&o, schema, path);
    return o.rc ? err_set(in->err, o.rc, "metadata table") : 0;
}

int lake_inspect_sql(struct lake *lake, const struct lake_inspect *of, struct arena *arena,
                     struct lake_plan *plan, struct buf *sql, struct err *err)
{
    struct inspect in = {
        .lake = lake, .of = of, .m = of->metadata, .arena = arena, .plan = plan, .err = err};
    struct lake_schema schema;
    char uuid[37], *path;
    int rc = lake_inspect_schema(of, arena, &schema, err);

    memset(plan, 0, sizeof(*plan));
    plan->metadata = of->metadata;
    plan->snapshot_id = of->snapshot_id;
    in.rows.err = err;
    uuid_v4(uuid);
    path = arena_printf(arena, "%s/%s.rows.json", lake_store(lake)->staging, uuid);
    plan->made = ARENA_ARRAY(arena, const char *, 1);
    if (!rc && (!path || !plan->made))
        rc = err_set(err, ERR_NOMEM, "metadata table");
    rc = rc ? rc : inspect_partition_type(in.m, arena, &in.partition, err);
    rc = rc ? rc : inspect_leaves(in.m, arena, &in.leaves, &in.leaf_names, &in.leaf_count, err);
    rc = rc ? rc
            : disk_open(disk_system(), &in.rows.file, path,
                        DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);
    if (rc)
        return rc;
    plan->made[plan->made_count++] = path;
    rc = run(&in, &schema, path, sql);
    file_close(in.rows.file);
    buf_deinit(&in.rows.buf);
    plan->rows = in.rows.count;
    if (rc)
        lake_plan_release(lake, plan);
    return rc ? err_wrap(err, rc, "%s", lake_inspect_name(of->kind)) : 0;
}
