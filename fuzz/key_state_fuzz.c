/* key_state_fuzz.c - the saved state of a key index: refused, or an index that can be asked. The
 * magic and the checksum are made right, so that what lies behind them is reached. */
#include "base/codec.h"
#include "lake/key_index_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t magic = 0x315853454b4e5254ull;
    struct key_index index = {.table = "t"};
    struct key_run_name *runs;
    struct arena arena = {0};
    struct buf bytes = {0};
    size_t run_count;
    uint32_t crc = crc32c(0, data, size);

    if (buf_append(&bytes, &magic, sizeof(magic)) || buf_append(&bytes, &crc, sizeof(crc)) ||
        buf_append(&bytes, data, size))
        abort();
    if (!key_state_parse(buf_slice(&bytes), &index, &arena, &runs, &run_count, NULL))
        for (uint32_t file = 0; file < index.files.count + 2; file++) {
            uint32_t at = file, row = 3;

            key_files_resolve(&index.files, &at, &row);
        }
    key_files_deinit(&index.files);
    arena_deinit(&arena);
    buf_deinit(&bytes);
    return 0;
}
