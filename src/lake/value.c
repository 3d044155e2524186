/* value.c - single values: order, binary form (appendix D), text in and out. */
#include <math.h>
#include <stdio.h>

#include "base/codec.h"
#include "lake/lake_int.h"

int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year; /* years begin in March: leap days come last */
    int64_t era = floor_div(y, 400), yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static int cmp_double(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

int lake_value_cmp(const struct lake_type *type, const struct lake_value *a,
                   const struct lake_value *b)
{
    if (a->null || b->null)
        return b->null - a->null;
    switch (type->kind) {
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        return cmp_double(a->d, b->d);
    case LAKE_DECIMAL:
        return (a->dec > b->dec) - (a->dec < b->dec);
    case LAKE_STRING:
    case LAKE_UUID:
    case LAKE_FIXED:
    case LAKE_BINARY:
        return slice_cmp(a->bytes, b->bytes);
    default:
        return (a->i > b->i) - (a->i < b->i);
    }
}

/* Two's complement, big endian, as few bytes as hold the sign. */
static size_t decimal_bytes(__int128 value, uint8_t out[16])
{
    size_t skip = 0;

    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)(value >> (8 * (15 - i)));
    while (skip < 15 && ((out[skip] == 0 && !(out[skip + 1] & 0x80)) ||
                         (out[skip] == 0xff && (out[skip + 1] & 0x80))))
        skip++;
    memmove(out, out + skip, 16 - skip);
    return 16 - skip;
}

int lake_value_encode(const struct lake_type *type, const struct lake_value *value,
                      struct arena *arena, struct slice *out)
{
    uint8_t bytes[16];
    struct slice raw = {bytes, 8};
    int32_t narrow = (int32_t)value->i;
    float real = (float)value->d;

    *out = (struct slice){0};
    if (value->null)
        return 0;
    switch (type->kind) {
    case LAKE_BOOLEAN:
        bytes[0] = value->i != 0;
        raw.len = 1;
        break;
    case LAKE_INT:
    case LAKE_DATE:
        memcpy(bytes, &narrow, 4);
        raw.len = 4;
        break;
    case LAKE_FLOAT:
        memcpy(bytes, &real, 4);
        raw.len = 4;
        break;
    case LAKE_DOUBLE:
        memcpy(bytes, &value->d, 8);
        break;
    case LAKE_DECIMAL:
        raw.len = decimal_bytes(value->dec, bytes);
        break;
    case LAKE_STRING:
    case LAKE_UUID:
    case LAKE_FIXED:
    case LAKE_BINARY:
        raw = value->bytes;
        break;
    case LAKE_UNKNOWN:
    case LAKE_STRUCT:
    case LAKE_LIST:
    case LAKE_MAP:
        return ERR_UNSUPPORTED;
    default:
        memcpy(bytes, &value->i, 8);
    }
    out->ptr = arena_alloc(arena, raw.len + 1); /* empty text is a bound too: never NULL */
    if (!out->ptr)
        return ERR_NOMEM;
    if (raw.len)
        memcpy((void *)out->ptr, raw.ptr, raw.len);
    out->len = raw.len;
    return 0;
}

static int decode_integer(struct slice bytes, int64_t *out)
{
    int32_t narrow;

    if (bytes.len == 4) {
        memcpy(&narrow, bytes.ptr, 4);
        *out = narrow;
        return 0;
    }
    if (bytes.len != 8)
        return ERR_CORRUPT;
    memcpy(out, bytes.ptr, 8);
    return 0;
}

static int decode_real(struct slice bytes, double *out)
{
    float narrow;

    if (bytes.len == 4) {
        memcpy(&narrow, bytes.ptr, 4);
        *out = narrow;
        return 0;
    }
    if (bytes.len != 8)
        return ERR_CORRUPT;
    memcpy(out, bytes.ptr, 8);
    return 0;
}

static int decode_decimal(struct slice bytes, __int128 *out)
{
    if (bytes.len == 0 || bytes.len > 16)
        return ERR_CORRUPT;
    unsigned __int128 value = bytes.ptr[0] & 0x80 ? ~(unsigned __int128)0 : 0;

    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.ptr[i];
    *out = (__int128)value;
    return 0;
}

