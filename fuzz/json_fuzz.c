/* json_fuzz.c - event JSON into columns of every kind, and out again as JSON that reads the same.
 */
#include <stdio.h>

#include "format/json.h"

static struct vec_columns columns;
static struct json_decoder *decoder;
static duckdb_data_chunk chunk;

static duckdb_logical_type list_of(duckdb_logical_type item)
{
    duckdb_logical_type type = duckdb_create_list_type(item);

    duckdb_destroy_logical_type(&item);
    return type;
}

static void start(void)
{
    static const duckdb_type simple[] = {
        DUCKDB_TYPE_BOOLEAN, DUCKDB_TYPE_TINYINT,   DUCKDB_TYPE_BIGINT,       DUCKDB_TYPE_FLOAT,
        DUCKDB_TYPE_DOUBLE,  DUCKDB_TYPE_VARCHAR,   DUCKDB_TYPE_BLOB,         DUCKDB_TYPE_DATE,
        DUCKDB_TYPE_TIME,    DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_TIMESTAMP_NS, DUCKDB_TYPE_UUID,
    };
    struct json_field fields[16];
    const char *names[] = {"a", "b"};
    duckdb_logical_type parts[2], inner, map;
    char name[2] = "a";

    for (size_t i = 0; i < COUNT_OF(simple); i++, name[0]++)
        vec_columns_add(&columns, name, duckdb_create_logical_type(simple[i]));
    vec_columns_add(&columns, "m", duckdb_create_decimal_type(38, 10));
    parts[0] = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    parts[1] = list_of(duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    inner = duckdb_create_struct_type(parts, names, 2);
    map = duckdb_create_map_type(parts[0], parts[1]);
    vec_columns_add(&columns, "n", list_of(inner));
    vec_columns_add(&columns, "o", map);
    duckdb_destroy_logical_type(&parts[0]);
    duckdb_destroy_logical_type(&parts[1]);
    for (size_t i = 0; i < columns.count; i++)
        fields[i] = (struct json_field){
            .name = columns.list[i].name, .type = columns.list[i].type, .column = i};
    json_decoder_new(&decoder,
                     &(struct json_decode_options){.fields = fields, .field_count = columns.count},
                     NULL);
    chunk = vec_chunk_new(&columns);
}

/* One record; its JSON text on success. */
static bool round(struct slice text, struct buf *out)
{
    struct json_encode_options options = {
        .timestamps_iso = true, .decimals_plain = true, .null_key = JSON_NULL_KEY_LITERAL};
    struct json_fault fault;
    int rc;

    duckdb_data_chunk_reset(chunk);
    json_decode_begin(decoder, chunk);
    rc = json_decode_row(decoder, text, 0, &fault);
    json_decode_end(decoder);
    if (rc)
        assert(fault.reason[0]);
    else
        json_encode_row(&columns, chunk, 0, &options, out, NULL);
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = {0}, second = {0};

    if (!decoder)
        start();
    if (round(slice_of(data, size), &first)) {
        bool again = round(buf_slice(&first), &second);

        /* Years beyond four digits are written and not read: such a text may be refused. */
        assert(!again || slice_eq(buf_slice(&first), buf_slice(&second)));
    }
    buf_deinit(&first);
    buf_deinit(&second);
    return 0;
}
