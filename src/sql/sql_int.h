/* sql_int.h - what the files of this room share: tokens, and the parser's small steps.
 *
 * The parser leaves through longjmp when it meets an error or memory runs out. Everything it
 * builds lives in the arena, so nothing can leak, and two hundred productions stay free of checks.
 */
#ifndef SQL_INT_H
#define SQL_INT_H

#include <setjmp.h>

#include "sql/sql.h"

/* ---- tokens (lexer.c) ------------------------------------------------------------------------ */

enum token_kind {
    TOK_END,
    TOK_IDENT,  /* value; quoted says how it was written; unquoted ones may be keywords too */
    TOK_EXACT,  /* 12, 1.5, .5 */
    TOK_APPROX, /* 1e3 */
    TOK_STRING, /* value: decoded */
    TOK_BINARY, /* value: hex digits */
    TOK_HINT,   /* slash-star-plus */
    TOK_HINT_END,
    TOK_EQ,
    TOK_NE,
    TOK_NE_BANG,
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR,
    TOK_SLASH,
    TOK_PERCENT,
    TOK_CONCAT,
    TOK_BAR,
    TOK_CARET,
    TOK_DOLLAR,
    TOK_QUESTION,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_COMMA,
    TOK_DOT,
    TOK_SEMICOLON,
    TOK_COLON,
    TOK_ARROW, /* => */
    TOK_KINDS
};

enum keyword {
    NO_KEYWORD,
#define KEYWORD(name, class) KW_##name,
#include "sql/keywords.def"
#undef KEYWORD
    KEYWORD_COUNT
};

struct token {
    enum token_kind kind;
    enum keyword keyword; /* of an unquoted word */
    bool quoted;
    struct sql_pos pos;
    uint32_t len;      /* bytes in the text */
    const char *value; /* IDENT, STRING, BINARY, numbers */
    uint32_t value_len;
};

struct tokens {
    struct token *list; /* ends with TOK_END */
    size_t count;       /* without it */
};

int lex(struct slice text, struct arena *arena, struct tokens *out, struct err *err);
bool keyword_reserved(enum keyword keyword);
const char *keyword_text(enum keyword keyword);
enum keyword keyword_of(const char *word, size_t len); /* any case; NO_KEYWORD */
const char *token_text(enum token_kind kind);          /* "(", "=>", "a name", ... */

