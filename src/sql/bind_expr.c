/* bind_expr.c - expressions: operators and structures to functions; names and literals: beside it.
 *
 * Specification: Calcite's validator as Flink 1.20 sets it up; where the two of them print a plan,
 * types and column names here are those of that plan.
 */
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

struct bound_expr *bound_with_args(struct binder *b, struct bound_expr *expr, size_t count)
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
    bound_with_args(b, cast, 1);
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
        struct bound_expr *one =
            bind_compare(b, expr->pos, "=", bind_expr(b, scope, left->args.list[i]),
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
        return bind_compare(b, expr->pos, op_names[expr->op], bound,
                            bind_expr(b, scope, args->list[1]));
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
    return bind_function2(b, pos, "AND", bind_compare(b, pos, ">=", value, low),
                          bind_compare(b, pos, "<=", value, high));
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
    in = bound_with_args(b, bound_new(b, BOUND_IN, expr->pos, &sql_type_boolean), count);
    for (size_t i = 0; i < count; i++) {
        in->args[i] = bind_expr(b, scope, expr->args.list[i]);
        if (i && sql_type_is_text(in->args[i]->type) &&
            (sql_type_is_temporal(in->args[0]->type) || sql_type_is_numeric(in->args[0]->type)))
            in->args[i] = bind_text_as(b, in->args[i], in->args[0]->type);
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
        return bind_compare(b, when->pos, "=", value, bind_expr(b, scope, when));
    for (size_t i = 0; i < when->args.count; i++) {
        struct bound_expr *one =
            bind_compare(b, when->pos, "=", value, bind_expr(b, scope, when->args.list[i]));

        any = any ? bind_function2(b, when->pos, "OR", any, one) : one;
    }
    return any;
}

static struct bound_expr *bind_case(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    size_t from = expr->has_value, count = expr->args.count - from;
    struct bound_expr *value = expr->has_value ? bind_expr(b, scope, expr->args.list[0]) : NULL;
    struct bound_expr *bound = bound_with_args(
        b, bound_new(b, BOUND_CASE, expr->pos, &sql_type_null), count + !expr->has_else);
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
    cast = bound_with_args(b, bound_new(b, BOUND_CAST, expr->pos, type), 1);
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
