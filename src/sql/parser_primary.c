/* parser_primary.c - operands: literals, columns, rows, subqueries, CASE, CAST, constructors, and
 * what may follow an operand: .field and [item].
 */
#include "sql/sql_int.h"

static const struct {
    enum keyword one, many;
    enum sql_unit unit;
} units[] = {
    {KW_YEAR, KW_YEARS, SQL_YEAR},       {KW_QUARTER, NO_KEYWORD, SQL_QUARTER},
    {KW_MONTH, KW_MONTHS, SQL_MONTH},    {KW_WEEK, NO_KEYWORD, SQL_WEEK},
    {KW_DAY, KW_DAYS, SQL_DAY},          {KW_HOUR, KW_HOURS, SQL_HOUR},
    {KW_MINUTE, KW_MINUTES, SQL_MINUTE}, {KW_SECOND, KW_SECONDS, SQL_SECOND},
};

enum sql_unit parse_unit(struct parser *p)
{
    enum keyword word = peek(p)->keyword;

    for (size_t i = 0; word && i < COUNT_OF(units); i++) {
        if (units[i].one == word || units[i].many == word) {
            next(p);
            return units[i].unit;
        }
    }
    return SQL_UNIT_NONE;
}

/* Units that only functions know: EXTRACT(EPOCH FROM t), TIMESTAMPADD(SQL_TSI_DAY, 1, t). */
static const struct {
    enum keyword keyword;
    const char *name;
} function_units[] = {
    {KW_MILLISECOND, "MILLISECOND"},
    {KW_MICROSECOND, "MICROSECOND"},
    {KW_NANOSECOND, "NANOSECOND"},
    {KW_FRAC_SECOND, "MICROSECOND"},
    {KW_EPOCH, "EPOCH"},
    {KW_DECADE, "DECADE"},
    {KW_CENTURY, "CENTURY"},
    {KW_MILLENNIUM, "MILLENNIUM"},
    {KW_DOW, "DOW"},
    {KW_DOY, "DOY"},
    {KW_ISODOW, "ISODOW"},
    {KW_ISOYEAR, "ISOYEAR"},
    {KW_SQL_TSI_FRAC_SECOND, "MICROSECOND"},
    {KW_SQL_TSI_MICROSECOND, "MICROSECOND"},
    {KW_SQL_TSI_SECOND, "SECOND"},
    {KW_SQL_TSI_MINUTE, "MINUTE"},
    {KW_SQL_TSI_HOUR, "HOUR"},
    {KW_SQL_TSI_DAY, "DAY"},
    {KW_SQL_TSI_WEEK, "WEEK"},
    {KW_SQL_TSI_MONTH, "MONTH"},
    {KW_SQL_TSI_QUARTER, "QUARTER"},
    {KW_SQL_TSI_YEAR, "YEAR"},
};

struct sql_expr *parse_unit_symbol(struct parser *p)
{
    const struct token *token = peek(p);
    struct sql_expr *symbol = expr_new(p, SQL_EXPR_SYMBOL, token->pos);

    for (size_t i = 0; token->keyword && i < COUNT_OF(units); i++)
        if (units[i].one == token->keyword || units[i].many == token->keyword)
            symbol->text = keyword_text(units[i].one);
    for (size_t i = 0; token->keyword && i < COUNT_OF(function_units); i++)
        if (function_units[i].keyword == token->keyword)
            symbol->text = function_units[i].name;
    if (!symbol->text)
        parse_expected(p, "a time unit (YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, ...)");
    next(p);
    return symbol;
}

/* ---- literals -------------------------------------------------------------------------------- */

static struct sql_expr *literal_new(struct parser *p, enum sql_literal kind)
{
    const struct token *token = next(p);
    struct sql_expr *expr = expr_new(p, SQL_EXPR_LITERAL, token->pos);

    expr->literal = kind;
    expr->text = token->value;
    expr->count_bytes = token->value_len;
    return expr;
}

/* DATE '2020-01-31': the word, then a string. */
static struct sql_expr *typed_literal(struct parser *p, enum sql_literal kind)
{
    struct sql_pos pos = next(p)->pos;
    struct sql_expr *expr;

