/* messages_data.h - C structs of produce, fetch and the topics they speak of. See messages.h. */
#ifndef KAFKA_MESSAGES_DATA_H
#define KAFKA_MESSAGES_DATA_H

#include "kafka/schema.h"

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

#endif
