/* parser_match.c - MATCH_RECOGNIZE with its row patterns, PIVOT and UNPIVOT.
 *
 * ISO/IEC TR 19075-5: Row Pattern Recognition, in the part that Calcite reads.
 */
#include "sql/sql_int.h"

static struct sql_pattern *parse_alternation(struct parser *p);

static struct sql_pattern *pattern_new(struct parser *p, int kind)
{
    struct sql_pattern *pattern = PARSE_NEW(p, struct sql_pattern);

    pattern->kind = kind;
    pattern->pos = peek(p)->pos;
    return pattern;
}

static void pattern_add(struct parser *p, struct list *list, struct sql_pattern *part)
{
    *LIST_ADD(p, list, struct sql_pattern *) = part;
}

static void pattern_parts(struct sql_pattern *pattern, const struct list *list)
{
    pattern->parts = list->items;
    pattern->count = list->count;
}

/* A, (...), {- ... -}, PERMUTE(A, B) */
static struct sql_pattern *parse_factor(struct parser *p)
{
    struct list parts = {0};
    struct sql_pattern *pattern;

    if (at(p, TOK_LPAREN) && peek_at(p, 1)->kind == TOK_RPAREN) {
        pattern = pattern_new(p, SQL_PATTERN_EMPTY);
        next(p);
        next(p);
    } else if (accept_kind(p, TOK_LPAREN)) {
        pattern = parse_alternation(p);
        expect(p, TOK_RPAREN);
    } else if (at(p, TOK_LBRACE) && peek_at(p, 1)->kind == TOK_MINUS) {
        pattern = pattern_new(p, SQL_PATTERN_EXCLUDE);
        next(p);
        next(p);
        pattern_add(p, &parts, parse_alternation(p));
        expect(p, TOK_MINUS);
        expect(p, TOK_RBRACE);
        pattern_parts(pattern, &parts);
    } else if (at_kw(p, KW_PERMUTE)) {
        pattern = pattern_new(p, SQL_PATTERN_PERMUTE);
        next(p);
        expect(p, TOK_LPAREN);
        do
            pattern_add(p, &parts, parse_alternation(p));
        while (accept_kind(p, TOK_COMMA));
        expect(p, TOK_RPAREN);
        pattern_parts(pattern, &parts);
    } else {
        pattern = pattern_new(p, SQL_PATTERN_SYMBOL);
        pattern->symbol = parse_ident(p, "a name of a pattern variable");
    }
    return pattern;
}

/* *, +, ?, {n}, {n,}, {,m}, {n,m}; false: no quantifier. */
static bool parse_quantifier(struct parser *p, struct sql_pattern *repeat)
{
    repeat->max = -1;
    if (accept_kind(p, TOK_STAR)) {
        repeat->min = 0;
    } else if (accept_kind(p, TOK_PLUS)) {
        repeat->min = 1;
    } else if (accept_kind(p, TOK_QUESTION)) {
        repeat->max = 1;
    } else if (at(p, TOK_LBRACE) && peek_at(p, 1)->kind != TOK_MINUS) {
        const struct token *token = next(p);

        if (at(p, TOK_COMMA)) {
            next(p);
            repeat->max = parse_unsigned(p, "a number of repetitions");
        } else {
            repeat->min = parse_unsigned(p, "a number of repetitions");
            repeat->max = repeat->min;
            if (accept_kind(p, TOK_COMMA)) {
                repeat->max = -1;
                if (!at(p, TOK_RBRACE))
                    repeat->max = parse_unsigned(p, "a number of repetitions");
            }
        }
        if (repeat->max >= 0 && repeat->max < repeat->min)
            parse_fail(p, token, "the pattern repeats at least %lld and at most %lld times",
                       (long long)repeat->min, (long long)repeat->max);
        expect(p, TOK_RBRACE);
    } else {
        return false;
    }
    repeat->reluctant = accept_kind(p, TOK_QUESTION);
    return true;
}

static struct sql_pattern *parse_repeat(struct parser *p)
{
    struct sql_pattern *factor = parse_factor(p);
    struct sql_pattern *repeat = pattern_new(p, SQL_PATTERN_REPEAT);
    struct list parts = {0};

    if (!parse_quantifier(p, repeat))
        return factor;
    pattern_add(p, &parts, factor);
    pattern_parts(repeat, &parts);
    return repeat;
}

static struct sql_pattern *parse_sequence(struct parser *p)
{
    struct sql_pattern *sequence = pattern_new(p, SQL_PATTERN_SEQUENCE);
    struct list parts = {0};

