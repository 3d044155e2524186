/* types.h - Iceberg's types, schemas, partition specs, sort orders, and single values.
 *
 * A schema is a tree of fields with ids; ids are forever, names and order are not. Lists and maps
 * hold their element, key and value as fields too, so one walk meets every id at every depth.
 * All structs live in the arena they were parsed or built in and never change afterwards, so any
 * thread may read them. Specification: Iceberg table spec, "Schemas and Data Types",
 * "Partitioning", appendix C (JSON) and D (single-value serialization).
 */
#ifndef LAKE_TYPES_H
#define LAKE_TYPES_H

#include "base/base.h"
#include "base/json.h"

enum lake_kind {
    LAKE_BOOLEAN, LAKE_INT, LAKE_LONG, LAKE_FLOAT, LAKE_DOUBLE, LAKE_DECIMAL, LAKE_DATE, LAKE_TIME,
    LAKE_TIMESTAMP, LAKE_TIMESTAMPTZ, LAKE_TIMESTAMP_NS, LAKE_TIMESTAMPTZ_NS, LAKE_STRING,
    LAKE_UUID, LAKE_FIXED, LAKE_BINARY, LAKE_UNKNOWN, LAKE_STRUCT, LAKE_LIST, LAKE_MAP
};

struct lake_field;
struct lake_type {
    enum lake_kind kind;
    int32_t precision, scale;  /* DECIMAL */
    int32_t width;             /* FIXED: bytes */
    struct lake_field *fields; /* STRUCT: fields; LIST: "element"; MAP: "key", "value" */
    size_t field_count;
};
struct lake_field {
    int32_t id;
    bool required;
    const char *name;
    const char *doc;                /* NULL allowed */
    const char *initial_default;    /* v3: JSON single value as text, NULL when none */
    const char *write_default;
    struct lake_type type;
};
struct lake_schema {
    int32_t id;
    struct lake_type root; /* a STRUCT */
    int32_t *identifier_ids;
    size_t identifier_count;
};

#define LAKE_SCHEMA_DEPTH_MAX 64
/* Reserved: the lineage of a row in v3, _row_id and _last_updated_sequence_number. */
#define LAKE_ROW_ID           2147483540
#define LAKE_LAST_UPDATED_ID  2147483539
#define LAKE_SCHEMA_FIELDS_MAX 100000

int lake_schema_parse(const json_t *json, struct arena *arena, struct lake_schema *out,
                      struct err *err);
int lake_schema_parse_text(struct slice text, struct arena *arena, struct lake_schema *out,
                           struct err *err);
json_t *lake_schema_json(const struct lake_schema *schema); /* caller decrefs; NULL: no memory */
/* Every field at every depth has an id > 0, once; sibling names differ; identifier fields exist. */
int lake_schema_check(const struct lake_schema *schema, struct err *err);
/* What a table format knows: nanoseconds, unknown and defaults need version 3. ERR_INVALID in the
 * Java library's words. */
int lake_schema_check_format(const struct lake_schema *schema, int format, struct err *err);
/* Gives every field a new id, breadth first as Iceberg does; *last_id counts up. In place. */
void lake_schema_number(struct lake_schema *schema, int32_t *last_id);
int32_t lake_schema_max_id(const struct lake_schema *schema);
const struct lake_field *lake_schema_by_id(const struct lake_schema *schema, int32_t id);
/* Dotted for nested fields: "address.city", "tags.element". NULL when there is none. */
const struct lake_field *lake_schema_by_name(const struct lake_schema *schema, const char *name);
bool lake_type_equal(const struct lake_type *a, const struct lake_type *b); /* ids included */
bool lake_type_primitive(const struct lake_type *type);
/* "decimal(9,2)", "list<string>" for people. In the arena. */
const char *lake_type_name(const struct lake_type *type, struct arena *arena);
int lake_type_parse(const char *text, struct lake_type *out, struct err *err); /* primitives */
/* int -> long, float -> double, decimal(P,S) -> decimal(P2>P,S), date -> timestamp (v3). */
bool lake_type_promotes(const struct lake_type *from, const struct lake_type *to, int format);

/* Schema evolution. Edits are applied in order to a copy; a field keeps its id for life. */
enum lake_edit_kind { LAKE_ADD, LAKE_DROP, LAKE_RENAME, LAKE_PROMOTE, LAKE_MAKE_OPTIONAL,
                      LAKE_MOVE_FIRST, LAKE_MOVE_AFTER, LAKE_MOVE_BEFORE, LAKE_SET_DOC,
                      LAKE_SET_DEFAULT };
struct lake_edit {
    enum lake_edit_kind kind;
    const char *column;           /* dotted; ADD: the new column's full name */
    const char *other;            /* RENAME: new name; MOVE_*: sibling; SET_DOC: text */
    const struct lake_type *type; /* ADD, PROMOTE */
    bool required;                /* ADD: only with a default, for rows that are there already */
    const char *value; /* ADD, SET_DEFAULT (v3): a JSON single value as text; NULL: none */
};
/* *last_id is the table's last-column-id and counts up. */
int lake_schema_edit(const struct lake_schema *base, const struct lake_edit *edits, size_t count,
                     int format, int32_t *last_id, struct arena *arena, struct lake_schema *out,
                     struct err *err);

