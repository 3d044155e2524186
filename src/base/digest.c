/* digest.c - running digests (MD5 our own, else OpenSSL's and xxhash's), and bytes as hex and
 * base64 text.
 *
 * The digest contexts of OpenSSL's older interface live on our stack and cannot fail, which is what
 * a signature check wants; the newer one allocates on every call. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/codec.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include <xxhash.h>

#include "base/md5.h"

/* OpenSSL's own calls for this look the digest up by its name each time. */
void sha256(const void *ptr, size_t len, uint8_t out[32])
{
    SHA256_CTX context;

    SHA256_Init(&context);
    SHA256_Update(&context, ptr, len);
    SHA256_Final(out, &context);
}

void sha1(const void *ptr, size_t len, uint8_t out[20])
{
    SHA_CTX context;

    SHA1_Init(&context);
    SHA1_Update(&context, ptr, len);
    SHA1_Final(out, &context);
}

void md5(const void *ptr, size_t len, uint8_t out[16])
{
    struct md5_state state;

    md5_init(&state);
    md5_update(&state, ptr, len);
    md5_final(&state, out);
}

/* RFC 2104. */
void hmac_sha256(const void *key, size_t key_len, const void *ptr, size_t len, uint8_t out[32])
{
    uint8_t padded[SHA256_CBLOCK] = {0}, inner[32];
    SHA256_CTX context;

    if (key_len > sizeof(padded))
        sha256(key, key_len, padded);
    else if (key_len)
        memcpy(padded, key, key_len);
    for (size_t i = 0; i < sizeof(padded); i++)
        padded[i] ^= 0x36;
    SHA256_Init(&context);
    SHA256_Update(&context, padded, sizeof(padded));
    SHA256_Update(&context, ptr, len);
    SHA256_Final(inner, &context);
    for (size_t i = 0; i < sizeof(padded); i++)
        padded[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&context);
    SHA256_Update(&context, padded, sizeof(padded));
    SHA256_Update(&context, inner, sizeof(inner));
    SHA256_Final(out, &context);
}

struct digest {
    enum digest_kind kind;
    union {
        struct md5_state md5;
        SHA_CTX sha1;
        SHA256_CTX sha256;
        SHA512_CTX sha512;
        XXH64_state_t *xxh64; /* owned */
        XXH3_state_t *xxh3;   /* owned; of both widths */
    } state;
};

size_t digest_len(enum digest_kind kind)
{
    static const uint8_t lens[DIGEST_COUNT] = {
        [DIGEST_MD5] = 16,  [DIGEST_SHA1] = 20, [DIGEST_SHA256] = 32, [DIGEST_SHA512] = 64,
        [DIGEST_XXH64] = 8, [DIGEST_XXH3] = 8,  [DIGEST_XXH128] = 16,
    };

    return lens[kind];
}

/* OpenSSL's init and update calls for contexts of their own type say 1 for done. */
static bool begin(struct digest *digest)
{
    switch (digest->kind) {
    case DIGEST_MD5:
        md5_init(&digest->state.md5);
        return true;
    case DIGEST_SHA1:
        return SHA1_Init(&digest->state.sha1) == 1;
    case DIGEST_SHA256:
        return SHA256_Init(&digest->state.sha256) == 1;
    case DIGEST_SHA512:
        return SHA512_Init(&digest->state.sha512) == 1;
    case DIGEST_XXH64:
        digest->state.xxh64 = XXH64_createState();
        return digest->state.xxh64 && XXH64_reset(digest->state.xxh64, 0) == XXH_OK;
    case DIGEST_XXH3:
        digest->state.xxh3 = XXH3_createState();
        return digest->state.xxh3 && XXH3_64bits_reset(digest->state.xxh3) == XXH_OK;
    case DIGEST_XXH128:
        digest->state.xxh3 = XXH3_createState();
        return digest->state.xxh3 && XXH3_128bits_reset(digest->state.xxh3) == XXH_OK;
    case DIGEST_COUNT:
        break;
    }
    return false;
}

int digest_new(struct digest **out, enum digest_kind kind)
{
    struct digest *digest = calloc(1, sizeof(*digest));

    *out = NULL;
    if (!digest)
        return ERR_NOMEM;
    digest->kind = kind;
    if (!begin(digest)) {
        digest_free(digest);
        return ERR_NOMEM;
    }
    *out = digest;
    return 0;
}

