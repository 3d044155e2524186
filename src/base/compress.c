/* compress.c - the compressions of Kafka (KIP-98, KIP-110) and Avro, one pair of functions each.
 *
 * Decompression writes straight into the caller's buffer, which grows by what really came out and
 * never by what the input claims beyond `max`. Contexts of zstd and lz4 cost more than a small
 * batch, so each thread keeps its own.
 */
#include "base/codec.h"

#include <lz4.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define GROWTH_MIN     ((size_t)16 << 10)
#define XERIAL_BLOCK   ((size_t)32 << 10) /* what Kafka's Java client writes */
#define GZIP_WINDOW    (15 + 16)          /* zlib: 16 asks for the gzip wrapper */
#define RAW_WINDOW     (-15)
#define ZLIB_INPUT_MAX ((size_t)1 << 30) /* zlib counts in 32 bits */

static const char *const names[] = {"none", "gzip",    "snappy",     "lz4",
                                    "zstd", "deflate", "snappy-avro", "snappy-raw",
                                    "lz4-raw"};

const char *codec_name(enum codec codec)
{
    return (size_t)codec < sizeof(names) / sizeof(names[0]) ? names[codec] : "unknown";
}

static int corrupt(struct err *err, enum codec codec, const char *why)
{
    return err_set(err, ERR_CORRUPT, "%s: %s", codec_name(codec), why);
}

static int too_long(struct err *err, enum codec codec, size_t max)
{
    return err_set(err, ERR_LIMIT, "%s: expands to more than %zu bytes", codec_name(codec), max);
}

static int no_room(struct err *err, enum codec codec, int rc)
{
    return err_set(err, rc, "%s: %s", codec_name(codec),
                   rc == ERR_LIMIT ? "the buffer may not grow that far" : "out of memory");
}

/* ---- contexts, one set per thread ---- */

struct contexts {
    ZSTD_CCtx *zstd_out;
    ZSTD_DCtx *zstd_in;
    LZ4F_dctx *lz4_in;
};

static _Thread_local struct contexts *own;
static pthread_key_t contexts_key;
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;

static void free_contexts(void *arg)
{
    struct contexts *contexts = arg;

    ZSTD_freeCCtx(contexts->zstd_out);
    ZSTD_freeDCtx(contexts->zstd_in);
    LZ4F_freeDecompressionContext(contexts->lz4_in);
    free(contexts);
    own = NULL;
}

static void make_key(void)
{
    if (pthread_key_create(&contexts_key, free_contexts))
        abort(); /* before anything runs: the process has no thread keys left */
}

static struct contexts *contexts(void)
{
    if (own)
        return own;
    pthread_once(&contexts_once, make_key);
    own = calloc(1, sizeof(*own));
    if (own && pthread_setspecific(contexts_key, own)) {
        free(own);
        own = NULL;
    }
    return own;
}

void codec_rest(void)
{
    if (!own)
        return;
    (void)pthread_setspecific(contexts_key, NULL);
    free_contexts(own);
}

/* Room for more output: half as much again as is there, up to `max` bytes after `base`. */
static int grow(struct buf *out, size_t base, size_t max, enum codec codec, struct err *err)
{
    size_t have = out->len - base, more = have / 2 > GROWTH_MIN ? have / 2 : GROWTH_MIN;
    int rc;

    if (have >= max)
        return too_long(err, codec, max);
    if (more > max - have)
        more = max - have;
    rc = buf_reserve(out, more);
    return rc ? no_room(err, codec, rc) : 0;
}

/* Bytes that may still be written: the buffer may hold more room than `max` allows. */
static size_t room(const struct buf *out, size_t base, size_t max)
{
    size_t free_bytes = out->cap - out->len, allowed = max - (out->len - base);

    return free_bytes < allowed ? free_bytes : allowed;
}

/* ---- zlib: gzip and raw deflate ---- */

static int deflate_all(enum codec codec, int level, struct slice in, struct buf *out,
                       struct err *err)
{
    z_stream z = {.next_in = (Bytef *)in.ptr, .avail_in = (uInt)in.len};
    int window = codec == CODEC_GZIP ? GZIP_WINDOW : RAW_WINDOW, rc;

