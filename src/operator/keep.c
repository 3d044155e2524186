/* keep.c - calls that keep more than a slot: values by order, by arrival, by how often they came.
 *
 * Values are bytes of a codec of one column: a byte that says whether it is NULL, then the value.
 * MIN and MAX keep them turned into bytes whose order is the values' order. Lists number values as
 * they come; when rows are taken back, a second map finds the first number of a value.
 */
#include <math.h>

#include "base/codec.h"
#include "base/json.h"
#include "operator/aggregate.h"

enum { BY_NUMBER, BY_VALUE }; /* maps of a list */

/* ---- what is kept how ---- */

static bool is_comparable(duckdb_type type)
{
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
        return true;
    default:
        return false;
    }
}

static const char *const names[] = {
    "COUNT",
    "SUM",
    "MIN",
    "MAX",
    "FIRST_VALUE",
    "LAST_VALUE",
    "LISTAGG",
    "COLLECT",
    "ARRAY_AGG",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
    "SINGLE_VALUE",
    "APPROX_COUNT_DISTINCT",
};

static enum keep kept_as(const struct agg_call *call, bool changes, bool slot)
{
    switch (call->spec.what) {
    case OP_COUNT:
    case OP_SUM:
        return KEEP_SLOT;
    case OP_MIN:
    case OP_MAX:
        return changes ? KEEP_SORTED : slot ? KEEP_SLOT : KEEP_ONE;
    case OP_FIRST_VALUE:
    case OP_LAST_VALUE:
        return changes ? KEEP_LIST : slot && !call->nulls ? KEEP_SLOT : KEEP_ONE;
    case OP_COLLECT:
        return KEEP_COUNTS;
    case OP_JSON_OBJECTAGG:
        return KEEP_MEMBERS;
    case OP_SINGLE_VALUE:
        return KEEP_ONE;
    case OP_APPROX_COUNT_DISTINCT:
        return KEEP_SKETCH;
    default:
        return KEEP_LIST;
    }
}

static int check(const struct agg_call *call, const struct vec_columns *columns, bool changes,
                 struct err *err)
{
    enum op_aggregate what = call->spec.what;

    if (what > OP_APPROX_COUNT_DISTINCT)
        return err_set(err, ERR_INVALID, "this function needs an OVER clause");
    if (call->spec.arg < 0 && what != OP_COUNT)
        return err_set(err, ERR_INVALID, "%s needs an argument", names[what]);
    if ((what == OP_MIN || what == OP_MAX) && !is_comparable(call->type) && !call->decimal)
        return err_set(err, ERR_UNSUPPORTED, "%s of column `%s`: its type has no order",
                       names[what], columns->list[call->spec.arg].name);
    if ((what == OP_LISTAGG || what == OP_JSON_OBJECTAGG || what == OP_JSON_ARRAYAGG) &&
        call->type != DUCKDB_TYPE_VARCHAR)
        return err_set(err, ERR_INVALID, "%s needs a VARCHAR", names[what]);
    if (what == OP_JSON_OBJECTAGG && call->spec.arg2 < 0)
        return err_set(err, ERR_INVALID, "JSON_OBJECTAGG needs a value");
    if (what == OP_APPROX_COUNT_DISTINCT && changes)
        return err_set(
            err, ERR_UNSUPPORTED,
            "APPROX_COUNT_DISTINCT over rows that are taken back: a sketch cannot forget "
            "a value; use COUNT(DISTINCT)");
    return 0;
}

static duckdb_logical_type result_type(const struct agg_call *call, duckdb_logical_type arg)
{
    duckdb_logical_type count, map;

    switch (call->spec.what) {
    case OP_LISTAGG:
    case OP_JSON_OBJECTAGG:
    case OP_JSON_ARRAYAGG:
        return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case OP_APPROX_COUNT_DISTINCT:
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case OP_ARRAY_AGG:
        return duckdb_create_list_type(arg);
    case OP_COLLECT:
        count = duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
        map = duckdb_create_map_type(arg, count);
        duckdb_destroy_logical_type(&count);
        return map;
    default:
        return vec_type_copy(arg);
    }
}

