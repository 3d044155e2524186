/* kafka_sink_options.c - what WITH (...) and the columns say of writing to a topic. */
#include <stdio.h>
#include <strings.h>

#include "connector/kafka_options.h"
#include "connector/kafka_sink_int.h"
#include "operator/operator.h"

static int read_enum(const struct sql_table *table, const char *key, const char *const *words,
                     size_t count, int *out, struct err *err)
{
    const char *value = sql_option(table->options, key);

    for (size_t i = 0; value && i < count; i++)
        if (!strcasecmp(words[i], value)) {
            *out = (int)i;
            return 0;
        }
    return value ? err_set(err, ERR_UNSUPPORTED, "'%s' = '%s' is not built", key, value) : 0;
}

static int read_manner(struct kafka_sink_config *c, const struct sql_table *table, struct err *err)
{
    static const char *const guarantees[] = {"exactly-once", "at-least-once", "none"};
    static const char *const partitioners[] = {"default", "fixed", "round-robin"};
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    int guarantee = 0, partitioner = 0, codec = 0;
    int rc = read_enum(table, "sink.delivery-guarantee", guarantees, COUNT_OF(guarantees),
                       &guarantee, err);

    if (!rc)
        rc = read_enum(table, "sink.partitioner", partitioners, COUNT_OF(partitioners),
                       &partitioner, err);
    if (!rc)
        rc = read_enum(table, "properties.compression.type", codecs, COUNT_OF(codecs), &codec, err);
    c->transactional = guarantee == 0;
    c->partitioner = (enum kafka_partitioner)partitioner; /* each in the order of its enum */
    c->codec = (enum codec)codec;
    return rc;
}

/* ---- which columns go where ---- */

/* Columns of the feed that go into the key and into the value. */
struct layout {
    struct row_encoder_field *key, *value;
    struct table_field *key_types, *value_types; /* the same, as the table declares them */
    size_t key_count, value_count;
};

static bool in_list(const char *list, const char *name)
{
    while (list && *list) {
        size_t len = strcspn(list, ";");

        if (len == strlen(name) && !memcmp(list, name, len))
            return true;
        list += len + (list[len] == ';');
    }
    return false;
}

bool kafka_is_key(const struct sql_table *table, const char *name, bool upsert)
{
    for (size_t i = 0; upsert && i < table->primary_key_count; i++)
        if (!strcmp(table->primary_key[i], name))
            return true;
    return !upsert && in_list(sql_option(table->options, "key.fields"), name);
}

/* Each name of key.fields must be a column. */
static int check_key_fields(const struct sql_table *table, struct err *err)
{
    const char *list = sql_option(table->options, "key.fields");

    while (list && *list) {
        size_t len = strcspn(list, ";");
        bool found = false;

        for (size_t i = 0; i < table->column_count; i++)
            found |= table->columns[i].kind == SQL_COLUMN_PHYSICAL &&
                     strlen(table->columns[i].name) == len &&
                     !memcmp(table->columns[i].name, list, len);
        if (!found)
            return err_set(err, ERR_INVALID, "'key.fields' names `%.*s`, which is no column",
                           (int)len, list);
        list += len + (list[len] == ';');
    }
    return 0;
}

static int add_metadata(struct kafka_sink_config *c, const struct sql_column *column, size_t index,
                        struct err *err)
{
    const char *key = column->metadata_key ? column->metadata_key : column->name;

    if (!strcmp(key, "timestamp") && column->type->kind == SQL_TIMESTAMP_LTZ)
        c->timestamp = (int)index;
    else if (!strcmp(key, "headers") && column->type->kind == SQL_MAP)
        c->headers = (int)index;
    else
        return err_set(err, ERR_INVALID,
                       "column `%s`: of the metadata only timestamp, a TIMESTAMP_LTZ, and headers, "
                       "a MAP<STRING, BYTES>, can be written; declare it VIRTUAL",
                       column->name);
    return 0;
}

