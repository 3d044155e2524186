/* s3_checksum.c - the five checksums a client may ask us to check ("Checking object integrity"). */
#include <strings.h>

#include "s3/s3_int.h"

static const char *const headers[S3_SUM_COUNT] = {
    "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",  "x-amz-checksum-sha256",
};

static const char *const names[S3_SUM_COUNT] = {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"};

const char *s3_sum_header(enum s3_sum kind)
{
    return headers[kind];
}

const char *s3_sum_name(enum s3_sum kind)
{
    return names[kind];
}

bool s3_sum_named(const char *name, enum s3_sum *out)
{
    for (int i = 0; i < S3_SUM_COUNT; i++)
        if (strcasecmp(name, names[i]) == 0) {
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
    return kind == S3_SUM_CRC32 || kind == S3_SUM_CRC32C || kind == S3_SUM_CRC64NVME;
}

bool s3_sum_valid(enum s3_sum kind, const char *text)
{
    static const size_t bytes[S3_SUM_COUNT] = {4, 4, 8, 20, 32};
    struct buf raw = {.max = 64};
    bool valid = base64_decode(slice_str(text), &raw) == 0 && raw.len == bytes[kind];

    buf_deinit(&raw);
    return valid;
}

bool s3_sum_find(const char *header, enum s3_sum *out)
{
    for (int i = 0; i < S3_SUM_COUNT; i++)
        if (strcasecmp(header, headers[i]) == 0) {
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
    if (kind == S3_SUM_SHA1)
        return digest_new(&sum->digest, DIGEST_SHA1);
    if (kind == S3_SUM_SHA256)
        return digest_new(&sum->digest, DIGEST_SHA256);
    return 0;
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

void s3_checksum_final(struct s3_checksum *sum, char out[64])
{
    struct buf text = {.max = 63};
    uint8_t raw[32];
    size_t len;

    if (sum->digest) {
        len = digest_final(sum->digest, raw);
        sum->digest = NULL;
    } else {
        len = sum->kind == S3_SUM_CRC64NVME ? 8 : 4;
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
