/* interop_test.c - tables that pyiceberg 0.12 wrote (tests/fixtures/iceberg), and position deletes.
 *
 * The fixtures hold one table each: `nested` with columns renamed, promoted, dropped and re-added
 * at every depth between two appends; `parts` with a partition spec that changed and a delete;
 * `nan` with NaN, infinities and -0. Their rows were printed by pyiceberg when they were made.
 */
#include "base/codec.h"
#include "lake/testing_table.h"

#define FIXTURES     "tests/fixtures/iceberg"
#define OK_BUF(call) assert_int_equal(call, 0)

/* Every file below `dir` becomes an object of bucket w. */
static void put_tree(struct real *r, const char *dir, const char *key)
{
    struct disk_entry *entries;
    struct arena arena = {0};
    size_t count;

    OK(disk_list(disk_system(), dir, &arena, &entries, &count, &r->err));
    for (size_t i = 0; i < count; i++) {
        const char *path = arena_printf(&arena, "%s/%s", dir, entries[i].name);
        const char *inner = arena_printf(&arena, "%s/%s", key, entries[i].name);
        struct buf bytes = {0};

        if (entries[i].is_dir) {
            put_tree(r, path, inner);
            continue;
        }
        OK(disk_read_file(disk_system(), path, &bytes, &r->err));
        OK(r->store->ops->put(r->store, "w", inner, buf_slice(&bytes), NULL, NULL, &r->err));
        buf_deinit(&bytes);
    }
    arena_deinit(&arena);
}

static void open_fixture(struct real *r, const char *name)
{
    char dir[200];
    struct buf latest = {0};

    real_init(r);
    snprintf(dir, sizeof(dir), FIXTURES "/%s", name);
    put_tree(r, dir, name);
    snprintf(dir, sizeof(dir), FIXTURES "/%s/LATEST", name);
    OK(disk_read_file(disk_system(), dir, &latest, &r->err));
    snprintf(r->location, sizeof(r->location), "%s", buf_cstr(&latest));
    buf_deinit(&latest);
    OK(lake_metadata_load(r->lake, r->location, &r->m, &r->err));
}

static void nested_columns_that_evolved_read_as_pyiceberg_reads_them(void **state)
{
    struct real real, *r = &real;

    (void)state;
    open_fixture(r, "nested");
    assert_string_equal(
        answer(r, "SELECT list(t ORDER BY id) FROM t", NULL, 0, NULL),
        "[{'name': NULL, 'id': 1, 'label': a, 'attrs': {k=1}, 'addr': {'town': Bern, 'zip': 3000, "
        "'country': NULL, 'city': NULL}, 'lines': [{'article': s1, 'qty': 1, 'sku': NULL}, NULL], "
        "'score': 1.5, 'tags': NULL}, {'name': NULL, 'id': 2, 'label': NULL, 'attrs': NULL, "
        "'addr': "
        "NULL, 'lines': [], 'score': nan, 'tags': NULL}, {'name': 30, 'id': 3, 'label': c, "
        "'attrs': "
        "{p=NULL, q=2}, 'addr': {'town': Basel, 'zip': 5000000000, 'country': CH, 'city': 5}, "
        "'lines': [{'article': s3, 'qty': 5000000000, 'sku': 9}], 'score': 2.5, 'tags': now "
        "text}]");
    real_deinit(r);
}

