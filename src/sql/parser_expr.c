/* parser_expr.c - operators: precedence climbing over one table, with Calcite's precedences.
 *
 * a + b + c leans to the left, so a long chain would be a deep tree: AND and OR are kept flat
 * instead, other chains are limited (SQL_CHAIN_MAX), for the sake of whoever walks the tree.
 */
#include "sql/sql_int.h"

#define SQL_CHAIN_MAX 5000

enum {
    PREC_MULTISET = 14,
    PREC_OR = 22,
    PREC_AND = 24,
    PREC_NOT = 26,
    PREC_IS = 28,
    PREC_COMPARE = 30,
    PREC_RANGE = 32, /* BETWEEN, IN, LIKE */
    PREC_PLUS = 40,
    PREC_TIMES = 60,
    PREC_UNARY = 80
};

static struct sql_expr *parse_operators(struct parser *p, int min);

static const struct infix {
    enum token_kind token;
    enum keyword keyword;
    enum sql_op op;
    int prec;
} infixes[] = {
    {TOK_IDENT, KW_OR, SQL_OP_OR, PREC_OR},
    {TOK_IDENT, KW_AND, SQL_OP_AND, PREC_AND},
    {TOK_EQ, NO_KEYWORD, SQL_OP_EQ, PREC_COMPARE},
    {TOK_NE, NO_KEYWORD, SQL_OP_NE, PREC_COMPARE},
    {TOK_NE_BANG, NO_KEYWORD, SQL_OP_NE, PREC_COMPARE},
    {TOK_LT, NO_KEYWORD, SQL_OP_LT, PREC_COMPARE},
    {TOK_LE, NO_KEYWORD, SQL_OP_LE, PREC_COMPARE},
    {TOK_GT, NO_KEYWORD, SQL_OP_GT, PREC_COMPARE},
    {TOK_GE, NO_KEYWORD, SQL_OP_GE, PREC_COMPARE},
    {TOK_PLUS, NO_KEYWORD, SQL_OP_PLUS, PREC_PLUS},
    {TOK_MINUS, NO_KEYWORD, SQL_OP_MINUS, PREC_PLUS},
    {TOK_STAR, NO_KEYWORD, SQL_OP_TIMES, PREC_TIMES},
    {TOK_SLASH, NO_KEYWORD, SQL_OP_DIVIDE, PREC_TIMES},
    {TOK_PERCENT, NO_KEYWORD, SQL_OP_MODULO, PREC_TIMES},
    {TOK_CONCAT, NO_KEYWORD, SQL_OP_CONCAT, PREC_TIMES},
    {TOK_IDENT, KW_OVERLAPS, SQL_OP_OVERLAPS, PREC_COMPARE},
    {TOK_IDENT, KW_CONTAINS, SQL_OP_CONTAINS, PREC_COMPARE},
    {TOK_IDENT, KW_EQUALS, SQL_OP_EQUALS, PREC_COMPARE},
    {TOK_IDENT, KW_PRECEDES, SQL_OP_PRECEDES, PREC_COMPARE},
    {TOK_IDENT, KW_SUCCEEDS, SQL_OP_SUCCEEDS, PREC_COMPARE},
};

struct sql_expr *expr_new(struct parser *p, enum sql_expr_kind kind, struct sql_pos pos)
{
    struct sql_expr *expr = PARSE_NEW(p, struct sql_expr);

    expr->kind = kind;
    expr->pos = pos;
    return expr;
}

void expr_add(struct parser *p, struct list *list, struct sql_expr *expr)
{
    *LIST_ADD(p, list, struct sql_expr *) = expr;
}

struct sql_exprs exprs_of(struct list *list)
{
    return (struct sql_exprs){.list = list->items, .count = list->count};
}

static struct sql_expr *binary(struct parser *p, enum sql_op op, struct sql_pos pos,
                               struct sql_expr *left, struct sql_expr *right)
{
    struct sql_expr *expr;
    struct list args = {0};

