/* writer.c - rows to data files: the writer's life and its push form. See writer.h. */
#include "lake/writer.h"

#include "lake/writer_int.h"

#define OPEN_MAX_DEFAULT 16

int writer_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "writing data files");
}

int lake_select_columns(const struct lake_schema *schema, const struct vec_columns *input,
                        struct out *o, struct err *err)
{
    for (size_t i = 0; i < schema->root.field_count && !o->rc; i++) {
        const struct lake_field *field = &schema->root.fields[i];
        struct arena arena = {0};
        bool there = false;

        for (size_t k = 0; k < input->count && !there; k++)
            there = !strcmp(input->list[k].name, field->name);
        if (!there && field->required && !field->write_default)
            return err_set(err, ERR_INVALID, "required column %s is not written", field->name);
        out_str(o, i ? ", " : "");
        if (there) {
            out_str(o, "CAST(");
            out_name(o, field->name);
            out_str(o, " AS ");
            o->rc = o->rc ? o->rc : lake_duckdb_type(&field->type, o->buf, err);
            out_str(o, ")");
        } else if (!o->rc) {
            o->rc = lake_default_sql(&field->type, field->write_default, &arena, o->buf);
            arena_deinit(&arena);
        }
        out_str(o, " AS ");
        out_name(o, field->name);
    }
    return o->rc ? writer_nomem(err) : 0;
}

int writer_cast_new(const struct lake_writer *w, struct vec_conn *conn,
                    const struct vec_columns *input, struct vec_fragment **out, struct err *err)
{
    struct buf sql = {0};
    struct out o = {&sql, 0};
    int rc;

    *out = NULL;
    if (columns_same(input, &w->columns))
        return 0;
    out_str(&o, "SELECT ");
    rc = lake_select_columns(w->schema, input, &o, err);
    out_str(&o, " FROM feed");
    if (!rc && (o.rc || !buf_cstr(&sql)))
        rc = writer_nomem(err);
    rc = rc ? rc : vec_fragment_new(out, conn, (const char *)sql.ptr, input, err);
    buf_deinit(&sql);
    return rc;
}

static bool find_source(const struct lake_type *type, int32_t id, struct source_path *path)
{
    size_t at = path->count;

    if (type->kind != LAKE_STRUCT || at == LAKE_SCHEMA_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        path->steps[at] = i;
        path->count = at + 1;
        path->type = &type->fields[i].type;
        if (type->fields[i].id == id || find_source(&type->fields[i].type, id, path))
            return true;
    }
    path->count = at;
    return false;
}

static int prepare_routing(struct lake_writer *w, struct err *err)
{
    int rc = partition_types(w->metadata, w->spec, &w->arena, &w->part_types, err);

    w->sources = ARENA_ARRAY(&w->arena, struct source_path, w->spec->field_count + 1);
    if (!w->sources)
        return writer_nomem(err);
    for (size_t i = 0; i < w->spec->field_count && !rc; i++)
        if (w->spec->fields[i].transform.kind == LAKE_UNKNOWN_TRANSFORM)
            rc = err_set(err, ERR_UNSUPPORTED, "partition transform %s",
                         w->spec->fields[i].transform.text);
        else if (!find_source(&w->schema->root, w->spec->fields[i].source_id, &w->sources[i]) &&
                 w->spec->fields[i].transform.kind != LAKE_VOID)
            rc = err_set(err, ERR_INVALID, "partition field %s: its column is gone",
                         w->spec->fields[i].name);
    return rc;
}

static int prepare_cast(struct lake_writer *w, struct err *err)
{
    int rc = 0;

    if (!columns_same(&w->input, &w->columns))
        rc = vec_conn_new(&w->conn, w->db, err);
    return rc ? rc : writer_cast_new(w, w->conn, &w->input, &w->fragment, err);
}

