/* messages_group.c - tables of versions, consumer groups and their offsets, one field per line
 * in the order and spelling of Kafka's message definitions. A field that goes back to before the
 * oldest version served here is written as since 0. */
#include "kafka/messages_group.h"

/* ApiVersionsRequest (key 18), versions 0 to 4. */
static const struct field api_versions_request_fields[] = {
    FIELD(api_versions_request, client_software_name, "ClientSoftwareName", STRING, 3),
    FIELD(api_versions_request, client_software_version, "ClientSoftwareVersion", STRING, 3),
};
SCHEMA(api_versions_request);

/* ApiVersionsResponse (key 18), versions 0 to 4. */
static const struct field api_version_range_fields[] = {
    FIELD(api_version_range, api_key, "ApiKey", INT16, 0),
    FIELD(api_version_range, min_version, "MinVersion", INT16, 0),
    FIELD(api_version_range, max_version, "MaxVersion", INT16, 0),
};
SCHEMA(api_version_range);

static const struct field api_versions_supported_feature_fields[] = {
    FIELD(api_versions_supported_feature, name, "Name", STRING, 3),
    FIELD(api_versions_supported_feature, min_version, "MinVersion", INT16, 3),
    FIELD(api_versions_supported_feature, max_version, "MaxVersion", INT16, 3),
};
SCHEMA(api_versions_supported_feature);

static const struct field api_versions_finalized_feature_fields[] = {
    FIELD(api_versions_finalized_feature, name, "Name", STRING, 3),
    FIELD(api_versions_finalized_feature, max_version_level, "MaxVersionLevel", INT16, 3),
    FIELD(api_versions_finalized_feature, min_version_level, "MinVersionLevel", INT16, 3),
};
SCHEMA(api_versions_finalized_feature);

