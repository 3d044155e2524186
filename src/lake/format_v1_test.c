/* format_v1_test.c - tables of format version 1: read in both their forms, written, upgraded. */
#include "format/avro_file.h"
#include "lake/fsck.h"
#include "lake/stage.h"
#include "lake/testing_upkeep.h"

#define BY_BUCKET                                                                                  \
    "{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"name\":\"id_bucket\","        \
    "\"transform\":\"bucket[2]\"}]}"

static void make(struct real *r)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_partition_spec spec;
    struct lake_table_options options = {.location = "s3://w/t",
                                         .schema = &schema,
                                         .spec = &spec,
                                         .format_version = 1,
                                         .now_ms = 1700000000000};
    json_t *json = json_loads(BY_BUCKET, 0, NULL);
    const char *location;

    real_init(r);
    OK(lake_schema_parse_text(SLICE_LIT(TWO_COLUMNS), &arena, &schema, &r->err));
    OK(lake_spec_parse(json, &arena, &spec, &r->err));
    OK(lake_metadata_new(&r->m, &options, &r->err));
    OK(lake_metadata_store(r->lake, r->m, NULL, NULL, &arena, &location, NULL, NULL, &r->err));
    snprintf(r->location, sizeof(r->location), "%s", location);
    json_decref(json);
    arena_deinit(&arena);
    insert(r, "SELECT i::BIGINT AS id, 'a' || i AS v FROM range(4) r(i)", 4);
    insert(r, "SELECT i::BIGINT AS id, 'b' || i AS v FROM range(4, 8) r(i)", 4);
}

/* Every snapshot as the first writers of v1 left it: no list, the paths of its manifests. */
static void name_manifests_inline(struct real *r)
{
    json_t *doc = json_deep_copy(r->m->doc), *snapshot;
    struct lake_metadata *next;
    size_t i;

    json_array_foreach(json_object_get(doc, "snapshots"), i, snapshot)
    {
        struct lake_manifest_list *list;
        json_t *paths = json_array();

        OK(lake_manifest_list_load(r->lake, r->m, &r->m->snapshots[i], &list, &r->err));
        for (size_t k = 0; k < list->file_count; k++)
            json_array_append_new(paths, json_string(list->files[k].path));
        lake_manifest_list_free(list);
        json_object_del(snapshot, "manifest-list");
        json_object_set_new(snapshot, "manifests", paths);
    }
    OK(lake_metadata_from_json(doc, &next, &r->err));
    store_next(r, next);
}

static void upgrade(struct real *r, int version)
{
    json_t *updates =
        json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", version);
    struct lake_metadata *next;

    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    store_next(r, next);
}

static int say_finding(void *arg, bool damage, const char *file, const char *text, struct err *err)
{
    (void)arg;
    (void)err;
    if (damage)
        print_error("%s %s\n", file, text);
    return 0;
}

static void check_whole(struct real *r, int64_t rows)
{
    struct lake_fsck_options o = {.db = r->db, .young_ms = 1, .say = say_finding};
    struct lake_fsck out;

    OK(lake_fsck(r->lake, r->location, &o, &out, &r->err));
    assert_int_equal(out.damages, 0);
    assert_int_equal(out.rows, rows);
}

static const char *ids(struct real *r)
{
    return answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL);
}

static json_t *schema_of(struct real *r, const char *path, struct arena *arena,
                         struct avro_file *file)
{
    struct buf bytes = {0};
    json_t *schema;

    OK(store_get_at(r->store, path, &bytes, &r->err));
    OK(avro_file_open(arena_slice(arena, buf_slice(&bytes)), arena, file, &r->err));
    buf_deinit(&bytes);
    schema = json_loadb((const char *)avro_file_meta(file, "avro.schema").ptr,
                        avro_file_meta(file, "avro.schema").len, 0, NULL);
    assert_non_null(schema);
    return schema;
}

/* A field of a record's schema by its id; NULL: not there. */
static json_t *field_of(json_t *schema, int id)
{
    json_t *field;
    size_t i;

    json_array_foreach(json_object_get(schema, "fields"), i, field)
    {
        if (json_integer_value(json_object_get(field, "field-id")) == id)
            return field;
    }
    return NULL;
}

