/* datagen.c - 'connector' = 'datagen': random rows and sequences.
 * Source: Flink 1.20, "DataGen SQL Connector".
 *
 * A tree of generators mirrors the columns; options of a field inside of a ROW stand behind its
 * path ("fields.r.x.min"). A random string is of hexadecimal digits, as Flink's.
 */
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "connector/made_source.h"

#define LENGTH_DEFAULT 100
#define LENGTH_MAX     (1 << 20)
#define DEPTH_MAX      16

enum made_kind {
    M_BOOLEAN,
    M_INTEGER, /* of any width; also decimals, unscaled */
    M_FLOAT,
    M_DOUBLE,
    M_TEXT,
    M_BYTES,
    M_DATE,
    M_TIME,
    M_TIMESTAMP,
    M_ROW,
    M_ARRAY,
    M_MAP,
    M_ZERO /* of `partition`: made_source.c fills it */
};

struct made {
    enum made_kind kind;
    uint64_t id; /* of the field, for random numbers */
    bool sequence, var_len;
    int64_t low, high; /* INTEGER; a sequence's start and end */
    double low_f, high_f, null_rate;
    int64_t max_past_us;
    int width; /* INTEGER: bytes of its storage; TIMESTAMP: microseconds */
    size_t length;
    struct made *children;
    size_t child_count;
};

struct datagen {
    struct made *columns;
    size_t count;
    struct clock *clock;
    int64_t now_us;
    uint64_t fields;
    struct buf text;
};

/* ---- options ---- */

struct reading {
    const struct sql_table *table;
    struct datagen *d;
    int64_t rows_max; /* of the shortest sequence */
};

static const char *field_option(const struct reading *r, const char *path, const char *key)
{
    char name[600];

    snprintf(name, sizeof(name), "fields.%s.%s", path, key);
    return sql_option(r->table->options, name);
}

static int bad(const char *path, const char *key, const char *value, const char *wanted,
               struct err *err)
{
    return err_set(err, ERR_INVALID, "'fields.%s.%s' = '%s': %s", path, key, value, wanted);
}

/* A number at a scale: "1.5" at 2 is 150. */
static int read_scaled(const struct reading *r, const char *path, const char *key, int scale,
                       int64_t *out, struct err *err)
{
    const char *text = field_option(r, path, key);
    char *end;
    long double value;

    if (!text)
        return 0;
    if (!scale)
        return slice_to_i64(slice_str(text), out) ? bad(path, key, text, "a whole number", err) : 0;
    value = strtold(text, &end);
    if (end == text || *end || !isfinite(value) || fabsl(value) > 1e15L)
        return bad(path, key, text, "a number", err);
    for (int i = 0; i < scale; i++)
        value *= 10;
    *out = llroundl(value);
    return 0;
}

static int read_double(const struct reading *r, const char *path, const char *key, double *out,
                       struct err *err)
{
    const char *text = field_option(r, path, key);
    char *end;

    if (!text)
        return 0;
    *out = strtod(text, &end);
    return end == text || *end || !isfinite(*out) ? bad(path, key, text, "a number", err) : 0;
}

static int read_length(const struct reading *r, const char *path, size_t *out, struct err *err)
{
    const char *text = field_option(r, path, "length");
    int64_t value;

    if (!text)
        return 0;
    if (slice_to_i64(slice_str(text), &value) || value < 0 || value > LENGTH_MAX)
        return bad(path, "length", text, "a length", err);
    *out = (size_t)value;
    return 0;
}

/* ---- types ---- */

static int made_init(struct reading *r, struct made *m, const char *path,
                     const struct sql_type *type, int depth, struct err *err);

static int integer_init(struct reading *r, struct made *m, const char *path, int bytes,
                        struct err *err)
{
    int rc;

    m->kind = M_INTEGER;
    m->width = bytes;
    m->high = bytes == 8 ? INT64_MAX : ((int64_t)1 << (bytes * 8 - 1)) - 1;
    m->low = -m->high - 1;
    rc = read_scaled(r, path, "min", 0, &m->low, err);
    return rc ? rc : read_scaled(r, path, "max", 0, &m->high, err);
}

