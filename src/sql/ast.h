/* ast.h - the syntax tree of Flink SQL 1.20, as written: names are not resolved, types not known.
 *
 * Everything lives in the arena given to the parser and is read only afterwards. Names and texts
 * are NUL-ended. A missing part is NULL, 0 or a count of 0. Each node knows where it stands.
 */
#ifndef SQL_AST_H
#define SQL_AST_H

#include "sql/types.h"

struct sql_pos {
    uint32_t line, column; /* both from 1; columns count code points */
    uint32_t at;           /* byte in the script */
};

struct sql_ident {
    const char *text;
    struct sql_pos pos;
    bool quoted; /* written between backquotes */
};

/* catalog.database.table, or alias.column.field: as many parts as written. */
struct sql_name {
    struct sql_ident *parts;
    size_t count;
};

struct sql_option { /* 'key' = 'value' */
    const char *key, *value;
    struct sql_pos key_pos, value_pos;
};
struct sql_options {
    struct sql_option *list;
    size_t count;
};

struct sql_expr;
struct sql_query;
struct sql_statement;

struct sql_exprs {
    struct sql_expr **list;
    size_t count;
};

/* OPTIONS('k'='v') and other hints between slash-star-plus and star-slash. */
struct sql_hint {
    struct sql_ident name;
    struct sql_options options; /* 'k'='v' form */
    struct sql_exprs args;      /* plain names and literals */
};
struct sql_hints {
    struct sql_hint *list;
    size_t count;
};

/* ---- expressions ----------------------------------------------------------------------------- */

enum sql_expr_kind {
    SQL_EXPR_LITERAL,
    SQL_EXPR_COLUMN,     /* name: column, alias.column, column.field ... */
    SQL_EXPR_STAR,       /* *, or name.* */
    SQL_EXPR_UNARY,      /* op, args[0] */
    SQL_EXPR_BINARY,     /* op, args[0..1] */
    SQL_EXPR_LIKE,       /* op LIKE or SIMILAR; args: value, pattern[, escape]; negated */
    SQL_EXPR_BETWEEN,    /* args: value, low, high; negated, symmetric */
    SQL_EXPR_IN,         /* args: value, then the list; or `query`; negated */
    SQL_EXPR_IS,         /* args[0], is; negated; DISTINCT FROM has args[1] */
    SQL_EXPR_QUANTIFIED, /* args[0] op SOME|ALL (query or args[1..]); `all` */
    SQL_EXPR_CALL,       /* name, args, call */
    SQL_EXPR_CASE,     /* args: [value,] when, then, when, then, ... [else]: has_value, has_else */
    SQL_EXPR_CAST,     /* args[0], type, try_cast */
    SQL_EXPR_ROW,      /* (a, b) or ROW(a, b): explicit_row */
    SQL_EXPR_ARRAY,    /* ARRAY[...] or ARRAY(query) */
    SQL_EXPR_MAP,      /* MAP[...] or MAP(query) */
    SQL_EXPR_MULTISET, /* MULTISET[...] or MULTISET(query) */
    SQL_EXPR_FIELD,    /* args[0].name */
    SQL_EXPR_ITEM,     /* args[0][args[1]] */
    SQL_EXPR_SUBQUERY, /* (query) as a value */
    SQL_EXPR_EXISTS,   /* EXISTS (query) */
    SQL_EXPR_UNIQUE,   /* UNIQUE (query) */
    SQL_EXPR_SYMBOL,   /* a word that is an argument: BOTH, DAY, NULL ON EMPTY ... in `text` */
    SQL_EXPR_NAMED,    /* name => args[0] */
    SQL_EXPR_DESCRIPTOR, /* DESCRIPTOR(args: columns) */
    SQL_EXPR_TABLE,      /* TABLE name or TABLE (query), with partition and order; see `table` */
    SQL_EXPR_DEFAULT,    /* DEFAULT as an argument or value */
    SQL_EXPR_CURSOR,     /* CURSOR (query) */
    SQL_EXPR_PERIOD      /* (a, b) in PERIOD predicates */
};

enum sql_op {
    SQL_OP_NONE,
    SQL_OP_OR,
    SQL_OP_AND,
    SQL_OP_NOT,
    SQL_OP_EQ,
    SQL_OP_NE, /* <>, and != which Flink itself refuses */
    SQL_OP_LT,
    SQL_OP_LE,
    SQL_OP_GT,
    SQL_OP_GE,
    SQL_OP_PLUS,
    SQL_OP_MINUS,
    SQL_OP_TIMES,
    SQL_OP_DIVIDE,
    SQL_OP_MODULO,
    SQL_OP_CONCAT,
    SQL_OP_POSITIVE,
    SQL_OP_NEGATIVE,
    SQL_OP_PRIOR,
    SQL_OP_LIKE,
    SQL_OP_SIMILAR,
    SQL_OP_OVERLAPS,
    SQL_OP_CONTAINS,
    SQL_OP_EQUALS,
    SQL_OP_PRECEDES,
    SQL_OP_SUCCEEDS,
    SQL_OP_IMMEDIATELY_PRECEDES,
    SQL_OP_IMMEDIATELY_SUCCEEDS,
    SQL_OP_MEMBER_OF,
    SQL_OP_SUBMULTISET_OF,
    SQL_OP_MULTISET_UNION,
    SQL_OP_MULTISET_UNION_ALL,
    SQL_OP_MULTISET_INTERSECT,
    SQL_OP_MULTISET_INTERSECT_ALL,
    SQL_OP_MULTISET_EXCEPT,
    SQL_OP_MULTISET_EXCEPT_ALL,
    SQL_OP_COUNT
};

