/* table_test.c - rows in, rows out: writers, metrics, scans, merging, over real Parquet files. */
#include "lake/testing_table.h"

#define EVERY_TYPE                                                                                 \
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["                                            \
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"                              \
    "{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"boolean\"},"                           \
    "{\"id\":3,\"name\":\"i\",\"required\":false,\"type\":\"int\"},"                               \
    "{\"id\":4,\"name\":\"f\",\"required\":false,\"type\":\"float\"},"                             \
    "{\"id\":5,\"name\":\"d\",\"required\":false,\"type\":\"double\"},"                            \
    "{\"id\":6,\"name\":\"dec\",\"required\":false,\"type\":\"decimal(20, 3)\"},"                  \
    "{\"id\":7,\"name\":\"day\",\"required\":false,\"type\":\"date\"},"                            \
    "{\"id\":8,\"name\":\"at\",\"required\":false,\"type\":\"time\"},"                             \
    "{\"id\":9,\"name\":\"ts\",\"required\":false,\"type\":\"timestamp\"},"                        \
    "{\"id\":10,\"name\":\"tz\",\"required\":false,\"type\":\"timestamptz\"},"                     \
    "{\"id\":11,\"name\":\"s\",\"required\":false,\"type\":\"string\"},"                           \
    "{\"id\":12,\"name\":\"u\",\"required\":false,\"type\":\"uuid\"},"                             \
    "{\"id\":13,\"name\":\"bin\",\"required\":false,\"type\":\"binary\"},"                         \
    "{\"id\":14,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":15,"  \
    "\"element-required\":false,\"element\":\"string\"}},"                                         \
    "{\"id\":16,\"name\":\"m\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":17,"       \
    "\"key\":\"string\",\"value-id\":18,\"value-required\":false,\"value\":\"long\"}},"            \
    "{\"id\":19,\"name\":\"st\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["     \
    "{\"id\":20,\"name\":\"x\",\"required\":false,\"type\":\"int\"},"                              \
    "{\"id\":21,\"name\":\"y z\",\"required\":false,\"type\":\"string\"}]}}]}"

static const char every_row[] =
    "SELECT i::BIGINT AS id, i % 2 = 0 AS b, (i - 2)::INT AS i, i::FLOAT / 4 AS f, "
    "CASE WHEN i = 1 THEN 'nan'::DOUBLE ELSE i * 1.5 END::DOUBLE AS d, (i * -1.125)::DECIMAL(20,3) "
    "AS dec, DATE '1969-12-30' + i::INT AS day, TIME '10:11:12.5' AS at, "
    "TIMESTAMP '2024-02-29 00:00:00.000001' + INTERVAL (i) HOUR AS ts, "
    "TIMESTAMPTZ '2024-02-29 12:00:00+00' AS tz, "
    "CASE WHEN i = 3 THEN NULL ELSE repeat('é', 10) || i || repeat('z', 20) END AS s, "
    "('00000000-0000-0000-0000-00000000000' || i)::UUID AS u, '\\x00\\xFF'::BLOB AS bin, "
    "[NULL, 'a' || i] AS l, MAP {'k': i::BIGINT} AS m, "
    "CASE WHEN i = 2 THEN NULL ELSE {'x': i::INT, 'y z': 'q'} END AS st FROM range(5) r(i)";

static struct lake_data_file first_file(struct real *r, struct arena *arena)
{
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, arena, &plan, &r->err));
    return plan.files[0].entry.file;
}

