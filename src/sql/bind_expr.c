/* bind_expr.c - expressions: names to columns, literals to types, operators to functions.
 *
 * Specification: Calcite's validator as Flink 1.20 sets it up; where the two of them print a plan,
 * types and column names here are those of that plan.
 */
#include <stdio.h>

#include "sql/bound.h"

struct bound_expr *bound_new(struct binder *b, enum bound_kind kind, struct sql_pos pos,
                             const struct sql_type *type)
{
    struct bound_expr *expr = BIND_NEW(b, struct bound_expr);

    if (!type)
        bind_nomem(b);
    expr->kind = kind;
    expr->pos = pos;
    expr->type = type;
    return expr;
}

struct bound_expr *bound_text(struct binder *b, struct sql_pos pos, const char *text)
{
    struct bound_expr *expr =
        bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, &sql_type_string, false));

    expr->literal = SQL_LIT_STRING;
    expr->text = text;
    expr->text_len = (uint32_t)strlen(text);
    return expr;
}

struct bound_expr *bound_null(struct binder *b, struct sql_pos pos, const struct sql_type *type)
{
    struct bound_expr *expr = bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, type, true));

    expr->literal = SQL_LIT_NULL;
    return expr;
}

struct bound_expr *bound_column(struct binder *b, struct sql_pos pos, struct bound_source *source,
                                size_t column)
{
    struct bound_expr *expr = bound_new(b, BOUND_COLUMN, pos, source->columns[column].type);

    expr->source = source;
    expr->column = column;
    return expr;
}

static struct bound_expr *with_args(struct binder *b, struct bound_expr *expr, size_t count)
{
    expr->args = BIND_ARRAY(b, struct bound_expr *, count);
    expr->arg_count = count;
    return expr;
}

/* Can the text of a number literal be written as `type` at once? 100 as DECIMAL(18, 2), 1 as
 * BIGINT: comparisons with columns then stay comparisons with constants. */
static bool literal_fits(const struct bound_expr *expr, const struct sql_type *type)
{
    const struct sql_type *from = expr->type;

    if (expr->kind != BOUND_LITERAL || expr->literal != SQL_LIT_EXACT)
        return false;
    if (sql_type_is_integer(type))
        return sql_type_is_integer(from) && from->kind <= type->kind;
    if (type->kind == SQL_DECIMAL) {
        int scale = from->kind == SQL_DECIMAL ? from->scale : 0;
        int whole = from->kind == SQL_DECIMAL
                        ? from->precision - scale
                        : (int)strspn(expr->text + (*expr->text == '-'), "0123456789");

        return type->scale >= scale && type->precision - type->scale >= whole;
    }
    return type->kind == SQL_DOUBLE;
}

struct bound_expr *bind_convert(struct binder *b, struct bound_expr *expr,
                                const struct sql_type *type)
{
    struct bound_expr *cast;

    if (sql_type_same(expr->type, type) || type->kind == SQL_NULL)
        return expr;
    if (expr->kind == BOUND_LITERAL && expr->literal == SQL_LIT_NULL) {
        expr->type = bind_nullable(b, type, true);
        return expr;
    }
    cast = bound_new(b, BOUND_CAST, expr->pos, bind_nullable(b, type, expr->type->nullable));
    if (literal_fits(expr, type)) {
        type = cast->type;
        *cast = *expr;
        cast->type = type;
        return cast;
    }
    with_args(b, cast, 1);
    cast->args[0] = expr;
    cast->implicit = true;
    return cast;
}

/* ---- equality (GROUP BY) --------------------------------------------------------------------- */

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool column_equal(const struct bound_expr *a, const struct bound_expr *b)
{
    size_t left, right;

    return bound_at(a, &left) == bound_at(b, &right) && left == right;
}

