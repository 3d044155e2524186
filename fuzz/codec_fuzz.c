/* codec_fuzz.c - compressed bytes from outside: the first byte picks the codec. Never more than the
 * limit comes out, and what does come out survives a round trip. The texts of hex and base64 and
 * the checksum are checked against themselves on the same bytes. */
#include <stdlib.h>

#include "base/base.h"
#include "base/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX ((size_t)1 << 20)

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void round_trip(enum codec codec, struct slice plain)
{
    struct buf packed = {0}, again = {0};

    check(codec_compress(codec, 0, plain, &packed, NULL) == 0);
    check(codec_decompress(codec, buf_slice(&packed), plain.len, &again, NULL) == 0);
    check(slice_eq(buf_slice(&again), plain));
    buf_deinit(&packed);
    buf_deinit(&again);
}

static void texts(struct slice in)
{
    struct buf coded = {0}, plain = {0};
    size_t half = in.len / 2;

    check(base64_encode(in, &coded) == 0);
    check(base64_decode(buf_slice(&coded), &plain) == 0);
    check(slice_eq(buf_slice(&plain), in));
    buf_clear(&plain);
    if (base64_decode(in, &plain) == 0) { /* strict: each value has one text */
        buf_clear(&coded);
        check(base64_encode(buf_slice(&plain), &coded) == 0);
        check(slice_eq(buf_slice(&coded), in));
    }
    check(crc32c(crc32c(0, in.ptr, half), in.ptr + half, in.len - half) ==
          crc32c(0, in.ptr, in.len));
    buf_deinit(&coded);
    buf_deinit(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = {0};
    struct err err = {0};
    enum codec codec;
    int rc;

    if (size == 0)
        return 0;
    codec = (enum codec)(data[0] % 8); /* the last one does not exist */
    rc = codec_decompress(codec, slice_of(data + 1, size - 1), OUT_MAX, &out, &err);
    check(out.len <= OUT_MAX);
    check(rc == 0 || (err.code == rc && err.text[0] && out.len == 0));
    if (rc == 0)
        round_trip(codec, buf_slice(&out));
    texts(slice_of(data + 1, size - 1));
    buf_deinit(&out);
    return 0;
}
