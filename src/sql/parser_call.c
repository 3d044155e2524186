/* parser_call.c - function calls: plain ones with what may surround them (DISTINCT, FILTER, OVER,
 * WITHIN GROUP, RESPECT NULLS), and those with words between their arguments (EXTRACT, TRIM,
 * JSON_VALUE, ...), whose arguments are put into the order of functions.def.
 */
#include "sql/sql_int.h"

/* Reserved words that are functions when a parenthesis follows. */
static const enum keyword reserved_functions[] = {
    KW_ABS,
    KW_ARRAY_CONCAT_AGG,
    KW_AVG,
    KW_CARDINALITY,
    KW_CEILING,
    KW_CHAR,
    KW_CHARACTER_LENGTH,
    KW_CHAR_LENGTH,
    KW_CLASSIFIER,
    KW_COALESCE,
    KW_COLLECT,
    KW_CONTAINS,
    KW_CORR,
    KW_COUNT,
    KW_COVAR_POP,
    KW_COVAR_SAMP,
    KW_CUME_DIST,
    KW_CURRENT_DATE,
    KW_CURRENT_TIME,
    KW_CURRENT_TIMESTAMP,
    KW_DENSE_RANK,
    KW_ELEMENT,
    KW_EVERY,
    KW_EXP,
    KW_FIRST_VALUE,
    KW_FUSION,
    KW_GROUPING,
    KW_GROUP_CONCAT,
    KW_HOUR,
    KW_INTERSECTION,
    KW_LAG,
    KW_LAST_VALUE,
    KW_LEAD,
    KW_LEFT,
    KW_LN,
    KW_LOCALTIME,
    KW_LOCALTIMESTAMP,
    KW_LOWER,
    KW_MATCH_NUMBER,
    KW_MAX,
    KW_MIN,
    KW_MINUTE,
    KW_MOD,
    KW_MONTH,
    KW_NEXT,
    KW_NTH_VALUE,
    KW_NTILE,
    KW_NULLIF,
    KW_OCTET_LENGTH,
    KW_PERCENTILE_CONT,
    KW_PERCENTILE_DISC,
    KW_PERCENT_RANK,
    KW_POWER,
    KW_PREV,
    KW_RANK,
    KW_REGR_AVGX,
    KW_REGR_AVGY,
    KW_REGR_COUNT,
    KW_REGR_INTERCEPT,
    KW_REGR_R2,
    KW_REGR_SLOPE,
    KW_REGR_SXX,
    KW_REGR_SXY,
    KW_REGR_SYY,
    KW_RIGHT,
    KW_ROW_NUMBER,
    KW_SECOND,
    KW_SOME,
    KW_SQRT,
    KW_STDDEV_POP,
    KW_STDDEV_SAMP,
    KW_STRING_AGG,
    KW_SUM,
    KW_TRUNCATE,
    KW_UPPER,
    KW_USER,
    KW_VAR_POP,
    KW_VAR_SAMP,
    KW_YEAR,
};

/* Words that are calls without parentheses. */
static const enum keyword bare_functions[] = {
    KW_CURRENT_CATALOG,
    KW_CURRENT_DATE,
    KW_CURRENT_DEFAULT_TRANSFORM_GROUP,
    KW_CURRENT_PATH,
    KW_CURRENT_ROLE,
    KW_CURRENT_SCHEMA,
    KW_CURRENT_TIME,
    KW_CURRENT_TIMESTAMP,
    KW_CURRENT_USER,
    KW_LOCALTIME,
    KW_LOCALTIMESTAMP,
    KW_SESSION_USER,
    KW_SYSTEM_USER,
    KW_USER,
};

static bool listed(const enum keyword *list, size_t count, enum keyword keyword)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == keyword)
            return keyword != NO_KEYWORD;
    return false;
}

static struct sql_expr *call_new(struct parser *p, enum sql_call_form form)
{
    const struct token *token = peek(p);
    struct sql_expr *expr = expr_new(p, SQL_EXPR_CALL, token->pos);

    expr->call = PARSE_NEW(p, struct sql_call);
    expr->call->form = form;
    expr->name.parts = PARSE_NEW(p, struct sql_ident);
    expr->name.count = 1;
    expr->name.parts[0] =
        (struct sql_ident){.text = token->value, .pos = token->pos, .quoted = token->quoted};
    return expr;
}

