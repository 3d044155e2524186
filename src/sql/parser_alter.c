/* parser_alter.c - ALTER and DROP. */
#include "sql/sql_int.h"

/* ---- ALTER TABLE ----------------------------------------------------------------------------- */

static void parse_rename(struct parser *p, struct sql_alter *alter)
{
    next(p);
    accept_kw(p, KW_COLUMN); /* as Spark and Trino have it */
    if (accept_kw(p, KW_TO)) {
        alter->action = SQL_ALTER_RENAME;
        alter->new_name = parse_name(p, "a new name");
        return;
    }
    alter->action = SQL_ALTER_RENAME_COLUMN;
    alter->column = parse_name(p, "TO or a name of a column");
    expect_kw(p, KW_TO);
    alter->new_column = parse_name(p, "a new name");
}

static void parse_set(struct parser *p, struct sql_alter *alter)
{
    next(p);
    alter->action = SQL_ALTER_SET;
    alter->options = parse_options(p);
}

static void parse_reset(struct parser *p, struct sql_alter *alter)
{
    next(p);
    alter->action = SQL_ALTER_RESET;
    alter->options = parse_option_keys(p);
}

static void parse_add_partitions(struct parser *p, struct sql_alter *alter)
{
    struct list partitions = {0}, options = {0};

    alter->action = SQL_ALTER_ADD_PARTITIONS;
    do {
        struct sql_partition partition;
        struct sql_options with = {0};

        expect_kw(p, KW_PARTITION);
        partition = parse_partition(p);
        if (accept_kw(p, KW_WITH))
            with = parse_options(p);
        *LIST_ADD(p, &partitions, struct sql_partition) = partition;
        *LIST_ADD(p, &options, struct sql_options) = with;
    } while (at_kw(p, KW_PARTITION));
    alter->partitions = partitions.items;
    alter->partition_options = options.items;
    alter->partition_count = partitions.count;
}

/* ADD and MODIFY of columns, constraints, a watermark; one, or several in parentheses. */
static void parse_add(struct parser *p, struct sql_alter *alter)
{
    bool add = next(p)->keyword == KW_ADD;

    if (accept_kw(p, KW_DISTRIBUTION)) {
        alter->action = add ? SQL_ALTER_ADD_DISTRIBUTION : SQL_ALTER_MODIFY_DISTRIBUTION;
        alter->distribution = parse_distribution(p);
        return;
    }
    if (add) {
        bool column = accept_kw(p, KW_COLUMN) ||
                      (peek_at(p, 1)->kind == TOK_LPAREN && accept_kw(p, KW_COLUMNS));

        alter->if_not_exists = parse_if_not_exists(p);
        if (at_kw(p, KW_PARTITION) || (alter->if_not_exists && !column)) {
            parse_add_partitions(p, alter);
            return;
        }
    }
    alter->action = add ? SQL_ALTER_ADD : SQL_ALTER_MODIFY;
    alter->parenthesized = at(p, TOK_LPAREN);
    if (alter->parenthesized)
        parse_schema(p, &alter->schema, true);
    else
        parse_schema_item(p, &alter->schema, true);
}

static void parse_drop_partitions(struct parser *p, struct sql_alter *alter)
{
    struct list partitions = {0};

    alter->action = SQL_ALTER_DROP_PARTITIONS;
    do {
        expect_kw(p, KW_PARTITION);
        *LIST_ADD(p, &partitions, struct sql_partition) = parse_partition(p);
    } while (accept_kind(p, TOK_COMMA));
    alter->partitions = partitions.items;
    alter->partition_count = partitions.count;
}

static void parse_drop_columns(struct parser *p, struct sql_alter *alter)
{
    struct list list = {0};

    alter->action = SQL_ALTER_DROP_COLUMNS;
    alter->parenthesized = accept_kind(p, TOK_LPAREN);
    do
        *LIST_ADD(p, &list, struct sql_name) = parse_name(p, "a name of a column");
    while (alter->parenthesized && accept_kind(p, TOK_COMMA));
    if (alter->parenthesized)
        expect(p, TOK_RPAREN);
    alter->columns = list.items;
    alter->column_count = list.count;
}

static void parse_drop_part(struct parser *p, struct sql_alter *alter)
{
    bool column;

    next(p);
    column = accept_kw(p, KW_COLUMN) ||
             (peek_at(p, 1)->kind == TOK_LPAREN && accept_kw(p, KW_COLUMNS));
    alter->part_if_exists = parse_if_exists(p);
    if (!column && (alter->part_if_exists || at_kw(p, KW_PARTITION))) {
        parse_drop_partitions(p, alter);
    } else if (accept_kw(p, KW_CONSTRAINT)) {
        alter->action = SQL_ALTER_DROP_CONSTRAINT;
        alter->new_column = parse_name(p, "a name of a constraint");
    } else if (accept_kw(p, KW_PRIMARY)) {
        expect_kw(p, KW_KEY);
        alter->action = SQL_ALTER_DROP_PRIMARY_KEY;
    } else if (accept_kw(p, KW_WATERMARK)) {
        alter->action = SQL_ALTER_DROP_WATERMARK;
    } else if (accept_kw(p, KW_DISTRIBUTION)) {
        alter->action = SQL_ALTER_DROP_DISTRIBUTION;
    } else {
        parse_drop_columns(p, alter);
    }
}

