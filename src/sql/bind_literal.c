/* bind_literal.c - literals: their types, whether they name a time that there is, and text that is
 * compared with something else.
 */
#include <stdio.h>

#include "sql/bound.h"

/* ---- literals -------------------------------------------------------------------------------- */

static const struct sql_type *number_type(struct binder *b, const struct sql_expr *expr)
{
    const char *text = expr->text, *dot = strchr(text, '.');
    size_t len = strlen(text);
    int64_t value;
    int scale;

    if (!dot) {
        while (*text == '0' && text[1])
            text++;
        if (slice_to_i64(slice_str(text), &value) == 0)
            return value <= INT32_MAX ? &sql_type_int : &sql_type_bigint;
        len = strlen(text);
        if (len > SQL_DECIMAL_MAX)
            bind_fail(b, ERR_INVALID, expr->pos, "%s has more than 38 digits", expr->text);
        return sql_type_decimal(b->arena, (int)len, 0);
    }
    scale = (int)(len - (size_t)(dot - text) - 1);
    if (len - 1 > SQL_DECIMAL_MAX)
        bind_fail(b, ERR_INVALID, expr->pos, "%s has more than 38 digits", expr->text);
    return sql_type_decimal(b->arena, (int)len - 1, scale);
}

static int code_points(const char *text, uint32_t len)
{
    int count = 0;

    for (uint32_t i = 0; i < len; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

/* Digits behind the point of '12:00:00.123'. */
static int fraction_digits(const char *text)
{
    const char *dot = strchr(text, '.');
    int count = dot ? (int)strspn(dot + 1, "0123456789") : 0;

    return count > 9 ? 9 : count;
}

static const struct sql_type *literal_type(struct binder *b, const struct sql_expr *expr)
{
    switch (expr->literal) {
    case SQL_LIT_NULL:
        return &sql_type_null;
    case SQL_LIT_BOOLEAN:
        return &sql_type_boolean;
    case SQL_LIT_EXACT:
        return number_type(b, expr);
    case SQL_LIT_APPROX:
        return &sql_type_double;
    case SQL_LIT_STRING:
        return sql_type_of(b->arena, SQL_CHAR, code_points(expr->text, expr->count_bytes));
    case SQL_LIT_BINARY:
        return sql_type_of(b->arena, SQL_BINARY, (int)(strlen(expr->text) / 2));
    case SQL_LIT_DATE:
        return &sql_type_date;
    case SQL_LIT_TIME:
        return sql_type_of(b->arena, SQL_TIME, fraction_digits(expr->text));
    case SQL_LIT_TIMESTAMP:
        return sql_type_of(b->arena, SQL_TIMESTAMP, fraction_digits(expr->text));
    default:
        return expr->type;
    }
}

/* yyyy-mm-dd, hh:mm:ss[.f], both with a blank between: what a literal must look like, and be. */
static bool date_valid(const char *text, const char **end)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, len = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &len) != 3 || !len || year < 1 ||
        month < 1 || month > 12 || day < 1)
        return false;
    *end = text + len;
    return day <=
           days[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static bool time_valid(const char *text)
{
    int hour, minute, second, len = 0;

    if (sscanf(text, "%2d:%2d:%2d%n", &hour, &minute, &second, &len) != 3 || !len)
        return false;
    text += len;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    return !*text && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 &&
           second < 60;
}

static void check_temporal(struct binder *b, const struct sql_expr *expr)
{
    const char *end = expr->text;
    bool good;

    if (expr->literal == SQL_LIT_DATE)
        good = date_valid(expr->text, &end) && !*end;
    else if (expr->literal == SQL_LIT_TIME)
        good = time_valid(expr->text);
    else
        good = date_valid(expr->text, &end) && *end == ' ' && time_valid(end + 1);
    if (!good)
        bind_fail(b, ERR_INVALID, expr->pos, "'%s' is no %s", expr->text,
                  expr->literal == SQL_LIT_DATE   ? "date: yyyy-MM-dd"
                  : expr->literal == SQL_LIT_TIME ? "time: HH:mm:ss"
                                                  : "timestamp: yyyy-MM-dd HH:mm:ss");
}

/* '1-2', '3 04:05:06.7' by the units of the type, as months or microseconds in decimal text. */
static void interval_value(struct binder *b, const struct sql_expr *expr, struct bound_expr *bound)
{
    static const int64_t micros[] = {[SQL_WEEK] = 604800000000,
                                     [SQL_DAY] = 86400000000,
                                     [SQL_HOUR] = 3600000000,
                                     [SQL_MINUTE] = 60000000,
                                     [SQL_SECOND] = 1000000};
    static const char seps[] = {
        [SQL_MONTH] = '-', [SQL_HOUR] = ' ', [SQL_MINUTE] = ':', [SQL_SECOND] = ':'};
    const struct sql_type *type = expr->type;
    enum sql_unit to = type->to ? type->to : type->from;
    const char *text = expr->text;
    bool negative = expr->negative;
    int64_t total = 0;

    if (*text == '-' || *text == '+')
        negative ^= *text++ == '-';
    for (enum sql_unit unit = type->from; unit <= to; unit++) {
        size_t len;
        int64_t value;

        if (unit == SQL_WEEK && unit != type->from)
            continue;
        if (unit == SQL_QUARTER && unit != type->from)
            continue;
        if (unit != type->from && *text++ != seps[unit])
            goto bad;
        len = strspn(text, "0123456789");
        if (!len || len > 12 || slice_to_i64(slice_of(text, len), &value))
            goto bad;
        text += len;
        if (type->kind == SQL_INTERVAL_YM)
            total += value * (unit == SQL_YEAR ? 12 : unit == SQL_QUARTER ? 3 : 1);
        else
            total += value * micros[unit];
        if (unit == SQL_SECOND && *text == '.') {
            int64_t place = 100000;

            for (text++; *text >= '0' && *text <= '9'; text++, place /= 10)
                total += (*text - '0') * place;
        }
    }
    if (*text)
        goto bad;
    bound->text = arena_printf(b->arena, "%" PRId64, negative ? -total : total);
    if (!bound->text)
        bind_nomem(b);
    return;
bad:
    bind_fail(b, ERR_INVALID, expr->pos, "'%s' is no value of %s", expr->text,
              bind_type_text(b, type));
}

struct bound_expr *bind_literal(struct binder *b, const struct sql_expr *expr)
{
    const struct sql_type *type = literal_type(b, expr);
    bool null =
        expr->literal == SQL_LIT_NULL || (expr->literal == SQL_LIT_BOOLEAN && expr->text[0] == 'U');
    struct bound_expr *bound = bound_new(b, BOUND_LITERAL, expr->pos, bind_nullable(b, type, null));

    bound->literal = null ? SQL_LIT_NULL : expr->literal;
    bound->text = expr->text;
    bound->text_len = expr->count_bytes;
    if (expr->literal == SQL_LIT_DATE || expr->literal == SQL_LIT_TIME ||
        expr->literal == SQL_LIT_TIMESTAMP)
        check_temporal(b, expr);
    if (expr->literal == SQL_LIT_INTERVAL)
        interval_value(b, expr, bound);
    return bound;
}

struct bound_expr *bind_negative(struct binder *b, struct bound_expr *arg)
{
    if (arg->kind == BOUND_LITERAL &&
        (arg->literal == SQL_LIT_EXACT || arg->literal == SQL_LIT_APPROX) && arg->text[0] != '-') {
        struct bound_expr *bound = bound_new(b, BOUND_LITERAL, arg->pos, arg->type);

        bound->literal = arg->literal;
        bound->text = arena_printf(b->arena, "-%s", arg->text);
        if (!bound->text)
            bind_nomem(b);
        /* The least INT and BIGINT are one further from zero than the greatest. */
        if (!strcmp(bound->text, "-2147483648"))
            bound->type = sql_type_nullable(b->arena, &sql_type_int, arg->type->nullable);
        else if (!strcmp(bound->text, "-9223372036854775808"))
            bound->type = sql_type_nullable(b->arena, &sql_type_bigint, arg->type->nullable);
        return bound;
    }
    return bind_function2(b, arg->pos, "U-", arg, NULL);
}

/* ---- comparing text with something else ------------------------------------------------------ */

/* '2020-01-01' where a date or a timestamp is wanted: the literal of that type. */
static struct bound_expr *temporal_literal(struct binder *b, struct bound_expr *text,
                                           const struct sql_type *type)
{
    const char *end = text->text;
    struct bound_expr *literal;
    bool good;

    if (type->kind == SQL_TIMESTAMP_LTZ)
        return NULL; /* depends on the session's zone: a cast */
    if (type->kind == SQL_TIME)
        good = time_valid(text->text);
    else
        good = date_valid(text->text, &end) &&
               (!*end || (type->kind == SQL_TIMESTAMP && *end == ' ' && time_valid(end + 1)));
    if (!good || strlen(text->text) != text->text_len)
        bind_fail(b, ERR_INVALID, text->pos, "'%s' cannot be compared with %s", text->text,
                  bind_type_text(b, type));
    literal = bound_new(b, BOUND_LITERAL, text->pos, bind_nullable(b, type, false));
    literal->literal = type->kind == SQL_DATE   ? SQL_LIT_DATE
                       : type->kind == SQL_TIME ? SQL_LIT_TIME
                                                : SQL_LIT_TIMESTAMP;
    literal->text = text->text;
    return literal;
}

struct bound_expr *bind_text_as(struct binder *b, struct bound_expr *text,
                                const struct sql_type *type)
{
    struct bound_expr *literal =
        text->kind == BOUND_LITERAL && text->literal == SQL_LIT_STRING && sql_type_is_temporal(type)
            ? temporal_literal(b, text, type)
            : NULL;

    if (literal)
        return literal;
    literal = bind_convert(b, text, bind_nullable(b, type, text->type->nullable));
    return literal;
}

struct bound_expr *bind_compare(struct binder *b, struct sql_pos pos, const char *name,
                                struct bound_expr *left, struct bound_expr *right)
{
    bool ordering = name[0] == '>' || (name[0] == '<' && name[1] != '>');
    struct bound_expr **text = sql_type_is_text(left->type) ? &left : &right;
    const struct sql_type *other = text == &left ? right->type : left->type;

    if (sql_type_is_text((*text)->type) &&
        (sql_type_is_temporal(other) || (ordering && sql_type_is_numeric(other))))
        *text = bind_text_as(b, *text, other);
    return bind_function2(b, pos, name, left, right);
}
