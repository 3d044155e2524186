/* batch_fuzz.c - record batches as a producer may send them: walked to the last header, with the
 * CRC left out so that the fuzzer gets past it. Whatever comes out lies inside of what went in. */
#include "log/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_records(const struct batch *batch)
{
    struct buf scratch = {0};
    struct record_walk walk;
    struct record record;
    int32_t count = 0;

    if (!record_walk_init(&walk, batch, &scratch, (size_t)1 << 20, NULL))
        while (record_next(&walk, &record, NULL) == 1) {
            struct slice rest = record.headers, key, value;

            while (header_next(&rest, &key, &value, NULL) == 1)
                ;
            if (++count > batch->count || record.offset < batch->base_offset)
                abort();
        }
    buf_deinit(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct batch batch;

    while (!batch_next(&rest, false, &batch, NULL, NULL)) {
        if (batch.bytes.ptr < data || batch.bytes.ptr + batch.bytes.len != rest.ptr)
            abort();
        walk_records(&batch);
    }
    return 0;
}
