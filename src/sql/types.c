/* types.c - making, comparing and printing types, and the rules between two of them.
 *
 * The rules are Flink's LogicalTypeMerging and LogicalTypeCasts (and Calcite's leastRestrictive,
 * which they follow).
 */
#include <stdio.h>

#include "sql/types.h"

#define SIMPLE(name, of) const struct sql_type name = {.kind = of, .nullable = true}

SIMPLE(sql_type_null, SQL_NULL);
SIMPLE(sql_type_boolean, SQL_BOOLEAN);
SIMPLE(sql_type_tinyint, SQL_TINYINT);
SIMPLE(sql_type_smallint, SQL_SMALLINT);
SIMPLE(sql_type_int, SQL_INT);
SIMPLE(sql_type_bigint, SQL_BIGINT);
SIMPLE(sql_type_float, SQL_FLOAT);
SIMPLE(sql_type_double, SQL_DOUBLE);
SIMPLE(sql_type_date, SQL_DATE);
const struct sql_type sql_type_string = {
    .kind = SQL_VARCHAR, .nullable = true, .length = SQL_LENGTH_MAX};
const struct sql_type sql_type_bytes = {
    .kind = SQL_VARBINARY, .nullable = true, .length = SQL_LENGTH_MAX};

static const struct {
    const char *flink, *duckdb;
} names[SQL_TYPE_KINDS] = {
    [SQL_NULL] = {"NULL", "INTEGER"},
    [SQL_BOOLEAN] = {"BOOLEAN", "BOOLEAN"},
    [SQL_TINYINT] = {"TINYINT", "TINYINT"},
    [SQL_SMALLINT] = {"SMALLINT", "SMALLINT"},
    [SQL_INT] = {"INT", "INTEGER"},
    [SQL_BIGINT] = {"BIGINT", "BIGINT"},
    [SQL_DECIMAL] = {"DECIMAL", "DECIMAL"},
    [SQL_FLOAT] = {"FLOAT", "FLOAT"},
    [SQL_DOUBLE] = {"DOUBLE", "DOUBLE"},
    [SQL_CHAR] = {"CHAR", "VARCHAR"},
    [SQL_VARCHAR] = {"VARCHAR", "VARCHAR"},
    [SQL_BINARY] = {"BINARY", "BLOB"},
    [SQL_VARBINARY] = {"VARBINARY", "BLOB"},
    [SQL_DATE] = {"DATE", "DATE"},
    [SQL_TIME] = {"TIME", "TIME"},
    [SQL_TIMESTAMP] = {"TIMESTAMP", "TIMESTAMP"},
    [SQL_TIMESTAMP_LTZ] = {"TIMESTAMP_LTZ", "TIMESTAMP WITH TIME ZONE"},
    [SQL_TIMESTAMP_TZ] = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"},
    [SQL_INTERVAL_YM] = {"INTERVAL", "INTERVAL"},
    [SQL_INTERVAL_DS] = {"INTERVAL", "INTERVAL"},
    [SQL_ARRAY] = {"ARRAY", ""},
    [SQL_MULTISET] = {"MULTISET", "MAP"},
    [SQL_MAP] = {"MAP", "MAP"},
    [SQL_ROW] = {"ROW", "STRUCT"},
    [SQL_RAW] = {"RAW", "BLOB"},
};

static const char *const unit_names[] = {"",    "YEAR", "QUARTER", "MONTH", "WEEK",
                                         "DAY", "HOUR", "MINUTE",  "SECOND"};

/* ---- making ---------------------------------------------------------------------------------- */

static struct sql_type *type_new(struct arena *arena, enum sql_type_kind kind)
{
    struct sql_type *type = ARENA_NEW(arena, struct sql_type);

    if (type) {
        type->kind = kind;
        type->nullable = true;
    }
    return type;
}

const struct sql_type *sql_type_decimal(struct arena *arena, int precision, int scale)
{
    struct sql_type *type = type_new(arena, SQL_DECIMAL);

    if (type) {
        type->precision = (int16_t)precision;
        type->scale = (int16_t)scale;
    }
    return type;
}

