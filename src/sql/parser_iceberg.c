/* parser_iceberg.c - ALTER TABLE as Spark's extension for Iceberg spells what Flink has no words
 * for: partition fields, orders, identifier fields, branches and tags, single changes of a column.
 *
 * Most of its words are no keywords of Flink's: they are looked for where a clause begins, so that
 * they stay free as names. */
#include "sql/sql_int.h"

static bool accept_word(struct parser *p, const char *word)
{
    if (!at_word(p, word))
        return false;
    next(p);
    return true;
}

static void expect_word(struct parser *p, const char *word)
{
    if (!accept_word(p, word))
        parse_expected(p, word);
}

/* The word `ahead` tokens further. */
static bool word_ahead(const struct parser *p, size_t ahead, const char *word)
{
    const struct token *token = peek_at(p, ahead);

    return token->kind == TOK_IDENT && !token->quoted &&
           slice_ieq(slice_str(token->value), slice_str(word));
}

/* bucket(16, id), days(ts), truncate(name, 4) (both orders are in use), or a column. */
static void parse_transform(struct parser *p, struct sql_transform *out)
{
    out->argument = -1;
    if (!(at_ident(p) || at(p, TOK_IDENT)) || peek_at(p, 1)->kind != TOK_LPAREN) {
        out->column = parse_name(p, "a column or a transform of one");
        return;
    }
    out->name = (struct sql_ident){.text = peek(p)->value, .pos = peek(p)->pos};
    next(p);
    expect(p, TOK_LPAREN);
    if (!at_ident(p)) {
        out->argument = parse_unsigned(p, "a column or a number");
        expect(p, TOK_COMMA);
        out->column = parse_name(p, "a name of a column");
    } else {
        out->column = parse_name(p, "a name of a column");
        if (accept_kind(p, TOK_COMMA))
            out->argument = parse_unsigned(p, "a number");
    }
    expect(p, TOK_RPAREN);
}

/* ADD|DROP|REPLACE PARTITION FIELD f [WITH g] [AS name] */
static void parse_field(struct parser *p, struct sql_alter *alter, enum sql_alter_action action)
{
    alter->action = action;
    for (int i = 0; i < 3; i++)
        next(p);
    parse_transform(p, &alter->iceberg->field);
    if (action == SQL_ALTER_REPLACE_FIELD) {
        expect_kw(p, KW_WITH);
        parse_transform(p, &alter->iceberg->with);
    }
    if (action != SQL_ALTER_DROP_FIELD && accept_kw(p, KW_AS))
        alter->iceberg->as = parse_ident(p, "a name for the field");
}

static void parse_sort(struct parser *p, struct sql_iceberg *iceberg)
{
    struct list list = {0};
    bool inside = accept_kind(p, TOK_LPAREN);

    do {
        struct sql_sort_item *item = LIST_ADD(p, &list, struct sql_sort_item);

        parse_transform(p, &item->by);
        if (!accept_kw(p, KW_ASC))
            item->descending = accept_kw(p, KW_DESC);
        if (accept_kw(p, KW_NULLS)) {
            item->nulls_first = accept_kw(p, KW_FIRST);
            item->nulls_last = !item->nulls_first;
            if (item->nulls_last)
                expect_kw(p, KW_LAST);
        }
    } while (accept_kind(p, TOK_COMMA));
    if (inside)
        expect(p, TOK_RPAREN);
    iceberg->order = list.items;
    iceberg->order_count = list.count;
}

/* WRITE [DISTRIBUTED BY PARTITION] [LOCALLY] ORDERED BY ..., WRITE UNORDERED */
static void parse_write(struct parser *p, struct sql_alter *alter)
{
    struct sql_iceberg *iceberg = alter->iceberg;

    next(p);
    alter->action = SQL_ALTER_WRITE_ORDER;
    if (accept_kw(p, KW_DISTRIBUTED)) {
        expect_kw(p, KW_BY);
        expect_kw(p, KW_PARTITION);
        iceberg->distributed = true;
    }
    iceberg->unordered = !iceberg->distributed && accept_word(p, "UNORDERED");
    if (iceberg->unordered)
        return;
    iceberg->locally = accept_word(p, "LOCALLY");
    if (iceberg->distributed && !iceberg->locally && !at_word(p, "ORDERED"))
        return;
    expect_word(p, "ORDERED");
    expect_kw(p, KW_BY);
    parse_sort(p, iceberg);
}

