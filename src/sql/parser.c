/* parser.c - the small steps every production uses, and the ways in: a script, a statement, a
 * query.
 *
 * A recursive-descent parser over the token array of lexer.c. An error leaves by longjmp to the way
 * in; everything built so far stays in the caller's arena and goes when that is reset.
 */
#include <stdio.h>

#include "sql/sql_int.h"

_Noreturn void parse_fail(struct parser *p, const struct token *at, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    p->rc = err_at(p->err, ERR_INVALID, at->pos, "%s", text);
    longjmp(p->fail, 1);
}

_Noreturn void parse_nomem(struct parser *p)
{
    p->rc = err_set(p->err, ERR_NOMEM, "out of memory while reading SQL");
    longjmp(p->fail, 1);
}

/* What stands there, short enough for an error. */
static const char *found_text(const struct parser *p, const struct token *token, char *out,
                              size_t size)
{
    int len = token->len > 40 ? 40 : (int)token->len;

    if (token->kind == TOK_END)
        snprintf(out, size, "the end");
    else
        snprintf(out, size, "'%.*s%s'", len, (const char *)p->text.ptr + token->pos.at,
                 token->len > 40 ? "..." : "");
    return out;
}

_Noreturn void parse_expected(struct parser *p, const char *what)
{
    const struct token *token = peek(p);
    char found[64];

    found_text(p, token, found, sizeof(found));
    if (token->kind == TOK_IDENT && !token->quoted && keyword_reserved(token->keyword) &&
        !strncmp(what, "a name", 6))
        parse_fail(p, token, "found %s, expected %s; a reserved word is a name only as `%s`", found,
                   what, token->value);
    parse_fail(p, token, "found %s, expected %s", found, what);
}

void *parse_alloc(struct parser *p, size_t size)
{
    void *ptr = arena_alloc(p->arena, size);

    if (!ptr)
        parse_nomem(p);
    return ptr;
}

void *list_add(struct parser *p, struct list *list, size_t item_size)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        void *items = arena_array(p->arena, cap, item_size);

        if (!items)
            parse_nomem(p);
        if (list->count)
            memcpy(items, list->items, list->count * item_size);
        list->items = items;
        list->cap = cap;
    }
    return (uint8_t *)list->items + list->count++ * item_size;
}

void parse_enter(struct parser *p)
{
    if (++p->depth > SQL_DEPTH_MAX) {
        p->rc = err_at(p->err, ERR_LIMIT, peek(p)->pos, "nested more than %d levels deep",
                       SQL_DEPTH_MAX);
        longjmp(p->fail, 1);
    }
}

void parse_leave(struct parser *p)
{
    p->depth--;
}

const struct token *peek_at(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->count ? &p->tokens[p->at + ahead] : &p->tokens[p->count];
}

const struct token *next(struct parser *p)
{
    const struct token *token = peek(p);

    if (p->at < p->count)
        p->at++;
    return token;
}

bool at_kw_ahead(const struct parser *p, size_t ahead, enum keyword keyword)
{
    return peek_at(p, ahead)->keyword == keyword;
}

bool at_kw2(const struct parser *p, enum keyword first, enum keyword second)
{
    return at_kw(p, first) && at_kw_ahead(p, 1, second);
}

bool at_word(const struct parser *p, const char *word)
{
    const struct token *token = peek(p);

    return token->kind == TOK_IDENT && !token->quoted &&
           slice_ieq(slice_str(token->value), slice_str(word));
}

bool accept_kind(struct parser *p, enum token_kind kind)
{
    if (!at(p, kind))
        return false;
    next(p);
    return true;
}

bool accept_kw(struct parser *p, enum keyword keyword)
{
    if (!at_kw(p, keyword))
        return false;
    next(p);
    return true;
}

bool accept_kw2(struct parser *p, enum keyword first, enum keyword second)
{
    if (!at_kw2(p, first, second))
        return false;
    next(p);
    next(p);
    return true;
}

void expect(struct parser *p, enum token_kind kind)
{
    if (!accept_kind(p, kind))
        parse_expected(p, token_text(kind));
}

void expect_kw(struct parser *p, enum keyword keyword)
{
    const struct token *token = peek(p);
    const char *word = keyword_text(keyword);

    if (accept_kw(p, keyword))
        return;
    if (token->kind == TOK_IDENT && !token->quoted && !token->keyword &&
        sql_nearest(token->value, &word, 1))
        parse_fail(p, token, "found '%s', expected %s: did you mean that?", token->value, word);
    parse_expected(p, word);
}