static void partitions_of_two_specs_prune_and_read(void **state)
{
    struct real real, *r = &real;
    struct lake_value ts = {.i = 1709164800000000}; /* 2024-02-29T00:00:00Z */
    struct lake_value id = {.i = 6}, city = {.bytes = SLICE_LIT("Zug")};
    struct lake_value amount = {.dec = -25}, none;
    struct lake_predicate before = {2, LAKE_OP_LT, &ts, 1}, six = {1, LAKE_OP_EQ, &id, 1};
    struct lake_predicate zug = {3, LAKE_OP_EQ, &city, 1}, cheap = {4, LAKE_OP_EQ, &amount, 1};
    struct lake_predicate no_city = {3, LAKE_OP_IS_NULL, &none, 0};
    size_t all, files;

    (void)state;
    open_fixture(r, "parts");
    assert_string_equal(
        answer(r, "SELECT list((id, ts, city, amount, d, u) ORDER BY id)[2:4] FROM t", NULL, 0,
               &all),
        "[(1, '2024-02-28 12:00:00+00', Basel, 0.75, 1969-12-31, "
        "00000000-0000-0000-0000-000000000001), (2, '2024-02-29 00:00:00+00', NULL, "
        "-0.25, 1970-01-01, 00000000-0000-0000-0000-000000000002), (4, "
        "'2024-03-01 00:00:00+00', Basel, -0.25, 1970-01-03, "
        "00000000-0000-0000-0000-000000000004)]");
    assert_int_equal(all, 8);
    assert_string_equal(
        answer(r, "SELECT count(*) FROM t WHERE ts < '2024-02-29 00:00:00+00'", &before, 1, &files),
        "2");
    assert_int_equal(files, 2);
    assert_string_equal(answer(r, "SELECT count(*) FROM t WHERE id = 6", &six, 1, &files), "1");
    assert_int_equal(files, 1);
    assert_string_equal(answer(r, "SELECT sum(id) FROM t WHERE city = 'Zug'", &zug, 1, &files),
                        "100");
    assert_int_equal(files, 1);
    assert_string_equal(
        answer(r, "SELECT list(id ORDER BY id) FROM t WHERE amount = -0.25", &cheap, 1, &files),
        "[0, 2, 4, 6]");
    assert_int_equal(files, 4);
    assert_string_equal(
        answer(r, "SELECT list(id ORDER BY id) FROM t WHERE city IS NULL", &no_city, 1, &files),
        "[2, 5]");
    assert_int_equal(files, 2);
    real_deinit(r);
}

/* DuckDB puts NaN above all numbers, and pyiceberg's bounds leave it out. */
static void nan_rows_survive_pruning(void **state)
{
    struct real real, *r = &real;
    struct lake_value two = {.d = 2};
    struct lake_predicate above = {2, LAKE_OP_GT, &two, 1}, below = {2, LAKE_OP_LT, &two, 1};
    size_t files;

    (void)state;
    open_fixture(r, "nan");
    assert_string_equal(answer(r, "SELECT list((id, x, f) ORDER BY id) FROM t", NULL, 0, NULL),
                        "[(1, 1.0, 1.0), (2, nan, inf), (3, NULL, 0.0), (4, nan, nan)]");
    assert_string_equal(answer(r, "SELECT signbit(f) FROM t WHERE id = 3", NULL, 0, NULL), "true");
    assert_string_equal(
        answer(r, "SELECT list(id ORDER BY id) FROM t WHERE x > 2", &above, 1, NULL), "[2, 4]");
    assert_string_equal(
        answer(r, "SELECT list(id ORDER BY id) FROM t WHERE x < 2", &below, 1, &files), "[1]");
    real_deinit(r);
}

static void tables_of_pyiceberg_take_our_appends(void **state)
{
    struct real real, *r = &real;

    (void)state;
    open_fixture(r, "parts");
    insert(r,
           "SELECT 7::BIGINT + i AS id, TIMESTAMPTZ '2024-04-01 00:00:00+00' AS ts, 'Chur' AS "
           "city, 1.5::DECIMAL(12,2) AS amount, DATE '2024-04-01' AS d FROM range(3) r(i)",
           0);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "11 149");
    assert_string_equal(lake_summary(lake_metadata_snapshot(r->m), "total-records"), "11");
    real_deinit(r);
}