const struct sql_type *sql_type_of(struct arena *arena, enum sql_type_kind kind,
                                   int length_or_precision)
{
    struct sql_type *type = type_new(arena, kind);

    if (!type)
        return NULL;
    if (kind == SQL_CHAR || kind == SQL_VARCHAR || kind == SQL_BINARY || kind == SQL_VARBINARY)
        type->length = length_or_precision;
    else
        type->precision = (int16_t)length_or_precision;
    return type;
}

const struct sql_type *sql_type_array(struct arena *arena, const struct sql_type *item)
{
    struct sql_type *type = type_new(arena, SQL_ARRAY);

    if (type)
        type->item = item;
    return type && item ? type : NULL;
}

const struct sql_type *sql_type_map(struct arena *arena, const struct sql_type *key,
                                    const struct sql_type *value)
{
    struct sql_type *type = type_new(arena, SQL_MAP);

    if (!type || !key || !value)
        return NULL;
    type->key = key;
    type->item = value;
    return type;
}

const struct sql_type *sql_type_row(struct arena *arena, const struct sql_field *fields,
                                    size_t count)
{
    struct sql_type *type = type_new(arena, SQL_ROW);

    if (type) {
        type->fields = fields;
        type->field_count = count;
    }
    return type;
}

const struct sql_type *sql_type_nullable(struct arena *arena, const struct sql_type *type,
                                         bool nullable)
{
    struct sql_type *copy;

    if (!type || type->nullable == nullable)
        return type;
    copy = ARENA_NEW(arena, struct sql_type);
    if (copy) {
        *copy = *type;
        copy->nullable = nullable;
    }
    return copy;
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool sql_type_is_integer(const struct sql_type *type)
{
    return type->kind >= SQL_TINYINT && type->kind <= SQL_BIGINT;
}

bool sql_type_is_numeric(const struct sql_type *type)
{
    return type->kind >= SQL_TINYINT && type->kind <= SQL_DOUBLE;
}

bool sql_type_is_text(const struct sql_type *type)
{
    return type->kind == SQL_CHAR || type->kind == SQL_VARCHAR;
}

bool sql_type_is_bytes(const struct sql_type *type)
{
    return type->kind == SQL_BINARY || type->kind == SQL_VARBINARY;
}

bool sql_type_is_temporal(const struct sql_type *type)
{
    return type->kind >= SQL_DATE && type->kind <= SQL_TIMESTAMP_TZ;
}

bool sql_type_is_interval(const struct sql_type *type)
{
    return type->kind == SQL_INTERVAL_YM || type->kind == SQL_INTERVAL_DS;
}

static bool is_approx(const struct sql_type *type)
{
    return type->kind == SQL_FLOAT || type->kind == SQL_DOUBLE;
}

static bool fields_eq(const struct sql_type *a, const struct sql_type *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (strcmp(a->fields[i].name, b->fields[i].name) ||
            !sql_type_eq(a->fields[i].type, b->fields[i].type))
            return false;
    return true;
}

bool sql_type_same(const struct sql_type *a, const struct sql_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SQL_CHAR:
    case SQL_VARCHAR:
    case SQL_BINARY:
    case SQL_VARBINARY:
        return a->length == b->length;
    case SQL_DECIMAL:
        return a->precision == b->precision && a->scale == b->scale;
    case SQL_TIME:
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
    case SQL_TIMESTAMP_TZ:
        return a->precision == b->precision;
    case SQL_ARRAY:
    case SQL_MULTISET:
        return sql_type_eq(a->item, b->item);
    case SQL_MAP:
        return sql_type_eq(a->key, b->key) && sql_type_eq(a->item, b->item);
    case SQL_ROW:
        return fields_eq(a, b);
    case SQL_RAW:
        return !strcmp(a->class_name, b->class_name) && !strcmp(a->snapshot, b->snapshot);
    default:
        return true;
    }
}

bool sql_type_eq(const struct sql_type *a, const struct sql_type *b)
{
    return a->nullable == b->nullable && sql_type_same(a, b);
}

/* ---- printing -------------------------------------------------------------------------------- */