/* A single value, of a primitive type. */
struct lake_value {
    bool null;
    int64_t i;          /* BOOLEAN 0/1, INT, LONG, DATE days, TIME us, TIMESTAMP* us or ns */
    double d;           /* FLOAT, DOUBLE */
    __int128 dec;       /* DECIMAL unscaled */
    struct slice bytes; /* STRING, UUID (16, big endian), FIXED, BINARY */
};
int lake_value_cmp(const struct lake_type *type, const struct lake_value *a,
                   const struct lake_value *b); /* nulls first; NaN last; -0 equals 0 */
/* Appendix D: what bounds hold. Decoding accepts bytes of a type that was promoted since. */
int lake_value_encode(const struct lake_type *type, const struct lake_value *value,
                      struct arena *arena, struct slice *out);
int lake_value_decode(const struct lake_type *type, struct slice bytes, struct lake_value *out,
                      struct err *err);
/* From DuckDB's text of a value (Parquet statistics, query results). ERR_INVALID. */
int lake_value_parse(const struct lake_type *type, const char *text, struct arena *arena,
                     struct lake_value *out, struct err *err);
/* Appendix D's JSON single values: what defaults are written as. The text holds a whole value. */
int lake_value_json(const struct lake_type *type, const struct lake_value *value, struct buf *out);
int lake_value_from_json(const struct lake_type *type, const char *text, struct arena *arena,
                         struct lake_value *out, struct err *err);
/* A default as DuckDB's SQL, CAST(... AS its type); of a nested type, or without one, NULL. */
int lake_default_sql(const struct lake_type *type, const char *json, struct arena *arena,
                     struct buf *out);
/* A DuckDB literal with its cast: DATE '2024-01-01'. */
int lake_value_sql(const struct lake_type *type, const struct lake_value *value, struct buf *out);
/* As people and partition paths spell it: 2024-01-01, 2024-01, 5, hello; "null". */
int lake_value_text(const struct lake_type *type, const struct lake_value *value, struct buf *out);

enum lake_transform_kind { LAKE_IDENTITY, LAKE_BUCKET, LAKE_TRUNCATE, LAKE_YEAR, LAKE_MONTH,
                           LAKE_DAY, LAKE_HOUR, LAKE_VOID, LAKE_UNKNOWN_TRANSFORM };
struct lake_transform {
    enum lake_transform_kind kind;
    int32_t arg;      /* BUCKET: count; TRUNCATE: width */
    const char *text; /* as written, for transforms we do not know */
};
int lake_transform_parse(const char *text, struct arena *arena, struct lake_transform *out,
                         struct err *err); /* unknown ones are kept: they only lose pruning */
const char *lake_transform_text(const struct lake_transform *transform, struct arena *arena);
/* ERR_INVALID when the transform does not take this type. */
int lake_transform_type(const struct lake_transform *transform, const struct lake_type *source,
                        struct lake_type *out, struct err *err);
/* bytes of the result may be borrowed from the source (prefix). ERR_UNSUPPORTED: unknown. */
int lake_transform_apply(const struct lake_transform *transform, const struct lake_type *source,
                         const struct lake_value *in, struct lake_value *out);
/* How a partition value reads in a path: day 2024-01-01, month 2024-01, hour 2024-01-01-10. */
int lake_transform_human(const struct lake_transform *transform, const struct lake_type *result,
                         const struct lake_value *value, struct buf *out);

struct lake_partition_field {
    int32_t source_id, field_id;
    const char *name;
    struct lake_transform transform;
    const char *sources; /* v3, a transform of several columns: their ids as JSON; NULL: of one */
};
struct lake_partition_spec {
    int32_t id;
    struct lake_partition_field *fields;
    size_t field_count;
};
struct lake_sort_field {
    int32_t source_id;
    bool descending, nulls_last;
    struct lake_transform transform;
    const char *sources; /* as of a partition field */
};
struct lake_sort_order {
    int32_t id;
    struct lake_sort_field *fields;
    size_t field_count;
};
int lake_spec_parse(const json_t *json, struct arena *arena, struct lake_partition_spec *out,
                    struct err *err);
json_t *lake_spec_json(const struct lake_partition_spec *spec);        /* {"spec-id","fields"} */
json_t *lake_spec_fields_json(const struct lake_partition_spec *spec); /* the array alone */
int lake_order_parse(const json_t *json, struct arena *arena, struct lake_sort_order *out,
                     struct err *err);
json_t *lake_order_json(const struct lake_sort_order *order);
/* Result types of the spec's fields under a schema; a dropped source gives LAKE_UNKNOWN. */
int lake_spec_types(const struct lake_partition_spec *spec, const struct lake_schema *schema,
                    struct arena *arena, struct lake_type **out, struct err *err);

/* DuckDB's side of a type: "STRUCT(a BIGINT, \"b c\" VARCHAR[])" and the FIELD_IDS option text,
 * "{id: 1, \"l\": {__duckdb_field_id: 2, element: 3}}". */
int lake_duckdb_type(const struct lake_type *type, struct buf *out, struct err *err);
int lake_duckdb_field_ids(const struct lake_schema *schema, struct buf *out, struct err *err);
int lake_sql_name(struct buf *out, const char *name); /* "quoted" */
int lake_sql_text(struct buf *out, const char *text); /* 'quoted' */

#endif