    do
        pattern_add(p, &parts, parse_repeat(p));
    while (at_ident(p) || at(p, TOK_LPAREN) || at(p, TOK_LBRACE) || at_kw(p, KW_PERMUTE));
    pattern_parts(sequence, &parts);
    return parts.count == 1 ? sequence->parts[0] : sequence;
}

static struct sql_pattern *parse_alternation(struct parser *p)
{
    struct sql_pattern *alternation = pattern_new(p, SQL_PATTERN_ALTERNATION);
    struct list parts = {0};

    parse_enter(p);
    do
        pattern_add(p, &parts, parse_sequence(p));
    while (accept_kind(p, TOK_BAR));
    parse_leave(p);
    pattern_parts(alternation, &parts);
    return parts.count == 1 ? alternation->parts[0] : alternation;
}

static void parse_measures(struct parser *p, struct sql_match *match)
{
    struct list list = {0};

    do {
        struct sql_measure *measure = LIST_ADD(p, &list, struct sql_measure);

        measure->expr = parse_expr(p);
        expect_kw(p, KW_AS);
        measure->alias = parse_ident(p, "a name for the measure");
    } while (accept_kind(p, TOK_COMMA));
    match->measures = list.items;
    match->measure_count = list.count;
}

/* ONE ROW PER MATCH, ALL ROWS PER MATCH [SHOW EMPTY MATCHES | OMIT EMPTY MATCHES | WITH UNMATCHED
 * ROWS] */
static void parse_rows_per_match(struct parser *p, struct sql_match *match)
{
    if (accept_kw(p, KW_ONE)) {
        expect_kw(p, KW_ROW);
        match->rows = SQL_ONE_ROW;
    } else {
        next(p);
        expect_kw(p, KW_ROWS);
        match->rows = SQL_ALL_ROWS;
    }
    expect_kw(p, KW_PER);
    expect_kw(p, KW_MATCH);
    if (match->rows != SQL_ALL_ROWS)
        return;
    if (accept_kw(p, KW_SHOW)) {
        expect_kw(p, KW_EMPTY);
        expect_kw(p, KW_MATCHES);
        match->show_empty = true;
    } else if (accept_kw(p, KW_OMIT)) {
        expect_kw(p, KW_EMPTY);
        expect_kw(p, KW_MATCHES);
        match->omit_empty = true;
    } else if (accept_kw(p, KW_WITH)) {
        if (!at_word(p, "UNMATCHED"))
            parse_expected(p, "UNMATCHED ROWS");
        next(p);
        expect_kw(p, KW_ROWS);
        match->with_unmatched = true;
    }
}

static void parse_skip(struct parser *p, struct sql_match *match)
{
    next(p);
    expect_kw(p, KW_MATCH);
    expect_kw(p, KW_SKIP);
    if (accept_kw(p, KW_PAST)) {
        expect_kw(p, KW_LAST);
        expect_kw(p, KW_ROW);
        match->skip = SQL_SKIP_PAST_LAST_ROW;
        return;
    }
    expect_kw(p, KW_TO);
    if (accept_kw(p, KW_NEXT)) {
        expect_kw(p, KW_ROW);
        match->skip = SQL_SKIP_NEXT_ROW;
        return;
    }
    match->skip = SQL_SKIP_TO;
    if (peek_at(p, 1)->kind == TOK_IDENT && !at_kw_ahead(p, 1, KW_PATTERN)) {
        if (accept_kw(p, KW_FIRST))
            match->skip = SQL_SKIP_TO_FIRST;
        else if (accept_kw(p, KW_LAST))
            match->skip = SQL_SKIP_TO_LAST;
    }
    match->skip_to = parse_ident(p, "a name of a pattern variable");
}

static void parse_pattern(struct parser *p, struct sql_match *match)
{
    expect_kw(p, KW_PATTERN);
    expect(p, TOK_LPAREN);
    match->strict_start = accept_kind(p, TOK_CARET);
    match->pattern = parse_alternation(p);
    match->strict_end = accept_kind(p, TOK_DOLLAR);
    expect(p, TOK_RPAREN);
}

static void parse_subsets(struct parser *p, struct sql_match *match)
{
    struct list list = {0};

    do {
        struct sql_subset *subset = LIST_ADD(p, &list, struct sql_subset);

        subset->name = parse_ident(p, "a name of a subset");
        expect(p, TOK_EQ);
        subset->symbols = parse_ident_list(p, "a name of a pattern variable", &subset->count);
    } while (accept_kind(p, TOK_COMMA));
    match->subsets = list.items;
    match->subset_count = list.count;
}

