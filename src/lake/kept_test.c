/* kept_test.c - what a commit keeps of the manifests and lists it writes is what reading them
 * gives.
 *
 * A lake that wrote the table and one that never saw it look at the same snapshots, field by field.
 */
#include "lake/testing_table.h"

static void same_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.ptr != NULL, b.ptr != NULL);
    assert_true(slice_eq(a, b));
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
}

static void same_metrics(const struct lake_data_file *a, const struct lake_data_file *b)
{
    assert_int_equal(a->metric_count, b->metric_count);
    for (size_t i = 0; i < a->metric_count; i++) {
        const struct lake_metric *x = &a->metrics[i], *y = &b->metrics[i];

        assert_int_equal(x->field_id, y->field_id);
        assert_int_equal(x->column_bytes, y->column_bytes);
        assert_int_equal(x->value_count, y->value_count);
        assert_int_equal(x->null_count, y->null_count);
        assert_int_equal(x->nan_count, y->nan_count);
        same_slice(x->lower, y->lower);
        same_slice(x->upper, y->upper);
    }
}

static void same_partition(const struct lake_metadata *m, const struct lake_data_file *a,
                           const struct lake_data_file *b)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(m, a->spec_id);
    struct arena arena = {0};
    struct lake_type *types;
    struct err err = {0};

    assert_int_equal(partition_types(m, spec, &arena, &types, &err), 0);
    assert_int_equal(a->partition_count, b->partition_count);
    for (size_t i = 0; i < a->partition_count; i++) {
        assert_int_equal(a->partition[i].null, b->partition[i].null);
        if (!a->partition[i].null)
            assert_int_equal(lake_value_cmp(&types[i], &a->partition[i], &b->partition[i]), 0);
    }
    arena_deinit(&arena);
}

static void same_file(const struct lake_metadata *m, const struct lake_data_file *a,
                      const struct lake_data_file *b)
{
    assert_int_equal(a->content, b->content);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->format, b->format);
    assert_int_equal(a->spec_id, b->spec_id);
    assert_int_equal(a->record_count, b->record_count);
    assert_int_equal(a->file_bytes, b->file_bytes);
    same_slice(a->key_metadata, b->key_metadata);
    assert_int_equal(a->split_count, b->split_count);
    for (size_t i = 0; i < a->split_count; i++)
        assert_int_equal(a->split_offsets[i], b->split_offsets[i]);
    assert_int_equal(a->equality_count, b->equality_count);
    assert_int_equal(a->sort_order_id, b->sort_order_id);
    assert_int_equal(a->first_row_id, b->first_row_id);
    same_text(a->referenced_data_file, b->referenced_data_file);
    assert_int_equal(a->content_pos, b->content_pos);
    assert_int_equal(a->content_bytes, b->content_bytes);
    same_metrics(a, b);
    same_partition(m, a, b);
}

static void same_manifest(struct real *r, struct lake *other, const struct lake_manifest_file *line)
{
    struct lake_manifest *a, *b;

    OK(lake_manifest_load(r->lake, r->m, line, &a, &r->err));
    OK(lake_manifest_load(other, r->m, line, &b, &r->err));
    assert_int_equal(a->spec_id, b->spec_id);
    assert_int_equal(a->schema_id, b->schema_id);
    assert_int_equal(a->content, b->content);
    assert_int_equal(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct lake_entry *x = &a->entries[i], *y = &b->entries[i];

        assert_int_equal(x->status, y->status);
        assert_int_equal(x->snapshot_id, y->snapshot_id);
        assert_int_equal(x->sequence_number, y->sequence_number);
        assert_int_equal(x->file_sequence_number, y->file_sequence_number);
        same_file(r->m, &x->file, &y->file);
    }
    lake_manifest_free(a);
    lake_manifest_free(b);
}

