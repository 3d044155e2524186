/* fn_time.c - dates, times and timestamps. Microseconds since the epoch inside; TIMESTAMP(7..9)
 * come as nanoseconds and are handled as such where their digits can show. */
#include <math.h>
#include <stdio.h>

#include "vec/fn.h"
#include "vec/fn_pattern.h"
#include "vec/zone.h"

#define DAY_US ((int64_t)86400 * 1000000)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
static int64_t floor_mod(int64_t a, int64_t b)
{
    return a - floor_div(a, b) * b;
}

/* The zone of the last argument; NULL: the call has failed. */
static const struct zone *zone_arg(struct fn_call *c, int i)
{
    struct slice name = arg_text(c, i);
    const struct zone *zone = zone_get(name);

    if (!zone)
        call_fail(c, "unknown time zone '%.*s'", (int)(name.len > 60 ? 60 : name.len), name.ptr);
    return zone;
}

static int64_t local_us(const struct zone *zone, int64_t us)
{
    return us + (int64_t)zone_offset(zone, floor_div(us, 1000000)) * 1000000;
}

static int64_t utc_us(const struct zone *zone, int64_t local)
{
    int64_t seconds = floor_div(local, 1000000);

    return zone_to_utc(zone, seconds, false) * 1000000 + floor_mod(local, 1000000);
}

/* Argument i as microseconds on the local clock: dates, times, timestamps; instants by the zone. */
static int64_t clock_us(struct fn_call *c, int i, const struct zone *zone)
{
    __int128 us;

    switch (c->args[i].type) {
    case DUCKDB_TYPE_DATE: /* DuckDB's reach further than its timestamps: the last of these */
        us = (__int128)ARG(c, i, int32_t) * DAY_US;
        return us > INT64_MAX / 4   ? INT64_MAX / 4
               : us < INT64_MIN / 4 ? INT64_MIN / 4
                                    : (int64_t)us;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return zone ? local_us(zone, ARG(c, i, int64_t)) : ARG(c, i, int64_t);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return floor_div(ARG(c, i, int64_t), 1000);
    default:
        return ARG(c, i, int64_t);
    }
}

/* Local microseconds as the result, of the type of argument i. */
static void give_clock(struct fn_call *c, int i, const struct zone *zone, int64_t us)
{
    switch (c->args[i].type) {
    case DUCKDB_TYPE_DATE:
        GIVE(c, int32_t, (int32_t)floor_div(us, DAY_US));
        break;
    case DUCKDB_TYPE_TIME:
        GIVE(c, int64_t, floor_mod(us, DAY_US));
        break;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        GIVE(c, int64_t, zone ? utc_us(zone, us) : us);
        break;
    case DUCKDB_TYPE_TIMESTAMP_NS:
        GIVE(c, int64_t, us * 1000 + floor_mod(ARG(c, i, int64_t), 1000));
        break;
    default:
        GIVE(c, int64_t, us);
        break;
    }
}

/* Sums of times are taken in 128 bits; what leaves the calendar fails the row. */
#define US_MAX ((__int128)290000 * 366 * DAY_US)

static bool in_range(struct fn_call *c, __int128 us)
{
    if (us <= US_MAX && us >= -US_MAX)
        return true;
    call_fail(c, "a time beyond the calendar");
    return false;
}

/* Adds months to a day, which stays in its month. */
static int64_t add_months(int64_t days, int64_t months)
{
    int64_t year, total;
    int month, day, last;

    vec_civil(days, &year, &month, &day);
    total = year * 12 + month - 1 + months;
    year = floor_div(total, 12);
    month = (int)floor_mod(total, 12) + 1;
    last = (int)((month == 12 ? vec_days(year + 1, 1, 1) : vec_days(year, month + 1, 1)) -
                 vec_days(year, month, 1));
    return vec_days(year, month, day < last ? day : last);
}

static int64_t us_add_months(int64_t us, int64_t months)
{
    return add_months(floor_div(us, DAY_US), months) * DAY_US + floor_mod(us, DAY_US);
}