int keep_init(struct agg_call *call, const struct vec_columns *columns, bool changes,
              duckdb_logical_type *result, struct err *err)
{
    const struct op_call *spec = &call->spec;
    duckdb_logical_type arg = spec->arg < 0 ? NULL : columns->list[spec->arg].type;
    struct err ignored = {0};
    bool slot;
    int rc;

    call->type = arg ? duckdb_get_type_id(arg) : DUCKDB_TYPE_INVALID;
    call->decimal = call->type == DUCKDB_TYPE_DECIMAL;
    if (call->decimal)
        call->type = duckdb_decimal_internal_type(arg);
    call->nulls =
        spec->keep_nulls || spec->what == OP_SINGLE_VALUE || spec->what == OP_JSON_OBJECTAGG;
    rc = check(call, columns, changes, err);
    if (rc)
        return rc;
    slot = accumulator_init(&call->acc, spec, columns, result, &ignored) == 0;
    call->keep = kept_as(call, changes, slot);
    if (call->keep == KEEP_SLOT && !slot)
        return accumulator_init(&call->acc, spec, columns, result, err);
    call->distinct = spec->distinct && spec->arg >= 0 && spec->what != OP_MIN &&
                     spec->what != OP_MAX && call->keep != KEEP_SKETCH;
    if (call->keep == KEEP_SLOT)
        return 0;
    if (slot)
        duckdb_destroy_logical_type(result);
    *result = result_type(call, arg);
    return 0;
}

/* ---- bytes in the order of the values ---- */

static size_t width_of(duckdb_type type)
{
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
        return 1;
    case DUCKDB_TYPE_SMALLINT:
        return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_FLOAT:
        return 4;
    case DUCKDB_TYPE_HUGEINT:
        return 16;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
        return 0;
    default:
        return 8;
    }
}

/* Big-endian with the sign turned; of floating point all bits turned below zero. Its own inverse
 * but for which bit says that a number is negative. */
static void turn(duckdb_type type, const uint8_t *in, uint8_t *out, bool back)
{
    size_t width = width_of(type);
    bool real = type == DUCKDB_TYPE_FLOAT || type == DUCKDB_TYPE_DOUBLE, negative;

    for (size_t i = 0; i < width; i++)
        out[i] = in[width - 1 - i];
    if (back) {
        negative = !(in[0] & 0x80);
        out[width - 1] ^= 0x80;
    } else {
        negative = out[0] & 0x80;
        out[0] ^= 0x80;
    }
    for (size_t i = 0; real && negative && i < width; i++)
        out[i] ^= back ? (i == width - 1 ? 0x7f : 0xff) : (i ? 0xff : 0x7f);
}

/* Of a value that is not NULL. Text is in its order already. */
static int to_order(duckdb_type type, struct slice value, struct buf *out)
{
    uint8_t bytes[16];
    size_t width = width_of(type);

    buf_clear(out);
    if (!width)
        return buf_append(out, value.ptr + 5, value.len - 5);
    turn(type, value.ptr + 1, bytes, false);
    return buf_append(out, bytes, width);
}

static int put_u32(struct buf *out, size_t value)
{
    uint32_t v = (uint32_t)value;

    return value > UINT32_MAX ? ERR_LIMIT : buf_append(out, &v, sizeof(v));
}

static int from_order(duckdb_type type, struct slice order, struct buf *out)
{
    uint8_t bytes[16];
    size_t width = width_of(type);
    int rc = buf_append_u8(out, 0);

    if (width) {
        turn(type, order.ptr, bytes, true);
        return rc ? rc : buf_append(out, bytes, width);
    }
    if (!rc)
        rc = put_u32(out, order.len);
    return rc ? rc : buf_append_slice(out, order);
}

/* ---- the tables ---- */

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "an aggregate");
}

static int map_at(struct ordered *map, size_t call, const struct agg_place *at, uint8_t part,
                  struct err *err)
{
    return ordered_at(map, at->store->ordered, at->space, at->key, (uint8_t)call, part, err);
}

/* The name of a call's one value, in agg->scratch. */
static int kept_key(struct agg *agg, size_t call, const struct agg_place *at, struct state_key *out,
                    struct err *err)
{
    buf_clear(&agg->scratch);
    if (buf_append_slice(&agg->scratch, at->key) || buf_append_u8(&agg->scratch, (uint8_t)call))
        return no_memory(err);
    *out = (struct state_key){at->space, buf_slice(&agg->scratch), {0}};
    return 0;
}

