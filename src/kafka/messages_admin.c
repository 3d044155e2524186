/* messages_admin.c - tables of topics and their configuration, the cluster, one field per line
 * in the order and spelling of Kafka's message definitions. A field that goes back to before the
 * oldest version served here is written as since 0. */
#include "kafka/messages_admin.h"

/* CreateTopicsRequest (key 19), versions 2 to 7. */
static const struct field create_topics_assignment_fields[] = {
    FIELD(create_topics_assignment, partition_index, "PartitionIndex", INT32, 0),
    FIELD(create_topics_assignment, broker_ids, "BrokerIds", ARRAY, 0, .of = KIND_INT32),
};
SCHEMA(create_topics_assignment);

static const struct field create_topics_config_fields[] = {
    FIELD(create_topics_config, name, "Name", STRING, 0),
    FIELD(create_topics_config, value, "Value", STRING, 0, NULL_FROM(0)),
};
SCHEMA(create_topics_config);

static const struct field create_topics_topic_fields[] = {
    FIELD(create_topics_topic, name, "Name", STRING, 0),
    FIELD(create_topics_topic, num_partitions, "NumPartitions", INT32, 0),
    FIELD(create_topics_topic, replication_factor, "ReplicationFactor", INT16, 0),
    FIELD(create_topics_topic, assignments, "Assignments", ARRAY, 0,
          .item = &create_topics_assignment_schema),
    FIELD(create_topics_topic, configs, "Configs", ARRAY, 0, .item = &create_topics_config_schema),
};
SCHEMA(create_topics_topic);

static const struct field create_topics_request_fields[] = {
    FIELD(create_topics_request, topics, "Topics", ARRAY, 0, .item = &create_topics_topic_schema),
    FIELD(create_topics_request, timeout_ms, "timeoutMs", INT32, 0, .fallback = 60000),
    FIELD(create_topics_request, validate_only, "validateOnly", BOOL, 0),
};
SCHEMA(create_topics_request);

/* CreateTopicsResponse (key 19), versions 2 to 7. */
static const struct field create_topics_config_reply_fields[] = {
    FIELD(create_topics_config_reply, name, "Name", STRING, 5),
    FIELD(create_topics_config_reply, value, "Value", STRING, 5, NULL_FROM(5)),
    FIELD(create_topics_config_reply, read_only, "ReadOnly", BOOL, 5),
    FIELD(create_topics_config_reply, config_source, "ConfigSource", INT8, 5, .fallback = -1),
    FIELD(create_topics_config_reply, is_sensitive, "IsSensitive", BOOL, 5),
};
SCHEMA(create_topics_config_reply);

