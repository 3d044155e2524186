/* parser_statement.c - which statement is it? One table of first words, and the short statements.
 */
#include "sql/sql_int.h"

struct sql_statement *statement_new(struct parser *p, enum sql_statement_kind kind)
{
    struct sql_statement *statement = PARSE_NEW(p, struct sql_statement);

    statement->kind = kind;
    statement->pos = peek(p)->pos;
    return statement;
}

/* INSERT ...; INSERT ...; END */
static void parse_set_body(struct parser *p, struct sql_statement *statement)
{
    struct list list = {0};

    expect_kw(p, KW_BEGIN);
    do {
        struct sql_statement *insert;

        if (!at_kw(p, KW_INSERT))
            parse_expected(p, list.count ? "INSERT or END" : "INSERT");
        insert = parse_statement(p);
        *LIST_ADD(p, &list, struct sql_statement *) = insert;
        expect(p, TOK_SEMICOLON);
    } while (!at_kw(p, KW_END));
    next(p);
    statement->set_of = PARSE_NEW(p, struct sql_statement_set);
    statement->set_of->list = list.items;
    statement->set_of->count = list.count;
}

static void parse_statement_set(struct parser *p, struct sql_statement *statement)
{
    statement->kind = SQL_STMT_STATEMENT_SET;
    expect_kw(p, KW_STATEMENT);
    expect_kw(p, KW_SET);
    parse_set_body(p, statement);
}

/* EXECUTE STATEMENT SET BEGIN ... END, EXECUTE PLAN 'file', EXECUTE <statement> */
static void parse_execute(struct parser *p, struct sql_statement *statement)
{
    next(p);
    if (at_kw(p, KW_STATEMENT)) {
        parse_statement_set(p, statement);
    } else if (accept_kw(p, KW_PLAN)) {
        statement->kind = SQL_STMT_PLAN;
        statement->plan = PARSE_NEW(p, struct sql_plan);
        statement->plan->execute = true;
        statement->plan->path = parse_string(p, "a path in quotes");
    } else {
        statement->execute = parse_statement(p);
    }
}

/* COMPILE [AND EXECUTE] PLAN 'file' [IF NOT EXISTS] FOR <statement> */
static void parse_compile(struct parser *p, struct sql_statement *statement)
{
    struct sql_plan *plan = PARSE_NEW(p, struct sql_plan);

    next(p);
    statement->plan = plan;
    plan->compile = true;
    if (accept_kw(p, KW_AND)) {
        expect_kw(p, KW_EXECUTE);
        plan->execute = true;
    }
    expect_kw(p, KW_PLAN);
    plan->path = parse_string(p, "a path in quotes");
    plan->if_not_exists = parse_if_not_exists(p);
    expect_kw(p, KW_FOR);
    if (at_kw(p, KW_STATEMENT)) {
        plan->statement = statement_new(p, SQL_STMT_STATEMENT_SET);
        parse_statement_set(p, plan->statement);
    } else if (at_kw(p, KW_INSERT)) {
        plan->statement = parse_statement(p);
    } else {
        parse_expected(p, "INSERT or STATEMENT SET");
    }
}

static void parse_explain_details(struct parser *p, struct sql_explain *explain)
{
    do {
        if (accept_kw(p, KW_ESTIMATED_COST))
            explain->estimated_cost = true;
        else if (accept_kw(p, KW_CHANGELOG_MODE))
            explain->changelog_mode = true;
        else if (accept_kw(p, KW_JSON_EXECUTION_PLAN))
            explain->json_execution_plan = true;
        else if (accept_kw(p, KW_PLAN_ADVICE))
            explain->plan_advice = true;
        else
            parse_expected(p, "ESTIMATED_COST, CHANGELOG_MODE, JSON_EXECUTION_PLAN or PLAN_ADVICE");
    } while (accept_kind(p, TOK_COMMA));
}

static bool at_explain_detail(const struct parser *p)
{
    return at_kw(p, KW_ESTIMATED_COST) || at_kw(p, KW_CHANGELOG_MODE) ||
           at_kw(p, KW_JSON_EXECUTION_PLAN) || at_kw(p, KW_PLAN_ADVICE);
}