    if (in.len > ZLIB_INPUT_MAX)
        return err_set(err, ERR_LIMIT, "%s: input is too long", codec_name(codec));
    rc = deflateInit2(&z, level ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8,
                      Z_DEFAULT_STRATEGY);
    if (rc != Z_OK)
        return err_set(err, rc == Z_MEM_ERROR ? ERR_NOMEM : ERR_INVALID, "%s: level %d",
                       codec_name(codec), level);
    rc = buf_reserve(out, deflateBound(&z, (uLong)in.len));
    if (rc == 0) {
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)(out->cap - out->len < UINT32_MAX ? out->cap - out->len : UINT32_MAX);
        rc = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : ERR_INTERNAL;
        if (rc == 0)
            out->len += z.total_out;
    }
    deflateEnd(&z);
    return rc ? no_room(err, codec, rc) : 0;
}

/* Several gzip members one after another are one stream (RFC 1952, section 2.2). */
static int inflate_members(z_stream *z, enum codec codec, size_t max, struct buf *out,
                           struct err *err)
{
    size_t base = out->len;

    for (;;) {
        size_t space = room(out, base, max);
        uint8_t beyond;
        bool full = space == 0 && out->len - base == max;
        int rc;

        if (space == 0 && !full) {
            rc = grow(out, base, max, codec, err);
            if (rc)
                return rc;
            space = room(out, base, max);
        }
        /* At the limit one spare byte tells an end that fits from output that goes on. */
        z->next_out = full ? &beyond : out->ptr + out->len;
        z->avail_out = full ? 1 : (uInt)(space < UINT32_MAX ? space : UINT32_MAX);
        space = z->avail_out;
        rc = inflate(z, Z_NO_FLUSH);
        if (full && z->avail_out == 0)
            return too_long(err, codec, max);
        if (!full)
            out->len += space - z->avail_out;
        if (rc == Z_STREAM_END) {
            /* A raw stream knows its own end, and what follows is left: pyiceberg writes Avro
             * blocks that end in three bytes of a zlib checksum. Java's and Python's readers do
             * not look. */
            if (z->avail_in == 0 || codec != CODEC_GZIP)
                return 0;
            if (inflateReset(z) != Z_OK)
                return err_set(err, ERR_INTERNAL, "%s: reset", codec_name(codec));
        } else if (rc == Z_MEM_ERROR) {
            return no_room(err, codec, ERR_NOMEM);
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return corrupt(err, codec, z->msg ? z->msg : "malformed");
        } else if (z->avail_in == 0 && z->avail_out > 0) {
            return corrupt(err, codec, "ends too early");
        }
    }
}

static int inflate_all(enum codec codec, struct slice in, size_t max, struct buf *out,
                       struct err *err)
{
    z_stream z = {.next_in = (Bytef *)in.ptr, .avail_in = (uInt)in.len};
    int rc;

    if (in.len > ZLIB_INPUT_MAX)
        return err_set(err, ERR_LIMIT, "%s: input is too long", codec_name(codec));
    if (inflateInit2(&z, codec == CODEC_GZIP ? GZIP_WINDOW : RAW_WINDOW) != Z_OK)
        return no_room(err, codec, ERR_NOMEM);
    rc = inflate_members(&z, codec, max, out, err);
    inflateEnd(&z);
    return rc;
}

/* ---- snappy: raw blocks, and the framing of xerial's snappy-java around them ---- */

static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
static const uint8_t xerial_header[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                          0,    0,   0,   1,   0,   0,   0,   1};

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int snappy_block(struct slice in, struct buf *out)
{
    size_t len = snappy_max_compressed_length(in.len);
    int rc = buf_reserve(out, len);

    if (rc)
        return rc;
    if (snappy_compress((const char *)in.ptr, in.len, (char *)out->ptr + out->len, &len))
        return ERR_INTERNAL;
    out->len += len;
    return 0;
}

static int snappy_unblock(enum codec codec, struct slice in, size_t max, struct buf *out,
                          struct err *err)
{
    size_t len;
    int rc;

