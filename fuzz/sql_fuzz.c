/* sql_fuzz.c - any text as a Flink SQL script.
 *
 * What is read is printed and read again: the two trees must print the same, with the shape shown
 * by parentheses. Then everything is bound over two tables, planned and printed for DuckDB. */
#include "sql/foreign.h"
#include "sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tables[] =
    "CREATE TABLE t (a INT, b STRING, c DECIMAL(10, 2), d DOUBLE, ts TIMESTAMP(3), l ARRAY<INT>, "
    "m MAP<STRING, INT>, r ROW<x INT, y STRING>, k AS a + 1, z TIMESTAMP_LTZ(3), y BYTES, n DATE);"
    "CREATE TABLE u (a INT NOT NULL, b STRING, c DECIMAL(10, 2), d DOUBLE)";

static struct arena known; /* lives as long as the program */
static struct sql_table table[2];

static int lookup(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err)
{
    (void)arg;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (!strcmp(parts[count - 1], table[i].name)) {
            *out = &table[i];
            return 0;
        }
    }
    return err_set(err, ERR_NOENT, "no such table");
}

static const struct sql_resolver resolver = {.table = lookup};

static const char *scan(void *arg, const struct sql_table *of)
{
    (void)arg;
    return of->name;
}

static void know_tables(void)
{
    struct sql_script script;

    if (table[0].name)
        return;
    assert(sql_parse_script(slice_str(tables), &known, &script, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert(sql_table_define(script.list[i]->create_table, NULL, &resolver, &known, &table[i],
                                NULL) == 0);
}

static void print(const struct sql_statement *statement, bool parentheses, struct buf *out)
{
    struct sql_print_options options = {.parentheses = parentheses};

    buf_init(out, 0);
    assert(sql_print_flink(statement, &options, out, NULL) == 0);
}

static void round_trip(const struct sql_statement *statement, struct arena *arena)
{
    struct buf shape, text, again;
    struct sql_statement *second;
    struct err err = {0};

    print(statement, true, &shape);
    print(statement, false, &text);
    /* Parentheses can push a text at the limit of depth past it. */
    if (sql_parse_statement(buf_slice(&text), arena, &second, &err) == 0) {
        print(second, true, &again);
        assert(slice_eq(buf_slice(&again), buf_slice(&shape)));
        buf_deinit(&again);
    } else {
        assert(err.code == ERR_LIMIT);
    }
    buf_deinit(&shape);
    buf_deinit(&text);
}

static void bind(const struct sql_statement *statement, struct arena *arena)
{
    struct sql_duckdb_options options = {.table = scan};
    struct sql_insert_plan plan;
    struct sql_table defined;
    struct sql_bound *bound;
    struct buf text;

    if (statement->kind == SQL_STMT_CREATE_TABLE) {
        sql_table_define(statement->create_table, &table[0], &resolver, arena, &defined, NULL);
        sql_options_check(&statement->create_table->options, statement->pos, NULL);
    } else if (statement->kind == SQL_STMT_INSERT) {
        sql_plan_insert(statement->insert, &resolver, NULL, arena, &plan, NULL);
    } else if (statement->kind == SQL_STMT_QUERY &&
               sql_bind_query(statement->query, &resolver, arena, &bound, NULL) == 0) {
        buf_init(&text, 1 << 20);
        sql_print_duckdb(bound, &options, &text, NULL);
        buf_deinit(&text);
    }
}

/* The text as other engines' views have it: more quotes are understood, none is left open. */
static void parse_foreign(const uint8_t *data, size_t size, struct arena *arena)
{
    static const char *const dialects[] = {"trino", "spark", "duckdb", "flink"};
    const char *text = arena_cstr(arena, slice_of(data, size));

    for (size_t i = 0; text && i < COUNT_OF(dialects); i++) {
        const char *ours = sql_foreign_quotes(text, dialects[i], arena);
        struct sql_query *query;

        if (ours)
            sql_parse_query(slice_str(ours), arena, &query, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = (size_t)64 << 20};
    struct sql_script script;
    struct err err = {0};

    know_tables();
    parse_foreign(data, size, &arena);
    sql_statement_len(slice_of(data, size));
    sql_parse_mistakes(slice_of(data, size), &arena, NULL, NULL);
    if (sql_parse_script(slice_of(data, size), &arena, &script, &err) == 0) {
        for (size_t i = 0; i < script.count; i++) {
            round_trip(script.list[i], &arena);
            bind(script.list[i], &arena);
        }
    }
    arena_deinit(&arena);
    return 0;
}
