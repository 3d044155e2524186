/* kafka_fuzz.c - requests and replies of the Kafka protocol by their tables. The first two bytes
 * pick the message and the version. What is decoded is encoded and decoded again: the second time
 * must give the very bytes of the first. */
#include "kafka/kafka_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct schema *schema, int version, bool flexible, const void *message,
                   struct arena *arena, struct buf *out)
{
    if (schema_encode(schema, version, flexible, message, arena, out, NULL, NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = (size_t)16 << 20};
    struct buf first = {0}, second = {0};
    const struct schema *schema;
    const struct api *api;
    struct slice in;
    bool flexible;
    void *message;
    int version;

    if (size < 2)
        return 0;
    api = &apis[(data[0] >> 1) % api_count];
    schema = data[0] & 1 ? api->response : api->request;
    version = api->min + data[1] % (api->max - api->min + 1);
    flexible = version >= api->flexible;
    in = slice_of(data + 2, size - 2);
    message = arena_alloc(&arena, schema->size);
    if (message && !schema_decode(schema, version, flexible, &in, &arena, message, NULL)) {
        encode(schema, version, flexible, message, &arena, &first);
        in = buf_slice(&first);
        if (schema_decode(schema, version, flexible, &in, &arena, message, NULL) == 0) {
            encode(schema, version, flexible, message, &arena, &second);
            if (in.len || !slice_eq(buf_slice(&first), buf_slice(&second)))
                abort();
        } else if (arena.used_bytes < arena.max_bytes / 4) {
            abort(); /* what we write ourselves we can read */
        }
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
    return 0;
}