/* Iceberg spec, "Manifests" and "Manifest Lists": the columns headed v1. */
static void files_of_v1_have_the_fields_of_v1(void **state)
{
    static const int lost_lines[] = {515, 516, 517, 520}, lost_files[] = {134, 135, 142, 143, 144};
    struct real real, *r = &real;
    struct arena arena = {0};
    struct avro_file file;
    struct lake_manifest_list *list;
    const struct lake_snapshot *head;
    json_t *schema, *entry;

    (void)state;
    make(r);
    head = lake_metadata_snapshot(r->m);
    assert_int_equal(r->m->format_version, 1);
    assert_null(json_object_get(r->m->doc, "last-sequence-number"));
    assert_null(json_object_get(json_array_get(json_object_get(r->m->doc, "snapshots"), 1),
                                "sequence-number"));
    schema = schema_of(r, head->manifest_list, &arena, &file);
    for (size_t i = 0; i < COUNT_OF(lost_lines); i++)
        assert_null(field_of(schema, lost_lines[i]));
    assert_non_null(field_of(schema, 503));
    assert_true(slice_is(avro_file_meta(&file, "format-version"), "1"));
    json_decref(schema);

    OK(lake_manifest_list_load(r->lake, r->m, head, &list, &r->err));
    assert_int_equal(list->file_count, 2);
    schema = schema_of(r, list->files[0].path, &arena, &file);
    assert_null(avro_file_meta(&file, "content").ptr);
    assert_true(slice_is(avro_file_meta(&file, "format-version"), "1"));
    assert_true(json_is_string(json_object_get(field_of(schema, 1), "type"))); /* required */
    assert_null(field_of(schema, 3));
    assert_null(field_of(schema, 4));
    entry = json_object_get(field_of(schema, 2), "type");
    assert_non_null(field_of(entry, 105));
    for (size_t i = 0; i < COUNT_OF(lost_files); i++)
        assert_null(field_of(entry, lost_files[i]));
    json_decref(schema);
    lake_manifest_list_free(list);
    assert_string_equal(ids(r), "[0, 1, 2, 3, 4, 5, 6, 7]");
    check_whole(r, 8);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: snapshots without a list are snapshots like all others. Method: read them, plan with a
 * predicate, commit on top, forget them, and look for what is left. */
static void manifests_named_one_by_one_are_a_list(void **state)
{
    struct real real, *r = &real;
    struct lake_property keep[] = {{"history.expire.max-snapshot-age-ms", "1"},
                                   {"history.expire.min-snapshots-to-keep", "1"}};
    struct lake_change tidy = {.maintain = true};
    struct lake_value three = {.i = 3};
    struct lake_predicate only = {1, LAKE_OP_EQ, &three, 1};
    struct told told;
    size_t files;

    (void)state;
    make(r);
    name_manifests_inline(r);
    assert_null(lake_metadata_snapshot(r->m)->manifest_list);
    assert_string_equal(ids(r), "[0, 1, 2, 3, 4, 5, 6, 7]");
    answer(r, "SELECT count(*) FROM t", &only, 1, &files);
    assert_int_equal(files, 1); /* by bucket and bounds */
    check_whole(r, 8);

    insert(r, "SELECT 100::BIGINT AS id, 'c' AS v", 4);
    assert_non_null(lake_metadata_snapshot(r->m)->manifest_list);
    assert_string_equal(ids(r), "[0, 1, 2, 3, 4, 5, 6, 7, 100]");
    clock_fake_advance(&r->clock, (int64_t)60 * 1000000000);
    set_properties(r, keep, 2);
    commit(r, &tidy);
    assert_int_equal(r->m->snapshot_count, 1);
    assert_string_equal(ids(r), "[0, 1, 2, 3, 4, 5, 6, 7, 100]");
    clock_fake_advance(&r->clock, (int64_t)10 * 86400 * 1000000000);
    upkeep(r, 0, &told);
    assert_string_equal(ids(r), "[0, 1, 2, 3, 4, 5, 6, 7, 100]");
    check_whole(r, 9);
    real_deinit(r);
}

static void an_upgraded_table_takes_deletes_and_keeps_what_it_had(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++)
        for (int inlined = 0; inlined < 2; inlined++) {
            static const int64_t first[] = {0};
            struct real real, *r = &real;

            make(r);
            if (inlined)
                name_manifests_inline(r);
            upgrade(r, version);
            assert_int_equal(r->m->format_version, version);
            delete_rows(r, 0, first, 1);
            assert_int_equal(r->m->last_sequence_number, 1);
            assert_int_equal(lake_metadata_snapshot(r->m)->sequence_number, 1);
            assert_string_equal(answer(r, "SELECT count(*) FROM t", NULL, 0, NULL), "7");
            insert(r, "SELECT 100::BIGINT AS id, 'c' AS v", 4);
            assert_string_equal(answer(r, "SELECT count(*) FROM t", NULL, 0, NULL), "8");
            check_whole(r, 9);
            real_deinit(r);
        }
}

