/* fn_charset.c - text as bytes of a charset and back, as Java's String does it. */
#include "vec/fn.h"

enum charset { CS_ASCII, CS_LATIN1, CS_UTF8, CS_UTF16BE, CS_UTF16LE, CS_UTF16, CS_COUNT };

static enum charset charset_of(struct slice name)
{
    static const struct {
        const char *name;
        enum charset charset;
    } names[] = {{"US-ASCII", CS_ASCII},   {"ASCII", CS_ASCII},      {"ISO-8859-1", CS_LATIN1},
                 {"LATIN1", CS_LATIN1},    {"UTF-8", CS_UTF8},       {"UTF8", CS_UTF8},
                 {"UTF-16BE", CS_UTF16BE}, {"UTF-16LE", CS_UTF16LE}, {"UTF-16", CS_UTF16}};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_ieq(name, slice_str(names[i].name)))
            return names[i].charset;
    return CS_COUNT;
}

static void put_unit(struct buf *out, uint32_t unit, bool little)
{
    uint8_t bytes[2] = {(uint8_t)(little ? unit : unit >> 8), (uint8_t)(little ? unit >> 8 : unit)};

    buf_append(out, bytes, 2);
}

static void encode(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), name = arg_text(c, 1);
    enum charset to = charset_of(name);
    struct buf *out = call_buf(c, 0);

    if (to == CS_COUNT) {
        call_fail(c, "unknown charset '%.*s'", (int)(name.len > 40 ? 40 : name.len), name.ptr);
        return;
    }
    if (to == CS_UTF16 && s.len)
        buf_append(out, "\xfe\xff", 2);
    for (size_t i = 0, used; i < s.len; i += used) {
        uint32_t point = utf8_get(s.ptr + i, s.len - i, &used);
        bool little = to == CS_UTF16LE;

        if (to == CS_UTF8) {
            buf_append(out, s.ptr + i, used);
        } else if (to == CS_ASCII || to == CS_LATIN1) {
            buf_append_u8(out, point < (to == CS_ASCII ? 0x80u : 0x100u) ? (uint8_t)point : '?');
        } else if (point < 0x10000) {
            put_unit(out, point, little);
        } else {
            put_unit(out, 0xd800 + ((point - 0x10000) >> 10), little);
            put_unit(out, 0xdc00 + ((point - 0x10000) & 0x3ff), little);
        }
    }
    give_buf(c, out);
}

static void decode_utf16(struct slice s, bool little, struct buf *out)
{
    for (size_t i = 0; i < s.len; i += 2) {
        uint32_t unit, low;

        if (i + 1 >= s.len) {
            utf8_put(out, 0xfffd);
            return;
        }
        unit = little ? (uint32_t)(s.ptr[i] | s.ptr[i + 1] << 8)
                      : (uint32_t)(s.ptr[i] << 8 | s.ptr[i + 1]);
        if (unit >= 0xd800 && unit < 0xdc00 && i + 3 < s.len) {
            low = little ? (uint32_t)(s.ptr[i + 2] | s.ptr[i + 3] << 8)
                         : (uint32_t)(s.ptr[i + 2] << 8 | s.ptr[i + 3]);
            if (low >= 0xdc00 && low < 0xe000) {
                utf8_put(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
                i += 2;
                continue;
            }
        }
        utf8_put(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
    }
}

static void decode(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), name = arg_text(c, 1);
    enum charset from = charset_of(name);
    struct buf *out = call_buf(c, 0);
    bool little = from == CS_UTF16LE;

    if (from == CS_COUNT) {
        call_fail(c, "unknown charset '%.*s'", (int)(name.len > 40 ? 40 : name.len), name.ptr);
        return;
    }
    if (from == CS_UTF16 && s.len >= 2 && (s.ptr[0] ^ s.ptr[1]) == 1 && (s.ptr[0] | 1) == 0xff) {
        little = s.ptr[0] == 0xff;
        s = slice_of(s.ptr + 2, s.len - 2);
    }
    if (from >= CS_UTF16BE)
        decode_utf16(s, little, out);
    else
        for (size_t i = 0, used = 1; i < s.len; i += used)
            utf8_put(out, from == CS_UTF8     ? utf8_get(s.ptr + i, s.len - i, &used)
                          : from == CS_LATIN1 ? s.ptr[i]
                          : s.ptr[i] < 0x80   ? s.ptr[i]
                                              : 0xfffd);
    give_buf(c, out);
}

/* CAST(bytes AS STRING): new String(bytes, UTF_8). */
static void utf8(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *out = call_buf(c, 0);

    for (size_t i = 0, used; i < s.len; i += used)
        utf8_put(out, utf8_get(s.ptr + i, s.len - i, &used));
    give_buf(c, out);
}

static const struct fn functions[] = {
    {"flink_encode", "ss", 'y', encode},
    {"flink_decode", "ys", 's', decode},
    {"flink_utf8", "y", 's', utf8},
};

int fn_charset_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
