/* testing_table.h - a table of real Parquet files in a folder of its own, for this room's tests. */
#ifndef LAKE_TESTING_TABLE_H
#define LAKE_TESTING_TABLE_H

#include <unistd.h>

#include "lake/testing.h"

struct real {
    char dir[64];
    struct clock_fake clock;
    struct store *store;
    struct lake *lake;
    struct vec_db *db;
    struct vec_conn *conn;
    struct lake_metadata *m;
    char location[300];
    struct err err;
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, r->err.text);                                                \
    } while (0)

static inline void real_init(struct real *r)
{
    struct store_local_options options;
    struct vec_options vec = {.threads = 1, .memory_bytes = 256 << 20};

    memset(r, 0, sizeof(*r));
    strcpy(r->dir, "/tmp/tarn-lake-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    clock_fake_init(&r->clock, 1700000000000000);
    options = (struct store_local_options){r->dir, disk_system(), &r->clock.clock};
    OK(store_local_new(&r->store, &options, &r->err));
    OK(r->store->ops->bucket_make(r->store, "w", &r->err));
    OK(lake_new(&r->lake, &(struct lake_options){r->store, &r->clock.clock, 0}, &r->err));
    OK(vec_db_new(&r->db, &vec, &r->err));
    OK(vec_conn_new(&r->conn, r->db, &r->err));
}

static inline void real_deinit(struct real *r)
{
    lake_metadata_free(r->m);
    vec_conn_free(r->conn);
    vec_db_free(r->db);
    lake_free(r->lake);
    store_free(r->store);
    if (getenv("TARN_TEST_KEEP")) /* to look at the table with other engines */
        print_message("kept %s %s\n", r->dir, r->location);
    else
        disk_remove_tree(disk_system(), r->dir, NULL);
}

static inline void create(struct real *r, const char *schema_json, const char *spec_json)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_partition_spec spec = {0};
    struct lake_table_options options = {.location = "s3://w/t", .schema = &schema,
                                         .spec = spec_json ? &spec : NULL,
                                         .now_ms = 1700000000000};
    const char *location;

    OK(lake_schema_parse_text(slice_str(schema_json), &arena, &schema, &r->err));
    if (spec_json) {
        json_t *json = json_loads(spec_json, 0, NULL);

        OK(lake_spec_parse(json, &arena, &spec, &r->err));
        json_decref(json);
    }
    OK(lake_metadata_new(&r->m, &options, &r->err));
    OK(lake_metadata_store(r->lake, r->m, NULL, NULL, &arena, &location, NULL, NULL, &r->err));
    snprintf(r->location, sizeof(r->location), "%s", location);
    arena_deinit(&arena);
}

/* The result of a query as a batch that can be written. */
static inline void query_batch(struct real *r, const char *sql, struct vec_batch *batch,
                        struct vec_columns *columns)
{
    struct vec_result *result;
    duckdb_data_chunk chunk;

    OK(vec_query(r->conn, sql, &result, &r->err));
    assert_int_equal(vec_columns_copy(columns, vec_result_columns(result)), 0);
    memset(batch, 0, sizeof(*batch));
    for (;;) {
        duckdb_data_chunk copy;
        duckdb_selection_vector sel;

        OK(vec_result_next(result, &chunk, &r->err));
        if (!chunk)
            break;
        copy = vec_chunk_new(columns);
        sel = duckdb_create_selection_vector(vec_chunk_rows());
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++)
            duckdb_selection_vector_get_data_ptr(sel)[i] = (sel_t)i;
        for (idx_t c = 0; c < columns->count; c++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, c),
                                   duckdb_data_chunk_get_vector(copy, c), sel,
                                   duckdb_data_chunk_get_size(chunk), 0, 0);
        duckdb_data_chunk_set_size(copy, duckdb_data_chunk_get_size(chunk));
        duckdb_destroy_selection_vector(sel);
        assert_int_equal(vec_batch_add(batch, copy), 0);
    }
    vec_result_free(result);
}

/* Lends the chunks of a batch one after the other, as a vec_feed. */
struct batch_feed {
    struct vec_batch batch;
    size_t at;
};

static inline int pull_batch(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct batch_feed *f = arg;

    (void)err;
    if (f->at == f->batch.count)
        duckdb_data_chunk_set_size(out, 0);
    else
        vec_chunk_refer(out, f->batch.chunks[f->at++]);
    return 0;
}

