/* small_parquet.c - one row group, one page per column, PLAIN. See small_parquet.h.
 *
 * The format is that of apache/parquet-format: parquet.thrift for the structures, written in
 * Thrift's compact protocol, and Encodings.md. All columns are OPTIONAL, as in the files that
 * DuckDB writes for us, so every page begins with definition levels.
 */
#include "lake/small_parquet.h"

#include "base/codec.h"
#include "lake/writer_int.h"

/* ---- Thrift's compact protocol ---- */

enum { T_TRUE = 1, T_FALSE = 2, T_I32 = 5, T_I64 = 6, T_BINARY = 8, T_LIST = 9, T_STRUCT = 12 };

#define DEPTH_MAX 8

struct thrift {
    struct buf *out;
    int last[DEPTH_MAX]; /* number of the field before, per struct */
    int depth;
    int rc;
};

static void put_byte(struct thrift *t, uint8_t byte)
{
    t->rc = t->rc ? t->rc : buf_append_u8(t->out, byte);
}

static void put_varint(struct thrift *t, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(t, (uint8_t)(value | 0x80));
    put_byte(t, (uint8_t)value);
}

static void put_zigzag(struct thrift *t, int64_t value)
{
    put_varint(t, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static void put_field(struct thrift *t, int number, int type)
{
    int delta = number - t->last[t->depth];

    put_byte(t, (uint8_t)(delta << 4 | type)); /* our structures have no gap of 16 */
    t->last[t->depth] = number;
}

static void put_i32(struct thrift *t, int number, int64_t value)
{
    put_field(t, number, T_I32);
    put_zigzag(t, value);
}

static void put_i64(struct thrift *t, int number, int64_t value)
{
    put_field(t, number, T_I64);
    put_zigzag(t, value);
}

static void put_bool(struct thrift *t, int number, bool value)
{
    put_field(t, number, value ? T_TRUE : T_FALSE);
}

static void put_text(struct thrift *t, struct slice text)
{
    put_varint(t, text.len);
    t->rc = t->rc ? t->rc : buf_append_slice(t->out, text);
}

static void put_binary(struct thrift *t, int number, struct slice text)
{
    put_field(t, number, T_BINARY);
    put_text(t, text);
}

static void put_list(struct thrift *t, int number, int type, size_t count)
{
    put_field(t, number, T_LIST);
    if (count < 15) {
        put_byte(t, (uint8_t)(count << 4 | (unsigned)type));
    } else {
        put_byte(t, (uint8_t)(0xf0 | type));
        put_varint(t, count);
    }
}

static void begin(struct thrift *t) /* a struct that is a list's element, or the whole */
{
    t->last[++t->depth] = 0;
}

static void begin_field(struct thrift *t, int number)
{
    put_field(t, number, T_STRUCT);
    begin(t);
}

static void end(struct thrift *t)
{
    put_byte(t, 0);
    t->depth--;
}

static void put_empty(struct thrift *t, int number)
{
    begin_field(t, number);
    end(t);
}

/* ---- types ---- */

enum physical {
    P_BOOLEAN = 0,
    P_INT32 = 1,
    P_INT64 = 2,
    P_FLOAT = 4,
    P_DOUBLE = 5,
    P_BYTE_ARRAY = 6,
    P_NONE = -1
};

static enum physical physical_of(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_BOOLEAN:
        return P_BOOLEAN;
    case LAKE_INT:
    case LAKE_DATE:
        return P_INT32;
    case LAKE_LONG:
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
        return P_INT64;
    case LAKE_FLOAT:
        return P_FLOAT;
    case LAKE_DOUBLE:
        return P_DOUBLE;
    case LAKE_STRING:
        return P_BYTE_ARRAY;
    case LAKE_DECIMAL:
        return type->precision <= 9 ? P_INT32 : type->precision <= 18 ? P_INT64 : P_NONE;
    default:
        return P_NONE;
    }
}

/* parquet.thrift: ConvertedType. -1: none. */
static int converted_of(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_STRING:
        return 0; /* UTF8 */
    case LAKE_DECIMAL:
        return 5;
    case LAKE_DATE:
        return 6;
    case LAKE_TIMESTAMPTZ: /* TIMESTAMP_MICROS is of UTC */
        return 10;
    default:
        return -1;
    }
}