static void parse_compact(struct parser *p, struct sql_alter *alter)
{
    if (accept_kw(p, KW_PARTITION)) {
        alter->partitions = PARSE_NEW(p, struct sql_partition);
        alter->partitions[0] = parse_partition(p);
        alter->partition_count = 1;
    }
    expect_kw(p, KW_COMPACT);
    alter->action = SQL_ALTER_COMPACT;
}

static void parse_alter_table(struct parser *p, struct sql_alter *alter)
{
    alter->if_exists = parse_if_exists(p);
    alter->name = parse_name(p, "a name of a table");
    if (parse_iceberg_alter(p, alter))
        return;
    switch (peek(p)->keyword) {
    case KW_RENAME:
        parse_rename(p, alter);
        return;
    case KW_SET:
        parse_set(p, alter);
        return;
    case KW_RESET:
        parse_reset(p, alter);
        return;
    case KW_ADD:
    case KW_MODIFY:
        parse_add(p, alter);
        return;
    case KW_DROP:
        parse_drop_part(p, alter);
        return;
    case KW_PARTITION:
    case KW_COMPACT:
        parse_compact(p, alter);
        return;
    default:
        parse_expected(p, "RENAME, SET, RESET, ADD, MODIFY or DROP");
    }
}

/* ---- the others ------------------------------------------------------------------------------ */

static void parse_query_text(struct parser *p, struct sql_alter *alter)
{
    size_t from;

    next(p);
    from = p->at;
    alter->action = SQL_ALTER_AS;
    alter->query = parse_query(p);
    alter->query_text = parse_text_from(p, from);
}

static void parse_alter_view(struct parser *p, struct sql_alter *alter)
{
    alter->name = parse_name(p, "a name of a view");
    if (at_kw(p, KW_AS)) {
        parse_query_text(p, alter);
    } else {
        expect_kw(p, KW_RENAME);
        expect_kw(p, KW_TO);
        alter->action = SQL_ALTER_RENAME;
        alter->new_name = parse_name(p, "a new name");
    }
}

static void parse_alter_catalog(struct parser *p, struct sql_alter *alter)
{
    alter->name = parse_name(p, "a name of a catalog");
    if (at_kw(p, KW_SET)) {
        parse_set(p, alter);
    } else if (at_kw(p, KW_RESET)) {
        parse_reset(p, alter);
    } else if (accept_kw(p, KW_COMMENT)) {
        alter->action = SQL_ALTER_COMMENT;
        alter->comment = parse_string(p, "a comment in quotes");
    } else {
        parse_expected(p, "SET, RESET or COMMENT");
    }
}

static void parse_alter_database(struct parser *p, struct sql_alter *alter)
{
    alter->name = parse_name(p, "a name of a database");
    if (!at_kw(p, KW_SET))
        parse_expected(p, "SET");
    parse_set(p, alter);
}

static void parse_alter_function(struct parser *p, struct sql_alter *alter)
{
    alter->action = SQL_ALTER_FUNCTION;
    alter->if_exists = parse_if_exists(p);
    alter->name = parse_name(p, "a name of a function");
    expect_kw(p, KW_AS);
    alter->class_name = parse_string(p, "a class name in quotes");
    if (accept_kw(p, KW_LANGUAGE)) {
        if (!at_kw(p, KW_JAVA) && !at_kw(p, KW_SCALA) && !at_kw(p, KW_PYTHON))
            parse_expected(p, "JAVA, SCALA or PYTHON");
        alter->language = keyword_text(next(p)->keyword);
    }
}

/* SET FRESHNESS = ..., SET REFRESH_MODE = ..., SET ('k' = 'v') */
static void parse_set_materialized(struct parser *p, struct sql_alter *alter)
{
    if (at_kw_ahead(p, 1, KW_FRESHNESS)) {
        next(p);
        next(p);
        expect(p, TOK_EQ);
        if (!at_kw(p, KW_INTERVAL))
            parse_expected(p, "INTERVAL");
        alter->action = SQL_ALTER_FRESHNESS;
        alter->freshness = parse_interval(p);
    } else if (at_kw_ahead(p, 1, KW_REFRESH_MODE)) {
        next(p);
        next(p);
        expect(p, TOK_EQ);
        alter->action = SQL_ALTER_REFRESH_MODE;
        if (accept_kw(p, KW_FULL))
            alter->refresh_mode = "FULL";
        else if (accept_kw(p, KW_CONTINUOUS))
            alter->refresh_mode = "CONTINUOUS";
        else
            parse_expected(p, "FULL or CONTINUOUS");
    } else {
        parse_set(p, alter);
    }
}

