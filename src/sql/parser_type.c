/* parser_type.c - data types: DECIMAL(10, 2) NOT NULL, ROW<a INT COMMENT 'x'>, INT ARRAY, ...
 *
 * Flink 1.20, "Data Types", with Calcite's spellings of the same: CHARACTER VARYING, ROW(a INT),
 * the suffixes ARRAY and MULTISET.
 */
#include "sql/sql_int.h"

static int parse_size(struct parser *p, int64_t min, int64_t max, const char *what)
{
    const struct token *token = peek(p);
    int64_t value = parse_unsigned(p, what);

    if (value < min || value > max)
        parse_fail(p, token, "%s must be between %lld and %lld", what, (long long)min,
                   (long long)max);
    return (int)value;
}

/* Texts are Unicode, whatever a script says: Calcite prints CHARACTER SET `UTF-16LE`. */
static void skip_character_set(struct parser *p)
{
    if (accept_kw2(p, KW_CHARACTER, KW_SET))
        parse_ident(p, "a name of a character set");
}

/* (n) or the default. */
static int parse_length(struct parser *p, int absent)
{
    int length = absent;

    if (accept_kind(p, TOK_LPAREN)) {
        length = parse_size(p, 1, SQL_LENGTH_MAX, "the length");
        expect(p, TOK_RPAREN);
    }
    return length;
}

static int parse_precision(struct parser *p, int absent)
{
    int precision = absent;

    if (accept_kind(p, TOK_LPAREN)) {
        precision = parse_size(p, 0, 9, "the precision");
        expect(p, TOK_RPAREN);
    }
    return precision;
}

static void parse_decimal(struct parser *p, struct sql_type *type)
{
    type->kind = SQL_DECIMAL;
    type->precision = 10;
    type->scale = 0;
    if (!accept_kind(p, TOK_LPAREN))
        return;
    type->precision = (int16_t)parse_size(p, 1, SQL_DECIMAL_MAX, "the precision");
    if (accept_kind(p, TOK_COMMA))
        type->scale = (int16_t)parse_size(p, 0, type->precision, "the scale");
    expect(p, TOK_RPAREN);
}

/* TIMESTAMP(p) [WITHOUT TIME ZONE | WITH TIME ZONE | WITH LOCAL TIME ZONE] */
static void parse_timestamp(struct parser *p, struct sql_type *type)
{
    type->kind = SQL_TIMESTAMP;
    type->precision = (int16_t)parse_precision(p, 6);
    if (at_kw2(p, KW_WITHOUT, KW_TIME)) {
        next(p);
    } else if (at_kw2(p, KW_WITH, KW_TIME)) {
        next(p);
        type->kind = SQL_TIMESTAMP_TZ;
    } else if (at_kw2(p, KW_WITH, KW_LOCAL)) {
        next(p);
        next(p);
        type->kind = SQL_TIMESTAMP_LTZ;
    } else {
        return;
    }
    expect_kw(p, KW_TIME);
    expect_kw(p, KW_ZONE);
}

/* The units behind INTERVAL: DAY(3) TO SECOND(6). */
void parse_interval_type(struct parser *p, struct sql_type *type)
{
    type->precision = -1;
    type->scale = -1;
    type->from = parse_unit(p);
    if (type->from == SQL_UNIT_NONE)
        parse_expected(p, "YEAR, MONTH, DAY, HOUR, MINUTE or SECOND");
    type->kind = type->from == SQL_YEAR || type->from == SQL_MONTH || type->from == SQL_QUARTER
                     ? SQL_INTERVAL_YM
                     : SQL_INTERVAL_DS;
    if (accept_kind(p, TOK_LPAREN)) {
        type->precision = (int16_t)parse_size(p, 0, 10, "the precision");
        if (type->from == SQL_SECOND && accept_kind(p, TOK_COMMA))
            type->scale = (int16_t)parse_size(p, 0, 9, "the precision of the fraction");
        expect(p, TOK_RPAREN);
    }
    if (at_kw(p, KW_TO)) {
        const struct token *to = peek_at(p, 1);

        next(p);
        type->to = parse_unit(p);
        if (type->to <= type->from || (type->kind == SQL_INTERVAL_YM) != (type->to == SQL_MONTH) ||
            type->to == SQL_WEEK || type->to == SQL_QUARTER || type->from == SQL_QUARTER ||
            type->from == SQL_WEEK)
            parse_fail(p, to, "this is no range of an interval");
        if (type->to == SQL_SECOND && accept_kind(p, TOK_LPAREN)) {
            type->scale = (int16_t)parse_size(p, 0, 9, "the precision of the fraction");
            expect(p, TOK_RPAREN);
        }
    }
}

/* <item> after ARRAY, MULTISET. */
static const struct sql_type *parse_item_type(struct parser *p)
{
    const struct sql_type *item;

    expect(p, TOK_LT);
    item = parse_type(p);
    expect(p, TOK_GT);
    return item;
}

