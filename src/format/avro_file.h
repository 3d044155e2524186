/* avro_file.h - Avro object container files, written and read by tables.
 *
 * A table says which field of a record, by its id, lives where in a C struct. The writer makes the
 * schema from it, with "field-id" at every depth; the reader matches any writer's schema to it by
 * id (by name where a file has no ids), skips what the table does not know, and leaves what the
 * file lacks at the table's `absent`. Codecs: null, deflate, snappy, zstandard.
 * Bounded: every count is compared with the bytes left, blocks decompress to at most block_max.
 * Specification: Avro 1.11, "Object Container Files". Threads: any.
 */
#ifndef FORMAT_AVRO_FILE_H
#define FORMAT_AVRO_FILE_H

#include "format/avro_schema.h"

enum avro_kind {
    AK_BOOL,   /* bool, or int8_t with absent -1 */
    AK_INT,    /* int32_t */
    AK_LONG,   /* int64_t */
    AK_FLOAT,  /* float */
    AK_DOUBLE, /* double */
    AK_STRING, /* const char *, NUL-ended; NULL absent */
    AK_BYTES,  /* struct slice; ptr NULL absent */
    AK_RECORD, /* a struct inline, by `shape` */
    AK_ARRAY,  /* pointer at `at`, size_t at `at_count`; elements by `item` */
    AK_MAP,    /* the same, and written as Iceberg's map: an array of key-value records */
    AK_DATUM   /* struct avro_datum: a type known only at run time, by `datum` */
};

/* A primitive whose type the schema of the moment decides. */
struct avro_datum {
    bool null;
    int64_t i;          /* BOOLEAN, INT, LONG */
    double d;           /* FLOAT, DOUBLE */
    struct slice bytes; /* BYTES, STRING, FIXED */
};
struct avro_datum_type {
    enum avro_type type;
    int32_t size;        /* FIXED */
    const char *logical; /* NULL allowed */
    int32_t precision, scale;
    bool adjust_to_utc;  /* written for timestamps */
};

struct avro_shape;
struct avro_field {
    const char *name; /* spelled as in the specification */
    int32_t id;
    enum avro_kind kind;
    bool optional;    /* a union with null; else the reader wants it there when `needed` */
    bool needed;      /* ERR_CORRUPT when the file has no such field */
    size_t at, at_count;
    int64_t absent;   /* BOOL, INT, LONG: stands for null; what a missing field gets */
    const struct avro_shape *shape;      /* RECORD; also of an ARRAY or MAP of records */
    const struct avro_field *item;       /* ARRAY of primitives: kind and id of the element */
    int32_t item_id;                     /* ARRAY of records: element-id */
    const struct avro_datum_type *datum; /* DATUM */
};
struct avro_shape {
    const char *name; /* record name in the schema */
    size_t size;      /* sizeof the C struct */
    const struct avro_field *fields;
    size_t field_count;
};

struct avro_meta {
    const char *key;
    struct slice value;
};

/* Appends a whole file. `codec` is "null", "deflate", "snappy" or "zstandard". */
int avro_file_write(const struct avro_shape *shape, const void *records, size_t count,
                    const struct avro_meta *meta, size_t meta_count, const char *codec,
                    struct buf *out, struct err *err);
int avro_shape_schema(const struct avro_shape *shape, struct buf *out); /* the schema's JSON */

struct avro_file {
    struct slice blocks; /* what follows the header; borrowed */
    uint8_t sync[16];
    const char *codec;
    struct avro_meta *meta;
    size_t meta_count;
    const struct avro_schema *schema;
};
#define AVRO_BLOCK_MAX ((size_t)256 << 20)

/* Reads the header; the bytes stay borrowed by `out`. */
int avro_file_open(struct slice bytes, struct arena *arena, struct avro_file *out,
                   struct err *err);
struct slice avro_file_meta(const struct avro_file *file, const char *key); /* ptr NULL: absent */
/* All records as an array of shape->size each, in the arena, everything copied. */
int avro_file_read(const struct avro_file *file, const struct avro_shape *shape,
                   size_t block_max, struct arena *arena, void **records, size_t *count,
                   struct err *err);

#endif