/* Months and days count in UTC for instants, as Flink has it. */
static void dt_add(struct fn_call *c)
{
    duckdb_interval v = ARG(c, 1, duckdb_interval);
    int64_t us = clock_us(c, 0, NULL);

    if (!in_range(c, us) || !in_range(c, (__int128)v.months * 31 * DAY_US) ||
        !in_range(c, (__int128)us + (__int128)v.days * DAY_US + v.micros))
        return;
    if (v.months && c->args[0].type != DUCKDB_TYPE_TIME)
        us = us_add_months(us, v.months);
    if (c->args[0].type == DUCKDB_TYPE_DATE) { /* whole days, cut toward the date */
        GIVE(c, int32_t, (int32_t)(us / DAY_US + v.days + v.micros / DAY_US));
        return;
    }
    give_clock(c, 0, NULL, us + v.days * DAY_US + v.micros);
}

static void interval_scale(struct fn_call *c, bool divide)
{
    duckdb_interval v = ARG(c, 0, duckdb_interval), out = {0};
    double by = ARG(c, 1, double);
    double ms = (double)(((__int128)v.days * DAY_US + v.micros) / 1000);

    if (divide && by == 0) {
        call_fail(c, "division by zero");
        return;
    }
    by = divide ? 1 / by : by;
    if (!(fabs(v.months * by) < INT32_MAX) || !(fabs(ms * by) < 9e15)) {
        call_fail(c, "an interval beyond the calendar");
        return;
    }
    out.months = (int32_t)(v.months * by);
    out.micros = (int64_t)(ms * by) * 1000;
    GIVE(c, duckdb_interval, out);
}

static void interval_multiply(struct fn_call *c)
{
    interval_scale(c, false);
}
static void interval_divide(struct fn_call *c)
{
    interval_scale(c, true);
}

/* ---- units ---- */

enum unit {
    U_YEAR,
    U_QUARTER,
    U_MONTH,
    U_WEEK,
    U_DAY,
    U_HOUR,
    U_MINUTE,
    U_SECOND,
    U_DOY,
    U_DOW,
    U_ISODOW,
    U_ISOYEAR,
    U_MILLISECOND,
    U_MICROSECOND,
    U_NANOSECOND,
    U_EPOCH,
    U_DECADE,
    U_CENTURY,
    U_MILLENNIUM,
    U_NONE
};

static enum unit unit_of(struct fn_call *c, int i)
{
    static const char *const names[] = {
        "year",       "quarter", "month",  "week",    "day",       "hour",        "minute",
        "second",     "doy",     "dow",    "isodow",  "isoyear",   "millisecond", "microsecond",
        "nanosecond", "epoch",   "decade", "century", "millennium"};
    struct slice name = arg_text(c, i);

    for (size_t u = 0; u < COUNT_OF(names); u++)
        if (slice_ieq(name, slice_str(names[u])))
            return (enum unit)u;
    call_fail(c, "unknown unit of time '%.*s'", (int)(name.len > 40 ? 40 : name.len), name.ptr);
    return U_NONE;
}

static int64_t extract_date(enum unit unit, int64_t days)
{
    int64_t year, iso;
    int month, day;

    vec_civil(days, &year, &month, &day);
    switch (unit) {
    case U_YEAR:
        return year;
    case U_QUARTER:
        return (month + 2) / 3;
    case U_MONTH:
        return month;
    case U_WEEK:
        return pattern_iso_week(days, &iso);
    case U_DAY:
        return day;
    case U_DOY:
        return days - vec_days(year, 1, 1) + 1;
    case U_DOW:
        return floor_mod(days + 4, 7) + 1;
    case U_ISODOW:
        return floor_mod(days + 3, 7) + 1;
    case U_ISOYEAR:
        pattern_iso_week(days, &iso);
        return iso;
    case U_DECADE:
        return year / 10;
    case U_CENTURY:
        return (year + (year > 0 ? 99 : -99)) / 100;
    case U_MILLENNIUM:
        return (year + (year > 0 ? 999 : -999)) / 1000;
    default:
        return 0;
    }
}