static const struct field api_versions_response_fields[] = {
    FIELD(api_versions_response, error_code, "ErrorCode", INT16, 0),
    FIELD(api_versions_response, api_keys, "ApiKeys", ARRAY, 0, .item = &api_version_range_schema),
    FIELD(api_versions_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(api_versions_response, supported_features, "SupportedFeatures", ARRAY, 3,
          .item = &api_versions_supported_feature_schema, TAG(0, 3)),
    FIELD(api_versions_response, finalized_features_epoch, "FinalizedFeaturesEpoch", INT64, 3,
          TAG(1, 3), .fallback = -1),
    FIELD(api_versions_response, finalized_features, "FinalizedFeatures", ARRAY, 3,
          .item = &api_versions_finalized_feature_schema, TAG(2, 3)),
    FIELD(api_versions_response, zk_migration_ready, "ZkMigrationReady", BOOL, 3, TAG(3, 3)),
};
SCHEMA(api_versions_response);

/* FindCoordinatorRequest (key 10), versions 0 to 6. */
static const struct field find_coordinator_request_fields[] = {
    FIELD(find_coordinator_request, key, "Key", STRING, 0, .until = 3),
    FIELD(find_coordinator_request, key_type, "KeyType", INT8, 1),
    FIELD(find_coordinator_request, coordinator_keys, "CoordinatorKeys", ARRAY, 4,
          .of = KIND_STRING),
};
SCHEMA(find_coordinator_request);

/* FindCoordinatorResponse (key 10), versions 0 to 6. */
static const struct field find_coordinator_reply_fields[] = {
    FIELD(find_coordinator_reply, key, "Key", STRING, 4),
    FIELD(find_coordinator_reply, node_id, "NodeId", INT32, 4),
    FIELD(find_coordinator_reply, host, "Host", STRING, 4),
    FIELD(find_coordinator_reply, port, "Port", INT32, 4),
    FIELD(find_coordinator_reply, error_code, "ErrorCode", INT16, 4),
    FIELD(find_coordinator_reply, error_message, "ErrorMessage", STRING, 4, NULL_FROM(4)),
};
SCHEMA(find_coordinator_reply);

static const struct field find_coordinator_response_fields[] = {
    FIELD(find_coordinator_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(find_coordinator_response, error_code, "ErrorCode", INT16, 0, .until = 3),
    FIELD(find_coordinator_response, error_message, "ErrorMessage", STRING, 1, .until = 3,
          NULL_FROM(1)),
    FIELD(find_coordinator_response, node_id, "NodeId", INT32, 0, .until = 3),
    FIELD(find_coordinator_response, host, "Host", STRING, 0, .until = 3),
    FIELD(find_coordinator_response, port, "Port", INT32, 0, .until = 3),
    FIELD(find_coordinator_response, coordinators, "Coordinators", ARRAY, 4,
          .item = &find_coordinator_reply_schema),
};
SCHEMA(find_coordinator_response);

/* JoinGroupRequest (key 11), versions 0 to 9. */
static const struct field join_group_protocol_fields[] = {
    FIELD(join_group_protocol, name, "Name", STRING, 0),
    FIELD(join_group_protocol, metadata, "Metadata", BYTES, 0),
};
SCHEMA(join_group_protocol);

static const struct field join_group_request_fields[] = {
    FIELD(join_group_request, group_id, "GroupId", STRING, 0),
    FIELD(join_group_request, session_timeout_ms, "SessionTimeoutMs", INT32, 0),
    FIELD(join_group_request, rebalance_timeout_ms, "RebalanceTimeoutMs", INT32, 1,
          .fallback = -1),
    FIELD(join_group_request, member_id, "MemberId", STRING, 0),
    FIELD(join_group_request, group_instance_id, "GroupInstanceId", STRING, 5, NULL_FROM(5)),
    FIELD(join_group_request, protocol_type, "ProtocolType", STRING, 0),
    FIELD(join_group_request, protocols, "Protocols", ARRAY, 0,
          .item = &join_group_protocol_schema),
    FIELD(join_group_request, reason, "Reason", STRING, 8, NULL_FROM(8)),
};
SCHEMA(join_group_request);

/* JoinGroupResponse (key 11), versions 0 to 9. */
static const struct field join_group_member_reply_fields[] = {
    FIELD(join_group_member_reply, member_id, "MemberId", STRING, 0),
    FIELD(join_group_member_reply, group_instance_id, "GroupInstanceId", STRING, 5, NULL_FROM(5)),
    FIELD(join_group_member_reply, metadata, "Metadata", BYTES, 0),
};
SCHEMA(join_group_member_reply);

static const struct field join_group_response_fields[] = {
    FIELD(join_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2),
    FIELD(join_group_response, error_code, "ErrorCode", INT16, 0),
    FIELD(join_group_response, generation_id, "GenerationId", INT32, 0, .fallback = -1),
    FIELD(join_group_response, protocol_type, "ProtocolType", STRING, 7, NULL_FROM(7)),
    FIELD(join_group_response, protocol_name, "ProtocolName", STRING, 0, NULL_FROM(7)),
    FIELD(join_group_response, leader, "Leader", STRING, 0),
    FIELD(join_group_response, skip_assignment, "SkipAssignment", BOOL, 9),
    FIELD(join_group_response, member_id, "MemberId", STRING, 0),
    FIELD(join_group_response, members, "Members", ARRAY, 0,
          .item = &join_group_member_reply_schema),
};
SCHEMA(join_group_response);

/* SyncGroupRequest (key 14), versions 0 to 5. */
static const struct field sync_group_assignment_fields[] = {
    FIELD(sync_group_assignment, member_id, "MemberId", STRING, 0),
    FIELD(sync_group_assignment, assignment, "Assignment", BYTES, 0),
};
SCHEMA(sync_group_assignment);

static const struct field sync_group_request_fields[] = {
    FIELD(sync_group_request, group_id, "GroupId", STRING, 0),
    FIELD(sync_group_request, generation_id, "GenerationId", INT32, 0),
    FIELD(sync_group_request, member_id, "MemberId", STRING, 0),
    FIELD(sync_group_request, group_instance_id, "GroupInstanceId", STRING, 3, NULL_FROM(3)),
    FIELD(sync_group_request, protocol_type, "ProtocolType", STRING, 5, NULL_FROM(5)),
    FIELD(sync_group_request, protocol_name, "ProtocolName", STRING, 5, NULL_FROM(5)),
    FIELD(sync_group_request, assignments, "Assignments", ARRAY, 0,
          .item = &sync_group_assignment_schema),
};
SCHEMA(sync_group_request);

/* SyncGroupResponse (key 14), versions 0 to 5. */
static const struct field sync_group_response_fields[] = {
    FIELD(sync_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(sync_group_response, error_code, "ErrorCode", INT16, 0),
    FIELD(sync_group_response, protocol_type, "ProtocolType", STRING, 5, NULL_FROM(5)),
    FIELD(sync_group_response, protocol_name, "ProtocolName", STRING, 5, NULL_FROM(5)),
    FIELD(sync_group_response, assignment, "Assignment", BYTES, 0),
};
SCHEMA(sync_group_response);

/* HeartbeatRequest (key 12), versions 0 to 4. */
static const struct field heartbeat_request_fields[] = {
    FIELD(heartbeat_request, group_id, "GroupId", STRING, 0),
    FIELD(heartbeat_request, generation_id, "GenerationId", INT32, 0),
    FIELD(heartbeat_request, member_id, "MemberId", STRING, 0),
    FIELD(heartbeat_request, group_instance_id, "GroupInstanceId", STRING, 3, NULL_FROM(3)),
};
SCHEMA(heartbeat_request);

/* HeartbeatResponse (key 12), versions 0 to 4. */
static const struct field heartbeat_response_fields[] = {
    FIELD(heartbeat_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(heartbeat_response, error_code, "ErrorCode", INT16, 0),
};
SCHEMA(heartbeat_response);

/* LeaveGroupRequest (key 13), versions 0 to 5. */
static const struct field leave_group_member_fields[] = {
    FIELD(leave_group_member, member_id, "MemberId", STRING, 3),
    FIELD(leave_group_member, group_instance_id, "GroupInstanceId", STRING, 3, NULL_FROM(3)),
    FIELD(leave_group_member, reason, "Reason", STRING, 5, NULL_FROM(5)),
};
SCHEMA(leave_group_member);

static const struct field leave_group_request_fields[] = {
    FIELD(leave_group_request, group_id, "GroupId", STRING, 0),
    FIELD(leave_group_request, member_id, "MemberId", STRING, 0, .until = 2),
    FIELD(leave_group_request, members, "Members", ARRAY, 3, .item = &leave_group_member_schema),
};
SCHEMA(leave_group_request);

/* LeaveGroupResponse (key 13), versions 0 to 5. */
static const struct field leave_group_member_reply_fields[] = {
    FIELD(leave_group_member_reply, member_id, "MemberId", STRING, 3),
    FIELD(leave_group_member_reply, group_instance_id, "GroupInstanceId", STRING, 3, NULL_FROM(3)),
    FIELD(leave_group_member_reply, error_code, "ErrorCode", INT16, 3),
};
SCHEMA(leave_group_member_reply);

static const struct field leave_group_response_fields[] = {
    FIELD(leave_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(leave_group_response, error_code, "ErrorCode", INT16, 0),
    FIELD(leave_group_response, members, "Members", ARRAY, 3,
          .item = &leave_group_member_reply_schema),
};
SCHEMA(leave_group_response);

/* OffsetCommitRequest (key 8), versions 2 to 10. */
static const struct field offset_commit_partition_fields[] = {
    FIELD(offset_commit_partition, partition_index, "PartitionIndex", INT32, 0),
    FIELD(offset_commit_partition, committed_offset, "CommittedOffset", INT64, 0),
    FIELD(offset_commit_partition, committed_leader_epoch, "CommittedLeaderEpoch", INT32, 6,
          .fallback = -1),
    FIELD(offset_commit_partition, committed_metadata, "CommittedMetadata", STRING, 0,
          NULL_FROM(0)),
};
SCHEMA(offset_commit_partition);

static const struct field offset_commit_topic_fields[] = {
    FIELD(offset_commit_topic, name, "Name", STRING, 0, .until = 9),
    FIELD(offset_commit_topic, topic_id, "TopicId", UUID, 10),
    FIELD(offset_commit_topic, partitions, "Partitions", ARRAY, 0,
          .item = &offset_commit_partition_schema),
};
SCHEMA(offset_commit_topic);

static const struct field offset_commit_request_fields[] = {
    FIELD(offset_commit_request, group_id, "GroupId", STRING, 0),
    FIELD(offset_commit_request, generation_id_or_member_epoch,
          "GenerationIdOrMemberEpoch", INT32, 0,
          .fallback = -1),
    FIELD(offset_commit_request, member_id, "MemberId", STRING, 0),
    FIELD(offset_commit_request, group_instance_id, "GroupInstanceId", STRING, 7, NULL_FROM(7)),
    FIELD(offset_commit_request, retention_time_ms, "RetentionTimeMs", INT64, 0, .until = 4,
          .fallback = -1),
    FIELD(offset_commit_request, topics, "Topics", ARRAY, 0, .item = &offset_commit_topic_schema),
};
SCHEMA(offset_commit_request);

/* OffsetCommitResponse (key 8), versions 2 to 10. */
static const struct field offset_commit_partition_reply_fields[] = {
    FIELD(offset_commit_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(offset_commit_partition_reply, error_code, "ErrorCode", INT16, 0),
};
SCHEMA(offset_commit_partition_reply);

static const struct field offset_commit_topic_reply_fields[] = {
    FIELD(offset_commit_topic_reply, name, "Name", STRING, 0, .until = 9),
    FIELD(offset_commit_topic_reply, topic_id, "TopicId", UUID, 10),
    FIELD(offset_commit_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &offset_commit_partition_reply_schema),
};
SCHEMA(offset_commit_topic_reply);

static const struct field offset_commit_response_fields[] = {
    FIELD(offset_commit_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3),
    FIELD(offset_commit_response, topics, "Topics", ARRAY, 0,
          .item = &offset_commit_topic_reply_schema),
};
SCHEMA(offset_commit_response);

/* OffsetFetchRequest (key 9), versions 1 to 10. */
static const struct field offset_fetch_topic_fields[] = {
    FIELD(offset_fetch_topic, name, "Name", STRING, 0, .until = 7),
    FIELD(offset_fetch_topic, partition_indexes, "PartitionIndexes", ARRAY, 0, .of = KIND_INT32,
          .until = 7),
};
SCHEMA(offset_fetch_topic);

static const struct field offset_fetch_group_topic_fields[] = {
    FIELD(offset_fetch_group_topic, name, "Name", STRING, 8, .until = 9),
    FIELD(offset_fetch_group_topic, topic_id, "TopicId", UUID, 10),
    FIELD(offset_fetch_group_topic, partition_indexes, "PartitionIndexes", ARRAY, 8,
          .of = KIND_INT32),
};
SCHEMA(offset_fetch_group_topic);

static const struct field offset_fetch_group_fields[] = {
    FIELD(offset_fetch_group, group_id, "GroupId", STRING, 8),
    FIELD(offset_fetch_group, member_id, "MemberId", STRING, 9, NULL_FROM(9)),
    FIELD(offset_fetch_group, member_epoch, "MemberEpoch", INT32, 9, .fallback = -1),
    FIELD(offset_fetch_group, topics, "Topics", ARRAY, 8, .item = &offset_fetch_group_topic_schema,
          NULL_FROM(8)),
};
SCHEMA(offset_fetch_group);

static const struct field offset_fetch_request_fields[] = {
    FIELD(offset_fetch_request, group_id, "GroupId", STRING, 0, .until = 7),
    FIELD(offset_fetch_request, topics, "Topics", ARRAY, 0, .item = &offset_fetch_topic_schema,
          .until = 7, NULL_FROM(2)),
    FIELD(offset_fetch_request, groups, "Groups", ARRAY, 8, .item = &offset_fetch_group_schema),
    FIELD(offset_fetch_request, require_stable, "RequireStable", BOOL, 7),
};
SCHEMA(offset_fetch_request);

/* OffsetFetchResponse (key 9), versions 1 to 10. */
static const struct field offset_fetch_partition_reply_fields[] = {
    FIELD(offset_fetch_partition_reply, partition_index, "PartitionIndex", INT32, 0, .until = 7),
    FIELD(offset_fetch_partition_reply, committed_offset, "CommittedOffset", INT64, 0, .until = 7),
    FIELD(offset_fetch_partition_reply, committed_leader_epoch, "CommittedLeaderEpoch", INT32, 5,
          .until = 7, .fallback = -1),
    FIELD(offset_fetch_partition_reply, metadata, "Metadata", STRING, 0, .until = 7, NULL_FROM(0)),
    FIELD(offset_fetch_partition_reply, error_code, "ErrorCode", INT16, 0, .until = 7),
};
SCHEMA(offset_fetch_partition_reply);

static const struct field offset_fetch_topic_reply_fields[] = {
    FIELD(offset_fetch_topic_reply, name, "Name", STRING, 0, .until = 7),
    FIELD(offset_fetch_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &offset_fetch_partition_reply_schema, .until = 7),
};
SCHEMA(offset_fetch_topic_reply);

static const struct field offset_fetch_group_partition_reply_fields[] = {
    FIELD(offset_fetch_group_partition_reply, partition_index, "PartitionIndex", INT32, 8),
    FIELD(offset_fetch_group_partition_reply, committed_offset, "CommittedOffset", INT64, 8),
    FIELD(offset_fetch_group_partition_reply, committed_leader_epoch,
          "CommittedLeaderEpoch", INT32, 8,
          .fallback = -1),
    FIELD(offset_fetch_group_partition_reply, metadata, "Metadata", STRING, 8, NULL_FROM(8)),
    FIELD(offset_fetch_group_partition_reply, error_code, "ErrorCode", INT16, 8),
};
SCHEMA(offset_fetch_group_partition_reply);

static const struct field offset_fetch_group_topic_reply_fields[] = {
    FIELD(offset_fetch_group_topic_reply, name, "Name", STRING, 8, .until = 9),
    FIELD(offset_fetch_group_topic_reply, topic_id, "TopicId", UUID, 10),
    FIELD(offset_fetch_group_topic_reply, partitions, "Partitions", ARRAY, 8,
          .item = &offset_fetch_group_partition_reply_schema),
};
SCHEMA(offset_fetch_group_topic_reply);

static const struct field offset_fetch_group_reply_fields[] = {
    FIELD(offset_fetch_group_reply, group_id, "GroupId", STRING, 8),
    FIELD(offset_fetch_group_reply, topics, "Topics", ARRAY, 8,
          .item = &offset_fetch_group_topic_reply_schema),
    FIELD(offset_fetch_group_reply, error_code, "ErrorCode", INT16, 8),
};
SCHEMA(offset_fetch_group_reply);

static const struct field offset_fetch_response_fields[] = {
    FIELD(offset_fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3),
    FIELD(offset_fetch_response, topics, "Topics", ARRAY, 0,
          .item = &offset_fetch_topic_reply_schema, .until = 7),
    FIELD(offset_fetch_response, error_code, "ErrorCode", INT16, 2, .until = 7),
    FIELD(offset_fetch_response, groups, "Groups", ARRAY, 8,
          .item = &offset_fetch_group_reply_schema),
};
SCHEMA(offset_fetch_response);

/* DescribeGroupsRequest (key 15), versions 0 to 6. */
static const struct field describe_groups_request_fields[] = {
    FIELD(describe_groups_request, groups, "Groups", ARRAY, 0, .of = KIND_STRING),
    FIELD(describe_groups_request, include_authorized_operations,
          "IncludeAuthorizedOperations", BOOL, 3),
};
SCHEMA(describe_groups_request);

/* DescribeGroupsResponse (key 15), versions 0 to 6. */
static const struct field describe_groups_member_reply_fields[] = {
    FIELD(describe_groups_member_reply, member_id, "MemberId", STRING, 0),
    FIELD(describe_groups_member_reply, group_instance_id, "GroupInstanceId", STRING, 4,
          NULL_FROM(4)),
    FIELD(describe_groups_member_reply, client_id, "ClientId", STRING, 0),
    FIELD(describe_groups_member_reply, client_host, "ClientHost", STRING, 0),
    FIELD(describe_groups_member_reply, member_metadata, "MemberMetadata", BYTES, 0),
    FIELD(describe_groups_member_reply, member_assignment, "MemberAssignment", BYTES, 0),
};
SCHEMA(describe_groups_member_reply);

static const struct field describe_groups_group_reply_fields[] = {
    FIELD(describe_groups_group_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(describe_groups_group_reply, error_message, "ErrorMessage", STRING, 6, NULL_FROM(6)),
    FIELD(describe_groups_group_reply, group_id, "GroupId", STRING, 0),
    FIELD(describe_groups_group_reply, group_state, "GroupState", STRING, 0),
    FIELD(describe_groups_group_reply, protocol_type, "ProtocolType", STRING, 0),
    FIELD(describe_groups_group_reply, protocol_data, "ProtocolData", STRING, 0),
    FIELD(describe_groups_group_reply, members, "Members", ARRAY, 0,
          .item = &describe_groups_member_reply_schema),
    FIELD(describe_groups_group_reply, authorized_operations, "AuthorizedOperations", INT32, 3,
          .fallback = -2147483648),
};
SCHEMA(describe_groups_group_reply);

static const struct field describe_groups_response_fields[] = {
    FIELD(describe_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(describe_groups_response, groups, "Groups", ARRAY, 0,
          .item = &describe_groups_group_reply_schema),
};
SCHEMA(describe_groups_response);

/* ListGroupsRequest (key 16), versions 0 to 5. */
static const struct field list_groups_request_fields[] = {
    FIELD(list_groups_request, states_filter, "StatesFilter", ARRAY, 4, .of = KIND_STRING),
    FIELD(list_groups_request, types_filter, "TypesFilter", ARRAY, 5, .of = KIND_STRING),
};
SCHEMA(list_groups_request);

/* ListGroupsResponse (key 16), versions 0 to 5. */
static const struct field list_groups_group_reply_fields[] = {
    FIELD(list_groups_group_reply, group_id, "GroupId", STRING, 0),
    FIELD(list_groups_group_reply, protocol_type, "ProtocolType", STRING, 0),
    FIELD(list_groups_group_reply, group_state, "GroupState", STRING, 4),
    FIELD(list_groups_group_reply, group_type, "GroupType", STRING, 5),
};
SCHEMA(list_groups_group_reply);

static const struct field list_groups_response_fields[] = {
    FIELD(list_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1),
    FIELD(list_groups_response, error_code, "ErrorCode", INT16, 0),
    FIELD(list_groups_response, groups, "Groups", ARRAY, 0,
          .item = &list_groups_group_reply_schema),
};
SCHEMA(list_groups_response);

/* DeleteGroupsRequest (key 42), versions 0 to 2. */
static const struct field delete_groups_request_fields[] = {
    FIELD(delete_groups_request, groups_names, "GroupsNames", ARRAY, 0, .of = KIND_STRING),
};
SCHEMA(delete_groups_request);

/* DeleteGroupsResponse (key 42), versions 0 to 2. */
static const struct field delete_groups_result_fields[] = {
    FIELD(delete_groups_result, group_id, "GroupId", STRING, 0),
    FIELD(delete_groups_result, error_code, "ErrorCode", INT16, 0),
};
SCHEMA(delete_groups_result);

static const struct field delete_groups_response_fields[] = {
    FIELD(delete_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(delete_groups_response, results, "Results", ARRAY, 0,
          .item = &delete_groups_result_schema),
};
SCHEMA(delete_groups_response);

/* OffsetDeleteRequest (key 47), versions 0 to 0. */
static const struct field offset_delete_partition_fields[] = {
    FIELD(offset_delete_partition, partition_index, "PartitionIndex", INT32, 0),
};
SCHEMA(offset_delete_partition);

static const struct field offset_delete_topic_fields[] = {
    FIELD(offset_delete_topic, name, "Name", STRING, 0),
    FIELD(offset_delete_topic, partitions, "Partitions", ARRAY, 0,
          .item = &offset_delete_partition_schema),
};
SCHEMA(offset_delete_topic);

static const struct field offset_delete_request_fields[] = {
    FIELD(offset_delete_request, group_id, "GroupId", STRING, 0),
    FIELD(offset_delete_request, topics, "Topics", ARRAY, 0, .item = &offset_delete_topic_schema),
};
SCHEMA(offset_delete_request);

/* OffsetDeleteResponse (key 47), versions 0 to 0. */
static const struct field offset_delete_partition_reply_fields[] = {
    FIELD(offset_delete_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(offset_delete_partition_reply, error_code, "ErrorCode", INT16, 0),
};
SCHEMA(offset_delete_partition_reply);

static const struct field offset_delete_topic_reply_fields[] = {
    FIELD(offset_delete_topic_reply, name, "Name", STRING, 0),
    FIELD(offset_delete_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &offset_delete_partition_reply_schema),
};
SCHEMA(offset_delete_topic_reply);

static const struct field offset_delete_response_fields[] = {
    FIELD(offset_delete_response, error_code, "ErrorCode", INT16, 0),
    FIELD(offset_delete_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(offset_delete_response, topics, "Topics", ARRAY, 0,
          .item = &offset_delete_topic_reply_schema),
};
SCHEMA(offset_delete_response);
