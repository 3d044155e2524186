/* fn_string.c - functions on text and bytes, as Flink's SqlFunctionUtils and BinaryStringData have
 * them. Positions count code points from 1. */
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <wctype.h>

#include "vec/fn.h"

/* ---- case ---- */

/* Characters whose upper case is more than one: Unicode's SpecialCasing, unconditional part. */
static const struct {
    uint32_t from;
    const char *to;
} upper_special[] = {
    {0xdf, "SS"},    {0x149, "ʼN"},  {0x1f0, "J̌"},   {0x390, "Ϊ́"},   {0x3b0, "Ϋ́"},
    {0x587, "ԵՒ"},   {0xfb00, "FF"}, {0xfb01, "FI"}, {0xfb02, "FL"}, {0xfb03, "FFI"},
    {0xfb04, "FFL"}, {0xfb05, "ST"}, {0xfb06, "ST"},
};

static locale_t utf8_locale(void)
{
    static locale_t shared;
    locale_t mine;

    if (!__atomic_load_n(&shared, __ATOMIC_ACQUIRE)) {
        locale_t none = NULL;

        mine = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        if (mine && !__atomic_compare_exchange_n(&shared, &none, mine, false, __ATOMIC_ACQ_REL,
                                                 __ATOMIC_ACQUIRE))
            freelocale(mine);
    }
    return shared;
}

static void put_upper(struct buf *out, uint32_t point)
{
    locale_t locale = utf8_locale();

    for (size_t i = 0; i < COUNT_OF(upper_special); i++)
        if (upper_special[i].from == point) {
            buf_append_str(out, upper_special[i].to);
            return;
        }
    utf8_put(out, locale ? (uint32_t)towupper_l((wint_t)point, locale) : point);
}

static void upper(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *out = call_buf(c, 0);

    for (size_t i = 0, used = 1; i < s.len; i += used) {
        if (s.ptr[i] < 0x80) {
            used = 1;
            buf_append_u8(out, (uint8_t)toupper(s.ptr[i]));
        } else {
            put_upper(out, utf8_get(s.ptr + i, s.len - i, &used));
        }
    }
    give_buf(c, out);
}

/* A sigma that ends a word has a form of its own; the dotted I keeps its dot. */
static void lower(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *out = call_buf(c, 0);
    locale_t locale = utf8_locale();
    bool letter = false;

    for (size_t i = 0, used = 1; i < s.len; i += used) {
        uint32_t point = utf8_get(s.ptr + i, s.len - i, &used);
        bool last;

        if (point == 0x130) {
            buf_append_str(out, "i̇");
            letter = true;
            continue;
        }
        if (point == 0x3a3) {
            size_t more = 1;

            last =
                i + used >= s.len ||
                !(locale &&
                  iswalpha_l((wint_t)utf8_get(s.ptr + i + used, s.len - i - used, &more), locale));
            utf8_put(out, letter && last ? 0x3c2 : 0x3c3);
            letter = true;
            continue;
        }
        letter = locale && iswalpha_l((wint_t)point, locale);
        utf8_put(out, locale ? (uint32_t)towlower_l((wint_t)point, locale) : point);
    }
    give_buf(c, out);
}

/* ASCII letters and digits make words; all else is kept and parts them, letters beyond ASCII too.
 */
static void initcap(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *out = call_buf(c, 0);
    bool word = false;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.ptr[i];
        bool alnum = byte < 0x80 && isalnum(byte);

        buf_append_u8(out, !alnum ? byte : (uint8_t)(word ? tolower(byte) : toupper(byte)));
        word = alnum;
    }
    give_buf(c, out);
}

static void reverse(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct buf *out = call_buf(c, 0);

    for (size_t end = s.len; end > 0;) {
        size_t start = end - 1;

        while (start > 0 && (s.ptr[start] & 0xc0) == 0x80)
            start--;
        buf_append(out, s.ptr + start, end - start);
        end = start;
    }
    give_buf(c, out);
}

static void char_length(struct fn_call *c)
{
    GIVE(c, int32_t, (int32_t)utf8_count(arg_text(c, 0)));
}

static void ascii(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);

    GIVE(c, int32_t, s.len ? (int8_t)s.ptr[0] : 0);
}

static void chr(struct fn_call *c)
{
    int64_t code = ARG(c, 0, int64_t);
    struct buf *out = call_buf(c, 0);

    if (code >= 0)
        utf8_put(out, (uint32_t)(code & 0xff));
    give_buf(c, out);
}

/* ---- search ---- */

/* The code point index of `part` in `s` from the index `from` on, or -1. */
static int64_t index_of(struct slice s, struct slice part, int64_t from)
{
    size_t at = utf8_pos(s, from);
    const uint8_t *hit;

    if (part.len == 0)
        return 0;
    if (s.len - at < part.len)
        return -1;
    hit = memmem(s.ptr + at, s.len - at, part.ptr, part.len);
    return hit ? utf8_count(slice_of(s.ptr, (size_t)(hit - s.ptr))) : -1;
}