    expr = expr_new(p, SQL_EXPR_LITERAL, pos);
    expr->literal = kind;
    expr->text = parse_string(p, "a string");
    return expr;
}

/* INTERVAL [-] 'text' DAY(3) TO SECOND(6) */
struct sql_expr *parse_interval(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_LITERAL, peek(p)->pos);
    const struct token *token;
    struct sql_type *type;

    next(p);
    expr->literal = SQL_LIT_INTERVAL;
    if (accept_kind(p, TOK_MINUS))
        expr->negative = true;
    else
        accept_kind(p, TOK_PLUS);
    token = peek(p);
    if (token->kind == TOK_EXACT)
        parse_fail(p, token, "the value of an interval stands in quotes: INTERVAL '%s' ...",
                   token->value);
    expr->text = parse_string(p, "the value of the interval in quotes");
    type = PARSE_NEW(p, struct sql_type);
    parse_interval_type(p, type);
    expr->type = type;
    return expr;
}

static bool string_follows(const struct parser *p)
{
    return peek_at(p, 1)->kind == TOK_STRING;
}

struct sql_expr *parse_literal(struct parser *p)
{
    const struct token *token = peek(p);

    switch (token->kind) {
    case TOK_EXACT:
        return literal_new(p, SQL_LIT_EXACT);
    case TOK_APPROX:
        return literal_new(p, SQL_LIT_APPROX);
    case TOK_STRING:
        return literal_new(p, SQL_LIT_STRING);
    case TOK_BINARY:
        return literal_new(p, SQL_LIT_BINARY);
    case TOK_MINUS:
    case TOK_PLUS: /* a sign before a number, where only literals stand */
        if (peek_at(p, 1)->kind == TOK_EXACT || peek_at(p, 1)->kind == TOK_APPROX) {
            struct sql_expr *sign = expr_new(p, SQL_EXPR_UNARY, token->pos);
            struct list args = {0};

            sign->op = next(p)->kind == TOK_MINUS ? SQL_OP_NEGATIVE : SQL_OP_POSITIVE;
            expr_add(p, &args, parse_literal(p));
            sign->args = exprs_of(&args);
            return sign;
        }
        return NULL;
    default:
        break;
    }
    switch (token->keyword) {
    case KW_NULL:
        return literal_new(p, SQL_LIT_NULL);
    case KW_TRUE:
    case KW_FALSE:
    case KW_UNKNOWN: {
        struct sql_expr *expr = literal_new(p, SQL_LIT_BOOLEAN);

        expr->text = keyword_text(token->keyword);
        return expr;
    }
    case KW_DATE:
        return string_follows(p) ? typed_literal(p, SQL_LIT_DATE) : NULL;
    case KW_TIME:
        return string_follows(p) ? typed_literal(p, SQL_LIT_TIME) : NULL;
    case KW_TIMESTAMP:
        return string_follows(p) ? typed_literal(p, SQL_LIT_TIMESTAMP) : NULL;
    case KW_INTERVAL:
        return parse_interval(p);
    default:
        return NULL;
    }
}

/* {d '2020-01-31'}, {t '...'}, {ts '...'}: ODBC's literals; {fn f(x)}: its calls. */
static struct sql_expr *parse_brace(struct parser *p)
{
    static const struct {
        const char *word;
        enum sql_literal literal;
    } literals[] = {{"d", SQL_LIT_DATE}, {"t", SQL_LIT_TIME}, {"ts", SQL_LIT_TIMESTAMP}};
    struct sql_expr *expr = NULL;

    expect(p, TOK_LBRACE);
    for (size_t i = 0; !expr && i < COUNT_OF(literals); i++)
        if (at_word(p, literals[i].word))
            expr = typed_literal(p, literals[i].literal);
    if (!expr && at_word(p, "fn")) {
        next(p);
        expr = parse_call(p);
    }
    if (!expr)
        parse_expected(p, "d, t, ts or fn after {");
    expect(p, TOK_RBRACE);
    return expr;
}