    expr = expr_new(p, SQL_EXPR_BINARY, pos);
    expr->op = op;
    expr_add(p, &args, left);
    expr_add(p, &args, right);
    expr->args = exprs_of(&args);
    return expr;
}

/* a AND b AND c AND ...: one node. */
static struct sql_expr *parse_flat(struct parser *p, const struct infix *infix,
                                   struct sql_expr *left)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_BINARY, peek(p)->pos);
    struct list args = {0};

    expr->op = infix->op;
    expr_add(p, &args, left);
    while (accept_kw(p, infix->keyword))
        expr_add(p, &args, parse_operators(p, infix->prec + 1));
    expr->args = exprs_of(&args);
    return expr;
}

static const struct infix *infix_at(const struct parser *p)
{
    const struct token *token = peek(p);

    for (size_t i = 0; i < COUNT_OF(infixes); i++)
        if (infixes[i].token == token->kind && infixes[i].keyword == token->keyword)
            return &infixes[i];
    return NULL;
}

/* = SOME (...), < ALL (...): a subquery or a list. */
static struct sql_expr *parse_quantified(struct parser *p, enum sql_op op, struct sql_pos pos,
                                         struct sql_expr *left)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_QUANTIFIED, pos);
    enum keyword word = next(p)->keyword;
    struct list args = {0};

    expr->op = op;
    expr->all = word == KW_ALL;
    expr->some = word == KW_SOME;
    expr->any = word == KW_ANY;
    expr_add(p, &args, left);
    expect(p, TOK_LPAREN);
    if (at_query(p))
        expr->query = parse_query(p);
    else
        do
            expr_add(p, &args, parse_expr(p));
        while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    expr->args = exprs_of(&args);
    return expr;
}

static bool at_quantifier(const struct parser *p)
{
    return (at_kw(p, KW_SOME) || at_kw(p, KW_ANY) || at_kw(p, KW_ALL)) &&
           peek_at(p, 1)->kind == TOK_LPAREN;
}

static struct sql_expr *parse_infix(struct parser *p, const struct infix *infix,
                                    struct sql_expr *left)
{
    struct sql_pos pos = peek(p)->pos;

    if (infix->op == SQL_OP_AND || infix->op == SQL_OP_OR)
        return parse_flat(p, infix, left);
    next(p);
    if (infix->prec == PREC_COMPARE && infix->token != TOK_IDENT && at_quantifier(p))
        return parse_quantified(p, infix->op, pos, left);
    return binary(p, infix->op, pos, left, parse_operators(p, infix->prec + 1));
}

static struct sql_expr *parse_between(struct parser *p, struct sql_expr *left, bool negated)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_BETWEEN, peek(p)->pos);
    struct list args = {0};

    next(p);
    expr->negated = negated;
    expr->symmetric = accept_kw(p, KW_SYMMETRIC);
    expr->asymmetric = !expr->symmetric && accept_kw(p, KW_ASYMMETRIC);
    expr_add(p, &args, left);
    expr_add(p, &args, parse_operators(p, PREC_RANGE + 1));
    expect_kw(p, KW_AND);
    expr_add(p, &args, parse_operators(p, PREC_RANGE + 1));
    expr->args = exprs_of(&args);
    return expr;
}

static struct sql_expr *parse_in(struct parser *p, struct sql_expr *left, bool negated)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_IN, peek(p)->pos);
    struct list args = {0};

    next(p);
    expr->negated = negated;
    expr_add(p, &args, left);
    expect(p, TOK_LPAREN);
    if (at_query(p))
        expr->query = parse_query(p);
    else
        do
            expr_add(p, &args, parse_expr(p));
        while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    expr->args = exprs_of(&args);
    return expr;
}