enum sql_is {
    SQL_IS_NULL,
    SQL_IS_TRUE,
    SQL_IS_FALSE,
    SQL_IS_UNKNOWN,
    SQL_IS_DISTINCT,
    SQL_IS_JSON_VALUE,
    SQL_IS_JSON_OBJECT,
    SQL_IS_JSON_ARRAY,
    SQL_IS_JSON_SCALAR,
    SQL_IS_A_SET,
    SQL_IS_EMPTY,
    SQL_IS_NORMALIZED
};

enum sql_literal {
    SQL_LIT_NULL,
    SQL_LIT_BOOLEAN, /* text TRUE, FALSE or UNKNOWN */
    SQL_LIT_EXACT,   /* 12, 1.50: text as written */
    SQL_LIT_APPROX,  /* 1E3 */
    SQL_LIT_STRING,  /* text decoded; bytes that follow count_bytes */
    SQL_LIT_BINARY,  /* text: the hex digits of X'..' */
    SQL_LIT_DATE,    /* DATE '2020-01-01' */
    SQL_LIT_TIME,
    SQL_LIT_TIMESTAMP,
    SQL_LIT_INTERVAL, /* text, negative, type (an interval type with its units) */
    SQL_LIT_GIVEN     /* bound only: text in DuckDB's words, a column's default */
};

enum sql_nulls { SQL_NULLS_DEFAULT, SQL_NULLS_FIRST, SQL_NULLS_LAST };

struct sql_order {
    struct sql_expr *expr;
    bool descending, ascending_written;
    enum sql_nulls nulls;
};
struct sql_orders {
    struct sql_order *list;
    size_t count;
};

enum sql_bound_kind {
    SQL_BOUND_NONE,
    SQL_BOUND_UNBOUNDED_PRECEDING,
    SQL_BOUND_PRECEDING, /* expr */
    SQL_BOUND_CURRENT_ROW,
    SQL_BOUND_FOLLOWING, /* expr */
    SQL_BOUND_UNBOUNDED_FOLLOWING
};
struct sql_frame_bound {
    enum sql_bound_kind kind;
    struct sql_expr *expr;
};

/* OVER name, OVER (...), WINDOW w AS (...). */
struct sql_window {
    struct sql_ident name; /* the window referred to, or the one extended; text NULL: none */
    bool by_name;          /* OVER w, without parentheses */
    struct sql_exprs partition;
    struct sql_orders order;
    enum { SQL_FRAME_NONE, SQL_FRAME_ROWS, SQL_FRAME_RANGE } frame;
    struct sql_frame_bound low, high; /* high NONE: CURRENT ROW */
    enum { SQL_PARTIAL_UNSET, SQL_PARTIAL_ALLOW, SQL_PARTIAL_DISALLOW } partial;
    struct sql_pos pos;
};

/* How a call was written, where that is not f(a, b). The arguments are in the order of
 * functions.def whatever the form. */
enum sql_call_form {
    SQL_CALL_PLAIN,
    SQL_CALL_BARE,        /* CURRENT_DATE, no parentheses */
    SQL_CALL_STAR,        /* COUNT(*) */
    SQL_CALL_EXTRACT,     /* EXTRACT(unit FROM x): unit, x */
    SQL_CALL_TRIM,        /* TRIM(where chars FROM x): where, chars or NULL literal absent, x */
    SQL_CALL_POSITION,    /* POSITION(a IN b [FROM n]) */
    SQL_CALL_OVERLAY,     /* OVERLAY(a PLACING b FROM n [FOR m]) */
    SQL_CALL_SUBSTRING,   /* SUBSTRING(a FROM n [FOR m]) */
    SQL_CALL_TO_UNIT,     /* FLOOR(x TO unit): x, unit */
    SQL_CALL_CONVERT,     /* CONVERT(x USING name), TRANSLATE(x USING name) */
    SQL_CALL_JSON_EXISTS, /* json, path, on error symbol or absent */
    SQL_CALL_JSON_VALUE,  /* json, path; returning, empty, error in `json` */
    SQL_CALL_JSON_QUERY,
    SQL_CALL_JSON_OBJECT, /* key, value, key, value; json->absent_on_null */
    SQL_CALL_JSON_ARRAY,
    SQL_CALL_JSON_OBJECTAGG,
    SQL_CALL_JSON_ARRAYAGG,
    SQL_CALL_ODBC /* {fn f(a)} */
};

