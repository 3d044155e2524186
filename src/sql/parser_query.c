/* parser_query.c - queries: WITH, SELECT, VALUES, TABLE, set operations, ORDER BY, LIMIT.
 *
 * INTERSECT binds tighter than UNION, EXCEPT and MINUS, which lean to the left.
 */
#include "sql/sql_int.h"

#define SQL_SET_OPS_MAX 1000 /* UNION chains lean to the left: a limit on the tree's depth */

static struct sql_body *parse_body(struct parser *p);

/* Is this the beginning of a query? Parentheses are looked through: ((SELECT 1)). */
bool at_query(const struct parser *p)
{
    size_t ahead = 0;

    while (peek_at(p, ahead)->kind == TOK_LPAREN)
        ahead++;
    switch (peek_at(p, ahead)->keyword) {
    case KW_SELECT:
    case KW_WITH:
        return true;
    case KW_VALUES:
        return true;
    case KW_TABLE:
        return peek_at(p, ahead + 1)->kind == TOK_IDENT;
    default:
        return false;
    }
}

/* At ((: is the outer parenthesis a query's, as in ((SELECT 1) UNION (SELECT 2)), or does it hold
 * joined tables, as in ((SELECT 1) AS a JOIN b), or a value, as in ((SELECT 1) + 2)? What follows
 * the inner one's end tells. */
static bool nested_query(const struct parser *p)
{
    size_t ahead = 1;
    int open = 0;

    for (;; ahead++) {
        enum token_kind kind = peek_at(p, ahead)->kind;

        open += (kind == TOK_LPAREN) - (kind == TOK_RPAREN);
        if (open == 0 || kind == TOK_END)
            break;
    }
    switch (peek_at(p, ahead + 1)->keyword) {
    case KW_UNION:
    case KW_INTERSECT:
    case KW_EXCEPT:
    case KW_MINUS:
    case KW_ORDER:
    case KW_LIMIT:
    case KW_OFFSET:
    case KW_FETCH:
        return true;
    default:
        return peek_at(p, ahead + 1)->kind == TOK_RPAREN;
    }
}

