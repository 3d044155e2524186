/* view_fuzz.c - the bodies of two more requests: a commit to a view, on a view and on none, and a
 * scan to be planned.
 *
 * What is accepted must be a view that prints, parses, and prints the same again. */
#include "catalog/http_plan.h"

static const char base_text[] =
    "{\"view-uuid\":\"fa6506c3-7681-40c8-86dc-e36561f83385\",\"format-version\":1,\"location\":"
    "\"s3://warehouse/db/"
    "v\",\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,"
    "\"name\":\"id\",\"required\":false,\"type\":\"long\"}]}],\"current-version-id\":1,"
    "\"versions\":["
    "{\"version-id\":1,\"timestamp-ms\":1573518431292,\"schema-id\":0,\"summary\":{},"
    "\"default-namespace\":[\"db\"],\"representations\":[{\"type\":\"sql\",\"sql\":\"SELECT 1\","
    "\"dialect\":\"spark\"}]}],\"version-log\":[{\"timestamp-ms\":1573518431292,\"version-id\":1}],"
    "\"properties\":{\"a\":\"b\"}}";

static const char table_text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":"
    "\"s3://warehouse/db/t\",\"last-sequence-number\":1,\"last-updated-ms\":1700000000000,"
    "\"last-column-id\":3,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":"
    "0,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},{\"id\":2,\"name\":"
    "\"at\","
    "\"required\":false,\"type\":\"timestamptz\"},{\"id\":3,\"name\":\"d\",\"required\":false,"
    "\"type\":"
    "\"decimal(9,2)\"}]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}]"
    ","
    "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,"
    "\"fields\":[]}],\"properties\":{},\"current-snapshot-id\":10,\"refs\":{},\"snapshots\":["
    "{\"snapshot-id\":10,\"sequence-number\":1,\"timestamp-ms\":1700000000000,\"summary\":"
    "{\"operation\":\"append\"},\"manifest-list\":\"s3://warehouse/db/t/metadata/a.avro\","
    "\"schema-id\":0}],\"snapshot-log\":[],\"metadata-log\":[]}";

static void check(const struct lake_view *made)
{
    static const char *const dialects[] = {"duckdb", "spark"};
    struct lake_view *again = NULL;
    struct buf first = {0}, second = {0};
    const char *dialect = NULL, *sql = lake_view_sql(made, dialects, COUNT_OF(dialects), &dialect);

    assert(!sql || dialect);
    assert(lake_view_print(made, &first, NULL) == 0);
    assert(lake_view_parse(buf_slice(&first), &again, NULL) == 0);
    assert(lake_view_print(again, &second, NULL) == 0);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    lake_view_free(again);
    buf_deinit(&first);
    buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lake_view *base;
    static struct lake_metadata *table;
    struct arena arena = {0};
    struct plan_request request = {0};
    json_t *body = NULL;

    if (!base)
        assert(lake_view_parse(slice_str(base_text), &base, NULL) == 0 &&
               lake_metadata_parse(slice_str(table_text), &table, NULL) == 0);
    if (json_parse(slice_of(data, size), &body, NULL))
        return 0;
    for (int on_base = 0; on_base < 2; on_base++) {
        struct lake_view *made = NULL;

        if (lake_view_apply(on_base ? base : NULL, json_object_get(body, "requirements"),
                            json_object_get(body, "updates"), 1700000000001, &made, NULL) == 0)
            check(made);
        lake_view_free(made);
    }
    if (plan_request_read(body, table, &arena, &request, NULL) == 0)
        assert(request.schema);
    arena_deinit(&arena);
    json_decref(body);
    return 0;
}