enum sql_json_behavior {
    SQL_JSON_UNSET,
    SQL_JSON_NULL,
    SQL_JSON_ERROR,
    SQL_JSON_DEFAULT, /* with an expression */
    SQL_JSON_EMPTY_ARRAY,
    SQL_JSON_EMPTY_OBJECT,
    SQL_JSON_TRUE,
    SQL_JSON_FALSE,
    SQL_JSON_UNKNOWN
};
enum sql_json_wrapper {
    SQL_WRAPPER_UNSET,
    SQL_WRAPPER_WITHOUT,
    SQL_WRAPPER_WITHOUT_ARRAY,
    SQL_WRAPPER_CONDITIONAL,
    SQL_WRAPPER_UNCONDITIONAL
};

struct sql_call {
    enum sql_call_form form;
    bool distinct, all;       /* COUNT(DISTINCT x), COUNT(ALL x) */
    struct sql_orders order;  /* f(x ORDER BY y) */
    struct sql_orders within; /* WITHIN GROUP (ORDER BY ...) */
    bool within_distinct;     /* WITHIN DISTINCT (...) */
    struct sql_exprs within_distinct_by;
    struct sql_expr *filter; /* FILTER (WHERE ...) */
    struct sql_window *over;
    enum { SQL_TREAT_UNSET, SQL_TREAT_RESPECT, SQL_TREAT_IGNORE } nulls; /* RESPECT|IGNORE NULLS */
    enum { SQL_SEMANTICS_UNSET, SQL_RUNNING, SQL_FINAL } semantics;      /* MATCH_RECOGNIZE */
    /* JSON_* */
    const struct sql_type *returning;
    bool json_format; /* FORMAT JSON behind the first argument */
    enum sql_json_wrapper wrapper;
    enum sql_json_behavior on_empty, on_error;
    struct sql_expr *empty_default, *error_default;
    enum { SQL_ON_NULL_UNSET, SQL_ON_NULL_NULL, SQL_ON_NULL_ABSENT } on_null;
    bool colon_keys; /* JSON_OBJECT('a': 1) */
};

/* TABLE t PARTITION BY (a) ORDER BY b as an argument of a table function. */
struct sql_table_arg {
    struct sql_name name;
    struct sql_query *query;
    struct sql_exprs partition;
    struct sql_orders order;
};

struct sql_expr {
    enum sql_expr_kind kind;
    struct sql_pos pos;
    enum sql_op op;
    enum sql_is is;
    enum sql_literal literal;
    bool negated, symmetric, asymmetric, all, some, any;
    bool has_value, has_else, try_cast, explicit_row;
    bool negative;        /* INTERVAL -'1' DAY */
    uint32_t count_bytes; /* of a STRING literal: it may hold a NUL */
    const char *text;     /* LITERAL, SYMBOL */
    struct sql_name name; /* COLUMN, CALL, FIELD, STAR, NAMED */
    struct sql_exprs args;
    const struct sql_type *type; /* CAST; INTERVAL literal */
    const char *format;          /* CAST(... FORMAT '...') */
    struct sql_call *call;
    struct sql_query *query;
    struct sql_table_arg *table;
};

/* ---- queries --------------------------------------------------------------------------------- */

struct sql_item { /* one SELECT item */
    struct sql_expr *expr;
    struct sql_ident alias; /* text NULL: none */
};

enum sql_join_kind {
    SQL_JOIN_COMMA,
    SQL_JOIN_INNER,
    SQL_JOIN_LEFT,
    SQL_JOIN_RIGHT,
    SQL_JOIN_FULL,
    SQL_JOIN_CROSS,
    SQL_JOIN_LEFT_SEMI,
    SQL_JOIN_LEFT_ANTI,
    SQL_JOIN_CROSS_APPLY,
    SQL_JOIN_OUTER_APPLY
};

enum sql_from_kind {
    SQL_FROM_TABLE,    /* name */
    SQL_FROM_QUERY,    /* (query), VALUES too */
    SQL_FROM_FUNCTION, /* TABLE(f(...)) or LATERAL TABLE(f(...)) or f(...) */
    SQL_FROM_UNNEST,   /* UNNEST(args) */
    SQL_FROM_JOIN,
    SQL_FROM_GROUP /* (a JOIN b) in parentheses: left */
};

struct sql_pattern; /* MATCH_RECOGNIZE's PATTERN */

struct sql_measure {
    struct sql_expr *expr;
    struct sql_ident alias;
    bool final, running;
};
struct sql_define {
    struct sql_ident symbol;
    struct sql_expr *expr;
};
struct sql_subset {
    struct sql_ident name;
    struct sql_ident *symbols;
    size_t count;
};