/* ---- structures ------------------------------------------------------------------------------ */

static struct sql_expr *parse_case(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_CASE, peek(p)->pos);
    struct list args = {0};

    next(p);
    if (!at_kw(p, KW_WHEN)) {
        expr->has_value = true;
        expr_add(p, &args, parse_expr(p));
    }
    do {
        struct sql_expr *when;

        expect_kw(p, KW_WHEN);
        when = parse_expr(p);
        if (expr->has_value && at(p, TOK_COMMA)) { /* WHEN 1, 2 THEN: any of them */
            struct sql_expr *any = expr_new(p, SQL_EXPR_ROW, when->pos);
            struct list values = {0};

            expr_add(p, &values, when);
            while (accept_kind(p, TOK_COMMA))
                expr_add(p, &values, parse_expr(p));
            any->args = exprs_of(&values);
            any->any = true;
            when = any;
        }
        expr_add(p, &args, when);
        expect_kw(p, KW_THEN);
        expr_add(p, &args, parse_expr(p));
    } while (at_kw(p, KW_WHEN));
    if (accept_kw(p, KW_ELSE)) {
        expr->has_else = true;
        expr_add(p, &args, parse_expr(p));
    }
    expect_kw(p, KW_END);
    expr->args = exprs_of(&args);
    return expr;
}

static struct sql_expr *parse_cast(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_CAST, peek(p)->pos);
    struct list args = {0};

    expr->try_cast = next(p)->keyword == KW_TRY_CAST;
    expect(p, TOK_LPAREN);
    expr_add(p, &args, parse_expr(p));
    expect_kw(p, KW_AS);
    expr->type = parse_type(p);
    if (accept_kw(p, KW_FORMAT))
        expr->format = parse_string(p, "a format in quotes");
    expect(p, TOK_RPAREN);
    expr->args = exprs_of(&args);
    return expr;
}

/* ARRAY[...], ARRAY(query), and the same for MAP and MULTISET. */
static struct sql_expr *parse_collection(struct parser *p, enum sql_expr_kind kind)
{
    struct sql_expr *expr = expr_new(p, kind, peek(p)->pos);

    next(p);
    if (accept_kind(p, TOK_LBRACKET)) {
        if (!at(p, TOK_RBRACKET))
            expr->args = parse_expr_list(p);
        if (kind == SQL_EXPR_MAP && expr->args.count % 2)
            parse_fail(p, peek(p), "a MAP takes keys and values in turn");
        expect(p, TOK_RBRACKET);
        return expr;
    }
    expect(p, TOK_LPAREN);
    expr->query = parse_query(p);
    expect(p, TOK_RPAREN);
    return expr;
}

static struct sql_expr *parse_row(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_ROW, peek(p)->pos);

    next(p);
    expr->explicit_row = true;
    expect(p, TOK_LPAREN);
    if (!at(p, TOK_RPAREN))
        expr->args = parse_expr_list(p);
    expect(p, TOK_RPAREN);
    return expr;
}

/* (query), (a), (a, b) */
static struct sql_expr *parse_parenthesis(struct parser *p)
{
    struct sql_pos pos = peek(p)->pos;
    bool query = at_query_in_parentheses(p);
    struct sql_expr *expr;

    next(p);
    if (query) {
        expr = expr_new(p, SQL_EXPR_SUBQUERY, pos);
        expr->query = parse_query(p);
    } else {
        struct sql_exprs list = parse_expr_list(p);

        expr = list.list[0];
        if (list.count > 1) {
            expr = expr_new(p, SQL_EXPR_ROW, pos);
            expr->args = list;
        }
    }
    expect(p, TOK_RPAREN);
    return expr;
}

/* EXISTS (query), UNIQUE (query), CURSOR (query) */
static struct sql_expr *parse_predicate(struct parser *p, enum sql_expr_kind kind)
{
    struct sql_expr *expr = expr_new(p, kind, peek(p)->pos);

    next(p);
    expect(p, TOK_LPAREN);
    expr->query = parse_query(p);
    expect(p, TOK_RPAREN);
    return expr;
}