bool at_ident(const struct parser *p)
{
    const struct token *token = peek(p);

    return token->kind == TOK_IDENT && (token->quoted || !keyword_reserved(token->keyword));
}

struct sql_ident parse_ident(struct parser *p, const char *what)
{
    const struct token *token = peek(p);

    if (!at_ident(p))
        parse_expected(p, what);
    next(p);
    return (struct sql_ident){.text = token->value, .pos = token->pos, .quoted = token->quoted};
}

struct sql_name parse_name(struct parser *p, const char *what)
{
    struct list parts = {0};

    *LIST_ADD(p, &parts, struct sql_ident) = parse_ident(p, what);
    while (accept_kind(p, TOK_DOT))
        *LIST_ADD(p, &parts, struct sql_ident) = parse_ident(p, "a name after the dot");
    return (struct sql_name){.parts = parts.items, .count = parts.count};
}

const char *parse_string(struct parser *p, const char *what)
{
    const struct token *token = peek(p);

    if (token->kind != TOK_STRING)
        parse_expected(p, what);
    if (memchr(token->value, '\0', token->value_len))
        parse_fail(p, token, "%s cannot hold a zero byte", what);
    next(p);
    return token->value;
}

int64_t parse_unsigned(struct parser *p, const char *what)
{
    const struct token *token = peek(p);
    int64_t value;

    if (token->kind != TOK_EXACT || strchr(token->value, '.'))
        parse_expected(p, what);
    if (slice_to_i64(slice_str(token->value), &value))
        parse_fail(p, token, "%s is too large", token->value);
    next(p);
    return value;
}

bool parse_if_exists(struct parser *p)
{
    if (!at_kw2(p, KW_IF, KW_EXISTS))
        return false;
    next(p);
    next(p);
    return true;
}

bool parse_if_not_exists(struct parser *p)
{
    if (!at_kw2(p, KW_IF, KW_NOT) || !at_kw_ahead(p, 2, KW_EXISTS))
        return false;
    next(p);
    next(p);
    next(p);
    return true;
}

struct sql_ident *parse_ident_list(struct parser *p, const char *what, size_t *count)
{
    struct list list = {0};

    expect(p, TOK_LPAREN);
    do
        *LIST_ADD(p, &list, struct sql_ident) = parse_ident(p, what);
    while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    *count = list.count;
    return list.items;
}

/* Flink wants quotes; scripts made for its forks leave them away around numbers and booleans, where
 * nothing else can be meant. */
static const char *parse_option_value(struct parser *p)
{
    size_t from = p->at;
    const char *text;

    if (at_kw(p, KW_TRUE) || at_kw(p, KW_FALSE) || at(p, TOK_EXACT))
        next(p);
    else
        return parse_string(p, "an option's value in quotes");
    text = arena_cstr(p->arena, parse_text_from(p, from));
    if (!text)
        parse_nomem(p);
    return text;
}

static struct sql_options options_of(struct parser *p, bool values)
{
    struct list list = {0};

    expect(p, TOK_LPAREN);
    if (!at(p, TOK_RPAREN)) {
        do {
            struct sql_option *option = LIST_ADD(p, &list, struct sql_option);

            option->key_pos = peek(p)->pos;
            option->key = parse_string(p, "an option's name in quotes");
            if (!values)
                continue;
            expect(p, TOK_EQ);
            option->value_pos = peek(p)->pos;
            option->value = parse_option_value(p);
        } while (accept_kind(p, TOK_COMMA));
    }
    expect(p, TOK_RPAREN);
    return (struct sql_options){.list = list.items, .count = list.count};
}

struct sql_options parse_options(struct parser *p)
{
    return options_of(p, true);
}

struct sql_options parse_option_keys(struct parser *p)
{
    return options_of(p, false);
}

/* NAME('k' = 'v', ...), NAME(a, 1), NAME. */
static void parse_hint(struct parser *p, struct sql_hint *hint)
{
    struct list args = {0};

    hint->name = parse_ident(p, "a hint's name");
    if (!at(p, TOK_LPAREN))
        return;
    if (peek_at(p, 1)->kind == TOK_STRING && peek_at(p, 2)->kind == TOK_EQ) {
        hint->options = parse_options(p);
        return;
    }
    next(p);
    if (!at(p, TOK_RPAREN)) {
        do {
            struct sql_expr *arg = at_ident(p) ? NULL : parse_literal(p);

            if (!arg) {
                arg = expr_new(p, SQL_EXPR_COLUMN, peek(p)->pos);
                arg->name = parse_name(p, "a name or a literal");
            }
            expr_add(p, &args, arg);
        } while (accept_kind(p, TOK_COMMA));
    }
    expect(p, TOK_RPAREN);
    hint->args = exprs_of(&args);
}