enum sql_skip {
    SQL_SKIP_UNSET,
    SQL_SKIP_NEXT_ROW,
    SQL_SKIP_PAST_LAST_ROW,
    SQL_SKIP_TO_FIRST,
    SQL_SKIP_TO_LAST,
    SQL_SKIP_TO
};

struct sql_match {
    struct sql_exprs partition;
    struct sql_orders order;
    struct sql_measure *measures;
    size_t measure_count;
    enum { SQL_ROWS_UNSET, SQL_ONE_ROW, SQL_ALL_ROWS } rows;
    bool show_empty, omit_empty, with_unmatched; /* of ALL ROWS PER MATCH */
    enum sql_skip skip;
    struct sql_ident skip_to;
    struct sql_pattern *pattern;
    bool strict_start, strict_end; /* ^ and $ */
    struct sql_expr *within;
    struct sql_subset *subsets;
    size_t subset_count;
    struct sql_define *defines;
    size_t define_count;
    struct sql_pos pos;
};

struct sql_pattern {
    enum {
        SQL_PATTERN_SYMBOL,
        SQL_PATTERN_SEQUENCE,
        SQL_PATTERN_ALTERNATION,
        SQL_PATTERN_REPEAT,
        SQL_PATTERN_EXCLUDE, /* {- ... -} */
        SQL_PATTERN_PERMUTE,
        SQL_PATTERN_EMPTY
    } kind;
    struct sql_pos pos;
    struct sql_ident symbol;
    struct sql_pattern **parts;
    size_t count;
    int64_t min, max; /* REPEAT; max -1: no end */
    bool reluctant;
};

struct sql_pivot_value {
    struct sql_exprs values;
    struct sql_ident alias;
};
struct sql_pivot {
    bool unpivot, include_nulls, exclude_nulls;
    struct sql_item *aggregates; /* PIVOT */
    size_t aggregate_count;
    struct sql_ident *measures; /* UNPIVOT ((a, b) FOR ... */
    size_t measure_count;
    struct sql_ident *axes; /* FOR (x, y) */
    size_t axis_count;
    struct sql_pivot_value *values; /* UNPIVOT: columns, with AS constants in alias_values */
    struct sql_exprs *constants;
    size_t value_count;
};

struct sql_from {
    enum sql_from_kind kind;
    struct sql_pos pos;
    bool lateral, with_ordinality;
    bool table_keyword;     /* TABLE(f(...)): written with TABLE */
    struct sql_name name;   /* TABLE */
    struct sql_hints hints; /* OPTIONS and others, behind the name */
    struct sql_query *query;
    struct sql_expr *function;    /* a CALL */
    struct sql_exprs args;        /* UNNEST */
    struct sql_expr *system_time;    /* FOR SYSTEM_TIME AS OF; FOR TIMESTAMP AS OF (Trino) */
    struct sql_expr *system_version; /* FOR SYSTEM_VERSION AS OF; VERSION AS OF (Spark) */
    struct sql_ident alias;       /* text NULL: none */
    struct sql_ident *columns;    /* alias (a, b) */
    size_t column_count;
    struct sql_match *match;      /* MATCH_RECOGNIZE over what is above */
    struct sql_ident match_alias; /* alias behind MATCH_RECOGNIZE or PIVOT */
    struct sql_ident *match_columns;
    size_t match_column_count;
    struct sql_pivot *pivot;
    struct {
        bool given, bernoulli, system, repeatable;
        struct sql_expr *percent, *seed;
        const char *substitute; /* SUBSTITUTE('name') */
    } sample;
    /* JOIN, GROUP */
    enum sql_join_kind join;
    bool natural, outer_written, inner_written;
    struct sql_from *left, *right;
    struct sql_expr *on;
    struct sql_ident *using_columns;
    size_t using_count;
};

enum sql_group_kind {
    SQL_GROUP_EXPR,
    SQL_GROUP_EMPTY, /* () */
    SQL_GROUP_TUPLE, /* (a, b) */
    SQL_GROUP_ROLLUP,
    SQL_GROUP_CUBE,
    SQL_GROUP_SETS
};
struct sql_group {
    enum sql_group_kind kind;
    struct sql_pos pos;
    struct sql_expr *expr;
    struct sql_group *parts; /* TUPLE, ROLLUP, CUBE, SETS */
    size_t count;
};

struct sql_named_window {
    struct sql_ident name;
    struct sql_window *window;
};

struct sql_select {
    struct sql_pos pos;
    struct sql_hints hints;
    bool stream, distinct, all;
    struct sql_item *items;
    size_t item_count;
    struct sql_from *from; /* NULL: SELECT 1 */
    struct sql_expr *where;
    bool has_group, group_distinct, group_all;
    struct sql_pos group_pos;
    struct sql_group *groups;
    size_t group_count;
    struct sql_expr *having;
    struct sql_named_window *windows;
    size_t window_count;
    struct sql_expr *qualify;
};