    if (snappy_uncompressed_length((const char *)in.ptr, in.len, &len) != SNAPPY_OK)
        return corrupt(err, codec, "no length in front");
    if (len > max)
        return too_long(err, codec, max);
    /* No element expands more than 64 bytes per two of input: a claim beyond that is a lie. */
    if (len / 32 > in.len)
        return corrupt(err, codec, "claims more than its bytes can hold");
    rc = buf_reserve(out, len);
    if (rc)
        return no_room(err, codec, rc);
    if (snappy_uncompress((const char *)in.ptr, in.len, (char *)out->ptr + out->len, &len))
        return corrupt(err, codec, "malformed block");
    out->len += len;
    return 0;
}

static int xerial_compress(struct slice in, struct buf *out, struct err *err)
{
    int rc = buf_append(out, xerial_header, sizeof(xerial_header));

    while (rc == 0 && in.len > 0) {
        size_t len = in.len < XERIAL_BLOCK ? in.len : XERIAL_BLOCK, head = out->len;

        rc = buf_append(out, "\0\0\0", 4);
        if (rc == 0)
            rc = snappy_block(slice_of(in.ptr, len), out);
        if (rc == 0)
            put_be32(out->ptr + head, (uint32_t)(out->len - head - 4));
        in = slice_of(in.ptr + len, in.len - len);
    }
    return rc ? no_room(err, CODEC_SNAPPY, rc) : 0;
}

static int xerial_decompress(struct slice in, size_t max, struct buf *out, struct err *err)
{
    size_t base = out->len;

    while (in.len > 0) {
        uint32_t len;
        int rc;

        if (in.len >= sizeof(xerial_header) && memcmp(in.ptr, xerial_magic, 8) == 0) {
            in = slice_of(in.ptr + sizeof(xerial_header), in.len - sizeof(xerial_header));
            continue; /* a stream may be several streams, one after another */
        }
        if (in.len < 4)
            return corrupt(err, CODEC_SNAPPY, "ends inside a frame's length");
        len = get_be32(in.ptr);
        if (len > in.len - 4)
            return corrupt(err, CODEC_SNAPPY, "a frame goes past the end");
        rc = snappy_unblock(CODEC_SNAPPY, slice_of(in.ptr + 4, len), max - (out->len - base), out,
                            err);
        if (rc == ERR_LIMIT)
            return too_long(err, CODEC_SNAPPY, max);
        if (rc)
            return rc;
        in = slice_of(in.ptr + 4 + len, in.len - 4 - len);
    }
    return 0;
}

static int snappy_decompress(struct slice in, size_t max, struct buf *out, struct err *err)
{
    if (in.len >= sizeof(xerial_header) && memcmp(in.ptr, xerial_magic, 8) == 0)
        return xerial_decompress(in, max, out, err);
    return snappy_unblock(CODEC_SNAPPY, in, max, out, err);
}

/* Avro spec, "Required Codecs": a block, then the big-endian CRC-32 of what it holds. */
static int snappy_avro_compress(struct slice in, struct buf *out, struct err *err)
{
    uint8_t crc[4];
    int rc = snappy_block(in, out);

    put_be32(crc, crc32_ieee(0, in.ptr, in.len));
    if (rc == 0)
        rc = buf_append(out, crc, sizeof(crc));
    return rc ? no_room(err, CODEC_SNAPPY_AVRO, rc) : 0;
}

static int snappy_avro_decompress(struct slice in, size_t max, struct buf *out, struct err *err)
{
    size_t base = out->len;
    int rc;

    if (in.len < 4)
        return corrupt(err, CODEC_SNAPPY_AVRO, "no room for the checksum");
    rc = snappy_unblock(CODEC_SNAPPY_AVRO, slice_of(in.ptr, in.len - 4), max, out, err);
    if (rc)
        return rc;
    if (crc32_ieee(0, out->ptr + base, out->len - base) != get_be32(in.ptr + in.len - 4))
        return corrupt(err, CODEC_SNAPPY_AVRO, "checksum differs");
    return 0;
}

/* ---- lz4: the frame format, independent blocks as Kafka wants them ---- */

static int lz4_compress(int level, struct slice in, struct buf *out, struct err *err)
{
    LZ4F_preferences_t wish = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level,
    };
    size_t bound = LZ4F_compressFrameBound(in.len, &wish), len;
    int rc = buf_reserve(out, bound);

    if (rc)
        return no_room(err, CODEC_LZ4, rc);
    len = LZ4F_compressFrame(out->ptr + out->len, bound, in.ptr, in.len, &wish);
    if (LZ4F_isError(len))
        return err_set(err, ERR_INTERNAL, "lz4: %s", LZ4F_getErrorName(len));
    out->len += len;
    return 0;
}

