/* messages_group.h - C structs of versions, consumer groups and their offsets. See messages.h. */
#ifndef KAFKA_MESSAGES_GROUP_H
#define KAFKA_MESSAGES_GROUP_H

#include "kafka/schema.h"

/* ApiVersionsRequest (key 18) */
struct api_versions_request {
    struct slice client_software_name;
    struct slice client_software_version;
};

/* ApiVersionsResponse (key 18) */
struct api_version_range {
    int16_t api_key;
    int16_t min_version;
    int16_t max_version;
};

struct api_versions_supported_feature {
    struct slice name;
    int16_t min_version;
    int16_t max_version;
};

struct api_versions_finalized_feature {
    struct slice name;
    int16_t max_version_level;
    int16_t min_version_level;
};

struct api_versions_response {
    int16_t error_code;
    KAFKA_ARRAY(struct api_version_range) api_keys;
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct api_versions_supported_feature) supported_features;
    int64_t finalized_features_epoch;
    KAFKA_ARRAY(struct api_versions_finalized_feature) finalized_features;
    bool zk_migration_ready;
};

/* FindCoordinatorRequest (key 10) */
struct find_coordinator_request {
    struct slice key;
    int8_t key_type;
    KAFKA_ARRAY(struct slice) coordinator_keys;
};

/* FindCoordinatorResponse (key 10) */
struct find_coordinator_reply {
    struct slice key;
    int32_t node_id;
    struct slice host;
    int32_t port;
    int16_t error_code;
    struct slice error_message;
};

struct find_coordinator_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice error_message;
    int32_t node_id;
    struct slice host;
    int32_t port;
    KAFKA_ARRAY(struct find_coordinator_reply) coordinators;
};

/* JoinGroupRequest (key 11) */
struct join_group_protocol {
    struct slice name;
    struct slice metadata;
};

struct join_group_request {
    struct slice group_id;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct slice member_id;
    struct slice group_instance_id;
    struct slice protocol_type;
    KAFKA_ARRAY(struct join_group_protocol) protocols;
    struct slice reason;
};

/* JoinGroupResponse (key 11) */
struct join_group_member_reply {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice metadata;
};

struct join_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int32_t generation_id;
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice leader;
    bool skip_assignment;
    struct slice member_id;
    KAFKA_ARRAY(struct join_group_member_reply) members;
};

/* SyncGroupRequest (key 14) */
struct sync_group_assignment {
    struct slice member_id;
    struct slice assignment;
};

struct sync_group_request {
    struct slice group_id;
    int32_t generation_id;
    struct slice member_id;
    struct slice group_instance_id;
    struct slice protocol_type;
    struct slice protocol_name;
    KAFKA_ARRAY(struct sync_group_assignment) assignments;
};

/* SyncGroupResponse (key 14) */
struct sync_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice assignment;
};

/* HeartbeatRequest (key 12) */
struct heartbeat_request {
    struct slice group_id;
    int32_t generation_id;
    struct slice member_id;
    struct slice group_instance_id;
};

/* HeartbeatResponse (key 12) */
struct heartbeat_response {
    int32_t throttle_time_ms;
    int16_t error_code;
};

/* LeaveGroupRequest (key 13) */
struct leave_group_member {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice reason;
};

struct leave_group_request {
    struct slice group_id;
    struct slice member_id;
    KAFKA_ARRAY(struct leave_group_member) members;
};

/* LeaveGroupResponse (key 13) */
struct leave_group_member_reply {
    struct slice member_id;
    struct slice group_instance_id;
    int16_t error_code;
};

struct leave_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    KAFKA_ARRAY(struct leave_group_member_reply) members;
};

/* OffsetCommitRequest (key 8) */
struct offset_commit_partition {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice committed_metadata;
};

struct offset_commit_topic {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(struct offset_commit_partition) partitions;
};

struct offset_commit_request {
    struct slice group_id;
    int32_t generation_id_or_member_epoch;
    struct slice member_id;
    struct slice group_instance_id;
    int64_t retention_time_ms;
    KAFKA_ARRAY(struct offset_commit_topic) topics;
};

/* OffsetCommitResponse (key 8) */
struct offset_commit_partition_reply {
    int32_t partition_index;
    int16_t error_code;
};

struct offset_commit_topic_reply {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(struct offset_commit_partition_reply) partitions;
};

struct offset_commit_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct offset_commit_topic_reply) topics;
};

/* OffsetFetchRequest (key 9) */
struct offset_fetch_topic {
    struct slice name;
    KAFKA_ARRAY(int32_t) partition_indexes;
};

struct offset_fetch_group_topic {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(int32_t) partition_indexes;
};

struct offset_fetch_group {
    struct slice group_id;
    struct slice member_id;
    int32_t member_epoch;
    KAFKA_ARRAY(struct offset_fetch_group_topic) topics;
};

struct offset_fetch_request {
    struct slice group_id;
    KAFKA_ARRAY(struct offset_fetch_topic) topics;
    KAFKA_ARRAY(struct offset_fetch_group) groups;
    bool require_stable;
};

/* OffsetFetchResponse (key 9) */
struct offset_fetch_partition_reply {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice metadata;
    int16_t error_code;
};

