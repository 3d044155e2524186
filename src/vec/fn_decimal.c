/* fn_decimal.c - exact numbers: Flink's DecimalData, that is java.math.BigDecimal cut to a scale.
 *
 * Each function exists once per scale s of its result, named flink_dec_add_<s>, and returns
 * DECIMAL(38, s); its last argument is the precision: NULL when more digits are needed. Arguments
 * are exact numbers of any width, read by their vector's type. Sums and products are taken in 256
 * bits; rounding is HALF_UP, away from zero at the half.
 */
#include <pthread.h>
#include <stdio.h>

#include "vec/fn.h"

typedef unsigned __int128 u128;

struct u256 {
    u128 hi, lo;
};

static bool mul_small(struct u256 *x, uint64_t m)
{
    uint64_t limbs[4] = {(uint64_t)x->lo, (uint64_t)(x->lo >> 64), (uint64_t)x->hi,
                         (uint64_t)(x->hi >> 64)};
    u128 carry = 0;

    for (int i = 0; i < 4; i++) {
        carry += (u128)limbs[i] * m;
        limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    x->lo = (u128)limbs[1] << 64 | limbs[0];
    x->hi = (u128)limbs[3] << 64 | limbs[2];
    return carry == 0;
}

static uint64_t div_small(struct u256 *x, uint64_t d)
{
    uint64_t limbs[4] = {(uint64_t)(x->hi >> 64), (uint64_t)x->hi, (uint64_t)(x->lo >> 64),
                         (uint64_t)x->lo};
    u128 rest = 0;

    for (int i = 0; i < 4; i++) {
        rest = rest << 64 | limbs[i];
        limbs[i] = (uint64_t)(rest / d);
        rest %= d;
    }
    x->hi = (u128)limbs[0] << 64 | limbs[1];
    x->lo = (u128)limbs[2] << 64 | limbs[3];
    return (uint64_t)rest;
}

static struct u256 mul(u128 a, u128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    u128 low = (u128)a0 * b0, mid1 = (u128)a0 * b1, mid2 = (u128)a1 * b0;
    u128 mid = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;

    return (struct u256){(u128)a1 * b1 + (mid1 >> 64) + (mid2 >> 64) + (mid >> 64),
                         mid << 64 | (uint64_t)low};
}

static int cmp(struct u256 a, struct u256 b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

static struct u256 add(struct u256 a, struct u256 b)
{
    struct u256 sum = {a.hi + b.hi, a.lo + b.lo};

    sum.hi += sum.lo < a.lo;
    return sum;
}

static struct u256 sub(struct u256 a, struct u256 b)
{
    return (struct u256){a.hi - b.hi - (a.lo < b.lo), a.lo - b.lo};
}

static bool raise(struct u256 *x, int places)
{
    for (; places >= 18; places -= 18)
        if (!mul_small(x, 1000000000000000000u))
            return false;
    for (; places > 0; places--)
        if (!mul_small(x, 10))
            return false;
    return true;
}

/* Drops decimal places: HALF_UP looks at the first dropped digit alone. */
static void lower(struct u256 *x, int places, bool half_up)
{
    if (places <= 0)
        return;
    if (places > 78)
        places = 78; /* nothing is left either way */
    for (; places > 18; places -= 18)
        div_small(x, 1000000000000000000u);
    for (; places > 1; places--)
        div_small(x, 10);
    if (div_small(x, 10) >= 5 && half_up)
        *x = add(*x, (struct u256){0, 1});
}

static u128 power10(int n)
{
    u128 x = 1;

    while (n-- > 0)
        x *= 10;
    return x;
}

static u128 magnitude(__int128 x) { return x < 0 ? 0 - (u128)x : (u128)x; }

static void give_decimal(struct fn_call *c, u128 value, bool negative)
{
    __int128 out = negative ? -(__int128)value : (__int128)value;

    memcpy((duckdb_hugeint *)c->out_data + c->row, &out, sizeof(out));
}

/* The value x * 10^-scale as the result, if it fits the precision. False: given NULL. */
static bool give_scaled(struct fn_call *c, struct u256 x, bool negative, int scale, int precision,
                        bool half_up)
{
    if (scale > c->scale)
        lower(&x, scale - c->scale, half_up);
    else if (!raise(&x, c->scale - scale))
        x.hi = 1;
    if (x.hi || x.lo >= power10(precision > 38 ? 38 : precision)) {
        give_null(c);
        return false;
    }
    give_decimal(c, x.lo, negative);
    return true;
}

static int precision_of(const struct fn_call *c) { return (int)arg_integer(c, c->count - 1); }

static void plus(struct fn_call *c, bool minus)
{
    int sa, sb;
    __int128 a = arg_exact(c, 0, &sa), b = arg_exact(c, 1, &sb);
    struct u256 x = {0, magnitude(a)}, y = {0, magnitude(b)};
    bool neg_a = a < 0, neg_b = minus ? b > 0 : b < 0;
    int scale = sa > sb ? sa : sb;

    /* 38 digits raised by 38 places fit 256 bits. */
    raise(&x, scale - sa);
    raise(&y, scale - sb);
    if (neg_a == neg_b)
        give_scaled(c, add(x, y), neg_a, scale, precision_of(c), true);
    else if (cmp(x, y) >= 0)
        give_scaled(c, sub(x, y), neg_a, scale, precision_of(c), true);
    else
        give_scaled(c, sub(y, x), neg_b, scale, precision_of(c), true);
}

static void dec_add(struct fn_call *c) { plus(c, false); }
static void dec_sub(struct fn_call *c) { plus(c, true); }

static void dec_mul(struct fn_call *c)
{
    int sa, sb;
    __int128 a = arg_exact(c, 0, &sa), b = arg_exact(c, 1, &sb);

    give_scaled(c, mul(magnitude(a), magnitude(b)), (a < 0) != (b < 0), sa + sb, precision_of(c),
                true);
}

/* ---- digits: for division and for text ---- */

/* 0.d1d2d3... * 10^point */
struct digits {
    char list[128];
    int count, point;
    bool negative;
};

/* Keeps so many digits, the last one rounded HALF_UP. */
static void digits_round(struct digits *d, int keep)
{
    int at = keep;

    if (keep < 0) {
        d->count = 0;
        return;
    }
    if (keep >= d->count)
        return;
    d->count = keep;
    if (d->list[keep] < 5)
        return;
    while (at > 0 && d->list[at - 1] == 9)
        at--;
    d->count = at;
    if (at > 0) {
        d->list[at - 1]++;
        return;
    }
    d->list[0] = 1; /* 0.99 became 1.0 */
    d->count = 1;
    d->point++;
}

/* False: more than `precision` digits. */
static bool digits_scaled(struct digits *d, int precision, int scale, u128 *out)
{
    u128 value = 0;
    int places;

    digits_round(d, d->point + scale);
    places = d->point + scale; /* digits of the result */
    if (d->count == 0 || places <= 0)
        return (*out = 0, true);
    if (places > precision)
        return false;
    for (int i = 0; i < places; i++)
        value = value * 10 + (i < d->count ? (unsigned)d->list[i] : 0);
    *out = value;
    return true;
}

static void digits_add(struct digits *d, int digit)
{
    if (d->count == 0 && digit == 0)
        d->point--; /* a leading zero */
    else if (d->count < (int)sizeof(d->list))
        d->list[d->count++] = (char)digit;
}

/* The quotient to 38 significant digits first, as MathContext(38, HALF_UP) gives it, then to the
 * scale: Flink rounds twice. */
static void dec_div(struct fn_call *c)
{
    struct digits d = {0};
    int sa, sb;
    __int128 a = arg_exact(c, 0, &sa), b = arg_exact(c, 1, &sb);
    u128 x = magnitude(a), y = magnitude(b), whole, rest, value;
    char text[48];
    size_t len;

    if (b == 0) {
        call_fail(c, "division by zero");
        return;
    }
    whole = x / y;
    rest = x % y;
    if (whole) {
        len = vec_text_decimal((__int128)whole, 0, text);
        for (size_t i = 0; i < len; i++)
            digits_add(&d, text[i] - '0');
        d.point = (int)len;
    }
    while (rest && d.count < 39) {
        u128 sum = 0;
        int digit = 0;

        for (int i = 0; i < 10; i++) {
            sum += rest; /* both below 10^38: no overflow */
            if (sum >= y) {
                sum -= y;
                digit++;
            }
        }
        rest = sum;
        digits_add(&d, digit);
    }
    d.point += sb - sa;
    digits_round(&d, 38);
    if (digits_scaled(&d, precision_of(c), c->scale, &value))
        give_decimal(c, value, (a < 0) != (b < 0));
    else
        give_null(c);
}

static struct u256 rest_of(struct u256 a, struct u256 b)
{
    struct u256 rest = {0, 0};

    if (!a.hi && !b.hi)
        return (struct u256){0, a.lo % b.lo};
    for (int bit = 255; bit >= 0; bit--) {
        u128 half = bit >= 128 ? a.hi : a.lo;

        rest = (struct u256){rest.hi << 1 | rest.lo >> 127,
                             rest.lo << 1 | (half >> (bit & 127) & 1)};
        if (cmp(rest, b) >= 0)
            rest = sub(rest, b);
    }
    return rest;
}

static void dec_mod(struct fn_call *c)
{
    int sa, sb;
    __int128 a = arg_exact(c, 0, &sa), b = arg_exact(c, 1, &sb);
    struct u256 x = {0, magnitude(a)}, y = {0, magnitude(b)};
    int scale = sa > sb ? sa : sb;

    if (b == 0) {
        call_fail(c, "division by zero");
        return;
    }
    raise(&x, scale - sa);
    raise(&y, scale - sb);
    give_scaled(c, rest_of(x, y), a < 0, scale, precision_of(c), true);
}

/* ---- to whole numbers and to places ---- */

static void to_whole(struct fn_call *c, bool up)
{
    int scale;
    __int128 a = arg_exact(c, 0, &scale);
    u128 unit = power10(scale), x = magnitude(a);
    bool more = x % unit != 0 && (a < 0) != up;

    give_scaled(c, (struct u256){0, x / unit + more}, a < 0, 0, precision_of(c), true);
}

static void dec_ceil(struct fn_call *c) { to_whole(c, true); }
static void dec_floor(struct fn_call *c) { to_whole(c, false); }

static void to_places(struct fn_call *c, bool half_up)
{
    int scale, places = c->count > 1 ? (int)arg_integer(c, 1) : 0;
    __int128 a = arg_exact(c, 0, &scale);
    struct u256 x = {0, magnitude(a)};

    if (places < scale) {
        int dropped = scale - places > 78 ? 78 : scale - places;

        lower(&x, dropped, half_up);
        raise(&x, dropped);
    }
    give_scaled(c, x, a < 0, scale, 38, half_up);
}

static void dec_round(struct fn_call *c) { to_places(c, true); }
static void dec_truncate(struct fn_call *c) { to_places(c, false); }

/* ---- from other types ---- */

/* [+-]digits[.digits][e[+-]digits], blanks around it. */
static bool digits_read(struct slice text, struct digits *d)
{
    const uint8_t *p, *end;
    bool any = false, point = false;
    int exponent = 0, sign = 1;

    text = slice_trim(text);
    p = text.ptr;
    end = p + text.len;
    if (p < end && (*p == '-' || *p == '+'))
        d->negative = *p++ == '-';
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            break;
        any = true;
        if (point && d->count == 0 && *p == '0') {
            d->point--;
        } else if (d->count > 0 || *p != '0') {
            if (d->count < (int)sizeof(d->list))
                d->list[d->count++] = (char)(*p - '0');
            d->point += !point;
        }
    }
    if (!any)
        return false;
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            sign = *p++ == '-' ? -1 : 1;
        if (p == end)
            return false;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (exponent < 100000)
                exponent = exponent * 10 + (*p - '0');
    }
    d->point += sign * exponent;
    return p == end;
}