/* One file of the newest snapshot is replaced by nothing, from where the table stood at `from`. */
static int remove_one(struct real *r, int64_t from, int checks, struct lake_staged **staged)
{
    struct lake_ident ident = {"ns", "t"};
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_change change = {.removed_count = 1, .checks = checks, .from_snapshot_id = from};
    int rc;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    change.removed = &plan.files[plan.file_count - 1].entry;
    rc = lake_stage(r->lake, &ident, r->m, r->location, &change, staged, &r->err);
    lake_plan_release(r->lake, &plan);
    arena_deinit(&arena);
    return rc;
}

/* Goal: serializable isolation holds without sequence numbers. Method: an append lands between a
 * statement's snapshot and its commit, also when the table is upgraded in between. */
static void what_came_in_meanwhile_is_told_without_sequence_numbers(void **state)
{
    (void)state;
    for (int upgraded = 0; upgraded < 2; upgraded++) {
        struct real real, *r = &real;
        struct lake_staged *staged = NULL;
        int64_t from;

        make(r);
        from = r->m->current_snapshot_id;
        OK(remove_one(r, from, LAKE_CHECK_NEW_ROWS, &staged));
        lake_staged_abandon(staged);
        staged = NULL;
        insert(r, "SELECT 100::BIGINT AS id, 'c' AS v", 4);
        if (upgraded)
            upgrade(r, 2);
        assert_int_equal(remove_one(r, from, LAKE_CHECK_NEW_ROWS, &staged), ERR_STALE);
        assert_null(staged);
        r->err = (struct err){0};
        OK(remove_one(r, r->m->current_snapshot_id, LAKE_CHECK_NEW_ROWS, &staged));
        lake_staged_abandon(staged);
        real_deinit(r);
    }
}

static void deletes_beside_a_file_of_v1_are_refused_with_the_remedy(void **state)
{
    static const int64_t first[] = {0};
    struct real real, *r = &real;
    struct lake_ident ident = {"ns", "t"};
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_row_delete rows = {.spec_id = -1,
                                   .sequence_number = -1,
                                   .file_sequence_number = -1,
                                   .positions = first,
                                   .position_count = 1};
    struct lake_change change = {.row_deletes = &rows, .row_delete_count = 1};
    struct lake_staged *staged = NULL;

    (void)state;
    make(r);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    change.db = r->db;
    for (size_t i = 0; i < plan.file_count; i++)
        if (plan.files[i].entry.file.record_count > 1) /* one that stays in the table */
            rows.path = plan.files[i].entry.file.path;
    assert_int_equal(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(r->err.text, "format-version"));
    lake_plan_release(r->lake, &plan);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Maintenance merges small files of v1 and writes v1. */
static void small_files_of_v1_are_merged(void **state)
{
    struct real real, *r = &real;
    struct told told;

    (void)state;
    make(r);
    for (int i = 0; i < 20; i++)
        insert(r, "SELECT i::BIGINT AS id, 'd' AS v FROM range(100, 104) r(i)", 4);
    clock_fake_advance(&r->clock, (int64_t)3600 * 1000000000);
    upkeep(r, 0, &told);
    assert_true(told.counts[LAKE_DO_MERGE] > 0);
    assert_int_equal(r->m->format_version, 1);
    assert_int_equal(lake_metadata_snapshot(r->m)->sequence_number, 0);
    assert_string_equal(answer(r, "SELECT count(*) || ' ' || sum(id) FROM t", NULL, 0, NULL),
                        "88 8148");
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_v1_have_the_fields_of_v1),
        cmocka_unit_test(manifests_named_one_by_one_are_a_list),
        cmocka_unit_test(an_upgraded_table_takes_deletes_and_keeps_what_it_had),
        cmocka_unit_test(what_came_in_meanwhile_is_told_without_sequence_numbers),
        cmocka_unit_test(deletes_beside_a_file_of_v1_are_refused_with_the_remedy),
        cmocka_unit_test(small_files_of_v1_are_merged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