static void parse_explain(struct parser *p, struct sql_statement *statement)
{
    struct sql_explain *explain = PARSE_NEW(p, struct sql_explain);

    next(p);
    statement->explain = explain;
    if (at_word(p, "WHY")) {
        next(p);
        explain->why = at(p, TOK_STRING) ? parse_string(p, "the name of a job")
                                         : parse_ident(p, "the name of a job").text;
        return;
    }
    if (at_kw2(p, KW_PLAN, KW_FOR)) {
        next(p);
        next(p);
        explain->plan_for = true;
    } else if (at_explain_detail(p)) {
        parse_explain_details(p, explain);
    }
    if (at_kw(p, KW_STATEMENT)) {
        explain->statement = statement_new(p, SQL_STMT_STATEMENT_SET);
        parse_statement_set(p, explain->statement);
    } else {
        explain->statement = parse_statement(p);
    }
}

/* SET, SET 'k' = 'v', RESET, RESET 'k'; the client's old form without quotes is read too. */
static const char *parse_set_word(struct parser *p)
{
    size_t from = p->at;

    if (at(p, TOK_STRING))
        return parse_string(p, "a key in quotes");
    while (at(p, TOK_IDENT) || at(p, TOK_DOT) || at(p, TOK_MINUS) || at(p, TOK_EXACT) ||
           at(p, TOK_COLON))
        next(p);
    if (p->at == from)
        parse_expected(p, "a key or a value in quotes");
    return arena_cstr(p->arena, parse_text_from(p, from));
}

static void parse_set(struct parser *p, struct sql_statement *statement)
{
    struct sql_set *set = PARSE_NEW(p, struct sql_set);
    bool reset = next(p)->keyword == KW_RESET;

    statement->set = set;
    if (at(p, TOK_SEMICOLON) || at(p, TOK_END))
        return;
    set->key_pos = peek(p)->pos;
    set->key = parse_set_word(p);
    if (!set->key)
        parse_nomem(p);
    if (reset)
        return;
    expect(p, TOK_EQ);
    set->value_pos = peek(p)->pos;
    set->value = parse_set_word(p);
    if (!set->value)
        parse_nomem(p);
}

static void parse_jar(struct parser *p, struct sql_statement *statement)
{
    statement->jar = PARSE_NEW(p, struct sql_jar);
    statement->jar->remove = next(p)->keyword == KW_REMOVE;
    expect_kw(p, KW_JAR);
    statement->jar->path = parse_string(p, "a path in quotes");
}

static void parse_module(struct parser *p, struct sql_statement *statement)
{
    struct sql_module *module = PARSE_NEW(p, struct sql_module);

    statement->module = module;
    module->unload = next(p)->keyword == KW_UNLOAD;
    expect_kw(p, KW_MODULE);
    module->name = parse_ident(p, "a name of a module");
    if (!module->unload && accept_kw(p, KW_WITH))
        module->options = parse_options(p);
}

/* ANALYZE TABLE t [PARTITION (...)] COMPUTE STATISTICS [FOR COLUMNS a, b | FOR ALL COLUMNS] */
static void parse_analyze(struct parser *p, struct sql_statement *statement)
{
    struct sql_analyze *analyze = PARSE_NEW(p, struct sql_analyze);
    struct list columns = {0};

    next(p);
    statement->analyze = analyze;
    expect_kw(p, KW_TABLE);
    analyze->table = parse_name(p, "a name of a table");
    if (accept_kw(p, KW_PARTITION))
        analyze->partition = parse_partition(p);
    expect_kw(p, KW_COMPUTE);
    expect_kw(p, KW_STATISTICS);
    if (!accept_kw(p, KW_FOR))
        return;
    analyze->for_columns = true;
    if (accept_kw(p, KW_ALL)) {
        expect_kw(p, KW_COLUMNS);
        analyze->all_columns = true;
        return;
    }
    expect_kw(p, KW_COLUMNS);
    do
        *LIST_ADD(p, &columns, struct sql_ident) = parse_ident(p, "a name of a column");
    while (accept_kind(p, TOK_COMMA));
    analyze->columns = columns.items;
    analyze->column_count = columns.count;
}