static const struct field create_topics_topic_reply_fields[] = {
    FIELD(create_topics_topic_reply, name, "Name", STRING, 0),
    FIELD(create_topics_topic_reply, topic_id, "TopicId", UUID, 7),
    FIELD(create_topics_topic_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(create_topics_topic_reply, error_message, "ErrorMessage", STRING, 0, NULL_FROM(0)),
    FIELD(create_topics_topic_reply, topic_config_error_code, "TopicConfigErrorCode", INT16, 5,
          TAG(0, 5)),
    FIELD(create_topics_topic_reply, num_partitions, "NumPartitions", INT32, 5, .fallback = -1),
    FIELD(create_topics_topic_reply, replication_factor, "ReplicationFactor", INT16, 5,
          .fallback = -1),
    FIELD(create_topics_topic_reply, configs, "Configs", ARRAY, 5,
          .item = &create_topics_config_reply_schema, NULL_FROM(5)),
};
SCHEMA(create_topics_topic_reply);

static const struct field create_topics_response_fields[] = {
    FIELD(create_topics_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(create_topics_response, topics, "Topics", ARRAY, 0,
          .item = &create_topics_topic_reply_schema),
};
SCHEMA(create_topics_response);

/* DeleteTopicsRequest (key 20), versions 1 to 6. */
static const struct field delete_topics_topic_fields[] = {
    FIELD(delete_topics_topic, name, "Name", STRING, 6, NULL_FROM(6)),
    FIELD(delete_topics_topic, topic_id, "TopicId", UUID, 6),
};
SCHEMA(delete_topics_topic);

static const struct field delete_topics_request_fields[] = {
    FIELD(delete_topics_request, topics, "Topics", ARRAY, 6, .item = &delete_topics_topic_schema),
    FIELD(delete_topics_request, topic_names, "TopicNames", ARRAY, 0, .of = KIND_STRING,
          .until = 5),
    FIELD(delete_topics_request, timeout_ms, "TimeoutMs", INT32, 0),
};
SCHEMA(delete_topics_request);

/* DeleteTopicsResponse (key 20), versions 1 to 6. */
static const struct field delete_topics_topic_reply_fields[] = {
    FIELD(delete_topics_topic_reply, name, "Name", STRING, 0, NULL_FROM(6)),
    FIELD(delete_topics_topic_reply, topic_id, "TopicId", UUID, 6),
    FIELD(delete_topics_topic_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(delete_topics_topic_reply, error_message, "ErrorMessage", STRING, 5, NULL_FROM(5)),
};
SCHEMA(delete_topics_topic_reply);

static const struct field delete_topics_response_fields[] = {
    FIELD(delete_topics_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(delete_topics_response, responses, "Responses", ARRAY, 0,
          .item = &delete_topics_topic_reply_schema),
};
SCHEMA(delete_topics_response);

/* DeleteRecordsRequest (key 21), versions 0 to 2. */
static const struct field delete_records_partition_fields[] = {
    FIELD(delete_records_partition, partition_index, "PartitionIndex", INT32, 0),
    FIELD(delete_records_partition, offset, "Offset", INT64, 0),
};
SCHEMA(delete_records_partition);

static const struct field delete_records_topic_fields[] = {
    FIELD(delete_records_topic, name, "Name", STRING, 0),
    FIELD(delete_records_topic, partitions, "Partitions", ARRAY, 0,
          .item = &delete_records_partition_schema),
};
SCHEMA(delete_records_topic);

static const struct field delete_records_request_fields[] = {
    FIELD(delete_records_request, topics, "Topics", ARRAY, 0,
          .item = &delete_records_topic_schema),
    FIELD(delete_records_request, timeout_ms, "TimeoutMs", INT32, 0),
};
SCHEMA(delete_records_request);

/* DeleteRecordsResponse (key 21), versions 0 to 2. */
static const struct field delete_records_partition_reply_fields[] = {
    FIELD(delete_records_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(delete_records_partition_reply, low_watermark, "LowWatermark", INT64, 0),
    FIELD(delete_records_partition_reply, error_code, "ErrorCode", INT16, 0),
};
SCHEMA(delete_records_partition_reply);

static const struct field delete_records_topic_reply_fields[] = {
    FIELD(delete_records_topic_reply, name, "Name", STRING, 0),
    FIELD(delete_records_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &delete_records_partition_reply_schema),
};
SCHEMA(delete_records_topic_reply);

static const struct field delete_records_response_fields[] = {
    FIELD(delete_records_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(delete_records_response, topics, "Topics", ARRAY, 0,
          .item = &delete_records_topic_reply_schema),
};
SCHEMA(delete_records_response);

/* DescribeConfigsRequest (key 32), versions 1 to 4. */
static const struct field describe_configs_resource_fields[] = {
    FIELD(describe_configs_resource, resource_type, "ResourceType", INT8, 0),
    FIELD(describe_configs_resource, resource_name, "ResourceName", STRING, 0),
    FIELD(describe_configs_resource, configuration_keys, "ConfigurationKeys", ARRAY, 0,
          .of = KIND_STRING, NULL_FROM(0)),
};
SCHEMA(describe_configs_resource);

static const struct field describe_configs_request_fields[] = {
    FIELD(describe_configs_request, resources, "Resources", ARRAY, 0,
          .item = &describe_configs_resource_schema),
    FIELD(describe_configs_request, include_synonyms, "IncludeSynonyms", BOOL, 0),
    FIELD(describe_configs_request, include_documentation, "IncludeDocumentation", BOOL, 3),
};
SCHEMA(describe_configs_request);

/* DescribeConfigsResponse (key 32), versions 1 to 4. */
static const struct field describe_configs_synonym_reply_fields[] = {
    FIELD(describe_configs_synonym_reply, name, "Name", STRING, 0),
    FIELD(describe_configs_synonym_reply, value, "Value", STRING, 0, NULL_FROM(0)),
    FIELD(describe_configs_synonym_reply, source, "Source", INT8, 0),
};
SCHEMA(describe_configs_synonym_reply);

static const struct field describe_configs_config_reply_fields[] = {
    FIELD(describe_configs_config_reply, name, "Name", STRING, 0),
    FIELD(describe_configs_config_reply, value, "Value", STRING, 0, NULL_FROM(0)),
    FIELD(describe_configs_config_reply, read_only, "ReadOnly", BOOL, 0),
    FIELD(describe_configs_config_reply, config_source, "ConfigSource", INT8, 0, .fallback = -1),
    FIELD(describe_configs_config_reply, is_sensitive, "IsSensitive", BOOL, 0),
    FIELD(describe_configs_config_reply, synonyms, "Synonyms", ARRAY, 0,
          .item = &describe_configs_synonym_reply_schema),
    FIELD(describe_configs_config_reply, config_type, "ConfigType", INT8, 3),
    FIELD(describe_configs_config_reply, documentation, "Documentation", STRING, 3, NULL_FROM(0)),
};
SCHEMA(describe_configs_config_reply);

static const struct field describe_configs_resource_reply_fields[] = {
    FIELD(describe_configs_resource_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(describe_configs_resource_reply, error_message, "ErrorMessage", STRING, 0, NULL_FROM(0)),
    FIELD(describe_configs_resource_reply, resource_type, "ResourceType", INT8, 0),
    FIELD(describe_configs_resource_reply, resource_name, "ResourceName", STRING, 0),
    FIELD(describe_configs_resource_reply, configs, "Configs", ARRAY, 0,
          .item = &describe_configs_config_reply_schema),
};
SCHEMA(describe_configs_resource_reply);

static const struct field describe_configs_response_fields[] = {
    FIELD(describe_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(describe_configs_response, results, "Results", ARRAY, 0,
          .item = &describe_configs_resource_reply_schema),
};
SCHEMA(describe_configs_response);

/* AlterConfigsRequest (key 33), versions 0 to 2. */
static const struct field alter_configs_config_fields[] = {
    FIELD(alter_configs_config, name, "Name", STRING, 0),
    FIELD(alter_configs_config, value, "Value", STRING, 0, NULL_FROM(0)),
};
SCHEMA(alter_configs_config);

static const struct field alter_configs_resource_fields[] = {
    FIELD(alter_configs_resource, resource_type, "ResourceType", INT8, 0),
    FIELD(alter_configs_resource, resource_name, "ResourceName", STRING, 0),
    FIELD(alter_configs_resource, configs, "Configs", ARRAY, 0,
          .item = &alter_configs_config_schema),
};
SCHEMA(alter_configs_resource);

static const struct field alter_configs_request_fields[] = {
    FIELD(alter_configs_request, resources, "Resources", ARRAY, 0,
          .item = &alter_configs_resource_schema),
    FIELD(alter_configs_request, validate_only, "ValidateOnly", BOOL, 0),
};
SCHEMA(alter_configs_request);

/* AlterConfigsResponse (key 33), versions 0 to 2. */
static const struct field alter_configs_resource_reply_fields[] = {
    FIELD(alter_configs_resource_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(alter_configs_resource_reply, error_message, "ErrorMessage", STRING, 0, NULL_FROM(0)),
    FIELD(alter_configs_resource_reply, resource_type, "ResourceType", INT8, 0),
    FIELD(alter_configs_resource_reply, resource_name, "ResourceName", STRING, 0),
};
SCHEMA(alter_configs_resource_reply);

static const struct field alter_configs_response_fields[] = {
    FIELD(alter_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(alter_configs_response, responses, "Responses", ARRAY, 0,
          .item = &alter_configs_resource_reply_schema),
};
SCHEMA(alter_configs_response);

/* IncrementalAlterConfigsRequest (key 44), versions 0 to 1. */
static const struct field incremental_alter_configs_config_fields[] = {
    FIELD(incremental_alter_configs_config, name, "Name", STRING, 0),
    FIELD(incremental_alter_configs_config, config_operation, "ConfigOperation", INT8, 0),
    FIELD(incremental_alter_configs_config, value, "Value", STRING, 0, NULL_FROM(0)),
};
SCHEMA(incremental_alter_configs_config);

static const struct field incremental_alter_configs_resource_fields[] = {
    FIELD(incremental_alter_configs_resource, resource_type, "ResourceType", INT8, 0),
    FIELD(incremental_alter_configs_resource, resource_name, "ResourceName", STRING, 0),
    FIELD(incremental_alter_configs_resource, configs, "Configs", ARRAY, 0,
          .item = &incremental_alter_configs_config_schema),
};
SCHEMA(incremental_alter_configs_resource);

static const struct field incremental_alter_configs_request_fields[] = {
    FIELD(incremental_alter_configs_request, resources, "Resources", ARRAY, 0,
          .item = &incremental_alter_configs_resource_schema),
    FIELD(incremental_alter_configs_request, validate_only, "ValidateOnly", BOOL, 0),
};
SCHEMA(incremental_alter_configs_request);

/* IncrementalAlterConfigsResponse (key 44), versions 0 to 1. */
static const struct field incremental_alter_configs_resource_reply_fields[] = {
    FIELD(incremental_alter_configs_resource_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(incremental_alter_configs_resource_reply, error_message, "ErrorMessage", STRING, 0,
          NULL_FROM(0)),
    FIELD(incremental_alter_configs_resource_reply, resource_type, "ResourceType", INT8, 0),
    FIELD(incremental_alter_configs_resource_reply, resource_name, "ResourceName", STRING, 0),
};
SCHEMA(incremental_alter_configs_resource_reply);

static const struct field incremental_alter_configs_response_fields[] = {
    FIELD(incremental_alter_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(incremental_alter_configs_response, responses, "Responses", ARRAY, 0,
          .item = &incremental_alter_configs_resource_reply_schema),
};
SCHEMA(incremental_alter_configs_response);

/* CreatePartitionsRequest (key 37), versions 0 to 3. */
static const struct field create_partitions_assignment_fields[] = {
    FIELD(create_partitions_assignment, broker_ids, "BrokerIds", ARRAY, 0, .of = KIND_INT32),
};
SCHEMA(create_partitions_assignment);

static const struct field create_partitions_topic_fields[] = {
    FIELD(create_partitions_topic, name, "Name", STRING, 0),
    FIELD(create_partitions_topic, count, "Count", INT32, 0),
    FIELD(create_partitions_topic, assignments, "Assignments", ARRAY, 0,
          .item = &create_partitions_assignment_schema, NULL_FROM(0)),
};
SCHEMA(create_partitions_topic);

static const struct field create_partitions_request_fields[] = {
    FIELD(create_partitions_request, topics, "Topics", ARRAY, 0,
          .item = &create_partitions_topic_schema),
    FIELD(create_partitions_request, timeout_ms, "TimeoutMs", INT32, 0),
    FIELD(create_partitions_request, validate_only, "ValidateOnly", BOOL, 0),
};
SCHEMA(create_partitions_request);

/* CreatePartitionsResponse (key 37), versions 0 to 3. */
static const struct field create_partitions_topic_reply_fields[] = {
    FIELD(create_partitions_topic_reply, name, "Name", STRING, 0),
    FIELD(create_partitions_topic_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(create_partitions_topic_reply, error_message, "ErrorMessage", STRING, 0, NULL_FROM(0)),
};
SCHEMA(create_partitions_topic_reply);

static const struct field create_partitions_response_fields[] = {
    FIELD(create_partitions_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(create_partitions_response, results, "Results", ARRAY, 0,
          .item = &create_partitions_topic_reply_schema),
};
SCHEMA(create_partitions_response);

/* DescribeClusterRequest (key 60), versions 0 to 2. */
static const struct field describe_cluster_request_fields[] = {
    FIELD(describe_cluster_request, include_cluster_authorized_operations,
          "IncludeClusterAuthorizedOperations", BOOL, 0),
    FIELD(describe_cluster_request, endpoint_type, "EndpointType", INT8, 1, .fallback = 1),
    FIELD(describe_cluster_request, include_fenced_brokers, "IncludeFencedBrokers", BOOL, 2),
};
SCHEMA(describe_cluster_request);

/* DescribeClusterResponse (key 60), versions 0 to 2. */
static const struct field describe_cluster_broker_reply_fields[] = {
    FIELD(describe_cluster_broker_reply, broker_id, "BrokerId", INT32, 0),
    FIELD(describe_cluster_broker_reply, host, "Host", STRING, 0),
    FIELD(describe_cluster_broker_reply, port, "Port", INT32, 0),
    FIELD(describe_cluster_broker_reply, rack, "Rack", STRING, 0, NULL_FROM(0)),
    FIELD(describe_cluster_broker_reply, is_fenced, "IsFenced", BOOL, 2),
};
SCHEMA(describe_cluster_broker_reply);

static const struct field describe_cluster_response_fields[] = {
    FIELD(describe_cluster_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(describe_cluster_response, error_code, "ErrorCode", INT16, 0),
    FIELD(describe_cluster_response, error_message, "ErrorMessage", STRING, 0, NULL_FROM(0)),
    FIELD(describe_cluster_response, endpoint_type, "EndpointType", INT8, 1, .fallback = 1),
    FIELD(describe_cluster_response, cluster_id, "ClusterId", STRING, 0),
    FIELD(describe_cluster_response, controller_id, "ControllerId", INT32, 0, .fallback = -1),
    FIELD(describe_cluster_response, brokers, "Brokers", ARRAY, 0,
          .item = &describe_cluster_broker_reply_schema),
    FIELD(describe_cluster_response, cluster_authorized_operations,
          "ClusterAuthorizedOperations", INT32, 0,
          .fallback = -2147483648),
};
SCHEMA(describe_cluster_response);

/* DescribeLogDirsRequest (key 35), versions 1 to 4. */
static const struct field describe_log_dirs_topic_fields[] = {
    FIELD(describe_log_dirs_topic, topic, "Topic", STRING, 0),
    FIELD(describe_log_dirs_topic, partitions, "Partitions", ARRAY, 0, .of = KIND_INT32),
};
SCHEMA(describe_log_dirs_topic);

static const struct field describe_log_dirs_request_fields[] = {
    FIELD(describe_log_dirs_request, topics, "Topics", ARRAY, 0,
          .item = &describe_log_dirs_topic_schema, NULL_FROM(0)),
};
SCHEMA(describe_log_dirs_request);

/* DescribeLogDirsResponse (key 35), versions 1 to 4. */
static const struct field describe_log_dirs_partition_reply_fields[] = {
    FIELD(describe_log_dirs_partition_reply, partition_index, "PartitionIndex", INT32, 0),
    FIELD(describe_log_dirs_partition_reply, partition_size, "PartitionSize", INT64, 0),
    FIELD(describe_log_dirs_partition_reply, offset_lag, "OffsetLag", INT64, 0),
    FIELD(describe_log_dirs_partition_reply, is_future_key, "IsFutureKey", BOOL, 0),
};
SCHEMA(describe_log_dirs_partition_reply);

static const struct field describe_log_dirs_topic_reply_fields[] = {
    FIELD(describe_log_dirs_topic_reply, name, "Name", STRING, 0),
    FIELD(describe_log_dirs_topic_reply, partitions, "Partitions", ARRAY, 0,
          .item = &describe_log_dirs_partition_reply_schema),
};
SCHEMA(describe_log_dirs_topic_reply);

static const struct field describe_log_dirs_result_reply_fields[] = {
    FIELD(describe_log_dirs_result_reply, error_code, "ErrorCode", INT16, 0),
    FIELD(describe_log_dirs_result_reply, log_dir, "LogDir", STRING, 0),
    FIELD(describe_log_dirs_result_reply, topics, "Topics", ARRAY, 0,
          .item = &describe_log_dirs_topic_reply_schema),
    FIELD(describe_log_dirs_result_reply, total_bytes, "TotalBytes", INT64, 4, .fallback = -1),
    FIELD(describe_log_dirs_result_reply, usable_bytes, "UsableBytes", INT64, 4, .fallback = -1),
};
SCHEMA(describe_log_dirs_result_reply);

static const struct field describe_log_dirs_response_fields[] = {
    FIELD(describe_log_dirs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0),
    FIELD(describe_log_dirs_response, error_code, "ErrorCode", INT16, 3),
    FIELD(describe_log_dirs_response, results, "Results", ARRAY, 0,
          .item = &describe_log_dirs_result_reply_schema),
};
SCHEMA(describe_log_dirs_response);
