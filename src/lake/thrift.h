/* thrift.h - values in Thrift's compact protocol as a tree: read, changed in places, written again.
 *
 * For Parquet's footers and page headers, of which most fields pass through unseen: a field that we
 * do not know keeps its bytes' meaning. Input is bounded by its own length, nesting by a limit.
 * Threads: any.
 */
#ifndef LAKE_THRIFT_H
#define LAKE_THRIFT_H

#include "base/base.h"

enum thrift_type {
    THRIFT_TRUE = 1, /* in a struct the type of a field says its value */
    THRIFT_FALSE = 2,
    THRIFT_BYTE = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_STRUCT = 12
};

struct thrift_node {
    uint8_t type, item_type; /* enum thrift_type; of a LIST's items */
    int16_t id;              /* of a struct's field */
    int64_t number;          /* integers; a list's booleans as written */
    struct slice bytes;      /* BINARY, DOUBLE: borrowed from the input */
    struct thrift_node *kids; /* of STRUCT, LIST */
    size_t kid_count;
};

/* One struct from the front of `in`; *used bytes of it. Nodes live in the arena. ERR_CORRUPT. */
int thrift_read(struct slice in, struct arena *arena, struct thrift_node *out, size_t *used,
                struct err *err);
int thrift_write(const struct thrift_node *node, struct buf *out);

/* A struct's field; NULL: it is not there. */
struct thrift_node *thrift_field(const struct thrift_node *node, int id);
int64_t thrift_number(const struct thrift_node *node, int id, int64_t absent);
/* Puts a field in its place, over one of the same id. Only memory fails. */
int thrift_set(struct thrift_node *node, struct arena *arena, struct thrift_node field);
void thrift_remove(struct thrift_node *node, int id);

#endif