/* `name` with the quote doubled inside. */
static int print_quoted(struct buf *out, const char *name, char quote)
{
    int rc = buf_append_u8(out, (uint8_t)quote);

    for (; !rc && *name; name++) {
        if (*name == quote)
            rc = buf_append_u8(out, (uint8_t)quote);
        if (!rc)
            rc = buf_append_u8(out, (uint8_t)*name);
    }
    return rc ? rc : buf_append_u8(out, (uint8_t)quote);
}

static int print_units(const struct sql_type *type, struct buf *out)
{
    enum sql_unit from = type->from, to = type->to;
    int rc;

    if (from == SQL_UNIT_NONE) { /* made by a rule, not written */
        from = type->kind == SQL_INTERVAL_YM ? SQL_YEAR : SQL_DAY;
        to = type->kind == SQL_INTERVAL_YM ? SQL_MONTH : SQL_SECOND;
    }
    rc = buf_printf(out, " %s", unit_names[from]);
    if (!rc && type->from && type->precision >= 0) {
        if (from == SQL_SECOND && type->scale >= 0)
            rc = buf_printf(out, "(%d, %d)", type->precision, type->scale);
        else
            rc = buf_printf(out, "(%d)", type->precision);
    }
    if (!rc && to) {
        rc = buf_printf(out, " TO %s", unit_names[to]);
        if (!rc && type->from && to == SQL_SECOND && type->scale >= 0)
            rc = buf_printf(out, "(%d)", type->scale);
    }
    return rc;
}

static int print_row(const struct sql_type *type, struct buf *out)
{
    int rc = buf_append_u8(out, '<');

    for (size_t i = 0; !rc && i < type->field_count; i++) {
        if (i)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_quoted(out, type->fields[i].name, '`');
        if (!rc)
            rc = buf_append_u8(out, ' ');
        if (!rc)
            rc = sql_type_print(type->fields[i].type, out);
        if (!rc && type->fields[i].comment) {
            rc = buf_append_u8(out, ' ');
            if (!rc)
                rc = print_quoted(out, type->fields[i].comment, '\'');
        }
    }
    return rc ? rc : buf_append_u8(out, '>');
}

static int print_arguments(const struct sql_type *type, struct buf *out)
{
    int rc;

    switch (type->kind) {
    case SQL_CHAR:
    case SQL_VARCHAR:
    case SQL_BINARY:
    case SQL_VARBINARY:
        return buf_printf(out, "(%d)", type->length);
    case SQL_DECIMAL:
        return buf_printf(out, "(%d, %d)", type->precision, type->scale);
    case SQL_TIME:
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        return buf_printf(out, "(%d)", type->precision);
    case SQL_TIMESTAMP_TZ:
        return buf_printf(out, "(%d) WITH TIME ZONE", type->precision);
    case SQL_INTERVAL_YM:
    case SQL_INTERVAL_DS:
        return print_units(type, out);
    case SQL_ARRAY:
    case SQL_MULTISET:
        rc = buf_append_u8(out, '<');
        if (!rc)
            rc = sql_type_print(type->item, out);
        return rc ? rc : buf_append_u8(out, '>');
    case SQL_MAP:
        rc = buf_append_u8(out, '<');
        if (!rc)
            rc = sql_type_print(type->key, out);
        if (!rc)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = sql_type_print(type->item, out);
        return rc ? rc : buf_append_u8(out, '>');
    case SQL_ROW:
        return print_row(type, out);
    case SQL_RAW:
        rc = buf_append_u8(out, '(');
        if (!rc)
            rc = print_quoted(out, type->class_name, '\'');
        if (!rc)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_quoted(out, type->snapshot, '\'');
        return rc ? rc : buf_append_u8(out, ')');
    default:
        return 0;
    }
}

int sql_type_print(const struct sql_type *type, struct buf *out)
{
    bool whole = type->length == SQL_LENGTH_MAX;
    int rc;

    if (type->kind == SQL_VARCHAR && whole) {
        rc = buf_append_str(out, type->uuid ? "UUID" : "STRING");
    } else if (type->kind == SQL_VARBINARY && whole) {
        rc = buf_append_str(out, "BYTES");
    } else {
        rc = buf_append_str(out, names[type->kind].flink);
        if (!rc)
            rc = print_arguments(type, out);
    }
    if (!rc && !type->nullable)
        rc = buf_append_str(out, " NOT NULL");
    return rc;
}

