/* accumulate.c - COUNT, SUM, MIN and MAX over columns: values are widened to one of three forms
 * once a chunk, so that there are three loops and not one for each type. */
#include <stddef.h>

#include "operator/operator_int.h"

#define DECIMAL_MAX_LOW  687399551400673280ULL /* 10^38, in two words */
#define DECIMAL_MAX_HIGH 5421010862427522170ULL

static const struct {
    duckdb_type type;
    enum rep rep;
} reps[] = {
    {DUCKDB_TYPE_BOOLEAN, REP_I64},      {DUCKDB_TYPE_TINYINT, REP_I64},
    {DUCKDB_TYPE_SMALLINT, REP_I64},     {DUCKDB_TYPE_INTEGER, REP_I64},
    {DUCKDB_TYPE_BIGINT, REP_I64},       {DUCKDB_TYPE_DATE, REP_I64},
    {DUCKDB_TYPE_TIME, REP_I64},         {DUCKDB_TYPE_TIMESTAMP, REP_I64},
    {DUCKDB_TYPE_TIMESTAMP_TZ, REP_I64}, {DUCKDB_TYPE_FLOAT, REP_F64},
    {DUCKDB_TYPE_DOUBLE, REP_F64},       {DUCKDB_TYPE_HUGEINT, REP_I128},
    {DUCKDB_TYPE_DECIMAL, REP_I128},
};

static bool is_number(duckdb_type type)
{
    return type == DUCKDB_TYPE_TINYINT || type == DUCKDB_TYPE_SMALLINT ||
           type == DUCKDB_TYPE_INTEGER || type == DUCKDB_TYPE_BIGINT || type == DUCKDB_TYPE_FLOAT ||
           type == DUCKDB_TYPE_DOUBLE || type == DUCKDB_TYPE_DECIMAL;
}

static duckdb_logical_type sum_type(const struct accumulator *acc, duckdb_logical_type arg)
{
    if (acc->rep == REP_I64)
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    if (acc->rep == REP_F64)
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    return duckdb_create_decimal_type(38, duckdb_decimal_scale(arg));
}

int accumulator_init(struct accumulator *acc, const struct op_call *call,
                     const struct vec_columns *columns, duckdb_logical_type *result,
                     struct err *err)
{
    static const char *const names[] = {"COUNT", "SUM", "MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"};
    duckdb_logical_type arg = call->arg < 0 ? NULL : columns->list[call->arg].type;

    *acc = (struct accumulator){.what = call->what};
    if (call->what == OP_COUNT) {
        *result = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
        return 0;
    }
    if (call->what >= COUNT_OF(names))
        return err_set(err, ERR_UNSUPPORTED, "an aggregate that keeps more than a slot");
    acc->type = acc->stored = duckdb_get_type_id(arg);
    if (acc->type == DUCKDB_TYPE_DECIMAL)
        acc->stored = duckdb_decimal_internal_type(arg);
    for (size_t i = 0; i < COUNT_OF(reps); i++)
        if (reps[i].type == acc->type)
            acc->rep = reps[i].rep;
    if (acc->rep == REP_NONE || (call->what == OP_SUM && !is_number(acc->type)))
        return err_set(err, ERR_UNSUPPORTED, "%s of column `%s`: its type is not built yet",
                       names[call->what], columns->list[call->arg].name);
    *result = call->what == OP_SUM ? sum_type(acc, arg) : vec_type_copy(arg);
    return 0;
}

/* ---- values in ---- */

#define WIDEN(to, from)                                                                            \
    do {                                                                                           \
        const from *in_ = data;                                                                    \
        to *out_ = out;                                                                            \
        for (idx_t i_ = 0; i_ < rows; i_++)                                                        \
            out_[i_] = (to)in_[i_];                                                                \
    } while (0)

static void read_i64(duckdb_type type, const void *data, idx_t rows, void *out)
{
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        WIDEN(int64_t, bool);
        return;
    case DUCKDB_TYPE_TINYINT:
        WIDEN(int64_t, int8_t);
        return;
    case DUCKDB_TYPE_SMALLINT:
        WIDEN(int64_t, int16_t);
        return;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
        WIDEN(int64_t, int32_t);
        return;
    default:
        memcpy(out, data, rows * sizeof(int64_t));
        return;
    }
}

