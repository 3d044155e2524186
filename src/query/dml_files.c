/* dml_files.c - whole data files: those that a condition covers, those that are overwritten, and
 * those of which a copy without the rows that go takes the place. */
#include "query/dml.h"

int dml_remove(struct dml *d, const struct lake_entry *entry, struct err *err)
{
    if (d->removed_count == d->removed_cap) {
        size_t cap = d->removed_cap ? d->removed_cap * 2 : 16;
        struct lake_entry *more = ARENA_ARRAY(&d->plan.arena, struct lake_entry, cap);

        if (!more)
            return dml_nomem(err);
        if (d->removed_count)
            memcpy(more, d->removed, d->removed_count * sizeof(*more));
        d->removed = more;
        d->removed_cap = cap;
    }
    d->removed[d->removed_count++] = *entry;
    return 0;
}

/* ---- covered files --------------------------------------------------------------------------- */

/* Types whose literals mean the same to the lake as to the query: no zone, no rounding. */
static bool plain(const struct lake_schema *schema, int32_t field_id)
{
    const struct lake_field *field = lake_schema_by_id(schema, field_id);

    switch (field ? field->type.kind : LAKE_UNKNOWN) {
    case LAKE_BOOLEAN:
    case LAKE_INT:
    case LAKE_LONG:
    case LAKE_DATE:
    case LAKE_STRING:
        return true;
    default:
        return false;
    }
}

/* The rows that do not meet the condition: none of them is in the file. */
static bool covers(const struct dml *d, const struct lake_data_file *file,
                   const struct lake_predicate *p)
{
    static const enum lake_op opposite[] = {
        [LAKE_OP_EQ] = LAKE_OP_NE, [LAKE_OP_NE] = LAKE_OP_EQ, [LAKE_OP_LT] = LAKE_OP_GE,
        [LAKE_OP_LE] = LAKE_OP_GT, [LAKE_OP_GT] = LAKE_OP_LE, [LAKE_OP_GE] = LAKE_OP_LT};
    const struct lake_metadata *m = d->handle->metadata;
    struct lake_predicate not = *p, null = {p->field_id, LAKE_OP_IS_NULL, NULL, 0};
    bool in = p->op == LAKE_OP_IN;

    if (p->op > LAKE_OP_GE && !in)
        return false;
    if (!plain(d->handle->schema, p->field_id) ||
        !lake_file_excludes(m, d->handle->schema, file, &null))
        return false;
    for (size_t i = 0; i < (in ? p->value_count : 1); i++) {
        not .op = in ? LAKE_OP_NE : opposite[p->op];
        not .values = p->values + i;
        not .value_count = 1;
        if (lake_file_excludes(m, d->handle->schema, file, &not ))
            return true;
    }
    return false;
}

/* DELETE: a file without deletes whose every row meets the condition is dropped unread. A file with
 * deletes is read, since the answer says how many rows there were. */