bool bound_equal(const struct bound_expr *a, const struct bound_expr *b)
{
    if (a == b)
        return true;
    if (a->kind == BOUND_COLUMN && b->kind == BOUND_COLUMN)
        return column_equal(a, b);
    if (a->kind != b->kind || !sql_type_same(a->type, b->type) || a->function != b->function ||
        a->arg_count != b->arg_count || a->literal != b->literal || a->negated != b->negated ||
        a->try_cast != b->try_cast || a->source != b->source || a->column != b->column ||
        a->query || b->query || a->over || b->over || a->filter || b->filter ||
        !text_equal(a->text, b->text))
        return false;
    for (size_t i = 0; i < a->arg_count; i++)
        if (!bound_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

/* ---- columns --------------------------------------------------------------------------------- */

struct found {
    struct bound_source *source;
    size_t column;
    size_t used; /* parts of the name */
    int count;
};

static void find_in_source(struct bound_source *source, const char *name, size_t used,
                           bool with_merged, struct found *found)
{
    for (size_t i = 0; i < source->column_count; i++) {
        if (strcmp(source->columns[i].name, name) || (source->columns[i].merged && !with_merged))
            continue;
        found->source = source;
        found->column = i;
        found->used = used;
        found->count++;
        return;
    }
}

/* alias.column, table.column, database.table.column, catalog.database.table.column */
static bool source_named(const struct bound_source *source, const struct sql_name *name,
                         size_t parts)
{
    const char *path[3];

    if (parts == 1 && source->alias)
        return !strcmp(source->alias, name->parts[0].text);
    if (parts > 3 || !source->table || (source->from && source->from->alias.text))
        return false;
    path[0] = source->table->catalog;
    path[1] = source->table->database;
    path[2] = source->table->name;
    for (size_t i = 0; i < parts; i++)
        if (!path[3 - parts + i] || strcmp(path[3 - parts + i], name->parts[i].text))
            return false;
    return true;
}

static struct found find_column(struct scope *scope, const struct sql_name *name)
{
    struct found found = {0};

    for (; scope && !found.count; scope = scope->outer) {
        for (size_t parts = name->count - 1; parts > 0 && !found.count; parts--)
            for (size_t i = 0; i < scope->count; i++)
                if (source_named(scope->sources[i], name, parts))
                    find_in_source(scope->sources[i], name->parts[parts].text, parts + 1, true,
                                   &found);
        if (!found.count)
            for (size_t i = 0; i < scope->count; i++)
                find_in_source(scope->sources[i], name->parts[0].text, 1, false, &found);
    }
    return found;
}

/* Columns and aliases that the user may have meant. */
static const char *nearest_column(struct binder *b, struct scope *scope, const char *name)
{
    size_t count = 0, at = 0;
    const char **known;

    for (struct scope *s = scope; s; s = s->outer)
        for (size_t i = 0; i < s->count; i++)
            count += s->sources[i]->column_count;
    known = BIND_ARRAY(b, const char *, count + 1);
    for (struct scope *s = scope; s; s = s->outer)
        for (size_t i = 0; i < s->count; i++)
            for (size_t k = 0; k < s->sources[i]->column_count; k++)
                known[at++] = s->sources[i]->columns[k].name;
    return sql_nearest(name, known, count);
}

static bool alias_exists(struct scope *scope, const struct sql_name *name)
{
    for (; scope; scope = scope->outer)
        for (size_t i = 0; i < scope->count; i++)
            if (source_named(scope->sources[i], name, 1))
                return true;
    return false;
}

static _Noreturn void no_column(struct binder *b, struct scope *scope, const struct sql_name *name)
{
    const struct sql_ident *part = &name->parts[0];
    const char *near;

    if (name->count > 1 && alias_exists(scope, name)) {
        part = &name->parts[1];
        near = nearest_column(b, scope, part->text);
        if (near)
            bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s` in `%s`; did you mean `%s`?",
                      part->text, name->parts[0].text, near);
        bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s` in `%s`", part->text,
                  name->parts[0].text);
    }
    near = nearest_column(b, scope, part->text);
    if (near)
        bind_fail(b, ERR_INVALID, part->pos, "unknown column `%s`; did you mean `%s`?", part->text,
                  near);
    bind_fail(b, ERR_INVALID, part->pos, "unknown %s `%s`",
              name->count > 1 ? "table or column" : "column", part->text);
}

static struct bound_expr *bind_field(struct binder *b, struct bound_expr *row,
                                     const struct sql_ident *name)
{
    const struct sql_type *type = row->type;
    struct bound_expr *expr;
    const char **known;
    const char *near;

    if (type->kind != SQL_ROW)
        bind_fail(b, ERR_INVALID, name->pos, "`%s` is no field: the value is %s", name->text,
                  bind_type_text(b, type));
    for (size_t i = 0; i < type->field_count; i++) {
        const struct sql_type *field = type->fields[i].type;

        if (strcmp(type->fields[i].name, name->text))
            continue;
        expr = with_args(b,
                         bound_new(b, BOUND_FIELD, name->pos,
                                   bind_nullable(b, field, field->nullable || type->nullable)),
                         1);
        expr->args[0] = row;
        expr->column = i;
        expr->text = type->fields[i].name;
        return expr;
    }
    known = BIND_ARRAY(b, const char *, type->field_count + 1);
    for (size_t i = 0; i < type->field_count; i++)
        known[i] = type->fields[i].name;
    near = sql_nearest(name->text, known, type->field_count);
    bind_fail(b, ERR_INVALID, name->pos, "unknown field `%s`%s%s%s", name->text,
              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

static struct bound_expr *bind_column(struct binder *b, struct scope *scope,
                                      const struct sql_expr *expr)
{
    struct found found;
    struct bound_expr *bound = b->params ? bind_param(b, expr) : NULL;

    if (bound)
        return bound;
    found = find_column(scope, &expr->name);
    if (found.count == 0)
        no_column(b, scope, &expr->name);
    if (found.count > 1)
        bind_fail(b, ERR_INVALID, expr->pos,
                  "column `%s` is ambiguous: more than one table here has it",
                  expr->name.parts[found.used - 1].text);
    bound = found.used == 1 ? bound_united(b, expr->pos, found.source, found.column)
                            : bound_column(b, expr->pos, found.source, found.column);
    for (size_t i = found.used; i < expr->name.count; i++)
        bound = bind_field(b, bound, &expr->name.parts[i]);
    return bound;
}

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

static struct bound_expr *bind_literal(struct binder *b, const struct sql_expr *expr)
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

/* -5 is a literal, so that -2147483648 is one too. */
static struct bound_expr *bind_negative(struct binder *b, struct bound_expr *arg)
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

static struct bound_expr *text_as(struct binder *b, struct bound_expr *text,
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

/* Flink compares text with times by reading the text, and with numbers where order is asked for;
 * it refuses `number = text`. */
static struct bound_expr *compare(struct binder *b, struct sql_pos pos, const char *name,
                                  struct bound_expr *left, struct bound_expr *right)
{
    bool ordering = name[0] == '>' || (name[0] == '<' && name[1] != '>');
    struct bound_expr **text = sql_type_is_text(left->type) ? &left : &right;
    const struct sql_type *other = text == &left ? right->type : left->type;

    if (sql_type_is_text((*text)->type) &&
        (sql_type_is_temporal(other) || (ordering && sql_type_is_numeric(other))))
        *text = text_as(b, *text, other);
    return bind_function2(b, pos, name, left, right);
}

/* ---- operators ------------------------------------------------------------------------------- */

static const char *const op_names[SQL_OP_COUNT] = {
    [SQL_OP_OR] = "OR",
    [SQL_OP_AND] = "AND",
    [SQL_OP_NOT] = "NOT",
    [SQL_OP_EQ] = "=",
    [SQL_OP_NE] = "<>",
    [SQL_OP_LT] = "<",
    [SQL_OP_LE] = "<=",
    [SQL_OP_GT] = ">",
    [SQL_OP_GE] = ">=",
    [SQL_OP_PLUS] = "+",
    [SQL_OP_MINUS] = "-",
    [SQL_OP_TIMES] = "*",
    [SQL_OP_DIVIDE] = "/",
    [SQL_OP_MODULO] = "%",
    [SQL_OP_CONCAT] = "||",
    [SQL_OP_POSITIVE] = "U+",
    [SQL_OP_NEGATIVE] = "U-",
    [SQL_OP_LIKE] = "LIKE",
    [SQL_OP_SIMILAR] = "SIMILAR TO",
};

static struct bound_expr *negate(struct binder *b, struct bound_expr *expr, bool negated)
{
    return negated ? bind_function2(b, expr->pos, "NOT", expr, NULL) : expr;
}

/* (a, b) = (c, d): field by field, as Flink does it. */
static struct bound_expr *bind_row_equal(struct binder *b, struct scope *scope,
                                         const struct sql_expr *expr)
{
    const struct sql_expr *left = expr->args.list[0], *right = expr->args.list[1];
    struct bound_expr *all = NULL;

    if (left->args.count != right->args.count)
        bind_fail(b, ERR_INVALID, expr->pos, "the rows have %zu and %zu values", left->args.count,
                  right->args.count);
    for (size_t i = 0; i < left->args.count; i++) {
        struct bound_expr *one = compare(b, expr->pos, "=", bind_expr(b, scope, left->args.list[i]),
                                         bind_expr(b, scope, right->args.list[i]));

        all = all ? bind_function2(b, expr->pos, "AND", all, one) : one;
    }
    return negate(b, all, expr->op == SQL_OP_NE);
}

/* The end of a period whose second part may be an interval. */
static struct bound_expr *period_end(struct binder *b, struct bound_expr *start,
                                     struct bound_expr *end)
{
    return sql_type_is_interval(end->type) ? bind_function2(b, end->pos, "+", start, end) : end;
}

static struct bound_expr *bind_overlaps(struct binder *b, struct scope *scope,
                                        const struct sql_expr *expr)
{
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 4);

    for (size_t side = 0; side < 2; side++) {
        const struct sql_expr *row = expr->args.list[side];

        if ((row->kind != SQL_EXPR_ROW && row->kind != SQL_EXPR_PERIOD) || row->args.count != 2)
            bind_fail(b, ERR_INVALID, row->pos, "OVERLAPS takes (start, end) on both sides");
        args[side * 2] = bind_expr(b, scope, row->args.list[0]);
        args[side * 2 + 1] = period_end(b, args[side * 2], bind_expr(b, scope, row->args.list[1]));
    }
    return bind_function(b, expr->pos, "OVERLAPS", args, 4);
}

/* AND and OR of many: as a balanced tree, for the depth of the walks to come. */
static struct bound_expr *balance(struct binder *b, struct sql_pos pos, const char *name,
                                  struct bound_expr **parts, size_t count)
{
    size_t half = count / 2;

    if (count == 1)
        return parts[0];
    return bind_function2(b, pos, name, balance(b, pos, name, parts, half),
                          balance(b, pos, name, parts + half, count - half));
}

static struct bound_expr *bind_logical(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr)
{
    struct bound_expr **parts = BIND_ARRAY(b, struct bound_expr *, expr->args.count);

    for (size_t i = 0; i < expr->args.count; i++)
        parts[i] = bind_expr(b, scope, expr->args.list[i]);
    return balance(b, expr->pos, op_names[expr->op], parts, expr->args.count);
}

static struct bound_expr *bind_operator(struct binder *b, struct scope *scope,
                                        const struct sql_expr *expr)
{
    const struct sql_exprs *args = &expr->args;
    struct bound_expr *bound;

    if (expr->op == SQL_OP_OVERLAPS)
        return bind_overlaps(b, scope, expr);
    if (!op_names[expr->op])
        bind_fail(b, ERR_UNSUPPORTED, expr->pos,
                  "operators on multisets and periods are not built yet");
    if ((expr->op == SQL_OP_EQ || expr->op == SQL_OP_NE) && args->list[0]->kind == SQL_EXPR_ROW &&
        args->list[1]->kind == SQL_EXPR_ROW)
        return bind_row_equal(b, scope, expr);
    if (expr->op == SQL_OP_AND || expr->op == SQL_OP_OR)
        return bind_logical(b, scope, expr);
    bound = bind_expr(b, scope, args->list[0]);
    if (expr->op == SQL_OP_NEGATIVE)
        return bind_negative(b, bound);
    if (expr->op >= SQL_OP_EQ && expr->op <= SQL_OP_GE)
        return compare(b, expr->pos, op_names[expr->op], bound, bind_expr(b, scope, args->list[1]));
    return bind_function2(b, expr->pos, op_names[expr->op], bound,
                          args->count > 1 ? bind_expr(b, scope, args->list[1]) : NULL);
}

static struct bound_expr *bind_like(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 3);

    for (size_t i = 0; i < expr->args.count; i++)
        args[i] = bind_expr(b, scope, expr->args.list[i]);
    return negate(b, bind_function(b, expr->pos, op_names[expr->op], args, expr->args.count),
                  expr->negated);
}

static struct bound_expr *between(struct binder *b, struct sql_pos pos, struct bound_expr *value,
                                  struct bound_expr *low, struct bound_expr *high)
{
    return bind_function2(b, pos, "AND", compare(b, pos, ">=", value, low),
                          compare(b, pos, "<=", value, high));
}

static struct bound_expr *bind_between(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr)
{
    struct bound_expr *value = bind_expr(b, scope, expr->args.list[0]);
    struct bound_expr *low = bind_expr(b, scope, expr->args.list[1]);
    struct bound_expr *high = bind_expr(b, scope, expr->args.list[2]);
    struct bound_expr *bound = between(b, expr->pos, value, low, high);

    if (expr->symmetric)
        bound = bind_function2(b, expr->pos, "OR", bound, between(b, expr->pos, value, high, low));
    return negate(b, bound, expr->negated);
}

/* All of one type; floats go one by one, since Java's equality of NaN is not DuckDB's. */
static struct bound_expr *bind_in(struct binder *b, struct scope *scope,
                                  const struct sql_expr *expr)
{
    size_t count = expr->args.count;
    struct bound_expr *in, *any = NULL;
    const struct sql_type *type = NULL;
    bool nullable = false;

    if (expr->query)
        return bind_in_query(b, scope, expr);
    in = with_args(b, bound_new(b, BOUND_IN, expr->pos, &sql_type_boolean), count);
    for (size_t i = 0; i < count; i++) {
        in->args[i] = bind_expr(b, scope, expr->args.list[i]);
        if (i && sql_type_is_text(in->args[i]->type) &&
            (sql_type_is_temporal(in->args[0]->type) || sql_type_is_numeric(in->args[0]->type)))
            in->args[i] = text_as(b, in->args[i], in->args[0]->type);
        nullable = nullable || in->args[i]->type->nullable;
        type = type ? sql_type_common(b->arena, type, in->args[i]->type) : in->args[i]->type;
        if (!type)
            bind_fail(b, ERR_INVALID, in->args[i]->pos, "%s and %s cannot be compared",
                      bind_type_text(b, in->args[0]->type), bind_type_text(b, in->args[i]->type));
    }
    if (type->kind == SQL_FLOAT || type->kind == SQL_DOUBLE) {
        for (size_t i = 1; i < count; i++) {
            struct bound_expr *one = bind_function2(b, expr->pos, "=", in->args[0], in->args[i]);

            any = any ? bind_function2(b, expr->pos, "OR", any, one) : one;
        }
        return negate(b, any, expr->negated);
    }
    for (size_t i = 0; i < count; i++)
        in->args[i] = bind_convert(b, in->args[i], type);
    in->type = bind_nullable(b, &sql_type_boolean, nullable);
    in->negated = expr->negated;
    return in;
}

static struct bound_expr *bind_is(struct binder *b, struct scope *scope,
                                  const struct sql_expr *expr)
{
    static const char *const names[][2] = {
        [SQL_IS_NULL] = {"IS NULL", "IS NOT NULL"},
        [SQL_IS_TRUE] = {"IS TRUE", "IS NOT TRUE"},
        [SQL_IS_FALSE] = {"IS FALSE", "IS NOT FALSE"},
        [SQL_IS_UNKNOWN] = {"IS UNKNOWN", "IS NOT UNKNOWN"},
        [SQL_IS_DISTINCT] = {"IS DISTINCT FROM", "IS NOT DISTINCT FROM"},
        [SQL_IS_JSON_VALUE] = {"IS JSON VALUE", NULL},
        [SQL_IS_JSON_OBJECT] = {"IS JSON OBJECT", NULL},
        [SQL_IS_JSON_ARRAY] = {"IS JSON ARRAY", NULL},
        [SQL_IS_JSON_SCALAR] = {"IS JSON SCALAR", NULL},
    };
    struct bound_expr *left = bind_expr(b, scope, expr->args.list[0]), *right = NULL;

    if (expr->is >= COUNT_OF(names))
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "IS A SET and IS EMPTY are not built yet");
    if (expr->args.count > 1)
        right = bind_expr(b, scope, expr->args.list[1]);
    if (expr->negated && !names[expr->is][1])
        return negate(b, bind_function2(b, expr->pos, names[expr->is][0], left, right), true);
    return bind_function2(b, expr->pos, names[expr->is][expr->negated], left, right);
}

/* ---- structures ------------------------------------------------------------------------------ */

/* CASE x WHEN a, b THEN ...: (x = a OR x = b) */
static struct bound_expr *case_condition(struct binder *b, struct scope *scope,
                                         struct bound_expr *value, const struct sql_expr *when)
{
    struct bound_expr *any = NULL;

    if (!value)
        return bind_condition(b, scope, when, "WHEN");
    if (when->kind != SQL_EXPR_ROW || !when->any)
        return compare(b, when->pos, "=", value, bind_expr(b, scope, when));
    for (size_t i = 0; i < when->args.count; i++) {
        struct bound_expr *one =
            compare(b, when->pos, "=", value, bind_expr(b, scope, when->args.list[i]));

        any = any ? bind_function2(b, when->pos, "OR", any, one) : one;
    }
    return any;
}

static struct bound_expr *bind_case(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    size_t from = expr->has_value, count = expr->args.count - from;
    struct bound_expr *value = expr->has_value ? bind_expr(b, scope, expr->args.list[0]) : NULL;
    struct bound_expr *bound =
        with_args(b, bound_new(b, BOUND_CASE, expr->pos, &sql_type_null), count + !expr->has_else);
    const struct sql_type *type = NULL;

    for (size_t i = 0; i < bound->arg_count; i++) {
        bool last = i + 1 == bound->arg_count;

        if (i % 2 == 0 && !last) {
            bound->args[i] = case_condition(b, scope, value, expr->args.list[from + i]);
            continue;
        }
        bound->args[i] = last && !expr->has_else ? bound_null(b, expr->pos, &sql_type_null)
                                                 : bind_expr(b, scope, expr->args.list[from + i]);
        type = type ? sql_type_common(b->arena, type, bound->args[i]->type) : bound->args[i]->type;
        if (!type)
            bind_fail(b, ERR_INVALID, bound->args[i]->pos,
                      "the results of this CASE have no common type: %s",
                      bind_type_text(b, bound->args[i]->type));
    }
    for (size_t i = 0; i < bound->arg_count; i++)
        if (i % 2 == 1 || i + 1 == bound->arg_count)
            bound->args[i] = bind_convert(b, bound->args[i], type);
    bound->type = type;
    return bound;
}

static struct bound_expr *bind_cast(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    struct bound_expr *arg = bind_expr(b, scope, expr->args.list[0]), *cast;
    const struct sql_type *type =
        bind_nullable(b, expr->type, arg->type->nullable || expr->try_cast);

    if (expr->format)
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "CAST ... FORMAT does not exist in Flink 1.20");
    if (expr->type->kind == SQL_TIMESTAMP_TZ)
        bind_fail(b, ERR_UNSUPPORTED, expr->pos,
                  "Flink has no values of TIMESTAMP WITH TIME ZONE: TIMESTAMP_LTZ");
    if (!sql_type_castable(arg->type, type))
        bind_fail(b, ERR_INVALID, expr->pos, "%s cannot be cast to %s",
                  bind_type_text(b, arg->type), bind_type_text(b, type));
    if (arg->kind == BOUND_LITERAL && arg->literal == SQL_LIT_NULL)
        return bound_null(b, expr->pos, type);
    cast = with_args(b, bound_new(b, BOUND_CAST, expr->pos, type), 1);
    cast->args[0] = arg;
    cast->try_cast = expr->try_cast;
    return cast;
}