static void read_i128(duckdb_type stored, const void *data, idx_t rows, void *out)
{
    switch (stored) {
    case DUCKDB_TYPE_SMALLINT:
        WIDEN(__int128, int16_t);
        return;
    case DUCKDB_TYPE_INTEGER:
        WIDEN(__int128, int32_t);
        return;
    case DUCKDB_TYPE_BIGINT:
        WIDEN(__int128, int64_t);
        return;
    default:
        memcpy(out, data, rows * sizeof(__int128));
        return;
    }
}

void accumulator_widen(const struct accumulator *acc, const void *data, idx_t rows, void *out)
{
    switch (acc->rep) {
    case REP_NONE:
        return;
    case REP_I64:
        read_i64(acc->type, data, rows, out);
        return;
    case REP_I128:
        read_i128(acc->stored, data, rows, out);
        return;
    case REP_F64:
        if (acc->type == DUCKDB_TYPE_FLOAT)
            WIDEN(double, float);
        else
            memcpy(out, data, rows * sizeof(double));
        return;
    }
}

void accumulator_read(const struct accumulator *acc, duckdb_vector vector, idx_t rows, void *out)
{
    accumulator_widen(acc, duckdb_vector_get_data(vector), rows, out);
}

/* ---- accumulating ---- */

static __int128 get_i128(const struct slot *slot)
{
    __int128 value;

    memcpy(&value, slot->v.i128, sizeof(value));
    return value;
}

static void set_i128(struct slot *slot, __int128 value)
{
    memcpy(slot->v.i128, &value, sizeof(value));
}

/* Does a value take the place of the one there? `first`: there is none. */
static bool wins(enum op_aggregate what, bool first, bool less, bool more)
{
    switch (what) {
    case OP_MIN:
        return first || less;
    case OP_MAX:
        return first || more;
    case OP_FIRST_VALUE:
        return first;
    default:
        return true;
    }
}

/* One value more or less. */
static void add_i64(enum op_aggregate what, struct slot *slot, int64_t value, int sign, bool first)
{
    if (what == OP_SUM)
        slot->v.i64 =
            (int64_t)((uint64_t)slot->v.i64 + (sign > 0 ? (uint64_t)value : 0 - (uint64_t)value));
    else if (wins(what, first, value<slot->v.i64, value> slot->v.i64))
        slot->v.i64 = value;
}

static void add_f64(enum op_aggregate what, struct slot *slot, double value, int sign, bool first)
{
    if (what == OP_SUM)
        slot->v.f64 += sign > 0 ? value : -value;
    else if (wins(what, first, value<slot->v.f64, value> slot->v.f64))
        slot->v.f64 = value;
}

static void add_i128(enum op_aggregate what, struct slot *slot, __int128 value, int sign,
                     bool first)
{
    __int128 old = get_i128(slot);

    if (what == OP_SUM)
        set_i128(slot,
                 (__int128)((unsigned __int128)old +
                            (sign > 0 ? (unsigned __int128)value : 0 - (unsigned __int128)value)));
    else if (wins(what, first, value<old, value> old))
        set_i128(slot, value);
}

#define ADD_ALL(type, add)                                                                         \
    for (idx_t i = 0; i < rows; i++) {                                                             \
        struct slot *slot = (struct slot *)(void *)(groups[i] + offset);                           \
                                                                                                   \
        if (!signs[i])                                                                             \
            continue;                                                                              \
        add(acc->what, slot, ((const type *)values)[i], signs[i], slot->n == 0);                   \
        slot->n += signs[i];                                                                       \
    }

void accumulator_add(const struct accumulator *acc, uint8_t *const *groups, size_t offset,
                     const int8_t *signs, const void *values, idx_t rows)
{
    switch (acc->rep) {
    case REP_NONE:
        for (idx_t i = 0; i < rows; i++)
            if (signs[i])
                ((struct slot *)(void *)(groups[i] + offset))->n += signs[i];
        return;
    case REP_I64:
        ADD_ALL(int64_t, add_i64) return;
    case REP_I128:
        ADD_ALL(__int128, add_i128) return;
    case REP_F64:
        ADD_ALL(double, add_f64) return;
    }
}

void accumulator_merge(const struct accumulator *acc, struct slot *into, const struct slot *from)
{
    if (!from->n)
        return;
    switch (acc->rep) {
    case REP_NONE:
        break;
    case REP_I64:
        add_i64(acc->what, into, from->v.i64, 1, into->n == 0);
        break;
    case REP_I128:
        add_i128(acc->what, into, get_i128(from), 1, into->n == 0);
        break;
    case REP_F64:
        add_f64(acc->what, into, from->v.f64, 1, into->n == 0);
        break;
    }
    into->n += from->n;
}