static bool is_null(struct slice value)
{
    return value.ptr[0] & 1;
}

/* ---- one value ---- */

int agg_put_kept(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                 struct err *err)
{
    struct state_key key;
    int rc = kept_key(agg, call, at, &key, err);

    return rc ? rc : state_put(at->store->kept, &key, value, err);
}

static int drop_kept(struct agg *agg, size_t call, const struct agg_place *at, struct err *err)
{
    struct state_key key;
    int rc = kept_key(agg, call, at, &key, err);

    return rc ? rc : state_drop(at->store->kept, &key, err);
}

int agg_get_kept(struct agg *agg, size_t call, const struct agg_place *at, struct slice *out,
                 struct err *err)
{
    struct state_key key;
    uint32_t len = 0;
    int rc = kept_key(agg, call, at, &key, err);

    out->ptr = rc ? NULL : state_look(at->store->kept, &key, &len);
    out->len = len;
    return rc;
}

static int add_least(struct agg *agg, size_t call, const struct agg_place *at, struct slice order,
                     struct err *err)
{
    struct slice old;
    int rc = agg_get_kept(agg, call, at, &old, err);
    int way = agg->calls[call].spec.what == OP_MIN ? -1 : 1;

    if (rc || (old.ptr && slice_cmp(order, old) * way <= 0))
        return rc;
    return agg_put_kept(agg, call, at, order, err);
}

/* A second value is an error, in the order of the rows: an update takes the first back before. */
static int add_single(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                      int sign, struct err *err)
{
    struct slot *slot = agg_slot(agg, at->group, call);

    if (sign < 0) {
        slot->n = 0;
        return drop_kept(agg, call, at, err);
    }
    if (slot->n)
        return err_set(err, ERR_INVALID, "a scalar subquery gave more than one row");
    slot->n = 1;
    return agg_put_kept(agg, call, at, value, err);
}

static int add_one(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                   int sign, struct err *err)
{
    const struct agg_call *c = &agg->calls[call];
    struct slot *slot = agg_slot(agg, at->group, call);

    if (c->spec.what == OP_SINGLE_VALUE)
        return add_single(agg, call, at, value, sign, err);
    slot->n++;
    if (c->spec.what == OP_FIRST_VALUE)
        return slot->n == 1 ? agg_put_kept(agg, call, at, value, err) : 0;
    if (c->spec.what == OP_LAST_VALUE)
        return agg_put_kept(agg, call, at, value, err);
    if (to_order(c->type, value, &agg->result))
        return no_memory(err);
    return add_least(agg, call, at, buf_slice(&agg->result), err);
}

/* ---- values in order, and lists ---- */

static int add_sorted(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                      int sign, struct err *err)
{
    int rc = map_at(&agg->map, call, at, 0, err);

    if (!rc && to_order(agg->calls[call].type, value, &agg->result))
        rc = no_memory(err);
    return rc ? rc : ordered_count(&agg->map, buf_slice(&agg->result), sign, err);
}

static int add_count(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                     int64_t by, struct err *err)
{
    int rc = map_at(&agg->map, call, at, 0, err);

    return rc ? rc : ordered_count(&agg->map, value, by, err);
}

