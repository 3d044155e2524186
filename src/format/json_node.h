/* json_node.h - a decoder's tree: one node per field, element, key and value.
 *
 * Made by json_node.c, walked by json_decode.c.
 */
#ifndef FORMAT_JSON_NODE_H
#define FORMAT_JSON_NODE_H

#include <emmintrin.h>

#include "format/json_int.h"

#define JSON_BLOCK_MAX ((size_t)64 << 10) /* of a vector's heap, cut into strings */

enum kind {
    K_BOOLEAN, K_TINYINT, K_SMALLINT, K_INTEGER, K_BIGINT, K_FLOAT, K_DOUBLE, K_DECIMAL, K_VARCHAR,
    K_BLOB, K_DATE, K_TIME, K_TIMESTAMP, K_UUID, K_STRUCT, K_LIST, K_MAP
};

struct node {
    enum kind kind;
    const char *type_name; /* for faults */
    char *name;            /* owned; NULL for the root, elements, keys and values */
    size_t name_len;
    __m128i key;        /* the name and its closing quote, as far as sixteen bytes reach */
    unsigned key_mask;  /* which of them count */
    struct node *parent;
    struct node *children; /* STRUCT: fields; LIST: element; MAP: key, value */
    size_t child_count;
    uint16_t *table; /* STRUCT: child number + 1 by hash of its name; 0: free */
    size_t table_mask;
    enum json_policy policy;

    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL: nothing is NULL yet */
    idx_t column;       /* of the chunk, for a field */
    uint64_t seen;      /* the object in which it was met last */

    idx_t size, saved, capacity; /* LIST, MAP: elements, and after the last good record */
    idx_t at;                    /* the element being read, for the path */
    char *block;                 /* VARCHAR, BLOB */
    size_t block_left, block_size;
    int precision, scale;     /* DECIMAL */
    duckdb_type storage;      /* DECIMAL: how it is kept; TIME, TIMESTAMP: which of them */
    int64_t unit_nanos;       /* TIMESTAMP, TIME: nanoseconds in one unit of storage */
    int64_t cut_nanos;        /* and in the smallest step that the column's precision keeps */
};

struct json_decoder {
    struct node root;
    struct node **lists; /* every LIST and MAP node */
    size_t list_count, list_cap;
    bool fail_on_missing;
    uint64_t serial;  /* of the object */
    struct buf scratch;
    int depth;

    const uint8_t *start, *end; /* of the record */
    struct json_fault *fault;
    bool broken; /* the record is no JSON: no policy helps */
    int rc;
};

static inline uint32_t name_hash(const uint8_t *name, size_t len)
{
    uint32_t h = (uint32_t)len * 0x9e3779b1u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ name[i]) * 0x01000193u;
    return h ^ h >> 15;
}

#endif
