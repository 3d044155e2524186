/* codec_test.c - compressions keep their bytes and their bounds; checksums and digests give the
 * values their specifications print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <lz4frame.h>
#include <zstd.h>

#include "base/base.h"
#include "base/codec.h"

#define CODECS 7

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < len; i++)
        bytes[i] =
            (uint8_t)("abcdefgh"[rng_below(&rng, 8)] + (i % 700 < 20 ? rng_below(&rng, 99) : 0));
}

static void every_codec_gives_back_its_bytes(void **state)
{
    static const size_t lens[] = {0, 1, 7, 511, 512, 40000, 65536, 200001};
    static uint8_t bytes[200001];

    (void)state;
    fill(bytes, sizeof(bytes), 1);
    for (int codec = 0; codec < CODECS; codec++)
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            struct buf packed = {0}, out = {0};
            struct err err = {0};

            assert_int_equal(
                codec_compress((enum codec)codec, 0, slice_of(bytes, lens[i]), &packed, &err), 0);
            assert_int_equal(buf_append_str(&out, "before"), 0);
            codec_rest(); /* what comes next makes its contexts again */
            if (codec_decompress((enum codec)codec, buf_slice(&packed), lens[i], &out, &err))
                fail_msg("%s, %zu bytes: %s", codec_name((enum codec)codec), lens[i], err.text);
            assert_int_equal(out.len, lens[i] + 6);
            assert_memory_equal(out.ptr, "before", 6);
            if (lens[i])
                assert_memory_equal(out.ptr + 6, bytes, lens[i]);
            buf_deinit(&packed);
            buf_deinit(&out);
        }
}

static void a_bomb_stops_at_the_limit(void **state)
{
    size_t len = (size_t)32 << 20;
    uint8_t *zeroes = calloc(1, len);

    (void)state;
    assert_non_null(zeroes);
    for (int codec = 0; codec < CODECS; codec++) {
        struct buf packed = {0}, out = {0};
        struct err err = {0};

        assert_int_equal(codec_compress((enum codec)codec, 0, slice_of(zeroes, len), &packed, NULL),
                         0);
        assert_int_equal(
            codec_decompress((enum codec)codec, buf_slice(&packed), 100000, &out, &err), ERR_LIMIT);
        assert_int_equal(out.len, 0);
        assert_true(out.cap < 300000);
        assert_non_null(strstr(err.text, "100000"));
        assert_int_equal(
            codec_decompress((enum codec)codec, buf_slice(&packed), len - 1, &out, &err),
            ERR_LIMIT);
        buf_deinit(&out);
        assert_int_equal(codec_decompress((enum codec)codec, buf_slice(&packed), len, &out, &err),
                         0);
        assert_int_equal(out.len, len);
        buf_deinit(&packed);
        buf_deinit(&out);
    }
    free(zeroes);
}

static void every_truncation_is_refused(void **state)
{
    uint8_t bytes[3000];

    (void)state;
    fill(bytes, sizeof(bytes), 2);
    for (int codec = 1; codec < CODECS; codec++) {
        struct buf packed = {0};

        assert_int_equal(
            codec_compress((enum codec)codec, 0, slice_of(bytes, sizeof(bytes)), &packed, NULL), 0);
        for (size_t len = 0; len < packed.len; len++) {
            uint8_t *exact = malloc(len ? len : 1); /* so that a byte too far is seen */
            struct buf out = {0};
            int rc;

            assert_non_null(exact);
            memcpy(exact, packed.ptr, len);
            rc = codec_decompress((enum codec)codec, slice_of(exact, len), 100000, &out, NULL);
            /* The head of the xerial framing alone is a stream of no blocks. */
            assert_true(rc == ERR_CORRUPT || (codec == CODEC_SNAPPY && len == 16 && out.len == 0));
            free(exact);
            buf_deinit(&out);
        }
        buf_deinit(&packed);
    }
}

