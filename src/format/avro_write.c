/* avro_write.c - the schema and the bytes of a container file, from one table. */
#include "format/avro_rows.h"
#include "base/codec.h"
#include "base/json.h"
#include "format/avro_file.h"

static int put_field_type(const struct avro_field *field, struct buf *out);

static int put_record_schema(const struct avro_shape *shape, struct buf *out)
{
    int rc = buf_printf(out, "{\"type\":\"record\",\"name\":\"%s\",\"fields\":[", shape->name);

    for (size_t i = 0; i < shape->field_count && !rc; i++) {
        const struct avro_field *field = &shape->fields[i];

        rc = buf_append_str(out, i ? ",{\"name\":" : "{\"name\":");
        rc = rc ? rc : json_quote(out, slice_str(field->name));
        rc = rc ? rc : buf_append_str(out, field->optional ? ",\"type\":[\"null\"," : ",\"type\":");
        rc = rc ? rc : put_field_type(field, out);
        rc = rc ? rc : buf_append_str(out, field->optional ? "],\"default\":null" : "");
        rc = rc ? rc : buf_printf(out, ",\"field-id\":%" PRId32 "}", field->id);
    }
    return rc ? rc : buf_append_str(out, "]}");
}

static int put_datum_type(const struct avro_field *field, struct buf *out)
{
    const struct avro_datum_type *type = field->datum;
    int rc;

    if (!type->logical && type->type != AVRO_FIXED)
        return buf_printf(out, "\"%s\"", avro_type_name(type->type));
    rc = buf_printf(out, "{\"type\":\"%s\"", avro_type_name(type->type));
    if (!rc && type->type == AVRO_FIXED) /* fixed types are named: the field id makes it unique */
        rc = buf_printf(out, ",\"name\":\"fixed_%" PRId32 "\",\"size\":%" PRId32, field->id,
                        type->size);
    if (!rc && type->logical)
        rc = buf_printf(out, ",\"logicalType\":\"%s\"", type->logical);
    if (!rc && type->logical && !strcmp(type->logical, "decimal"))
        rc = buf_printf(out, ",\"precision\":%" PRId32 ",\"scale\":%" PRId32, type->precision,
                        type->scale);
    if (!rc && type->logical && !strncmp(type->logical, "timestamp", 9))
        rc = buf_printf(out, ",\"adjust-to-utc\":%s", type->adjust_to_utc ? "true" : "false");
    return rc ? rc : buf_append_str(out, "}");
}

static int put_field_type(const struct avro_field *field, struct buf *out)
{
    static const char *const primitive[] = {
        [AK_BOOL] = "\"boolean\"", [AK_INT] = "\"int\"",       [AK_LONG] = "\"long\"",
        [AK_FLOAT] = "\"float\"",  [AK_DOUBLE] = "\"double\"", [AK_STRING] = "\"string\"",
        [AK_BYTES] = "\"bytes\"",
    };
    int rc;

    switch (field->kind) {
    case AK_RECORD:
        return put_record_schema(field->shape, out);
    case AK_DATUM:
        return put_datum_type(field, out);
    case AK_MAP:
        rc = buf_append_str(out, "{\"type\":\"array\",\"logicalType\":\"map\",\"items\":");
        rc = rc ? rc : put_record_schema(field->shape, out);
        return rc ? rc : buf_append_str(out, "}");
    case AK_ARRAY:
        rc = buf_append_str(out, "{\"type\":\"array\",\"items\":");
        rc = rc             ? rc
             : field->shape ? put_record_schema(field->shape, out)
                            : put_field_type(field->item, out);
        return rc ? rc
                  : buf_printf(out, ",\"element-id\":%" PRId32 "}",
                               field->shape ? field->item_id : field->item->id);
    default:
        return buf_append_str(out, primitive[field->kind]);
    }
}

int avro_shape_schema(const struct avro_shape *shape, struct buf *out)
{
    return put_record_schema(shape, out);
}

