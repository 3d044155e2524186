/* avro_fuzz.c - Avro container files from outside, read as manifests and manifest lists.
 *
 * What is accepted is written again and read again: the second reading must agree on the counts.
 * The table has two partition specs, so partition tuples of every kind are met. */
#include "lake/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char table_text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"s3://w/t\",\"last-sequence-number\":2,\"last-updated-ms\":1700000000000,"
    "\"last-column-id\":6,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":"
    "0,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"ts\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":3,\"name\":\"city\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":4,\"name\":\"amount\",\"required\":false,\"type\":\"decimal(12, 2)\"},"
    "{\"id\":5,\"name\":\"u\",\"required\":false,\"type\":\"uuid\"}]}],\"default-spec-id\":0,"
    "\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"source-id\":2,\"field-id\":1000,\"name\":"
    "\"ts_day\",\"transform\":\"day\"},{\"source-id\":1,\"field-id\":1001,\"name\":\"id_bucket\","
    "\"transform\":\"bucket[4]\"},{\"source-id\":3,\"field-id\":1002,\"name\":\"city_trunc\","
    "\"transform\":\"truncate[2]\"},{\"source-id\":4,\"field-id\":1003,\"name\":\"amount\","
    "\"transform\":\"identity\"}]},{\"spec-id\":1,\"fields\":[{\"source-id\":5,\"field-id\":1004,"
    "\"name\":\"u\",\"transform\":\"identity\"}]}],\"last-partition-id\":1004,\"sort-orders\":[],"
    "\"default-sort-order-id\":0}";

static void manifest(const struct lake_metadata *table, struct slice in)
{
    struct lake_manifest *first = NULL, *second = NULL;
    struct lake_manifest_file line;
    struct arena arena = {0};
    struct buf again = {0};

    if (lake_manifest_parse(in, "s3://w/t/m.avro", table, NULL, &first, NULL))
        return;
    if (lake_manifest_print(table, first->spec_id, first->content, first->entries,
                            first->entry_count, &arena, &again, &line, NULL) == 0) {
        assert(lake_manifest_parse(buf_slice(&again), "s3://w/t/m.avro", table, &line, &second,
                                   NULL) == 0);
        assert(second->entry_count == first->entry_count);
        for (size_t i = 0; i < first->entry_count; i++)
            assert(!strcmp(first->entries[i].file.path, second->entries[i].file.path) &&
                   first->entries[i].file.metric_count >= second->entries[i].file.metric_count);
    }
    lake_manifest_free(first);
    lake_manifest_free(second);
    buf_deinit(&again);
    arena_deinit(&arena);
}

static void manifest_list(struct slice in)
{
    struct lake_manifest_list *first = NULL, *second = NULL;
    struct buf again = {0};

    if (lake_manifest_list_parse(in, "s3://w/t/l.avro", &first, NULL))
        return;
    assert(lake_manifest_list_print(3, 1, -1, 1, first->files, first->file_count, &again, NULL) ==
           0);
    assert(lake_manifest_list_parse(buf_slice(&again), "s3://w/t/l.avro", &second, NULL) == 0);
    assert(second->file_count == first->file_count);
    lake_manifest_list_free(first);
    lake_manifest_list_free(second);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lake_metadata *table;

    if (!table)
        assert(lake_metadata_parse(slice_str(table_text), &table, NULL) == 0);
    manifest(table, slice_of(data, size));
    manifest_list(slice_of(data, size));
    return 0;
}