struct sql_hints parse_hints(struct parser *p)
{
    struct list list = {0};

    if (!accept_kind(p, TOK_HINT))
        return (struct sql_hints){0};
    do
        parse_hint(p, LIST_ADD(p, &list, struct sql_hint));
    while (accept_kind(p, TOK_COMMA) || !at(p, TOK_HINT_END));
    expect(p, TOK_HINT_END);
    return (struct sql_hints){.list = list.items, .count = list.count};
}

struct sql_partition parse_partition(struct parser *p)
{
    struct list columns = {0}, values = {0};

    expect(p, TOK_LPAREN);
    do {
        struct sql_expr *value = NULL;

        *LIST_ADD(p, &columns, struct sql_ident) = parse_ident(p, "a name of a partition column");
        if (accept_kind(p, TOK_EQ)) {
            value = parse_literal(p);
            if (!value)
                parse_expected(p, "a literal");
        }
        *LIST_ADD(p, &values, struct sql_expr *) = value;
    } while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    return (struct sql_partition){
        .columns = columns.items, .values = values.items, .count = columns.count};
}

struct slice parse_text_from(struct parser *p, size_t from)
{
    size_t begin = p->tokens[from].pos.at, end = begin;

    if (p->at > from)
        end = p->tokens[p->at - 1].pos.at + p->tokens[p->at - 1].len;
    return slice_of(p->text.ptr + begin, end - begin);
}

/* ---- the ways in ----------------------------------------------------------------------------- */

static int parser_init(struct parser *p, struct slice text, struct arena *arena, struct err *err)
{
    struct tokens tokens;
    int rc = lex(text, arena, &tokens, err);

    if (rc)
        return rc;
    memset(p, 0, offsetof(struct parser, fail));
    p->arena = arena;
    p->text = text;
    p->tokens = tokens.list;
    p->count = tokens.count;
    p->err = err;
    return 0;
}

/* BEGIN STATEMENT SET; insert; insert; END; as one statement. */
static struct sql_statement *parse_begin_set(struct parser *p)
{
    struct sql_statement *statement = statement_new(p, SQL_STMT_STATEMENT_SET);
    struct list list = {0};
    size_t from = p->at;

    next(p);
    next(p);
    next(p);
    expect(p, TOK_SEMICOLON);
    while (!at_kw(p, KW_END)) {
        struct sql_statement *insert;

        if (!at_kw(p, KW_INSERT))
            parse_expected(p, "INSERT or END");
        insert = parse_statement(p);
        *LIST_ADD(p, &list, struct sql_statement *) = insert;
        expect(p, TOK_SEMICOLON);
    }
    next(p);
    statement->set_of = PARSE_NEW(p, struct sql_statement_set);
    statement->set_of->list = list.items;
    statement->set_of->count = list.count;
    statement->text = parse_text_from(p, from);
    return statement;
}

static struct sql_statement *parse_one(struct parser *p)
{
    if (at_kw2(p, KW_BEGIN, KW_STATEMENT) && at_kw_ahead(p, 2, KW_SET))
        return parse_begin_set(p);
    return parse_statement(p);
}

static void parse_statements(struct parser *p, struct list *list)
{
    for (;;) {
        while (accept_kind(p, TOK_SEMICOLON))
            ;
        if (at(p, TOK_END))
            return;
        *LIST_ADD(p, list, struct sql_statement *) = parse_one(p);
        if (!at(p, TOK_END) && !at(p, TOK_SEMICOLON))
            parse_expected(p, "; or the end of the statement");
    }
}

int sql_parse_script(struct slice text, struct arena *arena, struct sql_script *out,
                     struct err *err)
{
    struct list list = {0};
    struct parser p;
    int rc = parser_init(&p, text, arena, err);

    memset(out, 0, sizeof(*out));
    if (rc)
        return rc;
    if (setjmp(p.fail))
        return p.rc;
    parse_statements(&p, &list);
    out->list = list.items;
    out->count = list.count;
    return 0;
}