/* The table's schema and, behind it, the columns of row lineage under their reserved ids. */
static int add_lineage(struct lake_writer *w, struct err *err)
{
    const struct lake_type *root = &w->schema->root;
    struct lake_schema *more = ARENA_NEW(&w->arena, struct lake_schema);
    struct lake_field *fields = ARENA_ARRAY(&w->arena, struct lake_field, root->field_count + 2);

    if (!more || !fields)
        return writer_nomem(err);
    *more = *w->schema;
    memcpy(fields, root->fields, root->field_count * sizeof(*fields));
    fields[root->field_count] =
        (struct lake_field){.id = LAKE_ROW_ID, .name = "_row_id", .type.kind = LAKE_LONG};
    fields[root->field_count + 1] = (struct lake_field){.id = LAKE_LAST_UPDATED_ID,
                                                        .name = "_last_updated_sequence_number",
                                                        .type.kind = LAKE_LONG};
    more->root.fields = fields;
    more->root.field_count += 2;
    w->schema = more;
    return 0;
}

static int writer_init(struct lake_writer *w, const struct lake_writer_options *o, struct err *err)
{
    int rc;

    w->lake = o->lake;
    w->db = o->db;
    w->metadata = lake_metadata_ref(o->metadata);
    w->schema = lake_metadata_schema(w->metadata);
    w->spec = lake_metadata_spec(w->metadata);
    w->sorted = o->sorted;
    w->open_max = o->open_max > 0 ? o->open_max : OPEN_MAX_DEFAULT;
    w->target_bytes =
        o->target_bytes > 0
            ? o->target_bytes
            : lake_metadata_property_i64(w->metadata, "write.target-file-size-bytes", 512 << 20);
    rc = writer_format_check(w->metadata, err);
    if (!rc && o->lineage)
        rc = add_lineage(w, err);
    rc = rc ? rc : lake_columns(w->schema, &w->columns, err);
    if (!rc && vec_columns_copy(&w->input, o->columns ? o->columns : &w->columns))
        rc = writer_nomem(err);
    if (!rc && w->spec->field_count)
        rc = prepare_routing(w, err);
    rc = rc ? rc : prepare_cast(w, err);
    w->sel = duckdb_create_selection_vector(vec_chunk_rows());
    return rc ? rc : w->sel ? 0 : writer_nomem(err);
}

int lake_writer_new(struct lake_writer **out, const struct lake_writer_options *options,
                    struct err *err)
{
    struct lake_writer *w = calloc(1, sizeof(*w));
    int rc = w ? writer_init(w, options, err) : writer_nomem(err);

    if (rc) {
        lake_writer_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

bool lake_writer_fits(const struct lake_writer *w, const struct lake_metadata *m)
{
    const json_t *a = w->metadata->doc, *b = m->doc;
    static const char *const keys[] = {
        "table-uuid", "location", "current-schema-id", "default-spec-id", "default-sort-order-id",
        "properties"};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

void lake_writer_free(struct lake_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i], *next; p; p = next) {
            next = p->next;
            writer_part_close(p);
            if (p->filling)
                duckdb_destroy_data_chunk(&p->filling);
        }
    vec_batch_deinit(&w->overflow.chunks);
    free(w->overflow.owners);
    for (size_t i = 0; i < w->done_count; i++) /* never handed out: nobody's */
        lake_remove_files(w->lake, &w->done[i].path, 1);
    if (w->sel)
        duckdb_destroy_selection_vector(w->sel);
    vec_fragment_free(w->fragment);
    vec_conn_free(w->conn);
    vec_columns_free(&w->columns);
    vec_columns_free(&w->input);
    lake_metadata_free(w->metadata);
    arena_deinit(&w->done_arena);
    arena_deinit(&w->part_arena);
    arena_deinit(&w->arena);
    free(w);
}

static int check_required(const struct lake_writer *w, const struct vec_columns *columns,
                          const struct vec_batch *batch, struct err *err)
{
    for (size_t c = 0; c < columns->count; c++) {
        const struct lake_field *field = NULL;

        for (size_t i = 0; i < w->schema->root.field_count && !field; i++)
            if (!strcmp(w->schema->root.fields[i].name, columns->list[c].name))
                field = &w->schema->root.fields[i];
        if (!field || !field->required)
            continue;
        for (size_t i = 0; i < batch->count; i++) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(batch->chunks[i], c);
            idx_t rows = duckdb_data_chunk_get_size(batch->chunks[i]);

            if (!duckdb_vector_get_validity(vector))
                continue;
            for (idx_t r = 0; r < rows; r++)
                if (!writer_row_valid(vector, r))
                    return err_set(err, ERR_INVALID, "column %s is required and a value is NULL",
                                   field->name);
        }
    }
    return 0;
}