static void parse_alter_materialized(struct parser *p, struct sql_alter *alter)
{
    alter->name = parse_name(p, "a name of a table");
    switch (peek(p)->keyword) {
    case KW_SUSPEND:
        next(p);
        alter->action = SQL_ALTER_SUSPEND;
        return;
    case KW_RESUME:
        next(p);
        alter->action = SQL_ALTER_RESUME;
        if (accept_kw(p, KW_WITH))
            alter->options = parse_options(p);
        return;
    case KW_REFRESH:
        next(p);
        alter->action = SQL_ALTER_REFRESH;
        if (accept_kw(p, KW_PARTITION)) {
            alter->partitions = PARSE_NEW(p, struct sql_partition);
            alter->partitions[0] = parse_partition(p);
            alter->partition_count = 1;
        }
        return;
    case KW_SET:
        parse_set_materialized(p, alter);
        return;
    case KW_RESET:
        parse_reset(p, alter);
        return;
    case KW_AS:
        parse_query_text(p, alter);
        return;
    default:
        parse_expected(p, "SUSPEND, RESUME, REFRESH, SET, RESET or AS");
    }
}

static const struct {
    enum keyword keyword;
    enum sql_statement_kind kind;
    void (*parse)(struct parser *p, struct sql_alter *alter);
} objects[] = {
    {KW_TABLE, SQL_STMT_ALTER_TABLE, parse_alter_table},
    {KW_VIEW, SQL_STMT_ALTER_VIEW, parse_alter_view},
    {KW_CATALOG, SQL_STMT_ALTER_CATALOG, parse_alter_catalog},
    {KW_DATABASE, SQL_STMT_ALTER_DATABASE, parse_alter_database},
    {KW_FUNCTION, SQL_STMT_ALTER_FUNCTION, parse_alter_function},
};

void parse_alter(struct parser *p, struct sql_statement *statement)
{
    struct sql_alter *alter = PARSE_NEW(p, struct sql_alter);

    next(p);
    statement->alter = alter;
    if (accept_kw2(p, KW_MATERIALIZED, KW_TABLE)) {
        statement->kind = SQL_STMT_ALTER_MATERIALIZED_TABLE;
        parse_alter_materialized(p, alter);
        return;
    }
    alter->temporary = accept_kw(p, KW_TEMPORARY);
    alter->system = alter->temporary && accept_kw(p, KW_SYSTEM);
    if (alter->temporary && !at_kw(p, KW_FUNCTION))
        parse_expected(p, "FUNCTION after TEMPORARY");
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        if (accept_kw(p, objects[i].keyword)) {
            statement->kind = objects[i].kind;
            objects[i].parse(p, alter);
            return;
        }
    }
    parse_expected(p, "TABLE, VIEW, CATALOG, DATABASE, FUNCTION or MATERIALIZED TABLE");
}

/* ---- DROP ------------------------------------------------------------------------------------ */

void parse_drop(struct parser *p, struct sql_statement *statement)
{
    static const struct {
        enum keyword keyword;
        enum sql_object object;
    } kinds[] = {
        {KW_TABLE, SQL_OBJECT_TABLE},       {KW_VIEW, SQL_OBJECT_VIEW},
        {KW_CATALOG, SQL_OBJECT_CATALOG},   {KW_DATABASE, SQL_OBJECT_DATABASE},
        {KW_FUNCTION, SQL_OBJECT_FUNCTION},
    };
    struct sql_drop *drop = PARSE_NEW(p, struct sql_drop);
    bool found = false;

    next(p);
    statement->drop = drop;
    drop->temporary = accept_kw(p, KW_TEMPORARY);
    drop->system = drop->temporary && accept_kw(p, KW_SYSTEM);
    if (!drop->temporary && accept_kw2(p, KW_MATERIALIZED, KW_TABLE)) {
        drop->object = SQL_OBJECT_MATERIALIZED_TABLE;
        found = true;
    }
    for (size_t i = 0; !found && i < COUNT_OF(kinds); i++) {
        found = accept_kw(p, kinds[i].keyword);
        if (found)
            drop->object = kinds[i].object;
    }
    if (!found)
        parse_expected(p, "TABLE, VIEW, CATALOG, DATABASE, FUNCTION or MATERIALIZED TABLE");
    drop->if_exists = parse_if_exists(p);
    drop->name = parse_name(p, "a name of what to drop");
    if (drop->object == SQL_OBJECT_DATABASE) {
        drop->cascade = accept_kw(p, KW_CASCADE);
        if (!drop->cascade)
            drop->restrict_written = accept_kw(p, KW_RESTRICT);
    }
}
