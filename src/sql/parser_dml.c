/* parser_dml.c - INSERT INTO and OVERWRITE, UPDATE, DELETE, MERGE. */
#include "sql/sql_int.h"

static bool at_column_list(const struct parser *p)
{
    /* (a, b) or (a.b, c): names; a query's parenthesis begins otherwise. */
    return at(p, TOK_LPAREN) && !at_query(p);
}

static void parse_insert_columns(struct parser *p, struct sql_insert *insert)
{
    struct list list = {0};

    expect(p, TOK_LPAREN);
    do
        *LIST_ADD(p, &list, struct sql_name) = parse_name(p, "a name of a column");
    while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    insert->columns = list.items;
    insert->column_count = list.count;
}

void parse_insert(struct parser *p, struct sql_statement *statement)
{
    struct sql_insert *insert = PARSE_NEW(p, struct sql_insert);

    statement->insert = insert;
    insert->upsert = next(p)->keyword == KW_UPSERT;
    insert->hints = parse_hints(p);
    if (!insert->upsert && accept_kw(p, KW_OVERWRITE))
        insert->overwrite = true;
    else if (!accept_kw(p, KW_INTO))
        parse_expected(p, "INTO or OVERWRITE");
    accept_kw(p, KW_TABLE);
    insert->table = parse_name(p, "a name of a table");
    insert->table_hints = parse_hints(p);
    if (accept_kw(p, KW_PARTITION))
        insert->partition = parse_partition(p);
    if (at_column_list(p))
        parse_insert_columns(p, insert);
    if (!at_query(p))
        parse_expected(p, "SELECT, VALUES, WITH or a list of columns");
    insert->query = parse_query(p);
}

/* c = value, or t.c = value: `t` is what the statement calls its table. */
static void parse_assignment(struct parser *p, struct sql_assignment *set,
                             const struct sql_name *table, const struct sql_ident *alias)
{
    const struct token *token = peek(p);
    struct sql_name name = parse_name(p, "a name of a column");
    const char *called = alias->text ? alias->text : table->parts[table->count - 1].text;

    if (name.count > 2 || (name.count == 2 && strcmp(name.parts[0].text, called) != 0))
        parse_fail(p, token, "a column of `%s` is expected here; nested fields cannot be set",
                   called);
    set->column = name.parts[name.count - 1];
    expect(p, TOK_EQ);
    set->value = parse_expr(p);
}

static struct sql_assignment *parse_assignments(struct parser *p, const struct sql_name *table,
                                                const struct sql_ident *alias, size_t *count)
{
    struct list sets = {0};

    do
        parse_assignment(p, LIST_ADD(p, &sets, struct sql_assignment), table, alias);
    while (accept_kind(p, TOK_COMMA));
    *count = sets.count;
    return sets.items;
}

void parse_update(struct parser *p, struct sql_statement *statement)
{
    struct sql_update *update = PARSE_NEW(p, struct sql_update);

    next(p);
    statement->update = update;
    update->table = parse_name(p, "a name of a table");
    if (accept_kw(p, KW_AS) || at_ident(p))
        update->alias = parse_ident(p, "a name for the table");
    expect_kw(p, KW_SET);
    update->sets = parse_assignments(p, &update->table, &update->alias, &update->set_count);
    if (accept_kw(p, KW_WHERE))
        update->where = parse_expr(p);
}

void parse_delete(struct parser *p, struct sql_statement *statement)
{
    struct sql_delete *delete_from = PARSE_NEW(p, struct sql_delete);

    next(p);
    expect_kw(p, KW_FROM);
    statement->delete_from = delete_from;
    delete_from->table = parse_name(p, "a name of a table");
    if (accept_kw(p, KW_AS) || at_ident(p))
        delete_from->alias = parse_ident(p, "a name for the table");
    if (accept_kw(p, KW_WHERE))
        delete_from->where = parse_expr(p);
}