/* A commit of one delete file, as an engine that deletes would make it. */
static void commit_delete(struct real *r, struct lake_entry *entry)
{
    struct arena arena = {0};
    struct buf bytes = {0}, list = {0};
    const struct lake_snapshot *head = lake_metadata_snapshot(r->m);
    int64_t sequence_number = r->m->last_sequence_number + 1;
    struct lake_manifest_list *old;
    struct lake_manifest_file lines[20] = {0};
    json_t *updates, *snapshot;

    OK(lake_manifest_print(r->m, 0, 1, entry, 1, &arena, &bytes, &lines[0], &r->err));
    lines[0].path = "s3://w/t/metadata/del-m0.avro";
    lines[0].length = (int64_t)bytes.len;
    lines[0].sequence_number = lines[0].min_sequence_number = sequence_number;
    lines[0].added_snapshot_id = 4711;
    OK(store_put_at(r->store, lines[0].path, buf_slice(&bytes), &r->err));
    OK(lake_manifest_list_load(r->lake, r->m, head, &old, &r->err));
    memcpy(lines + 1, old->files, old->file_count * sizeof(*lines));
    OK(lake_manifest_list_print(r->m->format_version, 4711, head->id, sequence_number, lines,
                                old->file_count + 1, &list, &r->err));
    lake_manifest_list_free(old);
    OK(store_put_at(r->store, "s3://w/t/metadata/snap-4711.avro", buf_slice(&list), &r->err));
    snapshot = json_pack(
        "{s:i, s:I, s:I, s:I, s:s, s:{s:s}, s:i, s:I, s:i}", "snapshot-id", 4711,
        "parent-snapshot-id", (json_int_t)head->id, "sequence-number", (json_int_t)sequence_number,
        "timestamp-ms", (json_int_t)r->m->last_updated_ms + 1, "manifest-list",
        "s3://w/t/metadata/snap-4711.avro", "summary", "operation", "delete", "schema-id", 0,
        "first-row-id", (json_int_t)r->m->next_row_id, "added-rows", 0);
    updates = json_pack("[{s:s, s:o}, {s:s, s:s, s:s, s:i}]", "action", "add-snapshot", "snapshot",
                        snapshot, "action", "set-snapshot-ref", "ref-name", "main", "type",
                        "branch", "snapshot-id", 4711);
    apply_updates(r, updates);
    buf_deinit(&bytes);
    buf_deinit(&list);
    arena_deinit(&arena);
}

static struct lake_entry delete_entry(enum lake_content content, const char *format,
                                      const char *path)
{
    struct lake_entry entry = {
        .status = LAKE_ADDED, .snapshot_id = -1, .sequence_number = -1, .file_sequence_number = -1};

    entry.file = (struct lake_data_file){.content = content,
                                         .format = format,
                                         .path = path,
                                         .record_count = 2,
                                         .sort_order_id = -1,
                                         .first_row_id = -1,
                                         .content_pos = -1,
                                         .content_bytes = -1};
    return entry;
}

/* Runs a COPY into an object: `head`, the local file, `tail`. */
static void copy_object(struct real *r, const char *head, const char *tail,
                        struct lake_data_file *file)
{
    struct arena arena = {0};
    const char *local = arena_printf(&arena, "%s/del.parquet", r->dir);

    OK(vec_exec(r->conn,
                arena_printf(&arena, "COPY (%s) TO '%s' (FORMAT parquet, FIELD_IDS {%s})", head,
                             local, tail),
                &r->err));
    OK(store_put_file_at(r->store, file->path, local, &file->file_bytes, &r->err));
    arena_deinit(&arena);
}

static void delete_positions(struct real *r, const char *select_n_pos)
{
    struct lake_entry entry =
        delete_entry(LAKE_POSITION_DELETES, "PARQUET", "s3://w/t/data/del.parquet");
    struct arena arena = {0};
    struct lake_plan plan;
    struct buf sql = {0};

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    OK(buf_printf(&sql, "WITH f AS (SELECT * FROM (VALUES "));
    for (size_t i = 0; i < plan.file_count; i++)
        OK(buf_printf(&sql, "%s(%zu, '%s')", i ? ", " : "", i, plan.files[i].entry.file.path));
    OK(buf_printf(&sql,
                  ") v(n, file_path)) SELECT file_path, pos::BIGINT AS pos FROM (%s) JOIN f "
                  "USING (n) ORDER BY ALL",
                  select_n_pos));
    copy_object(r, buf_cstr(&sql), "file_path: 2147483546, pos: 2147483545", &entry.file);
    commit_delete(r, &entry);
    buf_deinit(&sql);
    arena_deinit(&arena);
}

