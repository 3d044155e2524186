/* fn_pattern.c - writing and reading dates by Java's patterns.
 *
 * A pattern is a row of runs: the same letter some times over, quoted text, or other characters as
 * they are. One switch writes a run, one reads it.
 */
#include <stdio.h>
#include <strings.h>

#include "vec/fn_pattern.h"
#include "vec/vec.h"

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const quarters[] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
static int64_t floor_mod(int64_t a, int64_t b)
{
    return a - floor_div(a, b) * b;
}

/* ---- runs ---- */

struct run {
    char letter; /* 0: text as it is */
    int count;
    struct slice text;
};

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The run at *p. Text within quotes comes piece by piece; a doubled quote is one. ERR_INVALID: a
 * quote without its end. */
static int run_next(const uint8_t **p, const uint8_t *end, bool *quoted, struct run *run)
{
    const uint8_t *at = *p;

    if (at < end && *at == '\'') {
        if (end - at > 1 && at[1] == '\'') {
            *run = (struct run){0, 1, slice_of(at, 1)};
            *p = at + 2;
            return 0;
        }
        *quoted = !*quoted;
        *p = at + 1;
        *run = (struct run){0};
        return 0;
    }
    if (*quoted || !is_letter(*at)) {
        while (at < end && *at != '\'' && (*quoted || !is_letter(*at)))
            at++;
        *run = (struct run){0, 0, slice_of(*p, (size_t)(at - *p))};
    } else {
        while (at < end && *at == **p)
            at++;
        *run = (struct run){(char)**p, (int)(at - *p), {0}};
    }
    *p = at;
    return 0;
}

int pattern_check(struct slice pattern, enum pattern_kind kind, char why[120])
{
    const char *known =
        kind == PATTERN_SIMPLE ? "GyYMLwWDdFEuaHkKhmsSzZX" : "GuyDMLdQqYwWEecFaBhKkHmsSAnNVvzOXxZp";
    const uint8_t *p = pattern.ptr, *end = p + pattern.len;
    bool quoted = false;
    struct run run;

    while (p < end) {
        run_next(&p, end, &quoted, &run);
        if (run.letter && !strchr(known, run.letter)) {
            snprintf(why, 120, "'%c' is no letter of a pattern for times", run.letter);
            return ERR_INVALID;
        }
        if (run.letter && strchr("BVvOpz", run.letter)) {
            snprintf(why, 120, "the letter '%c' in a pattern for times is not built", run.letter);
            return ERR_INVALID;
        }
    }
    if (quoted) {
        snprintf(why, 120, "a pattern for times with a quote that does not end");
        return ERR_INVALID;
    }
    return 0;
}

/* ---- calendar ---- */

/* Weeks that start on `first` (0: Sunday), the first one having at least `least` days. */
static int64_t week_of(int64_t days, int64_t start, int first, int least)
{
    int64_t lead = floor_mod(start + 4 - first, 7); /* days before `start` in its week */
    int64_t week = floor_div(days - start + lead, 7);

    return 7 - lead >= least ? week + 1 : week;
}

int64_t pattern_iso_week(int64_t days, int64_t *year)
{
    int64_t thursday = days - floor_mod(days + 3, 7) + 3;
    int month, day;

    vec_civil(thursday, year, &month, &day);
    return (thursday - vec_days(*year, 1, 1)) / 7 + 1;
}

/* Week of the year in the United States: from Sunday, January 1st is in the first one. */
static int64_t us_week(int64_t days, int64_t *year)
{
    int64_t saturday = days + 6 - floor_mod(days + 4, 7), y;
    int month, day;

    vec_civil(saturday, &y, &month, &day);
    if (year)
        *year = y;
    return week_of(days < vec_days(y, 1, 1) ? vec_days(y, 1, 1) : days, vec_days(y, 1, 1), 0, 1);
}

/* ---- writing ---- */