static struct sql_expr *parse_like(struct parser *p, struct sql_expr *left, bool negated)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_LIKE, peek(p)->pos);
    struct list args = {0};

    expr->op = SQL_OP_LIKE;
    if (next(p)->keyword == KW_SIMILAR) {
        expect_kw(p, KW_TO);
        expr->op = SQL_OP_SIMILAR;
    }
    expr->negated = negated;
    expr_add(p, &args, left);
    expr_add(p, &args, parse_operators(p, PREC_RANGE + 1));
    if (accept_kw(p, KW_ESCAPE))
        expr_add(p, &args, parse_operators(p, PREC_RANGE + 1));
    expr->args = exprs_of(&args);
    return expr;
}

static enum sql_is parse_is_json(struct parser *p)
{
    if (accept_kw(p, KW_OBJECT))
        return SQL_IS_JSON_OBJECT;
    if (accept_kw(p, KW_ARRAY))
        return SQL_IS_JSON_ARRAY;
    if (accept_kw(p, KW_SCALAR))
        return SQL_IS_JSON_SCALAR;
    accept_kw(p, KW_VALUE);
    return SQL_IS_JSON_VALUE;
}

static struct sql_expr *parse_is(struct parser *p, struct sql_expr *left)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_IS, peek(p)->pos);
    struct list args = {0};

    next(p);
    expr->negated = accept_kw(p, KW_NOT);
    expr_add(p, &args, left);
    if (accept_kw(p, KW_NULL)) {
        expr->is = SQL_IS_NULL;
    } else if (accept_kw(p, KW_TRUE)) {
        expr->is = SQL_IS_TRUE;
    } else if (accept_kw(p, KW_FALSE)) {
        expr->is = SQL_IS_FALSE;
    } else if (accept_kw(p, KW_UNKNOWN)) {
        expr->is = SQL_IS_UNKNOWN;
    } else if (accept_kw(p, KW_DISTINCT)) {
        expect_kw(p, KW_FROM);
        expr->is = SQL_IS_DISTINCT;
        expr_add(p, &args, parse_operators(p, PREC_COMPARE + 1));
    } else if (accept_kw(p, KW_JSON)) {
        expr->is = parse_is_json(p);
    } else if (accept_kw(p, KW_EMPTY)) {
        expr->is = SQL_IS_EMPTY;
    } else if (accept_kw(p, KW_A)) {
        expect_kw(p, KW_SET);
        expr->is = SQL_IS_A_SET;
    } else {
        parse_expected(p, expr->negated
                              ? "NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM, JSON after IS NOT"
                              : "NULL, NOT, TRUE, FALSE, UNKNOWN, DISTINCT FROM, JSON after IS");
    }
    expr->args = exprs_of(&args);
    return expr;
}

/* MULTISET UNION [ALL|DISTINCT], MULTISET INTERSECT ..., MULTISET EXCEPT ... */
static struct sql_expr *parse_multiset(struct parser *p, struct sql_expr *left)
{
    struct sql_pos pos = next(p)->pos;
    enum sql_op op;

    if (accept_kw(p, KW_UNION))
        op = SQL_OP_MULTISET_UNION;
    else if (accept_kw(p, KW_INTERSECT))
        op = SQL_OP_MULTISET_INTERSECT;
    else if (accept_kw(p, KW_EXCEPT))
        op = SQL_OP_MULTISET_EXCEPT;
    else
        parse_expected(p, "UNION, INTERSECT or EXCEPT after MULTISET");
    if (accept_kw(p, KW_ALL))
        op++; /* the ALL form stands behind each */
    else
        accept_kw(p, KW_DISTINCT);
    return binary(p, op, pos, left, parse_operators(p, PREC_MULTISET + 1));
}

/* The words that stand between two values and are no single sign: NULL when there is none. */
static struct sql_expr *parse_phrase(struct parser *p, struct sql_expr *left, int min)
{
    bool negated = at_kw(p, KW_NOT);
    enum keyword word = negated ? peek_at(p, 1)->keyword : peek(p)->keyword;
    struct sql_pos pos = peek(p)->pos;

