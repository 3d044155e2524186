/* apis.c - the one table of what the broker speaks: a new version or request is a new line. Kafka 4
 * clients need at least the minimum versions of KIP-896; older ones are kept where they cost nothing.
 *
 * Produce from version 13 and OffsetCommit and OffsetFetch from 10 name topics by id. */
#include "kafka/kafka_int.h"

#define API(key, name, low, min, max, flexible, where)                                             \
    {                                                                                              \
        key, name, min, max, flexible, &low##_request_schema, &low##_response_schema,              \
            handle_##low, where                                                                    \
    }

const struct api apis[] = {
    /*  key name                       tables and handler          min max flexible where */
    API(0, "Produce",                  produce,                    3, 13, 9, ON_LOOP),
    API(1, "Fetch",                    fetch,                      4, 18, 12, ON_LOOP),
    API(2, "ListOffsets",              list_offsets,               1, 10, 6, ON_WORKER),
    API(3, "Metadata",                 metadata,                   0, 13, 9, ON_LOOP),
    API(10, "FindCoordinator",         find_coordinator,           0, 6, 3, ON_LOOP),
    API(18, "ApiVersions",             api_versions,               0, 4, 3, ON_LOOP),
    API(21, "DeleteRecords",           delete_records,             0, 2, 2, ON_WORKER),
    API(22, "InitProducerId",          init_producer_id,           0, 5, 2, ON_WORKER),
    API(23, "OffsetForLeaderEpoch",    offset_for_leader_epoch,    2, 4, 4, ON_LOOP),
    API(60, "DescribeCluster",         describe_cluster,           0, 2, 0, ON_LOOP),
};
const size_t api_count = COUNT_OF(apis);

const struct api *api_find(int16_t key)
{
    for (size_t i = 0; i < api_count; i++)
        if (apis[i].key == key)
            return &apis[i];
    return NULL;
}