static void parse_row_type(struct parser *p, struct sql_type *type)
{
    bool angle = accept_kind(p, TOK_LT);
    enum token_kind end = angle ? TOK_GT : TOK_RPAREN;
    struct list fields = {0};

    type->kind = SQL_ROW;
    if (!angle && accept_kind(p, TOK_NE)) /* ROW<> */
        return;
    if (!angle)
        expect(p, TOK_LPAREN);
    while (!at(p, end)) {
        struct sql_field *field;

        if (fields.count >= SQL_FIELDS_MAX)
            parse_fail(p, peek(p), "a ROW has at most %d fields", SQL_FIELDS_MAX);
        field = LIST_ADD(p, &fields, struct sql_field);
        field->name = parse_ident(p, "a name of a field").text;
        field->type = parse_type(p);
        if (accept_kw(p, KW_COMMENT) || at(p, TOK_STRING))
            field->comment = parse_string(p, "a comment in quotes");
        if (!accept_kind(p, TOK_COMMA))
            break;
        if (at(p, end))
            parse_expected(p, "a name of a field");
    }
    expect(p, end);
    type->fields = fields.items;
    type->field_count = fields.count;
}

static void parse_raw_type(struct parser *p, struct sql_type *type)
{
    type->kind = SQL_RAW;
    expect(p, TOK_LPAREN);
    type->class_name = parse_string(p, "a class name in quotes");
    expect(p, TOK_COMMA);
    type->snapshot = parse_string(p, "a serializer in quotes");
    expect(p, TOK_RPAREN);
}

static const char *const type_names[] = {
    "BOOLEAN", "TINYINT",   "SMALLINT", "INT",  "INTEGER", "BIGINT",    "FLOAT",         "REAL",
    "DOUBLE",  "DECIMAL",   "NUMERIC",  "DEC",  "CHAR",    "CHARACTER", "VARCHAR",       "STRING",
    "BINARY",  "VARBINARY", "BYTES",    "DATE", "TIME",    "TIMESTAMP", "TIMESTAMP_LTZ", "INTERVAL",
    "ARRAY",   "MULTISET",  "MAP",      "ROW",  "RAW",     "NULL"};

/* The word is unknown, or of another system: say what Flink calls it. */
static _Noreturn void unknown_type(struct parser *p)
{
    static const char *const foreign[][2] = {
        {"TEXT", "STRING"},  {"LONG", "BIGINT"},  {"DATETIME", "TIMESTAMP"},
        {"BLOB", "BYTES"},   {"BYTEA", "BYTES"},  {"NUMBER", "DECIMAL"},
        {"STRUCT", "ROW"},   {"BOOL", "BOOLEAN"}, {"TIMESTAMPTZ", "TIMESTAMP_LTZ"},
        {"INT64", "BIGINT"}, {"INT32", "INT"},    {"FLOAT64", "DOUBLE"},
        {"JSON", "STRING"},  {"LIST", "ARRAY"},   {"FLOAT8", "DOUBLE"},
        {"INT8", "BIGINT"},  {"INT4", "INT"}};
    const struct token *token = peek(p);
    const char *near = NULL;

    if (token->kind != TOK_IDENT)
        parse_expected(p, "a data type");
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        if (slice_ieq(slice_str(token->value), slice_str(foreign[i][0])))
            near = foreign[i][1];
    if (!near)
        near = sql_nearest(token->value, type_names, COUNT_OF(type_names));
    if (near)
        parse_fail(p, token, "unknown type '%s'; did you mean %s?", token->value, near);
    parse_fail(p, token, "unknown type '%s'", token->value);
}

static void parse_text(struct parser *p, struct sql_type *type)
{
    type->length = parse_length(p, 1);
    skip_character_set(p);
}

static void parse_char(struct parser *p, struct sql_type *type)
{
    if (accept_kw(p, KW_VARYING))
        type->kind = SQL_VARCHAR;
    parse_text(p, type);
}

static void parse_binary(struct parser *p, struct sql_type *type)
{
    if (accept_kw(p, KW_VARYING))
        type->kind = SQL_VARBINARY;
    type->length = parse_length(p, 1);
}

static void parse_whole(struct parser *p, struct sql_type *type)
{
    (void)p;
    type->length = SQL_LENGTH_MAX;
}

static void parse_double(struct parser *p, struct sql_type *type)
{
    (void)type;
    accept_kw(p, KW_PRECISION);
}

static void parse_time(struct parser *p, struct sql_type *type)
{
    type->precision = (int16_t)parse_precision(p, 0);
    if (accept_kw2(p, KW_WITHOUT, KW_TIME))
        expect_kw(p, KW_ZONE);
}

static void parse_instant(struct parser *p, struct sql_type *type)
{
    type->precision = (int16_t)parse_precision(p, 6);
}

static void parse_items(struct parser *p, struct sql_type *type)
{
    type->item = parse_item_type(p);
}