static void same_line(const struct lake_manifest_file *a, const struct lake_manifest_file *b)
{
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->spec_id, b->spec_id);
    assert_int_equal(a->content, b->content);
    assert_int_equal(a->sequence_number, b->sequence_number);
    assert_int_equal(a->min_sequence_number, b->min_sequence_number);
    assert_int_equal(a->added_snapshot_id, b->added_snapshot_id);
    assert_int_equal(a->added_files, b->added_files);
    assert_int_equal(a->existing_files, b->existing_files);
    assert_int_equal(a->deleted_files, b->deleted_files);
    assert_int_equal(a->added_rows, b->added_rows);
    assert_int_equal(a->existing_rows, b->existing_rows);
    assert_int_equal(a->deleted_rows, b->deleted_rows);
    same_slice(a->key_metadata, b->key_metadata);
    assert_int_equal(a->first_row_id, b->first_row_id);
    assert_int_equal(a->numbered_rows, b->numbered_rows);
    assert_int_equal(a->partition_count, b->partition_count);
    for (size_t i = 0; i < a->partition_count; i++) {
        assert_int_equal(a->partitions[i].contains_null, b->partitions[i].contains_null);
        assert_int_equal(a->partitions[i].contains_nan, b->partitions[i].contains_nan);
        same_slice(a->partitions[i].lower, b->partitions[i].lower);
        same_slice(a->partitions[i].upper, b->partitions[i].upper);
    }
}

static void same_head(struct real *r)
{
    struct lake_options options = {r->store, &r->clock.clock, 0};
    struct lake_manifest_list *a, *b;
    struct lake *other;

    OK(lake_new(&other, &options, &r->err));
    OK(lake_manifest_list_load(r->lake, r->m, lake_metadata_snapshot(r->m), &a, &r->err));
    OK(lake_manifest_list_load(other, r->m, lake_metadata_snapshot(r->m), &b, &r->err));
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->file_count, b->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        same_line(&a->files[i], &b->files[i]);
        same_manifest(r, other, &a->files[i]);
    }
    lake_manifest_list_free(a);
    lake_manifest_list_free(b);
    lake_free(other);
}

static const char schema[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"cat\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":3,\"name\":\"x\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":4,\"name\":\"price\",\"required\":false,\"type\":\"decimal(9, 2)\"},"
    "{\"id\":5,\"name\":\"raw\",\"required\":false,\"type\":\"binary\"},"
    "{\"id\":6,\"name\":\"list\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":7,"
    "\"element-required\":false,\"element\":\"float\"}}]}";
static const char spec[] =
    "{\"spec-id\":0,\"fields\":["
    "{\"source-id\":2,\"field-id\":1000,\"transform\":\"identity\",\"name\":\"cat\"},"
    "{\"source-id\":3,\"field-id\":1001,\"transform\":\"identity\",\"name\":\"x\"},"
    "{\"source-id\":1,\"field-id\":1002,\"transform\":\"bucket[3]\",\"name\":\"b\"}]}";

static void insert_some(struct real *r, int n)
{
    char sql[600];

    snprintf(sql, sizeof(sql),
             "SELECT (i + %d)::BIGINT AS id, CASE i %% 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE "
             "'c' || %d END AS cat, CASE i %% 2 WHEN 0 THEN 'nan'::DOUBLE ELSE 1.5 END AS x, "
             "(i * 1.25)::DECIMAL(9, 2) AS price, CASE WHEN i > 2 THEN '\\x00\\xFF'::BLOB END AS "
             "raw, CASE i %% 4 WHEN 0 THEN NULL WHEN 1 THEN [] ELSE [1.5::FLOAT, 'nan'::FLOAT] END "
             "AS list FROM range(6) r(i)",
             n * 10, n % 2);
    insert(r, sql, 0);
}

static void what_is_kept_is_what_reading_gives(void **state)
{
    struct real real, *r = &real;

    (void)state;
    real_init(r);
    create(r, schema, spec);
    for (int n = 0; n < 4; n++) {
        insert_some(r, n);
        same_head(r);
    }
    real_deinit(r);
}

/* Manifests merged from older ones: entries with numbers of their own. */
static void what_is_kept_of_a_merge_is_what_reading_gives(void **state)
{
    static const struct lake_property properties[] = {{"commit.manifest.min-count-to-merge", "2"}};
    struct lake_change merge = {
        .properties = properties, .property_count = 1, .maintain = true, .allow_empty = true};
    struct real real, *r = &real;
    struct lake_manifest_list *list;
    int64_t existing = 0;

    (void)state;
    real_init(r);
    create(r, schema, spec);
    for (int n = 0; n < 3; n++) {
        insert_some(r, n);
        commit(r, &merge);
        same_head(r);
    }
    OK(lake_manifest_list_load(r->lake, r->m, lake_metadata_snapshot(r->m), &list, &r->err));
    for (size_t i = 0; i < list->file_count; i++)
        existing += list->files[i].existing_files;
    assert_true(existing > 0);
    lake_manifest_list_free(list);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_what_reading_gives),
        cmocka_unit_test(what_is_kept_of_a_merge_is_what_reading_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
