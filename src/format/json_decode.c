/* json_decode.c - one object of JSON text to one row of vectors, in one pass.
 *
 * A tree of nodes mirrors the fields' types. Each node knows where its vector's data lies, so a
 * value goes from the text to its place with no step between. Keys are guessed: producers write
 * them in one order, so the node after the last one matched is compared first, sixteen bytes at
 * once, and only a miss asks the hash table.
 *
 * Strings of up to 12 bytes live inside of their duckdb_string_t. Longer ones lie in blocks of the
 * vector's own heap: a block is had by assigning one long string of zeros, and is then cut into
 * many, which costs a call per block instead of one per string.
 *
 * A record that fails leaves junk in its row and behind the ends of the lists; the ends go back to
 * where the last good record left them, and the next record overwrites both.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "format/json_node.h"

#define BLOCK_MIN     4096
#define INLINE_MAX    12   /* of a duckdb_string_t */
#define LIST_CAPACITY 2048 /* of a fresh list vector: DuckDB's vector size */

/* ---- faults ---- */

static void path_of(const struct node *node, char *out, size_t size)
{
    const struct node *chain[JSON_DEPTH_MAX];
    size_t count = 0, used = 0;

    out[0] = '\0';
    for (; node && node->parent && count < COUNT_OF(chain); node = node->parent)
        chain[count++] = node;
    while (count-- > 0) {
        const struct node *n = chain[count];
        int wrote;

        if (n->name)
            wrote = snprintf(out + used, size - used, "%s%s", used ? "." : "", n->name);
        else if (n->parent->kind == K_LIST)
            wrote = snprintf(out + used, size - used, "[%" PRIu64 "]", n->parent->at);
        else
            wrote =
                snprintf(out + used, size - used, n == n->parent->children ? "(key)" : "(value)");
        used += (size_t)wrote;
        if (used >= size)
            return;
    }
}

