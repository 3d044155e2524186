/* messages_admin.h - C structs of topics and their configuration, the cluster. See messages.h. */
#ifndef KAFKA_MESSAGES_ADMIN_H
#define KAFKA_MESSAGES_ADMIN_H

#include "kafka/schema.h"

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