static struct bound_expr *bind_constructor(struct binder *b, struct scope *scope,
                                           const struct sql_expr *expr, const char *name)
{
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, expr->args.count + 1);

    if (expr->query)
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "%s of a query is not built yet", name);
    for (size_t i = 0; i < expr->args.count; i++)
        args[i] = bind_expr(b, scope, expr->args.list[i]);
    return bind_function(b, expr->pos, name, args, expr->args.count);
}

static struct bound_expr *bind_item(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    struct bound_expr *value = bind_expr(b, scope, expr->args.list[0]);
    const struct sql_expr *key = expr->args.list[1];

    if (value->type->kind == SQL_ROW && key->kind == SQL_EXPR_LITERAL &&
        key->literal == SQL_LIT_STRING) {
        struct sql_ident name = {.text = key->text, .pos = key->pos};

        return bind_field(b, value, &name);
    }
    return bind_function2(b, expr->pos, "ITEM", value, bind_expr(b, scope, key));
}

static struct bound_expr *bind_subquery(struct binder *b, struct scope *scope,
                                        const struct sql_expr *expr)
{
    struct sql_bound *query = bind_query(b, scope, expr->query);
    struct bound_expr *bound;

    if (query->output_count != 1)
        bind_fail(b, ERR_INVALID, expr->pos, "a query used as a value has one column, not %zu",
                  query->output_count);
    bound = bound_new(b, BOUND_SUBQUERY, expr->pos, bind_nullable(b, query->outputs[0].type, true));
    bound->query = query;
    return bound;
}