const char *sql_type_text(struct arena *arena, const struct sql_type *type)
{
    struct buf buf;
    const char *text = NULL;

    buf_init(&buf, 0);
    if (sql_type_print(type, &buf) == 0)
        text = arena_cstr(arena, buf_slice(&buf));
    buf_deinit(&buf);
    return text;
}

static int print_duckdb_row(const struct sql_type *type, struct buf *out)
{
    int rc = buf_append_str(out, "STRUCT(");

    for (size_t i = 0; !rc && i < type->field_count; i++) {
        if (i)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = print_quoted(out, type->fields[i].name, '"');
        if (!rc)
            rc = buf_append_u8(out, ' ');
        if (!rc)
            rc = sql_type_print_duckdb(type->fields[i].type, out);
    }
    return rc ? rc : buf_append_u8(out, ')');
}

int sql_type_print_duckdb(const struct sql_type *type, struct buf *out)
{
    int rc;

    switch (type->kind) {
    case SQL_DECIMAL:
        return buf_printf(out, "DECIMAL(%d,%d)", type->precision, type->scale);
    case SQL_TIMESTAMP:
        return buf_append_str(out, type->precision > 6 ? "TIMESTAMP_NS" : "TIMESTAMP");
    case SQL_ARRAY:
        rc = sql_type_print_duckdb(type->item, out);
        return rc ? rc : buf_append_str(out, "[]");
    case SQL_MULTISET:
        rc = buf_append_str(out, "MAP(");
        if (!rc)
            rc = sql_type_print_duckdb(type->item, out);
        return rc ? rc : buf_append_str(out, ", INTEGER)");
    case SQL_MAP:
        rc = buf_append_str(out, "MAP(");
        if (!rc)
            rc = sql_type_print_duckdb(type->key, out);
        if (!rc)
            rc = buf_append_str(out, ", ");
        if (!rc)
            rc = sql_type_print_duckdb(type->item, out);
        return rc ? rc : buf_append_u8(out, ')');
    case SQL_ROW:
        return print_duckdb_row(type, out);
    default:
        return buf_append_str(out, names[type->kind].duckdb);
    }
}

/* ---- decimals -------------------------------------------------------------------------------- */

/* More than 38 digits: the fraction gives way, down to 6 places. */
static void adjust(int p, int s, int *precision, int *scale)
{
    if (p > SQL_DECIMAL_MAX) {
        int least = s < 6 ? s : 6, left = SQL_DECIMAL_MAX - (p - s);

        s = left > least ? left : least;
        p = SQL_DECIMAL_MAX;
    }
    *precision = p;
    *scale = s;
}

void sql_decimal_result(char op, int p1, int s1, int p2, int s2, int *precision, int *scale)
{
    int whole1 = p1 - s1, whole2 = p2 - s2;
    int s = s1 > s2 ? s1 : s2;

    switch (op) {
    case '*':
        adjust(p1 + p2 + 1, s1 + s2, precision, scale);
        return;
    case '/':
        s = s1 + p2 + 1 > 6 ? s1 + p2 + 1 : 6;
        adjust(whole1 + s2 + s, s, precision, scale);
        return;
    case '%':
        adjust((whole1 < whole2 ? whole1 : whole2) + s, s, precision, scale);
        return;
    default:
        adjust((whole1 > whole2 ? whole1 : whole2) + s + 1, s, precision, scale);
    }
}

/* ---- the common type ------------------------------------------------------------------------- */

static int integer_digits(enum sql_type_kind kind)
{
    return kind == SQL_TINYINT ? 3 : kind == SQL_SMALLINT ? 5 : kind == SQL_INT ? 10 : 19;
}

