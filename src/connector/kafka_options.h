/* kafka_options.h - what WITH ('connector' = 'kafka', ...) and the columns of a table say.
 * Source: Flink 1.20, "Apache Kafka SQL Connector" and "JSON Format". */
#ifndef CONNECTOR_KAFKA_OPTIONS_H
#define CONNECTOR_KAFKA_OPTIONS_H

#include "connector/formats.h"
#include "connector/kafka_source.h"
#include "log/batch.h"

enum kafka_place_kind {
    KAFKA_EARLIEST,
    KAFKA_LATEST,
    KAFKA_GROUP,
    KAFKA_TIMESTAMP,
    KAFKA_OFFSETS,
    KAFKA_UNBOUNDED
};
struct kafka_place {
    enum kafka_place_kind kind;
    int64_t timestamp_ms;
    int64_t *offsets; /* owned; by partition, -1 where none is given */
    size_t offset_count;
};

enum kafka_metadata {
    KAFKA_META_TOPIC,
    KAFKA_META_PARTITION,
    KAFKA_META_HEADERS,
    KAFKA_META_LEADER_EPOCH,
    KAFKA_META_OFFSET,
    KAFKA_META_TIMESTAMP,
    KAFKA_META_TIMESTAMP_TYPE,
    KAFKA_META_ORDINAL /* SQL_FLOW_PARTITION: whose watermark a row moves */
};
struct kafka_metadata_column {
    enum kafka_metadata key;
    idx_t column;
};

struct kafka_source_config {
    char *topic, *group; /* owned */
    struct kafka_place startup, bounded, reset;
    bool ignore_parse_errors, fail_on_missing_field;
    bool uncommitted;          /* records of open transactions are read too */
    bool upsert;               /* upsert-kafka: a record is what its key has now */
    bool changes;              /* the last column is $row_kind */
    struct row_decoder *value; /* owned */
    struct row_decoder *key;   /* owned; NULL: keys are not read */
    struct buf no_value;       /* upsert: a JSON object whose values are all null */
    bool key_apart;            /* the value has not the key's columns: EXCEPT_KEY */
    idx_t *key_columns;        /* owned; of `key` */
    size_t key_column_count;
    struct kafka_metadata_column *metadata; /* owned */
    size_t metadata_count;
};

int kafka_source_config_init(struct kafka_source_config *config,
                             const struct kafka_source_options *options, struct err *err);
void kafka_source_config_deinit(struct kafka_source_config *config);
/* Columns of the feed (physical and metadata, in the table's order, then $row_kind), decoders for
 * the physical ones and places in config->metadata for the others. */
int kafka_source_columns(struct kafka_source_config *config,
                         const struct kafka_source_options *options, struct vec_columns *columns,
                         struct err *err);
/* Is the broker that a table names ours? `ports`: where that answers, 0 ends; NULL: all are. */
bool kafka_is_ours(const struct sql_table *table, const int *ports);
/* Is it one topic of ours, which is read in process? */
bool kafka_is_here(const struct sql_table *table, const int *ports);
struct kafka_origin; /* kafka_rows.h */
int kafka_metadata_fill(const struct kafka_source_config *config, duckdb_data_chunk chunk,
                        idx_t row, const struct kafka_origin *at, const struct record *record);

#endif