static void position(struct fn_call *c)
{
    int64_t from = c->count > 2 ? ARG(c, 2, int32_t) - 1 : 0;

    GIVE(c, int32_t, (int32_t)index_of(arg_text(c, 1), arg_text(c, 0), from) + 1);
}

/* INSTR(text, part, from, nth): a negative start counts from the end and looks backwards. */
static void instr(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), part = arg_text(c, 1);
    int64_t from = c->count > 2 ? ARG(c, 2, int32_t) : 1;
    int64_t nth = c->count > 3 ? ARG(c, 3, int32_t) : 1;
    int64_t chars = utf8_count(s), at;

    if (nth <= 0) {
        call_fail(c, "INSTR: the number of the occurrence must be positive");
        return;
    }
    if (from == 0) {
        GIVE(c, int32_t, 0);
        return;
    }
    if (from > 0) {
        at = from - 2;
        while (nth-- > 0 && (at = index_of(s, part, at + 1)) >= 0 && part.len)
            ;
        GIVE(c, int32_t, (int32_t)(at + 1));
        return;
    }
    for (at = chars + from; at >= 0; at--) {
        size_t pos = utf8_pos(s, at);

        if (s.len - pos >= part.len && !memcmp(s.ptr + pos, part.ptr, part.len) && --nth == 0)
            break;
    }
    GIVE(c, int32_t, (int32_t)(at + 1));
}

/* ---- parts ---- */

static void give_chars(struct fn_call *c, struct slice s, int64_t from, int64_t count)
{
    size_t start = utf8_pos(s, from);
    struct slice rest = slice_of(s.ptr + start, s.len - start);

    give_text(c, rest.ptr, utf8_pos(rest, count));
}

static void substring(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    int64_t from = ARG(c, 1, int32_t), count = c->count > 2 ? ARG(c, 2, int32_t) : INT32_MAX;

    if (count < 0) {
        give_null(c);
        return;
    }
    if (from < 0) {
        from += utf8_count(s);
        if (from < 0)
            count = 0;
    } else if (from > 0) {
        from--;
    }
    give_chars(c, s, from, count);
}

static void left(struct fn_call *c)
{
    give_chars(c, arg_text(c, 0), 0, ARG(c, 1, int32_t));
}

static void right(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    int64_t count = ARG(c, 1, int32_t), chars = utf8_count(s);

    give_chars(c, s, count < chars ? chars - count : 0, count > 0 ? count : 0);
}

static void overlay(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), by = arg_text(c, 1);
    int64_t from = ARG(c, 2, int32_t), chars = utf8_count(s);
    int64_t count = c->count > 3 ? ARG(c, 3, int32_t) : utf8_count(by);
    struct buf *out = call_buf(c, 0);
    size_t after;

    if (from <= 0 || from > chars) {
        give_text(c, s.ptr, s.len);
        return;
    }
    buf_append(out, s.ptr, utf8_pos(s, from - 1));
    buf_append_slice(out, by);
    if (from + count <= chars && count > 0) {
        after = utf8_pos(s, from + count - 1);
        buf_append(out, s.ptr + after, s.len - after);
    }
    give_buf(c, out);
}

static void replace(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), what = arg_text(c, 1), by = arg_text(c, 2);
    struct buf *out = call_buf(c, 0);

    for (size_t i = 0; i < s.len;) {
        const uint8_t *hit;
        size_t n;

        if (what.len == 0) { /* between all characters, as String.replace does */
            n = utf8_len(s.ptr[i]);
            buf_append_slice(out, by);
            buf_append(out, s.ptr + i, n < s.len - i ? n : s.len - i);
            i += n;
            continue;
        }
        hit = memmem(s.ptr + i, s.len - i, what.ptr, what.len);
        n = hit ? (size_t)(hit - s.ptr) - i : s.len - i;
        buf_append(out, s.ptr + i, n);
        i += n;
        if (hit) {
            buf_append_slice(out, by);
            i += what.len;
        }
    }
    if (what.len == 0)
        buf_append_slice(out, by);
    give_buf(c, out);
}

static bool in_set(struct slice set, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < set.len; i += utf8_len(set.ptr[i]))
        if (utf8_len(set.ptr[i]) == len && set.len - i >= len && !memcmp(set.ptr + i, p, len))
            return true;
    return false;
}

