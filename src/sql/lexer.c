/* lexer.c - Flink SQL text into tokens: Calcite's lexical rules with `Lex.JAVA`.
 *
 * Names are case-sensitive and quoted by backquotes (`` inside is one); words are ASCII-folded only
 * to find keywords. Strings: 'it''s', U&'\00e9' (UESCAPE 'c' behind), X'00ff', N'...', _utf8'...'.
 * Comments: -- and // to the end of the line, slash-star to star-slash (not nested);
 * slash-star-plus opens a hint, whose inside is tokens. The whole script becomes one array: any
 * lookahead is free.
 */
#include "sql/sql_int.h"

struct lexer {
    const uint8_t *ptr;
    size_t len, at;
    uint32_t line, column;
    bool in_hint;
    struct arena *arena;
    struct err *err;
    struct tokens *out;
    size_t cap;
};

static const struct {
    const char *text;
    bool reserved;
} keywords[KEYWORD_COUNT] = {
    {"", false},
#define RESERVED             true
#define FREE                 false
#define KEYWORD(name, class) {#name, class},
#include "sql/keywords.def"
#undef KEYWORD
#undef RESERVED
#undef FREE
};

/* Longer signs first. */
static const struct {
    const char *text;
    enum token_kind kind;
} signs[] = {
    {"<>", TOK_NE},      {"!=", TOK_NE_BANG},  {"<=", TOK_LE},    {">=", TOK_GE},
    {"||", TOK_CONCAT},  {"=>", TOK_ARROW},    {"=", TOK_EQ},     {"<", TOK_LT},
    {">", TOK_GT},       {"+", TOK_PLUS},      {"-", TOK_MINUS},  {"*", TOK_STAR},
    {"/", TOK_SLASH},    {"%", TOK_PERCENT},   {"|", TOK_BAR},    {"^", TOK_CARET},
    {"?", TOK_QUESTION}, {"(", TOK_LPAREN},    {")", TOK_RPAREN}, {"[", TOK_LBRACKET},
    {"]", TOK_RBRACKET}, {"{", TOK_LBRACE},    {"}", TOK_RBRACE}, {",", TOK_COMMA},
    {".", TOK_DOT},      {";", TOK_SEMICOLON}, {":", TOK_COLON},
};

const char *token_text(enum token_kind kind)
{
    switch (kind) {
    case TOK_END:
        return "the end";
    case TOK_IDENT:
        return "a name";
    case TOK_EXACT:
    case TOK_APPROX:
        return "a number";
    case TOK_STRING:
        return "a string";
    case TOK_BINARY:
        return "a binary string";
    case TOK_HINT:
        return "/*+";
    case TOK_HINT_END:
        return "*/";
    case TOK_DOLLAR:
        return "$";
    default:
        for (size_t i = 0; i < COUNT_OF(signs); i++)
            if (signs[i].kind == kind)
                return signs[i].text;
        return "?";
    }
}

bool keyword_reserved(enum keyword keyword)
{
    return keywords[keyword].reserved;
}

const char *keyword_text(enum keyword keyword)
{
    return keywords[keyword].text;
}

static int upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

enum keyword keyword_of(const char *word, size_t len)
{
    size_t low = 1, high = KEYWORD_COUNT;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const char *text = keywords[mid].text;
        int diff = 0;

        for (size_t i = 0; !diff; i++) {
            int a = i < len ? upper((uint8_t)word[i]) : 0, b = (uint8_t)text[i];

            diff = a - b;
            if (!a || !b)
                break;
        }
        if (diff == 0)
            return (enum keyword)mid;
        if (diff < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NO_KEYWORD;
}

int err_at(struct err *err, int code, struct sql_pos pos, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_setv(err, code, fmt, args);
    va_end(args);
    return err_wrap(err, code, "line %u, column %u", pos.line, pos.column);
}

static int peek_byte(const struct lexer *lx, size_t ahead)
{
    return lx->at + ahead < lx->len ? lx->ptr[lx->at + ahead] : -1;
}

/* Columns count code points: continuation bytes of UTF-8 do not. */
static void step(struct lexer *lx, size_t bytes)
{
    for (; bytes && lx->at < lx->len; bytes--, lx->at++) {
        if (lx->ptr[lx->at] == '\n') {
            lx->line++;
            lx->column = 1;
        } else if ((lx->ptr[lx->at] & 0xc0) != 0x80) {
            lx->column++;
        }
    }
}

static struct sql_pos here(const struct lexer *lx)
{
    return (struct sql_pos){.line = lx->line, .column = lx->column, .at = (uint32_t)lx->at};
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Letters beyond ASCII are taken as parts of names, as Java's identifiers are. */
static bool is_word_start(int c)
{
    return (upper(c) >= 'A' && upper(c) <= 'Z') || c == '_' || c == '$' || c >= 0x80;
}

static bool is_word(int c)
{
    return is_word_start(c) || is_digit(c);
}

static struct token *token_add(struct lexer *lx, enum token_kind kind, struct sql_pos pos)
{
    struct token *token;