/* One statement and its semicolon. The parser is the caller's, so that it outlives the jump. */
static int parse_next(struct parser *p)
{
    if (setjmp(p->fail))
        return p->rc;
    parse_one(p);
    if (!at(p, TOK_END) && !at(p, TOK_SEMICOLON))
        parse_expected(p, "; or the end of the statement");
    return 0;
}

size_t sql_parse_mistakes(struct slice text, struct arena *arena,
                          void (*wrong)(void *arg, const struct err *), void *arg)
{
    struct err err = {0};
    struct parser p;
    size_t count = 0;

    if (parser_init(&p, text, arena, &err)) {
        if (wrong)
            wrong(arg, &err);
        return 1;
    }
    for (;;) {
        while (accept_kind(&p, TOK_SEMICOLON))
            ;
        /* What follows in a broken statement set reads alone, except for its END. */
        if (count && at_kw(&p, KW_END))
            next(&p);
        if (at(&p, TOK_END))
            return count;
        if (at(&p, TOK_SEMICOLON))
            continue;
        p.depth = p.expr_depth = p.no_in = 0;
        if (parse_next(&p) == 0)
            continue;
        count++;
        if (wrong)
            wrong(arg, &err);
        while (!at(&p, TOK_END) && !at(&p, TOK_SEMICOLON))
            next(&p);
    }
}

int sql_parse_statement(struct slice text, struct arena *arena, struct sql_statement **out,
                        struct err *err)
{
    struct parser p;
    int rc = parser_init(&p, text, arena, err);

    *out = NULL;
    if (rc)
        return rc;
    if (setjmp(p.fail))
        return p.rc;
    *out = parse_one(&p);
    while (accept_kind(&p, TOK_SEMICOLON))
        ;
    if (!at(&p, TOK_END))
        parse_expected(&p, "the end of the statement");
    return 0;
}

int sql_parse_query(struct slice text, struct arena *arena, struct sql_query **out, struct err *err)
{
    struct parser p;
    int rc = parser_init(&p, text, arena, err);

    *out = NULL;
    if (rc)
        return rc;
    if (setjmp(p.fail))
        return p.rc;
    *out = parse_query(&p);
    if (!at(&p, TOK_END))
        parse_expected(&p, "the end of the query");
    return 0;
}

int sql_parse_expr(struct slice text, struct arena *arena, struct sql_expr **out, struct err *err)
{
    struct parser p;
    int rc = parser_init(&p, text, arena, err);

    *out = NULL;
    if (rc)
        return rc;
    if (setjmp(p.fail))
        return p.rc;
    *out = parse_expr(&p);
    if (!at(&p, TOK_END))
        parse_expected(&p, "an operator or the end of the expression");
    return 0;
}

int sql_type_parse(const char *text, struct arena *arena, const struct sql_type **out,
                   struct err *err)
{
    struct parser p;
    int rc = parser_init(&p, slice_str(text), arena, err);

    *out = NULL;
    if (rc)
        return rc;
    if (setjmp(p.fail))
        return p.rc;
    *out = parse_type(&p);
    if (!at(&p, TOK_END))
        parse_expected(&p, "the end of the type");
    return 0;
}

/* ---- the nearest name ------------------------------------------------------------------------ */

#define NEAREST_LEN_MAX 64

/* Edit distance with neighbours swapped counted once (optimal string alignment), cut at `limit`. */
static size_t edit_distance(const char *a, const char *b, size_t limit)
{
    size_t rows[3][NEAREST_LEN_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > NEAREST_LEN_MAX || b_len > NEAREST_LEN_MAX ||
        (a_len > b_len ? a_len - b_len : b_len - a_len) > limit)
        return limit + 1;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int x = a[i - 1] | 0x20, y = b[j - 1] | 0x20;
            size_t best = above[j - 1] + (x != y);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && x == (b[j - 2] | 0x20) && y == (a[i - 2] | 0x20) &&
                two[j - 2] + 1 < best)
                best = two[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *sql_nearest(const char *name, const char *const *known, size_t count)
{
    size_t len = strlen(name), limit = len < 3 ? 1 : len < 6 ? 2 : 3;
    const char *best = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance = known[i] ? edit_distance(name, known[i], limit) : limit + 1;

        if (distance <= limit && distance < len) {
            best = known[i];
            if (distance == 0)
                break;
            limit = distance - 1;
        }
    }
    return best;
}
