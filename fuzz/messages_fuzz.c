/* messages_fuzz.c - messages of csv, raw, debezium, canal and maxwell to rows: the first byte picks
 * the format. What is refused has a reason; a row that came out of csv goes back to a line that
 * reads the same. */
#include <stdio.h>

#include "format/row_format.h"

static const char *csv_options[] = {
    "escape-character", "\\", "null-literal", "n", "allow-comments", "true", NULL};
static const char *schema_inside[] = {"schema-include", "true", NULL};
static const char *of_table[] = {"table.include", "a.*", NULL};
static const struct format {
    const char *name;
    const char **options; /* key, value, ...; NULL: none */
    bool one;             /* of one column */
} formats[] = {
    {"csv", NULL, false},
    {"csv", csv_options, false},
    {"raw", NULL, true},
    {"debezium-json", NULL, false},
    {"debezium-json", schema_inside, false},
    {"canal-json", of_table, false},
    {"maxwell-json", NULL, false},
};

static struct vec_columns columns;
static struct row_decoder *decoders[COUNT_OF(formats)];
static struct row_encoder *encoders[2];

static const char *get(void *arg, const char *key)
{
    const char *const *options = arg;

    for (; options && *options; options += 2)
        if (!strcmp(*options, key))
            return options[1];
    return NULL;
}

static void start(void)
{
    static const duckdb_type types[] = {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_INTEGER,
                                        DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_TIMESTAMP};
    struct json_field fields[8];
    struct row_encoder_field out[8];
    duckdb_logical_type item = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    char name[2] = "a";

    for (size_t i = 0; i < COUNT_OF(types); i++, name[0]++)
        vec_columns_add(&columns, name, duckdb_create_logical_type(types[i]));
    vec_columns_add(&columns, "e", duckdb_create_list_type(item));
    duckdb_destroy_logical_type(&item);
    for (size_t i = 0; i < columns.count; i++) {
        fields[i] = (struct json_field){
            .name = columns.list[i].name, .type = columns.list[i].type, .column = i};
        out[i] = (struct row_encoder_field){columns.list[i].name, columns.list[i].type, i};
    }
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct row_decoder_options o = {.fields = fields,
                                        .field_count = formats[i].one ? 1 : columns.count,
                                        .options = {get, formats[i].options}};

        if (row_decoder_new(&decoders[i], formats[i].name, &o, NULL))
            abort();
        if (i < COUNT_OF(encoders) &&
            row_encoder_new(&encoders[i], "csv", out, columns.count, &o.options, NULL))
            abort();
    }
}

/* Rows of a message; the last chunk is the caller's. */
static size_t decode(struct row_decoder *d, struct slice message, duckdb_data_chunk chunk)
{
    struct json_fault fault = {0};
    enum row_kind kind;
    size_t rows = 0;
    int rc;

    row_decode_begin(d, chunk);
    rc = row_decode_message(d, message, &rows, &fault);
    for (size_t i = 0; i < rows && !rc; i++)
        rc = row_decode(d, i, i, &kind, &fault);
    row_decode_end(d);
    if (rc == ERR_INVALID && !fault.reason[0])
        abort();
    return rc ? 0 : rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = {0}, second = {0};
    duckdb_data_chunk chunk;
    bool null;
    size_t which;

    if (!columns.count)
        start();
    if (!size)
        return 0;
    which = data[0] % COUNT_OF(formats);
    chunk = vec_chunk_new(&columns);
    if (decode(decoders[which], slice_of(data + 1, size - 1), chunk) == 1 &&
        which < COUNT_OF(encoders) &&
        !row_encode(encoders[which], chunk, 0, ROW_INSERT, &first, &null, NULL)) {
        bool again = decode(decoders[which], buf_slice(&first), chunk) == 1;

        if (again && !row_encode(encoders[which], chunk, 0, ROW_INSERT, &second, &null, NULL) &&
            !slice_eq(buf_slice(&first), buf_slice(&second)))
            abort();
    }
    duckdb_destroy_data_chunk(&chunk);
    buf_deinit(&first);
    buf_deinit(&second);
    return 0;
}