static void every_type_comes_back_with_its_metrics(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_data_file file;
    const struct lake_metric *m;
    int32_t number;
    char *text;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    assert_int_equal(insert(r, every_row, 0), 1);
    text = answer(r, "SELECT list(t ORDER BY id)[1] FROM t", NULL, 0, NULL);
    assert_string_equal(
        text, "{'id': 0, 'b': true, 'i': -2, 'f': 0.0, 'd': 0.0, 'dec': 0.000, 'day': 1969-12-30, "
              "'at': '10:11:12.5', 'ts': '2024-02-29 00:00:00.000001', 'tz': '2024-02-29 "
              "12:00:00+00', 's': éééééééééé0zzzzzzzzzzzzzzzzzzzz, 'u': "
              "00000000-0000-0000-0000-000000000000, 'bin': \\x00\\xFF, 'l': [NULL, a0], 'm': "
              "{k=0}, 'st': {'x': 0, 'y z': q}}");
    file = first_file(r, &arena);
    assert_int_equal(file.record_count, 5);
    m = lake_data_file_metric(&file, 3);
    assert_int_equal(m->value_count, 5);
    memcpy(&number, m->lower.ptr, 4);
    assert_int_equal(number, -2);
    memcpy(&number, m->upper.ptr, 4);
    assert_int_equal(number, 2);
    m = lake_data_file_metric(&file, 11); /* ten é, a digit, five z: sixteen characters */
    assert_int_equal(m->null_count, 1);
    assert_true(slice_is(m->lower, "éééééééééé0zzzzz"));
    assert_true(slice_is(m->upper, "éééééééééé4zzzz{"));
    m = lake_data_file_metric(&file, 5); /* one NaN: not in the bounds, but counted */
    assert_int_equal(m->nan_count, 1);
    assert_true(m->upper.len == 8);
    assert_int_equal(lake_data_file_metric(&file, 4)->nan_count, 0);
    m = lake_data_file_metric(&file, 6);
    assert_memory_equal(m->lower.ptr, "\xee\x6c", 2); /* -4.500 unscaled: -4500 */
    m = lake_data_file_metric(&file, 13);
    assert_memory_equal(m->lower.ptr, "\x00\xff", 2);
    m = lake_data_file_metric(&file, 12);
    assert_int_equal(m->lower.len, 16);
    m = lake_data_file_metric(
        &file, 17); /* ids are given anew, breadth first; list elements are counted, not bounded */
    assert_int_equal(m->value_count, 10);
    assert_int_equal(m->null_count, 5);
    assert_null(m->lower.ptr);
    assert_non_null(lake_data_file_metric(&file, 20)->lower.ptr);
    arena_deinit(&arena);
    real_deinit(r);
}

