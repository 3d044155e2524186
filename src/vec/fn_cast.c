/* fn_cast.c - Flink's casts: text is trimmed and read as Java reads it, integers wrap, floats
 * saturate. */
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "vec/fn.h"
#include "vec/fn_pattern.h"
#include "vec/zone.h"

#define DAY_US ((int64_t)86400 * 1000000)

static void refuse(struct fn_call *c, const char *what)
{
    struct slice s = arg_text(c, 0);

    call_fail(c, "'%.*s' is not %s", (int)(s.len > 80 ? 80 : s.len), s.ptr, what);
}

/* ---- text to numbers ---- */

/* BinaryStringDataUtil.toInt and kin: a sign, digits, and a fraction that is dropped. */
static bool text_integer(struct slice s, int64_t low, int64_t high, int64_t *out)
{
    bool minus = false;
    size_t i = 0, digits = 0;
    __int128 value = 0;

    s = slice_trim(s);
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        minus = s.ptr[i++] == '-';
    for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++, digits++)
        if (value < (__int128)INT64_MAX * 2)
            value = value * 10 + (s.ptr[i] - '0');
    if (i < s.len && s.ptr[i] == '.')
        for (i++, digits++; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
            ;
    value = minus ? -value : value;
    *out = (int64_t)value;
    return digits > 0 && i == s.len && value >= low && value <= high;
}

#define DEFINE_TEXT_INTEGER(name, type, low, high, what)                                           \
    static void text_##name(struct fn_call *c)                                                     \
    {                                                                                              \
        int64_t value;                                                                             \
                                                                                                   \
        if (text_integer(arg_text(c, 0), low, high, &value))                                       \
            GIVE(c, type, (type)value);                                                            \
        else                                                                                       \
            refuse(c, what);                                                                       \
    }

DEFINE_TEXT_INTEGER(tinyint, int8_t, INT8_MIN, INT8_MAX, "a TINYINT")
DEFINE_TEXT_INTEGER(smallint, int16_t, INT16_MIN, INT16_MAX, "a SMALLINT")
DEFINE_TEXT_INTEGER(int, int32_t, INT32_MIN, INT32_MAX, "an INT")
DEFINE_TEXT_INTEGER(bigint, int64_t, INT64_MIN, INT64_MAX, "a BIGINT")