static struct sql_expr *symbol(struct parser *p, const char *text)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_SYMBOL, peek(p)->pos);

    expr->text = text;
    return expr;
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* TABLE t, TABLE (query), with PARTITION BY and ORDER BY behind. */
static struct sql_expr *parse_table_arg(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_TABLE, peek(p)->pos);
    struct sql_table_arg *table = PARSE_NEW(p, struct sql_table_arg);
    bool parenthesis;

    expr->table = table;
    expect_kw(p, KW_TABLE);
    if (at(p, TOK_LPAREN)) {
        next(p);
        table->query = parse_query(p);
        expect(p, TOK_RPAREN);
    } else {
        table->name = parse_name(p, "a name of a table");
    }
    if (accept_kw(p, KW_PARTITION)) {
        expect_kw(p, KW_BY);
        parenthesis = at(p, TOK_LPAREN);
        if (parenthesis) {
            next(p);
            table->partition = parse_expr_list(p);
            expect(p, TOK_RPAREN);
        } else {
            struct list one = {0}; /* a comma ends the argument */

            expr_add(p, &one, parse_expr(p));
            table->partition = exprs_of(&one);
        }
    }
    if (accept_kw(p, KW_ORDER)) {
        expect_kw(p, KW_BY);
        parenthesis = at(p, TOK_LPAREN);
        if (parenthesis)
            next(p);
        table->order = parse_order_list(p);
        if (parenthesis)
            expect(p, TOK_RPAREN);
    }
    return expr;
}

static struct sql_expr *parse_descriptor(struct parser *p)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_DESCRIPTOR, peek(p)->pos);
    struct list args = {0};

    next(p);
    expect(p, TOK_LPAREN);
    do {
        struct sql_expr *column = expr_new(p, SQL_EXPR_COLUMN, peek(p)->pos);

        column->name = parse_name(p, "a name of a column");
        expr_add(p, &args, column);
    } while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    expr->args = exprs_of(&args);
    return expr;
}

static struct sql_expr *parse_argument_value(struct parser *p)
{
    if (at_kw(p, KW_TABLE))
        return parse_table_arg(p);
    if (at_kw(p, KW_DESCRIPTOR) && peek_at(p, 1)->kind == TOK_LPAREN)
        return parse_descriptor(p);
    return parse_expr(p);
}

static struct sql_expr *parse_argument(struct parser *p)
{
    if (peek(p)->kind == TOK_IDENT && peek_at(p, 1)->kind == TOK_ARROW) {
        struct sql_expr *expr = expr_new(p, SQL_EXPR_NAMED, peek(p)->pos);
        struct list args = {0};
        const struct token *name = next(p);

        expr->name.parts = PARSE_NEW(p, struct sql_ident);
        expr->name.parts[0] =
            (struct sql_ident){.text = name->value, .pos = name->pos, .quoted = name->quoted};
        expr->name.count = 1;
        expect(p, TOK_ARROW);
        expr_add(p, &args, parse_argument_value(p));
        expr->args = exprs_of(&args);
        return expr;
    }
    return parse_argument_value(p);
}

/* ---- what stands behind a call --------------------------------------------------------------- */

static void parse_within(struct parser *p, struct sql_call *call)
{
    struct list list = {0};

    next(p);
    if (accept_kw(p, KW_DISTINCT)) {
        call->within_distinct = true;
        expect(p, TOK_LPAREN);
        do
            expr_add(p, &list, parse_expr(p));
        while (accept_kind(p, TOK_COMMA));
        call->within_distinct_by = exprs_of(&list);
    } else {
        expect_kw(p, KW_GROUP);
        expect(p, TOK_LPAREN);
        expect_kw(p, KW_ORDER);
        expect_kw(p, KW_BY);
        call->within = parse_order_list(p);
    }
    expect(p, TOK_RPAREN);
}