static void fixed_bytes_are_written_at_any_depth(void **state)
{
    struct real real, *r = &real;
    size_t files;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"s\","
           "\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":[{\"id\":2,"
           "\"name\":\"mac\",\"required\":false,\"type\":\"fixed[6]\"}]}}]}",
           NULL);
    files = insert(r,
                   "SELECT CASE WHEN i > 0 THEN {'mac': unhex('01020304050' || i)} END AS s FROM "
                   "range(4) t(i)",
                   0);
    assert_int_equal(files, 1);
    assert_string_equal(answer(r,
                               "SELECT string_agg(hex(s.mac), ' ' ORDER BY s) || ' ' || count(*) "
                               "FROM t",
                               NULL, 0, NULL),
                        "010203040501 010203040502 010203040503 4");
    real_deinit(r);
}

/* Goal: a column that came later, or that a writer does not know of, is what the schema says. */
static void a_column_that_rows_lack_takes_its_default(void **state)
{
    struct lake_type type = {.kind = LAKE_INT};
    struct lake_edit edits[] = {
        {.kind = LAKE_ADD, .column = "n", .type = &type, .required = true, .value = "5"},
        {.kind = LAKE_SET_DEFAULT, .column = "n", .value = "6"},
    };
    struct real real, *r = &real;
    struct lake_metadata *next;
    json_t *upgrade;

    (void)state;
    real_init(r);
    create(r,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\","
           "\"required\":false,\"type\":\"long\"}]}",
           NULL);
    upgrade = json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);
    assert_int_equal(insert(r, "SELECT 1::BIGINT AS id", 0), 1);
    OK(lake_metadata_apply(r->m, NULL, upgrade, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(upgrade);
    lake_metadata_free(r->m);
    r->m = next;
    edit(r, edits, COUNT_OF(edits));
    assert_int_equal(insert(r, "SELECT 2::BIGINT AS id", 0), 1);
    assert_int_equal(insert(r, "SELECT 3::BIGINT AS id, 7 AS n", 0), 1);
    assert_string_equal(answer(r, "SELECT string_agg(n, ' ' ORDER BY id) FROM t", NULL, 0, NULL),
                        "5 6 7");
    real_deinit(r);
}

static void rows_land_in_their_partitions(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_value day = {.i = 19782}; /* 2024-02-29 */
    struct lake_value ts;
    struct lake_predicate p = {9, LAKE_OP_LT, &ts, 1};
    size_t files;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE,
           "{\"spec-id\":0,\"fields\":[{\"source-id\":9,\"field-id\":1000,\"name\":\"ts_day\","
           "\"transform\":\"day\"},{\"source-id\":1,\"field-id\":1001,\"name\":\"id_b\","
           "\"transform\":\"bucket[4]\"},{\"source-id\":11,\"field-id\":1002,\"name\":\"s/t\","
           "\"transform\":\"truncate[2]\"}]}");
    /* 100 rows over 5 days, 4 buckets; three copies at a time, the rest wait. */
    files = insert(r,
                   "SELECT i::BIGINT AS id, 'ab' || i AS s, TIMESTAMP '2024-02-29' + "
                   "INTERVAL (i) HOUR AS ts FROM range(100) r(i)",
                   3);
    assert_true(files > 10 && files <= 20);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "100 4950");
    ts.null = false;
    ts.i = (day.i + 1) * 86400000000;
    assert_string_equal(answer(r, "SELECT count(*) FROM t WHERE ts < '2024-03-01'", &p, 1, &files),
                        "24");
    assert_true(files <= 4);
    {
        struct lake_data_file file = first_file(r, &arena);

        assert_non_null(strstr(file.path, "/data/ts_day=2024-0"));
        assert_non_null(strstr(file.path, "/s%2Ft=ab/00"));
    }
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: many partitions cost their rows, not a chunk each. Method: 90 partitions met in turn,
 * over several chunks, two copies at a time: a file each, and every row in the right one. */
static void many_partitions_are_sorted_and_written_in_turn(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE,
           "{\"spec-id\":0,\"fields\":[{\"source-id\":3,\"field-id\":1000,\"name\":\"i\","
           "\"transform\":\"identity\"}]}");
    assert_int_equal(insert(r,
                            "SELECT i::BIGINT AS id, (i % 90)::INT AS i, ['t' || i] AS l "
                            "FROM range(9000) r(i)",
                            2),
                     90);
    assert_string_equal(answer(r,
                               "SELECT count(*) || ' ' || sum(id) || ' ' || count(DISTINCT l) "
                               "FROM t WHERE l[1] = 't' || id AND i = id % 90",
                               NULL, 0, NULL),
                        "9000 40495500 9000");
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    for (size_t i = 0; i < plan.file_count; i++) {
        const struct lake_metric *m = lake_data_file_metric(&plan.files[i].entry.file, 3);

        assert_int_equal(plan.files[i].entry.file.record_count, 100);
        assert_memory_equal(m->lower.ptr, m->upper.ptr, 4);
        assert_memory_equal(m->lower.ptr, &plan.files[i].entry.file.partition[0].i, 4);
    }
    arena_deinit(&arena);
    real_deinit(r);
}

static void evolved_columns_are_found_by_id(void **state)
{
    struct real real, *r = &real;
    struct lake_type type_long = {.kind = LAKE_LONG}, type_string = {.kind = LAKE_STRING};
    struct lake_edit edits[] = {
        {LAKE_PROMOTE, "i", NULL, &type_long, false},
        {LAKE_RENAME, "st.x", "was_x", NULL, false},
        {LAKE_ADD, "st.x", NULL, &type_string, false}, /* the old name with a new meaning */
        {LAKE_DROP, "s", NULL, NULL, false},
        {LAKE_ADD, "s", NULL, &type_string, false},
        {LAKE_RENAME, "b", "flag", NULL, false},
        {LAKE_MOVE_FIRST, "flag", NULL, NULL, false},
        {LAKE_PROMOTE, "st.was_x", NULL, &type_long, false},
    };

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    insert(r, every_row, 0);
    edit(r, edits, COUNT_OF(edits));
    insert(r,
           "SELECT true AS flag, 10::BIGINT AS id, 5000000000::BIGINT AS i, 'new' AS s, "
           "{'was_x': 7::BIGINT, 'y z': 'w', 'x': 'text'} AS st",
           0);
    assert_string_equal(answer(r,
                               "SELECT list((flag, i, s, st) ORDER BY id) FROM t WHERE id IN "
                               "(1, 2, 10)",
                               NULL, 0, NULL),
                        "[(false, -1, NULL, {'was_x': 1, 'y z': q, 'x': NULL}), (true, 0, NULL, "
                        "NULL), (true, 5000000000, new, {'was_x': 7, 'y z': w, 'x': text})]");
    real_deinit(r);
}

