/* json_time.c - dates and times in every spelling that people send.
 *
 * Text: [date][T or blank][clock][offset], where
 *   date    2024-02-29, 2024-2-9, 20240229, 2024/02/29
 *   clock   10:11, 10:11:12, 10:11:12.123456789 (a comma for the point too), 101112
 *   offset  Z, UTC, GMT, +02, +0200, +02:00, after an optional blank
 * or the epoch in digits. Numbers: the epoch, in the unit that puts it between the years 1966 and
 * 5138 (10^11 seconds, milliseconds, microseconds, nanoseconds are far apart).
 */
#include "format/json_int.h"

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

struct cursor {
    const uint8_t *p, *end;
};

static bool is_digit(const struct cursor *c, int ahead)
{
    return c->end - c->p > ahead && c->p[ahead] >= '0' && c->p[ahead] <= '9';
}

/* min to max digits as a number. */
static bool take_number(struct cursor *c, int min, int max, int *out)
{
    int count = 0;

    *out = 0;
    while (count < max && is_digit(c, 0)) {
        *out = *out * 10 + (*c->p++ - '0');
        count++;
    }
    return count >= min;
}

static bool take(struct cursor *c, uint8_t byte)
{
    if (c->p == c->end || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static bool take_date(struct cursor *c, int64_t *days)
{
    int year, month, day;

    if (!take_number(c, 4, 4, &year))
        return false;
    if (take(c, '-')) {
        if (!take_number(c, 1, 2, &month) || !take(c, '-') || !take_number(c, 1, 2, &day))
            return false;
    } else if (take(c, '/')) {
        if (!take_number(c, 1, 2, &month) || !take(c, '/') || !take_number(c, 1, 2, &day))
            return false;
    } else if (!take_number(c, 2, 2, &month) || !take_number(c, 2, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    *days = vec_days(year, month, day);
    return true;
}

/* Digits past the ninth are cut. */
static bool take_fraction(struct cursor *c, int32_t *nanos)
{
    int32_t value = 0;
    int count = 0;

    for (; is_digit(c, 0); c->p++, count++)
        if (count < 9)
            value = value * 10 + (*c->p - '0');
    if (count == 0)
        return false;
    for (; count < 9; count++)
        value *= 10;
    *nanos = value;
    return true;
}

static bool take_clock(struct cursor *c, int *seconds, int32_t *nanos)
{
    int hour, minute, second = 0;
    bool colon;

    *nanos = 0;
    if (!take_number(c, 1, 2, &hour))
        return false;
    colon = take(c, ':');
    if (!take_number(c, colon ? 1 : 2, 2, &minute))
        return false;
    if (colon ? take(c, ':') : is_digit(c, 0)) {
        if (!take_number(c, colon ? 1 : 2, 2, &second))
            return false;
        if ((take(c, '.') || take(c, ',')) && !take_fraction(c, nanos))
            return false;
    }
    /* A leap second is the next minute's first, as Java's lenient clocks have it. */
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

static bool take_offset(struct cursor *c, int *seconds)
{
    int hours, minutes = 0, sign;

    *seconds = 0;
    take(c, ' ');
    if (c->p == c->end)
        return true;
    if (c->end - c->p == 1)
        return (*c->p | 0x20) == 'z';
    if (c->end - c->p == 3 && (!memcmp(c->p, "UTC", 3) || !memcmp(c->p, "GMT", 3)))
        return true;
    if (*c->p != '+' && *c->p != '-')
        return false;
    sign = *c->p++ == '-' ? -1 : 1;
    if (!take_number(c, 1, 2, &hours))
        return false;
    if (take(c, ':') || is_digit(c, 0))
        if (!take_number(c, 2, 2, &minutes))
            return false;
    if (hours > 18 || minutes > 59 || c->p != c->end)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static struct cursor trimmed(struct slice text)
{
    struct cursor c = {text.ptr, text.ptr + text.len};

    while (c.p < c.end && *c.p <= ' ')
        c.p++;
    while (c.end > c.p && c.end[-1] <= ' ')
        c.end--;
    return c;
}

/* The epoch when there are only digits (a sign, a fraction), and not eight of them, which are a
 * date, nor fourteen that are a date and a clock. */
static bool epoch_text(const struct cursor *c, struct json_time *out)
{
    struct json_number number;
    size_t len = (size_t)(c->end - c->p);

    for (const uint8_t *p = c->p; p < c->end; p++)
        if (!(*p >= '0' && *p <= '9') && *p != '.' && !(p == c->p && (*p == '-' || *p == '+')))
            return false;
    if (len == 8 || (len == 14 && (c->p[0] == '1' || c->p[0] == '2') &&
                     (!memcmp(c->p, "19", 2) || !memcmp(c->p, "20", 2))))
        return false;
    return json_text_number(slice_of(c->p, len), &number) && json_time_number(&number, out);
}

bool json_time_text(struct slice text, struct json_time *out)
{
    struct cursor c = trimmed(text);
    int64_t days;
    int seconds = 0, offset = 0;
    int32_t nanos = 0;

    if (c.p == c.end)
        return false;
    if (!(c.end - c.p > 4 && (c.p[4] == '-' || c.p[4] == '/')) && epoch_text(&c, out))
        return true;
    if (!take_date(&c, &days))
        return false;
    if (c.p < c.end && (take(&c, 'T') || take(&c, 't') || take(&c, ' ') || is_digit(&c, 0))) {
        if (!take_clock(&c, &seconds, &nanos))
            return false;
    }
    if (!take_offset(&c, &offset))
        return false;
    out->seconds = days * 86400 + seconds - offset;
    out->nanos = nanos;
    return true;
}

/* Rounds down to whole seconds. */
static void split(__int128 nanos, struct json_time *out)
{
    __int128 seconds = nanos / 1000000000;

    if (nanos % 1000000000 < 0)
        seconds--;
    out->seconds = (int64_t)seconds;
    out->nanos = (int32_t)(nanos - seconds * 1000000000);
}

bool json_time_number(const struct json_number *number, struct json_time *out)
{
    static const int64_t unit_nanos[] = {1000000000, 1000000, 1000, 1};
    int64_t whole, size;
    __int128 scaled;
    int unit = 0;

    if (!json_number_i64(number, &whole) || whole == INT64_MIN)
        return false;
    size = whole < 0 ? -whole : whole;
    for (__int128 limit = 100000000000; unit < 3 && size >= limit; limit *= 1000)
        unit++;
    if (number->integer)
        scaled = (__int128)whole * unit_nanos[unit];
    else if (!json_number_decimal(number, 38, 9 - 3 * unit, &scaled))
        return false;
    split(scaled, out);
    return true;
}

bool json_date_text(struct slice text, int32_t *days)
{
    struct cursor c = trimmed(text);
    struct json_time time;
    int64_t value;

    if (take_date(&c, &value) && c.p == c.end) {
        *days = (int32_t)value;
        return true;
    }
    if (!json_time_text(text, &time)) /* a timestamp holds a date too */
        return false;
    value = time.seconds / 86400 - (time.seconds % 86400 < 0);
    if (value < INT32_MIN || value > INT32_MAX)
        return false;
    *days = (int32_t)value;
    return true;
}

bool json_clock_text(struct slice text, int64_t *nanos)
{
    struct cursor c = trimmed(text);
    int32_t fraction;
    int seconds, offset;

    if (!take_clock(&c, &seconds, &fraction) || !take_offset(&c, &offset))
        return false;
    seconds = ((seconds - offset) % 86400 + 86400) % 86400;
    *nanos = (int64_t)seconds * 1000000000 + fraction;
    return true;
}