static void parse_call_tail(struct parser *p, struct sql_call *call)
{
    while (at_kw2(p, KW_WITHIN, KW_GROUP) || at_kw2(p, KW_WITHIN, KW_DISTINCT))
        parse_within(p, call);
    if (accept_kw2(p, KW_RESPECT, KW_NULLS))
        call->nulls = SQL_TREAT_RESPECT;
    else if (accept_kw2(p, KW_IGNORE, KW_NULLS))
        call->nulls = SQL_TREAT_IGNORE;
    if (at_kw(p, KW_FILTER) && peek_at(p, 1)->kind == TOK_LPAREN) {
        next(p);
        next(p);
        expect_kw(p, KW_WHERE);
        call->filter = parse_expr(p);
        expect(p, TOK_RPAREN);
    }
    if (!accept_kw(p, KW_OVER))
        return;
    if (at(p, TOK_LPAREN)) {
        call->over = parse_window(p);
    } else {
        call->over = PARSE_NEW(p, struct sql_window);
        call->over->pos = peek(p)->pos;
        call->over->name = parse_ident(p, "a name of a window or a parenthesis");
        call->over->by_name = true;
    }
}

/* ---- the special forms ----------------------------------------------------------------------- */

static void parse_extract(struct parser *p, struct sql_expr *expr, struct list *args)
{
    (void)expr;
    expr_add(p, args, parse_unit_symbol(p));
    expect_kw(p, KW_FROM);
    expr_add(p, args, parse_expr(p));
}

/* TRIM(x), TRIM(FROM x), TRIM(chars FROM x), TRIM(BOTH [chars] FROM x) */
static void parse_trim(struct parser *p, struct sql_expr *expr, struct list *args)
{
    struct sql_expr *where = symbol(p, "");

    if (at_kw(p, KW_BOTH) || at_kw(p, KW_LEADING) || at_kw(p, KW_TRAILING)) {
        where->text = keyword_text(next(p)->keyword);
        expr_add(p, args, where);
        if (!at_kw(p, KW_FROM))
            expr_add(p, args, parse_expr(p));
        expect_kw(p, KW_FROM);
        expr_add(p, args, parse_expr(p));
        return;
    }
    if (accept_kw(p, KW_FROM)) {
        expr_add(p, args, where);
        expr_add(p, args, parse_expr(p));
        return;
    }
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_FROM)) {
        struct sql_expr *chars = ((struct sql_expr **)args->items)[0];

        args->count = 0;
        expr_add(p, args, where);
        expr_add(p, args, chars);
        expr_add(p, args, parse_expr(p));
        return;
    }
    expr->call->form = SQL_CALL_PLAIN;
    while (accept_kind(p, TOK_COMMA))
        expr_add(p, args, parse_expr(p));
}

static void parse_position(struct parser *p, struct sql_expr *expr, struct list *args)
{
    (void)expr;
    expr_add(p, args, parse_expr_before_in(p));
    expect_kw(p, KW_IN);
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_FROM))
        expr_add(p, args, parse_expr(p));
}

static void parse_overlay(struct parser *p, struct sql_expr *expr, struct list *args)
{
    (void)expr;
    expr_add(p, args, parse_expr(p));
    expect_kw(p, KW_PLACING);
    expr_add(p, args, parse_expr(p));
    expect_kw(p, KW_FROM);
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_FOR))
        expr_add(p, args, parse_expr(p));
}

static void parse_substring(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_FROM)) {
        expr_add(p, args, parse_expr(p));
        if (accept_kw(p, KW_FOR))
            expr_add(p, args, parse_expr(p));
        return;
    }
    expr->call->form = SQL_CALL_PLAIN;
    expect(p, TOK_COMMA);
    expr_add(p, args, parse_expr(p));
    if (accept_kind(p, TOK_COMMA))
        expr_add(p, args, parse_expr(p));
}

static void parse_to_unit(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_TO))
        expr_add(p, args, parse_unit_symbol(p));
    else
        expr->call->form = SQL_CALL_PLAIN;
}

/* CONVERT(x USING name), TRANSLATE(x USING name), TRANSLATE(a, b, c) */
static void parse_convert(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_USING)) {
        struct sql_expr *charset = symbol(p, NULL);

        charset->text = parse_ident(p, "a name of a character set").text;
        expr_add(p, args, charset);
        return;
    }
    expr->call->form = SQL_CALL_PLAIN;
    while (accept_kind(p, TOK_COMMA))
        expr_add(p, args, parse_expr(p));
}

