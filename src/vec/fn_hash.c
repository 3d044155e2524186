/* fn_hash.c - digests as lower-case hex, base64, and Java's hash codes. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/codec.h"
#include "vec/fn.h"

static void digest(struct fn_call *c, const EVP_MD *md)
{
    struct slice s = arg_text(c, 0);
    uint8_t bytes[EVP_MAX_MD_SIZE];
    char hex[EVP_MAX_MD_SIZE * 2 + 1];
    unsigned len = 0;

    if (!EVP_Digest(s.len ? (const void *)s.ptr : "", s.len, bytes, &len, md, NULL)) {
        call_fail(c, "the digest failed");
        return;
    }
    hex_encode(bytes, len, hex);
    give_text(c, hex, len * 2);
}

static void hash_md5(struct fn_call *c) { digest(c, EVP_md5()); }
static void hash_sha1(struct fn_call *c) { digest(c, EVP_sha1()); }
static void hash_sha224(struct fn_call *c) { digest(c, EVP_sha224()); }
static void hash_sha256(struct fn_call *c) { digest(c, EVP_sha256()); }
static void hash_sha384(struct fn_call *c) { digest(c, EVP_sha384()); }
static void hash_sha512(struct fn_call *c) { digest(c, EVP_sha512()); }

static void hash_sha2(struct fn_call *c)
{
    switch (ARG(c, 1, int32_t)) {
    case 224:
        hash_sha224(c);
        break;
    case 256:
        hash_sha256(c);
        break;
    case 384:
        hash_sha384(c);
        break;
    case 512:
        hash_sha512(c);
        break;
    default:
        call_fail(c, "SHA2 knows 224, 256, 384 and 512 bits");
    }
}

/* java.util.Base64: no blanks; padding may be missing. */
static void from_base64(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *text = &c->scratch[0], *bytes = &c->scratch[1];
    int rc;

    buf_clear(text);
    buf_clear(bytes);
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ') {
            call_fail(c, "a blank in base64 text");
            return;
        }
    rc = buf_append_slice(text, s);
    while (!rc && text->len % 4 != 0 && text->len % 4 != 1)
        rc = buf_append_u8(text, '=');
    rc = rc ? rc : base64_decode(buf_slice(text), bytes);
    if (rc) {
        call_fail(c, "'%.*s' is not base64", (int)(s.len > 60 ? 60 : s.len), s.ptr);
        return;
    }
    /* The result is a STRING: bytes that are no UTF-8 become U+FFFD. */
    buf_clear(text);
    for (size_t i = 0, used; i < bytes->len; i += used)
        utf8_put(text, utf8_get(bytes->ptr + i, bytes->len - i, &used));
    give_buf(c, text);
}

static void to_base64(struct fn_call *c)
{
    struct buf *out = &c->scratch[0];

    buf_clear(out);
    base64_encode(arg_text(c, 0), out);
    give_buf(c, out);
}

/* Object.hashCode as Flink's generated code asks it: a number is itself or its halves folded, text
 * is String.hashCode over UTF-16 units. */
static int32_t text_hash(struct slice s)
{
    uint32_t h = 0;

    for (size_t i = 0, used; i < s.len; i += used) {
        uint32_t point = utf8_get(s.ptr + i, s.len - i, &used);

        if (point >= 0x10000) {
            h = h * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        h = h * 31 + point;
    }
    return (int32_t)h;
}

static void hash_code(struct fn_call *c)
{
    uint64_t bits = 0;

    switch (c->args[0].type) {
    case DUCKDB_TYPE_VARCHAR:
        GIVE(c, int32_t, text_hash(arg_text(c, 0)));
        return;
    case DUCKDB_TYPE_BOOLEAN:
        GIVE(c, int32_t, ARG(c, 0, bool) ? 1231 : 1237);
        return;
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_INTEGER:
        GIVE(c, int32_t, ARG(c, 0, int32_t));
        return;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
        GIVE(c, int32_t, (int32_t)arg_integer(c, 0));
        return;
    case DUCKDB_TYPE_FLOAT:
        memcpy(&bits, (float *)c->args[0].data + c->row, sizeof(float));
        GIVE(c, int32_t, (int32_t)bits);
        return;
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_BIGINT:
        memcpy(&bits, (int64_t *)c->args[0].data + c->row, sizeof(bits));
        GIVE(c, int32_t, (int32_t)(bits ^ bits >> 32));
        return;
    default:
        call_fail(c, "HASH_CODE of this type is not built");
    }
}

#define HASH(name) {"flink_" #name, "s", 's', hash_##name}, {"flink_" #name, "y", 's', hash_##name}

static const struct fn functions[] = {
    HASH(md5),
    HASH(sha1),
    HASH(sha224),
    HASH(sha256),
    HASH(sha384),
    HASH(sha512),
    {"flink_sha2", "si", 's', hash_sha2},
    {"flink_sha2", "yi", 's', hash_sha2},
    {"flink_from_base64", "s", 's', from_base64},
    {"flink_to_base64", "s", 's', to_base64},
    {"flink_to_base64", "y", 's', to_base64},
    {"flink_hash_code", "*", 'i', hash_code},
};

int fn_hash_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
