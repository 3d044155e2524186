/* kafka_options.c - the options of a kafka table, read by one table; its columns; its metadata.
 *
 * Our own on top of Flink's: 'tarn.on-error' = 'reject' (default: dead letter), 'null' or 'fail'
 * for all columns, 'tarn.on-error.COLUMN' for one. */
#include <stdio.h>
#include <strings.h>

#include "connector/kafka_options.h"
#include "connector/kafka_rows.h"
#include "connector/kafka_sink_int.h"
#include "connector/session_int.h"
#include "operator/operator.h"

static const char *option(const struct kafka_source_options *o, const char *key)
{
    return o->table->options ? sql_option(o->table->options, key) : NULL;
}

static const struct {
    const char *name;
    enum kafka_place_kind kind;
    bool startup, bounded; /* where it may stand */
} modes[] = {
    {"earliest-offset", KAFKA_EARLIEST, true, false}, {"latest-offset", KAFKA_LATEST, true, true},
    {"group-offsets", KAFKA_GROUP, true, true},       {"timestamp", KAFKA_TIMESTAMP, true, true},
    {"specific-offsets", KAFKA_OFFSETS, true, true},  {"unbounded", KAFKA_UNBOUNDED, false, true},
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
    while (i < COUNT_OF(modes) &&
           (strcmp(modes[i].name, mode) != 0 || !(startup ? modes[i].startup : modes[i].bounded)))
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
bool kafka_is_ours(const struct sql_table *table, const int *ports)
{
    const char *servers = sql_option(table->options, "properties.bootstrap.servers");

    if (!ports || !servers)
        return true;
    for (const char *at = servers; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t len = strcspn(at, ",");
        const char *colon = memrchr(at, ':', len);

        if (has_port(ports, colon ? atoi(colon + 1) : 9092))
            return true;
    }
    return false;
}

bool kafka_is_here(const struct sql_table *table, const int *ports)
{
    const char *topic = sql_option(table->options, "topic");

    return kafka_is_ours(table, ports) &&
           (topic ? !strchr(topic, ';') : !sql_option(table->options, "topic-pattern"));
}

/* Which format, and what it does with records that it cannot read. */
static int parse_format(struct kafka_source_config *config, const struct kafka_source_options *o,
                        struct err *err)
{
    struct table_format value = table_format_value(o->table, "json"); /* S1's table names none */
    const char *isolation = option(o, "properties.isolation.level");

    config->upsert = !strcmp(sql_option(o->table->options, "connector"), "upsert-kafka");
    if (!row_format_known(value.name))
        return err_set(err, ERR_UNSUPPORTED, "format '%s' is not built yet", value.name);
    config->key_apart = option(o, "value.fields-include") &&
                        !strcasecmp(option(o, "value.fields-include"), "EXCEPT_KEY");
    config->changes = config->upsert || row_format_changes(value.name);
    if (config->upsert && (!option(o, "key.format") || !o->table->primary_key_count))
        return err_set(err, ERR_INVALID,
                       "'upsert-kafka' needs 'key.format' and PRIMARY KEY (...) NOT ENFORCED");
    if (config->upsert && row_format_changes(value.name))
        return err_set(err, ERR_INVALID,
                       "'upsert-kafka' tells of changes itself: 'value.format' is one of rows, "
                       "such as json");
    /* Flink's default is the other one: a job of ours that feeds another gives every row once. */
    config->uncommitted = isolation && !strcmp(isolation, "read_uncommitted");
    config->ignore_parse_errors = table_format_true(&value, "ignore-parse-errors");
    config->fail_on_missing_field = table_format_true(&value, "fail-on-missing-field");
    if (config->ignore_parse_errors && config->fail_on_missing_field)
        return err_set(err, ERR_INVALID,
                       "%s.fail-on-missing-field and %s.ignore-parse-errors shouldn't both be true",
                       value.name, value.name);
    return 0;
}

int kafka_source_config_init(struct kafka_source_config *config,
                             const struct kafka_source_options *o, struct err *err)
{
    const char *topic = option(o, "topic"), *group = option(o, "properties.group.id");
    int rc;

    if (!topic)
        topic = option(o, "topic-pattern");
    if (!topic)
        return err_set(err, ERR_INVALID, "'topic' is missing");
    config->topic = strdup(topic);
    config->group = strdup(group ? group : "");
    if (!config->topic || !config->group)
        return err_set(err, ERR_NOMEM, "options");
    rc = parse_format(config, o, err);
    if (!rc && config->upsert)
        config->startup.kind = KAFKA_EARLIEST; /* all of it, or updates would miss their inserts */
    else if (!rc)
        rc = parse_place(o, true, &config->startup, err);
    if (!rc)
        rc = parse_place(o, false, &config->bounded, err);
    if (!rc)
        rc = parse_reset(o, &config->reset, err);
    return rc;
}

void kafka_source_config_deinit(struct kafka_source_config *config)
{
    row_decoder_free(config->value);
    row_decoder_free(config->key);
    buf_deinit(&config->no_value);
    free(config->key_columns);
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

    if (!strcmp(column->name, SQL_FLOW_PARTITION)) {
        config->metadata[config->metadata_count++] =
            (struct kafka_metadata_column){KAFKA_META_ORDINAL, index};
        return 0;
    }
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

/* The fields that a decoder fills. */
struct fields {
    struct json_field *list;
    struct table_field *types; /* the same, as the table declares them */
    size_t count;
};

static int make_decoders(struct kafka_source_config *config, const struct kafka_source_options *o,
                         const struct fields *value, const struct fields *key, struct err *err)
{
    struct table_format value_format = table_format_value(o->table, "json");
    struct table_format key_format = table_format_key(o->table);
    struct row_decoder_options in = {.fields = value->list,
                                     .field_count = value->count,
                                     .options = {table_format_option, &value_format},
                                     .ignore_parse_errors = config->ignore_parse_errors};
    struct buf schema = {0}, key_schema = {0};
    int rc = table_format_schema(&value_format, value->types, value->count, &schema, err);

    if (!rc)
        rc = row_decoder_new(&config->value, value_format.name, &in, err);
    if (!rc && key->count) {
        in.fields = key->list;
        in.field_count = key->count;
        in.options.arg = &key_format;
        in.ignore_parse_errors = table_format_true(&key_format, "ignore-parse-errors");
        rc = table_format_schema(&key_format, key->types, key->count, &key_schema, err);
        if (!rc)
            rc = row_decoder_new(&config->key, key_format.name, &in, err);
    }
    buf_deinit(&schema);
    buf_deinit(&key_schema);
    return rc;
}

/* Upsert: what a record without a value has in place of one. */
static int make_no_value(struct kafka_source_config *config, const struct fields *value)
{
    int rc = buf_append_u8(&config->no_value, '{');

    for (size_t i = 0; i < value->count && !rc; i++) {
        rc = i ? buf_append_u8(&config->no_value, ',') : 0;
        rc = rc ? rc : row_put_string(&config->no_value, slice_str(value->list[i].name));
        rc = rc ? rc : buf_append_str(&config->no_value, ":null");
    }
    return rc ? rc : buf_append_u8(&config->no_value, '}');
}

/* One physical column: who reads it. */
static int add_physical(struct kafka_source_config *config, const struct kafka_source_options *o,
                        const struct sql_column *column, duckdb_logical_type type, idx_t index,
                        struct fields *value, struct fields *key, struct err *err)
{
    const char *prefix = option(o, "key.fields-prefix");
    bool is_key = option(o, "key.format") && kafka_is_key(o->table, column->name, config->upsert);
    bool except = config->key_apart;
    struct json_field field = {column->name, type, index, ON_FAULT_REJECT,
                               table_second_digits(column->type)};
    int rc = table_column_policy(o->table, column->name, &field.policy, err);

    if (rc)
        return rc;
    if (!is_key || !except) {
        value->types[value->count] = (struct table_field){column->name, column->type};
        value->list[value->count++] = field;
    }
    if (!is_key || !(except || config->upsert)) /* with ALL the value's is taken, as in Flink */
        return 0;
    if (prefix && strncmp(column->name, prefix, strlen(prefix)) != 0)
        return err_set(err, ERR_INVALID,
                       "column `%s` of the key does not begin with 'key.fields-prefix' = '%s'",
                       column->name, prefix);
    field.name += prefix ? strlen(prefix) : 0;
    config->key_columns[config->key_column_count++] = index;
    key->types[key->count] = (struct table_field){field.name, column->type};
    key->list[key->count++] = field;
    return 0;
}

int kafka_source_columns(struct kafka_source_config *config, const struct kafka_source_options *o,
                         struct vec_columns *columns, struct err *err)
{
    const struct sql_table *table = o->table;
    size_t room = table->column_count + 1;
    struct fields value = {calloc(room, sizeof(*value.list)), calloc(room, sizeof(*value.types)),
                           0};
    struct fields key = {calloc(room, sizeof(*key.list)), calloc(room, sizeof(*key.types)), 0};
    idx_t index = 0;
    int rc;

    config->metadata = calloc(table->column_count + 1, sizeof(*config->metadata));
    config->key_columns = calloc(table->column_count + 1, sizeof(*config->key_columns));
    rc = value.list && key.list && value.types && key.types && config->metadata &&
                 config->key_columns
             ? feed_columns(o, columns, err)
             : err_set(err, ERR_NOMEM, "columns");
    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        if (column->kind == SQL_COLUMN_METADATA)
            rc = add_metadata(config, column, index, err);
        else
            rc = add_physical(config, o, column, columns->list[index].type, index, &value, &key,
                              err);
        index++;
    }
    if (!rc)
        rc = make_decoders(config, o, &value, &key, err);
    if (!rc && config->upsert && make_no_value(config, &value))
        rc = err_set(err, ERR_NOMEM, "columns");
    if (!rc && config->changes &&
        vec_columns_add(columns, OP_KIND, duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)))
        rc = err_set(err, ERR_NOMEM, "columns");
    free(value.list);
    free(key.list);
    free(value.types);
    free(key.types);
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
                        idx_t row, const struct kafka_origin *at, const struct record *record)
{
    for (size_t i = 0; i < config->metadata_count; i++) {
        const struct kafka_metadata_column *m = &config->metadata[i];
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, m->column);
        void *data = duckdb_vector_get_data(vector);
        int rc = 0;

        switch (m->key) {
        case KAFKA_META_TOPIC:
            duckdb_vector_assign_string_element(vector, row, at->topic);
            break;
        case KAFKA_META_PARTITION:
            ((int32_t *)data)[row] = at->partition;
            break;
        case KAFKA_META_ORDINAL:
            ((int32_t *)data)[row] = at->ordinal;
            break;
        case KAFKA_META_HEADERS:
            rc = fill_headers(vector, row, record);
            break;
        case KAFKA_META_LEADER_EPOCH:
            if (at->leader_epoch < 0) { /* not told */
                duckdb_vector_ensure_validity_writable(vector);
                duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
            }
            ((int32_t *)data)[row] = at->leader_epoch;
            break;
        case KAFKA_META_OFFSET:
            ((int64_t *)data)[row] = record->offset;
            break;
        case KAFKA_META_TIMESTAMP:
            ((int64_t *)data)[row] = record->timestamp * 1000;
            break;
        case KAFKA_META_TIMESTAMP_TYPE:
            duckdb_vector_assign_string_element(vector, row,
                                                at->append_time ? "LogAppendTime" : "CreateTime");
            break;
        }
        if (rc)
            return rc;
    }
    return 0;
}