bool at_query_in_parentheses(const struct parser *p)
{
    return at_query(p) && (peek_at(p, 1)->kind != TOK_LPAREN || nested_query(p));
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

static void parse_item(struct parser *p, struct sql_item *item)
{
    struct sql_expr *expr;

    if (at(p, TOK_STAR)) {
        expr = expr_new(p, SQL_EXPR_STAR, peek(p)->pos);
        next(p);
        item->expr = expr;
        return;
    }
    item->expr = parse_expr(p);
    if (accept_kw(p, KW_AS)) {
        item->alias = parse_ident(p, "a name for the column");
    } else if (at_ident(p)) {
        item->alias = parse_ident(p, "a name for the column");
    }
}

static void parse_group_list(struct parser *p, struct list *list);

static void parse_group(struct parser *p, struct sql_group *group)
{
    struct list parts = {0};

    parse_enter(p);
    group->pos = peek(p)->pos;
    if (at_kw(p, KW_ROLLUP) || at_kw(p, KW_CUBE) || at_kw2(p, KW_GROUPING, KW_SETS)) {
        enum keyword word = next(p)->keyword;

        group->kind = word == KW_ROLLUP ? SQL_GROUP_ROLLUP
                      : word == KW_CUBE ? SQL_GROUP_CUBE
                                        : SQL_GROUP_SETS;
        if (word == KW_GROUPING)
            next(p);
        expect(p, TOK_LPAREN);
        parse_group_list(p, &parts);
        expect(p, TOK_RPAREN);
    } else if (at(p, TOK_LPAREN) && peek_at(p, 1)->kind == TOK_RPAREN) {
        next(p);
        next(p);
        group->kind = SQL_GROUP_EMPTY;
    } else {
        group->expr = parse_expr(p);
        if (group->expr->kind == SQL_EXPR_ROW && !group->expr->explicit_row)
            group->kind = SQL_GROUP_TUPLE;
    }
    group->parts = parts.items;
    group->count = parts.count;
    parse_leave(p);
}

static void parse_group_list(struct parser *p, struct list *list)
{
    do {
        struct sql_group group = {0};

        parse_group(p, &group);
        *LIST_ADD(p, list, struct sql_group) = group;
    } while (accept_kind(p, TOK_COMMA));
}

static void parse_group_by(struct parser *p, struct sql_select *select)
{
    struct list groups = {0};

    select->has_group = true;
    select->group_pos = peek(p)->pos;
    next(p);
    expect_kw(p, KW_BY);
    select->group_distinct = accept_kw(p, KW_DISTINCT);
    if (!select->group_distinct)
        select->group_all = accept_kw(p, KW_ALL);
    parse_group_list(p, &groups);
    select->groups = groups.items;
    select->group_count = groups.count;
}

static void parse_named_windows(struct parser *p, struct sql_select *select)
{
    struct list list = {0};

    next(p);
    do {
        struct sql_named_window *named = LIST_ADD(p, &list, struct sql_named_window);

        named->name = parse_ident(p, "a name of a window");
        expect_kw(p, KW_AS);
        named->window = parse_window(p);
    } while (accept_kind(p, TOK_COMMA));
    select->windows = list.items;
    select->window_count = list.count;
}

static struct sql_select *parse_select(struct parser *p)
{
    struct sql_select *select = PARSE_NEW(p, struct sql_select);
    struct list items = {0};

    select->pos = peek(p)->pos;
    expect_kw(p, KW_SELECT);
    select->hints = parse_hints(p);
    select->stream = accept_kw(p, KW_STREAM);
    select->distinct = accept_kw(p, KW_DISTINCT);
    if (!select->distinct)
        select->all = accept_kw(p, KW_ALL);
    do {
        struct sql_item item = {0};

        parse_item(p, &item);
        *LIST_ADD(p, &items, struct sql_item) = item;
    } while (accept_kind(p, TOK_COMMA));
    select->items = items.items;
    select->item_count = items.count;
    if (accept_kw(p, KW_FROM))
        select->from = parse_from(p);
    if (accept_kw(p, KW_WHERE))
        select->where = parse_expr(p);
    if (at_kw2(p, KW_GROUP, KW_BY))
        parse_group_by(p, select);
    if (accept_kw(p, KW_HAVING))
        select->having = parse_expr(p);
    if (at_kw(p, KW_WINDOW))
        parse_named_windows(p, select);
    if (at_word(p, "QUALIFY")) {
        next(p);
        select->qualify = parse_expr(p);
    }
    return select;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static struct sql_body *body_new(struct parser *p, enum sql_body_kind kind)
{
    struct sql_body *body = PARSE_NEW(p, struct sql_body);

    body->kind = kind;
    body->pos = peek(p)->pos;
    return body;
}

static struct sql_body *parse_values(struct parser *p)
{
    struct sql_body *body = body_new(p, SQL_BODY_VALUES);

    next(p);
    body->rows = parse_expr_list(p);
    return body;
}

static struct sql_body *parse_body_part(struct parser *p)
{
    struct sql_body *body;

    if (at_kw(p, KW_SELECT)) {
        body = body_new(p, SQL_BODY_SELECT);
        body->select = parse_select(p);
    } else if (at_kw(p, KW_VALUES)) {
        body = parse_values(p);
    } else if (at_kw(p, KW_TABLE)) {
        body = body_new(p, SQL_BODY_TABLE);
        next(p);
        body->name = parse_name(p, "a name of a table");
    } else if (at(p, TOK_LPAREN)) {
        body = body_new(p, SQL_BODY_QUERY);
        next(p);
        body->query = parse_query(p);
        expect(p, TOK_RPAREN);
    } else {
        parse_expected(p, "SELECT, VALUES, WITH or TABLE");
    }
    return body;
}

static struct sql_body *set_new(struct parser *p, enum sql_set_op op, struct sql_body *left)
{
    struct sql_body *set = body_new(p, SQL_BODY_SET);

    next(p);
    set->op = op;
    set->all = accept_kw(p, KW_ALL);
    if (!set->all)
        set->distinct = accept_kw(p, KW_DISTINCT);
    set->left = left;
    return set;
}

static struct sql_body *parse_intersect(struct parser *p)
{
    struct sql_body *left = parse_body_part(p);

    for (int count = 0; at_kw(p, KW_INTERSECT); count++) {
        if (count > SQL_SET_OPS_MAX)
            parse_fail(p, peek(p), "more than %d set operations in a row", SQL_SET_OPS_MAX);
        left = set_new(p, SQL_SET_INTERSECT, left);
        left->right = parse_body_part(p);
    }
    return left;
}

static struct sql_body *parse_body(struct parser *p)
{
    struct sql_body *left = parse_intersect(p);

    for (int count = 0;; count++) {
        enum sql_set_op op;

        if (at_kw(p, KW_UNION))
            op = SQL_SET_UNION;
        else if (at_kw(p, KW_EXCEPT) || at_kw(p, KW_MINUS)) /* MINUS: Flink itself refuses it */
            op = SQL_SET_EXCEPT;
        else
            return left;
        if (count > SQL_SET_OPS_MAX)
            parse_fail(p, peek(p), "more than %d set operations in a row", SQL_SET_OPS_MAX);
        left = set_new(p, op, left);
        left->right = parse_intersect(p);
    }
}

/* ---- queries --------------------------------------------------------------------------------- */

static void parse_with(struct parser *p, struct sql_query *query)
{
    struct list list = {0};

    next(p);
    query->recursive = accept_kw(p, KW_RECURSIVE);
    do {
        struct sql_with *with = LIST_ADD(p, &list, struct sql_with);

        with->name = parse_ident(p, "a name for the WITH query");
        if (at(p, TOK_LPAREN))
            with->columns = parse_ident_list(p, "a name of a column", &with->column_count);
        expect_kw(p, KW_AS);
        expect(p, TOK_LPAREN);
        with->query = parse_query(p);
        expect(p, TOK_RPAREN);
    } while (accept_kind(p, TOK_COMMA));
    query->with = list.items;
    query->with_count = list.count;
}

/* LIMIT n | ALL | offset, n */
static void parse_limit(struct parser *p, struct sql_query *query)
{
    query->limit_pos = next(p)->pos;
    if (accept_kw(p, KW_ALL)) {
        query->limit_all = true;
        return;
    }
    query->limit = parse_expr(p);
    if (accept_kind(p, TOK_COMMA)) {
        query->offset = query->limit;
        query->limit = parse_expr(p);
        query->limit_comma = true;
    }
}

static void parse_offset(struct parser *p, struct sql_query *query)
{
    if (!query->limit_pos.line)
        query->limit_pos = peek(p)->pos;
    next(p);
    query->offset = parse_expr(p);
    if (!accept_kw(p, KW_ROW))
        accept_kw(p, KW_ROWS);
}

static void parse_fetch(struct parser *p, struct sql_query *query)
{
    if (!query->limit_pos.line)
        query->limit_pos = peek(p)->pos;
    next(p);
    if (!accept_kw(p, KW_FIRST))
        expect_kw(p, KW_NEXT);
    query->fetch = true;
    query->limit = parse_expr(p);
    if (!accept_kw(p, KW_ROW))
        expect_kw(p, KW_ROWS);
    expect_kw(p, KW_ONLY);
}

static struct sql_query *parse_query_inner(struct parser *p)
{
    struct sql_query *query = PARSE_NEW(p, struct sql_query);

    query->pos = peek(p)->pos;
    if (at_kw(p, KW_WITH))
        parse_with(p, query);
    query->body = parse_body(p);
    if (at_kw(p, KW_ORDER)) {
        query->order_pos = next(p)->pos;
        expect_kw(p, KW_BY);
        query->order = parse_order_list(p);
    }
    if (at_kw(p, KW_LIMIT))
        parse_limit(p, query);
    if (at_kw(p, KW_OFFSET) && !query->offset)
        parse_offset(p, query);
    if (at_kw(p, KW_LIMIT) && !query->limit && !query->limit_all)
        parse_limit(p, query);
    else if (at_kw(p, KW_FETCH) && !query->limit && !query->limit_all)
        parse_fetch(p, query);
    return query;
}

struct sql_query *parse_query(struct parser *p)
{
    struct sql_query *query;

    parse_enter(p);
    query = parse_query_inner(p);
    parse_leave(p);
    return query;
}