static struct bound_expr *bind_exists(struct binder *b, struct scope *scope,
                                      const struct sql_expr *expr)
{
    struct bound_expr *bound =
        bound_new(b, BOUND_EXISTS, expr->pos, bind_nullable(b, &sql_type_boolean, false));

    bound->query = bind_query(b, scope, expr->query);
    return bound;
}

static struct bound_expr *bind_kind(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_EXPR_LITERAL:
        return bind_literal(b, expr);
    case SQL_EXPR_COLUMN:
        return bind_column(b, scope, expr);
    case SQL_EXPR_UNARY:
    case SQL_EXPR_BINARY:
        return bind_operator(b, scope, expr);
    case SQL_EXPR_LIKE:
        return bind_like(b, scope, expr);
    case SQL_EXPR_BETWEEN:
        return bind_between(b, scope, expr);
    case SQL_EXPR_IN:
        return bind_in(b, scope, expr);
    case SQL_EXPR_IS:
        return bind_is(b, scope, expr);
    case SQL_EXPR_CALL:
        return bind_call(b, scope, expr);
    case SQL_EXPR_CASE:
        return bind_case(b, scope, expr);
    case SQL_EXPR_CAST:
        return bind_cast(b, scope, expr);
    case SQL_EXPR_ROW:
        return bind_constructor(b, scope, expr, "ROW");
    case SQL_EXPR_ARRAY:
        return bind_constructor(b, scope, expr, "ARRAY");
    case SQL_EXPR_MAP:
        return bind_constructor(b, scope, expr, "MAP");
    case SQL_EXPR_FIELD:
        return bind_field(b, bind_expr(b, scope, expr->args.list[0]), &expr->name.parts[0]);
    case SQL_EXPR_ITEM:
        return bind_item(b, scope, expr);
    case SQL_EXPR_SUBQUERY:
        return bind_subquery(b, scope, expr);
    case SQL_EXPR_EXISTS:
        return bind_exists(b, scope, expr);
    case SQL_EXPR_SYMBOL: {
        struct bound_expr *symbol = bound_new(b, BOUND_SYMBOL, expr->pos, &sql_type_null);

        symbol->text = expr->text;
        return symbol;
    }
    case SQL_EXPR_STAR:
        bind_fail(b, ERR_INVALID, expr->pos, "* stands only in a SELECT list");
    case SQL_EXPR_NAMED:
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "named arguments are not built yet");
    case SQL_EXPR_QUANTIFIED:
        return bind_quantified(b, scope, expr);
    case SQL_EXPR_MULTISET:
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "MULTISET[...] is not built yet");
    default:
        bind_fail(b, ERR_INVALID, expr->pos, "this cannot stand here");
    }
}

struct bound_expr *bind_expr(struct binder *b, struct scope *scope, const struct sql_expr *expr)
{
    struct bound_expr *bound;

    bind_enter(b, expr->pos);
    bound = bind_kind(b, scope, expr);
    bind_leave(b);
    return bound;
}

struct bound_expr *bind_condition(struct binder *b, struct scope *scope,
                                  const struct sql_expr *expr, const char *where)
{
    struct bound_expr *bound = bind_expr(b, scope, expr);

    if (bound->type->kind == SQL_NULL)
        bound->type = &sql_type_boolean;
    if (bound->type->kind != SQL_BOOLEAN)
        bind_fail(b, ERR_INVALID, expr->pos, "%s takes a condition, not %s", where,
                  bind_type_text(b, bound->type));
    return bound;
}