int lake_value_decode(const struct lake_type *type, struct slice bytes, struct lake_value *out,
                      struct err *err)
{
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (!bytes.ptr) {
        out->null = true;
        return 0;
    }
    switch (type->kind) {
    case LAKE_BOOLEAN:
        rc = bytes.len == 1 ? 0 : ERR_CORRUPT;
        out->i = rc ? 0 : bytes.ptr[0] != 0;
        break;
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        rc = decode_real(bytes, &out->d);
        break;
    case LAKE_DECIMAL:
        rc = decode_decimal(bytes, &out->dec);
        break;
    case LAKE_UUID:
        rc = bytes.len == 16 ? 0 : ERR_CORRUPT;
        out->bytes = bytes;
        break;
    case LAKE_STRING:
    case LAKE_FIXED:
    case LAKE_BINARY:
        out->bytes = bytes;
        break;
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMP_NS: /* promoted from date (v3): 4 bytes of days */
        rc = decode_integer(bytes, &out->i);
        if (!rc && bytes.len == 4 &&
            __builtin_mul_overflow(
                out->i, type->kind == LAKE_TIMESTAMP ? 86400000000 : 86400000000000, &out->i))
            rc = ERR_CORRUPT;
        break;
    case LAKE_UNKNOWN:
    case LAKE_STRUCT:
    case LAKE_LIST:
    case LAKE_MAP:
        rc = ERR_UNSUPPORTED;
        break;
    default:
        rc = decode_integer(bytes, &out->i);
    }
    return rc ? err_set(err, rc, "a value of %zu bytes does not fit its type", bytes.len) : 0;
}

static bool number_at(const char **at, int digits_min, int digits_max, int64_t *out)
{
    int digits = 0;

    for (*out = 0; digits < digits_max && **at >= '0' && **at <= '9'; digits++, (*at)++)
        *out = *out * 10 + (**at - '0');
    return digits >= digits_min;
}

static bool char_at(const char **at, char wanted)
{
    return **at == wanted ? (*at)++, true : false;
}

/* yyyy-mm-dd, with a sign, more digits, or DuckDB's "(BC)" behind. */
static bool parse_date(const char **at, int64_t *days)
{
    bool minus = char_at(at, '-');
    int64_t year, month, day;

    if (!minus)
        char_at(at, '+');
    if (!number_at(at, 1, 9, &year) || !char_at(at, '-') || !number_at(at, 1, 2, &month) ||
        !char_at(at, '-') || !number_at(at, 1, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > 31)
        return false;
    if (!strncmp(*at, " (BC)", 5)) {
        *at += 5;
        year = 1 - year;
    }
    *days = days_from_civil(minus ? -year : year, (int)month, (int)day);
    return true;
}

/* hh:mm[:ss[.fraction]] in nanoseconds. */
static bool parse_time(const char **at, int64_t *ns)
{
    int64_t hour, minute, second = 0, fraction = 0;
    int digits = 0;

    if (!number_at(at, 1, 2, &hour) || !char_at(at, ':') || !number_at(at, 2, 2, &minute))
        return false;
    if (char_at(at, ':') && !number_at(at, 2, 2, &second))
        return false;
    if (char_at(at, '.')) {
        for (; **at >= '0' && **at <= '9'; (*at)++)
            if (digits < 9) {
                fraction = fraction * 10 + (**at - '0');
                digits++;
            }
        for (; digits < 9; digits++)
            fraction *= 10;
    }
    if (hour > 24 || minute > 59 || second > 60)
        return false;
    *ns = ((hour * 60 + minute) * 60 + second) * 1000000000 + fraction;
    return true;
}

/* Nothing, Z, or an offset: +02, +02:00, -03:30:15. */
static bool parse_zone(const char **at, int64_t *offset_seconds)
{
    int64_t hour, minute = 0, second = 0;
    bool minus;

    *offset_seconds = 0;
    if (char_at(at, 'Z') || (**at != '+' && **at != '-'))
        return true;
    minus = *(*at)++ == '-';
    if (!number_at(at, 2, 2, &hour))
        return false;
    if ((char_at(at, ':') || (**at >= '0' && **at <= '9')) && !number_at(at, 2, 2, &minute))
        return false;
    if (char_at(at, ':') && !number_at(at, 2, 2, &second))
        return false;
    *offset_seconds = (minus ? -1 : 1) * ((hour * 60 + minute) * 60 + second);
    return true;
}

static int parse_timestamp(const char *text, bool nanos, int64_t *out)
{
    int64_t days, ns = 0, offset = 0, unit = nanos ? 1000000000 : 1000000, seconds;
    const char *at = text;

    if (!parse_date(&at, &days))
        return ERR_INVALID;
    if ((char_at(&at, ' ') || char_at(&at, 'T')) &&
        (!parse_time(&at, &ns) || !parse_zone(&at, &offset)))
        return ERR_INVALID;
    if (*at)
        return ERR_INVALID;
    seconds = days * 86400 + ns / 1000000000 - offset;
    if (__builtin_mul_overflow(seconds, unit, out) ||
        __builtin_add_overflow(*out, ns % 1000000000 / (nanos ? 1 : 1000), out))
        return ERR_INVALID;
    return 0;
}

static int parse_decimal(const char *text, int32_t scale, __int128 *out)
{
    bool minus = *text == '-', point = false;
    int32_t left = scale;
    __int128 value = 0;
    int digits = 0;

    for (text += minus || *text == '+'; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || digits > 38 || (point && left == 0 && *text != '0'))
            return ERR_INVALID;
        if (point && left == 0)
            continue;
        value = value * 10 + (*text - '0');
        digits += value != 0;
        left -= point;
    }
    for (; left > 0; left--)
        value *= 10;
    *out = minus ? -value : value;
    return digits + (scale > 0) > 0 || value == 0 ? 0 : ERR_INVALID;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* DuckDB prints blobs with \xAA for what is not plain ASCII. */
static int parse_blob(const char *text, struct arena *arena, struct slice *out)
{
    uint8_t *bytes = arena_alloc(arena, strlen(text) + 1);
    size_t len = 0;

    if (!bytes)
        return ERR_NOMEM;
    while (*text) {
        if (text[0] == '\\' && text[1] == 'x') {
            int high = hex_digit(text[2]), low = high < 0 ? -1 : hex_digit(text[3]);

            if (low < 0)
                return ERR_INVALID;
            bytes[len++] = (uint8_t)(high * 16 + low);
            text += 4;
        } else {
            bytes[len++] = (uint8_t)*text++;
        }
    }
    *out = slice_of(bytes, len);
    return 0;
}

static int parse_uuid(const char *text, struct arena *arena, struct slice *out)
{
    uint8_t *bytes = arena_alloc(arena, 16);
    int nibbles = 0;

    if (!bytes)
        return ERR_NOMEM;
    for (; *text; text++) {
        int digit = hex_digit(*text);

        if (*text == '-')
            continue;
        if (digit < 0 || nibbles == 32)
            return ERR_INVALID;
        bytes[nibbles / 2] = (uint8_t)(bytes[nibbles / 2] << 4 | digit);
        nibbles++;
    }
    *out = slice_of(bytes, 16);
    return nibbles == 32 ? 0 : ERR_INVALID;
}

static int parse_real(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end); /* knows inf, nan; needs no locale: we never set one */
    return *text && !*end ? 0 : ERR_INVALID;
}