static void put_number(uint8_t out[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

/* Value and number, in agg->result: where BY_VALUE has it. */
static int value_key(struct agg *agg, struct slice value, const uint8_t number[8], struct err *err)
{
    buf_clear(&agg->result);
    return buf_append_slice(&agg->result, value) || buf_append(&agg->result, number, 8)
               ? no_memory(err)
               : 0;
}

static int append(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                  struct err *err)
{
    uint8_t number[8];
    int rc = map_at(&agg->map, call, at, BY_NUMBER, err);

    put_number(number, (uint64_t)agg_slot(agg, at->group, call)->v.i64++);
    if (!rc)
        rc = ordered_set(&agg->map, slice_of(number, sizeof(number)), value, err);
    if (rc || agg->kind_column < 0)
        return rc;
    rc = map_at(&agg->twin, call, at, BY_VALUE, err);
    if (!rc)
        rc = value_key(agg, value, number, err);
    return rc ? rc : ordered_set(&agg->twin, buf_slice(&agg->result), SLICE_LIT(""), err);
}

/* The first of equal values goes, as in Flink; one that is not there is passed over. */
static int take_out(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                    struct err *err)
{
    uint8_t number[8] = {0};
    struct ordered_walk walk;
    struct ordered_item item;
    int rc = map_at(&agg->twin, call, at, BY_VALUE, err);

    if (!rc)
        rc = value_key(agg, value, number, err);
    if (rc)
        return rc;
    ordered_from(&walk, &agg->twin, buf_slice(&agg->result));
    if (!ordered_next(&walk, &item) || item.key.len != value.len + 8 ||
        memcmp(item.key.ptr, value.ptr, value.len) != 0)
        return 0;
    memcpy(number, item.key.ptr + value.len, sizeof(number));
    rc = value_key(agg, value, number, err);
    if (!rc)
        rc = ordered_remove(&agg->twin, buf_slice(&agg->result), err);
    if (!rc)
        rc = map_at(&agg->map, call, at, BY_NUMBER, err);
    return rc ? rc : ordered_remove(&agg->map, slice_of(number, sizeof(number)), err);
}

static struct slice text_in(struct slice value)
{
    return slice_of(value.ptr + 5, value.len - 5);
}

static int add_member(struct agg *agg, size_t call, const struct agg_place *at, struct slice name,
                      struct slice value, int sign, struct err *err)
{
    int rc = map_at(&agg->map, call, at, 0, err);

    if (rc)
        return rc;
    if (is_null(name))
        return err_set(err, ERR_INVALID, "Key of JSON_OBJECTAGG is null");
    name = text_in(name);
    if (sign < 0)
        return ordered_remove(&agg->map, name, err);
    if (ordered_get(&agg->map, name).ptr)
        return err_set(err, ERR_INVALID,
                       "JSON_OBJECTAGG: the key '" SLICE_FMT "' is there already; keys must be "
                       "unique",
                       SLICE_ARG(name));
    return ordered_set(&agg->map, name, value, err);
}

int keep_add(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
             struct slice value2, int sign, struct err *err)
{
    switch (agg->calls[call].keep) {
    case KEEP_SLOT:
        return 0;
    case KEEP_ONE:
        return add_one(agg, call, at, value, sign, err);
    case KEEP_SORTED:
        return add_sorted(agg, call, at, value, sign, err);
    case KEEP_LIST:
        return sign > 0 ? append(agg, call, at, value, err) : take_out(agg, call, at, value, err);
    case KEEP_COUNTS:
        return add_count(agg, call, at, value, sign, err);
    case KEEP_MEMBERS:
        return add_member(agg, call, at, value, value2, sign, err);
    case KEEP_SKETCH:
        return hll_add(agg, call, at, value, err);
    }
    return 0;
}

/* ---- results ---- */

static int put_null(struct buf *out)
{
    return buf_append_u8(out, 1);
}

static int one_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
                      struct err *err)
{
    enum op_aggregate what = agg->calls[call].spec.what;
    struct slice value;
    int rc = agg_get_kept(agg, call, at, &value, err);

    if (rc)
        return rc;
    if (!value.ptr)
        return put_null(out);
    return what == OP_MIN || what == OP_MAX ? from_order(agg->calls[call].type, value, out)
                                            : buf_append_slice(out, value);
}

static int64_t count_in(const struct ordered_item *item)
{
    int64_t count;

    memcpy(&count, item->payload.ptr, sizeof(count));
    return count;
}

/* A value may have been taken back before it came: its number is below 0 then. */
static int sorted_result(const struct agg_call *call, struct ordered *map, struct buf *out)
{
    struct ordered_walk walk;
    struct ordered_item item;

    if (call->spec.what == OP_MIN)
        ordered_first(&walk, map);
    else
        ordered_last(&walk, map);
    while (ordered_next(&walk, &item))
        if (count_in(&item) > 0)
            return from_order(call->type, item.key, out);
    return put_null(out);
}

static int end_result(const struct agg_call *call, struct ordered *map, struct buf *out)
{
    struct ordered_walk walk;
    struct ordered_item item;

    if (call->spec.what == OP_FIRST_VALUE)
        ordered_first(&walk, map);
    else
        ordered_last(&walk, map);
    return ordered_next(&walk, &item) ? buf_append_slice(out, item.payload) : put_null(out);
}

/* A text whose length is not known before: made behind its head. */
static int begin_text(struct buf *out)
{
    static const uint8_t head[5];

    return buf_append(out, head, sizeof(head));
}

static int end_text(struct buf *out, size_t start)
{
    size_t len = out->len - start - 5;
    uint32_t v = (uint32_t)len;

    memcpy(out->ptr + start + 1, &v, sizeof(v));
    return len > UINT32_MAX ? ERR_LIMIT : 0;
}

static int listagg_result(const struct agg_call *call, struct ordered *map, struct buf *out)
{
    const char *separator = call->spec.separator ? call->spec.separator : ",";
    struct ordered_walk walk;
    struct ordered_item item;
    size_t start = out->len;
    bool any = false;
    int rc = begin_text(out);

    ordered_first(&walk, map);
    while (!rc && ordered_next(&walk, &item)) {
        if (any)
            rc = buf_append_str(out, separator);
        if (!rc && !is_null(item.payload))
            rc = buf_append_slice(out, text_in(item.payload));
        any = true;
    }
    if (!rc && !any) {
        out->len = start;
        return put_null(out);
    }
    return rc ? rc : end_text(out, start);
}

static int json_value(struct buf *out, struct slice value)
{
    return is_null(value) ? buf_append_str(out, "null") : buf_append_slice(out, text_in(value));
}

static int json_result(const struct agg_call *call, struct ordered *map, struct buf *out)
{
    bool object = call->spec.what == OP_JSON_OBJECTAGG, any = false;
    struct ordered_walk walk;
    struct ordered_item item;
    size_t start = out->len;
    int rc = begin_text(out);

    if (!rc)
        rc = buf_append_u8(out, object ? '{' : '[');
    ordered_first(&walk, map);
    while (!rc && ordered_next(&walk, &item)) {
        if (is_null(item.payload) && !call->spec.keep_nulls)
            continue;
        if (any)
            rc = buf_append_u8(out, ',');
        any = true;
        if (!rc && object)
            rc = json_quote(out, item.key);
        if (!rc && object)
            rc = buf_append_u8(out, ':');
        if (!rc)
            rc = json_value(out, item.payload);
    }
    if (!rc)
        rc = buf_append_u8(out, object ? '}' : ']');
    return rc ? rc : end_text(out, start);
}

static uint32_t count_items(struct ordered *map, bool counts)
{
    struct ordered_walk walk;
    struct ordered_item item;
    uint32_t count = 0;

    ordered_first(&walk, map);
    while (ordered_next(&walk, &item))
        count += !counts || count_in(&item) > 0;
    return count;
}

/* A list: how many, a bit for each that is NULL, the values. COLLECT's are pairs. */
static int list_result(const struct agg_call *call, struct ordered *map, struct buf *out)
{
    bool pairs = call->spec.what == OP_COLLECT;
    uint32_t count = count_items(map, pairs), i = 0;
    struct ordered_walk walk;
    struct ordered_item item;
    size_t bits;
    int rc;

    if (!count && !pairs)
        return put_null(out);
    rc = buf_append_u8(out, 0);
    if (!rc)
        rc = put_u32(out, count);
    bits = out->len;
    if (!rc)
        rc = buf_reserve(out, (count + 7) / 8);
    if (rc)
        return rc;
    memset(out->ptr + bits, 0, (count + 7) / 8);
    out->len += (count + 7) / 8;
    ordered_first(&walk, map);
    while (!rc && ordered_next(&walk, &item)) {
        struct slice value = pairs ? item.key : item.payload;
        int32_t often;

        if (pairs && count_in(&item) <= 0)
            continue;
        often = pairs ? (int32_t)count_in(&item) : 0;
        if (pairs)
            rc = buf_append_slice(out, value); /* its head is the pair's: the count is not NULL */
        else if (is_null(value))
            out->ptr[bits + i / 8] |= (uint8_t)(1 << i % 8);
        else
            rc = buf_append(out, value.ptr + 1, value.len - 1);
        if (!rc && pairs)
            rc = buf_append(out, &often, sizeof(often));
        i++;
    }
    return rc;
}

static int map_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
                      struct err *err)
{
    const struct agg_call *c = &agg->calls[call];
    int rc = map_at(&agg->map, call, at, 0, err);

