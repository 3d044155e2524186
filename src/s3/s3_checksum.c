/* s3_checksum.c - the checksums a client may ask us to check ("Checking object integrity"). */
#include <strings.h>

#include "s3/s3_int.h"

#define HEADER "x-amz-checksum-"

static const struct {
    const char *header, *name;
    int crc_bytes; /* 0: a digest */
    enum digest_kind digest;
} sums[S3_SUM_COUNT] = {
    [S3_SUM_CRC32] = {HEADER "crc32", "CRC32", .crc_bytes = 4},
    [S3_SUM_CRC32C] = {HEADER "crc32c", "CRC32C", .crc_bytes = 4},
    [S3_SUM_CRC64NVME] = {HEADER "crc64nvme", "CRC64NVME", .crc_bytes = 8},
    [S3_SUM_SHA1] = {HEADER "sha1", "SHA1", .digest = DIGEST_SHA1},
    [S3_SUM_SHA256] = {HEADER "sha256", "SHA256", .digest = DIGEST_SHA256},
    [S3_SUM_SHA512] = {HEADER "sha512", "SHA512", .digest = DIGEST_SHA512},
    [S3_SUM_MD5] = {HEADER "md5", "MD5", .digest = DIGEST_MD5},
    [S3_SUM_XXHASH64] = {HEADER "xxhash64", "XXHASH64", .digest = DIGEST_XXH64},
    [S3_SUM_XXHASH3] = {HEADER "xxhash3", "XXHASH3", .digest = DIGEST_XXH3},
    [S3_SUM_XXHASH128] = {HEADER "xxhash128", "XXHASH128", .digest = DIGEST_XXH128},
};

const char *s3_sum_header(enum s3_sum kind)
{
    return sums[kind].header;
}

const char *s3_sum_name(enum s3_sum kind)
{
    return sums[kind].name;
}

const char *s3_sum_word(enum s3_sum kind)
{
    return sums[kind].header + strlen(HEADER);
}

bool s3_sum_named(const char *name, enum s3_sum *out)
{
    for (int i = 0; i < S3_SUM_COUNT; i++)
        if (strcasecmp(name, sums[i].name) == 0) {
            *out = (enum s3_sum)i;
            return true;
        }
    return false;
}

/* <ChecksumCRC32>value</ChecksumCRC32> */
void s3_put_sum(struct s3_call *call, struct buf *xml, const char *name, const char *value)
{
    const char *element = arena_printf(call->arena, "Checksum%s", name);

    if (element)
        xml_element(xml, element, value);
}

const char *s3_sum_type(const char *value)
{
    return strchr(value, '-') ? "COMPOSITE" : "FULL_OBJECT";
}

bool s3_sum_is_crc(enum s3_sum kind)
{
    return sums[kind].crc_bytes != 0;
}

bool s3_sum_valid(enum s3_sum kind, const char *text)
{
    size_t bytes =
        sums[kind].crc_bytes ? (size_t)sums[kind].crc_bytes : digest_len(sums[kind].digest);
    struct buf raw = {.max = 2 * DIGEST_BYTES_MAX};
    bool valid = base64_decode(slice_str(text), &raw) == 0 && raw.len == bytes;

    buf_deinit(&raw);
    return valid;
}

bool s3_sum_find(const char *header, enum s3_sum *out)
{
    for (int i = 0; i < S3_SUM_COUNT; i++)
        if (strcasecmp(header, sums[i].header) == 0) {
            *out = (enum s3_sum)i;
            return true;
        }
    return false;
}

/* CRC-64/NVME: polynomial 0xad93d23594c93659, reflected, inverted before and after. Eight tables,
 * so that eight bytes are taken per step. */
static uint64_t crc64_table[8][256];
static pthread_once_t crc64_once = PTHREAD_ONCE_INIT;

static void crc64_fill(void)
{
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT64_C(0x9a6c9329ac4bc9b5) : crc >> 1;
        crc64_table[0][i] = crc;
    }
    for (int i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc64_table[t][i] =
                crc64_table[t - 1][i] >> 8 ^ crc64_table[0][crc64_table[t - 1][i] & 0xff];
}