static int put_number(struct buf *out, int64_t value, int width)
{
    char digits[20], *at = digits + sizeof(digits);

    if (value >= 0 && width <= 18) { /* printf costs more than the rest of a pattern */
        do {
            *--at = (char)('0' + value % 10);
            width--;
        } while ((value /= 10) || width > 0);
        return buf_append(out, at, (size_t)(digits + sizeof(digits) - at));
    }
    return buf_printf(out, "%0*" PRId64, width, value);
}

static int put_name(struct buf *out, const char *name, int count)
{
    return buf_append(out, name, count >= 4 ? strlen(name) : 3);
}

static int put_offset(struct buf *out, int32_t offset, char letter, int count)
{
    int32_t size = offset < 0 ? -offset : offset;
    char sign = offset < 0 ? '-' : '+';
    int hours = size / 3600, minutes = size / 60 % 60;

    if (letter == 'X' && offset == 0)
        return buf_append_u8(out, 'Z');
    if (letter == 'Z' && count == 4)
        return offset ? buf_printf(out, "GMT%c%02d:%02d", sign, hours, minutes)
                      : buf_append_str(out, "GMT");
    if (letter != 'Z' && count == 1)
        return minutes ? buf_printf(out, "%c%02d%02d", sign, hours, minutes)
                       : buf_printf(out, "%c%02d", sign, hours);
    if ((letter == 'Z' && count == 5) || (letter != 'Z' && count >= 3))
        return buf_printf(out, "%c%02d:%02d", sign, hours, minutes);
    return buf_printf(out, "%c%02d%02d", sign, hours, minutes);
}

struct civil {
    int64_t days, year;
    int month, day, second; /* second of the day */
};

static int put_year(struct buf *out, int64_t year, int count, bool simple)
{
    if (count == 2)
        return put_number(out, floor_mod(year, 100), 2);
    return put_number(out, year > 0 || simple ? year : 1 - year, count);
}

static int put_run(const struct run *run, const struct civil *t, const struct pattern_time *time,
                   bool simple, struct buf *out)
{
    int weekday = (int)floor_mod(t->days + 4, 7), hour = t->second / 3600, n = run->count;
    int64_t year;

    switch (run->letter) {
    case 'G':
        return buf_append_str(out, t->year > 0 ? (n >= 4 && !simple ? "Anno Domini" : "AD")
                                               : (n >= 4 && !simple ? "Before Christ" : "BC"));
    case 'u':
        if (simple)
            return put_number(out, weekday ? weekday : 7, n);
        return n == 2 ? put_year(out, t->year, n, simple) : put_number(out, t->year, n);
    case 'y':
        return put_year(out, t->year, n, simple);
    case 'Y':
        us_week(t->days, &year);
        return put_year(out, year, n, simple);
    case 'M':
    case 'L':
        return n >= 3 ? put_name(out, months[t->month - 1], n) : put_number(out, t->month, n);
    case 'd':
        return put_number(out, t->day, n);
    case 'D':
        return put_number(out, t->days - vec_days(t->year, 1, 1) + 1, n);
    case 'Q':
    case 'q':
        if (n == 4)
            return buf_append_str(out, quarters[(t->month - 1) / 3]);
        return n == 3 ? buf_printf(out, "Q%d", (t->month + 2) / 3)
                      : put_number(out, (t->month + 2) / 3, n);
    case 'w':
        return put_number(out, us_week(t->days, NULL), n);
    case 'W':
        return put_number(out, week_of(t->days, vec_days(t->year, t->month, 1), 0, 1), n);
    case 'F':
        return put_number(out, simple ? (t->day - 1) / 7 + 1 : (t->day - 1) % 7 + 1, n);
    case 'E':
        return put_name(out, weekdays[weekday], n);
    case 'e':
    case 'c':
        return n >= 3 ? put_name(out, weekdays[weekday], n) : put_number(out, weekday + 1, n);
    case 'a':
        return buf_append_str(out, hour < 12 ? "AM" : "PM");
    case 'H':
        return put_number(out, hour, n);
    case 'k':
        return put_number(out, hour ? hour : 24, n);
    case 'K':
        return put_number(out, hour % 12, n);
    case 'h':
        return put_number(out, hour % 12 ? hour % 12 : 12, n);
    case 'm':
        return put_number(out, t->second / 60 % 60, n);
    case 's':
        return put_number(out, t->second % 60, n);
    case 'S': {
        char digits[16];

        if (simple)
            return put_number(out, time->nanos / 1000000, n);
        snprintf(digits, sizeof(digits), "%09d", time->nanos);
        return buf_append(out, digits, (size_t)(n < 9 ? n : 9));
    }
    case 'n':
        return put_number(out, time->nanos, n);
    case 'N':
        return put_number(out, (int64_t)t->second * 1000000000 + time->nanos, n);
    case 'A':
        return put_number(out, (int64_t)t->second * 1000 + time->nanos / 1000000, n);
    default:
        return put_offset(out, time->offset, run->letter, n);
    }
}

