/* avro_schema.h - an Avro schema as a tree, with the ids that Iceberg writes into it.
 *
 * Everything lives in the arena given. Named types are resolved while parsing, so a reference is a
 * pointer to the same node; a schema may therefore be recursive, and walkers bound their depth.
 * Specification: Avro 1.11, "Schema Declaration"; Iceberg table spec, appendix A (Avro).
 */
#ifndef FORMAT_AVRO_SCHEMA_H
#define FORMAT_AVRO_SCHEMA_H

#include "base/base.h"

enum avro_type {
    AVRO_NULL, AVRO_BOOLEAN, AVRO_INT, AVRO_LONG, AVRO_FLOAT, AVRO_DOUBLE, AVRO_BYTES, AVRO_STRING,
    AVRO_FIXED, AVRO_ENUM, AVRO_RECORD, AVRO_ARRAY, AVRO_MAP, AVRO_UNION
};

struct avro_schema;
struct avro_member {
    const char *name; /* RECORD: the field's; UNION: NULL */
    int32_t field_id; /* -1: none */
    const struct avro_schema *schema;
};
struct avro_schema {
    enum avro_type type;
    const char *name;    /* full name of RECORD, ENUM, FIXED */
    const char *logical; /* logicalType or NULL */
    int32_t precision, scale;
    bool adjust_to_utc;
    int64_t size;                     /* FIXED: bytes */
    struct avro_member *members;      /* RECORD fields, UNION branches */
    size_t member_count;
    const struct avro_schema *items;  /* ARRAY elements, MAP values */
    int32_t element_id, key_id, value_id; /* -1: none */
    const char **symbols;             /* ENUM */
    size_t symbol_count;
};

#define AVRO_DEPTH_MAX 64
#define AVRO_NODES_MAX 100000

int avro_schema_parse(struct slice json, struct arena *arena, const struct avro_schema **out,
                      struct err *err);
const char *avro_type_name(enum avro_type type);

/* Moves *at past one value of `schema`. ERR_CORRUPT at the end of the bytes. */
struct avro_cursor {
    const uint8_t *at, *end;
};
int avro_skip(struct avro_cursor *cursor, const struct avro_schema *schema, struct err *err);
int avro_get_long(struct avro_cursor *cursor, int64_t *out, struct err *err); /* zigzag varint */
int avro_get_bytes(struct avro_cursor *cursor, struct slice *out, struct err *err); /* borrowed */
int avro_get_fixed(struct avro_cursor *cursor, size_t len, const uint8_t **out, struct err *err);
/* The count of an array or map block, 0 at its end. Never more than the bytes left could hold,
 * give or take AVRO_EMPTY_ITEMS_MAX items that take no bytes. */
int avro_get_count(struct avro_cursor *cursor, int64_t *out, struct err *err);
#define AVRO_EMPTY_ITEMS_MAX 65536

int avro_put_long(struct buf *out, int64_t value);
int avro_put_bytes(struct buf *out, struct slice bytes);

#endif
