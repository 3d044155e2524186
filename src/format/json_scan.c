/* json_scan.c - the bytes of JSON: strings sixteen at a time, numbers without strtod.
 *
 * Grammar: RFC 8259. Loads of sixteen bytes stay inside of the text; the last few bytes go one by
 * one. A double whose digits fit 53 bits and whose power of ten is at most 22 is one exact
 * multiplication or division (Clinger 1990); the rest goes to strtod.
 */
#include <emmintrin.h>
#include <math.h>

#include "format/json_int.h"

const uint8_t *json_scan_string(const uint8_t *p, const uint8_t *end, bool *escaped, bool *high)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    unsigned any_high = 0;

    for (;;) {
        while (end - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
            __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
            unsigned mask, highs = (unsigned)_mm_movemask_epi8(v);

            /* An unsigned byte is a control character when max(byte, 0x1f) is 0x1f. */
            stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_max_epu8(v, control), control));
            mask = (unsigned)_mm_movemask_epi8(stop);
            if (mask) {
                unsigned at = (unsigned)__builtin_ctz(mask);

                any_high |= highs & ((1u << at) - 1);
                p += at;
                goto stopped;
            }
            any_high |= highs;
            p += 16;
        }
        while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
            any_high |= *p++ & 0x80;
        if (p == end)
            return NULL;
    stopped:
        if (*p == '"') {
            *high |= any_high != 0;
            return p;
        }
        if (*p != '\\' || end - p < 2)
            return NULL;
        *escaped = true;
        p += 2; /* whatever is escaped; json_unescape looks closer */
    }
}

bool json_utf8_valid(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;

    while (p < end) {
        uint32_t c = *p, point;
        int more;

        if (c < 0x80) {
            p++;
            continue;
        }
        more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - p <= more)
            return false;
        point = c & (0x3fu >> more);
        for (int i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (p[i] & 0x3f);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
        p += more + 1;
    }
    return true;
}

static int hex4(const uint8_t *p, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i] | 0x20;

        if (p[i] >= '0' && p[i] <= '9')
            *out = *out << 4 | (uint32_t)(p[i] - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uint32_t)(c - 'a' + 10);
        else
            return ERR_INVALID;
    }
    return 0;
}

static int put_point(struct buf *out, uint32_t c)
{
    uint8_t bytes[4];
    size_t len;

    if (c < 0x80) {
        bytes[0] = (uint8_t)c;
        len = 1;
    } else if (c < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | c >> 6);
        bytes[1] = (uint8_t)(0x80 | (c & 0x3f));
        len = 2;
    } else if (c < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | c >> 12);
        bytes[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (c & 0x3f));
        len = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | c >> 18);
        bytes[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[3] = (uint8_t)(0x80 | (c & 0x3f));
        len = 4;
    }
    return buf_append(out, bytes, len);
}

/* \uXXXX, with the second half of a pair when one follows. Half a pair has no meaning and becomes
 * U+FFFD. *p is at the first hex digit. */
static int unescape_unicode(const uint8_t **p, const uint8_t *end, struct buf *out)
{
    uint32_t c, low;

    if (end - *p < 4 || hex4(*p, &c))
        return ERR_INVALID;
    *p += 4;
    if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
        hex4(*p + 2, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        *p += 6;
    } else if (c >= 0xd800 && c < 0xe000) {
        c = 0xfffd;
    }
    return put_point(out, c);
}

int json_unescape(struct slice raw, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const uint8_t *p = raw.ptr, *end = raw.ptr + raw.len;
    int rc = 0;

    while (!rc && p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        const char *simple;

        if (!slash)
            return buf_append(out, p, (size_t)(end - p));
        rc = buf_append(out, p, (size_t)(slash - p));
        if (rc || end - slash < 2)
            return rc ? rc : ERR_INVALID;
        p = slash + 2;
        simple = slash[1] ? strchr(from, slash[1]) : NULL;
        if (slash[1] == 'u')
            rc = unescape_unicode(&p, end, out);
        else if (simple)
            rc = buf_append_u8(out, (uint8_t)to[simple - from]);
        else
            return ERR_INVALID;
    }
    return rc;
}

int json_compact(struct slice raw, struct buf *out)
{
    const uint8_t *p = raw.ptr, *end = raw.ptr + raw.len;
    int rc = buf_reserve(out, raw.len);

    while (!rc && p < end) {
        bool escaped = false, high = false;
        const uint8_t *from = p;

        if (*p == '"') {
            p = json_scan_string(p + 1, end, &escaped, &high);
            if (!p)
                return ERR_INVALID;
        } else if (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
            p++;
            continue;
        }
        p++;
        rc = buf_append(out, from, (size_t)(p - from));
    }
    return rc;
}

/* ---- numbers ---- */