enum sql_body_kind {
    SQL_BODY_SELECT,
    SQL_BODY_VALUES, /* rows */
    SQL_BODY_TABLE,  /* TABLE t */
    SQL_BODY_SET,    /* left UNION right */
    SQL_BODY_QUERY   /* (query) with parentheses */
};
enum sql_set_op { SQL_SET_UNION, SQL_SET_INTERSECT, SQL_SET_EXCEPT };

struct sql_body {
    enum sql_body_kind kind;
    struct sql_pos pos;
    struct sql_select *select;
    struct sql_exprs rows; /* VALUES: each a ROW or a single expression */
    struct sql_name name;
    struct sql_query *query;
    enum sql_set_op op;
    bool all, distinct;
    struct sql_body *left, *right;
};

struct sql_with {
    struct sql_ident name;
    struct sql_ident *columns;
    size_t column_count;
    struct sql_query *query;
};

struct sql_query {
    struct sql_pos pos;
    bool recursive;
    struct sql_with *with;
    size_t with_count;
    struct sql_body *body;
    struct sql_pos order_pos, limit_pos;
    struct sql_orders order;
    struct sql_expr *limit, *offset; /* LIMIT n, FETCH FIRST n; OFFSET n */
    bool limit_all, fetch;           /* LIMIT ALL; FETCH form */
    bool limit_comma;                /* LIMIT offset, count */
};

/* ---- statements ------------------------------------------------------------------------------ */

enum sql_column_kind {
    SQL_COLUMN_PHYSICAL,
    SQL_COLUMN_COMPUTED, /* expr */
    SQL_COLUMN_METADATA  /* metadata_key, is_virtual */
};

enum sql_position { SQL_POSITION_UNSET, SQL_POSITION_FIRST, SQL_POSITION_AFTER };

struct sql_column_def {
    struct sql_ident name;
    struct sql_name path; /* nested name in ALTER TABLE ... MODIFY a.b */
    enum sql_column_kind kind;
    const struct sql_type *type; /* NULL for a computed column */
    struct sql_expr *expr;
    const char *metadata_key; /* METADATA FROM 'key'; NULL: the column's name */
    bool is_virtual;
    bool primary_key, unique, not_enforced, enforced; /* behind the type */
    struct sql_ident constraint_name;
    struct sql_expr *default_value; /* DEFAULT x: of Iceberg tables of format 3 */
    const char *comment;
    enum sql_position position; /* ALTER TABLE ADD/MODIFY */
    struct sql_ident after;
};

struct sql_constraint {
    struct sql_pos pos;
    struct sql_ident name; /* text NULL: unnamed */
    bool primary;          /* else UNIQUE */
    struct sql_ident *columns;
    size_t column_count;
    bool enforced, not_enforced;
};

struct sql_watermark {
    struct sql_pos pos;
    struct sql_name column;
    struct sql_expr *expr;
};

struct sql_distribution {
    bool given;
    struct sql_pos pos;
    enum { SQL_DISTRIBUTION_UNKNOWN, SQL_DISTRIBUTION_HASH, SQL_DISTRIBUTION_RANGE } kind;
    struct sql_ident *columns;
    size_t column_count;
    int64_t buckets; /* 0: not given */
};

struct sql_schema_def { /* what stands between the parentheses of CREATE TABLE */
    struct sql_column_def *columns;
    size_t column_count;
    struct sql_constraint *constraints;
    size_t constraint_count;
    struct sql_watermark *watermark;
};

struct sql_like_option {
    enum { SQL_LIKE_INCLUDING, SQL_LIKE_EXCLUDING, SQL_LIKE_OVERWRITING } strategy;
    enum {
        SQL_LIKE_ALL,
        SQL_LIKE_CONSTRAINTS,
        SQL_LIKE_DISTRIBUTION,
        SQL_LIKE_GENERATED,
        SQL_LIKE_METADATA,
        SQL_LIKE_OPTIONS,
        SQL_LIKE_PARTITIONS,
        SQL_LIKE_WATERMARKS
    } feature;
};

struct sql_partition { /* PARTITION (a = 1, b) */
    struct sql_ident *columns;
    struct sql_expr **values; /* NULL for a column without value */
    size_t count;
};

