/* commit_fuzz.c - the body of a REST commit, applied to a table and to none.
 *
 * What is accepted must be metadata that prints, parses, and prints the same again: a client's
 * commit may be refused, but never leaves a table that nobody can load. */
#include "lake/metadata.h"

static const char base_text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"s3://warehouse/db/"
    "t\",\"last-sequence-number\":2,\"last-updated-ms\":1700000000000,"
    "\"last-column-id\":4,\"current-schema-id\":1,\"schemas\":["
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]},"
    "{\"type\":\"struct\",\"schema-id\":1,\"identifier-field-ids\":[1],\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"tags\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":3,"
    "\"element\":\"string\",\"element-required\":false}},"
    "{\"id\":4,\"name\":\"at\",\"required\":false,\"type\":\"timestamptz\"}]}],"
    "\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"source-id\":4,"
    "\"field-id\":1000,\"name\":\"day\",\"transform\":\"day\"}]}],\"last-partition-id\":1000,"
    "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
    "\"properties\":{\"a\":\"b\"},\"current-snapshot-id\":20,\"refs\":{\"main\":{\"snapshot-id\":"
    "20,"
    "\"type\":\"branch\"},\"old\":{\"snapshot-id\":10,\"type\":\"tag\"}},\"snapshots\":["
    "{\"snapshot-id\":10,\"sequence-number\":1,\"timestamp-ms\":1690000000000,\"summary\":"
    "{\"operation\":\"append\"},\"manifest-list\":\"s3://warehouse/db/t/metadata/a.avro\","
    "\"schema-id\":0},{\"snapshot-id\":20,\"parent-snapshot-id\":10,\"sequence-number\":2,"
    "\"timestamp-ms\":1700000000000,\"summary\":{\"operation\":\"append\"},\"manifest-list\":"
    "\"s3://warehouse/db/t/metadata/b.avro\",\"schema-id\":1}],\"snapshot-log\":["
    "{\"timestamp-ms\":1690000000000,\"snapshot-id\":10},{\"timestamp-ms\":1700000000000,"
    "\"snapshot-id\":20}],\"metadata-log\":[]}";

static void check(const struct lake_metadata *made)
{
    struct lake_metadata *again = NULL;
    struct buf first = {0}, second = {0};

    assert(lake_metadata_print(made, &first, NULL) == 0);
    assert(lake_metadata_parse(buf_slice(&first), &again, NULL) == 0);
    assert(lake_metadata_print(again, &second, NULL) == 0);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    lake_metadata_free(again);
    buf_deinit(&first);
    buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lake_metadata *base;
    json_t *body = NULL;

    if (!base)
        assert(lake_metadata_parse(slice_str(base_text), &base, NULL) == 0);
    if (json_parse(slice_of(data, size), &body, NULL))
        return 0;
    for (int on_base = 0; on_base < 2; on_base++) {
        const json_t *requirements = json_object_get(body, "requirements");
        const json_t *updates = json_object_get(body, "updates");
        struct lake_metadata *made = NULL;
        struct err err = {0};

        if (json_is_array(requirements) && json_is_array(updates)) {
            if (lake_metadata_apply(on_base ? base : NULL, requirements, updates, 1710000000000,
                                    &made, &err) == 0)
                check(made);
            else
                assert(err.text[0]);
        }
        lake_metadata_free(made);
    }
    json_decref(body);
    return 0;
}