static void broken_bytes_never_do_harm(void **state)
{
    uint8_t bytes[3000];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    fill(bytes, sizeof(bytes), 2);
    for (int codec = 1; codec < CODECS; codec++) {
        struct buf packed = {0};

        assert_int_equal(
            codec_compress((enum codec)codec, 0, slice_of(bytes, sizeof(bytes)), &packed, NULL), 0);
        for (int i = 0; i < 2000; i++) {
            struct buf out = {0};
            size_t at = rng_below(&rng, packed.len);
            uint8_t was = packed.ptr[at];
            int rc;

            packed.ptr[at] ^= (uint8_t)(1 + rng_below(&rng, 255));
            rc = codec_decompress((enum codec)codec, buf_slice(&packed), 100000, &out, NULL);
            assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_LIMIT);
            assert_true(out.len <= 100000);
            packed.ptr[at] = was;
            buf_deinit(&out);
        }
        buf_deinit(&packed);
    }
}

static void streams_one_after_another_are_one(void **state)
{
    static const enum codec codecs[] = {CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD, CODEC_SNAPPY};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct buf packed = {0}, out = {0};

        assert_int_equal(codec_compress(codecs[i], 0, SLICE_LIT("first "), &packed, NULL), 0);
        assert_int_equal(codec_compress(codecs[i], 0, SLICE_LIT("second"), &packed, NULL), 0);
        assert_int_equal(codec_decompress(codecs[i], buf_slice(&packed), 12, &out, NULL), 0);
        assert_true(slice_is(buf_slice(&out), "first second"));
        buf_deinit(&packed);
        buf_deinit(&out);
    }
}

/* librdkafka writes snappy without the framing; Java's zstd streams do not tell their size. */
static void foreign_writers_are_read(void **state)
{
    static const uint8_t raw[] = {11, 40, 'h', 'e', 'l', 'l', 'o', ' ', 't', 'h', 'e', 'r', 'e'};
    static uint8_t big[300000], packed[400000];
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_outBuffer to = {packed, sizeof(packed), 0};
    ZSTD_inBuffer from = {big, sizeof(big), 0};
    struct buf out = {0};

    (void)state;
    assert_int_equal(codec_decompress(CODEC_SNAPPY, slice_of(raw, sizeof(raw)), 11, &out, NULL), 0);
    assert_true(slice_is(buf_slice(&out), "hello there"));
    buf_deinit(&out);
    assert_non_null(zstd);
    while (from.pos < from.size)
        ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_flush);
    assert_int_equal(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_end), 0);
    ZSTD_freeCCtx(zstd);
    assert_int_equal(ZSTD_getFrameContentSize(packed, to.pos), ZSTD_CONTENTSIZE_UNKNOWN);
    assert_int_equal(
        codec_decompress(CODEC_ZSTD, slice_of(packed, to.pos), sizeof(big), &out, NULL), 0);
    assert_int_equal(out.len, sizeof(big));
    buf_deinit(&out);
    assert_int_equal(codec_decompress((enum codec)9, slice_of(raw, 1), 10, &out, NULL),
                     ERR_UNSUPPORTED);
}

static uint32_t crc32c_bits(const uint8_t *at, size_t len)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* pyiceberg's Avro writer leaves three bytes of a checksum behind each block. */
static void bytes_after_a_raw_deflate_stream_are_left(void **state)
{
    struct buf packed = {0}, out = {0};

    (void)state;
    assert_int_equal(codec_compress(CODEC_DEFLATE, 0, SLICE_LIT("some text"), &packed, NULL), 0);
    assert_int_equal(buf_append(&packed, "\x12\x34\x56", 3), 0);
    assert_int_equal(codec_decompress(CODEC_DEFLATE, buf_slice(&packed), 100, &out, NULL), 0);
    assert_true(slice_is(buf_slice(&out), "some text"));
    buf_deinit(&packed);
    buf_deinit(&out);
}

static void crc32c_equals_its_definition_at_every_length(void **state)
{
    static uint8_t bytes[30000];

    (void)state;
    fill(bytes, sizeof(bytes), 4);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u); /* RFC 3720, B.4 and Rocksoft */
    for (size_t len = 0; len < 2000; len++)
        assert_int_equal(crc32c(0, bytes + len % 8, len), crc32c_bits(bytes + len % 8, len));
    for (size_t len = 6000; len < sizeof(bytes) - 8; len += 389)
        assert_int_equal(crc32c(0, bytes + len % 8, len), crc32c_bits(bytes + len % 8, len));
    assert_int_equal(crc32c(crc32c(0, bytes, 7000), bytes + 7000, 9000), crc32c(0, bytes, 16000));
    assert_int_equal(crc32_ieee(0, "123456789", 9), 0xcbf43926u);
}