int lake_value_parse(const struct lake_type *type, const char *text, struct arena *arena,
                     struct lake_value *out, struct err *err)
{
    const char *at = text;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    switch (type->kind) {
    case LAKE_BOOLEAN:
        out->i = !strcasecmp(text, "true") || !strcmp(text, "1") || !strcasecmp(text, "t");
        rc = out->i || !strcasecmp(text, "false") || !strcmp(text, "0") || !strcasecmp(text, "f")
                 ? 0
                 : ERR_INVALID;
        break;
    case LAKE_INT:
    case LAKE_LONG:
        rc = slice_to_i64(slice_str(text), &out->i);
        break;
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        rc = parse_real(text, &out->d);
        break;
    case LAKE_DECIMAL:
        rc = parse_decimal(text, type->scale, &out->dec);
        break;
    case LAKE_DATE:
        rc = parse_date(&at, &out->i) && !*at ? 0 : ERR_INVALID;
        break;
    case LAKE_TIME:
        rc = parse_time(&at, &out->i) && !*at ? 0 : ERR_INVALID;
        out->i /= 1000;
        break;
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
        rc = parse_timestamp(text, false, &out->i);
        break;
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        rc = parse_timestamp(text, true, &out->i);
        break;
    case LAKE_STRING:
        out->bytes = arena_slice(arena, slice_str(text));
        rc = out->bytes.ptr || !*text ? 0 : ERR_NOMEM;
        break;
    case LAKE_UUID:
        rc = parse_uuid(text, arena, &out->bytes);
        break;
    case LAKE_FIXED:
    case LAKE_BINARY:
        rc = parse_blob(text, arena, &out->bytes);
        break;
    default:
        rc = ERR_UNSUPPORTED;
    }
    return rc ? err_set(err, rc, "'%.60s' is not a value of its type", text) : 0;
}

static void put_decimal(struct out *o, __int128 value, int32_t scale)
{
    unsigned __int128 left = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    char digits[48];
    int count = 0;

    do {
        digits[count++] = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left || count <= scale);
    out_str(o, value < 0 ? "-" : "");
    while (count-- > 0) {
        out_fmt(o, "%c", digits[count]);
        if (count == scale && scale > 0)
            out_str(o, ".");
    }
}