static void parse_timestamp_unit(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr->call->form = SQL_CALL_PLAIN;
    expr_add(p, args, parse_unit_symbol(p));
    while (accept_kind(p, TOK_COMMA))
        expr_add(p, args, parse_expr(p));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool accept_format_json(struct parser *p)
{
    return accept_kw2(p, KW_FORMAT, KW_JSON);
}

static void parse_json_source(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr_add(p, args, parse_expr(p));
    expr->call->json_format = accept_format_json(p);
    expect(p, TOK_COMMA);
    expr_add(p, args, parse_expr(p));
}

static void parse_json_exists(struct parser *p, struct sql_expr *expr, struct list *args)
{
    static const struct {
        enum keyword keyword;
        enum sql_json_behavior behavior;
    } answers[] = {{KW_TRUE, SQL_JSON_TRUE},
                   {KW_FALSE, SQL_JSON_FALSE},
                   {KW_UNKNOWN, SQL_JSON_UNKNOWN},
                   {KW_ERROR, SQL_JSON_ERROR}};

    parse_json_source(p, expr, args);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (accept_kw(p, answers[i].keyword)) {
            expr->call->on_error = answers[i].behavior;
            expect_kw(p, KW_ON);
            expect_kw(p, KW_ERROR);
            return;
        }
    }
}

/* NULL, ERROR, DEFAULT x, EMPTY ARRAY, EMPTY OBJECT; UNSET when none stands there. */
static enum sql_json_behavior parse_behavior(struct parser *p, bool query, struct sql_expr **value)
{
    if (accept_kw(p, KW_NULL))
        return SQL_JSON_NULL;
    if (accept_kw(p, KW_ERROR))
        return SQL_JSON_ERROR;
    if (query && accept_kw(p, KW_EMPTY)) {
        if (accept_kw(p, KW_ARRAY))
            return SQL_JSON_EMPTY_ARRAY;
        expect_kw(p, KW_OBJECT);
        return SQL_JSON_EMPTY_OBJECT;
    }
    if (!query && accept_kw(p, KW_DEFAULT)) {
        *value = parse_expr(p);
        return SQL_JSON_DEFAULT;
    }
    return SQL_JSON_UNSET;
}

static void parse_behaviors(struct parser *p, struct sql_call *call, bool query)
{
    for (;;) {
        struct sql_expr *value = NULL;
        const struct token *token = peek(p);
        enum sql_json_behavior behavior = parse_behavior(p, query, &value);

        if (behavior == SQL_JSON_UNSET)
            return;
        expect_kw(p, KW_ON);
        if (accept_kw(p, KW_EMPTY)) {
            if (call->on_empty || call->on_error)
                parse_fail(p, token, "ON EMPTY stands once, and before ON ERROR");
            call->on_empty = behavior;
            call->empty_default = value;
        } else {
            expect_kw(p, KW_ERROR);
            if (call->on_error)
                parse_fail(p, token, "ON ERROR stands once");
            call->on_error = behavior;
            call->error_default = value;
        }
    }
}

static void parse_returning(struct parser *p, struct sql_call *call)
{
    if (accept_kw(p, KW_RETURNING)) {
        call->returning = parse_type(p);
    }
}

static void parse_json_value(struct parser *p, struct sql_expr *expr, struct list *args)
{
    parse_json_source(p, expr, args);
    parse_returning(p, expr->call);
    parse_behaviors(p, expr->call, false);
}

static void parse_json_query(struct parser *p, struct sql_expr *expr, struct list *args)
{
    struct sql_call *call = expr->call;

    parse_json_source(p, expr, args);
    parse_returning(p, call);
    if (accept_kw(p, KW_WITHOUT)) {
        call->wrapper = accept_kw(p, KW_ARRAY) ? SQL_WRAPPER_WITHOUT_ARRAY : SQL_WRAPPER_WITHOUT;
        expect_kw(p, KW_WRAPPER);
    } else if (accept_kw(p, KW_WITH)) {
        call->wrapper =
            accept_kw(p, KW_CONDITIONAL) ? SQL_WRAPPER_CONDITIONAL : SQL_WRAPPER_UNCONDITIONAL;
        if (call->wrapper == SQL_WRAPPER_UNCONDITIONAL)
            accept_kw(p, KW_UNCONDITIONAL);
        accept_kw(p, KW_ARRAY);
        expect_kw(p, KW_WRAPPER);
    }
    parse_behaviors(p, call, true);
}