/* The next version of the table is stored, and read back as others would read it. */
static inline void store_next(struct real *r, struct lake_metadata *next /* take */)
{
    struct arena arena = {0};
    const char *location;

    OK(lake_metadata_store(r->lake, next, r->m, r->location, &arena, &location, NULL, NULL,
                           &r->err));
    snprintf(r->location, sizeof(r->location), "%s", location);
    lake_metadata_free(next);
    lake_metadata_free(r->m);
    OK(lake_metadata_load(r->lake, r->location, &r->m, &r->err));
    arena_deinit(&arena);
}

/* Updates of the catalog's, as a metadata file of their own. */
static inline void apply_updates(struct real *r, json_t *updates /* take */)
{
    struct lake_metadata *next;

    assert_non_null(updates);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    store_next(r, next);
}

static inline void commit(struct real *r, const struct lake_change *change)
{
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};

    OK(lake_stage(r->lake, &ident, r->m, r->location, change, &staged, &r->err));
    snprintf(r->location, sizeof(r->location), "%s", lake_staged_swap(staged)->new_location);
    lake_metadata_free(r->m);
    r->m = lake_metadata_ref(lake_staged_metadata(staged));
    lake_staged_settle(staged);
}

/* Writes what a query gives and commits it; the number of files. */
static inline size_t insert(struct real *r, const char *sql, int open_max)
{
    struct vec_columns columns = {0};
    struct vec_batch batch;
    struct lake_writer *writer;
    struct arena arena = {0};
    struct lake_data_file *files;
    struct lake_change change = {0};
    size_t count;

    query_batch(r, sql, &batch, &columns);
    OK(lake_writer_new(&writer,
                       &(struct lake_writer_options){.lake = r->lake, .db = r->db,
                                                     .metadata = r->m, .columns = &columns,
                                                     .open_max = open_max},
                       &r->err));
    OK(lake_writer_write(writer, &batch, &r->err));
    OK(lake_writer_cut(writer, &arena, &files, &count, &r->err));
    change.added = files;
    change.added_count = count;
    commit(r, &change);
    lake_writer_free(writer);
    vec_batch_deinit(&batch);
    vec_columns_free(&columns);
    arena_deinit(&arena);
    return count;
}

/* SELECT `what` over the table, as text: columns by |, rows by \n. */
static inline char *answer(struct real *r, const char *what, const struct lake_predicate *p,
                           size_t count, size_t *files)
{
    static char text[20000];
    struct arena arena = {0};
    struct lake_plan plan;
    struct vec_result *result;
    duckdb_data_chunk chunk;
    struct buf sql = {0}, scan = {0};
    size_t len = 0;

    text[0] = '\0';
    OK(lake_plan(r->lake, r->m, -1, NULL, p, count, &arena, &plan, &r->err));
    if (files)
        *files = plan.file_count;
    OK(lake_scan_sql(r->lake, r->conn, &plan, NULL, 0, &arena, &scan, &r->err));
    OK(buf_printf(&sql, "WITH t AS (FROM %s) SELECT (%s)::VARCHAR", buf_cstr(&scan), what));
    if (getenv("TARN_TEST_SQL"))
        print_message("%s\n", buf_cstr(&sql));
    OK(vec_query(r->conn, buf_cstr(&sql), &result, &r->err));
    for (;;) {
        OK(vec_result_next(result, &chunk, &r->err));
        if (!chunk)
            break;
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(vector) + i;
            uint64_t *valid = duckdb_vector_get_validity(vector);

            if (valid && !duckdb_validity_row_is_valid(valid, i))
                len += (size_t)snprintf(text + len, sizeof(text) - len, "NULL");
            else
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s",
                                        (int)duckdb_string_t_length(*s), duckdb_string_t_data(s));
        }
    }
    vec_result_free(result);
    lake_plan_release(r->lake, &plan);
    buf_deinit(&sql);
    buf_deinit(&scan);
    arena_deinit(&arena);
    return text;
}

static inline void edit(struct real *r, const struct lake_edit *edits, size_t count)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_metadata *next;
    int32_t last = r->m->last_column_id;
    json_t *updates, *json;

    OK(lake_schema_edit(lake_metadata_schema(r->m), edits, count, r->m->format_version, &last,
                        &arena, &schema, &r->err));
    json = lake_schema_json(&schema);
    updates = json_pack("[{s:s, s:o}, {s:s, s:i}]", "action", "add-schema", "schema", json,
                        "action", "set-current-schema", "schema-id", -1);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
    arena_deinit(&arena);
}

#endif
