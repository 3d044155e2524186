/* testing_merge.h - rows written, deleted and merged, and what of them is left to be seen. */
#ifndef LAKE_TESTING_MERGE_H
#define LAKE_TESTING_MERGE_H

#include "lake/testing_upkeep.h"

static inline char *rows_of(struct real *r)
{
    return answer(r,
                  "SELECT count(*) || ' ' || coalesce(sum(id), 0) || ' ' || "
                  "coalesce(md5(string_agg(id || coalesce(v, '-'), ',' ORDER BY id, v)), '') "
                  "FROM t",
                  NULL, 0, NULL);
}

static inline size_t count_files(struct real *r, size_t *deletes)
{
    struct arena arena = {0};
    struct lake_plan plan;
    size_t files;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    files = plan.file_count;
    if (deletes)
        *deletes = plan.delete_count;
    arena_deinit(&arena);
    return files;
}

static inline void begin(struct real *r, bool v3)
{
    static const struct lake_property list[] = {{"tarn.merge.fan-in", "4"}};

    real_init(r);
    create(r, TWO_COLUMNS, NULL);
    if (v3)
        upgrade_v3(r);
    set_properties(r, list, 1);
}

static inline void insert_range(struct real *r, int from, int count)
{
    char sql[200];

    snprintf(sql, sizeof(sql), "SELECT i::BIGINT AS id, 'v' || i AS v FROM range(%d, %d) r(i)",
             from, from + count);
    insert(r, sql, 0);
}

/* A foreign writer's delete by equality, as a commit of its own, in one partition of a spec of one
 * field. */
static inline void delete_equal_in(struct real *r, const char *select_id, const char *name,
                                   int32_t spec_id, struct lake_value *partition)
{
    struct arena arena = {0};
    struct buf manifest = {0}, list = {0};
    int32_t ids[] = {1};
    const struct lake_snapshot *head = lake_metadata_snapshot(r->m);
    int64_t seq = r->m->last_sequence_number + 1, id = 9000 + seq;
    struct lake_entry entry = {
        .status = LAKE_ADDED, .snapshot_id = -1, .sequence_number = -1, .file_sequence_number = -1};
    struct lake_manifest_file lines[40] = {0};
    struct lake_manifest_list *old;
    const char *location, *local = arena_printf(&arena, "%s/eq.parquet", r->dir);
    json_t *updates;

    entry.file =
        (struct lake_data_file){.content = LAKE_EQUALITY_DELETES,
                                .format = "PARQUET",
                                .record_count = 1,
                                .path = arena_printf(&arena, "s3://w/t/data/%s.parquet", name),
                                .sort_order_id = -1,
                                .first_row_id = -1,
                                .content_pos = -1,
                                .content_bytes = -1,
                                .spec_id = spec_id,
                                .partition = partition,
                                .partition_count = partition != NULL,
                                .equality_ids = ids,
                                .equality_count = 1};
    OK(vec_exec(r->conn,
                arena_printf(&arena, "COPY (%s) TO '%s' (FORMAT parquet, FIELD_IDS {id: 1})",
                             select_id, local),
                &r->err));
    OK(store_put_file_at(r->store, entry.file.path, local, &entry.file.file_bytes, &r->err));
    OK(lake_manifest_print(r->m, spec_id, 1, &entry, 1, &arena, &manifest, &lines[0], &r->err));
    lines[0].path = arena_printf(&arena, "s3://w/t/metadata/%s-m0.avro", name);
    lines[0].length = (int64_t)manifest.len;
    lines[0].sequence_number = lines[0].min_sequence_number = seq;
    lines[0].added_snapshot_id = id;
    OK(store_put_at(r->store, lines[0].path, buf_slice(&manifest), &r->err));
    OK(lake_manifest_list_load(r->lake, r->m, head, &old, &r->err));
    memcpy(lines + 1, old->files, old->file_count * sizeof(*lines));
    OK(lake_manifest_list_print(r->m->format_version, id, head->id, seq, lines, old->file_count + 1,
                                &list, &r->err));
    lake_manifest_list_free(old);
    location = arena_printf(&arena, "s3://w/t/metadata/snap-%s.avro", name);
    OK(store_put_at(r->store, location, buf_slice(&list), &r->err));
    updates =
        json_pack("[{s:s, s:{s:I, s:I, s:I, s:I, s:s, s:{s:s}, s:i}}, {s:s, s:s, s:s, s:I}]",
                  "action", "add-snapshot", "snapshot", "snapshot-id", (json_int_t)id,
                  "parent-snapshot-id", (json_int_t)head->id, "sequence-number", (json_int_t)seq,
                  "timestamp-ms", (json_int_t)r->m->last_updated_ms + 1, "manifest-list", location,
                  "summary", "operation", "delete", "schema-id", 0, "action", "set-snapshot-ref",
                  "ref-name", "main", "type", "branch", "snapshot-id", (json_int_t)id);
    apply_updates(r, updates);
    buf_deinit(&manifest);
    buf_deinit(&list);
    arena_deinit(&arena);
}

