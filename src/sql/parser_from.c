/* parser_from.c - FROM: tables, subqueries, table functions, UNNEST, joins, and what may stand
 * behind a table: hints, a version,  TABLESAMPLE, MATCH_RECOGNIZE, PIVOT, an alias.
 */
#include "sql/sql_int.h"

#define SQL_JOINS_MAX 500 /* joins lean to the left: a limit on the tree's depth */

static struct sql_from *from_new(struct parser *p, enum sql_from_kind kind)
{
    struct sql_from *from = PARSE_NEW(p, struct sql_from);

    from->kind = kind;
    from->pos = peek(p)->pos;
    return from;
}

/* [AS] alias [(a, b)] */
static void parse_alias(struct parser *p, struct sql_ident *alias, struct sql_ident **columns,
                        size_t *column_count)
{
    bool as = accept_kw(p, KW_AS);

    if (!as && (!at_ident(p) || at_word(p, "QUALIFY")))
        return;
    *alias = parse_ident(p, "a name for the table");
    if (at(p, TOK_LPAREN))
        *columns = parse_ident_list(p, "a name of a column", column_count);
}

/* Which version of the table is meant: FOR SYSTEM_TIME AS OF is Flink's, FOR SYSTEM_VERSION Hive's;
 * Trino says FOR VERSION or FOR TIMESTAMP, Spark both without FOR. */
static void parse_travel(struct parser *p, struct sql_from *from)
{
    size_t word = at_kw(p, KW_FOR) ? 1 : 0;
    enum keyword keyword = peek_at(p, word)->keyword;
    bool time = keyword == KW_TIMESTAMP || (word && keyword == KW_SYSTEM_TIME);
    bool version = keyword == KW_VERSION;

    if (word && !time && !version) {
        next(p);
        version = at_word(p, "SYSTEM_VERSION");
        p->at--;
    }
    if ((!time && !version) || !at_kw_ahead(p, word + 1, KW_AS) || !at_kw_ahead(p, word + 2, KW_OF))
        return;
    for (size_t i = 0; i < word + 3; i++)
        next(p);
    *(time ? &from->system_time : &from->system_version) = parse_expr(p);
}

static void parse_sample(struct parser *p, struct sql_from *from)
{
    if (!accept_kw(p, KW_TABLESAMPLE))
        return;
    from->sample.given = true;
    if (accept_kw(p, KW_SUBSTITUTE)) {
        expect(p, TOK_LPAREN);
        from->sample.substitute = parse_string(p, "a name in quotes");
        expect(p, TOK_RPAREN);
        return;
    }
    from->sample.bernoulli = accept_kw(p, KW_BERNOULLI);
    if (!from->sample.bernoulli) {
        expect_kw(p, KW_SYSTEM);
        from->sample.system = true;
    }
    expect(p, TOK_LPAREN);
    from->sample.percent = parse_expr(p);
    expect(p, TOK_RPAREN);
    if (accept_kw(p, KW_REPEATABLE)) {
        from->sample.repeatable = true;
        expect(p, TOK_LPAREN);
        from->sample.seed = parse_expr(p);
        expect(p, TOK_RPAREN);
    }
}

/* TABLE(f(...)) */
static struct sql_from *parse_table_function(struct parser *p)
{
    struct sql_from *from = from_new(p, SQL_FROM_FUNCTION);

    next(p);
    from->table_keyword = true;
    expect(p, TOK_LPAREN);
    from->function = parse_call(p);
    if (!from->function)
        parse_expected(p, "a table function");
    expect(p, TOK_RPAREN);
    return from;
}

static struct sql_from *parse_unnest(struct parser *p)
{
    struct sql_from *from = from_new(p, SQL_FROM_UNNEST);

    next(p);
    expect(p, TOK_LPAREN);
    from->args = parse_expr_list(p);
    expect(p, TOK_RPAREN);
    if (accept_kw(p, KW_WITH)) {
        expect_kw(p, KW_ORDINALITY);
        from->with_ordinality = true;
    }
    return from;
}

static struct sql_from *parse_named(struct parser *p)
{
    struct sql_from *from = from_new(p, SQL_FROM_TABLE);
    size_t ahead = 0;

    while (peek_at(p, ahead)->kind == TOK_IDENT && peek_at(p, ahead + 1)->kind == TOK_DOT)
        ahead += 2;
    if (peek_at(p, ahead)->kind == TOK_IDENT && peek_at(p, ahead + 1)->kind == TOK_LPAREN) {
        from->kind = SQL_FROM_FUNCTION;
        from->function = parse_call(p);
        if (!from->function)
            parse_expected(p, "a name of a table");
        return from;
    }
    if (accept_kw(p, KW_TABLE)) /* TABLE t: the same as t */
        from->table_keyword = true;
    from->name = parse_name(p, "a name of a table");
    from->hints = parse_hints(p);
    return from;
}