/* Rows of the schema's columns; takes the chunks. */
static int write_cast(struct lake_writer *w, struct vec_batch *batch, struct err *err)
{
    struct part *part = NULL;
    int rc = 0;

    if (!w->spec->field_count) {
        rc = writer_find_part(w, NULL, &part, err);
        return rc ? rc : writer_part_push(w, part, batch, err);
    }
    for (size_t i = 0; i < batch->count; i++) {
        duckdb_data_chunk chunk = batch->chunks[i];

        batch->chunks[i] = NULL;
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
        else
            rc = writer_route(w, chunk, err);
    }
    batch->count = 0;
    batch->rows = 0;
    return rc;
}

int lake_writer_write(struct lake_writer *w, struct vec_batch *batch, struct err *err)
{
    struct vec_batch cast = {0};
    int64_t rows = batch->rows;
    int rc = check_required(w, &w->input, batch, err);

    if (rc || !rows)
        return rc;
    if (w->fragment) {
        rc = vec_fragment_run(w->fragment, batch, &cast, err);
        vec_batch_clear(batch);
        rc = rc ? rc : write_cast(w, &cast, err);
        vec_batch_deinit(&cast);
    } else {
        rc = write_cast(w, batch, err);
    }
    w->rows += rc ? 0 : rows;
    return rc;
}

int64_t lake_writer_rows(const struct lake_writer *w)
{
    return w->rows;
}

int64_t lake_writer_bytes(const struct lake_writer *w)
{
    int64_t bytes = w->done_bytes;

    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i]; p; p = p->next)
            bytes += p->file.parquet ? parquet_bytes(p->file.parquet) : 0;
    return bytes + (int64_t)(writer_overflow_rows(w) * w->columns.count * 8);
}

/* Open files first: then the overflow's turn by turn do not add to them. */
static int finish_all(struct lake_writer *w, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i]; p && !rc; p = p->next) {
            rc = writer_part_end(w, p, err);
            p->admitted = false;
        }
    w->admitted = 0;
    return rc ? rc : writer_overflow_write(w, err);
}

int lake_writer_cut(struct lake_writer *w, struct arena *arena, struct lake_data_file **files,
                    size_t *count, struct err *err)
{
    int rc = finish_all(w, err);

    *count = 0;
    *files = rc ? NULL : ARENA_ARRAY(arena, struct lake_data_file, w->done_count + 1);
    if (rc)
        return rc;
    if (!*files)
        return writer_nomem(err);
    for (size_t i = 0; i < w->done_count; i++)
        if (lake_data_file_copy(arena, &(*files)[i], &w->done[i]))
            return writer_nomem(err);
    *count = w->done_count;
    w->done_count = w->done_cap = 0;
    w->done = NULL;
    w->rows = w->done_bytes = 0;
    arena_reset(&w->done_arena);
    /* Partitions of the past (last hour's) must not gather for ever. */
    if (w->part_count > WRITER_PARTS_MAX) {
        memset(w->parts, 0, sizeof(w->parts));
        w->part_count = 0;
        arena_reset(&w->part_arena);
    }
    return 0;
}

bool lake_writer_can_pull(const struct lake_writer *w)
{
    return w->spec->field_count == 0;
}
