/* messages_data.c - tables of produce, fetch and the topics they speak of, one field per line
 * in the order and spelling of Kafka's message definitions. A field that goes back to before the
 * oldest version served here is written as since 0. */
#include "kafka/messages_data.h"

/* ProduceRequest (key 0), versions 3 to 13. */
static const struct field produce_partition_fields[] = {
    FIELD(produce_partition, index, "Index", INT32, 0),
    FIELD(produce_partition, records, "Records", RECORDS, 0, NULL_FROM(0)),
};
SCHEMA(produce_partition);

static const struct field produce_topic_fields[] = {
    FIELD(produce_topic, name, "Name", STRING, 0, .until = 12),
    FIELD(produce_topic, topic_id, "TopicId", UUID, 13),
    FIELD(produce_topic, partition_data, "PartitionData", ARRAY, 0,
          .item = &produce_partition_schema),
};
SCHEMA(produce_topic);

static const struct field produce_request_fields[] = {
    FIELD(produce_request, transactional_id, "TransactionalId", STRING, 0, NULL_FROM(0)),
    FIELD(produce_request, acks, "Acks", INT16, 0),
    FIELD(produce_request, timeout_ms, "TimeoutMs", INT32, 0),
    FIELD(produce_request, topic_data, "TopicData", ARRAY, 0, .item = &produce_topic_schema),
};
SCHEMA(produce_request);

/* ProduceResponse (key 0), versions 3 to 13. */
static const struct field produce_record_error_fields[] = {
    FIELD(produce_record_error, batch_index, "BatchIndex", INT32, 8),
    FIELD(produce_record_error, batch_index_error_message, "BatchIndexErrorMessage", STRING, 8,
          NULL_FROM(8)),
};
SCHEMA(produce_record_error);

static const struct field produce_leader_id_and_epoch_reply_fields[] = {
    FIELD(produce_leader_id_and_epoch_reply, leader_id, "LeaderId", INT32, 10, .fallback = -1),
    FIELD(produce_leader_id_and_epoch_reply, leader_epoch, "LeaderEpoch", INT32, 10,
          .fallback = -1),
};
SCHEMA(produce_leader_id_and_epoch_reply);