static void put_date(struct out *o, int64_t days)
{
    int64_t year;
    int month, day;

    civil_from_days(days, &year, &month, &day);
    if (year > 0)
        out_fmt(o, "%04" PRId64 "-%02d-%02d", year, month, day);
    else
        out_fmt(o, "%04" PRId64 "-%02d-%02d (BC)", 1 - year, month, day);
}

static void put_time(struct out *o, int64_t units, int64_t per_second, int digits)
{
    int64_t seconds = units / per_second;

    out_fmt(o, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
            (int)(seconds % 60));
    if (units % per_second)
        out_fmt(o, ".%0*" PRId64, digits, units % per_second);
}

static void put_timestamp(struct out *o, int64_t units, int64_t per_second, int digits, char sep)
{
    int64_t day = floor_div(units, 86400 * per_second);

    put_date(o, day);
    out_fmt(o, "%c", sep);
    put_time(o, units - day * 86400 * per_second, per_second, digits);
}

static void put_uuid(struct out *o, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        out_fmt(o, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes.ptr[i]);
}

int lake_value_text(const struct lake_type *type, const struct lake_value *value, struct buf *buf)
{
    struct out o = {buf, 0};

    if (value->null)
        return buf_append_str(buf, "null");
    switch (type->kind) {
    case LAKE_BOOLEAN:
        out_str(&o, value->i ? "true" : "false");
        break;
    case LAKE_INT:
    case LAKE_LONG:
        out_fmt(&o, "%" PRId64, value->i);
        break;
    case LAKE_FLOAT:
        out_fmt(&o, "%.9g", value->d);
        break;
    case LAKE_DOUBLE:
        out_fmt(&o, "%.17g", value->d);
        break;
    case LAKE_DECIMAL:
        put_decimal(&o, value->dec, type->scale);
        break;
    case LAKE_DATE:
        put_date(&o, value->i);
        break;
    case LAKE_TIME:
        put_time(&o, value->i, 1000000, 6);
        break;
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
        put_timestamp(&o, value->i, 1000000, 6, 'T');
        out_str(&o, type->kind == LAKE_TIMESTAMPTZ ? "+00:00" : "");
        break;
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        put_timestamp(&o, value->i, 1000000000, 9, 'T');
        out_str(&o, type->kind == LAKE_TIMESTAMPTZ_NS ? "+00:00" : "");
        break;
    case LAKE_STRING:
        o.rc = buf_append_slice(buf, value->bytes);
        break;
    case LAKE_UUID:
        put_uuid(&o, value->bytes);
        break;
    case LAKE_FIXED:
    case LAKE_BINARY:
        o.rc = base64_encode(value->bytes, buf);
        break;
    default:
        out_str(&o, "null");
    }
    return o.rc;
}

static void put_blob(struct out *o, struct slice bytes)
{
    out_str(o, "'");
    for (size_t i = 0; i < bytes.len; i++)
        out_fmt(o, "\\x%02X", bytes.ptr[i]);
    out_str(o, "'::BLOB");
}

int lake_value_sql(const struct lake_type *type, const struct lake_value *value, struct buf *buf)
{
    struct out o = {buf, 0};

    if (value->null)
        return buf_append_str(buf, "NULL");
    switch (type->kind) {
    case LAKE_STRING:
        out_str(&o, "'");
        for (size_t i = 0; i < value->bytes.len; i++) {
            if (value->bytes.ptr[i] == '\'')
                out_str(&o, "'");
            if (!o.rc)
                o.rc = buf_append_u8(buf, value->bytes.ptr[i]);
        }
        out_str(&o, "'");
        return o.rc;
    case LAKE_FIXED:
    case LAKE_BINARY:
        put_blob(&o, value->bytes);
        return o.rc;
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        if (isnan(value->d) || isinf(value->d))
            out_fmt(&o, "'%s'::", isnan(value->d) ? "nan" : value->d > 0 ? "inf" : "-inf");
        else
            out_fmt(&o, "'%.17g'::", value->d);
        break;
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        out_str(&o, "'");
        put_timestamp(&o, value->i, 1000000000, 9, ' ');
        out_str(&o, type->kind == LAKE_TIMESTAMPTZ_NS ? "+00'::" : "'::");
        break;
    default:
        out_str(&o, "'");
        o.rc = o.rc ? o.rc : lake_value_text(type, value, buf);
        out_str(&o, "'::");
    }
    return o.rc ? o.rc : lake_duckdb_type(type, buf, NULL);
}