    if (rc)
        return rc;
    switch (c->spec.what) {
    case OP_MIN:
    case OP_MAX:
        return sorted_result(c, &agg->map, out);
    case OP_FIRST_VALUE:
    case OP_LAST_VALUE:
        return end_result(c, &agg->map, out);
    case OP_LISTAGG:
        return listagg_result(c, &agg->map, out);
    case OP_COLLECT:
    case OP_ARRAY_AGG:
        return list_result(c, &agg->map, out);
    default:
        return json_result(c, &agg->map, out);
    }
}

int keep_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
                struct err *err)
{
    int rc;

    switch (agg->calls[call].keep) {
    case KEEP_SLOT:
        return 0;
    case KEEP_ONE:
        rc = one_result(agg, call, at, out, err);
        break;
    case KEEP_SKETCH:
        rc = hll_result(agg, call, at, out, err);
        break;
    default:
        rc = map_result(agg, call, at, out, err);
        break;
    }
    return rc == ERR_NOMEM || rc == ERR_LIMIT
               ? err_set(err, rc, "the result of %s", names[agg->calls[call].spec.what])
               : rc;
}

/* ---- groups that become one ---- */

static int merge_one(struct agg *agg, size_t call, const struct agg_place *from,
                     const struct agg_place *into, struct err *err)
{
    enum op_aggregate what = agg->calls[call].spec.what;
    struct slot *slot = agg_slot(agg, into->group, call);
    struct slice value;
    int rc = agg_get_kept(agg, call, from, &value, err);

    if (rc || !value.ptr)
        return rc;
    if (what == OP_MIN || what == OP_MAX)
        return add_least(agg, call, into, value, err);
    if (what == OP_SINGLE_VALUE)
        return add_single(agg, call, into, value, 1, err);
    if (what == OP_LAST_VALUE || !slot->n)
        rc = agg_put_kept(agg, call, into, value, err);
    slot->n += agg_slot(agg, from->group, call)->n;
    return rc;
}

