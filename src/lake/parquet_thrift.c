/* parquet_thrift.c - see parquet_thrift.h. Specification: Thrift's compact protocol encoding. */
#include "lake/parquet_thrift.h"

static void put_byte(struct thrift_out *t, uint8_t byte)
{
    t->rc = t->rc ? t->rc : buf_append_u8(t->out, byte);
}

static void put_varint(struct thrift_out *t, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(t, (uint8_t)(value | 0x80));
    put_byte(t, (uint8_t)value);
}

static void put_field(struct thrift_out *t, int number, int kind)
{
    int delta = number - t->last[t->depth];

    put_byte(t, (uint8_t)(delta << 4 | kind)); /* Parquet's structures have no gap of 16 */
    t->last[t->depth] = number;
}

void thrift_item_int(struct thrift_out *t, int64_t value)
{
    put_varint(t, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void thrift_item_bool(struct thrift_out *t, bool value)
{
    put_byte(t, value ? T_TRUE : T_FALSE);
}

void thrift_item_binary(struct thrift_out *t, struct slice bytes)
{
    put_varint(t, bytes.len);
    t->rc = t->rc ? t->rc : buf_append_slice(t->out, bytes);
}

void thrift_i16(struct thrift_out *t, int number, int64_t value)
{
    put_field(t, number, T_I16);
    thrift_item_int(t, value);
}

void thrift_i32(struct thrift_out *t, int number, int64_t value)
{
    put_field(t, number, T_I32);
    thrift_item_int(t, value);
}

void thrift_i64(struct thrift_out *t, int number, int64_t value)
{
    put_field(t, number, T_I64);
    thrift_item_int(t, value);
}

void thrift_bool(struct thrift_out *t, int number, bool value)
{
    put_field(t, number, value ? T_TRUE : T_FALSE);
}

void thrift_binary(struct thrift_out *t, int number, struct slice bytes)
{
    put_field(t, number, T_BINARY);
    thrift_item_binary(t, bytes);
}

void thrift_list(struct thrift_out *t, int number, enum thrift_kind kind, size_t count)
{
    put_field(t, number, T_LIST);
    if (count < 15) {
        put_byte(t, (uint8_t)(count << 4 | (unsigned)kind));
    } else {
        put_byte(t, (uint8_t)(0xf0 | kind));
        put_varint(t, count);
    }
}

void thrift_begin(struct thrift_out *t)
{
    assert(t->depth + 1 < THRIFT_DEPTH_MAX);
    t->last[++t->depth] = 0;
}

void thrift_begin_field(struct thrift_out *t, int number)
{
    put_field(t, number, T_STRUCT);
    thrift_begin(t);
}

void thrift_end(struct thrift_out *t)
{
    put_byte(t, 0);
    t->depth--;
}

void thrift_empty(struct thrift_out *t, int number)
{
    thrift_begin_field(t, number);
    thrift_end(t);
}