int pattern_write(struct slice pattern, const struct pattern_time *time, enum pattern_kind kind,
                  struct buf *out, char why[120])
{
    const uint8_t *p = pattern.ptr, *end = p + pattern.len;
    struct civil t = {.days = floor_div(time->seconds, 86400),
                      .second = (int)floor_mod(time->seconds, 86400)};
    bool quoted = false;
    struct run run;
    int rc = pattern_check(pattern, kind, why);

    vec_civil(t.days, &t.year, &t.month, &t.day);
    while (!rc && p < end) {
        run_next(&p, end, &quoted, &run);
        if (run.letter && run.count > 32) {
            snprintf(why, 120, "too many letters '%c' in a pattern for times", run.letter);
            return ERR_INVALID;
        }
        rc = run.letter ? put_run(&run, &t, time, kind == PATTERN_SIMPLE, out)
                        : buf_append_slice(out, run.text);
        if (rc)
            snprintf(why, 120, "memory ran out");
    }
    return rc;
}

/* ---- reading ---- */

struct fields {
    int64_t year, month, day, day_of_year, hour, hour12, minute, second, nanos;
    int pm; /* -1: not given */
    int32_t offset;
    bool has_offset, has_day_of_year, has_hour12, bc;
};

struct cursor {
    const uint8_t *p, *end;
};

static bool take_digits(struct cursor *c, int min, int max, int64_t *out)
{
    int count = 0;

    *out = 0;
    while (count < max && c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (count < 18)
            *out = *out * 10 + (*c->p - '0');
        c->p++;
        count++;
    }
    return count >= min;
}

static int take_name(struct cursor *c, const char *const *names, int count, int letters,
                     bool any_case)
{
    for (int full = 1; full >= 0; full--)
        for (int i = 0; i < count; i++) {
            size_t len = full ? strlen(names[i]) : 3;

            if ((!any_case && full != (letters >= 4)) || (size_t)(c->end - c->p) < len)
                continue;
            if (any_case ? strncasecmp((const char *)c->p, names[i], len)
                         : strncmp((const char *)c->p, names[i], len))
                continue;
            c->p += len;
            return i;
        }
    return -1;
}

static bool take_offset(struct cursor *c, int32_t *offset)
{
    int64_t hours, minutes = 0;
    int sign;

    *offset = 0;
    if (c->p < c->end && *c->p == 'Z') {
        c->p++;
        return true;
    }
    if (c->end - c->p >= 3 && (!memcmp(c->p, "GMT", 3) || !memcmp(c->p, "UTC", 3))) {
        c->p += 3;
        if (c->p == c->end || (*c->p != '+' && *c->p != '-'))
            return true;
    }
    if (c->p == c->end || (*c->p != '+' && *c->p != '-'))
        return false;
    sign = *c->p++ == '-' ? -1 : 1;
    if (!take_digits(c, 1, 2, &hours))
        return false;
    if (c->p < c->end && *c->p == ':')
        c->p++;
    if (c->p < c->end && *c->p >= '0' && *c->p <= '9' && !take_digits(c, 2, 2, &minutes))
        return false;
    *offset = (int32_t)(sign * (hours * 3600 + minutes * 60));
    return true;
}