static int decimal_init(struct reading *r, struct made *m, const char *path,
                        const struct sql_type *type, struct err *err)
{
    int rc, digits = type->precision > 18 ? 18 : type->precision;

    m->kind = M_INTEGER;
    m->width = type->precision <= 4 ? 2 : type->precision <= 9 ? 4 : type->precision <= 18 ? 8 : 16;
    m->high = 1;
    for (int i = 0; i < digits; i++)
        m->high *= 10;
    m->low = -(--m->high);
    rc = read_scaled(r, path, "min", type->scale, &m->low, err);
    return rc ? rc : read_scaled(r, path, "max", type->scale, &m->high, err);
}

static int children_init(struct reading *r, struct made *m, const char *path,
                         const struct sql_type *const *types, const char *const *names,
                         size_t count, int depth, struct err *err)
{
    int rc = 0;

    m->children = calloc(count + 1, sizeof(*m->children));
    if (!m->children)
        return err_set(err, ERR_NOMEM, "datagen");
    for (; m->child_count < count && !rc; m->child_count++) {
        char inner[400];

        if (snprintf(inner, sizeof(inner), "%s.%s", path, names[m->child_count]) >=
            (int)sizeof(inner))
            return err_set(err, ERR_LIMIT, "datagen: the path of a field is too long");
        rc = made_init(r, &m->children[m->child_count], inner, types[m->child_count], depth + 1,
                       err);
    }
    return rc;
}

static int row_init(struct reading *r, struct made *m, const char *path,
                    const struct sql_type *type, int depth, struct err *err)
{
    const struct sql_type **types = calloc(type->field_count + 1, sizeof(*types));
    const char **names = calloc(type->field_count + 1, sizeof(*names));
    int rc = types && names ? 0 : err_set(err, ERR_NOMEM, "datagen");

    m->kind = M_ROW;
    for (size_t i = 0; i < type->field_count && !rc; i++) {
        types[i] = type->fields[i].type;
        names[i] = type->fields[i].name;
    }
    if (!rc)
        rc = children_init(r, m, path, types, names, type->field_count, depth, err);
    free(types);
    free(names);
    return rc;
}

static int list_init(struct reading *r, struct made *m, const char *path,
                     const struct sql_type *type, int depth, struct err *err)
{
    const struct sql_type *parts[2] = {type->key, type->item};
    static const char *const map_names[] = {"key", "value"}, *const list_names[] = {"element"};
    bool map = type->kind == SQL_MAP;

    m->kind = map ? M_MAP : M_ARRAY;
    return children_init(r, m, path, map ? parts : parts + 1, map ? map_names : list_names,
                         map ? 2 : 1, depth, err);
}

static int text_init(struct made *m, const struct sql_type *type)
{
    bool bytes = type->kind == SQL_BINARY || type->kind == SQL_VARBINARY;

    m->kind = bytes ? M_BYTES : M_TEXT;
    if (type->length > 0 && type->length < LENGTH_DEFAULT)
        m->length = (size_t)type->length;
    if ((type->kind == SQL_CHAR || type->kind == SQL_BINARY) && type->length > 0 &&
        type->length < LENGTH_MAX)
        m->length = (size_t)type->length;
    return 0;
}

