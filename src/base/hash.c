/* hash.c - checksums and hashes that protocols and formats prescribe.
 *
 * CRC-32C runs over every Kafka batch that arrives, so it has to keep up with memory. The CPU's
 * crc32 instruction takes 3 cycles and can start one per cycle: three independent runs over three
 * neighbouring blocks fill the gaps. The runs are then joined. With reflected polynomials,
 * crc32q(0, v) = v * x^32 mod P and a carry-less product of two reflected 32-bit values carries one
 * further x; so multiplying by x^(8n - 33) mod P and reducing with crc32q moves a CRC over n zero
 * bytes. The four constants below are those powers; hash_test.c checks the result bit by bit.
 */
#include "base/codec.h"

#include <nmmintrin.h>
#include <wmmintrin.h>
#include <xxhash.h>
#include <zlib.h>

#define LONG_BLOCK  2048 /* bytes per run: big batches */
#define SHORT_BLOCK 128

#define LONG_TWICE  0x82f89c77u /* x^(8 * 2 * LONG_BLOCK - 33) mod P, reflected */
#define LONG_ONCE   0xa51b6135u
#define SHORT_TWICE 0xb9e02b86u
#define SHORT_ONCE  0x0d3b6092u

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

__attribute__((target("pclmul"))) static inline uint64_t over_zeros(uint64_t crc, uint32_t power)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                           _mm_cvtsi64_si128((long long)power), 0);

    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("pclmul"))) static uint64_t crc32c_threefold(uint64_t crc, const uint8_t *at,
                                                                   size_t block, uint32_t twice,
                                                                   uint32_t once)
{
    uint64_t second = 0, third = 0;

    for (size_t i = 0; i < block; i += 8) {
        crc = _mm_crc32_u64(crc, load64(at + i));
        second = _mm_crc32_u64(second, load64(at + block + i));
        third = _mm_crc32_u64(third, load64(at + 2 * block + i));
    }
    return over_zeros(crc, twice) ^ over_zeros(second, once) ^ third;
}

uint32_t crc32c(uint32_t seed, const void *ptr, size_t len)
{
    const uint8_t *at = ptr;
    uint64_t crc = ~seed;

    if (len >= 3 * SHORT_BLOCK && __builtin_cpu_supports("pclmul")) {
        for (; len >= 3 * LONG_BLOCK; at += 3 * LONG_BLOCK, len -= 3 * LONG_BLOCK)
            crc = crc32c_threefold(crc, at, LONG_BLOCK, LONG_TWICE, LONG_ONCE);
        for (; len >= 3 * SHORT_BLOCK; at += 3 * SHORT_BLOCK, len -= 3 * SHORT_BLOCK)
            crc = crc32c_threefold(crc, at, SHORT_BLOCK, SHORT_TWICE, SHORT_ONCE);
    }
    for (; len >= 8; at += 8, len -= 8)
        crc = _mm_crc32_u64(crc, load64(at));
    for (; len > 0; at++, len--)
        crc = _mm_crc32_u8((uint32_t)crc, *at);
    return ~(uint32_t)crc;
}

uint32_t crc32_ieee(uint32_t seed, const void *ptr, size_t len)
{
    return len ? (uint32_t)crc32_z(seed, ptr, len) : seed;
}

uint64_t xxh64(const void *ptr, size_t len, uint64_t seed)
{
    return XXH64(ptr, len, seed);
}

uint64_t hash64(const void *ptr, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(ptr, len, seed);
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t rotate(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

/* MurmurHash3_x86_32 (Austin Appleby): Iceberg spec, appendix B. */
uint32_t murmur3_x86_32(const void *ptr, size_t len, uint32_t seed)
{
    const uint32_t c1 = 0xcc9e2d51, c2 = 0x1b873593;
    const uint8_t *at = ptr;
    uint32_t hash = seed, tail = 0;
    size_t i = 0;

    for (; i + 4 <= len; i += 4) {
        hash ^= rotate(load32(at + i) * c1, 15) * c2;
        hash = rotate(hash, 13) * 5 + 0xe6546b64;
    }
    for (size_t j = len; j > i; j--)
        tail = (tail << 8) | at[j - 1];
    if (len > i)
        hash ^= rotate(tail * c1, 15) * c2;
    hash ^= (uint32_t)len;
    hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
    return hash ^ (hash >> 16);
}

/* MurmurHash2 with the seed of Kafka's Utils.murmur2, so that keys land in the same partition
 * whichever client wrote them. */
uint32_t murmur2(const void *ptr, size_t len)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *at = ptr;
    uint32_t hash = 0x9747b28cu ^ (uint32_t)len, tail = 0;
    size_t i = 0;

    for (; i + 4 <= len; i += 4) {
        uint32_t k = load32(at + i) * m;

        hash = (hash * m) ^ ((k ^ (k >> 24)) * m);
    }
    for (size_t j = len; j > i; j--)
        tail = (tail << 8) | at[j - 1];
    if (len > i)
        hash = (hash ^ tail) * m;
    hash = (hash ^ (hash >> 13)) * m;
    return hash ^ (hash >> 15);
}
