/* md5_int.h - the ways of one text, for md5.c and its test. */
#ifndef BASE_MD5_INT_H
#define BASE_MD5_INT_H

#include <stddef.h>
#include <stdint.h>

typedef void md5_blocks_fn(uint32_t words[4], const uint8_t *ptr, size_t blocks); /* of 64 bytes */

md5_blocks_fn md5_blocks_plain;
#if defined(__x86_64__)
md5_blocks_fn md5_blocks_avx512; /* only where the processor has AVX-512VL */
#endif

#endif