static const struct sql_type *common_number(struct arena *arena, const struct sql_type *a,
                                            const struct sql_type *b)
{
    int p1, s1, p2, s2, whole, scale;

    if (is_approx(a) || is_approx(b)) {
        const struct sql_type *other = is_approx(a) ? b : a;

        if (is_approx(a) && is_approx(b))
            return a->kind == SQL_DOUBLE ? a : b;
        return other->kind == SQL_DECIMAL ? &sql_type_double : is_approx(a) ? a : b;
    }
    if (a->kind != SQL_DECIMAL && b->kind != SQL_DECIMAL)
        return a->kind > b->kind ? a : b;
    p1 = a->kind == SQL_DECIMAL ? a->precision : integer_digits(a->kind);
    s1 = a->kind == SQL_DECIMAL ? a->scale : 0;
    p2 = b->kind == SQL_DECIMAL ? b->precision : integer_digits(b->kind);
    s2 = b->kind == SQL_DECIMAL ? b->scale : 0;
    scale = s1 > s2 ? s1 : s2;
    whole = p1 - s1 > p2 - s2 ? p1 - s1 : p2 - s2;
    if (whole > SQL_DECIMAL_MAX)
        whole = SQL_DECIMAL_MAX;
    if (whole + scale > SQL_DECIMAL_MAX)
        scale = SQL_DECIMAL_MAX - whole;
    return sql_type_decimal(arena, whole + scale, scale);
}

/* CHAR and BINARY of different lengths become VARCHAR and VARBINARY. */
static const struct sql_type *common_length(struct arena *arena, const struct sql_type *a,
                                            const struct sql_type *b, enum sql_type_kind varying)
{
    int length = a->length > b->length ? a->length : b->length;

    if (a->kind == b->kind && a->length == b->length)
        return a;
    return sql_type_of(arena, varying, length);
}

static const struct sql_type *common_temporal(struct arena *arena, const struct sql_type *a,
                                              const struct sql_type *b)
{
    const struct sql_type *wide = a->kind > b->kind ? a : b;
    int precision = a->precision > b->precision ? a->precision : b->precision;

    if (a->kind == b->kind)
        return a->precision >= b->precision ? a : b;
    if (a->kind == SQL_TIME || b->kind == SQL_TIME)
        return NULL;
    if (a->kind == SQL_DATE || b->kind == SQL_DATE)
        return wide;
    return sql_type_of(arena, wide->kind, precision);
}

static const struct sql_type *common_row(struct arena *arena, const struct sql_type *a,
                                         const struct sql_type *b)
{
    struct sql_field *fields;

    if (a->field_count != b->field_count)
        return NULL;
    fields = ARENA_ARRAY(arena, struct sql_field, a->field_count + 1);
    if (!fields)
        return NULL;
    for (size_t i = 0; i < a->field_count; i++) {
        fields[i] = a->fields[i];
        fields[i].type = sql_type_common(arena, a->fields[i].type, b->fields[i].type);
        if (!fields[i].type)
            return NULL;
    }
    return sql_type_row(arena, fields, a->field_count);
}

static const struct sql_type *common(struct arena *arena, const struct sql_type *a,
                                     const struct sql_type *b)
{
    if (a->kind == SQL_NULL)
        return b;
    if (b->kind == SQL_NULL || sql_type_same(a, b))
        return a->uuid && b->kind != SQL_NULL ? b : a; /* text that is no uuid makes it text */
    if (sql_type_is_numeric(a) && sql_type_is_numeric(b))
        return common_number(arena, a, b);
    if (sql_type_is_text(a) && sql_type_is_text(b))
        return common_length(arena, a, b, SQL_VARCHAR);
    if (sql_type_is_bytes(a) && sql_type_is_bytes(b))
        return common_length(arena, a, b, SQL_VARBINARY);
    if (sql_type_is_temporal(a) && sql_type_is_temporal(b))
        return common_temporal(arena, a, b);
    if (a->kind != b->kind)
        return NULL;
    switch (a->kind) {
    case SQL_INTERVAL_YM:
    case SQL_INTERVAL_DS:
        return a;
    case SQL_ARRAY:
        return sql_type_array(arena, sql_type_common(arena, a->item, b->item));
    case SQL_MAP:
        return sql_type_map(arena, sql_type_common(arena, a->key, b->key),
                            sql_type_common(arena, a->item, b->item));
    case SQL_ROW:
        return common_row(arena, a, b);
    default:
        return NULL;
    }
}

