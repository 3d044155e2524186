/* fn_number.c - arithmetic on integers and floats, as the JVM does it: integers wrap, a division by
 * zero fails, NaN compares as IEEE 754 has it (DuckDB sorts it last). */
#include <math.h>
#include <stdio.h>

#include "vec/fn.h"

/* Each integer type: wrapping happens in the unsigned one. */
#define INTEGERS(X)                                                                                \
    X(t, int8_t, uint8_t) X(h, int16_t, uint16_t) X(i, int32_t, uint32_t) X(l, int64_t, uint64_t)

#define DEFINE_INTEGER(letter, type, utype)                                                        \
    static void add_##letter(struct fn_call *c)                                                    \
    {                                                                                              \
        GIVE(c, type, (type)((utype)ARG(c, 0, type) + (utype)ARG(c, 1, type)));                    \
    }                                                                                              \
    static void subtract_##letter(struct fn_call *c)                                               \
    {                                                                                              \
        GIVE(c, type, (type)((utype)ARG(c, 0, type) - (utype)ARG(c, 1, type)));                    \
    }                                                                                              \
    static void multiply_##letter(struct fn_call *c)                                               \
    {                                                                                              \
        GIVE(c, type, (type)((uint64_t)ARG(c, 0, type) * (uint64_t)ARG(c, 1, type)));              \
    }                                                                                              \
    static void divide_##letter(struct fn_call *c)                                                 \
    {                                                                                              \
        type a = ARG(c, 0, type), b = ARG(c, 1, type);                                             \
                                                                                                   \
        if (b == 0)                                                                                \
            call_fail(c, "division by zero");                                                      \
        else                                                                                       \
            GIVE(c, type, b == -1 ? (type)(0 - (utype)a) : (type)(a / b));                         \
    }                                                                                              \
    static void negate_##letter(struct fn_call *c)                                                 \
    {                                                                                              \
        GIVE(c, type, (type)(0 - (utype)ARG(c, 0, type)));                                         \
    }                                                                                              \
    static void abs_##letter(struct fn_call *c)                                                    \
    {                                                                                              \
        type a = ARG(c, 0, type);                                                                  \
                                                                                                   \
        GIVE(c, type, a < 0 ? (type)(0 - (utype)a) : a);                                           \
    }                                                                                              \
    static void sign_##letter(struct fn_call *c)                                                   \
    {                                                                                              \
        type a = ARG(c, 0, type);                                                                  \
                                                                                                   \
        GIVE(c, type, (type)((a > 0) - (a < 0)));                                                  \
    }                                                                                              \
    /* The remainder has the type of the divisor, whatever is divided. */                          \
    static void mod_##letter(struct fn_call *c)                                                    \
    {                                                                                              \
        int64_t b = ARG(c, 1, type);                                                               \
                                                                                                   \
        if (b == 0)                                                                                \
            call_fail(c, "division by zero");                                                      \
        else                                                                                       \
            GIVE(c, type, b == -1 ? 0 : (type)(arg_integer(c, 0) % b));                            \
    }                                                                                              \
    static void wrap_##letter(struct fn_call *c)                                                   \
    {                                                                                              \
        GIVE(c, type, (type)((duckdb_hugeint *)c->args[0].data)[c->row].lower);                    \
    }

INTEGERS(DEFINE_INTEGER)

static void divide_d(struct fn_call *c)
{
    GIVE(c, double, ARG(c, 0, double) / ARG(c, 1, double));
}
static void divide_f(struct fn_call *c)
{
    GIVE(c, float, ARG(c, 0, float) / ARG(c, 1, float));
}
static void eq(struct fn_call *c)
{
    GIVE(c, bool, ARG(c, 0, double) == ARG(c, 1, double));
}
static void ne(struct fn_call *c)
{
    GIVE(c, bool, ARG(c, 0, double) != ARG(c, 1, double));
}
static void lt(struct fn_call *c)
{
    GIVE(c, bool, ARG(c, 0, double) < ARG(c, 1, double));
}
static void le(struct fn_call *c)
{
    GIVE(c, bool, ARG(c, 0, double) <= ARG(c, 1, double));
}

#define DEFINE_MATH(name, expression)                                                              \
    static void math_##name(struct fn_call *c)                                                     \
    {                                                                                              \
        double x = ARG(c, 0, double);                                                              \
                                                                                                   \
        GIVE(c, double, expression);                                                               \
    }

