/* rows_int.h - the tree of fields that both directions of the codec of rows walk. */
#ifndef VEC_ROWS_INT_H
#define VEC_ROWS_INT_H

#include "vec/rows.h"

enum field_kind { FIELD_FIXED, FIELD_FLOAT, FIELD_DOUBLE, FIELD_TEXT, FIELD_LIST, FIELD_STRUCT };

struct field {
    enum field_kind kind;
    uint32_t width;         /* FIXED, FLOAT, DOUBLE */
    struct field *children; /* LIST: one */
    size_t count;
};

struct vec_codec {
    struct field root; /* a struct of the columns */
    size_t *which;
};

#endif