/* (query) or (a JOIN b) */
static struct sql_from *parse_from_parenthesis(struct parser *p)
{
    bool query = at_query_in_parentheses(p);
    struct sql_from *from = from_new(p, query ? SQL_FROM_QUERY : SQL_FROM_GROUP);

    expect(p, TOK_LPAREN);
    parse_enter(p);
    if (query)
        from->query = parse_query(p);
    else
        from->left = parse_from(p);
    parse_leave(p);
    expect(p, TOK_RPAREN);
    return from;
}

static struct sql_from *parse_source(struct parser *p)
{
    bool lateral = accept_kw(p, KW_LATERAL);
    struct sql_from *from;

    if (at_kw(p, KW_TABLE) && peek_at(p, 1)->kind == TOK_LPAREN)
        from = parse_table_function(p);
    else if (at_kw(p, KW_UNNEST))
        from = parse_unnest(p);
    else if (at(p, TOK_LPAREN))
        from = parse_from_parenthesis(p);
    else
        from = parse_named(p);
    from->lateral = lateral;
    return from;
}

static void parse_behind(struct parser *p, struct sql_from *from)
{
    if (at_kw(p, KW_MATCH_RECOGNIZE))
        from->match = parse_match(p);
    else if (at_kw(p, KW_PIVOT) || at_kw(p, KW_UNPIVOT))
        from->pivot = parse_pivot(p);
    else
        return;
    parse_alias(p, &from->match_alias, &from->match_columns, &from->match_column_count);
}

static struct sql_from *parse_table(struct parser *p)
{
    struct sql_from *from = parse_source(p);

    parse_travel(p, from);
    parse_behind(p, from);
    if (!from->match && !from->pivot) {
        parse_alias(p, &from->alias, &from->columns, &from->column_count);
        parse_behind(p, from);
    }
    if (!from->hints.count)
        from->hints = parse_hints(p);
    parse_sample(p, from);
    return from;
}

struct sql_from *parse_from_one(struct parser *p)
{
    return parse_table(p);
}

/* The words of a join; false: none stands here. */
static bool parse_join_kind(struct parser *p, struct sql_from *join)
{
    static const struct {
        enum keyword keyword;
        enum sql_join_kind kind;
    } sides[] = {{KW_LEFT, SQL_JOIN_LEFT}, {KW_RIGHT, SQL_JOIN_RIGHT}, {KW_FULL, SQL_JOIN_FULL}};

    if (accept_kind(p, TOK_COMMA)) {
        join->join = SQL_JOIN_COMMA;
        return true;
    }
    if (at_kw2(p, KW_CROSS, KW_APPLY) || at_kw2(p, KW_OUTER, KW_APPLY)) {
        join->join = next(p)->keyword == KW_CROSS ? SQL_JOIN_CROSS_APPLY : SQL_JOIN_OUTER_APPLY;
        next(p);
        return true;
    }
    if (accept_kw(p, KW_CROSS)) {
        join->join = SQL_JOIN_CROSS;
        expect_kw(p, KW_JOIN);
        return true;
    }
    join->natural = accept_kw(p, KW_NATURAL);
    join->join = SQL_JOIN_INNER;
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        if (accept_kw(p, sides[i].keyword)) {
            join->join = sides[i].kind;
            join->outer_written = accept_kw(p, KW_OUTER);
            expect_kw(p, KW_JOIN);
            return true;
        }
    }
    join->inner_written = accept_kw(p, KW_INNER);
    if (join->natural || join->inner_written) {
        expect_kw(p, KW_JOIN);
        return true;
    }
    return accept_kw(p, KW_JOIN);
}

struct sql_from *parse_from(struct parser *p)
{
    struct sql_from *left = parse_table(p);

    for (int count = 0;; count++) {
        struct sql_from *join = from_new(p, SQL_FROM_JOIN);

        if (!parse_join_kind(p, join))
            return left;
        if (count > SQL_JOINS_MAX)
            parse_fail(p, peek(p), "more than %d joins", SQL_JOINS_MAX);
        join->left = left;
        join->right = parse_table(p);
        if (accept_kw(p, KW_ON))
            join->on = parse_expr(p);
        else if (accept_kw(p, KW_USING))
            join->using_columns = parse_ident_list(p, "a name of a column", &join->using_count);
        left = join;
    }
}
