/* avro_read.c - any writer's container file into C structs.
 *
 * The writer's schema is matched to the table once, into a tree of steps; decoding then walks the
 * steps. A step without a target skips.
 */
#include "format/avro_rows.h"
#include "base/codec.h"
#include "format/avro_file.h"

struct step {
    const struct avro_schema *schema;
    const struct avro_field *to; /* NULL: skip. For the record itself: kind by `shape` */
    const struct avro_shape *shape;
    struct step *kids; /* RECORD: members; UNION: branches; ARRAY: one */
    size_t kid_count;
};
struct reader {
    struct arena *arena;
    struct err *err;
    size_t steps;
};

static int nomem(struct reader *r)
{
    return err_set(r->err, ERR_NOMEM, "avro: the file does not fit into the memory allowed");
}

static int mismatch(struct reader *r, const struct avro_field *field,
                    const struct avro_schema *schema)
{
    return err_set(r->err, ERR_CORRUPT, "avro: field %s (%" PRId32 ") is written as %s",
                   field->name ? field->name : "?", field->id, avro_type_name(schema->type));
}

static bool fits(const struct avro_field *field, const struct avro_schema *schema)
{
    enum avro_type type = schema->type;

    switch (field->kind) {
    case AK_BOOL:
        return type == AVRO_BOOLEAN;
    case AK_INT:
        return type == AVRO_INT || type == AVRO_LONG; /* range checked while decoding */
    case AK_LONG:
        return type == AVRO_INT || type == AVRO_LONG;
    case AK_FLOAT:
        return type == AVRO_FLOAT;
    case AK_DOUBLE:
        return type == AVRO_FLOAT || type == AVRO_DOUBLE;
    case AK_STRING:
        return type == AVRO_STRING || type == AVRO_BYTES || type == AVRO_ENUM;
    case AK_BYTES:
        return type == AVRO_STRING || type == AVRO_BYTES || type == AVRO_FIXED;
    case AK_RECORD:
        return type == AVRO_RECORD;
    case AK_ARRAY:
    case AK_MAP:
        return type == AVRO_ARRAY;
    case AK_DATUM:
        return type < AVRO_ENUM;
    }
    return false;
}

static const struct avro_field *field_for(const struct avro_shape *shape,
                                          const struct avro_member *member)
{
    for (size_t i = 0; i < shape->field_count; i++)
        if (member->field_id >= 0 ? shape->fields[i].id == member->field_id
                                  : !strcmp(shape->fields[i].name, member->name))
            return &shape->fields[i];
    return NULL;
}

static int plan(struct reader *r, const struct avro_schema *schema, const struct avro_field *to,
                const struct avro_shape *shape, int depth, struct step *out);

static int plan_record(struct reader *r, const struct avro_schema *schema,
                       const struct avro_shape *shape, int depth, struct step *out)
{
    for (size_t i = 0; i < schema->member_count; i++) {
        const struct avro_field *to = field_for(shape, &schema->members[i]);
        int rc = plan(r, schema->members[i].schema, to, NULL, depth + 1, &out->kids[i]);

        if (rc)
            return rc;
    }
    for (size_t i = 0; i < shape->field_count; i++) {
        bool there = !shape->fields[i].needed;

        for (size_t k = 0; k < schema->member_count && !there; k++)
            there = out->kids[k].to == &shape->fields[i];
        if (!there)
            return err_set(r->err, ERR_CORRUPT, "avro: %s has no field %s (%" PRId32 ")",
                           shape->name, shape->fields[i].name, shape->fields[i].id);
    }
    return 0;
}

static int plan_kids(struct reader *r, struct step *out, size_t count)
{
    r->steps += count;
    if (r->steps > AVRO_NODES_MAX)
        return err_set(r->err, ERR_LIMIT, "avro: the schema is too large");
    out->kids = ARENA_ARRAY(r->arena, struct step, count + 1);
    out->kid_count = count;
    return out->kids ? 0 : nomem(r);
}

