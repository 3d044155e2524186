/* apis.c - the one table of what the broker speaks: a new version or request is a new line. Kafka 4
 * clients need at least the minimum versions of KIP-896; older ones are kept where they cost
 * nothing. Produce from version 13 and OffsetCommit and OffsetFetch from 10 name topics by id.
 */
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
    API(8, "OffsetCommit",             offset_commit,              2, 10, 8, ON_GROUPS),
    API(9, "OffsetFetch",              offset_fetch,               1, 10, 6, ON_WORKER),
    API(10, "FindCoordinator",         find_coordinator,           0, 6, 3, ON_LOOP),
    API(11, "JoinGroup",               join_group,                 0, 9, 6, ON_GROUPS),
    API(12, "Heartbeat",               heartbeat,                  0, 4, 4, ON_GROUPS),
    API(13, "LeaveGroup",              leave_group,                0, 5, 4, ON_GROUPS),
    API(14, "SyncGroup",               sync_group,                 0, 5, 4, ON_GROUPS),
    API(15, "DescribeGroups",          describe_groups,            0, 6, 5, ON_GROUPS),
    API(16, "ListGroups",              list_groups,                0, 5, 3, ON_GROUPS),
    API(18, "ApiVersions",             api_versions,               0, 4, 3, ON_LOOP),
    API(19, "CreateTopics",            create_topics,              2, 7, 5, ON_WORKER),
    API(20, "DeleteTopics",            delete_topics,              1, 6, 4, ON_WORKER),
    API(21, "DeleteRecords",           delete_records,             0, 2, 2, ON_WORKER),
    API(22, "InitProducerId",          init_producer_id,           0, 5, 2, ON_WORKER),
    API(23, "OffsetForLeaderEpoch",    offset_for_leader_epoch,    2, 4, 4, ON_LOOP),
    API(32, "DescribeConfigs",         describe_configs,           1, 4, 4, ON_WORKER),
    API(33, "AlterConfigs",            alter_configs,              0, 2, 2, ON_WORKER),
    API(35, "DescribeLogDirs",         describe_log_dirs,          1, 4, 2, ON_WORKER),
    API(37, "CreatePartitions",        create_partitions,          0, 3, 2, ON_WORKER),
    API(42, "DeleteGroups",            delete_groups,              0, 2, 2, ON_GROUPS),
    API(44, "IncrementalAlterConfigs", incremental_alter_configs,  0, 1, 1, ON_WORKER),
    API(47, "OffsetDelete",            offset_delete,              0, 0, INT16_MAX, ON_GROUPS),
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