static void parse_call_statement(struct parser *p, struct sql_statement *statement)
{
    struct list parts = {0};
    struct sql_name *name;

    next(p);
    /* Iceberg's procedures are in a namespace whose name is reserved: catalog.system.f(...). */
    while ((at_ident(p) || at_kw(p, KW_SYSTEM)) && peek_at(p, 1)->kind == TOK_DOT) {
        struct sql_ident *part = LIST_ADD(p, &parts, struct sql_ident);

        if (at_kw(p, KW_SYSTEM))
            *part = (struct sql_ident){.text = "system", .pos = next(p)->pos};
        else
            *part = parse_ident(p, "a name");
        next(p);
    }
    statement->call = parse_call(p);
    if (!statement->call)
        parse_expected(p, "a call of a procedure");
    name = &statement->call->name;
    for (size_t i = 0; i < name->count; i++)
        *LIST_ADD(p, &parts, struct sql_ident) = name->parts[i];
    *name = (struct sql_name){.parts = parts.items, .count = parts.count};
}

static void parse_stop(struct parser *p, struct sql_statement *statement)
{
    struct sql_stop_job *stop = PARSE_NEW(p, struct sql_stop_job);

    next(p);
    statement->stop_job = stop;
    expect_kw(p, KW_JOB);
    stop->job = parse_string(p, "a job's id in quotes");
    stop->with_savepoint = accept_kw2(p, KW_WITH, KW_SAVEPOINT);
    stop->with_drain = accept_kw2(p, KW_WITH, KW_DRAIN);
    if (!stop->with_savepoint)
        stop->with_savepoint = accept_kw2(p, KW_WITH, KW_SAVEPOINT);
}

static void parse_truncate(struct parser *p, struct sql_statement *statement)
{
    next(p);
    expect_kw(p, KW_TABLE);
    statement->truncate = parse_name(p, "a name of a table");
}

static void parse_query_statement(struct parser *p, struct sql_statement *statement)
{
    statement->query = parse_query(p);
}

static const struct first_word {
    enum keyword keyword;
    enum sql_statement_kind kind;
    void (*parse)(struct parser *p, struct sql_statement *statement);
} first_words[] = {
    {KW_SELECT, SQL_STMT_QUERY, parse_query_statement},
    {KW_WITH, SQL_STMT_QUERY, parse_query_statement},
    {KW_VALUES, SQL_STMT_QUERY, parse_query_statement},
    {KW_TABLE, SQL_STMT_QUERY, parse_query_statement},
    {KW_INSERT, SQL_STMT_INSERT, parse_insert},
    {KW_UPSERT, SQL_STMT_INSERT, parse_insert},
    {KW_UPDATE, SQL_STMT_UPDATE, parse_update},
    {KW_DELETE, SQL_STMT_DELETE, parse_delete},
    {KW_MERGE, SQL_STMT_MERGE, parse_merge},
    {KW_TRUNCATE, SQL_STMT_TRUNCATE, parse_truncate},
    {KW_CREATE, SQL_STMT_CREATE_TABLE, parse_create},
    {KW_REPLACE, SQL_STMT_CREATE_TABLE, parse_create},
    {KW_ALTER, SQL_STMT_ALTER_TABLE, parse_alter},
    {KW_DROP, SQL_STMT_DROP, parse_drop},
    {KW_EXECUTE, SQL_STMT_EXECUTE, parse_execute},
    {KW_STATEMENT, SQL_STMT_STATEMENT_SET, parse_statement_set},
    {KW_COMPILE, SQL_STMT_PLAN, parse_compile},
    {KW_EXPLAIN, SQL_STMT_EXPLAIN, parse_explain},
    {KW_DESCRIBE, SQL_STMT_DESCRIBE, parse_describe},
    {KW_DESC, SQL_STMT_DESCRIBE, parse_describe},
    {KW_SHOW, SQL_STMT_SHOW, parse_show},
    {KW_USE, SQL_STMT_USE, parse_use},
    {KW_SET, SQL_STMT_SET, parse_set},
    {KW_RESET, SQL_STMT_RESET, parse_set},
    {KW_ADD, SQL_STMT_JAR, parse_jar},
    {KW_REMOVE, SQL_STMT_JAR, parse_jar},
    {KW_LOAD, SQL_STMT_MODULE, parse_module},
    {KW_UNLOAD, SQL_STMT_MODULE, parse_module},
    {KW_ANALYZE, SQL_STMT_ANALYZE, parse_analyze},
    {KW_CALL, SQL_STMT_CALL, parse_call_statement},
    {KW_STOP, SQL_STMT_STOP_JOB, parse_stop},
};

static const char *const client_words[] = {"QUIT", "EXIT", "HELP", "CLEAR"};