DEFINE_MATH(sqrt, sqrt(x))
DEFINE_MATH(ln, log(x))
DEFINE_MATH(log10, log10(x))
DEFINE_MATH(log2, log(x) / log(2.0)) /* as Flink has it: not the exact log2 */
DEFINE_MATH(exp, exp(x))
DEFINE_MATH(sin, sin(x))
DEFINE_MATH(sinh, sinh(x))
DEFINE_MATH(cos, cos(x))
DEFINE_MATH(cosh, cosh(x))
DEFINE_MATH(tan, tan(x))
DEFINE_MATH(tanh, tanh(x))
DEFINE_MATH(cot, 1.0 / tan(x))
DEFINE_MATH(asin, asin(x))
DEFINE_MATH(acos, acos(x))
DEFINE_MATH(degrees, x *(180.0 / 3.14159265358979323846))
DEFINE_MATH(radians, x *(3.14159265358979323846 / 180.0))
DEFINE_MATH(sign, isnan(x) || x == 0 ? x : x > 0 ? 1.0 : -1.0)

static void sign_f(struct fn_call *c)
{
    float x = ARG(c, 0, float);

    GIVE(c, float, isnan(x) || x == 0 ? x : x > 0 ? 1.0f : -1.0f);
}

static void sign_exact(struct fn_call *c)
{
    int scale;
    __int128 x = arg_exact(c, 0, &scale);

    GIVE(c, int32_t, (x > 0) - (x < 0));
}

static void math_log(struct fn_call *c)
{
    double x = ARG(c, 0, double);

    GIVE(c, double, c->count == 1 ? log(x) : log(ARG(c, 1, double)) / log(x));
}

/* Math.pow: unlike C, 1 to the NaN and 1 or -1 to the infinity are NaN. */
static void math_power(struct fn_call *c)
{
    double x = ARG(c, 0, double), y = ARG(c, 1, double);

    GIVE(c, double, (isnan(y) || (isinf(y) && fabs(x) == 1)) ? NAN : pow(x, y));
}

/* ---- rounding ---- */

/* Integers: half away from zero at 10^-places; the result wraps as Java's narrowing does. */
static int64_t round_integer(int64_t x, int places, bool half_up)
{
    __int128 unit = 1, value = x, rest;

    if (places >= 0)
        return x;
    if (places < -18)
        return 0;
    for (int i = places; i < 0; i++)
        unit *= 10;
    rest = value % unit;
    value -= rest;
    if (half_up && (rest >= 0 ? rest : -rest) * 2 >= unit)
        value += rest > 0 ? unit : -unit;
    return (int64_t)value;
}

/* BigDecimal.valueOf(x) has the shortest digits that read back as x: those are rounded. */
static double round_double(double x, int places, bool half_up)
{
    char text[400], digits[32], *e;
    size_t count = 0, keep;
    int exponent;
    bool up;

    if (!isfinite(x) || x == 0)
        return x;
    vec_text_double(fabs(x), text);
    /* Digits and the power of ten of the first one. */
    e = strchr(text, 'E');
    exponent = e ? atoi(e + 1) : 0;
    for (char *p = text; *p && p != e; p++) {
        if (*p == '.' || (count == 0 && *p == '0'))
            continue;
        digits[count++] = *p;
    }
    if (!e) {
        char *point = strchr(text, '.');

        if (text[0] != '0')
            exponent = (int)(point - text) - 1;
        else
            exponent = -(int)strspn(point + 1, "0") - 1;
    }
    if (exponent + places < -1)
        return 0;
    keep = (size_t)(exponent + places + 1);
    if (keep >= count)
        return x;
    up = half_up && digits[keep] >= '5';
    digits[keep] = '\0';
    /* digits * 10^(exponent - keep + 1), one more in the last place when rounded up */
    {
        char number[64];
        int64_t whole = keep ? strtoll(digits, NULL, 10) : 0;

        snprintf(number, sizeof(number), "%" PRId64 "e%d", whole + up, exponent - (int)keep + 1);
        x = copysign(strtod(number, NULL), x);
    }
    return x == 0 ? 0 : x;
}

static int places_of(const struct fn_call *c)
{
    return c->count > 1 ? ARG(c, 1, int32_t) : 0;
}

#define DEFINE_ROUND(letter, type)                                                                 \
    static void round_##letter(struct fn_call *c)                                                  \
    {                                                                                              \
        GIVE(c, type, (type)round_integer(ARG(c, 0, type), places_of(c), true));                   \
    }                                                                                              \
    static void truncate_##letter(struct fn_call *c)                                               \
    {                                                                                              \
        GIVE(c, type, (type)round_integer(ARG(c, 0, type), places_of(c), false));                  \
    }

DEFINE_ROUND(t, int8_t)
DEFINE_ROUND(h, int16_t)
DEFINE_ROUND(i, int32_t)
DEFINE_ROUND(l, int64_t)