/* How many digits a number of this run may have. */
static void widths(const struct run *run, bool simple, bool next_is_number, int *min, int *max)
{
    *min = 1;
    *max = 18;
    if (next_is_number)
        *min = simple ? 1 : run->count, *max = run->count;
    else if (!simple && run->count > 1)
        *min = run->count, *max = run->letter == 'y' || run->letter == 'u' ? 10 : run->count;
    else if (run->letter == 'y' && run->count == 2 && simple)
        *max = 18;
}

static bool read_year(struct cursor *c, const struct run *run, bool simple, int min, int max,
                      int64_t *year)
{
    const uint8_t *from = c->p;
    bool minus = c->p < c->end && *c->p == '-';

    if (minus)
        c->p++;
    if (!simple && run->count == 2)
        min = max = 2;
    if (!take_digits(c, min, max, year))
        return false;
    if (run->count == 2 && c->p - from == 2)
        *year += 2000;
    *year = minus ? -*year : *year;
    return true;
}

/* 0: AM, 1: PM, -1: neither. */
static int take_half(struct cursor *c, bool any_case)
{
    static const char *const halves[] = {"AM", "PM"};

    for (int i = 0; i < 2; i++) {
        if (c->end - c->p >= 2 && !strncasecmp((const char *)c->p, halves[i], 2) &&
            (any_case || !memcmp(c->p, halves[i], 2))) {
            c->p += 2;
            return i;
        }
    }
    return -1;
}

/* SimpleDateFormat counts milliseconds, whatever the letters; DateTimeFormatter a fraction. */
static bool take_fraction(struct cursor *c, const struct run *run, bool simple, bool next_is_number,
                          int64_t *nanos)
{
    if (simple) {
        if (!take_digits(c, 1, next_is_number ? run->count : 9, nanos))
            return false;
        *nanos *= 1000000;
        return true;
    }
    if (!take_digits(c, run->count, run->count, nanos))
        return false;
    for (int i = run->count; i < 9; i++)
        *nanos *= 10;
    return true;
}

static bool read_run(struct cursor *c, const struct run *run, bool simple, bool next_is_number,
                     struct fields *f)
{
    int min, max, found;
    int64_t value;

    widths(run, simple, next_is_number, &min, &max);
    if (simple && !strchr("GEaXxZ", run->letter))
        while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
            c->p++;
    switch (run->letter) {
    case 'y':
    case 'u':
    case 'Y':
        return read_year(c, run, simple, min, max, &f->year);
    case 'M':
    case 'L':
        if (run->count < 3)
            return take_digits(c, min, max, &f->month);
        found = take_name(c, months, 12, run->count, simple);
        f->month = found + 1;
        return found >= 0;
    case 'd':
        return take_digits(c, min, max, &f->day);
    case 'D':
        f->has_day_of_year = true;
        return take_digits(c, min, max, &f->day_of_year);
    case 'E':
        return take_name(c, weekdays, 7, run->count, simple) >= 0;
    case 'a':
        f->pm = take_half(c, simple);
        return f->pm >= 0;
    case 'G':
        if (c->end - c->p < 2)
            return false;
        f->bc = !strncasecmp((const char *)c->p, "BC", 2);
        c->p += 2;
        return true;
    case 'H':
        return take_digits(c, min, max, &f->hour);
    case 'k':
        if (!take_digits(c, min, max, &f->hour))
            return false;
        f->hour %= 24;
        return true;
    case 'h':
    case 'K':
        f->has_hour12 = true;
        if (!take_digits(c, min, max, &f->hour12))
            return false;
        if (!simple && f->hour12 > 12)
            return false;
        f->hour12 %= run->letter == 'h' ? 12 : INT32_MAX;
        return true;
    case 'm':
        return take_digits(c, min, max, &f->minute);
    case 's':
        return take_digits(c, min, max, &f->second);
    case 'S':
        return take_fraction(c, run, simple, next_is_number, &f->nanos);
    case 'n':
        return take_digits(c, min, max, &f->nanos);
    case 'X':
    case 'x':
    case 'Z':
        f->has_offset = true;
        return take_offset(c, &f->offset);
    default: /* weeks, quarters: read and not used, as nothing can be found from them alone */
        return take_digits(c, min, max, &value);
    }
}