enum sql_statement_kind {
    SQL_STMT_QUERY,
    SQL_STMT_INSERT,
    SQL_STMT_UPDATE,
    SQL_STMT_DELETE,
    SQL_STMT_MERGE,
    SQL_STMT_TRUNCATE,
    SQL_STMT_STATEMENT_SET, /* EXECUTE STATEMENT SET BEGIN ... END */
    SQL_STMT_EXECUTE,       /* EXECUTE <statement> */
    SQL_STMT_CREATE_TABLE,
    SQL_STMT_CREATE_VIEW,
    SQL_STMT_CREATE_CATALOG,
    SQL_STMT_CREATE_DATABASE,
    SQL_STMT_CREATE_FUNCTION,
    SQL_STMT_CREATE_MATERIALIZED_TABLE,
    SQL_STMT_ALTER_TABLE,
    SQL_STMT_ALTER_VIEW,
    SQL_STMT_ALTER_CATALOG,
    SQL_STMT_ALTER_DATABASE,
    SQL_STMT_ALTER_FUNCTION,
    SQL_STMT_ALTER_MATERIALIZED_TABLE,
    SQL_STMT_DROP, /* drop->object says what */
    SQL_STMT_EXPLAIN,
    SQL_STMT_DESCRIBE,
    SQL_STMT_SHOW,
    SQL_STMT_USE,
    SQL_STMT_SET,
    SQL_STMT_RESET,
    SQL_STMT_JAR,    /* ADD JAR, REMOVE JAR */
    SQL_STMT_MODULE, /* LOAD, UNLOAD MODULE */
    SQL_STMT_ANALYZE,
    SQL_STMT_CALL,
    SQL_STMT_PLAN, /* COMPILE PLAN, EXECUTE PLAN, COMPILE AND EXECUTE PLAN */
    SQL_STMT_STOP_JOB,
    SQL_STMT_CLIENT /* QUIT, EXIT, HELP, CLEAR: of the SQL client */
};

enum sql_object {
    SQL_OBJECT_TABLE,
    SQL_OBJECT_VIEW,
    SQL_OBJECT_CATALOG,
    SQL_OBJECT_DATABASE,
    SQL_OBJECT_FUNCTION,
    SQL_OBJECT_MATERIALIZED_TABLE,
    SQL_OBJECT_MODULES,
    SQL_OBJECT_JOB
};

struct sql_insert {
    bool overwrite, upsert;
    struct sql_hints hints; /* INSERT with hints behind the keyword */
    struct sql_name table;
    struct sql_hints table_hints;
    struct sql_partition partition;
    struct sql_name *columns; /* nested names allowed */
    size_t column_count;
    struct sql_query *query;
};

struct sql_assignment {
    struct sql_ident column;
    struct sql_expr *value;
};
struct sql_update {
    struct sql_name table;
    struct sql_ident alias;
    struct sql_assignment *sets;
    size_t set_count;
    struct sql_expr *where;
};
struct sql_delete {
    struct sql_name table;
    struct sql_ident alias;
    struct sql_expr *where;
};

/* MERGE INTO: not in Flink's grammar; as in the standard, with the clauses that Spark adds. */
enum sql_merge_when {
    SQL_MERGE_MATCHED,
    SQL_MERGE_NOT_MATCHED,          /* BY TARGET: a source row without target row */
    SQL_MERGE_NOT_MATCHED_BY_SOURCE /* a target row without source row */
};
enum sql_merge_action { SQL_MERGE_UPDATE, SQL_MERGE_DELETE, SQL_MERGE_INSERT };
struct sql_merge_clause {
    struct sql_pos pos;
    enum sql_merge_when when;
    enum sql_merge_action action;
    struct sql_expr *condition;  /* AND ...; or NULL */
    bool star;                   /* UPDATE SET *, INSERT *: columns by name */
    struct sql_assignment *sets; /* UPDATE; INSERT: column and value pairs */
    size_t set_count;
    bool positional; /* INSERT VALUES (...) without columns: `sets` have no columns */
};
struct sql_merge {
    struct sql_name table;
    struct sql_ident alias;
    struct sql_from *source;
    struct sql_expr *on;
    struct sql_merge_clause *clauses;
    size_t clause_count;
};
struct sql_statement_set {
    struct sql_statement **list; /* INSERTs */
    size_t count;
};

struct sql_create_table {
    bool temporary, or_replace, if_not_exists;
    struct sql_name name;
    bool has_schema; /* parentheses were written */
    struct sql_schema_def schema;
    struct sql_ident *as_columns; /* (a, b) AS SELECT: only names */
    size_t as_column_count;
    const char *comment;
    struct sql_distribution distribution;
    struct sql_ident *partitions;
    size_t partition_count;
    struct sql_options options;
    bool has_like;
    struct sql_name like;
    struct sql_like_option *like_options;
    size_t like_option_count;
    struct sql_query *as;
};

struct sql_create_view {
    bool temporary, or_replace, if_not_exists;
    struct sql_name name;
    struct sql_column_def *columns; /* names and comments */
    size_t column_count;
    const char *comment;
    struct sql_options options; /* WITH (...): accepted by Flink's parser */
    struct sql_query *query;
    struct slice query_text; /* borrowed from the script */
};

struct sql_create_catalog {
    bool if_not_exists;
    struct sql_name name;
    const char *comment;
    struct sql_options options;
};