static int plan(struct reader *r, const struct avro_schema *schema, const struct avro_field *to,
                const struct avro_shape *shape, int depth, struct step *out)
{
    int rc = 0;

    *out = (struct step){.schema = schema, .to = to, .shape = shape};
    if (!to && !shape)
        return 0;
    if (depth > AVRO_DEPTH_MAX)
        return err_set(r->err, ERR_UNSUPPORTED, "avro: a recursive schema");
    if (schema->type == AVRO_UNION) {
        rc = plan_kids(r, out, schema->member_count);
        for (size_t i = 0; i < schema->member_count && !rc; i++)
            if (schema->members[i].schema->type == AVRO_NULL)
                out->kids[i].schema = schema->members[i].schema;
            else
                rc = plan(r, schema->members[i].schema, to, shape, depth + 1, &out->kids[i]);
        return rc;
    }
    if (to && !fits(to, schema))
        return mismatch(r, to, schema);
    if (to && to->kind == AK_RECORD)
        shape = out->shape = to->shape;
    if (shape) {
        if (schema->type != AVRO_RECORD)
            return err_set(r->err, ERR_CORRUPT, "avro: %s is written as %s", shape->name,
                           avro_type_name(schema->type));
        rc = plan_kids(r, out, schema->member_count);
        return rc ? rc : plan_record(r, schema, shape, depth, out);
    }
    if (to->kind == AK_ARRAY || to->kind == AK_MAP) {
        rc = plan_kids(r, out, 1);
        return rc ? rc
                  : plan(r, schema->items, to->shape ? NULL : to->item, to->shape, depth + 1,
                         &out->kids[0]);
    }
    return 0;
}

static void set_absent(const struct avro_field *field, uint8_t *at)
{
    switch (field->kind) {
    case AK_BOOL:
        *(int8_t *)at = (int8_t)field->absent;
        break;
    case AK_INT:
        *(int32_t *)at = (int32_t)field->absent;
        break;
    case AK_LONG:
        *(int64_t *)at = field->absent;
        break;
    case AK_DATUM:
        ((struct avro_datum *)at)->null = true;
        break;
    default:
        break; /* zeroed memory says so */
    }
}

static void set_all_absent(const struct avro_shape *shape, uint8_t *record)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct avro_field *field = &shape->fields[i];

        if (field->kind == AK_RECORD)
            set_all_absent(field->shape, record + field->at);
        else
            set_absent(field, record + field->at);
    }
}

static int get_copy(struct reader *r, struct slice bytes, struct slice *out)
{
    uint8_t *copy = arena_alloc(r->arena, bytes.len + 1); /* NUL-ended, and never NULL */

    if (!copy)
        return nomem(r);
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    *out = slice_of(copy, bytes.len);
    return 0;
}

static int get_octets(struct reader *r, struct avro_cursor *c, const struct avro_schema *schema,
                      struct slice *out)
{
    struct slice raw = {0};
    int64_t symbol;
    int rc;

    if (schema->type == AVRO_FIXED) {
        raw.len = (size_t)schema->size;
        rc = avro_get_fixed(c, raw.len, &raw.ptr, r->err);
    } else if (schema->type == AVRO_ENUM) {
        rc = avro_get_long(c, &symbol, r->err);
        if (!rc && (symbol < 0 || (size_t)symbol >= schema->symbol_count))
            rc = err_set(r->err, ERR_CORRUPT, "avro: enum symbol %" PRId64, symbol);
        raw = rc ? raw : slice_str(schema->symbols[symbol]);
    } else {
        rc = avro_get_bytes(c, &raw, r->err);
    }
    return rc ? rc : get_copy(r, raw, out);
}

static int get_real(struct reader *r, struct avro_cursor *c, const struct avro_schema *schema,
                    double *out)
{
    const uint8_t *bytes;
    float narrow;
    int rc = avro_get_fixed(c, schema->type == AVRO_FLOAT ? 4 : 8, &bytes, r->err);

    if (rc)
        return rc;
    if (schema->type == AVRO_FLOAT) {
        memcpy(&narrow, bytes, 4);
        *out = narrow;
    } else {
        memcpy(out, bytes, 8);
    }
    return 0;
}

static int get_datum(struct reader *r, struct avro_cursor *c, const struct avro_schema *schema,
                     struct avro_datum *out)
{
    const uint8_t *byte;
    int rc;

    out->null = schema->type == AVRO_NULL;
    switch (schema->type) {
    case AVRO_NULL:
        return 0;
    case AVRO_BOOLEAN:
        rc = avro_get_fixed(c, 1, &byte, r->err);
        out->i = rc ? 0 : *byte != 0;
        return rc;
    case AVRO_INT:
    case AVRO_LONG:
        return avro_get_long(c, &out->i, r->err);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return get_real(r, c, schema, &out->d);
    default:
        return get_octets(r, c, schema, &out->bytes);
    }
}

