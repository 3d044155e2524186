/* kafka_options.c - the options of a kafka table, read by one table; its columns; its metadata.
 *
 * Our own on top of Flink's: 'tarn.on-error' = 'reject' (default: dead letter), 'null' or 'fail'
 * for all columns, 'tarn.on-error.COLUMN' for one. */
#include <stdio.h>

#include "connector/kafka_options.h"
#include "connector/session_int.h"

static const char *option(const struct kafka_source_options *o, const char *key)
{
    return o->table->options ? sql_option(o->table->options, key) : NULL;
}

static const struct {
    const char *name;
    enum kafka_place_kind kind;
    bool startup, bounded; /* where it may stand */
} modes[] = {
    {"earliest-offset", KAFKA_EARLIEST, true, false},
    {"latest-offset", KAFKA_LATEST, true, true},
    {"group-offsets", KAFKA_GROUP, true, true},
    {"timestamp", KAFKA_TIMESTAMP, true, true},
    {"specific-offsets", KAFKA_OFFSETS, true, true},
    {"unbounded", KAFKA_UNBOUNDED, false, true},
};

/* "partition:0,offset:42;partition:1,offset:300" */
static int parse_offsets(const char *text, struct kafka_place *out, struct err *err)
{
    while (*text) {
        long long partition, offset;
        int used = 0;

        if (sscanf(text, " partition : %lld , offset : %lld%n", &partition, &offset, &used) != 2 ||
            partition < 0 || partition > 100000 || offset < 0)
            return err_set(err, ERR_INVALID,
                           "offsets '%s': expected partition:0,offset:42;partition:1,offset:300",
                           text);
        if ((size_t)partition >= out->offset_count) {
            int64_t *more = realloc(out->offsets, ((size_t)partition + 1) * sizeof(*more));

            if (!more)
                return err_set(err, ERR_NOMEM, "offsets");
            while (out->offset_count <= (size_t)partition)
                more[out->offset_count++] = -1;
            out->offsets = more;
        }
        out->offsets[partition] = offset;
        text += used;
        text += strspn(text, " ;");
    }
    return 0;
}

static int parse_place(const struct kafka_source_options *o, bool startup, struct kafka_place *out,
                       struct err *err)
{
    const char *scan = startup ? "scan.startup" : "scan.bounded";
    char key[64];
    const char *mode, *value;
    size_t i = 0;

    snprintf(key, sizeof(key), "%s.mode", scan);
    mode = option(o, key);
    if (!mode)
        mode = startup ? "group-offsets" : "unbounded"; /* Flink's defaults */
    while (i < COUNT_OF(modes) && (strcmp(modes[i].name, mode) != 0 ||
                                   !(startup ? modes[i].startup : modes[i].bounded)))
        i++;
    if (i == COUNT_OF(modes))
        return err_set(err, ERR_INVALID, "'%s' = '%s': no such mode", key, mode);
    out->kind = modes[i].kind;
    if (out->kind == KAFKA_TIMESTAMP) {
        snprintf(key, sizeof(key), "%s.timestamp-millis", scan);
        value = option(o, key);
        if (!value || slice_to_i64(slice_str(value), &out->timestamp_ms))
            return err_set(err, ERR_INVALID, "'%s' must be a number of milliseconds", key);
    }
    if (out->kind == KAFKA_OFFSETS) {
        snprintf(key, sizeof(key), "%s.specific-offsets", scan);
        value = option(o, key);
        return value ? parse_offsets(value, out, err)
                     : err_set(err, ERR_INVALID, "'%s' is missing", key);
    }
    return 0;
}

/* properties.auto.offset.reset: where to start when the group has committed nothing. Flink fails on
 * "none", its default; a tarn topic is there from its first record, so earliest loses nothing. */
static int parse_reset(const struct kafka_source_options *o, struct kafka_place *out,
                       struct err *err)
{
    const char *value = option(o, "properties.auto.offset.reset");

    out->kind = KAFKA_EARLIEST;
    if (value && !strcmp(value, "latest"))
        out->kind = KAFKA_LATEST;
    else if (value && strcmp(value, "earliest") != 0 && strcmp(value, "none") != 0)
        return err_set(err, ERR_INVALID,
                       "'properties.auto.offset.reset' = '%s': earliest or latest", value);
    return 0;
}

static bool has_port(const int *ports, int port)
{
    for (; *ports; ports++)
        if (*ports == port)
            return true;
    return false;
}

/* Is the broker that the table names ours? Host names of one machine are many (a container's among
 * them), ports are few: what counts is the port, of any server of the list. */
static int check_broker(const struct kafka_source_options *o, struct err *err)
{
    const char *servers = option(o, "properties.bootstrap.servers");

    if (!o->ports || !servers)
        return 0;
    for (const char *at = servers; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t len = strcspn(at, ",");
        const char *colon = memrchr(at, ':', len);

        if (has_port(o->ports, colon ? atoi(colon + 1) : 9092))
            return 0;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "'properties.bootstrap.servers' = '%s' is not this tarn's broker, which answers "
                   "on port %d: reading topics of other brokers is not built yet",
                   servers, o->ports[0]);
}

