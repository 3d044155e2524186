/* parser_create.c - CREATE: tables, materialized tables, views, catalogs, databases, functions. */
#include "sql/sql_int.h"

struct create_flags {
    bool or_replace, temporary, system;
};

/* ---- the schema between the parentheses ------------------------------------------------------ */

static void parse_enforced(struct parser *p, bool *enforced, bool *not_enforced)
{
    if (accept_kw2(p, KW_NOT, KW_ENFORCED))
        *not_enforced = true;
    else
        *enforced = accept_kw(p, KW_ENFORCED);
}

/* [CONSTRAINT name] PRIMARY KEY (a, b) [NOT ENFORCED] */
static void parse_constraint(struct parser *p, struct sql_constraint *constraint)
{
    constraint->pos = peek(p)->pos;
    if (accept_kw(p, KW_CONSTRAINT))
        constraint->name = parse_ident(p, "a name for the constraint");
    if (accept_kw(p, KW_PRIMARY)) {
        expect_kw(p, KW_KEY);
        constraint->primary = true;
    } else if (!accept_kw(p, KW_UNIQUE)) {
        parse_expected(p, "PRIMARY KEY or UNIQUE");
    }
    constraint->columns = parse_ident_list(p, "a name of a column", &constraint->column_count);
    parse_enforced(p, &constraint->enforced, &constraint->not_enforced);
}

static void parse_watermark(struct parser *p, struct sql_schema_def *schema)
{
    struct sql_watermark *watermark = PARSE_NEW(p, struct sql_watermark);
    const struct token *token = next(p);

    if (schema->watermark)
        parse_fail(p, token, "a table has one WATERMARK");
    watermark->pos = token->pos;
    expect_kw(p, KW_FOR);
    watermark->column = parse_name(p, "a name of a column");
    expect_kw(p, KW_AS);
    watermark->expr = parse_expr(p);
    schema->watermark = watermark;
}

static void parse_typed_column(struct parser *p, struct sql_column_def *column)
{
    column->type = parse_type(p);
    if (accept_kw(p, KW_DEFAULT))
        column->default_value = parse_expr(p);
    if (accept_kw(p, KW_METADATA)) {
        column->kind = SQL_COLUMN_METADATA;
        if (accept_kw(p, KW_FROM))
            column->metadata_key = parse_string(p, "a metadata key in quotes");
        column->is_virtual = accept_kw(p, KW_VIRTUAL);
        return;
    }
    if (accept_kw(p, KW_CONSTRAINT))
        column->constraint_name = parse_ident(p, "a name for the constraint");
    if (accept_kw(p, KW_PRIMARY)) {
        expect_kw(p, KW_KEY);
        column->primary_key = true;
    } else if (accept_kw(p, KW_UNIQUE)) {
        column->unique = true;
    } else if (column->constraint_name.text) {
        parse_expected(p, "PRIMARY KEY or UNIQUE");
    } else {
        return;
    }
    parse_enforced(p, &column->enforced, &column->not_enforced);
}

static void parse_column(struct parser *p, struct sql_column_def *column, bool alter)
{
    column->path = parse_name(p, "a name of a column, WATERMARK or a constraint");
    column->name = column->path.parts[column->path.count - 1];
    if (column->path.count > 1 && !alter)
        parse_fail(p, peek(p), "a column's name has no dot");
    if (accept_kw(p, KW_AS)) {
        column->kind = SQL_COLUMN_COMPUTED;
        column->expr = parse_expr(p);
    } else {
        parse_typed_column(p, column);
    }
    if (accept_kw(p, KW_COMMENT))
        column->comment = parse_string(p, "a comment in quotes");
    if (alter && accept_kw(p, KW_FIRST)) {
        column->position = SQL_POSITION_FIRST;
    } else if (alter && accept_kw(p, KW_AFTER)) {
        column->position = SQL_POSITION_AFTER;
        column->after = parse_ident(p, "a name of a column");
    }
}

static void *append(struct parser *p, void *items, size_t count, size_t size)
{
    /* Powers of two are full: then room for as many again. */
    void *grown = items;

    if ((count & (count - 1)) == 0) {
        grown = arena_array(p->arena, count ? count * 2 : 1, size);
        if (!grown)
            parse_nomem(p);
        if (count)
            memcpy(grown, items, count * size);
    }
    return grown;
}