static const uint8_t *fail(struct json_decoder *d, const struct node *node, const uint8_t *p,
                           const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Always gives NULL, so that a reader can return it. */
static const uint8_t *fail(struct json_decoder *d, const struct node *node, const uint8_t *p,
                           const char *fmt, ...)
{
    struct json_fault *fault = d->fault;
    va_list args;

    if (!d->rc)
        d->rc = ERR_INVALID;
    if (!fault)
        return NULL;
    va_start(args, fmt);
    vsnprintf(fault->reason, sizeof(fault->reason), fmt, args);
    va_end(args);
    path_of(node, fault->path, sizeof(fault->path));
    fault->pos = (size_t)(p - d->start);
    fault->fatal = node && node->policy == ON_FAULT_FAIL;
    return NULL;
}

static const uint8_t *broken(struct json_decoder *d, const struct node *node, const uint8_t *p,
                             const char *what)
{
    bool first = !d->broken;

    d->broken = true;
    if (!first)
        return NULL;
    if (p >= d->end)
        return fail(d, node, d->end, "the record ends where %s should be", what);
    if (*p >= 0x20 && *p < 0x7f)
        return fail(d, node, p, "'%c' at byte %zu, where %s should be", *p, (size_t)(p - d->start),
                    what);
    return fail(d, node, p, "byte 0x%02x at %zu, where %s should be", *p, (size_t)(p - d->start),
                what);
}

static const uint8_t *no_memory(struct json_decoder *d, const struct node *node, const uint8_t *p)
{
    d->rc = ERR_NOMEM;
    d->broken = true;
    return fail(d, node, p, "memory ran out");
}

/* ---- nulls ---- */

static inline void set_valid(struct node *node, idx_t row)
{
    if (node->validity)
        node->validity[row >> 6] |= (uint64_t)1 << (row & 63);
}

static void set_null(struct node *node, idx_t row)
{
    if (!node->validity) {
        duckdb_vector_ensure_validity_writable(node->vector);
        node->validity = duckdb_vector_get_validity(node->vector);
    }
    node->validity[row >> 6] &= ~((uint64_t)1 << (row & 63));
    if (node->kind == K_STRUCT)
        for (size_t i = 0; i < node->child_count; i++)
            set_null(&node->children[i], row);
    else if (node->kind == K_LIST || node->kind == K_MAP)
        ((duckdb_list_entry *)node->data)[row] = (duckdb_list_entry){node->size, 0};
}

/* ---- strings ---- */

static const char zeros[JSON_BLOCK_MAX];

static bool block_new(struct node *node, idx_t row, size_t len)
{
    duckdb_string_t *strings = node->data;

    node->block_size = node->block_size ? node->block_size * 2 : BLOCK_MIN;
    while (node->block_size < len)
        node->block_size *= 2;
    if (node->block_size > JSON_BLOCK_MAX)
        node->block_size = JSON_BLOCK_MAX;
    duckdb_vector_assign_string_element_len(node->vector, row, zeros, node->block_size);
    node->block = strings[row].value.pointer.ptr;
    node->block_left = node->block_size;
    return true;
}

/* Length masks: the first n of twelve bytes. */
static const uint8_t ones_then_zeros[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

static inline void put_string(struct node *node, idx_t row, const uint8_t *text, size_t len,
                              const uint8_t *readable)
{
    duckdb_string_t *out = (duckdb_string_t *)node->data + row;

    set_valid(node, row);
    if (len <= INLINE_MAX) {
        __m128i v;

        if (readable - text >= 16) {
            v = _mm_loadu_si128((const __m128i *)(const void *)text);
            v = _mm_and_si128(
                v, _mm_loadu_si128((const __m128i *)(const void *)(ones_then_zeros + 16 - len)));
        } else {
            uint8_t copy[16] = {0};

            if (len)
                memcpy(copy, text, len);
            v = _mm_loadu_si128((const __m128i *)(const void *)copy);
        }
        v = _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int)len));
        _mm_storeu_si128((__m128i *)(void *)out, v);
        return;
    }
    if (len > JSON_BLOCK_MAX) {
        duckdb_vector_assign_string_element_len(node->vector, row, (const char *)text, len);
        return;
    }
    if (len > node->block_left)
        block_new(node, row, len);
    memcpy(node->block, text, len);
    out->value.pointer.length = (uint32_t)len;
    memcpy(out->value.pointer.prefix, text, 4);
    out->value.pointer.ptr = node->block;
    node->block += len;
    node->block_left -= len;
}

/* At the opening quote: the text without escapes, checked to be UTF-8. Lies in the record or in
 * the scratch buffer. */
static inline const uint8_t *take_text(struct json_decoder *d, struct node *node, const uint8_t *p,
                                       struct slice *out)
{
    bool escaped = false, high = false;
    const uint8_t *close = json_scan_string(p + 1, d->end, &escaped, &high);

    if (!close)
        return d->broken = true, fail(d, node, p,
                                      "a string without its end, or with a control "
                                      "character in it");
    *out = slice_of(p + 1, (size_t)(close - p - 1));
    if (__builtin_expect(escaped, 0)) {
        int rc;

        buf_clear(&d->scratch);
        rc = json_unescape(*out, &d->scratch);
        if (rc == ERR_NOMEM || rc == ERR_LIMIT)
            return no_memory(d, node, p);
        if (rc)
            return d->broken = true, fail(d, node, p, "a string with an escape that JSON has not");
        *out = buf_slice(&d->scratch);
    }
    if (__builtin_expect(high, 0) && !json_utf8_valid(out->ptr, out->len))
        return d->broken = true, fail(d, node, p, "a string that is not UTF-8");
    return close + 1;
}

static inline const uint8_t *readable_end(const struct json_decoder *d, struct slice text)
{
    return text.ptr >= d->start && text.ptr < d->end ? d->end : text.ptr + text.len;
}

