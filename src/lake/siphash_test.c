/* siphash_test.c - the vectors of the authors' reference implementation. */
#include "lake/siphash.h"

#include "lake/testing.h"

static void gives_the_reference_vectors(void **state)
{
    static const uint8_t want[][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
         0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
         0x45},
    };
    uint8_t bytes[64], raw[16];
    uint64_t key[2], out[2];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    memcpy(key, bytes, 16);
    for (size_t len = 0; len < COUNT_OF(want); len++) {
        siphash128(bytes, len, key, out);
        memcpy(raw, out, 16);
        assert_memory_equal(raw, want[len], 16);
    }
}

/* Every length up to several words, every byte of it and every bit of the key counts. */
static void every_byte_and_the_key_count(void **state)
{
    uint8_t bytes[40] = {0};
    uint64_t key[2] = {1, 2}, out[2], other[2];

    (void)state;
    for (size_t len = 1; len <= sizeof(bytes); len++)
        for (size_t at = 0; at < len; at++) {
            siphash128(bytes, len, key, out);
            bytes[at] ^= 1;
            siphash128(bytes, len, key, other);
            bytes[at] ^= 1;
            assert_true(out[0] != other[0] && out[1] != other[1]);
        }
    for (int bit = 0; bit < 128; bit++) {
        siphash128(bytes, 9, key, out);
        key[bit / 64] ^= 1ull << (bit % 64);
        siphash128(bytes, 9, key, other);
        key[bit / 64] ^= 1ull << (bit % 64);
        assert_true(out[0] != other[0] && out[1] != other[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_reference_vectors),
        cmocka_unit_test(every_byte_and_the_key_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