static int lz4_frames(LZ4F_dctx *lz4, struct slice in, size_t max, struct buf *out,
                      struct err *err)
{
    size_t base = out->len, hint = 1;

    for (;;) {
        size_t space = room(out, base, max), taken = in.len;
        uint8_t beyond;
        bool full = space == 0 && out->len - base == max;

        if (space == 0 && !full) {
            int rc = grow(out, base, max, CODEC_LZ4, err);

            if (rc)
                return rc;
            space = room(out, base, max);
        }
        if (full)
            space = 1;
        hint = LZ4F_decompress(lz4, full ? &beyond : out->ptr + out->len, &space, in.ptr, &taken,
                               NULL);
        if (LZ4F_isError(hint))
            return corrupt(err, CODEC_LZ4, LZ4F_getErrorName(hint));
        if (full && space > 0)
            return too_long(err, CODEC_LZ4, max);
        if (!full)
            out->len += space;
        in = slice_of(in.ptr + taken, in.len - taken);
        if (in.len == 0 && hint == 0)
            return 0;
        if (space == 0 && taken == 0)
            return corrupt(err, CODEC_LZ4, "ends too early");
    }
}

static int lz4_decompress(struct slice in, size_t max, struct buf *out, struct err *err)
{
    struct contexts *mine = contexts();

    if (!mine || (!mine->lz4_in &&
                  LZ4F_isError(LZ4F_createDecompressionContext(&mine->lz4_in, LZ4F_VERSION))))
        return no_room(err, CODEC_LZ4, ERR_NOMEM);
    LZ4F_resetDecompressionContext(mine->lz4_in);
    return lz4_frames(mine->lz4_in, in, max, out, err);
}

/* One block without a frame. The length is told by whoever keeps it: `max` is that length. */
static int lz4_block(struct slice in, struct buf *out, struct err *err)
{
    int bound = in.len > LZ4_MAX_INPUT_SIZE ? 0 : LZ4_compressBound((int)in.len), len;
    int rc = bound ? buf_reserve(out, (size_t)bound) : ERR_LIMIT;

    if (rc)
        return no_room(err, CODEC_LZ4_RAW, rc);
    len = LZ4_compress_default((const char *)in.ptr, (char *)out->ptr + out->len, (int)in.len,
                               bound);
    if (len <= 0)
        return err_set(err, ERR_INTERNAL, "lz4: a block that cannot be compressed");
    out->len += (size_t)len;
    return 0;
}

static int lz4_unblock(struct slice in, size_t max, struct buf *out, struct err *err)
{
    int len, rc = max > LZ4_MAX_INPUT_SIZE || in.len > INT32_MAX ? ERR_LIMIT
                                                                 : buf_reserve(out, max + 1);

    if (rc)
        return no_room(err, CODEC_LZ4_RAW, rc);
    len = LZ4_decompress_safe((const char *)in.ptr, (char *)out->ptr + out->len, (int)in.len,
                              (int)max);
    if (len < 0)
        return corrupt(err, CODEC_LZ4_RAW, "malformed block, or longer than it is said to be");
    out->len += (size_t)len;
    return 0;
}

/* ---- zstd ---- */

static int zstd_compress(int level, struct slice in, struct buf *out, struct err *err)
{
    struct contexts *mine = contexts();
    size_t bound = ZSTD_compressBound(in.len), len;
    int rc;

    if (mine && !mine->zstd_out)
        mine->zstd_out = ZSTD_createCCtx();
    if (!mine || !mine->zstd_out)
        return no_room(err, CODEC_ZSTD, ERR_NOMEM);
    rc = buf_reserve(out, bound);
    if (rc)
        return no_room(err, CODEC_ZSTD, rc);
    len = ZSTD_compressCCtx(mine->zstd_out, out->ptr + out->len, bound, in.ptr, in.len,
                            level ? level : ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(len))
        return err_set(err, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(len));
    out->len += len;
    return 0;
}

/* In one call into contiguous room, so that the window a frame asks for is never allocated. Frames
 * that do not tell their size (Java's streams) are tried with twice the room each time. */