    switch (word) {
    case KW_BETWEEN:
    case KW_IN:
    case KW_LIKE:
    case KW_SIMILAR:
        if (min > PREC_RANGE || (word == KW_IN && p->no_in))
            return NULL;
        if (word == KW_SIMILAR && !at_kw_ahead(p, negated ? 2 : 1, KW_TO))
            return NULL;
        if (negated)
            next(p);
        if (word == KW_BETWEEN)
            return parse_between(p, left, negated);
        return word == KW_IN ? parse_in(p, left, negated) : parse_like(p, left, negated);
    case KW_IS:
        return negated || min > PREC_IS ? NULL : parse_is(p, left);
    case KW_MULTISET:
        if (negated || min > PREC_MULTISET || peek_at(p, 1)->kind == TOK_LBRACKET)
            return NULL;
        return parse_multiset(p, left);
    case KW_MEMBER:
    case KW_SUBMULTISET:
        if (negated || min > PREC_COMPARE)
            return NULL;
        next(p);
        if (word == KW_MEMBER)
            expect_kw(p, KW_OF);
        else
            accept_kw(p, KW_OF);
        return binary(p, word == KW_MEMBER ? SQL_OP_MEMBER_OF : SQL_OP_SUBMULTISET_OF, pos, left,
                      parse_operators(p, PREC_COMPARE + 1));
    case KW_IMMEDIATELY:
        if (negated || min > PREC_COMPARE)
            return NULL;
        next(p);
        if (accept_kw(p, KW_PRECEDES))
            return binary(p, SQL_OP_IMMEDIATELY_PRECEDES, pos, left,
                          parse_operators(p, PREC_COMPARE + 1));
        expect_kw(p, KW_SUCCEEDS);
        return binary(p, SQL_OP_IMMEDIATELY_SUCCEEDS, pos, left,
                      parse_operators(p, PREC_COMPARE + 1));
    default:
        return NULL;
    }
}

static struct sql_expr *unary(struct parser *p, enum sql_op op, struct sql_pos pos, int operand)
{
    struct sql_expr *expr = expr_new(p, SQL_EXPR_UNARY, pos);
    struct list args = {0};

    expr->op = op;
    parse_enter(p);
    expr_add(p, &args, parse_operators(p, operand));
    parse_leave(p);
    expr->args = exprs_of(&args);
    return expr;
}

static struct sql_expr *parse_prefix(struct parser *p)
{
    struct sql_pos pos = peek(p)->pos;

    if (accept_kw(p, KW_NOT))
        return unary(p, SQL_OP_NOT, pos, PREC_NOT);
    if (accept_kind(p, TOK_MINUS))
        return unary(p, SQL_OP_NEGATIVE, pos, PREC_UNARY);
    if (accept_kind(p, TOK_PLUS))
        return unary(p, SQL_OP_POSITIVE, pos, PREC_UNARY);
    return parse_primary(p);
}

static struct sql_expr *parse_operators(struct parser *p, int min)
{
    struct sql_expr *left = parse_prefix(p);

    for (bool first = true;; first = false) {
        const struct infix *infix = infix_at(p);
        struct sql_expr *longer = NULL;

        if (infix && infix->prec >= min)
            longer = parse_infix(p, infix, left);
        else if (!infix)
            longer = parse_phrase(p, left, min);
        if (!longer)
            return left;
        left = longer;
        if (!first && ++p->chain > SQL_CHAIN_MAX)
            parse_fail(p, peek(p), "more than %d operators in a row", SQL_CHAIN_MAX);
    }
}

struct sql_expr *parse_expr(struct parser *p)
{
    struct sql_expr *expr;
    int no_in = p->no_in;

    parse_enter(p);
    if (p->expr_depth++ == 0)
        p->chain = 0;
    p->no_in = 0;
    expr = parse_operators(p, 0);
    p->no_in = no_in;
    p->expr_depth--;
    parse_leave(p);
    return expr;
}