static bool is_true(const char *value) { return value && !strcasecmp(value, "true"); }

int kafka_source_config_init(struct kafka_source_config *config,
                             const struct kafka_source_options *o, struct err *err)
{
    const char *topic = option(o, "topic"), *group = option(o, "properties.group.id");
    const char *format = option(o, "format");
    int rc;

    if (!format)
        format = option(o, "value.format");
    if (!format)
        format = "json"; /* S1's printed table names none */
    if (strcmp(format, "json") != 0)
        return err_set(err, ERR_UNSUPPORTED, "format '%s' is not built yet: json is", format);
    if (option(o, "key.format"))
        return err_set(err, ERR_UNSUPPORTED, "'key.format': columns from keys are not built yet");
    if (!topic)
        return err_set(err, option(o, "topic-pattern") ? ERR_UNSUPPORTED : ERR_INVALID,
                       option(o, "topic-pattern") ? "'topic-pattern' is not built yet"
                                                  : "'topic' is missing");
    if (strchr(topic, ';'))
        return err_set(err, ERR_UNSUPPORTED, "'topic' = '%s': several topics are not built yet",
                       topic);
    config->topic = strdup(topic);
    config->group = strdup(group ? group : "");
    if (!config->topic || !config->group)
        return err_set(err, ERR_NOMEM, "options");
    config->ignore_parse_errors = is_true(option(o, "json.ignore-parse-errors")) ||
                                  is_true(option(o, "value.json.ignore-parse-errors"));
    config->fail_on_missing_field = is_true(option(o, "json.fail-on-missing-field")) ||
                                    is_true(option(o, "value.json.fail-on-missing-field"));
    if (config->ignore_parse_errors && config->fail_on_missing_field)
        return err_set(err, ERR_INVALID, "json.fail-on-missing-field and json.ignore-parse-errors "
                                         "shouldn't both be true");
    rc = check_broker(o, err);
    if (!rc)
        rc = parse_place(o, true, &config->startup, err);
    if (!rc)
        rc = parse_place(o, false, &config->bounded, err);
    if (!rc)
        rc = parse_reset(o, &config->reset, err);
    return rc;
}

void kafka_source_config_deinit(struct kafka_source_config *config)
{
    free(config->topic);
    free(config->group);
    free(config->startup.offsets);
    free(config->bounded.offsets);
    free(config->metadata);
    *config = (struct kafka_source_config){0};
}

/* ---- columns ---- */

static const struct {
    const char *key;
    enum kafka_metadata what;
    enum sql_type_kind type;
} metadata_keys[] = {
    {"topic", KAFKA_META_TOPIC, SQL_VARCHAR},
    {"partition", KAFKA_META_PARTITION, SQL_INT},
    {"headers", KAFKA_META_HEADERS, SQL_MAP},
    {"leader-epoch", KAFKA_META_LEADER_EPOCH, SQL_INT},
    {"offset", KAFKA_META_OFFSET, SQL_BIGINT},
    {"timestamp", KAFKA_META_TIMESTAMP, SQL_TIMESTAMP_LTZ},
    {"timestamp-type", KAFKA_META_TIMESTAMP_TYPE, SQL_VARCHAR},
};

static int add_metadata(struct kafka_source_config *config, const struct sql_column *column,
                        idx_t index, struct err *err)
{
    const char *key = column->metadata_key ? column->metadata_key : column->name;

    for (size_t i = 0; i < COUNT_OF(metadata_keys); i++) {
        if (strcmp(metadata_keys[i].key, key) != 0)
            continue;
        if (column->type->kind != metadata_keys[i].type)
            return err_set(err, ERR_UNSUPPORTED,
                           "column `%s`: metadata '%s' has another type; declare it as Flink's "
                           "documentation of the kafka connector does",
                           column->name, key);
        config->metadata[config->metadata_count++] =
            (struct kafka_metadata_column){metadata_keys[i].what, index};
        return 0;
    }
    return err_set(
        err, ERR_INVALID,
        "column `%s`: the kafka connector has no metadata '%s'; it has topic, partition, "
        "headers, leader-epoch, offset, timestamp, timestamp-type",
        column->name, key);
}

static int column_policy(const struct kafka_source_options *o, const char *column,
                         enum json_policy *out, struct err *err)
{
    static const char *const names[] = {"reject", "null", "fail"};
    char key[300];
    const char *value;

    *out = ON_FAULT_REJECT;
    snprintf(key, sizeof(key), "tarn.on-error.%s", column);
    value = option(o, key);
    if (!value)
        value = option(o, "tarn.on-error");
    for (size_t i = 0; value && i < COUNT_OF(names); i++)
        if (!strcmp(value, names[i])) {
            *out = (enum json_policy)i; /* in the order of the enum */
            return 0;
        }
    return value ? err_set(err, ERR_INVALID, "'tarn.on-error' = '%s': reject, null or fail", value)
                 : 0;
}