static size_t kind_size(enum avro_kind kind)
{
    static const size_t sizes[] = {
        [AK_BOOL] = 1,
        [AK_INT] = 4,
        [AK_LONG] = 8,
        [AK_FLOAT] = 4,
        [AK_DOUBLE] = 8,
        [AK_STRING] = sizeof(char *),
        [AK_BYTES] = sizeof(struct slice),
        [AK_DATUM] = sizeof(struct avro_datum),
    };
    return sizes[kind];
}

static bool is_absent(const struct avro_field *field, const uint8_t *at)
{
    switch (field->kind) {
    case AK_BOOL:
        return *(const int8_t *)at == field->absent;
    case AK_INT:
        return *(const int32_t *)at == field->absent;
    case AK_LONG:
        return *(const int64_t *)at == field->absent;
    case AK_STRING:
        return !*(const char *const *)at;
    case AK_BYTES:
        return !((const struct slice *)at)->ptr;
    case AK_ARRAY:
    case AK_MAP:
        return !*(const void *const *)at;
    case AK_DATUM:
        return ((const struct avro_datum *)at)->null;
    default:
        return false;
    }
}

static int put_record(const struct avro_shape *shape, const uint8_t *record, struct buf *out);

static int put_datum(const struct avro_datum_type *type, const struct avro_datum *datum,
                     struct buf *out)
{
    float narrow = (float)datum->d;

    switch (type->type) {
    case AVRO_BOOLEAN:
        return buf_append_u8(out, datum->i != 0);
    case AVRO_INT:
    case AVRO_LONG:
        return avro_put_long(out, datum->i);
    case AVRO_FLOAT:
        return buf_append(out, &narrow, sizeof(narrow));
    case AVRO_DOUBLE:
        return buf_append(out, &datum->d, sizeof(datum->d));
    case AVRO_FIXED:
        return datum->bytes.len == (size_t)type->size ? buf_append_slice(out, datum->bytes)
                                                      : ERR_INVALID;
    default:
        return avro_put_bytes(out, datum->bytes);
    }
}

static int put_value(const struct avro_field *field, const uint8_t *at, struct buf *out);

static int put_items(const struct avro_field *field, const uint8_t *record, const uint8_t *at,
                     struct buf *out)
{
    const uint8_t *items = *(const uint8_t *const *)at;
    size_t count = *(const size_t *)(record + field->at_count);
    size_t size = field->shape ? field->shape->size : kind_size(field->item->kind);
    int rc = count ? avro_put_long(out, (int64_t)count) : 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = field->shape ? put_record(field->shape, items + i * size, out)
                          : put_value(field->item, items + i * size, out);
    return rc ? rc : avro_put_long(out, 0);
}

static int put_value(const struct avro_field *field, const uint8_t *at, struct buf *out)
{
    switch (field->kind) {
    case AK_BOOL:
        return buf_append_u8(out, *at != 0);
    case AK_INT:
        return avro_put_long(out, *(const int32_t *)at);
    case AK_LONG:
        return avro_put_long(out, *(const int64_t *)at);
    case AK_FLOAT:
        return buf_append(out, at, 4);
    case AK_DOUBLE:
        return buf_append(out, at, 8);
    case AK_STRING:
        return avro_put_bytes(out, slice_str(*(const char *const *)at));
    case AK_BYTES:
        return avro_put_bytes(out, *(const struct slice *)at);
    case AK_RECORD:
        return put_record(field->shape, at, out);
    case AK_DATUM:
        return put_datum(field->datum, (const struct avro_datum *)at, out);
    default:
        return ERR_INTERNAL;
    }
}

static int put_record(const struct avro_shape *shape, const uint8_t *record, struct buf *out)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct avro_field *field = &shape->fields[i];
        const uint8_t *at = record + field->at;
        bool absent = field->optional && is_absent(field, at);
        int rc = field->optional ? avro_put_long(out, absent ? 0 : 1) : 0;

        if (!rc && !absent)
            rc = field->kind == AK_ARRAY || field->kind == AK_MAP
                     ? put_items(field, record, at, out)
                     : put_value(field, at, out);
        if (rc)
            return rc;
    }
    return 0;
}