const struct sql_type *sql_type_common(struct arena *arena, const struct sql_type *a,
                                       const struct sql_type *b)
{
    const struct sql_type *type = common(arena, a, b);

    return type ? sql_type_nullable(arena, type, a->nullable || b->nullable) : NULL;
}

/* ---- casts ----------------------------------------------------------------------------------- */

static bool fields_fit(const struct sql_type *from, const struct sql_type *to,
                       bool (*fits)(const struct sql_type *, const struct sql_type *))
{
    if (from->field_count != to->field_count)
        return false;
    for (size_t i = 0; i < from->field_count; i++)
        if (!fits(from->fields[i].type, to->fields[i].type))
            return false;
    return true;
}

static bool parts_fit(const struct sql_type *from, const struct sql_type *to,
                      bool (*fits)(const struct sql_type *, const struct sql_type *))
{
    switch (to->kind) {
    case SQL_ARRAY:
    case SQL_MULTISET:
        return fits(from->item, to->item);
    case SQL_MAP:
        return fits(from->key, to->key) && fits(from->item, to->item);
    case SQL_ROW:
        return fields_fit(from, to, fits);
    default:
        return sql_type_same(from, to);
    }
}

bool sql_type_assignable(const struct sql_type *from, const struct sql_type *to)
{
    if (from->kind == SQL_NULL)
        return true;
    if (sql_type_is_text(from) && sql_type_is_text(to))
        return true;
    if (sql_type_is_bytes(from) && sql_type_is_bytes(to))
        return true;
    if (sql_type_is_integer(from) && sql_type_is_integer(to))
        return from->kind <= to->kind;
    switch (to->kind) {
    case SQL_DECIMAL:
        return sql_type_is_integer(from) || from->kind == SQL_DECIMAL;
    case SQL_FLOAT:
        return sql_type_is_numeric(from) && from->kind != SQL_DOUBLE;
    case SQL_DOUBLE:
        return sql_type_is_numeric(from);
    case SQL_DATE:
        return from->kind == SQL_DATE || from->kind == SQL_TIMESTAMP;
    case SQL_TIME:
        return from->kind == SQL_TIME || from->kind == SQL_TIMESTAMP;
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        return from->kind == SQL_TIMESTAMP || from->kind == SQL_TIMESTAMP_LTZ;
    default:
        return from->kind == to->kind && parts_fit(from, to, sql_type_assignable);
    }
}

bool sql_type_castable(const struct sql_type *from, const struct sql_type *to)
{
    if (from->kind == SQL_NULL)
        return true;
    if (sql_type_is_text(to))
        return from->kind != SQL_RAW || sql_type_same(from, to);
    switch (to->kind) {
    case SQL_BOOLEAN:
        return from->kind == SQL_BOOLEAN || sql_type_is_numeric(from) || sql_type_is_text(from);
    case SQL_TINYINT:
    case SQL_SMALLINT:
    case SQL_INT:
    case SQL_BIGINT:
        return from->kind == SQL_BOOLEAN || sql_type_is_numeric(from) || sql_type_is_text(from) ||
               sql_type_is_interval(from);
    case SQL_DECIMAL:
    case SQL_FLOAT:
    case SQL_DOUBLE:
        return from->kind == SQL_BOOLEAN || sql_type_is_numeric(from) || sql_type_is_text(from);
    case SQL_BINARY:
    case SQL_VARBINARY:
        return sql_type_is_text(from) || sql_type_is_bytes(from) || from->kind == SQL_RAW;
    case SQL_DATE:
        return sql_type_is_text(from) || (sql_type_is_temporal(from) && from->kind != SQL_TIME);
    case SQL_TIME:
        return sql_type_is_text(from) || (sql_type_is_temporal(from) && from->kind != SQL_DATE);
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        return sql_type_is_text(from) || sql_type_is_temporal(from);
    case SQL_INTERVAL_YM:
    case SQL_INTERVAL_DS:
        return from->kind == to->kind || sql_type_is_integer(from);
    default:
        return from->kind == to->kind && parts_fit(from, to, sql_type_castable);
    }
}