static inline bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits into the mantissa; leading zeros count for nothing. */
static inline const uint8_t *scan_digits(const uint8_t *p, const uint8_t *end,
                                         struct json_number *n, int *used)
{
    while (p < end && digit(*p)) {
        if (*used < 19) {
            n->mantissa = n->mantissa * 10 + (uint64_t)(*p - '0');
            *used += *used || *p != '0';
        } else {
            n->long_digits = true;
        }
        p++;
    }
    return p;
}

static const uint8_t *scan_exponent(const uint8_t *p, const uint8_t *end, struct json_number *n)
{
    bool minus = false;
    int exponent = 0;

    if (p < end && (*p == '+' || *p == '-'))
        minus = *p++ == '-';
    if (p == end || !digit(*p))
        return NULL;
    for (; p < end && digit(*p); p++)
        if (exponent < 100000)
            exponent = exponent * 10 + (*p - '0');
    n->exponent += minus ? -exponent : exponent;
    n->integer = false;
    return p;
}

const uint8_t *json_scan_number(const uint8_t *p, const uint8_t *end, struct json_number *out)
{
    const uint8_t *start = p, *from;
    int used = 0;

    *out = (struct json_number){.integer = true};
    if (p < end && *p == '-') {
        out->negative = true;
        p++;
    }
    if (p == end || !digit(*p))
        return NULL;
    if (*p == '0') {
        p++;
        if (p < end && digit(*p))
            return NULL; /* 012 is no number */
    } else {
        p = scan_digits(p, end, out, &used);
    }
    if (p < end && *p == '.') {
        from = ++p;
        p = scan_digits(p, end, out, &used);
        if (p == from)
            return NULL;
        out->exponent = -(int)(p - from);
        out->integer = false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p = scan_exponent(p + 1, end, out);
        if (!p)
            return NULL;
    }
    out->raw = slice_of(start, (size_t)(p - start));
    return p;
}

bool json_text_number(struct slice text, struct json_number *out)
{
    const uint8_t *p = text.ptr, *end = p + text.len, *from, *start;
    int used = 0, digits;

    while (p < end && *p <= ' ')
        p++;
    while (end > p && end[-1] <= ' ')
        end--;
    *out = (struct json_number){.integer = true};
    start = p;
    if (p < end && (*p == '-' || *p == '+'))
        out->negative = *p++ == '-';
    from = p;
    p = scan_digits(p, end, out, &used);
    digits = (int)(p - from);
    if (p < end && *p == '.') {
        from = ++p;
        p = scan_digits(p, end, out, &used);
        digits += (int)(p - from);
        out->exponent = -(int)(p - from);
        out->integer = false;
    }
    if (digits == 0)
        return false;
    if (p < end && (*p | 0x20) == 'e' && !(p = scan_exponent(p + 1, end, out)))
        return false;
    out->raw = slice_of(start, (size_t)(p - start));
    return p == end;
}

static const uint64_t powers[20] = {1u,
                                    10u,
                                    100u,
                                    1000u,
                                    10000u,
                                    100000u,
                                    1000000u,
                                    10000000u,
                                    100000000u,
                                    1000000000u,
                                    10000000000u,
                                    100000000000u,
                                    1000000000000u,
                                    10000000000000u,
                                    100000000000000u,
                                    1000000000000000u,
                                    10000000000000000u,
                                    100000000000000000u,
                                    1000000000000000000u,
                                    10000000000000000000u};

bool json_number_i64(const struct json_number *n, int64_t *out)
{
    unsigned __int128 value = n->mantissa;
    uint64_t limit = n->negative ? (uint64_t)1 << 63 : (uint64_t)INT64_MAX;

    if (n->long_digits) {
        __int128 wide;

        if (!json_number_decimal(n, 38, 18, &wide)) /* far too large, or a long fraction */
            return false;
        wide /= (__int128)powers[18];
        *out = (int64_t)wide;
        return wide >= INT64_MIN && wide <= INT64_MAX;
    }
    if (n->exponent < 0)
        value = n->exponent < -19 ? 0 : value / powers[-n->exponent];
    else if (n->exponent > 19)
        return value == 0 ? (*out = 0, true) : false;
    else
        value *= powers[n->exponent];
    if (value > limit)
        return false;
    *out = n->negative ? (int64_t)(0 - (uint64_t)value) : (int64_t)value;
    return true;
}

double json_number_f64(const struct json_number *n)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[128], *copy = text;
    double value;

    if (!n->long_digits && n->mantissa <= (uint64_t)1 << 53 && n->exponent >= -22 &&
        n->exponent <= 22) {
        value = (double)n->mantissa;
        value = n->exponent < 0 ? value / exact[-n->exponent] : value * exact[n->exponent];
        return n->negative ? -value : value;
    }
    if (n->raw.len >= sizeof(text) && !(copy = malloc(n->raw.len + 1)))
        return NAN;
    memcpy(copy, n->raw.ptr, n->raw.len);
    copy[n->raw.len] = '\0';
    value = strtod(copy, NULL);
    if (copy != text)
        free(copy);
    return value;
}