static int compress(const char *codec, struct slice in, struct buf *out, struct err *err)
{
    if (!strcmp(codec, "null"))
        return buf_append_slice(out, in);
    if (!strcmp(codec, "deflate"))
        return codec_compress(CODEC_DEFLATE, 6, in, out, err);
    if (!strcmp(codec, "snappy"))
        return codec_compress(CODEC_SNAPPY_AVRO, 0, in, out, err);
    if (!strcmp(codec, "zstandard"))
        return codec_compress(CODEC_ZSTD, 3, in, out, err);
    return err_set(err, ERR_UNSUPPORTED, "avro codec %s", codec);
}

static int put_meta(struct buf *out, const char *key, struct slice value)
{
    int rc = avro_put_bytes(out, slice_str(key));

    return rc ? rc : avro_put_bytes(out, value);
}

static int begin_header(struct buf *out, struct slice schema, const char *codec, size_t more)
{
    int rc = buf_append(out, "Obj\1", 4);

    rc = rc ? rc : avro_put_long(out, (int64_t)more + 2);
    rc = rc ? rc : put_meta(out, "avro.schema", schema);
    return rc ? rc : put_meta(out, "avro.codec", slice_str(codec));
}

static int put_header(const struct avro_shape *shape, const struct avro_meta *meta,
                      size_t meta_count, const char *codec, struct buf *out)
{
    struct buf schema;
    int rc;

    buf_init(&schema, 0);
    rc = put_record_schema(shape, &schema);
    rc = rc ? rc : begin_header(out, buf_slice(&schema), codec, meta_count);
    for (size_t i = 0; i < meta_count && !rc; i++)
        rc = put_meta(out, meta[i].key, meta[i].value);
    buf_deinit(&schema);
    return rc ? rc : avro_put_long(out, 0);
}

int avro_header_put(struct buf *out, struct slice schema, const char *codec, const uint8_t sync[16])
{
    int rc = begin_header(out, schema, codec, 0);

    rc = rc ? rc : avro_put_long(out, 0);
    return rc ? rc : buf_append(out, sync, 16);
}

int avro_block_put(struct buf *out, struct slice records, int64_t count, const char *codec,
                   const uint8_t sync[16], struct err *err)
{
    struct buf packed;
    int rc;

    buf_init(&packed, 0);
    rc = compress(codec, records, &packed, err);
    rc = rc ? rc : avro_put_long(out, count);
    rc = rc ? rc : avro_put_bytes(out, buf_slice(&packed));
    rc = rc ? rc : buf_append(out, sync, 16);
    buf_deinit(&packed);
    return rc;
}

/* One block: Iceberg's manifests are small, and one block compresses best. The sync marker is a
 * digest of the block, so that the same records give the same bytes. */
int avro_file_write(const struct avro_shape *shape, const void *records, size_t count,
                    const struct avro_meta *meta, size_t meta_count, const char *codec,
                    struct buf *out, struct err *err)
{
    struct buf plain, packed;
    uint8_t sync[16];
    int rc;

    buf_init(&plain, 0);
    buf_init(&packed, 0);
    rc = put_header(shape, meta, meta_count, codec, out);
    for (size_t i = 0; i < count && !rc; i++)
        rc = put_record(shape, (const uint8_t *)records + i * shape->size, &plain);
    if (rc)
        goto done;
    md5(plain.ptr, plain.len, sync);
    rc = buf_append(out, sync, sizeof(sync));
    if (rc || count == 0)
        goto done;
    rc = compress(codec, buf_slice(&plain), &packed, err);
    rc = rc ? rc : avro_put_long(out, (int64_t)count);
    rc = rc ? rc : avro_put_bytes(out, buf_slice(&packed));
    rc = rc ? rc : buf_append(out, sync, sizeof(sync));
done:
    buf_deinit(&plain);
    buf_deinit(&packed);
    if (rc && (!err || !err->code))
        err_set(err, rc, "avro: writing %s", shape->name);
    return rc;
}