void parse_schema_item(struct parser *p, struct sql_schema_def *schema, bool alter)
{
    if (at_kw(p, KW_WATERMARK)) {
        parse_watermark(p, schema);
    } else if (at_kw(p, KW_CONSTRAINT) || at_kw(p, KW_PRIMARY) || at_kw(p, KW_UNIQUE)) {
        struct sql_constraint constraint = {0};

        parse_constraint(p, &constraint);
        schema->constraints =
            append(p, schema->constraints, schema->constraint_count, sizeof(*schema->constraints));
        schema->constraints[schema->constraint_count++] = constraint;
    } else {
        struct sql_column_def column = {0};

        parse_column(p, &column, alter);
        schema->columns =
            append(p, schema->columns, schema->column_count, sizeof(*schema->columns));
        schema->columns[schema->column_count++] = column;
    }
}

void parse_schema(struct parser *p, struct sql_schema_def *schema, bool alter)
{
    expect(p, TOK_LPAREN);
    do {
        if (at(p, TOK_RPAREN))
            parse_expected(p, "a name of a column, WATERMARK or a constraint");
        parse_schema_item(p, schema, alter);
    } while (accept_kind(p, TOK_COMMA));
    if (!at(p, TOK_RPAREN))
        parse_expected(p, ", or )");
    next(p);
}

/* ---- clauses --------------------------------------------------------------------------------- */

static const char *parse_comment(struct parser *p)
{
    return accept_kw(p, KW_COMMENT) ? parse_string(p, "a comment in quotes") : NULL;
}

/* Behind DISTRIBUTED or DISTRIBUTION: BY [HASH|RANGE] (a, b) [INTO n BUCKETS], INTO n BUCKETS */
struct sql_distribution parse_distribution(struct parser *p)
{
    struct sql_distribution distribution = {.given = true, .pos = peek(p)->pos};

    if (accept_kw(p, KW_BY)) {
        if (accept_kw(p, KW_HASH))
            distribution.kind = SQL_DISTRIBUTION_HASH;
        else if (accept_kw(p, KW_RANGE))
            distribution.kind = SQL_DISTRIBUTION_RANGE;
        distribution.columns =
            parse_ident_list(p, "a name of a column", &distribution.column_count);
        if (!at_kw(p, KW_INTO))
            return distribution;
    }
    expect_kw(p, KW_INTO);
    distribution.buckets = parse_unsigned(p, "a number of buckets");
    if (distribution.buckets < 1)
        parse_fail(p, peek(p), "the number of buckets must be positive");
    expect_kw(p, KW_BUCKETS);
    return distribution;
}

static void parse_like_options(struct parser *p, struct sql_create_table *create)
{
    static const struct {
        enum keyword keyword;
        int feature;
    } features[] = {
        {KW_ALL, SQL_LIKE_ALL},
        {KW_CONSTRAINTS, SQL_LIKE_CONSTRAINTS},
        {KW_DISTRIBUTION, SQL_LIKE_DISTRIBUTION},
        {KW_GENERATED, SQL_LIKE_GENERATED},
        {KW_METADATA, SQL_LIKE_METADATA},
        {KW_OPTIONS, SQL_LIKE_OPTIONS},
        {KW_PARTITIONS, SQL_LIKE_PARTITIONS},
        {KW_WATERMARKS, SQL_LIKE_WATERMARKS},
    };
    struct list list = {0};

    while (!at(p, TOK_RPAREN)) {
        struct sql_like_option *option = LIST_ADD(p, &list, struct sql_like_option);
        bool found = false;

        if (accept_kw(p, KW_INCLUDING))
            option->strategy = SQL_LIKE_INCLUDING;
        else if (accept_kw(p, KW_EXCLUDING))
            option->strategy = SQL_LIKE_EXCLUDING;
        else if (accept_kw(p, KW_OVERWRITING))
            option->strategy = SQL_LIKE_OVERWRITING;
        else
            parse_expected(p, "INCLUDING, EXCLUDING, OVERWRITING or )");
        for (size_t i = 0; !found && i < COUNT_OF(features); i++) {
            found = accept_kw(p, features[i].keyword);
            if (found)
                option->feature = features[i].feature;
        }
        if (!found)
            parse_expected(p, "ALL, CONSTRAINTS, DISTRIBUTION, GENERATED, METADATA, OPTIONS, "
                              "PARTITIONS or WATERMARKS");
    }
    next(p);
    create->like_options = list.items;
    create->like_option_count = list.count;
}

