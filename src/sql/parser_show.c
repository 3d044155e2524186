/* parser_show.c - SHOW, DESCRIBE, USE. */
#include "sql/sql_int.h"

enum { FROM_DATABASE = 1, LIKE = 2, NAME = 4, PARTITION = 8 };

/* Two words of keywords, then what may follow. */
static const struct shown {
    enum keyword first, second, third;
    enum sql_show_what what;
    int follows;
} shows[] = {
    {KW_CATALOGS, 0, 0, SQL_SHOW_CATALOGS, LIKE},
    {KW_CURRENT, KW_CATALOG, 0, SQL_SHOW_CURRENT_CATALOG, 0},
    {KW_CURRENT, KW_DATABASE, 0, SQL_SHOW_CURRENT_DATABASE, 0},
    {KW_DATABASES, 0, 0, SQL_SHOW_DATABASES, FROM_DATABASE | LIKE},
    {KW_TABLES, 0, 0, SQL_SHOW_TABLES, FROM_DATABASE | LIKE},
    {KW_VIEWS, 0, 0, SQL_SHOW_VIEWS, FROM_DATABASE | LIKE},
    {KW_MATERIALIZED, KW_TABLES, 0, SQL_SHOW_MATERIALIZED_TABLES, FROM_DATABASE | LIKE},
    {KW_COLUMNS, 0, 0, SQL_SHOW_COLUMNS, FROM_DATABASE | NAME | LIKE},
    {KW_FUNCTIONS, 0, 0, SQL_SHOW_FUNCTIONS, FROM_DATABASE | LIKE},
    {KW_USER, KW_FUNCTIONS, 0, SQL_SHOW_USER_FUNCTIONS, FROM_DATABASE | LIKE},
    {KW_PROCEDURES, 0, 0, SQL_SHOW_PROCEDURES, FROM_DATABASE | LIKE},
    {KW_MODULES, 0, 0, SQL_SHOW_MODULES, 0},
    {KW_FULL, KW_MODULES, 0, SQL_SHOW_FULL_MODULES, 0},
    {KW_PARTITIONS, 0, 0, SQL_SHOW_PARTITIONS, NAME | PARTITION},
    {KW_CREATE, KW_TABLE, 0, SQL_SHOW_CREATE_TABLE, NAME},
    {KW_CREATE, KW_VIEW, 0, SQL_SHOW_CREATE_VIEW, NAME},
    {KW_CREATE, KW_CATALOG, 0, SQL_SHOW_CREATE_CATALOG, NAME},
    {KW_CREATE, KW_MATERIALIZED, KW_TABLE, SQL_SHOW_CREATE_MATERIALIZED_TABLE, NAME},
    {KW_JARS, 0, 0, SQL_SHOW_JARS, 0},
    {KW_JOBS, 0, 0, SQL_SHOW_JOBS, 0},
};

static const struct shown *find_shown(struct parser *p)
{
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        const struct shown *shown = &shows[i];

        if (!at_kw(p, shown->first) || (shown->second && !at_kw_ahead(p, 1, shown->second)) ||
            (shown->third && !at_kw_ahead(p, 2, shown->third)))
            continue;
        next(p);
        if (shown->second)
            next(p);
        if (shown->third)
            next(p);
        return shown;
    }
    return NULL;
}

static void parse_like(struct parser *p, struct sql_show *show)
{
    bool not_like = at_kw(p, KW_NOT) && (at_kw_ahead(p, 1, KW_LIKE) || at_kw_ahead(p, 1, KW_ILIKE));

    if (not_like)
        next(p);
    if (accept_kw(p, KW_LIKE))
        show->match = SQL_PATTERN_LIKE;
    else if (accept_kw(p, KW_ILIKE))
        show->match = SQL_PATTERN_ILIKE;
    else
        return;
    show->not_like = not_like;
    show->pattern = parse_string(p, "a pattern in quotes");
}

