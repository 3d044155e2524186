/* md5_avx512.c - MD5 of one text in vector registers, of which only the first number counts.
 *
 * A step is x = a + f(b, c, d) + word + constant; new b = b + rotate(x). With AVX-512VL any f is
 * one instruction (vpternlogd), where a number takes two or three. A rotation there takes two
 * cycles on a Zen 4, a shift one. A shift to the left may be done before the additions, to the
 * right only after them:
 *
 *     rotate(x) = (x >> (32 - s)) + (f << s) + ((a + word + constant) << s)
 *
 * So between b and the new b lie four instructions of one cycle each: f, x, the shift to the right
 * and the last addition; the rest is done meanwhile. Numbers need five in the first and the last
 * round. The sums of words and constants are made beforehand, four at a time.
 *
 * Whether the rest really is out of the way hangs on the order of the instructions, so they are
 * written down: of 24 orders tried the best three give 0.88 GB/s on a Zen 4 of 3.6 GHz and the
 * worst 0.70; what a compiler makes of the same steps gives 0.83, numbers 0.78.
 */
#include "base/md5_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The constants of each round, in the order of the words that they are added to. */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xe9b6c7aa, 0xf61e2562, 0xfcefa3f8, 0xf4d50d87, 0xe7d3fbc8, 0xd62f105d, 0xc040b340, 0x676f02d9,
    0x455a14ed, 0x21e1cde6, 0x02441453, 0x265e5a51, 0x8d2a4c8a, 0xa9e3e905, 0xc33707d6, 0xd8a1e681,
    0xeaa127fa, 0xa4beea44, 0xc4ac5665, 0xd4ef3085, 0x4bdecfa9, 0xfffa3942, 0x04881d05, 0xf6bb4b60,
    0x8771f681, 0xd9d4d039, 0xbebfbc70, 0x6d9d6122, 0xe6db99e5, 0x289b7ec6, 0xfde5380c, 0x1fa27cf8,
    0xf4292244, 0x85845dd1, 0x2ad7d2bb, 0x8f0ccc92, 0xf7537e82, 0xfc93a039, 0xa3014314, 0x432aff97,
    0x6fa87e4f, 0xeb86d391, 0xffeff47d, 0xbd3af235, 0x655b59c3, 0x4e0811a1, 0xab9423a7, 0xfe2ce6e0,
};

/* What vpternlogd makes of b, c and d: bit 4b + 2c + d of the number is the result. */
#define F "0xca" /* b ? c : d */
#define G "0xe4" /* d ? b : c */
#define H "0x96" /* b ^ c ^ d */
#define I "0x39" /* c ^ (b | ~d) */

/* `a` and `up` have the step's sum of word and constant already, `up` shifted to the left; `d` and
 * `next` get those of the next step, whose a is this one's d. */
#define STEP(f, a, b, c, d, by, up, next, sum, next_by)                                            \
    __asm__("vmovdqa %[rb], %[t]\n\t"                                                              \
            "vpternlogd $" f ", %[rd], %[rc], %[t]\n\t"                                            \
            "vpaddd %[t], %[ra], %[ra]\n\t"                                                        \
            "vpsrld $(32 - " #by "), %[ra], %[ra]\n\t"                                             \
            "vpaddd %[rb], %[u], %[u]\n\t"                                                         \
            "vmovd %[w], %[n]\n\t"                                                                 \
            "vpaddd %[n], %[rd], %[rd]\n\t"                                                        \
            "vpslld $" #next_by ", %[rd], %[n]\n\t"                                                \
            "vpslld $" #by ", %[t], %[t]\n\t"                                                      \
            "vpaddd %[t], %[u], %[u]\n\t"                                                          \
            "vpaddd %[u], %[ra], %[ra]"                                                            \
            : [ra] "+x"(a), [rd] "+x"(d), [u] "+x"(up), [n] "=&x"(next), [t] "=&x"(scratch)        \
            : [rb] "x"(b), [rc] "x"(c), [w] "m"(sum))

