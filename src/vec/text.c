/* text.c - numbers and dates as text, the way Java spells them. */
#include <math.h>
#include <stdio.h>

#include "vec/vec.h"

/* Digits without trailing zeros and the exponent of the first one, from "d.ddde+xx". */
static int split(const char *text, char *digits, int *exponent)
{
    int count = 0;

    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            digits[count++] = *text;
    *exponent = atoi(text + 1);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* Double.toString: plain from 10^-3 to below 10^7, else d.dddE[-]x; always a digit after the
 * point. */
static size_t spell(const char *scientific, char *out)
{
    char digits[24], *at = out;
    int exponent, count = split(scientific, digits, &exponent);

    if (scientific[0] == '-')
        *at++ = '-';
    if (exponent >= 7 || exponent < -3) {
        *at++ = digits[0];
        *at++ = '.';
        for (int i = 1; i < count; i++)
            *at++ = digits[i];
        if (count == 1)
            *at++ = '0';
        return (size_t)(at - out) + (size_t)sprintf(at, "E%d", exponent);
    }
    for (int place = exponent >= 0 ? exponent : 0; place >= 0 || place > exponent - count;
         place--) {
        int i = exponent - place;

        if (place == -1)
            *at++ = '.';
        *at++ = i >= 0 && i < count ? digits[i] : '0';
    }
    if (exponent - count >= -1) { /* nothing came after the point */
        *at++ = '.';
        *at++ = '0';
    }
    *at = '\0';
    return (size_t)(at - out);
}

static size_t special(double value, char *out)
{
    strcpy(out, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    return strlen(out);
}

/* Most doubles of people's data are decimals of few digits: the first power of ten that makes a
 * whole number of one, and gives it back when divided by it, has its shortest digits, since a
 * quotient of two exact numbers is rounded right. 0: not one of those. */
static size_t short_decimal(double value, char out[32])
{
    static const double powers[] = {1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double size = fabs(value);

    if (size < 1e-3 || size >= 1e7)
        return 0;
    for (size_t d = 0; d < COUNT_OF(powers); d++) {
        int64_t whole = llrint(size * powers[d]), unit = (int64_t)powers[d];

        if ((double)whole / powers[d] == size)
            return (size_t)snprintf(out, 32, "%s%" PRId64 ".%0*" PRId64, value < 0 ? "-" : "",
                                    whole / unit, (int)d + 1, whole % unit);
    }
    return 0;
}

size_t vec_text_double(double value, char out[32])
{
    char text[40];
    size_t len;

    if (!isfinite(value))
        return special(value, out);
    if (value == 0) {
        strcpy(out, signbit(value) ? "-0.0" : "0.0");
        return strlen(out);
    }
    len = short_decimal(value, out);
    if (len)
        return len;
    /* Fifteen digits are right for all but the smallest numbers, which have fewer. */
    for (int precision = fabs(value) < 1e-300 ? 1 : 14; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return spell(text, out);
}

size_t vec_text_float(float value, char out[32])
{
    char text[40];

    if (!isfinite(value))
        return special(value, out);
    if (value == 0) {
        strcpy(out, signbit(value) ? "-0.0" : "0.0");
        return strlen(out);
    }
    for (int precision = 5; precision <= 8; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return spell(text, out);
}

size_t vec_text_decimal(__int128 unscaled, int scale, char out[48])
{
    unsigned __int128 value = unscaled < 0 ? 0 - (unsigned __int128)unscaled
                                           : (unsigned __int128)unscaled;
    char digits[48], *at = out;
    int count = 0;

    do {
        digits[count++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value || count <= scale);
    if (unscaled < 0)
        *at++ = '-';
    while (count-- > 0) {
        *at++ = digits[count];
        if (count == scale && scale > 0)
            *at++ = '.';
    }
    *at = '\0';
    return (size_t)(at - out);
}

size_t vec_text_big_decimal(__int128 unscaled, int scale, char out[56])
{
    char text[48], *digits = text;
    size_t len = vec_text_decimal(unscaled, 0, text);
    int exponent;

    digits += text[0] == '-';
    exponent = (int)(len - (size_t)(digits - text)) - 1 - scale;
    if (exponent >= -6)
        return vec_text_decimal(unscaled, scale, out);
    return (size_t)sprintf(out, "%s%c%s%sE%d", text[0] == '-' ? "-" : "", digits[0],
                           digits[1] ? "." : "", digits + 1, exponent);
}

__int128 vec_decimal_at(duckdb_logical_type type, const void *data, idx_t row)
{
    __int128 wide;

    switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT:
        return ((const int16_t *)data)[row];
    case DUCKDB_TYPE_INTEGER:
        return ((const int32_t *)data)[row];
    case DUCKDB_TYPE_BIGINT:
        return ((const int64_t *)data)[row];
    default:
        memcpy(&wide, (const duckdb_hugeint *)data + row, sizeof(wide));
        return wide;
    }
}

/* Howard Hinnant's days_from_civil and back: years start in March, eras of 400 years. */
int64_t vec_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void vec_civil(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

size_t vec_text_date(int64_t days, char out[24])
{
    int64_t year;
    int month, day;

    vec_civil(days, &year, &month, &day);
    return (size_t)sprintf(out, year < 0 ? "-%04" PRId64 "-%02d-%02d" : "%04" PRId64 "-%02d-%02d",
                           year < 0 ? -year : year, month, day);
}

size_t vec_text_time(int64_t nanos, int digits, char out[24])
{
    int64_t seconds = nanos / 1000000000, fraction = nanos % 1000000000;
    size_t len = (size_t)sprintf(out, "%02d:%02d:%02d", (int)(seconds / 3600 % 100),
                                 (int)(seconds / 60 % 60), (int)(seconds % 60));

    if (digits == 0 || (digits < 0 && fraction == 0))
        return len;
    len += (size_t)sprintf(out + len, ".%09d", (int)fraction);
    if (digits > 0)
        len -= (size_t)(9 - digits);
    else
        while (out[len - 1] == '0')
            len--;
    out[len] = '\0';
    return len;
}