static int64_t extract_clock(enum unit unit, int64_t us)
{
    switch (unit) {
    case U_HOUR:
        return us / 3600000000;
    case U_MINUTE:
        return us / 60000000 % 60;
    case U_SECOND:
        return us / 1000000 % 60;
    case U_MILLISECOND:
        return us / 1000 % 1000;
    case U_MICROSECOND:
        return us % 1000000;
    default:
        return us % 1000000 * 1000;
    }
}

static bool unit_of_clock(enum unit unit)
{
    return (unit >= U_HOUR && unit <= U_SECOND) || (unit >= U_MILLISECOND && unit <= U_NANOSECOND);
}

static void extract(struct fn_call *c)
{
    enum unit unit = unit_of(c, 0);
    const struct zone *zone = unit == U_NONE ? NULL : zone_arg(c, 2);
    int64_t us, value;

    if (!zone)
        return;
    if (c->args[1].type == DUCKDB_TYPE_TIME && !unit_of_clock(unit)) {
        call_fail(c, "a TIME has no such part");
        return;
    }
    us = clock_us(c, 1, zone);
    if (unit == U_EPOCH)
        value = floor_div(c->args[1].type == DUCKDB_TYPE_TIMESTAMP_TZ ? ARG(c, 1, int64_t) : us,
                          1000000);
    else if (unit_of_clock(unit))
        value = extract_clock(unit, floor_mod(us, DAY_US));
    else
        value = extract_date(unit, floor_div(us, DAY_US));
    if (unit == U_NANOSECOND && c->args[1].type == DUCKDB_TYPE_TIMESTAMP_NS)
        value += floor_mod(ARG(c, 1, int64_t), 1000);
    GIVE(c, int64_t, value);
}

static void extract_interval(struct fn_call *c)
{
    enum unit unit = unit_of(c, 0);
    duckdb_interval v = ARG(c, 1, duckdb_interval);
    __int128 wide = (__int128)v.days * DAY_US + v.micros;
    int64_t us = (int64_t)wide;

    if (unit == U_NONE || !in_range(c, wide))
        return;
    if (unit == U_YEAR || unit == U_MONTH || unit == U_QUARTER)
        GIVE(c, int64_t,
             unit == U_YEAR    ? v.months / 12
             : unit == U_MONTH ? v.months % 12
                               : v.months % 12 / 3 + 1);
    else if (unit == U_DAY)
        GIVE(c, int64_t, us / DAY_US);
    else if (unit == U_EPOCH)
        GIVE(c, int64_t, us / 1000000);
    else
        GIVE(c, int64_t, extract_clock(unit, us % DAY_US));
}

static int64_t unit_us(enum unit unit)
{
    return unit == U_WEEK     ? 7 * DAY_US
           : unit == U_DAY    ? DAY_US
           : unit == U_HOUR   ? 3600000000
           : unit == U_MINUTE ? 60000000
                              : 1000000;
}

static int unit_months(enum unit unit)
{
    return unit == U_YEAR ? 12 : unit == U_QUARTER ? 3 : unit == U_MONTH ? 1 : 0;
}

/* Down to the unit's start; weeks start on Sundays. */
static int64_t floor_us(enum unit unit, int64_t us)
{
    int64_t days = floor_div(us, DAY_US), year;
    int month, day;

    if (unit_months(unit)) {
        vec_civil(days, &year, &month, &day);
        month = unit == U_YEAR ? 1 : unit == U_QUARTER ? (month - 1) / 3 * 3 + 1 : month;
        return vec_days(year, month, 1) * DAY_US;
    }
    if (unit == U_WEEK)
        return (days - floor_mod(days + 4, 7)) * DAY_US;
    return us - floor_mod(us, unit_us(unit));
}