struct sql_create_database {
    bool if_not_exists;
    struct sql_name name;
    const char *comment;
    struct sql_options options;
};

struct sql_create_function {
    bool temporary, system, if_not_exists;
    struct sql_name name;
    const char *class_name;
    const char *language; /* JAVA, SCALA, PYTHON or NULL */
    const char **jars;    /* USING JAR '...', JAR '...' */
    size_t jar_count;
    struct sql_options options; /* WITH (...) */
};

struct sql_create_materialized_table {
    struct sql_name name;
    struct sql_constraint *constraint; /* or NULL */
    const char *comment;
    struct sql_distribution distribution;
    struct sql_ident *partitions;
    size_t partition_count;
    struct sql_options options;
    struct sql_expr *freshness;
    const char *refresh_mode; /* FULL, CONTINUOUS or NULL */
    struct sql_query *query;
    struct slice query_text;
};

enum sql_alter_action {
    SQL_ALTER_RENAME,        /* new_name */
    SQL_ALTER_RENAME_COLUMN, /* column -> new_column */
    SQL_ALTER_SET,           /* options */
    SQL_ALTER_RESET,         /* keys in options, values NULL */
    SQL_ALTER_COMMENT,       /* comment */
    SQL_ALTER_ADD,           /* schema */
    SQL_ALTER_MODIFY,        /* schema */
    SQL_ALTER_ADD_DISTRIBUTION,
    SQL_ALTER_MODIFY_DISTRIBUTION,
    SQL_ALTER_DROP_DISTRIBUTION,
    SQL_ALTER_DROP_COLUMNS,    /* columns */
    SQL_ALTER_DROP_CONSTRAINT, /* new_column holds its name */
    SQL_ALTER_DROP_PRIMARY_KEY,
    SQL_ALTER_DROP_WATERMARK,
    SQL_ALTER_ADD_PARTITIONS, /* partitions, partition_options */
    SQL_ALTER_DROP_PARTITIONS,
    SQL_ALTER_COMPACT,
    SQL_ALTER_AS,       /* view or materialized table: query */
    SQL_ALTER_FUNCTION, /* class_name, language */
    SQL_ALTER_SUSPEND,
    SQL_ALTER_RESUME,  /* options */
    SQL_ALTER_REFRESH, /* partition */
    SQL_ALTER_FRESHNESS,
    SQL_ALTER_REFRESH_MODE,
    /* What Spark's extension for Iceberg says: `iceberg`. */
    SQL_ALTER_COLUMN,
    SQL_ALTER_ADD_FIELD,
    SQL_ALTER_DROP_FIELD,
    SQL_ALTER_REPLACE_FIELD,
    SQL_ALTER_WRITE_ORDER,
    SQL_ALTER_SET_IDENTIFIER,
    SQL_ALTER_DROP_IDENTIFIER,
    SQL_ALTER_CREATE_REF,
    SQL_ALTER_DROP_REF
};

/* bucket(16, a.b), days(ts), a: a value of a partition or of an order. */
struct sql_transform {
    struct sql_ident name; /* text NULL: the column itself */
    int64_t argument;      /* -1: none */
    struct sql_name column;
};
struct sql_sort_item {
    struct sql_transform by;
    bool descending, nulls_first, nulls_last;
};
struct sql_iceberg {
    struct sql_transform field, with; /* ADD, DROP, REPLACE PARTITION FIELD field WITH with */
    struct sql_ident as;              /* the field's name; text NULL: not given */
    /* WRITE [DISTRIBUTED BY PARTITION] [LOCALLY] [ORDERED BY ...], WRITE UNORDERED */
    bool distributed, locally, unordered;
    struct sql_sort_item *order;
    size_t order_count;
    /* CREATE [OR REPLACE] BRANCH|TAG [IF NOT EXISTS] ref, REPLACE ..., DROP ... */
    bool is_tag, create, replace;
    struct sql_ident ref;
    int64_t version;                     /* AS OF VERSION; -1 */
    int64_t retain_ms, keep_ms, keep_snapshots; /* -1 */
    /* ALTER COLUMN */
    enum {
        SQL_COLUMN_TYPE,
        SQL_COLUMN_COMMENT,
        SQL_COLUMN_FIRST,
        SQL_COLUMN_AFTER,
        SQL_COLUMN_DROP_NOT_NULL,
        SQL_COLUMN_SET_DEFAULT,
        SQL_COLUMN_DROP_DEFAULT
    } change;
    const struct sql_type *type;
    struct sql_ident after;
    struct sql_expr *value;
};