static void parse_on_null(struct parser *p, struct sql_call *call)
{
    if (at_kw(p, KW_NULL) && at_kw_ahead(p, 1, KW_ON))
        call->on_null = SQL_ON_NULL_NULL;
    else if (at_kw(p, KW_ABSENT) && at_kw_ahead(p, 1, KW_ON))
        call->on_null = SQL_ON_NULL_ABSENT;
    else
        return;
    next(p);
    next(p);
    expect_kw(p, KW_NULL);
}

static void parse_json_pair(struct parser *p, struct list *args)
{
    if (at_kw(p, KW_KEY) && peek_at(p, 1)->kind != TOK_COLON && !at_kw_ahead(p, 1, KW_VALUE))
        next(p);
    expr_add(p, args, parse_expr(p));
    if (!accept_kind(p, TOK_COLON) && !accept_kind(p, TOK_COMMA))
        expect_kw(p, KW_VALUE);
    expr_add(p, args, parse_expr(p));
}

static void parse_json_object(struct parser *p, struct sql_expr *expr, struct list *args)
{
    if (!at(p, TOK_RPAREN) && !at_kw_ahead(p, 1, KW_ON)) {
        do
            parse_json_pair(p, args);
        while (accept_kind(p, TOK_COMMA));
    }
    parse_on_null(p, expr->call);
    parse_returning(p, expr->call);
}

static void parse_json_array(struct parser *p, struct sql_expr *expr, struct list *args)
{
    if (!at(p, TOK_RPAREN) && !at_kw_ahead(p, 1, KW_ON)) {
        do
            expr_add(p, args, parse_expr(p));
        while (accept_kind(p, TOK_COMMA));
    }
    parse_on_null(p, expr->call);
    parse_returning(p, expr->call);
}

static void parse_json_objectagg(struct parser *p, struct sql_expr *expr, struct list *args)
{
    parse_json_pair(p, args);
    parse_on_null(p, expr->call);
}

static void parse_json_arrayagg(struct parser *p, struct sql_expr *expr, struct list *args)
{
    expr_add(p, args, parse_expr(p));
    if (accept_kw(p, KW_ORDER)) {
        expect_kw(p, KW_BY);
        expr->call->order = parse_order_list(p);
    }
    parse_on_null(p, expr->call);
}

static const struct special {
    enum keyword keyword;
    enum sql_call_form form;
    void (*parse)(struct parser *p, struct sql_expr *expr, struct list *args);
} specials[] = {
    {KW_EXTRACT, SQL_CALL_EXTRACT, parse_extract},
    {KW_TRIM, SQL_CALL_TRIM, parse_trim},
    {KW_POSITION, SQL_CALL_POSITION, parse_position},
    {KW_OVERLAY, SQL_CALL_OVERLAY, parse_overlay},
    {KW_SUBSTRING, SQL_CALL_SUBSTRING, parse_substring},
    {KW_FLOOR, SQL_CALL_TO_UNIT, parse_to_unit},
    {KW_CEIL, SQL_CALL_TO_UNIT, parse_to_unit},
    {KW_CEILING, SQL_CALL_TO_UNIT, parse_to_unit},
    {KW_CONVERT, SQL_CALL_CONVERT, parse_convert},
    {KW_TRANSLATE, SQL_CALL_CONVERT, parse_convert},
    {KW_TIMESTAMPADD, SQL_CALL_PLAIN, parse_timestamp_unit},
    {KW_TIMESTAMPDIFF, SQL_CALL_PLAIN, parse_timestamp_unit},
    {KW_JSON_EXISTS, SQL_CALL_JSON_EXISTS, parse_json_exists},
    {KW_JSON_VALUE, SQL_CALL_JSON_VALUE, parse_json_value},
    {KW_JSON_QUERY, SQL_CALL_JSON_QUERY, parse_json_query},
    {KW_JSON_OBJECT, SQL_CALL_JSON_OBJECT, parse_json_object},
    {KW_JSON_ARRAY, SQL_CALL_JSON_ARRAY, parse_json_array},
    {KW_JSON_OBJECTAGG, SQL_CALL_JSON_OBJECTAGG, parse_json_objectagg},
    {KW_JSON_ARRAYAGG, SQL_CALL_JSON_ARRAYAGG, parse_json_arrayagg},
};