static void round_to(struct fn_call *c, bool up)
{
    enum unit unit = unit_of(c, 1);
    const struct zone *zone = unit == U_NONE ? NULL : zone_arg(c, 2);
    int64_t us, floor;

    if (!zone)
        return;
    if (unit > U_SECOND) {
        call_fail(c,
                  "FLOOR and CEIL go to years, quarters, months, weeks, days, hours, minutes and "
                  "seconds");
        return;
    }
    us = clock_us(c, 0, zone);
    floor = floor_us(unit, us);
    if (up && (floor != us || (c->args[0].type == DUCKDB_TYPE_TIMESTAMP_NS &&
                               floor_mod(ARG(c, 0, int64_t), 1000))))
        floor = unit_months(unit) ? us_add_months(floor, unit_months(unit)) : floor + unit_us(unit);
    if (c->args[0].type == DUCKDB_TYPE_TIMESTAMP_NS)
        GIVE(c, int64_t, floor * 1000);
    else
        give_clock(c, 0, zone, floor);
}

static void floor_to(struct fn_call *c)
{
    round_to(c, false);
}
static void ceil_to(struct fn_call *c)
{
    round_to(c, true);
}

/* TIMESTAMPADD(unit, n, t): instants in UTC. A DATE gives a TIMESTAMP, which the caller casts to a
 * DATE again when the unit is days or more. */
static void timestampadd(struct fn_call *c)
{
    enum unit unit = unit_of(c, 0);
    int64_t n = ARG(c, 1, int64_t), us = clock_us(c, 2, NULL);

    if (unit == U_NONE)
        return;
    if (unit > U_SECOND) {
        call_fail(c, "TIMESTAMPADD takes years down to seconds");
        return;
    }
    if (!in_range(c, us) ||
        !in_range(c, us + (__int128)n * (unit_months(unit) ? unit_months(unit) * 31 * DAY_US
                                                           : unit_us(unit))))
        return;
    us = unit_months(unit) ? us_add_months(us, n * unit_months(unit)) : us + n * unit_us(unit);
    if (c->args[2].type == DUCKDB_TYPE_DATE)
        GIVE(c, int64_t, us);
    else
        give_clock(c, 2, NULL, us);
}

static int64_t months_between(int64_t from, int64_t to)
{
    int64_t y1, y2, months;
    int m1, m2, d1, d2;

    vec_civil(floor_div(from, DAY_US), &y1, &m1, &d1);
    vec_civil(floor_div(to, DAY_US), &y2, &m2, &d2);
    months = (y2 - y1) * 12 + (m2 - m1);
    /* Not a whole month when the rest points the other way. */
    if (months > 0 && us_add_months(from, months) > to)
        months--;
    else if (months < 0 && us_add_months(from, months) < to)
        months++;
    return months;
}

static void timestampdiff(struct fn_call *c)
{
    enum unit unit = unit_of(c, 0);
    const struct zone *zone = unit == U_NONE ? NULL : zone_arg(c, 3);
    int64_t from, to;

    if (!zone)
        return;
    if (unit > U_SECOND) {
        call_fail(c, "TIMESTAMPDIFF takes years down to seconds");
        return;
    }
    /* Of two instants the distance is what matters; a date against an instant needs the zone. */
    if (c->args[1].type == c->args[2].type)
        zone = NULL;
    from = clock_us(c, 1, zone);
    to = clock_us(c, 2, zone);
    GIVE(c, int32_t,
         (int32_t)(unit_months(unit) ? months_between(from, to) / unit_months(unit)
                                     : (to - from) / unit_us(unit)));
}

static void overlaps(struct fn_call *c)
{
    int64_t t[4];

    for (int i = 0; i < 4; i++)
        t[i] = clock_us(c, i, NULL);
    for (int i = 0; i < 4; i += 2)
        if (t[i] > t[i + 1]) {
            int64_t swap = t[i];

            t[i] = t[i + 1];
            t[i + 1] = swap;
        }
    GIVE(c, bool, t[0] <= t[3] && t[2] <= t[1]);
}

/* ---- now ---- */

static int64_t now_ms_us(void)
{
    return clock_wall_us(clock_system()) / 1000 * 1000;
}

static void current_timestamp(struct fn_call *c)
{
    GIVE(c, int64_t, now_ms_us());
}
static void unix_now(struct fn_call *c)
{
    GIVE(c, int64_t, now_ms_us() / 1000000);
}