static int kind_init(struct reading *r, struct made *m, const char *path,
                     const struct sql_type *type, int depth, struct err *err)
{
    switch (type->kind) {
    case SQL_BOOLEAN:
        m->kind = M_BOOLEAN;
        return 0;
    case SQL_TINYINT:
        return integer_init(r, m, path, 1, err);
    case SQL_SMALLINT:
        return integer_init(r, m, path, 2, err);
    case SQL_INT:
        return integer_init(r, m, path, 4, err);
    case SQL_BIGINT:
        return integer_init(r, m, path, 8, err);
    case SQL_DECIMAL:
        return decimal_init(r, m, path, type, err);
    case SQL_FLOAT:
    case SQL_DOUBLE: {
        int rc;

        m->kind = type->kind == SQL_FLOAT ? M_FLOAT : M_DOUBLE;
        m->high_f = m->kind == M_FLOAT ? 3.4028234663852886e38 : 1.7976931348623157e308;
        m->low_f = m->kind == M_FLOAT ? 1.401298464324817e-45 : 4.9e-324; /* Java's MIN_VALUE */
        rc = read_double(r, path, "min", &m->low_f, err);
        return rc ? rc : read_double(r, path, "max", &m->high_f, err);
    }
    case SQL_CHAR:
    case SQL_VARCHAR:
    case SQL_BINARY:
    case SQL_VARBINARY:
        return text_init(m, type);
    case SQL_DATE:
        m->kind = M_DATE;
        return 0;
    case SQL_TIME:
        m->kind = M_TIME;
        return 0;
    case SQL_TIMESTAMP:
    case SQL_TIMESTAMP_LTZ:
        m->kind = M_TIMESTAMP;
        m->width = type->precision;
        return 0;
    case SQL_ROW:
        return row_init(r, m, path, type, depth, err);
    case SQL_ARRAY:
    case SQL_MAP:
        return list_init(r, m, path, type, depth, err);
    default:
        return err_set(err, ERR_UNSUPPORTED, "datagen makes no values of column `%s`'s type", path);
    }
}

/* 'kind' = 'sequence' from start to end: the source ends with the shortest. */
static int sequence_init(struct reading *r, struct made *m, const char *path,
                         const struct sql_type *type, struct err *err)
{
    const char *start = field_option(r, path, "start"), *end = field_option(r, path, "end");
    int scale = type->kind == SQL_DECIMAL ? type->scale : 0, rc;

    if (!start || !end)
        return err_set(err, ERR_INVALID, "a sequence needs 'fields.%s.start' and '.end'", path);
    if (m->kind != M_INTEGER && m->kind != M_TEXT && m->kind != M_DOUBLE && m->kind != M_FLOAT)
        return err_set(err, ERR_INVALID, "column `%s`: a sequence is of numbers or of text", path);
    m->sequence = true;
    rc = read_scaled(r, path, "start", 0, &m->low, err);
    if (!rc)
        rc = read_scaled(r, path, "end", 0, &m->high, err);
    if (rc)
        return rc;
    if (m->high < m->low)
        return bad(path, "end", end, "before 'start'", err);
    if (m->high - m->low < r->rows_max || r->rows_max < 0)
        r->rows_max = m->high - m->low + 1;
    for (m->length = 1; scale; scale--) /* what one step is, unscaled */
        m->length *= 10;
    return 0;
}

static int made_init(struct reading *r, struct made *m, const char *path,
                     const struct sql_type *type, int depth, struct err *err)
{
    const char *kind = field_option(r, path, "kind"), *past = field_option(r, path, "max-past");
    const char *var = field_option(r, path, "var-len");
    int rc;

    m->id = ++r->d->fields;
    m->length = LENGTH_DEFAULT;
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "a type nested more than %d deep", DEPTH_MAX);
    rc = kind_init(r, m, path, type, depth, err);
    if (!rc)
        rc = read_length(r, path, &m->length, err);
    if (!rc)
        rc = read_double(r, path, "null-rate", &m->null_rate, err);
    if (rc)
        return rc;
    m->max_past_us = past ? source_duration_ms(past) * 1000 : 0;
    m->var_len = var && !strcasecmp(var, "true");
    if (kind && !strcasecmp(kind, "sequence"))
        return sequence_init(r, m, path, type, err);
    return m->low > m->high || m->low_f > m->high_f ? bad(path, "min", "", "above 'max'", err) : 0;
}

/* ---- values ---- */

static int put(struct datagen *d, const struct made *m, uint64_t seed, int64_t n,
               duckdb_vector vector, idx_t row, struct err *err);

static void put_integer(const struct made *m, void *data, idx_t row, int64_t value)
{
    __int128 wide = value;

    switch (m->width) {
    case 1:
        ((int8_t *)data)[row] = (int8_t)value;
        break;
    case 2:
        ((int16_t *)data)[row] = (int16_t)value;
        break;
    case 4:
        ((int32_t *)data)[row] = (int32_t)value;
        break;
    case 8:
        ((int64_t *)data)[row] = value;
        break;
    default:
        memcpy((duckdb_hugeint *)data + row, &wide, sizeof(wide));
    }
}

