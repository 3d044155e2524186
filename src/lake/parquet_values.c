/* parquet_values.c - values as PLAIN has them (Encodings.md, PLAIN = 0): little endian numbers,
 * booleans eight to a byte, texts behind their length, values of a fixed length as they are. */
#include "lake/parquet_int.h"

int parquet_check_widths(const struct parquet_leaf *leaf, struct parquet_values values,
                         struct err *err)
{
    const duckdb_string_t *texts = values.data;

    if (leaf->kind != CLASS_BYTES || leaf->physical != P_FIXED)
        return 0;
    for (size_t i = 0; i < values.count; i++) {
        size_t len = parquet_text(&texts[i]).len;

        if (len != (size_t)leaf->width)
            return err_set(err, ERR_INVALID,
                           "a value of %zu bytes in a column of %" PRId32 " bytes (fixed[%" PRId32
                           "])",
                           len, leaf->width, leaf->width);
    }
    return 0;
}

/* Big endian, as many bytes as the type has. */
static void huge_bytes(const struct parquet_leaf *leaf, __int128 value, uint8_t *out)
{
    if (leaf->field->type.kind == LAKE_UUID)
        value ^= (__int128)((unsigned __int128)1 << 127);
    for (int32_t i = leaf->width; i-- > 0; value >>= 8)
        out[i] = (uint8_t)value;
}

int parquet_plain_value(const struct parquet_leaf *leaf, const void *value, struct buf *out)
{
    uint8_t bytes[16];
    __int128 huge;

    switch (leaf->kind) {
    case CLASS_HUGE:
        memcpy(&huge, value, sizeof(huge));
        huge_bytes(leaf, huge, bytes);
        return buf_append(out, bytes, (size_t)leaf->width);
    case CLASS_BYTES:
        return buf_append_slice(out, parquet_text(value));
    default:
        return buf_append(out, value, leaf->size);
    }
}

static int add_bools(struct parquet_leaf *leaf, const uint8_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++, leaf->bits++) {
        if (leaf->bits % 8 == 0 && buf_append_u8(&leaf->plain, 0))
            return ERR_NOMEM;
        leaf->plain.ptr[leaf->plain.len - 1] |= (uint8_t)((values[i] != 0) << leaf->bits % 8);
    }
    return 0;
}

static int add_huge(struct parquet_leaf *leaf, const uint8_t *values, size_t count)
{
    size_t width = (size_t)leaf->width;
    __int128 value;

    if (buf_reserve(&leaf->plain, count * width + 1))
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++, leaf->plain.len += width) {
        memcpy(&value, values + i * sizeof(value), sizeof(value)); /* DuckDB aligns to 8 */
        huge_bytes(leaf, value, leaf->plain.ptr + leaf->plain.len);
    }
    return 0;
}

/* Short texts, which are most, are in the vector itself and copied without a call. */
static inline uint8_t *put_text(uint8_t *to, const duckdb_string_t *s)
{
    uint32_t len = s->value.inlined.length;

    memcpy(to, &len, 4);
    if (len <= 12)
        memcpy(to + 4, s->value.inlined.inlined, 12);
    else
        memcpy(to + 4, s->value.pointer.ptr, len);
    return to + 4 + len;
}

static int add_texts(struct parquet_leaf *leaf, const duckdb_string_t *values, size_t count,
                     size_t max, size_t *taken)
{
    struct buf *plain = &leaf->plain;
    size_t before = plain->len;

    for (*taken = 0; *taken < count && plain->len < max; ++*taken) {
        const duckdb_string_t *s = &values[*taken];

        if (plain->cap - plain->len < (size_t)s->value.inlined.length + 32 &&
            buf_reserve(plain, (size_t)s->value.inlined.length + 32))
            return ERR_NOMEM;
        plain->len = (size_t)(put_text(plain->ptr + plain->len, s) - plain->ptr);
    }
    leaf->text_bytes += (int64_t)(plain->len - before - *taken * 4);
    return 0;
}

static int add_fixed(struct parquet_leaf *leaf, const duckdb_string_t *values, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_append_slice(&leaf->plain, parquet_text(&values[i]));
    return rc;
}

int parquet_plain_add(struct parquet_leaf *leaf, struct parquet_values values, size_t max,
                      size_t *taken)
{
    size_t width = leaf->width ? (size_t)leaf->width : leaf->size;
    size_t room = max > leaf->plain.len ? (max - leaf->plain.len) / width + 1 : 1;
    size_t before = leaf->plain.len;
    int rc;

    *taken = values.count < room ? values.count : room;
    switch (leaf->kind) {
    case CLASS_BOOL:
        *taken = values.count;
        rc = add_bools(leaf, values.data, *taken);
        break;
    case CLASS_HUGE:
        rc = add_huge(leaf, values.data, *taken);
        break;
    case CLASS_BYTES:
        rc = leaf->physical == P_FIXED ? add_fixed(leaf, values.data, *taken)
                                       : add_texts(leaf, values.data, values.count,
                                                   max > before ? max : before + 1, taken);
        break;
    default:
        rc = buf_append(&leaf->plain, values.data, *taken * leaf->size);
    }
    return rc;
}