static int month_last(int64_t year, int month)
{
    return (int)((month == 12 ? vec_days(year + 1, 1, 1) : vec_days(year, month + 1, 1)) -
                 vec_days(year, month, 1));
}

static int resolve(struct fields *f, bool simple, struct pattern_time *out)
{
    int64_t days, month, carry = 0;

    if (f->has_hour12)
        f->hour = f->hour12 + (f->pm == 1 ? 12 : 0);
    if (f->bc)
        f->year = 1 - f->year;
    if (f->year > 290000 || f->year < -290000 || f->month > 1000000)
        return ERR_INVALID;
    if (!simple) {
        if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > 31 || f->hour > 23 ||
            f->minute > 59 || f->second > 59)
            return ERR_INVALID;
        if (f->day > month_last(f->year, (int)f->month))
            f->day = month_last(f->year, (int)f->month);
        if (f->has_day_of_year && (f->day_of_year < 1 || f->day_of_year > 366))
            return ERR_INVALID;
    } else {
        carry = f->nanos / 1000000000; /* milliseconds past a second */
        f->nanos %= 1000000000;
    }
    month = f->month - 1;
    days = vec_days(f->year + floor_div(month, 12), (int)floor_mod(month, 12) + 1, 1) + f->day - 1;
    if (f->has_day_of_year)
        days = vec_days(f->year, 1, 1) + f->day_of_year - 1;
    if (f->hour > 1000000000 || f->minute > 1000000000 || f->second > 1000000000000 ||
        f->day > 1000000000)
        return ERR_INVALID;
    out->seconds = days * 86400 + f->hour * 3600 + f->minute * 60 + f->second + carry;
    if (out->seconds > (int64_t)290000 * 366 * 86400 ||
        out->seconds < (int64_t)-290000 * 366 * 86400)
        return ERR_INVALID;
    out->nanos = (int32_t)f->nanos;
    out->offset = f->offset;
    out->has_offset = f->has_offset;
    return 0;
}

static bool numeric(char letter)
{
    return letter && strchr("yuYMLdDHkhKmsSnwWFeQq", letter) != NULL;
}

int pattern_read(struct slice pattern, struct slice text, enum pattern_kind kind,
                 struct pattern_time *out, char why[120])
{
    const uint8_t *p = pattern.ptr, *end = p + pattern.len;
    struct fields f = {.year = 1970, .month = 1, .day = 1, .pm = -1};
    struct cursor c = {text.ptr, text.ptr + text.len};
    bool quoted = false, simple = kind == PATTERN_SIMPLE;
    char reason[120];
    struct run run;

    if (pattern_check(pattern, kind, why ? why : reason))
        return ERR_INVALID;
    while (p < end) {
        run_next(&p, end, &quoted, &run);
        if (!run.letter) {
            if ((size_t)(c.end - c.p) < run.text.len ||
                (run.text.len && memcmp(c.p, run.text.ptr, run.text.len)))
                return ERR_INVALID;
            c.p += run.text.len;
        } else if (!read_run(&c, &run, simple, p < end && !quoted && numeric((char)*p), &f)) {
            return ERR_INVALID;
        }
    }
    if (!simple && c.p != c.end)
        return ERR_INVALID;
    return resolve(&f, simple, out);
}

/* ---- what casts read ---- */

