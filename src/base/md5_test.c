/* md5_test.c - our MD5 is RFC 1321's, however the text is cut and whoever is hashed beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/base.h"
#include "base/codec.h"
#include "base/md5.h"
#include "base/md5_int.h"

static void md5_of(const void *ptr, size_t len, uint8_t out[16])
{
    struct md5_state state;

    md5_init(&state);
    md5_update(&state, ptr, len);
    md5_final(&state, out);
}

/* Goal: any text in any pieces has the MD5 that RFC 1321 says. Method: its own test suite; then
 * texts of every length up to three blocks, in two pieces cut everywhere, against in one. */
static void md5_does_not_depend_on_pieces(void **state)
{
    static const struct {
        const char *text, *wanted;
    } suite[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    uint8_t text[192], whole[16], pieces[16];
    char hex[33];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(suite); i++) {
        md5_of(suite[i].text, strlen(suite[i].text), whole);
        hex_encode(whole, 16, hex);
        assert_string_equal(hex, suite[i].wanted);
    }
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 37);
    for (size_t len = 0; len <= sizeof(text); len++) {
        md5_of(text, len, whole);
        for (size_t cut = 0; cut <= len; cut++) {
            struct md5_state md5;

            md5_init(&md5);
            md5_update(&md5, text, cut);
            md5_update(&md5, text + cut, len - cut);
            md5_final(&md5, pieces);
            assert_memory_equal(whole, pieces, 16);
        }
    }
}

/* Goal: texts side by side have the MD5s they have alone. Method: for each number of them, pieces
 * of lengths by a generator, so that lanes end at different blocks and begin within one. */
static void md5_side_by_side_equals_alone(void **state)
{
    static uint8_t bytes[MD5_LANES][5000];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        ((uint8_t *)bytes)[i] = (uint8_t)rng_below(&rng, 256);
    for (size_t count = 0; count <= MD5_LANES; count++) {
        struct md5_state states[MD5_LANES], *list[MD5_LANES];
        size_t at[MD5_LANES] = {0};

        for (size_t i = 0; i < count; i++) {
            md5_init(&states[i]);
            list[i] = &states[i];
        }
        for (int turn = 0; turn < 8; turn++) {
            struct slice pieces[MD5_LANES];

            for (size_t i = 0; i < count; i++) {
                size_t len = rng_below(&rng, 600);

                len = turn % 3 == (int)i % 3 ? len % 3 * 64 : len; /* none, and whole blocks */
                pieces[i] = slice_of(bytes[i] + at[i], len);
                at[i] += len;
            }
            md5_update_many(list, pieces, count);
        }
        for (size_t i = 0; i < count; i++) {
            uint8_t together[16], alone[16];

            md5_final(&states[i], together);
            md5_of(bytes[i], at[i], alone);
            assert_memory_equal(together, alone, 16);
        }
    }
}

/* Goal: each way of one text is MD5. Method: texts of random bytes and lengths, up to many blocks
 * and at any address, against OpenSSL's. */
static void every_way_of_one_text_equals_openssl(md5_blocks_fn *take)
{
    static uint8_t bytes[20000];
    struct rng rng;

    rng_init(&rng, 2);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_below(&rng, 256);
    for (int turn = 0; turn < 2000; turn++) {
        size_t at = (size_t)rng_below(&rng, 64), whole;
        size_t len = (size_t)rng_below(&rng, turn % 20 ? 400 : sizeof(bytes) - 64);
        uint32_t words[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
        uint64_t bits = (uint64_t)len * 8;
        uint8_t end[128] = {0}, wanted[EVP_MAX_MD_SIZE];

        whole = len / 64;
        memcpy(end, bytes + at + whole * 64, len % 64);
        end[len % 64] = 0x80;
        memcpy(end + (len % 64 < 56 ? 56 : 120), &bits, 8);
        take(words, bytes + at, whole);
        take(words, end, len % 64 < 56 ? 1 : 2);
        assert_int_equal(EVP_Digest(bytes + at, len, wanted, NULL, EVP_md5(), NULL), 1);
        assert_memory_equal(words, wanted, 16);
    }
}

static void numbers_equal_openssl(void **state)
{
    (void)state;
    every_way_of_one_text_equals_openssl(md5_blocks_plain);
}

static void vectors_equal_openssl(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vl")) {
        every_way_of_one_text_equals_openssl(md5_blocks_avx512);
        return;
    }
#endif
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_does_not_depend_on_pieces),
        cmocka_unit_test(md5_side_by_side_equals_alone),
        cmocka_unit_test(numbers_equal_openssl),
        cmocka_unit_test(vectors_equal_openssl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
