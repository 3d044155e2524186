/* messages.h - the messages of the Kafka protocol that the broker speaks, as C structs.
 *
 * Named and ordered as in Kafka's message definitions (clients/src/main/resources/common/message).
 * Requests are filled by the decoder: slices point into the frame, arrays into the arena. Fields
 * that a version does not carry have the definition's default. Elements of a request's array are
 * named after the request; those of a response end in _reply.
 */
#ifndef KAFKA_MESSAGES_H
#define KAFKA_MESSAGES_H

#include "kafka/schema.h"

/* ---- produce, fetch and the topics they speak of */

/* ProduceRequest (key 0) */
struct produce_partition {
    int32_t index;
    struct kafka_records records;
};

struct produce_topic {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(struct produce_partition) partition_data;
};

struct produce_request {
    struct slice transactional_id;
    int16_t acks;
    int32_t timeout_ms;
    KAFKA_ARRAY(struct produce_topic) topic_data;
};

/* ProduceResponse (key 0) */
struct produce_record_error {
    int32_t batch_index;
    struct slice batch_index_error_message;
};

struct produce_leader_id_and_epoch_reply {
    int32_t leader_id;
    int32_t leader_epoch;
};

struct produce_partition_reply {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    KAFKA_ARRAY(struct produce_record_error) record_errors;
    struct slice error_message;
    struct produce_leader_id_and_epoch_reply current_leader;
};

struct produce_topic_reply {
    struct slice name;
    struct uuid topic_id;
    KAFKA_ARRAY(struct produce_partition_reply) partition_responses;
};

struct produce_node_endpoint_reply {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};

struct produce_response {
    KAFKA_ARRAY(struct produce_topic_reply) responses;
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct produce_node_endpoint_reply) node_endpoints;
};

/* FetchRequest (key 1) */
struct fetch_replica_state {
    int32_t replica_id;
    int64_t replica_epoch;
};

struct fetch_partition {
    int32_t partition;
    int32_t current_leader_epoch;
    int64_t fetch_offset;
    int32_t last_fetched_epoch;
    int64_t log_start_offset;
    int32_t partition_max_bytes;
    struct uuid replica_directory_id;
    int64_t high_watermark;
};

struct fetch_topic {
    struct slice topic;
    struct uuid topic_id;
    KAFKA_ARRAY(struct fetch_partition) partitions;
};

struct fetch_forgotten_topic {
    struct slice topic;
    struct uuid topic_id;
    KAFKA_ARRAY(int32_t) partitions;
};

struct fetch_request {
    struct slice cluster_id;
    int32_t replica_id;
    struct fetch_replica_state replica_state;
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;
    int8_t isolation_level;
    int32_t session_id;
    int32_t session_epoch;
    KAFKA_ARRAY(struct fetch_topic) topics;
    KAFKA_ARRAY(struct fetch_forgotten_topic) forgotten_topics_data;
    struct slice rack_id;
};

/* FetchResponse (key 1) */
struct fetch_epoch_end_offset_reply {
    int32_t epoch;
    int64_t end_offset;
};

struct fetch_leader_id_and_epoch_reply {
    int32_t leader_id;
    int32_t leader_epoch;
};

struct fetch_snapshot_id_reply {
    int64_t end_offset;
    int32_t epoch;
};

struct fetch_aborted_transaction_reply {
    int64_t producer_id;
    int64_t first_offset;
};

struct fetch_partition_reply {
    int32_t partition_index;
    int16_t error_code;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    struct fetch_epoch_end_offset_reply diverging_epoch;
    struct fetch_leader_id_and_epoch_reply current_leader;
    struct fetch_snapshot_id_reply snapshot_id;
    KAFKA_ARRAY(struct fetch_aborted_transaction_reply) aborted_transactions;
    int32_t preferred_read_replica;
    struct kafka_records records;
};

struct fetch_topic_reply {
    struct slice topic;
    struct uuid topic_id;
    KAFKA_ARRAY(struct fetch_partition_reply) partitions;
};

struct fetch_node_endpoint_reply {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};

struct fetch_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int32_t session_id;
    KAFKA_ARRAY(struct fetch_topic_reply) responses;
    KAFKA_ARRAY(struct fetch_node_endpoint_reply) node_endpoints;
};

/* ListOffsetsRequest (key 2) */
struct list_offsets_partition {
    int32_t partition_index;
    int32_t current_leader_epoch;
    int64_t timestamp;
};

struct list_offsets_topic {
    struct slice name;
    KAFKA_ARRAY(struct list_offsets_partition) partitions;
};

