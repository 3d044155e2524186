/* sql.h - Flink SQL 1.20: text to syntax tree to bound tree to DuckDB's SQL. Does no I/O.
 *
 *   sql_parse_script   text          -> statements (ast.h)
 *   sql_bind_query     query         -> bound query: names resolved, every expression typed
 *   sql_print_duckdb   bound query   -> SELECT text for DuckDB
 *   sql_plan_insert    INSERT        -> tree of nodes for a stream (flow.h), output columns
 *   sql_print_flink    statement     -> Flink's SQL text, which parses to the same tree
 *   sql_options_check  WITH (...)    -> unknown options, with the nearest known name
 *
 * Errors read "line 3, column 14: unknown column `amuont`; did you mean `amount`?" and carry
 * ERR_INVALID (the text is wrong), ERR_NOENT (no such table) or ERR_UNSUPPORTED (well formed, and
 * not built: named). Input is bounded: size of the text, tokens, nesting.
 * Memory: everything given out lives in the arena passed in; trees point into each other and
 * borrow the script's text, which must outlive them.
 * Threads: calls share nothing; a resolver is called on the calling thread.
 */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include "sql/ast.h"
#include "sql/types.h"

#define SQL_TEXT_MAX  ((size_t)4 << 20) /* bytes of one script */
#define SQL_DEPTH_MAX 200               /* nesting of expressions, queries, types */

/* ---- parsing --------------------------------------------------------------------------------- */

/* All statements of a script, separated by semicolons; BEGIN STATEMENT SET; ...; END; becomes one
 * STATEMENT SET. Stops at the first error. */
int sql_parse_script(struct slice text, struct arena *arena, struct sql_script *out,
                     struct err *err);
/* Every mistake of a script's grammar, not the first alone: after one, reading goes on behind the
 * next semicolon. Gives their number; `wrong` may be NULL. */
size_t sql_parse_mistakes(struct slice text, struct arena *arena,
                          void (*wrong)(void *arg, const struct err *), void *arg);
/* Exactly one statement, with or without a semicolon. */
int sql_parse_statement(struct slice text, struct arena *arena, struct sql_statement **out,
                        struct err *err);
int sql_parse_query(struct slice text, struct arena *arena, struct sql_query **out,
                    struct err *err);
int sql_parse_expr(struct slice text, struct arena *arena, struct sql_expr **out, struct err *err);

/* For an interactive prompt: does `text` end a statement (a semicolon outside of quotes, comments
 * and BEGIN ... END)? Gives the bytes up to and with that semicolon, 0 when more lines are needed.
 */
size_t sql_statement_len(struct slice text);

const char *sql_statement_kind_name(enum sql_statement_kind kind); /* "CREATE TABLE", ... */
/* `a`.`b`: quoted where needed. */
int sql_print_name(const struct sql_name *name, struct buf *out);

/* ---- printing Flink's text ------------------------------------------------------------------- */

struct sql_print_options {
    bool parentheses; /* around every operator: shows the shape of the tree */
};
int sql_print_flink(const struct sql_statement *statement, const struct sql_print_options *options,
                    struct buf *out, struct err *err);
int sql_print_flink_query(const struct sql_query *query, const struct sql_print_options *options,
                          struct buf *out, struct err *err);
int sql_print_flink_expr(const struct sql_expr *expr, const struct sql_print_options *options,
                         struct buf *out, struct err *err);

/* ---- tables, as the resolver describes them -------------------------------------------------- */

struct sql_column {
    const char *name;
    const struct sql_type *type;
    enum sql_column_kind kind;
    const struct sql_expr *expr; /* COMPUTED */
    const char *metadata_key;    /* METADATA */
    bool is_virtual;
    const char *comment;
    const char *given; /* its DEFAULT, as DuckDB's text of the column's type; NULL: NULL */
};

struct sql_table {
    const char *catalog, *database, *name;
    const struct sql_column *columns;
    size_t column_count;
    const struct sql_query *view;    /* a view: bound in place; columns may be 0 then */
    const char *const *view_columns; /* CREATE VIEW v (a, b); or NULL */
    size_t view_column_count;
    const char *view_catalog, *view_database; /* where its names are looked up; NULL: where the
                                                 statement's are */
    const char *rowtime; /* column of the watermark, or NULL */
    const struct sql_expr *watermark;
    const char *const *primary_key;
    size_t primary_key_count;
    const char *const *partition_keys; /* PARTITIONED BY (...), in its order */
    size_t partition_key_count;
    const struct sql_options *options; /* WITH (...), or NULL */
    void *handle;                      /* the resolver's own */
};