static uint64_t crc64_nvme(uint64_t seed, struct slice bytes)
{
    uint64_t crc = ~seed;

    pthread_once(&crc64_once, crc64_fill);
    for (; bytes.len >= 8; bytes.ptr += 8, bytes.len -= 8) {
        uint64_t word;

        memcpy(&word, bytes.ptr, 8);
        crc ^= word;
        word = 0;
        for (int t = 0; t < 8; t++)
            word ^= crc64_table[7 - t][crc >> (8 * t) & 0xff];
        crc = word;
    }
    for (; bytes.len; bytes.ptr++, bytes.len--)
        crc = crc >> 8 ^ crc64_table[0][(crc ^ *bytes.ptr) & 0xff];
    return ~crc;
}

int s3_checksum_new(struct s3_checksum *sum, enum s3_sum kind)
{
    *sum = (struct s3_checksum){.kind = kind};
    return sums[kind].crc_bytes ? 0 : digest_new(&sum->digest, sums[kind].digest);
}

void s3_checksum_update(struct s3_checksum *sum, struct slice bytes)
{
    if (sum->digest)
        digest_update(sum->digest, bytes.ptr, bytes.len);
    else if (sum->kind == S3_SUM_CRC32)
        sum->crc = crc32_ieee((uint32_t)sum->crc, bytes.ptr, bytes.len);
    else if (sum->kind == S3_SUM_CRC32C)
        sum->crc = crc32c((uint32_t)sum->crc, bytes.ptr, bytes.len);
    else
        sum->crc = crc64_nvme(sum->crc, bytes);
}

/* --- the CRC of A and B behind each other, from those of A and of B --------------------------- *
 *
 * Bits are polynomials modulo the CRC's, reflected: the highest bit of the word is x^0. Adding n
 * zero bytes behind A multiplies its CRC by x^(8n), and B's is then added; the inversions before
 * and after cancel out. */

struct crc_shape {
    uint64_t poly;
    int bits;
};

static const struct crc_shape crc_shapes[] = {
    [S3_SUM_CRC32] = {UINT64_C(0xedb88320), 32},
    [S3_SUM_CRC32C] = {UINT64_C(0x82f63b78), 32},
    [S3_SUM_CRC64NVME] = {UINT64_C(0x9a6c9329ac4bc9b5), 64},
};

static uint64_t multiply(const struct crc_shape *shape, uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (uint64_t bit = UINT64_C(1) << (shape->bits - 1); bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ shape->poly : b >> 1;
    }
    return product;
}

int s3_checksum_append(struct s3_checksum *sum, const char *base64, int64_t len)
{
    const struct crc_shape *shape = &crc_shapes[sum->kind];
    uint64_t power = UINT64_C(1) << (shape->bits - 9), next = 0; /* x^8: one byte */
    struct buf raw = {.max = 64};

    if (!s3_sum_is_crc(sum->kind) || base64_decode(slice_str(base64), &raw) ||
        raw.len != (size_t)shape->bits / 8) {
        buf_deinit(&raw);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < raw.len; i++)
        next = next << 8 | raw.ptr[i];
    buf_deinit(&raw);
    for (; len; len >>= 1) {
        if (len & 1)
            sum->crc = multiply(shape, power, sum->crc);
        power = multiply(shape, power, power);
    }
    sum->crc ^= next;
    return 0;
}

void s3_checksum_final(struct s3_checksum *sum, char out[S3_SUM_TEXT])
{
    struct buf text = {.max = S3_SUM_TEXT - 1};
    uint8_t raw[DIGEST_BYTES_MAX];
    size_t len;

    if (sum->digest) {
        len = digest_final(sum->digest, raw);
        sum->digest = NULL;
    } else {
        len = (size_t)sums[sum->kind].crc_bytes;
        for (size_t i = 0; i < len; i++) /* big-endian */
            raw[i] = (uint8_t)(sum->crc >> (8 * (len - 1 - i)));
    }
    out[0] = '\0';
    if (base64_encode(slice_of(raw, len), &text) == 0) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    buf_deinit(&text);
}

void s3_checksum_deinit(struct s3_checksum *sum)
{
    digest_free(sum->digest);
    sum->digest = NULL;
}