struct list_offsets_request {
    int32_t replica_id;
    int8_t isolation_level;
    KAFKA_ARRAY(struct list_offsets_topic) topics;
    int32_t timeout_ms;
};

/* ListOffsetsResponse (key 2) */
struct list_offsets_partition_reply {
    int32_t partition_index;
    int16_t error_code;
    int64_t timestamp;
    int64_t offset;
    int32_t leader_epoch;
};

struct list_offsets_topic_reply {
    struct slice name;
    KAFKA_ARRAY(struct list_offsets_partition_reply) partitions;
};

struct list_offsets_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct list_offsets_topic_reply) topics;
};

/* MetadataRequest (key 3) */
struct metadata_topic {
    struct uuid topic_id;
    struct slice name;
};

struct metadata_request {
    KAFKA_ARRAY(struct metadata_topic) topics;
    bool allow_auto_topic_creation;
    bool include_cluster_authorized_operations;
    bool include_topic_authorized_operations;
};

/* MetadataResponse (key 3) */
struct metadata_broker_reply {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};

struct metadata_partition_reply {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch;
    KAFKA_ARRAY(int32_t) replica_nodes;
    KAFKA_ARRAY(int32_t) isr_nodes;
    KAFKA_ARRAY(int32_t) offline_replicas;
};

struct metadata_topic_reply {
    int16_t error_code;
    struct slice name;
    struct uuid topic_id;
    bool is_internal;
    KAFKA_ARRAY(struct metadata_partition_reply) partitions;
    int32_t topic_authorized_operations;
};

struct metadata_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct metadata_broker_reply) brokers;
    struct slice cluster_id;
    int32_t controller_id;
    KAFKA_ARRAY(struct metadata_topic_reply) topics;
    int32_t cluster_authorized_operations;
    int16_t error_code;
};

/* OffsetForLeaderEpochRequest (key 23) */
struct epoch_partition {
    int32_t partition;
    int32_t current_leader_epoch;
    int32_t leader_epoch;
};

struct epoch_topic {
    struct slice topic;
    KAFKA_ARRAY(struct epoch_partition) partitions;
};

struct offset_for_leader_epoch_request {
    int32_t replica_id;
    KAFKA_ARRAY(struct epoch_topic) topics;
};

/* OffsetForLeaderEpochResponse (key 23) */
struct epoch_end_offset {
    int16_t error_code;
    int32_t partition;
    int32_t leader_epoch;
    int64_t end_offset;
};

struct epoch_topic_reply {
    struct slice topic;
    KAFKA_ARRAY(struct epoch_end_offset) partitions;
};

struct offset_for_leader_epoch_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct epoch_topic_reply) topics;
};

/* InitProducerIdRequest (key 22) */
struct init_producer_id_request {
    struct slice transactional_id;
    int32_t transaction_timeout_ms;
    int64_t producer_id;
    int16_t producer_epoch;
};

/* InitProducerIdResponse (key 22) */
struct init_producer_id_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int64_t producer_id;
    int16_t producer_epoch;
};

extern const struct schema produce_request_schema;
extern const struct schema produce_response_schema;
extern const struct schema fetch_request_schema;
extern const struct schema fetch_response_schema;
extern const struct schema list_offsets_request_schema;
extern const struct schema list_offsets_response_schema;
extern const struct schema metadata_request_schema;
extern const struct schema metadata_response_schema;
extern const struct schema offset_for_leader_epoch_request_schema;
extern const struct schema offset_for_leader_epoch_response_schema;
extern const struct schema init_producer_id_request_schema;
extern const struct schema init_producer_id_response_schema;

extern const struct schema produce_record_error_schema;
extern const struct schema produce_leader_id_and_epoch_reply_schema;
extern const struct schema produce_partition_reply_schema;
extern const struct schema produce_topic_reply_schema;
extern const struct schema produce_node_endpoint_reply_schema;
extern const struct schema fetch_epoch_end_offset_reply_schema;
extern const struct schema fetch_leader_id_and_epoch_reply_schema;
extern const struct schema fetch_snapshot_id_reply_schema;
extern const struct schema fetch_aborted_transaction_reply_schema;
extern const struct schema fetch_partition_reply_schema;
extern const struct schema fetch_topic_reply_schema;
extern const struct schema fetch_node_endpoint_reply_schema;
extern const struct schema list_offsets_partition_reply_schema;
extern const struct schema list_offsets_topic_reply_schema;
extern const struct schema metadata_broker_reply_schema;
extern const struct schema metadata_partition_reply_schema;
extern const struct schema metadata_topic_reply_schema;
extern const struct schema epoch_end_offset_schema;
extern const struct schema epoch_topic_reply_schema;