static int lay_out(struct kafka_sink_config *c, const struct sql_table *table,
                   const struct vec_columns *columns, struct layout *out, struct err *err)
{
    const char *prefix = sql_option(table->options, "key.fields-prefix");
    const char *include = sql_option(table->options, "value.fields-include");
    bool except = include && !strcasecmp(include, "EXCEPT_KEY"), keyed;
    size_t index = 0, skip = prefix ? strlen(prefix) : 0;

    if (skip && !except)
        return err_set(err, ERR_INVALID,
                       "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'");
    keyed = c->upsert || sql_option(table->options, "key.format");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];
        bool key = keyed && kafka_is_key(table, column->name, c->upsert);
        struct row_encoder_field field = {.name = column->name, .column = index};
        int rc = 0;

        if (!table_column_stored(column))
            continue;
        if (index + c->changes >= columns->count)
            return err_set(err, ERR_INTERNAL, "the feed has other columns than the table");
        field.type = columns->list[index].type;
        if (column->kind == SQL_COLUMN_METADATA)
            rc = add_metadata(c, column, index, err);
        if (rc)
            return rc;
        index++;
        if (column->kind == SQL_COLUMN_METADATA)
            continue;
        if (key && skip && strncmp(column->name, prefix, skip) != 0)
            return err_set(err, ERR_INVALID,
                           "column `%s` of the key does not begin with 'key.fields-prefix' = '%s'",
                           column->name, prefix);
        if (!key || !except) {
            out->value_types[out->value_count] = (struct table_field){field.name, column->type};
            out->value[out->value_count++] = field;
        }
        field.name += key ? skip : 0;
        if (key) {
            out->key_types[out->key_count] = (struct table_field){field.name, column->type};
            out->key[out->key_count++] = field;
        }
    }
    return 0;
}

/* ---- encoders ---- */

static int make_encoders(struct kafka_sink_config *c, const struct sql_table *table,
                         const struct layout *layout, struct err *err)
{
    struct table_format key = table_format_key(table), value = table_format_value(table, "json");
    struct row_options key_options = {table_format_option, &key};
    struct row_options value_options = {table_format_option, &value};
    struct buf key_schema = {0}, value_schema = {0};
    int rc;

    if (c->changes && !c->upsert && !row_format_changes(value.name))
        return err_set(err, ERR_INVALID,
                       "the format '%s' cannot tell of updates and deletes, which this query "
                       "gives: take 'connector' = 'upsert-kafka' with a primary key, or a format "
                       "of changes such as debezium-json",
                       value.name);
    rc = table_format_schema(&value, layout->value_types, layout->value_count, &value_schema, err);
    if (!rc)
        rc = table_format_schema(&key, layout->key_types, layout->key_count, &key_schema, err);
    if (!rc)
        rc = row_encoder_new(&c->value, value.name, layout->value, layout->value_count,
                             &value_options, err);
    if (!rc && key.name)
        rc = row_encoder_new(&c->key, key.name, layout->key, layout->key_count, &key_options, err);
    buf_deinit(&key_schema);
    buf_deinit(&value_schema);
    return rc;
}

static int check_upsert(const struct sql_table *table, struct err *err)
{
    if (!table->primary_key_count)
        return err_set(err, ERR_INVALID,
                       "'upsert-kafka' needs a key: PRIMARY KEY (...) NOT ENFORCED");
    if (!sql_option(table->options, "key.format"))
        return err_set(err, ERR_INVALID, "'upsert-kafka' needs the option 'key.format'");
    if (!sql_option(table->options, "value.format"))
        return err_set(err, ERR_INVALID, "'upsert-kafka' needs the option 'value.format'");
    if (row_format_changes(sql_option(table->options, "value.format")))
        return err_set(err, ERR_INVALID,
                       "'upsert-kafka' tells of changes itself: 'value.format' is one of rows, "
                       "such as json");
    return 0;
}

int kafka_sink_config_init(struct kafka_sink_config *c, const struct sink_request *r,
                           const struct vec_columns *columns, struct err *err)
{
    const struct sql_table *table = r->table;
    const char *topic = sql_option(table->options, "topic");
    struct layout layout = {0};
    int rc;

    *c = (struct kafka_sink_config){.timestamp = -1, .headers = -1};
    c->upsert = !strcmp(sql_option(table->options, "connector"), "upsert-kafka");
    c->changes = op_kind_column(columns) >= 0;
    if (!topic || strchr(topic, ';'))
        return err_set(
            err, ERR_INVALID,
            topic ? "'topic' = '%s': rows are written to one topic" : "'topic' is missing", topic);
    c->topic = strdup(topic);
    c->header_list = calloc(KAFKA_HEADERS_MAX, sizeof(*c->header_list));
    layout.key = calloc(table->column_count + 1, sizeof(*layout.key));
    layout.value = calloc(table->column_count + 1, sizeof(*layout.value));
    layout.key_types = calloc(table->column_count + 1, sizeof(*layout.key_types));
    layout.value_types = calloc(table->column_count + 1, sizeof(*layout.value_types));
    rc = c->topic && c->header_list && layout.key && layout.value && layout.key_types &&
                 layout.value_types
             ? 0
             : err_set(err, ERR_NOMEM, "options");
    if (!rc)
        rc = c->upsert ? check_upsert(table, err) : check_key_fields(table, err);
    if (!rc)
        rc = read_manner(c, table, err);
    if (!rc)
        rc = lay_out(c, table, columns, &layout, err);
    if (!rc)
        rc = make_encoders(c, table, &layout, err);
    free(layout.key);
    free(layout.value);
    free(layout.key_types);
    free(layout.value_types);
    return rc;
}