/* (a, b, c) with names only, in front of AS SELECT. */
static bool at_names_only(const struct parser *p)
{
    enum token_kind kind = peek_at(p, 2)->kind;

    return peek_at(p, 1)->kind == TOK_IDENT && (kind == TOK_COMMA || kind == TOK_RPAREN);
}

static void parse_create_table(struct parser *p, struct sql_statement *statement,
                               struct create_flags flags)
{
    struct sql_create_table *create = PARSE_NEW(p, struct sql_create_table);

    statement->create_table = create;
    create->temporary = flags.temporary;
    create->or_replace = flags.or_replace;
    create->if_not_exists = parse_if_not_exists(p);
    create->name = parse_name(p, "a name of a table");
    if (at(p, TOK_LPAREN) && at_names_only(p)) {
        create->as_columns = parse_ident_list(p, "a name of a column", &create->as_column_count);
    } else if (at(p, TOK_LPAREN)) {
        create->has_schema = true;
        parse_schema(p, &create->schema, false);
    }
    create->comment = parse_comment(p);
    if (accept_kw(p, KW_DISTRIBUTED))
        create->distribution = parse_distribution(p);
    if (accept_kw(p, KW_PARTITIONED)) {
        expect_kw(p, KW_BY);
        create->partitions = parse_ident_list(p, "a name of a column", &create->partition_count);
    }
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
    if (accept_kw(p, KW_LIKE)) {
        create->has_like = true;
        create->like = parse_name(p, "a name of a table");
        if (accept_kind(p, TOK_LPAREN))
            parse_like_options(p, create);
    } else if (accept_kw(p, KW_AS)) {
        create->as = parse_query(p);
    }
    if (create->as_column_count && !create->as)
        parse_expected(p, "AS and a query, since the columns have no types");
}

static void parse_create_materialized_table(struct parser *p, struct sql_statement *statement)
{
    struct sql_create_materialized_table *create =
        PARSE_NEW(p, struct sql_create_materialized_table);
    size_t from;

    statement->kind = SQL_STMT_CREATE_MATERIALIZED_TABLE;
    statement->create_materialized_table = create;
    create->name = parse_name(p, "a name of a table");
    if (accept_kind(p, TOK_LPAREN)) {
        create->constraint = PARSE_NEW(p, struct sql_constraint);
        parse_constraint(p, create->constraint);
        expect(p, TOK_RPAREN);
    }
    create->comment = parse_comment(p);
    if (accept_kw(p, KW_DISTRIBUTED))
        create->distribution = parse_distribution(p);
    if (accept_kw(p, KW_PARTITIONED)) {
        expect_kw(p, KW_BY);
        create->partitions = parse_ident_list(p, "a name of a column", &create->partition_count);
    }
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
    expect_kw(p, KW_FRESHNESS);
    expect(p, TOK_EQ);
    if (!at_kw(p, KW_INTERVAL))
        parse_expected(p, "INTERVAL");
    create->freshness = parse_interval(p);
    if (accept_kw(p, KW_REFRESH_MODE)) {
        expect(p, TOK_EQ);
        if (accept_kw(p, KW_FULL))
            create->refresh_mode = "FULL";
        else if (accept_kw(p, KW_CONTINUOUS))
            create->refresh_mode = "CONTINUOUS";
        else
            parse_expected(p, "FULL or CONTINUOUS");
    }
    expect_kw(p, KW_AS);
    from = p->at;
    create->query = parse_query(p);
    create->query_text = parse_text_from(p, from);
}

static void parse_view_columns(struct parser *p, struct sql_create_view *create)
{
    struct list list = {0};

    expect(p, TOK_LPAREN);
    do {
        struct sql_column_def *column = LIST_ADD(p, &list, struct sql_column_def);

        column->name = parse_ident(p, "a name of a column");
        column->comment = parse_comment(p);
    } while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    create->columns = list.items;
    create->column_count = list.count;
}

static void parse_create_view(struct parser *p, struct sql_statement *statement,
                              struct create_flags flags)
{
    struct sql_create_view *create = PARSE_NEW(p, struct sql_create_view);
    size_t from;