static struct sql_statement *parse_client(struct parser *p)
{
    for (size_t i = 0; i < COUNT_OF(client_words); i++) {
        if (at_word(p, client_words[i]) &&
            (peek_at(p, 1)->kind == TOK_END || peek_at(p, 1)->kind == TOK_SEMICOLON)) {
            struct sql_statement *statement = statement_new(p, SQL_STMT_CLIENT);

            next(p);
            statement->client = client_words[i];
            return statement;
        }
    }
    return NULL;
}

static _Noreturn void no_statement(struct parser *p)
{
    const char *known[COUNT_OF(first_words)];
    const struct token *token = peek(p);
    const char *near = NULL;

    for (size_t i = 0; i < COUNT_OF(first_words); i++)
        known[i] = keyword_text(first_words[i].keyword);
    if (token->kind == TOK_IDENT)
        near = sql_nearest(token->value, known, COUNT_OF(known));
    if (near)
        parse_fail(p, token, "found '%s', expected a statement; did you mean %s?", token->value,
                   near);
    parse_expected(p, "a statement (SELECT, INSERT, CREATE, SHOW, SET, ...)");
}

struct sql_statement *parse_statement(struct parser *p)
{
    enum keyword keyword = peek(p)->keyword;
    struct sql_statement *statement;
    size_t from = p->at;

    parse_enter(p);
    statement = parse_client(p);
    for (size_t i = 0; !statement && keyword && i < COUNT_OF(first_words); i++) {
        if (first_words[i].keyword == keyword) {
            statement = statement_new(p, first_words[i].kind);
            first_words[i].parse(p, statement);
        }
    }
    if (!statement && at_query(p)) {
        statement = statement_new(p, SQL_STMT_QUERY);
        statement->query = parse_query(p);
    }
    if (!statement)
        no_statement(p);
    statement->text = parse_text_from(p, from);
    parse_leave(p);
    return statement;
}

const char *sql_statement_kind_name(enum sql_statement_kind kind)
{
    static const char *const names[] = {
        [SQL_STMT_QUERY] = "SELECT",
        [SQL_STMT_INSERT] = "INSERT",
        [SQL_STMT_UPDATE] = "UPDATE",
        [SQL_STMT_DELETE] = "DELETE",
        [SQL_STMT_MERGE] = "MERGE",
        [SQL_STMT_TRUNCATE] = "TRUNCATE TABLE",
        [SQL_STMT_STATEMENT_SET] = "STATEMENT SET",
        [SQL_STMT_EXECUTE] = "EXECUTE",
        [SQL_STMT_CREATE_TABLE] = "CREATE TABLE",
        [SQL_STMT_CREATE_VIEW] = "CREATE VIEW",
        [SQL_STMT_CREATE_CATALOG] = "CREATE CATALOG",
        [SQL_STMT_CREATE_DATABASE] = "CREATE DATABASE",
        [SQL_STMT_CREATE_FUNCTION] = "CREATE FUNCTION",
        [SQL_STMT_CREATE_MATERIALIZED_TABLE] = "CREATE MATERIALIZED TABLE",
        [SQL_STMT_ALTER_TABLE] = "ALTER TABLE",
        [SQL_STMT_ALTER_VIEW] = "ALTER VIEW",
        [SQL_STMT_ALTER_CATALOG] = "ALTER CATALOG",
        [SQL_STMT_ALTER_DATABASE] = "ALTER DATABASE",
        [SQL_STMT_ALTER_FUNCTION] = "ALTER FUNCTION",
        [SQL_STMT_ALTER_MATERIALIZED_TABLE] = "ALTER MATERIALIZED TABLE",
        [SQL_STMT_DROP] = "DROP",
        [SQL_STMT_EXPLAIN] = "EXPLAIN",
        [SQL_STMT_DESCRIBE] = "DESCRIBE",
        [SQL_STMT_SHOW] = "SHOW",
        [SQL_STMT_USE] = "USE",
        [SQL_STMT_SET] = "SET",
        [SQL_STMT_RESET] = "RESET",
        [SQL_STMT_JAR] = "ADD JAR",
        [SQL_STMT_MODULE] = "LOAD MODULE",
        [SQL_STMT_ANALYZE] = "ANALYZE TABLE",
        [SQL_STMT_CALL] = "CALL",
        [SQL_STMT_PLAN] = "COMPILE PLAN",
        [SQL_STMT_STOP_JOB] = "STOP JOB",
        [SQL_STMT_CLIENT] = "a command of the SQL client",
    };

    return names[kind];
}