static void localtimestamp(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 0);

    if (zone)
        GIVE(c, int64_t, local_us(zone, now_ms_us()));
}

static void localtime_now(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 0);

    if (zone)
        GIVE(c, int64_t, floor_mod(local_us(zone, now_ms_us()), DAY_US) / 1000000 * 1000000);
}

static void current_date(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 0);

    if (zone)
        GIVE(c, int32_t, (int32_t)floor_div(local_us(zone, now_ms_us()), DAY_US));
}

/* ---- zones and precision ---- */

static void ts_to_ltz(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 1);

    if (zone)
        GIVE(c, int64_t, utc_us(zone, clock_us(c, 0, NULL)));
}

static void ltz_to_ts(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 1);

    if (zone)
        GIVE(c, int64_t, local_us(zone, ARG(c, 0, int64_t)));
}

static int64_t cut(int64_t value, int64_t precision, int digits)
{
    int64_t unit = 1;

    for (int64_t i = precision; i < digits; i++)
        unit *= 10;
    return value - floor_mod(value, unit);
}

static void us_cut(struct fn_call *c)
{
    GIVE(c, int64_t, cut(ARG(c, 0, int64_t), arg_integer(c, 1), 6));
}
static void ns_cut(struct fn_call *c)
{
    GIVE(c, int64_t, cut(ARG(c, 0, int64_t), arg_integer(c, 1), 9));
}

/* The watermark in milliseconds as the type of the column beside it, whose value is not looked at;
 * NULL before the first one, and as the time that a TIMESTAMP can tell last behind all rows. */
static void watermark(struct fn_call *c)
{
    int64_t ms = arg_null(c, 0) ? INT64_MIN : ARG(c, 0, int64_t);

    if (ms == INT64_MIN)
        give_null(c);
    else
        GIVE(c, int64_t, ms > INT64_MAX / 1000 ? INT64_MAX - 1 : ms * 1000);
}

static void convert_tz(struct fn_call *c)
{
    struct slice text = arg_text(c, 0);
    const struct zone *from = zone_get(arg_text(c, 1)), *to = zone_get(arg_text(c, 2));
    struct pattern_time t;
    char date[24], clock[24], out[48];
    int64_t us, days;

    /* A zone that nobody knows is GMT to java.util.TimeZone. */
    from = from ? from : zone_get(SLICE_LIT("UTC"));
    to = to ? to : zone_get(SLICE_LIT("UTC"));
    if (pattern_read(SLICE_LIT("yyyy-MM-dd HH:mm:ss"), text, PATTERN_SIMPLE, &t, NULL)) {
        give_null(c);
        return;
    }
    us = zone_to_utc(from, t.seconds, true) * 1000000;
    us = local_us(to, us);
    days = floor_div(us, DAY_US);
    vec_text_date(days, date);
    vec_text_time((us - days * DAY_US) * 1000, 0, clock);
    give_text(c, out, (size_t)snprintf(out, sizeof(out), "%s %s", date, clock));
}

/* ---- text by pattern ---- */

static void date_format(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, 2);
    struct pattern_time t = {0};
    struct buf *out = &c->scratch[0];
    char why[120];
    int64_t us;

    if (!zone)
        return;
    buf_clear(out);
    us = clock_us(c, 0, zone);
    t.seconds = floor_div(us, 1000000);
    t.nanos = (int32_t)floor_mod(us, 1000000) * 1000;
    if (c->args[0].type == DUCKDB_TYPE_TIMESTAMP_NS)
        t.nanos += (int32_t)floor_mod(ARG(c, 0, int64_t), 1000);
    t.offset = c->args[0].type == DUCKDB_TYPE_TIMESTAMP_TZ
                   ? zone_offset(zone, floor_div(ARG(c, 0, int64_t), 1000000))
                   : 0;
    if (pattern_write(arg_text(c, 1), &t, PATTERN_JAVA_TIME, out, why))
        call_fail(c, "%s", why);
    else
        give_buf(c, out);
}