static struct sql_expr *parse_special(struct parser *p)
{
    for (size_t i = 0; i < COUNT_OF(specials); i++) {
        struct list args = {0};
        struct sql_expr *expr;

        if (!at_kw(p, specials[i].keyword))
            continue;
        expr = call_new(p, specials[i].form);
        next(p);
        expect(p, TOK_LPAREN);
        specials[i].parse(p, expr, &args);
        expect(p, TOK_RPAREN);
        expr->args = exprs_of(&args);
        parse_call_tail(p, expr->call);
        return expr;
    }
    return NULL;
}

/* ---- plain calls ----------------------------------------------------------------------------- */

static void parse_arguments(struct parser *p, struct sql_expr *expr)
{
    struct list args = {0};

    expect(p, TOK_LPAREN);
    if (at(p, TOK_STAR) && peek_at(p, 1)->kind == TOK_RPAREN) {
        next(p);
        expr->call->form = SQL_CALL_STAR;
    } else if (!at(p, TOK_RPAREN)) {
        if (accept_kw(p, KW_DISTINCT))
            expr->call->distinct = true;
        else
            expr->call->all = accept_kw(p, KW_ALL);
        do
            expr_add(p, &args, parse_argument(p));
        while (accept_kind(p, TOK_COMMA));
        if (accept_kw(p, KW_ORDER)) {
            expect_kw(p, KW_BY);
            expr->call->order = parse_order_list(p);
        }
        if (accept_kw2(p, KW_RESPECT, KW_NULLS))
            expr->call->nulls = SQL_TREAT_RESPECT;
        else if (accept_kw2(p, KW_IGNORE, KW_NULLS))
            expr->call->nulls = SQL_TREAT_IGNORE;
    }
    expect(p, TOK_RPAREN);
    expr->args = exprs_of(&args);
}

/* Does a name with dots end in a parenthesis? */
static bool at_call(const struct parser *p)
{
    size_t ahead = 0;

    if (!at_ident(p))
        return listed(reserved_functions, COUNT_OF(reserved_functions), peek(p)->keyword) &&
               peek_at(p, 1)->kind == TOK_LPAREN;
    while (peek_at(p, ahead)->kind == TOK_IDENT && peek_at(p, ahead + 1)->kind == TOK_DOT)
        ahead += 2;
    return peek_at(p, ahead)->kind == TOK_IDENT && peek_at(p, ahead + 1)->kind == TOK_LPAREN;
}

/* RUNNING f(x), FINAL f(x) in MATCH_RECOGNIZE. */
static struct sql_expr *parse_semantics(struct parser *p)
{
    bool final = at_kw(p, KW_FINAL);
    struct sql_expr *expr;

    next(p);
    expr = parse_call(p);
    if (!expr)
        parse_expected(p, "a function");
    expr->call->semantics = final ? SQL_FINAL : SQL_RUNNING;
    return expr;
}

struct sql_expr *parse_call(struct parser *p)
{
    struct sql_expr *expr = NULL;
    const struct token *ahead = peek_at(p, 1);

    if (!at(p, TOK_IDENT) || peek(p)->quoted)
        goto plain;
    if (at_kw(p, KW_RUNNING) ||
        (at_kw(p, KW_FINAL) && ahead->kind == TOK_IDENT && peek_at(p, 2)->kind == TOK_LPAREN))
        return parse_semantics(p);
    if (ahead->kind == TOK_LPAREN)
        expr = parse_special(p);
    if (expr)
        return expr;
    if (ahead->kind != TOK_LPAREN &&
        listed(bare_functions, COUNT_OF(bare_functions), peek(p)->keyword)) {
        expr = call_new(p, SQL_CALL_BARE);
        next(p);
        return expr;
    }
plain:
    if (!at_call(p))
        return NULL;
    expr = call_new(p, SQL_CALL_PLAIN);
    if (at_ident(p))
        expr->name = parse_name(p, "a name of a function");
    else
        next(p);
    parse_arguments(p, expr);
    parse_call_tail(p, expr->call);
    return expr;
}
