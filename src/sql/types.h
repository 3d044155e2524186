/* types.h - Flink's logical types: what a column, an expression or a cast target is.
 *
 * A type is immutable and lives in an arena (the simple ones are constants of this file). Text is
 * Flink's: "DECIMAL(10, 2) NOT NULL", "ROW<`a` INT, `b` STRING>".
 * Specification: Flink 1.20, "Data Types".
 */
#ifndef SQL_TYPES_H
#define SQL_TYPES_H

#include "base/base.h"

enum sql_type_kind {
    SQL_NULL, /* the type of a bare NULL */
    SQL_BOOLEAN,
    SQL_TINYINT,
    SQL_SMALLINT,
    SQL_INT,
    SQL_BIGINT,
    SQL_DECIMAL, /* precision 1..38, scale 0..precision */
    SQL_FLOAT,
    SQL_DOUBLE,
    SQL_CHAR,      /* length in characters */
    SQL_VARCHAR,   /* length; STRING is VARCHAR(2147483647) */
    SQL_BINARY,    /* length in bytes */
    SQL_VARBINARY, /* length; BYTES is VARBINARY(2147483647) */
    SQL_DATE,
    SQL_TIME,          /* precision 0..9 */
    SQL_TIMESTAMP,     /* precision 0..9, no time zone */
    SQL_TIMESTAMP_LTZ, /* precision 0..9, an instant shown in the session's zone */
    SQL_TIMESTAMP_TZ,  /* parsed; Flink 1.20 has no columns of it */
    SQL_INTERVAL_YM,   /* YEAR TO MONTH family: months */
    SQL_INTERVAL_DS,   /* DAY TO SECOND family: milliseconds */
    SQL_ARRAY,         /* item */
    SQL_MULTISET,      /* item */
    SQL_MAP,           /* key, item */
    SQL_ROW,           /* fields */
    SQL_RAW,           /* class_name, snapshot */
    SQL_TYPE_KINDS
};

enum sql_unit {
    SQL_UNIT_NONE,
    SQL_YEAR,
    SQL_QUARTER,
    SQL_MONTH,
    SQL_WEEK,
    SQL_DAY,
    SQL_HOUR,
    SQL_MINUTE,
    SQL_SECOND
};

#define SQL_LENGTH_MAX  2147483647
#define SQL_DECIMAL_MAX 38
#define SQL_TYPE_DEPTH  64   /* nesting that is refused beyond */
#define SQL_FIELDS_MAX  4096 /* fields of one ROW */

struct sql_type {
    enum sql_type_kind kind;
    bool nullable;
    int32_t length;           /* CHAR, VARCHAR, BINARY, VARBINARY */
    int16_t precision, scale; /* DECIMAL, TIME, TIMESTAMP*; INTERVAL: leading, fraction; -1 unset */
    enum sql_unit from, to;   /* INTERVAL: as written; `to` NONE when single */
    const struct sql_type *key;     /* MAP */
    const struct sql_type *item;    /* ARRAY, MULTISET: element; MAP: value */
    const struct sql_field *fields; /* ROW */
    size_t field_count;
    const char *class_name, *snapshot; /* RAW */
    bool uuid; /* VARCHAR: a table of the lake keeps it as uuid; text everywhere else */
};

struct sql_field {
    const char *name;
    const struct sql_type *type;
    const char *comment; /* or NULL */
};

/* Nullable simple types, for comparing and building. */
extern const struct sql_type sql_type_null, sql_type_boolean, sql_type_tinyint, sql_type_smallint,
    sql_type_int, sql_type_bigint, sql_type_float, sql_type_double, sql_type_string, sql_type_bytes,
    sql_type_date;

/* Each gives NULL when the arena is exhausted. */
const struct sql_type *sql_type_decimal(struct arena *arena, int precision, int scale);
const struct sql_type *sql_type_of(struct arena *arena, enum sql_type_kind kind,
                                   int length_or_precision);
const struct sql_type *sql_type_array(struct arena *arena, const struct sql_type *item);
const struct sql_type *sql_type_map(struct arena *arena, const struct sql_type *key,
                                    const struct sql_type *value);
const struct sql_type *sql_type_row(struct arena *arena, const struct sql_field *fields,
                                    size_t count);
/* The same type, nullable or not. */
const struct sql_type *sql_type_nullable(struct arena *arena, const struct sql_type *type,
                                         bool nullable);

bool sql_type_eq(const struct sql_type *a, const struct sql_type *b);   /* with nullability */
bool sql_type_same(const struct sql_type *a, const struct sql_type *b); /* without, at the top */
bool sql_type_is_numeric(const struct sql_type *type);
bool sql_type_is_integer(const struct sql_type *type);
bool sql_type_is_text(const struct sql_type *type);
bool sql_type_is_bytes(const struct sql_type *type);
bool sql_type_is_temporal(const struct sql_type *type); /* DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ */
bool sql_type_is_interval(const struct sql_type *type);

/* "DECIMAL(10, 2) NOT NULL": Flink's summary text, which sql_type_parse reads back. */
int sql_type_print(const struct sql_type *type, struct buf *out);
const char *sql_type_text(struct arena *arena,
                          const struct sql_type *type); /* NULL: out of memory */
int sql_type_parse(const char *text, struct arena *arena, const struct sql_type **out,
                   struct err *err);
/* DuckDB's name of it: "DECIMAL(10,2)", "STRUCT(\"a\" INTEGER)". TIMESTAMP(7..9) is TIMESTAMP_NS;
 * MULTISET is MAP(T, INTEGER). */
int sql_type_print_duckdb(const struct sql_type *type, struct buf *out);

/* The least type that both fit in, as Flink finds it for CASE, UNION, COALESCE, IN; NULL: none
 * (or no memory: ask arena). Nullable when either is. */
const struct sql_type *sql_type_common(struct arena *arena, const struct sql_type *a,
                                       const struct sql_type *b);
/* May a value be stored in a column of `to` without CAST (INSERT INTO)? */
bool sql_type_assignable(const struct sql_type *from, const struct sql_type *to);
/* Does CAST(from AS to) exist? */
bool sql_type_castable(const struct sql_type *from, const struct sql_type *to);

/* Results of decimal arithmetic: LogicalTypeMerging. op is '+', '*', '/', '%'. */
void sql_decimal_result(char op, int p1, int s1, int p2, int s2, int *precision, int *scale);

#endif