struct offset_fetch_topic_reply {
    struct slice name;
    KAFKA_ARRAY(struct offset_fetch_partition_reply) partitions;
};

struct offset_fetch_group_partition_reply {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice metadata;
    int16_t error_code;
};

struct offset_fetch_group_topic_reply {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(struct offset_fetch_group_partition_reply) partitions;
};

struct offset_fetch_group_reply {
    struct slice group_id;
    KAFKA_ARRAY(struct offset_fetch_group_topic_reply) topics;
    int16_t error_code;
};

struct offset_fetch_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct offset_fetch_topic_reply) topics;
    int16_t error_code;
    KAFKA_ARRAY(struct offset_fetch_group_reply) groups;
};

/* DescribeGroupsRequest (key 15) */
struct describe_groups_request {
    KAFKA_ARRAY(struct slice) groups;
    bool include_authorized_operations;
};

/* DescribeGroupsResponse (key 15) */
struct describe_groups_member_reply {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice client_id;
    struct slice client_host;
    struct slice member_metadata;
    struct slice member_assignment;
};

struct describe_groups_group_reply {
    int16_t error_code;
    struct slice error_message;
    struct slice group_id;
    struct slice group_state;
    struct slice protocol_type;
    struct slice protocol_data;
    KAFKA_ARRAY(struct describe_groups_member_reply) members;
    int32_t authorized_operations;
};

struct describe_groups_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct describe_groups_group_reply) groups;
};

/* ListGroupsRequest (key 16) */
struct list_groups_request {
    KAFKA_ARRAY(struct slice) states_filter;
    KAFKA_ARRAY(struct slice) types_filter;
};

/* ListGroupsResponse (key 16) */
struct list_groups_group_reply {
    struct slice group_id;
    struct slice protocol_type;
    struct slice group_state;
    struct slice group_type;
};

struct list_groups_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    KAFKA_ARRAY(struct list_groups_group_reply) groups;
};

/* DeleteGroupsRequest (key 42) */
struct delete_groups_request {
    KAFKA_ARRAY(struct slice) groups_names;
};

/* DeleteGroupsResponse (key 42) */
struct delete_groups_result {
    struct slice group_id;
    int16_t error_code;
};

struct delete_groups_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct delete_groups_result) results;
};

/* OffsetDeleteRequest (key 47) */
struct offset_delete_partition {
    int32_t partition_index;
};

struct offset_delete_topic {
    struct slice name;
    KAFKA_ARRAY(struct offset_delete_partition) partitions;
};

struct offset_delete_request {
    struct slice group_id;
    KAFKA_ARRAY(struct offset_delete_topic) topics;
};

/* OffsetDeleteResponse (key 47) */
struct offset_delete_partition_reply {
    int32_t partition_index;
    int16_t error_code;
};

struct offset_delete_topic_reply {
    struct slice name;
    KAFKA_ARRAY(struct offset_delete_partition_reply) partitions;
};

struct offset_delete_response {
    int16_t error_code;
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct offset_delete_topic_reply) topics;
};

extern const struct schema api_versions_request_schema;
extern const struct schema api_versions_response_schema;
extern const struct schema find_coordinator_request_schema;
extern const struct schema find_coordinator_response_schema;
extern const struct schema join_group_request_schema;
extern const struct schema join_group_response_schema;
extern const struct schema sync_group_request_schema;
extern const struct schema sync_group_response_schema;
extern const struct schema heartbeat_request_schema;
extern const struct schema heartbeat_response_schema;
extern const struct schema leave_group_request_schema;
extern const struct schema leave_group_response_schema;
extern const struct schema offset_commit_request_schema;
extern const struct schema offset_commit_response_schema;
extern const struct schema offset_fetch_request_schema;
extern const struct schema offset_fetch_response_schema;
extern const struct schema describe_groups_request_schema;
extern const struct schema describe_groups_response_schema;
extern const struct schema list_groups_request_schema;
extern const struct schema list_groups_response_schema;
extern const struct schema delete_groups_request_schema;
extern const struct schema delete_groups_response_schema;
extern const struct schema offset_delete_request_schema;
extern const struct schema offset_delete_response_schema;

extern const struct schema api_version_range_schema;
extern const struct schema find_coordinator_reply_schema;
extern const struct schema join_group_member_reply_schema;
extern const struct schema leave_group_member_reply_schema;
extern const struct schema offset_commit_partition_reply_schema;
extern const struct schema offset_commit_topic_reply_schema;
extern const struct schema offset_fetch_partition_reply_schema;
extern const struct schema offset_fetch_topic_reply_schema;
extern const struct schema offset_fetch_group_partition_reply_schema;
extern const struct schema offset_fetch_group_topic_reply_schema;
extern const struct schema offset_fetch_group_reply_schema;
extern const struct schema describe_groups_member_reply_schema;
extern const struct schema describe_groups_group_reply_schema;
extern const struct schema list_groups_group_reply_schema;
extern const struct schema delete_groups_result_schema;
extern const struct schema offset_delete_partition_reply_schema;
extern const struct schema offset_delete_topic_reply_schema;

#endif