static void parse_defines(struct parser *p, struct sql_match *match)
{
    struct list list = {0};

    expect_kw(p, KW_DEFINE);
    do {
        struct sql_define *define = LIST_ADD(p, &list, struct sql_define);

        define->symbol = parse_ident(p, "a name of a pattern variable");
        expect_kw(p, KW_AS);
        define->expr = parse_expr(p);
    } while (accept_kind(p, TOK_COMMA));
    match->defines = list.items;
    match->define_count = list.count;
}

struct sql_match *parse_match(struct parser *p)
{
    struct sql_match *match = PARSE_NEW(p, struct sql_match);

    match->pos = next(p)->pos;
    expect(p, TOK_LPAREN);
    if (accept_kw(p, KW_PARTITION)) {
        expect_kw(p, KW_BY);
        match->partition = parse_expr_list(p);
    }
    if (accept_kw(p, KW_ORDER)) {
        expect_kw(p, KW_BY);
        match->order = parse_order_list(p);
    }
    if (accept_kw(p, KW_MEASURES))
        parse_measures(p, match);
    if (at_kw(p, KW_ONE) || at_kw(p, KW_ALL))
        parse_rows_per_match(p, match);
    if (at_kw(p, KW_AFTER))
        parse_skip(p, match);
    parse_pattern(p, match);
    if (accept_kw(p, KW_WITHIN))
        match->within = parse_interval(p);
    if (accept_kw(p, KW_SUBSET))
        parse_subsets(p, match);
    parse_defines(p, match);
    expect(p, TOK_RPAREN);
    return match;
}

/* ---- PIVOT ----------------------------------------------------------------------------------- */

/* a or (a, b) */
static struct sql_ident *parse_idents(struct parser *p, size_t *count)
{
    struct sql_ident *one;

    if (at(p, TOK_LPAREN))
        return parse_ident_list(p, "a name of a column", count);
    one = PARSE_NEW(p, struct sql_ident);
    *one = parse_ident(p, "a name of a column");
    *count = 1;
    return one;
}

/* x or (x, y) */
static struct sql_exprs parse_values(struct parser *p)
{
    struct list list = {0};

    if (accept_kind(p, TOK_LPAREN)) {
        struct sql_exprs values = parse_expr_list(p);

        expect(p, TOK_RPAREN);
        return values;
    }
    expr_add(p, &list, parse_expr(p));
    return exprs_of(&list);
}

static void parse_pivot_aggregates(struct parser *p, struct sql_pivot *pivot)
{
    struct list list = {0};

    do {
        struct sql_item *item = LIST_ADD(p, &list, struct sql_item);

        item->expr = parse_call(p);
        if (!item->expr)
            parse_expected(p, "an aggregate function");
        if (accept_kw(p, KW_AS) || at_ident(p))
            item->alias = parse_ident(p, "a name for the aggregate");
    } while (accept_kind(p, TOK_COMMA));
    pivot->aggregates = list.items;
    pivot->aggregate_count = list.count;
}

static void parse_pivot_values(struct parser *p, struct sql_pivot *pivot)
{
    struct list values = {0}, constants = {0};

    expect(p, TOK_LPAREN);
    do {
        struct sql_pivot_value *value = LIST_ADD(p, &values, struct sql_pivot_value);
        struct sql_exprs *constant = LIST_ADD(p, &constants, struct sql_exprs);

        value->values = parse_values(p);
        if (pivot->unpivot) {
            if (accept_kw(p, KW_AS))
                *constant = parse_values(p);
        } else if (accept_kw(p, KW_AS) || at_ident(p)) {
            value->alias = parse_ident(p, "a name for the value");
        }
    } while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    pivot->values = values.items;
    pivot->constants = constants.items;
    pivot->value_count = values.count;
}

struct sql_pivot *parse_pivot(struct parser *p)
{
    struct sql_pivot *pivot = PARSE_NEW(p, struct sql_pivot);

    pivot->unpivot = next(p)->keyword == KW_UNPIVOT;
    if (pivot->unpivot && (at_kw(p, KW_EXCLUDE) || at_word(p, "INCLUDE"))) {
        pivot->exclude_nulls = at_kw(p, KW_EXCLUDE);
        pivot->include_nulls = !pivot->exclude_nulls;
        next(p);
        expect_kw(p, KW_NULLS);
    }
    expect(p, TOK_LPAREN);
    if (pivot->unpivot)
        pivot->measures = parse_idents(p, &pivot->measure_count);
    else
        parse_pivot_aggregates(p, pivot);
    expect_kw(p, KW_FOR);
    pivot->axes = parse_idents(p, &pivot->axis_count);
    expect_kw(p, KW_IN);
    parse_pivot_values(p, pivot);
    expect(p, TOK_RPAREN);
    return pivot;
}