static int zstd_decompress(struct slice in, size_t max, struct buf *out, struct err *err)
{
    struct contexts *mine = contexts();
    unsigned long long told = ZSTD_getFrameContentSize(in.ptr, in.len);
    size_t want = in.len < max / 8 ? in.len * 8 : max;

    if (mine && !mine->zstd_in)
        mine->zstd_in = ZSTD_createDCtx();
    if (!mine || !mine->zstd_in)
        return no_room(err, CODEC_ZSTD, ERR_NOMEM);
    if (told == ZSTD_CONTENTSIZE_ERROR)
        return corrupt(err, CODEC_ZSTD, "no frame");
    if (told != ZSTD_CONTENTSIZE_UNKNOWN && told > max)
        return too_long(err, CODEC_ZSTD, max);
    if (told != ZSTD_CONTENTSIZE_UNKNOWN)
        want = (size_t)told;
    for (;;) {
        size_t len;
        int rc = buf_reserve(out, want);

        if (rc)
            return no_room(err, CODEC_ZSTD, rc);
        len = ZSTD_decompressDCtx(mine->zstd_in, out->ptr + out->len, want, in.ptr, in.len);
        if (!ZSTD_isError(len)) {
            out->len += len;
            return 0;
        }
        if (ZSTD_getErrorCode(len) != ZSTD_error_dstSize_tooSmall)
            return corrupt(err, CODEC_ZSTD, ZSTD_getErrorName(len));
        if (want >= max)
            return too_long(err, CODEC_ZSTD, max);
        want = want < GROWTH_MIN ? GROWTH_MIN : want * 2;
        if (want > max)
            want = max;
    }
}

/* ---- the two entries ---- */

int codec_compress(enum codec codec, int level, struct slice in, struct buf *out, struct err *err)
{
    size_t before = out->len;
    int rc;

    switch (codec) {
    case CODEC_NONE:
        rc = buf_append_slice(out, in);
        rc = rc ? no_room(err, codec, rc) : 0;
        break;
    case CODEC_GZIP:
    case CODEC_DEFLATE:
        rc = deflate_all(codec, level, in, out, err);
        break;
    case CODEC_SNAPPY:
        rc = xerial_compress(in, out, err);
        break;
    case CODEC_SNAPPY_AVRO:
        rc = snappy_avro_compress(in, out, err);
        break;
    case CODEC_LZ4:
        rc = lz4_compress(level, in, out, err);
        break;
    case CODEC_LZ4_RAW:
        rc = lz4_block(in, out, err);
        break;
    case CODEC_SNAPPY_RAW:
        rc = snappy_block(in, out);
        rc = rc ? no_room(err, codec, rc) : 0;
        break;
    case CODEC_ZSTD:
        rc = zstd_compress(level, in, out, err);
        break;
    default:
        return err_set(err, ERR_UNSUPPORTED, "compression %d is not known", (int)codec);
    }
    if (rc)
        out->len = before;
    return rc;
}

int codec_decompress(enum codec codec, struct slice in, size_t max, struct buf *out,
                     struct err *err)
{
    size_t before = out->len;
    int rc;

    switch (codec) {
    case CODEC_NONE:
        if (in.len > max)
            return too_long(err, codec, max);
        rc = buf_append_slice(out, in);
        rc = rc ? no_room(err, codec, rc) : 0;
        break;
    case CODEC_GZIP:
    case CODEC_DEFLATE:
        rc = inflate_all(codec, in, max, out, err);
        break;
    case CODEC_SNAPPY:
        rc = snappy_decompress(in, max, out, err);
        break;
    case CODEC_SNAPPY_AVRO:
        rc = snappy_avro_decompress(in, max, out, err);
        break;
    case CODEC_LZ4:
        rc = lz4_decompress(in, max, out, err);
        break;
    case CODEC_LZ4_RAW:
        rc = lz4_unblock(in, max, out, err);
        break;
    case CODEC_SNAPPY_RAW:
        rc = snappy_unblock(codec, in, max, out, err);
        break;
    case CODEC_ZSTD:
        rc = zstd_decompress(in, max, out, err);
        break;
    default:
        return err_set(err, ERR_UNSUPPORTED, "compression %d is not known", (int)codec);
    }
    if (rc)
        out->len = before;
    return rc;
}