static void parse_map_type(struct parser *p, struct sql_type *type)
{
    expect(p, TOK_LT);
    type->key = parse_type(p);
    expect(p, TOK_COMMA);
    type->item = parse_type(p);
    expect(p, TOK_GT);
}

/* Iceberg's types beside Flink's: UUID, which SQL sees as text, and FIXED(n). */
static bool parse_lake_type(struct parser *p, struct sql_type *type)
{
    static const char *const later[] = {"VARIANT", "GEOMETRY", "GEOGRAPHY"};

    for (size_t i = 0; i < COUNT_OF(later); i++)
        if (at_word(p, later[i]))
            parse_fail(p, peek(p), "columns of Iceberg's type %s are not built: STRING or BYTES",
                       later[i]);
    if (at_word(p, "UUID")) {
        next(p);
        type->kind = SQL_VARCHAR;
        type->length = SQL_LENGTH_MAX;
        type->uuid = true;
        return true;
    }
    if (!at_word(p, "FIXED"))
        return false;
    next(p);
    type->kind = SQL_BINARY;
    type->length = parse_length(p, 1);
    return true;
}

static void parse_type_base(struct parser *p, struct sql_type *type)
{
    static const struct {
        enum keyword keyword;
        enum sql_type_kind kind;
        void (*rest)(struct parser *p, struct sql_type *type); /* NULL: the word is all */
    } words[] = {
        {KW_BOOLEAN, SQL_BOOLEAN, NULL},
        {KW_TINYINT, SQL_TINYINT, NULL},
        {KW_SMALLINT, SQL_SMALLINT, NULL},
        {KW_INT, SQL_INT, NULL},
        {KW_INTEGER, SQL_INT, NULL},
        {KW_BIGINT, SQL_BIGINT, NULL},
        {KW_FLOAT, SQL_FLOAT, NULL},
        {KW_REAL, SQL_FLOAT, NULL},
        {KW_DATE, SQL_DATE, NULL},
        {KW_NULL, SQL_NULL, NULL},
        {KW_DOUBLE, SQL_DOUBLE, parse_double},
        {KW_DECIMAL, SQL_DECIMAL, parse_decimal},
        {KW_NUMERIC, SQL_DECIMAL, parse_decimal},
        {KW_DEC, SQL_DECIMAL, parse_decimal},
        {KW_STRING, SQL_VARCHAR, parse_whole},
        {KW_CHAR, SQL_CHAR, parse_char},
        {KW_CHARACTER, SQL_CHAR, parse_char},
        {KW_VARCHAR, SQL_VARCHAR, parse_text},
        {KW_BYTES, SQL_VARBINARY, parse_whole},
        {KW_BINARY, SQL_BINARY, parse_binary},
        {KW_VARBINARY, SQL_VARBINARY, parse_binary},
        {KW_TIME, SQL_TIME, parse_time},
        {KW_TIMESTAMP, SQL_TIMESTAMP, parse_timestamp},
        {KW_TIMESTAMP_LTZ, SQL_TIMESTAMP_LTZ, parse_instant},
        {KW_INTERVAL, SQL_INTERVAL_DS, parse_interval_type},
        {KW_ARRAY, SQL_ARRAY, parse_items},
        {KW_MULTISET, SQL_MULTISET, parse_items},
        {KW_MAP, SQL_MAP, parse_map_type},
        {KW_ROW, SQL_ROW, parse_row_type},
        {KW_RAW, SQL_RAW, parse_raw_type},
    };
    enum keyword keyword = peek(p)->keyword;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (words[i].keyword != keyword)
            continue;
        next(p);
        type->kind = words[i].kind;
        if (words[i].rest)
            words[i].rest(p, type);
        return;
    }
    if (!parse_lake_type(p, type))
        unknown_type(p);
}

static bool parse_nullability(struct parser *p)
{
    if (accept_kw2(p, KW_NOT, KW_NULL))
        return false;
    if (!at_kw_ahead(p, 1, KW_ON)) /* RETURNING INT NULL ON EMPTY: not the type's NULL */
        accept_kw(p, KW_NULL);
    return true;
}

const struct sql_type *parse_type(struct parser *p)
{
    struct sql_type *type = PARSE_NEW(p, struct sql_type);
    int levels = 1;

    parse_enter(p);
    parse_type_base(p, type);
    type->nullable = parse_nullability(p);
    for (; at_kw(p, KW_ARRAY) || at_kw(p, KW_MULTISET); levels++) {
        struct sql_type *outer = PARSE_NEW(p, struct sql_type);

        parse_enter(p); /* a suffix nests as a bracket does */
        outer->kind = next(p)->keyword == KW_ARRAY ? SQL_ARRAY : SQL_MULTISET;
        outer->item = type;
        outer->nullable = parse_nullability(p);
        type = outer;
    }
    while (levels--)
        parse_leave(p);
    return type;
}