static int64_t parse_period(struct parser *p)
{
    static const struct {
        const char *word;
        int64_t ms;
    } units[] = {{"DAYS", 86400000}, {"DAY", 86400000},  {"HOURS", 3600000},
                 {"HOUR", 3600000},  {"MINUTES", 60000}, {"MINUTE", 60000}};
    int64_t count = parse_unsigned(p, "a number");

    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (accept_word(p, units[i].word)) {
            if (count > INT64_MAX / units[i].ms)
                parse_fail(p, peek(p), "that is longer than time");
            return count * units[i].ms;
        }
    parse_expected(p, "DAYS, HOURS or MINUTES");
}

/* [AS OF VERSION n] [RETAIN n DAYS] [WITH SNAPSHOT RETENTION [n SNAPSHOTS] [m DAYS]] */
static void parse_retention(struct parser *p, struct sql_iceberg *iceberg)
{
    if (accept_kw(p, KW_AS)) {
        expect_kw(p, KW_OF);
        expect_kw(p, KW_VERSION);
        iceberg->version = parse_unsigned(p, "a snapshot's id");
    }
    if (accept_word(p, "RETAIN"))
        iceberg->retain_ms = parse_period(p);
    if (!at_kw(p, KW_WITH))
        return;
    next(p);
    expect_word(p, "SNAPSHOT");
    expect_word(p, "RETENTION");
    if (word_ahead(p, 1, "SNAPSHOTS")) {
        iceberg->keep_snapshots = parse_unsigned(p, "a number");
        next(p);
        if (at(p, TOK_END) || at(p, TOK_SEMICOLON))
            return;
    }
    iceberg->keep_ms = parse_period(p);
}

/* CREATE [OR REPLACE], REPLACE or DROP BRANCH|TAG */
static bool parse_ref(struct parser *p, struct sql_alter *alter)
{
    struct sql_iceberg *iceberg = alter->iceberg;
    bool drop = at_kw(p, KW_DROP), create = at_kw(p, KW_CREATE);
    bool both = create && at_kw_ahead(p, 1, KW_OR) && at_kw_ahead(p, 2, KW_REPLACE);
    size_t words = both ? 3 : 1;
    bool is_tag = word_ahead(p, words, "TAG");

    if (!(drop || create || at_kw(p, KW_REPLACE)) || (!is_tag && !word_ahead(p, words, "BRANCH")) ||
        (drop && (peek_at(p, 2)->kind == TOK_END || peek_at(p, 2)->kind == TOK_SEMICOLON)))
        return false; /* DROP tag: a column of that name */
    for (size_t i = 0; i <= words; i++)
        next(p);
    alter->action = drop ? SQL_ALTER_DROP_REF : SQL_ALTER_CREATE_REF;
    iceberg->is_tag = is_tag;
    iceberg->create = create;
    iceberg->replace = !drop && (both || !create);
    if (drop)
        alter->part_if_exists = parse_if_exists(p);
    else if (create && !both)
        alter->if_not_exists = parse_if_not_exists(p);
    iceberg->ref = parse_ident(p, "a name");
    if (!drop)
        parse_retention(p, iceberg);
    return true;
}