static void trim(struct fn_call *c, bool start, bool end)
{
    struct slice s = arg_text(c, 0), set = arg_text(c, 1);

    while (start && s.len && in_set(set, s.ptr, utf8_len(*s.ptr))) {
        size_t n = utf8_len(*s.ptr);

        s.ptr += n;
        s.len -= n;
    }
    while (end && s.len) {
        size_t n = 1;

        while (n < s.len && (s.ptr[s.len - n] & 0xc0) == 0x80)
            n++;
        if (!in_set(set, s.ptr + s.len - n, n))
            break;
        s.len -= n;
    }
    give_text(c, s.ptr, s.len);
}

static void trim_leading(struct fn_call *c)
{
    trim(c, true, false);
}
static void trim_trailing(struct fn_call *c)
{
    trim(c, false, true);
}
static void trim_both(struct fn_call *c)
{
    trim(c, true, true);
}

#define TEXT_MAX ((size_t)64 << 20) /* what one value may grow to */

static void repeat(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    int64_t count = ARG(c, 1, int32_t);
    struct buf *out = call_buf(c, 0);

    if (count > 0 && s.len > TEXT_MAX / (size_t)count) {
        call_fail(c, "REPEAT: text past %zu bytes", TEXT_MAX);
        return;
    }
    for (; count > 0; count--)
        buf_append_slice(out, s);
    give_buf(c, out);
}

static void pad(struct fn_call *c, bool before)
{
    struct slice s = arg_text(c, 0), by = arg_text(c, 2);
    int64_t want = ARG(c, 1, int32_t), chars = utf8_count(s);
    struct buf *out = call_buf(c, 0);

    if (want < 0 || by.len == 0) {
        give_null(c);
        return;
    }
    if ((size_t)want > TEXT_MAX) {
        call_fail(c, "text past %zu characters", TEXT_MAX);
        return;
    }
    if (!before)
        buf_append(out, s.ptr, utf8_pos(s, want));
    for (size_t i = 0; chars < want; want--) {
        buf_append(out, by.ptr + i, utf8_len(by.ptr[i]));
        i += utf8_len(by.ptr[i]);
        if (i >= by.len)
            i = 0;
    }
    if (before)
        buf_append(out, s.ptr, utf8_pos(s, want));
    give_buf(c, out);
}

static void lpad(struct fn_call *c)
{
    pad(c, true);
}
static void rpad(struct fn_call *c)
{
    pad(c, false);
}

static void concat(struct fn_call *c)
{
    struct buf *out = call_buf(c, 0);

    for (int i = 0; i < c->count; i++)
        buf_append_slice(out, arg_text(c, i));
    give_buf(c, out);
}

static void concat_ws(struct fn_call *c)
{
    struct buf *out = call_buf(c, 0);
    bool first = true;

    if (arg_null(c, 0)) {
        give_null(c);
        return;
    }
    for (int i = 1; i < c->count; i++) {
        if (arg_null(c, i))
            continue;
        if (!first)
            buf_append_slice(out, arg_text(c, 0));
        buf_append_slice(out, arg_text(c, i));
        first = false;
    }
    give_buf(c, out);
}

/* ---- lengths of types ---- */

static void cut_text(struct fn_call *c)
{
    give_chars(c, arg_text(c, 0), 0, arg_integer(c, 1));
}

static void cut_bytes(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    size_t n = (size_t)arg_integer(c, 1);

    give_text(c, s.ptr, s.len < n ? s.len : n);
}

static void pad_with(struct fn_call *c, int64_t have, size_t keep, uint8_t byte)
{
    int64_t want = arg_integer(c, 1);
    struct buf *out = call_buf(c, 0);

    buf_append(out, arg_text(c, 0).ptr, keep);
    for (; have < want; have++)
        buf_append_u8(out, byte);
    give_buf(c, out);
}

static void pad_text(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);

    pad_with(c, utf8_count(s), utf8_pos(s, arg_integer(c, 1)), ' ');
}

static void pad_bytes(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    size_t n = (size_t)arg_integer(c, 1);

    pad_with(c, (int64_t)s.len, s.len < n ? s.len : n, 0);
}

/* ---- LIKE ---- */

/* Matches with one step back to the last %: linear in practice, never exponential. A pattern byte
 * pair is (escaped?, character). */
static int like_check(struct slice pattern, uint32_t escape)
{
    for (size_t i = 0, used; i < pattern.len; i += used) {
        uint32_t point = utf8_get(pattern.ptr + i, pattern.len - i, &used), next;
        size_t more;

        if (point != escape)
            continue;
        if (i + used >= pattern.len)
            return ERR_INVALID;
        next = utf8_get(pattern.ptr + i + used, pattern.len - i - used, &more);
        if (next != '%' && next != '_' && next != escape)
            return ERR_INVALID;
        used += more;
    }
    return 0;
}