static int put_text(struct datagen *d, const struct made *m, uint64_t random, duckdb_vector vector,
                    idx_t row, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = m->length;
    uint64_t bits = random;

    if (m->var_len && len)
        len = 1 + (size_t)(made_random(random, 0, m->id) % len);
    buf_clear(&d->text);
    if (buf_reserve(&d->text, len + 1))
        return err_set(err, ERR_NOMEM, "datagen");
    for (size_t i = 0; i < len; i++) {
        if (i % 16 == 0)
            bits = made_random(random, (int64_t)i, m->id);
        d->text.ptr[i] = m->kind == M_TEXT ? (uint8_t)digits[bits & 15] : (uint8_t)bits;
        bits >>= 4;
    }
    duckdb_vector_assign_string_element_len(vector, row, (const char *)d->text.ptr, len);
    return 0;
}

static int put_sequence(const struct made *m, int64_t n, duckdb_vector vector, idx_t row)
{
    void *data = duckdb_vector_get_data(vector);
    int64_t value = m->low + n;
    char text[24];

    if (m->kind == M_TEXT) {
        snprintf(text, sizeof(text), "%" PRId64, value);
        duckdb_vector_assign_string_element(vector, row, text);
    } else if (m->kind == M_DOUBLE) {
        ((double *)data)[row] = (double)value;
    } else if (m->kind == M_FLOAT) {
        ((float *)data)[row] = (float)value;
    } else {
        put_integer(m, data, row, value * (int64_t)m->length);
    }
    return 0;
}

static int put_list(struct datagen *d, const struct made *m, uint64_t random, duckdb_vector vector,
                    idx_t row, struct err *err)
{
    duckdb_list_entry *entry = (duckdb_list_entry *)duckdb_vector_get_data(vector) + row;
    idx_t at = duckdb_list_vector_get_size(vector), count = m->length;
    duckdb_vector child;
    int rc = 0;

    if (m->var_len && count)
        count = 1 + random % count;
    if (duckdb_list_vector_reserve(vector, at + count) == DuckDBError ||
        duckdb_list_vector_set_size(vector, at + count) == DuckDBError)
        return err_set(err, ERR_NOMEM, "datagen");
    child = duckdb_list_vector_get_child(vector);
    *entry = (duckdb_list_entry){at, count};
    for (idx_t i = 0; i < count && !rc; i++)
        for (size_t c = 0; c < m->child_count && !rc; c++)
            rc = put(d, &m->children[c], random, (int64_t)i,
                     m->kind == M_MAP ? duckdb_struct_vector_get_child(child, c) : child, at + i,
                     err);
    return rc;
}

static int64_t moment(const struct datagen *d, const struct made *m, uint64_t random)
{
    return d->now_us - (m->max_past_us ? (int64_t)(random % (uint64_t)m->max_past_us) : 0);
}

/* Without the digits of a second behind `precision`. */
static int64_t cut(int64_t us, int precision)
{
    int64_t step = 1;

    for (; precision < 6; precision++)
        step *= 10;
    return us - us % step;
}

static int put_value(struct datagen *d, const struct made *m, uint64_t seed, int64_t n,
                     duckdb_vector vector, idx_t row, struct err *err)
{
    void *data = duckdb_vector_get_data(vector);
    uint64_t random = made_random(seed, n, m->id), span;
    double part = (double)(random >> 11) * 0x1p-53;
    int rc = 0;

    switch (m->kind) {
    case M_BOOLEAN:
        ((bool *)data)[row] = random & 1;
        break;
    case M_INTEGER:
        span = (uint64_t)m->high - (uint64_t)m->low + 1; /* 0: all of them */
        put_integer(m, data, row, (int64_t)((uint64_t)m->low + (span ? random % span : random)));
        break;
    case M_FLOAT:
        ((float *)data)[row] = (float)(m->low_f + part * (m->high_f - m->low_f));
        break;
    case M_DOUBLE:
        ((double *)data)[row] = m->low_f * (1 - part) + m->high_f * part;
        break;
    case M_TEXT:
    case M_BYTES:
        return put_text(d, m, random, vector, row, err);
    case M_DATE:
        ((int32_t *)data)[row] = (int32_t)(moment(d, m, random) / 86400000000);
        break;
    case M_TIME:
        ((int64_t *)data)[row] = moment(d, m, random) % 86400000000 / 1000 * 1000;
        break;
    case M_TIMESTAMP:
        ((int64_t *)data)[row] =
            m->width > 6 ? moment(d, m, random) * 1000 : cut(moment(d, m, random), m->width);
        break;
    case M_ROW:
        for (size_t c = 0; c < m->child_count && !rc; c++)
            rc = put(d, &m->children[c], seed, n, duckdb_struct_vector_get_child(vector, c), row,
                     err);
        break;
    case M_ARRAY:
    case M_MAP:
        return put_list(d, m, random, vector, row, err);
    case M_ZERO:
        break;
    }
    return rc;
}