bool small_parquet_takes(const struct lake_schema *schema, const char *codec)
{
    if (strcmp(codec, "zstd") != 0 && strcmp(codec, "uncompressed") != 0)
        return false;
    for (size_t i = 0; i < schema->root.field_count; i++)
        if (physical_of(&schema->root.fields[i].type) == P_NONE)
            return false;
    return schema->root.field_count > 0;
}

/* parquet.thrift: LogicalType, a union. */
static void put_logical(struct thrift *t, const struct lake_type *type)
{
    if (converted_of(type) < 0 && type->kind != LAKE_TIMESTAMP)
        return;
    begin_field(t, 10);
    if (type->kind == LAKE_STRING) {
        put_empty(t, 1);
    } else if (type->kind == LAKE_DATE) {
        put_empty(t, 6);
    } else if (type->kind == LAKE_DECIMAL) {
        begin_field(t, 5);
        put_i32(t, 1, type->scale);
        put_i32(t, 2, type->precision);
        end(t);
    } else {
        begin_field(t, 8);
        put_bool(t, 1, type->kind == LAKE_TIMESTAMPTZ);
        begin_field(t, 2);
        put_empty(t, 2); /* microseconds */
        end(t);
        end(t);
    }
    end(t);
}

static void put_element(struct thrift *t, const struct lake_field *field)
{
    int converted = converted_of(&field->type);

    begin(t);
    put_i32(t, 1, physical_of(&field->type));
    put_i32(t, 3, 1); /* OPTIONAL */
    put_binary(t, 4, slice_str(field->name));
    if (converted >= 0)
        put_i32(t, 6, converted);
    if (field->type.kind == LAKE_DECIMAL) {
        put_i32(t, 7, field->type.scale);
        put_i32(t, 8, field->type.precision);
    }
    put_i32(t, 9, field->id);
    put_logical(t, &field->type);
    end(t);
}

/* ---- pages ---- */

struct column {
    const struct lake_field *field;
    struct small_stat *stat;
    int64_t at, size, plain_size; /* of the page with its header; before compression */
};

static int put_le(struct buf *out, uint64_t value, size_t len)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return buf_append(out, bytes, len);
}

/* A value as PLAIN wants it; booleans are packed by the caller. */
static int put_plain(const struct lake_type *type, const struct lake_value *v, struct buf *out)
{
    float real = (float)v->d;
    uint64_t bits = (uint64_t)v->i;
    uint32_t narrow;

    switch (physical_of(type)) {
    case P_INT32:
        return put_le(out, type->kind == LAKE_DECIMAL ? (uint64_t)v->dec : bits, 4);
    case P_INT64:
        return put_le(out, type->kind == LAKE_DECIMAL ? (uint64_t)v->dec : bits, 8);
    case P_FLOAT:
        memcpy(&narrow, &real, 4);
        return put_le(out, narrow, 4);
    case P_DOUBLE:
        memcpy(&bits, &v->d, 8);
        return put_le(out, bits, 8);
    default:
        return put_le(out, v->bytes.len, 4) ? ERR_NOMEM : buf_append_slice(out, v->bytes);
    }
}

/* Definition levels: bit-packed runs of 8, behind their length (Encodings.md, RLE). */
static int put_levels(duckdb_vector vector, idx_t rows, struct buf *out)
{
    uint64_t groups = (rows + 7) / 8, header = groups << 1 | 1;
    size_t header_len = header < 0x80 ? 1 : 2;
    uint8_t varint[2] = {(uint8_t)(header_len == 2 ? header | 0x80 : header),
                         (uint8_t)(header >> 7)};
    int rc = put_le(out, header_len + groups, 4);

    rc = rc ? rc : buf_append(out, varint, header_len);
    for (idx_t at = 0; at < rows && !rc; at += 8) {
        uint8_t bits = 0;

        for (idx_t i = at; i < rows && i < at + 8; i++)
            bits |= (uint8_t)(writer_row_valid(vector, i) << (i - at));
        rc = buf_append_u8(out, bits);
    }
    return rc;
}