static _Noreturn void not_shown(struct parser *p)
{
    const char *words[COUNT_OF(shows)];
    const char *near = NULL;

    for (size_t i = 0; i < COUNT_OF(shows); i++)
        words[i] = keyword_text(shows[i].first);
    if (peek(p)->kind == TOK_IDENT)
        near = sql_nearest(peek(p)->value, words, COUNT_OF(words));
    if (near && keyword_of(near, strlen(near)) != peek(p)->keyword)
        parse_fail(p, peek(p), "found '%s' after SHOW; did you mean %s?", peek(p)->value, near);
    parse_expected(p,
                   "CATALOGS, DATABASES, TABLES, VIEWS, COLUMNS, FUNCTIONS, PROCEDURES, MODULES, "
                   "PARTITIONS, JARS, JOBS, CURRENT or CREATE after SHOW");
}

void parse_show(struct parser *p, struct sql_statement *statement)
{
    struct sql_show *show = PARSE_NEW(p, struct sql_show);
    const struct shown *shown;

    next(p);
    statement->show = show;
    shown = find_shown(p);
    if (!shown)
        not_shown(p);
    show->what = shown->what;
    if (shown->follows & FROM_DATABASE) {
        if (accept_kw(p, KW_FROM))
            show->preposition = SQL_PREPOSITION_FROM;
        else if (accept_kw(p, KW_IN))
            show->preposition = SQL_PREPOSITION_IN;
        else if (shown->follows & NAME)
            parse_expected(p, "FROM or IN");
        if (show->preposition)
            show->name = parse_name(p, "a name");
    } else if (shown->follows & NAME) {
        show->name = parse_name(p, "a name");
    }
    if (shown->follows & PARTITION && accept_kw(p, KW_PARTITION))
        show->partition = parse_partition(p);
    if (shown->follows & LIKE)
        parse_like(p, show);
}

/* DESCRIBE [EXTENDED] t, DESCRIBE CATALOG [EXTENDED] c, DESCRIBE DATABASE [EXTENDED] d,
 * DESCRIBE JOB 'id' */
void parse_describe(struct parser *p, struct sql_statement *statement)
{
    struct sql_describe *describe = PARSE_NEW(p, struct sql_describe);
    bool name_follows = peek_at(p, 2)->kind == TOK_IDENT;

    next(p);
    statement->describe = describe;
    if (at_kw(p, KW_JOB) && peek_at(p, 1)->kind == TOK_STRING) {
        next(p);
        describe->object = SQL_OBJECT_JOB;
        describe->job = parse_string(p, "a job's id in quotes");
        return;
    }
    if (at_kw(p, KW_CATALOG) && name_follows) {
        next(p);
        describe->object = SQL_OBJECT_CATALOG;
    } else if (at_kw(p, KW_DATABASE) && name_follows) {
        next(p);
        describe->object = SQL_OBJECT_DATABASE;
    }
    describe->extended = accept_kw(p, KW_EXTENDED);
    describe->name = parse_name(p, "a name of a table");
}

/* USE d, USE CATALOG c, USE MODULES a, b */
void parse_use(struct parser *p, struct sql_statement *statement)
{
    struct sql_use *use = PARSE_NEW(p, struct sql_use);
    struct list modules = {0};

    next(p);
    statement->use = use;
    if (accept_kw(p, KW_MODULES)) {
        use->object = SQL_OBJECT_MODULES;
        do
            *LIST_ADD(p, &modules, struct sql_ident) = parse_ident(p, "a name of a module");
        while (accept_kind(p, TOK_COMMA));
        use->modules = modules.items;
        use->module_count = modules.count;
        return;
    }
    use->object = SQL_OBJECT_DATABASE;
    if (at_kw(p, KW_CATALOG) && peek_at(p, 1)->kind == TOK_IDENT) {
        next(p);
        use->object = SQL_OBJECT_CATALOG;
    }
    use->name = parse_name(p, "a name of a database");
}
