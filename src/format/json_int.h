/* json_int.h - what the files of the JSON decoder share: scanning text, numbers, times. */
#ifndef FORMAT_JSON_INT_H
#define FORMAT_JSON_INT_H

#include "format/json.h"

/* A number as written, checked against JSON's grammar. value = mantissa * 10^exponent, exact
 * unless `long_digits`: then only `raw` tells. */
struct json_number {
    struct slice raw;
    uint64_t mantissa; /* up to 19 digits */
    int exponent;
    bool negative, integer /* no point, no exponent */, long_digits;
};

/* All scanners take the place to start at and the end, and give the place after, or NULL. */

static inline const uint8_t *json_skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* At the byte after the opening quote: gives the closing quote. Notes escapes and bytes above
 * 0x7F. NULL: no closing quote, or a control character. */
const uint8_t *json_scan_string(const uint8_t *p, const uint8_t *end, bool *escaped, bool *high);
const uint8_t *json_scan_number(const uint8_t *p, const uint8_t *end, struct json_number *out);
/* Past one value of any kind. */
const uint8_t *json_skip_value(const uint8_t *p, const uint8_t *end);
bool json_utf8_valid(const uint8_t *p, size_t len);
/* Appends the text of an escaped string (what is between its quotes). ERR_INVALID, ERR_NOMEM. */
int json_unescape(struct slice raw, struct buf *out);
/* Appends a value's text without the blanks between its tokens. */
int json_compact(struct slice raw, struct buf *out);

/* Reads a whole slice as a number by Java's rules for text: blanks around, a plus sign and leading
 * zeros allowed. */
bool json_text_number(struct slice text, struct json_number *out);
/* Truncates toward zero, as Jackson does. False: out of range. */
bool json_number_i64(const struct json_number *number, int64_t *out);
/* `number` may be long: raw is read then. Always gives something; overflow gives infinity. */
double json_number_f64(const struct json_number *number);
/* Exact with HALF_UP at the scale. False: more than `precision` digits. */
bool json_number_decimal(const struct json_number *number, int precision, int scale,
                         __int128 *out);

/* ---- times (json_time.c) ---- */

struct json_time {
    int64_t seconds; /* since the epoch, UTC */
    int32_t nanos;   /* 0 <= nanos < 1e9 */
};
bool json_time_text(struct slice text, struct json_time *out);
bool json_time_number(const struct json_number *number, struct json_time *out);
bool json_date_text(struct slice text, int32_t *days);
bool json_clock_text(struct slice text, int64_t *nanos); /* since midnight */

#endif
