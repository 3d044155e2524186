/* codec.h - compression and checksums. Wraps zlib, zstd, lz4, snappy, xxhash and OpenSSL digests.
 *
 * Decompression is bounded: never more than `max` bytes come out, whatever the input claims.
 * Threads: any.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdint.h>

#include "base/slice.h"

/* Numbered as in Kafka's record-batch attributes (KIP-98, KIP-110). */
enum codec { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_SNAPPY = 2, CODEC_LZ4 = 3, CODEC_ZSTD = 4,
             CODEC_DEFLATE = 5 /* raw, for Avro */, CODEC_SNAPPY_AVRO = 6 /* block + CRC-32 */,
             CODEC_SNAPPY_RAW = 7, CODEC_LZ4_RAW = 8 /* one block each, for Parquet */ };

/* Append to `out`. CODEC_SNAPPY reads both raw blocks and the xerial framing and writes xerial;
 * CODEC_LZ4 is the frame format; CODEC_DEFLATE ignores what follows the end of its stream.
 * ERR_CORRUPT, ERR_LIMIT (more than max), ERR_UNSUPPORTED. */
int codec_compress(enum codec codec, int level, struct slice in, struct buf *out, struct err *err);
int codec_decompress(enum codec codec, struct slice in, size_t max, struct buf *out,
                     struct err *err);
const char *codec_name(enum codec codec);
void codec_rest(void); /* this thread's contexts, some hundred KiB, until they are needed */

uint32_t crc32c(uint32_t seed, const void *ptr, size_t len); /* Castagnoli, SSE4.2 when there */
uint32_t crc32_ieee(uint32_t seed, const void *ptr, size_t len);
uint64_t hash64(const void *ptr, size_t len, uint64_t seed);  /* XXH3 */
uint64_t xxh64(const void *ptr, size_t len, uint64_t seed);   /* Parquet's bloom filters */
uint32_t murmur3_x86_32(const void *ptr, size_t len, uint32_t seed); /* Iceberg bucket: seed 0 */
uint32_t murmur2(const void *ptr, size_t len);                /* Kafka's default partitioner */

void sha256(const void *ptr, size_t len, uint8_t out[32]);
void md5(const void *ptr, size_t len, uint8_t out[16]);
void sha1(const void *ptr, size_t len, uint8_t out[20]);
void hmac_sha256(const void *key, size_t key_len, const void *ptr, size_t len, uint8_t out[32]);
/* Running digests for bodies that stream. */
struct digest;
enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_XXH64, DIGEST_XXH3,
                   DIGEST_XXH128, DIGEST_COUNT };
#define DIGEST_BYTES_MAX 64
int digest_new(struct digest **out, enum digest_kind kind);
void digest_update(struct digest *digest, const void *ptr, size_t len);
size_t digest_len(enum digest_kind kind); /* bytes of its value; XXH's are in canonical order */
size_t digest_final(struct digest *digest, uint8_t *out); /* bytes written; frees it */
void digest_free(struct digest *digest);

void hex_encode(const void *ptr, size_t len, char *out); /* 2 * len + NUL */
int hex_decode(struct slice in, uint8_t *out);           /* len / 2 bytes; ERR_INVALID */
int base64_encode(struct slice in, struct buf *out);
int base64_decode(struct slice in, struct buf *out); /* ERR_INVALID */

#endif