static void position_deletes_apply_to_older_files_only(void **state)
{
    struct real real, *r = &real;
    struct lake_merges merges;
    struct arena arena = {0};

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\","
           "\"required\":true,\"type\":\"long\"}]}",
           NULL);
    insert(r, "SELECT i::BIGINT AS id FROM range(5) r(i)", 0);
    insert(r, "SELECT i::BIGINT AS id FROM range(10, 15) r(i)", 0);
    delete_positions(r, "SELECT * FROM (VALUES (0, 1), (1, 4)) v(n, pos)");
    insert(r, "SELECT i::BIGINT AS id FROM range(20, 25) r(i)", 0);
    /* The newest manifest comes first, so file 0 is 10..14 and file 1 is 0..4. */
    assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                        "[0, 1, 2, 3, 10, 12, 13, 14, 20, 21, 22, 23, 24]");
    OK(lake_maintain_pick(r->lake, r->m, &arena, &merges, &r->err));
    assert_int_equal(merges.count, 0);
    arena_deinit(&arena);
    real_deinit(r);
}

static void equality_deletes_apply_to_older_files_only(void **state)
{
    struct real real, *r = &real;
    struct lake_type type_long = {.kind = LAKE_LONG};
    struct lake_edit edits[] = {{LAKE_PROMOTE, "k", NULL, &type_long, false},
                                {LAKE_RENAME, "k", "kind", NULL, false}};
    struct lake_entry entry =
        delete_entry(LAKE_EQUALITY_DELETES, "PARQUET", "s3://w/t/data/del.parquet");
    int32_t by_two[] = {2}; /* ids of the columns that decide */

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\","
           "\"required\":true,\"type\":\"long\"},{\"id\":2,\"name\":\"k\",\"required\":"
           "false,\"type\":\"int\"}]}",
           NULL);
    insert(r, "SELECT i::BIGINT AS id, nullif(i, 3)::INT AS k FROM range(6) r(i)", 0);
    copy_object(r, "SELECT unnest([1, 4, NULL])::INT AS k", "k: 2", &entry.file);
    entry.file.equality_ids = by_two;
    entry.file.equality_count = 1;
    commit_delete(r, &entry);
    insert(r, "SELECT i::BIGINT AS id, 4 AS k FROM range(10, 12) r(i)", 0);
    assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                        "[0, 2, 5, 10, 11]");
    edit(r, edits, 2);
    assert_string_equal(answer(r, "SELECT list((id, kind) ORDER BY id) FROM t", NULL, 0, NULL),
                        "[(0, 0), (2, 2), (5, 5), (10, 4), (11, 4)]");
    real_deinit(r);
}

static void put_number(struct buf *out, uint32_t value, int bytes, bool big)
{
    for (int i = 0; i < bytes; i++)
        OK_BUF(buf_append_u8(out, (uint8_t)(value >> 8 * (big ? bytes - 1 - i : i))));
}

/* The vector of rows 1 and 3 by hand: one bitmap, one array container. */
static void put_vector(struct buf *out)
{
    size_t start = out->len + 4;

    put_number(out, 4 + 8 + 4 + 4 + 4 + 4 + 4 + 4, 4, true);
    OK_BUF(buf_append(out, "\xd1\xd3\x39\x64", 4));
    put_number(out, 1, 4, false); /* bitmaps */
    put_number(out, 0, 4, false);
    put_number(out, 0, 4, false);     /* key */
    put_number(out, 12346, 4, false); /* cookie: no runs */
    put_number(out, 1, 4, false);     /* containers */
    put_number(out, 0, 2, false);     /* their key */
    put_number(out, 1, 2, false);     /* values less one */
    put_number(out, 16, 4, false);    /* offset */
    put_number(out, 1, 2, false);
    put_number(out, 3, 2, false);
    put_number(out, crc32_ieee(0, out->ptr + start, out->len - start), 4, true);
}

/* The store spreads staged files over folders. */
static size_t count_files(struct real *r, const char *dir)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count = 0, files = 0;

    OK(disk_list(disk_system(), dir, &arena, &entries, &count, &r->err));
    for (size_t i = 0; i < count; i++)
        files += entries[i].is_dir
                     ? count_files(r, arena_printf(&arena, "%s/%s", dir, entries[i].name))
                     : 1;
    arena_deinit(&arena);
    return files;
}