int dml_cover(void *arg, struct query_scan *scan, struct err *err)
{
    struct dml *d = arg;
    struct lake_plan *plan = &scan->plan;
    size_t kept = 0;
    int rc = 0;

    if (d->change.where_parts != scan->predicate_count)
        return 0; /* WHERE says more than the predicates do */
    for (size_t i = 0; i < plan->file_count && !rc; i++) {
        const struct lake_scan_file *file = &plan->files[i];
        bool whole = !file->delete_count;

        for (size_t k = 0; k < scan->predicate_count && whole; k++)
            whole = covers(d, &file->entry.file, &scan->predicates[k]);
        if (!whole) {
            plan->files[kept++] = *file;
            continue;
        }
        d->deleted += file->entry.file.record_count;
        rc = dml_remove(d, &file->entry, err);
    }
    plan->file_count = kept;
    return rc;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* The addresses of rows that go, as a table of the connection. */
static int put_gone(struct dml *d, struct err *err)
{
    duckdb_appender to = NULL;
    duckdb_state state;
    int rc =
        vec_exec(d->q->conn, "CREATE OR REPLACE TEMP TABLE tarn_gone(f BIGINT, p BIGINT)", err);

    if (rc)
        return rc;
    state = duckdb_appender_create(vec_conn_raw(d->q->conn), NULL, "tarn_gone", &to);
    for (size_t i = 0; i < d->scan->plan.file_count && state == DuckDBSuccess; i++)
        for (size_t k = 0; k < d->files[i].count && state == DuckDBSuccess; k++) {
            duckdb_append_int64(to, (int64_t)i);
            duckdb_append_int64(to, d->files[i].list[k]);
            state = duckdb_appender_end_row(to);
        }
    if (state != DuckDBSuccess || duckdb_appender_close(to) != DuckDBSuccess)
        rc = err_set(err, ERR_NOMEM, "rows to be left out of a copy");
    duckdb_appender_destroy(&to);
    return rc;
}

/* The files that lose rows, as a plan of their own; their numbers stay: others are emptied. */
static int plan_copy(struct dml *d, struct lake_plan *out, struct buf *sql, struct err *err)
{
    const struct lake_plan *from = &d->scan->plan;
    struct arena *arena = &d->plan.arena;
    struct buf scan = {0};
    int rc;

    *out = *from;
    out->local = out->made = NULL;
    out->local_count = out->made_count = 0;
    out->addressed = true;
    out->files = ARENA_ARRAY(arena, struct lake_scan_file, from->file_count + 1);
    if (!out->files)
        return dml_nomem(err);
    out->file_count = 0;
    for (size_t i = 0, next = 0; i < from->file_count; i++) {
        if (!d->files[i].count)
            continue;
        out->files[out->file_count++] = from->files[i];
        d->files[next] = d->files[i]; /* numbered as in the new plan; `next` never passes i */
        if (next++ != i)
            d->files[i] = (struct dml_file){0};
    }
    d->sorted = lake_sort_usable(d->handle->metadata);
    rc = lake_scan_sql(d->q->options.lake, d->q->conn, out, NULL, 0, arena, &scan, err);
    rc = rc || !d->sorted ? rc : buf_append_str(sql, "SELECT * FROM (");
    rc = rc ? rc : buf_append_str(sql, "SELECT s.* EXCLUDE (\"$file\", \"$pos\") FROM ");
    rc = rc ? rc : buf_append_slice(sql, buf_slice(&scan));
    rc = rc ? rc
            : buf_append_str(sql, " s ANTI JOIN tarn_gone g ON s.\"$file\" = g.f AND "
                                  "s.\"$pos\" = g.p");
    rc = rc || !d->sorted ? rc : buf_append_str(sql, ") AS tarn_rows");
    rc = rc || !d->sorted ? rc : lake_sort_sql(d->handle->metadata, sql, err);
    if (!rc && !buf_cstr(sql))
        rc = dml_nomem(err);
    buf_deinit(&scan);
    return rc;
}

/* A writer of its own: the columns are the files', not the statement's. */
static int copy_rows(struct dml *d, const struct buf *sql, struct err *err)
{
    struct vec_result *result = NULL;
    sel_t *all = calloc(vec_chunk_rows(), sizeof(*all));
    duckdb_data_chunk chunk;
    int rc = all ? 0 : dml_nomem(err);

    for (idx_t i = 0; i < vec_chunk_rows() && !rc; i++)
        all[i] = (sel_t)i;
    rc = rc ? rc : vec_query(d->q->conn, (const char *)sql->ptr, &result, err);
    rc = rc ? rc : dml_writer(d, vec_result_columns(result), 0, err);
    while (!rc) {
        rc = vec_result_next(result, &chunk, err);
        if (rc || !chunk)
            break;
        rc = dml_write(d, chunk, 0, all, duckdb_data_chunk_get_size(chunk), err);
        if (!rc && atomic_load(&d->q->cancelled))
            rc = err_set(err, ERR_CANCELLED, "cancelled");
    }
    vec_result_free(result);
    free(all);
    return rc;
}

/* Files of the statement's own writer are cut before: see dml.c. */
int dml_copy(struct dml *d, struct err *err)
{
    struct lake_plan plan = {0};
    struct buf sql = {0};
    int rc;

    if (!d->row_delete_count)
        return 0;
    for (size_t i = 0; i < d->scan->plan.file_count; i++)
        if (d->files[i].count && (rc = dml_remove(d, &d->scan->plan.files[i].entry, err)))
            return rc;
    rc = plan_copy(d, &plan, &sql, err);
    d->scan->plan.file_count = plan.file_count; /* `files` are numbered so by now */
    rc = rc ? rc : put_gone(d, err);
    rc = rc ? rc : copy_rows(d, &sql, err);
    d->row_delete_count = 0;
    vec_exec(d->q->conn, "DROP TABLE IF EXISTS tarn_gone", NULL);
    lake_plan_release(d->q->options.lake, &plan);
    buf_deinit(&sql);
    return rc;
}

/* ---- overwriting ----------------------------------------------------------------------------- */

static bool among_added(const struct dml *d, const struct lake_data_file *file,
                        const struct lake_type *types)
{
    for (size_t i = 0; i < d->added_count; i++) {
        const struct lake_data_file *a = &d->added[i];
        bool same = a->spec_id == file->spec_id;

        for (size_t k = 0; k < a->partition_count && same; k++)
            same = lake_value_cmp(&types[k], &a->partition[k], &file->partition[k]) == 0;
        if (same)
            return true;
    }
    return false;
}

int dml_overwrite(struct dml *d, struct err *err)
{
    const struct lake_metadata *m = d->handle->metadata;
    const struct lake_partition_spec *spec = lake_metadata_spec(m);
    struct arena *arena = &d->plan.arena;
    struct lake_type *types;
    struct lake_plan plan;
    int rc =
        lake_plan(d->q->options.lake, m, d->handle->snapshot_id, NULL, NULL, 0, arena, &plan, err);

    rc = rc ? rc : lake_spec_types(spec, lake_metadata_schema(m), arena, &types, err);
    for (size_t i = 0; i < plan.file_count && !rc; i++)
        if (!spec->field_count || among_added(d, &plan.files[i].entry.file, types))
            rc = dml_remove(d, &plan.files[i].entry, err);
    d->replaces_partitions = spec->field_count > 0;
    return rc;
}

int dml_partition_column(const struct dml *d, const struct sql_ident *column, struct err *err)
{
    const struct lake_partition_spec *spec = lake_metadata_spec(d->handle->metadata);
    const struct lake_field *field =
        lake_schema_by_name(lake_metadata_schema(d->handle->metadata), column->text);

    for (size_t i = 0; field && i < spec->field_count; i++)
        if (spec->fields[i].source_id == field->id &&
            spec->fields[i].transform.kind == LAKE_IDENTITY)
            return 0;
    return err_set(err, ERR_INVALID, "line %u, column %u: `%s` is not partitioned by `%s`",
                   column->pos.line, column->pos.column, d->change.target->name, column->text);
}