static int second_digits(const struct sql_type *type)
{
    bool timed = type->kind == SQL_TIME || type->kind == SQL_TIMESTAMP ||
                 type->kind == SQL_TIMESTAMP_LTZ;

    /* 0 means all of them to the decoder; TIMESTAMP(0) is rare and keeps milliseconds. */
    return timed ? (type->precision > 0 ? type->precision : 3) : 0;
}

/* The feed's columns: what the table's physical and metadata columns are, as DuckDB makes them. */
static int feed_columns(const struct kafka_source_options *o, struct vec_columns *columns,
                        struct err *err)
{
    const struct sql_table *table = o->table;
    struct sql_output *outputs = calloc(table->column_count + 1, sizeof(*outputs));
    size_t count = 0;
    int rc;

    if (!outputs)
        return err_set(err, ERR_NOMEM, "columns");
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].kind != SQL_COLUMN_COMPUTED)
            outputs[count++] = (struct sql_output){table->columns[i].name, table->columns[i].type};
    rc = connector_columns(o->db, outputs, count, columns, err);
    free(outputs);
    return rc;
}

int kafka_source_columns(struct kafka_source_config *config, const struct kafka_source_options *o,
                         struct vec_columns *columns, struct json_decoder **decoder,
                         struct err *err)
{
    const struct sql_table *table = o->table;
    struct json_field *fields = calloc(table->column_count + 1, sizeof(*fields));
    struct json_decode_options decode = {.fields = fields,
                                         .ignore_parse_errors = config->ignore_parse_errors,
                                         .fail_on_missing_field = config->fail_on_missing_field};
    idx_t index = 0;
    int rc;

    config->metadata = calloc(table->column_count + 1, sizeof(*config->metadata));
    rc = fields && config->metadata ? feed_columns(o, columns, err)
                                    : err_set(err, ERR_NOMEM, "columns");
    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        if (column->kind == SQL_COLUMN_METADATA) {
            rc = add_metadata(config, column, index++, err);
            continue;
        }
        fields[decode.field_count] =
            (struct json_field){column->name, columns->list[index].type, index, ON_FAULT_REJECT,
                                second_digits(column->type)};
        rc = column_policy(o, column->name, &fields[decode.field_count++].policy, err);
        index++;
    }
    if (!rc)
        rc = json_decoder_new(decoder, &decode, err);
    free(fields);
    return rc;
}

/* ---- metadata ---- */

static int fill_headers(duckdb_vector map, idx_t row, const struct record *record)
{
    duckdb_list_entry *entry = (duckdb_list_entry *)duckdb_vector_get_data(map) + row;
    idx_t at = duckdb_list_vector_get_size(map);
    duckdb_vector pairs = duckdb_list_vector_get_child(map);
    struct slice rest = record->headers, key, value;
    idx_t count = (idx_t)record->header_count;

    if (duckdb_list_vector_reserve(map, at + count) == DuckDBError)
        return ERR_NOMEM;
    for (idx_t i = 0; i < count; i++) {
        duckdb_vector keys = duckdb_struct_vector_get_child(pairs, 0);
        duckdb_vector values = duckdb_struct_vector_get_child(pairs, 1);

        if (header_next(&rest, &key, &value, NULL))
            return ERR_CORRUPT;
        duckdb_vector_assign_string_element_len(keys, at + i, (const char *)key.ptr, key.len);
        if (value.ptr) {
            duckdb_vector_assign_string_element_len(values, at + i, (const char *)value.ptr,
                                                    value.len);
        } else {
            duckdb_vector_ensure_validity_writable(values);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(values), at + i);
        }
    }
    *entry = (duckdb_list_entry){at, count};
    return duckdb_list_vector_set_size(map, at + count) == DuckDBError ? ERR_NOMEM : 0;
}

int kafka_metadata_fill(const struct kafka_source_config *config, duckdb_data_chunk chunk,
                        idx_t row, int32_t partition, const struct batch *batch,
                        const struct record *record)
{
    for (size_t i = 0; i < config->metadata_count; i++) {
        const struct kafka_metadata_column *m = &config->metadata[i];
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, m->column);
        void *data = duckdb_vector_get_data(vector);
        int rc = 0;

        switch (m->key) {
        case KAFKA_META_TOPIC:
            duckdb_vector_assign_string_element(vector, row, config->topic);
            break;
        case KAFKA_META_PARTITION:
            ((int32_t *)data)[row] = partition;
            break;
        case KAFKA_META_HEADERS:
            rc = fill_headers(vector, row, record);
            break;
        case KAFKA_META_LEADER_EPOCH:
            ((int32_t *)data)[row] = batch->leader_epoch;
            break;
        case KAFKA_META_OFFSET:
            ((int64_t *)data)[row] = record->offset;
            break;
        case KAFKA_META_TIMESTAMP:
            ((int64_t *)data)[row] = record->timestamp * 1000;
            break;
        case KAFKA_META_TIMESTAMP_TYPE:
            duckdb_vector_assign_string_element(
                vector, row, batch_is_append_time(batch) ? "LogAppendTime" : "CreateTime");
            break;
        }
        if (rc)
            return rc;
    }
    return 0;
}