static void dec_from_text(struct fn_call *c)
{
    struct slice text = arg_text(c, 0);
    struct digits d = {0};
    u128 value;

    if (!digits_read(text, &d))
        call_fail(c, "'%.*s' is not a number", (int)(text.len > 60 ? 60 : text.len), text.ptr);
    else if (!digits_scaled(&d, precision_of(c), c->scale, &value))
        call_fail(c, "'%.*s' does not fit a DECIMAL(%d, %d)", (int)(text.len > 60 ? 60 : text.len),
                  text.ptr, precision_of(c), c->scale);
    else
        give_decimal(c, value, d.negative);
}

static void dec_from_number(struct fn_call *c)
{
    struct digits d = {0};
    char text[32];
    int scale;
    u128 value;
    __int128 exact;

    if (c->args[0].type != DUCKDB_TYPE_DOUBLE && c->args[0].type != DUCKDB_TYPE_FLOAT) {
        exact = arg_exact(c, 0, &scale);
        give_scaled(c, (struct u256){0, magnitude(exact)}, exact < 0, scale, precision_of(c), true);
        return;
    }
    /* BigDecimal.valueOf(double): the shortest digits that read back as it. */
    vec_text_double(c->args[0].type == DUCKDB_TYPE_DOUBLE ? ARG(c, 0, double)
                                                          : (double)ARG(c, 0, float), text);
    if (!digits_read(slice_str(text), &d))
        call_fail(c, "%s is not a number for a DECIMAL", text);
    else if (digits_scaled(&d, precision_of(c), c->scale, &value))
        give_decimal(c, value, d.negative);
    else
        give_null(c);
}