/* Four steps: the sums are those of the steps after each. */
#define FOUR(f, s0, s1, s2, s3, sum1, sum2, sum3, sum4, s4)                                        \
    do {                                                                                           \
        STEP(f, a, b, c, d, s0, up, next, sum1, s1);                                               \
        STEP(f, d, a, b, c, s1, next, up, sum2, s2);                                               \
        STEP(f, c, d, a, b, s2, up, next, sum3, s3);                                               \
        STEP(f, b, c, d, a, s3, next, up, sum4, s4);                                               \
    } while (0)

/* Step n of a round takes word (first + by * n) modulo 16; `after` and s4 are the next round's. */
#define SUM(s, first, by, n) (s)[((first) + (by) * (n)) & 15]
#define ROUND(f, s, first, by, s0, s1, s2, s3, after, s4)                                          \
    do {                                                                                           \
        FOUR(f, s0, s1, s2, s3, SUM(s, first, by, 1), SUM(s, first, by, 2), SUM(s, first, by, 3),  \
             SUM(s, first, by, 4), s0);                                                            \
        FOUR(f, s0, s1, s2, s3, SUM(s, first, by, 5), SUM(s, first, by, 6), SUM(s, first, by, 7),  \
             SUM(s, first, by, 8), s0);                                                            \
        FOUR(f, s0, s1, s2, s3, SUM(s, first, by, 9), SUM(s, first, by, 10),                       \
             SUM(s, first, by, 11), SUM(s, first, by, 12), s0);                                    \
        FOUR(f, s0, s1, s2, s3, SUM(s, first, by, 13), SUM(s, first, by, 14),                      \
             SUM(s, first, by, 15), after, s4);                                                    \
    } while (0)

#define TARGET __attribute__((target("avx512f,avx512vl")))

/* Of each round the words with its constants. */
TARGET static inline void add_constants(uint32_t sums[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i += 4) {
        __m128i words = _mm_loadu_si128((const void *)(block + 4 * i));

        for (int at = i; at < 64; at += 16)
            _mm_store_si128((void *)(sums + at),
                            _mm_add_epi32(words, _mm_load_si128((const void *)(constants + at))));
    }
}

TARGET static inline __m128i load(uint32_t word)
{
    return _mm_cvtsi32_si128((int)word);
}

TARGET static inline uint32_t store(__m128i vector)
{
    return (uint32_t)_mm_cvtsi128_si32(vector);
}

TARGET void md5_blocks_avx512(uint32_t words[4], const uint8_t *ptr, size_t blocks)
{
    uint32_t sums[65] __attribute__((aligned(16))); /* the last: nothing follows step 64 */
    __m128i a = load(words[0]), b = load(words[1]), c = load(words[2]), d = load(words[3]);

    for (sums[64] = 0; blocks; blocks--, ptr += 64) {
        __m128i a0 = a, b0 = b, c0 = c, d0 = d, up, next, scratch;

        add_constants(sums, ptr);
        a = _mm_add_epi32(a, load(sums[0]));
        up = _mm_slli_epi32(a, 7);
        ROUND(F, sums, 0, 1, 7, 12, 17, 22, sums[16 + 1], 5);
        ROUND(G, sums + 16, 1, 5, 5, 9, 14, 20, sums[32 + 5], 4);
        ROUND(H, sums + 32, 5, 3, 4, 11, 16, 23, sums[48], 6);
        ROUND(I, sums + 48, 0, 7, 6, 10, 15, 21, sums[64], 0);
        a = _mm_add_epi32(a, a0);
        b = _mm_add_epi32(b, b0);
        c = _mm_add_epi32(c, c0);
        d = _mm_add_epi32(d, d0);
    }
    words[0] = store(a);
    words[1] = store(b);
    words[2] = store(c);
    words[3] = store(d);
}
#endif