/* ---- versions, consumer groups and their offsets */

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

/* ---- topics and their configuration, the cluster */

/* CreateTopicsRequest (key 19) */
struct create_topics_assignment {
    int32_t partition_index;
    KAFKA_ARRAY(int32_t) broker_ids;
};

struct create_topics_config {
    struct slice name;
    struct slice value;
};

struct create_topics_topic {
    struct slice name;
    int32_t num_partitions;
    int16_t replication_factor;
    KAFKA_ARRAY(struct create_topics_assignment) assignments;
    KAFKA_ARRAY(struct create_topics_config) configs;
};

struct create_topics_request {
    KAFKA_ARRAY(struct create_topics_topic) topics;
    int32_t timeout_ms;
    bool validate_only;
};

/* CreateTopicsResponse (key 19) */
struct create_topics_config_reply {
    struct slice name;
    struct slice value;
    bool read_only;
    int8_t config_source;
    bool is_sensitive;
};

struct create_topics_topic_reply {
    struct slice name;
    struct uuid topic_id;
    int16_t error_code;
    struct slice error_message;
    int16_t topic_config_error_code;
    int32_t num_partitions;
    int16_t replication_factor;
    KAFKA_ARRAY(struct create_topics_config_reply) configs;
};

struct create_topics_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct create_topics_topic_reply) topics;
};

/* DeleteTopicsRequest (key 20) */
struct delete_topics_topic {
    struct slice name;
    struct uuid topic_id;
};

struct delete_topics_request {
    KAFKA_ARRAY(struct delete_topics_topic) topics;
    KAFKA_ARRAY(struct slice) topic_names;
    int32_t timeout_ms;
};

/* DeleteTopicsResponse (key 20) */
struct delete_topics_topic_reply {
    struct slice name;
    struct uuid topic_id;
    int16_t error_code;
    struct slice error_message;
};

struct delete_topics_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct delete_topics_topic_reply) responses;
};

/* DeleteRecordsRequest (key 21) */
struct delete_records_partition {
    int32_t partition_index;
    int64_t offset;
};

struct delete_records_topic {
    struct slice name;
    KAFKA_ARRAY(struct delete_records_partition) partitions;
};

struct delete_records_request {
    KAFKA_ARRAY(struct delete_records_topic) topics;
    int32_t timeout_ms;
};

/* DeleteRecordsResponse (key 21) */
struct delete_records_partition_reply {
    int32_t partition_index;
    int64_t low_watermark;
    int16_t error_code;
};

struct delete_records_topic_reply {
    struct slice name;
    KAFKA_ARRAY(struct delete_records_partition_reply) partitions;
};

struct delete_records_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct delete_records_topic_reply) topics;
};

/* DescribeConfigsRequest (key 32) */
struct describe_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    KAFKA_ARRAY(struct slice) configuration_keys;
};

struct describe_configs_request {
    KAFKA_ARRAY(struct describe_configs_resource) resources;
    bool include_synonyms;
    bool include_documentation;
};

/* DescribeConfigsResponse (key 32) */
struct describe_configs_synonym_reply {
    struct slice name;
    struct slice value;
    int8_t source;
};

struct describe_configs_config_reply {
    struct slice name;
    struct slice value;
    bool read_only;
    int8_t config_source;
    bool is_sensitive;
    KAFKA_ARRAY(struct describe_configs_synonym_reply) synonyms;
    int8_t config_type;
    struct slice documentation;
};

struct describe_configs_resource_reply {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
    KAFKA_ARRAY(struct describe_configs_config_reply) configs;
};

struct describe_configs_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct describe_configs_resource_reply) results;
};

/* AlterConfigsRequest (key 33) */
struct alter_configs_config {
    struct slice name;
    struct slice value;
};

struct alter_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    KAFKA_ARRAY(struct alter_configs_config) configs;
};

struct alter_configs_request {
    KAFKA_ARRAY(struct alter_configs_resource) resources;
    bool validate_only;
};

/* AlterConfigsResponse (key 33) */
struct alter_configs_resource_reply {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
};

struct alter_configs_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct alter_configs_resource_reply) responses;
};

/* IncrementalAlterConfigsRequest (key 44) */
struct incremental_alter_configs_config {
    struct slice name;
    int8_t config_operation;
    struct slice value;
};

struct incremental_alter_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    KAFKA_ARRAY(struct incremental_alter_configs_config) configs;
};

