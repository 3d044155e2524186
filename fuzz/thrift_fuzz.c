/* thrift_fuzz.c - trees of Thrift's compact protocol: what is read is written and read again the
 * same. */
#include "lake/thrift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = (size_t)256 << 20};
    struct thrift_node node, again;
    struct buf first = {0}, second = {0};
    size_t used;

    if (thrift_read(slice_of(data, size), &arena, &node, &used, NULL) == 0) {
        assert(used <= size);
        assert(thrift_write(&node, &first) == 0);
        assert(thrift_read(buf_slice(&first), &arena, &again, &used, NULL) == 0);
        assert(used == first.len);
        assert(thrift_write(&again, &second) == 0);
        assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
    return 0;
}