static const uint8_t *read_varchar(struct json_decoder *d, struct node *node, const uint8_t *p,
                                   idx_t row)
{
    struct slice text;
    const uint8_t *next;
    int rc;

    if (*p == '"') {
        next = take_text(d, node, p, &text);
        if (next)
            put_string(node, row, text.ptr, text.len, readable_end(d, text));
        return next;
    }
    next = json_skip_value(p, d->end);
    if (!next)
        return broken(d, node, p, "a value");
    text = slice_of(p, (size_t)(next - p));
    if (*p == '{' || *p == '[') {
        buf_clear(&d->scratch);
        rc = json_compact(text, &d->scratch);
        if (rc)
            return no_memory(d, node, p);
        text = buf_slice(&d->scratch);
        if (!json_utf8_valid(text.ptr, text.len))
            return d->broken = true, fail(d, node, p, "a string that is not UTF-8");
    }
    put_string(node, row, text.ptr, text.len, text.ptr + text.len);
    return next;
}

static const uint8_t *read_blob(struct json_decoder *d, struct node *node, const uint8_t *p,
                                idx_t row)
{
    struct buf bytes = {0};
    struct slice text;
    const uint8_t *next;
    int rc;

    if (*p != '"')
        return fail(d, node, p, "not a string of base64 for %s", node->type_name);
    next = take_text(d, node, p, &text);
    if (!next)
        return NULL;
    rc = base64_decode(text, &bytes);
    if (!rc)
        put_string(node, row, bytes.ptr, bytes.len, bytes.ptr + bytes.len);
    buf_deinit(&bytes);
    if (rc == ERR_NOMEM)
        return no_memory(d, node, p);
    return rc ? fail(d, node, p, "'%.*s' is not base64", (int)(text.len > 40 ? 40 : text.len),
                     text.ptr)
              : next;
}

/* ---- numbers ---- */

/* A value as a number, from a number or from text. */
static inline const uint8_t *take_number(struct json_decoder *d, struct node *node,
                                         const uint8_t *p, struct json_number *out)
{
    struct slice text;
    const uint8_t *next;

    if (*p == '-' || (*p >= '0' && *p <= '9')) {
        next = json_scan_number(p, d->end, out);
        return next ? next : broken(d, node, p, "a number");
    }
    if (*p != '"') {
        next = json_skip_value(p, d->end);
        if (!next)
            return broken(d, node, p, "a value");
        return fail(d, node, p, "'%.*s' is not a number for %s",
                    (int)(next - p > 40 ? 40 : next - p), p, node->type_name);
    }
    next = take_text(d, node, p, &text);
    if (next && !json_text_number(text, out))
        return fail(d, node, p, "'%.*s' is not a number for %s",
                    (int)(text.len > 40 ? 40 : text.len), text.ptr, node->type_name);
    return next;
}

static const uint8_t *read_integer(struct json_decoder *d, struct node *node, const uint8_t *p,
                                   idx_t row)
{
    struct json_number number;
    const uint8_t *next = take_number(d, node, p, &number);
    int64_t value, high;

    if (!next)
        return NULL;
    if (*p == '"' && !number.integer) /* as Integer.parseInt has it */
        return fail(d, node, p, "'%.*s' is not a whole number",
                    (int)(number.raw.len > 40 ? 40 : number.raw.len), number.raw.ptr);
    high = node->kind == K_BIGINT     ? INT64_MAX
           : node->kind == K_INTEGER  ? INT32_MAX
           : node->kind == K_SMALLINT ? INT16_MAX
                                      : INT8_MAX;
    if (!json_number_i64(&number, &value) || value > high || value < -high - 1)
        return fail(d, node, p, "%.*s is out of range for %s",
                    (int)(number.raw.len > 40 ? 40 : number.raw.len), number.raw.ptr,
                    node->type_name);
    set_valid(node, row);
    switch (node->kind) {
    case K_BIGINT:
        ((int64_t *)node->data)[row] = value;
        break;
    case K_INTEGER:
        ((int32_t *)node->data)[row] = (int32_t)value;
        break;
    case K_SMALLINT:
        ((int16_t *)node->data)[row] = (int16_t)value;
        break;
    default:
        ((int8_t *)node->data)[row] = (int8_t)value;
        break;
    }
    return next;
}