static int get_value(struct reader *r, struct avro_cursor *c, const struct step *step,
                     uint8_t *record, uint8_t *at);

static int get_record(struct reader *r, struct avro_cursor *c, const struct step *step,
                      uint8_t *record)
{
    int rc = 0;

    for (size_t i = 0; i < step->kid_count && !rc; i++) {
        const struct step *kid = &step->kids[i];

        rc = kid->to ? get_value(r, c, kid, record, record + kid->to->at)
                     : avro_skip(c, kid->schema, r->err);
    }
    return rc;
}

static size_t item_size(const struct avro_field *field)
{
    static const size_t sizes[] = {[AK_BOOL] = 1,
                                   [AK_INT] = 4,
                                   [AK_LONG] = 8,
                                   [AK_FLOAT] = 4,
                                   [AK_DOUBLE] = 8,
                                   [AK_STRING] = sizeof(char *),
                                   [AK_BYTES] = sizeof(struct slice),
                                   [AK_DATUM] = sizeof(struct avro_datum)};

    return field->shape ? field->shape->size : sizes[field->item->kind];
}

/* Arrays come in blocks; nearly always there is one. More are joined by copying. */
static int get_items(struct reader *r, struct avro_cursor *c, const struct step *step,
                     uint8_t *record, uint8_t *at)
{
    const struct avro_field *field = step->to;
    size_t size = item_size(field), have = 0, cap = 0;
    uint8_t *items = arena_alloc(r->arena, size), *more;
    int64_t count = 0;
    int rc;

    if (!items)
        return nomem(r);
    while (!(rc = avro_get_count(c, &count, r->err)) && count > 0) {
        if (have + (size_t)count > cap) {
            cap = have * 2 > have + (size_t)count ? have * 2 : have + (size_t)count;
            more = arena_array(r->arena, cap, size);
            if (!more)
                return nomem(r);
            memcpy(more, items, have * size);
            items = more;
        }
        for (int64_t i = 0; i < count; i++, have++) {
            uint8_t *item = items + have * size;

            if (field->shape)
                set_all_absent(field->shape, item);
            else
                set_absent(field->item, item);
            rc = get_value(r, c, &step->kids[0], item, item);
            if (rc)
                return rc;
        }
    }
    *(uint8_t **)at = items;
    *(size_t *)(record + field->at_count) = have;
    return rc;
}

static int get_integer(struct reader *r, struct avro_cursor *c, const struct avro_field *to,
                       uint8_t *at)
{
    int64_t number;
    int rc = avro_get_long(c, &number, r->err);

    if (rc)
        return rc;
    if (to->kind == AK_LONG) {
        *(int64_t *)at = number;
        return 0;
    }
    if (number < INT32_MIN || number > INT32_MAX)
        return err_set(r->err, ERR_CORRUPT, "avro: %s is out of range: %" PRId64,
                       to->name ? to->name : "item", number);
    *(int32_t *)at = (int32_t)number;
    return 0;
}

static int get_union(struct reader *r, struct avro_cursor *c, const struct step *step,
                     uint8_t *record, uint8_t *at)
{
    int64_t branch;
    int rc = avro_get_long(c, &branch, r->err);

    if (rc)
        return rc;
    if (branch < 0 || (size_t)branch >= step->kid_count)
        return err_set(r->err, ERR_CORRUPT, "avro: union branch %" PRId64, branch);
    if (step->kids[branch].schema->type == AVRO_NULL)
        return 0; /* stays absent */
    return get_value(r, c, &step->kids[branch], record, at);
}

