/* parser_dml.c - INSERT INTO and OVERWRITE, UPDATE, DELETE. */
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

void parse_update(struct parser *p, struct sql_statement *statement)
{
    struct sql_update *update = PARSE_NEW(p, struct sql_update);
    struct list sets = {0};

    next(p);
    statement->update = update;
    update->table = parse_name(p, "a name of a table");
    if (accept_kw(p, KW_AS) || at_ident(p))
        update->alias = parse_ident(p, "a name for the table");
    expect_kw(p, KW_SET);
    do {
        struct sql_assignment *set = LIST_ADD(p, &sets, struct sql_assignment);

        set->column = parse_ident(p, "a name of a column");
        expect(p, TOK_EQ);
        set->value = parse_expr(p);
    } while (accept_kind(p, TOK_COMMA));
    update->sets = sets.items;
    update->set_count = sets.count;
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