static void deletion_vectors_apply_to_their_file(void **state)
{
    struct real real, *r = &real;
    struct lake_entry entry =
        delete_entry(LAKE_POSITION_DELETES, "PUFFIN", "s3://w/t/data/dv.puffin");
    json_t *updates =
        json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);
    struct arena arena = {0};
    struct lake_metadata *next;
    struct lake_plan plan;
    struct buf puffin = {0};

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\","
           "\"required\":true,\"type\":\"long\"}]}",
           NULL);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
    insert(r, "SELECT i::BIGINT AS id FROM range(5) r(i)", 0);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    insert(r, "SELECT i::BIGINT AS id FROM range(10, 15) r(i)", 0);
    OK_BUF(buf_append_str(&puffin, "PFA1"));
    put_vector(&puffin);
    entry.file.content_pos = 4;
    entry.file.content_bytes = (int64_t)puffin.len - 4;
    entry.file.referenced_data_file = plan.files[0].entry.file.path;
    OK(store_put_at(r->store, entry.file.path, buf_slice(&puffin), &r->err));
    commit_delete(r, &entry);
    assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                        "[0, 2, 4, 10, 11, 12, 13, 14]");
    assert_int_equal(count_files(r, r->store->staging), 0); /* the positions' went with the plan */
    buf_deinit(&puffin);
    arena_deinit(&arena);
    real_deinit(r);
}

/* A file without ids, as pyiceberg's add_files takes it: its columns are known by a name mapping
 * that outlives a rename. */
static void files_without_ids_are_read_by_name_mapping(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_data_file file = {.path = "s3://w/t/data/plain.parquet",
                                  .format = "PARQUET",
                                  .record_count = 2,
                                  .sort_order_id = -1,
                                  .first_row_id = -1,
                                  .content_pos = -1,
                                  .content_bytes = -1};
    struct lake_property mapping = {
        "schema.name-mapping.default",
        "[{\"field-id\":1,\"names\":[\"id\",\"key\"]},{\"field-id\":2,\"names\":[\"l\"],"
        "\"fields\":[{\"field-id\":3,\"names\":[\"element\"],\"fields\":[{\"field-id\":4,"
        "\"names\":[\"was\"]}]}]}]"};
    struct lake_change change = {
        .added = &file, .added_count = 1, .properties = &mapping, .property_count = 1};
    const char *local, *sql;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\","
           "\"required\":true,\"type\":\"long\"},{\"id\":2,\"name\":\"l\",\"required\":false,"
           "\"type\":{\"type\":\"list\",\"element-id\":3,\"element-required\":false,\"element\":"
           "{\"type\":\"struct\",\"fields\":[{\"id\":4,\"name\":\"now\",\"required\":false,"
           "\"type\":\"string\"}]}}}]}",
           NULL);
    local = arena_printf(&arena, "%s/plain.parquet", r->dir);
    sql = arena_printf(&arena,
                       "COPY (SELECT i::INT AS key, [{'was': 'x' || i}] AS l, 'now' AS id2 "
                       "FROM range(2) r(i)) TO '%s' (FORMAT parquet)",
                       local);
    OK(vec_exec(r->conn, sql, &r->err));
    OK(store_put_file_at(r->store, file.path, local, &file.file_bytes, &r->err));
    commit(r, &change);
    assert_string_equal(answer(r, "SELECT list(t ORDER BY id) FROM t", NULL, 0, NULL),
                        "[{'id': 0, 'l': [{'now': x0}]}, {'id': 1, 'l': [{'now': x1}]}]");
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_columns_that_evolved_read_as_pyiceberg_reads_them),
        cmocka_unit_test(partitions_of_two_specs_prune_and_read),
        cmocka_unit_test(nan_rows_survive_pruning),
        cmocka_unit_test(tables_of_pyiceberg_take_our_appends),
        cmocka_unit_test(position_deletes_apply_to_older_files_only),
        cmocka_unit_test(equality_deletes_apply_to_older_files_only),
        cmocka_unit_test(deletion_vectors_apply_to_their_file),
        cmocka_unit_test(files_without_ids_are_read_by_name_mapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
