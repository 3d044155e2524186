/* key_columns.h - the key of a row: which columns, and what they hash to.
 *
 * The key is the table's identifier fields: required columns at the top of the schema, of any
 * primitive type but float and double (Iceberg spec, "Identifier Field IDs"). What is hashed is the
 * value and not how it lies in a file, so promotions (int to long, wider decimals) keep hashes.
 * Threads: read only once made.
 */
#ifndef LAKE_KEY_COLUMNS_H
#define LAKE_KEY_COLUMNS_H

#include "lake/key_index.h"
#include "lake/types.h"
#include "vec/vec.h"

#define KEY_COLUMNS_MAX 32

struct key_columns {
    struct {
        int32_t field_id;
        size_t column;                  /* place in the schema */
        const struct lake_field *field; /* borrowed from the schema */
    } list[KEY_COLUMNS_MAX];
    size_t count;
    bool exact; /* the hash alone is the key */
    uint64_t seeds[2];
};
/* ERR_INVALID: no key. ERR_UNSUPPORTED: one that cannot be. */
int key_columns_init(struct key_columns *out, const struct lake_schema *schema,
                     const uint64_t seeds[2], struct err *err);
/* "uuid 1 4": the table and its key, for key_index_options.table. */
char *key_columns_name(const struct key_columns *columns, const char *uuid, struct arena *arena);
/* One hash for each row. `from` is the first key column in the chunk when they lie there one after
 * the other in the order of `list`; -1: at their places in the schema. Vectors are flat and of the
 * types lake_columns gives. ERR_INVALID: a NULL. */
int key_columns_hash(const struct key_columns *columns, duckdb_data_chunk chunk, int from,
                     struct key_hash *out, struct err *err);

#endif