static void round_d(struct fn_call *c)
{
    GIVE(c, double, round_double(ARG(c, 0, double), places_of(c), true));
}
static void truncate_d(struct fn_call *c)
{
    GIVE(c, double, round_double(ARG(c, 0, double), places_of(c), false));
}
/* A float's own shortest digits, not those of the double that it widens to. */
static double widened(float x)
{
    char text[32];

    vec_text_float(x, text);
    return isfinite(x) ? strtod(text, NULL) : (double)x;
}
static void round_f(struct fn_call *c)
{
    GIVE(c, float, (float)round_double(widened(ARG(c, 0, float)), places_of(c), true));
}
static void truncate_f(struct fn_call *c)
{
    GIVE(c, float, (float)round_double(widened(ARG(c, 0, float)), places_of(c), false));
}

/* ---- java.util.Random, so that a seed gives Flink's numbers ---- */

static uint64_t seed_start(int64_t seed)
{
    return ((uint64_t)seed ^ 0x5DEECE66DULL) & ((1ULL << 48) - 1);
}

static int32_t seed_next(uint64_t *seed, int bits)
{
    *seed = (*seed * 0x5DEECE66DULL + 0xB) & ((1ULL << 48) - 1);
    return (int32_t)(int64_t)(*seed >> (48 - bits));
}

/* Flink keeps one generator per place in a statement; a seed that changes starts it anew. */
struct generator {
    bool started;
    int64_t seed;
    uint64_t state;
};

static uint64_t *generator_of(struct fn_call *c, int64_t seed)
{
    struct generator *g = call_state(c);

    static_assert(sizeof(struct generator) <= FN_STATE_BYTES, "the state of a generator");
    if (!g->started || g->seed != seed)
        *g = (struct generator){true, seed, seed_start(seed)};
    return &g->state;
}

static void rand_double(struct fn_call *c)
{
    uint64_t *state = generator_of(c, ARG(c, 0, int32_t));
    int64_t high = (int64_t)seed_next(state, 26) << 27;

    GIVE(c, double, (double)(high + seed_next(state, 27)) * 0x1.0p-53);
    call_state_release(c);
}

static int32_t next_int(uint64_t *state, int32_t bound)
{
    int32_t bits, value;

    if ((bound & -bound) == bound)
        return (int32_t)(((int64_t)bound * seed_next(state, 31)) >> 31);
    do {
        bits = seed_next(state, 31);
        value = bits % bound;
    } while ((int32_t)((uint32_t)bits - (uint32_t)value + (uint32_t)(bound - 1)) < 0);
    return value;
}

static void rand_integer_seeded(struct fn_call *c)
{
    int32_t bound = ARG(c, 1, int32_t);

    if (bound <= 0) {
        call_fail(c, "RAND_INTEGER: the bound must be positive");
        return;
    }
    GIVE(c, int32_t, next_int(generator_of(c, ARG(c, 0, int32_t)), bound));
    call_state_release(c);
}

static void rand_integer(struct fn_call *c)
{
    static _Thread_local struct rng rng;
    static _Thread_local bool seeded;
    int32_t bound = ARG(c, 0, int32_t);
    uint64_t seed;

    if (!seeded) {
        rand_secret(&seed, sizeof(seed));
        rng_init(&rng, seed);
        seeded = true;
    }
    if (bound <= 0)
        call_fail(c, "RAND_INTEGER: the bound must be positive");
    else
        GIVE(c, int32_t, (int32_t)rng_below(&rng, (uint64_t)bound));
}

static void bin(struct fn_call *c)
{
    uint64_t x = (uint64_t)ARG(c, 0, int64_t);
    char digits[64];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + (x & 1));
    } while (x >>= 1);
    give_text(c, digits + at, sizeof(digits) - at);
}

static void hex_integer(struct fn_call *c)
{
    char text[24];

    give_text(c, text,
              (size_t)snprintf(text, sizeof(text), "%" PRIX64, (uint64_t)ARG(c, 0, int64_t)));
}

static void hex_text(struct fn_call *c)
{
    static const char digits[] = "0123456789ABCDEF";
    struct slice s = arg_text(c, 0);
    struct buf *out = &c->scratch[0];

    buf_clear(out);
    for (size_t i = 0; i < s.len; i++) {
        buf_append_u8(out, (uint8_t)digits[s.ptr[i] >> 4]);
        buf_append_u8(out, (uint8_t)digits[s.ptr[i] & 15]);
    }
    give_buf(c, out);
}

/* AVG of integers: the exact sum cut to the count, toward zero. DuckDB sums into HUGEINT, a stream
 * into BIGINT. */