/* Java's words for what JSON's grammar has no number for. */
static bool special_double(struct slice text, double *out)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {
        {"NaN", NAN}, {"Infinity", INFINITY}, {"+Infinity", INFINITY}, {"-Infinity", -INFINITY}};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_is(text, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    return false;
}

static const uint8_t *read_double(struct json_decoder *d, struct node *node, const uint8_t *p,
                                  idx_t row)
{
    struct json_number number;
    const uint8_t *next = NULL;
    struct slice text;
    double value;

    if (*p == '"') {
        next = take_text(d, node, p, &text);
        if (!next)
            return NULL;
        if (!special_double(text, &value))
            next = NULL;
    }
    if (!next) {
        next = take_number(d, node, p, &number);
        if (!next)
            return NULL;
        value = json_number_f64(&number);
    }
    set_valid(node, row);
    if (node->kind == K_DOUBLE)
        ((double *)node->data)[row] = value;
    else
        ((float *)node->data)[row] = (float)value;
    return next;
}

static void store_decimal(struct node *node, idx_t row, __int128 value)
{
    set_valid(node, row);
    switch (node->storage) {
    case DUCKDB_TYPE_SMALLINT:
        ((int16_t *)node->data)[row] = (int16_t)value;
        break;
    case DUCKDB_TYPE_INTEGER:
        ((int32_t *)node->data)[row] = (int32_t)value;
        break;
    case DUCKDB_TYPE_BIGINT:
        ((int64_t *)node->data)[row] = (int64_t)value;
        break;
    default:
        memcpy((duckdb_hugeint *)node->data + row, &value, sizeof(value));
        break;
    }
}

static const uint8_t *read_decimal(struct json_decoder *d, struct node *node, const uint8_t *p,
                                   idx_t row)
{
    struct json_number number;
    const uint8_t *next = take_number(d, node, p, &number);
    __int128 value;

    if (!next)
        return NULL;
    if (!json_number_decimal(&number, node->precision, node->scale, &value))
        return fail(d, node, p, "%.*s does not fit a DECIMAL(%d, %d)",
                    (int)(number.raw.len > 60 ? 60 : number.raw.len), number.raw.ptr,
                    node->precision, node->scale);
    store_decimal(node, row, value);
    return next;
}

static const uint8_t *read_boolean(struct json_decoder *d, struct node *node, const uint8_t *p,
                                   idx_t row)
{
    const uint8_t *next;
    struct slice text;
    bool value;

    if (d->end - p >= 4 && !memcmp(p, "true", 4)) {
        value = true;
        next = p + 4;
    } else if (d->end - p >= 5 && !memcmp(p, "false", 5)) {
        value = false;
        next = p + 5;
    } else {
        if (*p == '"') {
            next = take_text(d, node, p, &text);
        } else {
            next = json_skip_value(p, d->end);
            text = slice_of(p, next ? (size_t)(next - p) : 0);
        }
        if (!next)
            return broken(d, node, p, "a value");
        value = slice_ieq(text, SLICE_LIT("true"));
        if (!value && !slice_ieq(text, SLICE_LIT("false")))
            return fail(d, node, p, "'%.*s' is neither true nor false",
                        (int)(text.len > 40 ? 40 : text.len), text.ptr);
    }
    set_valid(node, row);
    ((bool *)node->data)[row] = value;
    return next;
}

/* ---- times ---- */

static const uint8_t *no_time(struct json_decoder *d, struct node *node, const uint8_t *p,
                              const uint8_t *next)
{
    size_t len = (size_t)(next - p);

    return fail(d, node, p, "%.*s is not a %s", (int)(len > 60 ? 60 : len), p, node->type_name);
}

static const uint8_t *take_time(struct json_decoder *d, struct node *node, const uint8_t *p,
                                struct json_time *time)
{
    struct json_number number;
    struct slice text;
    const uint8_t *next;
    bool good;