/* Double.parseDouble: NaN and Infinity by their names, a trailing d or f, hexadecimal with a p. */
static bool text_real(struct slice s, double *out, bool is_float)
{
    char text[400], *end, *p = text;
    bool hex;

    s = slice_trim(s);
    if (s.len == 0 || s.len >= sizeof(text))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    p += *p == '-' || *p == '+';
    if (!strcmp(p, "NaN") || !strcmp(p, "Infinity")) {
        *out = *p == 'N' ? NAN : *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    hex = p[0] == '0' && (p[1] | 0x20) == 'x';
    if (hex ? !strpbrk(p, "pP") : !((*p >= '0' && *p <= '9') || *p == '.'))
        return false; /* strtod knows inf and nan by other names */
    *out = is_float ? (double)strtof(text, &end) : strtod(text, &end);
    if (end > p && strchr("dDfF", *end) && *end)
        end++;
    return *end == '\0' && end > p;
}

static void text_double(struct fn_call *c)
{
    double value;

    if (text_real(arg_text(c, 0), &value, false))
        GIVE(c, double, value);
    else
        refuse(c, "a DOUBLE");
}

static void text_float(struct fn_call *c)
{
    double value;

    if (text_real(arg_text(c, 0), &value, true))
        GIVE(c, float, (float)value);
    else
        refuse(c, "a FLOAT");
}

static void text_boolean(struct fn_call *c)
{
    static const char *const words[2][5] = {{"f", "false", "n", "no", "0"},
                                            {"t", "true", "y", "yes", "1"}};
    struct slice s = arg_text(c, 0);

    for (int value = 0; value < 2; value++)
        for (size_t i = 0; i < COUNT_OF(words[0]); i++)
            if (slice_ieq(s, slice_str(words[value][i]))) {
                GIVE(c, bool, value == 1);
                return;
            }
    refuse(c, "a BOOLEAN");
}

/* ---- numbers to numbers ---- */

/* Java's narrowing: a float goes to the nearest int or long (NaN is 0), and wraps below that. */
static int64_t narrow(const struct fn_call *c, int64_t low, int64_t high)
{
    double real;
    int scale;
    __int128 exact;

    if (c->args[0].type == DUCKDB_TYPE_DOUBLE || c->args[0].type == DUCKDB_TYPE_FLOAT) {
        real = c->args[0].type == DUCKDB_TYPE_DOUBLE ? ARG(c, 0, double) : (double)ARG(c, 0, float);
        if (isnan(real))
            return 0;
        return real >= (double)high ? high : real <= (double)low ? low : (int64_t)real;
    }
    exact = arg_exact(c, 0, &scale);
    while (scale-- > 0)
        exact /= 10;
    return (int64_t)exact;
}

static void num_tinyint(struct fn_call *c)
{
    GIVE(c, int8_t, (int8_t)narrow(c, INT32_MIN, INT32_MAX));
}
static void num_smallint(struct fn_call *c)
{
    GIVE(c, int16_t, (int16_t)narrow(c, INT32_MIN, INT32_MAX));
}
static void num_int(struct fn_call *c)
{
    GIVE(c, int32_t, (int32_t)narrow(c, INT32_MIN, INT32_MAX));
}
static void num_bigint(struct fn_call *c)
{
    GIVE(c, int64_t, narrow(c, INT64_MIN, INT64_MAX));
}

static double real_of(const struct fn_call *c)
{
    char text[48];
    int scale;
    __int128 exact;

    if (c->args[0].type == DUCKDB_TYPE_DOUBLE)
        return ARG(c, 0, double);
    if (c->args[0].type == DUCKDB_TYPE_FLOAT)
        return (double)ARG(c, 0, float);
    exact = arg_exact(c, 0, &scale);
    if (scale == 0)
        return (double)exact;
    vec_text_decimal(exact, scale, text);
    return strtod(text, NULL);
}

static void num_double(struct fn_call *c)
{
    GIVE(c, double, real_of(c));
}
static void num_float(struct fn_call *c)
{
    GIVE(c, float, (float)real_of(c));
}

/* ---- to text ---- */

static void double_text(struct fn_call *c)
{
    char text[32];

    give_text(c, text, vec_text_double(ARG(c, 0, double), text));
}

static void float_text(struct fn_call *c)
{
    char text[32];

    give_text(c, text, vec_text_float(ARG(c, 0, float), text));
}

static void date_text(struct fn_call *c)
{
    char text[24];

    give_text(c, text, vec_text_date(ARG(c, 0, int32_t), text));
}

static void time_text(struct fn_call *c)
{
    char text[24];

    give_text(c, text, vec_text_time(ARG(c, 0, int64_t) * 1000, (int)arg_integer(c, 1), text));
}

static void timestamp_text(struct fn_call *c)
{
    char text[40];
    int64_t value = ARG(c, 0, int64_t), nanos;
    int precision = (int)arg_integer(c, 1);
    const struct zone *zone;

    if (c->args[0].type == DUCKDB_TYPE_TIMESTAMP_TZ) {
        zone = zone_get(arg_text(c, 2));
        if (!zone) {
            call_fail(c, "unknown time zone");
            return;
        }
        value += (int64_t)zone_offset(zone, value / 1000000 - (value % 1000000 < 0)) * 1000000;
    }
    if (c->args[0].type == DUCKDB_TYPE_TIMESTAMP_NS) {
        nanos = value;
        give_text(c, text, pattern_timestamp_text(nanos, precision, text));
        return;
    }
    {
        int64_t days = value / DAY_US - (value % DAY_US < 0);
        char date[24], clock[24];

        vec_text_date(days, date);
        vec_text_time((value - days * DAY_US) * 1000, precision, clock);
        give_text(c, text, (size_t)snprintf(text, sizeof(text), "%s %s", date, clock));
    }
}

static void ym_text(struct fn_call *c)
{
    duckdb_interval v = ARG(c, 0, duckdb_interval);
    int32_t size = v.months < 0 ? -v.months : v.months;
    char text[40];

    give_text(c, text,
              (size_t)snprintf(text, sizeof(text), "%c%d-%02d", v.months < 0 ? '-' : '+', size / 12,
                               size % 12));
}

static int64_t interval_ms(const struct fn_call *c)
{
    duckdb_interval v = ARG(c, 0, duckdb_interval);

    return (int64_t)(((__int128)v.days * DAY_US + v.micros) / 1000);
}

static void ds_text(struct fn_call *c)
{
    int64_t ms = interval_ms(c), size = ms < 0 ? -ms : ms;
    char text[64];

    give_text(c, text,
              (size_t)snprintf(text, sizeof(text), "%c%" PRId64 " %02d:%02d:%02d.%03d",
                               ms < 0 ? '-' : '+', size / 86400000, (int)(size / 3600000 % 24),
                               (int)(size / 60000 % 60), (int)(size / 1000 % 60),
                               (int)(size % 1000)));
}

/* An interval of one unit is that many of it: INTERVAL '3' DAY is 3. The type's name is argument 1;
 * intervals of several units are no numbers. */
static void interval_count(struct fn_call *c)
{
    static const struct {
        const char *unit;
        int64_t months, ms;
    } units[] = {{"YEAR", 12, 0},        {"QUARTER", 3, 0},    {"MONTH", 1, 0},
                 {"WEEK", 0, 604800000}, {"DAY", 0, 86400000}, {"HOUR", 0, 3600000},
                 {"MINUTE", 0, 60000},   {"SECOND", 0, 1000}};
    struct slice name = arg_text(c, 1);

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t len = strlen(units[i].unit), skip = sizeof("INTERVAL ") - 1;

        if (name.len < skip + len || memcmp(name.ptr + skip, units[i].unit, len) ||
            memmem(name.ptr, name.len, " TO ", 4))
            continue;
        if (units[i].months)
            GIVE(c, int64_t, ARG(c, 0, duckdb_interval).months / units[i].months);
        else
            GIVE(c, int64_t, interval_ms(c) / units[i].ms);
        return;
    }
    call_fail(c, "an %.*s is no number", (int)(name.len > 60 ? 60 : name.len), name.ptr);
}