static void hashes_equal_published_values(void **state)
{
    static const uint8_t long_34[8] = {34};

    (void)state;
    /* Iceberg spec, appendix B. */
    assert_int_equal((int32_t)murmur3_x86_32(long_34, 8, 0), 2017239379);
    assert_int_equal((int32_t)murmur3_x86_32("iceberg", 7, 0), 1210000089);
    assert_int_equal((int32_t)murmur3_x86_32("\0\1\2\3", 4, 0), -188683207);
    /* Kafka's UtilsTest.testMurmur2. */
    assert_int_equal((int32_t)murmur2("21", 2), -973932308);
    assert_int_equal((int32_t)murmur2("foobar", 6), -790332482);
    assert_int_equal((int32_t)murmur2("a-little-bit-long-string", 24), -985981536);
    assert_int_equal((int32_t)murmur2("abc", 3), 479470107);
    assert_int_equal(hash64("", 0, 0), 0x2d06800538d394c2u);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *wanted)
{
    char text[80];

    hex_encode(bytes, len, text);
    assert_string_equal(text, wanted);
}

static void digests_equal_published_values(void **state)
{
    uint8_t out[DIGEST_BYTES_MAX];
    struct digest *digest;

    (void)state;
    sha256("abc", 3, out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha1("abc", 3, out);
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    md5("abc", 3, out);
    assert_hex(out, 16, "900150983cd24fb0d6963f7d28e17f72");
    /* RFC 4231, test cases 2 and 6. */
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    for (int kind = 0; kind < DIGEST_COUNT; kind++) {
        static const char *const values[] = {
            [DIGEST_MD5] = "90015098",
            [DIGEST_SHA1] = "a9993e36",
            [DIGEST_SHA256] = "ba7816bf",
            [DIGEST_SHA512] = "ddaf35a1",
            [DIGEST_XXH64] = "44bc2cf5ad770999",
            [DIGEST_XXH3] = "78af5f94892f3950",
            [DIGEST_XXH128] = "06b05ab6733a618578af5f94892f3950",
        };
        static const size_t lens[] = {16, 20, 32, 64, 8, 8, 16};

        assert_int_equal(digest_new(&digest, (enum digest_kind)kind), 0);
        digest_update(digest, "a", 1);
        digest_update(digest, "bc", 2);
        assert_int_equal(digest_final(digest, out), lens[kind]);
        assert_int_equal(digest_len((enum digest_kind)kind), lens[kind]);
        assert_hex(out, strlen(values[kind]) / 2, values[kind]);
    }
}

static void hex_and_base64_are_strict(void **state)
{
    static const char *const bad[] = {
        "Zg=", "Zg", "Z===", "Zm=v", "Zm9v!A==", "Zh==", "Zm9=", "====", "Zg==Zg=="};
    static const struct {
        const char *plain, *coded; /* RFC 4648, section 10 */
    } good[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    struct buf out = {0};
    uint8_t two[2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        buf_clear(&out);
        assert_int_equal(base64_encode(slice_str(good[i].plain), &out), 0);
        assert_true(slice_is(buf_slice(&out), good[i].coded));
        buf_clear(&out);
        assert_int_equal(base64_decode(slice_str(good[i].coded), &out), 0);
        assert_true(slice_is(buf_slice(&out), good[i].plain));
    }
    buf_clear(&out);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(base64_decode(slice_str(bad[i]), &out), ERR_INVALID);
        assert_int_equal(out.len, 0);
    }
    buf_deinit(&out);
    assert_int_equal(hex_decode(SLICE_LIT("00fF"), two), 0);
    assert_int_equal(two[1], 0xff);
    assert_int_equal(hex_decode(SLICE_LIT("0g"), two), ERR_INVALID);
    assert_int_equal(hex_decode(SLICE_LIT("012"), two), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_gives_back_its_bytes),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(broken_bytes_never_do_harm),
        cmocka_unit_test(streams_one_after_another_are_one),
        cmocka_unit_test(foreign_writers_are_read),
        cmocka_unit_test(bytes_after_a_raw_deflate_stream_are_left),
        cmocka_unit_test(crc32c_equals_its_definition_at_every_length),
        cmocka_unit_test(hashes_equal_published_values),
        cmocka_unit_test(digests_equal_published_values),
        cmocka_unit_test(hex_and_base64_are_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