/* ---- one of each per scale ---- */

static const struct {
    const char *name;
    struct fn fn;
} families[] = {
    {"flink_dec_add_%d", {.args = "**i", .row = dec_add}},
    {"flink_dec_sub_%d", {.args = "**i", .row = dec_sub}},
    {"flink_dec_mul_%d", {.args = "**i", .row = dec_mul}},
    {"flink_dec_div_%d", {.args = "**i", .row = dec_div}},
    {"flink_dec_mod_%d", {.args = "**i", .row = dec_mod}},
    {"flink_dec_round_%d", {.args = "*", .row = dec_round}},
    {"flink_dec_round_%d", {.args = "*i", .row = dec_round}},
    {"flink_dec_truncate_%d", {.args = "*", .row = dec_truncate}},
    {"flink_dec_truncate_%d", {.args = "*i", .row = dec_truncate}},
    {"flink_dec_ceil_%d", {.args = "*i", .row = dec_ceil}},
    {"flink_dec_floor_%d", {.args = "*i", .row = dec_floor}},
    {"flink_to_dec_%d", {.args = "si", .row = dec_from_text}},
    {"flink_to_dec_%d", {.args = "*i", .row = dec_from_number}},
    {"flink_try_to_dec_%d", {.args = "si", .row = dec_from_text, .flags = TRY}},
};

#define SCALES 39

static struct fn functions[COUNT_OF(families) * SCALES];
static char names[COUNT_OF(families) * SCALES][32];

/* Filled once: instances share the table. */
static void functions_fill(void)
{
    size_t n = 0;

    for (int scale = 0; scale < SCALES; scale++)
        for (size_t i = 0; i < COUNT_OF(families); i++, n++) {
            snprintf(names[n], sizeof(names[n]), families[i].name, scale);
            functions[n] = families[i].fn;
            functions[n].name = names[n];
            functions[n].result = '0';
            functions[n].scale = scale;
        }
}

int fn_decimal_register(duckdb_connection conn, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, functions_fill);
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