/* What one list has goes behind what the other has, as Flink merges them. Other entries of the
 * table may change while a map is walked: none of them moves. */
static int merge_maps(struct agg *agg, size_t call, const struct agg_place *from,
                      const struct agg_place *into, struct err *err)
{
    enum keep keep = agg->calls[call].keep;
    struct ordered source = {0};
    struct ordered_walk walk;
    struct ordered_item item;
    int rc = map_at(&source, call, from, 0, err);

    if (!rc)
        ordered_first(&walk, &source);
    while (!rc && ordered_next(&walk, &item)) {
        if (keep == KEEP_LIST) {
            rc = append(agg, call, into, item.payload, err);
        } else if (keep == KEEP_MEMBERS) {
            rc = map_at(&agg->map, call, into, 0, err);
            if (!rc)
                rc = ordered_set(&agg->map, item.key, item.payload, err);
        } else {
            rc = add_count(agg, call, into, item.key, count_in(&item), err);
        }
    }
    ordered_deinit(&source);
    return rc;
}

int keep_merge(struct agg *agg, size_t call, const struct agg_place *from,
               const struct agg_place *into, struct err *err)
{
    switch (agg->calls[call].keep) {
    case KEEP_SLOT:
        accumulator_merge(&agg->calls[call].acc, agg_slot(agg, into->group, call),
                          agg_slot(agg, from->group, call));
        return 0;
    case KEEP_ONE:
        return merge_one(agg, call, from, into, err);
    case KEEP_SKETCH:
        return hll_merge(agg, call, from, into, err);
    default:
        return merge_maps(agg, call, from, into, err);
    }
}

int keep_drop(struct agg *agg, size_t call, const struct agg_place *at, struct err *err)
{
    enum keep keep = agg->calls[call].keep;
    int rc;

    if (keep == KEEP_SLOT)
        return 0;
    if (keep == KEEP_ONE || keep == KEEP_SKETCH)
        return drop_kept(agg, call, at, err);
    rc = map_at(&agg->map, call, at, 0, err);
    if (!rc)
        rc = ordered_drop(&agg->map, err);
    if (rc || keep != KEEP_LIST || agg->kind_column < 0)
        return rc;
    rc = map_at(&agg->map, call, at, BY_VALUE, err);
    return rc ? rc : ordered_drop(&agg->map, err);
}