/* Digit by digit, for numbers of more than 19 digits. */
static bool long_decimal(const struct json_number *n, int precision, int scale, __int128 *out)
{
    const uint8_t *p = n->raw.ptr, *end = p + n->raw.len;
    unsigned __int128 value = 0, limit = 1;
    int keep = scale + n->exponent; /* how many of the digits are part of the result */
    bool up = false;

    for (int i = 0; i < precision; i++)
        limit *= 10;
    for (const uint8_t *q = p; q < end && (*q | 0x20) != 'e'; q++)
        keep += digit(*q);
    *out = 0;
    if (keep < 0)
        return true;
    for (; p < end && (*p | 0x20) != 'e'; p++) {
        if (!digit(*p))
            continue;
        if (keep == 0) {
            up = *p >= '5';
            break;
        }
        keep--;
        value = value * 10 + (unsigned)(*p - '0');
        if (value >= limit)
            return false;
    }
    for (; keep > 0 && value; keep--) {
        value *= 10;
        if (value >= limit)
            return false;
    }
    value += up;
    if (value >= limit)
        return false;
    *out = n->negative ? -(__int128)value : (__int128)value;
    return true;
}

bool json_number_decimal(const struct json_number *n, int precision, int scale, __int128 *out)
{
    unsigned __int128 value = n->mantissa, limit = 1;
    int shift = scale + n->exponent;
    uint64_t small;

    if (n->long_digits)
        return long_decimal(n, precision, scale, out);
    if (precision <= 18 && shift >= 0 && shift <= 18) { /* nearly all: 64 bits will do */
        if (__builtin_mul_overflow(n->mantissa, powers[shift], &small) ||
            small >= powers[precision])
            return false;
        *out = n->negative ? -(__int128)small : (__int128)small;
        return true;
    }
    for (int i = 0; i < precision; i++)
        limit *= 10;
    if (shift < -20 || value == 0)
        return (*out = 0, true);
    if (shift < 0) {
        unsigned __int128 by = 1;

        for (int i = shift; i < 0; i++)
            by *= 10;
        value = (value + by / 2) / by;
    }
    for (; shift > 0; shift--) {
        if (value >= limit)
            return false;
        value *= 10;
    }
    if (value >= limit)
        return false;
    *out = n->negative ? -(__int128)value : (__int128)value;
    return true;
}

/* ---- skipping ---- */

static const uint8_t *skip_scalar(const uint8_t *p, const uint8_t *end)
{
    static const char *const words[] = {"true", "false", "null"};
    struct json_number number;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t len = strlen(words[i]);

        if ((size_t)(end - p) >= len && !memcmp(p, words[i], len))
            return p + len;
    }
    return json_scan_number(p, end, &number);
}

/* What may come next inside of a container. */
enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COMMA_OR_END };

const uint8_t *json_skip_value(const uint8_t *p, const uint8_t *end)
{
    uint8_t closers[JSON_DEPTH_MAX];
    enum expect expect = VALUE;
    int depth = 0;

    for (;;) {
        bool escaped = false, high = false;

        p = json_skip_space(p, end);
        if (p == end)
            return NULL;
        if ((expect == VALUE_OR_END || expect == KEY_OR_END || expect == COMMA_OR_END) &&
            *p == closers[depth - 1]) {
            p++;
            depth--;
            expect = COMMA_OR_END;
        } else if (expect == COMMA_OR_END) {
            if (*p++ != ',')
                return NULL;
            expect = closers[depth - 1] == '}' ? KEY : VALUE;
            continue;
        } else if (expect == KEY || expect == KEY_OR_END) {
            if (*p != '"' || !(p = json_scan_string(p + 1, end, &escaped, &high)))
                return NULL;
            p = json_skip_space(p + 1, end);
            if (p == end || *p++ != ':')
                return NULL;
            expect = VALUE;
            continue;
        } else if (*p == '{' || *p == '[') {
            if (depth == JSON_DEPTH_MAX)
                return NULL;
            closers[depth++] = *p == '{' ? '}' : ']';
            expect = *p++ == '{' ? KEY_OR_END : VALUE_OR_END;
            continue;
        } else if (*p == '"') {
            p = json_scan_string(p + 1, end, &escaped, &high);
            if (!p)
                return NULL;
            p++;
            expect = COMMA_OR_END;
        } else {
            p = skip_scalar(p, end);
            if (!p)
                return NULL;
            expect = COMMA_OR_END;
        }
        if (depth == 0)
            return p;
    }
}