struct incremental_alter_configs_request {
    KAFKA_ARRAY(struct incremental_alter_configs_resource) resources;
    bool validate_only;
};

/* IncrementalAlterConfigsResponse (key 44) */
struct incremental_alter_configs_resource_reply {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
};

struct incremental_alter_configs_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct incremental_alter_configs_resource_reply) responses;
};

/* CreatePartitionsRequest (key 37) */
struct create_partitions_assignment {
    KAFKA_ARRAY(int32_t) broker_ids;
};

struct create_partitions_topic {
    struct slice name;
    int32_t count;
    KAFKA_ARRAY(struct create_partitions_assignment) assignments;
};

struct create_partitions_request {
    KAFKA_ARRAY(struct create_partitions_topic) topics;
    int32_t timeout_ms;
    bool validate_only;
};

/* CreatePartitionsResponse (key 37) */
struct create_partitions_topic_reply {
    struct slice name;
    int16_t error_code;
    struct slice error_message;
};

struct create_partitions_response {
    int32_t throttle_time_ms;
    KAFKA_ARRAY(struct create_partitions_topic_reply) results;
};

/* DescribeClusterRequest (key 60) */
struct describe_cluster_request {
    bool include_cluster_authorized_operations;
    int8_t endpoint_type;
    bool include_fenced_brokers;
};

/* DescribeClusterResponse (key 60) */
struct describe_cluster_broker_reply {
    int32_t broker_id;
    struct slice host;
    int32_t port;
    struct slice rack;
    bool is_fenced;
};

struct describe_cluster_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice error_message;
    int8_t endpoint_type;
    struct slice cluster_id;
    int32_t controller_id;
    KAFKA_ARRAY(struct describe_cluster_broker_reply) brokers;
    int32_t cluster_authorized_operations;
};

/* DescribeLogDirsRequest (key 35) */
struct describe_log_dirs_topic {
    struct slice topic;
    KAFKA_ARRAY(int32_t) partitions;
};

struct describe_log_dirs_request {
    KAFKA_ARRAY(struct describe_log_dirs_topic) topics;
};

/* DescribeLogDirsResponse (key 35) */
struct describe_log_dirs_partition_reply {
    int32_t partition_index;
    int64_t partition_size;
    int64_t offset_lag;
    bool is_future_key;
};

struct describe_log_dirs_topic_reply {
    struct slice name;
    KAFKA_ARRAY(struct describe_log_dirs_partition_reply) partitions;
};

struct describe_log_dirs_result_reply {
    int16_t error_code;
    struct slice log_dir;
    KAFKA_ARRAY(struct describe_log_dirs_topic_reply) topics;
    int64_t total_bytes;
    int64_t usable_bytes;
};

struct describe_log_dirs_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    KAFKA_ARRAY(struct describe_log_dirs_result_reply) results;
};

extern const struct schema create_topics_request_schema;
extern const struct schema create_topics_response_schema;
extern const struct schema delete_topics_request_schema;
extern const struct schema delete_topics_response_schema;
extern const struct schema delete_records_request_schema;
extern const struct schema delete_records_response_schema;
extern const struct schema describe_configs_request_schema;
extern const struct schema describe_configs_response_schema;
extern const struct schema alter_configs_request_schema;
extern const struct schema alter_configs_response_schema;
extern const struct schema incremental_alter_configs_request_schema;
extern const struct schema incremental_alter_configs_response_schema;
extern const struct schema create_partitions_request_schema;
extern const struct schema create_partitions_response_schema;
extern const struct schema describe_cluster_request_schema;
extern const struct schema describe_cluster_response_schema;
extern const struct schema describe_log_dirs_request_schema;
extern const struct schema describe_log_dirs_response_schema;

extern const struct schema create_topics_config_reply_schema;
extern const struct schema create_topics_topic_reply_schema;
extern const struct schema delete_topics_topic_reply_schema;
extern const struct schema delete_records_partition_reply_schema;
extern const struct schema delete_records_topic_reply_schema;
extern const struct schema describe_configs_synonym_reply_schema;
extern const struct schema describe_configs_config_reply_schema;
extern const struct schema describe_configs_resource_reply_schema;
extern const struct schema alter_configs_resource_reply_schema;
extern const struct schema incremental_alter_configs_resource_reply_schema;
extern const struct schema create_partitions_topic_reply_schema;
extern const struct schema describe_cluster_broker_reply_schema;
extern const struct schema describe_log_dirs_partition_reply_schema;
extern const struct schema describe_log_dirs_topic_reply_schema;
extern const struct schema describe_log_dirs_result_reply_schema;

#endif
