/* metadata_fuzz.c - table metadata files from outside.
 *
 * What is accepted prints to text that is accepted again with the same view, and its schemas print
 * as DuckDB types and field ids. */
#include "lake/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void schemas(const struct lake_metadata *m)
{
    for (size_t i = 0; i < m->schema_count; i++) {
        struct buf text = {0};
        json_t *json = lake_schema_json(&m->schemas[i]);
        struct arena arena = {0};
        struct lake_schema again;

        assert(json && lake_schema_parse(json, &arena, &again, NULL) == 0);
        assert(lake_type_equal(&m->schemas[i].root, &again.root));
        assert(lake_duckdb_type(&again.root, &text, NULL) == 0);
        assert(lake_duckdb_field_ids(&again, &text, NULL) == 0);
        json_decref(json);
        arena_deinit(&arena);
        buf_deinit(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lake_metadata *first = NULL, *second = NULL;
    struct buf text = {0};

    if (lake_metadata_parse(slice_of(data, size), &first, NULL))
        return 0;
    assert(lake_metadata_print(first, &text, NULL) == 0);
    assert(lake_metadata_parse(buf_slice(&text), &second, NULL) == 0);
    assert(first->snapshot_count == second->snapshot_count &&
           first->schema_count == second->schema_count &&
           first->current_snapshot_id == second->current_snapshot_id &&
           !strcmp(first->uuid, second->uuid));
    schemas(first);
    lake_metadata_free(first);
    lake_metadata_free(second);
    buf_deinit(&text);
    return 0;
}