    if (*p == '"') {
        next = take_text(d, node, p, &text);
        if (!next)
            return NULL;
        good = json_time_text(text, time);
    } else {
        next = json_skip_value(p, d->end);
        if (!next)
            return broken(d, node, p, "a value");
        good = json_scan_number(p, d->end, &number) && json_time_number(&number, time);
    }
    return good ? next : no_time(d, node, p, next);
}

static const uint8_t *read_timestamp(struct json_decoder *d, struct node *node, const uint8_t *p,
                                     idx_t row)
{
    struct json_time time;
    const uint8_t *next = take_time(d, node, p, &time);
    __int128 nanos;

    if (!next)
        return NULL;
    time.nanos -= (int32_t)(time.nanos % node->cut_nanos);
    if (node->unit_nanos == 1000 && time.seconds < 9000000000000 && time.seconds > -9000000000000) {
        set_valid(node, row);
        ((int64_t *)node->data)[row] = time.seconds * 1000000 + time.nanos / 1000;
        return next;
    }
    nanos = (__int128)time.seconds * 1000000000 + time.nanos;
    nanos = (nanos - (nanos % node->unit_nanos + node->unit_nanos) % node->unit_nanos) /
            node->unit_nanos;
    if (nanos > INT64_MAX || nanos < -INT64_MAX)
        return no_time(d, node, p, next);
    set_valid(node, row);
    ((int64_t *)node->data)[row] = (int64_t)nanos;
    return next;
}

/* Small whole numbers are days since the epoch (change capture sends them), others its time. */
static const uint8_t *read_date(struct json_decoder *d, struct node *node, const uint8_t *p,
                                idx_t row)
{
    struct json_number number;
    struct json_time time;
    const uint8_t *next;
    struct slice text;
    int32_t days = 0;
    int64_t whole;

    if (*p == '"') {
        next = take_text(d, node, p, &text);
        if (!next)
            return NULL;
        if (!json_date_text(text, &days))
            return no_time(d, node, p, next);
    } else if (json_scan_number(p, d->end, &number) && number.integer &&
               json_number_i64(&number, &whole) && whole > -1000000 && whole < 1000000) {
        next = p + number.raw.len;
        days = (int32_t)whole;
    } else {
        next = take_time(d, node, p, &time);
        if (!next)
            return NULL;
        days = (int32_t)(time.seconds / 86400 - (time.seconds % 86400 < 0));
    }
    set_valid(node, row);
    ((int32_t *)node->data)[row] = days;
    return next;
}

static const uint8_t *read_time(struct json_decoder *d, struct node *node, const uint8_t *p,
                                idx_t row)
{
    const uint8_t *next;
    struct slice text;
    int64_t nanos;

    if (*p != '"') {
        next = json_skip_value(p, d->end);
        return next ? no_time(d, node, p, next) : broken(d, node, p, "a value");
    }
    next = take_text(d, node, p, &text);
    if (!next)
        return NULL;
    if (!json_clock_text(text, &nanos))
        return no_time(d, node, p, next);
    nanos -= nanos % node->cut_nanos;
    set_valid(node, row);
    ((int64_t *)node->data)[row] = nanos / node->unit_nanos;
    return next;
}

/* DuckDB keeps a UUID as a signed 128-bit number whose top bit is flipped, so that it sorts. */
static const uint8_t *read_uuid(struct json_decoder *d, struct node *node, const uint8_t *p,
                                idx_t row)
{
    uint8_t bytes[16];
    char digits[32];
    const uint8_t *next;
    struct slice text;
    size_t count = 0;
    duckdb_hugeint value = {0};

    if (*p != '"')
        return fail(d, node, p, "not a string for a UUID");
    next = take_text(d, node, p, &text);
    if (!next)
        return NULL;
    for (size_t i = 0; i < text.len && count < 33; i++)
        if (text.ptr[i] != '-' && count < 32)
            digits[count++] = (char)text.ptr[i];
        else if (text.ptr[i] != '-')
            count++;
    if (count != 32 || hex_decode(slice_of(digits, 32), bytes))
        return no_time(d, node, p, next);
    for (int i = 0; i < 8; i++) {
        value.upper = (int64_t)((uint64_t)value.upper << 8 | bytes[i]);
        value.lower = value.lower << 8 | bytes[i + 8];
    }
    value.upper ^= INT64_MIN;
    set_valid(node, row);
    ((duckdb_hugeint *)node->data)[row] = value;
    return next;
}