static int get_value(struct reader *r, struct avro_cursor *c, const struct step *step,
                     uint8_t *record, uint8_t *at)
{
    struct slice bytes;
    const uint8_t *byte;
    double real;
    int rc;

    if (step->schema->type == AVRO_UNION)
        return get_union(r, c, step, record, at);
    if (step->shape)
        return get_record(r, c, step, at);
    switch (step->to->kind) {
    case AK_BOOL:
        rc = avro_get_fixed(c, 1, &byte, r->err);
        *at = rc ? 0 : *byte != 0;
        return rc;
    case AK_INT:
    case AK_LONG:
        return get_integer(r, c, step->to, at);
    case AK_FLOAT:
    case AK_DOUBLE:
        rc = get_real(r, c, step->schema, &real);
        if (!rc && step->to->kind == AK_FLOAT)
            *(float *)at = (float)real;
        else if (!rc)
            *(double *)at = real;
        return rc;
    case AK_STRING:
        rc = get_octets(r, c, step->schema, &bytes);
        *(const char **)at = rc ? NULL : (const char *)bytes.ptr;
        return rc;
    case AK_BYTES:
        return get_octets(r, c, step->schema, (struct slice *)at);
    case AK_DATUM:
        return get_datum(r, c, step->schema, (struct avro_datum *)at);
    case AK_ARRAY:
    case AK_MAP:
        return get_items(r, c, step, record, at);
    case AK_RECORD:
        return get_record(r, c, step, at);
    }
    return err_set(r->err, ERR_INTERNAL, "avro: unknown kind");
}

static int get_header_meta(struct reader *r, struct avro_cursor *c, struct avro_file *out)
{
    size_t cap = 0;
    int64_t count;
    int rc;

    while (!(rc = avro_get_count(c, &count, r->err)) && count > 0) {
        for (int64_t i = 0; i < count; i++) {
            struct slice key, value;

            rc = avro_get_bytes(c, &key, r->err);
            rc = rc ? rc : avro_get_bytes(c, &value, r->err);
            if (rc)
                return rc;
            if (out->meta_count == cap) {
                struct avro_meta *more = ARENA_ARRAY(r->arena, struct avro_meta, cap * 2 + 8);

                if (!more)
                    return nomem(r);
                if (cap)
                    memcpy(more, out->meta, cap * sizeof(*more));
                out->meta = more;
                cap = cap * 2 + 8;
            }
            out->meta[out->meta_count].key = arena_cstr(r->arena, key);
            rc = get_copy(r, value, &out->meta[out->meta_count].value);
            if (rc || !out->meta[out->meta_count].key)
                return nomem(r);
            out->meta_count++;
        }
    }
    return rc;
}

struct slice avro_file_meta(const struct avro_file *file, const char *key)
{
    for (size_t i = 0; i < file->meta_count; i++)
        if (!strcmp(file->meta[i].key, key))
            return file->meta[i].value;
    return (struct slice){0};
}

int avro_file_open(struct slice bytes, struct arena *arena, struct avro_file *out, struct err *err)
{
    struct reader r = {.arena = arena, .err = err};
    struct avro_cursor c = {bytes.ptr, bytes.ptr + bytes.len};
    const uint8_t *sync;
    struct slice text;
    int rc;

    memset(out, 0, sizeof(*out));
    if (bytes.len < 4 || memcmp(bytes.ptr, "Obj\1", 4) != 0)
        return err_set(err, ERR_CORRUPT, "avro: not an object container file");
    c.at += 4;
    rc = get_header_meta(&r, &c, out);
    rc = rc ? rc : avro_get_fixed(&c, 16, &sync, err);
    if (rc)
        return rc;
    memcpy(out->sync, sync, 16);
    out->blocks = slice_of(c.at, (size_t)(c.end - c.at));
    text = avro_file_meta(out, "avro.codec");
    out->codec = text.ptr ? (const char *)text.ptr : "null"; /* copies are NUL-ended */
    text = avro_file_meta(out, "avro.schema");
    if (!text.ptr)
        return err_set(err, ERR_CORRUPT, "avro: the file has no schema");
    return avro_schema_parse(text, arena, &out->schema, err);
}

static int unpack(const char *codec, struct slice in, size_t max, struct buf *out, struct err *err)
{
    if (!strcmp(codec, "null"))
        return in.len > max ? err_set(err, ERR_LIMIT, "avro: a block of %zu bytes", in.len)
                            : buf_append_slice(out, in);
    if (!strcmp(codec, "deflate"))
        return codec_decompress(CODEC_DEFLATE, in, max, out, err);
    if (!strcmp(codec, "snappy"))
        return codec_decompress(CODEC_SNAPPY_AVRO, in, max, out, err);
    if (!strcmp(codec, "zstandard"))
        return codec_decompress(CODEC_ZSTD, in, max, out, err);
    return err_set(err, ERR_UNSUPPORTED, "avro codec %s", codec);
}

struct records {
    uint8_t *list;
    size_t count, cap;
};