static struct sql_expr *parse_period(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_PERIOD, peek(p)->pos);

    next(p);
    expect(p, TOK_LPAREN);
    expr->args = parse_expr_list(p);
    expect(p, TOK_RPAREN);
    return expr;
}

/* a, a.b.c, a.* */
static struct sql_expr *parse_column(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_COLUMN, peek(p)->pos);
    struct list parts = {0};

    *LIST_ADD(p, &parts, struct sql_ident) = parse_ident(p, "an expression");
    while (at(p, TOK_DOT)) {
        next(p);
        if (accept_kind(p, TOK_STAR)) {
            expr->kind = SQL_EXPR_STAR;
            break;
        }
        *LIST_ADD(p, &parts, struct sql_ident) = parse_ident(p, "a name after the dot");
    }
    expr->name = (struct sql_name){.parts = parts.items, .count = parts.count};
    return expr;
}

static struct sql_expr *parse_operand(struct parser *p)
{
    enum token_kind ahead = peek_at(p, 1)->kind;
    struct sql_expr *expr;

    switch (peek(p)->keyword) {
    case KW_CASE:
        return parse_case(p);
    case KW_CAST:
        return parse_cast(p);
    case KW_TRY_CAST:
        if (ahead == TOK_LPAREN)
            return parse_cast(p);
        break;
    case KW_ROW:
        return parse_row(p);
    case KW_ARRAY:
        return parse_collection(p, SQL_EXPR_ARRAY);
    case KW_MULTISET:
        return parse_collection(p, SQL_EXPR_MULTISET);
    case KW_MAP:
        if (ahead == TOK_LBRACKET || (ahead == TOK_LPAREN && at_kw_ahead(p, 2, KW_SELECT)))
            return parse_collection(p, SQL_EXPR_MAP);
        break;
    case KW_EXISTS:
        return parse_predicate(p, SQL_EXPR_EXISTS);
    case KW_UNIQUE:
        return parse_predicate(p, SQL_EXPR_UNIQUE);
    case KW_CURSOR:
        return parse_predicate(p, SQL_EXPR_CURSOR);
    case KW_PERIOD:
        return parse_period(p);
    case KW_DEFAULT:
        expr = expr_new(p, SQL_EXPR_DEFAULT, peek(p)->pos);
        next(p);
        return expr;
    default:
        break;
    }
    if (at(p, TOK_LPAREN))
        return parse_parenthesis(p);
    if (at(p, TOK_LBRACE))
        return parse_brace(p);
    expr = parse_literal(p);
    if (!expr)
        expr = parse_call(p);
    if (!expr && !at_ident(p))
        parse_expected(p, "an expression");
    return expr ? expr : parse_column(p);
}

/* .field and [item], as many as follow; each is a level of the tree. */
struct sql_expr *parse_primary(struct parser *p)
{
    struct sql_expr *expr = parse_operand(p);
    int levels = 0;

    for (;; levels++) {
        struct list args = {0};
        struct sql_expr *outer;

        if (at(p, TOK_DOT) && expr->kind != SQL_EXPR_STAR) {
            outer = expr_new(p, SQL_EXPR_FIELD, peek(p)->pos);
            next(p);
            if (accept_kind(p, TOK_STAR)) {
                outer->kind = SQL_EXPR_STAR;
            } else {
                outer->name.parts = PARSE_NEW(p, struct sql_ident);
                outer->name.parts[0] = parse_ident(p, "a name of a field");
                outer->name.count = 1;
            }
            expr_add(p, &args, expr);
        } else if (at(p, TOK_LBRACKET)) {
            outer = expr_new(p, SQL_EXPR_ITEM, peek(p)->pos);
            next(p);
            expr_add(p, &args, expr);
            expr_add(p, &args, parse_expr(p));
            expect(p, TOK_RBRACKET);
        } else {
            break;
        }
        outer->args = exprs_of(&args);
        expr = outer;
        parse_enter(p);
    }
    p->depth -= levels;
    return expr;
}