void digest_update(struct digest *digest, const void *ptr, size_t len)
{
    switch (digest->kind) {
    case DIGEST_MD5:
        md5_update(&digest->state.md5, ptr, len);
        break;
    case DIGEST_SHA1:
        SHA1_Update(&digest->state.sha1, ptr, len);
        break;
    case DIGEST_SHA256:
        SHA256_Update(&digest->state.sha256, ptr, len);
        break;
    case DIGEST_SHA512:
        SHA512_Update(&digest->state.sha512, ptr, len);
        break;
    case DIGEST_XXH64:
        XXH64_update(digest->state.xxh64, ptr, len);
        break;
    case DIGEST_XXH3:
        XXH3_64bits_update(digest->state.xxh3, ptr, len);
        break;
    case DIGEST_XXH128:
        XXH3_128bits_update(digest->state.xxh3, ptr, len);
        break;
    case DIGEST_COUNT:
        break;
    }
}

size_t digest_final(struct digest *digest, uint8_t *out)
{
    size_t len = digest_len(digest->kind);
    XXH64_canonical_t narrow;
    XXH128_canonical_t wide;

    switch (digest->kind) {
    case DIGEST_MD5:
        md5_final(&digest->state.md5, out);
        break;
    case DIGEST_SHA1:
        SHA1_Final(out, &digest->state.sha1);
        break;
    case DIGEST_SHA256:
        SHA256_Final(out, &digest->state.sha256);
        break;
    case DIGEST_SHA512:
        SHA512_Final(out, &digest->state.sha512);
        break;
    case DIGEST_XXH64:
        XXH64_canonicalFromHash(&narrow, XXH64_digest(digest->state.xxh64));
        memcpy(out, narrow.digest, len);
        break;
    case DIGEST_XXH3:
        XXH64_canonicalFromHash(&narrow, XXH3_64bits_digest(digest->state.xxh3));
        memcpy(out, narrow.digest, len);
        break;
    case DIGEST_XXH128:
        XXH128_canonicalFromHash(&wide, XXH3_128bits_digest(digest->state.xxh3));
        memcpy(out, wide.digest, len);
        break;
    case DIGEST_COUNT:
        break;
    }
    digest_free(digest);
    return len;
}

void digest_free(struct digest *digest)
{
    if (digest && digest->kind == DIGEST_XXH64)
        XXH64_freeState(digest->state.xxh64);
    else if (digest && (digest->kind == DIGEST_XXH3 || digest->kind == DIGEST_XXH128))
        XXH3_freeState(digest->state.xxh3);
    free(digest);
}

void hex_encode(const void *ptr, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = ptr;

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[at[i] >> 4];
        *out++ = digits[at[i] & 15];
    }
    *out = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct slice in, uint8_t *out)
{
    if (in.len % 2)
        return ERR_INVALID;
    for (size_t i = 0; i < in.len; i += 2) {
        int high = hex_value(in.ptr[i]), low = hex_value(in.ptr[i + 1]);

        if (high < 0 || low < 0)
            return ERR_INVALID;
        *out++ = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648, section 4, with padding. */
int base64_encode(struct slice in, struct buf *out)
{
    uint8_t *at;
    int rc = in.len > SIZE_MAX / 2 ? ERR_LIMIT : buf_reserve(out, (in.len + 2) / 3 * 4);

    if (rc)
        return rc;
    at = out->ptr + out->len;
    for (size_t i = 0; i < in.len; i += 3) {
        size_t have = in.len - i < 3 ? in.len - i : 3;
        uint32_t group = (uint32_t)in.ptr[i] << 16;

        if (have > 1)
            group |= (uint32_t)in.ptr[i + 1] << 8;
        if (have > 2)
            group |= in.ptr[i + 2];
        *at++ = (uint8_t)base64_digits[group >> 18];
        *at++ = (uint8_t)base64_digits[group >> 12 & 63];
        *at++ = have > 1 ? (uint8_t)base64_digits[group >> 6 & 63] : '=';
        *at++ = have > 2 ? (uint8_t)base64_digits[group & 63] : '=';
    }
    out->len += (in.len + 2) / 3 * 4;
    return 0;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: padding is required and the bits behind the last byte are zero, so that each text has
 * one meaning and each value one text. */
int base64_decode(struct slice in, struct buf *out)
{
    size_t pad = 0, before = out->len;
    int rc = in.len % 4 ? ERR_INVALID : buf_reserve(out, in.len / 4 * 3);

    if (rc)
        return rc;
    while (pad < 2 && pad < in.len && in.ptr[in.len - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < in.len; i += 4) {
        size_t digits = i + 4 == in.len ? 4 - pad : 4;
        uint32_t group = 0;

        for (size_t j = 0; j < 4; j++) {
            int value = j < digits ? base64_value(in.ptr[i + j]) : 0;

            if (value < 0)
                goto invalid;
            group = group << 6 | (uint32_t)value;
        }
        if (group & (digits == 2 ? 0xffffu : digits == 3 ? 0xffu : 0u))
            goto invalid;
        for (size_t j = 0; j + 1 < digits; j++)
            out->ptr[out->len++] = (uint8_t)(group >> (16 - 8 * j));
    }
    return 0;

invalid:
    out->len = before;
    return ERR_INVALID;
}