static void avg_int(struct fn_call *c)
{
    __int128 sum;
    int64_t count = ARG(c, 1, int64_t);

    if (c->args[0].type == DUCKDB_TYPE_HUGEINT)
        memcpy(&sum, (duckdb_hugeint *)c->args[0].data + c->row, sizeof(sum));
    else
        sum = arg_integer(c, 0);
    if (count == 0)
        give_null(c);
    else
        GIVE(c, int64_t, (int64_t)(sum / count));
}

static void all_or_null(struct fn_call *c)
{
    GIVE(c, bool, true);
}

#define PER_INTEGER(name)                                                                          \
    {"flink_" #name, "tt", 't', name##_t}, {"flink_" #name, "hh", 'h', name##_h},                  \
        {"flink_" #name, "ii", 'i', name##_i},                                                     \
    {                                                                                              \
        "flink_" #name, "ll", 'l', name##_l                                                        \
    }
#define PER_INTEGER1(name)                                                                         \
    {"flink_" #name, "t", 't', name##_t}, {"flink_" #name, "h", 'h', name##_h},                    \
        {"flink_" #name, "i", 'i', name##_i},                                                      \
    {                                                                                              \
        "flink_" #name, "l", 'l', name##_l                                                         \
    }
#define ROUNDING(name)                                                                             \
    PER_INTEGER1(name), {"flink_" #name, "ti", 't', name##_t},                                     \
        {"flink_" #name, "hi", 'h', name##_h}, {"flink_" #name, "ii", 'i', name##_i},              \
        {"flink_" #name, "li", 'l', name##_l}, {"flink_" #name, "f", 'f', name##_f},               \
        {"flink_" #name, "fi", 'f', name##_f}, {"flink_" #name, "d", 'd', name##_d},               \
    {                                                                                              \
        "flink_" #name, "di", 'd', name##_d                                                        \
    }
#define MATH(name)                                                                                 \
    {                                                                                              \
        "flink_" #name, "d", 'd', math_##name                                                      \
    }
#define MOD(divisor)                                                                               \
    {"flink_mod", "t" #divisor, #divisor[0], mod_##divisor},                                       \
        {"flink_mod", "h" #divisor, #divisor[0], mod_##divisor},                                   \
        {"flink_mod", "i" #divisor, #divisor[0], mod_##divisor},                                   \
    {                                                                                              \
        "flink_mod", "l" #divisor, #divisor[0], mod_##divisor                                      \
    }

static const struct fn functions[] = {
    PER_INTEGER(add),
    PER_INTEGER(subtract),
    PER_INTEGER(multiply),
    PER_INTEGER(divide),
    {"flink_divide", "ff", 'f', divide_f},
    {"flink_divide", "dd", 'd', divide_d},
    MOD(t),
    MOD(h),
    MOD(i),
    MOD(l),
    PER_INTEGER1(negate),
    PER_INTEGER1(abs),
    PER_INTEGER1(sign),
    {"flink_sign", "f", 'f', sign_f},
    {"flink_sign", "d", 'd', math_sign},
    {"flink_sign", "*", 'i', sign_exact},
    {"flink_eq", "dd", 'b', eq},
    {"flink_ne", "dd", 'b', ne},
    {"flink_lt", "dd", 'b', lt},
    {"flink_le", "dd", 'b', le},
    MATH(sqrt),
    MATH(ln),
    MATH(log10),
    MATH(log2),
    MATH(exp),
    MATH(sin),
    MATH(sinh),
    MATH(cos),
    MATH(cosh),
    MATH(tan),
    MATH(tanh),
    MATH(cot),
    MATH(asin),
    MATH(acos),
    MATH(degrees),
    MATH(radians),
    {"flink_log", "d", 'd', math_log},
    {"flink_log", "dd", 'd', math_log},
    {"flink_power", "dd", 'd', math_power},
    ROUNDING(round),
    ROUNDING(truncate),
    {"flink_rand", "i", 'd', rand_double, VOLATILE | STATE},
    {"flink_rand_integer", "i", 'i', rand_integer, VOLATILE},
    {"flink_rand_integer", "ii", 'i', rand_integer_seeded, VOLATILE | STATE},
    {"flink_bin", "l", 's', bin},
    {"flink_hex", "l", 's', hex_integer},
    {"flink_hex", "s", 's', hex_text},
    {"flink_avg_int", "*l", 'l', avg_int},
    {"flink_wrap_tinyint", "*", 't', wrap_t},
    {"flink_wrap_smallint", "*", 'h', wrap_h},
    {"flink_wrap_int", "*", 'i', wrap_i},
    {"flink_wrap_bigint", "*", 'l', wrap_l},
    {"flink_all_or_null", "*+", 'b', all_or_null},
};

int fn_number_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