static void maps_and_lists_evolve_inside(void **state)
{
    static const char schema[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":"
        "true,\"type\":\"long\"},{\"id\":2,\"name\":\"m\",\"required\":false,\"type\":{\"type\":"
        "\"map\",\"key-id\":3,\"key\":\"string\",\"value-id\":4,\"value-required\":false,\"value\":"
        "{\"type\":\"struct\",\"fields\":[{\"id\":5,\"name\":\"a\",\"required\":false,\"type\":"
        "\"int\"}]}}},{\"id\":6,\"name\":\"ll\",\"required\":false,\"type\":{\"type\":\"list\","
        "\"element-id\":7,\"element-required\":false,\"element\":{\"type\":\"list\",\"element-id\":"
        "8,"
        "\"element-required\":false,\"element\":{\"type\":\"struct\",\"fields\":[{\"id\":9,"
        "\"name\":"
        "\"x\",\"required\":false,\"type\":\"float\"}]}}}}]}";
    struct lake_type type_long = {.kind = LAKE_LONG}, type_double = {.kind = LAKE_DOUBLE};
    struct lake_edit edits[] = {
        {LAKE_RENAME, "m.value.a", "b", NULL, false},
        {LAKE_PROMOTE, "m.value.b", NULL, &type_long, false},
        {LAKE_ADD, "m.value.a", NULL, &type_long, false},
        {LAKE_RENAME, "ll.element.element.x", "y", NULL, false},
        {LAKE_PROMOTE, "ll.element.element.y", NULL, &type_double, false},
    };
    struct real real, *r = &real;

    (void)state;
    real_init(r);
    create(r, schema, NULL);
    insert(r,
           "SELECT 1::BIGINT AS id, MAP {'k': {'a': 7::INT}, 'n': NULL} AS m, "
           "[[{'x': 1.5::FLOAT}, NULL], NULL, []] AS ll UNION ALL SELECT 2, NULL, NULL",
           0);
    edit(r, edits, COUNT_OF(edits));
    insert(r,
           "SELECT 3::BIGINT AS id, MAP {'z': {'b': 5000000000::BIGINT, 'a': 1::BIGINT}} AS m, "
           "[[{'y': 0.1::DOUBLE}]] AS ll",
           0);
    assert_string_equal(
        answer(r, "SELECT list(t ORDER BY id) FROM t", NULL, 0, NULL),
        "[{'id': 1, 'm': {k={'b': 7, 'a': NULL}, n=NULL}, 'll': [[{'y': 1.5}, NULL], "
        "NULL, []]}, {'id': 2, 'm': NULL, 'll': NULL}, {'id': 3, 'm': {z={'b': "
        "5000000000, 'a': 1}}, 'll': [[{'y': 0.1}]]}]");
    real_deinit(r);
}

/* C text ends at a NUL; a bound cut there would lie below the value and prune its file. */
static void texts_with_a_nul_are_not_pruned_away(void **state)
{
    struct real real, *r = &real;
    struct lake_value z = {.bytes = SLICE_LIT("a\0z")};
    struct lake_predicate p = {11, LAKE_OP_EQ, &z, 1};

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    insert(r, "SELECT 1::BIGINT AS id, 'a' || chr(0) || 'z' AS s", 0);
    assert_string_equal(
        answer(r, "SELECT count(*) FROM t WHERE s = 'a' || chr(0) || 'z'", &p, 1, NULL), "1");
    real_deinit(r);
}

static void a_null_in_a_required_column_is_refused(void **state)
{
    struct real real, *r = &real;
    struct vec_columns columns = {0};
    struct vec_batch batch;
    struct lake_writer *writer;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    query_batch(r, "SELECT NULL::BIGINT AS id", &batch, &columns);
    OK(lake_writer_new(&writer,
                       &(struct lake_writer_options){
                           .lake = r->lake, .db = r->db, .metadata = r->m, .columns = &columns},
                       &r->err));
    assert_int_equal(lake_writer_write(writer, &batch, &r->err), ERR_INVALID);
    assert_non_null(strstr(r->err.text, "id"));
    lake_writer_free(writer);
    vec_batch_deinit(&batch);
    vec_columns_free(&columns);
    real_deinit(r);
}

/* Goal: merging changes no row. Method: twenty commits of nested rows with a schema change between,
 * merged by the real rewriter; the table's rows as one text before and after. */
static void merging_changes_no_row(void **state)
{
    struct real real, *r = &real;
    struct lake_type type_long = {.kind = LAKE_LONG};
    struct lake_edit edits[] = {{LAKE_PROMOTE, "i", NULL, &type_long, false},
                                {LAKE_RENAME, "l", "names", NULL, false}};
    struct lake_rewriter rewriter;
    struct arena arena = {0};
    struct lake_rewrite *rewrites;
    struct lake_change change = {0};
    struct lake_property fan_in = {"tarn.merge.fan-in", "4"};
    size_t before, after;
    char *text;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    change.properties = &fan_in;
    change.property_count = 1;
    for (int i = 0; i < 10; i++)
        insert(r, every_row, 0);
    edit(r, edits, 2);
    for (int i = 0; i < 10; i++)
        insert(r, "SELECT 9::BIGINT AS id, ['n'] AS names, 1::BIGINT AS i", 0);
    text =
        strdup(answer(r, "SELECT md5(list(t ORDER BY id, i)::VARCHAR) FROM t", NULL, 0, &before));
    commit(r, &change);
    change = (struct lake_change){.maintain = true};
    rewriter = lake_rewriter_duckdb(r->db);
    OK(lake_maintain_run(r->lake, r->m, &rewriter, &arena, &rewrites, &change.rewrite_count,
                         &r->err));
    assert_int_equal(change.rewrite_count, 1);
    change.rewrites = rewrites;
    commit(r, &change);
    assert_string_equal(lake_metadata_snapshot(r->m)->operation, "replace");
    assert_string_equal(
        text, answer(r, "SELECT md5(list(t ORDER BY id, i)::VARCHAR) FROM t", NULL, 0, &after));
    assert_int_equal(before, 20);
    assert_int_equal(after, 1);
    free(text);
    arena_deinit(&arena);
    real_deinit(r);
}

static void orphans_are_removed_and_nothing_else(void **state)
{
    struct real real, *r = &real;
    int64_t removed;

    (void)state;
    real_init(r);
    create(r, EVERY_TYPE, NULL);
    insert(r, every_row, 0);
    OK(store_put_at(r->store, "s3://w/t/data/lost.parquet", SLICE_LIT("x"), &r->err));
    OK(store_put_at(r->store, "s3://w/t2/data/other.parquet", SLICE_LIT("x"), &r->err));
    clock_fake_advance(&r->clock, (int64_t)100 * 365 * 86400 * 1000000000 / 100 * 50);
    OK(lake_orphans_remove(r->lake, r->location, 1000, true, &removed, &r->err));
    assert_int_equal(removed, 1);
    OK(lake_orphans_remove(r->lake, r->location, 1000, false, &removed, &r->err));
    OK(lake_orphans_remove(r->lake, r->location, 1000, false, &removed, &r->err));
    assert_int_equal(removed, 0);
    assert_string_equal(answer(r, "SELECT count(*) FROM t", NULL, 0, NULL), "5");
    OK(lake_purge(r->lake, r->location, &r->err));
    {
        struct arena arena = {0};
        struct store_list list;

        OK(r->store->ops->list(r->store, "w", "", NULL, NULL, 100, &arena, &list, &r->err));
        assert_int_equal(list.count, 1);
        assert_string_equal(list.entries[0].key, "t2/data/other.parquet");
        arena_deinit(&arena);
    }
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_with_its_metrics),
        cmocka_unit_test(fixed_bytes_are_written_at_any_depth),
        cmocka_unit_test(a_column_that_rows_lack_takes_its_default),
        cmocka_unit_test(rows_land_in_their_partitions),
        cmocka_unit_test(many_partitions_are_sorted_and_written_in_turn),
        cmocka_unit_test(evolved_columns_are_found_by_id),
        cmocka_unit_test(maps_and_lists_evolve_inside),
        cmocka_unit_test(texts_with_a_nul_are_not_pruned_away),
        cmocka_unit_test(a_null_in_a_required_column_is_refused),
        cmocka_unit_test(merging_changes_no_row),
        cmocka_unit_test(orphans_are_removed_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