/* The first operand of POSITION(a IN b). */
struct sql_expr *parse_expr_before_in(struct parser *p)
{
    struct sql_expr *expr;

    p->no_in++;
    expr = parse_operators(p, 0);
    p->no_in--;
    return expr;
}

struct sql_exprs parse_expr_list(struct parser *p)
{
    struct list list = {0};

    do
        expr_add(p, &list, parse_expr(p));
    while (accept_kind(p, TOK_COMMA));
    return exprs_of(&list);
}

struct sql_orders parse_order_list(struct parser *p)
{
    struct list list = {0};

    do {
        struct sql_order *order = LIST_ADD(p, &list, struct sql_order);
        struct sql_expr *expr = parse_expr(p);

        order->expr = expr;
        if (accept_kw(p, KW_DESC))
            order->descending = true;
        else
            order->ascending_written = accept_kw(p, KW_ASC);
        if (accept_kw(p, KW_NULLS)) {
            if (accept_kw(p, KW_FIRST)) {
                order->nulls = SQL_NULLS_FIRST;
            } else {
                expect_kw(p, KW_LAST);
                order->nulls = SQL_NULLS_LAST;
            }
        }
    } while (accept_kind(p, TOK_COMMA));
    return (struct sql_orders){.list = list.items, .count = list.count};
}

static struct sql_frame_bound parse_bound(struct parser *p)
{
    struct sql_frame_bound bound = {0};

    if (accept_kw(p, KW_UNBOUNDED)) {
        if (accept_kw(p, KW_PRECEDING)) {
            bound.kind = SQL_BOUND_UNBOUNDED_PRECEDING;
        } else {
            expect_kw(p, KW_FOLLOWING);
            bound.kind = SQL_BOUND_UNBOUNDED_FOLLOWING;
        }
    } else if (at_kw2(p, KW_CURRENT, KW_ROW)) {
        next(p);
        next(p);
        bound.kind = SQL_BOUND_CURRENT_ROW;
    } else {
        bound.expr = parse_expr(p);
        if (accept_kw(p, KW_PRECEDING)) {
            bound.kind = SQL_BOUND_PRECEDING;
        } else {
            expect_kw(p, KW_FOLLOWING);
            bound.kind = SQL_BOUND_FOLLOWING;
        }
    }
    return bound;
}

struct sql_window *parse_window(struct parser *p)
{
    struct sql_window *window = PARSE_NEW(p, struct sql_window);

    window->pos = peek(p)->pos;
    expect(p, TOK_LPAREN);
    if (at_ident(p) && !at_kw(p, KW_PARTITION))
        window->name = parse_ident(p, "a name of a window");
    if (accept_kw(p, KW_PARTITION)) {
        expect_kw(p, KW_BY);
        window->partition = parse_expr_list(p);
    }
    if (accept_kw(p, KW_ORDER)) {
        expect_kw(p, KW_BY);
        window->order = parse_order_list(p);
    }
    if (at_kw(p, KW_ROWS) || at_kw(p, KW_RANGE)) {
        window->frame = next(p)->keyword == KW_ROWS ? SQL_FRAME_ROWS : SQL_FRAME_RANGE;
        if (accept_kw(p, KW_BETWEEN)) {
            window->low = parse_bound(p);
            expect_kw(p, KW_AND);
            window->high = parse_bound(p);
        } else {
            window->low = parse_bound(p);
        }
    }
    if (accept_kw(p, KW_ALLOW)) {
        expect_kw(p, KW_PARTIAL);
        window->partial = SQL_PARTIAL_ALLOW;
    } else if (accept_kw(p, KW_DISALLOW)) {
        expect_kw(p, KW_PARTIAL);
        window->partial = SQL_PARTIAL_DISALLOW;
    }
    expect(p, TOK_RPAREN);
    return window;
}
