/* schema.c - the decoder and the encoder that walk the tables of messages_*.c.
 *
 * Tagged fields (KIP-482) come last in a struct of a flexible version: their number, then for each
 * its tag, its length and its value; a reader skips tags it does not know, a writer leaves out
 * those that hold their default.
 */
#include "kafka/schema.h"

#include "base/be.h"

#define NESTING_MAX 16

struct reader {
    struct slice rest;
    int version;
    bool flexible;
    struct arena *arena;
    struct err *err;
    int depth;
};

/* ---- defaults ----------------------------------------------------------------------------- */

static void put_number(const struct field *field, void *at, int64_t value)
{
    switch (field->kind) {
    case KIND_BOOL:
        *(bool *)at = value != 0;
        break;
    case KIND_INT8:
        *(int8_t *)at = (int8_t)value;
        break;
    case KIND_INT16:
    case KIND_UINT16:
        *(int16_t *)at = (int16_t)value;
        break;
    case KIND_INT32:
        *(int32_t *)at = (int32_t)value;
        break;
    case KIND_INT64:
        *(int64_t *)at = value;
        break;
    default:
        break;
    }
}

void schema_defaults(const struct schema *schema, void *out)
{
    memset(out, 0, schema->size);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        void *at = (uint8_t *)out + field->at;

        if (field->kind == KIND_STRUCT)
            schema_defaults(field->item, at);
        else if (field->fallback)
            put_number(field, at, field->fallback);
    }
}

void *schema_array(const struct schema *schema, struct arena *arena, size_t count)
{
    uint8_t *items = arena_array(arena, count, schema->size);

    for (size_t i = 0; items && i < count; i++)
        schema_defaults(schema, items + i * schema->size);
    return items;
}

static bool carried(const struct field *field, int version)
{
    return version >= field->since && (!field->until || version <= field->until);
}

static bool tagged(const struct field *field, int version, bool flexible)
{
    return field->tag && flexible && version >= field->tag_from;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int short_of(struct reader *r, const struct field *field)
{
    return err_set(r->err, ERR_CORRUPT, "%s: the message ends too early", field->name);
}

static bool take(struct reader *r, size_t len, const uint8_t **out)
{
    if (r->rest.len < len)
        return false;
    *out = r->rest.ptr;
    r->rest.ptr += len;
    r->rest.len -= len;
    return true;
}

/* Unsigned varint of at most 32 bits. */
static bool take_uvarint(struct slice *in, uint32_t *out)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte;

        if (!in->len)
            return false;
        byte = *in->ptr++;
        in->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = (uint32_t)value;
            return value <= UINT32_MAX;
        }
    }
    return false;
}

/* The length of a string, bytes or an array: -1 is null. */
static int take_len(struct reader *r, const struct field *field, enum kind kind, bool may_be_null,
                    int64_t *out)
{
    const uint8_t *p;
    uint32_t compact;

    if (r->flexible) {
        if (!take_uvarint(&r->rest, &compact))
            return short_of(r, field);
        *out = (int64_t)compact - 1;
    } else if (kind == KIND_STRING) {
        if (!take(r, 2, &p))
            return short_of(r, field);
        *out = (int16_t)be16_get(p);
    } else {
        if (!take(r, 4, &p))
            return short_of(r, field);
        *out = (int32_t)be32_get(p);
    }
    if (*out < -1 || *out > INT32_MAX)
        return err_set(r->err, ERR_CORRUPT, "%s: a length of %" PRId64, field->name, *out);
    if (*out == -1 && !may_be_null)
        return err_set(r->err, ERR_CORRUPT, "%s: null where a value must be", field->name);
    return 0;
}

static bool may_be_null(const struct field *field, int version)
{
    return field->null_from && version >= field->null_from - 1;
}

static int read_bytes(struct reader *r, const struct field *field, enum kind kind,
                      struct slice *out)
{
    bool element = field->kind == KIND_ARRAY; /* never null */
    const uint8_t *p;
    int64_t len;
    int rc = take_len(r, field, kind, !element && may_be_null(field, r->version), &len);