int pattern_timestamp(struct slice text, struct pattern_time *out)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    struct fields f = {.pm = -1};
    const uint8_t *from;

    if (!take_digits(&c, 4, 4, &f.year) || c.p == c.end || *c.p++ != '-' ||
        !take_digits(&c, 1, 2, &f.month) || c.p == c.end || *c.p++ != '-' ||
        !take_digits(&c, 1, 2, &f.day))
        return ERR_INVALID;
    if (c.p < c.end) {
        if (*c.p++ != ' ' || !take_digits(&c, 1, 2, &f.hour) || c.p == c.end || *c.p++ != ':' ||
            !take_digits(&c, 1, 2, &f.minute) || c.p == c.end || *c.p++ != ':' ||
            !take_digits(&c, 1, 2, &f.second))
            return ERR_INVALID;
        if (c.p < c.end && *c.p == '.') {
            from = ++c.p;
            if (!take_digits(&c, 0, 9, &f.nanos))
                return ERR_INVALID;
            for (int64_t i = c.p - from; i < 9; i++)
                f.nanos *= 10;
        }
    }
    return c.p == c.end ? resolve(&f, false, out) : ERR_INVALID;
}

static bool whole(struct slice s, int64_t *out)
{
    while (s.len && s.ptr[0] == ' ')
        s = slice_of(s.ptr + 1, s.len - 1);
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s.len && s.len < 10 && slice_to_i64(s, out) == 0;
}

int pattern_date(struct slice text, int32_t *days)
{
    const uint8_t *blank = memchr(text.ptr, ' ', text.len), *first, *second = NULL;
    int64_t year, month = 1, day = 1;

    if (blank && blank > text.ptr)
        text.len = (size_t)(blank - text.ptr);
    first = memchr(text.ptr, '-', text.len);
    if (!first) {
        if (!whole(text, &year))
            return ERR_INVALID;
    } else {
        struct slice rest = slice_of(first + 1, text.len - (size_t)(first - text.ptr) - 1);

        if (!whole(slice_of(text.ptr, (size_t)(first - text.ptr)), &year))
            return ERR_INVALID;
        second = memchr(rest.ptr, '-', rest.len);
        if (second &&
            !whole(slice_of(second + 1, rest.len - (size_t)(second - rest.ptr) - 1), &day))
            return ERR_INVALID;
        if (second)
            rest.len = (size_t)(second - rest.ptr);
        if (!whole(rest, &month))
            return ERR_INVALID;
    }
    if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 ||
        day > month_last(year, (int)month))
        return ERR_INVALID;
    *days = (int32_t)vec_days(year, (int)month, (int)day);
    return 0;
}

int pattern_clock(struct slice text, int64_t *micros)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t hour = 0, minute = 0, second = 0, fraction = 0;
    const uint8_t *from;

    if (!take_digits(&c, 1, 2, &hour))
        return ERR_INVALID;
    if (c.p < c.end && *c.p == ':') {
        c.p++;
        if (!take_digits(&c, 1, 2, &minute))
            return ERR_INVALID;
        if (c.p < c.end && *c.p == ':') {
            c.p++;
            if (!take_digits(&c, 1, 2, &second))
                return ERR_INVALID;
            if (c.p < c.end && *c.p == '.') {
                from = ++c.p;
                take_digits(&c, 0, 9, &fraction);
                for (int64_t i = c.p - from; i < 9; i++)
                    fraction *= 10;
            }
        }
    }
    if (c.p != c.end || hour > 23 || minute > 59 || second > 59)
        return ERR_INVALID;
    *micros = (hour * 3600 + minute * 60 + second) * 1000000 + fraction / 1000;
    return 0;
}

size_t pattern_timestamp_text(int64_t nanos, int digits, char out[40])
{
    int64_t day = (int64_t)86400 * 1000000000, days = floor_div(nanos, day);
    char date[24], clock[24];

    vec_text_date(days, date);
    vec_text_time(nanos - days * day, digits, clock);
    return (size_t)snprintf(out, 40, "%s %s", date, clock);
}