void kafka_sink_config_deinit(struct kafka_sink_config *c)
{
    row_encoder_free(c->key);
    row_encoder_free(c->value);
    free(c->header_list);
    free(c->topic);
    *c = (struct kafka_sink_config){0};
}

/* ---- metadata ---- */

static struct slice text_at(duckdb_vector vector, idx_t row)
{
    duckdb_string_t *text = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;

    if (!vec_is_valid(duckdb_vector_get_validity(vector), row))
        return (struct slice){0};
    return slice_of(duckdb_string_t_data(text), duckdb_string_t_length(*text));
}

static int read_headers(const struct kafka_sink_config *c, duckdb_vector map, idx_t row,
                        struct kafka_record_extra *out, struct err *err)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(map))[row];
    duckdb_vector pairs = duckdb_list_vector_get_child(map);

    if (entry.length > KAFKA_HEADERS_MAX)
        return err_set(err, ERR_LIMIT, "a record with %" PRIu64 " headers", entry.length);
    for (idx_t i = 0; i < entry.length; i++)
        c->header_list[i] =
            (struct header){text_at(duckdb_struct_vector_get_child(pairs, 0), entry.offset + i),
                            text_at(duckdb_struct_vector_get_child(pairs, 1), entry.offset + i)};
    out->headers = c->header_list;
    out->header_count = (int)entry.length;
    return 0;
}

int kafka_record_extra(const struct kafka_sink_config *c, duckdb_data_chunk chunk, idx_t row,
                       struct kafka_record_extra *out, struct err *err)
{
    duckdb_vector vector;

    if (c->timestamp >= 0) {
        vector = duckdb_data_chunk_get_vector(chunk, (idx_t)c->timestamp);
        if (vec_is_valid(duckdb_vector_get_validity(vector), row))
            out->timestamp_ms = ((int64_t *)duckdb_vector_get_data(vector))[row] / 1000;
    }
    if (c->headers < 0)
        return 0;
    vector = duckdb_data_chunk_get_vector(chunk, (idx_t)c->headers);
    return vec_is_valid(duckdb_vector_get_validity(vector), row)
               ? read_headers(c, vector, row, out, err)
               : 0;
}

int kafka_sink_record(const struct kafka_sink_config *c, duckdb_data_chunk chunk, idx_t row,
                      enum row_kind kind, struct buf *key, struct buf *value, int64_t now_ms,
                      struct kafka_sink_record *out, struct err *err)
{
    bool null = false;
    int rc = 0;

    *out = (struct kafka_sink_record){.extra = {.timestamp_ms = now_ms}};
    if (c->key) {
        buf_clear(key);
        rc = row_encode(c->key, chunk, row, kind, key, &null, err);
        if (!rc && !null)
            out->key = key->ptr ? buf_slice(key) : SLICE_LIT("");
    }
    if (!rc && !(c->upsert && kind == ROW_DELETE)) {
        buf_clear(value);
        rc = row_encode(c->value, chunk, row, kind, value, &null, err);
        if (!rc && !null)
            out->value = value->ptr ? buf_slice(value) : SLICE_LIT("");
    }
    return rc ? rc : kafka_record_extra(c, chunk, row, &out->extra, err);
}

/* Austin Appleby's MurmurHash2 with Kafka's seed. */
uint32_t kafka_murmur2(struct slice key)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cu ^ (uint32_t)key.len;
    const uint8_t *p = key.ptr;
    size_t left = key.len;

    for (; left >= 4; p += 4, left -= 4) {
        uint32_t k =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

        k *= m;
        k ^= k >> 24;
        h = (h * m) ^ (k * m);
    }
    if (left >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1)
        h = (h ^ p[0]) * m;
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}