    if (rc)
        return rc;
    *out = (struct slice){NULL, 0};
    if (len < 0)
        return 0;
    if (!take(r, (size_t)len, &p))
        return short_of(r, field);
    *out = slice_of(p, (size_t)len);
    return 0;
}

static int read_struct(struct reader *r, const struct schema *schema, void *out);

/* The fewest bytes that one element can take. */
static size_t wire_min(const struct field *field, enum kind kind, int version, bool flexible)
{
    static const uint8_t plain[] = {
        [KIND_BOOL] = 1,   [KIND_INT8] = 1,  [KIND_INT16] = 2,   [KIND_UINT16] = 2,
        [KIND_INT32] = 4,  [KIND_INT64] = 8, [KIND_FLOAT64] = 8, [KIND_UUID] = 16,
        [KIND_STRING] = 2, [KIND_BYTES] = 4, [KIND_RECORDS] = 4, [KIND_ARRAY] = 4};
    size_t sum = flexible ? 1 : 0;

    if (kind != KIND_STRUCT)
        return flexible && kind >= KIND_STRING ? 1 : plain[kind];
    for (size_t i = 0; i < field->item->field_count; i++) {
        const struct field *inner = &field->item->fields[i];

        if (carried(inner, version) && !tagged(inner, version, flexible))
            sum += wire_min(inner, inner->kind, version, flexible);
    }
    return sum;
}

static int read_value(struct reader *r, const struct field *field, enum kind kind, void *at);

static int read_array(struct reader *r, const struct field *field, struct kafka_array *out)
{
    enum kind kind = field->item ? KIND_STRUCT : field->of;
    static const uint8_t sizes[] = {[KIND_BOOL] = sizeof(bool),
                                    [KIND_INT8] = 1,
                                    [KIND_INT16] = 2,
                                    [KIND_UINT16] = 2,
                                    [KIND_INT32] = 4,
                                    [KIND_INT64] = 8,
                                    [KIND_FLOAT64] = 8,
                                    [KIND_UUID] = 16,
                                    [KIND_STRING] = sizeof(struct slice),
                                    [KIND_BYTES] = sizeof(struct slice)};
    size_t size = field->item ? field->item->size : sizes[kind], least;
    int64_t count;
    int rc = take_len(r, field, KIND_ARRAY, may_be_null(field, r->version), &count);

    if (rc)
        return rc;
    *out = (struct kafka_array){NULL, (int32_t)count};
    if (count <= 0)
        return 0;
    least = wire_min(field, kind, r->version, r->flexible);
    if ((uint64_t)count > r->rest.len / (least ? least : 1))
        return err_set(r->err, ERR_CORRUPT, "%s: %" PRId64 " elements in %zu bytes", field->name,
                       count, r->rest.len);
    out->items = arena_array(r->arena, (size_t)count, size);
    if (!out->items)
        return err_set(r->err, ERR_NOMEM, "%s: %" PRId64 " elements", field->name, count);
    for (int64_t i = 0; i < count && !rc; i++)
        rc = read_value(r, field, kind, (uint8_t *)out->items + (size_t)i * size);
    return rc;
}

static int read_value(struct reader *r, const struct field *field, enum kind kind, void *at)
{
    const uint8_t *p;

    switch (kind) {
    case KIND_BOOL:
        if (!take(r, 1, &p))
            return short_of(r, field);
        *(bool *)at = *p != 0;
        return 0;
    case KIND_INT8:
        if (!take(r, 1, &p))
            return short_of(r, field);
        *(int8_t *)at = (int8_t)*p;
        return 0;
    case KIND_INT16:
    case KIND_UINT16:
        if (!take(r, 2, &p))
            return short_of(r, field);
        *(uint16_t *)at = be16_get(p);
        return 0;
    case KIND_INT32:
        if (!take(r, 4, &p))
            return short_of(r, field);
        *(uint32_t *)at = be32_get(p);
        return 0;
    case KIND_INT64:
    case KIND_FLOAT64:
        if (!take(r, 8, &p))
            return short_of(r, field);
        *(uint64_t *)at = be64_get(p);
        return 0;
    case KIND_UUID:
        if (!take(r, sizeof(struct uuid), &p))
            return short_of(r, field);
        memcpy(at, p, sizeof(struct uuid));
        return 0;
    case KIND_STRING:
    case KIND_BYTES:
        return read_bytes(r, field, kind, at);
    case KIND_RECORDS:
        return read_bytes(r, field, kind, &((struct kafka_records *)at)->bytes);
    case KIND_ARRAY:
        return read_array(r, field, at);
    case KIND_STRUCT:
        return read_struct(r, field->item, at);
    }
    return err_set(r->err, ERR_INTERNAL, "%s: unknown kind", field->name);
}