/* What stands behind a table's name: FOR SYSTEM_TIME AS OF, FOR SYSTEM_VERSION AS OF, hints. */
struct sql_table_at {
    const struct sql_expr *time, *version; /* NULL: not given; as written, not bound */
    const struct sql_hints *hints;
};

/* What the binder asks the world. `parts` are one to four names; the resolver adds the current
 * catalog and database. ERR_NOENT when there is no such table; then `suggest`, when given, names
 * the nearest it knows. Tables live at least as long as the arena of the bind. */
struct sql_resolver {
    int (*table)(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                 struct err *err);
    /* The same for tables in FROM, of which a certain version may be meant; `at` is never NULL.
     * NULL: every table is as it is now. */
    int (*table_at)(void *arg, const char *const *parts, size_t count,
                    const struct sql_table_at *at, const struct sql_table **out, struct err *err);
    /* A function that CREATE FUNCTION made, in any case of letters: what it computes of $1, $2, ...
     * ERR_NOENT: there is none; other errors say why it cannot be called. NULL: there are none. */
    int (*function)(void *arg, const char *name, const struct sql_expr **body, struct err *err);
    void *arg;
    const char *time_zone; /* 'table.local-time-zone'; NULL: UTC */
    const char *database;  /* CURRENT_DATABASE(); may be NULL */
};

/* Turns CREATE TABLE's schema into columns: computed columns get their types, metadata and keys
 * are checked. `like` is the table of LIKE, or NULL. Names come from the statement. */
int sql_table_define(const struct sql_create_table *create, const struct sql_table *like,
                     const struct sql_resolver *resolver, struct arena *arena,
                     struct sql_table *out, struct err *err);

/* The known name nearest to `name` (edit distance, small against its length); NULL: none near. */
const char *sql_nearest(const char *name, const char *const *known, size_t count);

/* ---- binding --------------------------------------------------------------------------------- */

struct sql_bound; /* a bound query: bound.h has its shape */

struct sql_output {
    const char *name; /* EXPR$0 where the query names none */
    const struct sql_type *type;
};

int sql_bind_query(const struct sql_query *query, const struct sql_resolver *resolver,
                   struct arena *arena, struct sql_bound **out, struct err *err);
/* The same for a query that a stream may compute: rows joined as of their time, SESSION. */
int sql_bind_stream_query(const struct sql_query *query, const struct sql_resolver *resolver,
                          struct arena *arena, struct sql_bound **out, struct err *err);
const struct sql_output *sql_bound_outputs(const struct sql_bound *bound, size_t *count);
/* Tables read, each once, in order of appearance. */
const struct sql_table *const *sql_bound_tables(const struct sql_bound *bound, size_t *count);

/* Spells a bound query for DuckDB. `table` gives the text that stands for a base table in FROM
 * ("feed", "read_parquet('...')", "\"t1\""): its columns are the table's physical and metadata
 * columns by name; computed columns are added here. The text is copied. `reads` is told of each
 * place that names a table's column, or one field of it; NULL: nobody asks. */
struct sql_duckdb_options {
    const char *(*table)(void *arg, const struct sql_table *table);
    void *arg;
    void (*reads)(void *arg, const struct sql_table *table, const char *column, const char *field);
};
int sql_print_duckdb(const struct sql_bound *bound, const struct sql_duckdb_options *options,
                     struct buf *out, struct err *err);

/* Conditions on single columns of base tables that every row of the result meets: what a scan may
 * be pruned by. Only of tables that are read once. Values are texts ("12", "2024-01-01"). */
enum sql_condition_op {
    SQL_COND_EQ,
    SQL_COND_NE,
    SQL_COND_LT,
    SQL_COND_LE,
    SQL_COND_GT,
    SQL_COND_GE,
    SQL_COND_IN
};
struct sql_condition {
    const struct sql_table *table;
    size_t column;
    enum sql_condition_op op;
    const char **values;
    size_t value_count; /* 1, but for IN */
};
int sql_bound_conditions(const struct sql_bound *bound, struct arena *arena,
                         struct sql_condition **out, size_t *count, struct err *err);

/* ---- statements that change a table ---------------------------------------------------------- */

/* INSERT, UPDATE, DELETE or MERGE as a query whose rows say what is to be done: see bind_dml.c for
 * its outputs. `scanned` is the target as the query reads it, with the columns "$file", "$pos" and,
 * where asked for, _row_id behind its own; NULL for INSERT, which reads no target. */
