/* inspect_deletes.c - position_deletes: one row per deleted position, from Parquet delete files and
 * from deletion vectors alike. The rows' values, which a delete file may carry, are not read. */
#include "lake/inspect_int.h"

static int nomem(struct inspect *in)
{
    return err_set(in->err, ERR_NOMEM, "position_deletes");
}

static int collect(struct inspect *in, struct entries *out)
{
    const struct lake_snapshot *snapshot =
        in->of->snapshot_id == -1 ? lake_metadata_snapshot(in->m)
                                  : lake_metadata_snapshot_by_id(in->m, in->of->snapshot_id);
    struct lake_manifest_list *list = NULL;
    int rc = snapshot ? lake_manifest_list_load(in->lake, in->m, snapshot, &list, in->err) : 0;

    for (size_t i = 0; !rc && list && i < list->file_count; i++) {
        struct lake_manifest *manifest;

        if (list->files[i].content == 0)
            continue;
        rc = lake_manifest_load(in->lake, in->m, &list->files[i], &manifest, in->err);
        if (rc)
            break;
        for (size_t k = 0; !rc && k < manifest->entry_count; k++) {
            struct lake_entry entry = manifest->entries[k];

            if (entry.status == LAKE_DELETED || entry.file.content != LAKE_POSITION_DELETES)
                continue;
            if (lake_data_file_copy(in->arena, &entry.file, &manifest->entries[k].file) ||
                entries_add(out, in->arena, &entry))
                rc = nomem(in);
        }
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rc;
}

static int put_vector(struct inspect *in, const struct lake_data_file *d)
{
    struct store *store = lake_store(in->lake);
    struct arena scratch = {.max_bytes = (size_t)1 << 30};
    struct buf blob = {0};
    const char *bucket, *key;
    int64_t *positions = NULL;
    size_t count = 0;
    int rc = store_split(d->path, in->arena, &bucket, &key, in->err);

    rc = rc ? rc
            : store->ops->get(store, bucket, key, d->content_pos, d->content_bytes, &blob, in->err);
    rc = rc ? rc : deletion_vector_decode(buf_slice(&blob), &scratch, &positions, &count, in->err);
    for (size_t i = 0; i < count && !rc; i++) {
        row_begin(&in->rows);
        row_key(&in->rows, "f");
        row_text(&in->rows, d->referenced_data_file);
        row_key(&in->rows, "p");
        row_i64(&in->rows, positions[i]);
        row_key(&in->rows, "d");
        row_text(&in->rows, d->path);
        row_end(&in->rows);
        rc = in->rows.rc;
    }
    buf_deinit(&blob);
    arena_deinit(&scratch);
    return rc ? err_wrap(in->err, rc, "%s", d->path) : 0;
}

static int lend(struct inspect *in, const char *location, const char **path)
{
    struct store *store = lake_store(in->lake);
    const char *bucket, *key;
    int rc = store_split(location, in->arena, &bucket, &key, in->err);

    rc = rc ? rc : store->ops->local(store, bucket, key, in->arena, path, in->err);
    if (!rc)
        in->plan->local[in->plan->local_count++] = *path;
    return rc;
}

/* What is the same for all rows of one delete file. */
static void put_constants(struct inspect *in, struct out *o, const struct lake_data_file *d)
{
    out_str(o, "CAST(NULL AS ");
    if (!o->rc)
        o->rc = lake_duckdb_type(&lake_metadata_schema(in->m)->root, o->buf, in->err);
    out_str(o, ") AS \"row\"");
    if (in->partition.field_count)
        out_str(o, ", struct_pack(");
    for (size_t i = 0; i < in->partition.field_count; i++) {
        const struct lake_value *value = inspect_partition_value(in, d, i);
        static const struct lake_value none = {.null = true};

        out_str(o, i ? ", " : "");
        out_name(o, in->partition.fields[i].name);
        out_str(o, " := CAST(");
        if (!o->rc)
            o->rc = lake_value_sql(&in->partition.fields[i].type, value ? value : &none, o->buf);
        out_str(o, " AS ");
        if (!o->rc)
            o->rc = lake_duckdb_type(&in->partition.fields[i].type, o->buf, in->err);
        out_str(o, ")");
    }
    if (in->partition.field_count)
        out_str(o, ") AS \"partition\"");
    out_fmt(o, ", CAST(%" PRId32 " AS INTEGER) AS spec_id, ", d->spec_id);
    out_text(o, d->path);
    out_str(o, " AS delete_file_path");
}

int inspect_deletes(struct inspect *in, struct buf *sql)
{
    struct entries deletes = {0};
    struct out o = {sql, 0};
    int rc = collect(in, &deletes);

    in->plan->local = ARENA_ARRAY(in->arena, const char *, deletes.count + 1);
    if (!rc && !in->plan->local)
        rc = nomem(in);
    out_str(&o, "(");
    for (size_t i = 0; i < deletes.count && !rc; i++) {
        const struct lake_data_file *d = &deletes.list[i].file;
        const char *path = in->plan->made[0];
        bool vector = !strcasecmp(d->format, "puffin");

        rc = vector ? put_vector(in, d) : lend(in, d->path, &path);
        out_str(&o, vector ? "SELECT f AS file_path, p AS pos, " : "SELECT file_path, pos, ");
        put_constants(in, &o, d);
        out_str(&o, vector ? " FROM read_json(" : " FROM read_parquet(");
        out_text(&o, path);
        if (vector) {
            out_str(&o, ", format = 'newline_delimited', columns = {f: 'VARCHAR', p: 'BIGINT', "
                        "d: 'VARCHAR'}) WHERE d = ");
            out_text(&o, d->path);
            out_str(&o, " AND f = ");
            out_text(&o, d->referenced_data_file ? d->referenced_data_file : "");
        } else {
            out_str(&o, ", hive_partitioning = false)");
        }
        out_str(&o, " UNION ALL ");
    }
    /* An end that is always there, so that no file at all is a table of no rows. */
    out_str(&o, "SELECT CAST(NULL AS VARCHAR) AS file_path, CAST(NULL AS BIGINT) AS pos, ");
    put_constants(in, &o, &(struct lake_data_file){.path = ""});
    out_str(&o, " WHERE false)");
    return rc ? rc : o.rc ? err_set(in->err, o.rc, "position_deletes") : 0;
}