/* Text goes through java.text.SimpleDateFormat both ways. */
static void date_format_text(struct fn_call *c)
{
    struct pattern_time t;
    struct buf *out = &c->scratch[0];
    char why[120];

    buf_clear(out);
    if (pattern_check(arg_text(c, 1), PATTERN_SIMPLE, why))
        call_fail(c, "%s", why);
    else if (pattern_read(SLICE_LIT("yyyy-MM-dd HH:mm:ss"), arg_text(c, 0), PATTERN_SIMPLE, &t,
                          NULL))
        give_null(c);
    else if (pattern_write(arg_text(c, 1), &t, PATTERN_SIMPLE, out, why))
        call_fail(c, "%s", why);
    else
        give_buf(c, out);
}

static void from_unixtime(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, c->count - 1);
    struct pattern_time t = {0};
    struct buf *out = &c->scratch[0];
    char why[120];

    if (!zone)
        return;
    buf_clear(out);
    t.offset = zone_offset(zone, ARG(c, 0, int64_t));
    t.seconds = ARG(c, 0, int64_t) + t.offset;
    if (t.seconds > 253402300799LL * 1000 || t.seconds < -253402300799LL * 1000)
        give_null(c);
    else if (pattern_write(c->count > 2 ? arg_text(c, 1) : SLICE_LIT("yyyy-MM-dd HH:mm:ss"), &t,
                           PATTERN_SIMPLE, out, why))
        call_fail(c, "%s", why);
    else
        give_buf(c, out);
}

/* Text that cannot be read gives the least BIGINT, as Flink does. */
static void unix_timestamp(struct fn_call *c)
{
    const struct zone *zone = zone_arg(c, c->count - 1);
    struct slice pattern = c->count > 2 ? arg_text(c, 1) : SLICE_LIT("yyyy-MM-dd HH:mm:ss");
    struct pattern_time t;
    char why[120];

    if (!zone)
        return;
    if (pattern_check(pattern, PATTERN_SIMPLE, why))
        call_fail(c, "%s", why);
    else if (pattern_read(pattern, arg_text(c, 0), PATTERN_SIMPLE, &t, NULL))
        GIVE(c, int64_t, INT64_MIN);
    else
        GIVE(c, int64_t, t.has_offset ? t.seconds - t.offset : zone_to_utc(zone, t.seconds, true));
}

static void to_date(struct fn_call *c)
{
    struct pattern_time t;
    int32_t days;
    char why[120];

    if (c->count == 1) {
        if (pattern_date(arg_text(c, 0), &days))
            give_null(c);
        else
            GIVE(c, int32_t, days);
    } else if (pattern_check(arg_text(c, 1), PATTERN_SIMPLE, why)) {
        call_fail(c, "%s", why);
    } else if (pattern_read(arg_text(c, 1), arg_text(c, 0), PATTERN_SIMPLE, &t, NULL)) {
        give_null(c);
    } else {
        GIVE(c, int32_t, (int32_t)floor_div(t.seconds, 86400));
    }
}

/* TIMESTAMP(3): milliseconds. */
static void to_timestamp(struct fn_call *c)
{
    struct pattern_time t;
    int rc;

    if (c->count == 1)
        rc = pattern_timestamp(arg_text(c, 0), &t);
    else
        rc = pattern_read(arg_text(c, 1), arg_text(c, 0), PATTERN_JAVA_TIME, &t, NULL);
    if (rc)
        give_null(c);
    else
        GIVE(c, int64_t, t.seconds * 1000000 + t.nanos / 1000000 * 1000);
}

static void to_timestamp_ltz(struct fn_call *c)
{
    int32_t precision = ARG(c, 1, int32_t);
    bool real = c->args[0].type == DUCKDB_TYPE_DOUBLE;

    if (precision != 0 && precision != 3)
        call_fail(c, "TO_TIMESTAMP_LTZ takes the precision 0 (seconds) or 3 (milliseconds)");
    else if (real ? !(fabs(ARG(c, 0, double)) < 9e12)
                  : !in_range(c, (__int128)ARG(c, 0, int64_t) * (precision ? 1000 : 1000000)))
        give_null(c);
    else if (real)
        GIVE(c, int64_t, (int64_t)(ARG(c, 0, double) * (precision ? 1 : 1000)) * 1000);
    else
        GIVE(c, int64_t, ARG(c, 0, int64_t) * (precision ? 1000 : 1000000));
}