    if (lx->out->count == lx->cap) {
        size_t cap = lx->cap ? lx->cap * 2 : 64;
        struct token *list = ARENA_ARRAY(lx->arena, struct token, cap);

        if (!list)
            return NULL;
        if (lx->out->count)
            memcpy(list, lx->out->list, lx->out->count * sizeof(*list));
        lx->out->list = list;
        lx->cap = cap;
    }
    token = &lx->out->list[lx->out->count++];
    memset(token, 0, sizeof(*token));
    token->kind = kind;
    token->pos = pos;
    return token;
}

static int nomem(struct lexer *lx)
{
    return err_set(lx->err, ERR_NOMEM, "out of memory while reading SQL");
}

/* Blanks and comments. A hint's opening is left for the token loop. */
static int skip_blank(struct lexer *lx)
{
    for (;;) {
        int c = peek_byte(lx, 0), d = peek_byte(lx, 1);

        if (is_space(c)) {
            step(lx, 1);
        } else if ((c == '-' && d == '-') || (c == '/' && d == '/')) {
            while (lx->at < lx->len && lx->ptr[lx->at] != '\n')
                step(lx, 1);
        } else if (c == '/' && d == '*' && (lx->in_hint || peek_byte(lx, 2) != '+')) {
            struct sql_pos pos = here(lx);

            step(lx, 2);
            while (lx->at < lx->len && !(peek_byte(lx, 0) == '*' && peek_byte(lx, 1) == '/'))
                step(lx, 1);
            if (lx->at >= lx->len)
                return err_at(lx->err, ERR_INVALID, pos, "this comment has no end");
            step(lx, 2);
        } else {
            return 0;
        }
    }
}

/* The inside of '...' or `...`, the quote doubled being one. Stands on the opening quote. */
static int lex_quoted(struct lexer *lx, struct token *token, const char *what)
{
    uint8_t quote = lx->ptr[lx->at];
    size_t end = lx->at + 1, len = 0;
    char *value;

    for (;; end++) {
        if (end >= lx->len)
            return err_at(lx->err, ERR_INVALID, token->pos, "this %s has no end", what);
        if (lx->ptr[end] == quote) {
            if (end + 1 < lx->len && lx->ptr[end + 1] == quote)
                end++;
            else
                break;
        }
        len++;
    }
    value = arena_alloc(lx->arena, len + 1);
    if (!value)
        return nomem(lx);
    len = 0;
    for (size_t i = lx->at + 1; i < end; i++) {
        value[len++] = (char)lx->ptr[i];
        if (lx->ptr[i] == quote)
            i++;
    }
    step(lx, end + 1 - lx->at);
    token->value = value;
    token->value_len = (uint32_t)len;
    return 0;
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    c = upper(c);
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Escapes of U&'...': \XXXX are UTF-16 units (a surrogate pair is two of them), the escape sign
 * doubled is itself. Decoding never grows the text: four or more bytes become at most three. */
static int decode_unicode(struct lexer *lx, struct token *token, char escape)
{
    const char *in = token->value;
    size_t len = token->value_len, to = 0;
    char *out = arena_alloc(lx->arena, len + 1);
    uint32_t high = 0;

    if (!out)
        return nomem(lx);
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;

        if (in[i] != escape) {
            if (high)
                break;
            out[to++] = in[i++];
            continue;
        }
        if (i + 1 < len && in[i + 1] == escape && !high) {
            out[to++] = escape;
            i += 2;
            continue;
        }
        for (size_t k = 1; k <= 4; k++) {
            int digit = i + k < len ? hex_value(in[i + k]) : -1;

            if (digit < 0)
                return err_at(lx->err, ERR_INVALID, token->pos,
                              "a Unicode escape is \\ and four hexadecimal digits");
            c = c * 16 + (uint32_t)digit;
        }
        i += 5;
        if (high) {
            if (c < 0xdc00 || c > 0xdfff)
                break;
            to += utf8_put(out + to, 0x10000 + ((high - 0xd800) << 10) + (c - 0xdc00));
            high = 0;
        } else if (c >= 0xd800 && c <= 0xdbff) {
            high = c;
        } else if (c >= 0xdc00 && c <= 0xdfff) {
            high = c; /* a low half alone */
            break;
        } else {
            to += utf8_put(out + to, c);
        }
    }
    if (high)
        return err_at(lx->err, ERR_INVALID, token->pos, "half of a surrogate pair stands alone");
    token->value = out;
    token->value_len = (uint32_t)to;
    return 0;
}

/* UESCAPE 'c' behind a U& string changes its escape sign. */
static int lex_uescape(struct lexer *lx, char *escape)
{
    struct lexer save = *lx;
    struct token sign = {.pos = here(lx)};
    int rc = skip_blank(lx);

    if (rc)
        return rc;
    if (lx->len - lx->at > 7 && keyword_of((const char *)lx->ptr + lx->at, 7) == KW_UESCAPE &&
        !is_word(peek_byte(lx, 7))) {
        step(lx, 7);
        rc = skip_blank(lx);
        if (rc)
            return rc;
        sign.pos = here(lx);
        if (peek_byte(lx, 0) != '\'')
            return err_at(lx->err, ERR_INVALID, sign.pos, "expected a string after UESCAPE");
        rc = lex_quoted(lx, &sign, "string");
        if (rc)
            return rc;
        if (sign.value_len != 1 || hex_value(sign.value[0]) >= 0 || is_space(sign.value[0]) ||
            strchr("+'\"", sign.value[0]))
            return err_at(lx->err, ERR_INVALID, sign.pos, "UESCAPE takes one sign, no digit");
        *escape = sign.value[0];
    } else {
        lx->at = save.at;
        lx->line = save.line;
        lx->column = save.column;
    }
    return 0;
}

/* 'a' <newline> 'b' is one string. */
static int lex_continuation(struct lexer *lx, struct token *token)
{
    for (;;) {
        struct lexer save = *lx;
        struct token more = {0};
        char *joined;
        int rc = skip_blank(lx);

        if (rc)
            return rc;
        if (peek_byte(lx, 0) != '\'' || lx->line == save.line) {
            lx->at = save.at;
            lx->line = save.line;
            lx->column = save.column;
            return 0;
        }
        more.pos = here(lx);
        rc = lex_quoted(lx, &more, "string");
        if (rc)
            return rc;
        joined = arena_alloc(lx->arena, (size_t)token->value_len + more.value_len + 1);
        if (!joined)
            return nomem(lx);
        memcpy(joined, token->value, token->value_len);
        memcpy(joined + token->value_len, more.value, more.value_len);
        token->value = joined;
        token->value_len += more.value_len;
    }
}

static int lex_string(struct lexer *lx, struct sql_pos pos, bool unicode)
{
    struct token *token = token_add(lx, TOK_STRING, pos);
    char escape = '\\';
    int rc;

    if (!token)
        return nomem(lx);
    rc = lex_quoted(lx, token, "string");
    if (!rc)
        rc = lex_continuation(lx, token);
    if (!rc && unicode)
        rc = lex_uescape(lx, &escape);
    if (!rc && unicode)
        rc = decode_unicode(lx, token, escape);
    token->len = (uint32_t)(lx->at - pos.at);
    return rc;
}

static int lex_binary(struct lexer *lx, struct sql_pos pos)
{
    struct token *token = token_add(lx, TOK_BINARY, pos);
    int rc;

    if (!token)
        return nomem(lx);
    rc = lex_quoted(lx, token, "binary string");
    if (!rc)
        rc = lex_continuation(lx, token);
    if (rc)
        return rc;
    token->len = (uint32_t)(lx->at - pos.at);
    for (uint32_t i = 0; i < token->value_len; i++)
        if (hex_value(token->value[i]) < 0)
            return err_at(lx->err, ERR_INVALID, pos, "X'...' takes hexadecimal digits");
    if (token->value_len % 2)
        return err_at(lx->err, ERR_INVALID, pos, "X'...' takes an even number of digits");
    return 0;
}

static int lex_word(struct lexer *lx)
{
    struct sql_pos pos = here(lx);
    size_t len = 0;
    struct token *token;

    while (is_word(peek_byte(lx, len)))
        len++;
    if (peek_byte(lx, len) == '\'' && len == 1) {
        if (upper(lx->ptr[lx->at]) == 'X') {
            step(lx, 1);
            return lex_binary(lx, pos);
        }
        if (upper(lx->ptr[lx->at]) == 'N') {
            step(lx, 1);
            return lex_string(lx, pos, false);
        }
    }
    if (len == 1 && upper(lx->ptr[lx->at]) == 'U' && peek_byte(lx, 1) == '&' &&
        peek_byte(lx, 2) == '\'') {
        step(lx, 2);
        return lex_string(lx, pos, true);
    }
    if (peek_byte(lx, len) == '\'' && lx->ptr[lx->at] == '_' && len > 1) {
        /* A character set's name: the text is UTF-8 whatever it says, as in Flink. */
        step(lx, len);
        return lex_string(lx, pos, false);
    }
    token = token_add(lx, len == 1 && lx->ptr[lx->at] == '$' ? TOK_DOLLAR : TOK_IDENT, pos);
    if (!token)
        return nomem(lx);
    token->len = (uint32_t)len;
    token->value = arena_cstr(lx->arena, slice_of(lx->ptr + lx->at, len));
    token->value_len = (uint32_t)len;
    if (!token->value)
        return nomem(lx);
    token->keyword = keyword_of(token->value, len);
    step(lx, len);
    return 0;
}

static int lex_name(struct lexer *lx)
{
    struct token *token = token_add(lx, TOK_IDENT, here(lx));
    int rc;

    if (!token)
        return nomem(lx);
    token->quoted = true;
    rc = lex_quoted(lx, token, "quoted name");
    if (rc)
        return rc;
    token->len = (uint32_t)(lx->at - token->pos.at);
    if (token->value_len == 0)
        return err_at(lx->err, ERR_INVALID, token->pos, "a name cannot be empty");
    if (memchr(token->value, '\0', token->value_len))
        return err_at(lx->err, ERR_INVALID, token->pos, "a name cannot hold a zero byte");
    return 0;
}

static int lex_number(struct lexer *lx)
{
    struct sql_pos pos = here(lx);
    enum token_kind kind = TOK_EXACT;
    struct token *token;
    size_t len = 0;

    while (is_digit(peek_byte(lx, len)))
        len++;
    if (peek_byte(lx, len) == '.') {
        len++;
        while (is_digit(peek_byte(lx, len)))
            len++;
    }
    if (upper(peek_byte(lx, len)) == 'E') {
        size_t sign = peek_byte(lx, len + 1) == '+' || peek_byte(lx, len + 1) == '-';

        if (is_digit(peek_byte(lx, len + 1 + sign))) {
            kind = TOK_APPROX;
            len += 1 + sign;
            while (is_digit(peek_byte(lx, len)))
                len++;
        }
    }
    token = token_add(lx, kind, pos);
    if (!token)
        return nomem(lx);
    token->len = (uint32_t)len;
    token->value = arena_cstr(lx->arena, slice_of(lx->ptr + lx->at, len));
    token->value_len = (uint32_t)len;
    step(lx, len);
    return token->value ? 0 : nomem(lx);
}

static int lex_sign(struct lexer *lx)
{
    struct sql_pos pos = here(lx);
    enum token_kind kind = TOK_END;
    size_t len = 0;

    if (peek_byte(lx, 0) == '/' && peek_byte(lx, 1) == '*') { /* skip_blank left only a hint */
        kind = TOK_HINT;
        len = 3;
        lx->in_hint = true;
    } else if (lx->in_hint && peek_byte(lx, 0) == '*' && peek_byte(lx, 1) == '/') {
        kind = TOK_HINT_END;
        len = 2;
        lx->in_hint = false;
    }
    for (size_t i = 0; !len && i < COUNT_OF(signs); i++) {
        size_t sign_len = strlen(signs[i].text);

        if (lx->len - lx->at >= sign_len && !memcmp(lx->ptr + lx->at, signs[i].text, sign_len)) {
            kind = signs[i].kind;
            len = sign_len;
        }
    }
    if (!len && lx->ptr[lx->at] == '"')
        return err_at(lx->err, ERR_INVALID, pos,
                      "double quotes mean nothing in Flink SQL: 'text' or `name`");
    if (!len && lx->ptr[lx->at] < 0x20)
        return err_at(lx->err, ERR_INVALID, pos, "unexpected byte 0x%02x", lx->ptr[lx->at]);
    if (!len)
        return err_at(lx->err, ERR_INVALID, pos, "unexpected sign '%c'", lx->ptr[lx->at]);
    if (!token_add(lx, kind, pos))
        return nomem(lx);
    lx->out->list[lx->out->count - 1].len = (uint32_t)len;
    step(lx, len);
    return 0;
}

static int lex_token(struct lexer *lx)
{
    int c = peek_byte(lx, 0);

    if (c == '\'')
        return lex_string(lx, here(lx), false);
    if (c == '`')
        return lex_name(lx);
    if (is_digit(c) || (c == '.' && is_digit(peek_byte(lx, 1))))
        return lex_number(lx);
    if (is_word_start(c))
        return lex_word(lx);
    return lex_sign(lx);
}

int lex(struct slice text, struct arena *arena, struct tokens *out, struct err *err)
{
    struct lexer lx = {.ptr = text.ptr,
                       .len = text.len,
                       .line = 1,
                       .column = 1,
                       .arena = arena,
                       .err = err,
                       .out = out};
    struct token *end;
    int rc;

    out->list = NULL;
    out->count = 0;
    if (text.len > SQL_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "a script has at most %zu bytes", SQL_TEXT_MAX);
    if (text.len >= 3 && !memcmp(text.ptr, "\xef\xbb\xbf", 3))
        lx.at = 3; /* a byte order mark */
    for (;;) {
        rc = skip_blank(&lx);
        if (rc)
            return rc;
        if (lx.at >= lx.len)
            break;
        rc = lex_token(&lx);
        if (rc)
            return rc;
    }
    end = token_add(&lx, TOK_END, here(&lx));
    if (!end)
        return nomem(&lx);
    out->count--;
    return 0;
}

/* Walks the text like the lexer, and needs no memory. Statements may hold semicolons only between
 * BEGIN and END. */
size_t sql_statement_len(struct slice text)
{
    char quote = 0;
    bool in_set = false, first = true, begin = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.ptr[i], d = i + 1 < text.len ? (char)text.ptr[i + 1] : 0;

        if (quote) {
            if (c == quote)
                quote = 0;
        } else if (c == '\'' || c == '`') {
            quote = c;
        } else if ((c == '-' && d == '-') || (c == '/' && d == '/')) {
            while (i < text.len && text.ptr[i] != '\n')
                i++;
        } else if (c == '/' && d == '*') {
            for (i += 2; i + 1 < text.len && !(text.ptr[i] == '*' && text.ptr[i + 1] == '/');)
                i++;
            i++;
        } else if (is_word_start((uint8_t)c)) {
            size_t len = 1;
            enum keyword word;

            while (i + len < text.len && is_word(text.ptr[i + len]))
                len++;
            word = keyword_of((const char *)text.ptr + i, len);
            if (word == KW_BEGIN)
                begin = in_set = true; /* STATEMENT SET BEGIN, or BEGIN STATEMENT SET; */
            else if (word == KW_END && first)
                begin = in_set = false;
            first = false;
            i += len - 1;
        } else if (c == ';') {
            if (!in_set)
                return i + 1;
            first = true;
            continue;
        } else if (!is_space(c)) {
            first = false;
        }
        if (begin) {
            first = true; /* END may follow BEGIN at once */
            begin = false;
        }
    }
    return 0;
}
