/* parquet_thrift.h - structures in Thrift's compact protocol, written field by field.
 *
 * Fields of a struct are put in the order of their numbers. The first failure sticks in `rc` and
 * is looked at once, at the end. Threads: any.
 */
#ifndef LAKE_PARQUET_THRIFT_H
#define LAKE_PARQUET_THRIFT_H

#include "base/base.h"

enum thrift_kind { T_TRUE = 1, T_FALSE = 2, T_I16 = 4, T_I32 = 5, T_I64 = 6, T_BINARY = 8,
                   T_LIST = 9, T_STRUCT = 12 };

#define THRIFT_DEPTH_MAX 8 /* of Parquet's own structures */

struct thrift_out {
    struct buf *out;
    int last[THRIFT_DEPTH_MAX]; /* number of the field before, per struct */
    int depth;
    int rc;
};

void thrift_i16(struct thrift_out *t, int number, int64_t value);
void thrift_i32(struct thrift_out *t, int number, int64_t value);
void thrift_i64(struct thrift_out *t, int number, int64_t value);
void thrift_bool(struct thrift_out *t, int number, bool value);
void thrift_binary(struct thrift_out *t, int number, struct slice bytes);
/* `count` items of that kind follow: structs by begin and end, others by the item calls. */
void thrift_list(struct thrift_out *t, int number, enum thrift_kind kind, size_t count);
void thrift_item_int(struct thrift_out *t, int64_t value);
void thrift_item_bool(struct thrift_out *t, bool value);
void thrift_item_binary(struct thrift_out *t, struct slice bytes);
void thrift_begin(struct thrift_out *t); /* a struct that is a list's item, or the whole */
void thrift_begin_field(struct thrift_out *t, int number);
void thrift_end(struct thrift_out *t);
void thrift_empty(struct thrift_out *t, int number); /* a struct without fields */

#endif