#define PER_TIME(name, before, after, row)                                                         \
    {name, before "D" after, 'D', row}, {name, before "T" after, 'T', row},                        \
        {name, before "S" after, 'S', row}, {name, before "N" after, 'N', row},                    \
    {                                                                                              \
        name, before "Z" after, 'Z', row                                                           \
    }

static const struct fn functions[] = {
    PER_TIME("flink_dt_add", "", "Vs", dt_add),
    {"flink_interval_multiply", "Vd", 'V', interval_multiply},
    {"flink_interval_divide", "Vd", 'V', interval_divide},
    {"flink_extract", "sDs", 'l', extract},
    {"flink_extract", "sTs", 'l', extract},
    {"flink_extract", "sSs", 'l', extract},
    {"flink_extract", "sNs", 'l', extract},
    {"flink_extract", "sZs", 'l', extract},
    {"flink_extract", "sVs", 'l', extract_interval},
    PER_TIME("flink_floor_to", "", "ss", floor_to),
    PER_TIME("flink_ceil_to", "", "ss", ceil_to),
    {"flink_timestampadd", "slDs", 'S', timestampadd},
    {"flink_timestampadd", "slTs", 'T', timestampadd},
    {"flink_timestampadd", "slSs", 'S', timestampadd},
    {"flink_timestampadd", "slNs", 'N', timestampadd},
    {"flink_timestampadd", "slZs", 'Z', timestampadd},
    {"flink_timestampdiff", "s**s", 'i', timestampdiff},
    {"flink_overlaps", "****", 'b', overlaps},
    {"flink_current_timestamp", "", 'Z', current_timestamp, VOLATILE},
    {"flink_current_row_timestamp", "", 'Z', current_timestamp, VOLATILE},
    {"flink_localtimestamp", "s", 'S', localtimestamp, VOLATILE},
    {"flink_localtime", "s", 'T', localtime_now, VOLATILE},
    {"flink_current_date", "s", 'D', current_date, VOLATILE},
    {"flink_ts_to_ltz", "Ss", 'Z', ts_to_ltz},
    {"flink_ts_to_ltz", "Ns", 'Z', ts_to_ltz},
    {"flink_ltz_to_ts", "Zs", 'S', ltz_to_ts},
    {"flink_ts_cut", "Sl", 'S', us_cut},
    {"flink_ts_cut", "Nl", 'N', ns_cut},
    {"flink_ltz_cut", "Zl", 'Z', us_cut},
    {"flink_time_cut", "Tl", 'T', us_cut},
    {"flink_watermark", "lS", 'S', watermark, NULLS},
    {"flink_watermark", "lN", 'S', watermark, NULLS},
    {"flink_watermark", "lZ", 'Z', watermark, NULLS},
    {"flink_convert_tz", "sss", 's', convert_tz},
    {"flink_date_format", "Sss", 's', date_format},
    {"flink_date_format", "Nss", 's', date_format},
    {"flink_date_format", "Zss", 's', date_format},
    {"flink_date_format", "sss", 's', date_format_text},
    {"flink_from_unixtime", "ls", 's', from_unixtime},
    {"flink_from_unixtime", "lss", 's', from_unixtime},
    {"flink_unix_timestamp", "", 'l', unix_now, VOLATILE},
    {"flink_unix_timestamp", "ss", 'l', unix_timestamp},
    {"flink_unix_timestamp", "sss", 'l', unix_timestamp},
    {"flink_to_date", "s", 'D', to_date},
    {"flink_to_date", "ss", 'D', to_date},
    {"flink_to_timestamp", "s", 'S', to_timestamp},
    {"flink_to_timestamp", "ss", 'S', to_timestamp},
    {"flink_to_timestamp_ltz", "li", 'Z', to_timestamp_ltz},
    {"flink_to_timestamp_ltz", "di", 'Z', to_timestamp_ltz},
};

int fn_time_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