/* ---- text to times ---- */

static int64_t cut_us(int64_t us, int64_t precision)
{
    int64_t unit = 1, rest;

    for (; precision < 6; precision++)
        unit *= 10;
    rest = us % unit;
    return us - (rest < 0 ? rest + unit : rest);
}

static void text_date(struct fn_call *c)
{
    int32_t days;

    if (pattern_date(arg_text(c, 0), &days))
        refuse(c, "a DATE");
    else
        GIVE(c, int32_t, days);
}

static void text_time(struct fn_call *c)
{
    int64_t us;

    if (pattern_clock(arg_text(c, 0), &us))
        refuse(c, "a TIME");
    else
        GIVE(c, int64_t, cut_us(us, arg_integer(c, 1)));
}

static void text_timestamp(struct fn_call *c)
{
    struct pattern_time t;

    if (pattern_timestamp(arg_text(c, 0), &t))
        refuse(c, "a TIMESTAMP");
    else
        GIVE(c, int64_t, cut_us(t.seconds * 1000000 + t.nanos / 1000, arg_integer(c, 1)));
}

static void text_timestamp_ns(struct fn_call *c)
{
    struct pattern_time t;
    int64_t unit = 1;

    for (int64_t p = arg_integer(c, 1); p < 9; p++)
        unit *= 10;
    if (pattern_timestamp(arg_text(c, 0), &t))
        refuse(c, "a TIMESTAMP");
    else if (t.seconds > INT64_MAX / 1000000000 - 1 || t.seconds < INT64_MIN / 1000000000 + 1)
        call_fail(c, "a TIMESTAMP(9) holds the years 1678 to 2262");
    else
        GIVE(c, int64_t, t.seconds * 1000000000 + t.nanos - t.nanos % unit);
}

static void text_ltz(struct fn_call *c)
{
    const struct zone *zone = zone_get(arg_text(c, 2));
    struct pattern_time t;

    if (!zone)
        call_fail(c, "unknown time zone");
    else if (pattern_timestamp(arg_text(c, 0), &t))
        refuse(c, "a TIMESTAMP_LTZ");
    else
        GIVE(c, int64_t,
             cut_us(zone_to_utc(zone, t.seconds, false) * 1000000 + t.nanos / 1000,
                    arg_integer(c, 1)));
}

static void time_to_ts(struct fn_call *c)
{
    GIVE(c, int64_t, ARG(c, 0, int64_t));
}

#define BOTH(to, args, letter, row)                                                                \
    {"flink_to_" to, args, letter, row},                                                           \
    {                                                                                              \
        "flink_try_to_" to, args, letter, row, TRY                                                 \
    }
#define NUMBER(to, letter, row)                                                                    \
    {"flink_to_" to, "s", letter, text_##row}, {"flink_to_" to, "*", letter, num_##row},           \
    {                                                                                              \
        "flink_try_to_" to, "s", letter, text_##row, TRY                                           \
    }

static const struct fn functions[] = {
    NUMBER("tinyint", 't', tinyint),
    NUMBER("smallint", 'h', smallint),
    NUMBER("int", 'i', int),
    NUMBER("bigint", 'l', bigint),
    NUMBER("float", 'f', float),
    NUMBER("double", 'd', double),
    BOTH("boolean", "s", 'b', text_boolean),
    BOTH("date_cast", "s", 'D', text_date),
    BOTH("time_cast", "sl", 'T', text_time),
    BOTH("timestamp_cast", "sl", 'S', text_timestamp),
    BOTH("timestamp_ns_cast", "sl", 'N', text_timestamp_ns),
    BOTH("ltz_cast", "sls", 'Z', text_ltz),
    {"flink_to_string", "d", 's', double_text},
    {"flink_to_string", "f", 's', float_text},
    {"flink_to_string", "D", 's', date_text},
    {"flink_to_string", "Tl", 's', time_text},
    {"flink_to_string", "Sl", 's', timestamp_text},
    {"flink_to_string", "Nl", 's', timestamp_text},
    {"flink_to_string", "Zls", 's', timestamp_text},
    {"flink_ym_to_string", "V", 's', ym_text},
    {"flink_ds_to_string", "V", 's', ds_text},
    {"flink_interval_count", "Vs", 'l', interval_count},
    {"flink_time_to_ts", "T", 'S', time_to_ts},
};

int fn_cast_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