static inline void delete_equal(struct real *r, const char *select_id, const char *name)
{
    delete_equal_in(r, select_id, name, 0, NULL);
}

/* Makes the rewrites that are due now, to be committed later. */
static inline struct lake_rewrite *rewrites_of(struct real *r, struct arena *arena, size_t *count)
{
    struct lake_rewriter rewriter = lake_rewriter_duckdb(r->db);
    struct lake_rewrite *rewrites;

    OK(lake_maintain_run(r->lake, r->m, &rewriter, arena, &rewrites, count, &r->err));
    return rewrites;
}

/* `db` NULL: deletes that came meanwhile cannot follow the rows. */
static inline size_t commit_rewrites(struct real *r, const struct lake_rewrite *rewrites,
                                     size_t count, struct vec_db *db)
{
    struct lake_staged *staged = NULL;
    struct lake_ident ident = {"ns", "t"};
    struct lake_change change = {.rewrites = rewrites, .rewrite_count = count, .db = db};
    size_t kept;
    int rc = lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err);

    if (rc == ERR_AGAIN)
        return 0;
    assert_int_equal(rc, 0);
    kept = lake_staged_rewrites_kept(staged);
    snprintf(r->location, sizeof(r->location), "%s", lake_staged_swap(staged)->new_location);
    lake_metadata_free(r->m);
    r->m = lake_metadata_ref(lake_staged_metadata(staged));
    lake_staged_settle(staged);
    return kept;
}

/* Some rows of each data file that has more than a few: those drawn, whatever was deleted before.
 */
static inline void delete_at_random(struct real *r, struct rng *rng)
{
    struct arena arena = {0};
    struct lake_row_delete rows[16];
    struct lake_change change = {.row_deletes = rows, .db = r->db};
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    assert_true(plan.file_count <= COUNT_OF(rows));
    for (size_t f = 0; f < plan.file_count; f++) {
        const struct lake_data_file *file = &plan.files[f].entry.file;
        struct lake_row_delete *d = &rows[change.row_delete_count];

        *d = (struct lake_row_delete){
            .path = file->path, .spec_id = -1, .sequence_number = -1, .file_sequence_number = -1};
        d->positions = ARENA_ARRAY(&arena, int64_t, (size_t)file->record_count);
        for (int64_t i = 0; i < file->record_count; i++)
            if (rng_below(rng, 9) == 0)
                ((int64_t *)d->positions)[d->position_count++] = i;
        change.row_delete_count += d->position_count != 0;
    }
    commit(r, &change);
    arena_deinit(&arena);
}

/* id, row id and sequence number of the last change of every row. */
static inline char *lineage_of(struct real *r)
{
    static char text[4000];
    struct arena arena = {0};
    struct lake_plan plan;
    struct buf scan = {0}, sql = {0};
    struct vec_result *result;
    duckdb_data_chunk chunk;
    duckdb_string_t *s;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    plan.addressed = true;
    OK(lake_scan_sql(r->lake, r->conn, &plan, NULL, 0, &arena, &scan, &r->err));
    OK(buf_printf(&sql,
                  "SELECT string_agg(id || ':' || _row_id || ':' || _last_updated_sequence_number, "
                  "' ' ORDER BY id, _row_id) FROM %s",
                  buf_cstr(&scan)));
    OK(vec_query(r->conn, buf_cstr(&sql), &result, &r->err));
    OK(vec_result_next(result, &chunk, &r->err));
    s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    snprintf(text, sizeof(text), "%.*s", (int)duckdb_string_t_length(*s), duckdb_string_t_data(s));
    vec_result_free(result);
    lake_plan_release(r->lake, &plan);
    buf_deinit(&scan);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return text;
}

#endif