enum sql_change_action {
    SQL_CHANGE_NONE, /* a matched pair that no clause takes */
    SQL_CHANGE_UPDATE,
    SQL_CHANGE_DELETE,
    SQL_CHANGE_INSERT
};
struct sql_change_options {
    /* Do rows of this table have ids that must stay with them? NULL: none do. */
    bool (*lineage)(void *arg, const struct sql_table *table);
    void *arg;
};
struct sql_change {
    const struct sql_table *target, *scanned;
    struct sql_bound *bound;
    size_t first_value; /* the first output that is a value of the target's columns */
    size_t where_parts; /* UPDATE, DELETE: conditions that AND holds together; 0: no WHERE */
};
int sql_bind_change(const struct sql_statement *statement, const struct sql_resolver *resolver,
                    const struct sql_change_options *options, struct arena *arena,
                    struct sql_change *out, struct err *err);

/* Every function that is built, sorted; in the arena. NULL: out of memory. */
const char *const *sql_function_names(struct arena *arena, size_t *count);

/* ---- planning -------------------------------------------------------------------------------- */

/* INSERT INTO target SELECT ...: the query as a tree of nodes (flow.h), whose root gives the
 * target's columns. What a stream cannot do is refused by name and place: "line 4, column 1: OVER
 * windows' ordering in stream mode must be defined on a time attribute". */
#define SQL_FLOW_PARTITION "$partition" /* last column of a table whose watermarks are wanted */
struct sql_node;
struct sql_plan_options { /* zero: Flink's defaults */
    bool batch;     /* 'execution.runtime-mode': inputs end; only last results are given */
    int64_t ttl_ms; /* 'table.exec.state.ttl'; 0: never */
    int64_t early_ms, late_ms, lateness_ms; /* 'table.exec.emit.*'; 0: none */
    /* Is the table there to be asked, for a lookup join, rather than a stream? NULL: none is. */
    bool (*looks_up)(void *arg, const struct sql_table *table);
    void *arg;
};
struct sql_insert_plan {
    const struct sql_table *target;
    const struct sql_node *root;
    const struct sql_output *outputs; /* the target's columns, in its order, with its types */
    size_t output_count;
    bool overwrite;
    int64_t shards; /* for EXPLAIN: that nodes with keys are made in (flow.h); 0: they are not */
};
int sql_plan_insert(const struct sql_insert *insert, const struct sql_resolver *resolver,
                    const struct sql_plan_options *options, struct arena *arena,
                    struct sql_insert_plan *out, struct err *err);
/* The tree as text, a line for each node, inputs below and further right. */
int sql_plan_explain(const struct sql_insert_plan *plan, struct buf *out);
/* Flink's name of the node that makes the plan's rows changes, and its line; NULL: none does. */
const char *sql_plan_changing(const struct sql_node *root, uint32_t *line);

/* ---- options of connectors and formats ------------------------------------------------------- */

/* Checks WITH (...) of CREATE TABLE: required options, unknown names (with the nearest known one),
 * connectors and formats that exist in Flink but are not built here (ERR_UNSUPPORTED, by name). */
int sql_options_check(const struct sql_options *options, struct sql_pos statement, struct err *err);
/* The same for CREATE CATALOG. */
int sql_catalog_options_check(const struct sql_options *options, struct sql_pos statement,
                              struct err *err);
/* Replaces the keys of tables before Flink 1.11 ('connector.type') by today's; other options stay
 * as they are. In the arena. */
int sql_options_modernize(const struct sql_options **options, struct arena *arena,
                          struct err *err);
/* What the rows of a table are when it is read, as its connector and format say. */
enum sql_source_changes {
    SQL_SOURCE_APPENDS, /* every row is +I: no $row_kind */
    SQL_SOURCE_UPSERTS, /* +U and -D by primary key, without the row before: NORMALIZE goes above */
    SQL_SOURCE_CHANGES  /* all four kinds, whole */
};
enum sql_source_changes sql_source_changes(const struct sql_options *options);
/* Do its rows end? Tables without a connector do. */
bool sql_source_bounded(const struct sql_options *options);
/* "5s", "500 ms", "1 min"; a bare number is milliseconds. ERR_INVALID: it is none. */
int sql_duration_ms(const char *text, int64_t *ms);
/* Appends a script as it may be shown: values of options that hold secrets are '******'. */
int sql_hide_secrets(struct slice text, struct buf *out);
/* The value of an option, or NULL. */
const char *sql_option(const struct sql_options *options, const char *key);

#endif