/* (a, b) VALUES (x, y); without columns the values are in the table's order. */
static void parse_merge_insert(struct parser *p, struct sql_merge_clause *clause)
{
    struct sql_ident *columns = NULL;
    struct list sets = {0};
    size_t count = 0, given = 0;
    const struct token *token;

    if (accept_kind(p, TOK_STAR)) {
        clause->star = true;
        return;
    }
    if (at(p, TOK_LPAREN))
        columns = parse_ident_list(p, "a name of a column", &count);
    clause->positional = !columns;
    expect_kw(p, KW_VALUES);
    token = peek(p);
    expect(p, TOK_LPAREN);
    do {
        struct sql_assignment *set = LIST_ADD(p, &sets, struct sql_assignment);

        if (columns && given < count)
            set->column = columns[given];
        given++;
        set->value = parse_expr(p);
    } while (accept_kind(p, TOK_COMMA));
    expect(p, TOK_RPAREN);
    if (columns && given != count)
        parse_fail(p, token, "%zu values for %zu columns", given, count);
    clause->sets = sets.items;
    clause->set_count = sets.count;
}

static void parse_merge_action(struct parser *p, const struct sql_merge *merge,
                               struct sql_merge_clause *clause)
{
    bool insert = clause->when == SQL_MERGE_NOT_MATCHED;

    if (insert && accept_kw(p, KW_INSERT)) {
        clause->action = SQL_MERGE_INSERT;
        parse_merge_insert(p, clause);
    } else if (!insert && accept_kw(p, KW_DELETE)) {
        clause->action = SQL_MERGE_DELETE;
    } else if (!insert && accept_kw(p, KW_UPDATE)) {
        clause->action = SQL_MERGE_UPDATE;
        expect_kw(p, KW_SET);
        if (clause->when == SQL_MERGE_MATCHED && accept_kind(p, TOK_STAR))
            clause->star = true;
        else
            clause->sets = parse_assignments(p, &merge->table, &merge->alias, &clause->set_count);
    } else {
        parse_expected(p, insert ? "INSERT" : "UPDATE or DELETE");
    }
}

static void parse_merge_clause(struct parser *p, const struct sql_merge *merge,
                               struct sql_merge_clause *clause)
{
    clause->pos = peek(p)->pos;
    expect_kw(p, KW_WHEN);
    if (accept_kw(p, KW_NOT)) {
        clause->when = SQL_MERGE_NOT_MATCHED;
        expect_kw(p, KW_MATCHED);
        if (accept_kw(p, KW_BY)) {
            if (accept_kw(p, KW_SOURCE))
                clause->when = SQL_MERGE_NOT_MATCHED_BY_SOURCE;
            else if (at_word(p, "TARGET"))
                next(p);
            else
                parse_expected(p, "SOURCE or TARGET");
        }
    } else {
        clause->when = SQL_MERGE_MATCHED;
        expect_kw(p, KW_MATCHED);
    }
    if (accept_kw(p, KW_AND))
        clause->condition = parse_expr(p);
    expect_kw(p, KW_THEN);
    parse_merge_action(p, merge, clause);
}

void parse_merge(struct parser *p, struct sql_statement *statement)
{
    struct sql_merge *merge = PARSE_NEW(p, struct sql_merge);
    struct list clauses = {0};

    next(p);
    expect_kw(p, KW_INTO);
    statement->merge = merge;
    merge->table = parse_name(p, "a name of a table");
    if (accept_kw(p, KW_AS) || at_ident(p))
        merge->alias = parse_ident(p, "a name for the table");
    expect_kw(p, KW_USING);
    merge->source = parse_from_one(p);
    expect_kw(p, KW_ON);
    merge->on = parse_expr(p);
    do
        parse_merge_clause(p, merge, LIST_ADD(p, &clauses, struct sql_merge_clause));
    while (at_kw(p, KW_WHEN));
    merge->clauses = clauses.items;
    merge->clause_count = clauses.count;
}