/* "line 3, column 14: ..." */
int err_at(struct err *err, int code, struct sql_pos pos, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- parser steps (parser.c) ----------------------------------------------------------------- */

struct parser {
    struct arena *arena;
    struct slice text;
    const struct token *tokens;
    size_t count, at;
    int depth;
    int no_in;      /* inside POSITION(a IN b): IN ends the expression */
    int expr_depth; /* parse_expr calls under way */
    int chain;      /* operators chained to the left in the outermost expression */
    struct err *err;
    int rc;
    jmp_buf fail;
};

/* A list that grows in the arena. */
struct list {
    void *items;
    size_t count, cap;
};
void *list_add(struct parser *p, struct list *list, size_t item_size); /* a zeroed slot */

#define LIST_ADD(p, list, type) ((type *)list_add((p), (list), sizeof(type)))

_Noreturn void parse_fail(struct parser *p, const struct token *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void parse_expected(struct parser *p, const char *what); /* found X, expected what */
_Noreturn void parse_nomem(struct parser *p);
void *parse_alloc(struct parser *p, size_t size);
#define PARSE_NEW(p, type) ((type *)parse_alloc((p), sizeof(type)))
void parse_enter(struct parser *p); /* one level deeper; refuses past SQL_DEPTH_MAX */
void parse_leave(struct parser *p);

static inline const struct token *peek(const struct parser *p)
{
    return &p->tokens[p->at];
}
const struct token *peek_at(const struct parser *p, size_t ahead);
const struct token *next(struct parser *p);

static inline bool at(const struct parser *p, enum token_kind kind)
{
    return peek(p)->kind == kind;
}
static inline bool at_kw(const struct parser *p, enum keyword keyword)
{
    return peek(p)->keyword == keyword;
}
bool at_kw2(const struct parser *p, enum keyword first, enum keyword second);
bool at_kw_ahead(const struct parser *p, size_t ahead, enum keyword keyword);
bool at_word(const struct parser *p, const char *word); /* a word that is no keyword of Flink's */
bool accept_kind(struct parser *p, enum token_kind kind);
bool accept_kw(struct parser *p, enum keyword keyword);
bool accept_kw2(struct parser *p, enum keyword first, enum keyword second);
void expect(struct parser *p, enum token_kind kind);
void expect_kw(struct parser *p, enum keyword keyword);

bool at_ident(const struct parser *p); /* a name: quoted, or not reserved */
struct sql_ident parse_ident(struct parser *p, const char *what);
struct sql_name parse_name(struct parser *p, const char *what); /* a.b.c */
const char *parse_string(struct parser *p, const char *what);
int64_t parse_unsigned(struct parser *p, const char *what);
bool parse_if_exists(struct parser *p);
bool parse_if_not_exists(struct parser *p);
struct sql_ident *parse_ident_list(struct parser *p, const char *what, size_t *count); /* (a, b) */
/* parser_iceberg.c: what Spark's extension for Iceberg adds to ALTER TABLE. False: none of it. */
bool parse_iceberg_alter(struct parser *p, struct sql_alter *alter);
struct sql_options parse_options(struct parser *p);          /* ('k' = 'v', ...) */
struct sql_options parse_option_keys(struct parser *p);      /* ('k', ...) */
struct sql_hints parse_hints(struct parser *p);              /* none: empty */
struct sql_partition parse_partition(struct parser *p);      /* (a = 1, b), after PARTITION */
struct slice parse_text_from(struct parser *p, size_t from); /* text of the tokens from..now */

/* ---- productions ----------------------------------------------------------------------------- */

struct sql_expr *parse_expr(struct parser *p);           /* parser_expr.c */
struct sql_expr *parse_expr_before_in(struct parser *p); /* IN ends it */
struct sql_expr *parse_primary(struct parser *p);        /* parser_primary.c */
struct sql_expr *expr_new(struct parser *p, enum sql_expr_kind kind, struct sql_pos pos);
void expr_add(struct parser *p, struct list *list, struct sql_expr *expr);
struct sql_exprs exprs_of(struct list *list);
struct sql_expr *parse_call(struct parser *p);    /* parser_call.c; NULL: not a call */
struct sql_expr *parse_literal(struct parser *p); /* NULL: not a literal */
struct sql_expr *parse_interval(struct parser *p);
enum sql_unit parse_unit(struct parser *p);           /* NONE: not a unit */
struct sql_expr *parse_unit_symbol(struct parser *p); /* DAY, SQL_TSI_DAY, EPOCH ... */
struct sql_window *parse_window(struct parser *p);    /* ( ... ) */
struct sql_orders parse_order_list(struct parser *p);
struct sql_exprs parse_expr_list(struct parser *p);                /* a, b, c */
const struct sql_type *parse_type(struct parser *p);               /* parser_type.c */
void parse_interval_type(struct parser *p, struct sql_type *type); /* the units behind INTERVAL */
struct sql_query *parse_query(struct parser *p);                   /* parser_query.c */
bool at_query(const struct parser *p);           /* SELECT, WITH, VALUES, TABLE, ( of one */
bool at_query_in_parentheses(const struct parser *p);
struct sql_from *parse_from(struct parser *p);   /* parser_from.c */
struct sql_match *parse_match(struct parser *p); /* parser_match.c */
struct sql_pivot *parse_pivot(struct parser *p);
struct sql_statement *parse_statement(struct parser *p); /* parser_statement.c */
struct sql_statement *statement_new(struct parser *p, enum sql_statement_kind kind);
void parse_create(struct parser *p, struct sql_statement *statement); /* parser_create.c */
void parse_alter(struct parser *p, struct sql_statement *statement);  /* parser_alter.c */
void parse_drop(struct parser *p, struct sql_statement *statement);
void parse_show(struct parser *p, struct sql_statement *statement); /* parser_show.c */
void parse_describe(struct parser *p, struct sql_statement *statement);
void parse_use(struct parser *p, struct sql_statement *statement);
void parse_schema(struct parser *p, struct sql_schema_def *schema, bool alter);
void parse_schema_item(struct parser *p, struct sql_schema_def *schema, bool alter);
struct sql_distribution parse_distribution(struct parser *p);
void parse_insert(struct parser *p, struct sql_statement *statement); /* parser_dml.c */
void parse_update(struct parser *p, struct sql_statement *statement);
void parse_delete(struct parser *p, struct sql_statement *statement);
void parse_merge(struct parser *p, struct sql_statement *statement);
struct sql_from *parse_from_one(struct parser *p); /* parser_from.c: no join, no comma */

#endif