/* ---- containers ---- */

static const uint8_t *read_value(struct json_decoder *d, struct node *node, const uint8_t *p,
                                 idx_t row);

/* Looks up where a node's vector lies, and those below it; anew after a list grew. */
static void refresh(struct node *node, duckdb_vector vector)
{
    node->vector = vector;
    node->data = duckdb_vector_get_data(vector);
    node->validity = duckdb_vector_get_validity(vector);
    if (node->kind == K_STRUCT) {
        for (size_t i = 0; i < node->child_count; i++)
            refresh(&node->children[i], duckdb_struct_vector_get_child(vector, i));
    } else if (node->kind == K_LIST) {
        refresh(&node->children[0], duckdb_list_vector_get_child(vector));
    } else if (node->kind == K_MAP) {
        duckdb_vector entries = duckdb_list_vector_get_child(vector);

        refresh(&node->children[0], duckdb_struct_vector_get_child(entries, 0));
        refresh(&node->children[1], duckdb_struct_vector_get_child(entries, 1));
    }
}

/* Room for one more element; gives its index. */
static bool list_next(struct node *node, idx_t *at)
{
    if (node->size == node->capacity) {
        if (duckdb_list_vector_reserve(node->vector, node->capacity * 2) != DuckDBSuccess)
            return false;
        node->capacity *= 2;
        refresh(node, node->vector);
    }
    *at = node->size++;
    return true;
}

static const uint8_t *read_list(struct json_decoder *d, struct node *node, const uint8_t *p,
                                idx_t row)
{
    idx_t offset = node->size, at;

    if (*p != '[')
        return fail(d, node, p, "not an array");
    p = json_skip_space(p + 1, d->end);
    if (p < d->end && *p == ']') {
        p++;
    } else {
        for (;;) {
            if (!list_next(node, &at))
                return no_memory(d, node, p);
            node->at = at - offset;
            p = read_value(d, &node->children[0], p, at);
            if (!p)
                return NULL;
            p = json_skip_space(p, d->end);
            if (p < d->end && *p == ',') {
                p = json_skip_space(p + 1, d->end);
                continue;
            }
            if (p == d->end || *p != ']')
                return broken(d, node, p, "a comma or ']'");
            p++;
            break;
        }
    }
    set_valid(node, row);
    ((duckdb_list_entry *)node->data)[row] = (duckdb_list_entry){offset, node->size - offset};
    return p;
}

/* Of a key given twice the last value counts: DuckDB's maps hold a key once. Keys are compared as
 * their bytes in the vector; maps in events are small, so a scan is quick, and its cost is bounded:
 * past MAP_KEYS_MAX keys the record is refused. */
#define MAP_KEYS_MAX 4096

static bool same_key(const struct node *key, idx_t a, idx_t b)
{
    duckdb_string_t *strings = key->data;

    if (key->kind != K_VARCHAR)
        return false;
    if (duckdb_string_t_length(strings[a]) != duckdb_string_t_length(strings[b]))
        return false;
    return !memcmp(duckdb_string_t_data(&strings[a]), duckdb_string_t_data(&strings[b]),
                   duckdb_string_t_length(strings[a]));
}