static void put_null(const struct made *m, duckdb_vector vector, idx_t row)
{
    vec_set_null(vector, row);
    if (m->kind == M_ARRAY || m->kind == M_MAP)
        ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row] =
            (duckdb_list_entry){duckdb_list_vector_get_size(vector), 0};
    for (size_t i = 0; m->kind == M_ROW && i < m->child_count; i++)
        put_null(&m->children[i], duckdb_struct_vector_get_child(vector, i), row);
}

static int put(struct datagen *d, const struct made *m, uint64_t seed, int64_t n,
               duckdb_vector vector, idx_t row, struct err *err)
{
    if (m->null_rate > 0 &&
        (double)(made_random(seed, n, m->id + (1u << 20)) >> 11) * 0x1p-53 < m->null_rate) {
        put_null(m, vector, row);
        return 0;
    }
    return m->sequence ? put_sequence(m, n, vector, row)
                       : put_value(d, m, seed, n, vector, row, err);
}

static int fill(void *state, uint64_t seed, int64_t first, idx_t count, duckdb_data_chunk chunk,
                struct err *err)
{
    struct datagen *d = state;
    int rc = 0;

    d->now_us = clock_wall_us(d->clock);
    for (size_t c = 0; c < d->count && !rc; c++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, c);

        for (idx_t row = 0; row < count && !rc; row++)
            rc = put(d, &d->columns[c], seed, first + (int64_t)row, vector, row, err);
    }
    return rc;
}

static void made_deinit(struct made *m)
{
    for (size_t i = 0; m->children && i < m->child_count; i++)
        made_deinit(&m->children[i]);
    free(m->children);
}

static void datagen_free(void *state)
{
    struct datagen *d = state;

    if (!d)
        return;
    for (size_t i = 0; d->columns && i < d->count; i++)
        made_deinit(&d->columns[i]);
    free(d->columns);
    buf_deinit(&d->text);
    free(d);
}

int datagen_source_new(const struct source_request *request, struct stream_source **out,
                       struct err *err)
{
    static const struct made_ops ops = {fill, datagen_free};
    struct datagen *d = calloc(1, sizeof(*d));
    struct reading r = {request->table, d, -1};
    struct made_options options = {.ops = &ops, .state = d, .default_rate = 10000};
    int rc;

    if (!d)
        return err_set(err, ERR_NOMEM, "datagen");
    d->clock = request->connector->clock;
    d->text.max = LENGTH_MAX + 16;
    d->columns = calloc(request->table->column_count + 1, sizeof(*d->columns));
    rc = d->columns ? 0 : err_set(err, ERR_NOMEM, "datagen");
    for (size_t i = 0; i < request->table->column_count && !rc; i++) {
        const struct sql_column *column = &request->table->columns[i];

        if (column->kind == SQL_COLUMN_PHYSICAL)
            rc = made_init(&r, &d->columns[d->count++], column->name, column->type, 0, err);
        else if (column->kind == SQL_COLUMN_METADATA)
            d->columns[d->count++].kind = M_ZERO;
    }
    if (rc) {
        datagen_free(d);
        return err_wrap(err, rc, "table `%s`", request->table->name);
    }
    options.rows_max = r.rows_max;
    return made_source_new(out, request, &options, err);
}