static bool like(struct slice s, struct slice p, uint32_t escape)
{
    size_t i = 0, j = 0, back_i = 0, back_j = SIZE_MAX;

    while (i < s.len) {
        size_t used = 0, more = 0;
        uint32_t point = j < p.len ? utf8_get(p.ptr + j, p.len - j, &used) : 0;
        bool literal = j < p.len;

        if (literal && point == escape) {
            point = utf8_get(p.ptr + j + used, p.len - j - used, &more);
        } else if (literal && point == '%') {
            back_j = j += used;
            back_i = i;
            continue;
        } else if (literal && point == '_') {
            i += utf8_len(s.ptr[i]);
            j += used;
            continue;
        }
        if (literal) {
            size_t n;

            if (utf8_get(s.ptr + i, s.len - i, &n) == point) {
                i += n;
                j += used + more;
                continue;
            }
        }
        if (back_j == SIZE_MAX)
            return false;
        back_i += utf8_len(s.ptr[back_i]);
        i = back_i;
        j = back_j;
    }
    while (j < p.len && p.ptr[j] == '%')
        j++;
    return j >= p.len;
}

static void like_escape(struct fn_call *c)
{
    struct slice pattern = arg_text(c, 1), escape = arg_text(c, 2);
    size_t used;
    uint32_t point;

    if (utf8_count(escape) != 1) {
        call_fail(c, "the escape of LIKE must be one character");
        return;
    }
    point = utf8_get(escape.ptr, escape.len, &used);
    if (like_check(pattern, point))
        call_fail(c, "'%.*s' has an escape before what needs none",
                  (int)(pattern.len > 60 ? 60 : pattern.len), pattern.ptr);
    else
        GIVE(c, bool, like(arg_text(c, 0), pattern, point));
}

/* StringUtils.splitByWholeSeparatorPreserveAllTokens: an empty separator means white space. */
static void split_index(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), by;
    int64_t index = ARG(c, 2, int32_t);
    char byte;

    if (c->args[1].type == DUCKDB_TYPE_VARCHAR) {
        by = arg_text(c, 1);
    } else {
        int32_t code = ARG(c, 1, int32_t);

        byte = (char)code;
        by = slice_of(&byte, 1);
        if (code < 0 || code > 255 || code > 127)
            index = -1;
    }
    if (index < 0 || s.len == 0) {
        give_null(c);
        return;
    }
    for (;; index--) {
        const uint8_t *hit = NULL;
        size_t n = by.len ? by.len : 1;

        if (by.len)
            hit = memmem(s.ptr, s.len, by.ptr, by.len);
        else
            for (size_t i = 0; i < s.len && !hit; i++)
                hit = isspace(s.ptr[i]) ? s.ptr + i : NULL;
        if (index == 0) {
            give_text(c, s.ptr, hit ? (size_t)(hit - s.ptr) : s.len);
            return;
        }
        if (!hit) {
            give_null(c);
            return;
        }
        s = slice_of(hit + n, s.len - (size_t)(hit - s.ptr) - n);
    }
}

static const struct fn functions[] = {
    {"flink_upper", "s", 's', upper},
    {"flink_lower", "s", 's', lower},
    {"flink_initcap", "s", 's', initcap},
    {"flink_reverse", "s", 's', reverse},
    {"flink_char_length", "s", 'i', char_length},
    {"flink_ascii", "s", 'i', ascii},
    {"flink_chr", "l", 's', chr},
    {"flink_position", "ss", 'i', position},
    {"flink_position", "ssi", 'i', position},
    {"flink_locate", "ss", 'i', position},
    {"flink_locate", "ssi", 'i', position},
    {"flink_instr", "ss", 'i', instr},
    {"flink_instr", "ssi", 'i', instr},
    {"flink_instr", "ssii", 'i', instr},
    {"flink_substring", "si", 's', substring},
    {"flink_substring", "sii", 's', substring},
    {"flink_left", "si", 's', left},
    {"flink_right", "si", 's', right},
    {"flink_overlay", "ssi", 's', overlay},
    {"flink_overlay", "ssii", 's', overlay},
    {"flink_replace", "sss", 's', replace},
    {"flink_trim_leading", "ss", 's', trim_leading},
    {"flink_trim_trailing", "ss", 's', trim_trailing},
    {"flink_trim_both", "ss", 's', trim_both},
    {"flink_repeat", "si", 's', repeat},
    {"flink_lpad", "sis", 's', lpad},
    {"flink_rpad", "sis", 's', rpad},
    {"flink_concat", "s+", 's', concat},
    {"flink_concat_ws", "s+", 's', concat_ws, NULLS},
    {"flink_cut", "sl", 's', cut_text},
    {"flink_cut", "yl", 'y', cut_bytes},
    {"flink_pad", "sl", 's', pad_text},
    {"flink_pad", "yl", 'y', pad_bytes},
    {"flink_like", "sss", 'b', like_escape},
    {"flink_split_index", "ssi", 's', split_index},
    {"flink_split_index", "sii", 's', split_index},
};

int fn_string_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