static const uint8_t *read_map(struct json_decoder *d, struct node *node, const uint8_t *p,
                               idx_t row)
{
    struct node *key = &node->children[0], *value = &node->children[1];
    idx_t offset = node->size, at;

    if (*p != '{')
        return fail(d, node, p, "not an object for %s", node->type_name);
    p = json_skip_space(p + 1, d->end);
    if (p < d->end && *p == '}') {
        p++;
        goto done;
    }
    for (;;) {
        if (p == d->end || *p != '"')
            return broken(d, node, p, "a key");
        if (node->size - offset == MAP_KEYS_MAX)
            return fail(d, node, p, "a map of more than %d keys", MAP_KEYS_MAX);
        if (!list_next(node, &at))
            return no_memory(d, node, p);
        p = read_value(d, key, p, at);
        if (!p)
            return NULL;
        for (idx_t before = offset; before < at; before++)
            if (same_key(key, before, at)) {
                at = before;
                node->size--;
                break;
            }
        p = json_skip_space(p, d->end);
        if (p == d->end || *p != ':')
            return broken(d, node, p, "':'");
        p = read_value(d, value, json_skip_space(p + 1, d->end), at);
        if (!p)
            return NULL;
        p = json_skip_space(p, d->end);
        if (p < d->end && *p == ',') {
            p = json_skip_space(p + 1, d->end);
            continue;
        }
        if (p == d->end || *p != '}')
            return broken(d, node, p, "a comma or '}'");
        p++;
        break;
    }
done:
    set_valid(node, row);
    ((duckdb_list_entry *)node->data)[row] = (duckdb_list_entry){offset, node->size - offset};
    return p;
}

static struct node *child_find(const struct node *node, struct slice name)
{
    size_t at = name_hash(name.ptr, name.len) & node->table_mask;

    for (; node->table[at]; at = (at + 1) & node->table_mask) {
        struct node *child = &node->children[node->table[at] - 1];

        if (child->name_len == name.len && !memcmp(child->name, name.ptr, name.len))
            return child;
    }
    return NULL;
}

/* Is the text behind the opening quote this child's name? */
static inline bool key_is(const struct json_decoder *d, const struct node *child, const uint8_t *p)
{
    if (d->end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, child->key));

        if ((same & child->key_mask) != child->key_mask)
            return false;
        if (child->name_len < 16)
            return true;
    }
    return (size_t)(d->end - p) > child->name_len && p[child->name_len] == '"' &&
           !memcmp(p, child->name, child->name_len);
}

/* At the opening quote of a key: the node it names (NULL: unknown) and the place after it. */
static inline const uint8_t *take_key(struct json_decoder *d, struct node *node, size_t guess,
                                      const uint8_t *p, struct node **child)
{
    struct slice name;
    const uint8_t *next;

    if (guess < node->child_count && key_is(d, &node->children[guess], p + 1)) {
        *child = &node->children[guess];
        return p + 2 + (*child)->name_len;
    }
    next = take_text(d, node, p, &name);
    if (next)
        *child = child_find(node, name);
    return next;
}

static const uint8_t *missing(struct json_decoder *d, struct node *node, uint64_t serial,
                              const uint8_t *p, idx_t row)
{
    for (size_t i = 0; i < node->child_count; i++) {
        struct node *child = &node->children[i];

        if (child->seen == serial)
            continue;
        if (d->fail_on_missing && child->policy != ON_FAULT_NULL)
            return fail(d, child, p, "the field is missing");
        set_null(child, row);
    }
    return p;
}

static const uint8_t *read_struct(struct json_decoder *d, struct node *node, const uint8_t *p,
                                  idx_t row)
{
    uint64_t serial = ++d->serial;
    size_t guess = 0, met = 0;
    struct node *child;

    if (*p != '{')
        return fail(d, node, p, "not an object");
    if (node->parent)
        set_valid(node, row);
    p = json_skip_space(p + 1, d->end);
    if (p < d->end && *p == '}')
        return missing(d, node, serial, p + 1, row);
    for (;;) {
        if (p == d->end || *p != '"')
            return broken(d, node, p, "a key");
        p = take_key(d, node, guess, p, &child);
        if (!p)
            return NULL;
        p = json_skip_space(p, d->end);
        if (p == d->end || *p != ':')
            return broken(d, node, p, "':'");
        p = json_skip_space(p + 1, d->end);
        if (child) {
            guess = (size_t)(child - node->children) + 1;
            met += child->seen != serial;
            child->seen = serial;
            p = read_value(d, child, p, row);
            if (!p)
                return NULL;
        } else {
            const uint8_t *next = json_skip_value(p, d->end);

            if (!next)
                return broken(d, node, p, "a value");
            p = next;
        }
        p = json_skip_space(p, d->end);
        if (p < d->end && *p == ',') {
            p = json_skip_space(p + 1, d->end);
            continue;
        }
        if (p == d->end || *p != '}')
            return broken(d, node, p, "a comma or '}'");
        p++;
        return met == node->child_count ? p : missing(d, node, serial, p, row);
    }
}