static const struct field *field_of_tag(const struct reader *r, const struct schema *schema,
                                        uint32_t tag)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if (tagged(field, r->version, true) && carried(field, r->version) &&
            (uint32_t)field->tag == tag + 1)
            return field;
    }
    return NULL;
}

static int read_tags(struct reader *r, const struct schema *schema, void *out)
{
    uint32_t count, tag, len;

    if (!take_uvarint(&r->rest, &count))
        return err_set(r->err, ERR_CORRUPT, "%s: no number of tagged fields", schema->name);
    while (count--) {
        const struct field *field;
        struct slice after;
        int rc = 0;

        if (!take_uvarint(&r->rest, &tag) || !take_uvarint(&r->rest, &len) || len > r->rest.len)
            return err_set(r->err, ERR_CORRUPT, "%s: a tagged field is cut short", schema->name);
        after = slice_of(r->rest.ptr + len, r->rest.len - len);
        field = field_of_tag(r, schema, tag);
        if (field) {
            r->rest.len = len;
            rc = read_value(r, field, field->kind, (uint8_t *)out + field->at);
            if (!rc && r->rest.len)
                rc = err_set(r->err, ERR_CORRUPT, "%s: its tag is longer than it", field->name);
        }
        if (rc)
            return rc;
        r->rest = after;
    }
    return 0;
}

static int read_struct(struct reader *r, const struct schema *schema, void *out)
{
    int rc = 0;

    if (++r->depth > NESTING_MAX)
        return err_set(r->err, ERR_CORRUPT, "%s: nested too deep", schema->name);
    schema_defaults(schema, out);
    for (size_t i = 0; i < schema->field_count && !rc; i++) {
        const struct field *field = &schema->fields[i];

        if (carried(field, r->version) && !tagged(field, r->version, r->flexible))
            rc = read_value(r, field, field->kind, (uint8_t *)out + field->at);
    }
    if (!rc && r->flexible)
        rc = read_tags(r, schema, out);
    r->depth--;
    return rc;
}

int schema_decode(const struct schema *schema, int version, bool flexible, struct slice *in,
                  struct arena *arena, void *out, struct err *err)
{
    struct reader reader = {*in, version, flexible, arena, err, 0};
    int rc = read_struct(&reader, schema, out);

    *in = reader.rest;
    return rc;
}

int schema_skip_tags(struct slice *in, struct err *err)
{
    static const struct schema none = {"header", NULL, 0, 0};
    struct reader reader = {*in, 0, true, NULL, err, 0};
    int rc = read_tags(&reader, &none, NULL);

    *in = reader.rest;
    return rc;
}

int wire_i16(struct slice *in, int16_t *out)
{
    if (in->len < 2)
        return ERR_CORRUPT;
    *out = (int16_t)be16_get(in->ptr);
    in->ptr += 2;
    in->len -= 2;
    return 0;
}

int wire_i32(struct slice *in, int32_t *out)
{
    if (in->len < 4)
        return ERR_CORRUPT;
    *out = (int32_t)be32_get(in->ptr);
    in->ptr += 4;
    in->len -= 4;
    return 0;
}

