/* kafka_sink_int.h - what kafka_sink.c (batches) and kafka_sink_options.c (what a table says)
 * share. Source: Flink 1.20, "Apache Kafka SQL Connector", "Upsert Kafka SQL Connector". */
#ifndef CONNECTOR_KAFKA_SINK_INT_H
#define CONNECTOR_KAFKA_SINK_INT_H

#include "base/codec.h"
#include "connector/factory.h"
#include "connector/formats.h"
#include "log/batch.h"

enum kafka_partitioner { KAFKA_BY_KEY, KAFKA_FIXED, KAFKA_ROUND_ROBIN };

#define KAFKA_HEADERS_MAX 256

struct kafka_sink_config {
    char *topic;                     /* owned */
    struct row_encoder *key, *value; /* owned; key NULL: none */
    enum kafka_partitioner partitioner;
    enum codec codec;
    bool transactional, upsert;
    bool changes;               /* the last column of the feed is $row_kind */
    int timestamp, headers;     /* columns; -1: none */
    struct header *header_list; /* owned; KAFKA_HEADERS_MAX of them */
};
int kafka_sink_config_init(struct kafka_sink_config *config, const struct sink_request *request,
                           const struct vec_columns *columns, struct err *err);
void kafka_sink_config_deinit(struct kafka_sink_config *config);

/* Is a column part of a record's key: by key.fields or, with `upsert`, the primary key? */
bool kafka_is_key(const struct sql_table *table, const char *name, bool upsert);

/* What metadata columns give a record. */
struct kafka_record_extra {
    int64_t timestamp_ms; /* as it was, unless the row says one */
    const struct header *headers;
    int header_count;
};
int kafka_record_extra(const struct kafka_sink_config *config, duckdb_data_chunk chunk, idx_t row,
                       struct kafka_record_extra *out, struct err *err);

/* A row as a record; key and value are in the two buffers, ptr NULL: null. */
struct kafka_sink_record {
    struct slice key, value;
    struct kafka_record_extra extra;
};
int kafka_sink_record(const struct kafka_sink_config *config, duckdb_data_chunk chunk, idx_t row,
                      enum row_kind kind, struct buf *key, struct buf *value, int64_t now_ms,
                      struct kafka_sink_record *out, struct err *err);

/* The hash of Kafka's clients, by which a key finds its partition. */
uint32_t kafka_murmur2(struct slice key);

#endif