static const struct field produce_partition_reply_fields[] = {
    FIELD(produce_partition_reply, index, "Index", INT32, 0),
    FIELD(produce_partition_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(produce_partition_reply, base_offset, "BaseOffset", INT64, 0),
    FIELD(produce_partition_reply, log_append_time_ms, "LogAppendTimeMs", INT64, 0,
          .fallback = -1),
    FIELD(produce_partition_reply, log_start_offset, "LogStartOffset", INT64, 5, .fallback = -1),
    FIELD(produce_partition_reply, record_errors, "RecordErrors", ARRAY, 8,
          .item = &produce_record_error_schema),
    FIELD(produce_partition_reply, error_message, "ErrorMessage", STRING, 8, NULL_FROM(8)),
    FIELD(produce_partition_reply, current_leader, "CurrentLeader", STRUCT, 10,
          .item = &produce_leader_id_and_epoch_reply_schema, TAG(0, 10)),
};
SCHEMA(produce_partition_reply);

static const struct field produce_topic_reply_fields[] = {
    FIELD(produce_topic_reply, name, "Name", STRING, 0, .until = 12),
    FIELD(produce_topic_reply, topic_id, "TopicId", UUID, 13),
    FIELD(produce_topic_reply, partition_responses, "PartitionResponses", ARRAY, 0,
          .item = &produce_partition_reply_schema),
};
SCHEMA(produce_topic_reply);

static const struct field produce_node_endpoint_reply_fields[] = {
    FIELD(produce_node_endpoint_reply, node_id, "NodeId", INT32, 10),
    FIELD(produce_node_endpoint_reply, host, "Host", STRING, 10),
    FIELD(produce_node_endpoint_reply, port, "Port", INT32, 10),
    FIELD(produce_node_endpoint_reply, rack, "Rack", STRING, 10, NULL_FROM(10)),
};
SCHEMA(produce_node_endpoint_reply);

static const struct field produce_response_fields[] = {
    FIELD(produce_response, responses, "Responses", ARRAY, 0, .item = &produce_topic_reply_schema),
    FIELD(produce_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(produce_response, node_endpoints, "NodeEndpoints", ARRAY, 10,
          .item = &produce_node_endpoint_reply_schema, TAG(0, 10)),
};
SCHEMA(produce_response);

/* FetchRequest (key 1), versions 4 to 18. */
static const struct field fetch_replica_state_fields[] = {
    FIELD(fetch_replica_state, replica_id, "ReplicaId", INT32, 15, .fallback = -1),
    FIELD(fetch_replica_state, replica_epoch, "ReplicaEpoch", INT64, 15, .fallback = -1),
};
SCHEMA(fetch_replica_state);

static const struct field fetch_partition_fields[] = {
    FIELD(fetch_partition, partition, "Partition", INT32, 0),
    FIELD(fetch_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 9, .fallback = -1),
    FIELD(fetch_partition, fetch_offset, "FetchOffset", INT64, 0),
    FIELD(fetch_partition, last_fetched_epoch, "LastFetchedEpoch", INT32, 12, .fallback = -1),
    FIELD(fetch_partition, log_start_offset, "LogStartOffset", INT64, 5, .fallback = -1),
    FIELD(fetch_partition, partition_max_bytes, "PartitionMaxBytes", INT32, 0),
    FIELD(fetch_partition, replica_directory_id, "ReplicaDirectoryId", UUID, 17, TAG(0, 17)),
    FIELD(fetch_partition, high_watermark, "HighWatermark", INT64, 18, TAG(1, 18),
          .fallback = INT64_MAX),
};
SCHEMA(fetch_partition);

static const struct field fetch_topic_fields[] = {
    FIELD(fetch_topic, topic, "Topic", STRING, 0, .until = 12),
    FIELD(fetch_topic, topic_id, "TopicId", UUID, 13),
    FIELD(fetch_topic, partitions, "Partitions", ARRAY, 0, .item = &fetch_partition_schema),
};
SCHEMA(fetch_topic);

static const struct field fetch_forgotten_topic_fields[] = {
    FIELD(fetch_forgotten_topic, topic, "Topic", STRING, 7, .until = 12),
    FIELD(fetch_forgotten_topic, topic_id, "TopicId", UUID, 13),
    FIELD(fetch_forgotten_topic, partitions, "Partitions", ARRAY, 7, .of = KIND_INT32),
};
SCHEMA(fetch_forgotten_topic);

static const struct field fetch_request_fields[] = {
    FIELD(fetch_request, cluster_id, "ClusterId", STRING, 12, NULL_FROM(12), TAG(0, 12)),
    FIELD(fetch_request, replica_id, "ReplicaId", INT32, 0, .until = 14, .fallback = -1),
    FIELD(fetch_request, replica_state, "ReplicaState", STRUCT, 15,
          .item = &fetch_replica_state_schema, TAG(1, 15)),
    FIELD(fetch_request, max_wait_ms, "MaxWaitMs", INT32, 0),
    FIELD(fetch_request, min_bytes, "MinBytes", INT32, 0),
    FIELD(fetch_request, max_bytes, "MaxBytes", INT32, 0, .fallback = INT32_MAX),
    FIELD(fetch_request, isolation_level, "IsolationLevel", INT8, 0),
    FIELD(fetch_request, session_id, "SessionId", INT32, 7),
    FIELD(fetch_request, session_epoch, "SessionEpoch", INT32, 7, .fallback = -1),
    FIELD(fetch_request, topics, "Topics", ARRAY, 0, .item = &fetch_topic_schema),
    FIELD(fetch_request, forgotten_topics_data, "ForgottenTopicsData", ARRAY, 7,
          .item = &fetch_forgotten_topic_schema),
    FIELD(fetch_request, rack_id, "RackId", STRING, 11),
};
SCHEMA(fetch_request);

/* FetchResponse (key 1), versions 4 to 18. */
static const struct field fetch_epoch_end_offset_reply_fields[] = {
    FIELD(fetch_epoch_end_offset_reply, epoch, "Epoch", INT32, 12, .fallback = -1),
    FIELD(fetch_epoch_end_offset_reply, end_offset, "EndOffset", INT64, 12, .fallback = -1),
};
SCHEMA(fetch_epoch_end_offset_reply);

static const struct field fetch_leader_id_and_epoch_reply_fields[] = {
    FIELD(fetch_leader_id_and_epoch_reply, leader_id, "LeaderId", INT32, 12, .fallback = -1),
    FIELD(fetch_leader_id_and_epoch_reply, leader_epoch, "LeaderEpoch", INT32, 12, .fallback = -1),
};
SCHEMA(fetch_leader_id_and_epoch_reply);

static const struct field fetch_snapshot_id_reply_fields[] = {
    FIELD(fetch_snapshot_id_reply, end_offset, "EndOffset", INT64, 0, .fallback = -1),
    FIELD(fetch_snapshot_id_reply, epoch, "Epoch", INT32, 0, .fallback = -1),
};
SCHEMA(fetch_snapshot_id_reply);

static const struct field fetch_aborted_transaction_reply_fields[] = {
    FIELD(fetch_aborted_transaction_reply, producer_id, "ProducerId", INT64, 0),
    FIELD(fetch_aborted_transaction_reply, first_offset, "FirstOffset", INT64, 0),
};
SCHEMA(fetch_aborted_transaction_reply);

static const struct field fetch_partition_reply_fields[] = {
    FIELD(fetch_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(fetch_partition_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(fetch_partition_reply, high_watermark, "HighWatermark", INT64, 0),
    FIELD(fetch_partition_reply, last_stable_offset, "LastStableOffset", INT64, 0, .fallback = -1),
    FIELD(fetch_partition_reply, log_start_offset, "LogStartOffset", INT64, 5, .fallback = -1),
    FIELD(fetch_partition_reply, diverging_epoch, "DivergingEpoch", STRUCT, 12,
          .item = &fetch_epoch_end_offset_reply_schema, TAG(0, 12)),
    FIELD(fetch_partition_reply, current_leader, "CurrentLeader", STRUCT, 12,
          .item = &fetch_leader_id_and_epoch_reply_schema, TAG(1, 12)),
    FIELD(fetch_partition_reply, snapshot_id, "SnapshotId", STRUCT, 12,
          .item = &fetch_snapshot_id_reply_schema, TAG(2, 12)),
    FIELD(fetch_partition_reply, aborted_transactions, "AbortedTransactions", ARRAY, 0,
          .item = &fetch_aborted_transaction_reply_schema, NULL_FROM(0)),
    FIELD(fetch_partition_reply, preferred_read_replica, "PreferredReadReplica", INT32, 11,
          .fallback = -1),
    FIELD(fetch_partition_reply, records, "Records", RECORDS, 0, NULL_FROM(0)),
};
SCHEMA(fetch_partition_reply);

static const struct field fetch_topic_reply_fields[] = {
    FIELD(fetch_topic_reply, topic, "Topic", STRING, 0, .until = 12),
    FIELD(fetch_topic_reply, topic_id, "TopicId", UUID, 13),
    FIELD(fetch_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &fetch_partition_reply_schema),
};
SCHEMA(fetch_topic_reply);

static const struct field fetch_node_endpoint_reply_fields[] = {
    FIELD(fetch_node_endpoint_reply, node_id, "NodeId", INT32, 16),
    FIELD(fetch_node_endpoint_reply, host, "Host", STRING, 16),
    FIELD(fetch_node_endpoint_reply, port, "Port", INT32, 16),
    FIELD(fetch_node_endpoint_reply, rack, "Rack", STRING, 16, NULL_FROM(16)),
};
SCHEMA(fetch_node_endpoint_reply);

static const struct field fetch_response_fields[] = {
    FIELD(fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(fetch_response, error_code, "ErrorCode", INT16, 7),
    FIELD(fetch_response, session_id, "SessionId", INT32, 7),
    FIELD(fetch_response, responses, "Responses", ARRAY, 0, .item = &fetch_topic_reply_schema),
    FIELD(fetch_response, node_endpoints, "NodeEndpoints", ARRAY, 16,
          .item = &fetch_node_endpoint_reply_schema, TAG(0, 16)),
};
SCHEMA(fetch_response);

/* ListOffsetsRequest (key 2), versions 1 to 10. */
static const struct field list_offsets_partition_fields[] = {
    FIELD(list_offsets_partition, partition_index, "PartitionIndex", INT32, 0),
    FIELD(list_offsets_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 4,
          .fallback = -1),
    FIELD(list_offsets_partition, timestamp, "Timestamp", INT64, 0),
};
SCHEMA(list_offsets_partition);

static const struct field list_offsets_topic_fields[] = {
    FIELD(list_offsets_topic, name, "Name", STRING, 0),
    FIELD(list_offsets_topic, partitions, "Partitions", ARRAY, 0,
          .item = &list_offsets_partition_schema),
};
SCHEMA(list_offsets_topic);

static const struct field list_offsets_request_fields[] = {
    FIELD(list_offsets_request, replica_id, "ReplicaId", INT32, 0),
    FIELD(list_offsets_request, isolation_level, "IsolationLevel", INT8, 2),
    FIELD(list_offsets_request, topics, "Topics", ARRAY, 0, .item = &list_offsets_topic_schema),
    FIELD(list_offsets_request, timeout_ms, "TimeoutMs", INT32, 10),
};
SCHEMA(list_offsets_request);

/* ListOffsetsResponse (key 2), versions 1 to 10. */
static const struct field list_offsets_partition_reply_fields[] = {
    FIELD(list_offsets_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(list_offsets_partition_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(list_offsets_partition_reply, timestamp, "Timestamp", INT64, 0, .fallback = -1),
    FIELD(list_offsets_partition_reply, offset, "Offset", INT64, 0, .fallback = -1),
    FIELD(list_offsets_partition_reply, leader_epoch, "LeaderEpoch", INT32, 4, .fallback = -1),
};
SCHEMA(list_offsets_partition_reply);

static const struct field list_offsets_topic_reply_fields[] = {
    FIELD(list_offsets_topic_reply, name, "Name", STRING, 0),
    FIELD(list_offsets_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &list_offsets_partition_reply_schema),
};
SCHEMA(list_offsets_topic_reply);

static const struct field list_offsets_response_fields[] = {
    FIELD(list_offsets_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2),
    FIELD(list_offsets_response, topics, "Topics", ARRAY, 0,
          .item = &list_offsets_topic_reply_schema),
};
SCHEMA(list_offsets_response);

/* MetadataRequest (key 3), versions 0 to 13. */
static const struct field metadata_topic_fields[] = {
    FIELD(metadata_topic, topic_id, "TopicId", UUID, 10),
    FIELD(metadata_topic, name, "Name", STRING, 0, NULL_FROM(10)),
};
SCHEMA(metadata_topic);

static const struct field metadata_request_fields[] = {
    FIELD(metadata_request, topics, "Topics", ARRAY, 0, .item = &metadata_topic_schema,
          NULL_FROM(1)),
    FIELD(metadata_request, allow_auto_topic_creation, "AllowAutoTopicCreation", BOOL, 4,
          .fallback = 1),
    FIELD(metadata_request, include_cluster_authorized_operations,
          "IncludeClusterAuthorizedOperations", BOOL, 8,
          .until = 10),
    FIELD(metadata_request, include_topic_authorized_operations,
          "IncludeTopicAuthorizedOperations", BOOL, 8),
};
SCHEMA(metadata_request);

/* MetadataResponse (key 3), versions 0 to 13. */
static const struct field metadata_broker_reply_fields[] = {
    FIELD(metadata_broker_reply, node_id, "NodeId", INT32, 0),
    FIELD(metadata_broker_reply, host, "Host", STRING, 0),
    FIELD(metadata_broker_reply, port, "Port", INT32, 0),
    FIELD(metadata_broker_reply, rack, "Rack", STRING, 1, NULL_FROM(1)),
};
SCHEMA(metadata_broker_reply);

static const struct field metadata_partition_reply_fields[] = {
    FIELD(metadata_partition_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(metadata_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(metadata_partition_reply, leader_id, "LeaderId", INT32, 0),
    FIELD(metadata_partition_reply, leader_epoch, "LeaderEpoch", INT32, 7, .fallback = -1),
    FIELD(metadata_partition_reply, replica_nodes, "ReplicaNodes", ARRAY, 0, .of = KIND_INT32),
    FIELD(metadata_partition_reply, isr_nodes, "IsrNodes", ARRAY, 0, .of = KIND_INT32),
    FIELD(metadata_partition_reply, offline_replicas, "OfflineReplicas", ARRAY, 5,
          .of = KIND_INT32),
};
SCHEMA(metadata_partition_reply);

static const struct field metadata_topic_reply_fields[] = {
    FIELD(metadata_topic_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(metadata_topic_reply, name, "Name", STRING, 0, NULL_FROM(12)),
    FIELD(metadata_topic_reply, topic_id, "TopicId", UUID, 10),
    FIELD(metadata_topic_reply, is_internal, "IsInternal", BOOL, 1),
    FIELD(metadata_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &metadata_partition_reply_schema),
    FIELD(metadata_topic_reply, topic_authorized_operations, "TopicAuthorizedOperations", INT32, 8,
          .fallback = -2147483648),
};
SCHEMA(metadata_topic_reply);

static const struct field metadata_response_fields[] = {
    FIELD(metadata_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3),
    FIELD(metadata_response, brokers, "Brokers", ARRAY, 0, .item = &metadata_broker_reply_schema),
    FIELD(metadata_response, cluster_id, "ClusterId", STRING, 2, NULL_FROM(2)),
    FIELD(metadata_response, controller_id, "ControllerId", INT32, 1, .fallback = -1),
    FIELD(metadata_response, topics, "Topics", ARRAY, 0, .item = &metadata_topic_reply_schema),
    FIELD(metadata_response, cluster_authorized_operations,
          "ClusterAuthorizedOperations", INT32, 8,
          .until = 10, .fallback = -2147483648),
    FIELD(metadata_response, error_code, "ErrorCode", INT16, 13),
};
SCHEMA(metadata_response);

/* OffsetForLeaderEpochRequest (key 23), versions 2 to 4. */
static const struct field epoch_partition_fields[] = {
    FIELD(epoch_partition, partition, "Partition", INT32, 0),
    FIELD(epoch_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 0, .fallback = -1),
    FIELD(epoch_partition, leader_epoch, "LeaderEpoch", INT32, 0),
};
SCHEMA(epoch_partition);

static const struct field epoch_topic_fields[] = {
    FIELD(epoch_topic, topic, "Topic", STRING, 0),
    FIELD(epoch_topic, partitions, "Partitions", ARRAY, 0, .item = &epoch_partition_schema),
};
SCHEMA(epoch_topic);

static const struct field offset_for_leader_epoch_request_fields[] = {
    FIELD(offset_for_leader_epoch_request, replica_id, "ReplicaId", INT32, 3, .fallback = -2),
    FIELD(offset_for_leader_epoch_request, topics, "Topics", ARRAY, 0,
          .item = &epoch_topic_schema),
};
SCHEMA(offset_for_leader_epoch_request);

/* OffsetForLeaderEpochResponse (key 23), versions 2 to 4. */
static const struct field epoch_end_offset_fields[] = {
    FIELD(epoch_end_offset, error_code, "ErrorCode", INT16, 0),
    FIELD(epoch_end_offset, partition, "Partition", INT32, 0),
    FIELD(epoch_end_offset, leader_epoch, "LeaderEpoch", INT32, 0, .fallback = -1),
    FIELD(epoch_end_offset, end_offset, "EndOffset", INT64, 0, .fallback = -1),
};
SCHEMA(epoch_end_offset);

static const struct field epoch_topic_reply_fields[] = {
    FIELD(epoch_topic_reply, topic, "Topic", STRING, 0),
    FIELD(epoch_topic_reply, partitions, "Partitions", ARRAY, 0, .item = &epoch_end_offset_schema),
};
SCHEMA(epoch_topic_reply);

static const struct field offset_for_leader_epoch_response_fields[] = {
    FIELD(offset_for_leader_epoch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(offset_for_leader_epoch_response, topics, "Topics", ARRAY, 0,
          .item = &epoch_topic_reply_schema),
};
SCHEMA(offset_for_leader_epoch_response);

/* InitProducerIdRequest (key 22), versions 0 to 5. */
static const struct field init_producer_id_request_fields[] = {
    FIELD(init_producer_id_request, transactional_id, "TransactionalId", STRING, 0, NULL_FROM(0)),
    FIELD(init_producer_id_request, transaction_timeout_ms, "TransactionTimeoutMs", INT32, 0),
    FIELD(init_producer_id_request, producer_id, "ProducerId", INT64, 3, .fallback = -1),
    FIELD(init_producer_id_request, producer_epoch, "ProducerEpoch", INT16, 3, .fallback = -1),
};
SCHEMA(init_producer_id_request);

/* InitProducerIdResponse (key 22), versions 0 to 5. */
static const struct field init_producer_id_response_fields[] = {
    FIELD(init_producer_id_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(init_producer_id_response, error_code, "ErrorCode", INT16, 0),
    FIELD(init_producer_id_response, producer_id, "ProducerId", INT64, 0, .fallback = -1),
    FIELD(init_producer_id_response, producer_epoch, "ProducerEpoch", INT16, 0),
};
SCHEMA(init_producer_id_response);