static void note_value(const struct lake_type *type, const struct lake_value *v,
                       struct small_stat *stat)
{
    if (v->d != v->d) {
        stat->nan_count++;
        return;
    }
    if (stat->min.null || lake_value_cmp(type, v, &stat->min) < 0)
        stat->min = *v;
    if (stat->max.null || lake_value_cmp(type, v, &stat->max) > 0)
        stat->max = *v;
}

static int put_values(struct column *c, duckdb_vector vector, idx_t rows, struct buf *out)
{
    const struct lake_type *type = &c->field->type;
    uint8_t space[16], packed = 0;
    size_t bools = 0;
    int rc = 0;

    for (idx_t row = 0; row < rows && !rc; row++) {
        struct lake_value v;

        writer_value_at(type, vector, row, space, &v);
        if (v.null) {
            c->stat->null_count++;
            continue;
        }
        note_value(type, &v, c->stat);
        if (type->kind != LAKE_BOOLEAN) {
            rc = put_plain(type, &v, out);
            continue;
        }
        packed |= (uint8_t)(v.i << bools % 8);
        if (++bools % 8 == 0) {
            rc = buf_append_u8(out, packed);
            packed = 0;
        }
    }
    return rc || bools % 8 == 0 ? rc : buf_append_u8(out, packed);
}

static int put_page(struct column *c, duckdb_vector vector, idx_t rows, bool zstd, struct buf *out,
                    struct err *err)
{
    struct buf plain = {0}, packed = {0};
    struct thrift t = {.out = out};
    struct slice body;
    int rc = put_levels(vector, rows, &plain);

    rc = rc ? rc : put_values(c, vector, rows, &plain);
    if (!rc && zstd)
        rc = codec_compress(CODEC_ZSTD, 1, buf_slice(&plain), &packed, err);
    body = buf_slice(zstd ? &packed : &plain);
    c->at = (int64_t)out->len;
    begin(&t);
    put_i32(&t, 1, 0); /* DATA_PAGE */
    put_i32(&t, 2, (int64_t)plain.len);
    put_i32(&t, 3, (int64_t)body.len);
    begin_field(&t, 5);
    put_i32(&t, 1, (int64_t)rows);
    put_i32(&t, 2, 0); /* PLAIN */
    put_i32(&t, 3, 3); /* RLE */
    put_i32(&t, 4, 3);
    end(&t);
    end(&t);
    rc = rc ? rc : t.rc;
    c->plain_size = (int64_t)out->len - c->at + (int64_t)plain.len;
    rc = rc ? rc : buf_append_slice(out, body);
    c->size = (int64_t)out->len - c->at;
    c->stat->size_bytes = c->size;
    buf_deinit(&plain);
    buf_deinit(&packed);
    return rc;
}

/* ---- the footer ---- */

/* Bounds as PLAIN writes them, text without its length. */
static void put_bound(struct thrift *t, int number, const struct lake_type *type,
                      const struct lake_value *value)
{
    struct buf bytes = {0};

    if (type->kind == LAKE_BOOLEAN)
        t->rc = t->rc ? t->rc : buf_append_u8(&bytes, value->i != 0);
    else if (type->kind == LAKE_STRING)
        t->rc = t->rc ? t->rc : buf_append_slice(&bytes, value->bytes);
    else
        t->rc = t->rc ? t->rc : put_plain(type, value, &bytes);
    put_binary(t, number, buf_slice(&bytes));
    buf_deinit(&bytes);
}

/* Zero is written as -0 below and +0 above: parquet.thrift, on the order of floating point. */
static struct lake_value signed_zero(struct lake_value value, double zero)
{
    if (value.d == 0)
        value.d = zero;
    return value;
}