typedef const uint8_t *reader_fn(struct json_decoder *d, struct node *node, const uint8_t *p,
                                 idx_t row);

static reader_fn *const readers[] = {
    [K_BOOLEAN] = read_boolean,     [K_TINYINT] = read_integer, [K_SMALLINT] = read_integer,
    [K_INTEGER] = read_integer,     [K_BIGINT] = read_integer,  [K_FLOAT] = read_double,
    [K_DOUBLE] = read_double,       [K_DECIMAL] = read_decimal, [K_VARCHAR] = read_varchar,
    [K_BLOB] = read_blob,           [K_DATE] = read_date,       [K_TIME] = read_time,
    [K_TIMESTAMP] = read_timestamp, [K_UUID] = read_uuid,       [K_STRUCT] = read_struct,
    [K_LIST] = read_list,           [K_MAP] = read_map,
};

static const uint8_t *read_value(struct json_decoder *d, struct node *node, const uint8_t *p,
                                 idx_t row)
{
    const uint8_t *next;

    if (p == d->end)
        return broken(d, node, p, "a value");
    if (*p == 'n' && d->end - p >= 4 && !memcmp(p, "null", 4)) {
        set_null(node, row);
        return p + 4;
    }
    next = readers[node->kind](d, node, p, row);
    if (__builtin_expect(!next, 0) && !d->broken && node->policy == ON_FAULT_NULL) {
        d->rc = 0;
        set_null(node, row);
        next = json_skip_value(p, d->end);
        if (!next)
            return broken(d, node, p, "a value");
    }
    return next;
}

int json_decode_row(struct json_decoder *d, struct slice text, idx_t row, struct json_fault *fault)
{
    const uint8_t *p = text.ptr;

    d->start = text.ptr;
    d->end = text.ptr + text.len;
    d->fault = fault;
    d->broken = false;
    d->rc = 0;
    if (text.len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    p = json_skip_space(p, d->end);
    if (p == d->end) {
        broken(d, NULL, p, "an object");
    } else if (*p != '{') {
        broken(d, NULL, p, "an object");
    } else {
        p = read_struct(d, &d->root, p, row);
        if (p && (p = json_skip_space(p, d->end)) != d->end)
            broken(d, NULL, p, "the end of the record");
    }
    for (size_t i = 0; i < d->list_count; i++) {
        if (d->rc)
            d->lists[i]->size = d->lists[i]->saved;
        else
            d->lists[i]->saved = d->lists[i]->size;
    }
    return d->rc;
}

void json_decode_begin(struct json_decoder *d, duckdb_data_chunk chunk)
{
    for (size_t i = 0; i < d->root.child_count; i++) {
        struct node *node = &d->root.children[i];

        refresh(node, duckdb_data_chunk_get_vector(chunk, node->column));
    }
    for (size_t i = 0; i < d->list_count; i++) {
        d->lists[i]->size = d->lists[i]->saved = 0;
        d->lists[i]->capacity = LIST_CAPACITY;
    }
}

static void blocks_forget(struct node *node)
{
    node->block = NULL;
    node->block_left = 0;
    /* The next chunk starts with a quarter of what this one came to. */
    node->block_size = node->block_size > 4 * BLOCK_MIN ? node->block_size / 4 : 0;
    for (size_t i = 0; i < node->child_count; i++)
        blocks_forget(&node->children[i]);
}

void json_decode_end(struct json_decoder *d)
{
    for (size_t i = 0; i < d->list_count; i++)
        duckdb_list_vector_set_size(d->lists[i]->vector, d->lists[i]->size);
    blocks_forget(&d->root);
}
