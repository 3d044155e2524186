/* avro_rows_fuzz.c - Avro from outside as rows: container files of any schema, and messages of one
 * that a table gave. What becomes JSON must be JSON. */
#include <jansson.h>

#include "format/avro_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 20)

static const char table[] =
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
    "{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"l\",\"type\":[\"null\",\"long\"]},"
    "{\"name\":\"d\",\"type\":[\"null\",\"double\"]},{\"name\":\"s\",\"type\":[\"null\",\"string\"]"
    "},"
    "{\"name\":\"m\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":20,"
    "\"scale\":3}},{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":"
    "\"timestamp-micros\"}},{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":[\"null\","
    "\"int\"]}},{\"name\":\"p\",\"type\":{\"type\":\"map\",\"values\":\"bytes\"}}]}";

static void check(struct avro_cursor *c, const struct avro_schema *schema, struct buf *text)
{
    buf_clear(text);
    if (avro_put_json(c, schema, text, NULL) == 0) {
        json_t *json =
            json_loadb((char *)text->ptr, text->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        /* jansson takes no NUL in keys, and nothing that is nested too deep or no double. */
        assert(json || text->len > 4096 || memmem(text->ptr, text->len, "\\u0000", 6));
        json_decref(json);
    }
}

static void file(struct slice in, struct buf *text)
{
    struct arena arena = {0};
    struct avro_file header;
    struct buf plain = {.max = TEXT_MAX};
    int64_t count;
    size_t used, need;

    if (avro_file_open(in, &arena, &header, NULL) == 0)
        while (header.blocks.len &&
               avro_block_read(&header, header.blocks, &plain, &count, &used, &need, NULL) == 0) {
            struct avro_cursor c = {plain.ptr, plain.ptr + plain.len};

            for (int64_t i = 0; i < count && i < 100; i++)
                check(&c, header.schema, text);
            header.blocks = slice_of(header.blocks.ptr + used, header.blocks.len - used);
        }
    buf_deinit(&plain);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct avro_schema *schema;
    static struct arena arena;
    struct buf text = {.max = TEXT_MAX};
    struct avro_cursor c = {data, data + size};

    if (!schema)
        assert(avro_schema_parse(slice_str(table), &arena, &schema, NULL) == 0);
    check(&c, schema, &text);
    file(slice_of(data, size), &text);
    buf_deinit(&text);
    return 0;
}
