/* parquet_extent.c - the least and the greatest of values, and how bounds are written of them.
 *
 * parquet.thrift, Statistics: numbers by their value, bytes unsigned from the front. NaN is in no
 * order and counted instead. Zero is written as -0 below and as +0 above, since readers may take
 * the one for less than the other.
 */
#include <math.h>

#include "lake/parquet_int.h"

void parquet_extent_clear(struct parquet_extent *e)
{
    e->any = false;
    e->nans = 0;
    buf_clear(&e->low);
    buf_clear(&e->high);
}

void parquet_extent_deinit(struct parquet_extent *e)
{
    buf_deinit(&e->low);
    buf_deinit(&e->high);
}

static int keep(struct buf *to, struct slice value)
{
    buf_clear(to);
    return buf_append_slice(to, value);
}

int parquet_extent_text(struct parquet_extent *e, struct slice value)
{
    int rc = 0;

    if (!e->any || slice_cmp(value, buf_slice(&e->low)) < 0)
        rc = keep(&e->low, value);
    if (!rc && (!e->any || slice_cmp(value, buf_slice(&e->high)) > 0))
        rc = keep(&e->high, value);
    e->any = true;
    return rc;
}

static void widen_ints(struct parquet_extent *e, __int128 low, __int128 high)
{
    if (!e->any || low < e->low_i)
        e->low_i = low;
    if (!e->any || high > e->high_i)
        e->high_i = high;
    e->any = true;
}

static void widen_reals(struct parquet_extent *e, double low, double high)
{
    if (!e->any || low < e->low_d)
        e->low_d = low;
    if (!e->any || high > e->high_d)
        e->high_d = high;
    e->any = true;
}

#define INTS(name, type)                                                                           \
    static void name(struct parquet_extent *e, const type *values, size_t count)                   \
    {                                                                                              \
        type low = values[0], high = values[0];                                                    \
                                                                                                   \
        for (size_t i = 1; i < count; i++) {                                                       \
            low = values[i] < low ? values[i] : low;                                               \
            high = values[i] > high ? values[i] : high;                                            \
        }                                                                                          \
        widen_ints(e, low, high);                                                                  \
    }
INTS(add_bools, uint8_t)
INTS(add_ints, int32_t)
INTS(add_longs, int64_t)

/* DuckDB aligns to 8 bytes what C would align to 16. */
static void add_huge(struct parquet_extent *e, const uint8_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        __int128 value;

        memcpy(&value, values + i * sizeof(value), sizeof(value));
        widen_ints(e, value, value);
    }
}

#define REALS(name, type)                                                                          \
    static void name(struct parquet_extent *e, const type *values, size_t count)                   \
    {                                                                                              \
        type low = (type)INFINITY, high = (type)-INFINITY;                                         \
        size_t nans = 0;                                                                           \
                                                                                                   \
        for (size_t i = 0; i < count; i++) { /* NaN is neither */                                  \
            low = values[i] < low ? values[i] : low;                                               \
            high = values[i] > high ? values[i] : high;                                            \
            nans += values[i] != values[i];                                                        \
        }                                                                                          \
        e->nans += (int64_t)nans;                                                                  \
        if (nans < count)                                                                          \
            widen_reals(e, (double)low, (double)high);                                             \
    }
REALS(add_floats, float)
REALS(add_doubles, double)

int parquet_extent_add(struct parquet_extent *e, enum parquet_class kind,
                       struct parquet_values values)
{
    const duckdb_string_t *texts = values.data;
    int rc = 0;

    if (!values.count)
        return 0;
    switch (kind) {
    case CLASS_BOOL:
        add_bools(e, values.data, values.count);
        break;
    case CLASS_INT:
        add_ints(e, values.data, values.count);
        break;
    case CLASS_LONG:
        add_longs(e, values.data, values.count);
        break;
    case CLASS_FLOAT:
        add_floats(e, values.data, values.count);
        break;
    case CLASS_DOUBLE:
        add_doubles(e, values.data, values.count);
        break;
    case CLASS_HUGE:
        add_huge(e, values.data, values.count);
        break;
    case CLASS_BYTES:
        for (size_t i = 0; i < values.count && !rc; i++)
            rc = parquet_extent_text(e, parquet_text(&texts[i]));
    }
    return rc;
}

int parquet_extent_merge(struct parquet_extent *e, enum parquet_class kind,
                         const struct parquet_extent *other)
{
    int rc = 0;

    e->nans += other->nans;
    if (!other->any)
        return 0;
    if (kind == CLASS_BYTES) {
        rc = parquet_extent_text(e, buf_slice(&other->low));
        return rc ? rc : parquet_extent_text(e, buf_slice(&other->high));
    }
    if (kind == CLASS_FLOAT || kind == CLASS_DOUBLE)
        widen_reals(e, other->low_d, other->high_d);
    else
        widen_ints(e, other->low_i, other->high_i);
    return 0;
}

static double real_end(const struct parquet_extent *e, bool upper)
{
    double value = upper ? e->high_d : e->low_d;

    return value != 0 ? value : upper ? 0.0 : -0.0;
}

/* One end as PLAIN has it, texts without a length. */
static int put_end(const struct parquet_extent *e, const struct parquet_leaf *leaf, bool upper,
                   struct buf *out)
{
    __int128 number = upper ? e->high_i : e->low_i;
    double real = real_end(e, upper);
    float narrow = (float)real;

    switch (leaf->kind) {
    case CLASS_BYTES:
        return buf_append_slice(out, buf_slice(upper ? &e->high : &e->low));
    case CLASS_FLOAT:
        return buf_append(out, &narrow, sizeof(narrow));
    case CLASS_DOUBLE:
        return buf_append(out, &real, sizeof(real));
    default: /* little endian: the first bytes are the narrow number */
        return parquet_plain_value(leaf, &number, out);
    }
}

int parquet_extent_bound(const struct parquet_extent *e, const struct parquet_leaf *leaf,
                         bool upper, size_t max, struct arena *arena, struct slice *out,
                         bool *exact)
{
    struct buf whole = {0};
    int rc = 0;

    *out = (struct slice){0};
    *exact = true;
    if (!e->any)
        return 0;
    rc = put_end(e, leaf, upper, &whole);
    if (!rc && leaf->physical == P_BYTE_ARRAY && whole.len > max) {
        rc = lake_bound_cut(&leaf->field->type, buf_slice(&whole), upper, (int32_t)max, arena, out);
        *exact = slice_eq(*out, buf_slice(&whole));
    } else if (!rc) {
        *out = arena_slice(arena, buf_slice(&whole));
        rc = out->ptr ? 0 : ERR_NOMEM;
    }
    buf_deinit(&whole);
    return rc;
}

int parquet_extent_value(const struct parquet_extent *e, const struct parquet_leaf *leaf,
                         bool upper, struct arena *arena, struct lake_value *out)
{
    struct buf whole = {0};
    __int128 number = upper ? e->high_i : e->low_i;
    int rc = 0;

    *out = (struct lake_value){.null = !e->any};
    if (!e->any)
        return 0;
    out->i = (int64_t)number;
    out->dec = number;
    out->d = real_end(e, upper);
    if (leaf->kind == CLASS_BYTES || leaf->field->type.kind == LAKE_UUID) {
        rc = put_end(e, leaf, upper, &whole);
        out->bytes = rc ? out->bytes : arena_slice(arena, buf_slice(&whole));
        rc = rc || out->bytes.ptr ? rc : ERR_NOMEM;
    }
    buf_deinit(&whole);
    return rc;
}