    statement->kind = SQL_STMT_CREATE_VIEW;
    statement->create_view = create;
    create->temporary = flags.temporary;
    create->or_replace = flags.or_replace;
    create->if_not_exists = parse_if_not_exists(p);
    create->name = parse_name(p, "a name of a view");
    if (at(p, TOK_LPAREN))
        parse_view_columns(p, create);
    create->comment = parse_comment(p);
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
    expect_kw(p, KW_AS);
    from = p->at;
    create->query = parse_query(p);
    create->query_text = parse_text_from(p, from);
}

static void parse_create_catalog(struct parser *p, struct sql_statement *statement)
{
    struct sql_create_catalog *create = PARSE_NEW(p, struct sql_create_catalog);

    statement->kind = SQL_STMT_CREATE_CATALOG;
    statement->create_catalog = create;
    create->if_not_exists = parse_if_not_exists(p);
    create->name = parse_name(p, "a name of a catalog");
    create->comment = parse_comment(p);
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
}

static void parse_create_database(struct parser *p, struct sql_statement *statement)
{
    struct sql_create_database *create = PARSE_NEW(p, struct sql_create_database);

    statement->kind = SQL_STMT_CREATE_DATABASE;
    statement->create_database = create;
    create->if_not_exists = parse_if_not_exists(p);
    create->name = parse_name(p, "a name of a database");
    create->comment = parse_comment(p);
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
}

static void parse_create_function(struct parser *p, struct sql_statement *statement,
                                  struct create_flags flags)
{
    struct sql_create_function *create = PARSE_NEW(p, struct sql_create_function);
    struct list jars = {0};

    statement->kind = SQL_STMT_CREATE_FUNCTION;
    statement->create_function = create;
    create->temporary = flags.temporary;
    create->system = flags.system;
    create->if_not_exists = parse_if_not_exists(p);
    create->name = parse_name(p, "a name of a function");
    expect_kw(p, KW_AS);
    create->class_name = parse_string(p, "a class name in quotes");
    if (accept_kw(p, KW_LANGUAGE)) {
        if (!at_kw(p, KW_JAVA) && !at_kw(p, KW_SCALA) && !at_kw(p, KW_PYTHON))
            parse_expected(p, "JAVA, SCALA or PYTHON");
        create->language = keyword_text(next(p)->keyword);
    }
    if (accept_kw(p, KW_USING)) {
        do {
            expect_kw(p, KW_JAR);
            *LIST_ADD(p, &jars, const char *) = parse_string(p, "a path in quotes");
        } while (accept_kind(p, TOK_COMMA));
    }
    create->jars = jars.items;
    create->jar_count = jars.count;
    if (accept_kw(p, KW_WITH))
        create->options = parse_options(p);
}

void parse_create(struct parser *p, struct sql_statement *statement)
{
    struct create_flags flags = {0};

    /* REPLACE TABLE t AS ... is what CREATE OR REPLACE TABLE t AS ... says. */
    if (next(p)->keyword == KW_REPLACE)
        flags.or_replace = true;
    else
        flags.or_replace = accept_kw2(p, KW_OR, KW_REPLACE);
    flags.temporary = accept_kw(p, KW_TEMPORARY);
    flags.system = flags.temporary && accept_kw(p, KW_SYSTEM);
    if (flags.system && !at_kw(p, KW_FUNCTION))
        parse_expected(p, "FUNCTION after TEMPORARY SYSTEM");
    if (accept_kw(p, KW_TABLE))
        parse_create_table(p, statement, flags);
    else if (accept_kw(p, KW_VIEW))
        parse_create_view(p, statement, flags);
    else if (accept_kw(p, KW_FUNCTION))
        parse_create_function(p, statement, flags);
    else if (!flags.temporary && !flags.or_replace && accept_kw(p, KW_CATALOG))
        parse_create_catalog(p, statement);
    else if (!flags.temporary && !flags.or_replace && accept_kw(p, KW_DATABASE))
        parse_create_database(p, statement);
    else if (!flags.temporary && !flags.or_replace && accept_kw2(p, KW_MATERIALIZED, KW_TABLE))
        parse_create_materialized_table(p, statement);
    else
        parse_expected(p, "TABLE, VIEW, FUNCTION, CATALOG, DATABASE or MATERIALIZED TABLE");
}