int wire_nullable_string(struct slice *in, struct slice *out)
{
    int16_t len;

    if (wire_i16(in, &len) || len < -1 || (len > 0 && (size_t)len > in->len))
        return ERR_CORRUPT;
    *out = len < 0 ? (struct slice){NULL, 0} : slice_of(in->ptr, (size_t)len);
    in->ptr += len > 0 ? len : 0;
    in->len -= len > 0 ? (size_t)len : 0;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

struct writer {
    struct buf *out;
    struct schema_cuts *cuts;
    struct arena *arena;
    int version;
    bool flexible;
    struct err *err;
};

static int write_struct(struct writer *w, const struct schema *schema, const void *in);
static int write_value(struct writer *w, const struct field *field, enum kind kind, const void *at);

static int put(struct writer *w, const void *ptr, size_t len)
{
    int rc = buf_append(w->out, ptr, len);

    return rc ? err_set(w->err, rc, "reply of %zu bytes", w->out->len) : 0;
}

static int put_uvarint(struct writer *w, uint32_t value)
{
    uint8_t bytes[5];
    size_t len = 0;

    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    return put(w, bytes, len);
}

static int put_len(struct writer *w, bool two_bytes, int64_t len)
{
    uint8_t bytes[4];

    if (len > INT32_MAX - 1 || (!w->flexible && two_bytes && len > INT16_MAX))
        return err_set(w->err, ERR_LIMIT, "a length of %" PRId64 " in a reply", len);
    if (w->flexible)
        return put_uvarint(w, (uint32_t)(len + 1));
    if (two_bytes) {
        be16_put(bytes, (uint16_t)len);
        return put(w, bytes, 2);
    }
    be32_put(bytes, (uint32_t)len);
    return put(w, bytes, 4);
}

static int write_bytes(struct writer *w, const struct field *field, enum kind kind, struct slice s)
{
    bool element = field->kind == KIND_ARRAY;
    int rc;

    if (!s.ptr && !element && may_be_null(field, w->version))
        return put_len(w, kind == KIND_STRING, -1);
    rc = put_len(w, kind == KIND_STRING, (int64_t)s.len);
    return rc || !s.len ? rc : put(w, s.ptr, s.len);
}

/* Records that lie in a file are only named: the connection sends them from there. */
static int write_records(struct writer *w, const struct field *field,
                         const struct kafka_records *records)
{
    struct schema_cuts *cuts = w->cuts;
    int rc;

    if (!records->extent.hold || !cuts)
        return write_bytes(w, field, KIND_RECORDS, records->bytes);
    rc = put_len(w, false, (int64_t)records->extent.len);
    if (rc)
        return rc;
    if (cuts->count == cuts->cap) {
        size_t cap = cuts->cap ? cuts->cap * 2 : 8;
        struct schema_cut *more = ARENA_ARRAY(w->arena, struct schema_cut, cap);

        if (!more)
            return err_set(w->err, ERR_NOMEM, "reply");
        if (cuts->count)
            memcpy(more, cuts->list, cuts->count * sizeof(*more));
        cuts->list = more;
        cuts->cap = cap;
    }
    cuts->list[cuts->count++] =
        (struct schema_cut){w->out->len, (struct log_extent *)&records->extent};
    cuts->bytes += records->extent.len;
    return 0;
}

static int write_array(struct writer *w, const struct field *field, const struct kafka_array *in)
{
    enum kind kind = field->item ? KIND_STRUCT : field->of;
    static const uint8_t sizes[] = {[KIND_BOOL] = sizeof(bool),
                                    [KIND_INT8] = 1,
                                    [KIND_INT16] = 2,
                                    [KIND_UINT16] = 2,
                                    [KIND_INT32] = 4,
                                    [KIND_INT64] = 8,
                                    [KIND_FLOAT64] = 8,
                                    [KIND_UUID] = 16,
                                    [KIND_STRING] = sizeof(struct slice),
                                    [KIND_BYTES] = sizeof(struct slice)};
    size_t size = field->item ? field->item->size : sizes[kind];
    int32_t count = in->count;
    int rc;

    if (count < 0 && !may_be_null(field, w->version))
        count = 0;
    rc = put_len(w, false, count);
    for (int32_t i = 0; i < count && !rc; i++)
        rc = write_value(w, field, kind, (const uint8_t *)in->items + (size_t)i * size);
    return rc;
}

static int write_value(struct writer *w, const struct field *field, enum kind kind, const void *at)
{
    uint8_t bytes[8];

    switch (kind) {
    case KIND_BOOL:
        bytes[0] = *(const bool *)at;
        return put(w, bytes, 1);
    case KIND_INT8:
        return put(w, at, 1);
    case KIND_INT16:
    case KIND_UINT16:
        be16_put(bytes, *(const uint16_t *)at);
        return put(w, bytes, 2);
    case KIND_INT32:
        be32_put(bytes, *(const uint32_t *)at);
        return put(w, bytes, 4);
    case KIND_INT64:
    case KIND_FLOAT64:
        be64_put(bytes, *(const uint64_t *)at);
        return put(w, bytes, 8);
    case KIND_UUID:
        return put(w, at, sizeof(struct uuid));
    case KIND_STRING:
    case KIND_BYTES:
        return write_bytes(w, field, kind, *(const struct slice *)at);
    case KIND_RECORDS:
        return write_records(w, field, at);
    case KIND_ARRAY:
        return write_array(w, field, at);
    case KIND_STRUCT:
        return write_struct(w, field->item, at);
    }
    return err_set(w->err, ERR_INTERNAL, "%s: unknown kind", field->name);
}

static bool is_default(const struct field *field, const void *at)
{
    uint8_t value[256];

    assert(field->size <= sizeof(value));
    switch (field->kind) {
    case KIND_STRING:
    case KIND_BYTES:
        return !((const struct slice *)at)->ptr;
    case KIND_ARRAY:
        return ((const struct kafka_array *)at)->count <= 0;
    case KIND_STRUCT:
        schema_defaults(field->item, value);
        break;
    default:
        memset(value, 0, sizeof(value));
        put_number(field, value, field->fallback);
    }
    return memcmp(value, at, field->size) == 0;
}

static int write_tagged(struct writer *w, const struct field *field, const void *at)
{
    struct buf value = {0}, *out = w->out;
    int rc;

    w->out = &value;
    rc = write_value(w, field, field->kind, at);
    w->out = out;
    if (!rc)
        rc = put_uvarint(w, (uint32_t)field->tag - 1);
    if (!rc)
        rc = put_uvarint(w, (uint32_t)value.len);
    if (!rc && value.len)
        rc = put(w, value.ptr, value.len);
    buf_deinit(&value);
    return rc;
}

static int write_tags(struct writer *w, const struct schema *schema, const void *in)
{
    const struct field *chosen[32]; /* in the order of the table, which is that of the tags */
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];

        if (carried(field, w->version) && tagged(field, w->version, true) &&
            !is_default(field, (const uint8_t *)in + field->at) && count < COUNT_OF(chosen))
            chosen[count++] = field;
    }
    rc = put_uvarint(w, (uint32_t)count);
    for (size_t i = 0; i < count && !rc; i++)
        rc = write_tagged(w, chosen[i], (const uint8_t *)in + chosen[i]->at);
    return rc;
}

static int write_struct(struct writer *w, const struct schema *schema, const void *in)
{
    int rc = 0;

    for (size_t i = 0; i < schema->field_count && !rc; i++) {
        const struct field *field = &schema->fields[i];

        if (carried(field, w->version) && !tagged(field, w->version, w->flexible))
            rc = write_value(w, field, field->kind, (const uint8_t *)in + field->at);
    }
    return rc || !w->flexible ? rc : write_tags(w, schema, in);
}

int schema_encode(const struct schema *schema, int version, bool flexible, const void *in,
                  struct arena *arena, struct buf *out, struct schema_cuts *cuts, struct err *err)
{
    struct writer writer = {out, cuts, arena, version, flexible, err};

    return write_struct(&writer, schema, in);
}