struct sql_alter {
    enum sql_alter_action action;
    struct sql_name name;
    bool if_exists, temporary, system;
    bool if_not_exists; /* ADD IF NOT EXISTS PARTITION; DROP IF EXISTS uses part_if_exists */
    bool part_if_exists;
    bool parenthesized; /* ADD ( ... ) */
    struct sql_name new_name;
    struct sql_name column;
    struct sql_name new_column;
    struct sql_name *columns; /* DROP (a, b.c) */
    size_t column_count;
    struct sql_options options;
    const char *comment, *class_name, *language, *refresh_mode;
    struct sql_schema_def schema;
    struct sql_distribution distribution;
    struct sql_partition *partitions;
    struct sql_options *partition_options;
    size_t partition_count;
    struct sql_expr *freshness;
    struct sql_query *query;
    struct slice query_text;
    struct sql_iceberg *iceberg;
};

struct sql_drop {
    enum sql_object object;
    bool temporary, system, if_exists, cascade, restrict_written;
    struct sql_name name;
};

struct sql_explain {
    bool plan_for; /* EXPLAIN PLAN FOR */
    bool estimated_cost, changelog_mode, json_execution_plan, plan_advice;
    struct sql_statement *statement; /* NULL: of a job */
    const char *why;                 /* EXPLAIN WHY job: what holds its results back (ours) */
};

struct sql_describe {
    enum sql_object object;
    bool extended;
    struct sql_name name;
    const char *job;
};

enum sql_show_what {
    SQL_SHOW_CATALOGS,
    SQL_SHOW_CURRENT_CATALOG,
    SQL_SHOW_DATABASES,
    SQL_SHOW_CURRENT_DATABASE,
    SQL_SHOW_TABLES,
    SQL_SHOW_VIEWS,
    SQL_SHOW_MATERIALIZED_TABLES,
    SQL_SHOW_COLUMNS,
    SQL_SHOW_FUNCTIONS,
    SQL_SHOW_USER_FUNCTIONS,
    SQL_SHOW_PROCEDURES,
    SQL_SHOW_MODULES,
    SQL_SHOW_FULL_MODULES,
    SQL_SHOW_PARTITIONS,
    SQL_SHOW_CREATE_TABLE,
    SQL_SHOW_CREATE_VIEW,
    SQL_SHOW_CREATE_CATALOG,
    SQL_SHOW_CREATE_MATERIALIZED_TABLE,
    SQL_SHOW_JARS,
    SQL_SHOW_JOBS
};
struct sql_show {
    enum sql_show_what what;
    enum { SQL_PREPOSITION_NONE, SQL_PREPOSITION_FROM, SQL_PREPOSITION_IN } preposition;
    struct sql_name name; /* FROM name; the table of COLUMNS, PARTITIONS, CREATE */
    bool not_like;
    enum { SQL_PATTERN_NONE, SQL_PATTERN_LIKE, SQL_PATTERN_ILIKE } match;
    const char *pattern;
    struct sql_partition partition;
};

struct sql_use {
    enum sql_object object; /* DATABASE, CATALOG or MODULES */
    struct sql_name name;
    struct sql_ident *modules;
    size_t module_count;
};

struct sql_set {             /* SET 'k' = 'v'; SET; RESET 'k'; RESET */
    const char *key, *value; /* NULL: all of them */
    struct sql_pos key_pos, value_pos;
};

struct sql_jar {
    bool remove;
    const char *path;
};
struct sql_module {
    bool unload;
    struct sql_ident name;
    struct sql_options options;
};
struct sql_analyze {
    struct sql_name table;
    struct sql_partition partition;
    bool for_columns, all_columns;
    struct sql_ident *columns;
    size_t column_count;
};
struct sql_plan {
    bool compile, execute, if_not_exists;
    const char *path;
    struct sql_statement *statement; /* of COMPILE */
};
struct sql_stop_job {
    const char *job;
    bool with_savepoint, with_drain;
};

struct sql_statement {
    enum sql_statement_kind kind;
    struct sql_pos pos;
    struct slice text; /* borrowed from the script, without the semicolon */
    union {
        struct sql_query *query;
        struct sql_insert *insert;
        struct sql_update *update;
        struct sql_delete *delete_from;
        struct sql_merge *merge;
        struct sql_name truncate;
        struct sql_statement_set *set_of;
        struct sql_statement *execute;
        struct sql_create_table *create_table;
        struct sql_create_view *create_view;
        struct sql_create_catalog *create_catalog;
        struct sql_create_database *create_database;
        struct sql_create_function *create_function;
        struct sql_create_materialized_table *create_materialized_table;
        struct sql_alter *alter;
        struct sql_drop *drop;
        struct sql_explain *explain;
        struct sql_describe *describe;
        struct sql_show *show;
        struct sql_use *use;
        struct sql_set *set; /* SET and RESET */
        struct sql_jar *jar;
        struct sql_module *module;
        struct sql_analyze *analyze;
        struct sql_expr *call;
        struct sql_plan *plan;
        struct sql_stop_job *stop_job;
        const char *client; /* "QUIT", ... */
    };
};

struct sql_script {
    struct sql_statement **list;
    size_t count;
};

#endif
