/* text.c - the small languages inside a template: intervals and rates, probabilities, patterns.
 *
 * Everything here runs once, while a template is compiled; nothing is on the way of an event.
 */
#include "generate/generate_int.h"

#include <math.h>

int parse_real(const struct yaml_node *yaml, double *out)
{
    char *end;

    if (!yaml || yaml->type != YAML_SCALAR || !yaml->text[0])
        return ERR_INVALID;
    *out = strtod(yaml->text, &end);
    return *end == '\0' && isfinite(*out) ? 0 : ERR_INVALID;
}

/* 0 to 1, or a percentage: 0.05 and 5% are the same. */
int parse_probability(const struct yaml_node *yaml, uint64_t *below)
{
    double value;
    char *end;

    if (!yaml || yaml->type != YAML_SCALAR || !yaml->text[0])
        return ERR_INVALID;
    value = strtod(yaml->text, &end);
    if (end[0] == '%' && end[1] == '\0')
        value /= 100;
    else if (*end)
        return ERR_INVALID;
    if (!(value >= 0 && value <= 1))
        return ERR_INVALID;
    *below = (uint64_t)llround(value * 0x1.0p32);
    return 0;
}

static const struct {
    const char *name;
    double us;
} units[] = {
    {"ns", 1e-3}, {"us", 1},       {"ms", 1e3},     {"s", 1e6},
    {"m", 60e6},  {"h", 3600e6},   {"d", 86400e6},  {"min", 60e6},
};

static int unit_us(const char *name, double *us)
{
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(units[i].name, name) == 0) {
            *us = units[i].us;
            return 0;
        }
    }
    return ERR_INVALID;
}

/* "500ms" is the time between two events, "2/s" how many there are in a unit: both become the time
 * between two. */
int generate_parse_interval(const char *text, double *us)
{
    char *end;
    double value = strtod(text, &end), unit;

    if (end == text || !isfinite(value))
        return ERR_INVALID;
    if (*end == '/') {
        if (unit_us(end + 1, &unit) || value <= 0)
            return ERR_INVALID;
        *us = unit / value;
        return 0;
    }
    if (unit_us(end, &unit))
        return value == 0 && !*end ? (*us = 0, 0) : ERR_INVALID;
    *us = value * unit;
    return 0;
}

/* One character class: "[A-Z0-9]", "\d" or the character itself. Moves *at behind it. */
static int parse_class(const char **at, bool seen[128], const char **problem)
{
    const char *p = *at;

    memset(seen, 0, 128 * sizeof(bool));
    if (p[0] == '\\' && p[1] == 'd') {
        for (int c = '0'; c <= '9'; c++)
            seen[c] = true;
        *at = p + 2;
        return 0;
    }
    if (*p != '[') {
        p += *p == '\\';
        if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
            return *problem = "only printable ASCII other than quotes and backslashes",
                   ERR_INVALID;
        seen[(uint8_t)*p] = true;
        *at = p + 1;
        return 0;
    }
    for (p++; *p && *p != ']';) {
        int first = (uint8_t)*p++, last = first;

        if (p[0] == '-' && p[1] && p[1] != ']') {
            last = (uint8_t)p[1];
            p += 2;
        }
        if (first < 0x20 || last > 0x7e || first > last)
            return *problem = "a range like [a-z] runs upwards within printable ASCII",
                   ERR_INVALID;
        for (int c = first; c <= last; c++)
            if (c == '"' || c == '\\')
                return *problem = "quotes and backslashes are not allowed", ERR_INVALID;
            else
                seen[c] = true;
    }
    if (*p != ']')
        return *problem = "'[' without ']'", ERR_INVALID;
    *at = p + 1;
    return 0;
}

/* A subset of regular expressions without choice in length: "ORD-[A-Z]{3}\d{6}". */
int parse_pattern(struct arena *arena, const char *text, struct pattern_set **sets,
                  uint32_t *count, const char **problem)
{
    enum { POSITIONS_MAX = 256 };
    struct pattern_set *list = ARENA_ARRAY(arena, struct pattern_set, POSITIONS_MAX);
    uint32_t n = 0;

    if (!list)
        return ERR_NOMEM;
    while (*text) {
        bool seen[128];
        long times = 1;
        uint32_t len = 0;
        char *chars, *end;

        if (parse_class(&text, seen, problem))
            return ERR_INVALID;
        if (*text == '{') {
            times = strtol(text + 1, &end, 10);
            if (*end != '}' || times < 1)
                return *problem = "a repetition is a number in braces: [0-9]{4}", ERR_INVALID;
            text = end + 1;
        }
        if (times > (long)(POSITIONS_MAX - n))
            return *problem = "longer than 256 characters", ERR_INVALID;
        chars = arena_alloc(arena, 128);
        if (!chars)
            return ERR_NOMEM;
        for (int c = 0x20; c < 0x7f; c++)
            if (seen[c])
                chars[len++] = (char)c;
        if (len == 0)
            return *problem = "an empty class matches nothing", ERR_INVALID;
        while (times-- > 0)
            list[n++] = (struct pattern_set){chars, len};
    }
    *sets = list;
    *count = n;
    return 0;
}

/* Inverse of the normal distribution (P. J. Acklam's rational approximation, error below 1.2e-9
 * relative): the quantiles of normal and lognormal numbers are tabulated with it. */
double normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01,
                               2.445134137142996e+00, 3.754408661907416e+00};
    double q, r;

    if (p < 0.02425) {
        q = sqrt(-2 * log(p));
        return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
               ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    }
    if (p > 1 - 0.02425)
        return -normal_quantile(1 - p);
    q = p - 0.5;
    r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}