uint32_t accumulator_size(const struct accumulator *acc)
{
    size_t value = acc->rep == REP_NONE ? 0 : acc->rep == REP_I128 ? 16 : 8;

    return (uint32_t)(offsetof(struct slot, v) + value);
}

bool accumulator_same(const struct accumulator *acc, const struct slot *a, const struct slot *b)
{
    if (acc->what == OP_COUNT)
        return a->n == b->n;
    return (a->n == 0) == (b->n == 0) &&
           memcmp(&a->v, &b->v, accumulator_size(acc) - offsetof(struct slot, v)) == 0;
}

/* ---- results ---- */

static void store_i64(duckdb_type type, int64_t value, void *data, idx_t row)
{
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        ((bool *)data)[row] = value;
        return;
    case DUCKDB_TYPE_TINYINT:
        ((int8_t *)data)[row] = (int8_t)value;
        return;
    case DUCKDB_TYPE_SMALLINT:
        ((int16_t *)data)[row] = (int16_t)value;
        return;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
        ((int32_t *)data)[row] = (int32_t)value;
        return;
    default:
        ((int64_t *)data)[row] = value;
        return;
    }
}

static void store_i128(duckdb_type stored, __int128 value, void *data, idx_t row)
{
    switch (stored) {
    case DUCKDB_TYPE_SMALLINT:
        ((int16_t *)data)[row] = (int16_t)value;
        return;
    case DUCKDB_TYPE_INTEGER:
        ((int32_t *)data)[row] = (int32_t)value;
        return;
    case DUCKDB_TYPE_BIGINT:
        ((int64_t *)data)[row] = (int64_t)value;
        return;
    default:
        memcpy((uint8_t *)data + row * sizeof(value), &value, sizeof(value));
        return;
    }
}

static void sum_result(const struct accumulator *acc, const struct slot *slot, duckdb_vector vector,
                       idx_t row)
{
    const __int128 limit = (__int128)((unsigned __int128)DECIMAL_MAX_HIGH << 64 | DECIMAL_MAX_LOW);
    void *data = duckdb_vector_get_data(vector);
    __int128 sum;

    if (acc->rep == REP_I64) {
        ((int64_t *)data)[row] = slot->v.i64;
    } else if (acc->rep == REP_F64) {
        ((double *)data)[row] = slot->v.f64;
    } else {
        sum = get_i128(slot);
        if (sum >= limit || sum <= -limit)
            vec_set_null(vector, row); /* as Flink does with what DECIMAL(38, s) cannot hold */
        else
            store_i128(DUCKDB_TYPE_HUGEINT, sum, data, row);
    }
}

void accumulator_result(const struct accumulator *acc, const struct slot *slot,
                        duckdb_vector vector, idx_t row)
{
    void *data = duckdb_vector_get_data(vector);

    if (acc->what == OP_COUNT) {
        ((int64_t *)data)[row] = slot->n;
    } else if (slot->n == 0) {
        vec_set_null(vector, row);
    } else if (acc->what == OP_SUM) {
        sum_result(acc, slot, vector, row);
    } else if (acc->rep == REP_I64) {
        store_i64(acc->type, slot->v.i64, data, row);
    } else if (acc->rep == REP_I128) {
        store_i128(acc->stored, get_i128(slot), data, row);
    } else if (acc->type == DUCKDB_TYPE_FLOAT) {
        ((float *)data)[row] = (float)slot->v.f64;
    } else {
        ((double *)data)[row] = slot->v.f64;
    }
}

/* The commonest ones in loops of their own. */
void accumulator_results(const struct accumulator *acc, const uint8_t *const *groups, size_t offset,
                         idx_t count, duckdb_vector vector, idx_t row)
{
    int64_t *data = (int64_t *)duckdb_vector_get_data(vector) + row;

    if (acc->what == OP_COUNT) {
        for (idx_t i = 0; i < count; i++)
            data[i] = ((const struct slot *)(const void *)(groups[i] + offset))->n;
        return;
    }
    for (idx_t i = 0; i < count; i++)
        accumulator_result(acc, (const struct slot *)(const void *)(groups[i] + offset), vector,
                           row + i);
}