static int records_grow(struct reader *r, struct records *rec, size_t size, size_t more)
{
    size_t cap = rec->count + more;
    uint8_t *list;

    if (cap <= rec->cap)
        return 0;
    if (rec->count && cap < rec->count * 2)
        cap = rec->count * 2;
    list = arena_array(r->arena, cap ? cap : 1, size);
    if (!list)
        return nomem(r);
    if (rec->count)
        memcpy(list, rec->list, rec->count * size);
    rec->list = list;
    rec->cap = cap;
    return 0;
}

static int read_block(struct reader *r, const struct step *root, struct slice block, int64_t count,
                      struct records *rec)
{
    struct avro_cursor c = {block.ptr, block.ptr + block.len};
    size_t size = root->shape->size;
    int rc;

    if (count < 0 || (uint64_t)count > block.len + (uint64_t)AVRO_EMPTY_ITEMS_MAX)
        return err_set(r->err, ERR_CORRUPT, "avro: %" PRId64 " records claimed in %zu bytes", count,
                       block.len);
    rc = records_grow(r, rec, size, (size_t)count);
    for (int64_t i = 0; i < count && !rc; i++) {
        uint8_t *record = rec->list + rec->count * size;

        memset(record, 0, size);
        set_all_absent(root->shape, record);
        rc = get_value(r, &c, root, record, record);
        rec->count += !rc;
    }
    if (!rc && c.at != c.end)
        rc = err_set(r->err, ERR_CORRUPT, "avro: %zu bytes left over in a block",
                     (size_t)(c.end - c.at));
    return rc;
}

int avro_file_read(const struct avro_file *file, const struct avro_shape *shape, size_t block_max,
                   struct arena *arena, void **out, size_t *out_count, struct err *err)
{
    struct reader r = {.arena = arena, .err = err};
    struct avro_cursor c = {file->blocks.ptr, file->blocks.ptr + file->blocks.len};
    struct records rec = {0};
    struct step root;
    struct buf plain;
    int rc = plan(&r, file->schema, NULL, shape, 0, &root);

    buf_init(&plain, block_max);
    rc = rc ? rc : records_grow(&r, &rec, shape->size, 1);
    while (!rc && c.at < c.end) {
        int64_t count;
        struct slice packed;
        const uint8_t *sync;

        rc = avro_get_long(&c, &count, err);
        rc = rc ? rc : avro_get_bytes(&c, &packed, err);
        rc = rc ? rc : avro_get_fixed(&c, 16, &sync, err);
        if (!rc && memcmp(sync, file->sync, 16) != 0)
            rc = err_set(err, ERR_CORRUPT, "avro: a block does not end in the sync marker");
        buf_clear(&plain);
        rc = rc ? rc : unpack(file->codec, packed, block_max, &plain, err);
        rc = rc ? rc : read_block(&r, &root, buf_slice(&plain), count, &rec);
    }
    buf_deinit(&plain);
    *out = rec.list;
    *out_count = rec.count;
    return rc;
}

int avro_block_read(const struct avro_file *file, struct slice bytes, struct buf *plain,
                    int64_t *count, size_t *used, size_t *need, struct err *err)
{
    struct avro_cursor c = {bytes.ptr, bytes.ptr + bytes.len};
    int64_t size;
    int rc;

    *need = bytes.len + 20; /* two numbers */
    if (avro_get_long(&c, count, NULL) || avro_get_long(&c, &size, NULL))
        return bytes.len < 20 ? ERR_AGAIN
                              : err_set(err, ERR_CORRUPT, "avro: no block begins here");
    if (size < 0 || (uint64_t)size > AVRO_BLOCK_MAX || *count < 0)
        return err_set(err, ERR_CORRUPT, "avro: a block claims %" PRId64 " bytes", size);
    *used = *need = (size_t)(c.at - bytes.ptr) + (size_t)size + 16;
    if (*need > bytes.len)
        return ERR_AGAIN;
    if (memcmp(c.at + size, file->sync, 16) != 0)
        return err_set(err, ERR_CORRUPT, "avro: a block does not end in the sync marker");
    buf_clear(plain);
    rc = unpack(file->codec, slice_of(c.at, (size_t)size), AVRO_BLOCK_MAX, plain, err);
    if (!rc && (uint64_t)*count > plain->len + (uint64_t)AVRO_EMPTY_ITEMS_MAX)
        rc = err_set(err, ERR_CORRUPT, "avro: %" PRId64 " records claimed in %zu bytes", *count,
                     plain->len);
    return rc;
}