static void put_statistics(struct thrift *t, const struct column *c)
{
    const struct lake_type *type = &c->field->type;
    bool known = !c->stat->min.null && !c->stat->nan_count;
    struct lake_value min = signed_zero(c->stat->min, -0.0), max = signed_zero(c->stat->max, 0.0);

    begin_field(t, 12);
    put_i64(t, 3, c->stat->null_count);
    if (known) {
        put_bound(t, 5, type, &max);
        put_bound(t, 6, type, &min);
    }
    end(t);
}

static void put_chunk(struct thrift *t, const struct column *c, idx_t rows, bool zstd)
{
    begin(t);
    put_i64(t, 2, c->at);
    begin_field(t, 3);
    put_i32(t, 1, physical_of(&c->field->type));
    put_list(t, 2, T_I32, 2);
    put_zigzag(t, 0); /* PLAIN, RLE */
    put_zigzag(t, 3);
    put_list(t, 3, T_BINARY, 1);
    put_text(t, slice_str(c->field->name));
    put_i32(t, 4, zstd ? 6 : 0);
    put_i64(t, 5, (int64_t)rows);
    put_i64(t, 6, c->plain_size);
    put_i64(t, 7, c->size);
    put_i64(t, 9, c->at);
    put_statistics(t, c);
    end(t);
    end(t);
}

static int put_footer(const struct lake_schema *schema, const struct column *columns, idx_t rows,
                      bool zstd, struct buf *out)
{
    struct thrift t = {.out = out};
    size_t count = schema->root.field_count, begin_at = out->len;
    int64_t bytes = 0;
    int rc;

    for (size_t i = 0; i < count; i++)
        bytes += columns[i].plain_size;
    begin(&t);
    put_i32(&t, 1, 1);
    put_list(&t, 2, T_STRUCT, count + 1);
    begin(&t);
    put_binary(&t, 4, SLICE_LIT("schema"));
    put_i32(&t, 5, (int64_t)count);
    end(&t);
    for (size_t i = 0; i < count; i++)
        put_element(&t, &schema->root.fields[i]);
    put_i64(&t, 3, (int64_t)rows);
    put_list(&t, 4, T_STRUCT, 1);
    begin(&t);
    put_list(&t, 1, T_STRUCT, count);
    for (size_t i = 0; i < count; i++)
        put_chunk(&t, &columns[i], rows, zstd);
    put_i64(&t, 2, bytes);
    put_i64(&t, 3, (int64_t)rows);
    end(&t);
    put_binary(&t, 6, SLICE_LIT("tarn"));
    put_list(&t, 7, T_STRUCT, count); /* column orders, or bounds mean nothing */
    for (size_t i = 0; i < count; i++) {
        begin(&t);
        put_empty(&t, 1);
        end(&t);
    }
    end(&t);
    rc = t.rc ? t.rc : put_le(out, out->len - begin_at, 4);
    return rc ? rc : buf_append(out, "PAR1", 4);
}

int small_parquet_write(const struct lake_schema *schema, const char *codec,
                        duckdb_data_chunk chunk, struct arena *arena, struct buf *out,
                        struct small_stat *stats, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    size_t count = schema->root.field_count;
    struct column *columns = ARENA_ARRAY(arena, struct column, count);
    bool zstd = strcmp(codec, "zstd") == 0;
    int rc = columns ? buf_append(out, "PAR1", 4) : ERR_NOMEM;

    for (size_t i = 0; i < count && !rc; i++) {
        columns[i] = (struct column){.field = &schema->root.fields[i], .stat = &stats[i]};
        stats[i] = (struct small_stat){.min = {.null = true}, .max = {.null = true}};
        rc = put_page(&columns[i], duckdb_data_chunk_get_vector(chunk, i), rows, zstd, out, err);
    }
    rc = rc ? rc : put_footer(schema, columns, rows, zstd, out);
    for (size_t i = 0; i < count && !rc; i++) { /* the chunk may go */
        struct lake_value *ends[] = {&stats[i].min, &stats[i].max};

        for (int k = 0; k < 2 && !rc; k++)
            if (ends[k]->bytes.len && !(ends[k]->bytes = arena_slice(arena, ends[k]->bytes)).ptr)
                rc = ERR_NOMEM;
    }
    return rc ? err_set(err, rc, "a Parquet file") : 0;
}