static void parse_alter_column(struct parser *p, struct sql_alter *alter)
{
    struct sql_iceberg *iceberg = alter->iceberg;

    next(p);
    accept_kw(p, KW_COLUMN);
    alter->action = SQL_ALTER_COLUMN;
    alter->column = parse_name(p, "a name of a column");
    if (accept_kw(p, KW_TYPE) || (at_kw(p, KW_SET) && at_kw_ahead(p, 1, KW_DATA))) {
        if (accept_kw2(p, KW_SET, KW_DATA))
            expect_kw(p, KW_TYPE);
        iceberg->change = SQL_COLUMN_TYPE;
        iceberg->type = parse_type(p);
    } else if (accept_kw(p, KW_COMMENT)) {
        iceberg->change = SQL_COLUMN_COMMENT;
        alter->comment = parse_string(p, "a comment in quotes");
    } else if (accept_kw(p, KW_FIRST)) {
        iceberg->change = SQL_COLUMN_FIRST;
    } else if (accept_kw(p, KW_AFTER)) {
        iceberg->change = SQL_COLUMN_AFTER;
        iceberg->after = parse_ident(p, "a name of a column");
    } else if (accept_kw2(p, KW_DROP, KW_NOT)) {
        expect_kw(p, KW_NULL);
        iceberg->change = SQL_COLUMN_DROP_NOT_NULL;
    } else if (accept_kw2(p, KW_DROP, KW_DEFAULT)) {
        iceberg->change = SQL_COLUMN_DROP_DEFAULT;
    } else if (accept_kw2(p, KW_SET, KW_DEFAULT)) {
        iceberg->change = SQL_COLUMN_SET_DEFAULT;
        iceberg->value = parse_expr(p);
    } else {
        parse_expected(p, "TYPE, COMMENT, FIRST, AFTER, DROP NOT NULL, SET or DROP DEFAULT");
    }
}

/* SET|DROP IDENTIFIER FIELDS a, b */
static void parse_identifier(struct parser *p, struct sql_alter *alter)
{
    struct list list = {0};

    alter->action = at_kw(p, KW_SET) ? SQL_ALTER_SET_IDENTIFIER : SQL_ALTER_DROP_IDENTIFIER;
    for (int i = 0; i < 3; i++)
        next(p);
    do
        *LIST_ADD(p, &list, struct sql_name) = parse_name(p, "a name of a column");
    while (accept_kind(p, TOK_COMMA));
    alter->columns = list.items;
    alter->column_count = list.count;
}

bool parse_iceberg_alter(struct parser *p, struct sql_alter *alter)
{
    enum keyword keyword = peek(p)->keyword;
    bool field = at_kw_ahead(p, 1, KW_PARTITION) && word_ahead(p, 2, "FIELD");

    alter->iceberg = PARSE_NEW(p, struct sql_iceberg);
    alter->iceberg->version = alter->iceberg->retain_ms = alter->iceberg->keep_ms = -1;
    alter->iceberg->keep_snapshots = -1;
    if (field && (keyword == KW_ADD || keyword == KW_DROP || keyword == KW_REPLACE))
        parse_field(p, alter,
                    keyword == KW_ADD    ? SQL_ALTER_ADD_FIELD
                    : keyword == KW_DROP ? SQL_ALTER_DROP_FIELD
                                         : SQL_ALTER_REPLACE_FIELD);
    else if (keyword == KW_WRITE)
        parse_write(p, alter);
    else if (keyword == KW_ALTER)
        parse_alter_column(p, alter);
    else if ((keyword == KW_SET || keyword == KW_DROP) && word_ahead(p, 1, "IDENTIFIER") &&
             word_ahead(p, 2, "FIELDS"))
        parse_identifier(p, alter);
    else if (keyword == KW_SET && word_ahead(p, 1, "TBLPROPERTIES")) {
        next(p), next(p);
        alter->action = SQL_ALTER_SET;
        alter->options = parse_options(p);
    } else if (at_word(p, "UNSET") && word_ahead(p, 1, "TBLPROPERTIES")) {
        next(p), next(p);
        parse_if_exists(p); /* RESET minds nothing that is absent */
        alter->action = SQL_ALTER_RESET;
        alter->options = parse_option_keys(p);
    } else {
        return parse_ref(p, alter);
    }
    return true;
}
